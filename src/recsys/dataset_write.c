/* The three files of a data set, written. */
#include "base/error.h"
#include "input/json_text.h"
#include "input/safetensors.h"
#include "recsys/dataset_files.h"

const ferry_dataset_column ferry_dataset_columns[DATASET_COLUMNS] = {
#define COLUMN(column, dtype, width, length) \
    {#column, FERRY_##dtype, width, DATASET_LENGTH_##length},
    DATASET_COLUMN_LIST(COLUMN)
#undef COLUMN
};

char *ferry_dataset_column_name(ferry_arena *arena, const char *domain, size_t column)
{
    const char *name = ferry_dataset_columns[column].name;
    size_t domain_size = strlen(domain), size = strlen(name);
    char *text = ferry_arena_array(arena, domain_size + size + 2, 1);
    if (text == NULL) return NULL;
    memcpy(text, domain, domain_size);
    text[domain_size] = '.';
    memcpy(text + domain_size + 1, name, size + 1);
    return text;
}

/* Takes over the part; false without memory. */
static bool add_item(cJSON *object, const char *key, cJSON *part)
{
    if (part != NULL && cJSON_AddItemToObject(object, key, part)) return true;
    cJSON_Delete(part);
    return false;
}

static bool append_domain(cJSON *list, const ferry_interactions *domain)
{
    cJSON *entry = cJSON_CreateObject();
    bool built = cJSON_AddStringToObject(entry, "name", domain->domain) != NULL &&
                 cJSON_AddNumberToObject(entry, "items", (double)domain->item_count) != NULL &&
                 cJSON_AddNumberToObject(entry, "users", (double)domain->user_count) != NULL &&
                 cJSON_AddNumberToObject(entry, "events", (double)domain->event_count) != NULL &&
                 cJSON_AddItemToArray(list, entry);
    if (!built) cJSON_Delete(entry);
    return built;
}

static cJSON *behaviors_json(const ferry_dataset *dataset)
{
    static const char *const none[1] = {""};
    const char *const *names = dataset->behaviors != NULL ? dataset->behaviors : none;
    return cJSON_CreateStringArray(names, (int)dataset->behavior_count);
}

static cJSON *domains_json(const ferry_dataset *dataset)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t d = 0; list != NULL && d < dataset->domain_count; d++) {
        if (append_domain(list, &dataset->domains[d])) continue;
        cJSON_Delete(list);
        return NULL;
    }
    return list;
}

ferry_status ferry_dataset_write_json(const ferry_dataset *dataset, const cJSON *settings,
                                      const cJSON *report, ferry_buffer *out, ferry_error *error)
{
    cJSON *json = cJSON_CreateObject();
    bool built =
        cJSON_AddStringToObject(json, "format", DATASET_FORMAT) != NULL &&
        cJSON_AddNumberToObject(json, "version", DATASET_VERSION) != NULL &&
        cJSON_AddNumberToObject(json, "users", (double)dataset->user_count) != NULL &&
        add_item(json, "behaviors", behaviors_json(dataset)) &&
        add_item(json, "domains", domains_json(dataset)) &&
        (settings == NULL || add_item(json, "settings", cJSON_Duplicate(settings, true))) &&
        (report == NULL || add_item(json, "report", cJSON_Duplicate(report, true)));
    built = built && ferry_json_append(out, json);
    cJSON_Delete(json);
    return built ? FERRY_OK : ferry_fail_memory(error, DATASET_JSON);
}

static bool append_quoted(ferry_buffer *out, const char *before, const char *text)
{
    return ferry_buffer_append(out, before, strlen(before)) &&
           ferry_json_append_quoted(out, text, strlen(text));
}

ferry_status ferry_dataset_write_items(const ferry_dataset *dataset, ferry_buffer *out,
                                       ferry_error *error)
{
    for (size_t d = 0; d < dataset->domain_count; d++) {
        const ferry_interactions *domain = &dataset->domains[d];
        for (size_t i = 0; i < domain->item_count; i++)
            if (!append_quoted(out, "{\"id\":", domain->items[i]) ||
                !append_quoted(out, ",\"domain\":", domain->domain) ||
                !ferry_buffer_append(out, "}\n", 2))
                return ferry_fail_memory(error, DATASET_ITEMS);
    }
    return FERRY_OK;
}

