/* What subcommands over a catalogue share: an item by name, a visitor's history, ranked items. */
#ifndef FERRY_CLI_SHOP_H
#define FERRY_CLI_SHOP_H

#include "api/handles.h"
#include "cli/cli.h"

/* The item named "ID", if one domain alone has it, or "DOMAIN/ID": an id may hold a slash, and so
 * may a domain. NOT_FOUND names it. */
ferry_status cli_find_item(const ferry_catalog *catalog, const char *name, size_t *out,
                           ferry_error *error);

/* Adds a table of events, "-" being JSONL on stdin. user may be NULL: see
 * ferry_visitor_add_table. Tells how many rows were refused and not printed. */
ferry_status cli_read_events(ferry_visitor *visitor, const char *path, const char *user,
                             cli_report *report, ferry_error *error);

/* The history of a profile in place of the visitor's; see cli_profile_read. */
ferry_status cli_load_profile(ferry_visitor *visitor, const char *path, const char *passphrase_file,
                              cli_report *report, ferry_error *error);

/* One line to stdout: rank, counted from 1, score, domain, title, id. */
void cli_print_item(const ferry_catalog *catalog, size_t rank, ferry_recommendation item);

/* One line of JSON to stdout: see ferry_recommendations_json. */
ferry_status cli_print_items_json(const ferry_catalog *catalog, const ferry_recommendation *items,
                                  size_t count, const ferry_excluded *excluded,
                                  const ferry_why *why, ferry_error *error);

#endif
