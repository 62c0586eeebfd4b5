/* Neighbours by co-occurrence, held to scipy; what is refused. */
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
        uint32_t touched[N];
        float weight = 1.0f, *out = scores + u * N;
        uint8_t mark[N] = {0};
        size_t touched_count = 0;
        size_t end = users.start[u + 1];
        for (size_t i = end; i > users.start[u] && end - i < DEPTH; i--, weight = weight * 0.8f)
            ferry_sparse_scatter(&neighbors.table, users.column[i - 1], weight, out, mark, touched,
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
        cmocka_unit_test(wrong_rows_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
