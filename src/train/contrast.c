#include "train/contrast.h"

#include "math/elementary.h"

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
