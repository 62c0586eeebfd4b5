/* ferry_model: opening; what it does is in recsys/model.h. */
#include "base/error.h"
#include "recsys/model_files.h"

ferry_status ferry_model_open(const ferry_catalog *catalog, const ferry_file *files,
                              size_t file_count, ferry_model **out, ferry_error *error)
{
    *out = NULL;
    if (catalog->dimension == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the catalogue has no vectors yet: encode it first");
    return ferry_model_load(catalog, (ferry_files){files, file_count}, NULL, out, error);
}
