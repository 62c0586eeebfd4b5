/* Small dense linear algebra in double: + - * / and sqrt in a fixed order. */
#ifndef FERRY_MATH_SOLVE_H
#define FERRY_MATH_SOLVE_H

#include <stdbool.h>
#include <stddef.h>

/* A = L L^T in place: the lower triangle of a [n, n] becomes L, what is above stays. false, with a
 * spoilt, if A is not positive definite (or not finite). */
bool ferry_cholesky(double *a, size_t n);

/* Solves L L^T x = b in place of b [n]. */
void ferry_cholesky_solve(const double *l, size_t n, double *b);

/* Its two halves: L x = b, and L^T x = b. */
void ferry_lower_solve(const double *l, size_t n, double *b);
void ferry_upper_solve(const double *l, size_t n, double *b);

/* L L^T X = B in place of B [n, m]: many right sides at once, each with the bits of one by itself.
 */
void ferry_cholesky_solve_rows(const double *l, size_t n, double *b, size_t m);

/*
 * Eigenvalues, descending, and eigenvectors of a symmetric matrix: Householder's tridiagonal form
 * and implicit QL. a [n, n] is overwritten: row k becomes the k-th eigenvector, of length 1, its
 * component of largest magnitude (the first of equals) positive. values [n], scratch [n].
 * false if 60 steps do not bring an eigenvalue to the end, as with what is not finite.
 */
bool ferry_symmetric_eigen(double *a, size_t n, double *values, double *scratch);

#endif
