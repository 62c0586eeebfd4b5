/* ferry_encoder: an encoder of texts, pictures, both, or sounds, and the memory it lives in. */
#include "api/handles.h"
#include "base/error.h"
#include "base/options.h"
#include "math/ops.h"

static ferry_status choose_kernels(const ferry_encoder_options *options, const ferry_kernels **out,
                                   ferry_error *error)
{
    return options->numerics == FERRY_NUMERICS_FAST
               ? ferry_kernels_choose_fast(options->kernels, out, error)
               : ferry_kernels_choose(options->kernels, out, error);
}

static ferry_status open_parts(ferry_encoder *encoder, ferry_files files,
                               const ferry_kernels *kernels, const ferry_encoder_options *options,
                               ferry_error *error)
{
    ferry_arena *arena = &encoder->arena;
    encoder->sounds = ferry_sound_encoder_recognises(files);
    encoder->pictures = !encoder->sounds && ferry_image_encoder_recognises(files);
    encoder->texts = !encoder->sounds && (!encoder->pictures || ferry_text_tower_recognises(files));
    FERRY_TRY(ferry_pool_create(&arena->allocator, options->threads, &encoder->pool, error));
    if (encoder->sounds)
        return ferry_sound_encoder_open(files, kernels, options, encoder->pool, arena,
                                        &encoder->sound, error);
    if (encoder->pictures)
        FERRY_TRY(ferry_image_encoder_open(files, kernels, options, encoder->pool, arena,
                                           &encoder->image, error));
    if (encoder->texts)
        FERRY_TRY(ferry_text_encoder_open(files, kernels, options, encoder->pool, arena,
                                          &encoder->text, error));
    if (encoder->texts && encoder->pictures && encoder->text.dimension != encoder->image.dimension)
        return ferry_fail(error, FERRY_MALFORMED,
                          "config.json: texts become %zu numbers, pictures %zu",
                          encoder->text.dimension, encoder->image.dimension);
    if (options->numerics == FERRY_NUMERICS_FAST &&
        ferry_encoder_precision(encoder) == FERRY_PRECISION_INT8)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "fast numerics are for precision f32: int8 is exact, and faster");
    return FERRY_OK;
}

ferry_status ferry_encoder_open(const ferry_file *files, size_t file_count,
                                const ferry_encoder_options *options, ferry_encoder **out,
                                ferry_error *error)
{
    *out = NULL;
    ferry_encoder_options chosen = {0};
    const ferry_kernels *kernels;
    FERRY_TRY(ferry_options_read(options, "ferry_encoder_options", &chosen, sizeof chosen, error));
    if (chosen.numerics < FERRY_NUMERICS_EXACT || chosen.numerics >= FERRY_NUMERICS_COUNT)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "numerics %d is none of ferry_numerics",
                          (int)chosen.numerics);
    FERRY_TRY(choose_kernels(&chosen, &kernels, error));
    if (chosen.precision < FERRY_PRECISION_AUTO || chosen.precision >= FERRY_PRECISION_COUNT)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "precision %d is none of ferry_precision",
                          (int)chosen.precision);
    if (chosen.image_fit < FERRY_IMAGE_FIT_PAD || chosen.image_fit >= FERRY_IMAGE_FIT_COUNT)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "image_fit %d is none of ferry_image_fit",
                          (int)chosen.image_fit);
    ferry_allocator allocator = ferry_allocator_or_default(chosen.allocator);
    ferry_encoder *encoder = ferry_allocate(&allocator, 1, sizeof *encoder);
    if (encoder == NULL) return ferry_fail_memory(error, "the encoder");
    ferry_arena_init(&encoder->arena, allocator);
    ferry_status status =
        open_parts(encoder, (ferry_files){files, file_count}, kernels, &chosen, error);
    if (status != FERRY_OK) {
        ferry_encoder_close(encoder);
        return status;
    }
    *out = encoder;
    return FERRY_OK;
}

void ferry_encoder_close(ferry_encoder *encoder)
{
    if (encoder == NULL) return;
    ferry_text_encoder_close(&encoder->text);
    ferry_pool_close(encoder->pool);
    ferry_arena_free(&encoder->arena);
    if (encoder->release != NULL) encoder->release(encoder->owner);
    ferry_allocator allocator = encoder->arena.allocator;
    ferry_release(&allocator, encoder, sizeof *encoder);
}

