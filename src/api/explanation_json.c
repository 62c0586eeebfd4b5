/* Explanations and counterfactuals as JSON: docs/explanations.md. */
#include <string.h>

#include "api/handles.h"
#include "base/error.h"
#include "rank/explain.h"

ferry_status ferry_why_open(ferry_visitor *visitor, const ferry_recommend_options *options,
                            const ferry_recommendation *items, size_t count, bool counterfactual,
                            ferry_why *out, ferry_error *error)
{
    ferry_explainer explainer;
    *out = (ferry_why){.visitor = visitor};
    if (counterfactual)
        FERRY_TRY(ferry_visitor_counterfactual(visitor, options, &out->counterfactual, error));
    out->items = ferry_allocate(&visitor->allocator, ferry_at_least_one(count), sizeof *out->items);
    if (out->items == NULL) {
        ferry_why_close(out);
        return ferry_fail_memory(error, "the explanations");
    }
    out->count = count;
    ferry_status status = ferry_explainer_open(visitor, options, items, count, &explainer, error);
    for (size_t i = 0; i < count && status == FERRY_OK; i++)
        status = ferry_explainer_explain(&explainer, items[i].item, &out->items[i], error);
    ferry_explainer_close(&explainer);
    if (status != FERRY_OK) ferry_why_close(out);
    return status;
}

void ferry_why_close(ferry_why *why)
{
    for (size_t i = 0; i < why->count; i++) ferry_explanation_free(why->items[i]);
    if (why->items != NULL)
        ferry_release(&why->visitor->allocator, why->items,
                      ferry_at_least_one(why->count) * sizeof *why->items);
    ferry_counterfactual_free(why->counterfactual);
    *why = (ferry_why){.visitor = why->visitor};
}

/* ---- trees ---- */

static bool add_float(cJSON *object, const char *name, double value)
{
    return ferry_json_add(object, name, ferry_json_from_float((float)value));
}

/* The tree, or NULL if it could not be made whole. */
static cJSON *whole(cJSON *tree, bool fits)
{
    if (fits) return tree;
    cJSON_Delete(tree);
    return NULL;
}

static bool add_item(cJSON *object, const ferry_visitor *visitor, size_t item)
{
    const ferry_item *of = &visitor->catalog->items[item].item;
    return ferry_json_add(object, "id", cJSON_CreateString(of->id)) &&
           ferry_json_add(object, "domain", cJSON_CreateString(of->domain)) &&
           ferry_json_add(object, "title", cJSON_CreateString(of->title));
}

/* {"event"?,"id","domain","title"} */
static cJSON *item_tree(const ferry_visitor *visitor, size_t event, size_t item)
{
    cJSON *json = cJSON_CreateObject();
    bool fits =
        event == FERRY_NO_EVENT || cJSON_AddNumberToObject(json, "event", (double)event) != NULL;
    return whole(json, fits && add_item(json, visitor, item));
}

cJSON *ferry_history_tree(const ferry_visitor *visitor)
{
    cJSON *list = cJSON_CreateArray();
    bool fits = list != NULL;
    for (size_t added = 0; added < visitor->count && fits; added++) {
        const ferry_history_event *event = visitor->events;
        while (event->added != added) event++;
        cJSON *json = cJSON_CreateObject();
        fits = ferry_json_add_to_array(list, json) && add_item(json, visitor, event->item) &&
               ferry_json_add(json, "behavior",
                              cJSON_CreateString(ferry_visitor_behavior(visitor, event)));
        if (event->behavior == FERRY_RATING)
            fits = fits && cJSON_AddNumberToObject(json, "value", event->value) != NULL;
        if (event->timestamp != 0)
            fits = fits &&
                   cJSON_AddNumberToObject(json, "timestamp", (double)event->timestamp) != NULL;
    }
    return whole(list, fits);
}

