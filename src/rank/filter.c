#include "rank/filter.h"

#include <string.h>

#include "base/error.h"
#include "rank/where.h"

static ferry_status mark_named(ferry_visitor *visitor, const ferry_recommend_options *options,
                               ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    memset(visitor->candidate, options->candidate_count == 0, catalog->count);
    for (size_t i = 0; i < options->candidate_count; i++) {
        const ferry_item_name *name = &options->candidates[i];
        size_t item;
        FERRY_TRY(ferry_catalog_find(catalog, name->domain, name->id, &item, error));
        visitor->candidate[item] = 1;
    }
    return FERRY_OK;
}

static ferry_status apply_conditions(ferry_visitor *visitor, const ferry_recommend_options *options,
                                     ferry_arena *arena, ferry_error *error)
{
    size_t count = options->where_count + options->at_most_count;
    if (count == 0) return FERRY_OK;
    if (count > FERRY_MAX_COLUMNS)
        return ferry_fail(error, FERRY_LIMIT,
                          "%zu conditions and limits by a field, expected at most %d", count,
                          FERRY_MAX_COLUMNS);
    ferry_condition conditions[FERRY_MAX_COLUMNS];
    const char *names[FERRY_MAX_COLUMNS];
    for (size_t i = 0; i < options->where_count; i++) {
        FERRY_TRY(ferry_condition_parse(options->where[i], arena, &conditions[i], error));
        names[i] = conditions[i].field;
    }
    for (size_t i = 0; i < options->at_most_count; i++) {
        names[options->where_count + i] = options->at_most[i].name;
        if (options->at_most[i].name == NULL)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "at_most: a field's name is NULL");
    }
    FERRY_TRY(ferry_fields_read(&visitor->fields, names, count, error));
    for (size_t i = 0; i < options->where_count; i++)
        FERRY_TRY(
            ferry_condition_apply(&conditions[i], &visitor->fields, visitor->candidate, error));
    return FERRY_OK;
}

ferry_status ferry_filter(ferry_visitor *visitor, const ferry_recommend_options *options,
                          ferry_excluded *removed, size_t *left, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    ferry_arena arena;
    *left = 0;
    FERRY_TRY(mark_named(visitor, options, error));
    ferry_arena_init(&arena, catalog->allocator);
    ferry_status status = apply_conditions(visitor, options, &arena, error);
    ferry_arena_free(&arena);
    if (status != FERRY_OK) return status;
    for (size_t i = 0; i < catalog->count; i++) {
        bool wanted = visitor->wanted[catalog->items[i].domain];
        bool met = wanted && visitor->candidate[i];
        bool seen = met && !options->keep_seen && visitor->seen[i];
        bool disliked = met && !seen && !options->keep_disliked && visitor->disliked[i];
        removed->filtered += wanted && !met;
        removed->seen += seen;
        removed->disliked += disliked;
        visitor->candidate[i] = met && !seen && !disliked;
        *left += visitor->candidate[i];
    }
    return FERRY_OK;
}
