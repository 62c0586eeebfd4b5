/* safetensors: every conversion, every way a header can lie, what is written reads back. */
#include "failing.h"

#include <math.h>

#include "base/json.h"
#include "input/safetensors.h"

/* ---- a file in memory ---- */

static ferry_arena arena;
static unsigned char bytes[1 << 20];
static ferry_error error;

static int set_up(void **state)
{
    (void)state;
    ferry_arena_init(&arena, ferry_allocator_or_default(NULL));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ferry_arena_free(&arena);
    return 0;
}

/* Header and data_size bytes of data, counting up from 0. */
static ferry_file file_of(const char *header, size_t data_size)
{
    size_t size = strlen(header);
    assert_true(8 + size + data_size <= sizeof bytes);
    for (size_t i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)size >> 8 * i & 0xFF);
    memcpy(bytes + 8, header, size);
    for (size_t i = 0; i < data_size; i++) bytes[8 + size + i] = (unsigned char)(i & 0xFF);
    return (ferry_file){"m.safetensors", bytes, 8 + size + data_size};
}

static ferry_safetensors opens(const char *header, size_t data_size)
{
    ferry_file file = file_of(header, data_size);
    ferry_safetensors out;
    error.message[0] = '\0';
    ferry_status status = ferry_safetensors_open(&file, &arena, &out, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, FERRY_OK);
    return out;
}

static void refuses(const char *header, size_t data_size, ferry_status expected,
                    const char *message)
{
    ferry_file file = file_of(header, data_size);
    ferry_safetensors out;
    assert_int_equal(ferry_safetensors_open(&file, &arena, &out, &error), expected);
    assert_string_equal(error.message, message);
    assert_int_equal(error.status, expected);
    assert_int_equal(out.count, 0);
}

#define TENSOR(name, dtype, shape, offsets) \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"

/* ---- what opens ---- */

static void opens_sorted_with_metadata(void **state)
{
    (void)state;
    ferry_safetensors file =
        opens("{\"__metadata__\":{\"format\":\"pt\",\"x\":\"\"}," TENSOR(
                  "z", "F32", "2,3", "0,24") "," TENSOR("a", "I8", "4", "24,28") "}   ",
              28);
    assert_int_equal(file.count, 2);
    assert_string_equal(file.tensors[0].name, "a");
    assert_string_equal(file.tensors[1].name, "z");
    const ferry_tensor *z = ferry_safetensors_find(&file, "z");
    assert_non_null(z);
    assert_int_equal(z->rank, 2);
    assert_int_equal(z->shape[0], 2);
    assert_int_equal(z->shape[1], 3);
    assert_int_equal(z->count, 6);
    assert_int_equal(z->size, 24);
    assert_int_equal(*(const unsigned char *)z->data, 0);
    assert_int_equal(*(const unsigned char *)ferry_safetensors_find(&file, "a")->data, 24);
    assert_null(ferry_safetensors_find(&file, "b"));
    assert_int_equal(file.metadata_count, 2);
    assert_string_equal(file.metadata[0].key, "format");
    assert_string_equal(file.metadata[0].value, "pt");
}

static void opens_scalars_and_empty_tensors(void **state)
{
    (void)state;
    ferry_safetensors file =
        opens("{" TENSOR("e", "F32", "0,7", "0,0") "," TENSOR("f", "F16", "0", "4,4") "," TENSOR(
                  "s", "F32", "", "0,4") "}",
              4);
    const ferry_tensor *scalar = ferry_safetensors_find(&file, "s");
    assert_int_equal(scalar->rank, 0);
    assert_int_equal(scalar->count, 1);
    const float *values;
    for (size_t i = 0; i < file.count; i++)
        assert_int_equal(ferry_tensor_as_f32(&file.tensors[i], &arena, &values, &error), FERRY_OK);
    assert_int_equal(opens("{}", 0).count, 0);
    assert_int_equal(opens("{\"__metadata__\":null}", 0).metadata_count, 0);
}

