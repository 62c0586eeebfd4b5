/* The export for what a picture shows; a sound's is in wasm_sound.c. See wasm.c. */
#include <stdlib.h>

#include "api/handles.h"
#include "api/wasm.h"
#include "base/error.h"
#include "base/options.h"

/* data [height, width, channels]. result: the k likeliest classes, see ferry_classes_json */
int EXPORT(ferry_wasm_classify_image)(ferry_encoder *encoder, const void *data, size_t width,
                                      size_t height, size_t channels, size_t k)
{
    ferry_error *error = ferry_wasm_begin();
    ferry_image image = {data, width, height, channels};
    float *scores = calloc(ferry_at_least_one(ferry_encoder_classes(encoder)), sizeof *scores);
    if (scores == NULL) return ferry_wasm_end(ferry_fail_memory(error, "the classes"));
    ferry_status status = ferry_encoder_classify(encoder, &image, 1, scores, NULL, NULL, error);
    if (status == FERRY_OK)
        status = ferry_classes_json(encoder, scores, k, ferry_wasm_output(), error);
    free(scores);
    return ferry_wasm_end(status);
}
