#include "rank/explain.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/options.h"

/* What rounding may leave of the sum, as a share of what is added up. */
static const double TOLERANCE = 1e-5;

const char *ferry_group_name(ferry_group group)
{
#define NAME(name, text, words) text,
    static const char *const names[] = {FERRY_GROUP_LIST(NAME)};
#undef NAME
    return (unsigned)group < FERRY_GROUP_COUNT ? names[group] : NULL;
}

const char *ferry_reason_name(ferry_reason reason)
{
#define NAME(name, text, group) text,
    static const char *const names[] = {FERRY_REASON_LIST(NAME)};
#undef NAME
    return (unsigned)reason < FERRY_REASON_COUNT ? names[reason] : NULL;
}

ferry_group ferry_reason_group(ferry_reason reason)
{
#define GROUP(name, text, group) FERRY_GROUP_##group,
    static const ferry_group groups[] = {FERRY_REASON_LIST(GROUP)};
#undef GROUP
    return (unsigned)reason < FERRY_REASON_COUNT ? groups[reason] : FERRY_GROUP_COUNT;
}

void ferry_explain_percent(const double *values, size_t count, unsigned *percent)
{
    double sum = 0.0;
    unsigned given = 0;
    memset(percent, 0, count * sizeof *percent);
    for (size_t i = 0; i < count; i++) sum += values[i] > 0.0 ? values[i] : 0.0;
    if (!(sum > 0.0)) return;
    for (size_t i = 0; i < count; i++) {
        percent[i] = values[i] > 0.0 ? (unsigned)(100.0 * (values[i] / sum)) : 0;
        given += percent[i];
    }
    for (; given < 100; given++) { /* to the one that lacks most */
        size_t most = 0;
        double lacks = -1.0;
        for (size_t i = 0; i < count; i++) {
            double rest = 100.0 * (values[i] / sum) - (double)percent[i];
            if (!(values[i] > 0.0) || !(rest > lacks)) continue;
            lacks = rest;
            most = i;
        }
        percent[most]++;
    }
}

/* ---- one state of a visitor ---- */

void ferry_explainer_close(ferry_explainer *explainer)
{
    ferry_arena_free(&explainer->arena);
}

static const ferry_reason reason_of[FERRY_MODALITY_COUNT] = {
    [FERRY_MODALITY_TEXT] = FERRY_REASON_TEXT,
    [FERRY_MODALITY_IMAGE] = FERRY_REASON_IMAGE,
    [FERRY_MODALITY_AUDIO] = FERRY_REASON_AUDIO};

/* What the event weighs in the sum that ferry_visitor_encode makes. */
static double weight_of(const ferry_visitor *visitor, size_t i)
{
    const ferry_history_event *event = &visitor->events[i];
    unsigned char has = visitor->catalog->modalities[event->item];
    return (double)(event->weight * visitor->scale[i] * visitor->modalities.gain[has]);
}

/* Segment by segment: a product of rows is the sum of theirs. */
static void explain_vectors(ferry_explainer *e, size_t item)
{
    const ferry_visitor *visitor = e->visitor;
    const ferry_catalog *catalog = visitor->catalog;
    size_t N = catalog->dimension;
    const float *of = catalog->vectors + item * N;
    double square = 0.0, gain = (double)visitor->modalities.gain[catalog->modalities[item]];
    memset(e->query, 0, N * sizeof *e->query);
    for (size_t i = 0; i < visitor->count; i++) {
        const float *row = catalog->vectors + visitor->events[i].item * N;
        double weight = weight_of(visitor, i);
        for (size_t n = 0; n < N; n++) e->query[n] += weight * (double)row[n];
    }
    for (size_t s = 0; s < catalog->segment_count; s++) {
        const ferry_segment *segment = &catalog->segments[s];
        double sum = 0.0;
        for (size_t n = 0; n < segment->dimension; n++)
            sum += e->query[segment->offset + n] * e->query[segment->offset + n];
        square += (double)visitor->modalities.ratio[s] * sum;
    }
    for (size_t i = 0; i < visitor->count && square > 0.0; i++) {
        const float *row = catalog->vectors + visitor->events[i].item * N;
        for (size_t s = 0; s < catalog->segment_count; s++) {
            const ferry_segment *segment = &catalog->segments[s];
            double product = 0.0;
            for (size_t n = segment->offset; n < segment->offset + segment->dimension; n++)
                product += (double)row[n] * (double)of[n];
            ferry_terms_add(&e->terms, i, reason_of[segment->modality],
                            gain * (double)visitor->modalities.ratio[s] * weight_of(visitor, i) *
                                product / sqrt(square));
        }
    }
}

