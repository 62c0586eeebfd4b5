/* Symmetric InfoNCE: of B pairs of unit vectors each is to find its other half among all; the loss,
 * and what learns by it. */
#ifndef FERRY_TRAIN_CONTRAST_H
#define FERRY_TRAIN_CONTRAST_H

#include "base/memory.h"
#include "base/random.h"
#include "math/kernels.h"

/* -log of the temperature: at first (.07), and where it is held (.01). */
#define FERRY_CONTRAST_FIRST 2.659260f
#define FERRY_CONTRAST_MOST 4.605170f

typedef struct ferry_contrast {
    size_t B;                      /* pairs there is room for */
    float *rows, *columns;         /* [B, B] logits */
    float *loss, *factor, *cosine; /* [2, B], [2, B], [B] */
    uint32_t *target;              /* [B] 0, 1, … */
} ferry_contrast;

bool ferry_contrast_init(ferry_contrast *contrast, size_t B, ferry_arena *arena);

/* The mean loss of the cosines of a and b [B, D] times exp(log_scale), and its gradients: da, db
 * [B, D], db NULL if it is not wanted. */
double ferry_contrast_run(const ferry_contrast *contrast, const ferry_kernels *kernels,
                          const float *a, const float *b, size_t B, size_t D, float log_scale,
                          float *da, float *db, float *d_log_scale);

/* Of x = unit(z), |z| = norm: dx becomes the gradient of z. [D] */
void ferry_unit_backward(const ferry_kernels *kernels, const float *x, float norm, float *dx,
                         size_t D);

/* ---- learning ---- */

/* The loss of the batch of items [B] in a step, counted from 0; its gradients [size] are
 * overwritten. */
typedef double (*ferry_contrast_gradients)(void *user, const uint32_t *items, size_t B, size_t step,
                                           float *gradients);

typedef struct ferry_contrast_learner {
    ferry_contrast_gradients gradients;
    void *user; /* of it */
    float *parameters;
    size_t size, n;       /* of the parameters; items */
    uint32_t *order;      /* [n] items, which each epoch shuffles */
    ferry_random *random; /* of the shuffles */
    size_t epochs, batch; /* items a batch, at most */
    double learning_rate, weight_decay;
    ferry_progress progress; /* epochs */
    void *progress_user;
} ferry_contrast_learner;

/* The largest batch of an epoch: it is cut into parts of the same size, to one. */
size_t ferry_contrast_largest(size_t n, size_t batch);

/* AdamW over all epochs; arena for what that needs. CANCELLED as progress wishes. */
ferry_status ferry_contrast_learn(const ferry_contrast_learner *learner,
                                  const ferry_kernels *kernels, ferry_arena *arena,
                                  ferry_error *error);

#endif
