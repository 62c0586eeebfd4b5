/* musicnn's VGG against torch and TensorFlow; the same bits by all kernels and threads; files that
 * do not fit. */
#define _XOPEN_SOURCE 700 /* mkdtemp */
#include "image_golden.h"
#include "model_files.h"
#include "same_bits.h"
#include "sound_clips.h"

static const char tiny[] = "tiny-musicnn";

typedef ferry_status (*sound_call)(ferry_encoder *encoder, const ferry_sound *sounds, size_t count,
                                   float *out, ferry_progress progress, void *progress_user,
                                   ferry_error *error);

/* [count, width], to be freed */
static float *call(sound_call encode, ferry_encoder *encoder, const ferry_sound *sounds,
                   size_t count, size_t width)
{
    ferry_error error;
    float *out = calloc(count, width * sizeof *out);
    assert_non_null(out);
    if (encode(encoder, sounds, count, out, NULL, NULL, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    return out;
}

static float *encode(ferry_encoder *encoder, const ferry_sound *sounds, size_t count)
{
    return call(ferry_encoder_encode_sounds, encoder, sounds, count,
                ferry_encoder_dimension(encoder));
}

/* ---- parity ---- */

static void check_parity(const char *path, const char *expected, size_t dimension)
{
    golden_tensors golden;
    ferry_sound clips[CLIPS];
    size_t shape[2];
    clips_open(clips);
    golden_tensors_open(&golden, expected);
    ferry_encoder *encoder = encoder_open(path, (ferry_encoder_options){0});
    assert_true(ferry_encoder_takes_sounds(encoder) && !ferry_encoder_takes_texts(encoder) &&
                !ferry_encoder_takes_images(encoder));
    assert_int_equal(ferry_encoder_dimension(encoder), dimension);
    const float *features = golden_tensor(&golden, "features", shape);
    assert_true(shape[0] == CLIPS && shape[1] == dimension);
    float *found = encode(encoder, clips, CLIPS);
    assert_rows_alike(found, features, CLIPS, dimension, 0.99999, "features");
    free(found);
    const float *tags = golden_tensor(&golden, "tags", shape);
    assert_int_equal(ferry_encoder_classes(encoder), shape[1]);
    found = call(ferry_encoder_tag_sounds, encoder, clips + 1, CLIPS - 1, shape[1]);
    assert_rows_alike(found, tags + shape[1], CLIPS - 1, shape[1], 0.99999, "tags");
    free(found);
    ferry_encoder_close(encoder);
    golden_tensors_close(&golden);
    clips_close(clips);
}

static void a_tiny_net_gives_what_torch_gives(void **state)
{
    (void)state;
    check_parity(golden_path(tiny), "tiny-musicnn/expected.safetensors", 8);
    ferry_encoder *encoder = encoder_open(golden_path(tiny), (ferry_encoder_options){0});
    assert_string_equal(ferry_encoder_class_name(encoder, 2), "a \"chord\"");
    assert_string_equal(ferry_encoder_class_name(encoder, 3), "naïve");
    assert_null(ferry_encoder_class_name(encoder, 5));
    ferry_encoder_close(encoder);
}

/* The pretrained model's directory, or NULL with the reason printed. */
static const char *pretrained(void)
{
    static char path[1100];
    char file[1200];
    snprintf(path, sizeof path, "%s", model_path("musicnn-mtt-vgg"));
    snprintf(file, sizeof file, "%s/model.safetensors", path);
    if (file_exists(file)) return path;
    print_message("skipped: no %s (sh tools/setup models)\n", file);
    return NULL;
}

static void the_pretrained_net_gives_what_musicnns_graph_gives(void **state)
{
    (void)state;
    const char *path = pretrained();
    if (path == NULL) return;
    check_parity(path, "musicnn.safetensors", 256);
    ferry_encoder *encoder = encoder_open(path, (ferry_encoder_options){0});
    assert_int_equal(ferry_encoder_classes(encoder), 50);
    assert_string_equal(ferry_encoder_class_name(encoder, 0), "guitar");
    assert_string_equal(ferry_encoder_class_name(encoder, 49), "choral");
    ferry_encoder_close(encoder);
}

#if FERRY_SOUNDS
/* From the file to the tags. librosa.load decodes and resamples it by soxr, whose filter is steeper
 * than ours in the highest bands. */
static void a_stamps_sound_gives_what_musicnn_gives(void **state)
{
    (void)state;
    if (GOLDEN_STRIDE > 1) {
        print_message("skipped: a sanitizer's build has had three clips\n");
        return;
    }
    const char *path = pretrained(),
               *stamp = "/usr/share/tuxpaint/stamps/animals/birds/rooster.ogg";
    if (path == NULL) return;
    if (!file_exists(stamp)) {
        print_message("skipped: no %s (sh tools/setup models)\n", stamp);
        return;
    }
    golden_tensors golden;
    golden_tensors_open(&golden, "musicnn.safetensors");
    size_t size;
    char *bytes = read_file(stamp, &size);
    ferry_file file = {stamp, bytes, size};
    ferry_sound sound;
    ferry_error error;
    ferry_encoder *encoder = encoder_open(path, (ferry_encoder_options){0});
    if (ferry_sound_decode(&file, 0, &sound, &error) != FERRY_OK) fail_msg("%s", error.message);
    print_message("%zu samples, %zu channels, %zu Hz\n", sound.frames, sound.channels,
                  sound.sample_rate);
    float *found = encode(encoder, &sound, 1);
    assert_rows_alike_within(found, golden_tensor(&golden, "stamp.features", NULL), 1, 256, 0.9999,
                             1e-2, "features");
    free(found);
    found = call(ferry_encoder_tag_sounds, encoder, &sound, 1, 50);
    assert_rows_alike_within(found, golden_tensor(&golden, "stamp.tags", NULL), 1, 50, 0.9999, 1e-2,
                             "tags");
    free(found);
    ferry_sound_free(&sound);
    ferry_encoder_close(encoder);
    free(bytes);
    golden_tensors_close(&golden);
}
#endif

/* ---- int8 ---- */

/* The three clips' features by the net at `path`: a quantised copy and one quantised while it loads
 * give the same bits, near the original's to a cosine of `least`. */
static void check_int8(const char *path, const char *expected, double least)
{
    static const char *const names[] = {"config.json", "model.safetensors"};
    char copy[] = "/tmp/ferry-test-XXXXXX", file[64];
    ferry_error error;
    ferry_encoder *encoder;
    golden_tensors golden;
    ferry_sound clips[CLIPS];
    size_t shape[2];
    clips_open(clips);
    golden_tensors_open(&golden, expected);
    const float *features = golden_tensor(&golden, "features", shape);
    assert_non_null(mkdtemp(copy));
    if (ferry_encoder_quantize_directory(path, copy, &error) != FERRY_OK)
        fail_msg("%s", error.message);
    encoder = encoder_open(copy, (ferry_encoder_options){0});
    assert_int_equal(ferry_encoder_precision(encoder), FERRY_PRECISION_INT8);
    float *found = encode(encoder, clips, CLIPS);
    ferry_encoder_close(encoder);
    encoder = encoder_open(path, (ferry_encoder_options){.precision = FERRY_PRECISION_INT8});
    float *other = encode(encoder, clips, CLIPS);
    ferry_encoder_close(encoder);
    assert_memory_equal(found, other, shape[0] * shape[1] * sizeof *found);
    double lowest = lowest_cosine(found, features, shape[0], shape[1]);
    print_message("%s in int8: lowest cosine to the original's f32 %.5f\n", path, lowest);
    assert_true(lowest >= least && lowest < 1.0);
    ferry_encoder_options options = {.size = sizeof options, .precision = FERRY_PRECISION_F32};
    assert_int_equal(ferry_encoder_open_directory(copy, &options, &encoder, &error),
                     FERRY_UNSUPPORTED);
    assert_non_null(strstr(error.message, "quantised"));
    assert_int_equal(ferry_encoder_quantize_directory(copy, copy, &error), FERRY_UNSUPPORTED);
    assert_non_null(strstr(error.message, "int8 already"));
    for (size_t i = 0; i < 2; i++) {
        snprintf(file, sizeof file, "%s/%s", copy, names[i]);
        remove(file);
    }
    assert_int_equal(remove(copy), 0);
    free(found);
    free(other);
    golden_tensors_close(&golden);
    clips_close(clips);
}

static void int8_is_near(void **state)
{
    (void)state;
    check_int8(golden_path(tiny), "tiny-musicnn/expected.safetensors", 0.99);
    const char *path = pretrained();
    if (path != NULL && GOLDEN_STRIDE == 1) check_int8(path, "musicnn.safetensors", 0.995);
}

/* ---- patches, channels, rates ---- */

static void only_whole_patches_count(void **state)
{
    (void)state;
    enum { PATCH = 187 * 256 };
    ferry_encoder *encoder = encoder_open(golden_path(tiny), (ferry_encoder_options){0});
    size_t N = ferry_encoder_dimension(encoder), bytes = N * sizeof(float);
    ferry_sound whole = clip_plucked(CLIP_RATE, 6), short_one = clip_beats();
    /* two patches take 2 x 187 frames, the last of them around sample 373 * 256 */
    ferry_sound cut[3] = {whole, whole, whole};
    cut[0].frames = 373 * 256;
    cut[1].frames = 373 * 256 - 1; /* lacks a sample of its second patch, and so all of it */
    cut[2].frames = 187 * 256;
    float *found = encode(encoder, cut, 3);
    assert_memory_not_equal(found, found + N, bytes);
    assert_memory_equal(found + N, found + 2 * N, bytes);
    /* silence behind a sound that is shorter than a patch changes nothing */
    ferry_sound padded = short_one;
    float *longer = calloc(PATCH, sizeof *longer);
    assert_non_null(longer);
    memcpy(longer, short_one.data, short_one.frames * sizeof *longer);
    padded.data = longer;
    padded.frames = PATCH;
    ferry_sound both[2] = {short_one, padded};
    float *again = encode(encoder, both, 2);
    assert_memory_equal(again, again + N, bytes);
    free(again);
    free(longer);
    free(found);
    clip_close(&whole);
    clip_close(&short_one);
    ferry_encoder_close(encoder);
}

static void channels_alike_are_one(void **state)
{
    (void)state;
    ferry_encoder *encoder = encoder_open(golden_path(tiny), (ferry_encoder_options){0});
    ferry_sound mono = clip_plucked(22050, 2), stereo = mono;
    float *both = calloc(mono.frames, 2 * sizeof *both);
    assert_non_null(both);
    for (size_t i = 0; i < 2 * mono.frames; i++) both[i] = mono.data[i / 2];
    stereo.data = both;
    stereo.channels = 2;
    ferry_sound sounds[2] = {mono, stereo};
    size_t N = ferry_encoder_dimension(encoder);
    float *found = encode(encoder, sounds, 2);
    assert_memory_equal(found, found + N, N * sizeof *found);
    free(found);
    free(both);
    clip_close(&mono);
    ferry_encoder_close(encoder);
}

static void silence_and_one_sample_are_sounds(void **state)
{
    (void)state;
    static const float silence[40000], one[1] = {0.5f}, loud[2] = {1e15f, -1e15f};
    ferry_encoder *encoder = encoder_open(golden_path(tiny), (ferry_encoder_options){0});
    ferry_sound sounds[] = {{silence, 40000, 1, 44100}, {silence, 20000, 2, 384000},
                            {silence, 1, 1, 1000},      {one, 1, 1, 384000},
                            {loud, 1, 2, 8000},         {loud, 2, 1, 44100}};
    enum { COUNT = sizeof sounds / sizeof *sounds };
    size_t N = ferry_encoder_dimension(encoder);
    float *found = encode(encoder, sounds, COUNT);
    for (size_t i = 0; i < COUNT * N; i++) assert_true(isfinite(found[i]));
    for (size_t i = 1; i < 3; i++)
        assert_memory_equal(found, found + i * N, N * sizeof *found); /* silence is silence */
    free(found);
    ferry_encoder_close(encoder);
}

/* ---- progress ---- */

typedef struct calls {
    size_t count, stop_at, done[16];
} calls;

static bool count_call(void *user, size_t done, size_t total)
{
    calls *c = user;
    assert_int_equal(total, 2);
    assert_true(c->count < 16);
    c->done[c->count++] = done;
    return c->count != c->stop_at;
}

static void progress_is_told_and_asked(void **state)
{
    (void)state;
    ferry_encoder *encoder = encoder_open(golden_path(tiny), (ferry_encoder_options){0});
    ferry_sound sounds[2] = {clip_plucked(CLIP_RATE, 6), clip_beats()};
    float out[2 * 8];
    ferry_error error;
    calls c = {0};
    assert_int_equal(ferry_encoder_encode_sounds(encoder, sounds, 2, out, count_call, &c, &error),
                     FERRY_OK);
    assert_true(c.count == 3 && c.done[0] == 0 && c.done[1] == 1 && c.done[2] == 2);
    for (size_t stop = 1; stop <= 3; stop++) {
        c = (calls){.stop_at = stop};
        assert_int_equal(
            ferry_encoder_encode_sounds(encoder, sounds, 2, out, count_call, &c, &error),
            FERRY_CANCELLED);
        assert_int_equal(c.count, stop);
        assert_non_null(strstr(error.message, "of 2 sounds"));
    }
    clip_close(&sounds[0]);
    clip_close(&sounds[1]);
    ferry_encoder_close(encoder);
}

/* ---- the same bits ---- */

static float *encode_all(const void *user, ferry_encoder_options options)
{
    ferry_encoder *encoder = encoder_open(golden_path(tiny), options);
    float *found = encode(encoder, user, CLIPS + 1);
    ferry_encoder_close(encoder);
    return found;
}

static void check_hash(ferry_precision precision, const char *hash_file)
{
    ferry_sound sounds[CLIPS + 1];
    clips_open(sounds);
    sounds[CLIPS] = clip_plucked(44100, 1);
    size_t count = (CLIPS + 1) * 8;
    float *found = same_bits(tiny, encode_all, sounds, precision, count);
    assert_hash(hash_file, "", found, count);
    free(found);
    clip_close(&sounds[CLIPS]);
    clips_close(sounds);
}

static void all_kernels_and_threads_give_the_same_bits(void **state)
{
    (void)state;
    check_hash(FERRY_PRECISION_F32, "sound.hash");
    check_hash(FERRY_PRECISION_INT8, "sound.int8.hash");
}

/* ---- what is refused ---- */

static void refuse(const char *file, const char *old, const char *other, ferry_status status,
                   const char *says)
{
    assert_refused_with(tiny, file, "", old, other, status, says);
}

static void files_that_do_not_fit_are_named(void **state)
{
    (void)state;
    static const char config[] = "config.json", weights[] = "model.safetensors";
    model_files files = model_files_read(golden_path(tiny));
    assert_refused(files.file, 1, NULL, FERRY_NOT_FOUND, "model.safetensors is missing");
    model_files_free(&files);
    refuse(config, "\"n_mels\": 96", "\"n_mels\": 64", FERRY_UNSUPPORTED,
           "n_mels is 64; known: 96");
    refuse(config, "\"n_fft\"", "\"n_fff\"", FERRY_MALFORMED, "n_fft");
    refuse(config, "\"4\": ", "\"5\": ", FERRY_MALFORMED, "id2label has no \"4\"");
    refuse(config, "\"id2label\"", "\"id2lobel\"", FERRY_MALFORMED, "id2label");
    refuse(weights, "\"bn3.weight\"", "\"bn3.waight\"", FERRY_NOT_FOUND, "bn3.weight");
    refuse(weights, "\"shape\":[5,6,3,3]", "\"shape\":[6,5,3,3]", FERRY_MALFORMED, "conv2.weight");
    refuse(weights, "\"shape\":[5,8]", "\"shape\":[8,5]", FERRY_MALFORMED, "classifier.weight");
}

static void sounds_are_told_apart(void **state)
{
    (void)state;
    float out[64];
    ferry_error error;
    ferry_text text = {"a", 1};
    static const float samples[100];
    static const uint8_t pixel[3];
    ferry_image image = {pixel, 1, 1, 3};
    ferry_sound sound = {samples, 100, 1, 16000};
    ferry_encoder *sounds = encoder_open(golden_path(tiny), (ferry_encoder_options){0});
    assert_int_equal(ferry_encoder_encode(sounds, &text, 1, out, NULL, NULL, &error),
                     FERRY_UNSUPPORTED);
    assert_string_equal(error.message, "this model encodes sounds, not texts");
    assert_int_equal(ferry_encoder_encode_images(sounds, &image, 1, out, NULL, NULL, &error),
                     FERRY_UNSUPPORTED);
    assert_string_equal(error.message, "this model encodes sounds, not pictures");
    assert_int_equal(ferry_encoder_max_tokens(sounds), 0);
    sound.frames = 0;
    assert_int_equal(ferry_encoder_encode_sounds(sounds, &sound, 1, out, NULL, NULL, &error),
                     FERRY_INVALID_ARGUMENT);
    sound.frames = 100;
    assert_int_equal(ferry_encoder_encode_sounds(sounds, &sound, 1, out, NULL, NULL, &error),
                     FERRY_OK);
    ferry_encoder_close(sounds);
    static const char *const others[] = {"tiny-bert/gelu-mean", "tiny-efficientnet"};
    for (size_t i = 0; i < 2; i++) {
        ferry_encoder *other = encoder_open(golden_path(others[i]), (ferry_encoder_options){0});
        assert_false(ferry_encoder_takes_sounds(other));
        assert_null(ferry_encoder_class_name(other, 0));
        assert_int_equal(ferry_encoder_encode_sounds(other, &sound, 1, out, NULL, NULL, &error),
                         FERRY_UNSUPPORTED);
        assert_int_equal(ferry_encoder_tag_sounds(other, &sound, 1, out, NULL, NULL, &error),
                         FERRY_UNSUPPORTED);
        assert_non_null(strstr(error.message, "not sounds"));
        ferry_encoder_close(other);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tiny_net_gives_what_torch_gives),
        cmocka_unit_test(the_pretrained_net_gives_what_musicnns_graph_gives),
#if FERRY_SOUNDS
        cmocka_unit_test(a_stamps_sound_gives_what_musicnn_gives),
#endif
        cmocka_unit_test(int8_is_near),
        cmocka_unit_test(only_whole_patches_count),
        cmocka_unit_test(channels_alike_are_one),
        cmocka_unit_test(silence_and_one_sample_are_sounds),
        cmocka_unit_test(progress_is_told_and_asked),
        cmocka_unit_test(all_kernels_and_threads_give_the_same_bits),
        cmocka_unit_test(files_that_do_not_fit_are_named),
        cmocka_unit_test(sounds_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
