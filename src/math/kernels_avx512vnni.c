/* The kernels for AVX-512 with VNNI. The flags that allow it are set for this file alone. */
#include <immintrin.h>

#define VARIANT avx512vnni
#define WIDTH 16
#define ROWS 8
#define LARGEST(v) _mm512_reduce_max_ps((__m512)(v))
#define TOTAL(v) _mm512_reduce_add_epi32((__m512i)(v))
#define STRIDED_ROWS 16
#define MAXIMUM(a, b) (vector) _mm512_max_ps((__m512)(a), (__m512)(b))
#define MINIMUM(a, b) (vector) _mm512_min_ps((__m512)(a), (__m512)(b))
#define ZERO_WHERE_LESS(x, y, v)                                                            \
    (vector) _mm512_maskz_mov_ps(_mm512_cmp_ps_mask((__m512)(x), (__m512)(y), _CMP_NLT_UQ), \
                                 (__m512)(v))
#define NARROW(v) (small) _mm512_cvtepi32_epi8((__m512i)(v))
#define MASKED
#define FIRST(count) (__mmask16)((1u << (count)) - 1)
#define LOAD_SOME(from, count) (vector) _mm512_maskz_loadu_ps(FIRST(count), from)
#define STORE_SOME(to, v, count) _mm512_mask_storeu_ps(to, FIRST(count), (__m512)(v))
#define SQRT(v) _mm512_sqrt_ps((__m512)(v))

#define INT8_ROWS 6
#define INT8_PANELS 2
typedef __m512i accumulator;
#define START(offset) _mm512_set1_epi32(offset)
#define START_FROM(columns) _mm512_loadu_si512(columns)
#define FINISH(sum) ((mask)(sum))
#define ACCUMULATE_SIGNED(sum, w, x) \
    (sum) = _mm512_dpbusd_epi32((sum), _mm512_set1_epi32(four_bytes(x)), (__m512i)(w))
#define ACCUMULATE(sum, w, x) \
    (sum) = _mm512_dpbusd_epi32((sum), (__m512i)(w), _mm512_set1_epi32(four_bytes(x)))

#define SCORE_QUERIES 8
#define SCORE_PANELS 2
#define ROW_OFFSET 128
#define SCORE(sum, rows, x)                                                                       \
    (sum) = _mm512_dpbusd_epi32((sum), _mm512_xor_si512((__m512i)(rows), _mm512_set1_epi8(-128)), \
                                _mm512_set1_epi32(four_bytes(x)))
#define ANY(m) (_mm512_test_epi32_mask((__m512i)(m), (__m512i)(m)) != 0)

#include "math/kernels_vector.inc"
