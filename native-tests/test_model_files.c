/* What is wrong in a model's files is refused and named; every allocation fails once. */
#include "model_data.h"

#include "base/error.h"
#include "base/json.h"
#include "failing.h"

typedef struct fixture {
    data_catalog catalog;
    data_files files;
} fixture;

static int open_fixture(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    data_catalog_plain(NULL, NULL, &f->catalog);
    ferry_dataset *dataset = data_set_make(DATA_USERS);
    ferry_fit_options options = data_fit_options(NULL);
    options.train.epochs = 1;
    ferry_model *model = data_fit(dataset, f->catalog.catalog, &options, NULL);
    data_files_write(model, &f->files);
    ferry_model_close(model);
    ferry_dataset_close(dataset);
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    fixture *f = *state;
    data_files_free(&f->files);
    data_catalog_free(&f->catalog);
    free(f);
    return 0;
}

/* Loads with one file replaced. */
static ferry_status load_with(const fixture *f, size_t index, const void *bytes, size_t size,
                              ferry_error *error)
{
    ferry_file files[DATA_FILES];
    ferry_model *model;
    memcpy(files, f->files.files, sizeof files);
    files[index].data = bytes;
    files[index].size = size;
    ferry_files three = {files, DATA_FILES};
    *error = (ferry_error){0};
    ferry_status status = ferry_model_load(f->catalog.catalog, three, NULL, &model, error);
    assert_true((status == FERRY_OK) == (model != NULL));
    ferry_model_close(model);
    return status;
}

/* ---- ferry.json ---- */

static cJSON *parse_json(const fixture *f)
{
    cJSON *json;
    assert_int_equal(
        ferry_json_parse(f->files.bytes[0].data, f->files.bytes[0].size, "x", &json, NULL),
        FERRY_OK);
    return json;
}

static ferry_status load_json(const fixture *f, const cJSON *json, ferry_error *error)
{
    ferry_buffer text;
    ferry_buffer_init(&text, ferry_allocator_or_default(NULL));
    assert_true(ferry_json_append(&text, json));
    ferry_status status = load_with(f, 0, text.data, text.size, error);
    ferry_buffer_free(&text);
    return status;
}

static cJSON *domain_of(cJSON *json, int index)
{
    return cJSON_GetArrayItem(cJSON_GetObjectItem(json, "domains"), index);
}

/* The object of one of the fields below. */
static cJSON *part_of(cJSON *json, const char *part)
{
    if (strcmp(part, "net") == 0) return cJSON_GetObjectItem(json, "net");
    if (strcmp(part, "domain") == 0) return domain_of(json, 0);
    if (strcmp(part, "across") == 0) return cJSON_GetObjectItem(domain_of(json, 0), "across");
    return json;
}

static const struct {
    const char *part, *key;
} fields[] = {
    {"", "format"},
    {"", "version"},
    {"", "text_dimension"},
    {"", "text_model"},
    {"", "whitened"},
    {"", "content_scale"},
    {"", "behaviors"},
    {"", "domains"},
    {"net", "encoder"},
    {"net", "dim"},
    {"net", "layers"},
    {"net", "heads"},
    {"net", "feed_forward"},
    {"net", "max_length"},
    {"net", "content_dim"},
    {"net", "behaviors"},
    {"net", "time_buckets"},
    {"net", "adapter_rank"},
    {"net", "ids"},
    {"domain", "name"},
    {"domain", "items"},
    {"domain", "mix"},
    {"across", "factors"},
    {"across", "factor_deviation"},
    {"across", "profile_rank"},
    {"across", "alpha"},
    {"across", "lambda"},
};

static void expect_refused(const fixture *f, const cJSON *json, const char *key, const char *what)
{
    ferry_error error;
    ferry_status status = load_json(f, json, &error);
    if (status == FERRY_OK || status == FERRY_OUT_OF_MEMORY)
        fail_msg("\"%s\" %s: %s", key, what, ferry_status_name(status));
    if (strcmp(key, "text_model") == 0 || strcmp(key, "text_dimension") == 0) key = "text";
    if (strcmp(key, "encoder") == 0 && strcmp(what, "missing") == 0) key = "user encoder";
    if (strcmp(key, "name") == 0) key = "name";
    if (strstr(error.message, key) == NULL)
        fail_msg("\"%s\" %s: the message is \"%s\"", key, what, error.message);
}