static void lists_what_it_cannot_use(void **state)
{
    (void)state;
    ferry_safetensors file =
        opens("{" TENSOR("embeddings.position_ids", "I64", "1,2", "0,16") "," TENSOR(
                  "q", "Q4_0", "32", "16,34") "," TENSOR("w", "I8", "2", "34,36") "}",
              36);
    const float *values;
    const ferry_tensor *ids = ferry_safetensors_find(&file, "embeddings.position_ids");
    assert_int_equal(ids->dtype, FERRY_I64);
    assert_int_equal(ferry_tensor_as_f32(ids, &arena, &values, &error), FERRY_UNSUPPORTED);
    assert_string_equal(error.message, "m.safetensors: tensor \"embeddings.position_ids\" is I64, "
                                       "expected F32, F16 or BF16");
    assert_null(values);
    assert_int_equal(
        ferry_tensor_as_f32(ferry_safetensors_find(&file, "q"), &arena, &values, &error),
        FERRY_UNSUPPORTED);
    assert_int_equal(
        ferry_tensor_as_f32(ferry_safetensors_find(&file, "w"), &arena, &values, &error),
        FERRY_UNSUPPORTED);
}

static void opens_thousands_of_tensors(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static char header[600000];
    size_t used = 0;
    header[used++] = '{';
    for (int i = 0; i < COUNT; i++) /* names in an order that is not theirs */
        used += (size_t)snprintf(header + used, sizeof header - used,
                                 "%s\"layer.%d\":{\"dtype\":\"I8\",\"shape\":[2],"
                                 "\"data_offsets\":[%d,%d]}",
                                 i > 0 ? "," : "", i * 7919 % COUNT, 2 * i, 2 * i + 2);
    header[used++] = '}';
    ferry_safetensors file = opens(header, 2 * COUNT);
    assert_int_equal(file.count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "layer.%d", i);
        assert_non_null(ferry_safetensors_find(&file, name));
    }
}

/* ---- what does not ---- */

static void refuses_bad_lengths(void **state)
{
    (void)state;
    ferry_safetensors out;
    ferry_file file = file_of("{}", 0);
    file.size = 7;
    assert_int_equal(ferry_safetensors_open(&file, &arena, &out, &error), FERRY_MALFORMED);
    assert_string_equal(error.message,
                        "m.safetensors: 7 bytes, but safetensors begins with 8 bytes "
                        "of header length");
    file = file_of("{}", 0);
    bytes[0] = 3; /* one more than there is */
    assert_int_equal(ferry_safetensors_open(&file, &arena, &out, &error), FERRY_MALFORMED);
    assert_string_equal(error.message,
                        "m.safetensors: a header of 3 bytes, but 2 are left in the file");
    memset(bytes, 0xFF, 8);
    assert_int_equal(ferry_safetensors_open(&file, &arena, &out, &error), FERRY_LIMIT);
    assert_string_equal(error.message, "m.safetensors: a header of 18446744073709551615 bytes, the "
                                       "limit is 100000000");
    refuses("", 0, FERRY_MALFORMED, "m.safetensors: the header does not begin with '{'");
    refuses(" {}", 0, FERRY_MALFORMED, "m.safetensors: the header does not begin with '{'");
    refuses("[]", 0, FERRY_MALFORMED, "m.safetensors: the header does not begin with '{'");
}

static void refuses_bad_json(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "{", "{\"a\":}", "{} {}", "{\"a\xFF\":1}", "{\"a\\u0000\":1}",
    };
    ferry_safetensors out;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        ferry_file file = file_of(headers[i], 0);
        assert_int_equal(ferry_safetensors_open(&file, &arena, &out, &error), FERRY_MALFORMED);
        assert_non_null(strstr(error.message, "m.safetensors"));
    }
    static char deep[100001];
    memset(deep, '[', sizeof deep - 1);
    memcpy(deep, "{\"a\":", 5);
    ferry_file file = file_of(deep, 0);
    assert_int_equal(ferry_safetensors_open(&file, &arena, &out, &error), FERRY_LIMIT);
}

static void refuses_bad_entries(void **state)
{
    (void)state;
    refuses("{\"a\":1}", 0, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\" is not described by an object");
    refuses("{\"a\":{}}", 0, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\" has no \"dtype\" string");
    refuses("{\"a\":{\"dtype\":\"F32\"}}", 0, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\" has no \"shape\" array");
    refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", 0, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\" has no \"data_offsets\" array of two numbers");
    refuses("{" TENSOR("a", "F32", "", "0,4,8") "}", 4, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\" has no \"data_offsets\" array of two numbers");
    refuses("{\"a\":{\"dtype\":\"I8\",\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1,
            FERRY_MALFORMED, "m.safetensors: tensor \"a\" has \"dtype\" twice");
    refuses("{\"__metadata__\":{\"a\":1}}", 0, FERRY_MALFORMED,
            "m.safetensors: \"a\" in \"__metadata__\" is not a string");
    refuses("{\"__metadata__\":[]}", 0, FERRY_MALFORMED,
            "m.safetensors: \"__metadata__\" is not an object");
    refuses("{\"__metadata__\":{},\"__metadata__\":{}}", 0, FERRY_MALFORMED,
            "m.safetensors: \"__metadata__\" is there twice");
    refuses("{" TENSOR("a", "I8", "1", "0,1") "," TENSOR("a", "I8", "1", "1,2") "}", 2,
            FERRY_MALFORMED, "m.safetensors: tensor \"a\" is there twice");
    refuses("{\"a\\u001b[2J\\n\":1}", 0, FERRY_MALFORMED,
            "m.safetensors: tensor \"a?[2J?\" is not described by an object");
}

