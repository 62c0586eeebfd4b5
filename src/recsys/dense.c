#include "recsys/dense.h"

#include "math/linear.h"
#include "math/ops.h"

bool ferry_dense_init(ferry_dense *dense, const float *weight, const float *bias, size_t K,
                      size_t N, ferry_arena *arena)
{
    size_t size;
    *dense = (ferry_dense){K, N, weight, bias, NULL};
    if (!ferry_panels_size(K, N, &size)) return false;
    dense->panels = ferry_arena_array(arena, size, sizeof *dense->panels);
    if (dense->panels == NULL) return false;
    ferry_dense_pack(dense);
    return true;
}

void ferry_dense_pack(ferry_dense *dense)
{
    ferry_pack_panels(dense->weight, 1, dense->K, dense->K, dense->N, dense->panels);
}

void ferry_dense_apply(const ferry_dense *dense, const ferry_kernels *kernels, ferry_pool *pool,
                       const float *x, size_t T, float *y)
{
    ferry_linear(kernels, pool, x, dense->panels, dense->bias, y, T, dense->K, dense->N);
}
