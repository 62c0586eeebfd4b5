/* Samples in, embedding and tags out: one channel of 16,000 Hz, log-mel patches of 3 seconds,
 * musicnn's VGG for each, their mean. */
#ifndef FERRY_ENCODE_SOUND_ENCODER_H
#define FERRY_ENCODE_SOUND_ENCODER_H

#include "base/files.h"
#include "encode/log_mel.h"
#include "encode/vgg.h"
#include "input/sound.h"
#include "math/resample.h"

/* Samples that a patch's frames look at. */
enum { FERRY_PATCH_SAMPLES = (FERRY_VGG_FRAMES - 1) * FERRY_MEL_HOP + FERRY_MEL_WINDOW };

typedef struct ferry_sound_encoder {
    ferry_allocator allocator;
    ferry_pool *pool; /* borrowed; NULL: one thread */
    ferry_log_mel *mel;
    ferry_vgg net;
    size_t dimension, classes;
    const char *const *labels; /* [classes] */
    float *samples;            /* [PATCH_SAMPLES] */
    float *patch;              /* [FRAMES, BANDS] */
    float *features, *logits;  /* of one patch, [dimension] and [classes] */
} ferry_sound_encoder;

/* Whether config.json names an architecture of sounds; false where it cannot be read. */
bool ferry_sound_encoder_recognises(ferry_files files);

/* Borrows the pool, but nothing of the files; all of it is in the arena. */
ferry_status ferry_sound_encoder_open(ferry_files files, const ferry_kernels *kernels,
                                      const ferry_encoder_options *options, ferry_pool *pool,
                                      ferry_arena *arena, ferry_sound_encoder *out,
                                      ferry_error *error);

/* See ferry_encoder_encode_sounds and ferry_encoder_tag_sounds: out [count, dimension] and tags
 * [count, classes], either of which may be NULL. */
ferry_status ferry_sound_encoder_encode(ferry_sound_encoder *encoder, const ferry_sound *sounds,
                                        size_t count, float *out, float *tags,
                                        ferry_progress progress, void *progress_user,
                                        ferry_error *error);

/* ---- the same a patch at a time, for who has other things to do in between ---- */

typedef struct ferry_sound_run {
    ferry_sound sound; /* borrowed */
    ferry_arena arena;
    ferry_resampler resampler;
    uint64_t samples;       /* at FERRY_MEL_RATE */
    uint64_t patches, done; /* whole ones, and of a shorter sound one */
    float *mono;            /* what a patch's samples are made of */
    float *features, *tags; /* [dimension] and [classes], sums over the patches done */
} ferry_sound_run;

/* The sound is not checked. Gives; after a failure there is nothing to close. */
ferry_status ferry_sound_run_open(const ferry_sound_encoder *encoder, const ferry_sound *sound,
                                  ferry_sound_run *out, ferry_error *error);
/* The next patch, while done < patches. */
void ferry_sound_run_patch(ferry_sound_encoder *encoder, ferry_sound_run *run);
/* The means over the patches done: out [dimension] and tags [classes], or NULL. */
void ferry_sound_run_means(const ferry_sound_encoder *encoder, const ferry_sound_run *run,
                           float *out, float *tags);
void ferry_sound_run_close(ferry_sound_run *run);

#endif
