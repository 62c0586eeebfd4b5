"""Writes unicode_tables.inc from the behaviour of the pinned `tokenizers`.

    python make_unicode_tables.py > unicode_tables.inc     (requirements: native-tests/golden)

The normalizers and regular expressions in `tokenizers` mix several versions of Unicode: control
characters, punctuation and marks from one crate, decompositions from another, letters and numbers
from its regular expressions, letter case from Rust itself. No published table agrees with all of
that, so every code point is put through it here, one question a time.
"""

import unicodedata

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import NFC, NFD, BertNormalizer, Lowercase, Replace
from tokenizers.pre_tokenizers import BertPreTokenizer, ByteLevel

CONTROL, SPACE, PUNCTUATION, UPPER, DECOMPOSES, MARK, REORDERS, WORD = (1 << i for i in range(8))
LETTER, NUMBER, UNSTABLE = (1 << i for i in range(8, 11))
BLOCK_BITS = 5
LAST = 0x110000
HANGUL = range(0xAC00, 0xD7A4)


def bert(**on):
    off = dict(
        clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False
    )
    return BertNormalizer(**{**off, **on}).normalize_str


CLEAN, STRIP, LOWER = bert(clean_text=True), bert(strip_accents=True), bert(lowercase=True)
CHINESE = bert(handle_chinese_chars=True)
DECOMPOSE, COMPOSE = NFD().normalize_str, NFC().normalize_str
LOWERCASE = Lowercase().normalize_str
IS_LETTER, IS_NUMBER, IS_SPACE = (Replace(Regex(x), "").normalize_str for x in (r"\p{L}", r"\p{N}", r"\s"))
PIECES = ByteLevel(add_prefix_space=False).pre_tokenize_str
SPLIT = BertPreTokenizer().pre_tokenize_str


def is_chinese(c):  # unicode.c says the same
    return (
        0x3400 <= c <= 0x4DBF
        or 0x4E00 <= c <= 0x9FFF
        or 0xF900 <= c <= 0xFAFF
        or 0x20000 <= c <= 0x2A6DF
        or 0x2A700 <= c <= 0x2B81F
        or 0x2B920 <= c <= 0x2CEAF
        or 0x2F800 <= c <= 0x2FA1F
    )


def word_characters():
    """Which code points \\w matches, seen by a single_word token that they stop from matching."""
    tokenizer = Tokenizer(WordPiece({"[UNK]": 0, "x": 1}, unk_token="[UNK]"))
    tokenizer.add_tokens([AddedToken("x", single_word=True, normalized=False)])
    return lambda char: tokenizer.encode("x" + char).ids[0] != 1


def swaps(first, second):
    return first != second and DECOMPOSE("a" + first + second) == "a" + second + first


def combining_class(char, ladder):
    """The canonical combining class, by where the char is sorted among marks of known classes."""
    if not swaps("\u0345", char) and not swaps(char, "\u0334"):
        return 0
    return min(k for k, mark in ladder.items() if not swaps(char, mark))


