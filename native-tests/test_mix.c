/* The mix's weights against PyTorch's; its gradient against differences; what it refuses. */
#include "golden_tensors.h"

#include "base/random.h"
#include "train/mix.h"

static const ferry_allocator *allocator(void)
{
    static ferry_allocator chosen;
    chosen = ferry_allocator_or_default(NULL);
    return &chosen;
}

enum { FEATURES = 5, MOST_EXAMPLES = 130 };

static size_t open_examples(golden_tensors *golden, ferry_mix_example *out)
{
    size_t count;
    const float *values = golden_tensor(golden, "values", NULL);
    const uint32_t *candidates = golden_whole(golden, "candidates", &count);
    assert_int_equal(count, MOST_EXAMPLES);
    for (size_t i = 0; i < count; i++) {
        out[i] = (ferry_mix_example){values, candidates[i]};
        values += candidates[i] * FEATURES;
    }
    return count;
}

static void weights_are_those_of_torch(void **state)
{
    (void)state;
    static const bool held[FEATURES] = {false, true, false, false, true};
    static const struct {
        const char *name;
        ferry_mix_options options;
    } cases[] = {{"default", {0}},
                 {"pulled", {.pull = 0.05f}},
                 {"held", {6, 32, 0.1f, 1e-4f, held}},
                 {"one", {3, 1, 0.02f, 0.0f, NULL}}};
    golden_tensors golden;
    ferry_mix_example examples[MOST_EXAMPLES];
    golden_tensors_open(&golden, "mix.safetensors");
    size_t count = open_examples(&golden, examples);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        char name[64];
        float weights[FEATURES], loss;
        snprintf(name, sizeof name, "%s.initial", cases[c].name);
        const float *initial = golden_tensor(&golden, name, NULL);
        memcpy(weights, initial, sizeof weights);
        assert_int_equal(ferry_mix_fit(examples, count, FEATURES, &cases[c].options, allocator(),
                                       weights, &loss, NULL),
                         FERRY_OK);
        for (size_t f = 0; f < FEATURES && cases[c].options.held != NULL; f++)
            if (held[f]) assert_true(weights[f] == initial[f]);
        snprintf(name, sizeof name, "%s.learned", cases[c].name);
        assert_near(weights, golden_tensor(&golden, name, NULL), FEATURES, 1e-5, name);
        snprintf(name, sizeof name, "%s.loss", cases[c].name);
        /* of the weights on the way, which are floats here */
        assert_near(&loss, golden_tensor(&golden, name, NULL), 1, 1e-5, name);
    }
    golden_tensors_close(&golden);
}

/* Mean loss with these weights, in double. */
static double loss_of(const ferry_mix_example *examples, size_t count, const float *weights)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++) {
        double total = 0.0, first = 0.0;
        for (size_t c = 0; c < examples[i].candidates; c++) {
            double score = 0.0;
            for (size_t f = 0; f < FEATURES; f++)
                score += (double)weights[f] * (double)examples[i].values[c * FEATURES + f];
            total += exp(score);
            first = c == 0 ? score : first;
        }
        sum += log(total) - first;
    }
    return sum / (double)count;
}

/* Adam's first step is the sign of the gradient: that of the differences of the loss. */
static void the_first_step_goes_down_every_slope(void **state)
{
    (void)state;
    golden_tensors golden;
    ferry_mix_example examples[MOST_EXAMPLES];
    golden_tensors_open(&golden, "mix.safetensors");
    size_t count = open_examples(&golden, examples);
    for (uint64_t turn = 0; turn < 20; turn++) {
        float start[FEATURES], weights[FEATURES], loss;
        ferry_random random;
        ferry_random_seed(&random, turn, 0);
        for (size_t f = 0; f < FEATURES; f++) weights[f] = start[f] = ferry_random_normal(&random);
        ferry_mix_options options = {.epochs = 1, .batch = count, .learning_rate = 1e-3f};
        assert_int_equal(
            ferry_mix_fit(examples, count, FEATURES, &options, allocator(), weights, &loss, NULL),
            FERRY_OK);
        assert_true(fabs((double)loss - loss_of(examples, count, start)) < 1e-5);
        for (size_t f = 0; f < FEATURES; f++) {
            float up[FEATURES], down[FEATURES];
            memcpy(up, start, sizeof up);
            memcpy(down, start, sizeof down);
            up[f] += 1e-3f;
            down[f] -= 1e-3f;
            double slope = (loss_of(examples, count, up) - loss_of(examples, count, down)) / 2e-3;
            double moved = (double)weights[f] - (double)start[f];
            if (fabs(slope) < 1e-4) continue; /* too flat to have a sign */
            assert_true(moved * slope < 0.0);
            assert_true(fabs(fabs(moved) - 1e-3 * (1.0 + 1.0 / 30.0)) < 2e-6);
        }
    }
    golden_tensors_close(&golden);
}

static void nothing_to_learn_from_leaves_the_weights(void **state)
{
    (void)state;
    const float values[2 * 2] = {1, 2, 3, 4};
    float weights[2] = {0.5f, -0.5f}, loss = 7.0f;
    ferry_mix_example none = {values, 0}, alone = {values, 1};
    assert_int_equal(ferry_mix_fit(NULL, 0, 2, NULL, allocator(), weights, &loss, NULL), FERRY_OK);
    assert_true(loss == 0.0f);
    assert_int_equal(ferry_mix_fit(&none, 1, 2, NULL, allocator(), weights, NULL, NULL), FERRY_OK);
    assert_int_equal(ferry_mix_fit(&alone, 1, 2, NULL, allocator(), weights, &loss, NULL),
                     FERRY_OK);
    assert_true(loss == 0.0f && weights[0] == 0.5f && weights[1] == -0.5f);
    /* candidates that are all alike: the loss is ln 2, and no weight better than another */
    const float same[2 * 2] = {1, 2, 1, 2};
    ferry_mix_example tie = {same, 2};
    assert_int_equal(ferry_mix_fit(&tie, 1, 2, NULL, allocator(), weights, &loss, NULL), FERRY_OK);
    assert_true(fabsf(loss - 0.6931472f) < 1e-6f && weights[0] == 0.5f && weights[1] == -0.5f);
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const float wrong[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < 12; i++) { /* each in each place, in the first and in the last step */
        float values[2 * 2] = {1, 2, 3, 4}, weights[2] = {0.5f, -0.5f};
        ferry_mix_options options = {.epochs = 1 + i % 2};
        ferry_mix_example example = {values, 2};
        ferry_error error = {0};
        values[i / 3] = wrong[i % 3];
        assert_int_equal(
            ferry_mix_fit(&example, 1, 2, &options, allocator(), weights, NULL, &error),
            FERRY_DIVERGED);
        assert_non_null(strstr(error.message, "mix"));
        assert_true(weights[0] == 0.5f && weights[1] == -0.5f);
    }
    float weights[65] = {0};
    ferry_error error;
    assert_int_equal(ferry_mix_fit(NULL, 0, 65, NULL, allocator(), weights, NULL, &error),
                     FERRY_LIMIT);
    assert_non_null(strstr(error.message, "65"));
    /* large, but numbers */
    const float large[2 * 2] = {1e4f, -1e4f, -1e4f, 1e4f};
    ferry_mix_example far = {large, 2};
    assert_int_equal(ferry_mix_fit(&far, 1, 2, NULL, allocator(), weights, NULL, NULL), FERRY_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_are_those_of_torch),
        cmocka_unit_test(the_first_step_goes_down_every_slope),
        cmocka_unit_test(nothing_to_learn_from_leaves_the_weights),
        cmocka_unit_test(what_is_no_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
