/*
 * Vision transformers: pre-norm blocks over a picture's patches. ViT and DINOv2 give their class
 * token's last hidden state, CLIP projects it into the space it shares with texts, SigLIP pools all
 * patches by attention.
 */
#ifndef FERRY_ENCODE_VIT_H
#define FERRY_ENCODE_VIT_H

#include "base/json.h"
#include "base/pool.h"
#include "encode/layer.h"
#include "input/safetensors.h"
#include "math/kernels.h"

typedef enum ferry_vit_kind {
    FERRY_VIT_PLAIN,
    FERRY_VIT_CLIP,
    FERRY_VIT_SIGLIP,
    FERRY_VIT_DINOV2,
    FERRY_VIT_KINDS
} ferry_vit_kind;

typedef enum ferry_vit_activation {
    FERRY_VIT_GELU,
    FERRY_VIT_GELU_TANH,
    FERRY_VIT_QUICK_GELU, /* x * sigmoid(1.702 x) */
    FERRY_VIT_RELU
} ferry_vit_activation;

typedef struct ferry_vit_config {
    ferry_vit_kind kind;
    size_t layers, hidden, heads, intermediate;
    size_t patch, image; /* sides in pixels; image is what the positions were learned for */
    size_t projection;   /* CLIP's; 0: none */
    float eps;
    ferry_vit_activation activation;
} ferry_vit_config;

typedef struct ferry_vit_norm {
    const float *weight, *bias; /* [hidden]; weight NULL: there is none */
} ferry_vit_norm;

/* DINOv2's layer scales are folded into attention_output and second. */
typedef struct ferry_vit_block {
    ferry_vit_norm first_norm, second_norm;
    ferry_layer query_key_value[3], attention_output, first, second;
} ferry_vit_block;

/* SigLIP's: one learned query over all patches; f32. */
typedef struct ferry_vit_head {
    const float *query; /* [hidden], of the probe */
    ferry_layer key_value, output, first, second;
    ferry_vit_norm norm;
} ferry_vit_head;

/* Together with FERRY_VIT_MAX_GRID they keep products within 32 bits. */
enum { FERRY_VIT_MAX_LAYERS = 256, FERRY_VIT_MAX_WIDTH = 1 << 14, FERRY_VIT_MAX_BETWEEN = 1 << 16 };
enum { FERRY_VIT_MAX_GRID = 256 /* patches on a side; keeps products within 32 bits */ };

typedef struct ferry_vit {
    ferry_vit_config config;
    const ferry_kernels *kernels;
    ferry_pool *pool;          /* borrowed; NULL: one thread */
    ferry_precision precision; /* F32 or INT8, of the blocks' layers */
    size_t side;               /* of the input, pixels */
    size_t tokens;             /* T: the class token, if there is one, and the patches */
    size_t dimension;          /* of what is given */
    ferry_layer patches;       /* f32: patch * patch * 3 -> hidden */
    const float *class_token;  /* [hidden] or NULL */
    const float *positions;    /* [T, hidden], resized to the input */
    ferry_vit_norm pre_norm, final_norm;
    ferry_vit_block *block; /* [layers] */
    ferry_layer projection; /* f32; panels NULL: none */
    ferry_vit_head head;    /* query NULL: none */
    float *x;               /* [T, hidden] */
    float *y;               /* [T, max(hidden, patch * patch * 3)] */
    float *wide;            /* [T, max(3 * hidden, intermediate)] */
    ferry_int8_rows rows;   /* [T, the widest K], of int8 layers */
    float *scratch;         /* [threads, scratch_size]: of one head's attention */
    size_t scratch_size;
} ferry_vit;

/* Whether config.json's model_type is one of these. */
bool ferry_vit_recognises(const cJSON *config);

/* What a tower's own object says of its blocks; what it leaves out stays as it is in *out. */
ferry_status ferry_vit_blocks_read(const cJSON *tower, const char *where, ferry_vit_config *out,
                                   ferry_error *error);

/* UNSUPPORTED names what is not known. */
ferry_status ferry_vit_config_read(const cJSON *config, const char *where, ferry_vit_config *out,
                                   ferry_error *error);

/* side: of the input, a multiple of the patch. Everything is copied into the arena, or with
 * overwrite, where it fits, packed in its own place in the file's bytes. */
ferry_status ferry_vit_load(const ferry_file *weights, const ferry_vit_config *config, size_t side,
                            const ferry_kernels *kernels, ferry_precision precision, bool overwrite,
                            ferry_pool *pool, ferry_arena *arena, ferry_vit *out,
                            ferry_error *error);

/* x through the blocks: rows that attend to one another are starts[i] … starts[i + 1] - 1, causal
 * ones only to themselves and those before. starts [count + 1] */
void ferry_vit_run_blocks(ferry_vit *vit, const size_t *starts, size_t count, bool causal);

/* What the last norm and the projection, if there is one, make of the rows at[i] of x: out [count,
 * dimension]. */
void ferry_vit_pool(ferry_vit *vit, const size_t *at, size_t count, float *out);

/* pixels [side, side, 3], normalised; out [dimension] */
void ferry_vit_forward(ferry_vit *vit, const float *pixels, float *out);

#endif
