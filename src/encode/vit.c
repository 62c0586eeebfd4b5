#include "encode/vit.h"

#include <math.h>
#include <string.h>

#include "encode/attention.h"
#include "math/ops.h"

enum { ROWS = 48 /* of a part that is normalised */ };

/* y [T, N]; finish as in ferry_layer_run */
static void linear(const ferry_vit *vit, const ferry_layer *layer, const float *x, float *y,
                   size_t T, ferry_layer_finish finish, void *context)
{
    ferry_layer_run run = {.kernels = vit->kernels,
                           .pool = vit->pool,
                           .layers = layer,
                           .count = 1,
                           .in = {.x = x, .int8 = vit->rows},
                           .y = y,
                           .columns = {.group = layer->N},
                           .T = T,
                           .finish = finish,
                           .context = context};
    ferry_layer_run_all(&run);
}

/* Adds a product to the context, of the same shape. */
static void add_to(void *context, float *y, size_t ldy, size_t row, size_t column, size_t count,
                   size_t columns)
{
    float *x = (float *)context + row * ldy + column;
    for (size_t t = 0; t < count; t++, y += ldy, x += ldy)
        for (size_t n = 0; n < columns; n++) x[n] = x[n] + y[n];
}

/* ---- parts of rows ---- */

typedef struct rows {
    const ferry_vit *vit;
    const ferry_vit_norm *norm;
    const float *x;
    float *y;
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

/* x * sigmoid(1.702 x) */
static void quick_gelu(const ferry_kernels *kernels, float *x, size_t count)
{
    enum { SOME = 256 };
    float gate[SOME];
    for (size_t i = 0; i < count; i += SOME) {
        size_t some = count - i < SOME ? count - i : SOME;
        for (size_t k = 0; k < some; k++) gate[k] = 1.702f * x[i + k];
        kernels->sigmoid(gate, some);
        for (size_t k = 0; k < some; k++) x[i + k] = x[i + k] * gate[k];
    }
}

static void activate(void *context, float *y, size_t ldy, size_t row, size_t column, size_t count,
                     size_t columns)
{
    const ferry_vit *vit = context;
    (void)row, (void)column;
    for (size_t t = 0; t < count; t++, y += ldy) {
        switch (vit->config.activation) {
        case FERRY_VIT_GELU: vit->kernels->gelu(y, columns); break;
        case FERRY_VIT_GELU_TANH: vit->kernels->gelu_tanh(y, columns); break;
        case FERRY_VIT_RELU: ferry_relu(y, columns); break;
        case FERRY_VIT_QUICK_GELU: quick_gelu(vit->kernels, y, columns); break;
        }
    }
}

/* x [T, hidden] += y [T, hidden] through the two layers between which there are more numbers; y
 * is worked with. */
static void feed_forward(const ferry_vit *vit, const ferry_layer *first, const ferry_layer *second,
                         float *y, float *x, size_t T)
{
    linear(vit, first, y, vit->wide, T, activate, (void *)(uintptr_t)vit);
    linear(vit, second, vit->wide, y, T, add_to, x);
}

/* ---- attention ---- */

/* Rows that attend to one another: sequence i's are starts[i] … starts[i + 1] - 1. */
typedef struct sequences {
    const ferry_vit *vit;
    const size_t *starts; /* [count + 1] */
    size_t count;
    ferry_attention attention; /* from vit->wide [T, 3 * hidden] into vit->y */
} sequences;

static void attend_head(void *context, size_t index, size_t worker)
{
    const sequences *s = context;
    const ferry_vit *vit = s->vit;
    size_t heads = vit->config.heads, first = s->starts[index / heads];
    ferry_attend(&s->attention, index % heads, first, s->starts[index / heads + 1] - first,
                 vit->scratch + worker * vit->scratch_size);
}

static void run_block(ferry_vit *vit, const ferry_vit_block *block, sequences *s)
{
    size_t T = s->starts[s->count];
    normalize(vit, &block->first_norm, vit->x, vit->y, T);
    ferry_layer_run heads = {.kernels = vit->kernels,
                             .pool = vit->pool,
                             .layers = block->query_key_value,
                             .count = 3,
                             .in = {.x = vit->y, .int8 = vit->rows},
                             .y = vit->wide,
                             .columns = s->attention.columns,
                             .T = T};
    ferry_layer_run_all(&heads);
    ferry_pool_run(vit->pool, vit->config.heads * s->count, attend_head, s);
    linear(vit, &block->attention_output, vit->y, vit->wide, T, add_to, vit->x);
    normalize(vit, &block->second_norm, vit->x, vit->y, T);
    feed_forward(vit, &block->first, &block->second, vit->y, vit->x, T);
}

void ferry_vit_run_blocks(ferry_vit *vit, const size_t *starts, size_t count, bool causal)
{
    size_t hidden = vit->config.hidden, D = hidden / vit->config.heads;
    sequences s = {.vit = vit, .starts = starts, .count = count};
    s.attention = (ferry_attention){.kernels = vit->kernels,
                                    .x = vit->wide,
                                    .columns = ferry_attention_columns(hidden, D, starts[count]),
                                    .context = vit->y,
                                    .hidden = hidden,
                                    .D = D,
                                    .causal = causal,
                                    .int8 = vit->precision == FERRY_PRECISION_INT8};
    for (size_t l = 0; l < vit->config.layers; l++) run_block(vit, &vit->block[l], &s);
}

/* SigLIP's: the query's attention over x [T, hidden], normalised, and a feed-forward layer. */
static void pool_by_attention(ferry_vit *vit, float *out)
{
    const ferry_vit_head *head = &vit->head;
    size_t T = vit->tokens, hidden = vit->config.hidden, D = hidden / vit->config.heads;
    float *scores = vit->scratch, *keys = scores + FERRY_ATTENTION_ROWS * T;
    linear(vit, &head->key_value, vit->x, vit->wide, T, NULL, NULL); /* [T, 2 * hidden] */
    for (size_t n = 0; n < hidden; n += D) {
        ferry_pack_panels(vit->wide + n, 1, 2 * hidden, D, T, keys);
        vit->kernels->matmul(head->query + n, D, keys, NULL, scores, T, 1, D, T);
        vit->kernels->softmax(scores, T, 1.0f / sqrtf((float)D), 1, T);
        vit->kernels->matmul_strided(scores, T, 1, vit->wide + hidden + n, 2 * hidden, vit->y + n,
                                     hidden, 1, T, D, false);
    }
    linear(vit, &head->output, vit->y, out, 1, NULL, NULL);
    normalize(vit, &head->norm, out, vit->y, 1);
    feed_forward(vit, &head->first, &head->second, vit->y, out, 1);
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
    linear(vit, &vit->patches, vit->y, vit->x + class_tokens * hidden, across * across, NULL, NULL);
    for (size_t i = 0; i < vit->tokens * hidden; i++) vit->x[i] = vit->x[i] + vit->positions[i];
}

void ferry_vit_pool(ferry_vit *vit, const size_t *at, size_t count, float *out)
{
    size_t hidden = vit->config.hidden;
    bool projects = vit->projection.panels != NULL;
    float *to = projects ? vit->y : out;
    for (size_t i = 0; i < count; i++)
        memcpy(to + i * hidden, vit->x + at[i] * hidden, hidden * sizeof *to);
    normalize(vit, &vit->final_norm, to, to, count);
    if (projects) linear(vit, &vit->projection, to, out, count, NULL, NULL);
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
