/*
 * The items of a shop and their vectors.
 *
 * On disk a directory of three files: items.jsonl (one item a line, canonical names), catalog.json
 * (count, dimension, domains, the models that encoded it) and vectors.safetensors: F32
 * [count, dimension], unit rows in the order of items.jsonl. Of texts alone the tensor is "text";
 * else it is "item", a row being one segment after the other, and beside it are what was taken off
 * the vectors of a modality before they were made unit, "image.mean" [the segment's dimension].
 */
#ifndef FERRY_RECSYS_CATALOG_H
#define FERRY_RECSYS_CATALOG_H

#include "base/files.h"
#include "base/memory.h"
#include "math/kernels.h"

enum { FERRY_NO_ITEM = UINT32_MAX, FERRY_MAX_ITEMS = 1 << 28, FERRY_MAX_DIMENSION = 1 << 16 };

typedef struct ferry_catalog_entry {
    ferry_item item;
    size_t json_size;
    uint32_t domain; /* index into domains */
    uint32_t next;   /* the next item of the same hash slot, or FERRY_NO_ITEM */
} ferry_catalog_entry;

/* What of each row is of one modality: sqrt(weight / weights of what the item has) times a unit
 * vector, or zeros if it lacks that. */
typedef struct ferry_segment {
    ferry_modality modality;
    size_t offset, dimension;
    float weight;      /* > 0; those of a catalogue add up to 1 */
    const char *model; /* name of the encoder, "" if unknown */
    const float *mean; /* [dimension] or NULL: that of unit vectors, taken off them; they are then
                          made unit again */
} ferry_segment;

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
    ferry_segment segments[FERRY_MODALITY_COUNT]; /* [segment_count] in the list's order */
    size_t segment_count;
    const unsigned char *modalities; /* [count] bits 1 << modality of what each item has */
    /* How long the segment of a modality is in rows of items that have those of a set of bits; 0
     * where they lack it. Of texts alone 1. */
    float length[1 << FERRY_MODALITY_COUNT][FERRY_MODALITY_COUNT];

    void (*release)(void *owner); /* what keeps borrowed bytes alive, if the handle owns it */
    void *owner;
};

/* ---- building ---- */

ferry_status ferry_catalog_read_items(ferry_catalog *catalog, const ferry_file *table,
                                      ferry_table_format format, ferry_row_refused refused,
                                      void *refused_user, ferry_error *error);

/* The text an item is encoded from: its non-empty fields joined by " | ". Appended to out. */
bool ferry_catalog_entry_text(const ferry_catalog_entry *item, ferry_buffer *out);

/* Leaves out the items that are not kept [count], and their domains if they are empty then. */
ferry_status ferry_catalog_keep(ferry_catalog *catalog, const unsigned char *keep,
                                ferry_error *error);

/*
 * The rows of a catalogue while they are made: a segment is added for each modality, then there is
 * room for all, whose segments are filled with vectors as encoders give them, and at last they
 * become the catalogue's. Begins as {.catalog = catalog}; ends, also if something fails, with
 * ferry_rows_close.
 */
typedef struct ferry_rows {
    ferry_catalog *catalog;
    ferry_segment segments[FERRY_MODALITY_COUNT]; /* [segment_count] in the list's order */
    size_t segment_count, dimension;
    float *rows;        /* [count, dimension] */
    unsigned char *has; /* [count] bits 1 << modality of what was filled */
    size_t count;       /* of the catalogue's items, when there was room for them */
} ferry_rows;

/* weight 0: the default. INVALID_ARGUMENT if a modality comes twice. */
ferry_status ferry_rows_add(ferry_rows *rows, ferry_modality modality, const char *model,
                            float weight, size_t dimension, ferry_error *error);
ferry_status ferry_rows_make_room(ferry_rows *rows, ferry_error *error);

/* Where an item's vector belongs, [segment->dimension]; its bit in `has` is the caller's to set. */
float *ferry_rows_place(const ferry_rows *rows, const ferry_segment *segment, size_t item);

/*
 * Gives the rows to the catalogue, of whose vectors the mean was taken unless they are of texts
 * alone. Items that have nothing are left out and told to refused, which may be NULL, as is who has
 * a vector that points nowhere.
 */
ferry_status ferry_rows_finish(ferry_rows *rows, ferry_media_refused refused, void *user,
                               ferry_error *error);
void ferry_rows_close(ferry_rows *rows);

/* Groups the items by domain, once there will be no more of them. */
ferry_status ferry_catalog_group(ferry_catalog *catalog, ferry_error *error);

/* ---- files ---- */

ferry_status ferry_catalog_load(ferry_catalog *catalog, ferry_files files, ferry_error *error);

/* Appends catalog.json, without an end of line. */
ferry_status ferry_catalog_write_json(const ferry_catalog *catalog, ferry_buffer *out,
                                      ferry_error *error);

/* ---- segments ---- */

/* The modality of that name; false if there is none. */
bool ferry_modality_find(const char *name, ferry_modality *out);

/* NULL if the catalogue has none of the modality. */
const ferry_segment *ferry_catalog_segment(const ferry_catalog *catalog, ferry_modality modality);

/* Fills catalog->length from the segments. */
void ferry_catalog_measure(ferry_catalog *catalog);

/* Unit length, the mean off, if there is one, and unit length again: out [dimension]; false if
 * nothing is left. May be in place. */
bool ferry_segment_unit(const ferry_kernels *kernels, const float *mean, const float *vector,
                        size_t dimension, float *out);

/* Whether a row is a text's vector and nothing else. */
bool ferry_catalog_is_texts(const ferry_catalog *catalog);

/* Modalities that rows have anything of, from the rows; MALFORMED names the first that is not as
 * ferry_segment says. */
ferry_status ferry_catalog_find_modalities(ferry_catalog *catalog, const char *where,
                                           ferry_error *error);

/* The product of two items' unit text vectors, as they were before a mean was taken off; 0 if one
 * has no text. */
float ferry_catalog_text_cosine(const ferry_catalog *catalog, size_t a, size_t b);

/* Vectors of one modality of items [first, first + count) as the encoder gave them, but at unit
 * length; zeros where an item lacks it: out [count, segment->dimension]. */
void ferry_catalog_vectors_of(const ferry_catalog *catalog, const ferry_segment *segment,
                              size_t first, size_t count, float *out);

/* The same vectors of items [count], zeros where there is no text, as they stand or made in the
 * arena: *out [count, dimension of the text segment]. UNSUPPORTED without a text segment.
 */
ferry_status ferry_catalog_texts(const ferry_catalog *catalog, const uint32_t *items, size_t count,
                                 ferry_arena *arena, const float **out, ferry_error *error);

/* ---- use ---- */

/* Index of the domain, or FERRY_NO_ITEM. */
uint32_t ferry_catalog_find_domain(const ferry_catalog *catalog, const char *name);

/* Sets wanted [domain_count] to 1 for the domains named, or for all if none is, and the others to
 * 0. NOT_FOUND names the first the catalogue lacks. */
ferry_status ferry_catalog_mark_domains(const ferry_catalog *catalog, const char *const *names,
                                        size_t count, unsigned char *wanted, ferry_error *error);

#endif
