/* The same bits whatever computes them: by every kernel variant, by one thread and by several. */
#ifndef FERRY_TEST_SAME_BITS_H
#define FERRY_TEST_SAME_BITS_H

#include "golden.h"
#include "math/kernels.h"

/* What a model encodes, with these options; malloc's. */
typedef float *(*encode_with)(const void *user, ferry_encoder_options options);

/* The numbers that encode gives, `count` of them, the same each time; to be freed. */
static inline float *same_bits(const char *what, encode_with encode, const void *user,
                               ferry_precision precision, size_t count)
{
    const ferry_kernels *variants[8];
    size_t variant_count = ferry_kernels_available(variants, 8);
    float *first = NULL;
    for (size_t v = 0; v < variant_count; v++) {
        for (size_t threads = 1; threads <= 4; threads++) {
            /* a sanitizer's build has the time for all of them with one variant only */
            if (GOLDEN_STRIDE > 1 && v + 1 < variant_count && threads > 1) continue;
            float *found = encode(user, (ferry_encoder_options){.kernels = variants[v]->name,
                                                                .precision = precision,
                                                                .threads = threads});
            if (first == NULL) {
                first = found;
                continue;
            }
            if (memcmp(first, found, count * sizeof *found) != 0)
                fail_msg("%s: %s with %zu threads gives other bits", what, variants[v]->name,
                         threads);
            free(found);
        }
    }
    return first;
}

/* The bits every build gives, a line with `begin` before the hash: a regression test. */
static inline void assert_hash(const char *file, const char *begin, const float *found,
                               size_t count)
{
    size_t size;
    char line[64], *expected = read_file(golden_path(file), &size);
    snprintf(line, sizeof line, "%s%016llx\n", begin,
             (unsigned long long)fnv1a(found, count * sizeof *found));
    if (strstr(expected, line) == NULL) fail_msg("%s lacks %s", file, line);
    free(expected);
}

#endif
