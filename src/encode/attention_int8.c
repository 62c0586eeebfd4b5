/*
 * Attention's two products in int8. Keys and values become weights of matmul_int7, -127…127 with
 * one scale a token and one a dimension; queries and probabilities its rows of 7 bits. Softmax, of
 * scores in units of ln 2, gives the bytes itself, 127 * 2^(x - max), and what a row of them is
 * divided by.
 *
 * Keys are taken without their mean over the tokens, which adds the same to all scores of a query
 * and so changes no probability, and values without theirs, which is added to the outcome instead:
 * it is what most of a long text's tokens have in common, and what rounding would cost most.
 */
#include <math.h>
#include <string.h>

#include "encode/attention.h"
#include "math/elementary.h"
#include "math/ops.h"

enum { PANEL = FERRY_PANEL };

/* The parts of the room. Dn is D and Tn is T as a multiple of 16. */
typedef struct parts {
    float *scores;             /* [FERRY_ATTENTION_ROWS, T] */
    float *panel;              /* [max(D, T), 16] in their place, before there are any */
    float *rows;               /* [T, D] keys, then values, without their mean */
    float *mean;               /* [D] of the keys, then of the values */
    ferry_int8_columns keys;   /* K = D, N = T */
    ferry_int8_columns values; /* K = T, N = D */
    ferry_int7_rows queries;   /* [FERRY_ATTENTION_ROWS, D] */
    ferry_int7_rows shares;    /* [FERRY_ATTENTION_ROWS, T] of the softmax */
    int8_t *key, *value;       /* what keys [Tn, D4] and values [Dn, T4] point to */
    float *key_scale, *value_scale;
    int32_t *key_start, *value_start;
} parts;

/* The next `size` bytes of the room. */
static void *take(float **room, size_t size)
{
    void *part = *room;
    *room += (size + sizeof **room - 1) / sizeof **room;
    return part;
}

static parts divide(const ferry_attention *a, size_t T, float *room)
{
    size_t D4 = ferry_int8_padded(a->D), T4 = ferry_int8_padded(T);
    size_t Dn = a->D + -a->D % PANEL, Tn = T + -T % PANEL;
    size_t panel = PANEL * (a->D > T ? a->D : T), scores = FERRY_ATTENTION_ROWS * T;
    parts p = {.scores = take(&room, (panel > scores ? panel : scores) * sizeof(float))};
    p.panel = p.scores;
    p.rows = take(&room, T * a->D * sizeof *p.rows);
    p.mean = take(&room, a->D * sizeof *p.mean);
    p.key = take(&room, Tn * D4);
    p.value = take(&room, Dn * T4);
    p.key_scale = take(&room, Tn * sizeof *p.key_scale);
    p.key_start = take(&room, Tn * sizeof *p.key_start);
    p.value_scale = take(&room, Dn * sizeof *p.value_scale);
    p.value_start = take(&room, Dn * sizeof *p.value_start);
    p.queries.q = take(&room, FERRY_ATTENTION_ROWS * D4);
    p.shares.q = take(&room, FERRY_ATTENTION_ROWS * T4);
    p.queries.scale = take(&room, FERRY_ATTENTION_ROWS * sizeof(float));
    p.shares.scale = take(&room, FERRY_ATTENTION_ROWS * sizeof(float));
    p.keys = (ferry_int8_columns){a->D, T, p.key, p.key_scale, p.key_start};
    p.values = (ferry_int8_columns){T, a->D, p.value, p.value_scale, p.value_start};
    return p;
}

/* x [T, D], rows stride apart, side by side and without its mean over T, a chain each: rows [T, D],
 * mean [D]. */
static void center(const float *x, size_t stride, size_t T, size_t D, float *rows, float *mean)
{
    memset(mean, 0, D * sizeof *mean);
    for (size_t t = 0; t < T; t++, x += stride)
        for (size_t d = 0; d < D; d++) {
            rows[t * D + d] = x[d];
            mean[d] = mean[d] + x[d];
        }
    for (size_t d = 0; d < D; d++) mean[d] = mean[d] / (float)T;
    for (size_t t = 0; t < T; t++, rows += D)
        for (size_t d = 0; d < D; d++) rows[d] = rows[d] - mean[d];
}

/* Panels of 16 tokens. Scores come out divided by sqrt(D), in units of ln 2. */
static void pack_keys(const ferry_kernels *kernels, const parts *p, const float *key, size_t stride)
{
    size_t D = p->keys.K, T = p->keys.N, D4 = ferry_int8_padded(D);
    float factor = EXP_LOG2E / sqrtf((float)D);
    center(key, stride, T, D, p->rows, p->mean);
    for (size_t t = 0; t < T; t += PANEL) {
        ferry_pack_panels(p->rows + t * D, 1, D, D, T - t < PANEL ? T - t : PANEL, p->panel);
        kernels->quantize_panel(p->panel, D, FERRY_INT7_ZERO, factor, p->key + t * D4,
                                p->key_scale + t, p->key_start + t);
    }
}

/* Panels of 16 dimensions. */
static void pack_values(const ferry_kernels *kernels, const parts *p, const float *value,
                        size_t stride)
{
    size_t T = p->values.K, D = p->values.N, T4 = ferry_int8_padded(T);
    center(value, stride, T, D, p->rows, p->mean);
    for (size_t n = 0; n < D; n += PANEL) {
        ferry_pack_panels(p->rows + n, D, 1, T, D - n < PANEL ? D - n : PANEL, p->panel);
        kernels->quantize_panel(p->panel, T, 0, 1.0f, p->value + n * T4, p->value_scale + n,
                                p->value_start + n);
    }
}

void ferry_attend_int8(const ferry_attention *attention, const ferry_head *head, size_t T,
                       float *room)
{
    const ferry_kernels *kernels = attention->kernels;
    size_t hidden = attention->hidden, stride = head->stride, D = attention->D;
    parts p = divide(attention, T, room);
    pack_keys(kernels, &p, head->key, stride);
    pack_values(kernels, &p, head->value, stride);
    for (size_t t = 0; t < T; t += FERRY_ATTENTION_ROWS) {
        size_t rows = T - t < FERRY_ATTENTION_ROWS ? T - t : FERRY_ATTENTION_ROWS;
        kernels->quantize_int7(head->query + t * stride, stride, rows, D, &p.queries);
        kernels->matmul_int7(&p.queries, &p.keys, NULL, p.scores, T, rows);
        kernels->softmax_int7(p.scores, T, rows, T, &p.shares);
        kernels->matmul_int7(&p.shares, &p.values, p.mean, head->context + t * hidden, hidden,
                             rows);
    }
}
