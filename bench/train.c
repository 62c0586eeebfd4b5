/*
 * A training step as a contestant; see encode.c for the language.
 *
 *   train ENCODER SAMPLES     ENCODER ema or mean; SAMPLES 0: all items are candidates
 *
 *   run FIRST COUNT WARM REPEAT   COUNT steps a repetition, each on a batch of 1,022 positions
 *   loss FILE                     writes the first batch and the parameters, answers with the loss
 *                                 that they have without dropout
 *
 * 12,000 items with random content of 128 numbers, 146 people with 8 events each, popular items
 * more often.
 */
#define _POSIX_C_SOURCE 200809L
#include "train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"

enum { ITEMS = 12000, USERS = 146, LENGTH = 8 };

static ferry_error error;

static void check(ferry_status status)
{
    if (status == FERRY_OK) return;
    fprintf(stderr, "train: %s\n", error.message);
    exit(1);
}

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void put(FILE *file, const void *data, size_t count, size_t size)
{
    if (fwrite(data, size, count, file) == count) return;
    fputs("train: cannot write the batch\n", stderr);
    exit(1);
}

/* Counts, then starts, inputs, targets, items of the batch, corrections, content, parameters. */
static void write_batch(ferry_trainer *trainer, const char *name, const float *content)
{
    const ferry_batch *b = &trainer->batcher.batch;
    const ferry_net *net = trainer->net;
    double loss;
    float *gradients = malloc(net->size * sizeof *gradients);
    FILE *file = fopen(name, "wb");
    if (gradients == NULL || file == NULL) exit(1);
    check(ferry_trainer_gradients(trainer, NULL, &loss, gradients, &error));
    const uint32_t counts[] = {(uint32_t)b->sequences,
                               (uint32_t)b->P,
                               (uint32_t)b->R,
                               (uint32_t)b->M,
                               ITEMS,
                               (uint32_t)net->config.content_dim,
                               (uint32_t)net->tensor_count,
                               b->correction != NULL};
    put(file, counts, 8, sizeof *counts);
    for (size_t s = 0; s <= b->sequences; s++) {
        uint32_t start = (uint32_t)b->starts[s];
        put(file, &start, 1, sizeof start);
    }
    put(file, b->input, b->P, sizeof *b->input);
    put(file, b->target, b->R, sizeof *b->target);
    put(file, b->item, b->M, sizeof *b->item);
    if (b->correction != NULL) put(file, b->correction, b->M, sizeof *b->correction);
    put(file, content, ITEMS * net->config.content_dim, sizeof *content);
    for (size_t i = 0; i < net->tensor_count; i++) {
        char tensor[64] = {0};
        const uint32_t shape[] = {(uint32_t)net->tensor[i].rows, (uint32_t)net->tensor[i].columns};
        snprintf(tensor, sizeof tensor, "%s", net->tensor[i].name);
        put(file, tensor, sizeof tensor, 1);
        put(file, shape, 2, sizeof *shape);
        put(file, net->parameters + net->tensor[i].offset, net->tensor[i].count, sizeof(float));
    }
    fclose(file);
    free(gradients);
    printf("%.9g %zu", loss, b->M);
}

int main(int argc, char **argv)
{
    if (argc != 3) return fputs("usage: train ema|mean SAMPLES\n", stderr), 2;
    static uint32_t start[USERS + 1], item[USERS * LENGTH];
    ferry_net_config config = ferry_net_config_default();
    ferry_train_options options = ferry_train_options_default(), plain;
    float *content = malloc(ITEMS * config.content_dim * sizeof *content);
    if (content == NULL) return 1;
    ferry_random random;
    ferry_random_seed(&random, 1, 0);
    for (size_t i = 0; i < ITEMS * config.content_dim; i++)
        content[i] = ferry_random_normal(&random);
    for (size_t u = 0; u < USERS; u++) start[u + 1] = (uint32_t)((u + 1) * LENGTH);
    for (size_t e = 0; e < USERS * LENGTH; e++) {
        float u = ferry_random_uniform(&random);
        item[e] = (uint32_t)(u * u * (float)ITEMS);
    }
    const char *const names[] = {"items"}, *kernels;
    const size_t items[] = {ITEMS};
    ferry_net *net;
    ferry_trainer *trainer, *checked;
    config.sequence.kind = strcmp(argv[1], "mean") == 0 ? FERRY_SEQUENCE_MEAN : FERRY_SEQUENCE_EMA;
    options.samples = (size_t)strtoul(argv[2], NULL, 10);
    options.epochs = 1000000;
    plain = options;
    plain.dropout = plain.encoder_dropout = 0;
    ferry_train_domain domain = {
        .content = content, .user_count = USERS, .start = start, .item = item};
    check(ferry_kernels_name(NULL, &kernels, &error));
    check(ferry_net_create(NULL, &config, names, items, 1, 1, &net, &error));
    check(ferry_trainer_create(net, &domain, 1, &options, &trainer, &error));
    check(ferry_trainer_create(net, &domain, 1, &plain, &checked, &error));
    printf("{\"version\": \"%s\", \"kernels\": \"%s\"}\n", ferry_version(), kernels);
    fflush(stdout);
    char line[4096], name[4000];
    while (fgets(line, sizeof line, stdin)) {
        size_t first, count, warm, repeat;
        double loss;
        if (sscanf(line, "run %zu %zu %zu %zu", &first, &count, &warm, &repeat) == 4) {
            for (size_t i = 0; i < warm + repeat; i++) {
                long long begin = now();
                for (size_t step = 0; step < count; step++)
                    check(ferry_trainer_step(trainer, &loss, &error));
                long long end = now();
                if (i >= warm) printf("%lld ", end - begin);
            }
        } else if (sscanf(line, "loss %3999s", name) == 1) {
            write_batch(checked, name, content);
        } else {
            return fprintf(stderr, "train: what is %s", line), 1;
        }
        putchar('\n');
        fflush(stdout);
    }
    ferry_trainer_close(checked), ferry_trainer_close(trainer);
    ferry_net_close(net);
    free(content);
}
