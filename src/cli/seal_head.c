#include <string.h>

#include "base/error.h"
#include "cli/seal.h"

static const char MAGIC[] = "FERRYPRF";
enum { VERSION = 1, AT_VERSION = 8, AT_ITERATIONS = 12, AT_SIZE = 16, AT_SALT = 20, AT_NONCE = 36 };

bool seal_is_locked(const void *data, size_t size)
{
    size_t compared = size < SEAL_MAGIC ? size : SEAL_MAGIC;
    return size > 0 && memcmp(data, MAGIC, compared) == 0;
}

static uint32_t read_u32(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void write_u32(uint32_t value, unsigned char *at)
{
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> (8 * i));
}

ferry_status seal_head_read(const void *data, size_t size, const char *name, seal_head *out,
                            ferry_error *error)
{
    const unsigned char *bytes = data;
    *out = (seal_head){0};
    if (!seal_is_locked(data, size))
        return ferry_fail(error, FERRY_MALFORMED, "%s: not a locked profile", name);
    if (size < SEAL_HEAD)
        return ferry_fail(error, FERRY_MALFORMED, "%s: cut short: %zu bytes, not even its head",
                          name, size);
    uint32_t version = read_u32(bytes + AT_VERSION), length = read_u32(bytes + AT_SIZE);
    if (version != VERSION)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: locked profile of version %u, this Ferry reads version %d", name,
                          (unsigned)version, VERSION);
    uint64_t expected = (uint64_t)SEAL_HEAD + length + SEAL_TAG + SEAL_DIGEST;
    if (size != expected)
        return ferry_fail(error, FERRY_MALFORMED, "%s: %s: %zu bytes, its head says %llu", name,
                          size < expected ? "cut short" : "longer than it was", size,
                          (unsigned long long)expected);
    out->size = length;
    out->iterations = read_u32(bytes + AT_ITERATIONS);
    memcpy(out->salt, bytes + AT_SALT, SEAL_SALT);
    memcpy(out->nonce, bytes + AT_NONCE, SEAL_NONCE);
    if (out->iterations < SEAL_ITERATIONS || out->iterations > SEAL_MAX_ITERATIONS)
        return ferry_fail(error, FERRY_LIMIT, "%s: %u iterations, expected %d to %d", name,
                          (unsigned)out->iterations, SEAL_ITERATIONS, SEAL_MAX_ITERATIONS);
    return FERRY_OK;
}

void seal_head_write(const seal_head *head, unsigned char out[SEAL_HEAD])
{
    memcpy(out, MAGIC, SEAL_MAGIC);
    write_u32(VERSION, out + AT_VERSION);
    write_u32(head->iterations, out + AT_ITERATIONS);
    write_u32((uint32_t)head->size, out + AT_SIZE);
    memcpy(out + AT_SALT, head->salt, SEAL_SALT);
    memcpy(out + AT_NONCE, head->nonce, SEAL_NONCE);
}
