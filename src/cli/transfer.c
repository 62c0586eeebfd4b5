/* ferry transfer: a model of other domains to a model of this one. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/training.h"
#include "eval/model_scorer.h"
#include "eval/report.h"
#include "recsys/model_files.h"

static const char help[] =
    "Usage: ferry transfer --from DIR --data DIR --catalog DIR --domain T --out DIR [OPTION]…\n\n"
    "Begins with what a model learned in other domains and trains on T; a guard trains without it\n"
    "too, and keeps the transfer if it ranks the validation events better, beyond chance. Without\n"
    "a training event (--shots 0) T is ranked by its texts, with the weights of the source.\n\n"
    "  --from DIR          the source: what 'ferry train' wrote\n"
    "  --domain T          the target\n"
    "  --train WHAT        all (the default), adapters, or both\n"
    "  --rank N            of T's adapter, 8\n"
    "  --l2sp X            lambda of lambda |W - source|^2, 1e-3\n"
    "  --no-guard          the transfer is kept in any case\n";

typedef struct transfer {
    cli_training training; /* first: the callbacks' user */
    const char *from;
    size_t rank;
    bool no_guard;
    ferry_model *source;
} transfer;

/* ---- options ---- */

static bool take_trainable(transfer *t, const char *text)
{
    static const char *const words[] = {"all", "adapters", "both"};
    int found = cli_parse_word("transfer", "--train", text, words, 3);
    if (found >= 0) t->training.fit.train.trainable = (ferry_trainable)found;
    return found >= 0;
}

static bool take(transfer *t, int option)
{
    char *end;
    switch (option) {
    case 'F': t->from = optarg; return true;
    case 'W': return take_trainable(t, optarg);
    case '4': return cli_parse_count("transfer", "--rank", optarg, &t->rank);
    case '2':
        t->training.fit.train.l2sp = strtod(optarg, &end);
        if (end != optarg && *end == '\0' && t->training.fit.train.l2sp >= 0.0) return true;
        cli_usage("transfer", "--l2sp %s: expected a number from 0", optarg);
        return false;
    case 'G': t->no_guard = true; return true;
    default: return cli_training_take(&t->training, option);
    }
}

static int parse(int argc, char **argv, transfer *t)
{
    static const struct option known[] = {CLI_COMMON_OPTIONS,
                                          CLI_TRAINING_OPTIONS,
                                          {"from", required_argument, NULL, 'F'},
                                          {"train", required_argument, NULL, 'W'},
                                          {"rank", required_argument, NULL, '4'},
                                          {"l2sp", required_argument, NULL, '2'},
                                          {"no-guard", no_argument, NULL, 'G'},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "hq", known, NULL)) != -1;) {
        if (c == 'h') return fputs(help, stdout), fputs(cli_training_help, stdout), EXIT_OK;
        if (c == '?') return cli_help_hint("transfer"); /* getopt has said what is wrong */
        if (!take(t, c)) return EXIT_USAGE;
    }
    if (optind < argc) return cli_usage("transfer", "unexpected word \"%s\"", argv[optind]);
    if (t->from == NULL) return cli_usage("transfer", "--from is missing");
    if (t->training.domains.count > 1)
        return cli_usage("transfer", "one --domain is the target, but %zu are given",
                         t->training.domains.count);
    return cli_training_check(&t->training);
}

/* ---- the guard ---- */

static ferry_status evaluate(transfer *t, const ferry_model *model, ferry_evaluation **out,
                             ferry_eval_options *how, ferry_error *error)
{
    static const size_t ks[] = {10};
    ferry_model_scorer *scorer;
    *how = (ferry_eval_options){.domain = t->training.indices[0],
                                .part = FERRY_VALIDATION,
                                .ks = ks,
                                .k_count = 1,
                                .resamples = 1000,
                                .seed = 1,
                                .kernels = t->training.catalog->kernels,
                                .pool = t->training.pool};
    FERRY_TRY(ferry_model_scorer_create(model, t->training.dataset, how->domain, t->training.pool,
                                        &scorer, error));
    ferry_status status = ferry_evaluate(t->training.dataset, how, ferry_model_scorer_score, scorer,
                                         NULL, out, error);
    ferry_model_scorer_close(scorer);
    return status;
}

/*
 * NDCG@10 of both on the same validation users. The transfer is worth it if the paired interval of
 * the difference is above 0: with few users a mean alone takes what harms.
 */
