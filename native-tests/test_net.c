/* The net as it serves: beside training's forward pass, its layout. */
#include "golden.h"

#include <math.h>

#include "base/random.h"
#include "math/kernels.h"
#include "math/ops.h"
#include "recsys/net.h"
#include "train/train.h"

enum { ITEMS = 70, OTHER = 9, C = 12, EVENTS = 20 };

static const char *const names[] = {"a", "b"};
static const size_t item_counts[] = {ITEMS, OTHER};

static ferry_net_config config_of(ferry_sequence_kind kind, size_t rank)
{
    return (ferry_net_config){.sequence = {kind, 24, 1, 2, 48, EVENTS},
                              .content_dim = C,
                              .behaviors = 3,
                              .time_buckets = 6,
                              .adapter_rank = rank,
                              .ids = true};
}

static ferry_net *open_net(ferry_sequence_kind kind, size_t rank)
{
    ferry_net *net;
    ferry_error error;
    ferry_net_config config = config_of(kind, rank);
    if (ferry_net_create(NULL, &config, names, item_counts, 2, 9, &net, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    ferry_random random;
    ferry_random_seed(&random, 1, 1);
    for (size_t i = 0; i < net->tensor_count; i++) { /* norms, biases and ups that do something */
        for (size_t k = 0; k < net->tensor[i].count; k++) {
            float *w = net->parameters + net->tensor[i].offset + k;
            *w = *w + 0.1f * ferry_random_normal(&random);
        }
    }
    return net;
}

static const ferry_kernels *kernels(void)
{
    const ferry_kernels *best;
    ferry_error error;
    assert_int_equal(ferry_kernels_choose(NULL, &best, &error), FERRY_OK);
    return best;
}

static float *random_content(size_t count)
{
    float *content = malloc(count * C * sizeof *content);
    ferry_random random;
    ferry_random_seed(&random, 2, 0);
    for (size_t i = 0; i < count * C; i++) content[i] = ferry_random_normal(&random);
    return content;
}

static float *item_vectors(const ferry_net *net, const float *content)
{
    float *vectors = malloc(ITEMS * 24 * sizeof *vectors);
    float *scratch = malloc(ferry_net_item_scratch(net) * sizeof *scratch);
    ferry_net_item_vectors(net, kernels(), 0, content, 0, ITEMS, vectors, scratch);
    free(scratch);
    return vectors;
}

static void item_vectors_are_their_definition(void **state)
{
    (void)state;
    ferry_net *net = open_net(FERRY_SEQUENCE_EMA, 2);
    float *content = random_content(ITEMS), *vectors = item_vectors(net, content);
    const float *w = net->parameters;
    for (size_t i = 0; i < ITEMS; i++) {
        for (size_t n = 0; n < 24; n++) {
            double sum = (double)w[net->content_bias + n];
            for (size_t k = 0; k < C; k++) {
                double value = (double)w[net->content_weight + n * C + k];
                for (size_t r = 0; r < 2; r++)
                    value += (double)w[net->domain[0].item_up + n * 2 + r] *
                             (double)w[net->domain[0].item_down + r * C + k];
                sum += value * (double)content[i * C + k];
            }
            sum += (double)w[net->domain[0].ids + i * 24 + n];
            assert_true(fabs(sum - (double)vectors[i * 24 + n]) < 1e-5);
        }
    }
    /* a part of them, from the middle */
    float part[5 * 24], *scratch = malloc(ferry_net_item_scratch(net) * sizeof *scratch);
    ferry_net_item_vectors(net, kernels(), 0, content + 30 * C, 30, 5, part, scratch);
    assert_memory_equal(part, vectors + 30 * 24, sizeof part);
    free(scratch), free(content), free(vectors);
    ferry_net_close(net);
}

static void make_events(const float *vectors, ferry_net_event *events)
{
    ferry_random random;
    ferry_random_seed(&random, 3, 0);
    int64_t time = 1000000;
    for (size_t t = 0; t < EVENTS; t++) {
        time += 1000 * ferry_random_below(&random, 100);
        events[t] = (ferry_net_event){vectors + 24 * ferry_random_below(&random, ITEMS),
                                      ferry_random_below(&random, 3), t == 4 ? 0 : time};
    }
}

/* -log softmax of what is served is the loss that training has for the last event. */
static void serving_is_what_was_trained(void **state)
{
    (void)state;
    static const ferry_sequence_kind kinds[] = {FERRY_SEQUENCE_EMA, FERRY_SEQUENCE_MEAN,
                                                FERRY_SEQUENCE_LSTM, FERRY_SEQUENCE_GRU,
                                                FERRY_SEQUENCE_TRANSFORMER};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        ferry_net *net = open_net(kinds[k], 2);
        float *content = random_content(ITEMS), *vectors = item_vectors(net, content);
        ferry_net_event events[EVENTS];
        uint32_t start[] = {0, EVENTS}, item[EVENTS];
        uint8_t behavior[EVENTS];
        int64_t time[EVENTS];
        make_events(vectors, events);
        for (size_t t = 0; t < EVENTS; t++) {
            item[t] = (uint32_t)((size_t)(events[t].vector - vectors) / 24);
            behavior[t] = (uint8_t)events[t].behavior, time[t] = events[t].timestamp;
        }
        behavior[EVENTS - 1] = 2; /* the only target */
        for (size_t t = 0; t + 1 < EVENTS; t++) behavior[t] = behavior[t] == 2 ? 1 : behavior[t];
        for (size_t t = 0; t < EVENTS; t++) events[t].behavior = behavior[t];
        ferry_train_domain domain = {.content = content,
                                     .user_count = 1,
                                     .start = start,
                                     .item = item,
                                     .behavior = behavior,
                                     .timestamp = time};
        ferry_train_options options = ferry_train_options_default();
        options.dropout = options.encoder_dropout = 0, options.samples = 0,
        options.target_behaviors = 1 << 2;
        ferry_trainer *trainer;
        ferry_error error;
        size_t size;
        double loss, sum = 0;
        float user[24], logits[ITEMS], *gradients = malloc(net->size * sizeof *gradients);
        assert_int_equal(ferry_trainer_create(net, &domain, 1, &options, &trainer, &error),
                         FERRY_OK);
        assert_int_equal(ferry_trainer_gradients(trainer, NULL, &loss, gradients, &error),
                         FERRY_OK);
        assert_true(ferry_net_user_scratch(net, EVENTS, &size));
        float *scratch = malloc(size * sizeof *scratch);
        ferry_net_user_vector(net, kernels(), 0, events, EVENTS - 1, user, scratch);
        kernels()->dot_rows(vectors, user, logits, ITEMS, 24);
        for (size_t i = 0; i < ITEMS; i++) sum += exp((double)logits[i]);
        assert_true(fabs(log(sum) - (double)logits[item[EVENTS - 1]] - loss) < 1e-5);
        free(scratch), free(gradients), free(content), free(vectors);
        ferry_trainer_close(trainer);
        ferry_net_close(net);
    }
}

static void gaps_double_from_bucket_to_bucket(void **state)
{
    (void)state;
    enum { HOUR = 3600 };
    assert_int_equal(ferry_net_time_bucket(0, 99 * HOUR, 8), 0);
    assert_int_equal(ferry_net_time_bucket(99 * HOUR, 0, 8), 0);
    assert_int_equal(ferry_net_time_bucket(5, 5, 8), 1);
    assert_int_equal(ferry_net_time_bucket(5, 4, 8), 1);
    assert_int_equal(ferry_net_time_bucket(5, 4 + HOUR, 8), 1);
    assert_int_equal(ferry_net_time_bucket(5, 5 + HOUR, 8), 2);
    assert_int_equal(ferry_net_time_bucket(5, 5 + 2 * HOUR, 8), 3);
    assert_int_equal(ferry_net_time_bucket(5, 5 + 3 * HOUR, 8), 3);
    assert_int_equal(ferry_net_time_bucket(5, 5 + 4 * HOUR, 8), 4);
    assert_int_equal(ferry_net_time_bucket(1, INT64_MAX, 8), 7);
    assert_int_equal(ferry_net_time_bucket(INT64_MIN, INT64_MAX, 8), 7);
    assert_int_equal(ferry_net_time_bucket(5, 500000, 0), 0);
}

static void the_layout_is_as_documented(void **state)
{
    (void)state;
    ferry_net *net = open_net(FERRY_SEQUENCE_EMA, 2);
    const struct {
        const char *name;
        size_t rows, columns;
    } expected[] = {
        {"input_norm.weight", 24, 0},
        {"input_norm.bias", 24, 0},
        {"output_norm.weight", 24, 0},
        {"output_norm.bias", 24, 0},
        {"scale", 0, 0},
        {"content.weight", 24, C},
        {"content.bias", 24, 0},
        {"behavior.weight", 3, 24},
        {"time.weight", 6, 24},
        {"ema.decay", 24, 0},
        {"ema.linear.weight", 24, 24},
        {"ema.linear.bias", 24, 0},
        {"adapter.a.item.down", 2, C},
        {"adapter.a.item.up", 24, 2},
        {"adapter.a.user.down", 2, 24},
        {"adapter.a.user.up", 24, 2},
        {"adapter.b.item.down", 2, C},
        {"adapter.b.item.up", 24, 2},
        {"adapter.b.user.down", 2, 24},
        {"adapter.b.user.up", 24, 2},
        {"id.a.weight", ITEMS, 24},
        {"id.b.weight", OTHER, 24},
    };
    assert_int_equal(net->tensor_count, sizeof expected / sizeof *expected);
    size_t end = 0;
    for (size_t i = 0; i < net->tensor_count; i++) {
        const ferry_net_tensor *t = &net->tensor[i];
        assert_string_equal(t->name, expected[i].name);
        assert_true(t->rows == expected[i].rows && t->columns == expected[i].columns);
        assert_true(t->offset == end && t->offset % FERRY_TENSOR_ALIGNMENT == 0);
        assert_ptr_equal(ferry_net_find(net, t->name), t);
        end = t->offset + ferry_tensor_room(t->count);
    }
    assert_int_equal(end, net->size);
    assert_null(ferry_net_find(net, "id.c.weight"));
    ferry_net_close(net);
}

static void initial_values_have_their_spread(void **state)
{
    (void)state;
    ferry_net *net;
    ferry_error error;
    ferry_net_config config = ferry_net_config_default();
    const size_t count = 2000;
    assert_int_equal(ferry_net_create(NULL, &config, names, &count, 1, 1, &net, &error), FERRY_OK);
    const float *w = net->parameters;
    double square = 0, largest = 0;
    for (size_t i = 0; i < 2000 * 64; i++)
        square += pow((double)w[net->domain[0].ids + i], 2) / (2000 * 64);
    assert_true(fabs(sqrt(square) - 0.02) < 2e-4);
    for (size_t i = 0; i < 64 * 128; i++)
        largest = fmax(largest, fabs((double)w[net->content_weight + i]));
    assert_true(largest <= 1 / sqrt(128.0) && largest > 0.99 / sqrt(128.0));
    assert_true(w[net->sequence] == -1.0f && w[net->sequence + 63] == 2.0f);
    assert_true(w[net->input_norm_weight] == 1.0f && w[net->scale] == 0.0f);
    ferry_net_close(net);
}

static void bad_configurations_are_refused(void **state)
{
    (void)state;
    ferry_net *net;
    ferry_error error;
    const size_t none[] = {0, 1};
    ferry_net_config config = config_of(FERRY_SEQUENCE_EMA, 0);
    assert_int_equal(ferry_net_create(NULL, &config, names, none, 2, 1, &net, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "\"a\""));
    assert_int_equal(ferry_net_create(NULL, &config, names, item_counts, 0, 1, &net, &error),
                     FERRY_INVALID_ARGUMENT);
    config.sequence.dim = 0;
    assert_int_equal(ferry_net_create(NULL, &config, names, item_counts, 2, 1, &net, &error),
                     FERRY_INVALID_ARGUMENT);
    config = config_of(FERRY_SEQUENCE_EMA, 0);
    config.content_dim = 0, config.ids = false;
    assert_int_equal(ferry_net_create(NULL, &config, names, item_counts, 2, 1, &net, &error),
                     FERRY_INVALID_ARGUMENT);
    config = config_of((ferry_sequence_kind)99, 0);
    assert_int_equal(ferry_net_create(NULL, &config, names, item_counts, 2, 1, &net, &error),
                     FERRY_UNSUPPORTED);
    config = config_of(FERRY_SEQUENCE_EMA, SIZE_MAX / 8);
    assert_int_equal(ferry_net_create(NULL, &config, names, item_counts, 2, 1, &net, &error),
                     FERRY_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(item_vectors_are_their_definition),
        cmocka_unit_test(serving_is_what_was_trained),
        cmocka_unit_test(gaps_double_from_bucket_to_bucket),
        cmocka_unit_test(the_layout_is_as_documented),
        cmocka_unit_test(initial_values_have_their_spread),
        cmocka_unit_test(bad_configurations_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
