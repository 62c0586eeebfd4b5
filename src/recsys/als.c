#include "recsys/als.h"

#include "base/error.h"
#include "base/random.h"
#include "math/ops.h"
#include "math/solve.h"

enum {
    CHUNK = 64,       /* rows that a thread solves at a time */
    GRAM_CHUNK = 2048 /* rows whose products are summed apart */
};

/* ---- one side ---- */

typedef struct gram_parts {
    const ferry_als_side *side;
    double *parts; /* [ceil(count / GRAM_CHUNK), F, F], lower triangles */
} gram_parts;

/* In double: the smallest eigenvalues are lambda, next to sums of thousands. */
static void add_gram(void *context, size_t chunk, size_t worker)
{
    (void)worker;
    const gram_parts *g = context;
    size_t F = g->side->F, first = chunk * GRAM_CHUNK, rest = g->side->count - first;
    size_t last = first + (rest < GRAM_CHUNK ? rest : GRAM_CHUNK);
    double *sum = g->parts + chunk * F * F;
    for (size_t r = first; r < last; r++) {
        const float *row = g->side->factors + r * F;
        for (size_t i = 0; i < F; i++) {
            double value = (double)row[i];
            for (size_t j = 0; j <= i; j++)
                sum[i * F + j] = sum[i * F + j] + value * (double)row[j];
        }
    }
}

typedef struct solve_all {
    const ferry_kernels *kernels;
    ferry_als_side *side;
    const float *panels; /* of L^-T [F, F] */
} solve_all;

static void solve_chunk(void *context, size_t chunk, size_t worker)
{
    (void)worker;
    const solve_all *all = context;
    size_t F = all->side->F, first = chunk * CHUNK, rest = all->side->count - first;
    all->kernels->matmul(all->side->factors + first * F, F, all->panels, NULL,
                         all->side->solved + first * F, F, rest < CHUNK ? rest : CHUNK, F, F);
}

/* lower, from the chunks' sums, and L^-T as panels; column [F], inverse [F, F]. */
static bool factorize(ferry_als_side *side, const double *parts, float lambda, double *column,
                      float *inverse, float *panels)
{
    size_t F = side->F;
    for (size_t i = 0; i < F * F; i++) side->lower[i] = 0.0;
    for (size_t r = 0; r < side->count; r += GRAM_CHUNK, parts += F * F) {
        for (size_t i = 0; i < F * F; i++) side->lower[i] = side->lower[i] + parts[i];
    }
    for (size_t i = 0; i < F; i++) side->lower[i * F + i] = side->lower[i * F + i] + (double)lambda;
    if (!ferry_cholesky(side->lower, F)) return false;
    for (size_t j = 0; j < F; j++) { /* L^-1 by columns, which are rows of L^-T */
        for (size_t i = 0; i < F; i++) column[i] = i == j ? 1.0 : 0.0;
        ferry_lower_solve(side->lower, F, column);
        for (size_t i = 0; i < F; i++) inverse[j * F + i] = (float)column[i];
    }
    ferry_pack_panels(inverse, F, 1, F, F, panels);
    return true;
}

static ferry_status fail_to_solve(float lambda, ferry_error *error)
{
    return ferry_fail(
        error, FERRY_UNSUPPORTED,
        "the factors are not finite: lambda %g is too small, or an event's weight too "
        "large",
        (double)lambda);
}

/* Fills lower and solved, which the caller has made room for, from factors. */
static ferry_status update_side(const ferry_kernels *kernels, float lambda, ferry_pool *pool,
                                const ferry_allocator *allocator, ferry_als_side *side,
                                ferry_error *error)
{
    size_t F = side->F, panels_size;
    ferry_arena scratch;
    ferry_arena_init(&scratch, *allocator);
    gram_parts gram = {side, NULL};
    size_t chunks = (side->count + GRAM_CHUNK - 1) / GRAM_CHUNK;
    gram.parts = ferry_arena_array(&scratch, chunks, F * F * sizeof *gram.parts);
    float *inverse = ferry_arena_array(&scratch, F * F, sizeof *inverse);
    float *panels = ferry_panels_size(F, F, &panels_size)
                        ? ferry_arena_array(&scratch, panels_size, sizeof *panels)
                        : NULL;
    double *column = ferry_arena_array(&scratch, F, sizeof *column);
    ferry_status status = FERRY_OK;
    if (gram.parts == NULL || inverse == NULL || panels == NULL || column == NULL) {
        status = ferry_fail_memory(error, "the factors");
    } else {
        ferry_pool_run(pool, chunks, add_gram, &gram);
        if (!factorize(side, gram.parts, lambda, column, inverse, panels))
            status = fail_to_solve(lambda, error);
    }
    if (status == FERRY_OK) {
        solve_all all = {kernels, side, panels};
        ferry_pool_run(pool, (side->count + CHUNK - 1) / CHUNK, solve_chunk, &all);
    }
    ferry_arena_free(&scratch);
    return status;
}

