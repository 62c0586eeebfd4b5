/* Conditions on items' fields: "price<20", "tags has vegan". docs/ranking.md has the language. */
#ifndef FERRY_RANK_WHERE_H
#define FERRY_RANK_WHERE_H

#include "recsys/fields.h"

/* X(name, text), longer texts before what they begin with; "==" is read as "=". */
#define FERRY_WHERE_OPERATOR_LIST(X) \
    X(SAME, "==")                    \
    X(UNEQUAL, "!=")                 \
    X(LESS_EQUAL, "<=")              \
    X(GREATER_EQUAL, ">=")           \
    X(EQUAL, "=")                    \
    X(LESS, "<")                     \
    X(GREATER, ">")                  \
    X(CONTAINS, "~")                 \
    X(HAS, "has")

typedef enum ferry_where_operator {
#define FERRY_WHERE_ENUM(name, text) FERRY_WHERE_##name,
    FERRY_WHERE_OPERATOR_LIST(FERRY_WHERE_ENUM)
#undef FERRY_WHERE_ENUM
        FERRY_WHERE_OPERATOR_COUNT
} ferry_where_operator;

typedef struct ferry_condition {
    const char *field;
    ferry_where_operator comparison;
    const char *text; /* [size] and a NUL: the value; for CONTAINS in lower case */
    size_t size;
    bool is_number; /* without quotes, and a number */
    double number;
} ferry_condition;

/* Texts go to the arena. INVALID_ARGUMENT names the condition and the place in it. */
ferry_status ferry_condition_parse(const char *text, ferry_arena *arena, ferry_condition *out,
                                   ferry_error *error);

/* Sets kept [catalog->count] to 0 for the items that do not meet the condition, whose field's
 * column was read (ferry_fields_read). */
ferry_status ferry_condition_apply(const ferry_condition *condition, ferry_fields *fields,
                                   unsigned char *kept, ferry_error *error);

#endif
