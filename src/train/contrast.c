#include "train/contrast.h"

#include "base/error.h"
#include "math/elementary.h"
#include "train/optimizer.h"

bool ferry_contrast_init(ferry_contrast *c, size_t B, ferry_arena *arena)
{
    *c = (ferry_contrast){.B = B};
    c->rows = ferry_arena_array(arena, B, B * sizeof(float));
    c->columns = ferry_arena_array(arena, B, B * sizeof(float));
    c->loss = ferry_arena_array(arena, B, 2 * sizeof(float));
    c->factor = ferry_arena_array(arena, B, 2 * sizeof(float));
    c->cosine = ferry_arena_array(arena, B, sizeof(float));
    c->target = ferry_arena_array(arena, B, sizeof(uint32_t));
    for (size_t i = 0; c->target != NULL && i < B; i++) c->target[i] = (uint32_t)i;
    return c->rows && c->columns && c->loss && c->factor && c->cosine && c->target;
}

double ferry_contrast_run(const ferry_contrast *c, const ferry_kernels *kernels, const float *a,
                          const float *b, size_t B, size_t D, float log_scale, float *da, float *db,
                          float *d_log_scale)
{
    bool held = log_scale > FERRY_CONTRAST_MOST;
    float scale = ferry_exp(held ? FERRY_CONTRAST_MOST : log_scale), slope = 0.0f;
    float each = 0.5f / (float)B, *by_row = c->factor, *by_column = c->factor + B;
    double loss = 0.0;
    for (size_t i = 0; i < B; i++) {
        float *row = c->rows + i * B;
        kernels->dot_rows(b, a + i * D, row, B, D);
        for (size_t j = 0; j < B; j++) row[j] = row[j] * scale;
    }
    for (size_t i = 0; i < B; i++)
        for (size_t j = 0; j < B; j++) c->columns[j * B + i] = c->rows[i * B + j];
    kernels->softmax_cross_entropy(c->rows, B, NULL, c->target, each, c->loss, by_row, B, B);
    kernels->softmax_cross_entropy(c->columns, B, NULL, c->target, each, c->loss + B, by_column, B,
                                   B);
    for (size_t i = 0; i < 2 * B; i++) loss = loss + (double)c->loss[i];
    for (size_t i = 0; i < B; i++) { /* rows becomes the gradient of the cosines */
        float *row = c->rows + i * B, sum = 0.0f;
        kernels->dot_rows(b, a + i * D, c->cosine, B, D);
        for (size_t j = 0; j < B; j++) {
            row[j] = (row[j] * by_row[i] + c->columns[j * B + i] * by_column[j]) * scale;
            sum = sum + row[j] * c->cosine[j];
        }
        slope = slope + sum;
    }
    *d_log_scale = held ? 0.0f : slope;
    kernels->matmul_strided(c->rows, B, 1, b, D, da, D, B, B, D, false);
    if (db != NULL) kernels->matmul_strided(c->rows, 1, B, a, D, db, D, B, B, D, false);
    return loss / (2.0 * (double)B);
}

void ferry_unit_backward(const ferry_kernels *kernels, const float *x, float norm, float *dx,
                         size_t D)
{
    float along;
    kernels->dot_rows(dx, x, &along, 1, D);
    for (size_t n = 0; n < D; n++) dx[n] = norm > 0.0f ? (dx[n] - x[n] * along) / norm : 0.0f;
}

/* ---- learning ---- */

typedef struct learning {
    const ferry_contrast_learner *learner;
    const ferry_kernels *kernels;
    ferry_train_options adam;
    float *gradients, *first, *second; /* [size] */
    size_t step, steps;
} learning;

static size_t batch_count(size_t n, size_t batch)
{
    return (n + batch - 1) / batch;
}

size_t ferry_contrast_largest(size_t n, size_t batch)
{
    size_t count = batch_count(n, batch);
    return (n + count - 1) / count;
}

static ferry_status run_step(learning *l, const uint32_t *items, size_t B, ferry_error *error)
{
    const ferry_contrast_learner *learner = l->learner;
    double loss = learner->gradients(learner->user, items, B, l->step, l->gradients);
    if (!(loss < 1e30))
        return ferry_fail(error, FERRY_DIVERGED, "step %zu of %zu: the loss is not finite",
                          l->step + 1, l->steps);
    double rate = ferry_learning_rate(&l->adam, l->step, l->steps);
    ferry_adamw_step step = ferry_adamw_at(&l->adam, rate, 1.0, l->step);
    l->kernels->adamw(&step, l->gradients, learner->parameters, l->first, l->second, learner->size);
    l->step++;
    return FERRY_OK;
}

static ferry_status run_epochs(learning *l, ferry_error *error)
{
    const ferry_contrast_learner *learner = l->learner;
    size_t n = learner->n, batches = batch_count(n, learner->batch);
    l->steps = learner->epochs * batches;
    for (size_t epoch = 0; epoch < learner->epochs; epoch++) {
        ferry_random_shuffle(learner->random, learner->order, n);
        for (size_t k = 0; k < batches; k++) {
            size_t first = n * k / batches, end = n * (k + 1) / batches;
            FERRY_TRY(run_step(l, learner->order + first, end - first, error));
        }
        if (learner->progress != NULL &&
            !learner->progress(learner->progress_user, epoch + 1, learner->epochs))
            return ferry_fail(error, FERRY_CANCELLED, "cancelled after epoch %zu of %zu", epoch + 1,
                              learner->epochs);
    }
    return FERRY_OK;
}

ferry_status ferry_contrast_learn(const ferry_contrast_learner *learner,
                                  const ferry_kernels *kernels, ferry_arena *arena,
                                  ferry_error *error)
{
    learning l = {.learner = learner, .kernels = kernels, .adam = ferry_train_options_default()};
    l.adam.learning_rate = learner->learning_rate;
    l.adam.weight_decay = learner->weight_decay;
    l.adam.warm_up = 0.1;
    l.adam.floor = 0.0;
    l.adam.beta2 = 0.999;
    l.gradients = ferry_arena_array(arena, learner->size, sizeof(float));
    l.first = ferry_arena_array(arena, learner->size, sizeof(float));
    l.second = ferry_arena_array(arena, learner->size, sizeof(float));
    if (!l.gradients || !l.first || !l.second) return ferry_fail_memory(error, "AdamW's moments");
    return run_epochs(&l, error);
}
