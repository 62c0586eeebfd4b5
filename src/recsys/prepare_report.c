/* What was asked for and what came of it, as JSON. */
#include "recsys/prepare_state.h"

/* ---- refused rows by reason ---- */

/* The reason without what differs from row to row: quoted texts become "…", numbers #. */
static void generalize(const char *reason, char *out, size_t size)
{
    static const char gap[] = "\"…\"";
    size_t used = 0;
    for (const char *c = reason; *c != '\0' && used + sizeof gap < size;) {
        const char *quote = *c == '"' ? strchr(c + 1, '"') : NULL;
        if (quote != NULL) {
            memcpy(out + used, gap, sizeof gap - 1);
            used += sizeof gap - 1;
            c = quote + 1;
        } else if (*c >= '0' && *c <= '9') {
            out[used++] = '#';
            while (*c >= '0' && *c <= '9') c++;
        } else {
            out[used++] = *c++;
        }
    }
    /* cut, if it is: not inside a code point */
    while (used + sizeof gap >= size && used > 0 && (unsigned char)out[used - 1] >= 0x80) used--;
    out[used] = '\0';
}

void ferry_prepare_count_reason(ferry_prepare *p, const char *reason)
{
    char text[sizeof(ferry_error)];
    generalize(reason, text, sizeof text);
    for (size_t i = 0; i < p->reason_count; i++) {
        if (strcmp(p->reasons[i].reason, text) != 0) continue;
        p->reasons[i].count++;
        return;
    }
    char *copy =
        p->reason_count < MAX_REASONS ? ferry_arena_text(&p->arena, text, strlen(text)) : NULL;
    if (copy == NULL)
        p->other_reasons++;
    else
        p->reasons[p->reason_count++] = (refusal_count){copy, 1};
}

/* ---- building JSON: each returns false without memory ---- */

static bool add_number(cJSON *object, const char *key, double value)
{
    return cJSON_AddNumberToObject(object, key, value) != NULL;
}

static bool add_count(cJSON *object, const char *key, size_t count)
{
    return add_number(object, key, (double)count);
}

static bool add_text(cJSON *object, const char *key, const char *text)
{
    return cJSON_AddStringToObject(object, key, text) != NULL;
}

/* Takes over the part. */
static bool add_part(cJSON *object, const char *key, cJSON *part)
{
    if (part != NULL && cJSON_AddItemToObject(object, key, part)) return true;
    cJSON_Delete(part);
    return false;
}

static bool add_entry(cJSON *list, cJSON *entry, bool built)
{
    if (built && cJSON_AddItemToArray(list, entry)) return true;
    cJSON_Delete(entry);
    return false;
}

/* ---- settings ---- */

static bool add_split(cJSON *json, const ferry_split_options *split)
{
    static const char *const names[] = {
#define NAME(name, text) text,
        FERRY_SPLIT_LIST(NAME)
#undef NAME
    };
    bool built = add_text(json, "split", names[split->split]);
    if (split->target_behavior != NULL)
        built = built && add_text(json, "target_behavior", split->target_behavior);
    if (split->split == FERRY_SPLIT_TIME || split->split == FERRY_SPLIT_RATIO)
        built =
            built && add_part(json, "ratio", cJSON_CreateDoubleArray(split->ratio, FERRY_PARTS));
    if (split->split != FERRY_SPLIT_NEW_USER) return built;
    built = built && add_text(json, "target", split->target) &&
            add_number(json, "seed", (double)split->seed);
    if (split->test_user_count > 0)
        return built && add_count(json, "test_users", split->test_user_count);
    return built && add_number(json, "share", split->share);
}

cJSON *ferry_prepare_settings(const ferry_prepare *p)
{
    static const char *const dedupe[] = {
#define NAME(name, text) text,
        FERRY_DEDUPE_LIST(NAME)
#undef NAME
    };
    const ferry_prepare_options *options = &p->options;
    cJSON *json = cJSON_CreateObject();
    bool built = add_count(json, "core", options->core > 1 ? options->core : 1) &&
                 add_text(json, "dedupe_events", dedupe[options->dedupe_events]) &&
                 add_part(json, "dedupe_titles", cJSON_CreateBool(options->merge_titles)) &&
                 add_split(json, &options->split);
    if (options->half_life > 0)
        built = built && add_number(json, "half_life_days", options->half_life);
    if (options->has_min_rating)
        built = built && add_number(json, "min_rating", options->min_rating);
    if (built) return json;
    cJSON_Delete(json);
    return NULL;
}

