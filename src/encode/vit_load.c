/* Reading a vision transformer's weights, under the names each kind's class in transformers gives
 * them. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "encode/attention.h"
#include "encode/text_tower.h"
#include "math/elementary.h"
#include "math/ops.h"

enum { MAX_NAME = 160 };

/* NULL: that kind has none. Names of a layer follow `layer` and its number. */
typedef struct names {
    const char *prefix; /* which may be left out in the file */
    const char *class_token, *patch, *positions, *pre_norm, *final_norm;
    const char *layer;
    const char *query, *key, *value, *attention_output, *first_norm, *second_norm, *first, *second;
    const char *first_scale, *second_scale;
    bool patch_bias;
} names;

#define CLIP_LAYER                                                                     \
    .layer = "encoder.layers", .query = "self_attn.q_proj", .key = "self_attn.k_proj", \
    .value = "self_attn.v_proj", .attention_output = "self_attn.out_proj",             \
    .first_norm = "layer_norm1", .second_norm = "layer_norm2", .first = "mlp.fc1",     \
    .second = "mlp.fc2"
#define VIT_ATTENTION                                                       \
    .layer = "encoder.layer", .query = "attention.attention.query",         \
    .key = "attention.attention.key", .value = "attention.attention.value", \
    .attention_output = "attention.output.dense"

static const names names_of[FERRY_VIT_KINDS] = {
    [FERRY_VIT_PLAIN] = {.prefix = "vit.",
                         .class_token = "embeddings.cls_token",
                         .patch = "embeddings.patch_embeddings.projection",
                         .patch_bias = true,
                         .positions = "embeddings.position_embeddings",
                         .final_norm = "layernorm",
                         VIT_ATTENTION,
                         .first_norm = "layernorm_before",
                         .second_norm = "layernorm_after",
                         .first = "intermediate.dense",
                         .second = "output.dense"},
    [FERRY_VIT_CLIP] = {.prefix = "vision_model.",
                        .class_token = "embeddings.class_embedding",
                        .patch = "embeddings.patch_embedding",
                        .positions = "embeddings.position_embedding.weight",
                        .pre_norm = "pre_layrnorm", /* so it is spelt */
                        .final_norm = "post_layernorm",
                        CLIP_LAYER},
    [FERRY_VIT_SIGLIP] = {.prefix = "vision_model.",
                          .patch = "embeddings.patch_embedding",
                          .patch_bias = true,
                          .positions = "embeddings.position_embedding.weight",
                          .final_norm = "post_layernorm",
                          CLIP_LAYER},
    [FERRY_VIT_DINOV2] = {.prefix = "dinov2.",
                          .class_token = "embeddings.cls_token",
                          .patch = "embeddings.patch_embeddings.projection",
                          .patch_bias = true,
                          .positions = "embeddings.position_embeddings",
                          .final_norm = "layernorm",
                          VIT_ATTENTION,
                          .first_norm = "norm1",
                          .second_norm = "norm2",
                          .first = "mlp.fc1",
                          .second = "mlp.fc2",
                          .first_scale = "layer_scale1.lambda1",
                          .second_scale = "layer_scale2.lambda1"}};

typedef struct loader {
    const ferry_file *file;
    ferry_safetensors tensors;
    const names *names;
    const char *prefix;
    ferry_arena *arena;        /* what stays */
    ferry_arena scratch;       /* the tensor list, until loading is done */
    ferry_arena passing;       /* one layer's numbers as the file has them */
    ferry_precision precision; /* of the blocks' layers */
    bool overwrite;
    ferry_error *error;
} loader;

/* A tensor of `count` numbers, [rows, …] where rows is not 0. */
static ferry_status find(loader *load, const char *prefix, const char *name, size_t rows,
                         size_t count, const ferry_tensor **out)
{
    char full[2 * MAX_NAME];
    snprintf(full, sizeof full, "%s%s", prefix, name);
    FERRY_TRY(ferry_safetensors_need(&load->tensors, full, out, load->error));
    const ferry_tensor *tensor = *out;
    if (tensor->count != count || tensor->rank == 0 || (rows > 0 && tensor->shape[0] != rows))
        return ferry_fail(load->error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" has %zu numbers, %zu of them its first dimension, "
                          "config.json says %zu and %zu",
                          load->file->name, full, tensor->count,
                          tensor->rank > 0 ? tensor->shape[0] : 1, count, rows);
    return FERRY_OK;
}

