/* The kernels for WebAssembly SIMD128; only the SIMD build contains this file. */
#define VARIANT wasm
#define WIDTH 4
#define ROWS 2
#include "math/kernels_vector.inc"
