/* FERRY_NUMERICS_FAST's kernels for AVX-512, whose FMA is a part of it: the same code, contracted
 * by the compiler. */
#define VARIANT avx512_fast
#include "math/kernels_avx512.c"
