/* The structs behind ferry.h's handles that are made here, and what api/ shares. */
#ifndef FERRY_API_HANDLES_H
#define FERRY_API_HANDLES_H

#include "base/json.h"
#include "encode/image_encoder.h"
#include "encode/sound_encoder.h"
#include "encode/text_encoder.h"
#include "recsys/visitor.h"

struct ferry_encoder {
    ferry_arena arena;
    ferry_pool *pool;             /* of texts and pictures */
    bool texts, pictures, sounds; /* which of the three it has; CLIP and SigLIP the first two */
    ferry_text_encoder text;
    ferry_image_encoder image;
    ferry_sound_encoder sound;
    void (*release)(void *owner); /* what keeps borrowed bytes alive, if the handle owns it */
    void *owner;
};

/*
 * The k > 0 likeliest of an encoder's classes as the JS API gives them, best first, equal ones by
 * number: [{"label","score","index"}…], appended on one line. scores [classes] are what
 * ferry_encoder_classify gave of a picture, whose softmax takes their place, or
 * ferry_encoder_tag_sounds of a sound. A class without a name is "LABEL_7", as for transformers.
 */
ferry_status ferry_classes_json(const ferry_encoder *encoder, float *scores, size_t k,
                                ferry_buffer *out, ferry_error *error);

/*
 * The options of a recommendation under the names the JS API gives them, e.g. {"k":10,"where":
 * ["price<20"],"quotas":{"films":3},"candidates":[{"domain":"films","id":"f1"}],"domainWeights":
 * {"films":2},"modalityWeights":{"image":0.5}}. Texts are the tree's, lists the arena's. MALFORMED
 * names a field of another type.
 */
ferry_status ferry_recommend_options_from_json(const cJSON *json, ferry_arena *arena,
                                               ferry_recommend_options *out, ferry_error *error);

/* What explains a list. */
typedef struct ferry_why {
    const ferry_visitor *visitor;
    ferry_explanation **items; /* [count] of each item */
    size_t count;
    ferry_counterfactual *counterfactual; /* or NULL */
} ferry_why;

/* Explains the items of a list that was made with these options; counterfactual: finds one too. */
ferry_status ferry_why_open(ferry_visitor *visitor, const ferry_recommend_options *options,
                            const ferry_recommendation *items, size_t count, bool counterfactual,
                            ferry_why *out, ferry_error *error);
void ferry_why_close(ferry_why *why);

/*
 * The object `ferry recommend --json` and the JS API give:
 * {"items":[{"rank","id","domain","title","score"}…],"excluded":{"seen","disliked","duplicate",
 * "filtered","limited"}}, appended on one line. In a catalogue of more than texts each item tells
 * its "modalities":["text","image"]. With why, which may be NULL, each item has an "explanation",
 * and beside the items are the "history" and, if there is one, the "counterfactual":
 * docs/explanations.md.
 */
ferry_status ferry_recommendations_json(const ferry_catalog *catalog,
                                        const ferry_recommendation *items, size_t count,
                                        const ferry_excluded *excluded, const ferry_why *why,
                                        ferry_buffer *out, ferry_error *error);

/* Trees of ferry_why's parts; NULL without memory. A counterfactual of NULL is null. */
cJSON *ferry_explanation_tree(const ferry_visitor *visitor, const ferry_explanation *explanation);
cJSON *ferry_history_tree(const ferry_visitor *visitor);
cJSON *ferry_counterfactual_tree(const ferry_visitor *visitor,
                                 const ferry_counterfactual *counterfactual);

#endif
