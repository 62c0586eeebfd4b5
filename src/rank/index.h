/*
 * What is inside a ferry_index: vectors as int8, in the order of packed panels that score_int8
 * reads.
 *
 * Vectors stand in slots 0 to count - 1, and removing one moves the last into its place, so that
 * there are never holes. Which slot a vector has says nothing: results are ordered by score and id.
 * Slots are in chunks of one size, so that growing moves nothing.
 */
#ifndef FERRY_RANK_INDEX_H
#define FERRY_RANK_INDEX_H

#include "base/memory.h"
#include "base/pool.h"
#include "math/kernels.h"
#include "rank/topk.h"

enum {
/* Slots of a chunk, as a power of two. Large where memory is had only when it is touched: the pages
 * of a large block can be large too, which reading through them gains a fifth by. */
#if defined(__wasm__)
    FERRY_INDEX_CHUNK_SHIFT = 12,
#else
    FERRY_INDEX_CHUNK_SHIFT = 15,
#endif
    FERRY_INDEX_PART = 4096, /* slots a thread takes at a time, of one chunk */
    FERRY_INDEX_MAX_DIMENSION = 1 << 16,
    FERRY_INDEX_ROUND = 64, /* queries that go over the vectors together */
    FERRY_INDEX_STEP = 16,  /* panels between two looks at what was reached */
};

#define FERRY_INDEX_LARGEST 1e15f /* scores of such vectors are finite, and none is NaN */

/* C = 1 << chunk_shift */
typedef struct ferry_index_chunk {
    int8_t *panels;  /* [C / 16, K4 / 4, 16, 4], on a 64-byte boundary */
    float *scale;    /* [C] */
    uint64_t *ids;   /* [C] */
    uint64_t *signs; /* [C, W] */
    void *block;
} ferry_index_chunk;

/* What one thread has to itself while it searches; see index_search.c. */
typedef struct ferry_index_worker {
    ferry_recommendation *heaps; /* [queries of a round, stride]: their k best, or candidates */
    size_t counts[FERRY_INDEX_ROUND];
    float least[FERRY_INDEX_ROUND];
    float *scores;              /* [FERRY_INDEX_ROUND, 16 * FERRY_INDEX_STEP] */
    uint8_t *reached;           /* [FERRY_INDEX_ROUND, FERRY_INDEX_STEP] */
    uint32_t *distance;         /* [16 * FERRY_INDEX_STEP] */
    uint32_t *histogram;        /* [dimension + 1] of distances, if there are signs */
    ferry_recommendation *ties; /* [heap_size], likewise */
} ferry_index_worker;

struct ferry_index {
    ferry_allocator allocator;
    const ferry_kernels *kernels;
    ferry_pool *pool;
    size_t dimension, K4;
    size_t W; /* words of signs a vector; 0 if they are not kept */
    size_t count;

    ferry_index_chunk *chunks; /* [chunk_count] of [chunk_capacity] */
    size_t chunk_count, chunk_capacity;
    unsigned chunk_shift;
    uint32_t *table; /* [table_size], a power of two: slots by their id's hash, or FERRY_NO_ITEM */
    size_t table_size;

    int8_t *row;                 /* [K4] one vector on its way in; zeros past K */
    ferry_arena scratch;         /* of the search; made anew when a search wants more */
    size_t heap_size;            /* entries of a worker's heaps together, and of best */
    ferry_index_worker *workers; /* [threads] */
    int8_t *query;               /* [FERRY_INDEX_ROUND, K4] */
    float *query_scale;          /* [FERRY_INDEX_ROUND] */
    int32_t *query_sum;          /* [FERRY_INDEX_ROUND] */
    uint64_t *query_signs;       /* [FERRY_INDEX_ROUND, W] */
    ferry_recommendation *best;  /* [queries of a round, k] of the second stage */
};

static inline size_t ferry_index_chunk_slots(const ferry_index *index)
{
    return (size_t)1 << index->chunk_shift;
}

/* A slot's place in its chunk. */
static inline size_t ferry_index_within(const ferry_index *index, size_t slot)
{
    return slot & (ferry_index_chunk_slots(index) - 1);
}

static inline ferry_index_chunk *ferry_index_chunk_of(const ferry_index *index, size_t slot)
{
    return &index->chunks[slot >> index->chunk_shift];
}

static inline uint64_t ferry_index_id(const ferry_index *index, size_t slot)
{
    return ferry_index_chunk_of(index, slot)->ids[ferry_index_within(index, slot)];
}

/* The panel that holds slot, and its 16 scales. */
static inline int8_t *ferry_index_panel(const ferry_index *index, size_t slot)
{
    size_t panel = ferry_index_within(index, slot) / FERRY_PANEL;
    return ferry_index_chunk_of(index, slot)->panels + panel * FERRY_PANEL * index->K4;
}

/* Queries that are searched together, and how. */
typedef struct ferry_index_round {
    const ferry_index *index;
    ferry_int8_queries queries;
    size_t T;      /* queries */
    size_t k;      /* how many are wanted of each */
    size_t keep;   /* how many are kept while scanning: k, or the candidates of the second stage */
    size_t stride; /* room for those of one query: keep, or more where that makes it fewer times */
} ferry_index_round;

/* By id, for ferry_topk over an index. */
bool ferry_index_by_id(const void *index, size_t a, size_t b);

/* Slots of a part: as many as a thread takes at a time. */
static inline size_t ferry_index_part_slots(const ferry_index *index, size_t part)
{
    size_t rest = index->count - part * FERRY_INDEX_PART;
    return rest < FERRY_INDEX_PART ? rest : FERRY_INDEX_PART;
}

/* ---- the two stages; index_signs.c ---- */

/* A task: the candidates of a part. */
void ferry_index_scan_signs(void *round, size_t part, size_t worker);
/* Puts what all workers have into worker 0: keep candidates of each query. */
void ferry_index_gather(const ferry_index_round *round);
/* A task: the k best of query t's candidates, into index->best [T, k], in no order. */
void ferry_index_score_candidates(void *round, size_t t, size_t worker);

/* INVALID_ARGUMENT for a number that is not finite or too large, in one of vectors [count, K]. */
ferry_status ferry_index_check(const float *vectors, size_t count, size_t K, const char *what,
                               ferry_error *error);

/* Bytes of a chunk's block. */
size_t ferry_index_chunk_size(const ferry_index *index);

/* The signs of q [K4]: bit k of [W] is set where q is negative. */
void ferry_index_signs(const int8_t *q, size_t K, uint64_t *signs);

/* Room for count vectors more; the index stays as it is without memory. */
ferry_status ferry_index_reserve(ferry_index *index, size_t count, ferry_error *error);

/* Puts q [K4] into the slot behind the last, for which there is room; false if the id is there. */
bool ferry_index_append(ferry_index *index, uint64_t id, const int8_t *q, float scale);

#endif
