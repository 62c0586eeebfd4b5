#include "encode/image_config.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* ---- what both have ---- */

/* Three numbers, of the channels. */
static ferry_status read_colours(const cJSON *json, const char *key, const char *where,
                                 double out[3], ferry_error *error)
{
    const cJSON *list = ferry_json_get(json, key);
    if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) != 3)
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" is no array of three numbers", where,
                          key);
    for (int c = 0; c < 3; c++) {
        const cJSON *value = cJSON_GetArrayItem(list, c);
        if (!cJSON_IsNumber(value) || !(value->valuedouble > -1e6 && value->valuedouble < 1e6))
            return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" is no array of three numbers",
                              where, key);
        out[c] = value->valuedouble;
    }
    return FERRY_OK;
}

static ferry_status check_recipe(const char *where, ferry_image_fit fit, ferry_image_recipe *out,
                                 ferry_error *error)
{
    if (out->width == 0 || out->height == 0 || out->width > FERRY_IMAGE_MAX_INPUT ||
        out->height > FERRY_IMAGE_MAX_INPUT || out->shortest > FERRY_IMAGE_MAX_INPUT)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: an input of %zu x %zu pixels, expected 1…%d a side", where,
                          out->width, out->height, FERRY_IMAGE_MAX_INPUT);
    if (out->framing == FERRY_FRAMING_CROP &&
        (out->shortest < out->width || out->shortest < out->height))
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: %zu x %zu pixels are cut out of a shorter side of %zu", where,
                          out->width, out->height, out->shortest);
    for (int c = 0; c < 3; c++) {
        if (out->std[c] == 0.0)
            return ferry_fail(error, FERRY_MALFORMED, "%s: a channel's standard deviation is 0",
                              where);
    }
    if (fit == FERRY_IMAGE_FIT_PAD) out->framing = FERRY_FRAMING_PAD;
    return FERRY_OK;
}

/* ---- transformers ---- */

/* A size is one number, {"shortest_edge"} or {"height", "width"}; absent ones stay 0. */
typedef struct extent {
    size_t shortest, height, width;
} extent;

static ferry_status read_extent(const cJSON *json, const char *key, const char *where, extent *out,
                                ferry_error *error)
{
    const cJSON *size = ferry_json_get(json, key);
    *out = (extent){0};
    if (cJSON_IsNumber(size))
        return ferry_json_size(json, key, where, 1 << 16, &out->shortest, error);
    if (!cJSON_IsObject(size))
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"%s\" is neither a number nor an object",
                          where, key);
    FERRY_TRY(ferry_json_size(size, "shortest_edge", where, 1 << 16, &out->shortest, error));
    FERRY_TRY(ferry_json_size(size, "height", where, 1 << 16, &out->height, error));
    FERRY_TRY(ferry_json_size(size, "width", where, 1 << 16, &out->width, error));
    if ((out->shortest > 0) != (out->height > 0 && out->width > 0)) return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "%s: \"%s\" has neither shortest_edge alone nor height and width", where,
                      key);
}

static ferry_status read_geometry(const cJSON *json, const char *where, ferry_image_recipe *out,
                                  ferry_error *error)
{
    extent size, crop;
    bool do_crop = false;
    FERRY_TRY(read_extent(json, "size", where, &size, error));
    FERRY_TRY(ferry_json_bool(json, "do_center_crop", where, &do_crop, error));
    if (do_crop) {
        FERRY_TRY(read_extent(json, "crop_size", where, &crop, error));
        out->height = crop.shortest > 0 ? crop.shortest : crop.height;
        out->width = crop.shortest > 0 ? crop.shortest : crop.width;
        if (size.shortest > 0) {
            out->framing = FERRY_FRAMING_CROP;
            out->shortest = size.shortest;
            return FERRY_OK;
        }
        if (size.height == out->height && size.width == out->width) { /* nothing is left to cut */
            out->framing = FERRY_FRAMING_SQUASH;
            return FERRY_OK;
        }
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: a centre crop after a resize to height and width", where);
    }
    out->framing = FERRY_FRAMING_SQUASH;
    out->height = size.shortest > 0 ? size.shortest : size.height;
    out->width = size.shortest > 0 ? size.shortest : size.width;
    if (!cJSON_IsObject(ferry_json_get(json, "size")) || size.shortest == 0) return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "%s: a resize by the shortest edge without a centre crop", where);
}

/* A switch that is on where it is not said. */
static ferry_status read_switch(const cJSON *json, const char *key, const char *where, bool needed,
                                bool *out, ferry_error *error)
{
    *out = true;
    FERRY_TRY(ferry_json_bool(json, key, where, out, error));
    if (*out || !needed) return FERRY_OK;
    return ferry_fail(error, FERRY_UNSUPPORTED, "%s: %s is false", where, key);
}

