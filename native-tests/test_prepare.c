/* Preparing: order, repetitions, core, titles, splits, weights, what is refused; the Amazon files.
 */
#define _POSIX_C_SOURCE 200809L /* shared_data.h runs xz */

#include "failing.h"
#include "shared_data.h"

#include <math.h>
#include <time.h>

#include "recsys/prepare.h"
#include "recsys/titles.h"

static ferry_error error;
static ferry_prepared made;
static char refusals[1 << 14];

static bool log_refused(void *user, const char *file, size_t line, const char *reason)
{
    (void)user;
    size_t used = strlen(refusals);
    snprintf(refusals + used, sizeof refusals - used, "%s:%zu: %s\n", file, line, reason);
    return true;
}

/* Prepares tables of texts, NULL for none, into made. */
static ferry_status prepares(const ferry_prepare_options *options, const char *items_name,
                             const char *items, const char *events_name, const char *events)
{
    ferry_prepare *prepare;
    ferry_status status;
    refusals[0] = error.message[0] = '\0';
    ferry_prepared_close(&made);
    assert_int_equal(ferry_prepare_create(options, NULL, &prepare, &error), FERRY_OK);
    status = FERRY_OK;
    if (items != NULL) {
        ferry_file file = {items_name, items, strlen(items)};
        status = ferry_prepare_items(prepare, &file, FERRY_TABLE_AUTO, log_refused, NULL, &error);
    }
    if (status == FERRY_OK) {
        ferry_file file = {events_name, events, strlen(events)};
        status = ferry_prepare_events(prepare, &file, FERRY_TABLE_AUTO, log_refused, NULL, &error);
    }
    if (status == FERRY_OK) status = ferry_prepare_finish(prepare, NULL, NULL, &made, &error);
    ferry_prepare_close(prepare);
    return status;
}

/* The events as text: "domain: user item behavior value@timestamp part, …" a user a line. */
static const char *events_text(void)
{
    static char text[1 << 14];
    size_t used = 0;
    text[0] = '\0';
    for (size_t d = 0; d < made.dataset->domain_count; d++) {
        const ferry_interactions *domain = &made.dataset->domains[d];
        for (size_t u = 0; u < domain->user_count; u++) {
            used += (size_t)snprintf(text + used, sizeof text - used, "%s %s:", domain->domain,
                                     made.dataset->users[domain->user[u]]);
            for (size_t e = domain->start[u]; e < domain->start[u + 1]; e++)
                used += (size_t)snprintf(text + used, sizeof text - used, " %s/%s/%g@%lld%c",
                                         domain->items[domain->item[e]],
                                         made.dataset->behaviors[domain->behavior[e]],
                                         (double)domain->value[e], (long long)domain->timestamp[e],
                                         "tvT"[domain->part[e]]);
            used += (size_t)snprintf(text + used, sizeof text - used, "\n");
        }
    }
    return text;
}

static double report_number(const char *key)
{
    const cJSON *field = cJSON_GetObjectItemCaseSensitive(made.report, key);
    assert_non_null(field);
    return field->valuedouble;
}

static double domain_number(int domain, const char *key)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(made.report, "domains");
    const cJSON *field = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(list, domain), key);
    assert_non_null(field);
    return field->valuedouble;
}

static int close_made(void **state)
{
    (void)state;
    ferry_prepared_close(&made);
    return 0;
}

/* ---- reading and ordering ---- */

static void order_is_time_then_position_then_file(void **state)
{
    (void)state;
    ferry_prepare_options options = ferry_prepare_defaults();
    assert_int_equal(prepares(&options, NULL, NULL, "d.csv",
                              "user,item,timestamp,position\nu,e,30,0\nu,a,10,5\nu,c,20,2\n"
                              "u,b,20,1\nv,x,,1\nv,y,,\nv,z,,1\nu,d,20,2\n"),
                     FERRY_OK);
    assert_string_equal(events_text(),
                        "d u: a/purchase/0@10t b/purchase/0@20t c/purchase/0@20t d/purchase/0@20v "
                        "e/purchase/0@30T\n"
                        "d v: y/purchase/0@0t x/purchase/0@0v z/purchase/0@0T\n");
    /* without item files, events make the items, in the order in which they come */
    static const char items[] =
        "{\"id\":\"e\",\"domain\":\"d\"}\n{\"id\":\"a\",\"domain\":\"d\"}\n";
    assert_memory_equal(made.items.data, items, sizeof items - 1);
}

