/* The profile map: gradient and steps held to torch and to finite differences. */
#include "golden_tensors.h"

#include "train/profile_map.h"

enum { ITEMS = 25, RANK = 3 };

static const ferry_kernels *kernels;

static int choose_kernels(void **state)
{
    (void)state;
    ferry_error error;
    return ferry_kernels_choose(NULL, &kernels, &error) == FERRY_OK ? 0 : -1;
}

static ferry_profile_data open_data(golden_tensors *golden)
{
    size_t shape[2];
    golden_tensors_open(golden, "scorers.safetensors");
    ferry_profile_data data = {.profiles = golden_tensor(golden, "map.profiles", shape),
                               .targets = golden_rows(golden, "target", ITEMS),
                               .items = golden_tensor(golden, "map.items", NULL),
                               .prior = golden_tensor(golden, "map.prior", NULL)};
    data.N = shape[1];
    return data;
}

/* A trainer whose map is the golden's. */
static ferry_profile_trainer *open_trainer(golden_tensors *golden, const ferry_profile_data *data,
                                           ferry_profile_map *map)
{
    ferry_profile_map_options options = FERRY_PROFILE_MAP_DEFAULTS;
    ferry_profile_trainer *trainer;
    ferry_error error;
    options.rank = RANK;
    assert_int_equal(
        ferry_profile_trainer_create(kernels, data, &options, NULL, NULL, &trainer, &error),
        FERRY_OK);
    *map = ferry_profile_trainer_map(trainer);
    memcpy(map->block, golden_tensor(golden, "map.start", NULL),
           ferry_profile_map_size(data->N, RANK) * sizeof *map->block);
    return trainer;
}

static void steps_are_torchs(void **state)
{
    (void)state;
    golden_tensors golden;
    ferry_profile_data data = open_data(&golden);
    ferry_profile_map map;
    ferry_profile_trainer *trainer = open_trainer(&golden, &data, &map);
    size_t count, size = ferry_profile_map_size(data.N, RANK);
    const uint32_t *users = golden_whole(&golden, "map.users", &count);
    for (int step = 1; step <= 2; step++) {
        char name[32];
        float loss = ferry_profile_trainer_loss(trainer, users, count);
        snprintf(name, sizeof name, "map.loss%d", step);
        assert_near(&loss, golden_tensor(&golden, name, NULL), 1, 1e-6, name);
        snprintf(name, sizeof name, "map.gradient%d", step);
        assert_near(ferry_profile_trainer_gradient(trainer), golden_tensor(&golden, name, NULL),
                    size, 2e-6, name);
        ferry_profile_trainer_step(trainer);
        snprintf(name, sizeof name, "map.after%d", step);
        assert_near(map.block, golden_tensor(&golden, name, NULL), size, 2e-6, name);
    }
    ferry_profile_trainer_close(trainer);
    golden_tensors_close(&golden);
}

static void gradient_is_the_slope(void **state)
{
    (void)state;
    golden_tensors golden;
    ferry_profile_data data = open_data(&golden);
    ferry_profile_map map;
    ferry_profile_trainer *trainer = open_trainer(&golden, &data, &map);
    size_t count, size = ferry_profile_map_size(data.N, RANK);
    const uint32_t *users = golden_whole(&golden, "map.users", &count);
    float *found = malloc(size * sizeof *found), *slopes = malloc(size * sizeof *slopes);
    assert_true(found != NULL && slopes != NULL);
    ferry_profile_trainer_loss(trainer, users, count);
    memcpy(found, ferry_profile_trainer_gradient(trainer), size * sizeof *found);
    for (size_t i = 0; i < size; i++) {
        const float kept = map.block[i], step = 4e-3f;
        map.block[i] = kept + step;
        float above = ferry_profile_trainer_loss(trainer, users, count);
        map.block[i] = kept - step;
        float below = ferry_profile_trainer_loss(trainer, users, count);
        map.block[i] = kept;
        slopes[i] = (above - below) / (2.0f * step);
    }
    assert_near(found, slopes, size, 1e-3, "against finite differences");
    free(found), free(slopes);
    ferry_profile_trainer_close(trainer);
    golden_tensors_close(&golden);
}