/* Its numbers. */
static ferry_status read(loader *load, const char *prefix, const char *name, size_t rows,
                         size_t count, const float **out)
{
    const ferry_tensor *tensor;
    FERRY_TRY(find(load, prefix, name, rows, count, &tensor));
    return ferry_tensor_as_f32(tensor, &load->passing, out, load->error);
}

static ferry_status copy(loader *load, const char *prefix, const char *name, size_t count,
                         const float **out)
{
    const float *from;
    FERRY_TRY(read(load, prefix, name, 0, count, &from));
    float *to = ferry_arena_array(load->arena, count, sizeof *to);
    if (to == NULL) return ferry_fail_memory(load->error, name);
    memcpy(to, from, count * sizeof *to);
    *out = to;
    return FERRY_OK;
}

static ferry_status load_norm(loader *load, const char *prefix, const char *name, size_t hidden,
                              ferry_vit_norm *out)
{
    char full[MAX_NAME];
    snprintf(full, sizeof full, "%s.weight", name);
    FERRY_TRY(copy(load, prefix, full, hidden, &out->weight));
    snprintf(full, sizeof full, "%s.bias", name);
    return copy(load, prefix, full, hidden, &out->bias);
}

/* The rows [first, first + N) of a bias [rows], each times its factor [N] unless that is NULL. */
static ferry_status load_bias(loader *load, const char *prefix, const char *name, size_t first,
                              size_t N, size_t rows, const float *factor, const float **out)
{
    const float *from;
    FERRY_TRY(read(load, prefix, name, rows, rows, &from));
    float *bias = ferry_arena_array(load->arena, N, sizeof *bias);
    if (bias == NULL) return ferry_fail_memory(load->error, name);
    for (size_t n = 0; n < N; n++)
        bias[n] = factor != NULL ? from[first + n] * factor[n] : from[first + n];
    *out = bias;
    return FERRY_OK;
}

/* "<name>.weight" [N, K] and, if biased, ".bias"; scale names a tensor [N] or is NULL. */
static ferry_status load_linear(loader *load, const char *prefix, const char *name, size_t K,
                                size_t N, bool biased, const char *scale, ferry_precision precision,
                                ferry_layer *out)
{
    const ferry_layer_loader weights = {&load->tensors, load->arena, load->overwrite, load->error};
    const ferry_tensor *tensor;
    const float *factor = NULL, *bias = NULL;
    char full[MAX_NAME];
    if (scale != NULL) FERRY_TRY(read(load, prefix, scale, N, N, &factor));
    snprintf(full, sizeof full, "%s.bias", name);
    if (biased) FERRY_TRY(load_bias(load, prefix, full, 0, N, N, factor, &bias));
    snprintf(full, sizeof full, "%s.weight", name);
    FERRY_TRY(find(load, prefix, full, N, N * K, &tensor));
    FERRY_TRY(ferry_layer_load(&weights, tensor, 0, K, N, factor, precision, out));
    out->bias = bias;
    return FERRY_OK;
}

static ferry_status load_block(loader *load, const ferry_vit_config *c, size_t number,
                               ferry_vit_block *out)
{
    const names *n = load->names;
    char prefix[MAX_NAME];
    snprintf(prefix, sizeof prefix, "%s%s.%zu.", load->prefix, n->layer, number);
    const char *const attention[] = {n->query, n->key, n->value};
    ferry_precision precision = load->precision;
    FERRY_TRY(load_norm(load, prefix, n->first_norm, c->hidden, &out->first_norm));
    FERRY_TRY(load_norm(load, prefix, n->second_norm, c->hidden, &out->second_norm));
    for (size_t i = 0; i < 3; i++)
        FERRY_TRY(load_linear(load, prefix, attention[i], c->hidden, c->hidden, true, NULL,
                              precision, &out->query_key_value[i]));
    FERRY_TRY(load_linear(load, prefix, n->attention_output, c->hidden, c->hidden, true,
                          n->first_scale, precision, &out->attention_output));
    FERRY_TRY(load_linear(load, prefix, n->first, c->hidden, c->intermediate, true, NULL, precision,
                          &out->first));
    return load_linear(load, prefix, n->second, c->intermediate, c->hidden, true, n->second_scale,
                       precision, &out->second);
}