static void one_and_two_events(void **state)
{
    (void)state;
    ferry_prepare_options options = ferry_prepare_defaults();
    assert_int_equal(prepares(&options, NULL, NULL, "d.csv",
                              "user,item\none,a\ntwo,a\ntwo,b\nthree,a\nthree,b\nthree,c\n"),
                     FERRY_OK);
    assert_string_equal(events_text(),
                        "d one: a/purchase/0@0t\nd two: a/purchase/0@0t b/purchase/0@0T\n"
                        "d three: a/purchase/0@0t b/purchase/0@0v c/purchase/0@0T\n");
    assert_true(domain_number(0, "users_with_less_than_3_events") == 2);
}

static void one_behavior_is_held_out(void **state)
{
    (void)state;
    ferry_prepare_options options = ferry_prepare_defaults();
    options.split.target_behavior = "buy";
    /* three: c is held out, b for validation; what was seen of them, and after b, goes */
    static const char events[] =
        "user,item,behavior\n"
        "three,x,see\nthree,c,see\nthree,a,buy\nthree,b,see\nthree,b,buy\nthree,y,see\n"
        "three,c,buy\nthree,z,see\n"
        "two,x,see\ntwo,a,buy\ntwo,b,see\ntwo,b,buy\none,x,see\none,y,see\none,a,buy\n";
    assert_int_equal(prepares(&options, NULL, NULL, "d.csv", events), FERRY_OK);
    assert_string_equal(events_text(), "d three: x/see/0@0t a/buy/0@0t b/buy/0@0v c/buy/0@0T\n"
                                       "d two: x/see/0@0t a/buy/0@0t b/buy/0@0T\n"
                                       "d one: x/see/0@0t y/see/0@0t a/buy/0@0t\n");
    assert_true(report_number("telling_events") == 5);
    options.split.target_behavior = "rent";
    assert_int_equal(prepares(&options, NULL, NULL, "d.csv", events), FERRY_NOT_FOUND);
    assert_string_equal(error.message, "no event is a \"rent\"");
}

static void unusable_rows_are_told_and_counted(void **state)
{
    (void)state;
    ferry_prepare_options options = ferry_prepare_defaults();
    static const char items[] =
        "id,domain,title\na,d,Tea\nb,d,\n,d,none\na,d,again\nc,e,x\na,e,y\n";
    assert_int_equal(
        prepares(&options, "i.csv", items, "e.csv",
                 "user,item,domain,behavior,value\nu,a,d,view,\n,a,d,view,\nu,zz,d,view,\n"
                 "u,a,none,view,\nu,a,,view,\nu,b,,cart,2\nu,q,,view,\nu,a,d,rating,nan\n"
                 "u,a,d,rating,\nu,a,d,buy,1e300\nu,a\nu,b,d,rating,-7\n"),
        FERRY_OK);
    assert_string_equal(refusals,
                        "i.csv:4: no id (looked for id item_id item product_id parent_asin asin "
                        "movie_id book_id isbn sku)\n"
                        "i.csv:5: id \"a\" is already in domain \"d\"\n"
                        "e.csv:3: no user\n"
                        "e.csv:4: item \"zz\" is not among domain \"d\"'s items\n"
                        "e.csv:5: domain \"none\" is in none of the item files\n"
                        "e.csv:6: item \"a\" is in several domains: name one\n"
                        "e.csv:8: item \"q\" is in none of the item files\n"
                        "e.csv:9: the value is \"nan\", expected a finite number\n"
                        "e.csv:10: a rating without a value\n"
                        "e.csv:11: the value 1e+300 is too large\n"
                        "e.csv:12: 2 fields, the header has 5\n");
    assert_string_equal(events_text(), "d u: a/view/0@0t b/cart/2@0v b/rating/-7@0T\n");
    /* a domain without events stays, and its items with it */
    assert_int_equal(made.dataset->domain_count, 2);
    assert_int_equal(made.dataset->domains[1].item_count, 2);
    assert_int_equal(made.dataset->domains[1].user_count, 0);
    assert_true(domain_number(1, "items_without_events") == 2);
    assert_true(domain_number(0, "items_without_text") == 1);
    char *report = cJSON_PrintUnformatted(made.report);
    assert_non_null(
        strstr(report, "{\"file\":\"e.csv\",\"of\":\"events\",\"read\":3,\"refused\":9}"));
    assert_non_null(strstr(report, "{\"reason\":\"# fields, the header has #\",\"rows\":1}"));
    assert_non_null(
        strstr(report, "{\"reason\":\"item \\\"…\\\" is in none of the item files\",\"rows\":1}"));
    cJSON_free(report);
}

