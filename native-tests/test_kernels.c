/* Every kernel variant against the scalar one, bit for bit: all tails, guard bytes behind. */
#include "test.h"

#include <math.h>

#include "math/elementary.h"
#include "math/kernels.h"
#include "math/ops.h"

enum { GUARD = 32, MAX_VARIANTS = 8 };

static uint32_t random_state = 1;

static float random_float(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(int32_t)random_state / 1073741824.0f; /* -2…2 */
}

/* count random floats, with guards behind them. */
static float *random_floats(size_t count)
{
    float *x = malloc((count + GUARD) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count + GUARD; i++) x[i] = i < count ? random_float() : -77.0f;
    return x;
}

static float *copy_floats(const float *x, size_t count)
{
    float *copy = malloc((count + GUARD) * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, x, (count + GUARD) * sizeof *copy);
    return copy;
}

static void assert_same_bits(const float *a, const float *b, size_t count, const char *variant,
                             const char *kernel, size_t T, size_t N)
{
    if (memcmp(a, b, (count + GUARD) * sizeof *a) == 0) return;
    for (size_t i = 0; i < count + GUARD; i++) {
        if (memcmp(a + i, b + i, sizeof *a) != 0)
            fail_msg("%s of %s differs at %zu of %zu (T=%zu N=%zu): %a, scalar %a", kernel, variant,
                     i, count, T, N, (double)b[i], (double)a[i]);
    }
}

static const ferry_kernels *variants[MAX_VARIANTS];
static size_t variant_count;

static int list_variants(void **state)
{
    (void)state;
    variant_count = ferry_kernels_available(variants, MAX_VARIANTS);
    for (size_t v = 0; v < variant_count; v++) print_message("variant: %s\n", variants[v]->name);
    return variant_count > 0 && variants[0] == &ferry_kernels_scalar ? 0 : -1;
}

static void check_matmul(size_t T, size_t K, size_t N)
{
    size_t panels_size;
    assert_true(ferry_panels_size(K, N, &panels_size));
    float *x = random_floats(T * (K + 3)), *w = random_floats(K * N), *bias = random_floats(N);
    float *panels = random_floats(panels_size);
    ferry_pack_panels(w, 1, K, K, N, panels);
    size_t y_size = T * (N + 5);
    float *expected = random_floats(y_size);
    for (int with_bias = 0; with_bias < 2; with_bias++) {
        const float *b = with_bias ? bias : NULL;
        float *before = copy_floats(expected, y_size);
        ferry_kernels_scalar.matmul(x, K + 3, panels, b, expected, N + 5, T, K, N);
        for (size_t v = 1; v < variant_count; v++) {
            float *y = copy_floats(before, y_size);
            variants[v]->matmul(x, K + 3, panels, b, y, N + 5, T, K, N);
            assert_same_bits(expected, y, y_size, variants[v]->name, "matmul", T, N);
            free(y);
        }
        free(before);
    }
    /* and the scalar one against the definition, in double */
    for (size_t t = 0; t < T; t++) {
        for (size_t n = 0; n < N; n++) {
            double sum = (double)bias[n];
            for (size_t k = 0; k < K; k++) sum += (double)x[t * (K + 3) + k] * (double)w[n * K + k];
            assert_true(fabs(sum - (double)expected[t * (N + 5) + n]) < 1e-4);
        }
    }
    free(x), free(w), free(bias), free(panels), free(expected);
}

static void matmul_same_bits(void **state)
{
    (void)state;
    for (size_t T = 1; T <= 19; T++)
        for (size_t N = 1; N <= 35; N += 1 + N / 5) check_matmul(T, 1 + (T * 7 + N) % 37, N);
    check_matmul(33, 384, 48);
}

/* ---- int8 ---- */

static ferry_int8_rows make_rows(size_t T, size_t K)
{
    size_t groups = ferry_int8_groups(K);
    ferry_int8_rows rows = {malloc(T * ferry_int8_padded(K) + GUARD), random_floats(T * groups),
                            malloc((T * groups + GUARD) * sizeof(int32_t))};
    assert_true(rows.q != NULL && rows.offset != NULL);
    memset(rows.q, 99, T * ferry_int8_padded(K) + GUARD);
    memset(rows.offset, 99, (T * groups + GUARD) * sizeof(int32_t));
    return rows;
}

