/* Alignments on disk. Native only. */
#include "api/directory.h"
#include "base/error.h"
#include "recsys/alignment.h"

ferry_status ferry_alignment_open_directory(const char *path, const ferry_catalog_options *options,
                                            ferry_alignment **out, ferry_error *error)
{
    ferry_directory *dir;
    *out = NULL;
    FERRY_TRY(ferry_directory_open(path, options != NULL ? options->allocator : NULL, &dir, error));
    ferry_status status = ferry_alignment_open(dir->files, dir->count, options, out, error);
    if (status == FERRY_OK) {
        (*out)->release = ferry_directory_close;
        (*out)->owner = dir;
    } else {
        ferry_directory_close(dir);
    }
    return ferry_in_directory(status, path, error);
}

ferry_status ferry_alignment_save_directory(const ferry_alignment *alignment, const char *path,
                                            ferry_error *error)
{
    ferry_buffer json, tensors;
    ferry_buffer_init(&json, alignment->arena.allocator);
    ferry_buffer_init(&tensors, alignment->arena.allocator);
    ferry_status status = ferry_alignment_write_json(alignment, &json, error);
    if (status == FERRY_OK) status = ferry_alignment_write_tensors(alignment, &tensors, error);
    if (status == FERRY_OK) status = ferry_directory_begin(path, FERRY_ALIGN_JSON, error);
    if (status == FERRY_OK)
        status = ferry_directory_write(path, FERRY_ALIGN_TENSORS, &tensors, NULL, 0, error);
    if (status == FERRY_OK)
        status = ferry_directory_write(path, FERRY_ALIGN_JSON, &json, NULL, 0, error);
    ferry_buffer_free(&json);
    ferry_buffer_free(&tensors);
    return status;
}
