/* A model directory read for a catalogue. Nothing in the files is trusted; their items may be in
 * another order than the catalogue's, or be others. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "input/items.h"
#include "input/safetensors.h"
#include "input/table.h"
#include "recsys/model_loading.h"

/* ---- tensors ---- */

static ferry_status find_tensor(ferry_model_loading *l, const char *prefix, const char *name,
                                ferry_dtype dtype, size_t rows, size_t columns,
                                const ferry_tensor **out, ferry_error *error)
{
    char full[640];
    int size = snprintf(full, sizeof full, "%s.%s", prefix, name);
    *out =
        size > 0 && (size_t)size < sizeof full ? ferry_safetensors_find(&l->tensors, full) : NULL;
    if (*out == NULL)
        return ferry_fail(error, FERRY_MALFORMED, "%s: tensor \"%.200s\" is missing",
                          FERRY_MODEL_TENSORS, full);
    size_t rank = columns > 0 ? 2 : 1;
    const ferry_tensor *t = *out;
    if (t->dtype == dtype && t->rank == rank && (rows == SIZE_MAX || t->shape[0] == rows) &&
        (rank == 1 || t->shape[1] == columns))
        return FERRY_OK;
    const char *type = dtype == FERRY_F32 ? "F32" : "I32";
    if (rows == SIZE_MAX)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: tensor \"%.200s\" is %s of rank %zu, expected %s of rank 1",
                          FERRY_MODEL_TENSORS, full, t->dtype_name, t->rank, type);
    return ferry_fail(error, FERRY_MALFORMED,
                      "%s: tensor \"%.200s\" is %s of rank %zu with %zu rows and %zu columns, "
                      "expected %s of rank %zu with %zu and %zu",
                      FERRY_MODEL_TENSORS, full, t->dtype_name, t->rank,
                      t->rank > 0 ? t->shape[0] : 0, t->rank > 1 ? t->shape[1] : 0, type, rank,
                      rows, columns);
}

static ferry_status check_finite(const float *values, size_t count, const char *prefix,
                                 const char *name, ferry_error *error)
{
    for (size_t i = 0; i < count; i++)
        if (!(values[i] - values[i] == 0.0f))
            return ferry_fail(error, FERRY_MALFORMED,
                              "%s: \"%.64s.%s\" has a number that is not finite",
                              FERRY_MODEL_TENSORS, prefix, name);
    return FERRY_OK;
}

/* A tensor that has nothing to do with items, copied: out [rows, columns]. */
static ferry_status read_plain(ferry_model_loading *l, const char *prefix, const char *name,
                               size_t rows, size_t columns, float **out, ferry_error *error)
{
    const ferry_tensor *t;
    FERRY_TRY(find_tensor(l, prefix, name, FERRY_F32, rows, columns, &t, error));
    *out = ferry_arena_array(&l->model->arena, t->count, sizeof **out);
    if (*out == NULL) return ferry_fail_memory(error, name);
    memcpy(*out, t->data, t->size);
    return check_finite(*out, t->count, prefix, name, error);
}

/* Rows of items into their places: out [n, columns], zeros for items that the model lacks. */
static ferry_status read_rows(ferry_model_loading *l, const char *prefix, const char *name,
                              size_t columns, const uint32_t *place, size_t rows, size_t n,
                              float *out, ferry_error *error)
{
    const ferry_tensor *t;
    size_t width = columns > 0 ? columns : 1;
    FERRY_TRY(find_tensor(l, prefix, name, FERRY_F32, rows, columns, &t, error));
    const char *from = t->data;
    memset(out, 0, n * width * sizeof *out);
    for (size_t i = 0; i < rows; i++)
        if (place[i] != FERRY_NO_ITEM)
            memcpy(out + place[i] * width, from + i * width * sizeof *out, width * sizeof *out);
    return check_finite(out, n * width, prefix, name, error);
}

