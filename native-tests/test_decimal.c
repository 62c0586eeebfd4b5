/* Decimal numbers against the C library's reading, which is right to the last bit. */
#include <math.h>
#include <stdio.h>

#include "base/decimal.h"
#include "test.h"

static uint64_t state = 1;

static uint64_t next(void)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return state >> 11 ^ state << 21;
}

static void same(const char *text)
{
    char *end, *expected_end;
    double expected = strtod(text, &expected_end), found = ferry_decimal_strtod(text, &end);
    if (memcmp(&found, &expected, sizeof found) != 0 || end != expected_end)
        fail_msg("%s: %a, expected %a", text, found, expected);
}

static void edges(void **unused)
{
    static const char *const texts[] = {
        "0", "-0", "+0", "00.00", "0e999999999999999999999", "1e999999999999999999999",
        "1e-999999999999999999999", "1e400", "-1e400", "1e-400", "4.9e-324",
        "2.4703282292062327e-324", "2.4703282292062328e-324", "2.2250738585072011e-308",
        "2.2250738585072014e-308", "1.7976931348623157e308", "1.7976931348623158e308",
        "1.7976931348623159e308",
        "179769313486231570814527423731704356798070567525844996598917476803157260780028538760589558"
        "632766878",
        "9007199254740992", "9007199254740993", "9007199254740994", "9007199254740995",
        "9007199254740993."
        "0000000000000000000000000000000000000000000000000000000000000000000000001",
        "0.1", ".5", "5.", "1e23", "8.41e21", "1234567890123456789", "12345678901234567890",
        "0.000000000000000001", "0.0000000000000000012345678901234567", "1e-18",
        "9999999999999999999e-18",
        /* and what is no number, or only at its beginning */
        "", "-", "+", ".", "-.", "e5", "1e", "1e+", "1e-x", "1.2.3", "--1", "1,5", "1 2", "7x",
        "1e5e5"};
    (void)unused;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) same(texts[i]);
}

/* Of any length and size; every double's shortest, common and exact digits. */
static void random_numbers(void **unused)
{
    char text[1300];
    (void)unused;
    for (int i = 0; i < 60000; i++) {
        size_t digits = 1 + next() % (i % 50 == 0 ? 1000 : 30), point = next() % (digits + 1),
               size = 0;
        for (size_t d = 0; d < digits; d++) {
            if (d == point) text[size++] = '.';
            text[size++] = (char)('0' + next() % 10);
        }
        text[size] = '\0';
        if (next() % 4 != 0)
            snprintf(text + size, sizeof text - size, "e%d", (int)(next() % 720) - 360);
        same(text);
    }
    for (int i = 0; i < 30000; i++) {
        uint64_t bits = next() ^ next() << 32;
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        for (int precision = 15; precision <= 17; precision++) {
            snprintf(text, sizeof text, "%.*g", precision, value);
            same(text);
        }
    }
}

/* Half way between two doubles, where long double has these numbers, and a little beside it. */
static void ties(void **unused)
{
    char text[1300];
    (void)unused;
    for (int i = 0; i < 2000; i++) {
        int exponent = i % 4 == 0 ? -1074 + (int)(next() % 60) : (int)(next() % 2046) - 1074;
        uint64_t whole = next() & ((UINT64_C(1) << (i % 4 == 0 ? next() % 53 : 53)) - 1);
        snprintf(text, sizeof text, "%.1100Le", ldexpl((long double)(2 * whole + 1), exponent - 1));
        char *power = strchr(text, 'e'), tail[16];
        same(text);
        snprintf(tail, sizeof tail, "%s", power);
        power[-1] = '1';
        same(text);
        snprintf(power, 20, "1%s", tail);
        same(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(edges), cmocka_unit_test(random_numbers),
                                       cmocka_unit_test(ties)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
