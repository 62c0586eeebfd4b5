#include "rank/diversify.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/names.h"
#include "input/fold.h"
#include "rank/topk.h"

/* COMPARED: a duplicate's text is looked for among so many of the list before an item; a list of
 * all of a shop would else take the square of it. Titles are looked for in the whole list. */
enum { SLACK = 16, TAKEN = UINT32_MAX, COMPARED = 256 };

/* At most so many with one value of a field. */
typedef struct limit {
    const ferry_field_column *column;
    size_t most;
    uint32_t *used;    /* [column->keys.count] how many of the list have the value */
    uint32_t *counted; /* [column->keys.count] the list's length when it last was counted */
} limit;

typedef struct maker {
    ferry_visitor *visitor;
    const ferry_catalog *catalog;
    const ferry_recommend_options *options;
    ferry_arena arena;
    ferry_excluded *removed;

    ferry_recommendation *list; /* [count] of [options->k], the caller's */
    size_t count;

    /* The candidates next in score, best first, and how near each is to the list (MMR). */
    ferry_recommendation *pool; /* [pool_count] of [pool_size] */
    float *nearness;            /* [pool_size] largest cosine to an item of the list */
    size_t pool_count, pool_size, pool_next;
    ferry_recommendation last; /* of the pool before */
    size_t left;               /* candidates that were not in a pool yet */
    float lowest, highest;     /* scores of the first pool, which are 0 and 1 to MMR */

    const uint32_t *disliked; /* [disliked_count] items to have none like them */
    size_t disliked_count;
    ferry_names titles;  /* of the history and the list, with their domain, in lower case */
    ferry_buffer title;  /* scratch */
    size_t *domain_left; /* [catalog->domain_count] quotas; NULL: none */
    limit *limits;       /* [options->at_most_count] */
} maker;

static const float *vector_of(const maker *m, size_t item)
{
    return m->catalog->vectors + item * m->catalog->dimension;
}

/* How near two items are in all they are known by. */
static float nearness_of(const maker *m, size_t a, size_t b)
{
    float dot;
    m->catalog->kernels->dot_rows(vector_of(m, a), vector_of(m, b), &dot, 1, m->catalog->dimension);
    return dot;
}

/* Without a title an item's vector says too little to be taken for its likeness to another. */
static bool has_title(const maker *m, size_t item)
{
    return m->catalog->items[item].item.title[0] != '\0';
}

/* ---- titles ---- */

/* The item's title in lower case behind its domain, into m->title: the film of a book is another
 * thing. */
static bool fold_title(maker *m, size_t item)
{
    const ferry_catalog_entry *entry = &m->catalog->items[item];
    const char *title = entry->item.title;
    m->title.size = 0;
    return ferry_buffer_append(&m->title, entry->item.domain, strlen(entry->item.domain)) &&
           ferry_buffer_append(&m->title, "\n", 1) &&
           ferry_fold_text(&m->title, title, strlen(title), true) &&
           ferry_buffer_append(&m->title, "", 1);
}

static ferry_status add_title(maker *m, size_t item, ferry_error *error)
{
    uint32_t number;
    if (!has_title(m, item)) return FERRY_OK;
    return fold_title(m, item) && ferry_names_add(&m->titles, m->title.data, &number, NULL)
               ? FERRY_OK
               : ferry_fail_memory(error, "the titles of the list");
}

/* ---- preparing ---- */

/* The history's titles: who has the thing wants no other copy of it. */
static ferry_status read_titles(maker *m, ferry_error *error)
{
    if (m->options->keep_duplicates || m->options->keep_seen) return FERRY_OK;
    for (size_t i = 0; i < m->visitor->count; i++)
        FERRY_TRY(add_title(m, m->visitor->events[i].item, error));
    return FERRY_OK;
}

/* Items whose newest event pushes away. "Not interested" weighs nothing: it is about the one item.
 */
