/*
 * Training the net of recsys/net.h: what to train on, how, and what to be told.
 *
 * The numbers drawn in a step are a function of the seed and the step, the order of an epoch one of
 * the seed and the epoch: nothing else is remembered, so a run that was killed goes on from its
 * checkpoint with the same bits, whatever the machine, its threads or its kernels.
 */
#ifndef FERRY_TRAIN_TRAIN_H
#define FERRY_TRAIN_TRAIN_H

#include "recsys/net.h"

typedef enum ferry_objective {
    FERRY_OBJECTIVE_SOFTMAX, /* cross-entropy of the next item, at every position */
    FERRY_OBJECTIVE_BPR,     /* -log sigmoid(logit of the next item - logit of a random one) */
    FERRY_OBJECTIVE_MSE,     /* (value of the next event - its item's logit)^2 */
} ferry_objective;

typedef enum ferry_trainable {
    FERRY_TRAIN_ALL, /* everything but the adapters */
    FERRY_TRAIN_ADAPTERS,
    FERRY_TRAIN_BOTH,
} ferry_trainable;

/* The training events of a domain of the net: users' rows one after the other, oldest first. */
typedef struct ferry_train_domain {
    size_t domain;                /* the net's */
    const float *content;         /* [n, C]; NULL if the net's C is 0 */
    size_t user_count;            /* may be 0: a domain that only others' histories speak of */
    const uint32_t *start;        /* [user_count + 1] */
    const uint32_t *item;         /* [events] */
    const uint32_t *event_domain; /* [events] the net's, for events of other domains of the run,
                                     which are read but never predicted; NULL: all this domain's */
    const uint8_t *behavior;      /* [events] or NULL: all 0 */
    const float *value;           /* [events] MSE's targets */
    const int64_t *timestamp;     /* [events] or NULL: unknown */
} ferry_train_domain;

typedef struct ferry_train_progress {
    size_t step, steps, epoch, epochs; /* done */
    double loss;                       /* mean over the epoch's steps so far */
    double metric, best_metric;        /* of the last and the best validation; -1: none yet */
    size_t best_epoch;
    double seconds, positions_per_second, seconds_left; /* 0 without a clock */
} ferry_train_progress;

typedef struct ferry_train_options {
    ferry_objective objective;
    size_t samples;            /* softmax: uniform draws beside the batch's items; 0: all items */
    bool mask_history;         /* softmax: what was there before is no candidate */
    uint64_t target_behaviors; /* bit b: behaviour b is predicted; 0: all are */
    ferry_trainable trainable;
    size_t epochs;
    size_t batch_positions;
    double learning_rate, warm_up,
        floor; /* peak; share of the steps; share of the peak at the end */
    double weight_decay, beta1, beta2, epsilon, clip; /* clip 0: no clipping */
    float dropout, encoder_dropout; /* of the input, and inside lstm, gru, transformer */
    const float *source;            /* [net->size] what L2-SP pulls to, or NULL */
    double l2sp;                    /* lambda of lambda |W - source|^2 */
    uint64_t seed;
    const char *kernels; /* NULL: the best */
    ferry_pool *pool;    /* NULL: one thread */
    /* After every validate_every epochs and the last: larger is better. The parameters of the best
     * are those that the net ends with. NULL: those of the last step. */
    ferry_status (*validate)(void *user, const ferry_net *net, double *metric, ferry_error *error);
    size_t validate_every;
    size_t patience; /* validations without a better one after which to stop; 0: never */
    /* After every step. false cancels. */
    bool (*progress)(void *user, const ferry_train_progress *progress);
    double (*seconds)(void *user); /* a clock; NULL: no speeds */
    /* After every checkpoint_every steps (0: never), and when cancelled. */
    ferry_status (*checkpoint)(void *user, const void *bytes, size_t size, ferry_error *error);
    size_t checkpoint_every;
    const void *resume; /* [resume_size] a checkpoint's bytes to go on from, or NULL */
    size_t resume_size;
    void *user;
} ferry_train_options;

/* RECIPE: softmax over 1,024 draws, 12 epochs, 6e-3, AdamW .9 .98, dropout .3, clip 1. */
ferry_train_options ferry_train_options_default(void);

typedef struct ferry_train_report {
    ferry_train_progress last;
    size_t positions; /* targets predicted in all */
    bool stopped_early;
} ferry_train_report;

/*
 * Trains net in place. INVALID_ARGUMENT for what cannot be trained on (named); DIVERGED with the
 * step if the loss is not finite any more: the last checkpoint then stands, and the net holds its
 * parameters of the best validation, or of before that step. CANCELLED as progress wishes, the net
 * as it is then.
 */
ferry_status ferry_train(ferry_net *net, const ferry_train_domain *domains, size_t domain_count,
                         const ferry_train_options *options, ferry_train_report *report,
                         ferry_error *error);

/* ---- in parts: what ferry_train is made of ---- */

typedef struct ferry_trainer ferry_trainer;

/* Borrows everything it is given. */
ferry_status ferry_trainer_create(ferry_net *net, const ferry_train_domain *domains,
                                  size_t domain_count, const ferry_train_options *options,
                                  ferry_trainer **out, ferry_error *error);
void ferry_trainer_close(ferry_trainer *trainer);
size_t ferry_trainer_steps(const ferry_trainer *trainer); /* of all epochs */
/* One batch: forward, backward, AdamW. *loss is its mean. DIVERGED if that is not finite; the
 * parameters then stand as they were. */
ferry_status ferry_trainer_step(ferry_trainer *trainer, double *loss, ferry_error *error);

/* Appends the state. */
ferry_status ferry_trainer_save(const ferry_trainer *trainer, ferry_buffer *out,
                                ferry_error *error);
/* MALFORMED if the bytes are no checkpoint of this net, these events and these options. */
ferry_status ferry_trainer_restore(ferry_trainer *trainer, const void *bytes, size_t size,
                                   ferry_error *error);

/* For tests and benches: the loss and every gradient of the step to come, nothing changed.
 * candidates [candidate_count] replace the softmax's draws, negatives [n] BPR's, by the target;
 * NULL: drawn. gradients [net->size] is overwritten. */
typedef struct ferry_train_fixed {
    const uint32_t *candidates;
    size_t candidate_count;
    const uint32_t *negatives;
} ferry_train_fixed;
ferry_status ferry_trainer_gradients(ferry_trainer *trainer, const ferry_train_fixed *fixed,
                                     double *loss, float *gradients, ferry_error *error);

#endif
