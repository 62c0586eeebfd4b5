/*
 * JSON without a tree, for tables: a row's object is split into its fields, and text is quoted.
 *
 * Rows do not go through cJSON because a table has hundreds of thousands of them and each would be
 * dozens of small allocations, and because its numbers are doubles, which change long ids.
 */
#ifndef FERRY_INPUT_JSON_TEXT_H
#define FERRY_INPUT_JSON_TEXT_H

#include "base/memory.h"
#include "ferry/ferry.h"
#include "input/table.h"

/*
 * Splits one JSON object into fields, whose names and texts are written to out, [size + 1] bytes;
 * fields is [capacity]. MALFORMED or LIMIT for what ferry_json_check refuses, anything but an
 * object, and more than capacity fields; name is what messages call the object.
 */
ferry_status ferry_json_fields(const char *text, size_t size, const char *name, char *out,
                               ferry_field *fields, size_t capacity, size_t *count,
                               ferry_error *error);

/* Whether the whole text is a JSON number, without white space. */
bool ferry_json_is_number(const char *text, size_t size);

/* Whether JSON written by ferry_json_fields is a list of texts, numbers and such lists. */
bool ferry_json_is_plain_list(const char *text);

/*
 * Walks the texts and numbers of such a list, nested lists included, and decodes each in place:
 * begin with *cursor at the list. false at its end.
 */
bool ferry_json_list_next(char **cursor, char **text, size_t *size);

/* Appends text (UTF-8) as a JSON string. false without memory. */
bool ferry_json_append_quoted(ferry_buffer *buffer, const char *text, size_t size);

#endif
