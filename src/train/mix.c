#include "train/mix.h"

#include <math.h>

#include "base/error.h"
#include "math/elementary.h"

static const float BETA1 = 0.9f, BETA2 = 0.999f, ADAM_EPS = 1e-8f;

typedef struct adam {
    float gradient[FERRY_MIX_MAX_FEATURES];
    float mean[FERRY_MIX_MAX_FEATURES], square[FERRY_MIX_MAX_FEATURES];
    float power1, power2; /* beta^step */
} adam;

/* Adds an example's gradient of -log softmax(scores)[0] to adam->gradient and returns the exp of
 * minus the loss: the probability of the target. scores [candidates] is scratch. */
static float add_gradient(const ferry_mix_example *example, size_t features, const float *weights,
                          float *scores, adam *state)
{
    float largest = 0.0f, sum = 0.0f;
    for (size_t c = 0; c < example->candidates; c++) {
        const float *values = example->values + c * features;
        float score = 0.0f;
        for (size_t f = 0; f < features; f++) score = score + weights[f] * values[f];
        scores[c] = score;
        largest = c == 0 || score > largest ? score : largest;
    }
    for (size_t c = 0; c < example->candidates; c++) {
        scores[c] = ferry_exp(scores[c] - largest);
        sum = sum + scores[c];
    }
    for (size_t c = 0; c < example->candidates; c++) {
        const float *values = example->values + c * features;
        float difference = scores[c] / sum - (c == 0 ? 1.0f : 0.0f);
        for (size_t f = 0; f < features; f++)
            state->gradient[f] = state->gradient[f] + difference * values[f];
    }
    return scores[0] / sum;
}

static void step(adam *state, size_t features, const ferry_mix_options *options,
                 const float *initial, float rate, size_t batch, float *weights)
{
    state->power1 = state->power1 * BETA1;
    state->power2 = state->power2 * BETA2;
    for (size_t f = 0; f < features; f++) {
        float gradient =
            state->gradient[f] / (float)batch + 2.0f * options->pull * (weights[f] - initial[f]);
        state->gradient[f] = 0.0f;
        if (options->held != NULL && options->held[f]) continue;
        state->mean[f] = BETA1 * state->mean[f] + (1.0f - BETA1) * gradient;
        state->square[f] = BETA2 * state->square[f] + (1.0f - BETA2) * gradient * gradient;
        float mean = state->mean[f] / (1.0f - state->power1);
        float square = state->square[f] / (1.0f - state->power2);
        weights[f] = weights[f] - rate * mean / (sqrtf(square) + ADAM_EPS);
    }
}

static ferry_mix_options with_defaults(const ferry_mix_options *options)
{
    ferry_mix_options chosen = options != NULL ? *options : (ferry_mix_options){0};
    if (chosen.epochs == 0) chosen.epochs = 12;
    if (chosen.batch == 0) chosen.batch = 100;
    if (chosen.learning_rate <= 0.0f) chosen.learning_rate = 0.15f;
    return chosen;
}

ferry_status ferry_mix_fit(const ferry_mix_example *examples, size_t count, size_t features,
                           const ferry_mix_options *options, const ferry_allocator *allocator,
                           float *weights, float *loss, ferry_error *error)
{
    ferry_mix_options chosen = with_defaults(options);
    if (loss != NULL) *loss = 0.0f;
    if (features > FERRY_MIX_MAX_FEATURES)
        return ferry_fail(error, FERRY_LIMIT, "a mix of %zu scores, expected at most %d", features,
                          FERRY_MIX_MAX_FEATURES);
    size_t most = 0;
    for (size_t i = 0; i < count; i++)
        most = examples[i].candidates > most ? examples[i].candidates : most;
    if (most == 0) return FERRY_OK; /* nothing to learn from: the initial weights stand */
    float *scores = ferry_allocate(allocator, most, sizeof *scores);
    if (scores == NULL) return ferry_fail_memory(error, "the mix");
    float initial[FERRY_MIX_MAX_FEATURES];
    for (size_t f = 0; f < features; f++) initial[f] = weights[f];
    adam state = {.power1 = 1.0f, .power2 = 1.0f};
    double total = 0.0;
    for (size_t epoch = 0; epoch < chosen.epochs; epoch++) {
        float left = 1.0f - (float)epoch / (float)chosen.epochs;
        float rate = chosen.learning_rate * (left + 1.0f / 30.0f);
        total = 0.0;
        for (size_t first = 0; first < count; first += chosen.batch) {
            size_t end = count - first < chosen.batch ? count : first + chosen.batch;
            for (size_t i = first; i < end; i++)
                if (examples[i].candidates > 0)
                    total -= (double)ferry_log_float(
                        add_gradient(&examples[i], features, weights, scores, &state) + 1e-30f);
            step(&state, features, &chosen, initial, rate, end - first, weights);
        }
    }
    ferry_release(allocator, scores, most * sizeof *scores);
    float mean = (float)(total / (double)count);
    bool finite = isfinite(mean);
    for (size_t f = 0; f < features; f++) finite = finite && isfinite(weights[f]);
    if (loss != NULL) *loss = mean;
    if (finite) return FERRY_OK;
    for (size_t f = 0; f < features; f++) weights[f] = initial[f];
    return ferry_fail(error, FERRY_DIVERGED, "the mix: its loss became %g", (double)mean);
}