/* ---- events.safetensors ---- */

typedef struct writer {
    ferry_arena arena;     /* names, the users' bytes */
    ferry_tensor *tensors; /* [count] */
    size_t count;
    ferry_error *error;
} writer;

static void add_tensor(writer *w, const char *name, ferry_dtype dtype, size_t width, size_t count,
                       const void *data)
{
    w->tensors[w->count++] = (ferry_tensor){.name = name,
                                            .dtype = dtype,
                                            .rank = 1,
                                            .shape = {count},
                                            .count = count,
                                            .data = data,
                                            .size = count * width};
}

/* The ids one behind the other, and where each begins. */
static ferry_status add_users(writer *w, const ferry_dataset *dataset)
{
    size_t total = 0;
    int64_t *starts = ferry_arena_array(&w->arena, dataset->user_count + 1, sizeof *starts);
    for (size_t u = 0; u < dataset->user_count; u++) total += strlen(dataset->users[u]);
    char *bytes = ferry_arena_array(&w->arena, total, 1);
    if (starts == NULL || bytes == NULL) return ferry_fail_memory(w->error, DATASET_EVENTS);
    for (size_t u = 0; u < dataset->user_count; u++) {
        size_t size = strlen(dataset->users[u]), at = (size_t)starts[u];
        memcpy(bytes + at, dataset->users[u], size);
        starts[u + 1] = (int64_t)(at + size);
    }
    add_tensor(w, DATASET_USER_STARTS, FERRY_I64, 8, dataset->user_count + 1, starts);
    add_tensor(w, DATASET_USER_IDS, FERRY_U8, 1, total, bytes);
    return FERRY_OK;
}

static ferry_status add_columns(writer *w, const ferry_interactions *domain)
{
    const void *const columns[] = {
#define DATA(column, dtype, width, length) domain->column,
        DATASET_COLUMN_LIST(DATA)
#undef DATA
    };
    for (size_t i = 0; i < DATASET_COLUMNS; i++) {
        char *name = ferry_dataset_column_name(&w->arena, domain->domain, i);
        if (name == NULL) return ferry_fail_memory(w->error, DATASET_EVENTS);
        const ferry_dataset_column *about = &ferry_dataset_columns[i];
        add_tensor(w, name, about->dtype, about->width,
                   ferry_dataset_column_length(about, domain->user_count, domain->event_count),
                   columns[i]);
    }
    return FERRY_OK;
}

/* Wide dtypes first, so that each column is aligned in the file; otherwise in order. */
static void sort_by_width(const ferry_tensor *from, size_t count, ferry_tensor *to)
{
    static const ferry_dtype order[] = {FERRY_I64, FERRY_I32, FERRY_F32, FERRY_U8};
    size_t placed = 0;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        for (size_t t = 0; t < count; t++)
            if (from[t].dtype == order[i]) to[placed++] = from[t];
}

static ferry_status write_events(writer *w, const ferry_dataset *dataset, ferry_buffer *out)
{
    size_t most = 2 + DATASET_COLUMNS * dataset->domain_count;
    w->tensors = ferry_arena_array(&w->arena, most, sizeof *w->tensors);
    ferry_tensor *sorted = ferry_arena_array(&w->arena, most, sizeof *sorted);
    if (w->tensors == NULL || sorted == NULL) return ferry_fail_memory(w->error, DATASET_EVENTS);
    FERRY_TRY(add_users(w, dataset));
    for (size_t d = 0; d < dataset->domain_count; d++)
        FERRY_TRY(add_columns(w, &dataset->domains[d]));
    sort_by_width(w->tensors, w->count, sorted);
    return ferry_safetensors_write(sorted, w->count, NULL, 0, out, w->error);
}

ferry_status ferry_dataset_write_events(const ferry_dataset *dataset, ferry_buffer *out,
                                        ferry_error *error)
{
    writer w = {.error = error};
    ferry_arena_init(&w.arena, dataset->arena.allocator);
    ferry_status status = write_events(&w, dataset, out);
    ferry_arena_free(&w.arena);
    return status;
}
