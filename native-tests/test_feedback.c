/*
 * Feedback, forgetting and the visitor's controls, on the shop of golden/model: without a model and
 * with its own.
 */
#include "golden.h"

#include <math.h>

#include "base/random.h"
#include "math/elementary.h"
#include "recsys/visitor.h"

enum { MOST = 100 };

typedef struct shop {
    ferry_catalog *catalog;
    ferry_model *model;
} shop;

static void check(ferry_status status, const ferry_error *error)
{
    if (status != FERRY_OK) fail_msg("%s", error->message);
}

static void open_shop(const ferry_allocator *allocator, shop *out)
{
    ferry_error error;
    ferry_catalog_options options = {.size = sizeof options, .allocator = allocator};
    check(ferry_catalog_open_directory(golden_path("model/shop"), &options, &out->catalog, &error),
          &error);
    assert_true(out->catalog->count <= MOST);
    check(ferry_model_open_directory(out->catalog, golden_path("model/shop/model"), &out->model,
                                     &error),
          &error);
}

static int open_fixture(void **state)
{
    *state = calloc(1, sizeof(shop));
    assert_non_null(*state);
    open_shop(NULL, *state);
    return 0;
}

static int close_fixture(void **state)
{
    shop *s = *state;
    ferry_model_close(s->model);
    ferry_catalog_close(s->catalog);
    free(s);
    return 0;
}

static ferry_visitor *visitor_of(const shop *s, bool learned)
{
    ferry_error error;
    ferry_visitor *visitor;
    check(ferry_visitor_create(s->catalog, &visitor, &error), &error);
    if (learned) check(ferry_visitor_use(visitor, s->model, &error), &error);
    return visitor;
}

static void add(ferry_visitor *visitor, const char *item, ferry_behavior behavior, int64_t time)
{
    ferry_error error;
    ferry_event event = {.item = item, .behavior = behavior, .timestamp = time};
    check(ferry_visitor_add(visitor, &event, &error), &error);
}

/* All scores by item; those that are not recommended are NAN. */
static ferry_status scores_of(ferry_visitor *visitor, ferry_recommend_options options,
                              float scores[MOST])
{
    ferry_recommendation items[MOST];
    size_t count;
    options.size = sizeof options;
    options.k = MOST;
    options.keep_seen = options.keep_disliked = options.keep_duplicates = true;
    for (size_t i = 0; i < MOST; i++) scores[i] = NAN;
    ferry_status status = ferry_visitor_recommend(visitor, &options, items, &count, NULL, NULL);
    for (size_t i = 0; i < count; i++) scores[items[i].item] = items[i].score;
    return status;
}

static size_t item_of(const shop *s, const char *id)
{
    size_t index;
    assert_int_equal(ferry_catalog_find(s->catalog, NULL, id, &index, NULL), FERRY_OK);
    return index;
}

/* ---- what feedback says ---- */

static void feedback_marks_items(void **state)
{
    const shop *s = *state;
    ferry_visitor *visitor = visitor_of(s, false);
    ferry_event rating = {.item = "b0", .behavior = FERRY_RATING, .value = 2.5, .timestamp = 5};
    size_t b0 = item_of(s, "b0"), b1 = item_of(s, "b1");
    assert_int_equal(ferry_visitor_add(visitor, &rating, NULL), FERRY_OK);
    assert_int_equal(visitor->disliked[b0], FERRY_ITEM_DISLIKED);
    add(visitor, "b0", FERRY_LIKE, 4); /* older than the rating */
    assert_int_equal(visitor->disliked[b0], FERRY_ITEM_DISLIKED);
    add(visitor, "b0", FERRY_LIKE, 5); /* as new, and added later */
    assert_int_equal(visitor->disliked[b0], 0);
    add(visitor, "b0", FERRY_DISLIKE, 6);
    assert_int_equal(visitor->disliked[b0], FERRY_ITEM_DISLIKED);
    add(visitor, "b1", FERRY_NOT_INTERESTED, 6);
    assert_int_equal(visitor->disliked[b1], FERRY_ITEM_NOT_INTERESTING);
    assert_int_equal(visitor->seen[b1], 1);
    for (size_t i = 0; i < 2; i++) assert_int_equal(ferry_visitor_undo(visitor, NULL), FERRY_OK);
    assert_int_equal(visitor->disliked[b0] + visitor->disliked[b1] + visitor->seen[b1], 0);
    assert_int_equal(visitor->seen[b0], 1);
    ferry_visitor_close(visitor);
}

