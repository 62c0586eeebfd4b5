#include "base/json_check.h"

#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

typedef struct scanner {
    const char *text; /* [size] */
    size_t size;
    size_t at;           /* <= size */
    const char *problem; /* what is wrong at `at` */
    bool too_deep;
} scanner;

static bool fail(scanner *s, const char *problem)
{
    s->problem = problem;
    return false;
}

/* The character at the cursor; NUL, which no JSON begins with, at the end. */
static char peek(const scanner *s)
{
    return s->at < s->size ? s->text[s->at] : '\0';
}

static void skip_space(scanner *s)
{
    while (peek(s) == ' ' || peek(s) == '\t' || peek(s) == '\n' || peek(s) == '\r') s->at++;
}

/* Moves past c, and the white space before it, if it comes next. */
static bool take(scanner *s, char c)
{
    skip_space(s);
    if (peek(s) != c) return false;
    s->at++;
    return true;
}

/* ---- strings ---- */

static bool hex_digits(scanner *s, unsigned *unit)
{
    *unit = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        char c = peek(s), lower = (char)(c | 0x20);
        if (c >= '0' && c <= '9')
            *unit = *unit << 4 | (unsigned)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            *unit = *unit << 4 | (unsigned)(lower - 'a' + 10);
        else
            return fail(s, "\\u without four hexadecimal digits");
    }
    return true;
}

/* Behind "\u": a code point, or both halves of a surrogate pair. */
static bool check_unicode(scanner *s)
{
    unsigned unit, low = 0;
    if (!hex_digits(s, &unit)) return false;
    if (unit == 0) return fail(s, "U+0000 in a string");
    if (unit < 0xD800 || unit > 0xDFFF) return true;
    bool paired = unit < 0xDC00 && s->size - s->at >= 2 && memcmp(s->text + s->at, "\\u", 2) == 0;
    if (paired) {
        s->at += 2;
        paired = hex_digits(s, &low) && low >= 0xDC00 && low <= 0xDFFF;
    }
    return paired || fail(s, "half a surrogate pair in a string");
}

static bool check_string(scanner *s)
{
    if (!take(s, '"')) return fail(s, "expected a string");
    while (s->at < s->size) {
        unsigned char c = (unsigned char)s->text[s->at];
        if (c < 0x20) return fail(s, "control character in a string");
        s->at++;
        if (c == '"') return true;
        if (c != '\\') continue;
        char escape = peek(s);
        if (escape == '\0' || strchr("\"\\/bfnrtu", escape) == NULL)
            return fail(s, "unknown escape in a string");
        s->at++;
        if (escape == 'u' && !check_unicode(s)) return false;
    }
    return fail(s, "a string without its closing quote");
}

/* ---- other values ---- */

static bool check_digits(scanner *s)
{
    size_t start = s->at;
    while (peek(s) >= '0' && peek(s) <= '9') s->at++;
    return s->at > start || fail(s, "expected a value");
}

/* cJSON copies a number to 64 bytes before it converts it. */
enum { MAX_NUMBER = 63 };

static bool check_number_parts(scanner *s)
{
    if (peek(s) == '-') s->at++;
    if (peek(s) == '0') {
        s->at++;
        if (peek(s) >= '0' && peek(s) <= '9') return fail(s, "a number with a leading zero");
    } else if (!check_digits(s)) {
        return false;
    }
    if (peek(s) == '.') {
        s->at++;
        if (!check_digits(s)) return false;
    }
    if (peek(s) != 'e' && peek(s) != 'E') return true;
    s->at++;
    if (peek(s) == '+' || peek(s) == '-') s->at++;
    return check_digits(s);
}

static bool check_number(scanner *s)
{
    size_t start = s->at;
    if (!check_number_parts(s)) return false;
    return s->at - start <= MAX_NUMBER || fail(s, "a number of more than 63 characters");
}

static bool check_word(scanner *s, const char *word)
{
    size_t size = strlen(word);
    if (s->size - s->at < size || memcmp(s->text + s->at, word, size) != 0)
        return fail(s, "expected a value");
    s->at += size;
    return true;
}

static bool check_value(scanner *s, unsigned depth);

static bool check_list(scanner *s, unsigned depth, bool is_object)
{
    char close = is_object ? '}' : ']';
    if (depth == FERRY_JSON_MAX_DEPTH) {
        s->too_deep = true;
        return fail(s, "nested too deeply");
    }
    s->at++;
    if (take(s, close)) return true;
    for (;;) {
        if (is_object && !check_string(s)) return false;
        if (is_object && !take(s, ':')) return fail(s, "expected ':'");
        if (!check_value(s, depth + 1)) return false;
        if (take(s, close)) return true;
        if (!take(s, ','))
            return fail(s, is_object ? "expected ',' or '}'" : "expected ',' or ']'");
    }
}

static bool check_value(scanner *s, unsigned depth)
{
    skip_space(s);
    switch (peek(s)) {
    case '{': return check_list(s, depth, true);
    case '[': return check_list(s, depth, false);
    case '"': return check_string(s);
    case 't': return check_word(s, "true");
    case 'f': return check_word(s, "false");
    case 'n': return check_word(s, "null");
    default: return check_number(s);
    }
}

ferry_status ferry_json_check(const char *text, size_t size, const char *name, ferry_error *error)
{
    if (size > FERRY_JSON_MAX_SIZE)
        return ferry_fail(error, FERRY_LIMIT, "%s: %zu bytes of JSON, the limit is %d", name, size,
                          FERRY_JSON_MAX_SIZE);
    scanner s = {.text = text, .size = size};
    bool good = check_value(&s, 0);
    skip_space(&s);
    if (good && s.at < size) good = fail(&s, "more after the JSON value");
    if (good && !ferry_utf8_is_valid(text, size)) good = fail(&s, "not UTF-8");
    if (good) return FERRY_OK;
    if (s.too_deep)
        return ferry_fail(error, FERRY_LIMIT, "%s: nested deeper than %d levels at byte %zu", name,
                          FERRY_JSON_MAX_DEPTH, s.at);
    return ferry_fail(error, FERRY_MALFORMED, "%s: not JSON: %s at byte %zu", name, s.problem,
                      s.at);
}
