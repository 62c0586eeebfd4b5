/* A visitor's scores by a model: the history as the model reads it, one domain at a time. */
#include <string.h>

#include "base/error.h"
#include "math/elementary.h"
#include "math/ops.h"
#include "recsys/visitor.h"

static const float SMALLEST_SCALE = 1.0f / 1024.0f; /* ten half-lives: forgotten */

static size_t largest_domain(const ferry_catalog *catalog)
{
    size_t most = 1;
    for (size_t d = 0; d < catalog->domain_count; d++) {
        size_t items = catalog->domain_first[d + 1] - catalog->domain_first[d];
        most = items > most ? items : most;
    }
    return most;
}

void ferry_visitor_forget_model_scratch(ferry_visitor *visitor)
{
    const ferry_catalog *catalog = visitor->catalog;
    if (visitor->model == NULL) return;
    ferry_arena_wipe(&visitor->model_scratch->arena); /* as it was made: all zeros */
    ferry_wipe(visitor->domain_scores, largest_domain(catalog) * sizeof(float));
    ferry_wipe(visitor->domain_pushes, largest_domain(catalog) * sizeof(float));
    ferry_wipe(visitor->disliking, catalog->dimension * sizeof(float));
    ferry_wipe(visitor->history, visitor->history_capacity * sizeof *visitor->history);
    visitor->history_count = 0;
}

static void forget_model(ferry_visitor *visitor)
{
    const ferry_catalog *catalog = visitor->catalog;
    const ferry_allocator *allocator = &visitor->allocator;
    ferry_visitor_forget_model_scratch(visitor);
    ferry_model_scratch_close(visitor->model_scratch);
    if (visitor->model_domain != NULL)
        ferry_release(allocator, visitor->model_domain,
                      ferry_at_least_one(catalog->domain_count) * sizeof *visitor->model_domain);
    if (visitor->domain_scores != NULL)
        ferry_release(allocator, visitor->domain_scores, largest_domain(catalog) * sizeof(float));
    if (visitor->domain_pushes != NULL)
        ferry_release(allocator, visitor->domain_pushes, largest_domain(catalog) * sizeof(float));
    ferry_release(allocator, visitor->disliking, catalog->dimension * sizeof(float));
    ferry_release(allocator, visitor->history,
                  visitor->history_capacity * sizeof *visitor->history);
    visitor->model = NULL;
    visitor->model_scratch = NULL;
    visitor->model_domain = NULL;
    visitor->domain_scores = NULL;
    visitor->domain_pushes = NULL;
    visitor->disliking = NULL;
    visitor->history = NULL;
    visitor->history_capacity = 0;
}

ferry_status ferry_visitor_use(ferry_visitor *visitor, const ferry_model *model, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    if (model != NULL && model->catalog != catalog)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the model was opened for another catalogue than the visitor's");
    forget_model(visitor);
    if (model == NULL) return FERRY_OK;
    const ferry_allocator *allocator = &visitor->allocator;
    visitor->model_domain = ferry_allocate(allocator, ferry_at_least_one(catalog->domain_count),
                                           sizeof *visitor->model_domain);
    visitor->domain_scores = ferry_allocate(allocator, largest_domain(catalog), sizeof(float));
    visitor->domain_pushes = ferry_allocate(allocator, largest_domain(catalog), sizeof(float));
    visitor->disliking = ferry_allocate(allocator, catalog->dimension, sizeof(float));
    ferry_status status = visitor->model_domain != NULL && visitor->domain_scores != NULL &&
                                  visitor->domain_pushes != NULL && visitor->disliking != NULL
                              ? ferry_model_scratch_create(model, &visitor->model_scratch, error)
                              : ferry_fail_memory(error, "the visitor");
    if (status != FERRY_OK) {
        forget_model(visitor);
        return status;
    }
    for (uint32_t d = 0; d < model->domain_count; d++)
        visitor->model_domain[model->domains[d].catalog_domain] = d;
    visitor->model = model;
    return FERRY_OK;
}