static ferry_status read_disliked(maker *m, ferry_error *error)
{
    const ferry_visitor *visitor = m->visitor;
    size_t negative = 0;
    if (m->options->keep_disliked || m->options->disliked_cosine > 1.0f) return FERRY_OK;
    for (size_t i = 0; i < visitor->count; i++) negative += visitor->events[i].weight < 0.0f;
    if (negative == 0) return FERRY_OK;
    uint32_t *disliked = ferry_arena_array(&m->arena, negative, sizeof *disliked);
    unsigned char *newer = ferry_arena_array(&m->arena, m->catalog->count, 1);
    if (disliked == NULL || newer == NULL) return ferry_fail_memory(error, "disliked items");
    for (size_t i = visitor->count; i-- > 0;) {
        const ferry_history_event *event = &visitor->events[i];
        bool is_newest = !newer[event->item];
        newer[event->item] = 1;
        if (is_newest && event->weight < 0.0f && has_title(m, event->item))
            disliked[m->disliked_count++] = event->item;
    }
    m->disliked = disliked;
    return FERRY_OK;
}

static ferry_status read_limits(maker *m, ferry_error *error)
{
    const ferry_recommend_options *options = m->options;
    if (options->quota_count > 0) {
        m->domain_left =
            ferry_arena_array(&m->arena, m->catalog->domain_count, sizeof *m->domain_left);
        if (m->domain_left == NULL) return ferry_fail_memory(error, "the quotas");
        for (size_t d = 0; d < m->catalog->domain_count; d++) m->domain_left[d] = SIZE_MAX;
    }
    for (size_t i = 0; i < options->quota_count; i++) {
        const char *name = options->quotas[i].name;
        uint32_t domain =
            name != NULL ? ferry_catalog_find_domain(m->catalog, name) : FERRY_NO_ITEM;
        if (domain == FERRY_NO_ITEM)
            return ferry_fail(error, FERRY_NOT_FOUND,
                              "a quota's domain \"%s\" is not in the catalogue",
                              name != NULL ? name : "");
        m->domain_left[domain] = options->quotas[i].most;
    }
    m->limits = ferry_arena_array(&m->arena, options->at_most_count, sizeof *m->limits);
    if (m->limits == NULL) return ferry_fail_memory(error, "the limits");
    for (size_t i = 0; i < options->at_most_count; i++) {
        limit *l = &m->limits[i];
        l->column = ferry_fields_find(&m->visitor->fields, options->at_most[i].name);
        l->most = options->at_most[i].most;
        l->used = ferry_arena_array(&m->arena, l->column->keys.count, sizeof *l->used);
        l->counted = ferry_arena_array(&m->arena, l->column->keys.count, sizeof *l->counted);
        if (l->used == NULL || l->counted == NULL) return ferry_fail_memory(error, "the limits");
    }
    return FERRY_OK;
}

/* ---- what is passed over ---- */

static bool is_like_disliked(const maker *m, size_t item)
{
    if (m->disliked_count == 0 || !has_title(m, item)) return false;
    for (size_t i = 0; i < m->disliked_count; i++)
        if (ferry_catalog_text_cosine(m->catalog, item, m->disliked[i]) >=
            m->options->disliked_cosine)
            return true;
    return false;
}

static ferry_status is_duplicate(maker *m, size_t item, bool *out, ferry_error *error)
{
    const ferry_catalog_entry *items = m->catalog->items;
    *out = false;
    if (m->options->keep_duplicates || !has_title(m, item)) return FERRY_OK;
    if (!fold_title(m, item)) return ferry_fail_memory(error, "the titles of the list");
    *out = ferry_names_find(&m->titles, m->title.data) != FERRY_NO_NAME;
    if (m->options->duplicate_cosine > 1.0f) return FERRY_OK;
    for (size_t i = m->count > COMPARED ? m->count - COMPARED : 0; i < m->count && !*out; i++) {
        size_t other = m->list[i].item;
        *out = items[other].domain == items[item].domain && has_title(m, other) &&
               ferry_catalog_text_cosine(m->catalog, item, other) >= m->options->duplicate_cosine;
    }
    return FERRY_OK;
}

