#include "input/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/half.h"
#include "base/json.h"
#include "base/reader.h"
#include "input/excerpt.h"

/* Every dtype of the format, with its width in bits, so that a size can be checked even where the
 * elements cannot be used: X(name, bits). */
#define OTHER_DTYPES(X) \
    X(BOOL, 8)          \
    X(F4, 4)            \
    X(F6_E2M3, 6)       \
    X(F6_E3M2, 6)       \
    X(F8_E5M2, 8)       \
    X(F8_E4M3, 8)       \
    X(F8_E8M0, 8)       \
    X(I16, 16)          \
    X(U16, 16)          \
    X(U32, 32)          \
    X(F64, 64)          \
    X(C64, 64)

typedef struct dtype_row {
    const char *name;
    ferry_dtype dtype;
    unsigned bits;
} dtype_row;

static const dtype_row dtypes[] = {
#define ROW(name, width) {#name, FERRY_##name, 8 * width},
    FERRY_DTYPE_LIST(ROW)
#undef ROW
#define ROW(name, bits) {#name, FERRY_DTYPE_OTHER, bits},
        OTHER_DTYPES(ROW)
#undef ROW
};

static const dtype_row *find_dtype(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0) return &dtypes[i];
    return NULL;
}

/* What is being read, for messages and allocation. */
typedef struct opening {
    const char *file;
    ferry_arena *arena;
    const unsigned char *data; /* [data_size], behind the header */
    size_t data_size;
    ferry_error *error;
} opening;

/* One tensor while its header entry is read. */
typedef struct entry {
    const cJSON *info;
    const cJSON *dtype, *shape, *offsets;
    char name[FERRY_EXCERPT_SIZE]; /* for messages */
} entry;

static bool as_size(const cJSON *number, size_t *out)
{
    if (!cJSON_IsNumber(number)) return false;
    double value = number->valuedouble;
    if (!(value >= 0) || value > 0x1p53) return false; /* past it, doubles skip integers */
    uint64_t whole = (uint64_t)value;
    *out = (size_t)whole;
    return (double)whole == value && (uint64_t)*out == whole;
}

static ferry_status take_field(const opening *o, entry *e, const cJSON *field, const cJSON **slot)
{
    if (*slot != NULL)
        return ferry_fail(o->error, FERRY_MALFORMED, "%s: tensor \"%s\" has \"%s\" twice", o->file,
                          e->name, field->string);
    *slot = field;
    return FERRY_OK;
}

/* Finds the three fields in one pass; unknown ones are ignored, as the reference does. */
static ferry_status read_fields(const opening *o, entry *e)
{
    if (!cJSON_IsObject(e->info))
        return ferry_fail(o->error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" is not described by an object", o->file, e->name);
    const cJSON *field;
    cJSON_ArrayForEach(field, e->info)
    {
        if (strcmp(field->string, "dtype") == 0) {
            FERRY_TRY(take_field(o, e, field, &e->dtype));
        } else if (strcmp(field->string, "shape") == 0) {
            FERRY_TRY(take_field(o, e, field, &e->shape));
        } else if (strcmp(field->string, "data_offsets") == 0) {
            FERRY_TRY(take_field(o, e, field, &e->offsets));
        }
    }
    if (!cJSON_IsString(e->dtype))
        return ferry_fail(o->error, FERRY_MALFORMED, "%s: tensor \"%s\" has no \"dtype\" string",
                          o->file, e->name);
    if (!cJSON_IsArray(e->shape))
        return ferry_fail(o->error, FERRY_MALFORMED, "%s: tensor \"%s\" has no \"shape\" array",
                          o->file, e->name);
    const cJSON *first = e->offsets != NULL ? e->offsets->child : NULL;
    if (!cJSON_IsArray(e->offsets) || first == NULL || first->next == NULL ||
        first->next->next != NULL)
        return ferry_fail(o->error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" has no \"data_offsets\" array of two numbers", o->file,
                          e->name);
    return FERRY_OK;
}

static ferry_status read_shape(const opening *o, const entry *e, ferry_tensor *out)
{
    out->count = 1;
    const cJSON *extent;
    cJSON_ArrayForEach(extent, e->shape)
    {
        if (out->rank == FERRY_MAX_RANK)
            return ferry_fail(o->error, FERRY_LIMIT,
                              "%s: tensor \"%s\" has more than %d dimensions", o->file, e->name,
                              FERRY_MAX_RANK);
        size_t *slot = &out->shape[out->rank++];
        if (!as_size(extent, slot))
            return ferry_fail(o->error, FERRY_MALFORMED,
                              "%s: tensor \"%s\": dimension %zu of its shape is not a whole number "
                              "from 0",
                              o->file, e->name, out->rank);
        if (!ferry_size_multiply(out->count, *slot, &out->count))
            return ferry_fail(o->error, FERRY_MALFORMED,
                              "%s: tensor \"%s\": its shape has more elements than can be counted",
                              o->file, e->name);
    }
    return FERRY_OK;
}

