#define _XOPEN_SOURCE 700 /* mkdtemp */
/* Catalogues of texts, pictures and sounds: rows, files, the weights of modalities, what explains
 * them, search by one of them, and encoding that goes on where it was stopped. */
#include "golden.h"

#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "rank/explain.h"
#include "recsys/parts.h"

enum { ITEMS = 60, TEXT = 12, IMAGE = 20, AUDIO = 7 };

static const size_t dimensions[FERRY_MODALITY_COUNT] = {TEXT, IMAGE, AUDIO};

/* Raw vectors of each modality, and who has them. */
typedef struct raw {
    float vectors[FERRY_MODALITY_COUNT][ITEMS * IMAGE];
    unsigned char has[FERRY_MODALITY_COUNT][ITEMS];
} raw;

static float between(ferry_random *random)
{
    return (float)ferry_random_below(random, 1 << 20) / (float)(1 << 19) - 1.0f;
}

/* all: every item has everything. */
static void draw(uint64_t seed, bool all, raw *out)
{
    ferry_random random;
    ferry_random_seed(&random, seed, 0);
    for (size_t m = 0; m < FERRY_MODALITY_COUNT; m++)
        for (size_t i = 0; i < ITEMS; i++) {
            out->has[m][i] = all || ferry_random_below(&random, 3) > 0;
            for (size_t n = 0; n < dimensions[m]; n++) /* pictures have much in common */
                out->vectors[m][i * dimensions[m] + n] =
                    (between(&random) + (m == 1 ? 2.0f : 0.5f)) * (float)(i + 1);
        }
    for (size_t i = 0; i < ITEMS; i++)
        if (!out->has[0][i] && !out->has[1][i] && !out->has[2][i]) out->has[0][i] = 1;
}

static void check(ferry_status status, const ferry_error *error)
{
    if (status != FERRY_OK) fail_msg("%s", error->message);
}

static bool append(void *buffer, const void *data, size_t size)
{
    return ferry_buffer_append(buffer, data, size);
}

/* weights [FERRY_MODALITY_COUNT]; 0: a catalogue without that modality */
static ferry_catalog *build(const raw *from, const float *weights)
{
    char line[256];
    ferry_error error;
    ferry_catalog *catalog;
    check(ferry_catalog_create(NULL, &catalog, &error), &error);
    for (size_t i = 0; i < ITEMS; i++) {
        int size = snprintf(line, sizeof line,
                            "{\"id\":\"i%zu\",\"domain\":\"%s\",\"title\":\"Thing %zu\"}\n", i,
                            i % 3 == 0 ? "a" : "b", i);
        ferry_file table = {"items.jsonl", line, (size_t)size};
        check(ferry_catalog_add(catalog, &table, FERRY_TABLE_AUTO, NULL, NULL, &error), &error);
    }
    static const char *const models[] = {"of texts", "of pictures", "of sounds"};
    ferry_modality_vectors list[FERRY_MODALITY_COUNT];
    raw copy = *from;
    size_t count = 0;
    for (size_t m = FERRY_MODALITY_COUNT; m-- > 0;) { /* in any order */
        if (weights[m] == 0) continue;
        for (size_t i = 0; i < ITEMS; i++)
            if (!copy.has[m][i])
                memset(copy.vectors[m] + i * dimensions[m], 0, dimensions[m] * sizeof(float));
        list[count++] = (ferry_modality_vectors){.modality = (ferry_modality)m,
                                                 .model = models[m],
                                                 .weight = weights[m],
                                                 .dimension = dimensions[m],
                                                 .vectors = copy.vectors[m]};
    }
    check(ferry_catalog_set_vectors(catalog, list, count, NULL, NULL, &error), &error);
    return catalog;
}

/* ---- a second opinion, in double ---- */

/* The unit vectors that rows are made of. */
typedef struct second {
    double unit[FERRY_MODALITY_COUNT][ITEMS][IMAGE];
    double text[ITEMS][TEXT]; /* with the mean */
    const raw *from;
} second;

static void make_unit(double *vector, size_t N)
{
    double square = 0;
    for (size_t n = 0; n < N; n++) square += vector[n] * vector[n];
    for (size_t n = 0; n < N; n++) vector[n] /= square > 0 ? sqrt(square) : 1;
}

static void think_again(const raw *from, second *out)
{
    out->from = from;
    for (size_t m = 0; m < FERRY_MODALITY_COUNT; m++) {
        size_t N = dimensions[m], have = 0;
        double mean[IMAGE] = {0};
        for (size_t i = 0; i < ITEMS; i++) {
            double *unit = out->unit[m][i];
            have += from->has[m][i];
            for (size_t n = 0; n < N; n++)
                unit[n] = from->has[m][i] ? (double)from->vectors[m][i * N + n] : 0;
            make_unit(unit, N);
            if (m == FERRY_MODALITY_TEXT) memcpy(out->text[i], unit, sizeof out->text[i]);
            for (size_t n = 0; n < N; n++) mean[n] += unit[n];
        }
        for (size_t i = 0; i < ITEMS; i++) {
            for (size_t n = 0; n < N && from->has[m][i]; n++)
                out->unit[m][i][n] -= mean[n] / ((double)have + 8.0);
            make_unit(out->unit[m][i], N);
        }
    }
}

static double cosine(const second *s, size_t m, size_t a, size_t b)
{
    double sum = 0;
    for (size_t n = 0; n < dimensions[m]; n++) sum += s->unit[m][a][n] * s->unit[m][b][n];
    return sum;
}

/* Product of two rows made with these weights. */
static double product(const second *s, const float *weights, size_t a, size_t b)
{
    double sum = 0, of_a = 0, of_b = 0;
    for (size_t m = 0; m < FERRY_MODALITY_COUNT; m++) {
        sum += (double)weights[m] * cosine(s, m, a, b);
        of_a += (double)weights[m] * s->from->has[m][a];
        of_b += (double)weights[m] * s->from->has[m][b];
    }
    return of_a > 0 && of_b > 0 ? sum / sqrt(of_a * of_b) : 0.0;
}

static const float usual[] = {0.5f, 0.3f, 0.2f};

/* ---- rows and files ---- */

