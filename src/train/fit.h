/*
 * Everything a recommender learns of a data set, in the order it is learned: whitening of the
 * texts, neighbours, the net, what carries between domains, and the weights of the mix.
 */
#ifndef FERRY_TRAIN_FIT_H
#define FERRY_TRAIN_FIT_H

#include "recsys/model.h"
#include "train/train.h"

typedef struct ferry_fit_options {
    ferry_net_config net;      /* behaviors: the data's; content_dim: at most what texts have */
    ferry_train_options train; /* pool, seed, progress… for everything; validate is fit's own */
    bool without_net, without_across, default_mix;
    size_t
        validation_users; /* a sample of each domain's, for early stopping and the mix; 0: 2000 */
    /* Transfer, each or NULL: what the net shares begins as this one's (L2-SP pulls to it), and
     * texts are whitened as its are; the mix begins as the first domain's of this one, whose
     * weights for a new domain stay as they are. */
    const ferry_model *source, *mix;
    /* Told before each part of the work, false cancels; may be NULL. */
    bool (*stage)(void *user, const char *what, const char *domain);
    void *stage_user;
} ferry_fit_options;

ferry_fit_options ferry_fit_options_default(void);

typedef struct ferry_fit_report {
    ferry_train_report net;
    size_t
        examples[FERRY_SITUATIONS]; /* of all domains; NDCG@10 with the weights of before, and … */
    double before[FERRY_SITUATIONS], after[FERRY_SITUATIONS]; /* … learned of the others */
} ferry_fit_report;

/*
 * domains [count]: indices into the data set's, which is bound to the catalogue. Learns from events
 * with part TRAIN; the mix, and when to stop, from part VALIDATION. Borrows the catalogue.
 */
ferry_status ferry_fit(const ferry_dataset *dataset, const ferry_catalog *catalog,
                       const size_t *domains, size_t count, const ferry_fit_options *options,
                       ferry_model **out, ferry_fit_report *report, ferry_error *error);

/* ---- the parts ---- */

/* A domain's training events; arrays from the arena. */
typedef struct ferry_training_events {
    size_t user_count;
    uint32_t *user;  /* [user_count] the dataset's */
    uint32_t *start; /* [user_count + 1] */
    uint32_t *item;
    uint8_t *behavior;
    float *value, *weight;
    int64_t *timestamp;
} ferry_training_events;

ferry_status ferry_training_events_of(const ferry_interactions *domain, ferry_arena *arena,
                                      ferry_training_events *out, ferry_error *error);

/* What carries to `target` (of the model) from its other domains; leaves the domain without it if
 * fewer than FERRY_ACROSS_LEAST people are linked. events [known_domains]. */
enum { FERRY_ACROSS_LEAST = 50 };
ferry_status ferry_fit_across(ferry_model *model, const ferry_training_events *events,
                              size_t target, uint64_t seed, ferry_pool *pool, ferry_error *error);

/* Weights of every situation there are validation events for, but a new domain's if they were
 * `given`; dataset_domain [domain_count] says which of the data set's domains each of the model's
 * is. */
ferry_status ferry_fit_mix(ferry_model *model, const ferry_dataset *dataset,
                           const size_t *dataset_domain, bool given, size_t users, uint64_t seed,
                           ferry_pool *pool, ferry_fit_report *report, ferry_error *error);

#endif
