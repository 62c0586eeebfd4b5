/* The options of `ferry recommend` that say what the visitor likes and wants to count. */
#ifndef FERRY_CLI_RECOMMEND_FEEDBACK_H
#define FERRY_CLI_RECOMMEND_FEEDBACK_H

#include "cli/cli.h"

typedef struct cli_opinion {
    const char *item; /* "ID" or "DOMAIN/ID" */
    ferry_behavior behavior;
} cli_opinion;

/* The lists have room for every word of the command line. */
typedef struct cli_feedback {
    const char *profile, *passphrase_file; /* or NULL */
    cli_opinion *opinions;                 /* [opinion_count], in the order given */
    size_t opinion_count;
    ferry_domain_weight *weights; /* what ferry_recommend_options borrows */
    ferry_modality_weight *modalities;
} cli_feedback;

enum {
    CLI_LIKE = 768,
    CLI_DISLIKE,
    CLI_NOT_INTERESTED,
    CLI_PROFILE,
    CLI_PASSPHRASE_FILE,
    CLI_HALF_LIFE,
    CLI_NOW,
    CLI_NOVELTY,
    CLI_DOMAIN_WEIGHT,
    CLI_MODALITY_WEIGHT
};
#define CLI_FEEDBACK_OPTIONS                                               \
    {"like", required_argument, NULL, CLI_LIKE},                           \
        {"dislike", required_argument, NULL, CLI_DISLIKE},                 \
        {"not-interested", required_argument, NULL, CLI_NOT_INTERESTED},   \
        {"profile", required_argument, NULL, CLI_PROFILE},                 \
        {"passphrase-file", required_argument, NULL, CLI_PASSPHRASE_FILE}, \
        {"half-life", required_argument, NULL, CLI_HALF_LIFE},             \
        {"now", required_argument, NULL, CLI_NOW},                         \
        {"novelty", required_argument, NULL, CLI_NOVELTY},                 \
        {"modality-weight", required_argument, NULL, CLI_MODALITY_WEIGHT}, \
    {                                                                      \
        "domain-weight", required_argument, NULL, CLI_DOMAIN_WEIGHT        \
    }
#define CLI_FEEDBACK_HELP                                                                         \
    "  --profile FILE    a history that 'ferry profile export' or visitor.export() wrote; what\n" \
    "                    --history and the next three say is added to it\n"                       \
    "  --passphrase-file FILE\n"                                                                  \
    "                    opens a locked profile with the file's first line; else with\n"          \
    "                    FERRY_PASSPHRASE of the environment, or it is asked for\n"               \
    "  --like ID, --dislike ID, --not-interested ID\n"                                            \
    "                    adds an event of now, or of --now; ID or DOMAIN/ID; may be given\n"      \
    "                    several times. Not interested hides the item and says no more\n"         \
    "  --half-life DAYS  after which an event says half as much (0: none fades)\n"                \
    "  --now SECONDS     since 1970: when --half-life counts from (the newest event)\n"           \
    "  --novelty X       0 to 1: pushes down what is popular; needs --model\n"                    \
    "  --domain-weight D=X\n"                                                                     \
    "                    how much events in domain D say, from 0 (nothing); others 1\n"           \
    "  --modality-weight text|image|audio=X\n"                                                    \
    "                    0 to 1: the part of the score that is about pictures, say; the others\n" \
    "                    share the rest. image=0: words alone, image=1: pictures alone\n"

/* Exits on lack of memory. */
cli_feedback cli_feedback_make(int argc);
void cli_feedback_free(cli_feedback *feedback);

/* Takes an option of CLI_FEEDBACK_OPTIONS; false prints a usage message. */
bool cli_feedback_parse(const char *subcommand, int option, char *text, cli_feedback *feedback,
                        ferry_recommend_options *out);

/* Adds the opinions, behind the rest of the history; now: when, or 0. */
ferry_status cli_feedback_add(const cli_feedback *feedback, const ferry_catalog *catalog,
                              ferry_visitor *visitor, int64_t now, ferry_error *error);

#endif
