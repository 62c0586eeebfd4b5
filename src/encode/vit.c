#include "encode/vit.h"

#include <math.h>
#include <string.h>

#include "encode/attention.h"
#include "math/linear.h"
#include "math/ops.h"

enum { ROWS = 48 /* of a part that is activated or normalised */ };

static void linear(const ferry_vit *vit, const ferry_vit_linear *layer, const float *x, float *y,
                   size_t T)
{
    ferry_linear(vit->kernels, vit->pool, x, layer->panels, layer->bias, y, T, layer->K, layer->N);
}

static void add(float *x, const float *y, size_t count)
{
    for (size_t i = 0; i < count; i++) x[i] = x[i] + y[i];
}

/* ---- parts of rows ---- */

typedef struct rows {
    const ferry_vit *vit;
    const ferry_vit_norm *norm;
    const float *x;
    float *y, *gate;
    size_t T, N;
} rows;

static size_t rows_of(const rows *r, size_t first)
{
    return r->T - first < ROWS ? r->T - first : ROWS;
}

static void norm_part(void *context, size_t index, size_t worker)
{
    const rows *r = context;
    size_t first = index * ROWS;
    (void)worker;
    r->vit->kernels->layer_norm(r->x + first * r->N, NULL, r->norm->weight, r->norm->bias,
                                r->vit->config.eps, r->y + first * r->N, rows_of(r, first), r->N);
}

static void normalize(const ferry_vit *vit, const ferry_vit_norm *norm, const float *x, float *y,
                      size_t T)
{
    rows r = {.vit = vit, .norm = norm, .x = x, .y = y, .T = T, .N = vit->config.hidden};
    ferry_pool_run(vit->pool, (T + ROWS - 1) / ROWS, norm_part, &r);
}

static void activate_part(void *context, size_t index, size_t worker)
{
    const rows *r = context;
    const ferry_kernels *kernels = r->vit->kernels;
    size_t first = index * ROWS, count = rows_of(r, first) * r->N;
    float *x = r->y + first * r->N;
    (void)worker;
    switch (r->vit->config.activation) {
    case FERRY_VIT_GELU: kernels->gelu(x, count); break;
    case FERRY_VIT_GELU_TANH: kernels->gelu_tanh(x, count); break;
    case FERRY_VIT_RELU: ferry_relu(x, count); break;
    case FERRY_VIT_QUICK_GELU: {
        float *gate = r->gate + first * r->N;
        for (size_t i = 0; i < count; i++) gate[i] = 1.702f * x[i];
        kernels->sigmoid(gate, count);
        for (size_t i = 0; i < count; i++) x[i] = x[i] * gate[i];
        break;
    }
    }
}

/* y [T, hidden] through the two layers between which there are more numbers; in place */
static void feed_forward(const ferry_vit *vit, const ferry_vit_linear *first,
                         const ferry_vit_linear *second, float *y, size_t T)
{
    rows r = {.vit = vit, .y = vit->wide, .gate = vit->gate, .T = T, .N = first->N};
    linear(vit, first, y, vit->wide, T);
    ferry_pool_run(vit->pool, (T + ROWS - 1) / ROWS, activate_part, &r);
    linear(vit, second, vit->wide, y, T);
}

/* ---- attention ---- */

/* Rows that attend to one another: sequence i's are starts[i] … starts[i + 1] - 1. */
typedef struct sequences {
    const ferry_vit *vit;
    const size_t *starts; /* [count + 1] */
    size_t count;
    bool causal;
} sequences;

/* One head of query, key and value of a sequence, side by side in vit->wide [T, 3 * hidden], into
 * vit->y. */
static void attend_head(void *context, size_t index, size_t worker)
{
    const sequences *s = context;
    const ferry_vit *vit = s->vit;
    size_t heads = vit->config.heads, hidden = vit->config.hidden, D = hidden / heads;
    size_t start = s->starts[index / heads], T = s->starts[index / heads + 1] - start;
    float *scores = vit->scratch + worker * vit->scratch_size;
    ferry_attend(vit->kernels, vit->wide + start * 3 * hidden + index % heads * D,
                 vit->y + start * hidden + index % heads * D, T, hidden, D, s->causal, scores,
                 scores + FERRY_ATTENTION_ROWS * T);
}

