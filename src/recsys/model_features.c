/* The features of a model's score, each [n] over a domain's items, and their weighted sum. */
#include <string.h>

#include "base/error.h"
#include "math/elementary.h"
#include "math/ops.h"
#include "recsys/model_parts.h"
#include "recsys/ridge.h"

const char *const ferry_feature_names[FERRY_FEATURES] = {
#define NAME(name, text, needs) text,
    FERRY_FEATURE_LIST(NAME)
#undef NAME
};

const char *const ferry_situation_names[FERRY_SITUATIONS] = {
#define NAME(name, text) text,
    FERRY_SITUATION_LIST(NAME)
#undef NAME
};

void ferry_model_default_mix(float mix[FERRY_SITUATIONS][FERRY_FEATURES])
{
    memset(mix, 0, sizeof(float[FERRY_SITUATIONS][FERRY_FEATURES]));
    mix[FERRY_KNOWN][FERRY_FEATURE_NET] = 1.0f;
    mix[FERRY_KNOWN][FERRY_FEATURE_NEIGHBORS] = 1.3f;
    mix[FERRY_KNOWN][FERRY_FEATURE_TEXT] = 3.0f;
    mix[FERRY_KNOWN][FERRY_FEATURE_WORDS] = 5.0f;
    mix[FERRY_KNOWN][FERRY_FEATURE_COLD] = 1.5f; /* what its neighbours would come to on average */
    mix[FERRY_NEW_DOMAIN][FERRY_FEATURE_TEXT] = 1.0f;
    mix[FERRY_NEWCOMER][FERRY_FEATURE_FACTORS] = 1.0f;
    mix[FERRY_NEWCOMER][FERRY_FEATURE_PROFILE] = 1.0f;
    mix[FERRY_NEWCOMER][FERRY_FEATURE_ACROSS] = 1.0f;
    mix[FERRY_STRANGER][FERRY_FEATURE_POPULARITY] = 1.0f;
}

/* ---- what of the history is looked at ---- */

static size_t count_here(const ferry_history_entry *history, size_t count, size_t domain)
{
    size_t here = 0;
    for (size_t i = 0; i < count; i++) here += history[i].domain == domain;
    return here;
}

static bool speaks_elsewhere(const ferry_model *model, size_t domain,
                             const ferry_history_entry *entry)
{
    return entry->domain != domain && entry->domain < model->known_domains && entry->weight > 0.0f;
}

ferry_situation ferry_model_situation(const ferry_model *model, size_t domain,
                                      const ferry_history_entry *history, size_t count)
{
    const ferry_model_domain *d = &model->domains[domain];
    size_t here = count_here(history, count, domain);
    if (here > 0) return d->learned ? FERRY_KNOWN : FERRY_NEW_DOMAIN;
    for (size_t i = 0; i < count && d->across.source_items > 0; i++)
        if (speaks_elsewhere(model, domain, &history[i])) return FERRY_NEWCOMER;
    return FERRY_STRANGER;
}

size_t ferry_model_recent(const ferry_history_entry *history, size_t count, size_t domain,
                          size_t most, float decay, ferry_model_scratch *scratch)
{
    size_t found = 0;
    float weight = 1.0f;
    for (size_t i = count; i > 0 && found < most; i--) {
        const ferry_history_entry *entry = &history[i - 1];
        if (entry->domain != domain || entry->weight <= 0.0f) continue;
        scratch->items[found] = entry->item;
        scratch->places[found] = (uint32_t)(i - 1);
        scratch->weights[found++] = weight * (entry->weight * entry->scale);
        weight = weight * decay;
    }
    return found;
}

/* ---- here: the domain's own history ---- */

size_t ferry_model_net_events(const ferry_model *model, size_t domain,
                              const ferry_history_entry *history, size_t count,
                              ferry_model_scratch *scratch)
{
    const ferry_model_domain *dom = &model->domains[domain];
    size_t d = model->net->config.sequence.dim, read = 0, found = 0, first = count;
    while (first > 0 && read < FERRY_MODEL_MOST_EVENTS) read += history[--first].domain == domain;
    for (size_t i = first; i < count; i++) {
        if (history[i].domain != domain) continue;
        scratch->places[found] = (uint32_t)i;
        scratch->events[found++] = (ferry_net_event){dom->net_items + history[i].item * d,
                                                     history[i].behavior, history[i].timestamp};
    }
    return found;
}