static ferry_status new_rows(ferry_model_loading *l, const char *prefix, const char *name,
                             size_t columns, const uint32_t *place, size_t rows, size_t n,
                             const float **out, ferry_error *error)
{
    float *values =
        ferry_arena_array(&l->model->arena, n, (columns > 0 ? columns : 1) * sizeof *values);
    if (values == NULL) return ferry_fail_memory(error, name);
    *out = values;
    return read_rows(l, prefix, name, columns, place, rows, n, values, error);
}

/* The file's CSR, checked, as arrays of the scratch arena. */
static ferry_status raw_sparse(ferry_model_loading *l, const char *prefix,
                               const char *const names[3], size_t rows, size_t columns,
                               ferry_sparse *out, ferry_error *error)
{
    const ferry_tensor *start, *column, *value;
    FERRY_TRY(find_tensor(l, prefix, names[0], FERRY_I32, rows + 1, 0, &start, error));
    FERRY_TRY(find_tensor(l, prefix, names[1], FERRY_I32, SIZE_MAX, 0, &column, error));
    FERRY_TRY(find_tensor(l, prefix, names[2], FERRY_F32, column->count, 0, &value, error));
    uint32_t *starts = ferry_arena_array(&l->scratch, rows + 1, sizeof *starts);
    uint32_t *items = ferry_arena_array(&l->scratch, column->count, sizeof *items);
    float *weights = ferry_arena_array(&l->scratch, column->count, sizeof *weights);
    if (starts == NULL || items == NULL || weights == NULL)
        return ferry_fail_memory(error, names[0]);
    memcpy(starts, start->data, start->size);
    memcpy(items, column->data, column->size);
    memcpy(weights, value->data, value->size);
    *out = (ferry_sparse){rows, columns, starts, items, weights};
    if (starts[rows] != column->count)
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s.%s\" ends at %u, but there are %zu",
                          FERRY_MODEL_TENSORS, prefix, names[0], starts[rows], column->count);
    ferry_error wrong = {0};
    if (ferry_sparse_check(out, names[0], &wrong) != FERRY_OK)
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"%.64s\": %.200s", FERRY_MODEL_TENSORS,
                          prefix, wrong.message);
    return check_finite(weights, column->count, prefix, names[2], error);
}

/* out [to_rows, to_columns]: row i of the file goes to row_place[i], column j to column_place[j].
 */
static ferry_status read_sparse(ferry_model_loading *l, const char *prefix,
                                const char *const names[3], const uint32_t *row_place, size_t rows,
                                size_t to_rows, const uint32_t *column_place, size_t columns,
                                size_t to_columns, ferry_sparse *out, ferry_error *error)
{
    ferry_sparse from;
    FERRY_TRY(raw_sparse(l, prefix, names, rows, columns, &from, error));
    ferry_arena *arena = &l->model->arena;
    size_t count = from.start[rows];
    uint32_t *start = ferry_arena_array(arena, to_rows + 1, sizeof *start);
    uint32_t *source = ferry_arena_array(&l->scratch, to_rows, sizeof *source);
    uint32_t *column = ferry_arena_array(arena, count, sizeof *column);
    float *value = ferry_arena_array(arena, count, sizeof *value);
    if (start == NULL || source == NULL || column == NULL || value == NULL)
        return ferry_fail_memory(error, names[0]);
    for (size_t i = 0; i < to_rows; i++) source[i] = FERRY_NO_ITEM;
    for (size_t i = 0; i < rows; i++)
        if (row_place[i] != FERRY_NO_ITEM) source[row_place[i]] = (uint32_t)i;
    uint32_t kept = 0;
    for (size_t i = 0; i < to_rows; i++) {
        start[i] = kept;
        if (source[i] == FERRY_NO_ITEM) continue;
        for (uint32_t j = from.start[source[i]]; j < from.start[source[i] + 1]; j++) {
            if (column_place[from.column[j]] == FERRY_NO_ITEM) continue;
            column[kept] = column_place[from.column[j]];
            value[kept++] = from.value[j];
        }
    }
    start[to_rows] = kept;
    *out = (ferry_sparse){to_rows, to_columns, start, column, value};
    return FERRY_OK;
}

