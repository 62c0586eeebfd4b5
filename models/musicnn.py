#!/usr/bin/env python3
"""musicnn's VGG, trained on MagnaTagATune, from its package's checkpoint as a directory that Ferry reads.

    python3 models/musicnn.py .index .data-00000-of-00001 OUT_DIR

Writes config.json and model.safetensors, F32, with torch's layouts:

    bn_input.{weight, bias, running_mean, running_var}          [1], over the log-mel spectrogram
    conv1…5.weight [128, 1 or 128, 3, 3] (to, from, time, band), conv1…5.bias [128]
    bn1…5.{weight, bias, running_mean, running_var}             [128], behind the ReLU of each
    classifier.weight [50, 256], classifier.bias [50]           over the last maximum, [2 times, 128 channels]

The checkpoint is a bundle of TensorFlow 1, read here without TensorFlow: an index, which is a LevelDB table of protocol
buffers, and the numbers. What Adam kept beside the weights is left out.
"""
import json
import os
import struct
import sys

import tensorfile

MAGIC = 0xdb4775248b80fb57
FLOAT = 1  # TensorFlow's DT_FLOAT

# musicnn/configuration.py
LABELS = [
    'guitar', 'classical', 'slow', 'techno', 'strings', 'drums', 'electronic', 'rock', 'fast', 'piano', 'ambient', 'beat',
    'violin', 'vocal', 'synth', 'female', 'indian', 'opera', 'male', 'singing', 'vocals', 'no vocals', 'harpsichord', 'loud',
    'quiet', 'flute', 'woman', 'male vocal', 'no vocal', 'pop', 'soft', 'sitar', 'solo', 'man', 'classic', 'choir', 'voice',
    'new age', 'dance', 'male voice', 'female vocal', 'beats', 'harp', 'cello', 'no voice', 'weird', 'country', 'metal',
    'female voice', 'choral']

CONFIG = {
    'model_type': 'musicnn_vgg',
    'sample_rate': 16000,
    'n_fft': 512,
    'hop_length': 256,
    'n_mels': 96,
    'patch_frames': 187,
    'id2label': {str(i): label for i, label in enumerate(LABELS)},
}

NORM = {'gamma': 'weight', 'beta': 'bias', 'moving_mean': 'running_mean', 'moving_variance': 'running_var'}


# -- the index --------------------------------------------------------------------------------------------------------
def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def message(data):
    """{field: [values]} of a protocol buffer"""
    fields, at = {}, 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 2:
            size, at = varint(data, at)
            value, at = data[at:at + size], at + size
        else:
            size = {1: 8, 5: 4}[kind]
            value, at = data[at:at + size], at + size
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def block(data, offset, size):
    """(key, value) of a table's block: keys share their beginnings with the one before"""
    if data[offset + size] != 0:
        raise ValueError('a compressed block')
    entries = data[offset:offset + size]
    restarts, = struct.unpack('<I', entries[-4:])
    end, at, key = len(entries) - 4 - 4 * restarts, 0, b''
    while at < end:
        shared, at = varint(entries, at)
        own, at = varint(entries, at)
        length, at = varint(entries, at)
        key = key[:shared] + entries[at:at + own]
        yield key, entries[at + own:at + own + length]
        at += own + length


def read_bundle(index_path, data_path):
    """{name: (shape, the bytes of its float32 numbers)}"""
    with open(index_path, 'rb') as file:
        index = file.read()
    with open(data_path, 'rb') as file:
        numbers = file.read()
    footer = index[-48:]
    if struct.unpack('<Q', footer[-8:])[0] != MAGIC:
        raise ValueError(f'{index_path}: not the index of a TensorFlow checkpoint')
    _, at = varint(footer, 0)
    _, at = varint(footer, at)
    offset, at = varint(footer, at)
    size, at = varint(footer, at)
    found = {}
    for _, where in block(index, offset, size):
        begin, at = varint(where, 0)
        length, at = varint(where, at)
        for name, entry in block(index, begin, length):
            if not name:
                continue  # about the bundle as a whole
            fields = message(entry)
            dtype, = fields[1]
            sizes = message(fields[2][0]).get(2, []) if 2 in fields else []
            shape = [message(one).get(1, [0])[0] for one in sizes]
            begin, length = fields.get(4, [0])[0], fields[5][0]
            if dtype == FLOAT:
                found[name.decode()] = shape, numbers[begin:begin + length]
    return found


# -- names and layouts ------------------------------------------------------------------------------------------------
def permuted(shape, data, order):
    """The tensor with its dimensions in another order."""
    numbers = memoryview(data).cast('f')
    steps, step = [0] * len(shape), 1
    for i in reversed(range(len(shape))):
        steps[i], step = step, step * shape[i]
    new = [shape[i] for i in order]
    out, counts = [], [0] * len(new)
    for _ in range(step):
        out.append(numbers[sum(count * steps[i] for count, i in zip(counts, order))])
        for i in reversed(range(len(new))):
            counts[i] += 1
            if counts[i] < new[i]:
                break
            counts[i] = 0
    return new, struct.pack(f'={step}f', *out)


def converted(bundle):
    """{name: (shape, bytes)} under the names above"""
    prefix = 'model/' if 'model/dense/kernel' in bundle else ''
    out = {}

    def take(old, new, order=None):
        shape, data = bundle[prefix + old]
        out[new] = permuted(shape, data, order) if order else (shape, data)

    for i in range(6):
        old = f'batch_normalization_{i}' if i else 'batch_normalization'
        for part, name in NORM.items():
            take(f'{old}/{part}', f'bn{i}.{name}' if i else f'bn_input.{name}')
    for i in range(1, 6):
        take(f'{i}CNN/kernel', f'conv{i}.weight', (3, 2, 0, 1))
        take(f'{i}CNN/bias', f'conv{i}.bias')
    take('dense/kernel', 'classifier.weight', (1, 0))
    take('dense/bias', 'classifier.bias')
    return out


def main():
    if len(sys.argv) != 4:
        sys.exit('usage: musicnn.py INDEX DATA OUT_DIR')
    index, data, out = sys.argv[1:]
    os.makedirs(out, exist_ok=True)
    with open(os.path.join(out, 'config.json'), 'w', encoding='utf-8') as file:
        json.dump(CONFIG, file, indent=2)
        file.write('\n')
    tensors = sorted(converted(read_bundle(index, data)).items())
    tensorfile.write(os.path.join(out, 'model.safetensors'), [(name, 'F32', *tensor) for name, tensor in tensors])


if __name__ == '__main__':
    main()
