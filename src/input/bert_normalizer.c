#include "input/bert_normalizer.h"

#include <string.h>

#include "base/utf8.h"
#include "input/unicode.h"

/*
 * What a byte asks for. PLAIN belongs to the word as it is; with TO_LOWER too, which is also the
 * bit that makes an ASCII letter small. Everything else ends the fast loop.
 */
enum { PLAIN = 0, TO_LOWER = 0x20, SPACE = 1, PUNCTUATION = 2, DROPPED = 3, WIDE = 4 };

void ferry_bert_normalizer_init(ferry_bert_normalizer *normalizer)
{
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t action = PLAIN;
        unsigned flags = byte < 0x80 ? ferry_unicode_class(byte) : 0;
        if (byte >= 0x80)
            action = WIDE;
        else if (normalizer->clean_text && (byte == 0 || flags & FERRY_UNICODE_CONTROL))
            action = DROPPED;
        else if (flags & FERRY_UNICODE_SPACE)
            action = SPACE;
        else if (flags & FERRY_UNICODE_PUNCTUATION)
            action = PUNCTUATION;
        else if (normalizer->lowercase && flags & FERRY_UNICODE_UPPER)
            action = TO_LOWER;
        normalizer->actions[byte] = action;
    }
}

/* ---- canonical order ---- */

/*
 * Ends a run. Few classes survive the dropping of marks, so one pass a class, smallest first,
 * sorts it and keeps equals in their order.
 */
static void settle(ferry_bert_sequence *sequence)
{
    if (sequence->unsorted) {
        char *sorted = sequence->data + sequence->size;
        size_t length = sequence->size - sequence->run, written = 0;
        for (unsigned wanted = 1; written < length;) {
            unsigned next = 256;
            for (size_t at = sequence->run; at < sequence->size;) {
                size_t start = at;
                uint32_t c = ferry_utf8_next(sequence->data, sequence->size, &at, NULL);
                unsigned order = ferry_unicode_combining_class(c);
                if (order == wanted) {
                    memcpy(sorted + written, sequence->data + start, at - start);
                    written += at - start;
                } else if (order > wanted && order < next) {
                    next = order;
                }
            }
            wanted = next;
        }
        memcpy(sequence->data + sequence->run, sorted, length);
    }
    sequence->unsorted = false;
    sequence->last = 0;
    sequence->run = sequence->size;
}

static void put(ferry_bert_sequence *sequence, uint32_t c, unsigned order)
{
    if (order == 0) settle(sequence);
    if (order < sequence->last) sequence->unsorted = true;
    sequence->last = order;
    sequence->size += ferry_utf8_put(c, sequence->data + sequence->size);
    if (order == 0) sequence->run = sequence->size;
}

/* ---- one code point ---- */

enum { MAX_EXPANSION = 6 }; /* three by decomposition, each perhaps two in lower case */

typedef struct expansion {
    uint32_t chars[MAX_EXPANSION];
    uint8_t orders[MAX_EXPANSION]; /* combining classes */
    size_t count;                  /* 0: dropped */
    unsigned flags;                /* of the first char */
    bool ends_run;                 /* dropped, but marks before and after it keep their sides */
} expansion;

static void expand_part(const ferry_bert_normalizer *normalizer, uint32_t c, unsigned flags,
                        expansion *out)
{
    bool sorts = normalizer->strip_accents && flags & FERRY_UNICODE_REORDERS;
    out->orders[out->count] = sorts ? (uint8_t)ferry_unicode_combining_class(c) : 0;
    if (!normalizer->lowercase || !(flags & FERRY_UNICODE_UPPER)) {
        out->chars[out->count++] = c;
        return;
    }
    size_t count = ferry_unicode_lower(c, out->chars + out->count);
    if (count == 2) out->orders[out->count + 1] = 0;
    out->count += count;
}

/* What becomes of c, whose flags are given, but for being set apart. */
static void expand(const ferry_bert_normalizer *normalizer, uint32_t c, unsigned flags,
                   expansion *out)
{
    out->count = 0;
    out->flags = flags;
    out->ends_run = false;
    if (normalizer->clean_text && (c == 0 || c == 0xFFFD || flags & FERRY_UNICODE_CONTROL)) return;
    if (normalizer->strip_accents && flags & FERRY_UNICODE_MARK) {
        out->ends_run = !(flags & FERRY_UNICODE_REORDERS);
        return;
    }
    if (!normalizer->strip_accents || !(flags & FERRY_UNICODE_DECOMPOSES)) {
        expand_part(normalizer, c, flags, out);
        return;
    }
    uint32_t parts[3];
    size_t count = ferry_unicode_strip(c, parts);
    out->flags = ferry_unicode_class(parts[0]);
    for (size_t i = 0; i < count; i++)
        expand_part(normalizer, parts[i], i == 0 ? out->flags : ferry_unicode_class(parts[i]), out);
}

/* ---- words ---- */

ferry_bert_words ferry_bert_words_of(const ferry_bert_normalizer *normalizer, const char *text,
                                     size_t size, char *word, size_t max_chars)
{
    return (ferry_bert_words){.normalizer = normalizer,
                              .text = text,
                              .size = size,
                              .max_chars = max_chars,
                              .word = {.data = word}};
}

