#include "recsys/user_transformer.h"

#include <math.h>
#include <string.h>

#include "math/linear.h"
#include "math/ops.h"
#include "recsys/user_block.h"

/* ---- sizes ---- */

/* The four matrices of a block, in their panels' order. */
typedef struct block_panels {
    size_t qkv, out, up, down, size; /* where each begins, and the end */
} block_panels;

static bool block_panels_of(const ferry_user_transformer *net, block_panels *at)
{
    size_t qkv, out, up, down, d = net->dim;
    if (d > SIZE_MAX / 3 || !ferry_panels_size(d, 3 * d, &qkv) || !ferry_panels_size(d, d, &out) ||
        !ferry_panels_size(d, net->inner, &up) || !ferry_panels_size(net->inner, d, &down))
        return false;
    at->qkv = 0;
    at->out = qkv;
    return ferry_size_add(at->out, out, &at->up) && ferry_size_add(at->up, up, &at->down) &&
           ferry_size_add(at->down, down, &at->size);
}

bool ferry_user_transformer_panels_size(const ferry_user_transformer *net, size_t *floats)
{
    block_panels at;
    return block_panels_of(net, &at) && ferry_size_multiply(at.size, net->layers, floats);
}

void ferry_user_transformer_pack(const ferry_user_transformer *net, float *panels)
{
    size_t d = net->dim, F = net->inner;
    block_panels at;
    if (!block_panels_of(net, &at)) return; /* there is no such block of panels */
    for (size_t l = 0; l < net->layers; l++, panels += at.size) {
        const ferry_user_block *b = &net->block[l];
        ferry_pack_panels(b->qkv_weight, 1, d, d, 3 * d, panels + at.qkv);
        ferry_pack_panels(b->out_weight, 1, d, d, d, panels + at.out);
        ferry_pack_panels(b->up_weight, 1, d, d, F, panels + at.up);
        ferry_pack_panels(b->down_weight, 1, F, F, d, panels + at.down);
    }
}

size_t ferry_longest_sequence(const size_t *starts, size_t S)
{
    size_t longest = 0;
    for (size_t s = 0; s < S; s++) {
        size_t length = starts[s + 1] - starts[s];
        if (length > longest) longest = length;
    }
    return longest;
}

static void cut_block(ferry_cutter *cutter, const ferry_user_transformer *net, size_t P,
                      ferry_user_saved_block *b)
{
    size_t d = net->dim;
    b->x = ferry_cut_floats(cutter, P, d);
    b->normed1 = ferry_cut_floats(cutter, P, d);
    b->qkv = ferry_cut_floats(cutter, P, 3 * d);
    b->context = ferry_cut_floats(cutter, P, d);
    b->middle = ferry_cut_floats(cutter, P, d);
    b->normed2 = ferry_cut_floats(cutter, P, d);
    b->before = ferry_cut_floats(cutter, P, net->inner);
    b->inner = ferry_cut_floats(cutter, P, net->inner);
    b->probabilities = NULL;
}

ferry_user_saved ferry_user_transformer_lay_out(const ferry_user_transformer *net, size_t P,
                                                size_t longest, void *block)
{
    ferry_user_saved saved = {0};
    ferry_cutter cutter = {.base = block};
    size_t row = 0;
    cutter.overflow = !ferry_size_multiply(net->heads, longest, &row);
    for (size_t l = 0; l < net->layers; l++) {
        cut_block(&cutter, net, P, &saved.block[l]);
        saved.block[l].probabilities = ferry_cut_floats(&cutter, P, row);
    }
    saved.bytes = cutter.used;
    saved.overflow = cutter.overflow;
    return saved;
}

bool ferry_user_transformer_saved_size(const ferry_user_transformer *net, size_t P, size_t longest,
                                       size_t *bytes)
{
    ferry_user_saved saved = ferry_user_transformer_lay_out(net, P, longest, NULL);
    *bytes = saved.bytes;
    return !saved.overflow;
}

typedef struct scratch_arrays {
    ferry_user_saved_block block; /* where nothing is saved; no probabilities */
    float *update;                /* [P, d] what a half adds to x */
    float *bias;                  /* [H, longest] relative by distance, farthest first */
    float *worker;                /* [threads, worker_size] */
    size_t worker_size;           /* a worker's panels of keys, then scores [16, longest] */
    size_t keys;                  /* floats of [ceil(longest / 16), D, 16] panels of one head */
    size_t bytes;
    bool overflow;
} scratch_arrays;

