/* What a model holds beside what it learned: made when it is opened, or at the end of training. */
#include "recsys/model_parts.h"

#include <string.h>

#include "base/error.h"
#include "math/elementary.h"

enum { ROWS_FOR_A_DIMENSION = 4 /* before a covariance says something of a domain */ };

ferry_status ferry_model_create(const ferry_catalog *catalog, ferry_model **out, ferry_error *error)
{
    ferry_model *model = ferry_allocate(&catalog->allocator, 1, sizeof *model);
    *out = model;
    if (model == NULL) return ferry_fail_memory(error, "the model");
    model->catalog = catalog;
    model->kernels = catalog->kernels;
    ferry_arena_init(&model->arena, catalog->allocator);
    return FERRY_OK;
}

void ferry_model_close(ferry_model *model)
{
    if (model == NULL) return;
    ferry_allocator allocator = model->arena.allocator;
    for (size_t d = 0; d < model->domain_count; d++) {
        ferry_tfidf_free(&model->domains[d].words);
        ferry_tfidf_free(&model->domains[d].title);
        ferry_tfidf_free(&model->domains[d].tags);
        ferry_tfidf_free(&model->domains[d].author);
    }
    ferry_net_close(model->net);
    ferry_arena_free(&model->arena);
    ferry_release(&allocator, model, sizeof *model);
}

/* ---- texts and vectors ---- */

ferry_status ferry_model_vectors(const ferry_model *model, size_t domain, ferry_arena *arena,
                                 const float **out, ferry_error *error)
{
    const ferry_catalog *catalog = model->catalog;
    const ferry_model_domain *dom = &model->domains[domain];
    return ferry_catalog_texts(catalog,
                               catalog->domain_items + catalog->domain_first[dom->catalog_domain],
                               dom->items, arena, out, error);
}

static ferry_status whitened(const ferry_model *model, const ferry_whiten *whiten,
                             const float *vectors, size_t n, bool normalize, ferry_arena *arena,
                             float **out, ferry_error *error)
{
    *out = ferry_arena_array(arena, n, whiten->K * sizeof **out);
    if (*out == NULL) return ferry_fail_memory(error, "a domain's text vectors");
    return ferry_whiten_apply(model->kernels, whiten, vectors, n, normalize, *out,
                              &model->arena.allocator, error);
}

ferry_status ferry_model_content(const ferry_model *model, const float *vectors, size_t n, size_t C,
                                 ferry_arena *arena, float **out, ferry_error *error)
{
    size_t K = model->whiten.K;
    float *all;
    *out = NULL;
    FERRY_TRY(whitened(model, &model->whiten, vectors, n, false, arena, &all, error));
    for (size_t i = 0; i < n; i++) /* row i's new place is not behind its old one: C <= K */
        for (size_t c = 0; c < C; c++) all[i * C + c] = all[i * K + c] * model->content_scale;
    *out = all;
    return FERRY_OK;
}

/* ---- a domain ---- */

/* Vectors of the domain's items and room that lasts for one function's work. */
typedef struct preparing {
    ferry_model *model;
    ferry_model_domain *domain;
    size_t index;
    ferry_arena scratch;
    const float *vectors; /* [n, N] */
} preparing;

static ferry_status begin(ferry_model *model, size_t domain, preparing *p, ferry_error *error)
{
    *p = (preparing){.model = model, .domain = &model->domains[domain], .index = domain};
    ferry_arena_init(&p->scratch, model->arena.allocator);
    return ferry_model_vectors(model, domain, &p->scratch, &p->vectors, error);
}

static ferry_status make_net_items(preparing *p, ferry_error *error)
{
    ferry_model *model = p->model;
    size_t d = model->net->config.sequence.dim, C = model->net->config.content_dim;
    size_t n = p->domain->items;
    float *items = ferry_arena_array(&model->arena, n, d * sizeof *items), *content = NULL;
    float *room = ferry_arena_array(&p->scratch, ferry_net_item_scratch(model->net), sizeof *room);
    if (items == NULL || room == NULL) return ferry_fail_memory(error, "the net's item vectors");
    if (C > 0)
        FERRY_TRY(ferry_model_content(model, p->vectors, n, C, &p->scratch, &content, error));
    ferry_net_item_vectors(model->net, model->kernels, p->index, content, 0, n, items, room);
    p->domain->net_items = items;
    return FERRY_OK;
}

