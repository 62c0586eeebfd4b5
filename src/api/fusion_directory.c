/* Fusions on disk. Native only. */
#include "api/directory.h"
#include "base/error.h"
#include "recsys/fusion.h"

ferry_status ferry_fusion_open_directory(const char *path, const ferry_catalog_options *options,
                                         ferry_fusion **out, ferry_error *error)
{
    ferry_directory *dir;
    *out = NULL;
    FERRY_TRY(ferry_directory_open(path, options != NULL ? options->allocator : NULL, &dir, error));
    ferry_status status = ferry_fusion_open(dir->files, dir->count, options, out, error);
    ferry_directory_close(dir); /* the block is a copy */
    return ferry_in_directory(status, path, error);
}

ferry_status ferry_fusion_save_directory(const ferry_fusion *fusion, const char *path,
                                         ferry_error *error)
{
    ferry_buffer json, tensors;
    ferry_buffer_init(&json, fusion->arena.allocator);
    ferry_buffer_init(&tensors, fusion->arena.allocator);
    ferry_status status = ferry_fusion_write_json(fusion, &json, error);
    if (status == FERRY_OK) status = ferry_fusion_write_tensors(fusion, &tensors, error);
    if (status == FERRY_OK) status = ferry_directory_begin(path, FERRY_FUSION_JSON, error);
    if (status == FERRY_OK)
        status = ferry_directory_write(path, FERRY_FUSION_TENSORS, &tensors, NULL, 0, error);
    if (status == FERRY_OK)
        status = ferry_directory_write(path, FERRY_FUSION_JSON, &json, NULL, 0, error);
    ferry_buffer_free(&json);
    ferry_buffer_free(&tensors);
    return status;
}
