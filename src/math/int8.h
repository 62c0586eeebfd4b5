/*
 * The int8 scheme of matrix products. Both factors are symmetric, with one scale for each group of
 * 64 neighbours along K: activations are int8 in -127…127, quantised a row at a time as they come;
 * weights are 7-bit in -63…63, stored with 64 added, as 1…127.
 *
 * Why so: i8 x u7 products are exact in every instruction there is (VNNI's u8 x s8, AVX2's
 * saturating maddubs, the i8 x i7 relaxed dot of WebAssembly), so all builds give the same sums.
 * docs/int8.md has the measurements that chose the groups.
 */
#ifndef FERRY_MATH_INT8_H
#define FERRY_MATH_INT8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FERRY_INT8_GROUP = 64,       /* neighbours along K that share a scale */
    FERRY_INT8_WEIGHT_MAX = 63,  /* of a weight's magnitude */
    FERRY_INT8_WEIGHT_ZERO = 64, /* what a stored weight of 0 is */
};

/* ceil(K / 64) */
static inline size_t ferry_int8_groups(size_t K)
{
    return K / FERRY_INT8_GROUP + (K % FERRY_INT8_GROUP != 0);
}

/* K rounded up to a whole number of the 4-byte steps the instructions take. */
static inline size_t ferry_int8_padded(size_t K)
{
    return (K + 3) & ~(size_t)3;
}

/* Quantised activations; G = ferry_int8_groups(K), K4 = ferry_int8_padded(K). */
typedef struct ferry_int8_rows {
    int8_t *q;       /* [T, K4], zeros past K */
    float *scale;    /* [T, G] max|x| / 127 of the group */
    int32_t *offset; /* [T, G] -64 times the sum of q: undoes the weights' added 64 */
} ferry_int8_rows;

/* A weight matrix packed for matmul_int8. */
typedef struct ferry_int8_panels {
    size_t K, N;
    const uint8_t *weights; /* [ceil(N / 16), K4 / 4, 16, 4] weight + 64; 64 past K and N */
    const float *scale;     /* [ceil(N / 16), G, 16]; 0 past N */
} ferry_int8_panels;

/*
 * The second scheme, of convolutional nets: weights have all 8 bits, -127…127, and one scale an
 * output; inputs have 7, 0…127, and one scale a row or for all. As exact, the other way round: the
 * weights are the signed bytes. docs/int8.md says what each costs.
 */
enum { FERRY_INT7_MAX = 127, FERRY_INT7_ZERO = 64 /* what a signed input of 0 is: 1…127 */ };

typedef struct ferry_int7_rows {
    uint8_t *q;   /* [T, K4] 0…127; any past K */
    float *scale; /* [T], or NULL: all 1 */
} ferry_int7_rows;

typedef struct ferry_int8_columns {
    size_t K, N;
    const int8_t *weights; /* [ceil(N / 16), K4 / 4, 16, 4]; 0 past K and N */
    const float *scale;    /* [ceil(N / 16), 16]; 0 past N */
    const int32_t *start;  /* [ceil(N / 16), 16] -zero times the sum of a column's weights */
} ferry_int8_columns;

/* w [N, K] with scale [N] into columns; inputs are stored with `zero` added. */
void ferry_int8_pack_columns(const int8_t *w, const float *scale, size_t K, size_t N, int zero,
                             int8_t *weights, float *scales, int32_t *start);

/* Bytes of weights and floats of scale; false on overflow. */
bool ferry_int8_panels_size(size_t K, size_t N, size_t *weights, size_t *scales);

/* w [N, K] in -63…63 with scale [N, G], as a quantised file holds them, into panels. */
void ferry_int8_pack(const int8_t *w, const float *scale, size_t K, size_t N, uint8_t *weights,
                     float *scales);

/* Float weights [N, K] to w [N, K] and scale [N, G]: scale = max|weight| / 63 of the group. */
void ferry_int8_quantize_weights(const float *weight, size_t K, size_t N, int8_t *w, float *scale);

/*
 * Vectors to be searched: both factors of score_int8 have all 8 bits, -127…127, and one scale a
 * vector. Who multiplies unsigned by signed bytes adds 128 to the rows and takes it off again by
 * the sum of the query, or moves the query's signs to the rows.
 */
typedef struct ferry_int8_queries {
    const int8_t *q;    /* [T, K4], zeros past K */
    const float *scale; /* [T] */
    const int32_t *sum; /* [T] of q */
} ferry_int8_queries;

typedef struct ferry_int8_table {
    size_t K, P;          /* numbers of a row, panels of 16 rows */
    const int8_t *panels; /* [P, K4 / 4, 16, 4] */
    const float *scale;   /* [P, 16] */
} ferry_int8_table;

/* A row q [K4] into and out of lane (0…15) of its panel [K4 / 4, 16, 4]. */
void ferry_int8_put_row(int8_t *panel, size_t lane, const int8_t *q, size_t K4);
void ferry_int8_get_row(const int8_t *panel, size_t lane, int8_t *q, size_t K4);

/* x[i] = round(from[i] / scale), scale = max|from| / largest of the row, returned; [n]. An
 * embedding table's row, or a group. */
float ferry_int8_quantize(const float *from, size_t n, int largest, int8_t *x);

#endif
