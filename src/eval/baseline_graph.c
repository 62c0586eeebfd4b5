/*
 * The untrained graph heuristic TGH-1 of "An Embarrassingly Simple Graph Heuristic Reveals
 * Shortcut-Solvable Benchmarks for Sequential Recommendation" (arXiv 2605.07125), with its
 * defaults:
 *
 * Directed edges a -> b where b directly follows a in a user's training events. Ring h holds the
 * items at exactly h steps from the last item of the history, h = 1, 2, 3. Within a ring, items are
 * ordered by cosine of their vectors to the last item's, ring 1 with .5 log(1 + c) / max_b log(1 +
 * c) added, c the number of times they followed. The list takes 7, 2 and 1 items of the three
 * rings; what a ring lacks is filled from earlier rings' next ones.
 *
 * Beyond the paper: items of the history take no place in the list; behind the ten come the rest
 * of ring 1, 2, 3 and then all other items, by cosine (the paper's code pads at random, or so with
 * --semantic_pad). Without an item of the domain the last one of any domain gives the cosines, and
 * without any history all items are alike.
 */
#include <string.h>

#include "base/error.h"
#include "eval/baselines.h"
#include "eval/transitions.h"
#include "math/elementary.h"

enum { RINGS = 3, BUDGET = 10 };
static const size_t ring_budget[RINGS] = {7, 2, 1};

typedef struct candidate {
    float score;
    uint32_t item;
} candidate;

typedef struct worker_scratch {
    unsigned char *ring; /* [items] 0 not reached, 1…3; SEEN is added if the history has it */
    uint32_t *reached;   /* [items] by ring */
} worker_scratch;
enum { RING = 7, SEEN = 8 };

typedef struct graph_scorer {
    ferry_arena arena; /* everything below but the vectors */
    const ferry_kernels *kernels;
    const float *const *vectors; /* [domains] -> [items, dimension] */
    size_t domain, items, dimension;
    ferry_transitions edges; /* each follower once */
    float *bonus;            /* beside edges.to */
    worker_scratch *scratch; /* [threads] */
} graph_scorer;

/* ---- making it ---- */

/* Followers of one item, with repeats, to each once with its count; returns how many are left. */
static size_t merge_followers(uint32_t *to, size_t count, uint32_t *times)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t item = to[i];
        size_t at = 0;
        while (at < left && to[at] != item) at++;
        if (at == left) {
            to[left] = item;
            times[left++] = 0;
        }
        times[at]++;
    }
    return left;
}

static ferry_status build_edges(graph_scorer *scorer, const ferry_interactions *domain,
                                ferry_error *error)
{
    size_t n = scorer->items, kept = 0;
    FERRY_TRY(ferry_transitions_count(domain, 1, &scorer->arena, &scorer->edges, error));
    size_t *first = scorer->edges.first, all = first[n];
    uint32_t *to = scorer->edges.to;
    scorer->bonus = ferry_arena_array(&scorer->arena, all, sizeof *scorer->bonus);
    uint32_t *times = ferry_arena_array(&scorer->arena, all, sizeof *times);
    if (scorer->bonus == NULL || times == NULL) return ferry_fail_memory(error, "the graph");
    for (size_t i = 0; i < n; i++) {
        size_t begin = first[i], count = merge_followers(to + begin, first[i + 1] - begin, times);
        uint32_t most = 1;
        for (size_t e = 0; e < count; e++) most = times[e] > most ? times[e] : most;
        for (size_t e = 0; e < count; e++) {
            double share = ferry_log2(1.0 + times[e]) / ferry_log2(1.0 + most);
            to[kept + e] = to[begin + e];
            scorer->bonus[kept + e] = (float)(0.5 * share);
        }
        first[i] = kept;
        kept += count;
    }
    first[n] = kept;
    return FERRY_OK;
}

static ferry_status fit(graph_scorer *scorer, const ferry_scorer_input *input, ferry_error *error)
{
    size_t threads = ferry_pool_threads(input->pool);
    FERRY_TRY(build_edges(scorer, &input->dataset->domains[input->domain], error));
    scorer->scratch = ferry_arena_array(&scorer->arena, threads, sizeof *scorer->scratch);
    if (scorer->scratch == NULL) return ferry_fail_memory(error, "the graph");
    for (size_t i = 0; i < threads; i++) {
        worker_scratch *own = &scorer->scratch[i];
        own->ring = ferry_arena_array(&scorer->arena, scorer->items, 1);
        own->reached = ferry_arena_array(&scorer->arena, scorer->items, sizeof *own->reached);
        if (own->ring == NULL || own->reached == NULL) return ferry_fail_memory(error, "the graph");
    }
    return FERRY_OK;
}

static void close_graph(void *user)
{
    graph_scorer *scorer = user;
    if (scorer == NULL) return;
    ferry_allocator allocator = scorer->arena.allocator;
    ferry_arena_free(&scorer->arena);
    ferry_release(&allocator, scorer, sizeof *scorer);
}

