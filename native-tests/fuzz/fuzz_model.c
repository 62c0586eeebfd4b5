/*
 * A model directory with edited bytes: opening it ends with a status, and if that is OK, so does
 * encoding. Input: edits of 5 bytes each, which file, where (24 bits, modulo its size), which byte.
 * The files are tiny-bert/gelu-mean's, as they are and quantised.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "encode/quantize.h"
#include "ferry/ferry.h"

enum { FILES = 7, WEIGHTS = 1, EDIT = 5, MAX_EDITS = 64 };

static const char *const names[FILES] = {
    "config.json",           "model.safetensors",         "modules.json",
    "1_Pooling/config.json", "sentence_bert_config.json", "tokenizer.json",
    "tokenizer_config.json"};

static ferry_file originals[2][FILES]; /* f32 and int8 */

static void read_original(size_t i)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/native-tests/golden/tiny-bert/gelu-mean/%s", FERRY_SOURCE_DIR,
             names[i]);
    FILE *file = fopen(path, "rb");
    if (file == NULL) abort();
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(size);
    if (data == NULL || fread(data, 1, size, file) != size) abort();
    fclose(file);
    originals[0][i] = originals[1][i] = (ferry_file){names[i], data, size};
}

static void read_originals(void)
{
    static ferry_buffer quantized;
    ferry_allocator allocator = ferry_allocator_or_default(NULL);
    for (size_t i = 0; i < FILES; i++) read_original(i);
    ferry_buffer_init(&quantized, allocator);
    ferry_files files = {originals[0], FILES};
    if (ferry_quantize(files, &allocator, &quantized, NULL) != FERRY_OK) abort();
    originals[1][WEIGHTS] = (ferry_file){names[WEIGHTS], quantized.data, quantized.size};
}

static void try_model(const ferry_file *files, const uint8_t *data, size_t size)
{
    ferry_file edited[FILES];
    for (size_t i = 0; i < FILES; i++) {
        char *copy = malloc(files[i].size);
        if (copy == NULL) abort();
        memcpy(copy, files[i].data, files[i].size);
        edited[i] = (ferry_file){names[i], copy, files[i].size};
    }
    for (size_t i = 0; i + EDIT <= size && i < MAX_EDITS * EDIT; i += EDIT) {
        const ferry_file *file = &edited[data[i] % FILES];
        size_t at = (size_t)data[i + 1] << 16 | (size_t)data[i + 2] << 8 | data[i + 3];
        ((char *)(uintptr_t)file->data)[at % file->size] = (char)data[i + 4];
    }
    ferry_encoder *encoder;
    ferry_error error;
    if (ferry_encoder_open(edited, FILES, NULL, &encoder, &error) == FERRY_OK) {
        ferry_text texts[] = {{"a wooden spoon", 14}, {"", 0}};
        size_t N = ferry_encoder_dimension(encoder);
        float *out = malloc(2 * N * sizeof *out);
        if (out == NULL) abort();
        (void)ferry_encoder_encode(encoder, texts, 2, out, NULL, NULL, &error);
        free(out);
        ferry_encoder_close(encoder);
    }
    for (size_t i = 0; i < FILES; i++) free((void *)(uintptr_t)edited[i].data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (originals[0][0].data == NULL) read_originals();
    try_model(originals[0], data, size);
    try_model(originals[1], data, size);
    return 0;
}
