/* ferry_alignment: learning, opening, placing, searching. */
#include <string.h>

#include "api/handles.h"
#include "base/error.h"
#include "base/options.h"
#include "math/ops.h"
#include "rank/topk.h"
#include "train/align.h"

static ferry_status create(const ferry_allocator *given, const char *wanted, ferry_alignment **out,
                           ferry_error *error)
{
    const ferry_kernels *kernels;
    FERRY_TRY(ferry_kernels_choose(wanted, &kernels, error));
    ferry_allocator allocator = ferry_allocator_or_default(given);
    ferry_alignment *alignment = ferry_allocate(&allocator, 1, sizeof *alignment);
    if (alignment == NULL) return ferry_fail_memory(error, "the alignment");
    ferry_arena_init(&alignment->arena, allocator);
    alignment->kernels = kernels;
    *out = alignment;
    return FERRY_OK;
}

void ferry_alignment_close(ferry_alignment *alignment)
{
    if (alignment == NULL) return;
    ferry_allocator allocator = alignment->arena.allocator;
    ferry_arena_free(&alignment->arena);
    if (alignment->release != NULL) alignment->release(alignment->owner);
    ferry_release(&allocator, alignment, sizeof *alignment);
}

/* ---- learning ---- */

static ferry_status read_options(const ferry_align_options *options, ferry_align_options *out,
                                 ferry_error *error)
{
    *out = (ferry_align_options){0};
    FERRY_TRY(ferry_options_read(options, "ferry_align_options", out, sizeof *out, error));
    if (out->hidden == 0) out->hidden = 512;
    if (out->epochs == 0) out->epochs = 60;
    if (out->batch == 0) out->batch = 256;
    if (out->learning_rate == 0.0) out->learning_rate = 1e-3;
    if (out->weight_decay == 0.0) out->weight_decay = 0.1;
    if (out->dropout == 0.0f) out->dropout = 0.3f;
    if (out->hidden <= 65536 && out->epochs <= 100000 && out->learning_rate > 0.0 &&
        out->learning_rate <= 1.0 && out->weight_decay >= 0.0 && out->dropout < 1.0f)
        return FERRY_OK;
    return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                      "hidden %zu (at most 65536), epochs %zu (at most 100000), learning rate %g "
                      "(up to 1), weight decay %g (from 0), dropout %g (below 1): one is outside",
                      out->hidden, out->epochs, out->learning_rate, out->weight_decay,
                      (double)out->dropout);
}

ferry_status ferry_alignment_learn(const ferry_align_data *data, const ferry_align_options *options,
                                   ferry_alignment **out, ferry_error *error)
{
    ferry_align_options chosen;
    ferry_alignment *alignment = NULL;
    ferry_pool *pool = NULL;
    *out = NULL;
    FERRY_TRY(read_options(options, &chosen, error));
    FERRY_TRY(create(chosen.allocator, chosen.kernels, &alignment, error));
    ferry_status status =
        ferry_pool_create(&alignment->arena.allocator, chosen.threads, &pool, error);
    if (status == FERRY_OK) status = ferry_align_fit(data, &chosen, pool, alignment, error);
    ferry_pool_close(pool);
    if (status == FERRY_OK)
        *out = alignment;
    else
        ferry_alignment_close(alignment);
    return status;
}

ferry_status ferry_alignment_evaluate(const ferry_align_data *data,
                                      const ferry_align_options *options, size_t splits,
                                      double share, ferry_align_figures *out, ferry_error *error)
{
    ferry_align_options chosen;
    const ferry_kernels *kernels;
    ferry_pool *pool = NULL;
    *out = (ferry_align_figures){0};
    FERRY_TRY(read_options(options, &chosen, error));
    FERRY_TRY(ferry_kernels_choose(chosen.kernels, &kernels, error));
    FERRY_TRY(ferry_pool_create(chosen.allocator, chosen.threads, &pool, error));
    ferry_status status =
        ferry_align_evaluate(data, &chosen, kernels, pool, splits, share, out, error);
    ferry_pool_close(pool);
    return status;
}

/* ---- files ---- */

ferry_status ferry_alignment_open(const ferry_file *files, size_t file_count,
                                  const ferry_catalog_options *options, ferry_alignment **out,
                                  ferry_error *error)
{
    ferry_catalog_options chosen = {0};
    ferry_alignment *alignment = NULL;
    *out = NULL;
    FERRY_TRY(ferry_options_read(options, "ferry_catalog_options", &chosen, sizeof chosen, error));
    FERRY_TRY(create(chosen.allocator, chosen.kernels, &alignment, error));
    ferry_status status = ferry_alignment_read(alignment, (ferry_files){files, file_count}, error);
    if (status == FERRY_OK)
        *out = alignment;
    else
        ferry_alignment_close(alignment);
    return status;
}

