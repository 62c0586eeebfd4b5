/* Reading rows: CSV, JSONL and RecBole files, good ones, bad ones and hostile ones. */
#include "failing.h"
#include "table_log.h"

#include "input/date.h"

static table_log seen;
static ferry_error error;

static ferry_status read_bytes(const char *name, const char *data, size_t size)
{
    ferry_file file = {name, data, size};
    size_t refused;
    table_log_clear(&seen);
    error.message[0] = '\0';
    ferry_status status = ferry_table_read(&file, FERRY_TABLE_AUTO, NULL, table_log_row, &seen,
                                           table_log_refused, &seen, &refused, &error);
    assert_int_equal(refused, seen.refused);
    return status;
}

static void reads(const char *name, const char *text, const char *expected)
{
    ferry_status status = read_bytes(name, text, strlen(text));
    assert_string_equal(error.message, "");
    assert_int_equal(status, FERRY_OK);
    assert_string_equal(seen.text, expected);
}

static void fails(const char *name, const char *text, const char *message)
{
    assert_int_equal(read_bytes(name, text, strlen(text)), FERRY_MALFORMED);
    assert_string_equal(error.message, message);
    assert_int_equal(seen.rows, 0);
}

/* ---- CSV ---- */

static void csv_quotes_lines_and_ends(void **state)
{
    (void)state;
    reads("t.csv", "a,b\n1,2\n", "2|a=1|b=2\n");
    reads("t.csv", "a,b\r\n1,2\r\n3,4", "2|a=1|b=2\n3|a=3|b=4\n");
    reads("t.csv", "\xEF\xBB\xBF\"a\", b \n,\n", "2|a=|b=\n");
    reads("t.csv", "a,b\n\"x, \"\"y\"\"\",\"\"\n", "2|a=x, \"y\"|b=\n");
    reads("t.csv", "a,b\n\"1\r\n2\",z\n3,4\n", "2|a=1\r\n2|b=z\n4|a=3|b=4\n");
    reads("t.csv", "\n\na\n\n1\n\r\n2\n", "5|a=1\n7|a=2\n");
    reads("t.csv", "a,b\n5\" disc,x\"\"y\n", "2|a=5\" disc|b=x\"\"y\n");
    reads("t.csv", "a\nlone\rreturn\n", "2|a=lone\rreturn\n");
    reads("t.csv", ",a\n0,x\n", "2|=0|a=x\n");
    reads("t.CSV", "a\n", "");
    reads("t.tsv", "a\tb\n1,5\t\"2\t3\"\n", "2|a=1,5|b=2\t3\n");
}

static void csv_refuses_rows(void **state)
{
    (void)state;
    reads("t.csv", "a,b\n1\n1,2,3\n4,5\n",
          "t.csv:2: 1 fields, the header has 2\nt.csv:3: 3 fields, the header has 2\n"
          "4|a=4|b=5\n");
    reads("t.csv", "a,b\n\"x\"y,2\n3,4\n", "t.csv:2: text follows a closing quote\n3|a=3|b=4\n");
    reads("t.csv", "a,b\n1,2\n3,\"open\n4,5\n6,7\n",
          "2|a=1|b=2\nt.csv:3: a quote in this row is never closed: it takes in all up to line 5, "
          "the last\n");
    reads("t.csv", "a\n\"x",
          "t.csv:2: a quote in this row is never closed: it takes in all up to "
          "line 2, the last\n");
}

static void csv_without_a_header(void **state)
{
    (void)state;
    fails("t.csv", "", "t.csv:1: empty, a header row was expected");
    fails("t.csv", "\n\r\n", "t.csv:2: empty, a header row was expected");
    fails("t.csv", "a,\"b\n1,2\n", "t.csv:1: a quote in the header is never closed");
    fails("t.csv", "a,b,a\n1,2,3\n", "t.csv:1: the header has \"a\" twice");
    fails("t.csv", "a\xFF\n", "t.csv:1: the header is not UTF-8");
    fails("t.csv", "\"a\"b\n", "t.csv:1: in the header: text follows a closing quote");
}

/* ---- JSONL ---- */

static void jsonl_values(void **state)
{
    (void)state;
    reads("t.jsonl", "{\"a\":\"x\",\"b\":1.50,\"c\":null}\n", "1|a=x|b=#1.50|c=~null\n");
    reads("t.ndjson", "\n  \r\n { \"a\" : [ 1 , {\"k\" : [ ] } , \"x y\" ] } \r\n{}\n",
          "3|a=~[1,{\"k\":[]},\"x y\"]\n4\n");
    reads("t.jsonl", "{\"a\":12345678901234567890123,\"b\":-0.5e+10,\"c\":true,\"d\":{}}",
          "1|a=#12345678901234567890123|b=#-0.5e+10|c=~true|d=~{}\n");
    reads("t.jsonl", "{\"\\u0061\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\u20AC\\ud83d\\ude00\"}",
          "1|a=\"\\/\b\f\n\r\t\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\n");
    reads("t.jsonl", "", "");
}

