#include "base/decimal.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    /* What lies half way between two doubles has at most 767 digits: of more only whether one of
     * them is not 0 matters. */
    MAX_DIGITS = 800,
    /* The largest number there is need of: 10 to the digits and the smallest double's exponent. */
    WORDS = 120,
    LARGEST = 310,   /* 10^310 and more is infinite */
    SMALLEST = -325, /* less than 10^-325 is 0 */
};

/* A number's digits, and the power of ten that they are to be multiplied by. */
typedef struct decimal {
    const char *text, *end; /* digits and a point; from the first that is not 0 */
    size_t count;           /* of these digits */
    int64_t exponent;
    uint64_t value; /* of the digits, if they are at most 19 */
    bool negative;
} decimal;

/* ---- large whole numbers ---- */

typedef struct large {
    size_t count;
    uint32_t word[WORDS]; /* the lowest first; the highest is not 0 */
} large;

static void multiply_add(large *x, uint32_t by, uint32_t add)
{
    uint64_t carry = add;
    for (size_t i = 0; i < x->count; i++) {
        carry += (uint64_t)x->word[i] * by;
        x->word[i] = (uint32_t)carry;
        carry >>= 32;
    }
    if (carry > 0) x->word[x->count++] = (uint32_t)carry;
}

static void multiply_by_tens(large *x, int64_t tens)
{
    for (; tens >= 9; tens -= 9) multiply_add(x, 1000000000, 0);
    for (; tens > 0; tens--) multiply_add(x, 10, 0);
}

static void shift_left(large *x, int bits)
{
    for (; bits >= 31; bits -= 31) multiply_add(x, UINT32_C(1) << 31, 0);
    if (bits > 0) multiply_add(x, UINT32_C(1) << bits, 0);
}

static int bits_of(const large *x)
{
    return 32 * (int)x->count - __builtin_clz(x->word[x->count - 1]);
}

static bool at_least(const large *x, const large *y)
{
    if (x->count != y->count) return x->count > y->count;
    for (size_t i = x->count; i-- > 0;)
        if (x->word[i] != y->word[i]) return x->word[i] > y->word[i];
    return true;
}

/* x is at least y. */
static void subtract(large *x, const large *y)
{
    uint32_t borrow = 0;
    for (size_t i = 0; i < x->count; i++) {
        uint64_t less = (uint64_t)(i < y->count ? y->word[i] : 0) + borrow;
        borrow = x->word[i] < less;
        x->word[i] -= (uint32_t)less;
    }
    while (x->count > 0 && x->word[x->count - 1] == 0) x->count--;
}

/* ---- rounding ---- */

/* bits 2^low, 54 of them or more, and a little more than that if `more`. */
static double round_even(uint64_t bits, int low, bool more)
{
    int lowest = low + 64 - __builtin_clzll(bits) - 53; /* the place of the result's last bit */
    if (lowest < -1074) lowest = -1074;
    int drop = lowest - low;
    if (drop > 63) return 0.0;
    uint64_t half = UINT64_C(1) << (drop - 1), rest = bits & (2 * half - 1);
    bits >>= drop;
    if (rest > half || (rest == half && (more || (bits & 1) != 0))) bits++;
    return ldexp((double)bits, lowest);
}

/* Neither is 0; both are used up. */
static double divide(large *x, large *y)
{
    int shift = bits_of(y) - bits_of(x); /* x 2^shift / y is between 1/2 and 2 */
    shift_left(shift > 0 ? x : y, shift > 0 ? shift : -shift);
    uint64_t quotient = 0;
    for (int i = 0; i < 56; i++) {
        bool fits = at_least(x, y);
        if (fits) subtract(x, y);
        multiply_add(x, 2, 0);
        quotient = 2 * quotient + fits;
    }
    return round_even(quotient, -shift - 55, x->count > 0);
}

static double read_large(const decimal *number)
{
    large x = {0}, y = {.count = 1, .word = {1}};
    size_t count = 0;
    bool more = false;
    for (const char *text = number->text; text < number->end; text++) {
        if (*text == '.') continue;
        if (count++ < MAX_DIGITS)
            multiply_add(&x, 10, (uint32_t)(*text - '0'));
        else
            more = more || *text != '0';
    }
    int64_t exponent = number->exponent + (count > MAX_DIGITS ? (int64_t)count - MAX_DIGITS : 0);
    if (more) { /* one digit for all of them */
        multiply_add(&x, 10, 1);
        exponent--;
    }
    multiply_by_tens(&x, exponent);
    multiply_by_tens(&y, -exponent);
    return divide(&x, &y);
}

/* With up to 19 digits and up to 18 behind the point: what files are full of. */
static double divide_small(uint64_t x, uint64_t y)
{
    int low = -__builtin_clzll(x / y | 1);
    uint64_t bits = x / y, rest = x % y;
    for (int i = low; i < 0; i++) {
        rest *= 2;
        bits = 2 * bits + (rest >= y);
        if (rest >= y) rest -= y;
    }
    return round_even(bits, low, rest > 0);
}

static double nearest(const decimal *number)
{
    /* Powers of ten that are doubles exactly; one operation on exact operands rounds correctly. */
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int64_t exponent = number->exponent, magnitude = (int64_t)number->count + exponent;
    if (number->count == 0 || magnitude < SMALLEST) return 0.0;
    if (magnitude > LARGEST) return (double)INFINITY;
    if (number->count > 19) return read_large(number);
    if (number->value <= UINT64_C(1) << 53 && exponent >= -22 && exponent <= 22) {
        double value = (double)number->value;
        return exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
    }
    if (exponent < 0 && exponent >= -18)
        return divide_small(number->value, (uint64_t)powers[-exponent]);
    return read_large(number);
}

/* ---- text ---- */

static bool is_digit(const char *text, const char *end)
{
    return text < end && *text >= '0' && *text <= '9';
}

/* Digits with a point among them; their end, or NULL if there is no digit. */
static const char *read_digits(const char *text, const char *end, decimal *out)
{
    bool any = false, point = false;
    for (; is_digit(text, end) || (text < end && *text == '.' && !point); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        any = true;
        out->exponent -= point;
        if (out->count == 0 && *text == '0') continue;
        if (out->count++ == 0) out->text = text;
        if (out->count <= 19) out->value = 10 * out->value + (uint64_t)(*text - '0');
    }
    out->end = text;
    return any ? text : NULL;
}

const char *ferry_decimal_read(const char *text, const char *end, double *out)
{
    decimal number = {.negative = text < end && *text == '-'};
    *out = 0.0;
    if (text < end && (*text == '-' || *text == '+')) text++;
    text = read_digits(text, end, &number);
    if (text == NULL) return NULL;
    const char *exponent = text + 1;
    bool down = text < end && exponent < end && *exponent == '-';
    if (text < end && exponent < end && (*exponent == '-' || *exponent == '+')) exponent++;
    if (text < end && (*text == 'e' || *text == 'E') && is_digit(exponent, end)) {
        int64_t power = 0;
        for (text = exponent; is_digit(text, end); text++)
            if (power < INT64_MAX / 100) power = 10 * power + (*text - '0');
        number.exponent += down ? -power : power;
    }
    double value = nearest(&number);
    *out = number.negative ? -value : value;
    return text;
}

double ferry_decimal_strtod(const char *text, char **end)
{
    double value;
    const char *read = ferry_decimal_read(text, text + strlen(text), &value);
    if (end != NULL) *end = (char *)(uintptr_t)(read != NULL ? read : text);
    return value;
}