static void rows_add_up(void **state)
{
    static raw drawn;
    static second naive;
    (void)state;
    draw(1, false, &drawn);
    think_again(&drawn, &naive);
    ferry_catalog *catalog = build(&drawn, usual);
    assert_int_equal(ferry_catalog_dimension(catalog), TEXT + IMAGE + AUDIO);
    const float *vectors = ferry_catalog_vectors(catalog);
    for (size_t a = 0; a < ITEMS; a++) {
        unsigned expected = 0;
        for (unsigned m = 0; m < FERRY_MODALITY_COUNT; m++)
            expected |= (unsigned)drawn.has[m][a] << m;
        assert_int_equal(ferry_catalog_item_modalities(catalog, a), expected);
        for (size_t b = 0; b < ITEMS; b++) {
            double dot = 0;
            for (size_t n = 0; n < catalog->dimension; n++)
                dot += (double)vectors[a * catalog->dimension + n] *
                       (double)vectors[b * catalog->dimension + n];
            assert_true(fabs(dot - product(&naive, usual, a, b)) < 1e-5);
            if (a == b) assert_true(fabs(dot - 1.0) < 1e-6);
            double texts = 0;
            for (size_t n = 0; n < TEXT; n++) texts += naive.text[a][n] * naive.text[b][n];
            assert_true(fabs((double)ferry_catalog_text_cosine(catalog, a, b) - texts) < 1e-5);
        }
    }
    assert_int_equal(ferry_catalog_item_modalities(catalog, ITEMS), 0);
    ferry_catalog_close(catalog);
}

static void remove_directory(const char *path)
{
    static const char *const files[] = {"items.jsonl", "vectors.safetensors", "catalog.json",
                                        "text.part", "image.part"};
    char file[128];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(file, sizeof file, "%s/%s", path, files[i]);
        remove(file);
    }
    remove(path);
}

static void files_keep_everything(void **state)
{
    static raw drawn;
    (void)state;
    static const float sets[][FERRY_MODALITY_COUNT] = {
        {0.5f, 0.3f, 0.2f}, {1, 1, 0}, {0, 1, 0}, {0, 2, 3}, {3, 0, 0}};
    for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
        draw(2, true, &drawn);
        char path[] = "/tmp/ferry-test-XXXXXX";
        ferry_error error;
        ferry_catalog *made = build(&drawn, sets[s]), *opened;
        assert_non_null(mkdtemp(path));
        check(ferry_catalog_save_directory(made, path, &error), &error);
        check(ferry_catalog_open_directory(path, NULL, &opened, &error), &error);
        assert_int_equal(opened->segment_count, made->segment_count);
        assert_memory_equal(opened->vectors, made->vectors,
                            ITEMS * made->dimension * sizeof(float));
        assert_memory_equal(opened->modalities, made->modalities, ITEMS);
        for (size_t i = 0; i < made->segment_count; i++) {
            const ferry_segment *a = &made->segments[i], *b = &opened->segments[i];
            float one[64] = {0}, other[64] = {0};
            assert_int_equal(a->modality, b->modality);
            assert_string_equal(a->model, b->model);
            assert_memory_equal(&a->weight, &b->weight, sizeof a->weight);
            check(ferry_catalog_row(made, a->modality, drawn.vectors[a->modality], a->dimension,
                                    one, &error),
                  &error);
            check(ferry_catalog_row(opened, a->modality, drawn.vectors[a->modality], a->dimension,
                                    other, &error),
                  &error);
            assert_memory_equal(one, other, sizeof one);
        }
        ferry_catalog_close(made);
        ferry_catalog_close(opened);
        remove_directory(path);
    }
}

static void bad_files_are_named(void **state)
{
    static raw drawn;
    (void)state;
    static const struct {
        const char *segments;
        ferry_status status;
        const char *text;
    } cases[] = {
        {"{\"modality\":\"image\",\"dimension\":20,\"weight\":1}", FERRY_MALFORMED, "20 numbers"},
        {"{\"modality\":\"smell\",\"dimension\":39,\"weight\":1}", FERRY_UNSUPPORTED, "smell"},
        {"{\"modality\":\"image\",\"dimension\":39,\"weight\":0.5}", FERRY_MALFORMED, "weights"},
        {"{\"modality\":\"image\",\"dimension\":0,\"weight\":1}", FERRY_MALFORMED, "dimension 0"},
        {"{\"modality\":\"image\",\"dimension\":20,\"weight\":0.5},"
         "{\"modality\":\"text\",\"dimension\":19,\"weight\":0.5}",
         FERRY_MALFORMED, "after"},
        {"{\"modality\":\"text\",\"dimension\":12,\"weight\":0.3},"
         "{\"modality\":\"image\",\"dimension\":20,\"weight\":0.5},"
         "{\"modality\":\"audio\",\"dimension\":7,\"weight\":0.2}",
         FERRY_MALFORMED, "row 0"},
        {"{\"modality\":\"text\",\"dimension\":12,\"weight\":-0.5},"
         "{\"modality\":\"image\",\"dimension\":27,\"weight\":1.5}",
         FERRY_MALFORMED, "weight -0.5"},
        {"7", FERRY_UNSUPPORTED, "modality"},
    };
    ferry_error error;
    ferry_buffer items, vectors;
    draw(3, true, &drawn);
    ferry_catalog *made = build(&drawn, usual), *opened;
    ferry_buffer_init(&items, made->allocator);
    ferry_buffer_init(&vectors, made->allocator);
    check(ferry_catalog_write(made, "items.jsonl", append, &items, &error), &error);
    check(ferry_catalog_write(made, "vectors.safetensors", append, &vectors, &error), &error);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        char about[512];
        snprintf(about, sizeof about,
                 "{\"format\":\"ferry-catalog\",\"version\":2,\"count\":%d,\"dimension\":39,"
                 "\"segments\":[%s],\"domains\":[]}",
                 ITEMS, cases[c].segments);
        ferry_file files[] = {{"catalog.json", about, strlen(about)},
                              {"items.jsonl", items.data, items.size},
                              {"vectors.safetensors", vectors.data, vectors.size}};
        assert_int_equal(ferry_catalog_open(files, 3, NULL, &opened, &error), cases[c].status);
        if (strstr(error.message, cases[c].text) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.message, cases[c].text);
    }
    static const float wrong[] = {NAN, 1.5f,
                                  INFINITY}; /* the mean's first, right behind the header */
    uint64_t header;
    memcpy(&header, vectors.data, sizeof header);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ferry_buffer about;
        ferry_buffer_init(&about, made->allocator);
        check(ferry_catalog_write_json(made, &about, &error), &error);
        memcpy(vectors.data + sizeof header + header, &wrong[i], sizeof *wrong);
        ferry_file files[] = {{"catalog.json", about.data, about.size},
                              {"items.jsonl", items.data, items.size},
                              {"vectors.safetensors", vectors.data, vectors.size}};
        assert_int_equal(ferry_catalog_open(files, 3, NULL, &opened, &error), FERRY_MALFORMED);
        assert_non_null(strstr(error.message, "text.mean"));
        ferry_buffer_free(&about);
    }
    ferry_buffer_free(&items);
    ferry_buffer_free(&vectors);
    ferry_catalog_close(made);
}

