/*
 * An alignment's or a fusion's files with edited bytes: opening them ends with a status, and if
 * that is OK, so does their use. Input: which, then edits of 5 bytes each: file, place (3), value.
 */
#include <stdlib.h>
#include <string.h>

#include "recsys/alignment.h"
#include "recsys/fusion.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ITEMS = 12, FEATURES = 5, TEXTS = 4, CLASSES = 6, EDIT = 5, MAX_EDITS = 64, KINDS = 4 };

static float features[ITEMS * FEATURES], texts[ITEMS * TEXTS], classifier[CLASSES * FEATURES],
    bias[CLASSES], labels[CLASSES * TEXTS];
static ferry_buffer originals[KINDS][2]; /* an alignment; the three fusions */

static void fill(float *x, size_t count, unsigned *state)
{
    for (size_t i = 0; i < count; i++) {
        *state = *state * 1664525u + 1013904223u;
        x[i] = (float)(*state >> 8) * 0x1p-23f - 1.0f;
    }
}

static void make_alignment(void)
{
    ferry_align_data data = {.count = ITEMS,
                             .F = FEATURES,
                             .D = TEXTS,
                             .features = features,
                             .text = texts,
                             .C = CLASSES,
                             .classifier = classifier,
                             .classifier_bias = bias,
                             .labels = labels};
    ferry_align_options options = {
        .size = sizeof options, .methods = 7, .hidden = 3, .epochs = 1, .batch = 8};
    ferry_alignment *alignment;
    if (ferry_alignment_learn(&data, &options, &alignment, NULL) != FERRY_OK ||
        ferry_alignment_write_json(alignment, &originals[0][0], NULL) != FERRY_OK ||
        ferry_alignment_write_tensors(alignment, &originals[0][1], NULL) != FERRY_OK)
        abort();
    ferry_alignment_close(alignment);
}

static const ferry_fusion_data fused = {
    .count = ITEMS, .x = {texts, features, NULL}, .dimension = {TEXTS, FEATURES, 0}};

static void make_fusion(ferry_fusion_kind kind, ferry_buffer *files)
{
    ferry_fusion_options options = {
        .size = sizeof options, .kind = kind, .dimension = TEXTS, .epochs = 1, .batch = 8};
    ferry_fusion *fusion;
    if (ferry_fusion_learn(&fused, &options, &fusion, NULL) != FERRY_OK ||
        ferry_fusion_write_json(fusion, &files[0], NULL) != FERRY_OK ||
        ferry_fusion_write_tensors(fusion, &files[1], NULL) != FERRY_OK)
        abort();
    ferry_fusion_close(fusion);
}

static void make_originals(void)
{
    unsigned state = 1;
    fill(features, ITEMS * FEATURES, &state);
    fill(texts, ITEMS * TEXTS, &state);
    fill(classifier, CLASSES * FEATURES, &state);
    fill(labels, CLASSES * TEXTS, &state);
    for (size_t k = 0; k < KINDS; k++)
        for (size_t i = 0; i < 2; i++)
            ferry_buffer_init(&originals[k][i], ferry_allocator_or_default(NULL));
    make_alignment();
    for (int kind = 0; kind < FERRY_FUSION_COUNT; kind++)
        make_fusion((ferry_fusion_kind)kind, originals[1 + kind]);
}

static void use_alignment(const ferry_file *files)
{
    ferry_alignment *alignment;
    ferry_error error = {0};
    if (ferry_alignment_open(files, 2, NULL, &alignment, &error) != FERRY_OK) {
        if (alignment != NULL || error.message[0] == '\0') abort();
        return;
    }
    size_t F = ferry_alignment_features(alignment), D = ferry_alignment_dimension(alignment);
    float *x = calloc(F, sizeof *x), *y = calloc(D, sizeof *y), *out = calloc(D, sizeof *out);
    if (x == NULL || y == NULL || out == NULL) abort();
    x[0] = y[0] = 1.0f;
    if (ferry_alignment_place_features(alignment, x, 1, out, NULL) != FERRY_OK ||
        ferry_alignment_place_texts(alignment, y, 1, out, NULL) != FERRY_OK)
        abort();
    free(x);
    free(y);
    free(out);
    ferry_alignment_close(alignment);
}

static void use_fusion(const ferry_file *files)
{
    ferry_fusion *fusion;
    ferry_error error = {0};
    if (ferry_fusion_open(files, 2, NULL, &fusion, &error) != FERRY_OK) {
        if (fusion != NULL || error.message[0] == '\0') abort();
        return;
    }
    unsigned char used[ITEMS];
    float *out = calloc(ITEMS, ferry_fusion_dimension(fusion) * sizeof *out);
    if (out == NULL) abort();
    ferry_fusion_apply(fusion, &fused, out, used, NULL); /* or another shape's */
    free(out);
    ferry_fusion_close(fusion);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (originals[0][0].data == NULL) make_originals();
    if (size == 0) return 0;
    size_t kind = data[0] % KINDS;
    ferry_file files[2] = {{kind == 0 ? FERRY_ALIGN_JSON : FERRY_FUSION_JSON, NULL, 0},
                           {kind == 0 ? FERRY_ALIGN_TENSORS : FERRY_FUSION_TENSORS, NULL, 0}};
    char *copies[2];
    for (size_t i = 0; i < 2; i++) {
        const ferry_buffer *from = &originals[kind][i];
        copies[i] = malloc(from->size);
        if (copies[i] == NULL) abort();
        memcpy(copies[i], from->data, from->size);
        files[i].data = copies[i];
        files[i].size = from->size;
    }
    for (size_t i = 1; i + EDIT <= size && i < 1 + MAX_EDITS * EDIT; i += EDIT) {
        size_t at = (size_t)data[i + 1] << 16 | (size_t)data[i + 2] << 8 | data[i + 3];
        copies[data[i] % 2][at % files[data[i] % 2].size] = (char)data[i + 4];
    }
    if (kind == 0)
        use_alignment(files);
    else
        use_fusion(files);
    free(copies[0]);
    free(copies[1]);
    return 0;
}