/* The item's value in a limit's field, or a list's values. */
static const uint32_t *values_of(const limit *l, size_t item, size_t *count)
{
    const uint32_t *number = &l->column->of_item[item];
    const ferry_field_value *value = &l->column->values[*number];
    *count = value->kind == FERRY_VALUE_LIST ? value->count : *number != FERRY_NO_VALUE;
    return value->kind == FERRY_VALUE_LIST ? l->column->elements + value->first : number;
}

static bool is_over_limit(const maker *m, size_t item)
{
    if (m->domain_left != NULL && m->domain_left[m->catalog->items[item].domain] == 0) return true;
    for (size_t i = 0; i < m->options->at_most_count; i++) {
        const limit *l = &m->limits[i];
        size_t count;
        const uint32_t *values = values_of(l, item, &count);
        for (size_t v = 0; v < count; v++)
            if (l->used[values[v]] >= l->most) return true;
    }
    return false;
}

static ferry_status is_passed_over(maker *m, size_t item, bool *out, ferry_error *error)
{
    bool duplicate = false, over = false, like = is_like_disliked(m, item);
    if (!like) FERRY_TRY(is_duplicate(m, item, &duplicate, error));
    if (!like && !duplicate) over = is_over_limit(m, item);
    m->removed->disliked += like;
    m->removed->duplicate += duplicate;
    m->removed->limited += over;
    *out = like || duplicate || over;
    return FERRY_OK;
}

/* ---- the pool ---- */

/* How many candidates to begin with: no more than k where none can be passed over. */
static size_t first_pool_size(const maker *m)
{
    const ferry_recommend_options *options = m->options;
    size_t k = options->k < m->left ? options->k : m->left; /* it may be any number */
    if (options->diversity > 0.0f)
        return k > FERRY_DIVERSITY_POOL / 3 ? 3 * k : FERRY_DIVERSITY_POOL;
    bool all_stay = options->keep_duplicates && m->disliked_count == 0 &&
                    options->quota_count == 0 && options->at_most_count == 0;
    return all_stay ? k : 2 * k + SLACK;
}

static void come_near(maker *m, size_t item)
{
    for (size_t i = 0; i < m->pool_count; i++) {
        if (m->pool[i].item == TAKEN) continue;
        float near = nearness_of(m, m->pool[i].item, item);
        if (near > m->nearness[i]) m->nearness[i] = near;
    }
}

/* The best candidates behind those of the pools before; each pool has twice as many. */
static ferry_status fill_pool(maker *m, ferry_error *error)
{
    bool first = m->pool == NULL;
    size_t size = first ? first_pool_size(m) : 2 * m->pool_size;
    if (size > m->left) size = m->left;
    ferry_topk top = {.before = ferry_topk_by_name, .set = m->catalog, .k = size};
    top.heap = ferry_arena_array(&m->arena, size, sizeof *top.heap);
    m->nearness = ferry_arena_array(&m->arena, size, sizeof *m->nearness);
    if (top.heap == NULL || m->nearness == NULL)
        return ferry_fail_memory(error, "the candidates of the list");
    for (size_t i = 0; i < m->catalog->count; i++) {
        ferry_recommendation entry = {i, m->visitor->scores[i]};
        if (m->visitor->candidate[i] && (first || ferry_topk_before(&top, m->last, entry)))
            ferry_topk_push(&top, i, entry.score);
    }
    ferry_topk_sort(&top);
    m->pool = top.heap;
    m->pool_count = m->pool_size = top.count;
    m->pool_next = 0;
    m->left =
        top.count > 0 ? m->left - top.count : 0; /* not a number stands nowhere in the order */
    if (top.count == 0) return FERRY_OK;
    m->last = m->pool[top.count - 1];
    if (first) {
        m->highest = m->pool[0].score;
        m->lowest = m->last.score;
    }
    if (m->options->diversity == 0.0f) return FERRY_OK;
    for (size_t i = 0; i < m->pool_count; i++) m->nearness[i] = -1.0f;
    for (size_t i = 0; i < m->count; i++) come_near(m, m->list[i].item);
    return FERRY_OK;
}

