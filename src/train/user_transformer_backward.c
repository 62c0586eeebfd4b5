#include "train/user_transformer_backward.h"

#include <math.h>
#include <string.h>

#include "math/linear.h"
#include "math/ops.h"
#include "recsys/user_block.h"

typedef struct scratch_arrays {
    float *d_stream;  /* [P, d] of the residual stream */
    float *d_update;  /* [P, d] of what a half adds, and of a norm's input */
    float *d_normed;  /* [P, d] */
    float *d_context; /* [P, d] */
    float *d_qkv;     /* [P, 3 d] */
    float *d_inner;   /* [P, F] */
    float *d_bias; /* [P, H], of which a sequence of T uses [H, T]: by distance, farthest first */
    float *worker; /* [threads, worker_size] */
    size_t
        worker_size; /* a worker's panels of values, then the scores' gradient [longest, longest] */
    size_t values;   /* floats of [ceil(longest / 16), D, 16] panels of one head */
    size_t bytes;
    bool overflow;
} scratch_arrays;

static scratch_arrays lay_out(const ferry_user_transformer *net, size_t P, size_t longest,
                              size_t threads, void *block)
{
    scratch_arrays scratch = {0};
    ferry_cutter cutter = {.base = block};
    size_t d = net->dim, scores = 0;
    cutter.overflow = !ferry_panels_size(d / net->heads, longest, &scratch.values) ||
                      !ferry_size_multiply(longest, longest, &scores) ||
                      !ferry_size_add(scratch.values, scores, &scratch.worker_size);
    scratch.d_stream = ferry_cut_floats(&cutter, P, d);
    scratch.d_update = ferry_cut_floats(&cutter, P, d);
    scratch.d_normed = ferry_cut_floats(&cutter, P, d);
    scratch.d_context = ferry_cut_floats(&cutter, P, d);
    scratch.d_qkv = ferry_cut_floats(&cutter, P, 3 * d);
    scratch.d_inner = ferry_cut_floats(&cutter, P, net->inner);
    scratch.d_bias = ferry_cut_floats(&cutter, P, net->heads);
    scratch.worker = ferry_cut_floats(&cutter, threads, scratch.worker_size);
    scratch.bytes = cutter.used;
    scratch.overflow = cutter.overflow;
    return scratch;
}

bool ferry_user_transformer_backward_size(const ferry_user_transformer *net, size_t P,
                                          size_t longest, size_t threads, size_t *bytes)
{
    scratch_arrays scratch = lay_out(net, P, longest, threads, NULL);
    *bytes = scratch.bytes;
    return !scratch.overflow;
}

