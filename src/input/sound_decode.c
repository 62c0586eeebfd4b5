/* Sounds' files to samples: WAV, FLAC and OGG (Vorbis, Opus, FLAC) through libsndfile. Native only.
 */
#include <sndfile.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "input/sound.h"

enum { DEFAULT_SAMPLES = 1 << 26, BLOCK = 1 << 14 /* frames read at a time */ };

static ferry_allocator own_allocator(void)
{
    return ferry_allocator_or_default(NULL);
}

void ferry_sound_free(ferry_sound *sound)
{
    ferry_allocator allocator = own_allocator();
    if (sound == NULL) return;
    void *samples = (void *)(uintptr_t)sound->data; /* const to who reads them; they are ours */
    ferry_release(&allocator, samples, sound->frames * sound->channels * sizeof *sound->data);
    *sound = (ferry_sound){0};
}

/* ---- a file in memory, as libsndfile reads files ---- */

typedef struct bytes {
    const ferry_file *file;
    sf_count_t at;
} bytes;

static sf_count_t file_size(void *user)
{
    return (sf_count_t)((const bytes *)user)->file->size;
}

static sf_count_t file_seek(sf_count_t offset, int whence, void *user)
{
    bytes *b = user;
    sf_count_t size = file_size(user), from = 0;
    if (whence == SEEK_CUR) from = b->at;
    if (whence == SEEK_END) from = size;
    if (offset < -from || offset > size - from) return -1;
    return b->at = from + offset;
}

static sf_count_t file_read(void *to, sf_count_t count, void *user)
{
    bytes *b = user;
    sf_count_t left = file_size(user) - b->at;
    if (count > left) count = left;
    if (count <= 0) return 0;
    memcpy(to, (const char *)b->file->data + b->at, (size_t)count);
    b->at += count;
    return count;
}

static sf_count_t file_tell(void *user)
{
    return ((const bytes *)user)->at;
}

/* ---- the format ---- */

static const struct {
    const char *name;
    size_t offset, size; /* of the bytes that tell */
    const char *bytes;
    bool decoded;
} formats[] = {{"a WAV", 8, 4, "WAVE", true},
               {"a FLAC", 0, 4, "fLaC", true},
               {"an OGG", 0, 4, "OggS", true},
               {"an MP3", 0, 3, "ID3", false},
               {"an MP3", 0, 2, "\xff\xfb", false},
               {"an MP3", 0, 2, "\xff\xf3", false},
               {"an MP3", 0, 2, "\xff\xf2", false},
               {"an AAC file", 0, 2, "\xff\xf1", false},
               {"an AIFF", 0, 4, "FORM", false},
               {"an AU", 0, 4, ".snd", false},
               {"a MIDI file", 0, 4, "MThd", false},
               {"an MPEG-4 file", 4, 4, "ftyp", false},
               {"a Matroska or WebM file", 0, 4, "\x1a\x45\xdf\xa3", false},
               {"a Windows Media file", 0, 4, "\x30\x26\xb2\x75", false},
               {"an AMR", 0, 5, "#!AMR", false}};

/* A WAV says how long it is; libsndfile makes do with less. What was written to a pipe says 0, or
 * as much as can be. */
static ferry_status check_length(const ferry_file *file, ferry_error *error)
{
    const uint8_t *head = file->data;
    const uint32_t unknown = 0x7fff0000;
    if (file->size < 12 || memcmp(head, "RIFF", 4) != 0) return FERRY_OK;
    uint32_t size = 0;
    for (int i = 7; i >= 4; i--) size = size << 8 | head[i];
    if (size >= unknown || size <= file->size - 8) return FERRY_OK;
    return ferry_fail(error, FERRY_MALFORMED, "%s: a WAV of %zu bytes that says it has %zu",
                      file->name, file->size, (size_t)size + 8);
}

static ferry_status check_format(const ferry_file *file, ferry_error *error)
{
    char found[3 * 8 + 1] = "";
    const uint8_t *first = file->data;
    if (file->size == 0) return ferry_fail(error, FERRY_MALFORMED, "%s: has no bytes", file->name);
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        size_t offset = formats[i].offset, size = formats[i].size;
        if (file->size < offset + size || memcmp(first + offset, formats[i].bytes, size) != 0)
            continue;
        if (formats[i].decoded) return check_length(file, error);
        return ferry_fail(error, FERRY_UNSUPPORTED, "%s: %s; WAV, FLAC and OGG are decoded",
                          file->name, formats[i].name);
    }
    for (size_t i = 0; i < file->size && i < 8; i++) snprintf(found + 3 * i, 4, " %02x", first[i]);
    return ferry_fail(error, FERRY_MALFORMED, "%s: begins with%s: no WAV, FLAC or OGG", file->name,
                      found);
}

/* ---- decoding ---- */

