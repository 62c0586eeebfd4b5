#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "input/excerpt.h"
#include "input/json_text.h"
#include "input/safetensors.h"

static bool append(ferry_buffer *out, const char *text)
{
    return ferry_buffer_append(out, text, strlen(text));
}

static bool append_size(ferry_buffer *out, size_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%zu", value);
    return append(out, digits);
}

static bool append_quoted(ferry_buffer *out, const char *text)
{
    return ferry_json_append_quoted(out, text, strlen(text));
}

/* Bytes of a tensor's elements; false for a shape or dtype that cannot be written. */
static bool byte_size(const ferry_tensor *tensor, size_t *out)
{
    static const size_t widths[] = {
#define WIDTH(name, width) width,
        FERRY_DTYPE_LIST(WIDTH)
#undef WIDTH
    };
    if (tensor->dtype >= FERRY_DTYPE_OTHER || tensor->rank > FERRY_MAX_RANK) return false;
    *out = 1; /* elements first, as they are read: [2^61, 0] has none */
    for (size_t i = 0; i < tensor->rank; i++)
        if (!ferry_size_multiply(*out, tensor->shape[i], out)) return false;
    return ferry_size_multiply(*out, widths[tensor->dtype], out);
}

static const char *dtype_name(ferry_dtype dtype)
{
    static const char *const names[] = {
#define NAME(name, width) #name,
        FERRY_DTYPE_LIST(NAME)
#undef NAME
    };
    return names[dtype];
}

static bool append_metadata(ferry_buffer *out, const ferry_safetensors_pair *pairs, size_t count)
{
    bool ok = append(out, "\"__metadata__\":{");
    for (size_t i = 0; ok && i < count; i++)
        ok = (i == 0 || append(out, ",")) && append_quoted(out, pairs[i].key) && append(out, ":") &&
             append_quoted(out, pairs[i].value);
    return ok && append(out, "}");
}

static bool append_tensor(ferry_buffer *out, const ferry_tensor *tensor, size_t begin, size_t end)
{
    bool ok = append_quoted(out, tensor->name) && append(out, ":{\"dtype\":\"") &&
              append(out, dtype_name(tensor->dtype)) && append(out, "\",\"shape\":[");
    for (size_t i = 0; ok && i < tensor->rank; i++)
        ok = (i == 0 || append(out, ",")) && append_size(out, tensor->shape[i]);
    return ok && append(out, "],\"data_offsets\":[") && append_size(out, begin) &&
           append(out, ",") && append_size(out, end) && append(out, "]}");
}

static ferry_status check_name(const ferry_tensor *tensors, size_t index, ferry_error *error)
{
    const char *name = tensors[index].name;
    char excerpt[FERRY_EXCERPT_SIZE];
    bool taken = strcmp(name, "__metadata__") == 0;
    for (size_t i = 0; i < index && !taken; i++) taken = strcmp(name, tensors[i].name) == 0;
    if (!taken) return FERRY_OK;
    return ferry_fail(error, FERRY_INVALID_ARGUMENT, "tensor name \"%s\" is taken",
                      ferry_excerpt(name, strlen(name), excerpt));
}

static ferry_status append_header(const ferry_tensor *tensors, size_t count,
                                  const ferry_safetensors_pair *metadata, size_t metadata_count,
                                  ferry_buffer *out, ferry_error *error)
{
    size_t start = out->size, offset = 0;
    bool ok = append(out, "{");
    ok = ok && (metadata_count == 0 || append_metadata(out, metadata, metadata_count));
    for (size_t i = 0; ok && i < count; i++) {
        size_t size, end;
        char excerpt[FERRY_EXCERPT_SIZE];
        FERRY_TRY(check_name(tensors, i, error));
        if (!byte_size(&tensors[i], &size) || !ferry_size_add(offset, size, &end))
            return ferry_fail(error, FERRY_INVALID_ARGUMENT,
                              "tensor \"%s\": its dtype, rank or shape cannot be written",
                              ferry_excerpt(tensors[i].name, strlen(tensors[i].name), excerpt));
        ok = (i == 0 && metadata_count == 0) || append(out, ",");
        ok = ok && append_tensor(out, &tensors[i], offset, end);
        offset = end;
    }
    ok = ok && append(out, "}");
    while (ok && (out->size - start) % 8 != 0) ok = append(out, " ");
    return ok ? FERRY_OK : ferry_fail_memory(error, "the safetensors header");
}

ferry_status ferry_safetensors_write_header(const ferry_tensor *tensors, size_t count,
                                            const ferry_safetensors_pair *metadata,
                                            size_t metadata_count, ferry_buffer *out,
                                            ferry_error *error)
{
    size_t start = out->size;
    static const char no_length[8] = {0};
    if (!ferry_buffer_append(out, no_length, sizeof no_length))
        return ferry_fail_memory(error, "the safetensors header");
    ferry_status status = append_header(tensors, count, metadata, metadata_count, out, error);
    if (status != FERRY_OK) {
        out->size = start;
        return status;
    }
    uint64_t length = out->size - start - 8;
    for (size_t i = 0; i < 8; i++) out->data[start + i] = (char)(length >> 8 * i & 0xFF);
    return FERRY_OK;
}

ferry_status ferry_safetensors_write(const ferry_tensor *tensors, size_t count,
                                     const ferry_safetensors_pair *metadata, size_t metadata_count,
                                     ferry_buffer *out, ferry_error *error)
{
    size_t start = out->size;
    FERRY_TRY(ferry_safetensors_write_header(tensors, count, metadata, metadata_count, out, error));
    for (size_t i = 0; i < count; i++) {
        size_t size = 0; /* write_header has seen that it can be told */
        ferry_status status = FERRY_OK;
        if (!byte_size(&tensors[i], &size) || size != tensors[i].size)
            status = ferry_fail(error, FERRY_INVALID_ARGUMENT,
                                "tensor \"%s\" has %zu bytes, its shape needs %zu", tensors[i].name,
                                tensors[i].size, size);
        else if (!ferry_buffer_append(out, tensors[i].data, size))
            status = ferry_fail_memory(error, "the safetensors file");
        if (status != FERRY_OK) {
            out->size = start;
            return status;
        }
    }
    return FERRY_OK;
}