/* ---- patches and their positions ---- */

/* The convolution [hidden, 3, p, p] as a matrix over a patch's pixels, row by row, RGB each. */
static ferry_status load_patches(loader *load, const ferry_vit_config *c, ferry_vit *out)
{
    const float *from, *bias = NULL;
    char full[MAX_NAME];
    size_t pixels = c->patch * c->patch, K = pixels * 3;
    snprintf(full, sizeof full, "%s.weight", load->names->patch);
    FERRY_TRY(read(load, load->prefix, full, c->hidden, c->hidden * K, &from));
    snprintf(full, sizeof full, "%s.bias", load->names->patch);
    if (load->names->patch_bias)
        FERRY_TRY(load_bias(load, load->prefix, full, 0, c->hidden, c->hidden, NULL, &bias));
    float *matrix = ferry_arena_array(&load->passing, c->hidden, K * sizeof *matrix);
    if (matrix == NULL) return ferry_fail_memory(load->error, load->names->patch);
    for (size_t n = 0; n < c->hidden; n++)
        for (size_t channel = 0; channel < 3; channel++)
            for (size_t i = 0; i < pixels; i++) matrix[n * K + i * 3 + channel] = *from++;
    FERRY_TRY(ferry_layer_pack(load->arena, matrix, K, c->hidden, &out->patches, load->error));
    out->patches.bias = bias;
    return FERRY_OK;
}

/* The four weights, and the first index, with which torch's bicubic interpolation (a = -0.75,
 * corners not aligned) reads position `at` of `out` from `in` numbers; indices outside are those at
 * the edge. */
static long cubic_weights(size_t at, size_t in, size_t out, double weight[4])
{
    const double a = -0.75;
    double where = ((double)at + 0.5) * ((double)in / (double)out) - 0.5;
    long first = (long)where - (where < 0.0 ? 1 : 0); /* where > -1 */
    double t = where - (double)first;
    for (int i = 0; i < 4; i++) {
        double x = t + 1.0 - (double)i;
        x = x < 0.0 ? -x : x;
        weight[i] = x <= 1.0 ? ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
                             : ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a;
    }
    return first - 1;
}

static size_t within(long index, size_t size)
{
    return index < 0 ? 0 : (size_t)index >= size ? size - 1 : (size_t)index;
}

/* from [in * in, hidden] to [out * out, hidden] */
static void resize_positions(const float *from, size_t in, float *to, size_t out, size_t hidden)
{
    for (size_t y = 0; y < out; y++) {
        double down[4], across[4];
        long top = cubic_weights(y, in, out, down);
        for (size_t x = 0; x < out; x++, to += hidden) {
            long left = cubic_weights(x, in, out, across);
            for (size_t n = 0; n < hidden; n++) {
                double sum = 0.0;
                for (int i = 0; i < 4; i++) {
                    double row = 0.0;
                    for (int j = 0; j < 4; j++)
                        row = row +
                              across[j] *
                                  (double)from[(within(top + i, in) * in + within(left + j, in)) *
                                                   hidden +
                                               n];
                    sum = sum + down[i] * row;
                }
                to[n] = (float)sum;
            }
        }
    }
}

static ferry_status load_positions(loader *load, const ferry_vit_config *c, ferry_vit *out)
{
    const float *from;
    size_t class_tokens = load->names->class_token != NULL ? 1 : 0, hidden = c->hidden;
    size_t learned = c->image / c->patch, side = out->side / c->patch;
    out->tokens = class_tokens + side * side;
    const char *name = load->names->positions;
    FERRY_TRY(
        read(load, load->prefix, name, 0, (class_tokens + learned * learned) * hidden, &from));
    float *to = ferry_arena_array(load->arena, out->tokens, hidden * sizeof *to);
    if (to == NULL) return ferry_fail_memory(load->error, name);
    memcpy(to, from, class_tokens * hidden * sizeof *to);
    if (side == learned)
        memcpy(to + class_tokens * hidden, from + class_tokens * hidden,
               side * side * hidden * sizeof *to);
    else
        resize_positions(from + class_tokens * hidden, learned, to + class_tokens * hidden, side,
                         hidden);
    out->positions = to;
    if (class_tokens == 0) return FERRY_OK;
    return copy(load, load->prefix, load->names->class_token, hidden, &out->class_token);
}

