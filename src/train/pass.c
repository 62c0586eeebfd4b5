/* Forward and backward of everything but the encoder and the objective. */
#include "train/pass.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/elementary.h"
#include "math/linear.h"
#include "math/ops.h"
#include "recsys/dropout.h"
#include "train/sequence_gradient.h"

static const float NORM_EPSILON = 1e-5f; /* as net_serve.c's */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static float *floats(ferry_arena *arena, size_t rows, size_t columns)
{
    size_t count;
    if (!ferry_size_multiply(rows, columns, &count)) return NULL;
    return ferry_arena_array(arena, count, sizeof(float));
}

ferry_status ferry_pass_create(ferry_arena *arena, const ferry_net *net,
                               const ferry_kernels *kernels, const ferry_train_options *options,
                               const ferry_epoch *epoch, const ferry_batcher *batcher,
                               ferry_pass *out, ferry_error *error)
{
    const ferry_sequence_shape *shape = &net->config.sequence;
    size_t d = shape->dim, C = net->config.content_dim, r = net->config.adapter_rank;
    size_t P = epoch->most_rows, S = epoch->most_sequences, U = batcher->most_items;
    size_t threads = ferry_pool_threads(options->pool), saved, scratch, panels, weights;
    *out = (ferry_pass){.net = net, .kernels = kernels, .pool = options->pool, .options = options};
    bool fits = ferry_sequence_encoder_of(shape->kind)->saved(shape, P, S, threads, &saved) &&
                ferry_sequence_gradient_of(shape->kind)->scratch(shape, P, S, threads, &scratch) &&
                ferry_panels_size(d, U, &panels) &&
                ferry_panels_size(larger(C, d), larger(d, r), &weights);
    if (!fits) return ferry_fail(error, FERRY_LIMIT, "a batch of %zu rows is too large", P);
    out->block_rows = FERRY_LOGIT_ROWS * threads;
    /* no multiple of a page: rows of logits would share the same lines of the cache */
    out->ldg = (U + 15) / 16 * 16 + 16;
    out->content_of = ferry_arena_array(arena, net->domain_count, sizeof *out->content_of);
    if (out->content_of == NULL) return ferry_fail_memory(error, "the activations of a batch");
    for (size_t i = 0; i < batcher->domain_count; i++)
        out->content_of[batcher->domains[i].domain] = batcher->domains[i].content;
    bool softmax = options->objective == FERRY_OBJECTIVE_SOFTMAX;
    const struct {
        float **array;
        size_t rows, columns;
    } arrays[] = {
        {&out->content, U, C},
        {&out->items, U, d},
        {&out->item_low, U, r},
        {&out->x_sum, P, d},
        {&out->x, P, d},
        {&out->y, P, d},
        {&out->saved, saved, 1},
        {&out->y_target, P, d},
        {&out->o, P, d},
        {&out->user_low, P, r},
        {&out->h, P, d},
        {&out->h_scaled, P, d},
        {&out->logits, softmax ? out->block_rows : 0, out->ldg},
        {&out->loss, P, 1},
        {&out->panels, larger(panels, weights), 1},
        {&out->d_items, U, d},
        {&out->d_h, P, d},
        {&out->d_o, P, d},
        {&out->d_rows, P, d},
        {&out->d_rows2, P, d},
        {&out->d_low, larger(U, P), r},
        {&out->scratch, scratch, 1},
        {&out->gradients, net->ids, 1},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        *arrays[i].array = floats(arena, arrays[i].rows, arrays[i].columns);
        if (*arrays[i].array == NULL) return ferry_fail_memory(error, "the activations of a batch");
    }
    return FERRY_OK;
}

/* ---- items ---- */

/* y [T, N] (+)= x [T, K] W^T with W [N, K], through panels. */
static void linear(ferry_pass *pass, const float *x, size_t weight, size_t bias, float *y, size_t T,
                   size_t K, size_t N)
{
    const float *w = pass->net->parameters;
    ferry_pack_panels(w + weight, 1, K, K, N, pass->panels);
    ferry_linear(pass->kernels, pass->pool, x, pass->panels, bias != 0 ? w + bias : NULL, y, T, K,
                 N);
}