/* ---- the weights of modalities ---- */

static const size_t liked[] = {3, 17, 21, 40, 55};
static const float likes[] = {1.0f, 0.25f, 1.0f, -1.0f, 1.0f};
enum { LIKED = 5 };

static ferry_visitor *visit(const ferry_catalog *catalog)
{
    static const ferry_behavior behaviors[] = {FERRY_PURCHASE, FERRY_VIEW, FERRY_LIKE,
                                               FERRY_DISLIKE, FERRY_LIKE};
    char id[16];
    ferry_error error;
    ferry_visitor *visitor;
    check(ferry_visitor_create(catalog, &visitor, &error), &error);
    for (size_t i = 0; i < LIKED; i++) {
        snprintf(id, sizeof id, "i%zu", liked[i]);
        ferry_event event = {.item = id, .behavior = behaviors[i], .timestamp = (int64_t)i + 1};
        check(ferry_visitor_add(visitor, &event, &error), &error);
    }
    return visitor;
}

static ferry_recommend_options all_items(void)
{
    return (ferry_recommend_options){.size = sizeof(ferry_recommend_options),
                                     .k = ITEMS,
                                     .keep_seen = true,
                                     .keep_disliked = true,
                                     .keep_duplicates = true};
}

static void scores_of(ferry_visitor *visitor, ferry_recommend_options options, float *out)
{
    ferry_error error;
    ferry_recommendation list[ITEMS];
    size_t count;
    check(ferry_visitor_recommend(visitor, &options, list, &count, NULL, &error), &error);
    assert_int_equal(count, ITEMS);
    for (size_t i = 0; i < count; i++) out[list[i].item] = list[i].score;
}

/* Scores of a catalogue made with the weights, without it being made. */
static void scores_are_those_of_such_a_catalogue(void **state)
{
    static raw drawn;
    static second naive;
    (void)state;
    static const float sets[][FERRY_MODALITY_COUNT] = {
        {0.2f, 0.7f, 0.1f}, {0, 1, 0}, {1, 0, 0}, {0, 0, 1}, {0.5f, 0.5f, 0}, {0.5f, 0.3f, 0.2f}};
    for (int all = 0; all < 2; all++) {
        draw(4, all, &drawn);
        think_again(&drawn, &naive);
        ferry_catalog *catalog = build(&drawn, usual);
        ferry_visitor *visitor = visit(catalog);
        for (size_t s = 0; s < sizeof sets / sizeof *sets; s++) {
            float scores[ITEMS];
            ferry_modality_weight weights[FERRY_MODALITY_COUNT];
            ferry_recommend_options options = all_items();
            for (int m = 0; m < FERRY_MODALITY_COUNT; m++)
                weights[m] = (ferry_modality_weight){(ferry_modality)m, sets[s][m]};
            options.modality_weights = weights;
            options.modality_weight_count = FERRY_MODALITY_COUNT;
            scores_of(visitor, options, scores);
            double square = 0;
            for (size_t a = 0; a < LIKED; a++)
                for (size_t b = 0; b < LIKED; b++)
                    square += (double)likes[a] * (double)likes[b] *
                              product(&naive, sets[s], liked[a], liked[b]);
            for (size_t i = 0; i < ITEMS; i++) {
                double sum = 0;
                for (size_t a = 0; a < LIKED; a++)
                    sum += (double)likes[a] * product(&naive, sets[s], liked[a], i);
                assert_true(fabs((double)scores[i] - sum / sqrt(square)) < 2e-5);
            }
        }
        ferry_visitor_close(visitor);
        ferry_catalog_close(catalog);
    }
}

/* The modalities not named share the rest as the catalogue has it. */
static void others_share_the_rest(void **state)
{
    static raw drawn;
    (void)state;
    draw(5, true, &drawn);
    ferry_catalog *catalog = build(&drawn, usual);
    ferry_visitor *visitor = visit(catalog);
    float one[ITEMS], other[ITEMS];
    ferry_modality_weight image = {FERRY_MODALITY_IMAGE, 0.58f};
    ferry_modality_weight every[] = {
        {FERRY_MODALITY_TEXT, 0.3f}, {FERRY_MODALITY_IMAGE, 0.58f}, {FERRY_MODALITY_AUDIO, 0.12f}};
    ferry_recommend_options options = all_items();
    options.modality_weights = &image;
    options.modality_weight_count = 1;
    scores_of(visitor, options, one);
    options.modality_weights = every;
    options.modality_weight_count = 3;
    scores_of(visitor, options, other);
    for (size_t i = 0; i < ITEMS; i++) assert_true(fabsf(one[i] - other[i]) < 1e-5f);
    ferry_visitor_close(visitor);
    ferry_catalog_close(catalog);
}

/* The more pictures weigh, the nearer are those of the list to those that were liked, and the
 * farther its words; at the ends it is the list by pictures, or by words, alone. */
static void weight_of_pictures_is_monotone(void **state)
{
    static raw drawn;
    static second naive;
    (void)state;
    static const float both[] = {1, 1, 0};
    size_t changed = 0;
    for (uint64_t seed = 10; seed < 30; seed++) {
        draw(seed, true, &drawn);
        think_again(&drawn, &naive);
        ferry_catalog *catalog = build(&drawn, both);
        ferry_visitor *visitor = visit(catalog);
        double last[2] = {0, 0}, first = 0;
        for (int step = 0; step <= 10; step++) {
            ferry_error error;
            ferry_recommendation list[5];
            size_t count;
            ferry_modality_weight weight = {FERRY_MODALITY_IMAGE, (float)step / 10.0f};
            ferry_recommend_options options = all_items();
            options.k = 5;
            options.keep_seen = options.keep_disliked = false;
            options.disliked_cosine = 2;
            options.modality_weights = &weight;
            options.modality_weight_count = 1;
            check(ferry_visitor_recommend(visitor, &options, list, &count, NULL, &error), &error);
            assert_int_equal(count, 5);
            double near[2] = {0, 0};
            for (size_t m = 0; m < 2; m++)
                for (size_t i = 0; i < count; i++)
                    for (size_t a = 0; a < LIKED; a++)
                        near[m] += (double)likes[a] * cosine(&naive, m, liked[a], list[i].item);
            if (step > 0) {
                assert_true(near[1] >= last[1] - 1e-4);
                assert_true(near[0] <= last[0] + 1e-4);
            } else {
                first = near[1];
            }
            last[0] = near[0];
            last[1] = near[1];
        }
        changed += last[1] > first + 0.1;
        ferry_visitor_close(visitor);
        ferry_catalog_close(catalog);
    }
    assert_true(changed >= 18);
}

