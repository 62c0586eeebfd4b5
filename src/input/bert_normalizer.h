/*
 * BertNormalizer and BertPreTokenizer of Hugging Face `tokenizers` in one pass: text in, words out.
 *
 * In the originals' order: clean_text drops control characters and U+FFFD, handle_chinese_chars
 * sets ideographs apart, strip_accents decomposes (NFD) and drops marks, lowercase goes letter by
 * letter; then white space parts words, and each punctuation character is a word of its own.
 */
#ifndef FERRY_INPUT_BERT_NORMALIZER_H
#define FERRY_INPUT_BERT_NORMALIZER_H

#include "base/memory.h"
#include "ferry/ferry.h"

typedef struct ferry_bert_normalizer {
    bool clean_text, handle_chinese_chars, strip_accents, lowercase;
    uint8_t actions[256]; /* per byte; made by _init from the flags above */
} ferry_bert_normalizer;

void ferry_bert_normalizer_init(ferry_bert_normalizer *normalizer);

/* Code points in the making. A run of them with combining classes above 0 is sorted once over. */
typedef struct ferry_bert_sequence {
    char *data; /* UTF-8; room for twice size, the second half being where runs are sorted */
    size_t size;
    size_t run;    /* where the run begins, <= size */
    unsigned last; /* class of the last of the run */
    bool unsorted;
} ferry_bert_sequence;

typedef struct ferry_bert_words {
    const ferry_bert_normalizer *normalizer;
    const char *text; /* UTF-8, [size] */
    size_t size, offset;
    size_t max_chars; /* of a word that is kept */
    ferry_bert_sequence word;
    size_t
        chars; /* in the word; past max_chars it counts no further and the word is not all there */
} ferry_bert_words;

/* Bytes that a word buffer needs for words of up to max_chars (< SIZE_MAX / 8 - 1) code points. */
static inline size_t ferry_bert_word_capacity(size_t max_chars)
{
    return 8 * (max_chars + 1);
}

/* word: [ferry_bert_word_capacity(max_chars)] bytes. */
ferry_bert_words ferry_bert_words_of(const ferry_bert_normalizer *normalizer, const char *text,
                                     size_t size, char *word, size_t max_chars);
/* The next word into words->word; false at the end. */
bool ferry_bert_words_next(ferry_bert_words *words);

/* The normalised text, white space as it comes out, appended to out. false without memory. */
bool ferry_bert_normalize(const ferry_bert_normalizer *normalizer, const char *text, size_t size,
                          ferry_buffer *out);

#endif
