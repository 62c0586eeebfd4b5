/* Attention in int8: against f32, by every kernel variant, within its room; and its kernels. */
#include "test.h"

#include <math.h>

#include "encode/attention.h"
#include "math/elementary.h"
#include "math/ops.h"

enum { MAX_VARIANTS = 8, HEADS = 2 };

static const ferry_kernels *variants[MAX_VARIANTS];
static size_t variant_count;

static int list_variants(void **state)
{
    (void)state;
    variant_count = ferry_kernels_available(variants, MAX_VARIANTS);
    return variant_count > 0 ? 0 : -1;
}

static uint32_t random_state = 7;

static float random_float(void) /* -2…2 */
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(int32_t)random_state / 1073741824.0f;
}

/* ---- kernels ---- */

static void softmax_gives_the_same_bytes(void **state)
{
    (void)state;
    for (size_t N = 1; N <= 70; N++) {
        enum { T = 3 };
        size_t ldx = N + 1, K4 = ferry_int8_padded(N);
        float *x = malloc(T * ldx * sizeof *x), scale[2][T];
        uint8_t *q[2] = {malloc(T * K4), malloc(T * K4)};
        for (size_t i = 0; i < T * ldx; i++) x[i] = random_float() * 20.0f;
        x[N / 2] = 500.0f; /* beside which the others are nothing */
        ferry_kernels_scalar.softmax_int7(x, ldx, T, N, &(ferry_int7_rows){q[0], scale[0]});
        for (size_t t = 0; t < T; t++) {
            double most = -INFINITY, sum = 0.0;
            for (size_t n = 0; n < N; n++) most = fmax(most, (double)x[t * ldx + n]);
            for (size_t n = 0; n < N; n++) sum += exp2((double)x[t * ldx + n] - most);
            for (size_t n = 0; n < N; n++) {
                double share = exp2((double)x[t * ldx + n] - most);
                assert_true(fabs((double)q[0][t * K4 + n] - 127.0 * share) < 0.52);
            }
            for (size_t n = N; n < K4; n++) assert_int_equal(q[0][t * K4 + n], 0);
            assert_true(fabs((double)scale[0][t] * 127.0 * sum - 1.0) < 2e-4);
        }
        for (size_t v = 1; v < variant_count; v++) {
            memset(q[1], 1, T * K4);
            variants[v]->softmax_int7(x, ldx, T, N, &(ferry_int7_rows){q[1], scale[1]});
            if (memcmp(q[0], q[1], T * K4) != 0 || memcmp(scale[0], scale[1], sizeof scale[0]) != 0)
                fail_msg("softmax_int7 of %s differs, N %zu", variants[v]->name, N);
        }
        free(x), free(q[0]), free(q[1]);
    }
}

static void panels_are_quantized_alike(void **state)
{
    (void)state;
    for (size_t K = 1; K <= 70; K++) {
        size_t K4 = ferry_int8_padded(K), count = K4 * FERRY_PANEL;
        float *x = malloc(K * FERRY_PANEL * sizeof *x), scale[2][FERRY_PANEL];
        int8_t *w[2] = {malloc(count), malloc(count)};
        int32_t start[2][FERRY_PANEL];
        for (size_t i = 0; i < K * FERRY_PANEL; i++)
            x[i] = i % FERRY_PANEL == 3 ? 0.0f : random_float() * (float)(i % FERRY_PANEL);
        ferry_kernels_scalar.quantize_panel(x, K, 64, 0.5f, w[0], scale[0], start[0]);
        for (size_t n = 0; n < FERRY_PANEL; n++) {
            int sum = 0, most = 0;
            for (size_t k = 0; k < K4; k++) {
                int q = w[0][(k / 4 * FERRY_PANEL + n) * 4 + k % 4];
                double value = k < K ? (double)x[k * FERRY_PANEL + n] : 0.0;
                assert_true(fabs(2.0 * q * (double)scale[0][n] - value) <=
                            1.001 * (double)scale[0][n]);
                sum += q;
                most = abs(q) > most ? abs(q) : most;
            }
            assert_int_equal(start[0][n], -64 * sum);
            assert_int_equal(most, scale[0][n] > 0.0f ? 127 : 0);
        }
        for (size_t v = 1; v < variant_count; v++) {
            memset(w[1], 1, count);
            variants[v]->quantize_panel(x, K, 64, 0.5f, w[1], scale[1], start[1]);
            if (memcmp(w[0], w[1], count) != 0 ||
                memcmp(scale[0], scale[1], sizeof scale[0]) != 0 ||
                memcmp(start[0], start[1], sizeof start[0]) != 0)
                fail_msg("quantize_panel of %s differs, K %zu", variants[v]->name, K);
        }
        free(x), free(w[0]), free(w[1]);
    }
}

/* ---- attention ---- */

typedef struct shape {
    size_t T, D, rows, first; /* tokens first… first + T - 1 of rows */
} shape;

/* All heads' context [rows, HEADS * D]; of a room that is not a float larger than it must be. */
static float *attend(const ferry_kernels *kernels, const shape *s, const float *x, bool int8)
{
    size_t hidden = HEADS * s->D, room;
    float *context = calloc(s->rows * hidden, sizeof *context);
    ferry_attention a = {.kernels = kernels,
                         .x = x,
                         .columns = ferry_attention_columns(hidden, s->D, s->rows),
                         .context = context,
                         .hidden = hidden,
                         .D = s->D};
    assert_true(ferry_attention_room(s->T, s->D, &room));
    float *work = malloc(room * sizeof *work);
    for (size_t h = 0; h < HEADS; h++) {
        size_t column = h * s->D;
        ferry_head head = {x + ferry_columns_at(&a.columns, s->first, column),
                           x + ferry_columns_at(&a.columns, s->first, hidden + column),
                           x + ferry_columns_at(&a.columns, s->first, 2 * hidden + column),
                           a.columns.group, context + s->first * hidden + column};
        if (int8)
            ferry_attend_int8(&a, &head, s->T, work);
        else
            ferry_attend(&a, h, s->first, s->T, work);
    }
    free(work);
    return context;
}

