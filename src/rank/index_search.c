/*
 * Searching an index: the vectors pass by once for as many as FERRY_INDEX_ROUND queries. Threads
 * take parts of a chunk, each has the k best of those it took, and of these the k best are the
 * result: scores and ids order all vectors, so it does not matter who took which.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "rank/index.h"

bool ferry_index_by_id(const void *index, size_t a, size_t b)
{
    return ferry_index_id(index, a) < ferry_index_id(index, b);
}

/* Query t's heap of a worker. */
static ferry_topk heap_of(const ferry_index_round *round, ferry_index_worker *worker, size_t t)
{
    return (ferry_topk){ferry_index_by_id, round->index, worker->heaps + t * round->stride,
                        worker->counts[t], round->keep};
}

/* Offers slots to query t's heap: scores [count] of slots first and up. */
static void offer(const ferry_index_round *round, ferry_index_worker *worker, size_t t,
                  size_t first, const float *scores, size_t count)
{
    ferry_topk top = heap_of(round, worker, t);
    for (size_t j = 0; j < count; j++)
        if (scores[j] >= worker->least[t]) ferry_topk_push(&top, first + j, scores[j]);
    worker->counts[t] = top.count;
    if (top.count == top.k) worker->least[t] = top.heap[0].score;
}

/* ---- every vector ---- */

static void scan_vectors(void *context, size_t part, size_t number)
{
    const ferry_index_round *round = context;
    const ferry_index *index = round->index;
    ferry_index_worker *worker = &index->workers[number];
    size_t slots = ferry_index_part_slots(index, part),
           panels = (slots + FERRY_PANEL - 1) / FERRY_PANEL;
    for (size_t p = 0; p < panels; p += FERRY_INDEX_STEP) {
        size_t P = panels - p < FERRY_INDEX_STEP ? panels - p : FERRY_INDEX_STEP;
        size_t first = part * FERRY_INDEX_PART + p * FERRY_PANEL;
        ferry_int8_table rows = {index->dimension, P, ferry_index_panel(index, first),
                                 ferry_index_chunk_of(index, first)->scale +
                                     ferry_index_within(index, first)};
        index->kernels->score_int8(&round->queries, round->T, &rows, worker->least, worker->scores,
                                   worker->reached);
        for (size_t t = 0; t < round->T; t++) {
            for (size_t i = 0; i < P; i++) {
                if (!worker->reached[t * P + i]) continue;
                size_t rest = slots - (p + i) * FERRY_PANEL;
                offer(round, worker, t, first + i * FERRY_PANEL,
                      worker->scores + (t * P + i) * FERRY_PANEL,
                      rest < FERRY_PANEL ? rest : FERRY_PANEL);
            }
        }
    }
}

/* ---- a search ---- */

enum {
    MOST_KEPT = 1 << 19, /* by a thread, unless one query wants more */
    MORE_ROOM = 256,     /* for candidates, so that few are not sorted out all the time */
};

/* heaps: entries of all heaps of a round */
static ferry_status make_scratch(ferry_index *index, size_t heaps, ferry_error *error)
{
    enum { ROWS = FERRY_INDEX_STEP * FERRY_PANEL, ROUND = FERRY_INDEX_ROUND };
    if (index->workers != NULL && index->heap_size >= heaps) return FERRY_OK;
    ferry_arena *arena = &index->scratch;
    size_t threads = ferry_pool_threads(index->pool);
    index->workers = NULL;
    ferry_arena_free(arena);
    ferry_index_worker *workers = ferry_arena_array(arena, threads, sizeof *workers);
    index->query = ferry_arena_array(arena, ROUND, index->K4);
    index->query_scale = ferry_arena_array(arena, ROUND, sizeof(float));
    index->query_sum = ferry_arena_array(arena, ROUND, sizeof(int32_t));
    index->query_signs = ferry_arena_array(arena, ROUND * index->W, sizeof(uint64_t));
    index->best = ferry_arena_array(arena, heaps, sizeof *index->best);
    bool fits = workers != NULL && index->query != NULL && index->query_scale != NULL &&
                index->query_sum != NULL && index->query_signs != NULL && index->best != NULL;
    for (size_t i = 0; i < threads && fits; i++) {
        workers[i].heaps = ferry_arena_array(arena, heaps, sizeof *workers[i].heaps);
        workers[i].scores = ferry_arena_array(arena, ROUND * ROWS, sizeof(float));
        workers[i].reached = ferry_arena_array(arena, ROUND * FERRY_INDEX_STEP, 1);
        workers[i].distance = ferry_arena_array(arena, ROWS, sizeof(uint32_t));
        size_t bins = index->W > 0 ? index->dimension + 1 : 0;
        workers[i].histogram = ferry_arena_array(arena, bins, sizeof(uint32_t));
        workers[i].ties =
            ferry_arena_array(arena, index->W > 0 ? heaps : 0, sizeof *workers[i].ties);
        fits = workers[i].heaps != NULL && workers[i].scores != NULL &&
               workers[i].reached != NULL && workers[i].distance != NULL &&
               workers[i].histogram != NULL && workers[i].ties != NULL;
    }
    if (!fits) {
        ferry_arena_free(arena);
        return ferry_fail_memory(error, "the search");
    }
    index->workers = workers;
    index->heap_size = heaps;
    return FERRY_OK;
}

