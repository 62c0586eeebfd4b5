#include "eval/figures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "eval/bootstrap.h"
#include "math/elementary.h"

const char *ferry_part_name(ferry_part part)
{
    return part == FERRY_TRAIN ? "train" : part == FERRY_VALIDATION ? "validation" : "test";
}

static const char *const rank_metric_names[] = {
#define NAME(name, text) text,
    FERRY_RANK_METRIC_LIST(NAME)
#undef NAME
};

/* ---- names ---- */

/* "ndcg@10" in the arena; NULL without memory. */
static const char *make_name(ferry_arena *arena, const char *metric, size_t k)
{
    char name[64];
    int size = snprintf(name, sizeof name, "%s@%zu", metric, k);
    return ferry_arena_text(arena, name, (size_t)size);
}

const char *ferry_eval_metric_name(ferry_arena *arena, size_t metric, size_t k)
{
    return make_name(arena, rank_metric_names[metric], k);
}

/* The columns of out->values, in the order fill_user writes them. */
static bool name_columns(const ferry_eval_options *options, ferry_evaluation *out)
{
    size_t most = options->k_count * (FERRY_RANK_METRICS + 3) + 4, count = 0;
    out->columns = ferry_arena_array(&out->arena, most, sizeof *out->columns);
    if (out->columns == NULL) return false;
    for (size_t i = 0; i < options->k_count; i++) {
        size_t k = options->ks[i];
        for (size_t m = 0; m < FERRY_RANK_METRICS; m++)
            out->columns[count++] = ferry_eval_metric_name(&out->arena, m, k);
        out->columns[count++] = make_name(&out->arena, "averagepopularity", k);
        out->columns[count++] = make_name(&out->arena, "novelty", k);
        if (options->vectors != NULL)
            out->columns[count++] = make_name(&out->arena, "diversity", k);
    }
    out->columns[count++] = "accuracy";
    if (options->ratings) { /* sums, of which rmse and mae are made */
        out->columns[count++] = "squared_error";
        out->columns[count++] = "absolute_error";
        out->columns[count++] = "rated";
    }
    out->column_count = count;
    for (size_t i = 0; i < count; i++)
        if (out->columns[i] == NULL) return false;
    return true;
}

/* ---- popularity ---- */

typedef struct popularity {
    double *events; /* [items] of training */
    double *bits;   /* [items] self-information: -log2 of the share of users that have the item */
} popularity;

static ferry_status count_popularity(const ferry_interactions *domain, ferry_arena *arena,
                                     popularity *out, ferry_error *error)
{
    size_t n = domain->item_count, users = 0;
    out->events = ferry_arena_array(arena, n, sizeof *out->events);
    out->bits = ferry_arena_array(arena, n, sizeof *out->bits);
    size_t *last_row = ferry_arena_array(arena, n, sizeof *last_row); /* + 1 */
    if (out->events == NULL || out->bits == NULL || last_row == NULL)
        return ferry_fail_memory(error, "the items' popularity");
    for (size_t row = 0; row < domain->user_count; row++) {
        bool trains = false;
        for (size_t e = domain->start[row]; e < domain->start[row + 1]; e++) {
            if (domain->part[e] != FERRY_TRAIN) continue;
            uint32_t item = domain->item[e];
            trains = true;
            out->events[item] += 1.0;
            out->bits[item] += last_row[item] != row + 1; /* users, for now */
            last_row[item] = row + 1;
        }
        users += trains;
    }
    double all = users > 0 ? (double)users : 1.0;
    for (size_t i = 0; i < n; i++) out->bits[i] = ferry_log2(all / fmax(out->bits[i], 1.0));
    return FERRY_OK;
}

/* ---- values per user ---- */

static void sort_ranks(uint32_t *ranks, size_t count)
{
    for (size_t i = 1; i < count; i++) { /* one target, or a few */
        uint32_t moving = ranks[i];
        size_t at = i;
        for (; at > 0 && ranks[at - 1] > moving; at--) ranks[at] = ranks[at - 1];
        ranks[at] = moving;
    }
}

