#include "recsys/parts.h"

#include <string.h>

#include "base/error.h"
#include "base/hash.h"

static const char MAGIC[8] = {'F', 'E', 'R', 'R', 'Y', 'P', 'T', '1'};

enum { NONE = UINT32_MAX };

size_t ferry_parts_record_size(size_t dimension)
{
    return 2 * sizeof(uint64_t) + dimension * sizeof(float);
}

void ferry_parts_head(uint64_t key, size_t dimension, unsigned char out[FERRY_PARTS_HEAD])
{
    const uint64_t numbers[] = {key, dimension, 0};
    memcpy(out, MAGIC, sizeof MAGIC);
    memcpy(out + sizeof MAGIC, numbers, sizeof numbers);
}

void ferry_parts_record(uint64_t key, uint64_t hash, const float *vector, size_t dimension,
                        unsigned char *out)
{
    size_t end = sizeof hash + dimension * sizeof *vector;
    memcpy(out, &hash, sizeof hash);
    memcpy(out + sizeof hash, vector, dimension * sizeof *vector);
    uint64_t check = ferry_hash_bytes(key, out, end);
    memcpy(out + end, &check, sizeof check);
}

static bool is_whole(const ferry_parts *parts, const unsigned char *record)
{
    size_t end = ferry_parts_record_size(parts->dimension) - sizeof(uint64_t);
    uint64_t check = ferry_hash_bytes(parts->key, record, end);
    return memcmp(record + end, &check, sizeof check) == 0;
}

static uint64_t hash_of(const ferry_parts *parts, size_t record)
{
    uint64_t hash;
    memcpy(&hash, parts->records + record * ferry_parts_record_size(parts->dimension), sizeof hash);
    return hash;
}

ferry_status ferry_parts_read(const void *bytes, size_t size, uint64_t key, size_t dimension,
                              const ferry_allocator *allocator, ferry_parts *out,
                              ferry_error *error)
{
    unsigned char head[FERRY_PARTS_HEAD];
    size_t step = ferry_parts_record_size(dimension);
    *out = (ferry_parts){.allocator = *allocator, .key = key, .dimension = dimension};
    ferry_parts_head(key, dimension, head);
    if (size < sizeof head || memcmp(bytes, head, sizeof head) != 0) return FERRY_OK;
    out->records = (const unsigned char *)bytes + sizeof head;
    size_t whole = (size - sizeof head) / step;
    if (whole >= NONE) whole = NONE - 1;
    while (out->count < whole && is_whole(out, out->records + out->count * step)) out->count++;
    size_t slots = 64;
    while (slots < 2 * out->count) slots *= 2;
    out->slots = ferry_allocate(allocator, slots, sizeof *out->slots);
    if (out->slots == NULL) return ferry_fail_memory(error, "the vectors kept");
    out->slot_count = slots;
    for (size_t i = 0; i < slots; i++) out->slots[i] = NONE;
    for (size_t r = 0; r < out->count; r++) {
        size_t slot = (size_t)hash_of(out, r) & (slots - 1);
        while (out->slots[slot] != NONE) slot = (slot + 1) & (slots - 1);
        out->slots[slot] = (uint32_t)r;
    }
    return FERRY_OK;
}

void ferry_parts_free(ferry_parts *parts)
{
    ferry_release(&parts->allocator, parts->slots, parts->slot_count * sizeof *parts->slots);
    *parts = (ferry_parts){.allocator = parts->allocator};
}

size_t ferry_parts_size(const ferry_parts *parts)
{
    if (parts->records == NULL) return 0;
    return FERRY_PARTS_HEAD + parts->count * ferry_parts_record_size(parts->dimension);
}

bool ferry_parts_find(const ferry_parts *parts, uint64_t hash, float *out)
{
    if (parts->slot_count == 0) return false;
    size_t slot = (size_t)hash & (parts->slot_count - 1);
    for (; parts->slots[slot] != NONE; slot = (slot + 1) & (parts->slot_count - 1)) {
        if (hash_of(parts, parts->slots[slot]) != hash) continue;
        memcpy(out,
               parts->records + parts->slots[slot] * ferry_parts_record_size(parts->dimension) +
                   sizeof hash,
               parts->dimension * sizeof *out);
        return true;
    }
    return false;
}
