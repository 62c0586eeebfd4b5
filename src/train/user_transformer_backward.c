#include "train/user_transformer_backward.h"

#include <math.h>
#include <string.h>

#include "math/ops.h"
#include "recsys/user_block.h"
#include "train/user_linear.h"

typedef struct scratch_arrays {
    float *d_stream;  /* [P, d] of the residual stream */
    float *d_update;  /* [P, d] of what a half adds, and of a norm's input */
    float *d_normed;  /* [P, d] */
    float *d_context; /* [P, d] */
    float *d_qkv;     /* [P, 3 d] */
    float *d_inner;   /* [P, F] */
    float *d_scores;  /* [longest, longest] of one sequence and head */
    float *values;    /* [ceil(longest / 16), D, 16] panels of one head */
    float *d_bias;    /* [H, longest] by distance, farthest first */
    size_t longest;
    size_t bytes;
    bool overflow;
} scratch_arrays;

static scratch_arrays lay_out(const ferry_user_transformer *net, const size_t *starts, size_t S,
                              void *block)
{
    scratch_arrays scratch = {.longest = ferry_longest_sequence(starts, S)};
    ferry_cutter cutter = {.base = block};
    size_t P = starts[S], d = net->dim, values = 0;
    cutter.overflow = !ferry_panels_size(d / net->heads, scratch.longest, &values);
    scratch.d_stream = ferry_cut_floats(&cutter, P, d);
    scratch.d_update = ferry_cut_floats(&cutter, P, d);
    scratch.d_normed = ferry_cut_floats(&cutter, P, d);
    scratch.d_context = ferry_cut_floats(&cutter, P, d);
    scratch.d_qkv = ferry_cut_floats(&cutter, P, 3 * d);
    scratch.d_inner = ferry_cut_floats(&cutter, P, net->inner);
    scratch.d_scores = ferry_cut_floats(&cutter, scratch.longest, scratch.longest);
    scratch.values = ferry_cut_floats(&cutter, values, 1);
    scratch.d_bias = ferry_cut_floats(&cutter, net->heads, scratch.longest);
    scratch.bytes = cutter.used;
    scratch.overflow = cutter.overflow;
    return scratch;
}

bool ferry_user_transformer_backward_size(const ferry_user_transformer *net, const size_t *starts,
                                          size_t S, size_t *bytes)
{
    scratch_arrays scratch = lay_out(net, starts, S, NULL);
    *bytes = scratch.bytes;
    return !scratch.overflow;
}

/* One head of one sequence. Pointers are to the head's columns, rows 3 d apart (context: d). */
typedef struct head {
    size_t T, D, d;
    const float *query, *key, *value, *d_context;
    const float *p; /* [T, T] */
    float *d_query, *d_key, *d_value;
    float *d_bias; /* [longest] */
    size_t longest;
} head;

/* ds [T, T], of the scaled scores, and the bias's gradient: block by block of queries, as they came
 * about. */
static void scores_backward(const ferry_kernels *kernels, const head *a, float *values, float *ds)
{
    size_t T = a->T, stride = 3 * a->d;
    float scale = 1.0f / sqrtf((float)a->D);
    ferry_pack_panels(a->value, 1, stride, a->D, T, values);
    for (size_t i = 0; i < T; i += FERRY_QUERY_BLOCK) {
        size_t rows = T - i < FERRY_QUERY_BLOCK ? T - i : FERRY_QUERY_BLOCK;
        float *block = ds + i * T;
        kernels->matmul(a->d_context + i * a->d, a->d, values, NULL, block, T, rows, a->D,
                        i + rows);
        kernels->softmax_backward(a->p + i * T, block, T, i + 1, rows);
        for (size_t r = 0; r < rows; r++) {
            float *row = block + r * T, *d_bias = a->d_bias + a->longest - 1 - (i + r);
            for (size_t j = 0; j <= i + r; j++) {
                d_bias[j] = d_bias[j] + row[j];
                row[j] = row[j] * scale;
            }
            for (size_t j = i + r + 1; j < i + rows; j++) row[j] = 0.0f;
        }
    }
}

/* Of what is above the diagonal only zeros inside a block of queries are read. */
static void attend_backward(const ferry_kernels *kernels, const head *a, float *values, float *ds)
{
    size_t T = a->T, D = a->D, stride = 3 * a->d;
    scores_backward(kernels, a, values, ds);
    for (size_t i = 0; i < T; i += FERRY_QUERY_BLOCK) {
        size_t rows = T - i < FERRY_QUERY_BLOCK ? T - i : FERRY_QUERY_BLOCK, rest = T - i;
        kernels->matmul_strided(ds + i * T, T, 1, a->key, stride, a->d_query + i * stride, stride,
                                rows, i + rows, D, false);
        /* the keys i … of all queries from i on, down the columns */
        kernels->matmul_strided(ds + i * T + i, 1, T, a->query + i * stride, stride,
                                a->d_key + i * stride, stride, rows, rest, D, false);
        kernels->matmul_strided(a->p + i * T + i, 1, T, a->d_context + i * a->d, a->d,
                                a->d_value + i * stride, stride, rows, rest, D, false);
    }
}

