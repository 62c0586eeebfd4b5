/*
 * The exports of the wasm modules, which web/src/wasm.ts calls. One module instance holds one error
 * and one result: a call sets both, and JavaScript reads them before the next one. Texts are UTF-8
 * pointer and size; structured data is JSON, so that no struct layout is known outside C.
 *
 * Functions returning int return the status. Those returning a handle return NULL on failure.
 */
#include <stdlib.h>
#include <string.h>

#include "api/handles.h"
#include "api/wasm.h"
#include "base/error.h"
#include "base/json.h"
#include "base/options.h"
#include "base/pool_wasm.h"

enum { MAX_QUEUED = 64, MAX_KEPT = 1 << 20 };

static struct {
    ferry_error error;
    ferry_buffer result;
    ferry_file queue[MAX_QUEUED]; /* names and data are malloc's, and ours */
    size_t queued;
} instance;

/* Begins a call: no error, an empty result. */
static ferry_error *begin(void)
{
    instance.error = (ferry_error){0};
    if (instance.result.allocator.reallocate == NULL)
        ferry_buffer_init(&instance.result, ferry_allocator_or_default(NULL));
    if (instance.result.capacity > MAX_KEPT) { /* a file's bytes; whose memory is wanted again */
        ferry_wipe(instance.result.data, instance.result.capacity);
        ferry_buffer_free(&instance.result);
    }
    instance.result.size = 0;
    return &instance.error;
}

static int end(ferry_status status)
{
    instance.error.status = status;
    return (int)status;
}

ferry_error *ferry_wasm_begin(void)
{
    return begin();
}

int ferry_wasm_end(ferry_status status)
{
    return end(status);
}

ferry_buffer *ferry_wasm_output(void)
{
    return &instance.result;
}

bool ferry_wasm_write(void *user, const void *data, size_t size)
{
    (void)user;
    return ferry_buffer_append(&instance.result, data, size);
}

ferry_files ferry_wasm_queued(void)
{
    return (ferry_files){instance.queue, instance.queued};
}

/* ---- status, result, memory ---- */

const char *EXPORT(ferry_wasm_status_name)(int status)
{
    return ferry_status_name((ferry_status)status);
}

int EXPORT(ferry_wasm_status)(void)
{
    return (int)instance.error.status;
}

const char *EXPORT(ferry_wasm_message)(void)
{
    return instance.error.message;
}

char *EXPORT(ferry_wasm_result)(void)
{
    return instance.result.data;
}

size_t EXPORT(ferry_wasm_result_size)(void)
{
    return instance.result.size;
}

void *EXPORT(ferry_wasm_allocate)(size_t size)
{
    return malloc(size > 0 ? size : 1);
}

void EXPORT(ferry_wasm_release)(void *pointer)
{
    free(pointer);
}

ferry_status ferry_wasm_give(cJSON *json)
{
    bool given = json != NULL && ferry_json_append(&instance.result, json);
    cJSON_Delete(json);
    return given ? FERRY_OK : ferry_fail_memory(&instance.error, "the result");
}

/* result: {"version","kernels"}; UNSUPPORTED if the kernels fail their self-test. */
int EXPORT(ferry_wasm_capabilities)(void)
{
    const ferry_kernels *kernels;
    ferry_status status = ferry_kernels_choose(NULL, &kernels, begin());
    if (status == FERRY_OK) status = ferry_kernels_self_test(kernels, &instance.error);
    if (status != FERRY_OK) return end(status);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "version", ferry_version());
    cJSON_AddStringToObject(json, "kernels", kernels->name);
    return end(ferry_wasm_give(json));
}

/* ---- threads ---- */

/* Makes the helper workers, once they all run, the crew; UNSUPPORTED if they do not work. */
int EXPORT(ferry_wasm_enlist)(size_t helpers)
{
    return end(ferry_pool_enlist(helpers, begin()));
}

#if defined(__wasm_atomics__)
/* These two are called on a helper's own thread, in its instance, and touch nothing of `instance`.
 * stack is one past the end of memory that is the helper's alone. Does not return. */
void EXPORT(ferry_wasm_help)(size_t worker, char *stack)
{
    __asm__ volatile(".globaltype __stack_pointer, i32\n"
                     "local.get %0\n"
                     "global.set __stack_pointer" ::"r"(stack));
    ferry_pool_help(worker);
}

void EXPORT(ferry_wasm_helper_died)(void)
{
    ferry_pool_helper_died();
}
#endif

/* ---- files: queued one by one, opened together ---- */

