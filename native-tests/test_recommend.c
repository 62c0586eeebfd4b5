/* Catalogue, visitor and ranking on a catalogue small enough to check by hand. */
#include "small_catalog.h"

#include <math.h>

#include "math/kernels.h"

static small_catalog small;

static int make_small(void **state)
{
    (void)state;
    small_catalog_make(&small);
    return 0;
}

static int free_small(void **state)
{
    (void)state;
    small_catalog_free(&small);
    return 0;
}

static ferry_catalog *open_small(void)
{
    ferry_error error;
    ferry_catalog *catalog;
    if (ferry_catalog_open(small.files, SMALL_FILES, NULL, &catalog, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    return catalog;
}

static void add(ferry_visitor *visitor, const char *domain, const char *item,
                ferry_behavior behavior, double value)
{
    ferry_error error;
    ferry_event event = {item, domain, behavior, value, 0, NULL};
    if (ferry_visitor_add(visitor, &event, &error) != FERRY_OK) fail_msg("%s", error.message);
}

/* Asserts that the list is `expected`, words "domain/id" with a space between. */
static void assert_list(const ferry_catalog *catalog, const ferry_recommendation *items,
                        size_t count, const char *expected)
{
    char found[512] = "";
    for (size_t i = 0; i < count; i++) {
        ferry_item item;
        assert_int_equal(ferry_catalog_item(catalog, items[i].item, &item, NULL), FERRY_OK);
        size_t used = strlen(found);
        snprintf(found + used, sizeof found - used, "%s%s/%s", i > 0 ? " " : "", item.domain,
                 item.id);
        if (i > 0) assert_true(items[i - 1].score >= items[i].score);
    }
    assert_string_equal(found, expected);
}

static void assert_recommends(ferry_visitor *visitor, const ferry_catalog *catalog, size_t k,
                              const char *domain, const char *expected, size_t seen)
{
    ferry_error error;
    ferry_recommendation items[32];
    ferry_excluded excluded;
    size_t count;
    ferry_recommend_options options = {.size = sizeof options,
                                       .k = k,
                                       .domains = &domain,
                                       .domain_count = domain != NULL,
                                       .keep_duplicates = true};
    if (ferry_visitor_recommend(visitor, &options, items, &count, &excluded, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    assert_list(catalog, items, count, expected);
    assert_int_equal(excluded.seen, seen);
}

static void nearest_first_ties_by_id(void **state)
{
    (void)state;
    ferry_catalog *catalog = open_small();
    ferry_visitor *visitor;
    assert_int_equal(ferry_visitor_create(catalog, &visitor, NULL), FERRY_OK);
    add(visitor, "books", "b1", FERRY_PURCHASE, 0);
    /* to (1,0,0): b2 1, x of films .8, f1 and f2 .6, x of books and both songs 0 */
    assert_recommends(visitor, catalog, 20, NULL,
                      "books/b2 films/x films/f1 films/f2 books/x songs/s1 songs/s2", 1);
    assert_recommends(visitor, catalog, 3, NULL, "books/b2 films/x films/f1", 1);
    assert_recommends(visitor, catalog, 1, NULL, "books/b2", 1);
    assert_recommends(visitor, catalog, 10, "films", "films/x films/f1 films/f2", 0);
    assert_recommends(visitor, catalog, 10, "books", "books/b2 books/x", 1);

    ferry_recommend_options keep = {
        .size = sizeof keep, .k = 2, .keep_seen = true, .keep_duplicates = true};
    ferry_recommendation items[2];
    size_t count;
    assert_int_equal(ferry_visitor_recommend(visitor, &keep, items, &count, NULL, NULL), FERRY_OK);
    assert_list(catalog, items, count, "books/b1 books/b2");
    ferry_visitor_close(visitor);
    ferry_catalog_close(catalog);
}

/* The vector is the weighted mean: 1 purchase, .25 view, (value - 3) / 2 rating. */
static void events_have_their_weights(void **state)
{
    (void)state;
    ferry_catalog *catalog = open_small();
    ferry_visitor *visitor;
    assert_int_equal(ferry_visitor_create(catalog, &visitor, NULL), FERRY_OK);
    add(visitor, NULL, "b1", FERRY_PURCHASE, 0); /* (1, 0, 0) */
    add(visitor, NULL, "s1", FERRY_VIEW, 0);     /* (0, 0, .25) */
    add(visitor, NULL, "f1", FERRY_RATING, 1);   /* -(.6, .8, 0) */
    assert_int_equal(ferry_visitor_event_count(visitor), 3);
    const double x = 1 - 0.6, y = -0.8, z = 0.25, length = sqrt(x * x + y * y + z * z);
    ferry_recommend_options options = {
        .size = sizeof options, .k = 8, .keep_disliked = true, .keep_duplicates = true};
    ferry_recommendation items[8];
    size_t count;
    assert_int_equal(ferry_visitor_recommend(visitor, &options, items, &count, NULL, NULL),
                     FERRY_OK);
    for (size_t i = 0; i < count; i++) {
        const float *v = small_vectors[items[i].item];
        double expected = ((double)v[0] * x + (double)v[1] * y + (double)v[2] * z) / length;
        assert_true(fabs((double)items[i].score - expected) < 1e-6);
    }
    assert_list(catalog, items, count, "films/x books/b2 songs/s2 books/x films/f2");
    ferry_visitor_close(visitor);
    ferry_catalog_close(catalog);
}

/* The order of the events in the file does not matter if they have times: same bits. */
static void order_of_arrival_does_not_matter(void **state)
{
    (void)state;
    ferry_catalog *catalog = open_small();
    float scores[2][SMALL_ITEMS];
    static const ferry_event events[] = {{"b1", NULL, FERRY_RATING, 4.3, 30, NULL},
                                         {"s1", NULL, FERRY_VIEW, 0, 10, NULL},
                                         {"f1", NULL, FERRY_RATING, 2.7, 20, NULL},
                                         {"f2", NULL, FERRY_PURCHASE, 0, 40, NULL}};
    for (size_t turn = 0; turn < 2; turn++) {
        ferry_visitor *visitor;
        assert_int_equal(ferry_visitor_create(catalog, &visitor, NULL), FERRY_OK);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(ferry_visitor_add(visitor, &events[turn ? 3 - i : i], NULL), FERRY_OK);
        ferry_recommend_options options = {.size = sizeof options,
                                           .k = SMALL_ITEMS,
                                           .keep_seen = true,
                                           .keep_disliked = true,
                                           .keep_duplicates = true};
        ferry_recommendation items[SMALL_ITEMS];
        size_t count;
        assert_int_equal(ferry_visitor_recommend(visitor, &options, items, &count, NULL, NULL),
                         FERRY_OK);
        for (size_t i = 0; i < count; i++) scores[turn][items[i].item] = items[i].score;
        ferry_visitor_close(visitor);
    }
    assert_memory_equal(scores[0], scores[1], sizeof scores[0]);
    ferry_catalog_close(catalog);
}

static void wrong_calls_are_told_and_survived(void **state)
{
    (void)state;
    ferry_catalog *catalog = open_small();
    ferry_visitor *visitor;
    ferry_error error;
    assert_int_equal(ferry_visitor_create(catalog, &visitor, NULL), FERRY_OK);

    const struct {
        ferry_event event;
        ferry_status status;
        const char *says;
    } wrong[] = {
        {{"nothing", NULL, FERRY_VIEW, 0, 0, NULL}, FERRY_NOT_FOUND, "nothing"},
        {{"b1", "films", FERRY_VIEW, 0, 0, NULL}, FERRY_NOT_FOUND, "films"},
        {{"b1", "toys", FERRY_VIEW, 0, 0, NULL}, FERRY_NOT_FOUND, "toys"},
        {{"x", NULL, FERRY_VIEW, 0, 0, NULL}, FERRY_INVALID_ARGUMENT, "several domains"},
        {{NULL, NULL, FERRY_VIEW, 0, 0, NULL}, FERRY_INVALID_ARGUMENT, "NULL"},
        {{"b1", NULL, FERRY_RATING, 5.5, 0, NULL}, FERRY_INVALID_ARGUMENT, "5.5"},
        {{"b1", NULL, FERRY_RATING, (double)NAN, 0, NULL}, FERRY_INVALID_ARGUMENT, "nan"},
        {{"b1", NULL, (ferry_behavior)17, 0, 0, NULL}, FERRY_INVALID_ARGUMENT, "17"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(ferry_visitor_add(visitor, &wrong[i].event, &error), wrong[i].status);
        if (strstr(error.message, wrong[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.message, wrong[i].says);
    }
    assert_int_equal(ferry_visitor_event_count(visitor), 0);

    ferry_recommendation items[4];
    size_t count = 9;
    ferry_recommend_options options = {.size = sizeof options, .k = 4};
    assert_int_equal(ferry_visitor_recommend(visitor, &options, items, &count, NULL, &error),
                     FERRY_EMPTY_HISTORY);
    assert_int_equal(count, 0);
    add(visitor, NULL, "s1", FERRY_PURCHASE, 0);
    add(visitor, NULL, "s2", FERRY_PURCHASE, 0); /* the opposite vector */
    assert_int_equal(ferry_visitor_recommend(visitor, &options, items, &count, NULL, &error),
                     FERRY_EMPTY_HISTORY);
    assert_non_null(strstr(error.message, "cancel out"));
    add(visitor, NULL, "b1", FERRY_PURCHASE, 0);
    options.k = 0;
    assert_int_equal(ferry_visitor_recommend(visitor, &options, items, &count, NULL, &error),
                     FERRY_INVALID_ARGUMENT);
    options.k = 4;
    options.size = 0;
    assert_int_equal(ferry_visitor_recommend(visitor, &options, items, &count, NULL, &error),
                     FERRY_INVALID_ARGUMENT);
    options.size = sizeof options;
    const char *domain = "toys";
    options.domains = &domain;
    options.domain_count = 1;
    assert_int_equal(ferry_visitor_recommend(visitor, &options, items, &count, NULL, &error),
                     FERRY_NOT_FOUND);
    assert_non_null(strstr(error.message, "toys"));
    options.domain_count = 0;
    assert_int_equal(ferry_visitor_recommend(visitor, &options, items, &count, NULL, &error),
                     FERRY_OK);
    assert_int_equal(count, 4);
    ferry_visitor_close(visitor);
    ferry_catalog_close(catalog);
}

static bool count_refused(void *user, const char *file, size_t line, const char *reason)
{
    (void)file, (void)line, (void)reason;
    (*(size_t *)user)++;
    return true;
}

static void a_history_file_is_one_users(void **state)
{
    (void)state;
    static const char rows[] = "user,item,domain,behavior,value,timestamp\n"
                               "ada,b1,books,purchase,,1\n"
                               "bob,f1,films,rating,5,2\n"
                               "ada,nothing,books,view,,3\n"
                               "ada,s1,,view,,4\n";
    ferry_file table = {"history.csv", rows, sizeof rows - 1};
    ferry_catalog *catalog = open_small();
    ferry_visitor *visitor;
    ferry_error error;
    size_t refused = 0, added;
    assert_int_equal(ferry_visitor_create(catalog, &visitor, NULL), FERRY_OK);
    assert_int_equal(ferry_visitor_add_table(visitor, &table, FERRY_TABLE_AUTO, "ada",
                                             count_refused, &refused, &added, &error),
                     FERRY_OK);
    assert_int_equal(added, 2);
    assert_int_equal(refused, 1);
    assert_int_equal(ferry_visitor_add_table(visitor, &table, FERRY_TABLE_AUTO, NULL, count_refused,
                                             &refused, &added, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "bob"));
    ferry_visitor_close(visitor);
    ferry_catalog_close(catalog);
}

/* What is wrong with a catalogue's files is named. */
static void wrong_files_are_named(void **state)
{
    (void)state;
    static const char half[] = "{\"format\":\"ferry-catalog\",\"version\":1,\"count\":7,"
                               "\"dimension\":3,\"text_model\":\"\"}";
    static const char future[] = "{\"format\":\"ferry-catalog\",\"version\":9,\"count\":8,"
                                 "\"dimension\":3}";
    static const char wide[] = "{\"format\":\"ferry-catalog\",\"version\":1,\"count\":8,"
                               "\"dimension\":4}";
    static const char twice[] =
        "{\"id\":\"a\",\"domain\":\"d\"}\n{\"id\":\"a\",\"domain\":\"d\"}\n";
    char *broken = malloc(small.files[2].size);
    memcpy(broken, small.files[2].data, small.files[2].size);
    const float not_a_number = NAN;
    memcpy(broken + small.files[2].size - 4, &not_a_number, 4);
    const struct {
        size_t file;
        ferry_file with;
        ferry_status status;
        const char *says;
    } wrong[] = {
        {0, {"catalog.json", half, sizeof half - 1}, FERRY_MALFORMED, "8 items"},
        {0, {"catalog.json", future, sizeof future - 1}, FERRY_UNSUPPORTED, "version 9"},
        {0, {"catalog.json", wide, sizeof wide - 1}, FERRY_MALFORMED, "[8, 4]"},
        {0, {"catalog.json", "{\"", 2}, FERRY_MALFORMED, "catalog.json"},
        {0, {"other.json", "", 0}, FERRY_NOT_FOUND, "catalog.json"},
        {1, {"items.jsonl", twice, sizeof twice - 1}, FERRY_MALFORMED, "items.jsonl:2"},
        {1, {"items.jsonl", "{}", 2}, FERRY_MALFORMED, "items.jsonl:1"},
        {1, {"other", "", 0}, FERRY_NOT_FOUND, "items.jsonl"},
        {2, {"vectors.safetensors", broken, small.files[2].size}, FERRY_MALFORMED, "row 7"},
        {2, {"vectors.safetensors", broken, 40}, FERRY_MALFORMED, "vectors.safetensors"},
        {2, {"other", "", 0}, FERRY_NOT_FOUND, "vectors.safetensors"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ferry_file files[SMALL_FILES];
        ferry_error error;
        ferry_catalog *catalog;
        memcpy(files, small.files, sizeof files);
        files[wrong[i].file] = wrong[i].with;
        assert_int_equal(ferry_catalog_open(files, SMALL_FILES, NULL, &catalog, &error),
                         wrong[i].status);
        assert_null(catalog);
        if (strstr(error.message, wrong[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.message, wrong[i].says);
    }
    free(broken);
}

static void items_keep_what_they_came_with(void **state)
{
    (void)state;
    ferry_catalog *catalog = open_small();
    size_t index;
    ferry_item item;
    ferry_error error;
    assert_int_equal(ferry_catalog_find(catalog, "", "b1", &index, &error), FERRY_OK);
    assert_int_equal(ferry_catalog_item(catalog, index, &item, &error), FERRY_OK);
    assert_string_equal(item.title, "First book");
    assert_string_equal(item.author, "");
    assert_non_null(strstr(item.json, "12.5"));
    assert_int_equal(ferry_catalog_find(catalog, NULL, "f2", &index, &error), FERRY_OK);
    assert_int_equal(ferry_catalog_item(catalog, index, &item, &error), FERRY_OK);
    assert_int_equal(item.tag_count, 2);
    assert_string_equal(item.tags[1], "b");
    assert_int_equal(ferry_catalog_item(catalog, SMALL_ITEMS, &item, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_int_equal(ferry_catalog_domain_count(catalog), 3);
    assert_string_equal(ferry_catalog_domain(catalog, 0), "books");
    assert_string_equal(ferry_catalog_domain(catalog, 2), "songs");
    assert_null(ferry_catalog_domain(catalog, 3));
    ferry_catalog_close(catalog);
}

static void statuses_have_names_and_texts(void **state)
{
    (void)state;
    for (int i = 0; i < FERRY_STATUS_COUNT; i++) {
        assert_non_null(ferry_status_name((ferry_status)i));
        assert_true(strlen(ferry_status_text((ferry_status)i)) > 1);
    }
    assert_string_equal(ferry_status_name(FERRY_EMPTY_HISTORY), "EMPTY_HISTORY");
    assert_null(ferry_status_name(FERRY_STATUS_COUNT));
    assert_null(ferry_status_text((ferry_status)-1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nearest_first_ties_by_id),
        cmocka_unit_test(events_have_their_weights),
        cmocka_unit_test(order_of_arrival_does_not_matter),
        cmocka_unit_test(wrong_calls_are_told_and_survived),
        cmocka_unit_test(a_history_file_is_one_users),
        cmocka_unit_test(wrong_files_are_named),
        cmocka_unit_test(items_keep_what_they_came_with),
        cmocka_unit_test(statuses_have_names_and_texts),
    };
    return cmocka_run_group_tests(tests, make_small, free_small);
}
