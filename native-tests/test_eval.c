/* Evaluating: ties, masking, histories, slices, intervals, threads, files, bad input. */
#define _POSIX_C_SOURCE 200809L /* popen, mkdtemp */
#include "failing.h"
#include "golden.h"

#include <math.h>

#include "base/random.h"
#include "eval/bootstrap.h"
#include "eval/report.h"
#include "eval/scorer.h"
#include "eval_data.h"

static ferry_error error;
static const size_t ks[] = {1, 3};

static ferry_evaluation *evaluate(const eval_data *data, ferry_eval_options options,
                                  ferry_score_items score, void *scorer)
{
    ferry_evaluation *evaluation;
    if (options.ks == NULL) options.ks = ks, options.k_count = 2;
    if (options.part == FERRY_TRAIN) options.part = FERRY_TEST;
    if (ferry_evaluate(&data->dataset, &options, score, scorer, NULL, &evaluation, &error) !=
        FERRY_OK)
        fail_msg("%s", error.message);
    return evaluation;
}

static const ferry_eval_slice *slice(const ferry_evaluation *evaluation, const char *by,
                                     const char *of)
{
    for (size_t i = 0; i < evaluation->slice_count; i++) {
        const ferry_eval_slice *found = &evaluation->slices[i];
        if (strcmp(found->by, by) == 0 && strcmp(found->of, of) == 0) return found;
    }
    return NULL;
}

/* Scores that are given, [items], the same for everyone. */
static void score_given(void *user, const ferry_history_entry *history, size_t count, size_t worker,
                        float *out)
{
    (void)history, (void)count, (void)worker;
    const float *scores = user;
    for (size_t i = 0; i < 6; i++) out[i] = scores[i];
}

static void only_one_behaviors_items_are_seen(void **state)
{
    (void)state;
    /* 5 was bought (1) and is masked; 4 was looked at (0) and ranks before the target 3 */
    float scores[] = {0, 1, 2, 3, 4, 5};
    const uint8_t bought = 1;
    eval_data data;
    eval_data_make(&data, 1, 1, 6);
    eval_data_add(&data, 0, 0, 5, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 0, 4, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 0, 3, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 0, 2, FERRY_TEST, 0, 0);
    eval_data_add(&data, 0, 0, 3, FERRY_TEST, 0, 0);
    data.domains[0].behavior[0] = data.domains[0].behavior[4] = bought;
    ferry_evaluation *all = evaluate(&data, (ferry_eval_options){0}, score_given, scores);
    assert_int_equal(all->target_count, 2);
    assert_int_equal(all->seen_targets, 1);
    assert_near(figure(all, "mrr@3"), 1, 0); /* of 2: all that was touched is masked */
    ferry_evaluation *one =
        evaluate(&data, (ferry_eval_options){.behavior = &bought}, score_given, scores);
    assert_int_equal(one->target_count, 1);
    assert_int_equal(one->seen_targets, 0);
    assert_near(figure(one, "mrr@3"), 0.5, 0);
    ferry_evaluation_close(all);
    ferry_evaluation_close(one);
    eval_data_free(&data);
}

static void seen_items_are_masked(void **state)
{
    (void)state;
    /* user 0 had items 5 and 4 and takes 3; user 1 takes 4, which they had: a miss */
    float scores[] = {0, 1, 2, 3, 4, 5};
    eval_data data;
    eval_data_make(&data, 1, 2, 6);
    eval_data_add(&data, 0, 0, 5, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 0, 4, FERRY_VALIDATION, 0, 0);
    eval_data_add(&data, 0, 0, 3, FERRY_TEST, 0, 0);
    eval_data_add(&data, 0, 1, 4, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 1, 4, FERRY_TEST, 0, 0);
    ferry_evaluation *masked = evaluate(&data, (ferry_eval_options){0}, score_given, scores);
    assert_near(figure(masked, "hit@1"), 0.5, 0);
    assert_near(figure(masked, "accuracy"), 0.5, 0);
    assert_near(figure(masked, "recall@3"), 0.5, 0);
    assert_int_equal(masked->seen_targets, 1);
    ferry_evaluation *kept =
        evaluate(&data, (ferry_eval_options){.keep_seen = true}, score_given, scores);
    assert_near(figure(kept, "hit@1"), 0, 0);                           /* 5 is in front of both */
    assert_near(figure(kept, "mrr@3"), (1.0 / 3 + 1.0 / 2) / 2, 1e-15); /* ranks 3 and 2 */
    ferry_evaluation_close(masked);
    ferry_evaluation_close(kept);
    /* validation: 4 is to be found, and is not masked by itself */
    masked = evaluate(&data, (ferry_eval_options){.part = FERRY_VALIDATION}, score_given, scores);
    assert_int_equal(masked->user_count, 1);
    assert_near(figure(masked, "hit@1"), 1, 0);
    ferry_evaluation_close(masked);
    eval_data_free(&data);
}

