/* The three files of a data set, read. Nothing in them is trusted. */
#include <math.h>
#include <stdio.h>

#include "base/error.h"
#include "base/names.h"
#include "input/excerpt.h"
#include "input/items.h"
#include "input/table.h"
#include "recsys/dataset_files.h"

typedef struct loading {
    ferry_dataset *dataset;
    ferry_names *items; /* [domain_count] ids of items.jsonl; freed in the end */
    size_t opened;      /* how many of items are initialised */
    ferry_error *error;
} loading;

static const char *shown(const char *text, char out[FERRY_EXCERPT_SIZE])
{
    return ferry_excerpt(text, strlen(text), out);
}

static const char *copy_text(loading *l, const char *text)
{
    return ferry_arena_text(&l->dataset->arena, text, strlen(text));
}

/* ---- dataset.json ---- */

static ferry_status check_format(const cJSON *json, ferry_error *error)
{
    const char *format = "";
    size_t version = 0;
    char excerpt[FERRY_EXCERPT_SIZE];
    FERRY_TRY(ferry_json_string(json, "format", DATASET_JSON, &format, error));
    FERRY_TRY(ferry_json_size_required(json, "version", DATASET_JSON, UINT32_MAX, &version, error));
    if (strcmp(format, DATASET_FORMAT) == 0 && version == DATASET_VERSION) return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "%s: format \"%s\" version %zu, expected \"%s\" version %d", DATASET_JSON,
                      shown(format, excerpt), version, DATASET_FORMAT, DATASET_VERSION);
}

/* The array of that name, and how long it is. */
static ferry_status required_array(const cJSON *json, const char *key, size_t max,
                                   const cJSON **out, size_t *count, ferry_error *error)
{
    *out = ferry_json_get(json, key);
    if (!cJSON_IsArray(*out))
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" is not an array", DATASET_JSON, key);
    *count = (size_t)cJSON_GetArraySize(*out);
    if (*count > max)
        return ferry_fail(error, FERRY_LIMIT, "%s: \"%s\" has %zu entries, the limit is %zu",
                          DATASET_JSON, key, *count, max);
    return FERRY_OK;
}

static ferry_status read_behaviors(loading *l, const cJSON *json)
{
    const cJSON *list, *name;
    size_t count = 0, i = 0;
    char excerpt[FERRY_EXCERPT_SIZE];
    FERRY_TRY(required_array(json, "behaviors", FERRY_MAX_BEHAVIORS, &list, &count, l->error));
    const char **names = ferry_arena_array(&l->dataset->arena, count, sizeof *names);
    if (names == NULL) return ferry_fail_memory(l->error, DATASET_JSON);
    cJSON_ArrayForEach(name, list)
    {
        size_t size = cJSON_IsString(name) ? strlen(name->valuestring) : 0;
        if (size == 0 || size > FERRY_BEHAVIOR_MAX_SIZE)
            return ferry_fail(l->error, FERRY_MALFORMED,
                              "%s: behavior %zu is not a text of 1 to %d bytes", DATASET_JSON, i,
                              FERRY_BEHAVIOR_MAX_SIZE);
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[j], name->valuestring) == 0)
                return ferry_fail(l->error, FERRY_MALFORMED, "%s: behavior \"%s\" is there twice",
                                  DATASET_JSON, shown(name->valuestring, excerpt));
        names[i] = copy_text(l, name->valuestring);
        if (names[i++] == NULL) return ferry_fail_memory(l->error, DATASET_JSON);
    }
    l->dataset->behaviors = names;
    l->dataset->behavior_count = count;
    return FERRY_OK;
}

static ferry_status read_domain(loading *l, const cJSON *entry, ferry_interactions *out)
{
    const char *name = NULL;
    char where[FERRY_EXCERPT_SIZE + 32], excerpt[FERRY_EXCERPT_SIZE];
    if (!cJSON_IsObject(entry))
        return ferry_fail(l->error, FERRY_MALFORMED, "%s: a domain is not an object", DATASET_JSON);
    FERRY_TRY(ferry_json_string(entry, "name", DATASET_JSON, &name, l->error));
    if (name == NULL)
        return ferry_fail(l->error, FERRY_MALFORMED, "%s: a domain without \"name\"", DATASET_JSON);
    snprintf(where, sizeof where, "%s: domain \"%s\"", DATASET_JSON, shown(name, excerpt));
    for (size_t d = 0; d < l->dataset->domain_count; d++)
        if (strcmp(l->dataset->domains[d].domain, name) == 0)
            return ferry_fail(l->error, FERRY_MALFORMED, "%s is there twice", where);
    out->domain = copy_text(l, name);
    if (out->domain == NULL) return ferry_fail_memory(l->error, DATASET_JSON);
    FERRY_TRY(ferry_json_size_required(entry, "items", where, FERRY_MAX_ITEMS, &out->item_count,
                                       l->error));
    FERRY_TRY(ferry_json_size_required(entry, "users", where, FERRY_MAX_EVENTS, &out->user_count,
                                       l->error));
    return ferry_json_size_required(entry, "events", where, FERRY_MAX_EVENTS, &out->event_count,
                                    l->error);
}

