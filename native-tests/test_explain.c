/* Explanations: that they add up to the score, and to naive features; and counterfactuals against
 * every set of events. */
#include "failing.h"
#include "naive_model.h"
#include "small_catalog.h"

#include "api/handles.h"
#include "base/error.h"
#include "rank/explain.h"

typedef struct fixture {
    data_catalog catalog;
    ferry_dataset *dataset;
    ferry_model *model;
} fixture;

static ferry_model *fit(fixture *f, ferry_sequence_kind kind)
{
    ferry_fit_options options = data_fit_options(NULL);
    options.net.sequence.kind = kind;
    options.net.sequence.layers = 1;
    options.net.sequence.heads = 2;
    options.net.sequence.feed_forward = 16;
    options.net.sequence.max_length = 20;
    ferry_model *fitted = data_fit(f->dataset, f->catalog.catalog, &options, NULL);
    data_files files;
    data_files_write(fitted, &files);
    ferry_model_close(fitted);
    ferry_model *model = data_load(&files, f->catalog.catalog); /* c is in it too */
    data_files_free(&files);
    return model;
}

static int open_fixture(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    data_catalog_plain(NULL, NULL, &f->catalog);
    f->dataset = data_set_make(DATA_USERS);
    f->model = fit(f, FERRY_SEQUENCE_EMA);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    fixture *f = *state;
    ferry_model_close(f->model);
    ferry_dataset_close(f->dataset);
    data_catalog_free(&f->catalog);
    free(f);
    return 0;
}

static void check(ferry_status status, const ferry_error *error)
{
    if (status != FERRY_OK) fail_msg("%s", error->message);
}

/* ---- visitors ---- */

typedef struct did {
    size_t number; /* of the item */
    ferry_behavior behavior;
    double value;
    int64_t timestamp;
} did;

static ferry_visitor *visitor_of(const fixture *f, const ferry_model *model, const did *events,
                                 size_t count)
{
    ferry_visitor *visitor;
    ferry_error error;
    check(ferry_visitor_create(f->catalog.catalog, &visitor, &error), &error);
    check(ferry_visitor_use(visitor, model, &error), &error);
    for (size_t i = 0; i < count; i++) {
        char id[DATA_WORD];
        data_id(events[i].number, id);
        ferry_event event = {.item = id,
                             .behavior = events[i].behavior,
                             .value = events[i].value,
                             .timestamp = events[i].timestamp};
        check(ferry_visitor_add(visitor, &event, &error), &error);
    }
    return visitor;
}

/* Events in a, b and c, one of them twice, added in another order than they happened in. */
enum { MIXED = 11 };
static const did mixed[MIXED] = {
    {3, FERRY_PURCHASE, 0, 5000},   {70, FERRY_VIEW, 0, 1000},     {9, FERRY_RATING, 5, 9000},
    {15, FERRY_VIEW, 0, 20000},     {120, FERRY_LIKE, 0, 7000},    {3, FERRY_PURCHASE, 0, 30000},
    {88, FERRY_PURCHASE, 0, 12000}, {21, FERRY_DISLIKE, 0, 800},   {33, FERRY_RATING, 4, 41000},
    {100, FERRY_RATING, 3, 100},    {64, FERRY_PURCHASE, 0, 25000}};

/* Explains every item, and holds the sums that are promised. */
static void expect_sums(ferry_visitor *visitor, const ferry_recommend_options *options, size_t n,
                        double *worst)
{
    for (size_t item = 0; item < n; item++) {
        ferry_error error;
        ferry_explanation *x;
        check(ferry_visitor_explain(visitor, options, item, &x, &error), &error);
        double sum = x->constant, size = fabs(x->constant) + fabs((double)x->score);
        double events[64] = {0}, groups[FERRY_GROUP_COUNT] = {0}, positive = 0.0;
        assert_int_equal(x->item, item);
        assert_true(x->score == visitor->scores[item] && x->event_count <= 64);
        for (size_t i = 0; i < x->contribution_count; i++) {
            const ferry_contribution *c = &x->contributions[i];
            assert_true(c->value != 0.0 && isfinite(c->value));
            assert_true(i == 0 || c->event > c[-1].event ||
                        (c->event == c[-1].event && c->reason > c[-1].reason));
            sum += c->value;
            size += fabs(c->value);
            groups[ferry_reason_group(c->reason)] += c->value;
            if (c->event != FERRY_NO_EVENT) events[c->event] += c->value;
        }
        double off = fabs((double)x->score - sum);
        assert_true(fabs((double)x->score - sum - x->residual) <= 1e-12 * (1.0 + size));
        if (x->complete) assert_true(off <= 1e-5 * size);
        if (x->complete && off / size > *worst) *worst = off / size;
        unsigned percents = 0;
        for (size_t g = 0; g < FERRY_GROUP_COUNT; g++) {
            assert_true(fabs(groups[g] - x->group[g]) <= 1e-12 * (1.0 + size));
            assert_true(x->percent[g] == 0 || groups[g] > 0.0);
            percents += x->percent[g];
            positive += groups[g] > 0.0 ? groups[g] : 0.0;
        }
        assert_int_equal(percents, positive > 0.0 ? 100 : 0);
        for (size_t i = 0; i < x->event_count; i++) {
            assert_true(fabs(events[i] - x->events[i].sum) <= 1e-12 * (1.0 + size));
            if (x->because != FERRY_NO_EVENT)
                assert_true(x->events[x->because].sum >= x->events[i].sum);
        }
        ferry_explanation_free(x);
    }
}