static ferry_status prepare(ferry_explainer *e, ferry_error *error)
{
    const ferry_catalog *catalog = e->visitor->catalog;
    size_t events = e->visitor->count;
    e->order = ferry_arena_array(&e->arena, events, sizeof *e->order);
    e->sums = ferry_arena_array(&e->arena, events, sizeof *e->sums);
    e->domain = ferry_arena_array(&e->arena, catalog->domain_count, sizeof *e->domain);
    e->weights = ferry_arena_array(&e->arena, events, sizeof *e->weights);
    e->query = ferry_arena_array(&e->arena, catalog->dimension, sizeof *e->query);
    e->events = ferry_arena_array(&e->arena, events, sizeof *e->events);
    if (e->order == NULL || e->sums == NULL || e->domain == NULL || e->weights == NULL ||
        e->query == NULL || e->events == NULL)
        return ferry_fail_memory(error, "an explanation");
    for (size_t i = 0; i < events; i++) e->order[e->visitor->events[i].added] = i;
    return ferry_terms_create(events, &e->arena, &e->terms, error);
}

ferry_status ferry_explainer_open(ferry_visitor *visitor, const ferry_recommend_options *options,
                                  const ferry_recommendation *items, size_t count,
                                  ferry_explainer *out, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    *out = (ferry_explainer){.visitor = visitor};
    ferry_arena_init(&out->arena, visitor->allocator);
    FERRY_TRY(ferry_options_read(options, "ferry_recommend_options", &out->options,
                                 sizeof out->options, error));
    memset(visitor->wanted, 0, catalog->domain_count);
    for (size_t i = 0; i < count; i++) {
        if (items[i].item >= catalog->count)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "item %zu of %zu", items[i].item,
                              catalog->count);
        visitor->wanted[catalog->items[items[i].item].domain] = 1;
    }
    FERRY_TRY(ferry_visitor_score(visitor, &out->options, error));
    return prepare(out, error);
}

/* What is like disliked items of the domain is pushed down, if it is like them on the whole. */
static void explain_dislikes(ferry_explainer *e, size_t item)
{
    const ferry_visitor *visitor = e->visitor;
    const ferry_catalog *catalog = visitor->catalog;
    uint32_t domain = catalog->items[item].domain;
    const ferry_model_domain *dom = &visitor->model->domains[visitor->model_domain[domain]];
    size_t K = dom->whiten.K, found = 0;
    const float *text = dom->text + catalog->within[item] * K;
    double like = 0.0;
    for (size_t i = 0; i < visitor->count; i++) {
        const ferry_history_event *event = &visitor->events[i];
        double much = -(double)(event->weight * visitor->scale[i]), dot = 0.0;
        if (!(much > 0.0) || catalog->items[event->item].domain != domain) continue;
        const float *row = dom->text + catalog->within[event->item] * K;
        for (size_t k = 0; k < K; k++) dot += (double)row[k] * (double)text[k];
        e->weights[found] = much * dot;
        e->events[found++] = (uint32_t)i;
        like += much * dot;
    }
    for (size_t j = 0; j < found && like > 0.0; j++)
        ferry_terms_add(&e->terms, e->events[j], FERRY_REASON_DISLIKED,
                        -(double)FERRY_DISLIKE_PUSH * e->weights[j]);
}

static ferry_status explain_by_model(ferry_explainer *e, size_t item, ferry_error *error)
{
    ferry_visitor *visitor = e->visitor;
    uint32_t domain = visitor->catalog->items[item].domain;
    if (e->domain[domain] == NULL) {
        ferry_model_explainer *made = ferry_arena_array(&e->arena, 1, sizeof *made);
        if (made == NULL) return ferry_fail_memory(error, "an explanation");
        FERRY_TRY(ferry_model_explainer_make(visitor->model, visitor->model_domain[domain],
                                             visitor->history, visitor->history_count,
                                             visitor->model_scratch, &e->arena, made, error));
        e->domain[domain] = made;
    }
    ferry_model_explain(e->domain[domain], visitor->catalog->within[item], &e->terms);
    explain_dislikes(e, item);
    return FERRY_OK;
}

static ferry_status make_terms(ferry_explainer *e, size_t item, ferry_error *error)
{
    const ferry_visitor *visitor = e->visitor;
    const ferry_catalog *catalog = visitor->catalog;
    uint32_t domain = catalog->items[item].domain;
    ferry_terms_clear(&e->terms);
    if (!visitor->scored[domain].texts)
        FERRY_TRY(explain_by_model(e, item, error));
    else
        explain_vectors(e, item);
    if (visitor->model != NULL) {
        const float *popularity =
            visitor->model->domains[visitor->model_domain[domain]].log_popularity;
        ferry_terms_add(&e->terms, e->terms.count, FERRY_REASON_NOVELTY,
                        -(double)e->options.novelty * (double)popularity[catalog->within[item]]);
    }
    e->terms.constant += visitor->scored[domain].constant;
    return FERRY_OK;
}

/* ---- one item ---- */

typedef struct owned {
    ferry_explanation explanation; /* first, so that one pointer is both */
    ferry_arena arena;
} owned;

void ferry_explanation_free(ferry_explanation *explanation)
{
    if (explanation == NULL) return;
    owned *o = (owned *)(void *)explanation;
    ferry_allocator allocator = o->arena.allocator;
    ferry_arena_free(&o->arena);
    ferry_release(&allocator, o, sizeof *o);
}

