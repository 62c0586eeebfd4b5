/* A model's ferry.json, read into a model and what loading its other files needs. */
#include <string.h>

#include "base/error.h"
#include "recsys/model_loading.h"

static char *copy_text(ferry_model_loading *l, const char *text)
{
    return ferry_arena_text(&l->model->arena, text, strlen(text));
}

static ferry_status read_weights(const cJSON *weights, const char *where, float mix[FERRY_FEATURES],
                                 ferry_error *error)
{
    if (!cJSON_IsObject(weights))
        return ferry_fail(error, FERRY_MALFORMED, "%s: the weights of \"%.64s\" are no object",
                          where, weights->string);
    for (const cJSON *w = weights->child; w != NULL; w = w->next) {
        size_t f = 0;
        while (f < FERRY_FEATURES && strcmp(ferry_feature_names[f], w->string) != 0) f++;
        if (f == FERRY_FEATURES)
            return ferry_fail(error, FERRY_UNSUPPORTED, "%s: unknown feature \"%.64s\"", where,
                              w->string);
        if (!cJSON_IsNumber(w) || !(w->valuedouble >= -1e6 && w->valuedouble <= 1e6))
            return ferry_fail(error, FERRY_MALFORMED,
                              "%s: the weight of \"%s\" is no number within ±1e6", where,
                              w->string);
        mix[f] = (float)w->valuedouble;
    }
    return FERRY_OK;
}

static ferry_status read_mix(const cJSON *entry, const char *where,
                             float mix[FERRY_SITUATIONS][FERRY_FEATURES], ferry_error *error)
{
    const cJSON *all = ferry_json_get(entry, "mix");
    memset(mix, 0, sizeof(float[FERRY_SITUATIONS][FERRY_FEATURES]));
    if (!cJSON_IsObject(all))
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"mix\" is missing, or no object", where);
    for (const cJSON *weights = all->child; weights != NULL; weights = weights->next) {
        size_t s = 0;
        while (s < FERRY_SITUATIONS && strcmp(ferry_situation_names[s], weights->string) != 0) s++;
        if (s == FERRY_SITUATIONS)
            return ferry_fail(error, FERRY_UNSUPPORTED,
                              "%s: unknown situation \"%.64s\" in \"mix\"", where, weights->string);
        FERRY_TRY(read_weights(weights, where, mix[s], error));
    }
    return FERRY_OK;
}

/* A number that must be there, in [least, 1e30]. */
static ferry_status read_float(const cJSON *json, const char *key, const char *where, double least,
                               float *out, ferry_error *error)
{
    double value = 0.0;
    if (ferry_json_get(json, key) == NULL)
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" is missing", where, key);
    FERRY_TRY(ferry_json_number(json, key, where, &value, error));
    *out = value > -1e31 && value < 1e31 ? (float)value : -1e31f;
    if (*out >= (float)least && *out <= 1e30f) return FERRY_OK;
    return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" is %g, expected %g…1e30", where, key,
                      value, least);
}

/* A whole number from 1. */
static ferry_status read_positive(const cJSON *json, const char *key, const char *where, size_t max,
                                  size_t *out, ferry_error *error)
{
    FERRY_TRY(ferry_json_size_required(json, key, where, max, out, error));
    if (*out > 0) return FERRY_OK;
    return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" is 0", where, key);
}

enum { MOST_PROFILE_RANK = 4096 };

static ferry_status read_across_numbers(ferry_model_loading *l, const cJSON *across, size_t d,
                                        ferry_error *error)
{
    const char *where = FERRY_MODEL_JSON;
    ferry_across *to = &l->model->domains[d].across;
    FERRY_TRY(
        read_positive(across, "factors", where, FERRY_ALS_MAX_FACTORS, &l->factors[d], error));
    FERRY_TRY(read_positive(across, "profile_rank", where, MOST_PROFILE_RANK, &l->profile_rank[d],
                            error));
    FERRY_TRY(read_float(across, "factor_deviation", where, 1e-30, &to->factor_deviation, error));
    FERRY_TRY(read_float(across, "alpha", where, 0.0, &l->alpha[d], error));
    return read_float(across, "lambda", where, 1e-12, &to->lambda, error);
}

