/* ferry eval: how good a ranking is, on the part of a data set that nothing was learned from. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/error.h"
#include "cli/cli.h"
#include "eval/figures.h"
#include "eval/model_scorer.h"
#include "eval/report.h"
#include "eval/scorer.h"
#include "recsys/model_files.h"

static const char help[] =
    "Usage: ferry eval --data DIR --domain NAME --catalog DIR --model DIR [OPTION]…\n"
    "       ferry eval --data DIR --domain NAME [--catalog DIR] --baseline NAME [OPTION]…\n\n"
    "Ranks the items of a domain for every user who has an event in the part to be tested, from\n"
    "the events before it, and prints how high the user's items stand: docs/metrics.md says what\n"
    "each figure is.\n\n"
    "  --data DIR          what 'ferry prepare' wrote\n"
    "  --domain NAME       the one to be evaluated\n"
    "  --catalog DIR       what 'ferry catalog' wrote: for text, graph and diversity@k\n"
    "  --model DIR         what 'ferry train' or 'ferry transfer' wrote\n"
    "  --mix NAME=X[,…]    the model's weights instead of its own, e.g. net=1: the net alone\n"
    "  -k N[,N]…           lengths of the list (5,10,20)\n"
    "  --part PART         test (the default), validation or train\n"
    "  --keep-seen         items of the history may be recommended again\n"
    "  --target NAME       only events of this behaviour are targets, and only their items seen\n"
    "  --own-history       only the history in the domain itself is read\n"
    "  --ratings           the scores predict the values of the events: adds rmse and mae\n"
    "  --users N           a random sample of the users (all)\n"
    "  --seed N            of sample and bootstrap (1)\n"
    "  --resamples N       of the bootstrap behind the 95 % intervals (1000); 0 for none\n"
    "  --memory MIB        what a baseline may take (2048)\n"
    "  --threads N         1 by default; the result is the same with any number\n"
    "  --save-users FILE   every user's values as .safetensors, for --compare\n"
    "  --compare FILE      the paired difference to a saved run, with intervals\n"
    "  --json              one JSON object; else a table\n"
    "  --kernels NAME      auto, or one of those `ferry --version` lists: same result\n"
    "  -q, --quiet         no progress\n"
    "  -h, --help\n\n"
    "  --baseline NAME     one of\n";

enum { MOST_KS = 16 };

typedef struct eval_options {
    const char *data, *catalog, *domain, *baseline, *model, *mix, *save, *compare, *kernels,
        *target;
    size_t ks[MOST_KS], k_count, users, resamples, threads, memory;
    size_t seed;
    ferry_part part;
    bool keep_seen, own_only, ratings, json;
    cli_report report;
} eval_options;

/* Everything that is open while it runs; closed by close_all. */
typedef struct eval_run {
    const eval_options *options;
    const ferry_kernels *kernels;
    ferry_pool *pool;
    ferry_catalog *catalog;
    ferry_dataset *dataset;
    size_t domain;
    uint8_t behavior;           /* --target */
    ferry_arena arena;          /* vectors */
    const float **vectors;      /* [domains] -> [items, dimension], or NULL */
    size_t dimension;           /* 0 without vectors */
    const ferry_scorer *scorer; /* a baseline, or NULL */
    void *made;
    ferry_model *model; /* or NULL */
    ferry_model_scorer *model_scorer;
    ferry_evaluation *evaluation;
    ferry_eval_comparison comparison;
    double fit_seconds, rank_seconds;
} eval_run;

/* ---- opening ---- */

/* The items' text vectors domain by domain, in the data set's order of domains; none without texts.
 */