static void refuses_bad_shapes(void **state)
{
    (void)state;
    static const char *const extents[] = {"-1", "1.5", "1e300", "null", "\"1\"", "[1]"};
    for (size_t i = 0; i < sizeof extents / sizeof *extents; i++) {
        char header[200];
        snprintf(header, sizeof header,
                 "{\"a\":{\"dtype\":\"I8\",\"shape\":[1,%s],\"data_offsets\":[0,1]}}", extents[i]);
        refuses(header, 1, FERRY_MALFORMED,
                "m.safetensors: tensor \"a\": dimension 2 of its shape is not a whole number from "
                "0");
    }
    refuses("{" TENSOR("a", "F32", "4294967296,4294967296", "0,0") "}", 0, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\": its shape has more elements than can be counted");
    refuses("{" TENSOR("a", "F32", "4294967296,4294967296,0", "0,0") "}", 0, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\": its shape has more elements than can be counted");
    refuses("{" TENSOR("a", "F32", "4294967296,2147483648", "0,0") "}", 0, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\": its shape has more bytes than can be counted");
    refuses("{" TENSOR("a", "F32", "3", "0,8") "}", 8, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\" has 8 bytes, but 3 elements of F32 need 12");
    refuses("{" TENSOR("a", "I64", "2", "0,8") "}", 8, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\" has 8 bytes, but 2 elements of I64 need 16");
    refuses("{" TENSOR("a", "F4", "3", "0,2") "}", 2, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\" has 2 bytes, but 3 elements of F4 need 2");
    refuses("{" TENSOR("a", "I8", "1,1,1,1,1,1,1,1,1", "0,1") "}", 1, FERRY_LIMIT,
            "m.safetensors: tensor \"a\" has more than 8 dimensions");
}

static void refuses_bad_places(void **state)
{
    (void)state;
    refuses("{" TENSOR("a", "I8", "1", "1,2") "}", 2, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\" begins at offset 1, expected 0 (there is a hole)");
    refuses("{" TENSOR("a", "I8", "1", "0,1") "," TENSOR("b", "I8", "1", "2,3") "}", 3,
            FERRY_MALFORMED,
            "m.safetensors: tensor \"b\" begins at offset 2, expected 1 (there is a hole)");
    refuses("{" TENSOR("a", "I8", "2", "0,2") "," TENSOR("b", "I8", "2", "1,3") "}", 3,
            FERRY_MALFORMED,
            "m.safetensors: tensor \"b\" begins at offset 1, expected 2 (tensors overlap)");
    refuses("{" TENSOR("a", "I8", "2", "0,2") "," TENSOR("b", "I8", "2", "0,2") "}", 2,
            FERRY_MALFORMED,
            "m.safetensors: tensor \"b\" begins at offset 0, expected 2 (tensors overlap)");
    refuses("{" TENSOR("a", "I8", "1", "0,1") "}", 2, FERRY_MALFORMED,
            "m.safetensors: the tensors end at offset 1, but there are 2 bytes of data");
    refuses("{}", 1, FERRY_MALFORMED,
            "m.safetensors: the tensors end at offset 0, but there are 1 bytes of data");
    refuses("{" TENSOR("a", "I8", "2", "0,2") "}", 1, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\" is at offsets 0 to 2, but there are 1 bytes of data");
    refuses("{" TENSOR("a", "I8", "1", "1,0") "}", 1, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\" is at offsets 1 to 0, but there are 1 bytes of data");
    refuses("{" TENSOR("a", "I8", "1", "-1,0") "}", 1, FERRY_MALFORMED,
            "m.safetensors: tensor \"a\": an offset is not a whole number from 0");
}

/* Cut anywhere, a file is refused, and reads no byte it does not have: each copy is its own block.
 */
