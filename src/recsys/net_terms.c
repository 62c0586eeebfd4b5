#include "recsys/net_terms.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/elementary.h"
#include "recsys/net.h"

/* One making. */
typedef struct maker {
    const ferry_net *net;
    const ferry_kernels *kernels;
    size_t domain;
    const ferry_net_event *events;
    float *scratch, *user; /* user [2, d]: with and without the adapter */
    ferry_net_event *left; /* [count] events without one */
    double *low;           /* [r] */
    ferry_net_terms *out;
} maker;

/* y [d] += W (coefficient * x), W [d, d] rows of outputs */
static void add_linear(const float *weight, const double *coefficient, const float *x, size_t d,
                       double *y)
{
    for (size_t n = 0; n < d; n++) {
        double sum = 0.0;
        for (size_t k = 0; k < d; k++)
            sum += (double)weight[n * d + k] * (coefficient[k] * (double)x[k]);
        y[n] += sum;
    }
}

/* x_t of every event into inputs [count, d]. */
static void make_inputs(const maker *m, float *inputs)
{
    size_t d = m->out->d;
    for (size_t t = 0; t < m->out->count; t++) {
        int64_t before = t > 0 ? m->events[t - 1].timestamp : 0;
        uint32_t bucket =
            ferry_net_time_bucket(before, m->events[t].timestamp, m->net->config.time_buckets);
        ferry_net_input(m->net, m->kernels, m->events[t].vector, m->events[t].behavior, bucket,
                        inputs + t * d);
    }
}

/* y = sum of the rows of shared: each event's share before the output norm, last the bias. */
static void split_ema(const maker *m, const float *inputs, double *coefficient)
{
    const float *decay = m->net->parameters + m->net->sequence;
    size_t d = m->out->d, count = m->out->count;
    const float *weight = decay + ferry_tensor_room(d), *bias = weight + ferry_tensor_room(d * d);
    for (size_t k = 0; k < d; k++) coefficient[k] = 1.0 - (double)ferry_sigmoid(decay[k]);
    for (size_t t = count; t-- > 0;) {
        double *row = m->out->shared + t * d;
        add_linear(weight, coefficient, inputs + t * d, d, row);
        for (size_t k = 0; k < d; k++) {
            if (t + 1 == count) row[k] += (double)inputs[t * d + k];
            coefficient[k] *= (double)ferry_sigmoid(decay[k]);
        }
    }
    for (size_t k = 0; k < d && count > 0; k++) m->out->shared[count * d + k] = (double)bias[k];
}

static void split_mean(const maker *m, const float *inputs)
{
    size_t d = m->out->d, count = m->out->count;
    for (size_t i = 0; i < count * d; i++) m->out->shared[i] = (double)inputs[i] / (double)count;
}

static double mean_of(const double *row, size_t d)
{
    double sum = 0.0;
    for (size_t k = 0; k < d; k++) sum += row[k];
    return sum / (double)d;
}

/* Rows of y to rows of exp(scale) output_norm(y), the deviation being that of their sum. */
static void norm_rows(const maker *m)
{
    const float *w = m->net->parameters;
    size_t d = m->out->d, count = m->out->count;
    double *whole = m->out->whole, square = 0.0, scale = (double)ferry_exp(w[m->net->scale]);
    for (size_t t = 0; t <= count; t++)
        for (size_t k = 0; k < d; k++) whole[k] += m->out->shared[t * d + k];
    double mean = mean_of(whole, d);
    for (size_t k = 0; k < d; k++) square += (whole[k] - mean) * (whole[k] - mean);
    double by = scale / sqrt(square / (double)d + (double)FERRY_NET_NORM_EPSILON);
    for (size_t t = 0; t <= count; t++) {
        double *row = m->out->shared + t * d, middle = mean_of(row, d);
        for (size_t k = 0; k < d; k++) {
            row[k] = by * (row[k] - middle) * (double)w[m->net->output_norm_weight + k];
            if (t == count) row[k] += scale * (double)w[m->net->output_norm_bias + k];
        }
    }
}

/* adapter row = up (down (shared row)) */
static void adapt_rows(const maker *m)
{
    const ferry_net_domain *dom = &m->net->domain[m->domain];
    size_t d = m->out->d, r = m->net->config.adapter_rank;
    const float *down = m->net->parameters + dom->user_down;
    const float *up = m->net->parameters + dom->user_up;
    for (size_t t = 0; t <= m->out->count && r > 0; t++) {
        const double *row = m->out->shared + t * d;
        double *adapted = m->out->adapter + t * d;
        for (size_t i = 0; i < r; i++) {
            m->low[i] = 0.0;
            for (size_t k = 0; k < d; k++) m->low[i] += (double)down[i * d + k] * row[k];
        }
        for (size_t k = 0; k < d; k++)
            for (size_t i = 0; i < r; i++) adapted[k] += (double)up[k * r + i] * m->low[i];
    }
    memset(m->out->whole, 0, d * sizeof *m->out->whole);
    for (size_t t = 0; t <= m->out->count; t++)
        for (size_t k = 0; k < d; k++)
            m->out->whole[k] += m->out->shared[t * d + k] + m->out->adapter[t * d + k];
}