static void candidates_and_short_lists(void **state)
{
    (void)state;
    float scores[] = {0, 1, 2, 3, 4, -INFINITY};
    unsigned char candidates[] = {1, 0, 1, 0, 0, 1};
    size_t long_ks[] = {2, 100};
    eval_data data;
    eval_data_make(&data, 1, 3, 6);
    eval_data_add(&data, 0, 0, 0, FERRY_TEST, 0, 0);
    eval_data_add(&data, 0, 1, 1, FERRY_TEST, 0, 0); /* no candidate: a miss */
    eval_data_add(&data, 0, 2, 5, FERRY_TEST, 0, 0); /* scored "never": a miss */
    ferry_evaluation *found =
        evaluate(&data, (ferry_eval_options){.candidates = candidates, .ks = long_ks, .k_count = 2},
                 score_given, scores);
    assert_near(figure(found, "hit@2"), 1.0 / 3, 1e-15);
    assert_near(figure(found, "hit@100"), 1.0 / 3, 1e-15);
    assert_near(figure(found, "precision@100"), 0.01 / 3, 1e-15); /* k stays k */
    assert_near(found->lists[1].coverage, 2.0 / 6, 1e-15);
    assert_near(figure(found, "averagepopularity@100"), 0, 0);
    ferry_evaluation_close(found);
    eval_data_free(&data);
}

static void score_flat(void *user, const ferry_history_entry *history, size_t count, size_t worker,
                       float *out)
{
    (void)history, (void)count, (void)worker;
    for (size_t i = 0; i < *(size_t *)user; i++) out[i] = 7;
}

/* With every score alike the target is anywhere, whatever its number: hit@10 of 100 is a tenth. */
static void ties_are_in_no_order(void **state)
{
    (void)state;
    size_t n = 100, tens[] = {10, 50};
    for (uint32_t item = 0; item < 100; item += 33) {
        eval_data data;
        eval_data_make(&data, 1, 500, n);
        for (uint32_t u = 0; u < 500; u++) eval_data_add(&data, 0, u, item, FERRY_TEST, 0, 0);
        ferry_evaluation *found =
            evaluate(&data, (ferry_eval_options){.ks = tens, .k_count = 2}, score_flat, &n);
        assert_near(figure(found, "hit@10"), 0.1, 0.04); /* three deviations of a binomial */
        assert_near(figure(found, "hit@50"), 0.5, 0.067);
        assert_near(found->lists[0].coverage, 1, 0);
        assert_true(found->lists[0].gini < 0.15);
        /* what is in the list and what has a rank agree */
        assert_near(figure(found, "precision@10"), figure(found, "hit@10") / 10, 1e-15);
        ferry_evaluation_close(found);
        eval_data_free(&data);
    }
}

/* ---- histories ---- */

typedef struct expected_history {
    const char *text; /* "b3 a1 " */
    size_t calls;
} expected_history;

static void check_history(void *user, const ferry_history_entry *history, size_t count,
                          size_t worker, float *out)
{
    expected_history *expected = user;
    char found[256] = "";
    (void)worker;
    for (size_t i = 0; i < count; i++)
        snprintf(found + strlen(found), sizeof found - strlen(found), "%c%u ",
                 (char)('a' + history[i].domain), history[i].item);
    assert_string_equal(found, expected->text);
    expected->calls++;
    for (size_t i = 0; i < 6; i++) out[i] = 0;
}

static void assert_history(const eval_data *data, ferry_eval_options options, const char *text)
{
    expected_history expected = {text, 0};
    ferry_evaluation_close(evaluate(data, options, check_history, &expected));
    assert_int_equal(expected.calls, 1);
}