static ferry_status compare(transfer *t, const ferry_model *with, const ferry_model *without,
                            bool *worth, ferry_error *error)
{
    ferry_evaluation *a = NULL, *b = NULL;
    ferry_eval_comparison comparison = {0};
    ferry_eval_options how;
    ferry_buffer saved;
    ferry_buffer_init(&saved, ferry_allocator_or_default(NULL));
    ferry_status status = evaluate(t, without, &b, &how, error);
    if (status == FERRY_OK) status = evaluate(t, with, &a, &how, error);
    if (status == FERRY_OK) status = ferry_evaluation_save(b, "without", &saved, error);
    if (status == FERRY_OK) {
        ferry_file file = {"without", saved.data, saved.size};
        status = ferry_evaluation_compare(a, &file, &how, NULL, &comparison, error);
    }
    if (status == FERRY_OK) {
        const ferry_eval_figure *x = ferry_evaluation_find(a, "ndcg@10"),
                                *y = ferry_evaluation_find(b, "ndcg@10");
        for (size_t i = 0; i < comparison.figure_count; i++) {
            const ferry_eval_figure *difference = &comparison.figures[i];
            if (strcmp(difference->name, "ndcg@10") != 0) continue;
            *worth = difference->low > 0.0;
            if (t->training.report.quiet) continue;
            fprintf(stderr,
                    "guard: ndcg@10 on %zu validation users: with the source %.4f, without %.4f, "
                    "difference %+.4f [%+.4f, %+.4f]: %s is kept\n",
                    a->user_count, x->mean, y->mean, difference->mean, difference->low,
                    difference->high, *worth ? "the transfer" : "training without it");
        }
    }
    ferry_eval_comparison_close(&comparison);
    ferry_evaluation_close(a);
    ferry_evaluation_close(b);
    ferry_buffer_free(&saved);
    return status;
}

/* ---- the work ---- */

static ferry_status fit(transfer *t, const ferry_model *source, ferry_model **out,
                        ferry_fit_report *report, ferry_error *error)
{
    ferry_fit_options *fit_options = &t->training.fit;
    ferry_fit_options kept = *fit_options;
    fit_options->source = source;
    fit_options->mix = source;
    if (source != NULL && source->net != NULL) {
        fit_options->net = source->net->config;
        fit_options->net.adapter_rank =
            fit_options->train.trainable == FERRY_TRAIN_ALL ? 0 : t->rank;
    } else {
        fit_options->train.trainable = FERRY_TRAIN_ALL;
        fit_options->train.l2sp = 0.0;
    }
    ferry_status status = cli_training_fit(&t->training, out, report, error);
    *fit_options = kept;
    return status;
}

static ferry_status guarded(transfer *t, ferry_error *error)
{
    ferry_model *with = NULL, *without = NULL;
    ferry_fit_report report, report_without;
    bool worth = true;
    ferry_status status = fit(t, t->source, &with, &report, error);
    if (status == FERRY_OK && !t->no_guard) {
        if (!t->training.report.quiet) fputs("guard: the same without the source\n", stderr);
        t->training.checkpoint_name = "checkpoint-without";
        status = fit(t, NULL, &without, &report_without, error);
        if (status == FERRY_OK) status = compare(t, with, without, &worth, error);
    }
    const ferry_model *best = worth ? with : without;
    if (status == FERRY_OK) status = cli_training_save(&t->training, best, error);
    if (status == FERRY_OK)
        cli_training_print(&t->training, best, worth ? &report : &report_without);
    ferry_model_close(with);
    ferry_model_close(without);
    return status;
}

static bool has_events(const ferry_interactions *domain, ferry_part part)
{
    for (size_t i = 0; i < domain->event_count; i++)
        if (domain->part[i] == part) return true;
    return false;
}

static ferry_status run(transfer *t, ferry_error *error)
{
    cli_training *training = &t->training;
    FERRY_TRY(cli_training_open(training, error));
    FERRY_TRY(ferry_model_open_directory(training->catalog, t->from, &t->source, error));
    ferry_interactions *target = &training->dataset->domains[training->indices[0]];
    for (size_t d = 0; d < t->source->known_domains; d++)
        if (strcmp(t->source->domains[d].name, target->domain) == 0)
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "%s was trained on \"%s\" already: a source knows other domains",
                              t->from, target->domain);
    if (has_events(target, FERRY_TRAIN)) {
        if (t->no_guard || has_events(target, FERRY_VALIDATION)) return guarded(t, error);
        return ferry_fail(error, FERRY_NOT_FOUND,
                          "no validation event of \"%s\" for the guard to compare by: --no-guard "
                          "keeps the transfer untested",
                          target->domain);
    }
    if (!training->report.quiet)
        fprintf(stderr,
                "no training events of %s: it is ranked by its texts, with the weights of %s\n",
                target->domain, t->from);
    return cli_training_save(training, t->source, error);
}

int cli_transfer(int argc, char **argv)
{
    transfer t = {.rank = 8};
    cli_training_init(&t.training, "transfer", argc);
    t.training.fit.train.l2sp = 1e-3;
    int code = parse(argc, argv, &t);
    if (code < 0) {
        ferry_error error = {0};
        ferry_status status = run(&t, &error);
        code = status == FERRY_OK ? EXIT_OK : cli_fail("transfer", status, &error);
    }
    ferry_model_close(t.source);
    cli_training_close(&t.training);
    return code;
}
