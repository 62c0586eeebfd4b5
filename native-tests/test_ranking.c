/* What may be on a list, and how it is made, against a slow and simple second opinion. */
#include "random_catalog.h"

#include <ctype.h>

#include <cJSON.h>

enum { MOST = 1200, POOL = 300, COMPARED = 256 };

/* ---- the second opinion ---- */

typedef struct reference {
    const ferry_catalog *catalog;
    const ferry_recommend_options *options;
    const ferry_event *events;
    size_t event_count;
    ferry_recommendation all[MOST]; /* [count] every item, best first */
    size_t count;
    cJSON *json[MOST]; /* by item */
    ferry_recommendation list[MOST];
    size_t listed;
    ferry_excluded removed;
} reference;

static float cosine(const reference *r, size_t a, size_t b)
{
    float dot;
    size_t N = r->catalog->dimension;
    r->catalog->kernels->dot_rows(r->catalog->vectors + a * N, r->catalog->vectors + b * N, &dot, 1,
                                  N);
    return dot;
}

static const char *text_of(const reference *r, size_t item, const char *field)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(r->json[item], field));
    return text != NULL ? text : "";
}

/* Title in lower case, its words with one space between. */
static void plain_title(const reference *r, size_t item, char out[256])
{
    char word[64], *end = out;
    const char *text = text_of(r, item, "title");
    int used;
    *out = '\0';
    for (; sscanf(text, "%63s%n", word, &used) == 1; text += used) {
        end += sprintf(end, "%s%s", end > out ? " " : "", word);
    }
    for (char *c = out; *c != '\0'; c++) *c = (char)tolower((unsigned char)*c);
}

static bool same_title(const reference *r, size_t a, size_t b)
{
    char x[256], y[256];
    plain_title(r, a, x);
    plain_title(r, b, y);
    return x[0] != '\0' && strcmp(x, y) == 0 &&
           strcmp(text_of(r, a, "domain"), text_of(r, b, "domain")) == 0;
}

static size_t item_of(const reference *r, const ferry_event *event)
{
    size_t item;
    assert_int_equal(ferry_catalog_find(r->catalog, event->domain, event->item, &item, NULL),
                     FERRY_OK);
    return item;
}

/* -1 if the newest event on the item is against it, 1 if it is not, 0 without any. */
static int opinion(const reference *r, size_t item)
{
    for (size_t e = r->event_count; e-- > 0;)
        if (item_of(r, &r->events[e]) == item)
            return r->events[e].behavior == FERRY_RATING && r->events[e].value < 3 ? -1 : 1;
    return 0;
}

/* The conditions these tests use, each by its own few lines. */
static bool meets(const reference *r, size_t item, const char *condition)
{
    const cJSON *json = r->json[item], *price = cJSON_GetObjectItem(json, "price"), *tag;
    char title[256];
    if (strcmp(condition, "price<20") == 0) {
        if (cJSON_IsString(price)) return atof(price->valuestring) < 20;
        return cJSON_IsNumber(price) && price->valuedouble < 20;
    }
    if (strcmp(condition, "tags has vegan") == 0) {
        cJSON_ArrayForEach(tag,
                           cJSON_GetObjectItem(json, "tags")) if (strcmp(tag->valuestring,
                                                                         "vegan") == 0) return true;
        return false;
    }
    if (strcmp(condition, "author != \"Author 3\"") == 0)
        return strcmp(text_of(r, item, "author"), "Author 3") != 0;
    if (strcmp(condition, "title~RED") == 0) {
        plain_title(r, item, title);
        return strstr(title, "red") != NULL;
    }
    assert_string_equal(condition, "stock=true");
    return cJSON_IsTrue(cJSON_GetObjectItem(json, "stock"));
}

static bool is_wanted(const reference *r, size_t item)
{
    bool wanted = r->options->domain_count == 0;
    for (size_t d = 0; d < r->options->domain_count; d++)
        wanted |= strcmp(r->options->domains[d], text_of(r, item, "domain")) == 0;
    return wanted;
}

