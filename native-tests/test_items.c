/* Items: their fields under many names, their JSON, and the real catalogues where they are. */
#define _POSIX_C_SOURCE 200809L /* shared_data.h runs xz */

#include "failing.h"
#include "shared_data.h"
#include "table_log.h"

static table_log seen;
static ferry_error error;

static ferry_status read_as(const char *name, const char *text)
{
    ferry_file file = {name, text, strlen(text)};
    size_t refused;
    table_log_clear(&seen);
    error.message[0] = '\0';
    ferry_status status = ferry_items_read(&file, FERRY_TABLE_AUTO, NULL, table_log_item, &seen,
                                           table_log_refused, &seen, &refused, &error);
    assert_int_equal(refused, seen.refused);
    return status;
}

static void reads(const char *name, const char *text, const char *expected)
{
    ferry_status status = read_as(name, text);
    assert_string_equal(error.message, "");
    assert_int_equal(status, FERRY_OK);
    assert_string_equal(seen.text, expected);
}

/* ---- fields ---- */

static ferry_status check_fields(void *user, const ferry_item_row *item, ferry_error *unused)
{
    (void)unused;
    (*(size_t *)user)++;
    assert_string_equal(item->id, "7");
    assert_string_equal(item->domain, "films");
    assert_string_equal(item->title, "Alien");
    assert_string_equal(item->author, "Scott");
    assert_string_equal(item->description, "In space");
    assert_string_equal(item->image, "a.png");
    assert_string_equal(item->audio, "");
    assert_int_equal(item->tag_count, 2);
    assert_string_equal(item->tags[0], "Horror");
    assert_string_equal(item->tags[1], "SciFi");
    assert_string_equal(
        item->json, "{\"id\":\"7\",\"domain\":\"films\",\"title\":\"Alien\",\"tags\":[\"Horror\","
                    "\"SciFi\"],\"author\":\"Scott\",\"description\":\"In space\",\"image\":"
                    "\"a.png\",\"year\":\"1979\"}");
    return FERRY_OK;
}

static void one_item_in_every_format(void **state)
{
    (void)state;
    static const char *const names[] = {"f.csv", "x/f.jsonl", "films.item"};
    static const char *const texts[] = {
        "id,domain,title,tags,author,description,image,audio,year\n"
        "7,films,Alien,Horror|SciFi,Scott,In space,a.png,,1979\n",
        "{\"id\":7,\"domain\":\"films\",\"title\":\"Alien\",\"tags\":[\"Horror\",\"SciFi\"],"
        "\"author\":\"Scott\",\"description\":\"In space\",\"image\":\"a.png\",\"year\":\"1979\"}",
        "item_id:token\tmovie_title:token_seq\tclass:token_seq\tartist:token\t"
        "summary:token_seq\timage_url:token\tyear:token\n"
        "7\tAlien\tHorror SciFi\tScott\tIn space\ta.png\t1979\n"};
    for (size_t i = 0; i < 3; i++) {
        ferry_file file = {names[i], texts[i], strlen(texts[i])};
        size_t count = 0;
        assert_int_equal(ferry_items_read(&file, FERRY_TABLE_AUTO, NULL, check_fields, &count, NULL,
                                          NULL, NULL, &error),
                         FERRY_OK);
        assert_int_equal(count, 1);
    }
}

static void fields_by_other_names(void **state)
{
    (void)state;
    reads(
        "shop.csv", "movieId,Title,genres\n1,Toy Story (1995),Adventure|Animation\n",
        "{\"id\":\"1\",\"domain\":\"shop\",\"title\":\"Toy Story (1995)\",\"tags\":[\"Adventure\","
        "\"Animation\"]}\n");
    reads("d.jsonl",
          "{\"asin\":\"B0\",\"imUrl\":\"u\",\"categories\":[[\"Beauty\",\"Nails\"],[\"Beauty\"]],"
          "\"brand\":\"OPI\",\"title\":\"Polish\"}",
          "{\"id\":\"B0\",\"domain\":\"d\",\"title\":\"Polish\",\"tags\":[\"Beauty\",\"Nails\"],"
          "\"author\":\"OPI\",\"image\":\"u\"}\n");
    /* the canonical name before another, the other if it is empty; what is not taken is kept */
    reads("d.jsonl",
          "{\"name\":\"n\",\"item_id\":\"i\",\"id\":\"x\",\"title\":\"t\"}\n"
          "{\"name\":\"n\",\"item_id\":\"i\",\"id\":\" \",\"title\":\"\"}\n"
          "{\"name\":{\"en\":\"n\"},\"id\":\"x\",\"title\":null,\"class\":true}",
          "{\"id\":\"x\",\"domain\":\"d\",\"title\":\"t\",\"name\":\"n\",\"item_id\":\"i\"}\n"
          "{\"id\":\"i\",\"domain\":\"d\",\"title\":\"n\"}\n"
          "{\"id\":\"x\",\"domain\":\"d\",\"name\":{\"en\":\"n\"},\"class\":true}\n");
}

