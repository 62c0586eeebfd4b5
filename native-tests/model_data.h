/*
 * A catalogue of three domains with made-up vectors and a data set over two of them, of people who
 * keep to one of six tastes in both: enough of everything for each feature of a model.
 */
#ifndef FERRY_TESTS_MODEL_DATA_H
#define FERRY_TESTS_MODEL_DATA_H

#include "test.h"

#include <math.h>

#include "base/random.h"
#include "input/safetensors.h"
#include "recsys/model_files.h"
#include "train/fit.h"

enum {
    DATA_DOMAINS = 3, /* a and b have events, c has none */
    DATA_ITEMS = 132,
    DATA_VECTOR = 12,
    DATA_TASTES = 6,
    DATA_USERS = 240,
    DATA_WORD = 48,
    DATA_MOST = 9, /* events of one user in one domain */
};
static const size_t data_items[DATA_DOMAINS] = {64, 48, 20};

/* ---- items ---- */

typedef struct data_catalog {
    ferry_buffer items, about, vectors;
    ferry_catalog *catalog;
} data_catalog;

/* Items by number: a's, then b's, then c's. Beyond DATA_ITEMS: items of a that no data set has. */
static inline size_t data_domain(size_t number)
{
    if (number >= DATA_ITEMS) return 0;
    return number < data_items[0] ? 0 : number < data_items[0] + data_items[1] ? 1 : 2;
}

static inline size_t data_first(size_t domain)
{
    return domain == 0 ? 0 : domain == 1 ? data_items[0] : data_items[0] + data_items[1];
}

static inline void data_id(size_t number, char out[DATA_WORD])
{
    snprintf(out, DATA_WORD, "%c%zu", (int)("abc"[data_domain(number)]), number);
}

/* The words of an item: some are common, some are its alone. */
static inline void data_title(size_t number, char out[64])
{
    static const char *const words[] = {"red", "blue", "old", "new", "tale", "song", "box", "sea"};
    snprintf(out, 64, "%s %s %s n%zu", words[number % 6], words[number * 7 % 8],
             words[number * number % 5], number);
}

static inline void data_author(size_t number, char out[DATA_WORD])
{
    if (number % 5 == 4)
        out[0] = '\0';
    else
        snprintf(out, DATA_WORD, "Au %zu", number % 9);
}

static inline void data_tags(size_t number, char out[2][DATA_WORD])
{
    snprintf(out[0], DATA_WORD, "t%zu", number % DATA_TASTES);
    snprintf(out[1], DATA_WORD, "u%zu", number % 11);
}

static inline void data_vector(size_t number, float out[DATA_VECTOR])
{
    ferry_random taste, own;
    ferry_random_seed(&taste, 5, number % DATA_TASTES);
    ferry_random_seed(&own, 6, number);
    float square = 0.0f;
    for (size_t i = 0; i < DATA_VECTOR; i++) {
        out[i] = 0.5f + ferry_random_normal(&taste) + 0.6f * ferry_random_normal(&own);
        square += out[i] * out[i];
    }
    for (size_t i = 0; i < DATA_VECTOR; i++) out[i] /= sqrtf(square);
}

static inline void data_append(ferry_buffer *buffer, const char *text)
{
    assert_true(ferry_buffer_append(buffer, text, strlen(text)));
}

