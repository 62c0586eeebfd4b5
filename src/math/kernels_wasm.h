/* What the two WebAssembly SIMD variants have in common; see kernels_vector.inc. */
#ifndef FERRY_MATH_KERNELS_WASM_H
#define FERRY_MATH_KERNELS_WASM_H

#include <wasm_simd128.h>

#define WIDTH 4
#define ROWS 2
#define LARGEST(v) larger(larger((v)[0], (v)[1]), larger((v)[2], (v)[3]))
#define TOTAL(v) ((v)[0] + (v)[1] + (v)[2] + (v)[3])
#define STRIDED_ROWS 2
#define ANY(m) wasm_v128_any_true((v128_t)(m))
#define SQRT(v) wasm_f32x4_sqrt((v128_t)(v))

static inline float larger(float a, float b)
{
    return a > b ? a : b;
}

#endif
