/*
 * ItemKNN as RecBole 1.2.1 has it (Aiolli 2013): cosine of the items' user sets,
 * s(i, j) = |U_i ∩ U_j| / (sqrt(|U_i| |U_j|) + 1e-6), of which each item keeps its 100 largest; the
 * score of i is the sum of the kept s(i, j) over the distinct items j of the history in the domain.
 */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "eval/baselines.h"

enum { NEIGHBOURS = 100 };

typedef struct neighbour {
    float similarity;
    uint32_t item;
} neighbour;

typedef struct knn_scorer {
    ferry_arena arena; /* everything below */
    size_t domain, items;
    ferry_user_sets sets;
    size_t *first;   /* [items + 1] */
    neighbour *kept; /* for j from first[j]: the items i that have kept j, with s(i, j) */
} knn_scorer;

/* ---- making it ---- */

typedef struct worker_scratch {
    uint32_t *count;   /* [items] users in common; zero between items */
    uint32_t *touched; /* [items] */
} worker_scratch;

typedef struct search {
    const ferry_user_sets *sets;
    worker_scratch *scratch;
    neighbour *best; /* [items, NEIGHBOURS] */
    uint32_t *found; /* [items] */
} search;

/* Equal similarities at the end of the list: not by the file's order. */
static bool closer(neighbour a, neighbour b)
{
    if (a.similarity != b.similarity) return a.similarity > b.similarity;
    return ferry_random_mix(a.item) < ferry_random_mix(b.item);
}

static void keep(neighbour *heap, uint32_t *count, neighbour entry)
{
    size_t at = 0;
    if (*count == NEIGHBOURS) {
        if (!closer(entry, heap[0])) return;
        for (size_t child; (child = 2 * at + 1) < NEIGHBOURS; at = child) {
            if (child + 1 < NEIGHBOURS && closer(heap[child], heap[child + 1])) child++;
            if (!closer(entry, heap[child])) break;
            heap[at] = heap[child];
        }
    } else {
        for (at = (*count)++; at > 0 && closer(heap[(at - 1) / 2], entry); at = (at - 1) / 2)
            heap[at] = heap[(at - 1) / 2];
    }
    heap[at] = entry;
}

static size_t users_of(const ferry_user_sets *sets, size_t item)
{
    return sets->first_user[item + 1] - sets->first_user[item];
}

static void find_neighbours(void *context, size_t index, size_t worker)
{
    search *job = context;
    const ferry_user_sets *sets = job->sets;
    uint32_t *count = job->scratch[worker].count, *touched = job->scratch[worker].touched;
    size_t touched_count = 0;
    for (size_t u = sets->first_user[index]; u < sets->first_user[index + 1]; u++) {
        uint32_t row = sets->user[u];
        for (size_t i = sets->first[row]; i < sets->first[row + 1]; i++) {
            uint32_t other = sets->item[i];
            if (other != index && count[other]++ == 0) touched[touched_count++] = other;
        }
    }
    neighbour *best = job->best + index * NEIGHBOURS;
    float own = sqrtf((float)users_of(sets, index));
    for (size_t i = 0; i < touched_count; i++) {
        uint32_t other = touched[i];
        float norms = own * sqrtf((float)users_of(sets, other)) + 1e-6f;
        keep(best, &job->found[index], (neighbour){(float)count[other] / norms, other});
        count[other] = 0;
    }
}

/* The kept pairs by neighbour instead of by item. */
static ferry_status transpose(knn_scorer *scorer, const search *job, ferry_error *error)
{
    size_t n = scorer->items, pairs = 0;
    for (size_t i = 0; i < n; i++) pairs += job->found[i];
    scorer->first = ferry_arena_array(&scorer->arena, n + 2, sizeof *scorer->first);
    scorer->kept = ferry_arena_array(&scorer->arena, pairs, sizeof *scorer->kept);
    if (scorer->first == NULL || scorer->kept == NULL)
        return ferry_fail_memory(error, "the neighbours");
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < job->found[i]; k++)
            scorer->first[job->best[i * NEIGHBOURS + k].item + 2]++;
    for (size_t i = 2; i < n + 2; i++) scorer->first[i] += scorer->first[i - 1];
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < job->found[i]; k++) {
            neighbour pair = job->best[i * NEIGHBOURS + k];
            scorer->kept[scorer->first[pair.item + 1]++] =
                (neighbour){pair.similarity, (uint32_t)i};
        }
    }
    return FERRY_OK;
}

static ferry_status fit(knn_scorer *scorer, const ferry_scorer_input *input, ferry_arena *temporary,
                        ferry_error *error)
{
    size_t n = scorer->items, threads = ferry_pool_threads(input->pool);
    search job = {.sets = &scorer->sets};
    FERRY_TRY(ferry_user_sets_of(&input->dataset->domains[input->domain], &scorer->arena,
                                 &scorer->sets, error));
    job.best = ferry_arena_array(temporary, n, NEIGHBOURS * sizeof *job.best);
    job.found = ferry_arena_array(temporary, n, sizeof *job.found);
    job.scratch = ferry_arena_array(temporary, threads, sizeof *job.scratch);
    bool fits = job.best != NULL && job.found != NULL && job.scratch != NULL;
    for (size_t i = 0; fits && i < threads; i++) {
        worker_scratch *own = &job.scratch[i];
        own->count = ferry_arena_array(temporary, n, sizeof *own->count);
        own->touched = ferry_arena_array(temporary, n, sizeof *own->touched);
        fits = own->count != NULL && own->touched != NULL;
    }
    if (!fits) return ferry_fail_memory(error, "the neighbours");
    ferry_pool_run(input->pool, n, find_neighbours, &job);
    return transpose(scorer, &job, error);
}

static void close_knn(void *user)
{
    knn_scorer *scorer = user;
    if (scorer == NULL) return;
    ferry_allocator allocator = scorer->arena.allocator;
    ferry_arena_free(&scorer->arena);
    ferry_release(&allocator, scorer, sizeof *scorer);
}

static ferry_status create_knn(const ferry_scorer_input *input, void **out, ferry_error *error)
{
    ferry_allocator allocator = ferry_allocator_or_default(input->allocator);
    knn_scorer *made = ferry_allocate(&allocator, 1, sizeof *made);
    *out = NULL;
    if (made == NULL) return ferry_fail_memory(error, "the scorer");
    ferry_arena_init(&made->arena, allocator);
    made->domain = input->domain;
    made->items = input->dataset->domains[input->domain].item_count;
    ferry_arena temporary;
    ferry_arena_init(&temporary, allocator);
    ferry_status status = fit(made, input, &temporary, error);
    ferry_arena_free(&temporary);
    if (status != FERRY_OK) {
        close_knn(made);
        return status;
    }
    *out = made;
    return FERRY_OK;
}

/* ---- scoring ---- */

static void score_knn(void *user, const ferry_history_entry *history, size_t count, size_t worker,
                      float *out)
{
    (void)worker;
    const knn_scorer *scorer = user;
    memset(out, 0, scorer->items * sizeof *out);
    for (size_t h = 0; h < count; h++) {
        if (history[h].domain != scorer->domain || ferry_history_repeats(history, h)) continue;
        uint32_t item = history[h].item;
        for (size_t i = scorer->first[item]; i < scorer->first[item + 1]; i++)
            out[scorer->kept[i].item] += scorer->kept[i].similarity;
    }
}

const ferry_scorer ferry_baseline_itemknn = {
    "itemknn", "cosine of the items' user sets, 100 neighbours", create_knn, score_knn, close_knn};
