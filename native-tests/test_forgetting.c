/* Forgetting, byte for byte, and profiles: without a model and with one. */
#include "base/random.h"
#include "golden_shop.h"

/* ---- forgetting: as if it had never been ---- */

static void assert_same_profile(const ferry_visitor *a, const ferry_visitor *b)
{
    static char one[1 << 16], two[1 << 16];
    size_t size, other;
    assert_int_equal(ferry_visitor_save(a, one, sizeof one, &size, NULL), FERRY_OK);
    assert_int_equal(ferry_visitor_save(b, two, sizeof two, &other, NULL), FERRY_OK);
    assert_true(size <= sizeof one);
    assert_int_equal(size, other);
    assert_bytes(one, two, size, "profiles");
}

static void assert_same_visitor(const shop *s, ferry_visitor *a, ferry_visitor *b)
{
    static const ferry_domain_weight weights[] = {{"films", 0.5f}, {"books", 3.0f}};
    const ferry_recommend_options options[] = {
        {0}, {.half_life = 2.5}, {.domain_weights = weights, .domain_weight_count = 2}};
    assert_int_equal(a->count, b->count);
    assert_bytes(a->events, b->events, a->count * sizeof *a->events, "events");
    for (size_t i = a->count; i < a->capacity; i++) {
        static const ferry_history_event none;
        assert_bytes(&a->events[i], &none, sizeof none, "events behind the last");
    }
    assert_int_equal(a->others.size, b->others.size);
    assert_bytes(a->others.data, b->others.data, a->others.size, "behaviours' names");
    assert_bytes(a->seen, b->seen, s->catalog->count, "seen items");
    assert_bytes(a->disliked, b->disliked, s->catalog->count, "disliked items");
    assert_same_profile(a, b);
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        float one[MOST], two[MOST];
        assert_int_equal(scores_of(a, options[i], one), scores_of(b, options[i], two));
        for (size_t k = 0; k < MOST; k++)
            if (!isnan(one[k]) || !isnan(two[k]))
                assert_bytes(&one[k], &two[k], sizeof *one, "scores");
    }
}

/* What a visitor should hold: the events in the order of adding. */
typedef struct record {
    ferry_event events[256];
    size_t count;
} record;

static void log_remove(record *l, size_t index)
{
    l->count--;
    memmove(&l->events[index], &l->events[index + 1], (l->count - index) * sizeof *l->events);
}

static ferry_event random_event(const shop *s, ferry_random *random)
{
    static const char *const names[] = {"cart", "play", "aardvark", "zzz", "cart2", NULL, "other"};
    size_t i = ferry_random_below(random, (uint32_t)s->catalog->count);
    i = ferry_random_below(random, 2) ? i : i % 7; /* some come again and again */
    const ferry_item *item = &s->catalog->items[i].item;
    ferry_event event = {.item = item->id, .domain = item->domain};
    event.behavior = (ferry_behavior)ferry_random_below(random, FERRY_BEHAVIOR_COUNT);
    event.value = 1.0 + (double)ferry_random_below(random, 401) / 100.0;
    event.timestamp = 86400 * (int64_t)ferry_random_below(random, 12) - 86400;
    if (event.behavior == FERRY_OTHER) event.behavior_name = names[ferry_random_below(random, 7)];
    return event;
}

/* One random change, to the visitor and to the log. */
static void change(const shop *s, ferry_random *random, ferry_visitor *visitor, record *l)
{
    uint32_t kind = ferry_random_below(random, 20);
    size_t removed, before = l->count;
    if (kind < 12 && l->count < 60) {
        l->events[l->count] = random_event(s, random);
        assert_int_equal(ferry_visitor_add(visitor, &l->events[l->count++], NULL), FERRY_OK);
    } else if (kind < 15 && l->count > 0) {
        l->count--;
        assert_int_equal(ferry_visitor_undo(visitor, NULL), FERRY_OK);
    } else if (kind < 17 && l->count > 0) {
        ferry_event gone = l->events[ferry_random_below(random, (uint32_t)l->count)];
        for (size_t i = l->count; i > 0; i--)
            if (strcmp(l->events[i - 1].item, gone.item) == 0) log_remove(l, i - 1);
        assert_int_equal(ferry_visitor_forget(visitor, gone.domain, gone.item, &removed, NULL),
                         FERRY_OK);
        assert_int_equal(removed, before - l->count);
    } else if (kind < 19 && l->count > 0) {
        size_t index = ferry_random_below(random, (uint32_t)l->count);
        log_remove(l, index);
        assert_int_equal(ferry_visitor_forget_event(visitor, index, NULL), FERRY_OK);
    } else if (ferry_random_below(random, 8) == 0) {
        l->count = 0;
        ferry_visitor_forget_all(visitor);
    }
}

