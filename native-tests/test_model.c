/* A model's features against a naive computation in double, and what has to leave every bit of
 * them as it is: files, the catalogue's order, kernels, threads. */
#include "naive_model.h"

#include "base/error.h"
#include "eval/model_scorer.h"
#include "math/kernels.h"
#include "train/validate.h"

typedef struct fixture {
    data_catalog catalog;
    ferry_dataset *dataset;
    ferry_fit_report report;
    ferry_model *fitted, *model; /* model: fitted, written and loaded */
    data_files files;
    ferry_model_scratch *scratch; /* the model's */
} fixture;

static int open_fixture(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    data_catalog_plain(NULL, NULL, &f->catalog);
    f->dataset = data_set_make(DATA_USERS);
    ferry_fit_options options = data_fit_options(NULL);
    f->fitted = data_fit(f->dataset, f->catalog.catalog, &options, &f->report);
    data_files_write(f->fitted, &f->files);
    f->model = data_load(&f->files, f->catalog.catalog);
    assert_int_equal(ferry_model_scratch_create(f->model, &f->scratch, NULL), FERRY_OK);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    fixture *f = *state;
    ferry_model_scratch_close(f->scratch);
    ferry_model_close(f->model);
    ferry_model_close(f->fitted);
    data_files_free(&f->files);
    ferry_dataset_close(f->dataset);
    data_catalog_free(&f->catalog);
    free(f);
    return 0;
}

static ferry_history_entry entry(uint32_t domain, uint32_t item, float weight, int64_t timestamp)
{
    return (ferry_history_entry){.domain = domain,
                                 .scale = 1.0f,
                                 .item = item,
                                 .behavior = (uint8_t)(item % 2),
                                 .weight = weight,
                                 .timestamp = timestamp};
}

/* Events here and elsewhere, repeated items, some of weight <= 0. */
enum { MIXED = 18 };
static void mixed_history(ferry_history_entry out[MIXED])
{
    static const uint32_t domains[MIXED] = {0, 0, 1, 0, 2, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0};
    static const uint32_t items[MIXED] = {3,  9, 7,  15, 1,  9,  13, 21, 3,
                                          27, 7, 33, 45, 39, 11, 51, 8,  9};
    static const float weights[MIXED] = {1, .5f, 1, 1, 1, -1, .25f, 1, .5f,
                                         1, 1,   1, 1, 2, 1,  0,    1, .5f};
    for (size_t i = 0; i < MIXED; i++)
        out[i] = entry(domains[i], items[i], weights[i], 1000000 + 7000 * (int64_t)i);
}

static void all_wanted(bool wanted[FERRY_FEATURES])
{
    for (size_t f = 0; f < FERRY_FEATURES; f++) wanted[f] = true;
}

static void features_are_those_of_a_naive_computation(void **state)
{
    fixture *f = *state;
    ferry_history_entry history[MIXED];
    ferry_model_scratch *scratch;
    static naive expected;
    bool wanted[FERRY_FEATURES];
    mixed_history(history);
    all_wanted(wanted);
    assert_true(f->fitted->domains[0].across.source_items == M0);
    assert_int_equal(ferry_model_scratch_create(f->fitted, &scratch, NULL), FERRY_OK);
    naive_features(f->fitted, f->dataset, history, MIXED, &expected);
    ferry_model_features(f->fitted, 0, history, MIXED, wanted, scratch);
    for (size_t feature = 0; feature < FERRY_FEATURES; feature++) {
        double largest = 0.0, worst = 0.0, spread = 0.0;
        const double *right = expected.values[feature];
        for (size_t i = 0; i < N0; i++) {
            double off = fabs(right[i] - (double)scratch->values[feature][i]);
            largest = fabs(right[i]) > largest ? fabs(right[i]) : largest;
            spread = fabs(right[i] - right[0]) > spread ? fabs(right[i] - right[0]) : spread;
            if (!(off <= worst)) worst = off;
        }
        print_message("%-12s largest difference %.1e of %.1e\n", ferry_feature_names[feature],
                      worst, largest);
        if (feature != FERRY_FEATURE_COLD) assert_true(spread > 0.01); /* it tells items apart */
        assert_true(worst <= 2e-6 * (largest > 1.0 ? largest : 1.0));
    }
    ferry_model_scratch_close(scratch);
}

