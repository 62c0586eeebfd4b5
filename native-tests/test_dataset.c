/* Data sets: written and read again, files that break a rule, binding to a catalogue, directories.
 */
#define _POSIX_C_SOURCE 200809L /* mkdtemp */

#include "failing.h"
#include "small_catalog.h"
#include "small_dataset.h"

#include <math.h>
#include <unistd.h>

static ferry_error error;

static void same_domain(const ferry_interactions *a, const ferry_interactions *b)
{
    assert_string_equal(a->domain, b->domain);
    assert_int_equal(a->item_count, b->item_count);
    assert_int_equal(a->user_count, b->user_count);
    assert_int_equal(a->event_count, b->event_count);
    for (size_t i = 0; i < a->item_count; i++) assert_string_equal(a->items[i], b->items[i]);
    assert_memory_equal(a->user, b->user, a->user_count * sizeof *a->user);
    assert_memory_equal(a->start, b->start, (a->user_count + 1) * sizeof *a->start);
    assert_memory_equal(a->item, b->item, a->event_count * sizeof *a->item);
    assert_memory_equal(a->behavior, b->behavior, a->event_count);
    assert_memory_equal(a->value, b->value, a->event_count * sizeof *a->value);
    assert_memory_equal(a->weight, b->weight, a->event_count * sizeof *a->weight);
    assert_memory_equal(a->timestamp, b->timestamp, a->event_count * sizeof *a->timestamp);
    assert_memory_equal(a->part, b->part, a->event_count);
}

static void same_dataset(const ferry_dataset *a, const ferry_dataset *b)
{
    assert_int_equal(a->user_count, b->user_count);
    for (size_t u = 0; u < a->user_count; u++) assert_string_equal(a->users[u], b->users[u]);
    assert_int_equal(a->behavior_count, b->behavior_count);
    for (size_t i = 0; i < a->behavior_count; i++)
        assert_string_equal(a->behaviors[i], b->behaviors[i]);
    assert_int_equal(a->domain_count, b->domain_count);
    for (size_t d = 0; d < a->domain_count; d++) same_domain(&a->domains[d], &b->domains[d]);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    small_dataset written;
    ferry_dataset *made = small_dataset_make(), *read;
    small_dataset_write(made, &written);
    assert_int_equal(ferry_dataset_load((ferry_files){written.files, 3}, NULL, &read, &error),
                     FERRY_OK);
    same_dataset(made, read);
    ferry_dataset_close(read);
    ferry_dataset_close(made);
    small_dataset_free(&written);
}

static void an_empty_data_set(void **state)
{
    (void)state;
    small_dataset written;
    ferry_dataset *made, *read;
    uint32_t start = 0;
    static const char *const none[1];
    ferry_interactions empty = {.domain = "", .items = none, .start = &start};
    assert_int_equal(ferry_dataset_create(NULL, &made, &error), FERRY_OK);
    small_dataset_write(made, &written);
    assert_int_equal(ferry_dataset_load((ferry_files){written.files, 3}, NULL, &read, &error),
                     FERRY_OK);
    assert_int_equal(read->user_count + read->domain_count + read->behavior_count, 0);
    ferry_dataset_close(read);
    small_dataset_free(&written);
    made->domains = &empty;
    made->domain_count = 1;
    small_dataset_write(made, &written);
    assert_int_equal(ferry_dataset_load((ferry_files){written.files, 3}, NULL, &read, &error),
                     FERRY_OK);
    assert_int_equal(read->domain_count, 1);
    ferry_dataset_close(read);
    small_dataset_free(&written);
    ferry_dataset_close(made);
}

/* ---- refused ---- */

static void refuses(const small_dataset *written, ferry_status expected, const char *message)
{
    ferry_dataset *read = (ferry_dataset *)&error;
    error.message[0] = '\0';
    assert_int_equal(ferry_dataset_load((ferry_files){written->files, 3}, NULL, &read, &error),
                     expected);
    assert_string_equal(error.message, message);
    assert_null(read);
}

/* Puts value at index of an array of the data set, and its file is refused. */
#define REFUSES_EVENT(array, index, wrong, message)           \
    do {                                                      \
        ferry_dataset *made = small_dataset_make();           \
        small_dataset written;                                \
        ferry_interactions *books = &made->domains[0];        \
        __typeof__(*books->array) kept = books->array[index]; \
        books->array[index] = wrong;                          \
        small_dataset_write(made, &written);                  \
        books->array[index] = kept;                           \
        refuses(&written, FERRY_MALFORMED, message);          \
        small_dataset_free(&written);                         \
        ferry_dataset_close(made);                            \
    } while (0)