/* Logits of the net for the newest events of the domain. */
static void net_feature(const ferry_model *model, size_t domain, const ferry_history_entry *history,
                        size_t count, ferry_model_scratch *scratch, float *out)
{
    const ferry_model_domain *dom = &model->domains[domain];
    size_t d = model->net->config.sequence.dim;
    size_t read = ferry_model_net_events(model, domain, history, count, scratch);
    ferry_net_user_vector(model->net, model->kernels, domain, scratch->events, read, scratch->user,
                          scratch->net);
    model->kernels->dot_rows(dom->net_items, scratch->user, out, dom->items, d);
}

/* out = ln(sum + floor), sum of the rows of table that items and weights name; few are not 0 */
static void log_sum(const ferry_sparse *table, const uint32_t *items, const float *weights,
                    size_t count, float floor, ferry_model_scratch *scratch, float *out)
{
    size_t touched = 0, n = table->columns;
    for (size_t i = 0; i < count; i++)
        ferry_sparse_scatter(table, items[i], weights[i], scratch->sum, scratch->mark,
                             scratch->touched, &touched);
    float lowest = ferry_log_float(floor);
    for (size_t i = 0; i < n; i++) out[i] = lowest;
    for (size_t i = 0; i < touched; i++) {
        uint32_t item = scratch->touched[i];
        out[item] = ferry_log_float(scratch->sum[item] + floor);
        scratch->sum[item] = 0.0f;
        scratch->mark[item] = 0;
    }
}

static void neighbors_feature(const ferry_model *model, size_t domain,
                              const ferry_history_entry *history, size_t count,
                              ferry_model_scratch *scratch, float *out)
{
    size_t found = ferry_model_recent(history, count, domain, FERRY_NEIGHBORS_RECENT,
                                      FERRY_NEIGHBORS_DECAY, scratch);
    log_sum(&model->domains[domain].neighbors, scratch->items, scratch->weights, found,
            FERRY_NEIGHBORS_FLOOR, scratch, out);
}

/* out = cosine of each row of text [n, K] to the weighted mean of the newest `most` */
static void text_feature(const ferry_model *model, size_t domain, const float *text, size_t K,
                         const ferry_history_entry *history, size_t count, size_t most,
                         ferry_model_scratch *scratch, float *out)
{
    size_t found = ferry_model_recent(history, count, domain, most, FERRY_RECENT_DECAY, scratch);
    memset(scratch->query, 0, K * sizeof *scratch->query);
    for (size_t i = 0; i < found; i++)
        ferry_add_scaled(scratch->query, text + scratch->items[i] * K, scratch->weights[i], K);
    ferry_l2_normalize(model->kernels, scratch->query, K);
    model->kernels->dot_rows(text, scratch->query, out, model->domains[domain].items, K);
}

/* out, zeros before, gets the mean match of the newest `most` items' terms. */
static void add_words(const ferry_tfidf *table, size_t most, size_t domain,
                      const ferry_history_entry *history, size_t count,
                      ferry_model_scratch *scratch, float *out)
{
    size_t found = ferry_model_recent(history, count, domain, most, FERRY_RECENT_DECAY, scratch);
    float sum = 0.0f;
    for (size_t i = 0; i < found; i++) sum = sum + scratch->weights[i];
    for (size_t i = 0; i < found; i++) scratch->weights[i] = scratch->weights[i] / sum;
    ferry_tfidf_score(table, scratch->items, scratch->weights, found, scratch->terms, out, NULL,
                      NULL, NULL);
}

static void words_feature(const ferry_tfidf *table, size_t most, ferry_feature feature,
                          size_t domain, const ferry_history_entry *history, size_t count,
                          const bool wanted[FERRY_FEATURES], ferry_model_scratch *scratch)
{
    if (wanted[feature])
        add_words(table, most, domain, history, count, scratch, scratch->values[feature]);
}

/* ---- elsewhere: the other domains' histories ---- */

