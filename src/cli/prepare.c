/* ferry prepare: items and events to a data set. */
#include <string.h>

#include "base/error.h"
#include "cli/cli.h"
#include "input/table.h"
#include "recsys/prepare.h"

static const char help[] =
    "Usage: ferry prepare --events FILE… [--items FILE…] --out DIR\n\n"
    "Reads items and events, cleans and orders them, divides the events into training, validation\n"
    "and test, and writes a data set for `ferry train`, `ferry transfer` and `ferry eval`:\n"
    "dataset.json, items.jsonl (for `ferry catalog --items`), events.safetensors. Users are the "
    "same\n"
    "in all files. docs/data.md describes every step. By default no row is lost but what cannot "
    "be\n"
    "used and exact repetitions.\n\n"
    "  --items FILE…       .jsonl, .csv, .tsv or RecBole .item; without any, events make the "
    "items\n"
    "  --events FILE…      .jsonl, .csv, .tsv or RecBole .inter; - is JSONL on stdin\n"
    "                      Columns: user, item, domain, behavior (else a rating if there is a\n"
    "                      value, else a purchase), value, timestamp, position\n"
    "  --out DIR           made if it is not there\n"
    "Cleaning\n"
    "  --min-rating X      leave out lower ratings\n"
    "  --dedupe-events W   exact (default: same item, behavior and timestamp), first or last (of "
    "a\n"
    "                      user's events of one item and behavior), none\n"
    "  --dedupe-titles     items of the same title, or nearly, become one; else they are counted\n"
    "  --core K            only users and items with at least K events in a domain\n"
    "  --half-life DAYS    weights halve with age; default: they do not\n"
    "Split\n"
    "  --split W           loo (default: each user's last event is the test, the one before the\n"
    "                      validation), time, ratio, new-user\n"
    "  --target-behavior B loo: only events of this one are held out; a user's other events after\n"
    "                      them, or of the same items, are left out\n"
    "  --ratio A,B,C       time, ratio: shares of the parts; default 0.8,0.1,0.1\n"
    "  --target DOMAIN     new-user: where some users' events become the test\n"
    "  --share X           new-user: of the users linked across domains; default 0.5\n"
    "  --test-users FILE   new-user: exactly these, one id a line\n"
    "  --seed N            new-user: who is drawn; default 0\n\n"
    "  --strict            a row that cannot be read is an error; else it is reported and left "
    "out\n"
    "  --json              the report as JSON on stdout\n"
    "  -q, --quiet         no report of rows left out, no table\n"
    "  -h, --help\n";

typedef struct arguments {
    cli_list items, events;
    const char *out, *test_users;
    ferry_prepare_options prepare;
    bool json;
    const char *given_split_option; /* one that the split must fit */
    cli_report report;
} arguments;

/* ---- options ---- */

/* A finite number from low to high at text; where it ends. NULL if there is none. */
static const char *parse_number(const char *text, double low, double high, double *out)
{
    size_t size = strcspn(text, ",");
    if (!ferry_number_parse(text, size, out) || !(*out >= low && *out <= high)) return NULL;
    return text + size;
}

static bool parse_range(const char *option, const char *text, double low, double high, double *out)
{
    const char *end = parse_number(text, low, high, out);
    if (end != NULL && *end == '\0') return true;
    cli_usage("prepare", "%s %s: expected a number from %g to %g", option, text, low, high);
    return false;
}

static bool parse_ratio(const char *text, double *ratio)
{
    const char *at = text;
    double sum = 0;
    for (int part = 0; part < FERRY_PARTS && at != NULL; part++) {
        at = parse_number(at, 0, 1, &ratio[part]);
        sum += ratio[part];
        bool more = part + 1 < FERRY_PARTS;
        if (at != NULL) at = *at == (more ? ',' : '\0') ? at + more : NULL;
    }
    if (at != NULL && ratio[FERRY_TRAIN] > 0 && sum > 1 - 1e-9 && sum < 1 + 1e-9) return true;
    cli_usage("prepare",
              "--ratio %s: expected three numbers that add up to 1, as in 0.8,0.1,0.1, the first "
              "above 0",
              text);
    return false;
}

#define WORD(name, word) word,
static bool parse_split(const char *text, ferry_split *out)
{
    static const char *const words[] = {FERRY_SPLIT_LIST(WORD)};
    int found = cli_parse_word("prepare", "--split", text, words, FERRY_SPLIT_COUNT);
    if (found >= 0) *out = (ferry_split)found;
    return found >= 0;
}

