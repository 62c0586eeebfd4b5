/* What is left of the rows, as a data set. */
#include "base/error.h"
#include "input/json_text.h"
#include "recsys/prepare_state.h"

typedef struct building {
    ferry_prepare *p;
    ferry_dataset *dataset;
    uint32_t *user_numbers; /* [p->users.count] in the data set, or FERRY_NO_NAME */
    uint8_t **has_value;    /* [domain_count][event_count] */
    ferry_error *error;
} building;

static void *take(building *b, size_t count, size_t size)
{
    return ferry_arena_array(&b->dataset->arena, count, size);
}

/* Copies the texts of names that are marked, or all of them if marks is NULL. */
static const char **copy_names(building *b, const ferry_names *names, const uint32_t *marks,
                               size_t count)
{
    const char **out = take(b, count, sizeof *out);
    for (size_t i = 0, at = 0; i < names->count && out != NULL; i++) {
        if (marks != NULL && marks[i] == FERRY_NO_NAME) continue;
        const char *text = names->texts[i];
        out[at] = ferry_arena_text(&b->dataset->arena, text, strlen(text));
        if (out[at++] == NULL) return NULL;
    }
    return out;
}

/* Users that have an event left, in the order in which they first came. */
static ferry_status number_users(building *b)
{
    ferry_prepare *p = b->p;
    size_t count = 0;
    b->user_numbers = ferry_arena_array(&p->arena, p->users.count, sizeof *b->user_numbers);
    if (b->user_numbers == NULL) return ferry_fail_memory(b->error, "the users");
    for (size_t u = 0; u < p->users.count; u++) b->user_numbers[u] = FERRY_NO_NAME;
    for (size_t e = 0; e < p->event_count; e++) b->user_numbers[p->events[e].user] = 0;
    for (size_t u = 0; u < p->users.count; u++)
        if (b->user_numbers[u] != FERRY_NO_NAME) b->user_numbers[u] = (uint32_t)count++;
    b->dataset->users = copy_names(b, &p->users, b->user_numbers, count);
    b->dataset->user_count = count;
    b->dataset->behaviors = copy_names(b, &p->behaviors, NULL, p->behaviors.count);
    b->dataset->behavior_count = p->behaviors.count;
    if (b->dataset->users == NULL || b->dataset->behaviors == NULL)
        return ferry_fail_memory(b->error, "the users");
    return FERRY_OK;
}

/* ---- items ---- */

static bool append_quoted(ferry_buffer *out, const char *before, const char *text)
{
    return ferry_buffer_append(out, before, strlen(before)) &&
           ferry_json_append_quoted(out, text, strlen(text));
}

static bool append_item(ferry_buffer *out, const raw_item *item, const char *id, const char *domain)
{
    if (item->json != NULL)
        return ferry_buffer_append(out, item->json, strlen(item->json)) &&
               ferry_buffer_append(out, "\n", 1);
    return append_quoted(out, "{\"id\":", id) && append_quoted(out, ",\"domain\":", domain) &&
           ferry_buffer_append(out, "}\n", 2);
}

/* Numbers what is kept of the domain's items, and writes them to lines. */
static ferry_status number_items(building *b, size_t index, ferry_buffer *lines)
{
    raw_domain *from = &b->p->domains[index];
    ferry_interactions *to = &b->dataset->domains[index];
    const char **ids = take(b, from->ids.count, sizeof *ids);
    if (ids == NULL) return ferry_fail_memory(b->error, "the items");
    for (size_t i = 0; i < from->ids.count; i++) {
        raw_item *item = &from->items[i];
        const char *id = from->ids.texts[i];
        if (item->dropped) continue;
        item->number = (uint32_t)to->item_count;
        ids[to->item_count] = ferry_arena_text(&b->dataset->arena, id, strlen(id));
        if (ids[to->item_count++] == NULL || !append_item(lines, item, id, to->domain))
            return ferry_fail_memory(b->error, "the items");
    }
    to->items = ids;
    return FERRY_OK;
}

