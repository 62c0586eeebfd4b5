/* ferry align: pictures in the space of texts, learned from a catalogue. */
#include <stdlib.h>
#include <string.h>

#include "cli/align_input.h"

static const char help[] =
    "Usage: ferry align --catalog DIR [--features FILE] [--method M] --out DIR\n"
    "       ferry align --catalog DIR [--features FILE] [--method M] --evaluate N\n"
    "       ferry align --catalog DIR [--features FILE] --fusion KIND --out DIR\n\n"
    "Learns where a picture, or a sound, lies among the texts of a catalogue, from the items that\n"
    "have both; 'ferry search --align' then finds items by their pictures with a text, and by "
    "their\n"
    "texts with a picture. Writes align.json and align.safetensors.\n\n"
    "  --catalog DIR      what 'ferry catalog' wrote\n"
    "  --features FILE    \"embeddings\" [items, numbers] of a safetensors file, in the order of "
    "the\n"
    "                     catalogue; zeros for an item without\n"
    "  --method M         bridge, ridge, infonce, or several joined with +. Else bridge+ridge "
    "where "
    "the\n"
    "                     bridge can be made, ridge otherwise\n"
    "  --image-model DIR  the model of the features; its classifier makes the bridge\n"
    "  --text-model DIR   the catalogue's text encoder, for the names of the classes\n"
    "  --labels FILE      the names of the classes, one a line; else the image model's own "
    "config.json\n"
    "                     names them\n"
    "  --fusion KIND      in place of an alignment, one vector of text and feature together: "
    "concat, "
    "gated,\n"
    "                     project. Writes fusion.json, fusion.safetensors and fused.safetensors:\n"
    "                     \"embeddings\" [items, numbers], and of what each was made in \"used\"\n"
    "  --dimension N      of --fusion, 128\n"
    "  --modality NAME    of the features: image (the default), audio\n"
    "  --out DIR          made if it is not there\n"
    "  --evaluate N       learns from 70 in 100 of the pairs and asks about the rest, N times: "
    "shares\n"
    "                     found first and among the first ten; writes nothing\n"
    "  --seed N           of infonce and of --evaluate, 0\n"
    "  --epochs N         of infonce, 60\n"
    "  --hidden N         of infonce, 512\n"
    "  --json             the report as one JSON object on stdout\n" CLI_COMPUTE_HELP
    "  -q, --quiet        no progress, no report\n"
    "  -h, --help\n";

typedef struct align_options {
    cli_align_paths paths;
    const char *out;
    const char *fusion; /* NULL: an alignment */
    size_t evaluate, seed, dimension;
    bool json;
    cli_compute compute;
    ferry_align_options learn;
    cli_report report;
} align_options;

static double percent(double share)
{
    return 100 * share;
}

static ferry_status evaluate(const align_options *options, const ferry_align_data *data,
                             ferry_error *error)
{
    ferry_align_figures f;
    FERRY_TRY(ferry_alignment_evaluate(data, &options->learn, options->evaluate, 0.7, &f, error));
    if (options->json) {
        printf("{\"splits\":%zu,\"learned\":%zu,\"candidates\":%zu,"
               "\"text_to_feature\":[%.6f,%.6f],\"feature_to_text\":[%.6f,%.6f]}\n",
               f.splits, f.learned, f.candidates, f.text_to_feature[0], f.text_to_feature[1],
               f.feature_to_text[0], f.feature_to_text[1]);
        return FERRY_OK;
    }
    printf("%zu splits: %zu pairs learned from, %zu asked about; in per cent\n"
           "                  first  in ten\n"
           "  text to %-7s  %5.1f  %5.1f\n"
           "  %-7s to text  %5.1f  %5.1f\n",
           f.splits, f.learned, f.candidates, options->paths.modality,
           percent(f.text_to_feature[0]), percent(f.text_to_feature[1]), options->paths.modality,
           percent(f.feature_to_text[0]), percent(f.feature_to_text[1]));
    return FERRY_OK;
}

