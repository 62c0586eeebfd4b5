"""Goldens of Unigram tokenizers, 4-bit weights and prompts, by the originals.

    python make_languages.py . [MODEL_DIR ITEMS]

Without MODEL_DIR: tiny-bert/unigram-int4, a tiny random BERT with 4-bit weights and prompts, and
tokenizers/unigram.json, unigram-sequence.json with 200 texts each. With multilingual-e5-small as
models/e5.py makes it and the stamps' items.jsonl also

    unigram.txt         a line a language: how many names of it, FNV-1a 64 of their ids (an id four
                        bytes little-endian, 0xFFFFFFFF ends a name); names are not copied here
    languages.jsonl     sentences with ids, languages.safetensors their embeddings

Ids are what `tokenizers` and SentencePiece both give. The two differ where SentencePiece's single
precision orders pieces of equal score its own way, and where `tokenizers` looks up a grapheme's
shortest known beginning, not the longest: such texts are counted, printed and left out.
Embeddings are sentence-transformers', from the same weights in f32.
"""

import base64
import json
import os
import random
import shutil
import struct
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "models"))

import e5
import numpy as np
import sentencepiece
import torch
from safetensors.torch import save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

SENTENCES = {
    "en": ["A man is playing a guitar.", "The stock market fell sharply today.", "how to cook rice"],
    "zh": ["一个男人在弹吉他。", "今天股市大跌。", "如何煮米饭"],
    "de": ["Ein Mann spielt Gitarre.", "Die Börse ist heute stark gefallen.", "Wie kocht man Reis?"],
    "es": ["Un hombre toca la guitarra.", "¿Cómo se cocina el arroz?"],
    "ja": ["男の人がギターを弾いている。", "ﾗｲｽの炊き方"],
    "ru": ["Мужчина играет на гитаре.", "как сварить рис"],
    "ar": ["رجل يعزف على الجيتار", "كيف أطبخ الأرز؟"],
    "ko": ["남자가 기타를 치고 있다", "밥 짓는 법"],
    "hi": ["एक आदमी गिटार बजा रहा है"],
    "th": ["ผู้ชายกำลังเล่นกีตาร์"],
    "el": ["Ένας άντρας παίζει κιθάρα"],
    "vi": ["Một người đàn ông đang chơi ghi-ta", "cách nấu cơm"],
    "": ["", "   ", "🎸🎸 \u0001 ℌ ①  ½\t<mask> <s> ▁ a▁b", "word " * 700],
}
TEXTS = [text for texts in SENTENCES.values() for text in texts]


# -- SentencePiece's own form of a tokenizer ---------------------------------------------------
def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def sentencepiece_of(tokenizer):
    proto, unknown = b"", tokenizer["model"]["unk_id"]
    added = {token["content"] for token in tokenizer["added_tokens"]}
    for i, (piece, score) in enumerate(tokenizer["model"]["vocab"]):
        kind = 2 if i == unknown else 3 if piece in added else 1
        body = field(1, piece.encode()) + struct.pack("<Bf", 2 << 3 | 5, score) + field(3, kind)
        proto += field(1, body)
    ids = field(40, unknown) + field(41, 0) + field(42, 2) + field(43, 1)
    normalizer = tokenizer["normalizer"]
    charsmap = base64.b64decode(normalizer.get("precompiled_charsmap") or
                                normalizer["normalizers"][0]["precompiled_charsmap"])
    rules = field(2, charsmap) + field(3, 1) + field(4, 1) + field(5, 1)
    proto += field(2, field(3, 1) + ids) + field(3, rules)
    return sentencepiece.SentencePieceProcessor(model_proto=proto)


class Both:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
        self.theirs, self.original = Tokenizer.from_file(path), sentencepiece_of(content)
        self.added = [token["content"] for token in content["added_tokens"]]
        self.differ = []

    def ids(self, text):
        """None where the two differ; added tokens are `tokenizers`' alone."""
        found = self.theirs.encode(text).ids
        if any(token in text for token in self.added):
            return found
        expected = [0, *self.original.encode(text), 2]
        if found == expected:
            return found
        self.differ.append(text)
        return None


def cut(ids, most):
    return ids if len(ids) <= most else [*ids[: most - 1], ids[-1]]


