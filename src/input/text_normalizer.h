/*
 * What tokenizers of CLIP's and SigLIP's kind do to a text before they split it, each if asked for:
 * NFC, then lower case, then some ASCII characters left out, then each run of white space made one
 * space, then white space off both ends; identical to Hugging Face `tokenizers`' NFC, Lowercase,
 * Replace and Strip.
 */
#ifndef FERRY_INPUT_TEXT_NORMALIZER_H
#define FERRY_INPUT_TEXT_NORMALIZER_H

#include "base/memory.h"
#include "ferry/ferry.h"

typedef struct ferry_text_normalizer {
    bool nfc, lowercase;
    bool drops; /* those whose `dropped` is set */
    bool dropped[128];
    bool folds_spaces, strips;
} ferry_text_normalizer;

/* Whether it changes nothing. */
bool ferry_text_normalizer_is_plain(const ferry_text_normalizer *normalizer);

/* Appends what becomes of text, valid UTF-8; codes is scratch. false without memory. */
bool ferry_text_normalize(const ferry_text_normalizer *normalizer, const char *text, size_t size,
                          ferry_buffer *codes, ferry_buffer *out);

#endif
