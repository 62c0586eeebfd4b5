#include "eval/evaluate.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "eval/figures.h"
#include "eval/ranking.h"

enum { USERS_AT_ONCE = 512 /* between two calls of progress */ };

/* What a worker needs to itself. */
typedef struct scratch {
    float *scores;                /* [n] */
    ferry_history_entry *history; /* [longest] */
    ferry_recommendation *best;   /* [longest k] */
    float *sum;                   /* [dimension] */
} scratch;

typedef struct run {
    const ferry_dataset *dataset;
    const ferry_interactions *domain;
    const ferry_eval_options *options;
    ferry_score_items score;
    void *scorer;
    size_t offset; /* index of the first user of this turn */
    scratch *scratch;
    ferry_eval_results *results;
} run;

/* ---- checks ---- */

static ferry_status check(const ferry_dataset *dataset, const ferry_eval_options *options,
                          ferry_error *error)
{
    if (options->domain >= dataset->domain_count)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "domain %zu of %zu", options->domain,
                          dataset->domain_count);
    if (options->part != FERRY_TRAIN && options->part != FERRY_VALIDATION &&
        options->part != FERRY_TEST)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "part %d, expected a ferry_part",
                          (int)options->part);
    if (options->k_count == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "no k to evaluate at");
    for (size_t i = 0; i < options->k_count; i++) {
        size_t k = options->ks[i];
        if (k == 0 || k > FERRY_EVAL_MAX_K)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "k is %zu, expected 1 to %d", k,
                              FERRY_EVAL_MAX_K);
        if (i > 0 && k <= options->ks[i - 1])
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "k %zu after %zu, expected ascending",
                              k, options->ks[i - 1]);
    }
    const ferry_interactions *domain = &dataset->domains[options->domain];
    if (domain->item_count == 0 || domain->item_count >= UINT32_MAX)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "domain \"%s\" has %zu items",
                          domain->domain, domain->item_count);
    return FERRY_OK;
}

/* ---- users and targets ---- */

static bool is_target(const run *job, size_t e)
{
    const uint8_t *behavior = job->options->behavior;
    return job->domain->part[e] == job->options->part &&
           (behavior == NULL || job->domain->behavior[e] == *behavior);
}

static bool has_target(const run *job, size_t row)
{
    for (size_t e = job->domain->start[row]; e < job->domain->start[row + 1]; e++) {
        if (is_target(job, e)) return true;
    }
    return false;
}

/* A random sample of `wanted` of the rows, which stay ascending: selection sampling. */
static size_t sample_rows(uint32_t *rows, size_t count, size_t wanted, uint64_t seed)
{
    if (wanted == 0 || wanted >= count) return count;
    ferry_random random;
    ferry_random_seed(&random, seed, UINT64_MAX); /* the bootstrap's streams count from 0 */
    size_t kept = 0;
    for (size_t i = 0; i < count && kept < wanted; i++) {
        if (ferry_random_below(&random, (uint32_t)(count - i)) < wanted - kept)
            rows[kept++] = rows[i];
    }
    return kept;
}

static ferry_status choose_rows(run *job, ferry_error *error)
{
    ferry_eval_results *results = job->results;
    const ferry_interactions *domain = job->domain;
    results->rows = ferry_arena_array(results->arena, domain->user_count, sizeof *results->rows);
    if (results->rows == NULL) return ferry_fail_memory(error, "the users");
    for (size_t row = 0; row < domain->user_count; row++) {
        if (has_target(job, row)) results->rows[results->user_count++] = (uint32_t)row;
    }
    if (results->user_count == 0)
        return ferry_fail(error, FERRY_NOT_FOUND, "domain \"%s\": no user has a %s event",
                          domain->domain, ferry_part_name(job->options->part));
    results->user_count =
        sample_rows(results->rows, results->user_count, job->options->users, job->options->seed);
    return FERRY_OK;
}

/* The user's distinct items of the part, in the order of their first event, into the results. */
static void add_targets(const run *job, size_t row, ferry_eval_results *results)
{
    const ferry_interactions *domain = job->domain;
    size_t first = results->target_count;
    for (size_t e = domain->start[row]; e < domain->start[row + 1]; e++) {
        if (!is_target(job, e)) continue;
        size_t at = first;
        while (at < results->target_count && results->target[at] != domain->item[e]) at++;
        if (at == results->target_count) results->target_count++;
        results->target[at] = domain->item[e];
        results->target_value[at] = domain->value[e]; /* the newest */
    }
}

