#define _POSIX_C_SOURCE 200809L
#include "cli/training.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/directory.h"
#include "base/error.h"
#include "base/json.h"
#include "recsys/model_files.h"

const char cli_training_help[] =
    "  --data DIR          what 'ferry prepare' wrote\n"
    "  --catalog DIR       what 'ferry catalog' wrote, with the same items\n"
    "  --out DIR           the model: ferry.json, items.jsonl, model.safetensors\n"
    "  --objective NAME    softmax (the default), bpr, or mse on the events' values\n"
    "  --target NAME       only events of this behaviour are predicted; all are read. May be\n"
    "                      given several times\n"
    "  --shots N|X%        events of only N, or X per cent, of a domain's users, drawn by the "
    "seed\n"
    "  --epochs N          12     --learning-rate X  6e-3   --batch N  positions a step, 1024\n"
    "  --samples N         softmax over the batch's items and N drawn ones, 1024; 0: all items\n"
    "  --dropout X         0.3    --patience N  epochs without a better one to stop after; 0 (the\n"
    "                                       default): never, the last parameters stand\n"
    "  --mask-history      what was there before is no candidate of the softmax: better for the "
    "net\n"
    "                      alone, worse in the mix\n"
    "  --default-mix       the mix's weights are not learned\n"
    "  --with-validation   validation events are learned from too: no early stopping, and the "
    "mix's\n"
    "                      weights are those of --mix-from, or the default ones\n"
    "  --mix-from DIR      the weights of the mix of an earlier model are taken\n"
    "  --seed N            0; the same seed gives the same bytes on every machine\n"
    "  --threads N         1; the same bytes with any number\n"
    "  --checkpoint-every N  steps between checkpoints, 200; one is written on Ctrl-C too\n"
    "  --resume            goes on from the checkpoint in --out, to the same bytes\n"
    "  --json              the report as one JSON object on stdout\n"
    "  --kernels NAME      auto, or one of those `ferry --version` lists: same result\n"
    "  -q, --quiet         no progress\n"
    "  -h, --help\n";

enum { MOST_PATH = 4000 };

static double clock_of(void *training)
{
    (void)training;
    return cli_seconds();
}

/* ---- the command line ---- */

void cli_training_init(cli_training *t, const char *subcommand, int argc)
{
    *t = (cli_training){.subcommand = subcommand,
                        .domains = cli_list_make(argc),
                        .targets = cli_list_make(argc),
                        .fit = ferry_fit_options_default(),
                        .threads = 1,
                        .checkpoint_name = "checkpoint",
                        .report = {.subcommand = subcommand, .unit = "steps"}};
    t->fit.train.checkpoint_every = 200;
    ferry_buffer_init(&t->checkpoint, ferry_allocator_or_default(NULL));
}

/* A number in [low, high]; false prints a usage message. */
static bool parse_number(const cli_training *t, const char *option, const char *text, double low,
                         double high, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (text[0] != '\0' && *end == '\0' && *out >= low && *out <= high) return true;
    cli_usage(t->subcommand, "%s %s: expected a number in %g…%g", option, text, low, high);
    return false;
}

bool cli_training_parse_size(const cli_training *t, const char *option, const char *text,
                             size_t *out)
{
    *out = 0;
    return strcmp(text, "0") == 0 || cli_parse_count(t->subcommand, option, text, out);
}

static bool parse_objective(cli_training *t, const char *text)
{
    static const char *const words[] = {"softmax", "bpr", "mse"};
    int found = cli_parse_word(t->subcommand, "--objective", text, words, 3);
    if (found >= 0) t->fit.train.objective = (ferry_objective)found;
    return found >= 0;
}

