#include "recsys/visitor.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/ops.h"

static const float SMALLEST_VECTOR = 1e-6f; /* likes and dislikes of the same things cancel out */

ferry_status ferry_visitor_create(const ferry_catalog *catalog, ferry_visitor **out,
                                  ferry_error *error)
{
    *out = NULL;
    if (catalog->dimension == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the catalogue has no vectors yet: encode it first");
    const ferry_allocator *allocator = &catalog->allocator;
    ferry_visitor *visitor = ferry_allocate(allocator, 1, sizeof *visitor);
    if (visitor == NULL) return ferry_fail_memory(error, "the visitor");
    visitor->catalog = catalog;
    ferry_names_init(&visitor->others, *allocator);
    size_t items = catalog->count > 0 ? catalog->count : 1;
    size_t domains = catalog->domain_count > 0 ? catalog->domain_count : 1;
    visitor->seen = ferry_allocate(allocator, items, 1);
    visitor->wanted = ferry_allocate(allocator, domains, 1);
    visitor->vector = ferry_allocate(allocator, catalog->dimension, sizeof(float));
    visitor->scores = ferry_allocate(allocator, items, sizeof(float));
    if (visitor->seen == NULL || visitor->wanted == NULL || visitor->vector == NULL ||
        visitor->scores == NULL) {
        ferry_visitor_close(visitor);
        return ferry_fail_memory(error, "the visitor");
    }
    *out = visitor;
    return FERRY_OK;
}

void ferry_visitor_close(ferry_visitor *visitor)
{
    if (visitor == NULL) return;
    const ferry_allocator *allocator = &visitor->catalog->allocator;
    size_t items = visitor->catalog->count > 0 ? visitor->catalog->count : 1;
    ferry_visitor_use(visitor, NULL, NULL);
    ferry_names_free(&visitor->others);
    ferry_release(allocator, visitor->events, visitor->capacity * sizeof *visitor->events);
    size_t domains = visitor->catalog->domain_count > 0 ? visitor->catalog->domain_count : 1;
    ferry_release(allocator, visitor->seen, items);
    ferry_release(allocator, visitor->wanted, domains);
    ferry_release(allocator, visitor->vector, visitor->catalog->dimension * sizeof(float));
    ferry_release(allocator, visitor->scores, items * sizeof(float));
    ferry_release(allocator, visitor, sizeof *visitor);
}

size_t ferry_visitor_event_count(const ferry_visitor *visitor)
{
    return visitor->count;
}

ferry_status ferry_event_weight(ferry_behavior behavior, double value, float *out,
                                ferry_error *error)
{
    switch (behavior) {
    case FERRY_PURCHASE:
    case FERRY_VIEW:
    case FERRY_OTHER: {
#define WEIGHT(name, text, weight) weight,
        static const float weights[] = {FERRY_BEHAVIOR_LIST(WEIGHT)};
#undef WEIGHT
        *out = weights[behavior];
        return FERRY_OK;
    }
    case FERRY_RATING:
        if (!(value >= 1.0 && value <= 5.0))
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "rating %g, expected 1…5", value);
        *out = ((float)value - 3.0f) / 2.0f;
        return FERRY_OK;
    case FERRY_BEHAVIOR_COUNT: break;
    }
    return ferry_fail(error, FERRY_INVALID_ARGUMENT, "behavior %d is none of ferry_behavior",
                      (int)behavior);
}

ferry_status ferry_visitor_add(ferry_visitor *visitor, const ferry_event *event, ferry_error *error)
{
    ferry_history_event added = {
        .behavior = event->behavior, .value = event->value, .timestamp = event->timestamp};
    size_t item;
    FERRY_TRY(ferry_catalog_find(visitor->catalog, event->domain, event->item, &item, error));
    FERRY_TRY(ferry_event_weight(event->behavior, event->value, &added.weight, error));
    added.item = (uint32_t)item;
    added.other = FERRY_NO_NAME;
    if (event->behavior == FERRY_OTHER && event->behavior_name != NULL &&
        !ferry_names_add(&visitor->others, event->behavior_name, &added.other, NULL))
        return ferry_fail_memory(error, "a behaviour's name");
    if (visitor->count == visitor->capacity) {
        size_t more = visitor->capacity == 0 ? 16 : 2 * visitor->capacity, size = sizeof added;
        const ferry_allocator *allocator = &visitor->catalog->allocator;
        void *events = allocator->reallocate(allocator->user, visitor->events,
                                             visitor->capacity * size, more * size);
        if (events == NULL) return ferry_fail_memory(error, "the history");
        visitor->events = events;
        visitor->capacity = more;
    }
    size_t place = visitor->count++; /* the newest usually comes last */
    for (; place > 0 && visitor->events[place - 1].timestamp > added.timestamp; place--)
        visitor->events[place] = visitor->events[place - 1];
    visitor->events[place] = added;
    visitor->seen[item] = 1;
    return FERRY_OK;
}

ferry_status ferry_visitor_encode(ferry_visitor *visitor, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    size_t N = catalog->dimension;
    if (visitor->count == 0) return ferry_fail(error, FERRY_EMPTY_HISTORY, "the history is empty");
    memset(visitor->vector, 0, N * sizeof(float));
    for (size_t i = 0; i < visitor->count; i++) {
        const ferry_history_event *event = &visitor->events[i];
        ferry_add_scaled(visitor->vector, catalog->vectors + event->item * N, event->weight, N);
    }
    float square;
    catalog->kernels->dot_rows(visitor->vector, visitor->vector, &square, 1, N);
    if (sqrtf(square) < SMALLEST_VECTOR)
        return ferry_fail(error, FERRY_EMPTY_HISTORY,
                          "the history's events (%zu) cancel out (likes against dislikes, or "
                          "ratings of 3, which say nothing)",
                          visitor->count);
    ferry_l2_normalize(catalog->kernels, visitor->vector, N);
    return FERRY_OK;
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
        reader->only_user =
            ferry_allocate(&reader->visitor->catalog->allocator, reader->only_user_size, 1);
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
    ferry_status status = ferry_events_read(table, format, &visitor->catalog->allocator, add_row,
                                            &reader, refused, refused_user, &refused_count, error);
    ferry_release(&visitor->catalog->allocator, reader.only_user, reader.only_user_size);
    if (added != NULL) *added = reader.added;
    if (reader.several_users && error != NULL) error->status = FERRY_INVALID_ARGUMENT;
    return reader.several_users ? FERRY_INVALID_ARGUMENT : status;
}