/* ---- items.jsonl ---- */

static ferry_status take_item(void *user, const ferry_item_row *row, ferry_error *error)
{
    ferry_model_loading *l = user;
    const ferry_catalog *catalog = l->model->catalog;
    size_t d = l->last, item;
    if (strcmp(l->model->domains[d].name, row->domain) != 0)
        for (d = 0; d < l->model->known_domains; d++)
            if (strcmp(l->model->domains[d].name, row->domain) == 0) break;
    if (d == l->model->known_domains || l->read[d] == l->rows[d])
        return ferry_fail(error, FERRY_MALFORMED, "domain \"%.64s\" has %s in %s", row->domain,
                          d == l->model->known_domains ? "no place" : "fewer items",
                          FERRY_MODEL_JSON);
    l->last = d;
    bool found = ferry_catalog_find(catalog, row->domain, row->id, &item, NULL) == FERRY_OK;
    l->place[d][l->read[d]++] = found ? catalog->within[item] : FERRY_NO_ITEM;
    return FERRY_OK;
}

static ferry_status read_items(ferry_model_loading *l, const ferry_file *file, ferry_error *error)
{
    FERRY_TRY(ferry_items_read(file, FERRY_TABLE_JSONL, &l->scratch.allocator, take_item, l,
                               ferry_refuse_none, NULL, NULL, error));
    for (size_t d = 0; d < l->model->known_domains; d++) {
        const ferry_model_domain *domain = &l->model->domains[d];
        if (l->read[d] != l->rows[d])
            return ferry_fail(error, FERRY_MALFORMED,
                              "%s: domain \"%s\" has %zu items, but %s says %zu", FERRY_MODEL_ITEMS,
                              domain->name, l->read[d], FERRY_MODEL_JSON, l->rows[d]);
        uint8_t *taken = ferry_arena_array(&l->scratch, domain->items, 1);
        if (taken == NULL) return ferry_fail_memory(error, FERRY_MODEL_ITEMS);
        for (size_t i = 0; i < l->rows[d]; i++) {
            if (l->place[d][i] == FERRY_NO_ITEM) continue;
            if (taken[l->place[d][i]]++ > 0)
                return ferry_fail(error, FERRY_MALFORMED, "%s: an item of \"%s\" is there twice",
                                  FERRY_MODEL_ITEMS, domain->name);
        }
    }
    return FERRY_OK;
}

/* ---- model.safetensors ---- */

static ferry_status read_whiten(ferry_model_loading *l, const char *prefix, const char *mean,
                                const char *projection, ferry_whiten *out, ferry_error *error)
{
    *out = (ferry_whiten){.N = l->text_dimension, .K = l->whitened};
    FERRY_TRY(read_plain(l, prefix, mean, out->N, 0, &out->mean, error));
    return read_plain(l, prefix, projection, out->N, out->K, &out->projection, error);
}

static bool same_whiten(const ferry_whiten *a, const ferry_whiten *b)
{
    return memcmp(a->mean, b->mean, a->N * sizeof *a->mean) == 0 &&
           memcmp(a->projection, b->projection, a->N * a->K * sizeof *a->projection) == 0;
}

/* The encoder's tensor is in the file: so that a number in ferry.json alone takes no memory. */
static ferry_status is_in_file(void *user, const char *name, size_t rows, size_t columns,
                               ferry_initial initial, float scale, ferry_error *error)
{
    const ferry_tensor *t;
    (void)initial, (void)scale;
    return find_tensor(user, "net", name, FERRY_F32, rows > 0 ? rows : 1, columns, &t, error);
}

