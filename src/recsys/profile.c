/*
 * A visitor's history as a file: {"format":"ferry-profile","version":1,"events":[…]}, the events in
 * the order they were added in, one a line. It is read without cJSON, so that all memory it passes
 * through is the visitor's own kind, which is wiped.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "input/json_text.h"
#include "recsys/visitor.h"

#define FORMAT "ferry-profile"
static const char HEAD[] = "{\"format\":\"" FORMAT "\",\"version\":1,\"events\":[";
enum { MAX_FIELDS = 32, MAX_NUMBER = 40 };

/* ---- writing ---- */

static bool put(ferry_buffer *out, const char *text)
{
    return ferry_buffer_append(out, text, strlen(text));
}

static bool put_field(ferry_buffer *out, const char *name, const char *text)
{
    return put(out, name) && ferry_json_append_quoted(out, text, strlen(text));
}

/* The shortest decimal of at least 15 digits that reads back as the same number. */
static bool put_number(ferry_buffer *out, double value)
{
    char digits[MAX_NUMBER];
    double again = 0.0;
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        char *comma = strchr(digits, ','); /* a host application may have set another locale */
        if (comma != NULL) *comma = '.';
        if (ferry_number_parse(digits, strlen(digits), &again) && again == value) break;
    }
    return put(out, ",\"value\":") && put(out, digits);
}

static bool put_event(ferry_buffer *out, const ferry_event *event)
{
    char digits[MAX_NUMBER];
    snprintf(digits, sizeof digits, ",\"timestamp\":%lld", (long long)event->timestamp);
    return put_field(out, "\n{\"domain\":", event->domain) &&
           put_field(out, ",\"item\":", event->item) &&
           put_field(out, ",\"behavior\":", event->behavior_name) &&
           (event->value == 0.0 || put_number(out, event->value)) &&
           (event->timestamp == 0 || put(out, digits)) && put(out, "}");
}

ferry_status ferry_visitor_write_profile(const ferry_visitor *visitor, ferry_buffer *out,
                                         ferry_error *error)
{
    bool fits = put(out, HEAD);
    for (size_t i = 0; i < visitor->count && fits; i++) {
        ferry_event event;
        FERRY_TRY(ferry_visitor_event(visitor, i, &event, error));
        fits = (i == 0 || put(out, ",")) && put_event(out, &event);
    }
    fits = fits && put(out, "\n]}\n");
    return fits ? FERRY_OK : ferry_fail_memory(error, "the profile");
}

ferry_status ferry_visitor_save(const ferry_visitor *visitor, void *out, size_t capacity,
                                size_t *size, ferry_error *error)
{
    ferry_buffer buffer;
    *size = 0;
    ferry_buffer_init(&buffer, visitor->allocator);
    ferry_status status = ferry_visitor_write_profile(visitor, &buffer, error);
    if (status == FERRY_OK) *size = buffer.size;
    if (status == FERRY_OK && buffer.size <= capacity) memcpy(out, buffer.data, buffer.size);
    ferry_buffer_free(&buffer);
    return status;
}

/* ---- reading ---- */

typedef struct reader {
    ferry_visitor *into;
    ferry_row_refused refused;
    void *refused_user;
    char *texts;          /* room for the fields of all there is */
    ferry_field *fields;  /* [MAX_FIELDS] */
    size_t number, added; /* events so far */
} reader;

static const ferry_field *find(const ferry_field *fields, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(fields[i].name, name) == 0) return &fields[i];
    return NULL;
}

/* A whole number of 64 bits, exactly. */
static bool parse_integer(const char *text, size_t size, int64_t *out)
{
    bool minus = size > 0 && text[0] == '-';
    int64_t value = 0;
    for (size_t i = minus ? 1 : 0; i < size; i++) {
        int digit = text[i] - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit, &value)) /* downwards, where there is one more */
            return false;
    }
    if (!minus && value == INT64_MIN) return false;
    *out = minus ? value : -value;
    return size > (minus ? 1 : 0);
}

static ferry_status text_of(const reader *r, const ferry_field *field, const char *name,
                            const char **out, ferry_error *error)
{
    if (field != NULL && field->kind == FERRY_FIELD_TEXT) {
        *out = field->text;
        return FERRY_OK;
    }
    return ferry_fail(error, FERRY_MALFORMED, "profile: event %zu: no text \"%s\"", r->number,
                      name);
}

static void behavior_from(const char *name, ferry_event *event)
{
    static const char *const names[] = {
#define TEXT(name, text, weight) text,
        FERRY_BEHAVIOR_LIST(TEXT)
#undef TEXT
    };
    event->behavior = FERRY_OTHER;
    event->behavior_name = name;
    for (int b = 0; b < FERRY_BEHAVIOR_COUNT; b++)
        if (strcmp(names[b], name) == 0) event->behavior = (ferry_behavior)b;
}

static ferry_status read_fields(const reader *r, size_t count, ferry_event *out, ferry_error *error)
{
    const char *behavior = "";
    *out = (ferry_event){0};
    FERRY_TRY(text_of(r, find(r->fields, count, "item"), "item", &out->item, error));
    FERRY_TRY(text_of(r, find(r->fields, count, "domain"), "domain", &out->domain, error));
    FERRY_TRY(text_of(r, find(r->fields, count, "behavior"), "behavior", &behavior, error));
    behavior_from(behavior, out);
    const ferry_field *value = find(r->fields, count, "value");
    if (value != NULL && (value->kind != FERRY_FIELD_NUMBER ||
                          !ferry_number_parse(value->text, value->size, &out->value)))
        return ferry_fail(error, FERRY_MALFORMED, "profile: event %zu: \"value\" is no number",
                          r->number);
    const ferry_field *time = find(r->fields, count, "timestamp");
    if (time != NULL && (time->kind != FERRY_FIELD_NUMBER ||
                         !parse_integer(time->text, time->size, &out->timestamp)))
        return ferry_fail(error, FERRY_MALFORMED,
                          "profile: event %zu: \"timestamp\" is no whole number of seconds",
                          r->number);
    return FERRY_OK;
}

