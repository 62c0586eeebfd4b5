/* The rows of a catalogue as segments, one for each modality: made, and read. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/ops.h"
#include "recsys/catalog.h"

static const float SMALLEST = 1e-12f; /* a vector's length, below which nothing is left of it */
static const float LENGTH_TOLERANCE = 1e-3f; /* of a segment's squared length */
/* As many items of the mean 0 are added: the mean of a few would be the items themselves. */
static const double PRIOR_ITEMS = 8.0;

const char *ferry_modality_name(ferry_modality modality)
{
#define NAME(name, text) text,
    static const char *const names[] = {FERRY_MODALITY_LIST(NAME)};
#undef NAME
    return (unsigned)modality < FERRY_MODALITY_COUNT ? names[modality] : NULL;
}

bool ferry_modality_find(const char *name, ferry_modality *out)
{
    for (int m = 0; m < FERRY_MODALITY_COUNT; m++) {
        if (strcmp(name, ferry_modality_name((ferry_modality)m)) != 0) continue;
        *out = (ferry_modality)m;
        return true;
    }
    return false;
}

/* docs/catalog.md: how they were chosen. */
float ferry_modality_default_weight(ferry_modality modality)
{
    static const float weights[FERRY_MODALITY_COUNT] = {
        [FERRY_MODALITY_TEXT] = 1.0f, [FERRY_MODALITY_IMAGE] = 1.0f, [FERRY_MODALITY_AUDIO] = 0.5f};
    return weights[modality];
}

/* ---- reading ---- */

const ferry_segment *ferry_catalog_segment(const ferry_catalog *catalog, ferry_modality modality)
{
    for (size_t s = 0; s < catalog->segment_count; s++)
        if (catalog->segments[s].modality == modality) return &catalog->segments[s];
    return NULL;
}

bool ferry_catalog_is_texts(const ferry_catalog *catalog)
{
    return catalog->segment_count == 1 && catalog->segments[0].modality == FERRY_MODALITY_TEXT;
}

void ferry_catalog_measure(ferry_catalog *catalog)
{
    memset(catalog->length, 0, sizeof catalog->length);
    for (unsigned set = 0; set < 1u << FERRY_MODALITY_COUNT; set++) {
        double sum = 0.0;
        for (size_t s = 0; s < catalog->segment_count; s++)
            if (set & 1u << catalog->segments[s].modality)
                sum += (double)catalog->segments[s].weight;
        for (size_t s = 0; s < catalog->segment_count; s++) {
            const ferry_segment *segment = &catalog->segments[s];
            if (set & 1u << segment->modality)
                catalog->length[set][segment->modality] =
                    (float)sqrt((double)segment->weight / sum);
        }
    }
}

bool ferry_segment_unit(const ferry_kernels *kernels, const float *mean, const float *vector,
                        size_t dimension, float *out)
{
    float square;
    for (size_t i = 0; i < dimension; i++) out[i] = mean != NULL ? vector[i] - mean[i] : vector[i];
    kernels->dot_rows(out, out, &square, 1, dimension);
    if (!(sqrtf(square) > SMALLEST && isfinite(square))) return false;
    ferry_l2_normalize(kernels, out, dimension);
    return true;
}

unsigned ferry_catalog_item_modalities(const ferry_catalog *catalog, size_t index)
{
    return index < catalog->count && catalog->modalities != NULL ? catalog->modalities[index] : 0;
}

ferry_status ferry_catalog_row(const ferry_catalog *catalog, ferry_modality modality,
                               const float *vector, size_t size, float *out, ferry_error *error)
{
    const char *name = ferry_modality_name(modality);
    const ferry_segment *segment = ferry_catalog_segment(catalog, modality);
    if (segment == NULL)
        return ferry_fail(error, FERRY_NOT_FOUND, "the catalogue has no %s vectors",
                          name != NULL ? name : "such");
    if (size != segment->dimension)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "a vector of %zu numbers, but the catalogue's %s vectors have %zu: is it "
                          "the model's \"%.64s\"?",
                          size, name, segment->dimension, segment->model);
    memset(out, 0, catalog->dimension * sizeof *out);
    if (!ferry_segment_unit(catalog->kernels, segment->mean, vector, size, out + segment->offset))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the %s vector is all zeros, or not finite: it points nowhere", name);
    return FERRY_OK;
}

