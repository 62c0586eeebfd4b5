#include "train/validate.h"

#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "math/elementary.h"

enum { TOP = 10, MOST_EVENTS = 512 /* of a history, the newest */ };

/* One user to be ranked for. */
typedef struct case_of {
    uint32_t domain;               /* the net's */
    uint32_t first, count, target; /* the data set's events of the history; the item to be found */
} case_of;

typedef struct worker {
    ferry_net_event *events; /* [MOST_EVENTS] */
    float *user, *scores, *scratch;
} worker;

struct ferry_validation {
    ferry_arena arena; /* everything */
    ferry_allocator allocator;
    const ferry_dataset *dataset;
    const size_t *domains;
    const float *const *content;
    const ferry_kernels *kernels;
    ferry_pool *pool;
    case_of *cases; /* [count] */
    size_t count;
    double *values;   /* [count] */
    float **items;    /* [domains] -> [n, d] the net's item vectors */
    float *item_room; /* the net's scratch */
    worker *workers;  /* [threads] */
    const ferry_net *net;
};

/* A sample of a domain's users with a validation event behind at least one training event. */
static ferry_status add_cases(ferry_validation *v, uint32_t d, size_t users, uint64_t seed,
                              ferry_error *error)
{
    const ferry_interactions *from = &v->dataset->domains[v->domains[d]];
    uint32_t *order = ferry_arena_array(&v->arena, from->user_count, sizeof *order);
    if (order == NULL) return ferry_fail_memory(error, "validation");
    for (size_t u = 0; u < from->user_count; u++) order[u] = (uint32_t)u;
    ferry_random random;
    ferry_random_seed(&random, seed, 4242);
    ferry_random_shuffle(&random, order, from->user_count);
    size_t taken = 0;
    for (size_t i = 0; i < from->user_count && taken < users; i++) {
        uint32_t first = from->start[order[i]], end = from->start[order[i] + 1], at = first;
        while (at < end && from->part[at] == FERRY_TRAIN) at++;
        if (at == first || at == end || from->part[at] != FERRY_VALIDATION) continue;
        uint32_t count = at - first < MOST_EVENTS ? at - first : MOST_EVENTS;
        v->cases[v->count++] = (case_of){d, at - count, count, from->item[at]};
        taken++;
    }
    return FERRY_OK;
}

static ferry_status allocate(ferry_validation *v, const ferry_net *net, size_t users,
                             ferry_error *error)
{
    size_t threads = ferry_pool_threads(v->pool), most = 1, room, d = net->config.sequence.dim;
    v->cases = ferry_arena_array(&v->arena, net->domain_count * users, sizeof *v->cases);
    v->values = ferry_arena_array(&v->arena, net->domain_count * users, sizeof *v->values);
    v->items = ferry_arena_array(&v->arena, net->domain_count, sizeof *v->items);
    v->item_room = ferry_arena_array(&v->arena, ferry_net_item_scratch(net), sizeof(float));
    v->workers = ferry_arena_array(&v->arena, threads, sizeof *v->workers);
    if (v->cases == NULL || v->values == NULL || v->items == NULL || v->item_room == NULL ||
        v->workers == NULL || !ferry_net_user_scratch(net, MOST_EVENTS, &room))
        return ferry_fail_memory(error, "validation");
    for (size_t i = 0; i < net->domain_count; i++) {
        size_t n = net->domain[i].item_count;
        most = n > most ? n : most;
        v->items[i] = ferry_arena_array(&v->arena, n, d * sizeof(float));
        if (v->items[i] == NULL) return ferry_fail_memory(error, "validation");
    }
    for (size_t i = 0; i < threads; i++) {
        worker *w = &v->workers[i];
        w->events = ferry_arena_array(&v->arena, MOST_EVENTS, sizeof *w->events);
        w->user = ferry_arena_array(&v->arena, d, sizeof *w->user);
        w->scores = ferry_arena_array(&v->arena, most, sizeof *w->scores);
        w->scratch = ferry_arena_array(&v->arena, room, sizeof *w->scratch);
        if (w->events == NULL || w->user == NULL || w->scores == NULL || w->scratch == NULL)
            return ferry_fail_memory(error, "validation");
    }
    return FERRY_OK;
}

