/*
 * Centring: an encoder of many languages puts all texts of one language near a mean of their own,
 * so that a text's neighbours are those of its language before those of its meaning. Taking the
 * mean away, and normalising again, leaves the meaning.
 *
 * centers.safetensors beside the model holds the means, one F32 [hidden] a name ("de", "zh_CN"…),
 * as `ferry center` writes them.
 */
#ifndef FERRY_ENCODE_CENTERS_H
#define FERRY_ENCODE_CENTERS_H

#include "base/files.h"
#include "base/memory.h"
#include "math/kernels.h"

typedef struct ferry_centers {
    size_t count; /* to choose from for each text: the nearest; 0: nothing is centred */
    size_t width;
    const float *means; /* [count, width] */
    const float *units; /* [count, width] the same of length 1 */
} ferry_centers;

/* The mean of that name, or for "auto" all of them; none for NULL and "". NOT_FOUND names those
 * there are. */
ferry_status ferry_centers_read(ferry_files files, const char *name, size_t width,
                                const ferry_kernels *kernels, ferry_arena *arena,
                                ferry_centers *out, ferry_error *error);

/* x = (x - the nearest mean) / its length, [width] */
void ferry_centers_apply(const ferry_centers *centers, const ferry_kernels *kernels, float *x);

#endif
