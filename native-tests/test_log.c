/* ferry_log against the C library's in double: every 61st float, and all of them around 1. */
#include "test.h"

#include <math.h>

#include "math/elementary.h"

static double relative_error(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    double exact = log((double)x), found = (double)ferry_log_float(x);
    return exact == 0.0 ? fabs(found) : fabs(found - exact) / fabs(exact);
}

static void log_is_accurate(void **state)
{
    (void)state;
    double worst = 0.0;
    for (uint32_t bits = 0x00800000u; bits < 0x7F800000u; bits += 61) {
        double error = relative_error(bits);
        worst = error > worst ? error : worst;
    }
    for (uint32_t bits = 0x3F700000u; bits < 0x3F900000u; bits++) {
        double error = relative_error(bits);
        worst = error > worst ? error : worst;
    }
    print_message("largest relative error %.2f * 2^-23\n", worst * 0x1p23);
    assert_true(worst < 0.7 * 0x1p-23);
}

static void log_of_anything_is_finite(void **state)
{
    (void)state;
    const float lowest = ferry_log_float(LOG_LOWEST), highest = ferry_log_float(LOG_HIGHEST);
    assert_true(fabs((double)lowest - log((double)LOG_LOWEST)) < 1e-5);
    assert_true(fabs((double)highest - log((double)LOG_HIGHEST)) < 1e-5);
    const float low[] = {0.0f, -0.0f, -1.0f, 1e-45f, -INFINITY, NAN};
    for (size_t i = 0; i < sizeof low / sizeof *low; i++)
        assert_true(ferry_log_float(low[i]) == lowest);
    assert_true(ferry_log_float(INFINITY) == highest);
    assert_true(ferry_log_float(1.0f) == 0.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_is_accurate),
        cmocka_unit_test(log_of_anything_is_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
