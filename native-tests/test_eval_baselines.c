/* The baselines: against RecBole's ItemKNN and EASE's formula, and by hand. */
#include "golden.h"

#include <math.h>

#include "eval/scorer.h"
#include "eval_data.h"

enum { MOST_ITEMS = 512 };

typedef struct fitted {
    const ferry_scorer *scorer;
    void *made;
    ferry_pool *pool;
} fitted;

static ferry_status fit(const char *name, const eval_data *data, const float *vectors,
                        size_t dimension, size_t threads, fitted *out, ferry_error *error)
{
    static const float *all[3];
    ferry_scorer_input input = {.dataset = &data->dataset, .memory_limit = 64 << 20};
    all[0] = all[1] = all[2] = vectors;
    *out = (fitted){0};
    input.vectors = vectors != NULL ? all : NULL;
    input.dimension = dimension;
    FERRY_TRY(ferry_kernels_choose(NULL, &input.kernels, error));
    FERRY_TRY(ferry_baseline_find(name, &out->scorer, error));
    FERRY_TRY(ferry_pool_create(NULL, threads, &out->pool, error));
    input.pool = out->pool;
    return out->scorer->create(&input, &out->made, error);
}

static void unfit(fitted *fit)
{
    fit->scorer->close(fit->made);
    ferry_pool_close(fit->pool);
}

/* Scores for a history of items of domain 0. */
static void score(const fitted *fit, const uint32_t *items, size_t count, float *out)
{
    ferry_history_entry history[64];
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++) history[i] = (ferry_history_entry){.item = items[i]};
    fit->scorer->score(fit->made, history, count, 0, out);
}

/* ---- goldens ---- */

static cJSON *open_golden(eval_data *data)
{
    size_t size;
    cJSON *golden;
    const cJSON *history, *item;
    char *text = read_file(golden_path("eval/baselines.json"), &size);
    assert_int_equal(ferry_json_parse(text, size, "baselines.json", &golden, NULL), FERRY_OK);
    free(text);
    eval_data_make(data, 1, 100, (size_t)cJSON_GetObjectItem(golden, "items")->valueint);
    uint32_t user = 0;
    cJSON_ArrayForEach(history, cJSON_GetObjectItem(golden, "histories"))
    {
        cJSON_ArrayForEach(item, history)
            eval_data_add(data, 0, user, (uint32_t)item->valueint, FERRY_TRAIN, 0, 0);
        /* nothing is learned from the other parts */
        eval_data_add(data, 0, user, user, FERRY_VALIDATION, 0, 0);
        eval_data_add(data, 0, user, user + 1, FERRY_TEST, 0, 0);
        user++;
    }
    return golden;
}

static void check_golden(const char *name, size_t threads)
{
    eval_data data;
    fitted knn;
    ferry_error error;
    cJSON *golden = open_golden(&data);
    if (fit(name, &data, NULL, 0, threads, &knn, &error) != FERRY_OK) fail_msg("%s", error.message);
    for (int u = 0; u < cJSON_GetArraySize(cJSON_GetObjectItem(golden, "users")); u++) {
        int user = cJSON_GetArrayItem(cJSON_GetObjectItem(golden, "users"), u)->valueint;
        const cJSON *history = cJSON_GetArrayItem(cJSON_GetObjectItem(golden, "histories"), user),
                    *expected = cJSON_GetArrayItem(cJSON_GetObjectItem(golden, name), u);
        uint32_t items[64] = {0};
        size_t count = 0;
        const cJSON *item;
        cJSON_ArrayForEach(item, history) items[count++] = (uint32_t)item->valueint;
        items[count++] = items[0]; /* a repeated item counts once */
        float found[MOST_ITEMS];
        score(&knn, items, count, found);
        assert_int_equal(cJSON_GetArraySize(expected), data.domains[0].item_count);
        double largest = 0;
        for (size_t i = 0; i < data.domains[0].item_count; i++) {
            double value = cJSON_GetArrayItem(expected, (int)i)->valuedouble;
            assert_near((double)found[i], value, 1e-6 * (0.01 + fabs(value)));
            largest = fmax(largest, fabs(value));
        }
        assert_true(largest > 1e-3); /* else nothing was compared */
    }
    unfit(&knn);
    cJSON_Delete(golden);
    eval_data_free(&data);
}

