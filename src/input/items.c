#include "input/items.h"

#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "input/excerpt.h"
#include "input/json_text.h"
#include "input/table.h"

enum {
#define SLOT(slot, names) SLOT_##slot,
    FERRY_ITEM_FIELD_LIST(SLOT)
#undef SLOT
        SLOT_COUNT
};
_Static_assert((int)SLOT_COUNT <= (int)FERRY_MAX_SLOTS, "a field plan has a place for every slot");

static const char *const slot_names[SLOT_COUNT] = {
#define NAMES(slot, names) names,
    FERRY_ITEM_FIELD_LIST(NAMES)
#undef NAMES
};

typedef struct slot_value {
    char *text; /* [size] and a NUL */
    size_t size;
} slot_value;

typedef struct item_reader {
    ferry_on_item on_item;
    void *user;
    char *stem; /* of the file's name */
    size_t stem_size;
    ferry_field_plan plan;
    slot_value values[SLOT_COUNT];
    ferry_buffer joined; /* lists made into one text */
    ferry_buffer json;
    const char **tags; /* [FERRY_ITEM_MAX_TAGS] */
    size_t tag_count;
    bool used[FERRY_ROW_MAX_FIELDS]; /* [row's count] fields that were taken for a slot, if only to
                                        be found empty; cut up, so not to be written again */
} item_reader;

/* ---- text fields ---- */

/* Makes a list one text in r->joined, which has the room. */
static void join(item_reader *r, const ferry_field *list, const char *between, slot_value *value)
{
    char *cursor = list->text, *text;
    size_t size;
    char *begin = r->joined.data + r->joined.size, *out = begin;
    while (ferry_json_list_next(&cursor, &text, &size)) {
        ferry_text_trim(&text, &size);
        if (size == 0) continue;
        size_t gap = out > begin ? strlen(between) : 0;
        memcpy(out, between, gap);
        memcpy(out + gap, text, size);
        out += gap + size;
        if (between[0] == '\0') break; /* the first one only */
    }
    *out = '\0';
    value->text = begin;
    value->size = (size_t)(out - begin);
    r->joined.size += value->size + 1;
}

/*
 * Whether the field's value can be the slot's. One under another name that cannot stays what it
 * was, an unknown field; one under the slot's own name is an error.
 */
static ferry_status fits(const ferry_field *field, int slot, bool *out, ferry_error *error)
{
    bool takes_list = slot != SLOT_ID && slot != SLOT_DOMAIN;
    *out = field->kind != FERRY_FIELD_JSON || (takes_list && ferry_json_is_plain_list(field->text));
    if (*out || !ferry_field_has_own_name(field, slot_names[slot])) return FERRY_OK;
    char value[FERRY_EXCERPT_SIZE], name[FERRY_EXCERPT_SIZE];
    return ferry_fail(error, FERRY_MALFORMED, "\"%s\" is %s, expected text%s",
                      ferry_excerpt(field->name, field->name_size, name),
                      ferry_excerpt(field->text, field->size, value),
                      takes_list ? " or a list of texts" : "");
}

/* The slot's next field that may fill it, from candidate *next on; NULL if there is none left. */
static ferry_status next_field(item_reader *r, const ferry_row *row, int slot, size_t *next,
                               const ferry_field **out, ferry_error *error)
{
    *out = NULL;
    while (*next < r->plan.counts[slot]) {
        size_t index = r->plan.fields[slot][(*next)++];
        const ferry_field *field = &row->fields[index];
        if (field->kind == FERRY_FIELD_ABSENT || field->kind == FERRY_FIELD_NULL) continue;
        bool fit;
        FERRY_TRY(fits(field, slot, &fit, error));
        if (!fit) continue;
        r->used[index] = true;
        *out = field;
        return FERRY_OK;
    }
    return FERRY_OK;
}

static ferry_status read_text(item_reader *r, const ferry_row *row, int slot, ferry_error *error)
{
    static const char *const between[SLOT_COUNT] = {
        [SLOT_TITLE] = " ", [SLOT_AUTHOR] = ", ", [SLOT_DESCRIPTION] = " ",
        [SLOT_IMAGE] = "",  [SLOT_AUDIO] = "",
    };
    slot_value *value = &r->values[slot];
    size_t next = 0;
    while (value->size == 0) {
        const ferry_field *field;
        FERRY_TRY(next_field(r, row, slot, &next, &field, error));
        if (field == NULL) return FERRY_OK;
        value->text = field->text;
        value->size = field->size;
        if (slot == SLOT_ID || slot == SLOT_DOMAIN) {
            FERRY_TRY(ferry_field_id(field, &value->text, &value->size, error));
        } else if (field->kind == FERRY_FIELD_JSON) {
            join(r, field, between[slot], value);
        } else {
            ferry_text_trim(&value->text, &value->size);
        }
    }
    return FERRY_OK;
}

