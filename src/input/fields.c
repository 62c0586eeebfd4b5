#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/decimal.h"
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

bool ferry_number_parse(const char *text, size_t size, double *out)
{
    const char *end = ferry_decimal_read(text, text + size, out);
    return end != NULL && end == text + size && isfinite(*out);
}
