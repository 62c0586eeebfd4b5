/* Loading a BERT's weights from safetensors into a ferry_transformer. */
#include <stdio.h>

#include "base/error.h"
#include "encode/transformer.h"
#include "math/ops.h"

enum { MAX_NAME = 192 };

typedef struct loader {
    const ferry_file *file;
    ferry_safetensors tensors;
    const char *prefix;  /* "" or "bert." */
    ferry_arena *arena;  /* what stays */
    ferry_arena scratch; /* the tensor list, until loading is done */
    const ferry_text_config *config;
    ferry_error *error;
} loader;

static ferry_status find(loader *load, const char *name, const ferry_tensor **out)
{
    char full[MAX_NAME];
    snprintf(full, sizeof full, "%s%s", load->prefix, name);
    *out = ferry_safetensors_find(&load->tensors, full);
    if (*out != NULL) return FERRY_OK;
    return ferry_fail(load->error, FERRY_NOT_FOUND, "%s: tensor \"%s\" is missing",
                      load->file->name, full);
}

/* Checks the shape [rows, columns], or [columns] where rows is 0. */
static ferry_status check_shape(loader *load, const ferry_tensor *tensor, size_t rows,
                                size_t columns)
{
    size_t rank = rows > 0 ? 2 : 1;
    size_t expected[2] = {rows > 0 ? rows : columns, columns};
    bool same = tensor->rank == rank;
    for (size_t i = 0; same && i < rank; i++) same = tensor->shape[i] == expected[i];
    if (same) return FERRY_OK;
    char found[64] = "", part[24];
    for (size_t i = 0; i < tensor->rank && i < 3; i++) {
        snprintf(part, sizeof part, i > 0 ? ", %zu" : "%zu", tensor->shape[i]);
        strncat(found, part, sizeof found - strlen(found) - 1);
    }
    char wanted[48];
    snprintf(wanted, sizeof wanted, rows > 0 ? "%zu, %zu" : "%zu", expected[0], expected[1]);
    return ferry_fail(load->error, FERRY_MALFORMED,
                      "%s: tensor \"%s\" is [%s], expected [%s] from config.json", load->file->name,
                      tensor->name, found, wanted);
}

static ferry_status load_array(loader *load, const char *name, size_t rows, size_t columns,
                               ferry_arena *arena, const float **out)
{
    const ferry_tensor *tensor;
    FERRY_TRY(find(load, name, &tensor));
    FERRY_TRY(check_shape(load, tensor, rows, columns));
    return ferry_tensor_as_f32(tensor, arena, out, load->error);
}

/* "<name>.weight" and ".bias", or ".gamma" and ".beta" as checkpoints before 2019 call them. */
static ferry_status load_norm(loader *load, const char *name, ferry_norm *out)
{
    char full[MAX_NAME];
    snprintf(full, sizeof full, "%s%s.gamma", load->prefix, name);
    bool old = ferry_safetensors_find(&load->tensors, full) != NULL;
    size_t hidden = load->config->hidden;
    snprintf(full, sizeof full, "%s.%s", name, old ? "gamma" : "weight");
    FERRY_TRY(load_array(load, full, 0, hidden, load->arena, &out->weight));
    snprintf(full, sizeof full, "%s.%s", name, old ? "beta" : "bias");
    return load_array(load, full, 0, hidden, load->arena, &out->bias);
}

/* Fills matrix [count * N, K] and bias [count * N] from `count` layers of [N, K] each. */
static ferry_status gather_linear(loader *load, const char *const *names, size_t count, size_t K,
                                  size_t N, ferry_arena *scratch, float *matrix, float *bias)
{
    char full[MAX_NAME];
    for (size_t i = 0; i < count; i++) {
        const float *from;
        snprintf(full, sizeof full, "%s.weight", names[i]);
        FERRY_TRY(load_array(load, full, N, K, scratch, &from));
        memcpy(matrix + i * N * K, from, N * K * sizeof *from);
        snprintf(full, sizeof full, "%s.bias", names[i]);
        FERRY_TRY(load_array(load, full, 0, N, scratch, &from));
        memcpy(bias + i * N, from, N * sizeof *from);
    }
    return FERRY_OK;
}

/* `count` linear layers with the same input, packed as one with their outputs side by side. */
static ferry_status load_linear(loader *load, const char *const *names, size_t count, size_t K,
                                size_t N, ferry_linear *out)
{
    size_t size;
    ferry_arena scratch; /* unpacked matrices; at most one layer's are there at a time */
    ferry_arena_init(&scratch, load->arena->allocator);
    float *matrix = ferry_arena_array(&scratch, count * N, K * sizeof *matrix);
    float *bias = ferry_arena_array(load->arena, count * N, sizeof *bias);
    float *panels = NULL;
    if (ferry_panels_size(K, count * N, &size))
        panels = ferry_arena_array(load->arena, size, sizeof *panels);
    ferry_status status = FERRY_OK;
    if (matrix == NULL || bias == NULL || panels == NULL)
        status = ferry_fail_memory(load->error, names[0]);
    else
        status = gather_linear(load, names, count, K, N, &scratch, matrix, bias);
    if (status == FERRY_OK) ferry_pack_panels(matrix, 1, K, K, count * N, panels);
    ferry_arena_free(&scratch);
    *out = (ferry_linear){K, count * N, panels, bias};
    return status;
}