static void replay_is_the_same(void **state)
{
    const shop *s = *state;
    for (uint64_t seed = 0; seed < 12; seed++) {
        ferry_random random;
        record l = {.count = 0};
        ferry_visitor *visitor = visitor_of(s, seed % 2);
        ferry_random_seed(&random, 7, seed);
        for (size_t step = 0; step < 60; step++) {
            change(s, &random, visitor, &l);
            ferry_visitor *fresh = visitor_of(s, seed % 2);
            for (size_t i = 0; i < l.count; i++)
                assert_int_equal(ferry_visitor_add(fresh, &l.events[i], NULL), FERRY_OK);
            assert_same_visitor(s, visitor, fresh);
            ferry_visitor_close(fresh);
        }
        ferry_visitor_close(visitor);
    }
}

static void a_loaded_profile_is_the_same(void **state)
{
    const shop *s = *state;
    static char profile[1 << 16];
    for (uint64_t seed = 0; seed < 6; seed++) {
        ferry_random random;
        ferry_error error = {0};
        size_t size, added;
        ferry_visitor *visitor = visitor_of(s, seed % 2), *loaded = visitor_of(s, seed % 2);
        ferry_random_seed(&random, 9, seed);
        for (size_t i = 0; i < 10 * seed; i++) {
            ferry_event event = random_event(s, &random);
            if (i % 3 == 0) event.timestamp = INT64_MIN + (int64_t)i * 1234567890123;
            if (i % 5 == 0) event.value = 1.0 + 4.0 * (double)ferry_random_uniform(&random) / 3.0;
            assert_int_equal(ferry_visitor_add(visitor, &event, NULL), FERRY_OK);
        }
        add(loaded, "b3", FERRY_VIEW, 1); /* what it had goes */
        assert_int_equal(ferry_visitor_save(visitor, profile, 10, &size, NULL), FERRY_OK);
        assert_int_equal(ferry_visitor_save(visitor, profile, size, &size, NULL), FERRY_OK);
        check(ferry_visitor_load(loaded, profile, size, NULL, NULL, &added, &error), &error);
        assert_int_equal(added, visitor->count);
        assert_same_visitor(s, loaded, visitor);
        ferry_visitor_close(visitor);
        ferry_visitor_close(loaded);
    }
}

/* ---- memory: nothing of what is forgotten stays in it ---- */

/* Never gives memory back, so that what was freed can be looked at. */
typedef struct kept_block {
    struct kept_block *next;
    unsigned char *data;
    size_t size;
    bool live;
} kept_block;

typedef struct keeper {
    kept_block *blocks; /* newest first */
} keeper;

static void *keep(void *user, void *pointer, size_t old_size, size_t new_size)
{
    keeper *k = user;
    kept_block *block = NULL, *old = k->blocks;
    while (pointer != NULL && old->data != pointer) old = old->next;
    if (new_size > 0) {
        block = calloc(1, sizeof *block);
        block->data = malloc(new_size);
        *block = (kept_block){k->blocks, block->data, new_size, true};
        if (pointer != NULL)
            memcpy(block->data, pointer, old_size < new_size ? old_size : new_size);
        k->blocks = block;
    }
    if (pointer != NULL) old->live = false;
    return block != NULL ? block->data : NULL;
}

/* How many of the blocks made after `since`, freed or live, hold the bytes somewhere. */
static size_t traces(const keeper *k, const kept_block *since, const void *bytes, size_t size,
                     size_t *freed)
{
    size_t found = 0;
    *freed = 0;
    for (const kept_block *block = k->blocks; block != since; block = block->next) {
        for (size_t i = 0; i + size <= block->size; i++) {
            if (memcmp(block->data + i, bytes, size) != 0) continue;
            found++;
            *freed += !block->live;
            break;
        }
    }
    return found;
}

/* What an event of an item may leave behind. */
typedef struct needle {
    const char *what;
    const void *bytes;
    size_t size;
} needle;

static const int64_t needle_time = 0x0123456789ABCDEF;
static const double needle_value = 3.14159265358979;
static const char needle_name[] = "needle in a haystack";

