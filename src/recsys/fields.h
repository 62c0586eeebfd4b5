/*
 * Items' fields by column, read from their JSON once: what conditions and limits look at.
 *
 * A column numbers the different values of one field. Who wants to know something of every item
 * asks it of every value, of which there are fewer.
 */
#ifndef FERRY_RECSYS_FIELDS_H
#define FERRY_RECSYS_FIELDS_H

#include "base/names.h"
#include "recsys/catalog.h"

enum {
    FERRY_MAX_COLUMNS = 32,
    FERRY_NO_VALUE = 0, /* the number of a missing field's value, and of null */
};

typedef enum ferry_value_kind {
    FERRY_VALUE_NONE,
    FERRY_VALUE_TEXT,
    FERRY_VALUE_NUMBER,
    FERRY_VALUE_LIST, /* of texts and numbers; lists in it are flattened */
    FERRY_VALUE_OTHER /* true, false, an object, a list of such: text is its JSON */
} ferry_value_kind;

typedef struct ferry_field_value {
    const char *text; /* [size] and a NUL; a number's digits as in the JSON */
    size_t size;
    ferry_value_kind kind;
    bool is_number; /* a number, or a text that is one of at most 15 digits (CSV has no other) */
    double number;
    uint32_t first, count; /* LIST: the numbers of its elements' values, in column->elements */
} ferry_field_value;

typedef struct ferry_field_column {
    char *name;
    const char
        *own_name; /* [own_name_size] what items.h calls it; stands in where name is missing */
    size_t own_name_size;
    ferry_names keys;          /* the values' texts, a letter for the kind before each */
    ferry_field_value *values; /* [keys.count] of [capacity]; elements before their list */
    size_t capacity;
    uint32_t *elements; /* [element_count] of [element_capacity] */
    size_t element_count, element_capacity;
    uint32_t *of_item; /* [catalog->count] */
    /* made by the first who asks: values' texts in lower case, each with a NUL */
    ferry_buffer folded;
    uint32_t *folded_at; /* [keys.count] offsets into folded */
} ferry_field_column;

typedef struct ferry_fields {
    const ferry_catalog *catalog; /* borrowed */
    ferry_field_column columns[FERRY_MAX_COLUMNS];
    size_t count;
} ferry_fields;

void ferry_fields_init(ferry_fields *fields, const ferry_catalog *catalog);
void ferry_fields_free(ferry_fields *fields);

/* Reads the columns of these fields, which may also be called what a table calls them ("brand"
 * finds "author"), those that are not there yet in one walk over the items. LIMIT if they are more
 * than FERRY_MAX_COLUMNS. May drop others: columns found before are gone. */
ferry_status ferry_fields_read(ferry_fields *fields, const char *const *names, size_t count,
                               ferry_error *error);

/* A column that was read; NULL for others. */
ferry_field_column *ferry_fields_find(ferry_fields *fields, const char *name);

/* Whether the text is a number that comparing as one does not change: at most 15 digits. */
bool ferry_field_number(const char *text, size_t size, double *out);

/* Makes column->folded, if it is not there. */
ferry_status ferry_field_column_fold(ferry_fields *fields, ferry_field_column *column,
                                     ferry_error *error);

#endif
