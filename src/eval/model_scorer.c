#include "eval/model_scorer.h"

#include <string.h>

#include "base/error.h"

struct ferry_model_scorer {
    ferry_arena arena; /* everything but the scratches */
    ferry_allocator allocator;
    const ferry_model *model;
    size_t domain;        /* the model's */
    uint32_t *domain_of;  /* [data set's domains] the model's, or FERRY_NO_ITEM */
    uint8_t *behavior_of; /* [data set's behaviours] the model's; its first for unknown ones */
    size_t threads;
    ferry_model_scratch **scratch; /* [threads] */
    ferry_history_entry **history; /* [threads] -> [longest] */
};

static ferry_status no_memory(ferry_error *error)
{
    return ferry_fail_memory(error, "the model's scores");
}

static ferry_status create(ferry_model_scorer *s, const ferry_dataset *dataset, size_t domain,
                           ferry_error *error)
{
    size_t longest = ferry_history_longest(dataset);
    s->domain_of = ferry_arena_array(&s->arena, dataset->domain_count, sizeof *s->domain_of);
    s->scratch = ferry_arena_array(&s->arena, s->threads, sizeof *s->scratch);
    s->history = ferry_arena_array(&s->arena, s->threads, sizeof *s->history);
    s->behavior_of = ferry_arena_array(&s->arena, dataset->behavior_count, 1);
    if (s->behavior_of == NULL || s->domain_of == NULL || s->scratch == NULL || s->history == NULL)
        return no_memory(error);
    for (size_t d = 0; d < dataset->domain_count; d++) {
        s->domain_of[d] = FERRY_NO_ITEM;
        for (size_t m = 0; m < s->model->domain_count; m++)
            if (strcmp(s->model->domains[m].name, dataset->domains[d].domain) == 0)
                s->domain_of[d] = (uint32_t)m;
    }
    for (size_t b = 0; b < dataset->behavior_count; b++)
        for (size_t m = 0; m < s->model->behavior_count; m++)
            if (strcmp(s->model->behaviors[m], dataset->behaviors[b]) == 0)
                s->behavior_of[b] = (uint8_t)m;
    s->domain = s->domain_of[domain];
    if (s->domain == FERRY_NO_ITEM)
        return ferry_fail(error, FERRY_NOT_FOUND, "the model knows no domain \"%s\"",
                          dataset->domains[domain].domain);
    for (size_t i = 0; i < s->threads; i++) {
        s->history[i] = ferry_arena_array(&s->arena, longest, sizeof **s->history);
        if (s->history[i] == NULL) return no_memory(error);
        FERRY_TRY(ferry_model_scratch_create(s->model, &s->scratch[i], error));
    }
    return FERRY_OK;
}

ferry_status ferry_model_scorer_create(const ferry_model *model, const ferry_dataset *dataset,
                                       size_t domain, ferry_pool *pool, ferry_model_scorer **out,
                                       ferry_error *error)
{
    ferry_allocator allocator = model->arena.allocator;
    ferry_model_scorer *scorer = ferry_allocate(&allocator, 1, sizeof *scorer);
    *out = NULL;
    if (scorer == NULL) return no_memory(error);
    *scorer = (ferry_model_scorer){
        .allocator = allocator, .model = model, .threads = ferry_pool_threads(pool)};
    ferry_arena_init(&scorer->arena, allocator);
    ferry_status status = create(scorer, dataset, domain, error);
    if (status != FERRY_OK) {
        ferry_model_scorer_close(scorer);
        return status;
    }
    *out = scorer;
    return FERRY_OK;
}

void ferry_model_scorer_close(ferry_model_scorer *scorer)
{
    if (scorer == NULL) return;
    ferry_allocator allocator = scorer->allocator;
    for (size_t i = 0; scorer->scratch != NULL && i < scorer->threads; i++)
        ferry_model_scratch_close(scorer->scratch[i]);
    ferry_arena_free(&scorer->arena);
    ferry_release(&allocator, scorer, sizeof *scorer);
}

void ferry_model_scorer_score(void *user, const ferry_history_entry *history, size_t count,
                              size_t worker, float *out)
{
    ferry_model_scorer *scorer = user;
    ferry_history_entry *known = scorer->history[worker];
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t domain = scorer->domain_of[history[i].domain];
        if (domain == FERRY_NO_ITEM) continue;
        known[kept] = history[i];
        known[kept].behavior = scorer->behavior_of[history[i].behavior];
        known[kept++].domain = domain;
    }
    ferry_model_score(scorer->model, scorer->domain, known, kept, scorer->scratch[worker], out);
}
