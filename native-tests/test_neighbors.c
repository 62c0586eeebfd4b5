/* Neighbours by co-occurrence, held to scipy; pruning; what is refused. */
#include "golden_tensors.h"

#include "recsys/neighbors.h"

enum { N = 25, M = 18, DEPTH = 10 };

static void dense(const ferry_sparse *m, float *out)
{
    memset(out, 0, m->rows * m->columns * sizeof *out);
    for (size_t r = 0; r < m->rows; r++) {
        for (size_t i = m->start[r]; i < m->start[r + 1]; i++) {
            assert_true(i == m->start[r] || m->column[i] > m->column[i - 1]);
            out[r * m->columns + m->column[i]] = m->value[i];
        }
    }
}

static void sequence_neighbors(void **state)
{
    (void)state;
    golden_tensors golden;
    ferry_neighbors neighbors;
    ferry_error error;
    float table[N * N];
    golden_tensors_open(&golden, "scorers.safetensors");
    ferry_sparse users = golden_rows(&golden, "target", N);
    assert_int_equal(
        ferry_neighbors_sequence(&users, &FERRY_SEQUENCE_DEFAULTS, NULL, &neighbors, &error),
        FERRY_OK);
    dense(&neighbors.table, table);
    assert_near(table, golden_tensor(&golden, "sequence.W", NULL), N * N, 1e-6, "W");

    float *scores = calloc(users.rows * N, sizeof *scores);
    assert_non_null(scores);
    for (size_t u = 0; u < users.rows; u++) {
        uint32_t items[DEPTH], touched[N];
        float weights[DEPTH], *out = scores + u * N;
        uint8_t mark[N] = {0};
        size_t touched_count = 0;
        size_t count =
            ferry_recent_items(users.column + users.start[u], users.start[u + 1] - users.start[u],
                               DEPTH, 0.8f, items, weights);
        ferry_neighbors_score(&neighbors, items, weights, count, out, mark, touched,
                              &touched_count);
        size_t nonzero = 0; /* touched lists what is not 0, once */
        for (size_t i = 0; i < N; i++) nonzero += out[i] != 0.0f;
        assert_int_equal(nonzero, touched_count);
        for (size_t i = 0; i < touched_count; i++) assert_true(out[touched[i]] != 0.0f);
    }
    assert_near(scores, golden_tensor(&golden, "sequence.scores", NULL), users.rows * N, 1e-6,
                "scores");
    free(scores);
    ferry_neighbors_free(&neighbors);
    golden_tensors_close(&golden);
}

static void neighbors_across(void **state)
{
    (void)state;
    golden_tensors golden;
    ferry_neighbors neighbors;
    ferry_error error;
    float table[M * N];
    golden_tensors_open(&golden, "scorers.safetensors");
    ferry_sparse source = golden_rows(&golden, "source", M),
                 target = golden_rows(&golden, "target", N);
    assert_int_equal(ferry_neighbors_across(&source, &target, 3.0f, NULL, &neighbors, &error),
                     FERRY_OK);
    dense(&neighbors.table, table);
    assert_near(table, golden_tensor(&golden, "across.C", NULL), M * N, 1e-6, "C");
    ferry_neighbors_free(&neighbors);
    source.rows--;
    assert_int_equal(ferry_neighbors_across(&source, &target, 3.0f, NULL, &neighbors, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "29 users"));
    golden_tensors_close(&golden);
}

/* Row 0 has ties, row 1 is shorter than what is kept, row 2 empty. */
static void pruning_keeps_the_heaviest(void **state)
{
    (void)state;
    golden_tensors golden;
    ferry_error error;
    golden_tensors_open(&golden, "scorers.safetensors");
    ferry_sparse users = golden_rows(&golden, "target", N);
    for (size_t most = 0; most < 12; most++) {
        ferry_neighbors whole, pruned;
        assert_int_equal(
            ferry_neighbors_sequence(&users, &FERRY_SEQUENCE_DEFAULTS, NULL, &whole, &error),
            FERRY_OK);
        assert_int_equal(
            ferry_neighbors_sequence(&users, &FERRY_SEQUENCE_DEFAULTS, NULL, &pruned, &error),
            FERRY_OK);
        assert_int_equal(ferry_neighbors_prune(&pruned, most, &error), FERRY_OK);
        float before[N * N], after[N * N];
        dense(&whole.table, before);
        dense(&pruned.table, after);
        for (size_t r = 0; r < N; r++) {
            for (size_t c = 0; c < N; c++) {
                size_t better = 0; /* entries of the row that go before this one */
                for (size_t o = 0; o < N; o++)
                    better += before[r * N + o] > before[r * N + c] ||
                              (before[r * N + o] == before[r * N + c] && o < c);
                assert_true(after[r * N + c] == (better < most ? before[r * N + c] : 0.0f));
            }
        }
        ferry_neighbors_free(&whole);
        ferry_neighbors_free(&pruned);
    }
    golden_tensors_close(&golden);
}

static void wrong_rows_are_refused(void **state)
{
    (void)state;
    const uint32_t start[] = {0, 2, 1}, good[] = {0, 1, 2}, item[] = {0, 9};
    ferry_neighbors neighbors;
    ferry_error error;
    ferry_sparse m = {2, 9, start, item, NULL};
    assert_int_equal(
        ferry_neighbors_sequence(&m, &FERRY_SEQUENCE_DEFAULTS, NULL, &neighbors, &error),
        FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "row 1 ends before it starts"));
    m.start = good;
    assert_int_equal(
        ferry_neighbors_sequence(&m, &FERRY_SEQUENCE_DEFAULTS, NULL, &neighbors, &error),
        FERRY_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "column 9, there are 9"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sequence_neighbors),
        cmocka_unit_test(neighbors_across),
        cmocka_unit_test(pruning_keeps_the_heaviest),
        cmocka_unit_test(wrong_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