/* "5%", "200" or "0"; false prints a usage message. */
static bool parse_shots(const cli_training *t, const char *text, size_t users, size_t *out)
{
    char *end;
    double number = strtod(text, &end);
    bool share = strcmp(end, "%") == 0;
    if (end == text || (!share && *end != '\0') || !(number >= 0.0) || number > 1e9 ||
        (share && number > 100.0)) {
        cli_usage(t->subcommand, "--shots %s: expected a number of users, or a share as 5%%", text);
        return false;
    }
    *out = share ? (size_t)((double)users * number / 100.0 + 0.5) : (size_t)number;
    return true;
}

/* "a,b" is two domains. */
static void take_domains(cli_training *t, char *text)
{
    for (char *name = strtok(text, ","); name != NULL; name = strtok(NULL, ",")) {
        const char **more = realloc(t->domains.values, (t->domains.count + 2) * sizeof *more);
        if (more == NULL) abort();
        t->domains.values = more;
        t->domains.values[t->domains.count++] = name;
    }
}

bool cli_training_take(cli_training *t, int option)
{
    ferry_train_options *train = &t->fit.train;
    double number;
    size_t size;
    switch (option) {
    case 'd': t->data = optarg; return true;
    case 'c': t->catalog_path = optarg; return true;
    case 'o': t->out = optarg; return true;
    case 'K': t->kernels = optarg; return true;
    case 'D': take_domains(t, optarg); return true;
    case 'S': t->shots = optarg; return parse_shots(t, optarg, 1, &size);
    case 'T': t->targets.values[t->targets.count++] = optarg; return true;
    case 'O': return parse_objective(t, optarg);
    case 'e': return cli_parse_count(t->subcommand, "--epochs", optarg, &train->epochs);
    case 'b': return cli_parse_count(t->subcommand, "--batch", optarg, &train->batch_positions);
    case 'n': return cli_training_parse_size(t, "--samples", optarg, &train->samples);
    case 'l': return parse_number(t, "--learning-rate", optarg, 1e-9, 100, &train->learning_rate);
    case 'p':
        if (!parse_number(t, "--dropout", optarg, 0, 0.99, &number)) return false;
        train->dropout = train->encoder_dropout = (float)number;
        return true;
    case 'P': return cli_training_parse_size(t, "--patience", optarg, &train->patience);
    case 's':
        if (!cli_training_parse_size(t, "--seed", optarg, &size)) return false;
        train->seed = size;
        return true;
    case 't': return cli_parse_count(t->subcommand, "--threads", optarg, &t->threads);
    case 'k':
        return cli_training_parse_size(t, "--checkpoint-every", optarg, &train->checkpoint_every);
    case 'H': train->mask_history = true; return true;
    case 'm': t->fit.default_mix = true; return true;
    case 'V': t->with_validation = true; return true;
    case 'x': t->mix_from = optarg; return true;
    case 'r': t->resume = true; return true;
    case 'j': t->json = true; return true;
    default: t->report.quiet = true; return true; /* 'q' */
    }
}

int cli_training_check(cli_training *t)
{
    if (t->data == NULL) return cli_usage(t->subcommand, "--data is missing");
    if (t->catalog_path == NULL) return cli_usage(t->subcommand, "--catalog is missing");
    if (t->domains.count == 0) return cli_usage(t->subcommand, "--domain is missing");
    if (t->out == NULL || t->out[0] == '\0') return cli_usage(t->subcommand, "--out is missing");
    if (strlen(t->out) > MOST_PATH)
        return cli_usage(t->subcommand, "--out is longer than %d bytes", MOST_PATH);
    return -1;
}

/* ---- opening ---- */

static ferry_status find_targets(cli_training *t, ferry_error *error)
{
    for (size_t i = 0; i < t->targets.count; i++) {
        size_t b = 0;
        while (b < t->dataset->behavior_count &&
               strcmp(t->dataset->behaviors[b], t->targets.values[i]) != 0)
            b++;
        if (b == t->dataset->behavior_count || b >= 64)
            return ferry_fail(error, FERRY_NOT_FOUND, "%s: no behaviour \"%s\"%s", t->data,
                              t->targets.values[i], b >= 64 ? " among the first 64" : "");
        t->fit.train.target_behaviors |= (uint64_t)1 << b;
    }
    return FERRY_OK;
}