static void every_field_of_the_json_is_needed(void **state)
{
    const fixture *f = *state;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *key = fields[i].key;
        cJSON *json = parse_json(f), *part = part_of(json, fields[i].part);
        cJSON *old = cJSON_DetachItemFromObject(part, key);
        assert_non_null(old);
        expect_refused(f, json, key, "missing");
        cJSON *wrong = cJSON_IsString(old) ? cJSON_CreateNumber(7) : cJSON_CreateString("seven");
        cJSON_AddItemToObject(part, key, wrong);
        expect_refused(f, json, key, "of another type");
        if (cJSON_IsNumber(old)) {
            cJSON_ReplaceItemInObject(part, key, cJSON_CreateNumber(-1));
            expect_refused(f, json, key, "negative");
            cJSON_ReplaceItemInObject(part, key, cJSON_CreateNumber(1e300));
            expect_refused(f, json, key, "huge");
        }
        cJSON_Delete(old);
        cJSON_Delete(json);
    }
}

/* Applied to the JSON text: `from` becomes `to`. */
static void expect_replaced(const fixture *f, const char *from, const char *to,
                            ferry_status expected, const char *message)
{
    const ferry_buffer *json = &f->files.bytes[0];
    char *text = calloc(json->size + strlen(to) + 1, 1), *at;
    ferry_error error;
    assert_non_null(text);
    memcpy(text, json->data, json->size);
    if ((at = strstr(text, from)) == NULL) fail_msg("no %s in %s", from, text);
    memmove(at + strlen(to), at + strlen(from), strlen(at + strlen(from)) + 1);
    memcpy(at, to, strlen(to));
    ferry_status status = load_with(f, 0, text, strlen(text), &error);
    if (status != expected || (message[0] != '\0' && strstr(error.message, message) == NULL))
        fail_msg("%s -> %s: %s: %s", from, to, ferry_status_name(status), error.message);
    free(text);
}

static void wrong_values_of_the_json_are_named(void **state)
{
    const fixture *f = *state;
    expect_replaced(f, "ferry-model", "ferry-car", FERRY_UNSUPPORTED, "ferry-car");
    expect_replaced(f, "\"version\":1", "\"version\":2", FERRY_UNSUPPORTED, "version 2");
    expect_replaced(f, "by hand", "by foot", FERRY_INVALID_ARGUMENT, "by foot");
    expect_replaced(f, "\"text_dimension\":12", "\"text_dimension\":13", FERRY_INVALID_ARGUMENT,
                    "13 numbers");
    expect_replaced(f, "\"whitened\":12", "\"whitened\":0", FERRY_MALFORMED, "whitened");
    expect_replaced(f, "\"content_dim\":12", "\"content_dim\":13", FERRY_LIMIT, "content_dim");
    expect_replaced(f, "\"encoder\":\"ema\"", "\"encoder\":\"rnn\"", FERRY_INVALID_ARGUMENT, "rnn");
    expect_replaced(f, "\"encoder\":\"ema\"", "\"encoder\":\"gru\"", FERRY_MALFORMED, "net.gru");
    expect_replaced(f, "\"feed_forward\":128", "\"feed_forward\":65536", FERRY_OK, "");
    expect_replaced(f, "\"dim\":8", "\"dim\":4096", FERRY_MALFORMED, "net.");
    expect_replaced(f, "\"adapter_rank\":2", "\"adapter_rank\":4096", FERRY_MALFORMED, "adapter.a");
    expect_replaced(f, "\"behaviors\":2", "\"behaviors\":3", FERRY_MALFORMED, "3 behaviors");
    expect_replaced(f, "[\"purchase\",\"view\"]", "[\"purchase\",7]", FERRY_MALFORMED, "behavior");
    expect_replaced(f, "\"name\":\"a\"", "\"name\":\"b\"", FERRY_MALFORMED, "\"b\" is there twice");
    expect_replaced(f, "\"name\":\"a\"", "\"name\":\"\"", FERRY_MALFORMED, "name");
    expect_replaced(f, "\"name\":\"a\"", "\"name\":\"z\"", FERRY_NOT_FOUND, "\"z\"");
    expect_replaced(f, "\"name\":\"a\"", "\"name\":\"c\"", FERRY_MALFORMED, "items.jsonl");
    expect_replaced(f, "\"items\":64", "\"items\":63", FERRY_MALFORMED, "fewer items");
    expect_replaced(f, "\"items\":64", "\"items\":65", FERRY_MALFORMED, "64 items");
    expect_replaced(f, "\"known\":{", "\"friend\":{", FERRY_UNSUPPORTED, "friend");
    expect_replaced(f, "\"known\":{\"net\"", "\"known\":{\"nets\"", FERRY_UNSUPPORTED, "nets");
    expect_replaced(f, "\"known\":{\"net\":", "\"known\":{\"net\":true,\"text\":", FERRY_MALFORMED,
                    "\"net\"");
    expect_replaced(f, "\"known\":{\"net\":", "\"known\":{\"text\":1e7,\"net\":", FERRY_MALFORMED,
                    "\"text\"");
    expect_replaced(f, "\"factors\":64", "\"factors\":63", FERRY_MALFORMED, "factors");
    expect_replaced(f, "\"profile_rank\":32", "\"profile_rank\":31", FERRY_MALFORMED, "profile");
    expect_replaced(f, "{", "[", FERRY_MALFORMED, "ferry.json");
}

