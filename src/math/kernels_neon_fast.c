/* FERRY_NUMERICS_FAST's kernels for NEON, whose FMA is a part of it: the same code, contracted by
 * the compiler. */
#define VARIANT neon_fast
#include "math/kernels_neon.c"
