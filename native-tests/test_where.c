/* The language of conditions: what is read, what is refused and where, what matches. */
#include "test.h"

#include "input/fold.h"
#include "rank/where.h"

static const char items[] =
    "{\"id\":\"a\",\"domain\":\"d\",\"title\":\"A Red KITE\",\"price\":12.50,\"tags\":[\"toy\","
    "\"red\"],\"stock\":true,\"sizes\":[1,2.50,[\"3\"]]}\n"
    "{\"id\":\"b\",\"domain\":\"d\",\"title\":\"ÄPFEL\",\"price\":\"7\",\"tags\":[\"fruit\"],"
    "\"stock\":false,\"date\":\"2024-05-31\",\"brand\":\"Bob\"}\n"
    "{\"id\":\"c\",\"domain\":\"d\",\"title\":\"Redcurrant\",\"price\":\"on "
    "request\",\"tags\":[]}\n"
    "{\"id\":\"d\",\"domain\":\"d\",\"price\":null,\"names\":{\"de\":\"Drachen\"},\"list price\":3,"
    "\"code\":\"12345678901234567890\",\"date\":\"2023-01-02\"}\n"
    "{\"id\":\"e\",\"domain\":\"d\",\"title\":\"say \\\"hi\\\" = 3\",\"price\":-1e2,\"has\":\"x\","
    "\"sizes\":[2],\"mixed\":[true,\"red\"],\"code\":\"007\",\"author\":\"Ann\",\"brand\":\"B\"}\n";

enum { ITEMS = 5 };

static ferry_catalog *catalog;
static ferry_fields fields;

static int open_items(void **state)
{
    (void)state;
    ferry_file table = {"items.jsonl", items, sizeof items - 1};
    assert_int_equal(ferry_catalog_create(NULL, &catalog, NULL), FERRY_OK);
    assert_int_equal(ferry_catalog_add(catalog, &table, FERRY_TABLE_AUTO, NULL, NULL, NULL),
                     FERRY_OK);
    assert_int_equal(ferry_catalog_count(catalog), ITEMS);
    ferry_fields_init(&fields, catalog);
    return 0;
}

static int close_items(void **state)
{
    (void)state;
    ferry_fields_free(&fields);
    ferry_catalog_close(catalog);
    return 0;
}