static void ids(void **state)
{
    (void)state;
    reads("d.jsonl",
          "{\"id\":\"  a b \"}\n{\"id\":12345678901234567890}\n{\"id\":12.0}\n{\"id\":-3}\n"
          "{\"id\":1.5}\n{\"id\":1e3}\n{\"id\":true}\n{\"id\":[\"a\"]}\n{\"id\":\" \"}\n{}\n",
          "{\"id\":\"a b\",\"domain\":\"d\"}\n{\"id\":\"12345678901234567890\",\"domain\":\"d\"}\n"
          "{\"id\":\"12\",\"domain\":\"d\"}\n{\"id\":\"-3\",\"domain\":\"d\"}\n"
          "d.jsonl:5: \"id\" is 1.5, expected text or a whole number in plain digits\n"
          "d.jsonl:6: \"id\" is 1e3, expected text or a whole number in plain digits\n"
          "d.jsonl:7: \"id\" is true, expected text\n"
          "d.jsonl:8: \"id\" is [\"a\"], expected text\n"
          "d.jsonl:9: no id (looked for id item_id item product_id parent_asin asin movie_id "
          "book_id isbn sku)\n"
          "d.jsonl:10: no id (looked for id item_id item product_id parent_asin asin movie_id "
          "book_id isbn sku)\n");
    reads("d.csv", "id,title\n,x\n007,y\n",
          "d.csv:2: no id (looked for id item_id item product_id parent_asin asin movie_id book_id "
          "isbn sku)\n{\"id\":\"007\",\"domain\":\"d\",\"title\":\"y\"}\n");
}

static void lists(void **state)
{
    (void)state;
    reads(
        "d.jsonl",
        "{\"id\":1,\"author\":[\"A\",\" \",\"B\"],\"description\":[\"one.\",\"two.\"],\"title\":[1,"
        "2],\"image\":[\"a.png\",\"b.png\"],\"tags\":[\"x\",[\" y \",\"x\"],3]}\n"
        "{\"id\":2,\"tags\":\"x; y;x;\"}\n{\"id\":3,\"tags\":\"x; y|z\"}\n{\"id\":4,\"tags\":[]}\n"
        "{\"id\":5,\"tags\":[{}]}\n{\"id\":6,\"title\":{}}\n{\"id\":7,\"title\":1984}\n",
        "{\"id\":\"1\",\"domain\":\"d\",\"title\":\"1 2\",\"tags\":[\"x\",\"y\",\"3\"],\"author\":"
        "\"A, B\",\"description\":\"one. two.\",\"image\":\"a.png\"}\n"
        "{\"id\":\"2\",\"domain\":\"d\",\"tags\":[\"x\",\"y\"]}\n"
        "{\"id\":\"3\",\"domain\":\"d\",\"tags\":[\"x; y\",\"z\"]}\n"
        "{\"id\":\"4\",\"domain\":\"d\"}\n"
        "d.jsonl:5: \"tags\" is [{}], expected text or a list of texts\n"
        "d.jsonl:6: \"title\" is {}, expected text or a list of texts\n"
        "{\"id\":\"7\",\"domain\":\"d\",\"title\":\"1984\"}\n");
    reads(
        "d.item",
        "id:token\tcategory:token_seq\tw:token_seq\tn:float_seq\n1\tHair & Skin Hair\ta "
        " b\t1 x 2.5\n",
        "{\"id\":\"1\",\"domain\":\"d\",\"tags\":[\"Hair\",\"Skin\"],\"w\":[\"a\",\"b\"],\"n\":[1,"
        "\"x\",2.5]}\n");
}

