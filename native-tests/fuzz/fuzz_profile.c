/*
 * A profile: what is read must be written as the same bytes again, once it was read and written;
 * what is refused must leave the history as it was. And the head of a locked one.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/seal.h"
#include "recsys/visitor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char items[] = "{\"id\":\"b1\",\"domain\":\"books\"}\n"
                            "{\"id\":\"x\",\"domain\":\"books\"}\n"
                            "{\"id\":\"x\",\"domain\":\"films\"}\n";

static ferry_catalog *make_catalog(void)
{
    ferry_catalog *catalog;
    ferry_file table = {"items.jsonl", items, sizeof items - 1};
    if (ferry_catalog_create(NULL, &catalog, NULL) != FERRY_OK) abort();
    if (ferry_catalog_add(catalog, &table, FERRY_TABLE_AUTO, NULL, NULL, NULL) != FERRY_OK) abort();
    float vectors[3 * 2] = {1, 2, 3, 4, 5, 6};
    ferry_modality_vectors list = {FERRY_MODALITY_TEXT, "", 1, 2, vectors};
    if (ferry_catalog_set_vectors(catalog, &list, 1, NULL, NULL, NULL) != FERRY_OK) abort();
    return catalog;
}

static bool count_refused(void *user, const char *file, size_t line, const char *reason)
{
    if (file == NULL || line == 0 || reason[0] == '\0') abort();
    ++*(size_t *)user;
    return true;
}

static void save(const ferry_visitor *visitor, ferry_buffer *out)
{
    size_t size;
    ferry_buffer_init(out, ferry_allocator_or_default(NULL));
    if (ferry_visitor_save(visitor, NULL, 0, &size, NULL) != FERRY_OK) abort();
    if (!ferry_buffer_reserve(out, size)) abort();
    if (ferry_visitor_save(visitor, out->data, size, &out->size, NULL) != FERRY_OK) abort();
    if (out->size != size) abort();
}

static void same_again(const ferry_catalog *catalog, const ferry_visitor *visitor)
{
    ferry_visitor *again;
    ferry_buffer one, two;
    size_t added;
    save(visitor, &one);
    if (ferry_visitor_create(catalog, &again, NULL) != FERRY_OK) abort();
    if (ferry_visitor_load(again, one.data, one.size, NULL, NULL, &added, NULL) != FERRY_OK)
        abort();
    save(again, &two);
    if (added != visitor->count || one.size != two.size ||
        memcmp(one.data, two.data, one.size) != 0 ||
        (added > 0 && memcmp(again->events, visitor->events, added * sizeof *again->events) != 0))
        abort();
    while (ferry_visitor_undo(again, NULL) == FERRY_OK) continue;
    if (again->others.size != 0) abort();
    ferry_visitor_close(again);
    ferry_buffer_free(&one);
    ferry_buffer_free(&two);
}

static void read_head(const uint8_t *data, size_t size)
{
    seal_head head;
    unsigned char again[SEAL_HEAD];
    ferry_error error = {0};
    ferry_status status = seal_head_read(data, size, "fuzz", &head, &error);
    if (status != FERRY_OK) {
        if (error.message[0] == '\0') abort();
        return;
    }
    if (size != SEAL_HEAD + head.size + SEAL_TAG + SEAL_DIGEST) abort();
    seal_head_write(&head, again);
    if (memcmp(again, data, SEAL_HEAD) != 0) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ferry_catalog *catalog = make_catalog();
    ferry_visitor *visitor;
    ferry_event event = {.item = "b1", .behavior = FERRY_LIKE, .timestamp = 5};
    ferry_error error = {0};
    size_t refused = 0, added;
    read_head(data, size);
    if (ferry_visitor_create(catalog, &visitor, NULL) != FERRY_OK) abort();
    if (ferry_visitor_add(visitor, &event, NULL) != FERRY_OK) abort();
    ferry_status status =
        ferry_visitor_load(visitor, data, size, count_refused, &refused, &added, &error);
    if (status == FERRY_OK && added != visitor->count) abort();
    if (status != FERRY_OK && (error.message[0] == '\0' || visitor->count != 1 || added != 0))
        abort();
    same_again(catalog, visitor);
    ferry_visitor_close(visitor);
    ferry_catalog_close(catalog);
    return 0;
}