/* The ids of the items that meet the condition. */
static void matching(const char *text, char out[ITEMS + 1])
{
    ferry_arena arena;
    ferry_error error;
    ferry_condition condition;
    unsigned char kept[ITEMS];
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    if (ferry_condition_parse(text, &arena, &condition, &error) != FERRY_OK ||
        ferry_fields_read(&fields, &condition.field, 1, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    memset(kept, 1, sizeof kept);
    assert_int_equal(ferry_condition_apply(&condition, &fields, kept, &error), FERRY_OK);
    for (size_t i = 0; i < ITEMS; i++)
        if (kept[i]) *out++ = catalog->items[i].item.id[0];
    *out = '\0';
    ferry_arena_free(&arena);
}

static void conditions_match_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *condition, *ids;
    } cases[] = {
        /* numbers, also those that a table has as text */
        {"price<20", "abe"},
        {"price < 12.5", "be"},
        {"price<=12.5", "abe"},
        {"price>7", "a"},
        {"price>=7.0", "ab"},
        {"price=12.5", "a"},
        {"price==7", "b"},
        {"price=-100", "e"},
        {"price!=7", "acde"}, /* without a price, or null: not 7 either */
        {"price = on request", "c"},
        {"price>on", "c"},
        {"price=\"7\"", "b"},
        {"price=\"12.50\"", ""}, /* a number is no text */
        {"price~5", "a"},        /* but has digits to look for */
        {"id=a", "a"},
        {"code=12345678901234567890", "d"},
        {"code=12345678901234567891", ""}, /* too long to be compared as numbers */
        {"code=7", "e"},
        {"code=\"7\"", ""},
        /* texts, by their bytes */
        {"date>=\"2024\"", "b"},
        {"date<2024-01-01", "d"},
        {"date>2024", ""}, /* a number and a text have no order */
        {"title=A Red KITE", "a"},
        {"title=a red kite", ""},
        {"title!=\"A Red KITE\"", "bcde"},
        {"title = say \"hi\" = 3", "e"},
        {"title=\"say \\\"hi\\\" = 3\"", "e"},
        {"title>Redcurrant", "be"},
        /* parts of texts, whatever their case */
        {"title~red", "ac"},
        {"title ~ RED k", "a"},
        {"title~\" red \"", "a"},
        {"title~äpf", "b"},
        {"title~\\u00c4", ""},
        {"title~\"\\u00c4\"", "b"},
        {"names~drachen", "d"}, /* in its JSON */
        /* lists: one of its elements */
        {"tags has red", "a"},
        {"tags has \"red\"", "a"},
        {"tags has Red", ""},
        {"tags=red", "a"},
        {"tags!=red", "bcde"},
        {"tags~RU", "b"},
        {"tags>red", "a"},
        {"sizes has 2.5", "a"},
        {"sizes has 3", "a"},
        {"sizes>2", "a"},
        {"sizes<2", "a"},
        {"sizes!=2", "abcd"},
        {"title has Redcurrant", ""}, /* no list */
        {"mixed has red", ""},        /* nor this, of more than texts and numbers */
        {"mixed~red", "e"},
        /* true and false */
        {"stock=true", "a"},
        {"stock!=true", "bcde"},
        {"stock=\"false\"", "b"},
        {"stock>a", ""},
        /* names */
        {"\"list price\"=3", "d"},
        {"has has x", ""},
        {"has=x", "e"},
        /* as items.h writes them, or as the table calls them */
        {"author=Bob", "b"},
        {"brand=Bob", "b"},
        {"Brand~o", "b"},
        {"author=Ann", "e"},
        {"brand=Ann", ""},
        {"brand=B", "e"},
        {"categories has fruit", "b"},
        {"nothing=1", ""},
        {"nothing!=1", "abcde"},
        {"nothing~\"\"", ""},
        {"title~\"\"", "abce"}, /* whatever it is: the field is there */
        {"PRICE<20", ""},
        {"Title~red", "ac"},
        {" \t price\t<20 ", "abe"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char found[ITEMS + 1];
        matching(cases[i].condition, found);
        if (strcmp(found, cases[i].ids) != 0)
            fail_msg("%s: \"%s\", expected \"%s\"", cases[i].condition, found, cases[i].ids);
    }
}

static void what_cannot_be_read_is_named_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *condition, *says;
    } cases[] = {
        {"", "condition \"\": expected a field's name at character 1"},
        {"  ", "a field's name at character 3"},
        {"<20", "a field's name at character 1"},
        {"price", "expected one of = != < <= > >= has ~ at character 6"},
        {"price 20", "one of = != < <= > >= has ~ at character 7"},
        {"tags hasvegan", "has ~ at character 6"},
        {"tags has", "expected a value at character 9"},
        {"price<", "expected a value at character 7"},
        {"price< ", "expected a value at character 8"},
        {"price<>20",
         "expected a value (in quotes if it begins with one of = ! < > ~) at character 7"},
        {"price=>20", "at character 7"},
        {"price===2", "at character 8"},
        {"price!20", "has ~ at character 6"},
        {"größe=\"x", "expected a text in quotes, written as in JSON, at character 7"},
        {"title=\"a\\x\"", "written as in JSON, at character 7"},
        {"title=\"a\\", "written as in JSON, at character 7"},
        {"title=\"a\" b", "expected nothing more behind the quotes at character 11"},
        {"\"open=3", "written as in JSON, at character 1"},
        {"a\"b=3", "has ~ at character 2"},
        {"title=\xff", "UTF-8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ferry_arena arena;
        ferry_error error;
        ferry_condition condition;
        ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
        assert_int_equal(ferry_condition_parse(cases[i].condition, &arena, &condition, &error),
                         FERRY_INVALID_ARGUMENT);
        if (strstr(error.message, cases[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.message, cases[i].says);
        ferry_arena_free(&arena);
    }
    ferry_arena arena;
    ferry_condition condition;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_condition_parse(NULL, &arena, &condition, NULL), FERRY_INVALID_ARGUMENT);
    ferry_arena_free(&arena);
}

/* Columns stay until there are too many, and then are read again. */
static void columns_are_kept_and_read_again(void **state)
{
    (void)state;
    char found[ITEMS + 1], condition[32];
    matching("price<20", found);
    const ferry_field_column *price = ferry_fields_find(&fields, "price");
    matching("price<20", found);
    assert_ptr_equal(ferry_fields_find(&fields, "price"), price);
    for (int i = 0; i < 3 * FERRY_MAX_COLUMNS; i++) {
        snprintf(condition, sizeof condition, "field%d!=x", i);
        matching(condition, found);
        assert_string_equal(found, "abcde");
        assert_true(fields.count <= FERRY_MAX_COLUMNS);
        if (i == FERRY_MAX_COLUMNS) assert_null(ferry_fields_find(&fields, "field0"));
    }
    matching("price<20", found);
    assert_string_equal(found, "abe");
}

static void text_is_folded(void **state)
{
    (void)state;
    static const struct {
        const char *text, *folded, *squeezed;
    } cases[] = {
        {"", "", ""},
        {" \t", " \t", ""},
        {"  Ein ÄPFEL\u00a0\u2003Korb ", "  ein äpfel\u00a0\u2003korb ", "ein äpfel korb"},
        {"ΣΑΣ Ⅳ 中", "σασ ⅳ 中", "σασ ⅳ 中"},
        {"a\xff", "a\xef\xbf\xbd", "a\xef\xbf\xbd"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int squeeze = 0; squeeze < 2; squeeze++) {
            ferry_buffer out;
            ferry_buffer_init(&out, ferry_allocator_or_default(NULL));
            assert_true(ferry_buffer_append(&out, "x ", 2)); /* what is there does not matter */
            assert_true(ferry_fold_text(&out, cases[i].text, strlen(cases[i].text), squeeze == 1));
            assert_true(ferry_buffer_append(&out, "", 1));
            assert_string_equal(out.data + 2, squeeze ? cases[i].squeezed : cases[i].folded);
            ferry_buffer_free(&out);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conditions_match_what_they_say),
        cmocka_unit_test(what_cannot_be_read_is_named_with_its_place),
        cmocka_unit_test(columns_are_kept_and_read_again),
        cmocka_unit_test(text_is_folded),
    };
    return cmocka_run_group_tests(tests, open_items, close_items);
}
