#include "recsys/fusion.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/elementary.h"
#include "math/ops.h"

const char *ferry_fusion_kind_name(ferry_fusion_kind kind)
{
    static const char *const names[] = {
#define KIND_NAME(name, text) text,
        FERRY_FUSION_LIST(KIND_NAME)
#undef KIND_NAME
    };
    return names[kind];
}

ferry_status ferry_fusion_kind_of(const char *name, ferry_fusion_kind *out, ferry_error *error)
{
    for (int kind = 0; kind < FERRY_FUSION_COUNT; kind++) {
        *out = (ferry_fusion_kind)kind;
        if (strcmp(name, ferry_fusion_kind_name(*out)) == 0) return FERRY_OK;
    }
    return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                      "fusion of kind \"%s\", expected concat, gated or project", name);
}

/* ---- shape ---- */

static size_t cut(size_t *used, size_t count)
{
    size_t at = *used;
    *used += count;
    return at;
}

ferry_fusion_layout ferry_fusion_lay_out(const ferry_fusion_shape *shape)
{
    ferry_fusion_layout layout = {.size = 0};
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        size_t K = shape->K[m], N = shape->N;
        if (K == 0) continue;
        bool projects = ferry_fusion_projects(shape, m);
        layout.weight[m] = cut(&layout.size, projects ? N * K : 0);
        layout.bias[m] = cut(&layout.size, projects ? N : 0);
        layout.absent[m] = cut(&layout.size, shape->kind == FERRY_FUSION_CONCAT ? N : 0);
        layout.gate[m] = cut(&layout.size, shape->kind == FERRY_FUSION_GATED ? K + 1 : 0);
        layout.strength[m] = cut(&layout.size, shape->kind == FERRY_FUSION_PROJECT ? 1 : 0);
    }
    return layout;
}

ferry_status ferry_fusion_check(const ferry_fusion_shape *shape, ferry_error *error)
{
    size_t inputs = 0;
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        inputs += shape->K[m] > 0;
        if (shape->K[m] > 1 << 16)
            return ferry_fail(error, FERRY_LIMIT, "an input of %zu numbers, at most 65536",
                              shape->K[m]);
    }
    if (inputs == 0 || shape->N == 0 || shape->N > 1 << 16)
        return ferry_fail(
            error, FERRY_INVALID_ARGUMENT,
            "fusion of %zu inputs to %zu numbers: expected at least 1, and 1 to 65536", inputs,
            shape->N);
    if ((unsigned)shape->kind >= FERRY_FUSION_COUNT)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "there is no fusion of kind %d",
                          (int)shape->kind);
    if (shape->kind == FERRY_FUSION_PROJECT && shape->N != shape->K[0])
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "fusion in the text space gives the %zu numbers of a text, not %zu",
                          shape->K[0], shape->N);
    return FERRY_OK;
}

ferry_status ferry_fusion_init(ferry_fusion *fusion, const ferry_fusion_shape *shape,
                               const float *parameters, ferry_error *error)
{
    fusion->shape = *shape;
    fusion->layout = ferry_fusion_lay_out(shape);
    fusion->parameters = parameters;
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        if (!ferry_fusion_projects(shape, m)) continue;
        if (!ferry_dense_init(&fusion->dense[m], parameters + fusion->layout.weight[m],
                              parameters + fusion->layout.bias[m], shape->K[m], shape->N,
                              &fusion->arena))
            return ferry_fail_memory(error, "the fusion");
    }
    return FERRY_OK;
}

bool ferry_fusion_saved_init(const ferry_fusion_shape *shape, size_t T, ferry_arena *arena,
                             ferry_fusion_saved *out)
{
    *out = (ferry_fusion_saved){.length = ferry_arena_array(arena, T, sizeof(float))};
    bool fits = out->length != NULL;
    for (size_t m = 0; m < FERRY_FUSION_INPUTS && fits; m++) {
        if (shape->K[m] == 0) continue;
        out->p[m] = ferry_arena_array(arena, T, shape->N * sizeof(float));
        out->norm[m] = ferry_arena_array(arena, T, sizeof(float));
        out->share[m] = ferry_arena_array(arena, T, sizeof(float));
        fits = out->p[m] != NULL && out->norm[m] != NULL && out->share[m] != NULL;
    }
    return fits;
}

/* ---- forward ---- */