static void items_forward(ferry_pass *pass, const ferry_batch *batch)
{
    const ferry_net *net = pass->net;
    size_t d = net->config.sequence.dim, C = net->config.content_dim, r = net->config.adapter_rank;
    for (size_t g = 0; g < batch->group_count && C > 0; g++) {
        const ferry_item_group *group = &batch->group[g];
        for (size_t u = group->first; u < group->first + group->count; u++)
            memcpy(pass->content + u * C, pass->content_of[group->domain] + batch->item[u] * C,
                   C * sizeof(float));
    }
    if (C > 0)
        linear(pass, pass->content, net->content_weight, net->content_bias, pass->items, batch->U,
               C, d);
    else
        memset(pass->items, 0, batch->U * d * sizeof *pass->items);
    for (size_t g = 0; g < batch->group_count; g++) {
        const ferry_item_group *group = &batch->group[g];
        const ferry_net_domain *domain = &net->domain[group->domain];
        size_t u = group->first;
        if (r > 0 && C > 0 && group->count > 0) {
            float *high = pass->d_items + u * d; /* not in use yet */
            linear(pass, pass->content + u * C, domain->item_down, 0, pass->item_low + u * r,
                   group->count, C, r);
            linear(pass, pass->item_low + u * r, domain->item_up, 0, high, group->count, r, d);
            ferry_add_scaled(pass->items + u * d, high, 1.0f, group->count * d);
        }
        for (; net->config.ids && u < group->first + group->count; u++)
            ferry_add_scaled(pass->items + u * d,
                             net->parameters + domain->ids + batch->item[u] * d, 1.0f, d);
    }
}

static void items_backward(ferry_pass *pass, const ferry_batch *batch)
{
    const ferry_net *net = pass->net;
    const float *w = net->parameters;
    float *gradients = pass->gradients;
    size_t d = net->config.sequence.dim, C = net->config.content_dim, r = net->config.adapter_rank;
    if (C == 0) return;
    if (pass->options->trainable != FERRY_TRAIN_ADAPTERS)
        ferry_linear_weight_gradient(pass->kernels, pass->pool, pass->d_items, pass->content,
                                     gradients + net->content_weight, gradients + net->content_bias,
                                     batch->U, C, d);
    for (size_t g = 0; g < batch->group_count && r > 0; g++) {
        const ferry_item_group *group = &batch->group[g];
        const ferry_net_domain *domain = &net->domain[group->domain];
        size_t u = group->first, count = group->count;
        ferry_linear_weight_gradient(pass->kernels, pass->pool, pass->d_items + u * d,
                                     pass->item_low + u * r, gradients + domain->item_up, NULL,
                                     count, r, d);
        ferry_linear_input_gradient(pass->kernels, pass->pool, pass->d_items + u * d,
                                    w + domain->item_up, pass->d_low + u * r, count, r, d, false);
        ferry_linear_weight_gradient(pass->kernels, pass->pool, pass->d_low + u * r,
                                     pass->content + u * C, gradients + domain->item_down, NULL,
                                     count, C, r);
    }
}

/* ---- rows ---- */

static ferry_sequence_run sequence_run(const ferry_pass *pass, const ferry_batch *batch,
                                       uint64_t key)
{
    return (ferry_sequence_run){
        .kernels = pass->kernels,
        .pool = pass->pool,
        .shape = &pass->net->config.sequence,
        .parameters = pass->net->parameters + pass->net->sequence,
        .starts = batch->starts,
        .sequences = batch->sequences,
        .dropout = pass->options->encoder_dropout,
        .dropout_key = ferry_dropout_key(key, 1),
    };
}

static void rows_forward(ferry_pass *pass, const ferry_batch *batch, uint64_t key)
{
    const ferry_net *net = pass->net;
    const float *w = net->parameters;
    size_t d = net->config.sequence.dim, r = net->config.adapter_rank;
    for (size_t p = 0; p < batch->P; p++) {
        float *x = pass->x_sum + p * d;
        memcpy(x, pass->items + batch->input[p] * d, d * sizeof *x);
        if (net->config.behaviors > 0)
            ferry_add_scaled(x, w + net->behavior + batch->behavior[p] * d, 1.0f, d);
        if (net->config.time_buckets > 0)
            ferry_add_scaled(x, w + net->time + batch->bucket[p] * d, 1.0f, d);
    }
    pass->kernels->layer_norm(pass->x_sum, NULL, w + net->input_norm_weight,
                              w + net->input_norm_bias, NORM_EPSILON, pass->x, batch->P, d);
    if (pass->options->dropout > 0.0f)
        ferry_dropout(pass->x, pass->options->dropout, key, 0, batch->P * d, pass->x);
    ferry_sequence_run run = sequence_run(pass, batch, key);
    ferry_sequence_encoder_of(net->config.sequence.kind)
        ->forward(&run, pass->x, pass->y, pass->saved);
    for (size_t i = 0; i < batch->R; i++)
        memcpy(pass->y_target + i * d, pass->y + batch->target_row[i] * d, d * sizeof *pass->y);
    pass->kernels->layer_norm(pass->y_target, NULL, w + net->output_norm_weight,
                              w + net->output_norm_bias, NORM_EPSILON, pass->o, batch->R, d);
    memcpy(pass->h, pass->o, batch->R * d * sizeof *pass->h);
    if (r > 0) {
        const ferry_net_domain *domain = &net->domain[batch->domain->domain];
        linear(pass, pass->o, domain->user_down, 0, pass->user_low, batch->R, d, r);
        linear(pass, pass->user_low, domain->user_up, 0, pass->d_o, batch->R, r, d);
        ferry_add_scaled(pass->h, pass->d_o, 1.0f, batch->R * d);
    }
    float scale = ferry_exp(w[net->scale]);
    for (size_t i = 0; i < batch->R * d; i++) pass->h[i] = pass->h[i] * scale;
}

