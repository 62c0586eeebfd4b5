#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "input/excerpt.h"
#include "input/json_text.h"
#include "input/table.h"

/* ---- names ---- */

/* The next letter that counts in a name, lower case, and past it; '\0' at the end. */
static char next_letter(const char **name, const char *end)
{
    while (*name < end) {
        char c = *(*name)++;
        if (c == '_' || c == '-' || c == ' ') continue;
        return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    return '\0';
}

static bool same_name(const char *a, const char *a_end, const char *b, const char *b_end)
{
    for (;;) {
        char letter = next_letter(&a, a_end);
        if (letter != next_letter(&b, b_end)) return false;
        if (letter == '\0') return true;
    }
}

/* The field's place in the list of names, or SIZE_MAX. */
static size_t name_rank(const ferry_field *field, const char *names)
{
    for (size_t rank = 0; *names != '\0'; rank++) {
        size_t size = strcspn(names, " ");
        if (same_name(names, names + size, field->name, field->name + field->name_size))
            return rank;
        names += size;
        if (*names == ' ') names++;
    }
    return SIZE_MAX;
}

bool ferry_field_has_own_name(const ferry_field *field, const char *names)
{
    return name_rank(field, names) == 0;
}

/* Puts a field among the slot's candidates, in order of rank; what falls off the end is left. */
static void add_candidate(ferry_field_plan *plan, size_t slot, size_t field, size_t rank,
                          size_t ranks[FERRY_MAX_CANDIDATES])
{
    size_t place = plan->counts[slot];
    while (place > 0 && ranks[place - 1] > rank) place--;
    if (place == FERRY_MAX_CANDIDATES) return;
    if (plan->counts[slot] < FERRY_MAX_CANDIDATES) plan->counts[slot]++;
    for (size_t i = plan->counts[slot] - 1; i > place; i--) {
        plan->fields[slot][i] = plan->fields[slot][i - 1];
        ranks[i] = ranks[i - 1];
    }
    plan->fields[slot][place] = (unsigned short)field;
    ranks[place] = rank;
}

void ferry_field_plan_for(ferry_field_plan *plan, const ferry_row *row, const char *const *names,
                          size_t slots)
{
    if (plan->layout == row->layout) return;
    *plan = (ferry_field_plan){.layout = row->layout};
    for (size_t slot = 0; slot < slots; slot++) {
        size_t ranks[FERRY_MAX_CANDIDATES];
        for (size_t i = 0; i < row->count; i++) {
            size_t rank = name_rank(&row->fields[i], names[slot]);
            if (rank != SIZE_MAX) add_candidate(plan, slot, i, rank, ranks);
        }
    }
}

/* ---- values ---- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void ferry_text_trim(char **text, size_t *size)
{
    while (*size > 0 && is_space((*text)[*size - 1])) (*size)--;
    while (*size > 0 && is_space(**text)) {
        (*text)++;
        (*size)--;
    }
    if (*text != NULL) (*text)[*size] = '\0';
}

/* Digits, with a minus sign at most. */
static bool is_plain_integer(const char *text, size_t size)
{
    size_t sign = size > 0 && text[0] == '-' ? 1 : 0;
    return size > sign && strspn(text + sign, "0123456789") == size - sign;
}

ferry_status ferry_field_id(const ferry_field *field, char **out, size_t *size, ferry_error *error)
{
    char name[FERRY_EXCERPT_SIZE], value[FERRY_EXCERPT_SIZE];
    *out = field->text;
    *size = field->size;
    if (field->kind == FERRY_FIELD_TEXT || field->kind == FERRY_FIELD_WORDS) {
        ferry_text_trim(out, size);
        return FERRY_OK;
    }
    if (field->kind == FERRY_FIELD_NUMBER) {
        double number;
        if (is_plain_integer(*out, *size)) return FERRY_OK;
        if (ferry_number_parse(*out, *size, &number) && number == floor(number) &&
            fabs(number) <= 0x1p53) {
            /* 1e3 becomes longer than it was written; 12.0, what a spreadsheet makes of 12, not. */
            char digits[24];
            size_t length = (size_t)snprintf(digits, sizeof digits, "%.0f", number);
            if (length <= *size) {
                memcpy(*out, digits, length + 1);
                *size = length;
                return FERRY_OK;
            }
        }
    }
    return ferry_fail(error, FERRY_MALFORMED,
                      "\"%s\" is %s, expected text or a whole number in plain digits",
                      ferry_excerpt(field->name, field->name_size, name),
                      ferry_excerpt(field->text, field->size, value));
}

/* ---- numbers ---- */

/* A number's digits as an integer, and the power of ten it is to be multiplied by. */
typedef struct decimal {
    uint64_t digits;
    int exponent;
    bool exact; /* all digits are in `digits` */
} decimal;

/* Reads sign, digits, point, digits, exponent; false if the text is anything else. */
static bool read_decimal(const char *text, const char *end, decimal *out, bool *negative)
{
    *out = (decimal){.exact = true};
    *negative = text < end && *text == '-';
    if (text < end && (*text == '-' || *text == '+')) text++;
    size_t count = 0;
    bool in_fraction = false;
    for (; text < end; text++) {
        if (*text == '.' && !in_fraction) {
            in_fraction = true;
            continue;
        }
        if (*text < '0' || *text > '9') break;
        count++;
        if (out->digits >= UINT64_MAX / 10 - 1) {
            out->exact = false;
            continue;
        }
        out->digits = 10 * out->digits + (uint64_t)(*text - '0');
        if (in_fraction) out->exponent--;
    }
    if (count == 0) return false;
    if (text == end) return true;
    if (*text != 'e' && *text != 'E') return false;
    text++;
    bool negative_exponent = text < end && *text == '-';
    if (text < end && (*text == '-' || *text == '+')) text++;
    if (text == end) return false;
    int exponent = 0;
    for (; text < end; text++) {
        if (*text < '0' || *text > '9') return false;
        if (exponent < 100000) exponent = 10 * exponent + (*text - '0');
    }
    out->exponent += negative_exponent ? -exponent : exponent;
    return true;
}

/* The C library's reading, which wants the decimal point of the host application's locale. */
static bool parse_slowly(const char *text, size_t size, double *out)
{
    char copy[128];
    const char *point = localeconv()->decimal_point;
    size_t point_size = strlen(point), used = 0;
    for (size_t i = 0; i < size; i++) {
        if (used + point_size + 1 >= sizeof copy) return false;
        if (text[i] == '.') {
            memcpy(copy + used, point, point_size);
            used += point_size;
        } else {
            copy[used++] = text[i];
        }
    }
    copy[used] = '\0';
    char *end;
    *out = strtod(copy, &end);
    return end == copy + used;
}

bool ferry_number_parse(const char *text, size_t size, double *out)
{
    /* Powers of ten that are doubles exactly; one operation on exact operands rounds correctly. */
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    decimal number;
    bool negative;
    *out = 0;
    if (!read_decimal(text, text + size, &number, &negative)) return false;
    if (number.exact && number.digits <= (uint64_t)1 << 53 && number.exponent >= -22 &&
        number.exponent <= 22) {
        double value = (double)number.digits;
        value = number.exponent < 0 ? value / powers[-number.exponent]
                                    : value * powers[number.exponent];
        *out = negative ? -value : value;
        return true;
    }
    return parse_slowly(text, size, out) && isfinite(*out);
}
