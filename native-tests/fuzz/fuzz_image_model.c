/*
 * An image or sound model's directory with edited bytes, or one of a model of pictures and texts:
 * opening it ends with a status, and if that is OK, so does encoding. Input: which model and how it
 * is loaded, then edits of 5 bytes each as in fuzz_model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ferry/ferry.h"

enum { MODELS = 8, FILES = 4, NEEDED = 2, EDIT = 5, MAX_EDITS = 64 };

static const char *const folders[MODELS] = {
    "tiny-efficientnet", "tiny-vit/vit", "tiny-vit/clip",   "tiny-vit/siglip",
    "tiny-vit/dinov2",   "tiny-musicnn", "tiny-pairs/clip", "tiny-pairs/siglip"};
static const char *const names[FILES] = {"config.json", "model.safetensors",
                                         "preprocessor_config.json", "tokenizer.json"};

static ferry_file originals[MODELS][FILES]; /* data NULL: the model has no such file */

static void read_original(size_t model, size_t i)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/native-tests/golden/%s/%s", FERRY_SOURCE_DIR, folders[model],
             names[i]);
    FILE *file = fopen(path, "rb");
    if (file == NULL && i >= NEEDED) return;
    if (file == NULL) abort();
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(size);
    if (data == NULL || fread(data, 1, size, file) != size) abort();
    fclose(file);
    originals[model][i] = (ferry_file){names[i], data, size};
}

static void try_model(const ferry_file *files, unsigned way, const uint8_t *data, size_t size)
{
    ferry_encoder_options options = {.size = sizeof options, .overwrite = (way & 2) != 0};
    if (way & 1) options.precision = FERRY_PRECISION_INT8;
    ferry_file edited[FILES];
    size_t count = 0;
    for (size_t i = 0; i < FILES && files[i].data != NULL; i++, count++) {
        char *copy = malloc(files[i].size);
        if (copy == NULL) abort();
        memcpy(copy, files[i].data, files[i].size);
        edited[i] = (ferry_file){names[i], copy, files[i].size};
    }
    for (size_t i = 0; i + EDIT <= size && i < MAX_EDITS * EDIT; i += EDIT) {
        const ferry_file *file = &edited[data[i] % count];
        size_t at = (size_t)data[i + 1] << 16 | (size_t)data[i + 2] << 8 | data[i + 3];
        ((char *)(uintptr_t)file->data)[at % file->size] = (char)data[i + 4];
    }
    ferry_encoder *encoder;
    ferry_error error = {0};
    if (ferry_encoder_open(edited, count, &options, &encoder, &error) == FERRY_OK) {
        static const uint8_t pixels[2 * 3 * 3] = {1, 200, 30, 4, 50, 60};
        ferry_image image = {pixels, 3, 2, 3};
        float *out = malloc(ferry_encoder_dimension(encoder) * sizeof *out);
        if (out == NULL) abort();
        if (ferry_encoder_encode_images(encoder, &image, 1, out, NULL, NULL, &error) != FERRY_OK &&
            ferry_encoder_takes_images(encoder))
            abort();
        ferry_text text = {"It's a cafe\xCC\x81 <|endoftext|>", 27};
        if (ferry_encoder_encode(encoder, &text, 1, out, NULL, NULL, &error) != FERRY_OK &&
            ferry_encoder_takes_texts(encoder))
            abort();
        static const float samples[4] = {.5f, -.5f};
        ferry_sound sound = {samples, 2, 2, 8000};
        if (ferry_encoder_encode_sounds(encoder, &sound, 1, out, NULL, NULL, &error) != FERRY_OK &&
            ferry_encoder_takes_sounds(encoder))
            abort();
        free(out);
        ferry_encoder_close(encoder);
    } else if (encoder != NULL || error.message[0] == '\0') {
        abort();
    }
    for (size_t i = 0; i < count; i++) free((void *)(uintptr_t)edited[i].data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (originals[0][0].data == NULL)
        for (size_t m = 0; m < MODELS; m++)
            for (size_t i = 0; i < FILES; i++) read_original(m, i);
    if (size > 0) try_model(originals[data[0] % MODELS], data[0] / MODELS, data + 1, size - 1);
    return 0;
}
