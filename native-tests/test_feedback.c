/* What likes and dislikes say, and the visitor's controls, without a model and with one. */
#include "golden_shop.h"

/* ---- what feedback says ---- */

static void feedback_marks_items(void **state)
{
    const shop *s = *state;
    ferry_visitor *visitor = visitor_of(s, false);
    ferry_event rating = {.item = "b0", .behavior = FERRY_RATING, .value = 2.5, .timestamp = 5};
    size_t b0 = item_of(s, "b0"), b1 = item_of(s, "b1");
    assert_int_equal(ferry_visitor_add(visitor, &rating, NULL), FERRY_OK);
    assert_int_equal(visitor->disliked[b0], FERRY_ITEM_DISLIKED);
    add(visitor, "b0", FERRY_LIKE, 4); /* older than the rating */
    assert_int_equal(visitor->disliked[b0], FERRY_ITEM_DISLIKED);
    add(visitor, "b0", FERRY_LIKE, 5); /* as new, and added later */
    assert_int_equal(visitor->disliked[b0], 0);
    add(visitor, "b0", FERRY_DISLIKE, 6);
    assert_int_equal(visitor->disliked[b0], FERRY_ITEM_DISLIKED);
    add(visitor, "b1", FERRY_NOT_INTERESTED, 6);
    assert_int_equal(visitor->disliked[b1], FERRY_ITEM_NOT_INTERESTING);
    assert_int_equal(visitor->seen[b1], 1);
    for (size_t i = 0; i < 2; i++) assert_int_equal(ferry_visitor_undo(visitor, NULL), FERRY_OK);
    assert_int_equal(visitor->disliked[b0] + visitor->disliked[b1] + visitor->seen[b1], 0);
    assert_int_equal(visitor->seen[b0], 1);
    ferry_visitor_close(visitor);
}

/* Not interested: no score changes, with a model or without. */
static void not_interested_says_nothing_of_others(void **state)
{
    const shop *s = *state;
    for (int learned = 0; learned < 2; learned++) {
        float before[MOST], after[MOST];
        ferry_visitor *visitor = visitor_of(s, learned);
        add(visitor, "b0", FERRY_LIKE, 5);
        assert_int_equal(scores_of(visitor, (ferry_recommend_options){0}, before), FERRY_OK);
        add(visitor, "b9", FERRY_NOT_INTERESTED, 9);
        assert_int_equal(scores_of(visitor, (ferry_recommend_options){0}, after), FERRY_OK);
        for (size_t i = 0; i < s->catalog->count; i++)
            if (i != item_of(s, "b9")) assert_memory_equal(&before[i], &after[i], sizeof *after);
        ferry_visitor_close(visitor);
    }
}

/* The more an item is like what is disliked, the more it loses, within its domain; elsewhere
 * nothing changes. */
static void a_dislike_pushes_down_what_is_like_it(void **state)
{
    const shop *s = *state;
    static const char *const disliked[] = {"b1", "f4", "b17", "f20"};
    size_t compared = 0;
    for (size_t d = 0; d < 4; d++) {
        float before[MOST], after[MOST], cosine[MOST];
        ferry_visitor *visitor = visitor_of(s, true);
        add(visitor, "b0", FERRY_LIKE, 5);
        add(visitor, "f3", FERRY_PURCHASE, 6);
        assert_int_equal(scores_of(visitor, (ferry_recommend_options){0}, before), FERRY_OK);
        add(visitor, disliked[d], FERRY_DISLIKE, 7);
        assert_int_equal(scores_of(visitor, (ferry_recommend_options){0}, after), FERRY_OK);
        const ferry_model_domain *domain = &s->model->domains[disliked[d][0] == 'b' ? 0 : 1];
        size_t K = domain->whiten.K, own = s->catalog->within[item_of(s, disliked[d])];
        s->catalog->kernels->dot_rows(domain->text, domain->text + own * K, cosine, domain->items,
                                      K);
        const uint32_t *items =
            s->catalog->domain_items + s->catalog->domain_first[domain->catalog_domain];
        for (size_t i = 0; i < domain->items; i++) {
            if (isnan(after[items[i]]) || cosine[i] <= 0.0f) continue;
            for (size_t j = 0; j < domain->items; j++) {
                if (isnan(after[items[j]]) || cosine[j] > cosine[i]) continue;
                float lost = before[items[i]] - after[items[i]];
                float other = before[items[j]] - after[items[j]];
                assert_true(lost >= other - 1e-4f);
                compared += cosine[i] > cosine[j] + 0.1f && lost > other + 0.1f;
            }
        }
        size_t elsewhere = item_of(s, disliked[d][0] == 'b' ? "f11" : "b11");
        assert_memory_equal(&before[elsewhere], &after[elsewhere], sizeof *after);
        ferry_visitor_close(visitor);
    }
    assert_true(compared > 500);
}

