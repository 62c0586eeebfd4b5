#include "cli/shop.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "cli/passphrase.h"

ferry_status cli_find_item(const ferry_catalog *catalog, const char *name, size_t *out,
                           ferry_error *error)
{
    char *copy = malloc(strlen(name) + 1);
    if (copy == NULL) return ferry_fail_memory(error, "an item's name");
    ferry_status status = ferry_catalog_find(catalog, NULL, name, out, error);
    strcpy(copy, name);
    for (char *slash = copy; status != FERRY_OK && (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (ferry_catalog_find(catalog, copy, slash + 1, out, NULL) == FERRY_OK) status = FERRY_OK;
        *slash = '/';
    }
    free(copy);
    return status;
}

ferry_status cli_read_events(ferry_visitor *visitor, const char *path, const char *user,
                             cli_report *report, ferry_error *error)
{
    ferry_buffer buffer;
    cli_profile_init(&buffer);
    ferry_status status = cli_read_file(path, &buffer, error);
    if (status == FERRY_OK) {
        ferry_table_format format;
        ferry_file table = cli_table(path, &buffer, &format);
        status = ferry_visitor_add_table(visitor, &table, format, user, cli_refused, report, NULL,
                                         error);
    }
    ferry_buffer_free(&buffer);
    cli_report_end(report);
    return status;
}

ferry_status cli_load_profile(ferry_visitor *visitor, const char *path, const char *passphrase_file,
                              cli_report *report, ferry_error *error)
{
    ferry_buffer profile;
    cli_profile_init(&profile);
    ferry_status status = cli_profile_read(path, passphrase_file, &profile, error);
    if (status == FERRY_OK)
        status = ferry_visitor_load(visitor, profile.data, profile.size, cli_refused, report, NULL,
                                    error);
    ferry_buffer_free(&profile);
    return status;
}

void cli_print_item(const ferry_catalog *catalog, size_t rank, ferry_recommendation item)
{
    const ferry_item *of = &catalog->items[item.item].item;
    printf("%4zu  %6.4f  %-14s %s  (%s)\n", rank, (double)item.score, of->domain, of->title,
           of->id);
}

ferry_status cli_print_items_json(const ferry_catalog *catalog, const ferry_recommendation *items,
                                  size_t count, const ferry_excluded *excluded,
                                  const ferry_why *why, ferry_error *error)
{
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, ferry_allocator_or_default(NULL));
    ferry_status status =
        ferry_recommendations_json(catalog, items, count, excluded, why, &buffer, error);
    if (status == FERRY_OK) printf("%.*s\n", (int)buffer.size, buffer.data);
    ferry_buffer_free(&buffer);
    return status;
}
