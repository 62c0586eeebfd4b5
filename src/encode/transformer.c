#include "encode/transformer.h"

#include <string.h>

#include "encode/attention.h"
#include "math/int4.h"
#include "math/ops.h"

enum { LEAST_ROWS = 24 /* of a block that is worth a thread of its own */ };

/* ---- linear layers ---- */

static void activate(const ferry_transformer *m, float *x, size_t count)
{
    switch (m->config.activation) {
    case FERRY_ACTIVATION_GELU: m->kernels->gelu(x, count); break;
    case FERRY_ACTIVATION_GELU_TANH: m->kernels->gelu_tanh(x, count); break;
    case FERRY_ACTIVATION_RELU: ferry_relu(x, count); break;
    }
}

/* y = layer(x), activated or not; parts are ranges of columns. */
typedef struct product {
    const ferry_transformer *m;
    const ferry_layer *layer;
    const float *x; /* [T, K] */
    const ferry_int8_rows *int8;
    float *y; /* [T, N] as `lies` says */
    const ferry_columns *lies;
    size_t T;
    size_t columns; /* of a part: a multiple of 16 */
    bool activated;
} product;

static void multiply_columns(void *context, size_t index, size_t worker)
{
    const product *p = context;
    const ferry_layer *layer = p->layer;
    size_t N = layer->N, first = index * p->columns;
    size_t count = N - first < p->columns ? N - first : p->columns;
    (void)worker;
    ferry_layer_input in = {.x = p->x, .int8 = *p->int8};
    ferry_layer_multiply_columns(p->m->kernels, layer, first, count, &in, p->y, p->lies, p->T);
    if (!p->activated) return;
    for (size_t t = 0; t < p->T; t++) activate(p->m, p->y + t * N + first, count);
}

/* `lies` NULL: y is [T, N]. At most a block of rows, by one thread (pool NULL) or each thread some
 * of the columns. */
static void linear(const ferry_transformer *m, ferry_pool *pool, const ferry_scratch *scratch,
                   const ferry_layer *layer, bool activated, const float *x, float *y,
                   const ferry_columns *lies, size_t T)
{
    ferry_columns side_by_side = {.group = layer->N};
    if (lies == NULL) lies = &side_by_side;
    product p = {m, layer, x, &scratch->int8, y, lies, T, layer->N, activated};
    size_t threads = ferry_pool_threads(pool), parts = 1;
    if (layer->panels == NULL) m->kernels->quantize_rows(x, layer->K, T, layer->K, &scratch->int8);
    if (threads > 1) { /* two parts a thread, of whole pairs of panels */
        p.columns = (layer->N / (2 * threads) / (2 * FERRY_PANEL) + 1) * 2 * FERRY_PANEL;
        parts = (layer->N + p.columns - 1) / p.columns;
    }
    ferry_pool_run(pool, parts, multiply_columns, &p);
}

/* ---- rows ---- */

/* One token's row [hidden] into x. */
static void embed_word(const ferry_embedding *words, int32_t id, size_t hidden, float *x)
{
    size_t row = (size_t)id;
    if (words->f32 != NULL) {
        memcpy(x, words->f32 + row * hidden, hidden * sizeof *x);
        return;
    }
    if (words->int4 != NULL) {
        ferry_int4_row(words->int4 + row * (hidden / 2),
                       words->halves + row * (hidden / FERRY_INT4_GROUP) * 2, hidden, x);
        return;
    }
    for (size_t n = 0; n < hidden; n++)
        x[n] = (float)words->int8[row * hidden + n] * words->scale[row];
}

/* What the parts of a pass share. */
typedef struct pass {
    const ferry_transformer *m;
    const int32_t *ids;
    const size_t *starts;
    size_t texts, T;
    size_t layer;
    size_t rows;      /* of a block */
    size_t heads;     /* of a part of attention */
    ferry_pool *pool; /* over which a block's columns are spread, or NULL */
} pass;

/* x[t] = norm(word[id] + token_type[0] + position[t]), positions counted from each text's start;
 * rows [first, first + count) */
static void embed(const pass *p, size_t first, size_t count)
{
    const ferry_transformer *m = p->m;
    size_t hidden = m->config.hidden, text = 0;
    for (size_t t = first; t < first + count; t++) {
        while (p->starts[text + 1] <= t) text++;
        const float *position = m->position_embeddings + (t - p->starts[text]) * hidden;
        float *x = m->workspace.x + t * hidden;
        embed_word(&m->word_embeddings, p->ids[t], hidden, x);
        for (size_t n = 0; n < hidden; n++) x[n] = x[n] + m->token_type_embeddings[n] + position[n];
    }
    float *x = m->workspace.x + first * hidden;
    m->kernels->layer_norm(x, NULL, m->embedding_norm.weight, m->embedding_norm.bias, m->config.eps,
                           x, count, hidden);
}

