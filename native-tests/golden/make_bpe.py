"""Goldens of byte-level BPE tokenizers and of SigLIP's Unigram, by Hugging Face `tokenizers`.

    python make_bpe.py .

Writes tokenizers/{clip,clip-legacy,gpt2,roberta,siglip}.json, each with 200 texts as .jsonl, and bpe.txt: a line a row with
FNV-1a 64 of the ids that the first four give (an id four bytes little-endian, 0xFFFFFFFF ends a text) for

    codepoints  every code point but surrogates in a text of its own; a row is 4096 of them, named by its first
    mixture     make_tokenizer.py's, 100 texts a row

The four are trained on texts.py's texts; no package carries CLIP's tokenizer.json. SigLIP's ids are those that SentencePiece gives
too for the text as transformers' SiglipTokenizer canonicalises it; texts where the two differ are counted, printed and left out.
"""
import base64
import json
import os
import random
import re
import string
import struct
import sys

import sentencepiece
from make_languages import e5, field, small_rules
from make_tokenizer import fnv1a, mixture_rows
from texts import all_texts
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.models import BPE, Unigram
from tokenizers.normalizers import NFC, Lowercase, Precompiled, Replace, Sequence, Strip
from tokenizers.pre_tokenizers import ByteLevel, Metaspace, Split
from tokenizers.pre_tokenizers import Sequence as Splitters
from tokenizers.processors import ByteLevel as ByteLevelProcessing
from tokenizers.processors import RobertaProcessing, TemplateProcessing
from tokenizers.trainers import BpeTrainer

PATTERN = r"""'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
SPECIAL = r"""<\|startoftext\|>|<\|endoftext\|>|"""
START, END = '<|startoftext|>', '<|endoftext|>'


def trained(normalizer, splitter, suffix, merges):
    """[(left, right)…]"""
    tokenizer = Tokenizer(BPE(end_of_word_suffix=suffix) if suffix else BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = splitter
    alphabet = ByteLevel.alphabet()
    size = len(alphabet) * (2 if suffix else 1) + merges
    options = dict(end_of_word_suffix=suffix) if suffix else {}
    tokenizer.train_from_iterator(all_texts(), BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False, **options))
    return [tuple(pair) for pair in json.loads(tokenizer.to_str())['model']['merges']]


def clip_parts(special=True):
    normalizer = Sequence([NFC(), Replace(Regex(r'\s+'), ' '), Lowercase()])
    split = Split(Regex((SPECIAL if special else '') + PATTERN), behavior='removed', invert=True)
    return normalizer, Splitters([split, ByteLevel(add_prefix_space=False)])


def clip_vocabulary(merges):
    """As CLIP's: bytes, bytes that end a word, merges, and the special tokens last."""
    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(letter + '</w>' for letter in letters), *(a + b for a, b in merges), START, END]
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}


def clip(merges, vocabulary=None):
    """As transformers' CLIPTokenizer builds it."""
    vocabulary = vocabulary or clip_vocabulary(merges)
    tokenizer = Tokenizer(BPE(vocabulary, merges, continuing_subword_prefix='', end_of_word_suffix='</w>', unk_token=END))
    tokenizer.normalizer, tokenizer.pre_tokenizer = clip_parts()
    tokenizer.add_special_tokens([AddedToken(START, normalized=False), AddedToken(END, normalized=False)])
    tokenizer.post_processor = RobertaProcessing((END, vocabulary[END]), (START, vocabulary[START]), False, False)
    return tokenizer


def clip_legacy(merges):
    """As openai/clip-vit-base-patch32 has it, but for bytes that are unknown."""
    vocabulary = {t: i for i, t in enumerate(t for t in clip_vocabulary(merges) if t not in ('q', 'q</w>', '#</w>', 'Ã'))}
    merges = [(a, b) for a, b in merges if a in vocabulary and b in vocabulary]
    tokenizer = Tokenizer(BPE(vocabulary, merges, continuing_subword_prefix='', end_of_word_suffix='</w>', unk_token=END))
    tokenizer.normalizer, tokenizer.pre_tokenizer = clip_parts(False)
    tokenizer.add_special_tokens([AddedToken(START, normalized=True), AddedToken(END, normalized=False)])
    tokenizer.post_processor = RobertaProcessing((END, vocabulary[END]), (START, vocabulary[START]), False, False)
    return tokenizer


