/* ferry profile: a visitor's history as a file, locked with a passphrase. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/passphrase.h"
#include "cli/shop.h"
#include "recsys/visitor.h"

static const char help[] =
    "Usage: ferry profile export --catalog DIR --history FILE --out PROFILE\n"
    "       ferry profile show --profile PROFILE [--out FILE]\n"
    "       ferry profile forget --profile PROFILE --catalog DIR --item ID [--domain NAME]\n\n"
    "A profile is a visitor's history as one file, the same for the browser (visitor.export(),\n"
    "visitor.import()), Node and 'ferry recommend --profile'; docs/profile.md has its format.\n\n"
    "  export            events to a profile, locked with a passphrase\n"
    "  show              the profile as plain JSON, an event a line, to stdout or --out\n"
    "  forget            takes all events of an item out of the profile\n\n"
    "  --catalog DIR     what 'ferry catalog' wrote\n"
    "  --history FILE    events as .jsonl, .csv or RecBole .inter; - is JSONL on stdin\n"
    "  --user ID         whose events, if the file has several users\n"
    "  --profile FILE    the profile to read; - is stdin\n"
    "  --out FILE        the profile to write; - is stdout. forget writes to --profile without it\n"
    "  --item ID, --domain NAME\n"
    "                    what to forget; the domain if several have an item of this id\n"
    "  --passphrase-file FILE\n"
    "                    the passphrase is the file's first line; else FERRY_PASSPHRASE of the\n"
    "                    environment, or it is asked for on the terminal\n"
    "  --plain           writes the profile without locking it\n"
    "  --strict          an event that cannot be used is an error; else it is reported and left "
    "out\n"
    "  -q, --quiet       no report of events left out\n"
    "  -h, --help\n";

typedef struct profile_options {
    const char *catalog, *history, *user, *profile, *out, *item, *domain, *passphrase_file;
    bool plain;
    cli_report report;
} profile_options;

static ferry_status write_visitor(const ferry_visitor *visitor, const profile_options *options,
                                  ferry_error *error)
{
    ferry_buffer profile;
    cli_profile_init(&profile);
    ferry_status status = ferry_visitor_write_profile(visitor, &profile, error);
    if (status == FERRY_OK)
        status = cli_profile_write(options->out, &profile, options->plain, options->passphrase_file,
                                   error);
    ferry_buffer_free(&profile);
    return status;
}

/* Both change a visitor and write it: export one of events, forget one of a profile. */
static ferry_status write_changed(profile_options *options, bool forget, ferry_error *error)
{
    ferry_catalog *catalog = NULL;
    ferry_visitor *visitor = NULL;
    size_t removed = 0;
    ferry_status status = ferry_catalog_open_directory(options->catalog, NULL, &catalog, error);
    if (status == FERRY_OK) status = ferry_visitor_create(catalog, &visitor, error);
    if (status == FERRY_OK && !forget)
        status = cli_read_events(visitor, options->history, options->user, &options->report, error);
    if (status == FERRY_OK && forget) {
        status = cli_load_profile(visitor, options->profile, options->passphrase_file,
                                  &options->report, error);
        cli_report_end(&options->report);
    }
    if (status == FERRY_OK && forget)
        status = ferry_visitor_forget(visitor, options->domain, options->item, &removed, error);
    if (status == FERRY_OK) status = write_visitor(visitor, options, error);
    if (status == FERRY_OK && !options->report.quiet && forget)
        fprintf(stderr, "ferry profile: %zu event%s forgotten, %zu left\n", removed,
                cli_plural(removed), ferry_visitor_event_count(visitor));
    else if (status == FERRY_OK && !options->report.quiet)
        fprintf(stderr, "ferry profile: %zu event%s in %s\n", ferry_visitor_event_count(visitor),
                cli_plural(ferry_visitor_event_count(visitor)), options->out);
    ferry_visitor_close(visitor);
    ferry_catalog_close(catalog);
    return status;
}