float ferry_catalog_text_cosine(const ferry_catalog *catalog, size_t a, size_t b)
{
    const ferry_segment *text = ferry_catalog_segment(catalog, FERRY_MODALITY_TEXT);
    if (text == NULL) return 0.0f;
    float product, lengths = catalog->length[catalog->modalities[a]][FERRY_MODALITY_TEXT] *
                             catalog->length[catalog->modalities[b]][FERRY_MODALITY_TEXT];
    if (!(lengths > 0.0f)) return 0.0f;
    catalog->kernels->dot_rows(catalog->vectors + a * catalog->dimension + text->offset,
                               catalog->vectors + b * catalog->dimension + text->offset, &product,
                               1, text->dimension);
    return product / lengths;
}

ferry_status ferry_catalog_texts(const ferry_catalog *catalog, const uint32_t *items, size_t count,
                                 ferry_arena *arena, const float **out, ferry_error *error)
{
    const ferry_segment *text = ferry_catalog_segment(catalog, FERRY_MODALITY_TEXT);
    size_t N = catalog->dimension;
    *out = NULL;
    if (text == NULL)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "the catalogue has no texts, which this is about: give ferry catalog a "
                          "--text-model");
    if (catalog->segment_count == 1 && count > 0 && items[count - 1] - items[0] == count - 1) {
        *out = catalog->vectors + items[0] * N; /* they stand together, as they are wanted */
        return FERRY_OK;
    }
    float *rows = ferry_arena_array(arena, count, text->dimension * sizeof *rows);
    if (rows == NULL) return ferry_fail_memory(error, "the items' text vectors");
    for (size_t i = 0; i < count; i++) {
        float length = catalog->length[catalog->modalities[items[i]]][FERRY_MODALITY_TEXT];
        const float *from = catalog->vectors + items[i] * N + text->offset;
        float *row = rows + i * text->dimension;
        for (size_t n = 0; n < text->dimension && length > 0.0f; n++) row[n] = from[n] / length;
    }
    *out = rows;
    return FERRY_OK;
}

/* ---- what items have ---- */

ferry_status ferry_catalog_find_modalities(ferry_catalog *catalog, const char *where,
                                           ferry_error *error)
{
    unsigned char *found = ferry_arena_array(&catalog->arena, catalog->count, 1);
    if (found == NULL) return ferry_fail_memory(error, "the items' modalities");
    ferry_catalog_measure(catalog);
    for (size_t i = 0; i < catalog->count; i++) {
        float squares[FERRY_MODALITY_COUNT];
        for (size_t s = 0; s < catalog->segment_count; s++) {
            const ferry_segment *segment = &catalog->segments[s];
            const float *part = catalog->vectors + i * catalog->dimension + segment->offset;
            catalog->kernels->dot_rows(part, part, &squares[s], 1, segment->dimension);
            if (squares[s] != 0.0f) found[i] |= (unsigned char)(1u << segment->modality);
        }
        for (size_t s = 0; s < catalog->segment_count; s++) {
            const ferry_segment *segment = &catalog->segments[s];
            float length = catalog->length[found[i]][segment->modality];
            if (fabsf(squares[s] - length * length) <= LENGTH_TOLERANCE && found[i] != 0)
                continue; /* not so NaN */
            return ferry_fail(error, FERRY_MALFORMED,
                              "%s: row %zu has length %g in its %s part, expected %g (cosines need "
                              "unit rows)",
                              where, i, sqrt((double)squares[s]),
                              ferry_modality_name(segment->modality),
                              found[i] != 0 ? (double)length : 1.0);
        }
    }
    catalog->modalities = found;
    return FERRY_OK;
}

