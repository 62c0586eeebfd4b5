/* Values per user to and from a file, and the paired bootstrap between two runs. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "eval/bootstrap.h"
#include "eval/figures.h"
#include "eval/report.h"
#include "input/safetensors.h"

enum { FINGERPRINT_SIZE = 17, EXACT_FLOATS = 1 << 24 };

static void write_fingerprint(const ferry_evaluation *evaluation, char out[FINGERPRINT_SIZE])
{
    snprintf(out, FINGERPRINT_SIZE, "%016" PRIx64, evaluation->fingerprint);
}

/* ---- saving ---- */

static bool join_columns(const ferry_evaluation *evaluation, ferry_buffer *out)
{
    for (size_t i = 0; i < evaluation->column_count; i++) {
        const char *name = evaluation->columns[i];
        if ((i > 0 && !ferry_buffer_append(out, " ", 1)) ||
            !ferry_buffer_append(out, name, strlen(name)))
            return false;
    }
    return ferry_buffer_append(out, "", 1);
}

static ferry_status write_values(const ferry_evaluation *evaluation, const char *scorer,
                                 ferry_arena *arena, ferry_buffer *columns, ferry_buffer *out,
                                 ferry_error *error)
{
    size_t rows = evaluation->user_count, count = rows * evaluation->column_count;
    float *users = ferry_arena_array(arena, rows, sizeof *users);
    float *values = ferry_arena_array(arena, count, sizeof *values);
    if (users == NULL || values == NULL || !join_columns(evaluation, columns))
        return ferry_fail_memory(error, "the users' values");
    for (size_t i = 0; i < rows; i++) {
        if (evaluation->users[i] > EXACT_FLOATS)
            return ferry_fail(error, FERRY_LIMIT, "user index %" PRIu32 " is past %d",
                              evaluation->users[i], EXACT_FLOATS);
        users[i] = (float)evaluation->users[i];
    }
    for (size_t i = 0; i < count; i++) values[i] = (float)evaluation->values[i];
    char fingerprint[FINGERPRINT_SIZE];
    write_fingerprint(evaluation, fingerprint);
    const ferry_safetensors_pair metadata[] = {
        {"columns", columns->data}, {"scorer", scorer}, {"fingerprint", fingerprint}};
    const ferry_tensor tensors[] = {
        {.name = "users",
         .dtype = FERRY_F32,
         .rank = 1,
         .shape = {rows},
         .count = rows,
         .data = users,
         .size = rows * sizeof *users},
        {.name = "values",
         .dtype = FERRY_F32,
         .rank = 2,
         .shape = {rows, evaluation->column_count},
         .count = count,
         .data = values,
         .size = count * sizeof *values},
    };
    return ferry_safetensors_write(tensors, 2, metadata, 3, out, error);
}

ferry_status ferry_evaluation_save(const ferry_evaluation *evaluation, const char *scorer,
                                   ferry_buffer *out, ferry_error *error)
{
    ferry_arena arena;
    ferry_buffer columns;
    ferry_arena_init(&arena, out->allocator);
    ferry_buffer_init(&columns, out->allocator);
    ferry_status status = write_values(evaluation, scorer, &arena, &columns, out, error);
    ferry_buffer_free(&columns);
    ferry_arena_free(&arena);
    return status;
}

/* ---- reading ---- */

typedef struct saved_run {
    const char *scorer;
    const char **columns; /* [column_count] */
    size_t column_count;
    const float *values; /* [users, column_count] */
} saved_run;

static const char *metadata_of(const ferry_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->metadata_count; i++)
        if (strcmp(file->metadata[i].key, key) == 0) return file->metadata[i].value;
    return NULL;
}

static ferry_status split_columns(const char *names, ferry_arena *arena, saved_run *out,
                                  ferry_error *error)
{
    size_t most = 1;
    for (const char *c = names; *c != '\0'; c++) most += *c == ' ';
    out->columns = ferry_arena_array(arena, most, sizeof *out->columns);
    if (out->columns == NULL) return ferry_fail_memory(error, "the saved columns");
    for (const char *at = names; *at != '\0';) {
        size_t size = strcspn(at, " ");
        const char *name = ferry_arena_text(arena, at, size);
        if (name == NULL) return ferry_fail_memory(error, "the saved columns");
        out->columns[out->column_count++] = name;
        at += size + (at[size] == ' ');
    }
    return FERRY_OK;
}

