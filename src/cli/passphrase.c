#define _POSIX_C_SOURCE 200809L
#include "cli/passphrase.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "api/directory.h"
#include "base/error.h"
#include "cli/cli.h"
#include "cli/seal.h"

void cli_profile_init(ferry_buffer *buffer)
{
    ferry_buffer_init(buffer, ferry_allocator_wiping(NULL));
}

/* ---- where it comes from ---- */

/* Reads up to the end of a line, or of the file, from a descriptor; no other copy is left. */
static ferry_status read_line(int from, const char *name, ferry_buffer *out, ferry_error *error)
{
    for (;;) {
        char c;
        ssize_t got = read(from, &c, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return ferry_fail(error, FERRY_IO, "%s: %s", name, strerror(errno));
        if (got == 0 || c == '\n') break;
        if (!ferry_buffer_append(out, &c, 1)) return ferry_fail_memory(error, name);
    }
    if (out->size > 0 && out->data[out->size - 1] == '\r') out->size--;
    if (out->size == 0 || memchr(out->data, '\0', out->size) != NULL)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT, "%s: the passphrase is empty%s", name,
                          out->size > 0 ? " or holds a NUL" : "");
    if (!ferry_buffer_append(out, "", 1)) return ferry_fail_memory(error, name);
    return FERRY_OK;
}

static ferry_status from_file(const char *path, ferry_buffer *out, ferry_error *error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return ferry_fail(error, FERRY_IO, "%s: %s", path, strerror(errno));
    ferry_status status = read_line(file, path, out, error);
    close(file);
    return status;
}

/* Asks on the terminal without showing what is typed. */
static ferry_status ask(int terminal, const char *prompt, ferry_buffer *out, ferry_error *error)
{
    struct termios shown, hidden;
    if (tcgetattr(terminal, &shown) != 0)
        return ferry_fail(error, FERRY_IO, "the terminal: %s", strerror(errno));
    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(terminal, TCSAFLUSH, &hidden);
    ferry_status status = FERRY_OK;
    if (write(terminal, prompt, strlen(prompt)) < 0) status = FERRY_IO;
    if (status == FERRY_OK) status = read_line(terminal, "the terminal", out, error);
    tcsetattr(terminal, TCSAFLUSH, &shown);
    if (write(terminal, "\n", 1) < 0) status = FERRY_IO;
    return status;
}

static ferry_status from_terminal(bool twice, ferry_buffer *out, ferry_error *error)
{
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (terminal < 0)
        return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                          "no passphrase: give --passphrase-file FILE, set FERRY_PASSPHRASE, or "
                          "call from a terminal");
    ferry_buffer again;
    cli_profile_init(&again);
    ferry_status status = ask(terminal, "Passphrase: ", out, error);
    if (status == FERRY_OK && twice) status = ask(terminal, "Once more: ", &again, error);
    if (status == FERRY_OK && twice && strcmp(out->data, again.data) != 0)
        status = ferry_fail(error, FERRY_INVALID_ARGUMENT, "the two passphrases differ");
    ferry_buffer_free(&again);
    close(terminal);
    return status;
}

/* out: NUL-terminated */
static ferry_status get_passphrase(const char *file, bool twice, ferry_buffer *out,
                                   ferry_error *error)
{
    const char *set = getenv("FERRY_PASSPHRASE");
    if (file != NULL) return from_file(file, out, error);
    if (set == NULL) return from_terminal(twice, out, error);
    if (*set == '\0') return ferry_fail(error, FERRY_INVALID_ARGUMENT, "FERRY_PASSPHRASE is empty");
    return ferry_buffer_append(out, set, strlen(set) + 1)
               ? FERRY_OK
               : ferry_fail_memory(error, "a passphrase");
}

/* ---- files ---- */

ferry_status cli_profile_read(const char *path, const char *passphrase_file, ferry_buffer *out,
                              ferry_error *error)
{
    ferry_buffer file, passphrase;
    const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
    seal_head head;
    cli_profile_init(&file);
    cli_profile_init(&passphrase);
    ferry_status status = cli_read_file(path, &file, error);
    if (status == FERRY_OK && !seal_is_locked(file.data, file.size)) {
        if (!ferry_buffer_append(out, file.data, file.size))
            status = ferry_fail_memory(error, name);
    } else if (status == FERRY_OK) { /* what is damaged is said before anything is asked */
        status = seal_head_read(file.data, file.size, name, &head, error);
        if (status == FERRY_OK) status = get_passphrase(passphrase_file, false, &passphrase, error);
        if (status == FERRY_OK) status = seal_unlock(&file, name, passphrase.data, out, error);
    }
    ferry_buffer_free(&file);
    ferry_buffer_free(&passphrase);
    return status;
}

static ferry_status fill(void *bytes, FILE *file, ferry_error *error)
{
    const ferry_buffer *all = bytes;
    return ferry_file_put(file, all->data, all->size)
               ? FERRY_OK
               : ferry_fail(error, FERRY_IO, "the file could not be written");
}

/* Which only its owner may read. */
static ferry_status write_file(const char *path, const ferry_buffer *bytes, ferry_error *error)
{
    mode_t others = umask(077);
    ferry_status status = ferry_file_write(path, fill, (void *)(uintptr_t)bytes, error);
    umask(others);
    return status;
}

ferry_status cli_profile_write(const char *path, const ferry_buffer *profile, bool plain,
                               const char *passphrase_file, ferry_error *error)
{
    ferry_buffer passphrase, locked;
    cli_profile_init(&passphrase);
    cli_profile_init(&locked);
    ferry_status status = FERRY_OK;
    if (!plain) {
        status = seal_available(error);
        if (status == FERRY_OK) status = get_passphrase(passphrase_file, true, &passphrase, error);
        if (status == FERRY_OK) status = seal_lock(profile, passphrase.data, &locked, error);
    }
    const ferry_buffer *bytes = plain ? profile : &locked;
    if (status == FERRY_OK && strcmp(path, "-") == 0)
        fwrite(bytes->data, 1, bytes->size, stdout); /* main looks at whether it arrived */
    else if (status == FERRY_OK)
        status = write_file(path, bytes, error);
    ferry_buffer_free(&passphrase);
    ferry_buffer_free(&locked);
    return status;
}