static void weights_are_checked(void **state)
{
    static raw drawn;
    (void)state;
    static const struct {
        ferry_modality_weight weights[2];
        size_t count;
        ferry_status status;
        const char *text;
    } cases[] = {
        {{{FERRY_MODALITY_AUDIO, 0.5f}}, 1, FERRY_NOT_FOUND, "audio"},
        {{{(ferry_modality)9, 0.5f}}, 1, FERRY_NOT_FOUND, "?"},
        {{{FERRY_MODALITY_IMAGE, 1.5f}}, 1, FERRY_INVALID_ARGUMENT, "expected 0"},
        {{{FERRY_MODALITY_IMAGE, -1}}, 1, FERRY_INVALID_ARGUMENT, "expected 0"},
        {{{FERRY_MODALITY_IMAGE, NAN}}, 1, FERRY_INVALID_ARGUMENT, "expected 0"},
        {{{FERRY_MODALITY_IMAGE, 1}, {FERRY_MODALITY_IMAGE, 0}}, 2, FERRY_INVALID_ARGUMENT, "two"},
        {{{FERRY_MODALITY_IMAGE, 0}, {FERRY_MODALITY_TEXT, 0}}, 2, FERRY_INVALID_ARGUMENT, "more"},
    };
    static const float both[] = {1, 1, 0};
    draw(6, true, &drawn);
    ferry_catalog *catalog = build(&drawn, both);
    ferry_visitor *visitor = visit(catalog);
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        ferry_error error;
        ferry_recommendation list[ITEMS];
        size_t count;
        ferry_recommend_options options = all_items();
        options.modality_weights = cases[c].weights;
        options.modality_weight_count = cases[c].count;
        assert_int_equal(ferry_visitor_recommend(visitor, &options, list, &count, NULL, &error),
                         cases[c].status);
        assert_non_null(strstr(error.message, cases[c].text));
    }
    ferry_visitor_close(visitor);
    ferry_catalog_close(catalog);
}

/* ---- explanations ---- */

static void explanations_tell_modalities_apart(void **state)
{
    static raw drawn;
    static second naive;
    (void)state;
    static const ferry_reason reasons[] = {FERRY_REASON_TEXT, FERRY_REASON_IMAGE,
                                           FERRY_REASON_AUDIO};
    static const float wanted[] = {0.3f, 0.6f, 0.1f};
    draw(7, false, &drawn);
    think_again(&drawn, &naive);
    ferry_catalog *catalog = build(&drawn, usual);
    ferry_visitor *visitor = visit(catalog);
    size_t told = 0;
    for (int weighed = 0; weighed < 2; weighed++) {
        const float *of = weighed ? wanted : usual;
        ferry_modality_weight weights[FERRY_MODALITY_COUNT];
        ferry_recommend_options options = all_items();
        for (int m = 0; m < FERRY_MODALITY_COUNT; m++)
            weights[m] = (ferry_modality_weight){(ferry_modality)m, wanted[m]};
        options.modality_weights = weights;
        options.modality_weight_count = weighed ? FERRY_MODALITY_COUNT : 0;
        double square = 0;
        for (size_t a = 0; a < LIKED; a++)
            for (size_t b = 0; b < LIKED; b++)
                square +=
                    (double)likes[a] * (double)likes[b] * product(&naive, of, liked[a], liked[b]);
        for (size_t item = 0; item < ITEMS; item++) {
            ferry_error error;
            ferry_explanation *why;
            check(ferry_visitor_explain(visitor, &options, item, &why, &error), &error);
            double found[FERRY_MODALITY_COUNT][LIKED] = {{0}};
            for (size_t i = 0; i < why->contribution_count; i++)
                for (size_t m = 0; m < FERRY_MODALITY_COUNT; m++)
                    if (why->contributions[i].reason == reasons[m])
                        found[m][why->contributions[i].event] += why->contributions[i].value;
            for (size_t m = 0; m < FERRY_MODALITY_COUNT; m++) {
                for (size_t a = 0; a < LIKED; a++) {
                    double own = 0, his = 0;
                    for (size_t n = 0; n < FERRY_MODALITY_COUNT; n++) {
                        own += (double)of[n] * drawn.has[n][item];
                        his += (double)of[n] * drawn.has[n][liked[a]];
                    }
                    double part = (double)of[m] * cosine(&naive, m, liked[a], item) /
                                  sqrt(own * his) * (double)likes[a] / sqrt(square);
                    assert_true(fabs(found[m][a] - part) < 2e-5);
                }
            }
            assert_true(fabs(why->residual) < 1e-5);
            told += why->percent[FERRY_GROUP_PICTURE] > 0 &&
                    strstr(why->sentence, "% picture") != NULL &&
                    why->percent[FERRY_GROUP_WORDS] > 0;
            ferry_explanation_free(why);
        }
    }
    assert_true(told > 10);
    ferry_visitor_close(visitor);
    ferry_catalog_close(catalog);
}

/* The first of the list of a visitor without the events that are bits of `without`. */
static size_t first_without(const ferry_catalog *catalog, unsigned without,
                            const ferry_recommend_options *options)
{
    ferry_visitor *visitor = visit(catalog);
    ferry_recommendation list[ITEMS];
    size_t count, seen[LIKED];
    for (size_t i = 0; i < LIKED; i++) seen[i] = liked[i];
    for (size_t i = LIKED; i-- > 0;)
        if (without & 1u << i)
            assert_int_equal(ferry_visitor_forget_event(visitor, i, NULL), FERRY_OK);
    ferry_recommend_options all = *options;
    all.k = ITEMS;
    ferry_status status = ferry_visitor_recommend(visitor, &all, list, &count, NULL, NULL);
    ferry_visitor_close(visitor);
    for (size_t i = 0; status == FERRY_OK && i < count; i++) {
        bool is_seen = false; /* what is left out is not offered for that */
        for (size_t s = 0; s < LIKED; s++) is_seen = is_seen || list[i].item == seen[s];
        if (!is_seen) return list[i].item;
    }
    return ITEMS;
}

