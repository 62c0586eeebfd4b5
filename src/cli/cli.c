#define _POSIX_C_SOURCE 200809L
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api/directory.h"
#include "base/error.h"
#include "input/table.h"

void *cli_array(int count, size_t size)
{
    void *array = calloc((size_t)count + 1, size);
    if (array == NULL) {
        fputs("ferry: out of memory\n", stderr);
        exit(EXIT_ERROR);
    }
    return array;
}

cli_list cli_list_make(int argc)
{
    return (cli_list){.values = cli_array(argc, sizeof(const char *))};
}

void cli_list_free(cli_list *list)
{
    free(list->values);
    *list = (cli_list){0};
}

int cli_usage(const char *subcommand, const char *format, ...)
{
    va_list arguments;
    fprintf(stderr, "ferry %s: ", subcommand);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return cli_help_hint(subcommand);
}

int cli_help_hint(const char *subcommand)
{
    fprintf(stderr, "Try 'ferry %s --help'.\n", subcommand);
    return EXIT_USAGE;
}

const char *const cli_units[FERRY_MODALITY_COUNT] = {[FERRY_MODALITY_TEXT] = "texts",
                                                     [FERRY_MODALITY_IMAGE] = "pictures",
                                                     [FERRY_MODALITY_AUDIO] = "sounds"};

const char *cli_plural(size_t count)
{
    return count == 1 ? "" : "s";
}

bool cli_parse_count(const char *subcommand, const char *option, const char *text, size_t *out)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || value == 0 ||
        value > SIZE_MAX) {
        cli_usage(subcommand, "%s %s: expected a whole number from 1", option, text);
        return false;
    }
    *out = (size_t)value;
    return true;
}

bool cli_parse_number(const char *subcommand, const char *option, const char *text, double most,
                      double *out)
{
    if (ferry_number_parse(text, strlen(text), out) && *out >= 0.0 && *out <= most) return true;
    if (isfinite(most))
        cli_usage(subcommand, "%s %s: expected a number from 0 to %g", option, text, most);
    else
        cli_usage(subcommand, "%s %s: expected a number from 0", option, text);
    return false;
}

bool cli_parse_modality_weight(const char *subcommand, const char *text, double most,
                               ferry_modality *modality, double *weight)
{
    for (int m = 0; m < FERRY_MODALITY_COUNT; m++) {
        const char *name = ferry_modality_name((ferry_modality)m);
        size_t size = strlen(name);
        if (strncmp(text, name, size) != 0 || text[size] != '=') continue;
        *modality = (ferry_modality)m;
        return cli_parse_number(subcommand, "--modality-weight", text + size + 1, most, weight);
    }
    cli_usage(subcommand, "--modality-weight %s: expected text, image or audio, and =NUMBER", text);
    return false;
}

int cli_parse_word(const char *subcommand, const char *option, const char *text,
                   const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(text, words[i]) == 0) return (int)i;
    fprintf(stderr, "ferry %s: %s %s: expected %s", subcommand, option, text, words[0]);
    for (size_t i = 1; i < count; i++)
        fprintf(stderr, "%s%s", i + 1 < count ? ", " : " or ", words[i]);
    fputc('\n', stderr);
    cli_help_hint(subcommand);
    return -1;
}

#define WORD(name, word) word,
static bool parse_precision(const char *subcommand, const char *text, ferry_precision *out)
{
    static const char *const words[] = {FERRY_PRECISION_LIST(WORD)};
    int found = cli_parse_word(subcommand, "--precision", text, words, FERRY_PRECISION_COUNT);
    if (found >= 0) *out = (ferry_precision)found;
    return found >= 0;
}

static bool parse_numerics(const char *subcommand, const char *text, ferry_numerics *out)
{
    static const char *const words[] = {FERRY_NUMERICS_LIST(WORD)};
    int found = cli_parse_word(subcommand, "--numerics", text, words, FERRY_NUMERICS_COUNT);
    if (found >= 0) *out = (ferry_numerics)found;
    return found >= 0;
}
#undef WORD

bool cli_parse_compute(const char *subcommand, int option, const char *text, cli_compute *out)
{
    switch (option) {
    case CLI_PRECISION: return parse_precision(subcommand, text, &out->precision);
    case CLI_NUMERICS: return parse_numerics(subcommand, text, &out->numerics);
    case CLI_PROMPT: out->prompt = text; return true;
    case CLI_CENTER: out->center = text; return true;
    case CLI_THREADS: return cli_parse_count(subcommand, "--threads", text, &out->threads);
    default:
        cli_help_hint(subcommand); /* getopt has said what is wrong */
        return false;
    }
}

ferry_encoder_options cli_encoder_options(const cli_compute *compute)
{
    ferry_encoder_options options = {.size = sizeof options,
                                     .kernels = compute->kernels,
                                     .precision = compute->precision,
                                     .numerics = compute->numerics,
                                     .threads = compute->threads,
                                     .prompt = compute->prompt,
                                     .center = compute->center};
    if (options.threads > 0) return options;
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    options.threads = online < 1 ? 1 : online > 64 ? 64 : (size_t)online;
    return options;
}