/* d_context to d_qkv, all sequences and heads. */
static void attention_backward(const ferry_kernels *kernels, const ferry_user_transformer *net,
                               float *d_relative, const size_t *starts, size_t S,
                               const ferry_user_saved_block *b, const scratch_arrays *scratch)
{
    size_t d = net->dim, D = d / net->heads, longest = scratch->longest;
    memset(scratch->d_bias, 0, net->heads * longest * sizeof *scratch->d_bias);
    const float *p = b->probabilities;
    for (size_t s = 0; s < S; s++) {
        size_t T = starts[s + 1] - starts[s];
        for (size_t h = 0; h < net->heads; h++, p += T * T) {
            const float *query = b->qkv + starts[s] * 3 * d + h * D;
            float *d_query = scratch->d_qkv + starts[s] * 3 * d + h * D;
            head a = {.T = T,
                      .D = D,
                      .d = d,
                      .query = query,
                      .key = query + d,
                      .value = query + 2 * d,
                      .d_context = scratch->d_context + starts[s] * d + h * D,
                      .p = p,
                      .d_query = d_query,
                      .d_key = d_query + d,
                      .d_value = d_query + 2 * d,
                      .d_bias = scratch->d_bias + h * longest,
                      .longest = longest};
            attend_backward(kernels, &a, scratch->values, scratch->d_scores);
        }
    }
    for (size_t h = 0; h < net->heads; h++) {
        float *own = d_relative + h * net->distances;
        for (size_t distance = 0; distance < longest; distance++) {
            size_t k = distance < net->distances ? distance : net->distances - 1;
            own[k] = own[k] + scratch->d_bias[h * longest + longest - 1 - distance];
        }
    }
}

static void apply_mask(const float *from, const float *mask, float *to, size_t count)
{
    if (mask == NULL)
        memcpy(to, from, count * sizeof *to);
    else
        for (size_t i = 0; i < count; i++) to[i] = from[i] * mask[i];
}

static void add(float *restrict to, const float *restrict from, size_t count)
{
    for (size_t i = 0; i < count; i++) to[i] = to[i] + from[i];
}

/* d_stream behind the feed-forward half to d_stream before it. */
static void second_half(const ferry_kernels *kernels, const ferry_user_transformer *net,
                        const ferry_user_block *p, const ferry_user_block *g, size_t P,
                        const float *mask, const ferry_user_saved_block *b,
                        const scratch_arrays *scratch)
{
    size_t d = net->dim, F = net->inner;
    apply_mask(scratch->d_stream, mask, scratch->d_update, P * d);
    ferry_linear_backward_weight(kernels, scratch->d_update, b->inner, P, F, d, g->down_weight,
                                 g->down_bias);
    ferry_linear_backward_input(kernels, scratch->d_update, p->down_weight, P, F, d,
                                scratch->d_inner);
    kernels->gelu_backward(b->before, scratch->d_inner, P * F);
    ferry_linear_backward_weight(kernels, scratch->d_inner, b->normed2, P, d, F, g->up_weight,
                                 g->up_bias);
    ferry_linear_backward_input(kernels, scratch->d_inner, p->up_weight, P, d, F,
                                scratch->d_normed);
    kernels->layer_norm_backward(b->middle, p->norm2_weight, FERRY_USER_NORM_EPS, scratch->d_normed,
                                 scratch->d_update, g->norm2_weight, g->norm2_bias, P, d);
    add(scratch->d_stream, scratch->d_update, P * d);
}

/* The same of the attention half. */
static void first_half(const ferry_kernels *kernels, const ferry_user_transformer *net,
                       const ferry_user_block *p, const ferry_user_block *g, const size_t *starts,
                       size_t S, const float *mask, const ferry_user_saved_block *b,
                       const scratch_arrays *scratch)
{
    size_t P = starts[S], d = net->dim;
    apply_mask(scratch->d_stream, mask, scratch->d_update, P * d);
    ferry_linear_backward_weight(kernels, scratch->d_update, b->context, P, d, d, g->out_weight,
                                 g->out_bias);
    ferry_linear_backward_input(kernels, scratch->d_update, p->out_weight, P, d, d,
                                scratch->d_context);
    attention_backward(kernels, net, g->relative, starts, S, b, scratch);
    ferry_linear_backward_weight(kernels, scratch->d_qkv, b->normed1, P, d, 3 * d, g->qkv_weight,
                                 g->qkv_bias);
    ferry_linear_backward_input(kernels, scratch->d_qkv, p->qkv_weight, P, d, 3 * d,
                                scratch->d_normed);
    kernels->layer_norm_backward(b->x, p->norm1_weight, FERRY_USER_NORM_EPS, scratch->d_normed,
                                 scratch->d_update, g->norm1_weight, g->norm1_bias, P, d);
    add(scratch->d_stream, scratch->d_update, P * d);
}

void ferry_user_transformer_backward(const ferry_kernels *kernels,
                                     const ferry_user_transformer *net,
                                     const ferry_user_transformer *gradients, const size_t *starts,
                                     size_t S, const float *masks, const float *dy, float *dx,
                                     void *saved_block, void *scratch_block)
{
    size_t P = starts[S], d = net->dim;
    if (P == 0) return;
    ferry_user_saved saved = ferry_user_transformer_lay_out(net, starts, S, saved_block);
    scratch_arrays scratch = lay_out(net, starts, S, scratch_block);
    memcpy(scratch.d_stream, dy, P * d * sizeof *dy);
    for (size_t l = net->layers; l-- > 0;) {
        const float *mask1 = masks != NULL ? masks + 2 * l * P * d : NULL;
        const float *mask2 = masks != NULL ? mask1 + P * d : NULL;
        second_half(kernels, net, &net->block[l], &gradients->block[l], P, mask2, &saved.block[l],
                    &scratch);
        first_half(kernels, net, &net->block[l], &gradients->block[l], starts, S, mask1,
                   &saved.block[l], &scratch);
    }
    memcpy(dx, scratch.d_stream, P * d * sizeof *dx);
}
