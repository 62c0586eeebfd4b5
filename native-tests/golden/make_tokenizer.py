"""Goldens of the tokenizer, by Hugging Face `tokenizers`.

    python make_tokenizer.py MODEL_DIR OUT_DIR DATA_DIR

MODEL_DIR is all-MiniLM-L6-v2, DATA_DIR holds RecBole *.item.xz files. Writes

OUT_DIR/tokenizer.txt: hashes of what becomes of corpora that test_tokenizer.c makes again from
the same few lines of arithmetic, a row at a time, so that a difference can be placed:

    codepoints  every code point but surrogates, each in one text; a row is 256 of them up to
                U+20000 and 4096 beyond, named by its first
    mixture     100 texts a row of code points drawn from the blocks where normalisation happens
    bytes       100 texts a row of bytes that are mostly not UTF-8, as errors="replace" reads them
    FILE.item   500 titles a row, in the file's order; only hashes, no titles

A line is: corpus, row, FNV-1a 64 of the words (six normalizers, see MODES), FNV-1a 64 of the ids.
A word counts as its UTF-8 bytes and 0xFF, an id as four bytes little-endian; 0xFE ends a list of
words, 0xFFFFFFFF a list of ids.

OUT_DIR/tokenizers/*.json and .jsonl: small tokenizers with unusual settings, and {"text", "max",
"ids"} a line, cut at max ids.
"""

import json
import lzma
import os
import random
import sys

from tokenizers import AddedToken, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.processors import BertProcessing, TemplateProcessing

# clean_text, handle_chinese_chars, strip_accents, lowercase
MODES = [(1, 1, 1, 1), (1, 1, 0, 0), (1, 1, 0, 1), (1, 1, 1, 0), (0, 0, 0, 0), (0, 0, 1, 1)]
NORMALIZERS = [
    BertNormalizer(clean_text=c, handle_chinese_chars=h, strip_accents=s, lowercase=l)
    for c, h, s, l in (map(bool, mode) for mode in MODES)
]
SPLITTER = BertPreTokenizer()

# First code point, how many: where mixtures draw from, each as likely as the others.
POOLS = [
    (0x61, 26), (0x61, 26), (0x61, 26), (0x41, 26), (0x20, 95), (0x20, 1), (0x20, 1), (0x20, 1),
    (0x00, 0x20), (0x80, 0x80), (0xA0, 0x1B0), (0x300, 0x70), (0x300, 0x70), (0x370, 0x1C0),
    (0x590, 0x170), (0x8D0, 0x30), (0x900, 0x500), (0xE00, 0x100), (0xF00, 0x100),
    (0x1100, 0x100), (0x1B00, 0x100), (0x1DC0, 0x40), (0x1E00, 0x200), (0x2000, 0x70),
    (0x2100, 0x300), (0x302A, 6), (0x3000, 0x100), (0x4E00, 0x5200), (0xAC00, 11172),
    (0xE000, 0x100), (0xF900, 0x200), (0xFE00, 0x200), (0x11F40, 0x20), (0x16FE0, 0x20),
    (0x1D150, 0x70), (0x1E000, 0x2B), (0x1E900, 0x60), (0x1F300, 0x700), (0x2F800, 0x220),
    (0x0, 0x110000),
]  # fmt: skip
LITERALS = ["[MASK]", "[SEP]", "[UNK]", "[PAD]", "[CLS]", " the ", "ing", "##s", " unbelievable"]


