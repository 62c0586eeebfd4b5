/* Training: gradients and loss curves beside PyTorch's, finite differences, the same bytes. */
#include "golden.h"

#include <math.h>

#include "math/kernels.h"
#include "train/trainer.h"

enum { USERS = 6, A = 30, B = 17, STEPS = 10 };

typedef struct golden {
    ferry_arena arena;
    char *bytes;
    ferry_safetensors tensors;
    uint32_t start[USERS + 1], item[64], domain[64], candidates[64], negatives[A];
    uint32_t start_a[USERS + 1], item_a[64]; /* domain a alone */
    uint8_t behavior[64], behavior_a[64];
    float value[64], value_a[64];
    int64_t time[64], time_a[64];
    size_t candidate_count;
} golden;

static golden g;

static const float *numbers(const char *prefix, const char *name, size_t *count)
{
    char key[256];
    const float *data;
    ferry_error error;
    snprintf(key, sizeof key, "%s%s", prefix, name);
    const ferry_tensor *tensor = ferry_safetensors_find(&g.tensors, key);
    if (tensor == NULL) return NULL;
    if (ferry_tensor_as_f32(tensor, &g.arena, &data, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    if (count != NULL) *count = tensor->count;
    return data;
}

static int open_golden(void **state)
{
    (void)state;
    ferry_error error;
    size_t size, count;
    ferry_arena_init(&g.arena, ferry_allocator_or_default(NULL));
    g.bytes = read_file(golden_path("training.safetensors"), &size);
    ferry_file file = {"training.safetensors", g.bytes, size};
    if (ferry_safetensors_open(&file, &g.arena, &g.tensors, &error) != FERRY_OK) return -1;
    const float *list = numbers("", "candidates", &g.candidate_count);
    for (size_t i = 0; i < g.candidate_count; i++) g.candidates[i] = (uint32_t)list[i];
    list = numbers("", "negatives", NULL);
    for (size_t i = 0; i < A; i++) g.negatives[i] = (uint32_t)list[i];
    const float *lengths = numbers("", "lengths", &count);
    const float *events = numbers("", "events", NULL); /* [events, 5] */
    size_t all = 0, a = 0;
    for (size_t u = 0; u < USERS; u++) {
        for (size_t i = 0; i < (size_t)lengths[u]; i++, all++, events += 5) {
            g.domain[all] = (uint32_t)events[0];
            g.item[all] = (uint32_t)events[1];
            g.behavior[all] = (uint8_t)events[2];
            g.value[all] = events[3];
            g.time[all] = 1000000 + (int64_t)events[4];
            if (g.domain[all] != 0) continue;
            g.item_a[a] = g.item[all], g.behavior_a[a] = g.behavior[all];
            g.value_a[a] = g.value[all], g.time_a[a++] = g.time[all];
        }
        g.start[u + 1] = (uint32_t)all;
        g.start_a[u + 1] = (uint32_t)a;
    }
    return 0;
}

static int close_golden(void **state)
{
    (void)state;
    ferry_arena_free(&g.arena);
    free(g.bytes);
    return 0;
}

/* ---- cases ---- */

typedef struct run {
    ferry_net *net;
    ferry_train_domain domains[2];
    size_t domain_count;
    ferry_train_options options;
    float *source;
} run;

static void set_parameters(const ferry_net *net, const char *prefix, float *block)
{
    for (size_t i = 0; i < net->tensor_count; i++) {
        size_t count;
        const float *data = numbers(prefix, net->tensor[i].name, &count);
        if (data == NULL) { /* of an encoder that the golden has not */
            assert_true(net->config.sequence.kind >= FERRY_SEQUENCE_LSTM);
            memcpy(block + net->tensor[i].offset, net->parameters + net->tensor[i].offset,
                   net->tensor[i].count * sizeof *block);
            continue;
        }
        assert_int_equal(count, net->tensor[i].count);
        memcpy(block + net->tensor[i].offset, data, count * sizeof *data);
    }
}

static run open_run(const char *name)
{
    static const char *const domains[] = {"a", "b"};
    static const size_t items[] = {A, B};
    ferry_error error;
    run r = {.options = ferry_train_options_default()};
    ferry_net_config config = ferry_net_config_default();
    bool adapters = strcmp(name, "adapters") == 0;
    config.sequence.dim = 20;
    config.sequence.kind = strcmp(name, "mean") == 0          ? FERRY_SEQUENCE_MEAN
                           : strcmp(name, "lstm") == 0        ? FERRY_SEQUENCE_LSTM
                           : strcmp(name, "gru") == 0         ? FERRY_SEQUENCE_GRU
                           : strcmp(name, "transformer") == 0 ? FERRY_SEQUENCE_TRANSFORMER
                                                              : FERRY_SEQUENCE_EMA;
    config.content_dim = 12;
    config.behaviors = 3;
    config.time_buckets = 5;
    config.adapter_rank = adapters ? 3 : 0;
    assert_int_equal(ferry_net_create(NULL, &config, domains, items, 2, 1, &r.net, &error),
                     FERRY_OK);
    set_parameters(r.net, "w.", r.net->parameters);
    r.source = malloc(r.net->size * sizeof *r.source);
    memset(r.source, 0, r.net->size * sizeof *r.source);
    set_parameters(r.net, "source.", r.source);
    r.domains[0] = (ferry_train_domain){.domain = 0,
                                        .content = numbers("content.", "a", NULL),
                                        .user_count = USERS,
                                        .start = g.start_a,
                                        .item = g.item_a,
                                        .behavior = g.behavior_a,
                                        .value = g.value_a,
                                        .timestamp = g.time_a};
    r.domains[1] = (ferry_train_domain){.domain = 1, .content = numbers("content.", "b", NULL)};
    r.domain_count = 1;
    if (adapters) {
        ferry_train_domain *a = &r.domains[0];
        a->start = g.start, a->item = g.item, a->event_domain = g.domain;
        a->behavior = g.behavior, a->value = g.value, a->timestamp = g.time;
        r.domain_count = 2;
        r.options.trainable = FERRY_TRAIN_BOTH;
        r.options.source = r.source;
        r.options.l2sp = 0.03;
    }
    r.options.samples = strcmp(name, "full") == 0 ? 0 : 6;
    r.options.mask_history = adapters || strcmp(name, "full") == 0;
    r.options.target_behaviors = strcmp(name, "full") == 0 ? 1 << 0 | 1 << 2 : 0;
    r.options.objective = strcmp(name, "bpr") == 0   ? FERRY_OBJECTIVE_BPR
                          : strcmp(name, "mse") == 0 ? FERRY_OBJECTIVE_MSE
                                                     : FERRY_OBJECTIVE_SOFTMAX;
    r.options.dropout = r.options.encoder_dropout = 0;
    r.options.epochs = STEPS;
    r.options.learning_rate = 0.02;
    r.options.weight_decay = 0.01;
    return r;
}

static void close_run(run *r)
{
    ferry_net_close(r->net);
    free(r->source);
}

static ferry_trainer *open_trainer(run *r)
{
    ferry_trainer *trainer;
    ferry_error error;
    if (ferry_trainer_create(r->net, r->domains, r->domain_count, &r->options, &trainer, &error) !=
        FERRY_OK)
        fail_msg("%s", error.message);
    assert_int_equal(ferry_trainer_steps(trainer), STEPS); /* everyone is in one batch */
    return trainer;
}

static const char *const cases[] = {"sampled",  "full", "mean", "bpr",        "mse",
                                    "adapters", "lstm", "gru",  "transformer"};
enum { CASES = sizeof cases / sizeof *cases, OF_PYTORCH = 6 /* the first ones */ };

static ferry_train_fixed fixed(void)
{
    return (ferry_train_fixed){g.candidates, g.candidate_count, g.negatives};
}

static void gradients_are_pytorchs(void **state)
{
    (void)state;
    for (size_t c = 0; c < OF_PYTORCH; c++) {
        run r = open_run(cases[c]);
        ferry_trainer *trainer = open_trainer(&r);
        ferry_train_fixed drawn = fixed();
        ferry_error error;
        double loss;
        size_t compared = 0;
        char prefix[64];
        float *gradients = malloc(r.net->size * sizeof *gradients);
        assert_int_equal(ferry_trainer_gradients(trainer, &drawn, &loss, gradients, &error),
                         FERRY_OK);
        snprintf(prefix, sizeof prefix, "%s.", cases[c]);
        double expected_loss = (double)*numbers(prefix, "loss", NULL);
        if (!(fabs(loss - expected_loss) < 2e-6 * (1 + fabs(expected_loss))))
            fail_msg("%s: loss %.9g, expected %.9g", cases[c], loss, expected_loss);
        snprintf(prefix, sizeof prefix, "%s.g.", cases[c]);
        for (size_t i = 0; i < r.net->tensor_count; i++) {
            const ferry_net_tensor *tensor = &r.net->tensor[i];
            const float *expected = numbers(prefix, tensor->name, NULL);
            double largest = 1e-3, off = 0;
            for (size_t k = 0; k < tensor->count; k++) {
                double e = expected != NULL ? (double)expected[k] : 0;
                double found = (double)gradients[tensor->offset + k];
                if (fabs(e) > largest) largest = fabs(e);
                if (!(fabs(found - e) <= off)) off = fabs(found - e);
            }
            compared += expected != NULL;
            if (!(off <= 3e-6 * largest))
                fail_msg("%s: gradient of %s is off by %g of %g", cases[c], tensor->name, off,
                         largest);
        }
        assert_true(compared >= 10);
        free(gradients);
        ferry_trainer_close(trainer);
        close_run(&r);
    }
}

static double loss_now(ferry_trainer *trainer, float *scratch)
{
    ferry_train_fixed drawn = fixed();
    ferry_error error;
    double loss;
    assert_int_equal(ferry_trainer_gradients(trainer, &drawn, &loss, scratch, &error), FERRY_OK);
    return loss;
}

/* Along each tensor's own gradient: (loss(w + h g) - loss(w - h g)) / 2h = |g|^2, with dropout on.
 */
static void gradients_are_differences(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        run r = open_run(cases[c]);
        r.options.dropout = r.options.encoder_dropout = 0.3f;
        ferry_trainer *trainer = open_trainer(&r);
        size_t size = r.net->size;
        float *gradients = malloc(size * sizeof *gradients),
              *scratch = malloc(size * sizeof *scratch);
        float *before = malloc(size * sizeof *before);
        memcpy(before, r.net->parameters, size * sizeof *before);
        loss_now(trainer, gradients);
        for (size_t i = 0; i < r.net->tensor_count; i++) {
            const ferry_net_tensor *tensor = &r.net->tensor[i];
            double square = 0, losses[2];
            for (size_t k = 0; k < tensor->count; k++)
                square += pow((double)gradients[tensor->offset + k], 2);
            if (square == 0) continue;
            double h = 5e-3 / sqrt(square);
            for (int side = 0; side < 2; side++) {
                for (size_t k = 0; k < tensor->count; k++)
                    r.net->parameters[tensor->offset + k] =
                        (float)((double)before[tensor->offset + k] +
                                (side ? h : -h) * (double)gradients[tensor->offset + k]);
                losses[side] = loss_now(trainer, scratch);
            }
            memcpy(r.net->parameters, before, size * sizeof *before);
            double slope = (losses[1] - losses[0]) / (2 * h);
            if (!(fabs(slope - square) <= 0.01 * square + 1e-4 * sqrt(square)))
                fail_msg("%s: slope along %s is %g, expected %g", cases[c], tensor->name, slope,
                         square);
        }
        free(gradients), free(scratch), free(before);
        ferry_trainer_close(trainer);
        close_run(&r);
    }
}

static void ten_steps_are_pytorchs(void **state)
{
    (void)state;
    static const char *const curves[] = {"sampled.", "full."};
    for (size_t c = 0; c < 2; c++) {
        char name[32];
        snprintf(name, sizeof name, "%.*s", (int)strlen(curves[c]) - 1, curves[c]);
        run r = open_run(name);
        ferry_trainer *trainer = open_trainer(&r);
        ferry_train_fixed drawn = fixed();
        const float *expected = numbers(curves[c], "curve", NULL);
        ferry_error error;
        trainer->batcher.fixed = &drawn;
        for (size_t step = 0; step < STEPS; step++) {
            double loss;
            assert_int_equal(ferry_trainer_step(trainer, &loss, &error), FERRY_OK);
            if (!(fabs(loss - (double)expected[step]) < 1e-5 * (double)expected[step]))
                fail_msg("%s step %zu: loss %.9g, expected %.9g", name, step, loss,
                         (double)expected[step]);
        }
        assert_true(expected[STEPS - 1] < 0.9f * expected[0]);
        const ferry_net_tensor *tensor = ferry_net_find(r.net, "ema.linear.weight");
        const float *end = numbers(curves[c], "end", NULL);
        for (size_t k = 0; k < tensor->count; k++)
            assert_true(fabsf(r.net->parameters[tensor->offset + k] - end[k]) < 2e-5f);
        ferry_trainer_close(trainer);
        close_run(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_pytorchs),
        cmocka_unit_test(gradients_are_differences),
        cmocka_unit_test(ten_steps_are_pytorchs),
    };
    return cmocka_run_group_tests(tests, open_golden, close_golden);
}
