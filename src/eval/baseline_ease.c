/*
 * EASE (Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", 2019): with X the users by
 * items matrix of ones, P = (X^T X + lambda I)^-1 and B_ij = -P_ij / P_jj off the diagonal, the
 * score of j is the sum of B_ij over the distinct items i of the history. lambda is 500.
 *
 * P is made in place by the sweep operator on tiles, of which only the lower half is kept. A sweep
 * over tile k of a symmetric A, with D = A_kk^-1:
 *   A_ij -= A_ik D A_kj,  A_ik = A_ik D,  A_kk = -D
 * and after all of them A is -A^-1. Each tile is computed by one thread in a fixed order.
 */
#include <string.h>

#include "base/error.h"
#include "eval/baselines.h"
#include "math/ops.h"

enum { TILE = 128 };
#define LAMBDA 500.0f

typedef struct ease_scorer {
    ferry_arena arena; /* everything below */
    size_t domain, items, tiles;
    float
        *matrix; /* [tiles (tiles + 1) / 2, TILE, TILE] tile (i, j), i >= j, at i (i + 1) / 2 + j */
    float *weight; /* [tiles TILE] 1 / P_jj */
} ease_scorer;

static float *tile_at(const ease_scorer *scorer, size_t i, size_t j)
{
    return scorer->matrix + (i * (i + 1) / 2 + j) * TILE * TILE;
}

/* ---- making it ---- */

/* X^T X + lambda I. The rows past the last item stay those of the identity. */
static void fill_gram(ease_scorer *scorer, const ferry_user_sets *sets)
{
    for (size_t u = 0; u < sets->user_count; u++) {
        for (size_t a = sets->first[u]; a < sets->first[u + 1]; a++) {
            for (size_t b = sets->first[u]; b <= a; b++) { /* items ascend: b's is not above a's */
                size_t i = sets->item[a], j = sets->item[b];
                tile_at(scorer, i / TILE, j / TILE)[i % TILE * TILE + j % TILE] += 1.0f;
            }
        }
    }
    for (size_t i = 0; i < scorer->tiles * TILE; i++)
        tile_at(scorer, i / TILE, i / TILE)[i % TILE * (TILE + 1)] +=
            i < scorer->items ? LAMBDA : 1.0f;
    for (size_t t = 0; t < scorer->tiles; t++) { /* a tile on the diagonal has both halves */
        float *tile = tile_at(scorer, t, t);
        for (size_t i = 0; i < TILE; i++)
            for (size_t j = 0; j < i; j++) tile[j * TILE + i] = tile[i * TILE + j];
    }
}

/* The inverse of a symmetric positive definite tile, in doubles: Gauss and Jordan without pivots.
 */
static void invert_tile(const float *tile, double *work, float *out)
{
    for (size_t i = 0; i < TILE * TILE; i++) work[i] = (double)tile[i];
    for (size_t k = 0; k < TILE; k++) {
        double pivot = 1.0 / work[k * TILE + k];
        work[k * TILE + k] = 1.0;
        for (size_t j = 0; j < TILE; j++) work[k * TILE + j] *= pivot;
        for (size_t i = 0; i < TILE; i++) {
            double factor = work[i * TILE + k];
            if (i == k) continue;
            work[i * TILE + k] = 0.0;
            for (size_t j = 0; j < TILE; j++) work[i * TILE + j] -= factor * work[k * TILE + j];
        }
    }
    for (size_t i = 0; i < TILE; i++) /* its mean with its transpose: symmetric to the bit */
        for (size_t j = 0; j < TILE; j++)
            out[i * TILE + j] = (float)(0.5 * (work[i * TILE + j] + work[j * TILE + i]));
}

typedef struct sweep {
    const ease_scorer *scorer;
    const ferry_kernels *kernels;
    size_t k;
    double *work;   /* [TILE, TILE] */
    float *inverse; /* [TILE, TILE] D */
    float *inverse_panels;
    float *column;  /* [tiles, TILE, TILE] A_ik before */
    float *panels;  /* [tiles, TILE * TILE] panels of (A_jk D)^T = D A_kj */
    float *product; /* [threads, TILE, TILE] */
} sweep;

