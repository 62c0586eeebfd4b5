/* Vectors kept from a run that was stopped: what is found is what a whole record holds. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "recsys/parts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DIMENSION = 3, KEY = 7 };

/* A file of our own, with the input's bytes as vectors, cut or damaged at a place the input names.
 */
static void read_own(const uint8_t *data, size_t size)
{
    enum { RECORDS = 5 };
    const ferry_allocator allocator = ferry_allocator_or_default(NULL);
    size_t step = ferry_parts_record_size(DIMENSION);
    unsigned char file[FERRY_PARTS_HEAD + RECORDS * 64];
    float vectors[RECORDS][DIMENSION] = {{0}}, found[DIMENSION];
    ferry_parts_head(KEY, DIMENSION, file);
    for (size_t r = 0; r < RECORDS; r++) {
        for (size_t i = 0; i < DIMENSION; i++)
            vectors[r][i] = size > 0 ? (float)data[(r * DIMENSION + i) % size] : 1.0f;
        ferry_parts_record(KEY, r % 4, vectors[r], DIMENSION, file + FERRY_PARTS_HEAD + r * step);
    }
    size_t all = FERRY_PARTS_HEAD + RECORDS * step;
    size_t place = size > 1 ? (size_t)(data[0] | data[1] << 8) % all : all;
    if (place < all) file[place] ^= 1;
    size_t whole = place < FERRY_PARTS_HEAD ? 0 : (place - FERRY_PARTS_HEAD) / step;
    ferry_parts parts;
    if (ferry_parts_read(file, all, KEY, DIMENSION, &allocator, &parts, NULL) != FERRY_OK) abort();
    if (parts.count != whole) abort();
    if (ferry_parts_size(&parts) !=
        (place < FERRY_PARTS_HEAD ? 0 : FERRY_PARTS_HEAD + whole * step))
        abort();
    for (uint64_t hash = 0; hash < 4; hash++) {
        bool there = ferry_parts_find(&parts, hash, found);
        if (there != (hash < whole)) abort();
        if (there && memcmp(found, vectors[hash], sizeof found) != 0) abort();
    }
    ferry_parts_free(&parts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ferry_allocator allocator = ferry_allocator_or_default(NULL);
    float found[DIMENSION];
    ferry_parts parts;
    read_own(data, size);
    if (ferry_parts_read(data, size, KEY, DIMENSION, &allocator, &parts, NULL) != FERRY_OK) abort();
    if (ferry_parts_size(&parts) > size) abort();
    for (uint64_t hash = 0; hash < 300; hash++) (void)ferry_parts_find(&parts, hash, found);
    ferry_parts_free(&parts);
    return 0;
}
