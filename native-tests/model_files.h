/* The files of a small model in memory, to be changed: what is refused, and by what words. */
#ifndef FERRY_TEST_MODEL_FILES_H
#define FERRY_TEST_MODEL_FILES_H

#include "golden.h"

typedef struct model_files {
    ferry_file file[16]; /* their bytes are malloc's, NUL behind them */
    size_t count;
} model_files;

/* Those that are there, what every model has first. */
static inline model_files model_files_read(const char *folder)
{
    static const char *const names[] = {"config.json",
                                        "preprocessor_config.json",
                                        "model.safetensors",
                                        "modules.json",
                                        "1_Pooling/config.json",
                                        "sentence_bert_config.json",
                                        "config_sentence_transformers.json",
                                        "tokenizer.json",
                                        "tokenizer_config.json"};
    model_files files = {.count = 0};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[2048];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (!file_exists(path)) continue;
        ferry_file *file = &files.file[files.count++];
        file->name = names[i];
        file->data = read_file(path, &file->size);
    }
    return files;
}

static inline void model_files_free(model_files *files)
{
    for (size_t i = 0; i < files->count; i++) free((void *)(uintptr_t)files->file[i].data);
    files->count = 0;
}

static inline ferry_file *model_file(model_files *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->file[i].name, name) == 0) return &files->file[i];
    fail_msg("no file %s", name);
    return NULL;
}

/* Another text in place of the first `old` behind the first `after`. */
static inline void replace_behind(ferry_file *file, const char *after, const char *old,
                                  const char *other)
{
    const char *text = file->data;
    size_t size = strlen(old), added = strlen(other), at = 0, skipped = strlen(after);
    while (at + skipped <= file->size && memcmp(text + at, after, skipped) != 0) at++;
    while (at + size <= file->size && memcmp(text + at, old, size) != 0) at++;
    if (at + size > file->size) fail_msg("no %s in %s", old, file->name);
    char *changed = malloc(file->size - size + added + 1);
    assert_non_null(changed);
    memcpy(changed, text, at);
    memcpy(changed + at, other, added);
    memcpy(changed + at + added, text + at + size, file->size - at - size + 1);
    free((void *)(uintptr_t)text);
    file->data = changed;
    file->size = file->size - size + added;
}

static inline void replace(ferry_file *file, const char *old, const char *other)
{
    replace_behind(file, "", old, other);
}

/* Opens the first `count` files, expecting this failure. */
static inline void assert_refused(const ferry_file *files, size_t count,
                                  const ferry_encoder_options *options, ferry_status status,
                                  const char *says)
{
    ferry_encoder *encoder;
    ferry_error error = {0};
    ferry_status found = ferry_encoder_open(files, count, options, &encoder, &error);
    if (found != status)
        fail_msg("%s, expected %s, \"%s\": %s", ferry_status_name(found), ferry_status_name(status),
                 says, error.message);
    assert_null(encoder);
    assert_int_equal(error.status, status);
    if (strstr(error.message, says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, says);
}

/* The same of a whole model in which one text is another. */
static inline void assert_refused_with(const char *folder, const char *file, const char *after,
                                       const char *old, const char *other, ferry_status status,
                                       const char *says)
{
    model_files files = model_files_read(golden_path(folder));
    replace_behind(model_file(&files, file), after, old, other);
    assert_refused(files.file, files.count, NULL, status, says);
    model_files_free(&files);
}

#endif
