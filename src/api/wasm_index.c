/* The exports for ferry_index; see wasm.c. Ids are pairs of 32 bits, the lower ones first. */
#include "api/wasm.h"
#include "base/error.h"
#include "base/pool_wasm.h"

static ferry_index_options options_of(int signs)
{
    return (ferry_index_options){
        .size = sizeof(ferry_index_options), .threads = ferry_pool_crew(), .signs = signs != 0};
}

ferry_index *EXPORT(ferry_wasm_index_create)(size_t dimension, int signs)
{
    ferry_index *index;
    ferry_index_options options = options_of(signs);
    ferry_wasm_end(ferry_index_create(dimension, &options, &index, ferry_wasm_begin()));
    return index;
}

/* From the queued file. */
ferry_index *EXPORT(ferry_wasm_index_load)(int signs)
{
    ferry_index *index = NULL;
    ferry_index_options options = options_of(signs);
    ferry_error *error = ferry_wasm_begin();
    ferry_files queued = ferry_wasm_queued();
    ferry_status status = queued.count == 1
                              ? ferry_index_load(&queued.file[0], &options, &index, error)
                              : ferry_fail(error, FERRY_INVALID_ARGUMENT,
                                           "an index is one file, not %zu", queued.count);
    ferry_wasm_files_clear();
    ferry_wasm_end(status);
    return index;
}

void EXPORT(ferry_wasm_index_close)(ferry_index *index)
{
    ferry_index_close(index);
}

size_t EXPORT(ferry_wasm_index_count)(const ferry_index *index)
{
    return ferry_index_count(index);
}

size_t EXPORT(ferry_wasm_index_dimension)(const ferry_index *index)
{
    return ferry_index_dimension(index);
}

int EXPORT(ferry_wasm_index_add)(ferry_index *index, const uint64_t *ids, const float *vectors,
                                 size_t count)
{
    return ferry_wasm_end(ferry_index_add(index, ids, vectors, count, ferry_wasm_begin()));
}

int EXPORT(ferry_wasm_index_replace)(ferry_index *index, const uint64_t *ids, const float *vectors,
                                     size_t count)
{
    return ferry_wasm_end(ferry_index_replace(index, ids, vectors, count, ferry_wasm_begin()));
}

int EXPORT(ferry_wasm_index_remove)(ferry_index *index, const uint64_t *ids, size_t count)
{
    return ferry_wasm_end(ferry_index_remove(index, ids, count, ferry_wasm_begin()));
}

/* result: with n the least of k and the count, ids [count, n], then scores, float32 [count, n] */
int EXPORT(ferry_wasm_index_search)(ferry_index *index, const float *queries, size_t count,
                                    size_t k, size_t candidates)
{
    ferry_error *error = ferry_wasm_begin();
    ferry_buffer *out = ferry_wasm_output();
    size_t there = ferry_index_count(index), n, bytes;
    if (k > there && there > 0) k = there; /* so that the lists have no gaps */
    ferry_search_options options = {.size = sizeof options, .k = k, .candidates = candidates};
    if (!ferry_size_multiply(count, k, &n) ||
        !ferry_size_multiply(n, sizeof(uint64_t) + sizeof(float), &bytes) ||
        !ferry_buffer_reserve(out, bytes))
        return ferry_wasm_end(ferry_fail_memory(error, "the result of a search"));
    uint64_t *ids = (uint64_t *)(void *)out->data;
    ferry_status status = ferry_index_search(index, queries, count, &options, ids,
                                             (float *)(void *)(ids + n), &k, error);
    if (status == FERRY_OK) out->size = k > 0 ? bytes : 0;
    return ferry_wasm_end(status);
}

/* result: the file */
int EXPORT(ferry_wasm_index_save)(const ferry_index *index)
{
    ferry_error *error = ferry_wasm_begin();
    ferry_status status = ferry_index_save(index, ferry_wasm_write, NULL, error);
    if (status == FERRY_IO) status = ferry_fail_memory(error, "the index's file");
    return ferry_wasm_end(status);
}
