/* The parts of a run, and its state. */
#ifndef FERRY_TRAIN_TRAINER_H
#define FERRY_TRAIN_TRAINER_H

#include "train/optimizer.h"

struct ferry_trainer {
    ferry_arena arena; /* everything below */
    ferry_net *net;
    const ferry_train_domain *domains;
    size_t domain_count;
    ferry_train_options options;
    ferry_epoch epoch;
    ferry_batcher batcher;
    ferry_pass pass;
    ferry_optimizer optimizer;
    uint64_t fingerprint; /* of net, events and options: a checkpoint's must be the same */
    uint64_t begun;       /* epochs whose order stands in epoch; 0: none */
    /* the state, with the net's parameters and the moments */
    uint64_t step;      /* done */
    uint64_t positions; /* targets predicted */
    uint64_t best_epoch, stale, finished;
    double loss_sum; /* over the epoch's steps so far */
    double metric, best_metric;
    float *best; /* [net->size] parameters of the best validation, with validate */
};

#endif
