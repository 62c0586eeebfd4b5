/* Which events a list's first item hangs on: the smallest set without which it is another. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"
#include "rank/explain.h"

enum {
    MOST_EXACT = 12,        /* events of which every set is tried */
    MOST_PRODUCTS = 1 << 20 /* of an event's and an item's vector: the best items are looked at */
};

/* What float scores may turn around, as a share of what is added up. */
static const double NEAR = 1e-6;

/* Sets of events are bytes [T] by place in the visitor's events, 1 for those left out. */
typedef struct search {
    ferry_visitor *visitor;
    ferry_recommend_options options; /* for the first alone */
    ferry_arena arena;
    ferry_history_event *all, *left; /* [T] the visitor's own, and its stand-in */
    size_t T;
    size_t top;
    float *weights;              /* [T] what the events weigh without a model */
    size_t *order;               /* [T] places, what speaks most for the top first */
    unsigned char *tried, *best; /* [T] */
    size_t best_count, instead;  /* best_count 0: none found */
    size_t least;                /* proven: no set of fewer does it */
} search;

/* The first of the list without a set, FERRY_NO_ITEM if there is no list then. Items of the set
 * are still marked as seen, and so are no candidates. */
static ferry_status rank_without(search *s, const unsigned char *set, size_t *first,
                                 ferry_error *error)
{
    ferry_visitor *visitor = s->visitor;
    ferry_recommendation top;
    size_t kept = 0, count = 0;
    for (size_t i = 0; i < s->T; i++)
        if (!set[i]) s->left[kept++] = s->all[i];
    visitor->events = s->left;
    visitor->count = kept;
    ferry_status status = ferry_visitor_recommend(visitor, &s->options, &top, &count, NULL, error);
    visitor->events = s->all;
    visitor->count = s->T;
    *first = status == FERRY_OK && count > 0 ? top.item : FERRY_NO_ITEM;
    return status == FERRY_EMPTY_HISTORY ? FERRY_OK : status;
}

static size_t size_of(const search *s, const unsigned char *set)
{
    size_t count = 0;
    for (size_t i = 0; i < s->T; i++) count += set[i];
    return count;
}

/* Keeps s->tried as the best if another item is first without it. */
static ferry_status try_set(search *s, bool *replaces, ferry_error *error)
{
    size_t first;
    FERRY_TRY(rank_without(s, s->tried, &first, error));
    *replaces = first != FERRY_NO_ITEM && first != s->top;
    if (!*replaces) return FERRY_OK;
    memcpy(s->best, s->tried, s->T);
    s->best_count = size_of(s, s->tried);
    s->instead = first;
    return FERRY_OK;
}

/* ---- by contribution ---- */

/* Leaves out what speaks most for the top until it goes; then takes back what need not be out. */
static ferry_status search_greedily(search *s, ferry_error *error)
{
    bool replaces = false;
    memset(s->tried, 0, s->T);
    for (size_t i = 0; i < s->T && !replaces; i++) {
        s->tried[s->order[i]] = 1;
        FERRY_TRY(try_set(s, &replaces, error));
    }
    for (size_t i = s->T; i-- > 0 && s->best_count > 1;) {
        memcpy(s->tried, s->best, s->T);
        if (!s->tried[s->order[i]]) continue;
        s->tried[s->order[i]] = 0;
        FERRY_TRY(try_set(s, &replaces, error));
    }
    return FERRY_OK;
}

/* ---- every set, smallest first ---- */

/* The next set of `size` of the order's first T: positions ascending, as words in a dictionary. */
static bool next_set(size_t *positions, size_t size, size_t T)
{
    size_t i = size;
    while (i > 0 && positions[i - 1] == T - size + (i - 1)) i--;
    if (i == 0) return false;
    positions[i - 1]++;
    for (; i < size; i++) positions[i] = positions[i - 1] + 1;
    return true;
}

static ferry_status search_all(search *s, ferry_error *error)
{
    size_t most = s->best_count > 0 ? s->best_count - 1 : s->T;
    size_t positions[MOST_EXACT];
    for (size_t size = s->least; size <= most; size++, s->least = size) {
        for (size_t i = 0; i < size; i++) positions[i] = i;
        do {
            bool replaces;
            memset(s->tried, 0, s->T);
            for (size_t i = 0; i < size; i++) s->tried[s->order[positions[i]]] = 1;
            FERRY_TRY(try_set(s, &replaces, error));
            if (replaces) return FERRY_OK;
        } while (next_set(positions, size, s->T));
    }
    return FERRY_OK;
}

/* ---- without a model ---- */

/*
 * Without a model an item ranks before the top if sum of w_j (v_j . top - v_j . item) over what is
 * left is below 0: the smallest set for one item is its largest terms, taken one by one. So the
 * smallest of all is found at once, but for what is too near to call in floats.
 */
typedef struct linear {
    float *vectors;    /* [T, N] of the events, in the weights of the modalities that are wanted */
    float *top, *dots; /* [T] each */
    double *lead;      /* [T] of the top before an item */
    size_t *taken;     /* [T] the largest terms */
    unsigned char *mark; /* [T] */
} linear;

