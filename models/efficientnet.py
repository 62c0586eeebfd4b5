#!/usr/bin/env python3
"""EfficientNet-Lite0 from its package's checkpoint as a directory with timm's names.

    python3 models/efficientnet.py efficientnet-lite0-57934424.pth OUT_DIR

Writes model.safetensors (the same numbers) and config.json, as timm's tf_efficientnet_lite0 has them. The checkpoint is a
torch pickle of the format before 1.6; it is read here without torch, by an unpickler that makes nothing but tensors.
"""
import collections
import json
import os
import pickle
import struct
import sys

import tensorfile

STAGES = (1, 2, 2, 3, 3, 4, 1)  # blocks of each
TYPES = {'FloatStorage': ('F32', 'f'), 'LongStorage': ('I64', 'q')}

CONFIG = {
    'architecture': 'tf_efficientnet_lite0',
    'num_classes': 1000,
    'num_features': 1280,
    'pretrained_cfg': {
        'input_size': [3, 224, 224],
        'interpolation': 'bicubic',
        'crop_pct': 0.875,
        'crop_mode': 'center',
        'mean': [127 / 255] * 3,
        'std': [128 / 255] * 3,
        'num_classes': 1000,
        'pool_size': [7, 7],
        'first_conv': 'conv_stem',
        'classifier': 'classifier',
    },
}


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) == ('collections', 'OrderedDict'):
            return collections.OrderedDict
        if (module, name) == ('torch._utils', '_rebuild_tensor_v2'):
            return lambda storage, offset, shape, stride, *_: (storage, offset, tuple(shape), tuple(stride))
        if module == 'torch' and name in TYPES:
            return name
        raise ValueError(f'the checkpoint wants {module}.{name}')

    def persistent_load(self, storage):
        return storage  # ('storage', type, key, …)


def row_by_row(numbers, offset, shape, stride):
    """The bytes of a tensor's numbers, the last dimension's side by side."""
    if not shape:
        return numbers[offset:offset + 1].tobytes()
    if len(shape) == 1:
        return numbers[offset:offset + (shape[0] - 1) * stride[0] + 1:stride[0]].tobytes()
    return b''.join(row_by_row(numbers, offset + i * stride[0], shape[1:], stride[1:]) for i in range(shape[0]))


def read_checkpoint(path):
    """{name: (dtype, shape, bytes)}"""
    with open(path, 'rb') as file:
        magic, protocol = (Unpickler(file).load() for _ in range(2))
        if magic != 0x1950a86a20f9469cfc6c or protocol != 1001:
            raise ValueError(f'{path}: not a checkpoint of torch before 1.6')
        Unpickler(file).load()  # about the machine that wrote it
        tensors, keys = Unpickler(file).load(), Unpickler(file).load()
        kind = {storage[2]: storage[1] for storage, *_ in tensors.values()}
        data = {}
        for key in keys:
            count, = struct.unpack('<q', file.read(8))
            data[key] = file.read(count * struct.calcsize(TYPES[kind[key]][1]))
    found = {}
    for name, (storage, offset, shape, stride) in tensors.items():
        dtype, code = TYPES[storage[1]]
        numbers = memoryview(data[storage[2]]).cast(code)
        # Convolutions lie as TensorFlow has them.
        used = [(size, step) for size, step in zip(shape, stride) if size > 1]
        found[name] = dtype, shape, row_by_row(numbers, offset, *(zip(*used) if used else ((), ())))
    return found


def timm_names():
    """{prefix in the checkpoint: timm's}"""
    names = {'_conv_stem': 'conv_stem', '_bn0': 'bn1', '_conv_head': 'conv_head', '_bn1': 'bn2', '_fc': 'classifier'}
    number = 0
    for stage, count in enumerate(STAGES):
        for index in range(count):
            old, new = f'_blocks.{number}.', f'blocks.{stage}.{index}.'
            if stage == 0:  # no expansion: the pointwise convolution is the last
                parts = {'_depthwise_conv': 'conv_dw', '_bn1': 'bn1', '_project_conv': 'conv_pw', '_bn2': 'bn2'}
            else:
                parts = {'_expand_conv': 'conv_pw', '_bn0': 'bn1', '_depthwise_conv': 'conv_dw', '_bn1': 'bn2',
                         '_project_conv': 'conv_pwl', '_bn2': 'bn3'}
            names.update({old + a: new + b for a, b in parts.items()})
            number += 1
    return names


def main():
    if len(sys.argv) != 3:
        sys.exit('usage: efficientnet.py CHECKPOINT OUT_DIR')
    source, out = sys.argv[1:]
    names, tensors = timm_names(), {}
    for name, tensor in read_checkpoint(source).items():
        prefix, _, part = name.rpartition('.')
        if part == 'num_batches_tracked':
            continue
        if prefix not in names:
            raise ValueError(f'{source}: unknown tensor {name}')
        tensors[f'{names[prefix]}.{part}'] = tensor
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, 'config.json'), 'w', encoding='utf-8') as file:
        json.dump(CONFIG, file, indent=2)
        file.write('\n')
    tensorfile.write(os.path.join(out, 'model.safetensors'), [(name, *tensors[name]) for name in sorted(tensors)])


if __name__ == '__main__':
    main()