static void free_rows(ferry_int8_rows *rows)
{
    free(rows->q), free(rows->scale), free(rows->offset);
}

static void check_int8(size_t T, size_t K, size_t N)
{
    size_t groups = ferry_int8_groups(K), K4 = ferry_int8_padded(K), bytes, scales;
    assert_true(ferry_int8_panels_size(K, N, &bytes, &scales));
    float *x = random_floats(T * K), *weight = random_floats(N * K), *bias = random_floats(N);
    for (size_t k = 0; k < K && k < FERRY_INT8_GROUP; k++) x[k] = 0; /* a group of zeros */
    int8_t *w = malloc(N * K);
    float *w_scale = random_floats(N * groups);
    uint8_t *packed = malloc(bytes);
    float *packed_scale = random_floats(scales);
    ferry_int8_quantize_weights(weight, K, N, w, w_scale);
    ferry_int8_pack(w, w_scale, K, N, packed, packed_scale);
    ferry_int8_panels panels = {K, N, packed, packed_scale};
    ferry_int8_rows expected_rows = make_rows(T, K);
    float *expected = random_floats(T * (N + 5)), *before = copy_floats(expected, T * (N + 5));
    ferry_kernels_scalar.quantize_rows(x, K, T, K, &expected_rows);
    ferry_kernels_scalar.matmul_int8(&expected_rows, &panels, bias, expected, N + 5, T);
    for (size_t v = 1; v < variant_count; v++) {
        ferry_int8_rows rows = make_rows(T, K);
        float *y = copy_floats(before, T * (N + 5));
        variants[v]->quantize_rows(x, K, T, K, &rows);
        assert_memory_equal(rows.q, expected_rows.q, T * K4 + GUARD);
        memcpy(rows.scale + T * groups, expected_rows.scale + T * groups, GUARD * sizeof(float));
        assert_same_bits(expected_rows.scale, rows.scale, T * groups, variants[v]->name,
                         "quantize_rows", T, K);
        assert_memory_equal(rows.offset, expected_rows.offset,
                            (T * groups + GUARD) * sizeof(int32_t));
        variants[v]->matmul_int8(&rows, &panels, bias, y, N + 5, T);
        assert_same_bits(expected, y, T * (N + 5), variants[v]->name, "matmul_int8", T, N);
        free(y), free_rows(&rows);
    }
    /* the scalar one against the product it approximates: each factor is off by half a step */
    for (size_t t = 0; t < T; t++) {
        for (size_t n = 0; n < N; n++) {
            double sum = (double)bias[n], bound = 1e-5;
            for (size_t k = 0; k < K; k++) {
                sum += (double)x[t * K + k] * (double)weight[n * K + k];
                bound += 2.0 * (2.0 / 127 / 2 + 2.0 / 63 / 2);
            }
            assert_true(fabs(sum - (double)expected[t * (N + 5) + n]) <= bound);
        }
    }
    free(x), free(weight), free(bias), free(w), free(w_scale), free(packed), free(packed_scale);
    free(expected), free(before), free_rows(&expected_rows);
}

static void int8_same_bits(void **state)
{
    (void)state;
    for (size_t T = 1; T <= 15; T++)
        for (size_t N = 1; N <= 70; N += 1 + N / 3) check_int8(T, 1 + (T * 31 + N * 7) % 200, N);
    check_int8(13, 384, 64);
}

/* The largest sums there are: every instruction must hold them. */
static void int8_extremes(void **state)
{
    (void)state;
    enum { K = 256, N = 16 };
    int8_t w[N * K];
    float scale[N * K / FERRY_INT8_GROUP], packed_scale[N * K / FERRY_INT8_GROUP];
    float x[K], y[N], expected[N];
    uint8_t packed[N * K];
    for (int sign = -1; sign <= 1; sign += 2) {
        for (size_t i = 0; i < K; i++) x[i] = sign < 0 && i % 2 ? -1.0f : 1.0f;
        for (size_t i = 0; i < sizeof scale / sizeof *scale; i++) scale[i] = 1.0f;
        memset(w, 63, sizeof w);
        ferry_int8_pack(w, scale, K, N, packed, packed_scale);
        ferry_int8_panels panels = {K, N, packed, packed_scale};
        ferry_int8_rows rows = make_rows(1, K);
        ferry_kernels_scalar.quantize_rows(x, K, 1, K, &rows);
        ferry_kernels_scalar.matmul_int8(&rows, &panels, NULL, expected, N, 1);
        if (sign > 0) assert_true(fabsf(expected[3] - 63.0f * (float)K) < 0.01f);
        for (size_t v = 1; v < variant_count; v++) {
            variants[v]->matmul_int8(&rows, &panels, NULL, y, N, 1);
            assert_memory_equal(y, expected, sizeof y);
        }
        free_rows(&rows);
    }
}

