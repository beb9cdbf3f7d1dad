#!/usr/bin/env python3
"""Hadal beside llama.cpp or ik_llama.cpp on the same GGUF files, interleaved, with bandwidth readings.

Each round runs every case on every engine in turn (the order rotates), each run in a process of its own with one
sample, and reads the memory bandwidth just before and after. Every sample goes to OUT.csv and OUT.json; medians and
ratios are printed as a Markdown table. See README.md beside this file.

usage: compare.py --hadal build/hadal --peer llama.cpp=PATH/llama-bench [--peer ik=PATH/llama-bench] MODEL.gguf...
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
from pathlib import Path

FIELDS = ["round", "model", "test", "n", "depth", "engine", "tok_s", "gb_s_before", "gb_s_after", "bytes_per_token"]


class Failure(Exception):
    """A run that gave no number; the message says which and why."""


def output_of(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        last = "\n".join(done.stderr.strip().splitlines()[-5:])
        raise Failure(f"{' '.join(command)}: exit {done.returncode}\n{last}")
    return done.stdout


def parsed(text, command):
    try:
        return json.loads(text)
    except json.JSONDecodeError as e:
        raise Failure(f"{' '.join(command)}: expected JSON on stdout: {e}") from e


class Hadal:
    def __init__(self, name, program, threads, extra=()):
        self.name, self.program, self.threads, self.extra = name, program, str(threads), extra

    def bandwidth(self):
        command = [self.program, "bench", "--bandwidth", "-t", self.threads]
        return parsed(output_of(command), command)["read_gb_s"]

    def sample(self, model, test, n, depth):
        """(tokens per second, bytes per decoded token or None)"""
        lengths = ["-p", str(n), "-n", "0"] if test == "prefill" else ["-p", "0", "-n", str(n)]
        command = [self.program, "bench", "-m", model, *lengths, "-d", str(depth), "-t", self.threads, "-r", "1",
                   "--json", *self.extra]
        result = parsed(output_of(command), command)["results"][0]
        return result["tok_s_all"][0], result.get("bytes_per_token")


class LlamaBench:
    """llama-bench of llama.cpp (-d) or of ik_llama.cpp (-gp for decode at a depth)."""

    def __init__(self, name, program, threads, extra):
        self.name, self.program, self.threads, self.extra = name, program, str(threads), extra
        done = subprocess.run([program, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        self.has_depth, self.has_gp = "--n-depth" in done.stdout, "-gp" in done.stdout

    def lengths(self, test, n, depth):
        plain = ["-p", str(n), "-n", "0"] if test == "prefill" else ["-p", "0", "-n", str(n)]
        if depth == 0:
            return plain
        if self.has_depth:
            return plain + ["-d", str(depth)]
        if self.has_gp and test == "decode":
            return ["-p", "0", "-n", "0", "-gp", f"{depth},{n}"]
        raise Failure(f"{self.name}: this llama-bench has no way to {test} at depth {depth}")

    def sample(self, model, test, n, depth):
        command = [self.program, "-m", model, *self.lengths(test, n, depth), "-t", self.threads, "-r", "1", "-o",
                   "json", *self.extra]
        entries = parsed(output_of(command), command)
        if not entries or not entries[-1].get("samples_ts"):
            raise Failure(f"{' '.join(command)}: no entry with samples_ts")
        return entries[-1]["samples_ts"][0], None


def run_case(samples, meter, engine, case, number):
    model, test, n, depth = case
    before = meter.bandwidth()
    tok_s, bytes_per_token = engine.sample(model, test, n, depth)
    after = meter.bandwidth()
    samples.append({"round": number, "model": Path(model).name, "test": test, "n": n, "depth": depth,
                    "engine": engine.name, "tok_s": tok_s, "gb_s_before": before, "gb_s_after": after,
                    "bytes_per_token": bytes_per_token})
    print(f"round {number}: {Path(model).name} {test} {n} @ {depth}: {engine.name} {tok_s:.2f} tok/s "
          f"(memory {before:.1f} / {after:.1f} GB/s)", file=sys.stderr, flush=True)


def run_rounds(args, meter, engines, write):
    cases = [(model, test, n, depth) for model in args.models for depth in args.depth
             for test, lengths in (("prefill", args.prompt), ("decode", args.gen)) for n in lengths if n > 0]
    samples, given_up = [], set()
    for number in range(1, args.rounds + 1):
        for case in cases:
            turn = number % len(engines)
            for engine in engines[turn:] + engines[:turn]:
                if (engine.name, case) in given_up:
                    continue
                try:
                    run_case(samples, meter, engine, case, number)
                except Failure as e:
                    given_up.add((engine.name, case))
                    print(f"left out from now on: {e}", file=sys.stderr, flush=True)
                write(samples)
    return samples


def by_round(samples, key, engine):
    """{round: sample} of one engine and case."""
    return {s["round"]: s for s in samples if s["engine"] == engine and case_of(s) == key}


def case_of(sample):
    return sample["model"], sample["test"], sample["n"], sample["depth"]


def reading(sample):
    return (sample["gb_s_before"] + sample["gb_s_after"]) / 2


def median_text(values, digits=2):
    if not values:
        return "-"
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}-{max(values):.{digits}f}]"


def compare(samples, peer, key):
    """A row of the table. Ratios are taken round by round, so both sides met the same weather."""
    ours, theirs = by_round(samples, key, "hadal"), by_round(samples, key, peer)
    both = sorted(ours.keys() & theirs.keys())
    ratios = [ours[r]["tok_s"] / theirs[r]["tok_s"] for r in both]
    row = {"model": key[0], "test": f"{key[1]} {key[2]}" + (f" @ {key[3]}" if key[3] else ""), "peer": peer,
           "hadal_tok_s": [s["tok_s"] for s in ours.values()], "peer_tok_s": [s["tok_s"] for s in theirs.values()],
           "read_gb_s": [reading(s) for s in [*ours.values(), *theirs.values()]], "ratios": ratios,
           "share": [], "ratios_fast_memory": []}
    if key[1] == "decode":
        row["share"] = [s["tok_s"] * s["bytes_per_token"] / 1e9 / reading(s) for s in ours.values()]
        # rounds in which memory could feed twice what the peer reaches: there memory does not bound the ratio
        row["ratios_fast_memory"] = [
            ours[r]["tok_s"] / theirs[r]["tok_s"] for r in both
            if min(reading(ours[r]), reading(theirs[r]))
            >= 2 * theirs[r]["tok_s"] * ours[r]["bytes_per_token"] / 1e9]
    return row


def rows_of(samples, engines):
    keys = list(dict.fromkeys(case_of(s) for s in samples))
    return [compare(samples, engine.name, key) for key in keys for engine in engines if engine.name != "hadal"]


def markdown(rows):
    lines = ["| model | test | peer | hadal tok/s | peer tok/s | ratio | ratio, memory >= 2x the peer's | memory GB/s | "
             "hadal's share of it |", "|---|---|---|---|---|---|---|---|---|"]
    for row in rows:
        fast = row["ratios_fast_memory"]
        lines.append("| " + " | ".join([
            row["model"], row["test"], row["peer"], median_text(row["hadal_tok_s"], 1),
            median_text(row["peer_tok_s"], 1), median_text(row["ratios"]),
            f"{median_text(fast)} ({len(fast)} of {len(row['ratios'])} rounds)" if fast else "-",
            median_text(row["read_gb_s"], 1), median_text(row["share"])]) + " |")
    return "\n".join(lines)


def writer(prefix):
    def write(samples):
        with open(f"{prefix}.csv", "w", newline="", encoding="utf-8") as f:
            table = csv.DictWriter(f, FIELDS)
            table.writeheader()
            table.writerows(samples)
    return write


def numbers(text):
    values = [int(part) for part in text.split(",")]
    if any(value < 0 for value in values):
        raise argparse.ArgumentTypeError(f"{text}: expected numbers from 0 up, separated by commas")
    return values


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL.gguf")
    parser.add_argument("--hadal", default="build/hadal", help="our program (default build/hadal)")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PATH", help="a llama-bench; repeatable")
    parser.add_argument("--as-stored", action="store_true",
                        help="hadal as a peer of itself, without the weights that `hadal arrange` has cached")
    parser.add_argument("--peer-args", default="", help="more flags for every peer, as one string")
    parser.add_argument("-p", "--prompt", type=numbers, default=[512], help="prompt lengths, 0: none (default 512)")
    parser.add_argument("-n", "--gen", type=numbers, default=[64], help="decode lengths, 0: none (default 64)")
    parser.add_argument("-d", "--depth", type=numbers, default=[0], help="context depths (default 0)")
    parser.add_argument("-t", "--threads", type=int, default=2)
    parser.add_argument("-r", "--rounds", type=int, default=5)
    parser.add_argument("--out", default="peers", help="prefix of the .csv and .json files (default peers)")
    args = parser.parse_args()
    if args.rounds < 1 or args.threads < 1:
        parser.error("--rounds and --threads begin at 1")
    for peer in args.peer:
        if "=" not in peer:
            parser.error(f"--peer {peer}: expected NAME=PATH")
    return args


def main():
    args = arguments()
    meter = Hadal("hadal", args.hadal, args.threads)
    engines = [meter]
    if args.as_stored:
        engines.append(Hadal("hadal --as-stored", args.hadal, args.threads, ["--as-stored"]))
    try:
        for peer in args.peer:
            name, path = peer.split("=", 1)
            engines.append(LlamaBench(name, path, args.threads, args.peer_args.split()))
        meter.bandwidth()
    except (OSError, Failure) as e:
        print(f"compare.py: {e}", file=sys.stderr)
        return 1
    samples = run_rounds(args, meter, engines, writer(args.out))
    rows = rows_of(samples, engines)
    with open(f"{args.out}.json", "w", encoding="utf-8") as f:
        json.dump({"threads": args.threads, "rounds": args.rounds, "rows": rows, "samples": samples}, f, indent=1)
    print(markdown(rows))
    return 0 if samples else 1


if __name__ == "__main__":
    sys.exit(main())
