#include "train/batch.h"

#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "math/elementary.h"
#include "math/ops.h"

static size_t most_items(const ferry_net *net, const ferry_train_domain *domains,
                         size_t domain_count, const ferry_train_options *options, size_t P)
{
    size_t most = 0;
    for (size_t i = 0; i < domain_count; i++) {
        size_t n = net->domain[domains[i].domain].item_count, items;
        if (options->objective == FERRY_OBJECTIVE_SOFTMAX && options->samples == 0)
            items = n + P;
        else if (options->objective == FERRY_OBJECTIVE_SOFTMAX)
            items = 2 * P + options->samples;
        else
            items = 3 * P;
        most = items > most ? items : most;
    }
    return most;
}

/* rest [n]: one minus each item's share of the domain's events. */
static ferry_status count_items(ferry_arena *arena, const ferry_train_domain *domain, size_t n,
                                double **out, ferry_error *error)
{
    double *rest = ferry_arena_array(arena, n, sizeof *rest), all = 0;
    if (rest == NULL) return ferry_fail_memory(error, "the items' popularity");
    size_t events = domain->user_count > 0 ? domain->start[domain->user_count] : 0;
    for (size_t i = 0; i < events; i++) {
        if (domain->event_domain != NULL && domain->event_domain[i] != domain->domain) continue;
        rest[domain->item[i]] += 1;
        all += 1;
    }
    for (size_t i = 0; i < n; i++) rest[i] = 1 - (all > 0 ? rest[i] / all : 0);
    *out = rest;
    return FERRY_OK;
}

ferry_status ferry_batcher_create(ferry_arena *arena, const ferry_net *net,
                                  const ferry_train_domain *domains, size_t domain_count,
                                  const ferry_train_options *options, const ferry_epoch *epoch,
                                  ferry_batcher *out, ferry_error *error)
{
    size_t P = epoch->most_rows, S = epoch->most_sequences;
    size_t U = most_items(net, domains, domain_count, options, P);
    *out = (ferry_batcher){
        .net = net, .domains = domains, .domain_count = domain_count, .options = options};
    out->slot = ferry_arena_array(arena, net->domain_count, sizeof *out->slot);
    out->stamp = ferry_arena_array(arena, net->domain_count, sizeof *out->stamp);
    out->rest = ferry_arena_array(arena, domain_count, sizeof *out->rest);
    if (out->slot == NULL || out->stamp == NULL || out->rest == NULL)
        return ferry_fail_memory(error, "the batches");
    for (size_t i = 0; i < net->domain_count; i++) {
        out->slot[i] = ferry_arena_array(arena, net->domain[i].item_count, sizeof **out->slot);
        out->stamp[i] = ferry_arena_array(arena, net->domain[i].item_count, sizeof **out->stamp);
        if (out->slot[i] == NULL || out->stamp[i] == NULL)
            return ferry_fail_memory(error, "the batches");
    }
    for (size_t i = 0; i < domain_count; i++)
        FERRY_TRY(count_items(arena, &domains[i], net->domain[domains[i].domain].item_count,
                              &out->rest[i], error));
    ferry_batch *b = &out->batch;
    b->starts = ferry_arena_array(arena, S + 1, sizeof *b->starts);
    b->input = ferry_arena_array(arena, P, sizeof *b->input);
    b->behavior = ferry_arena_array(arena, P, 1);
    b->bucket = ferry_arena_array(arena, P, 1);
    b->target_row = ferry_arena_array(arena, P, sizeof *b->target_row);
    b->target = ferry_arena_array(arena, P, sizeof *b->target);
    b->negative = ferry_arena_array(arena, P, sizeof *b->negative);
    b->value = ferry_arena_array(arena, P, sizeof *b->value);
    b->item = ferry_arena_array(arena, U, sizeof *b->item);
    b->group = ferry_arena_array(arena, net->domain_count + 1, sizeof *b->group);
    out->corrections = ferry_arena_array(arena, U, sizeof *out->corrections);
    out->most_items = U;
    if (b->starts == NULL || b->input == NULL || b->behavior == NULL || b->bucket == NULL ||
        b->target_row == NULL || b->target == NULL || b->negative == NULL || b->value == NULL ||
        b->item == NULL || b->group == NULL || out->corrections == NULL)
        return ferry_fail_memory(error, "the batches");
    return FERRY_OK;
}

