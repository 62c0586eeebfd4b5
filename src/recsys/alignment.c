#include "recsys/alignment.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "math/elementary.h"
#include "math/ops.h"

const char *ferry_align_head_name(ferry_align_head head)
{
    static const char *const names[] = {
#define HEAD_NAME(name, text) text,
        FERRY_ALIGN_HEAD_LIST(HEAD_NAME)
#undef HEAD_NAME
    };
    return names[head];
}

/* out [T, D] = unit(whiten(x)), x [T, D] of length 1, which it overlaps not */
static void whiten(const ferry_alignment *a, ferry_pool *pool, const float *x, size_t T, float *out)
{
    if (a->whiten.weight != NULL)
        ferry_dense_apply(&a->whiten, a->kernels, pool, x, T, out);
    else
        memcpy(out, x, T * a->D * sizeof *out);
    for (size_t t = 0; t < T; t++) ferry_l2_normalize(a->kernels, out + t * a->D, a->D);
}

ferry_status ferry_alignment_center(const ferry_alignment *alignment, ferry_pool *pool,
                                    const float *y, size_t T, float *out, ferry_error *error)
{
    size_t D = alignment->D;
    ferry_arena arena;
    ferry_arena_init(&arena, alignment->arena.allocator);
    float *block = ferry_arena_array(&arena, FERRY_ALIGN_ROWS, D * sizeof *block);
    for (size_t first = 0; first < T && block != NULL; first += FERRY_ALIGN_ROWS) {
        size_t rows = T - first < FERRY_ALIGN_ROWS ? T - first : FERRY_ALIGN_ROWS;
        for (size_t t = 0; t < rows; t++) {
            const float *from = y + (first + t) * D;
            float *to = block + t * D;
            bool none = ferry_is_zero(from, D);
            for (size_t n = 0; n < D; n++) to[n] = none ? 0.0f : from[n] - alignment->text_mean[n];
            ferry_l2_normalize(alignment->kernels, to, D);
        }
        whiten(alignment, pool, block, rows, out + first * D);
    }
    ferry_status status = block != NULL ? FERRY_OK : ferry_fail_memory(error, "some texts");
    ferry_arena_free(&arena);
    return status;
}

void ferry_alignment_standardise(const ferry_alignment *alignment, const float *x, size_t T,
                                 float *raw, float *z)
{
    size_t F = alignment->F;
    for (size_t t = 0; t < T; t++, x += F) {
        float square;
        alignment->kernels->dot_rows(x, x, &square, 1, F);
        bool none = !(square > 0.0f);
        float factor = none ? 0.0f : alignment->norm / sqrtf(square);
        for (size_t n = 0; n < F; n++) {
            float value = x[n] * factor;
            if (raw != NULL) raw[t * F + n] = value;
            if (z != NULL)
                z[t * F + n] = none ? 0.0f : (value - alignment->mean[n]) * alignment->scale[n];
        }
    }
}

/* ---- heads ---- */

/* out [D] = sum over the likeliest classes of exp(logit - the largest) * label; spoils logits */
static void mix_labels(const ferry_alignment *alignment, float *logits, float *out)
{
    size_t C = alignment->classifier.N, D = alignment->D;
    size_t top = C < FERRY_BRIDGE_TOP ? C : FERRY_BRIDGE_TOP;
    float largest = 0.0f;
    memset(out, 0, D * sizeof *out);
    for (size_t k = 0; k < top; k++) {
        size_t best = 0;
        for (size_t c = 1; c < C; c++) best = logits[c] > logits[best] ? c : best;
        if (k == 0) largest = logits[best];
        ferry_add_scaled(out, alignment->labels + best * D,
                         ferry_exp((logits[best] - largest) / FERRY_BRIDGE_TEMPERATURE), D);
        logits[best] = -INFINITY;
    }
}

ferry_status ferry_alignment_bridge(const ferry_alignment *alignment, ferry_pool *pool,
                                    const float *raw, size_t T, float *out, ferry_error *error)
{
    size_t C = alignment->classifier.N, D = alignment->D, F = alignment->F;
    ferry_arena arena;
    ferry_arena_init(&arena, alignment->arena.allocator);
    float *logits = ferry_arena_array(&arena, FERRY_ALIGN_ROWS, C * sizeof *logits);
    for (size_t t = 0; t < T && logits != NULL; t += FERRY_ALIGN_ROWS) {
        size_t rows = T - t < FERRY_ALIGN_ROWS ? T - t : FERRY_ALIGN_ROWS;
        ferry_dense_apply(&alignment->classifier, alignment->kernels, pool, raw + t * F, rows,
                          logits);
        for (size_t i = 0; i < rows; i++) {
            mix_labels(alignment, logits + i * C, out + (t + i) * D);
            ferry_l2_normalize(alignment->kernels, out + (t + i) * D, D);
        }
    }
    ferry_status status = logits != NULL ? FERRY_OK : ferry_fail_memory(error, "the classes");
    ferry_arena_free(&arena);
    return status;
}