static ferry_status read_saved(const ferry_evaluation *evaluation, const ferry_file *saved,
                               ferry_arena *arena, saved_run *out, ferry_error *error)
{
    ferry_safetensors file;
    FERRY_TRY(ferry_safetensors_open(saved, arena, &file, error));
    const ferry_tensor *values = ferry_safetensors_find(&file, "values");
    const char *columns = metadata_of(&file, "columns"),
               *fingerprint = metadata_of(&file, "fingerprint");
    out->scorer = metadata_of(&file, "scorer");
    if (values == NULL || columns == NULL || fingerprint == NULL || out->scorer == NULL)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: no run that ferry eval --save-users wrote: \"values\" or its "
                          "metadata is missing",
                          saved->name);
    char own[FINGERPRINT_SIZE];
    write_fingerprint(evaluation, own);
    if (strcmp(own, fingerprint) != 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%s: a run over other users or targets (%s, this run %s)", saved->name,
                          fingerprint, own);
    FERRY_TRY(split_columns(columns, arena, out, error));
    if (values->rank != 2 || values->shape[0] != evaluation->user_count ||
        values->shape[1] != out->column_count)
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"values\" is not [%zu, %zu]", saved->name,
                          evaluation->user_count, out->column_count);
    FERRY_TRY(ferry_tensor_as_f32(values, arena, &out->values, error));
    for (size_t i = 0; i < values->count; i++) {
        if (!isfinite(out->values[i]))
            return ferry_fail(error, FERRY_MALFORMED, "%s: value %zu is not finite", saved->name,
                              i);
    }
    return FERRY_OK;
}

/* ---- comparing ---- */

/* The common columns of both side by side, [users, 2 * count]: ours, then the other's. */
static ferry_status pair_values(const ferry_evaluation *evaluation, const saved_run *other,
                                ferry_arena *arena, const char **names, double **out, size_t *count,
                                ferry_error *error)
{
    size_t rows = evaluation->user_count, columns = evaluation->column_count, common = 0;
    size_t *own = ferry_arena_array(arena, columns, sizeof *own);
    size_t *theirs = ferry_arena_array(arena, columns, sizeof *theirs);
    double *values = ferry_arena_array(arena, rows, 2 * columns * sizeof *values);
    if (own == NULL || theirs == NULL || values == NULL)
        return ferry_fail_memory(error, "the comparison");
    for (size_t i = 0; i < columns; i++) {
        for (size_t j = 0; j < other->column_count; j++) {
            if (strcmp(evaluation->columns[i], other->columns[j]) != 0) continue;
            names[common] = evaluation->columns[i];
            own[common] = i;
            theirs[common++] = j;
            break;
        }
    }
    for (size_t r = 0; r < rows; r++) {
        double *row = values + r * 2 * common;
        for (size_t c = 0; c < common; c++) {
            row[c] = (double)(float)evaluation->values[r * columns + own[c]]; /* as saved */
            row[common + c] = (double)other->values[r * other->column_count + theirs[c]];
        }
    }
    *out = values;
    *count = common;
    return FERRY_OK;
}

/* One pair of means [2, columns] to the figures' differences. */
static void differences(const double *row, size_t columns, bool ratings, double *out)
{
    double own[2], other[2];
    size_t plain = ratings ? columns - 3 : columns;
    for (size_t c = 0; c < plain; c++) out[c] = row[c] - row[columns + c];
    if (!ratings) return;
    ferry_eval_rating_figures(row, columns, &own[0], &own[1]);
    ferry_eval_rating_figures(row + columns, columns, &other[0], &other[1]);
    out[plain] = own[0] - other[0];
    out[plain + 1] = own[1] - other[1];
}

