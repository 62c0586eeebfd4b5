#include "recsys/user_recurrent.h"

#include <string.h>

#include "math/linear.h"
#include "math/ops.h"
#include "recsys/user_block.h"

/* ---- sizes ---- */

bool ferry_recurrent_panels_size(const ferry_recurrent *net, size_t *floats)
{
    *floats = 0;
    for (size_t l = 0; l < net->layers; l++) {
        size_t columns, input, hidden;
        if (!ferry_size_multiply(net->hidden, (size_t)net->kind, &columns) ||
            !ferry_panels_size(ferry_recurrent_inputs(net, l), columns, &input) ||
            !ferry_panels_size(net->hidden, columns, &hidden) ||
            !ferry_size_add(*floats, input, floats) || !ferry_size_add(*floats, hidden, floats))
            return false;
    }
    return true;
}

static ferry_recurrent_saved_layer cut_layer(ferry_cutter *cutter, size_t P, size_t K, size_t H,
                                             size_t G)
{
    ferry_recurrent_saved_layer layer;
    size_t width;
    if (!ferry_size_multiply(G, H, &width)) cutter->overflow = true;
    layer.x = ferry_cut_floats(cutter, P, K);
    layer.gates = ferry_cut_floats(cutter, P, width);
    layer.h = ferry_cut_floats(cutter, P, H);
    layer.c = ferry_cut_floats(cutter, P, H);
    layer.extra = ferry_cut_floats(cutter, P, H);
    return layer;
}

static void cut_order(ferry_cutter *cutter, size_t P, ferry_time_order *order)
{
    order->row = ferry_cut(cutter, P + 1, sizeof *order->row);
    order->first = ferry_cut(cutter, P + 1, sizeof *order->first);
    order->steps = 0;
}

ferry_recurrent_saved ferry_recurrent_lay_out(const ferry_recurrent *net, size_t P, void *block)
{
    ferry_recurrent_saved saved = {0};
    ferry_cutter cutter = {.base = block};
    cut_order(&cutter, P, &saved.order);
    for (size_t l = 0; l < net->layers; l++)
        saved.layer[l] =
            cut_layer(&cutter, P, ferry_recurrent_inputs(net, l), net->hidden, (size_t)net->kind);
    saved.bytes = cutter.used;
    saved.overflow = cutter.overflow || P > UINT32_MAX - 1;
    return saved;
}

bool ferry_recurrent_saved_size(const ferry_recurrent *net, size_t P, size_t S, size_t *bytes)
{
    (void)S;
    ferry_recurrent_saved saved = ferry_recurrent_lay_out(net, P, NULL);
    *bytes = saved.bytes;
    return !saved.overflow;
}

typedef struct scratch_arrays {
    ferry_time_order order;            /* where nothing is saved */
    ferry_recurrent_saved_layer layer; /* the same */
    uint32_t *sequence;                /* [S] longest first */
    float *recurrent;                  /* [S, G * H] */
    float *zeros;                      /* [part, H] the states before the first step */
    size_t bytes;
    bool overflow;
} scratch_arrays;

static scratch_arrays lay_out_scratch(const ferry_recurrent *net, size_t P, size_t S, void *block)
{
    scratch_arrays scratch;
    ferry_cutter cutter = {.base = block};
    size_t H = net->hidden, G = (size_t)net->kind, K = net->input > H ? net->input : H;
    cut_order(&cutter, P, &scratch.order);
    scratch.layer = cut_layer(&cutter, P, K, H, G);
    scratch.sequence = ferry_cut(&cutter, S, sizeof *scratch.sequence);
    scratch.recurrent = ferry_cut_floats(&cutter, S, G * H);
    scratch.zeros = ferry_cut_floats(&cutter, FERRY_RECURRENT_PART, H);
    scratch.bytes = cutter.used;
    scratch.overflow = cutter.overflow || P > UINT32_MAX - 1 || S > UINT32_MAX;
    return scratch;
}

bool ferry_recurrent_scratch_size(const ferry_recurrent *net, size_t P, size_t S, size_t *bytes)
{
    scratch_arrays scratch = lay_out_scratch(net, P, S, NULL);
    *bytes = scratch.bytes;
    return !scratch.overflow;
}