bool ferry_encoder_takes_texts(const ferry_encoder *encoder)
{
    return encoder->texts;
}

bool ferry_encoder_takes_images(const ferry_encoder *encoder)
{
    return encoder->pictures;
}

bool ferry_encoder_takes_sounds(const ferry_encoder *encoder)
{
    return encoder->sounds;
}

/* What it encodes, for messages. */
static const char *subject(const ferry_encoder *encoder)
{
    return encoder->sounds ? "sounds" : encoder->pictures ? "pictures" : "texts";
}

size_t ferry_encoder_dimension(const ferry_encoder *encoder)
{
    if (encoder->sounds) return encoder->sound.dimension;
    return encoder->pictures ? encoder->image.dimension : encoder->text.dimension;
}

size_t ferry_encoder_classes(const ferry_encoder *encoder)
{
    return encoder->sounds ? encoder->sound.classes : encoder->image.classes;
}

const char *ferry_encoder_class_name(const ferry_encoder *encoder, size_t index)
{
    const char *const *labels = encoder->sounds ? encoder->sound.labels : encoder->image.labels;
    return labels != NULL && index < ferry_encoder_classes(encoder) ? labels[index] : NULL;
}

ferry_precision ferry_encoder_precision(const ferry_encoder *encoder)
{
    if (encoder->sounds) return encoder->sound.net.precision;
    return encoder->pictures ? encoder->image.precision : encoder->text.transformer.precision;
}

size_t ferry_encoder_max_tokens(const ferry_encoder *encoder)
{
    return encoder->text.max_tokens; /* 0 where there is no text encoder */
}

/* ---- texts ---- */

static ferry_status need_texts(const ferry_encoder *encoder, ferry_error *error)
{
    if (ferry_encoder_takes_texts(encoder)) return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED, "this model encodes %s, not texts",
                      subject(encoder));
}

static ferry_status check_text(ferry_text text, size_t index, ferry_error *error)
{
    if (text.data != NULL || text.size == 0) return FERRY_OK;
    return ferry_fail(error, FERRY_INVALID_ARGUMENT, "text %zu: data is NULL, size is %zu", index,
                      text.size);
}

ferry_status ferry_encoder_encode(ferry_encoder *encoder, const ferry_text *texts, size_t count,
                                  float *out, ferry_progress progress, void *progress_user,
                                  ferry_error *error)
{
    FERRY_TRY(need_texts(encoder, error));
    for (size_t i = 0; i < count; i++) FERRY_TRY(check_text(texts[i], i, error));
    return ferry_text_encoder_encode(&encoder->text, texts, count, out, progress, progress_user,
                                     error);
}

ferry_status ferry_encoder_tokenize(ferry_encoder *encoder, ferry_text text, int32_t *ids,
                                    size_t capacity, size_t *count, ferry_error *error)
{
    *count = 0;
    FERRY_TRY(need_texts(encoder, error));
    FERRY_TRY(check_text(text, 0, error));
    int32_t *all = encoder->text.ids; /* has room for max_tokens */
    FERRY_TRY(ferry_text_encoder_tokenize(&encoder->text, text, all, count, error));
    size_t written = *count < capacity ? *count : capacity;
    if (written > 0) memcpy(ids, all, written * sizeof *ids);
    return FERRY_OK;
}

/* ---- texts and pictures ---- */

float ferry_encoder_logit_scale(const ferry_encoder *encoder)
{
    return encoder->texts && encoder->pictures ? encoder->text.tower.scale : 0.0f;
}

float ferry_encoder_logit_bias(const ferry_encoder *encoder)
{
    return encoder->text.tower.bias;
}

/* probabilities [count] of logits: CLIP's are shared among the texts, SigLIP's each text's own. */
static void weigh(const ferry_encoder *encoder, float *logits, size_t count)
{
    const ferry_kernels *kernels = encoder->text.kernels;
    if (encoder->text.tower.config.blocks.kind == FERRY_VIT_SIGLIP)
        kernels->sigmoid(logits, count);
    else
        kernels->softmax(logits, count, 1.0f, 1, count);
}