/* ---- report ---- */

static cJSON *files_json(const ferry_prepare *p)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; list != NULL && i < p->table_count; i++) {
        const table_count *table = &p->tables[i];
        cJSON *entry = cJSON_CreateObject();
        bool built = add_text(entry, "file", table->file) &&
                     add_text(entry, "of", table->events ? "events" : "items") &&
                     add_count(entry, "read", table->rows) &&
                     add_count(entry, "refused", table->refused);
        if (add_entry(list, entry, built)) continue;
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

static cJSON *reasons_json(const ferry_prepare *p)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; list != NULL && i <= p->reason_count; i++) {
        bool last = i == p->reason_count;
        size_t count = last ? p->other_reasons : p->reasons[i].count;
        if (count == 0) continue;
        cJSON *entry = cJSON_CreateObject();
        bool built = add_text(entry, "reason", last ? "other reasons" : p->reasons[i].reason) &&
                     add_count(entry, "rows", count);
        if (add_entry(list, entry, built)) continue;
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

static cJSON *parts_json(const ferry_interactions *domain)
{
    static const char *const names[FERRY_PARTS] = {"train", "validation", "test"};
    size_t counts[FERRY_PARTS] = {0};
    for (size_t e = 0; e < domain->event_count; e++) counts[domain->part[e]]++;
    cJSON *json = cJSON_CreateObject();
    bool built = json != NULL;
    for (int part = 0; part < FERRY_PARTS; part++)
        built = built && add_count(json, names[part], counts[part]);
    if (built) return json;
    cJSON_Delete(json);
    return NULL;
}

static cJSON *behaviors_json(const ferry_dataset *dataset, const ferry_interactions *domain)
{
    size_t counts[FERRY_MAX_BEHAVIORS + 1] = {0};
    for (size_t e = 0; e < domain->event_count; e++) counts[domain->behavior[e]]++;
    cJSON *json = cJSON_CreateObject();
    bool built = json != NULL;
    for (size_t b = 0; b < dataset->behavior_count; b++)
        if (counts[b] > 0) built = built && add_count(json, dataset->behaviors[b], counts[b]);
    if (built) return json;
    cJSON_Delete(json);
    return NULL;
}

static size_t short_histories(const ferry_interactions *domain)
{
    size_t count = 0;
    for (size_t u = 0; u < domain->user_count; u++)
        count += domain->start[u + 1] - domain->start[u] < 3;
    return count;
}

/* Items without an event (mark is scratch, [item_count]) and without a text. */
static void count_items(const raw_domain *from, const ferry_interactions *domain, uint8_t *mark,
                        size_t *cold, size_t *textless)
{
    for (size_t e = 0; e < domain->event_count; e++) mark[domain->item[e]] = 1;
    *cold = *textless = 0;
    for (size_t i = 0; i < domain->item_count; i++) *cold += !mark[i];
    for (size_t i = 0; i < from->ids.count; i++)
        *textless += !from->items[i].dropped && !from->items[i].has_text;
}

static bool add_core(cJSON *json, const raw_domain *from)
{
    cJSON *core = cJSON_CreateObject();
    return add_part(json, "core", core) && add_count(core, "rounds", from->core_rounds) &&
           add_count(core, "items_dropped", from->core_items) &&
           add_count(core, "users_dropped", from->core_users) &&
           add_count(core, "events_dropped", from->core_events);
}

static cJSON *domain_json(const ferry_prepare *p, const ferry_dataset *dataset, size_t index)
{
    const raw_domain *from = &p->domains[index];
    const ferry_interactions *domain = &dataset->domains[index];
    size_t cold = 0, textless = 0, marks = domain->item_count + 1;
    uint8_t *mark = ferry_allocate(&p->allocator, marks, 1);
    if (mark == NULL) return NULL;
    count_items(from, domain, mark, &cold, &textless);
    ferry_release(&p->allocator, mark, marks);
    double cells = (double)domain->user_count * (double)domain->item_count;
    cJSON *json = cJSON_CreateObject();
    bool built = add_text(json, "name", domain->domain) &&
                 add_count(json, "users", domain->user_count) &&
                 add_count(json, "items", domain->item_count) &&
                 add_count(json, "events", domain->event_count) &&
                 add_number(json, "density", cells > 0 ? (double)domain->event_count / cells : 0) &&
                 add_count(json, "items_without_events", cold) &&
                 add_count(json, "items_without_text", textless) &&
                 add_count(json, "users_with_less_than_3_events", short_histories(domain)) &&
                 add_count(json, "equal_titles", from->equal_titles) &&
                 add_count(json, "near_titles", from->near_titles) &&
                 add_count(json, "items_merged", from->merged) &&
                 (p->options.core <= 1 || add_core(json, from)) &&
                 add_part(json, "behaviors", behaviors_json(dataset, domain)) &&
                 add_part(json, "parts", parts_json(domain));
    if (built) return json;
    cJSON_Delete(json);
    return NULL;
}

static cJSON *domains_json(const ferry_prepare *p, const ferry_dataset *dataset)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t d = 0; list != NULL && d < dataset->domain_count; d++) {
        cJSON *entry = domain_json(p, dataset, d);
        if (add_entry(list, entry, entry != NULL)) continue;
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

/* ---- users linked across domains ---- */

/* How many users two ascending lists share. */
static size_t shared_users(const ferry_interactions *a, const ferry_interactions *b)
{
    size_t i = 0, j = 0, shared = 0;
    while (i < a->user_count && j < b->user_count) {
        if (a->user[i] == b->user[j]) {
            shared++;
            i++;
            j++;
        } else if (a->user[i] < b->user[j]) {
            i++;
        } else {
            j++;
        }
    }
    return shared;
}

/* Pairs of domains that share users; with many domains there would be too many to list. */
static cJSON *pairs_json(const ferry_dataset *dataset)
{
    enum { MAX_PAIRED = 64 };
    cJSON *list = cJSON_CreateArray();
    size_t count = dataset->domain_count <= MAX_PAIRED ? dataset->domain_count : 0;
    for (size_t a = 0; list != NULL && a < count; a++) {
        for (size_t b = a + 1; b < count; b++) {
            const ferry_interactions *x = &dataset->domains[a], *y = &dataset->domains[b];
            size_t shared = shared_users(x, y);
            if (shared == 0) continue;
            const char *names[] = {x->domain, y->domain};
            cJSON *entry = cJSON_CreateObject();
            bool built = add_part(entry, "domains", cJSON_CreateStringArray(names, 2)) &&
                         add_count(entry, "users", shared);
            if (add_entry(list, entry, built)) continue;
            cJSON_Delete(list);
            return NULL;
        }
    }
    return list;
}

/* Users of two or more domains; false without memory. */
static bool count_linked(const ferry_prepare *p, const ferry_dataset *dataset, size_t *linked)
{
    uint16_t *domains = ferry_allocate(&p->allocator, dataset->user_count + 1, sizeof *domains);
    if (domains == NULL) return false;
    *linked = 0;
    for (size_t d = 0; d < dataset->domain_count; d++)
        for (size_t u = 0; u < dataset->domains[d].user_count; u++)
            *linked += ++domains[dataset->domains[d].user[u]] == 2;
    ferry_release(&p->allocator, domains, (dataset->user_count + 1) * sizeof *domains);
    return true;
}

cJSON *ferry_prepare_report(const ferry_prepare *p, const ferry_dataset *dataset)
{
    size_t linked = 0;
    cJSON *json = cJSON_CreateObject();
    bool built = count_linked(p, dataset, &linked) && add_part(json, "files", files_json(p)) &&
                 add_part(json, "refused", reasons_json(p)) &&
                 add_count(json, "ratings_below_minimum", p->low_ratings) &&
                 add_count(json, "duplicate_events", p->duplicates) &&
                 (p->telling == 0 || add_count(json, "telling_events", p->telling)) &&
                 add_count(json, "users", dataset->user_count) &&
                 add_count(json, "linked_users", linked) &&
                 add_part(json, "linked", pairs_json(dataset)) &&
                 add_part(json, "domains", domains_json(p, dataset));
    if (built) return json;
    cJSON_Delete(json);
    return NULL;
}