/* ---- events ---- */

static bool allocate(building *b, ferry_interactions *to, size_t index, size_t users, size_t events)
{
    to->user = take(b, users, sizeof *to->user);
    to->start = take(b, users + 1, sizeof *to->start);
    to->item = take(b, events, sizeof *to->item);
    to->behavior = take(b, events, sizeof *to->behavior);
    to->value = take(b, events, sizeof *to->value);
    to->weight = take(b, events, sizeof *to->weight);
    to->timestamp = take(b, events, sizeof *to->timestamp);
    to->part = take(b, events, sizeof *to->part);
    b->has_value[index] = take(b, events, 1);
    return to->user != NULL && to->start != NULL && to->item != NULL && to->behavior != NULL &&
           to->value != NULL && to->weight != NULL && to->timestamp != NULL && to->part != NULL &&
           b->has_value[index] != NULL;
}

/* The domain's events [count]: users ascend in the new numbers as they did in the old. */
static ferry_status copy_events(building *b, size_t index, const raw_event *events, size_t count)
{
    ferry_interactions *to = &b->dataset->domains[index];
    const raw_domain *from = &b->p->domains[index];
    size_t users = 0;
    for (size_t e = 0; e < count; e++) users += e == 0 || events[e].user != events[e - 1].user;
    if (!allocate(b, to, index, users, count)) return ferry_fail_memory(b->error, "the events");
    for (size_t e = 0; e < count; e++) {
        const raw_event *event = &events[e];
        if (e == 0 || event->user != events[e - 1].user) {
            to->start[to->user_count] = (uint32_t)e;
            to->user[to->user_count++] = b->user_numbers[event->user];
        }
        to->item[e] = from->items[event->item].number;
        to->behavior[e] = event->behavior;
        to->value[e] = event->value;
        to->timestamp[e] = event->timestamp;
        b->has_value[index][e] = event->has_value;
    }
    to->start[users] = (uint32_t)count;
    to->event_count = count;
    return FERRY_OK;
}

static ferry_status build(building *b, ferry_buffer *items)
{
    ferry_prepare *p = b->p;
    size_t count = p->domain_names.count, begin = 0;
    FERRY_TRY(number_users(b));
    b->dataset->domains = take(b, count, sizeof *b->dataset->domains);
    b->has_value = take(b, count, sizeof *b->has_value);
    if (b->dataset->domains == NULL || b->has_value == NULL)
        return ferry_fail_memory(b->error, "the domains");
    b->dataset->domain_count = count;
    for (size_t d = 0; d < count; d++) {
        const char *name = p->domain_names.texts[d];
        size_t end = begin;
        b->dataset->domains[d].domain = ferry_arena_text(&b->dataset->arena, name, strlen(name));
        if (b->dataset->domains[d].domain == NULL)
            return ferry_fail_memory(b->error, "the domains");
        FERRY_TRY(number_items(b, d, items));
        while (end < p->event_count && p->events[end].domain == d) end++;
        FERRY_TRY(copy_events(b, d, p->events + begin, end - begin));
        begin = end;
    }
    return FERRY_OK;
}

ferry_status ferry_prepare_build(ferry_prepare *p, ferry_dataset **out, uint8_t ***has_value,
                                 ferry_buffer *items, ferry_error *error)
{
    *out = NULL;
    if (p->event_count == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "no events are left%s",
                          p->options.core > 1 ? ": is the core too large?"
                                              : " (see what was left out, and why)");
    building b = {.p = p, .error = error};
    FERRY_TRY(ferry_dataset_create(&p->allocator, &b.dataset, error));
    ferry_status status = build(&b, items);
    if (status != FERRY_OK) {
        ferry_dataset_close(b.dataset);
        return status;
    }
    *out = b.dataset;
    *has_value = b.has_value;
    return FERRY_OK;
}
