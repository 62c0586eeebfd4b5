/* A data set in memory: what holds it, and putting its items in a catalogue's order. */
#include "recsys/dataset.h"

#include <stdio.h>

#include "base/error.h"
#include "input/excerpt.h"

ferry_status ferry_dataset_create(const ferry_allocator *allocator, ferry_dataset **out,
                                  ferry_error *error)
{
    *out = NULL;
    ferry_allocator chosen = ferry_allocator_or_default(allocator);
    ferry_dataset *dataset = ferry_allocate(&chosen, 1, sizeof *dataset);
    if (dataset == NULL) return ferry_fail_memory(error, "the data set");
    ferry_arena_init(&dataset->arena, chosen);
    *out = dataset;
    return FERRY_OK;
}

void ferry_dataset_close(ferry_dataset *dataset)
{
    if (dataset == NULL) return;
    ferry_allocator allocator = dataset->arena.allocator;
    ferry_arena_free(&dataset->arena);
    ferry_release(&allocator, dataset, sizeof *dataset);
}

ferry_status ferry_dataset_find_domain(const ferry_dataset *dataset, const char *name, size_t *out,
                                       ferry_error *error)
{
    char names[200] = "", excerpt[FERRY_EXCERPT_SIZE];
    size_t used = 0;
    *out = 0;
    for (size_t d = 0; d < dataset->domain_count; d++) {
        const char *known = dataset->domains[d].domain;
        if (strcmp(known, name) == 0) {
            *out = d;
            return FERRY_OK;
        }
        ferry_excerpt(known, strlen(known), excerpt);
        int size = snprintf(names + used, sizeof names - used, "%s%s", d > 0 ? ", " : "", excerpt);
        if (size > 0 && used + (size_t)size < sizeof names) used += (size_t)size;
    }
    return ferry_fail(error, FERRY_NOT_FOUND, "no domain \"%s\" in the data set (it has %s)",
                      ferry_excerpt(name, strlen(name), excerpt), names);
}

/* ---- bind ---- */

/* What the binding of one domain finds out before anything is changed. */
typedef struct binding {
    const char **items; /* [item_count] the catalogue's */
    size_t item_count;
    uint32_t *number; /* [the domain's item_count] old number to new one */
} binding;

/* places [catalog->count]: each item's number within its domain; counts [domain_count]. */
static void number_items(const ferry_catalog *catalog, uint32_t *places, size_t *counts)
{
    for (size_t i = 0; i < catalog->count; i++)
        places[i] = (uint32_t)counts[catalog->items[i].domain]++;
}

static ferry_status bind_domain(ferry_dataset *dataset, const ferry_interactions *domain,
                                const ferry_catalog *catalog, const uint32_t *places,
                                const size_t *counts, binding *out, size_t *missing,
                                ferry_error *error)
{
    uint32_t known = ferry_catalog_find_domain(catalog, domain->domain);
    out->item_count = known != FERRY_NO_ITEM ? counts[known] : 0;
    out->items = ferry_arena_array(&dataset->arena, out->item_count, sizeof *out->items);
    out->number = ferry_arena_array(&dataset->arena, domain->item_count, sizeof *out->number);
    if (out->items == NULL || out->number == NULL) return ferry_fail_memory(error, "the items");
    for (size_t i = 0; i < catalog->count && known != FERRY_NO_ITEM; i++)
        if (catalog->items[i].domain == known) out->items[places[i]] = catalog->items[i].item.id;
    for (size_t i = 0; i < domain->item_count; i++) {
        size_t index = 0;
        ferry_status status = FERRY_NOT_FOUND; /* NULL: its message is not wanted */
        /* an empty name would be looked for in all domains */
        if (known != FERRY_NO_ITEM && catalog->domains[known][0] != '\0')
            status = ferry_catalog_find(catalog, domain->domain, domain->items[i], &index, NULL);
        else if (known != FERRY_NO_ITEM)
            status = ferry_catalog_find(catalog, NULL, domain->items[i], &index, NULL);
        if (status == FERRY_OK && catalog->items[index].domain == known) {
            out->number[i] = places[index];
            continue;
        }
        if ((*missing)++ > 0) continue;
        char id[FERRY_EXCERPT_SIZE], name[FERRY_EXCERPT_SIZE];
        ferry_fail(error, FERRY_NOT_FOUND, "the catalogue lacks item \"%s\" of domain \"%s\"",
                   ferry_excerpt(domain->items[i], strlen(domain->items[i]), id),
                   ferry_excerpt(domain->domain, strlen(domain->domain), name));
    }
    return FERRY_OK;
}

static void renumber(ferry_interactions *domain, const binding *to)
{
    for (size_t e = 0; e < domain->event_count; e++) domain->item[e] = to->number[domain->item[e]];
    domain->items = to->items;
    domain->item_count = to->item_count;
}

static ferry_status bind(ferry_dataset *dataset, const ferry_catalog *catalog, uint32_t *places,
                         size_t *counts, ferry_error *error)
{
    size_t missing = 0;
    binding *to = ferry_arena_array(&dataset->arena, dataset->domain_count, sizeof *to);
    if (to == NULL) return ferry_fail_memory(error, "the items");
    number_items(catalog, places, counts);
    ferry_error first = {0};
    for (size_t d = 0; d < dataset->domain_count; d++) {
        ferry_status status = bind_domain(dataset, &dataset->domains[d], catalog, places, counts,
                                          &to[d], &missing, &first);
        if (status != FERRY_OK) return ferry_fail_memory(error, "the items");
    }
    if (missing > 0)
        return ferry_fail(error, FERRY_NOT_FOUND,
                          "%s, and %zu more of the data set's items: make the catalogue from its "
                          "items.jsonl",
                          first.message, missing - 1);
    for (size_t d = 0; d < dataset->domain_count; d++) renumber(&dataset->domains[d], &to[d]);
    return FERRY_OK;
}

ferry_status ferry_dataset_bind(ferry_dataset *dataset, const ferry_catalog *catalog,
                                ferry_error *error)
{
    const ferry_allocator *allocator = &dataset->arena.allocator;
    size_t items = catalog->count + 1, domains = catalog->domain_count + 1;
    uint32_t *places = ferry_allocate(allocator, items, sizeof *places);
    size_t *counts = ferry_allocate(allocator, domains, sizeof *counts);
    ferry_status status = places != NULL && counts != NULL
                              ? bind(dataset, catalog, places, counts, error)
                              : ferry_fail_memory(error, "the items");
    ferry_release(allocator, places, items * sizeof *places);
    ferry_release(allocator, counts, domains * sizeof *counts);
    return status;
}
