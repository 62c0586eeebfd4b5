/* The backward pass of LSTM and GRU: see recsys/user_recurrent.h. */
#ifndef FERRY_TRAIN_USER_RECURRENT_BACKWARD_H
#define FERRY_TRAIN_USER_RECURRENT_BACKWARD_H

#include "recsys/user_recurrent.h"

bool ferry_recurrent_backward_size(const ferry_recurrent *net, size_t P, size_t S, size_t *bytes);

/*
 * dy [P, H] to dx [P, K] (set, not added to; NULL if nobody wants it), and the parameters'
 * gradients added to those in `gradients`. saved is what the forward pass of the same starts and
 * masks left; scratch has the size told above and an alignment of 64.
 */
void ferry_recurrent_backward(const ferry_kernels *kernels, ferry_pool *pool,
                              const ferry_recurrent *net, const ferry_recurrent *gradients,
                              const size_t *starts, size_t S, const float *masks, const float *dy,
                              float *dx, const void *saved, void *scratch);

/* Rows of one step, for the cells in user_lstm_backward.c and user_gru_backward.c. */
typedef struct ferry_cell_gradients {
    size_t rows, H;
    const float *gates, *extra, *c_before, *h_before; /* as the forward pass left them */
    const float *dh;                                  /* [rows, H] */
    float *d_input;     /* [rows, G * H] out: with respect to W_ih x + b_ih */
    float *d_recurrent; /* [rows, G * H] out: with respect to W_hh h + b_hh; LSTM: not written, as
                         * it is d_input */
    float *dc;          /* [rows, H] LSTM: in: of c, from the later step; out: of c_before */
    float *dh_before;   /* [rows, H] GRU: out: of h_before, except by way of W_hh */
} ferry_cell_gradients;

void ferry_lstm_cell_backward(const ferry_cell_gradients *cell);
void ferry_gru_cell_backward(const ferry_cell_gradients *cell);

#endif