static bool side_room(ferry_arena *arena, size_t count, size_t F, float alpha, const float *factors,
                      ferry_als_side *out)
{
    *out = (ferry_als_side){.count = count, .F = F, .alpha = alpha, .factors = factors};
    out->lower = ferry_arena_array(arena, F * F, sizeof *out->lower);
    out->solved = ferry_arena_array(arena, count, F * sizeof *out->solved);
    return out->lower != NULL && out->solved != NULL;
}

ferry_status ferry_als_side_init(const ferry_kernels *kernels, const float *factors, size_t count,
                                 size_t F, float alpha, float lambda, ferry_pool *pool,
                                 ferry_arena *arena, ferry_als_side *out, ferry_error *error)
{
    if (F == 0 || F > FERRY_ALS_MAX_FACTORS)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%zu factors, of 1 to %d", F,
                          FERRY_ALS_MAX_FACTORS);
    if (!(lambda > 0.0f) || !(alpha > 0.0f))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "lambda is %g and alpha %g, they must be above 0", (double)lambda,
                          (double)alpha);
    if (!side_room(arena, count, F, alpha, factors, out))
        return ferry_fail_memory(error, "the factors");
    return update_side(kernels, lambda, pool, &arena->allocator, out, error);
}

/* ---- one row ---- */

/* Scratch of one fold-in; doubles first, then floats on 64-byte boundaries. */
typedef struct fold_scratch {
    double *matrix; /* [min(most, F), min(most, F)] */
    double *right;  /* [most] */
    double *sum;    /* [F] */
    float *rows;    /* [most, F] */
    float *dots;    /* [most]; or [F, F] when direct */
    float *panels;  /* direct: of [most, F] */
    float *across;  /* direct: [F, most] */
} fold_scratch;

static bool take(size_t *at, size_t count, size_t size, void *base, void *out)
{
    size_t bytes;
    if (!ferry_size_multiply(count, size, &bytes) || !ferry_size_add(bytes, 63, &bytes))
        return false;
    void *place = base != NULL ? (char *)base + *at : NULL;
    __builtin_memcpy(out, &place, sizeof place);
    return ferry_size_add(*at, bytes & ~(size_t)63, at);
}

static bool lay_out(size_t F, size_t most, void *base, fold_scratch *s, size_t *bytes)
{
    bool direct = most > F;
    size_t side = direct ? F : most, panels = 0, at = 0;
    *s = (fold_scratch){0};
    if (direct && !ferry_panels_size(most, F, &panels)) return false;
    bool fits = take(&at, side * side, sizeof(double), base, &s->matrix) &&
                take(&at, side, sizeof(double), base, &s->right) &&
                take(&at, F, sizeof(double), base, &s->sum) &&
                take(&at, direct ? F * F : most, sizeof(float), base, &s->dots);
    if (fits && direct)
        fits = take(&at, panels, sizeof(float), base, &s->panels) &&
               take(&at, most, F * sizeof(float), base, &s->across);
    if (fits) fits = take(&at, most, F * sizeof(float), base, &s->rows);
    *bytes = at;
    return fits;
}

bool ferry_als_scratch(size_t F, size_t most, size_t *bytes)
{
    /* a few events' matrix can be larger than many events' */
    fold_scratch s;
    size_t few = 0;
    if (most > F && !lay_out(F, F, NULL, &s, &few)) return false;
    if (!lay_out(F, most, NULL, &s, bytes)) return false;
    if (few > *bytes) *bytes = few;
    return true;
}

/* What the events of weight r ask for: how much more than nothing, and how much of "near 1". */
static double extra(const ferry_als_side *side, const float *weights, size_t i)
{
    double r = weights != NULL ? (double)weights[i] : 1.0;
    return (double)side->alpha * (r < 0.0 ? -r : r);
}

static double wanted(const ferry_als_side *side, const float *weights, size_t i)
{
    return weights != NULL && weights[i] <= 0.0f ? 0.0 : 1.0 + extra(side, weights, i);
}