/* Where the item stands among the batch's; behind the last one if it was not there. */
static uint32_t place(ferry_batcher *batcher, uint32_t domain, uint32_t item)
{
    ferry_batch *b = &batcher->batch;
    if (batcher->stamp[domain][item] != batcher->now) {
        batcher->stamp[domain][item] = batcher->now;
        batcher->slot[domain][item] = (uint32_t)b->U;
        b->item[b->U++] = item;
        b->group[b->group_count - 1].count++;
    }
    return batcher->slot[domain][item];
}

static void begin_group(ferry_batch *b, uint32_t domain)
{
    b->group[b->group_count++] = (ferry_item_group){domain, (uint32_t)b->U, 0};
}

static uint32_t domain_of(const ferry_train_domain *domain, size_t event)
{
    return domain->event_domain != NULL ? domain->event_domain[event] : (uint32_t)domain->domain;
}

/* The events of a batch's user that are read: the last max_length + 1. */
static void events_of(const ferry_batcher *batcher, uint32_t user, size_t *first, size_t *end)
{
    const ferry_train_domain *domain = batcher->batch.domain;
    size_t most = batcher->net->config.sequence.max_length + 1;
    *end = domain->start[user + 1];
    *first = domain->start[user];
    if (*end - *first > most) *first = *end - most;
}

static bool is_target(const ferry_batcher *batcher, size_t event)
{
    const ferry_train_domain *domain = batcher->batch.domain;
    uint64_t wanted = batcher->options->target_behaviors;
    uint32_t behavior = domain->behavior != NULL ? domain->behavior[event] : 0;
    return domain_of(domain, event) == domain->domain &&
           (wanted == 0 || (behavior < 64 && (wanted >> behavior & 1) != 0));
}

/* Rows and targets, and the items of the domain itself. */
static void pack_rows(ferry_batcher *batcher, const uint32_t *users, size_t count)
{
    ferry_batch *b = &batcher->batch;
    const ferry_train_domain *domain = b->domain;
    size_t buckets = batcher->net->config.time_buckets;
    for (size_t s = 0; s < count; s++) {
        size_t first, end;
        events_of(batcher, users[s], &first, &end);
        for (size_t e = first; e + 1 < end; e++, b->P++) {
            bool known = domain->timestamp != NULL && e > domain->start[users[s]];
            b->behavior[b->P] = domain->behavior != NULL ? domain->behavior[e] : 0;
            b->bucket[b->P] = known ? (uint8_t)ferry_net_time_bucket(domain->timestamp[e - 1],
                                                                     domain->timestamp[e], buckets)
                                    : 0;
            if (domain_of(domain, e) == domain->domain)
                b->input[b->P] = place(batcher, (uint32_t)domain->domain, domain->item[e]);
            if (!is_target(batcher, e + 1)) continue;
            b->target_row[b->R] = (uint32_t)b->P;
            b->target[b->R] = place(batcher, (uint32_t)domain->domain, domain->item[e + 1]);
            if (domain->value != NULL) b->value[b->R] = domain->value[e + 1];
            b->R++;
        }
        b->starts[s + 1] = b->P;
    }
    b->sequences = count;
}

