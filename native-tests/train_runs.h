/* Small training runs whose bytes must be the same everywhere: read by test_train_run.c, and by
 * wasm-tests/train_runs.c for the wasm builds. golden/train.hash has a line for each. */
#ifndef FERRY_TEST_TRAIN_RUNS_H
#define FERRY_TEST_TRAIN_RUNS_H

#include "base/error.h"
#include "base/random.h"
#include "train/train.h"

enum { USERS = 90, ITEMS = 150, OTHER = 40, C = 16, MOST = 12, D = 32 };

typedef struct shop {
    float content[ITEMS * C], other_content[OTHER * C];
    uint32_t start[USERS + 1], item[USERS * MOST], domain[USERS * MOST];
    uint32_t other_start[USERS + 1], other_item[USERS * MOST];
    uint8_t behavior[USERS * MOST];
    float value[USERS * MOST];
    int64_t time[USERS * MOST];
} shop;

static shop data;

/* People walk from an item to one near it: something to learn. */
static inline void make_shop(void)
{
    ferry_random random;
    ferry_random_seed(&random, 11, 0);
    for (size_t i = 0; i < ITEMS * C; i++) data.content[i] = ferry_random_normal(&random);
    for (size_t i = 0; i < OTHER * C; i++) data.other_content[i] = ferry_random_normal(&random);
    uint32_t events = 0, others = 0;
    for (size_t u = 0; u < USERS; u++) {
        uint32_t at = ferry_random_below(&random, ITEMS),
                 length = ferry_random_below(&random, MOST);
        int64_t time = 1000000;
        for (uint32_t i = 0; i < length; i++, events++) {
            at = (at + 1 + ferry_random_below(&random, 4)) % ITEMS;
            time += 1800 * ferry_random_below(&random, 30);
            data.domain[events] = ferry_random_below(&random, 6) == 0;
            data.item[events] = data.domain[events] != 0 ? at % OTHER : at;
            data.behavior[events] = (uint8_t)ferry_random_below(&random, 2);
            data.value[events] = ferry_random_normal(&random);
            data.time[events] = time;
            if (i % 2 == 0) data.other_item[others++] = at % OTHER;
        }
        data.start[u + 1] = events;
        data.other_start[u + 1] = others;
    }
}

typedef struct run {
    ferry_net *net;
    ferry_train_domain domains[2];
    ferry_train_options options;
} run;

static inline ferry_status create_run(ferry_objective objective, ferry_sequence_kind kind,
                                      const ferry_allocator *allocator, run *out)
{
    static const char *const names[] = {"a", "b"};
    static const size_t items[] = {ITEMS, OTHER};
    ferry_error error;
    run r = {.options = ferry_train_options_default()};
    *out = r;
    ferry_net_config config = {.sequence = {kind, D, 1, 2, 48, 9},
                               .content_dim = C,
                               .behaviors = 2,
                               .time_buckets = 6,
                               .adapter_rank = 2,
                               .ids = true};
    FERRY_TRY(ferry_net_create(allocator, &config, names, items, 2, 5, &r.net, &error));
    r.domains[0] = (ferry_train_domain){.domain = 0,
                                        .content = data.content,
                                        .user_count = USERS,
                                        .start = data.start,
                                        .item = data.item,
                                        .event_domain = data.domain,
                                        .behavior = data.behavior,
                                        .value = data.value,
                                        .timestamp = data.time};
    r.domains[1] = (ferry_train_domain){.domain = 1,
                                        .content = data.other_content,
                                        .user_count = USERS,
                                        .start = data.other_start,
                                        .item = data.other_item,
                                        .value = data.value};
    r.options.objective = objective;
    r.options.samples = 50;
    r.options.epochs = 3;
    r.options.batch_positions = 100;
    r.options.trainable = FERRY_TRAIN_BOTH;
    r.options.seed = 3;
    *out = r;
    return FERRY_OK;
}

static const struct {
    const char *name; /* as in golden/train.hash */
    ferry_objective objective;
    ferry_sequence_kind kind;
    size_t samples;
} runs[] = {
    {"ema, sampled softmax", FERRY_OBJECTIVE_SOFTMAX, FERRY_SEQUENCE_EMA, 50},
    {"ema, full softmax", FERRY_OBJECTIVE_SOFTMAX, FERRY_SEQUENCE_EMA, 0},
    {"mean, BPR", FERRY_OBJECTIVE_BPR, FERRY_SEQUENCE_MEAN, 0},
    {"ema, MSE", FERRY_OBJECTIVE_MSE, FERRY_SEQUENCE_EMA, 0},
    {"lstm, sampled softmax", FERRY_OBJECTIVE_SOFTMAX, FERRY_SEQUENCE_LSTM, 50},
    {"gru, sampled softmax", FERRY_OBJECTIVE_SOFTMAX, FERRY_SEQUENCE_GRU, 50},
    {"transformer, sampled softmax", FERRY_OBJECTIVE_SOFTMAX, FERRY_SEQUENCE_TRANSFORMER, 50},
};
enum { RUNS = sizeof runs / sizeof *runs };

#endif