void ferry_recurrent_pack(const ferry_recurrent *net, float *panels)
{
    size_t H = net->hidden, N = (size_t)net->kind * H, size;
    for (size_t l = 0; l < net->layers; l++) {
        size_t K = ferry_recurrent_inputs(net, l);
        ferry_pack_panels(net->layer[l].weight_ih, 1, K, K, N, panels);
        if (ferry_panels_size(K, N, &size)) panels += size;
        ferry_pack_panels(net->layer[l].weight_hh, 1, H, H, N, panels);
        if (ferry_panels_size(H, N, &size)) panels += size;
    }
}

/* ---- the order in time ---- */

/* Sequences by length, longest first, by counting; equal ones in their order. sequence [S] */
static void set_order(const size_t *starts, size_t S, uint32_t *sequence, ferry_time_order *order)
{
    size_t steps = 0, P = starts[S];
    for (size_t s = 0; s < S; s++) {
        size_t length = starts[s + 1] - starts[s];
        if (length > steps) steps = length;
    }
    order->steps = steps;
    /* alive[t]: sequences longer than t; they are as many as the rows of step t */
    uint32_t *alive = order->first;
    memset(alive, 0, (steps + 1) * sizeof *alive);
    for (size_t s = 0; s < S; s++) alive[starts[s + 1] - starts[s]]++; /* of this very length */
    for (size_t t = steps; t-- > 0;) alive[t] += alive[t + 1];         /* of at least it */
    /* those longer than t come first: a sequence's place is behind all that are longer */
    uint32_t *place = order->row; /* [steps + 1]; rows are not yet in use */
    for (size_t t = 0; t < steps; t++) place[t] = alive[t + 1];
    place[steps] = 0;
    for (size_t s = 0; s < S; s++) sequence[place[starts[s + 1] - starts[s]]++] = (uint32_t)s;
    uint32_t row = 0;
    for (size_t t = 0; t < steps; t++) {
        uint32_t rows = alive[t + 1];
        order->first[t] = row;
        for (uint32_t j = 0; j < rows; j++)
            order->row[row + j] = (uint32_t)(starts[sequence[j]] + t);
        row += rows;
    }
    order->first[steps] = (uint32_t)P;
}

/* ---- forward ---- */

/* recurrent [rows, G * H] = W_hh h + b_hh; h NULL: the zeros before the first step. */
static void from_state(const ferry_kernels *kernels, const ferry_recurrent *net, size_t layer,
                       const float *panels, const float *h, float *recurrent, size_t rows)
{
    size_t H = net->hidden, N = (size_t)net->kind * H;
    const float *bias = net->layer[layer].bias_hh;
    if (h != NULL) {
        kernels->matmul(h, H, panels, bias, recurrent, N, rows, H, N);
        return;
    }
    for (size_t t = 0; t < rows; t++) /* a chain of zeros, and the bias */
        for (size_t n = 0; n < N; n++) recurrent[t * N + n] = 0.0f + bias[n];
}

static void step_cell(const ferry_kernels *kernels, const ferry_recurrent *net,
                      const ferry_cell_rows *cell)
{
    if (net->kind == FERRY_LSTM)
        ferry_lstm_cell(kernels, cell);
    else
        ferry_gru_cell(kernels, cell);
}

typedef struct layer_run {
    const ferry_kernels *kernels;
    const ferry_recurrent *net;
    size_t l;
    const float *panels; /* of W_hh */
    const ferry_time_order *order;
    const ferry_recurrent_saved_layer *layer;
    const scratch_arrays *scratch;
} layer_run;

