#include "math/solve.h"

#include <math.h>

bool ferry_cholesky(double *a, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        double *row = a + j * n;
        for (size_t i = 0; i < j; i++) {
            const double *other = a + i * n;
            double sum = row[i];
            for (size_t k = 0; k < i; k++) sum = sum - row[k] * other[k];
            row[i] = sum / other[i];
        }
        double diagonal = row[j];
        for (size_t k = 0; k < j; k++) diagonal = diagonal - row[k] * row[k];
        if (!(diagonal > 0.0) || diagonal > 1e300) return false;
        row[j] = sqrt(diagonal);
    }
    return true;
}

void ferry_lower_solve(const double *l, size_t n, double *b)
{
    for (size_t i = 0; i < n; i++) {
        double sum = b[i];
        for (size_t k = 0; k < i; k++) sum = sum - l[i * n + k] * b[k];
        b[i] = sum / l[i * n + i];
    }
}

void ferry_upper_solve(const double *l, size_t n, double *b)
{
    for (size_t i = n; i-- > 0;) { /* by columns of L^T, that is rows of L */
        b[i] = b[i] / l[i * n + i];
        for (size_t k = 0; k < i; k++) b[k] = b[k] - l[i * n + k] * b[i];
    }
}

void ferry_cholesky_solve(const double *l, size_t n, double *b)
{
    ferry_lower_solve(l, n, b);
    ferry_upper_solve(l, n, b);
}

/* b[i] -= factor b[k], rows of [n, m] */
static void take_row(double *b, size_t m, size_t i, size_t k, double factor)
{
    double *to = b + i * m;
    const double *from = b + k * m;
    for (size_t j = 0; j < m; j++) to[j] = to[j] - factor * from[j];
}

void ferry_cholesky_solve_rows(const double *l, size_t n, double *b, size_t m)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++) take_row(b, m, i, k, l[i * n + k]);
        for (size_t j = 0; j < m; j++) b[i * m + j] = b[i * m + j] / l[i * n + i];
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t j = 0; j < m; j++) b[i * m + j] = b[i * m + j] / l[i * n + i];
        for (size_t k = 0; k < i; k++) take_row(b, m, k, i, l[i * n + k]);
    }
}

/* ---- eigenvectors ---- */

static double magnitude(double x)
{
    return x < 0.0 ? -x : x;
}

/*
 * a = Q T Q^T, T tridiagonal: diagonal [n], below [n] (below[i] couples i and i + 1, the last is
 * 0). a becomes Q^T: row k is the k-th column of Q. Householder's reflections from the first column
 * on.
 */
static void tridiagonal(double *a, size_t n, double *diagonal, double *below)
{
    /* Column k below the diagonal is kept as the reflection's vector v, H = I - beta v v^T with
     * beta in below[k] until the end; the couplings wait on the diagonal above v. */
    for (size_t k = 0; k + 2 < n; k++) {
        double scale = 0.0;
        for (size_t i = k + 1; i < n; i++) scale = scale + magnitude(a[i * n + k]);
        double tail = scale - magnitude(a[(k + 1) * n + k]);
        diagonal[k] = a[k * n + k];
        if (tail == 0.0) { /* already tridiagonal here */
            a[k * n + k] = 0.0;
            below[k] = a[(k + 1) * n + k];
            continue;
        }
        double *v =
            a + k * n; /* row k is free from column k + 1 on: the upper triangle is unused */
        double square = 0.0;
        for (size_t i = k + 1; i < n; i++) {
            v[i] = a[i * n + k] / scale;
            square = square + v[i] * v[i];
        }
        double alpha = v[k + 1] > 0.0 ? -sqrt(square) : sqrt(square);
        double beta = 1.0 / (square - alpha * v[k + 1]);
        v[k + 1] = v[k + 1] - alpha;
        below[k] = alpha * scale;
        a[k * n + k] = beta;
        /* p = beta A v (lower triangle), w = p - beta (p·v) / 2 v, A -= v w^T + w v^T */
        double *p = diagonal; /* entries k + 1 … are free */
        for (size_t i = k + 1; i < n; i++) p[i] = 0.0;
        for (size_t i = k + 1; i < n; i++) {
            const double *row = a + i * n;
            double sum = 0.0, value = v[i];
            for (size_t j = k + 1; j < i; j++) {
                sum = sum + row[j] * v[j];
                p[j] = p[j] + row[j] * value;
            }
            p[i] = p[i] + sum + row[i] * value;
        }
        double dot = 0.0;
        for (size_t i = k + 1; i < n; i++) {
            p[i] = beta * p[i];
            dot = dot + p[i] * v[i];
        }
        for (size_t i = k + 1; i < n; i++) p[i] = p[i] - 0.5 * beta * dot * v[i];
        for (size_t i = k + 1; i < n; i++) {
            double *row = a + i * n;
            for (size_t j = k + 1; j <= i; j++) row[j] = row[j] - v[i] * p[j] - p[i] * v[j];
        }
    }
    if (n > 1) {
        diagonal[n - 2] = a[(n - 2) * n + n - 2];
        below[n - 2] = a[(n - 1) * n + n - 2];
    }
    diagonal[n - 1] = a[(n - 1) * n + n - 1];
    below[n - 1] = 0.0;
}