/* The model's number of a behaviour; false if it has none. */
static bool behavior_of(const ferry_visitor *visitor, const ferry_history_event *event,
                        uint8_t *out)
{
    const ferry_model *model = visitor->model;
    const char *name = ferry_visitor_behavior(visitor, event);
    for (size_t b = 0; b < model->behavior_count; b++) {
        if (strcmp(model->behaviors[b], name) != 0) continue;
        *out = (uint8_t)b;
        return true;
    }
    *out = 0; /* read as its first */
    return false;
}

/*
 * What of the history the model reads: not what a control has left next to nothing of, nor
 * dislikes by a name it does not know, which would pass for its first behaviour: something done to
 * things that are liked.
 */
static ferry_status make_history(ferry_visitor *visitor, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    if (!ferry_reserve(&visitor->allocator, &visitor->history, sizeof *visitor->history,
                       visitor->capacity, &visitor->history_capacity))
        return ferry_fail_memory(error, "the history");
    visitor->history_count = 0;
    for (size_t i = 0; i < visitor->count; i++) {
        const ferry_history_event *event = &visitor->events[i];
        uint8_t behavior;
        bool known = behavior_of(visitor, event, &behavior);
        if (visitor->scale[i] < SMALLEST_SCALE || (!known && event->weight <= 0.0f)) continue;
        visitor->history[visitor->history_count++] = (ferry_history_entry){
            .domain = visitor->model_domain[catalog->items[event->item].domain],
            .item = catalog->within[event->item],
            .behavior = behavior,
            .value = (float)event->value,
            .weight = event->weight,
            .scale = visitor->scale[i],
            .event = (uint32_t)i,
            .timestamp = event->timestamp};
    }
    return FERRY_OK;
}

/*
 * ln of the chance that the visitor's next event is in the domain, by where the others were: so
 * that a domain nothing is known of does not fill the list. Half an event is added to each.
 */
static float log_share(const ferry_visitor *visitor, size_t domain)
{
    float here = 0.5f, all = 0.5f * (float)visitor->model->domain_count, sum = 0.0f;
    for (size_t i = 0; i < visitor->history_count; i++) {
        const ferry_history_entry *entry = &visitor->history[i];
        here = here + (entry->domain == domain ? entry->scale : 0.0f);
        sum = sum + entry->scale;
    }
    return ferry_log_float(here / (all + sum));
}

/* ln softmax in place; [n]. Returns what was taken off. */
static float log_softmax(float *x, size_t n)
{
    float largest = n > 0 ? x[0] : 0.0f;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    for (size_t i = 0; i < n; i++) sum = sum + (double)ferry_exp(x[i] - largest);
    float shift = largest + (n > 0 ? (float)ferry_log(sum) : 0.0f);
    for (size_t i = 0; i < n; i++) x[i] = x[i] - shift;
    return shift;
}

/* Whose texts are scored: a domain's, or for FERRY_NO_ITEM those of all wanted ones. */
static bool is_of(const ferry_visitor *visitor, size_t item, uint32_t domain)
{
    uint32_t found = visitor->catalog->items[item].domain;
    return domain == FERRY_NO_ITEM ? visitor->wanted[found] : found == domain;
}

/* Products of the visitor's vector and items into visitor->scores, run by run of those that stand
 * together. */
static void score_texts(ferry_visitor *visitor, uint32_t domain)
{
    const ferry_catalog *catalog = visitor->catalog;
    size_t N = catalog->dimension;
    for (size_t first = 0, end; first < catalog->count; first = end + 1) {
        for (end = first; end < catalog->count && is_of(visitor, end, domain);) end++;
        if (end > first)
            catalog->kernels->dot_rows(catalog->vectors + first * N, visitor->vector,
                                       visitor->scores + first, end - first, N);
        for (size_t i = first; i < end && visitor->modalities.any; i++)
            visitor->scores[i] =
                visitor->scores[i] * visitor->modalities.gain[catalog->modalities[i]];
    }
}

/* Nothing is known of the domain but its texts, and nothing of the visitor there: what is like the
 * things elsewhere. false if the history has no vector. */
static bool score_unknown(ferry_visitor *visitor, const ferry_model_domain *domain,
                          const uint32_t *items)
{
    if (domain->learned || ferry_visitor_encode(visitor, NULL) != FERRY_OK) return false;
    score_texts(visitor, domain->catalog_domain);
    for (size_t i = 0; i < domain->items; i++)
        visitor->domain_scores[i] = visitor->scores[items[i]];
    return true;
}