/* ---- search ---- */

static void check_score(size_t T, size_t K, size_t P, int8_t extreme)
{
    size_t K4 = ferry_int8_padded(K), N = P * FERRY_PANEL;
    int8_t *q = calloc(T * K4, 1), *panels = malloc(N * K4), row[400];
    float *scale = random_floats(N), *query_scale = random_floats(T), *least = random_floats(T);
    int32_t *sum = calloc(T, sizeof *sum);
    assert_true(q != NULL && panels != NULL && sum != NULL && K4 <= sizeof row);
    memset(panels, 0, N * K4);
    for (size_t t = 0; t < T; t++) {
        for (size_t k = 0; k < K; k++) {
            float any = random_float() * 63.5f;
            q[t * K4 + k] = extreme ? (int8_t)(t % 2 ? extreme : -127) : (int8_t)any;
            sum[t] += q[t * K4 + k];
        }
    }
    float *expected = random_floats(T * N);
    uint8_t *reached = malloc(T * P + GUARD);
    memset(reached, 7, T * P + GUARD);
    int64_t *exact = calloc(T * N, sizeof *exact);
    for (size_t n = 0; n < N; n++) {
        memset(row, 0, sizeof row);
        for (size_t k = 0; k < K; k++)
            row[k] = extreme ? (int8_t)(n % 2 ? 127 : -127) : (int8_t)(random_float() * 63.5f);
        ferry_int8_put_row(panels + n / FERRY_PANEL * FERRY_PANEL * K4, n % FERRY_PANEL, row, K4);
        int8_t back[400];
        ferry_int8_get_row(panels + n / FERRY_PANEL * FERRY_PANEL * K4, n % FERRY_PANEL, back, K4);
        assert_memory_equal(row, back, K4);
        for (size_t t = 0; t < T; t++)
            for (size_t k = 0; k < K; k++) exact[t * N + n] += q[t * K4 + k] * row[k];
    }
    ferry_int8_queries queries = {q, query_scale, sum};
    ferry_int8_table rows = {K, P, panels, scale};
    float *before = copy_floats(expected, T * N);
    ferry_kernels_scalar.score_int8(&queries, T, &rows, least, expected, reached);
    for (size_t t = 0; t < T; t++) { /* the scalar one against the definition */
        for (size_t n = 0; n < N; n++)
            assert_true(expected[t * N + n] == (float)exact[t * N + n] * scale[n] * query_scale[t]);
        for (size_t p = 0; p < P; p++) {
            int any = 0;
            for (size_t n = p * FERRY_PANEL; n < (p + 1) * FERRY_PANEL; n++)
                any |= expected[t * N + n] >= least[t];
            assert_int_equal(reached[t * P + p], any);
        }
    }
    for (size_t v = 1; v < variant_count; v++) {
        float *y = copy_floats(before, T * N);
        uint8_t *also = malloc(T * P + GUARD);
        memset(also, 7, T * P + GUARD);
        variants[v]->score_int8(&queries, T, &rows, least, y, also);
        assert_same_bits(expected, y, T * N, variants[v]->name, "score_int8", T, N);
        assert_memory_equal(reached, also, T * P + GUARD);
        free(y), free(also);
    }
    free(q), free(panels), free(scale), free(query_scale), free(least), free(sum), free(expected);
    free(before), free(reached), free(exact);
}

static void score_int8_same_bits(void **state)
{
    (void)state;
    for (size_t T = 1; T <= 19; T++)
        for (size_t P = 1; P <= 5; P++) check_score(T, 1 + (T * 31 + P * 7) % 100, P, 0);
    check_score(1, 384, 4, 0);
    check_score(9, 384, 3, 127); /* the largest sums of each sign */
    check_score(9, 383, 3, 1);
}

