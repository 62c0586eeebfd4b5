/*
 * The text towers of CLIP and SigLIP: an image tower's blocks over tokens, projected into the space
 * that texts and pictures share. CLIP's see what is before them and are pooled at the end token;
 * SigLIP's see all, are padded to their full length and pooled at the last place.
 */
#ifndef FERRY_ENCODE_TEXT_TOWER_H
#define FERRY_ENCODE_TEXT_TOWER_H

#include "base/files.h"
#include "encode/vit.h"

typedef struct ferry_text_tower_config {
    ferry_vit_config
        blocks;        /* kind CLIP or SIGLIP, layers…, projection; patch and image mean nothing */
    size_t vocabulary; /* V */
    size_t positions;
    int32_t end; /* CLIP: a text is pooled at the first of these; -1: at its largest id */
    int32_t pad; /* SigLIP: what fills a text up */
} ferry_text_tower_config;

typedef struct ferry_text_tower {
    ferry_text_tower_config config;
    ferry_vit vit;            /* its blocks, positions [positions, hidden] and workspace */
    const float *words;       /* [V, hidden], or NULL where they are int8 … */
    const int8_t *words_int8; /* … [V, hidden] … */
    const float *word_scale;  /* … of [V] scales */
    size_t *pooled;           /* [rows] of the texts in a pass */
    float scale, bias;        /* of a logit: scale * cosine + bias */
} ferry_text_tower;

/* Whether config.json is of a model of texts and pictures both, and there is a tokenizer.json:
 * without one, only its pictures can be encoded. */
bool ferry_text_tower_recognises(ferry_files files);

/* NOT_FOUND without config.json; UNSUPPORTED names what is not known. */
ferry_status ferry_text_tower_config_read(ferry_files files, ferry_text_tower_config *out,
                                          ferry_error *error);

/* The tower of a config; passes take up to `rows` tokens. Words stay a view into the file where it
 * holds aligned F32 or I8, the rest is copied into the arena or, with overwrite, packed in its own
 * place. precision as in ferry_layer_precision. Borrows the pool. */
ferry_status ferry_text_tower_load(const ferry_file *weights, const ferry_text_tower_config *config,
                                   size_t rows, const ferry_kernels *kernels,
                                   ferry_precision precision, bool overwrite, ferry_pool *pool,
                                   ferry_arena *arena, ferry_text_tower *out, ferry_error *error);

/* Texts one behind another, as ferry_transformer_forward takes them, every one of 0…positions
 * tokens; out [texts, projection], zeros for a text of none. A text's bits depend on nothing else
 * in the pass. */
void ferry_text_tower_forward(ferry_text_tower *tower, const int32_t *ids, const size_t *starts,
                              size_t texts, float *out);

#endif