static ferry_status read_extent(const opening *o, const entry *e, ferry_tensor *out)
{
    size_t begin, end;
    if (!as_size(e->offsets->child, &begin) || !as_size(e->offsets->child->next, &end))
        return ferry_fail(o->error, FERRY_MALFORMED,
                          "%s: tensor \"%s\": an offset is not a whole number from 0", o->file,
                          e->name);
    if (end < begin || end > o->data_size)
        return ferry_fail(o->error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" is at offsets %zu to %zu, but there are %zu bytes of "
                          "data",
                          o->file, e->name, begin, end, o->data_size);
    out->data = o->data + begin;
    out->size = end - begin;
    return FERRY_OK;
}

static ferry_status check_size(const opening *o, const entry *e, const dtype_row *row,
                               const ferry_tensor *tensor)
{
    size_t bits;
    if (!ferry_size_multiply(tensor->count, row->bits, &bits))
        return ferry_fail(o->error, FERRY_MALFORMED,
                          "%s: tensor \"%s\": its shape has more bytes than can be counted",
                          o->file, e->name);
    if (bits % 8 != 0 || bits / 8 != tensor->size)
        return ferry_fail(o->error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" has %zu bytes, but %zu elements of %s need %zu",
                          o->file, e->name, tensor->size, tensor->count, row->name,
                          bits / 8 + (bits % 8 != 0));
    return FERRY_OK;
}

static ferry_status read_tensor(const opening *o, const cJSON *info, ferry_tensor *out)
{
    entry e = {.info = info};
    ferry_excerpt(info->string, strlen(info->string), e.name);
    FERRY_TRY(read_fields(o, &e));
    FERRY_TRY(read_shape(o, &e, out));
    FERRY_TRY(read_extent(o, &e, out));

    const dtype_row *row = find_dtype(e.dtype->valuestring);
    out->dtype = FERRY_DTYPE_OTHER;
    out->file = o->file;
    if (row != NULL) {
        FERRY_TRY(check_size(o, &e, row, out));
        out->dtype = row->dtype;
        out->dtype_name = row->name;
    } else {
        const char *name = e.dtype->valuestring;
        out->dtype_name = ferry_arena_text(o->arena, name, strlen(name));
    }
    out->name = ferry_arena_text(o->arena, info->string, strlen(info->string));
    if (out->name == NULL || out->dtype_name == NULL)
        return ferry_fail_memory(o->error, "the tensors' names");
    return FERRY_OK;
}

static ferry_status read_metadata(const opening *o, const cJSON *object, ferry_safetensors *out)
{
    if (cJSON_IsNull(object)) return FERRY_OK; /* as the reference */
    if (!cJSON_IsObject(object))
        return ferry_fail(o->error, FERRY_MALFORMED, "%s: \"__metadata__\" is not an object",
                          o->file);
    size_t count = (size_t)cJSON_GetArraySize(object);
    ferry_safetensors_pair *pairs = ferry_arena_array(o->arena, count, sizeof *pairs);
    if (pairs == NULL) return ferry_fail_memory(o->error, "the metadata");
    size_t i = 0;
    const cJSON *field;
    cJSON_ArrayForEach(field, object)
    {
        char name[FERRY_EXCERPT_SIZE];
        if (!cJSON_IsString(field))
            return ferry_fail(o->error, FERRY_MALFORMED,
                              "%s: \"%s\" in \"__metadata__\" is not a string", o->file,
                              ferry_excerpt(field->string, strlen(field->string), name));
        pairs[i].key = ferry_arena_text(o->arena, field->string, strlen(field->string));
        pairs[i].value = ferry_arena_text(o->arena, field->valuestring, strlen(field->valuestring));
        if (pairs[i].key == NULL || pairs[i].value == NULL)
            return ferry_fail_memory(o->error, "the metadata");
        i++;
    }
    out->metadata = pairs;
    out->metadata_count = count;
    return FERRY_OK;
}

/* By place in the file; an empty tensor comes before the one that begins where it stands. */
static int by_place(const void *left, const void *right)
{
    const ferry_tensor *a = left, *b = right;
    uintptr_t a_begin = (uintptr_t)a->data, b_begin = (uintptr_t)b->data;
    if (a_begin != b_begin) return a_begin < b_begin ? -1 : 1;
    return (a->size > b->size) - (a->size < b->size);
}