static void expect_sum(fixture *f, size_t domain, const ferry_history_entry *history, size_t count,
                       ferry_situation situation)
{
    const ferry_model_domain *dom = &f->model->domains[domain];
    float scores[N0];
    double expected[N0] = {0};
    bool wanted[FERRY_FEATURES];
    assert_int_equal(ferry_model_score(f->model, domain, history, count, f->scratch, scores),
                     situation);
    assert_int_equal(ferry_model_situation(f->model, domain, history, count), situation);
    for (size_t t = 0; t < FERRY_FEATURES; t++) wanted[t] = dom->mix[situation][t] != 0.0f;
    ferry_model_features(f->model, domain, history, count, wanted, f->scratch);
    for (size_t t = 0; t < FERRY_FEATURES; t++)
        for (size_t i = 0; i < dom->items && wanted[t]; i++)
            expected[i] += (double)dom->mix[situation][t] * (double)f->scratch->values[t][i];
    for (size_t i = 0; i < dom->items; i++)
        assert_true(fabs(expected[i] - (double)scores[i]) <= 1e-5 * (1.0 + fabs(expected[i])));
}

static void situations_choose_the_weights(void **state)
{
    fixture *f = *state;
    ferry_history_entry history[MIXED], one[2];
    mixed_history(history);
    assert_int_equal(f->model->known_domains, 2);
    assert_int_equal(f->model->domain_count, 3);
    assert_string_equal(f->model->domains[2].name, "c");
    assert_false(f->model->domains[2].learned);
    expect_sum(f, 0, history, MIXED, FERRY_KNOWN);
    expect_sum(f, 2, history, MIXED, FERRY_NEW_DOMAIN);
    one[0] = entry(1, 7, 1.0f, 5);
    expect_sum(f, 0, one, 1, FERRY_NEWCOMER);
    expect_sum(f, 1, one, 1, FERRY_KNOWN);
    expect_sum(f, 2, one, 1, FERRY_STRANGER); /* nobody is linked with c */
    expect_sum(f, 0, NULL, 0, FERRY_STRANGER);
    one[0] = entry(2, 7, 1.0f, 5);  /* of a domain that nothing was learned of */
    one[1] = entry(1, 7, -1.0f, 5); /* a dislike */
    expect_sum(f, 0, one, 2, FERRY_STRANGER);
    /* what is new in c is like what was used there: the text tells items apart */
    float scores[20];
    one[0] = entry(2, 7, 1.0f, 5);
    ferry_model_score(f->model, 2, one, 1, f->scratch, scores);
    for (size_t i = 0; i < 20; i++) assert_true(i == 7 || scores[i] < scores[7]);
}

/* ---- the same bits ---- */

static void same_scores(const ferry_model *one, const ferry_model *other)
{
    ferry_history_entry history[MIXED];
    ferry_model_scratch *scratch[2];
    float scores[2][N0];
    mixed_history(history);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(ferry_model_scratch_create(i == 0 ? one : other, &scratch[i], NULL),
                         FERRY_OK);
    for (size_t d = 0; d < one->known_domains; d++)
        for (size_t count = 0; count <= MIXED; count++) {
            ferry_model_score(one, d, history, count, scratch[0], scores[0]);
            ferry_model_score(other, d, history, count, scratch[1], scores[1]);
            assert_memory_equal(scores[0], scores[1], one->domains[d].items * sizeof **scores);
        }
    for (size_t i = 0; i < 2; i++) ferry_model_scratch_close(scratch[i]);
}

static void files_keep_every_bit(void **state)
{
    fixture *f = *state;
    data_files again;
    same_scores(f->fitted, f->model);
    data_files_write(f->model, &again); /* which has the domain c beside its own */
    for (size_t i = 0; i < DATA_FILES; i++) {
        assert_int_equal(again.bytes[i].size, f->files.bytes[i].size);
        assert_memory_equal(again.bytes[i].data, f->files.bytes[i].data, again.bytes[i].size);
    }
    data_files_free(&again);
}

/* The items of `order` scored by a model loaded for that catalogue: those that both have get the
 * same features where these are made of the item alone. */