/* One head of one sequence. Pointers are to the head's columns, rows 3 d apart (context: d). */
typedef struct head {
    size_t T, D, d;
    const float *query, *key, *value, *d_context;
    const float *p; /* [T, T] */
    float *d_query, *d_key, *d_value;
    float *d_bias; /* [T] by distance, farthest first */
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
            float *row = block + r * T, *d_bias = a->d_bias + T - 1 - (i + r);
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

/* One pass of one block. */
typedef struct block_pass {
    const ferry_kernels *kernels;
    ferry_pool *pool;
    const ferry_user_transformer *net;
    const ferry_user_block *p, *g; /* parameters, gradients */
    const size_t *starts;          /* [S + 1] */
    size_t S, P, longest;
    const ferry_user_saved_block *b;
    const scratch_arrays *scratch;
} block_pass;

/* One sequence: d_context to d_qkv and d_bias. */
static void sequence_backward(void *context, size_t s, size_t worker)
{
    const block_pass *pass = context;
    const scratch_arrays *scratch = pass->scratch;
    size_t d = pass->net->dim, heads = pass->net->heads, D = d / heads, start = pass->starts[s];
    size_t T = pass->starts[s + 1] - start;
    float *values = scratch->worker + worker * scratch->worker_size;
    float *d_bias = scratch->d_bias + start * heads;
    memset(d_bias, 0, T * heads * sizeof *d_bias);
    for (size_t h = 0; h < heads; h++) {
        const float *query = pass->b->qkv + start * 3 * d + h * D;
        float *d_query = scratch->d_qkv + start * 3 * d + h * D;
        head a = {.T = T,
                  .D = D,
                  .d = d,
                  .query = query,
                  .key = query + d,
                  .value = query + 2 * d,
                  .d_context = scratch->d_context + start * d + h * D,
                  .p = pass->b->probabilities + start * heads * pass->longest + h * T * T,
                  .d_query = d_query,
                  .d_key = d_query + d,
                  .d_value = d_query + 2 * d,
                  .d_bias = d_bias + h * T};
        attend_backward(pass->kernels, &a, values, values + scratch->values);
    }
}

/* The sequences' gradients by distance, in order. */
static void add_bias(const block_pass *pass)
{
    size_t heads = pass->net->heads, distances = pass->net->distances;
    for (size_t s = 0; s < pass->S; s++) {
        size_t start = pass->starts[s], T = pass->starts[s + 1] - start;
        for (size_t h = 0; h < heads; h++) {
            const float *own = pass->scratch->d_bias + start * heads + h * T;
            float *to = pass->g->relative + h * distances;
            for (size_t distance = 0; distance < T; distance++) {
                size_t k = distance < distances ? distance : distances - 1;
                to[k] = to[k] + own[T - 1 - distance];
            }
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

enum { GELU_PART = 8192 /* numbers */ };

static void gelu_part(void *context, size_t index, size_t worker)
{
    const block_pass *pass = context;
    size_t first = index * GELU_PART, rest = pass->P * pass->net->inner - first;
    (void)worker;
    pass->kernels->gelu_backward(pass->b->before + first, pass->scratch->d_inner + first,
                                 rest < GELU_PART ? rest : GELU_PART);
}

/* d_stream behind the feed-forward half to d_stream before it. */
static void second_half(const block_pass *pass, const float *mask)
{
    const ferry_kernels *kernels = pass->kernels;
    const ferry_user_block *p = pass->p, *g = pass->g;
    const ferry_user_saved_block *b = pass->b;
    const scratch_arrays *scratch = pass->scratch;
    size_t P = pass->P, d = pass->net->dim, F = pass->net->inner;
    apply_mask(scratch->d_stream, mask, scratch->d_update, P * d);
    ferry_linear_weight_gradient(kernels, pass->pool, scratch->d_update, b->inner, g->down_weight,
                                 g->down_bias, P, F, d);
    ferry_linear_input_gradient(kernels, pass->pool, scratch->d_update, p->down_weight,
                                scratch->d_inner, P, F, d, false);
    ferry_pool_run(pass->pool, (P * F + GELU_PART - 1) / GELU_PART, gelu_part, (void *)pass);
    ferry_linear_weight_gradient(kernels, pass->pool, scratch->d_inner, b->normed2, g->up_weight,
                                 g->up_bias, P, d, F);
    ferry_linear_input_gradient(kernels, pass->pool, scratch->d_inner, p->up_weight,
                                scratch->d_normed, P, d, F, false);
    kernels->layer_norm_backward(b->middle, p->norm2_weight, FERRY_USER_NORM_EPS, scratch->d_normed,
                                 scratch->d_update, g->norm2_weight, g->norm2_bias, P, d);
    add(scratch->d_stream, scratch->d_update, P * d);
}

/* The same of the attention half. */
static void first_half(const block_pass *pass, const float *mask)
{
    const ferry_kernels *kernels = pass->kernels;
    const ferry_user_block *p = pass->p, *g = pass->g;
    const ferry_user_saved_block *b = pass->b;
    const scratch_arrays *scratch = pass->scratch;
    size_t P = pass->P, d = pass->net->dim;
    apply_mask(scratch->d_stream, mask, scratch->d_update, P * d);
    ferry_linear_weight_gradient(kernels, pass->pool, scratch->d_update, b->context, g->out_weight,
                                 g->out_bias, P, d, d);
    ferry_linear_input_gradient(kernels, pass->pool, scratch->d_update, p->out_weight,
                                scratch->d_context, P, d, d, false);
    ferry_pool_run(pass->pool, pass->S, sequence_backward, (void *)pass);
    add_bias(pass);
    ferry_linear_weight_gradient(kernels, pass->pool, scratch->d_qkv, b->normed1, g->qkv_weight,
                                 g->qkv_bias, P, d, 3 * d);
    ferry_linear_input_gradient(kernels, pass->pool, scratch->d_qkv, p->qkv_weight,
                                scratch->d_normed, P, d, 3 * d, false);
    kernels->layer_norm_backward(b->x, p->norm1_weight, FERRY_USER_NORM_EPS, scratch->d_normed,
                                 scratch->d_update, g->norm1_weight, g->norm1_bias, P, d);
    add(scratch->d_stream, scratch->d_update, P * d);
}

void ferry_user_transformer_backward(const ferry_kernels *kernels, ferry_pool *pool,
                                     const ferry_user_transformer *net,
                                     const ferry_user_transformer *gradients, const size_t *starts,
                                     size_t S, const float *masks, const float *dy, float *dx,
                                     const void *saved_block, void *scratch_block)
{
    size_t P = starts[S], d = net->dim, longest = ferry_longest_sequence(starts, S);
    if (P == 0) return;
    ferry_user_saved saved =
        ferry_user_transformer_lay_out(net, P, longest, (void *)saved_block /* to read */);
    scratch_arrays scratch = lay_out(net, P, longest, ferry_pool_threads(pool), scratch_block);
    memcpy(scratch.d_stream, dy, P * d * sizeof *dy);
    for (size_t l = net->layers; l-- > 0;) {
        const float *mask1 = masks != NULL ? masks + 2 * l * P * d : NULL;
        const float *mask2 = masks != NULL ? mask1 + P * d : NULL;
        block_pass pass = {.kernels = kernels,
                           .pool = pool,
                           .net = net,
                           .p = &net->block[l],
                           .g = &gradients->block[l],
                           .starts = starts,
                           .S = S,
                           .P = P,
                           .longest = longest,
                           .b = &saved.block[l],
                           .scratch = &scratch};
        second_half(&pass, mask2);
        first_half(&pass, mask1);
    }
    memcpy(dx, scratch.d_stream, P * d * sizeof *dx);
}
