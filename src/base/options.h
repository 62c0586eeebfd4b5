/* Option structs that begin with their size, so that a newer library reads an older caller's. */
#ifndef FERRY_BASE_OPTIONS_H
#define FERRY_BASE_OPTIONS_H

#include <string.h>

#include "base/error.h"

/*
 * Copies the caller's options over *out [out_size], which holds the defaults; NULL leaves them.
 * INVALID_ARGUMENT if the size is not set, or larger than this library knows.
 */
static inline ferry_status ferry_options_read(const void *options, const char *name, void *out,
                                              size_t out_size, ferry_error *error)
{
    if (options == NULL) return FERRY_OK;
    size_t size;
    memcpy(&size, options, sizeof size);
    if (size < sizeof size || size > out_size)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%s.size is %zu, expected sizeof, %zu",
                          name, size, out_size);
    memcpy(out, options, size);
    return FERRY_OK;
}

#endif
