#include "recsys/model_terms.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/elementary.h"
#include "math/solve.h"
#include "recsys/model_parts.h"

ferry_status ferry_terms_create(size_t count, ferry_arena *arena, ferry_terms *out,
                                ferry_error *error)
{
    *out = (ferry_terms){.count = count};
    out->value = ferry_arena_array(arena, count + 1, FERRY_REASON_COUNT * sizeof *out->value);
    return out->value != NULL ? FERRY_OK : ferry_fail_memory(error, "an explanation");
}

void ferry_terms_clear(ferry_terms *terms)
{
    memset(terms->value, 0, (terms->count + 1) * FERRY_REASON_COUNT * sizeof *terms->value);
    memset(terms->approximate, 0, sizeof terms->approximate);
    terms->constant = 0.0;
    terms->complete = true;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

/* by * cos(sum of weight * vector, of) into reason TEXT of the events. rows [count] point to
 * vectors [K]; query [K] is scratch. */
static void add_cosine(ferry_terms *terms, const float *const *rows, const double *weights,
                       const uint32_t *events, size_t count, size_t K, const float *of, double by,
                       double *query)
{
    double square = 0.0;
    memset(query, 0, K * sizeof *query);
    for (size_t j = 0; j < count; j++)
        for (size_t k = 0; k < K; k++) query[k] += weights[j] * (double)rows[j][k];
    for (size_t k = 0; k < K; k++) square += query[k] * query[k];
    if (!(square > 0.0)) return;
    for (size_t j = 0; j < count; j++)
        ferry_terms_add(terms, events[j], FERRY_REASON_TEXT,
                        by * weights[j] * dot(rows[j], of, K) / sqrt(square));
}

/* ---- here ---- */

typedef const ferry_model_explainer explainer;

/* e->events of what scratch->places has. */
static size_t name_events(explainer *e, size_t found)
{
    for (size_t j = 0; j < found; j++) e->events[j] = e->history[e->scratch->places[j]].event;
    return found;
}

static size_t recent(explainer *e, size_t most, float decay)
{
    return name_events(
        e, ferry_model_recent(e->history, e->count, e->domain, most, decay, e->scratch));
}

static size_t elsewhere(explainer *e)
{
    return name_events(
        e, ferry_model_elsewhere(e->model, e->domain, e->history, e->count, e->scratch));
}

static void explain_text(explainer *e, ferry_feature feature, size_t most, size_t item,
                         ferry_terms *terms)
{
    const ferry_model_domain *dom = &e->model->domains[e->domain];
    size_t K = dom->whiten.K;
    if (e->mix[feature] == 0.0f) return;
    size_t found = recent(e, most, FERRY_RECENT_DECAY);
    for (size_t j = 0; j < found; j++) {
        e->rows[j] = dom->text + e->scratch->items[j] * K;
        e->weights[j] = (double)e->scratch->weights[j];
    }
    add_cosine(terms, e->rows, e->weights, e->events, found, K, dom->text + item * K,
               (double)e->mix[feature], e->query);
}

/* <terms of the item, terms of other>; query as ferry_tfidf_score's */
static double common_terms(const ferry_tfidf *table, size_t item, size_t other, float *query)
{
    const ferry_sparse *m = &table->items;
    double sum = 0.0;
    ferry_sparse_scatter(m, item, 1.0f, query, NULL, NULL, NULL);
    for (size_t i = m->start[other]; i < m->start[other + 1]; i++)
        sum += (double)query[m->column[i]] * (double)ferry_sparse_value(m, i);
    for (size_t i = m->start[item]; i < m->start[item + 1]; i++) query[m->column[i]] = 0.0f;
    return sum;
}

/* A square is distributed as the root is. */
static void explain_words(explainer *e, const ferry_tfidf *table, ferry_feature feature,
                          ferry_reason reason, size_t most, size_t item, ferry_terms *terms)
{
    double by = (double)e->mix[feature], sum = 0.0, match = 0.0;
    if (by == 0.0) return;
    size_t found = recent(e, most, FERRY_RECENT_DECAY);
    for (size_t j = 0; j < found; j++) sum += (double)e->scratch->weights[j];
    for (size_t j = 0; j < found; j++) {
        e->weights[j] = (double)e->scratch->weights[j] / sum *
                        common_terms(table, item, e->scratch->items[j], e->scratch->terms);
        match += e->weights[j];
    }
    if (feature == FERRY_FEATURE_TITLE_SQUARE) {
        by = by * match;
        terms->approximate[reason] = true;
    }
    for (size_t j = 0; j < found; j++)
        ferry_terms_add(terms, e->events[j], reason, by * e->weights[j]);
}

/* What row gives column, of a table whose columns may come in any order. */
static double entry_of(const ferry_sparse *table, size_t row, size_t column)
{
    double sum = 0.0;
    for (size_t i = table->start[row]; i < table->start[row + 1]; i++)
        if (table->column[i] == column) sum += (double)ferry_sparse_value(table, i);
    return sum;
}

/* ln(K + floor) - ln(floor), by the events' shares of K; the floor is everybody's. */
static void explain_log_sum(explainer *e, const ferry_sparse *table, ferry_reason reason, double by,
                            float floor, size_t found, size_t item, ferry_terms *terms)
{
    double sum = 0.0, least = ferry_log((double)floor);
    for (size_t j = 0; j < found; j++) {
        e->weights[j] =
            (double)e->scratch->weights[j] * entry_of(table, e->scratch->items[j], item);
        sum += e->weights[j];
    }
    terms->constant += by * least;
    terms->approximate[reason] = true;
    if (!(sum > 0.0)) return;
    double gain = by * (ferry_log(sum + (double)floor) - least);
    for (size_t j = 0; j < found; j++)
        ferry_terms_add(terms, e->events[j], reason, gain * (e->weights[j] / sum));
}

/* Counted from the domain's mean item: logits have no zero of their own. */
static void explain_net(explainer *e, size_t item, ferry_terms *terms)
{
    const ferry_net_terms *net = &e->net;
    size_t d = net->d;
    const float *vector = e->model->domains[e->domain].net_items + item * d;
    double by = (double)e->mix[FERRY_FEATURE_NET], mean = 0.0;
    for (size_t k = 0; k < d; k++) mean += net->whole[k] * net->mean[k];
    terms->constant += by * mean;
    for (size_t t = 0; t <= net->count; t++) {
        const double *row = net->shared + t * d, *adapted = net->adapter + t * d;
        double shared = 0.0, adapter = 0.0;
        for (size_t k = 0; k < d; k++) {
            double offset = (double)vector[k] - net->mean[k];
            shared += row[k] * offset;
            adapter += adapted[k] * offset;
        }
        if (t == net->count) {
            ferry_terms_add(terms, terms->count, FERRY_REASON_BIAS, by * (shared + adapter));
            continue;
        }
        ferry_terms_add(terms, e->net_events[t], FERRY_REASON_NET, by * shared);
        ferry_terms_add(terms, e->net_events[t], FERRY_REASON_ADAPTER, by * adapter);
    }
    if (net->linear) return;
    terms->approximate[FERRY_REASON_NET] = terms->approximate[FERRY_REASON_ADAPTER] = true;
    terms->complete = false;
}

static void explain_here(explainer *e, size_t item, ferry_terms *terms)
{
    const ferry_model_domain *dom = &e->model->domains[e->domain];
    double neighbors = (double)e->mix[FERRY_FEATURE_NEIGHBORS];
    if (e->net.d > 0) explain_net(e, item, terms);
    if (neighbors != 0.0 && dom->learned)
        explain_log_sum(e, &dom->neighbors, FERRY_REASON_NEIGHBORS, neighbors,
                        FERRY_NEIGHBORS_FLOOR,
                        recent(e, FERRY_NEIGHBORS_RECENT, FERRY_NEIGHBORS_DECAY), item, terms);
    explain_text(e, FERRY_FEATURE_TEXT, FERRY_RECENT, item, terms);
    explain_text(e, FERRY_FEATURE_TEXT_LAST, 1, item, terms);
    const struct {
        const ferry_tfidf *table;
        ferry_feature feature;
        ferry_reason reason;
        size_t most;
    } words[] = {
        {&dom->words, FERRY_FEATURE_WORDS, FERRY_REASON_WORDS, FERRY_RECENT},
        {&dom->title, FERRY_FEATURE_TITLE, FERRY_REASON_TITLE, FERRY_RECENT},
        {&dom->title, FERRY_FEATURE_TITLE_LAST, FERRY_REASON_TITLE, 1},
        {&dom->title, FERRY_FEATURE_TITLE_SQUARE, FERRY_REASON_TITLE, FERRY_RECENT},
        {&dom->author, FERRY_FEATURE_AUTHOR, FERRY_REASON_AUTHOR, FERRY_RECENT},
        {&dom->author, FERRY_FEATURE_AUTHOR_LAST, FERRY_REASON_AUTHOR, 1},
        {&dom->tags, FERRY_FEATURE_TAGS, FERRY_REASON_TAGS, FERRY_RECENT},
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        explain_words(e, words[i].table, words[i].feature, words[i].reason, words[i].most, item,
                      terms);
}

/* ---- elsewhere ---- */

/*
 * The fold-in's x solves (G + sum of alpha w_j y_j y_j^T) x = sum of (1 + alpha w_j) y_j, G being
 * factors^T factors + lambda, which is
 *   x = G^-1 sum of pull_j y_j,   pull_j = 1 + alpha w_j (1 - y_j . x)
 * so that each event has its share of x; the pulls depend on all events.
 */
static void make_pulls(ferry_model_explainer *e, size_t found)
{
    const ferry_als_side *fold = &e->model->domains[e->domain].across.fold;
    float *x = e->scratch->low;
    ferry_als_fold_in(e->model->kernels, fold, e->scratch->items, e->scratch->weights, found,
                      e->scratch->fold, x);
    for (size_t j = 0; j < found; j++)
        e->pull[j] =
            1.0 + (double)fold->alpha * (double)e->scratch->weights[j] *
                      (1.0 - dot(fold->factors + e->scratch->items[j] * fold->F, x, fold->F));
}

/* feature = target . (offset + map^T x) / deviation */
static void explain_factors(explainer *e, size_t found, size_t item, ferry_terms *terms)
{
    const ferry_across *a = &e->model->domains[e->domain].across;
    size_t F = a->fold.F;
    const float *target = a->target_factors + item * F;
    double by = (double)e->mix[FERRY_FEATURE_FACTORS] / (double)a->factor_deviation;
    for (size_t f = 0; f < F; f++) e->solved[f] = dot(a->factor_map + f * F, target, F);
    ferry_cholesky_solve(a->fold.lower, F, e->solved);
    for (size_t j = 0; j < found; j++) {
        const float *y = a->fold.factors + e->scratch->items[j] * F;
        double sum = 0.0;
        for (size_t f = 0; f < F; f++) sum += (double)y[f] * e->solved[f];
        ferry_terms_add(terms, e->events[j], FERRY_REASON_FACTORS, by * e->pull[j] * sum);
    }
    ferry_terms_add(terms, terms->count, FERRY_REASON_FACTORS,
                    by * dot(a->factor_map + F * F, target, F));
    terms->approximate[FERRY_REASON_FACTORS] = true;
}

static void explain_linked(explainer *e, double by, size_t item, ferry_terms *terms)
{
    double least = ferry_log((double)FERRY_LINKED_FLOOR);
    terms->constant += by * least;
    ferry_terms_add(terms, terms->count, FERRY_REASON_LINKED,
                    by * ((double)e->model->domains[e->domain].log_linked[item] - least));
}

/* scale (p + (p A) B + offset) . z + prior weight * linked, p the weighted sum of the events' texts
 * at unit length */
static void explain_profile(explainer *e, size_t found, size_t item, ferry_terms *terms)
{
    const ferry_model *model = e->model;
    const ferry_model_domain *dom = &model->domains[e->domain];
    const ferry_profile_map *map = &dom->across.profile;
    size_t K = map->N, R = map->R;
    const float *A = map->block, *B = A + K * R, *offset = B + R * K;
    const float *z = dom->shared_text + item * K;
    double *sum = e->query, *pulled = sum + K, square = 0.0;
    double by = (double)e->mix[FERRY_FEATURE_PROFILE];
    double scale = by * (double)ferry_profile_map_scale(map);
    memset(sum, 0, K * sizeof *sum);
    for (size_t j = 0; j < found; j++) {
        const ferry_history_entry *entry = &e->history[e->scratch->places[j]];
        e->rows[j] = model->domains[entry->domain].shared_text + entry->item * K;
        e->weights[j] = (double)e->scratch->weights[j];
        for (size_t k = 0; k < K; k++) sum[k] += e->weights[j] * (double)e->rows[j][k];
    }
    for (size_t k = 0; k < K; k++) square += sum[k] * sum[k];
    for (size_t k = 0; k < K; k++) pulled[k] = (double)z[k];
    for (size_t r = 0; r < R; r++) {
        double inner = dot(B + r * K, z, K);
        for (size_t k = 0; k < K; k++) pulled[k] += (double)A[k * R + r] * inner;
    }
    for (size_t j = 0; j < found && square > 0.0; j++) {
        double inner = 0.0;
        for (size_t k = 0; k < K; k++) inner += (double)e->rows[j][k] * pulled[k];
        ferry_terms_add(terms, e->events[j], FERRY_REASON_PROFILE,
                        scale * e->weights[j] * inner / sqrt(square));
    }
    ferry_terms_add(terms, terms->count, FERRY_REASON_PROFILE, scale * dot(offset, z, K));
    explain_linked(e, by * (double)ferry_profile_map_prior_weight(map), item, terms);
}

static void explain_elsewhere(explainer *e, size_t item, ferry_terms *terms)
{
    const ferry_across *a = &e->model->domains[e->domain].across;
    double across = (double)e->mix[FERRY_FEATURE_ACROSS];
    size_t found = elsewhere(e);
    if (found == 0) return;
    if (e->mix[FERRY_FEATURE_FACTORS] != 0.0f) explain_factors(e, found, item, terms);
    if (e->mix[FERRY_FEATURE_PROFILE] != 0.0f) explain_profile(e, found, item, terms);
    if (across == 0.0) return;
    float sum = 0.0f;
    for (size_t j = 0; j < found; j++) sum = sum + e->scratch->weights[j];
    for (size_t j = 0; j < found; j++) e->scratch->weights[j] = e->scratch->weights[j] / sum;
    explain_log_sum(e, &a->neighbors, FERRY_REASON_ACROSS, across, FERRY_ACROSS_FLOOR, found, item,
                    terms);
}

/* ---- all of them ---- */

static ferry_status make_net(ferry_model_explainer *e, ferry_arena *arena, ferry_error *error)
{
    const ferry_model *model = e->model;
    const ferry_model_domain *dom = &model->domains[e->domain];
    size_t count = ferry_model_net_events(model, e->domain, e->history, e->count, e->scratch);
    e->net_events = ferry_arena_array(arena, count, sizeof *e->net_events);
    if (e->net_events == NULL) return ferry_fail_memory(error, "the explanation of the net");
    for (size_t t = 0; t < count; t++) e->net_events[t] = e->history[e->scratch->places[t]].event;
    return ferry_net_terms_make(model->net, model->kernels, e->domain, e->scratch->events, count,
                                dom->net_items, dom->items, e->scratch->net, arena, &e->net, error);
}

ferry_status ferry_model_explainer_make(const ferry_model *model, size_t domain,
                                        const ferry_history_entry *history, size_t count,
                                        ferry_model_scratch *scratch, ferry_arena *arena,
                                        ferry_model_explainer *out, ferry_error *error)
{
    const ferry_model_domain *dom = &model->domains[domain];
    ferry_situation situation = ferry_model_situation(model, domain, history, count);
    *out = (ferry_model_explainer){.model = model,
                                   .domain = domain,
                                   .history = history,
                                   .count = count,
                                   .scratch = scratch,
                                   .mix = dom->mix[situation],
                                   .here = situation <= FERRY_NEW_DOMAIN};
    size_t most = FERRY_MODEL_MOST_EVENTS, F = dom->across.fold.F;
    size_t K = model->whiten.K > dom->whiten.K ? model->whiten.K : dom->whiten.K;
    out->rows = ferry_arena_array(arena, most, sizeof *out->rows);
    out->weights = ferry_arena_array(arena, most, sizeof *out->weights);
    out->pull = ferry_arena_array(arena, most, sizeof *out->pull);
    out->query = ferry_arena_array(arena, 2 * K, sizeof *out->query);
    out->solved = ferry_arena_array(arena, F, sizeof *out->solved);
    out->events = ferry_arena_array(arena, most, sizeof *out->events);
    if (out->events == NULL || out->rows == NULL || out->weights == NULL || out->pull == NULL ||
        out->query == NULL || out->solved == NULL)
        return ferry_fail_memory(error, "an explanation");
    if (dom->across.source_items > 0 && out->mix[FERRY_FEATURE_FACTORS] != 0.0f)
        make_pulls(out, elsewhere(out));
    bool net = model->net != NULL && dom->learned && out->mix[FERRY_FEATURE_NET] != 0.0f;
    return out->here && net ? make_net(out, arena, error) : FERRY_OK;
}

void ferry_model_explain(const ferry_model_explainer *e, size_t item, ferry_terms *terms)
{
    const ferry_model_domain *dom = &e->model->domains[e->domain];
    ferry_terms_clear(terms);
    if (e->here) explain_here(e, item, terms);
    if (dom->across.source_items > 0) explain_elsewhere(e, item, terms);
    if (e->mix[FERRY_FEATURE_LINKED] != 0.0f && dom->log_linked != NULL)
        explain_linked(e, (double)e->mix[FERRY_FEATURE_LINKED], item, terms);
    ferry_terms_add(terms, terms->count, FERRY_REASON_POPULARITY,
                    (double)e->mix[FERRY_FEATURE_POPULARITY] * (double)dom->log_popularity[item]);
    if (!(dom->popularity[item] > 0.0f))
        ferry_terms_add(terms, terms->count, FERRY_REASON_NEW, (double)e->mix[FERRY_FEATURE_COLD]);
}