/* ---- tags ---- */

static bool has_letter_or_digit(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x80 || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
            return true;
    }
    return false;
}

static ferry_status add_tag(item_reader *r, char *text, size_t size, ferry_error *error)
{
    ferry_text_trim(&text, &size);
    if (size == 0) return FERRY_OK;
    for (size_t i = 0; i < r->tag_count; i++)
        if (strcmp(r->tags[i], text) == 0) return FERRY_OK;
    if (r->tag_count == FERRY_ITEM_MAX_TAGS)
        return ferry_fail(error, FERRY_MALFORMED, "more than %d tags", FERRY_ITEM_MAX_TAGS);
    r->tags[r->tag_count++] = text;
    return FERRY_OK;
}

/* Cuts a text up in place. */
static ferry_status split_tags(item_reader *r, char *text, char separator, bool words,
                               ferry_error *error)
{
    for (;;) {
        char *end = strchr(text, separator);
        size_t size = end != NULL ? (size_t)(end - text) : strlen(text);
        if (end != NULL) *end = '\0';
        if (!words || has_letter_or_digit(text, size)) FERRY_TRY(add_tag(r, text, size, error));
        if (end == NULL) return FERRY_OK;
        text = end + 1;
    }
}

static ferry_status read_tags(item_reader *r, const ferry_row *row, ferry_error *error)
{
    r->tag_count = 0;
    size_t next = 0;
    while (r->tag_count == 0) {
        const ferry_field *field;
        FERRY_TRY(next_field(r, row, SLOT_TAGS, &next, &field, error));
        if (field == NULL) return FERRY_OK;
        if (field->kind == FERRY_FIELD_JSON) {
            char *cursor = field->text, *text;
            size_t size;
            while (ferry_json_list_next(&cursor, &text, &size))
                FERRY_TRY(add_tag(r, text, size, error));
        } else if (field->kind == FERRY_FIELD_WORDS || field->kind == FERRY_FIELD_NUMBERS) {
            FERRY_TRY(split_tags(r, field->text, ' ', true, error));
        } else {
            char separator = strchr(field->text, '|') != NULL ? '|' : ';';
            FERRY_TRY(split_tags(r, field->text, separator, false, error));
        }
    }
    return FERRY_OK;
}

/* ---- the item's JSON ---- */

static bool append(ferry_buffer *out, const char *text, size_t size)
{
    return ferry_buffer_append(out, text, size);
}

static bool append_key(ferry_buffer *out, const char *key, size_t size)
{
    return (out->size == 1 || append(out, ",", 1)) && ferry_json_append_quoted(out, key, size) &&
           append(out, ":", 1);
}

static bool append_tags(item_reader *r)
{
    if (r->tag_count == 0) return true;
    bool ok = append_key(&r->json, "tags", 4) && append(&r->json, "[", 1);
    for (size_t i = 0; ok && i < r->tag_count; i++)
        ok = (i == 0 || append(&r->json, ",", 1)) &&
             ferry_json_append_quoted(&r->json, r->tags[i], strlen(r->tags[i]));
    return ok && append(&r->json, "]", 1);
}

/* RecBole's sequences. */
static bool append_sequence(ferry_buffer *out, const ferry_field *field)
{
    bool ok = append(out, "[", 1), first = true;
    for (const char *word = field->text; ok && *word != '\0';) {
        size_t size = strcspn(word, " ");
        if (size > 0) {
            bool number = field->kind == FERRY_FIELD_NUMBERS && ferry_json_is_number(word, size);
            ok = (first || append(out, ",", 1)) &&
                 (number ? append(out, word, size) : ferry_json_append_quoted(out, word, size));
            first = false;
        }
        word += size + (word[size] == ' ' ? 1 : 0);
    }
    return ok && append(out, "]", 1);
}

static bool append_unknown(ferry_buffer *out, const ferry_field *field)
{
    if (!append_key(out, field->name, field->name_size)) return false;
    switch (field->kind) {
    case FERRY_FIELD_NULL:
    case FERRY_FIELD_NUMBER:
    case FERRY_FIELD_JSON: return append(out, field->text, field->size);
    case FERRY_FIELD_WORDS:
    case FERRY_FIELD_NUMBERS: return append_sequence(out, field);
    case FERRY_FIELD_ABSENT:
    case FERRY_FIELD_TEXT: break;
    }
    return ferry_json_append_quoted(out, field->text, field->size);
}

/* Whether the field would repeat a slot's key. */
static bool has_slot_key(const ferry_field *field)
{
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        size_t size = strcspn(slot_names[slot], " ");
        if (field->name_size == size && memcmp(field->name, slot_names[slot], size) == 0)
            return true;
    }
    return false;
}

