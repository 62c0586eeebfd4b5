"""Writes the safetensors format: what the converters beside this file make."""
import json
import struct


def write(path, tensors, metadata=None, align=8):
    """tensors: (name, dtype, shape, bytes) as they are to stand one behind another, the first at a multiple of align."""
    header, at = {'__metadata__': metadata} if metadata else {}, 0
    for name, dtype, shape, data in tensors:
        header[name] = {'dtype': dtype, 'shape': list(shape), 'data_offsets': [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % align)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text)
        for *_, data in tensors:
            file.write(data)
