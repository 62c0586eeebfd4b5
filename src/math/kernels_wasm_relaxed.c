/* The kernels for WebAssembly relaxed SIMD; only that build contains this file. The relaxed dot
 * product is exact because the second factor's bytes, our weights, are 1…127. */
#include "math/kernels_wasm.h"

#define VARIANT wasm_relaxed

#define INT8_ROWS 2
#define INT8_PANELS 1
typedef v128_t accumulator;
#define START(offset) wasm_i32x4_splat(offset)
#define START_FROM(columns) wasm_v128_load(columns)
#define FINISH(sum) ((mask)(sum))
#define ACCUMULATE_SIGNED(sum, w, x)                                                             \
    (sum) = wasm_i32x4_relaxed_dot_i8x16_i7x16_add((v128_t)(w), wasm_i32x4_splat(four_bytes(x)), \
                                                   (sum))
#define ACCUMULATE(sum, w, x)                                                                    \
    (sum) = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(wasm_i32x4_splat(four_bytes(x)), (v128_t)(w), \
                                                   (sum))

/* The query's signs go over to the rows, which leaves it 0…127. */
#define SCORE_QUERIES 2
#define SCORE_PANELS 1
#define ROW_OFFSET 0
#define SCORE(sum, rows, x)                                                                \
    do {                                                                                   \
        v128_t query = wasm_i32x4_splat(four_bytes(x));                                    \
        v128_t sign = wasm_i8x16_lt(query, wasm_i8x16_const_splat(0));                     \
        v128_t row = wasm_i8x16_sub(wasm_v128_xor((v128_t)(rows), sign), sign);            \
        (sum) = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(row, wasm_i8x16_abs(query), (sum)); \
    } while (0)

#include "math/kernels_vector.inc"