/* ---- items.jsonl ---- */

static void items_are_checked(void **state)
{
    const fixture *f = *state;
    static const struct {
        const char *from, *to, *message;
    } cases[] = {
        {"{\"id\":\"a3\"", "{\"id\":\"a4\"", "twice"},
        {"{\"id\":\"a3\"", "{\"no\":\"a3\"", "items.jsonl:4"},
        {"{\"id\":\"a3\"", "{\"id\":\"a\"3", "items.jsonl:4"},
        {"\"a3\",\"domain\":\"a\"", "\"a3\",\"domain\":\"b\"", "\"b\" has fewer items"},
        {"\"a3\",\"domain\":\"a\"", "\"a3\",\"domain\":\"y\"", "\"y\" has no place"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ferry_error error;
        const ferry_buffer *items = &f->files.bytes[1];
        char *text = calloc(items->size + 1, 1);
        assert_non_null(text);
        memcpy(text, items->data, items->size);
        char *at = strstr(text, cases[i].from);
        assert_non_null(at);
        memcpy(at, cases[i].to, strlen(cases[i].to));
        assert_int_equal(load_with(f, 1, text, items->size, &error), FERRY_MALFORMED);
        if (strstr(error.message, cases[i].message) == NULL) fail_msg("%s", error.message);
        free(text);
    }
    ferry_error error;
    assert_int_equal(load_with(f, 1, "", 0, &error), FERRY_MALFORMED);
}

static void every_file_is_needed(void **state)
{
    const fixture *f = *state;
    for (size_t missing = 0; missing < DATA_FILES; missing++) {
        ferry_file two[2];
        ferry_error error;
        ferry_model *model;
        for (size_t i = 0, to = 0; i < DATA_FILES; i++)
            if (i != missing) two[to++] = f->files.files[i];
        ferry_files files = {two, 2};
        assert_int_equal(ferry_model_load(f->catalog.catalog, files, NULL, &model, &error),
                         FERRY_NOT_FOUND);
        assert_non_null(strstr(error.message, f->files.files[missing].name));
    }
}

/* ---- model.safetensors ---- */

typedef enum change { MISSING, OTHER_TYPE, A_ROW_LESS, ONE_RANK, NOT_FINITE, CHANGES } change;

static ferry_status load_changed(const fixture *f, size_t index, change how, const char **name,
                                 ferry_error *error)
{
    ferry_arena arena;
    ferry_safetensors open;
    ferry_tensor list[128];
    ferry_buffer bytes;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    ferry_buffer_init(&bytes, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_safetensors_open(&f->files.files[2], &arena, &open, NULL), FERRY_OK);
    assert_true(open.count <= 128 && index < open.count);
    memcpy(list, open.tensors, open.count * sizeof *list);
    ferry_tensor *t = &list[index];
    size_t count = open.count;
    *name = NULL;
    if (how == MISSING) {
        *t = list[--count];
    } else if (how == OTHER_TYPE) {
        t->dtype = t->dtype == FERRY_F32 ? FERRY_I32 : FERRY_F32;
    } else if (how == A_ROW_LESS && t->shape[0] > 0) {
        size_t row = t->count / t->shape[0];
        t->shape[0]--;
        t->count -= row;
        t->size -= 4 * row;
    } else if (how == ONE_RANK) {
        t->shape[t->rank++] = 1;
    } else if (how == NOT_FINITE && t->dtype == FERRY_F32 && t->count > 0) {
        float *values = ferry_arena_array(&arena, t->count, sizeof *values);
        assert_non_null(values);
        memcpy(values, t->data, t->size);
        values[t->count - 1] = index % 2 == 0 ? NAN : -INFINITY;
        t->data = values;
    } else {
        ferry_arena_free(&arena);
        return FERRY_MALFORMED; /* nothing to change */
    }
    static char kept[256];
    snprintf(kept, sizeof kept, "%s", open.tensors[index].name);
    *name = kept;
    assert_int_equal(ferry_safetensors_write(list, count, NULL, 0, &bytes, NULL), FERRY_OK);
    ferry_status status = load_with(f, 2, bytes.data, bytes.size, error);
    ferry_buffer_free(&bytes);
    ferry_arena_free(&arena);
    return status;
}

static size_t tensor_count(const fixture *f)
{
    ferry_arena arena;
    ferry_safetensors open;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_safetensors_open(&f->files.files[2], &arena, &open, NULL), FERRY_OK);
    size_t count = open.count;
    ferry_arena_free(&arena);
    return count;
}