ferry_status ferry_encoder_compare(const ferry_encoder *encoder, const float *images,
                                   size_t image_count, const float *texts, size_t text_count,
                                   float *logits, float *probabilities, ferry_error *error)
{
    if (!encoder->texts || !encoder->pictures)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "this model encodes %s, not texts and pictures into one space",
                          subject(encoder));
    const ferry_kernels *kernels = encoder->text.kernels;
    const ferry_text_tower *tower = &encoder->text.tower;
    size_t N = encoder->text.dimension;
    ferry_arena scratch;
    ferry_arena_init(&scratch, encoder->arena.allocator);
    float *unit = ferry_arena_array(&scratch, text_count + 1, N * sizeof *unit);
    float *row = ferry_arena_array(&scratch, text_count, sizeof *row), *image = NULL;
    ferry_status status = FERRY_OK;
    if (unit == NULL || row == NULL) status = ferry_fail_memory(error, "the texts' unit vectors");
    if (status == FERRY_OK) {
        image = unit + text_count * N;
        if (text_count > 0) memcpy(unit, texts, text_count * N * sizeof *unit);
        for (size_t t = 0; t < text_count; t++) ferry_l2_normalize(kernels, unit + t * N, N);
    }
    for (size_t i = 0; status == FERRY_OK && text_count > 0 && i < image_count; i++) {
        memcpy(image, images + i * N, N * sizeof *image);
        ferry_l2_normalize(kernels, image, N);
        kernels->dot_rows(unit, image, row, text_count, N);
        for (size_t t = 0; t < text_count; t++) row[t] = row[t] * tower->scale + tower->bias;
        if (logits != NULL) memcpy(logits + i * text_count, row, text_count * sizeof *row);
        if (probabilities == NULL) continue;
        weigh(encoder, row, text_count);
        memcpy(probabilities + i * text_count, row, text_count * sizeof *row);
    }
    ferry_arena_free(&scratch);
    return status;
}

/* ---- pictures ---- */

static ferry_status need_images(const ferry_encoder *encoder, ferry_error *error)
{
    if (ferry_encoder_takes_images(encoder)) return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED, "this model encodes %s, not pictures",
                      subject(encoder));
}

ferry_status ferry_encoder_encode_images(ferry_encoder *encoder, const ferry_image *images,
                                         size_t count, float *out, ferry_progress progress,
                                         void *progress_user, ferry_error *error)
{
    FERRY_TRY(need_images(encoder, error));
    return ferry_image_encoder_encode(&encoder->image, images, count, out, NULL, progress,
                                      progress_user, error);
}

ferry_status ferry_encoder_classify(ferry_encoder *encoder, const ferry_image *images, size_t count,
                                    float *out, ferry_progress progress, void *progress_user,
                                    ferry_error *error)
{
    FERRY_TRY(need_images(encoder, error));
    if (ferry_encoder_classes(encoder) == 0)
        return ferry_fail(error, FERRY_UNSUPPORTED, "this model has no classifier");
    return ferry_image_encoder_encode(&encoder->image, images, count, NULL, out, progress,
                                      progress_user, error);
}

/* ---- sounds ---- */

static ferry_status encode_sounds(ferry_encoder *encoder, const ferry_sound *sounds, size_t count,
                                  float *out, float *tags, ferry_progress progress,
                                  void *progress_user, ferry_error *error)
{
    if (!ferry_encoder_takes_sounds(encoder))
        return ferry_fail(error, FERRY_UNSUPPORTED, "this model encodes %s, not sounds",
                          subject(encoder));
    return ferry_sound_encoder_encode(&encoder->sound, sounds, count, out, tags, progress,
                                      progress_user, error);
}

ferry_status ferry_encoder_encode_sounds(ferry_encoder *encoder, const ferry_sound *sounds,
                                         size_t count, float *out, ferry_progress progress,
                                         void *progress_user, ferry_error *error)
{
    return encode_sounds(encoder, sounds, count, out, NULL, progress, progress_user, error);
}

ferry_status ferry_encoder_tag_sounds(ferry_encoder *encoder, const ferry_sound *sounds,
                                      size_t count, float *out, ferry_progress progress,
                                      void *progress_user, ferry_error *error)
{
    return encode_sounds(encoder, sounds, count, NULL, out, progress, progress_user, error);
}