static ferry_status read_json(loading *l, const cJSON *json)
{
    const cJSON *list, *entry;
    size_t count = 0;
    FERRY_TRY(check_format(json, l->error));
    FERRY_TRY(read_behaviors(l, json));
    FERRY_TRY(ferry_json_size_required(json, "users", DATASET_JSON, FERRY_MAX_EVENTS,
                                       &l->dataset->user_count, l->error));
    FERRY_TRY(required_array(json, "domains", FERRY_MAX_DATA_DOMAINS, &list, &count, l->error));
    l->dataset->domains = ferry_arena_array(&l->dataset->arena, count, sizeof *l->dataset->domains);
    if (l->dataset->domains == NULL) return ferry_fail_memory(l->error, DATASET_JSON);
    cJSON_ArrayForEach(entry, list)
    {
        FERRY_TRY(read_domain(l, entry, &l->dataset->domains[l->dataset->domain_count]));
        l->dataset->domain_count++;
    }
    return FERRY_OK;
}

/* ---- items.jsonl ---- */

static ferry_status take_item(void *user, const ferry_item_row *row, ferry_error *error)
{
    loading *l = user;
    char id[FERRY_EXCERPT_SIZE], name[FERRY_EXCERPT_SIZE];
    for (size_t d = 0; d < l->dataset->domain_count; d++) {
        uint32_t number;
        bool added;
        if (strcmp(l->dataset->domains[d].domain, row->domain) != 0) continue;
        if (!ferry_names_add(&l->items[d], row->id, &number, &added))
            return ferry_fail_memory(error, "the items");
        if (added) return FERRY_OK;
        return ferry_fail(error, FERRY_MALFORMED, "item \"%s\" is already in domain \"%s\"",
                          shown(row->id, id), shown(row->domain, name));
    }
    return ferry_fail(error, FERRY_MALFORMED, "domain \"%s\" is not in %s",
                      shown(row->domain, name), DATASET_JSON);
}

static ferry_status copy_items(loading *l, ferry_interactions *domain, const ferry_names *items)
{
    char name[FERRY_EXCERPT_SIZE];
    if (items->count != domain->item_count)
        return ferry_fail(l->error, FERRY_MALFORMED,
                          "%s has %zu items of domain \"%s\", but %s says %zu", DATASET_ITEMS,
                          items->count, shown(domain->domain, name), DATASET_JSON,
                          domain->item_count);
    const char **ids = ferry_arena_array(&l->dataset->arena, items->count, sizeof *ids);
    if (ids == NULL) return ferry_fail_memory(l->error, "the items");
    for (size_t i = 0; i < items->count; i++) {
        ids[i] = copy_text(l, items->texts[i]);
        if (ids[i] == NULL) return ferry_fail_memory(l->error, "the items");
    }
    domain->items = ids;
    return FERRY_OK;
}

static ferry_status read_items(loading *l, const ferry_file *file)
{
    size_t count = l->dataset->domain_count;
    l->items = ferry_arena_array(&l->dataset->arena, count, sizeof *l->items);
    if (l->items == NULL) return ferry_fail_memory(l->error, "the items");
    for (; l->opened < count; l->opened++)
        ferry_names_init(&l->items[l->opened], l->dataset->arena.allocator);
    FERRY_TRY(ferry_items_read(file, FERRY_TABLE_JSONL, &l->dataset->arena.allocator, take_item, l,
                               ferry_refuse_none, NULL, NULL, l->error));
    for (size_t d = 0; d < count; d++)
        FERRY_TRY(copy_items(l, &l->dataset->domains[d], &l->items[d]));
    return FERRY_OK;
}

/* ---- events.safetensors ---- */

