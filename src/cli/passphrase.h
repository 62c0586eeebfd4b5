/* Profile files, locked and plain, and where the passphrase of one comes from. */
#ifndef FERRY_CLI_PASSPHRASE_H
#define FERRY_CLI_PASSPHRASE_H

#include "base/memory.h"

/* A buffer that wipes what it frees. */
void cli_profile_init(ferry_buffer *buffer);

/* Reads the plain profile out of a file, "-" being stdin, which is opened with the passphrase if it
 * is locked. passphrase_file may be NULL. */
ferry_status cli_profile_read(const char *path, const char *passphrase_file, ferry_buffer *out,
                              ferry_error *error);

/* Writes the profile to a file only its owner may read, "-" being stdout, or not at all; locked
 * unless `plain`. */
ferry_status cli_profile_write(const char *path, const ferry_buffer *profile, bool plain,
                               const char *passphrase_file, ferry_error *error);

#endif