static void counterfactuals_are_the_smallest(void **state)
{
    static raw drawn;
    (void)state;
    size_t found = 0;
    for (uint64_t seed = 40; seed < 60; seed++) {
        draw(seed, seed % 2 == 0, &drawn);
        ferry_catalog *catalog = build(&drawn, usual);
        ferry_visitor *visitor = visit(catalog);
        ferry_error error;
        ferry_counterfactual *set;
        ferry_modality_weight weight = {FERRY_MODALITY_IMAGE, 0.8f};
        ferry_recommend_options options = all_items();
        options.keep_seen = false;
        options.modality_weights = &weight;
        options.modality_weight_count = 1;
        check(ferry_visitor_counterfactual(visitor, &options, &set, &error), &error);
        size_t top = first_without(catalog, 0, &options), smallest = LIKED + 1;
        for (unsigned tried = 1; tried < 1u << LIKED; tried++) {
            size_t other = first_without(catalog, tried, &options);
            size_t size = (size_t)__builtin_popcount(tried);
            if (other != ITEMS && other != top && size < smallest) smallest = size;
        }
        assert_int_equal(set != NULL ? set->event_count : LIKED + 1, smallest);
        if (set != NULL) {
            unsigned bits = 0;
            for (size_t i = 0; i < set->event_count; i++) bits |= 1u << set->events[i];
            assert_int_equal(first_without(catalog, bits, &options), set->instead);
            found++;
        }
        ferry_counterfactual_free(set);
        ferry_visitor_close(visitor);
        ferry_catalog_close(catalog);
    }
    assert_true(found > 10);
}

/* ---- search ---- */