static void nothing_to_prepare(void **state)
{
    (void)state;
    ferry_prepare_options options = ferry_prepare_defaults();
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", ""), FERRY_MALFORMED);
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", "user,item\n"),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "no events are left"));
    assert_int_equal(prepares(&options, NULL, NULL, "e.jsonl", ""), FERRY_INVALID_ARGUMENT);
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", "who,what\nu,a\n"),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(refusals, "e.csv:2: no item (looked for item item_id"));
    /* an item file that has none does not make events the source of items */
    assert_int_equal(prepares(&options, "i.csv", "id,title\n", "e.csv", "user,item\nu,a\n"),
                     FERRY_INVALID_ARGUMENT);
    assert_null(made.dataset);
}

static void too_many_behaviors(void **state)
{
    (void)state;
    char text[8192] = "user,item,behavior\n";
    size_t used = strlen(text);
    for (int i = 0; i < 256; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "u,a,act%d\n", i);
    ferry_prepare_options options = ferry_prepare_defaults();
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", text), FERRY_LIMIT);
    assert_string_equal(error.message,
                        "behavior \"act255\" is one more than 255: is it the right column?");
    text[used - strlen("u,a,act255\n")] = '\0';
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", text), FERRY_OK);
    assert_int_equal(made.dataset->behavior_count, 255);
}

/* ---- what is left out on request ---- */

static void repeated_events(void **state)
{
    (void)state;
    static const char events[] = "user,item,behavior,timestamp\nu,a,view,1\nu,a,view,1\n"
                                 "u,a,cart,1\nu,a,view,2\nu,b,view,\nu,b,view,\n";
    static const struct {
        ferry_dedupe dedupe;
        size_t dropped;
        const char *expected;
    } cases[] = {
        {FERRY_DEDUPE_EXACT, 1,
         "d u: b/view/0@0t b/view/0@0t a/view/0@1t a/cart/0@1v a/view/0@2T\n"},
        {FERRY_DEDUPE_FIRST, 3, "d u: b/view/0@0t a/view/0@1v a/cart/0@1T\n"},
        {FERRY_DEDUPE_LAST, 3, "d u: b/view/0@0t a/cart/0@1v a/view/0@2T\n"},
        {FERRY_DEDUPE_NONE, 0,
         "d u: b/view/0@0t b/view/0@0t a/view/0@1t a/view/0@1t a/cart/0@1v a/view/0@2T\n"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ferry_prepare_options options = ferry_prepare_defaults();
        options.dedupe_events = cases[i].dedupe;
        assert_int_equal(prepares(&options, NULL, NULL, "d.csv", events), FERRY_OK);
        assert_string_equal(events_text(), cases[i].expected);
        assert_true(report_number("duplicate_events") == (double)cases[i].dropped);
    }
}

static void low_ratings(void **state)
{
    (void)state;
    ferry_prepare_options options = ferry_prepare_defaults();
    options.has_min_rating = true;
    options.min_rating = 4;
    assert_int_equal(
        prepares(&options, NULL, NULL, "d.csv",
                 "user,item,behavior,value\nu,a,rating,3.5\nu,b,rating,4\nu,c,view,1\n"),
        FERRY_OK);
    assert_string_equal(events_text(), "d u: b/rating/4@0t c/view/1@0T\n");
    assert_true(report_number("ratings_below_minimum") == 1);
}

static void the_core_is_iterated(void **state)
{
    (void)state;
    /* w goes for having one event, then c for having one user left, then v */
    static const char events[] = "user,item\nu,a\nu,b\nx,a\nx,b\nv,b\nv,c\nw,c\n";
    ferry_prepare_options options = ferry_prepare_defaults();
    options.core = 2;
    assert_int_equal(prepares(&options, NULL, NULL, "d.csv", events), FERRY_OK);
    assert_string_equal(events_text(), "d u: a/purchase/0@0t b/purchase/0@0T\n"
                                       "d x: a/purchase/0@0t b/purchase/0@0T\n");
    assert_int_equal(made.dataset->user_count, 2);
    assert_int_equal(made.dataset->domains[0].item_count, 2);
    options.core = 3;
    assert_int_equal(prepares(&options, NULL, NULL, "d.csv", events), FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "is the core too large?"));
}

static void items_of_one_title(void **state)
{
    (void)state;
    static const char *const titles[] = {
        "One two three four five six seven eight nine ten",
        "ONE, two: three-four five six seven eight nine (ten)", /* equal */
        "ten nine eight seven six five four three two one",     /* the same set */
        "One two three four five six seven eight nine",         /* nine of ten */
        "One two three four five six seven eight",              /* eight of ten; of nine: not with
                                                                   one that has a leader */
        "",
        "",
        "A b c",
        "c b a",             /* too few words to be nearly the same */
        "\xC3\x89T\xC3\x89", /* ÉTÉ */
        "\xC3\xA9t\xC3\xA9"};
    enum { COUNT = sizeof titles / sizeof *titles };
    static const uint32_t expected[COUNT] = {0, 0, 0, 0, 4, 5, 6, 7, 8, 9, 9};
    uint32_t leader[COUNT];
    ferry_titles_found found;
    assert_int_equal(ferry_titles_group(titles, COUNT, NULL, leader, &found, &error), FERRY_OK);
    for (size_t i = 0; i < COUNT; i++) assert_int_equal(leader[i], expected[i]);
    assert_int_equal(found.equal, 2);
    assert_int_equal(found.near, 2);

    ferry_prepare_options options = ferry_prepare_defaults();
    static const char items[] = "id,title\na,Red kite\nb,red KITE!\nc,Blue kite\n";
    static const char events[] = "user,item\nu,b\nu,c\nu,a\n";
    assert_int_equal(prepares(&options, "d.csv", items, "e.csv", events), FERRY_OK);
    assert_int_equal(made.dataset->domains[0].item_count, 3);
    assert_true(domain_number(0, "equal_titles") == 1);
    options.merge_titles = true;
    assert_int_equal(prepares(&options, "d.csv", items, "e.csv", events), FERRY_OK);
    assert_string_equal(events_text(), "d u: a/purchase/0@0t c/purchase/0@0v a/purchase/0@0T\n");
    assert_int_equal(made.dataset->domains[0].item_count, 2);
    assert_true(domain_number(0, "items_merged") == 1);
}

/* Every pair by the definition, beside the index that passes most of them over. */
static void near_titles_as_by_hand(void **state)
{
    (void)state;
    enum { COUNT = 300, WORDS = 20 };
    static char texts[COUNT][8 * WORDS];
    static bool has[COUNT][64];
    const char *titles[COUNT];
    uint32_t leader[COUNT], random = 1;
    for (size_t i = 0; i < COUNT; i++) {
        size_t used = 0;
        titles[i] = texts[i];
        for (size_t w = 0; w < WORDS; w++) {
            random = random * 1664525u + 1013904223u;
            uint32_t word = random >> 28 == 0 ? 20 + (random >> 20 & 31) : (uint32_t)w;
            has[i][word] = true;
            used += (size_t)snprintf(texts[i] + used, sizeof texts[i] - used, "w%u ", word);
        }
    }
    ferry_titles_found found;
    assert_int_equal(ferry_titles_group(titles, COUNT, NULL, leader, &found, &error), FERRY_OK);
    assert_in_range(found.near, 10, COUNT - 10);
    for (uint32_t i = 0; i < COUNT; i++) {
        uint32_t expected = i;
        for (uint32_t j = 0; j < i && expected == i; j++) {
            int shared = 0, united = 0;
            for (int w = 0; w < 64; w++) {
                shared += has[i][w] && has[j][w];
                united += has[i][w] || has[j][w];
            }
            bool alike = 10 * shared >= 9 * united || strcmp(texts[i], texts[j]) == 0;
            if (alike && leader[j] == j) expected = j;
        }
        assert_int_equal(leader[i], expected);
    }
}

/* ---- splits ---- */

/* "u,0\nu,1\n…" */
static void count_events(char *text, size_t size, size_t users)
{
    size_t used = (size_t)snprintf(text, size, "user,item\n");
    for (size_t u = 1; u <= users; u++)
        for (size_t i = 0; i < u; i++)
            used += (size_t)snprintf(text + used, size - used, "u%zu,%zu\n", u, i);
}

static void ratio_is_recboles(void **state)
{
    (void)state;
    /* golden/make_prepare.py: users with 1, 2, … 25 events */
    static const struct {
        double ratio[3];
        const char *sizes;
    } cases[] = {{{.8, .1, .1},
                  "1/0/0 1/0/1 1/1/1 2/1/1 3/1/1 4/1/1 5/1/1 6/1/1 7/1/1 8/1/1 9/1/1 10/1/1 11/1/1 "
                  "12/1/1 13/1/1 14/1/1 15/1/1 16/1/1 17/1/1 16/2/2 17/2/2 18/2/2 19/2/2 20/2/2 "
                  "21/2/2 "},
                 {{.5, .25, .25},
                  "1/0/0 1/0/1 1/1/1 2/1/1 3/1/1 4/1/1 5/1/1 4/2/2 5/2/2 6/2/2 7/2/2 6/3/3 7/3/3 "
                  "8/3/3 9/3/3 8/4/4 9/4/4 10/4/4 11/4/4 10/5/5 11/5/5 12/5/5 13/5/5 12/6/6 "
                  "13/6/6 "}};
    static char events[8192];
    count_events(events, sizeof events, 25);
    for (size_t i = 0; i < 2; i++) {
        ferry_prepare_options options = ferry_prepare_defaults();
        options.split.split = FERRY_SPLIT_RATIO;
        memcpy(options.split.ratio, cases[i].ratio, sizeof options.split.ratio);
        assert_int_equal(prepares(&options, NULL, NULL, "d.csv", events), FERRY_OK);
        char text[1024];
        size_t used = 0;
        const ferry_interactions *domain = &made.dataset->domains[0];
        for (size_t u = 0; u < domain->user_count; u++) {
            size_t sizes[3] = {0};
            for (size_t e = domain->start[u]; e < domain->start[u + 1]; e++) {
                sizes[domain->part[e]]++;
                assert_true(e == domain->start[u] || domain->part[e] >= domain->part[e - 1]);
            }
            used += (size_t)snprintf(text + used, sizeof text - used, "%zu/%zu/%zu ", sizes[0],
                                     sizes[1], sizes[2]);
        }
        assert_string_equal(text, cases[i].sizes);
    }
}

static void time_is_one_clock(void **state)
{
    (void)state;
    ferry_prepare_options options = ferry_prepare_defaults();
    options.split.split = FERRY_SPLIT_TIME;
    memcpy(options.split.ratio, (double[]){.5, .25, .25}, sizeof options.split.ratio);
    static const char events[] = "user,item,domain,timestamp\nu,a,d,1\nu,b,d,7\nu,c,d,8\nv,a,d,5\n"
                                 "v,x,e,2\nv,y,e,3\nu,x,e,5\nu,y,e,5\n";
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", events), FERRY_OK);
    /* times 1 2 3 5 5 5 7 8: validation from the fifth, 5, and what is as old; the test from 7 */
    assert_string_equal(events_text(), "d u: a/purchase/0@1t b/purchase/0@7T c/purchase/0@8T\n"
                                       "d v: a/purchase/0@5v\n"
                                       "e u: x/purchase/0@5v y/purchase/0@5v\n"
                                       "e v: x/purchase/0@2t y/purchase/0@3t\n");
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", "user,item,timestamp\nu,a,1\nu,b,\n"),
                     FERRY_INVALID_ARGUMENT);
    assert_string_equal(error.message,
                        "a split by time needs every event's timestamp, 1 of 2 have none");
}

