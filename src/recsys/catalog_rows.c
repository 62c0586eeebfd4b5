/* The rows of a catalogue made of the vectors that encoders gave. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/ops.h"
#include "recsys/catalog.h"

/* As many items of the mean 0 are added: the mean of a few would be the items themselves. */
static const double PRIOR_ITEMS = 8.0;

/* docs/catalog.md: how they were chosen. */
static float default_weight(ferry_modality modality)
{
    static const float weights[FERRY_MODALITY_COUNT] = {
        [FERRY_MODALITY_TEXT] = 1.0f, [FERRY_MODALITY_IMAGE] = 1.0f, [FERRY_MODALITY_AUDIO] = 0.5f};
    return weights[modality];
}

/* ---- what they consist of ---- */

ferry_status ferry_rows_add(ferry_rows *rows, ferry_modality modality, const char *model,
                            float weight, size_t dimension, ferry_error *error)
{
    const char *name = ferry_modality_name(modality);
    if (name == NULL)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "modality %d is none of ferry_modality",
                          (int)modality);
    if (!(weight >= 0.0f && isfinite(weight)))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the weight of %s is %g, expected a number from 0", name, (double)weight);
    size_t place = 0;
    while (place < rows->segment_count && rows->segments[place].modality < modality) place++;
    ferry_segment *segment = &rows->segments[place];
    if (place < rows->segment_count && segment->modality == modality)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%s is given twice", name);
    if (dimension == 0 || dimension > FERRY_MAX_DIMENSION - rows->dimension)
        return ferry_fail(error, FERRY_LIMIT,
                          "%s vectors of %zu numbers beside %zu others, expected 1…%d together",
                          name, dimension, rows->dimension, FERRY_MAX_DIMENSION);
    const char *copy = model != NULL ? model : "";
    copy = ferry_arena_text(&rows->catalog->arena, copy, strlen(copy));
    if (copy == NULL) return ferry_fail_memory(error, "the model's name");
    memmove(segment + 1, segment, (rows->segment_count - place) * sizeof *segment);
    *segment = (ferry_segment){.modality = modality,
                               .dimension = dimension,
                               .weight = weight > 0.0f ? weight : default_weight(modality),
                               .model = copy};
    rows->segment_count++;
    rows->dimension += dimension;
    return FERRY_OK;
}

ferry_status ferry_rows_make_room(ferry_rows *rows, ferry_error *error)
{
    ferry_catalog *catalog = rows->catalog;
    size_t offset = 0;
    double sum = 0.0;
    if (catalog->dimension > 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "the catalogue is encoded already");
    if (catalog->count == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "the catalogue has no items");
    if (rows->segment_count == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "no encoder is given, and no vectors");
    for (size_t s = 0; s < rows->segment_count; s++) sum += (double)rows->segments[s].weight;
    for (size_t s = 0; s < rows->segment_count; s++) {
        ferry_segment *segment = &rows->segments[s];
        segment->weight = (float)((double)segment->weight / sum);
        segment->offset = offset;
        offset += segment->dimension;
    }
    rows->count = catalog->count;
    rows->has = ferry_arena_array(&catalog->arena, rows->count, 1);
    rows->rows = ferry_allocate(&catalog->allocator, rows->count, rows->dimension * sizeof(float));
    if (rows->has == NULL || rows->rows == NULL)
        return ferry_fail_memory(error, "the items' vectors");
    return FERRY_OK;
}

void ferry_rows_close(ferry_rows *rows)
{
    ferry_release(&rows->catalog->allocator, rows->rows,
                  rows->count * rows->dimension * sizeof(float));
    rows->rows = NULL;
}

float *ferry_rows_place(const ferry_rows *rows, const ferry_segment *segment, size_t item)
{
    return rows->rows + item * rows->dimension + segment->offset;
}

/* ---- from vectors to rows ---- */