/* Queries and keys whose scores differ by some units, and values, each with much in common. */
static float *random_heads(const shape *s, float common)
{
    size_t hidden = HEADS * s->D;
    ferry_columns columns = ferry_attention_columns(hidden, s->D, s->rows);
    float *x = malloc(3 * hidden * s->rows * sizeof *x);
    for (size_t c = 0; c < 3 * hidden; c++)
        for (size_t t = 0; t < s->rows; t++)
            x[ferry_columns_at(&columns, t, c)] =
                random_float() + (c >= hidden ? common * (float)(c % 3) : 0.0f);
    return x;
}

static const shape shapes[] = {{1, 16, 1, 0},     {5, 8, 7, 1},     {16, 32, 16, 0},
                               {49, 20, 60, 11},  {64, 64, 64, 0},  {97, 72, 97, 0},
                               {130, 32, 140, 3}, {197, 64, 197, 0}};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void int8_is_near_f32(void **state)
{
    (void)state;
    double worst = 1.0;
    for (size_t i = 0; i < SHAPES; i++) {
        const shape *s = &shapes[i];
        for (int common = 0; common <= 10; common += 10) {
            float *x = random_heads(s, (float)common);
            float *exact = attend(&ferry_kernels_scalar, s, x, false);
            float *found = attend(&ferry_kernels_scalar, s, x, true);
            size_t hidden = HEADS * s->D;
            /* what all values have in common is in both, to the last bits: only the rest counts */
            for (size_t t = 0; t < s->rows; t++) {
                double dot = 0.0, square = 0.0, other = 0.0;
                for (size_t n = 0; n < hidden; n++) {
                    double a = (double)exact[t * hidden + n], b = (double)found[t * hidden + n];
                    if (t < s->first || t >= s->first + s->T) assert_true(a == 0.0 && b == 0.0);
                    a -= a == 0.0 ? 0.0 : common * (double)(n % 3),
                        b -= b == 0.0 ? 0.0 : common * (double)(n % 3);
                    dot += a * b, square += a * a, other += b * b;
                }
                if (square == 0.0) continue;
                double cosine = dot / sqrt(square * other);
                worst = cosine < worst ? cosine : worst;
            }
            free(x), free(exact), free(found);
        }
    }
    print_message("least cosine of a token's context to f32: %.5f\n", worst);
    assert_true(worst > 0.998);
}

static void int8_gives_the_same_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < SHAPES; i++) {
        const shape *s = &shapes[i];
        size_t size = s->rows * HEADS * s->D * sizeof(float);
        float *x = random_heads(s, 1.0f), *expected = attend(variants[0], s, x, true);
        for (size_t v = 1; v < variant_count; v++) {
            float *found = attend(variants[v], s, x, true);
            if (memcmp(expected, found, size) != 0)
                fail_msg("%s differs, T %zu, D %zu", variants[v]->name, s->T, s->D);
            free(found);
        }
        free(x), free(expected);
    }
}

/* A text's own tokens decide, so that what it is encoded with changes nothing. */
static void long_texts_alone_are_int8(void **state)
{
    (void)state;
    const size_t lengths[] = {FERRY_ATTENTION_INT8_LEAST - 1, FERRY_ATTENTION_INT8_LEAST};
    for (int causal = 0; causal <= 1; causal++)
        for (size_t i = 0; i < 2; i++) {
            shape s = {lengths[i], 16, lengths[i], 0};
            size_t hidden = HEADS * s.D, size = s.T * hidden * sizeof(float), room;
            float *x = random_heads(&s, 0.0f), *int8 = attend(variants[0], &s, x, true);
            float *chosen = calloc(s.T * hidden, sizeof *chosen);
            ferry_attention a = {.kernels = variants[0],
                                 .x = x,
                                 .columns = ferry_attention_columns(hidden, s.D, s.T),
                                 .context = chosen,
                                 .hidden = hidden,
                                 .D = s.D,
                                 .causal = causal,
                                 .int8 = true};
            assert_true(ferry_attention_room(s.T, s.D, &room));
            float *work = malloc(room * sizeof *work);
            for (size_t h = 0; h < HEADS; h++) ferry_attend(&a, h, 0, s.T, work);
            assert_int_equal(memcmp(chosen, int8, size) == 0, i == 1 && !causal);
            free(x), free(int8), free(chosen), free(work);
        }
}

static void a_room_too_large_is_refused(void **state)
{
    size_t room;
    (void)state;
    assert_false(ferry_attention_room(SIZE_MAX / 64, 64, &room));
    assert_false(ferry_attention_room(64, SIZE_MAX - 3, &room));
    assert_false(ferry_attention_room(1, SIZE_MAX / 4, &room));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_gives_the_same_bytes),
        cmocka_unit_test(panels_are_quantized_alike),
        cmocka_unit_test(int8_is_near_f32),
        cmocka_unit_test(int8_gives_the_same_bits),
        cmocka_unit_test(long_texts_alone_are_int8),
        cmocka_unit_test(a_room_too_large_is_refused),
    };
    return cmocka_run_group_tests(tests, list_variants, NULL);
}