/* The user vector of some events: without the adapter into shared, what that adds into adapter. */
static void user_rows(const maker *m, const ferry_net_event *events, size_t count, double *shared,
                      double *adapter)
{
    size_t d = m->out->d;
    float *base = m->user, *user = base + d;
    ferry_net_user_vectors(m->net, m->kernels, m->domain, events, count, base, user, m->scratch);
    for (size_t k = 0; k < d; k++) {
        shared[k] = (double)base[k];
        adapter[k] = (double)user[k] - (double)base[k];
    }
}

static void split_by_leaving_out(const maker *m)
{
    size_t d = m->out->d, count = m->out->count;
    double *shared = m->out->shared, *adapter = m->out->adapter;
    size_t first = count > FERRY_NET_MOST_LEFT_OUT ? count - FERRY_NET_MOST_LEFT_OUT : 0;
    user_rows(m, m->events, count, shared + count * d, adapter + count * d);
    for (size_t k = 0; k < d; k++)
        m->out->whole[k] = shared[count * d + k] + adapter[count * d + k];
    for (size_t t = first; t < count; t++) {
        double *row = shared + t * d, *adapted = adapter + t * d;
        memcpy(m->left, m->events, t * sizeof *m->left);
        memcpy(m->left + t, m->events + t + 1, (count - t - 1) * sizeof *m->left);
        user_rows(m, m->left, count - 1, row, adapted);
        for (size_t k = 0; k < d; k++) {
            row[k] = shared[count * d + k] - row[k];
            adapted[k] = adapter[count * d + k] - adapted[k];
        }
    }
    user_rows(m, NULL, 0, shared + count * d, adapter + count * d);
}

static void mean_item(const float *items, size_t n, size_t d, double *mean)
{
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < d; k++) mean[k] += (double)items[i * d + k];
    for (size_t k = 0; k < d && n > 0; k++) mean[k] /= (double)n;
}

ferry_status ferry_net_terms_make(const ferry_net *net, const ferry_kernels *kernels, size_t domain,
                                  const ferry_net_event *events, size_t count, const float *items,
                                  size_t n, float *scratch, ferry_arena *arena,
                                  ferry_net_terms *out, ferry_error *error)
{
    size_t d = net->config.sequence.dim, r = net->config.adapter_rank;
    ferry_sequence_kind kind = net->config.sequence.kind;
    *out = (ferry_net_terms){.count = count, .d = d};
    out->linear = kind == FERRY_SEQUENCE_EMA || kind == FERRY_SEQUENCE_MEAN;
    maker m = {net, kernels, domain, events, scratch, NULL, NULL, NULL, out};
    float *inputs = ferry_arena_array(arena, count, d * sizeof *inputs);
    double *coefficient = ferry_arena_array(arena, d, sizeof *coefficient);
    out->shared = ferry_arena_array(arena, count + 1, d * sizeof *out->shared);
    out->adapter = ferry_arena_array(arena, count + 1, d * sizeof *out->adapter);
    out->whole = ferry_arena_array(arena, d, sizeof *out->whole);
    out->mean = ferry_arena_array(arena, d, sizeof *out->mean);
    m.user = ferry_arena_array(arena, 2 * d, sizeof *m.user);
    m.left = ferry_arena_array(arena, count, sizeof *m.left);
    m.low = ferry_arena_array(arena, r, sizeof *m.low);
    if (inputs == NULL || coefficient == NULL || out->shared == NULL || out->adapter == NULL ||
        out->whole == NULL || out->mean == NULL || m.user == NULL || m.left == NULL ||
        m.low == NULL)
        return ferry_fail_memory(error, "the explanation of the net");
    mean_item(items, n, d, out->mean);
    if (!out->linear) {
        split_by_leaving_out(&m);
        return FERRY_OK;
    }
    make_inputs(&m, inputs);
    if (kind == FERRY_SEQUENCE_EMA)
        split_ema(&m, inputs, coefficient);
    else
        split_mean(&m, inputs);
    norm_rows(&m);
    adapt_rows(&m);
    return FERRY_OK;
}
