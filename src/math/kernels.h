/* The table of kernels and its variants; see kernels.def for what each one computes. */
#ifndef FERRY_MATH_KERNELS_H
#define FERRY_MATH_KERNELS_H

#include "ferry/ferry.h"
#include "math/int8.h"

enum { FERRY_PANEL = 16 /* columns of a panel, and lanes of a sum */ };

/* What AdamW (as torch.optim.AdamW) needs to know in step t, counted from 1. */
typedef struct ferry_adamw_step {
    float gradient_scale; /* of the clipping */
    float beta1_rest;     /* 1 - beta1 */
    float beta2, beta2_rest;
    float keep;         /* 1 - learning rate * weight decay */
    float rate;         /* learning rate / (1 - beta1^t) */
    float inverse_root; /* 1 / sqrt(1 - beta2^t) */
    float epsilon;
} ferry_adamw_step;

typedef struct ferry_kernels {
    const char *name;
#define FERRY_KERNEL(name, parameters) void(*name) parameters;
#include "math/kernels.def"
} ferry_kernels;

#define FERRY_KERNEL_FAST_VARIANT(variant, condition) \
    extern const ferry_kernels ferry_kernels_##variant;
#define FERRY_KERNEL_VARIANT(variant, condition) extern const ferry_kernels ferry_kernels_##variant;
#include "math/kernels.def"

/* The variants this machine runs, best last; returns how many, at most capacity are written. */
size_t ferry_kernels_available(const ferry_kernels **out, size_t capacity);

/* NULL or "auto": the best one. UNSUPPORTED names what was asked for and what there is. */
ferry_status ferry_kernels_choose(const char *wanted, const ferry_kernels **out,
                                  ferry_error *error);

/* The same among the fast variants, where "avx2" is avx2_fast; UNSUPPORTED where there is none. */
ferry_status ferry_kernels_choose_fast(const char *wanted, const ferry_kernels **out,
                                       ferry_error *error);

/* Some 40 kFLOP against the scalar kernels, bit for bit; UNSUPPORTED if a bit differs. */
ferry_status ferry_kernels_self_test(const ferry_kernels *kernels, ferry_error *error);

#endif
