/*
 * What BERT's normalizer asks of Unicode, as Hugging Face `tokenizers` answers it. The tables come
 * from make_unicode_tables.py, which says why no published ones would do.
 */
#ifndef FERRY_INPUT_UNICODE_H
#define FERRY_INPUT_UNICODE_H

#include "ferry/ferry.h"

enum {
    FERRY_UNICODE_CONTROL = 1,     /* dropped by clean_text: Cc, Cf, Co, but not \t \n \r */
    FERRY_UNICODE_SPACE = 2,       /* White_Space; \v \f U+0085 are CONTROL too */
    FERRY_UNICODE_PUNCTUATION = 4, /* stands alone as a word */
    FERRY_UNICODE_UPPER = 8,       /* changes in lower case */
    FERRY_UNICODE_DECOMPOSES = 16, /* NFD without marks is other, but not empty */
    FERRY_UNICODE_MARK = 32,       /* NFD without marks is empty */
    FERRY_UNICODE_REORDERS = 64,   /* combining class above 0 */
    FERRY_UNICODE_WORD = 128       /* \w of a regular expression */
};

/* Flags of the above; c <= 0x10FFFF. */
unsigned ferry_unicode_class(uint32_t c);
bool ferry_unicode_is_chinese(uint32_t c);
/* For UPPER: one or two code points. */
size_t ferry_unicode_lower(uint32_t c, uint32_t out[2]);
/* For DECOMPOSES: what NFD leaves without its marks, one to three code points. */
size_t ferry_unicode_strip(uint32_t c, uint32_t out[3]);
/* For REORDERS without MARK: the canonical combining class, 1…254. */
unsigned ferry_unicode_combining_class(uint32_t c);

#endif
