/*
 * JSON through cJSON, behind the strict check of json_check.h.
 *
 * cJSON allocates through its own process-wide hooks; trees are short-lived and freed by
 * cJSON_Delete before the function that parsed them returns.
 */
#ifndef FERRY_BASE_JSON_H
#define FERRY_BASE_JSON_H

#include <cJSON.h>

#include "base/memory.h"
#include "ferry/ferry.h"

enum {
    FERRY_JSON_MAX_DEPTH = 64,
    FERRY_JSON_MAX_SIZE = 256 << 20, /* a Unigram tokenizer.json of 250,000 pieces has 17 MB */
};

/* See ferry_json_check. The tree is the caller's to cJSON_Delete. */
ferry_status ferry_json_parse(const char *text, size_t size, const char *name, cJSON **out,
                              ferry_error *error);

/*
 * Fields of an object, by key. `where` names the object in messages ("config.json"). Each returns
 * MALFORMED if the field has another type; a missing or null field is MALFORMED for _required and
 * leaves *out as it is for the others.
 */
ferry_status ferry_json_size(const cJSON *object, const char *key, const char *where, size_t max,
                             size_t *out, ferry_error *error);
ferry_status ferry_json_size_required(const cJSON *object, const char *key, const char *where,
                                      size_t max, size_t *out, ferry_error *error);
ferry_status ferry_json_number(const cJSON *object, const char *key, const char *where, double *out,
                               ferry_error *error);
ferry_status ferry_json_bool(const cJSON *object, const char *key, const char *where, bool *out,
                             ferry_error *error);
/* The string belongs to the tree. */
ferry_status ferry_json_string(const cJSON *object, const char *key, const char *where,
                               const char **out, ferry_error *error);

/* A field that is there and not null, or NULL. */
const cJSON *ferry_json_get(const cJSON *object, const char *key);

/* Shortest decimal that reads back as the same float; NULL without memory or if not finite. */
cJSON *ferry_json_from_float(float value);

/* Take over the value in any case; false where it or what it goes into is NULL, or without memory.
 */
bool ferry_json_add(cJSON *object, const char *name, cJSON *value);
bool ferry_json_add_to_array(cJSON *array, cJSON *value);

/* Appends the tree on one line, without a line end. false without memory. */
bool ferry_json_append(ferry_buffer *buffer, const cJSON *tree);

#endif