/* 40 users in d, of whom the even ones are in e too, and so many times as in d. */
static void linked_events(char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "user,item,domain\n");
    for (int u = 0; u < 40; u++) {
        used += (size_t)snprintf(text + used, size - used, "u%d,a,d\nu%d,b,d\n", u, u);
        if (u % 2 == 0) used += (size_t)snprintf(text + used, size - used, "u%d,x,e\n", u);
    }
    snprintf(text + used, size - used, "only,x,e\n");
}

/* How many users have their events in each part; no user is in two, and none unlinked but in
 * training. marks [40] gets each user's part. */
static void count_users(size_t counts[3], char *marks)
{
    const ferry_interactions *d = &made.dataset->domains[0], *e = &made.dataset->domains[1];
    memset(counts, 0, 3 * sizeof *counts);
    for (size_t u = 0; u < d->user_count; u++) {
        int number = atoi(made.dataset->users[d->user[u]] + 1);
        uint8_t part = d->part[d->start[u]];
        assert_int_equal(d->start[u + 1] - d->start[u], 2);
        assert_int_equal(d->part[d->start[u] + 1], part);
        if (number % 2 == 1) assert_int_equal(part, FERRY_TRAIN);
        marks[number] = (char)part;
        counts[part]++;
    }
    for (size_t i = 0; i < e->event_count; i++) assert_int_equal(e->part[i], FERRY_TRAIN);
}

