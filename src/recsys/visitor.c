#include "recsys/visitor.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/utf8.h"

ferry_status ferry_visitor_create(const ferry_catalog *catalog, ferry_visitor **out,
                                  ferry_error *error)
{
    *out = NULL;
    if (catalog->dimension == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the catalogue has no vectors yet: encode it first");
    const ferry_allocator allocator = ferry_allocator_wiping(&catalog->allocator);
    ferry_visitor *visitor = ferry_allocate(&allocator, 1, sizeof *visitor);
    if (visitor == NULL) return ferry_fail_memory(error, "the visitor");
    visitor->catalog = catalog;
    visitor->allocator = allocator;
    ferry_buffer_init(&visitor->others, allocator);
    ferry_fields_init(&visitor->fields, catalog);
    size_t items = ferry_at_least_one(catalog->count),
           domains = ferry_at_least_one(catalog->domain_count);
    visitor->seen = ferry_allocate(&allocator, items, 1);
    visitor->disliked = ferry_allocate(&allocator, items, 1);
    visitor->candidate = ferry_allocate(&allocator, items, 1);
    visitor->wanted = ferry_allocate(&allocator, domains, 1);
    visitor->domain_weight = ferry_allocate(&allocator, domains, sizeof(float));
    visitor->scored = ferry_allocate(&allocator, domains, sizeof *visitor->scored);
    visitor->vector = ferry_allocate(&allocator, catalog->dimension, sizeof(float));
    visitor->scores = ferry_allocate(&allocator, items, sizeof(float));
    if (visitor->seen == NULL || visitor->disliked == NULL || visitor->candidate == NULL ||
        visitor->wanted == NULL || visitor->domain_weight == NULL || visitor->scored == NULL ||
        visitor->vector == NULL || visitor->scores == NULL) {
        ferry_visitor_close(visitor);
        return ferry_fail_memory(error, "the visitor");
    }
    *out = visitor;
    return FERRY_OK;
}

void ferry_visitor_close(ferry_visitor *visitor)
{
    if (visitor == NULL) return;
    const ferry_allocator allocator = visitor->allocator;
    const ferry_catalog *catalog = visitor->catalog;
    size_t items = ferry_at_least_one(catalog->count),
           domains = ferry_at_least_one(catalog->domain_count);
    ferry_visitor_use(visitor, NULL, NULL);
    ferry_buffer_free(&visitor->others);
    ferry_fields_free(&visitor->fields);
    ferry_release(&allocator, visitor->events, visitor->capacity * sizeof *visitor->events);
    ferry_release(&allocator, visitor->scale, visitor->scale_capacity * sizeof(float));
    ferry_release(&allocator, visitor->seen, items);
    ferry_release(&allocator, visitor->disliked, items);
    ferry_release(&allocator, visitor->candidate, items);
    ferry_release(&allocator, visitor->wanted, domains);
    ferry_release(&allocator, visitor->domain_weight, domains * sizeof(float));
    ferry_release(&allocator, visitor->scored, domains * sizeof *visitor->scored);
    ferry_release(&allocator, visitor->vector, catalog->dimension * sizeof(float));
    ferry_release(&allocator, visitor->scores, items * sizeof(float));
    ferry_release(&allocator, visitor, sizeof *visitor);
}

size_t ferry_visitor_event_count(const ferry_visitor *visitor)
{
    return visitor->count;
}

/* ---- behaviours ---- */

static const char *const behavior_names[FERRY_BEHAVIOR_COUNT] = {
#define TEXT(name, text, weight) text,
    FERRY_BEHAVIOR_LIST(TEXT)
#undef TEXT
};

ferry_status ferry_event_weight(ferry_behavior behavior, double value, float *out,
                                ferry_error *error)
{
#define WEIGHT(name, text, weight) weight,
    static const float weights[] = {FERRY_BEHAVIOR_LIST(WEIGHT)};
#undef WEIGHT
    if ((unsigned)behavior >= FERRY_BEHAVIOR_COUNT)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "behavior %d is none of ferry_behavior",
                          (int)behavior);
    *out = weights[behavior];
    if (behavior != FERRY_RATING) return FERRY_OK;
    if (!(value >= 1.0 && value <= 5.0))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "rating %g, expected 1…5", value);
    *out = ((float)value - 3.0f) / 2.0f;
    return FERRY_OK;
}