/* Not interested: no score changes, with a model or without. */
static void not_interested_says_nothing_of_others(void **state)
{
    const shop *s = *state;
    for (int learned = 0; learned < 2; learned++) {
        float before[MOST], after[MOST];
        ferry_visitor *visitor = visitor_of(s, learned);
        add(visitor, "b0", FERRY_LIKE, 5);
        assert_int_equal(scores_of(visitor, (ferry_recommend_options){0}, before), FERRY_OK);
        add(visitor, "b9", FERRY_NOT_INTERESTED, 9);
        assert_int_equal(scores_of(visitor, (ferry_recommend_options){0}, after), FERRY_OK);
        for (size_t i = 0; i < s->catalog->count; i++)
            if (i != item_of(s, "b9")) assert_memory_equal(&before[i], &after[i], sizeof *after);
        ferry_visitor_close(visitor);
    }
}

/* The more an item is like what is disliked, the more it loses, within its domain; elsewhere
 * nothing changes. */
static void a_dislike_pushes_down_what_is_like_it(void **state)
{
    const shop *s = *state;
    static const char *const disliked[] = {"b1", "f4", "b17", "f20"};
    size_t compared = 0;
    for (size_t d = 0; d < 4; d++) {
        float before[MOST], after[MOST], cosine[MOST];
        ferry_visitor *visitor = visitor_of(s, true);
        add(visitor, "b0", FERRY_LIKE, 5);
        add(visitor, "f3", FERRY_PURCHASE, 6);
        assert_int_equal(scores_of(visitor, (ferry_recommend_options){0}, before), FERRY_OK);
        add(visitor, disliked[d], FERRY_DISLIKE, 7);
        assert_int_equal(scores_of(visitor, (ferry_recommend_options){0}, after), FERRY_OK);
        const ferry_model_domain *domain = &s->model->domains[disliked[d][0] == 'b' ? 0 : 1];
        size_t K = domain->whiten.K, own = s->catalog->within[item_of(s, disliked[d])];
        s->catalog->kernels->dot_rows(domain->text, domain->text + own * K, cosine, domain->items,
                                      K);
        const uint32_t *items =
            s->catalog->domain_items + s->catalog->domain_first[domain->catalog_domain];
        for (size_t i = 0; i < domain->items; i++) {
            if (isnan(after[items[i]]) || cosine[i] <= 0.0f) continue;
            for (size_t j = 0; j < domain->items; j++) {
                if (isnan(after[items[j]]) || cosine[j] > cosine[i]) continue;
                float lost = before[items[i]] - after[items[i]];
                float other = before[items[j]] - after[items[j]];
                assert_true(lost >= other - 1e-4f);
                compared += cosine[i] > cosine[j] + 0.1f && lost > other + 0.1f;
            }
        }
        size_t elsewhere = item_of(s, disliked[d][0] == 'b' ? "f11" : "b11");
        assert_memory_equal(&before[elsewhere], &after[elsewhere], sizeof *after);
        ferry_visitor_close(visitor);
    }
    assert_true(compared > 500);
}

/* ---- forgetting: as if it had never been ---- */

static void assert_bytes(const void *a, const void *b, size_t size, const char *what)
{
    if (size > 0 && memcmp(a, b, size) != 0) fail_msg("%s differ", what);
}

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

/* ---- controls: each does more the more there is of it ---- */

enum { DAY = 86400 };

/* How far films are ahead: with a model the domain's share of the list; without, how near the
 * visitor's vector is to the sum of the films that were bought, f7 and f9. */
static double lead_of_films(const shop *s, const float scores[MOST], bool learned)
{
    double sum = 0;
    if (!learned) return (double)scores[item_of(s, "f7")] + (double)scores[item_of(s, "f9")];
    for (size_t i = 0; i < s->catalog->count; i++)
        if (strcmp(s->catalog->items[i].item.domain, "films") == 0) sum += exp((double)scores[i]);
    return sum;
}

