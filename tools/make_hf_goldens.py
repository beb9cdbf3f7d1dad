#!/usr/bin/env python3
"""Writes the golden logits in tests/golden/hf with Hugging Face transformers as the oracle.

Needs torch, transformers (>= 5.23, which has deepseek_v4) and numpy; nothing is downloaded. The engine's tests read only the
small JSON files written here, so CI needs no Python package.

    python3 tools/make_hf_goldens.py --out tests/golden/hf            write every file (about a minute)
    python3 tools/make_hf_goldens.py --out DIR --only t5,t7           some files
    python3 tools/make_hf_goldens.py --check tests/golden/hf          recompute and compare with the files, write nothing

Before anything is written the script checks its weight generator against appendix A.1 of deepseek-v4.md, and transformers
against the logits printed in A.2; the run fails when either disagrees.

Format of a file
----------------
    {
      "format":   "hadal-hf-golden-1",
      "test":     "T5",                  row of the test plan, deepseek-v4.md section 14 ("G1": appendix A.2)
      "note":     "...",
      "pedigree": {transformers, torch, numpy, script, weights, tokens, precision, date},
      "cases": [
        {
          "name":           "T5 S=129",
          "config":         {...},       a config.json; forms differ between tests on purpose (published / Hugging Face)
          "tokens":         [11, 21, ...],
          "first_position": 65535,       absolute position of tokens[0]; only in T14, else 0
          "rows":           [0, 127, 128],         indices into tokens whose logits are listed
          "logits":         [[...], [...], [...]], one row of vocab_size numbers for every entry of rows; 9 digits: exact float32
          "min_router_gap": 1.2e-3,      smallest distance of a selection from a tie over all positions <= last row;
          "min_index_gap":  4.5e-4       absent when nothing was ever left out
        }
      ]
    }
    T14 has in addition "rope_tables": [{"table": "main" | "compress", "config": {...}, "frequencies": [...],
    "positions": [...], "cos": [[...]], "sin": [[...]]}], one row per position and one entry per channel pair.

Weights are not stored: value k of tensor `name` (original DeepSeek naming, deepseek-v4.md 8.2) follows from name and k (A.1),
tokens are (7 i^2 + 3 i + 11) mod vocab_size. A row is listed only if every top-k choice at its position and before it is at
least MIN_GAP away from a tie, because the order of equal scores is not defined.
"""

import argparse
import copy
import datetime
import json
import math
import pathlib
import re
import sys
import tempfile

import numpy as np
import torch
import transformers
from transformers import DeepseekV4Config, DeepseekV4ForCausalLM
from transformers.models.deepseek_v4.modeling_deepseek_v4 import DeepseekV4RotaryEmbedding

MIN_GAP = 1e-5  # ten times the limit of section 14, because two float32 programs differ by up to 1e-6 in a score
SPEC_TOLERANCE = 2e-5  # agreement with the logits of A.2, which were made with another implementation
SPEC_SUM_TOLERANCE = 1e-3


# ---- weights (appendix A.1) --------------------------------------------------------------------------------------------


