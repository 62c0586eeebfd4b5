/* ferry SUBCOMMAND … */
#include <string.h>

#include "cli/cli.h"
#include "math/kernels.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} subcommands[] = {
    {"encode", cli_encode, "texts to embeddings"},
    {"prepare", cli_prepare, "items and events to a data set"},
    {"catalog", cli_catalog, "items to a catalogue of vectors"},
    {"align", cli_align, "pictures in the space of a catalogue's texts, for search --align"},
    {"center", cli_center, "the mean embedding of each language, for --center"},
    {"quantize", cli_quantize, "a model directory to its int8 copy"},
    {"train", cli_train, "what people did to a model that recommends"},
    {"transfer", cli_transfer, "a model of other domains to a model of this one"},
    {"eval", cli_eval, "how good a ranking is, on a prepared data set"},
    {"recommend", cli_recommend, "a visitor's history to a ranked list"},
    {"profile", cli_profile, "a visitor's history to a file locked with a passphrase, and back"},
    {"search", cli_search, "an item or a text to the items nearest to it"},
};
enum { SUBCOMMANDS = sizeof subcommands / sizeof *subcommands };

static void print_help(FILE *to)
{
    fputs("Recommendations on a person's own device.\n\n"
          "Usage: ferry SUBCOMMAND [OPTION]…\n\n",
          to);
    for (size_t i = 0; i < SUBCOMMANDS; i++)
        fprintf(to, "  %-10s %s\n", subcommands[i].name, subcommands[i].summary);
    fputs("\n'ferry SUBCOMMAND --help' tells its options; 'ferry --version' the version.\n"
          "Data goes to stdout, everything else to stderr. Exit status: 0 done, 1 an error,\n"
          "2 a wrong command line, 130 interrupted.\n",
          to);
}

/* The version, and the kernels that run here, in order of speed. */
static void print_version(void)
{
    const ferry_kernels *kernels[8];
    size_t count = ferry_kernels_available(kernels, sizeof kernels / sizeof *kernels);
    printf("ferry %s (kernels:", ferry_version());
    for (size_t i = 0; i < count; i++) printf(" %s", kernels[i]->name);
    puts(")");
}

/* The exit code, unless what was printed did not arrive. */
static int finish(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    perror("ferry: stdout");
    return EXIT_ERROR;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return finish(EXIT_OK);
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version();
        return finish(EXIT_OK);
    }
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(argv[1], subcommands[i].name) != 0) continue;
        char name[32]; /* what getopt's messages begin with */
        snprintf(name, sizeof name, "ferry %s", argv[1]);
        argv[1] = name;
        return finish(subcommands[i].run(argc - 1, argv + 1));
    }
    fprintf(stderr, "ferry: no subcommand \"%s\"\n\n", argv[1]);
    print_help(stderr);
    return EXIT_USAGE;
}
