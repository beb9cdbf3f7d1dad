#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/: ids by Hugging Face `tokenizers` for 100,000 random and adversarial strings.

    make_tokenizer_goldens.py train    trains mixed-2048.json on strings of the same generator (other indices)
    make_tokenizer_goldens.py ignore_merges    writes ignore-merges.json: mixed-2048.json with every third merge taken
        out and "ignore_merges": true, so that many tokens are reached as whole pieces alone
    make_tokenizer_goldens.py digest NAME=TOKENIZER.json ...    writes NAME.digests and NAME.examples.json for each

The strings are a function of their index (src/tokenizer/random_text.h does the same in C++), so only digests are
stored: per block of 1000 strings the FNV-1a hash of all ids as little-endian 32-bit words, 0xFFFFFFFF after each
string. Column `parse` is the tokenizer as it is; `as_text` is the same file with an empty list of added tokens, and,
where ignore_merges is set, without their texts in the vocabulary: Hugging Face would find "<|:|>" there as a whole
piece, and in our engine text never becomes a control token.
"""

import json
import os
import sys

from tokenizers import Tokenizer
from tokenizers import __version__ as tokenizers_version

import train_tokenizer

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "golden", "tokenizer")
N_BLOCKS = 100
BLOCK_SIZE = 1000
FIRST_SEED = 20260101
TRAINING_INDICES = range(1_000_000, 1_030_000)
MASK = (1 << 64) - 1
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class RandomStream:
    """base/random.h."""

    def __init__(self, seed):
        self.seed = seed
        self.counter = 0

    def next(self):
        self.counter += 1
        z = (self.seed + self.counter * 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n):
        return ((self.next() >> 32) * n) >> 32

    def choose(self, items):
        return items[self.below(len(items))]


def scalar(code_point):
    """The character, or U+FFFD in place of a surrogate."""
    return chr(0xFFFD if 0xD800 <= code_point < 0xE000 else code_point)


class TextGenerator:
    def __init__(self):
        with open(os.path.join(FOLDER, "text_pools.json"), encoding="utf-8") as file:
            pools = json.load(file)
        self.spaces = [chr(c) for c in pools["spaces"]]
        self.edges = [chr(c) for c in pools["edges"]]
        self.fragments = pools["fragments"]

    def unit(self, random, pool, previous):
        if pool == 0:
            return random.choose(LETTERS)
        if pool == 1:
            return chr(0x30 + random.below(10))
        if pool == 2:
            return random.choose(PUNCTUATION)
        if pool == 3:
            return random.choose(self.spaces)
        if pool == 4:
            return chr(0x4E00 + random.below(0x51A6) if random.below(2) else 0x3040 + random.below(0xC0))
        if pool == 5:
            return scalar(random.below(0x10000))
        if pool == 6:
            return scalar(random.below(0x110000))
        if pool == 7:
            return random.choose(self.edges)
        if pool == 8:
            return random.choose(self.fragments)
        return previous * random.below(5)

    def text(self, index):
        random = RandomStream(FIRST_SEED + index)
        pools = [random.below(10) for _ in range(1 + random.below(3))]
        length = random.below(400) if random.below(8) == 0 else random.below(40)
        units = []
        previous = " "
        for _ in range(length):
            unit = self.unit(random, random.choose(pools), previous)
            units.append(unit)
            if 0 < len(unit) < 40:  # repeats must not grow without bound
                previous = unit
        return "".join(units)


EXAMPLES = [
    "",
    "Hello! 毕老师！1 + 1 = 2 ĠÑĤÐ²ÑĬÑĢ",
    "<｜User｜>你好<｜Assistant｜><think>推理</think>答案<｜end▁of▁sentence｜>",
    "<｜DSML｜invoke name=\"f\">｜DSML｜</think <think>>",
    "<|e1|><|e12|><|e96|><|:|>the door opens<|/ev|>",
    "12345 + 0.5 = x;  \n\n\tif (a != b) { return \"don't\"; }\r\n",
    "テスト・ケース ありがとう  한국어 кот идёт домой 👩‍👩‍👧🇩🇪 e\u0301 ½",
    "<｜begin▁of▁sentence｜> household<|fact|><|e3|><|:|> thin brazier clean<|/ev|><|mech|><|e7|><|by|><|e3|><|rel|><|:|>"
    " light smooth beacon if thin brazier clean then smooth beacon lit<|/ev|><|obs|><|e9|><|:|> nothing: thin brazier"
    " dirty<|/ev|>",
    "thin brazier Thin  brazier brazierbrazier brazier\nbrazier <|:|> brazier<|:|>",
    " " * 40 + "a" * 40 + "\n" * 20,
    "\x00\x01\x7f\x80\u200b\u180e\ufeff\ufffd\U0010ffff",
]


def fnv1a(data, h=0xCBF29CE484222325):
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & MASK
    return h


def digests(tokenizer, texts):
    """One digest per block."""
    for start in range(0, len(texts), BLOCK_SIZE):
        data = bytearray()
        for encoding in tokenizer.encode_batch(texts[start : start + BLOCK_SIZE], add_special_tokens=False):
            for token in encoding.ids:
                data += token.to_bytes(4, "little")
            data += b"\xff\xff\xff\xff"
        yield fnv1a(data)


def without_added_tokens(path):
    with open(path, encoding="utf-8") as file:
        root = json.load(file)
    if root["model"].get("ignore_merges"):
        for token in root["added_tokens"]:
            root["model"]["vocab"].pop(token["content"], None)
    root["added_tokens"] = []
    return Tokenizer.from_str(json.dumps(root))


def write_digests(name, path, texts):
    parse = digests(Tokenizer.from_file(path), texts)
    as_text = digests(without_added_tokens(path), texts)
    with open(os.path.join(FOLDER, f"{name}.digests"), "w", encoding="utf-8") as file:
        file.write(f"# tools/make_tokenizer_goldens.py digest, tokenizers {tokenizers_version}; "
                   f"{N_BLOCKS} blocks of {BLOCK_SIZE} strings: parse as_text\n")
        for p, t in zip(parse, as_text):
            file.write(f"{p:016x} {t:016x}\n")


def write_examples(name, path):
    parse, as_text = Tokenizer.from_file(path), without_added_tokens(path)
    examples = [{"text": text, "parse": parse.encode(text).ids, "as_text": as_text.encode(text).ids} for text in EXAMPLES]
    with open(os.path.join(FOLDER, f"{name}.examples.json"), "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(example) for example in examples) + "\n]\n")


def main():
    generator = TextGenerator()
    if sys.argv[1:] == ["train"]:
        texts = (generator.text(i) for i in TRAINING_INDICES)
        train_tokenizer.write(train_tokenizer.train(texts, 2048), os.path.join(FOLDER, "mixed-2048.json"))
    elif sys.argv[1:] == ["ignore_merges"]:
        with open(os.path.join(FOLDER, "mixed-2048.json"), encoding="utf-8") as file:
            root = json.load(file)
        root["model"]["ignore_merges"] = True
        root["model"]["merges"] = [m for i, m in enumerate(root["model"]["merges"]) if i % 3 != 0]
        with open(os.path.join(FOLDER, "ignore-merges.json"), "w", encoding="utf-8", newline="\n") as file:
            json.dump(root, file, ensure_ascii=False, separators=(",", ":"))
            file.write("\n")
    elif sys.argv[1:2] == ["digest"] and len(sys.argv) > 2:
        texts = [generator.text(i) for i in range(N_BLOCKS * BLOCK_SIZE)]
        for argument in sys.argv[2:]:
            name, path = argument.split("=", 1)
            write_examples(name, path)
            write_digests(name, path, texts)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
