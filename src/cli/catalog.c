/* ferry catalog: items to a catalogue directory. */
#include <string.h>

#include "cli/cli.h"

static const char help[] =
    "Usage: ferry catalog --items FILE… --text-model DIR --out DIR\n\n"
    "Reads items, encodes each one's \"title | author | tags | description\", and writes a "
    "catalogue\n"
    "directory: catalog.json, items.jsonl, vectors.safetensors.\n\n"
    "  --items FILE      .jsonl, .csv or RecBole .item; may be given several times, and files "
    "named\n"
    "                    without an option are items too; - is JSONL on stdin\n"
    "                    Columns: id (or item_id, asin, sku…), domain (else the file's name), "
    "title,\n"
    "                    author (brand, artist…), tags (category, genre…), description, image,\n"
    "                    audio; others are kept\n"
    "  --text-model DIR  a Hugging Face directory of a text encoder\n"
    "  --out DIR         made if it is not there\n"
    "  --strict          a row that cannot be read is an error; else it is reported and left "
    "out\n" CLI_COMPUTE_HELP "  -q, --quiet       no progress, no report of rows left out\n"
    "  -h, --help\n";

typedef struct catalog_options {
    cli_list items;
    const char *text_model, *out;
    cli_compute compute;
    cli_report report;
} catalog_options;

static ferry_status add_items(ferry_catalog *catalog, catalog_options *options, ferry_error *error)
{
    ferry_status status = FERRY_OK;
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, ferry_allocator_or_default(NULL));
    for (size_t i = 0; i < options->items.count && status == FERRY_OK; i++) {
        ferry_table_format format;
        status = cli_read_file(options->items.values[i], &buffer, error);
        if (status != FERRY_OK) break;
        ferry_file table = cli_table(options->items.values[i], &buffer, &format);
        status = ferry_catalog_add(catalog, &table, format, cli_refused, &options->report, error);
    }
    ferry_buffer_free(&buffer);
    cli_report_end(&options->report);
    return status;
}

/* The last part of the path: "models/all-MiniLM-L6-v2/" is all-MiniLM-L6-v2. */
static void model_name(const char *path, char *out, size_t size)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    snprintf(out, size, "%.*s", (int)(end - start), path + start);
}

static ferry_status build(ferry_catalog *catalog, ferry_encoder *encoder, catalog_options *options,
                          ferry_error *error)
{
    char model[256];
    model_name(options->text_model, model, sizeof model);
    ferry_status status = add_items(catalog, options, error);
    if (status != FERRY_OK) return status;
    status = cli_make_writable(options->out, error); /* now, not after minutes of encoding */
    if (status != FERRY_OK) return status;
    cli_catch_interrupt();
    status = ferry_catalog_encode(catalog, encoder, model, cli_progress, &options->report, error);
    if (status != FERRY_OK) return status;
    status = ferry_catalog_save_directory(catalog, options->out, error);
    if (status != FERRY_OK || options->report.quiet) return status;
    fprintf(stderr, "%s: %zu item%s in %zu domain%s, %zu numbers each; %zu row%s left out\n",
            options->out, ferry_catalog_count(catalog), cli_plural(ferry_catalog_count(catalog)),
            ferry_catalog_domain_count(catalog), cli_plural(ferry_catalog_domain_count(catalog)),
            ferry_catalog_dimension(catalog), options->report.refused,
            cli_plural(options->report.refused));
    return FERRY_OK;
}

static int run(catalog_options *options)
{
    ferry_error error = {0};
    ferry_catalog *catalog = NULL;
    ferry_encoder *encoder = NULL;
    ferry_encoder_options encoder_options = cli_encoder_options(&options->compute);
    ferry_catalog_options catalog_open = {.size = sizeof catalog_open,
                                          .kernels = options->compute.kernels};
    ferry_status status =
        ferry_encoder_open_directory(options->text_model, &encoder_options, &encoder, &error);
    if (status == FERRY_OK) status = ferry_catalog_create(&catalog_open, &catalog, &error);
    if (status == FERRY_OK) status = build(catalog, encoder, options, &error);
    ferry_catalog_close(catalog);
    ferry_encoder_close(encoder);
    return status == FERRY_OK ? EXIT_OK : cli_fail("catalog", status, &error);
}

/* Reads the command line; -1 if there is work to do, else the exit code. */
static int parse(int argc, char **argv, catalog_options *options)
{
    static const struct option known[] = {CLI_COMMON_OPTIONS,
                                          {"items", required_argument, NULL, 'i'},
                                          {"text-model", required_argument, NULL, 't'},
                                          {"out", required_argument, NULL, 'o'},
                                          CLI_COMPUTE_OPTIONS,
                                          {"strict", no_argument, NULL, 's'},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "hq", known, NULL)) != -1;) {
        switch (c) {
        case 'i': options->items.values[options->items.count++] = optarg; break;
        case 't': options->text_model = optarg; break;
        case 'o': options->out = optarg; break;
        case 's': options->report.strict = true; break;
        case 'K': options->compute.kernels = optarg; break;
        case 'q': options->report.quiet = true; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default:
            if (!cli_parse_compute("catalog", c, optarg, &options->compute)) return EXIT_USAGE;
        }
    }
    while (optind < argc) options->items.values[options->items.count++] = argv[optind++];
    if (options->items.count == 0) return cli_usage("catalog", "--items is missing");
    if (options->text_model == NULL) return cli_usage("catalog", "--text-model is missing");
    if (options->out == NULL || options->out[0] == '\0')
        return cli_usage("catalog", "--out is missing");
    return -1;
}

int cli_catalog(int argc, char **argv)
{
    catalog_options options = {.items = cli_list_make(argc),
                               .report = {.subcommand = "catalog", .unit = "items"}};
    int code = parse(argc, argv, &options);
    if (code < 0) code = run(&options);
    cli_list_free(&options.items);
    return code;
}
