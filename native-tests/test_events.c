/* Events: fields, defaults, what is refused; one event from JSON; the real interactions. */
#define _POSIX_C_SOURCE 200809L /* shared_data.h runs xz */

#include "failing.h"
#include "shared_data.h"
#include "table_log.h"

#include <time.h>

static table_log seen;
static ferry_error error;

static void reads(const char *name, const char *text, const char *expected)
{
    ferry_file file = {name, text, strlen(text)};
    size_t refused;
    table_log_clear(&seen);
    error.message[0] = '\0';
    ferry_status status = ferry_events_read(&file, FERRY_TABLE_AUTO, NULL, table_log_event, &seen,
                                            table_log_refused, &seen, &refused, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, FERRY_OK);
    assert_int_equal(refused, seen.refused);
    assert_string_equal(seen.text, expected);
}

static void the_same_events_in_every_format(void **state)
{
    (void)state;
    static const char expected[] = "u1/a/d purchase 0 1112486027\nu1/b/d rating 4.5 0\n"
                                   "u2/a/d view 0 0\n";
    reads("e.csv",
          "user,item,domain,behavior,value,timestamp\nu1,a,d,purchase,,1112486027\n"
          "u1,b,d,rating,4.5,\nu2,a,d,View,,\n",
          expected);
    reads(
        "e.jsonl",
        "{\"user\":\"u1\",\"item\":\"a\",\"domain\":\"d\",\"behavior\":\"purchase\","
        "\"timestamp\":1112486027}\n"
        "{\"user\":\"u1\",\"item\":\"b\",\"domain\":\"d\",\"value\":4.5}\n"
        "{\"user\":\"u2\",\"item\":\"a\",\"domain\":\"d\",\"behavior\":\"view\",\"value\":null}\n",
        expected);
    reads("d.inter",
          "user_id:token\titem_id:token\tbehavior:token\trating:float\ttimestamp:float\n"
          "u1\ta\t\t\t1112486027.9\nu1\tb\t\t4.5\t\nu2\ta\tview\t\t0\n",
          expected);
}

static void fields_by_other_names(void **state)
{
    (void)state;
    reads("e.csv", "userId,movieId,rating,timestamp\n1,2,3.5,1112486027\n",
          "1/2/ rating 3.5 1112486027\n");
    reads("e.jsonl",
          "{\"reviewerID\":\"A\",\"asin\":\"B0\",\"overall\":5.0,\"unixReviewTime\":1252800000}",
          "A/B0/ rating 5 1252800000\n");
    reads("e.csv", "visitorid,event,itemid\n7,view,9\n", "7/9/ view 0 0\n");
    reads("e.jsonl", "{\"item\":12345678901234567890}\n{\"item\":\" x \",\"user\":3.0}\n",
          "/12345678901234567890/ purchase 0 0\n3/x/ purchase 0 0\n");
}

static void refused_events(void **state)
{
    (void)state;
    reads(
        "e.csv",
        "item,behavior,value,timestamp\n,view,,\na,cart,,\na,rating,,\na,rating,5.5,\na,rating,0.9,"
        "\na,,nan,\na,,x,\na,view,x,\na,view,,soon\na,view,,1e30\na,view,137,\n",
        "e.csv:2: no item (looked for item item_id product_id parent_asin asin movie_id book_id "
        "isbn sku)\n"
        "/a/ cart 0 0\n"
        "e.csv:4: a rating without a value\n"
        "/a/ rating 5.5 0\n"
        "/a/ rating 0.9 0\n"
        "e.csv:7: the value is \"nan\", expected a finite number\n"
        "e.csv:8: the value is \"x\", expected a finite number\n"
        "e.csv:9: the value is \"x\", expected a finite number\n"
        "e.csv:10: the timestamp is \"soon\", expected seconds since 1970 or a date "
        "(2024-05-31T23:59:58Z)\n"
        "e.csv:11: the timestamp is \"1e30\", expected seconds since 1970 or a date "
        "(2024-05-31T23:59:58Z)\n"
        "/a/ view 137 0\n");
    reads("e.jsonl",
          "{\"item\":{}}\n{\"item\":\"a\",\"behavior\":1.5}\n{\"item\":\"a\",\"value\":[5]}\n"
          "{\"item\":\"a\",\"timestamp\":true}\n{\"item\":\"a\",\"user\":1.5}\n",
          "e.jsonl:1: \"item\" is {}, expected text or a whole number in plain digits\n"
          "e.jsonl:2: \"behavior\" is 1.5, expected text or a whole number in plain digits\n"
          "e.jsonl:3: the value is \"[5]\", expected a finite number\n"
          "e.jsonl:4: the timestamp is \"true\", expected seconds since 1970 or a date "
          "(2024-05-31T23:59:58Z)\n"
          "e.jsonl:5: \"user\" is 1.5, expected text or a whole number in plain digits\n");
}