static ferry_status gather_vectors(eval_run *run, ferry_error *error)
{
    const ferry_catalog *catalog = run->catalog;
    const ferry_segment *text = ferry_catalog_segment(catalog, FERRY_MODALITY_TEXT);
    size_t domains = run->dataset->domain_count;
    if (text == NULL) return FERRY_OK;
    run->dimension = text->dimension;
    run->vectors = ferry_arena_array(&run->arena, domains, sizeof *run->vectors);
    if (run->vectors == NULL) return ferry_fail_memory(error, "the vectors");
    for (size_t d = 0; d < domains; d++) {
        const ferry_interactions *domain = &run->dataset->domains[d];
        uint32_t index =
            ferry_catalog_find_domain(catalog, domain->domain); /* bound: it is there */
        FERRY_TRY(ferry_catalog_texts(catalog, catalog->domain_items + catalog->domain_first[index],
                                      domain->item_count, &run->arena, &run->vectors[d], error));
    }
    return FERRY_OK;
}

static ferry_status find_behavior(eval_run *run, ferry_error *error)
{
    const char *name = run->options->target;
    if (name == NULL) return FERRY_OK;
    size_t b = 0;
    while (b < run->dataset->behavior_count && strcmp(run->dataset->behaviors[b], name) != 0) b++;
    if (b == run->dataset->behavior_count)
        return ferry_fail(error, FERRY_NOT_FOUND, "%s: no behaviour \"%s\"", run->options->data,
                          name);
    run->behavior = (uint8_t)b;
    return FERRY_OK;
}

static ferry_status open_all(eval_run *run, ferry_error *error)
{
    const eval_options *options = run->options;
    FERRY_TRY(ferry_kernels_choose(options->kernels, &run->kernels, error));
    if (options->model == NULL)
        FERRY_TRY(ferry_baseline_find(options->baseline, &run->scorer, error));
    FERRY_TRY(ferry_pool_create(NULL, options->threads, &run->pool, error));
    FERRY_TRY(ferry_dataset_open_directory(options->data, NULL, &run->dataset, error));
    FERRY_TRY(ferry_dataset_find_domain(run->dataset, options->domain, &run->domain, error));
    FERRY_TRY(find_behavior(run, error));
    if (options->catalog == NULL) return FERRY_OK;
    ferry_catalog_options open = {.size = sizeof open, .kernels = options->kernels};
    FERRY_TRY(ferry_catalog_open_directory(options->catalog, &open, &run->catalog, error));
    FERRY_TRY(ferry_dataset_bind(run->dataset, run->catalog, error));
    return gather_vectors(run, error);
}

static void close_all(eval_run *run)
{
    ferry_eval_comparison_close(&run->comparison);
    ferry_evaluation_close(run->evaluation);
    if (run->made != NULL) run->scorer->close(run->made);
    ferry_model_scorer_close(run->model_scorer);
    ferry_model_close(run->model);
    ferry_arena_free(&run->arena);
    ferry_dataset_close(run->dataset);
    ferry_catalog_close(run->catalog);
    ferry_pool_close(run->pool);
}

/* ---- running ---- */

/* "net=1,text=3" as the weights of every situation of the domain. */
static ferry_status parse_mix(const char *text, float mix[FERRY_SITUATIONS][FERRY_FEATURES],
                              ferry_error *error)
{
    memset(mix, 0, sizeof(float[FERRY_SITUATIONS][FERRY_FEATURES]));
    for (const char *at = text; at != NULL;) {
        const char *equals = strchr(at, '=');
        char *end = NULL;
        size_t f = 0;
        while (equals != NULL && f < FERRY_FEATURES &&
               (strlen(ferry_feature_names[f]) != (size_t)(equals - at) ||
                strncmp(ferry_feature_names[f], at, (size_t)(equals - at)) != 0))
            f++;
        float weight = equals != NULL ? strtof(equals + 1, &end) : 0.0f;
        if (equals == NULL || f == FERRY_FEATURES || end == equals + 1 ||
            (*end != ',' && *end != '\0') || !(weight - weight == 0.0f))
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "--mix \"%s\": expected FEATURE=NUMBER[,…] with features of "
                              "ferry.json",
                              text);
        for (size_t s = 0; s < FERRY_SITUATIONS; s++) mix[s][f] = weight;
        at = *end == ',' ? end + 1 : NULL;
    }
    return FERRY_OK;
}

