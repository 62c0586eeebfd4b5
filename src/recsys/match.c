#include "recsys/match.h"

#include <string.h>

#include "base/error.h"
#include "math/ops.h"
#include "recsys/neighbors.h"

enum { DEPTH = 3 };
static const float decay = 0.6f;

ferry_status ferry_match_create(const ferry_item *items, size_t n, const float *whitened,
                                size_t whitened_size, const float *centred, size_t centred_size,
                                const ferry_allocator *allocator, ferry_match *out,
                                ferry_error *error)
{
    *out = (ferry_match){.n = n,
                         .whitened = whitened,
                         .centred = centred,
                         .whitened_size = whitened_size,
                         .centred_size = centred_size};
    FERRY_TRY(ferry_tfidf_create(items, n, FERRY_TERMS_TITLE, allocator, &out->title, error));
    ferry_status status =
        ferry_tfidf_create(items, n, FERRY_TERMS_TAGS, allocator, &out->tags, error);
    if (status == FERRY_OK) {
        status = ferry_tfidf_authors(items, n, allocator, &out->author, error);
        if (status != FERRY_OK) ferry_tfidf_free(&out->tags);
    }
    if (status != FERRY_OK) ferry_tfidf_free(&out->title);
    return status;
}

void ferry_match_free(ferry_match *match)
{
    ferry_tfidf_free(&match->title);
    ferry_tfidf_free(&match->tags);
    ferry_tfidf_free(&match->author);
}

size_t ferry_match_scratch(const ferry_match *match)
{
    const size_t sizes[] = {match->title.terms.rows, match->tags.terms.rows,
                            match->author.terms.rows, match->whitened_size, match->centred_size};
    size_t most = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        most = sizes[i] > most ? sizes[i] : most;
    return most;
}

/* Cosines [n] of the rows of length 1 with the weighted sum of some of them. */
static void cosines(const ferry_kernels *kernels, const float *rows, size_t n, size_t N,
                    const uint32_t *items, const float *weights, size_t count, float *query,
                    float *out)
{
    memset(query, 0, N * sizeof *query);
    for (size_t h = 0; h < count; h++) ferry_add_scaled(query, rows + items[h] * N, weights[h], N);
    ferry_l2_normalize(kernels, query, N);
    kernels->dot_rows(rows, query, out, n, N);
    memset(query, 0, N * sizeof *query);
}

void ferry_match_features(const ferry_kernels *kernels, const ferry_match *match,
                          const uint32_t *history, size_t count, float *scratch, float *out)
{
    size_t n = match->n;
    uint32_t items[DEPTH];
    float weights[DEPTH], shares[DEPTH], total = 0.0f;
    memset(out, 0, FERRY_MATCH_COUNT * n * sizeof *out);
    size_t used = ferry_recent_items(history, count, DEPTH, decay, items, weights);
    if (used == 0) return;
    for (size_t i = 0; i < used; i++) total = total + weights[i];
    for (size_t i = 0; i < used; i++) shares[i] = weights[i] / total;

    cosines(kernels, match->whitened, n, match->whitened_size, items, weights, used, scratch,
            out + FERRY_MATCH_WHITENED_3 * n);
    cosines(kernels, match->whitened, n, match->whitened_size, items, weights, 1, scratch,
            out + FERRY_MATCH_WHITENED_1 * n);
    cosines(kernels, match->centred, n, match->centred_size, items, weights, used, scratch,
            out + FERRY_MATCH_RAW_3 * n);
    const struct {
        const ferry_tfidf *terms;
        size_t feature, depth;
    } sums[] = {{&match->title, FERRY_MATCH_TITLE_3, used},
                {&match->title, FERRY_MATCH_TITLE_1, 1},
                {&match->author, FERRY_MATCH_AUTHOR_3, used},
                {&match->author, FERRY_MATCH_AUTHOR_1, 1},
                {&match->tags, FERRY_MATCH_TAGS_3, used}};
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        ferry_tfidf_score(sums[i].terms, items, sums[i].depth == 1 ? weights : shares,
                          sums[i].depth, scratch, out + sums[i].feature * n, NULL, NULL, NULL);
    const float *title = out + FERRY_MATCH_TITLE_3 * n;
    for (size_t i = 0; i < n; i++) out[FERRY_MATCH_TITLE_3_SQUARED * n + i] = title[i] * title[i];
}
