/* The lists of golden/model: a regression test that Node and the page share. */
#include "golden.h"

#include "api/handles.h"
#include "base/memory.h"
#include "input/events.h"

enum { MOST_ITEMS = 100 };

typedef struct shop {
    ferry_catalog *catalog;
    ferry_model *model;
} shop;

static void check(ferry_status status, const ferry_error *error)
{
    if (status != FERRY_OK) fail_msg("%s", error->message);
}

static void add_events(ferry_visitor *visitor, const cJSON *events)
{
    for (const cJSON *json = events->child; json != NULL; json = json->next) {
        ferry_error error;
        ferry_arena arena;
        ferry_event_row row;
        char *text = cJSON_PrintUnformatted(json);
        ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
        check(ferry_event_from_json(text, strlen(text), &arena, &row, &error), &error);
        ferry_event event = {row.item,  row.domain,    row.behavior,
                             row.value, row.timestamp, row.behavior_name};
        check(ferry_visitor_add(visitor, &event, &error), &error);
        ferry_arena_free(&arena);
        free(text);
    }
}

static void check_list(const shop *s, const cJSON *list)
{
    ferry_error error;
    ferry_visitor *visitor;
    ferry_recommendation items[MOST_ITEMS];
    ferry_excluded excluded;
    size_t count;
    ferry_arena arena;
    ferry_recommend_options options;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    const cJSON *wanted = cJSON_GetObjectItem(list, "options");
    check(ferry_recommend_options_from_json(wanted, &arena, &options, &error), &error);
    if (options.k > MOST_ITEMS) options.k = MOST_ITEMS; /* more than there are */
    check(ferry_visitor_create(s->catalog, &visitor, &error), &error);
    bool learned = cJSON_IsTrue(cJSON_GetObjectItem(list, "model"));
    if (learned) check(ferry_visitor_use(visitor, s->model, &error), &error);
    add_events(visitor, cJSON_GetObjectItem(list, "events"));
    check(ferry_visitor_recommend(visitor, &options, items, &count, &excluded, &error), &error);
    ferry_why explained = {.visitor = visitor}, *why = NULL;
    if (cJSON_IsTrue(cJSON_GetObjectItem(wanted, "explain"))) {
        why = &explained;
        check(ferry_why_open(visitor, &options, items, count, true, why, &error), &error);
    }
    ferry_buffer out;
    ferry_buffer_init(&out, ferry_allocator_or_default(NULL));
    check(ferry_recommendations_json(s->catalog, items, count, &excluded, why, &out, &error),
          &error);
    ferry_why_close(&explained);
    cJSON *given = cJSON_ParseWithLength(out.data, out.size);
    char *printed = cJSON_PrintUnformatted(given);
    char *expected = cJSON_PrintUnformatted(cJSON_GetObjectItem(list, "gives"));
    assert_string_equal(printed, expected);
    cJSON_Delete(given);
    free(printed), free(expected);
    ferry_buffer_free(&out);
    ferry_arena_free(&arena);
    ferry_visitor_close(visitor);
}

static void check_lists(const char *file, size_t least)
{
    ferry_error error;
    shop s;
    size_t size, lists = 0;
    check(ferry_catalog_open_directory(golden_path("model/shop"), NULL, &s.catalog, &error),
          &error);
    check(ferry_model_open_directory(s.catalog, golden_path("model/shop/model"), &s.model, &error),
          &error);
    char *lines = read_file(golden_path(file), &size);
    for (char *line = lines, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, lists++) {
        cJSON *list = cJSON_ParseWithLength(line, (size_t)(end - line));
        assert_non_null(list);
        check_list(&s, list);
        cJSON_Delete(list);
    }
    assert_true(lists >= least);
    free(lines);
    ferry_model_close(s.model);
    ferry_catalog_close(s.catalog);
}

static void the_lists_are_the_recorded_ones(void **state)
{
    (void)state;
    check_lists("model/lists.jsonl", 20);
}

static void the_explanations_are_the_recorded_ones(void **state)
{
    (void)state;
    check_lists("model/explanations.jsonl", 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_lists_are_the_recorded_ones),
                                       cmocka_unit_test(the_explanations_are_the_recorded_ones)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