static bool write_json(item_reader *r, const ferry_row *row)
{
    r->json.size = 0;
    bool ok = append(&r->json, "{", 1);
    for (int slot = 0; ok && slot < SLOT_COUNT; slot++) {
        const slot_value *value = &r->values[slot];
        if (slot == SLOT_TAGS) {
            ok = append_tags(r);
        } else if (value->size > 0 || slot == SLOT_DOMAIN) {
            ok = append_key(&r->json, slot_names[slot], strcspn(slot_names[slot], " ")) &&
                 ferry_json_append_quoted(&r->json, value->text, value->size);
        }
    }
    for (size_t i = 0; ok && i < row->count; i++) {
        const ferry_field *field = &row->fields[i];
        bool unknown = !r->used[i] && field->name_size > 0 && !has_slot_key(field);
        if (unknown && field->kind != FERRY_FIELD_ABSENT) ok = append_unknown(&r->json, field);
    }
    return ok && append(&r->json, "}", 2); /* and a NUL */
}

/* ---- rows ---- */

static ferry_status read_slots(item_reader *r, const ferry_row *row, ferry_error *error)
{
    static char nothing[1] = "";
    memset(r->used, 0, row->count * sizeof *r->used);
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        r->values[slot] = (slot_value){nothing, 0};
        if (slot != SLOT_TAGS) FERRY_TRY(read_text(r, row, slot, error));
    }
    if (r->values[SLOT_ID].size == 0)
        return ferry_fail(error, FERRY_MALFORMED, "no id (looked for %s)", slot_names[SLOT_ID]);
    return read_tags(r, row, error);
}

static ferry_status on_row(void *user, const ferry_row *row, ferry_error *error)
{
    item_reader *r = user;
    ferry_field_plan_for(&r->plan, row, slot_names, SLOT_COUNT);
    r->joined.size = 0;
    /* Reserved at once, so that texts do not move: [1,2,3] at most doubles when joined by ", ". */
    if (!ferry_buffer_reserve(&r->joined, 2 * row->size + SLOT_COUNT))
        return ferry_fail_memory(error, "an item");
    FERRY_TRY(read_slots(r, row, error));
    slot_value *values = r->values;
    if (values[SLOT_DOMAIN].size == 0) values[SLOT_DOMAIN] = (slot_value){r->stem, r->stem_size};
    if (!write_json(r, row)) return ferry_fail_memory(error, "an item");
    ferry_item_row item = {
        .id = values[SLOT_ID].text,
        .domain = values[SLOT_DOMAIN].text,
        .title = values[SLOT_TITLE].text,
        .author = values[SLOT_AUTHOR].text,
        .description = values[SLOT_DESCRIPTION].text,
        .image = values[SLOT_IMAGE].text,
        .audio = values[SLOT_AUDIO].text,
        .tags = r->tags,
        .tag_count = r->tag_count,
        .json = r->json.data,
        .json_size = r->json.size - 1,
        .line = row->line,
    };
    return r->on_item(r->user, &item, error);
}

const char *ferry_item_own_name(const char *name, size_t *size)
{
    const ferry_field field = {.name = name, .name_size = strlen(name)};
    const ferry_row row = {.layout = 1, .fields = &field, .count = 1};
    ferry_field_plan plan = {0};
    ferry_field_plan_for(&plan, &row, slot_names, SLOT_COUNT);
    *size = 0;
    for (int slot = 0; slot < SLOT_COUNT; slot++) {
        if (plan.counts[slot] == 0) continue;
        *size = strcspn(slot_names[slot], " ");
        return slot_names[slot];
    }
    return NULL;
}

ferry_status ferry_items_read(const ferry_file *table, ferry_table_format format,
                              const ferry_allocator *allocator, ferry_on_item on_item,
                              void *on_item_user, ferry_row_refused refused, void *refused_user,
                              size_t *refused_count, ferry_error *error)
{
    if (refused_count != NULL) *refused_count = 0;
    ferry_arena arena;
    ferry_arena_init(&arena, ferry_allocator_or_default(allocator));
    item_reader r = {.on_item = on_item, .user = on_item_user};
    ferry_buffer_init(&r.joined, arena.allocator);
    ferry_buffer_init(&r.json, arena.allocator);
    const char *stem;
    ferry_table_stem(table->name, &stem, &r.stem_size);
    r.stem = ferry_arena_text(&arena, stem, r.stem_size);
    r.tags = ferry_arena_array(&arena, FERRY_ITEM_MAX_TAGS, sizeof *r.tags);
    ferry_status status = r.stem != NULL && r.tags != NULL
                              ? ferry_table_read(table, format, &arena.allocator, on_row, &r,
                                                 refused, refused_user, refused_count, error)
                              : ferry_fail_memory(error, "items");
    ferry_buffer_free(&r.json);
    ferry_buffer_free(&r.joined);
    ferry_arena_free(&arena);
    return status;
}
