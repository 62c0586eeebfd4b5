/* Whether the kernels that were chosen compute, on this very machine, what the scalar ones do. */
#include <string.h>

#include "base/error.h"
#include "math/kernels.h"
#include "math/ops.h"

enum { ROWS = 5, INNER = 68, COLUMNS = 20, PANELS = 2 * FERRY_PANEL, GROUPS = 2 };
enum { WORDS = 3 /* of 64 signs */ };

typedef struct samples {
    float x[ROWS * INNER], weight[COLUMNS * INNER], panels[PANELS * INNER];
    int8_t w[COLUMNS * INNER];
    float scale[COLUMNS * GROUPS], packed_scale[PANELS * GROUPS];
    int8_t query[ROWS * INNER], table[PANELS * INNER];
    int32_t sum[ROWS], start[PANELS];
    uint64_t signs[ROWS * WORDS];
    uint8_t packed[PANELS * INNER];
} samples;

typedef struct results {
    float matmul[ROWS * COLUMNS], int8[ROWS * COLUMNS], dots[COLUMNS];
    float rows[ROWS * INNER], found[ROWS * PANELS];
    uint8_t reached[ROWS * PANELS / FERRY_PANEL];
    uint32_t differ[ROWS];
    float clamped[INNER], depthwise[2 * COLUMNS], int7[ROWS * COLUMNS];
    uint8_t depthwise_q[2 * COLUMNS], q7[ROWS * INNER], shares[ROWS * INNER];
    int8_t q[ROWS * INNER], panel[INNER * FERRY_PANEL];
    int32_t panel_start[FERRY_PANEL];
    float panel_scale[FERRY_PANEL];
    float scale[ROWS * GROUPS], share[ROWS];
    int32_t offset[ROWS * GROUPS];
    float strided[ROWS * COLUMNS], logits[ROWS * COLUMNS], loss[ROWS], factor[ROWS];
    float gradient[ROWS * INNER], d_weight[INNER], d_bias[INNER];
    float w[INNER], first[INNER], second[INNER];
} results;

/* Deterministic numbers in -2…2; every third row of weights is at its extreme. */
static void fill(samples *s)
{
    uint32_t state = 1;
    for (size_t i = 0; i < ROWS * INNER + COLUMNS * INNER; i++) {
        state = state * 1664525u + 1013904223u;
        float value = (float)(int32_t)state / 1073741824.0f;
        if (i < ROWS * INNER)
            s->x[i] = value;
        else
            s->weight[i - ROWS * INNER] = i % 3 == 0 ? 2.0f : value;
    }
    ferry_pack_panels(s->weight, 1, INNER, INNER, COLUMNS, s->panels);
    ferry_int8_quantize_weights(s->weight, INNER, COLUMNS, s->w, s->scale);
    ferry_int8_pack(s->w, s->scale, INNER, COLUMNS, s->packed, s->packed_scale);
    for (size_t t = 0; t < ROWS; t++) {
        ferry_int8_quantize(s->x + t * INNER, INNER, 127, s->query + t * INNER);
        s->sum[t] = 0;
        for (size_t k = 0; k < INNER; k++) s->sum[t] += s->query[t * INNER + k];
    }
    memcpy(s->signs, s->x, sizeof s->signs);
    memset(s->table, -127, sizeof s->table);
    for (size_t n = 0; n < COLUMNS; n++)
        ferry_int8_put_row(s->table + n / FERRY_PANEL * FERRY_PANEL * INNER, n % FERRY_PANEL,
                           s->w + n * INNER, INNER);
}