static bool has(const ferry_rows *rows, const ferry_segment *segment, size_t item)
{
    return (rows->has[item] & 1u << segment->modality) != 0;
}

/* Whom to tell. */
typedef struct listener {
    ferry_media_refused refused; /* or NULL */
    void *user;
} listener;

static ferry_status tell(const ferry_rows *rows, const listener *to, size_t item,
                         ferry_modality modality, const char *reason, ferry_error *error)
{
    if (to->refused == NULL || to->refused(to->user, item, modality, reason)) return FERRY_OK;
    return ferry_fail(error, FERRY_INVALID_ARGUMENT, "item \"%.64s\": %s",
                      rows->catalog->items[item].item.id, reason);
}

/* Unit length, in place; mean not NULL: that off, and unit length again. What nothing is left of,
 * is gone. */
static ferry_status make_units(const ferry_rows *rows, const ferry_segment *segment,
                               const float *mean, const listener *to, ferry_error *error)
{
    size_t N = segment->dimension;
    for (size_t i = 0; i < rows->count; i++) {
        float *place = ferry_rows_place(rows, segment, i);
        if (!has(rows, segment, i) ||
            ferry_segment_unit(rows->catalog->kernels, mean, place, N, place))
            continue;
        rows->has[i] &= (unsigned char)~(1u << segment->modality);
        FERRY_TRY(tell(rows, to, i, segment->modality,
                       "the vector is all zeros, or not finite: it points nowhere", error));
    }
    return FERRY_OK;
}

/* Of the vectors there are; sums in double, item by item: the same everywhere. */
static ferry_status take_mean(const ferry_rows *rows, ferry_segment *segment, ferry_error *error)
{
    const ferry_allocator *allocator = &rows->catalog->allocator;
    size_t N = segment->dimension;
    float *mean = ferry_arena_array(&rows->catalog->arena, N, sizeof *mean);
    double *sum = ferry_allocate(allocator, N, sizeof *sum), items = PRIOR_ITEMS;
    for (size_t i = 0; i < rows->count && mean != NULL && sum != NULL; i++) {
        const float *place = ferry_rows_place(rows, segment, i);
        if (!has(rows, segment, i)) continue;
        items += 1.0;
        for (size_t n = 0; n < N; n++) sum[n] += (double)place[n];
    }
    for (size_t n = 0; n < N && mean != NULL && sum != NULL; n++) mean[n] = (float)(sum[n] / items);
    bool made = mean != NULL && sum != NULL;
    ferry_release(allocator, sum, N * sizeof *sum);
    segment->mean = mean;
    return made ? FERRY_OK : ferry_fail_memory(error, "the mean of the vectors");
}

/* Leaves out the items that have nothing, and moves the others' rows to their new places. */
static ferry_status drop_empty(ferry_rows *rows, const listener *to, ferry_error *error)
{
    const ferry_allocator *allocator = &rows->catalog->allocator;
    size_t kept = 0, all = rows->count, D = rows->dimension * sizeof(float);
    for (size_t i = 0; i < all; i++) {
        if (rows->has[i] == 0)
            FERRY_TRY(
                tell(rows, to, i, FERRY_MODALITY_COUNT, "nothing of it can be encoded", error));
        kept += rows->has[i] != 0;
    }
    if (kept == all) return FERRY_OK;
    if (kept == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "of %zu items none could be encoded", all);
    FERRY_TRY(ferry_catalog_keep(rows->catalog, rows->has, error));
    kept = 0;
    for (size_t i = 0; i < all; i++) {
        if (rows->has[i] == 0) continue;
        rows->has[kept] = rows->has[i];
        memmove(rows->rows + kept * rows->dimension, rows->rows + i * rows->dimension, D);
        kept++;
    }
    float *less = allocator->reallocate(allocator->user, rows->rows, all * D, kept * D);
    if (less == NULL) return ferry_fail_memory(error, "the items' vectors");
    rows->rows = less;
    rows->count = kept;
    return FERRY_OK;
}

