/*
 * A profile locked with a passphrase: docs/profile.md. PBKDF2-HMAC-SHA256 makes a key of the
 * passphrase, AES-256-GCM locks the bytes with it. web/src/seal.ts does the same with Web Crypto.
 *
 * [48] head | [size] locked bytes | [16] tag | [32] SHA-256 of all before
 *
 * The head, which the tag covers too: magic "FERRYPRF", then as little-endian u32 the version (1),
 * the iterations and the size; then [16] salt and [12] nonce.
 */
#ifndef FERRY_CLI_SEAL_H
#define FERRY_CLI_SEAL_H

#include "base/memory.h"

enum {
    SEAL_MAGIC = 8,
    SEAL_SALT = 16,
    SEAL_NONCE = 12,
    SEAL_HEAD = 48,
    SEAL_TAG = 16,
    SEAL_DIGEST = 32,
    SEAL_ITERATIONS = 600000,     /* written; fewer are refused */
    SEAL_MAX_ITERATIONS = 1 << 24 /* some ten seconds: a hostile file could ask for hours */
};

typedef struct seal_head {
    uint32_t iterations;
    size_t size; /* of the locked bytes */
    unsigned char salt[SEAL_SALT], nonce[SEAL_NONCE];
} seal_head;

/* Whether a file is a locked profile, or the beginning of one. */
bool seal_is_locked(const void *data, size_t size);

/* Reads the head of a file of `size` bytes. MALFORMED for one that was cut short or is too long,
 * UNSUPPORTED for another version, LIMIT for iterations outside what is accepted. */
ferry_status seal_head_read(const void *data, size_t size, const char *name, seal_head *out,
                            ferry_error *error);
void seal_head_write(const seal_head *head, unsigned char out[SEAL_HEAD]);

/* UNSUPPORTED in a build without libcrypto, as the two below are. */
ferry_status seal_available(ferry_error *error);

/* Appends the locked file of `plain`, with a new salt and nonce. */
ferry_status seal_lock(const ferry_buffer *plain, const char *passphrase, ferry_buffer *out,
                       ferry_error *error);

/* Appends what a locked file holds. MALFORMED: damaged, or not with this passphrase. */
ferry_status seal_unlock(const ferry_buffer *locked, const char *name, const char *passphrase,
                         ferry_buffer *out, ferry_error *error);

#endif
