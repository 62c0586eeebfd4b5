/* The kernels for AVX2. The flags that allow it are set for this file alone. */
#include <immintrin.h>

#ifndef VARIANT
#define VARIANT avx2
#endif
#define WIDTH 8
#define ROWS 4
#define LARGEST(v) largest((__m256)(v))
#define TOTAL(v) total((__m256i)(v))
#define STRIDED_ROWS 4
#define MAXIMUM(a, b) (vector) _mm256_max_ps((__m256)(a), (__m256)(b))
#define MINIMUM(a, b) (vector) _mm256_min_ps((__m256)(a), (__m256)(b))
#define ZERO_WHERE_LESS(x, y, v) \
    (vector) _mm256_andnot_ps(_mm256_cmp_ps((__m256)(x), (__m256)(y), _CMP_LT_OQ), (__m256)(v))
#define SQRT(v) _mm256_sqrt_ps((__m256)(v))

static inline float largest(__m256 v)
{
    __m128 four = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

static inline int total(__m256i v)
{
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
}

/* maddubs adds pairs of u8 x s8 to int16: at most 2 * 127 * 127, so it does not saturate. */
#define INT8_ROWS 2
#define INT8_PANELS 1
typedef __m256i accumulator;
#define START(offset) _mm256_set1_epi32(offset)
#define START_FROM(columns) _mm256_loadu_si256((const __m256i *)(const void *)(columns))
#define FINISH(sum) ((mask)(sum))
#define ACCUMULATE_SIGNED(sum, w, x)                                                            \
    (sum) = _mm256_add_epi32(                                                                   \
        (sum),                                                                                  \
        _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi32(four_bytes(x)), (__m256i)(w)), \
                          _mm256_set1_epi16(1)))
#define ACCUMULATE(sum, w, x)                                                                   \
    (sum) = _mm256_add_epi32(                                                                   \
        (sum),                                                                                  \
        _mm256_madd_epi16(_mm256_maddubs_epi16((__m256i)(w), _mm256_set1_epi32(four_bytes(x))), \
                          _mm256_set1_epi16(1)))

/* The query's signs go over to the rows. */
#define SCORE_QUERIES 4
#define SCORE_PANELS 1
#define ROW_OFFSET 0
#define SCORE(sum, rows, x)                                                              \
    do {                                                                                 \
        __m256i query = _mm256_set1_epi32(four_bytes(x));                                \
        __m256i row = _mm256_sign_epi8((__m256i)(rows), query);                          \
        __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(query), row);               \
        (sum) = _mm256_add_epi32((sum), _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))); \
    } while (0)
#define ANY(m) (!_mm256_testz_si256((__m256i)(m), (__m256i)(m)))

#include "math/kernels_vector.inc"