static ferry_status limit_users(cli_training *t, ferry_error *error)
{
    for (size_t d = 0; d < t->domains.count && t->shots != NULL; d++) {
        size_t users = 0;
        parse_shots(t, t->shots, t->dataset->domains[t->indices[d]].user_count, &users);
        FERRY_TRY(ferry_dataset_limit(t->dataset, t->indices[d], users, t->fit.train.seed, error));
    }
    return FERRY_OK;
}

/* Validation events become training events; a user's parts still never go back. */
static void learn_validation(ferry_dataset *dataset)
{
    for (size_t d = 0; d < dataset->domain_count; d++) {
        ferry_interactions *domain = &dataset->domains[d];
        for (size_t e = 0; e < domain->event_count; e++)
            if (domain->part[e] == FERRY_VALIDATION) domain->part[e] = FERRY_TRAIN;
    }
}

ferry_status cli_training_open(cli_training *t, ferry_error *error)
{
    ferry_catalog_options open = {.size = sizeof open, .kernels = t->kernels};
    FERRY_TRY(ferry_pool_create(NULL, t->threads, &t->pool, error));
    FERRY_TRY(ferry_catalog_open_directory(t->catalog_path, &open, &t->catalog, error));
    FERRY_TRY(ferry_dataset_open_directory(t->data, NULL, &t->dataset, error));
    FERRY_TRY(ferry_dataset_bind(t->dataset, t->catalog, error));
    if (t->with_validation) learn_validation(t->dataset);
    t->indices = calloc(t->domains.count, sizeof *t->indices);
    if (t->indices == NULL) return ferry_fail_memory(error, "the domains");
    for (size_t d = 0; d < t->domains.count; d++) {
        FERRY_TRY(
            ferry_dataset_find_domain(t->dataset, t->domains.values[d], &t->indices[d], error));
        for (size_t e = 0; e < d; e++)
            if (t->indices[e] == t->indices[d])
                return ferry_fail(error, FERRY_INVALID_ARGUMENT, "--domain %s is given twice",
                                  t->domains.values[d]);
    }
    FERRY_TRY(find_targets(t, error));
    FERRY_TRY(limit_users(t, error));
    return cli_make_writable(t->out, error); /* now, not after minutes of training */
}

/* The weights of an earlier model's mix, domain by domain. */
static ferry_status take_mix(const cli_training *t, ferry_model *model, ferry_error *error)
{
    ferry_model *from;
    FERRY_TRY(ferry_model_open_directory(t->catalog, t->mix_from, &from, error));
    ferry_status status = FERRY_OK;
    for (size_t d = 0; d < model->known_domains && status == FERRY_OK; d++) {
        ferry_model_domain *to = &model->domains[d];
        size_t m = 0;
        while (m < from->known_domains && strcmp(from->domains[m].name, to->name) != 0) m++;
        if (m == from->known_domains)
            status = ferry_fail(error, FERRY_NOT_FOUND, "%s: has not learned of \"%s\"",
                                t->mix_from, to->name);
        else
            memcpy(to->mix, from->domains[m].mix, sizeof to->mix);
    }
    ferry_model_close(from);
    return status;
}

void cli_training_close(cli_training *t)
{
    ferry_buffer_free(&t->checkpoint);
    free(t->indices);
    ferry_dataset_close(t->dataset);
    ferry_catalog_close(t->catalog);
    ferry_pool_close(t->pool);
    cli_list_free(&t->domains);
    cli_list_free(&t->targets);
}

/* ---- progress and checkpoints ---- */

