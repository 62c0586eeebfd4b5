#include "eval/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

static const char *const list_names[] = {"itemcoverage", "giniindex", "shannonentropy"};

static double list_value(const ferry_list_metrics *lists, size_t which)
{
    return which == 0 ? lists->coverage : which == 1 ? lists->gini : lists->entropy;
}

/* ---- JSON; cJSON's functions pass a lack of memory on as NULL ---- */

static bool add_pair(cJSON *object, const char *name, double low, double high)
{
    const double pair[2] = {low, high};
    cJSON *array = cJSON_CreateDoubleArray(pair, 2);
    return array != NULL && cJSON_AddItemToObject(object, name, array);
}

/* "metrics" (or another key) and "intervals" of some figures. */
static bool add_figures(cJSON *object, const char *key, const ferry_eval_figure *figures,
                        size_t count, bool intervals)
{
    cJSON *means = cJSON_AddObjectToObject(object, key);
    cJSON *pairs = intervals ? cJSON_AddObjectToObject(object, "intervals") : NULL;
    if (means == NULL || (intervals && pairs == NULL)) return false;
    for (size_t i = 0; i < count; i++) {
        if (cJSON_AddNumberToObject(means, figures[i].name, figures[i].mean) == NULL) return false;
        if (intervals && !add_pair(pairs, figures[i].name, figures[i].low, figures[i].high))
            return false;
    }
    return true;
}

static bool add_lists(cJSON *object, const ferry_evaluation *evaluation)
{
    cJSON *metrics = cJSON_GetObjectItemCaseSensitive(object, "metrics");
    for (size_t i = 0; i < evaluation->k_count; i++) {
        for (size_t m = 0; m < sizeof list_names / sizeof *list_names; m++) {
            char name[64];
            snprintf(name, sizeof name, "%s@%zu", list_names[m], evaluation->ks[i]);
            double value = list_value(&evaluation->lists[i], m);
            if (cJSON_AddNumberToObject(metrics, name, value) == NULL) return false;
        }
    }
    return true;
}

static bool add_slices(cJSON *object, const ferry_evaluation *evaluation)
{
    cJSON *slices = cJSON_AddArrayToObject(object, "slices");
    if (slices == NULL) return false;
    for (size_t i = 0; i < evaluation->slice_count; i++) {
        const ferry_eval_slice *slice = &evaluation->slices[i];
        cJSON *entry = cJSON_CreateObject();
        if (entry == NULL || !cJSON_AddItemToArray(slices, entry) ||
            cJSON_AddStringToObject(entry, "by", slice->by) == NULL ||
            cJSON_AddStringToObject(entry, "of", slice->of) == NULL ||
            cJSON_AddNumberToObject(entry, "users", (double)slice->users) == NULL ||
            cJSON_AddNumberToObject(entry, "targets", (double)slice->targets) == NULL ||
            !add_figures(entry, "metrics", slice->figures, evaluation->k_count * FERRY_RANK_METRICS,
                         evaluation->resamples > 0))
            return false;
    }
    return true;
}

static bool add_about(cJSON *object, const ferry_eval_about *about)
{
    const ferry_eval_comparison *comparison = about->comparison;
    if (comparison != NULL) {
        cJSON *entry = cJSON_AddObjectToObject(object, "comparison");
        if (entry == NULL || cJSON_AddStringToObject(entry, "with", comparison->other) == NULL ||
            !add_figures(entry, "difference", comparison->figures, comparison->figure_count, true))
            return false;
    }
    if (about->fit_seconds > 0 || about->rank_seconds > 0) {
        cJSON *seconds = cJSON_AddObjectToObject(object, "seconds");
        if (seconds == NULL ||
            cJSON_AddNumberToObject(seconds, "fit", about->fit_seconds) == NULL ||
            cJSON_AddNumberToObject(seconds, "rank", about->rank_seconds) == NULL)
            return false;
    }
    return about->peak_memory == 0 ||
           cJSON_AddNumberToObject(object, "peak_memory", (double)about->peak_memory) != NULL;
}

static bool fill_json(cJSON *object, const ferry_evaluation *evaluation,
                      const ferry_eval_about *about)
{
    cJSON *ks;
    if (cJSON_AddStringToObject(object, "scorer", about->scorer) == NULL ||
        cJSON_AddStringToObject(object, "domain", evaluation->domain) == NULL ||
        cJSON_AddStringToObject(object, "part", evaluation->part) == NULL ||
        cJSON_AddNumberToObject(object, "users", (double)evaluation->user_count) == NULL ||
        cJSON_AddNumberToObject(object, "targets", (double)evaluation->target_count) == NULL ||
        cJSON_AddNumberToObject(object, "seen_targets", (double)evaluation->seen_targets) == NULL ||
        cJSON_AddNumberToObject(object, "items", (double)evaluation->items) == NULL ||
        cJSON_AddBoolToObject(object, "masked", !evaluation->keep_seen) == NULL ||
        (ks = cJSON_AddArrayToObject(object, "k")) == NULL)
        return false;
    for (size_t i = 0; i < evaluation->k_count; i++) {
        cJSON *k = cJSON_CreateNumber((double)evaluation->ks[i]);
        if (k == NULL || !cJSON_AddItemToArray(ks, k)) return false;
    }
    return add_figures(object, "metrics", evaluation->figures, evaluation->figure_count,
                       evaluation->resamples > 0) &&
           add_lists(object, evaluation) && add_slices(object, evaluation) &&
           add_about(object, about);
}

ferry_status ferry_evaluation_json(const ferry_evaluation *evaluation,
                                   const ferry_eval_about *about, ferry_buffer *out,
                                   ferry_error *error)
{
    cJSON *object = cJSON_CreateObject();
    bool written =
        object != NULL && fill_json(object, evaluation, about) && ferry_json_append(out, object);
    cJSON_Delete(object);
    return written ? FERRY_OK : ferry_fail_memory(error, "the evaluation's JSON");
}

