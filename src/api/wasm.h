/* What the files of exports share: the one error, result and queue of a module instance; see
 * wasm.c. */
#ifndef FERRY_API_WASM_H
#define FERRY_API_WASM_H

#include "base/files.h"
#include "base/json.h"
#include "base/memory.h"

#define EXPORT(name) __attribute__((export_name(#name))) name

/* Begins a call: no error, an empty result. */
ferry_error *ferry_wasm_begin(void);
/* Ends it with its status, which becomes the return value. */
int ferry_wasm_end(ferry_status status);
/* What the call gives; emptied by ferry_wasm_begin. */
ferry_buffer *ferry_wasm_output(void);
/* A ferry_write to it. */
bool ferry_wasm_write(void *user, const void *data, size_t size);
/* Appends a tree to it, and frees the tree. NULL is a tree that could not be built. */
ferry_status ferry_wasm_give(cJSON *json);
/* The files queued for an open. */
ferry_files ferry_wasm_queued(void);
void ferry_wasm_files_clear(void);

#endif