/* What JSON may look like is base/json_check's; here it is refused, and the next row is read. */
static void jsonl_refuses_lines(void **state)
{
    (void)state;
    static const char *const lines[] = {"[1]",
                                        "7",
                                        "{",
                                        "{\"a\"",
                                        "{\"a\":",
                                        "{\"a\":1",
                                        "{\"a\":1,}",
                                        "{\"a\":1} {}",
                                        "{a:1}",
                                        "{\"a\":01}",
                                        "{\"a\":1.}",
                                        "{\"a\":+1}",
                                        "{\"a\":1e}",
                                        "{\"a\":NaN}",
                                        "{\"a\":'x'}",
                                        "{\"a\":\"x}",
                                        "{\"a\":\"\t\"}",
                                        "{\"a\":\"\\x\"}",
                                        "{\"a\":\"\\u12g4\"}",
                                        "{\"a\":\"\\u0000\"}",
                                        "{\"a\":\"\\ud800\"}",
                                        "{\"a\":\"\\udc00\\ud800\"}",
                                        "{\"a\":[1 2]}",
                                        "{\"a\":[1}",
                                        "{\"a\":[{\"b\" 1}]}",
                                        "{} \v",
                                        "{\"a\":tru}"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s\n{\"a\":\"good\"}\n", lines[i]);
        assert_int_equal(read_bytes("t.jsonl", text, strlen(text)), FERRY_OK);
        assert_int_equal(seen.refused, 1);
        assert_memory_equal(seen.text, "t.jsonl:1: row: not", 19);
        assert_non_null(strstr(seen.text, "\n2|a=good\n"));
    }
}

static void jsonl_repeated_and_changing_fields(void **state)
{
    (void)state;
    reads("t.jsonl",
          "{\"a\":1,\"a\":2}\n{\"a\":1,\"a\":2}\n{\"a\":3}\n{\"a\":4,\"b\":5}\n{\"a\":6}\n",
          "t.jsonl:1: field \"a\" is there twice\nt.jsonl:2: field \"a\" is there twice\n"
          "3|a=#3\n4|a=#4|b=#5\n5|a=#6\n");
}

static void jsonl_depth_and_number_of_fields(void **state)
{
    (void)state;
    static char text[200000];
    size_t used = (size_t)sprintf(text, "{\"a\":");
    memset(text + used, '[', 100000);
    text[used + 100000] = '\0';
    reads("t.jsonl", text, "t.jsonl:1: row: nested deeper than 64 levels at byte 68\n");
    used = (size_t)sprintf(text, "{");
    for (int i = 0; i < 513; i++)
        used += (size_t)sprintf(text + used, "%s\"%d\":0", i > 0 ? "," : "", i);
    sprintf(text + used, "}");
    assert_int_equal(read_bytes("t.jsonl", text, strlen(text)), FERRY_OK);
    assert_int_equal(seen.refused, 1);
    assert_non_null(strstr(seen.text, "row: more than 512 fields"));
}

/* ---- RecBole ---- */

static void recbole_types(void **state)
{
    (void)state;
    reads("t.item",
          "item_id:token\ttitle:token_seq\tprice:float\tv:float_seq\r\n"
          "1\tA \"b\" c\t1.5\t1 2\r\n\n2\t\t.5\t\n",
          "2|item_id=1|title=[A \"b\" c|price=#1.5|v={1 2\n4|item_id=2|title=|price=.5|v=\n");
    reads("t.inter", "a:token\tb:token\n1\n1\t2\t3\n1\t2\n",
          "t.inter:2: 1 fields, the header has 2\nt.inter:3: 3 fields, the header has 2\n"
          "4|a=1|b=2\n");
    fails("t.item", "", "t.item:1: empty, a header of name:type was expected");
    fails("t.item", "a:token\tb\n",
          "t.item:1: column \"b\" of the header is not name:type with a type of token, token_seq, "
          "float or float_seq");
    fails("t.item", "a:int\n",
          "t.item:1: column \"a:int\" of the header is not name:type with a type of token, "
          "token_seq, float or float_seq");
    fails("t.item", "a:token\ta:float\n", "t.item:1: the header has \"a\" twice");
}

/* ---- all formats ---- */

static void the_same_rows_in_every_format(void **state)
{
    (void)state;
    static const char expected[] = "2|id=1|title=x y\n3|id=2|title=z\n";
    reads("t.csv", "id,title\n1,x y\n2,z\n", expected);
    reads("t.tsv", "id\ttitle\n1\tx y\n2\tz\n", expected);
    reads("t.jsonl", "\n{\"id\":\"1\",\"title\":\"x y\"}\n{\"id\":\"2\",\"title\":\"z\"}\n",
          expected);
    reads("t.item", "id:token\ttitle:token\n1\tx y\n2\tz\n", expected);
}