/* ---- what follows the blocks ---- */

static ferry_status load_head(loader *load, const ferry_vit_config *c, ferry_vit *out)
{
    static const char in[] = "attention.in_proj_weight", in_bias[] = "attention.in_proj_bias";
    const ferry_layer_loader weights = {&load->tensors, load->arena, load->overwrite, load->error};
    char prefix[MAX_NAME];
    size_t hidden = c->hidden;
    const float *probe;
    const ferry_tensor *matrix;
    ferry_layer query;
    ferry_vit_head *head = &out->head;
    snprintf(prefix, sizeof prefix, "%shead.", load->prefix);
    FERRY_TRY(read(load, prefix, "probe", 0, hidden, &probe));
    FERRY_TRY(find(load, prefix, in, 3 * hidden, 3 * hidden * hidden, &matrix));
    FERRY_TRY(
        ferry_layer_load(&weights, matrix, 0, hidden, hidden, NULL, FERRY_PRECISION_F32, &query));
    FERRY_TRY(load_bias(load, prefix, in_bias, 0, hidden, 3 * hidden, NULL, &query.bias));
    FERRY_TRY(ferry_layer_load(&weights, matrix, hidden, hidden, 2 * hidden, NULL,
                               FERRY_PRECISION_F32, &head->key_value));
    FERRY_TRY(load_bias(load, prefix, in_bias, hidden, 2 * hidden, 3 * hidden, NULL,
                        &head->key_value.bias));
    float *asked = ferry_arena_array(load->arena, hidden, sizeof *asked);
    if (asked == NULL) return ferry_fail_memory(load->error, "the head's query");
    ferry_layer_input input = {.x = probe};
    ferry_layer_multiply(out->kernels, &query, 0, hidden, &input, asked, hidden, 1);
    head->query = asked;
    FERRY_TRY(load_linear(load, prefix, "attention.out_proj", hidden, hidden, true, NULL,
                          FERRY_PRECISION_F32, &head->output));
    FERRY_TRY(load_norm(load, prefix, "layernorm", hidden, &head->norm));
    FERRY_TRY(load_linear(load, prefix, "mlp.fc1", hidden, c->intermediate, true, NULL,
                          FERRY_PRECISION_F32, &head->first));
    return load_linear(load, prefix, "mlp.fc2", c->intermediate, hidden, true, NULL,
                       FERRY_PRECISION_F32, &head->second);
}

static ferry_status make_workspace(ferry_vit *vit, ferry_arena *arena, ferry_error *error)
{
    const ferry_vit_config *c = &vit->config;
    size_t T = vit->tokens, hidden = c->hidden, threads = ferry_pool_threads(vit->pool);
    size_t pixels = c->patch * c->patch * 3;
    size_t wide = 3 * hidden > c->intermediate ? 3 * hidden : c->intermediate;
    if (!ferry_attention_room(T, hidden / c->heads, &vit->scratch_size))
        return ferry_fail_memory(error, "the image encoder's activations");
    vit->x = ferry_arena_array(arena, T, hidden * sizeof(float));
    vit->y = ferry_arena_array(arena, T, (hidden > pixels ? hidden : pixels) * sizeof(float));
    vit->wide = ferry_arena_array(arena, T, wide * sizeof(float));
    vit->scratch = ferry_arena_array(arena, threads, vit->scratch_size * sizeof(float));
    bool made = vit->x != NULL && vit->y != NULL && vit->wide != NULL && vit->scratch != NULL;
    if (made && vit->precision == FERRY_PRECISION_INT8)
        made = ferry_int8_rows_make(arena, T, c->intermediate > hidden ? c->intermediate : hidden,
                                    &vit->rows);
    return made ? FERRY_OK : ferry_fail_memory(error, "the image encoder's activations");
}