void EXPORT(ferry_wasm_files_clear)(void)
{
    for (size_t i = 0; i < instance.queued; i++) {
        free((void *)(uintptr_t)instance.queue[i].name);
        free((void *)(uintptr_t)instance.queue[i].data);
    }
    instance.queued = 0;
}

/* Queues a file for the next open. Takes over data, from ferry_wasm_allocate, in any case. */
int EXPORT(ferry_wasm_file)(const char *name, size_t name_size, void *data, size_t size)
{
    ferry_error *error = begin();
    char *copy = instance.queued < MAX_QUEUED ? malloc(name_size + 1) : NULL;
    if (copy == NULL) {
        free(data);
        return end(instance.queued < MAX_QUEUED
                       ? ferry_fail_memory(error, "a file's name")
                       : ferry_fail(error, FERRY_LIMIT, "more than %d files", MAX_QUEUED));
    }
    memcpy(copy, name, name_size);
    copy[name_size] = '\0';
    instance.queue[instance.queued++] = (ferry_file){copy, data, size};
    return end(FERRY_OK);
}

/* Takes the bytes of the safetensors file that an open handle borrows off the queue; the centers of
 * an encoder are copied. */
static void *keep_borrowed(void)
{
    for (size_t i = 0; i < instance.queued; i++) {
        const char *ending = strrchr(instance.queue[i].name, '.');
        if (ending == NULL || strcmp(ending, ".safetensors") != 0) continue;
        if (strcmp(instance.queue[i].name, "centers.safetensors") == 0) continue;
        void *data = (void *)(uintptr_t)instance.queue[i].data;
        instance.queue[i].data = NULL;
        return data;
    }
    return NULL;
}

/* ---- encoder ---- */

/* A file of the queue is read: its memory is the next one's. */
static void free_queued(void *user, const ferry_file *file)
{
    (void)user;
    free((void *)(uintptr_t)file->data);
    instance.queue[file - instance.queue].data = NULL;
}

/* precision: a ferry_precision; prompt, center: names, or NULL; fit: a ferry_image_fit. result:
 * {"texts","images","sounds","classes","dimension","maxTokens","precision"} */
ferry_encoder *EXPORT(ferry_wasm_encoder_open)(int precision, const char *prompt,
                                               size_t prompt_size, const char *center,
                                               size_t center_size, int fit)
{
    ferry_encoder *encoder = NULL;
    ferry_error *error = begin();
    ferry_arena names; /* with NULs behind them */
    ferry_arena_init(&names, ferry_allocator_or_default(NULL));
    ferry_encoder_options options = {.size = sizeof options,
                                     .threads = ferry_pool_crew(),
                                     .precision = (ferry_precision)precision,
                                     .overwrite = true,
                                     .image_fit = (ferry_image_fit)fit,
                                     .done = free_queued};
    if (prompt != NULL) options.prompt = ferry_arena_text(&names, prompt, prompt_size);
    if (center != NULL) options.center = ferry_arena_text(&names, center, center_size);
    ferry_status status =
        (prompt != NULL && options.prompt == NULL) || (center != NULL && options.center == NULL)
            ? ferry_fail_memory(error, "the names of prompt and center")
            : ferry_encoder_open(instance.queue, instance.queued, &options, &encoder, error);
    ferry_arena_free(&names);
    if (status == FERRY_OK) {
        encoder->owner = keep_borrowed();
        encoder->release = free;
        cJSON *json = cJSON_CreateObject();
        cJSON_AddBoolToObject(json, "texts", ferry_encoder_takes_texts(encoder));
        cJSON_AddBoolToObject(json, "images", ferry_encoder_takes_images(encoder));
        cJSON_AddBoolToObject(json, "sounds", ferry_encoder_takes_sounds(encoder));
        cJSON_AddNumberToObject(json, "classes", (double)ferry_encoder_classes(encoder));
        cJSON_AddNumberToObject(json, "dimension", (double)ferry_encoder_dimension(encoder));
        cJSON_AddNumberToObject(json, "maxTokens", (double)ferry_encoder_max_tokens(encoder));
        bool int8 = ferry_encoder_precision(encoder) == FERRY_PRECISION_INT8;
        cJSON_AddStringToObject(json, "precision", int8 ? "int8" : "f32");
        status = ferry_wasm_give(json);
    }
    ferry_wasm_files_clear();
    if (end(status) == FERRY_OK) return encoder;
    ferry_encoder_close(encoder);
    return NULL;
}

void EXPORT(ferry_wasm_encoder_close)(ferry_encoder *encoder)
{
    ferry_encoder_close(encoder);
}

