#!/usr/bin/env python3
"""Do Hadal and llama.cpp compute the same, and which of them rounds more? Type by type, on the same GGUF files.

Python 3 and its standard library; g++; a folder of llama.cpp with include/, ggml/include/ and, built in build/bin,
libllama, libggml, libggml-base and llama-quantize. See README.md beside this file and docs/accuracy.md.
"""

import argparse
import array
import json
import math
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONFIG = HERE.parent / "models" / "agree.json"

N_POSITIONS = 1024
N_TRAINED_POSITIONS = 1000
# Random weights give nearly flat predictions. All logits are multiplied by this before the softmax, which is the same
# as a language-model head four times as large.
SHARPEN = 4.0

MAX_DIFFERENCE = 1e-3  # of max |logit|, F32 and BF16
MAX_BETWEEN = 1.5  # KL between the engines over the sum of their KLs to the float32 run
MAX_RATIO = 1.1  # Hadal's KL over llama.cpp's
MIN_TOP1 = 0.99  # the trained model
MAX_TRAINED_KL = 1e-3

HADAL_TYPES = ["q8_0", "mxfp4", "q4_0", "q4_k", "q5_k", "q6_k"]
# llama-quantize's name; whether every matrix gets the type, or llama-quantize's own mixture is taken.
LLAMA_TYPES = [("Q8_0", True), ("MXFP4_MOE", True), ("Q4_0", True), ("Q4_K_M", True), ("Q5_K_M", True), ("Q6_K", True),
               ("Q2_K", True), ("Q3_K_M", True), ("IQ2_XXS", True), ("IQ4_XS", True), ("Q4_K_M", False)]


class Failed(Exception):
    """A program that was run failed; the text says which and why."""


# ---- programs


def run(*command, stdin=None):
    command = [str(part) for part in command]
    done = subprocess.run(command, input=stdin, text=True, errors="replace", capture_output=True,
                          check=False)
    if done.returncode != 0:
        lines = [line for line in done.stderr.strip().splitlines() if "rror" in line][:1] or \
            done.stderr.strip().splitlines()[-2:]
        raise Failed(f"{Path(command[0]).name} {command[1]}: {' / '.join(lines) or done.returncode}")
    return done.stdout


class Hadal:
    """The program under test."""

    def __init__(self, program, work):
        self.program, self.work = program, work

    def make(self, verb, out, *flags):
        if not out.exists():
            run(self.program, verb, "--out", out, *flags)
        return out

    def convert(self, model, out, dtype):
        return self.make("convert", out, "-m", model, "--format", "gguf", "--dtype", dtype)

    def logits(self, model, tokens, *flags):
        out = run(self.program, "logits", "-m", model, "--tokens", ",".join(map(str, tokens)), "--json", *flags)
        return [array.array("f", row) for row in json.loads(out)["logits"]]


class Llama:
    """llama.cpp: its library through llama_logits.cpp, and its llama-quantize."""

    def __init__(self, folder, work):
        self.bin, self.work = folder / "build" / "bin", work
        self.logits_program = work / "llama_logits"
        run("g++", "-std=c++17", "-O1", HERE / "llama_logits.cpp", f"-I{folder}/include", f"-I{folder}/ggml/include",
            f"-L{self.bin}", "-lllama", "-lggml", "-lggml-base", f"-Wl,-rpath,{self.bin}", "-o", self.logits_program)

    def quantize(self, model, out, name, *flags):
        if not out.exists():
            run(self.bin / "llama-quantize", *flags, model, out, name)
        return out

    def logits(self, model, tokens):
        ids, out = self.work / "tokens.txt", self.work / "llama.f32"
        ids.write_text("\n".join(map(str, tokens)))
        run(self.logits_program, model, ids, out)
        values = array.array("f", out.read_bytes())
        n = len(values) // len(tokens)
        return [values[i * n:(i + 1) * n] for i in range(len(tokens))]


