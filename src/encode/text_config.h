/*
 * What the JSON files of a Hugging Face text encoder say: config.json (the transformer),
 * sentence_bert_config.json and tokenizer_config.json (where a text is cut), modules.json and
 * 1_Pooling/config.json (pooling and normalisation), config_sentence_transformers.json (prompts).
 */
#ifndef FERRY_ENCODE_TEXT_CONFIG_H
#define FERRY_ENCODE_TEXT_CONFIG_H

#include "base/files.h"
#include "base/memory.h"

typedef enum ferry_activation {
    FERRY_ACTIVATION_GELU,
    FERRY_ACTIVATION_GELU_TANH,
    FERRY_ACTIVATION_RELU
} ferry_activation;

typedef enum ferry_pooling {
    FERRY_POOLING_MEAN,
    FERRY_POOLING_CLS,
    FERRY_POOLING_MAX,
    FERRY_POOLING_MEAN_SQRT_LENGTH
} ferry_pooling;

typedef struct ferry_text_config {
    size_t layers;       /* L */
    size_t hidden;       /* width of a token's vector, H * D */
    size_t heads;        /* H */
    size_t intermediate; /* width of the feed-forward layer */
    size_t vocabulary;   /* V */
    size_t positions;
    size_t token_types;
    float eps; /* of LayerNorm */
    ferry_activation activation;

    size_t max_tokens; /* special ones included */
    ferry_pooling pooling;
    bool normalize; /* to unit length */
} ferry_text_config;

/*
 * What is put before each text: the prompt of that name in config_sentence_transformers.json, for
 * NULL the one it makes the default, or none; "" is none. NOT_FOUND names those there are.
 */
ferry_status ferry_text_prompt_read(ferry_files files, const char *name, ferry_arena *arena,
                                    ferry_text *out, ferry_error *error);

/* Tokens after which a text is cut: what sentence_bert_config.json says, else
 * tokenizer_config.json; never more than the positions. */
ferry_status ferry_text_max_tokens_read(ferry_files files, size_t positions, size_t *out,
                                        ferry_error *error);

/* NOT_FOUND without config.json; UNSUPPORTED names what Ferry does not know. */
ferry_status ferry_text_config_read(ferry_files files, ferry_text_config *out, ferry_error *error);

#endif