#define AT(column, place, rule) \
    "events.safetensors: tensor \"books." column "\" at " place ": " rule

static void events_that_break_a_rule(void **state)
{
    (void)state;
    REFUSES_EVENT(user, 1, 3, AT("user", "1", "there is no such user"));
    REFUSES_EVENT(user, 1, 0, AT("user", "1", "users do not ascend"));
    REFUSES_EVENT(start, 0, 1, AT("start", "0", "expected 0"));
    REFUSES_EVENT(start, 1, 0, AT("start", "1", "starts do not ascend"));
    REFUSES_EVENT(start, 1, 5, AT("start", "1", "starts do not ascend"));
    REFUSES_EVENT(start, 2, 5, AT("start", "2", "expected the number of events"));
    REFUSES_EVENT(item, 3, 2, AT("item", "3", "there is no such item"));
    REFUSES_EVENT(behavior, 0, 3, AT("behavior", "0", "there is no such behavior"));
    REFUSES_EVENT(value, 1, (float)INFINITY, AT("value", "1", "not a finite number"));
    REFUSES_EVENT(weight, 2, (float)NAN, AT("weight", "2", "not a finite number"));
    REFUSES_EVENT(part, 3, 3, AT("part", "3", "there is no such part"));
    REFUSES_EVENT(part, 2, 0, AT("part", "2", "a user's parts go down"));
    REFUSES_EVENT(timestamp, 0, 1, AT("timestamp", "1", "a user's events are not oldest first"));
}

/* The data set's dataset.json or items.jsonl replaced by a text. */
static void refuses_text(int file, const char *text, ferry_status status, const char *message)
{
    ferry_dataset *made = small_dataset_make();
    small_dataset written;
    small_dataset_write(made, &written);
    written.files[file].data = text;
    written.files[file].size = strlen(text);
    refuses(&written, status, message);
    small_dataset_free(&written);
    ferry_dataset_close(made);
}

#define HEAD "{\"format\":\"ferry-dataset\",\"version\":1,\"users\":3,"
#define DOMAINS                                                               \
    "\"domains\":[{\"name\":\"books\",\"items\":2,\"users\":2,\"events\":4}," \
    "{\"name\":\"films\",\"items\":3,\"users\":2,\"events\":2}]}"
#define BEHAVIORS "\"behaviors\":[\"purchase\",\"view\",\"rating\"],"

static void json_that_breaks_a_rule(void **state)
{
    (void)state;
    refuses_text(0, "{\"format\":\"ferry-catalog\",\"version\":1}", FERRY_UNSUPPORTED,
                 "dataset.json: format \"ferry-catalog\" version 1, expected \"ferry-dataset\" "
                 "version 1");
    refuses_text(0, "{\"format\":\"ferry-dataset\",\"version\":2}", FERRY_UNSUPPORTED,
                 "dataset.json: format \"ferry-dataset\" version 2, expected \"ferry-dataset\" "
                 "version 1");
    refuses_text(0, HEAD "\"x\":0}", FERRY_MALFORMED,
                 "dataset.json: \"behaviors\" is not an array");
    refuses_text(0, HEAD "\"behaviors\":[\"a\",\"\"]," DOMAINS, FERRY_MALFORMED,
                 "dataset.json: behavior 1 is not a text of 1 to 64 bytes");
    refuses_text(0, HEAD "\"behaviors\":[\"a\",7]," DOMAINS, FERRY_MALFORMED,
                 "dataset.json: behavior 1 is not a text of 1 to 64 bytes");
    refuses_text(0, HEAD "\"behaviors\":[\"a\",\"a\"]," DOMAINS, FERRY_MALFORMED,
                 "dataset.json: behavior \"a\" is there twice");
    refuses_text(0, HEAD BEHAVIORS "\"domains\":[7]}", FERRY_MALFORMED,
                 "dataset.json: a domain is not an object");
    refuses_text(0, HEAD BEHAVIORS "\"domains\":[{\"items\":1}]}", FERRY_MALFORMED,
                 "dataset.json: a domain without \"name\"");
    refuses_text(0, HEAD BEHAVIORS "\"domains\":[{\"name\":\"a\",\"items\":1,\"users\":1}]}",
                 FERRY_MALFORMED, "dataset.json: domain \"a\": \"events\" is missing");
    refuses_text(0,
                 HEAD BEHAVIORS
                 "\"domains\":[{\"name\":\"a\",\"items\":0,\"users\":0,\"events\":0},"
                 "{\"name\":\"a\"}]}",
                 FERRY_MALFORMED, "dataset.json: domain \"a\" is there twice");
    refuses_text(0,
                 HEAD BEHAVIORS "\"domains\":[{\"name\":\"books\",\"items\":2,\"users\":2,"
                                "\"events\":5},{\"name\":\"films\",\"items\":3,\"users\":2,"
                                "\"events\":2}]}",
                 FERRY_MALFORMED,
                 "events.safetensors: tensor \"books.item\" is I32 with 1 dimensions and 4 "
                 "elements, expected I32 [5]");
    refuses_text(0, "{\"format\":\"ferry-dataset\",\"version\":1,\"users\":2," BEHAVIORS DOMAINS,
                 FERRY_MALFORMED,
                 "events.safetensors: tensor \"users.starts\" is I64 with 1 dimensions and 4 "
                 "elements, expected I64 [3]");
    /* sizes that nothing could hold are refused before anything is allocated for them */
    refuses_text(
        0, "{\"format\":\"ferry-dataset\",\"version\":1,\"users\":1073741824," BEHAVIORS DOMAINS,
        FERRY_MALFORMED,
        "events.safetensors: tensor \"users.starts\" is I64 with 1 dimensions and 4 "
        "elements, expected I64 [1073741825]");
}