static ferry_status learn(const align_options *options, const ferry_align_data *data,
                          ferry_error *error)
{
    ferry_alignment *alignment;
    double began = cli_seconds();
    FERRY_TRY(cli_make_writable(options->out, error));
    FERRY_TRY(ferry_alignment_learn(data, &options->learn, &alignment, error));
    double seconds = cli_seconds() - began;
    ferry_status status = ferry_alignment_save_directory(alignment, options->out, error);
    if (status == FERRY_OK && options->json) status = cli_align_print_json(alignment, error);
    if (status == FERRY_OK && !options->report.quiet) {
        fprintf(stderr, "%s: learned from %zu pairs in %.2f s;", options->out, alignment->pairs,
                seconds);
        for (int head = 0; head < FERRY_ALIGN_HEADS; head++)
            if (alignment->weight[head] != 0.0f)
                fprintf(stderr, " %s %.2f", ferry_align_head_name((ferry_align_head)head),
                        (double)alignment->weight[head]);
        fputc('\n', stderr);
    }
    ferry_alignment_close(alignment);
    return status;
}

static ferry_status fuse(const align_options *options, const ferry_align_data *data,
                         ferry_error *error)
{
    ferry_fusion *fusion;
    ferry_fusion_options learn_options = {.size = sizeof learn_options,
                                          .kernels = options->compute.kernels,
                                          .threads = options->learn.threads,
                                          .dimension = options->dimension,
                                          .seed = options->seed,
                                          .epochs = options->learn.epochs,
                                          .progress = options->learn.progress,
                                          .progress_user = options->learn.progress_user};
    size_t other = strcmp(options->paths.modality, "audio") == 0 ? 2 : 1;
    ferry_fusion_data inputs = {.count = data->count, .x = {data->text}, .dimension = {data->D}};
    inputs.x[other] = data->features;
    inputs.dimension[other] = data->F;
    FERRY_TRY(ferry_fusion_kind_of(options->fusion, &learn_options.kind, error));
    FERRY_TRY(cli_make_writable(options->out, error));
    FERRY_TRY(ferry_fusion_learn(&inputs, &learn_options, &fusion, error));
    ferry_status status = ferry_fusion_save_directory(fusion, options->out, error);
    if (status == FERRY_OK) status = cli_write_fused(fusion, &inputs, options->out, error);
    ferry_fusion_close(fusion);
    return status;
}

static int run(align_options *options)
{
    ferry_error error = {0};
    cli_align_input input;
    cli_catch_interrupt();
    options->learn.size = sizeof options->learn;
    options->learn.kernels = options->compute.kernels;
    options->learn.threads = cli_encoder_options(&options->compute).threads;
    options->learn.seed = options->seed;
    options->learn.progress = cli_progress;
    options->learn.progress_user = &options->report;
    ferry_status status =
        cli_align_open(&options->paths, &options->compute, &options->learn.methods, &input, &error);
    if (status == FERRY_OK)
        status = (options->fusion != NULL ? fuse
                  : options->evaluate > 0 ? evaluate
                                          : learn)(options, &input.data, &error);
    cli_align_close(&input);
    return status == FERRY_OK ? EXIT_OK : cli_fail("align", status, &error);
}

/* "bridge+ridge" to bits; false prints a usage message. */
static bool parse_methods(const char *text, unsigned *out)
{
    *out = 0;
    for (const char *at = text; at != NULL; at = strchr(at, '+'), at = at != NULL ? at + 1 : at) {
        size_t size = strcspn(at, "+"), found = FERRY_ALIGN_HEADS;
        for (size_t head = 0; head < FERRY_ALIGN_HEADS; head++) {
            const char *name = ferry_align_head_name((ferry_align_head)head);
            if (strlen(name) == size && memcmp(name, at, size) == 0) found = head;
        }
        if (found == FERRY_ALIGN_HEADS) {
            cli_usage("align", "--method %s: expected bridge, ridge or infonce, joined with +",
                      text);
            return false;
        }
        *out |= 1u << found;
    }
    return true;
}