static int by_name(const void *left, const void *right)
{
    return strcmp(((const ferry_tensor *)left)->name, ((const ferry_tensor *)right)->name);
}

/* The tensors follow each other without hole or overlap and use up the data. */
static ferry_status check_places(const opening *o, ferry_tensor *tensors, size_t count)
{
    qsort(tensors, count, sizeof *tensors, by_place);
    size_t expected = 0;
    for (size_t i = 0; i < count; i++) {
        size_t begin = (size_t)((const unsigned char *)tensors[i].data - o->data);
        char name[FERRY_EXCERPT_SIZE];
        if (begin != expected)
            return ferry_fail(o->error, FERRY_MALFORMED,
                              "%s: tensor \"%s\" begins at offset %zu, expected %zu (%s)", o->file,
                              ferry_excerpt(tensors[i].name, strlen(tensors[i].name), name), begin,
                              expected, begin < expected ? "tensors overlap" : "there is a hole");
        expected = begin + tensors[i].size;
    }
    if (expected != o->data_size)
        return ferry_fail(o->error, FERRY_MALFORMED,
                          "%s: the tensors end at offset %zu, but there are %zu bytes of data",
                          o->file, expected, o->data_size);
    return FERRY_OK;
}

static ferry_status check_names(const opening *o, ferry_tensor *tensors, size_t count)
{
    qsort(tensors, count, sizeof *tensors, by_name);
    for (size_t i = 1; i < count; i++) {
        char name[FERRY_EXCERPT_SIZE];
        if (strcmp(tensors[i - 1].name, tensors[i].name) == 0)
            return ferry_fail(o->error, FERRY_MALFORMED, "%s: tensor \"%s\" is there twice",
                              o->file,
                              ferry_excerpt(tensors[i].name, strlen(tensors[i].name), name));
    }
    return FERRY_OK;
}

static ferry_status read_header(const opening *o, const cJSON *header, ferry_safetensors *out)
{
    if (!cJSON_IsObject(header))
        return ferry_fail(o->error, FERRY_MALFORMED, "%s: the header is not an object", o->file);
    size_t capacity = (size_t)cJSON_GetArraySize(header);
    ferry_tensor *tensors = ferry_arena_array(o->arena, capacity, sizeof *tensors);
    if (tensors == NULL) return ferry_fail_memory(o->error, "the list of tensors");
    size_t count = 0;
    bool has_metadata = false;
    const cJSON *field;
    cJSON_ArrayForEach(field, header)
    {
        if (strcmp(field->string, "__metadata__") != 0) {
            FERRY_TRY(read_tensor(o, field, &tensors[count++]));
            continue;
        }
        if (has_metadata)
            return ferry_fail(o->error, FERRY_MALFORMED, "%s: \"__metadata__\" is there twice",
                              o->file);
        has_metadata = true;
        FERRY_TRY(read_metadata(o, field, out));
    }
    FERRY_TRY(check_places(o, tensors, count));
    FERRY_TRY(check_names(o, tensors, count));
    out->tensors = tensors;
    out->count = count;
    return FERRY_OK;
}

ferry_status ferry_safetensors_open(const ferry_file *file, ferry_arena *arena,
                                    ferry_safetensors *out, ferry_error *error)
{
    *out = (ferry_safetensors){0};
    ferry_reader reader = ferry_reader_over(file->data, file->size);
    uint64_t length;
    if (!ferry_reader_u64(&reader, &length))
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: %zu bytes, but safetensors begins with 8 bytes of header length",
                          file->name, file->size);
    if (length > FERRY_SAFETENSORS_MAX_HEADER)
        return ferry_fail(error, FERRY_LIMIT, "%s: a header of %llu bytes, the limit is %d",
                          file->name, (unsigned long long)length, FERRY_SAFETENSORS_MAX_HEADER);
    size_t header_size = (size_t)length;
    const char *header = (const char *)ferry_reader_take(&reader, header_size);
    if (header == NULL)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: a header of %zu bytes, but %zu are left in the file", file->name,
                          header_size, file->size - 8);
    if (header_size == 0 || header[0] != '{')
        return ferry_fail(error, FERRY_MALFORMED, "%s: the header does not begin with '{'",
                          file->name);

    size_t data_size = reader.size - reader.offset;
    opening o = {.arena = arena,
                 .data = ferry_reader_take(&reader, data_size),
                 .data_size = data_size,
                 .error = error};
    o.file = ferry_arena_text(arena, file->name, strlen(file->name));
    if (o.file == NULL) return ferry_fail_memory(error, "the file's name");
    cJSON *tree;
    FERRY_TRY(ferry_json_parse(header, header_size, file->name, &tree, error));
    ferry_safetensors found = {.file = o.file};
    ferry_status status = read_header(&o, tree, &found);
    cJSON_Delete(tree);
    if (status == FERRY_OK) *out = found;
    return status;
}