static ferry_status read_event(reader *r, const char *text, size_t size, ferry_error *error)
{
    ferry_event event;
    size_t count;
    ferry_error reason;
    r->number++;
    FERRY_TRY(ferry_json_fields(text, size, "profile: an event", r->texts, r->fields, MAX_FIELDS,
                                &count, error));
    FERRY_TRY(read_fields(r, count, &event, error));
    ferry_status status = ferry_visitor_add(r->into, &event, &reason);
    if (status == FERRY_OK) {
        r->added++;
        return FERRY_OK;
    }
    bool unknown = status == FERRY_NOT_FOUND; /* of an item the shop has no more */
    if (unknown &&
        (r->refused == NULL || r->refused(r->refused_user, "profile", r->number, reason.message)))
        return FERRY_OK;
    if (status == FERRY_INVALID_ARGUMENT) status = FERRY_MALFORMED;
    return ferry_fail(error, status, "profile: event %zu: %s", r->number, reason.message);
}

/* The end of the object that begins at text, which is checked JSON. */
static const char *object_end(const char *text)
{
    size_t depth = 0;
    for (bool quoted = false;; text++) {
        if (quoted && *text == '\\')
            text++;
        else if (*text == '"')
            quoted = !quoted;
        else if (!quoted && (*text == '{' || *text == '['))
            depth++;
        else if (!quoted && (*text == '}' || *text == ']') && --depth == 0)
            return text + 1;
    }
}

/* list: the JSON of an array, NUL-terminated */
static ferry_status read_list(reader *r, const char *list, ferry_error *error)
{
    static const char between[] = " \t\r\n,";
    for (const char *at = list + 1 + strspn(list + 1, between); *at != ']';) {
        if (*at != '{')
            return ferry_fail(error, FERRY_MALFORMED, "profile: event %zu is no object",
                              r->number + 1);
        const char *end = object_end(at);
        FERRY_TRY(read_event(r, at, (size_t)(end - at), error));
        at = end + strspn(end, between);
    }
    return FERRY_OK;
}

/* texts [2 size + 2]: the first half for the whole object's fields, the other for one event's */
static ferry_status read_profile(reader *r, const char *profile, size_t size, char *texts,
                                 ferry_error *error)
{
    size_t count;
    int64_t version = 0;
    FERRY_TRY(
        ferry_json_fields(profile, size, "profile", texts, r->fields, MAX_FIELDS, &count, error));
    const ferry_field *format = find(r->fields, count, "format");
    if (format == NULL || format->kind != FERRY_FIELD_TEXT || strcmp(format->text, FORMAT) != 0)
        return ferry_fail(error, FERRY_MALFORMED, "profile: \"format\" is not \"" FORMAT "\"");
    const ferry_field *number = find(r->fields, count, "version");
    if (number == NULL || number->kind != FERRY_FIELD_NUMBER ||
        !parse_integer(number->text, number->size, &version))
        return ferry_fail(error, FERRY_MALFORMED, "profile: \"version\" is no whole number");
    if (version != 1)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "profile: version %lld, this Ferry reads version 1", (long long)version);
    const ferry_field *events = find(r->fields, count, "events");
    if (events == NULL || events->text[0] != '[' || events->kind != FERRY_FIELD_JSON)
        return ferry_fail(error, FERRY_MALFORMED, "profile: \"events\" is no array");
    return read_list(r, events->text, error);
}

/* What is history, and not scratch, changes owners. */
static void swap_history(ferry_visitor *a, ferry_visitor *b)
{
    const ferry_visitor was = *a;
    a->events = b->events, b->events = was.events;
    a->count = b->count, b->count = was.count;
    a->capacity = b->capacity, b->capacity = was.capacity;
    a->others = b->others, b->others = was.others;
    a->seen = b->seen, b->seen = was.seen;
    a->disliked = b->disliked, b->disliked = was.disliked;
}

ferry_status ferry_visitor_load(ferry_visitor *visitor, const void *profile, size_t size,
                                ferry_row_refused refused, void *refused_user, size_t *added,
                                ferry_error *error)
{
    const ferry_allocator *allocator = &visitor->allocator;
    size_t room;
    if (added != NULL) *added = 0;
    if (!ferry_size_add(size, 1, &room)) return ferry_fail_memory(error, "the profile");
    char *texts = ferry_allocate(allocator, room, 2);
    reader r = {.refused = refused, .refused_user = refused_user};
    r.texts = texts != NULL ? texts + room : NULL;
    r.fields = ferry_allocate(allocator, MAX_FIELDS, sizeof *r.fields);
    ferry_status status = texts != NULL && r.fields != NULL
                              ? ferry_visitor_create(visitor->catalog, &r.into, error)
                              : ferry_fail_memory(error, "the profile");
    if (status == FERRY_OK) status = read_profile(&r, profile, size, texts, error);
    if (status == FERRY_OK) {
        swap_history(visitor, r.into);
        ferry_visitor_forget_scratch(visitor);
        if (added != NULL) *added = r.added;
    }
    ferry_visitor_close(r.into);
    ferry_release(allocator, r.fields, MAX_FIELDS * sizeof *r.fields);
    ferry_release(allocator, texts, 2 * room);
    return status;
}