static void nearest_by_one_modality(void **state)
{
    static raw drawn;
    static second naive;
    (void)state;
    draw(8, false, &drawn);
    think_again(&drawn, &naive);
    ferry_catalog *catalog = build(&drawn, usual);
    for (size_t item = 0; item < ITEMS; item++) {
        for (unsigned m = 0; m < FERRY_MODALITY_COUNT; m++) {
            ferry_error error;
            float row[TEXT + IMAGE + AUDIO];
            ferry_recommendation list[ITEMS], again[ITEMS];
            size_t count, count_again, have = 0;
            ferry_nearest_options options = {
                .size = sizeof options, .k = ITEMS, .modalities = 1u << m};
            ferry_status status =
                ferry_catalog_nearest(catalog, catalog->vectors + item * catalog->dimension,
                                      &options, list, &count, &error);
            assert_int_equal(status, drawn.has[m][item] ? FERRY_OK : FERRY_NOT_FOUND);
            if (status != FERRY_OK) continue;
            for (size_t i = 0; i < ITEMS; i++) have += drawn.has[m][i];
            assert_int_equal(count, have);
            assert_int_equal(list[0].item, item);
            for (size_t i = 0; i < count; i++)
                assert_true(fabs((double)list[i].score - cosine(&naive, m, item, list[i].item)) <
                            1e-5);
            /* the encoder's own vector, which is of another length, is the same query */
            float vector[IMAGE];
            for (size_t n = 0; n < dimensions[m]; n++)
                vector[n] = drawn.vectors[m][item * dimensions[m] + n] * 0.25f;
            check(ferry_catalog_row(catalog, (ferry_modality)m, vector, dimensions[m], row, &error),
                  &error);
            check(ferry_catalog_nearest(catalog, row, &options, again, &count_again, &error),
                  &error);
            assert_int_equal(count_again, count);
            for (size_t i = 0; i < count; i++)
                assert_true(fabsf(again[i].score - list[i].score) < 1e-5f);
        }
    }
    ferry_error error;
    float zeros[IMAGE] = {0}, row[TEXT + IMAGE + AUDIO];
    assert_int_equal(ferry_catalog_row(catalog, FERRY_MODALITY_TEXT, zeros, TEXT, row, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_int_equal(ferry_catalog_row(catalog, FERRY_MODALITY_TEXT, zeros, IMAGE, row, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "of texts"));
    ferry_catalog_close(catalog);
}

/* ---- a trained model ---- */

/* Beside texts, pictures change nothing for a model: it knows words. */
static void models_read_the_texts(void **state)
{
    (void)state;
    ferry_error error;
    ferry_catalog *texts, *both;
    ferry_model *model;
    check(ferry_catalog_open_directory(golden_path("model/shop"), NULL, &texts, &error), &error);
    check(ferry_catalog_create(NULL, &both, &error), &error);
    ferry_buffer items;
    ferry_buffer_init(&items, texts->allocator);
    check(ferry_catalog_write(texts, "items.jsonl", append, &items, &error), &error);
    ferry_file table = {"items.jsonl", items.data, items.size};
    check(ferry_catalog_add(both, &table, FERRY_TABLE_AUTO, NULL, NULL, &error), &error);
    ferry_buffer_free(&items);
    size_t count = texts->count, N = texts->dimension;
    ferry_random random;
    ferry_random_seed(&random, 9, 0);
    float *words = malloc(count * N * sizeof *words), *pictures = malloc(count * 5 * sizeof *words);
    memcpy(words, texts->vectors, count * N * sizeof *words);
    for (size_t i = 0; i < count * 5; i++) pictures[i] = between(&random);
    ferry_modality_vectors given[] = {{FERRY_MODALITY_TEXT, texts->segments[0].model, 1, N, words},
                                      {FERRY_MODALITY_IMAGE, "drawn", 2, 5, pictures}};
    check(ferry_catalog_set_vectors(both, given, 2, NULL, NULL, &error), &error);
    float scores[2][100];
    for (int which = 0; which < 2; which++) {
        ferry_catalog *catalog = which == 0 ? texts : both;
        ferry_visitor *visitor;
        ferry_recommendation list[100];
        size_t got;
        ferry_recommend_options options = all_items();
        ferry_event event = {.item = "b0", .behavior = FERRY_LIKE, .timestamp = 5};
        check(ferry_model_open_directory(catalog, golden_path("model/shop/model"), &model, &error),
              &error);
        check(ferry_visitor_create(catalog, &visitor, &error), &error);
        check(ferry_visitor_use(visitor, model, &error), &error);
        check(ferry_visitor_add(visitor, &event, &error), &error);
        options.k = count;
        check(ferry_visitor_recommend(visitor, &options, list, &got, NULL, &error), &error);
        assert_int_equal(got, count);
        for (size_t i = 0; i < got; i++) scores[which][list[i].item] = list[i].score;
        ferry_modality_weight weight = {FERRY_MODALITY_TEXT, 1};
        options.modality_weights = &weight;
        options.modality_weight_count = 1;
        assert_int_equal(ferry_visitor_recommend(visitor, &options, list, &got, NULL, &error),
                         FERRY_UNSUPPORTED);
        ferry_visitor_close(visitor);
        ferry_model_close(model);
    }
    size_t compared = 0; /* in a domain that the model knows nothing of, pictures do count */
    for (size_t i = 0; i < count; i++) {
        if (strcmp(texts->items[i].item.domain, "books") != 0) continue;
        assert_true(fabsf(scores[0][i] - scores[1][i]) < 1e-4f);
        compared++;
    }
    assert_true(compared > 30);
    ferry_catalog_close(texts);
    ferry_catalog_close(both);
    free(words);
    free(pictures);
}

/* ---- encoding ---- */

typedef struct encoding_run {
    const char *parts;
    size_t calls_left; /* of progress, before it is cancelled */
    size_t kept, refused, left_out;
    ferry_buffer file;
    uint64_t key;
} encoding_run;

static ferry_status give_file(void *user, size_t index, ferry_modality modality, ferry_file *out,
                              ferry_error *error)
{
    static const char *const names[] = {"images/rgb.png",     "images/grey.png",
                                        "images/rgba.png",    "images/palette.png",
                                        "images/picture.bmp", "images/no.png"};
    encoding_run *run = user;
    const char *path = golden_path(names[index % 6]);
    (void)modality;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        snprintf(error->message, sizeof error->message, "%s: not there", path);
        return error->status = FERRY_IO;
    }
    run->file.size = 0;
    char bytes[4096];
    for (size_t size; (size = fread(bytes, 1, sizeof bytes, file)) > 0;)
        assert_true(ferry_buffer_append(&run->file, bytes, size));
    fclose(file);
    *out = (ferry_file){path, run->file.data, run->file.size};
    return FERRY_OK;
}

static bool refused(void *user, size_t index, ferry_modality modality, const char *reason)
{
    encoding_run *run = user;
    assert_true(index < 24 && reason[0] != '\0');
    run->refused += modality == FERRY_MODALITY_IMAGE;
    run->left_out += modality == FERRY_MODALITY_COUNT;
    return true;
}

static bool progress(void *user, ferry_modality modality, size_t done, size_t total, size_t kept)
{
    encoding_run *run = user;
    (void)modality;
    assert_true(done <= total && kept <= done + 1);
    run->kept = kept;
    return run->calls_left-- > 0;
}

/* Items 3 and 4 of each six have no words, and the picture of 4 cannot be read. */
static ferry_status encode_items(encoding_run *run, ferry_catalog **out, ferry_error *error)
{
    static const char *const models[] = {"tiny-bert/gelu-mean", "tiny-efficientnet"};
    ferry_encoder *encoders[2];
    ferry_catalog *catalog;
    check(ferry_catalog_create(NULL, &catalog, error), error);
    for (size_t i = 0; i < 24; i++) {
        char line[128];
        int size =
            snprintf(line, sizeof line, "{\"id\":\"%zu\",\"domain\":\"d\",\"image\":\"x\"%s%s}\n",
                     i, i % 6 == 3 || i % 6 == 4 ? "" : ",\"title\":\"Thing ",
                     i % 6 == 3 || i % 6 == 4 ? ""
                     : i % 2 == 0             ? "A\""
                                              : "B\"");
        ferry_file table = {"items.jsonl", line, (size_t)size};
        check(ferry_catalog_add(catalog, &table, FERRY_TABLE_AUTO, NULL, NULL, error), error);
    }
    ferry_catalog_source sources[2];
    for (size_t m = 0; m < 2; m++) {
        check(ferry_encoder_open_directory(golden_path(models[m]), NULL, &encoders[m], error),
              error);
        sources[1 - m] = (ferry_catalog_source){.modality = (ferry_modality)m, /* in any order */
                                                .encoder = encoders[m],
                                                .model = "tiny",
                                                .key = run->key};
    }
    ferry_buffer_init(&run->file, ferry_allocator_or_default(NULL));
    ferry_catalog_encode_options options = {.size = sizeof options,
                                            .sources = sources,
                                            .source_count = 2,
                                            .read = give_file,
                                            .read_user = run,
                                            .refused = refused,
                                            .refused_user = run,
                                            .progress = progress,
                                            .progress_user = run,
                                            .parts = run->parts};
    ferry_status status = ferry_catalog_encode_media(catalog, &options, error);
    ferry_buffer_free(&run->file);
    for (size_t m = 0; m < 2; m++) ferry_encoder_close(encoders[m]);
    *out = catalog;
    return status;
}

static void a_stopped_encoding_goes_on(void **state)
{
    (void)state;
    ferry_error error;
    ferry_catalog *whole, *again;
    encoding_run run = {.calls_left = 1000};
    check(encode_items(&run, &whole, &error), &error);
    assert_int_equal(ferry_catalog_count(whole), 20);
    assert_int_equal(run.refused, 8);
    assert_int_equal(run.left_out, 4);
    size_t item;
    check(ferry_catalog_find(whole, "d", "3", &item, &error), &error);
    assert_int_equal(ferry_catalog_item_modalities(whole, item), 1 << FERRY_MODALITY_IMAGE);
    check(ferry_catalog_find(whole, "d", "5", &item, &error), &error);
    assert_int_equal(ferry_catalog_item_modalities(whole, item), 1 << FERRY_MODALITY_TEXT);
    assert_int_equal(ferry_catalog_find(whole, "d", "4", &item, &error), FERRY_NOT_FOUND);

    char path[] = "/tmp/ferry-test-XXXXXX", part[64];
    assert_non_null(mkdtemp(path));
    snprintf(part, sizeof part, "%s/image.part", path);
    run = (encoding_run){.parts = path, .calls_left = 12, .key = 7};
    assert_int_equal(encode_items(&run, &again, &error), FERRY_CANCELLED);
    assert_non_null(strstr(error.message, path));
    ferry_catalog_close(again);
    struct stat about;
    assert_int_equal(stat(part, &about), 0);
    size_t record =
        ferry_parts_record_size(ferry_catalog_dimension(whole) - whole->segments[0].dimension);
    assert_true(about.st_size > (off_t)(FERRY_PARTS_HEAD + 3 * record));
    assert_int_equal(truncate(part, about.st_size - 5), 0); /* while the last one was written */

    for (int turn = 0; turn < 2; turn++) { /* the other model's are not taken, and are gone then */
        run = (encoding_run){.parts = path, .calls_left = 1000, .key = turn == 0 ? 7 : 8};
        check(encode_items(&run, &again, &error), &error);
        assert_true(turn == 0 ? run.kept >= 3 : run.kept == 0);
        assert_int_equal(ferry_catalog_count(again), 20);
        assert_memory_equal(again->vectors, whole->vectors, 20 * whole->dimension * sizeof(float));
        assert_memory_equal(again->segments[1].mean, whole->segments[1].mean,
                            whole->segments[1].dimension * sizeof(float));
        if (turn == 1) check(ferry_catalog_save_directory(again, path, &error), &error);
        assert_int_equal(stat(part, &about), turn == 0 ? 0 : -1);
        ferry_catalog_close(again);
    }
    ferry_catalog_close(whole);
    remove_directory(path);
}

typedef struct told {
    size_t index[8], count;
    ferry_modality modality[8];
    size_t stop; /* after so many */
} told;

static bool remember(void *user, size_t index, ferry_modality modality, const char *reason)
{
    told *t = user;
    assert_true(t->count < 8 && reason[0] != '\0');
    t->index[t->count] = index;
    t->modality[t->count++] = modality;
    return t->count < t->stop;
}

static ferry_catalog *three_items(void)
{
    static const char rows[] = "{\"id\":\"1\"}\n{\"id\":\"2\"}\n{\"id\":\"3\"}\n";
    ferry_file table = {"d.jsonl", rows, sizeof rows - 1};
    ferry_catalog *catalog;
    ferry_error error;
    check(ferry_catalog_create(NULL, &catalog, &error), &error);
    check(ferry_catalog_add(catalog, &table, FERRY_TABLE_AUTO, NULL, NULL, &error), &error);
    return catalog;
}

static void vectors_of_the_callers(void **state)
{
    (void)state;
    static const float texts[] = {1, 2, 0, 0, 3, 1e-20f};
    static const float pictures[] = {0, 0, 0, 0, 0, 0, 2, 0, 2};
    ferry_modality_vectors list[] = {{FERRY_MODALITY_IMAGE, NULL, 3, 3, pictures},
                                     {FERRY_MODALITY_TEXT, "words", 0, 2, texts}};
    ferry_error error;
    ferry_catalog *catalog = three_items();
    told t = {.stop = 8};
    size_t item;
    check(ferry_catalog_set_vectors(catalog, list, 2, remember, &t, &error), &error);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.index[0], 1);
    assert_int_equal(t.modality[0], FERRY_MODALITY_COUNT);
    assert_int_equal(ferry_catalog_count(catalog), 2);
    assert_int_equal(ferry_catalog_find(catalog, "d", "2", &item, &error), FERRY_NOT_FOUND);
    assert_int_equal(ferry_catalog_item_modalities(catalog, 0), 1 << FERRY_MODALITY_TEXT);
    assert_int_equal(ferry_catalog_item_modalities(catalog, 1), 3);
    assert_string_equal(catalog->segments[0].model, "words");
    assert_string_equal(catalog->segments[1].model, "");
    assert_float_equal(catalog->segments[0].weight, .25f, 0); /* of the default, 1, and 3 */
    assert_int_equal(ferry_catalog_set_vectors(catalog, list, 2, NULL, NULL, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "encoded already"));
    ferry_catalog_close(catalog);
}