static void hamming_same(void **state)
{
    (void)state;
    enum { T = 37, MOST = 9 };
    uint64_t rows[T * MOST], query[MOST];
    uint32_t expected[T + 1], found[T + 1];
    for (size_t W = 1; W <= MOST; W++) {
        for (size_t i = 0; i < T * W; i++)
            rows[i] = (uint64_t)(int64_t)(random_float() * 1e9f) * UINT64_C(0x9E3779B97F4A7C15);
        for (size_t w = 0; w < W; w++) query[w] = w % 2 ? UINT64_MAX : rows[w + W];
        memset(expected, 9, sizeof expected);
        ferry_kernels_scalar.hamming(rows, query, expected, T, W);
        for (size_t t = 0; t < T; t++) {
            uint32_t bits = 0;
            for (size_t i = 0; i < 64 * W; i++)
                bits += (uint32_t)(((rows[t * W + i / 64] ^ query[i / 64]) >> i % 64) & 1);
            assert_int_equal(expected[t], bits);
        }
        for (size_t v = 1; v < variant_count; v++) {
            memset(found, 9, sizeof found);
            variants[v]->hamming(rows, query, found, T, W);
            assert_memory_equal(expected, found, sizeof found);
        }
    }
}

static void layer_norm_same_bits(void **state)
{
    (void)state;
    for (size_t N = 1; N <= 50; N++) {
        for (int with_residual = 0; with_residual < 2; with_residual++) {
            size_t T = 3, count = T * N;
            float *x = random_floats(count), *other = random_floats(count);
            float *weight = random_floats(N), *bias = random_floats(N);
            float *expected = random_floats(count);
            const float *residual = with_residual ? other : NULL;
            float *before = copy_floats(expected, count);
            ferry_kernels_scalar.layer_norm(x, residual, weight, bias, 1e-5f, expected, T, N);
            for (size_t v = 1; v < variant_count; v++) {
                float *y = copy_floats(before, count);
                variants[v]->layer_norm(x, residual, weight, bias, 1e-5f, y, T, N);
                assert_same_bits(expected, y, count, variants[v]->name, "layer_norm", T, N);
                /* in place */
                memcpy(y, x, count * sizeof *y);
                variants[v]->layer_norm(y, residual, weight, bias, 1e-5f, y, T, N);
                assert_same_bits(expected, y, count, variants[v]->name, "layer_norm", T, N);
                free(y);
            }
            free(x), free(other), free(weight), free(bias), free(expected), free(before);
        }
    }
}

static void softmax_same_bits(void **state)
{
    (void)state;
    for (size_t N = 1; N <= 50; N++) {
        size_t T = 3, ldx = N + 2, count = T * ldx;
        float *x = random_floats(count), *expected = copy_floats(x, count);
        ferry_kernels_scalar.softmax(expected, ldx, 3.0f, T, N);
        for (size_t v = 1; v < variant_count; v++) {
            float *y = copy_floats(x, count);
            variants[v]->softmax(y, ldx, 3.0f, T, N);
            assert_same_bits(expected, y, count, variants[v]->name, "softmax", T, N);
            free(y);
        }
        float sum = 0;
        for (size_t n = 0; n < N; n++) sum += expected[n];
        assert_true(fabsf(sum - 1.0f) < 1e-5f);
        free(x), free(expected);
    }
}

/* Values where clamps and exponents turn, then a sweep. */
static float *edge_floats(size_t count)
{
    static const float edges[] = {0.0f,   -0.0f,   1e-30f,     -1e-30f, 1e-42f,   3.92f,
                                  -3.92f, 5.5437f, 9.01f,      -9.01f,  100.0f,   -100.0f,
                                  1e30f,  -1e30f,  -87.33655f, 88.4f,   INFINITY, -INFINITY};
    float *x = random_floats(count);
    for (size_t i = 0; i < count; i++) {
        x[i] =
            i < sizeof edges / sizeof *edges ? edges[i] : ((float)i / (float)count - 0.5f) * 24.0f;
    }
    return x;
}

