#include "input/events.h"

#include <string.h>

#include "base/error.h"
#include "input/date.h"
#include "input/excerpt.h"
#include "input/json_text.h"
#include "input/table.h"

enum {
#define SLOT(slot, names) SLOT_##slot,
    FERRY_EVENT_FIELD_LIST(SLOT)
#undef SLOT
        SLOT_COUNT
};
_Static_assert((int)SLOT_COUNT <= (int)FERRY_MAX_SLOTS, "a field plan has a place for every slot");

static const char *const slot_names[SLOT_COUNT] = {
#define NAMES(slot, names) names,
    FERRY_EVENT_FIELD_LIST(NAMES)
#undef NAMES
};

typedef struct event_reader {
    ferry_on_event on_event;
    void *user;
    char *stem; /* of the file's name */
    ferry_field_plan plan;
} event_reader;

static bool is_empty(const ferry_field *field)
{
    if (field->kind == FERRY_FIELD_ABSENT || field->kind == FERRY_FIELD_NULL) return true;
    return field->size == strspn(field->text, " \t\n\v\f\r");
}

/* The field that fills the slot, or NULL. */
static const ferry_field *slot_field(const ferry_field_plan *plan, const ferry_row *row, int slot)
{
    for (size_t i = 0; i < plan->counts[slot]; i++) {
        const ferry_field *field = &row->fields[plan->fields[slot][i]];
        if (!is_empty(field)) return field;
    }
    return NULL;
}

static ferry_status read_id(const ferry_field_plan *plan, const ferry_row *row, int slot,
                            const char **out, ferry_error *error)
{
    const ferry_field *field = slot_field(plan, row, slot);
    if (field == NULL) return FERRY_OK;
    char *text;
    size_t size;
    FERRY_TRY(ferry_field_id(field, &text, &size, error));
    *out = text;
    return FERRY_OK;
}

/* ---- behavior and value ---- */

static const char *const behavior_names[FERRY_BEHAVIOR_COUNT] = {
#define NAME(name, text, weight) text,
    FERRY_BEHAVIOR_LIST(NAME)
#undef NAME
};

static ferry_status read_behavior(const ferry_field *field, ferry_event_row *event,
                                  ferry_error *error)
{
    char *text, excerpt[FERRY_EXCERPT_SIZE];
    size_t size;
    FERRY_TRY(ferry_field_id(field, &text, &size, error)); /* some data sets number theirs */
    if (size > FERRY_BEHAVIOR_MAX_SIZE)
        return ferry_fail(error, FERRY_MALFORMED, "behavior \"%s\" has %zu bytes, expected 1 to %d",
                          ferry_excerpt(text, size, excerpt), size, FERRY_BEHAVIOR_MAX_SIZE);
    for (size_t i = 0; i < size; i++)
        if (text[i] >= 'A' && text[i] <= 'Z') text[i] = (char)(text[i] + ('a' - 'A'));
    event->behavior = FERRY_OTHER;
    event->behavior_name = text;
    for (int i = 0; i < FERRY_BEHAVIOR_COUNT; i++)
        if (strcmp(text, behavior_names[i]) == 0) event->behavior = (ferry_behavior)i;
    return FERRY_OK;
}

/* A number, or text that is one; false for anything else. */
static bool read_number(const ferry_field *field, double *out)
{
    if (field->kind == FERRY_FIELD_JSON) return false;
    char *text = field->text;
    size_t size = field->size;
    ferry_text_trim(&text, &size);
    return ferry_number_parse(text, size, out);
}

static ferry_status read_value(const ferry_field *field, ferry_event_row *event, ferry_error *error)
{
    char excerpt[FERRY_EXCERPT_SIZE];
    if (field == NULL && event->behavior == FERRY_RATING)
        return ferry_fail(error, FERRY_MALFORMED, "a rating without a value");
    if (field == NULL) return FERRY_OK;
    if (!read_number(field, &event->value))
        return ferry_fail(error, FERRY_MALFORMED, "the value is \"%s\", expected a finite number",
                          ferry_excerpt(field->text, field->size, excerpt));
    event->has_value = true;
    return FERRY_OK;
}

static ferry_status read_position(const ferry_field *field, double *out, ferry_error *error)
{
    char excerpt[FERRY_EXCERPT_SIZE];
    if (field == NULL || read_number(field, out)) return FERRY_OK;
    return ferry_fail(error, FERRY_MALFORMED, "the position is \"%s\", expected a finite number",
                      ferry_excerpt(field->text, field->size, excerpt));
}