/* The same bytes from the same seed with other kernels; lower loss than at first; the query. */
static void fitting(void **state)
{
    (void)state;
    golden_tensors golden;
    ferry_profile_data data = open_data(&golden);
    ferry_profile_map_options options = FERRY_PROFILE_MAP_DEFAULTS;
    ferry_error error;
    options.rank = RANK;
    options.epochs = 30;
    options.batch = 60;
    size_t size = ferry_profile_map_size(data.N, RANK);
    ferry_profile_map maps[3];
    for (int i = 0; i < 3; i++) {
        options.seed = i == 2;
        maps[i].block = ferry_arena_array(&golden.arena, size, sizeof(float));
        assert_non_null(maps[i].block);
        assert_int_equal(ferry_profile_map_fit(i == 1 ? &ferry_kernels_scalar : kernels, &data,
                                               &options, NULL, NULL, &maps[i], &error),
                         FERRY_OK);
    }
    assert_memory_equal(maps[0].block, maps[1].block, size * sizeof(float));
    assert_true(memcmp(maps[0].block, maps[2].block, size * sizeof(float)) != 0);

    ferry_profile_trainer *trainer;
    uint32_t users[30];
    for (uint32_t u = 0; u < 30; u++) users[u] = u;
    assert_int_equal(
        ferry_profile_trainer_create(kernels, &data, &options, NULL, NULL, &trainer, &error),
        FERRY_OK);
    float before = ferry_profile_trainer_loss(trainer, users, 30);
    memcpy(ferry_profile_trainer_map(trainer).block, maps[0].block, size * sizeof(float));
    float after = ferry_profile_trainer_loss(trainer, users, 30);
    print_message("loss %.3f, after 30 epochs %.3f\n", (double)before, (double)after);
    assert_true(after < 0.7f * before);
    ferry_profile_trainer_close(trainer);

    float query[64];
    assert_true(data.N <= 64);
    ferry_profile_map_query(&maps[0], data.profiles, query);
    const float *a = maps[0].block, *b = a + data.N * RANK, *offset = b + data.N * RANK;
    for (size_t n = 0; n < data.N; n++) {
        double expected = (double)data.profiles[n] + (double)offset[n];
        for (size_t r = 0; r < RANK; r++) {
            double inner = 0.0;
            for (size_t k = 0; k < data.N; k++)
                inner += (double)data.profiles[k] * (double)a[k * RANK + r];
            expected += inner * (double)b[r * data.N + n];
        }
        assert_true(fabs(expected - (double)query[n]) < 1e-5);
    }
    golden_tensors_close(&golden);
}

static void what_cannot_be_learned(void **state)
{
    (void)state;
    golden_tensors golden;
    ferry_profile_data data = open_data(&golden);
    ferry_profile_map_options options = FERRY_PROFILE_MAP_DEFAULTS;
    ferry_error error;
    ferry_profile_map map = {.block = malloc(ferry_profile_map_size(data.N, 32) * sizeof(float))};
    assert_non_null(map.block);
    options.rate = 1e30f;
    assert_int_equal(ferry_profile_map_fit(kernels, &data, &options, NULL, NULL, &map, &error),
                     FERRY_UNSUPPORTED);
    assert_non_null(strstr(error.message, "lower the rate"));
    static const uint32_t none[31] = {0};
    data.targets.start = none;
    assert_int_equal(ferry_profile_map_fit(kernels, &data, &options, NULL, NULL, &map, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "none of the 30 users"));
    free(map.block);
    golden_tensors_close(&golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_torchs),
        cmocka_unit_test(gradient_is_the_slope),
        cmocka_unit_test(fitting),
        cmocka_unit_test(what_cannot_be_learned),
    };
    return cmocka_run_group_tests(tests, choose_kernels, NULL);
}
