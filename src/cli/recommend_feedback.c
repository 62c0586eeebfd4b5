#include "cli/recommend_feedback.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "cli/shop.h"

cli_feedback cli_feedback_make(int argc)
{
    return (cli_feedback){.opinions = cli_array(argc, sizeof(cli_opinion)),
                          .weights = cli_array(argc, sizeof(ferry_domain_weight)),
                          .modalities = cli_array(argc, sizeof(ferry_modality_weight))};
}

void cli_feedback_free(cli_feedback *feedback)
{
    free(feedback->opinions);
    free(feedback->weights);
    free(feedback->modalities);
    *feedback = (cli_feedback){0};
}

static bool parse_weight(const char *subcommand, char *text, cli_feedback *feedback,
                         ferry_recommend_options *out)
{
    double weight;
    char *equals = strrchr(text, '=');
    if (equals == NULL || equals == text) {
        cli_usage(subcommand, "--domain-weight %s: expected DOMAIN=NUMBER", text);
        return false;
    }
    if (!cli_parse_number(subcommand, "--domain-weight", equals + 1, 1000.0, &weight)) return false;
    *equals = '\0';
    feedback->weights[out->domain_weight_count++] = (ferry_domain_weight){text, (float)weight};
    out->domain_weights = feedback->weights;
    return true;
}

static void take(cli_feedback *feedback, const char *item, ferry_behavior behavior)
{
    feedback->opinions[feedback->opinion_count++] = (cli_opinion){item, behavior};
}

bool cli_feedback_parse(const char *subcommand, int option, char *text, cli_feedback *feedback,
                        ferry_recommend_options *out)
{
    double number;
    switch (option) {
    case CLI_LIKE: take(feedback, text, FERRY_LIKE); return true;
    case CLI_DISLIKE: take(feedback, text, FERRY_DISLIKE); return true;
    case CLI_NOT_INTERESTED: take(feedback, text, FERRY_NOT_INTERESTED); return true;
    case CLI_PROFILE: feedback->profile = text; return true;
    case CLI_PASSPHRASE_FILE: feedback->passphrase_file = text; return true;
    case CLI_HALF_LIFE:
        return cli_parse_number(subcommand, "--half-life", text, INFINITY, &out->half_life);
    case CLI_NOW:
        if (!cli_parse_number(subcommand, "--now", text, 1e15, &number)) return false;
        out->now = (int64_t)number;
        return true;
    case CLI_NOVELTY:
        if (!cli_parse_number(subcommand, "--novelty", text, 1.0, &number)) return false;
        out->novelty = (float)number;
        return true;
    case CLI_DOMAIN_WEIGHT: return parse_weight(subcommand, text, feedback, out);
    case CLI_MODALITY_WEIGHT: {
        ferry_modality_weight *weight = &feedback->modalities[out->modality_weight_count++];
        out->modality_weights = feedback->modalities;
        if (!cli_parse_modality_weight(subcommand, text, 1.0, &weight->modality, &number))
            return false;
        weight->weight = (float)number;
        return true;
    }
    default:
        cli_help_hint(subcommand); /* getopt has said what is wrong */
        return false;
    }
}

ferry_status cli_feedback_add(const cli_feedback *feedback, const ferry_catalog *catalog,
                              ferry_visitor *visitor, int64_t now, ferry_error *error)
{
    for (size_t i = 0; i < feedback->opinion_count; i++) {
        const cli_opinion *opinion = &feedback->opinions[i];
        size_t index;
        ferry_item item;
        FERRY_TRY(cli_find_item(catalog, opinion->item, &index, error));
        FERRY_TRY(ferry_catalog_item(catalog, index, &item, error));
        ferry_event event = {.item = item.id,
                             .domain = item.domain,
                             .behavior = opinion->behavior,
                             .timestamp = now > 0 ? now : time(NULL)};
        FERRY_TRY(ferry_visitor_add(visitor, &event, error));
    }
    return FERRY_OK;
}