def write_flat_importance(config, path):
    """An importance matrix of ones, in llama.cpp's old form: llama-quantize makes no IQ2_XXS without one."""
    hidden, inner, rank = config["hidden_size"], config["moe_intermediate_size"], config["q_lora_rank"]
    group = config["num_attention_heads"] * config["head_dim"] // config["o_groups"]
    columns = {"ffn_gate_exps": hidden, "ffn_up_exps": hidden, "ffn_down_exps": inner, "ffn_gate_shexp": hidden,
               "ffn_up_shexp": hidden, "ffn_down_shexp": inner, "attn_q_a": hidden, "attn_q_b": rank,
               "attn_kv": hidden, "attn_output_a": group, "attn_output_b": config["o_groups"] * config["o_lora_rank"],
               "attn_compressor_kv": hidden, "attn_compressor_gate": hidden, "indexer.attn_q_b": rank,
               "indexer.proj": hidden, "indexer_compressor_kv": hidden, "indexer_compressor_gate": hidden,
               "hc_attn_fn": hidden * config["hc_mult"], "hc_ffn_fn": hidden * config["hc_mult"]}
    entries = [("token_embd.weight", hidden), ("output.weight", hidden), ("output_hc_fn.weight", 4 * hidden)]
    for layer, ratio in enumerate(config["compress_ratios"][:config["num_hidden_layers"]]):
        series = 2 if ratio == 4 else 1
        biases = {"attn_compressor_ape": series * config["head_dim"],
                  "indexer_compressor_ape": series * config["index_head_dim"]}
        for name, n in (columns | biases).items():
            stack = config["n_routed_experts"] if name.endswith("_exps") else 1
            entries.append((f"blk.{layer}.{name}.weight", n * stack))
    with path.open("wb") as out:
        out.write(struct.pack("<i", len(entries)))
        for name, n in entries:
            out.write(struct.pack("<i", len(name)) + name.encode() + struct.pack("<ii", 1, n))
            out.write(array.array("f", [1.0] * n).tobytes())


# ---- measures


class Prediction:
    """Logits of all positions, and what log-softmax needs."""

    def __init__(self, rows, sharpen=1.0):
        self.rows = rows if sharpen == 1.0 else [[sharpen * x for x in row] for row in rows]
        self.log_sums = []
        for row in self.rows:
            top = max(row)
            self.log_sums.append(top + math.log(sum(math.exp(x - top) for x in row)))

    def top1(self):
        return [max(range(len(row)), key=row.__getitem__) for row in self.rows]


def mean_kl(p, q):
    """Mean over positions of KL(p || q), in nats."""
    total = 0.0
    for p_row, q_row, p_sum, q_sum in zip(p.rows, q.rows, p.log_sums, q.log_sums):
        shift = q_sum - p_sum
        total += sum(math.exp(a - p_sum) * (a - b + shift) for a, b in zip(p_row, q_row))
    return total / len(p.rows)


def top1_equal(p, q):
    return sum(a == b for a, b in zip(p.top1(), q.top1())) / len(p.rows)


def largest_difference(a, b):
    """max |a - b| / max |a|"""
    scale = max(abs(x) for row in a for x in row)
    return max(abs(x - y) for p, q in zip(a, b) for x, y in zip(p, q)) / scale


# ---- the three parts


def verdict(ok):
    return "pass" if ok else "FAIL"


def floats(hadal, llama, work):
    """(a) F32 and BF16."""
    tokens = random_tokens()
    f32 = hadal.make("synth", work / "f32.gguf", "--config", CONFIG, "--format", "gguf", "--dtype", "f32")
    bf16 = hadal.make("synth", work / "bf16.gguf", "--config", CONFIG, "--format", "gguf", "--dtype", "bf16")
    widened = hadal.convert(bf16, work / "bf16-f32.gguf", "f32")
    ours, ours_bf16 = hadal.logits(f32, tokens), hadal.logits(bf16, tokens)
    theirs, theirs_bf16, theirs_widened = (llama.logits(file, tokens) for file in (f32, bf16, widened))
    cases = [("F32, both", ours, theirs, True),
             ("BF16; llama.cpp reads the same values as F32", ours_bf16, theirs_widened, True),
             ("BF16, both (llama.cpp rounds activations to BF16)", ours_bf16, theirs_bf16, False),
             ("llama.cpp alone: BF16, and the same values as F32", theirs_widened, theirs_bf16, False)]
    rows = []
    for name, a, b, judged in cases:
        difference = largest_difference(a, b)
        rows.append({"case": name, "difference": difference,
                     "result": verdict(difference <= MAX_DIFFERENCE) if judged else "-"})
    return rows


