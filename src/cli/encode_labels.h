/* ferry encode --label: which of some texts says what a picture shows. */
#ifndef FERRY_CLI_ENCODE_LABELS_H
#define FERRY_CLI_ENCODE_LABELS_H

#include "cli/cli.h"

/*
 * Probabilities [count, labels] of pictures' embeddings images [count, dimension], each label put
 * in the place of {} in the template (NULL: transformers' own). Gives *out.
 */
ferry_status cli_compare_labels(ferry_encoder *encoder, const cli_list *labels,
                                const char *template, const float *images, size_t count,
                                float **out, ferry_error *error);

#endif
