/* Reading the goldens: files, JSON lines, hashes. */
#ifndef FERRY_TEST_GOLDEN_H
#define FERRY_TEST_GOLDEN_H

#include "test.h"

#include "base/error.h"
#include "base/json.h"
#include "input/safetensors.h"

/* A path below native-tests/golden, in one of a few rotating static buffers. */
static inline const char *golden_path(const char *name)
{
    static char paths[4][1024];
    static int next;
    char *path = paths[next = (next + 1) % 4];
    snprintf(path, sizeof paths[0], "%s/native-tests/golden/%s", FERRY_SOURCE_DIR, name);
    return path;
}

/* The folder of pretrained models, or the one that FERRY_MODELS names. */
static inline const char *model_path(const char *name)
{
    static char path[1024];
    const char *models = getenv("FERRY_MODELS");
    if (models != NULL)
        snprintf(path, sizeof path, "%s/%s", models, name);
    else
        snprintf(path, sizeof path, "%s/.deps/models/%s", FERRY_SOURCE_DIR, name);
    return path;
}

/* An encoder from a directory; options.size is filled in. */
static inline ferry_encoder *encoder_open(const char *path, ferry_encoder_options options)
{
    ferry_error error;
    ferry_encoder *encoder;
    options.size = sizeof options;
    if (ferry_encoder_open_directory(path, &options, &encoder, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    return encoder;
}

/* [count, dimension]; free with free. */
static inline float *encoder_encode(ferry_encoder *encoder, const ferry_text *texts, size_t count)
{
    ferry_error error;
    float *out = malloc(count * ferry_encoder_dimension(encoder) * sizeof *out);
    assert_non_null(out);
    if (ferry_encoder_encode(encoder, texts, count, out, NULL, NULL, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    return out;
}

static inline bool file_exists(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file != NULL) fclose(file);
    return file != NULL;
}

/* The whole file, NUL behind it; free with free. */
static inline char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail_msg("cannot open %s", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *data = malloc(*size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, *size, file), *size);
    data[*size] = '\0';
    fclose(file);
    return data;
}

static inline uint64_t fnv1a(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 0x100000001b3u;
    return hash;
}

/* Sanitizers make MiniLM a hundred times slower: their builds take every 20th text, and say so. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { GOLDEN_STRIDE = 20 };
#else
enum { GOLDEN_STRIDE = 1 };
#endif

/* A golden of texts: NAME/text.jsonl of {"text","ids"} and NAME/text.safetensors. */
enum { GOLDEN_TEXTS = 1024 };

typedef struct golden_texts {
    size_t count;
    ferry_text text[GOLDEN_TEXTS];
    cJSON *line[GOLDEN_TEXTS];
    ferry_arena arena;
    char *bytes;             /* of text.safetensors */
    const float *embeddings; /* [count, dimension], the original's */
    size_t dimension;
} golden_texts;

/* NAME.jsonl and NAME.safetensors */
static inline void golden_texts_open_named(const char *base, golden_texts *out)
{
    char name[512];
    ferry_error error;
    size_t size;
    *out = (golden_texts){0};
    ferry_arena_init(&out->arena, ferry_allocator_or_default(NULL));
    snprintf(name, sizeof name, "%s.jsonl", base);
    char *lines = read_file(golden_path(name), &size);
    for (char *line = lines, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        assert_true(out->count < GOLDEN_TEXTS);
        cJSON **json = &out->line[out->count];
        if (ferry_json_parse(line, (size_t)(end - line), name, json, &error) != FERRY_OK)
            fail_msg("%s", error.message);
        const char *text = cJSON_GetObjectItem(*json, "text")->valuestring;
        out->text[out->count++] = (ferry_text){text, strlen(text)};
    }
    free(lines);
    snprintf(name, sizeof name, "%s.safetensors", base);
    out->bytes = read_file(golden_path(name), &size);
    ferry_file file = {name, out->bytes, size};
    ferry_safetensors tensors;
    if (ferry_safetensors_open(&file, &out->arena, &tensors, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    const ferry_tensor *tensor = ferry_safetensors_find(&tensors, "embeddings");
    assert_non_null(tensor);
    assert_int_equal(tensor->shape[0], out->count);
    out->dimension = tensor->shape[1];
    assert_int_equal(ferry_tensor_as_f32(tensor, &out->arena, &out->embeddings, &error), FERRY_OK);
}

static inline void golden_texts_open(const char *folder, golden_texts *out)
{
    char base[480];
    snprintf(base, sizeof base, "%stext", folder);
    golden_texts_open_named(base, out);
}

/* Keeps every stride-th text only. */
static inline void golden_texts_thin(golden_texts *golden, size_t stride)
{
    size_t kept = 0, N = golden->dimension;
    float *embeddings = ferry_arena_array(&golden->arena, golden->count, N * sizeof *embeddings);
    assert_non_null(embeddings);
    for (size_t i = 0; i < golden->count; i++) {
        if (i % stride != 0) {
            cJSON_Delete(golden->line[i]);
            continue;
        }
        golden->text[kept] = golden->text[i];
        golden->line[kept] = golden->line[i];
        memcpy(embeddings + kept * N, golden->embeddings + i * N, N * sizeof *embeddings);
        kept++;
    }
    golden->embeddings = embeddings;
    golden->count = kept;
    if (stride > 1) print_message("a sanitizer's build: every %zuth text only\n", stride);
}

static inline void golden_texts_close(golden_texts *golden)
{
    for (size_t i = 0; i < golden->count; i++) cJSON_Delete(golden->line[i]);
    ferry_arena_free(&golden->arena);
    free(golden->bytes);
}

#endif