static ferry_status read_column(loading *l, const ferry_safetensors *file, const char *name,
                                ferry_dtype dtype, size_t count, void *out)
{
    const ferry_tensor *tensor = ferry_safetensors_find(file, name);
    char excerpt[FERRY_EXCERPT_SIZE];
    if (tensor == NULL)
        return ferry_fail(l->error, FERRY_NOT_FOUND, "%s: tensor \"%s\" is missing", DATASET_EVENTS,
                          shown(name, excerpt));
    return ferry_tensor_column(tensor, dtype, count, &l->dataset->arena, out, l->error);
}

static ferry_status bad_users(loading *l, size_t user, const char *what)
{
    return ferry_fail(l->error, FERRY_MALFORMED, "%s: user %zu of \"%s\" %s", DATASET_EVENTS, user,
                      DATASET_USER_IDS, what);
}

static ferry_status copy_users(loading *l, const int64_t *starts, const char *bytes, size_t total,
                               ferry_names *known)
{
    ferry_dataset *dataset = l->dataset;
    for (size_t u = 0; u < dataset->user_count; u++) {
        uint32_t number;
        bool added;
        if (starts[u + 1] <= starts[u] || starts[u + 1] > (int64_t)total)
            return bad_users(l, u, "ends before it begins, or behind the end");
        size_t size = (size_t)(starts[u + 1] - starts[u]);
        if (memchr(bytes + starts[u], '\0', size) != NULL) return bad_users(l, u, "has a NUL byte");
        dataset->users[u] = ferry_arena_text(&dataset->arena, bytes + starts[u], size);
        if (dataset->users[u] == NULL ||
            !ferry_names_add(known, dataset->users[u], &number, &added))
            return ferry_fail_memory(l->error, "the users");
        if (!added) return bad_users(l, u, "is there twice");
    }
    return FERRY_OK;
}

static ferry_status read_users(loading *l, const ferry_safetensors *file)
{
    ferry_dataset *dataset = l->dataset;
    const ferry_tensor *ids = ferry_safetensors_find(file, DATASET_USER_IDS);
    int64_t *starts = NULL;
    char *bytes = NULL;
    size_t total = ids != NULL ? ids->count : 0, count = dataset->user_count;
    FERRY_TRY(read_column(l, file, DATASET_USER_STARTS, FERRY_I64, count + 1, (void *)&starts));
    FERRY_TRY(read_column(l, file, DATASET_USER_IDS, FERRY_U8, total, (void *)&bytes));
    if (starts[0] != 0 || starts[count] != (int64_t)total)
        return ferry_fail(l->error, FERRY_MALFORMED,
                          "%s: \"%s\" runs from %lld to %lld, expected from 0 to %zu",
                          DATASET_EVENTS, DATASET_USER_STARTS, (long long)starts[0],
                          (long long)starts[count], total);
    dataset->users = ferry_arena_array(&dataset->arena, count, sizeof *dataset->users);
    if (dataset->users == NULL) return ferry_fail_memory(l->error, "the users");
    ferry_names known;
    ferry_names_init(&known, dataset->arena.allocator);
    ferry_status status = copy_users(l, starts, bytes, total, &known);
    ferry_names_free(&known);
    return status;
}

/* Names the column and the place of what breaks a rule. */
static ferry_status bad_column(loading *l, const ferry_interactions *domain, size_t column,
                               size_t at, const char *rule)
{
    char name[FERRY_EXCERPT_SIZE];
    return ferry_fail(l->error, FERRY_MALFORMED, "%s: tensor \"%s.%s\" at %zu: %s", DATASET_EVENTS,
                      shown(domain->domain, name), ferry_dataset_columns[column].name, at, rule);
}

static ferry_status check_users(loading *l, const ferry_interactions *domain)
{
    const uint32_t *user = domain->user, *start = domain->start;
    size_t count = domain->user_count;
    if (start[0] != 0) return bad_column(l, domain, DATASET_COLUMN_start, 0, "expected 0");
    if (start[count] != domain->event_count)
        return bad_column(l, domain, DATASET_COLUMN_start, count, "expected the number of events");
    for (size_t u = 0; u < count; u++) {
        if (user[u] >= l->dataset->user_count)
            return bad_column(l, domain, DATASET_COLUMN_user, u, "there is no such user");
        if (u > 0 && user[u] <= user[u - 1])
            return bad_column(l, domain, DATASET_COLUMN_user, u, "users do not ascend");
        if (start[u + 1] <= start[u] || start[u + 1] > domain->event_count)
            return bad_column(l, domain, DATASET_COLUMN_start, u + 1, "starts do not ascend");
    }
    return FERRY_OK;
}