static void expect_common(fixture *f, const size_t *order, size_t count, bool all_there)
{
    static const ferry_feature kept[] = {FERRY_FEATURE_NET,    FERRY_FEATURE_NEIGHBORS,
                                         FERRY_FEATURE_TEXT,   FERRY_FEATURE_POPULARITY,
                                         FERRY_FEATURE_ACROSS, FERRY_FEATURE_PROFILE,
                                         FERRY_FEATURE_LINKED};
    data_catalog other;
    ferry_history_entry history[MIXED], moved[MIXED];
    ferry_model_scratch *scratch;
    bool wanted[FERRY_FEATURES] = {false};
    for (size_t k = 0; k < sizeof kept / sizeof *kept; k++) wanted[kept[k]] = true;
    data_catalog_make(order, count, "by hand", NULL, NULL, &other);
    ferry_model *model = data_load(&f->files, other.catalog);
    assert_int_equal(ferry_model_scratch_create(model, &scratch, NULL), FERRY_OK);
    mixed_history(history);
    for (size_t i = 0; i < MIXED; i++) {
        char id[DATA_WORD], domain[2] = {"abc"[history[i].domain], '\0'};
        size_t item;
        data_id(data_first(history[i].domain) + history[i].item, id);
        assert_int_equal(ferry_catalog_find(other.catalog, domain, id, &item, NULL), FERRY_OK);
        moved[i] = history[i];
        moved[i].item = other.catalog->within[item];
    }
    ferry_model_features(f->model, 0, history, MIXED, wanted, f->scratch);
    ferry_model_features(model, 0, moved, MIXED, wanted, scratch);
    size_t common = 0;
    for (size_t i = 0; i < count; i++) {
        if (data_domain(order[i]) != 0) continue;
        uint32_t within = other.catalog->within[i];
        if (order[i] >= N0) { /* added: known by its content alone */
            assert_true(scratch->values[FERRY_FEATURE_POPULARITY][within] == 0.0f);
            assert_true(isfinite(scratch->values[FERRY_FEATURE_NET][within]));
            continue;
        }
        common++;
        for (size_t k = 0; k < sizeof kept / sizeof *kept; k++)
            if (memcmp(&f->scratch->values[kept[k]][order[i]], &scratch->values[kept[k]][within],
                       sizeof(float)) != 0)
                fail_msg("%s of item %zu: %.9g, expected %.9g", ferry_feature_names[kept[k]],
                         order[i], (double)scratch->values[kept[k]][within],
                         (double)f->scratch->values[kept[k]][order[i]]);
    }
    assert_true(all_there ? common == N0 : common < N0 && common > N0 / 2);
    ferry_model_scratch_close(scratch);
    ferry_model_close(model);
    data_catalog_free(&other);
}

static void the_catalogue_may_be_another(void **state)
{
    fixture *f = *state;
    size_t order[DATA_ITEMS + 3], count = 0;
    for (size_t i = 0; i < DATA_ITEMS; i++) order[i] = i * 71 % DATA_ITEMS; /* domains mixed too */
    expect_common(f, order, DATA_ITEMS, true);
    for (size_t i = 0; i < 3; i++) order[DATA_ITEMS + i] = 1000 + i;
    expect_common(f, order, DATA_ITEMS + 3, true);
    ferry_history_entry history[MIXED];
    mixed_history(history);
    const float *popularity = f->model->domains[0].popularity;
    size_t most = 0;
    for (size_t i = 0; i < N0; i++)
        if (popularity[i] > popularity[most]) most = i;
    for (size_t i = DATA_ITEMS; i-- > 0;) { /* every fifth goes, but for the history's items */
        bool used = i % 5 != 0 || i == most;
        for (size_t h = 0; h < MIXED; h++)
            used = used || i == data_first(history[h].domain) + history[h].item;
        if (used) order[count++] = i;
    }
    assert_true(count < DATA_ITEMS);
    order[count++] = 1000;
    expect_common(f, order, count, false);
}