static void quantize_queries(ferry_index *index, const float *queries, size_t T)
{
    size_t K = index->dimension;
    for (size_t t = 0; t < T; t++) {
        int8_t *q = index->query + t * index->K4; /* zeros past K since it was made */
        index->query_scale[t] = ferry_int8_quantize(queries + t * K, K, 127, q);
        index->query_sum[t] = 0;
        for (size_t k = 0; k < K; k++) index->query_sum[t] += q[k];
        if (index->W > 0) ferry_index_signs(q, K, index->query_signs + t * index->W);
    }
}

/* Runs a scan over all parts. */
static void scan(ferry_index *index, ferry_index_round *round, ferry_pool_task task)
{
    for (size_t w = 0; w < ferry_pool_threads(index->pool); w++) {
        memset(index->workers[w].counts, 0, sizeof index->workers[w].counts);
        for (size_t t = 0; t < round->T; t++) index->workers[w].least[t] = -INFINITY;
    }
    size_t parts = (index->count + FERRY_INDEX_PART - 1) / FERRY_INDEX_PART;
    ferry_pool_run(index->pool, parts, task, round);
}

/* The k best of what all workers have, into worker 0. */
static void merge(const ferry_index_round *round)
{
    ferry_index_worker *workers = round->index->workers;
    for (size_t t = 0; t < round->T; t++) {
        ferry_topk top = heap_of(round, &workers[0], t);
        for (size_t w = 1; w < ferry_pool_threads(round->index->pool); w++) {
            ferry_topk other = heap_of(round, &workers[w], t);
            for (size_t i = 0; i < other.count; i++)
                ferry_topk_push(&top, other.heap[i].item, other.heap[i].score);
        }
        workers[0].counts[t] = top.count;
    }
}

static void search_some(ferry_index *index, ferry_index_round *round, bool two_stages,
                        size_t stride, uint64_t *ids, float *scores)
{
    if (two_stages) {
        scan(index, round, ferry_index_scan_signs);
        ferry_index_gather(round);
        ferry_pool_run(index->pool, round->T, ferry_index_score_candidates, round);
    } else {
        scan(index, round, scan_vectors);
        merge(round);
    }
    for (size_t t = 0; t < round->T; t++) {
        ferry_topk top = heap_of(round, &index->workers[0], t);
        if (two_stages)
            top = (ferry_topk){ferry_index_by_id, index, index->best + t * round->k, round->k,
                               round->k};
        ferry_topk_sort(&top);
        for (size_t i = 0; i < top.count; i++) {
            ids[t * stride + i] = ferry_index_id(index, top.heap[i].item);
            if (scores != NULL) scores[t * stride + i] = top.heap[i].score;
        }
    }
}

ferry_status ferry_index_search(ferry_index *index, const float *queries, size_t query_count,
                                const ferry_search_options *options, uint64_t *ids, float *scores,
                                size_t *count, ferry_error *error)
{
    ferry_search_options chosen = {0};
    *count = 0;
    FERRY_TRY(ferry_options_read(options, "ferry_search_options", &chosen, sizeof chosen, error));
    if (chosen.k == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "k is 0, expected at least 1");
    if (chosen.candidates > 0 && index->W == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "candidates is %zu, but the index was made without signs",
                          chosen.candidates);
    FERRY_TRY(ferry_index_check(queries, query_count, index->dimension, "query", error));
    size_t k = chosen.k < index->count ? chosen.k : index->count, keep = k;
    if (chosen.candidates > keep)
        keep = chosen.candidates < index->count ? chosen.candidates : index->count;
    if (k == 0 || query_count == 0) return FERRY_OK;
    /* all of them as candidates is the same as every vector */
    bool two_stages = chosen.candidates > 0 && keep < index->count;
    size_t stride = two_stages ? 2 * keep + MORE_ROOM : keep;
    size_t most = MOST_KEPT / stride > 0 ? MOST_KEPT / stride : 1; /* queries in a round */
    if (most > FERRY_INDEX_ROUND) most = FERRY_INDEX_ROUND;
    if (most > query_count) most = query_count;
    FERRY_TRY(make_scratch(index, most * stride, error));
    ferry_index_round round = {.index = index,
                               .queries = {index->query, index->query_scale, index->query_sum},
                               .k = k,
                               .keep = keep,
                               .stride = stride};
    for (size_t first = 0; first < query_count; first += round.T) {
        size_t rest = query_count - first;
        round.T = rest < most ? rest : most;
        quantize_queries(index, queries + first * index->dimension, round.T);
        search_some(index, &round, two_stages, chosen.k, ids + first * chosen.k,
                    scores != NULL ? scores + first * chosen.k : NULL);
    }
    *count = k;
    return FERRY_OK;
}

size_t ferry_index_memory(const ferry_index *index)
{
    enum { SCORES = FERRY_INDEX_ROUND * FERRY_INDEX_STEP * FERRY_PANEL };
    size_t threads = ferry_pool_threads(index->pool);
    size_t bytes = sizeof *index + index->chunk_count * ferry_index_chunk_size(index) +
                   index->chunk_capacity * sizeof *index->chunks +
                   index->table_size * sizeof *index->table;
    if (index->workers == NULL) return bytes;
    return bytes +
           ((index->W > 0 ? 2 : 1) * threads + 1) * index->heap_size *
               sizeof(ferry_recommendation) +
           threads * SCORES * sizeof(float);
}
