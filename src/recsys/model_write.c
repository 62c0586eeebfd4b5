/* A model's files; of the domains those that something was learned of. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "input/safetensors.h"
#include "recsys/model_files.h"

/* ---- ferry.json ---- */

static bool add_number(cJSON *to, const char *name, double value)
{
    return cJSON_AddNumberToObject(to, name, value) != NULL;
}

static bool add_float(cJSON *to, const char *name, float value)
{
    cJSON *number = ferry_json_from_float(value);
    if (number != NULL && cJSON_AddItemToObject(to, name, number)) return true;
    cJSON_Delete(number);
    return false;
}

/* {"known":{"net":1,…},…}: weights that are not 0 */
static bool add_mix(cJSON *to, const float mix[FERRY_SITUATIONS][FERRY_FEATURES])
{
    cJSON *all = cJSON_AddObjectToObject(to, "mix");
    bool fits = all != NULL;
    for (size_t s = 0; s < FERRY_SITUATIONS && fits; s++) {
        cJSON *weights = cJSON_AddObjectToObject(all, ferry_situation_names[s]);
        fits = weights != NULL;
        for (size_t f = 0; f < FERRY_FEATURES && fits; f++)
            if (mix[s][f] != 0.0f) fits = add_float(weights, ferry_feature_names[f], mix[s][f]);
    }
    return fits;
}

static bool add_domain(cJSON *list, const ferry_model_domain *domain)
{
    cJSON *entry = cJSON_CreateObject();
    if (entry == NULL || !cJSON_AddItemToArray(list, entry)) {
        cJSON_Delete(entry);
        return false;
    }
    const ferry_across *a = &domain->across;
    bool fits = cJSON_AddStringToObject(entry, "name", domain->name) != NULL &&
                add_number(entry, "items", (double)domain->items) && add_mix(entry, domain->mix);
    if (!fits || a->source_items == 0) return fits;
    cJSON *across = cJSON_AddObjectToObject(entry, "across");
    return across != NULL && add_number(across, "factors", (double)a->fold.F) &&
           add_float(across, "factor_deviation", a->factor_deviation) &&
           add_float(across, "alpha", a->fold.alpha) && add_float(across, "lambda", a->lambda) &&
           add_number(across, "profile_rank", (double)a->profile.R);
}

static bool add_net(cJSON *json, const ferry_net_config *config)
{
    cJSON *net = cJSON_AddObjectToObject(json, "net");
    const ferry_sequence_shape *shape = &config->sequence;
    return net != NULL &&
           cJSON_AddStringToObject(net, "encoder", ferry_sequence_names[shape->kind]) != NULL &&
           add_number(net, "dim", (double)shape->dim) &&
           add_number(net, "layers", (double)shape->layers) &&
           add_number(net, "heads", (double)shape->heads) &&
           add_number(net, "feed_forward", (double)shape->feed_forward) &&
           add_number(net, "max_length", (double)shape->max_length) &&
           add_number(net, "content_dim", (double)config->content_dim) &&
           add_number(net, "behaviors", (double)config->behaviors) &&
           add_number(net, "time_buckets", (double)config->time_buckets) &&
           add_number(net, "adapter_rank", (double)config->adapter_rank) &&
           cJSON_AddBoolToObject(net, "ids", config->ids) != NULL;
}

static bool fill_json(cJSON *json, const ferry_model *model)
{
    cJSON *behaviors, *domains;
    const ferry_segment *text = ferry_catalog_segment(model->catalog, FERRY_MODALITY_TEXT);
    bool fits = cJSON_AddStringToObject(json, "format", FERRY_MODEL_FORMAT) != NULL &&
                add_number(json, "version", FERRY_MODEL_VERSION) &&
                add_number(json, "text_dimension", (double)text->dimension) &&
                cJSON_AddStringToObject(json, "text_model", text->model) != NULL &&
                add_number(json, "whitened", (double)model->whiten.K) &&
                add_float(json, "content_scale", model->content_scale) &&
                (model->net == NULL || add_net(json, &model->net->config));
    if (!fits || (behaviors = cJSON_AddArrayToObject(json, "behaviors")) == NULL) return false;
    for (size_t b = 0; b < model->behavior_count; b++) {
        cJSON *name = cJSON_CreateString(model->behaviors[b]);
        if (name == NULL || !cJSON_AddItemToArray(behaviors, name)) {
            cJSON_Delete(name);
            return false;
        }
    }
    if ((domains = cJSON_AddArrayToObject(json, "domains")) == NULL) return false;
    for (size_t d = 0; d < model->known_domains; d++)
        if (!add_domain(domains, &model->domains[d])) return false;
    return true;
}

ferry_status ferry_model_write_json(const ferry_model *model, ferry_buffer *out, ferry_error *error)
{
    cJSON *json = cJSON_CreateObject();
    bool built = json != NULL && fill_json(json, model) && ferry_json_append(out, json) &&
                 ferry_buffer_append(out, "\n", 1);
    cJSON_Delete(json);
    return built ? FERRY_OK : ferry_fail_memory(error, FERRY_MODEL_JSON);
}

/* ---- items.jsonl ---- */