/* The terms that are not 0 and their sums: by event, as they were added, and by group. */
static bool collect(ferry_explainer *e, owned *o)
{
    const ferry_terms *terms = &e->terms;
    size_t size = (terms->count + 1) * FERRY_REASON_COUNT, count = 0;
    ferry_explanation *x = &o->explanation;
    for (size_t i = 0; i < size; i++) count += terms->value[i] != 0.0;
    ferry_contribution *list = ferry_arena_array(&o->arena, count, sizeof *list);
    if (list == NULL) return false;
    x->contributions = list;
    for (size_t event = 0; event <= terms->count; event++) {
        bool of_none = event == terms->count;
        const double *row = terms->value + (of_none ? event : e->order[event]) * FERRY_REASON_COUNT;
        double sum = 0.0;
        for (size_t p = 0; p < FERRY_REASON_COUNT; p++) {
            ferry_reason reason = (ferry_reason)p;
            if (row[p] == 0.0) continue;
            sum += row[p];
            x->group[ferry_reason_group(reason)] += row[p];
            x->approximate[p] = terms->approximate[p];
            list[x->contribution_count++] =
                (ferry_contribution){of_none ? FERRY_NO_EVENT : event, reason, row[p]};
        }
        if (!of_none) e->sums[event] = sum;
    }
    return true;
}

/* The history, and the event that speaks most for the item. */
static bool describe_events(ferry_explainer *e, owned *o)
{
    const ferry_visitor *visitor = e->visitor;
    ferry_explanation *x = &o->explanation;
    ferry_explained_event *events = ferry_arena_array(&o->arena, visitor->count, sizeof *events);
    if (events == NULL) return false;
    x->events = events;
    x->event_count = visitor->count;
    x->because = FERRY_NO_EVENT;
    for (size_t i = 0; i < visitor->count; i++) {
        events[i] = (ferry_explained_event){visitor->events[e->order[i]].item, e->sums[i]};
        if (e->sums[i] > 0.0 && (x->because == FERRY_NO_EVENT || e->sums[i] > e->sums[x->because]))
            x->because = i;
    }
    return true;
}

/* score = constant + contributions + residual, and nothing but rounding in the residual. */
static ferry_status check_sum(const ferry_explainer *e, ferry_explanation *x, ferry_error *error)
{
    double sum = x->constant, size = fabs((double)x->score) + fabs(x->constant);
    for (size_t i = 0; i < x->contribution_count; i++) {
        sum += x->contributions[i].value;
        size += fabs(x->contributions[i].value);
    }
    x->residual = (double)x->score - sum;
    if (!x->complete || fabs(x->residual) <= TOLERANCE * size) return FERRY_OK;
    const ferry_item *item = &e->visitor->catalog->items[x->item].item;
    return ferry_fail(error, FERRY_INCONSISTENT,
                      "the explanation of \"%s\" adds up to %.9g, but its score is %.9g: please "
                      "report this",
                      item->id, sum, (double)x->score);
}

static ferry_status fill(ferry_explainer *e, size_t item, owned *o, ferry_error *error)
{
    ferry_explanation *x = &o->explanation;
    FERRY_TRY(make_terms(e, item, error));
    x->item = item;
    x->score = e->visitor->scores[item];
    x->constant = e->terms.constant;
    x->complete = e->terms.complete;
    if (!collect(e, o) || !describe_events(e, o)) return ferry_fail_memory(error, "an explanation");
    FERRY_TRY(check_sum(e, x, error));
    ferry_explain_percent(x->group, FERRY_GROUP_COUNT, x->percent);
    const ferry_history_event *because =
        x->because != FERRY_NO_EVENT ? &e->visitor->events[e->order[x->because]] : NULL;
    x->sentence = ferry_explanation_sentence(e->visitor, x, because, &o->arena);
    return x->sentence != NULL ? FERRY_OK : ferry_fail_memory(error, "an explanation");
}

ferry_status ferry_explainer_explain(ferry_explainer *explainer, size_t item,
                                     ferry_explanation **out, ferry_error *error)
{
    const ferry_allocator *allocator = &explainer->visitor->allocator;
    *out = NULL;
    owned *o = ferry_allocate(allocator, 1, sizeof *o);
    if (o == NULL) return ferry_fail_memory(error, "an explanation");
    ferry_arena_init(&o->arena, *allocator);
    ferry_status status = fill(explainer, item, o, error);
    if (status == FERRY_OK)
        *out = &o->explanation;
    else
        ferry_explanation_free(&o->explanation);
    return status;
}

ferry_status ferry_visitor_explain(ferry_visitor *visitor, const ferry_recommend_options *options,
                                   size_t item, ferry_explanation **out, ferry_error *error)
{
    ferry_explainer explainer;
    ferry_recommendation asked = {.item = item};
    *out = NULL;
    ferry_status status = ferry_explainer_open(visitor, options, &asked, 1, &explainer, error);
    if (status == FERRY_OK) status = ferry_explainer_explain(&explainer, item, out, error);
    ferry_explainer_close(&explainer);
    return status;
}
