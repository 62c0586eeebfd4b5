#include "recsys/split.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/names.h"
#include "base/random.h"
#include "input/excerpt.h"

/* ---- by each user's order ---- */

/* The last `test` of the user's events, and the `validation` before them. */
static void set_tail(ferry_interactions *domain, size_t user, size_t validation, size_t test)
{
    size_t begin = domain->start[user], end = domain->start[user + 1];
    for (size_t e = begin; e < end; e++) {
        size_t behind = end - e; /* this one included */
        domain->part[e] = behind <= test                ? FERRY_TEST
                          : behind <= test + validation ? FERRY_VALIDATION
                                                        : FERRY_TRAIN;
    }
}

static void leave_one_out(ferry_interactions *domain)
{
    for (size_t u = 0; u < domain->user_count; u++) {
        size_t count = domain->start[u + 1] - domain->start[u];
        set_tail(domain, u, count >= 3, count >= 2);
    }
}

/* Of one behaviour's events; the others that are left are before those that are held out. */
static ferry_status leave_one_target_out(const ferry_dataset *dataset, ferry_interactions *domain,
                                         const char *target, ferry_error *error)
{
    size_t b = 0;
    while (b < dataset->behavior_count && strcmp(dataset->behaviors[b], target) != 0) b++;
    if (b == dataset->behavior_count)
        return ferry_fail(error, FERRY_NOT_FOUND, "no event is a \"%s\"", target);
    for (size_t u = 0; u < domain->user_count; u++) {
        size_t count = 0;
        for (size_t e = domain->start[u]; e < domain->start[u + 1]; e++)
            count += domain->behavior[e] == b;
        set_tail(domain, u, count >= 3, count >= 2);
    }
    return FERRY_OK;
}

/* RecBole's rule: shares rounded down, the rest to training; a part that this leaves empty gets one
 * event, the test first, while training keeps one. */
static void split_ratio(ferry_interactions *domain, const double ratio[FERRY_PARTS])
{
    for (size_t u = 0; u < domain->user_count; u++) {
        size_t count = domain->start[u + 1] - domain->start[u];
        size_t sizes[FERRY_PARTS];
        for (int part = FERRY_VALIDATION; part <= FERRY_TEST; part++)
            sizes[part] = (size_t)(ratio[part] * (double)count);
        sizes[FERRY_TRAIN] = count - sizes[FERRY_VALIDATION] - sizes[FERRY_TEST];
        for (int part = FERRY_TEST; part > FERRY_TRAIN && sizes[FERRY_TRAIN] > 1; part--) {
            double expected = ratio[part] * (double)count;
            if (!(expected > 0 && expected < 1)) continue;
            sizes[part]++;
            sizes[FERRY_TRAIN]--;
        }
        set_tail(domain, u, sizes[FERRY_VALIDATION], sizes[FERRY_TEST]);
    }
}

/* ---- by time ---- */

static int by_time(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* All timestamps into times [total], which are to be known. */
static ferry_status gather_times(const ferry_dataset *dataset, int64_t *times, size_t total,
                                 ferry_error *error)
{
    size_t at = 0, unknown = 0;
    for (size_t d = 0; d < dataset->domain_count; d++) {
        const ferry_interactions *domain = &dataset->domains[d];
        for (size_t e = 0; e < domain->event_count; e++) {
            times[at++] = domain->timestamp[e];
            unknown += domain->timestamp[e] == 0;
        }
    }
    if (unknown == 0) return FERRY_OK;
    return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                      "a split by time needs every event's timestamp, %zu of %zu have none",
                      unknown, total);
}

static void set_by_time(ferry_dataset *dataset, int64_t validation, int64_t test)
{
    for (size_t d = 0; d < dataset->domain_count; d++) {
        ferry_interactions *domain = &dataset->domains[d];
        for (size_t e = 0; e < domain->event_count; e++) {
            int64_t time = domain->timestamp[e];
            domain->part[e] = time >= test         ? FERRY_TEST
                              : time >= validation ? FERRY_VALIDATION
                                                   : FERRY_TRAIN;
        }
    }
}

/* One clock for all domains, so that no history tells of another's future. */
static ferry_status split_time(ferry_dataset *dataset, const double ratio[FERRY_PARTS],
                               ferry_error *error)
{
    size_t total = 0;
    for (size_t d = 0; d < dataset->domain_count; d++) total += dataset->domains[d].event_count;
    if (total == 0) return FERRY_OK;
    const ferry_allocator *allocator = &dataset->arena.allocator;
    int64_t *times = ferry_allocate(allocator, total, sizeof *times);
    if (times == NULL) return ferry_fail_memory(error, "the timestamps");
    ferry_status status = gather_times(dataset, times, total, error);
    if (status == FERRY_OK) {
        qsort(times, total, sizeof *times, by_time);
        size_t train = (size_t)(ratio[FERRY_TRAIN] * (double)total);
        size_t before = (size_t)((ratio[FERRY_TRAIN] + ratio[FERRY_VALIDATION]) * (double)total);
        int64_t never = INT64_MAX;
        set_by_time(dataset, train < total ? times[train] : never,
                    before < total ? times[before] : never);
    }
    ferry_release(allocator, times, total * sizeof *times);
    return status;
}

/* ---- new users ---- */

/* Where the user's rows are in the domain, or SIZE_MAX. */
static size_t find_user(const ferry_interactions *domain, uint32_t user)
{
    size_t low = 0, high = domain->user_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (domain->user[middle] == user) return middle;
        if (domain->user[middle] < user)
            low = middle + 1;
        else
            high = middle;
    }
    return SIZE_MAX;
}

