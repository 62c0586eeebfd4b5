/*
 * A strict check of JSON text (RFC 8259) before cJSON sees it. cJSON is lenient, ends C strings at
 * U+0000, and answers a lack of memory as it answers bad JSON: behind this check, what it still
 * refuses is memory.
 */
#ifndef FERRY_BASE_JSON_CHECK_H
#define FERRY_BASE_JSON_CHECK_H

#include "ferry/ferry.h"

/*
 * One JSON value in UTF-8, white space around it. MALFORMED for anything else, and for U+0000 or
 * half a surrogate pair in a string; LIMIT past FERRY_JSON_MAX_SIZE or FERRY_JSON_MAX_DEPTH. name
 * is what messages call the text.
 */
ferry_status ferry_json_check(const char *text, size_t size, const char *name, ferry_error *error);

#endif