static bool parse_dedupe(const char *text, ferry_dedupe *out)
{
    static const char *const words[] = {FERRY_DEDUPE_LIST(WORD)};
    int found = cli_parse_word("prepare", "--dedupe-events", text, words, FERRY_DEDUPE_COUNT);
    if (found >= 0) *out = (ferry_dedupe)found;
    return found >= 0;
}
#undef WORD

static const struct option known[] = {CLI_COMMON_OPTIONS,
                                      {"items", required_argument, NULL, 'i'},
                                      {"events", required_argument, NULL, 'e'},
                                      {"out", required_argument, NULL, 'o'},
                                      {"min-rating", required_argument, NULL, 'm'},
                                      {"dedupe-events", required_argument, NULL, 'd'},
                                      {"dedupe-titles", no_argument, NULL, 'D'},
                                      {"core", required_argument, NULL, 'c'},
                                      {"half-life", required_argument, NULL, 'l'},
                                      {"split", required_argument, NULL, 's'},
                                      {"ratio", required_argument, NULL, 'r'},
                                      {"target", required_argument, NULL, 't'},
                                      {"target-behavior", required_argument, NULL, 'b'},
                                      {"share", required_argument, NULL, 'S'},
                                      {"test-users", required_argument, NULL, 'u'},
                                      {"seed", required_argument, NULL, 'n'},
                                      {"strict", no_argument, NULL, 'x'},
                                      {"json", no_argument, NULL, 'j'},
                                      {0}};

/* One option; false if it was wrong, and then it has been said how. */
static bool take_option(arguments *a, int option, cli_list **words)
{
    ferry_prepare_options *o = &a->prepare;
    double number = 0;
    switch (option) {
    case 'i': *words = &a->items; break;
    case 'e': *words = &a->events; break;
    case 'o': a->out = optarg; break;
    case 'm':
        o->has_min_rating = true;
        return parse_range("--min-rating", optarg, -1e6, 1e6, &o->min_rating);
    case 'd': return parse_dedupe(optarg, &o->dedupe_events);
    case 'D': o->merge_titles = true; break;
    case 'c': return cli_parse_count("prepare", "--core", optarg, &o->core);
    case 'l': return parse_range("--half-life", optarg, 1e-3, 1e6, &o->half_life);
    case 'b': o->split.target_behavior = optarg; break;
    case 's': return parse_split(optarg, &o->split.split);
    case 'r': a->given_split_option = "--ratio"; return parse_ratio(optarg, o->split.ratio);
    case 't':
        a->given_split_option = "--target";
        o->split.target = optarg;
        break;
    case 'S':
        a->given_split_option = "--share";
        return parse_range("--share", optarg, 0, 1, &o->split.share);
    case 'u':
        a->given_split_option = "--test-users";
        a->test_users = optarg;
        break;
    case 'n':
        if (!ferry_number_parse(optarg, strlen(optarg), &number) || !(number >= 0) ||
            number > 0x1p53 || number != (double)(uint64_t)number) {
            cli_usage("prepare", "--seed %s: expected a whole number from 0 to 2^53", optarg);
            return false;
        }
        o->split.seed = (uint64_t)number;
        break;
    case 'x': a->report.strict = true; break;
    case 'j': a->json = true; break;
    case 'q': a->report.quiet = true; break;
    default: break; /* --kernels: nothing here is multiplied */
    }
    return true;
}

/* What must be there, and go together; EXIT_OK or a usage message's code. */
static int check(const arguments *a)
{
    const ferry_split_options *split = &a->prepare.split;
    bool shares = split->split == FERRY_SPLIT_TIME || split->split == FERRY_SPLIT_RATIO;
    bool new_users = split->split == FERRY_SPLIT_NEW_USER;
    if (a->events.count == 0) return cli_usage("prepare", "--events is missing");
    if (a->out == NULL || a->out[0] == '\0') return cli_usage("prepare", "--out is missing");
    if (new_users && split->target == NULL)
        return cli_usage("prepare", "--split new-user needs --target DOMAIN");
    if (split->target_behavior != NULL && split->split != FERRY_SPLIT_LOO)
        return cli_usage("prepare", "--target-behavior goes with --split loo");
    if (a->given_split_option != NULL) {
        bool is_ratio = strcmp(a->given_split_option, "--ratio") == 0;
        if (is_ratio ? !shares : !new_users)
            return cli_usage("prepare", "%s goes with --split %s", a->given_split_option,
                             is_ratio ? "time or ratio" : "new-user");
    }
    return EXIT_OK;
}

/* ---- the report ---- */

static double number_at(const cJSON *object, const char *key)
{
    const cJSON *field = cJSON_GetObjectItemCaseSensitive(object, key);
    return field != NULL ? field->valuedouble : 0;
}

static const char *text_at(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text != NULL ? text : "";
}

