#include "encode/efficientnet.h"

#include <string.h>

static const float RELU6 = 6.0f;

/* Pixels [H, W]; what SAME padding puts before the first of a row or column. */
typedef struct plane {
    size_t H, W;
} plane;

static size_t out_size(size_t size, size_t stride)
{
    return (size + stride - 1) / stride;
}

static size_t before(size_t size, size_t side, size_t stride)
{
    size_t needed = (out_size(size, stride) - 1) * stride + side;
    return needed > size ? (needed - size) / 2 : 0;
}

static void clamp(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float v = x[i] > 0.0f ? x[i] : 0.0f;
        x[i] = v < RELU6 ? v : RELU6;
    }
}

/* ---- products of all channels, in parts of ROWS pixels ---- */

typedef struct product {
    const ferry_efficientnet *net;
    const ferry_convolution *layer;
    const float *x; /* [T, K] */
    size_t T;
    plane image;  /* of the output's pixels */
    float *y;     /* pixel (r, c) at y + (r * pitch + c) * N */
    size_t pitch; /* pixels from row to row */
    bool activated, residual;
} product;

static size_t part_size(const product *p, size_t first)
{
    return p->T - first < FERRY_EFFICIENTNET_ROWS ? p->T - first : FERRY_EFFICIENTNET_ROWS;
}

/* count pixels' results from `first` on to where they belong */
static void give(const product *p, const float *from, size_t first, size_t count)
{
    size_t N = p->layer->N, W = p->image.W;
    for (size_t t = first; t < first + count;) {
        size_t row = t / W, column = t % W;
        size_t run = W - column < first + count - t ? W - column : first + count - t;
        float *to = p->y + (row * p->pitch + column) * N;
        if (p->residual)
            for (size_t i = 0; i < run * N; i++) to[i] = to[i] + from[i];
        else
            memcpy(to, from, run * N * sizeof *to);
        from += run * N;
        t += run;
    }
}

static void pointwise_part(void *context, size_t index, size_t worker)
{
    const product *p = context;
    const ferry_convolution *layer = p->layer;
    size_t first = index * FERRY_EFFICIENTNET_ROWS, count = part_size(p, first);
    float *y = p->net->scratch + worker * p->net->scratch_size;
    p->net->kernels->matmul(p->x + first * layer->K, layer->K, layer->w, layer->bias, y, layer->N,
                            count, layer->K, layer->N);
    if (p->activated) clamp(y, count * layer->N);
    give(p, y, first, count);
}

/* The window's pixels around each output's, zeros outside, then a product. */
static void stem_part(void *context, size_t index, size_t worker)
{
    const product *p = context;
    const ferry_efficientnet *net = p->net;
    const ferry_convolution *layer = p->layer;
    size_t first = index * FERRY_EFFICIENTNET_ROWS, count = part_size(p, first);
    size_t side = layer->side, K = layer->K, inner = side * side * K;
    size_t top = before(net->height, side, layer->stride);
    size_t left = before(net->width, side, layer->stride);
    float *x = net->scratch + worker * net->scratch_size;
    float *y = x + FERRY_EFFICIENTNET_ROWS * inner, *to = x;
    for (size_t t = first; t < first + count; t++) {
        for (size_t i = 0; i < side; i++) {
            for (size_t j = 0; j < side; j++, to += K) {
                /* negative ones wrap around, and are too large as well */
                size_t row = t / p->image.W * layer->stride + i - top;
                size_t column = t % p->image.W * layer->stride + j - left;
                if (row < net->height && column < net->width)
                    memcpy(to, p->x + (row * net->width + column) * K, K * sizeof *to);
                else
                    memset(to, 0, K * sizeof *to);
            }
        }
    }
    net->kernels->matmul(x, inner, layer->w, layer->bias, y, layer->N, count, inner, layer->N);
    clamp(y, count * layer->N);
    give(p, y, first, count);
}

static void run_product(const product *p, ferry_pool_task task)
{
    ferry_pool_run(p->net->pool, (p->T + FERRY_EFFICIENTNET_ROWS - 1) / FERRY_EFFICIENTNET_ROWS,
                   task, (void *)(uintptr_t)p);
}

/* ---- depthwise convolutions, a row at a time ---- */