ferry_status ferry_model_prepare_net(ferry_model *model, size_t domain, ferry_error *error)
{
    preparing p;
    ferry_status status = begin(model, domain, &p, error);
    if (status == FERRY_OK) status = make_net_items(&p, error);
    ferry_arena_free(&p.scratch);
    return status;
}

/* Whether a profile is ever made of the domain's items, or compared with them. */
static bool shares_text(const ferry_model *model, size_t domain)
{
    for (size_t d = 0; d < model->known_domains && domain < model->known_domains; d++)
        if (model->domains[d].across.source_items > 0) return true;
    return false;
}

static ferry_status make_text(preparing *p, bool every_feature, ferry_error *error)
{
    ferry_model *model = p->model;
    ferry_model_domain *dom = p->domain;
    float *text;
    FERRY_TRY(
        whitened(model, &dom->whiten, p->vectors, dom->items, true, &model->arena, &text, error));
    dom->text = text;
    bool same = dom->whiten.projection == model->whiten.projection;
    if (same) dom->shared_text = text;
    if (same || (!every_feature && !shares_text(model, p->index))) return FERRY_OK;
    FERRY_TRY(
        whitened(model, &model->whiten, p->vectors, dom->items, true, &model->arena, &text, error));
    dom->shared_text = text;
    return FERRY_OK;
}

/* Whether any situation that the domain can be in weighs one of these features. */
static bool uses(const ferry_model_domain *dom, ferry_feature first, ferry_feature last)
{
    for (size_t s = 0; s < FERRY_SITUATIONS; s++) {
        if (s == (dom->learned ? FERRY_NEW_DOMAIN : FERRY_KNOWN)) continue;
        for (size_t f = first; f <= last; f++)
            if (dom->mix[s][f] != 0.0f) return true;
    }
    return false;
}

/* Those tables that are used and not yet there. */
static ferry_status make_words(preparing *p, bool every_feature, ferry_error *error)
{
    const ferry_catalog *catalog = p->model->catalog;
    const ferry_allocator *allocator = &p->model->arena.allocator;
    ferry_model_domain *dom = p->domain;
    size_t n = dom->items;
    const uint32_t *index = catalog->domain_items + catalog->domain_first[dom->catalog_domain];
    ferry_item *items = ferry_arena_array(&p->scratch, n, sizeof *items);
    if (items == NULL) return ferry_fail_memory(error, "the words of the items");
    for (size_t i = 0; i < n; i++) items[i] = catalog->items[index[i]].item;
    unsigned all = FERRY_TERMS_TITLE | FERRY_TERMS_TAGS | FERRY_TERMS_AUTHOR;
    if (dom->words.items.start == NULL)
        FERRY_TRY(ferry_tfidf_create(items, n, all, allocator, &dom->words, error));
    if (dom->title.items.start != NULL ||
        (!every_feature && !uses(dom, FERRY_FEATURE_TITLE, FERRY_FEATURE_TAGS)))
        return FERRY_OK;
    FERRY_TRY(ferry_tfidf_create(items, n, FERRY_TERMS_TITLE, allocator, &dom->title, error));
    FERRY_TRY(ferry_tfidf_create(items, n, FERRY_TERMS_TAGS, allocator, &dom->tags, error));
    return ferry_tfidf_authors(items, n, allocator, &dom->author, error);
}

static ferry_status make_popularity(preparing *p, ferry_error *error)
{
    ferry_model_domain *dom = p->domain;
    float *popularity = ferry_arena_array(&p->model->arena, dom->items, sizeof *popularity);
    if (popularity == NULL) return ferry_fail_memory(error, "the popularity");
    dom->learned = false;
    for (size_t i = 0; i < dom->items; i++) {
        popularity[i] = ferry_log_float(1.0f + dom->popularity[i]);
        dom->learned = dom->learned || dom->popularity[i] > 0.0f;
    }
    dom->log_popularity = popularity;
    return FERRY_OK;
}

