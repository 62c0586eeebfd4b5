#include "train/profile_map.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "math/elementary.h"
#include "math/ops.h"

enum { CHUNK = 16 /* users whose logits a thread computes at a time */ };

struct ferry_profile_trainer {
    ferry_arena arena;
    const ferry_kernels *kernels;
    ferry_profile_data data;
    ferry_profile_map_options options;
    ferry_pool *pool;
    ferry_profile_map map;
    size_t n;
    float *gradient;       /* as map.block */
    float *first, *second; /* Adam's moments, as map.block */
    double decay1, decay2; /* .9^t, .999^t */
    float *by_item;        /* panels of Z^T [N, n] */
    float *by_feature;     /* panels of Z [n, N] */
    float *panels;         /* of what is small: [max(N, R, users), max(N, R)] */
    const uint32_t *users; /* [count] the batch's */
    size_t count;
    float targets;       /* of the batch, all users' */
    float *profiles;     /* [count, N] */
    float *inner;        /* [count, R] p A */
    float *query;        /* [count, N] */
    float *logits;       /* [count, n]; then what the loss's gradient is in them */
    float *slope;        /* [count, N] the gradient in query over scale */
    float *inner_slope;  /* [count, R] */
    float *transposed;   /* [max(N, R), count] */
    float *loss, *prior; /* [count] each user's part of the loss and prior_weight's gradient */
};

static float *map_b(const ferry_profile_map *map)
{
    return map->block + map->N * map->R;
}

static float *map_offset(const ferry_profile_map *map)
{
    return map->block + 2 * map->N * map->R;
}

/* ---- making ---- */

static float *floats(ferry_profile_trainer *t, size_t rows, size_t columns)
{
    size_t count;
    if (!ferry_size_multiply(rows, columns, &count)) return NULL;
    return ferry_arena_array(&t->arena, count, sizeof(float));
}

static float *panels_of(ferry_profile_trainer *t, size_t K, size_t N)
{
    size_t count;
    return ferry_panels_size(K, N, &count) ? floats(t, count, 1) : NULL;
}

static bool make_room(ferry_profile_trainer *t)
{
    size_t N = t->data.N, R = t->options.rank, n = t->n, users = FERRY_PROFILE_BATCH_USERS;
    size_t size = ferry_profile_map_size(N, R), wide = N > R ? N : R;
    size_t deep = wide > users ? wide : users;
    t->map = (ferry_profile_map){N, R, floats(t, size, 1)};
    t->gradient = floats(t, size, 1);
    t->first = floats(t, size, 1);
    t->second = floats(t, size, 1);
    t->by_item = panels_of(t, N, n);
    t->by_feature = panels_of(t, n, N);
    t->panels = panels_of(t, deep, wide);
    t->profiles = floats(t, users, N);
    t->inner = floats(t, users, R);
    t->query = floats(t, users, N);
    t->logits = floats(t, users, n);
    t->slope = floats(t, users, N);
    t->inner_slope = floats(t, users, R);
    t->transposed = floats(t, wide, users);
    t->loss = floats(t, users, 1);
    t->prior = floats(t, users, 1);
    return t->map.block != NULL && t->gradient != NULL && t->first != NULL && t->second != NULL &&
           t->by_item != NULL && t->by_feature != NULL && t->panels != NULL &&
           t->profiles != NULL && t->inner != NULL && t->query != NULL && t->logits != NULL &&
           t->slope != NULL && t->inner_slope != NULL && t->transposed != NULL && t->loss != NULL &&
           t->prior != NULL;
}

ferry_status ferry_profile_trainer_create(const ferry_kernels *kernels,
                                          const ferry_profile_data *data,
                                          const ferry_profile_map_options *options,
                                          ferry_pool *pool, const ferry_allocator *allocator,
                                          ferry_profile_trainer **out, ferry_error *error)
{
    *out = NULL;
    FERRY_TRY(ferry_sparse_check(&data->targets, "the targets", error));
    if (options->rank == 0 || data->N == 0 || data->targets.columns == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "a map of rank %zu from %zu numbers to %zu items: none may be 0",
                          options->rank, data->N, data->targets.columns);
    ferry_allocator used = ferry_allocator_or_default(allocator);
    ferry_profile_trainer *t = ferry_allocate(&used, 1, sizeof *t);
    if (t == NULL) return ferry_fail_memory(error, "the profile map");
    *t = (ferry_profile_trainer){.kernels = kernels,
                                 .data = *data,
                                 .options = *options,
                                 .pool = pool,
                                 .n = data->targets.columns,
                                 .decay1 = 1.0,
                                 .decay2 = 1.0};
    ferry_arena_init(&t->arena, used);
    if (!make_room(t)) {
        ferry_profile_trainer_close(t);
        return ferry_fail_memory(error, "the profile map");
    }
    ferry_pack_panels(data->items, 1, data->N, data->N, t->n, t->by_item);
    ferry_pack_panels(data->items, data->N, 1, t->n, data->N, t->by_feature);
    ferry_random random;
    ferry_random_seed(&random, options->seed, 0);
    for (size_t i = 0; i < data->N * options->rank; i++)
        t->map.block[i] = 0.02f * ferry_random_normal(&random);
    map_offset(&t->map)[data->N] = 3.0f;
    map_offset(&t->map)[data->N + 1] = 1.0f;
    *out = t;
    return FERRY_OK;
}