/* A catalogue of the items `order` [count] names, in that order. */
static inline void data_catalog_make(const size_t *order, size_t count, const char *text_model,
                                     const char *kernels, const ferry_allocator *allocator,
                                     data_catalog *out)
{
    float *vectors = malloc(count * DATA_VECTOR * sizeof *vectors);
    char line[512], id[DATA_WORD], title[64], author[DATA_WORD], tags[2][DATA_WORD];
    ferry_error error;
    assert_non_null(vectors);
    ferry_buffer_init(&out->items, ferry_allocator_or_default(NULL));
    ferry_buffer_init(&out->about, ferry_allocator_or_default(NULL));
    ferry_buffer_init(&out->vectors, ferry_allocator_or_default(NULL));
    for (size_t i = 0; i < count; i++) {
        data_id(order[i], id);
        data_title(order[i], title);
        data_author(order[i], author);
        data_tags(order[i], tags);
        data_vector(order[i], vectors + i * DATA_VECTOR);
        snprintf(line, sizeof line,
                 "{\"id\":\"%s\",\"domain\":\"%c\",\"title\":\"%s\",\"author\":\"%s\","
                 "\"tags\":[\"%s\",\"%s\"]}\n",
                 id, "abc"[data_domain(order[i])], title, author, tags[0], tags[1]);
        data_append(&out->items, line);
    }
    snprintf(line, sizeof line,
             "{\"format\":\"ferry-catalog\",\"version\":1,\"count\":%zu,\"dimension\":%d,"
             "\"text_model\":\"%s\",\"domains\":[]}",
             count, DATA_VECTOR, text_model);
    data_append(&out->about, line);
    ferry_tensor tensor = {.name = "text",
                           .dtype = FERRY_F32,
                           .rank = 2,
                           .shape = {count, DATA_VECTOR},
                           .count = count * DATA_VECTOR,
                           .data = vectors,
                           .size = count * DATA_VECTOR * sizeof *vectors};
    assert_int_equal(ferry_safetensors_write(&tensor, 1, NULL, 0, &out->vectors, NULL), FERRY_OK);
    free(vectors);
    ferry_file files[] = {{"catalog.json", out->about.data, out->about.size},
                          {"items.jsonl", out->items.data, out->items.size},
                          {"vectors.safetensors", out->vectors.data, out->vectors.size}};
    ferry_catalog_options options = {
        .size = sizeof options, .allocator = allocator, .kernels = kernels};
    if (ferry_catalog_open(files, 3, &options, &out->catalog, &error) != FERRY_OK)
        fail_msg("%s", error.message);
}

/* All items in their order. */
static inline void data_catalog_plain(const char *kernels, const ferry_allocator *allocator,
                                      data_catalog *out)
{
    size_t order[DATA_ITEMS];
    for (size_t i = 0; i < DATA_ITEMS; i++) order[i] = i;
    data_catalog_make(order, DATA_ITEMS, "by hand", kernels, allocator, out);
}

static inline void data_catalog_free(data_catalog *data)
{
    ferry_catalog_close(data->catalog);
    ferry_buffer_free(&data->items);
    ferry_buffer_free(&data->about);
    ferry_buffer_free(&data->vectors);
}

/* ---- events ---- */

static inline void *data_array(ferry_dataset *dataset, size_t count, size_t size)
{
    void *array = ferry_arena_array(&dataset->arena, count, size);
    assert_non_null(array);
    return array;
}

static inline void data_events_of(ferry_dataset *dataset, size_t d, size_t users)
{
    ferry_interactions *to = &dataset->domains[d];
    size_t n = data_items[d], most = users * DATA_MOST;
    const char **ids = data_array(dataset, n, sizeof *ids);
    for (size_t i = 0; i < n; i++) {
        char id[DATA_WORD];
        data_id(data_first(d) + i, id);
        ids[i] = ferry_arena_text(&dataset->arena, id, strlen(id));
    }
    *to = (ferry_interactions){.domain = d == 0 ? "a" : "b", .item_count = n, .items = ids};
    to->user = data_array(dataset, users, sizeof *to->user);
    to->start = data_array(dataset, users + 1, sizeof *to->start);
    to->item = data_array(dataset, most, sizeof *to->item);
    to->behavior = data_array(dataset, most, 1);
    to->value = data_array(dataset, most, sizeof *to->value);
    to->weight = data_array(dataset, most, sizeof *to->weight);
    to->timestamp = data_array(dataset, most, sizeof *to->timestamp);
    to->part = data_array(dataset, most, 1);
    for (size_t u = 0; u < users; u++) {
        ferry_random random;
        ferry_random_seed(&random, 8 + d, u);
        if (ferry_random_below(&random, 8) == 0) continue; /* most are in both domains */
        size_t count = 1 + ferry_random_below(&random, DATA_MOST), taste = u % DATA_TASTES;
        to->user[to->user_count++] = (uint32_t)u;
        for (size_t i = 0; i < count; i++) {
            size_t e = to->event_count++;
            size_t item = ferry_random_below(&random, (uint32_t)n);
            if (ferry_random_below(&random, 5) > 0) /* of the taste; a's and b's begin with it */
                item = (item / DATA_TASTES * DATA_TASTES + taste + 6 * DATA_TASTES -
                        data_first(d) % DATA_TASTES) %
                       n;
            to->item[e] = (uint32_t)item;
            to->behavior[e] = (uint8_t)ferry_random_below(&random, 2);
            to->weight[e] = to->behavior[e] == 0 ? 1.0f : 0.5f;
            to->value[e] = (float)(1 + ferry_random_below(&random, 5));
            to->timestamp[e] = (int64_t)(1000000 + 5000 * i + d);
            to->part[e] = count < 3 || i + 2 < count ? FERRY_TRAIN
                          : i + 2 == count           ? FERRY_VALIDATION
                                                     : FERRY_TEST;
        }
        to->start[to->user_count] = (uint32_t)to->event_count;
    }
}

