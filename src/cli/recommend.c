/* ferry recommend: a visitor's history to a ranked list. */
#include <stdlib.h>

#include "api/handles.h"
#include "base/error.h"
#include "cli/recommend_explain.h"
#include "cli/recommend_feedback.h"
#include "cli/recommend_filters.h"
#include "cli/shop.h"

static const char help[] =
    "Usage: ferry recommend --catalog DIR --history FILE [--domain NAME]… [-k N]\n\n"
    "Ranks the items nearest to the weighted mean of the history: a purchase weighs 1, a view "
    "0.25,\n"
    "a rating (value - 3) / 2. Items of the history are left out.\n\n"
    "  --catalog DIR     what 'ferry catalog' wrote\n"
    "  --model DIR       what 'ferry train' or 'ferry transfer' wrote: ranks by what was learned, "
    "and\n"
    "                    an empty history by what is popular\n"
    "  --history FILE    events as .jsonl, .csv or RecBole .inter; - is JSONL on stdin\n"
    "                    Columns: item, user, domain, behavior (else a rating if there is a "
    "value,\n"
    "                    or a purchase), value, timestamp\n"
    "  --user ID         whose events, if the file has several users\n"
    "  --domain NAME     only items of this domain; may be given several times\n"
    "  -k N              how many (10)\n"
    "  --keep-seen       items of the history may be recommended "
    "again\n" CLI_FILTER_HELP CLI_FEEDBACK_HELP CLI_EXPLAIN_HELP
    "  --json            one JSON object: "
    "{\"items\":[{\"rank\",\"id\",\"domain\",\"title\",\"score\"}…],\n"
    "                    "
    "\"excluded\":{\"seen\",\"disliked\",\"duplicate\",\"filtered\",\"limited\"}}\n"
    "  --strict          an event that cannot be used is an error; else it is reported and left "
    "out\n"
    "  --kernels NAME    auto, or one of those `ferry --version` lists: same result\n"
    "  -q, --quiet       no report of events left out\n"
    "  -h, --help\n";

typedef struct recommend_options {
    const char *catalog, *model, *history, *user, *kernels;
    ferry_recommend_options wanted;
    cli_list domains; /* of it, as are lists of the next two */
    cli_feedback feedback;
    cli_filters filters;
    bool json, explain;
    cli_report report;
} recommend_options;

static ferry_status read_events(ferry_visitor *visitor, recommend_options *options,
                                ferry_error *error)
{
    if (options->history == NULL) return FERRY_OK;
    ferry_status status =
        cli_read_events(visitor, options->history, options->user, &options->report, error);
    if (status == FERRY_INVALID_ARGUMENT && options->user == NULL)
        return ferry_fail(error, status, "%s: events of several users; name one with --user",
                          options->history);
    return status;
}

/* The profile, then the table, then what the command line says itself. */
static ferry_status read_history(const ferry_catalog *catalog, ferry_visitor *visitor,
                                 recommend_options *options, ferry_error *error)
{
    const cli_feedback *feedback = &options->feedback;
    if (feedback->profile != NULL)
        FERRY_TRY(cli_load_profile(visitor, feedback->profile, feedback->passphrase_file,
                                   &options->report, error));
    FERRY_TRY(read_events(visitor, options, error));
    FERRY_TRY(cli_feedback_add(feedback, catalog, visitor, options->wanted.now, error));
    if (ferry_visitor_event_count(visitor) > 0 || options->model != NULL) return FERRY_OK;
    return ferry_fail(error, FERRY_EMPTY_HISTORY, "%s: no usable event%s%s%s (%zu left out)",
                      options->history != NULL ? options->history : feedback->profile,
                      options->user != NULL ? " of user \"" : "",
                      options->user != NULL ? options->user : "", options->user != NULL ? "\"" : "",
                      options->report.refused);
}

/* why: NULL without --explain */
static void print_table(const ferry_catalog *catalog, const ferry_recommendation *items,
                        size_t count, const ferry_why *why)
{
    for (size_t i = 0; i < count; i++) {
        cli_print_item(catalog, i + 1, items[i]);
        if (why != NULL) cli_explain_item(why, i);
    }
    if (why != NULL) cli_explain_list(why);
}

/* Where the rest of those asked for went. */
static void print_shortage(size_t count, size_t asked, const ferry_excluded *excluded)
{
    const struct {
        const char *name;
        size_t count;
    } stages[] = {{"seen", excluded->seen},
                  {"disliked", excluded->disliked},
                  {"duplicate", excluded->duplicate},
                  {"filtered", excluded->filtered},
                  {"over a limit", excluded->limited}};
    fprintf(stderr, "ferry recommend: %zu of the %zu asked for: there are no more", count, asked);
    const char *between = "; left out: ";
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        if (stages[i].count == 0) continue;
        fprintf(stderr, "%s%zu %s", between, stages[i].count, stages[i].name);
        between = ", ";
    }
    fputc('\n', stderr);
}

