/* The shop of golden/model, with its model, for the tests of what a visitor does there. */
#ifndef FERRY_TESTS_GOLDEN_SHOP_H
#define FERRY_TESTS_GOLDEN_SHOP_H

#include "golden.h"

#include <math.h>

#include "recsys/visitor.h"

enum { MOST = 100 };

typedef struct shop {
    ferry_catalog *catalog;
    ferry_model *model;
} shop;

static inline void check(ferry_status status, const ferry_error *error)
{
    if (status != FERRY_OK) fail_msg("%s", error->message);
}

static inline void open_shop(const ferry_allocator *allocator, shop *out)
{
    ferry_error error;
    ferry_catalog_options options = {.size = sizeof options, .allocator = allocator};
    check(ferry_catalog_open_directory(golden_path("model/shop"), &options, &out->catalog, &error),
          &error);
    assert_true(out->catalog->count <= MOST);
    check(ferry_model_open_directory(out->catalog, golden_path("model/shop/model"), &out->model,
                                     &error),
          &error);
}

static inline int open_fixture(void **state)
{
    *state = calloc(1, sizeof(shop));
    assert_non_null(*state);
    open_shop(NULL, *state);
    return 0;
}

static inline int close_fixture(void **state)
{
    shop *s = *state;
    ferry_model_close(s->model);
    ferry_catalog_close(s->catalog);
    free(s);
    return 0;
}

static inline ferry_visitor *visitor_of(const shop *s, bool learned)
{
    ferry_error error;
    ferry_visitor *visitor;
    check(ferry_visitor_create(s->catalog, &visitor, &error), &error);
    if (learned) check(ferry_visitor_use(visitor, s->model, &error), &error);
    return visitor;
}

static inline void add(ferry_visitor *visitor, const char *item, ferry_behavior behavior,
                       int64_t time)
{
    ferry_error error;
    ferry_event event = {.item = item, .behavior = behavior, .timestamp = time};
    check(ferry_visitor_add(visitor, &event, &error), &error);
}

/* All scores by item; those that are not recommended are NAN. */
static inline ferry_status scores_of(ferry_visitor *visitor, ferry_recommend_options options,
                                     float scores[MOST])
{
    ferry_recommendation items[MOST];
    size_t count;
    options.size = sizeof options;
    options.k = MOST;
    options.keep_seen = options.keep_disliked = options.keep_duplicates = true;
    for (size_t i = 0; i < MOST; i++) scores[i] = NAN;
    ferry_status status = ferry_visitor_recommend(visitor, &options, items, &count, NULL, NULL);
    for (size_t i = 0; i < count; i++) scores[items[i].item] = items[i].score;
    return status;
}

static inline size_t item_of(const shop *s, const char *id)
{
    size_t index;
    assert_int_equal(ferry_catalog_find(s->catalog, NULL, id, &index, NULL), FERRY_OK);
    return index;
}

static inline void assert_bytes(const void *a, const void *b, size_t size, const char *what)
{
    if (size > 0 && memcmp(a, b, size) != 0) fail_msg("%s differ", what);
}

#endif
