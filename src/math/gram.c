#include "math/gram.h"

#include "math/ops.h"

enum { BLOCK = 256 /* rows whose products are summed in float */ };

bool ferry_gram_init(ferry_gram *gram, size_t N, ferry_arena *arena)
{
    size_t square, block, panels;
    *gram = (ferry_gram){.N = N};
    if (!ferry_size_multiply(N, N, &square) || !ferry_size_multiply(N, BLOCK, &block) ||
        !ferry_panels_size(BLOCK, N, &panels))
        return false;
    gram->sum = ferry_arena_array(arena, square, sizeof *gram->sum);
    gram->transposed = ferry_arena_array(arena, block, sizeof *gram->transposed);
    gram->panels = ferry_arena_array(arena, panels, sizeof *gram->panels);
    gram->product = ferry_arena_array(arena, square, sizeof *gram->product);
    return gram->sum != NULL && gram->transposed != NULL && gram->panels != NULL &&
           gram->product != NULL;
}

void ferry_gram_add(ferry_gram *gram, const ferry_kernels *kernels, const float *x, size_t rows,
                    const float *mean)
{
    size_t N = gram->N;
    for (size_t r = 0; r < rows; r += BLOCK) {
        size_t part = rows - r < BLOCK ? rows - r : BLOCK;
        float *t = gram->transposed; /* [N, part] */
        for (size_t i = 0; i < part; i++) {
            for (size_t n = 0; n < N; n++) t[n * BLOCK + i] = x[(r + i) * N + n] - mean[n];
        }
        ferry_pack_panels(t, 1, BLOCK, part, N, gram->panels);
        kernels->matmul(t, BLOCK, gram->panels, NULL, gram->product, N, N, part, N);
        for (size_t i = 0; i < N * N; i++) gram->sum[i] = gram->sum[i] + (double)gram->product[i];
    }
}
