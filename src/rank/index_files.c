/* An index as a safetensors file. */
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "input/safetensors.h"
#include "rank/index.h"

static const char format[] = "ferry-index", version[] = "1";

enum { SAVED_AT_ONCE = 256 /* vectors */ };

static ferry_status write_or_fail(ferry_write write, void *user, const void *data, size_t size,
                                  ferry_error *error)
{
    if (size == 0 || write(user, data, size)) return FERRY_OK;
    return ferry_fail(error, FERRY_IO, "the index's bytes could not be written");
}

static ferry_status save_header(const ferry_index *index, ferry_write write, void *user,
                                ferry_error *error)
{
    size_t N = index->count, K = index->dimension;
    ferry_tensor tensors[] = {{.name = "ids", .dtype = FERRY_U64, .rank = 1, .shape = {N}},
                              {.name = "scale", .dtype = FERRY_F32, .rank = 1, .shape = {N}},
                              {.name = "vectors", .dtype = FERRY_I8, .rank = 2, .shape = {N, K}}};
    ferry_safetensors_pair about[] = {{"format", format}, {"version", version}};
    ferry_buffer head;
    ferry_buffer_init(&head, index->allocator);
    ferry_status status = ferry_safetensors_write_header(tensors, 3, about, 2, &head, error);
    if (status == FERRY_OK) status = write_or_fail(write, user, head.data, head.size, error);
    ferry_buffer_free(&head);
    return status;
}

/* The vectors, row by row. */
static ferry_status save_rows(const ferry_index *index, ferry_write write, void *user,
                              ferry_error *error)
{
    size_t K = index->dimension, K4 = index->K4, size = SAVED_AT_ONCE * K + (K4 - K);
    int8_t *rows = ferry_allocate(&index->allocator, size, 1);
    if (rows == NULL) return ferry_fail_memory(error, "the index's rows");
    ferry_status status = FERRY_OK;
    for (size_t slot = 0; slot < index->count && status == FERRY_OK;) {
        size_t count = 0; /* each row's padding is the next one's place */
        for (; count < SAVED_AT_ONCE && slot < index->count; count++, slot++)
            ferry_int8_get_row(ferry_index_panel(index, slot), slot % FERRY_PANEL, rows + count * K,
                               K4);
        status = write_or_fail(write, user, rows, count * K, error);
    }
    ferry_release(&index->allocator, rows, size);
    return status;
}

ferry_status ferry_index_save(const ferry_index *index, ferry_write write, void *user,
                              ferry_error *error)
{
    size_t slots = ferry_index_chunk_slots(index);
    FERRY_TRY(save_header(index, write, user, error));
    for (int column = 0; column < 2; column++) {
        for (size_t slot = 0; slot < index->count; slot += slots) {
            const ferry_index_chunk *chunk = ferry_index_chunk_of(index, slot);
            size_t rest = index->count - slot;
            size_t count = rest < slots ? rest : slots;
            FERRY_TRY(column == 0 ? write_or_fail(write, user, chunk->ids,
                                                  count * sizeof *chunk->ids, error)
                                  : write_or_fail(write, user, chunk->scale,
                                                  count * sizeof *chunk->scale, error));
        }
    }
    return save_rows(index, write, user, error);
}

/* The file's tensors, once they are what they should be. */
typedef struct index_tensors {
    const char *file;
    size_t N, K;
    const int8_t *vectors; /* [N, K], the file's bytes */
    const float *scale;    /* [N] */
    const uint64_t *ids;   /* [N] */
} index_tensors;

