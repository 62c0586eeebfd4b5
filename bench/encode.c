/*
 * Ferry as a contestant: reads commands, one a line, answers with one line; see peers.py, whose
 * contestants speak the same language. Times are nanoseconds around the call alone.
 *
 *   encode MODEL_DIR [KERNELS [PRECISION [THREADS [NUMERICS]]]]
 *
 *   texts N                            the next N lines are the texts
 *   run FIRST COUNT WARM REPEAT        encodes texts FIRST…, WARM times untimed, REPEAT times timed
 *   encode FIRST COUNT WARM REPEAT     the same: Ferry takes texts, nothing can be prepared
 *   tokenize FIRST COUNT WARM REPEAT   token ids only
 *   vectors FIRST COUNT                COUNT lines of numbers
 *   ids INDEX                          one line of token ids
 *   pictures N                         the next N lines are square pictures, RGB in hexadecimal; from
 *                                      then on run, encode and vectors are about them
 */
#define _POSIX_C_SOURCE 200809L
#include "ferry/ferry.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_IDS = 512 };

static ferry_text *texts; /* [text_count] */
static size_t text_count;
static ferry_image *pictures; /* [text_count] in place of texts, or NULL */
static float *vectors; /* [text_count, dimension] */

_Noreturn static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("encode: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static long long now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void *allocate(size_t count, size_t size)
{
    void *block = calloc(count ? count : 1, size);
    if (!block) die("out of memory");
    return block;
}

static void read_texts(size_t count, size_t dimension)
{
    for (size_t i = 0; i < text_count; i++) free((char *)texts[i].data);
    free(texts);
    free(vectors);
    texts = allocate(count, sizeof *texts);
    vectors = allocate(count * dimension, sizeof *vectors);
    text_count = count;
    for (size_t i = 0; i < count; i++) {
        char *line = NULL;
        size_t capacity = 0;
        ssize_t size = getline(&line, &capacity, stdin);
        if (size < 0) die("%zu texts were announced, %zu came", count, i);
        if (size && line[size - 1] == '\n') size--;
        texts[i] = (ferry_text){line, (size_t)size};
    }
}

static unsigned digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

static void read_pictures(size_t count, size_t dimension)
{
    read_texts(count, dimension);
    pictures = allocate(count, sizeof *pictures);
    for (size_t i = 0; i < count; i++) {
        const char *from = texts[i].data;
        size_t bytes = texts[i].size / 2, side = 1;
        uint8_t *pixels = allocate(bytes, 1);
        for (size_t k = 0; k < bytes; k++)
            pixels[k] = (uint8_t)(digit(from[2 * k]) << 4 | digit(from[2 * k + 1]));
        while (side * side * 3 < bytes) side++;
        if (side * side * 3 != bytes) die("%zu bytes are no square picture", bytes);
        pictures[i] = (ferry_image){pixels, side, side, 3};
    }
}

static void encode(ferry_encoder *encoder, size_t first, size_t count)
{
    ferry_error error;
    if (pictures) {
        if (ferry_encoder_encode_images(encoder, pictures + first, count, vectors, NULL, NULL,
                                        &error))
            die("%s", error.message);
        return;
    }
    if (ferry_encoder_encode(encoder, texts + first, count, vectors, NULL, NULL, &error))
        die("%s", error.message);
}

static size_t tokenize(ferry_encoder *encoder, size_t first, size_t count, int32_t ids[MAX_IDS])
{
    size_t all = 0;
    for (size_t i = first; i < first + count; i++) {
        ferry_error error;
        size_t tokens;
        if (ferry_encoder_tokenize(encoder, texts[i], ids, MAX_IDS, &tokens, &error))
            die("%s", error.message);
        all += tokens;
    }
    return all;
}

static void check_range(size_t first, size_t count)
{
    if (first > text_count || count > text_count - first) die("there are %zu texts", text_count);
}

static void answer(ferry_encoder *encoder, const char *line)
{
    size_t dimension = ferry_encoder_dimension(encoder);
    char verb[16];
    size_t first, count, warm, repeat;
    int32_t ids[MAX_IDS];
    if (sscanf(line, "texts %zu", &count) == 1) {
        read_texts(count, dimension);
        printf("ok");
    } else if (sscanf(line, "pictures %zu", &count) == 1) {
        read_pictures(count, dimension);
        printf("ok");
    } else if (sscanf(line, "%15s %zu %zu %zu %zu", verb, &first, &count, &warm, &repeat) == 5) {
        check_range(first, count);
        bool tokens = !strcmp(verb, "tokenize");
        if (!tokens && strcmp(verb, "run") && strcmp(verb, "encode")) die("what is %s", line);
        for (size_t i = 0; i < warm + repeat; i++) {
            long long start = now();
            if (tokens)
                tokenize(encoder, first, count, ids);
            else
                encode(encoder, first, count);
            long long end = now();
            if (i >= warm) printf("%lld ", end - start);
        }
    } else if (sscanf(line, "vectors %zu %zu", &first, &count) == 2) {
        check_range(first, count);
        encode(encoder, first, count);
        for (size_t i = 0; i < count * dimension; i++)
            printf(i % dimension == dimension - 1 && i + 1 < count * dimension ? "%.9g\n" : "%.9g ",
                   (double)vectors[i]);
    } else if (sscanf(line, "ids %zu", &first) == 1) {
        check_range(first, 1);
        count = tokenize(encoder, first, 1, ids);
        for (size_t i = 0; i < count; i++) printf("%d ", ids[i]);
    } else {
        die("what is %s", line);
    }
    putchar('\n');
    fflush(stdout);
}

static ferry_precision precision_named(const char *name)
{
    static const char *const names[] = {
#define NAME(code, text) text,
        FERRY_PRECISION_LIST(NAME)
#undef NAME
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i], name)) return (ferry_precision)i;
    die("there is no precision %s", name);
}

int main(int argc, char **argv)
{
    if (argc < 2) die("usage: encode MODEL_DIR [KERNELS [PRECISION [THREADS [NUMERICS]]]]");
    const char *kernels = argc > 2 ? argv[2] : "auto";
    const char *precision = argc > 3 ? argv[3] : "auto";
    ferry_encoder_options options = {.size = sizeof options, .kernels = kernels};
    options.precision = precision_named(precision);
    options.threads = argc > 4 ? strtoul(argv[4], NULL, 10) : 1;
    if (argc > 5 && !strcmp(argv[5], "fast")) options.numerics = FERRY_NUMERICS_FAST;
    ferry_encoder *encoder;
    ferry_error error;
    const char *name;
    if (ferry_kernels_name(kernels, &name, &error) ||
        ferry_encoder_open_directory(argv[1], &options, &encoder, &error))
        die("%s", error.message);
    printf("{\"version\": \"%s\", \"kernels\": \"%s\"}\n", ferry_version(), name);
    fflush(stdout);
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) answer(encoder, line);
    free(line);
    ferry_encoder_close(encoder);
}
