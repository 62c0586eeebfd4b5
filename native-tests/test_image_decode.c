/* Decoding against Pillow; what is broken, huge or of another kind. */
#include "golden_tensors.h"

#include "input/image.h"

/* The colours it has on white. */
static uint8_t *flatten(const ferry_image *image)
{
    ferry_image_recipe recipe = {
        .width = image->width, .height = image->height, .framing = FERRY_FRAMING_SQUASH};
    ferry_allocator allocator = ferry_allocator_or_default(NULL);
    uint8_t *out = malloc(image->width * image->height * 3);
    assert_non_null(out);
    assert_int_equal(ferry_image_frame(image, &recipe, &allocator, out, NULL), FERRY_OK);
    return out;
}

static void formats_are_decoded_as_pillow_does(void **state)
{
    (void)state;
    golden_tensors golden;
    golden_tensors_open(&golden, "images.safetensors");
    size_t pictures = 0;
    int largest = 0;
    for (size_t i = 0; i < golden.tensors.count; i++) {
        const ferry_tensor *tensor = &golden.tensors.tensors[i];
        if (strncmp(tensor->name, "decoded.", 8) != 0) continue;
        char path[128];
        size_t size;
        snprintf(path, sizeof path, "images/%s", tensor->name + 8);
        char *bytes = read_file(golden_path(path), &size);
        ferry_image image;
        ferry_error error;
        ferry_file file = {path, bytes, size};
        if (ferry_image_decode(&file, 0, &image, &error) != FERRY_OK) fail_msg("%s", error.message);
        assert_int_equal(image.height, tensor->shape[0]);
        assert_int_equal(image.width, tensor->shape[1]);
        uint8_t *found = flatten(&image);
        const uint8_t *expected = tensor->data;
        for (size_t b = 0; b < tensor->count; b++) {
            int off = abs(found[b] - expected[b]);
            largest = off > largest ? off : largest;
            if (off > 1)
                fail_msg("%s: byte %zu is %d, Pillow's %d", path, b, found[b], expected[b]);
        }
        free(found);
        ferry_image_free(&image);
        free(bytes);
        pictures++;
    }
    print_message("%zu pictures, largest difference %d\n", pictures, largest);
    assert_true(pictures >= 25);
    golden_tensors_close(&golden);
}

static void refuse(const char *name, const void *data, size_t size, size_t max_pixels,
                   ferry_status status, const char *message)
{
    ferry_image image;
    ferry_error error;
    ferry_file file = {name, data, size};
    ferry_status found = ferry_image_decode(&file, max_pixels, &image, &error);
    if (found != status)
        fail_msg("%s: %s: %s", name, ferry_status_name(found), found != 0 ? error.message : "");
    assert_null(image.data);
    if (strstr(error.message, name) == NULL || strstr(error.message, message) == NULL)
        fail_msg("\"%s\" does not say \"%s\" and \"%s\"", error.message, name, message);
}

static void other_kinds_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *message;
    } other[] = {{"images/picture.gif", "a GIF"},
                 {"images/picture.bmp", "a BMP"},
                 {"images/moving.webp", "animated"}};
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        size_t size;
        char *bytes = read_file(golden_path(other[i].name), &size);
        refuse(other[i].name, bytes, size, 0, FERRY_UNSUPPORTED, other[i].message);
        free(bytes);
    }
    refuse("a.svg", "<svg xmlns=", 11, 0, FERRY_UNSUPPORTED, "SVG");
    refuse("a.png", "", 0, 0, FERRY_MALFORMED, "no bytes");
    refuse("a.png", "hello", 5, 0, FERRY_MALFORMED, "68 65 6c 6c 6f");
}

static void what_is_cut_short_is_no_picture(void **state)
{
    (void)state;
    static const char *const names[] = {"images/rgb.png",         "images/palette-4-bit.png",
                                        "images/rgb.jpg",         "images/progressive.jpg",
                                        "images/cmyk.jpg",        "images/lossy.webp",
                                        "images/lossless.webp",   "images/alpha.webp",
                                        "images/rgba-16-bit.png", "images/turned-6.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size;
        char *bytes = read_file(golden_path(names[i]), &size);
        for (size_t cut = 12; cut < size * 9 / 10; cut += 7)
            refuse(names[i], bytes, cut, 0, FERRY_MALFORMED, "");
        free(bytes);
    }
}

static void huge_pictures_are_refused_by_their_header(void **state)
{
    (void)state;
    size_t size;
    char *bytes = read_file(golden_path("images/rgb.png"), &size);
    refuse("images/rgb.png", bytes, size, 26 * 19 - 1, FERRY_LIMIT, "26 x 19");
    free(bytes);
    bytes = read_file(golden_path("images/rgb.jpg"), &size);
    refuse("images/rgb.jpg", bytes, size, 26 * 19 - 1, FERRY_LIMIT, "26 x 19");
    /* its frame header, told to be 65,000 x 65,000 pixels */
    for (size_t i = 0; i + 9 < size; i++) {
        if (memcmp(bytes + i, "\xff\xc0\0\x11\x08", 5) == 0)
            memcpy(bytes + i + 5, "\xfd\xe8\xfd\xe8", 4);
    }
    refuse("images/rgb.jpg", bytes, size, 0, FERRY_LIMIT, "65000 x 65000");
    free(bytes);
    bytes = read_file(golden_path("images/lossy.webp"), &size);
    refuse("images/lossy.webp", bytes, size, 26 * 19 - 1, FERRY_LIMIT, "26 x 19");
    free(bytes);
}

