/*
 * What this machine can at most, and what Ferry's matrix products reach of it, as a contestant; see
 * encode.c for the language. The first line lists the works: name, operations of one run.
 *
 *   peak
 *
 *   run INDEX 1 WARM REPEAT   work INDEX
 *
 * A peak is 12 independent sums of products of registers. `mul+add` is what Ferry's f32
 * kernels may use, for a fused one would give other bits.
 */
#define _POSIX_C_SOURCE 200809L
#include "math/int8.h"
#include "math/kernels.h"
#include "math/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHAINS = 12, STEPS = 1 << 18, MAX_WORKS = 64, MAX_VARIANTS = 8 };

typedef struct matrices { /* of y [T, N] = x [T, K] w [K, N], in both precisions */
    size_t T, K, N;
    float *x, *panels, *y;
    ferry_int8_rows rows;
    ferry_int8_panels int8;
} matrices;

typedef struct work {
    char name[96];
    double operations;
    void (*run)(const struct work *);
    const ferry_kernels *kernels;
    matrices *matrices;
} work;

static work works[MAX_WORKS];
static size_t work_count;

static void add_work(work w)
{
    if (work_count == MAX_WORKS) exit(1);
    works[work_count++] = w;
}

/* ---- peaks --------------------------------------------------------------------------------- */

#if defined(__x86_64__)
#include <immintrin.h>

/* The compiler must neither drop nor merge what goes through here: it takes b for a new one. */
#define OPAQUE(v) __asm__ volatile("" : "+x"(v))

/* Written out, so that the chains are sure to be in registers. */
#define EACH_CHAIN(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)

