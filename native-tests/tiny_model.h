/* The two files of a tiny model in memory, to be changed: what is refused, and by what words; and
 * an allocator to open it with. */
#ifndef FERRY_TESTS_TINY_MODEL_H
#define FERRY_TESTS_TINY_MODEL_H

#include "golden.h"

static ferry_file files[2];

static inline void read_tiny(const char *tiny)
{
    static const char *const names[] = {"config.json", "model.safetensors"};
    for (size_t i = 0; i < 2; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", tiny, names[i]);
        files[i].name = names[i];
        files[i].data = read_file(golden_path(path), &files[i].size);
    }
}

static inline void free_tiny(void)
{
    for (size_t i = 0; i < 2; i++) free((void *)(uintptr_t)files[i].data);
}

static inline void refuse(size_t count, const ferry_encoder_options *options, ferry_status status,
                          const char *message)
{
    ferry_encoder *encoder;
    ferry_error error = {0};
    assert_int_equal(ferry_encoder_open(files, count, options, &encoder, &error), status);
    assert_null(encoder);
    if (strstr(error.message, message) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, message);
}

/* Another text of the same length in place of the first `old` in a file. */
static inline void replace(size_t file, const char *old, const char *other)
{
    char *data = (char *)(uintptr_t)files[file].data;
    size_t size = strlen(old);
    assert_int_equal(size, strlen(other));
    for (size_t i = 0; i + size <= files[file].size; i++) {
        if (memcmp(data + i, old, size) != 0) continue;
        memcpy(data + i, other, size);
        return;
    }
    fail_msg("no %s in %s", old, files[file].name);
}

/* ---- an allocator that gives out ---- */

static size_t allowed; /* allocations before one fails */

static inline void *limited(void *user, void *pointer, size_t old_size, size_t new_size)
{
    (void)user, (void)old_size;
    if (new_size == 0) {
        free(pointer);
        return NULL;
    }
    if (allowed == 0) return NULL;
    allowed--;
    return realloc(pointer, new_size);
}

#endif
