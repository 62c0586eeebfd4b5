/* Data sets on disk. Native only. */
#include "api/directory.h"
#include "base/error.h"
#include "recsys/dataset_files.h"

ferry_status ferry_dataset_open_directory(const char *path, const ferry_allocator *allocator,
                                          ferry_dataset **out, ferry_error *error)
{
    ferry_directory *dir;
    *out = NULL;
    FERRY_TRY(ferry_directory_open(path, allocator, &dir, error));
    ferry_status status =
        ferry_dataset_load((ferry_files){dir->files, dir->count}, allocator, out, error);
    ferry_directory_close(dir);
    return ferry_in_directory(status, path, error);
}

ferry_status ferry_dataset_save_directory(const ferry_dataset *dataset, const char *path,
                                          const ferry_buffer *items, const cJSON *settings,
                                          const cJSON *report, ferry_error *error)
{
    ferry_buffer bytes;
    ferry_buffer_init(&bytes, dataset->arena.allocator);
    ferry_status status = ferry_directory_begin(path, DATASET_JSON, error);
    if (status == FERRY_OK && items == NULL)
        status = ferry_dataset_write_items(dataset, &bytes, error);
    if (status == FERRY_OK)
        status = ferry_directory_write(path, DATASET_ITEMS, items != NULL ? items : &bytes, NULL, 0,
                                       error);
    bytes.size = 0;
    if (status == FERRY_OK) status = ferry_dataset_write_events(dataset, &bytes, error);
    if (status == FERRY_OK)
        status = ferry_directory_write(path, DATASET_EVENTS, &bytes, NULL, 0, error);
    bytes.size = 0;
    if (status == FERRY_OK)
        status = ferry_dataset_write_json(dataset, settings, report, &bytes, error);
    if (status == FERRY_OK)
        status = ferry_directory_write(path, DATASET_JSON, &bytes, "\n", 1, error);
    ferry_buffer_free(&bytes);
    return status;
}
