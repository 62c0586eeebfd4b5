#include "encode/efficientnet.h"

#include <string.h>

static const float RELU6 = 6.0f;

enum {
    BAND = 256,       /* pixels that are expanded at a time, 16 channels of them: 16 KB */
    CHUNK = 14,       /* rows of a part, where there are several threads */
    HEAD_COLUMNS = 64 /* of a part */
};

typedef struct plane {
    size_t H, W;
} plane;

static size_t out_size(size_t size, size_t stride)
{
    return (size + stride - 1) / stride;
}

/* What SAME padding puts before the first pixel of a row or column. */
static size_t before(size_t size, size_t side, size_t stride)
{
    size_t needed = (out_size(size, stride) - 1) * stride + side;
    return needed > size ? (needed - size) / 2 : 0;
}

static size_t panels(size_t N)
{
    return (N + FERRY_PANEL - 1) / FERRY_PANEL;
}

static float *scratch_of(const ferry_efficientnet *net, size_t worker)
{
    return net->scratch + worker * net->scratch_size;
}

/* ---- the stem, a row at a time ---- */

typedef struct stem {
    const ferry_efficientnet *net;
    const float *pixels;
    plane out;
} stem;

/* The window's pixels around each output of a row, zeros outside: [out.W, side, side, 3]. */
static void gather_windows(const stem *s, size_t r, float *to)
{
    const ferry_efficientnet *net = s->net;
    size_t side = net->stem.side, stride = net->stem.stride, run = side * 3;
    size_t top = before(net->height, side, stride), left = before(net->width, side, stride);
    for (size_t c = 0; c < s->out.W; c++) {
        for (size_t i = 0; i < side; i++, to += run) {
            /* negative ones wrap around, and are too large as well */
            size_t row = r * stride + i - top, column = c * stride - left;
            const float *from = s->pixels + (row * net->width + column) * 3;
            if (row < net->height && column < net->width && column + side <= net->width) {
                for (size_t k = 0; k < run; k++) to[k] = from[k];
                continue;
            }
            for (size_t j = 0; j < side; j++, column++) {
                bool inside = row < net->height && column < net->width;
                from = s->pixels + (row * net->width + column) * 3;
                for (size_t k = 0; k < 3; k++) to[j * 3 + k] = inside ? from[k] : 0.0f;
            }
        }
    }
}

static void stem_row(void *context, size_t r, size_t worker)
{
    const stem *s = context;
    const ferry_layer *layer = &s->net->stem.layer;
    float *windows = scratch_of(s->net, worker), *y = s->net->x + r * s->out.W * layer->N;
    gather_windows(s, r, windows);
    ferry_layer_input in = {.x = windows};
    ferry_layer_multiply(s->net->kernels, layer, 0, layer->N, &in, y, layer->N, s->out.W);
    s->net->kernels->clamp(y, RELU6, y, s->out.W * layer->N);
}

size_t ferry_efficientnet_stem_scratch(const ferry_efficientnet *net)
{
    return out_size(net->width, net->stem.stride) * net->stem.layer.K;
}

/* ---- the first half of a block: expansion and depthwise convolution ---- */

/*
 * A part is 16 channels of some rows of the output. Its input rows are expanded a band at a time
 * into a frame with zeros around, just ahead of the depthwise convolution that reads them, so that
 * the expanded pixels, six times as many numbers as there are, never leave the cache.
 */
typedef struct spread {
    const ferry_efficientnet *net;
    const ferry_inverted_residual *block;
    plane in, out;
    size_t left, top; /* zeros before the first pixel */
    size_t pitch;     /* pixels of a row of the frame */
    size_t band;      /* output rows at a time */
    size_t frame;     /* floats of the frame */
    size_t chunk;     /* output rows of a part */
} spread;

static spread plan_spread(const ferry_inverted_residual *block, plane in)
{
    const ferry_depthwise *d = &block->depthwise;
    spread s = {.block = block, .in = in};
    s.out = (plane){out_size(in.H, d->stride), out_size(in.W, d->stride)};
    s.left = before(in.W, d->side, d->stride);
    s.top = before(in.H, d->side, d->stride);
    s.pitch = (s.out.W - 1) * d->stride + d->side;
    if (s.pitch < s.left + in.W) s.pitch = s.left + in.W; /* a stride may leave pixels out */
    s.band = BAND / (in.W * d->stride);
    if (s.band == 0) s.band = 1;
    if (s.band > s.out.H) s.band = s.out.H;
    s.frame = ((s.band - 1) * d->stride + d->side) * s.pitch * FERRY_PANEL;
    s.chunk = s.out.H;
    return s;
}