def gpt2(merges):
    letters = sorted(ByteLevel.alphabet())
    tokens = dict.fromkeys([*letters, *(a + b for a, b in merges), END])
    vocabulary = {token: i for i, token in enumerate(tokens) if token not in ('ÿ', 'þ')}  # unknown, and left out
    tokenizer = Tokenizer(BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = ByteLevelProcessing(trim_offsets=False)
    tokenizer.add_special_tokens([END])
    return tokenizer


def roberta(merges):
    letters = sorted(set(ByteLevel.alphabet()) - set('xyzXYZ'))
    kept = [(a, b) for a, b in merges if not set(a + b) & set('xyzXYZ')]
    tokens = dict.fromkeys(['<s>', '<pad>', '</s>', '<unk>', *letters, *(a + b for a, b in kept), '<mask>'])
    vocabulary = {token: i for i, token in enumerate(tokens)}
    tokenizer = Tokenizer(BPE(vocabulary, kept, unk_token='<unk>', fuse_unk=True))
    tokenizer.normalizer = NFC()
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=True)
    tokenizer.post_processor = RobertaProcessing(('</s>', vocabulary['</s>']), ('<s>', vocabulary['<s>']), True, True)
    tokenizer.add_special_tokens(['<s>', '<pad>', '</s>', AddedToken('<mask>', lstrip=True)])
    tokenizer.add_tokens([AddedToken('Café crème', normalized=True), AddedToken('blue', single_word=True)])
    return tokenizer


def tokenizers():
    merges = trained(*clip_parts(), '</w>', 700)
    yield 'clip', clip(merges)
    yield 'clip-legacy', clip_legacy(merges)
    merges = trained(None, ByteLevel(add_prefix_space=False), None, 700)
    yield 'gpt2', gpt2(merges)
    yield 'roberta', roberta(merges)


# -- SigLIP ----------------------------------------------------------------------------------------
def siglip_pieces():
    pick = random.Random(4)
    letters = [*map(chr, range(0x61, 0x7b)), *'0123456789éßабвгде中文字日本語かな가나']
    words = [w for text in all_texts() for w in canonical(text).split() if w.isascii() and len(w) < 9]
    words = sorted(set(words))[:150]
    parts = ['ing', 'er', 'ed', 'ly', 's', 'aa', 'aaa', '中文']
    pieces = dict.fromkeys(['<pad>', '</s>', '<unk>', '\u2581', *letters, *('\u2581' + w for w in words), *parts])
    return [(p, 0.0 if i < 3 else -round(2 + 5 * pick.random() + 5 / len(p), 3)) for i, p in enumerate(pieces)]


def siglip(pieces, charsmap):
    """As the converter of transformers' pull request 29969 writes it."""
    tokenizer = Tokenizer(Unigram(pieces, unk_id=2))
    tokenizer.normalizer = Sequence([Lowercase(), Replace(Regex('[' + re.escape(string.punctuation) + ']'), ''),
                                     Replace(Regex(r'\s+'), ' '), Strip(), Precompiled(charsmap), Replace(Regex(' {2,}'), ' ')])
    tokenizer.pre_tokenizer = Metaspace(replacement='\u2581', prepend_scheme='always')
    tokenizer.post_processor = TemplateProcessing(single=['$A', '</s>'], special_tokens=[('</s>', 1)])
    tokenizer.add_special_tokens([AddedToken(t, lstrip=True, rstrip=True, normalized=False) for t in ('</s>', '<unk>')])
    return tokenizer


def canonical(text):
    text = text.lower().translate(str.maketrans('', '', string.punctuation))
    return re.sub(r'\s+', ' ', text).strip()


def spiece(pieces, charsmap):
    proto = b''
    for i, (piece, score) in enumerate(pieces):
        body = field(1, piece.encode()) + struct.pack('<Bf', 2 << 3 | 5, score) + field(3, 2 if i == 2 else 3 if i < 3 else 1)
        proto += field(1, body)
    ids = field(40, 2) + field(41, 2**64 - 1) + field(42, 1) + field(43, 0)
    proto += field(2, field(3, 1) + ids) + field(3, field(2, charsmap) + field(3, 1) + field(4, 1) + field(5, 1))
    return sentencepiece.SentencePieceProcessor(model_proto=proto)