/* ---- dislikes and novelty ---- */

/*
 * What is like disliked items of the domain loses FERRY_DISLIKE_PUSH times how much it is, added up
 * over them. Likeness is the products' of whitened texts, where what has nothing in common has
 * about 0: with the catalogue's own vectors, the odd ones would gain from every dislike.
 */
static void push_down(ferry_visitor *visitor, size_t d)
{
    const ferry_catalog *catalog = visitor->catalog;
    const ferry_model_domain *domain = &visitor->model->domains[d];
    size_t K = domain->whiten.K;
    bool any = false;
    memset(visitor->disliking, 0, K * sizeof(float));
    for (size_t i = 0; i < visitor->count; i++) {
        const ferry_history_event *event = &visitor->events[i];
        float much = -event->weight * visitor->scale[i];
        if (!(much > 0.0f) || catalog->items[event->item].domain != domain->catalog_domain)
            continue;
        ferry_add_scaled(visitor->disliking, domain->text + catalog->within[event->item] * K, much,
                         K);
        any = true;
    }
    if (!any) return;
    catalog->kernels->dot_rows(domain->text, visitor->disliking, visitor->domain_pushes,
                               domain->items, K);
    for (size_t i = 0; i < domain->items; i++) {
        float like = visitor->domain_pushes[i];
        if (like > 0.0f)
            visitor->domain_scores[i] = visitor->domain_scores[i] - FERRY_DISLIKE_PUSH * like;
    }
}

static void score_domain(ferry_visitor *visitor, size_t d, float novelty)
{
    const ferry_model *model = visitor->model;
    const ferry_catalog *catalog = visitor->catalog;
    const ferry_model_domain *domain = &model->domains[d];
    const uint32_t *items = catalog->domain_items + catalog->domain_first[domain->catalog_domain];
    ferry_situation situation =
        ferry_model_situation(model, d, visitor->history, visitor->history_count);
    bool texts = situation == FERRY_STRANGER && score_unknown(visitor, domain, items);
    if (!texts) {
        ferry_model_score(model, d, visitor->history, visitor->history_count,
                          visitor->model_scratch, visitor->domain_scores);
        push_down(visitor, d);
    } /* else the vector holds the dislikes */
    if (novelty > 0.0f)
        ferry_add_scaled(visitor->domain_scores, domain->log_popularity, -novelty, domain->items);
    float shift = log_softmax(visitor->domain_scores, domain->items);
    float share = log_share(visitor, d);
    visitor->scored[domain->catalog_domain] =
        (ferry_domain_scored){texts, (double)share - (double)shift};
    for (size_t i = 0; i < domain->items; i++)
        visitor->scores[items[i]] = visitor->domain_scores[i] + share;
}

ferry_status ferry_visitor_score(ferry_visitor *visitor, const ferry_recommend_options *options,
                                 ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    const ferry_model *model = visitor->model;
    if (!(options->novelty >= 0.0f && options->novelty <= 1.0f))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "novelty is %g, expected 0…1",
                          (double)options->novelty);
    FERRY_TRY(ferry_visitor_weigh(visitor, options, error));
    if (model != NULL && options->modality_weight_count > 0)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "a weight for the modality \"%s\", but what the model learned is about "
                          "words and what others did",
                          ferry_modality_name(options->modality_weights[0].modality));
    if (model != NULL) {
        FERRY_TRY(make_history(visitor, error));
        for (size_t d = 0; d < model->domain_count; d++)
            if (visitor->wanted[model->domains[d].catalog_domain])
                score_domain(visitor, d, options->novelty);
        return FERRY_OK;
    }
    if (options->novelty > 0.0f)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "novelty is %g, but only a model knows what is popular",
                          (double)options->novelty);
    FERRY_TRY(ferry_visitor_encode(visitor, error));
    score_texts(visitor, FERRY_NO_ITEM);
    for (size_t d = 0; d < catalog->domain_count; d++)
        if (visitor->wanted[d]) visitor->scored[d] = (ferry_domain_scored){.texts = true};
    return FERRY_OK;
}
