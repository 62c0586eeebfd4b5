/* FERRY_NUMERICS_FAST's kernels for AVX2 with FMA: the same code, contracted by the compiler. */
#define VARIANT avx2_fast
#include "math/kernels_avx2.c"