const char *ferry_visitor_behavior(const ferry_visitor *visitor, const ferry_history_event *event)
{
    return event->behavior == FERRY_OTHER && event->other != FERRY_NO_NAME
               ? visitor->others.data + event->other
               : behavior_names[event->behavior];
}

/* The name an event of FERRY_OTHER goes by; NULL if it has none of its own. */
static ferry_status own_name(const ferry_event *event, const char **out, ferry_error *error)
{
    const char *name = event->behavior_name;
    *out = NULL;
    if (event->behavior != FERRY_OTHER || name == NULL ||
        strcmp(name, behavior_names[FERRY_OTHER]) == 0)
        return FERRY_OK;
    size_t size = strlen(name);
    if (size == 0 || size > FERRY_BEHAVIOR_MAX_SIZE || !ferry_utf8_is_valid(name, size))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "a behaviour's name of %zu bytes, expected UTF-8 of 1 to %d", size,
                          FERRY_BEHAVIOR_MAX_SIZE);
    for (size_t b = 0; b < FERRY_BEHAVIOR_COUNT; b++)
        if (strcmp(name, behavior_names[b]) == 0)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "the behaviour \"%s\" has a ferry_behavior of its own", name);
    *out = name;
    return FERRY_OK;
}

/* Where the name stands in visitor->others, in its place by name; it is put there if it is new. */
static bool name_place(ferry_visitor *visitor, const char *name, uint32_t *out)
{
    ferry_buffer *others = &visitor->others;
    size_t at = 0, size = strlen(name) + 1;
    int order = 1;
    while (at < others->size && (order = strcmp(name, others->data + at)) > 0)
        at += strlen(others->data + at) + 1;
    *out = (uint32_t)at;
    if (at < others->size && order == 0) return true;
    if (others->size > UINT32_MAX - 1 - size || !ferry_buffer_reserve(others, size)) return false;
    memmove(others->data + at + size, others->data + at, others->size - at);
    memcpy(others->data + at, name, size);
    others->size += size;
    for (size_t i = 0; i < visitor->count; i++) {
        ferry_history_event *event = &visitor->events[i];
        if (event->other != FERRY_NO_NAME && event->other >= at) event->other += (uint32_t)size;
    }
    return true;
}

/* ---- events ---- */

/* Room for one more; behind the events there are zeros. */
static ferry_status make_room(ferry_visitor *visitor, ferry_error *error)
{
    size_t before = visitor->capacity, size = sizeof *visitor->events;
    if (!ferry_grow(&visitor->allocator, &visitor->events, size, visitor->count,
                    &visitor->capacity))
        return ferry_fail_memory(error, "the history");
    if (visitor->capacity > before)
        memset(visitor->events + before, 0, (visitor->capacity - before) * size);
    return FERRY_OK;
}

/* What the item's newest event says of it, if it still has one. */
static void mark_item(ferry_visitor *visitor, uint32_t item)
{
    visitor->seen[item] = 0;
    visitor->disliked[item] = 0;
    for (size_t i = visitor->count; i > 0; i--) {
        const ferry_history_event *event = &visitor->events[i - 1];
        if (event->item != item) continue;
        visitor->seen[item] = 1;
        if (event->behavior == FERRY_NOT_INTERESTED)
            visitor->disliked[item] = FERRY_ITEM_NOT_INTERESTING;
        else if (event->weight < 0.0f)
            visitor->disliked[item] = FERRY_ITEM_DISLIKED;
        return;
    }
}

