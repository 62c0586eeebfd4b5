/* A file is opened and every tensor read; what opened is written again and must open the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "input/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t read_all(const ferry_safetensors *file, ferry_arena *arena)
{
    uint32_t mixed = 0; /* so that every float is looked at */
    for (size_t i = 0; i < file->count; i++) {
        const ferry_tensor *tensor = &file->tensors[i];
        const float *values;
        ferry_error error;
        if (ferry_safetensors_find(file, tensor->name) != tensor) abort();
        if (ferry_tensor_as_f32(tensor, arena, &values, &error) != FERRY_OK) continue;
        for (size_t j = 0; j < tensor->count; j++) {
            uint32_t bits;
            memcpy(&bits, &values[j], sizeof bits);
            mixed = mixed * 31 + bits;
        }
    }
    return mixed;
}

static void write_again(const ferry_safetensors *file, ferry_arena *arena)
{
    ferry_tensor *known = ferry_arena_array(arena, file->count, sizeof *known); /* [count] */
    size_t count = 0;
    for (size_t i = 0; i < file->count; i++)
        if (file->tensors[i].dtype != FERRY_DTYPE_OTHER) known[count++] = file->tensors[i];
    ferry_buffer buffer;
    ferry_error error;
    ferry_buffer_init(&buffer, arena->allocator);
    if (ferry_safetensors_write(known, count, file->metadata, file->metadata_count, &buffer,
                                &error) != FERRY_OK)
        abort();
    ferry_safetensors again;
    ferry_file written = {"again.safetensors", buffer.data, buffer.size};
    if (ferry_safetensors_open(&written, arena, &again, &error) != FERRY_OK) abort();
    if (again.count != count || again.metadata_count != file->metadata_count) abort();
    for (size_t i = 0; i < count; i++) {
        const ferry_tensor *tensor = ferry_safetensors_find(&again, known[i].name);
        if (tensor == NULL || tensor->dtype != known[i].dtype || tensor->rank != known[i].rank ||
            tensor->size != known[i].size ||
            (tensor->size > 0 && memcmp(tensor->data, known[i].data, tensor->size) != 0))
            abort();
    }
    ferry_buffer_free(&buffer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    ferry_error error;
    ferry_safetensors file;
    ferry_file bytes = {"fuzz.safetensors", data, size};
    error.message[0] = '\0';
    if (ferry_safetensors_open(&bytes, &arena, &file, &error) == FERRY_OK) {
        volatile uint32_t kept = read_all(&file, &arena);
        (void)kept;
        write_again(&file, &arena);
    } else if (file.count != 0 || error.message[0] == '\0') {
        abort();
    }
    ferry_arena_free(&arena);
    return 0;
}
