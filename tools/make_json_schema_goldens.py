#!/usr/bin/env python3
"""Writes tests/golden/json_schema/suite.json from a checkout (or bare clone) of the JSON-Schema-Test-Suite.

usage: make_json_schema_goldens.py GIT_DIR

Keeps draft 2020-12 without comments, one list of groups per file: {"file": [[description, schema, [[description,
instance, valid], ...]], ...]}. Left out: format.json (there `format` is an annotation; we enforce it) and files whose
schemas need other documents (refRemote, vocabulary). Of optional/format/ the formats that we know.
"""

import json
import subprocess
import sys
from pathlib import Path

FORMATS = "date time date-time uuid ipv4 email hostname uri duration".split()
LEFT_OUT = {"format.json", "refRemote.json", "vocabulary.json"}
OUT = Path(__file__).resolve().parent.parent / "tests" / "golden" / "json_schema"


def git(*args):
    return subprocess.run(["git", "--git-dir", sys.argv[1], *args], check=True, capture_output=True, text=True).stdout


def main():
    base = "tests/draft2020-12/"
    names = [n[len(base):] for n in git("ls-tree", "--name-only", "HEAD", base).split() if n.endswith(".json")]
    names = [n for n in names if n not in LEFT_OUT] + [f"optional/format/{f}.json" for f in FORMATS]
    suite = {}
    for name in names:
        groups = json.loads(git("show", f"HEAD:{base}{name}"))
        suite[name] = [[g["description"], g["schema"], [[t["description"], t["data"], t["valid"]] for t in g["tests"]]]
                       for g in groups]
    (OUT / "suite.json").write_text(json.dumps(suite, separators=(",", ":")).replace('],[[', '],\n[['))
    (OUT / "LICENSE").write_text(git("show", "HEAD:LICENSE"))
    print(git("log", "-1", "--format=%H").strip(), len(suite), "files")


main()
