#include "input/trie.h"

#include <string.h>

#include "base/error.h"

enum {
    BLOCK = 256,
    OPEN_BLOCKS = 16, /* gaps further back are given up: they are few and rarely fit */
    OPEN = OPEN_BLOCKS * BLOCK,
    MAX_TRIES = 128, /* gaps tried for a state before it gets a new block */
};

/* A state whose children are to be placed: entries [first, last) share their first depth bytes. */
typedef struct job {
    uint32_t node; /* where its base goes; UINT32_MAX: the root */
    uint32_t first, last, depth;
} job;

/* Of a node of an open block: all that is known of the others is in the trie. */
typedef struct slot {
    /* The ring of the unused ones; 0, which is in the dead block, is its head. */
    uint32_t previous, next;
    bool used; /* as a node */
    bool is_base;
} slot;

typedef struct builder {
    ferry_trie *trie;
    slot *slots;                         /* [1 + OPEN] the ring's head, then see slot_of */
    ferry_buffer jobs;                   /* of job, first in, first out */
    size_t done;                         /* bytes of jobs at its beginning */
    ferry_trie_entry *entries, *scratch; /* [count] */
    bool keep_last;
    const char *what;
    ferry_error *error;
} builder;

static ferry_trie_node *nodes_of(builder *b)
{
    return (ferry_trie_node *)(void *)b->trie->nodes.data;
}

static slot *slot_of(const builder *b, uint32_t node)
{
    return node == 0 ? b->slots : b->slots + 1 + node % OPEN;
}

static uint32_t node_count(const builder *b)
{
    return (uint32_t)(b->trie->nodes.size / sizeof(ferry_trie_node));
}

static void unlink_slot(builder *b, uint32_t node)
{
    const slot *at = slot_of(b, node);
    slot_of(b, at->previous)->next = at->next;
    slot_of(b, at->next)->previous = at->previous;
}

/* Nothing comes into a block any more: its unused nodes leave the ring and get a label no state
 * asks for, that of a base in their block that is none. */
static void close_block(builder *b, uint32_t start)
{
    uint32_t free_base = start;
    /* There is one if a node is unused, as each base has at least one node of its own. */
    while (free_base < start + BLOCK && slot_of(b, free_base)->is_base) free_base++;
    for (uint32_t i = start; i < start + BLOCK; i++) {
        if (slot_of(b, i)->used) continue;
        unlink_slot(b, i);
        nodes_of(b)[i].base_and_label = (i ^ free_base) & 0xFF;
    }
}

/* The first block, in which base 0 has no children: nobody takes nodes there. */
static ferry_status add_dead_block(builder *b)
{
    if (!ferry_buffer_reserve(&b->trie->nodes, BLOCK * sizeof(ferry_trie_node)))
        return ferry_fail_memory(b->error, b->what);
    b->trie->nodes.size = BLOCK * sizeof(ferry_trie_node);
    for (uint32_t i = 0; i < BLOCK; i++) nodes_of(b)[i] = (ferry_trie_node){~i & 0xFF, -1};
    return FERRY_OK;
}

/* 256 more nodes, unused, at the end of the ring; the oldest open block is closed. */
static ferry_status add_block(builder *b)
{
    uint32_t start = node_count(b);
    if (start + BLOCK > FERRY_TRIE_MAX_NODES)
        return ferry_fail(b->error, FERRY_LIMIT, "%s: more than %d trie nodes", b->what,
                          FERRY_TRIE_MAX_NODES);
    if (!ferry_buffer_reserve(&b->trie->nodes, BLOCK * sizeof(ferry_trie_node)))
        return ferry_fail_memory(b->error, b->what);
    b->trie->nodes.size += BLOCK * sizeof(ferry_trie_node);
    if (start > OPEN) close_block(b, start - OPEN);
    for (uint32_t i = start; i < start + BLOCK; i++) {
        uint32_t tail = b->slots->previous;
        nodes_of(b)[i] = (ferry_trie_node){0, -1};
        *slot_of(b, i) = (slot){.previous = tail, .next = 0};
        slot_of(b, tail)->next = i;
        b->slots->previous = i;
    }
    return FERRY_OK;
}