static void itemknn_as_recbole(void **state)
{
    (void)state;
    check_golden("itemknn", 1);
    check_golden("itemknn", 2);
}

static void ease_as_its_formula(void **state)
{
    (void)state;
    check_golden("ease", 1);
    check_golden("ease", 2);
}

/* Item 0 goes with all 299 others; 100 of them keep… all do: it is 0 that keeps only its 100. */
static void itemknn_keeps_the_closest(void **state)
{
    (void)state;
    eval_data data;
    fitted knn;
    float found[300];
    size_t kept = 0;
    eval_data_make(&data, 1, 600, 300);
    for (uint32_t i = 1; i < 300;
         i++) { /* items to 150 come alone with 0, the others elsewhere too */
        eval_data_add(&data, 0, 2 * i, 0, FERRY_TRAIN, 0, 0);
        eval_data_add(&data, 0, 2 * i, i, FERRY_TRAIN, 0, 0);
        if (i > 90) eval_data_add(&data, 0, 2 * i + 1, i, FERRY_TRAIN, 0, 0);
    }
    assert_int_equal(fit("itemknn", &data, NULL, 0, 2, &knn, NULL), FERRY_OK);
    for (uint32_t i = 1; i < 300; i++) {
        score(&knn, &i, 1, found);
        if (found[0] > 0) kept++;
        if (i <= 90) assert_true(found[0] > 0);
    }
    assert_int_equal(kept, 100);
    score(&knn, (uint32_t[]){0}, 1, found);
    assert_true(found[0] == 0 && found[1] > 0 && found[299] > 0 && found[1] > found[299]);
    unfit(&knn);
    eval_data_free(&data);
}

static void ease_says_what_it_takes(void **state)
{
    (void)state;
    eval_data data;
    fitted ease;
    ferry_error error;
    eval_data_make(&data, 1, 1, 20000);
    eval_data_add(&data, 0, 0, 0, FERRY_TRAIN, 0, 0);
    assert_int_equal(fit("ease", &data, NULL, 0, 1, &ease, &error), FERRY_LIMIT);
    assert_non_null(strstr(error.message, "20000 items"));
    assert_non_null(strstr(error.message, "the limit is 64 MiB"));
    ferry_pool_close(ease.pool);
    eval_data_free(&data);
}

/* ---- by hand ---- */

static void popularity_counts_training(void **state)
{
    (void)state;
    eval_data data;
    fitted popular;
    float found[4];
    eval_data_make(&data, 1, 3, 4);
    eval_data_add(&data, 0, 0, 2, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 0, 3, FERRY_TEST, 0, 0);
    eval_data_add(&data, 0, 1, 2, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 1, 1, FERRY_TRAIN, 0, 0);
    eval_data_add(&data, 0, 1, 3, FERRY_VALIDATION, 0, 0);
    assert_int_equal(fit("popularity", &data, NULL, 0, 1, &popular, NULL), FERRY_OK);
    score(&popular, NULL, 0, found);
    assert_true(found[0] == 0 && found[1] == 1 && found[2] == 2 && found[3] == 0);
    unfit(&popular);
    assert_int_equal(fit("random", &data, NULL, 0, 1, &popular, NULL), FERRY_OK);
    score(&popular, NULL, 0, found);
    assert_true(found[0] == 0 && found[1] == 0 && found[2] == 0 && found[3] == 0);
    unfit(&popular);
    eval_data_free(&data);
}

static void text_weighs_the_last_three(void **state)
{
    (void)state;
    static const float vectors[] = {1, 0, 0, 1, 0.6f, 0.8f, -1, 0};
    eval_data data;
    fitted text;
    float found[4];
    ferry_error error;
    eval_data_make(&data, 2, 1, 4);
    assert_int_equal(fit("text", &data, vectors, 2, 1, &text, NULL), FERRY_OK);
    score(&text, (uint32_t[]){3, 0, 1, 2}, 4, found); /* 2 + .6 of 1 + .36 of 0; 3 is too old */
    double x = 0.6 + 0.36, y = 0.8 + 0.6;
    assert_near((double)found[0], x, 1e-6);
    assert_near((double)found[1], y, 1e-6);
    assert_near((double)found[2], 0.6 * x + 0.8 * y, 1e-6);
    ferry_history_entry other[] = {{.domain = 0, .item = 0}, {.domain = 1, .item = 1}};
    text.scorer->score(text.made, other, 2, 0, found);
    assert_true(found[0] == 1 && found[1] == 0); /* the other domain's is left alone… */
    text.scorer->score(text.made, other + 1, 1, 0, found);
    assert_true(found[0] == 0 && found[1] == 1); /* …unless there is nothing else */
    score(&text, NULL, 0, found);
    for (size_t i = 0; i < 4; i++) assert_true(found[i] == 0);
    unfit(&text);
    assert_int_equal(fit("text", &data, NULL, 0, 1, &text, &error), FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "vectors"));
    ferry_pool_close(text.pool);
    eval_data_free(&data);
}

