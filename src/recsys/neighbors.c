#include "recsys/neighbors.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

/* One row in the making: dense sums, and which of them are in use. */
typedef struct row_builder {
    float *sum;        /* [n] */
    uint8_t *mark;     /* [n] */
    uint32_t *touched; /* [n] */
    size_t count;
    ferry_buffer columns, weights; /* of the rows so far */
} row_builder;

static void add(row_builder *row, uint32_t column, float weight)
{
    row->sum[column] = row->sum[column] + weight;
    if (row->mark[column]) return;
    row->mark[column] = 1;
    row->touched[row->count++] = column;
}

/* Ascending columns: a shell sort, as rows are a few hundred long and come nearly in order. */
static void sort_columns(uint32_t *columns, size_t count)
{
    for (size_t gap = count / 2; gap > 0; gap /= 2) {
        for (size_t i = gap; i < count; i++) {
            uint32_t moving = columns[i];
            size_t place = i;
            for (; place >= gap && columns[place - gap] > moving; place -= gap)
                columns[place] = columns[place - gap];
            columns[place] = moving;
        }
    }
}

/* Appends the row, each sum times from * to[column], and clears it. */
static bool finish_row(row_builder *row, float from, const float *to)
{
    sort_columns(row->touched, row->count);
    if (!ferry_buffer_append(&row->columns, row->touched, row->count * sizeof *row->touched) ||
        !ferry_buffer_reserve(&row->weights, row->count * sizeof(float)))
        return false;
    for (size_t i = 0; i < row->count; i++) {
        uint32_t column = row->touched[i];
        float weight = from * row->sum[column] * to[column];
        if (!ferry_buffer_append(&row->weights, &weight, sizeof weight)) return false;
        row->sum[column] = 0.0f;
        row->mark[column] = 0;
    }
    row->count = 0;
    return true;
}

/* What both kinds of neighbours have in common while they are made. */
typedef struct table_builder {
    ferry_arena scratch;
    row_builder row;
    uint32_t *start; /* [rows + 1], in the result's arena */
    float *to;       /* [n] 1 / sqrt(count + smooth) */
} table_builder;

static bool begin(table_builder *b, const ferry_allocator *allocator, size_t rows, size_t n,
                  ferry_neighbors *out)
{
    ferry_allocator used = ferry_allocator_or_default(allocator);
    *b = (table_builder){0};
    *out = (ferry_neighbors){0};
    ferry_arena_init(&b->scratch, used);
    ferry_arena_init(&out->arena, used);
    ferry_buffer_init(&b->row.columns, used);
    ferry_buffer_init(&b->row.weights, used);
    b->row.sum = ferry_arena_array(&b->scratch, n, sizeof *b->row.sum);
    b->row.mark = ferry_arena_array(&b->scratch, n, sizeof *b->row.mark);
    b->row.touched = ferry_arena_array(&b->scratch, n, sizeof *b->row.touched);
    b->to = ferry_arena_array(&b->scratch, n, sizeof *b->to);
    b->start = ferry_arena_array(&out->arena, rows + 1, sizeof *b->start);
    out->table = (ferry_sparse){.rows = rows, .columns = n, .start = b->start};
    return b->row.sum != NULL && b->row.mark != NULL && b->row.touched != NULL && b->to != NULL &&
           b->start != NULL;
}

static bool next_row(table_builder *b, size_t row, float from)
{
    if (!finish_row(&b->row, from, b->to)) return false;
    size_t count = b->row.columns.size / sizeof(uint32_t);
    if (count > UINT32_MAX) return false;
    b->start[row + 1] = (uint32_t)count;
    return true;
}

/* Moves the rows into the arena if all went well; ends the builder in any case. */
static ferry_status finish(table_builder *b, ferry_neighbors *out, ferry_status status,
                           ferry_error *error)
{
    if (status == FERRY_OK) {
        size_t count = b->row.columns.size / sizeof(uint32_t);
        uint32_t *columns = ferry_arena_array(&out->arena, count, sizeof *columns);
        float *weights = ferry_arena_array(&out->arena, count, sizeof *weights);
        if (columns == NULL || weights == NULL) {
            status = ferry_fail_memory(error, "the neighbours");
        } else if (count > 0) {
            memcpy(columns, b->row.columns.data, count * sizeof *columns);
            memcpy(weights, b->row.weights.data, count * sizeof *weights);
        }
        out->table.column = columns;
        out->table.value = weights;
    }
    ferry_buffer_free(&b->row.columns);
    ferry_buffer_free(&b->row.weights);
    ferry_arena_free(&b->scratch);
    if (status != FERRY_OK) ferry_neighbors_free(out);
    return status;
}

/* ---- in a sequence ---- */

/* Adds what lies around every occurrence of the item; places and users of its occurrences. */
static void add_occurrences(row_builder *row, const ferry_sparse *sequences, const uint32_t *places,
                            const uint32_t *users, size_t count, const ferry_sequence_options *o)
{
    for (size_t k = 0; k < count; k++) {
        size_t begins = sequences->start[users[k]], ends = sequences->start[users[k] + 1];
        size_t place = places[k];
        size_t first = place - begins > o->window ? place - o->window : begins;
        size_t last = ends - 1 - place > o->window ? place + o->window : ends - 1;
        for (size_t i = first; i < place; i++)
            add(row, sequences->column[i], o->backward / (float)(place - i));
        for (size_t i = place + 1; i <= last; i++)
            add(row, sequences->column[i], 1.0f / (float)(i - place));
    }
}

