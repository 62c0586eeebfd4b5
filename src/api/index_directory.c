/* An index in a file on disk. */
#include "api/directory.h"
#include "base/error.h"
#include "base/options.h"

static ferry_status fill_index(void *user, FILE *file, ferry_error *error)
{
    return ferry_index_save(user, ferry_file_put, file, error);
}

ferry_status ferry_index_save_file(const ferry_index *index, const char *path, ferry_error *error)
{
    /* filling reads it only */
    return ferry_file_write(path, fill_index, (void *)(uintptr_t)index, error);
}

ferry_status ferry_index_load_file(const char *path, const ferry_index_options *options,
                                   ferry_index **out, ferry_error *error)
{
    ferry_file file;
    *out = NULL;
    FERRY_TRY(ferry_file_map(path, &file, error));
    ferry_status status = ferry_index_load(&file, options, out, error);
    ferry_file_unmap(&file);
    return status;
}
