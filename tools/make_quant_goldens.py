#!/usr/bin/env python3
"""Golden blocks of ggml's quantised types: random bytes and what the Python package gguf decodes them to.

  python3 -m venv VENV && VENV/bin/pip install numpy gguf
  VENV/bin/python tools/make_quant_goldens.py      writes tests/golden/formats/ggml_blocks.golden

File: lines of text up to the first empty line ('#' comments, then one line `TYPE BLOCKS` per type); behind it, for each
of these lines, the bytes of the blocks and then their values as little-endian floats.
"""
import importlib.metadata
import pathlib

import gguf
import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "formats" / "ggml_blocks.golden"
SEED = 20261123

# type, number of blocks, where half floats lie in a block (None: the first byte is an e8m0 scale)
TYPES = [
    ("Q8_0", 8, [0]), ("MXFP4", 8, None), ("Q4_0", 8, [0]), ("Q2_K", 2, [80, 82]), ("Q3_K", 2, [108]),
    ("Q4_K", 2, [0, 2]), ("Q5_K", 2, [0, 2]), ("Q6_K", 2, [208]), ("IQ2_XXS", 2, [0]), ("IQ4_XS", 2, [0]),
]


def blocks_of(name, n, halves, random):
    _, size = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[name]]
    blocks = random.integers(0, 256, (n, size), dtype=np.uint8)
    if halves is None:
        blocks[:, 0] = random.integers(2, 250, n)  # no infinities; the package halves scales, so no subnormal ones
        return blocks
    for at in halves:  # any finite scale: signs, subnormals
        scales = (random.standard_normal(n) * 2.0 ** random.integers(-18, 3, n)).astype(np.float16)
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(n, 2)
    return blocks


def main():
    random = np.random.default_rng(SEED)
    head = [
        "# made by tools/make_quant_goldens.py",
        f"# packages: gguf {importlib.metadata.version('gguf')}, numpy {np.__version__}; seed {SEED}",
        "# values: gguf.quants.dequantize, float32",
    ]
    body = b""
    for name, n, halves in TYPES:
        blocks = blocks_of(name, n, halves, random)
        values = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[name]).astype("<f4")
        assert np.isfinite(values).all(), name
        head.append(f"{name} {n}")
        body += blocks.tobytes() + values.tobytes()
    OUT.write_bytes(("\n".join(head) + "\n\n").encode() + body)


if __name__ == "__main__":
    main()
