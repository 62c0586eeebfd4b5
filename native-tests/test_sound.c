/* Resampling, the log-mel spectrogram against librosa, and what sounds are refused. */
#include <math.h>

#include "sound_clips.h"

#include "encode/log_mel.h"
#include "input/sound.h"
#include "math/elementary.h"
#include "math/resample.h"

enum { STRIDE = 13 /* of the frames that the golden keeps */ };

static const double PI = 3.14159265358979323846;

/* ---- sine ---- */

static void sines_are_libms(void **state)
{
    (void)state;
    double worst = 0.0;
    for (int i = -200000; i <= 200000; i++) {
        double x = i / 65536.0 * 3.0, whole = rint(x);
        double exact = sin((x - whole) * PI) * (fmod(fabs(whole), 2.0) == 1.0 ? -1.0 : 1.0);
        double off = fabs(ferry_sin_pi(x) - exact);
        worst = off > worst ? off : worst;
    }
    print_message("largest difference %.1e\n", worst);
    assert_true(worst < 4e-16);
    assert_true(ferry_sin_pi(0.0) == 0.0 && ferry_sin_pi(7.0) == 0.0 && ferry_cos_pi(0.5) == 0.0);
    assert_true(fabs(ferry_cos_pi(1.0) + 1.0) < 3e-16);
    assert_true(fabs(ferry_sin_pi(1e9 + 0.25) - sqrt(0.5)) < 1e-15);
}

/* ---- resampling ---- */

/* All of a sound at the model's rate; [*count], to be freed. */
static float *resample(const ferry_sound *sound, size_t *count)
{
    ferry_arena arena;
    ferry_resampler r;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    assert_true(ferry_resampler_init(&r, sound->sample_rate, FERRY_MEL_RATE, SIZE_MAX, &arena));
    *count = (size_t)ferry_resampler_outputs(&r, sound->frames);
    int64_t start;
    size_t length;
    ferry_resampler_reads(&r, 0, *count, &start, &length);
    float *mono = calloc(length, sizeof *mono), *out = calloc(*count, sizeof *out);
    assert_true(mono != NULL && out != NULL);
    ferry_sound_mono(sound, start, length, mono);
    ferry_resample(&r, mono, 0, *count, out);
    free(mono);
    ferry_arena_free(&arena);
    return out;
}

/* count samples of a sum of sines that `from` samples a second hold: make_sounds.py's tones. */
static float *tones(size_t rate, size_t count, size_t from)
{
    double highest = 0.4 * (double)(from < 16000 ? from : 16000);
    float *out = calloc(count, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < count; i++) {
        double t = (double)i / (double)rate;
        out[i] = (float)(0.4 * sin(2 * PI * 440 * t) + 0.2 * sin(2 * PI * 0.25 * highest * t) +
                         0.1 * sin(2 * PI * highest * t));
    }
    return out;
}

/* What is below the band limit passes unchanged: tones become what they are at the other rate, up
 * to the window's ripple, and to what soxr makes of them, whose own error is 3e-5. */
static void resampled_tones_are_the_tones_and_soxrs(void **state)
{
    (void)state;
    static const size_t rates[] = {44100, 48000, 22050, 11025, 8000, 96000, 15999};
    enum { FIRST = 1500, COUNT = 200 };
    golden_tensors golden;
    golden_tensors_open(&golden, "sounds.safetensors");
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        char name[64];
        size_t shape[2], count;
        snprintf(name, sizeof name, "resampled.%zu", rates[i]);
        const float *expected = golden_tensor(&golden, name, shape);
        float *samples = tones(rates[i], rates[i] / 2, rates[i]);
        ferry_sound sound = {samples, rates[i] / 2, 1, rates[i]};
        float *found = resample(&sound, &count);
        assert_int_equal(count, (rates[i] / 2 * 16000 + rates[i] - 1) / rates[i]);
        assert_near(found + FIRST, expected, COUNT, 1e-4, name);
        float *exact = tones(16000, count, rates[i]);
        snprintf(name, sizeof name, "tones of %zu Hz", rates[i]);
        assert_near(found + FIRST, exact + FIRST, count - 2 * FIRST, 5e-6, name);
        free(exact);
        free(found);
        free(samples);
    }
    golden_tensors_close(&golden);
}

/* The largest magnitude of what becomes of a tone, its ends apart. */
static double loudness(size_t rate, double hertz)
{
    size_t count;
    float *samples = calloc(rate / 2, sizeof *samples);
    assert_non_null(samples);
    for (size_t i = 0; i < rate / 2; i++)
        samples[i] = (float)sin(2 * PI * hertz * (double)i / (double)rate);
    ferry_sound sound = {samples, rate / 2, 1, rate};
    float *out = resample(&sound, &count);
    double most = 0.0;
    for (size_t i = 1000; i < count - 1000; i++)
        most = fabs((double)out[i]) > most ? fabs((double)out[i]) : most;
    free(out);
    free(samples);
    return most;
}

