/* The backward twins of recsys/sequence.h's encoders. */
#ifndef FERRY_TRAIN_SEQUENCE_GRADIENT_H
#define FERRY_TRAIN_SEQUENCE_GRADIENT_H

#include "recsys/sequence.h"

extern const ferry_sequence_gradient ferry_sequence_ema_gradient, ferry_sequence_mean_gradient;

const ferry_sequence_gradient *ferry_sequence_gradient_of(ferry_sequence_kind kind);

#endif
