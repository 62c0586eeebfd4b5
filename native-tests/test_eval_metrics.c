/* Metrics from ranks: by hand, and against what RecBole and ranx give. */
#include "golden.h"

#include <math.h>

#include "eval_data.h"
#include "math/elementary.h"

/* ---- by hand ---- */

static void metrics_of(const uint32_t *ranks, size_t count, size_t k, double *out)
{
    double discounts[100];
    ferry_rank_discounts(discounts, 100);
    ferry_rank_metrics(ranks, count, k, discounts, out);
}

static void log2_is_right(void **state)
{
    (void)state;
    for (int i = 1; i < 5000; i++) {
        assert_near(ferry_log2(i), log2(i), 1e-15 * (1 + log2(i)));
        assert_near(ferry_log2(1.0 / i), log2(1.0 / i), 1e-15 * (1 + log2(i)));
    }
    assert_near(ferry_log2(1.7e308), log2(1.7e308), 1e-12);
    assert_true(ferry_log2(1) == 0 && ferry_log2(8) == 3);
}

static void one_target(void **state)
{
    (void)state;
    double m[FERRY_RANK_METRICS];
    metrics_of((uint32_t[]){3}, 1, 5, m);
    assert_near(m[FERRY_METRIC_HIT], 1, 0);
    assert_near(m[FERRY_METRIC_RECALL], 1, 0);
    assert_near(m[FERRY_METRIC_PRECISION], 0.2, 0);
    assert_near(m[FERRY_METRIC_NDCG], 0.5, 1e-15); /* 1 / log2(4) */
    assert_near(m[FERRY_METRIC_MRR], 1.0 / 3, 0);
    assert_near(m[FERRY_METRIC_MAP], 1.0 / 3, 0);
    metrics_of((uint32_t[]){3}, 1, 3, m);
    assert_near(m[FERRY_METRIC_HIT], 1, 0); /* rank k is in */
    metrics_of((uint32_t[]){3}, 1, 2, m);
    for (size_t i = 0; i < FERRY_RANK_METRICS; i++) assert_near(m[i], 0, 0);
}

static void several_targets(void **state)
{
    (void)state;
    double m[FERRY_RANK_METRICS];
    metrics_of((uint32_t[]){1, 4, 6}, 3, 5, m);
    double dcg = 1 + 1 / log2(5), ideal = 1 + 1 / log2(3) + 0.5;
    assert_near(m[FERRY_METRIC_HIT], 1, 0);
    assert_near(m[FERRY_METRIC_RECALL], 2.0 / 3, 1e-15);
    assert_near(m[FERRY_METRIC_PRECISION], 0.4, 1e-15);
    assert_near(m[FERRY_METRIC_NDCG], dcg / ideal, 1e-15);
    assert_near(m[FERRY_METRIC_MRR], 1, 0);
    assert_near(m[FERRY_METRIC_MAP], (1 + 0.5) / 3, 1e-15);
    metrics_of((uint32_t[]){1, 2, 6}, 3, 2,
               m); /* more targets than places: 2 is all there can be */
    assert_near(m[FERRY_METRIC_NDCG], 1, 1e-15);
    assert_near(m[FERRY_METRIC_MAP], 1, 1e-15);
    assert_near(m[FERRY_METRIC_RECALL], 2.0 / 3, 1e-15);
}

static void never_and_none(void **state)
{
    (void)state;
    double m[FERRY_RANK_METRICS];
    metrics_of((uint32_t[]){2, FERRY_RANK_NEVER}, 2, 10, m); /* a masked target still counts */
    assert_near(m[FERRY_METRIC_RECALL], 0.5, 0);
    assert_near(m[FERRY_METRIC_NDCG], (1 / log2(3)) / (1 + 1 / log2(3)), 1e-15);
    metrics_of((uint32_t[]){FERRY_RANK_NEVER}, 1, 10, m);
    for (size_t i = 0; i < FERRY_RANK_METRICS; i++) assert_near(m[i], 0, 0);
    metrics_of(NULL, 0, 10, m);
    for (size_t i = 0; i < FERRY_RANK_METRICS; i++) assert_near(m[i], 0, 0);
}

