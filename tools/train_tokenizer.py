#!/usr/bin/env python3
"""Trains the project's byte-level BPE tokenizer (world-model.md 2.1 and 3.3) and writes a tokenizer.json.

    train_tokenizer.py --vocab 2048 --out models/tokenizer/tokenizer.json corpus.txt [more.txt ...]

The corpus is UTF-8 text; samples follow each other in any way (the text is cut at every special token, and special
tokens themselves never take part in merges). Ids: bos, eos, pad = 0, 1, 2; chat tokens; structure tokens;
the 256 bytes; then merges by frequency. Deterministic: the same corpus gives the same file.
Needs the Python package `tokenizers` (PyPI), a tool of developers only; the engine reads the result without it.
"""

import argparse
import json
import os
import re
import sys

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: E402

# deepseek-v4.md section 10: three isolating splits, then the GPT-2 byte map.
DEEPSEEK_SPLITS = (
    r"\p{N}{1,3}",
    "[一-龥\u3040-ゟ゠-ヿ]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"""
    r"""| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
)

CONTROL = ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"]
CHAT = ["<｜User｜>", "<｜Assistant｜>", "<think>", "</think>", "｜DSML｜", "<｜latest_reminder｜>"]
STRUCTURE = [f"<|{name}|>" for name in "mech fact goal act obs ask ans by : /ev rel".split()]
EVENT_IDS = [f"<|e{i}|>" for i in range(96)]
SPECIALS = CONTROL + CHAT + STRUCTURE + EVENT_IDS


def deepseek_pre_tokenizer():
    splits = [pre_tokenizers.Split(Regex(p), behavior="isolated") for p in DEEPSEEK_SPLITS]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence(splits + [byte_level])


def new_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = deepseek_pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def samples(texts):
    """The text between special tokens, in slices of at most 2^20 characters."""
    # The longest special wins where one starts another, as in HF's own matching.
    cut = re.compile("|".join(re.escape(s) for s in sorted(SPECIALS, key=len, reverse=True)))
    for text in texts:
        for stretch in cut.split(text):
            for start in range(0, len(stretch), 1 << 20):
                if stretch[start : start + (1 << 20)]:
                    yield stretch[start : start + (1 << 20)]


def train(texts, vocab_size):
    """A new tokenizer; exits when the texts are too few for so many tokens."""
    tokenizer = new_tokenizer()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        min_frequency=2,
        max_token_length=64,  # repeats of one character would grow without bound
        special_tokens=SPECIALS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(samples(texts), trainer)
    check(tokenizer, vocab_size)
    return tokenizer


def check(tokenizer, vocab_size):
    """Refuses a vocabulary that breaks the id contract or is not full (a corpus that is too small)."""
    if tokenizer.get_vocab_size() != vocab_size:
        sys.exit(f"train_tokenizer: the corpus gives {tokenizer.get_vocab_size()} tokens, expected "
                 f"{vocab_size}; give more text or a smaller --vocab")
    for expected, special in enumerate(SPECIALS):
        assert tokenizer.token_to_id(special) == expected, special
    inside = [t for t, i in tokenizer.get_vocab().items() if i >= len(SPECIALS) and any(s in t for s in SPECIALS)]
    assert not inside, f"special tokens inside merges: {inside}"


def write(tokenizer, path):
    """As one line: readable by machines, small in the repository."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        json.dump(json.loads(tokenizer.to_str()), file, ensure_ascii=False, separators=(",", ":"))
        file.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", nargs="+")
    parser.add_argument("--vocab", type=int, default=2048)
    parser.add_argument("--out", required=True, help="path of the tokenizer.json to write")
    arguments = parser.parse_args()

    write(train((read(path) for path in arguments.corpus), arguments.vocab), arguments.out)
    print(f"wrote {arguments.out}: {arguments.vocab} tokens, {len(SPECIALS)} special", file=sys.stderr)


if __name__ == "__main__":
    main()