static void histories_cross_domains(void **state)
{
    (void)state;
    eval_data data;
    eval_data_make(&data, 3, 3, 6);
    eval_data_add(&data, 0, 1, 0, FERRY_TRAIN, 0, 20);
    eval_data_add(&data, 0, 1, 1, FERRY_VALIDATION, 0, 40);
    eval_data_add(&data, 0, 1, 2, FERRY_TEST, 0, 60);
    eval_data_add(&data, 1, 0, 5, FERRY_TRAIN, 0, 1); /* another user */
    eval_data_add(&data, 1, 1, 3, FERRY_TRAIN, 0, 10);
    eval_data_add(&data, 1, 1, 4, FERRY_VALIDATION, 0, 40);
    eval_data_add(&data, 1, 1, 5, FERRY_TEST, 0, 50);
    eval_data_add(&data, 2, 1, 1, FERRY_TRAIN, 0, 30);
    assert_history(&data, (ferry_eval_options){.domain = 0}, "b3 a0 c1 b4 a1 ");
    assert_history(&data, (ferry_eval_options){.domain = 1}, "b3 a0 c1 a1 b4 ");
    assert_history(&data, (ferry_eval_options){.part = FERRY_VALIDATION}, "b3 a0 c1 ");
    assert_history(&data, (ferry_eval_options){.own_only = true}, "a0 a1 ");
    data.domains[2].timestamp[0] = 0; /* not all are dated: domain by domain, the own one last */
    assert_history(&data, (ferry_eval_options){.domain = 0}, "b3 b4 c1 a0 a1 ");
    eval_data_free(&data);
}

/* ---- slices ---- */

static void slices_by_hand(void **state)
{
    (void)state;
    /* training: 0 -> 1 -> 2 by user 0, 0 -> 1 … 3 by user 1. Items 4 and 5 are in no training. */
    float scores[] = {0, 1, 2, 3, 4, 5};
    eval_data data;
    eval_data_make(&data, 1, 5, 6);
    eval_data_add(&data, 0, 0, 0, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 0, 1, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 0, 2, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 1, 0, FERRY_TRAIN, 0, 0);
    for (int i = 0; i < 5; i++) eval_data_add(&data, 0, 1, 1, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 1, 3, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 2, 0, FERRY_VALIDATION, 0, 0);
    eval_data_add(&data, 0, 2, 1, FERRY_TEST, 0, 0); /* 0 -> 1 seen; 2 also nearby, not direct */
    eval_data_add(&data, 0, 2, 2, FERRY_TEST, 0, 0);
    eval_data_add(&data, 0, 3, 5, FERRY_TEST, 0, 0); /* no history */
    eval_data_add(&data, 0, 4, 2, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 4, 4, FERRY_TEST, 0, 0); /* 2 -> 4 never seen */
    ferry_evaluation *found = evaluate(&data, (ferry_eval_options){0}, score_given, scores);
    assert_int_equal(found->user_count, 3);
    assert_int_equal(found->target_count, 4);
    static const struct {
        const char *by, *of;
        size_t users, targets;
        double recall; /* @3: the list is 5, 4, 3 for all */
    } expected[] = {
        {"history", "0", 1, 1, 1},
        {"history", "1-4", 2, 3, 0.5},
        {"item", "0", 2, 2, 1},
        {"item", "1-5", 1, 1, 0},
        {"item", "6+", 1, 1, 0},
        {"transition", "seen", 1, 1, 0},
        {"transition", "unseen", 2, 2, 0.5},
        {"transition", "none", 1, 1, 1},
        {"nearby", "seen", 1, 2, 0},
        {"nearby", "unseen", 1, 1, 1},
        {"nearby", "none", 1, 1, 1},
    };
    assert_int_equal(found->slice_count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < found->slice_count; i++) {
        const ferry_eval_slice *one = slice(found, expected[i].by, expected[i].of);
        if (one == NULL) fail_msg("no slice %s %s", expected[i].by, expected[i].of);
        assert_int_equal(one->users, expected[i].users);
        assert_int_equal(one->targets, expected[i].targets);
        const ferry_eval_figure *recall = &one->figures[FERRY_RANK_METRICS + FERRY_METRIC_RECALL];
        assert_string_equal(recall->name, "recall@3");
        assert_near(recall->mean, expected[i].recall, 0);
    }
    ferry_evaluation_close(found);
    eval_data_free(&data);
}

