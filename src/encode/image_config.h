/*
 * What the JSON files of an image encoder say of its input: transformers' preprocessor_config.json,
 * or timm's pretrained_cfg in config.json.
 */
#ifndef FERRY_ENCODE_IMAGE_CONFIG_H
#define FERRY_ENCODE_IMAGE_CONFIG_H

#include "base/json.h"
#include "input/image.h"

/* fit PAD takes the place of how the file frames a picture. */
ferry_status ferry_image_config_preprocessor(const ferry_file *file, ferry_image_fit fit,
                                             ferry_image_recipe *out, ferry_error *error);

/* config is config.json's tree, where its name. */
ferry_status ferry_image_config_timm(const cJSON *config, const char *where, ferry_image_fit fit,
                                     ferry_image_recipe *out, ferry_error *error);

#endif
