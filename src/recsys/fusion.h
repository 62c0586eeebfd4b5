/*
 * Fusion: one vector of what an item has of text, picture and sound, f_fusion(text, image, audio).
 * Any of them may be missing of any item; of those that are there, x_m = (input - mean_m) scale_m,
 * p_m = W_m x_m + b_m, and
 *
 *   concat   relu(sum of p_m + sum over the missing of absent_m): a dense layer of the inputs one
 *            beside the other and of what is missing
 *   gated    sum of g_m p_m, g the softmax, over those that are there, of gate_m x_m + c_m
 *   project  sum of s_m unit(p_m), text as it is: in the space of the texts
 *
 * at unit length. Learned by train/fuse.h.
 */
#ifndef FERRY_RECSYS_FUSION_H
#define FERRY_RECSYS_FUSION_H

#include "base/files.h"
#include "recsys/dense.h"

enum { FERRY_FUSION_INPUTS = 3 /* text, image, audio: in this order everywhere */ };

#define FERRY_FUSION_JSON "fusion.json"
#define FERRY_FUSION_TENSORS "fusion.safetensors"

typedef struct ferry_fusion_shape {
    ferry_fusion_kind kind;
    size_t K[FERRY_FUSION_INPUTS]; /* numbers of each input; 0: none of the kind */
    size_t N;                      /* of the result; project: K[0] */
} ferry_fusion_shape;

/* Where things are in the block of parameters; offsets of what a kind does not have are unused. */
typedef struct ferry_fusion_layout {
    size_t weight[FERRY_FUSION_INPUTS], bias[FERRY_FUSION_INPUTS]; /* [N, K], [N] */
    size_t absent[FERRY_FUSION_INPUTS];                            /* [N] concat */
    size_t gate[FERRY_FUSION_INPUTS];                              /* [K + 1] gated: gate, c */
    size_t strength[FERRY_FUSION_INPUTS];                          /* [1] project */
    size_t size;
} ferry_fusion_layout;

struct ferry_fusion {
    ferry_arena arena;
    const ferry_kernels *kernels;
    ferry_fusion_shape shape;
    ferry_fusion_layout layout;
    const float *mean[FERRY_FUSION_INPUTS]; /* [K], NULL where K is 0 */
    float scale[FERRY_FUSION_INPUTS];       /* so that the numbers of an input are about 1 */
    const float *parameters;                /* [layout.size] */
    ferry_dense dense[FERRY_FUSION_INPUTS];
};

/* Whether the kind learns a projection of that input: project takes texts as they are. */
static inline bool ferry_fusion_projects(const ferry_fusion_shape *shape, size_t m)
{
    return shape->K[m] > 0 && !(shape->kind == FERRY_FUSION_PROJECT && m == 0);
}

ferry_fusion_layout ferry_fusion_lay_out(const ferry_fusion_shape *shape);

/* INVALID_ARGUMENT for a shape that makes no sense. */
ferry_status ferry_fusion_check(const ferry_fusion_shape *shape, ferry_error *error);

/* Takes shape and borrows the parameters; fusion has arena and kernels. */
ferry_status ferry_fusion_init(ferry_fusion *fusion, const ferry_fusion_shape *shape,
                               const float *parameters, ferry_error *error);

/* What backward needs of a forward pass over T rows; all of the caller's. */
typedef struct ferry_fusion_saved {
    float *p[FERRY_FUSION_INPUTS];     /* [T, N]; project: of unit length */
    float *norm[FERRY_FUSION_INPUTS];  /* [T] project: what p was divided by */
    float *share[FERRY_FUSION_INPUTS]; /* [T] gated: g; else 1 where it is there, 0 where not */
    float *length;                     /* [T] of what became unit; 0 for nothing */
} ferry_fusion_saved;

bool ferry_fusion_saved_init(const ferry_fusion_shape *shape, size_t T, ferry_arena *arena,
                             ferry_fusion_saved *out);

/* out [T, K] = (x - mean) scale of input m; rows of zeros, which are missing, stay. */
void ferry_fusion_prepare(const ferry_fusion *fusion, size_t m, const float *x, size_t T,
                          float *out);

/* x[m] [T, K[m]] as prepared, zeros where has [T] lacks the bit 1 << m, and NULL where K is 0. out
 * [T, N]. */
void ferry_fusion_forward(const ferry_fusion *fusion, ferry_pool *pool,
                          const float *const x[FERRY_FUSION_INPUTS], const unsigned char *has,
                          size_t T, ferry_fusion_saved *saved, float *out);

ferry_status ferry_fusion_read(ferry_fusion *fusion, ferry_files files, ferry_error *error);
ferry_status ferry_fusion_write_json(const ferry_fusion *fusion, ferry_buffer *out,
                                     ferry_error *error);
ferry_status ferry_fusion_write_tensors(const ferry_fusion *fusion, ferry_buffer *out,
                                        ferry_error *error);

const char *ferry_fusion_kind_name(ferry_fusion_kind kind);
/* INVALID_ARGUMENT names what there is. */
ferry_status ferry_fusion_kind_of(const char *name, ferry_fusion_kind *out, ferry_error *error);

#endif
