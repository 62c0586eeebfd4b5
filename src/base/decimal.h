/* Decimal numbers, in any locale: the C library's reading takes the host application's point, and
 * in WebAssembly brings 10 KB of arithmetic on long doubles. */
#ifndef FERRY_BASE_DECIMAL_H
#define FERRY_BASE_DECIMAL_H

/*
 * Reads sign, digits, point, digits, exponent as the nearest double, of two the even one; infinite
 * if it is too large. Returns the end of what was read; NULL if there is no number.
 */
const char *ferry_decimal_read(const char *text, const char *end, double *out);

/* The same as strtod has it, for cJSON, which is compiled to call it. */
double ferry_decimal_strtod(const char *text, char **end);

#endif