size_t ferry_efficientnet_block_scratch(const ferry_inverted_residual *block, size_t H, size_t W)
{
    spread s = plan_spread(block, (plane){H, W});
    return s.frame + s.frame; /* the band's pixels before they are framed are fewer */
}

/* Pixels [first, first + count) of the channels from n on, not yet clamped, into flat [count, 16]
 */
static void expand(const spread *s, size_t n, size_t columns, size_t first, size_t count,
                   float *flat)
{
    const ferry_layer *layer = &s->block->expand;
    ferry_layer_input all = {.x = s->net->x, .int7 = s->net->rows};
    ferry_layer_input in = ferry_layer_input_from(layer, &all, first);
    ferry_layer_multiply(s->net->kernels, layer, n, columns, &in, flat, FERRY_PANEL, count);
}

/* Frame rows [first, end), counted with the zeros above the picture, into `to`. */
static void fill_frame(const spread *s, size_t n, size_t columns, size_t first, size_t end,
                       float *to, float *flat)
{
    size_t N = s->block->depthwise.N, W = s->in.W, row = s->pitch * FERRY_PANEL;
    size_t from = first > s->top ? first - s->top : 0;
    size_t stop = end > s->top ? end - s->top : 0;
    if (stop > s->in.H) stop = s->in.H;
    if (s->block->expands && from < stop) expand(s, n, columns, from * W, (stop - from) * W, flat);
    for (size_t r = first; r < end; r++, to += row) {
        float *inside = to + s->left * FERRY_PANEL;
        if (r < s->top || r - s->top >= s->in.H) {
            memset(inside, 0, W * FERRY_PANEL * sizeof *inside);
        } else if (s->block->expands) {
            s->net->kernels->clamp(flat, RELU6, inside, W * FERRY_PANEL);
            flat += W * FERRY_PANEL;
        } else {
            const float *x = s->net->x + (r - s->top) * W * N + n;
            for (size_t c = 0; c < W; c++)
                memcpy(inside + c * FERRY_PANEL, x + c * N, columns * sizeof *x);
        }
    }
}

/* Row r of the output, of a group's columns, from the frame's rows at x. */
static void convolve_row(const spread *s, size_t group, const float *x, size_t row, size_t r,
                         size_t columns)
{
    const ferry_depthwise *d = &s->block->depthwise;
    const ferry_kernels *kernels = s->net->kernels;
    size_t n = group * FERRY_PANEL, N4 = ferry_int8_padded(d->N);
    const float *w = d->w + n * d->side * d->side, *bias = d->bias + n;
    if (s->net->precision == FERRY_PRECISION_F32)
        kernels->depthwise(x, row, d->stride, w, bias, RELU6,
                           s->net->spread + r * s->out.W * d->N + n, d->N, d->side, s->out.W,
                           columns);
    else
        kernels->depthwise_int7(x, row, d->stride, w, bias, RELU6, 1.0f / FERRY_EFFICIENTNET_STEP,
                                s->net->bytes + r * s->out.W * N4 + n, N4, d->side, s->out.W,
                                columns);
}

static void spread_part(void *context, size_t index, size_t worker)
{
    const spread *s = context;
    const ferry_depthwise *d = &s->block->depthwise;
    size_t groups = panels(d->N), group = index % groups, n = group * FERRY_PANEL;
    size_t columns = d->N - n < FERRY_PANEL ? d->N - n : FERRY_PANEL;
    size_t row = s->pitch * FERRY_PANEL, first = index / groups * s->chunk;
    size_t last = s->out.H - first < s->chunk ? s->out.H : first + s->chunk;
    float *frame = scratch_of(s->net, worker), *flat = frame + s->frame;
    memset(frame, 0, s->frame * sizeof *frame);
    if (columns < FERRY_PANEL) memset(flat, 0, s->frame * sizeof *flat);
    size_t base = first * d->stride, end = base; /* the rows that are in the frame */
    for (size_t r = first; r < last; r += s->band) {
        size_t rows = last - r < s->band ? last - r : s->band, begin = r * d->stride;
        size_t kept = end > begin ? end - begin : 0;
        if (kept > 0) memmove(frame, frame + (begin - base) * row, kept * row * sizeof *frame);
        base = begin;
        end = begin + (rows - 1) * d->stride + d->side;
        fill_frame(s, n, columns, begin + kept, end, frame + kept * row, flat);
        for (size_t i = 0; i < rows; i++)
            convolve_row(s, group, frame + i * d->stride * row, row, r + i, columns);
    }
}

/* ---- a block ---- */

/* The part of a block's output and what of its input is added to it. */
static void add_input(void *context, float *y, size_t ldy, size_t row, size_t column, size_t rows,
                      size_t columns)
{
    const float *x = (const float *)context + row * ldy + column;
    for (size_t t = 0; t < rows; t++, y += ldy, x += ldy)
        for (size_t n = 0; n < columns; n++) y[n] = x[n] + y[n];
}