static void new_users(void **state)
{
    (void)state;
    static char events[4096], first[40], again[40], other[40];
    size_t counts[3];
    linked_events(events, sizeof events);
    ferry_prepare_options options = ferry_prepare_defaults();
    options.split.split = FERRY_SPLIT_NEW_USER;
    options.split.target = "d";
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", events), FERRY_OK);
    count_users(counts, first);
    assert_int_equal(counts[FERRY_TEST], 10); /* half of 20 linked */
    assert_int_equal(counts[FERRY_VALIDATION], 2);
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", events), FERRY_OK);
    count_users(counts, again);
    assert_memory_equal(first, again, sizeof first);
    options.split.seed = 7;
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", events), FERRY_OK);
    count_users(counts, other);
    assert_memory_not_equal(first, other, sizeof first);
    options.split.share = 0.25;
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", events), FERRY_OK);
    count_users(counts, other);
    assert_int_equal(counts[FERRY_TEST], 5);
    assert_int_equal(counts[FERRY_VALIDATION], 3);

    static const char *const users[] = {"u4", "u38", "u0"};
    options.split.test_users = users;
    options.split.test_user_count = 3;
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", events), FERRY_OK);
    count_users(counts, first);
    assert_int_equal(counts[FERRY_TEST], 3);
    assert_int_equal(counts[FERRY_VALIDATION], 3);
    assert_int_equal(first[4], FERRY_TEST);
    assert_int_equal(first[38], FERRY_TEST);
    assert_int_equal(first[0], FERRY_TEST);
    static const char *const backwards[] = {"u0", "u38", "u4"};
    options.split.test_users = backwards;
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", events), FERRY_OK);
    count_users(counts, again);
    assert_memory_equal(first, again, sizeof first);

    static const char *const unlinked[] = {"u0", "u1", "nobody"};
    options.split.test_users = unlinked;
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", events), FERRY_NOT_FOUND);
    assert_string_equal(error.message, "2 of the 3 test users are not linked: they need events in "
                                       "\"d\" and in another domain");
    options.split.target = "f";
    assert_int_equal(prepares(&options, NULL, NULL, "e.csv", events), FERRY_NOT_FOUND);
    assert_string_equal(error.message, "no domain \"f\" in the data set (it has d, e)");
    options.split.target = "d";
    options.split.test_user_count = 0;
    assert_int_equal(prepares(&options, NULL, NULL, "d.csv", "user,item\nu,a\n"),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "there are none"));
}