static void lists_by_hand(void **state)
{
    (void)state;
    ferry_list_metrics lists;
    uint32_t even[4] = {3, 3, 3, 3}, one[4] = {0, 8, 0, 0}, none[4] = {0}, mixed[4] = {2, 0, 1, 1};
    ferry_list_metrics_of(even, 4, &lists);
    assert_near(lists.coverage, 1, 0);
    assert_near(lists.gini, 0, 1e-15);
    assert_near(lists.entropy, log(4) / 4, 1e-15);
    ferry_list_metrics_of(one, 4, &lists);
    assert_near(lists.coverage, 0.25, 0);
    assert_near(lists.gini, 0.75, 1e-15);
    assert_near(lists.entropy, 0, 1e-15);
    ferry_list_metrics_of(none, 4, &lists);
    assert_near(lists.coverage + lists.gini + lists.entropy, 0, 0);
    ferry_list_metrics_of(mixed, 4, &lists); /* 0 1 1 2: (-1 + 1 + 6) / 4 / 4 */
    assert_near(lists.gini, 6.0 / 16, 1e-15);
    assert_near(lists.entropy, (log(2) / 2 + log(4) / 2) / 3, 1e-15);
}

/* ---- against RecBole and ranx: the whole way through ferry_evaluate ---- */

/* A user's list is found by the one event of domain "b", whose item is the user's number. */
static void score_golden(void *user, const ferry_history_entry *history, size_t count,
                         size_t worker, float *out)
{
    (void)worker;
    const cJSON *run = user;
    assert_int_equal(count, 1);
    const cJSON *list = cJSON_GetArrayItem(cJSON_GetObjectItem(run, "lists"), (int)history->item);
    int n = cJSON_GetArraySize(list);
    for (int i = 0; i < n; i++) out[cJSON_GetArrayItem(list, i)->valueint] = (float)(n - i);
}

static double list_figure(const ferry_evaluation *evaluation, const char *name)
{
    for (size_t i = 0; i < evaluation->k_count; i++) {
        char known[64];
        snprintf(known, sizeof known, "itemcoverage@%zu", evaluation->ks[i]);
        if (strcmp(name, known) == 0) return evaluation->lists[i].coverage;
        snprintf(known, sizeof known, "giniindex@%zu", evaluation->ks[i]);
        if (strcmp(name, known) == 0) return evaluation->lists[i].gini;
        snprintf(known, sizeof known, "shannonentropy@%zu", evaluation->ks[i]);
        if (strcmp(name, known) == 0) return evaluation->lists[i].entropy;
    }
    return figure(evaluation, name);
}

static void assert_all(const ferry_evaluation *evaluation, const cJSON *expected, const char *by)
{
    int compared = 0;
    for (const cJSON *value = expected->child; value != NULL; value = value->next, compared++) {
        double found = list_figure(evaluation, value->string);
        if (!(fabs(found - value->valuedouble) <= 1e-12 * (1 + fabs(found))))
            fail_msg("%s: %s is %.17g, expected %.17g", by, value->string, found,
                     value->valuedouble);
    }
    assert_true(compared >= 20);
}

