#include "encode/sound_encoder.h"

#include "base/error.h"
#include "encode/labels_config.h"
#include "math/elementary.h"

/* ---- config.json ---- */

static const char ARCHITECTURE[] = "musicnn_vgg"; /* its model_type */

static ferry_status read_config(ferry_files files, cJSON **out, ferry_error *error)
{
    const ferry_file *file = ferry_files_find(files, "config.json");
    *out = NULL;
    if (file == NULL) return ferry_fail(error, FERRY_NOT_FOUND, "config.json is missing");
    return ferry_json_parse(file->data, file->size, file->name, out, error);
}

bool ferry_sound_encoder_recognises(ferry_files files)
{
    cJSON *config;
    const char *type = NULL;
    if (read_config(files, &config, NULL) != FERRY_OK) return false;
    bool sounds = ferry_json_string(config, "model_type", "config.json", &type, NULL) == FERRY_OK &&
                  type != NULL && strcmp(type, ARCHITECTURE) == 0;
    cJSON_Delete(config);
    return sounds;
}

/* What all of musicnn's models have alike, and this code is written for. */
static ferry_status check_preparation(const cJSON *config, ferry_error *error)
{
    static const struct {
        const char *key;
        size_t known;
    } fields[] = {{"sample_rate", FERRY_MEL_RATE},
                  {"n_fft", FERRY_MEL_WINDOW},
                  {"hop_length", FERRY_MEL_HOP},
                  {"n_mels", FERRY_MEL_BANDS},
                  {"patch_frames", FERRY_VGG_FRAMES}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        size_t found;
        FERRY_TRY(
            ferry_json_size_required(config, fields[i].key, "config.json", 1 << 20, &found, error));
        if (found != fields[i].known)
            return ferry_fail(error, FERRY_UNSUPPORTED, "config.json: %s is %zu; known: %zu",
                              fields[i].key, found, fields[i].known);
    }
    return FERRY_OK;
}

/* ---- open ---- */

static ferry_status open_all(ferry_files files, const cJSON *config, const ferry_kernels *kernels,
                             ferry_precision precision, ferry_arena *arena,
                             ferry_sound_encoder *out, ferry_error *error)
{
    FERRY_TRY(check_preparation(config, error));
    const ferry_file *weights = ferry_files_find(files, "model.safetensors");
    if (weights == NULL) return ferry_fail(error, FERRY_NOT_FOUND, "model.safetensors is missing");
    FERRY_TRY(ferry_vgg_load(weights, kernels, precision, out->pool, arena, &out->net, error));
    out->dimension = out->net.features;
    out->classes = out->net.classes;
    FERRY_TRY(
        ferry_labels_config_read(config, "config.json", out->classes, arena, &out->labels, error));
    if (out->labels == NULL)
        return ferry_fail(error, FERRY_MALFORMED, "config.json: no \"id2label\" of %zu tags",
                          out->classes);
    out->mel = ferry_arena_array(arena, 1, sizeof *out->mel);
    out->samples = ferry_arena_array(arena, FERRY_PATCH_SAMPLES, sizeof *out->samples);
    out->patch = ferry_arena_array(arena, FERRY_VGG_FRAMES, FERRY_MEL_BANDS * sizeof *out->patch);
    out->features = ferry_arena_array(arena, out->dimension, sizeof *out->features);
    out->logits = ferry_arena_array(arena, out->classes, sizeof *out->logits);
    if (out->mel == NULL || out->samples == NULL || out->patch == NULL || out->features == NULL ||
        out->logits == NULL)
        return ferry_fail_memory(error, "a sound's samples");
    ferry_log_mel_init(out->mel);
    return FERRY_OK;
}

ferry_status ferry_sound_encoder_open(ferry_files files, const ferry_kernels *kernels,
                                      const ferry_encoder_options *options, ferry_pool *pool,
                                      ferry_arena *arena, ferry_sound_encoder *out,
                                      ferry_error *error)
{
    cJSON *config;
    *out = (ferry_sound_encoder){.allocator = arena->allocator, .pool = pool};
    FERRY_TRY(read_config(files, &config, error));
    ferry_status status = open_all(files, config, kernels, options->precision, arena, out, error);
    cJSON_Delete(config);
    return status;
}

/* ---- a sound, a patch at a time ---- */

