/* The mix's weights, learned of validation users: the model's own features, its own candidates. */
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "math/elementary.h"
#include "rank/topk.h"
#include "train/fit.h"
#include "train/mix.h"

enum {
    CANDIDATES = 600, /* the target among them, or there is no example */
    PROBES = 3,       /* they are found by */
    TARGETS = 3,      /* of one user, the first ones */
    LEAST = 100,      /* examples; fewer say too little to learn weights of */
    FOLDS = 5,        /* of the examples, each tested with what the others say */
    TOP = 10,
};

/* Over the number of examples: the squared distance to where the weights began, which they are to
 * leave for a reason. */
static const float PULL = 4.0f;

/* Features that a situation's weights are learned of. */
#define CONTENT                                                                            \
    FERRY_FEATURE_TEXT, FERRY_FEATURE_TEXT_LAST, FERRY_FEATURE_WORDS, FERRY_FEATURE_TITLE, \
        FERRY_FEATURE_TITLE_LAST, FERRY_FEATURE_TITLE_SQUARE, FERRY_FEATURE_AUTHOR,        \
        FERRY_FEATURE_AUTHOR_LAST, FERRY_FEATURE_TAGS
static const ferry_feature KNOWN[] = {FERRY_FEATURE_NEIGHBORS, FERRY_FEATURE_COLD,
                                      FERRY_FEATURE_NET, FERRY_FEATURE_POPULARITY, CONTENT};
static const ferry_feature NEW_DOMAIN[] = {CONTENT};
static const ferry_feature NEWCOMER[] = {FERRY_FEATURE_FACTORS, FERRY_FEATURE_PROFILE,
                                         FERRY_FEATURE_ACROSS, FERRY_FEATURE_LINKED};

typedef struct situation {
    ferry_situation as;
    const ferry_feature *features;
    size_t count;
} situation;

static const situation SITUATIONS[] = {
    {FERRY_NEW_DOMAIN, NEW_DOMAIN,
     sizeof NEW_DOMAIN / sizeof *NEW_DOMAIN}, /* known's may begin so */
    {FERRY_KNOWN, KNOWN, sizeof KNOWN / sizeof *KNOWN},
    {FERRY_NEWCOMER, NEWCOMER, sizeof NEWCOMER / sizeof *NEWCOMER},
};

typedef struct worker {
    ferry_model_scratch *scratch;
    ferry_history_entry *history; /* [longest] */
    float *scores;                /* [n] */
    ferry_recommendation *best;   /* [CANDIDATES] */
} worker;

/* The examples of one domain and situation: users side by side, each filling its own slots. */
typedef struct gathering {
    const ferry_model *model;
    const ferry_dataset *dataset;
    const size_t *dataset_domain;
    size_t domain; /* the model's */
    const situation *kind;
    const uint32_t *rows;        /* [users] of the data set's domain */
    ferry_mix_example *examples; /* [users * TARGETS], candidates 0 where there is none */
    size_t room;                 /* candidates of an example at most */
    float *values;               /* [users * TARGETS, room, features] */
    worker *workers;
} gathering;

static bool is_content(ferry_feature feature)
{
    for (size_t f = 0; f < sizeof NEW_DOMAIN / sizeof *NEW_DOMAIN; f++)
        if (NEW_DOMAIN[f] == feature) return true;
    return false;
}

/* ---- candidates ---- */

/* The `most` best of scores [n] into best, in no order; scores of -1e30 and below are none. */
static size_t find_best(const float *scores, size_t n, size_t most, ferry_recommendation *best)
{
    ferry_topk top = {.before = ferry_topk_by_number, .heap = best, .k = most};
    for (size_t i = 0; i < n; i++)
        if (scores[i] > -1e30f) ferry_topk_push(&top, i, scores[i]);
    return top.count;
}

/* ---- one user ---- */

