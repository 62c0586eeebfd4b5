/* A visitor's scores by a model: the history as the model reads it, one domain at a time. */
#include <string.h>

#include "base/error.h"
#include "math/elementary.h"
#include "recsys/visitor.h"

static size_t at_least_one(size_t count)
{
    return count > 0 ? count : 1;
}

static size_t largest_domain(const ferry_catalog *catalog)
{
    size_t most = 1;
    for (size_t d = 0; d < catalog->domain_count; d++) {
        size_t items = catalog->domain_first[d + 1] - catalog->domain_first[d];
        most = items > most ? items : most;
    }
    return most;
}

static void forget_model(ferry_visitor *visitor)
{
    const ferry_catalog *catalog = visitor->catalog;
    const ferry_allocator *allocator = &catalog->allocator;
    ferry_model_scratch_close(visitor->model_scratch);
    if (visitor->model_domain != NULL)
        ferry_release(allocator, visitor->model_domain,
                      at_least_one(catalog->domain_count) * sizeof *visitor->model_domain);
    if (visitor->domain_scores != NULL)
        ferry_release(allocator, visitor->domain_scores, largest_domain(catalog) * sizeof(float));
    ferry_release(allocator, visitor->history,
                  visitor->history_capacity * sizeof *visitor->history);
    visitor->model = NULL;
    visitor->model_scratch = NULL;
    visitor->model_domain = NULL;
    visitor->domain_scores = NULL;
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
    visitor->model_domain = ferry_allocate(&catalog->allocator, at_least_one(catalog->domain_count),
                                           sizeof *visitor->model_domain);
    visitor->domain_scores =
        ferry_allocate(&catalog->allocator, largest_domain(catalog), sizeof(float));
    ferry_status status = visitor->model_domain != NULL && visitor->domain_scores != NULL
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

/* The model's number of a behaviour; one it does not know is read as its first. */
static uint8_t behavior_of(const ferry_visitor *visitor, const ferry_history_event *event)
{
#define TEXT(name, text, weight) text,
    static const char *const names[] = {FERRY_BEHAVIOR_LIST(TEXT)};
#undef TEXT
    const ferry_model *model = visitor->model;
    const char *name = event->behavior == FERRY_OTHER && event->other != FERRY_NO_NAME
                           ? visitor->others.texts[event->other]
                           : names[event->behavior];
    for (size_t b = 0; b < model->behavior_count; b++)
        if (strcmp(model->behaviors[b], name) == 0) return (uint8_t)b;
    return 0;
}

static ferry_status make_history(ferry_visitor *visitor, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    if (visitor->history_capacity < visitor->capacity) {
        size_t size = sizeof *visitor->history;
        void *more = catalog->allocator.reallocate(catalog->allocator.user, visitor->history,
                                                   visitor->history_capacity * size,
                                                   visitor->capacity * size);
        if (more == NULL) return ferry_fail_memory(error, "the history");
        visitor->history = more;
        visitor->history_capacity = visitor->capacity;
    }
    for (size_t i = 0; i < visitor->count; i++) {
        const ferry_history_event *event = &visitor->events[i];
        visitor->history[i] = (ferry_history_entry){
            .domain = visitor->model_domain[catalog->items[event->item].domain],
            .item = catalog->within[event->item],
            .behavior = behavior_of(visitor, event),
            .value = (float)event->value,
            .weight = event->weight,
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
    float here = 0.5f, all = 0.5f * (float)visitor->model->domain_count;
    for (size_t i = 0; i < visitor->count; i++)
        here = here + (visitor->history[i].domain == domain ? 1.0f : 0.0f);
    return ferry_log_float(here / (all + (float)visitor->count));
}

/* ln softmax in place; [n] */
static void log_softmax(float *x, size_t n)
{
    float largest = n > 0 ? x[0] : 0.0f;
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) largest = x[i] > largest ? x[i] : largest;
    for (size_t i = 0; i < n; i++) sum = sum + (double)ferry_exp(x[i] - largest);
    float shift = largest + (n > 0 ? (float)ferry_log(sum) : 0.0f);
    for (size_t i = 0; i < n; i++) x[i] = x[i] - shift;
}

/* Cosines of the visitor's vector to a domain's items, run by run of those that stand together. */
static void score_texts(ferry_visitor *visitor, uint32_t domain)
{
    const ferry_catalog *catalog = visitor->catalog;
    size_t N = catalog->dimension;
    for (size_t i = catalog->domain_first[domain], end; i < catalog->domain_first[domain + 1];
         i = end) {
        uint32_t first = catalog->domain_items[i];
        end = i + 1;
        while (end < catalog->domain_first[domain + 1] &&
               catalog->domain_items[end] == first + (end - i))
            end++;
        catalog->kernels->dot_rows(catalog->vectors + first * N, visitor->vector,
                                   visitor->scores + first, end - i, N);
    }
}

/* Nothing is known of the domain but its texts, and nothing of the visitor there: what is like the
 * things elsewhere. false if the history has no vector. */
static bool score_unknown(ferry_visitor *visitor, size_t domain)
{
    const ferry_model_domain *d = &visitor->model->domains[domain];
    const uint32_t *items =
        visitor->catalog->domain_items + visitor->catalog->domain_first[d->catalog_domain];
    if (d->learned || ferry_visitor_encode(visitor, NULL) != FERRY_OK) return false;
    score_texts(visitor, d->catalog_domain);
    for (size_t i = 0; i < d->items; i++) visitor->domain_scores[i] = visitor->scores[items[i]];
    return true;
}

static ferry_status score_by_model(ferry_visitor *visitor, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    const ferry_model *model = visitor->model;
    FERRY_TRY(make_history(visitor, error));
    for (size_t d = 0; d < model->domain_count; d++) {
        const ferry_model_domain *domain = &model->domains[d];
        if (!visitor->wanted[domain->catalog_domain]) continue;
        const uint32_t *items =
            catalog->domain_items + catalog->domain_first[domain->catalog_domain];
        ferry_situation situation =
            ferry_model_situation(model, d, visitor->history, visitor->count);
        if (situation != FERRY_STRANGER || !score_unknown(visitor, d))
            ferry_model_score(model, d, visitor->history, visitor->count, visitor->model_scratch,
                              visitor->domain_scores);
        log_softmax(visitor->domain_scores, domain->items);
        float share = log_share(visitor, d);
        for (size_t i = 0; i < domain->items; i++)
            visitor->scores[items[i]] = visitor->domain_scores[i] + share;
    }
    return FERRY_OK;
}

ferry_status ferry_visitor_score(ferry_visitor *visitor, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    if (visitor->model != NULL) return score_by_model(visitor, error);
    FERRY_TRY(ferry_visitor_encode(visitor, error));
    for (uint32_t d = 0; d < catalog->domain_count; d++)
        if (visitor->wanted[d]) score_texts(visitor, d);
    return FERRY_OK;
}
