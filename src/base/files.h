/* The files of a directory, as bytes: how a model or catalogue comes in on every platform. */
#ifndef FERRY_BASE_FILES_H
#define FERRY_BASE_FILES_H

#include <string.h>

#include "ferry/ferry.h"

typedef struct ferry_files {
    const ferry_file *file; /* [count] */
    size_t count;
} ferry_files;

/* The file of that name, or NULL. */
static inline const ferry_file *ferry_files_find(ferry_files files, const char *name)
{
    for (size_t i = 0; i < files.count; i++) {
        if (strcmp(files.file[i].name, name) == 0) return &files.file[i];
    }
    return NULL;
}

#endif