static ferry_status check_net_sizes(ferry_model_loading *l, const ferry_net_config *config,
                                    ferry_error *error)
{
    const ferry_sequence_shape *shape = &config->sequence;
    size_t d = shape->dim, r = config->adapter_rank;
    FERRY_TRY(is_in_file(l, "output_norm.bias", d, 0, FERRY_INITIAL_ZERO, 0.0f, error));
    if (config->content_dim > 0)
        FERRY_TRY(is_in_file(l, "content.weight", d, config->content_dim, FERRY_INITIAL_ZERO, 0.0f,
                             error));
    for (size_t i = 0; i < l->model->known_domains && r > 0; i++) {
        char name[640];
        snprintf(name, sizeof name, "adapter.%s.user.up", l->model->domains[i].name);
        FERRY_TRY(is_in_file(l, name, d, r, FERRY_INITIAL_ZERO, 0.0f, error));
    }
    return ferry_sequence_encoder_of(shape->kind)->tensors(shape, is_in_file, l, error);
}

static ferry_status read_net(ferry_model_loading *l, const ferry_net_config *config,
                             ferry_error *error)
{
    ferry_model *model = l->model;
    size_t known = model->known_domains;
    const char **names = ferry_arena_array(&l->scratch, known, sizeof *names);
    size_t *counts = ferry_arena_array(&l->scratch, known, sizeof *counts);
    if (names == NULL || counts == NULL) return ferry_fail_memory(error, "the net");
    for (size_t d = 0; d < known; d++) {
        names[d] = model->domains[d].name;
        counts[d] = model->domains[d].items;
    }
    FERRY_TRY(check_net_sizes(l, config, error));
    FERRY_TRY(ferry_net_create(&model->arena.allocator, config, names, counts, known, 0,
                               &model->net, error));
    ferry_net *net = model->net;
    for (size_t i = 0; i < net->tensor_count; i++) {
        const ferry_net_tensor *t = &net->tensor[i];
        float *to = net->parameters + t->offset;
        size_t d = 0;
        while (d < known && (!config->ids || net->domain[d].ids != t->offset)) d++;
        if (d < known) {
            FERRY_TRY(read_rows(l, "net", t->name, t->columns, l->place[d], l->rows[d], t->rows, to,
                                error));
            continue;
        }
        const ferry_tensor *from;
        FERRY_TRY(find_tensor(l, "net", t->name, FERRY_F32, t->rows > 0 ? t->rows : 1, t->columns,
                              &from, error));
        memcpy(to, from->data, from->size);
        FERRY_TRY(check_finite(to, from->count, "net", t->name, error));
    }
    return FERRY_OK;
}

/* The other domains' places one after the other, as rows of domain d's across tables. */
static ferry_status across_places(ferry_model_loading *l, size_t d, uint32_t **place, size_t *rows,
                                  size_t *m, ferry_error *error)
{
    *rows = *m = 0;
    for (size_t o = 0; o < l->model->known_domains; o++) *rows += o == d ? 0 : l->rows[o];
    *place = ferry_arena_array(&l->scratch, *rows, sizeof **place);
    if (*place == NULL) return ferry_fail_memory(error, "the model's items");
    uint32_t *to = *place;
    for (size_t o = 0; o < l->model->known_domains; o++) {
        if (o == d) continue;
        for (size_t i = 0; i < l->rows[o]; i++) {
            uint32_t row = l->place[o][i];
            *to++ = row == FERRY_NO_ITEM ? row : (uint32_t)*m + row;
        }
        *m += l->model->domains[o].items;
    }
    return FERRY_OK;
}

