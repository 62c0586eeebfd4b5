#include "input/json_text.h"

#include <string.h>

#include "base/error.h"
#include "base/json_check.h"
#include "base/utf8.h"

/* ---- JSON that ferry_json_check took: nothing is checked again ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_space(const char *text)
{
    while (is_space(*text)) text++;
    return text;
}

/* Behind the string that begins here. */
static const char *string_end(const char *quoted)
{
    const char *text = quoted + 1;
    while (*text != '"') text += *text == '\\' ? 2 : 1;
    return text + 1;
}

static uint32_t hex_digits(const char *text)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t c = (unsigned char)text[i];
        unit = unit << 4 | (c <= '9' ? c & 0xF : (c & 0xF) + 9); /* 'A' is 0x41, 'a' 0x61 */
    }
    return unit;
}

/* Decodes the escape behind a backslash into out; returns what follows it. */
static const char *decode_escape(const char *text, char **out)
{
    static const char kinds[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    char kind = *text++;
    if (kind != 'u') {
        const char *found = strchr(kinds, kind);
        *(*out)++ = found != NULL ? meanings[found - kinds] : kind;
        return text;
    }
    uint32_t code_point = hex_digits(text);
    text += 4;
    if (code_point >= 0xD800 && code_point <= 0xDFFF) {
        code_point = 0x10000 + ((code_point & 0x3FF) << 10 | (hex_digits(text + 2) & 0x3FF));
        text += 6;
    }
    char bytes[4];
    size_t count = ferry_utf8_put(code_point, bytes);
    memcpy(*out, bytes, count);
    *out += count;
    return text;
}

/* Decodes the string from its opening quote to end, behind its closing one, and puts a NUL behind
 * it; the text's size. out may be the string itself: nothing gets longer. */
static size_t decode(const char *quoted, const char *end, char *out)
{
    char *start = out;
    for (const char *text = quoted + 1; text < end - 1;) {
        const char *escape = memchr(text, '\\', (size_t)(end - 1 - text));
        size_t plain = (size_t)((escape != NULL ? escape : end - 1) - text);
        memmove(out, text, plain);
        out += plain;
        text += plain;
        if (escape != NULL) text = decode_escape(text + 1, &out);
    }
    *out = '\0';
    return (size_t)(out - start);
}

/* Copies a value without the white space between its tokens, and a NUL; returns the comma or brace
 * behind it. */
static const char *copy_value(const char *text, char **out)
{
    for (size_t depth = 0;;) {
        char c = *text;
        if (c == '"') {
            const char *end = string_end(text);
            memcpy(*out, text, (size_t)(end - text));
            *out += end - text;
            text = end;
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}')) break;
        if (c == '{' || c == '[') depth++;
        if (c == '}' || c == ']') depth--;
        if (!is_space(c)) *(*out)++ = c;
        text++;
    }
    *(*out)++ = '\0';
    return text;
}

/* Reads the field that begins at its name's quote; returns the comma or brace behind it. */
static const char *read_field(const char *text, char **out, ferry_field *field)
{
    const char *end = string_end(text);
    field->name = *out;
    field->name_size = decode(text, end, *out);
    *out += field->name_size + 1;
    text = skip_space(skip_space(end) + 1); /* past the colon */

    char c = *text;
    field->text = *out;
    if (c == '"') {
        end = string_end(text);
        field->kind = FERRY_FIELD_TEXT;
        field->size = decode(text, end, *out);
        *out += field->size + 1;
        return skip_space(end);
    }
    text = copy_value(text, out);
    bool is_number = c == '-' || (c >= '0' && c <= '9');
    field->kind = is_number ? FERRY_FIELD_NUMBER : c == 'n' ? FERRY_FIELD_NULL : FERRY_FIELD_JSON;
    field->size = (size_t)(*out - field->text) - 1;
    return text;
}

ferry_status ferry_json_fields(const char *text, size_t size, const char *name, char *out,
                               ferry_field *fields, size_t capacity, size_t *count,
                               ferry_error *error)
{
    *count = 0;
    FERRY_TRY(ferry_json_check(text, size, name, error));
    text = skip_space(text);
    if (*text != '{') return ferry_fail(error, FERRY_MALFORMED, "%s: not a JSON object", name);
    /* out is large enough: a NUL takes the place of a quote, or of the comma or brace behind a
     * value that has none. */
    text = skip_space(text + 1);
    while (*text != '}') {
        if (*count == capacity)
            return ferry_fail(error, FERRY_MALFORMED, "%s: more than %zu fields", name, capacity);
        text = read_field(text, &out, &fields[(*count)++]);
        if (*text == ',') text = skip_space(text + 1);
    }
    return FERRY_OK;
}

bool ferry_json_is_number(const char *text, size_t size)
{
    /* Between a sign or digit and a digit there is room for no other JSON value, nor white space.
     */
    if (size == 0 || (text[0] != '-' && (text[0] < '0' || text[0] > '9'))) return false;
    if (text[size - 1] < '0' || text[size - 1] > '9') return false;
    return ferry_json_check(text, size, "", NULL) == FERRY_OK;
}

bool ferry_json_is_plain_list(const char *text)
{
    if (*text != '[') return false;
    while (*text != '\0') {
        if (*text == '"') {
            text = string_end(text);
            continue;
        }
        if (strchr("{tfn", *text) != NULL) return false;
        text++;
    }
    return true;
}

bool ferry_json_list_next(char **cursor, char **text, size_t *size)
{
    char *at = *cursor;
    while (*at == '[' || *at == ']' || *at == ',') at++;
    *text = at;
    if (*at == '"') {
        const char *end = string_end(at);
        *cursor = at + (end - at);
        *size = decode(at, end, at);
        return true;
    }
    *size = strcspn(at, ",]");
    if (*size == 0) return false;
    *cursor = at + *size + 1; /* the comma or bracket gives way to the NUL */
    at[*size] = '\0';
    return true;
}

/* ---- writing ---- */

/* The escape for a character that may not stand in a string; returns what follows it. */
static char *put_escape(unsigned char c, char *out)
{
    static const char hex[] = "0123456789abcdef";
    static const char meanings[] = "\"\\\b\f\n\r\t", kinds[] = "\"\\bfnrt";
    const char *found = c != '\0' ? strchr(meanings, c) : NULL;
    *out++ = '\\';
    if (found != NULL) {
        *out++ = kinds[found - meanings];
        return out;
    }
    memcpy(out, "u00", 3);
    out[3] = hex[c >> 4];
    out[4] = hex[c & 15];
    return out + 5;
}

bool ferry_json_append_quoted(ferry_buffer *buffer, const char *text, size_t size)
{
    size_t worst; /* every byte as \u00xx */
    if (!ferry_size_multiply(size, 6, &worst) || !ferry_size_add(worst, 2, &worst)) return false;
    if (!ferry_buffer_reserve(buffer, worst)) return false;
    char *out = buffer->data + buffer->size;
    *out++ = '"';
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            *out++ = (char)c;
        else
            out = put_escape(c, out);
    }
    *out++ = '"';
    buffer->size = (size_t)(out - buffer->data);
    return true;
}