# -- small tokenizers --------------------------------------------------------------------------
LETTERS = "abcdefghijklmnopqrstuvwxyzABCé中文字日本語かなカナабвгдежз가나다각ابت한국ไทย0123456789,.!?'-"
WORDS = ("the and lamp blue bottle query passage : text long goes until model aa aaa ing er 中文 日本 日本語 かな カナ "
         "где где-то 가나 한국 ابت abc 123 2").split()


def small_vocabulary():
    pick = random.Random(5)
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("\u2581", -2.5)]
    seen = {piece for piece, _ in pieces}
    for piece in [*LETTERS, *WORDS, *("\u2581" + word for word in WORDS), "\u2581a", "\u2581t"]:
        if piece not in seen:
            seen.add(piece)
            score = np.float32(-4 - 3 * pick.random() - (2 if len(piece) == 1 else 0.3 * len(piece)))
            pieces.append((piece, float(score)))
    return [*pieces, ("<mask>", 0.0)]


def small_rules():
    rules = {chr(c): chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F)}  # full width
    rules |= {c: " " for c in "\t\n\r\u00a0\u2003\u3000"} | {c: "" for c in "\u0001\u200b"}
    return rules | {"①": "1", "½": "1⁄2", "ﬁ": "fi", "¨": " \u0308", "ｶ": "カ", "…": "...", "㍿": "日本 日本",
                    "e\u0301": "é", "\u1100\u1161": "가"}


def small_tokenizer():
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    return e5.tokenizer({"special": special}, small_vocabulary(), small_rules())


def small_texts():
    pick = random.Random(9)
    extra = list(small_rules()) + [" ", "  ", " ", " ", "ß", "\u0301", "e\u0301", "🎸", "\u2028", "<mask>", "<s>"]
    texts = ["", " ", "aaaa", "aaaaa", "\u2581", "a", "ｔｈｅ　ｌａｍｐ", "cafe\u0301", "\u0001", "the  lamp "]
    while True:
        yield texts.pop(0) if texts else "".join(
            pick.choice(pick.choice([LETTERS, WORDS, extra])) for _ in range(1 + pick.randrange(30)))