static ferry_visitor *films_and_books(const shop *s, bool learned)
{
    ferry_visitor *visitor = visitor_of(s, learned);
    add(visitor, "f7", FERRY_PURCHASE, 100 * DAY);
    add(visitor, "f9", FERRY_LIKE, 100 * DAY);
    add(visitor, "b8", FERRY_PURCHASE, 110 * DAY);
    return visitor;
}

/* The longer the half-life, the more an old event in one domain counts beside a new one. */
static void half_life_is_monotone(void **state)
{
    const shop *s = *state;
    static const double days[] = {0.5, 1, 2, 3, 5, 10, 20, 50, 1000, 0}; /* the last: none fades */
    for (int learned = 0; learned < 2; learned++) {
        ferry_visitor *visitor = films_and_books(s, learned);
        double last = -INFINITY, first = 0;
        for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
            float scores[MOST];
            ferry_recommend_options options = {.half_life = days[i]};
            assert_int_equal(scores_of(visitor, options, scores), FERRY_OK);
            double lead = lead_of_films(s, scores, learned);
            assert_true(lead >= last - 1e-6);
            if (i == 0) first = lead;
            last = lead;
        }
        assert_true(last > first + 0.1);
        ferry_visitor_close(visitor);
    }
}

/* Exactly half: the vector is that of weights 1 and .5. `now` moves all by as much. */
static void a_half_life_halves(void **state)
{
    const shop *s = *state;
    ferry_visitor *visitor = visitor_of(s, false);
    add(visitor, "f7", FERRY_PURCHASE, 100 * DAY);
    add(visitor, "b8", FERRY_PURCHASE, 110 * DAY);
    add(visitor, "b9", FERRY_PURCHASE, 0); /* of an unknown time: does not fade */
    ferry_recommend_options options = {.half_life = 10};
    assert_int_equal(ferry_visitor_weigh(visitor, &options, NULL), FERRY_OK);
    assert_true(visitor->scale[0] == 1.0f && visitor->scale[2] == 1.0f);
    assert_true(fabsf(visitor->scale[1] - 0.5f) < 1e-6f);
    options.now = 120 * DAY;
    assert_int_equal(ferry_visitor_weigh(visitor, &options, NULL), FERRY_OK);
    assert_true(fabsf(visitor->scale[1] - 0.25f) < 1e-6f);
    assert_true(fabsf(visitor->scale[2] - 0.5f) < 1e-6f);
    ferry_visitor_close(visitor);
}

static void domain_weight_is_monotone(void **state)
{
    const shop *s = *state;
    static const float weights[] = {0, 0.01f, 0.1f, 0.5f, 1, 2, 5, 50, 1000};
    for (int learned = 0; learned < 2; learned++) {
        ferry_visitor *visitor = films_and_books(s, learned);
        double last = -INFINITY, first = 0;
        for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
            float scores[MOST];
            ferry_domain_weight weight = {"films", weights[i]};
            ferry_recommend_options options = {.domain_weights = &weight, .domain_weight_count = 1};
            assert_int_equal(scores_of(visitor, options, scores), FERRY_OK);
            double lead = lead_of_films(s, scores, learned);
            assert_true(lead >= last - 1e-6);
            if (i == 0) first = lead;
            last = lead;
        }
        assert_true(last > first + 0.1);
        ferry_visitor_close(visitor);
    }
}

/* A weight of 0: as if its events were not there. */
static void a_domain_without_weight_says_nothing(void **state)
{
    const shop *s = *state;
    for (int learned = 0; learned < 2; learned++) {
        float with[MOST], without[MOST];
        ferry_domain_weight weight = {"films", 0};
        ferry_recommend_options options = {.domain_weights = &weight, .domain_weight_count = 1};
        ferry_visitor *visitor = visitor_of(s, learned);
        add(visitor, "b8", FERRY_PURCHASE, 5);
        assert_int_equal(scores_of(visitor, (ferry_recommend_options){0}, without), FERRY_OK);
        add(visitor, "f7", FERRY_PURCHASE, 4);
        add(visitor, "f8", FERRY_DISLIKE, 6);
        assert_int_equal(scores_of(visitor, options, with), FERRY_OK);
        for (size_t i = 0; i < s->catalog->count; i++)
            if (!isnan(with[i])) assert_bytes(&with[i], &without[i], sizeof *with, "scores");
        ferry_visitor_close(visitor);
    }
}

