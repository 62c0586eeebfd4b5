/* Baselines that need no more than a pass over the events: random, popularity, text. */
#include <string.h>

#include "base/error.h"
#include "eval/baselines.h"

/* ---- random: every item has the same score, and ties are ordered by a hash ---- */

typedef struct flat_scorer {
    ferry_allocator allocator;
    size_t items;
    float *scores; /* [items] */
} flat_scorer;

static void close_flat(void *user)
{
    flat_scorer *scorer = user;
    if (scorer == NULL) return;
    ferry_allocator allocator = scorer->allocator;
    ferry_release(&allocator, scorer->scores, scorer->items * sizeof *scorer->scores);
    ferry_release(&allocator, scorer, sizeof *scorer);
}

static void score_flat(void *user, const ferry_history_entry *history, size_t count, size_t worker,
                       float *out)
{
    (void)history, (void)count, (void)worker;
    const flat_scorer *scorer = user;
    memcpy(out, scorer->scores, scorer->items * sizeof *out);
}

static ferry_status create_flat(const ferry_scorer_input *input, flat_scorer **out,
                                ferry_error *error)
{
    ferry_allocator allocator = ferry_allocator_or_default(input->allocator);
    flat_scorer *made = ferry_allocate(&allocator, 1, sizeof *made);
    *out = NULL;
    if (made == NULL) return ferry_fail_memory(error, "the scorer");
    made->allocator = allocator;
    made->items = input->dataset->domains[input->domain].item_count;
    made->scores = ferry_allocate(&allocator, made->items, sizeof *made->scores);
    if (made->scores == NULL) {
        close_flat(made);
        return ferry_fail_memory(error, "the scores");
    }
    *out = made;
    return FERRY_OK;
}

static ferry_status create_random(const ferry_scorer_input *input, void **out, ferry_error *error)
{
    flat_scorer *made;
    ferry_status status = create_flat(input, &made, error);
    *out = made;
    return status;
}

const ferry_scorer ferry_baseline_random = {"random", "every item alike: an order by hash",
                                            create_random, score_flat, close_flat};

/* ---- popularity: how many training events an item has ---- */

static ferry_status create_popularity(const ferry_scorer_input *input, void **out,
                                      ferry_error *error)
{
    const ferry_interactions *domain = &input->dataset->domains[input->domain];
    flat_scorer *made;
    ferry_status status = create_flat(input, &made, error);
    *out = made;
    if (status != FERRY_OK) return status;
    for (size_t e = 0; e < domain->event_count; e++)
        if (domain->part[e] == FERRY_TRAIN) made->scores[domain->item[e]] += 1.0f;
    return FERRY_OK;
}

const ferry_scorer ferry_baseline_popularity = {"popularity", "the most training events first",
                                                create_popularity, score_flat, close_flat};

/* ---- text: cosine to the last three items ---- */

enum { TEXT_ITEMS = 3 };
static const float text_weights[TEXT_ITEMS] = {1.0f, 0.6f, 0.36f}; /* the newest first */

typedef struct text_scorer {
    ferry_allocator allocator;
    const ferry_kernels *kernels;
    const float *const *vectors; /* [domains] -> [items, dimension] */
    size_t domain, items, dimension, threads;
    float *query; /* [threads, dimension] */
} text_scorer;

/* The last entries of the scored domain or, if it has none, of any. */
static void add_last(const text_scorer *scorer, const ferry_history_entry *history, size_t count,
                     bool own, float *query)
{
    size_t taken = 0;
    for (size_t i = count; i > 0 && taken < TEXT_ITEMS; i--) {
        const ferry_history_entry *entry = &history[i - 1];
        if (own && entry->domain != scorer->domain) continue;
        const float *vector = scorer->vectors[entry->domain] + entry->item * scorer->dimension;
        for (size_t c = 0; c < scorer->dimension; c++) query[c] += text_weights[taken] * vector[c];
        taken++;
    }
}

static void score_text(void *user, const ferry_history_entry *history, size_t count, size_t worker,
                       float *out)
{
    text_scorer *scorer = user;
    float *query = scorer->query + worker * scorer->dimension;
    bool own = false;
    for (size_t i = 0; i < count; i++) own = own || history[i].domain == scorer->domain;
    memset(query, 0, scorer->dimension * sizeof *query);
    add_last(scorer, history, count, own, query);
    scorer->kernels->dot_rows(scorer->vectors[scorer->domain], query, out, scorer->items,
                              scorer->dimension);
}

static void close_text(void *user)
{
    text_scorer *scorer = user;
    if (scorer == NULL) return;
    ferry_allocator allocator = scorer->allocator;
    ferry_release(&allocator, scorer->query,
                  scorer->threads * scorer->dimension * sizeof *scorer->query);
    ferry_release(&allocator, scorer, sizeof *scorer);
}

static ferry_status create_text(const ferry_scorer_input *input, void **out, ferry_error *error)
{
    *out = NULL;
    if (input->vectors == NULL)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the baseline \"text\" needs a catalogue's vectors");
    ferry_allocator allocator = ferry_allocator_or_default(input->allocator);
    text_scorer *made = ferry_allocate(&allocator, 1, sizeof *made);
    if (made == NULL) return ferry_fail_memory(error, "the scorer");
    *made = (text_scorer){.allocator = allocator,
                          .kernels = input->kernels,
                          .vectors = input->vectors,
                          .domain = input->domain,
                          .items = input->dataset->domains[input->domain].item_count,
                          .dimension = input->dimension,
                          .threads = ferry_pool_threads(input->pool)};
    made->query = ferry_allocate(&allocator, made->threads, input->dimension * sizeof *made->query);
    if (made->query == NULL) {
        close_text(made);
        return ferry_fail_memory(error, "the scorer");
    }
    *out = made;
    return FERRY_OK;
}

const ferry_scorer ferry_baseline_text = {"text",
                                          "cosine of the catalogue's vectors to the last 3 items",
                                          create_text, score_text, close_text};
