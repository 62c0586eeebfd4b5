/* ferry catalog: items, by their texts, pictures and sounds, to a catalogue directory. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/directory.h"
#include "base/error.h"
#include "base/hash.h"
#include "cli/cli.h"

static const char help[] =
    "Usage: ferry catalog --items FILE… (--text-model DIR | --image-model DIR)… --out DIR\n\n"
    "Reads items, encodes each one's \"title | author | tags | description\" and its picture, and "
    "writes a\n"
    "catalogue directory: catalog.json, items.jsonl, vectors.safetensors. What a run that was "
    "stopped has\n"
    "encoded is kept in the directory: the same command goes on from there.\n\n"
    "  --items FILE      .jsonl, .csv or RecBole .item; may be given several times, and files "
    "named\n"
    "                    without an option are items too; - is JSONL on stdin\n"
    "                    Columns: id (or item_id, asin, sku…), domain (else the file's name), "
    "title,\n"
    "                    author (brand, artist…), tags (category, genre…), description, image,\n"
    "                    audio; others are kept\n"
    "  --text-model DIR  a Hugging Face directory of a text encoder\n"
    "  --image-model DIR the directory of an image encoder: pictures are the files that items "
    "name\n"
    "  --audio-model DIR the directory of a sound encoder, alike\n"
    "  --media DIR       where the paths of pictures and sounds begin; else in the folder of the\n"
    "                    file that names them\n"
    "  --modality-weight text|image|audio=X\n"
    "                    what the cosine of texts, pictures or sounds counts beside the others';\n"
    "                    only the proportions matter\n"
    "  --out DIR         made if it is not there\n"
    "  --strict          a row that cannot be read is an error, and so is a picture; else it is\n"
    "                    reported and the row left out, or the item kept with what else it "
    "has\n" CLI_COMPUTE_HELP "  -q, --quiet       no progress, no report of rows left out\n"
    "  -h, --help\n";

typedef struct catalog_options {
    cli_list items;
    const char *models[FERRY_MODALITY_COUNT]; /* directories, or NULL */
    float weights[FERRY_MODALITY_COUNT];      /* 0: the default */
    const char *out, *media;
    cli_compute compute;
    cli_report report;
} catalog_options;

/* What is at work on a catalogue. */
typedef struct making {
    catalog_options *options;
    ferry_catalog *catalog;
    ferry_encoder *encoders[FERRY_MODALITY_COUNT]; /* or NULL */
    size_t *first; /* [items.count + 1] the first item of each file */
    ferry_buffer file, path;
    size_t missing[FERRY_MODALITY_COUNT +
                   1]; /* items without what they should have; of all: left out */
    double begun;      /* the modality at work, in seconds */
    ferry_modality working;
} making;

static ferry_status add_items(making *m, ferry_error *error)
{
    catalog_options *options = m->options;
    ferry_status status = FERRY_OK;
    for (size_t i = 0; i < options->items.count && status == FERRY_OK; i++) {
        ferry_table_format format;
        status = cli_read_file(options->items.values[i], &m->file, error);
        if (status != FERRY_OK) break;
        ferry_file table = cli_table(options->items.values[i], &m->file, &format);
        status =
            ferry_catalog_add(m->catalog, &table, format, cli_refused, &options->report, error);
        m->first[i + 1] = ferry_catalog_count(m->catalog);
    }
    cli_report_end(&options->report);
    return status;
}

/* ---- pictures and sounds ---- */

/* The file that the item came from. */
static const char *table_of(const making *m, size_t item)
{
    size_t file = 0;
    while (m->first[file + 1] <= item) file++;
    return m->options->items.values[file];
}

/* The path of an item's file into m->path. */
static ferry_status media_path(making *m, size_t index, const char *named, ferry_error *error)
{
    const char *table = table_of(m, index), *slash = strrchr(table, '/');
    const char *folder = m->options->media != NULL ? m->options->media : table;
    size_t size = m->options->media != NULL ? strlen(folder)
                  : slash != NULL           ? (size_t)(slash - table)
                                            : 0;
    bool relative = named[0] != '/';
    m->path.size = 0;
    bool fits =
        !relative || size == 0 ||
        (ferry_buffer_append(&m->path, folder, size) && ferry_buffer_append(&m->path, "/", 1));
    if (slash == table && m->options->media == NULL && relative) /* a table in / */
        fits = fits && ferry_buffer_append(&m->path, "/", 1);
    if (fits && ferry_buffer_append(&m->path, named, strlen(named) + 1)) return FERRY_OK;
    return ferry_fail_memory(error, "a path");
}

static ferry_status read_media(void *user, size_t index, ferry_modality modality, ferry_file *out,
                               ferry_error *error)
{
    making *m = user;
    ferry_item item;
    FERRY_TRY(ferry_catalog_item(m->catalog, index, &item, error));
    FERRY_TRY(
        media_path(m, index, modality == FERRY_MODALITY_IMAGE ? item.image : item.audio, error));
    FERRY_TRY(cli_read_file(m->path.data, &m->file, error));
    *out = (ferry_file){m->path.data, m->file.data, m->file.size};
    return FERRY_OK;
}