/*
 * Takes one out of the pool; false if it is empty. Maximal marginal relevance (Carbonell and
 * Goldstein, SIGIR 1998): the largest (1 - diversity) * relevance - diversity * nearness, of equal
 * ones the better ranked. Relevance is the score on a line from 0 at the first pool's worst to 1 at
 * its best: cosines and logarithms of chances then weigh alike against nearness, a cosine.
 */
static bool take(maker *m, ferry_recommendation *out)
{
    float diversity = m->options->diversity, range = m->highest - m->lowest, most = 0.0f;
    size_t best = m->pool_next; /* without diversity the next, and none is ever TAKEN */
    if (diversity > 0.0f) best = m->pool_count;
    for (size_t i = 0; diversity > 0.0f && i < m->pool_count; i++) {
        if (m->pool[i].item == TAKEN) continue;
        float relevance = range > 0.0f ? (m->pool[i].score - m->lowest) / range : 0.0f;
        float value = (1.0f - diversity) * relevance - diversity * m->nearness[i];
        if (best < m->pool_count && !(value > most)) continue;
        best = i;
        most = value;
    }
    if (best >= m->pool_count) return false;
    *out = m->pool[best];
    if (diversity > 0.0f)
        m->pool[best].item = TAKEN;
    else
        m->pool_next++;
    return true;
}

/* ---- the list ---- */

static ferry_status append(maker *m, ferry_recommendation entry, ferry_error *error)
{
    if (!m->options->keep_duplicates) FERRY_TRY(add_title(m, entry.item, error));
    m->list[m->count++] = entry;
    uint32_t domain = m->catalog->items[entry.item].domain;
    if (m->domain_left != NULL && m->domain_left[domain] != SIZE_MAX) m->domain_left[domain]--;
    for (size_t i = 0; i < m->options->at_most_count; i++) {
        size_t count;
        limit *l = &m->limits[i];
        const uint32_t *values = values_of(l, entry.item, &count);
        for (size_t v = 0; v < count; v++) { /* a list may have a value twice */
            l->used[values[v]] += l->counted[values[v]] != m->count;
            l->counted[values[v]] = (uint32_t)m->count;
        }
    }
    if (m->options->diversity > 0.0f) come_near(m, entry.item);
    return FERRY_OK;
}

static ferry_status make(maker *m, ferry_error *error)
{
    FERRY_TRY(read_titles(m, error));
    FERRY_TRY(read_disliked(m, error));
    FERRY_TRY(read_limits(m, error));
    while (m->count < m->options->k) {
        ferry_recommendation next;
        bool passed_over;
        if (m->pool == NULL || !take(m, &next)) {
            if (m->left == 0) break;
            FERRY_TRY(fill_pool(m, error));
            continue;
        }
        FERRY_TRY(is_passed_over(m, next.item, &passed_over, error));
        if (!passed_over) FERRY_TRY(append(m, next, error));
    }
    return FERRY_OK;
}

ferry_status ferry_diversify(ferry_visitor *visitor, const ferry_recommend_options *options,
                             size_t left, ferry_recommendation *out, size_t *count,
                             ferry_excluded *removed, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    maker m = {.visitor = visitor,
               .catalog = catalog,
               .options = options,
               .removed = removed,
               .list = out,
               .left = left};
    ferry_arena_init(&m.arena, catalog->allocator);
    ferry_names_init(&m.titles, catalog->allocator);
    ferry_buffer_init(&m.title, catalog->allocator);
    ferry_status status = make(&m, error);
    ferry_buffer_free(&m.title);
    ferry_names_free(&m.titles);
    ferry_arena_free(&m.arena);
    *count = status == FERRY_OK ? m.count : 0;
    return status;
}
