#include "encode/text_encoder.h"

#include <math.h>

#include "base/error.h"
#include "math/ops.h"

/* Tokens of short texts that share a pass, for each thread: enough to keep all busy, few enough
 * that the activations stay in the cache. */
enum { ROWS_PER_PASS = 256 };

/* ---- pooling: hidden states [T, N] of one text -> out [N] ---- */

static void pool(ferry_pooling pooling, const float *x, size_t T, size_t N, float *out)
{
    if (T == 0) { /* an empty text and a tokenizer without special tokens */
        memset(out, 0, N * sizeof *out);
        return;
    }
    memcpy(out, x, N * sizeof *out); /* [CLS] is the first token */
    if (pooling == FERRY_POOLING_CLS) return;
    for (size_t t = 1; t < T; t++) {
        const float *row = x + t * N;
        if (pooling == FERRY_POOLING_MAX) {
            for (size_t n = 0; n < N; n++) out[n] = row[n] > out[n] ? row[n] : out[n];
        } else {
            for (size_t n = 0; n < N; n++) out[n] = out[n] + row[n];
        }
    }
    if (pooling == FERRY_POOLING_MAX) return;
    float divisor = pooling == FERRY_POOLING_MEAN ? (float)T : sqrtf((float)T);
    for (size_t n = 0; n < N; n++) out[n] = out[n] / divisor;
}

static void run_transformer(ferry_text_encoder *encoder, size_t texts, float *out)
{
    ferry_transformer *m = &encoder->transformer;
    const size_t *starts = encoder->starts;
    size_t N = m->config.hidden;
    ferry_transformer_forward(m, encoder->ids, starts, texts);
    for (size_t i = 0; i < texts; i++, out += N) {
        pool(m->config.pooling, m->workspace.x + starts[i] * N, starts[i + 1] - starts[i], N, out);
        if (m->config.normalize) ferry_l2_normalize(m->kernels, out, N);
    }
}

/* Runs the texts gathered in ids and starts, and writes their embeddings [texts, dimension]. */
static void run_pass(ferry_text_encoder *encoder, size_t texts, float *out)
{
    if (encoder->towered)
        ferry_text_tower_forward(&encoder->tower, encoder->ids, encoder->starts, texts, out);
    else
        run_transformer(encoder, texts, out);
    for (size_t i = 0; i < texts; i++)
        ferry_centers_apply(&encoder->centers, encoder->kernels, out + i * encoder->dimension);
}

/* Fills a text [*tokens] up as SigLIP was trained: to its full length. */
static void pad(const ferry_text_encoder *encoder, int32_t *ids, size_t *tokens)
{
    const ferry_text_tower_config *c = &encoder->tower.config;
    if (!encoder->towered || c->blocks.kind != FERRY_VIT_SIGLIP) return;
    while (*tokens < encoder->max_tokens) ids[(*tokens)++] = c->pad;
}

ferry_status ferry_text_encoder_tokenize(ferry_text_encoder *encoder, ferry_text text, int32_t *ids,
                                         size_t *count, ferry_error *error)
{
    ferry_buffer *both = &encoder->prompted;
    *count = 0;
    if (encoder->prompt.size > 0) {
        both->size = 0;
        if (!ferry_buffer_append(both, encoder->prompt.data, encoder->prompt.size) ||
            (text.size > 0 && !ferry_buffer_append(both, text.data, text.size)))
            return ferry_fail_memory(error, "a text behind its prompt");
        text = (ferry_text){both->data, both->size};
    }
    return ferry_tokenizer_encode(encoder->tokenizer, text.data, text.size, encoder->max_tokens,
                                  ids, count, error);
}

ferry_status ferry_text_encoder_encode(ferry_text_encoder *encoder, const ferry_text *texts,
                                       size_t count, float *out, ferry_progress progress,
                                       void *progress_user, ferry_error *error)
{
    size_t rows = encoder->rows, N = encoder->dimension;
    size_t first = 0, pending = 0; /* texts [first, first + pending) wait in ids */
    encoder->starts[0] = 0;
    for (size_t i = 0; i < count; i++) {
        size_t used = encoder->starts[pending], tokens;
        FERRY_TRY(
            ferry_text_encoder_tokenize(encoder, texts[i], encoder->ids + used, &tokens, error));
        pad(encoder, encoder->ids + used, &tokens);
        if (used + tokens > rows || pending == rows) { /* this text begins the next pass */
            run_pass(encoder, pending, out + first * N);
            if (progress != NULL && !progress(progress_user, i, count))
                return ferry_fail(error, FERRY_CANCELLED, "cancelled after %zu of %zu texts", i,
                                  count);
            memmove(encoder->ids, encoder->ids + used, tokens * sizeof *encoder->ids);
            first = i;
            pending = 0;
            used = 0;
        }
        encoder->starts[++pending] = used + tokens;
    }
    if (pending > 0) run_pass(encoder, pending, out + first * N);
    if (progress != NULL && !progress(progress_user, count, count))
        return ferry_fail(error, FERRY_CANCELLED, "cancelled after %zu of %zu texts", count, count);
    return FERRY_OK;
}

/* ---- open ---- */

