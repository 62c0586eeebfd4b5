/* One step of an LSTM: c = f c_before + i g, h = o tanh c. */
#include <string.h>

#include "recsys/user_recurrent.h"

void ferry_lstm_cell(const ferry_kernels *kernels, const ferry_cell_rows *cell)
{
    size_t H = cell->H;
    for (size_t t = 0; t < cell->rows; t++) {
        float *gates = cell->gates + t * 4 * H; /* i, f, g, o */
        const float *recurrent = cell->recurrent + t * 4 * H;
        for (size_t n = 0; n < 4 * H; n++) gates[n] = gates[n] + recurrent[n];
        kernels->sigmoid(gates, 2 * H);
        kernels->hyperbolic_tangent(gates + 2 * H, H);
        kernels->sigmoid(gates + 3 * H, H);
        const float *c_before = cell->c_before + t * H;
        float *c = cell->c + t * H;
        for (size_t n = 0; n < H; n++)
            c[n] = gates[H + n] * c_before[n] + gates[n] * gates[2 * H + n];
        float *tangent = cell->extra + t * H, *h = cell->h + t * H;
        memcpy(tangent, c, H * sizeof *c);
        kernels->hyperbolic_tangent(tangent, H);
        for (size_t n = 0; n < H; n++) h[n] = gates[3 * H + n] * tangent[n];
    }
}