/* {"words":62…} */
static cJSON *percent_tree(const ferry_explanation *x)
{
    cJSON *json = cJSON_CreateObject();
    bool fits = json != NULL;
    for (size_t g = 0; g < FERRY_GROUP_COUNT; g++)
        if (x->percent[g] > 0)
            fits = fits && cJSON_AddNumberToObject(json, ferry_group_name((ferry_group)g),
                                                   (double)x->percent[g]) != NULL;
    return whole(json, fits);
}

static cJSON *approximate_tree(const ferry_explanation *x)
{
    cJSON *list = cJSON_CreateArray();
    bool fits = list != NULL;
    for (size_t r = 0; r < FERRY_REASON_COUNT; r++)
        if (x->approximate[r])
            fits = fits && ferry_json_add_to_array(
                               list, cJSON_CreateString(ferry_reason_name((ferry_reason)r)));
    return whole(list, fits);
}

/* The contributions from the first one on that are of one event, {"text":0.3…}; *at goes on. */
static cJSON *reasons_tree(const ferry_explanation *x, size_t *at)
{
    cJSON *json = cJSON_CreateObject();
    bool fits = json != NULL;
    size_t event = *at < x->contribution_count ? x->contributions[*at].event : FERRY_NO_EVENT;
    for (; *at < x->contribution_count && x->contributions[*at].event == event; ++*at)
        fits = fits && add_float(json, ferry_reason_name(x->contributions[*at].reason),
                                 x->contributions[*at].value);
    return whole(json, fits);
}

static bool add_contributions(cJSON *json, const ferry_explanation *x)
{
    cJSON *events = cJSON_AddArrayToObject(json, "events");
    size_t at = 0;
    while (at < x->contribution_count && x->contributions[at].event != FERRY_NO_EVENT) {
        cJSON *event = cJSON_CreateObject();
        size_t number = x->contributions[at].event;
        if (!ferry_json_add_to_array(events, event) ||
            cJSON_AddNumberToObject(event, "event", (double)number) == NULL ||
            !add_float(event, "sum", x->events[number].sum) ||
            !ferry_json_add(event, "reasons", reasons_tree(x, &at)))
            return false;
    }
    return events != NULL && ferry_json_add(json, "others", reasons_tree(x, &at));
}

cJSON *ferry_explanation_tree(const ferry_visitor *visitor, const ferry_explanation *explanation)
{
    const ferry_explanation *x = explanation;
    cJSON *json = cJSON_CreateObject();
    bool fits = ferry_json_add(json, "sentence", cJSON_CreateString(x->sentence)) &&
                ferry_json_add(json, "percent", percent_tree(x));
    if (x->because != FERRY_NO_EVENT)
        fits = fits && ferry_json_add(json, "because",
                                      item_tree(visitor, x->because, x->events[x->because].item));
    fits = fits && add_contributions(json, x) && add_float(json, "constant", x->constant) &&
           add_float(json, "residual", x->residual) &&
           ferry_json_add(json, "complete", cJSON_CreateBool(x->complete)) &&
           ferry_json_add(json, "approximate", approximate_tree(x));
    return whole(json, fits);
}

cJSON *ferry_counterfactual_tree(const ferry_visitor *visitor,
                                 const ferry_counterfactual *counterfactual)
{
    const ferry_counterfactual *c = counterfactual;
    if (c == NULL) return cJSON_CreateNull();
    cJSON *json = cJSON_CreateObject(), *without = cJSON_CreateArray();
    bool fits = ferry_json_add(json, "without", without) &&
                ferry_json_add(json, "item", item_tree(visitor, FERRY_NO_EVENT, c->item)) &&
                ferry_json_add(json, "instead", item_tree(visitor, FERRY_NO_EVENT, c->instead)) &&
                ferry_json_add(json, "smallest", cJSON_CreateBool(c->smallest));
    for (size_t i = 0; i < c->event_count && fits; i++)
        fits =
            ferry_json_add_to_array(without, item_tree(visitor, c->events[i], c->event_items[i]));
    return whole(json, fits);
}
