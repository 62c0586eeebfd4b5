/*
 * An alignment takes a catalogue's pictures, or sounds, into the space of its texts, so that a text
 * finds items by their pictures and a picture finds them by their texts. train/align.h learns it.
 *
 * A text y becomes unit(whiten(unit(y - text_mean))), where whiten damps what most texts, and the
 * names of the classes, have in common; it is the identity where no classes are known. A feature x
 * becomes offset + norm * unit(x - offset), since a catalogue keeps directions, not lengths; each
 * head makes a unit vector of it, and the sum of weight times those, made unit, is its place.
 *   bridge   the text embeddings of the classes that an image model thinks likeliest, weighted by
 *            its softmax: needs no pairs, but a classifier
 *   ridge    a linear map of (x - mean) * scale, in closed form
 *   infonce  a small net of the same, by symmetric InfoNCE
 */
#ifndef FERRY_RECSYS_ALIGNMENT_H
#define FERRY_RECSYS_ALIGNMENT_H

#include "base/files.h"
#include "recsys/dense.h"

/* X(NAME, "name") */
#define FERRY_ALIGN_HEAD_LIST(X) \
    X(BRIDGE, "bridge")          \
    X(RIDGE, "ridge")            \
    X(INFONCE, "infonce")

typedef enum ferry_align_head {
#define FERRY_ALIGN_HEAD_ENUM(name, text) FERRY_ALIGN_HEAD_##name,
    FERRY_ALIGN_HEAD_LIST(FERRY_ALIGN_HEAD_ENUM)
#undef FERRY_ALIGN_HEAD_ENUM
        FERRY_ALIGN_HEADS
} ferry_align_head;

/* The bridge's classes and the temperature of their softmax: docs/fusion.md has others. */
enum { FERRY_BRIDGE_TOP = 30 };
#define FERRY_BRIDGE_TEMPERATURE 1.5f

enum { FERRY_ALIGN_ROWS = 48 /* mapped at a time */ };

#define FERRY_ALIGN_JSON "align.json"
#define FERRY_ALIGN_TENSORS "align.safetensors"

struct ferry_alignment {
    ferry_arena arena;
    const ferry_kernels *kernels;
    const char *modality;           /* "image" or "audio" */
    const char *text_model, *model; /* which made texts and features; "" if unknown */
    size_t F, D;                    /* of features and texts */
    float norm;
    const float *offset;             /* [F] */
    ferry_dense whiten;              /* D to D, symmetric or not; weight NULL: the identity */
    const float *text_mean;          /* [D] */
    const float *mean, *scale;       /* [F] */
    float weight[FERRY_ALIGN_HEADS]; /* 0: that head is not there */

    ferry_dense classifier;    /* F to C, of the image model */
    const float *labels;       /* [C, D] unit text embeddings of its classes */
    const float *bridge_mean;  /* [D] of the bridge over the catalogue */
    ferry_dense ridge;         /* F to D, without offset */
    ferry_dense in, out, skip; /* infonce: out(GELU(in(x))) + skip(x) */

    size_t item_count;  /* of the catalogue it was learned from; 0: none are kept */
    uint64_t key;       /* ferry_catalog_key, 0: unknown */
    const float *items; /* [item_count, D] the places of their pictures; zeros without one */
    size_t pairs;       /* that were learned from */
    float lambda;       /* the ridge's */
    float temperature;  /* infonce's, learned */

    void (*release)(void *owner); /* what keeps borrowed bytes alive, if the handle owns it */
    void *owner;
};

const char *ferry_align_head_name(ferry_align_head head);

/* The places of texts: out, y [T, D]. A row of zeros stays one. OUT_OF_MEMORY. */
ferry_status ferry_alignment_center(const ferry_alignment *alignment, ferry_pool *pool,
                                    const float *y, size_t T, float *out, ferry_error *error);

/* raw [T, F] = norm unit(x), and z [T, F] = (raw - mean) * scale, the input of ridge and infonce;
 * zeros for a row of zeros. Either may be NULL, neither overlaps x. */
void ferry_alignment_standardise(const ferry_alignment *alignment, const float *x, size_t T,
                                 float *raw, float *z);

/* One head's unit vectors [T, D]; raw, z as of ferry_alignment_standardise. OUT_OF_MEMORY. */
ferry_status ferry_alignment_head(const ferry_alignment *alignment, ferry_align_head head,
                                  ferry_pool *pool, const float *raw, const float *z, size_t T,
                                  float *out, ferry_error *error);

/* The classes' text embeddings, weighted: what the bridge is before its mean is taken, of length 1.
 * raw [T, F], out [T, D]. */
ferry_status ferry_alignment_bridge(const ferry_alignment *alignment, ferry_pool *pool,
                                    const float *raw, size_t T, float *out, ferry_error *error);

/* Features [T, F] to places [T, D]; a row of zeros, which is no feature, gives zeros. */
ferry_status ferry_alignment_map(const ferry_alignment *alignment, ferry_pool *pool, const float *x,
                                 size_t T, float *out, ferry_error *error);

/* ---- files: align.json and align.safetensors, whose tensors docs/fusion.md names ---- */

/* Borrows the bytes of align.safetensors; alignment has arena and kernels, the rest is zero. */
ferry_status ferry_alignment_read(ferry_alignment *alignment, ferry_files files,
                                  ferry_error *error);
ferry_status ferry_alignment_write_json(const ferry_alignment *alignment, ferry_buffer *out,
                                        ferry_error *error);
ferry_status ferry_alignment_write_tensors(const ferry_alignment *alignment, ferry_buffer *out,
                                           ferry_error *error);

#endif