/* ---- weights: golden/make_prepare.py ---- */

static void weights_are(const double *expected, size_t count)
{
    const ferry_interactions *domain = &made.dataset->domains[0];
    assert_int_equal(domain->event_count, count);
    for (size_t e = 0; e < count; e++)
        if (!(fabs((double)domain->weight[e] - expected[e]) <= 1e-6))
            fail_msg("weight %zu is %.8g, expected %.8g", e, (double)domain->weight[e],
                     expected[e]);
}

static void weights(void **state)
{
    (void)state;
    ferry_prepare_options options = ferry_prepare_defaults();
    assert_int_equal(prepares(&options, NULL, NULL, "d.csv",
                              "user,item,value\na,1,5\na,2,3\na,3,4\na,4,1\nb,1,2\nb,2,4\nb,3,5\n"),
                     FERRY_OK);
    weights_are((double[]){1.1835854998978792, -0.41998195157666723, 0.381801774160606,
                           -2.023549403051214, -0.890870806374748, 0.7126966450997984,
                           1.5144803708370715},
                7);
    /* those of one behavior: 3 and 0 are training, 8 validation, 15 the test; a view has none */
    assert_int_equal(prepares(&options, NULL, NULL, "d.csv",
                              "user,item,behavior,value\na,9,view,\na,1,play,3\na,2,play,0\n"
                              "a,3,play,8\na,4,play,15\n"),
                     FERRY_OK);
    weights_are((double[]){1, 2, 0, 3.169925001442312, 4}, 5);
    /* days 0, 15, 30, 300 before the newest of training; the last two are later */
    options.half_life = 30;
    assert_int_equal(prepares(&options, NULL, NULL, "d.csv",
                              "user,item,timestamp\na,1,25920001\na,2,24624001\na,3,23328001\n"
                              "a,4,1\na,5,25920002\na,6,99999999\n"),
                     FERRY_OK);
    weights_are((double[]){9.765625e-4, 0.5, 0.7071067811865476, 1, 1, 1}, 6);
    /* equal ratings say nothing */
    options.half_life = 0;
    assert_int_equal(
        prepares(&options, NULL, NULL, "d.csv", "user,item,value\na,1,4\na,2,4\na,3,4\n"),
        FERRY_OK);
    weights_are((double[]){1, 1, 1}, 3);
}

