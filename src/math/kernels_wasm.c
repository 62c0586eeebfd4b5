/* The kernels for WebAssembly SIMD128; only the SIMD build contains this file. */
#include "math/kernels_wasm.h"

#define VARIANT wasm

/* Bytes widen to int16, whose products are added in pairs: two sums a column until the end. */
#define INT8_ROWS 1
#define INT8_PANELS 1
typedef struct accumulator {
    v128_t low, high; /* of columns 0 and 1, and of 2 and 3 */
} accumulator;
#define START(offset) \
    ((accumulator){wasm_i32x4_make(offset, 0, offset, 0), wasm_i32x4_make(offset, 0, offset, 0)})
#define START_FROM(columns)                                              \
    ((accumulator){wasm_u64x2_extend_low_u32x4(wasm_v128_load(columns)), \
                   wasm_u64x2_extend_high_u32x4(wasm_v128_load(columns))})
#define ACCUMULATE_SIGNED(sum, w, x)                                                            \
    do {                                                                                        \
        v128_t wide = wasm_i16x8_extend_low_i8x16(wasm_i32x4_splat(four_bytes(x)));             \
        (sum).low = wasm_i32x4_add(                                                             \
            (sum).low, wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16((v128_t)(w)), wide));   \
        (sum).high = wasm_i32x4_add(                                                            \
            (sum).high, wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16((v128_t)(w)), wide)); \
    } while (0)
#define FINISH(sum)                                                              \
    ((mask)wasm_i32x4_add(wasm_i32x4_shuffle((sum).low, (sum).high, 0, 2, 4, 6), \
                          wasm_i32x4_shuffle((sum).low, (sum).high, 1, 3, 5, 7)))
#define ACCUMULATE(sum, w, x)                                                                   \
    do {                                                                                        \
        v128_t wide = wasm_i16x8_extend_low_i8x16(wasm_i32x4_splat(four_bytes(x)));             \
        (sum).low = wasm_i32x4_add(                                                             \
            (sum).low, wasm_i32x4_dot_i16x8(wasm_u16x8_extend_low_u8x16((v128_t)(w)), wide));   \
        (sum).high = wasm_i32x4_add(                                                            \
            (sum).high, wasm_i32x4_dot_i16x8(wasm_u16x8_extend_high_u8x16((v128_t)(w)), wide)); \
    } while (0)

/*
 * Many rows take the weights widened already: of one panel and as many groups as stay in the
 * first-level cache, once for all rows. y holds the sums between two such pieces, whose order of
 * groups is that of int8_tile, as are the bits.
 */
#define WIDE_INT8 6       /* groups of a piece, 12 KB */
#define WIDE_INT8_LEAST 4 /* rows that are worth it */

#define SCORE_QUERIES 1
#define SCORE_PANELS 1
#define ROW_OFFSET 0
#define SCORE(sum, rows, x)                                                                        \
    do {                                                                                           \
        v128_t wide = wasm_i16x8_extend_low_i8x16(wasm_i32x4_splat(four_bytes(x)));                \
        (sum).low = wasm_i32x4_add(                                                                \
            (sum).low, wasm_i32x4_dot_i16x8(wasm_i16x8_extend_low_i8x16((v128_t)(rows)), wide));   \
        (sum).high = wasm_i32x4_add(                                                               \
            (sum).high, wasm_i32x4_dot_i16x8(wasm_i16x8_extend_high_i8x16((v128_t)(rows)), wide)); \
    } while (0)

#include "math/kernels_vector.inc"