static ferry_status find_targets(run *job, ferry_error *error)
{
    ferry_eval_results *results = job->results;
    const ferry_interactions *domain = job->domain;
    size_t events = 0;
    FERRY_TRY(choose_rows(job, error));
    for (size_t i = 0; i < results->user_count; i++) {
        uint32_t row = results->rows[i];
        events += domain->start[row + 1] - domain->start[row];
    }
    ferry_arena *arena = results->arena;
    results->first_target =
        ferry_arena_array(arena, results->user_count + 1, sizeof *results->first_target);
    results->target = ferry_arena_array(arena, events, sizeof *results->target);
    results->target_value = ferry_arena_array(arena, events, sizeof *results->target_value);
    results->predicted = ferry_arena_array(arena, events, sizeof *results->predicted);
    results->rank = ferry_arena_array(arena, events, sizeof *results->rank);
    if (results->first_target == NULL || results->target == NULL || results->target_value == NULL ||
        results->predicted == NULL || results->rank == NULL)
        return ferry_fail_memory(error, "the targets");
    for (size_t i = 0; i < results->user_count; i++) {
        add_targets(job, results->rows[i], results);
        results->first_target[i + 1] = results->target_count;
    }
    return FERRY_OK;
}

/* ---- one user ---- */

/* Items of the history in the domain, and those that are no candidates, are not ranked. */
static void mask(const run *job, const ferry_history_entry *history, size_t count, float *scores)
{
    const ferry_eval_options *options = job->options;
    for (size_t i = 0; i < count && !options->keep_seen; i++) {
        bool counts = options->behavior == NULL || history[i].behavior == *options->behavior;
        if (counts && history[i].domain == options->domain) scores[history[i].item] = -INFINITY;
    }
    if (options->candidates == NULL) return;
    for (size_t i = 0; i < job->domain->item_count; i++) {
        if (!options->candidates[i]) scores[i] = -INFINITY;
    }
}

/* 1 - mean cosine of the pairs among the first k, for every k; |sum|^2 has each pair twice. */
static void list_diversity(const run *job, const uint32_t *list, size_t size, float *sum,
                           double *out)
{
    const ferry_eval_options *options = job->options;
    double pairs = 0.0;
    size_t next = 0;
    memset(sum, 0, options->dimension * sizeof *sum);
    for (size_t i = 0; next < options->k_count; i++) {
        while (next < options->k_count && (i == size || i == options->ks[next])) {
            double count = (double)i * ((double)i - 1.0) / 2.0;
            out[next++] = i < 2 ? 0.0 : 1.0 - pairs / count;
        }
        if (i == size) break;
        const float *vector = options->vectors + list[i] * options->dimension;
        float dot;
        options->kernels->dot_rows(vector, sum, &dot, 1, options->dimension);
        pairs += (double)dot;
        for (size_t c = 0; c < options->dimension; c++) sum[c] += vector[c];
    }
}

static void rank_user(void *context, size_t index, size_t worker)
{
    run *job = context;
    ferry_eval_results *results = job->results;
    const ferry_eval_options *options = job->options;
    scratch *own = &job->scratch[worker];
    size_t i = job->offset + index, n = job->domain->item_count;
    uint32_t user = job->domain->user[results->rows[i]];
    size_t count = ferry_history_of(job->dataset, options->domain, user, options->part,
                                    options->own_only, own->history);
    job->score(job->scorer, own->history, count, worker, own->scores);
    for (size_t item = 0; item < n; item++) {
        if (own->scores[item] == own->scores[item]) continue;
        results->not_a_number[i] = (uint32_t)item + 1;
        return;
    }
    size_t first = results->first_target[i], end = results->first_target[i + 1];
    for (size_t t = first; t < end; t++) results->predicted[t] = own->scores[results->target[t]];
    mask(job, own->history, count, own->scores);
    for (size_t t = first; t < end; t++)
        results->rank[t] = ferry_rank_of(own->scores, n, results->target[t], user);
    size_t longest = results->longest;
    size_t size = ferry_rank_best(own->scores, n, user, longest, own->best);
    uint32_t *list = results->list + i * longest;
    results->list_size[i] = (uint32_t)size;
    for (size_t j = 0; j < size; j++) list[j] = (uint32_t)own->best[j].item;
    if (results->diversity != NULL)
        list_diversity(job, list, size, own->sum, results->diversity + i * options->k_count);
}

static ferry_status make_scratch(run *job, ferry_arena *arena, ferry_error *error)
{
    size_t threads = ferry_pool_threads(job->options->pool);
    size_t longest = ferry_history_longest(job->dataset);
    job->scratch = ferry_arena_array(arena, threads, sizeof *job->scratch);
    if (job->scratch == NULL) return ferry_fail_memory(error, "the scores");
    for (size_t i = 0; i < threads; i++) {
        scratch *own = &job->scratch[i];
        own->scores = ferry_arena_array(arena, job->domain->item_count, sizeof *own->scores);
        own->history = ferry_arena_array(arena, longest, sizeof *own->history);
        own->best = ferry_arena_array(arena, job->results->longest, sizeof *own->best);
        own->sum = ferry_arena_array(arena, job->options->dimension, sizeof *own->sum);
        if (own->scores == NULL || own->history == NULL || own->best == NULL || own->sum == NULL)
            return ferry_fail_memory(error, "the scores");
    }
    return FERRY_OK;
}

