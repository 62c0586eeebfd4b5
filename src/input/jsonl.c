#include <string.h>

#include "base/error.h"
#include "input/excerpt.h"
#include "input/json_text.h"
#include "input/table_reader.h"

static bool is_blank(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (line[i] != ' ' && line[i] != '\t' && line[i] != '\r') return false;
    return true;
}

/*
 * Gives the row a new layout if its names are not those of the row before, which are kept in names,
 * each with its NUL. Rows of one file mostly agree, and then their fields need no looking up.
 */
static ferry_status set_layout(ferry_table_reader *reader, ferry_buffer *names)
{
    const ferry_field *fields = reader->fields;
    size_t at = 0;
    bool same = reader->row.layout > 0;
    for (size_t i = 0; same && i < reader->row.count; i++) {
        size_t size = fields[i].name_size + 1;
        same = names->size - at >= size && memcmp(names->data + at, fields[i].name, size) == 0;
        at += size;
    }
    if (same && at == names->size) return FERRY_OK;
    reader->row.layout++;
    names->size = 0;
    for (size_t i = 0; i < reader->row.count; i++)
        if (!ferry_buffer_append(names, fields[i].name, fields[i].name_size + 1))
            return ferry_fail_memory(reader->error, "a table's field names");
    return FERRY_OK;
}

static ferry_status read_line(ferry_table_reader *reader, const char *line, size_t size,
                              ferry_buffer *names)
{
    bool usable;
    FERRY_TRY(ferry_table_begin_row(reader, line, size, &usable));
    if (!usable) return FERRY_OK;
    ferry_error reason;
    if (ferry_json_fields(line, size, "row", reader->text.data, reader->fields,
                          FERRY_ROW_MAX_FIELDS, &reader->row.count, &reason) != FERRY_OK)
        return ferry_table_refuse(reader, "%s", reason.message);
    const char *name;
    size_t name_size;
    char excerpt[FERRY_EXCERPT_SIZE];
    size_t layout = reader->row.layout;
    FERRY_TRY(set_layout(reader, names));
    if (reader->row.layout != layout && ferry_table_has_duplicate(reader, &name, &name_size)) {
        names->size = 0; /* the next row like it is looked at again */
        reader->row.layout++;
        return ferry_table_refuse(reader, "field \"%s\" is there twice",
                                  ferry_excerpt(name, name_size, excerpt));
    }
    return ferry_table_deliver(reader);
}

ferry_status ferry_table_read_jsonl(ferry_table_reader *reader)
{
    ferry_buffer names;
    ferry_buffer_init(&names, reader->arena.allocator);
    ferry_status status = FERRY_OK;
    const char *line;
    size_t size;
    while (status == FERRY_OK && ferry_table_next_line(reader, &line, &size))
        if (!is_blank(line, size)) status = read_line(reader, line, size, &names);
    ferry_buffer_free(&names);
    return status;
}
