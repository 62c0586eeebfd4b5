/* Attention over the tokens of one text or picture, one head at a time, in f32 or int8. */
#ifndef FERRY_ENCODE_ATTENTION_H
#define FERRY_ENCODE_ATTENTION_H

#include "encode/layer.h"

enum {
    FERRY_ATTENTION_ROWS = 48,      /* queries at a time */
    FERRY_ATTENTION_INT8_LEAST = 64 /* tokens from which int8 pays: SPEED.md */
};

typedef struct ferry_attention {
    const ferry_kernels *kernels;
    const float *x; /* queries, keys and values of all heads, [rows, 3 * hidden] as columns say */
    ferry_columns columns;
    float *context;   /* [rows, hidden] */
    size_t hidden, D; /* of all heads and of one */
    bool causal;      /* a token attends to those up to itself alone */
    bool int8;        /* where there are enough tokens, and all attend to all */
} ferry_attention;

/* Each head's side by side, if D is of whole panels; else all side by side. */
ferry_columns ferry_attention_columns(size_t hidden, size_t D, size_t rows);

/* How many floats one thread works with, of at most T tokens; false on overflow. */
bool ferry_attention_room(size_t T, size_t D, size_t *out);

/* context = softmax(q k' / sqrt(D)) v of one head over rows [first, first + T). room is what
 * ferry_attention_room says. */
void ferry_attend(const ferry_attention *attention, size_t head, size_t first, size_t T,
                  float *room);

/* One head's part of them. */
typedef struct ferry_head {
    const float *query, *key, *value; /* [T, D] rows stride apart */
    size_t stride;
    float *context; /* [T, D] rows hidden apart */
} ferry_head;

/* The int8 one, whatever T is; attention_int8.c says how. */
void ferry_attend_int8(const ferry_attention *attention, const ferry_head *head, size_t T,
                       float *room);

#endif
