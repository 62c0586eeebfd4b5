/* Events from a table, or one from JSON: who did what to which item, when. */
#ifndef FERRY_INPUT_EVENTS_H
#define FERRY_INPUT_EVENTS_H

#include "base/memory.h"
#include "ferry/ferry.h"

/*
 * X(slot, names): the fields of an event and the names they are found under, as in items.h.
 *
 *   user       missing: ""
 *   item       required; user, item and domain may be whole numbers, as an item's id may
 *   domain     missing: the file's stem for a RecBole file, otherwise ""
 *   behavior   any name of 1 to 64 bytes, ASCII letters made lower case; missing: a rating if
 *              there is a value, otherwise a purchase
 *   value      a finite number; of a rating required
 *   timestamp  seconds since 1970, a fraction is dropped. Numbers from 1e11 on (the year 5138) are
 *              taken as milli-, micro- or nanoseconds. Or a date, "2024-05-31", with a time behind
 *              'T' or a space, "2024-05-31T23:59:58.5+02:00"; without an offset it is UTC.
 *              Missing: 0
 *   position   a finite number, which orders a user's events of one time. Missing: 0
 *
 * Other fields are ignored.
 */
#define FERRY_EVENT_FIELD_LIST(X)                                                 \
    X(USER, "user user_id visitor visitor_id customer customer_id reviewer_id")   \
    X(ITEM, "item item_id product_id parent_asin asin movie_id book_id isbn sku") \
    X(DOMAIN, "domain")                                                           \
    X(BEHAVIOR, "behavior behaviour behavior_type event event_type action")       \
    X(VALUE, "value rating stars overall")                                        \
    X(TIMESTAMP, "timestamp time datetime date unix_review_time")                 \
    X(POSITION, "position")

enum { FERRY_BEHAVIOR_MAX_SIZE = 64 /* bytes of a name */ };

/* Texts live during the callback (of ferry_event_from_json: in the arena). */
typedef struct ferry_event_row {
    const char *user, *item, *domain; /* "" where there is none */
    ferry_behavior behavior;          /* FERRY_OTHER for a name not in FERRY_BEHAVIOR_LIST */
    const char *behavior_name;
    double value; /* 0 if there is none */
    bool has_value;
    int64_t timestamp;
    double position;
    size_t line;
} ferry_event_row;

/* Takes one event; its result is read as ferry_on_row's (input/table.h): MALFORMED,
 * INVALID_ARGUMENT, NOT_FOUND and UNSUPPORTED refuse the row, others end the reading. */
typedef ferry_status (*ferry_on_event)(void *user, const ferry_event_row *event,
                                       ferry_error *error);

/* Reads a table of events (input/table.h). Events that break the list above are refused. */
ferry_status ferry_events_read(const ferry_file *table, ferry_table_format format,
                               const ferry_allocator *allocator, ferry_on_event on_event,
                               void *on_event_user, ferry_row_refused refused, void *refused_user,
                               size_t *refused_count, ferry_error *error);

/* One event from a JSON object; MALFORMED says what a table's reason would. */
ferry_status ferry_event_from_json(const char *json, size_t size, ferry_arena *arena,
                                   ferry_event_row *out, ferry_error *error);

#endif