static ferry_status make_run(const ferry_sound_encoder *encoder, ferry_sound_run *run,
                             ferry_error *error)
{
    const ferry_sound *sound = &run->sound;
    /* at most so many; how many exactly, the resampler says */
    uint64_t most = (uint64_t)sound->frames * FERRY_MEL_RATE / sound->sample_rate + 1;
    int64_t start;
    size_t length;
    if (!ferry_resampler_init(&run->resampler, sound->sample_rate, FERRY_MEL_RATE, most,
                              &run->arena))
        return ferry_fail_memory(error, "a sound's resampling");
    run->samples = ferry_resampler_outputs(&run->resampler, sound->frames);
    run->patches = ferry_log_mel_frames(run->samples) / FERRY_VGG_FRAMES;
    if (run->patches == 0) run->patches = 1;
    ferry_resampler_reads(&run->resampler, 0, FERRY_PATCH_SAMPLES, &start, &length);
    length++; /* from another place on it may be one more */
    run->mono = ferry_arena_array(&run->arena, length, sizeof *run->mono);
    run->features = ferry_arena_array(&run->arena, encoder->dimension, sizeof *run->features);
    run->tags = ferry_arena_array(&run->arena, encoder->classes, sizeof *run->tags);
    bool made = run->mono != NULL && run->features != NULL && run->tags != NULL;
    return made ? FERRY_OK : ferry_fail_memory(error, "a sound's samples");
}

ferry_status ferry_sound_run_open(const ferry_sound_encoder *encoder, const ferry_sound *sound,
                                  ferry_sound_run *out, ferry_error *error)
{
    *out = (ferry_sound_run){.sound = *sound};
    ferry_arena_init(&out->arena, encoder->allocator);
    ferry_status status = make_run(encoder, out, error);
    if (status != FERRY_OK) ferry_sound_run_close(out);
    return status;
}

void ferry_sound_run_close(ferry_sound_run *run)
{
    ferry_arena_free(&run->arena);
}

/* The samples of the next patch, silence outside the sound: to [PATCH_SAMPLES]. */
static void read_patch(const ferry_sound_run *run, float *to)
{
    uint64_t first = run->done * FERRY_VGG_FRAMES * FERRY_MEL_HOP;
    size_t before = run->done == 0 ? FERRY_MEL_WINDOW / 2 : 0, count = FERRY_PATCH_SAMPLES - before;
    first -= FERRY_MEL_WINDOW / 2 - before;
    if (count > run->samples - first) count = (size_t)(run->samples - first);
    int64_t start;
    size_t length;
    ferry_resampler_reads(&run->resampler, first, count, &start, &length);
    ferry_sound_mono(&run->sound, start, length, run->mono);
    for (size_t i = 0; i < before; i++) to[i] = 0.0f;
    ferry_resample(&run->resampler, run->mono, first, count, to + before);
    for (size_t i = before + count; i < FERRY_PATCH_SAMPLES; i++) to[i] = 0.0f;
}

void ferry_sound_run_patch(ferry_sound_encoder *encoder, ferry_sound_run *run)
{
    read_patch(run, encoder->samples);
    ferry_log_mel_make(encoder->mel, encoder->samples, FERRY_VGG_FRAMES, encoder->patch);
    ferry_vgg_forward(&encoder->net, encoder->patch, encoder->features, encoder->logits);
    for (size_t i = 0; i < encoder->dimension; i++)
        run->features[i] = run->features[i] + encoder->features[i];
    for (size_t i = 0; i < encoder->classes; i++)
        run->tags[i] = run->tags[i] + ferry_sigmoid(encoder->logits[i]);
    run->done++;
}

void ferry_sound_run_means(const ferry_sound_encoder *encoder, const ferry_sound_run *run,
                           float *out, float *tags)
{
    float count = (float)run->done;
    for (size_t i = 0; out != NULL && i < encoder->dimension; i++)
        out[i] = run->features[i] / count;
    for (size_t i = 0; tags != NULL && i < encoder->classes; i++) tags[i] = run->tags[i] / count;
}

/* ---- encode ---- */

ferry_status ferry_sound_encoder_encode(ferry_sound_encoder *encoder, const ferry_sound *sounds,
                                        size_t count, float *out, float *tags,
                                        ferry_progress progress, void *progress_user,
                                        ferry_error *error)
{
    for (size_t i = 0; i < count; i++) FERRY_TRY(ferry_sound_check(&sounds[i], i, error));
    for (size_t i = 0; i < count; i++) {
        ferry_sound_run run;
        bool on = true;
        FERRY_TRY(ferry_sound_run_open(encoder, &sounds[i], &run, error));
        while (run.done < run.patches && on) {
            ferry_sound_run_patch(encoder, &run);
            size_t whole = run.done == run.patches ? i + 1 : i;
            on = progress == NULL || progress(progress_user, whole, count);
        }
        ferry_sound_run_means(encoder, &run, out != NULL ? out + i * encoder->dimension : NULL,
                              tags != NULL ? tags + i * encoder->classes : NULL);
        size_t whole = run.done == run.patches ? i + 1 : i;
        ferry_sound_run_close(&run);
        if (!on)
            return ferry_fail(error, FERRY_CANCELLED, "cancelled after %zu of %zu sounds", whole,
                              count);
    }
    return FERRY_OK;
}
