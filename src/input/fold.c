#include "input/fold.h"

#include "base/utf8.h"
#include "input/unicode.h"

bool ferry_fold_append(ferry_buffer *out, uint32_t code_point)
{
    uint32_t lower[2] = {code_point, 0};
    char bytes[4];
    size_t count = 1;
    if (ferry_unicode_class(code_point) & FERRY_UNICODE_UPPER)
        count = ferry_unicode_lower(code_point, lower);
    for (size_t i = 0; i < count; i++)
        if (!ferry_buffer_append(out, bytes, ferry_utf8_put(lower[i], bytes))) return false;
    return true;
}

/* ASCII letters and digits are most of most titles: no tables for them. */
static bool is_plain(unsigned char c)
{
    return c > ' ' && c < 0x7F;
}

bool ferry_fold_text(ferry_buffer *out, const char *text, size_t size, bool squeeze)
{
    size_t begin = out->size;
    if (!ferry_buffer_reserve(out, size)) return false;
    for (size_t offset = 0; offset < size;) {
        unsigned char byte = (unsigned char)text[offset];
        if (is_plain(byte)) {
            char lower = (char)(byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte);
            if (!ferry_buffer_append(out, &lower, 1)) return false;
            offset++;
            continue;
        }
        uint32_t c = ferry_utf8_next(text, size, &offset, NULL);
        if (!squeeze || !(ferry_unicode_class(c) & FERRY_UNICODE_SPACE)) {
            if (!ferry_fold_append(out, c)) return false;
        } else if (out->size > begin && out->data[out->size - 1] != ' ') {
            if (!ferry_buffer_append(out, " ", 1)) return false;
        }
    }
    if (squeeze && out->size > begin && out->data[out->size - 1] == ' ') out->size--;
    return true;
}
