/* ferry SUBCOMMAND … */
#include <string.h>

#include "cli/cli.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} subcommands[] = {
    {"encode", cli_encode, "texts to embeddings"},
    {"catalog", cli_catalog, "items to a catalogue of vectors"},
    {"quantize", cli_quantize, "a model directory to its int8 copy"},
    {"recommend", cli_recommend, "a visitor's history to a ranked list"},
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

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    if (strcmp(argv[1], "--version") == 0) {
        const char *kernels;
        ferry_kernels_name(NULL, &kernels, NULL);
        printf("ferry %s (kernels: %s)\n", ferry_version(), kernels);
        return EXIT_OK;
    }
    for (size_t i = 0; i < SUBCOMMANDS; i++) {
        if (strcmp(argv[1], subcommands[i].name) != 0) continue;
        char name[32]; /* what getopt's messages begin with */
        snprintf(name, sizeof name, "ferry %s", argv[1]);
        argv[1] = name;
        int code = subcommands[i].run(argc - 1, argv + 1);
        if (fflush(stdout) != 0 || ferror(stdout)) {
            perror("ferry: stdout");
            return EXIT_ERROR;
        }
        return code;
    }
    fprintf(stderr, "ferry: no subcommand \"%s\"\n\n", argv[1]);
    print_help(stderr);
    return EXIT_USAGE;
}