/* The places in the target of the users that have events in another domain too, into linked. */
static size_t gather_linked(const ferry_dataset *dataset, size_t target, uint32_t *linked)
{
    const ferry_interactions *domain = &dataset->domains[target];
    size_t count = 0;
    for (size_t u = 0; u < domain->user_count; u++) {
        bool elsewhere = false;
        for (size_t d = 0; d < dataset->domain_count && !elsewhere; d++)
            elsewhere = d != target && find_user(&dataset->domains[d], domain->user[u]) != SIZE_MAX;
        if (elsewhere) linked[count++] = (uint32_t)u;
    }
    return count;
}

static void set_user(ferry_interactions *domain, size_t user, ferry_part part)
{
    memset(domain->part + domain->start[user], (int)part,
           domain->start[user + 1] - domain->start[user]);
}

/* Moves the listed users to the front of linked [count]; how many they are. */
static ferry_status choose_listed(const ferry_dataset *dataset, const ferry_interactions *domain,
                                  const ferry_split_options *options, uint32_t *linked,
                                  size_t count, size_t *chosen, ferry_error *error)
{
    ferry_names listed;
    ferry_names_init(&listed, dataset->arena.allocator);
    bool fits = true;
    for (size_t i = 0; i < options->test_user_count && fits; i++) {
        uint32_t number;
        fits = ferry_names_add(&listed, options->test_users[i], &number, NULL);
    }
    *chosen = 0;
    for (size_t i = 0; i < count && fits; i++) {
        uint32_t place = linked[i];
        if (ferry_names_find(&listed, dataset->users[domain->user[place]]) == FERRY_NO_NAME)
            continue;
        linked[i] = linked[*chosen];
        linked[(*chosen)++] = place;
    }
    size_t wanted = listed.count;
    ferry_names_free(&listed);
    if (!fits) return ferry_fail_memory(error, "the test users");
    if (*chosen == wanted) return FERRY_OK;
    char name[FERRY_EXCERPT_SIZE];
    return ferry_fail(error, FERRY_NOT_FOUND,
                      "%zu of the %zu test users are not linked: they need events in \"%s\" and in "
                      "another domain",
                      wanted - *chosen, wanted,
                      ferry_excerpt(domain->domain, strlen(domain->domain), name));
}

static int by_place(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* linked [count]: some for the test, a fifth of the others for validation. */
static ferry_status assign_linked(ferry_dataset *dataset, ferry_interactions *domain,
                                  const ferry_split_options *options, uint32_t *linked,
                                  size_t count, ferry_error *error)
{
    ferry_random random;
    size_t test = (size_t)(options->share * (double)count);
    ferry_random_seed(&random, options->seed, 0);
    if (options->test_user_count > 0) {
        FERRY_TRY(choose_listed(dataset, domain, options, linked, count, &test, error));
        /* the order of the list has no say in who is drawn for validation */
        qsort(linked + test, count - test, sizeof *linked, by_place);
        ferry_random_shuffle(&random, linked + test, count - test);
    } else {
        ferry_random_shuffle(&random, linked, count);
    }
    size_t validation = (count - test) / 5;
    for (size_t i = 0; i < test + validation; i++)
        set_user(domain, linked[i], i < test ? FERRY_TEST : FERRY_VALIDATION);
    return FERRY_OK;
}

static ferry_status split_new_users(ferry_dataset *dataset, const ferry_split_options *options,
                                    ferry_error *error)
{
    size_t target;
    char name[FERRY_EXCERPT_SIZE];
    if (options->target == NULL)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "a split by new users needs the target domain's name");
    FERRY_TRY(ferry_dataset_find_domain(dataset, options->target, &target, error));
    ferry_interactions *domain = &dataset->domains[target];
    for (size_t d = 0; d < dataset->domain_count; d++)
        if (dataset->domains[d].event_count > 0)
            memset(dataset->domains[d].part, FERRY_TRAIN, dataset->domains[d].event_count);
    uint32_t *linked =
        ferry_allocate(&dataset->arena.allocator, domain->user_count + 1, sizeof *linked);
    if (linked == NULL) return ferry_fail_memory(error, "the linked users");
    size_t count = gather_linked(dataset, target, linked);
    ferry_status status =
        count > 0 ? assign_linked(dataset, domain, options, linked, count, error)
                  : ferry_fail(error, FERRY_INVALID_ARGUMENT,
                               "a split by new users needs users with events in \"%s\" and in "
                               "another domain, there are none",
                               ferry_excerpt(domain->domain, strlen(domain->domain), name));
    ferry_release(&dataset->arena.allocator, linked, (domain->user_count + 1) * sizeof *linked);
    return status;
}

ferry_status ferry_split_apply(ferry_dataset *dataset, const ferry_split_options *options,
                               ferry_error *error)
{
    if (options->split == FERRY_SPLIT_TIME) return split_time(dataset, options->ratio, error);
    if (options->split == FERRY_SPLIT_NEW_USER) return split_new_users(dataset, options, error);
    for (size_t d = 0; d < dataset->domain_count; d++) {
        if (options->split == FERRY_SPLIT_LOO && options->target_behavior != NULL)
            FERRY_TRY(leave_one_target_out(dataset, &dataset->domains[d], options->target_behavior,
                                           error));
        else if (options->split == FERRY_SPLIT_LOO)
            leave_one_out(&dataset->domains[d]);
        else
            split_ratio(&dataset->domains[d], options->ratio);
    }
    return FERRY_OK;
}
