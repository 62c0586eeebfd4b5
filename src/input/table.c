#include "input/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"
#include "input/excerpt.h"
#include "input/table_reader.h"

/* ---- which format ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool ends_with(const char *name, const char *ending)
{
    size_t size = strlen(name), ending_size = strlen(ending);
    if (size < ending_size) return false;
    for (size_t i = 0; i < ending_size; i++)
        if (lower(name[size - ending_size + i]) != ending[i]) return false;
    return true;
}

static ferry_status format_of(const char *name, ferry_table_format *format, ferry_error *error)
{
    static const struct {
        const char *ending;
        ferry_table_format format;
    } endings[] = {
        {".csv", FERRY_TABLE_CSV},      {".tsv", FERRY_TABLE_CSV},
        {".jsonl", FERRY_TABLE_JSONL},  {".ndjson", FERRY_TABLE_JSONL},
        {".item", FERRY_TABLE_RECBOLE}, {".inter", FERRY_TABLE_RECBOLE},
    };
    for (size_t i = 0; *format == FERRY_TABLE_AUTO && i < sizeof endings / sizeof *endings; i++)
        if (ends_with(name, endings[i].ending)) *format = endings[i].format;
    if (*format != FERRY_TABLE_AUTO) return FERRY_OK;
    return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                      "%s: a table's name ends in .csv, .tsv, .jsonl, .ndjson, .item or .inter",
                      name);
}

void ferry_table_stem(const char *file_name, const char **stem, size_t *size)
{
    const char *begin = file_name;
    for (const char *c = file_name; *c != '\0'; c++)
        if (*c == '/' || *c == '\\') begin = c + 1;
    const char *dot = strrchr(begin, '.');
    *stem = begin;
    *size = dot != NULL && dot != begin ? (size_t)(dot - begin) : strlen(begin);
}

/* ---- reading ---- */

static ferry_status read_format(ferry_table_reader *reader, ferry_table_format format)
{
    switch (format) {
    case FERRY_TABLE_CSV:
        return ferry_table_read_csv(reader, ends_with(reader->file, ".tsv") ? '\t' : ',');
    case FERRY_TABLE_JSONL: return ferry_table_read_jsonl(reader);
    case FERRY_TABLE_RECBOLE: return ferry_table_read_recbole(reader);
    case FERRY_TABLE_AUTO: break;
    }
    return ferry_fail(reader->error, FERRY_INVALID_ARGUMENT, "%s: %d is no table format",
                      reader->file, (int)format);
}

ferry_status ferry_table_read(const ferry_file *file, ferry_table_format format,
                              const ferry_allocator *allocator, ferry_on_row on_row, void *user,
                              ferry_row_refused refused, void *refused_user, size_t *refused_count,
                              ferry_error *error)
{
    if (refused_count != NULL) *refused_count = 0;
    FERRY_TRY(format_of(file->name, &format, error));
    ferry_table_reader reader = {
        .file = file->name,
        .data = file->data,
        .size = file->size,
        .line = 1,
        .on_row = on_row,
        .user = user,
        .refused = refused,
        .refused_user = refused_user,
        .error = error,
    };
    if (reader.size >= 3 && memcmp(reader.data, "\xEF\xBB\xBF", 3) == 0) reader.offset = 3;
    ferry_arena_init(&reader.arena, ferry_allocator_or_default(allocator));
    ferry_buffer_init(&reader.text, reader.arena.allocator);
    reader.fields = ferry_arena_array(&reader.arena, FERRY_ROW_MAX_FIELDS, sizeof *reader.fields);
    reader.row.fields = reader.fields;
    ferry_status status = reader.fields != NULL ? read_format(&reader, format)
                                                : ferry_fail_memory(error, "a table's row");
    ferry_buffer_free(&reader.text);
    ferry_arena_free(&reader.arena);
    if (refused_count != NULL) *refused_count = reader.refused_count;
    return status;
}

bool ferry_table_next_line(ferry_table_reader *reader, const char **line, size_t *size)
{
    if (reader->offset == reader->size) return false;
    *line = reader->data + reader->offset;
    size_t left = reader->size - reader->offset;
    const char *end = memchr(*line, '\n', left);
    *size = end != NULL ? (size_t)(end - *line) : left;
    reader->offset += *size + (end != NULL ? 1 : 0);
    reader->row.line = reader->line++;
    if (*size > 0 && (*line)[*size - 1] == '\r') (*size)--;
    return true;
}

