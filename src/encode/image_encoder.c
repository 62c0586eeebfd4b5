#include "encode/image_encoder.h"

#include "base/error.h"
#include "encode/image_config.h"
#include "encode/labels_config.h"

/* ---- what it is ---- */

/* The architecture timm wrote, or NULL; the text belongs to the tree. */
static const char *timm_architecture(const cJSON *config)
{
    const cJSON *name = ferry_json_get(config, "architecture");
    return cJSON_IsString(name) ? name->valuestring : NULL;
}

static ferry_status read_config(ferry_files files, cJSON **out, ferry_error *error)
{
    const ferry_file *file = ferry_files_find(files, "config.json");
    *out = NULL;
    if (file == NULL) return ferry_fail(error, FERRY_NOT_FOUND, "config.json is missing");
    FERRY_TRY(ferry_json_parse(file->data, file->size, file->name, out, error));
    if (cJSON_IsObject(*out)) return FERRY_OK;
    cJSON_Delete(*out);
    *out = NULL;
    return ferry_fail(error, FERRY_MALFORMED, "%s: expected a JSON object", file->name);
}

bool ferry_image_encoder_recognises(ferry_files files)
{
    cJSON *config;
    if (read_config(files, &config, NULL) != FERRY_OK) return false;
    bool pictures = timm_architecture(config) != NULL || ferry_vit_recognises(config);
    cJSON_Delete(config);
    return pictures;
}

/* ---- open ---- */

static ferry_status open_timm(ferry_files files, const cJSON *config, const ferry_kernels *kernels,
                              const ferry_encoder_options *options, ferry_arena *arena,
                              ferry_image_encoder *out, ferry_error *error)
{
    const char *name = timm_architecture(config), known[] = "tf_efficientnet_lite";
    if (name == NULL || strncmp(name, known, sizeof known - 1) != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "config.json: architecture \"%s\"; known: tf_efficientnet_lite0…4",
                          name != NULL ? name : "none");
    FERRY_TRY(
        ferry_image_config_timm(config, "config.json", options->image_fit, &out->recipe, error));
    const ferry_file *weights = ferry_files_find(files, "model.safetensors");
    if (weights == NULL) return ferry_fail(error, FERRY_NOT_FOUND, "model.safetensors is missing");
    FERRY_TRY(ferry_efficientnet_load(weights, out->recipe.height, out->recipe.width, kernels,
                                      options->precision, options->overwrite, out->pool, arena,
                                      &out->net, error));
    out->precision = out->net.precision;
    out->dimension = out->net.features;
    out->classes = out->net.classes;
    if (out->classes == 0) return FERRY_OK;
    return ferry_labels_config_read(config, "config.json", out->classes, arena, &out->labels,
                                    error);
}

static ferry_status open_transformer(ferry_files files, const cJSON *config,
                                     const ferry_kernels *kernels,
                                     const ferry_encoder_options *options, ferry_arena *arena,
                                     ferry_image_encoder *out, ferry_error *error)
{
    ferry_vit_config c;
    FERRY_TRY(ferry_vit_config_read(config, "config.json", &c, error));
    const ferry_file *preparation = ferry_files_find(files, "preprocessor_config.json");
    const ferry_file *weights = ferry_files_find(files, "model.safetensors");
    if (preparation == NULL || weights == NULL)
        return ferry_fail(error, FERRY_NOT_FOUND, "%s is missing",
                          weights == NULL ? "model.safetensors" : "preprocessor_config.json");
    FERRY_TRY(
        ferry_image_config_preprocessor(preparation, options->image_fit, &out->recipe, error));
    if (out->recipe.height != out->recipe.width)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: an input of %zu x %zu pixels, expected a square", preparation->name,
                          out->recipe.width, out->recipe.height);
    FERRY_TRY(ferry_vit_load(weights, &c, out->recipe.width, kernels, options->precision,
                             options->overwrite, out->pool, arena, &out->vit, error));
    out->precision = out->vit.precision;
    out->transformer = true;
    out->dimension = out->vit.dimension;
    return FERRY_OK;
}

ferry_status ferry_image_encoder_open(ferry_files files, const ferry_kernels *kernels,
                                      const ferry_encoder_options *options, ferry_pool *pool,
                                      ferry_arena *arena, ferry_image_encoder *out,
                                      ferry_error *error)
{
    cJSON *config;
    *out = (ferry_image_encoder){.allocator = arena->allocator, .pool = pool};
    FERRY_TRY(read_config(files, &config, error));
    bool timm = timm_architecture(config) != NULL;
    ferry_status status =
        timm ? open_timm(files, config, kernels, options, arena, out, error)
             : open_transformer(files, config, kernels, options, arena, out, error);
    cJSON_Delete(config);
    FERRY_TRY(status);
    size_t pixels = out->recipe.height * out->recipe.width;
    out->rgb = ferry_arena_array(arena, pixels, FERRY_IMAGE_CHANNELS);
    out->pixels = ferry_arena_array(arena, pixels, FERRY_IMAGE_CHANNELS * sizeof *out->pixels);
    out->embedding = ferry_arena_array(arena, out->dimension, sizeof *out->embedding);
    if (out->rgb == NULL || out->pixels == NULL || out->embedding == NULL)
        return ferry_fail_memory(error, "a picture's pixels");
    return FERRY_OK;
}

/* ---- encode ---- */

ferry_status ferry_image_encoder_encode(ferry_image_encoder *encoder, const ferry_image *images,
                                        size_t count, float *out, float *logits,
                                        ferry_progress progress, void *progress_user,
                                        ferry_error *error)
{
    const ferry_image_recipe *recipe = &encoder->recipe;
    for (size_t i = 0; i < count; i++) FERRY_TRY(ferry_image_check(&images[i], i, error));
    for (size_t i = 0; i < count; i++) {
        FERRY_TRY(ferry_image_frame(&images[i], recipe, &encoder->allocator, encoder->rgb, error));
        ferry_image_normalize(recipe, encoder->rgb, recipe->height * recipe->width,
                              encoder->pixels);
        float *to = out != NULL ? out + i * encoder->dimension : encoder->embedding;
        if (encoder->transformer)
            ferry_vit_forward(&encoder->vit, encoder->pixels, to);
        else
            ferry_efficientnet_forward(&encoder->net, encoder->pixels, to,
                                       logits != NULL ? logits + i * encoder->classes : NULL);
        if (progress != NULL && !progress(progress_user, i + 1, count))
            return ferry_fail(error, FERRY_CANCELLED, "cancelled after %zu of %zu pictures", i + 1,
                              count);
    }
    return FERRY_OK;
}