void ferry_profile_trainer_close(ferry_profile_trainer *trainer)
{
    if (trainer == NULL) return;
    ferry_allocator allocator = trainer->arena.allocator;
    ferry_arena_free(&trainer->arena);
    ferry_release(&allocator, trainer, sizeof *trainer);
}

float *ferry_profile_trainer_gradient(ferry_profile_trainer *trainer)
{
    return trainer->gradient;
}

ferry_profile_map ferry_profile_trainer_map(ferry_profile_trainer *trainer)
{
    return trainer->map;
}

/* ---- forward and backward ---- */

/* y [T, N] = x [T, K] matrix, element (k, n) of it at k * stride_k + n * stride_n. */
static void multiply(ferry_profile_trainer *t, const float *x, const float *matrix, size_t stride_k,
                     size_t stride_n, float *y, size_t T, size_t K, size_t N)
{
    ferry_pack_panels(matrix, stride_k, stride_n, K, N, t->panels);
    t->kernels->matmul(x, K, t->panels, NULL, y, N, T, K, N);
}

/* One user's logits to the gradient in them, and to the parts of loss and prior weight. */
static void softmax_row(ferry_profile_trainer *t, size_t row)
{
    float *g = t->logits + row * t->n, scale = ferry_profile_map_scale(&t->map);
    float weight = ferry_profile_map_prior_weight(&t->map);
    const ferry_sparse *targets = &t->data.targets;
    size_t first = targets->start[t->users[row]], last = targets->start[t->users[row] + 1];
    for (size_t i = 0; i < t->n; i++) g[i] = scale * g[i] + weight * t->data.prior[i];
    t->kernels->softmax(g, t->n, 1.0f, 1, t->n);
    float loss = 0.0f;
    for (size_t i = first; i < last; i++) loss = loss - ferry_log_float(g[targets->column[i]]);
    float share = (float)(last - first) / t->targets;
    for (size_t i = 0; i < t->n; i++) g[i] = share * g[i];
    for (size_t i = first; i < last; i++)
        g[targets->column[i]] = g[targets->column[i]] - 1.0f / t->targets;
    t->kernels->dot_rows(g, t->data.prior, &t->prior[row], 1, t->n);
    /* a NaN is hidden by the logarithm's clamp, not by this */
    t->loss[row] = loss / t->targets + 0.0f * t->prior[row];
}

static void run_chunk(void *context, size_t chunk, size_t worker)
{
    (void)worker;
    ferry_profile_trainer *t = context;
    size_t N = t->data.N, first = chunk * CHUNK, rest = t->count - first;
    size_t rows = rest < CHUNK ? rest : CHUNK;
    t->kernels->matmul(t->query + first * N, N, t->by_item, NULL, t->logits + first * t->n, t->n,
                       rows, N, t->n);
    for (size_t r = 0; r < rows; r++) softmax_row(t, first + r);
    t->kernels->matmul(t->logits + first * t->n, t->n, t->by_feature, NULL, t->slope + first * N, N,
                       rows, t->n, N);
}

/* out [columns, rows] of x [rows, columns] */
static void transpose(const float *x, size_t rows, size_t columns, float *out)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++) out[c * rows + r] = x[r * columns + c];
    }
}

static void backward(ferry_profile_trainer *t)
{
    size_t N = t->map.N, R = t->map.R, count = t->count;
    ferry_profile_map gradient = {N, R, t->gradient};
    float scale = ferry_profile_map_scale(&t->map), slope_of_scale = 0.0f, slope_of_prior = 0.0f;
    float *offset = map_offset(&gradient);
    memset(t->gradient, 0, ferry_profile_map_size(N, R) * sizeof *t->gradient);
    for (size_t r = 0; r < count; r++) {
        float dot, *slope = t->slope + r * N;
        t->kernels->dot_rows(slope, t->query + r * N, &dot, 1, N);
        slope_of_scale = slope_of_scale + dot;
        slope_of_prior = slope_of_prior + t->prior[r];
        for (size_t i = 0; i < N; i++) {
            slope[i] = scale * slope[i];
            offset[i] = offset[i] + slope[i];
        }
    }
    offset[N] = slope_of_scale;
    offset[N + 1] = slope_of_prior;
    multiply(t, t->slope, map_b(&t->map), 1, N, t->inner_slope, count, N, R);
    transpose(t->inner, count, R, t->transposed);
    multiply(t, t->transposed, t->slope, N, 1, map_b(&gradient), R, count, N);
    transpose(t->profiles, count, N, t->transposed);
    multiply(t, t->transposed, t->inner_slope, R, 1, t->gradient, N, count, R);
    for (size_t i = 0; i < 2 * N * R; i++)
        t->gradient[i] = t->gradient[i] + 2.0f * t->options.l2 * t->map.block[i];
}