static bool media_refused(void *user, size_t index, ferry_modality modality, const char *reason)
{
    making *m = user;
    const cli_report *report = &m->options->report;
    ferry_item item;
    size_t before = m->missing[modality]++;
    if (report->strict) return false; /* the error says it */
    if (report->quiet || before >= CLI_MAX_PRINTED ||
        ferry_catalog_item(m->catalog, index, &item, NULL) != FERRY_OK)
        return true;
    fprintf(stderr, "%s: item \"%s\": %s: %s\n", table_of(m, index), item.id,
            modality == FERRY_MODALITY_COUNT ? "left out" : "goes without", reason);
    return true;
}

static bool media_progress(void *user, ferry_modality modality, size_t done, size_t total,
                           size_t kept)
{
    making *m = user;
    cli_report *report = &m->options->report;
    if (m->begun == 0.0 || m->working != modality) {
        m->begun = cli_seconds();
        m->working = modality;
    }
    report->unit = cli_units[modality];
    report->begun = m->begun;
    report->before = kept;
    return cli_progress(report, done, total);
}

/* ---- models ---- */

/* The last part of the path: "models/all-MiniLM-L6-v2/" is all-MiniLM-L6-v2. */
static void model_name(const char *path, char *out, size_t size)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') start--;
    snprintf(out, size, "%.*s", (int)(end - start), path + start);
}

/* Tells apart models and what else their vectors depend on: a hash of the files, in any order, and
 * of the options. */
static ferry_status model_key(const char *path, const cli_compute *compute, uint64_t *out,
                              ferry_error *error)
{
    ferry_directory *directory;
    const char *prompt = compute->prompt != NULL ? compute->prompt : "-";
    const char *center = compute->center != NULL ? compute->center : "-";
    const int numbers[] = {(int)compute->precision, (int)compute->numerics};
    uint64_t key = ferry_hash_bytes(1, numbers, sizeof numbers);
    key = ferry_hash_bytes(key, prompt, strlen(prompt));
    key = ferry_hash_bytes(key, center, strlen(center));
    FERRY_TRY(ferry_directory_open(path, NULL, &directory, error));
    for (size_t i = 0; i < directory->count; i++) {
        const ferry_file *file = &directory->files[i];
        uint64_t name = ferry_hash_bytes(2, file->name, strlen(file->name));
        key += ferry_hash_bytes(name, file->data, file->size);
    }
    ferry_directory_close(directory);
    *out = key;
    return FERRY_OK;
}

static ferry_status open_encoders(making *m, ferry_error *error)
{
    for (int i = 0; i < FERRY_MODALITY_COUNT; i++) {
        if (m->options->models[i] == NULL) continue;
        ferry_encoder_options open = cli_encoder_options(&m->options->compute);
        if (i != FERRY_MODALITY_TEXT) open.prompt = open.center = NULL; /* of texts */
        FERRY_TRY(
            ferry_encoder_open_directory(m->options->models[i], &open, &m->encoders[i], error));
    }
    return FERRY_OK;
}

static ferry_status encode(making *m, ferry_error *error)
{
    catalog_options *options = m->options;
    ferry_catalog_source sources[FERRY_MODALITY_COUNT];
    char names[FERRY_MODALITY_COUNT][256];
    ferry_catalog_encode_options how = {.size = sizeof how,
                                        .sources = sources,
                                        .read = read_media,
                                        .read_user = m,
                                        .refused = media_refused,
                                        .refused_user = m,
                                        .progress = media_progress,
                                        .progress_user = m,
                                        .parts = options->out};
    for (int i = 0; i < FERRY_MODALITY_COUNT; i++) {
        if (m->encoders[i] == NULL) continue;
        uint64_t key;
        FERRY_TRY(model_key(options->models[i], &options->compute, &key, error));
        model_name(options->models[i], names[i], sizeof names[i]);
        sources[how.source_count++] = (ferry_catalog_source){.modality = (ferry_modality)i,
                                                             .encoder = m->encoders[i],
                                                             .model = names[i],
                                                             .weight = options->weights[i],
                                                             .key = key};
    }
    return ferry_catalog_encode_media(m->catalog, &how, error);
}

/* ---- all of it ---- */

