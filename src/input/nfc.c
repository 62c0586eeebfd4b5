#include "input/nfc.h"

#include <string.h>

#include "base/utf8.h"
#include "input/unicode.h"

/* A code point in the making has its combining class in the upper byte. */
enum { CLASS_SHIFT = 24, CODE = (1 << CLASS_SHIFT) - 1 };

bool ferry_nfc_concerns(const char *text, size_t size)
{
    for (size_t at = 0; at < size;) {
        if ((unsigned char)text[at] < 0x80) {
            at++;
            continue;
        }
        if (ferry_unicode_class(ferry_utf8_next(text, size, &at, NULL)) & FERRY_UNICODE_UNSTABLE)
            return true;
    }
    return false;
}

static uint32_t *codes_of(const ferry_buffer *codes)
{
    return (uint32_t *)(void *)codes->data;
}

static bool decompose(const char *text, size_t size, ferry_buffer *codes)
{
    codes->size = 0;
    for (size_t at = 0; at < size;) {
        uint32_t parts[4];
        size_t count = ferry_unicode_decompose(ferry_utf8_next(text, size, &at, NULL), parts);
        for (size_t i = 0; i < count; i++)
            if (ferry_unicode_class(parts[i]) & FERRY_UNICODE_REORDERS)
                parts[i] |= (uint32_t)ferry_unicode_combining_class(parts[i]) << CLASS_SHIFT;
        if (!ferry_buffer_append(codes, parts, count * sizeof *parts)) return false;
    }
    return true;
}

/* Sorts a run of marks by class, equals in their order: one pass a class, of which there are few.
 * sorted [count] is scratch. */
static void sort_run(uint32_t *run, size_t count, uint32_t *sorted)
{
    bool in_order = true;
    for (size_t i = 1; in_order && i < count; i++)
        in_order = run[i - 1] >> CLASS_SHIFT <= run[i] >> CLASS_SHIFT;
    if (in_order) return;
    size_t written = 0;
    for (uint32_t wanted = 1; written < count;) {
        uint32_t next = UINT32_MAX;
        for (size_t i = 0; i < count; i++) {
            uint32_t order = run[i] >> CLASS_SHIFT;
            if (order == wanted)
                sorted[written++] = run[i];
            else if (order > wanted && order < next)
                next = order;
        }
        wanted = next;
    }
    memcpy(run, sorted, count * sizeof *run);
}

static void reorder(uint32_t *codes, size_t count, uint32_t *scratch)
{
    for (size_t start = 0; start < count; start++) {
        size_t stop = start;
        while (stop < count && codes[stop] >> CLASS_SHIFT != 0) stop++;
        if (stop > start) sort_run(codes + start, stop - start, scratch);
        start = stop;
    }
}

/* Makes one of a starter and what follows it, where nothing stands between them that would hinder.
 * Returns how many are left. */
static size_t compose(uint32_t *codes, size_t count)
{
    size_t kept = 0, starter = SIZE_MAX;
    uint32_t last = 0; /* class of what was kept last behind the starter; 0: nothing was */
    for (size_t i = 0; i < count; i++) {
        uint32_t order = codes[i] >> CLASS_SHIFT, c = codes[i] & CODE;
        if (starter != SIZE_MAX && (last == 0 || last < order)) {
            uint32_t whole = ferry_unicode_compose(codes[starter], c);
            if (whole != 0) {
                codes[starter] = whole;
                continue;
            }
        }
        if (order == 0) starter = kept;
        last = order;
        codes[kept++] = c;
    }
    return kept;
}

bool ferry_nfc(const char *text, size_t size, ferry_buffer *codes, const uint32_t **out,
               size_t *count)
{
    if (!decompose(text, size, codes)) return false;
    size_t length = codes->size / sizeof(uint32_t);
    if (!ferry_buffer_reserve(codes, codes->size)) return false; /* the same again, to sort in */
    reorder(codes_of(codes), length, codes_of(codes) + length);
    *out = codes_of(codes);
    *count = compose(codes_of(codes), length);
    return true;
}