static size_t read_history(const gathering *g, uint32_t row, worker *w)
{
    size_t from = g->dataset_domain[g->domain];
    const ferry_interactions *domain = &g->dataset->domains[from];
    size_t count = ferry_history_of(g->dataset, from, domain->user[row], FERRY_VALIDATION, false,
                                    w->history),
           kept = 0;
    for (size_t i = 0; i < count; i++) { /* the data set's domains to the model's */
        size_t d = 0;
        while (d < g->model->known_domains && g->dataset_domain[d] != w->history[i].domain) d++;
        if (d == g->model->known_domains) continue;
        w->history[kept] = w->history[i];
        w->history[kept++].domain = (uint32_t)d;
    }
    return kept;
}

/*
 * What candidates are found by, weights [PROBES, FERRY_FEATURES]: examples of the default's own
 * best would say of other weights only how they order those. So for `known` also by the default
 * without the bonus of items without events, and by texts and neighbours as in a new domain.
 */
static size_t choose_probes(const gathering *g, float weights[PROBES][FERRY_FEATURES])
{
    float mix[FERRY_SITUATIONS][FERRY_FEATURES];
    ferry_model_default_mix(mix);
    for (size_t p = 0; p < PROBES; p++) memcpy(weights[p], mix[g->kind->as], sizeof *weights);
    if (g->kind->as != FERRY_KNOWN) return 1;
    const float *as_new = g->model->domains[g->domain].mix[FERRY_NEW_DOMAIN];
    weights[1][FERRY_FEATURE_COLD] = weights[2][FERRY_FEATURE_COLD] = 0.0f;
    weights[2][FERRY_FEATURE_NET] = 0.0f;
    for (size_t f = 0; f < sizeof NEW_DOMAIN / sizeof *NEW_DOMAIN; f++)
        weights[2][NEW_DOMAIN[f]] = as_new[NEW_DOMAIN[f]];
    return PROBES;
}

/* Scores of all items; -1e30 for those of the history and those found already. */
static void score(const gathering *g, worker *w, size_t count, const float *weights, size_t found)
{
    size_t n = g->model->domains[g->domain].items;
    memset(w->scores, 0, n * sizeof *w->scores);
    for (size_t f = 0; f < FERRY_FEATURES; f++) {
        if (weights[f] == 0.0f) continue;
        for (size_t i = 0; i < n; i++)
            w->scores[i] = w->scores[i] + weights[f] * w->scratch->values[f][i];
    }
    for (size_t i = 0; i < count; i++)
        if (w->history[i].domain == g->domain) w->scores[w->history[i].item] = -1e30f;
    for (size_t i = 0; i < found; i++) w->scores[w->best[i].item] = -1e30f;
}

/* The features of all items into the scratch, and candidates into w->best; their number. */
static size_t find_candidates(const gathering *g, worker *w, size_t count)
{
    float weights[PROBES][FERRY_FEATURES];
    bool wanted[FERRY_FEATURES] = {false};
    size_t probes = choose_probes(g, weights), found = 0;
    for (size_t p = 0; p < probes; p++)
        for (size_t f = 0; f < FERRY_FEATURES; f++) wanted[f] = wanted[f] || weights[p][f] != 0.0f;
    for (size_t f = 0; f < g->kind->count; f++) wanted[g->kind->features[f]] = true;
    ferry_model_features(g->model, g->domain, w->history, count, wanted, w->scratch);
    for (size_t p = 0; p < probes; p++) {
        score(g, w, count, weights[p], found);
        found += find_best(w->scores, g->model->domains[g->domain].items, CANDIDATES / probes,
                           w->best + found);
    }
    return found;
}

static void add_example(const gathering *g, const worker *w, size_t slot, uint32_t target,
                        size_t candidates)
{
    size_t features = g->kind->count;
    float *values = g->values + slot * g->room * features, *to = values + features;
    bool found = false;
    for (size_t c = 0; c < candidates; c++) {
        size_t item = w->best[c].item;
        float *row = item == target ? values : to;
        found = found || item == target;
        if (row == to) to += features;
        if (to > values + g->room * features) break; /* the target is not among them */
        for (size_t f = 0; f < features; f++)
            row[f] = w->scratch->values[g->kind->features[f]][item];
    }
    g->examples[slot] = (ferry_mix_example){values, found ? candidates : 0};
}

