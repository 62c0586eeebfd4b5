/*
 * The items of a shop and their vectors.
 *
 * On disk a directory of three files: items.jsonl (one item a line, canonical names), catalog.json
 * (count, dimension, domains, the model that encoded it) and vectors.safetensors ("text", F32
 * [count, dimension], unit rows in the order of items.jsonl).
 */
#ifndef FERRY_RECSYS_CATALOG_H
#define FERRY_RECSYS_CATALOG_H

#include "base/files.h"
#include "base/memory.h"
#include "math/kernels.h"

enum { FERRY_NO_ITEM = UINT32_MAX, FERRY_MAX_ITEMS = 1 << 28 };

typedef struct ferry_catalog_entry {
    ferry_item item;
    size_t json_size;
    uint32_t domain; /* index into domains */
    uint32_t next;   /* the next item of the same hash slot, or FERRY_NO_ITEM */
} ferry_catalog_entry;

struct ferry_catalog {
    ferry_allocator allocator;
    ferry_arena arena; /* strings */
    const ferry_kernels *kernels;

    ferry_catalog_entry *items; /* [count] of [capacity] */
    size_t count, capacity;
    uint32_t *slots; /* [slot_count], a power of two: id's hash -> newest item, chained by next */
    size_t slot_count;
    const char **domains;   /* [domain_count] of [domain_capacity], in order of appearance */
    uint32_t *domain_order; /* [domain_count] the same, sorted by name */
    size_t domain_count, domain_capacity, domain_order_capacity;
    /* Made when the items are complete: domain d's items are domain_items[domain_first[d]] up to
     * domain_first[d + 1], in the catalogue's order, and within[i] is item i's place among its
     * domain's. */
    const uint32_t *domain_items; /* [count] */
    const uint32_t *domain_first; /* [domain_count + 1] */
    const uint32_t *within;       /* [count] */

    size_t dimension;     /* 0 until there are vectors */
    const float *vectors; /* [count, dimension], unit rows; owned_vectors, or the opener's bytes */
    float *owned_vectors;
    const char *model; /* name of the text model, "" if unknown */

    void (*release)(void *owner); /* what keeps borrowed bytes alive, if the handle owns it */
    void *owner;
};

/* ---- building ---- */

ferry_status ferry_catalog_read_items(ferry_catalog *catalog, const ferry_file *table,
                                      ferry_table_format format, ferry_row_refused refused,
                                      void *refused_user, ferry_error *error);

/* The text an item is encoded from: its non-empty fields joined by " | ". Appended to out. */
bool ferry_catalog_entry_text(const ferry_catalog_entry *item, ferry_buffer *out);

/* Takes over vectors [count, dimension], allocated from the catalogue's allocator, and makes each
 * row unit length. */
ferry_status ferry_catalog_set_vectors(ferry_catalog *catalog, float *vectors, size_t dimension,
                                       const char *model, ferry_error *error);

/* Groups the items by domain, once there will be no more of them. */
ferry_status ferry_catalog_group(ferry_catalog *catalog, ferry_error *error);

/* ---- files ---- */

ferry_status ferry_catalog_load(ferry_catalog *catalog, ferry_files files, ferry_error *error);

/* Each appends the bytes of one file. The vectors' own bytes are not copied: the file is the
 * header followed by catalog->vectors. */
ferry_status ferry_catalog_write_json(const ferry_catalog *catalog, ferry_buffer *out,
                                      ferry_error *error);
ferry_status ferry_catalog_write_items(const ferry_catalog *catalog, ferry_buffer *out,
                                       ferry_error *error);
ferry_status ferry_catalog_write_vectors_header(const ferry_catalog *catalog, ferry_buffer *out,
                                                ferry_error *error);

/* ---- use ---- */

/* Index of the domain, or FERRY_NO_ITEM. */
uint32_t ferry_catalog_find_domain(const ferry_catalog *catalog, const char *name);

/* Sets wanted [domain_count] to 1 for the domains named, or for all if none is, and the others to
 * 0. NOT_FOUND names the first the catalogue lacks. */
ferry_status ferry_catalog_mark_domains(const ferry_catalog *catalog, const char *const *names,
                                        size_t count, unsigned char *wanted, ferry_error *error);

#endif
