/* The vectors of an index: in, out, and where they are. */
#include "rank/index.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"

enum { LEAST_TABLE = 64, WORD = 64 /* signs */ };

ferry_status ferry_index_create(size_t dimension, const ferry_index_options *options,
                                ferry_index **out, ferry_error *error)
{
    *out = NULL;
    ferry_index_options chosen = {0};
    const ferry_kernels *kernels;
    FERRY_TRY(ferry_options_read(options, "ferry_index_options", &chosen, sizeof chosen, error));
    FERRY_TRY(ferry_kernels_choose(chosen.kernels, &kernels, error));
    if (dimension == 0 || dimension > FERRY_INDEX_MAX_DIMENSION)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "an index's dimension is %zu, expected 1 to %d", dimension,
                          FERRY_INDEX_MAX_DIMENSION);
    ferry_allocator allocator = ferry_allocator_or_default(chosen.allocator);
    ferry_index *index = ferry_allocate(&allocator, 1, sizeof *index);
    if (index == NULL) return ferry_fail_memory(error, "the index");
    index->allocator = allocator;
    index->kernels = kernels;
    index->dimension = dimension;
    index->K4 = ferry_int8_padded(dimension);
    index->W = chosen.signs ? (dimension + WORD - 1) / WORD : 0;
    index->chunk_shift = FERRY_INDEX_CHUNK_SHIFT;
    ferry_arena_init(&index->scratch, allocator);
    index->row = ferry_allocate(&allocator, index->K4, 1);
    ferry_status status = index->row != NULL
                              ? ferry_pool_create(&allocator, chosen.threads, &index->pool, error)
                              : ferry_fail_memory(error, "the index");
    if (status != FERRY_OK) {
        ferry_index_close(index);
        return status;
    }
    *out = index;
    return FERRY_OK;
}

void ferry_index_close(ferry_index *index)
{
    if (index == NULL) return;
    ferry_allocator allocator = index->allocator;
    ferry_pool_close(index->pool);
    ferry_arena_free(&index->scratch);
    for (size_t i = 0; i < index->chunk_count; i++)
        ferry_release(&allocator, index->chunks[i].block, ferry_index_chunk_size(index));
    ferry_release(&allocator, index->chunks, index->chunk_capacity * sizeof *index->chunks);
    ferry_release(&allocator, index->table, index->table_size * sizeof *index->table);
    ferry_release(&allocator, index->row, index->K4);
    ferry_release(&allocator, index, sizeof *index);
}

size_t ferry_index_count(const ferry_index *index)
{
    return index->count;
}

size_t ferry_index_dimension(const ferry_index *index)
{
    return index->dimension;
}

/* ---- ids ---- */