class Lcg:
    """Knuth's MMIX generator; its upper 31 bits."""

    def __init__(self, seed):
        self.state = seed

    def pick(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % n


def codepoint_rows():
    c = 0
    while c < 0x110000:
        size = 256 if c < 0x20000 else 4096
        chars = [chr(i) for i in range(c, c + size) if not 0xD800 <= i <= 0xDFFF]
        yield c, [f"a{x}b{x}{x} {x}1{x}\u0301x" for x in chars]
        c += size


def mixture_rows():
    lcg = Lcg(2024)
    for row in range(200):
        texts = []
        for _ in range(100):
            parts = []
            for _ in range(1 + lcg.pick(48)):
                if lcg.pick(24) == 0:
                    parts.append(LITERALS[lcg.pick(len(LITERALS))])
                    continue
                first, count = POOLS[lcg.pick(len(POOLS))]
                c = first + lcg.pick(count)
                parts.append("\ufffd" if 0xD800 <= c <= 0xDFFF else chr(c))
            texts.append("".join(parts))
        yield row, texts


def byte_rows():
    lcg = Lcg(7)
    kinds = [(0x20, 95), (0, 256), (0xC0, 64), (0x80, 64)]  # as in POOLS
    for row in range(100):
        texts = []
        for _ in range(100):
            data = bytearray()
            for _ in range(1 + lcg.pick(32)):
                first, count = kinds[lcg.pick(4)]
                data.append(first + lcg.pick(count))
            texts.append(data.decode("utf-8", errors="replace"))
        yield row, texts


def title_rows(path):
    with lzma.open(path, "rt", encoding="utf-8", errors="replace", newline="\n") as lines:
        header = [name.split(":")[0] for name in next(lines).rstrip("\n").split("\t")]
        column = header.index("title")
        titles = [line.rstrip("\n").split("\t")[column] for line in lines]
    for start in range(0, len(titles), 500):
        yield start // 500, titles[start : start + 500]


def fnv1a(data):
    h = 0xCBF29CE484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return h


def words_hash(texts):
    out = bytearray()
    for text in texts:
        for normalizer in NORMALIZERS:
            for word, _ in SPLITTER.pre_tokenize_str(normalizer.normalize_str(text)):
                out += word.encode() + b"\xff"
            out += b"\xfe"
    return fnv1a(out)


def ids_hash(tokenizer, texts):
    out = bytearray()
    for encoding in tokenizer.encode_batch(texts):
        for i in encoding.ids:
            out += i.to_bytes(4, "little")
        out += b"\xff\xff\xff\xff"
    return fnv1a(out)


def make_hashes(model_dir, out_dir, data_dir):
    tokenizer = Tokenizer.from_file(os.path.join(model_dir, "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    corpora = [("codepoints", codepoint_rows), ("mixture", mixture_rows), ("bytes", byte_rows)]
    for name in sorted(os.listdir(data_dir)):
        if name.endswith(".item.xz"):
            path = os.path.join(data_dir, name)
            corpora.append((name[:-3], lambda path=path: title_rows(path)))
    with open(os.path.join(out_dir, "tokenizer.txt"), "w", encoding="ascii") as out:
        for name, rows in corpora:
            for row, texts in rows():
                words, ids = words_hash(texts), ids_hash(tokenizer, texts)
                out.write(f"{name} {row:x} {words:016x} {ids:016x}\n")


WORDS = """the quick brown fox jump ##s ##ed ##ing over un ##aff ##able lazy dog caf ##e café naïve
Blue blue BLUE 中 文 日 本 ##日 가 ##나 ᄀ ##ᅡ ß ss ##ß i̇ ##\u0307 ! , . - [ ] mask token x ##x
##xx xx xxx ##- ##! a ##a b ##b c ##c d e f 1 ##1 12 ##23 3 ##3""".split()


def small(prefix="##", unk="[UNK]", longest=100, normalizer=None):
    vocab = {}
    for word in ["[PAD]", unk, "[CLS]", "[SEP]", "[MASK]"] + WORDS:
        if word.startswith("##"):
            word = prefix + word[2:]
        vocab.setdefault(word, len(vocab))
    tokenizer = Tokenizer(
        WordPiece(
            vocab,
            unk_token=unk,
            continuing_subword_prefix=prefix,
            max_input_chars_per_word=longest,
        )
    )
    tokenizer.normalizer = normalizer or BertNormalizer()
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer


def small_tokenizers():
    # Flags of added tokens, matched before and after normalisation; they overlap on purpose.
    t = small()
    t.add_special_tokens(["[CLS]", "[SEP]", AddedToken("[MASK]", lstrip=True)])
    t.add_tokens(
        [
            AddedToken("fox jump", normalized=False),
            AddedToken("fox", normalized=False, single_word=True),
            AddedToken("<r>", normalized=False, rstrip=True),
            AddedToken("<lr>", normalized=False, lstrip=True, rstrip=True),
            AddedToken("Blue Café", normalized=True),
            AddedToken("blue", normalized=True, single_word=True),
            AddedToken("中文", normalized=True, lstrip=True),
            AddedToken("x-x", normalized=True, rstrip=True),
            AddedToken("é", normalized=False),
        ]
    )
    t.post_processor = TemplateProcessing(
        single="[CLS] [MASK] $A [SEP] [SEP]",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3), ("[MASK]", 4)],
    )
    yield "added", t

    # Cased, no Chinese splitting, another prefix and unknown word, short words only.
    keep = BertNormalizer(handle_chinese_chars=False, strip_accents=False, lowercase=False)
    t = small(prefix="@@", unk="<unk>", longest=5, normalizer=keep)
    t.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    yield "cased", t

    # Lower case but accents kept, text not cleaned, nothing put around, no prefix at all.
    keep = BertNormalizer(clean_text=False, strip_accents=False, lowercase=True)
    t = small(prefix="", normalizer=keep)
    yield "bare", t

    # Accents dropped, case kept.
    t = small(normalizer=BertNormalizer(strip_accents=True, lowercase=False))
    t.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    t.add_tokens([AddedToken("Naïve Dog", normalized=True), AddedToken("\ufffd", normalized=False)])
    yield "accents", t


FRAGMENTS = """the|quick|brown|fox|fox jump|jumps|jumping|jumped|over|unaffable|lazy|dog|café
|naïve|Blue|BLUE|Blue Café|blue cafe|中文|中|日本|가|나|ß|İ|i̇|x-x|X-X|xxxxx|xxxxxxx|[MASK]|[CLS]|[SEP]
|[UNK]|<unk>|<r>|<lr>|é|e\u0301|!|,|.|-| | |  |\t|\n|\u00a0|\u3000|_|\u0301|\u200d|a|1|123|12|Naïve Dog
|naive dog|\ufffd|\x01|@@|##|word""".replace("\n|", "|").split("|")


def make_small(out_dir):
    out_dir = os.path.join(out_dir, "tokenizers")
    os.makedirs(out_dir, exist_ok=True)
    for name, tokenizer in small_tokenizers():
        tokenizer.save(os.path.join(out_dir, name + ".json"), pretty=False)
        draw = random.Random(name)
        with open(os.path.join(out_dir, name + ".jsonl"), "w", encoding="ascii") as out:
            for i in range(200):
                text = "".join(draw.choice(FRAGMENTS) for _ in range(draw.randrange(20)))
                size = draw.choice([4, 5, 6, 9, 512, 512])
                tokenizer.enable_truncation(size)
                line = {"text": text, "max": size, "ids": tokenizer.encode(text).ids}
                out.write(json.dumps(line, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    make_small(sys.argv[2])
    make_hashes(*sys.argv[1:4])