static void popularity_and_diversity(void **state)
{
    (void)state;
    float scores[] = {5, 4, 3, 0, 0, 0};
    static const float vectors[6][2] = {{1, 0}, {0, 1}, {-1, 0}, {1, 0}, {1, 0}, {1, 0}};
    const ferry_kernels *kernels;
    eval_data data;
    eval_data_make(&data, 1, 5, 6);
    assert_int_equal(ferry_kernels_choose(NULL, &kernels, NULL), FERRY_OK);
    eval_data_add(&data, 0, 0, 0, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 0, 0, FERRY_TRAIN, 0, 0); /* twice, but one user */
    eval_data_add(&data, 0, 1, 0, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 1, 1, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 2, 5, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 3, 5, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 4, 1, FERRY_TEST, 0, 0); /* no training: 4 users have any */
    ferry_eval_options options = {.vectors = &vectors[0][0], .dimension = 2, .kernels = kernels};
    ferry_evaluation *found = evaluate(&data, options, score_given, scores);
    assert_near(figure(found, "averagepopularity@1"), 3, 0);
    assert_near(figure(found, "averagepopularity@3"), 4.0 / 3, 1e-15);
    assert_near(figure(found, "novelty@1"), 1, 0);                     /* 2 users of 4 */
    assert_near(figure(found, "novelty@3"), (1 + 2 + 2) / 3.0, 1e-15); /* nobody counts as one */
    assert_near(figure(found, "diversity@1"), 0, 0);
    assert_near(figure(found, "diversity@3"), 1 - (0 - 1 + 0) / 3.0, 1e-7);
    ferry_evaluation_close(found);
    eval_data_free(&data);
}

/* ---- intervals ---- */

/* Of 300 samples of 100 draws, about 95 % have the true mean in their interval. */
static void intervals_cover(void **state)
{
    (void)state;
    enum { TRIALS = 300, ROWS = 100, SAMPLES = 300 };
    static double values[ROWS * 2], means[SAMPLES * 2], scratch[SAMPLES];
    ferry_allocator allocator = ferry_allocator_or_default(NULL);
    size_t covered = 0, zero_width = 0;
    for (uint64_t t = 0; t < TRIALS; t++) {
        double low[2], high[2];
        ferry_random random;
        ferry_random_seed(&random, 99, t);
        for (size_t i = 0; i < ROWS; i++) {
            values[2 * i] = ferry_random_below(&random, 10) < 3; /* true mean .3 */
            values[2 * i + 1] = 4;
        }
        assert_int_equal(
            ferry_bootstrap_means(values, ROWS, 2, SAMPLES, t, NULL, &allocator, means, NULL),
            FERRY_OK);
        ferry_bootstrap_interval(means, SAMPLES, 2, scratch, low, high);
        covered += low[0] <= 0.3 && 0.3 <= high[0];
        zero_width += low[1] == 4 && high[1] == 4;
    }
    assert_int_equal(zero_width, TRIALS);
    /* 3 deviations of .944 */
    if (covered * 100 < 91 * (size_t)TRIALS || covered * 100 > 98 * (size_t)TRIALS)
        fail_msg("%zu of %d intervals have the mean", covered, TRIALS);
}

static void percentiles_by_hand(void **state)
{
    (void)state;
    double means[41], scratch[41], low, high;
    for (size_t i = 0; i < 41; i++) means[i] = (double)(i * 17 % 41); /* 0…40 in another order */
    ferry_bootstrap_interval(means, 41, 1, scratch, &low, &high);
    assert_near(low, 1, 1e-12); /* numpy.percentile(range(41), [2.5, 97.5]) */
    assert_near(high, 39, 1e-12);
    ferry_bootstrap_interval(means, 1, 1, scratch, &low, &high);
    assert_true(low == means[0] && high == means[0]);
}

/* ---- a larger run: threads, files, comparisons ---- */

/* Likes items near those of the history, a little differently for every seed. */
static void score_near(void *user, const ferry_history_entry *history, size_t count, size_t worker,
                       float *out)
{
    (void)worker;
    uint64_t seed = *(uint64_t *)user;
    for (uint32_t i = 0; i < 200; i++) {
        out[i] = (float)(ferry_random_mix(seed + i) % 100) * 0.02f;
        for (size_t h = 0; h < count; h++)
            if (history[h].item + 3 > i && history[h].item < i + 3) out[i] += 1.0f;
    }
}

static void make_larger(eval_data *data)
{
    ferry_random random;
    ferry_random_seed(&random, 5, 5);
    eval_data_make(data, 1, 400, 200);
    for (uint32_t u = 0; u < 400; u++) {
        uint32_t at = ferry_random_below(&random, 200),
                 events = 2 + ferry_random_below(&random, 14);
        for (uint32_t e = 0; e <= events; e++) {
            ferry_part part = e == events       ? FERRY_TEST
                              : e + 1 == events ? FERRY_VALIDATION
                                                : FERRY_TRAIN;
            eval_data_add(data, 0, u, at, part, (float)(1 + e % 5), 0);
            at = (at + ferry_random_below(&random, 7)) % 200;
        }
    }
}