static ferry_status open_model(eval_run *run, ferry_error *error)
{
    const eval_options *options = run->options;
    const char *name = run->dataset->domains[run->domain].domain;
    FERRY_TRY(ferry_model_open_directory(run->catalog, options->model, &run->model, error));
    for (size_t d = 0; d < run->model->domain_count && options->mix != NULL; d++) {
        float mix[FERRY_SITUATIONS][FERRY_FEATURES];
        if (strcmp(run->model->domains[d].name, name) != 0) continue;
        FERRY_TRY(parse_mix(options->mix, mix, error));
        FERRY_TRY(ferry_model_set_mix(run->model, d, mix, error));
    }
    return ferry_model_scorer_create(run->model, run->dataset, run->domain, run->pool,
                                     &run->model_scorer, error);
}

static const char *scorer_name(const eval_run *run)
{
    return run->scorer != NULL ? run->scorer->name : run->options->model;
}

static ferry_status make_scorer(eval_run *run, ferry_error *error)
{
    ferry_scorer_input input = {.dataset = run->dataset,
                                .domain = run->domain,
                                .vectors = run->vectors,
                                .dimension = run->dimension,
                                .kernels = run->kernels,
                                .pool = run->pool,
                                .memory_limit = run->options->memory};
    double before = cli_seconds();
    if (run->scorer == NULL)
        FERRY_TRY(open_model(run, error));
    else
        FERRY_TRY(run->scorer->create(&input, &run->made, error));
    run->fit_seconds = cli_seconds() - before;
    return FERRY_OK;
}

static ferry_eval_options options_of(eval_run *run)
{
    const eval_options *options = run->options;
    return (ferry_eval_options){
        .domain = run->domain,
        .part = options->part,
        .ks = options->ks,
        .k_count = options->k_count,
        .keep_seen = options->keep_seen,
        .behavior = options->target != NULL ? &run->behavior : NULL,
        .own_only = options->own_only,
        .ratings = options->ratings,
        .users = options->users,
        .resamples = options->resamples,
        .seed = options->seed,
        .vectors = run->vectors != NULL ? run->vectors[run->domain] : NULL,
        .dimension = run->dimension,
        .kernels = run->kernels,
        .pool = run->pool,
        .progress = cli_progress,
        .progress_user = (void *)(uintptr_t)&options->report, /* which it only reads */
    };
}

static ferry_status compare(eval_run *run, const ferry_eval_options *how, ferry_error *error)
{
    ferry_buffer bytes;
    ferry_buffer_init(&bytes, ferry_allocator_or_default(NULL));
    ferry_status status = cli_read_file(run->options->compare, &bytes, error);
    if (status == FERRY_OK) {
        ferry_file file = {run->options->compare, bytes.data, bytes.size};
        status =
            ferry_evaluation_compare(run->evaluation, &file, how, NULL, &run->comparison, error);
    }
    ferry_buffer_free(&bytes);
    return status;
}

static ferry_status save(const eval_run *run, ferry_error *error)
{
    ferry_buffer bytes;
    ferry_buffer_init(&bytes, ferry_allocator_or_default(NULL));
    ferry_status status = ferry_evaluation_save(run->evaluation, scorer_name(run), &bytes, error);
    if (status == FERRY_OK) status = cli_write_file(run->options->save, &bytes, error);
    ferry_buffer_free(&bytes);
    return status;
}

