#!/usr/bin/env python3
"""Compares every #include under src/ and apps/ with the dependency picture in docs/architecture.md.

The picture is the block fenced as ```layers: `part -> part, part`, a part being a folder under src/ or one file of
it; below it `<header> -> part, part` says who may include a third-party header. Exit code 1 and one line per
violation. An arrow that no code needs is noted, since a picture that allows too much protects too little.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "architecture.md"
INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)
SOURCES = {".h", ".cpp", ".inc"}


def read_picture():
    """{part: set of parts it may include}, {third-party prefix: set of parts that may include it}."""
    block = re.search(r"^```layers\n(.*?)^```", PICTURE.read_text(), re.MULTILINE | re.DOTALL)
    if not block:
        sys.exit(f"{PICTURE}: expected a block fenced as ```layers, found none")
    parts, third_party = {}, {}
    for line in block.group(1).splitlines():
        left, arrow, right = (line.split("#")[0]).partition("->")
        if not arrow:
            continue
        left, names = left.strip(), {name.strip() for name in right.split(",") if name.strip()}
        (third_party if left.startswith("<") else parts)[left.strip("<>")] = names
    return parts, third_party


def part_of(path, parts):
    """The longest part that `path` (relative to src/) lies in, or None."""
    owners = [part for part in parts if path == part or path.startswith(part + "/")]
    return max(owners, key=len, default=None)


def main():
    parts, third_party = read_picture()
    problems, used, n_includes = [], set(), 0
    files = [f for top in ("src", "apps") for f in sorted((ROOT / top).rglob("*")) if f.suffix in SOURCES]
    for file in files:
        where = file.relative_to(ROOT)
        own = "apps" if where.parts[0] == "apps" else part_of(str(where.relative_to("src")), parts)
        if own is None:
            problems.append(f"{where}: lies in no part of the picture")
            continue
        text = file.read_text(encoding="utf-8")
        for match in INCLUDE.finditer(text):
            n_includes += 1
            line = text.count("\n", 0, match.start(1) if match.group(1) else match.start(2)) + 1
            quoted, system = match.groups()
            if system:
                for prefix, allowed in third_party.items():
                    if system.startswith(prefix):
                        used.add((prefix, own))
                        if own not in allowed:
                            problems.append(f"{where}:{line}: {own} may not include <{system}>")
                continue
            if own == "apps" and (ROOT / "apps" / quoted).exists():
                continue
            if ".." in quoted or not (ROOT / "src" / quoted).exists():
                problems.append(f'{where}:{line}: "{quoted}" is no path below src/')
                continue
            target = part_of(quoted, parts)
            used.add((own, target))
            if target != own and target not in parts[own]:
                problems.append(f"{where}:{line}: {own} may not include {quoted} ({target})")
    arrows = [(a, b) for a, names in [*parts.items(), *third_party.items()] for b in sorted(names)]
    for a, b in arrows:
        if (a, b) not in used:
            print(f"note: {PICTURE.name}: no #include needs {a} -> {b}")
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"layers: {len(files)} files, {n_includes} includes, {len(problems)} against the picture")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
