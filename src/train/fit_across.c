/* What carries from a model's other domains to one of them, learned of the people in both. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/ops.h"
#include "recsys/ridge.h"
#include "train/fit.h"
#include "train/profile_map.h"

static const float RIDGE = 100.0f, ACROSS_SMOOTH = 3.0f;

typedef struct crossing {
    ferry_model *model;
    size_t target;
    ferry_arena *scratch;
    const ferry_training_events *events;     /* [known_domains] */
    size_t source_items;                     /* m */
    size_t people;                           /* users of any source domain */
    uint32_t *row_of;                        /* [users] user -> row of sources, or FERRY_NO_ITEM */
    ferry_sparse sources;                    /* [people, m] */
    size_t linked;                           /* people who have target events too */
    uint32_t *linked_source, *linked_target; /* [linked] rows of sources, and of target's events */
} crossing;

static ferry_status no_memory(ferry_error *error)
{
    return ferry_fail_memory(error, "what carries across domains");
}

/* Everybody's events outside the target as one matrix: domains one after the other, a row a user.
 */
static ferry_status gather_sources(crossing *c, size_t users, ferry_error *error)
{
    size_t known = c->model->known_domains, total = 0, people = 0, rows = 0;
    uint32_t *count = ferry_arena_array(c->scratch, users + 1, sizeof *count);
    c->row_of = ferry_arena_array(c->scratch, users, sizeof *c->row_of);
    if (count == NULL || c->row_of == NULL) return no_memory(error);
    for (size_t d = 0; d < known; d++) {
        const ferry_training_events *e = &c->events[d];
        if (d == c->target) continue;
        for (size_t u = 0; u < e->user_count; u++)
            count[e->user[u]] += e->start[u + 1] - e->start[u];
        total += e->start[e->user_count];
        c->source_items += c->model->domains[d].items;
    }
    for (size_t u = 0; u < users; u++) people += count[u] > 0;
    uint32_t *start = ferry_arena_array(c->scratch, people + 1, sizeof *start);
    uint32_t *fill = ferry_arena_array(c->scratch, people, sizeof *fill);
    uint32_t *column = ferry_arena_array(c->scratch, total, sizeof *column);
    if (start == NULL || fill == NULL || column == NULL) return no_memory(error);
    for (size_t u = 0; u < users; u++) {
        c->row_of[u] = count[u] > 0 ? (uint32_t)rows : FERRY_NO_ITEM;
        if (count[u] == 0) continue;
        fill[rows] = start[rows];
        start[rows + 1] = start[rows] + count[u];
        rows++;
    }
    size_t first = 0;
    for (size_t d = 0; d < known; d++) {
        const ferry_training_events *e = &c->events[d];
        if (d == c->target) continue;
        for (size_t u = 0; u < e->user_count; u++)
            for (uint32_t i = e->start[u]; i < e->start[u + 1]; i++)
                column[fill[c->row_of[e->user[u]]]++] = (uint32_t)first + e->item[i];
        first += c->model->domains[d].items;
    }
    c->people = people;
    c->sources = (ferry_sparse){people, c->source_items, start, column, NULL};
    return FERRY_OK;
}

static ferry_status find_linked(crossing *c, ferry_error *error)
{
    const ferry_training_events *e = &c->events[c->target];
    c->linked_source = ferry_arena_array(c->scratch, e->user_count, sizeof *c->linked_source);
    c->linked_target = ferry_arena_array(c->scratch, e->user_count, sizeof *c->linked_target);
    if (c->linked_source == NULL || c->linked_target == NULL) return no_memory(error);
    for (size_t u = 0; u < e->user_count; u++) {
        if (c->row_of[e->user[u]] == FERRY_NO_ITEM) continue;
        c->linked_source[c->linked] = c->row_of[e->user[u]];
        c->linked_target[c->linked++] = (uint32_t)u;
    }
    return FERRY_OK;
}

/* The rows of `from` that `rows` names, as a matrix of their own. */
static ferry_status take_rows(crossing *c, const ferry_sparse *from, const uint32_t *rows,
                              ferry_sparse *out, ferry_error *error)
{
    size_t total = 0;
    for (size_t i = 0; i < c->linked; i++) total += from->start[rows[i] + 1] - from->start[rows[i]];
    uint32_t *start = ferry_arena_array(c->scratch, c->linked + 1, sizeof *start);
    uint32_t *column = ferry_arena_array(c->scratch, total, sizeof *column);
    if (start == NULL || column == NULL) return no_memory(error);
    for (size_t i = 0; i < c->linked; i++) {
        uint32_t first = from->start[rows[i]], size = from->start[rows[i] + 1] - first;
        memcpy(column + start[i], from->column + first, size * sizeof *column);
        start[i + 1] = start[i] + size;
    }
    *out = (ferry_sparse){c->linked, from->columns, start, column, NULL};
    return FERRY_OK;
}