size_t ferry_model_elsewhere(const ferry_model *model, size_t domain,
                             const ferry_history_entry *history, size_t count,
                             ferry_model_scratch *scratch)
{
    size_t found = 0;
    for (size_t i = count; i > 0 && found < FERRY_MODEL_MOST_EVENTS; i--) {
        const ferry_history_entry *entry = &history[i - 1];
        if (!speaks_elsewhere(model, domain, entry)) continue;
        size_t first = 0;
        for (size_t d = 0; d < entry->domain; d++)
            first += d == domain ? 0 : model->domains[d].items;
        scratch->items[found] = (uint32_t)(first + entry->item);
        scratch->places[found] = (uint32_t)(i - 1);
        scratch->weights[found++] = entry->scale;
    }
    return found;
}

static void factors_feature(const ferry_model *model, size_t domain, size_t found,
                            ferry_model_scratch *scratch, float *out)
{
    const ferry_across *a = &model->domains[domain].across;
    size_t F = a->fold.F;
    float *source = scratch->low, *mapped = source + F;
    ferry_als_fold_in(model->kernels, &a->fold, scratch->items, scratch->weights, found,
                      scratch->fold, source);
    ferry_ridge_apply(a->factor_map, F, F, source, mapped);
    for (size_t f = 0; f < F; f++) mapped[f] = mapped[f] / a->factor_deviation;
    model->kernels->dot_rows(a->target_factors, mapped, out, model->domains[domain].items, F);
}

static void profile_feature(const ferry_model *model, size_t domain,
                            const ferry_history_entry *history, size_t count,
                            ferry_model_scratch *scratch, float *out)
{
    const ferry_model_domain *dom = &model->domains[domain];
    size_t K = model->whiten.K;
    memset(scratch->query, 0, K * sizeof *scratch->query);
    for (size_t i = 0; i < count; i++) {
        const ferry_history_entry *entry = &history[i];
        if (!speaks_elsewhere(model, domain, entry)) continue;
        const float *row = model->domains[entry->domain].shared_text + entry->item * K;
        ferry_add_scaled(scratch->query, row, entry->scale, K);
    }
    ferry_l2_normalize(model->kernels, scratch->query, K);
    const ferry_profile_map *map = &dom->across.profile;
    float *mapped = scratch->query + K;
    ferry_profile_map_query(map, scratch->query, mapped);
    model->kernels->dot_rows(dom->shared_text, mapped, out, dom->items, K);
    float scale = ferry_profile_map_scale(map), prior = ferry_profile_map_prior_weight(map);
    for (size_t i = 0; i < dom->items; i++) out[i] = scale * out[i] + prior * dom->log_linked[i];
}

/* ---- all of them ---- */

static void here_features(const ferry_model *model, size_t domain,
                          const ferry_history_entry *history, size_t count,
                          const bool wanted[FERRY_FEATURES], ferry_model_scratch *scratch)
{
    const ferry_model_domain *dom = &model->domains[domain];
    float **values = scratch->values;
    if (wanted[FERRY_FEATURE_NET] && model->net != NULL && dom->learned)
        net_feature(model, domain, history, count, scratch, values[FERRY_FEATURE_NET]);
    if (wanted[FERRY_FEATURE_NEIGHBORS] && dom->learned)
        neighbors_feature(model, domain, history, count, scratch, values[FERRY_FEATURE_NEIGHBORS]);
    if (wanted[FERRY_FEATURE_TEXT])
        text_feature(model, domain, dom->text, dom->whiten.K, history, count, FERRY_RECENT, scratch,
                     values[FERRY_FEATURE_TEXT]);
    if (wanted[FERRY_FEATURE_TEXT_LAST])
        text_feature(model, domain, dom->text, dom->whiten.K, history, count, 1, scratch,
                     values[FERRY_FEATURE_TEXT_LAST]);
    words_feature(&dom->words, FERRY_RECENT, FERRY_FEATURE_WORDS, domain, history, count, wanted,
                  scratch);
    words_feature(&dom->title, FERRY_RECENT, FERRY_FEATURE_TITLE, domain, history, count, wanted,
                  scratch);
    words_feature(&dom->title, 1, FERRY_FEATURE_TITLE_LAST, domain, history, count, wanted,
                  scratch);
    words_feature(&dom->author, FERRY_RECENT, FERRY_FEATURE_AUTHOR, domain, history, count, wanted,
                  scratch);
    words_feature(&dom->author, 1, FERRY_FEATURE_AUTHOR_LAST, domain, history, count, wanted,
                  scratch);
    words_feature(&dom->tags, FERRY_RECENT, FERRY_FEATURE_TAGS, domain, history, count, wanted,
                  scratch);
    if (!wanted[FERRY_FEATURE_TITLE_SQUARE]) return;
    float *square = values[FERRY_FEATURE_TITLE_SQUARE];
    add_words(&dom->title, FERRY_RECENT, domain, history, count, scratch, square);
    for (size_t i = 0; i < dom->items; i++) square[i] = square[i] * square[i];
}

