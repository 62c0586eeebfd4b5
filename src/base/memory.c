#if defined(__linux__)
#define _DEFAULT_SOURCE /* madvise */
#include <sys/mman.h>
#endif

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

static void *default_reallocate(void *user, void *pointer, size_t old_size, size_t new_size)
{
    (void)user;
    (void)old_size;
    if (new_size == 0) {
        free(pointer);
        return NULL;
    }
    return realloc(pointer, new_size);
}

static const ferry_allocator default_allocator = {default_reallocate, NULL};

ferry_allocator ferry_allocator_or_default(const ferry_allocator *allocator)
{
    return allocator != NULL && allocator->reallocate != NULL ? *allocator : default_allocator;
}

void *ferry_allocate(const ferry_allocator *allocator, size_t count, size_t size)
{
    size_t bytes;
    if (!ferry_size_multiply(count, size, &bytes) || bytes == 0) return NULL;
    void *pointer = allocator->reallocate(allocator->user, NULL, 0, bytes);
    if (pointer != NULL) memset(pointer, 0, bytes);
    return pointer;
}

void ferry_release(const ferry_allocator *allocator, void *pointer, size_t size)
{
    if (pointer != NULL) allocator->reallocate(allocator->user, pointer, size, 0);
}

void ferry_wipe(void *pointer, size_t size)
{
    if (size == 0) return;
    memset(pointer, 0, size);
    __asm__ volatile("" : : "r"(pointer) : "memory");
}

static void *wiping_reallocate(void *user, void *pointer, size_t old_size, size_t new_size)
{
    const ferry_allocator *inner = user;
    void *moved = NULL;
    if (new_size > 0) {
        moved = inner->reallocate(inner->user, NULL, 0, new_size);
        if (moved == NULL) return NULL;
    }
    if (pointer == NULL) return moved;
    if (moved != NULL) memcpy(moved, pointer, old_size < new_size ? old_size : new_size);
    ferry_wipe(pointer, old_size);
    inner->reallocate(inner->user, pointer, old_size, 0);
    return moved;
}

ferry_allocator ferry_allocator_wiping(const ferry_allocator *inner)
{
    if (inner == NULL) inner = &default_allocator;
    return (ferry_allocator){wiping_reallocate, (void *)(uintptr_t)inner};
}

bool ferry_reserve(const ferry_allocator *allocator, void *array, size_t size, size_t count,
                   size_t *capacity)
{
    size_t bytes;
    if (count <= *capacity) return true;
    if (!ferry_size_multiply(count, size, &bytes)) return false;
    void *old;
    memcpy(&old, array, sizeof old); /* a pointer to some type, of which nothing is known */
    void *moved = allocator->reallocate(allocator->user, old, *capacity * size, bytes);
    if (moved == NULL) return false;
    memcpy(array, &moved, sizeof moved);
    *capacity = count;
    return true;
}

bool ferry_grow(const ferry_allocator *allocator, void *array, size_t size, size_t count,
                size_t *capacity)
{
    size_t more = *capacity < 16 ? 16 : 2 * *capacity;
    return count < *capacity || ferry_reserve(allocator, array, size, more, capacity);
}