typedef struct quantizing {
    const ferry_efficientnet *net;
    size_t T, K;
} quantizing;

static void quantize_part(void *context, size_t index, size_t worker)
{
    const quantizing *q = context;
    size_t first = index * BAND, rest = q->T - first;
    const ferry_int7_rows out = {q->net->rows.q + first * ferry_int8_padded(q->K),
                                 q->net->rows.scale + first};
    (void)worker;
    q->net->kernels->quantize_int7(q->net->x + first * q->K, q->K, rest < BAND ? rest : BAND, q->K,
                                   &out);
}

/* In int8, net->x [T, K] into net->rows. */
static void quantize(const ferry_efficientnet *net, size_t T, size_t K)
{
    quantizing q = {net, T, K};
    if (net->precision == FERRY_PRECISION_INT8)
        ferry_pool_run(net->pool, (T + BAND - 1) / BAND, quantize_part, &q);
}

static plane run_block(ferry_efficientnet *net, const ferry_inverted_residual *block, plane in)
{
    const ferry_layer *layer = &block->expand;
    spread s = plan_spread(block, in);
    s.net = net;
    if (ferry_pool_threads(net->pool) > 1 && s.out.H > CHUNK) s.chunk = CHUNK;
    if (block->expands) quantize(net, in.H * in.W, layer->K);
    ferry_pool_run(net->pool, panels(block->depthwise.N) * ((s.out.H + s.chunk - 1) / s.chunk),
                   spread_part, &s);
    ferry_layer_run project = {.kernels = net->kernels,
                               .pool = net->pool,
                               .layers = &block->project,
                               .count = 1,
                               .in = {.x = net->spread, .int7 = {net->bytes, NULL}},
                               .y = net->next,
                               .columns = {.group = block->project.N},
                               .T = s.out.H * s.out.W,
                               .finish = block->residual ? add_input : NULL,
                               .context = net->x};
    ferry_layer_run_all(&project);
    float *x = net->x;
    net->x = net->next;
    net->next = x;
    return s.out;
}

/* ---- the head: a product, and each of its columns' mean over all pixels ---- */

typedef struct head {
    const ferry_efficientnet *net;
    size_t T;
    float *features;
} head;

size_t ferry_efficientnet_head_scratch(size_t H, size_t W)
{
    return H * W * HEAD_COLUMNS;
}

static void head_part(void *context, size_t index, size_t worker)
{
    const head *h = context;
    const ferry_layer *layer = &h->net->head;
    size_t first = index * HEAD_COLUMNS, rest = layer->N - first;
    size_t columns = rest < HEAD_COLUMNS ? rest : HEAD_COLUMNS;
    float *y = scratch_of(h->net, worker), *out = h->features + first;
    ferry_layer_input in = {.x = h->net->x, .int7 = h->net->rows};
    ferry_layer_multiply(h->net->kernels, layer, first, columns, &in, y, columns, h->T);
    h->net->kernels->clamp(y, RELU6, y, h->T * columns);
    memcpy(out, y, columns * sizeof *out);
    for (size_t t = 1; t < h->T; t++)
        for (size_t n = 0; n < columns; n++) out[n] = out[n] + y[t * columns + n];
    for (size_t n = 0; n < columns; n++) out[n] = out[n] / (float)h->T;
}

static void classify(ferry_efficientnet *net, const float *features, float *logits)
{
    size_t N = net->features, classes = net->classes;
    if (net->classifier != NULL) {
        net->kernels->dot_rows(net->classifier, features, logits, classes, N);
    } else {
        ferry_layer_input in = {.int7 = net->rows};
        net->kernels->quantize_int7(features, N, 1, N, &net->rows);
        ferry_layer_multiply(net->kernels, &net->classifier_int8, 0, classes, &in, logits, classes,
                             1);
    }
    for (size_t n = 0; n < classes; n++) logits[n] = logits[n] + net->classifier_bias[n];
}

void ferry_efficientnet_forward(ferry_efficientnet *net, const float *pixels, float *features,
                                float *logits)
{
    plane at = {out_size(net->height, net->stem.stride), out_size(net->width, net->stem.stride)};
    stem s = {net, pixels, at};
    ferry_pool_run(net->pool, at.H, stem_row, &s);
    for (size_t b = 0; b < net->blocks; b++) at = run_block(net, &net->block[b], at);
    head h = {net, at.H * at.W, features};
    quantize(net, h.T, net->head.K);
    ferry_pool_run(net->pool, (net->features + HEAD_COLUMNS - 1) / HEAD_COLUMNS, head_part, &h);
    if (logits != NULL) classify(net, features, logits);
}
