/* Titles, order, repeated events, the core: what leaves out rows that could be read. */
#include <stdlib.h>

#include "base/error.h"
#include "recsys/prepare_state.h"
#include "recsys/titles.h"

/* ---- items of one title ---- */

/* leader [domain->ids.count] */
static ferry_status group_titles(ferry_prepare *p, raw_domain *domain, uint32_t *leader,
                                 ferry_error *error)
{
    ferry_titles_found found;
    size_t count = domain->ids.count;
    if (count == 0) return FERRY_OK;
    const char **titles = ferry_allocate(&p->allocator, count, sizeof *titles);
    if (titles == NULL) return ferry_fail_memory(error, "the titles");
    for (size_t i = 0; i < count; i++) titles[i] = domain->items[i].title;
    ferry_status status = ferry_titles_group(titles, count, &p->allocator, leader, &found, error);
    ferry_release(&p->allocator, titles, count * sizeof *titles);
    domain->equal_titles = found.equal;
    domain->near_titles = found.near;
    return status;
}

ferry_status ferry_prepare_titles(ferry_prepare *p, ferry_error *error)
{
    size_t count = p->domain_names.count;
    uint32_t **leaders = ferry_arena_array(&p->arena, count, sizeof *leaders);
    if (leaders == NULL) return ferry_fail_memory(error, "the titles");
    for (size_t d = 0; d < count; d++) {
        raw_domain *domain = &p->domains[d];
        leaders[d] = ferry_arena_array(&p->arena, domain->ids.count, sizeof **leaders);
        if (leaders[d] == NULL) return ferry_fail_memory(error, "the titles");
        FERRY_TRY(group_titles(p, domain, leaders[d], error));
        for (size_t i = 0; p->options.merge_titles && i < domain->ids.count; i++) {
            if (leaders[d][i] == i) continue;
            domain->items[i].dropped = true;
            domain->merged++;
        }
    }
    for (size_t e = 0; p->options.merge_titles && e < p->event_count; e++)
        p->events[e].item = leaders[p->events[e].domain][p->events[e].item];
    return FERRY_OK;
}

/* ---- order ---- */