static uint32_t crc32_of(const unsigned char *bytes, size_t size)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void put_big_endian(char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) at[i] = (char)(value >> (24 - 8 * i));
}

/* A PNG whose header says another size, its checksum right. */
static void refuse_png(uint32_t width, uint32_t height, ferry_status status, const char *message)
{
    size_t size;
    char *bytes = read_file(golden_path("images/rgb.png"), &size);
    put_big_endian(bytes + 16, width);
    put_big_endian(bytes + 20, height);
    put_big_endian(bytes + 29, crc32_of((const unsigned char *)bytes + 12, 17));
    refuse("images/rgb.png", bytes, size, 0, status, message);
    free(bytes);
}

static void pictures_of_no_pixels_or_too_many_are_refused(void **state)
{
    (void)state;
    refuse_png(0, 19, FERRY_MALFORMED, "PNG");
    refuse_png(26, 0, FERRY_MALFORMED, "PNG");
    refuse_png(70000, 1, FERRY_LIMIT, "65536");
    refuse_png(60000, 60000, FERRY_LIMIT, "60000 x 60000");
    refuse_png(0x7FFFFFFF, 0x7FFFFFFF, FERRY_MALFORMED, "PNG");
    refuse_png(0xFFFFFFFF, 1, FERRY_MALFORMED, "PNG");
    refuse_png(27, 19, FERRY_MALFORMED, "PNG"); /* fewer pixels than it says */
    refuse_png(26, 20, FERRY_MALFORMED, "PNG");
    static const char *const frames[] = {"\0\0\0\x1a", "\0\x13\0\0"}; /* height, width */
    for (size_t f = 0; f < sizeof frames / sizeof *frames; f++) {
        size_t size;
        char *bytes = read_file(golden_path("images/rgb.jpg"), &size);
        for (size_t i = 0; i + 9 < size; i++)
            if (memcmp(bytes + i, "\xff\xc0\0\x11\x08", 5) == 0)
                memcpy(bytes + i + 5, frames[f], 4);
        refuse("images/rgb.jpg", bytes, size, 0, FERRY_MALFORMED, "");
        free(bytes);
    }
    size_t size;
    char *bytes = read_file(golden_path("images/lossy.webp"), &size);
    for (size_t i = 0; i + 7 < size; i++)
        if (memcmp(bytes + i, "\x9d\x01\x2a", 3) == 0) memset(bytes + i + 3, 0, 4);
    refuse("images/lossy.webp", bytes, size, 0, FERRY_MALFORMED, "");
    free(bytes);
}

/* What a file is called does not matter; what its bytes are does. */
static void names_mean_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *file, *name;
    } renamed[] = {{"images/rgb.jpg", "a.png"},
                   {"images/rgb.png", "a.webp"},
                   {"images/lossy.webp", "a.jpg"},
                   {"images/cmyk.jpg", "a"},
                   {"images/rgba-16-bit.png", "a.txt"}};
    for (size_t i = 0; i < sizeof renamed / sizeof *renamed; i++) {
        size_t size;
        char *bytes = read_file(golden_path(renamed[i].file), &size);
        ferry_image image, same;
        ferry_error error;
        ferry_file file = {renamed[i].name, bytes, size};
        if (ferry_image_decode(&file, 0, &image, &error) != FERRY_OK) fail_msg("%s", error.message);
        file.name = renamed[i].file;
        assert_int_equal(ferry_image_decode(&file, 0, &same, &error), FERRY_OK);
        assert_int_equal(image.channels, same.channels);
        assert_memory_equal(image.data, same.data, image.width * image.height * image.channels);
        ferry_image_free(&image);
        ferry_image_free(&same);
        free(bytes);
    }
    size_t size;
    char *bytes = read_file(golden_path("images/picture.gif"), &size);
    refuse("a.png", bytes, size, 0, FERRY_UNSUPPORTED, "a GIF");
    free(bytes);
}

/* One byte after the other is made another: whatever comes, it is a picture or a message. */
static void damaged_pictures_are_survived(void **state)
{
    (void)state;
    static const char *const names[] = {"images/palette-alpha.png", "images/subsampled.jpg",
                                        "images/lossy.webp", "images/turned-3.jpg"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size;
        char *bytes = read_file(golden_path(names[i]), &size);
        for (size_t at = 0; at < size; at++) {
            char kept = bytes[at];
            bytes[at] = (char)(kept ^ (1 << at % 8));
            ferry_image image;
            ferry_error error = {0};
            ferry_file file = {names[i], bytes, size};
            ferry_status status = ferry_image_decode(&file, 1 << 20, &image, &error);
            assert_true((status == FERRY_OK) == (image.data != NULL));
            assert_true((status == FERRY_OK) == (error.message[0] == '\0'));
            ferry_image_free(&image);
            bytes[at] = kept;
        }
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_are_decoded_as_pillow_does),
        cmocka_unit_test(other_kinds_are_named),
        cmocka_unit_test(what_is_cut_short_is_no_picture),
        cmocka_unit_test(huge_pictures_are_refused_by_their_header),
        cmocka_unit_test(pictures_of_no_pixels_or_too_many_are_refused),
        cmocka_unit_test(names_mean_nothing),
        cmocka_unit_test(damaged_pictures_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