int cli_fail(const char *subcommand, ferry_status status, const ferry_error *error)
{
    fprintf(stderr, "ferry %s: %s\n", subcommand, error->message);
    return status == FERRY_CANCELLED ? EXIT_INTERRUPTED : EXIT_ERROR;
}

ferry_status cli_read_file(const char *path, ferry_buffer *buffer, ferry_error *error)
{
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *file = is_stdin ? stdin : fopen(path, "rb");
    if (file == NULL) return ferry_fail(error, FERRY_IO, "%s: %s", path, strerror(errno));
    ferry_status status = FERRY_OK;
    buffer->size = 0;
    for (;;) {
        enum { STEP = 1 << 16 };
        if (!ferry_buffer_reserve(buffer, STEP)) {
            status = ferry_fail_memory(error, path);
            break;
        }
        size_t count = fread(buffer->data + buffer->size, 1, STEP, file);
        buffer->size += count;
        if (count == 0) break;
    }
    if (status == FERRY_OK && ferror(file))
        status = ferry_fail(error, FERRY_IO, "%s: %s", path, strerror(errno));
    if (!is_stdin) fclose(file);
    return status;
}

ferry_status cli_encode_file(ferry_encoder *encoder, ferry_modality modality, const char *path,
                             bool classes, float *out, ferry_error *error)
{
    ferry_buffer bytes;
    ferry_buffer_init(&bytes, ferry_allocator_or_default(NULL));
    ferry_status status = cli_read_file(path, &bytes, error);
    ferry_file file = {path, bytes.data, bytes.size};
    if (status == FERRY_OK)
        status = ferry_encode_file(encoder, modality, &file, classes, out, error);
    ferry_buffer_free(&bytes);
    return status;
}

ferry_status cli_write_file(const char *path, const ferry_buffer *bytes, ferry_error *error)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL) return ferry_fail(error, FERRY_IO, "%s: %s", path, strerror(errno));
    errno = 0;
    bool written = fwrite(bytes->data, 1, bytes->size, file) == bytes->size;
    int reason = errno;
    if (fclose(file) != 0) {
        if (written) reason = errno;
        written = false;
    }
    if (written) return FERRY_OK;
    struct stat about;
    if (stat(path, &about) == 0 && S_ISREG(about.st_mode)) remove(path);
    return ferry_fail(error, FERRY_IO, "%s: %s", path, strerror(reason));
}

ferry_status cli_make_writable(const char *directory, ferry_error *error)
{
    int reason = 0;
    if (mkdir(directory, 0777) != 0 && errno != EEXIST && errno != ENOENT) reason = errno;
    struct stat about;
    if (reason == 0 && stat(directory, &about) == 0) {
        if (!S_ISDIR(about.st_mode))
            reason = ENOTDIR;
        else if (access(directory, W_OK) != 0)
            reason = errno;
    } /* else its parents are missing too: saving makes them all */
    if (reason == 0) return FERRY_OK;
    return ferry_fail(error, FERRY_IO, "%s: %s", directory, strerror(reason));
}

ferry_file cli_table(const char *path, const ferry_buffer *buffer, ferry_table_format *format)
{
    bool is_stdin = strcmp(path, "-") == 0;
    *format = is_stdin ? FERRY_TABLE_JSONL : FERRY_TABLE_AUTO;
    return (ferry_file){is_stdin ? "stdin" : path, buffer->data, buffer->size};
}

bool cli_refused(void *user, const char *file, size_t line, const char *reason)
{
    cli_report *report = user;
    report->refused++;
    if (report->strict) return false; /* the error says it */
    if (!report->quiet && report->refused <= CLI_MAX_PRINTED)
        fprintf(stderr, "%s:%zu: left out: %s\n", file, line, reason);
    return true;
}

void cli_report_end(const cli_report *report)
{
    if (!report->quiet && !report->strict && report->refused > CLI_MAX_PRINTED)
        fprintf(stderr, "… and %zu more left out\n", report->refused - CLI_MAX_PRINTED);
}

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void cli_catch_interrupt(void)
{
    struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL); /* a second Ctrl-C kills */
}

/* ", 1:05 left", at the pace so far. */
static void print_time_left(const cli_report *report, size_t done, size_t total)
{
    double seconds = cli_seconds() - report->begun;
    if (report->begun == 0.0 || done <= report->before || done == total || seconds < 1.0) return;
    double left = seconds * (double)(total - done) / (double)(done - report->before);
    fprintf(stderr, ", %.0f:%02.0f left", floor(left / 60.0), floor(fmod(left, 60.0)));
}

bool cli_progress(void *user, size_t done, size_t total)
{
    const cli_report *report = user;
    enum { WIDTH = 40 };
    if (!report->quiet && total > 0 && isatty(STDERR_FILENO)) {
        size_t filled = done * WIDTH / total;
        fprintf(stderr, "\r%s [", report->subcommand);
        for (size_t i = 0; i < WIDTH; i++) fputc(i < filled ? '#' : '.', stderr);
        fprintf(stderr, "] %zu/%zu %s", done, total, report->unit);
        print_time_left(report, done, total);
        fputs(done == total ? "\n" : "\x1b[K", stderr);
    }
    return !interrupted;
}

double cli_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
