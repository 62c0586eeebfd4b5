/*
 * A table in each format, as items and as events. The first byte picks the format, the rest is the
 * file. An item's JSON must be read by cJSON, which shares no code with what wrote it, hold what
 * the row holds, and give the same JSON when it is read as a table itself.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "input/events.h"
#include "input/items.h"
#include "input/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *name;
    ferry_table_format format;
} kinds[] = {
    {"fuzz.csv", FERRY_TABLE_CSV},
    {"fuzz.jsonl", FERRY_TABLE_JSONL},
    {"fuzz.item", FERRY_TABLE_RECBOLE},
    {"fuzz.tsv", FERRY_TABLE_AUTO},
};

typedef struct counts {
    size_t taken, refused;
    const ferry_item_row *expected;
} counts;

static bool count_refused(void *user, const char *file, size_t line, const char *reason)
{
    counts *seen = user;
    seen->refused++;
    if (file == NULL || line == 0 || reason[0] == '\0') abort();
    return true;
}

static void same(const cJSON *object, const char *key, const char *text)
{
    const cJSON *field = cJSON_GetObjectItemCaseSensitive(object, key);
    const char *found = field != NULL ? cJSON_GetStringValue(field) : "";
    if (found == NULL || strcmp(found, text) != 0) abort();
}

static ferry_status same_json(void *user, const ferry_item_row *item, ferry_error *error)
{
    (void)error;
    counts *seen = user;
    seen->taken++;
    if (item->json_size != seen->expected->json_size ||
        memcmp(item->json, seen->expected->json, item->json_size) != 0)
        abort();
    return FERRY_OK;
}

static ferry_status take_item(void *user, const ferry_item_row *item, ferry_error *error)
{
    counts *seen = user;
    seen->taken++;
    cJSON *tree;
    if (item->json[item->json_size] != '\0' || memchr(item->json, '\n', item->json_size) != NULL)
        abort();
    if (ferry_json_parse(item->json, item->json_size, "item", &tree, error) != FERRY_OK) abort();
    same(tree, "id", item->id);
    same(tree, "domain", item->domain);
    same(tree, "title", item->title);
    same(tree, "author", item->author);
    same(tree, "description", item->description);
    same(tree, "image", item->image);
    same(tree, "audio", item->audio);
    const cJSON *tags = cJSON_GetObjectItemCaseSensitive(tree, "tags");
    if ((size_t)cJSON_GetArraySize(tags) != item->tag_count) abort();
    size_t i = 0;
    const cJSON *tag;
    cJSON_ArrayForEach(tag, tags)
    {
        if (strcmp(tag->valuestring, item->tags[i++]) != 0) abort();
    }
    cJSON_Delete(tree);

    if (item->json_size <= FERRY_ROW_MAX_SIZE / 2) {
        counts again = {.expected = item};
        ferry_file line = {"fuzz.jsonl", item->json, item->json_size};
        if (ferry_items_read(&line, FERRY_TABLE_JSONL, NULL, same_json, &again, count_refused,
                             &again, NULL, error) != FERRY_OK ||
            again.taken + again.refused != 1)
            abort();
    }
    return FERRY_OK;
}

static ferry_status take_event(void *user, const ferry_event_row *event, ferry_error *error)
{
    (void)error;
    counts *seen = user;
    seen->taken++;
    if (event->item[0] == '\0' || event->user == NULL || event->domain == NULL) abort();
    if ((unsigned)event->behavior >= FERRY_BEHAVIOR_COUNT) abort();
    size_t name = strlen(event->behavior_name);
    if (name == 0 || name > FERRY_BEHAVIOR_MAX_SIZE) abort();
    if (event->behavior == FERRY_RATING && !event->has_value) abort();
    if (!isfinite(event->value) || !isfinite(event->position)) abort();
    return FERRY_OK;
}

static void check(ferry_status status, const counts *seen, size_t refused, const ferry_error *error)
{
    if (seen->refused != refused) abort();
    if (status != FERRY_OK && (status != FERRY_MALFORMED || error->message[0] == '\0')) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    size_t kind = data[0] % (sizeof kinds / sizeof *kinds);
    ferry_file file = {kinds[kind].name, data + 1, size - 1};
    ferry_error error;
    error.message[0] = '\0';
    counts items = {0}, events = {0};
    size_t refused;
    ferry_status status = ferry_items_read(&file, kinds[kind].format, NULL, take_item, &items,
                                           count_refused, &items, &refused, &error);
    check(status, &items, refused, &error);
    status = ferry_events_read(&file, kinds[kind].format, NULL, take_event, &events, count_refused,
                               &events, &refused, &error);
    check(status, &events, refused, &error);

    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    ferry_event_row event;
    if (ferry_event_from_json((const char *)data + 1, size - 1, &arena, &event, &error) == FERRY_OK)
        take_event(&events, &event, &error);
    ferry_arena_free(&arena);
    return 0;
}
