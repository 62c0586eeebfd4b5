/* The three files of a model, one behind the other, for a catalogue of six items: what loads gives
 * scores, and written again loads as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "input/safetensors.h"
#include "recsys/model_files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES = 3, ITEMS = 6, DIMENSION = 3, MOST_SCORES = 8 };
static const char *const names[FILES] = {FERRY_MODEL_JSON, FERRY_MODEL_ITEMS, FERRY_MODEL_TENSORS};

static ferry_catalog *make_catalog(ferry_buffer *vectors)
{
    static const char about[] = "{\"format\":\"ferry-catalog\",\"version\":1,\"count\":6,"
                                "\"dimension\":3,\"text_model\":\"m\",\"domains\":[]}";
    static const char items[] = "{\"id\":\"1\",\"domain\":\"a\",\"title\":\"one red\"}\n"
                                "{\"id\":\"2\",\"domain\":\"a\",\"title\":\"two red\"}\n"
                                "{\"id\":\"3\",\"domain\":\"a\",\"author\":\"me\"}\n"
                                "{\"id\":\"1\",\"domain\":\"b\",\"tags\":[\"red\"]}\n"
                                "{\"id\":\"2\",\"domain\":\"b\",\"title\":\"two\"}\n"
                                "{\"id\":\"1\",\"domain\":\"c\",\"title\":\"new\"}\n";
    static const float values[ITEMS][DIMENSION] = {{1, 0, 0},     {0, 1, 0}, {0, 0, 1},
                                                   {.6f, .8f, 0}, {0, 1, 0}, {.8f, 0, .6f}};
    ferry_tensor tensor = {.name = "text",
                           .dtype = FERRY_F32,
                           .rank = 2,
                           .shape = {ITEMS, DIMENSION},
                           .count = ITEMS * DIMENSION,
                           .data = values,
                           .size = sizeof values};
    ferry_catalog *catalog;
    if (ferry_safetensors_write(&tensor, 1, NULL, 0, vectors, NULL) != FERRY_OK) abort();
    ferry_file files[] = {{"catalog.json", about, sizeof about - 1},
                          {"items.jsonl", items, sizeof items - 1},
                          {"vectors.safetensors", vectors->data, vectors->size}};
    if (ferry_catalog_open(files, 3, NULL, &catalog, NULL) != FERRY_OK) abort();
    return catalog;
}

/* Every domain's scores for histories in each of the others; the sum of their bits. */
static uint64_t score(const ferry_model *model)
{
    static const ferry_history_entry history[] = {
        {.domain = 0, .item = 0, .weight = 1.0f, .scale = 1.0f, .timestamp = 5},
        {.domain = 1, .item = 1, .weight = 0.5f, .scale = 1.0f, .timestamp = 4000},
        {.domain = 1, .item = 0, .weight = -1.0f, .scale = 1.0f, .timestamp = 90000},
        {.domain = 2, .item = 0, .weight = 1.0f, .scale = 1.0f, .timestamp = -9},
        {.domain = 0, .item = 1, .weight = 1.0f, .scale = 1.0f, .timestamp = 0},
        {.domain = 0, .item = 0, .weight = 1.0f, .scale = 1.0f, .timestamp = 1073741824}};
    ferry_model_scratch *scratch;
    uint64_t sum = 0;
    if (ferry_model_scratch_create(model, &scratch, NULL) != FERRY_OK) abort();
    for (size_t d = 0; d < model->domain_count; d++)
        for (size_t count = 0; count <= sizeof history / sizeof *history; count++) {
            float scores[MOST_SCORES];
            ferry_history_entry known[sizeof history / sizeof *history];
            size_t kept = 0;
            for (size_t i = 0; i < count; i++) /* a model's order of domains is its own */
                if (history[i].item < model->domains[history[i].domain].items)
                    known[kept++] = history[i];
            ferry_model_score(model, d, known, kept, scratch, scores);
            for (size_t i = 0; i < model->domains[d].items; i++) {
                uint32_t bits;
                memcpy(&bits, &scores[i], sizeof bits);
                sum = sum * 31 + (scores[i] == scores[i] ? bits : 1); /* any NaN is one */
            }
        }
    ferry_model_scratch_close(scratch);
    return sum;
}

static void write_again(const ferry_catalog *catalog, const ferry_model *model)
{
    ferry_buffer bytes[FILES];
    ferry_file files[FILES];
    ferry_model *again;
    for (int i = 0; i < FILES; i++) ferry_buffer_init(&bytes[i], ferry_allocator_or_default(NULL));
    if (ferry_model_write_json(model, &bytes[0], NULL) != FERRY_OK ||
        ferry_model_write_items(model, &bytes[1], NULL) != FERRY_OK ||
        ferry_model_write_tensors(model, &bytes[2], NULL) != FERRY_OK)
        abort();
    for (int i = 0; i < FILES; i++) files[i] = (ferry_file){names[i], bytes[i].data, bytes[i].size};
    ferry_files three = {files, FILES};
    if (ferry_model_load(catalog, three, NULL, &again, NULL) != FERRY_OK) abort();
    if (score(again) != score(model)) abort();
    ferry_model_close(again);
    for (int i = 0; i < FILES; i++) ferry_buffer_free(&bytes[i]);
}

/* Two sizes of 16 bits, then the files. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ferry_file files[FILES];
    ferry_buffer vectors;
    size_t at = 4;
    if (size < 4) return 0;
    for (size_t i = 0; i < FILES; i++) {
        size_t length = i < 2 ? (size_t)(data[2 * i] | data[2 * i + 1] << 8) : size - at;
        if (length > size - at) length = size - at;
        files[i] = (ferry_file){names[i], data + at, length};
        at += length;
    }
    ferry_buffer_init(&vectors, ferry_allocator_or_default(NULL));
    ferry_catalog *catalog = make_catalog(&vectors);
    ferry_model *model;
    ferry_error error;
    error.message[0] = '\0';
    ferry_files three = {files, FILES};
    if (ferry_model_load(catalog, three, NULL, &model, &error) == FERRY_OK) {
        score(model);
        write_again(catalog, model);
    } else if (model != NULL || error.message[0] == '\0') {
        abort();
    }
    ferry_model_close(model);
    ferry_catalog_close(catalog);
    ferry_buffer_free(&vectors);
    return 0;
}
