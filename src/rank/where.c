#include "rank/where.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"
#include "input/excerpt.h"
#include "input/fold.h"
#include "input/table.h"

/* ---- parsing ---- */

typedef struct parser {
    const char *text; /* [size] the whole condition */
    size_t size, at;
    ferry_arena *arena;
    ferry_error *error;
} parser;

static const char *const operators[FERRY_WHERE_OPERATOR_COUNT] = {
#define TEXT(name, text) text,
    FERRY_WHERE_OPERATOR_LIST(TEXT)
#undef TEXT
};

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool begins_operator(char c)
{
    return c != '\0' && strchr("=!<>~", c) != NULL;
}

static ferry_status fail_at(const parser *p, const char *expected)
{
    char excerpt[FERRY_EXCERPT_SIZE];
    size_t character = 1;
    for (size_t offset = 0; offset < p->at; character++)
        ferry_utf8_next(p->text, p->size, &offset, NULL);
    return ferry_fail(p->error, FERRY_INVALID_ARGUMENT,
                      "condition \"%s\": expected %s at character %zu",
                      ferry_excerpt(p->text, p->size, excerpt), expected, character);
}

static void skip_space(parser *p)
{
    while (p->at < p->size && is_space(p->text[p->at])) p->at++;
}

/* A JSON string that begins here, and past it. */
static ferry_status read_quoted(parser *p, const char **out, size_t *size)
{
    size_t end = p->at + 1;
    while (end < p->size && p->text[end] != '"') end += p->text[end] == '\\' ? 2 : 1;
    cJSON *json = NULL;
    ferry_status status = FERRY_MALFORMED;
    if (end < p->size)
        status = ferry_json_parse(p->text + p->at, end + 1 - p->at, "a value", &json, NULL);
    if (status == FERRY_OUT_OF_MEMORY) return ferry_fail_memory(p->error, "a condition");
    if (status != FERRY_OK) return fail_at(p, "a text in quotes, written as in JSON,");
    *size = strlen(json->valuestring);
    *out = ferry_arena_text(p->arena, json->valuestring, *size);
    cJSON_Delete(json);
    p->at = end + 1;
    return *out != NULL ? FERRY_OK : ferry_fail_memory(p->error, "a condition");
}

static ferry_status read_field(parser *p, const char **out)
{
    size_t size, begin = p->at;
    if (p->at < p->size && p->text[p->at] == '"') return read_quoted(p, out, &size);
    while (p->at < p->size && !is_space(p->text[p->at]) && !begins_operator(p->text[p->at]) &&
           p->text[p->at] != '"')
        p->at++;
    if (p->at == begin) return fail_at(p, "a field's name");
    *out = ferry_arena_text(p->arena, p->text + begin, p->at - begin);
    return *out != NULL ? FERRY_OK : ferry_fail_memory(p->error, "a condition");
}

static ferry_status read_operator(parser *p, ferry_where_operator *out)
{
    for (int i = 0; i < FERRY_WHERE_OPERATOR_COUNT; i++) {
        size_t length = strlen(operators[i]), end = p->at + length;
        if (end > p->size || memcmp(p->text + p->at, operators[i], length) != 0) continue;
        bool is_word = !begins_operator(operators[i][0]);
        if (is_word && end < p->size && !is_space(p->text[end]) && p->text[end] != '"') continue;
        p->at = end;
        *out = i == FERRY_WHERE_SAME ? FERRY_WHERE_EQUAL : (ferry_where_operator)i;
        return FERRY_OK;
    }
    return fail_at(p, "one of = != < <= > >= has ~");
}

static ferry_status read_value(parser *p, ferry_condition *out)
{
    if (p->at == p->size) return fail_at(p, "a value");
    if (p->text[p->at] == '"') {
        FERRY_TRY(read_quoted(p, &out->text, &out->size));
        skip_space(p);
        return p->at == p->size ? FERRY_OK : fail_at(p, "nothing more behind the quotes");
    }
    if (begins_operator(p->text[p->at]))
        return fail_at(p, "a value (in quotes if it begins with one of = ! < > ~)");
    size_t end = p->size;
    while (is_space(p->text[end - 1])) end--;
    out->size = end - p->at;
    out->text = ferry_arena_text(p->arena, p->text + p->at, out->size);
    if (out->text == NULL) return ferry_fail_memory(p->error, "a condition");
    out->is_number = ferry_number_parse(out->text, out->size, &out->number);
    return FERRY_OK;
}

