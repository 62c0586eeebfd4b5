#include "recsys/prepare.h"

#include <math.h>

#include "base/error.h"
#include "input/events.h"
#include "input/excerpt.h"
#include "input/items.h"
#include "input/table.h"
#include "recsys/prepare_state.h"
#include "recsys/weights.h"

ferry_prepare_options ferry_prepare_defaults(void)
{
    return (ferry_prepare_options){
        .core = 1, .split = {.split = FERRY_SPLIT_LOO, .ratio = {0.8, 0.1, 0.1}, .share = 0.5}};
}

ferry_status ferry_prepare_create(const ferry_prepare_options *options,
                                  const ferry_allocator *allocator, ferry_prepare **out,
                                  ferry_error *error)
{
    ferry_allocator chosen = ferry_allocator_or_default(allocator);
    *out = NULL;
    ferry_prepare *p = ferry_allocate(&chosen, 1, sizeof *p);
    if (p == NULL) return ferry_fail_memory(error, "the data set");
    p->allocator = chosen;
    p->options = *options;
    ferry_arena_init(&p->arena, chosen);
    ferry_names_init(&p->domain_names, chosen);
    ferry_names_init(&p->users, chosen);
    ferry_names_init(&p->behaviors, chosen);
    *out = p;
    return FERRY_OK;
}

void ferry_prepare_close(ferry_prepare *p)
{
    if (p == NULL) return;
    ferry_allocator allocator = p->allocator;
    for (size_t d = 0; d < p->domain_names.count; d++) {
        ferry_release(&allocator, p->domains[d].items,
                      p->domains[d].capacity * sizeof *p->domains[d].items);
        ferry_names_free(&p->domains[d].ids);
    }
    ferry_release(&allocator, p->domains, p->domain_capacity * sizeof *p->domains);
    ferry_release(&allocator, p->events, p->event_capacity * sizeof *p->events);
    ferry_release(&allocator, p->tables, p->table_capacity * sizeof *p->tables);
    ferry_names_free(&p->domain_names);
    ferry_names_free(&p->users);
    ferry_names_free(&p->behaviors);
    ferry_arena_free(&p->arena);
    ferry_release(&allocator, p, sizeof *p);
}

/* Makes an array of p's allocator hold one more than count; array is a pointer to some pointer. */
static bool grow(const ferry_prepare *p, void *array, size_t size, size_t count, size_t *capacity)
{
    if (count < *capacity) return true;
    size_t more = *capacity < 16 ? 16 : 2 * *capacity, bytes;
    void *old;
    if (!ferry_size_multiply(more, size, &bytes)) return false;
    memcpy(&old, array, sizeof old);
    void *moved = p->allocator.reallocate(p->allocator.user, old, *capacity * size, bytes);
    if (moved == NULL) return false;
    memcpy(array, &moved, sizeof moved);
    *capacity = more;
    return true;
}

/* ---- tables ---- */

typedef struct table_reading {
    ferry_prepare *p;
    table_count *about;
    const char *stem; /* of the table's name: the domain of rows that name none */
    ferry_row_refused refused;
    void *refused_user;
} table_reading;

static bool count_refused(void *user, const char *file, size_t line, const char *reason)
{
    table_reading *reading = user;
    reading->about->refused++;
    ferry_prepare_count_reason(reading->p, reason);
    return reading->refused == NULL || reading->refused(reading->refused_user, file, line, reason);
}

static ferry_status begin_table(ferry_prepare *p, const ferry_file *table, bool events,
                                table_reading *reading, ferry_error *error)
{
    const char *stem;
    size_t size;
    ferry_table_stem(table->name, &stem, &size);
    reading->p = p;
    reading->stem = ferry_arena_text(&p->arena, stem, size);
    const char *file = ferry_arena_text(&p->arena, table->name, strlen(table->name));
    if (reading->stem == NULL || file == NULL ||
        !grow(p, &p->tables, sizeof *p->tables, p->table_count, &p->table_capacity))
        return ferry_fail_memory(error, table->name);
    reading->about = &p->tables[p->table_count++];
    *reading->about = (table_count){.file = file, .events = events};
    return FERRY_OK;
}

static ferry_status find_domain(ferry_prepare *p, const char *name, uint32_t *out,
                                ferry_error *error)
{
    bool added;
    char excerpt[FERRY_EXCERPT_SIZE];
    if (!grow(p, &p->domains, sizeof *p->domains, p->domain_names.count, &p->domain_capacity))
        return ferry_fail_memory(error, "the domains");
    *out = ferry_names_find(&p->domain_names, name);
    if (*out != FERRY_NO_NAME) return FERRY_OK;
    if (p->domain_names.count == FERRY_MAX_DATA_DOMAINS)
        return ferry_fail(error, FERRY_LIMIT, "domain \"%s\" is one more than %d",
                          ferry_excerpt(name, strlen(name), excerpt), FERRY_MAX_DATA_DOMAINS);
    if (!ferry_names_add(&p->domain_names, name, out, &added))
        return ferry_fail_memory(error, "the domains");
    p->domains[*out] = (raw_domain){0};
    ferry_names_init(&p->domains[*out].ids, p->allocator);
    return FERRY_OK;
}