static ferry_status fill_differences(const double *values, size_t rows, size_t columns,
                                     bool ratings, const ferry_eval_options *options,
                                     ferry_arena *arena, ferry_eval_comparison *out,
                                     ferry_error *error)
{
    size_t samples = options->resamples, count = out->figure_count;
    double *means = ferry_arena_array(arena, samples + 1, 2 * columns * sizeof *means);
    double *deltas = ferry_arena_array(arena, samples + 1, count * sizeof *deltas);
    double *scratch = ferry_arena_array(arena, samples + 2 * count, sizeof *scratch);
    if (means == NULL || deltas == NULL || scratch == NULL)
        return ferry_fail_memory(error, "the comparison");
    ferry_eval_column_means(values, rows, 2 * columns, means);
    differences(means, columns, ratings, deltas);
    for (size_t i = 0; i < count; i++) out->figures[i].mean = deltas[i];
    FERRY_TRY(ferry_bootstrap_means(values, rows, 2 * columns, samples, options->seed,
                                    options->pool, &arena->allocator, means, error));
    for (size_t b = 0; b < samples; b++)
        differences(means + b * 2 * columns, columns, ratings, deltas + b * count);
    double *low = scratch + samples, *high = low + count;
    ferry_bootstrap_interval(deltas, samples, count, scratch, low, high);
    for (size_t i = 0; i < count; i++) {
        out->figures[i].low = low[i];
        out->figures[i].high = high[i];
    }
    return FERRY_OK;
}

static ferry_status compare(const ferry_evaluation *evaluation, const ferry_file *saved,
                            const ferry_eval_options *options, ferry_arena *temporary,
                            ferry_eval_comparison *out, ferry_error *error)
{
    saved_run other = {0};
    double *values = NULL;
    size_t columns = 0;
    FERRY_TRY(read_saved(evaluation, saved, temporary, &other, error));
    const char **names = ferry_arena_array(temporary, evaluation->column_count + 1, sizeof *names);
    if (names == NULL) return ferry_fail_memory(error, "the comparison");
    FERRY_TRY(pair_values(evaluation, &other, temporary, names, &values, &columns, error));
    bool ratings = columns >= 3 && strcmp(names[columns - 1], "rated") == 0;
    if (columns == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%s: no metric in common", saved->name);
    out->figure_count = ratings ? columns - 1 : columns;
    if (ratings) {
        names[columns - 3] = "rmse";
        names[columns - 2] = "mae";
    }
    out->figures = ferry_arena_array(&out->arena, out->figure_count, sizeof *out->figures);
    out->other = ferry_arena_text(&out->arena, other.scorer, strlen(other.scorer));
    if (out->figures == NULL || out->other == NULL)
        return ferry_fail_memory(error, "the comparison");
    for (size_t i = 0; i < out->figure_count; i++) {
        out->figures[i].name = ferry_arena_text(&out->arena, names[i], strlen(names[i]));
        if (out->figures[i].name == NULL) return ferry_fail_memory(error, "the comparison");
    }
    return fill_differences(values, evaluation->user_count, columns, ratings, options, temporary,
                            out, error);
}

ferry_status ferry_evaluation_compare(const ferry_evaluation *evaluation, const ferry_file *saved,
                                      const ferry_eval_options *options,
                                      const ferry_allocator *allocator, ferry_eval_comparison *out,
                                      ferry_error *error)
{
    ferry_allocator chosen = ferry_allocator_or_default(allocator);
    *out = (ferry_eval_comparison){0};
    if (options->resamples == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "resamples is 0: a comparison is a bootstrap");
    ferry_arena temporary;
    ferry_arena_init(&temporary, chosen);
    ferry_arena_init(&out->arena, chosen);
    ferry_status status = compare(evaluation, saved, options, &temporary, out, error);
    ferry_arena_free(&temporary);
    if (status != FERRY_OK) ferry_eval_comparison_close(out);
    return status;
}

void ferry_eval_comparison_close(ferry_eval_comparison *comparison)
{
    if (comparison->arena.block != NULL) ferry_arena_free(&comparison->arena);
    *comparison = (ferry_eval_comparison){0};
}
