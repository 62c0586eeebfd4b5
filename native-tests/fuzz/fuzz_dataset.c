/* The three files of a data set, one behind the other: what loads keeps every rule, and written
 * again loads as the same. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "recsys/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FILES = 3 };
static const char *const names[FILES] = {"dataset.json", "items.jsonl", "events.safetensors"};

static void check_domain(const ferry_dataset *dataset, const ferry_interactions *domain)
{
    if (domain->start[0] != 0 || domain->start[domain->user_count] != domain->event_count) abort();
    for (size_t u = 0; u < domain->user_count; u++) {
        if (domain->user[u] >= dataset->user_count) abort();
        if (domain->start[u + 1] <= domain->start[u]) abort();
    }
    for (size_t i = 0; i < domain->item_count; i++)
        if (domain->items[i][0] == '\0') abort();
    for (size_t e = 0; e < domain->event_count; e++)
        if (domain->item[e] >= domain->item_count ||
            domain->behavior[e] >= dataset->behavior_count || domain->part[e] >= FERRY_PARTS ||
            !isfinite(domain->value[e]) || !isfinite(domain->weight[e]))
            abort();
}

static void write_again(const ferry_dataset *dataset)
{
    ferry_buffer bytes[FILES];
    ferry_file files[FILES];
    ferry_error error;
    ferry_dataset *again;
    for (int i = 0; i < FILES; i++) ferry_buffer_init(&bytes[i], ferry_allocator_or_default(NULL));
    if (ferry_dataset_write_json(dataset, NULL, NULL, &bytes[0], &error) != FERRY_OK ||
        ferry_dataset_write_items(dataset, &bytes[1], &error) != FERRY_OK ||
        ferry_dataset_write_events(dataset, &bytes[2], &error) != FERRY_OK)
        abort();
    for (int i = 0; i < FILES; i++) files[i] = (ferry_file){names[i], bytes[i].data, bytes[i].size};
    if (ferry_dataset_load((ferry_files){files, FILES}, NULL, &again, &error) != FERRY_OK) abort();
    if (again->user_count != dataset->user_count || again->domain_count != dataset->domain_count)
        abort();
    ferry_dataset_close(again);
    for (int i = 0; i < FILES; i++) ferry_buffer_free(&bytes[i]);
}

/* Two sizes of 16 bits, then the files. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ferry_file files[FILES];
    size_t at = 4;
    if (size < 4) return 0;
    for (size_t i = 0; i < FILES; i++) {
        size_t length = i < 2 ? (size_t)(data[2 * i] | data[2 * i + 1] << 8) : size - at;
        if (length > size - at) length = size - at;
        files[i] = (ferry_file){names[i], data + at, length};
        at += length;
    }
    ferry_dataset *dataset;
    ferry_error error;
    error.message[0] = '\0';
    if (ferry_dataset_load((ferry_files){files, FILES}, NULL, &dataset, &error) != FERRY_OK) {
        if (dataset != NULL || error.message[0] == '\0') abort();
        return 0;
    }
    for (size_t d = 0; d < dataset->domain_count; d++) check_domain(dataset, &dataset->domains[d]);
    write_again(dataset);
    ferry_dataset_close(dataset);
    return 0;
}