typedef struct depthwise {
    const ferry_efficientnet *net;
    const ferry_convolution *layer;
    size_t pitch; /* pixels of a row of net->padded */
    plane out;
} depthwise;

static void depthwise_row(void *context, size_t index, size_t worker)
{
    const depthwise *d = context;
    const ferry_convolution *layer = d->layer;
    size_t row = d->pitch * layer->N;
    (void)worker;
    d->net->kernels->depthwise(
        d->net->padded + index * layer->stride * row, row, layer->stride, layer->w, layer->bias,
        RELU6, d->net->spread + index * d->out.W * layer->N, layer->side, d->out.W, layer->N);
}

/* Zeros around [H, W, N] in net->padded; returns where its first pixel is. */
static float *make_frame(ferry_efficientnet *net, const ferry_convolution *layer, plane in,
                         size_t *pitch)
{
    size_t N = layer->N, top = before(in.H, layer->side, layer->stride);
    size_t left = before(in.W, layer->side, layer->stride);
    size_t rows = (out_size(in.H, layer->stride) - 1) * layer->stride + layer->side;
    *pitch = (out_size(in.W, layer->stride) - 1) * layer->stride + layer->side;
    if (*pitch < left + in.W) *pitch = left + in.W; /* a stride may leave pixels out */
    if (rows < top + in.H) rows = top + in.H;
    size_t right = *pitch - left - in.W;
    for (size_t r = 0; r < rows; r++) {
        float *row = net->padded + r * *pitch * N;
        if (r < top || r >= top + in.H) {
            memset(row, 0, *pitch * N * sizeof *row);
        } else {
            memset(row, 0, left * N * sizeof *row);
            memset(row + (left + in.W) * N, 0, right * N * sizeof *row);
        }
    }
    return net->padded + (top * *pitch + left) * N;
}

static plane run_block(ferry_efficientnet *net, const ferry_inverted_residual *block, plane in)
{
    const ferry_convolution *layer = &block->depthwise;
    depthwise d = {.net = net,
                   .layer = layer,
                   .out = {out_size(in.H, layer->stride), out_size(in.W, layer->stride)}};
    float *inside = make_frame(net, layer, in, &d.pitch);
    product expand = {.net = net,
                      .layer = &block->expand,
                      .x = net->x,
                      .T = in.H * in.W,
                      .image = in,
                      .y = inside,
                      .pitch = d.pitch,
                      .activated = true};
    if (block->expands) {
        run_product(&expand, pointwise_part);
    } else {
        for (size_t r = 0; r < in.H; r++)
            memcpy(inside + r * d.pitch * layer->N, net->x + r * in.W * layer->N,
                   in.W * layer->N * sizeof *inside);
    }
    ferry_pool_run(net->pool, d.out.H, depthwise_row, &d);
    product project = {.net = net,
                       .layer = &block->project,
                       .x = net->spread,
                       .T = d.out.H * d.out.W,
                       .image = d.out,
                       .y = net->x,
                       .pitch = d.out.W,
                       .residual = block->residual};
    run_product(&project, pointwise_part);
    return d.out;
}

void ferry_efficientnet_forward(ferry_efficientnet *net, const float *pixels, float *features,
                                float *logits)
{
    plane at = {out_size(net->height, net->stem.stride), out_size(net->width, net->stem.stride)};
    product stem = {.net = net,
                    .layer = &net->stem,
                    .x = pixels,
                    .T = at.H * at.W,
                    .image = at,
                    .y = net->x,
                    .pitch = at.W};
    run_product(&stem, stem_part);
    for (size_t b = 0; b < net->blocks; b++) at = run_block(net, &net->block[b], at);
    product head = {.net = net,
                    .layer = &net->head,
                    .x = net->x,
                    .T = at.H * at.W,
                    .image = at,
                    .y = net->spread,
                    .pitch = at.W,
                    .activated = true};
    run_product(&head, pointwise_part);
    size_t N = net->features, T = at.H * at.W;
    memcpy(features, net->spread, N * sizeof *features);
    for (size_t t = 1; t < T; t++)
        for (size_t n = 0; n < N; n++) features[n] = features[n] + net->spread[t * N + n];
    for (size_t n = 0; n < N; n++) features[n] = features[n] / (float)T;
    if (logits != NULL)
        net->kernels->matmul(features, N, net->classifier, net->classifier_bias, logits,
                             net->classes, 1, N, net->classes);
}