static ferry_status check_events(loading *l, const ferry_interactions *domain)
{
    for (size_t e = 0; e < domain->event_count; e++) {
        if (domain->item[e] >= domain->item_count)
            return bad_column(l, domain, DATASET_COLUMN_item, e, "there is no such item");
        if (domain->behavior[e] >= l->dataset->behavior_count)
            return bad_column(l, domain, DATASET_COLUMN_behavior, e, "there is no such behavior");
        if (!isfinite(domain->value[e]))
            return bad_column(l, domain, DATASET_COLUMN_value, e, "not a finite number");
        if (!isfinite(domain->weight[e]))
            return bad_column(l, domain, DATASET_COLUMN_weight, e, "not a finite number");
        if (domain->part[e] >= FERRY_PARTS)
            return bad_column(l, domain, DATASET_COLUMN_part, e, "there is no such part");
    }
    for (size_t u = 0; u < domain->user_count; u++) {
        for (size_t e = domain->start[u] + 1; e < domain->start[u + 1]; e++) {
            if (domain->part[e] < domain->part[e - 1])
                return bad_column(l, domain, DATASET_COLUMN_part, e, "a user's parts go down");
            if (domain->timestamp[e] < domain->timestamp[e - 1])
                return bad_column(l, domain, DATASET_COLUMN_timestamp, e,
                                  "a user's events are not oldest first");
        }
    }
    return FERRY_OK;
}

static ferry_status read_columns(loading *l, const ferry_safetensors *file,
                                 ferry_interactions *domain, ferry_arena *names)
{
    void *const columns[] = {
#define PLACE(column, dtype, width, length) &domain->column,
        DATASET_COLUMN_LIST(PLACE)
#undef PLACE
    };
    for (size_t i = 0; i < DATASET_COLUMNS; i++) {
        const ferry_dataset_column *about = &ferry_dataset_columns[i];
        const char *name = ferry_dataset_column_name(names, domain->domain, i);
        if (name == NULL) return ferry_fail_memory(l->error, DATASET_EVENTS);
        FERRY_TRY(
            read_column(l, file, name, about->dtype,
                        ferry_dataset_column_length(about, domain->user_count, domain->event_count),
                        columns[i]));
    }
    FERRY_TRY(check_users(l, domain));
    return check_events(l, domain);
}

static ferry_status read_events(loading *l, const ferry_file *file, ferry_arena *scratch)
{
    ferry_safetensors tensors;
    FERRY_TRY(ferry_safetensors_open(file, scratch, &tensors, l->error));
    FERRY_TRY(read_users(l, &tensors));
    for (size_t d = 0; d < l->dataset->domain_count; d++)
        FERRY_TRY(read_columns(l, &tensors, &l->dataset->domains[d], scratch));
    return FERRY_OK;
}

/* ---- all three ---- */

static ferry_status required_file(ferry_files files, const char *name, const ferry_file **out,
                                  ferry_error *error)
{
    *out = ferry_files_find(files, name);
    if (*out != NULL) return FERRY_OK;
    return ferry_fail(error, FERRY_NOT_FOUND, "%s is missing from the data set", name);
}

static ferry_status load(loading *l, ferry_files files)
{
    const ferry_file *about, *items, *events;
    FERRY_TRY(required_file(files, DATASET_JSON, &about, l->error));
    FERRY_TRY(required_file(files, DATASET_ITEMS, &items, l->error));
    FERRY_TRY(required_file(files, DATASET_EVENTS, &events, l->error));
    cJSON *json;
    FERRY_TRY(ferry_json_parse(about->data, about->size, about->name, &json, l->error));
    ferry_status status = read_json(l, json);
    cJSON_Delete(json);
    FERRY_TRY(status);
    FERRY_TRY(read_items(l, items));
    ferry_arena scratch;
    ferry_arena_init(&scratch, l->dataset->arena.allocator);
    status = read_events(l, events, &scratch);
    ferry_arena_free(&scratch);
    return status;
}

ferry_status ferry_dataset_load(ferry_files files, const ferry_allocator *allocator,
                                ferry_dataset **out, ferry_error *error)
{
    loading l = {.error = error};
    *out = NULL;
    FERRY_TRY(ferry_dataset_create(allocator, &l.dataset, error));
    ferry_status status = load(&l, files);
    for (size_t d = 0; d < l.opened; d++) ferry_names_free(&l.items[d]);
    if (status != FERRY_OK)
        ferry_dataset_close(l.dataset);
    else
        *out = l.dataset;
    return status;
}