/* The item's place in the domain; *added if it is new. */
static ferry_status add_item(ferry_prepare *p, raw_domain *domain, const char *id, uint32_t *item,
                             bool *added, ferry_error *error)
{
    if (domain->ids.count == FERRY_MAX_ITEMS)
        return ferry_fail(error, FERRY_LIMIT, "more than %d items in a domain", FERRY_MAX_ITEMS);
    if (!grow(p, &domain->items, sizeof *domain->items, domain->ids.count, &domain->capacity) ||
        !ferry_names_add(&domain->ids, id, item, added))
        return ferry_fail_memory(error, "the items");
    if (*added) domain->items[*item] = (raw_item){.title = ""};
    return FERRY_OK;
}

static ferry_status take_item(void *user, const ferry_item_row *row, ferry_error *error)
{
    table_reading *reading = user;
    ferry_prepare *p = reading->p;
    char id[FERRY_EXCERPT_SIZE], name[FERRY_EXCERPT_SIZE];
    uint32_t domain, item;
    bool added;
    FERRY_TRY(find_domain(p, row->domain, &domain, error));
    FERRY_TRY(add_item(p, &p->domains[domain], row->id, &item, &added, error));
    if (!added)
        return ferry_fail(error, FERRY_MALFORMED, "id \"%s\" is already in domain \"%s\"",
                          ferry_excerpt(row->id, strlen(row->id), id),
                          ferry_excerpt(row->domain, strlen(row->domain), name));
    raw_item *taken = &p->domains[domain].items[item];
    taken->json = ferry_arena_text(&p->arena, row->json, row->json_size);
    taken->has_text = row->title[0] != '\0' || row->author[0] != '\0' || row->tag_count > 0 ||
                      row->description[0] != '\0';
    if (row->title[0] != '\0')
        taken->title = ferry_arena_text(&p->arena, row->title, strlen(row->title));
    if (taken->json == NULL || taken->title == NULL) return ferry_fail_memory(error, "the items");
    reading->about->rows++;
    p->items_given = true;
    return FERRY_OK;
}

ferry_status ferry_prepare_items(ferry_prepare *p, const ferry_file *table,
                                 ferry_table_format format, ferry_row_refused refused,
                                 void *refused_user, ferry_error *error)
{
    table_reading reading = {.refused = refused, .refused_user = refused_user};
    if (p->event_count > 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%s: items come before events",
                          table->name);
    FERRY_TRY(begin_table(p, table, false, &reading, error));
    p->items_given = true; /* even if none can be read: events do not make up for them */
    return ferry_items_read(table, format, &p->allocator, take_item, &reading, count_refused,
                            &reading, NULL, error);
}

/* ---- events ---- */

/* An event without a domain: the one domain that has the item. */
static ferry_status find_in_all(const ferry_prepare *p, const char *id, uint32_t *domain,
                                uint32_t *item, ferry_error *error)
{
    char excerpt[FERRY_EXCERPT_SIZE];
    *item = FERRY_NO_NAME;
    for (size_t d = 0; d < p->domain_names.count; d++) {
        uint32_t found = ferry_names_find(&p->domains[d].ids, id);
        if (found == FERRY_NO_NAME) continue;
        if (*item != FERRY_NO_NAME)
            return ferry_fail(error, FERRY_MALFORMED, "item \"%s\" is in several domains: name one",
                              ferry_excerpt(id, strlen(id), excerpt));
        *domain = (uint32_t)d;
        *item = found;
    }
    return FERRY_OK;
}

/* Where the event's item is: among those given, or, if none are, made now. */
static ferry_status locate(table_reading *reading, const ferry_event_row *row, uint32_t *domain,
                           uint32_t *item, ferry_error *error)
{
    ferry_prepare *p = reading->p;
    char id[FERRY_EXCERPT_SIZE], name[FERRY_EXCERPT_SIZE];
    bool added;
    if (!p->items_given) {
        const char *named = row->domain[0] != '\0' ? row->domain : reading->stem;
        FERRY_TRY(find_domain(p, named, domain, error));
        return add_item(p, &p->domains[*domain], row->item, item, &added, error);
    }
    ferry_excerpt(row->item, strlen(row->item), id);
    if (row->domain[0] == '\0') {
        FERRY_TRY(find_in_all(p, row->item, domain, item, error));
        if (*item != FERRY_NO_NAME) return FERRY_OK;
        return ferry_fail(error, FERRY_NOT_FOUND, "item \"%s\" is in none of the item files", id);
    }
    *domain = ferry_names_find(&p->domain_names, row->domain);
    ferry_excerpt(row->domain, strlen(row->domain), name);
    if (*domain == FERRY_NO_NAME)
        return ferry_fail(error, FERRY_NOT_FOUND, "domain \"%s\" is in none of the item files",
                          name);
    *item = ferry_names_find(&p->domains[*domain].ids, row->item);
    if (*item != FERRY_NO_NAME) return FERRY_OK;
    return ferry_fail(error, FERRY_NOT_FOUND, "item \"%s\" is not among domain \"%s\"'s items", id,
                      name);
}

