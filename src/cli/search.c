/* ferry search: an item or a text to the items of a catalogue nearest to it. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/shop.h"

static const char help[] =
    "Usage: ferry search --catalog DIR [-k N]\n"
    "                    (--like [DOMAIN/]ID | --text TEXT --model DIR | --image FILE --model "
    "DIR)\n\n"
    "The items whose vectors are nearest to that of an item, which is left out, of a text or of a\n"
    "picture: every item is compared, and the score is the cosine.\n\n"
    "  --catalog DIR     what 'ferry catalog' wrote\n"
    "  --like ID         an item, or DOMAIN/ID where several domains have that id\n"
    "  --text TEXT       anything; items are compared by their texts\n"
    "  --image FILE      PNG, JPEG or WebP; items are compared by their pictures\n"
    "  --model DIR       the encoder of texts or pictures that the catalogue was made with\n"
    "  --align DIR       what 'ferry align' wrote: a text finds items by their pictures, a picture "
    "by\n"
    "                    their texts\n"
    "  --modality text|image|audio\n"
    "                    with --like: by their texts, pictures or sounds alone; else by all\n"
    "  --domain NAME     only items of this domain; may be given several times\n"
    "  -k N              how many (10)\n"
    "  --json            one JSON object, as of 'ferry recommend'\n" CLI_COMPUTE_HELP
    "  -q, --quiet       no notes\n"
    "  -h, --help\n";

typedef struct search_options {
    const char *catalog, *like, *text, *image, *model, *align;
    unsigned modalities; /* bits; 0: all */
    cli_list domains;
    cli_compute compute;
    size_t k;
    bool json, quiet;
} search_options;

static ferry_status encode_query(ferry_encoder *encoder, const search_options *options, float *out,
                                 ferry_error *error)
{
    if (options->image != NULL)
        return cli_encode_file(encoder, FERRY_MODALITY_IMAGE, options->image, false, out, error);
    ferry_text text = {options->text, strlen(options->text)};
    return ferry_encoder_encode(encoder, &text, 1, out, NULL, NULL, error);
}

/* Where what was asked for lies among the others: place [dimension of the alignment]. */
static ferry_status find_place(const ferry_alignment *alignment, const search_options *options,
                               const float *vector, size_t N, float *place, ferry_error *error)
{
    bool text = options->text != NULL;
    size_t expected =
        text ? ferry_alignment_dimension(alignment) : ferry_alignment_features(alignment);
    if (N != expected)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "%s makes vectors of %zu numbers, the alignment is of %zu",
                          options->model, N, expected);
    return text ? ferry_alignment_place_texts(alignment, vector, 1, place, error)
                : ferry_alignment_place_features(alignment, vector, 1, place, error);
}

/* The text or picture as a row [dimension] of the catalogue; with an alignment as its place. */
static ferry_status encode_row(const ferry_catalog *catalog, const ferry_alignment *alignment,
                               const search_options *options, float *row, ferry_error *error)
{
    ferry_encoder *encoder;
    ferry_modality modality = options->image != NULL ? FERRY_MODALITY_IMAGE : FERRY_MODALITY_TEXT;
    ferry_encoder_options open = cli_encoder_options(&options->compute);
    FERRY_TRY(ferry_encoder_open_directory(options->model, &open, &encoder, error));
    size_t N = ferry_encoder_dimension(encoder);
    float *vector = calloc(N, sizeof *vector);
    ferry_status status = vector != NULL ? encode_query(encoder, options, vector, error)
                                         : ferry_fail_memory(error, "a vector");
    ferry_encoder_close(encoder);
    if (status == FERRY_OK && alignment == NULL)
        status = ferry_catalog_row(catalog, modality, vector, N, row, error);
    if (status == FERRY_OK && alignment != NULL)
        status = find_place(alignment, options, vector, N, row, error);
    free(vector);
    return status;
}

/* alignment: not NULL where the vector is a place. own: the item that was asked for, which is left
 * out, or FERRY_NO_ITEM. */
