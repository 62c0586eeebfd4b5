/* What the subcommands share: options, files, progress, messages. One file a subcommand. */
#ifndef FERRY_CLI_CLI_H
#define FERRY_CLI_CLI_H

#include <getopt.h>
#include <stdio.h>

#include "base/memory.h"
#include "ferry/ferry.h"

enum { EXIT_OK = 0, EXIT_ERROR = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

int cli_align(int argc, char **argv);
int cli_catalog(int argc, char **argv);
int cli_center(int argc, char **argv);
int cli_encode(int argc, char **argv);
int cli_eval(int argc, char **argv);
int cli_prepare(int argc, char **argv);
int cli_profile(int argc, char **argv);
int cli_quantize(int argc, char **argv);
int cli_recommend(int argc, char **argv);
int cli_search(int argc, char **argv);
int cli_train(int argc, char **argv);
int cli_transfer(int argc, char **argv);

/* ---- options ---- */

/* [count + 1] zeroed elements, room for every word of the command line; exits on lack of memory.
 * The caller frees. */
void *cli_array(int count, size_t size);

/* Repeated options, e.g. --items a --items b; texts are argv's. */
typedef struct cli_list {
    const char **values; /* [count]; argv's pointers */
    size_t count;
} cli_list;

/* Room for every word of the command line; exits on lack of memory. */
cli_list cli_list_make(int argc);
void cli_list_free(cli_list *list);

/* getopt_long with the common options (-h, -q, --kernels) added by every subcommand's table. The
 * messages for wrong options are getopt's; what follows is for values. */
#define CLI_COMMON_OPTIONS                                               \
    {"help", no_argument, NULL, 'h'}, {"quiet", no_argument, NULL, 'q'}, \
        {"kernels", required_argument, NULL, 'K'}

/* What a subcommand that encodes takes besides: how it is to compute. */
typedef struct cli_compute {
    const char *kernels;
    ferry_precision precision;
    ferry_numerics numerics;
    size_t threads;              /* 0: one for each processor that is online */
    const char *prompt, *center; /* NULL: as ferry_encoder_options has it */
} cli_compute;

enum { CLI_PRECISION = 256, CLI_THREADS, CLI_NUMERICS, CLI_PROMPT, CLI_CENTER };
#define CLI_COMPUTE_OPTIONS                                \
    {"precision", required_argument, NULL, CLI_PRECISION}, \
        {"threads", required_argument, NULL, CLI_THREADS}, \
        {"prompt", required_argument, NULL, CLI_PROMPT},   \
        {"center", required_argument, NULL, CLI_CENTER},   \
    {                                                      \
        "numerics", required_argument, NULL, CLI_NUMERICS  \
    }
#define CLI_COMPUTE_HELP                                                                           \
    "  --prompt NAME     what is put before each text, of those the model names (query, "          \
    "passage);\n"                                                                                  \
    "                    else its default, if it has one; \"\" for nothing\n"                      \
    "  --center NAME     take away the mean embedding of that language, of those in the model's\n" \
    "                    centers.safetensors (see ferry center); auto: the nearest\n"              \
    "  --precision P     auto (as the model's file has it), f32, int8\n"                           \
    "  --threads N       how many compute; else as many as there are processors: same result\n"    \
    "  --kernels NAME    auto, or one of those `ferry --version` lists: same result\n"             \
    "  --numerics N      exact; or fast: f32 with fused multiply-add, where the machine has it.\n" \
    "                    Its results are as good, but differ in the last digits\n"

/* Takes an option of CLI_COMPUTE_OPTIONS; false prints a usage message. */
bool cli_parse_compute(const char *subcommand, int option, const char *text, cli_compute *out);

ferry_encoder_options cli_encoder_options(const cli_compute *compute);

/* Prints to stderr "ferry SUBCOMMAND: message" and how to get help; returns EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int cli_usage(const char *subcommand, const char *format,
                                                    ...);

/* How to get help, after getopt's own message; returns EXIT_USAGE. */
int cli_help_hint(const char *subcommand);

/* "texts", "pictures", "sounds" */
extern const char *const cli_units[FERRY_MODALITY_COUNT];

/* "" for 1, else "s". */
const char *cli_plural(size_t count);

/* A whole number from 1; false prints a usage message. */
bool cli_parse_count(const char *subcommand, const char *option, const char *text, size_t *out);

/* A number in [0, most], which may be INFINITY; false prints a usage message. */
bool cli_parse_number(const char *subcommand, const char *option, const char *text, double most,
                      double *out);

/* Which of the words [count] the text is; -1 prints a usage message that names them all. */
int cli_parse_word(const char *subcommand, const char *option, const char *text,
                   const char *const *words, size_t count);

/* "MODALITY=NUMBER" of --modality-weight, the number in [0, most]; false prints a usage message. */
bool cli_parse_modality_weight(const char *subcommand, const char *text, double most,
                               ferry_modality *modality, double *weight);

/* A clock that only goes forwards, in seconds. */
double cli_seconds(void);

/* ---- errors ---- */

/* Prints the error; returns the exit code for it. */
int cli_fail(const char *subcommand, ferry_status status, const ferry_error *error);

/* ---- files ---- */

/* Reads a whole file, "-" being stdin, into buffer. */
ferry_status cli_read_file(const char *path, ferry_buffer *buffer, ferry_error *error);

/* ferry_encode_file of a file of that path. */
ferry_status cli_encode_file(ferry_encoder *encoder, ferry_modality modality, const char *path,
                             bool classes, float *out, ferry_error *error);

/* Writes a whole file; if it cannot, half a file is not left. */
ferry_status cli_write_file(const char *path, const ferry_buffer *bytes, ferry_error *error);

/* Makes the directory if it is not there; IO if nothing can be written into it. */
ferry_status cli_make_writable(const char *directory, ferry_error *error);

/* A path as a ferry_file over buffer's bytes and the format to read it as: stdin is JSONL. */
ferry_file cli_table(const char *path, const ferry_buffer *buffer, ferry_table_format *format);

/* ---- refused rows and progress ---- */

typedef struct cli_report {
    const char *subcommand;
    bool quiet, strict;
    size_t refused;   /* rows */
    const char *unit; /* of the progress bar: "items" */
    double begun;     /* cli_seconds() when the work began, for the time left; 0: none is told */
    size_t before;    /* how much of it was done already */
} cli_report;

enum { CLI_MAX_PRINTED = 100 }; /* of refused rows; a wrong file has a million */

/* A ferry_row_refused: counts the row, prints it unless many were, ends the reading if strict. */
bool cli_refused(void *report, const char *file, size_t line, const char *reason);
/* Tells how many refused rows were not printed, if any. */
void cli_report_end(const cli_report *report);
/* A ferry_progress: a bar if stderr is a terminal; false after Ctrl-C. */
bool cli_progress(void *report, size_t done, size_t total);
/* From here on Ctrl-C makes cli_progress return false, instead of killing the process. */
void cli_catch_interrupt(void);

#endif
