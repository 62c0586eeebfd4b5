/* Loading a BERT's weights from safetensors into a ferry_transformer. */
#include <stdio.h>

#include "base/error.h"
#include "encode/attention.h"
#include "encode/transformer.h"
#include "math/int4.h"
#include "math/ops.h"

enum { MAX_NAME = 192 };

typedef struct hole {
    unsigned char *start, *end;
} hole;

typedef struct loader {
    const ferry_file *file;
    ferry_safetensors tensors;
    const char *prefix;  /* "" or "bert." */
    ferry_arena *arena;  /* what stays */
    ferry_arena scratch; /* the tensor list, until loading is done */
    const ferry_text_config *config;
    ferry_precision precision; /* F32 or INT8, once the file is open */
    bool overwrite;            /* the file's bytes, once they are read */
    hole *holes;               /* [hole_count], at most one a tensor: those bytes */
    size_t hole_count;
    ferry_error *error;
} loader;

static ferry_status find(loader *load, const char *name, const ferry_tensor **out)
{
    char full[MAX_NAME];
    snprintf(full, sizeof full, "%s%s", load->prefix, name);
    return ferry_safetensors_need(&load->tensors, full, out, load->error);
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

/* That a tensor is I8 with magnitudes up to `largest`. */
static ferry_status check_int8(loader *load, const ferry_tensor *tensor, int largest)
{
    if (tensor->dtype != FERRY_I8)
        return ferry_fail(load->error, FERRY_MALFORMED, "%s: tensor \"%s\" is %s, expected I8",
                          load->file->name, tensor->name, tensor->dtype_name);
    const int8_t *values = tensor->data;
    for (size_t i = 0; i < tensor->count; i++) {
        if (values[i] > largest || values[i] < -largest)
            return ferry_fail(load->error, FERRY_MALFORMED,
                              "%s: tensor \"%s\" has %d at %zu, expected -%d…%d", load->file->name,
                              tensor->name, values[i], i, largest, largest);
    }
    return FERRY_OK;
}

/* The 4-bit matrix [rows, columns] of that name: its weights and their scales, views. */
static ferry_status find_int4(loader *load, const char *name, size_t rows, size_t columns,
                              const uint8_t **weights, const unsigned char **halves)
{
    char full[MAX_NAME];
    const ferry_tensor *tensor, *scale;
    FERRY_TRY(find(load, name, &tensor));
    if (columns % FERRY_INT4_GROUP != 0)
        return ferry_fail(load->error, FERRY_UNSUPPORTED,
                          "%s: tensor \"%s\" is 4-bit with %zu columns, expected a multiple of %d",
                          load->file->name, tensor->name, columns, FERRY_INT4_GROUP);
    FERRY_TRY(check_shape(load, tensor, rows, columns / 2));
    snprintf(full, sizeof full, "%s_scale", name);
    FERRY_TRY(find(load, full, &scale));
    FERRY_TRY(check_shape(load, scale, rows, columns / FERRY_INT4_GROUP));
    if (scale->dtype != FERRY_F16)
        return ferry_fail(load->error, FERRY_MALFORMED, "%s: tensor \"%s\" is %s, expected F16",
                          load->file->name, scale->name, scale->dtype_name);
    *weights = tensor->data;
    *halves = scale->data;
    return FERRY_OK;
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

/* ---- linear layers ---- */

/* `count` layers with the same input K and N outputs each, to be packed as one with their outputs
 * side by side; unpacked matrices live in scratch, one layer's at a time. */
typedef struct gather {
    loader *load;
    const char *const *names; /* [count] without ".weight" */
    size_t count, K, N;
    ferry_arena scratch;
} gather;

/* Whether a tensor is one of the layers' own: all of those are read before any is packed. */
static bool is_own(const gather *g, const char *name)
{
    size_t prefix = strlen(g->load->prefix);
    if (strncmp(name, g->load->prefix, prefix) != 0) return false;
    for (size_t i = 0; i < g->count; i++) {
        size_t length = strlen(g->names[i]);
        if (strncmp(name + prefix, g->names[i], length) == 0 && name[prefix + length] == '.')
            return true;
    }
    return false;
}

/* The bytes of a tensor are the file's no more: with those beside them they are a hole. */
static void give_up(loader *load, const ferry_tensor *tensor)
{
    unsigned char *start = (unsigned char *)(uintptr_t)tensor->data, *end = start + tensor->size;
    for (size_t i = 0; i < load->hole_count;) {
        const hole *other = &load->holes[i];
        if (other->end != start && other->start != end) {
            i++;
            continue;
        }
        if (other->end == start) start = other->start;
        if (other->start == end) end = other->end;
        load->holes[i] = load->holes[--load->hole_count];
    }
    load->holes[load->hole_count++] = (hole){start, end};
}

/* [count] elements for what is packed of layers that have been read: where they, or others before
 * them, have lain if the file may be overwritten and there is room, otherwise in the arena. */
static void *room_for(gather *g, size_t count, size_t size)
{
    loader *load = g->load;
    for (size_t i = 0; i < load->hole_count; i++) {
        hole *at = &load->holes[i];
        size_t padding = -(uintptr_t)at->start % sizeof(float),
               left = (size_t)(at->end - at->start);
        if (padding > left || count > (left - padding) / size) continue;
        void *place = at->start + padding;
        at->start += padding + count * size;
        return place;
    }
    return ferry_arena_array(load->arena, count, size);
}

static void give_up_own(gather *g)
{
    const ferry_safetensors *all = &g->load->tensors;
    for (size_t i = 0; g->load->overwrite && i < all->count; i++)
        if (is_own(g, all->tensors[i].name)) give_up(g->load, &all->tensors[i]);
}

/* One layer's weights [N, K], which may be 4-bit in the file. */
static ferry_status copy_floats(gather *g, const char *name, float *out)
{
    const ferry_tensor *tensor;
    FERRY_TRY(find(g->load, name, &tensor));
    if (tensor->dtype != FERRY_U8) {
        const float *from;
        FERRY_TRY(load_array(g->load, name, g->N, g->K, &g->scratch, &from));
        memcpy(out, from, g->N * g->K * sizeof *from);
        return FERRY_OK;
    }
    const uint8_t *weights;
    const unsigned char *halves;
    FERRY_TRY(find_int4(g->load, name, g->N, g->K, &weights, &halves));
    for (size_t n = 0; n < g->N; n++)
        ferry_int4_row(weights + n * (g->K / 2), halves + n * (g->K / FERRY_INT4_GROUP) * 2, g->K,
                       out + n * g->K);
    return FERRY_OK;
}

/* The float weights of all of them as [count * N, K]. */
static ferry_status gather_floats(gather *g, const float **out)
{
    char full[MAX_NAME];
    float *matrix = ferry_arena_array(&g->scratch, g->count * g->N, g->K * sizeof *matrix);
    if (matrix == NULL) return ferry_fail_memory(g->load->error, g->names[0]);
    for (size_t i = 0; i < g->count; i++) {
        snprintf(full, sizeof full, "%s.weight", g->names[i]);
        FERRY_TRY(copy_floats(g, full, matrix + i * g->N * g->K));
    }
    *out = matrix;
    return FERRY_OK;
}

/* Their int8 weights w [count * N, K] and scale [count * N, G], from a quantised file. */
static ferry_status gather_int8(gather *g, int8_t *w, float *scale)
{
    char full[MAX_NAME];
    size_t G = ferry_int8_groups(g->K);
    for (size_t i = 0; i < g->count; i++) {
        const ferry_tensor *tensor;
        const float *from;
        snprintf(full, sizeof full, "%s.weight", g->names[i]);
        FERRY_TRY(find(g->load, full, &tensor));
        FERRY_TRY(check_shape(g->load, tensor, g->N, g->K));
        FERRY_TRY(check_int8(g->load, tensor, FERRY_INT8_WEIGHT_MAX));
        memcpy(w + i * g->N * g->K, tensor->data, g->N * g->K);
        snprintf(full, sizeof full, "%s.weight_scale", g->names[i]);
        FERRY_TRY(load_array(g->load, full, g->N, G, &g->scratch, &from));
        memcpy(scale + i * g->N * G, from, g->N * G * sizeof *from);
    }
    return FERRY_OK;
}

static ferry_status pack_floats(gather *g, ferry_layer *out)
{
    const float *matrix;
    size_t columns = g->count * g->N, size;
    FERRY_TRY(gather_floats(g, &matrix));
    float *panels = NULL;
    give_up_own(g);
    if (ferry_panels_size(g->K, columns, &size)) panels = room_for(g, size, sizeof *panels);
    if (panels == NULL) return ferry_fail_memory(g->load->error, g->names[0]);
    ferry_pack_panels(matrix, 1, g->K, g->K, columns, panels);
    out->panels = panels;
    return FERRY_OK;
}

static ferry_status pack_int8(gather *g, bool quantized, ferry_layer *out)
{
    size_t columns = g->count * g->N, G = ferry_int8_groups(g->K), bytes, scales;
    int8_t *w = ferry_arena_array(&g->scratch, columns, g->K);
    float *scale = ferry_arena_array(&g->scratch, columns, G * sizeof *scale);
    if (w == NULL || scale == NULL || !ferry_int8_panels_size(g->K, columns, &bytes, &scales))
        return ferry_fail_memory(g->load->error, g->names[0]);
    if (quantized) {
        FERRY_TRY(gather_int8(g, w, scale));
    } else {
        const float *matrix;
        FERRY_TRY(gather_floats(g, &matrix));
        ferry_int8_quantize_weights(matrix, g->K, columns, w, scale);
    }
    give_up_own(g);
    uint8_t *packed = room_for(g, bytes, 1);
    float *packed_scale = room_for(g, scales, sizeof *packed_scale);
    if (packed == NULL || packed_scale == NULL)
        return ferry_fail_memory(g->load->error, g->names[0]);
    ferry_int8_pack(w, scale, g->K, columns, packed, packed_scale);
    out->int8 = (ferry_int8_panels){g->K, columns, packed, packed_scale};
    return FERRY_OK;
}

static ferry_status pack_linear(gather *g, ferry_layer *out)
{
    char full[MAX_NAME];
    const ferry_tensor *weight;
    float *bias = ferry_arena_array(g->load->arena, g->count * g->N, sizeof *bias);
    if (bias == NULL) return ferry_fail_memory(g->load->error, g->names[0]);
    for (size_t i = 0; i < g->count; i++) {
        const float *from;
        snprintf(full, sizeof full, "%s.bias", g->names[i]);
        FERRY_TRY(load_array(g->load, full, 0, g->N, &g->scratch, &from));
        memcpy(bias + i * g->N, from, g->N * sizeof *from);
    }
    *out = (ferry_layer){.K = g->K, .N = g->count * g->N, .bias = bias};
    if (g->load->precision == FERRY_PRECISION_F32) return pack_floats(g, out);
    snprintf(full, sizeof full, "%s.weight", g->names[0]);
    FERRY_TRY(find(g->load, full, &weight));
    return pack_int8(g, weight->dtype == FERRY_I8, out);
}

static ferry_status load_linear(loader *load, const char *const *names, size_t count, size_t K,
                                size_t N, ferry_layer *out)
{
    gather g = {.load = load, .names = names, .count = count, .K = K, .N = N};
    ferry_arena_init(&g.scratch, load->arena->allocator);
    ferry_status status = pack_linear(&g, out);
    ferry_arena_free(&g.scratch);
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

/* The word embeddings; int8 ones have one scale a row, 4-bit ones stay as they are. */
static ferry_status load_words(loader *load, const char *name, ferry_embedding *out)
{
    const ferry_tensor *tensor;
    size_t V = load->config->vocabulary, hidden = load->config->hidden;
    FERRY_TRY(find(load, name, &tensor));
    if (tensor->dtype == FERRY_U8)
        return find_int4(load, name, V, hidden, &out->int4, &out->halves);
    if (load->precision == FERRY_PRECISION_F32)
        return load_array(load, name, V, hidden, load->arena, &out->f32);
    FERRY_TRY(check_shape(load, tensor, V, hidden));
    if (tensor->dtype == FERRY_I8) {
        char full[MAX_NAME];
        snprintf(full, sizeof full, "%s_scale", name);
        FERRY_TRY(check_int8(load, tensor, 127));
        out->int8 = tensor->data;
        return load_array(load, full, 0, V, load->arena, &out->scale);
    }
    const float *from;
    FERRY_TRY(ferry_tensor_as_f32(tensor, &load->scratch, &from, load->error));
    /* In place a row is written where it, or an earlier one, has been read. */
    bool in_place = load->overwrite && tensor->dtype == FERRY_F32 && from == tensor->data;
    int8_t *rows = in_place ? (int8_t *)(uintptr_t)from : ferry_arena_array(load->arena, V, hidden);
    float *scale = ferry_arena_array(load->arena, V, sizeof *scale);
    if (rows == NULL || scale == NULL) return ferry_fail_memory(load->error, name);
    for (size_t v = 0; v < V; v++)
        scale[v] = ferry_int8_quantize(from + v * hidden, hidden, 127, rows + v * hidden);
    out->int8 = rows;
    out->scale = scale;
    return FERRY_OK;
}

/* What the file holds decides AUTO, and what cannot be had. */
static ferry_status choose_precision(loader *load, const ferry_tensor *words)
{
    bool quantized = words != NULL && words->dtype == FERRY_I8;
    if (load->precision == FERRY_PRECISION_F32 && quantized)
        return ferry_fail(load->error, FERRY_UNSUPPORTED,
                          "%s is quantised to int8: it cannot be used with precision f32",
                          load->file->name);
    bool int4 = words != NULL && words->dtype == FERRY_U8;
    if (load->precision == FERRY_PRECISION_AUTO)
        load->precision = quantized || int4 ? FERRY_PRECISION_INT8 : FERRY_PRECISION_F32;
    return FERRY_OK;
}

static ferry_status load_weights(loader *load, ferry_transformer *out)
{
    const ferry_text_config *c = load->config;
    const char *word = "embeddings.word_embeddings.weight";
    FERRY_TRY(ferry_safetensors_open(load->file, &load->scratch, &load->tensors, load->error));
    load->holes = ferry_arena_array(&load->scratch, load->tensors.count, sizeof *load->holes);
    if (load->holes == NULL) return ferry_fail_memory(load->error, "the list of tensors");
    load->prefix = "";
    const ferry_tensor *words = ferry_safetensors_find(&load->tensors, word);
    if (words == NULL) load->prefix = "bert.";
    FERRY_TRY(choose_precision(load, words));
    out->precision = load->precision;

    FERRY_TRY(load_words(load, word, &out->word_embeddings));
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

static bool make_scratch(const ferry_transformer *m, ferry_arena *arena, ferry_scratch *out)
{
    const ferry_text_config *c = &m->config;
    size_t widest = c->intermediate > c->hidden ? c->intermediate : c->hidden, room;
    out->update = ferry_arena_array(arena, m->workspace.block, c->hidden * sizeof(float));
    out->intermediate =
        ferry_arena_array(arena, m->workspace.block, c->intermediate * sizeof(float));
    if (ferry_attention_room(c->max_tokens, c->hidden / c->heads, &room))
        out->attention = ferry_arena_array(arena, room, sizeof(float));
    return out->update != NULL && out->intermediate != NULL && out->attention != NULL &&
           (m->precision != FERRY_PRECISION_INT8 ||
            ferry_int8_rows_make(arena, FERRY_BLOCK_ROWS_INT8, widest, &out->int8));
}

static ferry_status make_workspace(ferry_transformer *m, size_t rows, ferry_arena *arena,
                                   ferry_error *error)
{
    size_t hidden = m->config.hidden, threads = ferry_pool_threads(m->pool);
    ferry_workspace *w = &m->workspace;
    w->rows = rows;
    w->block = m->precision == FERRY_PRECISION_INT8 ? FERRY_BLOCK_ROWS_INT8 : FERRY_BLOCK_ROWS_F32;
    w->x = ferry_arena_array(arena, rows, hidden * sizeof(float));
    w->heads = ferry_attention_columns(hidden, hidden / m->config.heads, rows);
    w->query_key_value = ferry_arena_array(arena, rows, 3 * hidden * sizeof(float));
    w->context = ferry_arena_array(arena, rows, hidden * sizeof(float));
    w->scratch = ferry_arena_array(arena, threads, sizeof *w->scratch);
    bool made =
        w->x != NULL && w->query_key_value != NULL && w->context != NULL && w->scratch != NULL;
    for (size_t i = 0; made && i < threads; i++) made = make_scratch(m, arena, &w->scratch[i]);
    return made ? FERRY_OK : ferry_fail_memory(error, "the encoder's activations");
}

ferry_status ferry_transformer_load(const ferry_file *weights, const ferry_text_config *config,
                                    const ferry_kernels *kernels, ferry_precision precision,
                                    bool overwrite, size_t rows, ferry_pool *pool,
                                    ferry_arena *arena, ferry_transformer *out, ferry_error *error)
{
    *out = (ferry_transformer){.config = *config, .kernels = kernels, .pool = pool};
    loader load = {.file = weights,
                   .arena = arena,
                   .config = config,
                   .precision = precision,
                   .overwrite = overwrite,
                   .error = error};
    ferry_arena_init(&load.scratch, arena->allocator);
    ferry_status status = load_weights(&load, out);
    ferry_arena_free(&load.scratch);
    FERRY_TRY(status);
    return make_workspace(out, rows, arena, error);
}