static ferry_status make_results(run *job, ferry_error *error)
{
    ferry_eval_results *results = job->results;
    const ferry_eval_options *options = job->options;
    size_t users = results->user_count, listed, divided;
    size_t longest = options->ks[options->k_count - 1];
    if (longest > job->domain->item_count) longest = job->domain->item_count;
    results->longest = longest;
    if (!ferry_size_multiply(users, longest, &listed) ||
        !ferry_size_multiply(users, options->k_count, &divided))
        return ferry_fail(error, FERRY_LIMIT, "%zu users at k %zu", users, longest);
    results->list = ferry_arena_array(results->arena, listed, sizeof *results->list);
    results->list_size = ferry_arena_array(results->arena, users, sizeof *results->list_size);
    results->not_a_number = ferry_arena_array(results->arena, users, sizeof *results->not_a_number);
    if (options->vectors != NULL)
        results->diversity = ferry_arena_array(results->arena, divided, sizeof *results->diversity);
    if (results->list == NULL || results->list_size == NULL || results->not_a_number == NULL ||
        (options->vectors != NULL && results->diversity == NULL))
        return ferry_fail_memory(error, "the lists");
    return FERRY_OK;
}

static ferry_status check_numbers(const run *job, ferry_error *error)
{
    const ferry_eval_results *results = job->results;
    const ferry_interactions *domain = job->domain;
    for (size_t i = 0; i < results->user_count; i++) {
        if (results->not_a_number[i] == 0) continue;
        uint32_t item = results->not_a_number[i] - 1;
        return ferry_fail(error, FERRY_MALFORMED,
                          "the score of item \"%s\" for user \"%s\" is not a number",
                          domain->items[item], job->dataset->users[domain->user[results->rows[i]]]);
    }
    return FERRY_OK;
}

static ferry_status rank_users(run *job, ferry_error *error)
{
    const ferry_eval_options *options = job->options;
    size_t users = job->results->user_count;
    for (job->offset = 0; job->offset < users; job->offset += USERS_AT_ONCE) {
        if (options->progress != NULL &&
            !options->progress(options->progress_user, job->offset, users))
            return ferry_fail(error, FERRY_CANCELLED, "stopped after %zu of %zu users", job->offset,
                              users);
        size_t turn = users - job->offset;
        ferry_pool_run(options->pool, turn < USERS_AT_ONCE ? turn : USERS_AT_ONCE, rank_user, job);
    }
    if (options->progress != NULL) options->progress(options->progress_user, users, users);
    return check_numbers(job, error);
}

/* ---- all together ---- */

static ferry_status evaluate(run *job, ferry_arena *scratch_arena, ferry_evaluation *out,
                             ferry_error *error)
{
    FERRY_TRY(find_targets(job, error));
    FERRY_TRY(make_results(job, error));
    FERRY_TRY(make_scratch(job, scratch_arena, error));
    FERRY_TRY(rank_users(job, error));
    return ferry_eval_figures(job->dataset, job->options, job->results, out, error);
}

ferry_status ferry_evaluate(const ferry_dataset *dataset, const ferry_eval_options *options,
                            ferry_score_items score, void *scorer, const ferry_allocator *allocator,
                            ferry_evaluation **out, ferry_error *error)
{
    *out = NULL;
    FERRY_TRY(check(dataset, options, error));
    ferry_allocator chosen = ferry_allocator_or_default(allocator);
    ferry_evaluation *made = ferry_allocate(&chosen, 1, sizeof *made);
    if (made == NULL) return ferry_fail_memory(error, "the evaluation");
    ferry_arena_init(&made->arena, chosen);
    ferry_arena temporary;
    ferry_arena_init(&temporary, chosen);
    ferry_eval_results results = {.arena = &temporary};
    run job = {.dataset = dataset,
               .domain = &dataset->domains[options->domain],
               .options = options,
               .score = score,
               .scorer = scorer,
               .results = &results};
    ferry_status status = evaluate(&job, &temporary, made, error);
    ferry_arena_free(&temporary);
    if (status != FERRY_OK) {
        ferry_evaluation_close(made);
        return status;
    }
    *out = made;
    return FERRY_OK;
}

void ferry_evaluation_close(ferry_evaluation *evaluation)
{
    if (evaluation == NULL) return;
    ferry_allocator allocator = evaluation->arena.allocator;
    ferry_arena_free(&evaluation->arena);
    ferry_release(&allocator, evaluation, sizeof *evaluation);
}

const ferry_eval_figure *ferry_evaluation_find(const ferry_evaluation *evaluation, const char *name)
{
    for (size_t i = 0; i < evaluation->figure_count; i++) {
        if (strcmp(evaluation->figures[i].name, name) == 0) return &evaluation->figures[i];
    }
    return NULL;
}