ferry_status ferry_visitor_add(ferry_visitor *visitor, const ferry_event *event, ferry_error *error)
{
    ferry_history_event added = {.behavior = event->behavior,
                                 .other = FERRY_NO_NAME,
                                 .value = isnormal(event->value) ? event->value : 0.0,
                                 .timestamp = event->timestamp,
                                 .added = visitor->count};
    const char *name;
    size_t item;
    FERRY_TRY(ferry_catalog_find(visitor->catalog, event->domain, event->item, &item, error));
    FERRY_TRY(ferry_event_weight(event->behavior, event->value, &added.weight, error));
    FERRY_TRY(own_name(event, &name, error));
    FERRY_TRY(make_room(visitor, error));
    if (name != NULL && !name_place(visitor, name, &added.other))
        return ferry_fail_memory(error, "a behaviour's name");
    added.item = (uint32_t)item;
    size_t place = visitor->count++; /* the newest usually comes last */
    for (; place > 0 && visitor->events[place - 1].timestamp > added.timestamp; place--)
        visitor->events[place] = visitor->events[place - 1];
    visitor->events[place] = added;
    mark_item(visitor, added.item);
    return FERRY_OK;
}

/* The place in visitor->events of what was added index-th. */
static ferry_status place_of(const ferry_visitor *visitor, size_t index, size_t *place,
                             ferry_error *error)
{
    *place = 0;
    if (index >= visitor->count)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "event %zu of a history of %zu", index,
                          visitor->count);
    while (visitor->events[*place].added != index) ++*place;
    return FERRY_OK;
}

ferry_status ferry_visitor_event(const ferry_visitor *visitor, size_t index, ferry_event *out,
                                 ferry_error *error)
{
    size_t place;
    *out = (ferry_event){0};
    FERRY_TRY(place_of(visitor, index, &place, error));
    const ferry_history_event *event = &visitor->events[place];
    const ferry_item *item = &visitor->catalog->items[event->item].item;
    *out = (ferry_event){.item = item->id,
                         .domain = item->domain,
                         .behavior = event->behavior,
                         .value = event->value,
                         .timestamp = event->timestamp,
                         .behavior_name = ferry_visitor_behavior(visitor, event)};
    return FERRY_OK;
}

/* ---- forgetting ---- */

/* Takes a behaviour's name out that no event has any more. */
static void drop_name(ferry_visitor *visitor, uint32_t other)
{
    ferry_buffer *others = &visitor->others;
    if (other == FERRY_NO_NAME) return;
    for (size_t i = 0; i < visitor->count; i++)
        if (visitor->events[i].other == other) return;
    size_t size = strlen(others->data + other) + 1, behind = other + size;
    memmove(others->data + other, others->data + behind, others->size - behind);
    others->size -= size;
    ferry_wipe(others->data + others->size, size);
    for (size_t i = 0; i < visitor->count; i++) {
        ferry_history_event *event = &visitor->events[i];
        if (event->other != FERRY_NO_NAME && event->other > other) event->other -= (uint32_t)size;
    }
}

void ferry_visitor_remove(ferry_visitor *visitor, size_t place)
{
    const ferry_history_event gone = visitor->events[place];
    ferry_history_event *events = visitor->events;
    visitor->count--;
    memmove(events + place, events + place + 1, (visitor->count - place) * sizeof *events);
    ferry_wipe(events + visitor->count, sizeof *events);
    for (size_t i = 0; i < visitor->count; i++)
        if (events[i].added > gone.added) events[i].added--;
    drop_name(visitor, gone.other);
    mark_item(visitor, gone.item);
}

void ferry_visitor_forget_scratch(ferry_visitor *visitor)
{
    const ferry_catalog *catalog = visitor->catalog;
    ferry_wipe(visitor->vector, catalog->dimension * sizeof(float));
    ferry_wipe(visitor->scores, catalog->count * sizeof(float));
    ferry_wipe(visitor->wanted, catalog->domain_count);
    ferry_wipe(visitor->candidate, catalog->count);
    ferry_wipe(visitor->domain_weight, catalog->domain_count * sizeof(float));
    ferry_wipe(&visitor->modalities, sizeof visitor->modalities);
    ferry_wipe(visitor->scored, catalog->domain_count * sizeof *visitor->scored);
    ferry_wipe(visitor->scale, visitor->scale_capacity * sizeof(float));
    ferry_visitor_forget_model_scratch(visitor);
}

ferry_status ferry_visitor_forget_event(ferry_visitor *visitor, size_t index, ferry_error *error)
{
    size_t place;
    FERRY_TRY(place_of(visitor, index, &place, error));
    ferry_visitor_remove(visitor, place);
    ferry_visitor_forget_scratch(visitor);
    return FERRY_OK;
}

