/* The options of `ferry recommend` that say what may be on a list. */
#ifndef FERRY_CLI_RECOMMEND_FILTERS_H
#define FERRY_CLI_RECOMMEND_FILTERS_H

#include "cli/cli.h"

/* What ferry_recommend_options borrows. The first three have room for every word of the command
 * line. */
typedef struct cli_filters {
    const char **where;
    ferry_limit *quotas, *at_most;
    ferry_item_name *names; /* [name_capacity] candidates */
    size_t name_capacity;
    const char *candidates; /* the file they come from, or NULL */
} cli_filters;

enum {
    CLI_WHERE = 512,
    CLI_CANDIDATES,
    CLI_QUOTA,
    CLI_AT_MOST,
    CLI_KEEP_DISLIKED,
    CLI_KEEP_DUPLICATES,
    CLI_DISLIKED_COSINE,
    CLI_DUPLICATE_COSINE,
    CLI_DIVERSITY
};
#define CLI_FILTER_OPTIONS                                                   \
    {"where", required_argument, NULL, CLI_WHERE},                           \
        {"candidates", required_argument, NULL, CLI_CANDIDATES},             \
        {"quota", required_argument, NULL, CLI_QUOTA},                       \
        {"at-most", required_argument, NULL, CLI_AT_MOST},                   \
        {"keep-disliked", no_argument, NULL, CLI_KEEP_DISLIKED},             \
        {"keep-duplicates", no_argument, NULL, CLI_KEEP_DUPLICATES},         \
        {"disliked-cosine", required_argument, NULL, CLI_DISLIKED_COSINE},   \
        {"duplicate-cosine", required_argument, NULL, CLI_DUPLICATE_COSINE}, \
    {                                                                        \
        "diversity", required_argument, NULL, CLI_DIVERSITY                  \
    }
#define CLI_FILTER_HELP                                                                          \
    "  --where COND      only items of which this holds: 'price<20', 'tags has vegan',\n"        \
    "                    'author!=X', 'title~word' (docs/ranking.md). Several must all hold\n"   \
    "  --candidates FILE only these items: a table with id and, where ids are not unique, "      \
    "domain\n"                                                                                   \
    "  --quota D=N       at most N items of domain D; may be given several times\n"              \
    "  --at-most F=N     at most N items with one value of field F (author, domain, brand…);\n"  \
    "                    may be given several times\n"                                           \
    "  --diversity X     0 (the best, in order) to 1 (as different as can be, after the best)\n" \
    "  --keep-disliked   what was disliked, and what is like it, may be recommended\n"           \
    "  --keep-duplicates so may several items of one title, or of nearly the same text\n"        \
    "  --disliked-cosine X, --duplicate-cosine X\n"                                              \
    "                    how near that is: .9 and .98, above 1 never\n"

/* Exits on lack of memory. */
cli_filters cli_filters_make(int argc);
void cli_filters_free(cli_filters *filters);

/* Takes an option of CLI_FILTER_OPTIONS; false prints a usage message. */
bool cli_filters_parse(const char *subcommand, int option, char *text, cli_filters *filters,
                       ferry_recommend_options *out);

/* Reads the candidates' file, if there is one. Items that the catalogue lacks are reported. */
ferry_status cli_filters_read(cli_filters *filters, const ferry_catalog *catalog,
                              cli_report *report, ferry_recommend_options *out, ferry_error *error);

#endif