static void one_forgets(const shop *s, keeper *k, bool learned, int how, ferry_behavior behavior)
{
    const kept_block *since = k->blocks;
    ferry_visitor *visitor = visitor_of(s, learned);
    size_t item = item_of(s, "b11"), freed, before = 0;
    const ferry_model_domain *books = &s->model->domains[0];
    const needle needles[] = {
        {"the time", &needle_time, sizeof needle_time},
        {"the value", &needle_value, sizeof needle_value},
        {"the name", needle_name, sizeof needle_name},
        {"the vector", s->catalog->vectors + item * s->catalog->dimension, 12},
        {"the whitened text", books->text + s->catalog->within[item] * books->whiten.K, 12},
        {"the net's item", books->net_items + s->catalog->within[item] * 8, 12},
        {"the address of the net's item",
         &(const float *){books->net_items + s->catalog->within[item] * 8}, sizeof(float *)},
    };
    enum { NEEDLES = sizeof needles / sizeof *needles };
    assert_string_equal(books->name, "books");
    for (int i = 0; i < (how == 1 ? 0 : 17); i++) /* enough to make the history grow */
        add(visitor, i % 2 ? "f1" : "f2", FERRY_VIEW, i);
    float scores[MOST];
    ferry_recommend_options only = {.domains = &books->name, .domain_count = 1};
    ferry_event event = {"b11", "books", behavior, needle_value, needle_time, needle_name};
    add(visitor, "f1", FERRY_VIEW, 0); /* what a dislike alone would leave: a direction */
    assert_int_equal(ferry_visitor_add(visitor, &event, NULL), FERRY_OK);
    assert_int_equal(scores_of(visitor, only, scores), FERRY_OK);
    static char profile[1 << 14];
    size_t size;
    assert_int_equal(ferry_visitor_save(visitor, profile, sizeof profile, &size, NULL), FERRY_OK);
    assert_int_equal(ferry_visitor_load(visitor, profile, size, NULL, NULL, NULL, NULL), FERRY_OK);
    assert_int_equal(scores_of(visitor, only, scores), FERRY_OK);
    for (size_t n = 0; n < NEEDLES; n++)
        before += traces(k, since, needles[n].bytes, needles[n].size, &freed) > 0;
    /* else nothing is looked for */
    assert_true(before >= (learned && behavior == FERRY_OTHER ? 4u : learned ? 3u : 2u));
    if (how == 0) assert_int_equal(ferry_visitor_undo(visitor, NULL), FERRY_OK);
    if (how == 1)
        assert_int_equal(ferry_visitor_forget(visitor, "books", "b11", NULL, NULL), FERRY_OK);
    if (how == 2) ferry_visitor_forget_all(visitor);
    if (how == 3) ferry_visitor_close(visitor);
    for (size_t n = 0; n < NEEDLES; n++)
        if (traces(k, since, needles[n].bytes, needles[n].size, &freed) > 0)
            fail_msg("%s is still in memory (in %zu freed blocks), model %d, way %d",
                     needles[n].what, freed, learned, how);
    if (how != 3) ferry_visitor_close(visitor);
}

static void memory_forgets(void **state)
{
    (void)state;
    shop s;
    keeper k = {0};
    ferry_allocator allocator = {keep, &k};
    open_shop(&allocator, &s);
    for (int learned = 0; learned < 2; learned++)
        for (int how = 0; how < 4; how++) {
            one_forgets(&s, &k, learned, how, FERRY_OTHER);
            one_forgets(&s, &k, learned, how, FERRY_DISLIKE);
        }
    ferry_model_close(s.model);
    ferry_catalog_close(s.catalog);
    for (kept_block *block = k.blocks, *next; block != NULL; block = next) {
        next = block->next;
        assert_false(block->live);
        free(block->data);
        free(block);
    }
}

/* ---- profiles that are refused ---- */

#define BEGIN "{\"format\":\"ferry-profile\",\"version\":1,\"events\":["
#define ONE "{\"item\":\"b1\",\"domain\":\"books\",\"behavior\":\"view\"}"

static bool count_refused(void *user, const char *file, size_t line, const char *reason)
{
    assert_string_equal(file, "profile");
    assert_int_equal(line, 2);
    assert_non_null(strstr(reason, "b999"));
    return ++*(size_t *)user < 2;
}