static bool show_progress(void *user, const ferry_train_progress *p)
{
    cli_training *t = user;
    double at = cli_seconds();
    bool last = p->step == p->steps;
    if (!t->report.quiet && isatty(STDERR_FILENO) && (at - t->last_shown > 0.2 || last)) {
        t->last_shown = at;
        fprintf(stderr,
                "\repoch %zu/%zu  step %zu/%zu  loss %.3f  ndcg@10 %.4f (best %.4f)  %.0f "
                "positions/s  %.0f s left \033[K%s",
                p->epoch, p->epochs, p->step, p->steps, p->loss, p->metric < 0 ? 0 : p->metric,
                p->best_metric < 0 ? 0 : p->best_metric, p->positions_per_second, p->seconds_left,
                last ? "\n" : "");
    }
    return cli_progress(&(cli_report){.quiet = true}, p->step, p->steps); /* Ctrl-C */
}

/* It appears whole or not at all: a kill in between leaves the one before. */
static ferry_status write_checkpoint(void *user, const void *bytes, size_t size, ferry_error *error)
{
    cli_training *t = user;
    ferry_buffer none;
    ferry_buffer_init(&none, ferry_allocator_or_default(NULL));
    FERRY_TRY(ferry_directory_write(t->out, t->checkpoint_name, &none, bytes, size, error));
    t->checkpointed = true;
    return FERRY_OK;
}

static bool show_stage(void *user, const char *what, const char *domain)
{
    cli_training *t = user;
    if (!t->report.quiet)
        fprintf(stderr, "%6.1f s  %s%s%s\n", cli_seconds() - t->began, what,
                domain != NULL ? " of " : "", domain != NULL ? domain : "");
    return cli_progress(&(cli_report){.quiet = true}, 0, 0); /* Ctrl-C */
}

/* What there is to go on from, if asked to. */
static ferry_status read_checkpoint(cli_training *t, ferry_error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", t->out, t->checkpoint_name);
    t->fit.train.resume = NULL;
    if (!t->resume) return FERRY_OK;
    if (access(path, F_OK) != 0) {
        if (!t->report.quiet) fprintf(stderr, "%s: not there, so from the beginning\n", path);
        return FERRY_OK;
    }
    t->checkpoint.size = 0;
    FERRY_TRY(cli_read_file(path, &t->checkpoint, error));
    t->fit.train.resume = t->checkpoint.data;
    t->fit.train.resume_size = t->checkpoint.size;
    return FERRY_OK;
}

ferry_status cli_training_fit(cli_training *t, ferry_model **out, ferry_fit_report *report,
                              ferry_error *error)
{
    ferry_train_options *train = &t->fit.train;
    train->pool = t->pool;
    t->fit.default_mix = t->fit.default_mix || t->mix_from != NULL;
    train->user = t;
    train->progress = show_progress;
    train->seconds = clock_of;
    train->checkpoint = write_checkpoint;
    t->fit.stage = show_stage;
    t->fit.stage_user = t;
    t->began = cli_seconds();
    FERRY_TRY(read_checkpoint(t, error));
    cli_catch_interrupt();
    ferry_status status = ferry_fit(t->dataset, t->catalog, t->indices, t->domains.count, &t->fit,
                                    out, report, error);
    if (status == FERRY_CANCELLED && !t->report.quiet && t->checkpointed)
        fprintf(stderr, "\nferry %s: stopped; the same command with --resume goes on\n",
                t->subcommand);
    if (status == FERRY_OK && t->mix_from != NULL) {
        status = take_mix(t, *out, error);
        if (status != FERRY_OK) {
            ferry_model_close(*out);
            *out = NULL;
        }
    }
    return status;
}

ferry_status cli_training_save(cli_training *t, const ferry_model *model, ferry_error *error)
{
    static const char *const checkpoints[] = {"checkpoint", "checkpoint-without"};
    char path[4096];
    FERRY_TRY(ferry_model_save_directory(model, t->out, error));
    for (size_t i = 0; i < sizeof checkpoints / sizeof *checkpoints; i++) {
        snprintf(path, sizeof path, "%s/%s", t->out, checkpoints[i]);
        remove(path);
    }
    return FERRY_OK;
}

