#include "recsys/catalog.h"

#include <string.h>

#include "base/error.h"
#include "input/items.h"

/* ---- lookup ---- */

static uint32_t hash_text(const char *text)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *text != '\0'; text++) hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

static uint32_t *slot_of(const ferry_catalog *catalog, const char *id)
{
    return &catalog->slots[hash_text(id) & (catalog->slot_count - 1)];
}

uint32_t ferry_catalog_find_domain(const ferry_catalog *catalog, const char *name)
{
    for (size_t i = 0; i < catalog->domain_count; i++) {
        if (strcmp(catalog->domains[i], name) == 0) return (uint32_t)i;
    }
    return FERRY_NO_ITEM;
}

ferry_status ferry_catalog_mark_domains(const ferry_catalog *catalog, const char *const *names,
                                        size_t count, unsigned char *wanted, ferry_error *error)
{
    memset(wanted, count == 0, catalog->domain_count);
    for (size_t i = 0; i < count; i++) {
        uint32_t domain = ferry_catalog_find_domain(catalog, names[i]);
        if (domain == FERRY_NO_ITEM)
            return ferry_fail(error, FERRY_NOT_FOUND, "no domain \"%s\" in the catalogue",
                              names[i]);
        wanted[domain] = 1;
    }
    return FERRY_OK;
}

/* The item of that id in that domain; FERRY_NO_ITEM as the domain takes the first in the chain
 * before `from`. */
static uint32_t find_item(const ferry_catalog *catalog, uint32_t domain, const char *id,
                          uint32_t from)
{
    for (uint32_t i = from; i != FERRY_NO_ITEM; i = catalog->items[i].next) {
        const ferry_catalog_entry *item = &catalog->items[i];
        if (strcmp(item->item.id, id) == 0 && (domain == FERRY_NO_ITEM || item->domain == domain))
            return i;
    }
    return FERRY_NO_ITEM;
}

ferry_status ferry_catalog_find(const ferry_catalog *catalog, const char *domain, const char *id,
                                size_t *index, ferry_error *error)
{
    *index = 0;
    if (id == NULL) return ferry_fail(error, FERRY_INVALID_ARGUMENT, "the item id is NULL");
    bool any_domain = domain == NULL || domain[0] == '\0';
    uint32_t wanted = FERRY_NO_ITEM;
    if (!any_domain) {
        wanted = ferry_catalog_find_domain(catalog, domain);
        if (wanted == FERRY_NO_ITEM)
            return ferry_fail(error, FERRY_NOT_FOUND, "no domain \"%s\" in the catalogue", domain);
    }
    uint32_t first = catalog->slot_count > 0 ? *slot_of(catalog, id) : FERRY_NO_ITEM;
    uint32_t found = find_item(catalog, wanted, id, first);
    if (found == FERRY_NO_ITEM && any_domain)
        return ferry_fail(error, FERRY_NOT_FOUND, "no item \"%s\" in the catalogue", id);
    if (found == FERRY_NO_ITEM)
        return ferry_fail(error, FERRY_NOT_FOUND, "domain \"%s\" has no item \"%s\"", domain, id);
    if (any_domain) {
        uint32_t other = find_item(catalog, FERRY_NO_ITEM, id, catalog->items[found].next);
        if (other != FERRY_NO_ITEM)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "item \"%s\" is in several domains (%s, %s…): name one", id,
                              catalog->items[other].item.domain, catalog->items[found].item.domain);
    }
    *index = found;
    return FERRY_OK;
}

/* ---- building ---- */

/* Twice the slots once there are as many items as slots. */
static bool grow_slots(ferry_catalog *catalog)
{
    if (catalog->count < catalog->slot_count) return true;
    size_t more = catalog->slot_count == 0 ? 64 : 2 * catalog->slot_count;
    uint32_t *slots = ferry_allocate(&catalog->allocator, more, sizeof *slots);
    if (slots == NULL) return false;
    ferry_release(&catalog->allocator, catalog->slots, catalog->slot_count * sizeof *slots);
    for (size_t i = 0; i < more; i++) slots[i] = FERRY_NO_ITEM;
    catalog->slots = slots;
    catalog->slot_count = more;
    for (size_t i = 0; i < catalog->count; i++) {
        uint32_t *slot = slot_of(catalog, catalog->items[i].item.id);
        catalog->items[i].next = *slot;
        *slot = (uint32_t)i;
    }
    return true;
}

static bool add_domain(ferry_catalog *catalog, const char *name, uint32_t *out)
{
    size_t count = catalog->domain_count;
    if (!ferry_grow(&catalog->allocator, &catalog->domains, sizeof *catalog->domains, count,
                    &catalog->domain_capacity) ||
        !ferry_grow(&catalog->allocator, &catalog->domain_order, sizeof *catalog->domain_order,
                    count, &catalog->domain_order_capacity))
        return false;
    const char *copy = ferry_arena_text(&catalog->arena, name, strlen(name));
    if (copy == NULL) return false;
    *out = (uint32_t)count;
    catalog->domains[count] = copy;
    size_t place = count;
    for (; place > 0; place--) { /* insertion sort: domains are few, and come once */
        uint32_t before = catalog->domain_order[place - 1];
        if (strcmp(catalog->domains[before], copy) < 0) break;
        catalog->domain_order[place] = before;
    }
    catalog->domain_order[place] = *out;
    catalog->domain_count++;
    return true;
}