#define PEAK(function, isa, vector, b_value)                              \
    __attribute__((target(isa))) static void function(const work *unused) \
    {                                                                     \
        (void)unused;                                                     \
        vector b = b_value;                                               \
        OPAQUE(b);                                                        \
        EACH_CHAIN(START_##vector)                                        \
        for (int i = 0; i < STEPS; i++) {                                 \
            EACH_CHAIN(NEXT)                                              \
        }                                                                 \
    }
#define START___m256(j) __m256 a##j = _mm256_set1_ps(1);
#define START___m512(j) __m512 a##j = _mm512_set1_ps(1);
#define START___m256i(j) __m256i a##j = _mm256_set1_epi32(1);
#define START___m512i(j) __m512i a##j = _mm512_set1_epi32(1);
#define NEXT(j)        \
    OPAQUE(b);         \
    a##j = STEP(a##j); \
    OPAQUE(a##j);

#define STEP(a) _mm256_add_ps(a, _mm256_mul_ps(b, b))
PEAK(mul_add_avx2, "avx2", __m256, _mm256_set1_ps(0.5f))
#undef STEP
#define STEP(a) _mm256_fmadd_ps(b, b, a)
PEAK(fma_avx2, "avx2,fma", __m256, _mm256_set1_ps(0.5f))
#undef STEP
#define STEP(a) _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_maddubs_epi16(b, b), b))
PEAK(maddubs_avx2, "avx2", __m256i, _mm256_set1_epi8(1))
#undef STEP
#define STEP(a) _mm512_add_ps(a, _mm512_mul_ps(b, b))
PEAK(mul_add_avx512, "avx512f", __m512, _mm512_set1_ps(0.5f))
#undef STEP
#define STEP(a) _mm512_fmadd_ps(b, b, a)
PEAK(fma_avx512, "avx512f", __m512, _mm512_set1_ps(0.5f))
#undef STEP
#define STEP(a) _mm512_dpbusd_epi32(a, b, b)
PEAK(vnni_avx512, "avx512f,avx512vnni", __m512i, _mm512_set1_epi32(0x01010101))
#undef STEP

static void add_peaks(void)
{
    const double all = (double)CHAINS * STEPS;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        add_work((work){"peak f32 mul+add, AVX2", all * 16, mul_add_avx2, NULL, NULL});
        add_work((work){"peak f32 FMA, AVX2", all * 16, fma_avx2, NULL, NULL});
        add_work((work){"peak u8 x s8 maddubs, AVX2", all * 64, maddubs_avx2, NULL, NULL});
    }
    if (__builtin_cpu_supports("avx512f")) {
        add_work((work){"peak f32 mul+add, AVX-512", all * 32, mul_add_avx512, NULL, NULL});
        add_work((work){"peak f32 FMA, AVX-512", all * 32, fma_avx512, NULL, NULL});
    }
    if (__builtin_cpu_supports("avx512vnni"))
        add_work((work){"peak u8 x s8 VNNI, AVX-512", all * 128, vnni_avx512, NULL, NULL});
}
#else
static void add_peaks(void)
{
}
#endif

/* ---- Ferry's matrix products --------------------------------------------------------------- */

static void *zeros(size_t bytes)
{
    bytes = (bytes + 63) & ~(size_t)63;
    void *block = aligned_alloc(64, bytes);
    if (!block) exit(1);
    return memset(block, 0, bytes);
}

static float *noise(size_t count)
{
    static unsigned state = 1;
    float *values = zeros(count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525U + 1013904223U;
        values[i] = (float)(state >> 8) / (1 << 23) - 1;
    }
    return values;
}

static matrices *make_matrices(size_t T, size_t K, size_t N)
{
    matrices *m = zeros(sizeof *m);
    *m = (matrices){.T = T, .K = K, .N = N, .x = noise(T * K), .y = zeros(T * N * sizeof(float))};
    float *weights = noise(N * K);
    size_t size, scales, groups = ferry_int8_groups(K);
    if (!ferry_panels_size(K, N, &size)) exit(1);
    m->panels = zeros(size * sizeof(float));
    ferry_pack_panels(weights, 1, K, K, N, m->panels);

    int8_t *w = zeros(N * K);
    float *w_scale = zeros(N * groups * sizeof(float));
    ferry_int8_quantize_weights(weights, K, N, w, w_scale);
    if (!ferry_int8_panels_size(K, N, &size, &scales)) exit(1);
    uint8_t *packed = zeros(size);
    float *packed_scale = zeros(scales * sizeof(float));
    ferry_int8_pack(w, w_scale, K, N, packed, packed_scale);
    m->int8 = (ferry_int8_panels){.K = K, .N = N, .weights = packed, .scale = packed_scale};
    m->rows = (ferry_int8_rows){.q = zeros(T * ferry_int8_padded(K)),
                                .scale = zeros(T * groups * sizeof(float)),
                                .offset = zeros(T * groups * sizeof(int32_t))};
    free(weights);
    free(w);
    free(w_scale);
    return m;
}

static void run_f32(const work *w)
{
    const matrices *m = w->matrices;
    w->kernels->matmul(m->x, m->K, m->panels, NULL, m->y, m->N, m->T, m->K, m->N);
}

static void run_int8(const work *w)
{
    const matrices *m = w->matrices;
    w->kernels->matmul_int8(&m->rows, &m->int8, NULL, m->y, m->N, m->T);
}

static void run_quantize_int8(const work *w)
{
    const matrices *m = w->matrices;
    w->kernels->quantize_rows(m->x, m->K, m->T, m->K, &m->rows);
    run_int8(w);
}

static void add_products(void)
{
    static const size_t shapes[][3] = {{128, 384, 1536}, {128, 1536, 384}, {16, 384, 384}};
    const ferry_kernels *variants[MAX_VARIANTS];
    size_t count = ferry_kernels_available(variants, MAX_VARIANTS);
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t T = shapes[s][0], K = shapes[s][1], N = shapes[s][2];
        matrices *m = make_matrices(T, K, N);
        double operations = 2.0 * (double)T * (double)K * (double)N;
        for (size_t v = 0; v < count && v < MAX_VARIANTS; v++) {
            const ferry_kernels *kernels = variants[v];
            if (!strcmp(kernels->name, "scalar")) continue;
            kernels->quantize_rows(m->x, K, T, K, &m->rows);
            static const struct {
                const char *name;
                void (*run)(const work *);
            } kinds[] = {
                {"f32", run_f32}, {"int8", run_int8}, {"int8, quantising x", run_quantize_int8}};
            for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
                work w = {.operations = operations,
                          .run = kinds[k].run,
                          .kernels = kernels,
                          .matrices = m};
                snprintf(w.name, sizeof w.name, "%zux%zux%zu, %s, %s", T, K, N, kernels->name,
                         kinds[k].name);
                add_work(w);
            }
        }
    }
}

/* ---- the contestant ------------------------------------------------------------------------ */

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(void)
{
    add_peaks();
    add_products();
    printf("{\"version\": \"%s\", \"works\": [", ferry_version());
    for (size_t i = 0; i < work_count; i++)
        printf("%s[\"%s\", %.0f]", i ? ", " : "", works[i].name, works[i].operations);
    puts("]}");
    fflush(stdout);
    size_t index, one, warm, repeat;
    while (scanf(" run %zu %zu %zu %zu", &index, &one, &warm, &repeat) == 4) {
        if (index >= work_count) return 1;
        for (size_t i = 0; i < warm + repeat; i++) {
            long long start = now();
            works[index].run(&works[index]);
            long long end = now();
            if (i >= warm) printf("%lld ", end - start);
        }
        putchar('\n');
        fflush(stdout);
    }
}
