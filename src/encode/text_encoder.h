/* Text in, embedding out: prompt, tokenizer, a BERT with pooling and normalisation or a model's
 * text tower, centring. */
#ifndef FERRY_ENCODE_TEXT_ENCODER_H
#define FERRY_ENCODE_TEXT_ENCODER_H

#include "encode/centers.h"
#include "encode/text_tower.h"
#include "encode/transformer.h"
#include "input/tokenizer.h"

typedef struct ferry_text_encoder {
    ferry_tokenizer *tokenizer;
    const ferry_kernels *kernels;
    size_t dimension;
    size_t max_tokens; /* of a text */
    size_t rows;       /* tokens of a pass, >= max_tokens */
    bool towered;      /* which of the two it is */
    ferry_transformer transformer;
    ferry_text_tower tower;
    ferry_text prompt;     /* before each text */
    ferry_buffer prompted; /* the two together */
    ferry_centers centers;
    int32_t *ids;   /* [rows + max_tokens] of the texts in one pass, and one more text */
    size_t *starts; /* [rows + 1] where each text begins in ids */
} ferry_text_encoder;

/* Borrows model.safetensors and the pool (NULL: one thread); the rest is in the arena, but the
 * tokenizer and the prompted text, which close frees, also after open has failed. */
ferry_status ferry_text_encoder_open(ferry_files files, const ferry_kernels *kernels,
                                     const ferry_encoder_options *options, ferry_pool *pool,
                                     ferry_arena *arena, ferry_text_encoder *out,
                                     ferry_error *error);
void ferry_text_encoder_close(ferry_text_encoder *encoder);

/* See ferry_encoder_tokenize. ids [max_tokens] */
ferry_status ferry_text_encoder_tokenize(ferry_text_encoder *encoder, ferry_text text, int32_t *ids,
                                         size_t *count, ferry_error *error);

/* See ferry_encoder_encode. out [count, dimension] */
ferry_status ferry_text_encoder_encode(ferry_text_encoder *encoder, const ferry_text *texts,
                                       size_t count, float *out, ferry_progress progress,
                                       void *progress_user, ferry_error *error);

#endif
