#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Computes fsq.json with PyTorch, in float32 on the CPU: coordinates of an FSQ decoder of computed weights.

    make_fsq.py [OUTPUT]

The weights are those of tests/unit/fsq_made.h. OUTPUT is fsq.json next to this script. Needs torch, numpy and
safetensors (README.md: versions used).
"""
import json
import pathlib
import re
import sys

import numpy
import torch

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))
from check_fsq import Decoder  # noqa: E402

SHAPE = {"hidden": 128, "layers": 2, "intermediate": 320, "input": 48}
TOKENS = ["#", "%10", "(", ")", "-", ".", "/", "1", "2", "3", "=", "[Br]", "[C]", "[CH3]", "[Cl]", "[C@@H]", "[NH3+]",
          "[N]", "[O-]", "[O]", "[S]", "[c]", "[nH]", "\\"]
SMILES = [
    "[C]",
    "[CH3][C@@H]([NH3+])[C](=[O])[O-]",
    "[C]/[C]=[C]\\[C]#[N].[Cl]",
    "[c]1[c][c][c]2[c]([c]1)[nH][c]1[c]2[c][c][c]([Br])[c]1-[c]1[c][c][c]([S][C]([C])[C](=[O])[N]2[C][C][C]%10[C]2[C]%10)"
    "[c][c]1[C]([C])([C])[C]([O])[C]1[C][C][C][C][C]1[C](=[O])[O][C]([C])[C]",
]


def noise(tensor, n):
    i = numpy.arange(n, dtype=numpy.uint32)
    with numpy.errstate(over="ignore"):
        x = i * numpy.uint32(0x9E3779B9) + numpy.uint32(tensor * 0x85EBCA6B % 2**32) + numpy.uint32(1)
        x = (x ^ x >> 16) * numpy.uint32(0x7FEB352D)
        x = (x ^ x >> 15) * numpy.uint32(0x846CA68B)
    return (x ^ x >> 16).astype(numpy.int32).astype(numpy.float32) * numpy.float32(2.0 ** -31)


def main():
    model = Decoder(len(TOKENS), [2] * 12, SHAPE["hidden"], SHAPE["layers"], SHAPE["input"], SHAPE["intermediate"]).eval()
    names = ["post_q.0.weight", "post_q.0.bias", "post_q.2.weight", "post_q.2.bias"]
    for l in range(SHAPE["layers"]):
        names += ["dec.layers.%d.%s" % (l, part) for part in
                  ["norm1.weight", "self_attn.in_proj_weight", "self_attn.out_proj.weight", "norm2.weight",
                   "linear1.weight", "linear2.weight"]]
    names += ["out.weight", "out.bias"]
    state = model.state_dict()
    assert sorted(names) == sorted(state)
    for t, name in enumerate(names):
        base, scale = 0, 0.5
        if "norm" in name:
            base, scale = 1, 0.25
        elif state[name].dim() == 2:
            scale = (5 if name == "out.weight" else 1.7) / state[name].shape[1] ** 0.5
        values = numpy.float32(base) + numpy.float32(scale) * noise(t, state[name].numel())
        state[name] = torch.tensor(values).reshape(state[name].shape)
    model.load_state_dict(state)
    conformers = []
    with torch.inference_mode():
        for k, smiles in enumerate(SMILES):
            tokens = re.findall(r"\[[^\]]+\]|%\d\d|.", smiles)
            codes = [(5 + 37 * k + 1033 * i) * 2654435761 % 2**32 >> 20 for i in range(len(tokens))]
            xyz = model(torch.tensor([TOKENS.index(t) for t in tokens]), torch.tensor(codes))
            conformers.append({"smiles": smiles, "codes": codes,
                               "xyz": [float("%.7g" % v) for v in xyz.flatten().tolist()]})
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "fsq.json"
    out.write_text(json.dumps({"torch": torch.__version__, **SHAPE, "conformers": conformers}) + "\n")


main()
