/* ferry recommend --explain: why, below each line. */
#ifndef FERRY_CLI_RECOMMEND_EXPLAIN_H
#define FERRY_CLI_RECOMMEND_EXPLAIN_H

#include "api/handles.h"

#define CLI_EXPLAIN_HELP                                                                        \
    "  --explain         why, below each item: a sentence and what speaks for and against it; " \
    "at\n"                                                                                      \
    "                    the end, without which events another would be the first. In --json\n" \
    "                    \"explanation\" of each item, \"history\" and \"counterfactual\"\n"

/* What belongs below the i-th item of a list, and below the list. */
void cli_explain_item(const ferry_why *why, size_t i);
void cli_explain_list(const ferry_why *why);

#endif