static void what_the_lower_rate_cannot_hold_is_silent(void **state)
{
    (void)state;
    static const size_t rates[] = {44100, 48000, 96000, 192000, 17000};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        double low = loudness(rates[i], 7100.0), high = loudness(rates[i], 8010.0);
        print_message("%zu Hz: a tone of 7,100 Hz has %.6f, one of 8,010 Hz %.1e\n", rates[i], low,
                      high);
        assert_true(low > 0.995 && low < 1.001);
        assert_true(high < 1e-4);
    }
}

/* Any part, and rows of weights kept or made anew, give the bits of the whole. */
static void parts_are_the_whole(void **state)
{
    (void)state;
    static const size_t rates[] = {44100, 8000, 47999, 16000};
    ferry_allocator allocator = ferry_allocator_or_default(NULL);
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        size_t count, length;
        int64_t start;
        float *samples = tones(rates[i], 20000, rates[i]);
        ferry_sound sound = {samples, 20000, 1, rates[i]};
        float *whole = resample(&sound, &count);
        for (size_t first = 0; first < 2000; first += 777) {
            ferry_arena arena;
            ferry_resampler r;
            enum { PART = 100 };
            float part[PART];
            ferry_arena_init(&arena, allocator);
            /* so few outputs that even 47,999 Hz keeps its rows */
            assert_true(ferry_resampler_init(&r, rates[i], FERRY_MEL_RATE, first + PART, &arena));
            assert_true(r.kept);
            ferry_resampler_reads(&r, first, PART, &start, &length);
            float *mono = ferry_arena_array(&arena, length, sizeof *mono);
            ferry_sound_mono(&sound, start, length, mono);
            ferry_resample(&r, mono, first, PART, part);
            assert_memory_equal(part, whole + first, sizeof part);
            ferry_arena_free(&arena);
        }
        free(whole);
        free(samples);
    }
}

static void a_sound_of_the_models_rate_stays_as_it_is(void **state)
{
    (void)state;
    size_t count;
    ferry_sound clip = clip_chord();
    float *out = resample(&clip, &count);
    assert_int_equal(count, clip.frames);
    assert_memory_equal(out, clip.data, count * sizeof *out);
    free(out);
    clip_close(&clip);
}

/* ---- the spectrogram ---- */

/* [*frames, BANDS] of samples at the model's rate, silence around them; to be freed. */
static float *log_mel(const float *samples, size_t count, size_t *frames)
{
    ferry_log_mel *mel = malloc(sizeof *mel);
    *frames = (size_t)ferry_log_mel_frames(count);
    size_t length = (*frames - 1) * FERRY_MEL_HOP + FERRY_MEL_WINDOW;
    float *padded = calloc(length, sizeof *padded);
    float *out = calloc(*frames, FERRY_MEL_BANDS * sizeof *out);
    assert_true(mel != NULL && padded != NULL && out != NULL);
    ferry_log_mel_init(mel);
    memcpy(padded + FERRY_MEL_WINDOW / 2, samples, count * sizeof *padded);
    ferry_log_mel_make(mel, padded, *frames, out);
    free(padded);
    free(mel);
    return out;
}

static double largest_difference(const float *found, const float *expected, size_t count)
{
    double worst = 0.0;
    for (size_t i = 0; i < count; i++) {
        double off = fabs((double)found[i] - (double)expected[i]);
        worst = off > worst ? off : worst;
    }
    return worst;
}

static void spectrograms_are_librosas(void **state)
{
    (void)state;
    golden_tensors golden;
    ferry_sound clips[CLIPS];
    clips_open(clips);
    golden_tensors_open(&golden, "sounds.safetensors");
    for (size_t n = 0; n < CLIPS; n++) {
        char name[32];
        size_t shape[2], frames;
        snprintf(name, sizeof name, "mel.%zu", n);
        const float *expected = golden_tensor(&golden, name, shape);
        float *found = log_mel(clips[n].data, clips[n].frames, &frames);
        assert_int_equal(shape[0], (frames + STRIDE - 1) / STRIDE);
        assert_int_equal(shape[1], FERRY_MEL_BANDS);
        double worst = 0.0;
        for (size_t t = 0; t < shape[0]; t++) {
            double off = largest_difference(found + t * STRIDE * FERRY_MEL_BANDS,
                                            expected + t * FERRY_MEL_BANDS, FERRY_MEL_BANDS);
            worst = off > worst ? off : worst;
        }
        print_message("clip %zu: largest difference %.1e\n", n, worst);
        assert_true(worst <= 1e-3); /* of numbers up to 6: what is asked for */
        assert_true(worst <= 2e-5); /* and what librosa's single precision leaves */
        free(found);
    }
    golden_tensors_close(&golden);
    clips_close(clips);
}

/* White noise, resampled by soxr as librosa.load does it: its filter is steeper, which the highest
 * bands show; what is below 7,000 Hz is alike. */