static ferry_status print(const eval_run *run, ferry_error *error)
{
    const eval_options *options = run->options;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    ferry_eval_about about = {.scorer = scorer_name(run),
                              .fit_seconds = run->fit_seconds,
                              .rank_seconds = run->rank_seconds,
                              .peak_memory = (size_t)usage.ru_maxrss * 1024, /* Linux: KiB */
                              .comparison = options->compare != NULL ? &run->comparison : NULL};
    ferry_buffer text;
    ferry_buffer_init(&text, ferry_allocator_or_default(NULL));
    ferry_status status = options->json
                              ? ferry_evaluation_json(run->evaluation, &about, &text, error)
                              : ferry_evaluation_table(run->evaluation, &about, &text, error);
    if (status == FERRY_OK) {
        fwrite(text.data, 1, text.size, stdout);
        if (options->json) putchar('\n');
    }
    ferry_buffer_free(&text);
    return status;
}

static ferry_status evaluate(eval_run *run, ferry_error *error)
{
    FERRY_TRY(open_all(run, error));
    FERRY_TRY(make_scorer(run, error));
    ferry_eval_options how = options_of(run);
    cli_catch_interrupt();
    double before = cli_seconds();
    FERRY_TRY(run->scorer != NULL
                  ? ferry_evaluate(run->dataset, &how, run->scorer->score, run->made, NULL,
                                   &run->evaluation, error)
                  : ferry_evaluate(run->dataset, &how, ferry_model_scorer_score, run->model_scorer,
                                   NULL, &run->evaluation, error));
    run->rank_seconds = cli_seconds() - before;
    if (run->options->compare != NULL) FERRY_TRY(compare(run, &how, error));
    if (run->options->save != NULL) FERRY_TRY(save(run, error));
    return print(run, error);
}

/* ---- the command line ---- */

/* A whole number from 0; false prints a usage message. */
static bool parse_number(const char *option, const char *text, size_t *out)
{
    *out = 0;
    return strcmp(text, "0") == 0 || cli_parse_count("eval", option, text, out);
}

static bool parse_ks(const char *text, eval_options *options)
{
    char copy[256];
    if (strlen(text) >= sizeof copy) return cli_usage("eval", "-k %s: too long", text), false;
    strcpy(copy, text);
    options->k_count = 0;
    for (char *at = copy; at != NULL;) {
        char *comma = strchr(at, ',');
        if (comma != NULL) *comma = '\0';
        if (options->k_count == MOST_KS)
            return cli_usage("eval", "-k %s: more than %d", text, MOST_KS), false;
        size_t *k = &options->ks[options->k_count++];
        if (!cli_parse_count("eval", "-k", at, k)) return false;
        if (*k > FERRY_EVAL_MAX_K)
            return cli_usage("eval", "-k %zu: at most %d", *k, FERRY_EVAL_MAX_K), false;
        if (options->k_count > 1 && *k <= k[-1])
            return cli_usage("eval", "-k %s: expected ascending numbers", text), false;
        at = comma != NULL ? comma + 1 : NULL;
    }
    return true;
}

static bool parse_part(const char *text, ferry_part *out)
{
    const char *words[FERRY_PARTS];
    for (int i = 0; i < FERRY_PARTS; i++) words[i] = ferry_part_name((ferry_part)i);
    int found = cli_parse_word("eval", "--part", text, words, FERRY_PARTS);
    if (found >= 0) *out = (ferry_part)found;
    return found >= 0;
}

static void print_help(void)
{
    size_t count;
    const ferry_scorer *const *baselines = ferry_baselines(&count);
    fputs(help, stdout);
    for (size_t i = 0; i < count; i++)
        printf("    %-12s %s\n", baselines[i]->name, baselines[i]->summary);
}

