#!/usr/bin/env python3
"""Golden files of the tensor formats, written and checked by the reference Python packages.

  python3 -m venv VENV && VENV/bin/pip install numpy safetensors gguf
  VENV/bin/python tools/make_format_goldens.py           writes tests/golden/formats/python* and manifest.json
  VENV/bin/python tools/make_format_goldens.py --check   reads ours.safetensors and ours.gguf there, which our C++ writers
                                                         produced, and compares every value

No randomness: byte i of tensor t is (17 t + 7 i + 3) mod 256, so the C++ test knows the contents without these packages.
"""
import argparse
import importlib.metadata
import json
import math
import pathlib
import sys

import gguf
import numpy as np
import safetensors

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "formats"

# name, safetensors dtype, the package's name of it, bits, shape
SAFETENSORS = [
    ("embed.weight", "F32", "float32", 32, [3, 5]),
    ("norm.weight", "BF16", "bfloat16", 16, [7]),
    ("half", "F16", "float16", 16, [2, 2, 2]),
    ("experts.0.w1.weight", "I8", "int8", 8, [4, 8]),
    ("experts.0.w1.scale", "F8_E8M0", "float8_e8m0fnu", 8, [4, 1]),
    ("attn.wq_a.weight", "F8_E4M3", "float8_e4m3fn", 8, [3, 3]),
    ("tid2eid", "I64", "int64", 64, [5, 2]),
    ("bytes", "U8", "uint8", 8, [9]),
    ("counts", "I32", "int32", 32, [3]),
    ("scalar", "F32", "float32", 32, []),
    ("empty", "F32", "float32", 32, [0, 4]),
    ("extra.mask", "BOOL", "bool", 8, [5]),
    ("extra.double", "F64", "float64", 64, [2]),
    ("extra.short", "U16", "uint16", 16, [3]),
    ('name with "quotes" and \u00e9\u4e16', "F32", "float32", 32, [1]),
]

# name, ggml type, dims as ggml orders them (fastest first)
GGUF = [
    ("token_embd.weight", "F32", [4, 3]),
    ("output_norm.weight", "F16", [6]),
    ("blk.0.attn_q_a.weight", "Q8_0", [64, 2]),
    ("blk.0.ffn_gate_exps.weight", "MXFP4", [32, 2, 3]),
    ("blk.0.bf16.weight", "BF16", [5, 1, 2, 2]),
    ("blk.0.tid2eid", "I32", [2, 5]),
    ("blk.0.i64", "I64", [3]),
    ("blk.0.i8", "I8", [7]),
    ("blk.0.iq3_s.weight", "IQ3_S", [256, 1]),
]

METADATA = [
    ("t.u8", "UINT8", 200), ("t.i8", "INT8", -100), ("t.u16", "UINT16", 60000), ("t.i16", "INT16", -30000),
    ("t.u32", "UINT32", 4000000000), ("t.i32", "INT32", -2000000000), ("t.u64", "UINT64", 2**63 + 5),
    ("t.i64", "INT64", -(2**62)), ("t.f32", "FLOAT32", 0.5), ("t.f64", "FLOAT64", 0.1),
    ("t.true", "BOOL", True), ("t.false", "BOOL", False), ("t.text", "STRING", "h\u00e9llo \u4e16\n"), ("t.empty", "STRING", ""),
]
ARRAYS = [
    ("a.ints", [1, -2, 3]), ("a.floats", [0.5, -1.25]), ("a.bools", [True, False, True]),
    ("a.strings", ["<s>", "", "\u0120a", "x" * 40]),
]


def pattern(t, n):
    return bytes((17 * t + 7 * i + 3) & 0xFF for i in range(n))


def ggml_bytes(type_name, dims):
    block, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[type_name]]
    return math.prod(dims) // block * size


def write_safetensors():
    specs, keep = {}, []
    for t, (name, _, python_name, bits, shape) in enumerate(SAFETENSORS):
        data = np.frombuffer(pattern(t, math.prod(shape) * bits // 8), dtype=np.uint8)
        keep.append(data)
        specs[name] = safetensors.TensorSpec(dtype=python_name, shape=shape, data_ptr=data.ctypes.data, data_len=data.nbytes)
    (OUT / "python.safetensors").write_bytes(safetensors.serialize(specs, {"format": "pt"}))


def write_gguf(path, **options):
    writer = gguf.GGUFWriter(path, "deepseek4", **options)
    for key, kind, value in METADATA:
        writer.add_key_value(key, value, gguf.GGUFValueType[kind])
    for key, values in ARRAYS:
        writer.add_array(key, values)
    for t, (name, type_name, dims) in enumerate(GGUF):
        rows = list(reversed(dims))
        rows[-1] = ggml_bytes(type_name, dims[:1])
        data = np.frombuffer(pattern(t, ggml_bytes(type_name, dims)), dtype=np.uint8).reshape(rows)
        writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType[type_name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_manifest():
    versions = {p: importlib.metadata.version(p) for p in ("safetensors", "gguf", "numpy")}
    manifest = {
        "made_by": "tools/make_format_goldens.py",
        "packages": versions,
        "seed": "none; byte i of tensor t is (17 t + 7 i + 3) mod 256",
        "safetensors": [{"name": n, "dtype": d, "shape": s} for n, d, _, _, s in SAFETENSORS],
        "gguf": [{"name": n, "type": t, "dims": d} for n, t, d in GGUF],
        "ggml_types": [{"id": int(t), "name": t.name, "block": b, "bytes": s}
                       for t, (b, s) in gguf.GGML_QUANT_SIZES.items()],
    }
    (OUT / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=True) + "\n")


def check_safetensors():
    ours = dict(safetensors.deserialize((OUT / "ours.safetensors").read_bytes()))
    expected = [(t, c) for t, c in enumerate(SAFETENSORS) if not c[0].startswith("extra.")]
    assert set(ours) == {c[0] for _, c in expected}, set(ours)
    for t, (name, dtype, _, bits, shape) in expected:
        found = ours[name]
        assert found["dtype"] == dtype and found["shape"] == shape, (name, found)
        assert bytes(found["data"]) == pattern(t, math.prod(shape) * bits // 8), name
    return len(expected)


def check_gguf():
    reader = gguf.GGUFReader(OUT / "ours.gguf")
    for key, kind, value in METADATA:
        if kind not in ("UINT8", "INT8", "UINT16", "INT16", "INT64"):
            field = reader.fields[key]
            assert field.types == [gguf.GGUFValueType[kind]] and field.contents() == value, (key, field.contents())
    for key, values in ARRAYS:
        assert reader.fields[key].contents() == values, key
    expected = [(t, c) for t, c in enumerate(GGUF) if c[1] != "IQ3_S"]
    assert [x.name for x in reader.tensors] == [c[0] for _, c in expected]
    for found, (t, (name, type_name, dims)) in zip(reader.tensors, expected):
        assert found.tensor_type.name == type_name and list(found.shape) == dims, (name, found)
        assert found.data.tobytes() == pattern(t, ggml_bytes(type_name, dims)), name
    return len(expected)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    if parser.parse_args().check:
        print(f"ours.safetensors: {check_safetensors()} tensors agree; ours.gguf: {check_gguf()} tensors agree")
        return 0
    OUT.mkdir(parents=True, exist_ok=True)
    write_safetensors()
    write_gguf(OUT / "python.gguf")
    write_gguf(OUT / "python-split.gguf", split_max_tensors=4)
    write_manifest()
    return 0


if __name__ == "__main__":
    sys.exit(main())
