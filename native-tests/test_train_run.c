/* Whole runs: the same bytes from every kernel variant and any number of threads, resuming after a
 * kill at any step, stopping early, diverging, bad input. The hashes are Ferry's own: regression
 * tests, which Node makes too. */
#include "golden.h"

#include <math.h>

#include "base/pool.h"
#include "failing.h"
#include "math/kernels.h"
#include "train_runs.h"

static int open_shop(void **state)
{
    (void)state;
    make_shop();
    return 0;
}

static run open_run(ferry_objective objective, ferry_sequence_kind kind)
{
    run r;
    assert_int_equal(create_run(objective, kind, NULL, &r), FERRY_OK);
    return r;
}

static uint64_t train_hash(run *r)
{
    ferry_error error;
    if (ferry_train(r->net, r->domains, 2, &r->options, NULL, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    return fnv1a(r->net->parameters, r->net->size * sizeof *r->net->parameters);
}

/* The hash that golden/train.hash has for a run. */
static uint64_t golden_hash(const char *name)
{
    size_t size;
    unsigned long long hash = 0;
    char *lines = read_file(golden_path("train.hash"), &size);
    for (char *line = strtok(lines, "\n"); line != NULL; line = strtok(NULL, "\n"))
        if (strlen(line) > 17 && strcmp(line + 17, name) == 0) hash = strtoull(line, NULL, 16);
    free(lines);
    if (hash == 0) fail_msg("train.hash has no line for \"%s\"", name);
    return hash;
}

static void the_same_bytes_everywhere(void **state)
{
    (void)state;
    const ferry_kernels *variants[8];
    size_t count = ferry_kernels_available(variants, 8);
    for (size_t i = 0; i < RUNS; i++) {
        uint64_t expected = golden_hash(runs[i].name);
        for (size_t v = 0; v < count; v++) {
            for (size_t threads = 1; threads <= 4; threads *= 2) {
                ferry_pool *pool;
                ferry_error error;
                run r = open_run(runs[i].objective, runs[i].kind);
                assert_int_equal(ferry_pool_create(NULL, threads, &pool, &error), FERRY_OK);
                r.options.samples = runs[i].samples;
                r.options.kernels = variants[v]->name;
                r.options.pool = pool;
                uint64_t hash = train_hash(&r);
                if (hash != expected)
                    fail_msg("%s, %s kernels, %zu threads: %016llx", runs[i].name,
                             variants[v]->name, threads, (unsigned long long)hash);
                ferry_pool_close(pool);
                ferry_net_close(r.net);
            }
        }
    }
}

static void another_seed_gives_other_bytes(void **state)
{
    (void)state;
    run r = open_run(FERRY_OBJECTIVE_SOFTMAX, FERRY_SEQUENCE_EMA);
    r.options.seed = 4;
    assert_true(train_hash(&r) != golden_hash(runs[0].name));
    ferry_net_close(r.net);
}

/* ---- what is called while it runs ---- */

typedef struct caller {
    size_t stop_at, validations, worse_from, checkpoints, steps;
    double loss;
    char *saved; /* the last checkpoint */
    size_t saved_size;
} caller;

static bool on_progress(void *user, const ferry_train_progress *progress)
{
    caller *c = user;
    c->steps = progress->step;
    c->loss = progress->loss;
    return progress->step != c->stop_at;
}

static ferry_status on_checkpoint(void *user, const void *bytes, size_t size, ferry_error *error)
{
    caller *c = user;
    (void)error;
    free(c->saved);
    c->saved = malloc(size);
    memcpy(c->saved, bytes, size);
    c->saved_size = size;
    c->checkpoints++;
    return FERRY_OK;
}

static ferry_status on_validation(void *user, const ferry_net *net, double *metric,
                                  ferry_error *error)
{
    caller *c = user;
    (void)net, (void)error;
    c->validations++;
    *metric = c->validations < c->worse_from ? (double)c->validations : 0.5;
    return FERRY_OK;
}

static run open_called(caller *c)
{
    run r = open_run(FERRY_OBJECTIVE_SOFTMAX, FERRY_SEQUENCE_EMA);
    r.options.user = c;
    r.options.progress = on_progress;
    r.options.checkpoint = on_checkpoint;
    return r;
}

static void a_killed_run_goes_on_with_the_same_bits(void **state)
{
    (void)state;
    size_t steps = 1000;
    for (size_t stop = 1; stop < steps; stop += 1) {
        caller c = {.stop_at = stop, .worse_from = 100};
        ferry_error error;
        ferry_train_report report;
        run r = open_called(&c);
        r.options.validate = on_validation;
        assert_int_equal(ferry_train(r.net, r.domains, 2, &r.options, &report, &error),
                         FERRY_CANCELLED);
        steps = report.last.steps;
        assert_int_equal(report.last.step, stop);
        assert_int_equal(c.checkpoints, 1);
        ferry_net_close(r.net);
        r = open_called(&c); /* a new process, so to speak */
        r.options.validate = on_validation;
        r.options.resume = c.saved;
        r.options.resume_size = c.saved_size;
        c.stop_at = 0;
        assert_true(train_hash(&r) == golden_hash(runs[0].name));
        assert_int_equal(c.steps, steps);
        ferry_net_close(r.net);
        free(c.saved);
    }
    assert_true(steps > 10 && steps < 1000);
}

static void a_checkpoint_of_another_run_is_refused(void **state)
{
    (void)state;
    caller c = {.stop_at = 2};
    ferry_error error;
    run r = open_called(&c);
    assert_int_equal(ferry_train(r.net, r.domains, 2, &r.options, NULL, &error), FERRY_CANCELLED);
    c.stop_at = 0;
    r.options.resume = c.saved;
    r.options.resume_size = c.saved_size;
    r.options.learning_rate = 1e-3;
    assert_int_equal(ferry_train(r.net, r.domains, 2, &r.options, NULL, &error), FERRY_MALFORMED);
    r.options.learning_rate = ferry_train_options_default().learning_rate;
    r.options.resume_size--;
    assert_int_equal(ferry_train(r.net, r.domains, 2, &r.options, NULL, &error), FERRY_MALFORMED);
    r.options.resume_size = 20;
    assert_int_equal(ferry_train(r.net, r.domains, 2, &r.options, NULL, &error), FERRY_MALFORMED);
    r.options.resume_size = c.saved_size;
    for (size_t at = 0; at < c.saved_size; at += 1 + c.saved_size / 50) {
        c.saved[at] = (char)(c.saved[at] ^ 16);
        assert_int_equal(ferry_train(r.net, r.domains, 2, &r.options, NULL, &error),
                         FERRY_MALFORMED);
        c.saved[at] = (char)(c.saved[at] ^ 16);
    }
    assert_true(train_hash(&r) == golden_hash(runs[0].name));
    ferry_net_close(r.net);
    free(c.saved);
}

static void the_best_epoch_is_kept(void **state)
{
    (void)state;
    caller c = {.worse_from = 3};
    ferry_error error;
    ferry_train_report report;
    run r = open_called(&c);
    r.options.validate = on_validation;
    r.options.epochs = 9;
    r.options.patience = 2;
    assert_int_equal(ferry_train(r.net, r.domains, 2, &r.options, &report, &error), FERRY_OK);
    assert_true(report.stopped_early);
    assert_int_equal(c.validations, 4);
    assert_int_equal(report.last.best_epoch, 2);
    assert_true(report.last.best_metric == 2.0 && report.last.metric == 0.5);
    /* which is what a run that is stopped there has */
    caller again = {.stop_at = 2 * (report.last.steps / 9)};
    run other = open_called(&again);
    other.options.epochs = 9;
    assert_int_equal(ferry_train(other.net, other.domains, 2, &other.options, NULL, &error),
                     FERRY_CANCELLED);
    assert_memory_equal(other.net->parameters, r.net->parameters,
                        r.net->size * sizeof *r.net->parameters);
    ferry_net_close(r.net), ferry_net_close(other.net);
    free(again.saved);
}

static void learning_lowers_the_loss(void **state)
{
    (void)state;
    caller c = {0};
    run r = open_called(&c);
    r.options.epochs = 1;
    train_hash(&r);
    double first = c.loss;
    ferry_net_close(r.net);
    r = open_called(&c);
    r.options.epochs = 20;
    train_hash(&r);
    assert_true(c.loss < 0.8 * first);
    ferry_net_close(r.net);
}

static void adapters_alone_leave_the_rest(void **state)
{
    (void)state;
    for (int both = 0; both < 2; both++) {
        run r = open_run(FERRY_OBJECTIVE_SOFTMAX, FERRY_SEQUENCE_EMA);
        float *before = malloc(r.net->size * sizeof *before);
        memcpy(before, r.net->parameters, r.net->size * sizeof *before);
        r.options.trainable = both ? FERRY_TRAIN_ALL : FERRY_TRAIN_ADAPTERS;
        train_hash(&r);
        for (size_t i = 0; i < r.net->tensor_count; i++) {
            const ferry_net_tensor *t = &r.net->tensor[i];
            bool same = memcmp(before + t->offset, r.net->parameters + t->offset,
                               t->count * sizeof *before) == 0;
            bool adapter = strncmp(t->name, "adapter.", 8) == 0;
            if (same != (adapter == (both != 0))) fail_msg("%s, case %d", t->name, both);
        }
        free(before);
        ferry_net_close(r.net);
    }
}

static void l2sp_holds_near_the_source(void **state)
{
    (void)state;
    double away[2];
    for (int pulled = 0; pulled < 2; pulled++) {
        run r = open_run(FERRY_OBJECTIVE_SOFTMAX, FERRY_SEQUENCE_EMA);
        float *source = malloc(r.net->size * sizeof *source);
        memcpy(source, r.net->parameters, r.net->size * sizeof *source);
        r.options.source = source;
        r.options.l2sp = pulled ? 10.0 : 0.0;
        train_hash(&r);
        away[pulled] = 0;
        for (size_t i = 0; i < r.net->size; i++)
            away[pulled] += pow((double)(r.net->parameters[i] - source[i]), 2);
        free(source);
        ferry_net_close(r.net);
    }
    assert_true(away[1] > 0 && away[1] < 0.2 * away[0]);
}

static void a_diverging_run_stops(void **state)
{
    (void)state;
    caller c = {0};
    ferry_error error;
    run r = open_called(&c);
    r.options.checkpoint_every = 1;
    r.options.learning_rate = 1;
    r.options.weight_decay = 100; /* weights turn into -99 times themselves */
    r.options.epochs = 50;
    assert_int_equal(ferry_train(r.net, r.domains, 2, &r.options, NULL, &error), FERRY_DIVERGED);
    assert_true(c.steps > 1);
    char expected[64];
    snprintf(expected, sizeof expected, "step %zu", c.steps + 1);
    assert_non_null(strstr(error.message, expected));
    assert_int_equal(c.checkpoints, c.steps);
    for (size_t i = 0; i < r.net->size; i++) assert_true(isfinite(r.net->parameters[i]));
    free(c.saved);
    ferry_net_close(r.net);
}

static void expect_refusal(run *r, size_t count, const char *named)
{
    ferry_error error;
    assert_int_equal(ferry_train(r->net, r->domains, count, &r->options, NULL, &error),
                     FERRY_INVALID_ARGUMENT);
    if (strstr(error.message, named) == NULL)
        fail_msg("\"%s\" does not name %s", error.message, named);
}

static void what_cannot_be_trained_on_is_named(void **state)
{
    (void)state;
    run r = open_run(FERRY_OBJECTIVE_SOFTMAX, FERRY_SEQUENCE_EMA), bad = r;
    expect_refusal(&bad, 1, "not in the run"); /* events of b, without b */
    bad.domains[0].content = NULL;
    expect_refusal(&bad, 2, "content");
    bad = r, bad.domains[1].item = data.item;
    expect_refusal(&bad, 2, "item");
    bad = r, bad.domains[1].domain = 0;
    expect_refusal(&bad, 2, "twice");
    bad = r, bad.options.learning_rate = NAN;
    expect_refusal(&bad, 2, "learning_rate");
    bad = r, bad.options.dropout = 1;
    expect_refusal(&bad, 2, "dropout");
    bad = r, bad.options.epochs = 0;
    expect_refusal(&bad, 2, "epochs");
    bad = r, bad.options.objective = FERRY_OBJECTIVE_MSE, bad.domains[1].value = NULL;
    expect_refusal(&bad, 2, "values");
    static const uint32_t none[USERS + 1];
    bad = r, bad.domains[0].start = bad.domains[1].start = none;
    expect_refusal(&bad, 2, "two events");
    bad = r, bad.domains[0].user_count = bad.domains[1].user_count = 0;
    expect_refusal(&bad, 2, "two events");
    ferry_net_close(r.net);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    ferry_status status = FERRY_OUT_OF_MEMORY;
    size_t left = 0;
    for (; status != FERRY_OK && left < 1000; left++) {
        failing counted;
        ferry_allocator allocator = failing_allocator(&counted, left);
        caller c = {.worse_from = 9};
        ferry_error error;
        run r;
        status = create_run(FERRY_OBJECTIVE_SOFTMAX, FERRY_SEQUENCE_EMA, &allocator, &r);
        r.options.user = &c;
        r.options.checkpoint = on_checkpoint;
        r.options.validate = on_validation;
        r.options.checkpoint_every = 5;
        if (status == FERRY_OK) status = ferry_train(r.net, r.domains, 2, &r.options, NULL, &error);
        assert_true(status == FERRY_OK || status == FERRY_OUT_OF_MEMORY);
        ferry_net_close(r.net);
        assert_int_equal(counted.live, 0);
        free(c.saved);
    }
    assert_true(left > 5 && left < 1000);
}

static void no_target_behavior_is_no_step(void **state)
{
    (void)state;
    run r = open_run(FERRY_OBJECTIVE_SOFTMAX, FERRY_SEQUENCE_EMA);
    ferry_train_report report;
    ferry_error error;
    uint64_t before = fnv1a(r.net->parameters, r.net->size * sizeof *r.net->parameters);
    r.options.target_behaviors = 1u << 9;
    assert_int_equal(ferry_train(r.net, r.domains, 2, &r.options, &report, &error), FERRY_OK);
    assert_int_equal(report.positions, 0);
    assert_true(fnv1a(r.net->parameters, r.net->size * sizeof *r.net->parameters) == before);
    ferry_net_close(r.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bytes_everywhere),
        cmocka_unit_test(another_seed_gives_other_bytes),
        cmocka_unit_test(a_killed_run_goes_on_with_the_same_bits),
        cmocka_unit_test(a_checkpoint_of_another_run_is_refused),
        cmocka_unit_test(the_best_epoch_is_kept),
        cmocka_unit_test(learning_lowers_the_loss),
        cmocka_unit_test(adapters_alone_leave_the_rest),
        cmocka_unit_test(l2sp_holds_near_the_source),
        cmocka_unit_test(a_diverging_run_stops),
        cmocka_unit_test(what_cannot_be_trained_on_is_named),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(no_target_behavior_is_no_step),
    };
    return cmocka_run_group_tests(tests, open_shop, NULL);
}
