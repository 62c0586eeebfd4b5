/* What is known while a model's files are read. */
#ifndef FERRY_RECSYS_MODEL_LOADING_H
#define FERRY_RECSYS_MODEL_LOADING_H

#include "base/json.h"
#include "input/safetensors.h"
#include "recsys/model_files.h"

typedef struct ferry_model_loading {
    ferry_model *model;
    ferry_arena scratch; /* what is not kept */
    ferry_safetensors tensors;
    uint32_t **place; /* [domain_count] -> [rows[d]] the item's row in the catalogue's domain, or
                         FERRY_NO_ITEM */
    size_t *rows;     /* [domain_count] items of the file's domain, as ferry.json says */
    size_t *read;     /* [domain_count] of them seen in items.jsonl */
    size_t *factors, *profile_rank; /* [domain_count] */
    float *alpha;                   /* [domain_count] */
    size_t text_dimension, whitened;
    size_t last; /* domain of the last item: the next one's, as a rule */
} ferry_model_loading;

/* ferry.json, checked: the model's domains matched with the catalogue's, their arrays here. config
 * is of the net, if it has one. */
ferry_status ferry_model_read_json(ferry_model_loading *l, const cJSON *json,
                                   ferry_net_config *config, bool *has_net, ferry_error *error);

#endif