/* How many linked people have each target item. */
static ferry_status count_linked(crossing *c, const ferry_sparse *targets, ferry_error *error)
{
    ferry_model_domain *dom = &c->model->domains[c->target];
    float *linked = ferry_arena_array(&c->model->arena, dom->items, sizeof *linked);
    size_t *seen = ferry_arena_array(c->scratch, dom->items, sizeof *seen); /* by row - 1, last */
    if (linked == NULL || seen == NULL) return no_memory(error);
    for (size_t u = 0; u < targets->rows; u++) {
        for (uint32_t i = targets->start[u]; i < targets->start[u + 1]; i++) {
            uint32_t item = targets->column[i];
            if (seen[item] != u + 1) linked[item] = linked[item] + 1.0f;
            seen[item] = u + 1;
        }
    }
    dom->across.linked = linked;
    return FERRY_OK;
}

static ferry_status fit_neighbors(crossing *c, const ferry_sparse *sources,
                                  const ferry_sparse *targets, ferry_error *error)
{
    ferry_neighbors across;
    FERRY_TRY(ferry_neighbors_across(sources, targets, ACROSS_SMOOTH, &c->scratch->allocator,
                                     &across, error));
    ferry_status status = ferry_sparse_copy(&across.table, &c->model->arena,
                                            &c->model->domains[c->target].across.neighbors, error);
    ferry_neighbors_free(&across);
    return status;
}

/* ---- EMCDR: factors on both sides, and the map between ---- */

typedef struct factors {
    float *users, *items; /* [rows, F], [columns, F] */
} factors;

static ferry_status fit_factors(crossing *c, const ferry_sparse *events,
                                const ferry_als_options *options, ferry_pool *pool, factors *out,
                                ferry_error *error)
{
    out->users = ferry_arena_array(c->scratch, events->rows, options->factors * sizeof(float));
    out->items =
        ferry_arena_array(&c->model->arena, events->columns, options->factors * sizeof(float));
    if (out->users == NULL || out->items == NULL) return no_memory(error);
    return ferry_als_fit(c->model->kernels, events, options, false, pool, &c->scratch->allocator,
                         out->users, out->items, error);
}

/* Standard deviation of the linked people's mapped scores over all target items. */
static ferry_status measure_deviation(crossing *c, const float *source, const float *items,
                                      size_t F, ferry_error *error)
{
    ferry_across *a = &c->model->domains[c->target].across;
    size_t n = c->model->domains[c->target].items;
    float *mapped = ferry_arena_array(c->scratch, F, sizeof *mapped);
    float *scores = ferry_arena_array(c->scratch, n, sizeof *scores);
    if (mapped == NULL || scores == NULL) return no_memory(error);
    double sum = 0.0, square = 0.0;
    for (size_t i = 0; i < c->linked; i++) {
        ferry_ridge_apply(a->factor_map, F, F, source + i * F, mapped);
        c->model->kernels->dot_rows(items, mapped, scores, n, F);
        for (size_t j = 0; j < n; j++) {
            sum = sum + (double)scores[j];
            square = square + (double)scores[j] * (double)scores[j];
        }
    }
    double count = (double)c->linked * (double)n, mean = sum / count;
    double variance = square / count - mean * mean;
    a->factor_deviation = variance > 1e-20 ? (float)sqrt(variance) : 1.0f;
    return FERRY_OK;
}

static ferry_status fit_emcdr(crossing *c, uint64_t seed, ferry_pool *pool, ferry_error *error)
{
    ferry_across *a = &c->model->domains[c->target].across;
    const ferry_training_events *e = &c->events[c->target];
    ferry_sparse targets = {e->user_count, c->model->domains[c->target].items, e->start, e->item,
                            NULL};
    ferry_als_options options = FERRY_ALS_DEFAULTS;
    options.seed = seed;
    size_t F = options.factors;
    factors from, to;
    FERRY_TRY(fit_factors(c, &c->sources, &options, pool, &from, error));
    FERRY_TRY(fit_factors(c, &targets, &options, pool, &to, error));
    float *x = ferry_arena_array(c->scratch, c->linked, F * sizeof *x);
    float *y = ferry_arena_array(c->scratch, c->linked, F * sizeof *y);
    float *map = ferry_arena_array(&c->model->arena, F + 1, F * sizeof *map);
    if (x == NULL || y == NULL || map == NULL) return no_memory(error);
    for (size_t i = 0; i < c->linked; i++) {
        memcpy(x + i * F, from.users + c->linked_source[i] * F, F * sizeof *x);
        memcpy(y + i * F, to.users + c->linked_target[i] * F, F * sizeof *y);
    }
    FERRY_TRY(ferry_ridge_fit(x, y, c->linked, F, F, RIDGE, &c->scratch->allocator, map, error));
    a->source_factors = from.items;
    a->target_factors = to.items;
    a->factor_map = map;
    a->lambda = options.lambda;
    a->fold.F = F;
    a->fold.alpha = options.alpha;
    return measure_deviation(c, x, to.items, F, error);
}