/* d_h to d_o: through exp(scale) and the user's adapter. */
static void user_backward(ferry_pass *pass, const ferry_batch *batch)
{
    const ferry_net *net = pass->net;
    const float *w = net->parameters;
    size_t d = net->config.sequence.dim, r = net->config.adapter_rank;
    double sum = 0;
    for (size_t i = 0; i < batch->R; i++) { /* h is exp(scale) times something */
        float dot;
        pass->kernels->dot_rows(pass->d_h + i * d, pass->h + i * d, &dot, 1, d);
        sum += (double)dot;
    }
    pass->gradients[net->scale] = (float)sum;
    float scale = ferry_exp(w[net->scale]);
    for (size_t i = 0; i < batch->R * d; i++) pass->d_o[i] = pass->d_h[i] * scale;
    if (r == 0) return;
    const ferry_net_domain *domain = &net->domain[batch->domain->domain];
    float *d_sum = pass->d_h; /* the gradient of o + adapter(o) */
    memcpy(d_sum, pass->d_o, batch->R * d * sizeof *d_sum);
    ferry_linear_weight_gradient(pass->kernels, pass->pool, d_sum, pass->user_low,
                                 pass->gradients + domain->user_up, NULL, batch->R, r, d);
    ferry_linear_input_gradient(pass->kernels, pass->pool, d_sum, w + domain->user_up, pass->d_low,
                                batch->R, r, d, false);
    ferry_linear_weight_gradient(pass->kernels, pass->pool, pass->d_low, pass->o,
                                 pass->gradients + domain->user_down, NULL, batch->R, d, r);
    ferry_linear_input_gradient(pass->kernels, pass->pool, pass->d_low, w + domain->user_down,
                                pass->d_o, batch->R, d, r, true);
}

static void rows_backward(ferry_pass *pass, const ferry_batch *batch, uint64_t key)
{
    const ferry_net *net = pass->net;
    const float *w = net->parameters;
    float *g = pass->gradients;
    size_t d = net->config.sequence.dim, P = batch->P;
    float *d_y = pass->d_rows, *d_x = pass->d_rows2;
    pass->kernels->layer_norm_backward(pass->y_target, w + net->output_norm_weight, NORM_EPSILON,
                                       pass->d_o, pass->d_h, g + net->output_norm_weight,
                                       g + net->output_norm_bias, batch->R, d);
    memset(d_y, 0, P * d * sizeof *d_y);
    for (size_t i = 0; i < batch->R; i++)
        memcpy(d_y + batch->target_row[i] * d, pass->d_h + i * d, d * sizeof *d_y);
    ferry_sequence_run run = sequence_run(pass, batch, key);
    ferry_sequence_gradient_of(net->config.sequence.kind)
        ->backward(&run, pass->x, pass->saved, d_y, d_x, g + net->sequence, pass->scratch);
    if (pass->options->dropout > 0.0f)
        ferry_dropout(d_x, pass->options->dropout, key, 0, P * d, d_x);
    float *d_sum = pass->d_rows;
    pass->kernels->layer_norm_backward(pass->x_sum, w + net->input_norm_weight, NORM_EPSILON, d_x,
                                       d_sum, g + net->input_norm_weight, g + net->input_norm_bias,
                                       P, d);
    for (size_t p = 0; p < P; p++) {
        const float *from = d_sum + p * d;
        ferry_add_scaled(pass->d_items + batch->input[p] * d, from, 1.0f, d);
        if (net->config.behaviors > 0)
            ferry_add_scaled(g + net->behavior + batch->behavior[p] * d, from, 1.0f, d);
        if (net->config.time_buckets > 0)
            ferry_add_scaled(g + net->time + batch->bucket[p] * d, from, 1.0f, d);
    }
}

double ferry_pass_run(ferry_pass *pass, const ferry_batch *batch, uint64_t step)
{
    ferry_random random;
    ferry_random_seed(&random, pass->options->seed, ferry_train_stream(FERRY_STREAM_DROPOUT, step));
    uint64_t key = ferry_random_next(&random);
    memset(pass->gradients, 0, pass->net->ids * sizeof *pass->gradients);
    items_forward(pass, batch);
    rows_forward(pass, batch, key);
    ferry_loss_run(pass, batch);
    user_backward(pass, batch);
    rows_backward(pass, batch, key);
    items_backward(pass, batch);
    double sum = 0;
    for (size_t i = 0; i < batch->R; i++) sum += (double)pass->loss[i];
    return sum / (double)batch->R;
}