static ferry_status load_blocks(loader *load, const ferry_vit_config *c, const char *final_norm,
                                ferry_vit *out)
{
    out->block = ferry_arena_array(load->arena, c->layers, sizeof *out->block);
    if (out->block == NULL) return ferry_fail_memory(load->error, "the layers");
    for (size_t l = 0; l < c->layers; l++) {
        FERRY_TRY(load_block(load, c, l, &out->block[l]));
        ferry_arena_free(&load->passing);
    }
    return load_norm(load, load->prefix, final_norm, c->hidden, &out->final_norm);
}

static ferry_status load_all(loader *load, const ferry_vit_config *c, ferry_vit *out)
{
    char full[MAX_NAME];
    load->names = &names_of[c->kind];
    FERRY_TRY(ferry_safetensors_open(load->file, &load->scratch, &load->tensors, load->error));
    FERRY_TRY(ferry_layer_precision(&load->tensors, load->file->name, load->precision,
                                    &load->precision, load->error));
    out->precision = load->precision;
    snprintf(full, sizeof full, "%s%s", load->names->prefix, load->names->positions);
    load->prefix = ferry_safetensors_find(&load->tensors, full) != NULL ? load->names->prefix : "";
    FERRY_TRY(load_patches(load, c, out));
    FERRY_TRY(load_positions(load, c, out));
    if (load->names->pre_norm != NULL)
        FERRY_TRY(load_norm(load, load->prefix, load->names->pre_norm, c->hidden, &out->pre_norm));
    FERRY_TRY(load_blocks(load, c, load->names->final_norm, out));
    out->dimension = c->hidden;
    if (c->kind == FERRY_VIT_SIGLIP) return load_head(load, c, out);
    if (c->kind != FERRY_VIT_CLIP) return FERRY_OK;
    out->dimension = c->projection;
    return load_linear(load, "", "visual_projection", c->hidden, c->projection, false, NULL,
                       FERRY_PRECISION_F32, &out->projection);
}

ferry_status ferry_vit_load(const ferry_file *weights, const ferry_vit_config *config, size_t side,
                            const ferry_kernels *kernels, ferry_precision precision, bool overwrite,
                            ferry_pool *pool, ferry_arena *arena, ferry_vit *out,
                            ferry_error *error)
{
    *out = (ferry_vit){.config = *config, .kernels = kernels, .pool = pool, .side = side};
    if (side / config->patch > FERRY_VIT_MAX_GRID)
        return ferry_fail(error, FERRY_LIMIT, "an input of %zu pixels is more than %d patches",
                          side, FERRY_VIT_MAX_GRID);
    if (side == 0 || side % config->patch != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "an input of %zu pixels is no whole number of patches of %zu", side,
                          config->patch);
    loader load = {.file = weights,
                   .arena = arena,
                   .precision = precision,
                   .overwrite = overwrite,
                   .error = error};
    ferry_arena_init(&load.scratch, arena->allocator);
    ferry_arena_init(&load.passing, arena->allocator);
    ferry_status status = load_all(&load, config, out);
    ferry_arena_free(&load.passing);
    ferry_arena_free(&load.scratch);
    FERRY_TRY(status);
    return make_workspace(out, arena, error);
}

/* ---- text towers ---- */