static void gather_user(void *context, size_t index, size_t at)
{
    const gathering *g = context;
    worker *w = &g->workers[at];
    const ferry_interactions *domain = &g->dataset->domains[g->dataset_domain[g->domain]];
    uint32_t row = g->rows[index];
    size_t count = read_history(g, row, w), slot = index * TARGETS;
    ferry_situation found = ferry_model_situation(g->model, g->domain, w->history, count);
    bool as_new = g->kind->as == FERRY_NEW_DOMAIN && found == FERRY_KNOWN;
    if (found != g->kind->as && !as_new) return;
    size_t candidates = find_candidates(g, w, count);
    for (uint32_t i = domain->start[row]; i < domain->start[row + 1]; i++) {
        if (domain->part[i] != FERRY_VALIDATION || slot == (index + 1) * TARGETS) continue;
        add_example(g, w, slot++, domain->item[i], candidates);
    }
}

/* ---- a domain ---- */

static ferry_status no_memory(ferry_error *error)
{
    return ferry_fail_memory(error, "the mix's examples");
}

/* A sample of the users with validation events; rows [users]. */
static size_t sample_users(const ferry_interactions *domain, uint64_t seed, size_t users,
                           uint32_t *rows)
{
    size_t count = 0;
    for (size_t u = 0; u < domain->user_count; u++) {
        bool has = false;
        for (uint32_t i = domain->start[u]; i < domain->start[u + 1]; i++)
            has = has || domain->part[i] == FERRY_VALIDATION;
        if (has) rows[count++] = (uint32_t)u;
    }
    ferry_random random;
    ferry_random_seed(&random, seed, 77);
    ferry_random_shuffle(&random, rows, count);
    return count < users ? count : users;
}

static ferry_status make_workers(const gathering *g, size_t threads, size_t n, ferry_arena *arena,
                                 worker *workers, ferry_error *error)
{
    size_t longest = ferry_history_longest(g->dataset);
    for (size_t i = 0; i < threads; i++) {
        workers[i].history = ferry_arena_array(arena, longest, sizeof *workers[i].history);
        workers[i].scores = ferry_arena_array(arena, n, sizeof *workers[i].scores);
        workers[i].best = ferry_arena_array(arena, CANDIDATES, sizeof *workers[i].best);
        if (workers[i].history == NULL || workers[i].scores == NULL || workers[i].best == NULL)
            return no_memory(error);
        FERRY_TRY(ferry_model_scratch_create(g->model, &workers[i].scratch, error));
    }
    return FERRY_OK;
}

/* ---- what the weights are worth ---- */

static double ndcg(const ferry_mix_example *example, size_t features, const float *weights)
{
    size_t better = 0;
    float target = 0.0f;
    for (size_t c = 0; c < example->candidates; c++) {
        float score = 0.0f;
        for (size_t f = 0; f < features; f++)
            score = score + weights[f] * example->values[c * features + f];
        if (c == 0) target = score;
        better += c > 0 && score >= target;
    }
    return better < TOP ? (double)(ferry_log_float(2.0f) / ferry_log_float((float)better + 2.0f))
                        : 0.0;
}

/*
 * Where a known domain's weights begin: the texts' own, which suit many events, or a new domain's,
 * which were learned where texts are all there is; and a share of the net's weight, since little
 * can be learned of few people. What ranks the examples best, the default if nothing is better.
 */
static void choose_start(const gathering *g, size_t count,
                         const float mix[FERRY_SITUATIONS][FERRY_FEATURES], float *weights)
{
    enum { FEATURES = sizeof KNOWN / sizeof *KNOWN };
    static const float shares[] = {1.0f, 0.5f, 0.25f, 0.0f};
    double best = -1.0;
    for (size_t at = 0; at < 2 * sizeof shares / sizeof *shares; at++) {
        float start[FEATURES];
        for (size_t f = 0; f < FEATURES; f++) {
            bool as_new = at % 2 == 1 && is_content(KNOWN[f]);
            start[f] = mix[as_new ? FERRY_NEW_DOMAIN : FERRY_KNOWN][KNOWN[f]];
            if (KNOWN[f] == FERRY_FEATURE_NET) start[f] = start[f] * shares[at / 2];
        }
        double sum = 0.0;
        for (size_t e = 0; e < count; e++) sum = sum + ndcg(&g->examples[e], FEATURES, start);
        if (sum <= best) continue;
        best = sum;
        memcpy(weights, start, sizeof start);
    }
}

