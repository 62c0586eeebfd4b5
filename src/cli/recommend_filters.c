#include "cli/recommend_filters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "input/items.h"
#include "input/table.h"

cli_filters cli_filters_make(int argc)
{
    return (cli_filters){.where = cli_array(argc, sizeof(const char *)),
                         .quotas = cli_array(argc, sizeof(ferry_limit)),
                         .at_most = cli_array(argc, sizeof(ferry_limit))};
}

void cli_filters_free(cli_filters *filters)
{
    free(filters->where);
    free(filters->quotas);
    free(filters->at_most);
    free(filters->names);
    *filters = (cli_filters){0};
}

/* ---- the command line ---- */

/* NAME=N; the last '=' counts. */
static bool parse_limit(const char *subcommand, const char *option, char *text, ferry_limit *limits,
                        const ferry_limit **out, size_t *count)
{
    char *equals = strrchr(text, '=');
    ferry_limit *limit = &limits[*count];
    if (equals == NULL || equals == text) {
        cli_usage(subcommand, "%s %s: expected NAME=N", option, text);
        return false;
    }
    if (strcmp(equals + 1, "0") != 0 &&
        !cli_parse_count(subcommand, option, equals + 1, &limit->most))
        return false;
    *equals = '\0';
    limit->name = text;
    *out = limits;
    (*count)++;
    return true;
}

static bool parse_number(const char *subcommand, const char *option, const char *text, float *out)
{
    double value;
    if (!cli_parse_number(subcommand, option, text, INFINITY, &value)) return false;
    *out = (float)value;
    return true;
}

bool cli_filters_parse(const char *subcommand, int option, char *text, cli_filters *filters,
                       ferry_recommend_options *out)
{
    switch (option) {
    case CLI_WHERE:
        filters->where[out->where_count++] = text;
        out->where = filters->where;
        return true;
    case CLI_CANDIDATES: filters->candidates = text; return true;
    case CLI_QUOTA:
        return parse_limit(subcommand, "--quota", text, filters->quotas, &out->quotas,
                           &out->quota_count);
    case CLI_AT_MOST:
        return parse_limit(subcommand, "--at-most", text, filters->at_most, &out->at_most,
                           &out->at_most_count);
    case CLI_KEEP_DISLIKED: return out->keep_disliked = true;
    case CLI_KEEP_DUPLICATES: return out->keep_duplicates = true;
    case CLI_DISLIKED_COSINE:
        return parse_number(subcommand, "--disliked-cosine", text, &out->disliked_cosine);
    case CLI_DUPLICATE_COSINE:
        return parse_number(subcommand, "--duplicate-cosine", text, &out->duplicate_cosine);
    case CLI_DIVERSITY: return parse_number(subcommand, "--diversity", text, &out->diversity);
    default:
        cli_help_hint(subcommand); /* getopt has said what is wrong */
        return false;
    }
}

/* ---- candidates ---- */

typedef struct candidate_reader {
    cli_filters *filters;
    ferry_recommend_options *out;
    const ferry_catalog *catalog;
    const char *stem; /* [stem_size] of the file's name: the domain of rows that name none */
    size_t stem_size;
} candidate_reader;

static bool is_domain(const ferry_catalog *catalog, const char *name)
{
    const char *domain;
    for (size_t d = 0; (domain = ferry_catalog_domain(catalog, d)) != NULL; d++)
        if (strcmp(domain, name) == 0) return true;
    return false;
}

static ferry_status add_candidate(void *user, const ferry_item_row *row, ferry_error *error)
{
    candidate_reader *reader = user;
    cli_filters *filters = reader->filters;
    const ferry_allocator allocator = ferry_allocator_or_default(NULL);
    bool is_stem = strlen(row->domain) == reader->stem_size &&
                   memcmp(row->domain, reader->stem, reader->stem_size) == 0;
    const char *domain = is_stem && !is_domain(reader->catalog, row->domain) ? NULL : row->domain;
    size_t index;
    ferry_item item;
    FERRY_TRY(ferry_catalog_find(reader->catalog, domain, row->id, &index, error));
    FERRY_TRY(ferry_catalog_item(reader->catalog, index, &item, error));
    if (!ferry_grow(&allocator, &filters->names, sizeof *filters->names,
                    reader->out->candidate_count, &filters->name_capacity))
        return ferry_fail_memory(error, "the candidates");
    filters->names[reader->out->candidate_count++] = (ferry_item_name){item.domain, item.id};
    reader->out->candidates = filters->names;
    return FERRY_OK;
}

ferry_status cli_filters_read(cli_filters *filters, const ferry_catalog *catalog,
                              cli_report *report, ferry_recommend_options *out, ferry_error *error)
{
    if (filters->candidates == NULL) return FERRY_OK;
    candidate_reader reader = {.filters = filters, .out = out, .catalog = catalog};
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, ferry_allocator_or_default(NULL));
    ferry_status status = cli_read_file(filters->candidates, &buffer, error);
    if (status == FERRY_OK) {
        ferry_table_format format;
        ferry_file table = cli_table(filters->candidates, &buffer, &format);
        ferry_table_stem(table.name, &reader.stem, &reader.stem_size);
        status = ferry_items_read(&table, format, NULL, add_candidate, &reader, cli_refused, report,
                                  NULL, error);
    }
    ferry_buffer_free(&buffer);
    if (status != FERRY_OK || out->candidate_count > 0) return status;
    return ferry_fail(error, FERRY_NOT_FOUND, "%s: no candidate that the catalogue has",
                      filters->candidates);
}