/* Some sequences, by their places in the order, through time. */
static void run_part(void *context, size_t index, size_t worker)
{
    const layer_run *run = context;
    const ferry_recurrent_saved_layer *layer = run->layer;
    const uint32_t *first = run->order->first;
    size_t H = run->net->hidden, N = (size_t)run->net->kind * H;
    size_t begin = index * FERRY_RECURRENT_PART, end = begin + FERRY_RECURRENT_PART;
    float *recurrent = run->scratch->recurrent + begin * N;
    (void)worker;
    for (size_t t = 0; t < run->order->steps; t++) {
        size_t alive = first[t + 1] - first[t];
        if (alive <= begin) break;
        size_t at = first[t] + begin, before = t > 0 ? first[t - 1] + begin : 0;
        ferry_cell_rows cell = {
            .rows = (alive < end ? alive : end) - begin,
            .H = H,
            .gates = layer->gates + at * N,
            .recurrent = recurrent,
            .h_before = t > 0 ? layer->h + before * H : run->scratch->zeros,
            .c_before = t > 0 ? layer->c + before * H : run->scratch->zeros,
            .h = layer->h + at * H,
            .c = layer->c + at * H,
            .extra = layer->extra + at * H,
        };
        from_state(run->kernels, run->net, run->l, run->panels, t > 0 ? cell.h_before : NULL,
                   recurrent, cell.rows);
        step_cell(run->kernels, run->net, &cell);
    }
}

static void run_layer(const ferry_kernels *kernels, ferry_pool *pool, const ferry_recurrent *net,
                      size_t l, const float *panels, size_t S, const ferry_time_order *order,
                      const ferry_recurrent_saved_layer *layer, const scratch_arrays *scratch)
{
    size_t P = order->first[order->steps], K = ferry_recurrent_inputs(net, l), size;
    size_t N = (size_t)net->kind * net->hidden;
    ferry_linear(kernels, pool, layer->x, panels, net->layer[l].bias_ih, layer->gates, P, K, N);
    if (ferry_panels_size(K, N, &size)) panels += size;
    layer_run run = {kernels, net, l, panels, order, layer, scratch};
    ferry_pool_run(pool, (S + FERRY_RECURRENT_PART - 1) / FERRY_RECURRENT_PART, run_part, &run);
}

/* Where layer l's two matrices of panels begin. */
static const float *panels_of(const ferry_recurrent *net, const float *panels, size_t layer)
{
    size_t N = (size_t)net->kind * net->hidden, input, hidden;
    for (size_t l = 0; l < layer; l++) {
        if (ferry_panels_size(ferry_recurrent_inputs(net, l), N, &input) &&
            ferry_panels_size(net->hidden, N, &hidden))
            panels += input + hidden;
    }
    return panels;
}

void ferry_recurrent_forward(const ferry_kernels *kernels, ferry_pool *pool,
                             const ferry_recurrent *net, const float *panels, const float *x,
                             const size_t *starts, size_t S, const float *masks, float *y,
                             void *saved_block, void *scratch_block)
{
    size_t P = starts[S], H = net->hidden;
    scratch_arrays scratch = lay_out_scratch(net, P, S, scratch_block);
    ferry_recurrent_saved saved = {0};
    if (saved_block != NULL) saved = ferry_recurrent_lay_out(net, P, saved_block);
    ferry_time_order *order = saved_block != NULL ? &saved.order : &scratch.order;
    set_order(starts, S, scratch.sequence, order);
    memset(scratch.zeros, 0, FERRY_RECURRENT_PART * H * sizeof *scratch.zeros);

    const float *h = NULL; /* of the layer below */
    for (size_t l = 0; l < net->layers; l++) {
        const ferry_recurrent_saved_layer *layer =
            saved_block != NULL ? &saved.layer[l] : &scratch.layer;
        size_t K = ferry_recurrent_inputs(net, l);
        for (size_t r = 0; r < P; r++) {
            const float *from = l == 0 ? x + order->row[r] * K : h + r * K;
            float *to = layer->x + r * K;
            memcpy(to, from, K * sizeof *to);
            if (l == 0 || masks == NULL) continue;
            const float *mask = masks + ((l - 1) * P + order->row[r]) * H;
            for (size_t n = 0; n < H; n++) to[n] = to[n] * mask[n];
        }
        run_layer(kernels, pool, net, l, panels_of(net, panels, l), S, order, layer, &scratch);
        h = layer->h;
    }
    for (size_t r = 0; r < P; r++) memcpy(y + order->row[r] * H, h + r * H, H * sizeof *y);
}