ferry_status ferry_model_prepare_text(ferry_model *model, size_t domain, bool every_feature,
                                      ferry_error *error)
{
    preparing p;
    ferry_status status = begin(model, domain, &p, error);
    if (status == FERRY_OK) status = make_popularity(&p, error);
    if (status == FERRY_OK) status = make_text(&p, every_feature, error);
    if (status == FERRY_OK) status = make_words(&p, every_feature, error);
    ferry_arena_free(&p.scratch);
    return status;
}

ferry_status ferry_model_set_mix(ferry_model *model, size_t domain,
                                 const float mix[FERRY_SITUATIONS][FERRY_FEATURES],
                                 ferry_error *error)
{
    preparing p;
    memcpy(model->domains[domain].mix, mix, sizeof model->domains[domain].mix);
    ferry_status status = begin(model, domain, &p, error);
    if (status == FERRY_OK) status = make_words(&p, false, error);
    ferry_arena_free(&p.scratch);
    return status;
}

/* ln(linked + .05 popularity / most + FERRY_LINKED_FLOOR): who is linked first, and everybody
 * between equals. */
ferry_status ferry_model_prepare_across(ferry_model *model, size_t domain, ferry_pool *pool,
                                        ferry_error *error)
{
    ferry_model_domain *dom = &model->domains[domain];
    ferry_across *a = &dom->across;
    float *linked = ferry_arena_array(&model->arena, dom->items, sizeof *linked), most = 1.0f;
    if (linked == NULL) return ferry_fail_memory(error, "the popularity");
    for (size_t i = 0; i < dom->items; i++)
        most = dom->popularity[i] > most ? dom->popularity[i] : most;
    for (size_t i = 0; i < dom->items; i++)
        linked[i] =
            ferry_log_float(a->linked[i] + 0.05f * dom->popularity[i] / most + FERRY_LINKED_FLOOR);
    dom->log_linked = linked;
    return ferry_als_side_init(model->kernels, a->source_factors, a->source_items, a->fold.F,
                               a->fold.alpha, a->lambda, pool, &model->arena, &a->fold, error);
}

ferry_status ferry_model_prepare(ferry_model *model, ferry_pool *pool, ferry_error *error)
{
    for (size_t d = 0; d < model->domain_count; d++) {
        FERRY_TRY(ferry_model_prepare_text(model, d, false, error));
        if (model->domains[d].across.source_items > 0)
            FERRY_TRY(ferry_model_prepare_across(model, d, pool, error));
        if (model->net != NULL && d < model->known_domains)
            FERRY_TRY(ferry_model_prepare_net(model, d, error));
    }
    return FERRY_OK;
}

/* ---- domains that nothing was learned of ---- */

static bool is_known(const ferry_model *model, uint32_t catalog_domain)
{
    for (size_t d = 0; d < model->known_domains; d++)
        if (model->domains[d].catalog_domain == catalog_domain) return true;
    return false;
}

/*
 * The domain's texts whitened by what they have in common: that needs no events, and is how the
 * weights of a new domain were learned. One too small to tell is whitened as the domains together.
 */
static ferry_status whiten_new_domain(ferry_model *model, size_t domain, ferry_error *error)
{
    ferry_model_domain *dom = &model->domains[domain];
    const float *vectors;
    ferry_arena scratch;
    dom->whiten = model->whiten;
    if (dom->items < ROWS_FOR_A_DIMENSION * model->whiten.K) return FERRY_OK;
    ferry_arena_init(&scratch, model->arena.allocator);
    ferry_status status = ferry_model_vectors(model, domain, &scratch, &vectors, error);
    if (status == FERRY_OK)
        status = ferry_whiten_fit(model->kernels, &vectors, &dom->items, 1, model->whiten.N,
                                  model->whiten.K, FERRY_WHITEN_POWER, &model->arena, &dom->whiten,
                                  error);
    ferry_arena_free(&scratch);
    return status;
}

ferry_status ferry_model_add_new_domains(ferry_model *model, ferry_error *error)
{
    const ferry_catalog *catalog = model->catalog;
    for (uint32_t c = 0; c < catalog->domain_count; c++) {
        if (is_known(model, c)) continue;
        ferry_model_domain *dom = &model->domains[model->domain_count];
        *dom = (ferry_model_domain){.name = catalog->domains[c], .catalog_domain = c};
        dom->items = catalog->domain_first[c + 1] - catalog->domain_first[c];
        dom->popularity = ferry_arena_array(&model->arena, dom->items, sizeof *dom->popularity);
        if (dom->popularity == NULL) return ferry_fail_memory(error, "a new domain");
        memcpy(dom->mix, model->domains[0].mix, sizeof dom->mix);
        FERRY_TRY(whiten_new_domain(model, model->domain_count++, error));
    }
    return FERRY_OK;
}