/* texts: one behind another, sizes [count]. result: float32 [count, dimension] */
int EXPORT(ferry_wasm_encode)(ferry_encoder *encoder, const char *texts, const uint32_t *sizes,
                              size_t count)
{
    ferry_error *error = begin();
    size_t N = ferry_encoder_dimension(encoder), bytes;
    ferry_text *list = calloc(count > 0 ? count : 1, sizeof *list);
    if (list == NULL || !ferry_size_multiply(count, N * sizeof(float), &bytes) ||
        !ferry_buffer_reserve(&instance.result, bytes)) {
        free(list);
        return end(ferry_fail_memory(error, "the embeddings"));
    }
    for (size_t i = 0; i < count; i++) {
        list[i] = (ferry_text){texts, sizes[i]};
        texts += sizes[i];
    }
    ferry_status status = ferry_encoder_encode(
        encoder, list, count, (float *)(void *)instance.result.data, NULL, NULL, error);
    free(list);
    if (status == FERRY_OK) instance.result.size = bytes;
    return end(status);
}

/* data [height, width, channels]. result: float32 [dimension] */
int EXPORT(ferry_wasm_encode_image)(ferry_encoder *encoder, const void *data, size_t width,
                                    size_t height, size_t channels)
{
    ferry_error *error = begin();
    ferry_image image = {data, width, height, channels};
    size_t bytes = ferry_encoder_dimension(encoder) * sizeof(float);
    if (!ferry_buffer_reserve(&instance.result, bytes))
        return end(ferry_fail_memory(error, "the embedding"));
    ferry_status status = ferry_encoder_encode_images(
        encoder, &image, 1, (float *)(void *)instance.result.data, NULL, NULL, error);
    if (status == FERRY_OK) instance.result.size = bytes;
    return end(status);
}

/* vectors [images + texts, dimension], the pictures' first. result: float32 [images, texts] */
int EXPORT(ferry_wasm_compare)(const ferry_encoder *encoder, const float *vectors, size_t images,
                               size_t texts)
{
    ferry_error *error = begin();
    size_t N = ferry_encoder_dimension(encoder), bytes;
    if (!ferry_size_multiply(images, texts, &bytes) ||
        !ferry_size_multiply(bytes, sizeof(float), &bytes) ||
        !ferry_buffer_reserve(&instance.result, ferry_at_least_one(bytes)))
        return end(ferry_fail_memory(error, "the probabilities"));
    ferry_status status =
        ferry_encoder_compare(encoder, vectors, images, vectors + images * N, texts, NULL,
                              (float *)(void *)instance.result.data, error);
    if (status == FERRY_OK) instance.result.size = bytes;
    return end(status);
}

/* result: [id…] */
int EXPORT(ferry_wasm_tokenize)(ferry_encoder *encoder, const char *text, size_t size)
{
    ferry_error *error = begin();
    size_t capacity = ferry_encoder_max_tokens(encoder), count;
    int32_t *ids = calloc(capacity, sizeof *ids);
    if (ids == NULL) return end(ferry_fail_memory(error, "the token ids"));
    ferry_status status =
        ferry_encoder_tokenize(encoder, (ferry_text){text, size}, ids, capacity, &count, error);
    if (status == FERRY_OK) status = ferry_wasm_give(cJSON_CreateIntArray(ids, (int)count));
    free(ids);
    return end(status);
}

/* ---- catalogue ---- */

/* result: {"count","dimension","domains":[{"name","count"}],"segments"?}, as catalog.json has them
 */
ferry_catalog *EXPORT(ferry_wasm_catalog_open)(void)
{
    ferry_catalog *catalog;
    ferry_status status =
        ferry_catalog_open(instance.queue, instance.queued, NULL, &catalog, begin());
    if (status == FERRY_OK) {
        catalog->owner = keep_borrowed();
        catalog->release = free;
        status = ferry_catalog_write_json(catalog, &instance.result, &instance.error);
    }
    ferry_wasm_files_clear();
    if (end(status) == FERRY_OK) return catalog;
    ferry_catalog_close(catalog);
    return NULL;
}

void EXPORT(ferry_wasm_catalog_close)(ferry_catalog *catalog)
{
    ferry_catalog_close(catalog);
}

/* The index of the item; domain may be empty, see ferry_catalog_find. */
static ferry_status find_item(const ferry_catalog *catalog, const char *domain, size_t domain_size,
                              const char *id, size_t id_size, size_t *index, ferry_error *error)
{
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_wiping(NULL));
    const char *domain_text = ferry_arena_text(&arena, domain, domain_size);
    const char *id_text = ferry_arena_text(&arena, id, id_size);
    ferry_status status = domain_text == NULL || id_text == NULL
                              ? ferry_fail_memory(error, "an item's name")
                              : ferry_catalog_find(catalog, domain_text, id_text, index, error);
    ferry_arena_free(&arena);
    return status;
}