static void every_tensor_is_needed_as_it_is(void **state)
{
    const fixture *f = *state;
    size_t count = tensor_count(f);
    assert_true(count > 40);
    for (size_t i = 0; i < count; i++)
        for (change how = MISSING; how < CHANGES; how++) {
            const char *name;
            ferry_error error = {0};
            ferry_status status = load_changed(f, i, how, &name, &error);
            if (name == NULL) continue;
            if (status != FERRY_MALFORMED)
                fail_msg("%s, change %d: %s", name, (int)how, ferry_status_name(status));
            /* of a sparse matrix a part may be named for another: "neighbors" for all of them */
            char part[64];
            snprintf(part, sizeof part, "%.*s", (int)strcspn(name, "_"), name);
            if (strstr(error.message, part) == NULL)
                fail_msg("%s, change %d: %s", name, (int)how, error.message);
        }
    print_message("%zu tensors, each changed in %d ways\n", count, (int)CHANGES);
}

/* One number of an I32 tensor replaced. */
static void expect_index_refused(const fixture *f, const char *tensor, size_t at, uint32_t value)
{
    ferry_arena arena;
    ferry_safetensors open;
    ferry_error error;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    ferry_buffer bytes;
    ferry_buffer_init(&bytes, ferry_allocator_or_default(NULL));
    assert_true(ferry_buffer_append(&bytes, f->files.bytes[2].data, f->files.bytes[2].size));
    ferry_file file = {FERRY_MODEL_TENSORS, bytes.data, bytes.size};
    assert_int_equal(ferry_safetensors_open(&file, &arena, &open, NULL), FERRY_OK);
    const ferry_tensor *t = ferry_safetensors_find(&open, tensor);
    assert_non_null(t);
    if (at == SIZE_MAX) at = t->count - 1;
    memcpy(bytes.data + ((const char *)t->data - bytes.data) + 4 * at, &value, 4);
    ferry_status status = load_with(f, 2, bytes.data, bytes.size, &error);
    if (status != FERRY_MALFORMED || strstr(error.message, FERRY_MODEL_TENSORS) == NULL)
        fail_msg("%s[%zu] = %u: %s: %s", tensor, at, value, ferry_status_name(status),
                 error.message);
    ferry_buffer_free(&bytes);
    ferry_arena_free(&arena);
}