static ferry_status load_words(loader *load, ferry_text_tower *out)
{
    static const char name[] = "text_model.embeddings.token_embedding.weight";
    size_t V = out->config.vocabulary, hidden = out->config.blocks.hidden;
    const ferry_tensor *tensor;
    FERRY_TRY(ferry_safetensors_need(&load->tensors, name, &tensor, load->error));
    if (tensor->rank != 2 || tensor->shape[0] != V || tensor->shape[1] != hidden)
        return ferry_fail(load->error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" has %zu numbers, config.json says %zu times %zu",
                          load->file->name, name, tensor->count, V, hidden);
    if (tensor->dtype == FERRY_I8) {
        const float *scale;
        FERRY_TRY(read(load, name, "_scale", V, V, &scale));
        out->words_int8 = tensor->data;
        float *kept = ferry_arena_array(load->arena, V, sizeof *kept);
        if (kept == NULL) return ferry_fail_memory(load->error, name);
        memcpy(kept, scale, V * sizeof *kept);
        out->word_scale = kept;
        return FERRY_OK;
    }
    if (load->precision == FERRY_PRECISION_F32)
        return ferry_tensor_as_f32(tensor, load->arena, &out->words, load->error);
    const float *from;
    FERRY_TRY(ferry_tensor_as_f32(tensor, &load->passing, &from, load->error));
    int8_t *words = ferry_arena_array(load->arena, V, hidden);
    float *scale = ferry_arena_array(load->arena, V, sizeof *scale);
    if (words == NULL || scale == NULL) return ferry_fail_memory(load->error, name);
    for (size_t v = 0; v < V; v++)
        scale[v] = ferry_int8_quantize(from + v * hidden, hidden, 127, words + v * hidden);
    out->words_int8 = words;
    out->word_scale = scale;
    return FERRY_OK;
}

/* The number of a tensor that is but one; *out stays as it is where there is none. */
static ferry_status read_one(loader *load, const char *name, float *out)
{
    const ferry_tensor *tensor = ferry_safetensors_find(&load->tensors, name);
    const float *from;
    if (tensor == NULL) return FERRY_OK;
    if (tensor->count != 1)
        return ferry_fail(load->error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" has %zu numbers, expected 1", load->file->name, name,
                          tensor->count);
    FERRY_TRY(ferry_tensor_as_f32(tensor, &load->passing, &from, load->error));
    *out = *from;
    return FERRY_OK;
}

static ferry_status load_text(loader *load, ferry_text_tower *out)
{
    static const char *const projection[] = {"text_projection", "text_model.head"};
    const ferry_text_tower_config *c = &out->config;
    bool head = c->blocks.kind == FERRY_VIT_SIGLIP;
    load->names = &names_of[c->blocks.kind];
    load->prefix = "text_model.";
    FERRY_TRY(ferry_safetensors_open(load->file, &load->scratch, &load->tensors, load->error));
    FERRY_TRY(ferry_layer_precision(&load->tensors, load->file->name, load->precision,
                                    &load->precision, load->error));
    out->vit.precision = load->precision;
    FERRY_TRY(load_words(load, out));
    FERRY_TRY(copy(load, load->prefix, "embeddings.position_embedding.weight",
                   c->positions * c->blocks.hidden, &out->vit.positions));
    FERRY_TRY(load_blocks(load, &c->blocks, "final_layer_norm", &out->vit));
    FERRY_TRY(read_one(load, "logit_scale", &out->scale));
    FERRY_TRY(read_one(load, "logit_bias", &out->bias));
    out->scale = ferry_exp(out->scale);
    out->vit.dimension = c->blocks.projection;
    return load_linear(load, "", projection[head], c->blocks.hidden, c->blocks.projection, head,
                       NULL, FERRY_PRECISION_F32, &out->vit.projection);
}

ferry_status ferry_text_tower_load(const ferry_file *weights, const ferry_text_tower_config *config,
                                   size_t rows, const ferry_kernels *kernels,
                                   ferry_precision precision, bool overwrite, ferry_pool *pool,
                                   ferry_arena *arena, ferry_text_tower *out, ferry_error *error)
{
    *out = (ferry_text_tower){
        .config = *config,
        .vit = {.config = config->blocks, .kernels = kernels, .pool = pool, .tokens = rows}};
    loader load = {.file = weights,
                   .arena = arena,
                   .precision = precision,
                   .overwrite = overwrite,
                   .error = error};
    ferry_arena_init(&load.scratch, arena->allocator);
    ferry_arena_init(&load.passing, arena->allocator);
    ferry_status status = load_text(&load, out);
    ferry_arena_free(&load.passing);
    ferry_arena_free(&load.scratch);
    FERRY_TRY(status);
    out->pooled = ferry_arena_array(arena, rows, sizeof *out->pooled);
    if (out->pooled == NULL) return ferry_fail_memory(error, "the text encoder's activations");
    return make_workspace(&out->vit, arena, error);
}