/* result: the item as JSON. See find_item above. */
int EXPORT(ferry_wasm_catalog_find)(const ferry_catalog *catalog, const char *domain,
                                    size_t domain_size, const char *id, size_t id_size)
{
    ferry_error *error = begin();
    size_t index;
    ferry_status status = find_item(catalog, domain, domain_size, id, id_size, &index, error);
    if (status == FERRY_OK) {
        const ferry_catalog_entry *entry = &catalog->items[index];
        if (!ferry_buffer_append(&instance.result, entry->item.json, entry->json_size))
            status = ferry_fail_memory(error, "the item");
    }
    return end(status);
}

/* ---- model ---- */

/* {"learned":["domain"…]}, or NULL */
static cJSON *learned_domains(const ferry_model *model)
{
    cJSON *json = cJSON_CreateObject();
    cJSON *domains = cJSON_AddArrayToObject(json, "learned");
    bool fits = domains != NULL;
    for (size_t d = 0; d < model->known_domains && fits; d++) {
        if (!model->domains[d].learned) continue;
        cJSON *name = cJSON_CreateString(model->domains[d].name);
        fits = cJSON_AddItemToArray(domains, name);
        if (!fits) cJSON_Delete(name);
    }
    if (fits) return json;
    cJSON_Delete(json);
    return NULL;
}

/* Borrows the catalogue. result: learned_domains above */
ferry_model *EXPORT(ferry_wasm_model_open)(const ferry_catalog *catalog)
{
    ferry_model *model;
    ferry_status status =
        ferry_model_open(catalog, instance.queue, instance.queued, &model, begin());
    ferry_wasm_files_clear();
    if (status == FERRY_OK) status = ferry_wasm_give(learned_domains(model));
    if (end(status) == FERRY_OK) return model;
    ferry_model_close(model);
    return NULL;
}

/* No visitor may be using it. */
void EXPORT(ferry_wasm_model_close)(ferry_model *model)
{
    ferry_model_close(model);
}

/* ---- visitor ---- */

ferry_visitor *EXPORT(ferry_wasm_visitor_create)(const ferry_catalog *catalog)
{
    ferry_visitor *visitor;
    end(ferry_visitor_create(catalog, &visitor, begin()));
    return visitor;
}

/* model NULL: texts alone, which never fails */
int EXPORT(ferry_wasm_visitor_use)(ferry_visitor *visitor, const ferry_model *model)
{
    return end(ferry_visitor_use(visitor, model, begin()));
}

/* {"item","domain"?,"behavior"?,"value"?,"timestamp"?} */
int EXPORT(ferry_wasm_visitor_add)(ferry_visitor *visitor, const char *json, size_t size)
{
    ferry_error *error = begin();
    ferry_arena arena;
    ferry_event_row row;
    ferry_arena_init(&arena, ferry_allocator_wiping(NULL));
    ferry_status status = ferry_event_from_json(json, size, &arena, &row, error);
    if (status == FERRY_OK) {
        ferry_event event = {row.item,  row.domain,    row.behavior,
                             row.value, row.timestamp, row.behavior_name};
        status = ferry_visitor_add(visitor, &event, error);
    }
    ferry_arena_free(&arena);
    return end(status);
}

/* ---- forgetting, profiles ---- */

/* Zeros where earlier calls had their frames: the stack is a part of the memory as well. */
__attribute__((noinline)) static void wipe_stack(void)
{
    char frames[64 << 10]; /* of 256 KB; adding and recommending take less */
    ferry_wipe(frames, sizeof frames);
}

/* Past recommendations stand in the result until the next ones. */
static int end_forgotten(ferry_status status)
{
    wipe_stack();
    ferry_wipe(instance.result.data, instance.result.capacity);
    return end(status);
}

int EXPORT(ferry_wasm_visitor_undo)(ferry_visitor *visitor)
{
    return end_forgotten(ferry_visitor_undo(visitor, begin()));
}

int EXPORT(ferry_wasm_visitor_forget_event)(ferry_visitor *visitor, size_t index)
{
    return end_forgotten(ferry_visitor_forget_event(visitor, index, begin()));
}

void EXPORT(ferry_wasm_visitor_forget_all)(ferry_visitor *visitor)
{
    begin();
    ferry_visitor_forget_all(visitor);
    end_forgotten(FERRY_OK);
}

void EXPORT(ferry_wasm_visitor_close)(ferry_visitor *visitor)
{
    begin();
    ferry_visitor_close(visitor);
    end_forgotten(FERRY_OK);
}