/*
 * With Y the events' factors, D = diag(extra), L L^T = G and S = Y L^-T, the wanted
 *   x = (G + Y^T D Y)^-1 Y^T c = L^-T (I + S^T D S)^-1 S^T c
 * which is well conditioned as G need not be. For count <= F events by Woodbury's identity
 *   x = L^-T S^T v,  (D^-1 + S S^T) v = D^-1 c,
 * a system of count instead of F unknowns; an event of weight 0 is left out there.
 */
static bool fold_few(const ferry_kernels *kernels, const ferry_als_side *side,
                     const uint32_t *items, const float *weights, size_t count, fold_scratch *s,
                     float *out)
{
    size_t F = side->F, used = 0;
    for (size_t i = 0; i < count; i++) {
        if (!(extra(side, weights, i) > 0.0)) continue;
        const float *solved = side->solved + items[i] * F;
        for (size_t f = 0; f < F; f++) s->rows[used * F + f] = solved[f];
        used++;
    }
    for (size_t i = 0, row = 0; i < count; i++) {
        double more = extra(side, weights, i);
        if (!(more > 0.0)) continue;
        kernels->dot_rows(s->rows, s->rows + row * F, s->dots, row + 1, F);
        for (size_t j = 0; j <= row; j++) s->matrix[row * used + j] = (double)s->dots[j];
        s->matrix[row * used + row] = s->matrix[row * used + row] + 1.0 / more;
        s->right[row] = wanted(side, weights, i) / more;
        row++;
    }
    if (!ferry_cholesky(s->matrix, used)) return false;
    ferry_cholesky_solve(s->matrix, used, s->right);
    for (size_t f = 0; f < F; f++) s->sum[f] = 0.0;
    for (size_t i = 0; i < used; i++) {
        for (size_t f = 0; f < F; f++)
            s->sum[f] = s->sum[f] + s->right[i] * (double)s->rows[i * F + f];
    }
    ferry_upper_solve(side->lower, F, s->sum);
    for (size_t f = 0; f < F; f++) out[f] = (float)s->sum[f];
    return true;
}

static bool fold_many(const ferry_kernels *kernels, const ferry_als_side *side,
                      const uint32_t *items, const float *weights, size_t count, fold_scratch *s,
                      float *out)
{
    size_t F = side->F;
    for (size_t f = 0; f < F; f++) s->sum[f] = 0.0;
    for (size_t i = 0; i < count; i++) {
        const float *solved = side->solved + items[i] * F;
        float more = (float)extra(side, weights, i);
        double want = wanted(side, weights, i);
        for (size_t f = 0; f < F; f++) {
            s->rows[i * F + f] = solved[f];
            s->across[f * count + i] = more * solved[f];
            s->sum[f] = s->sum[f] + want * (double)solved[f];
        }
    }
    ferry_pack_panels(s->rows, F, 1, count, F, s->panels);
    kernels->matmul(s->across, count, s->panels, NULL, s->dots, F, F, count, F);
    for (size_t i = 0; i < F * F; i++) s->matrix[i] = (double)s->dots[i];
    for (size_t i = 0; i < F; i++) s->matrix[i * F + i] = s->matrix[i * F + i] + 1.0;
    if (!ferry_cholesky(s->matrix, F)) return false;
    ferry_cholesky_solve(s->matrix, F, s->sum);
    ferry_upper_solve(side->lower, F, s->sum);
    for (size_t f = 0; f < F; f++) out[f] = (float)s->sum[f];
    return true;
}

bool ferry_als_fold_in(const ferry_kernels *kernels, const ferry_als_side *side,
                       const uint32_t *items, const float *weights, size_t count, void *scratch,
                       float *out)
{
    fold_scratch s;
    size_t bytes;
    bool solved =
        lay_out(side->F, count, scratch, &s, &bytes) &&
        (count > side->F ? fold_many : fold_few)(kernels, side, items, weights, count, &s, out);
    for (size_t f = 0; f < side->F && !solved; f++) out[f] = 0.0f;
    return solved;
}

/* ---- all rows, and back ---- */

typedef struct half_step {
    const ferry_kernels *kernels;
    const ferry_als_side *side; /* the given one */
    const ferry_sparse *events; /* rows: the wanted one */
    char *scratch;              /* [threads, scratch_size] */
    size_t scratch_size;
    float *out;      /* [rows, F] */
    uint8_t *failed; /* [threads] */
} half_step;