static void scores_are_sums(void **state)
{
    const fixture *f = *state;
    const char *domains = "b";
    ferry_domain_weight weight = {"b", 0.3f};
    const ferry_recommend_options variants[] = {
        {.size = sizeof *variants, .k = 1},
        {.size = sizeof *variants, .k = 1, .domains = &domains, .domain_count = 1},
        {.size = sizeof *variants, .k = 1, .half_life = 0.1, .now = 50000},
        {.size = sizeof *variants, .k = 1, .domain_weights = &weight, .domain_weight_count = 1},
    };
    double worst[2] = {0};
    for (size_t count = 0; count <= MIXED; count++)
        for (size_t v = 0; v < sizeof variants / sizeof *variants; v++)
            for (size_t learned = count == 0 ? 1 : 0; learned < 2; learned++) {
                ferry_visitor *visitor = visitor_of(f, learned ? f->model : NULL, mixed, count);
                ferry_recommend_options options = variants[v];
                if (learned) options.novelty = v == 2 ? 0.7f : 0.0f;
                expect_sums(visitor, &options, DATA_ITEMS, &worst[learned]);
                ferry_visitor_close(visitor);
            }
    print_message("largest residual %.1e without, %.1e with a model, of what is added up\n",
                  worst[0], worst[1]);
}

/* A score that is not what its history makes of it is not explained. */
static void a_sum_that_does_not_come_out_is_an_error(void **state)
{
    const fixture *f = *state;
    for (int learned = 0; learned < 2; learned++) {
        ferry_visitor *visitor = visitor_of(f, learned ? f->model : NULL, mixed, MIXED);
        const ferry_recommendation item = {.item = 6};
        ferry_explainer explainer;
        ferry_explanation *x;
        ferry_error error;
        check(ferry_explainer_open(visitor, NULL, &item, 1, &explainer, &error), &error);
        check(ferry_explainer_explain(&explainer, 6, &x, &error), &error);
        ferry_explanation_free(x);
        visitor->scores[6] += 0.001f;
        assert_int_equal(ferry_explainer_explain(&explainer, 6, &x, &error), FERRY_INCONSISTENT);
        assert_null(x);
        assert_non_null(strstr(error.message, "\"a6\""));
        ferry_explainer_close(&explainer);
        ferry_visitor_close(visitor);
    }
}

/* ---- without a model: a cosine ---- */

