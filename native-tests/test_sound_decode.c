/* Decoding against soundfile; what is broken, huge or of another kind. */
#include <math.h>

#include "golden_tensors.h"

#include "sound_leaks.h"

static void formats_are_decoded_as_soundfile_does(void **state)
{
    (void)state;
    golden_tensors golden;
    golden_tensors_open(&golden, "sounds.safetensors");
    size_t sounds = 0;
    for (size_t i = 0; i < golden.tensors.count; i++) {
        const ferry_tensor *tensor = &golden.tensors.tensors[i];
        if (strncmp(tensor->name, "decoded.", 8) != 0) continue;
        char path[128];
        size_t size;
        snprintf(path, sizeof path, "sounds/%s", tensor->name + 8);
        char *bytes = read_file(golden_path(path), &size);
        ferry_sound sound;
        ferry_error error;
        ferry_file file = {path, bytes, size};
        if (ferry_sound_decode(&file, 0, &sound, &error) != FERRY_OK) fail_msg("%s", error.message);
        assert_int_equal(sound.frames, tensor->shape[0]);
        assert_int_equal(sound.channels, tensor->shape[1]);
        assert_int_equal(sound.sample_rate, 8000);
        /* lossy ones are decoded in the libraries' own arithmetic, which may differ by release */
        bool lossy = strstr(path, ".ogg") != NULL;
        assert_near(sound.data, tensor->data, tensor->count, lossy ? 1e-3 : 0.0, path);
        ferry_sound_free(&sound);
        free(bytes);
        sounds++;
    }
    assert_true(sounds >= 9);
    golden_tensors_close(&golden);
}

static void refuse(const char *name, const void *data, size_t size, size_t max_samples,
                   ferry_status status, const char *message)
{
    ferry_sound sound;
    ferry_error error;
    ferry_file file = {name, data, size};
    ferry_status found = ferry_sound_decode(&file, max_samples, &sound, &error);
    if (found != status)
        fail_msg("%s: %s: %s", name, ferry_status_name(found), found != 0 ? error.message : "");
    assert_null(sound.data);
    if (strstr(error.message, name) == NULL || strstr(error.message, message) == NULL)
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", error.message, name, message);
}

static void other_kinds_are_named(void **state)
{
    (void)state;
    refuse("a.mp3", "ID3\3\0\0\0\0", 8, 0, FERRY_UNSUPPORTED, "an MP3");
    refuse("a.aif", "FORM\0\0\0\0AIFF", 12, 0, FERRY_UNSUPPORTED, "an AIFF");
    refuse("a.m4a",
           "\0\0\0\x18"
           "ftypM4A ",
           12, 0, FERRY_UNSUPPORTED, "an MPEG-4");
    refuse("a.mid", "MThd\0\0", 6, 0, FERRY_UNSUPPORTED, "a MIDI");
    refuse("a.wav", "", 0, 0, FERRY_MALFORMED, "no bytes");
    refuse("a.wav", "hello", 5, 0, FERRY_MALFORMED, "68 65 6c 6c 6f");
    refuse("a.wav", "RIFF\4\0\0\0WAVE", 12, 0, FERRY_MALFORMED, "cannot be read");
    refuse("a.ogg", "OggS", 4, 0, FERRY_MALFORMED, "cannot be read");
    refuse("a.flac", "fLaC", 4, 0, FERRY_MALFORMED, "cannot be read");
}

/* A WAV of one channel, 32-bit floats, written by hand: its bytes go to out. */
static size_t float_wav(uint8_t *out, uint32_t rate, const float *samples, uint32_t count)
{
    uint32_t sizes[2] = {36 + 4 * count, 4 * count}, rates[2] = {rate, 4 * rate};
    static const uint8_t format[] = {16, 0, 0, 0, 3, 0, 1, 0}, width[] = {4, 0, 32, 0};
    memcpy(out, "RIFF", 4);
    memcpy(out + 4, &sizes[0], 4);
    memcpy(out + 8, "WAVEfmt ", 8);
    memcpy(out + 16, format, 8);
    memcpy(out + 24, rates, 8);
    memcpy(out + 32, width, 4);
    memcpy(out + 36, "data", 4);
    memcpy(out + 40, &sizes[1], 4);
    memcpy(out + 44, samples, 4 * count);
    return 44 + 4 * count;
}

