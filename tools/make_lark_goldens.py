#!/usr/bin/env python3
"""Writes tests/golden/lark/cases.json: grammars, texts, and whether Lark (PyPI: lark) parses them.

usage: make_lark_goldens.py      (needs `pip install lark`)

Lark's Earley parser with its dynamic_complete lexer tries every way to split a text into terminals, which is what our
grammars do. Texts are examples by hand, and random changes to them.
"""

import json
import random
from pathlib import Path

import lark

OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "lark"

ARITHMETIC = r"""
start: sum
sum: product (("+" | "-") product)*   // no left recursion
product: atom (("*" | "/") atom)*
atom: NUMBER | "-" atom | "(" sum ")"
%import common.NUMBER
%ignore " "
"""
PATCH = r"""
start: begin_patch hunk+ end_patch
begin_patch: "*** Begin Patch" LF
end_patch: "*** End Patch" LF?

hunk: add_hunk | delete_hunk | update_hunk
add_hunk: "*** Add File: " filename LF add_line+
delete_hunk: "*** Delete File: " filename LF
update_hunk: "*** Update File: " filename LF change_move? change?

filename: /(.+)/
add_line: "+" /(.+)/ LF -> line

change_move: "*** Move to: " filename LF
change: (change_context | change_line)+ eof_line?
change_context: ("@@" | "@@ " /(.+)/) LF
change_line: ("+" | "-" | " ") /(.+)/ LF
eof_line: "*** End of File" LF

%import common.LF
"""
GRAMMARS = [
    (ARITHMETIC, ["1", "1+2*3", "(1 - 2) * -3.5e+2", "((1))", " 1", "1 ", "1..2", "--1", "", "+", "1 2"]),
    (PATCH, ["*** Begin Patch\n*** Add File: a.txt\n+x\n*** End Patch\n",
             "*** Begin Patch\n*** Update File: b\n*** Move to: c\n@@ f\n-a\n+b\n c\n*** End of File\n*** End Patch",
             "*** Begin Patch\n*** Delete File: a\n*** Delete File: b\n*** End Patch", "*** Begin Patch\n*** End Patch"]),
    ('start: "a"~2 "b"~1..3 ["c"] ("d" | "e")*\n', ["aab", "aabbbcde", "abbb", "aabbbb", "aabcc", "aabed"]),
    ('start: greeting\n     | parting\n?greeting.2: "hello"i [" " NAME]\n!parting: "bye" "!"*\nNAME: LETTER+\n'
     '%import common.LETTER\n', ["hello", "HeLLo World", "bye", "bye!!", "BYE", "hello "]),
    ('start: pair ("," pair)*\npair: CNAME "=" value\nvalue: ESCAPED_STRING | SIGNED_INT | "[" [value ("," value)*] "]"\n'
     '%import common (CNAME, ESCAPED_STRING, SIGNED_INT)\n%import common.WS\n%ignore WS\n',
     ['a="b"', 'a = "x\\"y" , b_1=[1, -2,[]]', 'a=', 'a="b', '1a=2', 'a=+3\n,b=[ ]', 'a=[1 2]', 'a b=1']),
    ('start: HEX (":" HEX)~3\nHEX: HEXDIGIT HEXDIGIT\n%import common.HEXDIGIT\n',
     ["00:1f:Ab:99", "0:1:2:3", "00:11:22", "00:11:22:gg"]),
    ('start: line+\nline: /[a-z]+/ COMMENT? LF\nCOMMENT: /#[^\\n]*/\n%import common.LF -> LF\n',
     ["a\n", "ab# c\nd\n", "a", "#\n", "a##\n"]),
    ('start: "x".."z" "\\x41" "\\u00e9" "\\"" /[^\\/]\\/./s\n', ['yAé"a/\n', 'xAé"ab', 'wAé"a/b', 'zAé"//b', 'zAé"é/é']),
    ('start: a\na: "(" a ")" | "[" a "]" |\n', ["", "()", "([()])", "([)]", "(()"]),
    ('start: item+\nitem: WORD | NUMBER | COMMENT\nCOMMENT: C_COMMENT | CPP_COMMENT\n'
     '%import common.WORD\n%import common.NUMBER\n%import common (C_COMMENT, CPP_COMMENT, WS_INLINE)\n'
     '%ignore WS_INLINE\n%ignore ","\n',
     ["abc 1.5", "/* x **/ y", "/* x */ */", "a,,b", "1e5 // end", "/**/", "/* *", "1e", ",a,"]),
    ('start: "select"i ITEM ("," ITEM)* "FROM"i ITEM\nITEM: /[a-z]+[0-9]?/\n%import common.WS\n%import common.WS\n%ignore WS\n',
     ["select a FROM b", "SELECT a1 , b From c", "s elect a from b", "selecta from b", "select a,b,c2fromd"]),
    ('start: QUOTED ("a" ~ 1 .. 3) \\\n  LINK?\nQUOTED: /[]x]|[^]y]z/\nLINK: /\\[[^]]*\\]/\n',
     ["]a", "xaa[link]", "qzaaa[]", "]zaa", "yza", "xaaaa", "xa[a]]"]),
    ('start: "\\d" "\\." | /[\\]\\\\]+/\n', ["\\d\\.", "]\\]", "d.", "\\d."]),
    ('start: _sep{"a"}\n', []),
    ('start: "a" | start "b"\n', []),
    ('start: A\nA: /a$/\n', []),
    ('start: A\nA: /(?=a)a/\n', []),
    ('start: A\nA: "a" B\n', []),
    ('start: "a" "b\n', []),
    ('begin: "a"\n', []),
    ('start: "a"\nstart: "b"\n', []),
    ('start: /a/x\n', []),
    ('start: "a"\n%declare B\n', []),
    ('start: "b".."a"\n', []),
    ('start: ("a"\n', []),
    ('start "a"\n', []),
]
MORE = "ab(1)+,\"[]=/*# \n:-xé."


def changed(text, rng):
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        i, j = sorted(rng.randint(0, len(text)) for _ in range(2))
        kind = rng.randint(0, 3)
        if kind == 0:
            text = text[:i] + rng.choice(MORE) + text[i:]
        elif kind == 1:
            text = text[:i] + text[i + 1:]
        elif kind == 2:
            text = text[:i] + text[i:j][:8] + text[i:]
        else:
            text = text[:i] + rng.choice(MORE) + text[i + 1:]
    return text


def main():
    rng = random.Random(1)
    cases = []
    for grammar, examples in GRAMMARS:
        if not examples:  # what we refuse; Lark may take it
            cases.append({"grammar": grammar, "texts": None})
            continue
        parser = lark.Lark(grammar, parser="earley", lexer="dynamic_complete")
        texts = dict.fromkeys(examples)
        while len(texts) < len(examples) + 150:
            texts[changed(rng.choice(examples), rng)] = None
        rows = []
        for text in texts:
            try:
                parser.parse(text)
                rows.append([text, True])
            except lark.exceptions.LarkError:
                rows.append([text, False])
        print(sum(ok for _, ok in rows), "of", len(rows), "accepted:", grammar.strip().splitlines()[0])
        cases.append({"grammar": grammar, "texts": rows})
    OUT.mkdir(exist_ok=True)
    text = json.dumps({"lark": lark.__version__, "cases": cases}, indent=0, ensure_ascii=False)
    (OUT / "cases.json").write_text(text + "\n")


main()