/* The more novelty, the less popular the ten best of a domain are on average. */
static void novelty_is_monotone(void **state)
{
    const shop *s = *state;
    static const char *const histories[][2] = {{"b0", "b4"}, {"f3", "b12"}, {"f10", "f11"}};
    const char *domain = "books";
    double all = 0;
    for (size_t h = 0; h < 3; h++) {
        ferry_visitor *visitor = visitor_of(s, true);
        double last = INFINITY, first = 0;
        for (size_t i = 0; i < 2; i++) add(visitor, histories[h][i], FERRY_PURCHASE, (int64_t)i);
        for (int step = 0; step <= 10; step++) {
            ferry_recommendation items[10];
            size_t count;
            ferry_recommend_options options = {.size = sizeof options,
                                               .k = 10,
                                               .domains = &domain,
                                               .domain_count = 1,
                                               .novelty = (float)step / 10.0f};
            assert_int_equal(ferry_visitor_recommend(visitor, &options, items, &count, NULL, NULL),
                             FERRY_OK);
            double popularity = 0;
            for (size_t i = 0; i < count; i++)
                popularity +=
                    (double)s->model->domains[0].log_popularity[s->catalog->within[items[i].item]];
            assert_true(popularity <= last + 1e-4);
            if (step == 0) first = popularity;
            last = popularity;
        }
        all += first - last;
        ferry_visitor_close(visitor);
    }
    assert_true(all > 1.0);
}

static void wrong_controls_are_named(void **state)
{
    const shop *s = *state;
    static const ferry_domain_weight toys = {"toys", 1}, minus = {"films", -1};
    static const ferry_domain_weight twice[] = {{"films", 1}, {"films", 2}};
    const struct {
        ferry_recommend_options options;
        bool learned;
        ferry_status status;
        const char *says;
    } wrong[] = {
        {{.half_life = -1}, false, FERRY_INVALID_ARGUMENT, "half_life is -1"},
        {{.half_life = (double)NAN}, true, FERRY_INVALID_ARGUMENT, "half_life is"},
        {{.novelty = 0.5f}, false, FERRY_UNSUPPORTED, "only a model"},
        {{.novelty = 1.5f}, true, FERRY_INVALID_ARGUMENT, "novelty is 1.5"},
        {{.novelty = NAN}, true, FERRY_INVALID_ARGUMENT, "novelty is"},
        {{.domain_weights = &toys, .domain_weight_count = 1}, false, FERRY_NOT_FOUND, "toys"},
        {{.domain_weights = &minus, .domain_weight_count = 1}, true, FERRY_INVALID_ARGUMENT, "-1"},
        {{.domain_weights = twice, .domain_weight_count = 2}, true, FERRY_INVALID_ARGUMENT, "two"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ferry_visitor *visitor = visitor_of(s, wrong[i].learned);
        ferry_recommend_options options = wrong[i].options;
        ferry_recommendation item;
        ferry_error error = {0};
        size_t count;
        options.size = sizeof options;
        options.k = 1;
        add(visitor, "b1", FERRY_LIKE, 1);
        assert_int_equal(ferry_visitor_recommend(visitor, &options, &item, &count, NULL, &error),
                         wrong[i].status);
        if (strstr(error.message, wrong[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.message, wrong[i].says);
        ferry_visitor_close(visitor);
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
        cmocka_unit_test(feedback_marks_items),
        cmocka_unit_test(not_interested_says_nothing_of_others),
        cmocka_unit_test(a_dislike_pushes_down_what_is_like_it),
        cmocka_unit_test(replay_is_the_same),
        cmocka_unit_test(a_loaded_profile_is_the_same),
        cmocka_unit_test(memory_forgets),
        cmocka_unit_test(half_life_is_monotone),
        cmocka_unit_test(a_half_life_halves),
        cmocka_unit_test(domain_weight_is_monotone),
        cmocka_unit_test(a_domain_without_weight_says_nothing),
        cmocka_unit_test(novelty_is_monotone),
        cmocka_unit_test(wrong_controls_are_named),
        cmocka_unit_test(wrong_profiles_are_named),
        cmocka_unit_test(wrong_calls_are_told),
    };
    return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
