/* Failing with a message. Every fallible function ends in `return ferry_fail(…)` or FERRY_TRY. */
#ifndef FERRY_BASE_ERROR_H
#define FERRY_BASE_ERROR_H

#include "ferry/ferry.h"

/* Fills error (may be NULL) and returns status, so that it can stand behind `return`. */
__attribute__((format(printf, 3, 4))) ferry_status ferry_fail(ferry_error *error,
                                                              ferry_status status,
                                                              const char *format, ...);

/* OUT_OF_MEMORY for what, e.g. "the vocabulary". */
ferry_status ferry_fail_memory(ferry_error *error, const char *what);

/* Appends a name to a list for a message: "a, b, c", cut where room [size] ends. */
void ferry_list_name(char *list, size_t size, const char *name);

#define FERRY_TRY(call)                                \
    do {                                               \
        ferry_status try_status = (call);              \
        if (try_status != FERRY_OK) return try_status; \
    } while (0)

#endif
