#!/usr/bin/env python3
"""compare.py against programs that only pretend: what is run, in which order, and what comes out."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

COMPARE = Path(__file__).resolve().parent / "compare.py"

HADAL = """#!/bin/sh
echo "hadal $*" >>"$LOG"
case "$*" in
  *--bandwidth*) echo '{"threads": 2, "read_gb_s": 40.0}' ;;
  *"-n 0"*) echo '{"results": [{"tok_s_all": [300.0]}]}' ;;
  *) echo '{"results": [{"tok_s_all": [30.0], "bytes_per_token": 1e9}]}' ;;
esac
"""

PEER = """#!/bin/sh
case "$*" in
  --help) echo "HELP"; exit 0 ;;
esac
echo "peer $*" >>"$LOG"
case "$*" in
  *broken*) echo "unknown model architecture" >&2; exit 1 ;;
  *"-n 0"*) echo '[{"samples_ts": [100.0]}]' ;;
  *) echo '[{"samples_ts": [15.0]}]' ;;
esac
"""


class Compare(unittest.TestCase):
    def run_compare(self, *flags, help_text="-d, --n-depth <n>"):
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder, "log")
            for name, text in (("hadal", HADAL), ("peer", PEER.replace("HELP", help_text))):
                Path(folder, name).write_text(text)
                os.chmod(Path(folder, name), 0o755)
            done = subprocess.run(
                [sys.executable, COMPARE, "--hadal", f"{folder}/hadal", "--peer", f"llama={folder}/peer", "--out",
                 f"{folder}/out", *flags], env={**os.environ, "LOG": str(log)}, text=True, capture_output=True,
                check=False)
            result = json.loads(Path(folder, "out.json").read_text())
            lines = [line for line in log.read_text().splitlines() if "--bandwidth" not in line]
            n_rows = len(Path(folder, "out.csv").read_text().splitlines()) - 1
            return done, result, lines, n_rows

    def test_ratios_and_shares(self):
        done, result, _, n_rows = self.run_compare("a.gguf", "-r", "3")

        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(n_rows, 3 * 2 * 2)  # rounds, tests, engines
        prefill, decode = result["rows"]
        self.assertEqual(prefill["ratios"], [3.0] * 3)
        self.assertEqual(decode["ratios"], [2.0] * 3)
        self.assertEqual(decode["share"], [30.0 / 40.0] * 3)
        self.assertEqual(decode["ratios_fast_memory"], [2.0] * 3)  # 40 GB/s is at least twice 15
        self.assertIn("| a.gguf | prefill 512 | llama | 300.0 [300.0-300.0] | 100.0", done.stdout)

    def test_engines_take_turns(self):
        _, _, lines, _ = self.run_compare("a.gguf", "-r", "2", "-p", "0")

        self.assertEqual([line.split()[0] for line in lines], ["peer", "hadal", "hadal", "peer"])

    def test_depth_in_each_dialect(self):
        _, _, lines, _ = self.run_compare("a.gguf", "-r", "1", "-p", "0", "-d", "2048")
        self.assertIn("-p 0 -n 64 -d 2048 ", next(line for line in lines if line.startswith("peer")))

        _, _, lines, _ = self.run_compare("a.gguf", "-r", "1", "-p", "0", "-d", "2048", help_text="-gp <pp,tg>")
        self.assertIn("-gp 2048,64 ", next(line for line in lines if line.startswith("peer")))

    def test_a_peer_that_fails_is_left_out(self):
        done, result, lines, _ = self.run_compare("broken.gguf", "-r", "3", "-p", "0")

        self.assertEqual(done.returncode, 0)
        self.assertIn("unknown model architecture", done.stderr)
        self.assertEqual(sum(line.startswith("peer") for line in lines), 1)
        self.assertEqual(len(result["rows"][0]["hadal_tok_s"]), 3)
        self.assertEqual(result["rows"][0]["ratios"], [])


if __name__ == "__main__":
    unittest.main()