static ferry_status infonce(const ferry_alignment *alignment, ferry_pool *pool, const float *z,
                            size_t T, float *out, ferry_error *error)
{
    size_t h = alignment->in.N, D = alignment->D;
    ferry_arena arena;
    ferry_arena_init(&arena, alignment->arena.allocator);
    float *hidden = ferry_arena_array(&arena, T, h * sizeof *hidden);
    float *straight = ferry_arena_array(&arena, T, D * sizeof *straight);
    ferry_status status = FERRY_OK;
    if (hidden == NULL || straight == NULL) {
        status = ferry_fail_memory(error, "the hidden layer");
    } else {
        ferry_dense_apply(&alignment->in, alignment->kernels, pool, z, T, hidden);
        alignment->kernels->gelu(hidden, T * h);
        ferry_dense_apply(&alignment->out, alignment->kernels, pool, hidden, T, out);
        ferry_dense_apply(&alignment->skip, alignment->kernels, pool, z, T, straight);
        for (size_t i = 0; i < T * D; i++) out[i] = out[i] + straight[i];
    }
    ferry_arena_free(&arena);
    return status;
}

/* The bridge, its mean off, in the whitened space. */
static ferry_status bridge_places(const ferry_alignment *alignment, ferry_pool *pool,
                                  const float *raw, size_t T, float *out, ferry_error *error)
{
    size_t D = alignment->D;
    ferry_arena arena;
    ferry_arena_init(&arena, alignment->arena.allocator);
    float *mixed = ferry_arena_array(&arena, T, D * sizeof *mixed);
    ferry_status status = mixed != NULL
                              ? ferry_alignment_bridge(alignment, pool, raw, T, mixed, error)
                              : ferry_fail_memory(error, "the bridge");
    for (size_t t = 0; t < T && status == FERRY_OK; t++) {
        ferry_add_scaled(mixed + t * D, alignment->bridge_mean, -1.0f, D);
        ferry_l2_normalize(alignment->kernels, mixed + t * D, D);
    }
    if (status == FERRY_OK) whiten(alignment, pool, mixed, T, out);
    ferry_arena_free(&arena);
    return status;
}

ferry_status ferry_alignment_head(const ferry_alignment *alignment, ferry_align_head head,
                                  ferry_pool *pool, const float *raw, const float *z, size_t T,
                                  float *out, ferry_error *error)
{
    size_t D = alignment->D;
    if (head == FERRY_ALIGN_HEAD_BRIDGE) {
        return bridge_places(alignment, pool, raw, T, out, error);
    } else if (head == FERRY_ALIGN_HEAD_RIDGE) {
        ferry_dense_apply(&alignment->ridge, alignment->kernels, pool, z, T, out);
    } else {
        FERRY_TRY(infonce(alignment, pool, z, T, out, error));
    }
    for (size_t t = 0; t < T; t++) ferry_l2_normalize(alignment->kernels, out + t * D, D);
    return FERRY_OK;
}

/* ---- all of them ---- */

/* At most FERRY_ALIGN_ROWS rows; block holds raw and z [rows, F] and one head's [rows, D]. */
static ferry_status map_rows(const ferry_alignment *alignment, ferry_pool *pool, const float *x,
                             size_t rows, float *block, float *out, ferry_error *error)
{
    size_t F = alignment->F, D = alignment->D;
    float *raw = block, *z = raw + rows * F, *one = z + rows * F;
    ferry_alignment_standardise(alignment, x, rows, raw, z);
    memset(out, 0, rows * D * sizeof *out);
    for (int head = 0; head < FERRY_ALIGN_HEADS; head++) {
        if (alignment->weight[head] == 0.0f) continue;
        FERRY_TRY(ferry_alignment_head(alignment, (ferry_align_head)head, pool, raw, z, rows, one,
                                       error));
        ferry_add_scaled(out, one, alignment->weight[head], rows * D);
    }
    for (size_t t = 0; t < rows; t++) {
        if (ferry_is_zero(x + t * F, F)) memset(out + t * D, 0, D * sizeof *out);
        ferry_l2_normalize(alignment->kernels, out + t * D, D);
    }
    return FERRY_OK;
}

ferry_status ferry_alignment_map(const ferry_alignment *alignment, ferry_pool *pool, const float *x,
                                 size_t T, float *out, ferry_error *error)
{
    size_t F = alignment->F, D = alignment->D;
    ferry_arena arena;
    ferry_arena_init(&arena, alignment->arena.allocator);
    float *block = ferry_arena_array(&arena, FERRY_ALIGN_ROWS, (2 * F + D) * sizeof *block);
    ferry_status status =
        block != NULL ? FERRY_OK : ferry_fail_memory(error, "the features of some items");
    for (size_t t = 0; t < T && status == FERRY_OK; t += FERRY_ALIGN_ROWS) {
        size_t rows = T - t < FERRY_ALIGN_ROWS ? T - t : FERRY_ALIGN_ROWS;
        status = map_rows(alignment, pool, x + t * F, rows, block, out + t * D, error);
    }
    ferry_arena_free(&arena);
    return status;
}
