/*
 * The two stages of a search: the vectors whose signs differ from the query's in the fewest places,
 * equal ones by id, and of these the best by their scores. Distances are whole numbers and ties the
 * rule, so candidates are collected and sorted out by counting when there is no more room.
 */
#include <math.h>
#include <string.h>

#include "rank/index.h"

/* Leaves query t's keep candidates of the least distance, which is minus their score. */
static void sort_out(const ferry_index_round *round, ferry_index_worker *worker, size_t t)
{
    ferry_recommendation *list = worker->heaps + t * round->stride;
    size_t count = worker->counts[t], below = 0, kept = 0, limit = 0;
    if (count <= round->keep) return;
    memset(worker->histogram, 0, (round->index->dimension + 1) * sizeof *worker->histogram);
    for (size_t i = 0; i < count; i++) worker->histogram[(size_t)-list[i].score]++;
    while (below + worker->histogram[limit] < round->keep) below += worker->histogram[limit++];
    ferry_topk ties = {ferry_index_by_id, round->index, worker->ties, 0, round->keep - below};
    for (size_t i = 0; i < count; i++) {
        size_t distance = (size_t)-list[i].score;
        if (distance < limit)
            list[kept++] = list[i];
        else if (distance == limit)
            ferry_topk_push(&ties, list[i].item, list[i].score);
    }
    memcpy(list + kept, ties.heap, ties.count * sizeof *list);
    worker->counts[t] = round->keep;
    worker->least[t] = -(float)limit;
}

/* What is at the limit stays in the running, for its id may be lower. */
static void collect(const ferry_index_round *round, ferry_index_worker *worker, size_t t,
                    size_t slot, float score)
{
    if (worker->counts[t] == round->stride) sort_out(round, worker, t);
    if (score >= worker->least[t])
        worker->heaps[t * round->stride + worker->counts[t]++] =
            (ferry_recommendation){slot, score};
}

void ferry_index_scan_signs(void *context, size_t part, size_t number)
{
    const ferry_index_round *round = context;
    const ferry_index *index = round->index;
    ferry_index_worker *worker = &index->workers[number];
    enum { STEP = FERRY_INDEX_STEP * FERRY_PANEL };
    size_t slots = ferry_index_part_slots(index, part);
    for (size_t s = 0; s < slots; s += STEP) {
        size_t count = slots - s < STEP ? slots - s : STEP, first = part * FERRY_INDEX_PART + s;
        const uint64_t *signs =
            ferry_index_chunk_of(index, first)->signs + ferry_index_within(index, first) * index->W;
        for (size_t t = 0; t < round->T; t++) {
            index->kernels->hamming(signs, index->query_signs + t * index->W, worker->distance,
                                    count, index->W);
            float least = worker->least[t]; /* -infinity becomes more than any distance */
            uint32_t limit = isfinite(least) ? (uint32_t)-least : UINT32_MAX;
            for (size_t j = 0; j < count; j++)
                if (worker->distance[j] <= limit)
                    collect(round, worker, t, first + j, -(float)worker->distance[j]);
        }
    }
}

void ferry_index_gather(const ferry_index_round *round)
{
    ferry_index_worker *workers = round->index->workers;
    for (size_t t = 0; t < round->T; t++) {
        for (size_t w = 1; w < ferry_pool_threads(round->index->pool); w++) {
            const ferry_recommendation *list = workers[w].heaps + t * round->stride;
            for (size_t i = 0; i < workers[w].counts[t]; i++)
                collect(round, &workers[0], t, list[i].item, list[i].score);
        }
        sort_out(round, &workers[0], t);
    }
}

void ferry_index_score_candidates(void *context, size_t t, size_t number)
{
    const ferry_index_round *round = context;
    const ferry_index *index = round->index;
    ferry_index_worker *worker = &index->workers[number];
    const ferry_recommendation *found = index->workers[0].heaps + t * round->stride;
    ferry_topk best = {ferry_index_by_id, index, index->best + t * round->k, 0, round->k};
    const ferry_int8_queries *all = &round->queries;
    ferry_int8_queries query = {all->q + t * index->K4, all->scale + t, all->sum + t};
    for (size_t i = 0; i < index->workers[0].counts[t]; i++) {
        size_t slot = found[i].item, lane = slot % FERRY_PANEL;
        const float *scale = ferry_index_chunk_of(index, slot)->scale;
        ferry_int8_table rows = {index->dimension, 1, ferry_index_panel(index, slot),
                                 scale + ferry_index_within(index, slot) - lane};
        float least = -INFINITY;
        index->kernels->score_int8(&query, 1, &rows, &least, worker->scores, worker->reached);
        ferry_topk_push(&best, slot, worker->scores[lane]);
    }
}
