/* A data set of two domains and three users that a person can check, and its files. */
#ifndef FERRY_TESTS_SMALL_DATASET_H
#define FERRY_TESTS_SMALL_DATASET_H

#include "recsys/dataset.h"
#include "test.h"

enum { SMALL_DATASET_FILES = 3 };

/* The three files' bytes; buffers are to be freed. */
typedef struct small_dataset {
    ferry_buffer bytes[SMALL_DATASET_FILES];
    ferry_file files[SMALL_DATASET_FILES]; /* dataset.json, items.jsonl, events.safetensors */
} small_dataset;

/*
 * books: ada bought b1, b2 and viewed b1; bob bought b2. films: bob viewed f2; "eve\n" rated x.
 * Its arrays are static: only one at a time. Close it.
 */
static inline ferry_dataset *small_dataset_make(void)
{
    static const char *users[] = {"ada", "bob", "eve\n"};
    static const char *behaviors[] = {"purchase", "view", "rating"};
    static const char *const books[] = {"b1", "b2"}, *const films[] = {"f1", "f2", "x"};
    static uint32_t book_user[] = {0, 1}, book_start[] = {0, 3, 4}, book_item[] = {0, 1, 0, 1};
    static uint32_t film_user[] = {1, 2}, film_start[] = {0, 1, 2}, film_item[] = {1, 2};
    static uint8_t book_behavior[] = {0, 0, 1, 0}, book_part[] = {0, 1, 2, 0};
    static uint8_t film_behavior[] = {1, 2}, film_part[] = {0, 0};
    static float book_value[] = {0, 0, 2, 0}, book_weight[] = {1, 1, 0.5f, 1};
    static float film_value[] = {0, 4.5f}, film_weight[] = {1, -0.25f};
    static int64_t book_timestamp[] = {-5, 0, 1700000000, 7}, film_timestamp[] = {0, 1};
    static ferry_interactions domains[2];
    domains[0] = (ferry_interactions){.domain = "books",
                                      .item_count = 2,
                                      .user_count = 2,
                                      .event_count = 4,
                                      .items = books,
                                      .user = book_user,
                                      .start = book_start,
                                      .item = book_item,
                                      .behavior = book_behavior,
                                      .value = book_value,
                                      .weight = book_weight,
                                      .timestamp = book_timestamp,
                                      .part = book_part};
    domains[1] = (ferry_interactions){.domain = "films",
                                      .item_count = 3,
                                      .user_count = 2,
                                      .event_count = 2,
                                      .items = films,
                                      .user = film_user,
                                      .start = film_start,
                                      .item = film_item,
                                      .behavior = film_behavior,
                                      .value = film_value,
                                      .weight = film_weight,
                                      .timestamp = film_timestamp,
                                      .part = film_part};
    ferry_dataset *dataset;
    assert_int_equal(ferry_dataset_create(NULL, &dataset, NULL), FERRY_OK);
    dataset->users = users;
    dataset->user_count = 3;
    dataset->behaviors = behaviors;
    dataset->behavior_count = 3;
    dataset->domains = domains;
    dataset->domain_count = 2;
    return dataset;
}

static inline void small_dataset_write(const ferry_dataset *dataset, small_dataset *out)
{
    static const char *const names[] = {"dataset.json", "items.jsonl", "events.safetensors"};
    for (int i = 0; i < SMALL_DATASET_FILES; i++)
        ferry_buffer_init(&out->bytes[i], ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_dataset_write_json(dataset, NULL, NULL, &out->bytes[0], NULL), FERRY_OK);
    assert_int_equal(ferry_dataset_write_items(dataset, &out->bytes[1], NULL), FERRY_OK);
    assert_int_equal(ferry_dataset_write_events(dataset, &out->bytes[2], NULL), FERRY_OK);
    for (int i = 0; i < SMALL_DATASET_FILES; i++)
        out->files[i] = (ferry_file){names[i], out->bytes[i].data, out->bytes[i].size};
}

static inline void small_dataset_free(small_dataset *written)
{
    for (int i = 0; i < SMALL_DATASET_FILES; i++) ferry_buffer_free(&written->bytes[i]);
}

#endif
