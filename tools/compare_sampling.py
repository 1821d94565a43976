#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares the distributions that confgen samples from with those of transformers (development only).

usage: compare_sampling.py [--rows N] [--columns N] [--seed S] [--block-rows N] [--golden FILE]

For every preset and some settings at the edges, on rows of random logits: the candidates kept and
their probabilities, after the processors that transformers' generate() makes of the same settings, in
its order. Three kinds of rows: normal, normal rounded to bfloat16 (many equal logits), and few distinct
values. Which of several equal candidates at the border of top-p are kept is chance in transformers (its
sort is not stable), so candidates are compared in the order of their logits. confgen's side is the CPU's
sampler, and on --block-rows rows (30) the GPU's, run on the host. Rows of which the kept candidates
differ are listed with the distance of the candidate from the border of top-p, as a share of probability.
  --golden  also write the expected values of tests/golden/test_golden_sampling.c
Needs torch and transformers of PyPI and the built tests (build/tests/tools/sampler_weights).
Exit status: 0 if all rows agree.
"""
import argparse
import json
import os
import subprocess
import sys

import numpy
import torch
import transformers
from transformers import GenerationConfig
from transformers.generation.utils import GenerationMixin

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(ROOT, "build/tests/tools/sampler_weights")
EDGES = [  # name, greedy, temperature, top_k, top_p, min_p
    ("top-k 1", 0, 1.0, 1, 1.0, 0.0),
    ("top-k more than there are", 0, 1.0, 100000, 1.0, 0.0),
    ("top-k off", 0, 1.0, 0, 1.0, 0.0),
    ("all filters", 0, 0.7, 40, 0.9, 0.02),
    ("tiny top-p", 0, 1.0, 50, 1e-6, 0.0),
    ("top-p near 1", 0, 1.0, 0, 0.999999, 0.0),
    ("cold", 0, 0.01, 50, 0.9, 0.0),
    ("hot", 0, 50.0, 0, 0.5, 0.0),
    ("large min-p", 0, 1.0, 0, 1.0, 0.99),
]


def settings_of_confgen():
    """Name and values of each preset, and the edges."""
    lines = subprocess.run([TOOL, "presets"], check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    found = []
    for line in lines:
        name, greedy, t, k, p, m = line.split()
        found.append((name, int(greedy), float(t), int(k), float(p), float(m)))
    return found + EDGES


def confgen(side, setting, logits):
    """Probabilities [rows, columns] of `side`, cpu or block."""
    arguments = [repr(x) for x in setting[1:]] + [str(logits.shape[1])]
    out = subprocess.run([TOOL, side] + arguments, check=True, input=logits.tobytes(), stdout=subprocess.PIPE).stdout
    return numpy.frombuffer(out, dtype=numpy.float64).reshape(logits.shape)


class Model(GenerationMixin):
    """What _get_logits_processor() reads of a model."""
    config = transformers.Qwen3Config()


def of_transformers(setting, logits):
    """Probabilities after the processors that generate() makes."""
    _, greedy, t, k, p, m = setting
    scores = torch.from_numpy(logits.copy())
    if greedy:
        out = numpy.zeros(logits.shape)
        out[numpy.arange(len(out)), scores.argmax(dim=-1).numpy()] = 1
        return out
    config = GenerationConfig(do_sample=True, temperature=t, top_k=k, top_p=p, min_p=m if m else None)
    defaults = getattr(config, "_get_default_generation_params", None)
    if defaults:  # transformers 5 adds them in generate()
        config.update(**defaults(), defaults_only=True)
    processors = GenerationMixin._get_logits_processor(Model(), config, input_ids_seq_length=1, device="cpu",
                                                       model_kwargs={})
    ids = torch.zeros((len(scores), 1), dtype=torch.long)
    return torch.softmax(processors(ids, scores), dim=-1).double().numpy()


def make_logits(kind, rows, columns, rng):
    x = rng.standard_normal((rows, columns), dtype=numpy.float32) * 3
    if kind == "bfloat16":
        x = torch.from_numpy(x).to(torch.bfloat16).float().numpy()
    if kind == "few values":
        x = numpy.floor(x).astype(numpy.float32)
    return x


def border(setting, logits, place):
    """Distance of the place-th smallest candidate from the border of top-p."""
    _, _, t, k, p, _ = setting
    x = logits.astype(numpy.float64) / t
    if 0 < k < len(x):
        x[x < numpy.sort(x)[-k]] = -numpy.inf
    q = numpy.exp(x - x.max())
    return abs(numpy.cumsum(numpy.sort(q / q.sum()))[place] - (1 - p))


def in_order(logits, p):
    """Probabilities by rising logit; of equal logits the excluded ones come first."""
    return numpy.take_along_axis(p, numpy.lexsort((p, logits), axis=-1), axis=-1)


def golden_rows():
    """Logits that the C test makes in the same way: multiples of 1/64 in [-8, 8), many of them equal."""
    state, rows = 1, []
    for _ in range(4):
        row = []
        for _ in range(200):
            state = (state * 1664525 + 1013904223) % 2 ** 32
            row.append((state >> 8) % 1024 / 64 - 8)
        rows.append(row)
    return numpy.array(rows, dtype=numpy.float32)


def write_golden(path, settings):
    """A line per setting and row: number of kept candidates, largest and smallest probability."""
    logits, seen, lines = golden_rows(), set(), []
    for setting in settings:
        if setting[1:] in seen or setting[1]:
            continue
        seen.add(setting[1:])
        for r, row in enumerate(of_transformers(setting, logits)):
            kept = row[row > 0]
            lines.append(json.dumps({"name": setting[0], "sampling": setting[1:], "row": r, "kept": len(kept),
                                     "largest": round(float(kept.max()), 7),
                                     "smallest": round(float(kept.min()), 9)}, separators=(",", ":")))
    with open(path, "w", encoding="ascii") as f:
        f.write(f'{{"torch": "{torch.__version__}", "transformers": "{transformers.__version__}",\n"cases": [\n')
        f.write(",\n".join(lines) + "]}\n")


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--columns", type=int, default=1112)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--block-rows", type=int, default=30)
    parser.add_argument("--golden")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = settings_of_confgen()
    if arguments.golden:
        write_golden(arguments.golden, settings)
    print(f"transformers {transformers.__version__}, torch {torch.__version__}; {len(settings)} settings, "
          f"{arguments.rows} rows of {arguments.columns} logits of each kind")
    bad = 0
    for kind in ["normal", "bfloat16", "few values"]:
        logits = make_logits(kind, arguments.rows, arguments.columns, numpy.random.default_rng(arguments.seed))
        worst, done = {}, {}
        for setting in settings:
            if setting[1:] in done:  # another name of the same values
                continue
            done[setting[1:]] = True
            want = in_order(logits, of_transformers(setting, logits))
            for side, n in (("cpu", len(logits)), ("block", arguments.block_rows)):
                got = in_order(logits[:n], confgen(side, setting, logits[:n]))
                differing = (got > 0) != (want[:n] > 0)
                # a probability below 2^-40 is 0 on the GPU
                differing &= numpy.maximum(got, want[:n]) > 1e-11
                for r in numpy.nonzero(differing.any(axis=1))[0]:
                    place = int(numpy.nonzero(differing[r])[0][0])
                    print(f"  {kind}, {setting[0]}, {side}, row {r}: {int(differing[r].sum())} candidates differ; "
                          f"distance from the border {border(setting, logits[r], place):.1e}")
                    bad += 1
                same = ~differing.any(axis=1)
                worst[side] = max(worst.get(side, (0, "")), (float(abs(got - want[:n])[same].max(initial=0)), setting[0]))
        print(f"{kind}: {len(done)} distinct settings; largest difference of a probability: "
              + ", ".join(f"{side} {d:.1e} ({name})" for side, (d, name) in worst.items()))
    print(f"{bad} rows with other candidates")
    return bad != 0


sys.exit(main())