static inline ferry_dataset *data_set_make(size_t users)
{
    ferry_dataset *dataset;
    assert_int_equal(ferry_dataset_create(NULL, &dataset, NULL), FERRY_OK);
    dataset->users = data_array(dataset, users, sizeof *dataset->users);
    for (size_t u = 0; u < users; u++) {
        char name[DATA_WORD];
        snprintf(name, sizeof name, "u%zu", u);
        dataset->users[u] = ferry_arena_text(&dataset->arena, name, strlen(name));
    }
    dataset->user_count = users;
    dataset->behaviors = data_array(dataset, 2, sizeof *dataset->behaviors);
    dataset->behaviors[0] = "purchase";
    dataset->behaviors[1] = "view";
    dataset->behavior_count = 2;
    dataset->domains = data_array(dataset, 2, sizeof *dataset->domains);
    dataset->domain_count = 2;
    for (size_t d = 0; d < 2; d++) data_events_of(dataset, d, users);
    return dataset;
}

/* ---- a model ---- */

static inline ferry_fit_options data_fit_options(ferry_pool *pool)
{
    ferry_fit_options options = ferry_fit_options_default();
    options.net.sequence.dim = 8;
    options.net.time_buckets = 4;
    options.net.adapter_rank = 2;
    options.train.trainable = FERRY_TRAIN_BOTH;
    options.train.epochs = 2;
    options.train.batch_positions = 128;
    options.train.samples = 32;
    options.train.pool = pool;
    options.train.seed = 3;
    return options;
}

/* Bound to the catalogue, and learned from it. */
static inline ferry_model *data_fit(ferry_dataset *dataset, const ferry_catalog *catalog,
                                    const ferry_fit_options *options, ferry_fit_report *report)
{
    static const size_t domains[] = {0, 1};
    ferry_error error = {0};
    ferry_model *model;
    if (ferry_dataset_bind(dataset, catalog, &error) != FERRY_OK) fail_msg("%s", error.message);
    if (ferry_fit(dataset, catalog, domains, 2, options, &model, report, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    return model;
}

enum { DATA_FILES = 3 };
typedef struct data_files {
    ferry_buffer bytes[DATA_FILES];
    ferry_file files[DATA_FILES]; /* ferry.json, items.jsonl, model.safetensors */
} data_files;

static inline void data_files_set(data_files *files)
{
    static const char *const names[] = {FERRY_MODEL_JSON, FERRY_MODEL_ITEMS, FERRY_MODEL_TENSORS};
    for (size_t i = 0; i < DATA_FILES; i++)
        files->files[i] = (ferry_file){names[i], files->bytes[i].data, files->bytes[i].size};
}

static inline void data_files_write(const ferry_model *model, data_files *out)
{
    for (size_t i = 0; i < DATA_FILES; i++)
        ferry_buffer_init(&out->bytes[i], ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_model_write_json(model, &out->bytes[0], NULL), FERRY_OK);
    assert_int_equal(ferry_model_write_items(model, &out->bytes[1], NULL), FERRY_OK);
    assert_int_equal(ferry_model_write_tensors(model, &out->bytes[2], NULL), FERRY_OK);
    data_files_set(out);
}

static inline void data_files_free(data_files *files)
{
    for (size_t i = 0; i < DATA_FILES; i++) ferry_buffer_free(&files->bytes[i]);
}

static inline ferry_model *data_load(const data_files *files, const ferry_catalog *catalog)
{
    ferry_error error = {0};
    ferry_model *model;
    ferry_files three = {files->files, DATA_FILES};
    if (ferry_model_load(catalog, three, NULL, &model, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    return model;
}

#endif