static ferry_status build_sequence(table_builder *b, const ferry_sparse *sequences,
                                   const ferry_sequence_options *o, ferry_error *error)
{
    size_t n = sequences->columns, events = sequences->start[sequences->rows];
    uint32_t *first = ferry_arena_array(&b->scratch, n + 1, sizeof *first);
    uint32_t *places = ferry_arena_array(&b->scratch, events, sizeof *places);
    uint32_t *users = ferry_arena_array(&b->scratch, events, sizeof *users);
    if (first == NULL || places == NULL || users == NULL)
        return ferry_fail_memory(error, "the neighbours");
    for (size_t i = 0; i < events; i++) first[sequences->column[i] + 1]++;
    for (size_t c = 0; c < n; c++) {
        b->to[c] = 1.0f / sqrtf((float)first[c + 1] + o->to_smooth);
        first[c + 1] += first[c];
    }
    for (size_t u = 0; u < sequences->rows; u++) {
        for (size_t i = sequences->start[u]; i < sequences->start[u + 1]; i++) {
            uint32_t place = first[sequences->column[i]]++; /* ends as the next item's first */
            places[place] = (uint32_t)i;
            users[place] = (uint32_t)u;
        }
    }
    for (size_t item = 0; item < n; item++) {
        size_t from = item > 0 ? first[item - 1] : 0, count = first[item] - from;
        add_occurrences(&b->row, sequences, places + from, users + from, count, o);
        float popularity = count > 0 ? (float)count : 1.0f;
        if (!next_row(b, item, 1.0f / sqrtf(popularity + o->from_smooth)))
            return ferry_fail_memory(error, "the neighbours");
    }
    return FERRY_OK;
}

ferry_status ferry_neighbors_sequence(const ferry_sparse *sequences,
                                      const ferry_sequence_options *options,
                                      const ferry_allocator *allocator, ferry_neighbors *out,
                                      ferry_error *error)
{
    FERRY_TRY(ferry_sparse_check(sequences, "the sequences", error));
    table_builder b;
    ferry_status status = FERRY_OK;
    if (!begin(&b, allocator, sequences->columns, sequences->columns, out))
        status = ferry_fail_memory(error, "the neighbours");
    if (status == FERRY_OK) status = build_sequence(&b, sequences, options, error);
    return finish(&b, out, status, error);
}

/* ---- across domains ---- */

/* The target without repetitions within a row: the first of each stays. */
static ferry_status distinct(const ferry_sparse *m, ferry_arena *arena, ferry_sparse *out,
                             ferry_error *error)
{
    uint32_t *start = ferry_arena_array(arena, m->rows + 1, sizeof *start);
    uint32_t *column = ferry_arena_array(arena, m->start[m->rows], sizeof *column);
    uint32_t *last_row = ferry_arena_array(arena, m->columns, sizeof *last_row); /* row + 1 */
    if (start == NULL || column == NULL || last_row == NULL)
        return ferry_fail_memory(error, "the target's items");
    uint32_t count = 0;
    for (size_t r = 0; r < m->rows; r++) {
        for (size_t i = m->start[r]; i < m->start[r + 1]; i++) {
            if (last_row[m->column[i]] == r + 1) continue;
            last_row[m->column[i]] = (uint32_t)r + 1;
            column[count++] = m->column[i];
        }
        start[r + 1] = count;
    }
    *out = (ferry_sparse){m->rows, m->columns, start, column, NULL};
    return FERRY_OK;
}

static ferry_status build_across(table_builder *b, const ferry_sparse *source,
                                 const ferry_sparse *target, float smooth, ferry_error *error)
{
    ferry_sparse users_of = {0}, items_of = {0};
    ferry_sparse plain = *source;
    plain.value = NULL;
    FERRY_TRY(ferry_sparse_transpose(&plain, &b->scratch, &users_of, error));
    FERRY_TRY(distinct(target, &b->scratch, &items_of, error));
    for (size_t i = 0; i < items_of.start[items_of.rows]; i++)
        b->to[items_of.column[i]] = b->to[items_of.column[i]] + 1.0f;
    for (size_t c = 0; c < target->columns; c++) b->to[c] = 1.0f / sqrtf(b->to[c] + smooth);
    for (size_t s = 0; s < source->columns; s++) {
        size_t count = users_of.start[s + 1] - users_of.start[s];
        for (size_t k = users_of.start[s]; k < users_of.start[s + 1]; k++) {
            size_t user = users_of.column[k];
            for (size_t i = items_of.start[user]; i < items_of.start[user + 1]; i++)
                add(&b->row, items_of.column[i], 1.0f);
        }
        if (!next_row(b, s, 1.0f / sqrtf((float)count + smooth)))
            return ferry_fail_memory(error, "the neighbours");
    }
    return FERRY_OK;
}

ferry_status ferry_neighbors_across(const ferry_sparse *source, const ferry_sparse *target,
                                    float smooth, const ferry_allocator *allocator,
                                    ferry_neighbors *out, ferry_error *error)
{
    if (source->rows != target->rows)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%zu users in the source and %zu in the target, they must be the same",
                          source->rows, target->rows);
    FERRY_TRY(ferry_sparse_check(source, "the source's items", error));
    FERRY_TRY(ferry_sparse_check(target, "the target's items", error));
    table_builder b;
    ferry_status status = FERRY_OK;
    if (!begin(&b, allocator, source->columns, target->columns, out))
        status = ferry_fail_memory(error, "the neighbours");
    if (status == FERRY_OK) status = build_across(&b, source, target, smooth, error);
    return finish(&b, out, status, error);
}

void ferry_neighbors_free(ferry_neighbors *neighbors)
{
    ferry_arena_free(&neighbors->arena);
    neighbors->table = (ferry_sparse){0};
}
