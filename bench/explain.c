/*
 * What explanations take: cc -O2 -Iinclude bench/explain.c -o explain build/native/libferry.a -lm
 * -lpthread
 *
 *   explain CATALOG_DIR DOMAIN [MODEL_DIR]
 *
 * A line for each of five visitors of the domain, with 1 to 500 purchases of items far apart: the
 * best of five times of a top 10, of explaining its items one call each, and of a counterfactual.
 */
#define _POSIX_C_SOURCE 200809L
#include "ferry/ferry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { K = 10, STRIDE = 7919, TIMES = 5 };

static ferry_error error;

static void check(ferry_status status)
{
    if (status == FERRY_OK) return;
    fprintf(stderr, "explain: %s\n", error.message);
    exit(1);
}

static double milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static void keep_least(double begun, double *best)
{
    double took = milliseconds() - begun;
    if (*best == 0 || took < *best) *best = took;
}

static void measure(ferry_visitor *visitor, const char *domain, size_t events)
{
    ferry_recommend_options options = {
        .size = sizeof options, .k = K, .domains = &domain, .domain_count = 1};
    ferry_recommendation items[K];
    ferry_counterfactual *found = NULL;
    double list = 0, why = 0, without = 0;
    size_t count;
    for (int time = 0; time < TIMES; time++) {
        double begun = milliseconds();
        check(ferry_visitor_recommend(visitor, &options, items, &count, NULL, &error));
        keep_least(begun, &list);
        begun = milliseconds();
        for (size_t i = 0; i < count; i++) {
            ferry_explanation *explanation;
            check(ferry_visitor_explain(visitor, &options, items[i].item, &explanation, &error));
            ferry_explanation_free(explanation);
        }
        keep_least(begun, &why);
        begun = milliseconds();
        check(ferry_visitor_counterfactual(visitor, &options, &found, &error));
        keep_least(begun, &without);
        if (time + 1 < TIMES) ferry_counterfactual_free(found);
    }
    printf("%3zu events: list %.2f ms, its %zu items explained %.2f ms, counterfactual %.2f ms",
           events, list, count, why, without);
    if (found == NULL)
        puts(": none");
    else
        printf(": %zu events%s\n", found->event_count, found->smallest ? ", the fewest" : "");
    ferry_counterfactual_free(found);
}

int main(int argc, char **argv)
{
    static const size_t lengths[] = {1, 5, 12, 50, 500};
    ferry_catalog *catalog;
    ferry_model *model = NULL;
    if (argc < 3) return fprintf(stderr, "explain CATALOG_DIR DOMAIN [MODEL_DIR]\n"), 2;
    const char *domain = argv[2];
    check(ferry_catalog_open_directory(argv[1], NULL, &catalog, &error));
    if (argc > 3) check(ferry_model_open_directory(catalog, argv[3], &model, &error));
    size_t all = ferry_catalog_count(catalog), own = 0;
    ferry_item *items = calloc(all, sizeof *items);
    if (items == NULL) return 1;
    for (size_t i = 0; i < all; i++) {
        check(ferry_catalog_item(catalog, i, &items[own], &error));
        own += strcmp(items[own].domain, domain) == 0;
    }
    if (own == 0) return fprintf(stderr, "explain: no item in %s\n", domain), 1;
    printf("%zu items\n", own);
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        ferry_visitor *visitor;
        check(ferry_visitor_create(catalog, &visitor, &error));
        check(ferry_visitor_use(visitor, model, &error));
        for (size_t i = 0; i < lengths[l]; i++) {
            ferry_event event = {.item = items[(i * STRIDE + l) % own].id,
                                 .domain = domain,
                                 .behavior = FERRY_PURCHASE,
                                 .timestamp = 1000 + (int64_t)i * 5000};
            check(ferry_visitor_add(visitor, &event, &error));
        }
        measure(visitor, domain, lengths[l]);
        ferry_visitor_close(visitor);
    }
    free(items);
    ferry_model_close(model);
    ferry_catalog_close(catalog);
}