/* Places of lead's largest terms until what is left is below `below`; how many, most + 1: more
 * than most. */
static size_t take_largest(const linear *l, size_t T, double rest, double below, size_t most)
{
    size_t count = 0;
    memset(l->mark, 0, T);
    while (!(rest < below)) {
        size_t largest = T;
        if (count == most) return most + 1;
        for (size_t j = 0; j < T; j++)
            if (!l->mark[j] && (largest == T || l->lead[j] > l->lead[largest])) largest = j;
        l->mark[largest] = 1;
        l->taken[count++] = largest;
        rest -= l->lead[largest];
    }
    return count;
}

/* Products of the events' vectors with the item, l->vectors . item: [T] */
static void products(const search *s, const linear *l, size_t item, float *out)
{
    const ferry_catalog *catalog = s->visitor->catalog;
    size_t N = catalog->dimension;
    float gain = s->visitor->modalities.gain[catalog->modalities[item]];
    catalog->kernels->dot_rows(l->vectors, catalog->vectors + item * N, out, s->T, N);
    for (size_t j = 0; j < s->T; j++) out[j] = out[j] * gain;
}

/* The event's row, in the weights wanted. */
static void copy_row(const search *s, size_t event, float *out)
{
    const ferry_catalog *catalog = s->visitor->catalog;
    const ferry_reweighing *weights = &s->visitor->modalities;
    uint32_t item = s->all[event].item;
    const float *row = catalog->vectors + item * catalog->dimension;
    for (size_t i = 0; i < catalog->segment_count; i++) {
        const ferry_segment *segment = &catalog->segments[i];
        float by = weights->ratio[i] * weights->gain[catalog->modalities[item]];
        for (size_t n = segment->offset; n < segment->offset + segment->dimension; n++)
            out[n] = row[n] * by;
    }
}

/* Looks at one item: lowers s->least, and takes over a smaller set into s->tried. */
static void consider(search *s, linear *l, size_t item, size_t *found)
{
    double rest = 0.0, size = 0.0;
    products(s, l, item, l->dots);
    for (size_t j = 0; j < s->T; j++) {
        l->lead[j] = (double)s->weights[j] * ((double)l->top[j] - (double)l->dots[j]);
        rest += l->lead[j];
        size += fabs((double)s->weights[j]);
    }
    if (s->least > 1) {
        size_t least = take_largest(l, s->T, rest, NEAR * size, s->least - 1);
        if (least < s->least) s->least = least > 1 ? least : 1;
    }
    size_t most = *found > 0 ? *found - 1 : s->T - 1; /* something must be left to rank by */
    if (most < s->least) return;
    size_t count = take_largest(l, s->T, rest, -NEAR * size, most);
    if (count > most || count == 0) return;
    memset(s->tried, 0, s->T);
    for (size_t i = 0; i < count; i++) s->tried[l->taken[i]] = 1;
    *found = count;
}

static ferry_status search_linearly(search *s, ferry_error *error)
{
    const ferry_catalog *catalog = s->visitor->catalog;
    size_t N = catalog->dimension, T = s->T, count, found = 0;
    linear l = {0};
    if (T == 1) return FERRY_OK; /* there is no list without it */
    l.vectors = ferry_arena_array(&s->arena, T, N * sizeof *l.vectors);
    l.top = ferry_arena_array(&s->arena, T, sizeof *l.top);
    l.dots = ferry_arena_array(&s->arena, T, sizeof *l.dots);
    l.lead = ferry_arena_array(&s->arena, T, sizeof *l.lead);
    l.taken = ferry_arena_array(&s->arena, T, sizeof *l.taken);
    l.mark = ferry_arena_array(&s->arena, T, 1);
    ferry_recommendation *list = ferry_arena_array(&s->arena, catalog->count, sizeof *list);
    if (l.vectors == NULL || l.top == NULL || l.dots == NULL || l.lead == NULL || l.taken == NULL ||
        l.mark == NULL || list == NULL)
        return ferry_fail_memory(error, "the counterfactual");
    ferry_recommend_options all = s->options; /* and whatever may come in once events are out */
    all.k = catalog->count;
    all.keep_duplicates = true;
    all.disliked_cosine = 2.0f;
    all.at_most_count = all.quota_count = 0;
    all.diversity = 0.0f;
    FERRY_TRY(ferry_visitor_recommend(s->visitor, &all, list, &count, NULL, error));
    for (size_t j = 0; j < T; j++) copy_row(s, j, l.vectors + j * N);
    products(s, &l, s->top, l.top);
    size_t looked = count < MOST_PRODUCTS / T ? count : MOST_PRODUCTS / T;
    s->least = T;
    for (size_t i = 0; i < looked; i++)
        if (list[i].item != s->top) consider(s, &l, list[i].item, &found);
    if (looked < count) s->least = 1; /* nothing is proven of the others */
    bool replaces;
    return found > 0 ? try_set(s, &replaces, error) : FERRY_OK;
}

/* ---- all of it ---- */

