#include "recsys/user_transformer.h"

#include <math.h>
#include <string.h>

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

/* The sum of all sequences' squares. */
static size_t squares(const size_t *starts, size_t S, bool *overflow)
{
    size_t sum = 0, square;
    for (size_t s = 0; s < S; s++) {
        size_t length = starts[s + 1] - starts[s];
        if (!ferry_size_multiply(length, length, &square) || !ferry_size_add(sum, square, &sum))
            *overflow = true;
    }
    return sum;
}

static void cut_block(ferry_cutter *cutter, const ferry_user_transformer *net, size_t P,
                      size_t probabilities, ferry_user_saved_block *b)
{
    size_t d = net->dim;
    b->x = ferry_cut_floats(cutter, P, d);
    b->normed1 = ferry_cut_floats(cutter, P, d);
    b->qkv = ferry_cut_floats(cutter, P, 3 * d);
    b->probabilities = ferry_cut_floats(cutter, probabilities, net->heads);
    b->context = ferry_cut_floats(cutter, P, d);
    b->middle = ferry_cut_floats(cutter, P, d);
    b->normed2 = ferry_cut_floats(cutter, P, d);
    b->before = ferry_cut_floats(cutter, P, net->inner);
    b->inner = ferry_cut_floats(cutter, P, net->inner);
}

ferry_user_saved ferry_user_transformer_lay_out(const ferry_user_transformer *net,
                                                const size_t *starts, size_t S, void *block)
{
    ferry_user_saved saved = {0};
    ferry_cutter cutter = {.base = block};
    size_t square = squares(starts, S, &cutter.overflow);
    for (size_t l = 0; l < net->layers; l++)
        cut_block(&cutter, net, starts[S], square, &saved.block[l]);
    saved.bytes = cutter.used;
    saved.overflow = cutter.overflow;
    return saved;
}

bool ferry_user_transformer_saved_size(const ferry_user_transformer *net, const size_t *starts,
                                       size_t S, size_t *bytes)
{
    ferry_user_saved saved = ferry_user_transformer_lay_out(net, starts, S, NULL);
    *bytes = saved.bytes;
    return !saved.overflow;
}

typedef struct scratch_arrays {
    ferry_user_saved_block
        block;     /* where nothing is saved; probabilities of one block of queries */
    float *update; /* [P, d] what a half adds to x */
    float *keys;   /* [ceil(longest / 16), D, 16] panels of one head */
    float *bias;   /* [H, longest] relative by distance, farthest first */
    size_t longest;
    size_t bytes;
    bool overflow;
} scratch_arrays;

static scratch_arrays lay_out_scratch(const ferry_user_transformer *net, const size_t *starts,
                                      size_t S, void *block)
{
    scratch_arrays scratch = {.longest = ferry_longest_sequence(starts, S)};
    ferry_cutter cutter = {.base = block};
    size_t keys = 0, rows = 0;
    cutter.overflow = !ferry_panels_size(net->dim / net->heads, scratch.longest, &keys) ||
                      !ferry_size_multiply(scratch.longest, FERRY_QUERY_BLOCK, &rows);
    cut_block(&cutter, net, starts[S], rows, &scratch.block);
    scratch.update = ferry_cut_floats(&cutter, starts[S], net->dim);
    scratch.keys = ferry_cut_floats(&cutter, keys, 1);
    scratch.bias = ferry_cut_floats(&cutter, net->heads, scratch.longest);
    scratch.bytes = cutter.used;
    scratch.overflow = cutter.overflow;
    return scratch;
}

