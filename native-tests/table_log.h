/* What a reader of tables handed on and refused, as text that a test compares whole. */
#ifndef FERRY_TESTS_TABLE_LOG_H
#define FERRY_TESTS_TABLE_LOG_H

#include "base/memory.h"
#include "input/events.h"
#include "input/items.h"
#include "input/table.h"
#include "test.h"

typedef struct table_log {
    char text[1 << 16]; /* cut if longer */
    size_t size;
    size_t rows, refused;
    size_t refusals_allowed; /* the next one is made fatal */
} table_log;

__attribute__((format(printf, 2, 3))) static inline void table_log_add(table_log *log,
                                                                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(log->text + log->size, sizeof log->text - log->size, format, arguments);
    va_end(arguments);
    assert_true(size >= 0);
    log->size += (size_t)size;
    if (log->size >= sizeof log->text) log->size = sizeof log->text - 1;
}

static inline bool table_log_refused(void *user, const char *file, size_t line, const char *reason)
{
    table_log *log = user;
    log->refused++;
    table_log_add(log, "%s:%zu: %s\n", file, line, reason);
    return log->refused <= log->refusals_allowed;
}

static inline void table_log_clear(table_log *log)
{
    log->size = log->rows = log->refused = 0;
    log->text[0] = '\0';
    log->refusals_allowed = SIZE_MAX;
}

/* line|name=value|…: text as it is, numbers after '#', JSON after '~', word lists in brackets */
static inline ferry_status table_log_row(void *user, const ferry_row *row, ferry_error *error)
{
    static const char marks[] = {[FERRY_FIELD_NUMBER] = '#',
                                 [FERRY_FIELD_JSON] = '~',
                                 [FERRY_FIELD_NULL] = '~',
                                 [FERRY_FIELD_WORDS] = '[',
                                 [FERRY_FIELD_NUMBERS] = '{'};
    (void)error;
    table_log *log = user;
    log->rows++;
    table_log_add(log, "%zu", row->line);
    for (size_t i = 0; i < row->count; i++) {
        const ferry_field *field = &row->fields[i];
        assert_int_equal(strlen(field->name), field->name_size);
        assert_int_equal(strlen(field->text), field->size);
        table_log_add(log, "|%s=", field->name);
        if (field->kind == FERRY_FIELD_ABSENT) continue;
        if (field->kind != FERRY_FIELD_TEXT) table_log_add(log, "%c", marks[field->kind]);
        table_log_add(log, "%s", field->text);
    }
    table_log_add(log, "\n");
    return FERRY_OK;
}

/* The item's JSON; its fields must say the same. */
static inline ferry_status table_log_item(void *user, const ferry_item_row *item,
                                          ferry_error *error)
{
    (void)error;
    table_log *log = user;
    log->rows++;
    assert_int_equal(strlen(item->json), item->json_size);
    table_log_add(log, "%s\n", item->json);
    return FERRY_OK;
}

/* user item domain behavior value timestamp */
static inline ferry_status table_log_event(void *user, const ferry_event_row *event,
                                           ferry_error *error)
{
    (void)error;
    table_log *log = user;
    log->rows++;
    table_log_add(log, "%s/%s/%s %s %g %lld\n", event->user, event->item, event->domain,
                  event->behavior_name, event->value, (long long)event->timestamp);
    return FERRY_OK;
}

#endif