/* NULL, or why the row's bytes cannot be taken. */
static const char *bad_bytes(const char *row, size_t size)
{
    if (size > FERRY_ROW_MAX_SIZE) return "is larger than 1 MiB";
    if (size > 0 && memchr(row, '\0', size) != NULL) return "has a NUL byte";
    if (!ferry_utf8_is_valid(row, size)) return "is not UTF-8";
    return NULL;
}

static ferry_status make_room(ferry_table_reader *reader, size_t size)
{
    reader->row.size = size;
    reader->text.size = 0;
    /* A cell's NUL stands for the delimiter behind it; the last cell has none. */
    if (!ferry_buffer_reserve(&reader->text, size + 1))
        return ferry_fail_memory(reader->error, "a table's row");
    return FERRY_OK;
}

ferry_status ferry_table_begin_row(ferry_table_reader *reader, const char *row, size_t size,
                                   bool *usable)
{
    const char *problem = bad_bytes(row, size);
    *usable = problem == NULL;
    if (problem != NULL) return ferry_table_refuse(reader, "the row %s", problem);
    return make_room(reader, size);
}

ferry_status ferry_table_begin_header(ferry_table_reader *reader, const char *row, size_t size)
{
    const char *problem = bad_bytes(row, size);
    if (problem != NULL) return ferry_table_bad_header(reader, "the header %s", problem);
    return make_room(reader, size);
}

ferry_status ferry_table_deliver(ferry_table_reader *reader)
{
    ferry_error reason;
    reason.message[0] = '\0';
    ferry_status status = reader->on_row(reader->user, &reader->row, &reason);
    switch (status) {
    case FERRY_OK: return FERRY_OK;
    case FERRY_MALFORMED:
    case FERRY_INVALID_ARGUMENT:
    case FERRY_NOT_FOUND:
    case FERRY_UNSUPPORTED: return ferry_table_refuse(reader, "%s", reason.message);
    default: return ferry_fail(reader->error, status, "%s", reason.message);
    }
}

ferry_status ferry_table_refuse(ferry_table_reader *reader, const char *reason, ...)
{
    reader->refused_count++;
    if (reader->refused == NULL) return FERRY_OK;
    ferry_error text;
    va_list arguments;
    va_start(arguments, reason);
    vsnprintf(text.message, sizeof text.message, reason, arguments);
    va_end(arguments);
    size_t line = reader->row.line;
    if (reader->refused(reader->refused_user, reader->file, line, text.message)) return FERRY_OK;
    return ferry_fail(reader->error, FERRY_MALFORMED, "%s:%zu: %s", reader->file, line,
                      text.message);
}

ferry_status ferry_table_bad_header(ferry_table_reader *reader, const char *reason, ...)
{
    ferry_error text;
    va_list arguments;
    va_start(arguments, reason);
    vsnprintf(text.message, sizeof text.message, reason, arguments);
    va_end(arguments);
    return ferry_fail(reader->error, FERRY_MALFORMED, "%s:%zu: %s", reader->file, reader->row.line,
                      text.message);
}

bool ferry_table_has_duplicate(const ferry_table_reader *reader, const char **name, size_t *size)
{
    const ferry_field *fields = reader->fields;
    for (size_t i = 1; i < reader->row.count; i++) {
        size_t length = fields[i].name_size;
        for (size_t j = 0; j < i && length > 0; j++) {
            if (fields[j].name_size != length) continue;
            if (memcmp(fields[j].name, fields[i].name, length) != 0) continue;
            *name = fields[i].name;
            *size = length;
            return true;
        }
    }
    return false;
}

ferry_status ferry_table_keep_names(ferry_table_reader *reader)
{
    const char *name;
    size_t size;
    char excerpt[FERRY_EXCERPT_SIZE];
    if (ferry_table_has_duplicate(reader, &name, &size))
        return ferry_table_bad_header(reader, "the header has \"%s\" twice",
                                      ferry_excerpt(name, size, excerpt));
    for (size_t i = 0; i < reader->row.count; i++) {
        ferry_field *field = &reader->fields[i];
        field->name = ferry_arena_text(&reader->arena, field->name, field->name_size);
        if (field->name == NULL) return ferry_fail_memory(reader->error, "a table's header");
    }
    reader->row.layout = 1;
    return FERRY_OK;
}

bool ferry_refuse_none(void *user, const char *file, size_t line, const char *reason)
{
    (void)user, (void)file, (void)line, (void)reason;
    return false;
}