static int by_place(const void *left, const void *right)
{
    const raw_event *a = left, *b = right;
    if (a->domain != b->domain) return a->domain < b->domain ? -1 : 1;
    if (a->user != b->user) return a->user < b->user ? -1 : 1;
    if (a->timestamp != b->timestamp) return a->timestamp < b->timestamp ? -1 : 1;
    if (a->position != b->position) return a->position < b->position ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

void ferry_prepare_order(ferry_prepare *p)
{
    if (p->event_count > 0) qsort(p->events, p->event_count, sizeof *p->events, by_place);
}

/* The end of the rows that begin at e: of one domain and user. */
static size_t end_of_user(const ferry_prepare *p, size_t e)
{
    size_t end = e + 1;
    while (end < p->event_count && p->events[end].domain == p->events[e].domain &&
           p->events[end].user == p->events[e].user)
        end++;
    return end;
}

/* ---- repeated events ---- */

typedef struct event_key {
    int64_t timestamp; /* 0 where it does not matter */
    uint32_t item, place;
    uint8_t behavior;
} event_key;

static bool same_key(const event_key *a, const event_key *b)
{
    return a->item == b->item && a->behavior == b->behavior && a->timestamp == b->timestamp;
}

static int by_key(const void *left, const void *right)
{
    const event_key *a = left, *b = right;
    if (a->item != b->item) return a->item < b->item ? -1 : 1;
    if (a->behavior != b->behavior) return a->behavior < b->behavior ? -1 : 1;
    if (a->timestamp != b->timestamp) return a->timestamp < b->timestamp ? -1 : 1;
    return a->place < b->place ? -1 : a->place > b->place;
}

/* Marks the repeated ones of the events [begin, end) in dropped; keys is [end - begin] scratch. */
static void mark_repeated(const ferry_prepare *p, size_t begin, size_t end, event_key *keys,
                          uint8_t *dropped)
{
    ferry_dedupe dedupe = p->options.dedupe_events;
    size_t count = 0;
    for (size_t e = begin; e < end; e++) {
        const raw_event *event = &p->events[e];
        if (dedupe == FERRY_DEDUPE_EXACT && event->timestamp == 0) continue; /* nobody knows */
        keys[count++] = (event_key){dedupe == FERRY_DEDUPE_EXACT ? event->timestamp : 0,
                                    event->item, (uint32_t)e, event->behavior};
    }
    qsort(keys, count, sizeof *keys, by_key);
    for (size_t i = 1; i < count; i++)
        if (same_key(&keys[i - 1], &keys[i]))
            dropped[keys[dedupe == FERRY_DEDUPE_LAST ? i - 1 : i].place] = 1;
}

static size_t compact(ferry_prepare *p, const uint8_t *dropped)
{
    size_t kept = 0, before = p->event_count;
    for (size_t e = 0; e < before; e++)
        if (!dropped[e]) p->events[kept++] = p->events[e];
    p->event_count = kept;
    return before - kept;
}

ferry_status ferry_prepare_dedupe(ferry_prepare *p, ferry_error *error)
{
    size_t count = p->event_count;
    if (p->options.dedupe_events == FERRY_DEDUPE_NONE || count == 0) return FERRY_OK;
    event_key *keys = ferry_allocate(&p->allocator, count, sizeof *keys);
    uint8_t *dropped = ferry_allocate(&p->allocator, count, 1);
    if (keys != NULL && dropped != NULL) {
        for (size_t e = 0, end; e < count; e = end) {
            end = end_of_user(p, e);
            if (end - e > 1) mark_repeated(p, e, end, keys, dropped);
        }
        p->duplicates = compact(p, dropped);
    }
    bool done = keys != NULL && dropped != NULL;
    ferry_release(&p->allocator, keys, count * sizeof *keys);
    ferry_release(&p->allocator, dropped, count);
    return done ? FERRY_OK : ferry_fail_memory(error, "the events");
}

/* ---- what would tell of the events that leave-one-out holds out ---- */

/* Events of other behaviours that come after the first of the events that are held out, or are of
 * their items: who plays it has bought it. events [begin, end) are one user's. */
static void mark_telling(const ferry_prepare *p, size_t begin, size_t end, uint32_t target,
                         uint8_t *dropped)
{
    size_t held[2], found = 0, count = 0;
    for (size_t e = begin; e < end; e++) count += p->events[e].behavior == target;
    size_t wanted = count >= 3 ? 2 : count >= 2;
    for (size_t e = end; e > begin && found < wanted; e--)
        if (p->events[e - 1].behavior == target) held[found++] = e - 1;
    for (size_t e = begin; e < end && found > 0; e++) {
        bool tells = e > held[found - 1];
        for (size_t i = 0; i < found; i++)
            tells = tells || p->events[e].item == p->events[held[i]].item;
        if (tells && p->events[e].behavior != target) dropped[e] = 1;
    }
}

ferry_status ferry_prepare_drop_telling(ferry_prepare *p, ferry_error *error)
{
    const char *name = p->options.split.target_behavior;
    size_t count = p->event_count;
    if (name == NULL || p->options.split.split != FERRY_SPLIT_LOO || count == 0) return FERRY_OK;
    uint32_t target = ferry_names_find(&p->behaviors, name);
    uint8_t *dropped = ferry_allocate(&p->allocator, count, 1);
    if (dropped == NULL) return ferry_fail_memory(error, "the events");
    for (size_t e = 0, end; e < count; e = end) {
        end = end_of_user(p, e);
        mark_telling(p, e, end, target, dropped);
    }
    p->telling = compact(p, dropped);
    ferry_release(&p->allocator, dropped, count);
    return FERRY_OK;
}

/* ---- the core ---- */

/* One round over the events [0, count): those of a user or item with fewer than K go. The users'
 * counts are their rows' lengths; items [domain->ids.count] is scratch. How many are left. */
static size_t core_round(raw_event *events, size_t count, size_t K, uint32_t *items,
                         size_t item_count, size_t *users_dropped)
{
    size_t kept = 0;
    memset(items, 0, item_count * sizeof *items);
    for (size_t e = 0; e < count; e++) items[events[e].item]++;
    for (size_t begin = 0, end; begin < count; begin = end) {
        size_t before = kept;
        for (end = begin; end < count && events[end].user == events[begin].user; end++) continue;
        for (size_t e = begin; e < end && end - begin >= K; e++)
            if (items[events[e].item] >= K) events[kept++] = events[e];
        *users_dropped += kept == before;
    }
    return kept;
}

/* Reduces the domain's events [0, count) to its core; how many are left. items: as above. */
static size_t reduce(const ferry_prepare *p, raw_domain *domain, raw_event *events, size_t count,
                     uint32_t *items)
{
    size_t K = p->options.core, left = count;
    for (;;) {
        size_t kept = core_round(events, left, K, items, domain->ids.count, &domain->core_users);
        if (kept == left) break;
        left = kept;
        domain->core_rounds++;
    }
    for (size_t i = 0; i < domain->ids.count; i++) {
        if (items[i] >= K || domain->items[i].dropped) continue;
        domain->items[i].dropped = true;
        domain->core_items++;
    }
    domain->core_events = count - left;
    return left;
}

ferry_status ferry_prepare_core(ferry_prepare *p, ferry_error *error)
{
    size_t most = 0, kept = 0, begin = 0;
    if (p->options.core <= 1) return FERRY_OK;
    for (size_t d = 0; d < p->domain_names.count; d++)
        if (p->domains[d].ids.count > most) most = p->domains[d].ids.count;
    if (most == 0) return FERRY_OK;
    uint32_t *items = ferry_allocate(&p->allocator, most, sizeof *items);
    if (items == NULL) return ferry_fail_memory(error, "the items' counts");
    for (size_t d = 0; d < p->domain_names.count; d++) {
        size_t end = begin;
        while (end < p->event_count && p->events[end].domain == d) end++;
        size_t left = reduce(p, &p->domains[d], p->events + begin, end - begin, items);
        memmove(p->events + kept, p->events + begin, left * sizeof *p->events);
        kept += left;
        begin = end;
    }
    p->event_count = kept;
    ferry_release(&p->allocator, items, most * sizeof *items);
    return FERRY_OK;
}
