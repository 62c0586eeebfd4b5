/* ferry_catalog: creating, encoding, opening. */
#include <string.h>

#include "api/handles.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/options.h"
#include "base/random.h"

ferry_status ferry_catalog_create(const ferry_catalog_options *options, ferry_catalog **out,
                                  ferry_error *error)
{
    *out = NULL;
    ferry_catalog_options chosen = {0};
    const ferry_kernels *kernels;
    FERRY_TRY(ferry_options_read(options, "ferry_catalog_options", &chosen, sizeof chosen, error));
    FERRY_TRY(ferry_kernels_choose(chosen.kernels, &kernels, error));
    ferry_allocator allocator = ferry_allocator_or_default(chosen.allocator);
    ferry_catalog *catalog = ferry_allocate(&allocator, 1, sizeof *catalog);
    if (catalog == NULL) return ferry_fail_memory(error, "the catalogue");
    catalog->allocator = allocator;
    catalog->kernels = kernels;
    ferry_arena_init(&catalog->arena, allocator);
    *out = catalog;
    return FERRY_OK;
}

void ferry_catalog_close(ferry_catalog *catalog)
{
    if (catalog == NULL) return;
    ferry_allocator allocator = catalog->allocator;
    ferry_release(&allocator, catalog->owned_vectors,
                  catalog->count * catalog->dimension * sizeof(float));
    ferry_release(&allocator, catalog->items, catalog->capacity * sizeof *catalog->items);
    ferry_release(&allocator, catalog->slots, catalog->slot_count * sizeof *catalog->slots);
    ferry_release(&allocator, catalog->domains,
                  catalog->domain_capacity * sizeof *catalog->domains);
    ferry_release(&allocator, catalog->domain_order,
                  catalog->domain_order_capacity * sizeof *catalog->domain_order);
    ferry_arena_free(&catalog->arena);
    if (catalog->release != NULL) catalog->release(catalog->owner);
    ferry_release(&allocator, catalog, sizeof *catalog);
}

ferry_status ferry_catalog_open(const ferry_file *files, size_t file_count,
                                const ferry_catalog_options *options, ferry_catalog **out,
                                ferry_error *error)
{
    ferry_catalog *catalog;
    *out = NULL;
    FERRY_TRY(ferry_catalog_create(options, &catalog, error));
    ferry_status status = ferry_catalog_load(catalog, (ferry_files){files, file_count}, error);
    if (status != FERRY_OK) {
        ferry_catalog_close(catalog);
        return status;
    }
    *out = catalog;
    return FERRY_OK;
}

ferry_status ferry_catalog_add(ferry_catalog *catalog, const ferry_file *table,
                               ferry_table_format format, ferry_row_refused refused,
                               void *refused_user, ferry_error *error)
{
    if (catalog->dimension > 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%s: the catalogue is encoded already, items can no longer be added",
                          table->name);
    return ferry_catalog_read_items(catalog, table, format, refused, refused_user, error);
}

/* ---- reading ---- */

uint64_t ferry_catalog_key(const ferry_catalog *catalog)
{
    uint64_t key = ferry_random_mix(catalog->count + 1);
    for (size_t i = 0; i < catalog->count; i++) {
        const ferry_item *item = &catalog->items[i].item;
        key = ferry_hash_portably(key, item->domain, strlen(item->domain));
        key = ferry_random_mix(key ^ 0xff);
        key = ferry_hash_portably(key, item->id, strlen(item->id));
        key = ferry_random_mix(key ^ 0xfe);
    }
    return key;
}

size_t ferry_catalog_count(const ferry_catalog *catalog)
{
    return catalog->count;
}

size_t ferry_catalog_dimension(const ferry_catalog *catalog)
{
    return catalog->dimension;
}

const float *ferry_catalog_vectors(const ferry_catalog *catalog)
{
    return catalog->dimension > 0 ? catalog->vectors : NULL;
}

ferry_status ferry_catalog_item(const ferry_catalog *catalog, size_t index, ferry_item *out,
                                ferry_error *error)
{
    *out = (ferry_item){0};
    if (index >= catalog->count)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "item %zu, but the catalogue has %zu",
                          index, catalog->count);
    *out = catalog->items[index].item;
    return FERRY_OK;
}

size_t ferry_catalog_domain_count(const ferry_catalog *catalog)
{
    return catalog->domain_count;
}

const char *ferry_catalog_domain(const ferry_catalog *catalog, size_t index)
{
    if (index >= catalog->domain_count) return NULL;
    return catalog->domains[catalog->domain_order[index]];
}
