/* ferry search: an item or a text to the items of a catalogue nearest to it. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/shop.h"
#include "math/ops.h"

static const char help[] =
    "Usage: ferry search --catalog DIR (--like [DOMAIN/]ID | --text TEXT --model DIR) [-k N]\n\n"
    "The items whose vectors are nearest to that of an item, which is left out, or of a text: "
    "every\n"
    "item is compared, and the score is the cosine.\n\n"
    "  --catalog DIR     what 'ferry catalog' wrote\n"
    "  --like ID         an item, or DOMAIN/ID where several domains have that id\n"
    "  --text TEXT       anything\n"
    "  --model DIR       the text encoder that the catalogue was made with\n"
    "  --domain NAME     only items of this domain; may be given several times\n"
    "  -k N              how many (10)\n"
    "  --json            one JSON object, as of 'ferry recommend'\n" CLI_COMPUTE_HELP
    "  -q, --quiet       no notes\n"
    "  -h, --help\n";

typedef struct search_options {
    const char *catalog, *like, *text, *model;
    cli_list domains;
    cli_compute compute;
    size_t k;
    bool json, quiet;
} search_options;

/* The text as a unit vector [dimension], as the catalogue's are. */
static ferry_status encode_text(const ferry_catalog *catalog, const search_options *options,
                                float *vector, ferry_error *error)
{
    ferry_encoder *encoder;
    ferry_encoder_options open = cli_encoder_options(&options->compute);
    size_t N = ferry_catalog_dimension(catalog);
    FERRY_TRY(ferry_encoder_open_directory(options->model, &open, &encoder, error));
    ferry_text text = {options->text, strlen(options->text)};
    ferry_status status = FERRY_OK;
    if (ferry_encoder_dimension(encoder) != N)
        status = ferry_fail(error, FERRY_INVALID_ARGUMENT,
                            "%s makes vectors of %zu numbers, the catalogue's have %zu",
                            options->model, ferry_encoder_dimension(encoder), N);
    if (status == FERRY_OK)
        status = ferry_encoder_encode(encoder, &text, 1, vector, NULL, NULL, error);
    ferry_encoder_close(encoder);
    if (status == FERRY_OK) ferry_l2_normalize(catalog->kernels, vector, N);
    return status;
}

/* own: the item that was asked for, which is left out, or FERRY_NO_ITEM. */
static ferry_status print_nearest(const ferry_catalog *catalog, const search_options *options,
                                  const float *vector, size_t own, ferry_error *error)
{
    size_t all = ferry_catalog_count(catalog), count, kept = 0;
    size_t k = options->k < all ? options->k : all;
    ferry_nearest_options wanted = {.size = sizeof wanted,
                                    .k = k + 1,
                                    .domains = options->domains.values,
                                    .domain_count = options->domains.count};
    ferry_recommendation *items = calloc(k + 1, sizeof *items);
    if (items == NULL) return ferry_fail_memory(error, "the items found");
    ferry_status status = ferry_catalog_nearest(catalog, vector, &wanted, items, &count, error);
    for (size_t i = 0; status == FERRY_OK && i < count && kept < k; i++)
        if (items[i].item != own) items[kept++] = items[i];
    if (status == FERRY_OK && kept < options->k && !options->quiet)
        fprintf(stderr, "ferry search: %zu of the %zu asked for: there are no more\n", kept,
                options->k);
    if (status == FERRY_OK && options->json)
        status = cli_print_items_json(catalog, items, kept, &(ferry_excluded){0}, NULL, error);
    for (size_t i = 0; status == FERRY_OK && !options->json && i < kept; i++)
        cli_print_item(catalog, i + 1, items[i]);
    free(items);
    return status;
}

static ferry_status search(const ferry_catalog *catalog, const search_options *options,
                           ferry_error *error)
{
    size_t N = ferry_catalog_dimension(catalog), own = FERRY_NO_ITEM;
    float *vector = calloc(N > 0 ? N : 1, sizeof *vector);
    if (vector == NULL) return ferry_fail_memory(error, "a vector");
    ferry_status status = FERRY_OK;
    if (options->text != NULL) {
        status = encode_text(catalog, options, vector, error);
    } else {
        status = cli_find_item(catalog, options->like, &own, error);
        if (status == FERRY_OK)
            memcpy(vector, ferry_catalog_vectors(catalog) + own * N, N * sizeof *vector);
    }
    if (status == FERRY_OK) status = print_nearest(catalog, options, vector, own, error);
    free(vector);
    return status;
}

static int run(const search_options *options)
{
    ferry_error error = {0};
    ferry_catalog *catalog = NULL;
    ferry_catalog_options open = {.size = sizeof open, .kernels = options->compute.kernels};
    ferry_status status = ferry_catalog_open_directory(options->catalog, &open, &catalog, &error);
    if (status == FERRY_OK) status = search(catalog, options, &error);
    ferry_catalog_close(catalog);
    return status == FERRY_OK ? EXIT_OK : cli_fail("search", status, &error);
}

/* Reads the command line; -1 if there is work to do, else the exit code. */
static int parse(int argc, char **argv, search_options *options)
{
    static const struct option known[] = {CLI_COMMON_OPTIONS,
                                          {"catalog", required_argument, NULL, 'c'},
                                          {"like", required_argument, NULL, 'l'},
                                          {"text", required_argument, NULL, 't'},
                                          {"model", required_argument, NULL, 'm'},
                                          {"domain", required_argument, NULL, 'd'},
                                          {"json", no_argument, NULL, 'j'},
                                          CLI_COMPUTE_OPTIONS,
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "hqk:", known, NULL)) != -1;) {
        switch (c) {
        case 'c': options->catalog = optarg; break;
        case 'l': options->like = optarg; break;
        case 't': options->text = optarg; break;
        case 'm': options->model = optarg; break;
        case 'd': options->domains.values[options->domains.count++] = optarg; break;
        case 'k':
            if (!cli_parse_count("search", "-k", optarg, &options->k)) return EXIT_USAGE;
            break;
        case 'j': options->json = true; break;
        case 'K': options->compute.kernels = optarg; break;
        case 'q': options->quiet = true; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default:
            if (!cli_parse_compute("search", c, optarg, &options->compute)) return EXIT_USAGE;
        }
    }
    if (optind < argc) return cli_usage("search", "unexpected word \"%s\"", argv[optind]);
    if (options->catalog == NULL) return cli_usage("search", "--catalog is missing");
    if ((options->like == NULL) == (options->text == NULL))
        return cli_usage("search", "expected one of --like and --text");
    if (options->text != NULL && options->model == NULL)
        return cli_usage("search", "--text needs --model");
    if (options->text == NULL && options->model != NULL)
        return cli_usage("search", "--model goes with --text");
    return -1;
}

int cli_search(int argc, char **argv)
{
    search_options options = {.domains = cli_list_make(argc), .k = 10};
    int code = parse(argc, argv, &options);
    if (code < 0) code = run(&options);
    cli_list_free(&options.domains);
    return code;
}
