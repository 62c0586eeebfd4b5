#include "base/utf8.h"

/* The Unicode standard's table 3-7: which second bytes may follow which lead. */
uint32_t ferry_utf8_next(const char *text, size_t size, size_t *offset, bool *valid)
{
    const unsigned char *bytes = (const unsigned char *)text;
    unsigned lead = bytes[(*offset)++];
    if (lead < 0x80) return lead;

    unsigned trailing = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    unsigned low = 0x80, high = 0xBF; /* of the second byte */
    if (lead < 0xC2 || lead > 0xF4) goto invalid;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F; /* surrogates */
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F; /* past U+10FFFF */

    uint32_t code_point = lead & (0x3Fu >> trailing);
    for (unsigned i = 0; i < trailing; i++) {
        if (*offset == size) goto invalid;
        unsigned byte = bytes[*offset];
        if (byte < low || byte > high) goto invalid;
        code_point = code_point << 6 | (byte & 0x3F);
        (*offset)++;
        low = 0x80;
        high = 0xBF;
    }
    return code_point;

invalid:
    if (valid != NULL) *valid = false;
    return 0xFFFD;
}

size_t ferry_utf8_put(uint32_t code_point, char out[4])
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    size_t size = code_point < 0x800 ? 2 : code_point < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code_point & 0x3F));
        code_point >>= 6;
    }
    out[0] = (char)(lead[size] | code_point);
    return size;
}

bool ferry_utf8_is_valid(const char *text, size_t size)
{
    bool valid = true;
    for (size_t offset = 0; offset < size && valid;) ferry_utf8_next(text, size, &offset, &valid);
    return valid;
}
