/*
 * Feeds files, and the files in directories, to a fuzz target without libFuzzer: the corpus and
 * every input that once broke something are replayed by the tests with any compiler.
 */
#define _POSIX_C_SOURCE 200809L /* directories */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path, size_t *count)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    /* Exactly as large as the content, so that the sanitizer sees a read past it. */
    uint8_t *data = NULL;
    size_t size = 0;
    int failed = fseek(file, 0, SEEK_END) != 0;
    long end = failed ? -1 : ftell(file);
    failed = end < 0 || fseek(file, 0, SEEK_SET) != 0;
    if (!failed) {
        size = (size_t)end;
        data = malloc(size > 0 ? size : 1);
        failed = data == NULL || fread(data, 1, size, file) != size;
    }
    fclose(file);
    if (failed) {
        fprintf(stderr, "%s: could not be read\n", path);
    } else {
        LLVMFuzzerTestOneInput(data, size);
        (*count)++;
    }
    free(data);
    return failed;
}

static int replay(const char *path, size_t *count)
{
    struct stat about;
    if (stat(path, &about) != 0) {
        perror(path);
        return 1;
    }
    if (!S_ISDIR(about.st_mode)) return replay_file(path, count);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        perror(path);
        return 1;
    }
    int failed = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char inner[4096];
        if (entry->d_name[0] == '.') continue;
        int size = snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        if (size < 0 || (size_t)size >= sizeof inner) {
            fprintf(stderr, "%s/%s: name too long\n", path, entry->d_name);
            failed = 1;
        } else {
            failed |= replay(inner, count);
        }
    }
    closedir(folder);
    return failed;
}

int main(int argc, char **argv)
{
    size_t count = 0;
    int failed = 0;
    for (int i = 1; i < argc; i++) failed |= replay(argv[i], &count);
    if (count == 0) {
        fprintf(stderr, "nothing to replay: name files or directories\n");
        return 1;
    }
    printf("%zu inputs replayed\n", count);
    return failed;
}