def survey():
    is_word = word_characters()
    ladder = {}  # the first mark of every class that `tokenizers` knows: newer ones it takes for starters
    for c in range(LAST):
        order = unicodedata.combining(chr(c))
        if order == 1 or order > 1 and order not in ladder and swaps(chr(c), "\u0334"):
            ladder.setdefault(order, chr(c))
    assert {1, 9, 216, 220, 230, 240} <= set(ladder)
    classes, lower, strip, reorders = [0] * LAST, {}, {}, {}  # reorders: all of class above 0
    for c in range(LAST):
        if 0xD800 <= c <= 0xDFFF:
            continue
        char, flags = chr(c), 0
        cleaned, pieces = CLEAN("a" + char + "b"), len(SPLIT("a" + char + "b"))
        assert cleaned in ("ab", "a b", "a" + char + "b")
        flags |= CONTROL * (cleaned == "ab") | SPACE * (pieces == 2) | PUNCTUATION * (pieces == 3)
        assert flags & CONTROL or (cleaned == "a b") == bool(flags & SPACE)
        assert (CHINESE(char) == " " + char + " ") == is_chinese(c)
        flags |= WORD * is_word(char)
        letter, number = IS_LETTER(char) == "", IS_NUMBER(char) == ""
        flags |= LETTER * letter | NUMBER * number
        assert (IS_SPACE(char) == "") == bool(flags & SPACE)
        assert (len(PIECES("a" + char)) == 1) == letter and (len(PIECES("1" + char)) == 1) == number
        assert (len(PIECES("!" + char)) == 1) == (not letter and not number and not flags & SPACE)
        lowered, stripped = LOWER(char), STRIP(char)
        assert LOWERCASE(char) == lowered
        if lowered != char:
            flags |= UPPER
            lower[c] = lowered
        if stripped == "":
            flags |= MARK
        elif stripped != char:
            flags |= DECOMPOSES
            strip[c] = stripped
        if DECOMPOSE(char) == char:
            order = combining_class(char, ladder)
            if order:
                flags |= REORDERS
                reorders[c] = order
                assert lowered == char and not flags & (SPACE | PUNCTUATION)
        classes[c] = flags
    return classes, lower, strip, reorders


def check(classes, strip):
    """What bert_normalizer.c takes for granted."""
    for c, text in strip.items():
        parts = [ord(p) for p in DECOMPOSE(chr(c))]
        assert text == "".join(chr(p) for p in parts if not classes[p] & MARK)
        assert not classes[ord(text[0])] & REORDERS  # a starter comes first ...
        kept = [classes[p] for p in parts if not classes[p] & MARK]
        dropped_starter = any(classes[p] & (MARK | REORDERS) == MARK for p in parts)
        assert not (dropped_starter and any(f & REORDERS for f in kept))  # ... and ends nothing
        assert len(text) == 1 or not any(classes[ord(p)] & (SPACE | PUNCTUATION) for p in text)
    for c in range(LAST):
        if classes[c] & MARK and not 0xD800 <= c <= 0xDFFF:
            parts = [classes[ord(p)] for p in DECOMPOSE(chr(c))]
            # A starter anywhere in it ends the run of marks that is being sorted.
            classes[c] |= REORDERS * all(f & REORDERS for f in parts)


def pairs_of(classes, reorders):
    """(c, first, last): what c is made of, first perhaps of two more; last is 0 where c is but another
    name of something. Those that NFC makes c again, and the others."""
    parts = {c: DECOMPOSE(chr(c)) for c in range(LAST) if not 0xD800 <= c <= 0xDFFF and c not in HANGUL}
    parts = {c: text for c, text in parts.items() if text != chr(c)}
    names = {text: c for c, text in parts.items()}
    pairs = []
    for c, text in parts.items():
        assert len(text) <= 4
        if len(text) == 1:
            pairs.append((c, ord(text), 0))
            continue
        first = COMPOSE(text[:-1])
        pairs.append((c, ord(first) if len(first) == 1 else names[text[:-1]], ord(text[-1])))
    composed = [p for p in pairs if p[2] and COMPOSE(chr(p[1]) + chr(p[2])) == chr(p[0])]
    assert all(p[1] not in reorders for p in composed)
    seconds = {p[2] for p in composed} | set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))
    for c in range(LAST):
        if 0xD800 <= c <= 0xDFFF:
            continue
        if c in reorders or c in seconds or COMPOSE(chr(c)) != chr(c):
            classes[c] |= UNSTABLE
    return composed, sorted(set(pairs) - set(composed))


def steps_of(reorders):
    """first << 8 | class: all from first on, up to the next step's, have that combining class."""
    steps, last = [], 0
    for c in sorted({c for c in reorders} | {c + 1 for c in reorders}):
        order = reorders.get(c, 0)
        if order != last:
            steps.append(c << 8 | order)
        last = order
    return steps


