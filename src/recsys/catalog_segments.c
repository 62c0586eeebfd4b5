/* The rows of a catalogue as segments, one for each modality. catalog_rows.c makes them. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/ops.h"
#include "recsys/catalog.h"

static const float SMALLEST = 1e-12f; /* a vector's length, below which nothing is left of it */
static const float LENGTH_TOLERANCE = 1e-3f; /* of a segment's squared length */

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

static bool make_unit(const ferry_kernels *kernels, float *vector, size_t dimension)
{
    float square;
    kernels->dot_rows(vector, vector, &square, 1, dimension);
    if (!(sqrtf(square) > SMALLEST && isfinite(square))) return false;
    ferry_l2_normalize(kernels, vector, dimension);
    return true;
}

bool ferry_segment_unit(const ferry_kernels *kernels, const float *mean, const float *vector,
                        size_t dimension, float *out)
{
    if (out != vector) memcpy(out, vector, dimension * sizeof *out);
    if (!make_unit(kernels, out, dimension)) return false;
    if (mean == NULL) return true;
    for (size_t i = 0; i < dimension; i++) out[i] = out[i] - mean[i];
    return make_unit(kernels, out, dimension);
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
        return ferry_fail(
            error, FERRY_INVALID_ARGUMENT,
            "a vector of %zu numbers, but the catalogue's %s vectors, made by \"%.64s\", "
            "have %zu",
            size, name, segment->model, segment->dimension);
    memset(out, 0, catalog->dimension * sizeof *out);
    if (!ferry_segment_unit(catalog->kernels, segment->mean, vector, size, out + segment->offset))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the %s vector is all zeros, or not finite: it points nowhere", name);
    return FERRY_OK;
}

/* An item's text vector as the encoder gave it, at unit length, is mean + by * part of its row. */
typedef struct plain_text {
    const float *part;  /* [segment->dimension] */
    float by;           /* 0: it has no text */
    float mean_product; /* mean . by * part */
} plain_text;

/*
 * With x of length 1 and c = (x - mean) / |x - mean|, x = mean + t c where t is the one root of
 * |mean + t c|^2 = 1 that is not below 0: t = -p + sqrt(p^2 + 1 - |mean|^2), p = mean . c
 */
static plain_text plain_text_of(const ferry_catalog *catalog, const ferry_segment *text,
                                size_t item, float mean_square)
{
    float length = catalog->length[catalog->modalities[item]][text->modality], product;
    plain_text plain = {.part = catalog->vectors + item * catalog->dimension + text->offset};
    if (!(length > 0.0f)) return plain;
    plain.by = 1.0f / length;
    if (text->mean == NULL) return plain;
    catalog->kernels->dot_rows(plain.part, text->mean, &product, 1, text->dimension);
    product = product * plain.by;
    float under = product * product + 1.0f - mean_square;
    float t = (under > 0.0f ? sqrtf(under) : 0.0f) - product;
    plain.by = plain.by * t;
    plain.mean_product = product * t;
    return plain;
}

static float mean_square_of(const ferry_catalog *catalog, const ferry_segment *text)
{
    float square = 0.0f;
    if (text->mean != NULL)
        catalog->kernels->dot_rows(text->mean, text->mean, &square, 1, text->dimension);
    return square;
}

float ferry_catalog_text_cosine(const ferry_catalog *catalog, size_t a, size_t b)
{
    const ferry_segment *text = ferry_catalog_segment(catalog, FERRY_MODALITY_TEXT);
    float product;
    if (text == NULL) return 0.0f;
    float square = mean_square_of(catalog, text);
    plain_text one = plain_text_of(catalog, text, a, square);
    plain_text other = plain_text_of(catalog, text, b, square);
    if (one.by == 0.0f || other.by == 0.0f) return 0.0f;
    catalog->kernels->dot_rows(one.part, other.part, &product, 1, text->dimension);
    return square + one.mean_product + other.mean_product + one.by * other.by * product;
}

static void write_plain(const ferry_catalog *catalog, const ferry_segment *segment, size_t item,
                        float mean_square, float *out)
{
    size_t N = segment->dimension;
    plain_text plain = plain_text_of(catalog, segment, item, mean_square);
    memset(out, 0, N * sizeof *out);
    if (plain.by == 0.0f) return;
    if (segment->mean != NULL) memcpy(out, segment->mean, N * sizeof *out);
    ferry_add_scaled(out, plain.part, plain.by, N);
}

void ferry_catalog_vectors_of(const ferry_catalog *catalog, const ferry_segment *segment,
                              size_t first, size_t count, float *out)
{
    float square = mean_square_of(catalog, segment);
    for (size_t i = 0; i < count; i++)
        write_plain(catalog, segment, first + i, square, out + i * segment->dimension);
}

ferry_status ferry_catalog_texts(const ferry_catalog *catalog, const uint32_t *items, size_t count,
                                 ferry_arena *arena, const float **out, ferry_error *error)
{
    const ferry_segment *text = ferry_catalog_segment(catalog, FERRY_MODALITY_TEXT);
    *out = NULL;
    if (text == NULL)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "the catalogue has no texts, which this is about: give ferry catalog a "
                          "--text-model");
    size_t N = text->dimension;
    if (ferry_catalog_is_texts(catalog) && text->mean == NULL && count > 0 &&
        items[count - 1] - items[0] == count - 1) {
        *out = catalog->vectors + items[0] * N; /* they stand together, as they are wanted */
        return FERRY_OK;
    }
    float *rows = ferry_arena_array(arena, count, N * sizeof *rows);
    if (rows == NULL) return ferry_fail_memory(error, "the items' text vectors");
    float square = mean_square_of(catalog, text);
    for (size_t i = 0; i < count; i++) write_plain(catalog, text, items[i], square, rows + i * N);
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