/* ---- scratch ---- */

static bool allocate_scratch(const ferry_model *model, ferry_model_scratch *s)
{
    size_t n = 1, F = 1, fold = 1, net = 1, terms = 1, most = FERRY_MODEL_MOST_EVENTS;
    size_t K = model->whiten.K, d = model->net != NULL ? model->net->config.sequence.dim : 1;
    for (size_t i = 0; i < model->domain_count; i++) {
        const ferry_model_domain *dom = &model->domains[i];
        size_t bytes = 0;
        n = dom->items > n ? dom->items : n;
        const size_t counts[] = {dom->words.terms.rows, dom->title.terms.rows, dom->tags.terms.rows,
                                 dom->author.terms.rows};
        for (size_t t = 0; t < 4; t++) terms = counts[t] > terms ? counts[t] : terms;
        if (dom->across.source_items == 0) continue;
        if (!ferry_als_scratch(dom->across.fold.F, most, &bytes)) return false;
        fold = bytes > fold ? bytes : fold;
        F = dom->across.fold.F > F ? dom->across.fold.F : F;
    }
    if (model->net != NULL && !ferry_net_user_scratch(model->net, most, &net)) return false;
    bool fits = true;
    for (size_t f = 0; f < FERRY_FEATURES; f++) {
        s->values[f] = ferry_arena_array(&s->arena, n, sizeof(float));
        fits = fits && s->values[f] != NULL;
    }
    s->sum = ferry_arena_array(&s->arena, n, sizeof *s->sum);
    s->mark = ferry_arena_array(&s->arena, n, sizeof *s->mark);
    s->touched = ferry_arena_array(&s->arena, n, sizeof *s->touched);
    s->query = ferry_arena_array(&s->arena, 2 * K, sizeof *s->query);
    s->terms = ferry_arena_array(&s->arena, terms, sizeof *s->terms);
    s->low = ferry_arena_array(&s->arena, 2 * F, sizeof *s->low);
    s->events = ferry_arena_array(&s->arena, most, sizeof *s->events);
    s->items = ferry_arena_array(&s->arena, most, sizeof *s->items);
    s->places = ferry_arena_array(&s->arena, most, sizeof *s->places);
    s->weights = ferry_arena_array(&s->arena, most, sizeof *s->weights);
    s->user = ferry_arena_array(&s->arena, d, sizeof *s->user);
    s->net = ferry_arena_array(&s->arena, net, sizeof *s->net);
    s->fold = ferry_arena_array(&s->arena, fold, 1);
    return fits && s->sum != NULL && s->mark != NULL && s->touched != NULL && s->query != NULL &&
           s->low != NULL && s->terms != NULL && s->events != NULL && s->items != NULL &&
           s->places != NULL && s->weights != NULL && s->user != NULL && s->net != NULL &&
           s->fold != NULL;
}

ferry_status ferry_model_scratch_create(const ferry_model *model, ferry_model_scratch **out,
                                        ferry_error *error)
{
    const ferry_allocator *allocator = &model->arena.allocator;
    ferry_model_scratch *scratch = ferry_allocate(allocator, 1, sizeof *scratch);
    *out = NULL;
    if (scratch == NULL) return ferry_fail_memory(error, "the scores");
    ferry_arena_init(&scratch->arena, *allocator);
    if (!allocate_scratch(model, scratch)) {
        ferry_model_scratch_close(scratch);
        return ferry_fail_memory(error, "the scores");
    }
    *out = scratch;
    return FERRY_OK;
}

void ferry_model_scratch_close(ferry_model_scratch *scratch)
{
    if (scratch == NULL) return;
    ferry_allocator allocator = scratch->arena.allocator;
    ferry_arena_free(&scratch->arena);
    ferry_release(&allocator, scratch, sizeof *scratch);
}