static void a_cosine_is_split_by_its_events(void **state)
{
    (void)state;
    small_catalog small;
    ferry_catalog *catalog;
    ferry_visitor *visitor;
    ferry_explanation *x;
    ferry_error error;
    small_catalog_make(&small);
    check(ferry_catalog_open(small.files, SMALL_FILES, NULL, &catalog, &error), &error);
    check(ferry_visitor_create(catalog, &visitor, &error), &error);
    const ferry_event events[] = {{"s1", NULL, FERRY_VIEW, 0, 30, NULL},
                                  {"b1", NULL, FERRY_PURCHASE, 0, 20, NULL},
                                  {"f1", NULL, FERRY_RATING, 1, 10, NULL}};
    for (size_t i = 0; i < 3; i++) check(ferry_visitor_add(visitor, &events[i], &error), &error);
    /* (1, 0, 0) - (.6, .8, 0) + .25 (0, 0, 1); item x of films is (.8, 0, .6) */
    const double length = sqrt(0.4 * 0.4 + 0.8 * 0.8 + 0.25 * 0.25);
    const double expected[] = {0.25 * 0.6 / length, 0.8 / length, -0.48 / length};
    check(ferry_visitor_explain(visitor, NULL, 4, &x, &error), &error);
    assert_int_equal(x->contribution_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(x->contributions[i].event, i);
        assert_int_equal(x->contributions[i].reason, FERRY_REASON_TEXT);
        assert_true(fabs(x->contributions[i].value - expected[i]) < 1e-7);
        assert_true(fabs(x->events[i].sum - expected[i]) < 1e-7);
    }
    assert_true(x->constant == 0.0 && x->complete && fabs(x->residual) < 1e-6);
    assert_int_equal(x->because, 1);
    assert_int_equal(x->percent[FERRY_GROUP_WORDS], 100);
    assert_string_equal(x->sentence, "because you bought First book; 100 % words");
    ferry_explanation_free(x);
    /* f2 is like the disliked f1: .6 - 1, and the view says nothing on it */
    check(ferry_visitor_explain(visitor, NULL, 2, &x, &error), &error);
    assert_int_equal(x->contribution_count, 2);
    assert_int_equal(x->because, 1);
    assert_int_equal(x->percent[FERRY_GROUP_WORDS], 0);
    assert_string_equal(x->sentence, "because you bought First book");
    ferry_explanation_free(x);
    /* the song's opposite: the song speaks against it, the others say nothing */
    check(ferry_visitor_explain(visitor, NULL, 7, &x, &error), &error);
    assert_true(x->because == FERRY_NO_EVENT);
    assert_string_equal(x->sentence, "nothing in your history speaks for it");
    ferry_explanation_free(x);
    assert_int_equal(ferry_visitor_explain(visitor, NULL, SMALL_ITEMS, &x, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_null(x);
    ferry_visitor_forget_all(visitor);
    assert_int_equal(ferry_visitor_explain(visitor, NULL, 0, &x, &error), FERRY_EMPTY_HISTORY);
    assert_null(x);
    ferry_visitor_close(visitor);
    ferry_catalog_close(catalog);
    small_catalog_free(&small);
}

static void percents_make_a_hundred(void **state)
{
    (void)state;
    const double thirds[3] = {1, 1, 1}, mixed_signs[4] = {2, -5, 1, 0}, none[2] = {-1, 0};
    const double close[4] = {0.626, 0.304, 0.07, 1e-9};
    unsigned p[4];
    ferry_explain_percent(thirds, 3, p);
    assert_true(p[0] == 34 && p[1] == 33 && p[2] == 33);
    ferry_explain_percent(mixed_signs, 4, p);
    assert_true(p[0] == 67 && p[1] == 0 && p[2] == 33 && p[3] == 0);
    ferry_explain_percent(none, 2, p);
    assert_true(p[0] == 0 && p[1] == 0);
    ferry_explain_percent(close, 4, p);
    assert_true(p[0] == 63 && p[1] == 30 && p[2] == 7 && p[3] == 0);
}

/* ---- with a model: what each feature's terms add up to ---- */

/* Weights of one alone are 1: a score is then the feature, up to what all items have in common. */
static void set_only(ferry_model *model, ferry_feature feature)
{
    float mix[FERRY_SITUATIONS][FERRY_FEATURES] = {{0}};
    for (size_t s = 0; s < FERRY_SITUATIONS; s++) mix[s][feature] = 1.0f;
    check(ferry_model_set_mix(model, 0, mix, NULL), &(ferry_error){0});
}

static void terms_are_those_of_the_naive_features(void **state)
{
    fixture *f = *state;
    static naive expected;
    float kept[FERRY_SITUATIONS][FERRY_FEATURES];
    memcpy(kept, f->model->domains[0].mix, sizeof kept);
    for (size_t t = 0; t < FERRY_FEATURES; t++) {
        set_only(f->model, (ferry_feature)t);
        ferry_visitor *visitor = visitor_of(f, f->model, mixed, MIXED);
        ferry_error error;
        ferry_terms terms;
        ferry_model_explainer explainer;
        ferry_arena arena;
        ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
        ferry_recommend_options options = {.size = sizeof options, .k = 1};
        ferry_recommendation item;
        size_t count;
        check(ferry_visitor_recommend(visitor, &options, &item, &count, NULL, &error), &error);
        naive_features(f->model, f->dataset, visitor->history, visitor->history_count, &expected);
        check(ferry_terms_create(visitor->count, &arena, &terms, &error), &error);
        check(ferry_model_explainer_make(f->model, 0, visitor->history, visitor->history_count,
                                         visitor->model_scratch, &arena, &explainer, &error),
              &error);
        for (size_t i = 0; i < N0; i++) {
            ferry_model_explain(&explainer, i, &terms);
            double sum = terms.constant, size = fabs(terms.constant);
            for (size_t k = 0; k < (visitor->count + 1) * FERRY_REASON_COUNT; k++) {
                sum += terms.value[k];
                size += fabs(terms.value[k]);
            }
            if (!(fabs(sum - expected.values[t][i]) <= 4e-6 * (1.0 + size)))
                fail_msg("%s of item %zu: %.9g, expected %.9g", ferry_feature_names[t], i, sum,
                         expected.values[t][i]);
        }
        ferry_arena_free(&arena);
        ferry_visitor_close(visitor);
    }
    check(ferry_model_set_mix(f->model, 0, (const float(*)[FERRY_FEATURES])kept, NULL),
          &(ferry_error){0});
}

static double contribution(const ferry_explanation *x, size_t event, ferry_reason reason)
{
    for (size_t i = 0; i < x->contribution_count; i++)
        if (x->contributions[i].event == event && x->contributions[i].reason == reason)
            return x->contributions[i].value;
    return 0.0;
}

/* Each event's own share, where it can be had naively: of one author, of neighbours, of words. */
static void events_get_their_own_shares(void **state)
{
    fixture *f = *state;
    static naive whole, alone;
    float kept[FERRY_SITUATIONS][FERRY_FEATURES];
    memcpy(kept, f->model->domains[0].mix, sizeof kept);
    const did events[] = {
        {3, FERRY_PURCHASE, 0, 10}, {9, FERRY_VIEW, 0, 20}, {12, FERRY_PURCHASE, 0, 30}};
    const double weights[] = {0.36, 0.6 * 0.25, 1.0}; /* .6 for each newer one */
    const ferry_feature features[] = {FERRY_FEATURE_WORDS, FERRY_FEATURE_AUTHOR,
                                      FERRY_FEATURE_NEIGHBORS};
    const ferry_reason reasons[] = {FERRY_REASON_WORDS, FERRY_REASON_AUTHOR,
                                    FERRY_REASON_NEIGHBORS};
    for (size_t t = 0; t < 3; t++) {
        set_only(f->model, features[t]);
        ferry_visitor *visitor = visitor_of(f, f->model, events, 3);
        size_t told = 0;
        for (size_t i = 0; i < N0; i++) {
            ferry_error error;
            ferry_explanation *x;
            check(ferry_visitor_explain(visitor, NULL, i, &x, &error), &error);
            naive_features(f->model, f->dataset, visitor->history, 3, &whole);
            assert_int_equal(x->approximate[reasons[t]],
                             t == 2 && x->group[FERRY_GROUP_OTHERS] != 0.0);
            for (size_t e = 0; e < 3; e++) {
                ferry_history_entry one = visitor->history[e];
                naive_features(f->model, f->dataset, &one, 1, &alone);
                double right, own = alone.values[features[t]][i], found;
                if (t < 2) {
                    right = own * weights[e] / (0.36 + 0.15 + 1.0);
                } else { /* K of one event, with its decay, as a share of K of all */
                    const double decay[] = {0.64, 0.8, 1.0};
                    double K = exp(whole.values[features[t]][i]) - 0.03;
                    double k = (exp(own) - 0.03) * decay[e];
                    right = K > 1e-6 ? k / K * (whole.values[features[t]][i] - log(0.03)) : 0.0;
                }
                found = contribution(x, e, reasons[t]);
                told += found != 0.0;
                if (!(fabs(found - right) < 2e-5))
                    fail_msg("%s, item %zu, event %zu: %.9g, expected %.9g",
                             ferry_feature_names[features[t]], i, e, found, right);
            }
            ferry_explanation_free(x);
        }
        assert_true(told > 10);
        ferry_visitor_close(visitor);
    }
    check(ferry_model_set_mix(f->model, 0, (const float(*)[FERRY_FEATURES])kept, NULL),
          &(ferry_error){0});
}

/* What is disliked takes off what is like it, by whitened texts; novelty by popularity. */
static void what_is_taken_off_is_told(void **state)
{
    fixture *f = *state;
    const did events[] = {{3, FERRY_PURCHASE, 0, 10},
                          {9, FERRY_DISLIKE, 0, 20},
                          {15, FERRY_RATING, 2, 30},
                          {70, FERRY_DISLIKE, 0, 40}};
    const ferry_whiten *w = &f->model->domains[0].whiten;
    ferry_visitor *visitor = visitor_of(f, f->model, events, 4);
    ferry_recommend_options options = {.size = sizeof options, .k = 1, .novelty = 0.25f};
    double z[3][DATA_VECTOR];
    size_t pushed = 0;
    naive_whiten(w, 9, true, z[0]);
    naive_whiten(w, 15, true, z[1]);
    for (size_t i = 0; i < N0; i++) {
        ferry_error error;
        ferry_explanation *x;
        naive_whiten(w, i, true, z[2]);
        double like[] = {dot(z[0], z[2], w->K), 0.5 * dot(z[1], z[2], w->K)};
        bool push = like[0] + like[1] > 0.0;
        check(ferry_visitor_explain(visitor, &options, i, &x, &error), &error);
        for (size_t e = 0; e < 2; e++) {
            double right = push ? -(double)FERRY_DISLIKE_PUSH * like[e] : 0.0;
            assert_true(fabs(contribution(x, e + 1, FERRY_REASON_DISLIKED) - right) < 1e-5);
        }
        pushed += push;
        assert_true(contribution(x, 0, FERRY_REASON_DISLIKED) == 0.0);
        assert_true(contribution(x, 3, FERRY_REASON_DISLIKED) == 0.0); /* of another domain */
        double novelty = -0.25 * log(1.0 + (double)f->model->domains[0].popularity[i]);
        assert_true(fabs(contribution(x, FERRY_NO_EVENT, FERRY_REASON_NOVELTY) - novelty) < 1e-5);
        ferry_explanation_free(x);
    }
    assert_true(pushed > 10 && pushed < N0 - 10);
    ferry_visitor_close(visitor);
}

/* ---- the net ---- */

/* Without the domain's adapter its terms are gone, and the shared part is what it was. */
static void the_adapter_is_told_apart(void **state)
{
    fixture *f = *state;
    const ferry_net *net = f->model->net;
    size_t r = net->config.adapter_rank, d = net->config.sequence.dim, some = 0;
    float *up = net->parameters + net->domain[0].user_up, kept[64];
    assert_true(r * d <= 64);
    memcpy(kept, up, r * d * sizeof *up);
    float weights[FERRY_SITUATIONS][FERRY_FEATURES];
    memcpy(weights, f->model->domains[0].mix, sizeof weights);
    set_only(f->model, FERRY_FEATURE_NET); /* whatever weight it was found worth */
    ferry_visitor *visitor = visitor_of(f, f->model, mixed, MIXED);
    for (size_t i = 0; i < N0; i++) {
        ferry_error error;
        ferry_explanation *with, *without;
        check(ferry_visitor_explain(visitor, NULL, i, &with, &error), &error);
        memset(up, 0, r * d * sizeof *up);
        check(ferry_visitor_explain(visitor, NULL, i, &without, &error), &error);
        memcpy(up, kept, r * d * sizeof *up);
        for (size_t e = 0; e < MIXED; e++) {
            double net_part = contribution(with, e, FERRY_REASON_NET);
            assert_true(contribution(without, e, FERRY_REASON_ADAPTER) == 0.0);
            assert_true(contribution(without, e, FERRY_REASON_NET) == net_part);
            some += contribution(with, e, FERRY_REASON_ADAPTER) != 0.0;
            /* whatever is not of the domain is not read */
            if (data_domain(mixed[e].number) != 0) assert_true(net_part == 0.0);
        }
        ferry_explanation_free(with);
        ferry_explanation_free(without);
    }
    assert_true(some > N0);
    ferry_visitor_close(visitor);
    check(ferry_model_set_mix(f->model, 0, (const float(*)[FERRY_FEATURES])weights, NULL),
          &(ferry_error){0});
}

/* A net that is not linear: what leaving an event out takes away, and the rest said to be a rest.
 */
static void other_nets_leave_events_out(void **state)
{
    fixture *f = *state;
    const ferry_sequence_kind kinds[] = {FERRY_SEQUENCE_MEAN, FERRY_SEQUENCE_LSTM,
                                         FERRY_SEQUENCE_TRANSFORMER};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        ferry_model *model = fit(f, kinds[k]);
        const float *items = model->domains[0].net_items;
        size_t d = model->net->config.sequence.dim, room;
        bool linear = kinds[k] == FERRY_SEQUENCE_MEAN;
        double worst = 0.0, mean[64] = {0}, largest = 0.0;
        ferry_visitor *visitor = visitor_of(f, model, mixed, MIXED);
        expect_sums(visitor, NULL, DATA_ITEMS, &worst);
        for (size_t i = 0; i < N0 * d; i++) mean[i % d] += (double)items[i] / (double)N0;
        ferry_net_event events[MIXED], left[MIXED];
        size_t places[MIXED], read = 0;
        for (size_t i = 0; i < visitor->history_count; i++) {
            const ferry_history_entry *e = &visitor->history[i];
            if (e->domain != 0) continue;
            places[read] = (size_t)visitor->events[e->event].added;
            events[read++] = (ferry_net_event){items + e->item * d, e->behavior, e->timestamp};
        }
        assert_true(d <= 64);
        assert_true(ferry_net_user_scratch(model->net, MIXED, &room));
        float *scratch = aligned_alloc(64, (room + 16) / 16 * 16 * sizeof *scratch), user[2][64];
        assert_non_null(scratch);
        ferry_net_user_vector(model->net, model->kernels, 0, events, read, user[0], scratch);
        for (size_t i = 0; i < N0; i++) {
            ferry_error error;
            ferry_explanation *x;
            check(ferry_visitor_explain(visitor, NULL, i, &x, &error), &error);
            assert_true(x->complete == linear);
            assert_true(x->approximate[FERRY_REASON_NET] == !linear);
            if (fabs(x->residual) > largest) largest = fabs(x->residual);
            for (size_t e = 0; e < read && !linear; e++) {
                size_t kept = 0;
                double lost = 0.0;
                for (size_t j = 0; j < read; j++)
                    if (j != e) left[kept++] = events[j];
                ferry_net_user_vector(model->net, model->kernels, 0, left, kept, user[1], scratch);
                for (size_t n = 0; n < d; n++)
                    lost += ((double)user[0][n] - (double)user[1][n]) *
                            ((double)items[i * d + n] - mean[n]);
                lost *= (double)model->domains[0].mix[FERRY_KNOWN][FERRY_FEATURE_NET];
                double found = contribution(x, places[e], FERRY_REASON_NET) +
                               contribution(x, places[e], FERRY_REASON_ADAPTER);
                assert_true(fabs(found - lost) < 1e-5 * (1.0 + fabs(lost)));
            }
            ferry_explanation_free(x);
        }
        print_message("%s: largest residual %.2g\n", ferry_sequence_names[kinds[k]], largest);
        assert_true(linear ? largest < 1e-4 : largest > 1e-4);
        free(scratch);
        ferry_visitor_close(visitor);
        ferry_model_close(model);
    }
}

/* ---- counterfactuals ---- */

/* The first of the list of somebody without the events of the mask, but for what the whole history
 * has; DATA_ITEMS if there is none. */
static size_t first_without(const fixture *f, const ferry_model *model, const did *events,
                            size_t count, unsigned mask, const ferry_recommend_options *options)
{
    did left[MIXED + 1];
    size_t kept = 0, listed = 0, first = DATA_ITEMS;
    for (size_t i = 0; i < count; i++)
        if ((mask >> i & 1) == 0) left[kept++] = events[i];
    ferry_visitor *visitor = visitor_of(f, model, left, kept);
    ferry_recommend_options all = *options;
    ferry_recommendation list[DATA_ITEMS];
    all.k = DATA_ITEMS;
    all.keep_seen = true;
    ferry_status status = ferry_visitor_recommend(visitor, &all, list, &listed, NULL, NULL);
    assert_true(status == FERRY_OK || status == FERRY_EMPTY_HISTORY);
    for (size_t i = 0; i < listed && first == DATA_ITEMS; i++) {
        bool seen = false;
        for (size_t e = 0; e < count; e++) seen = seen || events[e].number == list[i].item;
        if (!seen) first = list[i].item;
    }
    ferry_visitor_close(visitor);
    return first;
}

/* The fewest events without which another is first, by trying every set; 0: none. */
static size_t fewest(const fixture *f, const ferry_model *model, const did *events, size_t count,
                     const ferry_recommend_options *options, size_t *top)
{
    size_t least = 0;
    *top = first_without(f, model, events, count, 0, options);
    for (unsigned mask = 1; mask < 1u << count; mask++) {
        size_t size = 0;
        for (size_t i = 0; i < count; i++) size += mask >> i & 1;
        if (least > 0 && size >= least) continue;
        size_t first = first_without(f, model, events, count, mask, options);
        if (first != DATA_ITEMS && first != *top) least = size;
    }
    return least;
}

static size_t expect_fewest(const fixture *f, const ferry_model *model, const did *events,
                            size_t count, const ferry_recommend_options *options)
{
    size_t top, least = fewest(f, model, events, count, options, &top);
    ferry_counterfactual *found;
    ferry_error error;
    ferry_visitor *visitor = visitor_of(f, model, events, count);
    check(ferry_visitor_counterfactual(visitor, options, &found, &error), &error);
    assert_int_equal(found != NULL ? found->event_count : 0, least);
    if (found != NULL) {
        unsigned mask = 0;
        assert_true(found->smallest);
        assert_int_equal(found->item, top);
        for (size_t i = 0; i < found->event_count; i++) {
            assert_true(i == 0 || found->events[i] > found->events[i - 1]);
            assert_int_equal(found->event_items[i], events[found->events[i]].number);
            mask |= 1u << found->events[i];
        }
        assert_int_equal(found->instead, first_without(f, model, events, count, mask, options));
        assert_int_not_equal(found->instead, top);
    }
    ferry_counterfactual_free(found);
    /* the visitor is as it was */
    ferry_recommendation list[1];
    size_t listed;
    assert_int_equal(ferry_visitor_event_count(visitor), count);
    check(ferry_visitor_recommend(visitor, options, list, &listed, NULL, &error), &error);
    assert_int_equal(list[0].item, top);
    ferry_visitor_close(visitor);
    return least;
}

static void make_events(uint64_t seed, size_t count, did *events)
{
    static const ferry_behavior kinds[] = {FERRY_PURCHASE, FERRY_VIEW,     FERRY_RATING,
                                           FERRY_LIKE,     FERRY_PURCHASE, FERRY_DISLIKE};
    ferry_random random;
    ferry_random_seed(&random, 21, seed);
    for (size_t i = 0; i < count; i++)
        events[i] = (did){ferry_random_below(&random, DATA_ITEMS),
                          kinds[ferry_random_below(&random, i == 0 ? 1 : 6)],
                          (double)(1 + ferry_random_below(&random, 5)),
                          (int64_t)(1000 + ferry_random_below(&random, 100000))};
}

static void counterfactuals_are_the_smallest(void **state)
{
    const fixture *f = *state;
    const char *domain = "b";
    size_t sizes[14] = {0};
    did events[MIXED + 1];
    for (uint64_t seed = 0; seed < 60; seed++) {
        bool learned = seed % 2 == 1;
        size_t count = 1 + seed % 7;
        ferry_recommend_options options = {.size = sizeof options, .k = 1};
        if (seed % 3 == 2) options.domains = &domain, options.domain_count = 1;
        if (seed % 5 == 4) options.half_life = 0.2, options.now = 120000;
        make_events(seed, count, events);
        for (size_t i = 0; i < count && seed % 4 < 2; i++) /* the same again: harder to replace */
            if (i % 4 != 3) events[i] = (did){12 + seed, FERRY_PURCHASE, 0, (int64_t)(500 * i)};
        sizes[expect_fewest(f, learned ? f->model : NULL, events, count, &options)]++;
    }
    ferry_recommend_options options = {.size = sizeof options, .k = 1};
    for (size_t i = 0; i < 12; i++)
        events[i] = (did){6 * i % N0, FERRY_PURCHASE, 0, (int64_t)(1000 * i)}; /* of one taste */
    sizes[expect_fewest(f, NULL, events, 12, &options)]++;
    sizes[expect_fewest(f, f->model, events, 12, &options)]++;
    print_message("sizes: none %zu, 1 %zu, 2 %zu, 3 %zu, 4 %zu, more %zu\n", sizes[0], sizes[1],
                  sizes[2], sizes[3], sizes[4], sizes[5] + sizes[6] + sizes[7] + sizes[8]);
    assert_true(sizes[1] > 0 && sizes[2] > 0 && sizes[3] > 0 && sizes[0] > 0);
}

/* Of long histories: verified, and the smallest where it says so. */
static void long_histories_have_verified_counterfactuals(void **state)
{
    enum { LONG = 60 };
    const fixture *f = *state;
    for (int learned = 0; learned < 2; learned++) {
        did events[LONG];
        make_events(77, LONG, events);
        for (size_t i = 0; i < LONG; i++) events[i].number = 6 * i % 96; /* most of one taste */
        ferry_visitor *visitor = visitor_of(f, learned ? f->model : NULL, events, LONG);
        ferry_counterfactual *found;
        ferry_error error;
        ferry_recommend_options options = {.size = sizeof options, .k = 1};
        check(ferry_visitor_counterfactual(visitor, &options, &found, &error), &error);
        assert_non_null(found);
        did left[LONG];
        size_t kept = 0, at = 0, listed;
        for (size_t i = 0; i < LONG; i++)
            if (at < found->event_count && found->events[at] == i)
                at++;
            else
                left[kept++] = events[i];
        print_message("%s a model: %zu of %d events, %s\n", learned ? "with" : "without",
                      found->event_count, LONG, found->smallest ? "the smallest" : "not proven");
        assert_true(at == found->event_count && at > 0);
        assert_true(learned || found->smallest);
        ferry_visitor *other = visitor_of(f, learned ? f->model : NULL, left, kept);
        ferry_recommendation list[DATA_ITEMS];
        options.k = DATA_ITEMS;
        options.keep_seen = true;
        check(ferry_visitor_recommend(other, &options, list, &listed, NULL, &error), &error);
        size_t first = 0;
        while (visitor->seen[list[first].item]) first++;
        assert_int_equal(list[first].item, found->instead);
        ferry_counterfactual_free(found);
        ferry_visitor_close(other);
        ferry_visitor_close(visitor);
    }
}

/* ---- without memory ---- */

static ferry_status ask_why(ferry_visitor *visitor, ferry_error *error)
{
    ferry_recommend_options options = {.size = sizeof options, .k = 1};
    const ferry_recommendation items[] = {{.item = 3}, {.item = 70}, {.item = 130}};
    ferry_why why;
    ferry_explanation *one;
    FERRY_TRY(ferry_why_open(visitor, &options, items, 3, true, &why, error));
    ferry_why_close(&why);
    FERRY_TRY(ferry_visitor_explain(visitor, &options, 5, &one, error));
    ferry_explanation_free(one);
    return FERRY_OK;
}

static void memory_may_run_out(void **state)
{
    const fixture *f = *state;
    failing memory;
    const ferry_allocator allocator = failing_allocator(&memory, SIZE_MAX);
    data_files files;
    fixture own = {0};
    data_catalog_plain(NULL, &allocator, &own.catalog);
    data_files_write(f->model, &files);
    own.model = data_load(&files, own.catalog.catalog);
    for (int learned = 0; learned < 2; learned++) {
        ferry_visitor *visitor = visitor_of(&own, learned ? own.model : NULL, mixed, 4);
        ferry_error error;
        check(ask_why(visitor, &error), &error); /* what is kept from one to the next is there */
        size_t before = memory.live, left = 0;
        for (;; left++) {
            memory.left = left;
            ferry_status status = ask_why(visitor, &error);
            assert_int_equal(memory.live, before);
            if (status == FERRY_OK) break;
            assert_int_equal(status, FERRY_OUT_OF_MEMORY);
            assert_true(left < 2000);
        }
        memory.left = SIZE_MAX;
        print_message("%zu allocations\n", left);
        assert_true(left > 20);
        ferry_visitor_close(visitor);
    }
    ferry_model_close(own.model);
    data_files_free(&files);
    data_catalog_free(&own.catalog);
    assert_int_equal(memory.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_sums),
        cmocka_unit_test(a_sum_that_does_not_come_out_is_an_error),
        cmocka_unit_test(a_cosine_is_split_by_its_events),
        cmocka_unit_test(percents_make_a_hundred),
        cmocka_unit_test(terms_are_those_of_the_naive_features),
        cmocka_unit_test(events_get_their_own_shares),
        cmocka_unit_test(what_is_taken_off_is_told),
        cmocka_unit_test(the_adapter_is_told_apart),
        cmocka_unit_test(other_nets_leave_events_out),
        cmocka_unit_test(counterfactuals_are_the_smallest),
        cmocka_unit_test(long_histories_have_verified_counterfactuals),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