/* result: how many events there were. See find_item above. */
int EXPORT(ferry_wasm_visitor_forget)(ferry_visitor *visitor, const char *domain,
                                      size_t domain_size, const char *id, size_t id_size)
{
    ferry_error *error = begin();
    size_t index, removed = 0;
    ferry_status status =
        find_item(visitor->catalog, domain, domain_size, id, id_size, &index, error);
    if (status == FERRY_OK) {
        const ferry_item *item = &visitor->catalog->items[index].item;
        status = ferry_visitor_forget(visitor, item->domain, item->id, &removed, error);
    }
    end_forgotten(status);
    if (status == FERRY_OK) status = ferry_wasm_give(cJSON_CreateNumber((double)removed));
    return end(status);
}

/* result: the profile */
int EXPORT(ferry_wasm_visitor_save)(ferry_visitor *visitor)
{
    ferry_error *error = begin();
    return end(ferry_visitor_write_profile(visitor, &instance.result, error));
}

static bool count_left_out(void *user, const char *file, size_t line, const char *reason)
{
    (void)file, (void)line, (void)reason;
    ++*(size_t *)user;
    return true;
}

/* result: {"events","leftOut"} */
int EXPORT(ferry_wasm_visitor_load)(ferry_visitor *visitor, const char *profile, size_t size)
{
    ferry_error *error = begin();
    size_t added, left_out = 0;
    ferry_status status =
        ferry_visitor_load(visitor, profile, size, count_left_out, &left_out, &added, error);
    end_forgotten(status);
    if (status != FERRY_OK) return end(status);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "events", (double)added);
    cJSON_AddNumberToObject(json, "leftOut", (double)left_out);
    return end(ferry_wasm_give(json));
}

/* ---- recommending ---- */

static ferry_status recommend(ferry_visitor *visitor, const ferry_recommend_options *options,
                              bool explain, ferry_error *error)
{
    const ferry_catalog *catalog = visitor->catalog;
    ferry_recommend_options bounded = *options;
    if (bounded.k > catalog->count && catalog->count > 0) bounded.k = catalog->count;
    ferry_recommendation *items = calloc(bounded.k > 0 ? bounded.k : 1, sizeof *items);
    if (items == NULL) return ferry_fail_memory(error, "the recommendations");
    ferry_excluded excluded;
    size_t count;
    ferry_status status =
        ferry_visitor_recommend(visitor, &bounded, items, &count, &excluded, error);
    ferry_why explained = {.visitor = visitor}, *why = explain ? &explained : NULL;
    if (status == FERRY_OK && explain)
        status = ferry_why_open(visitor, &bounded, items, count, false, why, error);
    if (status == FERRY_OK)
        status = ferry_recommendations_json(catalog, items, count, &excluded, why, &instance.result,
                                            error);
    ferry_why_close(&explained);
    free(items);
    return status;
}

static ferry_status counterfactual(ferry_visitor *visitor, const ferry_recommend_options *options,
                                   ferry_error *error)
{
    ferry_counterfactual *found;
    FERRY_TRY(ferry_visitor_counterfactual(visitor, options, &found, error));
    cJSON *tree = ferry_counterfactual_tree(visitor, found);
    ferry_counterfactual_free(found);
    return ferry_wasm_give(tree);
}

/* What both take: options as ferry_recommend_options_from_json, and whether to "explain". */
static ferry_status ask(ferry_visitor *visitor, const char *json, size_t size, bool for_events,
                        ferry_error *error)
{
    cJSON *tree;
    ferry_arena arena;
    ferry_recommend_options options;
    bool explain = false;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    ferry_status status = ferry_json_parse(json, size, "recommend", &tree, error);
    if (status == FERRY_OK)
        status = ferry_recommend_options_from_json(tree, &arena, &options, error);
    if (status == FERRY_OK) status = ferry_json_bool(tree, "explain", "recommend", &explain, error);
    if (status == FERRY_OK)
        status = for_events ? counterfactual(visitor, &options, error)
                            : recommend(visitor, &options, explain, error);
    ferry_arena_free(&arena);
    cJSON_Delete(tree);
    return status;
}

/* result: ferry_recommendations_json */
int EXPORT(ferry_wasm_visitor_recommend)(ferry_visitor *visitor, const char *json, size_t size)
{
    return end(ask(visitor, json, size, false, begin()));
}

/* result: ferry_counterfactual_tree */
int EXPORT(ferry_wasm_visitor_counterfactual)(ferry_visitor *visitor, const char *json, size_t size)
{
    return end(ask(visitor, json, size, true, begin()));
}
