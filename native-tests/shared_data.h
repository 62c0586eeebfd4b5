/* Real data sets, which are not part of the repository: tests that need them skip without them. */
#ifndef FERRY_TESTS_SHARED_DATA_H
#define FERRY_TESTS_SHARED_DATA_H

#include "test.h"

#if !defined(_POSIX_C_SOURCE)
#error "popen: define _POSIX_C_SOURCE before the first #include"
#endif

/*
 * The content of NAME.xz in the folder FERRY_DATA (by default shared/data beside the checkout), to
 * be freed; NULL, with the reason printed, if it cannot be read.
 */
static inline char *shared_data_read(const char *name, size_t *size)
{
    const char *folder = getenv("FERRY_DATA");
    if (folder == NULL) folder = FERRY_SOURCE_DIR "/../shared/data";
    char path[4096], command[4200];
    snprintf(path, sizeof path, "%s/%s.xz", folder, name);
    FILE *file = strchr(path, '\'') == NULL ? fopen(path, "rb") : NULL;
    if (file == NULL) {
        print_message("skipped: %s is not there (set FERRY_DATA)\n", path);
        return NULL;
    }
    fclose(file);
    snprintf(command, sizeof command, "xz -dc '%s'", path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t capacity = 1 << 20;
    char *text = malloc(capacity);
    *size = 0;
    for (size_t got; text != NULL && (got = fread(text + *size, 1, capacity - *size, pipe)) > 0;) {
        *size += got;
        if (*size == capacity) text = realloc(text, capacity *= 2);
    }
    assert_non_null(text);
    if (pclose(pipe) == 0) return text;
    print_message("skipped: xz cannot unpack %s\n", path);
    free(text);
    return NULL;
}

#endif