/* ---- controls: each does more the more there is of it ---- */

enum { DAY = 86400 };

/* How far films are ahead: with a model the domain's share of the list; without, how near the
 * visitor's vector is to the sum of the films that were bought, f7 and f9. */
static double lead_of_films(const shop *s, const float scores[MOST], bool learned)
{
    double sum = 0;
    if (!learned) return (double)scores[item_of(s, "f7")] + (double)scores[item_of(s, "f9")];
    for (size_t i = 0; i < s->catalog->count; i++)
        if (strcmp(s->catalog->items[i].item.domain, "films") == 0) sum += exp((double)scores[i]);
    return sum;
}

static ferry_visitor *films_and_books(const shop *s, bool learned)
{
    ferry_visitor *visitor = visitor_of(s, learned);
    add(visitor, "f7", FERRY_PURCHASE, 100 * DAY);
    add(visitor, "f9", FERRY_LIKE, 100 * DAY);
    add(visitor, "b8", FERRY_PURCHASE, 110 * DAY);
    return visitor;
}

/* The films' lead grows, or stays, as a control does: options_of(values[i]). */
static void expect_films_gain(const shop *s, const double *values, size_t count,
                              ferry_recommend_options (*options_of)(double value))
{
    for (int learned = 0; learned < 2; learned++) {
        ferry_visitor *visitor = films_and_books(s, learned);
        double last = -INFINITY, first = 0;
        for (size_t i = 0; i < count; i++) {
            float scores[MOST];
            assert_int_equal(scores_of(visitor, options_of(values[i]), scores), FERRY_OK);
            double lead = lead_of_films(s, scores, learned);
            assert_true(lead >= last - 1e-6);
            if (i == 0) first = lead;
            last = lead;
        }
        assert_true(last > first + 0.1);
        ferry_visitor_close(visitor);
    }
}

static ferry_recommend_options with_half_life(double days)
{
    return (ferry_recommend_options){.half_life = days};
}

/* The longer the half-life, the more an old event in one domain counts beside a new one. */
static void half_life_is_monotone(void **state)
{
    static const double days[] = {0.5, 1, 2, 3, 5, 10, 20, 50, 1000, 0}; /* the last: none fades */
    expect_films_gain(*state, days, sizeof days / sizeof *days, with_half_life);
}

/* Exactly half: the vector is that of weights 1 and .5. `now` moves all by as much. */
static void a_half_life_halves(void **state)
{
    const shop *s = *state;
    ferry_visitor *visitor = visitor_of(s, false);
    add(visitor, "f7", FERRY_PURCHASE, 100 * DAY);
    add(visitor, "b8", FERRY_PURCHASE, 110 * DAY);
    add(visitor, "b9", FERRY_PURCHASE, 0); /* of an unknown time: does not fade */
    ferry_recommend_options options = {.half_life = 10};
    assert_int_equal(ferry_visitor_weigh(visitor, &options, NULL), FERRY_OK);
    assert_true(visitor->scale[0] == 1.0f && visitor->scale[2] == 1.0f);
    assert_true(fabsf(visitor->scale[1] - 0.5f) < 1e-6f);
    options.now = 120 * DAY;
    assert_int_equal(ferry_visitor_weigh(visitor, &options, NULL), FERRY_OK);
    assert_true(fabsf(visitor->scale[1] - 0.25f) < 1e-6f);
    assert_true(fabsf(visitor->scale[2] - 0.5f) < 1e-6f);
    ferry_visitor_close(visitor);
}

static ferry_recommend_options with_weight(double much)
{
    static ferry_domain_weight weight;
    weight = (ferry_domain_weight){"films", (float)much};
    return (ferry_recommend_options){.domain_weights = &weight, .domain_weight_count = 1};
}

static void domain_weight_is_monotone(void **state)
{
    static const double weights[] = {0, 0.01, 0.1, 0.5, 1, 2, 5, 50, 1000};
    expect_films_gain(*state, weights, sizeof weights / sizeof *weights, with_weight);
}

