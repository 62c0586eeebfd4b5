#include "cli/align_input.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "encode/labels_config.h"
#include "input/safetensors.h"
#include "math/ops.h"

/* ---- features ---- */

static ferry_status map_tensor(const char *path, const char *name, ferry_file *file,
                               cli_align_input *input, const ferry_tensor **tensor,
                               const float **out, ferry_error *error)
{
    ferry_safetensors tensors;
    FERRY_TRY(ferry_file_map(path, file, error));
    FERRY_TRY(ferry_safetensors_open(file, &input->arena, &tensors, error));
    FERRY_TRY(ferry_safetensors_need(&tensors, name, tensor, error));
    return ferry_tensor_as_f32(*tensor, &input->arena, out, error);
}

/* [items, the segment's dimension] at length 1, zeros where an item lacks it */
static ferry_status unit_segments(cli_align_input *input, const ferry_segment *segment,
                                  const float **out, ferry_error *error)
{
    const ferry_catalog *catalog = input->catalog;
    size_t N = segment->dimension;
    float *rows = ferry_arena_array(&input->arena, catalog->count, N * sizeof *rows);
    if (rows == NULL) return ferry_fail_memory(error, "the items' vectors");
    ferry_catalog_vectors_of(catalog, segment, 0, catalog->count, rows);
    *out = rows;
    return FERRY_OK;
}

static ferry_status read_features(const cli_align_paths *paths, cli_align_input *input,
                                  ferry_error *error)
{
    ferry_align_data *data = &input->data;
    const ferry_tensor *tensor;
    FERRY_TRY(map_tensor(paths->features, "embeddings", &input->features, input, &tensor,
                         &data->features, error));
    if (tensor->rank != 2 || tensor->shape[0] != data->count || tensor->shape[1] == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%s: \"embeddings\" has %zu numbers, expected [%zu, any] for the "
                          "catalogue's items",
                          paths->features, tensor->count, data->count);
    data->F = tensor->shape[1];
    return FERRY_OK;
}

/* Texts of the catalogue's items, of length 1; zeros where there is none. */
static ferry_status read_texts(cli_align_input *input, ferry_error *error)
{
    const ferry_segment *segment = ferry_catalog_segment(input->catalog, FERRY_MODALITY_TEXT);
    if (segment == NULL)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "the catalogue has no text vectors");
    input->data.D = segment->dimension;
    input->data.text_model = segment->model;
    return unit_segments(input, segment, &input->data.text, error);
}

/* Features as the catalogue has them: of length 1. */
static ferry_status read_segment(const cli_align_paths *paths, cli_align_input *input,
                                 ferry_error *error)
{
    ferry_modality modality = FERRY_MODALITY_IMAGE;
    if (!ferry_modality_find(paths->modality, &modality)) modality = FERRY_MODALITY_COUNT;
    const ferry_segment *segment = ferry_catalog_segment(input->catalog, modality);
    if (segment == NULL)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%s: the catalogue has no %s vectors; --features has them from a file",
                          paths->catalog, paths->modality);
    input->data.F = segment->dimension;
    input->data.model = segment->model;
    return unit_segments(input, segment, &input->data.features, error);
}

/* ---- the names of the classes ---- */

typedef struct names {
    ferry_text *text; /* [capacity] */
    size_t count, capacity;
} names;

static ferry_status add_name(names *list, const char *text, size_t size, ferry_arena *arena,
                             ferry_error *error)
{
    if (list->count == list->capacity)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "more names than the classifier has classes, %zu", list->capacity);
    const char *copy = ferry_arena_text(arena, text, size);
    if (copy == NULL) return ferry_fail_memory(error, "the names of the classes");
    list->text[list->count++] = (ferry_text){copy, size};
    return FERRY_OK;
}

