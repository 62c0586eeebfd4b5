/* What a model's config.json calls the classes that it was trained to tell apart. */
#ifndef FERRY_ENCODE_LABELS_CONFIG_H
#define FERRY_ENCODE_LABELS_CONFIG_H

#include "base/json.h"

/*
 * timm's "label_names" or transformers' "id2label", a list or an object of "0", "1"…: out
 * [classes], in the arena, or NULL where config has neither. MALFORMED where the names are not as
 * many as the classes, or one is missing.
 */
ferry_status ferry_labels_config_read(const cJSON *config, const char *where, size_t classes,
                                      ferry_arena *arena, const char *const **out,
                                      ferry_error *error);

#endif
