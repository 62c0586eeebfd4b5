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
    size_t low = 0, high = LENGTH(combining_steps);
    while (low < high) { /* the first step beyond c */
        size_t middle = (low + high) / 2;
        if (combining_steps[middle] >> 8 <= c)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 ? combining_steps[low - 1] & 0xFF : 0;
}

/* ---- canonical pairs ---- */

enum { HANGUL = 0xAC00, LEADING = 0x1100, VOWEL = 0x1161, TRAILING = 0x11A7 };
enum { LEADINGS = 19, VOWELS = 21, TRAILINGS = 28 /* none being one */ };

typedef struct pair {
    uint32_t whole, first, second;
} pair;

/* The one at a place in pair_near, then pair_far. */
static pair pair_at(size_t place)
{
    size_t near = LENGTH(pair_near) / 3;
    if (place < near) {
        const uint16_t *p = pair_near + place * 3;
        return (pair){p[0], p[1], p[2]};
    }
    const uint32_t *p = pair_far + (place - near) * 3;
    return (pair){p[0], p[1], p[2]};
}

/* The place of the pair that is c, in a part of them that is sorted; `high` if there is none. */
static size_t find_pair(size_t low, size_t high, uint32_t c)
{
    size_t end = high;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (pair_at(middle).whole < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && pair_at(low).whole == c ? low : end;
}

static bool split_pair(uint32_t c, pair *out)
{
    size_t near = LENGTH(pair_near) / 3, all = near + LENGTH(pair_far) / 3;
    size_t place = find_pair(0, near, c);
    if (place == near) place = find_pair(near, all, c);
    if (place == all) return false;
    *out = pair_at(place);
    return true;
}

size_t ferry_unicode_decompose(uint32_t c, uint32_t out[4])
{
    uint32_t seconds[4], strip[3];
    size_t held = 0, count = 0;
    if (c >= HANGUL && c < HANGUL + LEADINGS * VOWELS * TRAILINGS) return strip_hangul(c, out);
    for (pair p; ferry_unicode_class(c) & (FERRY_UNICODE_DECOMPOSES | FERRY_UNICODE_MARK) &&
                 held < 4 && split_pair(c, &p);
         c = p.first)
        if (p.second != 0) seconds[held++] = p.second;
    /* No pair, but another name of something. */
    if (ferry_unicode_class(c) & FERRY_UNICODE_DECOMPOSES && ferry_unicode_strip(c, strip) == 1)
        c = strip[0];
    out[count++] = c;
    while (held > 0 && count < 4) out[count++] = seconds[--held];
    return count;
}

uint32_t ferry_unicode_compose(uint32_t first, uint32_t second)
{
    if (first >= LEADING && first < LEADING + LEADINGS && second >= VOWEL &&
        second < VOWEL + VOWELS)
        return HANGUL + ((first - LEADING) * VOWELS + (second - VOWEL)) * TRAILINGS;
    if (first >= HANGUL && first < HANGUL + LEADINGS * VOWELS * TRAILINGS &&
        (first - HANGUL) % TRAILINGS == 0 && second > TRAILING && second < TRAILING + TRAILINGS)
        return first + (second - TRAILING);
    size_t low = 0, high = LENGTH(pair_order);
    while (low < high) {
        size_t middle = (low + high) / 2;
        pair p = pair_at(pair_order[middle]);
        if (p.first == first && p.second == second) return p.whole;
        if (p.first < first || (p.first == first && p.second < second))
            low = middle + 1;
        else
            high = middle;
    }
    return 0;
}
