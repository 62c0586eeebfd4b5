/*
 * What normalizers and pre-tokenizers ask of Unicode, as Hugging Face `tokenizers` answers it. The
 * tables come from make_unicode_tables.py, which says why no published ones would do.
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
    FERRY_UNICODE_WORD = 128,      /* \w of a regular expression */
    FERRY_UNICODE_LETTER = 256,    /* \p{L} */
    FERRY_UNICODE_NUMBER = 512,    /* \p{N} */
    FERRY_UNICODE_UNSTABLE = 1024  /* NFC may change it, or what is before it */
};

/* Flags of the above; c <= 0x10FFFF. */
unsigned ferry_unicode_class(uint32_t c);
bool ferry_unicode_is_chinese(uint32_t c);
/* For UPPER: one or two code points. */
size_t ferry_unicode_lower(uint32_t c, uint32_t out[2]);
/* For DECOMPOSES: what NFD leaves without its marks, one to three code points. */
size_t ferry_unicode_strip(uint32_t c, uint32_t out[3]);
/* For REORDERS of what does not decompose: the canonical combining class, 1…254. */
unsigned ferry_unicode_combining_class(uint32_t c);

/* All that NFD makes of c, itself if it makes nothing of it: one to four code points. */
size_t ferry_unicode_decompose(uint32_t c, uint32_t out[4]);
/* The one code point that NFC makes of two, or 0. */
uint32_t ferry_unicode_compose(uint32_t first, uint32_t second);

#endif