void ferry_fusion_prepare(const ferry_fusion *fusion, size_t m, const float *x, size_t T,
                          float *out)
{
    size_t K = fusion->shape.K[m];
    for (size_t t = 0; t < T; t++, x += K, out += K) {
        bool any = false;
        for (size_t n = 0; n < K; n++) any = any || x[n] != 0.0f;
        for (size_t n = 0; n < K; n++)
            out[n] = any ? (x[n] - fusion->mean[m][n]) * fusion->scale[m] : 0.0f;
    }
}

static float length_of(const ferry_kernels *kernels, const float *x, size_t N)
{
    float square;
    kernels->dot_rows(x, x, &square, 1, N);
    return sqrtf(square);
}

/* p of one input: of all rows, since rows that lack it are few; share says which count. */
static void project_input(const ferry_fusion *f, ferry_pool *pool, size_t m, const float *x,
                          size_t T, ferry_fusion_saved *saved)
{
    size_t N = f->shape.N;
    float *p = saved->p[m];
    if (ferry_fusion_projects(&f->shape, m))
        ferry_dense_apply(&f->dense[m], f->kernels, pool, x, T, p);
    else
        memcpy(p, x, T * N * sizeof *p);
    for (size_t t = 0; t < T && f->shape.kind == FERRY_FUSION_PROJECT; t++) {
        float length = length_of(f->kernels, p + t * N, N);
        saved->norm[m][t] = length > 0.0f ? length : 1.0f;
        for (size_t n = 0; n < N; n++) p[t * N + n] = p[t * N + n] / saved->norm[m][t];
    }
}

/* share of row t: the gates' softmax over what is there. */
static void gate_row(const ferry_fusion *f, const float *const x[FERRY_FUSION_INPUTS], unsigned has,
                     size_t t, ferry_fusion_saved *saved)
{
    float logit[FERRY_FUSION_INPUTS] = {0.0f}, largest = 0.0f, sum = 0.0f;
    bool any = false;
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        if (!(has & 1u << m)) continue;
        const float *gate = f->parameters + f->layout.gate[m];
        size_t K = f->shape.K[m];
        f->kernels->dot_rows(x[m] + t * K, gate, &logit[m], 1, K);
        logit[m] = logit[m] + gate[K];
        largest = !any || logit[m] > largest ? logit[m] : largest;
        any = true;
    }
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        logit[m] = has & 1u << m ? ferry_exp(logit[m] - largest) : 0.0f;
        sum = sum + logit[m];
    }
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++)
        if (f->shape.K[m] > 0) saved->share[m][t] = any ? logit[m] / sum : 0.0f;
}

/* The sum of one row, before relu and unit length. */
static void add_row(const ferry_fusion *f, unsigned has, size_t t, const ferry_fusion_saved *saved,
                    float *out)
{
    size_t N = f->shape.N;
    memset(out, 0, N * sizeof *out);
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        if (f->shape.K[m] == 0) continue;
        float strength = saved->share[m][t];
        if (f->shape.kind == FERRY_FUSION_PROJECT)
            strength = strength * f->parameters[f->layout.strength[m]];
        if (has & 1u << m)
            ferry_add_scaled(out, saved->p[m] + t * N, strength, N);
        else if (f->shape.kind == FERRY_FUSION_CONCAT)
            ferry_add_scaled(out, f->parameters + f->layout.absent[m], 1.0f, N);
    }
}

void ferry_fusion_forward(const ferry_fusion *fusion, ferry_pool *pool,
                          const float *const x[FERRY_FUSION_INPUTS], const unsigned char *has,
                          size_t T, ferry_fusion_saved *saved, float *out)
{
    size_t N = fusion->shape.N;
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++)
        if (fusion->shape.K[m] > 0) project_input(fusion, pool, m, x[m], T, saved);
    for (size_t t = 0; t < T; t++) {
        float *row = out + t * N;
        unsigned there = 0;
        for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
            if (fusion->shape.K[m] == 0) continue;
            there |= has[t] & 1u << m;
            saved->share[m][t] = has[t] & 1u << m ? 1.0f : 0.0f;
        }
        if (fusion->shape.kind == FERRY_FUSION_GATED) gate_row(fusion, x, there, t, saved);
        add_row(fusion, there, t, saved, row);
        if (fusion->shape.kind == FERRY_FUSION_CONCAT) ferry_relu(row, N);
        float length = there != 0 ? length_of(fusion->kernels, row, N) : 0.0f;
        saved->length[t] = length;
        for (size_t n = 0; n < N; n++) row[n] = length > 0.0f ? row[n] / length : 0.0f;
    }
}
