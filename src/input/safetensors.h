/*
 * The safetensors format: 8 bytes of header length, a JSON header, the tensors' bytes. Files are
 * checked as the reference implementation checks them, and tensors are views into the file.
 */
#ifndef FERRY_INPUT_SAFETENSORS_H
#define FERRY_INPUT_SAFETENSORS_H

#include "base/memory.h"
#include "ferry/ferry.h"

enum {
    FERRY_MAX_RANK = 8,
    FERRY_SAFETENSORS_MAX_HEADER = 100000000, /* bytes; the reference implementation's limit */
};

/* What Ferry reads and writes: X(name, width in bytes). The name is the one in the file. */
#define FERRY_DTYPE_LIST(X) \
    X(F32, 4)               \
    X(F16, 2)               \
    X(BF16, 2)              \
    X(I8, 1)                \
    X(U8, 1)                \
    X(I32, 4)               \
    X(I64, 8)               \
    X(U64, 8)

typedef enum ferry_dtype {
#define FERRY_DTYPE_ENUM(name, width) FERRY_##name,
    FERRY_DTYPE_LIST(FERRY_DTYPE_ENUM)
#undef FERRY_DTYPE_ENUM
        FERRY_DTYPE_OTHER /* listed, so that the file's other tensors can be used */
} ferry_dtype;

typedef struct ferry_tensor {
    const char *name;
    ferry_dtype dtype;
    const char *dtype_name; /* as in the file, e.g. "F64" for FERRY_DTYPE_OTHER */
    size_t rank;            /* 0 is one number */
    size_t shape[FERRY_MAX_RANK];
    size_t count;     /* elements: the product of the shape */
    const void *data; /* [size] bytes of the caller's, in no particular alignment */
    size_t size;
    const char *file; /* for messages */
} ferry_tensor;

typedef struct ferry_safetensors_pair {
    const char *key;
    const char *value;
} ferry_safetensors_pair;

typedef struct ferry_safetensors {
    const ferry_tensor *tensors; /* [count], sorted by name */
    size_t count;
    const ferry_safetensors_pair *metadata; /* [metadata_count], in the file's order */
    size_t metadata_count;
    const char *file; /* for messages */
} ferry_safetensors;

/*
 * Reads the header. Borrows the file's bytes; everything else lives in the arena. MALFORMED for
 * anything the reference implementation refuses, except that a dtype it does not know, which it
 * refuses, is listed as FERRY_DTYPE_OTHER; LIMIT for a header or rank past the limits above.
 */
ferry_status ferry_safetensors_open(const ferry_file *file, ferry_arena *arena,
                                    ferry_safetensors *out, ferry_error *error);

/* NULL if there is none of that name. */
const ferry_tensor *ferry_safetensors_find(const ferry_safetensors *tensors, const char *name);

/* The same, or NOT_FOUND. */
ferry_status ferry_safetensors_need(const ferry_safetensors *tensors, const char *name,
                                    const ferry_tensor **out, ferry_error *error);

/*
 * The elements as floats, [count]: a view of the file if it holds aligned F32 on a little-endian
 * host, otherwise converted into the arena. F16 and BF16 convert exactly, NaN payloads included.
 * UNSUPPORTED for integers (I8 means nothing without its scales) and for other dtypes.
 */
ferry_status ferry_tensor_as_f32(const ferry_tensor *tensor, ferry_arena *arena, const float **out,
                                 ferry_error *error);

/*
 * A column of a table: the elements of a tensor that is to be [count] of that dtype, copied into
 * the arena in the host's byte order. MALFORMED if it has another dtype or shape.
 */
ferry_status ferry_tensor_column(const ferry_tensor *tensor, ferry_dtype dtype, size_t count,
                                 ferry_arena *arena, void *out, ferry_error *error);

/*
 * Appends header length and header, padded so that the data begins on a multiple of 8. Of each
 * tensor, name, dtype, rank and shape are read; its bytes (little-endian) are to follow in the
 * order given, without gaps. Put wide dtypes first, and they stay aligned.
 */
ferry_status ferry_safetensors_write_header(const ferry_tensor *tensors, size_t count,
                                            const ferry_safetensors_pair *metadata,
                                            size_t metadata_count, ferry_buffer *out,
                                            ferry_error *error);

/* Appends a whole file: the header and each tensor's data, which has size bytes. */
ferry_status ferry_safetensors_write(const ferry_tensor *tensors, size_t count,
                                     const ferry_safetensors_pair *metadata, size_t metadata_count,
                                     ferry_buffer *out, ferry_error *error);

#endif
