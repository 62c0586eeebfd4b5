/* The objectives: from user vectors h [R, d] and item vectors [U, d] to losses and gradients. */
#include <math.h>
#include <string.h>

#include "math/elementary.h"
#include "math/ops.h"
#include "train/pass.h"

enum { PART_ROWS = 32 /* of logits, in a part of a loop */, PART_ITEMS = 192 };

typedef struct softmax_block {
    ferry_pass *pass;
    const ferry_batch *batch;
    size_t first, rows; /* targets of this block */
} softmax_block;

/* What the user had by then, but for the target, is no candidate: a logit of -infinity. */
static void mask_history(const ferry_pass *pass, const ferry_batch *batch, size_t r, float *logits)
{
    (void)pass;
    size_t row = batch->target_row[r], low = 0, high = batch->sequences;
    while (high - low > 1) { /* the sequence of the row */
        size_t middle = low + (high - low) / 2;
        if (batch->starts[middle] <= row)
            low = middle;
        else
            high = middle;
    }
    for (size_t t = batch->starts[low]; t <= row; t++) {
        uint32_t item = batch->input[t];
        if (item < batch->M && item != batch->target[r]) logits[item] = -INFINITY;
    }
}

/* PART_ROWS targets: logits, their softmax and its gradient, the gradient of h. */
static void softmax_rows(void *context, size_t index, size_t worker)
{
    const softmax_block *block = context;
    const ferry_batch *batch = block->batch;
    ferry_pass *pass = block->pass;
    size_t d = pass->net->config.sequence.dim, M = batch->M, ldg = pass->ldg;
    size_t begin = index * PART_ROWS;
    size_t rows = block->rows - begin < PART_ROWS ? block->rows - begin : PART_ROWS;
    size_t r = block->first + begin;
    float *logits = pass->logits + begin * ldg, factor[PART_ROWS];
    (void)worker;
    pass->kernels->matmul(pass->h + r * d, d, pass->panels, NULL, logits, ldg, rows, d, M);
    for (size_t i = 0; i < rows && pass->options->mask_history; i++)
        mask_history(pass, batch, r + i, logits + i * ldg);
    pass->kernels->softmax_cross_entropy(logits, ldg, batch->correction, batch->target + r,
                                         1.0f / (float)batch->R, pass->loss + r, factor, rows, M);
    pass->kernels->matmul_strided(logits, ldg, 1, pass->items, d, pass->d_h + r * d, d, rows, M, d,
                                  false);
    for (size_t i = r; i < r + rows; i++) {
        for (size_t n = 0; n < d; n++) {
            pass->d_h[i * d + n] = pass->d_h[i * d + n] * factor[i - r];
            pass->h_scaled[i * d + n] = pass->h[i * d + n] * factor[i - r];
        }
    }
}

/* PART_ITEMS candidates: what the block's targets add to their gradients. */
static void softmax_items(void *context, size_t index, size_t worker)
{
    const softmax_block *block = context;
    ferry_pass *pass = block->pass;
    size_t d = pass->net->config.sequence.dim, M = block->batch->M, first = index * PART_ITEMS;
    size_t count = M - first < PART_ITEMS ? M - first : PART_ITEMS;
    (void)worker;
    pass->kernels->matmul_strided(pass->logits + first, 1, pass->ldg,
                                  pass->h_scaled + block->first * d, d, pass->d_items + first * d,
                                  d, count, block->rows, d, true);
}

typedef struct packing {
    const float *items;
    float *panels;
    size_t M, d;
} packing;

static void pack_items(void *context, size_t index, size_t worker)
{
    const packing *p = context;
    size_t first = index * PART_ITEMS;
    size_t count = p->M - first < PART_ITEMS ? p->M - first : PART_ITEMS;
    (void)worker;
    ferry_pack_panels(p->items + first * p->d, 1, p->d, p->d, count, p->panels + first * p->d);
}

static void softmax_loss(ferry_pass *pass, const ferry_batch *batch)
{
    size_t items = (batch->M + PART_ITEMS - 1) / PART_ITEMS;
    packing p = {pass->items, pass->panels, batch->M, pass->net->config.sequence.dim};
    ferry_pool_run(pass->pool, items, pack_items, &p);
    for (size_t r = 0; r < batch->R; r += pass->block_rows) {
        size_t rows = batch->R - r < pass->block_rows ? batch->R - r : pass->block_rows;
        softmax_block block = {pass, batch, r, rows};
        ferry_pool_run(pass->pool, (rows + PART_ROWS - 1) / PART_ROWS, softmax_rows, &block);
        ferry_pool_run(pass->pool, items, softmax_items, &block);
    }
}

/* d_h[r] += g item, d_items[item] += g h[r] */
static void pull(ferry_pass *pass, size_t r, uint32_t item, float g)
{
    size_t d = pass->net->config.sequence.dim;
    ferry_add_scaled(pass->d_h + r * d, pass->items + item * d, g, d);
    ferry_add_scaled(pass->d_items + item * d, pass->h + r * d, g, d);
}

static float logit(const ferry_pass *pass, size_t r, uint32_t item)
{
    size_t d = pass->net->config.sequence.dim;
    float result;
    pass->kernels->dot_rows(pass->h + r * d, pass->items + item * d, &result, 1, d);
    return result;
}

static void bpr_loss(ferry_pass *pass, const ferry_batch *batch)
{
    for (size_t r = 0; r < batch->R; r++) {
        float s = logit(pass, r, batch->target[r]) - logit(pass, r, batch->negative[r]);
        float g = -ferry_sigmoid(-s) / (float)batch->R;
        /* -log sigmoid(s) = log(1 + e^-|s|) + max(-s, 0) */
        float small = ferry_exp(s < 0.0f ? s : -s);
        pass->loss[r] = (float)ferry_log(1.0 + (double)small) + (s < 0.0f ? -s : 0.0f);
        if (s != s) pass->loss[r] = s;
        pull(pass, r, batch->target[r], g);
        pull(pass, r, batch->negative[r], -g);
    }
}

static void mse_loss(ferry_pass *pass, const ferry_batch *batch)
{
    for (size_t r = 0; r < batch->R; r++) {
        float error = logit(pass, r, batch->target[r]) - batch->value[r];
        pass->loss[r] = error * error;
        pull(pass, r, batch->target[r], 2.0f * error / (float)batch->R);
    }
}

void ferry_loss_run(ferry_pass *pass, const ferry_batch *batch)
{
    size_t d = pass->net->config.sequence.dim;
    memset(pass->d_items, 0, batch->U * d * sizeof *pass->d_items);
    if (pass->options->objective == FERRY_OBJECTIVE_SOFTMAX) {
        softmax_loss(pass, batch);
        return;
    }
    memset(pass->d_h, 0, batch->R * d * sizeof *pass->d_h);
    if (pass->options->objective == FERRY_OBJECTIVE_BPR)
        bpr_loss(pass, batch);
    else
        mse_loss(pass, batch);
}