static scratch_arrays lay_out_scratch(const ferry_user_transformer *net, size_t P, size_t longest,
                                      size_t threads, void *block)
{
    scratch_arrays scratch = {0};
    ferry_cutter cutter = {.base = block};
    size_t scores = 0;
    cutter.overflow = !ferry_panels_size(net->dim / net->heads, longest, &scratch.keys) ||
                      !ferry_size_multiply(longest, FERRY_QUERY_BLOCK, &scores) ||
                      !ferry_size_add(scratch.keys, scores, &scratch.worker_size);
    cut_block(&cutter, net, P, &scratch.block);
    scratch.update = ferry_cut_floats(&cutter, P, net->dim);
    scratch.bias = ferry_cut_floats(&cutter, net->heads, longest);
    scratch.worker = ferry_cut_floats(&cutter, threads, scratch.worker_size);
    scratch.bytes = cutter.used;
    scratch.overflow = cutter.overflow;
    return scratch;
}

bool ferry_user_transformer_scratch_size(const ferry_user_transformer *net, size_t P,
                                         size_t longest, size_t threads, size_t *bytes)
{
    scratch_arrays scratch = lay_out_scratch(net, P, longest, threads, NULL);
    *bytes = scratch.bytes;
    return !scratch.overflow;
}

/* ---- forward ---- */

/* bias[h, m] is that of distance longest - 1 - m: row i of scores takes them from m = longest - 1 -
 * i on, ascending with the keys. */
static void spread_bias(const ferry_user_transformer *net, const float *relative, size_t longest,
                        float *bias)
{
    for (size_t h = 0; h < net->heads; h++) {
        for (size_t m = 0; m < longest; m++) {
            size_t distance = longest - 1 - m;
            if (distance > net->distances - 1) distance = net->distances - 1;
            bias[h * longest + m] = relative[h * net->distances + distance];
        }
    }
}

/* Scores [rows, end] of the queries from `first` on, ld apart, to probabilities; those past a query
 * become zeros. bias [longest] of this head. */
static void softmax_causal(const ferry_kernels *kernels, const float *bias, size_t longest,
                           float scale, float *scores, size_t ld, size_t first, size_t rows)
{
    for (size_t i = first; i < first + rows; i++, scores += ld) {
        const float *own = bias + longest - 1 - i;
        for (size_t j = 0; j <= i; j++) scores[j] = scores[j] * scale + own[j];
        kernels->softmax(scores, ld, 1.0f, 1, i + 1);
        for (size_t j = i + 1; j < first + rows; j++) scores[j] = 0.0f;
    }
}

/* One pass of one block. */
typedef struct block_pass {
    const ferry_kernels *kernels;
    ferry_pool *pool;
    const ferry_user_transformer *net;
    const ferry_user_block *p;
    const float *panels; /* the block's */
    block_panels at;
    const size_t *starts; /* [S + 1] */
    size_t S, P, longest;
    const ferry_user_saved_block *b;
    const scratch_arrays *scratch;
} block_pass;

/* One sequence: qkv to context. Probabilities [H, T, T] are kept, or are one block of queries'. */
static void attend(void *context, size_t s, size_t worker)
{
    const block_pass *pass = context;
    const scratch_arrays *scratch = pass->scratch;
    size_t d = pass->net->dim, stride = 3 * d, heads = pass->net->heads, D = d / heads;
    size_t start = pass->starts[s], T = pass->starts[s + 1] - start;
    float scale = 1.0f / sqrtf((float)D);
    float *keys = scratch->worker + worker * scratch->worker_size, *scores = keys + scratch->keys;
    float *kept = pass->b->probabilities;
    if (kept != NULL) kept += start * heads * pass->longest;
    for (size_t h = 0; h < heads; h++) {
        const float *query = pass->b->qkv + start * stride + h * D;
        const float *key = query + d, *value = key + d;
        float *mixed = pass->b->context + start * d + h * D;
        ferry_pack_panels(key, 1, stride, D, T, keys);
        for (size_t i = 0; i < T; i += FERRY_QUERY_BLOCK) {
            size_t rows = T - i < FERRY_QUERY_BLOCK ? T - i : FERRY_QUERY_BLOCK;
            if (kept != NULL) scores = kept + (h * T + i) * T;
            pass->kernels->matmul(query + i * stride, stride, keys, NULL, scores, T, rows, D,
                                  i + rows);
            softmax_causal(pass->kernels, scratch->bias + h * pass->longest, pass->longest, scale,
                           scores, T, i, rows);
            pass->kernels->matmul_strided(scores, T, 1, value, stride, mixed + i * d, d, rows,
                                          i + rows, D, false);
        }
    }
}

/* Rows of a part of what goes row by row. */
enum { PART = 64 };

static size_t parts_of(size_t P)
{
    return (P + PART - 1) / PART;
}

static size_t rows_of(size_t index, size_t P)
{
    return P - index * PART < PART ? P - index * PART : PART;
}

