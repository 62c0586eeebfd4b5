/* A BERT encoder: embeddings, then L blocks of attention and feed-forward, post-norm. */
#ifndef FERRY_ENCODE_TRANSFORMER_H
#define FERRY_ENCODE_TRANSFORMER_H

#include "base/memory.h"
#include "base/pool.h"
#include "encode/layer.h"
#include "encode/text_config.h"
#include "input/safetensors.h"
#include "math/kernels.h"

typedef struct ferry_embedding { /* [rows, hidden], one of the three */
    const float *f32;
    const int8_t *int8;
    const float *scale;          /* [rows] of int8 */
    const uint8_t *int4;         /* [rows, hidden / 2], as math/int4.h has them */
    const unsigned char *halves; /* [rows, hidden / 32] scales of int4, 2 bytes each */
} ferry_embedding;

typedef struct ferry_norm {
    const float *weight, *bias; /* [hidden] */
} ferry_norm;

typedef struct ferry_block {
    ferry_layer query_key_value; /* hidden -> 3 * hidden, the three one behind another */
    ferry_layer attention_output;
    ferry_norm attention_norm;
    ferry_layer intermediate; /* hidden -> intermediate */
    ferry_layer output;       /* intermediate -> hidden */
    ferry_norm output_norm;
} ferry_block;

/* Rows that a thread takes through a layer at a time. Few, so that what lies between the products
 * stays in the second-level cache; f32 weights are four times as large as int8 ones, and want to be
 * read for more rows at once. Measured: SPEED.md. */
enum { FERRY_BLOCK_ROWS_INT8 = 48, FERRY_BLOCK_ROWS_F32 = 128 };

/* What one thread needs while it works on a block of rows, or on the attention of one text. */
typedef struct ferry_scratch {
    float *update;        /* [block, hidden] what a sublayer adds to x */
    float *intermediate;  /* [block, intermediate] */
    ferry_int8_rows int8; /* [block, the widest K] a linear layer's input; NULLs in f32 */
    float *attention;     /* the room of one head's */
} ferry_scratch;

/* Activations of one pass; rows is the most tokens a pass takes. */
typedef struct ferry_workspace {
    size_t rows;
    size_t block;           /* FERRY_BLOCK_ROWS_… of the precision */
    float *x;               /* [rows, hidden] the residual stream, and the result */
    float *query_key_value; /* [rows, 3 * hidden] as heads says */
    ferry_columns heads;
    float *context;         /* [rows, hidden] what attention mixed */
    ferry_scratch *scratch; /* [threads of the pool] */
} ferry_workspace;

typedef struct ferry_transformer {
    ferry_text_config config;
    const ferry_kernels *kernels;
    ferry_pool *pool;                   /* borrowed; NULL: one thread */
    ferry_precision precision;          /* F32 or INT8 */
    ferry_embedding word_embeddings;    /* [V, hidden] */
    const float *position_embeddings;   /* [positions, hidden] */
    const float *token_type_embeddings; /* [token_types, hidden]; a text has type 0 */
    ferry_norm embedding_norm;
    ferry_block *block; /* [L] */
    ferry_workspace workspace;
} ferry_transformer;

/*
 * Weights by their names in transformers' BertModel, with or without the prefix "bert.", or those
 * of a file written by ferry_quantize, or 4-bit ones: "<name>" U8 [N, K / 2] with
 * "<name>_scale" F16 [N, K / 32]. Those of words stay 4-bit; matrices become int8 or f32.
 * Embeddings and biases stay views into the file where it holds aligned F32 (or I8); matrices are
 * packed into the arena, or with overwrite, where those lay that have been packed, if it suffices.
 * rows >= config.max_tokens sizes the workspace. Borrows the pool, which may be NULL.
 */
ferry_status ferry_transformer_load(const ferry_file *weights, const ferry_text_config *config,
                                    const ferry_kernels *kernels, ferry_precision precision,
                                    bool overwrite, size_t rows, ferry_pool *pool,
                                    ferry_arena *arena, ferry_transformer *out, ferry_error *error);

/*
 * Encodes several texts lying one behind another, without padding: text i has the tokens
 * ids[starts[i]] … ids[starts[i + 1] - 1]; starts [texts + 1], starts[texts] <= rows, every text
 * has 1…max_tokens tokens, every id is below V. The last hidden states are then in workspace.x
 * [starts[texts], hidden]. Rows depend only on their own text, and every number is summed by one
 * thread in a fixed order, so neither packing nor the number of threads changes a bit.
 */
void ferry_transformer_forward(ferry_transformer *transformer, const int32_t *ids,
                               const size_t *starts, size_t texts);

#endif