ferry_status ferry_visitor_undo(ferry_visitor *visitor, ferry_error *error)
{
    if (visitor->count == 0)
        return ferry_fail(error, FERRY_EMPTY_HISTORY, "the history has no event to undo");
    return ferry_visitor_forget_event(visitor, visitor->count - 1, error);
}

ferry_status ferry_visitor_forget(ferry_visitor *visitor, const char *domain, const char *item,
                                  size_t *removed, ferry_error *error)
{
    size_t found, before = visitor->count;
    if (removed != NULL) *removed = 0;
    FERRY_TRY(ferry_catalog_find(visitor->catalog, domain, item, &found, error));
    for (size_t i = visitor->count; i > 0; i--)
        if (visitor->events[i - 1].item == found) ferry_visitor_remove(visitor, i - 1);
    ferry_visitor_forget_scratch(visitor);
    if (removed != NULL) *removed = before - visitor->count;
    return FERRY_OK;
}

void ferry_visitor_forget_all(ferry_visitor *visitor)
{
    ferry_release(&visitor->allocator, visitor->events,
                  visitor->capacity * sizeof *visitor->events);
    visitor->events = NULL;
    visitor->count = visitor->capacity = 0;
    ferry_buffer_free(&visitor->others);
    ferry_wipe(visitor->seen, visitor->catalog->count);
    ferry_wipe(visitor->disliked, visitor->catalog->count);
    ferry_visitor_forget_scratch(visitor);
}

/* ---- a table of events ---- */

typedef struct table_reader {
    ferry_visitor *visitor;
    const char *user; /* whose rows are taken; NULL: everybody's, if that is one person */
    char *only_user;  /* copy of the first row's user, NULL before there was one */
    size_t only_user_size;
    bool several_users;
    size_t added;
} table_reader;

/* Whether the row is of the user asked for; false with OK to pass over it. */
static ferry_status is_wanted(table_reader *reader, const char *user, bool *wanted,
                              ferry_error *error)
{
    *wanted = reader->user == NULL || strcmp(reader->user, user) == 0;
    if (reader->user != NULL) return FERRY_OK;
    if (reader->only_user == NULL) {
        reader->only_user_size = strlen(user) + 1;
        reader->only_user = ferry_allocate(&reader->visitor->allocator, reader->only_user_size, 1);
        if (reader->only_user == NULL) return ferry_fail_memory(error, "the history");
        memcpy(reader->only_user, user, reader->only_user_size);
    }
    if (strcmp(reader->only_user, user) == 0) return FERRY_OK;
    reader->several_users = true; /* ends the reading: no single row is to blame */
    return ferry_fail(error, FERRY_CANCELLED, "events of several users (\"%s\", \"%s\"…): name one",
                      reader->only_user, user);
}

static ferry_status add_row(void *user, const ferry_event_row *row, ferry_error *error)
{
    table_reader *reader = user;
    bool wanted;
    FERRY_TRY(is_wanted(reader, row->user, &wanted, error));
    if (!wanted) return FERRY_OK;
    ferry_event event = {.item = row->item,
                         .domain = row->domain,
                         .behavior = row->behavior,
                         .value = row->value,
                         .timestamp = row->timestamp,
                         .behavior_name = row->behavior_name};
    FERRY_TRY(ferry_visitor_add(reader->visitor, &event, error));
    reader->added++;
    return FERRY_OK;
}

ferry_status ferry_visitor_add_table(ferry_visitor *visitor, const ferry_file *table,
                                     ferry_table_format format, const char *user,
                                     ferry_row_refused refused, void *refused_user, size_t *added,
                                     ferry_error *error)
{
    size_t refused_count;
    table_reader reader = {.visitor = visitor, .user = user};
    ferry_status status = ferry_events_read(table, format, &visitor->allocator, add_row, &reader,
                                            refused, refused_user, &refused_count, error);
    ferry_release(&visitor->allocator, reader.only_user, reader.only_user_size);
    if (added != NULL) *added = reader.added;
    if (reader.several_users && error != NULL) error->status = FERRY_INVALID_ARGUMENT;
    return reader.several_users ? FERRY_INVALID_ARGUMENT : status;
}
