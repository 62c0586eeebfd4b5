/* Text without its case: what titles are compared by, and texts searched for. */
#ifndef FERRY_INPUT_FOLD_H
#define FERRY_INPUT_FOLD_H

#include "base/memory.h"

/* Appends the code point in lower case. false without memory. */
bool ferry_fold_append(ferry_buffer *out, uint32_t code_point);

/* Appends text (UTF-8) in lower case. squeeze: white space becomes one space between words and none
 * at the ends. false without memory. */
bool ferry_fold_text(ferry_buffer *out, const char *text, size_t size, bool squeeze);

#endif