/* ---- the report ---- */

static bool add_number(cJSON *to, const char *name, double value)
{
    return cJSON_AddNumberToObject(to, name, value) != NULL;
}

static bool fill_report(cJSON *json, const cli_training *t, const ferry_model *model,
                        const ferry_fit_report *report)
{
    const ferry_train_progress *last = &report->net.last;
    cJSON *net = NULL, *mix;
    if (cJSON_AddStringToObject(json, "out", t->out) == NULL ||
        !add_number(json, "seconds", cli_seconds() - t->began) ||
        (model->net != NULL && (net = cJSON_AddObjectToObject(json, "net")) == NULL) ||
        (mix = cJSON_AddObjectToObject(json, "mix")) == NULL)
        return false;
    bool fits = net == NULL || (add_number(net, "parameters", (double)model->net->size) &&
                                add_number(net, "epochs", (double)last->epoch) &&
                                add_number(net, "steps", (double)last->step) &&
                                add_number(net, "loss", last->loss) &&
                                add_number(net, "best_epoch", (double)last->best_epoch) &&
                                add_number(net, "ndcg@10", last->best_metric) &&
                                add_number(net, "seconds", last->seconds) &&
                                add_number(net, "positions", (double)report->net.positions));
    for (size_t s = 0; s < FERRY_SITUATIONS && fits; s++) {
        if (report->examples[s] == 0) continue;
        cJSON *of = cJSON_AddObjectToObject(mix, ferry_situation_names[s]);
        fits = of != NULL && add_number(of, "examples", (double)report->examples[s]) &&
               add_number(of, "before", report->before[s]) &&
               add_number(of, "after", report->after[s]);
    }
    return fits;
}

static void print_json(const cli_training *t, const ferry_model *model,
                       const ferry_fit_report *report)
{
    ferry_buffer text;
    ferry_buffer_init(&text, ferry_allocator_or_default(NULL));
    cJSON *json = cJSON_CreateObject();
    if (json != NULL && fill_report(json, t, model, report) && ferry_json_append(&text, json)) {
        fwrite(text.data, 1, text.size, stdout);
        putchar('\n');
    }
    cJSON_Delete(json);
    ferry_buffer_free(&text);
}

static void print_mix(const ferry_model_domain *domain)
{
    fprintf(stderr, "%s:", domain->name);
    for (size_t s = 0; s < FERRY_SITUATIONS; s++) {
        fprintf(stderr, "  %s", ferry_situation_names[s]);
        for (size_t f = 0; f < FERRY_FEATURES; f++)
            if (domain->mix[s][f] != 0.0f)
                fprintf(stderr, " %s %.2f", ferry_feature_names[f], (double)domain->mix[s][f]);
    }
    fputc('\n', stderr);
}

void cli_training_print(const cli_training *t, const ferry_model *model,
                        const ferry_fit_report *report)
{
    const ferry_train_progress *net = &report->net.last;
    if (t->json) print_json(t, model, report);
    if (t->json || t->report.quiet) return;
    if (model->net != NULL)
        fprintf(stderr,
                "net: %zu numbers, %zu epochs (best %zu), loss %.3f, ndcg@10 %.4f, %.1f s\n",
                model->net->size, net->epoch, net->best_epoch, net->loss,
                net->best_metric < 0 ? 0 : net->best_metric, net->seconds);
    for (size_t s = 0; s < FERRY_SITUATIONS; s++)
        if (report->examples[s] > 0)
            fprintf(stderr, "mix, %s: ndcg@10 %.4f -> %.4f on %zu examples\n",
                    ferry_situation_names[s], report->before[s], report->after[s],
                    report->examples[s]);
    for (size_t d = 0; d < model->known_domains; d++) print_mix(&model->domains[d]);
    fprintf(stderr, "%s: %.1f s in all\n", t->out, cli_seconds() - t->began);
}
