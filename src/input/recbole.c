#include <string.h>

#include "base/error.h"
#include "input/excerpt.h"
#include "input/json_text.h"
#include "input/table_reader.h"

/* The types of RecBole's columns, and what a cell of each becomes. */
static const struct {
    const char *name;
    ferry_field_kind kind;
} types[] = {
    {"token", FERRY_FIELD_TEXT},
    {"token_seq", FERRY_FIELD_WORDS},
    {"float", FERRY_FIELD_NUMBER},
    {"float_seq", FERRY_FIELD_NUMBERS},
};

/* Splits a line into fields' texts, at most FERRY_ROW_MAX_FIELDS; how many there were. */
static size_t split(ferry_table_reader *reader, const char *line, size_t size)
{
    const char *end = line + size;
    char *out = reader->text.data;
    size_t count = 0;
    for (;; count++) {
        const char *tab = memchr(line, '\t', (size_t)(end - line));
        size_t cell = (size_t)((tab != NULL ? tab : end) - line);
        if (count < FERRY_ROW_MAX_FIELDS) {
            memcpy(out, line, cell);
            out[cell] = '\0';
            reader->fields[count].text = out;
            reader->fields[count].size = cell;
            out += cell + 1;
        }
        if (tab == NULL) return count + 1;
        line = tab + 1;
    }
}

static ferry_status read_column(ferry_table_reader *reader, size_t index, ferry_field_kind *kind)
{
    ferry_field *field = &reader->fields[index];
    char excerpt[FERRY_EXCERPT_SIZE];
    ferry_text_trim(&field->text, &field->size);
    char *colon = strrchr(field->text, ':');
    for (size_t i = 0; colon != NULL && i < sizeof types / sizeof *types; i++) {
        if (strcmp(colon + 1, types[i].name) != 0) continue;
        field->name = field->text;
        field->name_size = (size_t)(colon - field->text);
        *kind = types[i].kind;
        return FERRY_OK;
    }
    return ferry_table_bad_header(reader,
                                  "column \"%s\" of the header is not name:type with a type of "
                                  "token, token_seq, float or float_seq",
                                  ferry_excerpt(field->text, field->size, excerpt));
}

static ferry_status read_header(ferry_table_reader *reader, ferry_field_kind **kinds)
{
    const char *line = NULL;
    size_t size = 0;
    reader->row.line = reader->line;
    while (size == 0)
        if (!ferry_table_next_line(reader, &line, &size))
            return ferry_table_bad_header(reader, "empty, a header of name:type was expected");
    FERRY_TRY(ferry_table_begin_header(reader, line, size));
    size_t count = split(reader, line, size);
    if (count > FERRY_ROW_MAX_FIELDS)
        return ferry_table_bad_header(reader, "%zu columns, the limit is %d", count,
                                      FERRY_ROW_MAX_FIELDS);
    *kinds = ferry_arena_array(&reader->arena, count, sizeof **kinds); /* [count] */
    if (*kinds == NULL) return ferry_fail_memory(reader->error, "a table's header");
    for (size_t i = 0; i < count; i++) FERRY_TRY(read_column(reader, i, &(*kinds)[i]));
    reader->row.count = count;
    return ferry_table_keep_names(reader);
}

static void set_kinds(ferry_table_reader *reader, const ferry_field_kind *kinds)
{
    for (size_t i = 0; i < reader->row.count; i++) {
        ferry_field *field = &reader->fields[i];
        field->kind = field->size > 0 ? kinds[i] : FERRY_FIELD_ABSENT;
        if (field->kind == FERRY_FIELD_NUMBER && !ferry_json_is_number(field->text, field->size))
            field->kind = FERRY_FIELD_TEXT; /* "nan", ".5": whoever wants a number will say */
    }
}

ferry_status ferry_table_read_recbole(ferry_table_reader *reader)
{
    ferry_field_kind *kinds = NULL; /* [row.count] */
    FERRY_TRY(read_header(reader, &kinds));
    reader->row.is_atomic = true;
    const char *line;
    size_t size;
    while (ferry_table_next_line(reader, &line, &size)) {
        bool usable;
        if (size == 0) continue;
        FERRY_TRY(ferry_table_begin_row(reader, line, size, &usable));
        if (!usable) continue;
        size_t count = split(reader, line, size);
        if (count != reader->row.count) {
            FERRY_TRY(ferry_table_refuse(reader, "%zu fields, the header has %zu", count,
                                         reader->row.count));
            continue;
        }
        set_kinds(reader, kinds);
        FERRY_TRY(ferry_table_deliver(reader));
    }
    return FERRY_OK;
}
