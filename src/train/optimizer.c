#include "train/optimizer.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/ops.h"

enum {
    SUM_PART = 4096, /* floats of a sum of squares in float; the parts are added in double */
    ROW_PART = 512   /* rows of ids in a part of a loop */
};

/* cos(pi f), f in [0, 1], by its series around the nearer of 0 and 1. */
static double cosine(double f)
{
    if (f > 0.5) return -cosine(1 - f);
    double x = 3.14159265358979323846 * f, square = x * x, term = 1, sum = 1;
    for (int k = 2; k <= 24; k += 2) {
        term = -term * square / ((k - 1) * k);
        sum += term;
    }
    return sum;
}

double ferry_learning_rate(const ferry_train_options *options, size_t step, size_t steps)
{
    double f = (double)step / (double)steps, warm = 1;
    if (options->warm_up > 0 && (f + 1e-3) / options->warm_up < 1)
        warm = (f + 1e-3) / options->warm_up;
    double fall = 0.5 * (1 + cosine(f < 1 ? f : 1));
    return options->learning_rate * warm * (fall * (1 - options->floor) + options->floor);
}

ferry_adamw_step ferry_adamw_at(const ferry_train_options *options, double rate, double scale,
                                size_t step)
{
    return (ferry_adamw_step){
        .gradient_scale = (float)scale,
        .beta1_rest = (float)(1 - options->beta1),
        .beta2 = (float)options->beta2,
        .beta2_rest = (float)(1 - options->beta2),
        .keep = (float)(1 - rate * options->weight_decay),
        .rate = (float)(rate / (1 - ferry_power(options->beta1, step + 1))),
        .inverse_root = (float)(1 / sqrt(1 - ferry_power(options->beta2, step + 1))),
        .epsilon = (float)options->epsilon,
    };
}

ferry_status ferry_optimizer_create(ferry_arena *arena, ferry_net *net,
                                    const ferry_kernels *kernels,
                                    const ferry_train_options *options, ferry_optimizer *out,
                                    ferry_error *error)
{
    *out = (ferry_optimizer){
        .net = net, .kernels = kernels, .pool = options->pool, .options = options};
    out->first = ferry_arena_array(arena, net->size, sizeof *out->first);
    out->second = ferry_arena_array(arena, net->size, sizeof *out->second);
    if (options->source != NULL && options->l2sp > 0)
        out->ids = ferry_arena_array(arena, net->size - net->ids, sizeof *out->ids);
    if (out->first == NULL || out->second == NULL ||
        (options->source != NULL && options->l2sp > 0 && out->ids == NULL))
        return ferry_fail_memory(error, "the optimizer's moments");
    return FERRY_OK;
}

/* ---- which parts of the block are trained ---- */

typedef struct span {
    size_t begin, end;
} span;

static bool trains_base(const ferry_optimizer *optimizer)
{
    return optimizer->options->trainable != FERRY_TRAIN_ADAPTERS;
}

/* Spans of the shared part, [0, net->ids): 0 is the base, 1 + D the adapter of domain D. */
static span shared_span(const ferry_optimizer *optimizer, size_t i)
{
    const ferry_net *net = optimizer->net;
    bool adapters = net->config.adapter_rank > 0;
    if (i == 0) {
        size_t end = adapters ? net->domain[0].adapter : net->ids;
        return trains_base(optimizer) ? (span){0, end} : (span){0, 0};
    }
    if (!adapters || optimizer->options->trainable == FERRY_TRAIN_ALL) return (span){0, 0};
    return (span){net->domain[i - 1].adapter, net->domain[i - 1].adapter_end};
}

/* ---- the norm ---- */

static double squares(const ferry_kernels *kernels, const float *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i += SUM_PART) {
        size_t part = count - i < SUM_PART ? count - i : SUM_PART;
        float one;
        kernels->dot_rows(x + i, x + i, &one, 1, part);
        sum += (double)one;
    }
    return sum;
}

/* g += 2 lambda (w - source); returns lambda |w - source|^2. */
static double pull(const ferry_optimizer *optimizer, float *g, size_t begin, size_t end)
{
    const float *w = optimizer->net->parameters, *source = optimizer->options->source;
    double lambda = optimizer->options->l2sp, sum = 0;
    for (size_t i = begin; i < end; i++) {
        float away = w[i] - source[i];
        g[i - begin] = g[i - begin] + (float)(2 * lambda) * away;
        sum += (double)away * (double)away;
    }
    return lambda * sum;
}

static bool pulls(const ferry_optimizer *optimizer)
{
    return optimizer->options->source != NULL && optimizer->options->l2sp > 0;
}

static void scatter_ids(const ferry_net *net, const ferry_pass *pass, const ferry_batch *batch,
                        float *ids)
{
    size_t d = net->config.sequence.dim;
    memset(ids, 0, (net->size - net->ids) * sizeof *ids);
    for (size_t g = 0; g < batch->group_count; g++) {
        const ferry_item_group *group = &batch->group[g];
        float *rows = ids + (net->domain[group->domain].ids - net->ids);
        for (size_t u = group->first; u < group->first + group->count; u++)
            memcpy(rows + batch->item[u] * d, pass->d_items + u * d, d * sizeof *rows);
    }
}