/* Every string of the row into the arena. */
static bool copy_row(ferry_arena *arena, const ferry_item_row *row, ferry_item *out)
{
    const struct {
        const char *from;
        const char **to;
    } texts[] = {{row->id, &out->id},         {row->title, &out->title},
                 {row->author, &out->author}, {row->description, &out->description},
                 {row->image, &out->image},   {row->audio, &out->audio}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *text = texts[i].from != NULL ? texts[i].from : "";
        *texts[i].to = text[0] == '\0' ? "" : ferry_arena_text(arena, text, strlen(text));
        if (*texts[i].to == NULL) return false;
    }
    const char **tags = ferry_arena_array(arena, row->tag_count, sizeof *tags);
    if (tags == NULL) return false;
    for (size_t i = 0; i < row->tag_count; i++) {
        tags[i] = ferry_arena_text(arena, row->tags[i], strlen(row->tags[i]));
        if (tags[i] == NULL) return false;
    }
    out->tags = tags;
    out->tag_count = row->tag_count;
    out->json = ferry_arena_text(arena, row->json, row->json_size);
    return out->json != NULL;
}

/* One row of a table becomes an item; ferry_item_callback. MALFORMED refuses the row. */
static ferry_status add_item(void *user, const ferry_item_row *row, ferry_error *error)
{
    ferry_catalog *catalog = user;
    if (catalog->count == FERRY_MAX_ITEMS)
        return ferry_fail(error, FERRY_LIMIT, "more than %d items", FERRY_MAX_ITEMS);
    uint32_t domain = ferry_catalog_find_domain(catalog, row->domain);
    uint32_t first = catalog->slot_count > 0 ? *slot_of(catalog, row->id) : FERRY_NO_ITEM;
    if (domain != FERRY_NO_ITEM && find_item(catalog, domain, row->id, first) != FERRY_NO_ITEM)
        return ferry_fail(error, FERRY_MALFORMED, "id \"%s\" is already in domain \"%s\"", row->id,
                          row->domain);

    ferry_catalog_entry added = {.json_size = row->json_size};
    if ((domain == FERRY_NO_ITEM && !add_domain(catalog, row->domain, &domain)) ||
        !ferry_grow(&catalog->allocator, &catalog->items, sizeof *catalog->items, catalog->count,
                    &catalog->capacity) ||
        !grow_slots(catalog) || !copy_row(&catalog->arena, row, &added.item))
        return ferry_fail_memory(error, "the items");
    added.domain = domain;
    added.item.domain = catalog->domains[domain];
    uint32_t *slot = slot_of(catalog, added.item.id);
    added.next = *slot;
    *slot = (uint32_t)catalog->count;
    catalog->items[catalog->count++] = added;
    return FERRY_OK;
}

ferry_status ferry_catalog_read_items(ferry_catalog *catalog, const ferry_file *table,
                                      ferry_table_format format, ferry_row_refused refused,
                                      void *refused_user, ferry_error *error)
{
    size_t refused_count;
    return ferry_items_read(table, format, &catalog->allocator, add_item, catalog, refused,
                            refused_user, &refused_count, error);
}

ferry_status ferry_catalog_group(ferry_catalog *catalog, ferry_error *error)
{
    uint32_t *items = ferry_arena_array(&catalog->arena, catalog->count, sizeof *items);
    uint32_t *within = ferry_arena_array(&catalog->arena, catalog->count, sizeof *within);
    uint32_t *first = ferry_arena_array(&catalog->arena, catalog->domain_count + 1, sizeof *first);
    if (items == NULL || within == NULL || first == NULL)
        return ferry_fail_memory(error, "the domains' items");
    for (size_t i = 0; i < catalog->count; i++) within[i] = first[catalog->items[i].domain + 1]++;
    for (size_t d = 0; d < catalog->domain_count; d++) first[d + 1] += first[d];
    for (size_t i = 0; i < catalog->count; i++)
        items[first[catalog->items[i].domain] + within[i]] = (uint32_t)i;
    catalog->domain_items = items;
    catalog->domain_first = first;
    catalog->within = within;
    return FERRY_OK;
}

static bool append_part(ferry_buffer *out, const char *separator, const char *text, bool *first)
{
    if (text[0] == '\0') return true;
    bool fits = *first || ferry_buffer_append(out, separator, strlen(separator));
    *first = false;
    return fits && ferry_buffer_append(out, text, strlen(text));
}

bool ferry_catalog_entry_text(const ferry_catalog_entry *entry, ferry_buffer *out)
{
    const ferry_item *item = &entry->item;
    bool first = true;
    if (!append_part(out, " | ", item->title, &first) ||
        !append_part(out, " | ", item->author, &first))
        return false;
    for (size_t i = 0; i < item->tag_count; i++) {
        if (!append_part(out, i == 0 ? " | " : ", ", item->tags[i], &first)) return false;
    }
    return append_part(out, " | ", item->description, &first);
}

ferry_status ferry_catalog_keep(ferry_catalog *catalog, const unsigned char *keep,
                                ferry_error *error)
{
    size_t count = catalog->count;
    catalog->count = catalog->domain_count = 0;
    for (size_t i = 0; i < catalog->slot_count; i++) catalog->slots[i] = FERRY_NO_ITEM;
    for (size_t i = 0; i < count; i++) {
        ferry_catalog_entry entry = catalog->items[i];
        if (!keep[i]) continue;
        entry.domain = ferry_catalog_find_domain(catalog, entry.item.domain);
        if (entry.domain == FERRY_NO_ITEM && !add_domain(catalog, entry.item.domain, &entry.domain))
            return ferry_fail_memory(error, "the domains");
        uint32_t *slot = slot_of(catalog, entry.item.id);
        entry.next = *slot;
        *slot = (uint32_t)catalog->count;
        catalog->items[catalog->count++] = entry;
    }
    return FERRY_OK;
}