static void noise_of_a_higher_rate_is_librosas(void **state)
{
    (void)state;
    enum { RATE = 44100, BELOW = 90 /* bands that end below 7,100 Hz */ };
    golden_tensors golden;
    size_t shape[2], count, frames;
    golden_tensors_open(&golden, "sounds.safetensors");
    const float *expected = golden_tensor(&golden, "noise.mel", shape);
    double *noise = calloc(RATE, sizeof *noise);
    float *samples = calloc(RATE, sizeof *samples);
    assert_true(noise != NULL && samples != NULL);
    clip_noise(noise, RATE);
    for (size_t i = 0; i < RATE; i++) samples[i] = (float)(noise[i] / 65536.0);
    ferry_sound sound = {samples, RATE, 1, RATE};
    float *at_16k = resample(&sound, &count), *found = log_mel(at_16k, count, &frames);
    assert_int_equal(shape[0], frames);
    double low = 0.0, high = 0.0;
    for (size_t t = 2; t + 2 < frames; t++) { /* the sound's ends are abrupt */
        size_t at = t * FERRY_MEL_BANDS;
        double off = largest_difference(found + at, expected + at, BELOW);
        low = off > low ? off : low;
        off =
            largest_difference(found + at + BELOW, expected + at + BELOW, FERRY_MEL_BANDS - BELOW);
        high = off > high ? off : high;
    }
    print_message("below 7,100 Hz %.1e, above %.1e\n", low, high);
    assert_true(low <= 1e-3);
    assert_true(high <= 1.0);
    free(found);
    free(at_16k);
    free(samples);
    free(noise);
    golden_tensors_close(&golden);
}

static void silence_is_zero(void **state)
{
    (void)state;
    float silence[1000] = {0.0f};
    size_t frames;
    float *out = log_mel(silence, 1000, &frames);
    assert_int_equal(frames, 4);
    for (size_t i = 0; i < frames * FERRY_MEL_BANDS; i++) assert_true(out[i] == 0.0f);
    free(out);
}

/* ---- channels, and what is refused ---- */

static void the_mean_of_the_channels_is_heard(void **state)
{
    (void)state;
    static const float samples[] = {1.0f, 0.0f, 0.5f, 0.25f, -1.0f, -1.0f};
    static const float expected[] = {0.0f, 0.0f, 0.5f, 0.375f, -1.0f, 0.0f};
    ferry_sound stereo = {samples, 3, 2, 8000}, three = {samples, 2, 3, 8000};
    float out[6];
    ferry_sound_mono(&stereo, -2, 6, out);
    assert_memory_equal(out, expected, sizeof out);
    ferry_sound_mono(&three, 0, 2, out);
    assert_true(out[0] == 0.5f && out[1] == (float)(-1.75 / 3.0));
    ferry_sound_mono(&three, 5, 3, out);
    assert_true(out[0] == 0.0f && out[2] == 0.0f);
}

static void refuse(ferry_sound sound, ferry_status status, const char *message)
{
    ferry_error error;
    assert_int_equal(ferry_sound_check(&sound, 3, &error), status);
    if (strstr(error.message, "sound 3") == NULL || strstr(error.message, message) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", error.message, message);
}

static void bad_sounds_are_named(void **state)
{
    (void)state;
    float samples[6] = {0.0f};
    refuse((ferry_sound){samples, 0, 1, 16000}, FERRY_INVALID_ARGUMENT, "has 0 samples");
    refuse((ferry_sound){samples, 1, 0, 16000}, FERRY_INVALID_ARGUMENT, "0 channels");
    refuse((ferry_sound){samples, 1, 65, 16000}, FERRY_LIMIT, "65 channels");
    refuse((ferry_sound){samples, (size_t)1 << 31, 1, 16000}, FERRY_LIMIT, "1073741824");
    refuse((ferry_sound){samples, 6, 1, 999}, FERRY_INVALID_ARGUMENT, "999");
    refuse((ferry_sound){samples, 6, 1, 384001}, FERRY_INVALID_ARGUMENT, "384001");
    refuse((ferry_sound){NULL, 6, 1, 16000}, FERRY_INVALID_ARGUMENT, "NULL");
    samples[5] = NAN;
    refuse((ferry_sound){samples, 3, 2, 16000}, FERRY_INVALID_ARGUMENT, "sample 2 is nan");
    samples[5] = -INFINITY;
    refuse((ferry_sound){samples, 6, 1, 16000}, FERRY_INVALID_ARGUMENT, "sample 5 is -inf");
    samples[5] = 2e15f;
    refuse((ferry_sound){samples, 6, 1, 16000}, FERRY_INVALID_ARGUMENT, "1e15");
    samples[5] = 1e15f;
    assert_int_equal(ferry_sound_check(&(ferry_sound){samples, 6, 1, 16000}, 0, NULL), FERRY_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sines_are_libms),
        cmocka_unit_test(resampled_tones_are_the_tones_and_soxrs),
        cmocka_unit_test(what_the_lower_rate_cannot_hold_is_silent),
        cmocka_unit_test(parts_are_the_whole),
        cmocka_unit_test(a_sound_of_the_models_rate_stays_as_it_is),
        cmocka_unit_test(spectrograms_are_librosas),
        cmocka_unit_test(noise_of_a_higher_rate_is_librosas),
        cmocka_unit_test(silence_is_zero),
        cmocka_unit_test(the_mean_of_the_channels_is_heard),
        cmocka_unit_test(bad_sounds_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