static bool is_filtered(const reference *r, size_t item)
{
    bool named = r->options->candidate_count == 0;
    for (size_t c = 0; c < r->options->candidate_count; c++)
        named |= strcmp(r->options->candidates[c].id, text_of(r, item, "id")) == 0;
    for (size_t w = 0; w < r->options->where_count; w++)
        named &= meets(r, item, r->options->where[w]);
    return !named;
}

static bool is_like_disliked(const reference *r, size_t item)
{
    for (size_t e = 0; e < r->event_count; e++) {
        size_t other = item_of(r, &r->events[e]);
        if (opinion(r, other) < 0 && text_of(r, item, "title")[0] != '\0' &&
            text_of(r, other, "title")[0] != '\0' &&
            cosine(r, item, other) >= r->options->disliked_cosine)
            return true;
    }
    return false;
}

static bool is_duplicate(const reference *r, size_t item)
{
    for (size_t e = 0; e < r->event_count && !r->options->keep_seen; e++)
        if (same_title(r, item, item_of(r, &r->events[e]))) return true;
    for (size_t i = 0; i < r->listed; i++) {
        size_t other = r->list[i].item;
        if (same_title(r, item, other)) return true;
        if (i + COMPARED >= r->listed &&
            strcmp(text_of(r, item, "domain"), text_of(r, other, "domain")) == 0 &&
            text_of(r, item, "title")[0] != '\0' && text_of(r, other, "title")[0] != '\0' &&
            cosine(r, item, other) >= r->options->duplicate_cosine)
            return true;
    }
    return false;
}

static bool has_value(const reference *r, size_t item, const char *field, const char *value)
{
    const cJSON *json = cJSON_GetObjectItem(r->json[item], field), *entry;
    if (!cJSON_IsArray(json)) return strcmp(text_of(r, item, field), value) == 0;
    cJSON_ArrayForEach(entry, json) if (strcmp(entry->valuestring, value) == 0) return true;
    return false;
}

/* How many of the list have the value. */
static size_t listed_with(const reference *r, const char *field, const char *value)
{
    size_t count = 0;
    for (size_t i = 0; i < r->listed; i++) count += has_value(r, r->list[i].item, field, value);
    return count;
}

static bool is_over(const reference *r, size_t item)
{
    const ferry_recommend_options *o = r->options;
    for (size_t q = 0; q < o->quota_count; q++)
        if (has_value(r, item, "domain", o->quotas[q].name) &&
            listed_with(r, "domain", o->quotas[q].name) >= o->quotas[q].most)
            return true;
    for (size_t l = 0; l < o->at_most_count; l++) {
        const char *field = o->at_most[l].name;
        const cJSON *json = cJSON_GetObjectItem(r->json[item], field), *entry;
        if (cJSON_IsString(json) && listed_with(r, field, json->valuestring) >= o->at_most[l].most)
            return true;
        if (!cJSON_IsArray(json)) continue;
        cJSON_ArrayForEach(entry, json) if (listed_with(r, field, entry->valuestring) >=
                                            o->at_most[l].most) return true;
    }
    return false;
}

/* Of the pool [size] the one that comes next; what has been taken has item SIZE_MAX. */
static size_t choose(const reference *r, const ferry_recommendation *pool, size_t size, float low,
                     float high)
{
    float d = r->options->diversity, most = 0;
    size_t best = SIZE_MAX;
    for (size_t i = 0; i < size; i++) {
        if (pool[i].item == SIZE_MAX) continue;
        if (d == 0) return i;
        float near = -1, relevance = high > low ? (pool[i].score - low) / (high - low) : 0;
        for (size_t l = 0; l < r->listed; l++) {
            float now = cosine(r, pool[i].item, r->list[l].item);
            near = now > near ? now : near;
        }
        float value = (1 - d) * relevance - d * near;
        if (best == SIZE_MAX || value > most) best = i, most = value;
    }
    return best;
}