static void items_that_break_a_rule(void **state)
{
    (void)state;
    refuses_text(1, "", FERRY_MALFORMED,
                 "items.jsonl has 0 items of domain \"books\", but dataset.json says 2");
    refuses_text(1, "{\"id\":\"b1\",\"domain\":\"books\"}\n{\"id\":\"b1\",\"domain\":\"books\"}\n",
                 FERRY_MALFORMED, "items.jsonl:2: item \"b1\" is already in domain \"books\"");
    refuses_text(1, "{\"id\":\"b1\",\"domain\":\"cars\"}\n", FERRY_MALFORMED,
                 "items.jsonl:1: domain \"cars\" is not in dataset.json");
    refuses_text(1, "nothing\n", FERRY_MALFORMED,
                 "items.jsonl:1: row: not JSON: expected a value at byte 0");
}

/* The users' ids, changed in place in the file. */
static void users_that_break_a_rule(void **state)
{
    (void)state;
    ferry_dataset *made = small_dataset_make();
    static const char *twice[] = {"ada", "bob", "ada"}, *empty[] = {"ada", "", "eve"};
    small_dataset written;
    made->users = twice;
    small_dataset_write(made, &written);
    refuses(&written, FERRY_MALFORMED,
            "events.safetensors: user 2 of \"users.ids\" is there twice");
    small_dataset_free(&written);
    made->users = empty;
    small_dataset_write(made, &written);
    refuses(&written, FERRY_MALFORMED,
            "events.safetensors: user 1 of \"users.ids\" ends before it begins, or behind the end");
    small_dataset_free(&written);
    made->users = (const char *[]){"ada", "bob", "eve"};
    small_dataset_write(made, &written);
    char *bytes = written.bytes[2].data;
    for (size_t i = 0; i + 9 <= written.bytes[2].size; i++)
        if (memcmp(bytes + i, "adabobeve", 9) == 0) bytes[i + 4] = '\0';
    refuses(&written, FERRY_MALFORMED,
            "events.safetensors: user 1 of \"users.ids\" has a NUL byte");
    small_dataset_free(&written);
    ferry_dataset_close(made);
}

static void files_that_are_missing(void **state)
{
    (void)state;
    ferry_dataset *made = small_dataset_make(), *read;
    small_dataset written;
    small_dataset_write(made, &written);
    for (int missing = 0; missing < 3; missing++) {
        ferry_file files[3];
        memcpy(files, written.files, sizeof files);
        files[missing].name = "other";
        assert_int_equal(ferry_dataset_load((ferry_files){files, 3}, NULL, &read, &error),
                         FERRY_NOT_FOUND);
        assert_non_null(strstr(error.message, written.files[missing].name));
        assert_non_null(strstr(error.message, "missing"));
    }
    /* cut short anywhere, the events are refused */
    for (size_t size = 0; size < written.files[2].size; size++) {
        ferry_file files[3];
        memcpy(files, written.files, sizeof files);
        files[2].size = size;
        assert_int_equal(ferry_dataset_load((ferry_files){files, 3}, NULL, &read, &error),
                         FERRY_MALFORMED);
    }
    small_dataset_free(&written);
    ferry_dataset_close(made);
}