static ferry_status read_domain(ferry_model_loading *l, const cJSON *entry, size_t d,
                                ferry_error *error)
{
    ferry_model_domain *domain = &l->model->domains[d];
    const char *name = NULL, *where = FERRY_MODEL_JSON;
    FERRY_TRY(ferry_json_string(entry, "name", where, &name, error));
    if (name == NULL || name[0] == '\0' || strlen(name) > FERRY_MODEL_MOST_NAME)
        return ferry_fail(error, FERRY_MALFORMED, "%s: a domain without a usable name", where);
    for (size_t before = 0; before < d; before++)
        if (strcmp(l->model->domains[before].name, name) == 0)
            return ferry_fail(error, FERRY_MALFORMED, "%s: domain \"%s\" is there twice", where,
                              name);
    domain->name = copy_text(l, name);
    if (domain->name == NULL) return ferry_fail_memory(error, where);
    FERRY_TRY(ferry_json_size_required(entry, "items", where, FERRY_MAX_ITEMS, &l->rows[d], error));
    FERRY_TRY(read_mix(entry, where, domain->mix, error));
    const cJSON *across = ferry_json_get(entry, "across");
    return across != NULL ? read_across_numbers(l, across, d, error) : FERRY_OK;
}

static ferry_status read_net_config(const ferry_model_loading *l, const cJSON *net,
                                    ferry_net_config *out, ferry_error *error)
{
    const char *where = FERRY_MODEL_JSON, *encoder = "";
    ferry_sequence_shape *shape = &out->sequence;
    FERRY_TRY(ferry_json_string(net, "encoder", where, &encoder, error));
    FERRY_TRY(ferry_sequence_kind_of(encoder, &shape->kind, error));
    const struct {
        const char *key;
        size_t max, *to;
    } numbers[] = {{"dim", 4096, &shape->dim},
                   {"layers", 64, &shape->layers},
                   {"heads", 4096, &shape->heads},
                   {"feed_forward", 1 << 16, &shape->feed_forward},
                   {"max_length", 1 << 16, &shape->max_length},
                   {"content_dim", l->whitened, &out->content_dim},
                   {"behaviors", FERRY_MAX_BEHAVIORS, &out->behaviors},
                   {"time_buckets", 256, &out->time_buckets},
                   {"adapter_rank", 4096, &out->adapter_rank}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        FERRY_TRY(ferry_json_size_required(net, numbers[i].key, where, numbers[i].max,
                                           numbers[i].to, error));
    if (out->behaviors > 0 && out->behaviors != l->model->behavior_count)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: the net has %zu behaviors, but %zu are named", where, out->behaviors,
                          l->model->behavior_count);
    if (ferry_json_get(net, "ids") == NULL)
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"ids\" is missing", where);
    return ferry_json_bool(net, "ids", where, &out->ids, error);
}

static ferry_status read_behaviors(ferry_model_loading *l, const cJSON *json, ferry_error *error)
{
    const cJSON *list = ferry_json_get(json, "behaviors"), *name;
    if (!cJSON_IsArray(list))
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"behaviors\" is missing, or no array",
                          FERRY_MODEL_JSON);
    size_t count = (size_t)cJSON_GetArraySize(list), i = 0;
    if (count > FERRY_MAX_BEHAVIORS)
        return ferry_fail(error, FERRY_LIMIT, "%s: %zu behaviors, the limit is %d",
                          FERRY_MODEL_JSON, count, FERRY_MAX_BEHAVIORS);
    const char **names = ferry_arena_array(&l->model->arena, count, sizeof *names);
    if (names == NULL) return ferry_fail_memory(error, FERRY_MODEL_JSON);
    cJSON_ArrayForEach(name, list)
    {
        if (!cJSON_IsString(name))
            return ferry_fail(error, FERRY_MALFORMED, "%s: a behavior is no text",
                              FERRY_MODEL_JSON);
        names[i] = copy_text(l, name->valuestring);
        if (names[i++] == NULL) return ferry_fail_memory(error, FERRY_MODEL_JSON);
    }
    l->model->behaviors = names;
    l->model->behavior_count = count;
    return FERRY_OK;
}

