#include <string.h>

#include "base/error.h"
#include "input/table_reader.h"

/*
 * Finds the row's end, a line feed outside quotes or the end of the data: its size without the line
 * end. *open is true if a quote was still open there.
 */
static const char *next_row(ferry_table_reader *reader, char delimiter, size_t *size, bool *open)
{
    const char *row = reader->data + reader->offset;
    const char *end = reader->data + reader->size;
    const char *c = row;
    bool at_start = true; /* of a field: a quote further on is text */
    *open = false;
    reader->row.line = reader->line;
    for (; c < end; c++) {
        if (*c == '\n') reader->line++;
        if (*open) {
            if (*c != '"') continue;
            if (c + 1 < end && c[1] == '"')
                c++;
            else
                *open = false;
            continue;
        }
        if (*c == '\n') break;
        if (at_start && *c == '"') *open = true;
        at_start = *c == delimiter;
    }
    reader->offset = (size_t)(c - reader->data) + (c < end ? 1 : 0);
    *size = (size_t)(c - row);
    if (*size > 0 && !*open && row[*size - 1] == '\r') (*size)--;
    return row;
}

/*
 * Decodes the cell at *at into out (its size, a NUL behind it) and moves past the delimiter, if
 * there is one. false if text follows its closing quote.
 */
static bool read_cell(const char **at, const char *end, char delimiter, char *out, size_t *size)
{
    const char *c = *at;
    char *begin = out;
    if (c < end && *c == '"') {
        for (c++; c < end; c++) {
            if (*c == '"' && !(c + 1 < end && c[1] == '"')) break;
            if (*c == '"') c++;
            *out++ = *c;
        }
        c++; /* the closing quote: next_row has seen it */
        if (c < end && *c != delimiter) return false;
    } else {
        const char *stop = memchr(c, delimiter, (size_t)(end - c));
        size_t plain = (size_t)((stop != NULL ? stop : end) - c);
        memcpy(out, c, plain);
        out += plain;
        c += plain;
    }
    *out = '\0';
    *size = (size_t)(out - begin);
    *at = c < end ? c + 1 : NULL;
    return true;
}

/* Splits a row into fields' texts; *problem says why if not all of it could be. */
static void split(ferry_table_reader *reader, const char *row, size_t size, char delimiter,
                  const char **problem)
{
    const char *at = row, *end = row + size;
    char *out = reader->text.data;
    reader->row.count = 0;
    *problem = NULL;
    while (at != NULL) {
        if (reader->row.count == FERRY_ROW_MAX_FIELDS) {
            *problem = "the row has more than 512 fields";
            return;
        }
        ferry_field *field = &reader->fields[reader->row.count];
        field->text = out;
        if (!read_cell(&at, end, delimiter, out, &field->size)) {
            *problem = "text follows a closing quote";
            return;
        }
        out += field->size + 1;
        field->kind = field->size > 0 ? FERRY_FIELD_TEXT : FERRY_FIELD_ABSENT;
        reader->row.count++;
    }
}

static ferry_status read_header(ferry_table_reader *reader, char delimiter)
{
    const char *row = NULL, *problem = NULL;
    size_t size = 0;
    bool open = false;
    reader->row.line = reader->line;
    while (size == 0) {
        if (reader->offset == reader->size)
            return ferry_table_bad_header(reader, "empty, a header row was expected");
        row = next_row(reader, delimiter, &size, &open);
    }
    if (open) return ferry_table_bad_header(reader, "a quote in the header is never closed");
    FERRY_TRY(ferry_table_begin_header(reader, row, size));
    split(reader, row, size, delimiter, &problem);
    if (problem != NULL) return ferry_table_bad_header(reader, "in the header: %s", problem);
    for (size_t i = 0; i < reader->row.count; i++) {
        ferry_field *field = &reader->fields[i];
        ferry_text_trim(&field->text, &field->size);
        field->name = field->text;
        field->name_size = field->size;
    }
    return ferry_table_keep_names(reader);
}

ferry_status ferry_table_read_csv(ferry_table_reader *reader, char delimiter)
{
    FERRY_TRY(read_header(reader, delimiter));
    size_t expected = reader->row.count;
    while (reader->offset < reader->size) {
        size_t size;
        bool open, usable;
        const char *problem;
        const char *row = next_row(reader, delimiter, &size, &open);
        if (size == 0) continue;
        if (open) {
            size_t last = reader->line - (reader->data[reader->size - 1] == '\n' ? 1 : 0);
            FERRY_TRY(ferry_table_refuse(
                reader,
                "a quote in this row is never closed: it takes in all up to line %zu, the "
                "last",
                last));
            continue;
        }
        FERRY_TRY(ferry_table_begin_row(reader, row, size, &usable));
        if (!usable) continue;
        split(reader, row, size, delimiter, &problem);
        if (problem != NULL) {
            FERRY_TRY(ferry_table_refuse(reader, "%s", problem));
        } else if (reader->row.count != expected) {
            FERRY_TRY(ferry_table_refuse(reader, "%zu fields, the header has %zu",
                                         reader->row.count, expected));
        } else {
            FERRY_TRY(ferry_table_deliver(reader));
        }
    }
    return FERRY_OK;
}