static bool fits(const builder *b, uint32_t base, const uint8_t *labels, size_t count)
{
    if (slot_of(b, base)->is_base) return false;
    for (size_t i = 0; i < count; i++) {
        if (slot_of(b, base ^ labels[i])->used) return false;
    }
    return true;
}

/* A base for children of these labels, whose nodes it takes. */
static ferry_status place(builder *b, const uint8_t *labels, size_t count, uint32_t *out)
{
    uint32_t base = 0;
    uint32_t at = b->slots->next;
    for (int tries = 0; at != 0 && base == 0 && tries < MAX_TRIES; tries++) {
        if (fits(b, at ^ labels[0], labels, count)) base = at ^ labels[0];
        at = slot_of(b, at)->next;
    }
    if (base == 0) {
        base = node_count(b);
        FERRY_TRY(add_block(b));
    }
    slot_of(b, base)->is_base = true;
    for (size_t i = 0; i < count; i++) {
        unlink_slot(b, base ^ labels[i]);
        slot_of(b, base ^ labels[i])->used = true;
        nodes_of(b)[base ^ labels[i]].base_and_label = labels[i];
    }
    *out = base;
    return FERRY_OK;
}

static uint8_t byte_at(const ferry_trie_entry *entry, size_t depth)
{
    return (uint8_t)entry->key[depth];
}

static void sort_few(ferry_trie_entry *entries, size_t count, size_t depth)
{
    for (size_t i = 1; i < count; i++) {
        ferry_trie_entry moved = entries[i];
        size_t at = i;
        for (; at > 0 && byte_at(&entries[at - 1], depth) > byte_at(&moved, depth); at--)
            entries[at] = entries[at - 1];
        entries[at] = moved;
    }
}

static void sort_many(ferry_trie_entry *entries, ferry_trie_entry *scratch, size_t count,
                      size_t depth)
{
    size_t starts[257] = {0};
    for (size_t i = 0; i < count; i++) starts[byte_at(&entries[i], depth) + 1]++;
    for (size_t byte = 0; byte < 256; byte++) starts[byte + 1] += starts[byte];
    for (size_t i = 0; i < count; i++) scratch[starts[byte_at(&entries[i], depth)]++] = entries[i];
    memcpy(entries, scratch, count * sizeof *entries);
}

/*
 * Sorts entries [first, last) by their byte at depth, stably, and lists the bytes there are with
 * the end of each one's entries. None of them ends at depth.
 */
static size_t group(builder *b, const job *range, uint8_t *labels, uint32_t *ends)
{
    ferry_trie_entry *entries = b->entries;
    size_t depth = range->depth, length = range->last - range->first, groups = 0;
    if (length <= 24)
        sort_few(entries + range->first, length, depth);
    else
        sort_many(entries + range->first, b->scratch, length, depth);
    for (uint32_t i = range->first; i < range->last; i++) {
        uint8_t byte = byte_at(&entries[i], depth);
        if (groups == 0 || labels[groups - 1] != byte) labels[groups++] = byte;
        ends[groups - 1] = i + 1;
    }
    return groups;
}

/* Takes the entries that end at depth out of the front of the range; sets their node's value. */
static ferry_status finish_keys(builder *b, job *range)
{
    ferry_trie_entry *entries = b->entries;
    uint32_t kept = range->last;
    int32_t value = -1;
    for (uint32_t i = range->last; i-- > range->first;) { /* from behind: the last is met first */
        if (entries[i].size > range->depth) {
            entries[--kept] = entries[i];
            continue;
        }
        if (value >= 0 && !b->keep_last)
            return ferry_fail(b->error, FERRY_MALFORMED, "%s: \"%.*s\" is there twice", b->what,
                              (int)(entries[i].size < 100 ? entries[i].size : 100), entries[i].key);
        if (value < 0) value = entries[i].value;
    }
    range->first = kept;
    if (value >= 0) nodes_of(b)[range->node].value = value;
    return FERRY_OK;
}

