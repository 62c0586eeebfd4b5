#include "train/user_recurrent_backward.h"

#include <string.h>

#include "math/linear.h"
#include "recsys/user_block.h"

typedef struct scratch_arrays { /* rows are time-major */
    float *d_input;             /* [P, G * H] */
    float *d_recurrent;         /* [P, G * H]; LSTM: d_input */
    float *dh;                  /* [P, H] of the layer's output */
    float *dx;                  /* [P, K] of its input */
    float *h_before;            /* [P, H] the states the rows began with */
    float *carry;               /* [S, H] dh from the step after */
    float *dc;                  /* [S, H] */
    float *zeros;               /* [part, H] */
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
    scratch.dc = ferry_cut_floats(&cutter, S, H);
    scratch.zeros = ferry_cut_floats(&cutter, FERRY_RECURRENT_PART, H);
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

typedef struct layer_run {
    const ferry_kernels *kernels;
    const ferry_recurrent *net;
    size_t l;
    const ferry_time_order *order;
    const ferry_recurrent_saved_layer *layer;
    const scratch_arrays *scratch;
} layer_run;

/* Some sequences, by their places in the order, back in time: dh to d_input and d_recurrent. */
static void run_part(void *context, size_t index, size_t worker)
{
    const layer_run *run = context;
    const ferry_recurrent_saved_layer *layer = run->layer;
    const scratch_arrays *scratch = run->scratch;
    const uint32_t *first = run->order->first;
    bool lstm = run->net->kind == FERRY_LSTM;
    size_t H = run->net->hidden, N = (size_t)run->net->kind * H;
    size_t begin = index * FERRY_RECURRENT_PART, end = begin + FERRY_RECURRENT_PART;
    float *carry = scratch->carry + begin * H, *dc = scratch->dc + begin * H;
    (void)worker;
    for (size_t t = run->order->steps; t-- > 0;) {
        size_t alive = first[t + 1] - first[t];
        if (alive <= begin) continue;
        size_t at = first[t] + begin, before = t > 0 ? first[t - 1] + begin : 0;
        size_t rows = (alive < end ? alive : end) - begin;
        float *dh = scratch->dh + at * H;
        add(dh, carry, rows * H);
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
            .dc = dc,
            .dh_before = carry,
        };
        if (lstm)
            ferry_lstm_cell_backward(&cell);
        else
            ferry_gru_cell_backward(&cell);
        if (t == 0) break;
        /* a GRU's carry has the direct part already */
        run->kernels->matmul_strided(cell.d_recurrent, N, 1, run->net->layer[run->l].weight_hh, H,
                                     carry, H, rows, N, H, !lstm);
    }
}

static void back_in_time(const ferry_kernels *kernels, ferry_pool *pool, const ferry_recurrent *net,
                         size_t l, const ferry_time_order *order,
                         const ferry_recurrent_saved_layer *layer, const scratch_arrays *scratch,
                         size_t S)
{
    /* A sequence's last step has nothing after it: as steps are added, so are their zeros. */
    memset(scratch->carry, 0, S * net->hidden * sizeof *scratch->carry);
    memset(scratch->dc, 0, S * net->hidden * sizeof *scratch->dc);
    layer_run run = {kernels, net, l, order, layer, scratch};
    ferry_pool_run(pool, (S + FERRY_RECURRENT_PART - 1) / FERRY_RECURRENT_PART, run_part, &run);
}

static void weight_gradients(const ferry_kernels *kernels, ferry_pool *pool,
                             const ferry_recurrent *net, size_t l,
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
    ferry_linear_weight_gradient(kernels, pool, scratch->d_input, layer->x, gradient->weight_ih,
                                 gradient->bias_ih, P, K, N);
    ferry_linear_weight_gradient(kernels, pool, scratch->d_recurrent, scratch->h_before,
                                 gradient->weight_hh, gradient->bias_hh, P, H, N);
}

void ferry_recurrent_backward(const ferry_kernels *kernels, ferry_pool *pool,
                              const ferry_recurrent *net, const ferry_recurrent *gradients,
                              const size_t *starts, size_t S, const float *masks, const float *dy,
                              float *dx, const void *saved_block, void *scratch_block)
{
    size_t P = starts[S], H = net->hidden, N = (size_t)net->kind * H;
    if (P == 0) return;
    ferry_recurrent_saved saved =
        ferry_recurrent_lay_out(net, P, (void *)saved_block /* to read */);
    scratch_arrays scratch = lay_out(net, P, S, scratch_block);
    ferry_time_order *order = &saved.order;
    while (order->first[order->steps] < P) order->steps++;
    memset(scratch.zeros, 0, FERRY_RECURRENT_PART * H * sizeof *scratch.zeros);
    for (size_t r = 0; r < P; r++)
        memcpy(scratch.dh + r * H, dy + order->row[r] * H, H * sizeof *dy);
    for (size_t l = net->layers; l-- > 0;) {
        back_in_time(kernels, pool, net, l, order, &saved.layer[l], &scratch, S);
        weight_gradients(kernels, pool, net, l, &gradients->layer[l], order, &saved.layer[l],
                         &scratch);
        size_t K = ferry_recurrent_inputs(net, l);
        if (l == 0 && dx == NULL) break;
        ferry_linear_input_gradient(kernels, pool, scratch.d_input, net->layer[l].weight_ih,
                                    scratch.dx, P, K, N, false);
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
