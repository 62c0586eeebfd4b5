/* The backward twins of recsys/user_encoders.h. */
#ifndef FERRY_TRAIN_USER_ENCODERS_GRADIENT_H
#define FERRY_TRAIN_USER_ENCODERS_GRADIENT_H

#include "recsys/sequence.h"

extern const ferry_sequence_gradient ferry_sequence_lstm_gradient, ferry_sequence_gru_gradient,
    ferry_sequence_transformer_gradient;

#endif
