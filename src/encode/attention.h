/* Attention over the tokens of one text or picture, one head at a time. */
#ifndef FERRY_ENCODE_ATTENTION_H
#define FERRY_ENCODE_ATTENTION_H

#include "math/kernels.h"

enum { FERRY_ATTENTION_ROWS = 48 /* queries at a time */ };

/*
 * context[t] = softmax(q k' / sqrt(D)) v of one head, of causal ones over rows up to t alone.
 * query, and hidden behind it key, and hidden behind that value, are [T, D] in rows 3 * hidden
 * apart; context [T, D] in rows hidden apart. scores [FERRY_ATTENTION_ROWS, T] and keys [ceil(T /
 * 16), D, 16] are worked with.
 */
void ferry_attend(const ferry_kernels *kernels, const float *query, float *context, size_t T,
                  size_t hidden, size_t D, bool causal, float *scores, float *keys);

#endif
