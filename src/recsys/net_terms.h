/*
 * A net's logit as a sum over the events that it read, for explanations.
 *
 * ema and mean are linear in their inputs x_t, and the output norm is given its deviation: each
 * event's row is exact. Of the others a row is what the user vector loses when the event is left
 * out; what that does not account for is no row's.
 */
#ifndef FERRY_RECSYS_NET_TERMS_H
#define FERRY_RECSYS_NET_TERMS_H

#include "recsys/net.h"

enum { FERRY_NET_MOST_LEFT_OUT = 16 /* events, the newest, that are left out one at a time */ };

typedef struct ferry_net_terms {
    size_t count, d;
    bool linear;
    /* o . e = (sum of rows + what no row has) . e, exp(scale) in it; double, the arena's */
    double *shared;  /* [count + 1, d] without the domain's adapter; last: without any event */
    double *adapter; /* [count + 1, d] what the adapter adds */
    double *whole;   /* [d] the user vector: the sum of all of these if linear */
    double *mean;    /* [d] of the domain's item vectors: logits count from its */
} ferry_net_terms;

/*
 * events [count] as for ferry_net_user_vector, items [n, d] the domain's item vectors. scratch of
 * ferry_net_user_scratch floats for `count` events.
 */
ferry_status ferry_net_terms_make(const ferry_net *net, const ferry_kernels *kernels, size_t domain,
                                  const ferry_net_event *events, size_t count, const float *items,
                                  size_t n, float *scratch, ferry_arena *arena,
                                  ferry_net_terms *out, ferry_error *error);

#endif