static void print_domain(const cJSON *domain)
{
    const cJSON *parts = cJSON_GetObjectItemCaseSensitive(domain, "parts");
    const cJSON *core = cJSON_GetObjectItemCaseSensitive(domain, "core");
    fprintf(stderr, "%-20s %9.0f %9.0f %10.0f %8.4f%% %10.0f %10.0f %10.0f\n",
            text_at(domain, "name"), number_at(domain, "users"), number_at(domain, "items"),
            number_at(domain, "events"), 100 * number_at(domain, "density"),
            number_at(parts, "train"), number_at(parts, "validation"), number_at(parts, "test"));
    static const struct {
        const char *key, *text;
    } notes[] = {{"items_without_events", "items without an event"},
                 {"items_without_text", "items without a text"},
                 {"users_with_less_than_3_events", "users with one or two events"},
                 {"equal_titles", "items with the title of another"},
                 {"near_titles", "items with nearly the title of another"},
                 {"items_merged", "items merged into one of the same title"}};
    for (size_t i = 0; i < sizeof notes / sizeof *notes; i++)
        if (number_at(domain, notes[i].key) > 0)
            fprintf(stderr, "  %.0f %s\n", number_at(domain, notes[i].key), notes[i].text);
    if (core != NULL)
        fprintf(stderr, "  core: %.0f rounds left out %.0f users, %.0f items, %.0f events\n",
                number_at(core, "rounds"), number_at(core, "users_dropped"),
                number_at(core, "items_dropped"), number_at(core, "events_dropped"));
}

static void print_table(const cJSON *report)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(report, "files"))
        fprintf(stderr, "%s: %.0f %s, %.0f rows left out\n", text_at(entry, "file"),
                number_at(entry, "read"), text_at(entry, "of"), number_at(entry, "refused"));
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(report, "refused"))
        fprintf(stderr, "  %.0f: %s\n", number_at(entry, "rows"), text_at(entry, "reason"));
    if (number_at(report, "ratings_below_minimum") > 0)
        fprintf(stderr, "%.0f ratings below the minimum\n",
                number_at(report, "ratings_below_minimum"));
    if (number_at(report, "duplicate_events") > 0)
        fprintf(stderr, "%.0f repeated events left out\n", number_at(report, "duplicate_events"));
    if (number_at(report, "telling_events") > 0)
        fprintf(stderr, "%.0f events that tell of those held out left out\n",
                number_at(report, "telling_events"));
    fprintf(stderr, "\n%-20s %9s %9s %10s %9s %10s %10s %10s\n", "domain", "users", "items",
            "events", "density", "train", "validation", "test");
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(report, "domains"))
        print_domain(entry);
    fprintf(stderr, "%.0f users, %.0f of them in several domains\n", number_at(report, "users"),
            number_at(report, "linked_users"));
    cJSON_ArrayForEach(entry, cJSON_GetObjectItemCaseSensitive(report, "linked"))
    {
        const cJSON *domains = cJSON_GetObjectItemCaseSensitive(entry, "domains");
        fprintf(stderr, "  %.0f in %s and %s\n", number_at(entry, "users"),
                cJSON_GetStringValue(cJSON_GetArrayItem(domains, 0)),
                cJSON_GetStringValue(cJSON_GetArrayItem(domains, 1)));
    }
}

/* ---- the work ---- */

static ferry_status interrupted(ferry_error *error)
{
    return ferry_fail(error, FERRY_CANCELLED, "interrupted; nothing was written");
}

static ferry_status add_tables(ferry_prepare *prepare, arguments *a, bool events,
                               ferry_error *error)
{
    const cli_list *files = events ? &a->events : &a->items;
    ferry_status status = FERRY_OK;
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, ferry_allocator_or_default(NULL));
    for (size_t i = 0; i < files->count && status == FERRY_OK; i++) {
        ferry_table_format format;
        status = cli_read_file(files->values[i], &buffer, error);
        if (!cli_progress(&a->report, 0, 0)) status = interrupted(error); /* perhaps its failure */
        if (status != FERRY_OK) break;
        ferry_file table = cli_table(files->values[i], &buffer, &format);
        status = events
                     ? ferry_prepare_events(prepare, &table, format, cli_refused, &a->report, error)
                     : ferry_prepare_items(prepare, &table, format, cli_refused, &a->report, error);
        if (status == FERRY_OK && !cli_progress(&a->report, 0, 0)) status = interrupted(error);
    }
    ferry_buffer_free(&buffer);
    return status;
}