static void run_block(ferry_vit *vit, const ferry_vit_block *block, sequences *s)
{
    size_t T = s->starts[s->count], count = T * vit->config.hidden;
    normalize(vit, &block->first_norm, vit->x, vit->y, T);
    linear(vit, &block->query_key_value, vit->y, vit->wide, T);
    ferry_pool_run(vit->pool, vit->config.heads * s->count, attend_head, s);
    linear(vit, &block->attention_output, vit->y, vit->wide, T);
    add(vit->x, vit->wide, count);
    normalize(vit, &block->second_norm, vit->x, vit->y, T);
    feed_forward(vit, &block->first, &block->second, vit->y, T);
    add(vit->x, vit->y, count);
}

void ferry_vit_run_blocks(ferry_vit *vit, const size_t *starts, size_t count, bool causal)
{
    sequences s = {vit, starts, count, causal};
    for (size_t l = 0; l < vit->config.layers; l++) run_block(vit, &vit->block[l], &s);
}

/* SigLIP's: the query's attention over x [T, hidden], normalised, and a feed-forward layer. */
static void pool_by_attention(ferry_vit *vit, float *out)
{
    const ferry_vit_head *head = &vit->head;
    size_t T = vit->tokens, hidden = vit->config.hidden, D = hidden / vit->config.heads;
    float *scores = vit->scratch, *keys = scores + FERRY_ATTENTION_ROWS * T;
    linear(vit, &head->key_value, vit->x, vit->wide, T); /* [T, 2 * hidden] */
    for (size_t n = 0; n < hidden; n += D) {
        ferry_pack_panels(vit->wide + n, 1, 2 * hidden, D, T, keys);
        vit->kernels->matmul(head->query + n, D, keys, NULL, scores, T, 1, D, T);
        vit->kernels->softmax(scores, T, 1.0f / sqrtf((float)D), 1, T);
        vit->kernels->matmul_strided(scores, T, 1, vit->wide + hidden + n, 2 * hidden, vit->y + n,
                                     hidden, 1, T, D, false);
    }
    linear(vit, &head->output, vit->y, out, 1);
    normalize(vit, &head->norm, out, vit->y, 1);
    feed_forward(vit, &head->first, &head->second, vit->y, 1);
    add(out, vit->y, hidden);
}

/* ---- the whole ---- */

/* x [T, hidden] = the patches' pixels through a layer, after the class token, and their positions
 */
static void embed(ferry_vit *vit, const float *pixels)
{
    size_t p = vit->config.patch, across = vit->side / p, hidden = vit->config.hidden;
    size_t class_tokens = vit->class_token != NULL ? 1 : 0;
    float *to = vit->y;
    for (size_t patch = 0; patch < across * across; patch++) {
        const float *from = pixels + (patch / across * p * vit->side + patch % across * p) * 3;
        for (size_t row = 0; row < p; row++, to += p * 3, from += vit->side * 3)
            memcpy(to, from, p * 3 * sizeof *to);
    }
    if (class_tokens > 0) memcpy(vit->x, vit->class_token, hidden * sizeof *vit->x);
    linear(vit, &vit->patches, vit->y, vit->x + class_tokens * hidden, across * across);
    add(vit->x, vit->positions, vit->tokens * hidden);
}

void ferry_vit_pool(ferry_vit *vit, const size_t *at, size_t count, float *out)
{
    size_t hidden = vit->config.hidden;
    bool projects = vit->projection.panels != NULL;
    float *to = projects ? vit->y : out;
    for (size_t i = 0; i < count; i++)
        memcpy(to + i * hidden, vit->x + at[i] * hidden, hidden * sizeof *to);
    normalize(vit, &vit->final_norm, to, to, count);
    if (projects) linear(vit, &vit->projection, to, out, count);
}

void ferry_vit_forward(ferry_vit *vit, const float *pixels, float *out)
{
    static const size_t class_token = 0;
    const size_t starts[] = {0, vit->tokens};
    embed(vit, pixels);
    if (vit->pre_norm.weight != NULL) normalize(vit, &vit->pre_norm, vit->x, vit->x, vit->tokens);
    ferry_vit_run_blocks(vit, starts, 1, false);
    if (vit->head.query != NULL) {
        normalize(vit, &vit->final_norm, vit->x, vit->x, vit->tokens);
        pool_by_attention(vit, out);
        return;
    }
    ferry_vit_pool(vit, &class_token, 1, out);
}
