#include "input/trie.h"

#include <string.h>

#include "base/error.h"

enum {
    BLOCK = 256,
    OPEN_BLOCKS = 16, /* gaps further back are given up: they are few and rarely fit */
    MAX_TRIES = 128,  /* gaps tried for a state before it gets a new block */
};

/* A state whose children are to be placed: entries [first, last) share their first depth bytes. */
typedef struct job {
    uint32_t node; /* where its base goes; UINT32_MAX: the root */
    uint32_t first, last, depth;
} job;

typedef struct slot {
    /* The ring of the unused nodes of open blocks; 0, in the dead block, is its head. */
    uint32_t previous, next;
    bool used; /* as a node */
    bool is_base;
} slot;

typedef struct builder {
    ferry_trie *trie;
    ferry_buffer slots;                  /* of slot, one a node */
    ferry_buffer jobs;                   /* of job, first in, first out */
    size_t done;                         /* jobs */
    ferry_trie_entry *entries, *scratch; /* [count] */
    bool keep_last;
    const char *what;
    ferry_error *error;
} builder;

static ferry_trie_node *nodes_of(builder *b)
{
    return (ferry_trie_node *)(void *)b->trie->nodes.data;
}

static slot *slots_of(builder *b)
{
    return (slot *)(void *)b->slots.data;
}

static uint32_t node_count(const builder *b)
{
    return (uint32_t)(b->trie->nodes.size / sizeof(ferry_trie_node));
}

static void unlink_slot(slot *slots, uint32_t at)
{
    slots[slots[at].previous].next = slots[at].next;
    slots[slots[at].next].previous = slots[at].previous;
}

/* 256 more nodes, unused, at the end of the ring; the oldest open block leaves it. */
static ferry_status add_block(builder *b)
{
    uint32_t start = node_count(b);
    if (start + BLOCK > FERRY_TRIE_MAX_NODES)
        return ferry_fail(b->error, FERRY_LIMIT, "%s: more than %d trie nodes", b->what,
                          FERRY_TRIE_MAX_NODES);
    if (!ferry_buffer_reserve(&b->trie->nodes, BLOCK * sizeof(ferry_trie_node)) ||
        !ferry_buffer_reserve(&b->slots, BLOCK * sizeof(slot)))
        return ferry_fail_memory(b->error, b->what);
    b->trie->nodes.size += BLOCK * sizeof(ferry_trie_node);
    b->slots.size += BLOCK * sizeof(slot);
    slot *slots = slots_of(b);
    for (uint32_t i = start; i < start + BLOCK; i++) {
        nodes_of(b)[i] = (ferry_trie_node){0, -1};
        if (start == 0) { /* the dead block: its head is the ring, the rest is never taken */
            slots[i] = (slot){.used = true, .is_base = true};
            continue;
        }
        uint32_t tail = slots[0].previous;
        slots[i] = (slot){.previous = tail, .next = 0};
        slots[tail].next = i;
        slots[0].previous = i;
    }
    if (start <= OPEN_BLOCKS * BLOCK) return FERRY_OK;
    uint32_t closed = start - OPEN_BLOCKS * BLOCK;
    for (uint32_t i = closed; i < closed + BLOCK; i++)
        if (!slots[i].used) unlink_slot(slots, i);
    return FERRY_OK;
}

static bool fits(builder *b, uint32_t base, const uint8_t *labels, size_t count)
{
    const slot *slots = slots_of(b);
    if (slots[base].is_base) return false;
    for (size_t i = 0; i < count; i++) {
        if (slots[base ^ labels[i]].used) return false;
    }
    return true;
}

/* A base for children of these labels, whose nodes it takes. */
static ferry_status place(builder *b, const uint8_t *labels, size_t count, uint32_t *out)
{
    uint32_t base = 0;
    uint32_t at = slots_of(b)[0].next;
    for (int tries = 0; at != 0 && base == 0 && tries < MAX_TRIES; tries++) {
        if (fits(b, at ^ labels[0], labels, count)) base = at ^ labels[0];
        at = slots_of(b)[at].next;
    }
    if (base == 0) {
        base = node_count(b);
        FERRY_TRY(add_block(b));
    }
    slots_of(b)[base].is_base = true;
    for (size_t i = 0; i < count; i++) {
        unlink_slot(slots_of(b), base ^ labels[i]);
        slots_of(b)[base ^ labels[i]].used = true;
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
    if (!ferry_buffer_append(&b->jobs, &next, sizeof next))
        return ferry_fail_memory(b->error, b->what);
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

/* Gives unused nodes a label no state asks for: that of a base in their block that is none. */
static void close_unused(builder *b)
{
    const slot *slots = slots_of(b);
    ferry_trie_node *nodes = nodes_of(b);
    for (uint32_t i = 0; i < BLOCK; i++) nodes[i].base_and_label = ~i & 0xFF; /* base 0 */
    for (uint32_t start = BLOCK; start < node_count(b); start += BLOCK) {
        uint32_t free_base = start;
        /* There is one if a node is unused, as each base has at least one node of its own. */
        while (free_base < start + BLOCK && slots[free_base].is_base) free_base++;
        for (uint32_t i = start; i < start + BLOCK; i++)
            if (!slots[i].used) nodes[i].base_and_label = (i ^ free_base) & 0xFF;
    }
}

static ferry_status build(builder *b, size_t count)
{
    FERRY_TRY(add_block(b));
    FERRY_TRY(add_job(b, (job){UINT32_MAX, 0, (uint32_t)count, 0}));
    for (; b->done < b->jobs.size; b->done += sizeof(job)) {
        job next;
        memcpy(&next, b->jobs.data + b->done, sizeof next);
        FERRY_TRY(run_job(b, next));
    }
    close_unused(b);
    return FERRY_OK;
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
    ferry_buffer_init(&b.slots, *allocator);
    ferry_buffer_init(&b.jobs, *allocator);
    b.scratch = ferry_allocate(allocator, count, sizeof *b.scratch);
    ferry_status status = b.scratch != NULL ? build(&b, count) : ferry_fail_memory(error, what);
    if (b.scratch != NULL) ferry_release(allocator, b.scratch, count * sizeof *b.scratch);
    ferry_buffer_free(&b.slots);
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