/* The run of ordinary ASCII at the cursor. */
static void take_plain(ferry_bert_words *words)
{
    const uint8_t *actions = words->normalizer->actions;
    const unsigned char *text = (const unsigned char *)words->text;
    size_t at = words->offset, room = words->max_chars - words->chars;
    size_t end = words->size - at < room ? words->size : at + room;
    if (at == end || actions[text[at]] & ~(unsigned)TO_LOWER) return; /* a run may go on */
    settle(&words->word);
    unsigned char *out = (unsigned char *)words->word.data + words->word.size;
    for (; at < end; at++) {
        unsigned action = actions[text[at]];
        if (action & ~(unsigned)TO_LOWER) break;
        *out++ = (unsigned char)(text[at] | action);
    }
    words->chars += at - words->offset;
    words->word.size += at - words->offset;
    words->word.run = words->word.size;
    words->offset = at;
}

/* Puts an expansion into the word, unless that is full. */
static void take_expansion(ferry_bert_words *words, const expansion *parts)
{
    for (size_t i = 0; i < parts->count; i++) {
        if (words->chars > words->max_chars) return;
        if (words->chars++ < words->max_chars) put(&words->word, parts->chars[i], parts->orders[i]);
    }
}

typedef enum step { STEP_ON, STEP_WORD_DONE } step;

/*
 * The code point at the cursor, whatever it is. It stays there if it must open the next word, as
 * what stands alone does while a word is in the making.
 */
static step take_any(ferry_bert_words *words)
{
    const ferry_bert_normalizer *normalizer = words->normalizer;
    size_t next = words->offset;
    uint32_t c = ferry_utf8_next(words->text, words->size, &next, NULL);
    unsigned flags = ferry_unicode_class(c);
    expansion parts;
    expand(normalizer, c, flags, &parts);
    if (parts.count == 0) {
        if (parts.ends_run) settle(&words->word);
        words->offset = next;
        return STEP_ON;
    }
    if (parts.flags & FERRY_UNICODE_SPACE) {
        words->offset = next;
        return words->chars > 0 ? STEP_WORD_DONE : STEP_ON;
    }
    bool alone = parts.flags & FERRY_UNICODE_PUNCTUATION ||
                 (normalizer->handle_chinese_chars && ferry_unicode_is_chinese(c));
    if (alone && words->chars > 0) return STEP_WORD_DONE;
    words->offset = next;
    take_expansion(words, &parts);
    return alone ? STEP_WORD_DONE : STEP_ON;
}

/* The ASCII that ended a plain run, which take_any would do as well, but slower. */
static step take_ascii(ferry_bert_words *words, unsigned action)
{
    if (action == PUNCTUATION) {
        if (words->chars > 0) return STEP_WORD_DONE;
        words->word.data[words->word.size++] = words->text[words->offset];
        words->chars = 1;
    }
    words->offset++;
    return action == PUNCTUATION || (action == SPACE && words->chars > 0) ? STEP_WORD_DONE
                                                                          : STEP_ON;
}

bool ferry_bert_words_next(ferry_bert_words *words)
{
    const uint8_t *actions = words->normalizer->actions;
    words->chars = 0;
    words->word.size = words->word.run = 0;
    words->word.last = 0;
    while (words->offset < words->size) {
        if (words->chars <= words->max_chars) take_plain(words);
        if (words->offset == words->size) break;
        unsigned action = actions[(unsigned char)words->text[words->offset]];
        bool ascii = action == SPACE || action == PUNCTUATION || action == DROPPED;
        if ((ascii ? take_ascii(words, action) : take_any(words)) == STEP_WORD_DONE) break;
    }
    settle(&words->word);
    return words->chars > 0;
}

/* ---- normalised text ---- */

bool ferry_bert_normalize(const ferry_bert_normalizer *normalizer, const char *text, size_t size,
                          ferry_buffer *out)
{
    /* Positions are kept relative: the buffer may move. */
    ferry_bert_sequence sequence = {.data = out->data, .size = out->size, .run = out->size};
    for (size_t at = 0; at < size;) {
        uint32_t c = ferry_utf8_next(text, size, &at, NULL);
        unsigned flags = ferry_unicode_class(c);
        expansion parts;
        expand(normalizer, c, flags, &parts);
        bool cleaned = normalizer->clean_text && flags & FERRY_UNICODE_SPACE;
        bool apart = normalizer->handle_chinese_chars && ferry_unicode_is_chinese(c);
        size_t need = 8 * (MAX_EXPANSION + 2), run = sequence.size - sequence.run;
        out->size = sequence.size;
        if (!ferry_buffer_reserve(out, need + run)) return false;
        sequence.data = out->data;
        if (parts.count == 0 && parts.ends_run) settle(&sequence);
        if (parts.count > 0 && cleaned) parts = (expansion){.chars = {' '}, .count = 1};
        if (apart) put(&sequence, ' ', 0);
        for (size_t i = 0; i < parts.count; i++) put(&sequence, parts.chars[i], parts.orders[i]);
        if (apart) put(&sequence, ' ', 0);
    }
    out->size = sequence.size;
    if (sequence.unsorted) {
        if (!ferry_buffer_reserve(out, sequence.size - sequence.run)) return false;
        sequence.data = out->data;
    }
    settle(&sequence);
    return true;
}
