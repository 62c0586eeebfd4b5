/* An index's file: what loads is searched, and saved again loads as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ferry/ferry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool append(void *buffer, const void *bytes, size_t size)
{
    return ferry_buffer_append(buffer, bytes, size);
}

enum { MOST = 4, DIMENSION = 4096 /* that is searched */ };

static void search(ferry_index *index, uint64_t ids[MOST], float scores[MOST])
{
    static float query[DIMENSION];
    size_t count, expected = ferry_index_count(index) < MOST ? ferry_index_count(index) : MOST;
    for (size_t i = 0; i < DIMENSION; i++) query[i] = (float)(i % 7) - 3.0f;
    for (size_t candidates = 0; candidates <= MOST; candidates += MOST) {
        ferry_search_options options = {
            .size = sizeof options, .k = MOST, .candidates = candidates};
        if (ferry_index_dimension(index) > DIMENSION) continue;
        if (ferry_index_search(index, query, 1, &options, ids, scores, &count, NULL) != FERRY_OK ||
            count != expected)
            abort();
        for (size_t i = 0; i < count; i++)
            if (!ferry_index_contains(index, ids[i]) || scores[i] != scores[i]) abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ferry_file file = {"fuzz.safetensors", data, size};
    ferry_index_options options = {.size = sizeof options, .signs = true};
    ferry_index *index, *again;
    ferry_error error = {0};
    if (ferry_index_load(&file, &options, &index, &error) != FERRY_OK) {
        if (index != NULL || error.message[0] == '\0') abort();
        return 0;
    }
    uint64_t ids[2][MOST] = {{0}};
    float scores[2][MOST] = {{0}};
    ferry_buffer saved;
    ferry_buffer_init(&saved, ferry_allocator_or_default(NULL));
    search(index, ids[0], scores[0]);
    if (ferry_index_save(index, append, &saved, NULL) != FERRY_OK) abort();
    ferry_file written = {"again.safetensors", saved.data, saved.size};
    if (ferry_index_load(&written, &options, &again, NULL) != FERRY_OK) abort();
    search(again, ids[1], scores[1]);
    if (memcmp(ids[0], ids[1], sizeof ids[0]) != 0 ||
        memcmp(scores[0], scores[1], sizeof scores[0]) != 0)
        abort();
    while (ferry_index_count(index) > 0 && ferry_index_dimension(index) <= DIMENSION) {
        search(index, ids[0], scores[0]);
        if (ferry_index_remove(index, ids[0], 1, NULL) != FERRY_OK) abort();
    }
    ferry_index_close(index);
    ferry_index_close(again);
    ferry_buffer_free(&saved);
    return 0;
}