static void unknown_fields_survive(void **state)
{
    (void)state;
    reads("d.jsonl",
          "{\"price\": 1.50, \"id\":\"1\", \"names\": {\"zh_CN\": \"\\u732b\", \"fr\": \"chat\"},"
          " \"n\":null, \"big\":123456789012345678901, \"e\":\"\", \"q\\\"\":\"a\\u0001\\n\"}",
          "{\"id\":\"1\",\"domain\":\"d\",\"price\":1.50,\"names\":{\"zh_CN\":\"\\u732b\",\"fr\":"
          "\"chat\"},\"n\":null,\"big\":123456789012345678901,\"e\":\"\",\"q\\\"\":\"a\\u0001\\n\"}"
          "\n");
    reads("d.csv", "id,price,,x\n1,2.50,index,\n",
          "{\"id\":\"1\",\"domain\":\"d\",\"price\":\"2.50\"}\n");
}

static void domains(void **state)
{
    (void)state;
    reads("a/b.c/amazon-beauty.item", "id:token\n1\n",
          "{\"id\":\"1\",\"domain\":\"amazon-beauty\"}\n");
    reads("d.item", "id:token\tdomain:token\n1\tbooks\n2\t\n",
          "{\"id\":\"1\",\"domain\":\"books\"}\n{\"id\":\"2\",\"domain\":\"d\"}\n");
    reads(".csv", "id\n1\n", "{\"id\":\"1\",\"domain\":\".csv\"}\n");
}

static void too_many_tags(void **state)
{
    (void)state;
    static char text[20000];
    size_t used = (size_t)sprintf(text, "{\"id\":1,\"tags\":[0");
    for (int i = 1; i <= 1024; i++) used += (size_t)sprintf(text + used, ",%d", i);
    sprintf(text + used, "]}\n{\"id\":2}");
    reads("d.jsonl", text, "d.jsonl:1: more than 1024 tags\n{\"id\":\"2\",\"domain\":\"d\"}\n");
}

static ferry_status read_logged(void *user, const ferry_allocator *allocator, ferry_error *why)
{
    size_t refused;
    table_log_clear(&seen);
    FERRY_TRY(ferry_items_read(user, FERRY_TABLE_AUTO, allocator, table_log_item, &seen,
                               table_log_refused, &seen, &refused, why));
    assert_int_equal(refused, 1);
    return FERRY_OK;
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    static const char text[] =
        "{\"id\":1,\"title\":[\"a\",\"b\"],\"x\":\"y\"}\n{\n{\"asin\":\"B\"}\n";
    ferry_file file = {"d.jsonl", text, strlen(text)};
    assert_true(fail_each(read_logged, &file) > 3);
    assert_int_equal(seen.rows, 2);
}

/* ---- real files ---- */

typedef struct totals {
    size_t items, titles, authors, tagged;
} totals;

static ferry_status count_item(void *user, const ferry_item_row *item, ferry_error *unused)
{
    (void)unused;
    totals *sum = user;
    sum->items++;
    sum->titles += item->title[0] != '\0';
    sum->authors += item->author[0] != '\0';
    sum->tagged += item->tag_count > 0;
    return FERRY_OK;
}

static void real_catalogues(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t items;
    } files[] = {{"amazon-beauty.item", 12101},
                 {"amazon-sports.item", 18357},
                 {"amazon-toys.item", 11924},
                 {"steam.item", 5155}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t size, refused;
        char *text = shared_data_read(files[i].name, &size);
        if (text == NULL) skip();
        ferry_file file = {files[i].name, text, size};
        totals sum = {0};
        assert_int_equal(ferry_items_read(&file, FERRY_TABLE_AUTO, NULL, count_item, &sum, NULL,
                                          NULL, &refused, &error),
                         FERRY_OK);
        print_message("%s: %zu items, %zu titles, %zu authors, %zu with tags, %zu refused\n",
                      files[i].name, sum.items, sum.titles, sum.authors, sum.tagged, refused);
        assert_int_equal(sum.items, files[i].items);
        assert_int_equal(refused, 0);
        assert_true(sum.titles * 100 > sum.items * 99);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_item_in_every_format),
        cmocka_unit_test(fields_by_other_names),
        cmocka_unit_test(ids),
        cmocka_unit_test(lists),
        cmocka_unit_test(unknown_fields_survive),
        cmocka_unit_test(domains),
        cmocka_unit_test(too_many_tags),
        cmocka_unit_test(survives_every_failed_allocation),
        cmocka_unit_test(real_catalogues),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
