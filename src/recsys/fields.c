#include "recsys/fields.h"

#include <string.h>

#include "base/error.h"
#include "input/fold.h"
#include "input/items.h"
#include "input/json_text.h"
#include "input/table.h"

enum { MAX_FIELDS = FERRY_ROW_MAX_FIELDS + FERRY_MAX_SLOTS, EXACT_DIGITS = 15 };

/* What one walk over the items needs. */
typedef struct field_reader {
    ferry_fields *fields;
    size_t first;          /* columns from here on are read */
    ferry_field *row;      /* [MAX_FIELDS] */
    ferry_buffer decoded;  /* the row's texts */
    ferry_buffer key;      /* a kind's letter, a value's text, a NUL */
    ferry_buffer elements; /* uint32_t numbers of the list being read */
} field_reader;

void ferry_fields_init(ferry_fields *fields, const ferry_catalog *catalog)
{
    *fields = (ferry_fields){.catalog = catalog};
}

static size_t items_of(const ferry_fields *fields)
{
    return ferry_at_least_one(fields->catalog->count);
}

static void free_column(ferry_fields *fields, ferry_field_column *column)
{
    const ferry_allocator *allocator = &fields->catalog->allocator;
    ferry_release(allocator, column->folded_at, column->keys.count * sizeof *column->folded_at);
    ferry_buffer_free(&column->folded);
    ferry_release(allocator, column->values, column->capacity * sizeof *column->values);
    ferry_release(allocator, column->elements, column->element_capacity * sizeof *column->elements);
    ferry_release(allocator, column->of_item, items_of(fields) * sizeof *column->of_item);
    ferry_release(allocator, column->name, column->name != NULL ? strlen(column->name) + 1 : 0);
    ferry_names_free(&column->keys);
    *column = (ferry_field_column){0};
}

static void keep_columns(ferry_fields *fields, size_t count)
{
    while (fields->count > count) free_column(fields, &fields->columns[--fields->count]);
}

void ferry_fields_free(ferry_fields *fields)
{
    keep_columns(fields, 0);
}

ferry_field_column *ferry_fields_find(ferry_fields *fields, const char *name)
{
    for (size_t c = 0; c < fields->count; c++)
        if (strcmp(fields->columns[c].name, name) == 0) return &fields->columns[c];
    return NULL;
}

/* ---- values ---- */

bool ferry_field_number(const char *text, size_t size, double *out)
{
    size_t digits = 0;
    for (size_t i = 0; i < size && text[i] != 'e' && text[i] != 'E'; i++)
        digits += text[i] >= '0' && text[i] <= '9';
    return digits <= EXACT_DIGITS && ferry_number_parse(text, size, out);
}

/* The number of a value, given now if it is new; a list's elements are then elements[count]. */
static ferry_status number_value(field_reader *reader, ferry_field_column *column,
                                 ferry_value_kind kind, const char *text, size_t size,
                                 uint32_t *number, ferry_error *error)
{
    static const char letters[] = "-tnlo";
    const ferry_allocator *allocator = &reader->fields->catalog->allocator;
    ferry_buffer *key = &reader->key;
    bool added;
    key->size = 0;
    if (!ferry_buffer_append(key, &letters[kind], 1) || !ferry_buffer_append(key, text, size) ||
        !ferry_buffer_append(key, "", 1) ||
        !ferry_grow(allocator, &column->values, sizeof *column->values, column->keys.count,
                    &column->capacity) ||
        !ferry_names_add(&column->keys, key->data, number, &added))
        return ferry_fail_memory(error, "the items' fields");
    if (!added) return FERRY_OK;
    ferry_field_value *value = &column->values[*number];
    *value =
        (ferry_field_value){.text = column->keys.texts[*number] + 1, .size = size, .kind = kind};
    if (kind == FERRY_VALUE_NUMBER)
        value->is_number = ferry_number_parse(value->text, size, &value->number);
    if (kind == FERRY_VALUE_TEXT)
        value->is_number = ferry_field_number(value->text, size, &value->number);
    return FERRY_OK;
}

