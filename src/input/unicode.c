#include "input/unicode.h"

typedef struct case_run {
    uint32_t first, last;
    int32_t stride, delta;
} case_run;

#include "input/unicode_tables.inc"

#define LENGTH(array) (sizeof(array) / sizeof(array)[0])

unsigned ferry_unicode_class(uint32_t c)
{
    size_t chunk = class_top[c >> 9];
    size_t block = class_chunk[chunk * 16 + (c >> 5 & 15)];
    return class_block[block * 32 + (c & 31)];
}

bool ferry_unicode_is_chinese(uint32_t c)
{
    if (c < 0x3400) return false;
    return c <= 0x4DBF || (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
           (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

size_t ferry_unicode_lower(uint32_t c, uint32_t out[2])
{
    if (c == 0x130) { /* the one letter that becomes two */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    size_t low = 0, high = LENGTH(case_runs);
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (case_runs[middle].last < c)
            low = middle + 1;
        else
            high = middle;
    }
    out[0] = c;
    if (low == LENGTH(case_runs) || c < case_runs[low].first) return 1;
    const case_run *run = &case_runs[low];
    if ((c - run->first) % (uint32_t)run->stride == 0) out[0] = c + (uint32_t)run->delta;
    return 1;
}

/* Index of c among the first of every `width` entries of a sorted table, or count. */
static size_t find(const uint32_t *table, size_t count, size_t width, uint32_t c)
{
    size_t low = 0, high = count / width;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table[middle * width] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low * width < count && table[low * width] == c ? low * width : count;
}

static size_t find_near(uint32_t c)
{
    size_t low = 0, high = LENGTH(strip_near) / 2;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (strip_near[middle * 2] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low * 2 < LENGTH(strip_near) && strip_near[low * 2] == c ? low * 2 : LENGTH(strip_near);
}

/* The Unicode standard's section 3.12. */
static size_t strip_hangul(uint32_t c, uint32_t out[3])
{
    uint32_t index = c - 0xAC00, trailing = index % 28;
    out[0] = 0x1100 + index / (21 * 28);
    out[1] = 0x1161 + index % (21 * 28) / 28;
    out[2] = 0x11A7 + trailing;
    return trailing == 0 ? 2 : 3;
}

size_t ferry_unicode_strip(uint32_t c, uint32_t out[3])
{
    if (c >= 0xAC00 && c <= 0xD7A3) return strip_hangul(c, out);
    size_t at;
    if ((at = find_near(c)) < LENGTH(strip_near)) {
        out[0] = strip_near[at + 1];
        return 1;
    }
    if ((at = find(strip_far, LENGTH(strip_far), 2, c)) < LENGTH(strip_far)) {
        out[0] = strip_far[at + 1];
        return 1;
    }
    out[0] = c;
    if ((at = find(strip_several, LENGTH(strip_several), 4, c)) == LENGTH(strip_several)) return 1;
    for (size_t i = 0; i < 3; i++) out[i] = strip_several[at + 1 + i];
    return out[2] == 0 ? 2 : 3;
}

unsigned ferry_unicode_combining_class(uint32_t c)
{
    size_t at = find(reorder_class, LENGTH(reorder_class), 2, c);
    return at < LENGTH(reorder_class) ? (unsigned)reorder_class[at + 1] : 0;
}