/* ---- failures ---- */

static bool stop(void *user, size_t done, size_t total)
{
    (void)user, (void)total;
    return done < 2;
}

static void can_be_interrupted(void **state)
{
    (void)state;
    ferry_prepare *prepare;
    ferry_prepare_options options = ferry_prepare_defaults();
    ferry_file file = {"e.csv", "user,item\nu,a\n", 14};
    assert_int_equal(ferry_prepare_create(&options, NULL, &prepare, &error), FERRY_OK);
    assert_int_equal(ferry_prepare_events(prepare, &file, FERRY_TABLE_AUTO, NULL, NULL, &error),
                     FERRY_OK);
    ferry_prepared_close(&made);
    assert_int_equal(ferry_prepare_finish(prepare, stop, NULL, &made, &error), FERRY_CANCELLED);
    assert_null(made.dataset);
    assert_int_equal(ferry_prepare_items(prepare, &file, FERRY_TABLE_AUTO, NULL, NULL, &error),
                     FERRY_INVALID_ARGUMENT);
    ferry_prepare_close(prepare);
}

static ferry_status prepare_with(void *user, const ferry_allocator *allocator, ferry_error *why)
{
    (void)user;
    static const char items[] =
        "{\"id\":\"a\",\"domain\":\"d\",\"title\":\"one two three four\"}\n"
        "{\"id\":\"b\",\"domain\":\"d\",\"title\":\"four three two one\"}\n";
    static const char events[] = "user,item,domain,behavior,value,timestamp\nu,a,d,view,,1\n"
                                 "u,a,d,view,,1\nu,b,d,cart,2,2\nv,b,d,view,,3\nv,a,d,view,,4\n";
    ferry_file item_file = {"i.jsonl", items, sizeof items - 1};
    ferry_file event_file = {"e.csv", events, sizeof events - 1};
    ferry_prepare_options options = ferry_prepare_defaults();
    options.core = 2;
    options.merge_titles = true;
    options.split.split = FERRY_SPLIT_TIME;
    ferry_prepare *prepare;
    ferry_prepared out = {0};
    ferry_status status = ferry_prepare_create(&options, allocator, &prepare, why);
    if (status == FERRY_OK)
        status = ferry_prepare_items(prepare, &item_file, FERRY_TABLE_AUTO, NULL, NULL, why);
    if (status == FERRY_OK)
        status = ferry_prepare_events(prepare, &event_file, FERRY_TABLE_AUTO, NULL, NULL, why);
    if (status == FERRY_OK) status = ferry_prepare_finish(prepare, NULL, NULL, &out, why);
    ferry_prepare_close(prepare);
    if (status == FERRY_OK) assert_int_equal(out.dataset->domains[0].event_count, 4);
    ferry_prepared_close(&out);
    return status;
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(fail_each(prepare_with, NULL) > 19);
}

/* ---- the Amazon files ---- */

static const char *const amazon[] = {"amazon-beauty", "amazon-sports", "amazon-toys"};
static const size_t amazon_items[] = {12101, 18357, 11924}, amazon_users[] = {22363, 35598, 19412},
                    amazon_rows[] = {198502, 296337, 167597};

/* Adds NAME.item or NAME.inter; false if it is not at hand. */
static bool add_shared(ferry_prepare *prepare, const char *name, bool events)
{
    char path[64];
    size_t size;
    snprintf(path, sizeof path, "%s.%s", name, events ? "inter" : "item");
    char *text = shared_data_read(path, &size);
    if (text == NULL) return false;
    ferry_file file = {path, text, size};
    assert_int_equal((events ? ferry_prepare_events : ferry_prepare_items)(
                         prepare, &file, FERRY_TABLE_AUTO, log_refused, NULL, &error),
                     FERRY_OK);
    free(text);
    return true;
}

/* Prepares those of the three domains that are in the mask, by default, into made. */
static bool prepare_amazon(unsigned mask, double *seconds)
{
    ferry_prepare *prepare;
    ferry_prepare_options options = ferry_prepare_defaults();
    bool there = true;
    refusals[0] = '\0';
    ferry_prepared_close(&made);
    assert_int_equal(ferry_prepare_create(&options, NULL, &prepare, &error), FERRY_OK);
    clock_t start = clock();
    for (int events = 0; events < 2; events++)
        for (int d = 0; d < 3 && there; d++)
            if (mask >> d & 1) there = add_shared(prepare, amazon[d], events);
    if (there) assert_int_equal(ferry_prepare_finish(prepare, NULL, NULL, &made, &error), FERRY_OK);
    *seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    ferry_prepare_close(prepare);
    assert_string_equal(refusals, "");
    return there;
}

