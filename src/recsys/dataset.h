/*
 * What people did, made ready: users and items numbered, events ordered and divided into parts.
 *
 * On disk a directory of three files, which `ferry prepare` writes (docs/data.md has every field):
 * dataset.json (domains, behaviours, how it was made), items.jsonl (the items, as `ferry catalog`
 * reads them) and events.safetensors (the users' ids and each domain's columns).
 */
#ifndef FERRY_RECSYS_DATASET_H
#define FERRY_RECSYS_DATASET_H

#include "base/files.h"
#include "base/json.h"
#include "base/memory.h"
#include "recsys/catalog.h"

enum {
    FERRY_MAX_EVENTS = 1 << 30, /* of a data set */
    FERRY_MAX_BEHAVIORS = 255,  /* of a data set */
    FERRY_MAX_DATA_DOMAINS = 4096,
};

typedef enum ferry_part { FERRY_TRAIN, FERRY_VALIDATION, FERRY_TEST, FERRY_PARTS } ferry_part;

/* One domain's events: users' rows one after the other, each oldest first. */
typedef struct ferry_interactions {
    const char *domain;
    size_t item_count, user_count, event_count;
    const char *const *items; /* [item_count] ids */
    uint32_t *user;           /* [user_count] index into ferry_dataset.users, ascending */
    uint32_t *start;          /* [user_count + 1] each user has at least one event */
    uint32_t *item;           /* [event_count] */
    uint8_t *behavior;        /* [event_count] index into ferry_dataset.behaviors */
    float *value;             /* [event_count] as given (a rating's stars, a count); 0 if none */
    float *weight;      /* [event_count] normalised, see docs/data.md; 1 if nothing is known */
    int64_t *timestamp; /* [event_count] seconds since 1970, 0 if unknown */
    uint8_t *part;      /* [event_count] ferry_part; a user's parts never go down */
} ferry_interactions;

typedef struct ferry_dataset {
    ferry_arena arena; /* everything below */
    const char **users;
    size_t user_count; /* ids; a user is one across domains */
    const char **behaviors;
    size_t behavior_count; /* names: "purchase", "view", "rating", "cart"… */
    ferry_interactions *domains;
    size_t domain_count;
} ferry_dataset;

/* An empty one, to be filled in; its arrays are to lie in its arena. */
ferry_status ferry_dataset_create(const ferry_allocator *allocator, ferry_dataset **out,
                                  ferry_error *error);
void ferry_dataset_close(ferry_dataset *dataset);

/* Copies what it needs of the three files, after checking all of it. */
ferry_status ferry_dataset_load(ferry_files files, const ferry_allocator *allocator,
                                ferry_dataset **out, ferry_error *error);

/* The domain of that name; NOT_FOUND lists those there are. */
ferry_status ferry_dataset_find_domain(const ferry_dataset *dataset, const char *name, size_t *out,
                                       ferry_error *error);

/*
 * Renumbers every domain's items to the catalogue's order within the domain: item_count and items
 * become the catalogue's, whose ids are borrowed. NOT_FOUND names the first item that the catalogue
 * lacks and says how many there are; the data set is then as it was.
 */
ferry_status ferry_dataset_bind(ferry_dataset *dataset, const ferry_catalog *catalog,
                                ferry_error *error);

/* Leaves a domain the training and validation events of `users` of its users, drawn by the seed;
 * what is tested stays. All if there are no more. */
ferry_status ferry_dataset_limit(ferry_dataset *dataset, size_t domain, size_t users, uint64_t seed,
                                 ferry_error *error);

/* ---- files ---- */

/* Each appends the bytes of one file. settings and report, of dataset.json, may be NULL. The items
 * written are bare, {"id","domain"}. */
ferry_status ferry_dataset_write_json(const ferry_dataset *dataset, const cJSON *settings,
                                      const cJSON *report, ferry_buffer *out, ferry_error *error);
ferry_status ferry_dataset_write_items(const ferry_dataset *dataset, ferry_buffer *out,
                                       ferry_error *error);
ferry_status ferry_dataset_write_events(const ferry_dataset *dataset, ferry_buffer *out,
                                        ferry_error *error);

/* ---- directories (api/dataset_directory.c; native only) ---- */

ferry_status ferry_dataset_open_directory(const char *path, const ferry_allocator *allocator,
                                          ferry_dataset **out, ferry_error *error);

/* items NULL: bare ones. The directory is opened only once all of it is there. */
ferry_status ferry_dataset_save_directory(const ferry_dataset *dataset, const char *path,
                                          const ferry_buffer *items, const cJSON *settings,
                                          const cJSON *report, ferry_error *error);

#endif
