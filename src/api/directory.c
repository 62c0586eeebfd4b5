/* Directories on disk: models and catalogues mapped read-only, catalogues written. Native only. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/directory.h"
#include "api/handles.h"
#include "base/error.h"
#include "base/options.h"
#include "encode/quantize.h"

/* ---- a mapped directory ---- */

enum { MAX_PATH = 4096, MAX_DEPTH = 2 /* "1_Pooling/config.json" */ };

void ferry_directory_close(void *user)
{
    ferry_directory *dir = user;
    for (size_t i = 0; i < dir->count; i++) ferry_file_unmap(&dir->files[i]);
    ferry_arena_free(&dir->arena);
    ferry_allocator allocator = dir->allocator;
    ferry_release(&allocator, dir, sizeof *dir);
}

/* The kinds of file a model or a catalogue is made of; the rest (other frameworks' weights, say)
 * is left alone. */
static bool is_wanted(const char *name)
{
    static const char *const endings[] = {".json", ".jsonl", ".txt", ".safetensors"};
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t size = strlen(name), ending = strlen(endings[i]);
        if (size > ending && strcmp(name + size - ending, endings[i]) == 0) return true;
    }
    return false;
}

ferry_status ferry_file_map(const char *path, ferry_file *out, ferry_error *error)
{
    *out = (ferry_file){path, "", 0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    if (file < 0 || fstat(file, &about) != 0) {
        ferry_fail(error, FERRY_IO, "%s: %s", path, strerror(errno));
        if (file >= 0) close(file);
        return FERRY_IO;
    }
    const void *data = "";
    if (about.st_size > 0)
        data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    int reason = errno;
    close(file);
    if (data == MAP_FAILED) return ferry_fail(error, FERRY_IO, "%s: %s", path, strerror(reason));
    *out = (ferry_file){path, data, (size_t)about.st_size};
    return FERRY_OK;
}

void ferry_file_unmap(const ferry_file *file)
{
    /* munmap wants a plain pointer; the bytes are ours */
    if (file->size > 0) munmap((void *)(uintptr_t)file->data, file->size);
}

/* Maps path as the file `name` of the directory. */
static ferry_status map_file(ferry_directory *dir, const char *path, const char *name,
                             ferry_error *error)
{
    if (dir->count == FERRY_DIRECTORY_MAX_FILES)
        return ferry_fail(error, FERRY_LIMIT, "%s: more than %d files in the directory", path,
                          FERRY_DIRECTORY_MAX_FILES);
    ferry_file *added = &dir->files[dir->count];
    FERRY_TRY(ferry_file_map(path, added, error));
    dir->count++; /* from here on closing unmaps it */
    added->name = ferry_arena_text(&dir->arena, name, strlen(name));
    return added->name != NULL ? FERRY_OK : ferry_fail_memory(error, path);
}

/* Maps the wanted files of the folder `root`/`below`, and of those in it. */
static ferry_status map_folder(ferry_directory *dir, const char *root, const char *below, int depth,
                               ferry_error *error)
{
    char path[MAX_PATH], name[MAX_PATH];
    snprintf(path, sizeof path, "%s/%s", root, below);
    DIR *folder = opendir(path);
    if (folder == NULL) return ferry_fail(error, FERRY_IO, "%s: %s", root, strerror(errno));
    ferry_status status = FERRY_OK;
    for (struct dirent *entry; status == FERRY_OK && (entry = readdir(folder)) != NULL;) {
        struct stat about;
        if (entry->d_name[0] == '.') continue;
        int size = snprintf(name, sizeof name, "%s%s", below, entry->d_name);
        int whole = snprintf(path, sizeof path, "%s/%s", root, name);
        if (size < 0 || (size_t)size >= sizeof name || whole < 0 || (size_t)whole >= sizeof path)
            status =
                ferry_fail(error, FERRY_LIMIT, "%s: path longer than %d bytes", root, MAX_PATH);
        else if (stat(path, &about) != 0)
            continue; /* a dangling link */
        else if (S_ISREG(about.st_mode) && is_wanted(name))
            status = map_file(dir, path, name, error);
        else if (S_ISDIR(about.st_mode) && depth < MAX_DEPTH && (size_t)size + 1 < sizeof name)
            status = map_folder(dir, root, strcat(name, "/"), depth + 1, error);
    }
    closedir(folder);
    return status;
}

ferry_status ferry_directory_open(const char *path, const ferry_allocator *allocator,
                                  ferry_directory **out, ferry_error *error)
{
    *out = NULL;
    ferry_allocator chosen = ferry_allocator_or_default(allocator);
    ferry_directory *dir = ferry_allocate(&chosen, 1, sizeof *dir);
    if (dir == NULL) return ferry_fail_memory(error, path);
    dir->allocator = chosen;
    ferry_arena_init(&dir->arena, chosen);
    ferry_status status = map_folder(dir, path, "", 1, error);
    if (status != FERRY_OK) {
        ferry_directory_close(dir);
        return status;
    }
    *out = dir;
    return FERRY_OK;
}

ferry_status ferry_in_directory(ferry_status status, const char *path, ferry_error *error)
{
    if (status == FERRY_OK || status == FERRY_OUT_OF_MEMORY || error == NULL) return status;
    ferry_error inner = *error;
    return ferry_fail(error, status, "%s: %s", path, inner.message);
}

/* Its pages need not stay in memory. */
static void unmap_done(void *user, const ferry_file *file)
{
    ferry_directory *dir = user;
    ferry_file_unmap(file);
    dir->files[file - dir->files].size = 0;
}

ferry_status ferry_encoder_open_directory(const char *path, const ferry_encoder_options *options,
                                          ferry_encoder **out, ferry_error *error)
{
    ferry_directory *dir;
    *out = NULL;
    ferry_encoder_options chosen = {0};
    FERRY_TRY(ferry_options_read(options, "ferry_encoder_options", &chosen, sizeof chosen, error));
    if (chosen.overwrite || chosen.done != NULL)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "overwrite and done are for bytes in memory: \"%s\" is mapped read-only",
                          path);
    FERRY_TRY(ferry_directory_open(path, chosen.allocator, &dir, error));
    chosen.size = sizeof chosen;
    chosen.done = unmap_done;
    chosen.done_user = dir;
    ferry_status status = ferry_encoder_open(dir->files, dir->count, &chosen, out, error);
    if (status != FERRY_OK) {
        ferry_directory_close(dir);
        return ferry_in_directory(status, path, error);
    }
    (*out)->release = ferry_directory_close;
    (*out)->owner = dir;
    return FERRY_OK;
}

