/* config.json of ViT, CLIP, SigLIP and DINOv2, whose files leave out what is as transformers has it
 * by default. */
#include <string.h>

#include "base/error.h"
#include "encode/vit.h"

enum { MAX_SIDE = 1 << 12 };

static const struct {
    const char *type; /* model_type of the whole, and of the image tower alone */
    const char *tower;
    ferry_vit_config usual;
} kinds[FERRY_VIT_KINDS] = {
    [FERRY_VIT_PLAIN] = {"vit",
                         NULL,
                         {FERRY_VIT_PLAIN, 12, 768, 12, 3072, 16, 224, 0, 1e-12f, FERRY_VIT_GELU}},
    [FERRY_VIT_CLIP] = {"clip",
                        "clip_vision_model",
                        {FERRY_VIT_CLIP, 12, 768, 12, 3072, 32, 224, 512, 1e-5f,
                         FERRY_VIT_QUICK_GELU}},
    [FERRY_VIT_SIGLIP] = {"siglip",
                          "siglip_vision_model",
                          {FERRY_VIT_SIGLIP, 12, 768, 12, 3072, 16, 224, 0, 1e-6f,
                           FERRY_VIT_GELU_TANH}},
    [FERRY_VIT_DINOV2] = {
        "dinov2", NULL, {FERRY_VIT_DINOV2, 12, 768, 12, 0, 14, 224, 0, 1e-6f, FERRY_VIT_GELU}}};

static bool find_kind(const cJSON *config, ferry_vit_kind *kind, bool *whole)
{
    const cJSON *type = ferry_json_get(config, "model_type");
    if (!cJSON_IsString(type)) return false;
    for (int k = 0; k < FERRY_VIT_KINDS; k++) {
        const char *tower = kinds[k].tower;
        *kind = (ferry_vit_kind)k;
        *whole = strcmp(type->valuestring, kinds[k].type) == 0;
        if (*whole || (tower != NULL && strcmp(type->valuestring, tower) == 0)) return true;
    }
    return false;
}

bool ferry_vit_recognises(const cJSON *config)
{
    ferry_vit_kind kind;
    bool whole;
    return find_kind(config, &kind, &whole);
}

static ferry_status read_activation(const cJSON *json, const char *where, ferry_vit_activation *out,
                                    ferry_error *error)
{
    static const struct {
        const char *name;
        ferry_vit_activation activation;
    } known[] = {{"gelu", FERRY_VIT_GELU},
                 {"gelu_new", FERRY_VIT_GELU_TANH},
                 {"gelu_pytorch_tanh", FERRY_VIT_GELU_TANH},
                 {"quick_gelu", FERRY_VIT_QUICK_GELU},
                 {"relu", FERRY_VIT_RELU}};
    const char *name = NULL;
    FERRY_TRY(ferry_json_string(json, "hidden_act", where, &name, error));
    if (name == NULL) return FERRY_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(name, known[i].name) != 0) continue;
        *out = known[i].activation;
        return FERRY_OK;
    }
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "%s: hidden_act \"%s\"; known: gelu, gelu_new, gelu_pytorch_tanh, "
                      "quick_gelu, relu",
                      where, name);
}

ferry_status ferry_vit_blocks_read(const cJSON *tower, const char *where, ferry_vit_config *out,
                                   ferry_error *error)
{
    size_t ratio = 4;
    const struct {
        const char *key;
        size_t max;
        size_t *out;
    } sizes[] = {{"num_hidden_layers", FERRY_VIT_MAX_LAYERS, &out->layers},
                 {"hidden_size", FERRY_VIT_MAX_WIDTH, &out->hidden},
                 {"num_attention_heads", FERRY_VIT_MAX_WIDTH, &out->heads},
                 {"intermediate_size", FERRY_VIT_MAX_BETWEEN, &out->intermediate},
                 {"mlp_ratio", 64, &ratio}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        FERRY_TRY(ferry_json_size(tower, sizes[i].key, where, sizes[i].max, sizes[i].out, error));
    if (out->kind == FERRY_VIT_DINOV2) out->intermediate = ratio * out->hidden;
    if (out->layers == 0 || out->hidden == 0 || out->heads == 0 || out->intermediate == 0 ||
        out->hidden % out->heads != 0 || out->intermediate > FERRY_VIT_MAX_BETWEEN)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: %zu layers of %zu numbers and %zu heads, %zu between", where,
                          out->layers, out->hidden, out->heads, out->intermediate);
    double eps = (double)out->eps;
    FERRY_TRY(ferry_json_number(tower, "layer_norm_eps", where, &eps, error));
    if (!(eps >= 0.0 && eps < 1.0))
        return ferry_fail(error, FERRY_MALFORMED, "%s: layer_norm_eps %g, expected 0…1", where,
                          eps);
    out->eps = (float)eps;
    return read_activation(tower, where, &out->activation, error);
}

static ferry_status read_tower(const cJSON *json, const char *where, ferry_vit_config *out,
                               ferry_error *error)
{
    size_t channels = 3;
    bool swiglu = false;
    FERRY_TRY(ferry_vit_blocks_read(json, where, out, error));
    FERRY_TRY(ferry_json_size(json, "patch_size", where, 1 << 8, &out->patch, error));
    FERRY_TRY(ferry_json_size(json, "image_size", where, MAX_SIDE, &out->image, error));
    FERRY_TRY(ferry_json_size(json, "num_channels", where, 1 << 8, &channels, error));
    FERRY_TRY(ferry_json_bool(json, "use_swiglu_ffn", where, &swiglu, error));
    if (out->patch == 0 || out->image < out->patch || out->image / out->patch > FERRY_VIT_MAX_GRID)
        return ferry_fail(error, FERRY_MALFORMED, "%s: patches of %zu in images of %zu pixels",
                          where, out->patch, out->image);
    if (channels != 3)
        return ferry_fail(error, FERRY_UNSUPPORTED, "%s: num_channels %zu, expected 3", where,
                          channels);
    if (swiglu) return ferry_fail(error, FERRY_UNSUPPORTED, "%s: use_swiglu_ffn is true", where);
    return FERRY_OK;
}

ferry_status ferry_vit_config_read(const cJSON *config, const char *where, ferry_vit_config *out,
                                   ferry_error *error)
{
    ferry_vit_kind kind;
    bool whole;
    if (!find_kind(config, &kind, &whole))
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: model_type is none of vit, clip, siglip, "
                          "dinov2",
                          where);
    *out = kinds[kind].usual;
    const cJSON *tower = config;
    if (kinds[kind].tower != NULL && whole) {
        tower = ferry_json_get(config, "vision_config");
        if (!cJSON_IsObject(tower))
            return ferry_fail(error, FERRY_MALFORMED, "%s: \"vision_config\" is missing", where);
    }
    /* The whole has the dimension that texts and pictures share; the tower's own may differ. */
    if (kind == FERRY_VIT_CLIP)
        FERRY_TRY(ferry_json_size(config, "projection_dim", where, FERRY_VIT_MAX_WIDTH,
                                  &out->projection, error));
    return read_tower(tower, where, out, error);
}