static ferry_status find_behavior(ferry_prepare *p, const char *name, uint8_t *out,
                                  ferry_error *error)
{
    uint32_t number = ferry_names_find(&p->behaviors, name);
    if (number == FERRY_NO_NAME && p->behaviors.count == FERRY_MAX_BEHAVIORS)
        return ferry_fail(error, FERRY_LIMIT,
                          "behavior \"%s\" is one more than %d: is it the right column?", name,
                          FERRY_MAX_BEHAVIORS);
    if (number == FERRY_NO_NAME && !ferry_names_add(&p->behaviors, name, &number, NULL))
        return ferry_fail_memory(error, "the behaviors");
    *out = (uint8_t)number;
    return FERRY_OK;
}

static ferry_status take_event(void *user, const ferry_event_row *row, ferry_error *error)
{
    table_reading *reading = user;
    ferry_prepare *p = reading->p;
    uint32_t domain = 0;
    raw_event event = {.timestamp = row->timestamp,
                       .position = row->position,
                       .value = (float)row->value,
                       .has_value = row->has_value};
    if (row->user[0] == '\0') return ferry_fail(error, FERRY_MALFORMED, "no user");
    if (!isfinite(event.value))
        return ferry_fail(error, FERRY_MALFORMED, "the value %g is too large", row->value);
    if (p->event_count == FERRY_MAX_EVENTS)
        return ferry_fail(error, FERRY_LIMIT, "more than %d events", FERRY_MAX_EVENTS);
    FERRY_TRY(locate(reading, row, &domain, &event.item, error));
    if (p->options.has_min_rating && row->behavior == FERRY_RATING &&
        row->value < p->options.min_rating) {
        reading->about->rows++;
        p->low_ratings++;
        return FERRY_OK;
    }
    FERRY_TRY(find_behavior(p, row->behavior_name, &event.behavior, error));
    event.domain = (uint16_t)domain;
    event.order = (uint32_t)p->event_count;
    if (!grow(p, &p->events, sizeof *p->events, p->event_count, &p->event_capacity) ||
        !ferry_names_add(&p->users, row->user, &event.user, NULL))
        return ferry_fail_memory(error, "the events");
    p->events[p->event_count++] = event;
    reading->about->rows++;
    return FERRY_OK;
}

ferry_status ferry_prepare_events(ferry_prepare *p, const ferry_file *table,
                                  ferry_table_format format, ferry_row_refused refused,
                                  void *refused_user, ferry_error *error)
{
    table_reading reading = {.refused = refused, .refused_user = refused_user};
    FERRY_TRY(begin_table(p, table, true, &reading, error));
    return ferry_events_read(table, format, &p->allocator, take_event, &reading, count_refused,
                             &reading, NULL, error);
}

/* ---- the rest ---- */

static ferry_status clean(ferry_prepare *p, int step, ferry_error *error)
{
    switch (step) {
    case 0: return ferry_prepare_titles(p, error);
    case 1: ferry_prepare_order(p); return FERRY_OK;
    case 2: return ferry_prepare_dedupe(p, error);
    case 3: return ferry_prepare_core(p, error);
    default: return ferry_prepare_drop_telling(p, error);
    }
}

static ferry_status make(ferry_prepare *p, ferry_prepared *out, ferry_error *error)
{
    uint8_t **has_value = NULL;
    FERRY_TRY(ferry_prepare_build(p, &out->dataset, &has_value, &out->items, error));
    FERRY_TRY(ferry_split_apply(out->dataset, &p->options.split, error));
    FERRY_TRY(ferry_weights_apply(out->dataset, (const uint8_t *const *)has_value,
                                  p->options.half_life, error));
    out->settings = ferry_prepare_settings(p);
    out->report = ferry_prepare_report(p, out->dataset);
    if (out->settings == NULL || out->report == NULL) return ferry_fail_memory(error, "the report");
    return FERRY_OK;
}

ferry_status ferry_prepare_finish(ferry_prepare *p, ferry_progress progress, void *progress_user,
                                  ferry_prepared *out, ferry_error *error)
{
    enum { CLEANING = 5, STEPS = CLEANING + 1 };
    *out = (ferry_prepared){0};
    ferry_buffer_init(&out->items, p->allocator);
    ferry_status status = FERRY_OK;
    for (int step = 0; step <= STEPS && status == FERRY_OK; step++) {
        if (progress != NULL && !progress(progress_user, (size_t)step, STEPS))
            status = ferry_fail(error, FERRY_CANCELLED, "interrupted; nothing was written");
        else if (step < CLEANING)
            status = clean(p, step, error);
        else if (step == CLEANING)
            status = make(p, out, error);
    }
    if (status != FERRY_OK) ferry_prepared_close(out);
    return status;
}

void ferry_prepared_close(ferry_prepared *prepared)
{
    ferry_dataset_close(prepared->dataset);
    if (prepared->items.allocator.reallocate != NULL) ferry_buffer_free(&prepared->items);
    cJSON_Delete(prepared->settings);
    cJSON_Delete(prepared->report);
    *prepared = (ferry_prepared){0};
}
