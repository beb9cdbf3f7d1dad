#!/usr/bin/env python3
"""How a decode step would scale to more threads: the calculation of docs/threads.md. usage: scale.py [STEP_FILE]

STEP_FILE (default decode_step.txt beside this script) holds one decode step on two threads, one line per run of the
thread pool: number of tasks, start, duration (us). It was recorded on 2026-11-24 (2-core Zen 4 VM, six-layer slice with
MXFP4 experts, position 515) by printing the three numbers at the end of ThreadPool::run:

    hadal logits -m slice-mxfp4.gguf --tokens 5,6,...,520 --decode-from 510

Assumed: a task takes as long as on two threads, unless all bytes of its run at the machine's bandwidth take longer; what
lies between runs stays on the caller; a run costs RUN_US beside its tasks.
"""

import math
import sys
from pathlib import Path

BYTES = 1.556e9  # read by the step: `hadal bench --json`, bytes_per_token
MACHINES = [(16, 100, 2.5), (32, 200, 4.0), (64, 400, 5.0)]  # threads, GB/s, RUN_US


def main():
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("decode_step.txt")
    lines = [line.split() for line in file.read_text().splitlines() if not line.startswith("#")]
    runs = [(int(n), float(start), float(duration)) for n, start, duration in lines]
    in_runs = sum(duration for _, _, duration in runs)
    alone = runs[-1][1] + runs[-1][2] - runs[0][1] - in_runs
    print(f"{len(runs)} runs, {in_runs / 1e3:.1f} ms in them, {alone / 1e3:.1f} ms between them (two threads)")
    for threads, bandwidth, run_us in MACHINES:
        floor = BYTES / bandwidth / 1e3
        tasks = 0.0
        for n, _, duration in runs:
            one_task = 2 * duration / n
            tasks += max(math.ceil(n / threads) * one_task, floor * duration / in_runs)
        step = tasks + alone + run_us * len(runs)
        print(f"{threads} threads, {bandwidth} GB/s: weights {floor / 1e3:.1f} ms, tasks {tasks / 1e3:.1f}, alone {alone / 1e3:.1f},"
              f" runs {run_us * len(runs) / 1e3:.1f}: {step / 1e3:.1f} ms, {100 * floor / step:.0f} % of the bandwidth")


if __name__ == "__main__":
    main()