static void make_reference(reference *r)
{
    static ferry_recommendation queue[MOST];
    const ferry_recommend_options *o = r->options;
    size_t left = 0, begin = 0;
    r->listed = 0;
    r->removed = (ferry_excluded){0};
    for (size_t i = 0; i < r->count; i++) {
        size_t item = r->all[i].item;
        if (!is_wanted(r, item)) continue;
        if (is_filtered(r, item))
            r->removed.filtered++;
        else if (!o->keep_seen && opinion(r, item) != 0)
            r->removed.seen++;
        else if (!o->keep_disliked && opinion(r, item) < 0)
            r->removed.disliked++;
        else
            queue[left++] = r->all[i];
    }
    size_t size = o->k < left ? o->k : left;
    size = 3 * size > POOL ? 3 * size : POOL;
    if (o->diversity == 0 || size > left) size = left;
    if (left == 0) return;
    float high = queue[0].score, low = queue[size - 1].score;
    for (; begin<left; begin += size, size = 2 * size> left - begin ? left - begin : 2 * size) {
        for (size_t next; r->listed < o->k;) {
            next = choose(r, queue + begin, size, low, high);
            if (next == SIZE_MAX) break;
            ferry_recommendation entry = queue[begin + next];
            queue[begin + next].item = SIZE_MAX;
            if (!o->keep_disliked && is_like_disliked(r, entry.item))
                r->removed.disliked++;
            else if (!o->keep_duplicates && is_duplicate(r, entry.item))
                r->removed.duplicate++;
            else if (is_over(r, entry.item))
                r->removed.limited++;
            else
                r->list[r->listed++] = entry;
        }
    }
}

/* ---- the comparison ---- */

static ferry_visitor *make_visitor(const ferry_catalog *catalog, const ferry_event *events,
                                   size_t count)
{
    ferry_error error;
    ferry_visitor *visitor;
    assert_int_equal(ferry_visitor_create(catalog, &visitor, &error), FERRY_OK);
    for (size_t i = 0; i < count; i++)
        if (ferry_visitor_add(visitor, &events[i], &error) != FERRY_OK)
            fail_msg("%s", error.message);
    return visitor;
}

