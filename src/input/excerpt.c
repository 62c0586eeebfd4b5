#include "input/excerpt.h"

#include <string.h>

#include "base/utf8.h"

const char *ferry_excerpt(const char *text, size_t size, char out[FERRY_EXCERPT_SIZE])
{
    size_t room = FERRY_EXCERPT_SIZE - 4; /* "..." and NUL */
    size_t used = 0;
    for (size_t offset = 0; offset < size;) {
        uint32_t code_point = ferry_utf8_next(text, size, &offset, NULL);
        if (code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0)) code_point = '?';
        char bytes[4];
        size_t count = ferry_utf8_put(code_point, bytes);
        if (used + count > room) {
            memcpy(out + used, "...", 3);
            used += 3;
            break;
        }
        memcpy(out + used, bytes, count);
        used += count;
    }
    out[used] = '\0';
    return out;
}
