/* Linear layers in f32 or int8: loading their weights, and their products over the pool. */
#ifndef FERRY_ENCODE_LAYER_H
#define FERRY_ENCODE_LAYER_H

#include "base/pool.h"
#include "input/safetensors.h"
#include "math/kernels.h"

typedef struct ferry_layer { /* y = x W + b */
    size_t K, N;
    /* W, one of the three; NULL, or with weights NULL, is what it is not */
    const float *panels;     /* [ceil(N / 16), K, 16] */
    ferry_int8_panels int8;  /* text encoders' and transformers' int8 */
    ferry_int8_columns int7; /* convolutional nets' */
    const float *bias;       /* [N] or NULL */
} ferry_layer;

/* [T, K], as the layer wants it: the others are ignored. */
typedef struct ferry_layer_input {
    const float *x;
    ferry_int8_rows int8;
    ferry_int7_rows int7;
} ferry_layer_input;

/* How the columns of a product lie: `group` of them side by side, in rows one behind the other, and
 * `apart` floats further the next. */
typedef struct ferry_columns {
    size_t group, apart;
} ferry_columns;

static inline size_t ferry_columns_at(const ferry_columns *columns, size_t row, size_t column)
{
    return column / columns->group * columns->apart + row * columns->group +
           column % columns->group;
}

/* ---- products ---- */

/* Room for [T, K] quantised activations, all zeros; false without memory. */
bool ferry_int8_rows_make(ferry_arena *arena, size_t T, size_t K, ferry_int8_rows *out);

/* Its rows from t on. */
ferry_layer_input ferry_layer_input_from(const ferry_layer *layer, const ferry_layer_input *in,
                                         size_t t);

/* x [T, K] to int8, by all threads. */
void ferry_layer_quantize(const ferry_kernels *kernels, ferry_pool *pool, const float *x, size_t T,
                          size_t K, const ferry_int8_rows *out);

/* Columns [first, first + count) of y = layer(in), first a multiple of 16: y [T, count] rows ldy
 * apart. */
void ferry_layer_multiply(const ferry_kernels *kernels, const ferry_layer *layer, size_t first,
                          size_t count, const ferry_layer_input *in, float *y, size_t ldy,
                          size_t T);

/* The same, y being where the layer's column 0 would lie: the group is a multiple of 16, or no less
 * than N. */
void ferry_layer_multiply_columns(const ferry_kernels *kernels, const ferry_layer *layer,
                                  size_t first, size_t count, const ferry_layer_input *in, float *y,
                                  const ferry_columns *columns, size_t T);

/* What else is to be done with a part [rows, columns] of a product, which begins at `row` and
 * `column` of it and lies at y, while it is in the cache. */
typedef void (*ferry_layer_finish)(void *context, float *y, size_t ldy, size_t row, size_t column,
                                   size_t rows, size_t columns);

typedef struct ferry_layer_run {
    const ferry_kernels *kernels;
    ferry_pool *pool;          /* NULL: one thread */
    const ferry_layer *layers; /* [count] of the same K and N, whose outputs lie side by side */
    size_t count;
    ferry_layer_input in; /* int8 is room for x, where the layers are; int7 is given */
    float *y;             /* [T, count * N] as columns say */
    ferry_columns columns;
    size_t T;
    ferry_layer_finish finish; /* or NULL; of columns that are one group */
    void *context;             /* of finish */
} ferry_layer_run;

void ferry_layer_run_all(const ferry_layer_run *run);

/* ---- weights ---- */

typedef struct ferry_layer_loader {
    const ferry_safetensors *tensors;
    ferry_arena *arena; /* what stays */
    bool overwrite;     /* a tensor's bytes, with what is packed of it, if that fits */
    ferry_error *error;
} ferry_layer_loader;

/* What a file of weights is loaded as: AUTO is INT8 where some are, F32 where none is. UNSUPPORTED
 * for int8 weights in F32. */
ferry_status ferry_layer_precision(const ferry_safetensors *tensors, const char *file,
                                   ferry_precision wanted, ferry_precision *out,
                                   ferry_error *error);

/*
 * Rows [first, first + N) of a tensor whose shape the caller has checked: [rows, K], or the same
 * with ones behind. F32, F16, BF16, or I8 with "<name>_scale" F32 [rows, ceil(K / 64)]; each output
 * times factor [N], unless that is NULL. out->bias is left NULL.
 */
ferry_status ferry_layer_load(const ferry_layer_loader *loader, const ferry_tensor *tensor,
                              size_t first, size_t K, size_t N, const float *factor,
                              ferry_precision precision, ferry_layer *out);

/*
 * The same as `int7`, F32, F16, BF16, or I8 -127…127 with "<name>_scale" F32 [rows]: all of a
 * tensor, whose inputs are bytes 0…127 with `zero` added, of input_scale each.
 */
ferry_status ferry_layer_load_int7(const ferry_layer_loader *loader, const ferry_tensor *tensor,
                                   size_t K, size_t N, const float *factor, float input_scale,
                                   int zero, ferry_layer *out);

/* A float layer of matrix [N, K], copied. */
ferry_status ferry_layer_pack(ferry_arena *arena, const float *matrix, size_t K, size_t N,
                              ferry_layer *out, ferry_error *error);

#endif
