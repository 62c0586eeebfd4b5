/* TF-IDF and the match features, held to numpy's. */
#include "golden_tensors.h"

#include "recsys/match.h"
#include "recsys/neighbors.h"

enum { N = 25, MAX_TAGS = 8 };

static void set_text(golden_tensors *golden, const char **to, const char *from, size_t size)
{
    *to = ferry_arena_text(&golden->arena, from, size);
    assert_non_null(*to);
}

static ferry_item *open_items(golden_tensors *golden)
{
    golden_tensors_open(golden, "scorers.safetensors");
    size_t size, count = 0;
    char *text = read_file(golden_path("scorers-items.tsv"), &size);
    ferry_item *items = ferry_arena_array(&golden->arena, N, sizeof *items);
    assert_non_null(items);
    for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        assert_true(count < N);
        ferry_item *item = &items[count++];
        size_t title = strcspn(line, "\t");
        char *author = line + title + 1, *tags = author + strcspn(author, "\t") + 1;
        set_text(golden, &item->title, line, title);
        set_text(golden, &item->author, author, (size_t)(tags - author) - 1);
        const char **tag = ferry_arena_array(&golden->arena, MAX_TAGS, sizeof *tag);
        assert_non_null(tag);
        for (char *at = tags; at < end;) {
            size_t length = strcspn(at, "|\n");
            set_text(golden, &tag[item->tag_count++], at, length);
            at += length + 1;
        }
        item->tags = tag;
    }
    free(text);
    assert_int_equal(count, N);
    return items;
}

static void tfidf_is_numpys(void **state)
{
    (void)state;
    golden_tensors golden;
    ferry_tfidf tfidf;
    ferry_error error;
    const ferry_item *items = open_items(&golden);
    const unsigned all = FERRY_TERMS_TITLE | FERRY_TERMS_TAGS | FERRY_TERMS_AUTHOR;
    assert_int_equal(ferry_tfidf_create(items, N, all, NULL, &tfidf, &error), FERRY_OK);
    ferry_sparse users = golden_rows(&golden, "target", N);
    float *scores = calloc(users.rows * N, sizeof *scores);
    float *query = calloc(tfidf.terms.rows, sizeof *query);
    assert_true(scores != NULL && query != NULL);
    for (size_t u = 0; u < users.rows; u++) {
        uint32_t used[3], touched[N];
        float weights[3], total = 0.0f, *out = scores + u * N;
        uint8_t mark[N] = {0};
        size_t touched_count = 0;
        size_t count =
            ferry_recent_items(users.column + users.start[u], users.start[u + 1] - users.start[u],
                               3, 0.6f, used, weights);
        for (size_t i = 0; i < count; i++) total += weights[i];
        for (size_t i = 0; i < count; i++) weights[i] /= total;
        ferry_tfidf_score(&tfidf, used, weights, count, query, out, mark, touched, &touched_count);
        for (size_t i = 0; i < N; i++) assert_true(mark[i] == (out[i] != 0.0f));
        for (size_t t = 0; t < tfidf.terms.rows; t++) assert_true(query[t] == 0.0f);
    }
    assert_near(scores, golden_tensor(&golden, "match.whole", NULL), users.rows * N, 1e-6,
                "TF-IDF");
    free(scores), free(query);
    ferry_tfidf_free(&tfidf);
    assert_int_equal(ferry_tfidf_create(items, N, 0, NULL, &tfidf, &error), FERRY_INVALID_ARGUMENT);
    assert_int_equal(ferry_tfidf_create(items, N, 8, NULL, &tfidf, &error), FERRY_INVALID_ARGUMENT);
    golden_tensors_close(&golden);
}

static void features_are_numpys(void **state)
{
    (void)state;
    golden_tensors golden;
    ferry_match match;
    ferry_error error;
    size_t whitened[2], centred[2];
    const ferry_item *items = open_items(&golden);
    const float *w = golden_tensor(&golden, "match.whitened", whitened);
    const float *c = golden_tensor(&golden, "match.centred", centred);
    assert_int_equal(
        ferry_match_create(items, N, w, whitened[1], c, centred[1], NULL, &match, &error),
        FERRY_OK);
    ferry_sparse users = golden_rows(&golden, "target", N);
    float *out = malloc(users.rows * FERRY_MATCH_COUNT * N * sizeof *out);
    float *scratch = calloc(ferry_match_scratch(&match), sizeof *scratch);
    assert_true(out != NULL && scratch != NULL);
    for (size_t u = 0; u < users.rows; u++)
        ferry_match_features(&ferry_kernels_scalar, &match, users.column + users.start[u],
                             users.start[u + 1] - users.start[u], scratch,
                             out + u * FERRY_MATCH_COUNT * N);
    assert_near(out, golden_tensor(&golden, "match.features", NULL),
                users.rows * FERRY_MATCH_COUNT * N, 1e-6, "features");
    free(out), free(scratch);
    ferry_match_free(&match);
    golden_tensors_close(&golden);
}

/* Items without any text have no terms, and match nothing. */
static void items_without_text(void **state)
{
    (void)state;
    ferry_item items[3] = {{.title = "", .author = ""},
                           {.title = "", .author = ""},
                           {.title = " \t", .author = "unknown"}};
    ferry_match match;
    ferry_error error;
    const float vectors[3] = {1.0f, 1.0f, 1.0f};
    const uint32_t history[] = {0};
    float scratch[1] = {0}, out[FERRY_MATCH_COUNT * 3];
    assert_int_equal(ferry_match_create(items, 3, vectors, 1, vectors, 1, NULL, &match, &error),
                     FERRY_OK);
    assert_int_equal(ferry_match_scratch(&match), 1);
    ferry_match_features(&ferry_kernels_scalar, &match, history, 1, scratch, out);
    for (size_t i = 0; i < FERRY_MATCH_COUNT * 3; i++)
        assert_true(out[i] == (i < 3 * FERRY_MATCH_TITLE_3 ? 1.0f : 0.0f));
    ferry_match_free(&match);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tfidf_is_numpys),
        cmocka_unit_test(features_are_numpys),
        cmocka_unit_test(items_without_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