static void check_run(const cJSON *run, const size_t *ks, size_t k_count)
{
    const cJSON *targets = cJSON_GetObjectItem(run, "targets"),
                *counts = cJSON_GetObjectItem(run, "counts");
    size_t users = (size_t)cJSON_GetArraySize(targets), items = (size_t)cJSON_GetArraySize(counts);
    eval_data data;
    eval_data_make(&data, 2, users + 1, users > items ? users : items);
    data.domains[0].item_count = items;
    for (size_t u = 0; u < users; u++) {
        const cJSON *target;
        eval_data_add(&data, 1, (uint32_t)u, (uint32_t)u, FERRY_TRAIN, 0, 0);
        cJSON_ArrayForEach(target, cJSON_GetArrayItem(targets, (int)u))
            eval_data_add(&data, 0, (uint32_t)u, (uint32_t)target->valueint, FERRY_TEST, 0, 0);
    }
    for (size_t i = 0; i < items; i++) /* a user who is in training only gives the popularity */
        for (int e = 0; e < cJSON_GetArrayItem(counts, (int)i)->valueint; e++)
            eval_data_add(&data, 0, (uint32_t)users, (uint32_t)i, FERRY_TRAIN, 0, 0);
    ferry_eval_options options = {.part = FERRY_TEST, .ks = ks, .k_count = k_count};
    ferry_evaluation *evaluation;
    ferry_error error;
    if (ferry_evaluate(&data.dataset, &options, score_golden, (void *)(uintptr_t)run, NULL,
                       &evaluation, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    assert_int_equal(evaluation->user_count, users);
    assert_all(evaluation, cJSON_GetObjectItem(run, "recbole"), "RecBole");
    assert_all(evaluation, cJSON_GetObjectItem(run, "ranx"), "ranx");
    ferry_evaluation_close(evaluation);
    eval_data_free(&data);
}

static void predict_golden(void *user, const ferry_history_entry *history, size_t count,
                           size_t worker, float *out)
{
    (void)worker;
    assert_int_equal(count, 1);
    out[0] = (float)cJSON_GetArrayItem(user, (int)history->item)->valuedouble;
}

static void check_ratings(const cJSON *ratings)
{
    const cJSON *predicted = cJSON_GetObjectItem(ratings, "predicted"),
                *expected = cJSON_GetObjectItem(ratings, "recbole");
    int count = cJSON_GetArraySize(predicted);
    eval_data data;
    eval_data_make(&data, 2, (size_t)count, (size_t)count);
    data.domains[0].item_count = 1;
    for (int u = 0; u < count; u++) {
        double value = cJSON_GetArrayItem(cJSON_GetObjectItem(ratings, "true"), u)->valuedouble;
        eval_data_add(&data, 1, (uint32_t)u, (uint32_t)u, FERRY_TRAIN, 0, 0);
        eval_data_add(&data, 0, (uint32_t)u, 0, FERRY_TEST, (float)value, 0);
    }
    size_t ks[] = {1};
    ferry_eval_options options = {.part = FERRY_TEST, .ks = ks, .k_count = 1, .ratings = true};
    ferry_evaluation *evaluation;
    assert_int_equal(ferry_evaluate(&data.dataset, &options, predict_golden,
                                    (void *)(uintptr_t)predicted, NULL, &evaluation, NULL),
                     FERRY_OK);
    /* the predictions are floats here and doubles there */
    assert_near(figure(evaluation, "rmse"), cJSON_GetObjectItem(expected, "rmse")->valuedouble,
                1e-7);
    assert_near(figure(evaluation, "mae"), cJSON_GetObjectItem(expected, "mae")->valuedouble, 1e-7);
    ferry_evaluation_close(evaluation);
    eval_data_free(&data);
}

static void as_recbole_and_ranx(void **state)
{
    (void)state;
    size_t size, ks[16], k_count = 0;
    char *text = read_file(golden_path("eval/metrics.json"), &size);
    cJSON *golden;
    assert_int_equal(ferry_json_parse(text, size, "metrics.json", &golden, NULL), FERRY_OK);
    const cJSON *entry;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItem(golden, "ks")) ks[k_count++] =
        (size_t)entry->valueint;
    int runs = 0;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItem(golden, "runs"))
    {
        check_run(entry, ks, k_count);
        runs++;
    }
    assert_int_equal(runs, 3);
    check_ratings(cJSON_GetObjectItem(golden, "ratings"));
    cJSON_Delete(golden);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log2_is_right),   cmocka_unit_test(one_target),
        cmocka_unit_test(several_targets), cmocka_unit_test(never_and_none),
        cmocka_unit_test(lists_by_hand),   cmocka_unit_test(as_recbole_and_ranx),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