static ferry_status fold_value(parser *p, ferry_condition *out)
{
    ferry_buffer folded;
    ferry_buffer_init(&folded, p->arena->allocator);
    const char *text = NULL;
    if (ferry_fold_text(&folded, out->text, out->size, false))
        text = ferry_arena_text(p->arena, folded.data, folded.size);
    out->text = text;
    out->size = folded.size;
    ferry_buffer_free(&folded);
    return text != NULL ? FERRY_OK : ferry_fail_memory(p->error, "a condition");
}

ferry_status ferry_condition_parse(const char *text, ferry_arena *arena, ferry_condition *out,
                                   ferry_error *error)
{
    *out = (ferry_condition){0};
    if (text == NULL) return ferry_fail(error, FERRY_INVALID_ARGUMENT, "a condition is NULL");
    parser p = {.text = text, .size = strlen(text), .arena = arena, .error = error};
    if (!ferry_utf8_is_valid(text, p.size)) return fail_at(&p, "UTF-8; it is not so");
    skip_space(&p);
    FERRY_TRY(read_field(&p, &out->field));
    skip_space(&p);
    FERRY_TRY(read_operator(&p, &out->comparison));
    skip_space(&p);
    FERRY_TRY(read_value(&p, out));
    return out->comparison == FERRY_WHERE_CONTAINS ? fold_value(&p, out) : FERRY_OK;
}

/* ---- evaluation ---- */

/* The value's order to the condition's: below 0, 0, above 0; false if there is none between them:
 * numbers have one, and texts, by their bytes. */
static bool compare(const ferry_condition *c, const ferry_field_value *value, int *order)
{
    if (c->is_number) {
        *order = (value->number > c->number) - (value->number < c->number);
        return value->is_number;
    }
    *order = strcmp(value->text, c->text);
    return value->kind == FERRY_VALUE_TEXT;
}

static bool is_equal(const ferry_condition *c, const ferry_field_value *value)
{
    int order;
    if (compare(c, value, &order)) return order == 0;
    return value->kind != FERRY_VALUE_NUMBER && strcmp(value->text, c->text) == 0;
}

/* Of a value that is no list. */
static bool holds(const ferry_condition *c, const ferry_field_value *value, const char *folded)
{
    int order;
    switch (c->comparison) {
    case FERRY_WHERE_SAME:
    case FERRY_WHERE_EQUAL:
    case FERRY_WHERE_UNEQUAL: /* turned round at the end */
    case FERRY_WHERE_HAS: return is_equal(c, value);
    case FERRY_WHERE_LESS: return compare(c, value, &order) && order < 0;
    case FERRY_WHERE_LESS_EQUAL: return compare(c, value, &order) && order <= 0;
    case FERRY_WHERE_GREATER: return compare(c, value, &order) && order > 0;
    case FERRY_WHERE_GREATER_EQUAL: return compare(c, value, &order) && order >= 0;
    case FERRY_WHERE_CONTAINS: return strstr(folded, c->text) != NULL;
    case FERRY_WHERE_OPERATOR_COUNT: break;
    }
    return false;
}

/* Whether each of the column's values meets the condition, into met [keys.count]. A list does if
 * one of its elements, which are numbered before it, does. */
static void evaluate(const ferry_condition *c, const ferry_field_column *column, unsigned char *met)
{
    size_t count = column->keys.count;
    met[FERRY_NO_VALUE] = false;
    for (size_t v = 1; v < count; v++) {
        const ferry_field_value *value = &column->values[v];
        const char *folded =
            column->folded_at != NULL ? column->folded.data + column->folded_at[v] : NULL;
        if (value->kind != FERRY_VALUE_LIST) {
            met[v] = holds(c, value, folded);
            continue;
        }
        met[v] = false;
        for (size_t e = 0; e < value->count; e++) met[v] |= met[column->elements[value->first + e]];
    }
    for (size_t v = 0; v < count; v++) {
        if (c->comparison == FERRY_WHERE_UNEQUAL) met[v] = !met[v];
        if (c->comparison == FERRY_WHERE_HAS && column->values[v].kind != FERRY_VALUE_LIST)
            met[v] = false;
    }
}

ferry_status ferry_condition_apply(const ferry_condition *condition, ferry_fields *fields,
                                   unsigned char *kept, ferry_error *error)
{
    ferry_field_column *column = ferry_fields_find(fields, condition->field);
    const ferry_allocator *allocator = &fields->catalog->allocator;
    if (condition->comparison == FERRY_WHERE_CONTAINS)
        FERRY_TRY(ferry_field_column_fold(fields, column, error));
    unsigned char *met = ferry_allocate(allocator, column->keys.count, 1);
    if (met == NULL) return ferry_fail_memory(error, "a condition");
    evaluate(condition, column, met);
    for (size_t i = 0; i < fields->catalog->count; i++) kept[i] &= met[column->of_item[i]];
    ferry_release(allocator, met, column->keys.count);
    return FERRY_OK;
}