static ferry_status read_tensors(const ferry_file *file, ferry_arena *arena, index_tensors *out,
                                 ferry_error *error)
{
    ferry_safetensors tensors;
    FERRY_TRY(ferry_safetensors_open(file, arena, &tensors, error));
    const char *found = NULL, *found_version = "";
    for (size_t i = 0; i < tensors.metadata_count; i++) {
        if (strcmp(tensors.metadata[i].key, "format") == 0) found = tensors.metadata[i].value;
        if (strcmp(tensors.metadata[i].key, "version") == 0)
            found_version = tensors.metadata[i].value;
    }
    if (found == NULL || strcmp(found, format) != 0)
        return ferry_fail(error, FERRY_MALFORMED, "%s: its metadata does not say format \"%s\"",
                          file->name, format);
    if (strcmp(found_version, version) != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED, "%s: version \"%.20s\", expected \"%s\"",
                          file->name, found_version, version);
    const ferry_tensor *vectors = ferry_safetensors_find(&tensors, "vectors");
    const ferry_tensor *scale = ferry_safetensors_find(&tensors, "scale");
    const ferry_tensor *ids = ferry_safetensors_find(&tensors, "ids");
    if (vectors == NULL || scale == NULL || ids == NULL)
        return ferry_fail(error, FERRY_MALFORMED, "%s: no tensor \"%s\"", file->name,
                          vectors == NULL ? "vectors"
                          : scale == NULL ? "scale"
                                          : "ids");
    if (vectors->dtype != FERRY_I8 || vectors->rank != 2)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: \"vectors\" is %s of rank %zu, expected I8 of rank 2", file->name,
                          vectors->dtype_name, vectors->rank);
    *out = (index_tensors){.file = file->name,
                           .N = vectors->shape[0],
                           .K = vectors->shape[1],
                           .vectors = vectors->data};
    FERRY_TRY(ferry_tensor_column(scale, FERRY_F32, out->N, arena, (void *)&out->scale, error));
    return ferry_tensor_column(ids, FERRY_U64, out->N, arena, (void *)&out->ids, error);
}

static ferry_status load_row(ferry_index *index, const index_tensors *from, size_t i,
                             ferry_error *error)
{
    memcpy(index->row, from->vectors + i * from->K, from->K);
    for (size_t k = 0; k < from->K; k++) {
        if (index->row[k] == INT8_MIN)
            return ferry_fail(error, FERRY_MALFORMED, "%s: vector %zu has -128, expected -127…127",
                              from->file, i);
    }
    /* 1.01: who wrote it may have rounded otherwise */
    if (!(from->scale[i] >= 0 && from->scale[i] <= FERRY_INDEX_LARGEST / 127 * 1.01f))
        return ferry_fail(error, FERRY_MALFORMED, "%s: the scale of vector %zu is %g", from->file,
                          i, (double)from->scale[i]);
    if (ferry_index_append(index, from->ids[i], index->row, from->scale[i])) return FERRY_OK;
    return ferry_fail(error, FERRY_MALFORMED, "%s: id %llu is there twice", from->file,
                      (unsigned long long)from->ids[i]);
}

ferry_status ferry_index_load(const ferry_file *file, const ferry_index_options *options,
                              ferry_index **out, ferry_error *error)
{
    *out = NULL;
    ferry_arena arena;
    index_tensors from;
    ferry_index *index = NULL;
    ferry_index_options chosen = {0};
    FERRY_TRY(ferry_options_read(options, "ferry_index_options", &chosen, sizeof chosen, error));
    ferry_arena_init(&arena, ferry_allocator_or_default(chosen.allocator));
    ferry_status status = read_tensors(file, &arena, &from, error);
    if (status == FERRY_OK && (from.K == 0 || from.K > FERRY_INDEX_MAX_DIMENSION))
        status = ferry_fail(error, FERRY_LIMIT, "%s: vectors of %zu numbers, expected 1 to %d",
                            file->name, from.K, FERRY_INDEX_MAX_DIMENSION);
    if (status == FERRY_OK) status = ferry_index_create(from.K, options, &index, error);
    if (status == FERRY_OK) status = ferry_index_reserve(index, from.N, error);
    for (size_t i = 0; status == FERRY_OK && i < from.N; i++)
        status = load_row(index, &from, i, error);
    ferry_arena_free(&arena);
    if (status == FERRY_OK)
        *out = index;
    else
        ferry_index_close(index);
    return status;
}