/* Takes A_ik out, and A_ik D both to its place and as panels. */
static void sweep_column(void *context, size_t i, size_t worker)
{
    const sweep *job = context;
    float *own = job->column + i * TILE * TILE, *product = job->product + worker * TILE * TILE;
    size_t k = job->k;
    if (i == k) return;
    if (i > k) {
        memcpy(own, tile_at(job->scorer, i, k), TILE * TILE * sizeof *own);
    } else { /* the lower half has its transpose */
        const float *tile = tile_at(job->scorer, k, i);
        for (size_t r = 0; r < TILE; r++)
            for (size_t c = 0; c < TILE; c++) own[r * TILE + c] = tile[c * TILE + r];
    }
    job->kernels->matmul(own, TILE, job->inverse_panels, NULL, product, TILE, TILE, TILE, TILE);
    ferry_pack_panels(product, 1, TILE, TILE, TILE, job->panels + i * TILE * TILE);
    if (i > k) {
        memcpy(tile_at(job->scorer, i, k), product, TILE * TILE * sizeof *own);
        return;
    }
    float *tile = tile_at(job->scorer, k, i);
    for (size_t r = 0; r < TILE; r++)
        for (size_t c = 0; c < TILE; c++) tile[c * TILE + r] = product[r * TILE + c];
}

/* A_ij -= A_ik (D A_kj) for all j <= i. */
static void sweep_row(void *context, size_t index, size_t worker)
{
    const sweep *job = context;
    size_t i = job->scorer->tiles - 1 - index; /* the longest rows first */
    float *product = job->product + worker * TILE * TILE;
    if (i == job->k) return;
    for (size_t j = 0; j <= i; j++) {
        if (j == job->k) continue;
        job->kernels->matmul(job->column + i * TILE * TILE, TILE, job->panels + j * TILE * TILE,
                             NULL, product, TILE, TILE, TILE, TILE);
        float *tile = tile_at(job->scorer, i, j);
        for (size_t c = 0; c < TILE * TILE; c++) tile[c] -= product[c];
    }
}

static void invert(sweep *job, ferry_pool *pool)
{
    const ease_scorer *scorer = job->scorer;
    for (job->k = 0; job->k < scorer->tiles; job->k++) {
        float *pivot = tile_at(scorer, job->k, job->k);
        invert_tile(pivot, job->work, job->inverse);
        ferry_pack_panels(job->inverse, TILE, 1, TILE, TILE, job->inverse_panels);
        ferry_pool_run(pool, scorer->tiles, sweep_column, job);
        ferry_pool_run(pool, scorer->tiles, sweep_row, job);
        for (size_t i = 0; i < TILE * TILE; i++) pivot[i] = -job->inverse[i];
    }
}

static ferry_status make_sweep(sweep *job, size_t threads, ferry_arena *arena, ferry_error *error)
{
    size_t square = TILE * TILE, tiles = job->scorer->tiles;
    job->work = ferry_arena_array(arena, square, sizeof *job->work);
    job->inverse = ferry_arena_array(arena, square, sizeof *job->inverse);
    job->inverse_panels = ferry_arena_array(arena, square, sizeof *job->inverse_panels);
    job->column = ferry_arena_array(arena, tiles, square * sizeof *job->column);
    job->panels = ferry_arena_array(arena, tiles, square * sizeof *job->panels);
    job->product = ferry_arena_array(arena, threads, square * sizeof *job->product);
    if (job->work == NULL || job->inverse == NULL || job->inverse_panels == NULL ||
        job->column == NULL || job->panels == NULL || job->product == NULL)
        return ferry_fail_memory(error, "EASE's tiles");
    return FERRY_OK;
}

