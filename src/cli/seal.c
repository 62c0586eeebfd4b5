/* Locking with OpenSSL's libcrypto. */
#include "cli/seal.h"

#include <string.h>

#include "base/error.h"

#ifdef FERRY_LIBCRYPTO

#include <openssl/evp.h>
#include <openssl/rand.h>

enum { KEY = 32 };

ferry_status seal_available(ferry_error *error)
{
    (void)error;
    return FERRY_OK;
}

static bool derive(const char *passphrase, const seal_head *head, unsigned char key[KEY])
{
    return PKCS5_PBKDF2_HMAC(passphrase, (int)strlen(passphrase), head->salt, SEAL_SALT,
                             (int)head->iterations, EVP_sha256(), KEY, key) == 1;
}

static bool digest(const void *data, size_t size, unsigned char out[SEAL_DIGEST])
{
    return EVP_Digest(data, size, out, NULL, EVP_sha256(), NULL) == 1;
}

static bool encrypt(EVP_CIPHER_CTX *context, const unsigned char key[KEY], const seal_head *head,
                    const unsigned char *about, const unsigned char *from, unsigned char *to)
{
    int size;
    return EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, head->nonce) == 1 &&
           EVP_EncryptUpdate(context, NULL, &size, about, SEAL_HEAD) == 1 &&
           EVP_EncryptUpdate(context, to, &size, from, (int)head->size) == 1 &&
           EVP_EncryptFinal_ex(context, to + size, &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, SEAL_TAG, to + head->size) == 1;
}

/* false too if the tag is not right: the key is another */
static bool decrypt(EVP_CIPHER_CTX *context, const unsigned char key[KEY], const seal_head *head,
                    const unsigned char *about, const unsigned char *from, unsigned char *to)
{
    int size;
    unsigned char tag[SEAL_TAG];
    memcpy(tag, from + head->size, SEAL_TAG);
    return EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, head->nonce) == 1 &&
           EVP_DecryptUpdate(context, NULL, &size, about, SEAL_HEAD) == 1 &&
           EVP_DecryptUpdate(context, to, &size, from, (int)head->size) == 1 &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, SEAL_TAG, tag) == 1 &&
           EVP_DecryptFinal_ex(context, to + size, &size) == 1;
}

ferry_status seal_lock(const ferry_buffer *plain, const char *passphrase, ferry_buffer *out,
                       ferry_error *error)
{
    unsigned char key[KEY];
    seal_head head = {.iterations = SEAL_ITERATIONS, .size = plain->size};
    if (plain->size > INT32_MAX)
        return ferry_fail(error, FERRY_LIMIT, "a profile of %zu bytes, the limit is 2 GiB",
                          plain->size);
    if (!ferry_buffer_reserve(out, SEAL_HEAD + plain->size + SEAL_TAG + SEAL_DIGEST))
        return ferry_fail_memory(error, "the locked profile");
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    unsigned char *at = (unsigned char *)out->data + out->size, *locked = at + SEAL_HEAD;
    bool done = context != NULL && RAND_bytes(head.salt, SEAL_SALT) == 1 &&
                RAND_bytes(head.nonce, SEAL_NONCE) == 1 && derive(passphrase, &head, key);
    seal_head_write(&head, at);
    size_t covered = SEAL_HEAD + head.size + SEAL_TAG;
    done = done && encrypt(context, key, &head, at, (const unsigned char *)plain->data, locked) &&
           digest(at, covered, at + covered);
    ferry_wipe(key, sizeof key);
    EVP_CIPHER_CTX_free(context);
    if (!done) return ferry_fail(error, FERRY_UNSUPPORTED, "libcrypto refused to lock the profile");
    out->size += covered + SEAL_DIGEST;
    return FERRY_OK;
}

ferry_status seal_unlock(const ferry_buffer *locked, const char *name, const char *passphrase,
                         ferry_buffer *out, ferry_error *error)
{
    unsigned char key[KEY], found[SEAL_DIGEST];
    seal_head head;
    const unsigned char *at = (const unsigned char *)locked->data;
    FERRY_TRY(seal_head_read(locked->data, locked->size, name, &head, error));
    size_t covered = SEAL_HEAD + head.size + SEAL_TAG;
    if (!digest(at, covered, found) || memcmp(found, at + covered, SEAL_DIGEST) != 0)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: damaged: its bytes are not those that were written", name);
    if (!ferry_buffer_reserve(out, head.size + SEAL_TAG))
        return ferry_fail_memory(error, "the profile");
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    bool done =
        context != NULL && derive(passphrase, &head, key) &&
        decrypt(context, key, &head, at, at + SEAL_HEAD, (unsigned char *)out->data + out->size);
    ferry_wipe(key, sizeof key);
    EVP_CIPHER_CTX_free(context);
    if (!done) return ferry_fail(error, FERRY_MALFORMED, "%s: the passphrase is wrong", name);
    out->size += head.size;
    return FERRY_OK;
}

#else

ferry_status seal_available(ferry_error *error)
{
    return ferry_fail(error, FERRY_UNSUPPORTED,
                      "this ferry was built without libcrypto: it reads and writes plain profiles "
                      "alone");
}

ferry_status seal_lock(const ferry_buffer *plain, const char *passphrase, ferry_buffer *out,
                       ferry_error *error)
{
    (void)plain, (void)passphrase, (void)out;
    return seal_available(error);
}

ferry_status seal_unlock(const ferry_buffer *locked, const char *name, const char *passphrase,
                         ferry_buffer *out, ferry_error *error)
{
    seal_head head;
    (void)passphrase, (void)out;
    FERRY_TRY(seal_head_read(locked->data, locked->size, name, &head, error));
    return seal_available(error);
}

#endif