static ferry_status print_nearest(const ferry_catalog *catalog, const ferry_alignment *alignment,
                                  const search_options *options, const float *vector, size_t own,
                                  ferry_error *error)
{
    size_t all = ferry_catalog_count(catalog), count, kept = 0;
    size_t k = options->k < all ? options->k : all;
    ferry_nearest_options wanted = {.size = sizeof wanted,
                                    .k = k + 1,
                                    .domains = options->domains.values,
                                    .domain_count = options->domains.count,
                                    .modalities = alignment == NULL ? options->modalities : 0};
    ferry_recommendation *items = calloc(k + 1, sizeof *items);
    if (items == NULL) return ferry_fail_memory(error, "the items found");
    ferry_status status =
        alignment != NULL
            ? ferry_alignment_nearest(alignment, catalog, vector, options->text != NULL, &wanted,
                                      items, &count, error)
            : ferry_catalog_nearest(catalog, vector, &wanted, items, &count, error);
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

static ferry_status search(const ferry_catalog *catalog, const ferry_alignment *alignment,
                           const search_options *options, ferry_error *error)
{
    size_t own = FERRY_NO_ITEM;
    size_t N =
        alignment != NULL ? ferry_alignment_dimension(alignment) : ferry_catalog_dimension(catalog);
    float *vector = calloc(N > 0 ? N : 1, sizeof *vector);
    if (vector == NULL) return ferry_fail_memory(error, "a vector");
    ferry_status status = FERRY_OK;
    if (options->like == NULL) {
        status = encode_row(catalog, alignment, options, vector, error);
    } else {
        status = cli_find_item(catalog, options->like, &own, error);
        if (status == FERRY_OK)
            memcpy(vector, ferry_catalog_vectors(catalog) + own * N, N * sizeof *vector);
    }
    if (status == FERRY_OK) status = print_nearest(catalog, alignment, options, vector, own, error);
    free(vector);
    return status;
}

static int run(const search_options *options)
{
    ferry_error error = {0};
    ferry_catalog *catalog = NULL;
    ferry_alignment *alignment = NULL;
    ferry_catalog_options open = {.size = sizeof open, .kernels = options->compute.kernels};
    ferry_status status = ferry_catalog_open_directory(options->catalog, &open, &catalog, &error);
    if (status == FERRY_OK && options->align != NULL)
        status = ferry_alignment_open_directory(options->align, &open, &alignment, &error);
    if (status == FERRY_OK) status = search(catalog, alignment, options, &error);
    ferry_alignment_close(alignment);
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
                                          {"image", required_argument, NULL, 'i'},
                                          {"align", required_argument, NULL, 'a'},
                                          {"modality", required_argument, NULL, 'M'},
                                          {"model", required_argument, NULL, 'm'},
                                          {"domain", required_argument, NULL, 'd'},
                                          {"json", no_argument, NULL, 'j'},
                                          CLI_COMPUTE_OPTIONS,
                                          {0}};
    ferry_modality modality;
    for (int c; (c = getopt_long(argc, argv, "hqk:", known, NULL)) != -1;) {
        switch (c) {
        case 'c': options->catalog = optarg; break;
        case 'l': options->like = optarg; break;
        case 't': options->text = optarg; break;
        case 'a': options->align = optarg; break;
        case 'i': options->image = optarg; break;
        case 'M':
            if (!ferry_modality_find(optarg, &modality))
                return cli_usage("search", "--modality %s: expected text, image or audio", optarg);
            options->modalities |= 1u << modality;
            break;
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
    if ((options->like != NULL) + (options->text != NULL) + (options->image != NULL) != 1)
        return cli_usage("search", "expected one of --like, --text and --image");
    if (options->like == NULL && options->model == NULL)
        return cli_usage("search", "%s needs --model",
                         options->text != NULL ? "--text" : "--image");
    if (options->like != NULL && options->model != NULL)
        return cli_usage("search", "--model goes with --text or --image");
    if (options->like == NULL && options->modalities != 0)
        return cli_usage("search", "--modality goes with --like");
    if (options->like != NULL && options->align != NULL)
        return cli_usage("search", "--align goes with --text or --image");
    if (options->text != NULL) options->modalities = 1u << FERRY_MODALITY_TEXT;
    if (options->image != NULL) options->modalities = 1u << FERRY_MODALITY_IMAGE;
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