static void bytes_no_row_may_have(void **state)
{
    (void)state;
    static const char *const names[] = {"t.csv", "t.jsonl", "t.item"};
    static const char *const headers[] = {"a\n", "\n", "a:token\n"};
    static const char *const good[] = {"1", "{\"a\":\"1\"}", "1"};
    static char text[(1 << 20) + 100];
    for (size_t i = 0; i < 3; i++) {
        int size = sprintf(text, "%sx\xC3\x28\nx%cy\n%s\n", headers[i], 0, good[i]);
        char expected[200];
        sprintf(expected, "%s:2: the row is not UTF-8\n%s:3: the row has a NUL byte\n4|a=1\n",
                names[i], names[i]);
        assert_int_equal(read_bytes(names[i], text, (size_t)size), FERRY_OK);
        assert_string_equal(seen.text, expected);

        size_t used = strlen(strcpy(text, headers[i]));
        memset(text + used, 'x', (1 << 20) + 1);
        sprintf(text + used + (1 << 20) + 1, "\n%s\n", good[i]);
        sprintf(expected, "%s:2: the row is larger than 1 MiB\n3|a=1\n", names[i]);
        reads(names[i], text, expected);
    }
}

static void formats_by_name(void **state)
{
    (void)state;
    ferry_file file = {"a.csv/items.txt", "a\n1\n", 4};
    table_log_clear(&seen);
    assert_int_equal(ferry_table_read(&file, FERRY_TABLE_AUTO, NULL, table_log_row, &seen, NULL,
                                      NULL, NULL, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_string_equal(error.message,
                        "a.csv/items.txt: a table's name ends in .csv, .tsv, .jsonl, "
                        ".ndjson, .item or .inter");
    assert_int_equal(ferry_table_read(&file, FERRY_TABLE_CSV, NULL, table_log_row, &seen, NULL,
                                      NULL, NULL, &error),
                     FERRY_OK);
    assert_string_equal(seen.text, "2|a=1\n");
    assert_int_equal(ferry_table_read(&file, (ferry_table_format)99, NULL, table_log_row, &seen,
                                      NULL, NULL, NULL, &error),
                     FERRY_INVALID_ARGUMENT);
}

static void a_refused_row_can_be_fatal(void **state)
{
    (void)state;
    ferry_file file = {"t.csv", "a\n1,2\n3\n4,5\n6\n", 14};
    size_t refused;
    table_log_clear(&seen);
    seen.refusals_allowed = 1;
    assert_int_equal(ferry_table_read(&file, FERRY_TABLE_AUTO, NULL, table_log_row, &seen,
                                      table_log_refused, &seen, &refused, &error),
                     FERRY_MALFORMED);
    assert_string_equal(error.message, "t.csv:4: 2 fields, the header has 1");
    assert_int_equal(seen.rows, 1);
    assert_int_equal(refused, 2);
    /* without anyone to tell, they are counted */
    assert_int_equal(ferry_table_read(&file, FERRY_TABLE_AUTO, NULL, table_log_row, &seen, NULL,
                                      NULL, &refused, &error),
                     FERRY_OK);
    assert_int_equal(refused, 2);
}

static ferry_status answer(void *user, const ferry_row *row, ferry_error *reason)
{
    (void)row;
    ferry_status status = *(const ferry_status *)user;
    if (status != FERRY_OK) {
        reason->status = status;
        strcpy(reason->message, "because");
    }
    return status;
}

static void what_the_callback_says(void **state)
{
    (void)state;
    ferry_file file = {"t.csv", "a\n1\n2\n", 6};
    for (ferry_status status = FERRY_OK; status < FERRY_STATUS_COUNT; status++) {
        bool refuses = status == FERRY_MALFORMED || status == FERRY_INVALID_ARGUMENT ||
                       status == FERRY_NOT_FOUND || status == FERRY_UNSUPPORTED;
        size_t refused;
        table_log_clear(&seen);
        ferry_status got = ferry_table_read(&file, FERRY_TABLE_AUTO, NULL, answer, &status,
                                            table_log_refused, &seen, &refused, &error);
        assert_int_equal(got, refuses ? FERRY_OK : status);
        assert_int_equal(refused, refuses ? 2 : 0);
        if (refuses) assert_string_equal(seen.text, "t.csv:2: because\nt.csv:3: because\n");
        if (!refuses && status != FERRY_OK) assert_string_equal(error.message, "because");
    }
}

/* ---- numbers and dates ---- */

static void numbers(void **state)
{
    (void)state;
    static const char *const good[] = {"0",
                                       "-0",
                                       "5",
                                       "3.5",
                                       ".5",
                                       "5.",
                                       "+2",
                                       "1e3",
                                       "1E-3",
                                       "0.1",
                                       "123456789012345678",
                                       "1.7976931348623157e308",
                                       "4.9e-324",
                                       "9007199254740993",
                                       "0.30000000000000004",
                                       "1e23",
                                       "8.41e21",
                                       "1e-400",
                                       "0e999",
                                       "2.2250738585072011e-308",
                                       "179769313486231570000000000000"};
    static const char *const bad[] = {"",    "-",  ".",  "e5",  "1e",    "1e+", "0x10",  "inf",
                                      "nan", " 1", "1 ", "1,5", "1e309", "--1", "1.2.3", "1_000"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double value;
        assert_true(ferry_number_parse(good[i], strlen(good[i]), &value));
        double expected = strtod(good[i], NULL);
        assert_memory_equal(&value, &expected, sizeof value);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double value;
        assert_false(ferry_number_parse(bad[i], strlen(bad[i]), &value));
    }
}

static void dates(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t seconds;
    } good[] = {
        {"1970-01-01", 0},
        {"1969-12-31T23:59:59Z", -1},
        {"2000-02-29", 951782400},
        {"2000-03-01", 951868800},
        {"2001-09-09T01:46:40", 1000000000},
        {"2005-04-02 23:53:47", 1112486027},
        {"2024-02-29T12:00:00.25+02:00", 1709200800},
        {"2024-02-29T12:00-0530", 1709227800},
        {"2016-12-31T23:59:60Z", 1483228800},
        {"2024-12-31T24:00", 1735689600},
        {"0000-01-01", -62167219200},
        {"0001-01-01", -62135596800},
        {"9999-12-31T23:59:59", 253402300799},
    };
    static const char *const bad[] = {"2023-02-29",
                                      "1900-02-29",
                                      "2024-13-01",
                                      "2024-00-01",
                                      "2024-01-00",
                                      "2024-04-31",
                                      "2024-1-1",
                                      "24-01-01",
                                      "2024-01-01T",
                                      "2024-01-01T25:00",
                                      "2024-01-01T24:01",
                                      "2024-01-01T12",
                                      "2024-01-01T12:60",
                                      "2024-01-01T12:00:61",
                                      "2024-01-01T12:00:00.",
                                      "2024-01-01T12:00X",
                                      "2024-01-01T12:00+15:00",
                                      "2024-01-01T12:00Zz",
                                      "2024-01-01x",
                                      ""};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        int64_t seconds = 1;
        if (!ferry_seconds_from_date(good[i].text, strlen(good[i].text), &seconds))
            fail_msg("%s", good[i].text);
        assert_int_equal(seconds, good[i].seconds);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t seconds;
        if (ferry_seconds_from_date(bad[i], strlen(bad[i]), &seconds)) fail_msg("%s", bad[i]);
    }
}