static void odd_sounds_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[128];
    float samples[4] = {0.5f, -2.0f, 3e14f, 0.0f};
    ferry_sound sound;
    ferry_file file = {"a.wav", bytes, float_wav(bytes, 16000, samples, 4)};
    assert_int_equal(ferry_sound_decode(&file, 0, &sound, NULL), FERRY_OK);
    assert_memory_equal(sound.data, samples, sizeof samples);
    ferry_sound_free(&sound);
    refuse("a.wav", bytes, file.size, 3, FERRY_LIMIT, "4 samples of 1 channels, the limit is 3");
    refuse("a.wav", bytes, float_wav(bytes, 999, samples, 4), 0, FERRY_UNSUPPORTED, "999");
    refuse("a.wav", bytes, float_wav(bytes, 400000, samples, 4), 0, FERRY_UNSUPPORTED, "400000");
    refuse("a.wav", bytes, float_wav(bytes, 16000, samples, 0), 0, FERRY_MALFORMED, "no samples");
    samples[1] = NAN;
    refuse("a.wav", bytes, float_wav(bytes, 16000, samples, 4), 0, FERRY_MALFORMED, "sample 1 is ");
    ferry_sound_free(NULL);
    /* written to a pipe, where its length was not known yet */
    samples[1] = 0.0f;
    file.size = float_wav(bytes, 16000, samples, 4);
    memset(bytes + 4, 0xff, 4);
    memset(bytes + 40, 0xff, 4);
    assert_int_equal(ferry_sound_decode(&file, 0, &sound, NULL), FERRY_OK);
    assert_int_equal(sound.frames, 4);
    ferry_sound_free(&sound);
}

static void what_is_cut_short_is_no_sound(void **state)
{
    (void)state;
    static const char *const names[] = {"sounds/16-bit.flac", "sounds/16-bit.wav"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size;
        char *bytes = read_file(golden_path(names[i]), &size);
        for (size_t cut = 12; cut < size * 9 / 10; cut += 31)
            refuse(names[i], bytes, cut, 0, FERRY_MALFORMED, "");
        free(bytes);
    }
}

/* An OGG does not say how long it is: what is there is heard. */
static void an_ogg_ends_where_it_ends(void **state)
{
    (void)state;
    size_t size, before = 0;
    char *bytes = read_file(golden_path("sounds/vorbis.ogg"), &size);
    for (size_t cut = 12; cut <= size; cut += cut < size && cut + 100 > size ? size - cut : 100) {
        ferry_sound sound;
        ferry_error error = {0};
        ferry_file file = {"cut.ogg", bytes, cut};
        ferry_status status = ferry_sound_decode(&file, 0, &sound, &error);
        assert_true(status == FERRY_OK || status == FERRY_MALFORMED);
        assert_true(sound.frames >= before);
        before = sound.frames;
        ferry_sound_free(&sound);
        if (cut == size) break;
    }
    assert_int_equal(before, 1000);
    free(bytes);
}

/* One byte after the other is made another: whatever comes, it is a sound or a message. */
static void damaged_sounds_are_survived(void **state)
{
    (void)state;
    static const char *const names[] = {"sounds/16-bit.wav", "sounds/16-bit.flac",
                                        "sounds/vorbis.ogg", "sounds/opus.ogg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size;
        char *bytes = read_file(golden_path(names[i]), &size);
        for (size_t at = 0; at < size; at += at < 200 ? 1 : 37) {
            char kept = bytes[at];
            bytes[at] = (char)(kept ^ (1 << at % 8));
            ferry_sound sound;
            ferry_error error = {0};
            ferry_file file = {names[i], bytes, size};
            ferry_status status = ferry_sound_decode(&file, 1 << 16, &sound, &error);
            assert_true((status == FERRY_OK) == (sound.data != NULL));
            assert_true((status == FERRY_OK) == (error.message[0] == '\0'));
            ferry_sound_free(&sound);
            bytes[at] = kept;
        }
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_decoded_as_soundfile_does),
        cmocka_unit_test(other_kinds_are_named),
        cmocka_unit_test(odd_sounds_are_refused),
        cmocka_unit_test(what_is_cut_short_is_no_sound),
        cmocka_unit_test(an_ogg_ends_where_it_ends),
        cmocka_unit_test(damaged_sounds_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
