#include "encode/centers.h"

#include <string.h>

#include "base/error.h"
#include "input/safetensors.h"
#include "math/ops.h"

static ferry_status no_center(const ferry_safetensors *all, const char *file, const char *name,
                              ferry_error *error)
{
    char known[256] = "";
    for (size_t i = 0; i < all->count; i++)
        ferry_list_name(known, sizeof known, all->tensors[i].name);
    return ferry_fail(error, FERRY_NOT_FOUND, "%s: no center \"%.100s\"; known: %s", file, name,
                      known[0] != '\0' ? known : "none");
}

/* Tensors [first, first + count) of the file. */
static ferry_status take(const ferry_safetensors *all, size_t first, size_t count, size_t width,
                         const ferry_kernels *kernels, ferry_arena *arena, ferry_centers *out,
                         ferry_error *error)
{
    float *means = ferry_arena_array(arena, count, width * sizeof *means);
    float *units = ferry_arena_array(arena, count, width * sizeof *units);
    if (means == NULL || units == NULL) return ferry_fail_memory(error, "the centers");
    for (size_t i = 0; i < count; i++) {
        const ferry_tensor *tensor = &all->tensors[first + i];
        const float *from;
        if (tensor->rank != 1 || tensor->shape[0] != width)
            return ferry_fail(error, FERRY_MALFORMED,
                              "%s: center \"%.100s\" has %zu numbers, expected [%zu]", tensor->file,
                              tensor->name, tensor->count, width);
        FERRY_TRY(ferry_tensor_as_f32(tensor, arena, &from, error));
        memcpy(means + i * width, from, width * sizeof *from);
        memcpy(units + i * width, from, width * sizeof *from);
        ferry_l2_normalize(kernels, units + i * width, width);
    }
    *out = (ferry_centers){count, width, means, units};
    return FERRY_OK;
}

ferry_status ferry_centers_read(ferry_files files, const char *name, size_t width,
                                const ferry_kernels *kernels, ferry_arena *arena,
                                ferry_centers *out, ferry_error *error)
{
    *out = (ferry_centers){0};
    if (name == NULL || name[0] == '\0') return FERRY_OK;
    const ferry_file *file = ferry_files_find(files, "centers.safetensors");
    if (file == NULL)
        return ferry_fail(error, FERRY_NOT_FOUND,
                          "no center \"%.100s\": centers.safetensors is missing; `ferry center` "
                          "makes it",
                          name);
    ferry_safetensors all;
    FERRY_TRY(ferry_safetensors_open(file, arena, &all, error));
    if (strcmp(name, "auto") == 0 && all.count > 0)
        return take(&all, 0, all.count, width, kernels, arena, out, error);
    const ferry_tensor *found = ferry_safetensors_find(&all, name);
    if (found == NULL) return no_center(&all, file->name, name, error);
    return take(&all, (size_t)(found - all.tensors), 1, width, kernels, arena, out, error);
}

void ferry_centers_apply(const ferry_centers *centers, const ferry_kernels *kernels, float *x)
{
    size_t width = centers->width, nearest = 0;
    float best = 0.0f;
    if (centers->count == 0) return;
    for (size_t i = 0; i < centers->count && centers->count > 1; i++) {
        float near;
        kernels->dot_rows(centers->units + i * width, x, &near, 1, width);
        if (i > 0 && near <= best) continue;
        best = near;
        nearest = i;
    }
    ferry_add_scaled(x, centers->means + nearest * width, -1.0f, width);
    ferry_l2_normalize(kernels, x, width);
}