def write_small(out, name, tokenizer):
    path = os.path.join(out, "tokenizers", name + ".json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(tokenizer, file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")
    both, lines = Both(path), []
    for i, text in enumerate(small_texts()):
        ids, most = both.ids(text), 512 if i % 4 else 3 + i % 17
        if ids is not None:
            lines.append({"text": text, "max": most, "ids": cut(ids, most)})
        if len(lines) == 200:
            break
    with open(path + "l", "w", encoding="ascii") as file:
        file.writelines(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    print(f"{name}: {len(both.differ)} texts of which the originals differ")


# -- a tiny model --------------------------------------------------------------------------------
def random_tensors(vocabulary):
    pick = np.random.default_rng(3)
    width, wide, layers, positions = 32, 64, 2, 48

    def four_bits(name, rows, columns):
        halves = pick.integers(0, 256, (rows, columns // 2), dtype="u1").tobytes()
        scale = (pick.uniform(0.5, 1.5, (rows, columns // 32)) / columns**0.5 / 5).astype("f2").tobytes()
        return [(name, "U8", [rows, columns // 2], halves),
                (name + "_scale", "F16", [rows, columns // 32], scale)]

    def plain(name, *shape, about=0.0, spread=0.2):
        return [(name, "F32", list(shape), (about + spread * pick.standard_normal(shape)).astype("f4").tobytes())]

    found = four_bits("embeddings.word_embeddings.weight", vocabulary, width)
    found += plain("embeddings.position_embeddings.weight", positions, width)
    found += plain("embeddings.token_type_embeddings.weight", 2, width)
    norms = ["embeddings.LayerNorm"]
    for layer in range(layers):
        full = f"encoder.layer.{layer}."
        norms += [full + "attention.output.LayerNorm", full + "output.LayerNorm"]
        parts = [(n, width, width) for n in ("attention.self.query", "attention.self.key", "attention.self.value",
                                             "attention.output.dense")]
        for name, rows, columns in [*parts, ("intermediate.dense", wide, width), ("output.dense", width, wide)]:
            found += four_bits(full + name + ".weight", rows, columns) + plain(full + name + ".bias", rows)
    for name in norms:
        found += plain(name + ".weight", width, about=1.0) + plain(name + ".bias", width)
    return found, {"hidden": width, "layers": layers, "heads": 2, "intermediate": wide, "vocabulary": vocabulary,
                   "positions": positions, "types": 2, "eps": 1e-12}


def save_golden(path, name, model, texts, prompt):
    prefix = model.prompts[prompt]
    ids = [model.preprocess([prefix + text])["input_ids"][0].tolist() for text in texts]
    with open(os.path.join(path, name + ".jsonl"), "w", encoding="ascii") as file:
        file.writelines(json.dumps({"text": t, "ids": i}, separators=(",", ":")) + "\n" for t, i in zip(texts, ids))
    embeddings = model.encode(texts, batch_size=1, prompt_name=prompt)
    save_file({"embeddings": torch.tensor(embeddings)}, os.path.join(path, name + ".safetensors"))


def plain_model(directory, scratch):
    e5.widen(directory, scratch)
    return SentenceTransformer(scratch, device="cpu", local_files_only=True, model_kwargs={"dtype": torch.float32})


def make_tiny(out):
    directory = os.path.join(out, "tiny-bert", "unigram-int4")
    shutil.rmtree(directory, ignore_errors=True)
    tokenizer = small_tokenizer()
    tensors, about = random_tensors(len(tokenizer["model"]["vocab"]) + 5)
    about["special"] = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    contents = e5.files(about, tokenizer["model"]["vocab"], small_rules())
    contents["sentence_bert_config.json"]["max_seq_length"] = 40
    contents["tokenizer_config.json"]["model_max_length"] = 40
    for name, content in contents.items():
        path = os.path.join(directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump(content, file, ensure_ascii=False, separators=(",", ":"))
            file.write("\n")
    e5.write_safetensors(os.path.join(directory, "model.safetensors"), tensors, {"format": "pt"})
    texts = ["the blue lamp", "", "中文 日本語, где?", "a long text that goes on until the model has to cut it " * 2,
             "ｔｈｅ　bottle 🎸", "café ①"]
    with tempfile.TemporaryDirectory() as scratch:
        model = plain_model(directory, os.path.join(scratch, "f32"))
        save_golden(directory, "text", model, texts, "query")
        save_golden(directory, "passage", model, texts, "passage")


# -- the real one ----------------------------------------------------------------------------------
def fnv1a(data):
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def hash_names(out, model, items):
    both = Both(os.path.join(model, "tokenizer.json"))
    names = {"en": []}
    with open(items, encoding="utf-8") as file:
        for item in map(json.loads, file):
            names["en"].append(item["title"])
            for language, name in item["names"].items():
                names.setdefault(language, []).append(name)
    with open(os.path.join(out, "unigram.txt"), "w", encoding="ascii") as file:
        for language, texts in sorted(names.items()):
            data = b""
            for text in texts:
                both.ids(text)
                found = both.theirs.encode(text).ids
                data += struct.pack(f"<{len(found) + 1}I", *found, 0xFFFFFFFF)
            file.write(f"{language} {len(texts)} {fnv1a(data):016x}\n")
    print(f"names: {sum(map(len, names.values()))}, of which {len(both.differ)} differ by the order of equal scores: "
          f"{both.differ}")


def make_real(out, model, items):
    hash_names(out, model, items)
    with tempfile.TemporaryDirectory() as scratch:
        save_golden(out, "languages", plain_model(model, os.path.join(scratch, "f32")), TEXTS, "query")


def main(out, *real):
    torch.set_num_threads(1)
    first = small_tokenizer()
    write_small(out, "unigram", first)
    charsmap = first["normalizer"]
    first["normalizer"] = {"type": "Sequence", "normalizers": [
        charsmap, {"type": "Strip", "strip_left": False, "strip_right": True},
        {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "\u2581"}]}
    first["pre_tokenizer"] = first["pre_tokenizer"]["pretokenizers"][1]
    write_small(out, "unigram-sequence", first)
    make_tiny(out)
    if real:
        make_real(out, *real)


if __name__ == "__main__":
    main(*sys.argv[1:])
