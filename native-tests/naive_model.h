/* The features of a model for domain a of model_data.h, computed naively in double. */
#ifndef FERRY_TESTS_NAIVE_MODEL_H
#define FERRY_TESTS_NAIVE_MODEL_H

#include "model_data.h"

enum { N0 = 64, M0 = 48 }; /* items of a, and of b: the source of a's across tables */

typedef struct naive {
    double values[FERRY_FEATURES][N0];
} naive;

/* The newest `most` entries of domain 0 with a positive weight, newest first. */
static inline size_t naive_recent(const ferry_history_entry *h, size_t count, size_t most,
                                  double decay, uint32_t *items, double *weights)
{
    size_t found = 0;
    double age = 1.0;
    for (size_t i = count; i-- > 0 && found < most;)
        if (h[i].domain == 0 && h[i].weight > 0.0f) {
            items[found] = h[i].item;
            weights[found++] = age * (double)h[i].weight;
            age *= decay;
        }
    return found;
}

static inline double dot(const double *a, const double *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* Whitened vector of an item by number; unit if asked for. out [K] */
static inline void naive_whiten(const ferry_whiten *w, size_t number, bool unit, double *out)
{
    float vector[DATA_VECTOR];
    data_vector(number, vector);
    for (size_t k = 0; k < w->K; k++) {
        out[k] = 0.0;
        for (size_t i = 0; i < w->N; i++)
            out[k] +=
                ((double)vector[i] - (double)w->mean[i]) * (double)w->projection[i * w->K + k];
    }
    double norm = sqrt(dot(out, out, w->K));
    for (size_t k = 0; k < w->K && unit; k++) out[k] /= norm;
}

static inline void naive_text(const ferry_model *model, const ferry_history_entry *h, size_t count,
                              size_t most, double out[N0])
{
    const ferry_whiten *w = &model->domains[0].whiten;
    uint32_t items[3] = {0};
    double weights[3], query[DATA_VECTOR] = {0}, z[DATA_VECTOR];
    size_t found = naive_recent(h, count, most, (double)0.6f, items, weights);
    for (size_t i = 0; i < found; i++) {
        naive_whiten(w, items[i], true, z);
        for (size_t k = 0; k < w->K; k++) query[k] += weights[i] * z[k];
    }
    double norm = sqrt(dot(query, query, w->K));
    for (size_t i = 0; i < N0; i++) {
        naive_whiten(w, i, true, z);
        out[i] = dot(query, z, w->K) / norm;
    }
}

/* ---- words ---- */

enum { MOST_TERMS = 512, MOST_WORDS = 16 };

/* An item's terms, repeated as often as they count. */
static inline size_t naive_terms(size_t number, unsigned fields, char out[MOST_WORDS][DATA_WORD])
{
    char title[64], author[DATA_WORD], tags[2][DATA_WORD];
    size_t count = 0;
    data_title(number, title);
    data_author(number, author);
    data_tags(number, tags);
    if (fields & FERRY_TERMS_TITLE)
        for (char *word = strtok(title, " "); word != NULL; word = strtok(NULL, " "))
            snprintf(out[count++], DATA_WORD, "%.40s", word);
    for (size_t t = 0; t < 2 && (fields & FERRY_TERMS_TAGS); t++)
        snprintf(out[count++], DATA_WORD, "%.40s", tags[t]);
    for (size_t t = 0; t < 2 && (fields & FERRY_TERMS_AUTHOR) && author[0] != '\0'; t++)
        snprintf(out[count++], DATA_WORD, "by %.40s", author);
    return count;
}

static inline void naive_tfidf(unsigned fields, double table[N0][MOST_TERMS])
{
    static char terms[MOST_TERMS][DATA_WORD];
    size_t have[MOST_TERMS] = {0}, known = 0;
    memset(table, 0, N0 * sizeof *table);
    for (size_t i = 0; i < N0; i++) {
        char words[MOST_WORDS][DATA_WORD];
        size_t count = naive_terms(i, fields, words);
        for (size_t w = 0; w < count; w++) {
            size_t t = 0;
            while (t < known && strcmp(terms[t], words[w]) != 0) t++;
            assert_true(t < MOST_TERMS);
            if (t == known) strcpy(terms[known++], words[w]);
            have[t] += table[i][t] == 0.0;
            table[i][t] += 1.0;
        }
    }
    for (size_t i = 0; i < N0; i++) {
        double square = 0.0;
        for (size_t t = 0; t < known; t++) {
            if (table[i][t] > 0.0)
                table[i][t] = have[t] < 2
                                  ? 0.0
                                  : (1.0 + log(table[i][t])) * log((double)N0 / (double)have[t]);
            square += table[i][t] * table[i][t];
        }
        for (size_t t = 0; t < known; t++) table[i][t] /= sqrt(square + 1e-9);
    }
}

static inline void naive_words(unsigned fields, const ferry_history_entry *h, size_t count,
                               size_t most, double out[N0])
{
    static double table[N0][MOST_TERMS];
    uint32_t items[3] = {0};
    double weights[3], sum = 0.0;
    naive_tfidf(fields, table);
    size_t found = naive_recent(h, count, most, (double)0.6f, items, weights);
    for (size_t i = 0; i < found; i++) sum += weights[i];
    for (size_t i = 0; i < N0; i++) {
        out[i] = 0.0;
        for (size_t j = 0; j < found; j++)
            out[i] += weights[j] / sum * dot(table[items[j]], table[i], MOST_TERMS);
    }
}

static inline bool same_author(size_t a, size_t b)
{
    char one[DATA_WORD], other[DATA_WORD], title[2][64];
    data_author(a, one);
    data_author(b, other);
    data_title(a, title[0]);
    data_title(b, title[1]);
    if (one[0] != '\0' && other[0] != '\0') return strcmp(one, other) == 0;
    if (one[0] != '\0' || other[0] != '\0') return false;
    return strcmp(strtok(title[0], " "), strtok(title[1], " ")) == 0; /* the titles' first words */
}

static inline void naive_author(const ferry_history_entry *h, size_t count, size_t most,
                                double out[N0])
{
    uint32_t items[3] = {0};
    double weights[3], sum = 0.0;
    size_t found = naive_recent(h, count, most, (double)0.6f, items, weights);
    for (size_t i = 0; i < found; i++) sum += weights[i];
    for (size_t i = 0; i < N0; i++) {
        out[i] = 0.0;
        for (size_t j = 0; j < found; j++)
            if (same_author(items[j], i)) out[i] += weights[j] / sum;
    }
}

/* ---- neighbours and the net ---- */

static inline void naive_rows(const ferry_sparse *table, const uint32_t *rows,
                              const double *weights, size_t count, double floor, double out[N0])
{
    for (size_t i = 0; i < N0; i++) out[i] = floor;
    for (size_t r = 0; r < count; r++)
        for (uint32_t e = table->start[rows[r]]; e < table->start[rows[r] + 1]; e++)
            out[table->column[e]] += weights[r] * (double)table->value[e];
    for (size_t i = 0; i < N0; i++) out[i] = log(out[i]);
}

static inline void naive_neighbors(const ferry_model *model, const ferry_history_entry *h,
                                   size_t count, double out[N0])
{
    uint32_t items[10] = {0};
    double weights[10];
    size_t found = naive_recent(h, count, 10, (double)0.8f, items, weights);
    naive_rows(&model->domains[0].neighbors, items, weights, found, (double)0.03f, out);
}

static inline void naive_net(const ferry_model *model, const ferry_history_entry *h, size_t count,
                             double out[N0])
{
    const ferry_net *net = model->net;
    size_t d = net->config.sequence.dim, C = net->config.content_dim, read = 0, room;
    float content[N0 * DATA_VECTOR], items[N0 * 64], user[64];
    assert_true(d <= 64 && C == DATA_VECTOR);
    for (size_t i = 0; i < N0; i++) {
        double z[DATA_VECTOR];
        naive_whiten(&model->whiten, i, false, z);
        for (size_t c = 0; c < C; c++)
            content[i * C + c] = (float)(z[c] * (double)model->content_scale);
    }
    assert_true(ferry_net_user_scratch(net, count, &room));
    if (room < ferry_net_item_scratch(net)) room = ferry_net_item_scratch(net);
    float *scratch = aligned_alloc(64, (room + 16) / 16 * 16 * sizeof *scratch);
    ferry_net_event *events = calloc(count, sizeof *events);
    assert_non_null(scratch);
    assert_non_null(events);
    ferry_net_item_vectors(net, model->kernels, 0, content, 0, N0, items, scratch);
    for (size_t i = 0; i < count; i++)
        if (h[i].domain == 0)
            events[read++] =
                (ferry_net_event){items + h[i].item * d, h[i].behavior, h[i].timestamp};
    ferry_net_user_vector(net, model->kernels, 0, events, read, user, scratch);
    for (size_t i = 0; i < N0; i++) {
        out[i] = 0.0;
        for (size_t k = 0; k < d; k++) out[i] += (double)user[k] * (double)items[i * d + k];
    }
    free(events);
    free(scratch);
}

/* ---- from b ---- */

/* Linked people: with training events in both; how many have each item of a. */
static inline void naive_linked(const ferry_dataset *dataset, double linked[N0],
                                double popularity[N0])
{
    const ferry_interactions *a = &dataset->domains[0], *b = &dataset->domains[1];
    memset(linked, 0, N0 * sizeof *linked);
    memset(popularity, 0, N0 * sizeof *popularity);
    for (size_t u = 0; u < a->user_count; u++) {
        bool has[N0] = {false}, is_linked = false;
        for (size_t v = 0; v < b->user_count; v++)
            if (b->user[v] == a->user[u])
                for (uint32_t e = b->start[v]; e < b->start[v + 1]; e++)
                    is_linked = is_linked || b->part[e] == FERRY_TRAIN;
        for (uint32_t e = a->start[u]; e < a->start[u + 1]; e++)
            if (a->part[e] == FERRY_TRAIN) {
                popularity[a->item[e]] += 1.0;
                has[a->item[e]] = true;
            }
        for (size_t i = 0; i < N0; i++) linked[i] += is_linked && has[i];
    }
}

/* Solves A x = y in place by Gauss-Jordan with pivots; x in y. */
static inline void solve(double *A, double *y, size_t n)
{
    for (size_t c = 0; c < n; c++) {
        size_t pivot = c;
        for (size_t r = c; r < n; r++)
            if (fabs(A[r * n + c]) > fabs(A[pivot * n + c])) pivot = r;
        for (size_t k = 0; k < n; k++) {
            double swap = A[c * n + k];
            A[c * n + k] = A[pivot * n + k];
            A[pivot * n + k] = swap;
        }
        double swap = y[c];
        y[c] = y[pivot];
        y[pivot] = swap;
        for (size_t r = 0; r < n; r++) {
            double by = r == c ? 0.0 : A[r * n + c] / A[c * n + c];
            for (size_t k = c; k < n && by != 0.0; k++) A[r * n + k] -= by * A[c * n + k];
            y[r] -= by * y[c];
        }
    }
    for (size_t r = 0; r < n; r++) y[r] /= A[r * n + r];
}

static inline void naive_factors(const ferry_across *a, const uint32_t *rows, size_t found,
                                 double out[N0])
{
    enum { F = 64 };
    static double A[F * F];
    double u[F] = {0}, mapped[F];
    const float *Y = a->source_factors;
    assert_int_equal(a->fold.F, F);
    memset(A, 0, sizeof A);
    for (size_t f = 0; f < F; f++) A[f * F + f] = (double)a->lambda;
    for (size_t i = 0; i < M0; i++)
        for (size_t f = 0; f < F * F; f++)
            A[f] += (double)Y[i * F + f / F] * (double)Y[i * F + f % F];
    for (size_t r = 0; r < found; r++) { /* an item that comes twice counts twice */
        const float *y = Y + rows[r] * F;
        for (size_t f = 0; f < F * F; f++)
            A[f] += (double)a->fold.alpha * (double)y[f / F] * (double)y[f % F];
        for (size_t f = 0; f < F; f++) u[f] += (1.0 + (double)a->fold.alpha) * (double)y[f];
    }
    solve(A, u, F);
    for (size_t g = 0; g < F; g++) {
        mapped[g] = (double)a->factor_map[F * F + g];
        for (size_t f = 0; f < F; f++) mapped[g] += u[f] * (double)a->factor_map[f * F + g];
    }
    for (size_t i = 0; i < N0; i++) {
        out[i] = 0.0;
        for (size_t f = 0; f < F; f++)
            out[i] +=
                (double)a->target_factors[i * F + f] * mapped[f] / (double)a->factor_deviation;
    }
}

static inline void naive_profile(const ferry_model *model, const uint32_t *rows, size_t found,
                                 const double *log_linked, double out[N0])
{
    const ferry_profile_map *map = &model->domains[0].across.profile;
    size_t N = map->N, R = map->R;
    double p[DATA_VECTOR] = {0}, q[DATA_VECTOR], z[DATA_VECTOR];
    const float *B = map->block + N * R, *offset = B + R * N;
    assert_true(N <= DATA_VECTOR);
    for (size_t r = 0; r < found; r++) {
        naive_whiten(&model->whiten, data_first(1) + rows[r], true, z);
        for (size_t k = 0; k < N; k++) p[k] += z[k];
    }
    double norm = sqrt(dot(p, p, N));
    for (size_t k = 0; k < N; k++) p[k] /= norm;
    for (size_t k = 0; k < N; k++) {
        q[k] = p[k] + (double)offset[k];
        for (size_t r = 0; r < R; r++)
            for (size_t n = 0; n < N; n++)
                q[k] += p[n] * (double)map->block[n * R + r] * (double)B[r * N + k];
    }
    for (size_t i = 0; i < N0; i++) {
        naive_whiten(&model->whiten, i, true, z);
        out[i] = (double)offset[N] * dot(q, z, N) + (double)offset[N + 1] * log_linked[i];
    }
}

static inline void naive_elsewhere(const ferry_model *model, const ferry_dataset *dataset,
                                   const ferry_history_entry *h, size_t count, naive *out)
{
    const ferry_across *a = &model->domains[0].across;
    uint32_t *rows = calloc(count, sizeof *rows);
    double *weights = calloc(count, sizeof *weights);
    double linked[N0], popularity[N0], most = 1.0;
    size_t found = 0;
    assert_non_null(rows);
    assert_non_null(weights);
    naive_linked(dataset, linked, popularity);
    for (size_t i = 0; i < N0; i++) most = popularity[i] > most ? popularity[i] : most;
    for (size_t i = 0; i < N0; i++) {
        double prior = log(linked[i] + 0.05 * popularity[i] / most + 0.001);
        out->values[FERRY_FEATURE_LINKED][i] = prior;
        out->values[FERRY_FEATURE_POPULARITY][i] = log(1.0 + popularity[i]);
        out->values[FERRY_FEATURE_COLD][i] = popularity[i] > 0.0 ? 0.0 : 1.0;
    }
    for (size_t i = 0; i < count; i++)
        if (h[i].domain == 1 && h[i].weight > 0.0f) rows[found++] = h[i].item;
    for (size_t i = 0; i < found; i++) weights[i] = 1.0 / (double)found;
    if (found > 0) {
        naive_rows(&a->neighbors, rows, weights, found, (double)0.003f,
                   out->values[FERRY_FEATURE_ACROSS]);
        naive_factors(a, rows, found, out->values[FERRY_FEATURE_FACTORS]);
        naive_profile(model, rows, found, out->values[FERRY_FEATURE_LINKED],
                      out->values[FERRY_FEATURE_PROFILE]);
    }
    free(rows);
    free(weights);
}

/* Features of domain 0 for a history with an entry there that speaks. */
static inline void naive_features(const ferry_model *model, const ferry_dataset *dataset,
                                  const ferry_history_entry *h, size_t count, naive *out)
{
    memset(out, 0, sizeof *out);
    naive_net(model, h, count, out->values[FERRY_FEATURE_NET]);
    naive_neighbors(model, h, count, out->values[FERRY_FEATURE_NEIGHBORS]);
    naive_text(model, h, count, 3, out->values[FERRY_FEATURE_TEXT]);
    naive_text(model, h, count, 1, out->values[FERRY_FEATURE_TEXT_LAST]);
    naive_words(7, h, count, 3, out->values[FERRY_FEATURE_WORDS]);
    naive_words(FERRY_TERMS_TITLE, h, count, 3, out->values[FERRY_FEATURE_TITLE]);
    naive_words(FERRY_TERMS_TITLE, h, count, 1, out->values[FERRY_FEATURE_TITLE_LAST]);
    naive_words(FERRY_TERMS_TAGS, h, count, 3, out->values[FERRY_FEATURE_TAGS]);
    naive_author(h, count, 3, out->values[FERRY_FEATURE_AUTHOR]);
    naive_author(h, count, 1, out->values[FERRY_FEATURE_AUTHOR_LAST]);
    for (size_t i = 0; i < N0; i++) {
        double title = out->values[FERRY_FEATURE_TITLE][i];
        out->values[FERRY_FEATURE_TITLE_SQUARE][i] = title * title;
    }
    naive_elsewhere(model, dataset, h, count, out);
}

#endif