ferry_status ferry_catalog_open_directory(const char *path, const ferry_catalog_options *options,
                                          ferry_catalog **out, ferry_error *error)
{
    ferry_directory *dir;
    *out = NULL;
    FERRY_TRY(ferry_directory_open(path, options != NULL ? options->allocator : NULL, &dir, error));
    ferry_status status = ferry_catalog_open(dir->files, dir->count, options, out, error);
    if (status != FERRY_OK) {
        ferry_directory_close(dir);
        return ferry_in_directory(status, path, error);
    }
    (*out)->release = ferry_directory_close;
    (*out)->owner = dir;
    return FERRY_OK;
}

/* ---- writing ---- */

/* "directory/name" into out; name may be a part of a longer text. */
static ferry_status join_path(char out[MAX_PATH], const char *directory_path, const char *name,
                              size_t name_size, ferry_error *error)
{
    int size = snprintf(out, MAX_PATH, "%s/%.*s", directory_path, (int)name_size, name);
    if (size >= 0 && size < MAX_PATH) return FERRY_OK;
    return ferry_fail(error, FERRY_LIMIT, "%s: path longer than %d bytes", directory_path,
                      MAX_PATH);
}

ferry_status ferry_file_write(const char *path, ferry_file_filler fill, void *user,
                              ferry_error *error)
{
    char part[MAX_PATH];
    int size = snprintf(part, sizeof part, "%s.part", path);
    if (size < 0 || (size_t)size >= sizeof part)
        return ferry_fail(error, FERRY_LIMIT, "%s: path longer than %d bytes", path, MAX_PATH);
    FILE *file = fopen(part, "wb");
    if (file == NULL) return ferry_fail(error, FERRY_IO, "%s: %s", path, strerror(errno));
    errno = 0;
    ferry_status status = fill(user, file, error);
    bool written = status == FERRY_OK && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int reason = written ? 0 : errno;
    if (fclose(file) != 0 && reason == 0) reason = errno;
    if (status == FERRY_OK && reason == 0 && rename(part, path) != 0) reason = errno;
    if (status == FERRY_OK && reason == 0) return FERRY_OK;
    remove(part);
    if (status != FERRY_OK && status != FERRY_IO) return status;
    return ferry_fail(error, FERRY_IO, "%s: %s", path, strerror(reason));
}

bool ferry_file_put(void *file, const void *data, size_t size)
{
    return size == 0 || fwrite(data, 1, size, file) == size;
}

typedef struct head_and_body {
    const ferry_buffer *head;
    const void *body; /* [size] */
    size_t size;
} head_and_body;

static ferry_status fill_head_and_body(void *user, FILE *file, ferry_error *error)
{
    const head_and_body *of = user;
    if (ferry_file_put(file, of->head->data, of->head->size) &&
        ferry_file_put(file, of->body, of->size))
        return FERRY_OK;
    return ferry_fail(error, FERRY_IO, "the file could not be written");
}

