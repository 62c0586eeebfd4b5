/* Unicode's canonical composition (NFC), as Hugging Face `tokenizers` does it. */
#ifndef FERRY_INPUT_NFC_H
#define FERRY_INPUT_NFC_H

#include "base/memory.h"
#include "ferry/ferry.h"

/* Whether NFC could change text, valid UTF-8: most texts need not be looked at twice. */
bool ferry_nfc_concerns(const char *text, size_t size);

/* The code points of its NFC into codes [*count], whose content is dropped. false without memory.
 */
bool ferry_nfc(const char *text, size_t size, ferry_buffer *codes, const uint32_t **out,
               size_t *count);

#endif