def compare_type(hadal, llama, work, file, tokens):
    """One quantised file on both sides, against the float32 run of its dequantised weights."""
    plain = hadal.convert(file, work / f"{file.stem}-dequantised.gguf", "f32")
    also_plain = plain  # llama-quantize would leave the BF16 router of native files, and round its activations
    if "native" not in file.stem:
        also_plain = llama.quantize(file, work / f"{file.stem}-dequantised-llama.gguf", "F32", "--allow-requantize")
    truth_rows = hadal.logits(plain, tokens)
    truth_gap = largest_difference(truth_rows, llama.logits(also_plain, tokens))
    for dequantised in {plain, also_plain}:
        dequantised.unlink()
    truth = Prediction(truth_rows, SHARPEN)
    ours = Prediction(hadal.logits(file, tokens), SHARPEN)
    exact = Prediction(hadal.logits(file, tokens, "--exact"), SHARPEN)
    theirs = Prediction(llama.logits(file, tokens), SHARPEN)
    kl_ours, kl_exact, kl_theirs = (mean_kl(truth, engine) for engine in (ours, exact, theirs))
    between = mean_kl(theirs, ours)
    sum_kl = kl_ours + kl_theirs
    row = {"kl_hadal": kl_ours, "kl_exact": kl_exact, "kl_llama": kl_theirs, "ratio": kl_ours / kl_theirs,
           "kl_between": between, "between_over_sum": between / sum_kl, "top1_equal": top1_equal(ours, theirs),
           "dequantised_difference": truth_gap}
    row["result"] = verdict(row["ratio"] <= MAX_RATIO and row["between_over_sum"] <= MAX_BETWEEN
                            and truth_gap <= MAX_DIFFERENCE)
    return row


def quantised_files(hadal, llama, work, f32):
    """(type, who wrote it, file); a file that could not be made is the error."""
    for name in HADAL_TYPES:
        yield name.upper(), "hadal quantize", lambda name=name: hadal.make(
            "quantize", work / f"hadal-{name}.gguf", "-m", f32, "--type", name, "--type-rest", name)
    yield "native", "hadal convert", lambda: hadal.convert(f32, work / "hadal-native.gguf", "native")
    flat = work / "importance.dat"
    write_flat_importance(json.loads(CONFIG.read_text()), flat)
    for name, pure in LLAMA_TYPES:
        flags = (["--pure"] if pure else []) + (["--imatrix", flat] if name == "IQ2_XXS" else [])
        yield name.removesuffix("_M").removesuffix("_MOE") if pure else f"{name} mixture", "llama-quantize", \
            lambda name=name, flags=flags, pure=pure: llama.quantize(
                f32, work / f"llama-{name}{'' if pure else '-mixture'}.gguf", name, *flags)


def quantised(hadal, llama, work):
    """(b) each quantised type."""
    tokens = random_tokens()
    f32 = hadal.make("synth", work / "f32.gguf", "--config", CONFIG, "--format", "gguf", "--dtype", "f32")
    rows = []
    for name, writer, make in quantised_files(hadal, llama, work, f32):
        try:
            row = compare_type(hadal, llama, work, make(), tokens)
        except Failed as failed:
            row = {"error": str(failed), "result": "FAIL"}
        rows.append({"type": name, "writer": writer, **row})
        print(f"{name}, {writer}: {rows[-1]['result']}", file=sys.stderr)
    return rows


def trained(hadal, llama, work):
    """(c) the trained built-in model, and how it does where llama.cpp refuses it."""
    tokens = episode_tokens(hadal)
    rows = []
    for name in ("q8_0", "mxfp4"):
        file = hadal.make("quantize", work / f"builtin-{name}.gguf", "-m", "builtin", "--type", name,
                          "--type-rest", name)
        truth = Prediction(predict(hadal, hadal.convert(file, work / f"builtin-{name}-f32.gguf", "f32"), tokens))
        engines = {"Hadal": Prediction(predict(hadal, file, tokens))}
        row = {"type": name.upper(), "kl_hadal": mean_kl(truth, engines["Hadal"]),
               "top1_hadal": top1_equal(truth, engines["Hadal"])}
        try:
            theirs = Prediction(predict(llama, file, tokens))
            row |= {"kl_llama": mean_kl(truth, theirs), "kl_between": mean_kl(theirs, engines["Hadal"]),
                    "top1_equal": top1_equal(theirs, engines["Hadal"])}
            row["result"] = verdict(row["top1_equal"] >= MIN_TOP1 and row["kl_between"] < MAX_TRAINED_KL)
        except Failed as failed:
            row |= {"refused": str(failed), "result": "-"}  # nothing to agree with
        rows.append(row)
    return rows