static ferry_status open_tokenizer(ferry_files files, const ferry_encoder_options *options,
                                   size_t vocabulary, ferry_arena *arena, ferry_text_encoder *out,
                                   ferry_error *error)
{
    const ferry_file *json = ferry_files_find(files, "tokenizer.json");
    const ferry_file *list = ferry_files_find(files, "vocab.txt");
    if (json == NULL && list == NULL)
        return ferry_fail(error, FERRY_NOT_FOUND, "tokenizer.json and vocab.txt are both missing");
    FERRY_TRY(ferry_tokenizer_open(&arena->allocator, json, list,
                                   ferry_files_find(files, "tokenizer_config.json"),
                                   &out->tokenizer, error));
    /* Larger happens (padded embeddings); smaller would read past the end. */
    if (ferry_tokenizer_vocab_size(out->tokenizer) > vocabulary)
        return ferry_fail(error, FERRY_MALFORMED,
                          "the tokenizer has %zu tokens, but config.json's vocab_size is %zu",
                          ferry_tokenizer_vocab_size(out->tokenizer), vocabulary);
    if (options->done != NULL) options->done(options->done_user, json != NULL ? json : list);
    return FERRY_OK;
}

/* What either of the two has in front of it. The tokenizer before the weights: what parsing it took
 * is free again for them, and so may be its file. */
static ferry_status open_front(ferry_files files, const ferry_encoder_options *options,
                               size_t vocabulary, ferry_pool *pool, ferry_arena *arena,
                               ferry_text_encoder *out, ferry_error *error)
{
    FERRY_TRY(open_tokenizer(files, options, vocabulary, arena, out, error));
    FERRY_TRY(ferry_text_prompt_read(files, options->prompt, arena, &out->prompt, error));
    FERRY_TRY(ferry_centers_read(files, options->center, out->dimension, out->kernels, arena,
                                 &out->centers, error));
    out->rows = ROWS_PER_PASS * ferry_pool_threads(pool);
    if (out->rows < out->max_tokens) out->rows = out->max_tokens;
    return FERRY_OK;
}

/* After the weights, which would else not find room as large as they need where parsing the
 * tokenizer left some. */
static ferry_status make_tokens(ferry_text_encoder *out, ferry_arena *arena, ferry_error *error)
{
    out->ids = ferry_arena_array(arena, out->rows + out->max_tokens, sizeof *out->ids);
    out->starts = ferry_arena_array(arena, out->rows + 1, sizeof *out->starts);
    if (out->ids == NULL || out->starts == NULL)
        return ferry_fail_memory(error, "the encoder's tokens");
    return FERRY_OK;
}

static ferry_status open_tower(ferry_files files, const ferry_file *weights,
                               const ferry_encoder_options *options, ferry_pool *pool,
                               ferry_arena *arena, ferry_text_encoder *out, ferry_error *error)
{
    ferry_text_tower_config config;
    FERRY_TRY(ferry_text_tower_config_read(files, &config, error));
    FERRY_TRY(ferry_text_max_tokens_read(files, config.positions, &out->max_tokens, error));
    out->towered = true;
    out->dimension = config.blocks.projection;
    FERRY_TRY(open_front(files, options, config.vocabulary, pool, arena, out, error));
    FERRY_TRY(ferry_text_tower_load(weights, &config, out->rows, out->kernels, options->precision,
                                    options->overwrite, pool, arena, &out->tower, error));
    return make_tokens(out, arena, error);
}

static ferry_status open_transformer(ferry_files files, const ferry_text_config *config,
                                     const ferry_file *weights,
                                     const ferry_encoder_options *options, ferry_pool *pool,
                                     ferry_arena *arena, ferry_text_encoder *out,
                                     ferry_error *error)
{
    out->max_tokens = config->max_tokens;
    out->dimension = config->hidden;
    FERRY_TRY(open_front(files, options, config->vocabulary, pool, arena, out, error));
    FERRY_TRY(ferry_transformer_load(weights, config, out->kernels, options->precision,
                                     options->overwrite, out->rows, pool, arena, &out->transformer,
                                     error));
    return make_tokens(out, arena, error);
}

ferry_status ferry_text_encoder_open(ferry_files files, const ferry_kernels *kernels,
                                     const ferry_encoder_options *options, ferry_pool *pool,
                                     ferry_arena *arena, ferry_text_encoder *out,
                                     ferry_error *error)
{
    *out = (ferry_text_encoder){.kernels = kernels};
    ferry_buffer_init(&out->prompted, arena->allocator);
    bool tower = ferry_text_tower_recognises(files);
    ferry_text_config config;
    if (!tower) FERRY_TRY(ferry_text_config_read(files, &config, error));
    const ferry_file *weights = ferry_files_find(files, "model.safetensors");
    if (weights == NULL) return ferry_fail(error, FERRY_NOT_FOUND, "model.safetensors is missing");
    return tower ? open_tower(files, weights, options, pool, arena, out, error)
                 : open_transformer(files, &config, weights, options, pool, arena, out, error);
}

void ferry_text_encoder_close(ferry_text_encoder *encoder)
{
    ferry_tokenizer_close(encoder->tokenizer);
    encoder->tokenizer = NULL;
    ferry_buffer_free(&encoder->prompted);
}
