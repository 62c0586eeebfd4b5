/* Users by length, cut into batches of about batch_positions; see RECIPE's recipe/seq.py. */
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "train/batch.h"

/* Inputs of a user: all but the last event, at most max_length. */
static size_t length_of(const ferry_train_domain *domain, size_t user, size_t max_length)
{
    size_t events = domain->start[user + 1] - domain->start[user];
    size_t length = events > 0 ? events - 1 : 0;
    return length < max_length ? length : max_length;
}

/* Users with a target into order, by ascending length; ties as they stand in from (shuffled). */
static uint32_t sort_by_length(const ferry_train_domain *domain, size_t max_length,
                               const uint32_t *from, uint32_t *order, uint32_t *counts)
{
    memset(counts, 0, (max_length + 2) * sizeof *counts);
    for (size_t u = 0; u < domain->user_count; u++) counts[length_of(domain, u, max_length) + 1]++;
    uint32_t none = counts[1];
    counts[0] = 0;
    for (size_t l = 1; l <= max_length + 1; l++) counts[l] += counts[l - 1];
    for (size_t i = 0; i < domain->user_count; i++) {
        size_t length = length_of(domain, from[i], max_length);
        if (length > 0) order[counts[length]++ - none] = from[i];
    }
    return (uint32_t)domain->user_count - none;
}

/* As many users as fit if each were as long as the longest: count * L <= batch_positions. */
static uint32_t cut(const ferry_train_domain *domain, const uint32_t *order, uint32_t count,
                    uint32_t which, size_t max_length, size_t positions, ferry_epoch *epoch,
                    bool write)
{
    uint32_t batches = 0;
    for (uint32_t i = 0, j; i < count; i = j) {
        size_t rows = 0;
        for (j = i; j < count; j++) {
            size_t length = length_of(domain, order[j], max_length);
            if ((j - i + 1) * length > (positions > length ? positions : length)) break;
            rows += length;
        }
        if (rows > epoch->most_rows) epoch->most_rows = rows;
        if (j - i > epoch->most_sequences) epoch->most_sequences = j - i;
        if (write)
            epoch->batch[epoch->batch_count + batches] = (ferry_epoch_batch){which, i, j - i};
        batches++;
    }
    return batches;
}

ferry_status ferry_epoch_create(ferry_arena *arena, const ferry_train_domain *domains,
                                size_t domain_count, size_t max_length, size_t batch_positions,
                                ferry_epoch *out, ferry_error *error)
{
    size_t most_users = max_length + 2;
    *out = (ferry_epoch){0};
    out->order = ferry_arena_array(arena, domain_count, sizeof *out->order);
    out->order_count = ferry_arena_array(arena, domain_count, sizeof *out->order_count);
    if (out->order == NULL || out->order_count == NULL)
        return ferry_fail_memory(error, "the order of the users");
    for (size_t i = 0; i < domain_count; i++) {
        if (domains[i].user_count > most_users) most_users = domains[i].user_count;
        out->order[i] = ferry_arena_array(arena, domains[i].user_count, sizeof **out->order);
        if (out->order[i] == NULL) return ferry_fail_memory(error, "the order of the users");
    }
    out->by_length = ferry_arena_array(arena, 2 * most_users, sizeof *out->by_length);
    if (out->by_length == NULL) return ferry_fail_memory(error, "the order of the users");
    uint32_t batches = 0;
    for (uint32_t i = 0; i < domain_count; i++) { /* the lengths alone decide how many there are */
        uint32_t *users = out->by_length + most_users;
        for (uint32_t u = 0; u < domains[i].user_count; u++) users[u] = u;
        out->order_count[i] =
            sort_by_length(&domains[i], max_length, users, out->order[i], out->by_length);
        batches += cut(&domains[i], out->order[i], out->order_count[i], i, max_length,
                       batch_positions, out, false);
    }
    if (batches == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "nobody has two events to learn from in any domain");
    out->batch = ferry_arena_array(arena, batches, sizeof *out->batch);
    out->permutation = ferry_arena_array(arena, batches, sizeof *out->permutation);
    if (out->batch == NULL || out->permutation == NULL)
        return ferry_fail_memory(error, "the order of the batches");
    for (uint32_t i = 0; i < domain_count; i++)
        out->batch_count += cut(&domains[i], out->order[i], out->order_count[i], i, max_length,
                                batch_positions, out, true);
    return FERRY_OK;
}

void ferry_epoch_begin(ferry_epoch *epoch, const ferry_train_domain *domains, size_t domain_count,
                       size_t max_length, uint64_t seed, size_t number)
{
    ferry_random random;
    ferry_random_seed(&random, seed, ferry_train_stream(FERRY_STREAM_EPOCH, number));
    for (size_t i = 0; i < domain_count; i++) {
        size_t users = domains[i].user_count;
        uint32_t *shuffled = epoch->by_length + (users > max_length + 2 ? users : max_length + 2);
        for (uint32_t u = 0; u < users; u++) shuffled[u] = u;
        ferry_random_shuffle(&random, shuffled, users);
        sort_by_length(&domains[i], max_length, shuffled, epoch->order[i], epoch->by_length);
    }
    for (uint32_t b = 0; b < epoch->batch_count; b++) epoch->permutation[b] = b;
    ferry_random_shuffle(&random, epoch->permutation, epoch->batch_count);
}