def predict(engine, model, episodes):
    return [row for tokens in episodes for row in engine.logits(model, tokens)]


def random_tokens():
    vocab_size = json.loads(CONFIG.read_text())["vocab_size"]
    draw = random.Random(1)
    return [draw.randrange(3, vocab_size) for _ in range(N_POSITIONS)]


def episode_tokens(hadal):
    """Episodes that the built-in model played, as text, cut off at 1,000 tokens in all."""
    episodes, left = [], N_TRAINED_POSITIONS
    for seed in range(1000):
        text = run(hadal.program, "play", "--seed", seed, "--depth", 1 + seed % 3)
        text = "\n".join(text.splitlines()[:-1])  # the last line tells the speed
        tokens = json.loads(run(hadal.program, "tokenize", "--special", stdin=text))[:left]
        episodes.append(tokens)
        left -= len(tokens)
        if left == 0:
            return episodes
    raise Failed("episodes without tokens")


# ---- output


def print_table(header, rows):
    print("| " + " | ".join(header) + " |")
    print("|" + "---|" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    print()


def print_floats(rows):
    print(f"F32 and BF16: largest difference of a logit, in max |logit| (limit {MAX_DIFFERENCE:g}), "
          f"{N_POSITIONS} positions\n")
    print_table(["file", "difference", "result"],
                [[row["case"], f"{row['difference']:.1e}", row["result"]] for row in rows])


def print_quantised(rows):
    print(f"Quantised: mean KL in nats to the float32 run of the dequantised weights, {N_POSITIONS} positions\n")
    table = []
    for row in rows:
        if "error" in row:
            table.append([row["type"], row["writer"], row["error"], *[""] * 7, row["result"]])
            continue
        table.append([row["type"], row["writer"], f"{row['kl_hadal']:.2e}", f"{row['kl_exact']:.0e}",
                      f"{row['kl_llama']:.2e}", f"{row['ratio']:.2f}", f"{row['kl_between']:.2e}",
                      f"{row['between_over_sum']:.2f}", f"{100 * row['top1_equal']:.1f} %",
                      f"{row['dequantised_difference']:.0e}", row["result"]])
    print_table(["type", "written by", "Hadal", "Hadal --exact", "llama.cpp", f"Hadal / llama.cpp (<= {MAX_RATIO})",
                 "between", f"between / sum (<= {MAX_BETWEEN})", "same top-1", "dequantised, difference", "result"],
                table)


def print_trained(rows):
    print(f"The built-in model: {N_TRAINED_POSITIONS} positions of its own episodes, mean KL in nats\n")
    table = []
    for row in rows:
        peer = row.get("refused") or (f"KL {row['kl_llama']:.1e}; between {row['kl_between']:.1e}, "
                                      f"same top-1 {100 * row['top1_equal']:.1f} %")
        table.append([row["type"], f"{row['kl_hadal']:.1e}", f"{100 * row['top1_hadal']:.1f} %", peer, row["result"]])
    print_table(["type", "Hadal, KL to float32", "same top-1 as float32", "llama.cpp", "result"], table)


PARTS = {"floats": (floats, print_floats), "quantised": (quantised, print_quantised),
         "trained": (trained, print_trained)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hadal", type=Path, required=True, help="the program")
    parser.add_argument("--llama", type=Path, required=True, help="folder of llama.cpp, built in build/")
    parser.add_argument("--work", type=Path, help="folder for files, kept (default: a temporary one)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--json", type=Path, help="also write the figures here")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = (flags.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        results = {}
        try:
            hadal = Hadal(flags.hadal.resolve(), work)
            llama = Llama(flags.llama.resolve(), work)
            for name in flags.parts:
                measure, show = PARTS[name]
                results[name] = measure(hadal, llama, work)
                show(results[name])
        except (Failed, OSError) as failed:
            sys.exit(f"agree.py: {failed}")
    if flags.json:
        flags.json.write_text(json.dumps(results, indent=1))
    if any(row["result"] == "FAIL" for rows in results.values() for row in rows):
        sys.exit(1)


if __name__ == "__main__":
    main()