static void wrong_vectors_are_named(void **state)
{
    (void)state;
    static const float good[] = {1, 2, 3, 4, 5, 6}, none[6] = {0}, tiny[] = {1e-30f, 0, 1, 0, 1, 1};
    static const float bad[] = {1, 2, NAN, 4, 5, 6}, large[] = {1, 2, 3, 4, 5, INFINITY};
    const struct {
        ferry_modality_vectors list[2];
        size_t count;
        ferry_status status;
        const char *text;
    } cases[] = {
        {{{FERRY_MODALITY_TEXT, "m", 0, 2, bad}},
         1,
         FERRY_INVALID_ARGUMENT,
         "item \"2\": its text"},
        {{{FERRY_MODALITY_AUDIO, "m", 0, 2, large}}, 1, FERRY_INVALID_ARGUMENT, "\"3\": its audio"},
        {{{FERRY_MODALITY_TEXT, "m", 0, 2, NULL}}, 1, FERRY_INVALID_ARGUMENT, "NULL"},
        {{{FERRY_MODALITY_TEXT, "m", 0, 2, none}}, 1, FERRY_INVALID_ARGUMENT, "of 3 items none"},
        {{{FERRY_MODALITY_TEXT, "m", 0, 0, good}}, 1, FERRY_LIMIT, "text vectors of 0 numbers"},
        {{{FERRY_MODALITY_TEXT, "m", 0, 65537, good}}, 1, FERRY_LIMIT, "65537"},
        {{{FERRY_MODALITY_TEXT, "m", 0, 2, good}, {FERRY_MODALITY_IMAGE, "m", 0, 65535, good}},
         2,
         FERRY_LIMIT,
         "65535 numbers beside 2"},
        {{{FERRY_MODALITY_TEXT, "m", -1, 2, good}}, 1, FERRY_INVALID_ARGUMENT, "weight of text"},
        {{{FERRY_MODALITY_TEXT, "m", NAN, 2, good}}, 1, FERRY_INVALID_ARGUMENT, "weight of text"},
        {{{(ferry_modality)3, "m", 0, 2, good}}, 1, FERRY_INVALID_ARGUMENT, "modality 3"},
        {{{FERRY_MODALITY_TEXT, "m", 0, 2, good}, {FERRY_MODALITY_TEXT, "m", 0, 2, good}},
         2,
         FERRY_INVALID_ARGUMENT,
         "text is given twice"},
        {{{FERRY_MODALITY_TEXT, NULL, 0, 0, NULL}}, 0, FERRY_INVALID_ARGUMENT, "no vectors"},
    };
    ferry_error error;
    ferry_catalog *catalog = three_items(), *empty;
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        assert_int_equal(
            ferry_catalog_set_vectors(catalog, cases[c].list, cases[c].count, NULL, NULL, &error),
            cases[c].status);
        if (strstr(error.message, cases[c].text) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", error.message, cases[c].text);
        assert_int_equal(ferry_catalog_dimension(catalog), 0);
    }
    assert_int_equal(ferry_catalog_write(catalog, "items.jsonl", append, NULL, &error),
                     FERRY_INVALID_ARGUMENT);
    ferry_modality_vectors list = {FERRY_MODALITY_TEXT, "m", 0, 2, tiny};
    told t = {.stop = 1};
    assert_int_equal(ferry_catalog_set_vectors(catalog, &list, 1, remember, &t, &error),
                     FERRY_INVALID_ARGUMENT); /* strictly */
    assert_non_null(strstr(error.message, "points nowhere"));
    t = (told){.stop = 8};
    check(ferry_catalog_set_vectors(catalog, &list, 1, remember, &t, &error), &error);
    assert_int_equal(t.count, 2); /* its vector, then all of it */
    assert_int_equal(t.modality[0], FERRY_MODALITY_TEXT);
    assert_int_equal(ferry_catalog_write(catalog, "model", append, NULL, &error), FERRY_NOT_FOUND);
    ferry_catalog_close(catalog);
    check(ferry_catalog_create(NULL, &empty, &error), &error);
    assert_int_equal(ferry_catalog_set_vectors(empty, &list, 1, NULL, NULL, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "no items"));
    ferry_catalog_close(empty);
}

