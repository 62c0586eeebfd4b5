/* Directories on disk, for what is opened from one or saved to one. Native only. */
#ifndef FERRY_API_DIRECTORY_H
#define FERRY_API_DIRECTORY_H

#include <stdio.h>

#include "base/memory.h"
#include "ferry/ferry.h"

enum { FERRY_DIRECTORY_MAX_FILES = 256 };

/* ---- one file ---- */

/* Maps a file read-only, under its path as its name, which is borrowed. */
ferry_status ferry_file_map(const char *path, ferry_file *out, ferry_error *error);
void ferry_file_unmap(const ferry_file *file);

/* Writes a file's bytes; FERRY_IO if that fails, whose reason is then errno's. */
typedef ferry_status (*ferry_file_filler)(void *user, FILE *file, ferry_error *error);

/* Fills a file that appears whole or not at all: written beside its place, then renamed. */
ferry_status ferry_file_write(const char *path, ferry_file_filler fill, void *user,
                              ferry_error *error);

/* A ferry_write to a FILE. */
bool ferry_file_put(void *file, const void *data, size_t size);

/* Decodes a picture, or a sound, and encodes it into out: its embedding, or the logits of its
 * classes or tags. */
ferry_status ferry_encode_file(ferry_encoder *encoder, ferry_modality modality,
                               const ferry_file *file, bool classes, float *out,
                               ferry_error *error);

/* ---- a directory ---- */

/* A directory's JSON, vocabulary and safetensors files, mapped read-only. */
typedef struct ferry_directory {
    ferry_allocator allocator;
    ferry_arena arena; /* names */
    ferry_file files[FERRY_DIRECTORY_MAX_FILES];
    size_t count;
} ferry_directory;

ferry_status ferry_directory_open(const char *path, const ferry_allocator *allocator,
                                  ferry_directory **out, ferry_error *error);
/* Takes a ferry_directory; void, so that it can be a handle's release. */
void ferry_directory_close(void *directory);

/* Makes the directory and those above it, where they are not there. */
ferry_status ferry_directory_make(const char *path, ferry_error *error);

/* Puts the directory's path before a message about one of its files; returns status. */
ferry_status ferry_in_directory(ferry_status status, const char *path, ferry_error *error);

/*
 * Begins to save: makes the directory and removes its file `about`, without which it is not opened.
 * Gone first and written last, it keeps a save that was cut short from passing for a whole one.
 */
ferry_status ferry_directory_begin(const char *path, const char *about, ferry_error *error);

/* head and body [body_size] as the file of that name; see ferry_file_write. */
ferry_status ferry_directory_write(const char *path, const char *name, const ferry_buffer *head,
                                   const void *body, size_t body_size, ferry_error *error);

#endif