static void gelu_same_bits(void **state)
{
    (void)state;
    for (size_t form = 0; form < 2; form++) {
        for (size_t n = 1; n <= 20000; n = n < 40 ? n + 1 : n * 7) {
            float *x = edge_floats(n), *expected = copy_floats(x, n);
            (form ? ferry_kernels_scalar.gelu_tanh : ferry_kernels_scalar.gelu)(expected, n);
            for (size_t v = 1; v < variant_count; v++) {
                float *y = copy_floats(x, n);
                (form ? variants[v]->gelu_tanh : variants[v]->gelu)(y, n);
                /* infinities times zero give NaNs whose sign the processor chooses */
                for (size_t i = 0; i < n; i++) {
                    if (isnan(y[i]) && isnan(expected[i])) y[i] = expected[i];
                }
                assert_same_bits(expected, y, n, variants[v]->name, "gelu", form, n);
                free(y);
            }
            free(x), free(expected);
        }
    }
}

static void gelu_backward_same_bits(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 20000; n = n < 40 ? n + 1 : n * 7) {
        float *x = edge_floats(n), *dy = random_floats(n), *expected = copy_floats(dy, n);
        ferry_kernels_scalar.gelu_backward(x, expected, n);
        for (size_t i = 0; i < n; i++) { /* the scalar one against the definition, in double */
            double z = (double)x[i];
            if (!(fabs(z) < 1e6)) continue;
            double slope = 0.5 * (1 + erf(z * 0.70710678118654752)) +
                           z * 0.39894228040143268 * exp(-0.5 * z * z);
            assert_true(fabs(slope * (double)dy[i] - (double)expected[i]) < 1e-6);
        }
        for (size_t v = 1; v < variant_count; v++) {
            float *y = copy_floats(dy, n);
            variants[v]->gelu_backward(x, y, n);
            for (size_t i = 0; i < n; i++) { /* infinities times zero, as above */
                if (isnan(y[i]) && isnan(expected[i])) y[i] = expected[i];
            }
            assert_same_bits(expected, y, n, variants[v]->name, "gelu_backward", 1, n);
            free(y);
        }
        free(x), free(dy), free(expected);
    }
}

static void sigmoid_and_tanh_same_bits(void **state)
{
    (void)state;
    for (size_t form = 0; form < 2; form++) {
        for (size_t n = 1; n <= 20000; n = n < 40 ? n + 1 : n * 7) {
            float *x = edge_floats(n), *expected = copy_floats(x, n);
            (form ? ferry_kernels_scalar.hyperbolic_tangent
                  : ferry_kernels_scalar.sigmoid)(expected, n);
            for (size_t i = 0; i < n; i++) {
                double exact = form ? tanh((double)x[i]) : 1 / (1 + exp(-(double)x[i]));
                assert_true(fabs((double)expected[i] - exact) < 3e-7);
            }
            for (size_t v = 1; v < variant_count; v++) {
                float *y = copy_floats(x, n);
                (form ? variants[v]->hyperbolic_tangent : variants[v]->sigmoid)(y, n);
                assert_same_bits(expected, y, n, variants[v]->name, "sigmoid", form, n);
                free(y);
            }
            free(x), free(expected);
        }
    }
}

static void softmax_backward_same_bits(void **state)
{
    (void)state;
    for (size_t first = 1; first <= 50; first++) {
        size_t T = 1 + first % 5, ldp = first + T + 2, count = T * ldp;
        float *p = random_floats(count), *dp = random_floats(count);
        float *expected = copy_floats(dp, count);
        ferry_kernels_scalar.softmax_backward(p, expected, ldp, first, T);
        for (size_t t = 0; t < T; t++) { /* the scalar one against the definition, in double */
            double sum = 0;
            for (size_t n = 0; n < first + t; n++)
                sum += (double)p[t * ldp + n] * (double)dp[t * ldp + n];
            for (size_t n = 0; n < ldp; n++) {
                size_t i = t * ldp + n;
                double exact = n < first + t ? (double)p[i] * ((double)dp[i] - sum) : (double)dp[i];
                assert_true(fabs(exact - (double)expected[i]) < 1e-4);
            }
        }
        for (size_t v = 1; v < variant_count; v++) {
            float *y = copy_floats(dp, count);
            variants[v]->softmax_backward(p, y, ldp, first, T);
            assert_same_bits(expected, y, count, variants[v]->name, "softmax_backward", T, first);
            free(y);
        }
        free(p), free(dp), free(expected);
    }
}

