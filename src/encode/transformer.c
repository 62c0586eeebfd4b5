#include "encode/transformer.h"

#include <math.h>
#include <string.h>

#include "math/ops.h"

/* ---- forward ---- */

static void linear(const ferry_transformer *m, const ferry_linear *layer, const float *x, float *y,
                   size_t T)
{
    if (layer->panels != NULL) {
        m->kernels->matmul(x, layer->K, layer->panels, layer->bias, y, layer->N, T, layer->K,
                           layer->N);
    } else {
        m->kernels->quantize_rows(x, layer->K, T, layer->K, &m->workspace.int8);
        m->kernels->matmul_int8(&m->workspace.int8, &layer->int8, layer->bias, y, layer->N, T);
    }
}

/* One token's row [hidden] into x. */
static void embed_word(const ferry_embedding *words, int32_t id, size_t hidden, float *x)
{
    size_t row = (size_t)id;
    if (words->f32 != NULL) {
        memcpy(x, words->f32 + row * hidden, hidden * sizeof *x);
        return;
    }
    for (size_t n = 0; n < hidden; n++)
        x[n] = (float)words->int8[row * hidden + n] * words->scale[row];
}

/* x[t] = norm(word[id] + token_type[0] + position[t]), positions counted from each text's start */
static void embed(const ferry_transformer *m, const int32_t *ids, const size_t *starts,
                  size_t texts)
{
    size_t hidden = m->config.hidden;
    for (size_t i = 0; i < texts; i++) {
        for (size_t t = starts[i]; t < starts[i + 1]; t++) {
            const float *position = m->position_embeddings + (t - starts[i]) * hidden;
            float *x = m->workspace.x + t * hidden;
            embed_word(&m->word_embeddings, ids[t], hidden, x);
            for (size_t n = 0; n < hidden; n++)
                x[n] = x[n] + m->token_type_embeddings[n] + position[n];
        }
    }
    m->kernels->layer_norm(m->workspace.x, NULL, m->embedding_norm.weight, m->embedding_norm.bias,
                           m->config.eps, m->workspace.x, starts[texts], hidden);
}

/* context[t] = softmax(q k' / sqrt(D)) v for one text of T tokens, head by head */
static void attend(const ferry_transformer *m, const float *query_key_value, float *context,
                   size_t T)
{
    const ferry_workspace *w = &m->workspace;
    size_t hidden = m->config.hidden, stride = 3 * hidden;
    size_t D = hidden / m->config.heads;
    float scale = 1.0f / sqrtf((float)D);
    for (size_t head = 0; head < m->config.heads; head++) {
        const float *query = query_key_value + head * D; /* [T, D] rows `stride` apart */
        const float *key = query + hidden;
        const float *value = key + hidden;
        ferry_pack_panels(key, 1, stride, D, T, w->keys);
        m->kernels->matmul(query, stride, w->keys, NULL, w->scores, T, T, D, T);
        m->kernels->softmax(w->scores, T, scale, T, T);
        ferry_pack_panels(value, stride, 1, T, D, w->values);
        m->kernels->matmul(w->scores, T, w->values, NULL, context + head * D, hidden, T, T, D);
    }
}

static void activate(const ferry_transformer *m, float *x, size_t count)
{
    switch (m->config.activation) {
    case FERRY_ACTIVATION_GELU: m->kernels->gelu(x, count); break;
    case FERRY_ACTIVATION_GELU_TANH: m->kernels->gelu_tanh(x, count); break;
    case FERRY_ACTIVATION_RELU: ferry_relu(x, count); break;
    }
}

void ferry_transformer_forward(ferry_transformer *m, const int32_t *ids, const size_t *starts,
                               size_t texts)
{
    const ferry_workspace *w = &m->workspace;
    size_t T = starts[texts], hidden = m->config.hidden;
    embed(m, ids, starts, texts);
    for (size_t l = 0; l < m->config.layers; l++) {
        const ferry_block *b = &m->block[l];
        linear(m, &b->query_key_value, w->x, w->query_key_value, T);
        for (size_t i = 0; i < texts; i++)
            attend(m, w->query_key_value + starts[i] * 3 * hidden, w->context + starts[i] * hidden,
                   starts[i + 1] - starts[i]);
        linear(m, &b->attention_output, w->context, w->update, T);
        m->kernels->layer_norm(w->update, w->x, b->attention_norm.weight, b->attention_norm.bias,
                               m->config.eps, w->x, T, hidden);
        linear(m, &b->intermediate, w->x, w->intermediate, T);
        activate(m, w->intermediate, T * m->config.intermediate);
        linear(m, &b->output, w->intermediate, w->update, T);
        m->kernels->layer_norm(w->update, w->x, b->output_norm.weight, b->output_norm.bias,
                               m->config.eps, w->x, T, hidden);
    }
}
