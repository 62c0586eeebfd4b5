#include "input/text_normalizer.h"

#include "base/utf8.h"
#include "input/nfc.h"
#include "input/unicode.h"

bool ferry_text_normalizer_is_plain(const ferry_text_normalizer *normalizer)
{
    return !normalizer->nfc && !normalizer->lowercase && !normalizer->drops &&
           !normalizer->folds_spaces && !normalizer->strips;
}

/* The text so far, and where in it one is. */
typedef struct writer {
    const ferry_text_normalizer *normalizer;
    ferry_buffer *out;
    size_t start; /* of what this call wrote */
    size_t solid; /* where the last of it that is no space ends */
    bool spaced;  /* the last one was a space */
} writer;

static bool put(writer *to, uint32_t c)
{
    const ferry_text_normalizer *n = to->normalizer;
    char code[4];
    if (n->drops && c < 0x80 && n->dropped[c]) return true;
    bool space = ferry_unicode_class(c) & FERRY_UNICODE_SPACE;
    if (space && n->folds_spaces && to->spaced) return true;
    to->spaced = space;
    if (space && n->strips && to->out->size == to->start) return true;
    if (space && n->folds_spaces) c = ' ';
    if (!ferry_buffer_append(to->out, code, ferry_utf8_put(c, code))) return false;
    if (!space) to->solid = to->out->size;
    return true;
}

static bool take(writer *to, uint32_t c)
{
    uint32_t lower[2];
    if (!to->normalizer->lowercase || !(ferry_unicode_class(c) & FERRY_UNICODE_UPPER))
        return put(to, c);
    size_t count = ferry_unicode_lower(c, lower);
    return put(to, lower[0]) && (count == 1 || put(to, lower[1]));
}

bool ferry_text_normalize(const ferry_text_normalizer *normalizer, const char *text, size_t size,
                          ferry_buffer *codes, ferry_buffer *out)
{
    if (ferry_text_normalizer_is_plain(normalizer)) return ferry_buffer_append(out, text, size);
    writer to = {.normalizer = normalizer, .out = out, .start = out->size, .solid = out->size};
    if (!ferry_buffer_reserve(out, size)) return false;
    if (normalizer->nfc && ferry_nfc_concerns(text, size)) {
        const uint32_t *composed;
        size_t count;
        if (!ferry_nfc(text, size, codes, &composed, &count)) return false;
        for (size_t i = 0; i < count; i++)
            if (!take(&to, composed[i])) return false;
    } else {
        for (size_t at = 0; at < size;)
            if (!take(&to, ferry_utf8_next(text, size, &at, NULL))) return false;
    }
    if (normalizer->strips) out->size = to.solid;
    return true;
}