/* Learned of the examples outside [first, last); others [count] is scratch. */
static ferry_status learn_without(const gathering *g, size_t count, size_t first, size_t last,
                                  ferry_arena *arena, ferry_mix_example *others, float *weights,
                                  ferry_error *error)
{
    size_t left = 0;
    for (size_t e = 0; e < count; e++)
        if (e < first || e >= last) others[left++] = g->examples[e];
    ferry_mix_options options = {.pull = PULL / (float)left};
    return ferry_mix_fit(others, left, g->kind->count, &options, &arena->allocator, weights, NULL,
                         error);
}

/*
 * Learned weights are kept if they rank examples they were not learned of better: of each fifth by
 * what the other four say. By more than the standard error, for a gain by chance costs more on
 * others than it brings; but a new domain has no weights that were chosen with care, and any gain
 * counts.
 */
static ferry_status learn(const gathering *g, size_t count, ferry_arena *arena, float *weights,
                          ferry_fit_report *report, ferry_error *error)
{
    size_t features = g->kind->count;
    ferry_mix_example *others = ferry_arena_array(arena, count, sizeof *others);
    if (others == NULL) return no_memory(error);
    float learned[FERRY_MIX_MAX_FEATURES];
    double before = 0.0, after = 0.0, square = 0.0, tested = (double)count;
    for (size_t fold = 0; fold < FOLDS; fold++) {
        size_t first = fold * count / FOLDS, last = (fold + 1) * count / FOLDS;
        memcpy(learned, weights, features * sizeof *learned);
        FERRY_TRY(learn_without(g, count, first, last, arena, others, learned, error));
        for (size_t e = first; e < last; e++) {
            double old = ndcg(&g->examples[e], features, weights);
            double new = ndcg(&g->examples[e], features, learned);
            before = before + old;
            after = after + new;
            square = square + (new - old) * (new - old);
        }
    }
    double gain = (after - before) / tested, variance = square / tested - gain * gain;
    bool better =
        gain > 0.0 && (g->kind->as == FERRY_NEW_DOMAIN || gain * gain * tested > variance);
    if (better) FERRY_TRY(learn_without(g, count, 0, 0, arena, others, weights, error));
    report->before[g->kind->as] += before;
    report->after[g->kind->as] += better ? after : before;
    report->examples[g->kind->as] += count;
    return FERRY_OK;
}

static size_t compact(ferry_mix_example *examples, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (examples[i].candidates > 1) examples[kept++] = examples[i];
    return kept;
}

/* Of several domains: so that both halves have examples of each. */
static void shuffle(ferry_mix_example *examples, size_t count, uint64_t seed)
{
    ferry_random random;
    ferry_random_seed(&random, seed, 78);
    for (size_t i = count; i > 1; i--) {
        size_t j = ferry_random_below(&random, (uint32_t)i);
        ferry_mix_example swap = examples[i - 1];
        examples[i - 1] = examples[j];
        examples[j] = swap;
    }
}

typedef struct mixing {
    ferry_model *model;
    const ferry_dataset *dataset;
    const size_t *dataset_domain;
    bool given; /* a new domain's weights are another model's */
    size_t users;
    uint64_t seed;
    ferry_pool *pool;
    ferry_fit_report *report;
} mixing;