size_t ferry_eval_user(const ferry_eval_options *options, const ferry_eval_results *results,
                       size_t user, const unsigned char *chosen, unsigned char wanted,
                       const double *discounts, uint32_t *ranks, double *out)
{
    size_t count = 0;
    for (size_t t = results->first_target[user]; t < results->first_target[user + 1]; t++) {
        if (chosen == NULL || chosen[t] == wanted) ranks[count++] = results->rank[t];
    }
    sort_ranks(ranks, count);
    for (size_t i = 0; i < options->k_count; i++)
        ferry_rank_metrics(ranks, count, options->ks[i], discounts, out + i * FERRY_RANK_METRICS);
    return count;
}

/* Sums over the user's targets that have a value: squared errors, absolute ones, how many. */
static void rating_errors(const ferry_eval_results *results, size_t user, double *out)
{
    out[0] = out[1] = out[2] = 0.0;
    for (size_t t = results->first_target[user]; t < results->first_target[user + 1]; t++) {
        if (results->target_value[t] == 0.0f) continue;
        double wrong = (double)results->predicted[t] - (double)results->target_value[t];
        out[0] += wrong * wrong;
        out[1] += fabs(wrong);
        out[2] += 1.0;
    }
}

/* The mean of values over the first `size` of the list; 0 for an empty list. */
static double list_mean(const double *values, const uint32_t *list, size_t size)
{
    double sum = 0.0;
    for (size_t i = 0; i < size; i++) sum += values[list[i]];
    return size > 0 ? sum / (double)size : 0.0;
}

static void fill_user(const ferry_eval_options *options, const ferry_eval_results *results,
                      const popularity *popular, size_t user, const double *metrics, double *out)
{
    const uint32_t *list = results->list + user * results->longest;
    for (size_t i = 0; i < options->k_count; i++) {
        size_t size = results->list_size[user];
        if (size > options->ks[i]) size = options->ks[i];
        memcpy(out, metrics + i * FERRY_RANK_METRICS, FERRY_RANK_METRICS * sizeof *out);
        out += FERRY_RANK_METRICS;
        *out++ = list_mean(popular->events, list, size);
        *out++ = list_mean(popular->bits, list, size);
        if (options->vectors != NULL) *out++ = results->diversity[user * options->k_count + i];
    }
    double first = 0.0;
    for (size_t t = results->first_target[user]; t < results->first_target[user + 1]; t++)
        if (results->rank[t] == 1) first = 1.0;
    *out++ = first;
    if (options->ratings) rating_errors(results, user, out);
}

static ferry_status fill_values(const ferry_interactions *domain, const ferry_eval_options *options,
                                const ferry_eval_results *results, ferry_evaluation *out,
                                ferry_error *error)
{
    popularity popular;
    size_t users = results->user_count, cells, longest = options->ks[options->k_count - 1];
    FERRY_TRY(count_popularity(domain, results->arena, &popular, error));
    if (!ferry_size_multiply(users, out->column_count, &cells))
        return ferry_fail(error, FERRY_LIMIT, "%zu users", users);
    out->values = ferry_arena_array(&out->arena, cells, sizeof *out->values);
    out->users = ferry_arena_array(&out->arena, users, sizeof *out->users);
    double *discounts = ferry_arena_array(results->arena, longest, sizeof *discounts);
    uint32_t *ranks = ferry_arena_array(results->arena, results->target_count, sizeof *ranks);
    double *metrics =
        ferry_arena_array(results->arena, options->k_count * FERRY_RANK_METRICS, sizeof *metrics);
    if (out->values == NULL || out->users == NULL || discounts == NULL || ranks == NULL ||
        metrics == NULL)
        return ferry_fail_memory(error, "the metrics");
    ferry_rank_discounts(discounts, longest);
    for (size_t i = 0; i < users; i++) {
        out->users[i] = domain->user[results->rows[i]];
        ferry_eval_user(options, results, i, NULL, 0, discounts, ranks, metrics);
        fill_user(options, results, &popular, i, metrics, out->values + i * out->column_count);
    }
    return FERRY_OK;
}