static ferry_status read_across(ferry_model_loading *l, size_t d, ferry_error *error)
{
    ferry_model_domain *domain = &l->model->domains[d];
    ferry_across *a = &domain->across;
    const char *name = domain->name, *const names[] = {"across_start", "across_item",
                                                       "across_weight"};
    size_t rows, F = l->factors[d], n = domain->items;
    uint32_t *place;
    FERRY_TRY(across_places(l, d, &place, &rows, &a->source_items, error));
    FERRY_TRY(read_sparse(l, name, names, place, rows, a->source_items, l->place[d], l->rows[d], n,
                          &a->neighbors, error));
    FERRY_TRY(new_rows(l, name, "linked", 0, l->place[d], l->rows[d], n, &a->linked, error));
    FERRY_TRY(new_rows(l, name, "source_factors", F, place, rows, a->source_items,
                       &a->source_factors, error));
    FERRY_TRY(new_rows(l, name, "target_factors", F, l->place[d], l->rows[d], n, &a->target_factors,
                       error));
    float *map;
    FERRY_TRY(read_plain(l, name, "factor_map", F + 1, F, &map, error));
    a->factor_map = map;
    a->fold.F = F;
    a->fold.alpha = l->alpha[d];
    a->profile = (ferry_profile_map){.N = l->whitened, .R = l->profile_rank[d]};
    return read_plain(l, name, "profile", ferry_profile_map_size(a->profile.N, a->profile.R), 0,
                      &a->profile.block, error);
}

static ferry_status read_learned(ferry_model_loading *l, const ferry_net_config *config,
                                 bool has_net, ferry_error *error)
{
    static const char *const names[] = {"neighbors_start", "neighbors_item", "neighbors_weight"};
    FERRY_TRY(read_whiten(l, "text", "mean", "projection", &l->model->whiten, error));
    if (has_net) FERRY_TRY(read_net(l, config, error));
    for (size_t d = 0; d < l->model->known_domains; d++) {
        ferry_model_domain *domain = &l->model->domains[d];
        const char *name = domain->name;
        size_t rows = l->rows[d], n = domain->items;
        FERRY_TRY(
            new_rows(l, name, "popularity", 0, l->place[d], rows, n, &domain->popularity, error));
        FERRY_TRY(read_whiten(l, name, "text_mean", "text_projection", &domain->whiten, error));
        if (same_whiten(&domain->whiten, &l->model->whiten)) /* of a model of one domain */
            domain->whiten = l->model->whiten;
        FERRY_TRY(read_sparse(l, name, names, l->place[d], rows, n, l->place[d], rows, n,
                              &domain->neighbors, error));
        if (l->factors[d] > 0) FERRY_TRY(read_across(l, d, error));
    }
    return FERRY_OK;
}

/* ---- all ---- */

static ferry_status load(ferry_model_loading *l, ferry_files files, ferry_pool *pool,
                         ferry_error *error)
{
    const char *const names[] = {FERRY_MODEL_JSON, FERRY_MODEL_ITEMS, FERRY_MODEL_TENSORS};
    const ferry_file *file[3];
    for (size_t i = 0; i < 3; i++) {
        file[i] = ferry_files_find(files, names[i]);
        if (file[i] == NULL)
            return ferry_fail(error, FERRY_NOT_FOUND, "%s is missing from the model", names[i]);
    }
    cJSON *json;
    ferry_net_config config = {0};
    bool has_net = false;
    FERRY_TRY(ferry_json_parse(file[0]->data, file[0]->size, file[0]->name, &json, error));
    ferry_status status = ferry_model_read_json(l, json, &config, &has_net, error);
    cJSON_Delete(json);
    FERRY_TRY(status);
    FERRY_TRY(read_items(l, file[1], error));
    FERRY_TRY(ferry_safetensors_open(file[2], &l->scratch, &l->tensors, error));
    FERRY_TRY(read_learned(l, &config, has_net, error));
    FERRY_TRY(ferry_model_add_new_domains(l->model, error));
    return ferry_model_prepare(l->model, pool, error);
}

ferry_status ferry_model_load(const ferry_catalog *catalog, ferry_files files, ferry_pool *pool,
                              ferry_model **out, ferry_error *error)
{
    *out = NULL;
    ferry_model_loading l = {0};
    FERRY_TRY(ferry_model_create(catalog, &l.model, error));
    ferry_arena_init(&l.scratch, catalog->allocator);
    ferry_status status = load(&l, files, pool, error);
    ferry_arena_free(&l.scratch);
    if (status != FERRY_OK) {
        ferry_model_close(l.model);
        return status;
    }
    *out = l.model;
    return FERRY_OK;
}
