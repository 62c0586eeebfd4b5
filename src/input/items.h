/* Items from a table: fields under their many names, made into one row and one line of JSON. */
#ifndef FERRY_INPUT_ITEMS_H
#define FERRY_INPUT_ITEMS_H

#include "ferry/ferry.h"

/*
 * X(slot, names): the fields of an item and the names they are found under, the first of them the
 * one Ferry writes. Names match regardless of case and of '_', '-', ' ' (movieId, "Movie ID"). Of
 * several, the earliest in the list that is not empty is taken.
 *
 *   id           text, or a whole number, of which the digits are taken
 *   domain       missing: the file's stem, "amazon-beauty" for amazon-beauty.item
 *   tags         JSONL: a list (nested ones are flattened). Text is split at '|', or where it has
 *                none, at ';'. RecBole's token_seq: its words; those without a letter or digit
 * ("&") are left out. Repeated tags are left out; at most FERRY_ITEM_MAX_TAGS. author       a list
 * is joined with ", " title, description   a list is joined with " " image, audio a list's first
 */
#define FERRY_ITEM_FIELD_LIST(X)                                                       \
    X(ID, "id item_id item product_id parent_asin asin movie_id book_id isbn sku")     \
    X(DOMAIN, "domain")                                                                \
    X(TITLE, "title name product_title product_name item_name movie_title book_title") \
    X(TAGS, "tags tag categories category genres genre class")                         \
    X(AUTHOR, "author authors brand artist artists creator book_author")               \
    X(DESCRIPTION, "description summary overview abstract")                            \
    X(IMAGE, "image image_url im_url picture photo")                                   \
    X(AUDIO, "audio audio_url sound")

enum { FERRY_ITEM_MAX_TAGS = 1024 };

/* Texts live during the callback; absent ones are "". */
typedef struct ferry_item_row {
    const char *id, *domain, *title, *author, *description, *image, *audio;
    const char *const *tags; /* [tag_count] */
    size_t tag_count;
    /*
     * The item as one line of JSON, [json_size] and a NUL: its fields under their own names, then
     * all others as they were. Empty fields are left out, but for id and domain.
     */
    const char *json;
    size_t json_size;
    size_t line;
} ferry_item_row;

/* Takes one item; its result is read as ferry_on_row's (input/table.h): MALFORMED,
 * INVALID_ARGUMENT, NOT_FOUND and UNSUPPORTED refuse the row, others end the reading. */
typedef ferry_status (*ferry_on_item)(void *user, const ferry_item_row *item, ferry_error *error);

/* The name that a field called so gets in an item's JSON, [*size]: "author" for "Brand"; NULL for a
 * field of no slot, which keeps its own. */
const char *ferry_item_own_name(const char *name, size_t *size);

/* Reads a table of items (input/table.h). A row without an id is refused. */
ferry_status ferry_items_read(const ferry_file *table, ferry_table_format format,
                              const ferry_allocator *allocator, ferry_on_item on_item,
                              void *on_item_user, ferry_row_refused refused, void *refused_user,
                              size_t *refused_count, ferry_error *error);

#endif