static ferry_status read_preprocessor(const cJSON *json, const char *where, ferry_image_recipe *out,
                                      ferry_error *error)
{
    size_t resample = 2;
    bool rescale, normalize, resize;
    FERRY_TRY(read_switch(json, "do_resize", where, true, &resize, error));
    FERRY_TRY(read_switch(json, "do_rescale", where, false, &rescale, error));
    FERRY_TRY(read_switch(json, "do_normalize", where, false, &normalize, error));
    FERRY_TRY(read_geometry(json, where, out, error));
    FERRY_TRY(ferry_json_size(json, "resample", where, 16, &resample, error));
    if (resample != 2 && resample != 3)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: resample %zu; known: 2 (bilinear), 3 (bicubic)", where, resample);
    out->filter = resample == 3 ? FERRY_FILTER_BICUBIC : FERRY_FILTER_BILINEAR;
    out->rescale = 1.0 / 255.0;
    if (rescale)
        FERRY_TRY(ferry_json_number(json, "rescale_factor", where, &out->rescale, error));
    else
        out->rescale = 1.0;
    for (int c = 0; c < 3; c++) out->std[c] = 1.0;
    if (!normalize) return FERRY_OK;
    FERRY_TRY(read_colours(json, "image_mean", where, out->mean, error));
    return read_colours(json, "image_std", where, out->std, error);
}

ferry_status ferry_image_config_preprocessor(const ferry_file *file, ferry_image_fit fit,
                                             ferry_image_recipe *out, ferry_error *error)
{
    *out = (ferry_image_recipe){0};
    cJSON *json;
    FERRY_TRY(ferry_json_parse(file->data, file->size, file->name, &json, error));
    ferry_status status =
        cJSON_IsObject(json)
            ? read_preprocessor(json, file->name, out, error)
            : ferry_fail(error, FERRY_MALFORMED, "%s: expected a JSON object", file->name);
    cJSON_Delete(json);
    FERRY_TRY(status);
    return check_recipe(file->name, fit, out, error);
}

/* ---- timm ---- */

static ferry_status read_input_size(const cJSON *json, const char *where, ferry_image_recipe *out,
                                    ferry_error *error)
{
    double size[3];
    FERRY_TRY(read_colours(json, "input_size", where, size, error));
    if (size[0] != 3.0 || size[1] < 1.0 || size[1] > (double)FERRY_IMAGE_MAX_INPUT ||
        size[1] != size[2])
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: input_size [%g, %g, %g], expected 3 channels and a square of 1…%d",
                          where, size[0], size[1], size[2], FERRY_IMAGE_MAX_INPUT);
    out->height = (size_t)size[1];
    out->width = (size_t)size[2];
    return FERRY_OK;
}

ferry_status ferry_image_config_timm(const cJSON *config, const char *where, ferry_image_fit fit,
                                     ferry_image_recipe *out, ferry_error *error)
{
    *out = (ferry_image_recipe){.rescale = 1.0 / 255.0, .crop_to_even = true};
    const cJSON *json = ferry_json_get(config, "pretrained_cfg");
    if (!cJSON_IsObject(json))
        return ferry_fail(error, FERRY_MALFORMED, "%s: \"pretrained_cfg\" is missing", where);
    const char *filter = "bicubic", *mode = "center";
    double part = 0.875;
    FERRY_TRY(read_input_size(json, where, out, error));
    FERRY_TRY(read_colours(json, "mean", where, out->mean, error));
    FERRY_TRY(read_colours(json, "std", where, out->std, error));
    FERRY_TRY(ferry_json_string(json, "interpolation", where, &filter, error));
    FERRY_TRY(ferry_json_string(json, "crop_mode", where, &mode, error));
    FERRY_TRY(ferry_json_number(json, "crop_pct", where, &part, error));
    if (strcmp(filter, "bicubic") != 0 && strcmp(filter, "bilinear") != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: interpolation \"%s\"; known: bicubic, bilinear", where, filter);
    if (strcmp(mode, "center") != 0 && strcmp(mode, "squash") != 0)
        return ferry_fail(error, FERRY_UNSUPPORTED, "%s: crop_mode \"%s\"; known: center, squash",
                          where, mode);
    if (!(part > 0.1 && part <= 1.0))
        return ferry_fail(error, FERRY_MALFORMED, "%s: crop_pct %g, expected 0.1…1", where, part);
    out->filter = filter[3] == 'u' ? FERRY_FILTER_BICUBIC : FERRY_FILTER_BILINEAR;
    out->framing = mode[0] == 'c' ? FERRY_FRAMING_CROP : FERRY_FRAMING_SQUASH;
    out->shortest = (size_t)((double)out->height / part); /* down, as timm does */
    return check_recipe(where, fit, out, error);
}
