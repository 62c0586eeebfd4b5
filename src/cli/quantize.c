/* ferry quantize: a model directory to its int8 copy. */
#include "cli/cli.h"

static const char help[] =
    "Usage: ferry quantize --model DIR --out DIR\n\n"
    "Writes a copy of an encoder whose weights are int8: a quarter of the size, of sounds two\n"
    "thirds, faster, and nearly the same embeddings (docs/int8.md). Every command takes it as it\n"
    "takes the original.\n\n"
    "  --model DIR  a directory of an encoder of texts, pictures or sounds\n"
    "  --out DIR    made if it is not there\n"
    "  -h, --help\n";

int cli_quantize(int argc, char **argv)
{
    static const struct option known[] = {{"help", no_argument, NULL, 'h'},
                                          {"model", required_argument, NULL, 'm'},
                                          {"out", required_argument, NULL, 'o'},
                                          {0}};
    const char *model = NULL, *out = NULL;
    for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        switch (c) {
        case 'm': model = optarg; break;
        case 'o': out = optarg; break;
        case 'h': fputs(help, stdout); return EXIT_OK;
        default: return cli_help_hint("quantize"); /* getopt has said what is wrong */
        }
    }
    if (optind < argc) return cli_usage("quantize", "unexpected word \"%s\"", argv[optind]);
    if (model == NULL) return cli_usage("quantize", "--model is missing");
    if (out == NULL || out[0] == '\0') return cli_usage("quantize", "--out is missing");
    ferry_error error = {0};
    ferry_status status = ferry_encoder_quantize_directory(model, out, &error);
    return status == FERRY_OK ? EXIT_OK : cli_fail("quantize", status, &error);
}
