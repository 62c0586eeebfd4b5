#include "eval/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "math/elementary.h"

void ferry_rank_discounts(double *out, size_t count)
{
    for (size_t i = 0; i < count; i++) out[i] = 1.0 / ferry_log2((double)(i + 2));
}

void ferry_rank_metrics(const uint32_t *ranks, size_t count, size_t k, const double *discounts,
                        double *out)
{
    double gain = 0.0, ideal = 0.0, precisions = 0.0;
    size_t hits = 0, within = count < k ? count : k;
    for (; hits < count && ranks[hits] <= k; hits++) {
        gain += discounts[ranks[hits] - 1];
        precisions += (double)(hits + 1) / ranks[hits];
    }
    for (size_t i = 0; i < within; i++) ideal += discounts[i];
    memset(out, 0, FERRY_RANK_METRICS * sizeof *out);
    if (hits == 0) return;
    out[FERRY_METRIC_HIT] = 1.0;
    out[FERRY_METRIC_RECALL] = (double)hits / (double)count;
    out[FERRY_METRIC_PRECISION] = (double)hits / (double)k;
    out[FERRY_METRIC_NDCG] = gain / ideal;
    out[FERRY_METRIC_MRR] = 1.0 / ranks[0];
    out[FERRY_METRIC_MAP] = precisions / (double)within;
}

/* ---- the lists of all users together ---- */

static int by_number(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

void ferry_list_metrics_of(uint32_t *counts, size_t items, ferry_list_metrics *out)
{
    *out = (ferry_list_metrics){0};
    qsort(counts, items, sizeof *counts, by_number);
    double total = 0.0, spread = 0.0;
    size_t listed = 0;
    for (size_t i = 0; i < items; i++) {
        total += counts[i];
        spread += (2.0 * (double)(i + 1) - (double)items - 1.0) * counts[i];
        listed += counts[i] > 0;
    }
    if (listed == 0) return;
    double entropy = 0.0;
    for (size_t i = items - listed; i < items; i++) {
        double p = counts[i] / total;
        entropy -= p * ferry_log(p);
    }
    out->coverage = (double)listed / (double)items;
    out->gini = spread / total / (double)items;
    out->entropy = entropy / (double)listed;
}