static char *report_of(const eval_data *data, ferry_eval_options options, uint64_t seed,
                       size_t threads)
{
    ferry_buffer buffer;
    ferry_eval_about about = {.scorer = "near"};
    ferry_buffer_init(&buffer, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_pool_create(NULL, threads, &options.pool, NULL), FERRY_OK);
    ferry_evaluation *found = evaluate(data, options, score_near, &seed);
    assert_int_equal(ferry_evaluation_json(found, &about, &buffer, NULL), FERRY_OK);
    assert_int_equal(ferry_evaluation_table(found, &about, &buffer, NULL), FERRY_OK);
    assert_int_equal(ferry_evaluation_save(found, "near", &buffer, NULL), FERRY_OK);
    char *copy = malloc(2 * buffer.size + 1);
    for (size_t i = 0; i < buffer.size; i++)
        sprintf(copy + 2 * i, "%02x", (unsigned char)buffer.data[i]);
    ferry_buffer_free(&buffer);
    ferry_evaluation_close(found);
    ferry_pool_close(options.pool);
    return copy;
}

static void threads_change_nothing(void **state)
{
    (void)state;
    eval_data data;
    make_larger(&data);
    ferry_eval_options options = {.resamples = 50, .seed = 3, .ratings = true};
    char *one = report_of(&data, options, 1, 1), *two = report_of(&data, options, 1, 2),
         *four = report_of(&data, options, 1, 4), *other = report_of(&data, options, 2, 1);
    assert_string_equal(one, two);
    assert_string_equal(one, four);
    assert_string_not_equal(one, other);
    options.seed = 4;
    char *seed = report_of(&data, options, 1, 1);
    assert_string_not_equal(one, seed); /* other intervals */
    free(one), free(two), free(four), free(other), free(seed);
    eval_data_free(&data);
}

static void samples_of_users(void **state)
{
    (void)state;
    eval_data data;
    uint64_t seed = 1;
    make_larger(&data);
    ferry_evaluation *found =
        evaluate(&data, (ferry_eval_options){.users = 100, .seed = 1}, score_near, &seed);
    assert_int_equal(found->user_count, 100);
    size_t early = 0;
    for (size_t i = 0; i < 100; i++) {
        if (i > 0) assert_true(found->users[i] > found->users[i - 1]);
        early += found->users[i] < 200;
    }
    assert_true(early > 30 && early < 70); /* not the first ones */
    ferry_evaluation_close(found);
    found = evaluate(&data, (ferry_eval_options){.users = 10000}, score_near, &seed);
    assert_int_equal(found->user_count, 400);
    ferry_evaluation_close(found);
    eval_data_free(&data);
}

static void json_has_it_all(void **state)
{
    (void)state;
    eval_data data;
    uint64_t seed = 1;
    cJSON *json;
    make_larger(&data);
    ferry_eval_options options = {.resamples = 50, .seed = 3};
    ferry_evaluation *found = evaluate(&data, options, score_near, &seed);
    ferry_eval_about about = {.scorer = "a \"name\"", .fit_seconds = 1, .peak_memory = 7};
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_evaluation_json(found, &about, &buffer, NULL), FERRY_OK);
    assert_int_equal(ferry_json_parse(buffer.data, buffer.size, "report", &json, NULL), FERRY_OK);
    const cJSON *metrics = cJSON_GetObjectItem(json, "metrics"),
                *intervals = cJSON_GetObjectItem(json, "intervals");
    static const char *const names[] = {
        "hit@1",    "recall@3",  "precision@3",         "ndcg@3", "mrr@3", "map@3",
        "accuracy", "novelty@3", "averagepopularity@3", "hit@3"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const cJSON *mean = cJSON_GetObjectItem(metrics, names[i]),
                    *pair = cJSON_GetObjectItem(intervals, names[i]);
        assert_true(cJSON_IsNumber(mean) && cJSON_GetArraySize(pair) == 2);
        assert_true(cJSON_GetArrayItem(pair, 0)->valuedouble <= mean->valuedouble);
        assert_true(cJSON_GetArrayItem(pair, 1)->valuedouble >= mean->valuedouble);
        assert_true(mean->valuedouble == figure(found, names[i]));
    }
    assert_true(cJSON_IsNumber(cJSON_GetObjectItem(metrics, "giniindex@3")));
    assert_string_equal(cJSON_GetObjectItem(json, "scorer")->valuestring, "a \"name\"");
    assert_int_equal(cJSON_GetObjectItem(json, "peak_memory")->valueint, 7);
    assert_true(cJSON_GetArraySize(cJSON_GetObjectItem(json, "slices")) >= 6);
    cJSON_Delete(json);
    ferry_buffer_free(&buffer);
    ferry_evaluation_close(found);
    eval_data_free(&data);
}