static bool no_room(void *user, const void *data, size_t size)
{
    (void)user, (void)data;
    return size < 100;
}

/* What is written piece by piece is what is saved. */
static void files_are_written_to_memory_too(void **state)
{
    static const char *const names[] = {"catalog.json", "items.jsonl", "vectors.safetensors"};
    static raw drawn;
    ferry_error error;
    char path[] = "/tmp/ferry-test-XXXXXX", file[64];
    (void)state;
    draw(4, false, &drawn);
    ferry_catalog *catalog = build(&drawn, usual);
    assert_non_null(mkdtemp(path));
    check(ferry_catalog_save_directory(catalog, path, &error), &error);
    for (size_t i = 0; i < 3; i++) {
        ferry_buffer written;
        size_t size;
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        char *saved = read_file(file, &size);
        ferry_buffer_init(&written, catalog->allocator);
        check(ferry_catalog_write(catalog, names[i], append, &written, &error), &error);
        assert_int_equal(written.size, size);
        assert_memory_equal(written.data, saved, size);
        ferry_buffer_free(&written);
        free(saved);
        assert_int_equal(ferry_catalog_write(catalog, names[i], no_room, NULL, &error), FERRY_IO);
    }
    ferry_catalog_close(catalog);
    remove_directory(path);
}

static void wrong_sources_are_named(void **state)
{
    (void)state;
    ferry_error error;
    ferry_encoder *encoder;
    ferry_catalog *catalog;
    static const char row[] = "{\"id\":\"1\",\"title\":\"A\",\"domain\":\"d\"}\n";
    ferry_file table = {"items.jsonl", row, sizeof row - 1};
    check(ferry_catalog_create(NULL, &catalog, &error), &error);
    check(ferry_catalog_add(catalog, &table, FERRY_TABLE_AUTO, NULL, NULL, &error), &error);
    check(ferry_encoder_open_directory(golden_path("tiny-bert/gelu-mean"), NULL, &encoder, &error),
          &error);
    ferry_catalog_source sources[] = {{FERRY_MODALITY_TEXT, encoder, "m", 0, 0},
                                      {FERRY_MODALITY_TEXT, encoder, "m", 0, 0}};
    ferry_catalog_encode_options options = {
        .size = sizeof options, .sources = sources, .source_count = 2};
    assert_int_equal(ferry_catalog_encode_media(catalog, &options, &error), FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "text is given twice"));
    options.source_count = 0;
    assert_int_equal(ferry_catalog_encode_media(catalog, &options, &error), FERRY_INVALID_ARGUMENT);
    options.source_count = 1;
    sources[0].weight = -1;
    assert_int_equal(ferry_catalog_encode_media(catalog, &options, &error), FERRY_INVALID_ARGUMENT);
    sources[0].weight = 0;
    sources[0].modality = FERRY_MODALITY_IMAGE;
    assert_int_equal(ferry_catalog_encode_media(catalog, &options, &error), FERRY_UNSUPPORTED);
    sources[0].modality = (ferry_modality)5;
    assert_int_equal(ferry_catalog_encode_media(catalog, &options, &error), FERRY_INVALID_ARGUMENT);
    sources[0].modality = FERRY_MODALITY_TEXT;
    check(ferry_catalog_encode_media(catalog, &options, &error), &error);
    assert_int_equal(ferry_catalog_item_modalities(catalog, 0), 1 << FERRY_MODALITY_TEXT);
    assert_int_equal(ferry_catalog_encode_media(catalog, &options, &error), FERRY_INVALID_ARGUMENT);
    ferry_encoder_close(encoder);
    ferry_catalog_close(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_add_up),
        cmocka_unit_test(files_keep_everything),
        cmocka_unit_test(bad_files_are_named),
        cmocka_unit_test(scores_are_those_of_such_a_catalogue),
        cmocka_unit_test(others_share_the_rest),
        cmocka_unit_test(weight_of_pictures_is_monotone),
        cmocka_unit_test(weights_are_checked),
        cmocka_unit_test(explanations_tell_modalities_apart),
        cmocka_unit_test(counterfactuals_are_the_smallest),
        cmocka_unit_test(nearest_by_one_modality),
        cmocka_unit_test(models_read_the_texts),
        cmocka_unit_test(a_stopped_encoding_goes_on),
        cmocka_unit_test(wrong_sources_are_named),
        cmocka_unit_test(vectors_of_the_callers),
        cmocka_unit_test(wrong_vectors_are_named),
        cmocka_unit_test(files_are_written_to_memory_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