/* A weight of 0: as if its events were not there. */
static void a_domain_without_weight_says_nothing(void **state)
{
    const shop *s = *state;
    for (int learned = 0; learned < 2; learned++) {
        float with[MOST], without[MOST];
        ferry_domain_weight weight = {"films", 0};
        ferry_recommend_options options = {.domain_weights = &weight, .domain_weight_count = 1};
        ferry_visitor *visitor = visitor_of(s, learned);
        add(visitor, "b8", FERRY_PURCHASE, 5);
        assert_int_equal(scores_of(visitor, (ferry_recommend_options){0}, without), FERRY_OK);
        add(visitor, "f7", FERRY_PURCHASE, 4);
        add(visitor, "f8", FERRY_DISLIKE, 6);
        assert_int_equal(scores_of(visitor, options, with), FERRY_OK);
        for (size_t i = 0; i < s->catalog->count; i++)
            if (!isnan(with[i])) assert_bytes(&with[i], &without[i], sizeof *with, "scores");
        ferry_visitor_close(visitor);
    }
}

/* The more novelty, the less popular the ten best of a domain are on average. */
static void novelty_is_monotone(void **state)
{
    const shop *s = *state;
    static const char *const histories[][2] = {{"b0", "b4"}, {"f3", "b12"}, {"f10", "f11"}};
    const char *domain = "books";
    double all = 0;
    for (size_t h = 0; h < 3; h++) {
        ferry_visitor *visitor = visitor_of(s, true);
        double last = INFINITY, first = 0;
        for (size_t i = 0; i < 2; i++) add(visitor, histories[h][i], FERRY_PURCHASE, (int64_t)i);
        for (int step = 0; step <= 10; step++) {
            ferry_recommendation items[10];
            size_t count;
            ferry_recommend_options options = {.size = sizeof options,
                                               .k = 10,
                                               .domains = &domain,
                                               .domain_count = 1,
                                               .novelty = (float)step / 10.0f};
            assert_int_equal(ferry_visitor_recommend(visitor, &options, items, &count, NULL, NULL),
                             FERRY_OK);
            double popularity = 0;
            for (size_t i = 0; i < count; i++)
                popularity +=
                    (double)s->model->domains[0].log_popularity[s->catalog->within[items[i].item]];
            assert_true(popularity <= last + 1e-4);
            if (step == 0) first = popularity;
            last = popularity;
        }
        all += first - last;
        ferry_visitor_close(visitor);
    }
    assert_true(all > 1.0);
}

static void wrong_controls_are_named(void **state)
{
    const shop *s = *state;
    static const ferry_domain_weight toys = {"toys", 1}, minus = {"films", -1};
    static const ferry_domain_weight twice[] = {{"films", 1}, {"films", 2}};
    const struct {
        ferry_recommend_options options;
        bool learned;
        ferry_status status;
        const char *says;
    } wrong[] = {
        {{.half_life = -1}, false, FERRY_INVALID_ARGUMENT, "half_life is -1"},
        {{.half_life = (double)NAN}, true, FERRY_INVALID_ARGUMENT, "half_life is"},
        {{.novelty = 0.5f}, false, FERRY_UNSUPPORTED, "only a model"},
        {{.novelty = 1.5f}, true, FERRY_INVALID_ARGUMENT, "novelty is 1.5"},
        {{.novelty = NAN}, true, FERRY_INVALID_ARGUMENT, "novelty is"},
        {{.domain_weights = &toys, .domain_weight_count = 1}, false, FERRY_NOT_FOUND, "toys"},
        {{.domain_weights = &minus, .domain_weight_count = 1}, true, FERRY_INVALID_ARGUMENT, "-1"},
        {{.domain_weights = twice, .domain_weight_count = 2}, true, FERRY_INVALID_ARGUMENT, "two"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ferry_visitor *visitor = visitor_of(s, wrong[i].learned);
        ferry_recommend_options options = wrong[i].options;
        ferry_recommendation item;
        ferry_error error = {0};
        size_t count;
        options.size = sizeof options;
        options.k = 1;
        add(visitor, "b1", FERRY_LIKE, 1);
        assert_int_equal(ferry_visitor_recommend(visitor, &options, &item, &count, NULL, &error),
                         wrong[i].status);
        if (strstr(error.message, wrong[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.message, wrong[i].says);
        ferry_visitor_close(visitor);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feedback_marks_items),
        cmocka_unit_test(not_interested_says_nothing_of_others),
        cmocka_unit_test(a_dislike_pushes_down_what_is_like_it),
        cmocka_unit_test(half_life_is_monotone),
        cmocka_unit_test(a_half_life_halves),
        cmocka_unit_test(domain_weight_is_monotone),
        cmocka_unit_test(a_domain_without_weight_says_nothing),
        cmocka_unit_test(novelty_is_monotone),
        cmocka_unit_test(wrong_controls_are_named),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