/* How many items have what, and how many should have and do not. */
static void print_summary(const making *m)
{
    const catalog_options *options = m->options;
    size_t count = ferry_catalog_count(m->catalog), several = 0;
    size_t domains = ferry_catalog_domain_count(m->catalog), rows = options->report.refused;
    fprintf(stderr, "%s: %zu item%s in %zu domain%s, %zu numbers each; %zu row%s left out\n",
            options->out, count, cli_plural(count), domains, cli_plural(domains),
            ferry_catalog_dimension(m->catalog), rows, cli_plural(rows));
    for (int i = 0; i < FERRY_MODALITY_COUNT; i++) several += options->models[i] != NULL;
    for (int i = 0; i < FERRY_MODALITY_COUNT; i++) {
        size_t have = 0;
        if (options->models[i] == NULL || (several == 1 && i == FERRY_MODALITY_TEXT)) continue;
        for (size_t item = 0; item < count; item++)
            have += ferry_catalog_item_modalities(m->catalog, item) >> i & 1;
        fprintf(stderr, "%s: %zu have %s", options->out, have, cli_units[i]);
        if (m->missing[i] > 0)
            fprintf(stderr, "; of %zu they are missing or broken", m->missing[i]);
        fputc('\n', stderr);
    }
    if (m->missing[FERRY_MODALITY_COUNT] > 0)
        fprintf(stderr, "%s: %zu item%s left out, of which nothing could be encoded\n",
                options->out, m->missing[FERRY_MODALITY_COUNT],
                cli_plural(m->missing[FERRY_MODALITY_COUNT]));
}

static ferry_status make(making *m, ferry_error *error)
{
    catalog_options *options = m->options;
    ferry_catalog_options open = {.size = sizeof open, .kernels = options->compute.kernels};
    FERRY_TRY(open_encoders(m, error));
    FERRY_TRY(ferry_catalog_create(&open, &m->catalog, error));
    FERRY_TRY(add_items(m, error));
    FERRY_TRY(cli_make_writable(options->out, error)); /* now, not after minutes of encoding */
    cli_catch_interrupt();
    FERRY_TRY(encode(m, error));
    FERRY_TRY(ferry_catalog_save_directory(m->catalog, options->out, error));
    if (!options->report.quiet) print_summary(m);
    return FERRY_OK;
}

static int run(catalog_options *options)
{
    ferry_error error = {0};
    making m = {.options = options, .first = cli_array((int)options->items.count, sizeof *m.first)};
    ferry_buffer_init(&m.file, ferry_allocator_or_default(NULL));
    ferry_buffer_init(&m.path, ferry_allocator_or_default(NULL));
    ferry_status status = make(&m, &error);
    ferry_catalog_close(m.catalog);
    for (int i = 0; i < FERRY_MODALITY_COUNT; i++) ferry_encoder_close(m.encoders[i]);
    ferry_buffer_free(&m.file);
    ferry_buffer_free(&m.path);
    free(m.first);
    return status == FERRY_OK ? EXIT_OK : cli_fail("catalog", status, &error);
}

static bool parse_weight(char *text, catalog_options *options)
{
    double weight;
    ferry_modality modality;
    if (!cli_parse_modality_weight("catalog", text, INFINITY, &modality, &weight)) return false;
    if (weight > 0.0 && weight < 1e6) {
        options->weights[modality] = (float)weight;
        return true;
    }
    cli_usage("catalog",
              "--modality-weight %s: expected more than 0 and less than a million; "
              "without its model a modality is left out",
              text);
    return false;
}

/* Reads the command line; -1 if there is work to do, else the exit code. */
static int parse(int argc, char **argv, catalog_options *options)
{
    static const struct option known[] = {CLI_COMMON_OPTIONS,
                                          {"items", required_argument, NULL, 'i'},
                                          {"text-model", required_argument, NULL, 't'},
                                          {"image-model", required_argument, NULL, 'I'},
                                          {"audio-model", required_argument, NULL, 'A'},
                                          {"media", required_argument, NULL, 'm'},
                                          {"modality-weight", required_argument, NULL, 'w'},
                                          {"out", required_argument, NULL, 'o'},
                                          CLI_COMPUTE_OPTIONS,
                                          {"strict", no_argument, NULL, 's'},
                                          {0}};
    for (int c; (c = getopt_long(argc, argv, "hq", known, NULL)) != -1;) {
        switch (c) {
        case 'i': options->items.values[options->items.count++] = optarg; break;
        case 't': options->models[FERRY_MODALITY_TEXT] = optarg; break;
        case 'I': options->models[FERRY_MODALITY_IMAGE] = optarg; break;
        case 'A': options->models[FERRY_MODALITY_AUDIO] = optarg; break;
        case 'm': options->media = optarg; break;
        case 'w':
            if (!parse_weight(optarg, options)) return EXIT_USAGE;
            break;
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
    bool any = false;
    for (int i = 0; i < FERRY_MODALITY_COUNT; i++) any = any || options->models[i] != NULL;
    if (!any) return cli_usage("catalog", "--text-model is missing, and so is --image-model");
    for (int i = 0; i < FERRY_MODALITY_COUNT; i++)
        if (options->weights[i] > 0.0f && options->models[i] == NULL)
            return cli_usage("catalog", "a weight for %s without their model", cli_units[i]);
    if (options->out == NULL || options->out[0] == '\0')
        return cli_usage("catalog", "--out is missing");
    return -1;
}

int cli_catalog(int argc, char **argv)
{
    catalog_options options = {.items = cli_list_make(argc), .report = {.subcommand = "catalog"}};
    int code = parse(argc, argv, &options);
    if (code < 0) code = run(&options);
    cli_list_free(&options.items);
    return code;
}
