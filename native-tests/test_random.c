/* Random numbers: the published sequence, ranges, moments. */
#include "test.h"

#include "base/random.h"

/* The first outputs of xoshiro256** from the state {1, 2, 3, 4}: rand_xoshiro's test vector, made
 * with the authors' C code. */
static void the_generator_is_xoshiro256starstar(void **state)
{
    (void)state;
    static const uint64_t expected[] = {
        11520u,
        0u,
        1509978240u,
        1215971899390074240u,
        1216172134540287360u,
        607988272756665600u,
        16172922978634559625u,
        8476171486693032832u,
        10595114339597558777u,
        2904607092377533576u,
    };
    ferry_random random = {{1, 2, 3, 4}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_true(ferry_random_next(&random) == expected[i]);
}

static void streams_differ_and_seeds_repeat(void **state)
{
    (void)state;
    ferry_random a, b, c;
    ferry_random_seed(&a, 7, 0), ferry_random_seed(&b, 7, 1), ferry_random_seed(&c, 7, 0);
    for (int i = 0; i < 100; i++) {
        uint64_t x = ferry_random_next(&a);
        assert_true(x != ferry_random_next(&b));
        assert_true(x == ferry_random_next(&c));
    }
}

static void draws_have_their_moments(void **state)
{
    (void)state;
    enum { DRAWS = 200000, FACES = 7 };
    ferry_random random;
    ferry_random_seed(&random, 3, 0);
    double uniform = 0, normal = 0, square = 0;
    size_t faces[FACES] = {0};
    for (int i = 0; i < DRAWS; i++) {
        float u = ferry_random_uniform(&random), z = ferry_random_normal(&random);
        assert_true(u >= 0.0f && u < 1.0f && z > -6.0f && z < 6.0f);
        uniform += (double)u, normal += (double)z, square += (double)z * (double)z;
        faces[ferry_random_below(&random, FACES)]++;
    }
    assert_true(uniform / (double)DRAWS > 0.497 && uniform / (double)DRAWS < 0.503);
    assert_true(normal / (double)DRAWS > -0.01 && normal / (double)DRAWS < 0.01);
    assert_true(square / (double)DRAWS > 0.985 && square / (double)DRAWS < 1.015);
    for (size_t i = 0; i < FACES; i++)
        assert_true(faces[i] > DRAWS / FACES - 700 && faces[i] < DRAWS / FACES + 700);
}

static void a_shuffle_is_a_permutation(void **state)
{
    (void)state;
    ferry_random random;
    ferry_random_seed(&random, 5, 0);
    size_t first[5] = {0};
    for (int round = 0; round < 5000; round++) {
        uint32_t values[5] = {0, 1, 2, 3, 4};
        ferry_random_shuffle(&random, values, 5);
        unsigned seen = 0;
        for (size_t i = 0; i < 5; i++) seen |= 1u << values[i];
        assert_int_equal(seen, 31);
        first[values[0]]++;
    }
    for (size_t i = 0; i < 5; i++) assert_true(first[i] > 850 && first[i] < 1150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_generator_is_xoshiro256starstar),
        cmocka_unit_test(streams_differ_and_seeds_repeat),
        cmocka_unit_test(draws_have_their_moments),
        cmocka_unit_test(a_shuffle_is_a_permutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