/* A list's elements into column->elements, behind those of the lists before. */
static ferry_status read_elements(field_reader *reader, ferry_field_column *column,
                                  const ferry_field *field, ferry_error *error)
{
    const ferry_allocator *allocator = &reader->fields->catalog->allocator;
    reader->elements.size = 0;
    if (!ferry_buffer_append(&reader->elements, field->text, field->size) ||
        !ferry_buffer_append(&reader->elements, "", 1))
        return ferry_fail_memory(error, "the items' fields");
    for (char *cursor = reader->elements.data, *text; true;) {
        size_t size;
        bool quoted = cursor[strspn(cursor, "[],")] == '"'; /* decoding overwrites the quote */
        if (!ferry_json_list_next(&cursor, &text, &size)) return FERRY_OK;
        if (!ferry_grow(allocator, &column->elements, sizeof *column->elements,
                        column->element_count, &column->element_capacity))
            return ferry_fail_memory(error, "the items' fields");
        FERRY_TRY(number_value(reader, column, quoted ? FERRY_VALUE_TEXT : FERRY_VALUE_NUMBER, text,
                               size, &column->elements[column->element_count], error));
        column->element_count++;
    }
}

static ferry_status read_value(field_reader *reader, ferry_field_column *column,
                               const ferry_field *field, uint32_t *number, ferry_error *error)
{
    ferry_value_kind kind = field->kind == FERRY_FIELD_TEXT     ? FERRY_VALUE_TEXT
                            : field->kind == FERRY_FIELD_NUMBER ? FERRY_VALUE_NUMBER
                                                                : FERRY_VALUE_OTHER;
    *number = FERRY_NO_VALUE;
    if (field->kind == FERRY_FIELD_NULL) return FERRY_OK;
    if (kind != FERRY_VALUE_OTHER || !ferry_json_is_plain_list(field->text))
        return number_value(reader, column, kind, field->text, field->size, number, error);
    size_t first = column->element_count, known = column->keys.count;
    FERRY_TRY(read_elements(reader, column, field, error));
    FERRY_TRY(
        number_value(reader, column, FERRY_VALUE_LIST, field->text, field->size, number, error));
    if (*number < known) { /* seen before, elements and all */
        column->element_count = first;
        return FERRY_OK;
    }
    column->values[*number].first = (uint32_t)first;
    column->values[*number].count = (uint32_t)(column->element_count - first);
    return FERRY_OK;
}

/* ---- columns ---- */

static ferry_status read_item(field_reader *reader, size_t item, ferry_error *error)
{
    ferry_fields *fields = reader->fields;
    const ferry_catalog_entry *entry = &fields->catalog->items[item];
    size_t count;
    reader->decoded.size = 0;
    if (!ferry_buffer_reserve(&reader->decoded, entry->json_size + 1))
        return ferry_fail_memory(error, "the items' fields");
    FERRY_TRY(ferry_json_fields(entry->item.json, entry->json_size, "an item", reader->decoded.data,
                                reader->row, MAX_FIELDS, &count, error));
    for (size_t f = 0; f < count; f++) {
        ferry_field *field = &reader->row[f];
        for (size_t c = reader->first; c < fields->count; c++) {
            ferry_field_column *column = &fields->columns[c];
            bool stands_in = column->own_name != NULL && column->of_item[item] == FERRY_NO_VALUE &&
                             field->name_size == column->own_name_size &&
                             memcmp(field->name, column->own_name, field->name_size) == 0;
            if (!stands_in && strcmp(column->name, field->name) != 0) continue;
            FERRY_TRY(read_value(reader, column, field, &column->of_item[item], error));
        }
    }
    return FERRY_OK;
}

