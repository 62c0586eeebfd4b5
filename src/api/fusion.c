/* ferry_fusion: learning, opening, applying. */
#include "base/error.h"
#include "base/options.h"
#include "train/fuse.h"

static ferry_status create(const ferry_allocator *given, const char *wanted, ferry_fusion **out,
                           ferry_error *error)
{
    const ferry_kernels *kernels;
    FERRY_TRY(ferry_kernels_choose(wanted, &kernels, error));
    ferry_allocator allocator = ferry_allocator_or_default(given);
    ferry_fusion *fusion = ferry_allocate(&allocator, 1, sizeof *fusion);
    if (fusion == NULL) return ferry_fail_memory(error, "the fusion");
    ferry_arena_init(&fusion->arena, allocator);
    fusion->kernels = kernels;
    *out = fusion;
    return FERRY_OK;
}

void ferry_fusion_close(ferry_fusion *fusion)
{
    if (fusion == NULL) return;
    ferry_allocator allocator = fusion->arena.allocator;
    ferry_arena_free(&fusion->arena);
    ferry_release(&allocator, fusion, sizeof *fusion);
}

static ferry_status read_options(const ferry_fusion_options *options, ferry_fusion_options *out,
                                 ferry_error *error)
{
    *out = (ferry_fusion_options){0};
    FERRY_TRY(ferry_options_read(options, "ferry_fusion_options", out, sizeof *out, error));
    if (out->epochs == 0) out->epochs = 60;
    if (out->batch == 0) out->batch = 256;
    if (out->learning_rate == 0.0) out->learning_rate = 1e-3;
    if (out->weight_decay == 0.0) out->weight_decay = 0.1;
    if (out->dropout == 0.0f) out->dropout = 0.2f;
    if (out->dropout < 0.0f) out->dropout = 0.0f;
    if (out->epochs <= 100000 && out->learning_rate > 0.0 && out->learning_rate <= 1.0 &&
        out->weight_decay >= 0.0 && out->dropout < 1.0f)
        return FERRY_OK;
    return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                      "epochs %zu (at most 100000), learning rate %g (up to 1), weight decay %g "
                      "(from 0), dropout %g (below 1): one is outside",
                      out->epochs, out->learning_rate, out->weight_decay, (double)out->dropout);
}

ferry_status ferry_fusion_learn(const ferry_fusion_data *data, const ferry_fusion_options *options,
                                ferry_fusion **out, ferry_error *error)
{
    ferry_fusion_options chosen;
    ferry_fusion *fusion = NULL;
    ferry_pool *pool = NULL;
    *out = NULL;
    FERRY_TRY(read_options(options, &chosen, error));
    FERRY_TRY(create(chosen.allocator, chosen.kernels, &fusion, error));
    ferry_status status = ferry_pool_create(&fusion->arena.allocator, chosen.threads, &pool, error);
    if (status == FERRY_OK) status = ferry_fuse_fit(data, &chosen, pool, fusion, error);
    ferry_pool_close(pool);
    if (status == FERRY_OK)
        *out = fusion;
    else
        ferry_fusion_close(fusion);
    return status;
}

ferry_status ferry_fusion_open(const ferry_file *files, size_t file_count,
                               const ferry_catalog_options *options, ferry_fusion **out,
                               ferry_error *error)
{
    ferry_catalog_options chosen = {0};
    ferry_fusion *fusion = NULL;
    *out = NULL;
    FERRY_TRY(ferry_options_read(options, "ferry_catalog_options", &chosen, sizeof chosen, error));
    FERRY_TRY(create(chosen.allocator, chosen.kernels, &fusion, error));
    ferry_status status = ferry_fusion_read(fusion, (ferry_files){files, file_count}, error);
    if (status == FERRY_OK)
        *out = fusion;
    else
        ferry_fusion_close(fusion);
    return status;
}

size_t ferry_fusion_dimension(const ferry_fusion *fusion)
{
    return fusion->shape.N;
}

/* ---- use ---- */

enum { AT_ONCE = 96 /* items fused at a time */ };

static unsigned has_what(const ferry_fusion_data *data, size_t item)
{
    unsigned has = 0;
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        size_t K = data->dimension[m];
        for (size_t n = 0; n < K; n++)
            if (data->x[m][item * K + n] != 0.0f) has |= 1u << m;
    }
    return has;
}

ferry_status ferry_fusion_apply(const ferry_fusion *fusion, const ferry_fusion_data *data,
                                float *out, unsigned char *used, ferry_error *error)
{
    unsigned char has[AT_ONCE];
    ferry_fusion_saved saved;
    ferry_arena arena;
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++)
        if (data->dimension[m] != fusion->shape.K[m])
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "input %zu has %zu numbers, the fusion was learned of %zu", m,
                              data->dimension[m], fusion->shape.K[m]);
    ferry_arena_init(&arena, fusion->arena.allocator);
    bool fits = ferry_fusion_saved_init(&fusion->shape, AT_ONCE, &arena, &saved);
    float *prepared[FERRY_FUSION_INPUTS] = {NULL};
    for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++) {
        if (data->dimension[m] == 0) continue;
        prepared[m] = ferry_arena_array(&arena, AT_ONCE, data->dimension[m] * sizeof(float));
        fits = fits && prepared[m] != NULL;
    }
    for (size_t first = 0; first < data->count && fits; first += AT_ONCE) {
        size_t rest = data->count - first, rows = rest < AT_ONCE ? rest : AT_ONCE;
        const float *x[FERRY_FUSION_INPUTS] = {prepared[0], prepared[1], prepared[2]};
        for (size_t m = 0; m < FERRY_FUSION_INPUTS; m++)
            if (data->dimension[m] > 0)
                ferry_fusion_prepare(fusion, m, data->x[m] + first * data->dimension[m], rows,
                                     prepared[m]);
        for (size_t i = 0; i < rows; i++) {
            has[i] = (unsigned char)has_what(data, first + i);
            if (used != NULL) used[first + i] = has[i];
        }
        ferry_fusion_forward(fusion, NULL, x, has, rows, &saved, out + first * fusion->shape.N);
    }
    ferry_arena_free(&arena);
    return fits ? FERRY_OK : ferry_fail_memory(error, "some items");
}