static void elsewhere_features(const ferry_model *model, size_t domain,
                               const ferry_history_entry *history, size_t count,
                               const bool wanted[FERRY_FEATURES], ferry_model_scratch *scratch)
{
    const ferry_across *a = &model->domains[domain].across;
    size_t found = ferry_model_elsewhere(model, domain, history, count, scratch);
    if (found == 0) return;
    size_t oldest = scratch->places[found - 1];
    if (wanted[FERRY_FEATURE_FACTORS])
        factors_feature(model, domain, found, scratch, scratch->values[FERRY_FEATURE_FACTORS]);
    if (wanted[FERRY_FEATURE_PROFILE])
        profile_feature(model, domain, history + oldest, count - oldest, scratch,
                        scratch->values[FERRY_FEATURE_PROFILE]);
    if (wanted[FERRY_FEATURE_ACROSS]) {
        float sum = 0.0f;
        for (size_t i = 0; i < found; i++) sum = sum + scratch->weights[i];
        for (size_t i = 0; i < found; i++) scratch->weights[i] = scratch->weights[i] / sum;
        log_sum(&a->neighbors, scratch->items, scratch->weights, found, FERRY_ACROSS_FLOOR, scratch,
                scratch->values[FERRY_FEATURE_ACROSS]);
    }
}

void ferry_model_features(const ferry_model *model, size_t domain,
                          const ferry_history_entry *history, size_t count,
                          const bool wanted[FERRY_FEATURES], ferry_model_scratch *scratch)
{
    const ferry_model_domain *dom = &model->domains[domain];
    float **values = scratch->values;
    size_t bytes = dom->items * sizeof **values;
    for (size_t f = 0; f < FERRY_FEATURES; f++)
        if (wanted[f]) memset(values[f], 0, bytes);
    if (count_here(history, count, domain) > 0)
        here_features(model, domain, history, count, wanted, scratch);
    if (dom->across.source_items > 0)
        elsewhere_features(model, domain, history, count, wanted, scratch);
    if (wanted[FERRY_FEATURE_LINKED] && dom->log_linked != NULL)
        memcpy(values[FERRY_FEATURE_LINKED], dom->log_linked, bytes);
    if (wanted[FERRY_FEATURE_POPULARITY])
        memcpy(values[FERRY_FEATURE_POPULARITY], dom->log_popularity, bytes);
    if (wanted[FERRY_FEATURE_COLD])
        for (size_t i = 0; i < dom->items; i++)
            values[FERRY_FEATURE_COLD][i] = dom->popularity[i] > 0.0f ? 0.0f : 1.0f;
}

ferry_situation ferry_model_score(const ferry_model *model, size_t domain,
                                  const ferry_history_entry *history, size_t count,
                                  ferry_model_scratch *scratch, float *out)
{
    const ferry_model_domain *dom = &model->domains[domain];
    ferry_situation situation = ferry_model_situation(model, domain, history, count);
    const float *mix = dom->mix[situation];
    bool wanted[FERRY_FEATURES];
    for (size_t f = 0; f < FERRY_FEATURES; f++) wanted[f] = mix[f] != 0.0f;
    ferry_model_features(model, domain, history, count, wanted, scratch);
    memset(out, 0, dom->items * sizeof *out);
    for (size_t f = 0; f < FERRY_FEATURES; f++)
        if (wanted[f]) ferry_add_scaled(out, scratch->values[f], mix[f], dom->items);
    return situation;
}