static void kernels_and_threads_change_nothing(void **state)
{
    fixture *f = *state;
    const ferry_kernels *variants[8];
    size_t count = ferry_kernels_available(variants, 8);
    for (size_t v = 0; v < count; v++)
        for (size_t threads = 1; threads <= 4; threads *= 2) {
            data_catalog catalog;
            data_files files;
            ferry_pool *pool;
            if (threads > 1 && v + 1 < count) continue;
            assert_int_equal(ferry_pool_create(NULL, threads, &pool, NULL), FERRY_OK);
            data_catalog_plain(variants[v]->name, NULL, &catalog);
            ferry_dataset *dataset = data_set_make(DATA_USERS);
            ferry_fit_options options = data_fit_options(pool);
            ferry_model *model = data_fit(dataset, catalog.catalog, &options, NULL);
            data_files_write(model, &files);
            for (size_t i = 0; i < DATA_FILES; i++)
                if (files.bytes[i].size != f->files.bytes[i].size ||
                    memcmp(files.bytes[i].data, f->files.bytes[i].data, files.bytes[i].size) != 0)
                    fail_msg("%s differs with %s kernels and %zu threads", files.files[i].name,
                             variants[v]->name, threads);
            same_scores(f->fitted, model);
            data_files_free(&files);
            ferry_model_close(model);
            ferry_dataset_close(dataset);
            data_catalog_free(&catalog);
            ferry_pool_close(pool);
        }
}

/* ---- histories ---- */

/* Every wanted feature of domain 0 is the same for both. */
static void same_features(fixture *f, const ferry_history_entry *one, size_t one_count,
                          const ferry_history_entry *other, size_t other_count,
                          const bool wanted[FERRY_FEATURES])
{
    static float kept[FERRY_FEATURES][N0];
    ferry_model_features(f->model, 0, one, one_count, wanted, f->scratch);
    for (size_t t = 0; t < FERRY_FEATURES; t++)
        if (wanted[t]) memcpy(kept[t], f->scratch->values[t], sizeof *kept);
    ferry_model_features(f->model, 0, other, other_count, wanted, f->scratch);
    for (size_t t = 0; t < FERRY_FEATURES; t++)
        if (wanted[t]) assert_memory_equal(kept[t], f->scratch->values[t], sizeof *kept);
}

static void what_is_disliked_does_not_speak(void **state)
{
    fixture *f = *state;
    ferry_history_entry history[MIXED], spoken[MIXED];
    bool wanted[FERRY_FEATURES];
    size_t count = 0;
    mixed_history(history);
    for (size_t i = 0; i < MIXED; i++)
        if (history[i].weight > 0.0f) spoken[count++] = history[i];
    assert_int_equal(count, MIXED - 2);
    all_wanted(wanted);
    wanted[FERRY_FEATURE_NET] = false; /* it reads what was seen */
    for (size_t t = FERRY_FEATURE_TITLE; t <= FERRY_FEATURE_TAGS; t++)
        wanted[t] = f->model->domains[0].title.items.start != NULL;
    same_features(f, history, MIXED, spoken, count, wanted);
    /* nothing but dislikes: no likeness to anything, and still numbers */
    ferry_history_entry disliked = entry(0, 3, -1.0f, 5);
    assert_int_equal(ferry_model_situation(f->model, 0, &disliked, 1), FERRY_KNOWN);
    ferry_model_features(f->model, 0, &disliked, 1, wanted, f->scratch);
    for (size_t i = 0; i < N0; i++) {
        assert_true(f->scratch->values[FERRY_FEATURE_TEXT][i] == 0.0f);
        assert_true(f->scratch->values[FERRY_FEATURE_WORDS][i] == 0.0f);
    }
}

static void of_long_histories_the_newest_is_read(void **state)
{
    enum { LONG = FERRY_MODEL_MOST_EVENTS + 700 };
    fixture *f = *state;
    ferry_history_entry *history = calloc(LONG, sizeof *history);
    assert_non_null(history);
    bool wanted[FERRY_FEATURES];
    all_wanted(wanted);
    for (size_t t = FERRY_FEATURE_TITLE; t <= FERRY_FEATURE_TAGS; t++) wanted[t] = false;
    for (uint32_t d = 0; d < 2; d++) {
        for (uint32_t i = 0; i < LONG; i++)
            history[i] = entry(d, (i * i + 1) % 48, 1.0f, 1000000 + 3000 * (int64_t)i);
        for (uint32_t i = 0; i < 700; i++) history[i].item = i % 5; /* makes a difference if read */
        same_features(f, history, LONG, history + 700, FERRY_MODEL_MOST_EVENTS, wanted);
    }
    free(history);
}

