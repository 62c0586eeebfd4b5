/*
 * The runs of native-tests/train_runs.h as a wasm module, one for each build: not published.
 * node/train.test.mjs calls it, and hashes what was learned.
 */
#include "train_runs.h"

#include "math/kernels.h"

#define EXPORT(name) __attribute__((export_name(#name))) name

static struct {
    ferry_error error;
    run run;
} last;

size_t EXPORT(ferry_test_runs)(void)
{
    return RUNS;
}

const char *EXPORT(ferry_test_run_name)(size_t i)
{
    return runs[i].name;
}

const char *EXPORT(ferry_test_kernels)(void)
{
    const ferry_kernels *kernels;
    return ferry_kernels_choose(NULL, &kernels, &last.error) == FERRY_OK ? kernels->name : NULL;
}

/* Trains, with as many threads as there are; the parameters, or NULL and the message. */
const float *EXPORT(ferry_test_train)(size_t i, size_t threads, uint64_t seed)
{
    ferry_pool *pool = NULL;
    make_shop();
    ferry_net_close(last.run.net);
    ferry_status status = create_run(runs[i].objective, runs[i].kind, NULL, &last.run);
    if (status == FERRY_OK) status = ferry_pool_create(NULL, threads, &pool, &last.error);
    last.run.options.samples = runs[i].samples;
    last.run.options.seed = seed;
    last.run.options.pool = pool;
    if (status == FERRY_OK)
        status =
            ferry_train(last.run.net, last.run.domains, 2, &last.run.options, NULL, &last.error);
    ferry_pool_close(pool);
    return status == FERRY_OK ? last.run.net->parameters : NULL;
}

size_t EXPORT(ferry_test_parameters)(void)
{
    return last.run.net->size;
}

const char *EXPORT(ferry_test_message)(void)
{
    return last.error.message;
}