float ferry_profile_trainer_loss(ferry_profile_trainer *t, const uint32_t *users, size_t count)
{
    size_t N = t->map.N, R = t->map.R, targets = 0;
    t->users = users;
    t->count = count;
    for (size_t r = 0; r < count; r++) {
        targets += t->data.targets.start[users[r] + 1] - t->data.targets.start[users[r]];
        memcpy(t->profiles + r * N, t->data.profiles + users[r] * N, N * sizeof *t->profiles);
    }
    t->targets = (float)targets;
    const float *offset = map_offset(&t->map);
    multiply(t, t->profiles, t->map.block, R, 1, t->inner, count, N, R);
    multiply(t, t->inner, map_b(&t->map), N, 1, t->query, count, R, N);
    for (size_t r = 0; r < count; r++) {
        for (size_t i = 0; i < N; i++)
            t->query[r * N + i] = t->query[r * N + i] + t->profiles[r * N + i] + offset[i];
    }
    ferry_pool_run(t->pool, (count + CHUNK - 1) / CHUNK, run_chunk, t);
    backward(t);
    float loss = 0.0f, square;
    for (size_t r = 0; r < count; r++) loss = loss + t->loss[r];
    t->kernels->dot_rows(t->map.block, t->map.block, &square, 1, 2 * N * R);
    return loss + t->options.l2 * square;
}

void ferry_profile_trainer_step(ferry_profile_trainer *t)
{
    t->decay1 = t->decay1 * 0.9;
    t->decay2 = t->decay2 * 0.999;
    float step = t->options.rate / (float)(1.0 - t->decay1);
    float unbias = (float)(1.0 / sqrt(1.0 - t->decay2));
    size_t size = ferry_profile_map_size(t->map.N, t->map.R);
    for (size_t i = 0; i < size; i++) {
        float g = t->gradient[i];
        t->first[i] = 0.9f * t->first[i] + 0.1f * g;
        t->second[i] = 0.999f * t->second[i] + 0.001f * g * g;
        t->map.block[i] =
            t->map.block[i] - step * t->first[i] / (sqrtf(t->second[i]) * unbias + 1e-8f);
    }
}

/* ---- all epochs ---- */

/* How many of the users from `at` on make a batch; the targets are at least 1 if any are left. */
static size_t take_batch(const ferry_profile_trainer *t, const uint32_t *order, size_t at,
                         size_t users)
{
    size_t count = 0, targets = 0;
    while (at + count < users && count < FERRY_PROFILE_BATCH_USERS) {
        uint32_t user = order[at + count];
        size_t more = t->data.targets.start[user + 1] - t->data.targets.start[user];
        if (count > 0 && targets + more > t->options.batch) break;
        targets += more;
        count++;
    }
    return count;
}

ferry_status ferry_profile_map_fit(const ferry_kernels *kernels, const ferry_profile_data *data,
                                   const ferry_profile_map_options *options, ferry_pool *pool,
                                   const ferry_allocator *allocator, ferry_profile_map *out,
                                   ferry_error *error)
{
    ferry_profile_trainer *t;
    FERRY_TRY(ferry_profile_trainer_create(kernels, data, options, pool, allocator, &t, error));
    ferry_status status = FERRY_OK;
    uint32_t *order = ferry_arena_array(&t->arena, data->targets.rows, sizeof *order);
    if (order == NULL) status = ferry_fail_memory(error, "the order of the users");
    size_t users = 0;
    for (size_t u = 0; u < data->targets.rows && order != NULL; u++) {
        if (data->targets.start[u + 1] > data->targets.start[u]) order[users++] = (uint32_t)u;
    }
    if (status == FERRY_OK && users == 0)
        status = ferry_fail(error, FERRY_INVALID_ARGUMENT,
                            "none of the %zu users has an item in the target domain",
                            data->targets.rows);
    ferry_random random;
    ferry_random_seed(&random, options->seed, 1);
    for (size_t epoch = 0; epoch < options->epochs && status == FERRY_OK; epoch++) {
        ferry_random_shuffle(&random, order, users);
        for (size_t at = 0, count; at < users && status == FERRY_OK; at += count) {
            count = take_batch(t, order, at, users);
            float loss = ferry_profile_trainer_loss(t, order + at, count);
            if (!(loss < 1e30f))
                status = ferry_fail(error, FERRY_UNSUPPORTED,
                                    "the profile map's loss is %g in epoch %zu: lower the rate",
                                    (double)loss, epoch + 1);
            ferry_profile_trainer_step(t);
        }
    }
    if (status == FERRY_OK) {
        out->N = t->map.N;
        out->R = t->map.R;
        memcpy(out->block, t->map.block,
               ferry_profile_map_size(out->N, out->R) * sizeof *out->block);
    }
    ferry_profile_trainer_close(t);
    return status;
}
