/* One step of a GRU, backwards. */
#include "train/user_recurrent_backward.h"

void ferry_gru_cell_backward(const ferry_cell_gradients *cell)
{
    size_t H = cell->H;
    for (size_t t = 0; t < cell->rows; t++) {
        const float *restrict r = cell->gates + t * 3 * H, *restrict z = r + H;
        const float *restrict n = z + H, *restrict extra = cell->extra + t * H;
        const float *restrict before = cell->h_before + t * H, *restrict dh = cell->dh + t * H;
        float *restrict input = cell->d_input + t * 3 * H;
        float *restrict recurrent = cell->d_recurrent + t * 3 * H;
        float *restrict dh_before = cell->dh_before + t * H;
        for (size_t k = 0; k < H; k++) {
            float dn = dh[k] * (1.0f - z[k]) * (1.0f - n[k] * n[k]);
            float dr = dn * extra[k] * (r[k] * (1.0f - r[k]));
            float dz = dh[k] * (before[k] - n[k]) * (z[k] * (1.0f - z[k]));
            input[k] = recurrent[k] = dr;
            input[H + k] = recurrent[H + k] = dz;
            input[2 * H + k] = dn;
            recurrent[2 * H + k] = dn * r[k];
            dh_before[k] = dh[k] * z[k];
        }
    }
}