/* ---- without memory ---- */

static ferry_status read_logged(void *user, const ferry_allocator *allocator, ferry_error *why)
{
    size_t refused;
    table_log_clear(&seen);
    FERRY_TRY(ferry_table_read(user, FERRY_TABLE_AUTO, allocator, table_log_row, &seen,
                               table_log_refused, &seen, &refused, why));
    assert_int_equal(refused, 1);
    return FERRY_OK;
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    static const char *const names[] = {"t.csv", "t.jsonl", "t.item"};
    static const char *const texts[] = {"a,b\n1,2\n3\n", "{\"a\":1}\n{\"b\":2}\n{\n",
                                        "a:token\tb:float_seq\n1\t2\n3\n"};
    for (size_t i = 0; i < 3; i++) {
        ferry_file file = {names[i], texts[i], strlen(texts[i])};
        assert_true(fail_each(read_logged, &file) > 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_quotes_lines_and_ends),
        cmocka_unit_test(csv_refuses_rows),
        cmocka_unit_test(csv_without_a_header),
        cmocka_unit_test(jsonl_values),
        cmocka_unit_test(jsonl_refuses_lines),
        cmocka_unit_test(jsonl_repeated_and_changing_fields),
        cmocka_unit_test(jsonl_depth_and_number_of_fields),
        cmocka_unit_test(recbole_types),
        cmocka_unit_test(the_same_rows_in_every_format),
        cmocka_unit_test(bytes_no_row_may_have),
        cmocka_unit_test(formats_by_name),
        cmocka_unit_test(a_refused_row_can_be_fatal),
        cmocka_unit_test(what_the_callback_says),
        cmocka_unit_test(numbers),
        cmocka_unit_test(dates),
        cmocka_unit_test(survives_every_failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