static void wrong_profiles_are_named(void **state)
{
    const shop *s = *state;
    static const struct {
        const char *profile;
        ferry_status status;
        const char *says;
    } wrong[] = {
        {"", FERRY_MALFORMED, "not JSON"},
        {"[]", FERRY_MALFORMED, "not a JSON object"},
        {"{}", FERRY_MALFORMED, "\"format\""},
        {"{\"format\":\"ferry-model\",\"version\":1,\"events\":[]}", FERRY_MALFORMED, "\"format\""},
        {"{\"format\":\"ferry-profile\",\"events\":[]}", FERRY_MALFORMED, "\"version\""},
        {"{\"format\":\"ferry-profile\",\"version\":2,\"events\":[]}", FERRY_UNSUPPORTED,
         "version 2"},
        {"{\"format\":\"ferry-profile\",\"version\":1}", FERRY_MALFORMED, "\"events\""},
        {"{\"format\":\"ferry-profile\",\"version\":1,\"events\":{}}", FERRY_MALFORMED, "events"},
        {BEGIN ONE ",7]}", FERRY_MALFORMED, "event 2 is no object"},
        {BEGIN ONE, FERRY_MALFORMED, "not JSON"},
        {BEGIN "{\"item\":\"b1\",\"domain\":\"books\"}]}", FERRY_MALFORMED, "\"behavior\""},
        {BEGIN "{\"domain\":\"books\",\"behavior\":\"view\"}]}", FERRY_MALFORMED, "\"item\""},
        {BEGIN ONE ",{\"item\":\"b1\",\"domain\":\"books\",\"behavior\":\"rating\",\"value\":9}]}",
         FERRY_MALFORMED, "event 2: rating 9"},
        {BEGIN "{\"item\":\"b1\",\"domain\":\"books\",\"behavior\":\"view\",\"timestamp\":1.5}]}",
         FERRY_MALFORMED, "timestamp"},
        {BEGIN "{\"item\":\"b1\",\"domain\":\"books\",\"behavior\":\"view\","
               "\"timestamp\":9223372036854775808}]}",
         FERRY_MALFORMED, "timestamp"},
        {BEGIN "{\"item\":\"b1\",\"domain\":\"books\",\"behavior\":\"view\",\"value\":\"3\"}]}",
         FERRY_MALFORMED, "value"},
        {BEGIN "{\"item\":\"b1\",\"domain\":\"books\",\"behavior\":\"\"}]}", FERRY_MALFORMED,
         "0 bytes"},
    };
    ferry_visitor *visitor = visitor_of(s, false), *same = visitor_of(s, false);
    add(visitor, "b5", FERRY_LIKE, 3);
    add(same, "b5", FERRY_LIKE, 3);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ferry_error error = {0};
        size_t added;
        assert_int_equal(ferry_visitor_load(visitor, wrong[i].profile, strlen(wrong[i].profile),
                                            NULL, NULL, &added, &error),
                         wrong[i].status);
        if (strstr(error.message, wrong[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.message, wrong[i].says);
    }
    static const char gone[] =
        BEGIN ONE ",{\"item\":\"b999\",\"domain\":\"books\",\"behavior\":\"view\"}," ONE "]}";
    size_t refused = 0, added;
    assert_same_visitor(s, visitor, same); /* nothing of it stayed */
    assert_int_equal(
        ferry_visitor_load(visitor, gone, sizeof gone - 1, count_refused, &refused, &added, NULL),
        FERRY_OK);
    assert_int_equal(added, 2);
    assert_int_equal(
        ferry_visitor_load(visitor, gone, sizeof gone - 1, count_refused, &refused, &added, NULL),
        FERRY_NOT_FOUND);
    assert_int_equal(ferry_visitor_event_count(visitor), 2);
    ferry_visitor_close(visitor);
    ferry_visitor_close(same);
}

static void wrong_calls_are_told(void **state)
{
    const shop *s = *state;
    ferry_visitor *visitor = visitor_of(s, false);
    ferry_error error;
    ferry_event event = {.item = "b1", .behavior = FERRY_OTHER, .behavior_name = "purchase"};
    size_t removed = 9;
    assert_int_equal(ferry_visitor_undo(visitor, &error), FERRY_EMPTY_HISTORY);
    assert_int_equal(ferry_visitor_forget_event(visitor, 0, &error), FERRY_INVALID_ARGUMENT);
    assert_int_equal(ferry_visitor_event(visitor, 0, &event, &error), FERRY_INVALID_ARGUMENT);
    assert_int_equal(ferry_visitor_forget(visitor, NULL, "b1", &removed, &error), FERRY_OK);
    assert_int_equal(removed, 0);
    assert_int_equal(ferry_visitor_forget(visitor, NULL, "nothing", &removed, &error),
                     FERRY_NOT_FOUND);
    event = (ferry_event){.item = "b1", .behavior = FERRY_OTHER, .behavior_name = "purchase"};
    assert_int_equal(ferry_visitor_add(visitor, &event, &error), FERRY_INVALID_ARGUMENT);
    event.behavior_name = "\xff";
    assert_int_equal(ferry_visitor_add(visitor, &event, &error), FERRY_INVALID_ARGUMENT);
    event.behavior_name = "";
    assert_int_equal(ferry_visitor_add(visitor, &event, &error), FERRY_INVALID_ARGUMENT);
    assert_int_equal(ferry_visitor_event_count(visitor), 0);
    ferry_visitor_close(visitor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replay_is_the_same),   cmocka_unit_test(a_loaded_profile_is_the_same),
        cmocka_unit_test(memory_forgets),       cmocka_unit_test(wrong_profiles_are_named),
        cmocka_unit_test(wrong_calls_are_told),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
