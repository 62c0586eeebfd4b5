/* A decimal number: the C library's bits, and as much of the text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/decimal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *end, *expected_end;
    if (text == NULL) return 0;
    for (size_t i = 0; i < size; i++) text[i] = "0123456789.e+-,E"[data[i] & 15];
    text[size] = '\0';
    double value = ferry_decimal_strtod(text, &end), expected = strtod(text, &expected_end);
    if (memcmp(&value, &expected, sizeof value) != 0 || end != expected_end) abort();
    const char *read = ferry_decimal_read(text, text + size, &value); /* no NUL to end it */
    if ((read != NULL ? read : text) != expected_end) abort();
    free(text);
    return 0;
}
