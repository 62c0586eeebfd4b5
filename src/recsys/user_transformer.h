/*
 * A causal transformer over packed sequences (SASRec-like): pre-norm blocks whose attention knows
 * positions by a bias per head and distance only.
 *
 *   x = x + mask * out(attention(qkv(norm1(x))))     x = x + mask * down(GELU(up(norm2(x))))
 *   attention of i over j <= i: softmax_j(q_i k_j / sqrt(D) + relative[h, min(i - j, longest)]) v_j
 *
 * Letters: P rows of all sequences, S sequences, d dimension, H heads, D = d / H, F inner, L
 * layers. Memory is the caller's, as in user_recurrent.h.
 */
#ifndef FERRY_RECSYS_USER_TRANSFORMER_H
#define FERRY_RECSYS_USER_TRANSFORMER_H

#include "base/pool.h"
#include "math/kernels.h"

enum {
    FERRY_USER_LAYERS = 4,
    FERRY_QUERY_BLOCK = 16 /* queries whose keys are taken up to the last one's: half a square */
};

#define FERRY_USER_NORM_EPS 1e-5f

/* Parameters; gradients have the same form. */
typedef struct ferry_user_block {
    float *norm1_weight, *norm1_bias; /* [d] */
    float *qkv_weight, *qkv_bias; /* [3 d, d], [3 d]: queries, keys, values, each head by head */
    float *out_weight, *out_bias; /* [d, d], [d] */
    float *norm2_weight, *norm2_bias; /* [d] */
    float *up_weight, *up_bias;       /* [F, d], [F] */
    float *down_weight, *down_bias;   /* [d, F], [d] */
    float *relative;                  /* [H, distances] */
} ferry_user_block;

typedef struct ferry_user_transformer {
    size_t dim, heads, inner,
        distances; /* heads divides dim; farther than distances - 1 is as far */
    size_t layers; /* 1 … FERRY_USER_LAYERS */
    ferry_user_block block[FERRY_USER_LAYERS];
} ferry_user_transformer;

/* Sizes, for P rows in sequences of at most `longest`; false if they overflow. */
bool ferry_user_transformer_panels_size(const ferry_user_transformer *net, size_t *floats);
bool ferry_user_transformer_saved_size(const ferry_user_transformer *net, size_t P, size_t longest,
                                       size_t *bytes);
bool ferry_user_transformer_scratch_size(const ferry_user_transformer *net, size_t P,
                                         size_t longest, size_t threads, size_t *bytes);

/* The weights as panels, to be packed again after every change of them. */
void ferry_user_transformer_pack(const ferry_user_transformer *net, float *panels);

/* x [P, d] to y [P, d], which may be x. masks [L, 2, P, d] multiplies what out and what down give
 * (dropout: 0 or 1 / (1 - p)), NULL for none. A row depends on its sequence up to itself alone. */
void ferry_user_transformer_forward(const ferry_kernels *kernels, ferry_pool *pool,
                                    const ferry_user_transformer *net, const float *panels,
                                    const float *x, const size_t *starts, size_t S,
                                    const float *masks, float *y, void *saved, void *scratch);

/* ---- shared with src/train/user_transformer_backward.c ---- */

typedef struct ferry_user_saved_block {
    float *x;             /* [P, d] the block's input */
    float *normed1;       /* [P, d] */
    float *qkv;           /* [P, 3 d] */
    float *probabilities; /* [P, H, longest], of which a sequence of T uses a [T, T] square a head;
                           * what is above the diagonal and outside a block of queries is not set */
    float *context;       /* [P, d] what attention mixed */
    float *middle;        /* [P, d] between the two halves */
    float *normed2;       /* [P, d] */
    float *before;        /* [P, F] what GELU was given */
    float *inner;         /* [P, F] what it gave */
} ferry_user_saved_block;

typedef struct ferry_user_saved {
    ferry_user_saved_block block[FERRY_USER_LAYERS];
    size_t bytes;
    bool overflow;
} ferry_user_saved;

/* Where things lie in a saved block; NULL: only the size. */
ferry_user_saved ferry_user_transformer_lay_out(const ferry_user_transformer *net, size_t P,
                                                size_t longest, void *block);

size_t ferry_longest_sequence(const size_t *starts, size_t S);

#endif