static ferry_status check_header(const ferry_file *file, const SF_INFO *info, size_t max_samples,
                                 ferry_error *error)
{
    if (info->channels < 1 || info->channels > FERRY_SOUND_MAX_CHANNELS)
        return ferry_fail(error, FERRY_LIMIT, "%s: %d channels, the limit is %d", file->name,
                          info->channels, FERRY_SOUND_MAX_CHANNELS);
    if (info->samplerate < FERRY_SOUND_MIN_RATE || info->samplerate > FERRY_SOUND_MAX_RATE)
        return ferry_fail(error, FERRY_UNSUPPORTED, "%s: %d samples a second, expected %d…%d",
                          file->name, info->samplerate, FERRY_SOUND_MIN_RATE, FERRY_SOUND_MAX_RATE);
    /* a header may leave open how many there are */
    if (info->frames != SF_COUNT_MAX &&
        (uint64_t)info->frames > max_samples / (size_t)info->channels)
        return ferry_fail(error, FERRY_LIMIT,
                          "%s: %lld samples of %d channels, the limit is %zu in all", file->name,
                          (long long)info->frames, info->channels, max_samples);
    return FERRY_OK;
}

/* A buffer of what has been read, larger than that until it is whole. */
typedef struct samples {
    float *data;
    size_t count, capacity; /* floats */
} samples;

static ferry_status read_all(SNDFILE *sound, const ferry_file *file, const SF_INFO *info,
                             size_t max_samples, samples *out, ferry_error *error)
{
    ferry_allocator allocator = own_allocator();
    size_t channels = (size_t)info->channels;
    for (;;) {
        size_t needed = out->count + BLOCK * channels;
        if (needed > out->capacity && needed < 2 * out->capacity) needed = 2 * out->capacity;
        if (!ferry_reserve(&allocator, &out->data, sizeof *out->data, needed, &out->capacity))
            return ferry_fail_memory(error, file->name);
        sf_count_t got = sf_readf_float(sound, out->data + out->count, BLOCK);
        if (got <= 0) break;
        out->count += (size_t)got * channels;
        if (out->count > max_samples)
            return ferry_fail(error, FERRY_LIMIT, "%s: more than %zu samples in all", file->name,
                              max_samples);
    }
    size_t frames = out->count / channels;
    if (sf_error(sound) != SF_ERR_NO_ERROR)
        return ferry_fail(error, FERRY_MALFORMED, "%s: cannot be read behind sample %zu: %s",
                          file->name, frames, sf_strerror(sound));
    if (info->frames != SF_COUNT_MAX && frames < (uint64_t)info->frames)
        return ferry_fail(error, FERRY_MALFORMED, "%s: ends after %zu of %lld samples", file->name,
                          frames, (long long)info->frames);
    if (frames == 0) return ferry_fail(error, FERRY_MALFORMED, "%s: has no samples", file->name);
    size_t bad = ferry_sound_bad_sample(out->data, out->count);
    if (bad < out->count)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: sample %zu is %g, expected at most 1e15 in magnitude", file->name,
                          bad / channels, (double)out->data[bad]);
    return FERRY_OK;
}

static ferry_status decode(SNDFILE *sound, const ferry_file *file, const SF_INFO *info,
                           size_t max_samples, ferry_sound *out, ferry_error *error)
{
    ferry_allocator allocator = own_allocator();
    samples s = {0};
    ferry_status status = check_header(file, info, max_samples, error);
    if (status == FERRY_OK) status = read_all(sound, file, info, max_samples, &s, error);
    if (status != FERRY_OK) {
        ferry_release(&allocator, s.data, s.capacity * sizeof *s.data);
        return status;
    }
    size_t size = s.count * sizeof *s.data;
    float *data = allocator.reallocate(allocator.user, s.data, s.capacity * sizeof *s.data, size);
    if (data == NULL) data = s.data; /* as it was: larger than needed */
    *out = (ferry_sound){data, s.count / (size_t)info->channels, (size_t)info->channels,
                         (size_t)info->samplerate};
    return FERRY_OK;
}

ferry_status ferry_sound_decode(const ferry_file *file, size_t max_samples, ferry_sound *out,
                                ferry_error *error)
{
    *out = (ferry_sound){0};
    if (max_samples == 0) max_samples = DEFAULT_SAMPLES;
    FERRY_TRY(check_format(file, error));
    SF_VIRTUAL_IO io = {
        .get_filelen = file_size, .seek = file_seek, .read = file_read, .tell = file_tell};
    SF_INFO info = {0};
    bytes b = {file, 0};
    SNDFILE *sound = sf_open_virtual(&io, SFM_READ, &info, &b);
    if (sound == NULL)
        return ferry_fail(error, FERRY_MALFORMED, "%s: a sound that cannot be read: %s", file->name,
                          sf_strerror(NULL));
    ferry_status status = decode(sound, file, &info, max_samples, out, error);
    sf_close(sound);
    return status;
}
