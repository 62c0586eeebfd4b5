/* Checked sizes, the allocator hook, arenas and growing buffers. */
#ifndef FERRY_BASE_MEMORY_H
#define FERRY_BASE_MEMORY_H

#include "ferry/ferry.h"

/* ---- checked arithmetic: false on overflow, *out then unspecified ---- */

static inline bool ferry_size_add(size_t a, size_t b, size_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

static inline bool ferry_size_multiply(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

/* ---- the hook ---- */

/* The caller's allocator, or malloc's where it is NULL. */
ferry_allocator ferry_allocator_or_default(const ferry_allocator *allocator);

/* count * size bytes, zeroed; NULL on overflow or without memory. count and size are not 0. */
void *ferry_allocate(const ferry_allocator *allocator, size_t count, size_t size);
/* For sizes that may be 0: an array of none is allocated as one of one. */
static inline size_t ferry_at_least_one(size_t count)
{
    return count > 0 ? count : 1;
}
/* size is what was allocated in all; pointer may be NULL. */
void ferry_release(const ferry_allocator *allocator, void *pointer, size_t size);

/* Zeros, which the compiler may not leave out although nothing reads them. */
void ferry_wipe(void *pointer, size_t size);
/*
 * The allocator, wiping what it frees and what it leaves behind when it moves a block: for what a
 * person may ask to have forgotten. inner must outlive it; NULL is malloc's.
 */
ferry_allocator ferry_allocator_wiping(const ferry_allocator *inner);
/* Grows an array, if need be, to hold count of size bytes each. array is the address of the pointer
 * to it. false without memory, the array then stands. */
bool ferry_reserve(const ferry_allocator *allocator, void *array, size_t size, size_t count,
                   size_t *capacity);
/* The same for one more than count, doubling it: for what grows one by one. */
bool ferry_grow(const ferry_allocator *allocator, void *array, size_t size, size_t count,
                size_t *capacity);
/* Tells a system that has large pages that a large block, not yet touched, will be read from end to
 * end: a hint, which changes nothing but speed. */
void ferry_prefer_large_pages(void *block, size_t size);

/* ---- arena: many allocations, freed together ---- */

typedef struct ferry_arena_block ferry_arena_block;

typedef struct ferry_arena {
    ferry_allocator allocator;
    ferry_arena_block *block; /* newest first */
} ferry_arena;

enum { FERRY_ARENA_ALIGNMENT = 64 }; /* a cache line; also the widest vector register */

void ferry_arena_init(ferry_arena *arena, ferry_allocator allocator);
void ferry_arena_free(ferry_arena *arena);

/* Zeros in all arrays and texts, which stay where they are. */
void ferry_arena_wipe(ferry_arena *arena);

/* [count] elements of size bytes, zeroed, on a 64-byte boundary; NULL on overflow or without
 * memory. Zero elements give a valid pointer. */
void *ferry_arena_array(ferry_arena *arena, size_t count, size_t size);
/* NUL-terminated copy. Packed: no alignment. */
char *ferry_arena_text(ferry_arena *arena, const char *text, size_t size);

/* ---- buffer: bytes that grow ---- */

typedef struct ferry_buffer {
    ferry_allocator allocator;
    char *data; /* [capacity], the first size of them in use */
    size_t size;
    size_t capacity;
} ferry_buffer;

void ferry_buffer_init(ferry_buffer *buffer, ferry_allocator allocator);
void ferry_buffer_free(ferry_buffer *buffer);
/* Room for extra more bytes behind size; false without memory, the content then stands. */
bool ferry_buffer_reserve(ferry_buffer *buffer, size_t extra);
bool ferry_buffer_append(ferry_buffer *buffer, const void *data, size_t size);
/* Gives back the room behind size, which is not 0; false without memory to move it to. */
bool ferry_buffer_trim(ferry_buffer *buffer);

#endif