/* ---- the table ---- */

__attribute__((format(printf, 2, 3))) static bool print(ferry_buffer *out, const char *format, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (size < 0) return false;
    size_t fits = (size_t)size < sizeof line ? (size_t)size : sizeof line - 1;
    return ferry_buffer_append(out, line, fits);
}

/* The figures' metrics, one a line with all its ks: figures come k by k, `stride` apart. */
static bool print_figures(ferry_buffer *out, const ferry_evaluation *evaluation,
                          const ferry_eval_figure *figures, size_t stride)
{
    for (size_t m = 0; m < stride; m++) {
        const char *name = figures[m].name;
        if (!print(out, "  %-18.*s", (int)strcspn(name, "@"), name)) return false;
        for (size_t i = 0; i < evaluation->k_count; i++) {
            const ferry_eval_figure *figure = &figures[i * stride + m];
            if (!print(out, "  %10.4f", figure->mean)) return false;
            if (evaluation->resamples > 0 &&
                !print(out, " [%.4f, %.4f]", figure->low, figure->high))
                return false;
        }
        if (!print(out, "\n")) return false;
    }
    return true;
}

static bool print_single(ferry_buffer *out, const ferry_eval_figure *figure, bool interval)
{
    return print(out, "  %-18s  %10.4f", figure->name, figure->mean) &&
           (!interval || print(out, " [%.4f, %.4f]", figure->low, figure->high)) &&
           print(out, "\n");
}

static bool print_lists(ferry_buffer *out, const ferry_evaluation *evaluation)
{
    int gap = evaluation->resamples > 0 ? 17 : 0;
    for (size_t m = 0; m < sizeof list_names / sizeof *list_names; m++) {
        if (!print(out, "  %-18s", list_names[m])) return false;
        for (size_t i = 0; i < evaluation->k_count; i++)
            if (!print(out, "  %10.4f%*s", list_value(&evaluation->lists[i], m), gap, ""))
                return false;
        if (!print(out, "\n")) return false;
    }
    return true;
}

/* Hit and NDCG at the k nearest to 10: the largest that is not above it, else the first. */
static bool print_slices(ferry_buffer *out, const ferry_evaluation *evaluation)
{
    size_t chosen = 0;
    for (size_t i = 0; i < evaluation->k_count; i++)
        if (evaluation->ks[i] <= 10) chosen = i;
    const size_t hit = chosen * FERRY_RANK_METRICS + FERRY_METRIC_HIT,
                 ndcg = chosen * FERRY_RANK_METRICS + FERRY_METRIC_NDCG;
    for (size_t i = 0; i < evaluation->slice_count; i++) {
        const ferry_eval_slice *slice = &evaluation->slices[i];
        if (!print(out, "  %-10s %-6s %8zu users %8zu targets  %s %.4f  %s %.4f\n", slice->by,
                   slice->of, slice->users, slice->targets, slice->figures[hit].name,
                   slice->figures[hit].mean, slice->figures[ndcg].name, slice->figures[ndcg].mean))
            return false;
    }
    return true;
}

static bool print_about(ferry_buffer *out, const ferry_eval_about *about)
{
    const ferry_eval_comparison *comparison = about->comparison;
    if (comparison != NULL) {
        if (!print(out, "\nless %s, paired\n", comparison->other)) return false;
        for (size_t i = 0; i < comparison->figure_count; i++) {
            const ferry_eval_figure *figure = &comparison->figures[i];
            if (!print(out, "  %-22s %+.4f [%+.4f, %+.4f]\n", figure->name, figure->mean,
                       figure->low, figure->high))
                return false;
        }
    }
    if ((about->fit_seconds > 0 || about->rank_seconds > 0) &&
        !print(out, "\n%.1f s to make, %.1f s to evaluate", about->fit_seconds,
               about->rank_seconds))
        return false;
    return about->peak_memory == 0 ||
           print(out, ", %.0f MB at most\n", (double)about->peak_memory / 1e6);
}

static bool fill_table(ferry_buffer *out, const ferry_evaluation *evaluation,
                       const ferry_eval_about *about)
{
    size_t stride = 0;
    while (strcmp(evaluation->figures[stride * evaluation->k_count].name, "accuracy") != 0)
        stride++;
    int width = evaluation->resamples > 0 ? 27 : 10;
    if (!print(out, "%s on %s, %s: %zu users, %zu targets among %zu items%s\n", about->scorer,
               evaluation->domain, evaluation->part, evaluation->user_count,
               evaluation->target_count, evaluation->items,
               evaluation->keep_seen ? ", seen items kept" : "") ||
        !print(out, "  %-18s", ""))
        return false;
    for (size_t i = 0; i < evaluation->k_count; i++)
        if (!print(out, "  %*s@%-*zu", 7, "", width - 8, evaluation->ks[i])) return false;
    if (!print(out, "\n") || !print_figures(out, evaluation, evaluation->figures, stride))
        return false;
    for (size_t i = stride * evaluation->k_count; i < evaluation->figure_count; i++)
        if (!print_single(out, &evaluation->figures[i], evaluation->resamples > 0)) return false;
    return print_lists(out, evaluation) && print(out, "\n") && print_slices(out, evaluation) &&
           print_about(out, about);
}

ferry_status ferry_evaluation_table(const ferry_evaluation *evaluation,
                                    const ferry_eval_about *about, ferry_buffer *out,
                                    ferry_error *error)
{
    return fill_table(out, evaluation, about) ? FERRY_OK
                                              : ferry_fail_memory(error, "the evaluation's table");
}