ferry_status ferry_model_write_items(const ferry_model *model, ferry_buffer *out,
                                     ferry_error *error)
{
    const ferry_catalog *catalog = model->catalog;
    for (size_t d = 0; d < model->known_domains; d++) {
        const ferry_model_domain *domain = &model->domains[d];
        size_t first = catalog->domain_first[domain->catalog_domain];
        for (size_t i = 0; i < domain->items; i++) {
            const ferry_item *item = &catalog->items[catalog->domain_items[first + i]].item;
            cJSON *json = cJSON_CreateObject();
            bool fits = cJSON_AddStringToObject(json, "id", item->id) != NULL &&
                        cJSON_AddStringToObject(json, "domain", item->domain) != NULL &&
                        ferry_json_append(out, json) && ferry_buffer_append(out, "\n", 1);
            cJSON_Delete(json);
            if (!fits) return ferry_fail_memory(error, FERRY_MODEL_ITEMS);
        }
    }
    return FERRY_OK;
}

/* ---- model.safetensors ---- */

typedef struct tensor_list {
    ferry_arena *arena;
    ferry_tensor *tensors; /* [count] of [capacity] */
    size_t count, capacity;
    bool failed;
} tensor_list;

enum { TENSORS_OF_A_DOMAIN = 24 };

/* columns 0: a vector */
static void add_tensor(tensor_list *list, const char *prefix, const char *name, ferry_dtype dtype,
                       const void *data, size_t rows, size_t columns)
{
    size_t size = strlen(prefix) + strlen(name) + 2;
    char *full = ferry_arena_array(list->arena, size, 1);
    if (full == NULL || list->count == list->capacity) {
        list->failed = true;
        return;
    }
    snprintf(full, size, "%s.%s", prefix, name);
    size_t count = columns > 0 ? rows * columns : rows;
    list->tensors[list->count++] = (ferry_tensor){.name = full,
                                                  .dtype = dtype,
                                                  .rank = columns > 0 ? 2 : 1,
                                                  .shape = {rows, columns},
                                                  .count = count,
                                                  .data = data,
                                                  .size = 4 * count};
}

static void add_sparse(tensor_list *list, const char *domain, const char *start, const char *column,
                       const char *value, const ferry_sparse *m)
{
    size_t count = m->start[m->rows];
    add_tensor(list, domain, start, FERRY_I32, m->start, m->rows + 1, 0);
    add_tensor(list, domain, column, FERRY_I32, m->column, count, 0);
    add_tensor(list, domain, value, FERRY_F32, m->value, count, 0);
}

static void add_domain_tensors(tensor_list *list, const ferry_model_domain *domain)
{
    const ferry_across *a = &domain->across;
    const char *name = domain->name;
    size_t N = domain->whiten.N, K = domain->whiten.K, F = a->fold.F;
    add_tensor(list, name, "popularity", FERRY_F32, domain->popularity, domain->items, 0);
    add_tensor(list, name, "text_mean", FERRY_F32, domain->whiten.mean, N, 0);
    add_tensor(list, name, "text_projection", FERRY_F32, domain->whiten.projection, N, K);
    add_sparse(list, name, "neighbors_start", "neighbors_item", "neighbors_weight",
               &domain->neighbors);
    if (a->source_items == 0) return;
    add_sparse(list, name, "across_start", "across_item", "across_weight", &a->neighbors);
    add_tensor(list, name, "linked", FERRY_F32, a->linked, domain->items, 0);
    add_tensor(list, name, "source_factors", FERRY_F32, a->source_factors, a->source_items, F);
    add_tensor(list, name, "target_factors", FERRY_F32, a->target_factors, domain->items, F);
    add_tensor(list, name, "factor_map", FERRY_F32, a->factor_map, F + 1, F);
    add_tensor(list, name, "profile", FERRY_F32, a->profile.block,
               ferry_profile_map_size(a->profile.N, a->profile.R), 0);
}

static void add_net_tensors(tensor_list *list, const ferry_net *net)
{
    for (size_t i = 0; i < net->tensor_count; i++) {
        const ferry_net_tensor *t = &net->tensor[i];
        add_tensor(list, "net", t->name, FERRY_F32, net->parameters + t->offset,
                   t->rows > 0 ? t->rows : 1, t->columns);
    }
}

ferry_status ferry_model_write_tensors(const ferry_model *model, ferry_buffer *out,
                                       ferry_error *error)
{
    ferry_arena arena;
    ferry_arena_init(&arena, out->allocator);
    tensor_list list = {.arena = &arena};
    list.capacity = 2 + (model->net != NULL ? model->net->tensor_count : 0) +
                    TENSORS_OF_A_DOMAIN * model->known_domains;
    list.tensors = ferry_arena_array(&arena, list.capacity, sizeof *list.tensors);
    ferry_status status = list.tensors != NULL ? FERRY_OK : ferry_fail_memory(error, "the tensors");
    if (status == FERRY_OK) {
        size_t N = model->whiten.N, K = model->whiten.K;
        add_tensor(&list, "text", "mean", FERRY_F32, model->whiten.mean, N, 0);
        add_tensor(&list, "text", "projection", FERRY_F32, model->whiten.projection, N, K);
        if (model->net != NULL) add_net_tensors(&list, model->net);
        for (size_t d = 0; d < model->known_domains; d++)
            add_domain_tensors(&list, &model->domains[d]);
        status = list.failed
                     ? ferry_fail_memory(error, "the tensors")
                     : ferry_safetensors_write(list.tensors, list.count, NULL, 0, out, error);
    }
    ferry_arena_free(&arena);
    return status;
}
