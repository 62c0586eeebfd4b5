/* A golden that is a safetensors file: tensors by name, whole numbers stored as F32. */
#ifndef FERRY_TEST_GOLDEN_TENSORS_H
#define FERRY_TEST_GOLDEN_TENSORS_H

#include "golden.h"

#include <math.h>

#include "recsys/sparse.h"

typedef struct golden_tensors {
    ferry_arena arena;
    char *bytes;
    ferry_safetensors tensors;
} golden_tensors;

static inline void golden_tensors_open(golden_tensors *golden, const char *name)
{
    ferry_error error;
    size_t size;
    ferry_arena_init(&golden->arena, ferry_allocator_or_default(NULL));
    golden->bytes = read_file(golden_path(name), &size);
    ferry_file file = {name, golden->bytes, size};
    if (ferry_safetensors_open(&file, &golden->arena, &golden->tensors, &error) != FERRY_OK)
        fail_msg("%s", error.message);
}

static inline void golden_tensors_close(golden_tensors *golden)
{
    ferry_arena_free(&golden->arena);
    free(golden->bytes);
}

/* shape [2], of which the first is 1 for a vector; may be NULL */
static inline const float *golden_tensor(golden_tensors *golden, const char *name, size_t *shape)
{
    const ferry_tensor *tensor = ferry_safetensors_find(&golden->tensors, name);
    const float *values;
    ferry_error error;
    if (tensor == NULL) fail_msg("the golden has no %s", name);
    assert_int_equal(ferry_tensor_as_f32(tensor, &golden->arena, &values, &error), FERRY_OK);
    if (shape == NULL) return values;
    assert_true(tensor->rank <= 2);
    shape[0] = tensor->rank == 2 ? tensor->shape[0] : 1;
    shape[1] = tensor->rank == 0 ? 1 : tensor->shape[tensor->rank - 1];
    return values;
}

static inline const uint32_t *golden_whole(golden_tensors *golden, const char *name, size_t *count)
{
    size_t shape[2];
    const float *values = golden_tensor(golden, name, shape);
    *count = shape[0] * shape[1];
    uint32_t *whole = ferry_arena_array(&golden->arena, *count, sizeof *whole);
    assert_non_null(whole);
    for (size_t i = 0; i < *count; i++) whole[i] = (uint32_t)values[i];
    return whole;
}

/* NAME.start and NAME.item */
static inline ferry_sparse golden_rows(golden_tensors *golden, const char *name, size_t columns)
{
    char full[64];
    size_t starts, items;
    snprintf(full, sizeof full, "%s.start", name);
    const uint32_t *start = golden_whole(golden, full, &starts);
    snprintf(full, sizeof full, "%s.item", name);
    const uint32_t *item = golden_whole(golden, full, &items);
    assert_int_equal(start[starts - 1], items);
    return (ferry_sparse){starts - 1, columns, start, item, NULL};
}

/* Every element within tolerance * (the largest magnitude of what is expected). */
static inline void assert_near(const float *found, const float *expected, size_t count,
                               double tolerance, const char *what)
{
    double largest = 0.0, worst = 0.0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        double size = fabs((double)expected[i]), off = fabs((double)(found[i] - expected[i]));
        largest = size > largest ? size : largest;
        if (!(off <= worst)) {
            worst = off;
            at = i;
        }
    }
    print_message("%s: largest difference %.1e of %.1e\n", what, worst, largest);
    if (!(worst <= tolerance * largest))
        fail_msg("%s: element %zu of %zu is %.9g, expected %.9g", what, at, count,
                 (double)found[at], (double)expected[at]);
}

#endif
