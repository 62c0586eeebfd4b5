/* The kernels for AVX2. The flags that allow it are set for this file alone. */
#define VARIANT avx2
#define WIDTH 8
#define ROWS 4
#include "math/kernels_vector.inc"