/* Where in the table id's slot stands, or would. */
static size_t place_of(const ferry_index *index, uint64_t id)
{
    /* Neighbouring ids far apart: the finaliser of splitmix64. */
    uint64_t hash = (id ^ (id >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    hash = (hash ^ (hash >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (size_t)(hash ^ (hash >> 31)) & (index->table_size - 1);
}

/* The entry of id, or the empty one where it would go. The table is never full, and never NULL. */
static uint32_t *find(const ferry_index *index, uint64_t id)
{
    size_t at = place_of(index, id);
    while (index->table[at] != FERRY_NO_ITEM && ferry_index_id(index, index->table[at]) != id)
        at = (at + 1) & (index->table_size - 1);
    return &index->table[at];
}

bool ferry_index_contains(const ferry_index *index, uint64_t id)
{
    return index->count > 0 && *find(index, id) != FERRY_NO_ITEM;
}

/* Empties an entry, and moves those behind it up that it was in the way of. */
static void forget(ferry_index *index, uint32_t *entry)
{
    size_t mask = index->table_size - 1, hole = (size_t)(entry - index->table);
    for (size_t at = (hole + 1) & mask; index->table[at] != FERRY_NO_ITEM; at = (at + 1) & mask) {
        size_t home = place_of(index, ferry_index_id(index, index->table[at]));
        if (((at - home) & mask) < ((at - hole) & mask)) continue; /* home lies behind the hole */
        index->table[hole] = index->table[at];
        hole = at;
    }
    index->table[hole] = FERRY_NO_ITEM;
}

/* At most half full with count slots. */
static bool grow_table(ferry_index *index, size_t count)
{
    size_t size = index->table_size > 0 ? index->table_size : LEAST_TABLE, old = index->table_size;
    while (size / 2 < count) size *= 2;
    if (size == old) return true;
    uint32_t *table = ferry_allocate(&index->allocator, size, sizeof *table);
    if (table == NULL) return false;
    memset(table, 0xFF, size * sizeof *table); /* FERRY_NO_ITEM */
    ferry_release(&index->allocator, index->table, old * sizeof *table);
    index->table = table;
    index->table_size = size;
    for (size_t slot = 0; slot < index->count; slot++)
        *find(index, ferry_index_id(index, slot)) = (uint32_t)slot;
    return true;
}

/* ---- slots ---- */

size_t ferry_index_chunk_size(const ferry_index *index)
{
    size_t slot = index->K4 + sizeof(float) + (1 + index->W) * sizeof(uint64_t);
    return FERRY_ARENA_ALIGNMENT + ferry_index_chunk_slots(index) * slot;
}

/* slots: how many of them will be used at once */
static bool add_chunk(ferry_index *index, size_t slots)
{
    if (!ferry_grow(&index->allocator, &index->chunks, sizeof *index->chunks, index->chunk_count,
                    &index->chunk_capacity))
        return false;
    /* Not zeroed: panels are, when they get their first vector. */
    size_t size = ferry_index_chunk_size(index), all = ferry_index_chunk_slots(index);
    char *block = index->allocator.reallocate(index->allocator.user, NULL, 0, size);
    if (block == NULL) return false;
    if (slots >= all / 8) ferry_prefer_large_pages(block, size / all * (slots < all ? slots : all));
    char *aligned = block + (-(uintptr_t)block & (FERRY_ARENA_ALIGNMENT - 1));
    ferry_index_chunk *chunk = &index->chunks[index->chunk_count++];
    chunk->block = block;
    chunk->panels = (int8_t *)aligned;
    chunk->ids = (void *)(aligned + all * index->K4);
    chunk->signs = chunk->ids + all;
    chunk->scale = (void *)(chunk->signs + all * index->W);
    return true;
}

ferry_status ferry_index_reserve(ferry_index *index, size_t count, ferry_error *error)
{
    if (count > FERRY_MAX_ITEMS - index->count)
        return ferry_fail(error, FERRY_LIMIT, "%zu vectors and %zu more: an index holds %d",
                          index->count, count, FERRY_MAX_ITEMS);
    size_t all = index->count + count;
    bool fits = grow_table(index, all);
    size_t room = index->chunk_count << index->chunk_shift;
    for (; fits && room < all; room += ferry_index_chunk_slots(index))
        fits = add_chunk(index, all - room);
    return fits ? FERRY_OK : ferry_fail_memory(error, "the index's vectors");
}

/* One chunk is kept for the next who comes. */
static void release_chunks(ferry_index *index)
{
    size_t slots = ferry_index_chunk_slots(index);
    while (index->chunk_count * slots >= index->count + 2 * slots)
        ferry_release(&index->allocator, index->chunks[--index->chunk_count].block,
                      ferry_index_chunk_size(index));
}

void ferry_index_signs(const int8_t *q, size_t K, uint64_t *signs)
{
    for (size_t first = 0; first < K; first += WORD) {
        uint64_t word = 0;
        for (size_t i = 0; i < WORD && first + i < K; i++)
            word |= (uint64_t)(q[first + i] < 0) << i;
        *signs++ = word;
    }
}

/* Writes a vector into a slot; the first of a panel clears the panel. */
static void put(ferry_index *index, size_t slot, const int8_t *q, float scale)
{
    ferry_index_chunk *chunk = ferry_index_chunk_of(index, slot);
    size_t within = ferry_index_within(index, slot), lane = slot % FERRY_PANEL;
    if (lane == 0 && slot == index->count) {
        memset(ferry_index_panel(index, slot), 0, FERRY_PANEL * index->K4);
        memset(chunk->scale + within, 0, FERRY_PANEL * sizeof(float));
    }
    ferry_int8_put_row(ferry_index_panel(index, slot), lane, q, index->K4);
    chunk->scale[within] = scale;
    if (index->W > 0) ferry_index_signs(q, index->dimension, chunk->signs + within * index->W);
}

bool ferry_index_append(ferry_index *index, uint64_t id, const int8_t *q, float scale)
{
    uint32_t *entry = find(index, id);
    if (*entry != FERRY_NO_ITEM) return false;
    put(index, index->count, q, scale);
    ferry_index_chunk_of(index, index->count)->ids[ferry_index_within(index, index->count)] = id;
    *entry = (uint32_t)index->count++;
    return true;
}

/* Takes out the vector of an entry: the last one moves into its slot. */
static void take_out(ferry_index *index, uint32_t *entry)
{
    size_t slot = *entry, last = index->count - 1;
    ferry_index_chunk *from = ferry_index_chunk_of(index, last);
    uint64_t moved = ferry_index_id(index, last);
    forget(index, entry);
    if (slot != last) {
        ferry_int8_get_row(ferry_index_panel(index, last), last % FERRY_PANEL, index->row,
                           index->K4);
        put(index, slot, index->row, from->scale[ferry_index_within(index, last)]);
        *find(index, moved) = (uint32_t)slot;
        ferry_index_chunk_of(index, slot)->ids[ferry_index_within(index, slot)] = moved;
    }
    memset(index->row, 0, index->K4);
    put(index, last, index->row, 0.0f); /* what is removed is gone */
    from->ids[ferry_index_within(index, last)] = 0;
    index->count--;
}

/* ---- changes ---- */

ferry_status ferry_index_check(const float *vectors, size_t count, size_t K, const char *what,
                               ferry_error *error)
{
    for (size_t i = 0; i < count; i++, vectors += K) {
        int wrong = 0; /* of all, so that it is done in vector registers */
        for (size_t k = 0; k < K; k++) wrong |= !(fabsf(vectors[k]) <= FERRY_INDEX_LARGEST);
        for (size_t k = 0; k < K && wrong; k++) {
            if (fabsf(vectors[k]) <= FERRY_INDEX_LARGEST) continue;
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "%s %zu: number %zu is %g, expected a magnitude of at most %g", what,
                              i, k, (double)vectors[k], (double)FERRY_INDEX_LARGEST);
        }
    }
    return FERRY_OK;
}

/* NOT_FOUND unless all are there. */
static ferry_status check_present(const ferry_index *index, const uint64_t *ids, size_t count,
                                  ferry_error *error)
{
    for (size_t i = 0; i < count; i++) {
        if (!ferry_index_contains(index, ids[i]))
            return ferry_fail(error, FERRY_NOT_FOUND, "no id %llu in the index of %zu vectors",
                              (unsigned long long)ids[i], index->count);
    }
    return FERRY_OK;
}

ferry_status ferry_index_add(ferry_index *index, const uint64_t *ids, const float *vectors,
                             size_t count, ferry_error *error)
{
    size_t K = index->dimension, before = index->count;
    FERRY_TRY(ferry_index_check(vectors, count, K, "vector", error));
    FERRY_TRY(ferry_index_reserve(index, count, error));
    for (size_t i = 0; i < count; i++) {
        float scale = ferry_int8_quantize(vectors + i * K, K, 127, index->row);
        if (ferry_index_append(index, ids[i], index->row, scale)) continue;
        while (index->count > before)
            take_out(index, find(index, ferry_index_id(index, index->count - 1)));
        release_chunks(index);
        return ferry_fail(
            error, FERRY_INVALID_ARGUMENT, "id %llu is %s", (unsigned long long)ids[i],
            ferry_index_contains(index, ids[i]) ? "in the index already" : "given twice");
    }
    return FERRY_OK;
}

ferry_status ferry_index_replace(ferry_index *index, const uint64_t *ids, const float *vectors,
                                 size_t count, ferry_error *error)
{
    size_t K = index->dimension;
    FERRY_TRY(ferry_index_check(vectors, count, K, "vector", error));
    FERRY_TRY(check_present(index, ids, count, error));
    for (size_t i = 0; i < count; i++) {
        float scale = ferry_int8_quantize(vectors + i * K, K, 127, index->row);
        put(index, *find(index, ids[i]), index->row, scale);
    }
    return FERRY_OK;
}

ferry_status ferry_index_remove(ferry_index *index, const uint64_t *ids, size_t count,
                                ferry_error *error)
{
    FERRY_TRY(check_present(index, ids, count, error));
    for (size_t i = 0; i < count; i++) /* an id given twice is there but once */
        if (ferry_index_contains(index, ids[i])) take_out(index, find(index, ids[i]));
    release_chunks(index);
    return FERRY_OK;
}