/* As long as what an item has makes its segments, zeros where it has not. */
static void scale(const ferry_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        for (size_t s = 0; s < rows->segment_count; s++) {
            const ferry_segment *segment = &rows->segments[s];
            float length = rows->catalog->length[rows->has[i]][segment->modality];
            float *place = ferry_rows_place(rows, segment, i);
            for (size_t n = 0; n < segment->dimension; n++)
                place[n] = length > 0.0f ? length * place[n] : 0.0f;
        }
    }
}

ferry_status ferry_rows_finish(ferry_rows *rows, ferry_media_refused refused, void *user,
                               ferry_error *error)
{
    ferry_catalog *catalog = rows->catalog;
    const listener to = {refused, user};
    bool texts = rows->segment_count == 1 && rows->segments[0].modality == FERRY_MODALITY_TEXT;
    for (size_t s = 0; s < rows->segment_count; s++) {
        ferry_segment *segment = &rows->segments[s];
        FERRY_TRY(make_units(rows, segment, NULL, &to, error));
        if (texts) continue;
        FERRY_TRY(take_mean(rows, segment, error));
        FERRY_TRY(make_units(rows, segment, segment->mean, &to, error));
    }
    FERRY_TRY(drop_empty(rows, &to, error));
    FERRY_TRY(ferry_catalog_group(catalog, error));
    memcpy(catalog->segments, rows->segments, sizeof rows->segments);
    catalog->segment_count = rows->segment_count;
    ferry_catalog_measure(catalog);
    scale(rows);
    catalog->modalities = rows->has;
    catalog->dimension = rows->dimension;
    catalog->vectors = catalog->owned_vectors = rows->rows;
    rows->rows = NULL;
    return FERRY_OK;
}

/* ---- vectors of the caller's ---- */

static ferry_status copy_vectors(const ferry_rows *rows, const ferry_segment *segment,
                                 const float *vectors, ferry_error *error)
{
    size_t N = segment->dimension;
    for (size_t i = 0; i < rows->count; i++, vectors += N) {
        for (size_t n = 0; n < N; n++) {
            if (isfinite(vectors[n])) continue;
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "item \"%.64s\": its %s vector has a number that is not finite",
                              rows->catalog->items[i].item.id,
                              ferry_modality_name(segment->modality));
        }
        if (ferry_is_zero(vectors, N)) continue;
        memcpy(ferry_rows_place(rows, segment, i), vectors, N * sizeof *vectors);
        rows->has[i] |= (unsigned char)(1u << segment->modality);
    }
    return FERRY_OK;
}

static ferry_status set_vectors(ferry_rows *rows, const ferry_modality_vectors *list, size_t count,
                                ferry_error *error)
{
    for (size_t i = 0; i < count; i++) {
        FERRY_TRY(ferry_rows_add(rows, list[i].modality, list[i].model, list[i].weight,
                                 list[i].dimension, error));
        if (list[i].vectors == NULL)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "the %s vectors are NULL",
                              ferry_modality_name(list[i].modality));
    }
    FERRY_TRY(ferry_rows_make_room(rows, error));
    for (size_t s = 0; s < count; s++)
        for (size_t i = 0; i < count; i++)
            if (list[i].modality == rows->segments[s].modality)
                FERRY_TRY(copy_vectors(rows, &rows->segments[s], list[i].vectors, error));
    return FERRY_OK;
}

ferry_status ferry_catalog_set_vectors(ferry_catalog *catalog, const ferry_modality_vectors *list,
                                       size_t count, ferry_media_refused refused,
                                       void *refused_user, ferry_error *error)
{
    ferry_rows rows = {.catalog = catalog};
    ferry_status status = set_vectors(&rows, list, count, error);
    if (status == FERRY_OK) status = ferry_rows_finish(&rows, refused, refused_user, error);
    ferry_rows_close(&rows);
    return status;
}
