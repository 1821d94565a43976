#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares our FSQ decoder with PyTorch, at the shape of the published checkpoints (development only).

    check_fsq.py [--device cpu|cuda|cuda-tf32|cuda-bf16] [--hidden N] [--layers N] [--conformers N] [--build DIR]

Writes a checkpoint of random weights as PyTorch Lightning does, converts it with convert_fsq_decoder.py, and decodes
random tokens and codes with both. Exit status 1 if a coordinate of f32 differs by more than 1e-4 Å. Weights are PyTorch's
initial ones, the last layer scaled so that coordinates have a standard deviation of 5 Å. Needs torch and safetensors, and
the built tests (DIR/tests/tools/fsq_coordinates; DIR is build).
"""
import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile

import torch
from torch import nn

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Decoder(nn.Module):
    """Tokens and codes to coordinates, from PyTorch's own layers."""

    def __init__(self, n_tokens, levels, hidden, layers, input_size=256, intermediate=None):
        super().__init__()
        self.n_tokens, self.levels, self.hidden = n_tokens, levels, hidden
        layer = nn.TransformerEncoderLayer(hidden, hidden // 64, intermediate or 4 * hidden, batch_first=True,
                                           norm_first=True, bias=False)
        self.dec = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.post_q = nn.Sequential(nn.Linear(n_tokens + len(levels), input_size), nn.ReLU(),
                                    nn.Linear(input_size, hidden))
        self.out = nn.Linear(hidden, 3)

    def positions(self, n):
        frequency = torch.exp(torch.arange(0, self.hidden, 2, dtype=torch.float32) * (-math.log(1e4) / self.hidden))
        angle = torch.arange(n, dtype=torch.float32)[:, None] * frequency
        return torch.stack([angle.sin(), angle.cos()], 2).reshape(n, self.hidden)

    def forward(self, ids, codes):
        """ids, codes: [n] integers; returns [n, 3]."""
        digits, rest = [], codes
        for n in self.levels:
            digits.append((rest % n) * (2.0 / (n - 1)) - 1)
            rest = rest // n
        onehot = nn.functional.one_hot(ids, self.n_tokens)
        x = self.post_q(torch.cat([onehot.float(), torch.stack(digits, 1).float()], 1))
        return self.out(self.dec((x + self.positions(len(ids)))[None])[0])


def smiles_tokens():
    """192 tokens, as many as the published vocabulary has."""
    atoms = ["[%s%s%s]" % (e, h, c) for e in "C N O S P c n o s p F Cl Br I B Si Se".split()
             for h in ["", "H", "H2", "H3"] for c in ["", "+", "-"]]
    return (["(", ")", "-", ".", "/", "\\", "=", "#", "%10", "%11"] + list("123456789")
            + ["[C@]", "[C@@]", "[C@H]", "[C@@H]"] + atoms)[:192]


def decode(build, folder, device, conformers, tokens):
    """Our coordinates, of all conformers one after the other."""
    lines = ["".join(tokens[i] for i in ids) + " " + " ".join(map(str, codes)) for ids, codes in conformers]
    out = subprocess.run([os.path.join(build, "tests/tools/fsq_coordinates"), folder, device], check=True, text=True,
                         input="\n".join(lines) + "\n", stdout=subprocess.PIPE).stdout
    return torch.tensor([[float(v) for v in line.split()] for line in out.splitlines()])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--device", default="cpu")
    p.add_argument("--hidden", type=int, default=1024)
    p.add_argument("--layers", type=int, default=8)
    p.add_argument("--conformers", type=int, default=24)
    p.add_argument("--build", default=os.path.join(ROOT, "build"))
    args = p.parse_args()
    rng, tokens, levels = random.Random(1), smiles_tokens(), [2] * 12
    torch.manual_seed(1)
    model = Decoder(len(tokens), levels, args.hidden, args.layers).eval()
    conformers = []
    for i in range(args.conformers):
        n = [1, 2, 218, 400][i] if i < 4 else rng.randrange(10, 150)
        conformers.append(([rng.randrange(len(tokens)) for _ in range(n)], [rng.randrange(4096) for _ in range(n)]))
    with torch.inference_mode(), tempfile.TemporaryDirectory() as scratch:
        one = model(*map(torch.tensor, conformers[2]))
        model.out.weight.mul_(5 / one.std())
        want = torch.cat([model(torch.tensor(ids), torch.tensor(codes)) for ids, codes in conformers])
        path = os.path.join(scratch, "last.ckpt")
        state = {"model." + k: v.float() for k, v in model.state_dict().items()}
        state["model.enc.layers.0.norm1.weight"] = torch.ones(args.hidden)
        torch.save({"state_dict": state, "hyper_parameters": {"d_model": args.hidden, "levels": levels}}, path)
        with open(os.path.join(scratch, "tokens.json"), "w") as f:
            json.dump(tokens, f)
        folder = os.path.join(scratch, "fsq")
        subprocess.run([sys.executable, os.path.join(ROOT, "tools/convert_fsq_decoder.py"), path,
                        os.path.join(scratch, "tokens.json"), folder], check=True)
        got = decode(args.build, folder, args.device, conformers, tokens)
    worst = float((got - want).abs().max())
    print("%s: %d conformers, %d tokens, hidden %d, %d layers: coordinates of std %.2f Å, largest difference from PyTorch "
          "%s %.2e Å" % (args.device, len(conformers), len(want), args.hidden, args.layers, want.std(), torch.__version__,
                         worst))
    sys.exit(args.device in ("cpu", "cuda") and not worst <= 1e-4)


if __name__ == "__main__":
    main()