static void norm1_part(void *context, size_t index, size_t worker)
{
    const block_pass *pass = context;
    size_t d = pass->net->dim, first = index * PART * d;
    (void)worker;
    pass->kernels->layer_norm(pass->b->x + first, NULL, pass->p->norm1_weight, pass->p->norm1_bias,
                              FERRY_USER_NORM_EPS, pass->b->normed1 + first,
                              rows_of(index, pass->P), d);
}

static void norm2_part(void *context, size_t index, size_t worker)
{
    const block_pass *pass = context;
    size_t d = pass->net->dim, first = index * PART * d;
    (void)worker;
    pass->kernels->layer_norm(pass->b->middle + first, NULL, pass->p->norm2_weight,
                              pass->p->norm2_bias, FERRY_USER_NORM_EPS, pass->b->normed2 + first,
                              rows_of(index, pass->P), d);
}

static void gelu_part(void *context, size_t index, size_t worker)
{
    const block_pass *pass = context;
    size_t F = pass->net->inner, count = rows_of(index, pass->P) * F;
    float *inner = pass->b->inner + index * PART * F;
    (void)worker;
    memcpy(inner, pass->b->before + index * PART * F, count * sizeof *inner);
    pass->kernels->gelu(inner, count);
}

/* y = x + mask * update, [count]; y may be x; mask NULL: all 1. */
static void add_update(const float *x, const float *update, const float *mask, float *y,
                       size_t count)
{
    if (mask == NULL)
        for (size_t i = 0; i < count; i++) y[i] = x[i] + update[i];
    else
        for (size_t i = 0; i < count; i++) y[i] = x[i] + update[i] * mask[i];
}

/* b->x to b->middle */
static void first_half(const block_pass *pass, const float *mask)
{
    const ferry_user_block *p = pass->p;
    const ferry_user_saved_block *b = pass->b;
    const scratch_arrays *scratch = pass->scratch;
    size_t P = pass->P, d = pass->net->dim;
    ferry_pool_run(pass->pool, parts_of(P), norm1_part, (void *)pass);
    ferry_linear(pass->kernels, pass->pool, b->normed1, pass->panels + pass->at.qkv, p->qkv_bias,
                 b->qkv, P, d, 3 * d);
    spread_bias(pass->net, p->relative, pass->longest, scratch->bias);
    ferry_pool_run(pass->pool, pass->S, attend, (void *)pass);
    ferry_linear(pass->kernels, pass->pool, b->context, pass->panels + pass->at.out, p->out_bias,
                 scratch->update, P, d, d);
    add_update(b->x, scratch->update, mask, b->middle, P * d);
}

/* b->middle to y */
static void second_half(const block_pass *pass, const float *mask, float *y)
{
    const ferry_user_block *p = pass->p;
    const ferry_user_saved_block *b = pass->b;
    size_t P = pass->P, d = pass->net->dim, F = pass->net->inner;
    ferry_pool_run(pass->pool, parts_of(P), norm2_part, (void *)pass);
    ferry_linear(pass->kernels, pass->pool, b->normed2, pass->panels + pass->at.up, p->up_bias,
                 b->before, P, d, F);
    ferry_pool_run(pass->pool, parts_of(P), gelu_part, (void *)pass);
    ferry_linear(pass->kernels, pass->pool, b->inner, pass->panels + pass->at.down, p->down_bias,
                 pass->scratch->update, P, F, d);
    add_update(b->middle, pass->scratch->update, mask, y, P * d);
}

void ferry_user_transformer_forward(const ferry_kernels *kernels, ferry_pool *pool,
                                    const ferry_user_transformer *net, const float *panels,
                                    const float *x, const size_t *starts, size_t S,
                                    const float *masks, float *y, void *saved_block,
                                    void *scratch_block)
{
    size_t P = starts[S], d = net->dim;
    block_pass pass = {
        .kernels = kernels, .pool = pool, .net = net, .starts = starts, .S = S, .P = P};
    if (P == 0 || !block_panels_of(net, &pass.at)) return;
    pass.longest = ferry_longest_sequence(starts, S);
    scratch_arrays scratch =
        lay_out_scratch(net, P, pass.longest, ferry_pool_threads(pool), scratch_block);
    ferry_user_saved saved = {0};
    if (saved_block != NULL)
        saved = ferry_user_transformer_lay_out(net, P, pass.longest, saved_block);
    pass.scratch = &scratch;
    for (size_t l = 0; l < net->layers; l++) {
        const float *mask1 = masks != NULL ? masks + 2 * l * P * d : NULL;
        const float *mask2 = masks != NULL ? mask1 + P * d : NULL;
        pass.p = &net->block[l];
        pass.panels = panels + l * pass.at.size;
        pass.b = saved_block != NULL ? &saved.block[l] : &scratch.block;
        memcpy(pass.b->x, l == 0 ? x : y, P * d * sizeof *y);
        first_half(&pass, mask1);
        second_half(&pass, mask2, y);
    }
}