def fnv1a64(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = ((h ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def splitmix64(name, count):
    """Elements 0..count-1 of the stream of `name`, as uint64."""
    with np.errstate(over="ignore"):
        k = np.arange(1, count + 1, dtype=np.uint64)
        z = np.uint64(fnv1a64(name)) + k * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def dense_tensor(name, shape):
    z = splitmix64(name, math.prod(shape))
    r = 2.0 * ((z >> np.uint64(40)).astype(np.float64) * 2.0**-24) - 1.0
    if "norm" in name or name.endswith("_scale"):
        value = 1.0 + 0.25 * r
    elif name.endswith(("_base", "ape", "attn_sink", "gate.bias")):
        value = 0.7 * r
    else:
        value = r * 2.5 / math.sqrt(shape[-1])
    return torch.from_numpy(value.astype(np.float32).reshape(shape))


def hash_table(name, vocab_size, per_token, experts):
    first = (splitmix64(name, vocab_size) >> np.uint64(33)) % np.uint64(experts)
    rows = (first[:, None].astype(np.int64) + np.arange(per_token)) % experts
    return torch.from_numpy(rows)


# ---- names: Hugging Face -> original (section 8.2) ---------------------------------------------------------------------

RENAMES = [
    (r"^model\.", ""),
    (r"^embed_tokens\.", "embed."),
    (r"^lm_head\.", "head."),
    (r"^hc_head\.hc_", "hc_head_"),
    (r"\.input_layernorm\.", ".attn_norm."),
    (r"\.post_attention_layernorm\.", ".ffn_norm."),
    (r"\.(attn|ffn)_hc\.", r".hc_\1_"),
    (r"\.self_attn\.compressor\.indexer\.(scorer\.)?weights_proj\.", ".attn.indexer.weights_proj."),
    (r"\.self_attn\.compressor\.indexer\.q_b_proj\.", ".attn.indexer.wq_b."),
    (r"\.self_attn\.compressor\.indexer\.", ".attn.indexer.compressor."),
    (r"\.self_attn\.", ".attn."),
    (r"\.compressor\.kv_norm\.", ".compressor.norm."),
    (r"\.position_bias$", ".ape"),
    (r"\.q_a_norm\.", ".q_norm."),
    (r"\.sinks$", ".attn_sink"),
    (r"\.mlp\.", ".ffn."),
    (r"\.e_score_correction_bias$", ".bias"),
    (r"\.shared_experts\.gate_proj\.", ".shared_experts.w1."),
    (r"\.shared_experts\.down_proj\.", ".shared_experts.w2."),
    (r"\.shared_experts\.up_proj\.", ".shared_experts.w3."),
    (r"\.q_a_proj\.", ".wq_a."),
    (r"\.q_b_proj\.", ".wq_b."),
    (r"\.kv_proj\.", ".wkv."),
    (r"\.gate_proj\.", ".wgate."),
    (r"\.o_a_proj\.", ".wo_a."),
    (r"\.o_b_proj\.", ".wo_b."),
]


def original_name(name):
    for pattern, replacement in RENAMES:
        name = re.sub(pattern, replacement, name)
    return name


def generated(name, shape, config):
    """The value of the Hugging Face tensor `name`, made from original names only."""
    original = original_name(name)
    if original.endswith(".gate.tid2eid"):
        return hash_table(original, shape[0], shape[1], config.n_routed_experts)
    if original.endswith(".experts.gate_up_proj"):
        stem, half = original.removesuffix("gate_up_proj"), [shape[1] // 2, shape[2]]
        return torch.stack(
            [torch.cat([dense_tensor(f"{stem}{x}.{w}.weight", half) for w in ("w1", "w3")]) for x in range(shape[0])]
        )
    if original.endswith(".experts.down_proj"):
        stem = original.removesuffix("down_proj")
        return torch.stack([dense_tensor(f"{stem}{x}.w2.weight", shape[1:]) for x in range(shape[0])])
    return dense_tensor(original, shape)


def build_model(config_json):
    config = DeepseekV4Config.from_dict(copy.deepcopy(config_json))
    config._attn_implementation = "eager"
    config._experts_implementation = "eager"
    model = DeepseekV4ForCausalLM(config).to(torch.float32).eval()
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            tensor.copy_(generated(name, list(tensor.shape), config))
    return model


# ---- running -----------------------------------------------------------------------------------------------------------


def token_ids(count, vocab_size):
    return [(7 * i * i + 3 * i + 11) % vocab_size for i in range(count)]


class GapRecorder:
    """Distance from a tie of every top-k choice, per position: the last score taken minus the first one left out."""

    def __init__(self, model):
        self.router, self.index, self.handles = [], [], []
        for module in model.modules():
            kind = type(module).__name__
            if kind == "DeepseekV4TopKRouter":
                self.handles.append(module.register_forward_hook(self.on_router))
            elif kind == "DeepseekV4Indexer":
                hook = lambda scorer, inputs, scores, indexer=module: self.on_scores(indexer, scores)
                self.handles.append(module.scorer.register_forward_hook(hook))

    def on_router(self, router, inputs, outputs):
        if router.top_k >= router.num_experts:
            return
        scores = router.score_fn(outputs[0]) + router.e_score_correction_bias
        top = torch.topk(scores, router.top_k + 1, dim=-1).values
        self.router.append((top[:, -2] - top[:, -1]).numpy())

    def on_scores(self, indexer, scores):
        gaps = np.full(scores.shape[1], np.inf)
        for p in range(scores.shape[1]):
            visible = (p + 1) // indexer.compress_rate
            if visible > indexer.index_topk:
                top = torch.topk(scores[0, p, :visible], indexer.index_topk + 1).values
                gaps[p] = float(top[-2] - top[-1])
        self.index.append(gaps)

    def up_to_each_position(self, gaps):
        return np.minimum.accumulate(np.min(gaps, axis=0)) if gaps else None

    def close(self):
        for handle in self.handles:
            handle.remove()


def run_one_shot(model, tokens, first_position):
    recorder = GapRecorder(model)
    positions = torch.arange(first_position, first_position + len(tokens)).unsqueeze(0)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([tokens]), position_ids=positions, use_cache=False).logits[0]
    recorder.close()
    return logits, recorder.up_to_each_position(recorder.router), recorder.up_to_each_position(recorder.index)


def nine_digits(values):
    return [float(f"{float(v):.9g}") for v in values]


def make_case(name, config, model, length, rows=None, first_position=0):
    tokens = token_ids(length, config["vocab_size"])
    logits, router_gap, index_gap = run_one_shot(model, tokens, first_position)
    kept = []
    for row in sorted(set(rows if rows is not None else [length - 1])):
        gaps = [float(g[row]) for g in (router_gap, index_gap) if g is not None]
        if min(gaps, default=math.inf) < MIN_GAP:
            print(f"{name}: row {row} left out, a selection is within {MIN_GAP} of a tie", file=sys.stderr)
        else:
            kept.append(row)
    if not kept:
        return None
    case = {"name": name, "config": config, "tokens": tokens}
    if first_position:
        case["first_position"] = first_position
    case |= {"rows": kept, "logits": [nine_digits(logits[row]) for row in kept]}
    for key, gap in (("min_router_gap", router_gap), ("min_index_gap", index_gap)):
        if gap is not None and math.isfinite(gap[kept[-1]]):
            case[key] = float(f"{gap[kept[-1]]:.3g}")
    return case


# ---- configurations (section 14, on top of the values of 1.3) ----------------------------------------------------------


def published(**changes):
    """A config.json with the published keys; the values are those of the Hugging Face model tester unless changed."""
    base = {
        "architectures": ["DeepseekV4ForCausalLM"],
        "model_type": "deepseek_v4",
        "vocab_size": 99,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 1,
        "head_dim": 32,
        "qk_rope_head_dim": 8,
        "q_lora_rank": 32,
        "o_groups": 2,
        "o_lora_rank": 16,
        "sliding_window": 8,
        "compress_ratios": [128, 4, 0],
        "rope_theta": 10000,
        "compress_rope_theta": 160000,
        "max_position_embeddings": 1024,
        "index_n_heads": 2,
        "index_head_dim": 16,
        "index_topk": 2,
        "n_routed_experts": 4,
        "num_experts_per_tok": 2,
        "n_shared_experts": 1,
        "moe_intermediate_size": 64,
        "num_hash_layers": 0,
        "scoring_func": "sqrtsoftplus",
        "topk_method": "noaux_tc",
        "norm_topk_prob": True,
        "routed_scaling_factor": 1.5,
        "swiglu_limit": 10.0,
        "hc_mult": 2,
        "hc_sinkhorn_iters": 3,
        "hc_eps": 1e-6,
        "rms_norm_eps": 1e-6,
        "hidden_act": "silu",
        "num_nextn_predict_layers": 0,
        "attention_bias": False,
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": 1,
    }
    return {**base, **changes}


def hugging_face(**changes):
    """The same model in the keys that transformers 5.x writes."""
    config = published()
    for key in ("compress_ratios", "num_hash_layers", "qk_rope_head_dim", "topk_method"):
        del config[key]
    config |= {
        "partial_rotary_factor": 0.25,
        "layer_types": ["heavily_compressed_attention", "compressed_sparse_attention"],
        "mlp_layer_types": ["moe", "moe"],
        "compress_rates": {"compressed_sparse_attention": 4, "heavily_compressed_attention": 128},
    }
    return {**config, **changes}


def saved_by_transformers(config_json):
    """The config.json that save_pretrained writes."""
    with tempfile.TemporaryDirectory() as folder:
        DeepseekV4Config.from_dict(copy.deepcopy(config_json)).save_pretrained(folder)
        return json.loads((pathlib.Path(folder) / "config.json").read_text())


def yarn_scaling(original):
    return {
        "type": "yarn",
        "factor": 16,
        "original_max_position_embeddings": original,
        "beta_fast": 32,
        "beta_slow": 1,
    }


G1 = published(
    vocab_size=50, hidden_size=32, num_hidden_layers=4, compress_ratios=[0, 4, 128, 4, 0], num_attention_heads=4, head_dim=32,
    qk_rope_head_dim=8, q_lora_rank=24, o_groups=2, o_lora_rank=12, sliding_window=16, rope_scaling=yarn_scaling(64),
    index_n_heads=32, index_head_dim=16, index_topk=5, n_routed_experts=6, num_experts_per_tok=3, moe_intermediate_size=24,
    num_hash_layers=1, routed_scaling_factor=2.5, swiglu_limit=0.6, hc_mult=4, hc_sinkhorn_iters=20, hc_eps=1e-3,
    rms_norm_eps=1e-5, num_nextn_predict_layers=1,
)  # fmt: skip

CSA_LENGTHS = [1, 3, 4, 5, 7, 8, 9, 12, 13, 33]


def g1_cases():
    model = build_model(G1)
    return [make_case("G1 S=150", G1, model, 150, sorted(row[0] for row in A2_ROWS))]


def one_layer_cases(label, config, lengths, rows_of=lambda n: range(n)):
    model = build_model(config)
    return [make_case(f"{label} S={n}", config, model, n, rows_of(n)) for n in lengths]


def t1_cases():
    config = published(vocab_size=48, num_hidden_layers=1, compress_ratios=[0, 0], hc_mult=4)
    return one_layer_cases("T1", config, [1, 7, 8, 9, 17])


def csa_config(topk):
    return published(vocab_size=48, num_hidden_layers=1, compress_ratios=[4, 0], index_n_heads=16, index_topk=topk)


def t2_cases():
    return one_layer_cases("T2", csa_config(2), CSA_LENGTHS)


def t3_cases():
    return one_layer_cases("T3", csa_config(64), CSA_LENGTHS)


def t4_cases():
    rate8 = hugging_face(
        vocab_size=48,
        num_hidden_layers=1,
        layer_types=["heavily_compressed_attention"],
        mlp_layer_types=["moe"],
        compress_rates={"compressed_sparse_attention": 4, "heavily_compressed_attention": 8},
    )
    rate128 = published(vocab_size=48, num_hidden_layers=1, compress_ratios=[128, 0])
    around = lambda n: [p for p in (0, 1, 7, 8, 126, 127, 128, 129, 254, 255, 256, n - 1) if p < n]
    return one_layer_cases("T4 rate 8", rate8, [7, 8, 9, 16]) + one_layer_cases(
        "T4 rate 128", rate128, [127, 128, 129, 255, 256, 257], around
    )


def t5_config():
    config = hugging_face(
        vocab_size=64,
        num_hidden_layers=4,
        layer_types=[
            "sliding_attention",
            "compressed_sparse_attention",
            "heavily_compressed_attention",
            "compressed_sparse_attention",
        ],
        mlp_layer_types=["hash_moe", "moe", "moe", "moe"],
        head_dim=64,
        sliding_window=128,
        index_n_heads=32,
        index_head_dim=32,
        index_topk=6,
        rope_theta=5000.0,
        compress_rope_theta=70000.0,
        hc_mult=4,
        hc_sinkhorn_iters=20,
        max_position_embeddings=2048,
        rope_scaling=yarn_scaling(128),
    )
    return saved_by_transformers(config)


T5_LENGTHS = [1, 2, 3, 4, 5, 8, 17, 40, 64, 100, 127, 128, 129, 130, 131, 132, 173, 211, 255, 256, 257, 299, 300, 520]


def t5_cases():
    config = t5_config()
    model = build_model(config)
    edges = [3, 7, 27, 31, 63, 126, 127, 128, 129, 130, 131, 254, 255, 256, 257, 383, 384, 511, 512]
    cases = [make_case(f"T5 S={n}", config, model, n) for n in T5_LENGTHS if n != 520]
    return cases + [make_case("T5 S=520", config, model, 520, [0, 1, 2, *edges, 519])]


def t6_cases():
    sites = [(streams, rounds, 1e-3, 1e-5) for streams in (2, 3, 4) for rounds in (1, 3, 20)]
    sites.append((4, 3, 0.05, 0.02))  # the eps of the Sinkhorn row pass is far below the tolerance at 1e-3
    cases = []
    for streams, rounds, hc_eps, rms_norm_eps in sites:
        config = hugging_face(
            vocab_size=48, hc_mult=streams, hc_sinkhorn_iters=rounds, hc_eps=hc_eps, rms_norm_eps=rms_norm_eps
        )
        name = f"T6 hc_mult={streams} sinkhorn={rounds} hc_eps={hc_eps:g} S=5"
        cases.append(make_case(name, config, build_model(config), 5, range(5)))
    return cases


def t7_cases():
    config = published(
        vocab_size=48,
        num_hash_layers=1,
        num_experts_per_tok=3,
        n_routed_experts=8,
        routed_scaling_factor=2.5,
        swiglu_limit=0.05,
    )
    return [make_case("T7 S=6", config, build_model(config), 6, range(6))]


def t8_cases():
    cases = []
    for groups in (1, 4, 8):
        config = published(vocab_size=48, o_groups=groups)
        cases.append(make_case(f"T8 o_groups={groups} S=3", config, build_model(config), 3, range(3)))
    return cases


T14_STARTS = (0, 65535, 1000000)


def t14_main_yarn_config():
    """One sliding layer whose own rope table is YaRN: only the Hugging Face form can say so."""
    partial = {"partial_rotary_factor": 0.25}
    scaling = {k: v for k, v in yarn_scaling(65536).items() if k != "type"}
    yarn = {"rope_type": "yarn", "rope_theta": 160000, "attention_factor": 1.0, **scaling, **partial}
    return hugging_face(
        vocab_size=48,
        num_hidden_layers=1,
        layer_types=["sliding_attention"],
        mlp_layer_types=["moe"],
        hc_mult=4,
        max_position_embeddings=1048576,
        rope_parameters={"main": dict(yarn), "compress": dict(yarn)},
    )


def t14_cases():
    plain = published(
        vocab_size=48, num_hidden_layers=1, compress_ratios=[0, 0], hc_mult=4, max_position_embeddings=1048576
    )
    cases = []
    for label, config in (("yarn", t14_main_yarn_config()), ("plain", plain)):
        model = build_model(config)
        cases += [make_case(f"T14 {label} p={p} S=2", config, model, 2, [0, 1], p) for p in T14_STARTS]
    return cases


def t14_rope_tables():
    flash = published(
        head_dim=512,
        qk_rope_head_dim=64,
        index_head_dim=128,
        rope_scaling=yarn_scaling(65536),
        max_position_embeddings=1048576,
    )
    positions = [0, 1, 2, 127, 128, 1000, 65535, 65536, 1000000, 1048575]
    tables = []
    # The last one has a ramp that ends beyond the last pair: only there does the cap rd - 1 (not rd / 2 - 1) show.
    for table, config in (("main", flash), ("compress", flash), ("compress", {**flash, "qk_rope_head_dim": 8})):
        rope = DeepseekV4RotaryEmbedding(DeepseekV4Config.from_dict(copy.deepcopy(config)))
        cos, sin = rope(torch.zeros(1), torch.tensor([positions]), layer_type=table)
        rows = {"cos": [nine_digits(r) for r in cos[0]], "sin": [nine_digits(r) for r in sin[0]]}
        inverse = nine_digits(getattr(rope, f"{table}_inv_freq"))
        tables.append({"table": table, "config": config, "frequencies": inverse, "positions": positions, **rows})
    return tables


TESTS = {
    "g1": (g1_cases, "appendix A.2 without its MTP rows, all logits of the printed positions"),
    "t1": (t1_cases, "sliding window edge, main rope, sinks, de-rotation, grouped output; published form"),
    "t2": (t2_cases, "CSA with index_topk below the number of rows; published form"),
    "t3": (t3_cases, "CSA with index_topk above the number of rows; published form"),
    "t4": (t4_cases, "HCA with rate 8 (Hugging Face form) and 128 (published form)"),
    "t5": (t5_cases, "mixed layers, YaRN, distinct thetas, window 128; the form that save_pretrained writes"),
    "t6": (t6_cases, "hyper-connections: streams, Sinkhorn rounds, both eps; Hugging Face form without rope_parameters"),
    "t7": (t7_cases, "hash and score routing, clamp on routed and shared experts; published form"),
    "t8": (t8_cases, "o_groups 1, H and 2H; published form"),
    "t14": (t14_cases, "rope angles at far positions; yarn: the sliding layer's own table is YaRN (rope_parameters.main)"),
}


# ---- checks against the specification ----------------------------------------------------------------------------------

A1_CHECKS = {
    ("embed.weight", (50, 32)): [0.0154856, 0.3931950, 0.2913559],
    ("layers.0.attn.wq_a.weight", (24, 32)): [0.2527549, 0.1276525, -0.1640928],
    ("layers.1.attn.compressor.ape", (4, 64)): [-0.1637413, 0.6774327, -0.4299054],
    ("layers.0.hc_attn_scale", (3,)): [1.0964825, 1.0448712, 0.7694590],
    ("layers.3.ffn.gate.bias", (6,)): [-0.1313408, -0.1289001, 0.1625023],
}

A2_ROWS = [  # position, logits[0..4], argmax, sum
    (0, [-1.03140, 0.50110, -1.12664, -0.20975, -1.72946], 10, -7.8201),
    (3, [-0.22289, 0.51989, -0.90841, -0.61690, -2.39497], 10, -8.5598),
    (4, [2.07440, -1.09052, -0.71162, 2.71091, 1.26573], 3, 2.9857),
    (15, [2.48274, -0.93222, -1.49449, 1.81779, 2.30772], 0, -2.6099),
    (16, [1.41355, -0.50927, -0.88320, 1.70805, -0.36076], 21, -3.5676),
    (31, [1.16677, 0.45852, 0.54112, 0.29525, -0.72980], 38, 1.0905),
    (63, [0.47205, -0.49242, -0.41354, -0.26416, -1.48104], 38, -3.2553),
    (127, [0.36636, -0.19530, 1.00819, -0.31206, -2.05965], 38, -1.8433),
    (128, [0.06867, -0.62563, -0.05391, -1.33920, -1.93998], 38, -4.9564),
    (149, [1.34572, -0.33202, -0.25751, 0.12820, -0.15661], 21, 3.5134),
]


def check_generator():
    for (name, shape), expected in A1_CHECKS.items():
        got = dense_tensor(name, list(shape)).flatten()[:3].numpy()
        if np.max(np.abs(got - expected)) > 1e-7:
            raise SystemExit(f"generator: {name} gives {got}, appendix A.1 prints {expected}")
    rows = hash_table("layers.0.ffn.gate.tid2eid", 50, 3, 6)[:3].tolist()
    if rows != [[5, 0, 1], [4, 5, 0], [5, 0, 1]]:
        raise SystemExit(f"generator: tid2eid rows {rows} differ from appendix A.1")


def check_against_spec():
    logits, _, _ = run_one_shot(build_model(G1), token_ids(150, 50), 0)
    worst, worst_sum = 0.0, 0.0
    for position, first, best, total in A2_ROWS:
        row = logits[position].double().numpy()
        worst = max(worst, float(np.max(np.abs(row[:5] - first))))
        worst_sum = max(worst_sum, abs(float(row.sum()) - total))
        if int(row.argmax()) != best:
            raise SystemExit(f"A.2 position {position}: argmax {row.argmax()}, printed {best}")
    print(f"A.2 against transformers: largest difference {worst:.2e}, of sums {worst_sum:.2e}", file=sys.stderr)
    if worst > SPEC_TOLERANCE or worst_sum > SPEC_SUM_TOLERANCE:
        raise SystemExit("transformers disagrees with appendix A.2")


# ---- files -------------------------------------------------------------------------------------------------------------


def make_file(key):
    cases, note = TESTS[key]
    content = {
        "format": "hadal-hf-golden-1",
        "test": key.upper(),
        "note": note,
        "pedigree": {
            "transformers": transformers.__version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "script": "tools/make_hf_goldens.py",
            "weights": "deepseek-v4.md appendix A.1: FNV-1a-64 of the original tensor name, splitmix64 counter",
            "tokens": "(7 i^2 + 3 i + 11) mod vocab_size",
            "precision": "float32, eager attention, eager experts, eval, use_cache=False, 1 thread",
            "date": datetime.date.today().isoformat(),
        },
        "cases": [case for case in cases() if case is not None],
    }
    if key == "t14":
        content["rope_tables"] = t14_rope_tables()
    return content


def compact_json(value, indent=0):
    """JSON with lists of numbers on one line."""
    pad = " " * (indent + 1)
    if isinstance(value, dict):
        items = [f"{pad}{json.dumps(k)}: {compact_json(v, indent + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(items) + "\n" + " " * indent + "}" if items else "{}"
    if isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
        return "[\n" + ",\n".join(pad + compact_json(v, indent + 1) for v in value) + "\n" + " " * indent + "]"
    return json.dumps(value)


def compare(path, content):
    stored = {case["name"]: case for case in json.loads(path.read_text())["cases"]}
    worst = 0.0
    for case in content["cases"]:
        old = stored[case["name"]]
        if old["rows"] != case["rows"] or old["tokens"] != case["tokens"]:
            raise SystemExit(f"{path}: {case['name']} has other rows or tokens")
        scale = np.max(np.abs(old["logits"]))
        worst = max(worst, float(np.max(np.abs(np.subtract(old["logits"], case["logits"]))) / scale))
    print(f"{path.name}: largest relative difference {worst:.2e}", file=sys.stderr)
    if worst > 1e-5:
        raise SystemExit(f"{path}: differs from this installation")


def main():
    parser = argparse.ArgumentParser(description="Golden logits from Hugging Face transformers.")
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("--out", type=pathlib.Path, help="folder to write")
    target.add_argument("--check", type=pathlib.Path, help="folder to compare with")
    parser.add_argument("--only", default=",".join(TESTS), help="comma-separated tests (default: all)")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    check_generator()
    check_against_spec()
    for key in arguments.only.split(","):
        content = make_file(key)
        path = (arguments.out or arguments.check) / f"{key}.json"
        if arguments.check:
            compare(path, content)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(compact_json(content) + "\n")
            print(f"wrote {path}, {len(content['cases'])} cases, {path.stat().st_size} bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
