/*
 * The net that learns what comes next: item vectors from content and ids, a user encoder over what
 * a person did, low-rank adapters a domain.
 *
 *   item    e = content.weight c + content.bias + adapter.item.up (adapter.item.down c) + id
 *   input   x = input_norm(e + behavior + time)
 *   encoder y = one of recsys/sequence.h over x
 *   user    o = output_norm(y);  o + adapter.user.up (adapter.user.down o)
 *   logit   exp(scale) o . e
 *
 * Letters: n items of a domain, d dim, C content dim, r adapter rank, P rows of packed sequences.
 */
#ifndef FERRY_RECSYS_NET_H
#define FERRY_RECSYS_NET_H

#include "recsys/sequence.h"

typedef struct ferry_net_config {
    ferry_sequence_shape sequence; /* its dim is d */
    size_t content_dim;            /* C; 0: ids alone */
    size_t behaviors;              /* kinds of events; 0: not looked at */
    size_t time_buckets;           /* of the gap since the event before; 0: not looked at */
    size_t adapter_rank;           /* r; 0: no adapters */
    bool ids;                      /* a learned vector an item, beside its content */
} ferry_net_config;

#define FERRY_NET_NORM_EPSILON 1e-5f

/* d 64, C 128, ema, ids. */
ferry_net_config ferry_net_config_default(void);

typedef struct ferry_net_tensor {
    const char *name;
    size_t rows, columns; /* columns 0: a vector [rows]; rows 0 too: one number */
    size_t count;         /* floats */
    size_t offset;        /* of the first in the block */
    ferry_initial initial;
    float initial_scale;
} ferry_net_tensor;

/* Offsets into the block; 0 (which is content's, or input_norm's) where there is no such tensor. */
typedef struct ferry_net_domain {
    const char *name;
    size_t item_count;
    size_t ids;                  /* [n, d] */
    size_t item_down, item_up;   /* [r, C], [d, r] */
    size_t user_down, user_up;   /* [r, d], [d, r] */
    size_t adapter, adapter_end; /* the four lie between these */
} ferry_net_domain;

typedef struct ferry_net {
    ferry_arena arena; /* everything below */
    ferry_net_config config;
    ferry_net_domain *domain; /* [domain_count] */
    size_t domain_count;
    ferry_net_tensor *tensor; /* [tensor_count], ascending offsets, each on a 64-byte boundary */
    size_t tensor_count;
    size_t input_norm_weight, input_norm_bias, output_norm_weight, output_norm_bias;
    size_t content_weight, content_bias, scale, behavior, time;
    size_t sequence;   /* the encoder's first tensor */
    size_t ids;        /* where the ids begin: the last tensors */
    size_t size;       /* floats of the block; what lies between tensors is 0 */
    float *parameters; /* [size] */
} ferry_net;

/* Domains as the names and numbers of items. Parameters are those of ferry_net_initialize. */
ferry_status ferry_net_create(const ferry_allocator *allocator, const ferry_net_config *config,
                              const char *const *domains, const size_t *item_counts,
                              size_t domain_count, uint64_t seed, ferry_net **out,
                              ferry_error *error);
void ferry_net_close(ferry_net *net); /* NULL is fine */

/* The initial values, as torch's: linear layers uniform in ± 1 / sqrt(inputs), ids and embeddings
 * normal with deviation .02, norms 1 and 0, ema.decay linspace(-1, 2), adapters' up 0. A tensor's
 * values depend on the seed and its name alone. */
void ferry_net_initialize(ferry_net *net, uint64_t seed);

/* NULL if there is none of that name. */
const ferry_net_tensor *ferry_net_find(const ferry_net *net, const char *name);

/* ---- serving ---- */

/* Floats of scratch for the two below. */
size_t ferry_net_item_scratch(const ferry_net *net);

/* Vectors of items first … first + count - 1 of the domain: content [count, C] (NULL if C is 0) to
 * out [count, d]. */
void ferry_net_item_vectors(const ferry_net *net, const ferry_kernels *kernels, size_t domain,
                            const float *content, size_t first, size_t count, float *out,
                            float *scratch);

typedef struct ferry_net_event {
    const float *vector; /* [d] the item's */
    uint32_t behavior;   /* < behaviors, if they are looked at */
    int64_t timestamp;   /* seconds; 0: unknown */
} ferry_net_event;

/* Bucket of the gap before an event: 0 unknown or first, 1 under an hour, then a doubling each. */
uint32_t ferry_net_time_bucket(int64_t before, int64_t now, size_t buckets);

/* x [d] of one event, before being dropped out of: the input's definition. */
void ferry_net_input(const ferry_net *net, const ferry_kernels *kernels, const float *vector,
                     uint32_t behavior, uint32_t bucket, float *x);

/* Floats of scratch for a history of that length; false on overflow. */
bool ferry_net_user_scratch(const ferry_net *net, size_t count, size_t *out);

/* The user vector o [d], exp(scale) in it, for ranking the domain's items by o . e. ema and mean
 * read the whole history, the others its last max_length. An empty history gives output_norm's
 * bias. */
void ferry_net_user_vector(const ferry_net *net, const ferry_kernels *kernels, size_t domain,
                           const ferry_net_event *events, size_t count, float *out, float *scratch);

/* The same, and beside it base [d], unless NULL: without the domain's adapter. */
void ferry_net_user_vectors(const ferry_net *net, const ferry_kernels *kernels, size_t domain,
                            const ferry_net_event *events, size_t count, float *base, float *out,
                            float *scratch);

/* ---- encoders ---- */

const ferry_sequence_encoder *ferry_sequence_encoder_of(ferry_sequence_kind kind);
extern const ferry_sequence_encoder ferry_sequence_ema, ferry_sequence_mean;

/* a [d] of ema.decay. */
void ferry_ema_decay(const float *parameters, size_t d, float *a);
/* h [d] after x [d]. */
void ferry_ema_add(const float *a, const float *x, size_t d, float *h);

#endif