/* ---- making ---- */

/* Sums in double, item by item: the same everywhere. */
static ferry_status mean_of(const ferry_catalog *catalog, const ferry_segment_input *input,
                            ferry_arena *arena, float **out, ferry_error *error)
{
    size_t N = input->dimension;
    double *sum = ferry_allocate(&catalog->allocator, N, sizeof *sum), items = PRIOR_ITEMS;
    *out = ferry_arena_array(arena, N, sizeof **out);
    if (sum != NULL && *out != NULL) {
        for (size_t i = 0; i < catalog->count; i++) {
            items += input->has[i];
            for (size_t n = 0; n < N && input->has[i]; n++)
                sum[n] += (double)input->vectors[i * N + n];
        }
        for (size_t n = 0; n < N; n++) (*out)[n] = (float)(sum[n] / items);
    }
    bool fits = sum != NULL && *out != NULL;
    ferry_release(&catalog->allocator, sum, N * sizeof *sum);
    return fits ? FERRY_OK : ferry_fail_memory(error, "the mean of the vectors");
}

ferry_status ferry_catalog_center(const ferry_catalog *catalog, const ferry_segment_input *input,
                                  ferry_arena *arena, const float **mean, ferry_error *error)
{
    float *made = NULL;
    size_t N = input->dimension;
    *mean = NULL;
    if (input->modality != FERRY_MODALITY_TEXT)
        FERRY_TRY(mean_of(catalog, input, arena, &made, error));
    *mean = made;
    for (size_t i = 0; i < catalog->count; i++) {
        float *row = input->vectors + i * N;
        if (input->has[i]) input->has[i] = ferry_segment_unit(catalog->kernels, made, row, N, row);
    }
    return FERRY_OK;
}

ferry_status ferry_catalog_set_segments(ferry_catalog *catalog, const ferry_segment_input *inputs,
                                        size_t count, const float *const *means, ferry_error *error)
{
    ferry_segment segments[FERRY_MODALITY_COUNT];
    size_t D = 0;
    double sum = 0.0;
    for (size_t s = 0; s < count; s++) sum += (double)inputs[s].weight;
    for (size_t s = 0; s < count; s++) {
        const ferry_segment_input *input = &inputs[s];
        const char *model = ferry_arena_text(&catalog->arena, input->model, strlen(input->model));
        if (model == NULL) return ferry_fail_memory(error, "the model's name");
        segments[s] = (ferry_segment){.modality = input->modality,
                                      .offset = D,
                                      .dimension = input->dimension,
                                      .weight = (float)((double)input->weight / sum),
                                      .model = model,
                                      .mean = means[s]};
        D += input->dimension;
    }
    unsigned char *has = ferry_arena_array(&catalog->arena, catalog->count, 1);
    float *rows = ferry_allocate(&catalog->allocator, catalog->count, D * sizeof *rows);
    if (has == NULL || rows == NULL) {
        if (rows != NULL)
            ferry_release(&catalog->allocator, rows, catalog->count * D * sizeof *rows);
        return ferry_fail_memory(error, "the items' vectors");
    }
    memcpy(catalog->segments, segments, count * sizeof *segments);
    catalog->segment_count = count;
    ferry_catalog_measure(catalog);
    for (size_t i = 0; i < catalog->count; i++) {
        for (size_t s = 0; s < count; s++)
            if (inputs[s].has[i]) has[i] |= (unsigned char)(1u << inputs[s].modality);
        for (size_t s = 0; s < count; s++) {
            size_t N = inputs[s].dimension;
            float length = catalog->length[has[i]][segments[s].modality];
            float *out = rows + i * D + segments[s].offset;
            for (size_t n = 0; n < N && length > 0.0f; n++)
                out[n] = length * inputs[s].vectors[i * N + n];
        }
    }
    catalog->modalities = has;
    catalog->dimension = D;
    catalog->vectors = catalog->owned_vectors = rows;
    return ferry_catalog_group(catalog, error);
}