static ferry_status read_header(ferry_model_loading *l, const cJSON *json, ferry_error *error)
{
    const char *format = "", *where = FERRY_MODEL_JSON, *text_model = "";
    size_t version = 0;
    const ferry_catalog *catalog = l->model->catalog;
    FERRY_TRY(ferry_json_string(json, "format", where, &format, error));
    FERRY_TRY(ferry_json_size_required(json, "version", where, UINT32_MAX, &version, error));
    if (strcmp(format, FERRY_MODEL_FORMAT) != 0 || version != FERRY_MODEL_VERSION)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: format \"%.64s\" version %zu, expected \"%s\" version %d", where,
                          format, version, FERRY_MODEL_FORMAT, FERRY_MODEL_VERSION);
    FERRY_TRY(ferry_json_size_required(json, "text_dimension", where, 1 << 16, &l->text_dimension,
                                       error));
    FERRY_TRY(ferry_json_string(json, "text_model", where, &text_model, error));
    const ferry_segment *text = ferry_catalog_segment(catalog, FERRY_MODALITY_TEXT);
    if (text == NULL || l->text_dimension != text->dimension ||
        strcmp(text_model, text->model) != 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the model was trained on texts of \"%.64s\" (%zu numbers), but the "
                          "catalogue has those of \"%.64s\" (%zu)",
                          text_model, l->text_dimension, text != NULL ? text->model : "nothing",
                          text != NULL ? text->dimension : 0);
    FERRY_TRY(read_positive(json, "whitened", where, l->text_dimension, &l->whitened, error));
    return read_float(json, "content_scale", where, 1e-30, &l->model->content_scale, error);
}

/* Arrays a domain: those of the file, then those of the catalogue that the file lacks. */
static ferry_status make_domains(ferry_model_loading *l, size_t known, ferry_error *error)
{
    ferry_model *model = l->model;
    size_t most = known + model->catalog->domain_count;
    model->domains = ferry_arena_array(&model->arena, most, sizeof *model->domains);
    l->place = ferry_arena_array(&l->scratch, known, sizeof *l->place);
    l->rows = ferry_arena_array(&l->scratch, known, sizeof *l->rows);
    l->read = ferry_arena_array(&l->scratch, known, sizeof *l->read);
    l->factors = ferry_arena_array(&l->scratch, known, sizeof *l->factors);
    l->profile_rank = ferry_arena_array(&l->scratch, known, sizeof *l->profile_rank);
    l->alpha = ferry_arena_array(&l->scratch, known, sizeof *l->alpha);
    if (model->domains == NULL || l->place == NULL || l->rows == NULL || l->read == NULL ||
        l->factors == NULL || l->profile_rank == NULL || l->alpha == NULL)
        return ferry_fail_memory(error, "the model's domains");
    model->domain_count = model->known_domains = known;
    return FERRY_OK;
}

static ferry_status match_domain(ferry_model_loading *l, size_t d, ferry_error *error)
{
    const ferry_catalog *catalog = l->model->catalog;
    ferry_model_domain *domain = &l->model->domains[d];
    domain->catalog_domain = ferry_catalog_find_domain(catalog, domain->name);
    if (domain->catalog_domain == FERRY_NO_ITEM)
        return ferry_fail(error, FERRY_NOT_FOUND,
                          "the model has a domain \"%s\" that the catalogue lacks", domain->name);
    domain->items = catalog->domain_first[domain->catalog_domain + 1] -
                    catalog->domain_first[domain->catalog_domain];
    l->place[d] = ferry_arena_array(&l->scratch, l->rows[d], sizeof **l->place);
    return l->place[d] != NULL ? FERRY_OK : ferry_fail_memory(error, "the model's items");
}

ferry_status ferry_model_read_json(ferry_model_loading *l, const cJSON *json,
                                   ferry_net_config *config, bool *has_net, ferry_error *error)
{
    const cJSON *domains = ferry_json_get(json, "domains"), *net = ferry_json_get(json, "net");
    const cJSON *entry;
    size_t d = 0, known = cJSON_IsArray(domains) ? (size_t)cJSON_GetArraySize(domains) : 0;
    FERRY_TRY(read_header(l, json, error));
    if (known == 0 || known > FERRY_MAX_DATA_DOMAINS)
        return ferry_fail(error, FERRY_MALFORMED, "%s: %zu domains, expected 1…%d",
                          FERRY_MODEL_JSON, known, FERRY_MAX_DATA_DOMAINS);
    FERRY_TRY(make_domains(l, known, error));
    cJSON_ArrayForEach(entry, domains)
    {
        FERRY_TRY(read_domain(l, entry, d, error));
        FERRY_TRY(match_domain(l, d++, error));
    }
    FERRY_TRY(read_behaviors(l, json, error));
    *has_net = net != NULL;
    return net != NULL ? read_net_config(l, net, config, error) : FERRY_OK;
}