static ferry_status load(void *user, const ferry_allocator *allocator, ferry_error *why)
{
    const small_dataset *written = user;
    ferry_dataset *read;
    ferry_status status =
        ferry_dataset_load((ferry_files){written->files, 3}, allocator, &read, why);
    ferry_dataset_close(read);
    return status;
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    ferry_dataset *made = small_dataset_make();
    small_dataset written;
    small_dataset_write(made, &written);
    assert_true(fail_each(load, &written) > 9);
    small_dataset_free(&written);
    ferry_dataset_close(made);
}

/* ---- binding ---- */

static void items_take_the_catalogues_order(void **state)
{
    (void)state;
    small_catalog files;
    ferry_catalog *catalog;
    ferry_dataset *dataset = small_dataset_make();
    small_catalog_make(&files);
    assert_int_equal(ferry_catalog_open(files.files, SMALL_FILES, NULL, &catalog, &error),
                     FERRY_OK);
    ferry_interactions before[2], *books = &dataset->domains[0], *films = &dataset->domains[1];
    uint32_t book_items[4], film_items[2];
    memcpy(before, dataset->domains, sizeof before);
    memcpy(book_items, books->item, sizeof book_items);
    memcpy(film_items, films->item, sizeof film_items);
    assert_int_equal(ferry_dataset_bind(dataset, catalog, &error), FERRY_OK);
    assert_int_equal(books->item_count, 3); /* b2 b1 x */
    assert_string_equal(books->items[0], "b2");
    assert_string_equal(books->items[1], "b1");
    assert_string_equal(books->items[2], "x");
    assert_memory_equal(books->item, ((uint32_t[]){1, 0, 1, 0}), 4 * sizeof(uint32_t));
    assert_int_equal(films->item_count, 3); /* f2 f1 x */
    assert_memory_equal(films->item, ((uint32_t[]){0, 2}), 2 * sizeof(uint32_t));

    /* items and domains that the catalogue lacks; nothing has changed then */
    static const char *const strange[] = {"f1", "f9", "f8"};
    memcpy(dataset->domains, before, sizeof before);
    memcpy(books->item, book_items, sizeof book_items);
    memcpy(films->item, film_items, sizeof film_items);
    films->items = strange;
    books->domain = "cars";
    assert_int_equal(ferry_dataset_bind(dataset, catalog, &error), FERRY_NOT_FOUND);
    assert_string_equal(
        error.message, "the catalogue lacks item \"b1\" of domain \"cars\", and 3 more of the data "
                       "set's items: make the catalogue from its items.jsonl");
    assert_memory_equal(books->item, book_items, sizeof book_items);
    assert_int_equal(books->item_count, 2);
    ferry_catalog_close(catalog);
    small_catalog_free(&files);
    ferry_dataset_close(dataset);
}

/* ---- directories ---- */

static void directories(void **state)
{
    (void)state;
    char path[] = "/tmp/ferry-dataset-XXXXXX", file[64];
    assert_non_null(mkdtemp(path));
    ferry_dataset *made = small_dataset_make(), *read;
    assert_int_equal(ferry_dataset_save_directory(made, path, NULL, NULL, NULL, &error), FERRY_OK);
    assert_int_equal(ferry_dataset_open_directory(path, NULL, &read, &error), FERRY_OK);
    same_dataset(made, read);
    ferry_dataset_close(read);
    snprintf(file, sizeof file, "%s/dataset.json", path);
    assert_int_equal(remove(file), 0);
    assert_int_equal(ferry_dataset_open_directory(path, NULL, &read, &error), FERRY_NOT_FOUND);
    assert_non_null(strstr(error.message, path));
    snprintf(file, sizeof file, "%s/items.jsonl", path);
    assert_int_equal(remove(file), 0);
    snprintf(file, sizeof file, "%s/events.safetensors", path);
    assert_int_equal(remove(file), 0);
    assert_int_equal(rmdir(path), 0);
    ferry_dataset_close(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(an_empty_data_set),
        cmocka_unit_test(events_that_break_a_rule),
        cmocka_unit_test(json_that_breaks_a_rule),
        cmocka_unit_test(items_that_break_a_rule),
        cmocka_unit_test(users_that_break_a_rule),
        cmocka_unit_test(files_that_are_missing),
        cmocka_unit_test(survives_every_failed_allocation),
        cmocka_unit_test(items_take_the_catalogues_order),
        cmocka_unit_test(directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