/* ---- figures ---- */

void ferry_eval_rating_figures(const double *row, size_t columns, double *rmse, double *mae)
{
    const double *sums = row + columns - 3;
    *rmse = sums[2] > 0.0 ? sqrt(sums[0] / sums[2]) : 0.0;
    *mae = sums[2] > 0.0 ? sums[1] / sums[2] : 0.0;
}

/* Rows [count, columns] to rows [count, figures] in place: the columns that are figures, then rmse
 * and mae. There are fewer figures than columns. */
static void rows_to_figures(double *rows, size_t count, size_t columns, size_t figures,
                            bool ratings)
{
    if (!ratings) return;
    for (size_t i = 0; i < count; i++) {
        double rmse, mae;
        ferry_eval_rating_figures(rows + i * columns, columns, &rmse, &mae);
        memmove(rows + i * figures, rows + i * columns, (figures - 2) * sizeof *rows);
        rows[i * figures + figures - 2] = rmse;
        rows[i * figures + figures - 1] = mae;
    }
}

void ferry_eval_column_means(const double *values, size_t rows, size_t columns, double *out)
{
    memset(out, 0, columns * sizeof *out);
    for (size_t i = 0; i < rows; i++)
        for (size_t c = 0; c < columns; c++) out[c] += values[i * columns + c];
    for (size_t c = 0; c < columns; c++) out[c] /= (double)rows;
}

ferry_status ferry_eval_summary(const double *values, size_t rows, size_t columns, bool ratings,
                                const ferry_eval_options *options, ferry_arena *arena,
                                ferry_eval_figure *figures, ferry_error *error)
{
    size_t count = ratings ? columns - 1 : columns, samples = options->resamples, cells;
    if (!ferry_size_multiply(samples + 1, columns, &cells))
        return ferry_fail(error, FERRY_LIMIT, "%zu resamples", samples);
    double *means = ferry_arena_array(arena, cells, sizeof *means);
    double *scratch = ferry_arena_array(arena, samples + 2 * columns, sizeof *scratch);
    if (means == NULL || scratch == NULL) return ferry_fail_memory(error, "the figures");
    ferry_eval_column_means(values, rows, columns, means);
    rows_to_figures(means, 1, columns, count, ratings);
    for (size_t i = 0; i < count; i++)
        figures[i].mean = figures[i].low = figures[i].high = means[i];
    if (samples == 0) return FERRY_OK;
    FERRY_TRY(ferry_bootstrap_means(values, rows, columns, samples, options->seed, options->pool,
                                    &arena->allocator, means, error));
    rows_to_figures(means, samples, columns, count, ratings);
    double *low = scratch + samples, *high = low + columns;
    ferry_bootstrap_interval(means, samples, count, scratch, low, high);
    for (size_t i = 0; i < count; i++) {
        figures[i].low = low[i];
        figures[i].high = high[i];
    }
    return FERRY_OK;
}

static ferry_status summarise(const ferry_eval_options *options, ferry_arena *arena,
                              ferry_evaluation *out, ferry_error *error)
{
    size_t columns = out->column_count;
    out->figure_count = options->ratings ? columns - 1 : columns;
    out->figures = ferry_arena_array(&out->arena, out->figure_count, sizeof *out->figures);
    if (out->figures == NULL) return ferry_fail_memory(error, "the figures");
    for (size_t i = 0; i < out->figure_count; i++) out->figures[i].name = out->columns[i];
    if (options->ratings) {
        out->figures[out->figure_count - 2].name = "rmse";
        out->figures[out->figure_count - 1].name = "mae";
    }
    return ferry_eval_summary(out->values, out->user_count, columns, options->ratings, options,
                              arena, out->figures, error);
}

