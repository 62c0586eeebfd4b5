/* The kernels for AVX2. The flags that allow it are set for this file alone. */
#include <immintrin.h>

#define VARIANT avx2
#define WIDTH 8
#define ROWS 4

/* maddubs adds pairs of u8 x s8 to int16: at most 2 * 127 * 127, so it does not saturate. */
#define INT8_ROWS 2
#define INT8_PANELS 1
typedef __m256i accumulator;
#define START(offset) _mm256_set1_epi32(offset)
#define FINISH(sum) ((mask)(sum))
#define ACCUMULATE(sum, w, x)                                                              \
    (sum) = _mm256_add_epi32(                                                              \
        (sum), _mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)(w), _mm256_set1_epi32(x)), \
                                 _mm256_set1_epi16(1)))

#include "math/kernels_vector.inc"