const ferry_tensor *ferry_safetensors_find(const ferry_safetensors *tensors, const char *name)
{
    size_t low = 0, high = tensors->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, tensors->tensors[middle].name);
        if (order == 0) return &tensors->tensors[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

ferry_status ferry_safetensors_need(const ferry_safetensors *tensors, const char *name,
                                    const ferry_tensor **out, ferry_error *error)
{
    *out = ferry_safetensors_find(tensors, name);
    if (*out != NULL) return FERRY_OK;
    return ferry_fail(error, FERRY_NOT_FOUND, "%s: tensor \"%s\" is missing", tensors->file, name);
}

/* ---- conversion ---- */

static uint32_t little_endian(const unsigned char *bytes, size_t width)
{
    uint32_t value = 0;
    for (size_t i = width; i > 0; i--) value = value << 8 | bytes[i - 1];
    return value;
}

static bool is_little_endian(void)
{
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 1;
}

ferry_status ferry_tensor_as_f32(const ferry_tensor *tensor, ferry_arena *arena, const float **out,
                                 ferry_error *error)
{
    *out = NULL;
    char name[FERRY_EXCERPT_SIZE], dtype[FERRY_EXCERPT_SIZE];
    if (tensor->dtype != FERRY_F32 && tensor->dtype != FERRY_F16 && tensor->dtype != FERRY_BF16)
        return ferry_fail(error, FERRY_UNSUPPORTED,
                          "%s: tensor \"%s\" is %s, expected F32, F16 or BF16", tensor->file,
                          ferry_excerpt(tensor->name, strlen(tensor->name), name),
                          ferry_excerpt(tensor->dtype_name, strlen(tensor->dtype_name), dtype));
    if (tensor->dtype == FERRY_F32 && is_little_endian() &&
        (uintptr_t)tensor->data % sizeof(float) == 0) {
        *out = tensor->data;
        return FERRY_OK;
    }
    float *values = ferry_arena_array(arena, tensor->count, sizeof *values); /* [count] */
    if (values == NULL) return ferry_fail_memory(error, "a tensor");
    const unsigned char *bytes = tensor->data;
    for (size_t i = 0; i < tensor->count; i++) {
        /* Moved as bits: see base/half.h. */
        uint32_t bits = tensor->dtype == FERRY_F32 ? little_endian(bytes + 4 * i, 4)
                        : tensor->dtype == FERRY_BF16
                            ? little_endian(bytes + 2 * i, 2) << 16
                            : ferry_half_bits(little_endian(bytes + 2 * i, 2));
        memcpy(&values[i], &bits, sizeof bits);
    }
    *out = values;
    return FERRY_OK;
}

ferry_status ferry_tensor_column(const ferry_tensor *tensor, ferry_dtype dtype, size_t count,
                                 ferry_arena *arena, void *out, ferry_error *error)
{
    const dtype_row *row = &dtypes[dtype]; /* the list's dtypes come first, in its order */
    size_t width = row->bits / 8;
    char name[FERRY_EXCERPT_SIZE], found[FERRY_EXCERPT_SIZE];
    if (tensor->dtype != dtype || tensor->rank != 1 || tensor->count != count)
        return ferry_fail(error, FERRY_MALFORMED,
                          "%s: tensor \"%s\" is %s with %zu dimensions and %zu elements, expected "
                          "%s [%zu]",
                          tensor->file, ferry_excerpt(tensor->name, strlen(tensor->name), name),
                          ferry_excerpt(tensor->dtype_name, strlen(tensor->dtype_name), found),
                          tensor->rank, tensor->count, row->name, count);
    unsigned char *values = ferry_arena_array(arena, count, width);
    if (values == NULL) return ferry_fail_memory(error, "a column");
    if (count > 0) memcpy(values, tensor->data, count * width);
    for (size_t i = 0; !is_little_endian() && i < count; i++) {
        unsigned char *value = values + i * width;
        for (size_t b = 0; b < width / 2; b++) {
            unsigned char kept = value[b];
            value[b] = value[width - 1 - b];
            value[width - 1 - b] = kept;
        }
    }
    memcpy(out, &values, sizeof values); /* out is a pointer to some pointer */
    return FERRY_OK;
}