static ferry_status load_block(loader *load, size_t layer, ferry_block *out)
{
    static const char *const parts[] = {"attention.self.query",       "attention.self.key",
                                        "attention.self.value",       "attention.output.dense",
                                        "intermediate.dense",         "output.dense",
                                        "attention.output.LayerNorm", "output.LayerNorm"};
    enum { PARTS = sizeof parts / sizeof *parts };
    char text[PARTS][MAX_NAME / 2];
    const char *name[PARTS];
    for (size_t i = 0; i < PARTS; i++) {
        snprintf(text[i], sizeof text[i], "encoder.layer.%zu.%s", layer, parts[i]);
        name[i] = text[i];
    }
    size_t hidden = load->config->hidden, intermediate = load->config->intermediate;
    FERRY_TRY(load_linear(load, name, 3, hidden, hidden, &out->query_key_value));
    FERRY_TRY(load_linear(load, name + 3, 1, hidden, hidden, &out->attention_output));
    FERRY_TRY(load_linear(load, name + 4, 1, hidden, intermediate, &out->intermediate));
    FERRY_TRY(load_linear(load, name + 5, 1, intermediate, hidden, &out->output));
    FERRY_TRY(load_norm(load, name[6], &out->attention_norm));
    return load_norm(load, name[7], &out->output_norm);
}

static ferry_status load_weights(loader *load, ferry_transformer *out)
{
    const ferry_text_config *c = load->config;
    const char *word = "embeddings.word_embeddings.weight";
    FERRY_TRY(ferry_safetensors_open(load->file, &load->scratch, &load->tensors, load->error));
    load->prefix = "";
    if (ferry_safetensors_find(&load->tensors, word) == NULL) load->prefix = "bert.";

    FERRY_TRY(load_array(load, word, c->vocabulary, c->hidden, load->arena, &out->word_embeddings));
    FERRY_TRY(load_array(load, "embeddings.position_embeddings.weight", c->positions, c->hidden,
                         load->arena, &out->position_embeddings));
    FERRY_TRY(load_array(load, "embeddings.token_type_embeddings.weight", c->token_types, c->hidden,
                         load->arena, &out->token_type_embeddings));
    FERRY_TRY(load_norm(load, "embeddings.LayerNorm", &out->embedding_norm));
    out->block = ferry_arena_array(load->arena, c->layers, sizeof *out->block);
    if (out->block == NULL) return ferry_fail_memory(load->error, "the layers");
    for (size_t l = 0; l < c->layers; l++) FERRY_TRY(load_block(load, l, &out->block[l]));
    return FERRY_OK;
}

static ferry_status make_workspace(ferry_transformer *m, size_t rows, ferry_arena *arena,
                                   ferry_error *error)
{
    const ferry_text_config *c = &m->config;
    ferry_workspace *w = &m->workspace;
    size_t D = c->hidden / c->heads, keys, values;
    w->rows = rows;
    w->x = ferry_arena_array(arena, rows, c->hidden * sizeof(float));
    w->query_key_value = ferry_arena_array(arena, rows, 3 * c->hidden * sizeof(float));
    w->context = ferry_arena_array(arena, rows, c->hidden * sizeof(float));
    w->update = ferry_arena_array(arena, rows, c->hidden * sizeof(float));
    w->intermediate = ferry_arena_array(arena, rows, c->intermediate * sizeof(float));
    w->scores = ferry_arena_array(arena, c->max_tokens, c->max_tokens * sizeof(float));
    if (ferry_panels_size(D, c->max_tokens, &keys))
        w->keys = ferry_arena_array(arena, keys, sizeof(float));
    if (ferry_panels_size(c->max_tokens, D, &values))
        w->values = ferry_arena_array(arena, values, sizeof(float));
    if (w->x == NULL || w->query_key_value == NULL || w->context == NULL || w->update == NULL ||
        w->intermediate == NULL || w->scores == NULL || w->keys == NULL || w->values == NULL)
        return ferry_fail_memory(error, "the encoder's activations");
    return FERRY_OK;
}

ferry_status ferry_transformer_load(const ferry_file *weights, const ferry_text_config *config,
                                    const ferry_kernels *kernels, size_t rows, ferry_arena *arena,
                                    ferry_transformer *out, ferry_error *error)
{
    *out = (ferry_transformer){.config = *config, .kernels = kernels};
    loader load = {.file = weights, .arena = arena, .config = config, .error = error};
    ferry_arena_init(&load.scratch, arena->allocator);
    ferry_status status = load_weights(&load, out);
    ferry_arena_free(&load.scratch);
    FERRY_TRY(status);
    return make_workspace(out, rows, arena, error);
}
