#!/usr/bin/env python3
"""Writes src/tokenizer/unicode_categories.inc: the classes of code points that DeepSeek's pre-tokenizer tells apart.

    make_unicode_tables.py > src/tokenizer/unicode_categories.inc

Source: general categories of Unicode 16.0 (PyPI package `unicodedata2` 16.0.0), the version of the Oniguruma inside
Hugging Face `tokenizers` (compared for \\p{L} \\p{M} \\p{N} \\p{P} \\p{S} and \\s on every code point, tokenizers 0.23).
"""

import sys

import unicodedata2

UNICODE_VERSION = "16.0.0"
# Property White_Space of PropList.txt; stable since Unicode 6.3.
WHITE_SPACE = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
CLASS_OF_CATEGORY = {"L": "word", "M": "word", "N": "number", "P": "mark", "S": "mark", "Z": "other", "C": "other"}


def class_of(code_point):
    if code_point in WHITE_SPACE:
        return "space"
    return CLASS_OF_CATEGORY[unicodedata2.category(chr(code_point))[0]]


def ranges():
    """(first code point, class) wherever the class changes."""
    previous = None
    for code_point in range(0x110000):
        current = class_of(code_point)
        if current != previous:
            yield code_point, current
            previous = current


def main():
    if unicodedata2.unidata_version != UNICODE_VERSION:
        sys.exit(f"make_unicode_tables: expected Unicode {UNICODE_VERSION}, found {unicodedata2.unidata_version}")
    print(f"// Written by tools/make_unicode_tables.py from Unicode {UNICODE_VERSION}: first code point of each range.")
    line = ""
    for code_point, name in ranges():
        entry = f"{{0x{code_point:X}, C::{name}}}, "
        if len(line) + len(entry) > 100:
            print(line.rstrip())
            line = ""
        line += entry
    print(line.rstrip())


if __name__ == "__main__":
    main()
