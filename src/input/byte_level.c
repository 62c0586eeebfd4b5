#include "input/byte_level.h"

#include <string.h>

#include "base/utf8.h"
#include "input/unicode.h"

enum { LETTER, NUMBER, SPACE, OTHER };

/* What the character at *at is; moves past it. */
static int kind_of(const char *text, size_t size, size_t *at)
{
    unsigned flags = ferry_unicode_class(ferry_utf8_next(text, size, at, NULL));
    return flags & FERRY_UNICODE_LETTER   ? LETTER
           : flags & FERRY_UNICODE_NUMBER ? NUMBER
           : flags & FERRY_UNICODE_SPACE  ? SPACE
                                          : OTHER;
}

/* Where the run of a kind that begins at `at` ends; `at` if there is none. */
static size_t run_end(int kind, const char *text, size_t size, size_t at)
{
    for (size_t next = at; next < size; at = next)
        if (kind_of(text, size, &next) != kind) break;
    return at;
}

/* Whether one of the texts stands at `at`; its end is then in *end. */
static bool literal(const char *const *texts, size_t count, const char *text, size_t size,
                    size_t at, size_t *end)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(texts[i]);
        if (length > size - at || memcmp(text + at, texts[i], length) != 0) continue;
        *end = at + length;
        return true;
    }
    return false;
}

static bool contraction(const char *text, size_t size, size_t at, size_t *end)
{
    static const char *const known[] = {"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"};
    return text[at] == '\'' && literal(known, sizeof known / sizeof *known, text, size, at, end);
}

static size_t next_clip(bool specials, const char *text, size_t size, size_t *at)
{
    static const char *const special[] = {"<|startoftext|>", "<|endoftext|>"};
    size_t start = run_end(SPACE, text, size, *at), next = start;
    *at = start;
    if (start == size) return size;
    if (specials && text[start] == '<' && literal(special, 2, text, size, start, at)) return start;
    if (contraction(text, size, start, at)) return start;
    int kind = kind_of(text, size, &next);
    *at = kind == NUMBER ? next : run_end(kind, text, size, start);
    return start;
}

static size_t next_gpt2(const char *text, size_t size, size_t *at)
{
    size_t start = *at, next = start;
    if (start == size || contraction(text, size, start, at)) return start;
    /* A space may belong to what follows it. */
    size_t body = text[start] == ' ' ? start + 1 : start;
    if (body < size) {
        next = body;
        int kind = kind_of(text, size, &next);
        if (kind != SPACE) {
            *at = run_end(kind, text, size, body);
            return start;
        }
    }
    /* White space up to the text's end, or but for its last character, unless that is all. */
    size_t end = start, last = start;
    for (next = start; next < size && kind_of(text, size, &next) == SPACE; end = next) last = end;
    *at = end == size || last == start ? end : last;
    return start;
}

size_t ferry_byte_split_next(ferry_byte_split split, const char *text, size_t size, size_t *at)
{
    size_t start = *at;
    switch (split) {
    case FERRY_BYTE_SPLIT_NONE: *at = size; break;
    case FERRY_BYTE_SPLIT_CLIP: return next_clip(false, text, size, at);
    case FERRY_BYTE_SPLIT_CLIP_SPECIAL: return next_clip(true, text, size, at);
    case FERRY_BYTE_SPLIT_GPT2: return next_gpt2(text, size, at);
    }
    return start;
}
