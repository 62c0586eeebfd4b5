/* A condition, a line end, and items as JSONL: what is read gives an answer for every item, the
 * opposite one the opposite answer. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rank/where.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void apply(const ferry_condition *condition, ferry_fields *fields, unsigned char *kept)
{
    size_t count = fields->catalog->count;
    memset(kept, 1, count + 1);
    if (ferry_fields_read(fields, &condition->field, 1, NULL) != FERRY_OK ||
        ferry_condition_apply(condition, fields, kept, NULL) != FERRY_OK)
        abort();
    for (size_t i = 0; i < count; i++)
        if (kept[i] > 1) abort();
    if (kept[count] != 1) abort();
}

/* "=" and "!=" share the items; whatever has a field has the empty text in it. */
static void check_opposites(ferry_condition condition, ferry_fields *fields)
{
    size_t count = fields->catalog->count;
    unsigned char *same = malloc(count + 1), *other = malloc(count + 1);
    if (same == NULL || other == NULL) abort();
    apply(&condition, fields, same);
    if (condition.comparison == FERRY_WHERE_EQUAL) {
        condition.comparison = FERRY_WHERE_UNEQUAL;
        apply(&condition, fields, other);
        for (size_t i = 0; i < count; i++)
            if (same[i] == other[i]) abort();
    } else if (condition.comparison != FERRY_WHERE_UNEQUAL) {
        ferry_condition any = {
            .field = condition.field, .comparison = FERRY_WHERE_CONTAINS, .text = "", .size = 0};
        apply(&any, fields, other);
        for (size_t i = 0; i < count; i++)
            if (same[i] > other[i]) abort();
    }
    free(same);
    free(other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
    size_t length = end != NULL ? (size_t)(end - data) : size;
    ferry_file table = {"items.jsonl", data + length, size - length};
    ferry_arena arena;
    ferry_condition condition;
    ferry_error error;
    ferry_catalog *catalog;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    const char *text = ferry_arena_text(&arena, (const char *)data, length);
    if (text == NULL || ferry_catalog_create(NULL, &catalog, NULL) != FERRY_OK) abort();
    error.message[0] = '\0';
    ferry_status status = ferry_condition_parse(text, &arena, &condition, &error);
    if (status == FERRY_OK) {
        ferry_fields fields;
        ferry_catalog_add(catalog, &table, FERRY_TABLE_JSONL, NULL, NULL, NULL);
        ferry_fields_init(&fields, catalog);
        check_opposites(condition, &fields);
        ferry_fields_free(&fields);
    } else if (status != FERRY_INVALID_ARGUMENT || error.message[0] == '\0') {
        abort();
    }
    ferry_catalog_close(catalog);
    ferry_arena_free(&arena);
    return 0;
}
