/* The three files of a model directory. */
#ifndef FERRY_RECSYS_MODEL_FILES_H
#define FERRY_RECSYS_MODEL_FILES_H

#include "base/files.h"
#include "recsys/model.h"

#define FERRY_MODEL_JSON "ferry.json"
#define FERRY_MODEL_ITEMS "items.jsonl"
#define FERRY_MODEL_TENSORS "model.safetensors"

/* Each appends the bytes of one file. */
ferry_status ferry_model_write_json(const ferry_model *model, ferry_buffer *out,
                                    ferry_error *error);
ferry_status ferry_model_write_items(const ferry_model *model, ferry_buffer *out,
                                     ferry_error *error);
ferry_status ferry_model_write_tensors(const ferry_model *model, ferry_buffer *out,
                                       ferry_error *error);

/*
 * Reads a model for a catalogue, which it borrows; the files' bytes are copied. Items are matched
 * by domain and id: those the model does not know are scored by their content, those that are no
 * more in the catalogue are left out. NOT_FOUND if the catalogue lacks a domain of the model.
 */
ferry_status ferry_model_load(const ferry_catalog *catalog, ferry_files files, ferry_pool *pool,
                              ferry_model **out, ferry_error *error);

/* ---- directories (api/model_directory.c; native only) ---- */

/* ferry.json comes last: a directory is a model only once all of it is there. */
ferry_status ferry_model_save_directory(const ferry_model *model, const char *path,
                                        ferry_error *error);

#endif
