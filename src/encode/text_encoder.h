/* Text in, embedding out: prompt, tokenizer, transformer, pooling, normalisation, centring. */
#ifndef FERRY_ENCODE_TEXT_ENCODER_H
#define FERRY_ENCODE_TEXT_ENCODER_H

#include "encode/centers.h"
#include "encode/transformer.h"
#include "input/tokenizer.h"

typedef struct ferry_text_encoder {
    ferry_tokenizer *tokenizer;
    ferry_pool *pool; /* NULL: one thread */
    ferry_transformer transformer;
    ferry_text prompt;     /* before each text */
    ferry_buffer prompted; /* the two together */
    ferry_centers centers;
    int32_t *ids;   /* [workspace.rows + max_tokens] of the texts in one pass, and one more text */
    size_t *starts; /* [workspace.rows + 1] where each text begins in ids */
} ferry_text_encoder;

/* Borrows model.safetensors; the rest is in the arena, but the tokenizer, the threads and the
 * prompted text, which close frees, also after open has failed. */
ferry_status ferry_text_encoder_open(ferry_files files, const ferry_kernels *kernels,
                                     const ferry_encoder_options *options, ferry_arena *arena,
                                     ferry_text_encoder *out, ferry_error *error);
void ferry_text_encoder_close(ferry_text_encoder *encoder);

/* See ferry_encoder_tokenize. ids [max_tokens] */
ferry_status ferry_text_encoder_tokenize(ferry_text_encoder *encoder, ferry_text text, int32_t *ids,
                                         size_t *count, ferry_error *error);

/* See ferry_encoder_encode. out [count, hidden] */
ferry_status ferry_text_encoder_encode(ferry_text_encoder *encoder, const ferry_text *texts,
                                       size_t count, float *out, ferry_progress progress,
                                       void *progress_user, ferry_error *error);

#endif