static ferry_status count_lists(const ferry_interactions *domain, const ferry_eval_options *options,
                                const ferry_eval_results *results, ferry_evaluation *out,
                                ferry_error *error)
{
    size_t n = domain->item_count;
    out->lists = ferry_arena_array(&out->arena, options->k_count, sizeof *out->lists);
    uint32_t *counts = ferry_arena_array(results->arena, n, sizeof *counts);
    if (out->lists == NULL || counts == NULL) return ferry_fail_memory(error, "the coverage");
    for (size_t i = 0; i < options->k_count; i++) {
        memset(counts, 0, n * sizeof *counts);
        for (size_t user = 0; user < results->user_count; user++) {
            const uint32_t *list = results->list + user * results->longest;
            for (size_t j = 0; j < results->list_size[user] && j < options->ks[i]; j++)
                counts[list[j]]++;
        }
        ferry_list_metrics_of(counts, n, &out->lists[i]);
    }
    return FERRY_OK;
}

/* ---- what was evaluated ---- */

static uint64_t mix_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++) hash = ferry_random_mix(hash + (unsigned char)*text);
    return hash;
}

static uint64_t fingerprint(const ferry_dataset *dataset, const ferry_eval_options *options,
                            const ferry_eval_results *results)
{
    const ferry_interactions *domain = &dataset->domains[options->domain];
    uint64_t hash = mix_text(domain->item_count, domain->domain);
    hash = mix_text(hash, ferry_part_name(options->part));
    for (size_t i = 0; i < results->user_count; i++) {
        hash = mix_text(hash, dataset->users[domain->user[results->rows[i]]]);
        for (size_t t = results->first_target[i]; t < results->first_target[i + 1]; t++)
            hash = mix_text(hash + 1, domain->items[results->target[t]]);
    }
    return hash;
}

/* Targets that are masked because the user has had them. */
static size_t count_seen(const ferry_interactions *domain, const ferry_eval_options *options,
                         const ferry_eval_results *results)
{
    size_t seen = 0;
    for (size_t i = 0; i < results->user_count; i++) {
        uint32_t row = results->rows[i];
        for (size_t t = results->first_target[i]; t < results->first_target[i + 1]; t++) {
            size_t e = domain->start[row], end = domain->start[row + 1];
            while (e < end &&
                   (domain->part[e] >= options->part || domain->item[e] != results->target[t] ||
                    (options->behavior != NULL && domain->behavior[e] != *options->behavior)))
                e++;
            seen += e < end;
        }
    }
    return seen;
}

static ferry_status describe(const ferry_dataset *dataset, const ferry_eval_options *options,
                             const ferry_eval_results *results, ferry_evaluation *out,
                             ferry_error *error)
{
    const ferry_interactions *domain = &dataset->domains[options->domain];
    out->domain = ferry_arena_text(&out->arena, domain->domain, strlen(domain->domain));
    out->part = ferry_part_name(options->part);
    out->items = domain->item_count;
    out->user_count = results->user_count;
    out->target_count = results->target_count;
    out->keep_seen = options->keep_seen;
    out->seen_targets = count_seen(domain, options, results);
    out->resamples = options->resamples;
    out->fingerprint = fingerprint(dataset, options, results);
    out->k_count = options->k_count;
    out->ks = ferry_arena_array(&out->arena, options->k_count, sizeof *out->ks);
    if (out->domain == NULL || out->ks == NULL || !name_columns(options, out))
        return ferry_fail_memory(error, "the metrics' names");
    memcpy(out->ks, options->ks, options->k_count * sizeof *out->ks);
    return FERRY_OK;
}

ferry_status ferry_eval_figures(const ferry_dataset *dataset, const ferry_eval_options *options,
                                const ferry_eval_results *results, ferry_evaluation *out,
                                ferry_error *error)
{
    const ferry_interactions *domain = &dataset->domains[options->domain];
    FERRY_TRY(describe(dataset, options, results, out, error));
    FERRY_TRY(fill_values(domain, options, results, out, error));
    FERRY_TRY(summarise(options, results->arena, out, error));
    FERRY_TRY(count_lists(domain, options, results, out, error));
    return ferry_eval_slices(dataset, options, results, out, error);
}
