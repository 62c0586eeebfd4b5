/* One step of a GRU: n = tanh(n_x + r n_h), h = (h_before - n) z + n. */
#include <string.h>

#include "recsys/user_recurrent.h"

void ferry_gru_cell(const ferry_kernels *kernels, const ferry_cell_rows *cell)
{
    size_t H = cell->H;
    for (size_t t = 0; t < cell->rows; t++) {
        float *r = cell->gates + t * 3 * H, *z = r + H, *n = z + H;
        const float *recurrent = cell->recurrent + t * 3 * H;
        for (size_t k = 0; k < 2 * H; k++) r[k] = r[k] + recurrent[k]; /* and z, behind r */
        kernels->sigmoid(r, 2 * H);
        float *extra = cell->extra + t * H;
        memcpy(extra, recurrent + 2 * H, H * sizeof *extra);
        for (size_t k = 0; k < H; k++) n[k] = n[k] + r[k] * extra[k];
        kernels->hyperbolic_tangent(n, H);
        const float *h_before = cell->h_before + t * H;
        float *h = cell->h + t * H;
        for (size_t k = 0; k < H; k++) h[k] = (h_before[k] - n[k]) * z[k] + n[k];
    }
}