/* The lines of a file as a list of ids, which point into buffer. */
static ferry_status read_ids(const char *path, ferry_buffer *buffer, cli_list *ids,
                             ferry_error *error)
{
    FERRY_TRY(cli_read_file(path, buffer, error));
    size_t lines = 1;
    if (!ferry_buffer_append(buffer, "", 1)) return ferry_fail_memory(error, path);
    if (strlen(buffer->data) + 1 != buffer->size)
        return ferry_fail(error, FERRY_MALFORMED, "%s: has a NUL byte", path);
    for (const char *c = buffer->data; *c != '\0'; c++) lines += *c == '\n';
    if (lines > INT32_MAX) return ferry_fail(error, FERRY_LIMIT, "%s: too many lines", path);
    *ids = cli_list_make((int)lines);
    for (char *line = buffer->data; *line != '\0';) {
        size_t size = strcspn(line, "\n");
        bool more = line[size] == '\n';
        char *id = line;
        line += size + more;
        ferry_text_trim(&id, &size);
        if (size > 0) ids->values[ids->count++] = id;
    }
    if (ids->count > 0) return FERRY_OK;
    return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%s: no user in it", path);
}

static ferry_status print_json(const cJSON *report, ferry_error *error)
{
    ferry_buffer line;
    ferry_buffer_init(&line, ferry_allocator_or_default(NULL));
    bool built = ferry_json_append(&line, report) && ferry_buffer_append(&line, "\n", 1);
    if (built) fwrite(line.data, 1, line.size, stdout);
    ferry_buffer_free(&line);
    return built ? FERRY_OK : ferry_fail_memory(error, "the report");
}

static ferry_status run(ferry_prepare *prepare, arguments *a, ferry_error *error)
{
    ferry_prepared made;
    FERRY_TRY(cli_make_writable(a->out, error)); /* now, not after reading everything */
    cli_catch_interrupt();
    ferry_status status = add_tables(prepare, a, false, error);
    if (status == FERRY_OK) status = add_tables(prepare, a, true, error);
    cli_report_end(&a->report);
    if (status != FERRY_OK) return status;
    FERRY_TRY(ferry_prepare_finish(prepare, cli_progress, &a->report, &made, error));
    status = ferry_dataset_save_directory(made.dataset, a->out, &made.items, made.settings,
                                          made.report, error);
    if (status == FERRY_OK && !a->report.quiet) print_table(made.report);
    if (status == FERRY_OK && a->json) status = print_json(made.report, error);
    ferry_prepared_close(&made);
    return status;
}

static int prepare(arguments *a)
{
    ferry_error error = {0};
    ferry_prepare *state = NULL;
    cli_list ids = {0};
    ferry_buffer id_lines;
    ferry_buffer_init(&id_lines, ferry_allocator_or_default(NULL));
    ferry_status status = FERRY_OK;
    if (a->test_users != NULL) status = read_ids(a->test_users, &id_lines, &ids, &error);
    a->prepare.split.test_users = ids.values;
    a->prepare.split.test_user_count = ids.count;
    if (status == FERRY_OK) status = ferry_prepare_create(&a->prepare, NULL, &state, &error);
    if (status == FERRY_OK) status = run(state, a, &error);
    int code = status == FERRY_OK ? EXIT_OK : cli_fail("prepare", status, &error);
    ferry_prepare_close(state);
    cli_list_free(&ids);
    ferry_buffer_free(&id_lines);
    return code;
}

int cli_prepare(int argc, char **argv)
{
    arguments a = {.items = cli_list_make(argc),
                   .events = cli_list_make(argc),
                   .prepare = ferry_prepare_defaults(),
                   .report = {.subcommand = "prepare", .unit = "steps"}};
    cli_list *words = NULL; /* which list words without an option belong to */
    int code = EXIT_OK;
    bool done = false;
    /* "-": words in their place, as option 1, so that --items a b --events c d reads as it looks */
    for (int c; !done && (c = getopt_long(argc, argv, "-hq", known, NULL)) != -1;) {
        if (c == 'h') {
            fputs(help, stdout);
            done = true;
        } else if (c == '?') { /* getopt has said what is wrong */
            code = cli_help_hint("prepare");
            done = true;
        } else if (c == 1 && words == NULL) {
            code = cli_usage("prepare", "unexpected word \"%s\"", optarg);
            done = true;
        } else if (c == 1) {
            words->values[words->count++] = optarg;
        } else {
            words = NULL;
            done = !take_option(&a, c, &words);
            if (done) code = EXIT_USAGE;
            if (words != NULL) words->values[words->count++] = optarg;
        }
    }
    if (!done) code = check(&a);
    if (!done && code == EXIT_OK && optind < argc)
        code = cli_usage("prepare", "unexpected word \"%s\"", argv[optind]);
    if (!done && code == EXIT_OK) code = prepare(&a);
    cli_list_free(&a.items);
    cli_list_free(&a.events);
    return code;
}