static void behaviors_of_any_name(void **state)
{
    (void)state;
    char text[512], expected[512], name[66];
    memset(name, 'x', 65);
    name[65] = '\0';
    snprintf(text, sizeof text, "item,behavior\na, Add To Cart \na,3\na,%.64s\na,%s\na,PURCHASE\n",
             name, name);
    snprintf(expected, sizeof expected,
             "/a/ add to cart 0 0\n/a/ 3 0 0\n/a/ %.64s 0 0\n"
             "e.csv:5: behavior \"%s\" has 65 bytes, expected 1 to 64\n/a/ purchase 0 0\n",
             name, name);
    reads("e.csv", text, expected);
    reads("e.jsonl", "{\"item\":\"a\",\"behavior\":2,\"value\":0}\n", "/a/ 2 0 0\n");
}

static ferry_status log_position(void *user, const ferry_event_row *event, ferry_error *unused)
{
    (void)unused;
    table_log_add(user, "%g ", event->position);
    return FERRY_OK;
}

static void positions(void **state)
{
    (void)state;
    static const char rows[] = "item_id:token\tposition:float\na\t3\na\t\na\t-0.5\na\ttop\n";
    ferry_file file = {"d.inter", rows, strlen(rows)};
    table_log_clear(&seen);
    assert_int_equal(ferry_events_read(&file, FERRY_TABLE_AUTO, NULL, log_position, &seen,
                                       table_log_refused, &seen, NULL, &error),
                     FERRY_OK);
    assert_string_equal(seen.text,
                        "3 0 -0.5 d.inter:5: the position is \"top\", expected a finite number\n");
}

static void timestamps(void **state)
{
    (void)state;
    reads("e.jsonl",
          "{\"item\":1,\"timestamp\":1717113600999}\n{\"item\":2,\"timestamp\":1717113600000000}\n"
          "{\"item\":3,\"timestamp\":\"1717113600000000000\"}\n{\"item\":4,\"timestamp\":-1.5}\n"
          "{\"item\":5,\"timestamp\":\"2024-05-31T00:00:00Z\"}\n"
          "{\"item\":6,\"timestamp\":99999999999}\n",
          "/1/ purchase 0 1717113600\n/2/ purchase 0 1717113600\n/3/ purchase 0 1717113600\n"
          "/4/ purchase 0 -2\n/5/ purchase 0 1717113600\n/6/ purchase 0 99999999999\n");
}

static void domains(void **state)
{
    (void)state;
    reads("x/amazon-beauty.inter", "user_id:token\titem_id:token\tposition:float\nu\ta\t0\n",
          "u/a/amazon-beauty purchase 0 0\n");
    reads("d.inter", "item_id:token\tdomain:token\na\tbooks\nb\t\n",
          "/a/books purchase 0 0\n/b/d purchase 0 0\n");
    reads("d.csv", "item\na\n", "/a/ purchase 0 0\n");
}

static ferry_status from_json(const char *json, ferry_arena *arena, ferry_event_row *out)
{
    error.message[0] = '\0';
    return ferry_event_from_json(json, strlen(json), arena, out, &error);
}