/* Of the text "n i i i…\n", a user a line, as golden/make_prepare.py hashes it. */
static uint64_t hash_sequences(const ferry_interactions *domain)
{
    uint64_t hash = 0xcbf29ce484222325u;
    char number[24];
    for (size_t u = 0; u < domain->user_count; u++) {
        size_t end = domain->start[u + 1];
        snprintf(number, sizeof number, "%zu", u);
        for (size_t e = domain->start[u];; e++) {
            for (const char *c = number; *c != '\0'; c++)
                hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
            hash = (hash ^ (e == end ? '\n' : ' ')) * 0x100000001b3u;
            if (e == end) break;
            snprintf(number, sizeof number, "%u", domain->item[e]);
        }
    }
    return hash;
}

static void the_published_sequences(void **state)
{
    (void)state;
    static const uint64_t hashes[] = {0xf01f7cdd607f6d70u, 0x5ec1f69bdc74b60au,
                                      0x8acaf8c0276d49f2u};
    for (unsigned d = 0; d < 3; d++) {
        double seconds;
        if (!prepare_amazon(1u << d, &seconds)) skip();
        const ferry_interactions *domain = &made.dataset->domains[0];
        print_message("%s: %.3f s of this process\n", amazon[d], seconds);
        assert_string_equal(domain->domain, amazon[d]);
        assert_int_equal(domain->item_count, amazon_items[d]);
        assert_int_equal(domain->user_count, amazon_users[d]);
        assert_int_equal(domain->event_count, amazon_rows[d]);
        assert_true(hash_sequences(domain) == hashes[d]);
        assert_true(seconds < 3);
        for (size_t u = 0; u < domain->user_count; u++) {
            const uint8_t *part = domain->part + domain->start[u];
            size_t count = domain->start[u + 1] - domain->start[u];
            for (size_t e = 0; e < count; e++)
                assert_int_equal(part[e], e + 1 == count   ? FERRY_TEST
                                          : e + 2 == count ? FERRY_VALIDATION
                                                           : FERRY_TRAIN);
        }
    }
}

static void amazon_users_are_linked(void **state)
{
    (void)state;
    double seconds;
    if (!prepare_amazon(7, &seconds)) skip();
    print_message("all three: %.3f s of this process\n", seconds);
    assert_true(report_number("users") == 72682);
    assert_true(report_number("linked_users") == 3950);
    char *linked = cJSON_PrintUnformatted(cJSON_GetObjectItemCaseSensitive(made.report, "linked"));
    assert_string_equal(linked,
                        "[{\"domains\":[\"amazon-beauty\",\"amazon-sports\"],\"users\":1625},"
                        "{\"domains\":[\"amazon-beauty\",\"amazon-toys\"],\"users\":2073},"
                        "{\"domains\":[\"amazon-sports\",\"amazon-toys\"],\"users\":1734}]");
    cJSON_free(linked);
    for (size_t d = 0; d < 3; d++) {
        assert_int_equal(made.dataset->domains[d].item_count, amazon_items[d]);
        assert_int_equal(made.dataset->domains[d].user_count, amazon_users[d]);
        assert_int_equal(made.dataset->domains[d].event_count, amazon_rows[d]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order_is_time_then_position_then_file),
        cmocka_unit_test(one_and_two_events),
        cmocka_unit_test(one_behavior_is_held_out),
        cmocka_unit_test(unusable_rows_are_told_and_counted),
        cmocka_unit_test(nothing_to_prepare),
        cmocka_unit_test(too_many_behaviors),
        cmocka_unit_test(repeated_events),
        cmocka_unit_test(low_ratings),
        cmocka_unit_test(the_core_is_iterated),
        cmocka_unit_test(items_of_one_title),
        cmocka_unit_test(near_titles_as_by_hand),
        cmocka_unit_test(ratio_is_recboles),
        cmocka_unit_test(time_is_one_clock),
        cmocka_unit_test(new_users),
        cmocka_unit_test(weights),
        cmocka_unit_test(can_be_interrupted),
        cmocka_unit_test(survives_every_failed_allocation),
        cmocka_unit_test(the_published_sequences),
        cmocka_unit_test(amazon_users_are_linked),
    };
    return cmocka_run_group_tests(tests, NULL, close_made);
}