static void refuses_every_truncation(void **state)
{
    (void)state;
    ferry_file whole = file_of("{\"__metadata__\":{\"k\":\"v\"}," TENSOR(
                                   "a", "F32", "2", "0,8") "," TENSOR("b", "BF16", "2", "8,12") "}",
                               12);
    for (size_t size = 0; size < whole.size; size++) {
        unsigned char *copy = malloc(size > 0 ? size : 1);
        assert_non_null(copy);
        memcpy(copy, whole.data, size);
        ferry_file cut = {"cut.safetensors", copy, size};
        ferry_safetensors out;
        assert_int_equal(ferry_safetensors_open(&cut, &arena, &out, &error), FERRY_MALFORMED);
        assert_int_equal(out.count, 0);
        free(copy);
    }
}

/* ---- conversion ---- */

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* One value of a half by its definition, not by moving bits. */
static float half_by_definition(uint32_t half)
{
    int exponent = (int)(half >> 10 & 31);
    float mantissa = (float)(half & 1023);
    float value = exponent > 0 ? ldexpf(1 + mantissa / 1024, exponent - 15) : ldexpf(mantissa, -24);
    return half & 0x8000 ? -value : value;
}

static void converts_every_half(void **state)
{
    (void)state;
    static unsigned char data[2 * 65536];
    for (size_t i = 0; i < 65536; i++) {
        data[2 * i] = (unsigned char)(i & 0xFF);
        data[2 * i + 1] = (unsigned char)(i >> 8);
    }
    ferry_tensor tensor = {.name = "t", .dtype = FERRY_F16, .count = 65536, .data = data};
    const float *values;
    assert_int_equal(ferry_tensor_as_f32(&tensor, &arena, &values, &error), FERRY_OK);
    for (uint32_t half = 0; half < 65536; half++) {
        uint32_t sign = (half & 0x8000) << 16, found = bits_of(values[half]);
        if ((half & 0x7C00) == 0x7C00) /* infinity, or NaN with its payload */
            assert_int_equal(found, sign | 0x7F800000 | (half & 1023) << 13);
        else
            assert_int_equal(found, bits_of(half_by_definition(half)));
    }
    tensor.dtype = FERRY_BF16;
    assert_int_equal(ferry_tensor_as_f32(&tensor, &arena, &values, &error), FERRY_OK);
    for (uint32_t half = 0; half < 65536; half++)
        assert_int_equal(bits_of(values[half]), half << 16);
}

static void views_or_copies_floats(void **state)
{
    (void)state;
    static const float numbers[3] = {1.5f, -0.0f, 3e-45f};
    _Alignas(16) unsigned char data[16];
    const float *values;
    for (size_t shift = 0; shift < 4; shift++) {
        memcpy(data + shift, numbers, sizeof numbers);
        ferry_tensor tensor = {.name = "t", .dtype = FERRY_F32, .count = 3, .data = data + shift};
        assert_int_equal(ferry_tensor_as_f32(&tensor, &arena, &values, &error), FERRY_OK);
        assert_memory_equal(values, numbers, sizeof numbers);
        assert_int_equal((const unsigned char *)values == data + shift, shift == 0);
    }
}

/* ---- writing ---- */