# -- files -----------------------------------------------------------------------------------------
FRAGMENTS = [*"""the|quick|brown|fox|jumps|it's|it'S|we'll|I'd|they've|'re|''s|'|don't|café|CAFÉ|cafe\u0301|naïve|e\u0301\u0323|\u0344|x|zz|İ
|ﬁ|Ⅷ|①|½|中文|日本|가나|\u1100\u1161\u11a8|각|\uac00\u11a8|ß|µ|K|Å|\u212b|!!|?!|...|--|#1|(2)|3.14|100|٣٤|$9.99|@|_|~|&amp;|🎸|👩\u200d🚀
|\u0301|\u200d|\ufeff|\ufffd|\x01|<|startoftext|endoftext|<|START|Café crème|CAFÉ|blue|Blue|bluer|stainless|STEEL|bottle|wireless"""
             .replace('\n|', '|').split('|'), START, END, '<|StartOfText|>', '<mask>', '<s>', '</s>', '<unk>', '|>', '\u2581']
SPACES = [' '] * 6 + ['', '', '  ', '   ', '\t', '\n', ' \n ', '\u00a0', '\u3000', '\u2028', '\x85']


def drawn(name):
    draw = random.Random(name)
    while True:
        yield ''.join(draw.choice(FRAGMENTS) + draw.choice(SPACES) for _ in range(draw.randrange(16))), draw.choice([6, 9, 77, 77])


def write_lines(path, lines):
    with open(path, 'w', encoding='ascii') as out:
        out.writelines(json.dumps(line, separators=(',', ':')) + '\n' for line in lines)


def lines_of(name, tokenizer, agrees=lambda text: True):
    lines, differ = [], 0
    for text, most in drawn(name):
        tokenizer.no_truncation()
        if not agrees(text):
            differ += 1
            continue
        tokenizer.enable_truncation(most)
        lines.append({'text': text, 'max': most, 'ids': tokenizer.encode(text).ids})
        if len(lines) == 200:
            print(f'{name}: {differ} texts of which the originals differ')
            return lines


def rows():
    for first in range(0, 0x110000, 4096):
        yield 'codepoints', first, [f'a{chr(c)}b{chr(c)}{chr(c)} {chr(c)}1{chr(c)}\u0301x\u1161'
                                    for c in range(first, first + 4096) if not 0xD800 <= c <= 0xDFFF]
    for row, texts in mixture_rows():
        if row < 100:
            yield 'mixture', row, texts


def hash_of(tokenizer, texts):
    data = b''.join(i.to_bytes(4, 'little') for found in tokenizer.encode_batch(texts) for i in [*found.ids, 0xFFFFFFFF])
    return f'{fnv1a(data):016x}'


def main():
    out = sys.argv[1]
    made = dict(tokenizers())
    for name, tokenizer in made.items():
        tokenizer.save(os.path.join(out, 'tokenizers', name + '.json'), pretty=False)
        write_lines(os.path.join(out, 'tokenizers', name + '.jsonl'), lines_of(name, tokenizer))
        tokenizer.no_truncation()
    make_siglip(out)
    with open(os.path.join(out, 'bpe.txt'), 'w', encoding='ascii') as file:
        for corpus, row, texts in rows():
            file.write(' '.join([corpus, f'{row:x}', *(hash_of(t, texts) for t in made.values())]) + '\n')


def make_siglip(out):
    charsmap = base64.b64decode(e5.charsmap(small_rules()))
    pieces = siglip_pieces()
    tokenizer, original = siglip(pieces, charsmap), spiece(pieces, charsmap)

    def agrees(text):
        """Special tokens are `tokenizers`' alone: what is between them counts."""
        parts = re.split('</s>|<unk>', text)
        return all(tokenizer.encode(part).ids == [*original.encode(canonical(part)), 1] for part in parts)

    path = os.path.join(out, 'tokenizers', 'siglip.json')
    tokenizer.save(path, pretty=False)
    write_lines(path + 'l', lines_of('siglip', tokenizer, agrees))


if __name__ == '__main__':
    main()
