/* A hash of bytes, to tell contents apart that nobody chose to look alike; not for adversaries. */
#ifndef FERRY_BASE_HASH_H
#define FERRY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Eight bytes at a time in the host's order, so of use on one machine only. Begin with seed 0, or
 * go on from an earlier hash. */
static inline uint64_t ferry_hash_bytes(uint64_t seed, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t hash = seed ^ ((uint64_t)size * 0xff51afd7ed558ccdu), word;
    while (size > 0) {
        size_t step = size < sizeof word ? size : sizeof word;
        word = 0;
        memcpy(&word, bytes, step);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 29;
        bytes += step;
        size -= step;
    }
    hash *= 0xc4ceb9fe1a85ec53u;
    return hash ^ (hash >> 32);
}

/* FNV-1a, byte by byte, so the same on every machine. Begin with FERRY_FNV_BEGIN. */
#define FERRY_FNV_BEGIN UINT64_C(0xcbf29ce484222325)
static inline uint64_t ferry_hash_portably(uint64_t seed, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) seed = (seed ^ bytes[i]) * UINT64_C(0x100000001b3);
    return seed;
}

#endif