static ferry_status read_items(field_reader *reader, ferry_error *error)
{
    ferry_arena arena;
    ferry_allocator allocator = reader->fields->catalog->allocator;
    ferry_arena_init(&arena, allocator);
    ferry_buffer_init(&reader->decoded, allocator);
    ferry_buffer_init(&reader->key, allocator);
    ferry_buffer_init(&reader->elements, allocator);
    reader->row = ferry_arena_array(&arena, MAX_FIELDS, sizeof *reader->row);
    ferry_status status =
        reader->row != NULL ? FERRY_OK : ferry_fail_memory(error, "the items' fields");
    for (size_t i = 0; i < reader->fields->catalog->count && status == FERRY_OK; i++)
        status = read_item(reader, i, error);
    ferry_buffer_free(&reader->elements);
    ferry_buffer_free(&reader->key);
    ferry_buffer_free(&reader->decoded);
    ferry_arena_free(&arena);
    return status;
}

static ferry_status add_column(ferry_fields *fields, const char *name, ferry_error *error)
{
    const ferry_allocator *allocator = &fields->catalog->allocator;
    ferry_field_column *column = &fields->columns[fields->count++];
    ferry_names_init(&column->keys, *allocator);
    ferry_buffer_init(&column->folded, *allocator);
    size_t size = strlen(name) + 1;
    uint32_t none;
    column->name = ferry_allocate(allocator, size, 1);
    column->own_name = ferry_item_own_name(name, &column->own_name_size);
    if (column->name != NULL) memcpy(column->name, name, size);
    column->of_item = ferry_allocate(allocator, items_of(fields), sizeof *column->of_item);
    if (column->name == NULL || column->of_item == NULL ||
        !ferry_grow(allocator, &column->values, sizeof *column->values, 0, &column->capacity) ||
        !ferry_names_add(&column->keys, "-", &none, NULL))
        return ferry_fail_memory(error, "the items' fields");
    column->values[none] = (ferry_field_value){.text = "", .kind = FERRY_VALUE_NONE};
    return FERRY_OK;
}

ferry_status ferry_fields_read(ferry_fields *fields, const char *const *names, size_t count,
                               ferry_error *error)
{
    if (count > FERRY_MAX_COLUMNS)
        return ferry_fail(error, FERRY_LIMIT,
                          "%zu conditions and limits by a field, expected at most %d", count,
                          FERRY_MAX_COLUMNS);
    size_t missing = 0;
    for (size_t i = 0; i < count; i++) missing += ferry_fields_find(fields, names[i]) == NULL;
    if (missing == 0) return FERRY_OK;
    if (fields->count + missing > FERRY_MAX_COLUMNS) keep_columns(fields, 0);
    field_reader reader = {.fields = fields, .first = fields->count};
    ferry_status status = FERRY_OK;
    for (size_t i = 0; i < count && status == FERRY_OK; i++)
        if (ferry_fields_find(fields, names[i]) == NULL)
            status = add_column(fields, names[i], error);
    if (status == FERRY_OK) status = read_items(&reader, error);
    if (status != FERRY_OK) keep_columns(fields, reader.first);
    return status;
}

ferry_status ferry_field_column_fold(ferry_fields *fields, ferry_field_column *column,
                                     ferry_error *error)
{
    const ferry_allocator *allocator = &fields->catalog->allocator;
    size_t count = column->keys.count;
    if (column->folded_at != NULL) return FERRY_OK;
    uint32_t *at = ferry_allocate(allocator, count, sizeof *at);
    column->folded.size = 0;
    bool fits = at != NULL;
    for (size_t v = 0; v < count && fits; v++) {
        at[v] = (uint32_t)column->folded.size;
        fits = ferry_fold_text(&column->folded, column->values[v].text, column->values[v].size,
                               false) &&
               ferry_buffer_append(&column->folded, "", 1) && column->folded.size < UINT32_MAX;
    }
    if (fits) {
        column->folded_at = at;
        return FERRY_OK;
    }
    ferry_release(allocator, at, count * sizeof *at);
    return ferry_fail_memory(error, "the items' fields");
}