/* x = norm(x + update) */
static void add_and_norm(const ferry_transformer *m, const ferry_norm *norm, const float *update,
                         float *x, size_t T)
{
    m->kernels->layer_norm(update, x, norm->weight, norm->bias, m->config.eps, x, T,
                           m->config.hidden);
}

/* All that happens to a block of rows between two attentions: the rest of layer - 1, or the
 * embedding before the first, and the queries, keys and values of `layer`, if there is one. */
static void run_block(void *context, size_t index, size_t worker)
{
    const pass *p = context;
    const ferry_transformer *m = p->m;
    const ferry_scratch *s = &m->workspace.scratch[worker];
    size_t hidden = m->config.hidden, first = index * p->rows;
    size_t T = p->T - first < p->rows ? p->T - first : p->rows;
    float *x = m->workspace.x + first * hidden;
    if (p->layer == 0) {
        embed(p, first, T);
    } else {
        const ferry_block *b = &m->block[p->layer - 1];
        linear(m, p->pool, s, &b->attention_output, false, m->workspace.context + first * hidden,
               s->update, NULL, T);
        add_and_norm(m, &b->attention_norm, s->update, x, T);
        linear(m, p->pool, s, &b->intermediate, true, x, s->intermediate, NULL, T);
        linear(m, p->pool, s, &b->output, false, s->intermediate, s->update, NULL, T);
        add_and_norm(m, &b->output_norm, s->update, x, T);
    }
    if (p->layer < m->config.layers)
        linear(m, p->pool, s, &m->block[p->layer].query_key_value, false, x,
               m->workspace.query_key_value + ferry_columns_at(&m->workspace.heads, first, 0),
               &m->workspace.heads, T);
}

/* Blocks by all threads; or, where there are too few rows for that, one block after the other with
 * its columns spread over the threads. */
static void run_blocks(pass *p)
{
    size_t threads = ferry_pool_threads(p->m->pool), block = p->m->workspace.block;
    size_t blocks = (p->T + block - 1) / block;
    size_t even = (blocks + threads - 1) / threads * threads; /* as many for each thread */
    bool spread = threads > 1 && p->T / even < LEAST_ROWS;
    if (!spread) blocks = even;
    p->rows = (p->T + blocks - 1) / blocks;
    p->rows += -p->rows % 8; /* whole tiles */
    p->pool = spread ? p->m->pool : NULL;
    blocks = (p->T + p->rows - 1) / p->rows;
    if (!spread)
        ferry_pool_run(p->m->pool, blocks, run_block, p);
    else
        for (size_t i = 0; i < blocks; i++) run_block(p, i, 0);
}

/* ---- attention ---- */

static void attend_part(void *context, size_t index, size_t worker)
{
    const pass *p = context;
    const ferry_transformer *m = p->m;
    const ferry_workspace *w = &m->workspace;
    size_t parts = m->config.heads / p->heads; /* of a text */
    size_t start = p->starts[index / parts], T = p->starts[index / parts + 1] - start;
    size_t first = index % parts * p->heads;
    ferry_attention attention = {.kernels = m->kernels,
                                 .x = w->query_key_value,
                                 .columns = w->heads,
                                 .context = w->context,
                                 .hidden = m->config.hidden,
                                 .D = m->config.hidden / m->config.heads,
                                 .int8 = m->precision == FERRY_PRECISION_INT8};
    for (size_t head = first; head < first + p->heads; head++)
        ferry_attend(&attention, head, start, T, w->scratch[worker].attention);
}

/* A text is a part; where there are few of them, each of its heads is one. */
static void run_attention(pass *p)
{
    const ferry_transformer *m = p->m;
    p->heads = p->texts < 8 * ferry_pool_threads(m->pool) ? 1 : m->config.heads;
    ferry_pool_run(m->pool, p->texts * (m->config.heads / p->heads), attend_part, p);
}

void ferry_transformer_forward(ferry_transformer *m, const int32_t *ids, const size_t *starts,
                               size_t texts)
{
    pass p = {.m = m, .ids = ids, .starts = starts, .texts = texts, .T = starts[texts]};
    if (p.T == 0) return;
    for (;; p.layer++) {
        run_blocks(&p);
        if (p.layer == m->config.layers) return;
        run_attention(&p);
    }
}