static ferry_status show(const profile_options *options, ferry_error *error)
{
    ferry_buffer profile;
    cli_profile_init(&profile);
    ferry_status status =
        cli_profile_read(options->profile, options->passphrase_file, &profile, error);
    if (status == FERRY_OK)
        status = cli_profile_write(options->out != NULL ? options->out : "-", &profile, true, NULL,
                                   error);
    ferry_buffer_free(&profile);
    return status;
}

/* Reads the command line; -1 if there is work to do, else the exit code. */
static int parse(int argc, char **argv, profile_options *options)
{
    enum { OUT = 1000, USER, ITEM, PASSPHRASE, PLAIN, STRICT };
    static const struct option known[] = {{"help", no_argument, NULL, 'h'},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {"catalog", required_argument, NULL, 'c'},
                                          {"history", required_argument, NULL, 'H'},
                                          {"user", required_argument, NULL, USER},
                                          {"profile", required_argument, NULL, 'p'},
                                          {"out", required_argument, NULL, OUT},
                                          {"item", required_argument, NULL, ITEM},
                                          {"domain", required_argument, NULL, 'd'},
                                          {"passphrase-file", required_argument, NULL, PASSPHRASE},
                                          {"plain", no_argument, NULL, PLAIN},
                                          {"strict", no_argument, NULL, STRICT},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "hq", known, NULL)) != -1;) {
        switch (c) {
        case 'c': options->catalog = optarg; break;
        case 'H': options->history = optarg; break;
        case USER: options->user = optarg; break;
        case 'p': options->profile = optarg; break;
        case OUT: options->out = optarg; break;
        case ITEM: options->item = optarg; break;
        case 'd': options->domain = optarg; break;
        case PASSPHRASE: options->passphrase_file = optarg; break;
        case PLAIN: options->plain = true; break;
        case STRICT: options->report.strict = true; break;
        case 'q': options->report.quiet = true; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: return cli_help_hint("profile"); /* getopt has said what is wrong */
        }
    }
    return -1;
}

/* EXIT_OK, or EXIT_USAGE after a message: each verb takes what it needs, and nothing else. */
static int check(const char *verb, const profile_options *o)
{
    const bool is_export = strcmp(verb, "export") == 0, is_forget = strcmp(verb, "forget") == 0;
    const struct {
        const char *name, *given;
        bool needed, taken;
    } rules[] = {
        {"--catalog", o->catalog, is_export || is_forget, is_export || is_forget},
        {"--history", o->history, is_export, is_export},
        {"--user", o->user, false, is_export},
        {"--profile", o->profile, !is_export, !is_export},
        {"--out", o->out, is_export, true},
        {"--item", o->item, is_forget, is_forget},
        {"--domain", o->domain, false, is_forget},
        {"--plain", o->plain ? "" : NULL, false, is_export || is_forget},
    };
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (rules[i].needed && rules[i].given == NULL)
            return cli_usage("profile", "%s: %s is missing", verb, rules[i].name);
        if (!rules[i].taken && rules[i].given != NULL)
            return cli_usage("profile", "%s takes no %s", verb, rules[i].name);
    }
    return EXIT_OK;
}

int cli_profile(int argc, char **argv)
{
    profile_options options = {.report = {.subcommand = "profile"}};
    ferry_error error = {0};
    int code = parse(argc, argv, &options);
    if (code >= 0) return code;
    if (optind >= argc)
        return cli_usage("profile", "what to do is missing: export, show or forget");
    const char *verb = argv[optind];
    if (optind + 1 < argc) return cli_usage("profile", "unexpected word \"%s\"", argv[optind + 1]);
    if (strcmp(verb, "export") != 0 && strcmp(verb, "show") != 0 && strcmp(verb, "forget") != 0)
        return cli_usage("profile", "\"%s\": expected export, show or forget", verb);
    if ((code = check(verb, &options)) != EXIT_OK) return code;
    if (options.out == NULL && strcmp(verb, "forget") == 0) options.out = options.profile;
    ferry_status status = strcmp(verb, "show") == 0
                              ? show(&options, &error)
                              : write_changed(&options, strcmp(verb, "forget") == 0, &error);
    return status == FERRY_OK ? EXIT_OK : cli_fail("profile", status, &error);
}