static void half_chunk(void *context, size_t chunk, size_t worker)
{
    const half_step *h = context;
    const ferry_sparse *m = h->events;
    size_t last = (chunk + 1) * CHUNK < m->rows ? (chunk + 1) * CHUNK : m->rows;
    for (size_t r = chunk * CHUNK; r < last; r++) {
        size_t first = m->start[r];
        if (!ferry_als_fold_in(h->kernels, h->side, m->column + first,
                               m->value != NULL ? m->value + first : NULL, m->start[r + 1] - first,
                               h->scratch + worker * h->scratch_size, h->out + r * h->side->F))
            h->failed[worker] = 1;
    }
}

typedef struct fit_state {
    ferry_arena arena;
    half_step step[2];      /* users from items, items from users */
    ferry_als_side side[2]; /* items, users */
    ferry_sparse columns;   /* the events by item */
} fit_state;

static ferry_status prepare(fit_state *s, const ferry_kernels *kernels, const ferry_sparse *events,
                            const ferry_als_options *o, ferry_pool *pool, float *users,
                            float *items, ferry_error *error)
{
    FERRY_TRY(ferry_sparse_transpose(events, &s->arena, &s->columns, error));
    size_t threads = ferry_pool_threads(pool), F = o->factors;
    if (!side_room(&s->arena, events->columns, F, o->alpha, items, &s->side[0]) ||
        !side_room(&s->arena, events->rows, F, o->alpha, users, &s->side[1]))
        return ferry_fail_memory(error, "the factors");
    for (int i = 0; i < 2; i++) {
        const ferry_sparse *m = i == 0 ? events : &s->columns;
        size_t longest = 0, bytes;
        for (size_t r = 0; r < m->rows; r++) {
            size_t length = m->start[r + 1] - m->start[r];
            longest = length > longest ? length : longest;
        }
        if (!ferry_als_scratch(F, longest, &bytes)) return ferry_fail_memory(error, "the factors");
        char *scratch = ferry_arena_array(&s->arena, threads, bytes);
        uint8_t *failed = ferry_arena_array(&s->arena, threads, 1);
        if (scratch == NULL || failed == NULL) return ferry_fail_memory(error, "the factors");
        s->step[i] =
            (half_step){kernels, &s->side[i], m, scratch, bytes, i == 0 ? users : items, failed};
    }
    return FERRY_OK;
}

static void begin(const ferry_als_options *o, const ferry_sparse *events, float *users,
                  float *items)
{
    ferry_random random;
    ferry_random_seed(&random, o->seed, 0);
    for (size_t i = 0; i < events->rows * o->factors; i++)
        users[i] = 0.01f * ferry_random_uniform(&random);
    ferry_random_seed(&random, o->seed, 1);
    for (size_t i = 0; i < events->columns * o->factors; i++)
        items[i] = 0.01f * ferry_random_uniform(&random);
}

ferry_status ferry_als_fit(const ferry_kernels *kernels, const ferry_sparse *events,
                           const ferry_als_options *options, bool start, ferry_pool *pool,
                           const ferry_allocator *allocator, float *users, float *items,
                           ferry_error *error)
{
    FERRY_TRY(ferry_sparse_check(events, "the events", error));
    const ferry_als_options *o = options;
    if (o->factors == 0 || o->factors > FERRY_ALS_MAX_FACTORS)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%zu factors, of 1 to %d", o->factors,
                          FERRY_ALS_MAX_FACTORS);
    if (!(o->lambda > 0.0f) || !(o->alpha > 0.0f))
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "lambda is %g and alpha %g, they must be above 0", (double)o->lambda,
                          (double)o->alpha);
    for (size_t i = 0; events->value != NULL && i < events->start[events->rows]; i++) {
        if (!(events->value[i] >= -1e6f && events->value[i] <= 1e6f))
            return ferry_fail(error, FERRY_INVALID_ARGUMENT, "event %zu weighs %g, of -1e6 to 1e6",
                              i, (double)events->value[i]);
    }
    fit_state s = {0};
    ferry_arena_init(&s.arena, ferry_allocator_or_default(allocator));
    if (!start) begin(o, events, users, items);
    ferry_status status = prepare(&s, kernels, events, o, pool, users, items, error);
    for (size_t i = 0; i < 2 * o->iterations && status == FERRY_OK; i++) {
        half_step *step = &s.step[i % 2];
        status = update_side(kernels, o->lambda, pool, &s.arena.allocator, &s.side[i % 2], error);
        if (status != FERRY_OK) break;
        ferry_pool_run(pool, (step->events->rows + CHUNK - 1) / CHUNK, half_chunk, step);
        for (size_t t = 0; t < ferry_pool_threads(pool); t++) {
            if (step->failed[t]) status = fail_to_solve(o->lambda, error);
        }
    }
    ferry_arena_free(&s.arena);
    return status;
}
