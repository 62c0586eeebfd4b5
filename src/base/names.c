#include "base/names.h"

#include <string.h>

static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

void ferry_names_init(ferry_names *names, ferry_allocator allocator)
{
    *names = (ferry_names){0};
    ferry_arena_init(&names->arena, allocator);
}

void ferry_names_free(ferry_names *names)
{
    const ferry_allocator allocator = names->arena.allocator;
    ferry_release(&allocator, names->texts, names->capacity * sizeof *names->texts);
    ferry_release(&allocator, names->hashes, names->capacity * sizeof *names->hashes);
    ferry_release(&allocator, names->slots, names->slot_count * sizeof *names->slots);
    ferry_arena_free(&names->arena);
    ferry_names_init(names, allocator);
}

/* The slot that holds the text, or the free one where it belongs. There is always a free one. */
static uint32_t *slot_of(const ferry_names *names, const char *text, uint32_t hash)
{
    size_t mask = names->slot_count - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        uint32_t number = names->slots[i];
        if (number == FERRY_NO_NAME) return &names->slots[i];
        if (names->hashes[number] == hash && strcmp(names->texts[number], text) == 0)
            return &names->slots[i];
    }
}

uint32_t ferry_names_find(const ferry_names *names, const char *text)
{
    return names->count > 0 ? *slot_of(names, text, hash_text(text)) : FERRY_NO_NAME;
}

/* Room for one more: twice the slots of what there are numbers for. */
static bool grow(ferry_names *names)
{
    if (names->count < names->capacity) return true;
    size_t capacity = names->capacity == 0 ? 32 : 2 * names->capacity, slot_count = 2 * capacity;
    if (capacity > UINT32_MAX / 4) return false;
    ferry_names grown = *names;
    const ferry_allocator *allocator = &names->arena.allocator;
    grown.texts = ferry_allocate(allocator, capacity, sizeof *grown.texts);
    grown.hashes = ferry_allocate(allocator, capacity, sizeof *grown.hashes);
    grown.slots = ferry_allocate(allocator, slot_count, sizeof *grown.slots);
    if (grown.texts == NULL || grown.hashes == NULL || grown.slots == NULL) {
        ferry_release(allocator, grown.texts, capacity * sizeof *grown.texts);
        ferry_release(allocator, grown.hashes, capacity * sizeof *grown.hashes);
        ferry_release(allocator, grown.slots, slot_count * sizeof *grown.slots);
        return false;
    }
    grown.capacity = capacity;
    grown.slot_count = slot_count;
    for (size_t i = 0; i < slot_count; i++) grown.slots[i] = FERRY_NO_NAME;
    for (size_t i = 0; i < names->count; i++) {
        grown.texts[i] = names->texts[i];
        grown.hashes[i] = names->hashes[i];
        size_t slot = grown.hashes[i] & (slot_count - 1);
        while (grown.slots[slot] != FERRY_NO_NAME) slot = (slot + 1) & (slot_count - 1);
        grown.slots[slot] = (uint32_t)i;
    }
    ferry_release(allocator, names->texts, names->capacity * sizeof *names->texts);
    ferry_release(allocator, names->hashes, names->capacity * sizeof *names->hashes);
    ferry_release(allocator, names->slots, names->slot_count * sizeof *names->slots);
    *names = grown;
    return true;
}

bool ferry_names_add(ferry_names *names, const char *text, uint32_t *number, bool *added)
{
    if (added != NULL) *added = false;
    if (!grow(names)) return false;
    uint32_t hash = hash_text(text), *slot = slot_of(names, text, hash);
    *number = *slot;
    if (*slot != FERRY_NO_NAME) return true;
    const char *copy = ferry_arena_text(&names->arena, text, strlen(text));
    if (copy == NULL) return false;
    names->texts[names->count] = copy;
    names->hashes[names->count] = hash;
    *number = *slot = (uint32_t)names->count++;
    if (added != NULL) *added = true;
    return true;
}