static void dot_rows_same_bits(void **state)
{
    (void)state;
    for (size_t N = 1; N <= 50; N++) {
        size_t T = 5;
        float *rows = random_floats(T * N), *query = random_floats(N), *expected = random_floats(T);
        ferry_kernels_scalar.dot_rows(rows, query, expected, T, N);
        for (size_t v = 1; v < variant_count; v++) {
            float *y = copy_floats(expected, T);
            memset(y, 0, T * sizeof *y);
            variants[v]->dot_rows(rows, query, y, T, N);
            assert_same_bits(expected, y, T, variants[v]->name, "dot_rows", T, N);
            free(y);
        }
        free(rows), free(query), free(expected);
    }
}

/* Against the C library in double: the errors elementary.h states. */
static void elementary_functions_are_accurate(void **state)
{
    (void)state;
    const double unit = 1.0 / 8388608.0; /* 2^-23 */
    for (int i = -2000000; i <= 2000000; i++) {
        float x = (float)i * 4.36e-5f; /* -87.2…87.2 */
        double exact = exp((double)x);
        assert_true(fabs((double)ferry_exp(x) - exact) <= 0.75 * unit * exact);
        exact = erf((double)x / 16);
        assert_true(fabs((double)ferry_erf(x / 16) - exact) <= 3.5 * unit * fabs(exact));
        exact = tanh((double)x / 8);
        assert_true(fabs((double)ferry_tanh(x / 8) - exact) <= 3.5 * unit * fabs(exact));
    }
    for (int i = 0; i <= 1000000; i++) {
        float x = (float)i * -1.26e-4f; /* 0…-126 */
        double exact = 127.0 * exp2((double)x);
        assert_true(fabs((double)ferry_share(x) - exact) <= 1.1e-4 * exact);
    }
    assert_true(ferry_share(0.0f) == 127.0f && ferry_share(-1e30f) == 0.0f);
    for (int i = 1; i < 1000000; i++) {
        double x = (double)i * (i % 2 ? 1e-6 : 1e3), exact = log(x);
        assert_true(fabs(ferry_log(x) - exact) <= 3.4e-16 * fabs(exact));
    }
    assert_true(ferry_log(1.0) == 0.0);
    assert_true(ferry_exp(-200.0f) == 0.0f);
    assert_true(ferry_erf(50.0f) == 1.0f && ferry_erf(-50.0f) == -1.0f);
    assert_true(ferry_tanh(50.0f) == 1.0f && ferry_tanh(-50.0f) == -1.0f);
}

/* ---- training ---- */

static void check_strided(size_t M, size_t K, size_t N, bool transposed, bool accumulate)
{
    size_t row_a = transposed ? 1 : K + 2, step_a = transposed ? M + 3 : 1;
    size_t y_size = M * (N + 5);
    float *a = random_floats((M + 3) * (K + 2)), *b = random_floats(K * (N + 1));
    float *before = random_floats(y_size), *expected = copy_floats(before, y_size);
    ferry_kernels_scalar.matmul_strided(a, row_a, step_a, b, N + 1, expected, N + 5, M, K, N,
                                        accumulate);
    for (size_t m = 0; m < M; m++) {
        for (size_t n = 0; n < N; n++) { /* the scalar one against the definition, in double */
            double sum = accumulate ? (double)before[m * (N + 5) + n] : 0;
            for (size_t k = 0; k < K; k++)
                sum += (double)a[m * row_a + k * step_a] * (double)b[k * (N + 1) + n];
            assert_true(fabs(sum - (double)expected[m * (N + 5) + n]) < 2e-4);
        }
    }
    for (size_t v = 1; v < variant_count; v++) {
        float *y = copy_floats(before, y_size);
        variants[v]->matmul_strided(a, row_a, step_a, b, N + 1, y, N + 5, M, K, N, accumulate);
        assert_same_bits(expected, y, y_size, variants[v]->name, "matmul_strided", M, N);
        /* in two parts of K */
        size_t half = K / 2;
        memcpy(y, before, y_size * sizeof *y);
        variants[v]->matmul_strided(a, row_a, step_a, b, N + 1, y, N + 5, M, half, N, accumulate);
        variants[v]->matmul_strided(a + half * step_a, row_a, step_a, b + half * (N + 1), N + 1, y,
                                    N + 5, M, K - half, N, true);
        assert_same_bits(expected, y, y_size, variants[v]->name, "matmul_strided", M, N);
        free(y);
    }
    free(a), free(b), free(before), free(expected);
}

