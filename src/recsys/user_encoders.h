/*
 * LSTM, GRU and causal transformer as the net's sequence encoders (recsys/sequence.h):
 *
 *   lstm, gru    y = x + linear(dropout(rnn(x))), dropout between the layers too
 *   transformer  y = the last block's
 *
 * Tensors: lstm.weight_ih_l0 … (torch's names), lstm.linear.{weight,bias}, the same of gru;
 * transformer.N.{norm1,qkv,out,norm2,up,down}.{weight,bias}, transformer.N.relative.
 */
#ifndef FERRY_RECSYS_USER_ENCODERS_H
#define FERRY_RECSYS_USER_ENCODERS_H

#include "recsys/sequence.h"
#include "recsys/user_recurrent.h"
#include "recsys/user_transformer.h"

extern const ferry_sequence_encoder ferry_sequence_lstm, ferry_sequence_gru,
    ferry_sequence_transformer;

/* ---- shared with src/train/user_encoders_gradient.c ---- */

/* Views of a block of parameters, or of gradients; of NULL, the shape alone. */
typedef struct ferry_user_recurrent {
    ferry_recurrent net;
    float *linear_weight; /* [d, d] */
    float *linear_bias;   /* [d] */
} ferry_user_recurrent;

ferry_user_recurrent ferry_user_recurrent_of(const ferry_sequence_shape *shape,
                                             const float *parameters);
ferry_user_transformer ferry_user_transformer_of(const ferry_sequence_shape *shape,
                                                 const float *parameters);

/* What forward leaves in its block. */
typedef struct ferry_user_recurrent_kept {
    float *panels, *linear_panels; /* of the weights */
    float *masks;                  /* [L - 1, P, d] dropout between the layers */
    float *h;                      /* [P, d] what linear was given */
    void *saved, *scratch;         /* user_recurrent.h's */
    size_t bytes;
    bool overflow;
} ferry_user_recurrent_kept;

typedef struct ferry_user_transformer_kept {
    float *panels;
    float *masks; /* [L, 2, P, d] */
    void *saved, *scratch;
    size_t bytes;
    bool overflow;
} ferry_user_transformer_kept;

/* Block NULL: only the size. */
ferry_user_recurrent_kept ferry_user_recurrent_keep(const ferry_sequence_shape *shape, size_t P,
                                                    size_t S, void *block);
ferry_user_transformer_kept ferry_user_transformer_keep(const ferry_sequence_shape *shape, size_t P,
                                                        size_t longest, size_t threads,
                                                        void *block);

/* The longest sequence that P rows can have. */
static inline size_t ferry_user_longest(const ferry_sequence_shape *shape, size_t P)
{
    return P < shape->max_length ? P : shape->max_length;
}

/* Dropout of what the last recurrent layer gives, or of its gradient: [count] in place. */
void ferry_user_drop_output(const ferry_sequence_run *run, float *h, size_t count);

#endif
