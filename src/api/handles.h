/* The structs behind ferry.h's handles that are made here, and what api/ shares. */
#ifndef FERRY_API_HANDLES_H
#define FERRY_API_HANDLES_H

#include "base/json.h"
#include "encode/text_encoder.h"
#include "recsys/visitor.h"

struct ferry_encoder {
    ferry_arena arena;
    ferry_text_encoder text;
    void (*release)(void *owner); /* what keeps borrowed bytes alive, if the handle owns it */
    void *owner;
};

/*
 * The options of a recommendation under the names the JS API gives them, e.g. {"k":10,"where":
 * ["price<20"],"quotas":{"films":3},"candidates":[{"domain":"films","id":"f1"}]}. Texts are the
 * tree's, lists the arena's. MALFORMED names a field of another type.
 */
ferry_status ferry_recommend_options_from_json(const cJSON *json, ferry_arena *arena,
                                               ferry_recommend_options *out, ferry_error *error);

/*
 * The object `ferry recommend --json` and the JS API give:
 * {"items":[{"rank","id","domain","title","score"}…],"excluded":{"seen","disliked","duplicate",
 * "filtered","limited"}}, appended on one line.
 */
ferry_status ferry_recommendations_json(const ferry_catalog *catalog,
                                        const ferry_recommendation *items, size_t count,
                                        const ferry_excluded *excluded, ferry_buffer *out,
                                        ferry_error *error);

/* What the visitor can set, of the options the JS API hands over: {"halfLife"?,"now"?,"novelty"?,
 * "domainWeights":{"domain":weight…}?}. Names are the tree's, the list of weights the arena's. */
ferry_status ferry_controls_from_json(const cJSON *json, ferry_arena *arena,
                                      ferry_recommend_options *out, ferry_error *error);

#endif
