/* One step of an LSTM, backwards. */
#include "train/user_recurrent_backward.h"

void ferry_lstm_cell_backward(const ferry_cell_gradients *cell)
{
    size_t H = cell->H;
    for (size_t t = 0; t < cell->rows; t++) {
        const float *restrict i = cell->gates + t * 4 * H, *restrict f = i + H;
        const float *restrict g = f + H, *restrict o = g + H;
        const float *restrict tangent = cell->extra + t * H;
        const float *restrict before = cell->c_before + t * H, *restrict dh = cell->dh + t * H;
        float *restrict di = cell->d_input + t * 4 * H, *restrict df = di + H;
        float *restrict dg = df + H, *restrict d_o = dg + H, *restrict dc = cell->dc + t * H;
        for (size_t n = 0; n < H; n++) {
            float d = dc[n] + dh[n] * o[n] * (1.0f - tangent[n] * tangent[n]);
            di[n] = d * g[n] * (i[n] * (1.0f - i[n]));
            df[n] = d * before[n] * (f[n] * (1.0f - f[n]));
            dg[n] = d * i[n] * (1.0f - g[n] * g[n]);
            d_o[n] = dh[n] * tangent[n] * (o[n] * (1.0f - o[n]));
            dc[n] = d * f[n];
        }
    }
}
