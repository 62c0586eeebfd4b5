/*
 * The three files of a catalogue, behind the sizes of the first two (16 bits each, the lower
 * first): what opens is searched, recommended from and explained, and written again opens as the
 * same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "recsys/visitor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES = 3, MOST = 16, MOST_NUMBERS = 4096 };
static const char *const names[FILES] = {"catalog.json", "items.jsonl", "vectors.safetensors"};

/* By each modality alone, and with other weights; scores are numbers whatever the file says. */
static void use(const ferry_catalog *catalog)
{
    ferry_visitor *visitor;
    ferry_recommendation list[MOST];
    size_t count;
    if (catalog->count == 0 || catalog->count > MOST || catalog->dimension > MOST_NUMBERS) return;
    for (unsigned set = 0; set < 1u << FERRY_MODALITY_COUNT; set++) {
        ferry_nearest_options options = {.size = sizeof options, .k = MOST, .modalities = set};
        if (ferry_catalog_nearest(catalog, catalog->vectors, &options, list, &count, NULL) !=
            FERRY_OK)
            continue;
        for (size_t i = 0; i < count; i++)
            if (!(list[i].score >= -1.1f && list[i].score <= 1.1f)) abort();
    }
    if (ferry_visitor_create(catalog, &visitor, NULL) != FERRY_OK) abort();
    const ferry_item *first = &catalog->items[0].item;
    ferry_event event = {.item = first->id, .domain = first->domain, .behavior = FERRY_LIKE};
    if (ferry_visitor_add(visitor, &event, NULL) != FERRY_OK) abort();
    for (size_t s = 0; s <= catalog->segment_count; s++) {
        ferry_modality_weight weight = {catalog->segments[s % catalog->segment_count].modality,
                                        0.75f};
        ferry_recommend_options options = {.size = sizeof options,
                                           .k = MOST,
                                           .keep_seen = true,
                                           .modality_weights = &weight,
                                           .modality_weight_count = s < catalog->segment_count};
        if (ferry_visitor_recommend(visitor, &options, list, &count, NULL, NULL) != FERRY_OK)
            continue;
        ferry_explanation *why; /* checks its own sum */
        if (ferry_visitor_explain(visitor, &options, 0, &why, NULL) != FERRY_OK) abort();
        ferry_explanation_free(why);
    }
    ferry_visitor_close(visitor);
}

static bool append(void *buffer, const void *data, size_t size)
{
    return ferry_buffer_append(buffer, data, size);
}

static void write_again(const ferry_catalog *catalog)
{
    ferry_buffer bytes[FILES];
    ferry_catalog *again;
    for (size_t i = 0; i < FILES; i++) ferry_buffer_init(&bytes[i], catalog->allocator);
    size_t size = catalog->count * catalog->dimension * sizeof(float);
    for (size_t i = 0; i < FILES; i++)
        if (ferry_catalog_write(catalog, names[i], append, &bytes[i], NULL) != FERRY_OK) abort();
    ferry_file files[FILES];
    for (size_t i = 0; i < FILES; i++)
        files[i] = (ferry_file){names[i], bytes[i].data, bytes[i].size};
    if (ferry_catalog_open(files, FILES, NULL, &again, NULL) != FERRY_OK) abort();
    if (again->count != catalog->count || again->segment_count != catalog->segment_count ||
        memcmp(again->vectors, catalog->vectors, size) != 0 ||
        memcmp(again->modalities, catalog->modalities, catalog->count) != 0)
        abort();
    ferry_catalog_close(again);
    for (size_t i = 0; i < FILES; i++) ferry_buffer_free(&bytes[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ferry_catalog *catalog;
    ferry_file files[FILES];
    size_t sizes[FILES], at = 4;
    if (size < at) return 0;
    sizes[0] = (size_t)data[0] | (size_t)data[1] << 8;
    sizes[1] = (size_t)data[2] | (size_t)data[3] << 8;
    for (size_t i = 0; i < FILES; i++) {
        if (i + 1 == FILES || sizes[i] > size - at) sizes[i] = size - at;
        files[i] = (ferry_file){names[i], data + at, sizes[i]};
        at += sizes[i];
    }
    if (ferry_catalog_open(files, FILES, NULL, &catalog, NULL) != FERRY_OK) return 0;
    if (catalog->count > 0) write_again(catalog);
    use(catalog);
    ferry_catalog_close(catalog);
    return 0;
}