bool ferry_user_transformer_scratch_size(const ferry_user_transformer *net, const size_t *starts,
                                         size_t S, size_t *bytes)
{
    scratch_arrays scratch = lay_out_scratch(net, starts, S, NULL);
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

/* One sequence of T rows: qkv [T, 3 d] to context [T, d]. probabilities [H, T, T] are kept, or are
 * one block of queries' [16, T]. */
static void attend(const ferry_kernels *kernels, const ferry_user_transformer *net,
                   const scratch_arrays *scratch, const float *qkv, float *probabilities, bool keep,
                   float *context, size_t T)
{
    size_t d = net->dim, stride = 3 * d, D = d / net->heads;
    float scale = 1.0f / sqrtf((float)D);
    for (size_t h = 0; h < net->heads; h++) {
        const float *query = qkv + h * D, *key = query + d, *value = key + d;
        const float *bias = scratch->bias + h * scratch->longest;
        ferry_pack_panels(key, 1, stride, D, T, scratch->keys);
        for (size_t i = 0; i < T; i += FERRY_QUERY_BLOCK) {
            size_t rows = T - i < FERRY_QUERY_BLOCK ? T - i : FERRY_QUERY_BLOCK;
            float *scores = keep ? probabilities + (h * T + i) * T : probabilities;
            kernels->matmul(query + i * stride, stride, scratch->keys, NULL, scores, T, rows, D,
                            i + rows);
            softmax_causal(kernels, bias, scratch->longest, scale, scores, T, i, rows);
            kernels->matmul_strided(scores, T, 1, value, stride, context + i * d + h * D, d, rows,
                                    i + rows, D, false);
        }
    }
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
static void first_half(const ferry_kernels *kernels, const ferry_user_transformer *net,
                       const ferry_user_block *p, const float *panels, const block_panels *at,
                       const size_t *starts, size_t S, const float *mask, bool keep,
                       const ferry_user_saved_block *b, const scratch_arrays *scratch)
{
    size_t P = starts[S], d = net->dim;
    kernels->layer_norm(b->x, NULL, p->norm1_weight, p->norm1_bias, FERRY_USER_NORM_EPS, b->normed1,
                        P, d);
    kernels->matmul(b->normed1, d, panels + at->qkv, p->qkv_bias, b->qkv, 3 * d, P, d, 3 * d);
    spread_bias(net, p->relative, scratch->longest, scratch->bias);
    float *probabilities = b->probabilities;
    for (size_t s = 0; s < S; s++) {
        size_t T = starts[s + 1] - starts[s];
        attend(kernels, net, scratch, b->qkv + starts[s] * 3 * d, probabilities, keep,
               b->context + starts[s] * d, T);
        if (keep) probabilities += net->heads * T * T;
    }
    kernels->matmul(b->context, d, panels + at->out, p->out_bias, scratch->update, d, P, d, d);
    add_update(b->x, scratch->update, mask, b->middle, P * d);
}

/* b->middle to y */
static void second_half(const ferry_kernels *kernels, const ferry_user_transformer *net,
                        const ferry_user_block *p, const float *panels, const block_panels *at,
                        size_t P, const float *mask, const ferry_user_saved_block *b,
                        const scratch_arrays *scratch, float *y)
{
    size_t d = net->dim, F = net->inner;
    kernels->layer_norm(b->middle, NULL, p->norm2_weight, p->norm2_bias, FERRY_USER_NORM_EPS,
                        b->normed2, P, d);
    kernels->matmul(b->normed2, d, panels + at->up, p->up_bias, b->before, F, P, d, F);
    memcpy(b->inner, b->before, P * F * sizeof *b->inner);
    kernels->gelu(b->inner, P * F);
    kernels->matmul(b->inner, F, panels + at->down, p->down_bias, scratch->update, d, P, F, d);
    add_update(b->middle, scratch->update, mask, y, P * d);
}

void ferry_user_transformer_forward(const ferry_kernels *kernels, const ferry_user_transformer *net,
                                    const float *panels, const float *x, const size_t *starts,
                                    size_t S, const float *masks, float *y, void *saved_block,
                                    void *scratch_block)
{
    size_t P = starts[S], d = net->dim;
    block_panels at;
    if (P == 0 || !block_panels_of(net, &at)) return;
    bool keep = saved_block != NULL;
    scratch_arrays scratch = lay_out_scratch(net, starts, S, scratch_block);
    ferry_user_saved saved = {0};
    if (keep) saved = ferry_user_transformer_lay_out(net, starts, S, saved_block);
    for (size_t l = 0; l < net->layers; l++, panels += at.size) {
        const ferry_user_saved_block *b = keep ? &saved.block[l] : &scratch.block;
        const float *mask1 = masks != NULL ? masks + 2 * l * P * d : NULL;
        const float *mask2 = masks != NULL ? mask1 + P * d : NULL;
        memcpy(b->x, l == 0 ? x : y, P * d * sizeof *y);
        first_half(kernels, net, &net->block[l], panels, &at, starts, S, mask1, keep, b, &scratch);
        second_half(kernels, net, &net->block[l], panels, &at, P, mask2, b, &scratch, y);
    }
}