/* ---- use ---- */

size_t ferry_alignment_dimension(const ferry_alignment *alignment)
{
    return alignment->D;
}

size_t ferry_alignment_features(const ferry_alignment *alignment)
{
    return alignment->F;
}

ferry_status ferry_alignment_place_texts(const ferry_alignment *alignment, const float *texts,
                                         size_t count, float *out, ferry_error *error)
{
    return ferry_alignment_center(alignment, NULL, texts, count, out, error);
}

ferry_status ferry_alignment_place_features(const ferry_alignment *alignment, const float *features,
                                            size_t count, float *out, ferry_error *error)
{
    return ferry_alignment_map(alignment, NULL, features, count, out, error);
}

enum { AT_ONCE = 64 /* items scored at a time */ };

/* Items of the domains wanted; block [AT_ONCE, D] is scratch. */
static ferry_status push_all(const ferry_alignment *a, const ferry_catalog *catalog,
                             const float *place, bool by_features, const unsigned char *wanted,
                             float *block, ferry_topk *top, ferry_error *error)
{
    float scores[AT_ONCE];
    size_t D = a->D;
    const ferry_segment *text = ferry_catalog_segment(catalog, FERRY_MODALITY_TEXT);
    for (size_t first = 0; first < catalog->count; first += AT_ONCE) {
        size_t rest = catalog->count - first, rows = rest < AT_ONCE ? rest : AT_ONCE;
        const float *items = by_features ? a->items + first * D : block;
        if (!by_features) {
            ferry_catalog_vectors_of(catalog, text, first, rows, block);
            FERRY_TRY(ferry_alignment_center(a, NULL, block, rows, block, error));
        }
        a->kernels->dot_rows(items, place, scores, rows, D);
        for (size_t i = 0; i < rows; i++) {
            if (wanted[catalog->items[first + i].domain] && !ferry_is_zero(items + i * D, D))
                ferry_topk_push(top, first + i, scores[i]);
        }
    }
    ferry_topk_sort(top);
    return FERRY_OK;
}

static ferry_status check_nearest(const ferry_alignment *a, const ferry_catalog *catalog,
                                  bool by_features, size_t k, ferry_error *error)
{
    if (k == 0) return ferry_fail(error, FERRY_INVALID_ARGUMENT, "k is 0, expected at least 1");
    if (by_features &&
        (a->item_count != catalog->count || (a->key != 0 && a->key != ferry_catalog_key(catalog))))
        return ferry_fail(
            error, FERRY_INVALID_ARGUMENT,
            "the alignment was learned from another catalogue, of %zu items, this one "
            "has %zu: align it again",
            a->item_count, catalog->count);
    const ferry_segment *text = ferry_catalog_segment(catalog, FERRY_MODALITY_TEXT);
    if (!by_features && (text == NULL || text->dimension != a->D))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the alignment is of texts of %zu numbers, the catalogue's have %zu",
                          a->D, text != NULL ? text->dimension : 0);
    return FERRY_OK;
}

ferry_status ferry_alignment_nearest(const ferry_alignment *alignment, const ferry_catalog *catalog,
                                     const float *place, bool by_features,
                                     const ferry_nearest_options *options,
                                     ferry_recommendation *out, size_t *count, ferry_error *error)
{
    ferry_nearest_options chosen = {0};
    *count = 0;
    FERRY_TRY(ferry_options_read(options, "ferry_nearest_options", &chosen, sizeof chosen, error));
    FERRY_TRY(check_nearest(alignment, catalog, by_features, chosen.k, error));
    ferry_arena arena;
    ferry_arena_init(&arena, alignment->arena.allocator);
    unsigned char *wanted = ferry_arena_array(&arena, catalog->domain_count, 1);
    float *block = ferry_arena_array(&arena, AT_ONCE, alignment->D * sizeof *block);
    ferry_topk top = {.before = ferry_topk_by_name, .set = catalog, .heap = out, .k = chosen.k};
    ferry_status status = FERRY_OK;
    if (wanted == NULL || block == NULL)
        status = ferry_fail_memory(error, "the domains");
    else
        status =
            ferry_catalog_mark_domains(catalog, chosen.domains, chosen.domain_count, wanted, error);
    if (status == FERRY_OK)
        status = push_all(alignment, catalog, place, by_features, wanted, block, &top, error);
    ferry_arena_free(&arena);
    *count = top.count;
    return status;
}