static ferry_status recommend(const ferry_catalog *catalog, ferry_visitor *visitor,
                              recommend_options *options, ferry_error *error)
{
    ferry_recommend_options *wanted = &options->wanted;
    size_t all = ferry_catalog_count(catalog), asked = wanted->k, count;
    if (wanted->k > all) wanted->k = all > 0 ? all : 1;
    wanted->domains = options->domains.values;
    wanted->domain_count = options->domains.count;
    ferry_recommendation *items = calloc(wanted->k, sizeof *items);
    if (items == NULL) return ferry_fail_memory(error, "the recommendations");
    ferry_excluded excluded;
    ferry_status status = ferry_visitor_recommend(visitor, wanted, items, &count, &excluded, error);
    if (status == FERRY_OK && count < asked && !options->report.quiet)
        print_shortage(count, asked, &excluded);
    ferry_why explained = {.visitor = visitor}, *why = options->explain ? &explained : NULL;
    if (status == FERRY_OK && why != NULL)
        status = ferry_why_open(visitor, wanted, items, count, true, why, error);
    if (status == FERRY_OK && options->json)
        status = cli_print_items_json(catalog, items, count, &excluded, why, error);
    else if (status == FERRY_OK)
        print_table(catalog, items, count, why);
    ferry_why_close(&explained);
    free(items);
    return status;
}

static int run(recommend_options *options)
{
    ferry_error error = {0};
    ferry_catalog *catalog = NULL;
    ferry_visitor *visitor = NULL;
    ferry_model *model = NULL;
    ferry_catalog_options open = {.size = sizeof open, .kernels = options->kernels};
    ferry_status status = ferry_catalog_open_directory(options->catalog, &open, &catalog, &error);
    if (status == FERRY_OK) status = ferry_visitor_create(catalog, &visitor, &error);
    if (status == FERRY_OK && options->model != NULL) {
        status = ferry_model_open_directory(catalog, options->model, &model, &error);
        if (status == FERRY_OK) status = ferry_visitor_use(visitor, model, &error);
    }
    if (status == FERRY_OK) status = read_history(catalog, visitor, options, &error);
    if (status == FERRY_OK)
        status = cli_filters_read(&options->filters, catalog, &options->report, &options->wanted,
                                  &error);
    if (status == FERRY_OK) status = recommend(catalog, visitor, options, &error);
    ferry_visitor_close(visitor);
    ferry_model_close(model);
    ferry_catalog_close(catalog);
    return status == FERRY_OK ? EXIT_OK : cli_fail("recommend", status, &error);
}

/* Reads the command line; -1 if there is work to do, else the exit code. */
static int parse(int argc, char **argv, recommend_options *options)
{
    static const struct option known[] = {CLI_COMMON_OPTIONS,
                                          CLI_FEEDBACK_OPTIONS,
                                          CLI_FILTER_OPTIONS,
                                          {"catalog", required_argument, NULL, 'c'},
                                          {"model", required_argument, NULL, 'm'},
                                          {"history", required_argument, NULL, 'H'},
                                          {"user", required_argument, NULL, 'u'},
                                          {"domain", required_argument, NULL, 'd'},
                                          {"keep-seen", no_argument, NULL, 'S'},
                                          {"explain", no_argument, NULL, 'E'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"strict", no_argument, NULL, 's'},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "hqk:", known, NULL)) != -1;) {
        switch (c) {
        case 'c': options->catalog = optarg; break;
        case 'm': options->model = optarg; break;
        case 'H': options->history = optarg; break;
        case 'u': options->user = optarg; break;
        case 'd': options->domains.values[options->domains.count++] = optarg; break;
        case 'k':
            if (!cli_parse_count("recommend", "-k", optarg, &options->wanted.k)) return EXIT_USAGE;
            break;
        case 'S': options->wanted.keep_seen = true; break;
        case 'E': options->explain = true; break;
        case 'j': options->json = true; break;
        case 's': options->report.strict = true; break;
        case 'K': options->kernels = optarg; break;
        case 'q': options->report.quiet = true; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default:
            if (c >= CLI_LIKE ? !cli_feedback_parse("recommend", c, optarg, &options->feedback,
                                                    &options->wanted)
                              : !cli_filters_parse("recommend", c, optarg, &options->filters,
                                                   &options->wanted))
                return EXIT_USAGE;
        }
    }
    if (optind < argc) return cli_usage("recommend", "unexpected word \"%s\"", argv[optind]);
    if (options->catalog == NULL) return cli_usage("recommend", "--catalog is missing");
    if (options->history == NULL && options->feedback.profile == NULL &&
        options->feedback.opinion_count == 0)
        return cli_usage("recommend", "--history is missing, and so is --profile");
    return -1;
}

int cli_recommend(int argc, char **argv)
{
    recommend_options options = {.wanted = {.size = sizeof options.wanted, .k = 10},
                                 .domains = cli_list_make(argc),
                                 .feedback = cli_feedback_make(argc),
                                 .filters = cli_filters_make(argc),
                                 .report = {.subcommand = "recommend"}};
    int code = parse(argc, argv, &options);
    if (code < 0) code = run(&options);
    cli_feedback_free(&options.feedback);
    cli_filters_free(&options.filters);
    cli_list_free(&options.domains);
    return code;
}
