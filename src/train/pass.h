/*
 * One batch through the net and back. Letters as in batch.h; d, C, r as in recsys/net.h.
 */
#ifndef FERRY_TRAIN_PASS_H
#define FERRY_TRAIN_PASS_H

#include "train/batch.h"

enum { FERRY_LOGIT_ROWS = 32 /* targets whose logits are held at a time, a thread */ };

typedef struct ferry_pass {
    const ferry_net *net;
    const ferry_kernels *kernels;
    ferry_pool *pool;
    const ferry_train_options *options;
    const float **content_of; /* [net's domains] [n, C], NULL where the run has none */
    size_t block_rows;        /* targets whose logits are held at a time */
    size_t ldg;               /* floats between their rows */
    /* activations */
    float *content;  /* [U, C] gathered */
    float *items;    /* [U, d] item vectors */
    float *item_low; /* [U, r] */
    float *x_sum;    /* [P, d] item + behaviour + time */
    float *x;        /* [P, d] normalised, dropped out of */
    float *y;        /* [P, d] the encoder's */
    float *saved;    /* its own */
    float *y_target; /* [R, d] rows of y with a target */
    float *o;        /* [R, d] output_norm's */
    float *user_low; /* [R, r] */
    float *h;        /* [R, d] user vectors, scaled */
    float *h_scaled; /* [R, d] h times the factors of softmax_cross_entropy */
    float *logits;   /* [block_rows, ldg]; then their gradient */
    float *loss;     /* [R] */
    float *panels;   /* of the weight in use, or of the candidates */
    /* gradients of activations */
    float *d_items;   /* [U, d]; the ids' gradient too */
    float *d_h;       /* [R, d] */
    float *d_o;       /* [R, d] */
    float *d_rows;    /* [P, d] */
    float *d_rows2;   /* [P, d] */
    float *d_low;     /* [max(U, R), r] */
    float *scratch;   /* the encoder's */
    float *gradients; /* [net->ids] of the shared parameters and adapters */
} ferry_pass;

ferry_status ferry_pass_create(ferry_arena *arena, const ferry_net *net,
                               const ferry_kernels *kernels, const ferry_train_options *options,
                               const ferry_epoch *epoch, const ferry_batcher *batcher,
                               ferry_pass *out, ferry_error *error);

/* Forward, loss and backward: returns the mean loss over the targets (R > 0); gradients and d_items
 * hold the gradient. step seeds the dropout. */
double ferry_pass_run(ferry_pass *pass, const ferry_batch *batch, uint64_t step);

/* ---- pass.c and loss.c ---- */

/* From h and items: loss [R], d_h [R, d] and d_items [U, d], which is zeroed first. */
void ferry_loss_run(ferry_pass *pass, const ferry_batch *batch);

#endif
