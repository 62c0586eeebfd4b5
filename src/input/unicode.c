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

/* ---- decomposition and composition ---- */

enum { HANGUL = 0xAC00, LEADING = 0x1100, VOWEL = 0x1161, TRAILING = 0x11A7 };
enum { LEADINGS = 19, VOWELS = 21, TRAILINGS = 28 /* none being one */ };

/* The entry of c, `width` numbers of which it is the first, in a sorted table of 16 bits each or,
 * if that is NULL, of 32; `count` if there is none. */
static size_t find(const uint16_t *narrow, const uint32_t *wide, size_t count, size_t width,
                   uint32_t c)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if ((narrow != NULL ? narrow[middle * width] : wide[middle * width]) < c)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == count) return count;
    return (narrow != NULL ? narrow[low * width] : wide[low * width]) == c ? low : count;
}

/* What c is made of. */
static bool split_pair(uint32_t c, uint32_t *first, uint32_t *second)
{
    size_t at, near = LENGTH(pair_near) / 3, far = LENGTH(pair_far) / 3;
    size_t apart = LENGTH(pair_apart) / 3;
    if ((at = find(pair_near, NULL, near, 3, c)) < near) {
        *first = pair_near[at * 3 + 1];
        *second = pair_near[at * 3 + 2];
        return true;
    }
    const uint32_t *table = pair_far;
    if ((at = find(NULL, pair_far, far, 3, c)) == far) {
        table = pair_apart;
        if ((at = find(NULL, pair_apart, apart, 3, c)) == apart) return false;
    }
    *first = table[at * 3 + 1];
    *second = table[at * 3 + 2];
    return true;
}

/* What c is another name of, or c. */
static uint32_t real_name(uint32_t c)
{
    size_t at, near = LENGTH(name_near) / 2, far = LENGTH(name_far) / 2;
    if ((at = find(name_near, NULL, near, 2, c)) < near) return name_near[at * 2 + 1];
    if ((at = find(NULL, name_far, far, 2, c)) < far) return name_far[at * 2 + 1];
    return c;
}

/* The Unicode standard's section 3.12. */
static size_t split_hangul(uint32_t c, uint32_t out[3])
{
    uint32_t index = c - HANGUL, trailing = index % TRAILINGS;
    out[0] = LEADING + index / (VOWELS * TRAILINGS);
    out[1] = VOWEL + index % (VOWELS * TRAILINGS) / TRAILINGS;
    out[2] = TRAILING + trailing;
    return trailing == 0 ? 2 : 3;
}

size_t ferry_unicode_decompose(uint32_t c, uint32_t out[4])
{
    uint32_t seconds[3];
    size_t held = 0, count = 0;
    if (c >= HANGUL && c < HANGUL + LEADINGS * VOWELS * TRAILINGS) return split_hangul(c, out);
    while (held < 3 && ferry_unicode_class(c) & (FERRY_UNICODE_DECOMPOSES | FERRY_UNICODE_MARK)) {
        uint32_t first;
        if (!split_pair(c, &first, &seconds[held])) break;
        c = first;
        held++;
    }
    out[count++] = real_name(c);
    while (held > 0) out[count++] = seconds[--held];
    return count;
}

size_t ferry_unicode_strip(uint32_t c, uint32_t out[3])
{
    uint32_t parts[4];
    size_t count = ferry_unicode_decompose(c, parts), kept = 0;
    for (size_t i = 0; i < count && kept < 3; i++)
        if (!(ferry_unicode_class(parts[i]) & FERRY_UNICODE_MARK)) out[kept++] = parts[i];
    return kept;
}

uint32_t ferry_unicode_compose(uint32_t first, uint32_t second)
{
    if (first >= LEADING && first < LEADING + LEADINGS && second >= VOWEL &&
        second < VOWEL + VOWELS)
        return HANGUL + ((first - LEADING) * VOWELS + (second - VOWEL)) * TRAILINGS;
    if (first >= HANGUL && first < HANGUL + LEADINGS * VOWELS * TRAILINGS &&
        (first - HANGUL) % TRAILINGS == 0 && second > TRAILING && second < TRAILING + TRAILINGS)
        return first + (second - TRAILING);
    if (!(ferry_unicode_class(second) & FERRY_UNICODE_UNSTABLE)) return 0;
    for (size_t i = 0; i < LENGTH(pair_near); i += 3)
        if (pair_near[i + 2] == second && pair_near[i + 1] == first) return pair_near[i];
    for (size_t i = 0; i < LENGTH(pair_far); i += 3)
        if (pair_far[i + 2] == second && pair_far[i + 1] == first) return pair_far[i];
    return 0;
}
