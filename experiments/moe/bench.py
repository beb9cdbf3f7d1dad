#!/usr/bin/env python3
"""Speed of the study's models: prefill and decode of one stream, on one and two threads.

usage: bench.py [HADAL [RUNS]]      (default: build/hadal experiments/moe/runs)

Rounds go through all models in turn, each in a process of its own, so that a slow minute meets all of them; the medians are
written to RUNS/<name>-s1/bench.json. Nothing else should run.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 7


def sample(hadal, model):
    command = [hadal, "bench", "-m", str(model), "-p", "256", "-n", "128", "-t", "1,2", "-r", "1", "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def main():
    hadal = sys.argv[1] if len(sys.argv) > 1 else "build/hadal"
    runs = Path(sys.argv[2] if len(sys.argv) > 2 else "experiments/moe/runs")
    models = sorted(runs.glob("*-s1"))
    samples = {model: {} for model in models}
    machine = None
    for number in range(ROUNDS):
        for model in models:
            output = sample(hadal, model)
            machine = output["machine"]
            for result in output["results"]:
                samples[model].setdefault((result["test"], result["threads"]), []).append(result["tok_s"])
        print(f"round {number + 1} of {ROUNDS}", file=sys.stderr)
    for model in models:
        results = [{"test": test, "threads": threads, "tok_s": statistics.median(all_), "tok_s_all": all_}
                   for (test, threads), all_ in samples[model].items()]
        (model / "bench.json").write_text(json.dumps({"machine": machine, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