static void run(const ferry_kernels *kernels, const samples *s, results *r)
{
    ferry_int8_rows rows = {r->q, r->scale, r->offset};
    ferry_int8_panels panels = {INNER, COLUMNS, s->packed, s->packed_scale};
    memset(r, 0, sizeof *r);
    kernels->matmul(s->x, INNER, s->panels, s->weight, r->matmul, COLUMNS, ROWS, INNER, COLUMNS);
    kernels->quantize_rows(s->x, INNER, ROWS, INNER, &rows);
    kernels->matmul_int8(&rows, &panels, s->weight, r->int8, COLUMNS, ROWS);
    ferry_int8_queries queries = {s->query, s->scale, s->sum};
    ferry_int8_table table = {INNER, PANELS / FERRY_PANEL, s->table, s->packed_scale};
    kernels->score_int8(&queries, ROWS, &table, s->x, r->found, r->reached);
    kernels->hamming(s->signs, s->signs + WORDS, r->differ, ROWS, WORDS);
    kernels->dot_rows(s->weight, s->x, r->dots, COLUMNS, INNER);
    kernels->layer_norm(s->x, s->weight, s->weight, s->x, 1e-12f, r->rows, ROWS, INNER);
    kernels->gelu(r->rows, INNER);
    kernels->gelu_tanh(r->rows + INNER, INNER);
    kernels->clamp(s->x, 1.0f, r->clamped, INNER - 1);
    kernels->depthwise(s->x, 4 * FERRY_PANEL, 1, s->weight, s->x, 6.0f, r->depthwise, COLUMNS, 3, 2,
                       FERRY_PANEL - 1);
    ferry_int7_rows rows7 = {r->q7, r->scale};
    ferry_int8_columns columns = {INNER, COLUMNS, s->table, s->packed_scale, s->start};
    kernels->depthwise_int7(s->x, 4 * FERRY_PANEL, 1, s->weight, s->x, 6.0f, 21.0f, r->depthwise_q,
                            COLUMNS, 3, 2, FERRY_PANEL - 1);
    kernels->quantize_int7(s->x, INNER, ROWS, INNER, &rows7);
    kernels->matmul_int7(&rows7, &columns, s->weight, r->int7, COLUMNS, ROWS);
    kernels->softmax_int7(s->x, INNER, ROWS, INNER - 1, &(ferry_int7_rows){r->shares, r->share});
    kernels->quantize_panel(s->weight, INNER - 1, FERRY_INT7_ZERO, 0.5f, r->panel, r->panel_scale,
                            r->panel_start);
    kernels->sigmoid(r->rows + 2 * INNER, INNER);
    kernels->hyperbolic_tangent(r->rows + 3 * INNER, INNER);
    kernels->softmax(r->rows, INNER, 0.5f, ROWS, INNER);
    kernels->matmul_strided(s->x, 1, ROWS, s->weight, COLUMNS, r->strided, COLUMNS, ROWS, INNER,
                            COLUMNS, false);
}

#ifndef FERRY_NO_TRAINING
static void train(const ferry_kernels *kernels, const samples *s, results *r)
{
    static const uint32_t target[ROWS] = {0, 3, COLUMNS - 1, 7, 7};
    static const ferry_adamw_step step = {0.5f, 0.1f, 0.98f, 0.02f, 0.99f, 0.1f, 1.25f, 1e-8f};
    memcpy(r->logits, r->strided, sizeof r->logits);
    kernels->softmax_cross_entropy(r->logits, COLUMNS, s->weight, target, 0.2f, r->loss, r->factor,
                                   ROWS, COLUMNS);
    kernels->layer_norm_backward(s->x, s->weight, 1e-5f, s->weight, r->gradient, r->d_weight,
                                 r->d_bias, ROWS, INNER);
    kernels->adamw(&step, s->x, r->w, r->first, r->second, INNER);
    kernels->gelu_backward(s->x, r->rows + INNER, INNER);
    kernels->softmax_backward(s->x, r->rows, INNER, INNER - ROWS, ROWS);
}
#endif

ferry_status ferry_kernels_self_test(const ferry_kernels *kernels, ferry_error *error)
{
    samples s;
    results expected, found;
    fill(&s);
    run(&ferry_kernels_scalar, &s, &expected);
    run(kernels, &s, &found);
#ifndef FERRY_NO_TRAINING
    train(&ferry_kernels_scalar, &s, &expected);
    train(kernels, &s, &found);
#endif
    if (memcmp(&expected, &found, sizeof found) == 0) return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "kernels \"%s\" do not compute here what the scalar ones do", kernels->name);
}