/* One option that has a value or is a switch; false if its value is wrong, which is then said. */
static bool take(int option, eval_options *options)
{
    size_t number;
    switch (option) {
    case 'd': options->data = optarg; return true;
    case 'c': options->catalog = optarg; return true;
    case 'D': options->domain = optarg; return true;
    case 'b': options->baseline = optarg; return true;
    case 'M': options->model = optarg; return true;
    case 'x': options->mix = optarg; return true;
    case 'w': options->save = optarg; return true;
    case 'C': options->compare = optarg; return true;
    case 'K': options->kernels = optarg; return true;
    case 'k': return parse_ks(optarg, options);
    case 'p': return parse_part(optarg, &options->part);
    case 'u': return cli_parse_count("eval", "--users", optarg, &options->users);
    case 't': return cli_parse_count("eval", "--threads", optarg, &options->threads);
    case 's': return parse_number("--seed", optarg, &options->seed);
    case 'r': return parse_number("--resamples", optarg, &options->resamples);
    case 'm':
        if (!cli_parse_count("eval", "--memory", optarg, &number)) return false;
        options->memory = number < SIZE_MAX >> 20 ? number << 20 : SIZE_MAX;
        return true;
    case 'T': options->target = optarg; return true;
    case 'S': options->keep_seen = true; return true;
    case 'o': options->own_only = true; return true;
    case 'R': options->ratings = true; return true;
    case 'j': options->json = true; return true;
    default: options->report.quiet = true; return true; /* 'q' */
    }
}

/* Reads the command line; -1 if there is work to do, else the exit code. */
static int parse(int argc, char **argv, eval_options *options)
{
    static const struct option known[] = {CLI_COMMON_OPTIONS,
                                          {"data", required_argument, NULL, 'd'},
                                          {"catalog", required_argument, NULL, 'c'},
                                          {"domain", required_argument, NULL, 'D'},
                                          {"baseline", required_argument, NULL, 'b'},
                                          {"model", required_argument, NULL, 'M'},
                                          {"mix", required_argument, NULL, 'x'},
                                          {"part", required_argument, NULL, 'p'},
                                          {"target", required_argument, NULL, 'T'},
                                          {"keep-seen", no_argument, NULL, 'S'},
                                          {"own-history", no_argument, NULL, 'o'},
                                          {"ratings", no_argument, NULL, 'R'},
                                          {"users", required_argument, NULL, 'u'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"resamples", required_argument, NULL, 'r'},
                                          {"memory", required_argument, NULL, 'm'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"save-users", required_argument, NULL, 'w'},
                                          {"compare", required_argument, NULL, 'C'},
                                          {"json", no_argument, NULL, 'j'},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "hqk:", known, NULL)) != -1;) {
        if (c == 'h') return print_help(), EXIT_OK;
        if (c == '?') return cli_help_hint("eval"); /* getopt has said what is wrong */
        if (!take(c, options)) return EXIT_USAGE;
    }
    if (optind < argc) return cli_usage("eval", "unexpected word \"%s\"", argv[optind]);
    if (options->data == NULL) return cli_usage("eval", "--data is missing");
    if (options->domain == NULL) return cli_usage("eval", "--domain is missing");
    if ((options->baseline == NULL) == (options->model == NULL))
        return cli_usage("eval", options->model == NULL ? "--model or --baseline is missing"
                                                        : "--model and --baseline are given");
    if (options->model != NULL && options->catalog == NULL)
        return cli_usage("eval", "--model needs its --catalog");
    if (options->mix != NULL && options->model == NULL)
        return cli_usage("eval", "--mix is a --model's");
    if (options->compare != NULL && options->resamples == 0)
        return cli_usage("eval", "--compare is a bootstrap: --resamples 0 leaves none");
    return -1;
}

int cli_eval(int argc, char **argv)
{
    eval_options options = {.ks = {5, 10, 20},
                            .k_count = 3,
                            .part = FERRY_TEST,
                            .resamples = 1000,
                            .seed = 1,
                            .threads = 1,
                            .memory = (size_t)2048 << 20,
                            .report = {.subcommand = "eval", .unit = "users"}};
    int code = parse(argc, argv, &options);
    if (code >= 0) return code;
    ferry_error error = {0};
    eval_run run = {.options = &options};
    ferry_arena_init(&run.arena, ferry_allocator_or_default(NULL));
    ferry_status status = evaluate(&run, &error);
    close_all(&run);
    return status == FERRY_OK ? EXIT_OK : cli_fail("eval", status, &error);
}
