/* What `ferry train` and `ferry transfer` share: options, the data, progress, checkpoints. */
#ifndef FERRY_CLI_TRAINING_H
#define FERRY_CLI_TRAINING_H

#include "cli/cli.h"
#include "train/fit.h"

typedef struct cli_training {
    const char *subcommand;
    const char *data, *catalog_path, *out, *shots, *kernels, *mix_from;
    cli_list domains, targets;
    ferry_fit_options fit;
    size_t threads;
    bool json, resume, with_validation;
    cli_report report;

    /* open while it runs */
    ferry_catalog *catalog;
    ferry_dataset *dataset;
    ferry_pool *pool;
    size_t *indices;             /* [domains.count] the data set's */
    const char *checkpoint_name; /* in --out */
    ferry_buffer checkpoint;
    double began, last_shown;
    bool checkpointed; /* there is something for --resume */
} cli_training;

/* Options of both subcommands, for getopt_long; letters are those of cli_training_take. */
#define CLI_TRAINING_OPTIONS                                                                       \
    {"data", required_argument, NULL, 'd'}, {"catalog", required_argument, NULL, 'c'},             \
        {"domain", required_argument, NULL, 'D'}, {"shots", required_argument, NULL, 'S'},         \
        {"out", required_argument, NULL, 'o'}, {"objective", required_argument, NULL, 'O'},        \
        {"epochs", required_argument, NULL, 'e'}, {"learning-rate", required_argument, NULL, 'l'}, \
        {"batch", required_argument, NULL, 'b'}, {"samples", required_argument, NULL, 'n'},        \
        {"dropout", required_argument, NULL, 'p'}, {"seed", required_argument, NULL, 's'},         \
        {"threads", required_argument, NULL, 't'}, {"patience", required_argument, NULL, 'P'},     \
        {"target", required_argument, NULL, 'T'}, {"mask-history", no_argument, NULL, 'H'},        \
        {"default-mix", no_argument, NULL, 'm'},                                                   \
        {"checkpoint-every", required_argument, NULL, 'k'}, {"resume", no_argument, NULL, 'r'},    \
        {"with-validation", no_argument, NULL, 'V'}, {"mix-from", required_argument, NULL, 'x'},   \
        {"json", no_argument, NULL, 'j'}

extern const char cli_training_help[];

/* Defaults; argc bounds the number of --domain options. */
void cli_training_init(cli_training *training, const char *subcommand, int argc);
/* A whole number from 0; false prints a usage message. */
bool cli_training_parse_size(const cli_training *training, const char *option, const char *text,
                             size_t *out);
/* One option; false if its value is wrong, which is then said. */
bool cli_training_take(cli_training *training, int option);
/* What is missing is said, and EXIT_USAGE returned; else -1. */
int cli_training_check(cli_training *training);

/* Opens catalogue and data, binds them, finds the domains, reads a checkpoint if asked to. */
ferry_status cli_training_open(cli_training *training, ferry_error *error);
/* Trains on the domains, with progress and checkpoints. */
ferry_status cli_training_fit(cli_training *training, ferry_model **out, ferry_fit_report *report,
                              ferry_error *error);
/* Writes the model, removes the checkpoint. */
ferry_status cli_training_save(cli_training *training, const ferry_model *model,
                               ferry_error *error);
void cli_training_close(cli_training *training);

/* The report: a table on stderr, or one JSON object on stdout. */
void cli_training_print(const cli_training *training, const ferry_model *model,
                        const ferry_fit_report *report);

#endif
