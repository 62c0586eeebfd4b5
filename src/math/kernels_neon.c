/* The kernels for ARM NEON with dot products. The flags that allow it are set for this file alone.
 */
#include <arm_neon.h>

#ifndef VARIANT
#define VARIANT neon
#endif
#define WIDTH 4
#define ROWS 4 /* of 32 registers, 16 hold sums */
#define LARGEST(v) vmaxvq_f32((float32x4_t)(v))
#define TOTAL(v) vaddvq_s32((int32x4_t)(v))
#define STRIDED_ROWS 4
#define SQRT(v) vsqrtq_f32((float32x4_t)(v))

/* The weights, 1…127, are the same as signed bytes. */
#define INT8_ROWS 4
#define INT8_PANELS 1
typedef int32x4_t accumulator;
#define START(offset) vdupq_n_s32(offset)
#define START_FROM(columns) vld1q_s32(columns)
#define FINISH(sum) ((mask)(sum))
#define ACCUMULATE_SIGNED(sum, w, x) ACCUMULATE(sum, w, x) /* 0…127 are the same too */
#define ACCUMULATE(sum, w, x) \
    (sum) = vdotq_s32((sum), (int8x16_t)(w), vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(x))))

#define SCORE_QUERIES 4
#define SCORE_PANELS 1
#define ROW_OFFSET 0
#define SCORE(sum, rows, x) \
    (sum) = vdotq_s32((sum), (int8x16_t)(rows), vreinterpretq_s8_s32(vdupq_n_s32(four_bytes(x))))
#define ANY(m) (vmaxvq_u32((uint32x4_t)(m)) != 0)

#include "math/kernels_vector.inc"
