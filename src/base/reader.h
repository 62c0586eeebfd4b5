/* A cursor over bytes that are not trusted: every read is checked against the end. */
#ifndef FERRY_BASE_READER_H
#define FERRY_BASE_READER_H

#include "ferry/ferry.h"

typedef struct ferry_reader {
    const unsigned char *data; /* [size] */
    size_t size;
    size_t offset; /* <= size */
} ferry_reader;

static inline ferry_reader ferry_reader_over(const void *data, size_t size)
{
    return (ferry_reader){data, size, 0};
}

/* The next count bytes, or NULL if there are fewer; the cursor then stays. */
static inline const unsigned char *ferry_reader_take(ferry_reader *reader, size_t count)
{
    if (count > reader->size - reader->offset) return NULL;
    const unsigned char *bytes = reader->data + reader->offset;
    reader->offset += count;
    return bytes;
}

static inline bool ferry_reader_u64(ferry_reader *reader, uint64_t *out)
{
    const unsigned char *bytes = ferry_reader_take(reader, 8);
    if (bytes == NULL) return false;
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--) value = value << 8 | bytes[i]; /* little-endian */
    *out = value;
    return true;
}

#endif
