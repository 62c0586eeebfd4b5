/* Models on disk. Native only. */
#include "api/directory.h"
#include "base/error.h"
#include "recsys/model_files.h"

ferry_status ferry_model_open_directory(const ferry_catalog *catalog, const char *path,
                                        ferry_model **out, ferry_error *error)
{
    ferry_directory *dir;
    *out = NULL;
    FERRY_TRY(ferry_directory_open(path, &catalog->allocator, &dir, error));
    ferry_status status = ferry_model_open(catalog, dir->files, dir->count, out, error);
    ferry_directory_close(dir);
    return ferry_in_directory(status, path, error);
}

ferry_status ferry_model_save_directory(const ferry_model *model, const char *path,
                                        ferry_error *error)
{
    const struct {
        const char *name;
        ferry_status (*write)(const ferry_model *, ferry_buffer *, ferry_error *);
    } files[] = {{FERRY_MODEL_ITEMS, ferry_model_write_items},
                 {FERRY_MODEL_TENSORS, ferry_model_write_tensors},
                 {FERRY_MODEL_JSON, ferry_model_write_json}};
    ferry_buffer bytes;
    ferry_buffer_init(&bytes, model->arena.allocator);
    ferry_status status = ferry_directory_begin(path, FERRY_MODEL_JSON, error);
    for (size_t i = 0; i < sizeof files / sizeof *files && status == FERRY_OK; i++) {
        bytes.size = 0;
        status = files[i].write(model, &bytes, error);
        if (status == FERRY_OK)
            status = ferry_directory_write(path, files[i].name, &bytes, NULL, 0, error);
    }
    ferry_buffer_free(&bytes);
    return status;
}