/* Items in the order of their scores. */
static void order_of(const float *scores, size_t n, uint32_t *out)
{
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && scores[out[at - 1]] < scores[i]; at--) out[at] = out[at - 1];
        out[at] = (uint32_t)i;
    }
}

static void graph_takes_from_its_rings(void **state)
{
    (void)state;
    /* 0 -> 1…9 (ring 1), 1 -> 10, 11, 12 (ring 2), 10 -> 13, 14 (ring 3); 15, 16 unreached. Vectors
     * make the cosine to item 0 fall with the number, but 16's, which is the nearest of all. */
    eval_data data;
    fitted graph;
    float vectors[17][2], found[17];
    uint32_t order[17], user = 0;
    eval_data_make(&data, 1, 100, 17);
    for (uint32_t i = 1; i <= 9; i++, user++) {
        eval_data_add(&data, 0, user, 0, FERRY_TRAIN, 0, 0);
        eval_data_add(&data, 0, user, i, FERRY_TRAIN, 0, 0);
    }
    static const uint32_t pairs[][2] = {{1, 10}, {1, 11}, {1, 12}, {10, 13}, {10, 14}, {0, 9}};
    for (size_t i = 0; i < 6; i++, user++) {
        eval_data_add(&data, 0, user, pairs[i][0], FERRY_TRAIN, 0, 0);
        eval_data_add(&data, 0, user, pairs[i][1], FERRY_TRAIN, 0, 0);
    }
    for (size_t i = 0; i < 17; i++) {
        float c = i == 16 ? 0.999f : 1.0f - 0.02f * (float)i;
        vectors[i][0] = c;
        vectors[i][1] = sqrtf(1 - c * c);
    }
    assert_int_equal(fit("graph", &data, &vectors[0][0], 2, 1, &graph, NULL), FERRY_OK);
    /* 9 followed twice: .82 + .5 beats 1's .98 + .5 log 2 / log 3 = 1.295 */
    static const uint32_t expected[17] = {9, 1, 2, 3, 4, 5, 6, 10, 11, 13, 7, 8, 12, 14, 0, 16, 15};
    score(&graph, (uint32_t[]){0}, 1, found);
    order_of(found, 17, order);
    /* the list of ten, then rings 1, 2, 3, then the rest, where 0 itself is the nearest */
    for (size_t i = 0; i < 17; i++) assert_int_equal(order[i], expected[i]);
    /* seen items take no place, but the way goes on through them */
    score(&graph, (uint32_t[]){1, 2, 3, 4, 5, 6, 0}, 7, found);
    order_of(found, 17, order);
    static const uint32_t unseen[] = {9, 7, 8, 10, 11, 13, 12, 14};
    for (size_t i = 0; i < 8; i++) assert_int_equal(order[i], unseen[i]);
    score(&graph, NULL, 0, found);
    for (size_t i = 0; i < 17; i++) assert_true(found[i] == 0);
    unfit(&graph);
    eval_data_free(&data);
}

static void unknown_names_are_listed(void **state)
{
    (void)state;
    const ferry_scorer *scorer;
    ferry_error error;
    assert_int_equal(ferry_baseline_find("bert", &scorer, &error), FERRY_NOT_FOUND);
    assert_non_null(strstr(error.message, "\"bert\"; there are random, popularity, itemknn, ease"));
    assert_null(scorer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(itemknn_as_recbole),         cmocka_unit_test(ease_as_its_formula),
        cmocka_unit_test(itemknn_keeps_the_closest),  cmocka_unit_test(ease_says_what_it_takes),
        cmocka_unit_test(popularity_counts_training), cmocka_unit_test(text_weighs_the_last_three),
        cmocka_unit_test(graph_takes_from_its_rings), cmocka_unit_test(unknown_names_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
