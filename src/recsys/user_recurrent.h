/*
 * LSTM and GRU over packed sequences, as torch.nn.LSTM and torch.nn.GRU compute them: sequence s is
 * the rows starts[s] … starts[s + 1] - 1, oldest first. y are the hidden states of the last layer.
 *
 * Letters: P rows of all sequences, S sequences, K input, H hidden, G gates (4 or 3), L layers.
 *
 * Memory is the caller's: two blocks of bytes, 64-byte aligned, of the sizes told below. `saved`
 * holds what the backward pass needs and may be NULL (serving; same bits), `scratch` nothing that
 * is needed after the call.
 */
#ifndef FERRY_RECSYS_USER_RECURRENT_H
#define FERRY_RECSYS_USER_RECURRENT_H

#include "base/pool.h"
#include "math/kernels.h"

enum {
    FERRY_RECURRENT_LAYERS = 4,
    FERRY_RECURRENT_PART = 32 /* sequences that go through time together, on one thread */
};

/* The value is G. Gates lie one behind another: i, f, g, o and r, z, n. */
typedef enum ferry_recurrent_kind { FERRY_GRU = 3, FERRY_LSTM = 4 } ferry_recurrent_kind;

/* Parameters, by torch's names with _l0 … _l3; gradients have the same form. */
typedef struct ferry_recurrent_layer {
    float *weight_ih; /* [G * H, K], K = H from the second layer on */
    float *weight_hh; /* [G * H, H] */
    float *bias_ih;   /* [G * H] */
    float *bias_hh;   /* [G * H] */
} ferry_recurrent_layer;

typedef struct ferry_recurrent {
    ferry_recurrent_kind kind;
    size_t input, hidden, layers; /* layers 1 … FERRY_RECURRENT_LAYERS */
    ferry_recurrent_layer layer[FERRY_RECURRENT_LAYERS];
} ferry_recurrent;

/* Sizes; false if they overflow. */
bool ferry_recurrent_panels_size(const ferry_recurrent *net, size_t *floats);
bool ferry_recurrent_saved_size(const ferry_recurrent *net, size_t P, size_t S, size_t *bytes);
bool ferry_recurrent_scratch_size(const ferry_recurrent *net, size_t P, size_t S, size_t *bytes);

/* The weights as panels, to be packed again after every change of them. */
void ferry_recurrent_pack(const ferry_recurrent *net, float *panels);

/* x [P, K] to y [P, H]. masks [L - 1, P, H] multiplies what a layer hands to the next (dropout:
 * 0 or 1 / (1 - p)), NULL for none. Rows depend on their own sequence alone. */
void ferry_recurrent_forward(const ferry_kernels *kernels, ferry_pool *pool,
                             const ferry_recurrent *net, const float *panels, const float *x,
                             const size_t *starts, size_t S, const float *masks, float *y,
                             void *saved, void *scratch);

/* ---- shared with src/train/user_recurrent_backward.c ---- */

/*
 * Time-major order: all sequences' first rows, longest sequence first, then all second rows, … so
 * that the sequences still alive at a time are the first ones, and every step one block of rows.
 */
typedef struct ferry_time_order {
    uint32_t *row;   /* [P + 1] time-major row -> packed row; the last is not used */
    uint32_t *first; /* [P + 1] time -> its first time-major row; first[steps] = P */
    size_t steps;    /* length of the longest sequence */
} ferry_time_order;

/* What a layer keeps, all time-major. */
typedef struct ferry_recurrent_saved_layer {
    float *x;     /* [P, K] input, after dropout */
    float *gates; /* [P, G * H] activated */
    float *h;     /* [P, H] output */
    float *c;     /* [P, H] LSTM: cell state */
    float *extra; /* [P, H] LSTM: tanh c; GRU: W_hn h + b_hn */
} ferry_recurrent_saved_layer;

typedef struct ferry_recurrent_saved {
    ferry_time_order order;
    ferry_recurrent_saved_layer layer[FERRY_RECURRENT_LAYERS];
    size_t bytes;
    bool overflow;
} ferry_recurrent_saved;

/* Where things lie in a saved block; block NULL: only the size. The order's steps is not set. */
ferry_recurrent_saved ferry_recurrent_lay_out(const ferry_recurrent *net, size_t P, void *block);

static inline size_t ferry_recurrent_inputs(const ferry_recurrent *net, size_t layer)
{
    return layer == 0 ? net->input : net->hidden;
}

/* rows of one step, for the cells in user_lstm.c and user_gru.c. */
typedef struct ferry_cell_rows {
    size_t rows, H;
    float *gates;           /* [rows, G * H] in: W_ih x + b_ih; out: activated */
    const float *recurrent; /* [rows, G * H] W_hh h_before + b_hh */
    const float *h_before, *c_before;
    float *h, *c, *extra; /* [rows, H] */
} ferry_cell_rows;

void ferry_lstm_cell(const ferry_kernels *kernels, const ferry_cell_rows *cell);
void ferry_gru_cell(const ferry_kernels *kernels, const ferry_cell_rows *cell);

#endif