static const ferry_eval_figure *difference(const ferry_eval_comparison *comparison,
                                           const char *name)
{
    for (size_t i = 0; i < comparison->figure_count; i++)
        if (strcmp(comparison->figures[i].name, name) == 0) return &comparison->figures[i];
    fail_msg("no difference of %s", name);
    return NULL;
}

static void runs_compare(void **state)
{
    (void)state;
    eval_data data;
    uint64_t first = 1, second = 2;
    make_larger(&data);
    ferry_eval_options options = {.resamples = 200, .seed = 3, .ratings = true};
    ferry_evaluation *one = evaluate(&data, options, score_near, &first),
                     *two = evaluate(&data, options, score_near, &second);
    ferry_buffer saved;
    ferry_buffer_init(&saved, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_evaluation_save(two, "second", &saved, NULL), FERRY_OK);
    ferry_file file = {"two.safetensors", saved.data, saved.size};
    ferry_eval_comparison comparison;
    if (ferry_evaluation_compare(one, &file, &options, NULL, &comparison, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    assert_string_equal(comparison.other, "second");
    static const char *const names[] = {"hit@3", "ndcg@3", "rmse", "mae", "novelty@1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const ferry_eval_figure *delta = difference(&comparison, names[i]);
        assert_near(delta->mean, figure(one, names[i]) - figure(two, names[i]), 1e-6);
        assert_true(delta->low <= delta->mean && delta->mean <= delta->high);
        assert_true(delta->high > delta->low);
    }
    ferry_eval_comparison_close(&comparison);
    /* with itself: nothing at all */
    assert_int_equal(ferry_evaluation_compare(two, &file, &options, NULL, &comparison, NULL),
                     FERRY_OK);
    for (size_t i = 0; i < comparison.figure_count; i++)
        assert_true(comparison.figures[i].low == 0 && comparison.figures[i].high == 0);
    ferry_eval_comparison_close(&comparison);
    /* other users, other bytes */
    options.users = 100;
    ferry_evaluation *fewer = evaluate(&data, options, score_near, &first);
    assert_int_equal(ferry_evaluation_compare(fewer, &file, &options, NULL, &comparison, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "two.safetensors: a run over other users"));
    uint32_t nan = 0x7fc00000; /* in place of the last value */
    memcpy(saved.data + saved.size - 4, &nan, 4);
    assert_int_equal(ferry_evaluation_compare(two, &file, &options, NULL, &comparison, &error),
                     FERRY_MALFORMED);
    assert_non_null(strstr(error.message, "is not finite"));
    file.size = 40;
    assert_int_equal(ferry_evaluation_compare(two, &file, &options, NULL, &comparison, &error),
                     FERRY_MALFORMED);
    ferry_evaluation_close(fewer);
    ferry_evaluation_close(one);
    ferry_evaluation_close(two);
    ferry_buffer_free(&saved);
    eval_data_free(&data);
}

/* ---- bad input ---- */

static void refuses(const eval_data *data, ferry_eval_options options, ferry_score_items score,
                    void *scorer, ferry_status status, const char *text)
{
    ferry_evaluation *found;
    assert_int_equal(ferry_evaluate(&data->dataset, &options, score, scorer, NULL, &found, &error),
                     status);
    assert_null(found);
    if (strstr(error.message, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, text);
}

static bool stop_at_once(void *user, size_t done, size_t total)
{
    (void)user, (void)done, (void)total;
    return false;
}

static void bad_input_is_refused(void **state)
{
    (void)state;
    float scores[] = {0, 1, NAN, 3, 4, 5};
    size_t zero[] = {0}, large[] = {1001}, down[] = {5, 5}, one[] = {1};
    eval_data data;
    eval_data_make(&data, 2, 3, 6);
    eval_data_add(&data, 0, 1, 3, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 1, 4, FERRY_TEST, 0, 0);
    ferry_eval_options good = {.part = FERRY_TEST, .ks = one, .k_count = 1}, options = good;
    refuses(&data, good, score_given, scores, FERRY_MALFORMED,
            "the score of item \"2\" for user \"1\" is not a number");
    options.domain = 2;
    refuses(&data, options, score_given, scores, FERRY_INVALID_ARGUMENT, "domain 2 of 2");
    options = good, options.domain = 1; /* empty */
    refuses(&data, options, score_given, scores, FERRY_NOT_FOUND,
            "domain \"b\": no user has a test event");
    data.domains[1].item_count = 0;
    refuses(&data, options, score_given, scores, FERRY_INVALID_ARGUMENT, "has 0 items");
    options = good, options.part = FERRY_VALIDATION;
    refuses(&data, options, score_given, scores, FERRY_NOT_FOUND, "validation event");
    options = good, options.k_count = 0;
    refuses(&data, options, score_given, scores, FERRY_INVALID_ARGUMENT, "no k");
    options = good, options.ks = zero;
    refuses(&data, options, score_given, scores, FERRY_INVALID_ARGUMENT, "k is 0");
    options.ks = large;
    refuses(&data, options, score_given, scores, FERRY_INVALID_ARGUMENT, "k is 1001");
    options.ks = down, options.k_count = 2;
    refuses(&data, options, score_given, scores, FERRY_INVALID_ARGUMENT, "ascending");
    options = good, options.progress = stop_at_once;
    refuses(&data, options, score_given, scores, FERRY_CANCELLED, "0 of 1 users");
    scores[2] = 2;
    ferry_evaluation_close(evaluate(&data, good, score_given, scores)); /* and goes on working */
    eval_data_free(&data);
}

/* ---- every allocation fails once ---- */

/* One baseline made, evaluated, saved and compared, all with this allocator. */
static ferry_status everything(const eval_data *data, const char *baseline, const float *vectors,
                               const ferry_file *saved, const ferry_allocator *allocator)
{
    const float *all[] = {vectors};
    const ferry_scorer *scorer;
    void *made = NULL;
    ferry_evaluation *found = NULL;
    ferry_eval_comparison comparison = {0};
    ferry_buffer buffer;
    ferry_scorer_input input = {.dataset = &data->dataset,
                                .vectors = all,
                                .dimension = 2,
                                .memory_limit = 64 << 20,
                                .allocator = allocator};
    ferry_eval_options options = {
        .part = FERRY_TEST, .ks = ks, .k_count = 2, .resamples = 5, .vectors = vectors};
    options.dimension = 2;
    ferry_buffer_init(&buffer, *allocator);
    FERRY_TRY(ferry_kernels_choose(NULL, &input.kernels, NULL));
    options.kernels = input.kernels;
    FERRY_TRY(ferry_baseline_find(baseline, &scorer, NULL));
    ferry_status status = scorer->create(&input, &made, &error);
    if (status == FERRY_OK)
        status = ferry_evaluate(&data->dataset, &options, scorer->score, made, allocator, &found,
                                &error);
    if (status == FERRY_OK) status = ferry_evaluation_save(found, baseline, &buffer, &error);
    if (status == FERRY_OK)
        status = ferry_evaluation_compare(found, saved, &options, allocator, &comparison, &error);
    ferry_eval_comparison_close(&comparison);
    ferry_buffer_free(&buffer);
    ferry_evaluation_close(found);
    if (made != NULL) scorer->close(made);
    return status;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    static float vectors[200][2];
    eval_data data;
    ferry_buffer saved;
    uint64_t seed = 1;
    make_larger(&data);
    for (size_t i = 0; i < 200; i++) vectors[i][0] = 1;
    ferry_buffer_init(&saved, ferry_allocator_or_default(NULL));
    ferry_evaluation *found = evaluate(&data, (ferry_eval_options){0}, score_near, &seed);
    assert_int_equal(ferry_evaluation_save(found, "near", &saved, NULL), FERRY_OK);
    ferry_evaluation_close(found);
    ferry_file file = {"near", saved.data, saved.size};
    size_t count;
    const ferry_scorer *const *baselines = ferry_baselines(&count);
    for (size_t b = 0; b < count; b++) {
        size_t left = 0;
        for (ferry_status status = FERRY_OUT_OF_MEMORY; status != FERRY_OK; left++) {
            failing memory;
            ferry_allocator allocator = failing_allocator(&memory, left);
            error.message[0] = '\0';
            status = everything(&data, baselines[b]->name, &vectors[0][0], &file, &allocator);
            assert_int_equal(memory.live, 0);
            if (status == FERRY_OK) break;
            assert_int_equal(status, FERRY_OUT_OF_MEMORY);
            assert_non_null(strstr(error.message, "out of memory for "));
        }
        assert_true(left > 5);
    }
    ferry_buffer_free(&saved);
    eval_data_free(&data);
}

/* ---- the command line ---- */

/* Runs ferry eval with these words; its output, to be freed, and its exit code. */
static char *run_cli(const char *words, int *code)
{
    char command[4096];
    size_t size = 0, capacity = 1 << 20;
    snprintf(command, sizeof command, "'%s' eval %s 2>&1", FERRY_CLI, words);
    FILE *pipe = popen(command, "r");
    char *text = malloc(capacity);
    assert_true(pipe != NULL && text != NULL);
    for (size_t got; (got = fread(text + size, 1, capacity - 1 - size, pipe)) > 0;) size += got;
    text[size] = '\0';
    *code = pclose(pipe) >> 8;
    return text;
}

static void says(const char *words, int expected, const char *text)
{
    int code;
    char *found = run_cli(words, &code);
    if (code != expected || strstr(found, text) == NULL)
        fail_msg("ferry eval %s: exit %d, expected %d and \"%s\":\n%s", words, code, expected, text,
                 found);
    free(found);
}

static void command_line(void **state)
{
    (void)state;
    char folder[] = "/tmp/ferry-eval-XXXXXX", words[1024];
    eval_data data;
    make_larger(&data);
    const char *behaviors[] = {"purchase"};
    data.dataset.behaviors = behaviors;
    data.dataset.behavior_count = 1;
    assert_non_null(mkdtemp(folder));
    if (ferry_dataset_save_directory(&data.dataset, folder, NULL, NULL, NULL, &error) != FERRY_OK)
        fail_msg("%s", error.message);
#define SAYS(code, text, ...)                       \
    do {                                            \
        snprintf(words, sizeof words, __VA_ARGS__); \
        says(words, code, text);                    \
    } while (0)
    SAYS(0, "\"scorer\":\"itemknn\",\"domain\":\"a\",\"part\":\"test\",\"users\":400",
         "--data %s --domain a --baseline itemknn --json --save-users %s/knn --resamples 20",
         folder, folder);
    SAYS(0, "less itemknn, paired", "--data %s --domain a --baseline ease --compare %s/knn -k 7",
         folder, folder);
    SAYS(0, "@7                           @9",
         "--data %s --domain a --baseline popularity -k 7,9 --threads 2 --users 50", folder);
    SAYS(1, "a run over other users",
         "--data %s --domain a --baseline ease --compare %s/knn --part validation", folder, folder);
    SAYS(1, "needs a catalogue", "--data %s --domain a --baseline text", folder);
    SAYS(1, "\"z\"", "--data %s --domain z --baseline random", folder);
    SAYS(1, "no baseline \"bert\"", "--data %s --domain a --baseline bert", folder);
    SAYS(1, "/no/such", "--data /no/such --domain a --baseline random");
    SAYS(1, "/no/such", "--data %s --domain a --baseline random --save-users /no/such/file",
         folder);
    SAYS(2, "expected a whole number", "--data %s --domain a --baseline random -k 0", folder);
    SAYS(2, "ascending", "--data %s --domain a --baseline random -k 5,5", folder);
    SAYS(2, "at most 1000", "--data %s --domain a --baseline random -k 1001", folder);
    SAYS(2, "expected train, validation or test", "--data x --domain a --baseline b --part all");
    SAYS(2, "--baseline is missing", "--data x --domain a");
    SAYS(2, "--data is missing", "--domain a --baseline b");
    SAYS(0, "by cosine (arXiv 2605.07125)", "--help");
    snprintf(words, sizeof words, "rm -r '%s'", folder);
    assert_int_equal(system(words), 0);
    eval_data_free(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_one_behaviors_items_are_seen),
        cmocka_unit_test(seen_items_are_masked),
        cmocka_unit_test(candidates_and_short_lists),
        cmocka_unit_test(ties_are_in_no_order),
        cmocka_unit_test(histories_cross_domains),
        cmocka_unit_test(slices_by_hand),
        cmocka_unit_test(popularity_and_diversity),
        cmocka_unit_test(intervals_cover),
        cmocka_unit_test(percentiles_by_hand),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(samples_of_users),
        cmocka_unit_test(json_has_it_all),
        cmocka_unit_test(runs_compare),
        cmocka_unit_test(bad_input_is_refused),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(command_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