static void an_evaluation_translates_domains_and_behaviors(void **state)
{
    fixture *f = *state;
    ferry_dataset other = *f->dataset;
    const char *behaviors[] = {"view", "stare", "purchase"};
    other.behaviors = behaviors; /* the model's are purchase, view */
    other.behavior_count = 3;
    ferry_interactions domains[] = {f->dataset->domains[1], f->dataset->domains[0]};
    other.domains = domains;
    ferry_model_scorer *scorer;
    assert_int_equal(ferry_model_scorer_create(f->model, &other, 1, NULL, &scorer, NULL), FERRY_OK);
    ferry_history_entry theirs[] = {entry(1, 2, 1, 9), entry(0, 3, 1, 10), entry(1, 5, 1, 11)};
    ferry_history_entry ours[] = {entry(0, 2, 1, 9), entry(1, 3, 1, 10), entry(0, 5, 1, 11)};
    theirs[0].behavior = 0, ours[0].behavior = 1;
    theirs[1].behavior = 2, ours[1].behavior = 0;
    theirs[2].behavior = 1, ours[2].behavior = 0; /* unknown: as the first */
    float found[N0], expected[N0];
    ferry_model_scorer_score(scorer, theirs, 3, 0, found);
    ferry_model_score(f->model, 0, ours, 3, f->scratch, expected);
    assert_memory_equal(found, expected, sizeof found);
    ferry_model_scorer_close(scorer);
    ferry_error error;
    domains[0].domain = "films";
    assert_int_equal(ferry_model_scorer_create(f->model, &other, 0, NULL, &scorer, &error),
                     FERRY_NOT_FOUND);
    assert_non_null(strstr(error.message, "films"));
}

/* Weights given later need tables that were not made when the model was opened. */
static void weights_can_be_set_later(void **state)
{
    fixture *f = *state;
    ferry_model *model = data_load(&f->files, f->catalog.catalog);
    ferry_model_scratch *scratch;
    float mix[FERRY_SITUATIONS][FERRY_FEATURES] = {{0}}, scores[N0];
    ferry_history_entry one = entry(0, 3, 1.0f, 5);
    mix[FERRY_KNOWN][FERRY_FEATURE_AUTHOR] = 2.0f;
    assert_int_equal(ferry_model_set_mix(model, 0, (const float(*)[FERRY_FEATURES])mix, NULL),
                     FERRY_OK);
    assert_int_equal(ferry_model_scratch_create(model, &scratch, NULL), FERRY_OK);
    ferry_model_score(model, 0, &one, 1, scratch, scores);
    for (size_t i = 0; i < N0; i++) assert_true(scores[i] == (same_author(3, i) ? 2.0f : 0.0f));
    ferry_model_scratch_close(scratch);
    ferry_model_close(model);
}