static void writes_what_it_reads(void **state)
{
    (void)state;
    static const float vectors[6] = {1, 2, 3, 4, 5, 6};
    static const signed char codes[3] = {-127, 0, 127};
    const ferry_tensor tensors[] = {
        {.name = "vec\"tors",
         .dtype = FERRY_F32,
         .rank = 2,
         .shape = {2, 3},
         .data = vectors,
         .size = sizeof vectors},
        {.name = "codes", .dtype = FERRY_I8, .rank = 1, .shape = {3}, .data = codes, .size = 3},
        {.name = "one", .dtype = FERRY_F16, .rank = 0, .data = codes, .size = 2},
    };
    const ferry_safetensors_pair metadata[] = {{"model", "a\nb"}};
    ferry_buffer buffer;
    ferry_buffer_init(&buffer, ferry_allocator_or_default(NULL));
    assert_int_equal(ferry_safetensors_write(tensors, 3, metadata, 1, &buffer, &error), FERRY_OK);
    assert_int_equal((buffer.size - 24 - 3 - 2) % 8, 0);
    ferry_file file = {"written.safetensors", buffer.data, buffer.size};
    ferry_safetensors out;
    assert_int_equal(ferry_safetensors_open(&file, &arena, &out, &error), FERRY_OK);
    assert_int_equal(out.count, 3);
    assert_string_equal(out.metadata[0].value, "a\nb");
    const float *values;
    assert_int_equal(
        ferry_tensor_as_f32(ferry_safetensors_find(&out, "vec\"tors"), &arena, &values, &error),
        FERRY_OK);
    assert_memory_equal(values, vectors, sizeof vectors);
    assert_memory_equal(ferry_safetensors_find(&out, "codes")->data, codes, 3);

    ferry_tensor empty = {.name = "e", .rank = 2, .shape = {SIZE_MAX, 0}, .data = codes};
    assert_int_equal(ferry_safetensors_write(&empty, 1, NULL, 0, &buffer, &error), FERRY_OK);

    size_t before = buffer.size;
    const ferry_tensor twice[] = {tensors[1], tensors[1]};
    assert_int_equal(ferry_safetensors_write(twice, 2, NULL, 0, &buffer, &error),
                     FERRY_INVALID_ARGUMENT);
    ferry_tensor wrong = tensors[1];
    wrong.size = 2;
    assert_int_equal(ferry_safetensors_write(&wrong, 1, NULL, 0, &buffer, &error),
                     FERRY_INVALID_ARGUMENT);
    wrong.dtype = FERRY_DTYPE_OTHER;
    assert_int_equal(ferry_safetensors_write(&wrong, 1, NULL, 0, &buffer, &error),
                     FERRY_INVALID_ARGUMENT);
    wrong = (ferry_tensor){.name = "w", .rank = 2, .shape = {SIZE_MAX, 2}};
    assert_int_equal(ferry_safetensors_write_header(&wrong, 1, NULL, 0, &buffer, &error),
                     FERRY_INVALID_ARGUMENT);
    assert_int_equal(buffer.size, before);
    ferry_buffer_free(&buffer);
}

/* ---- without memory ---- */

static const char small[] = "{\"__metadata__\":{\"k\":\"v\"}," TENSOR(
    "a", "F16", "2", "0,4") "," TENSOR("b", "WHAT", "2", "4,5") "}";

static ferry_status open_and_convert(void *user, const ferry_allocator *allocator, ferry_error *why)
{
    (void)user;
    ferry_file file = file_of(small, 5);
    ferry_arena own;
    ferry_safetensors out;
    const float *values;
    ferry_buffer buffer;
    ferry_arena_init(&own, *allocator);
    ferry_buffer_init(&buffer, *allocator);
    ferry_status status = ferry_safetensors_open(&file, &own, &out, why);
    if (status == FERRY_OK)
        status = ferry_tensor_as_f32(ferry_safetensors_find(&out, "a"), &own, &values, why);
    if (status == FERRY_OK)
        status = ferry_safetensors_write(ferry_safetensors_find(&out, "a"), 1, out.metadata,
                                         out.metadata_count, &buffer, why);
    ferry_buffer_free(&buffer);
    ferry_arena_free(&own);
    return status;
}

static void survives_every_failed_allocation(void **state)
{
    (void)state;
    assert_true(fail_each(open_and_convert, NULL) > 2);
}

static size_t cjson_left;

static void *cjson_allocate(size_t size)
{
    return cjson_left > 0 ? (cjson_left--, malloc(size)) : NULL;
}

static void survives_every_failed_allocation_of_cjson(void **state)
{
    (void)state;
    ferry_allocator allocator = ferry_allocator_or_default(NULL);
    ferry_status status;
    size_t successes = 0;
    cJSON_Hooks hooks = {cjson_allocate, free};
    cJSON_InitHooks(&hooks);
    do {
        cjson_left = successes++;
        status = open_and_convert(NULL, &allocator, &error);
        assert_true(status == FERRY_OK || status == FERRY_OUT_OF_MEMORY);
    } while (status != FERRY_OK);
    cJSON_InitHooks(NULL);
    assert_true(successes > 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(opens_sorted_with_metadata),
        TEST(opens_scalars_and_empty_tensors),
        TEST(lists_what_it_cannot_use),
        TEST(opens_thousands_of_tensors),
        TEST(refuses_bad_lengths),
        TEST(refuses_bad_json),
        TEST(refuses_bad_entries),
        TEST(refuses_bad_shapes),
        TEST(refuses_bad_places),
        TEST(refuses_every_truncation),
        TEST(converts_every_half),
        TEST(views_or_copies_floats),
        TEST(writes_what_it_reads),
        TEST(survives_every_failed_allocation),
        TEST(survives_every_failed_allocation_of_cjson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