/* The inputs of other domains, domain after domain, behind the candidates. */
static void place_foreign(ferry_batcher *batcher, const uint32_t *users, size_t count)
{
    ferry_batch *b = &batcher->batch;
    for (size_t i = 0; i < batcher->domain_count && b->domain->event_domain != NULL; i++) {
        uint32_t other = (uint32_t)batcher->domains[i].domain;
        if (other == b->domain->domain) continue;
        begin_group(b, other);
        for (size_t s = 0; s < count; s++) {
            size_t first, end;
            events_of(batcher, users[s], &first, &end);
            for (size_t e = first; e + 1 < end; e++) {
                if (b->domain->event_domain[e] == other)
                    b->input[b->starts[s] + (e - first)] =
                        place(batcher, other, b->domain->item[e]);
            }
        }
    }
}

/* log(1 - (1 - p)^T (1 - 1/n)^K): the chance that an item of share p is a candidate at all. */
static void correct(ferry_batcher *batcher, size_t which, size_t n)
{
    ferry_batch *b = &batcher->batch;
    double missed = ferry_power(1 - 1.0 / (double)n, batcher->options->samples);
    for (size_t m = 0; m < b->M; m++) {
        double rest = ferry_power(batcher->rest[which][b->item[m]], b->R) * missed;
        batcher->corrections[m] = (float)ferry_log(1 - rest + 1e-12);
    }
    b->correction = batcher->corrections;
}

static void draw_candidates(ferry_batcher *batcher, size_t which, ferry_random *random)
{
    ferry_batch *b = &batcher->batch;
    const ferry_train_options *options = batcher->options;
    const ferry_train_fixed *fixed = batcher->fixed;
    uint32_t domain = (uint32_t)b->domain->domain;
    uint32_t n = (uint32_t)batcher->net->domain[domain].item_count;
    if (options->objective == FERRY_OBJECTIVE_BPR) {
        for (size_t r = 0; r < b->R; r++) {
            uint32_t drawn;
            do drawn = ferry_random_below(random, n);
            while (n > 1 && drawn == b->item[b->target[r]]);
            if (fixed != NULL && fixed->negatives != NULL)
                drawn = fixed->negatives[b->item[b->target[r]]];
            b->negative[r] = place(batcher, domain, drawn);
        }
    } else if (options->objective == FERRY_OBJECTIVE_SOFTMAX && options->samples == 0) {
        for (uint32_t i = 0; i < n; i++) place(batcher, domain, i);
    } else if (options->objective == FERRY_OBJECTIVE_SOFTMAX) {
        size_t draws =
            fixed != NULL && fixed->candidates != NULL ? fixed->candidate_count : options->samples;
        for (size_t i = 0; i < draws; i++)
            place(batcher, domain,
                  fixed != NULL && fixed->candidates != NULL ? fixed->candidates[i]
                                                             : ferry_random_below(random, n));
    }
    b->M = b->U;
    b->correction = NULL;
    if (options->objective == FERRY_OBJECTIVE_SOFTMAX && options->samples > 0)
        correct(batcher, which, n);
}

void ferry_batcher_fill(ferry_batcher *batcher, const ferry_epoch *epoch,
                        const ferry_epoch_batch *which, uint64_t step)
{
    ferry_batch *b = &batcher->batch;
    const uint32_t *users = epoch->order[which->domain] + which->first;
    ferry_random random;
    ferry_random_seed(&random, batcher->options->seed, ferry_train_stream(FERRY_STREAM_STEP, step));
    if (++batcher->now ==
        0) { /* after 2^32 batches the old stamps could be mistaken for new ones */
        for (size_t i = 0; i < batcher->net->domain_count; i++)
            memset(batcher->stamp[i], 0,
                   batcher->net->domain[i].item_count * sizeof **batcher->stamp);
        batcher->now = 1;
    }
    b->domain = &batcher->domains[which->domain];
    b->P = b->R = b->U = b->M = b->group_count = 0;
    b->starts[0] = 0;
    begin_group(b, (uint32_t)b->domain->domain);
    pack_rows(batcher, users, which->count);
    draw_candidates(batcher, which->domain, &random);
    place_foreign(batcher, users, which->count);
}