/* With steps too small to matter the net stays what it began as: the source's, by name. */
static void a_net_begins_as_its_source(void **state)
{
    fixture *f = *state;
    const char *behaviors[] = {"view", "cart", "purchase"}; /* the source's are purchase, view */
    ferry_dataset *dataset = data_set_make(DATA_USERS);
    ferry_fit_options options = data_fit_options(NULL);
    options.source = f->fitted;
    options.net = f->fitted->net->config;
    options.train.epochs = 1;
    options.train.learning_rate = 1e-12;
    options.default_mix = options.without_across = true;
    for (size_t d = 0; d < 2; d++)
        for (size_t e = 0; e < dataset->domains[d].event_count; e++)
            dataset->domains[d].behavior[e] = dataset->domains[d].behavior[e] == 0 ? 2 : 0;
    dataset->behaviors = behaviors;
    dataset->behavior_count = 3;
    ferry_model *model = data_fit(dataset, f->catalog.catalog, &options, NULL);
    const ferry_net *net = model->net, *source = f->fitted->net;
    assert_int_equal(net->config.behaviors, 3);
    size_t d = net->config.sequence.dim, same = 0;
    const float *ours = net->parameters + net->behavior;
    const float *theirs = source->parameters + source->behavior;
    for (size_t k = 0; k < d; k++) {
        assert_true(fabsf(ours[k] - theirs[d + k]) < 1e-9f);
        assert_true(fabsf(ours[2 * d + k] - theirs[k]) < 1e-9f);
    }
    for (size_t i = 0; i < net->tensor_count; i++) {
        const ferry_net_tensor *t = &net->tensor[i], *from = ferry_net_find(source, t->name);
        assert_non_null(from);
        if (t->rows != from->rows) continue;
        same++;
        for (size_t k = 0; k < t->count; k++)
            assert_true(fabsf(net->parameters[t->offset + k] -
                              source->parameters[from->offset + k]) < 1e-9f);
    }
    assert_int_equal(same, net->tensor_count - 1);
    assert_true(model->content_scale == f->fitted->content_scale);
    data_files files;
    data_files_write(model, &files);
    ferry_model_close(data_load(&files, f->catalog.catalog));
    data_files_free(&files);
    ferry_model_close(model);
    ferry_dataset_close(dataset);
}

/* Validation decides the mix: there were examples, and by them it got no worse. */
static void the_mix_is_tested_on_what_it_has_not_seen(void **state)
{
    fixture *f = *state;
    for (size_t s = FERRY_KNOWN; s <= FERRY_NEW_DOMAIN; s++) {
        size_t examples = f->report.examples[s];
        print_message("%s: ndcg@10 %.4f -> %.4f on %zu examples\n", ferry_situation_names[s],
                      f->report.before[s], f->report.after[s], examples);
        assert_true(examples >= 100);
        assert_true(f->report.after[s] >= f->report.before[s] && f->report.after[s] <= 1.0);
    }
    assert_true(f->report.net.last.best_metric > 0.0);
}

static void expect_unfit(const fixture *f, const ferry_dataset *dataset, size_t count,
                         ferry_status expected, const char *message)
{
    const size_t domains[] = {0, 1};
    ferry_fit_options options = data_fit_options(NULL);
    ferry_model *model;
    ferry_error error;
    assert_int_equal(
        ferry_fit(dataset, f->catalog.catalog, domains, count, &options, &model, NULL, &error),
        expected);
    assert_null(model);
    if (strstr(error.message, message) == NULL) fail_msg("%s", error.message);
}

static void what_cannot_be_fitted_is_refused(void **state)
{
    const fixture *f = *state;
    ferry_dataset *dataset = data_set_make(DATA_USERS);
    expect_unfit(f, dataset, 0, FERRY_INVALID_ARGUMENT, "no domain");
    dataset->domains[1].item_count--; /* as before ferry_dataset_bind */
    expect_unfit(f, dataset, 2, FERRY_INVALID_ARGUMENT, "\"b\" has 47 items");
    dataset->domains[1].item_count++;
    dataset->domains[1].domain = "films";
    expect_unfit(f, dataset, 2, FERRY_NOT_FOUND, "films");
    ferry_dataset_close(dataset);
}

/* NDCG@10 of the first validation event of everybody in a domain, by counting. */
static double naive_validation(const fixture *f, size_t d, size_t *users)
{
    const ferry_interactions *from = &f->dataset->domains[d];
    const ferry_net *net = f->fitted->net;
    const float *items = f->fitted->domains[d].net_items;
    size_t dim = net->config.sequence.dim, room = 0;
    float user[64], scores[N0];
    ferry_net_event events[DATA_MOST];
    double sum = 0.0;
    assert_true(dim <= 64 && ferry_net_user_scratch(net, DATA_MOST, &room));
    float *scratch = aligned_alloc(64, (room + 16) / 16 * 16 * sizeof *scratch);
    assert_non_null(scratch);
    for (size_t u = 0; u < from->user_count; u++) {
        bool seen[N0] = {false};
        size_t read = 0, better = 0, equal = 0;
        uint32_t at = from->start[u];
        for (; at < from->start[u + 1] && from->part[at] == FERRY_TRAIN; at++) {
            seen[from->item[at]] = true;
            events[read++] = (ferry_net_event){items + from->item[at] * dim, from->behavior[at],
                                               from->timestamp[at]};
        }
        if (read == 0 || at == from->start[u + 1] || from->part[at] != FERRY_VALIDATION) continue;
        (*users)++;
        uint32_t target = from->item[at];
        if (seen[target]) continue; /* cannot be found: worth 0 */
        ferry_net_user_vector(net, f->fitted->kernels, d, events, read, user, scratch);
        f->fitted->kernels->dot_rows(items, user, scores, from->item_count, dim);
        for (size_t i = 0; i < from->item_count; i++) {
            better += !seen[i] && scores[i] > scores[target];
            equal += !seen[i] && i != target && scores[i] == scores[target];
        }
        double rank = 1.0 + (double)better + (double)equal / 2.0;
        if (rank <= 10.0) sum += 1.0 / log2(1.0 + rank);
    }
    free(scratch);
    return sum;
}

