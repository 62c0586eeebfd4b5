/* The kernels for AVX-512 F. The flags that allow it are set for this file alone. */
#define VARIANT avx512
#define WIDTH 16
#define ROWS 8
#include "math/kernels_vector.inc"