static ferry_status create_graph(const ferry_scorer_input *input, void **out, ferry_error *error)
{
    *out = NULL;
    if (input->vectors == NULL)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the baseline \"graph\" needs a catalogue's vectors");
    ferry_allocator allocator = ferry_allocator_or_default(input->allocator);
    graph_scorer *made = ferry_allocate(&allocator, 1, sizeof *made);
    if (made == NULL) return ferry_fail_memory(error, "the scorer");
    ferry_arena_init(&made->arena, allocator);
    made->kernels = input->kernels;
    made->vectors = input->vectors;
    made->domain = input->domain;
    made->items = input->dataset->domains[input->domain].item_count;
    made->dimension = input->dimension;
    ferry_status status = fit(made, input, error);
    if (status != FERRY_OK) {
        close_graph(made);
        return status;
    }
    *out = made;
    return FERRY_OK;
}

/* ---- scoring ---- */

/* Appends the not yet reached followers of `item` to the ring. */
static void step(const graph_scorer *scorer, worker_scratch *own, uint32_t item, unsigned char ring,
                 size_t *reached)
{
    const ferry_transitions *edges = &scorer->edges;
    for (size_t e = edges->first[item]; e < edges->first[item + 1]; e++) {
        uint32_t next = edges->to[e];
        if ((own->ring[next] & RING) != 0) continue;
        own->ring[next] |= ring;
        own->reached[(*reached)++] = next;
    }
}

/* The BUDGET best of reached [count] that are not seen into best, best first; equal ones as they
 * were reached. */
static size_t best_of_ring(const worker_scratch *own, const uint32_t *reached, size_t count,
                           const float *scores, candidate *best)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        candidate entry = {scores[reached[i]], reached[i]};
        size_t at = kept;
        if ((own->ring[entry.item] & SEEN) != 0) continue;
        while (at > 0 && best[at - 1].score < entry.score) at--;
        if (at == BUDGET) continue;
        if (kept < BUDGET) kept++;
        memmove(best + at + 1, best + at, (kept - 1 - at) * sizeof *best);
        best[at] = entry;
    }
    return kept;
}

/* The list of up to BUDGET items of the three rings' best [RINGS][BUDGET]; returns its size. */
static size_t assemble(candidate best[RINGS][BUDGET], const size_t *kept, uint32_t *list)
{
    uint32_t spare[RINGS * BUDGET];
    size_t size = 0, first_spare = 0, spares = 0;
    for (size_t r = 0; r < RINGS; r++) {
        size_t wanted = ring_budget[r], take = kept[r] < wanted ? kept[r] : wanted;
        for (; first_spare < spares && take < wanted; wanted--) list[size++] = spare[first_spare++];
        for (size_t i = 0; i < take; i++) list[size++] = best[r][i].item;
        for (size_t i = take; i < kept[r]; i++) spare[spares++] = best[r][i].item;
    }
    while (first_spare < spares && size < BUDGET) list[size++] = spare[first_spare++];
    return size;
}

/* Scores are cosines; the rings' items move up by 4 for each ring, the list's by 20 and more. */
static void rank_rings(const graph_scorer *scorer, worker_scratch *own, uint32_t last, float *out)
{
    candidate best[RINGS][BUDGET];
    size_t kept[RINGS], begin = 0, reached = 0;
    const ferry_transitions *edges = &scorer->edges;
    own->ring[last] |= RING; /* not reached again */
    step(scorer, own, last, 1, &reached);
    for (size_t e = edges->first[last]; e < edges->first[last + 1]; e++)
        out[edges->to[e]] += scorer->bonus[e];
    for (size_t r = 0; r < RINGS; r++) {
        size_t end = reached;
        kept[r] = best_of_ring(own, own->reached + begin, end - begin, out, best[r]);
        for (size_t i = begin; i < end && r + 1 < RINGS; i++)
            step(scorer, own, own->reached[i], (unsigned char)(r + 2), &reached);
        begin = end;
    }
    uint32_t list[BUDGET];
    size_t size = assemble(best, kept, list);
    for (size_t i = 0; i < reached; i++) {
        uint32_t item = own->reached[i];
        out[item] += 4.0f * (float)(RINGS + 1 - (own->ring[item] & RING));
        own->ring[item] = 0;
    }
    for (size_t i = 0; i < size; i++) out[list[i]] = 20.0f + (float)(BUDGET - i);
}

static void score_graph(void *user, const ferry_history_entry *history, size_t count, size_t worker,
                        float *out)
{
    graph_scorer *scorer = user;
    worker_scratch *own = &scorer->scratch[worker];
    const ferry_history_entry *last = NULL;
    for (size_t i = 0; i < count; i++) {
        bool here = history[i].domain == scorer->domain;
        if (here) own->ring[history[i].item] = SEEN;
        if (here || last == NULL || last->domain != scorer->domain) last = &history[i];
    }
    if (last == NULL) {
        memset(out, 0, scorer->items * sizeof *out);
        return;
    }
    const float *vector = scorer->vectors[last->domain] + last->item * scorer->dimension;
    scorer->kernels->dot_rows(scorer->vectors[scorer->domain], vector, out, scorer->items,
                              scorer->dimension);
    if (last->domain == scorer->domain) rank_rings(scorer, own, last->item, out);
    for (size_t i = 0; i < count; i++)
        if (history[i].domain == scorer->domain) own->ring[history[i].item] = 0;
}

const ferry_scorer ferry_baseline_graph = {
    "graph", "items 1 to 3 steps from the last one, by cosine (arXiv 2605.07125)", create_graph,
    score_graph, close_graph};
