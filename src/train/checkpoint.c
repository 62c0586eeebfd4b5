/*
 * A run's state as bytes: 12 little-endian 64-bit numbers, the last of them a hash of everything
 * else, then parameters, both moments and, if there was a validation, the best parameters, f32.
 */
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "train/trainer.h"

enum { NUMBERS = 12, HASHED = NUMBERS - 1 };

static const uint64_t MAGIC = 0x31544b4359525246u; /* "FRRYCKT1" */

static uint64_t hash(uint64_t seed, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    size_t i = 0;
    for (uint64_t word; i + sizeof word <= size; i += sizeof word) {
        memcpy(&word, bytes + i, sizeof word);
        seed = (seed ^ word) * 0x9e3779b97f4a7c15u;
        seed ^= seed >> 29;
    }
    return ferry_hash_portably(seed, bytes + i, size - i);
}

static uint64_t bits_of(double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

static double number_of(uint64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static uint64_t hash_state(const uint64_t numbers[NUMBERS], const void *blocks, size_t size)
{
    return hash(hash(MAGIC, numbers, HASHED * sizeof *numbers), blocks, size);
}

ferry_status ferry_trainer_save(const ferry_trainer *t, ferry_buffer *out, ferry_error *error)
{
    size_t block = t->net->size * sizeof *t->net->parameters, begin = out->size;
    uint64_t numbers[NUMBERS] = {MAGIC,
                                 t->fingerprint,
                                 t->step,
                                 t->positions,
                                 t->best_epoch,
                                 t->stale,
                                 t->finished,
                                 bits_of(t->loss_sum),
                                 bits_of(t->metric),
                                 bits_of(t->best_metric),
                                 t->best != NULL};
    const float *blocks[] = {t->net->parameters, t->optimizer.first, t->optimizer.second, t->best};
    bool good = ferry_buffer_append(out, numbers, sizeof numbers);
    for (size_t i = 0; good && i < 4 && blocks[i] != NULL; i++)
        good = ferry_buffer_append(out, blocks[i], block);
    if (!good) return ferry_fail_memory(error, "the checkpoint");
    const char *data = out->data + begin + sizeof numbers;
    numbers[HASHED] = hash_state(numbers, data, out->size - begin - sizeof numbers);
    memcpy(out->data + begin, numbers, sizeof numbers);
    return FERRY_OK;
}

ferry_status ferry_trainer_restore(ferry_trainer *t, const void *bytes, size_t size,
                                   ferry_error *error)
{
    size_t block = t->net->size * sizeof *t->net->parameters;
    uint64_t numbers[NUMBERS];
    if (size < sizeof numbers)
        return ferry_fail(error, FERRY_MALFORMED, "the checkpoint has %zu bytes", size);
    memcpy(numbers, bytes, sizeof numbers);
    if (numbers[0] != MAGIC)
        return ferry_fail(error, FERRY_MALFORMED, "the checkpoint does not begin as one");
    if (numbers[1] != t->fingerprint)
        return ferry_fail(error, FERRY_MALFORMED,
                          "the checkpoint is of another net, of other events or other options");
    size_t expected = sizeof numbers + block * (t->best != NULL ? 4 : 3);
    if (size != expected || numbers[10] != (t->best != NULL))
        return ferry_fail(error, FERRY_MALFORMED, "the checkpoint has %zu bytes, expected %zu",
                          size, expected);
    const char *data = (const char *)bytes + sizeof numbers;
    if (numbers[HASHED] != hash_state(numbers, data, size - sizeof numbers) ||
        numbers[2] > ferry_trainer_steps(t))
        return ferry_fail(error, FERRY_MALFORMED, "the checkpoint's bytes have changed");
    t->step = numbers[2];
    t->positions = numbers[3];
    t->best_epoch = numbers[4];
    t->stale = numbers[5];
    t->finished = numbers[6];
    t->loss_sum = number_of(numbers[7]);
    t->metric = number_of(numbers[8]);
    t->best_metric = number_of(numbers[9]);
    memcpy(t->net->parameters, data, block);
    memcpy(t->optimizer.first, data + block, block);
    memcpy(t->optimizer.second, data + 2 * block, block);
    if (t->best != NULL) memcpy(t->best, data + 3 * block, block);
    return FERRY_OK;
}