double ferry_optimizer_norm(ferry_optimizer *optimizer, ferry_pass *pass, const ferry_batch *batch,
                            double *penalty)
{
    const ferry_net *net = optimizer->net;
    double sum = 0;
    *penalty = 0;
    for (size_t i = 0; i <= net->domain_count; i++) {
        span s = shared_span(optimizer, i);
        if (pulls(optimizer))
            *penalty += pull(optimizer, pass->gradients + s.begin, s.begin, s.end);
        sum += squares(optimizer->kernels, pass->gradients + s.begin, s.end - s.begin);
    }
    if (net->config.ids && trains_base(optimizer)) {
        size_t d = net->config.sequence.dim;
        if (pulls(optimizer)) {
            scatter_ids(net, pass, batch, optimizer->ids);
            *penalty += pull(optimizer, optimizer->ids, net->ids, net->size);
            sum += squares(optimizer->kernels, optimizer->ids, net->size - net->ids);
        } else {
            sum += squares(optimizer->kernels, pass->d_items, batch->U * d);
        }
    }
    return sqrt(sum);
}

/* ---- the step ---- */

typedef struct update {
    const ferry_optimizer *optimizer;
    const ferry_pass *pass;
    const ferry_batcher *batcher;
    const ferry_adamw_step *step;
    size_t domain; /* the net's */
} update;

/* count floats of the block from offset on. */
static void apply(const update *u, const float *gradient, size_t offset, size_t count)
{
    const ferry_optimizer *o = u->optimizer;
    o->kernels->adamw(u->step, gradient, o->net->parameters + offset, o->first + offset,
                      o->second + offset, count);
}

/* ROW_PART ids of a domain: those of the batch have a gradient, the others a step without. */
static void update_ids(void *context, size_t index, size_t worker)
{
    const update *u = context;
    const ferry_net *net = u->optimizer->net;
    size_t d = net->config.sequence.dim, n = net->domain[u->domain].item_count;
    size_t row = index * ROW_PART, end = row + ROW_PART < n ? row + ROW_PART : n;
    size_t base = net->domain[u->domain].ids;
    const uint32_t *stamp = u->batcher->stamp[u->domain], now = u->batcher->now;
    const uint32_t *slot = u->batcher->slot[u->domain];
    (void)worker;
    if (u->optimizer->ids != NULL) {
        size_t offset = base + row * d;
        apply(u, u->optimizer->ids + (offset - net->ids), offset, (end - row) * d);
        return;
    }
    while (row < end) {
        size_t first = row;
        if (stamp[row] == now) {
            for (row++; row < end && stamp[row] == now && slot[row] == slot[row - 1] + 1;) row++;
            apply(u, u->pass->d_items + slot[first] * d, base + first * d, (row - first) * d);
        } else {
            while (row < end && stamp[row] != now) row++;
            apply(u, NULL, base + first * d, (row - first) * d);
        }
    }
}

void ferry_optimizer_step(ferry_optimizer *optimizer, const ferry_pass *pass,
                          const ferry_batcher *batcher, double norm, size_t step, size_t steps)
{
    const ferry_train_options *options = optimizer->options;
    const ferry_net *net = optimizer->net;
    double rate = ferry_learning_rate(options, step, steps);
    double clip = options->clip > 0 ? options->clip / (norm + 1e-6) : 1;
    ferry_adamw_step adamw = ferry_adamw_at(options, rate, clip < 1 ? clip : 1, step);
    update u = {optimizer, pass, batcher, &adamw, 0};
    for (size_t i = 0; i <= net->domain_count; i++) {
        span s = shared_span(optimizer, i);
        apply(&u, pass->gradients + s.begin, s.begin, s.end - s.begin);
    }
    for (size_t i = 0; i < net->domain_count && net->config.ids && trains_base(optimizer); i++) {
        u.domain = i;
        ferry_pool_run(optimizer->pool, (net->domain[i].item_count + ROW_PART - 1) / ROW_PART,
                       update_ids, &u);
    }
}

void ferry_optimizer_dense(const ferry_optimizer *optimizer, const ferry_pass *pass,
                           const ferry_batch *batch, float *gradients)
{
    const ferry_net *net = optimizer->net;
    memset(gradients, 0, net->size * sizeof *gradients);
    for (size_t i = 0; i <= net->domain_count; i++) {
        span s = shared_span(optimizer, i);
        memcpy(gradients + s.begin, pass->gradients + s.begin,
               (s.end - s.begin) * sizeof *gradients);
    }
    if (!net->config.ids || !trains_base(optimizer)) return;
    if (optimizer->ids != NULL)
        memcpy(gradients + net->ids, optimizer->ids, (net->size - net->ids) * sizeof *gradients);
    else
        scatter_ids(net, pass, batch, gradients + net->ids);
}
