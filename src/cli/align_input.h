/* What `ferry align` learns from: texts and features of a catalogue, an image model's classes. */
#ifndef FERRY_CLI_ALIGN_INPUT_H
#define FERRY_CLI_ALIGN_INPUT_H

#include "api/directory.h"
#include "api/handles.h"
#include "base/error.h"
#include "cli/cli.h"
#include "recsys/alignment.h"
#include "recsys/fusion.h"

typedef struct cli_align_paths {
    const char *catalog, *features, *image_model, *text_model, *labels, *modality;
} cli_align_paths;

typedef struct cli_align_input {
    ferry_align_data data; /* borrows from the rest */
    ferry_catalog *catalog;
    ferry_arena arena;
    ferry_file features, weights; /* mapped, or data NULL */
} cli_align_input;

/* Also after it has failed, to be closed. methods: which are asked for, 0: the default. */
ferry_status cli_align_open(const cli_align_paths *paths, const cli_compute *compute,
                            const unsigned *methods, cli_align_input *out, ferry_error *error);
void cli_align_close(cli_align_input *input);

/* fused.safetensors: "embeddings" [items, numbers], and "used" [items], the bits of what each was
 * made of. */
ferry_status cli_write_fused(const ferry_fusion *fusion, const ferry_fusion_data *data,
                             const char *directory, ferry_error *error);

/* align.json on one line of stdout. */
ferry_status cli_align_print_json(const ferry_alignment *alignment, ferry_error *error);

#endif