static ferry_status fit(ease_scorer *scorer, const ferry_scorer_input *input,
                        ferry_arena *temporary, ferry_error *error)
{
    ferry_user_sets sets;
    sweep job = {.scorer = scorer, .kernels = input->kernels};
    size_t tiles = scorer->tiles;
    FERRY_TRY(ferry_user_sets_of(&input->dataset->domains[input->domain], temporary, &sets, error));
    FERRY_TRY(make_sweep(&job, ferry_pool_threads(input->pool), temporary, error));
    scorer->matrix = ferry_arena_array(&scorer->arena, tiles * (tiles + 1) / 2,
                                       TILE * TILE * sizeof *scorer->matrix);
    scorer->weight = ferry_arena_array(&scorer->arena, tiles * TILE, sizeof *scorer->weight);
    if (scorer->matrix == NULL || scorer->weight == NULL)
        return ferry_fail_memory(error, "EASE's matrix");
    fill_gram(scorer, &sets);
    invert(&job, input->pool);
    for (size_t j = 0; j < tiles * TILE; j++) {
        float *diagonal = tile_at(scorer, j / TILE, j / TILE) + j % TILE * (TILE + 1);
        scorer->weight[j] = -1.0f / *diagonal;
        *diagonal = 0.0f; /* B's; left in and taken off while scoring it would cost digits */
    }
    return FERRY_OK;
}

static void close_ease(void *user)
{
    ease_scorer *scorer = user;
    if (scorer == NULL) return;
    ferry_allocator allocator = scorer->arena.allocator;
    ferry_arena_free(&scorer->arena);
    ferry_release(&allocator, scorer, sizeof *scorer);
}

/* Before anything is allocated: LIMIT names what it would take. */
static ferry_status check_size(const ferry_scorer_input *input, size_t tiles, ferry_error *error)
{
    const ferry_interactions *domain = &input->dataset->domains[input->domain];
    double bytes = ((double)tiles * (double)(tiles + 1) / 2.0 + 2.0 * (double)tiles) *
                   (double)(TILE * TILE) * sizeof(float);
    if (bytes <= (double)input->memory_limit) return FERRY_OK;
    return ferry_fail(error, FERRY_LIMIT,
                      "EASE over the %zu items of \"%s\" takes %.0f MiB, the limit is %.0f MiB",
                      domain->item_count, domain->domain, bytes / 1048576.0,
                      (double)input->memory_limit / 1048576.0);
}

static ferry_status create_ease(const ferry_scorer_input *input, void **out, ferry_error *error)
{
    *out = NULL;
    size_t items = input->dataset->domains[input->domain].item_count;
    size_t tiles = (items + TILE - 1) / TILE;
    FERRY_TRY(check_size(input, tiles, error));
    ferry_allocator allocator = ferry_allocator_or_default(input->allocator);
    ease_scorer *made = ferry_allocate(&allocator, 1, sizeof *made);
    if (made == NULL) return ferry_fail_memory(error, "the scorer");
    ferry_arena_init(&made->arena, allocator);
    made->domain = input->domain;
    made->items = items;
    made->tiles = tiles;
    ferry_arena temporary;
    ferry_arena_init(&temporary, allocator);
    ferry_status status = fit(made, input, &temporary, error);
    ferry_arena_free(&temporary);
    if (status != FERRY_OK) {
        close_ease(made);
        return status;
    }
    *out = made;
    return FERRY_OK;
}

/* ---- scoring ---- */

/* out[j] += A_ij for every item j, the swept matrix's row. */
static void add_row(const ease_scorer *scorer, size_t i, float *out)
{
    size_t own = i / TILE, at = i % TILE;
    for (size_t t = 0; t < scorer->tiles; t++) {
        size_t begin = t * TILE, end = begin + TILE < scorer->items ? begin + TILE : scorer->items;
        const float *tile =
            t <= own ? tile_at(scorer, own, t) + at * TILE : tile_at(scorer, t, own) + at;
        size_t stride = t <= own ? 1 : TILE;
        for (size_t j = begin; j < end; j++) out[j] += tile[(j - begin) * stride];
    }
}

static void score_ease(void *user, const ferry_history_entry *history, size_t count, size_t worker,
                       float *out)
{
    (void)worker;
    const ease_scorer *scorer = user;
    memset(out, 0, scorer->items * sizeof *out);
    for (size_t h = 0; h < count; h++) {
        if (history[h].domain != scorer->domain || ferry_history_repeats(history, h)) continue;
        add_row(scorer, history[h].item, out);
    }
    for (size_t j = 0; j < scorer->items; j++) out[j] *= scorer->weight[j];
}

const ferry_scorer ferry_baseline_ease = {"ease", "linear autoencoder in closed form, lambda 500",
                                          create_ease, score_ease, close_ease};