static void strided_same_bits(void **state)
{
    (void)state;
    for (size_t M = 1; M <= 15; M += 2)
        for (size_t N = 1; N <= 150; N += 1 + N / 4)
            for (int form = 0; form < 4; form++)
                check_strided(M, (M * 31 + N * 7) % 230, N, form & 1, form & 2);
}

static void cross_entropy_same_bits(void **state)
{
    (void)state;
    for (size_t N = 1; N <= 70; N++) {
        size_t T = 3, ldx = N + 2, count = T * ldx;
        float *x = random_floats(count), *correction = random_floats(N);
        uint32_t target[] = {0, (uint32_t)(N / 2), (uint32_t)(N - 1)};
        for (size_t n = 0; n < N; n++) {
            if (N > 3 && n % 5 == 1 && n != N / 2 && n != N - 1) x[ldx + n] = -INFINITY;
        }
        for (int with = 0; with < 2; with++) {
            float *expected = copy_floats(x, count), loss[3], factor[3];
            float expected_loss[3], expected_factor[3];
            const float *c = with ? correction : NULL;
            ferry_kernels_scalar.softmax_cross_entropy(expected, ldx, c, target, 0.25f,
                                                       expected_loss, expected_factor, T, N);
            for (size_t v = 1; v < variant_count; v++) {
                float *y = copy_floats(x, count);
                variants[v]->softmax_cross_entropy(y, ldx, c, target, 0.25f, loss, factor, T, N);
                assert_same_bits(expected, y, count, variants[v]->name, "softmax_cross_entropy", T,
                                 N);
                assert_memory_equal(loss, expected_loss, T * sizeof *loss);
                assert_memory_equal(factor, expected_factor, T * sizeof *factor);
                free(y);
            }
            for (size_t t = 0; t < T; t++) { /* against the definition, in double */
                double sum = 0, z = 0;
                for (size_t n = 0; n < N; n++) {
                    z = (double)x[t * ldx + n];
                    sum += exp(n != target[t] && c != NULL ? z - (double)c[n] : z);
                }
                double own = (double)x[t * ldx + target[t]];
                assert_true(fabs(log(sum) - own - (double)expected_loss[t]) < 2e-6);
                double gradient = (exp(own) / sum - 1) * 0.25;
                double found = (double)(expected_factor[t] * expected[t * ldx + target[t]]);
                assert_true(fabs(gradient - found) < 1e-6);
            }
            free(expected);
        }
        free(x), free(correction);
    }
}

static void layer_norm_backward_same_bits(void **state)
{
    (void)state;
    for (size_t N = 1; N <= 70; N++) {
        size_t T = 3, count = T * N;
        float *x = random_floats(count), *dy = random_floats(count), *weight = random_floats(N);
        float *dx = random_floats(count), *start = random_floats(N);
        float *dw = copy_floats(start, N), *db = copy_floats(start, N);
        float *before = copy_floats(dx, count);
        ferry_kernels_scalar.layer_norm_backward(x, weight, 1e-5f, dy, dx, dw, db, T, N);
        for (size_t v = 1; v < variant_count; v++) {
            float *y = copy_floats(before, count), *w = copy_floats(start, N);
            float *b = copy_floats(start, N);
            variants[v]->layer_norm_backward(x, weight, 1e-5f, dy, y, w, b, T, N);
            assert_same_bits(dx, y, count, variants[v]->name, "layer_norm_backward", T, N);
            assert_same_bits(dw, w, N, variants[v]->name, "layer_norm_backward dweight", T, N);
            assert_same_bits(db, b, N, variants[v]->name, "layer_norm_backward dbias", T, N);
            free(y), free(w), free(b);
        }
        free(x), free(dy), free(weight), free(dx), free(start), free(dw), free(db), free(before);
    }
}