static ferry_status read_timestamp(const ferry_field *field, int64_t *out, ferry_error *error)
{
    char excerpt[FERRY_EXCERPT_SIZE];
    if (field == NULL) return FERRY_OK;
    char *text = field->text;
    size_t size = field->size;
    ferry_text_trim(&text, &size);
    if (field->kind != FERRY_FIELD_JSON &&
        (ferry_seconds_from_number(text, size, out) || ferry_seconds_from_date(text, size, out)))
        return FERRY_OK;
    return ferry_fail(error, FERRY_MALFORMED,
                      "the timestamp is \"%s\", expected seconds since 1970 or a date "
                      "(2024-05-31T23:59:58Z)",
                      ferry_excerpt(text, size, excerpt));
}

/* ---- rows ---- */

static ferry_status read_event(const ferry_field_plan *plan, const ferry_row *row,
                               ferry_event_row *out, ferry_error *error)
{
    FERRY_TRY(read_id(plan, row, SLOT_USER, &out->user, error));
    FERRY_TRY(read_id(plan, row, SLOT_ITEM, &out->item, error));
    FERRY_TRY(read_id(plan, row, SLOT_DOMAIN, &out->domain, error));
    if (*out->item == '\0')
        return ferry_fail(error, FERRY_MALFORMED, "no item (looked for %s)", slot_names[SLOT_ITEM]);
    const ferry_field *behavior = slot_field(plan, row, SLOT_BEHAVIOR);
    const ferry_field *value = slot_field(plan, row, SLOT_VALUE);
    out->behavior = value != NULL ? FERRY_RATING : FERRY_PURCHASE;
    out->behavior_name = behavior_names[out->behavior];
    if (behavior != NULL) FERRY_TRY(read_behavior(behavior, out, error));
    FERRY_TRY(read_value(value, out, error));
    FERRY_TRY(read_position(slot_field(plan, row, SLOT_POSITION), &out->position, error));
    return read_timestamp(slot_field(plan, row, SLOT_TIMESTAMP), &out->timestamp, error);
}

static ferry_status on_row(void *user, const ferry_row *row, ferry_error *error)
{
    event_reader *r = user;
    ferry_field_plan_for(&r->plan, row, slot_names, SLOT_COUNT);
    ferry_event_row event = {
        .user = "", .item = "", .domain = row->is_atomic ? r->stem : "", .line = row->line};
    FERRY_TRY(read_event(&r->plan, row, &event, error));
    return r->on_event(r->user, &event, error);
}

ferry_status ferry_events_read(const ferry_file *table, ferry_table_format format,
                               const ferry_allocator *allocator, ferry_on_event on_event,
                               void *on_event_user, ferry_row_refused refused, void *refused_user,
                               size_t *refused_count, ferry_error *error)
{
    if (refused_count != NULL) *refused_count = 0;
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(allocator));
    event_reader r = {.on_event = on_event, .user = on_event_user};
    const char *stem;
    size_t stem_size;
    ferry_table_stem(table->name, &stem, &stem_size);
    r.stem = ferry_arena_text(&arena, stem, stem_size);
    ferry_status status = r.stem != NULL
                              ? ferry_table_read(table, format, &arena.allocator, on_row, &r,
                                                 refused, refused_user, refused_count, error)
                              : ferry_fail_memory(error, "events");
    ferry_arena_free(&arena);
    return status;
}

ferry_status ferry_event_from_json(const char *json, size_t size, ferry_arena *arena,
                                   ferry_event_row *out, ferry_error *error)
{
    enum { MAX_FIELDS = 64 };
    *out = (ferry_event_row){.user = "", .item = "", .domain = "", .behavior_name = ""};
    if (size > FERRY_ROW_MAX_SIZE)
        return ferry_fail(error, FERRY_LIMIT, "event: larger than 1 MiB");
    char *texts = ferry_arena_array(arena, size + 1, 1);
    ferry_field *fields = ferry_arena_array(arena, MAX_FIELDS, sizeof *fields);
    if (texts == NULL || fields == NULL) return ferry_fail_memory(error, "an event");

    ferry_row row = {.layout = 1, .fields = fields, .size = size};
    ferry_field_plan plan = {0};
    ferry_event_row event = *out;
    FERRY_TRY(ferry_json_fields(json, size, "event", texts, fields, MAX_FIELDS, &row.count, error));
    ferry_field_plan_for(&plan, &row, slot_names, SLOT_COUNT);
    ferry_error reason;
    reason.message[0] = '\0';
    ferry_status status = read_event(&plan, &row, &event, &reason);
    if (status != FERRY_OK) return ferry_fail(error, status, "event: %s", reason.message);
    *out = event;
    return FERRY_OK;
}
