#include "encode/layer.h"

#include "math/ops.h"

enum {
    ROWS = 256,         /* of a part of a product: the weights are read once for each */
    QUANTIZED_ROWS = 48 /* of a part that is quantised */
};

bool ferry_int8_rows_make(ferry_arena *arena, size_t T, size_t K, ferry_int8_rows *out)
{
    size_t groups = ferry_int8_groups(K);
    out->q = ferry_arena_array(arena, T, ferry_int8_padded(K));
    out->scale = ferry_arena_array(arena, T, groups * sizeof *out->scale);
    out->offset = ferry_arena_array(arena, T, groups * sizeof *out->offset);
    return out->q != NULL && out->scale != NULL && out->offset != NULL;
}

static ferry_int8_rows int8_from(const ferry_int8_rows *rows, size_t K, size_t t)
{
    size_t groups = ferry_int8_groups(K);
    return (ferry_int8_rows){rows->q + t * ferry_int8_padded(K), rows->scale + t * groups,
                             rows->offset + t * groups};
}

ferry_layer_input ferry_layer_input_from(const ferry_layer *layer, const ferry_layer_input *in,
                                         size_t t)
{
    ferry_layer_input from = {0};
    if (layer->panels != NULL) {
        from.x = in->x + t * layer->K;
    } else if (layer->int8.weights != NULL) {
        from.int8 = int8_from(&in->int8, layer->K, t);
    } else {
        from.int7.q = in->int7.q + t * ferry_int8_padded(layer->K);
        from.int7.scale = in->int7.scale != NULL ? in->int7.scale + t : NULL;
    }
    return from;
}

typedef struct quantizing {
    const ferry_kernels *kernels;
    const float *x;
    size_t T, K;
    const ferry_int8_rows *out;
} quantizing;

static void quantize_part(void *context, size_t index, size_t worker)
{
    const quantizing *q = context;
    size_t first = index * QUANTIZED_ROWS, rest = q->T - first;
    ferry_int8_rows out = int8_from(q->out, q->K, first);
    (void)worker;
    q->kernels->quantize_rows(q->x + first * q->K, q->K,
                              rest < QUANTIZED_ROWS ? rest : QUANTIZED_ROWS, q->K, &out);
}

void ferry_layer_quantize(const ferry_kernels *kernels, ferry_pool *pool, const float *x, size_t T,
                          size_t K, const ferry_int8_rows *out)
{
    quantizing q = {kernels, x, T, K, out};
    ferry_pool_run(pool, (T + QUANTIZED_ROWS - 1) / QUANTIZED_ROWS, quantize_part, &q);
}

void ferry_layer_multiply(const ferry_kernels *kernels, const ferry_layer *layer, size_t first,
                          size_t count, const ferry_layer_input *in, float *y, size_t ldy, size_t T)
{
    size_t K = layer->K, K4 = ferry_int8_padded(K);
    const float *bias = layer->bias != NULL ? layer->bias + first : NULL;
    if (layer->panels != NULL) {
        kernels->matmul(in->x, K, layer->panels + first * K, bias, y, ldy, T, K, count);
    } else if (layer->int8.weights != NULL) {
        ferry_int8_panels w = {K, count, layer->int8.weights + first * K4,
                               layer->int8.scale + first * ferry_int8_groups(K)};
        kernels->matmul_int8(&in->int8, &w, bias, y, ldy, T);
    } else {
        ferry_int8_columns w = {K, count, layer->int7.weights + first * K4,
                                layer->int7.scale + first, layer->int7.start + first};
        kernels->matmul_int7(&in->int7, &w, bias, y, ldy, T);
    }
}

void ferry_layer_multiply_columns(const ferry_kernels *kernels, const ferry_layer *layer,
                                  size_t first, size_t count, const ferry_layer_input *in, float *y,
                                  const ferry_columns *columns, size_t T)
{
    for (size_t n = first, step; n < first + count; n += step) {
        size_t rest = first + count - n, whole = columns->group - n % columns->group;
        step = rest < whole ? rest : whole;
        ferry_layer_multiply(kernels, layer, n, step, in, y + ferry_columns_at(columns, 0, n),
                             columns->group, T);
    }
}

/* ---- a product in parts ---- */

typedef struct product {
    const ferry_layer_run *run;
    size_t columns; /* of a part: a multiple of 16 */
    size_t across;  /* parts of a layer's columns */
} product;

static void multiply_part(void *context, size_t index, size_t worker)
{
    const product *p = context;
    const ferry_layer_run *run = p->run;
    size_t side_by_side = p->across * run->count;
    size_t row = index / side_by_side * ROWS, number = index % side_by_side / p->across;
    size_t column = index % p->across * p->columns;
    const ferry_layer *layer = &run->layers[number];
    size_t rows = run->T - row < ROWS ? run->T - row : ROWS;
    size_t columns = layer->N - column < p->columns ? layer->N - column : p->columns;
    float *y = run->y + ferry_columns_at(&run->columns, row, number * layer->N);
    ferry_layer_input in = ferry_layer_input_from(layer, &run->in, row);
    (void)worker;
    ferry_layer_multiply_columns(run->kernels, layer, column, columns, &in, y, &run->columns, rows);
    if (run->finish != NULL)
        run->finish(run->context, y + column, run->columns.group, row, number * layer->N + column,
                    rows, columns);
}

void ferry_layer_run_all(const ferry_layer_run *run)
{
    const ferry_layer *layer = run->layers;
    size_t threads = ferry_pool_threads(run->pool), down = (run->T + ROWS - 1) / ROWS;
    product p = {run, layer->N + -layer->N % FERRY_PANEL, 1};
    if (threads > 1) { /* at least two parts a thread, of whole pairs of panels */
        size_t wanted = (2 * threads + down * run->count - 1) / (down * run->count);
        size_t pair = 2 * FERRY_PANEL, pairs = (layer->N + pair - 1) / pair;
        p.columns = (pairs + wanted - 1) / wanted * pair;
        p.across = (layer->N + p.columns - 1) / p.columns;
    }
    if (layer->int8.weights != NULL)
        ferry_layer_quantize(run->kernels, run->pool, run->in.x, run->T, layer->K, &run->in.int8);
    ferry_pool_run(run->pool, down * run->count * p.across, multiply_part, &p);
}
