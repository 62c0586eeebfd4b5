/*
 * What a sequence encoder of the net is: x [P, d], the inputs, to y [P, d], of every position what
 * is known then. Rows are packed: sequence s is rows starts[s]…starts[s + 1] - 1, oldest first, no
 * padding. Each encoder is one file here (forward) and one in train/ (backward).
 *
 * An encoder's tensors lie one after the other in the net's parameter block, each on a 64-byte
 * boundary, in the order that the encoder names them.
 */
#ifndef FERRY_RECSYS_SEQUENCE_H
#define FERRY_RECSYS_SEQUENCE_H

#include "base/memory.h"
#include "base/pool.h"
#include "math/kernels.h"

/* X(NAME, name) */
#define FERRY_SEQUENCE_LIST(X) \
    X(EMA, "ema")              \
    X(MEAN, "mean")            \
    X(LSTM, "lstm")            \
    X(GRU, "gru")              \
    X(TRANSFORMER, "transformer")

typedef enum ferry_sequence_kind {
#define FERRY_SEQUENCE_ENUM(name, text) FERRY_SEQUENCE_##name,
    FERRY_SEQUENCE_LIST(FERRY_SEQUENCE_ENUM)
#undef FERRY_SEQUENCE_ENUM
        FERRY_SEQUENCE_KINDS
} ferry_sequence_kind;

extern const char *const ferry_sequence_names[FERRY_SEQUENCE_KINDS];

/* INVALID_ARGUMENT lists the names there are. */
ferry_status ferry_sequence_kind_of(const char *name, ferry_sequence_kind *out, ferry_error *error);

typedef struct ferry_sequence_shape {
    ferry_sequence_kind kind;
    size_t dim;          /* d */
    size_t layers;       /* lstm, gru, transformer */
    size_t heads;        /* transformer; divides dim */
    size_t feed_forward; /* transformer: width of the inner layer */
    size_t max_length;   /* longest sequence */
} ferry_sequence_shape;

/* One run over packed rows. */
typedef struct ferry_sequence_run {
    const ferry_kernels *kernels;
    ferry_pool *pool; /* NULL: this thread */
    const ferry_sequence_shape *shape;
    const float *parameters; /* the encoder's first tensor */
    const size_t *starts;    /* [sequences + 1] */
    size_t sequences;
    float dropout; /* 0: none, as when serving; the encoder's own dropouts, not the input's */
    uint64_t dropout_key; /* ferry_dropout's */
} ferry_sequence_run;

/* A tensor as an encoder names it: to the layout, in order. first is the distribution of the
 * initial values: see ferry_sequence_initial. */
typedef enum ferry_initial {
    FERRY_INITIAL_ZERO,
    FERRY_INITIAL_ONE,
    FERRY_INITIAL_UNIFORM, /* ± scale */
    FERRY_INITIAL_NORMAL,  /* deviation scale */
    FERRY_INITIAL_RAMP,    /* linspace(-1, 2): ema.decay */
} ferry_initial;

/* Adds a tensor [rows, columns] (columns 0: a vector [rows]) behind the last one. */
typedef ferry_status (*ferry_add_tensor)(void *layout, const char *name, size_t rows,
                                         size_t columns, ferry_initial initial, float scale,
                                         ferry_error *error);

typedef struct ferry_sequence_encoder {
    ferry_status (*tensors)(const ferry_sequence_shape *shape, ferry_add_tensor add, void *layout,
                            ferry_error *error);
    /* Floats that forward saves for backward, for P rows in that many sequences; false on
     * overflow. Forward needs them as its scratch when serving too. */
    bool (*saved)(const ferry_sequence_shape *shape, size_t P, size_t sequences, size_t threads,
                  size_t *out);
    /* Overwrites y [P, d]; y and saved overlap nothing. */
    void (*forward)(const ferry_sequence_run *run, const float *x, float *y, float *saved);
} ferry_sequence_encoder;

/* The twin, in train/. */
typedef struct ferry_sequence_gradient {
    /* Floats of scratch; false on overflow. */
    bool (*scratch)(const ferry_sequence_shape *shape, size_t P, size_t sequences, size_t threads,
                    size_t *out);
    /* dx [P, d] is overwritten; gradients (laid out as run->parameters) are added to. x and saved
     * are as forward had and left them. dx overlaps nothing. */
    void (*backward)(const ferry_sequence_run *run, const float *x, const float *saved,
                     const float *dy, float *dx, float *gradients, float *scratch);
} ferry_sequence_gradient;

/* Bytes between tensors: floats from the first tensor to one behind a tensor of count floats. */
enum { FERRY_TENSOR_ALIGNMENT = 16 /* floats */ };

static inline size_t ferry_tensor_room(size_t count)
{
    return (count + FERRY_TENSOR_ALIGNMENT - 1) / FERRY_TENSOR_ALIGNMENT * FERRY_TENSOR_ALIGNMENT;
}

#endif
