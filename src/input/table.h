/*
 * Tables of rows: CSV, JSONL and RecBole's atomic files behind one row of named fields.
 *
 * CSV      RFC 4180: a header row, commas (tabs if the name ends in .tsv), fields in double quotes
 *          may hold commas, line ends and doubled quotes. LF or CRLF. Blank lines are skipped.
 * JSONL    one object a line; blank lines are skipped.
 * RecBole  tab-separated, no quoting; a header of name:type, type one of token, token_seq (words
 *          separated by spaces), float, float_seq. Blank lines are skipped.
 *
 * A leading byte order mark is skipped. A row is refused, with file, line and reason, if it has
 * another number of fields than the header, more than FERRY_ROW_MAX_SIZE bytes, a NUL, bytes that
 * are not UTF-8, or what its reader does not take; the rows after it are read all the same.
 */
#ifndef FERRY_INPUT_TABLE_H
#define FERRY_INPUT_TABLE_H

#include "ferry/ferry.h"

enum {
    FERRY_ROW_MAX_SIZE = 1 << 20, /* bytes */
    FERRY_ROW_MAX_FIELDS = 512,
};

typedef enum ferry_field_kind {
    FERRY_FIELD_ABSENT,  /* an empty cell of CSV or RecBole */
    FERRY_FIELD_NULL,    /* JSON's null; text is "null" */
    FERRY_FIELD_TEXT,    /* decoded */
    FERRY_FIELD_NUMBER,  /* text is a JSON number, digits as in the file */
    FERRY_FIELD_JSON,    /* text is a list, object, true or false, as JSON without white space */
    FERRY_FIELD_WORDS,   /* RecBole's token_seq: words separated by spaces */
    FERRY_FIELD_NUMBERS, /* RecBole's float_seq: the same, to be numbers (unchecked) */
} ferry_field_kind;

/* Texts are NUL-terminated UTF-8. They live, and may be cut up in place, during the callback. */
typedef struct ferry_field {
    const char *name; /* [name_size] */
    size_t name_size;
    char *text; /* [size] */
    size_t size;
    ferry_field_kind kind;
} ferry_field;

typedef struct ferry_row {
    size_t line;               /* from 1: where the row begins */
    size_t layout;             /* rows of one layout have the same names in the same order */
    const ferry_field *fields; /* [count], names all different */
    size_t count;
    size_t size;    /* of the row in the file; its texts have no more bytes in all */
    bool is_atomic; /* of a RecBole file, whose name is its domain's */
} ferry_row;

/*
 * Takes one row. MALFORMED, INVALID_ARGUMENT, NOT_FOUND and UNSUPPORTED refuse the row, with the
 * error's message as the reason; any other failure ends the reading.
 */
typedef ferry_status (*ferry_on_row)(void *user, const ferry_row *row, ferry_error *error);

/*
 * Reads a table row by row. refused may be NULL; *refused_count (may be NULL) counts the refused
 * rows in any case. MALFORMED if refused returned false or if there is no usable header;
 * INVALID_ARGUMENT for FERRY_TABLE_AUTO if the name's ending is unknown.
 */
ferry_status ferry_table_read(const ferry_file *file, ferry_table_format format,
                              const ferry_allocator *allocator, ferry_on_row on_row, void *user,
                              ferry_row_refused refused, void *refused_user, size_t *refused_count,
                              ferry_error *error);

/* A ferry_row_refused for tables that Ferry wrote itself: a row that cannot be read is fatal. */
bool ferry_refuse_none(void *user, const char *file, size_t line, const char *reason);

/* The name without folders and without its ending: the domain of a file that does not say. */
void ferry_table_stem(const char *file_name, const char **stem, size_t *size);

/* ---- finding fields under the names they go by ---- */

enum { FERRY_MAX_SLOTS = 8, FERRY_MAX_CANDIDATES = 8 };

/*
 * Which fields of a layout may fill which slot. A slot has a list of names separated by spaces, the
 * first of them its own; names match regardless of ASCII case and of '_', '-' and ' '. Where
 * several fields match, the earlier name in the list comes first.
 */
typedef struct ferry_field_plan {
    size_t layout;                                                /* of the row; 0: none yet */
    unsigned short fields[FERRY_MAX_SLOTS][FERRY_MAX_CANDIDATES]; /* indices into the row */
    size_t counts[FERRY_MAX_SLOTS];                               /* <= FERRY_MAX_CANDIDATES */
} ferry_field_plan;

/* names is [slots] lists of names. Does nothing if the plan is already for this layout. */
void ferry_field_plan_for(ferry_field_plan *plan, const ferry_row *row, const char *const *names,
                          size_t slots);

/* Whether the field has the first name of the list. */
bool ferry_field_has_own_name(const ferry_field *field, const char *names);

/* Cuts white space (ASCII) off both ends. */
void ferry_text_trim(char **text, size_t *size);

/*
 * An id given as text, or as a number that is whole: the digits as written, so that long ids stay
 * exact, and 12.0 as 12. Trimmed. MALFORMED names the field.
 */
ferry_status ferry_field_id(const ferry_field *field, char **out, size_t *size, ferry_error *error);

/* Whether the whole text is a decimal number ("5", "-0.5", "1e3") and finite. Of no locale. */
bool ferry_number_parse(const char *text, size_t size, double *out);

#endif
