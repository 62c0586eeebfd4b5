#include <math.h>
#include <stdio.h>

#include "api/handles.h"
#include "base/error.h"
#include "rank/topk.h"

/* {"label","score","index"}; NULL without memory. */
static cJSON *class_json(const ferry_encoder *encoder, size_t index, float score)
{
    char number[32];
    const char *label = ferry_encoder_class_name(encoder, index);
    snprintf(number, sizeof number, "LABEL_%zu", index);
    cJSON *json = cJSON_CreateObject();
    if (cJSON_AddStringToObject(json, "label", label != NULL ? label : number) != NULL &&
        ferry_json_add(json, "score", ferry_json_from_float(score)) &&
        cJSON_AddNumberToObject(json, "index", (double)index) != NULL)
        return json;
    cJSON_Delete(json);
    return NULL;
}

ferry_status ferry_classes_json(const ferry_encoder *encoder, float *scores, size_t k,
                                ferry_buffer *out, ferry_error *error)
{
    size_t classes = ferry_encoder_classes(encoder);
    if (encoder->pictures) encoder->image.net.kernels->softmax(scores, classes, 1.0f, 1, classes);
    ferry_topk top = {.before = ferry_topk_by_number, .k = k < classes ? k : classes};
    ferry_arena arena;
    ferry_arena_init(&arena, encoder->arena.allocator);
    top.heap = ferry_arena_array(&arena, top.k, sizeof *top.heap);
    ferry_status status = FERRY_OK;
    if (top.heap == NULL) status = ferry_fail_memory(error, "the classes");
    for (size_t i = 0; i < classes && status == FERRY_OK; i++) {
        if (isfinite(scores[i]))
            ferry_topk_push(&top, i, scores[i]);
        else
            status = ferry_fail(error, FERRY_MALFORMED,
                                "model.safetensors: what it gives for class %zu is no number", i);
    }
    if (status == FERRY_OK) {
        ferry_topk_sort(&top);
        cJSON *json = cJSON_CreateArray();
        bool fits = json != NULL;
        for (size_t i = 0; i < top.count && fits; i++)
            fits = ferry_json_add_to_array(
                json, class_json(encoder, top.heap[i].item, top.heap[i].score));
        if (!fits || !ferry_json_append(out, json))
            status = ferry_fail_memory(error, "the classes");
        cJSON_Delete(json);
    }
    ferry_arena_free(&arena);
    return status;
}
