#include "cli/encode_labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* As transformers' zero-shot image classification has it. */
static const char usual[] = "This is a photo of {}.";

static ferry_status make_text(const char *template, const char *label, ferry_arena *arena,
                              ferry_text *out, ferry_error *error)
{
    const char *place = strstr(template, "{}");
    if (place == NULL)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "--template \"%.200s\": expected {} where the label goes", template);
    size_t before = (size_t)(place - template), middle = strlen(label), after = strlen(place + 2);
    char *text = ferry_arena_array(arena, before + middle + after, 1);
    if (text == NULL) return ferry_fail_memory(error, "the labels");
    memcpy(text, template, before);
    memcpy(text + before, label, middle);
    memcpy(text + before + middle, place + 2, after);
    *out = (ferry_text){text, before + middle + after};
    return FERRY_OK;
}

static ferry_status compare(ferry_encoder *encoder, const cli_list *labels, const char *template,
                            const float *images, size_t count, ferry_arena *arena, float *out,
                            ferry_error *error)
{
    size_t N = ferry_encoder_dimension(encoder);
    ferry_text *texts = ferry_arena_array(arena, labels->count, sizeof *texts);
    float *embeddings = ferry_arena_array(arena, labels->count, N * sizeof *embeddings);
    if (texts == NULL || embeddings == NULL) return ferry_fail_memory(error, "the labels");
    for (size_t i = 0; i < labels->count; i++)
        FERRY_TRY(make_text(template != NULL ? template : usual, labels->values[i], arena,
                            &texts[i], error));
    FERRY_TRY(ferry_encoder_encode(encoder, texts, labels->count, embeddings, NULL, NULL, error));
    return ferry_encoder_compare(encoder, images, count, embeddings, labels->count, NULL, out,
                                 error);
}

ferry_status cli_compare_labels(ferry_encoder *encoder, const cli_list *labels,
                                const char *template, const float *images, size_t count,
                                float **out, ferry_error *error)
{
    ferry_arena arena;
    *out = calloc(ferry_at_least_one(count), labels->count * sizeof **out);
    if (*out == NULL) return ferry_fail_memory(error, "the labels' probabilities");
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    ferry_status status = compare(encoder, labels, template, images, count, &arena, *out, error);
    ferry_arena_free(&arena);
    if (status == FERRY_OK) return FERRY_OK;
    free(*out);
    *out = NULL;
    return status;
}
