/* An int8 copy of an encoder's weights, as a safetensors file. */
#ifndef FERRY_ENCODE_QUANTIZE_H
#define FERRY_ENCODE_QUANTIZE_H

#include "base/files.h"
#include "base/memory.h"

/*
 * Appends the new model.safetensors to out. Under their own names: the matrices of the encoder's
 * layers, an EfficientNet's convolutions of single pixels and its classifier, a VGG's widest, and
 * the word embeddings as I8, each with "<name>_scale" in F32 ([N, ceil(K / 64)], one a row for the
 * embeddings), and everything else that the encoder uses as it was. Tensors it does not use
 * (pooler, cls) are left out. UNSUPPORTED for a file that is int8 already.
 */
ferry_status ferry_quantize(ferry_files files, const ferry_allocator *allocator, ferry_buffer *out,
                            ferry_error *error);

#endif
