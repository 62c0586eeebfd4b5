/* The options of `ferry recommend` that say what may be on a list. */
#ifndef FERRY_CLI_RECOMMEND_FILTERS_H
#define FERRY_CLI_RECOMMEND_FILTERS_H

#include "cli/cli.h"

typedef struct cli_filters {
    cli_list where;
    const char *candidates; /* a file, or NULL */
    ferry_item_name *names; /* [name_count] of [name_capacity], what it says */
    size_t name_count, name_capacity;
    ferry_limit *quotas, *at_most; /* [quota_count], [at_most_count]; room for every word */
    size_t quota_count, at_most_count;
    bool keep_disliked, keep_duplicates;
    float disliked_cosine, duplicate_cosine, diversity;
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

/* Room for every word of the command line; exits on lack of memory. */
cli_filters cli_filters_make(int argc);
void cli_filters_free(cli_filters *filters);

/* Takes an option of CLI_FILTER_OPTIONS; false prints a usage message. */
bool cli_filters_parse(const char *subcommand, int option, char *text, cli_filters *out);

/* Reads the candidates' file, if there is one. Items that the catalogue lacks are reported. */
ferry_status cli_filters_read(cli_filters *filters, const ferry_catalog *catalog,
                              cli_report *report, ferry_error *error);

/* Borrows what is in filters. */
void cli_filters_apply(const cli_filters *filters, ferry_recommend_options *out);

#endif
