/* The net's forward pass as it serves: item vectors, user vectors. */
#include <string.h>

#include "math/elementary.h"
#include "math/ops.h"
#include "recsys/net.h"

enum { ITEM_ROWS = 64 /* of a part */ };

static size_t panels_size(size_t K, size_t N)
{
    size_t size = 0;
    return ferry_panels_size(K, N, &size) ? size
                                          : SIZE_MAX; /* the net's own weights are as large */
}

size_t ferry_net_item_scratch(const ferry_net *net)
{
    size_t d = net->config.sequence.dim, C = net->config.content_dim, r = net->config.adapter_rank;
    return panels_size(C, d) + panels_size(C, r) + panels_size(r, d) + ITEM_ROWS * (d + r);
}

void ferry_net_item_vectors(const ferry_net *net, const ferry_kernels *kernels, size_t domain,
                            const float *content, size_t first, size_t count, float *out,
                            float *scratch)
{
    const ferry_net_domain *dom = &net->domain[domain];
    const float *w = net->parameters;
    size_t d = net->config.sequence.dim, C = net->config.content_dim, r = net->config.adapter_rank;
    float *panels = scratch, *down = panels + panels_size(C, d), *up = down + panels_size(C, r);
    float *low = up + panels_size(r, d), *high = low + ITEM_ROWS * r;
    if (C == 0) {
        memcpy(out, w + dom->ids + first * d, count * d * sizeof *out);
        return;
    }
    ferry_pack_panels(w + net->content_weight, 1, C, C, d, panels);
    if (r > 0) {
        ferry_pack_panels(w + dom->item_down, 1, C, C, r, down);
        ferry_pack_panels(w + dom->item_up, 1, r, r, d, up);
    }
    for (size_t i = 0; i < count; i += ITEM_ROWS) {
        size_t rows = count - i < ITEM_ROWS ? count - i : ITEM_ROWS;
        float *e = out + i * d;
        kernels->matmul(content + i * C, C, panels, w + net->content_bias, e, d, rows, C, d);
        if (r > 0) {
            kernels->matmul(content + i * C, C, down, NULL, low, r, rows, C, r);
            kernels->matmul(low, r, up, NULL, high, d, rows, r, d);
            ferry_add_scaled(e, high, 1.0f, rows * d);
        }
        if (net->config.ids) ferry_add_scaled(e, w + dom->ids + (first + i) * d, 1.0f, rows * d);
    }
}

uint32_t ferry_net_time_bucket(int64_t before, int64_t now, size_t buckets)
{
    if (before == 0 || now == 0 || buckets < 2) return 0;
    uint64_t hours = now > before ? ((uint64_t)now - (uint64_t)before) / 3600 : 0;
    uint32_t bucket = 1;
    for (; hours > 0 && bucket + 1 < buckets; hours /= 2) bucket++;
    return bucket;
}

void ferry_net_input(const ferry_net *net, const ferry_kernels *kernels, const float *vector,
                     uint32_t behavior, uint32_t bucket, float *x)
{
    const float *w = net->parameters;
    size_t d = net->config.sequence.dim;
    memcpy(x, vector, d * sizeof *x);
    if (net->config.behaviors > 0) ferry_add_scaled(x, w + net->behavior + behavior * d, 1.0f, d);
    if (net->config.time_buckets > 0) ferry_add_scaled(x, w + net->time + bucket * d, 1.0f, d);
    kernels->layer_norm(x, NULL, w + net->input_norm_weight, w + net->input_norm_bias,
                        FERRY_NET_NORM_EPSILON, x, 1, d);
}

/* out = exp(scale) (o + adapter(o)), o = output_norm(y), and base, if not NULL, exp(scale) o;
 * scratch [d + r + panels] */
static void user_from_y(const ferry_net *net, const ferry_kernels *kernels, size_t domain,
                        const float *y, float *base, float *out, float *scratch)
{
    const ferry_net_domain *dom = &net->domain[domain];
    const float *w = net->parameters;
    size_t d = net->config.sequence.dim, r = net->config.adapter_rank;
    kernels->layer_norm(y, NULL, w + net->output_norm_weight, w + net->output_norm_bias,
                        FERRY_NET_NORM_EPSILON, out, 1, d);
    float scale = ferry_exp(w[net->scale]);
    for (size_t n = 0; n < d && base != NULL; n++) base[n] = out[n] * scale;
    if (r > 0) {
        float *low = scratch, *high = low + r, *panels = high + d;
        ferry_pack_panels(w + dom->user_down, 1, d, d, r, panels);
        kernels->matmul(out, d, panels, NULL, low, r, 1, d, r);
        ferry_pack_panels(w + dom->user_up, 1, r, r, d, panels);
        kernels->matmul(low, r, panels, NULL, high, d, 1, r, d);
        ferry_add_scaled(out, high, 1.0f, d);
    }
    for (size_t n = 0; n < d; n++) out[n] = out[n] * scale;
}

static size_t most_read(const ferry_net *net, size_t count)
{
    bool whole = net->config.sequence.kind == FERRY_SEQUENCE_EMA ||
                 net->config.sequence.kind == FERRY_SEQUENCE_MEAN;
    size_t most = net->config.sequence.max_length;
    return whole || count < most ? count : most;
}

bool ferry_net_user_scratch(const ferry_net *net, size_t count, size_t *out)
{
    size_t d = net->config.sequence.dim, r = net->config.adapter_rank, rows, saved;
    size_t read = most_read(net, count > 0 ? count : 1);
    return ferry_size_multiply(read, 2 * d, &rows) &&
           ferry_sequence_encoder_of(net->config.sequence.kind)
               ->saved(&net->config.sequence, read, 1, 1, &saved) &&
           ferry_size_add(rows, saved, out) &&
           ferry_size_add(*out, 3 * d + r + panels_size(d, r) + panels_size(r, d), out);
}

void ferry_net_user_vector(const ferry_net *net, const ferry_kernels *kernels, size_t domain,
                           const ferry_net_event *events, size_t count, float *out, float *scratch)
{
    ferry_net_user_vectors(net, kernels, domain, events, count, NULL, out, scratch);
}

void ferry_net_user_vectors(const ferry_net *net, const ferry_kernels *kernels, size_t domain,
                            const ferry_net_event *events, size_t count, float *base, float *out,
                            float *scratch)
{
    size_t d = net->config.sequence.dim, read = most_read(net, count);
    const ferry_net_event *event = events + (count - read);
    float *x = scratch, *y = x + read * d, *rest = y + (read > 0 ? read : 1) * d;
    for (size_t t = 0; t < read; t++) {
        /* the event before the first one read is known, if there is one */
        int64_t before = event + t > events ? event[t - 1].timestamp : 0;
        uint32_t bucket =
            ferry_net_time_bucket(before, event[t].timestamp, net->config.time_buckets);
        ferry_net_input(net, kernels, event[t].vector, event[t].behavior, bucket, x + t * d);
    }
    const size_t starts[] = {0, read};
    ferry_sequence_run run = {.kernels = kernels,
                              .shape = &net->config.sequence,
                              .parameters = net->parameters + net->sequence,
                              .starts = starts,
                              .sequences = 1};
    if (read > 0)
        ferry_sequence_encoder_of(net->config.sequence.kind)->forward(&run, x, y, rest);
    else
        memset(y, 0, d * sizeof *y);
    user_from_y(net, kernels, domain, y + (read > 0 ? read - 1 : 0) * d, base, out, rest);
}