static ferry_status read_lines(const char *path, names *list, ferry_arena *arena,
                               ferry_error *error)
{
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, arena->allocator);
    ferry_status status = cli_read_file(path, &buffer, error);
    for (size_t start = 0, end; status == FERRY_OK && start < buffer.size; start = end + 1) {
        const char *line = buffer.data + start, *stop = memchr(line, '\n', buffer.size - start);
        end = stop != NULL ? (size_t)(stop - buffer.data) : buffer.size;
        size_t size = end - start;
        if (size > 0 && line[size - 1] == '\r') size--;
        status = add_name(list, line, size, arena, error);
    }
    ferry_buffer_free(&buffer);
    return status;
}

static ferry_status names_of(const cJSON *json, const char *where, names *list, ferry_arena *arena,
                             ferry_error *error)
{
    const char *const *labels;
    FERRY_TRY(ferry_labels_config_read(json, where, list->capacity, arena, &labels, error));
    if (labels == NULL)
        return ferry_fail(error, FERRY_NOT_FOUND,
                          "%s: neither \"label_names\" nor \"id2label\" names the classifier's %zu "
                          "classes; --labels can",
                          where, list->capacity);
    for (size_t i = 0; i < list->capacity; i++)
        FERRY_TRY(add_name(list, labels[i], strlen(labels[i]), arena, error));
    return FERRY_OK;
}

static ferry_status read_config(const char *path, names *list, ferry_arena *arena,
                                ferry_error *error)
{
    cJSON *json;
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, arena->allocator);
    ferry_status status = cli_read_file(path, &buffer, error);
    if (status == FERRY_OK) status = ferry_json_parse(buffer.data, buffer.size, path, &json, error);
    if (status == FERRY_OK) {
        status = names_of(json, path, list, arena, error);
        cJSON_Delete(json);
    }
    ferry_buffer_free(&buffer);
    return status;
}

/* ---- the bridge ---- */

static ferry_status embed_names(const cli_align_paths *paths, const cli_compute *compute,
                                const names *list, cli_align_input *input, ferry_error *error)
{
    ferry_encoder *encoder;
    ferry_encoder_options open = cli_encoder_options(compute);
    size_t D = input->data.D;
    FERRY_TRY(ferry_encoder_open_directory(paths->text_model, &open, &encoder, error));
    float *labels = ferry_arena_array(&input->arena, list->count, D * sizeof *labels);
    ferry_status status = FERRY_OK;
    if (labels == NULL)
        status = ferry_fail_memory(error, "the names of the classes");
    else if (ferry_encoder_dimension(encoder) != D)
        status = ferry_fail(error, FERRY_INVALID_ARGUMENT,
                            "%s makes vectors of %zu numbers, the catalogue's have %zu",
                            paths->text_model, ferry_encoder_dimension(encoder), D);
    else
        status = ferry_encoder_encode(encoder, list->text, list->count, labels, NULL, NULL, error);
    ferry_encoder_close(encoder);
    for (size_t i = 0; i < list->count && status == FERRY_OK; i++)
        ferry_l2_normalize(input->catalog->kernels, labels + i * D, D);
    input->data.labels = labels;
    return status;
}

static ferry_status read_classifier(const cli_align_paths *paths, cli_align_input *input,
                                    ferry_error *error)
{
    ferry_align_data *data = &input->data;
    const ferry_tensor *weight, *bias;
    ferry_safetensors tensors;
    char path[4096];
    snprintf(path, sizeof path, "%s/model.safetensors", paths->image_model);
    FERRY_TRY(map_tensor(path, "classifier.weight", &input->weights, input, &weight,
                         &data->classifier, error));
    FERRY_TRY(ferry_safetensors_open(&input->weights, &input->arena, &tensors, error));
    bias = ferry_safetensors_find(&tensors, "classifier.bias");
    if (weight->rank != 2 || weight->shape[1] != data->F || bias == NULL || bias->rank != 1 ||
        bias->shape[0] != weight->shape[0])
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%s: expected \"classifier.weight\" [classes, %zu] and its bias, for "
                          "features of %zu numbers",
                          path, data->F, data->F);
    data->C = weight->shape[0];
    return ferry_tensor_as_f32(bias, &input->arena, &data->classifier_bias, error);
}