/* s->order, by an explanation of the top. */
static ferry_status order_events(search *s, ferry_error *error)
{
    ferry_explanation *why;
    FERRY_TRY(ferry_visitor_explain(s->visitor, &s->options, s->top, &why, error));
    for (size_t i = 0; i < s->T; i++) {
        double sum = why->events[s->all[i].added].sum;
        size_t at = i;
        for (; at > 0 && why->events[s->all[s->order[at - 1]].added].sum < sum; at--)
            s->order[at] = s->order[at - 1];
        s->order[at] = i;
    }
    ferry_explanation_free(why);
    return FERRY_OK;
}

static ferry_status begin(search *s, const ferry_recommend_options *options, ferry_error *error)
{
    ferry_visitor *visitor = s->visitor;
    FERRY_TRY(ferry_options_read(options, "ferry_recommend_options", &s->options, sizeof s->options,
                                 error));
    s->options.size = sizeof s->options;
    s->options.k = 1;
    if (s->options.now == 0 && s->T > 0) /* the newest event's, also without that event */
        s->options.now = visitor->events[s->T - 1].timestamp;
    s->left = ferry_arena_array(&s->arena, visitor->capacity, sizeof *s->left);
    s->weights = ferry_arena_array(&s->arena, s->T, sizeof *s->weights);
    s->order = ferry_arena_array(&s->arena, s->T, sizeof *s->order);
    s->tried = ferry_arena_array(&s->arena, s->T, 1);
    s->best = ferry_arena_array(&s->arena, s->T, 1);
    if (s->left == NULL || s->weights == NULL || s->order == NULL || s->tried == NULL ||
        s->best == NULL)
        return ferry_fail_memory(error, "the counterfactual");
    ferry_recommendation top;
    size_t count;
    FERRY_TRY(ferry_visitor_recommend(visitor, &s->options, &top, &count, NULL, error));
    s->top = count > 0 ? top.item : FERRY_NO_ITEM;
    for (size_t i = 0; i < s->T; i++) s->weights[i] = visitor->events[i].weight * visitor->scale[i];
    return FERRY_OK;
}

static ferry_status find(search *s, ferry_error *error)
{
    bool replaces;
    FERRY_TRY(order_events(s, error));
    s->tried[s->order[0]] = 1; /* most often that is all */
    FERRY_TRY(try_set(s, &replaces, error));
    if (replaces) return FERRY_OK;
    if (s->visitor->model == NULL) FERRY_TRY(search_linearly(s, error));
    if (s->best_count == 0) FERRY_TRY(search_greedily(s, error));
    return s->T <= MOST_EXACT ? search_all(s, error) : FERRY_OK;
}

typedef struct owned {
    ferry_counterfactual counterfactual; /* first, so that one pointer is both */
    ferry_arena arena;
} owned;

void ferry_counterfactual_free(ferry_counterfactual *counterfactual)
{
    if (counterfactual == NULL) return;
    owned *o = (owned *)(void *)counterfactual;
    ferry_allocator allocator = o->arena.allocator;
    ferry_arena_free(&o->arena);
    ferry_release(&allocator, o, sizeof *o);
}

static ferry_status give(const search *s, ferry_counterfactual **out, ferry_error *error)
{
    owned *o = ferry_allocate(&s->arena.allocator, 1, sizeof *o);
    if (o == NULL) return ferry_fail_memory(error, "the counterfactual");
    ferry_arena_init(&o->arena, s->arena.allocator);
    size_t *events = ferry_arena_array(&o->arena, s->best_count, sizeof *events);
    size_t *items = ferry_arena_array(&o->arena, s->best_count, sizeof *items);
    if (events == NULL || items == NULL) {
        ferry_counterfactual_free(&o->counterfactual);
        return ferry_fail_memory(error, "the counterfactual");
    }
    size_t count = 0;
    for (size_t i = 0; i < s->T; i++) {
        if (!s->best[i]) continue;
        size_t added = (size_t)s->all[i].added, at = count++;
        for (; at > 0 && events[at - 1] > added; at--) {
            events[at] = events[at - 1];
            items[at] = items[at - 1];
        }
        events[at] = added;
        items[at] = s->all[i].item;
    }
    bool smallest = s->T <= MOST_EXACT || s->best_count <= s->least;
    o->counterfactual = (ferry_counterfactual){s->top, s->instead, events, items, count, smallest};
    *out = &o->counterfactual;
    return FERRY_OK;
}

ferry_status ferry_visitor_counterfactual(ferry_visitor *visitor,
                                          const ferry_recommend_options *options,
                                          ferry_counterfactual **out, ferry_error *error)
{
    search s = {.visitor = visitor, .all = visitor->events, .T = visitor->count, .least = 1};
    *out = NULL;
    ferry_arena_init(&s.arena, visitor->allocator);
    ferry_status status = begin(&s, options, error);
    if (status == FERRY_OK && s.top != FERRY_NO_ITEM && s.T > 0) status = find(&s, error);
    if (status == FERRY_OK && s.best_count > 0) status = give(&s, out, error);
    ferry_arena_free(&s.arena);
    return status;
}