static void adamw_same_bits(void **state)
{
    (void)state;
    const ferry_adamw_step step = {0.5f, 0.1f, 0.98f, 0.02f, 0.999f, 0.01f, 1.25f, 1e-8f};
    for (size_t n = 1; n <= 70; n++) {
        for (int with = 0; with < 2; with++) {
            float *g = random_floats(n), *w = random_floats(n), *m = random_floats(n);
            float *root = random_floats(n);
            for (size_t i = 0; i < n; i++) root[i] = root[i] * root[i];
            float *w2 = copy_floats(w, n), *m2 = copy_floats(m, n), *v2 = copy_floats(root, n);
            ferry_kernels_scalar.adamw(&step, with ? g : NULL, w2, m2, v2, n);
            for (size_t v = 1; v < variant_count; v++) {
                float *w3 = copy_floats(w, n), *m3 = copy_floats(m, n), *v3 = copy_floats(root, n);
                variants[v]->adamw(&step, with ? g : NULL, w3, m3, v3, n);
                assert_same_bits(w2, w3, n, variants[v]->name, "adamw w", 1, n);
                assert_same_bits(m2, m3, n, variants[v]->name, "adamw m", 1, n);
                assert_same_bits(v2, v3, n, variants[v]->name, "adamw v", 1, n);
                free(w3), free(m3), free(v3);
            }
            if (!with) { /* no gradient is a gradient of zeros */
                memset(g, 0, n * sizeof *g);
                ferry_kernels_scalar.adamw(&step, g, w, m, root, n);
                assert_same_bits(w2, w, n, "scalar", "adamw without a gradient", 1, n);
            }
            free(g), free(w), free(m), free(root), free(w2), free(m2), free(v2);
        }
    }
}

static void broken_matmul(const float *x, size_t ldx, const float *panels, const float *bias,
                          float *y, size_t ldy, size_t T, size_t K, size_t N)
{
    ferry_kernels_scalar.matmul(x, ldx, panels, bias, y, ldy, T, K, N);
    y[T * ldy - 1] = nextafterf(y[T * ldy - 1], 100.0f); /* one bit of the last number */
}

static void broken_adamw(const ferry_adamw_step *step, const float *gradient, float *w, float *m,
                         float *v, size_t n)
{
    ferry_kernels_scalar.adamw(step, gradient, w, m, v, n);
    v[n - 1] = nextafterf(v[n - 1], 100.0f);
}

static void the_self_test_sees_one_bit(void **state)
{
    (void)state;
    ferry_error error;
    for (size_t v = 0; v < variant_count; v++)
        assert_int_equal(ferry_kernels_self_test(variants[v], &error), FERRY_OK);
    ferry_kernels broken = *variants[variant_count - 1];
    broken.matmul = broken_matmul;
    assert_int_equal(ferry_kernels_self_test(&broken, &error), FERRY_UNSUPPORTED);
    broken = *variants[variant_count - 1];
    broken.adamw = broken_adamw;
    assert_int_equal(ferry_kernels_self_test(&broken, &error), FERRY_UNSUPPORTED);
}

static void unknown_kernels_are_named(void **state)
{
    (void)state;
    ferry_error error;
    const char *name;
    assert_int_equal(ferry_kernels_name("mmx", &name, &error), FERRY_UNSUPPORTED);
    assert_non_null(strstr(error.message, "mmx"));
    assert_non_null(strstr(error.message, "scalar"));
    assert_int_equal(ferry_kernels_name(NULL, &name, &error), FERRY_OK);
    assert_string_equal(name, variants[variant_count - 1]->name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matmul_same_bits),
        cmocka_unit_test(int8_same_bits),
        cmocka_unit_test(int8_extremes),
        cmocka_unit_test(layer_norm_same_bits),
        cmocka_unit_test(softmax_same_bits),
        cmocka_unit_test(gelu_same_bits),
        cmocka_unit_test(gelu_backward_same_bits),
        cmocka_unit_test(softmax_backward_same_bits),
        cmocka_unit_test(sigmoid_and_tanh_same_bits),
        cmocka_unit_test(dot_rows_same_bits),
        cmocka_unit_test(score_int8_same_bits),
        cmocka_unit_test(hamming_same),
        cmocka_unit_test(strided_same_bits),
        cmocka_unit_test(cross_entropy_same_bits),
        cmocka_unit_test(layer_norm_backward_same_bits),
        cmocka_unit_test(adamw_same_bits),
        cmocka_unit_test(elementary_functions_are_accurate),
        cmocka_unit_test(the_self_test_sees_one_bit),
        cmocka_unit_test(unknown_kernels_are_named),
    };
    return cmocka_run_group_tests(tests, list_variants, NULL);
}