static size_t recommend(ferry_visitor *visitor, const ferry_recommend_options *options,
                        ferry_recommendation *out, ferry_excluded *excluded)
{
    ferry_error error;
    size_t count;
    if (ferry_visitor_recommend(visitor, options, out, &count, excluded, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    return count;
}

/* Everything that may be asked for, drawn at random. */
static ferry_recommend_options draw_options(ferry_random *random, const ferry_item_name *names,
                                            size_t name_count)
{
    static const char *const domains[] = {"films", "songs"};
    static const char *const where[] = {"price<20", "tags has vegan", "author != \"Author 3\"",
                                        "title~RED", "stock=true"};
    static const ferry_limit quotas[] = {{"films", 3}, {"songs", 0}, {"books", 20}};
    static const ferry_limit at_most[] = {{"author", 2}, {"tags", 9}, {"shapes", 3}};
    static const float diversities[] = {0, 0, 0.1f, 0.35f, 0.8f, 1};
    static const size_t ks[] = {1, 3, 10, 40, 150, 5000};
    ferry_recommend_options o = {.size = sizeof o};
    o.k = ks[ferry_random_below(random, 6)];
    o.domains = domains;
    o.domain_count = ferry_random_below(random, 3) == 0 ? 1 + ferry_random_below(random, 2) : 0;
    o.keep_seen = ferry_random_below(random, 3) == 0;
    o.keep_disliked = ferry_random_below(random, 3) == 0;
    o.keep_duplicates = ferry_random_below(random, 3) == 0;
    o.disliked_cosine = ferry_random_below(random, 2) ? 0.7f : 1.5f;
    o.duplicate_cosine = ferry_random_below(random, 2) ? 0.9f : 1.5f;
    size_t first = ferry_random_below(random, 5);
    o.where = where + first;
    o.where_count = ferry_random_below(random, 2) ? ferry_random_below(random, 3) : 0;
    if (o.where_count > 5 - first) o.where_count = 5 - first;
    o.candidates = names;
    o.candidate_count = ferry_random_below(random, 4) == 0 ? name_count : 0;
    o.quotas = quotas;
    o.quota_count = ferry_random_below(random, 2) ? ferry_random_below(random, 4) : 0;
    o.at_most = at_most;
    o.at_most_count = ferry_random_below(random, 4);
    if (o.at_most_count == 3) o.at_most += 2, o.at_most_count = 1; /* else authors are few */
    o.diversity = diversities[ferry_random_below(random, 6)];
    return o;
}

static void open_reference(reference *r, const ferry_catalog *catalog, ferry_visitor *visitor)
{
    ferry_recommend_options everything = {.size = sizeof everything,
                                          .k = MOST,
                                          .keep_seen = true,
                                          .keep_disliked = true,
                                          .keep_duplicates = true};
    r->catalog = catalog;
    r->count = recommend(visitor, &everything, r->all, NULL);
    assert_int_equal(r->count, ferry_catalog_count(catalog));
    for (size_t i = 0; i < r->count; i++) r->json[i] = cJSON_Parse(catalog->items[i].item.json);
    for (size_t i = 1; i < r->count; i++) /* the order of ties, by a second rule */
        if (r->all[i - 1].score == r->all[i].score) {
            const ferry_item *a = &catalog->items[r->all[i - 1].item].item;
            const ferry_item *b = &catalog->items[r->all[i].item].item;
            int order = strcmp(a->domain, b->domain);
            assert_true(order < 0 || (order == 0 && strcmp(a->id, b->id) < 0));
        } else {
            assert_true(r->all[i - 1].score > r->all[i].score);
        }
}

static void close_reference(reference *r)
{
    for (size_t i = 0; i < r->count; i++) cJSON_Delete(r->json[i]);
}

static void every_stage_is_the_references(void **state)
{
    (void)state;
    static reference r;
    static ferry_recommendation list[MOST];
    size_t lists = 0, removed[5] = {0};
    for (uint64_t seed = 0; seed < 12; seed++) {
        size_t count = seed % 3 == 0 ? 900 : 120;
        ferry_catalog *catalog = random_catalog(seed, count, NULL);
        ferry_random random;
        ferry_random_seed(&random, seed, 1);
        char ids[30][8];
        ferry_item_name names[30];
        for (size_t i = 0; i < 30; i++) {
            snprintf(ids[i], sizeof ids[i], "i%u", ferry_random_below(&random, 100));
            names[i] = (ferry_item_name){i % 2 ? "" : NULL, ids[i]};
        }
        const ferry_event events[] = {
            {ids[0], NULL, FERRY_PURCHASE, 0, 1, NULL}, {ids[1], NULL, FERRY_RATING, 1, 2, NULL},
            {ids[2], NULL, FERRY_RATING, 5, 3, NULL},   {ids[3], NULL, FERRY_RATING, 2, 4, NULL},
            {ids[3], NULL, FERRY_PURCHASE, 0, 5, NULL}, {ids[4], NULL, FERRY_RATING, 2, 6, NULL}};
        ferry_visitor *visitor = make_visitor(catalog, events, 6);
        r.events = events;
        r.event_count = 6;
        open_reference(&r, catalog, visitor);
        for (int turn = 0; turn < (count > 500 ? 12 : 60); turn++, lists++) {
            ferry_recommend_options options = draw_options(&random, names, 30);
            ferry_excluded excluded;
            r.options = &options;
            make_reference(&r);
            size_t found = recommend(visitor, &options, list, &excluded);
            assert_int_equal(found, r.listed);
            for (size_t i = 0; i < found; i++) {
                assert_int_equal(list[i].item, r.list[i].item);
                assert_memory_equal(&list[i].score, &r.list[i].score, sizeof(float));
            }
            assert_memory_equal(&excluded, &r.removed, sizeof excluded);
            const size_t counts[] = {excluded.seen, excluded.disliked, excluded.duplicate,
                                     excluded.filtered, excluded.limited};
            for (size_t s = 0; s < 5; s++) removed[s] += counts[s];
        }
        close_reference(&r);
        ferry_visitor_close(visitor);
        ferry_catalog_close(catalog);
    }
    print_message("%zu lists; removed: seen %zu, disliked %zu, duplicate %zu, filtered %zu, "
                  "limited %zu\n",
                  lists, removed[0], removed[1], removed[2], removed[3], removed[4]);
    for (size_t s = 0; s < 5; s++) assert_true(removed[s] > 100);
}

/* ---- the knob ---- */

static double mean_cosine(const ferry_catalog *catalog, const ferry_recommendation *list, size_t k)
{
    double sum = 0;
    for (size_t a = 1; a < k; a++)
        for (size_t b = 0; b < a; b++)
            for (size_t n = 0; n < catalog->dimension; n++)
                sum += (double)catalog->vectors[list[a].item * catalog->dimension + n] *
                       (double)catalog->vectors[list[b].item * catalog->dimension + n];
    return sum / (double)(k * (k - 1) / 2);
}

/* Lists grow less alike and less relevant with the knob; the best item stays. */
static void diversity_is_one_knob(void **state)
{
    (void)state;
    enum { STEPS = 7, CATALOGS = 30, K = 10 };
    static const float steps[STEPS] = {0, 0.1f, 0.3f, 0.5f, 0.7f, 0.9f, 1};
    double alike[STEPS] = {0}, score[STEPS] = {0};
    for (uint64_t seed = 0; seed < CATALOGS; seed++) {
        ferry_catalog *catalog = random_catalog(100 + seed, 500, NULL);
        const ferry_event events[] = {{"i3", NULL, FERRY_PURCHASE, 0, 1, NULL},
                                      {"i4", NULL, FERRY_PURCHASE, 0, 1, NULL}};
        ferry_visitor *visitor = make_visitor(catalog, events, 2);
        size_t best = 0;
        double first = 0;
        for (size_t s = 0; s < STEPS; s++) {
            ferry_recommendation list[K];
            ferry_recommend_options options = {
                .size = sizeof options, .k = K, .diversity = steps[s]};
            assert_int_equal(recommend(visitor, &options, list, NULL), K);
            if (s == 0) best = list[0].item;
            assert_int_equal(list[0].item, best);
            double now = mean_cosine(catalog, list, K);
            if (s == 0) first = now;
            if (steps[s] == 1) assert_true(now < first);
            alike[s] += now / (double)CATALOGS;
            for (size_t i = 0; i < K; i++)
                score[s] += (double)list[i].score / (double)(K * CATALOGS);
        }
        ferry_visitor_close(visitor);
        ferry_catalog_close(catalog);
    }
    for (size_t s = 0; s < STEPS; s++)
        print_message("diversity %.1f: mean cosine of pairs %.3f, mean score %.3f\n",
                      (double)steps[s], alike[s], score[s]);
    for (size_t s = 1; s < STEPS; s++) {
        assert_true(alike[s] < alike[s - 1]);
        assert_true(score[s] < score[s - 1]);
    }
}

/* A shorter list is the beginning of a longer one, whatever is passed over; with diversity too,
 * as long as the pool is the same. */
static void lists_are_prefixes_of_longer_ones(void **state)
{
    (void)state;
    ferry_catalog *catalog = random_catalog(7, 400, NULL);
    const ferry_event event = {"i3", NULL, FERRY_PURCHASE, 0, 1, NULL};
    ferry_visitor *visitor = make_visitor(catalog, &event, 1);
    const ferry_limit author = {"author", 3};
    for (int turn = 0; turn < 2; turn++) {
        ferry_recommendation lists[2][60];
        ferry_recommend_options options = {.size = sizeof options,
                                           .k = 60,
                                           .at_most = &author,
                                           .at_most_count = 1,
                                           .diversity = turn == 0 ? 0.0f : 0.4f};
        size_t longest = recommend(visitor, &options, lists[0], NULL);
        for (options.k = 1; options.k < longest; options.k += 7) {
            assert_int_equal(recommend(visitor, &options, lists[1], NULL), options.k);
            for (size_t i = 0; i < options.k; i++)
                assert_int_equal(lists[0][i].item, lists[1][i].item);
        }
    }
    ferry_visitor_close(visitor);
    ferry_catalog_close(catalog);
}

static void every_kernel_makes_the_same_list(void **state)
{
    (void)state;
    static const char *const kernels[] = {"scalar", "auto", "avx2", "avx512"};
    ferry_recommendation lists[2][50];
    size_t counts[2];
    for (size_t v = 0; v < sizeof kernels / sizeof *kernels; v++) {
        const char *name;
        if (ferry_kernels_name(kernels[v], &name, NULL) != FERRY_OK) continue;
        ferry_catalog *catalog = random_catalog(3, 500, kernels[v]);
        const ferry_event events[] = {{"i3", NULL, FERRY_PURCHASE, 0, 1, NULL},
                                      {"i9", NULL, FERRY_RATING, 1, 1, NULL}};
        ferry_visitor *visitor = make_visitor(catalog, events, 2);
        ferry_recommend_options options = {.size = sizeof options, .k = 50, .diversity = 0.3f};
        size_t at = v > 0;
        counts[at] = recommend(visitor, &options, lists[at], NULL);
        assert_int_equal(counts[at], 50);
        for (size_t i = 0; i < 50; i++) {
            assert_int_equal(lists[at][i].item, lists[0][i].item);
            assert_memory_equal(&lists[at][i].score, &lists[0][i].score, sizeof(float));
        }
        ferry_visitor_close(visitor);
        ferry_catalog_close(catalog);
    }
}

static void wrong_options_are_named(void **state)
{
    (void)state;
    ferry_catalog *catalog = random_catalog(5, 50, NULL);
    const ferry_event event = {"i3", NULL, FERRY_PURCHASE, 0, 1, NULL};
    ferry_visitor *visitor = make_visitor(catalog, &event, 1);
    const char *conditions[40];
    const ferry_item_name nothing = {NULL, "nothing"}, nowhere = {"cars", "i1"};
    const ferry_limit cars = {"cars", 1}, unnamed = {NULL, 1}, none = {"author", 0};
    for (size_t i = 0; i < 40; i++) conditions[i] = "price<20";
#define WITH(...) {.size = sizeof(ferry_recommend_options), .k = 3, __VA_ARGS__}
    const struct {
        ferry_recommend_options options;
        ferry_status status;
        const char *says;
    } wrong[] = {
        {WITH(.diversity = 1.5f), FERRY_INVALID_ARGUMENT, "diversity is 1.5, expected 0"},
        {WITH(.diversity = -0.1f), FERRY_INVALID_ARGUMENT, "diversity"},
        {WITH(.diversity = NAN), FERRY_INVALID_ARGUMENT, "diversity is nan"},
        {WITH(.duplicate_cosine = -1), FERRY_INVALID_ARGUMENT, "duplicate_cosine is -1"},
        {WITH(.disliked_cosine = NAN), FERRY_INVALID_ARGUMENT, "disliked_cosine"},
        {WITH(.candidates = &nothing, .candidate_count = 1), FERRY_NOT_FOUND, "nothing"},
        {WITH(.candidates = &nowhere, .candidate_count = 1), FERRY_NOT_FOUND, "cars"},
        {WITH(.quotas = &cars, .quota_count = 1), FERRY_NOT_FOUND, "cars"},
        {WITH(.quotas = &unnamed, .quota_count = 1), FERRY_NOT_FOUND, "quota"},
        {WITH(.at_most = &none, .at_most_count = 1), FERRY_INVALID_ARGUMENT, "author"},
        {WITH(.at_most = &unnamed, .at_most_count = 1), FERRY_INVALID_ARGUMENT, "NULL"},
        {WITH(.where = conditions, .where_count = 40), FERRY_LIMIT, "at most 32"},
    };
#undef WITH
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ferry_recommendation items[3];
        ferry_error error;
        size_t count = 9;
        assert_int_equal(
            ferry_visitor_recommend(visitor, &wrong[i].options, items, &count, NULL, &error),
            wrong[i].status);
        assert_int_equal(count, 0);
        if (strstr(error.message, wrong[i].says) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.message, wrong[i].says);
        ferry_recommend_options right = {.size = sizeof right, .k = 3};
        assert_int_equal(recommend(visitor, &right, items, NULL), 3);
    }
    ferry_visitor_close(visitor);
    ferry_catalog_close(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_stage_is_the_references),
        cmocka_unit_test(diversity_is_one_knob),
        cmocka_unit_test(lists_are_prefixes_of_longer_ones),
        cmocka_unit_test(every_kernel_makes_the_same_list),
        cmocka_unit_test(wrong_options_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