/* Rows of a, as tridiagonal left them (row k: beta, then v), become Q^T = H_{n-3} … H_0. */
static void accumulate(double *a, size_t n)
{
    /* From the last reflection to the first, Q^T grows from the lower right corner: with Q' of the
     * later ones, Q^T = Q'^T H_k, and H_k touches columns k + 1 … only. */
    for (size_t k = n; k-- > 0;) {
        double *v = a + k * n;
        double beta = k + 2 < n ? v[k] : 0.0;
        for (size_t i = k + 1; i < n && beta != 0.0; i++) {
            double *row = a + i * n;
            double dot = 0.0;
            for (size_t j = k + 1; j < n; j++) dot = dot + row[j] * v[j];
            dot = beta * dot;
            for (size_t j = k + 1; j < n; j++) row[j] = row[j] - dot * v[j];
        }
        for (size_t j = k; j < n; j++) v[j] = 0.0; /* row and column k of the identity */
        for (size_t i = k + 1; i < n; i++) a[i * n + k] = 0.0;
        v[k] = 1.0;
    }
}

/* (row i, row i + 1) <- rotated: what QL does to two columns of Q. */
static void rotate(double *a, size_t n, size_t i, double sine, double cosine)
{
    double *first = a + i * n, *second = first + n;
    for (size_t j = 0; j < n; j++) {
        double x = first[j], y = second[j];
        second[j] = sine * x + cosine * y;
        first[j] = cosine * x - sine * y;
    }
}

static double hypotenuse(double x, double y)
{
    x = magnitude(x);
    y = magnitude(y);
    double large = x > y ? x : y, small = x > y ? y : x;
    if (large == 0.0) return 0.0;
    double ratio = small / large;
    return large * sqrt(1.0 + ratio * ratio);
}

/* Implicit QL with Wilkinson's shift on the tridiagonal d, e, turning rows of a along. */
static bool implicit_ql(double *a, size_t n, double *d, double *e)
{
    for (size_t l = 0; l < n; l++) {
        for (int step = 0;; step++) {
            size_t m = l;
            for (; m + 1 < n; m++) {
                double size = magnitude(d[m]) + magnitude(d[m + 1]);
                if (magnitude(e[m]) <= 0x1p-53 * size) break;
            }
            if (m == l) break;
            if (step == 60) return false;
            double g = (d[l + 1] - d[l]) / (2.0 * e[l]);
            double r = hypotenuse(g, 1.0);
            g = d[m] - d[l] + e[l] / (g + (g < 0.0 ? -r : r));
            double s = 1.0, c = 1.0, p = 0.0;
            size_t i = m;
            while (i-- > l) {
                double f = s * e[i], b = c * e[i];
                r = hypotenuse(f, g);
                e[i + 1] = r;
                if (r == 0.0) { /* split: start over */
                    d[i + 1] = d[i + 1] - p;
                    e[m] = 0.0;
                    break;
                }
                s = f / r;
                c = g / r;
                g = d[i + 1] - p;
                r = (d[i] - g) * s + 2.0 * c * b;
                p = s * r;
                d[i + 1] = g + p;
                g = c * r - b;
                rotate(a, n, i, s, c);
            }
            if (r == 0.0 && i + 1 > l) continue;
            d[l] = d[l] - p;
            e[l] = g;
            e[m] = 0.0;
        }
    }
    return true;
}

/* Descending, each vector's largest component positive. */
static void order(double *a, size_t n, double *values)
{
    for (size_t k = 0; k < n; k++) {
        size_t best = k;
        for (size_t i = k + 1; i < n; i++) best = values[i] > values[best] ? i : best;
        double value = values[best];
        values[best] = values[k];
        values[k] = value;
        double *to = a + k * n, *from = a + best * n;
        size_t largest = 0;
        for (size_t j = 0; j < n; j++) {
            double moved = from[j];
            from[j] = to[j];
            to[j] = moved;
            if (magnitude(to[j]) > magnitude(to[largest])) largest = j;
        }
        if (to[largest] >= 0.0) continue;
        for (size_t j = 0; j < n; j++) to[j] = -to[j];
    }
}

bool ferry_symmetric_eigen(double *a, size_t n, double *values, double *scratch)
{
    if (n == 0) return true;
    tridiagonal(a, n, values, scratch);
    accumulate(a, n);
    if (!implicit_ql(a, n, values, scratch)) return false;
    order(a, n, values);
    return true;
}