/* Examples of domains [first, last) for one situation, and its weights. */
static ferry_status fit_situation(const mixing *m, const situation *kind, size_t first, size_t last,
                                  ferry_arena *arena, worker *workers, ferry_error *error)
{
    size_t slots = 0, room = 1, count = 0;
    for (size_t d = first; d < last; d++) {
        size_t users = m->dataset->domains[m->dataset_domain[d]].user_count;
        size_t items = m->model->domains[d].items;
        slots += (users < m->users ? users : m->users) * TARGETS;
        room = items > room ? items : room;
    }
    if (room > CANDIDATES) room = CANDIDATES;
    ferry_mix_example *examples = ferry_arena_array(arena, slots, sizeof *examples);
    float *values = ferry_arena_array(arena, slots, room * kind->count * sizeof *values);
    if (examples == NULL || values == NULL) return no_memory(error);
    gathering g = {.model = m->model,
                   .dataset = m->dataset,
                   .dataset_domain = m->dataset_domain,
                   .kind = kind,
                   .room = room,
                   .workers = workers};
    for (size_t d = first; d < last; d++) {
        const ferry_interactions *domain = &m->dataset->domains[m->dataset_domain[d]];
        uint32_t *rows = ferry_arena_array(arena, domain->user_count, sizeof *rows);
        if (rows == NULL) return no_memory(error);
        size_t users = sample_users(domain, m->seed, m->users, rows);
        g.domain = d;
        g.rows = rows;
        g.examples = examples + count;
        g.values = values + count * room * kind->count;
        ferry_pool_run(m->pool, users, gather_user, &g);
        count += users * TARGETS;
    }
    g.examples = examples;
    count = compact(examples, count);
    if (last - first > 1) shuffle(examples, count, m->seed);
    float weights[FERRY_MIX_MAX_FEATURES];
    for (size_t f = 0; f < kind->count; f++)
        weights[f] = m->model->domains[first].mix[kind->as][kind->features[f]];
    if (kind->as == FERRY_KNOWN) choose_start(&g, count, m->model->domains[first].mix, weights);
    if (count >= LEAST) FERRY_TRY(learn(&g, count, arena, weights, m->report, error));
    for (size_t d = first; d < last; d++) {
        float *mix = m->model->domains[d].mix[kind->as];
        for (size_t f = 0; f < kind->count; f++) mix[kind->features[f]] = weights[f];
    }
    return FERRY_OK;
}

static ferry_status fit_all(const mixing *m, ferry_arena *arena, worker *workers,
                            ferry_error *error)
{
    size_t known = m->model->known_domains;
    for (size_t s = 0; s < sizeof SITUATIONS / sizeof *SITUATIONS; s++) {
        const situation *kind = &SITUATIONS[s];
        if (kind->as == FERRY_NEW_DOMAIN && m->given) continue;
        /* A new domain's weights are to serve any: one set, learned of all domains. */
        size_t step = kind->as == FERRY_NEW_DOMAIN ? known : 1;
        for (size_t d = 0; d < known; d += step) {
            ferry_arena scratch;
            ferry_arena_init(&scratch, arena->allocator);
            ferry_status status = fit_situation(m, kind, d, d + step, &scratch, workers, error);
            ferry_arena_free(&scratch);
            FERRY_TRY(status);
        }
        double tested = (double)m->report->examples[kind->as];
        if (tested > 0.0) {
            m->report->before[kind->as] /= tested;
            m->report->after[kind->as] /= tested;
        }
    }
    return FERRY_OK;
}

ferry_status ferry_fit_mix(ferry_model *model, const ferry_dataset *dataset,
                           const size_t *dataset_domain, bool given, size_t users, uint64_t seed,
                           ferry_pool *pool, ferry_fit_report *report, ferry_error *error)
{
    ferry_arena arena;
    ferry_arena_init(&arena, model->arena.allocator);
    size_t threads = ferry_pool_threads(pool), n = 1;
    for (size_t d = 0; d < model->known_domains; d++)
        n = model->domains[d].items > n ? model->domains[d].items : n;
    worker *workers = ferry_arena_array(&arena, threads, sizeof *workers);
    mixing m = {model, dataset, dataset_domain, given, users, seed, pool, report};
    gathering g = {.model = model, .dataset = dataset};
    ferry_status status =
        workers != NULL ? make_workers(&g, threads, n, &arena, workers, error) : no_memory(error);
    if (status == FERRY_OK) status = fit_all(&m, &arena, workers, error);
    for (size_t i = 0; workers != NULL && i < threads; i++)
        ferry_model_scratch_close(workers[i].scratch);
    ferry_arena_free(&arena);
    return status;
}
