#include "train/user_recurrent_backward.h"

#include <string.h>

#include "recsys/user_block.h"
#include "train/user_linear.h"

typedef struct scratch_arrays { /* rows are time-major */
    float *d_input;             /* [P, G * H] */
    float *d_recurrent;         /* [P, G * H]; LSTM: d_input */
    float *dh;                  /* [P, H] of the layer's output */
    float *dx;                  /* [P, K] of its input */
    float *h_before;            /* [P, H] the states the rows began with */
    float *carry;               /* [S, H] dh from the step after */
    float *product;             /* [S, H] */
    float *dc;                  /* [S, H] */
    float *zeros;               /* [S, H] */
    size_t bytes;
    bool overflow;
} scratch_arrays;

static scratch_arrays lay_out(const ferry_recurrent *net, size_t P, size_t S, void *block)
{
    scratch_arrays scratch;
    ferry_cutter cutter = {.base = block};
    size_t H = net->hidden, N = (size_t)net->kind * H;
    size_t K = net->input > H ? net->input : H;
    scratch.d_input = ferry_cut_floats(&cutter, P, N);
    scratch.d_recurrent =
        net->kind == FERRY_GRU ? ferry_cut_floats(&cutter, P, N) : scratch.d_input;
    scratch.dh = ferry_cut_floats(&cutter, P, H);
    scratch.dx = ferry_cut_floats(&cutter, P, K);
    scratch.h_before = ferry_cut_floats(&cutter, P, H);
    scratch.carry = ferry_cut_floats(&cutter, S, H);
    scratch.product = ferry_cut_floats(&cutter, S, H);
    scratch.dc = ferry_cut_floats(&cutter, S, H);
    scratch.zeros = ferry_cut_floats(&cutter, S, H);
    scratch.bytes = cutter.used;
    scratch.overflow = cutter.overflow;
    return scratch;
}

bool ferry_recurrent_backward_size(const ferry_recurrent *net, size_t P, size_t S, size_t *bytes)
{
    scratch_arrays scratch = lay_out(net, P, S, NULL);
    *bytes = scratch.bytes;
    return !scratch.overflow;
}

static void add(float *restrict to, const float *restrict from, size_t count)
{
    for (size_t i = 0; i < count; i++) to[i] = to[i] + from[i];
}

/* Through all steps of one layer, last first: scratch->dh to d_input and d_recurrent. */
static void back_in_time(const ferry_kernels *kernels, const ferry_recurrent *net, size_t l,
                         const ferry_time_order *order, const ferry_recurrent_saved_layer *layer,
                         const scratch_arrays *scratch, size_t S)
{
    size_t H = net->hidden, N = (size_t)net->kind * H;
    /* A sequence's last step has nothing after it: as steps are added, so are their zeros. */
    memset(scratch->carry, 0, S * H * sizeof *scratch->carry);
    memset(scratch->dc, 0, S * H * sizeof *scratch->dc);
    for (size_t t = order->steps; t-- > 0;) {
        size_t at = order->first[t], rows = order->first[t + 1] - at;
        size_t before = t > 0 ? order->first[t - 1] : 0;
        float *dh = scratch->dh + at * H;
        add(dh, scratch->carry, rows * H);
        ferry_cell_gradients cell = {
            .rows = rows,
            .H = H,
            .gates = layer->gates + at * N,
            .extra = layer->extra + at * H,
            .c_before = t > 0 ? layer->c + before * H : scratch->zeros,
            .h_before = t > 0 ? layer->h + before * H : scratch->zeros,
            .dh = dh,
            .d_input = scratch->d_input + at * N,
            .d_recurrent = scratch->d_recurrent + at * N,
            .dc = scratch->dc,
            .dh_before = scratch->carry,
        };
        if (net->kind == FERRY_LSTM)
            ferry_lstm_cell_backward(&cell);
        else
            ferry_gru_cell_backward(&cell);
        if (t == 0) break;
        float *product = net->kind == FERRY_LSTM ? scratch->carry : scratch->product;
        ferry_linear_backward_input(kernels, cell.d_recurrent, net->layer[l].weight_hh, rows, H, N,
                                    product);
        if (net->kind == FERRY_GRU) add(scratch->carry, product, rows * H);
    }
}

static void weight_gradients(const ferry_kernels *kernels, const ferry_recurrent *net, size_t l,
                             const ferry_recurrent_layer *gradient, const ferry_time_order *order,
                             const ferry_recurrent_saved_layer *layer,
                             const scratch_arrays *scratch)
{
    size_t K = ferry_recurrent_inputs(net, l), H = net->hidden, N = (size_t)net->kind * H;
    size_t P = order->first[order->steps], first = order->first[1];
    memset(scratch->h_before, 0, first * H * sizeof *scratch->h_before);
    for (size_t t = 1; t < order->steps; t++) {
        size_t at = order->first[t], rows = order->first[t + 1] - at;
        memcpy(scratch->h_before + at * H, layer->h + order->first[t - 1] * H,
               rows * H * sizeof *scratch->h_before);
    }
    ferry_linear_backward_weight(kernels, scratch->d_input, layer->x, P, K, N, gradient->weight_ih,
                                 gradient->bias_ih);
    ferry_linear_backward_weight(kernels, scratch->d_recurrent, scratch->h_before, P, H, N,
                                 gradient->weight_hh, gradient->bias_hh);
}

void ferry_recurrent_backward(const ferry_kernels *kernels, const ferry_recurrent *net,
                              const ferry_recurrent *gradients, const size_t *starts, size_t S,
                              const float *masks, const float *dy, float *dx, void *saved_block,
                              void *scratch_block)
{
    size_t P = starts[S], H = net->hidden, N = (size_t)net->kind * H;
    if (P == 0) return;
    ferry_recurrent_saved saved = ferry_recurrent_lay_out(net, P, saved_block);
    scratch_arrays scratch = lay_out(net, P, S, scratch_block);
    ferry_time_order *order = &saved.order;
    while (order->first[order->steps] < P) order->steps++;
    memset(scratch.zeros, 0, S * H * sizeof *scratch.zeros);
    for (size_t r = 0; r < P; r++)
        memcpy(scratch.dh + r * H, dy + order->row[r] * H, H * sizeof *dy);
    for (size_t l = net->layers; l-- > 0;) {
        back_in_time(kernels, net, l, order, &saved.layer[l], &scratch, S);
        weight_gradients(kernels, net, l, &gradients->layer[l], order, &saved.layer[l], &scratch);
        size_t K = ferry_recurrent_inputs(net, l);
        if (l == 0 && dx == NULL) break;
        ferry_linear_backward_input(kernels, scratch.d_input, net->layer[l].weight_ih, P, K, N,
                                    scratch.dx);
        for (size_t r = 0; r < P; r++) {
            const float *from = scratch.dx + r * K;
            if (l == 0) {
                memcpy(dx + order->row[r] * K, from, K * sizeof *dx);
                continue;
            }
            float *to = scratch.dh + r * H;
            const float *mask = masks != NULL ? masks + ((l - 1) * P + order->row[r]) * H : NULL;
            for (size_t n = 0; n < H; n++) to[n] = mask != NULL ? from[n] * mask[n] : from[n];
        }
    }
}