ferry_status ferry_directory_write(const char *directory_path, const char *name,
                                   const ferry_buffer *head, const void *body, size_t body_size,
                                   ferry_error *error)
{
    char path[MAX_PATH];
    head_and_body of = {head, body, body_size};
    FERRY_TRY(join_path(path, directory_path, name, strlen(name), error));
    return ferry_file_write(path, fill_head_and_body, &of, error);
}

ferry_status ferry_directory_make(const char *path, ferry_error *error)
{
    char part[MAX_PATH];
    size_t size = strlen(path);
    if (size >= sizeof part)
        return ferry_fail(error, FERRY_LIMIT, "%s: path longer than %d bytes", path, MAX_PATH);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0') continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return ferry_fail(error, FERRY_IO, "%s: %s", path, strerror(errno));
    }
    return FERRY_OK;
}

ferry_status ferry_directory_begin(const char *path, const char *about, ferry_error *error)
{
    char file[MAX_PATH];
    FERRY_TRY(ferry_directory_make(path, error));
    FERRY_TRY(join_path(file, path, about, strlen(about), error));
    if (remove(file) != 0 && errno != ENOENT)
        return ferry_fail(error, FERRY_IO, "%s: %s", file, strerror(errno));
    return FERRY_OK;
}

/* What ferry_catalog_encode_media kept there: it is in the catalogue now. */
static ferry_status remove_parts(const char *path, ferry_error *error)
{
    for (int m = 0; m < FERRY_MODALITY_COUNT; m++) {
        char name[32], file[MAX_PATH];
        snprintf(name, sizeof name, "%s.part", ferry_modality_name((ferry_modality)m));
        FERRY_TRY(join_path(file, path, name, strlen(name), error));
        if (remove(file) != 0 && errno != ENOENT)
            return ferry_fail(error, FERRY_IO, "%s: %s", file, strerror(errno));
    }
    return FERRY_OK;
}

typedef struct catalog_file {
    const ferry_catalog *catalog;
    const char *name;
} catalog_file;

static ferry_status fill_catalog_file(void *user, FILE *file, ferry_error *error)
{
    const catalog_file *of = user;
    return ferry_catalog_write(of->catalog, of->name, ferry_file_put, file, error);
}

ferry_status ferry_catalog_save_directory(const ferry_catalog *catalog, const char *path,
                                          ferry_error *error)
{
    static const char *const names[] = {"items.jsonl", "vectors.safetensors", "catalog.json"};
    if (catalog->dimension == 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "the catalogue has no vectors yet: encode it first");
    FERRY_TRY(ferry_directory_begin(path, "catalog.json", error));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char file[MAX_PATH];
        catalog_file of = {catalog, names[i]};
        FERRY_TRY(join_path(file, path, names[i], strlen(names[i]), error));
        FERRY_TRY(ferry_file_write(file, fill_catalog_file, &of, error));
    }
    return remove_parts(path, error);
}

/* The JSON and vocabulary files of a model as they are, below `to`. */
static ferry_status copy_files(const ferry_directory *dir, const char *to, ferry_error *error)
{
    char path[MAX_PATH];
    ferry_buffer none;
    ferry_buffer_init(&none, dir->allocator);
    for (size_t i = 0; i < dir->count; i++) {
        const ferry_file *file = &dir->files[i];
        const char *slash = strrchr(file->name, '/');
        if (strstr(file->name, ".safetensors") != NULL) continue;
        size_t folder = slash != NULL ? (size_t)(slash - file->name) : 0;
        FERRY_TRY(join_path(path, to, file->name, folder, error));
        FERRY_TRY(ferry_directory_make(path, error));
        FERRY_TRY(ferry_directory_write(to, file->name, &none, file->data, file->size, error));
    }
    return FERRY_OK;
}

ferry_status ferry_encoder_quantize_directory(const char *from, const char *to, ferry_error *error)
{
    ferry_directory *dir;
    ferry_buffer weights;
    FERRY_TRY(ferry_directory_open(from, NULL, &dir, error));
    ferry_buffer_init(&weights, dir->allocator);
    ferry_status status =
        ferry_quantize((ferry_files){dir->files, dir->count}, &dir->allocator, &weights, error);
    status = ferry_in_directory(status, from, error);
    if (status == FERRY_OK) status = ferry_directory_make(to, error);
    if (status == FERRY_OK) status = copy_files(dir, to, error);
    if (status == FERRY_OK)
        status = ferry_directory_write(to, "model.safetensors", &weights, NULL, 0, error);
    ferry_buffer_free(&weights);
    ferry_directory_close(dir);
    return status;
}