static void one_event_from_json(void **state)
{
    (void)state;
    ferry_arena arena;
    ferry_event_row event;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    assert_int_equal(
        from_json("{\n\"item\": \"a\", \"domain\": \"d\", \"value\": 5}\n", &arena, &event),
        FERRY_OK);
    assert_string_equal(event.item, "a");
    assert_string_equal(event.domain, "d");
    assert_int_equal(event.behavior, FERRY_RATING);
    assert_true(event.value == 5);
    assert_true(event.has_value);
    assert_int_equal(from_json("{\"item\":\"a\",\"behavior\":\"Cart\"}", &arena, &event), FERRY_OK);
    assert_int_equal(event.behavior, FERRY_OTHER);
    assert_string_equal(event.behavior_name, "cart");
    assert_false(event.has_value);
    assert_int_equal(from_json("{\"item\":\"a\",\"behavior\":\"rating\"}", &arena, &event),
                     FERRY_MALFORMED);
    assert_string_equal(error.message, "event: a rating without a value");
    assert_string_equal(event.item, "");
    assert_int_equal(from_json("[]", &arena, &event), FERRY_MALFORMED);
    assert_int_equal(from_json("", &arena, &event), FERRY_MALFORMED);
    assert_int_equal(from_json("{\"item\":\"\xFF\"}", &arena, &event), FERRY_MALFORMED);
    ferry_arena_free(&arena);
}

static ferry_status read_logged(void *user, const ferry_allocator *allocator, ferry_error *why)
{
    size_t refused;
    table_log_clear(&seen);
    FERRY_TRY(ferry_events_read(user, FERRY_TABLE_AUTO, allocator, table_log_event, &seen,
                                table_log_refused, &seen, &refused, why));
    assert_int_equal(refused, 1);
    return FERRY_OK;
}

static ferry_status read_one(void *user, const ferry_allocator *allocator, ferry_error *why)
{
    const char *text = user;
    ferry_arena arena;
    ferry_event_row event;
    ferry_arena_init(&arena, *allocator);
    ferry_status status = ferry_event_from_json(text, strlen(text), &arena, &event, why);
    ferry_arena_free(&arena);
    return status;
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    static const char text[] = "{\"item\":\"a\"}\n{\n{\"item\":\"b\",\"value\":3}\n";
    char first[] = "{\"item\":\"a\"}";
    ferry_file file = {"d.jsonl", text, strlen(text)};
    assert_true(fail_each(read_logged, &file) > 2);
    assert_int_equal(seen.rows, 2);
    assert_true(fail_each(read_one, first) > 0);
}

/* ---- real files ---- */

static ferry_status count_event(void *user, const ferry_event_row *event, ferry_error *unused)
{
    (void)unused;
    ((size_t *)user)[event->behavior]++;
    return FERRY_OK;
}

static void real_interactions(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t purchases, views, others;
    } files[] = {{"amazon-beauty.inter", 198502, 0, 0},
                 {"amazon-sports.inter", 296337, 0, 0},
                 {"amazon-toys.inter", 167597, 0, 0},
                 {"steam.inter", 129511, 0, 70489},          /* "play" */
                 {"retailrocket.inter", 5088, 78371, 9028}}; /* "cart" */
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t size, refused;
        char *text = shared_data_read(files[i].name, &size);
        if (text == NULL) skip();
        ferry_file file = {files[i].name, text, size};
        size_t counts[FERRY_BEHAVIOR_COUNT] = {0};
        clock_t start = clock();
        assert_int_equal(ferry_events_read(&file, FERRY_TABLE_AUTO, NULL, count_event, counts, NULL,
                                           NULL, &refused, &error),
                         FERRY_OK);
        print_message("%s: %zu purchases, %zu views, %zu others, %.3f s\n", files[i].name,
                      counts[FERRY_PURCHASE], counts[FERRY_VIEW], counts[FERRY_OTHER],
                      (double)(clock() - start) / CLOCKS_PER_SEC);
        assert_int_equal(counts[FERRY_PURCHASE], files[i].purchases);
        assert_int_equal(counts[FERRY_VIEW], files[i].views);
        assert_int_equal(counts[FERRY_RATING], 0);
        assert_int_equal(counts[FERRY_OTHER], files[i].others);
        assert_int_equal(refused, 0);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_events_in_every_format),
        cmocka_unit_test(fields_by_other_names),
        cmocka_unit_test(refused_events),
        cmocka_unit_test(behaviors_of_any_name),
        cmocka_unit_test(positions),
        cmocka_unit_test(timestamps),
        cmocka_unit_test(domains),
        cmocka_unit_test(one_event_from_json),
        cmocka_unit_test(survives_every_failed_allocation),
        cmocka_unit_test(real_interactions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
