/*
 * Vectors kept from a run that ended before its catalogue was whole: a file that grows by a record
 * for each, looked up by what was encoded.
 *
 * A head of 32 bytes (magic, key of the encoder, dimension, 0), then records of hash [8], vector
 * [4 dimension] and a hash of both [8], in the order of bytes of the machine. It is read up to the
 * first record that is not whole; a file of another key or machine counts as empty.
 */
#ifndef FERRY_RECSYS_PARTS_H
#define FERRY_RECSYS_PARTS_H

#include "base/memory.h"

enum { FERRY_PARTS_HEAD = 32 };

typedef struct ferry_parts {
    ferry_allocator allocator;
    uint64_t key;
    size_t dimension;
    const unsigned char *records; /* [count] borrowed from the file */
    size_t count;
    uint32_t *slots; /* [slot_count] a power of two: a record, or UINT32_MAX */
    size_t slot_count;
} ferry_parts;

/* The vectors of one dimension are 1…65,536 numbers. */
size_t ferry_parts_record_size(size_t dimension);

void ferry_parts_head(uint64_t key, size_t dimension, unsigned char out[FERRY_PARTS_HEAD]);
/* out [ferry_parts_record_size] */
void ferry_parts_record(uint64_t key, uint64_t hash, const float *vector, size_t dimension,
                        unsigned char *out);

/* Borrows bytes. Never fails but without memory; ferry_parts_size says how much of them is good. */
ferry_status ferry_parts_read(const void *bytes, size_t size, uint64_t key, size_t dimension,
                              const ferry_allocator *allocator, ferry_parts *out,
                              ferry_error *error);
void ferry_parts_free(ferry_parts *parts);

/* Bytes of the head and of the records that are whole; 0 if the file is of something else. */
size_t ferry_parts_size(const ferry_parts *parts);

/* Copies the vector of what has that hash to out [dimension]; false if there is none. */
bool ferry_parts_find(const ferry_parts *parts, uint64_t hash, float *out);

#endif