static ferry_status make_bridge(const cli_align_paths *paths, const cli_compute *compute,
                                cli_align_input *input, ferry_error *error)
{
    char path[4096];
    FERRY_TRY(read_classifier(paths, input, error));
    names list = {.capacity = input->data.C};
    list.text = ferry_arena_array(&input->arena, list.capacity, sizeof *list.text);
    if (list.text == NULL) return ferry_fail_memory(error, "the names of the classes");
    snprintf(path, sizeof path, "%s/config.json", paths->image_model);
    FERRY_TRY(paths->labels != NULL ? read_lines(paths->labels, &list, &input->arena, error)
                                    : read_config(path, &list, &input->arena, error));
    if (list.count != list.capacity)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%s: %zu names, for %zu classes",
                          paths->labels, list.count, list.capacity);
    return embed_names(paths, compute, &list, input, error);
}

/* ---- all of it ---- */

ferry_status cli_align_open(const cli_align_paths *paths, const cli_compute *compute,
                            const unsigned *methods, cli_align_input *out, ferry_error *error)
{
    *out = (cli_align_input){0};
    ferry_arena_init(&out->arena, ferry_allocator_or_default(NULL));
    ferry_catalog_options open = {.size = sizeof open, .kernels = compute->kernels};
    FERRY_TRY(ferry_catalog_open_directory(paths->catalog, &open, &out->catalog, error));
    out->data.count = ferry_catalog_count(out->catalog);
    out->data.modality = paths->modality;
    out->data.key = ferry_catalog_key(out->catalog);
    FERRY_TRY(read_texts(out, error));
    FERRY_TRY(paths->features != NULL ? read_features(paths, out, error)
                                      : read_segment(paths, out, error));
    bool wanted = *methods == 0 || (*methods & FERRY_ALIGN_BRIDGE);
    if (!wanted || paths->image_model == NULL) return FERRY_OK;
    return make_bridge(paths, compute, out, error);
}

void cli_align_close(cli_align_input *input)
{
    ferry_catalog_close(input->catalog);
    ferry_arena_free(&input->arena);
    if (input->features.data != NULL) ferry_file_unmap(&input->features);
    if (input->weights.data != NULL) ferry_file_unmap(&input->weights);
}

ferry_status cli_align_print_json(const ferry_alignment *alignment, ferry_error *error)
{
    ferry_buffer json;
    ferry_buffer_init(&json, alignment->arena.allocator);
    ferry_status status = ferry_alignment_write_json(alignment, &json, error);
    if (status == FERRY_OK) fwrite(json.data, 1, json.size, stdout);
    ferry_buffer_free(&json);
    return status;
}

ferry_status cli_write_fused(const ferry_fusion *fusion, const ferry_fusion_data *data,
                             const char *directory, ferry_error *error)
{
    char path[4096];
    ferry_buffer file;
    ferry_arena arena;
    size_t N = ferry_fusion_dimension(fusion), count = data->count;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    ferry_buffer_init(&file, arena.allocator);
    float *fused = ferry_arena_array(&arena, count, N * sizeof *fused);
    unsigned char *used = ferry_arena_array(&arena, count, 1);
    ferry_status status = fused != NULL && used != NULL
                              ? ferry_fusion_apply(fusion, data, fused, used, error)
                              : ferry_fail_memory(error, "the fused vectors");
    ferry_tensor tensors[2] = {{.name = "embeddings",
                                .dtype = FERRY_F32,
                                .rank = 2,
                                .shape = {count, N},
                                .count = count * N,
                                .data = fused,
                                .size = count * N * sizeof *fused},
                               {.name = "used",
                                .dtype = FERRY_U8,
                                .rank = 1,
                                .shape = {count},
                                .count = count,
                                .data = used,
                                .size = count}};
    snprintf(path, sizeof path, "%s/fused.safetensors", directory);
    if (status == FERRY_OK) status = ferry_safetensors_write(tensors, 2, NULL, 0, &file, error);
    if (status == FERRY_OK) status = cli_write_file(path, &file, error);
    ferry_buffer_free(&file);
    ferry_arena_free(&arena);
    return status;
}
