/* What reading and writing a data set's files share. Internal to dataset_*.c. */
#ifndef FERRY_RECSYS_DATASET_FILES_H
#define FERRY_RECSYS_DATASET_FILES_H

#include "input/events.h"
#include "input/safetensors.h"
#include "recsys/dataset.h"

#define DATASET_FORMAT "ferry-dataset"
#define DATASET_JSON "dataset.json"
#define DATASET_ITEMS "items.jsonl"
#define DATASET_EVENTS "events.safetensors"
#define DATASET_USER_IDS "users.ids"
#define DATASET_USER_STARTS "users.starts"
enum { DATASET_VERSION = 1 };

/*
 * X(column, dtype, width, length): a domain's columns, tensors "DOMAIN.column" of
 * events.safetensors. length: USERS, STARTS (one more than users) or EVENTS. No column's name ends
 * in another's after a dot, so that no two domains' names give the same tensor.
 */
#define DATASET_COLUMN_LIST(X)   \
    X(user, I32, 4, USERS)       \
    X(start, I32, 4, STARTS)     \
    X(item, I32, 4, EVENTS)      \
    X(behavior, U8, 1, EVENTS)   \
    X(value, F32, 4, EVENTS)     \
    X(weight, F32, 4, EVENTS)    \
    X(timestamp, I64, 8, EVENTS) \
    X(part, U8, 1, EVENTS)

enum {
#define COLUMN(column, dtype, width, length) DATASET_COLUMN_##column,
    DATASET_COLUMN_LIST(COLUMN)
#undef COLUMN
        DATASET_COLUMNS
};

typedef enum ferry_dataset_length {
    DATASET_LENGTH_USERS,
    DATASET_LENGTH_STARTS,
    DATASET_LENGTH_EVENTS
} ferry_dataset_length;

typedef struct ferry_dataset_column {
    const char *name;
    ferry_dtype dtype;
    size_t width;
    ferry_dataset_length length;
} ferry_dataset_column;

extern const ferry_dataset_column ferry_dataset_columns[DATASET_COLUMNS];

static inline size_t ferry_dataset_column_length(const ferry_dataset_column *column, size_t users,
                                                 size_t events)
{
    return column->length == DATASET_LENGTH_EVENTS
               ? events
               : users + (column->length == DATASET_LENGTH_STARTS);
}

/* "DOMAIN.column", in the arena; NULL without memory. */
char *ferry_dataset_column_name(ferry_arena *arena, const char *domain, size_t column);

#endif