static void validation_is_ndcg_of_what_came_next(void **state)
{
    const fixture *f = *state;
    static const size_t domains[] = {0, 1};
    const ferry_model *model = f->fitted;
    ferry_arena arena;
    const float *content[2];
    ferry_validation *validation;
    double found, expected = 0.0;
    size_t users = 0;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    for (size_t d = 0; d < 2; d++) {
        const float *vectors;
        float *made;
        assert_int_equal(ferry_model_vectors(model, d, &arena, &vectors, NULL), FERRY_OK);
        assert_int_equal(ferry_model_content(model, vectors, model->domains[d].items,
                                             model->net->config.content_dim, &arena, &made, NULL),
                         FERRY_OK);
        content[d] = made;
        expected += naive_validation(f, d, &users);
    }
    assert_true(users > 100);
    for (size_t sample = 30; sample <= DATA_USERS; sample += DATA_USERS - 30) {
        assert_int_equal(ferry_validation_create(model->net, f->dataset, domains, content, sample,
                                                 1, model->kernels, NULL, NULL, &validation, NULL),
                         FERRY_OK);
        ferry_validation_run(validation, model->net, &found);
        size_t taken = ferry_validation_users(validation);
        assert_int_equal(taken, sample == 30 ? 60 : users);
        assert_true(found > 0.0 && found < 1.0);
        if (taken == users) assert_true(fabs(found - expected / (double)users) < 1e-9);
        ferry_validation_close(validation);
    }
    ferry_arena_free(&arena);
}

static bool stop_at(void *user, const char *what, const char *domain)
{
    (void)domain;
    return strcmp(what, user) != 0;
}

static void fitting_can_be_stopped_before_each_part(void **state)
{
    fixture *f = *state;
    static char stages[][16] = {"texts", "neighbors", "net", "across", "mix"};
    const size_t domains[] = {0, 1};
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        ferry_fit_options options = data_fit_options(NULL);
        ferry_model *model;
        ferry_error error;
        options.stage = stop_at;
        options.stage_user = stages[i];
        options.train.epochs = 1;
        assert_int_equal(
            ferry_fit(f->dataset, f->catalog.catalog, domains, 2, &options, &model, NULL, &error),
            FERRY_CANCELLED);
        assert_null(model);
        assert_non_null(strstr(error.message, stages[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_are_those_of_a_naive_computation),
        cmocka_unit_test(situations_choose_the_weights),
        cmocka_unit_test(files_keep_every_bit),
        cmocka_unit_test(the_catalogue_may_be_another),
        cmocka_unit_test(kernels_and_threads_change_nothing),
        cmocka_unit_test(what_is_disliked_does_not_speak),
        cmocka_unit_test(of_long_histories_the_newest_is_read),
        cmocka_unit_test(an_evaluation_translates_domains_and_behaviors),
        cmocka_unit_test(weights_can_be_set_later),
        cmocka_unit_test(a_net_begins_as_its_source),
        cmocka_unit_test(the_mix_is_tested_on_what_it_has_not_seen),
        cmocka_unit_test(validation_is_ndcg_of_what_came_next),
        cmocka_unit_test(what_cannot_be_fitted_is_refused),
        cmocka_unit_test(fitting_can_be_stopped_before_each_part),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
