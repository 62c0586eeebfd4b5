#include "input/unigram.h"

#include <string.h>

#include "base/error.h"
#include "base/utf8.h"
#include "input/unicode.h"

static const char mark[] = "\xE2\x96\x81"; /* U+2581, in the place of a space */
enum { MARK_SIZE = sizeof mark - 1 };

/* Bytes of the character that begins at text, at most size: by its first byte, as a normalisation
 * map from outside may hold anything. */
static size_t character(const char *text, size_t size)
{
    unsigned char first = (unsigned char)text[0];
    size_t length = first < 0xC0 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    return length < size ? length : size;
}

/* ---- words ---- */

/* Refills pending with what the next characters of the text become; false at its end. */
static bool refill(ferry_unigram_words *words)
{
    while (words->pending_size == 0) {
        if (words->offset == words->size) return false;
        const char *text = words->text + words->offset;
        size_t size = words->size - words->offset;
        size_t length = ferry_charsmap_longest(&words->model->map, text, size, &words->pending,
                                               &words->pending_size);
        if (length == 0) {
            length = words->pending_size = character(text, size);
            words->pending = text;
        }
        words->offset += length;
    }
    return true;
}

static bool is_space(const ferry_unigram *model, const char *text, size_t size)
{
    size_t at = 0;
    if (text[0] > ' ' && (unsigned char)text[0] < 0x80) return false; /* most, soon */
    if (text[0] == ' ') return true;
    return model->splits_any_space &&
           ferry_unicode_class(ferry_utf8_next(text, size, &at, NULL)) & FERRY_UNICODE_SPACE;
}

ferry_status ferry_unigram_next(ferry_unigram_words *words, ferry_buffer *word, bool *found,
                                ferry_error *error)
{
    word->size = 0;
    bool spaced = words->spaced;
    words->spaced = false;
    while (refill(words)) {
        const char *text = words->pending;
        size_t length = character(text, words->pending_size);
        bool space = is_space(words->model, text, length);
        bool marked = length == MARK_SIZE && memcmp(text, mark, MARK_SIZE) == 0;
        if (word->size > 0 && marked) break; /* the next word's */
        if (spaced && marked) {
            if (!ferry_buffer_append(word, mark, MARK_SIZE))
                return ferry_fail_memory(error, "a word");
            break;
        }
        words->pending += length;
        words->pending_size -= length;
        if (word->size > 0 && space) {
            words->spaced = !words->model->splits_any_space;
            break;
        }
        if (space) continue;
        bool fits = word->size > 0 || ferry_buffer_append(word, mark, MARK_SIZE);
        if (fits && !marked) fits = ferry_buffer_append(word, text, length);
        if (!fits) return ferry_fail_memory(error, "a word");
    }
    *found = word->size > 0;
    return FERRY_OK;
}

/* ---- pieces ---- */

static void take(ferry_unigram_step *step, double score, size_t start, int32_t id)
{
    if (step->id >= 0 && score <= step->score) return;
    *step = (ferry_unigram_step){score, start, id};
}

/* The best way to each place that a piece from `start` on ends at. */
static void extend(const ferry_unigram *model, const ferry_trie *pieces, const char *word,
                   size_t size, size_t start, ferry_unigram_step *steps)
{
    const ferry_trie_node *nodes = ferry_trie_nodes(pieces);
    double score = steps[start].score;
    size_t next = start + character(word + start, size - start);
    bool whole = false; /* the character alone is a piece */
    uint32_t base = pieces->root;
    for (size_t at = start; at < size;) {
        unsigned byte = (unsigned char)word[at];
        ferry_trie_node node = nodes[base ^ byte];
        if ((node.base_and_label & 0xFF) != byte) break;
        base = node.base_and_label >> 8;
        at++;
        if (node.value < 0) continue;
        take(&steps[at], score + model->scores[node.value], start, node.value);
        whole = whole || at == next;
    }
    if (!whole) take(&steps[next], score + model->unknown_score, start, model->unknown);
}

ferry_status ferry_unigram_encode(const ferry_unigram *model, const ferry_trie *pieces,
                                  const char *word, size_t size, ferry_buffer *scratch,
                                  int32_t *ids, size_t room, size_t *count, ferry_error *error)
{
    size_t bytes;
    scratch->size = 0;
    *count = 0;
    if (!ferry_size_multiply(size + 1, sizeof(ferry_unigram_step), &bytes) ||
        !ferry_buffer_reserve(scratch, bytes))
        return ferry_fail_memory(error, "a word");
    ferry_unigram_step *steps = (ferry_unigram_step *)(void *)scratch->data;
    for (size_t i = 0; i <= size; i++) steps[i].id = -1;
    steps[0].score = 0;
    for (size_t at = 0; at < size; at += character(word + at, size - at))
        extend(model, pieces, word, size, at, steps);

    /* Back along the best way, turning its links around, and forth again. */
    size_t next = size;
    for (size_t at = size; at > 0;) {
        size_t start = steps[at].start;
        steps[at].start = next; /* where the piece behind this one ends */
        next = at;
        at = start;
    }
    int32_t last = -1;
    for (size_t at = next; size > 0;) {
        int32_t id = steps[at].id;
        if (id != model->unknown || last != id) {
            if (*count < room) ids[*count] = id;
            (*count)++;
        }
        last = id;
        if (at == size) break;
        at = steps[at].start;
    }
    return FERRY_OK;
}