static void indices_out_of_range_are_refused(void **state)
{
    const fixture *f = *state;
    expect_index_refused(f, "a.neighbors_item", 0, 64);
    expect_index_refused(f, "a.neighbors_item", SIZE_MAX, UINT32_MAX);
    expect_index_refused(f, "a.across_item", 0, 64);
    expect_index_refused(f, "b.across_item", 5, 48);
    expect_index_refused(f, "a.neighbors_start", 0, 1);
    expect_index_refused(f, "a.neighbors_start", 3, 1u << 30);
    expect_index_refused(f, "b.across_start", SIZE_MAX, 0);
    expect_index_refused(f, "b.across_start", SIZE_MAX, UINT32_MAX);
}

/* ---- memory ---- */

static size_t json_allowed;
static void *limited_malloc(size_t size)
{
    if (json_allowed == 0) return NULL;
    json_allowed--;
    return malloc(size);
}

static void loading_survives_every_failed_allocation(void **state)
{
    fixture *f = *state;
    failing memory;
    ferry_allocator allocator = failing_allocator(&memory, SIZE_MAX);
    data_catalog catalog;
    ferry_files three = {f->files.files, DATA_FILES};
    ferry_model *model;
    ferry_error error;
    data_catalog_plain(NULL, &allocator, &catalog);
    size_t live = memory.live;
    memory.count = 0;
    assert_int_equal(ferry_model_load(catalog.catalog, three, NULL, &model, &error), FERRY_OK);
    ferry_model_close(model);
    assert_int_equal(memory.live, live);
    size_t total = memory.count;
    for (size_t left = 0; left < total; left++) {
        memory.left = left;
        assert_int_equal(ferry_model_load(catalog.catalog, three, NULL, &model, &error),
                         FERRY_OUT_OF_MEMORY);
        assert_null(model);
        assert_int_equal(memory.live, live);
    }
    memory.left = SIZE_MAX;
    cJSON_Hooks hooks = {limited_malloc, free};
    cJSON_InitHooks(&hooks);
    size_t json = 0;
    for (ferry_status status = FERRY_OUT_OF_MEMORY; status != FERRY_OK; json++) {
        json_allowed = json;
        status = ferry_model_load(catalog.catalog, three, NULL, &model, &error);
        assert_true(status == FERRY_OK || status == FERRY_OUT_OF_MEMORY);
        ferry_model_close(model);
        assert_int_equal(memory.live, live);
        if (json > 100) json += 40; /* the items' lines are alike */
    }
    cJSON_InitHooks(NULL);
    print_message("%zu allocations of ours, %zu of cJSON's\n", total, json);
    data_catalog_free(&catalog);
}

static void fitting_survives_every_failed_allocation(void **state)
{
    (void)state;
    failing memory;
    ferry_allocator allocator = failing_allocator(&memory, SIZE_MAX);
    data_catalog catalog;
    data_catalog_plain(NULL, &allocator, &catalog);
    ferry_dataset *dataset = data_set_make(120);
    ferry_fit_options options = data_fit_options(NULL);
    ferry_error error;
    const size_t domains[] = {0, 1};
    options.train.epochs = 1;
    size_t live = memory.live;
    memory.count = 0;
    ferry_model *model = data_fit(dataset, catalog.catalog, &options, NULL);
    assert_true(model->domains[0].across.source_items > 0);
    ferry_model_close(model);
    assert_int_equal(memory.live, live);
    size_t total = memory.count, turns = 0, step = 1 + total / 400;
    for (size_t left = 0; left < total; left += step, turns++) {
        memory.left = left;
        ferry_status status =
            ferry_fit(dataset, catalog.catalog, domains, 2, &options, &model, NULL, &error);
        if (status != FERRY_OUT_OF_MEMORY)
            fail_msg("allocation %zu of %zu failing gave %s: %s", left, total,
                     ferry_status_name(status), error.message);
        assert_null(model);
        assert_int_equal(memory.live, live);
    }
    memory.left = SIZE_MAX;
    print_message("%zu allocations, %zu of them failed once\n", total, turns);
    ferry_dataset_close(dataset);
    data_catalog_free(&catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_the_json_is_needed),
        cmocka_unit_test(wrong_values_of_the_json_are_named),
        cmocka_unit_test(items_are_checked),
        cmocka_unit_test(every_file_is_needed),
        cmocka_unit_test(every_tensor_is_needed_as_it_is),
        cmocka_unit_test(indices_out_of_range_are_refused),
        cmocka_unit_test(loading_survives_every_failed_allocation),
        cmocka_unit_test(fitting_survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