static bool take(align_options *options, int option)
{
    ferry_align_options *learn_options = &options->learn;
    double number;
    switch (option) {
    case 'c': options->paths.catalog = optarg; return true;
    case 'f': options->paths.features = optarg; return true;
    case 'i': options->paths.image_model = optarg; return true;
    case 't': options->paths.text_model = optarg; return true;
    case 'l': options->paths.labels = optarg; return true;
    case 'm': options->paths.modality = optarg; return true;
    case 'M': return parse_methods(optarg, &learn_options->methods);
    case 'o': options->out = optarg; return true;
    case 'F': options->fusion = optarg; return true;
    case 'D': return cli_parse_count("align", "--dimension", optarg, &options->dimension);
    case 'E': return cli_parse_count("align", "--evaluate", optarg, &options->evaluate);
    case 's':
        if (!cli_parse_number("align", "--seed", optarg, 1e9, &number)) return false;
        options->seed = (size_t)number;
        return true;
    case 'e': return cli_parse_count("align", "--epochs", optarg, &learn_options->epochs);
    case 'H': return cli_parse_count("align", "--hidden", optarg, &learn_options->hidden);
    case 'j': options->json = true; return true;
    case 'K': options->compute.kernels = optarg; return true;
    case 'q': options->report.quiet = true; return true;
    default: return cli_parse_compute("align", option, optarg, &options->compute);
    }
}

static int check(const align_options *options)
{
    const cli_align_paths *paths = &options->paths;
    if (paths->catalog == NULL) return cli_usage("align", "--catalog is missing");
    if ((options->out == NULL) == (options->evaluate == 0))
        return cli_usage("align", "expected one of --out and --evaluate");
    if (options->fusion != NULL && (options->evaluate > 0 || options->learn.methods != 0))
        return cli_usage("align", "--fusion goes with neither --method nor --evaluate");
    if (options->out != NULL && options->out[0] == '\0')
        return cli_usage("align", "--out is empty");
    if (strcmp(paths->modality, "image") != 0 && strcmp(paths->modality, "audio") != 0)
        return cli_usage("align", "--modality %s: expected image or audio", paths->modality);
    if (paths->labels != NULL && paths->image_model == NULL)
        return cli_usage("align", "--labels goes with --image-model");
    if ((paths->image_model == NULL) != (paths->text_model == NULL))
        return cli_usage("align", "--image-model and --text-model: both, for the bridge");
    if ((options->learn.methods & FERRY_ALIGN_BRIDGE) && paths->image_model == NULL)
        return cli_usage("align", "the bridge needs --image-model and --text-model");
    return -1;
}

int cli_align(int argc, char **argv)
{
    static const struct option known[] = {CLI_COMMON_OPTIONS,
                                          {"catalog", required_argument, NULL, 'c'},
                                          {"features", required_argument, NULL, 'f'},
                                          {"image-model", required_argument, NULL, 'i'},
                                          {"text-model", required_argument, NULL, 't'},
                                          {"labels", required_argument, NULL, 'l'},
                                          {"modality", required_argument, NULL, 'm'},
                                          {"method", required_argument, NULL, 'M'},
                                          {"out", required_argument, NULL, 'o'},
                                          {"fusion", required_argument, NULL, 'F'},
                                          {"dimension", required_argument, NULL, 'D'},
                                          {"evaluate", required_argument, NULL, 'E'},
                                          {"seed", required_argument, NULL, 's'},
                                          {"epochs", required_argument, NULL, 'e'},
                                          {"hidden", required_argument, NULL, 'H'},
                                          {"json", no_argument, NULL, 'j'},
                                          CLI_COMPUTE_OPTIONS,
                                          {0}};
    align_options options = {.paths = {.modality = "image"},
                             .report = {.subcommand = "align", .unit = "epochs"}};
    for (int c; (c = getopt_long(argc, argv, "hq", known, NULL)) != -1;) {
        if (c == 'h') return fputs(help, stdout), EXIT_OK;
        if (c == '?') return cli_help_hint("align"); /* getopt has said what is wrong */
        if (!take(&options, c)) return EXIT_USAGE;
    }
    if (optind < argc) return cli_usage("align", "unexpected word \"%s\"", argv[optind]);
    int code = check(&options);
    return code < 0 ? run(&options) : code;
}
