#include "math/linear.h"

enum { ROWS = 96 /* of a part; a multiple of every variant's tile */ };

typedef struct product {
    const ferry_kernels *kernels;
    const float *x, *w, *bias;
    float *y, *dbias;
    size_t T, K, N;
    bool accumulate;
} product;

static size_t part(size_t index, size_t size, size_t all)
{
    size_t first = index * size;
    return all - first < size ? all - first : size;
}

static void forward_part(void *context, size_t index, size_t worker)
{
    const product *p = context;
    size_t first = index * ROWS;
    (void)worker;
    p->kernels->matmul(p->x + first * p->K, p->K, p->w, p->bias, p->y + first * p->N, p->N,
                       part(index, ROWS, p->T), p->K, p->N);
}

void ferry_linear(const ferry_kernels *kernels, ferry_pool *pool, const float *x,
                  const float *panels, const float *bias, float *y, size_t T, size_t K, size_t N)
{
    product p = {
        .kernels = kernels, .x = x, .w = panels, .bias = bias, .y = y, .T = T, .K = K, .N = N};
    ferry_pool_run(pool, (T + ROWS - 1) / ROWS, forward_part, &p);
}

static void input_gradient_part(void *context, size_t index, size_t worker)
{
    const product *p = context;
    size_t first = index * ROWS;
    (void)worker;
    p->kernels->matmul_strided(p->x + first * p->N, p->N, 1, p->w, p->K, p->y + first * p->K, p->K,
                               part(index, ROWS, p->T), p->N, p->K, p->accumulate);
}

void ferry_linear_input_gradient(const ferry_kernels *kernels, ferry_pool *pool, const float *dy,
                                 const float *W, float *dx, size_t T, size_t K, size_t N,
                                 bool accumulate)
{
    product p = {.kernels = kernels,
                 .x = dy,
                 .w = W,
                 .y = dx,
                 .T = T,
                 .K = K,
                 .N = N,
                 .accumulate = accumulate};
    ferry_pool_run(pool, (T + ROWS - 1) / ROWS, input_gradient_part, &p);
}

enum { OUTPUTS = 24 /* rows of dW in a part */ };

static void weight_gradient_part(void *context, size_t index, size_t worker)
{
    const product *p = context;
    size_t first = index * OUTPUTS, count = part(index, OUTPUTS, p->N);
    (void)worker;
    p->kernels->matmul_strided(p->x + first, 1, p->N, p->w, p->K, p->y + first * p->K, p->K, count,
                               p->T, p->K, true);
    for (size_t t = 0; p->dbias != NULL && t < p->T; t++) {
        for (size_t n = first; n < first + count; n++)
            p->dbias[n] = p->dbias[n] + p->x[t * p->N + n];
    }
}

void ferry_linear_weight_gradient(const ferry_kernels *kernels, ferry_pool *pool, const float *dy,
                                  const float *x, float *dW, float *dbias, size_t T, size_t K,
                                  size_t N)
{
    product p = {
        .kernels = kernels, .x = dy, .w = x, .y = dW, .dbias = dbias, .T = T, .K = K, .N = N};
    ferry_pool_run(pool, (N + OUTPUTS - 1) / OUTPUTS, weight_gradient_part, &p);
}