void ferry_prefer_large_pages(void *block, size_t size)
{
#if defined(__linux__)
    enum { PAGE = 1 << 16 /* a multiple of every page size */, LARGE = 1 << 21 };
    uintptr_t start = ((uintptr_t)block + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
    uintptr_t end = ((uintptr_t)block + size) & ~(uintptr_t)(PAGE - 1);
    if (end > start && end - start >= LARGE) madvise((void *)start, end - start, MADV_HUGEPAGE);
#else
    (void)block;
    (void)size;
#endif
}

/* ---- arena ---- */

struct ferry_arena_block {
    ferry_arena_block *older;
    size_t size; /* of the whole allocation, this head included */
    size_t used; /* offset of the next free byte */
};

/* Grows with the arena's use: small models stay small, large ones take few blocks. What is larger
 * than a quarter of them has a block of its own, lest much of each stay empty. */
enum { ARENA_FIRST_BLOCK = 4096, ARENA_LARGEST_STEP = 1 << 20 };

void ferry_arena_init(ferry_arena *arena, ferry_allocator allocator)
{
    arena->allocator = allocator;
    arena->block = NULL;
}

void ferry_arena_free(ferry_arena *arena)
{
    ferry_arena_block *block = arena->block;
    while (block != NULL) {
        ferry_arena_block *older = block->older;
        ferry_release(&arena->allocator, block, block->size);
        block = older;
    }
    arena->block = NULL;
}

void ferry_arena_wipe(ferry_arena *arena)
{
    for (ferry_arena_block *block = arena->block; block != NULL; block = block->older)
        ferry_wipe(block + 1, block->used - sizeof *block);
}

/* Offset in block at which `bytes` fit on a boundary of `alignment`, or 0 if they do not. */
static size_t fit(const ferry_arena_block *block, size_t bytes, size_t alignment)
{
    uintptr_t start = (uintptr_t)block + block->used;
    size_t padding = (size_t)(-start & (alignment - 1));
    size_t offset, end;
    if (!ferry_size_add(block->used, padding, &offset)) return 0;
    if (!ferry_size_add(offset, bytes, &end) || end > block->size) return 0;
    return offset;
}

/* A new block with room for `bytes`. Which fills it stands behind the one that is being filled. */
static ferry_arena_block *add_block(ferry_arena *arena, size_t bytes, size_t alignment)
{
    size_t step = arena->block != NULL ? 2 * arena->block->size : ARENA_FIRST_BLOCK, needed;
    if (step > ARENA_LARGEST_STEP) step = ARENA_LARGEST_STEP;
    if (!ferry_size_add(bytes, sizeof *arena->block + alignment, &needed)) return NULL;
    bool own = arena->block != NULL && needed > ARENA_LARGEST_STEP / 4;
    if (!own && needed < step) needed = step;
    ferry_arena_block *block = arena->allocator.reallocate(arena->allocator.user, NULL, 0, needed);
    if (block == NULL) return NULL;
    ferry_arena_block **place = own ? &arena->block->older : &arena->block;
    *block = (ferry_arena_block){*place, needed, sizeof *block};
    *place = block;
    return block;
}

static void *arena_take(ferry_arena *arena, size_t bytes, size_t alignment)
{
    ferry_arena_block *block = arena->block;
    size_t offset = block != NULL ? fit(block, bytes, alignment) : 0;
    if (offset == 0) {
        block = add_block(arena, bytes, alignment);
        if (block == NULL) return NULL;
        offset = fit(block, bytes, alignment);
    }
    block->used = offset + bytes;
    return (char *)block + offset;
}

void *ferry_arena_array(ferry_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (!ferry_size_multiply(count, size, &bytes)) return NULL;
    void *pointer = arena_take(arena, bytes, FERRY_ARENA_ALIGNMENT);
    if (pointer != NULL) memset(pointer, 0, bytes);
    return pointer;
}

char *ferry_arena_text(ferry_arena *arena, const char *text, size_t size)
{
    size_t bytes;
    if (!ferry_size_add(size, 1, &bytes)) return NULL;
    char *copy = arena_take(arena, bytes, 1);
    if (copy == NULL) return NULL;
    if (size > 0) memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}

/* ---- buffer ---- */

void ferry_buffer_init(ferry_buffer *buffer, ferry_allocator allocator)
{
    *buffer = (ferry_buffer){.allocator = allocator};
}

void ferry_buffer_free(ferry_buffer *buffer)
{
    ferry_release(&buffer->allocator, buffer->data, buffer->capacity);
    ferry_buffer_init(buffer, buffer->allocator);
}

bool ferry_buffer_reserve(ferry_buffer *buffer, size_t extra)
{
    size_t needed;
    if (!ferry_size_add(buffer->size, extra, &needed)) return false;
    if (needed <= buffer->capacity) return true;
    size_t capacity = buffer->capacity < 64 ? 64 : buffer->capacity;
    while (capacity < needed) {
        if (!ferry_size_multiply(capacity, 2, &capacity)) return false;
    }
    char *data = buffer->allocator.reallocate(buffer->allocator.user, buffer->data,
                                              buffer->capacity, capacity);
    if (data == NULL) return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

bool ferry_buffer_append(ferry_buffer *buffer, const void *data, size_t size)
{
    if (!ferry_buffer_reserve(buffer, size)) return false;
    if (size > 0) memcpy(buffer->data + buffer->size, data, size);
    buffer->size += size;
    return true;
}

bool ferry_buffer_trim(ferry_buffer *buffer)
{
    char *data = buffer->allocator.reallocate(buffer->allocator.user, buffer->data,
                                              buffer->capacity, buffer->size);
    if (data == NULL) return false;
    buffer->data = data;
    buffer->capacity = buffer->size;
    return true;
}
