/* The exports for sounds, encoded a patch at a time, so that JavaScript can stop in between; see
 * wasm.c. */
#include <stdlib.h>

#include "api/handles.h"
#include "api/wasm.h"
#include "base/error.h"

typedef struct sound_handle {
    ferry_sound_run run;
    float *data; /* ours */
} sound_handle;

/* Takes over data [frames, channels], from ferry_wasm_allocate, in any case. */
sound_handle *EXPORT(ferry_wasm_sound_open)(ferry_encoder *encoder, float *data, size_t frames,
                                            size_t channels, size_t rate)
{
    ferry_error *error = ferry_wasm_begin();
    ferry_sound sound = {data, frames, channels, rate};
    sound_handle *handle = NULL;
    /* none of it, to see whether the encoder takes sounds */
    ferry_status status = ferry_encoder_encode_sounds(encoder, &sound, 0, NULL, NULL, NULL, error);
    if (status == FERRY_OK) status = ferry_sound_check(&sound, 0, error);
    if (status == FERRY_OK) {
        handle = calloc(1, sizeof *handle);
        status = handle == NULL
                     ? ferry_fail_memory(error, "a sound")
                     : ferry_sound_run_open(&encoder->sound, &sound, &handle->run, error);
    }
    if (ferry_wasm_end(status) == FERRY_OK) {
        handle->data = data;
        return handle;
    }
    free(data);
    free(handle);
    return NULL;
}

size_t EXPORT(ferry_wasm_sound_patches)(const sound_handle *handle)
{
    return (size_t)handle->run.patches;
}

/* The next patch, of those there are. result: after the last one, float32 [dimension] */
int EXPORT(ferry_wasm_sound_run)(ferry_encoder *encoder, sound_handle *handle)
{
    ferry_error *error = ferry_wasm_begin();
    ferry_buffer *result = ferry_wasm_output();
    size_t bytes = ferry_encoder_dimension(encoder) * sizeof(float);
    ferry_sound_run_patch(&encoder->sound, &handle->run);
    if (handle->run.done < handle->run.patches) return ferry_wasm_end(FERRY_OK);
    if (!ferry_buffer_reserve(result, bytes))
        return ferry_wasm_end(ferry_fail_memory(error, "the embedding"));
    ferry_sound_run_means(&encoder->sound, &handle->run, (float *)(void *)result->data, NULL);
    result->size = bytes;
    return ferry_wasm_end(FERRY_OK);
}

/* After the last patch. result: the k likeliest tags, see ferry_classes_json */
int EXPORT(ferry_wasm_sound_classes)(const ferry_encoder *encoder, const sound_handle *handle,
                                     size_t k)
{
    ferry_error *error = ferry_wasm_begin();
    float *tags = calloc(encoder->sound.classes, sizeof *tags);
    if (tags == NULL) return ferry_wasm_end(ferry_fail_memory(error, "the tags"));
    ferry_sound_run_means(&encoder->sound, &handle->run, NULL, tags);
    ferry_status status = ferry_classes_json(encoder, tags, k, ferry_wasm_output(), error);
    free(tags);
    return ferry_wasm_end(status);
}

void EXPORT(ferry_wasm_sound_close)(sound_handle *handle)
{
    ferry_sound_run_close(&handle->run);
    free(handle->data);
    free(handle);
}