static ferry_status add_job(builder *b, job next)
{
    ferry_buffer *jobs = &b->jobs;
    if (jobs->size == jobs->capacity && b->done > jobs->size / 2) { /* in place of those done */
        jobs->size -= b->done;
        memmove(jobs->data, jobs->data + b->done, jobs->size);
        b->done = 0;
    }
    if (!ferry_buffer_append(jobs, &next, sizeof next)) return ferry_fail_memory(b->error, b->what);
    return FERRY_OK;
}

/* One state: its children's nodes, and a job for each of them. */
static ferry_status run_job(builder *b, job range)
{
    if (range.node != UINT32_MAX) FERRY_TRY(finish_keys(b, &range));
    if (range.first == range.last) return FERRY_OK;
    uint8_t labels[256];
    uint32_t ends[256], base;
    size_t groups = group(b, &range, labels, ends);
    FERRY_TRY(place(b, labels, groups, &base));
    if (range.node == UINT32_MAX)
        b->trie->root = base;
    else
        nodes_of(b)[range.node].base_and_label |= base << 8;
    for (size_t i = 0; i < groups; i++) {
        uint32_t first = i == 0 ? range.first : ends[i - 1];
        FERRY_TRY(add_job(b, (job){base ^ labels[i], first, ends[i], range.depth + 1}));
    }
    return FERRY_OK;
}

static ferry_status build(builder *b, size_t count)
{
    FERRY_TRY(add_dead_block(b));
    FERRY_TRY(add_job(b, (job){UINT32_MAX, 0, (uint32_t)count, 0}));
    for (; b->done < b->jobs.size; b->done += sizeof(job)) {
        job next;
        memcpy(&next, b->jobs.data + b->done, sizeof next);
        FERRY_TRY(run_job(b, next));
    }
    uint32_t end = node_count(b);
    for (uint32_t at = end > OPEN + BLOCK ? end - OPEN : BLOCK; at < end; at += BLOCK)
        close_block(b, at);
    return ferry_buffer_trim(&b->trie->nodes) ? FERRY_OK : ferry_fail_memory(b->error, b->what);
}

ferry_status ferry_trie_build(ferry_trie *trie, const ferry_allocator *allocator,
                              ferry_trie_entry *entries, size_t count, bool keep_last,
                              const char *what, ferry_error *error)
{
    *trie = (ferry_trie){.root = 0};
    ferry_buffer_init(&trie->nodes, *allocator);
    if (count == 0) return FERRY_OK;
    if (count > FERRY_TRIE_MAX_NODES)
        return ferry_fail(error, FERRY_LIMIT, "%s: %zu entries, the limit is %d", what, count,
                          FERRY_TRIE_MAX_NODES);
    builder b = {
        .trie = trie, .entries = entries, .keep_last = keep_last, .what = what, .error = error};
    ferry_buffer_init(&b.jobs, *allocator);
    b.slots = ferry_allocate(allocator, 1 + OPEN, sizeof *b.slots);
    b.scratch = ferry_allocate(allocator, count, sizeof *b.scratch);
    ferry_status status =
        b.slots != NULL && b.scratch != NULL ? build(&b, count) : ferry_fail_memory(error, what);
    ferry_release(allocator, b.scratch, count * sizeof *b.scratch);
    ferry_release(allocator, b.slots, (1 + OPEN) * sizeof *b.slots);
    ferry_buffer_free(&b.jobs);
    if (status != FERRY_OK) ferry_trie_free(trie);
    return status;
}

void ferry_trie_free(ferry_trie *trie)
{
    ferry_buffer_free(&trie->nodes);
    trie->root = 0;
}

uint32_t ferry_trie_walk(const ferry_trie *trie, uint32_t base, const char *text, size_t size)
{
    const ferry_trie_node *nodes = ferry_trie_nodes(trie);
    for (size_t i = 0; i < size; i++) {
        unsigned byte = (unsigned char)text[i];
        ferry_trie_node node = nodes[base ^ byte];
        if ((node.base_and_label & 0xFF) != byte) return 0;
        base = node.base_and_label >> 8;
    }
    return base;
}