def case_runs(lower):
    """(first, last, stride, delta): one line for the many letters that move alike."""
    runs = []
    for c in sorted(c for c in lower if len(lower[c]) == 1):
        delta = ord(lower[c]) - c
        if runs:
            first, last, stride, d = runs[-1]
            step = c - last
            if d == delta and (step == stride or (first == last and step <= 2)):
                runs[-1] = (first, c, step, d)
                continue
        runs.append((c, c, 1, delta))
    return runs


def show(kind, name, values, per_line=16):
    print(f"static const {kind} {name}[] = {{")
    for i in range(0, len(values), per_line):
        print("    " + ", ".join(values[i : i + per_line]) + ",")
    print("};\n")


def two_stages(classes):
    size = 1 << BLOCK_BITS
    blocks, index = {}, []
    for start in range(0, LAST, size):
        block = tuple(classes[start : start + size])
        index.append(blocks.setdefault(block, len(blocks)))
    return index, blocks


def main():
    classes, lower, strip, reorders = survey()
    check(classes, strip)
    composed, apart = pairs_of(classes, reorders)
    steps = steps_of(reorders)
    assert [c for c in lower if len(lower[c]) > 1] == [0x130] and lower[0x130] == "i\u0307"
    names = {c: first for c, first, last in apart if not last}
    apart = [p for p in apart if p[2]]

    def small(entry):
        return max(entry) < 0x10000

    index, blocks = two_stages(classes)
    # A stage above: chunks of 16 blocks, most of which are the same again.
    chunks, top = {}, []
    for i in range(0, len(index), 16):
        top.append(chunks.setdefault(tuple(index[i : i + 16]), len(chunks)))
    assert len(chunks) <= 256

    print(f"/* Written by make_unicode_tables.py from tokenizers {tokenizers.__version__}. */\n")
    print("/* [c >> 9] -> chunk; [chunk * 16 + (c >> 5 & 15)] -> block; [block * 32 + (c & 31)] */")
    show("uint8_t", "class_top", [str(v) for v in top], 24)
    show("uint16_t", "class_chunk", [str(v) for chunk in chunks for v in chunk], 16)
    show("uint16_t", "class_block", [str(v) for block in blocks for v in block], 24)
    print("/* Letters that change in lower case: first, last, stride, what to add. */")
    runs = case_runs(lower)
    show("case_run", "case_runs", [f"{{0x{a:X}, 0x{b:X}, {s}, {d}}}" for a, b, s, d in runs], 4)
    print("/* Other names: code point, what it is. Sorted. */")
    names = sorted(names.items())
    show("uint16_t", "name_near", [f"0x{c:X}, 0x{t:X}" for c, t in names if small((c, t))], 6)
    show("uint32_t", "name_far", [f"0x{c:X}, 0x{t:X}" for c, t in names if not small((c, t))], 6)
    print("/* Combining classes: first code point << 8 | class, which holds up to the next one's first. */")
    show("uint32_t", "combining_steps", [f"0x{v:X}" for v in steps], 10)
    composed.sort()
    print("/* Canonical pairs that NFC makes one: code point, what it is made of. Sorted. */")
    shown = {p: ", ".join(f"0x{v:X}" for v in p) for p in [*composed, *apart]}
    show("uint16_t", "pair_near", [shown[p] for p in composed if small(p)], 5)
    show("uint32_t", "pair_far", [shown[p] for p in composed if not small(p)], 4)
    print("/* Those that it leaves two. */")
    show("uint32_t", "pair_apart", [shown[p] for p in apart], 4)
    size = len(top) + 32 * len(chunks) + 64 * len(blocks) + 16 * len(runs)
    size += sum((4 if small(n) else 8) for n in names) + 4 * len(steps)
    size += sum((6 if small(p) else 12) for p in composed) + 12 * len(apart)
    print(f"/* {size} bytes. */")


if __name__ == "__main__":
    main()