ferry_status ferry_validation_create(const ferry_net *net, const ferry_dataset *dataset,
                                     const size_t *domains, const float *const *content,
                                     size_t users, uint64_t seed, const ferry_kernels *kernels,
                                     ferry_pool *pool, const ferry_allocator *allocator,
                                     ferry_validation **out, ferry_error *error)
{
    ferry_allocator chosen = ferry_allocator_or_default(allocator);
    ferry_validation *v = ferry_allocate(&chosen, 1, sizeof *v);
    *out = NULL;
    if (v == NULL) return ferry_fail_memory(error, "validation");
    *v = (ferry_validation){.allocator = chosen,
                            .dataset = dataset,
                            .domains = domains,
                            .content = content,
                            .kernels = kernels,
                            .pool = pool};
    ferry_arena_init(&v->arena, chosen);
    ferry_status status = allocate(v, net, users, error);
    for (uint32_t d = 0; d < net->domain_count && status == FERRY_OK; d++)
        status = add_cases(v, d, users, seed, error);
    if (status != FERRY_OK) {
        ferry_validation_close(v);
        return status;
    }
    *out = v;
    return FERRY_OK;
}

void ferry_validation_close(ferry_validation *v)
{
    if (v == NULL) return;
    ferry_allocator allocator = v->allocator;
    ferry_arena_free(&v->arena);
    ferry_release(&allocator, v, sizeof *v);
}

size_t ferry_validation_users(const ferry_validation *validation)
{
    return validation->count;
}

static void rank_case(void *context, size_t index, size_t at)
{
    ferry_validation *v = context;
    const case_of *c = &v->cases[index];
    const ferry_interactions *from = &v->dataset->domains[v->domains[c->domain]];
    const float *items = v->items[c->domain];
    worker *w = &v->workers[at];
    size_t d = v->net->config.sequence.dim, n = v->net->domain[c->domain].item_count;
    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t event = c->first + i;
        w->events[i] = (ferry_net_event){items + from->item[event] * d, from->behavior[event],
                                         from->timestamp[event]};
    }
    ferry_net_user_vector(v->net, v->kernels, c->domain, w->events, c->count, w->user, w->scratch);
    v->kernels->dot_rows(items, w->user, w->scores, n, d);
    float target = w->scores[c->target];
    bool seen = false;
    for (uint32_t i = 0; i < c->count; i++) {
        seen = seen || from->item[c->first + i] == c->target;
        w->scores[from->item[c->first + i]] = -1e30f;
    }
    size_t better = 0, equal = 0;
    for (size_t i = 0; i < n; i++) {
        better += w->scores[i] > target;
        equal += w->scores[i] == target;
    }
    double rank = (double)better + ((double)equal - 1.0) / 2.0; /* from 0 */
    v->values[index] = 0.0;
    if (!seen && equal > 0 && rank < (double)TOP) /* not a number equals nothing */
        v->values[index] = ferry_log(2.0) / ferry_log(rank + 2.0);
}

void ferry_validation_run(ferry_validation *v, const ferry_net *net, double *ndcg)
{
    double sum = 0.0;
    v->net = net;
    for (size_t d = 0; d < net->domain_count; d++)
        ferry_net_item_vectors(net, v->kernels, d, v->content != NULL ? v->content[d] : NULL, 0,
                               net->domain[d].item_count, v->items[d], v->item_room);
    ferry_pool_run(v->pool, v->count, rank_case, v);
    for (size_t i = 0; i < v->count; i++) sum = sum + v->values[i];
    *ndcg = v->count > 0 ? sum / (double)v->count : 0.0;
}
