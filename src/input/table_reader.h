/* What the three readers of tables share. Internal to table*.c. */
#ifndef FERRY_INPUT_TABLE_READER_H
#define FERRY_INPUT_TABLE_READER_H

#include "base/memory.h"
#include "input/table.h"

typedef struct ferry_table_reader {
    const char *file; /* name */
    const char *data; /* [size] */
    size_t size;
    size_t offset; /* <= size: where the next line begins */
    size_t line;   /* its number, from 1 */
    ferry_arena arena;
    ferry_buffer text;   /* the row's names and texts; fields point into it */
    ferry_field *fields; /* [FERRY_ROW_MAX_FIELDS] */
    ferry_row row;       /* the row being read */
    ferry_on_row on_row;
    void *user;
    ferry_row_refused refused;
    void *refused_user;
    size_t refused_count;
    ferry_error *error;
} ferry_table_reader;

ferry_status ferry_table_read_csv(ferry_table_reader *reader, char delimiter);
ferry_status ferry_table_read_jsonl(ferry_table_reader *reader);
ferry_status ferry_table_read_recbole(ferry_table_reader *reader);

/* The next line without its LF or CRLF, moving past it; false at the end. row.line is its number.
 */
bool ferry_table_next_line(ferry_table_reader *reader, const char **line, size_t *size);

/*
 * Makes room for a row's texts and checks its bytes; *usable is false if it was refused, which is
 * no failure unless the caller of ferry_table_read made it one.
 */
ferry_status ferry_table_begin_row(ferry_table_reader *reader, const char *row, size_t size,
                                   bool *usable);

/* The same for the header, where there is no going on: MALFORMED. */
ferry_status ferry_table_begin_header(ferry_table_reader *reader, const char *row, size_t size);

/* Hands on the first row.count fields. */
ferry_status ferry_table_deliver(ferry_table_reader *reader);

__attribute__((format(printf, 2, 3))) ferry_status ferry_table_refuse(ferry_table_reader *reader,
                                                                      const char *reason, ...);

/* Fails for the table's header, at row.line. */
__attribute__((format(printf, 2, 3))) ferry_status
ferry_table_bad_header(ferry_table_reader *reader, const char *reason, ...);

/* MALFORMED if two of the first row.count fields have one name. Empty names may repeat. */
bool ferry_table_has_duplicate(const ferry_table_reader *reader, const char **name, size_t *size);

/* Copies the first row.count fields' names into the arena, for the rows to come. */
ferry_status ferry_table_keep_names(ferry_table_reader *reader);

#endif