/* ---- the map of profiles ---- */

/* Mean whitened text of each linked person's source items, unit rows: out [linked, K]. */
static ferry_status gather_profiles(crossing *c, const ferry_sparse *sources, float **out,
                                    ferry_error *error)
{
    const ferry_model *model = c->model;
    size_t K = model->whiten.K;
    const float **row = ferry_arena_array(c->scratch, c->source_items, sizeof *row);
    *out = ferry_arena_array(c->scratch, c->linked, K * sizeof **out);
    if (row == NULL || *out == NULL) return no_memory(error);
    size_t first = 0;
    for (size_t d = 0; d < model->known_domains; d++) {
        const ferry_model_domain *dom = &model->domains[d];
        if (d == c->target) continue;
        for (size_t i = 0; i < dom->items; i++) row[first + i] = dom->shared_text + i * K;
        first += dom->items;
    }
    for (size_t u = 0; u < c->linked; u++) {
        float *profile = *out + u * K;
        for (uint32_t i = sources->start[u]; i < sources->start[u + 1]; i++)
            ferry_add_scaled(profile, row[sources->column[i]], 1.0f, K);
        ferry_l2_normalize(model->kernels, profile, K);
    }
    return FERRY_OK;
}

static ferry_status fit_profile(crossing *c, const ferry_sparse *sources,
                                const ferry_sparse *targets, uint64_t seed, ferry_pool *pool,
                                ferry_error *error)
{
    const ferry_model *model = c->model;
    ferry_model_domain *dom = &c->model->domains[c->target];
    ferry_profile_map *map = &dom->across.profile;
    ferry_profile_map_options options = FERRY_PROFILE_MAP_DEFAULTS;
    float *profiles;
    options.seed = seed;
    FERRY_TRY(gather_profiles(c, sources, &profiles, error));
    *map = (ferry_profile_map){.N = model->whiten.K, .R = options.rank};
    map->block = ferry_arena_array(&c->model->arena, ferry_profile_map_size(map->N, map->R),
                                   sizeof *map->block);
    if (map->block == NULL) return no_memory(error);
    ferry_profile_data data = {profiles, *targets, dom->shared_text, dom->log_linked, map->N};
    return ferry_profile_map_fit(model->kernels, &data, &options, pool, &c->scratch->allocator, map,
                                 error);
}

/* ---- all ---- */

static ferry_status fit(crossing *c, uint64_t seed, ferry_pool *pool, ferry_error *error)
{
    ferry_model_domain *dom = &c->model->domains[c->target];
    const ferry_training_events *e = &c->events[c->target];
    ferry_sparse all = {e->user_count, dom->items, e->start, e->item, NULL}, sources, targets;
    size_t users = 0;
    for (size_t d = 0; d < c->model->known_domains; d++)
        for (size_t u = 0; u < c->events[d].user_count; u++)
            users = c->events[d].user[u] >= users ? c->events[d].user[u] + (size_t)1 : users;
    FERRY_TRY(gather_sources(c, users, error));
    FERRY_TRY(find_linked(c, error));
    if (c->linked < FERRY_ACROSS_LEAST) return FERRY_OK;
    FERRY_TRY(take_rows(c, &c->sources, c->linked_source, &sources, error));
    FERRY_TRY(take_rows(c, &all, c->linked_target, &targets, error));
    FERRY_TRY(count_linked(c, &targets, error));
    FERRY_TRY(fit_neighbors(c, &sources, &targets, error));
    FERRY_TRY(fit_emcdr(c, seed, pool, error));
    dom->across.source_items = c->source_items;
    FERRY_TRY(ferry_model_prepare_across(c->model, c->target, pool, error));
    return fit_profile(c, &sources, &targets, seed, pool, error);
}

ferry_status ferry_fit_across(ferry_model *model, const ferry_training_events *events,
                              size_t target, uint64_t seed, ferry_pool *pool, ferry_error *error)
{
    ferry_arena scratch;
    ferry_arena_init(&scratch, model->arena.allocator);
    crossing c = {.model = model, .target = target, .scratch = &scratch, .events = events};
    ferry_status status = fit(&c, seed, pool, error);
    ferry_arena_free(&scratch);
    return status;
}
