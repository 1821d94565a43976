#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares Hugging Face generate() with confgen on one GPU, on random weights of the same shapes, or
PyTorch's attention back ends with confgen's plugins (development only; needs torch, transformers).

    tools/bench/compare_hf.py [--shape llama380m|qwen3-0.6b] [--budget S] [--out FILE.jsonl] ...
    tools/bench/compare_hf.py --attention [--budget S] [--out FILE.jsonl] ... [-- --set NAME,... | --batch N ...]
    tools/bench/compare_hf.py --attention --figures FILE.json... [--budget S] [--out FILE.jsonl]

--figures measures PyTorch's back ends alone, on the shapes of files of `confgen bench attention --json`. What follows `--` goes to `confgen bench`: with --attention the shapes and types of `confgen bench attention`, on which
PyTorch's back ends are measured too. Each figure is written to --out at once, as a JSON line. generate() runs start with the best known
configuration and continue while the budget lasts; --reserve seconds of it are kept for confgen.
"""
import argparse
import gc
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time

import torch

import bench_tables
import torch_attention
from pad_tokenizer import pad

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PROMPT = 48  # tokens of a prompt of generate()

# batch, cache, constraint, new tokens, seconds of the run with its warm-up (on an H200). The first line
# is the best known unconstrained configuration, the second the best constrained one.
#
# A constraint is a LogitsProcessor, called for each token, with a Python loop over rows:
#   "position"  reads the allowed tokens from the GPU row by row: the straightforward version
#   "lean"      does not wait for the GPU
PLANS = {
    "llama380m": [
        (1024, "dynamic", None, 256, 20),
        (1024, "dynamic", "lean", 256, 20),
        (1024, "static", "lean", 128, 50),
        (1024, "static", "position", 128, 60),
        (256, "dynamic", "position", 256, 15),
        (256, "static", "position", 256, 50),
        (1024, "static", None, 256, 50),
        (256, "static", None, 256, 45),
        (256, "dynamic", None, 256, 25),
        (16, "static", "position", 256, 45),
        (16, "static", None, 256, 40),
        (16, "dynamic", None, 256, 8),
        (16, "dynamic", "position", 256, 8),
    ],
    "qwen3-0.6b": [
        (1024, "dynamic", None, 192, 40),
        (256, "static", "position", 192, 55),
        (1024, "static", None, 256, 60),
        (256, "dynamic", None, 192, 20),
        (256, "static", "lean", 192, 50),
        (256, "dynamic", "position", 192, 20),
        (256, "static", None, 256, 55),
    ],
    "tiny": [(2, "dynamic", None, 8, 1), (2, "static", "position", 8, 1),
             (2, "dynamic", "lean", 8, 1)],
}

# confgen's batch sizes and --max-length (the longest test molecule needs 1197 and 1901 tokens with the
# tokenizers of these shapes).
SIZES = {"llama380m": ("512,1024", 1280), "qwen3-0.6b": ("256,512", 1920), "tiny": ("2", 1280)}


class Log:
    def __init__(self, path, budget, verbose=True):
        self.verbose = verbose
        self.file = open(path, "w") if path else None
        self.start = time.monotonic()
        self.budget = budget

    def left(self):
        return self.budget - (time.monotonic() - self.start)

    def line(self, **what):
        what["t"] = round(time.monotonic() - self.start, 1)
        text = json.dumps(what)
        if self.verbose:
            print(text, file=sys.stderr, flush=True)
        if self.file:
            self.file.write(text + "\n")
            self.file.flush()


def free_memory():
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


# ---- generate() ---------------------------------------------------------------------------------


def make_model(shape, device):
    from transformers import LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

    if shape == "llama380m":
        cls, config = LlamaForCausalLM, LlamaConfig(
            vocab_size=128256, hidden_size=1024, intermediate_size=4096, num_hidden_layers=16,
            num_attention_heads=16, num_key_value_heads=8, head_dim=64, max_position_embeddings=8192,
            rope_theta=5e5, rms_norm_eps=1e-5, tie_word_embeddings=True)
    elif shape == "qwen3-0.6b":
        cls, config = Qwen3ForCausalLM, Qwen3Config(
            vocab_size=151936, hidden_size=1024, intermediate_size=3072, num_hidden_layers=28,
            num_attention_heads=16, num_key_value_heads=8, head_dim=128, max_position_embeddings=40960,
            rope_theta=1e6, rms_norm_eps=1e-6, tie_word_embeddings=True)
    else:  # a tiny model, to test the script without a GPU
        cls, config = LlamaForCausalLM, LlamaConfig(
            vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
            num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=512,
            tie_word_embeddings=True)
    config._attn_implementation = "sdpa"
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            return cls(config).eval()
    finally:
        torch.set_default_dtype(before)


def make_constraint(kind, batch, new, vocab, device):
    """A LogitsProcessor that masks the tokens not allowed at each position of each row. A fifth of the
    positions allow one token, the others 66."""
    from transformers import LogitsProcessor

    rng = torch.Generator().manual_seed(0)
    free = torch.rand(batch, new, generator=rng) < 0.8
    token = torch.randint(0, vocab, (batch, new), generator=rng)
    allowed = torch.zeros(vocab, dtype=torch.bool, device=device)
    allowed[:66] = True

    class Position(LogitsProcessor):
        def __init__(self):
            self.free, self.token, self.at = free.to(device), token.to(device), 0

        def __call__(self, ids, scores):
            for row in range(scores.shape[0]):
                if self.free[row, self.at]:
                    scores[row, ~allowed] = -math.inf
                else:
                    scores[row, :] = -math.inf
                    scores[row, self.token[row, self.at]] = 0
            self.at += 1
            return scores

    class Lean(LogitsProcessor):
        def __init__(self):
            self.free, self.token, self.at = free.tolist(), token.tolist(), 0
            self.denied = ~allowed

        def __call__(self, ids, scores):
            for row in range(scores.shape[0]):
                if self.free[row][self.at]:
                    scores[row].masked_fill_(self.denied, -math.inf)
                else:
                    scores[row] = -math.inf
                    scores[row, self.token[row][self.at]] = 0
            self.at += 1
            return scores

    return Position() if kind == "position" else Lean()


@torch.inference_mode()
def generate(model, batch, cache, constraint, new):
    """Makes two equal calls. Returns the seconds of the second, and of both."""
    from transformers import GenerationConfig, LogitsProcessorList

    device, vocab = model.device, model.config.vocab_size
    ids = torch.randint(0, vocab, (batch, PROMPT), device=device)
    options = dict(max_new_tokens=new, do_sample=True, temperature=1.0, top_k=0, top_p=1.0,
                   pad_token_id=0)
    if cache != "dynamic":
        options["cache_implementation"] = cache
    config = GenerationConfig(**options)
    config.eos_token_id = None
    seconds = []
    for _ in range(2):
        processors = LogitsProcessorList()
        if constraint:
            processors.append(make_constraint(constraint, batch, new, vocab, device))
        if device.type == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        out = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids),
                             generation_config=config, logits_processor=processors)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
        if out.shape[1] != PROMPT + new:
            raise RuntimeError(f"{out.shape[1] - PROMPT} tokens instead of {new}")
    return seconds[1], sum(seconds)


def run_generate(args, log, device):
    rows = []
    model = make_model(args.shape, device)
    log.line(what="model", shape=args.shape,
             parameters=sum(p.numel() for p in model.parameters()))
    for batch, cache, constraint, new, estimate in PLANS[args.shape]:
        row = dict(what="generate", shape=args.shape, batch=batch, cache=cache,
                   constraint=constraint or "none", new=new)
        if log.left() - args.reserve < estimate:
            log.line(**row, skipped="no time left")
            continue
        try:
            seconds, both = generate(model, batch, cache, constraint, new)
            row.update(tokens_per_second=batch * new / seconds, seconds=seconds, with_warm_up=both)
            if device == "cuda":
                row["peak_gib"] = torch.cuda.max_memory_allocated() / 2**30
            rows.append(row)
        except Exception as e:  # continue with the other configurations
            row["error"] = f"{type(e).__name__}: {e}"[:300]
        log.line(**row)
        torch._dynamo.reset()
        free_memory()
    del model
    free_memory()
    return rows


def generate_apart(args, log):
    """Calls run_generate() in another process, which frees all memory and can be killed."""
    limit = log.left() - args.reserve
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "generate.jsonl")
        try:
            subprocess.run([sys.executable, os.path.abspath(__file__), "--only", "generate",
                            "--shape", args.shape, "--budget", str(limit), "--reserve", "0",
                            "--out", path], stdout=subprocess.DEVNULL, timeout=limit + 20)
        except subprocess.TimeoutExpired:
            log.line(what="generate", stopped="no time left; the lines before are complete")
        if os.path.exists(path):
            with open(path) as f:
                rows = [json.loads(line) for line in f if line.endswith("\n")]
    for row in rows:
        log.line(**row, t_generate=row.pop("t"))
    return [r for r in rows if "tokens_per_second" in r]


# ---- confgen ------------------------------------------------------------------------------------


def run_confgen(args, log, command):
    """Returns the figures of `confgen bench ... --json`; its output goes to standard error."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "figures.json")
        command = [args.confgen, "bench"] + command + args.more + ["--json", path]
        log.line(what="confgen", command=command)
        try:
            code = subprocess.run(command, stdout=sys.stderr, timeout=max(30, log.left())).returncode
        except subprocess.TimeoutExpired:
            code = -1
            log.line(what="confgen", stopped="no time left; the lines that follow are complete")
        if code > 0:
            log.line(what="confgen", exit_status=code)
        if not os.path.exists(path):
            sys.exit("confgen wrote no figures")
        with open(path) as f:
            return json.load(f)


def confgen_decode(args, log, folder):
    if not args.tokenizer and args.shape == "llama380m":
        source = os.path.join(ROOT, "tests", "data", "tokenizers", "llama3_test")
        args.tokenizer = pad(source, folder, 128256)
    command = ["decode", "--device", args.device, "--shape", args.shape, "--batch", args.batch,
               "--constraint", args.constraint, "--molecules", args.molecules, "--gens",
               str(args.gens), "--max-length", str(args.max_length), "--temperature", "1"]
    more = {"--tokenizer": args.tokenizer, "--limit": args.limit, "--kv-cache": args.kv_cache,
            "--attention": args.plugins, "--dtype": args.dtype, "--step-tokens": args.step_tokens}
    for flag, value in more.items():
        if value:
            command += [flag, str(value)]
    found = run_confgen(args, log, command)
    for cell in found["cells"]:
        log.line(what="confgen_decode", shape=args.shape, **cell)
    return found["cells"]


def print_decode(theirs, ours):
    print(f"\n{'':28}{'batch':>6}  {'cache':8}  {'constraint':10}  {'tokens/s':>10}")
    for r in theirs:
        print(f"{'generate()':28}{r['batch']:6}  {r['cache']:8}  "
              f"{r['constraint']:10}  {r['tokens_per_second']:10.0f}")
    ours = [c for c in ours if "tokens_per_second" in c]
    for c in ours:
        print(f"{'confgen ' + c['attention']:28}{c['batch']:6}  {c['kv_cache']:8}  "
              f"{c['constraint']:10}  {c['tokens_per_second']:10.0f}")

    def best(rows):
        return max((r["tokens_per_second"] for r in rows), default=None)

    pairs = [("generate() " + kind, best(r for r in theirs if r["constraint"] == kind))
             for kind in ("position", "lean", "none")]
    pairs.append(("confgen none", best(c for c in ours if c["constraint"] == "none")))
    grammar = best(c for c in ours if c["constraint"] != "none")
    print()
    for name, value in pairs:
        if grammar and value:
            print(f"confgen constrained {grammar:.0f} / {name} {value:.0f} = {grammar / value:.2f}")


# ---- attention ----------------------------------------------------------------------------------


def cells_by_shape(found):
    shapes = {}
    for cell in found["cells"]:
        shapes.setdefault((cell["set"], bench_tables.shape_of(cell), cell["dtype"]), []).append(cell)
    return shapes.values()


def torch_rows(args, log, cell, device):
    """Rows of PyTorch's back ends for the shape of a cell; none if no time is left."""
    if log.left() < 5:  # seconds that a shape needs
        return []
    rows = torch_attention.rows_of(cell, device, args.max_call)
    free_memory()
    return rows


def run_attention(args, log, device):
    """Writes a line for each cell of confgen and of PyTorch's back ends; prints the tables of bench_tables.py."""
    command = ["attention", "--device", args.device, "--kv-cache", args.kv_cache, "--max-call",
               str(args.max_call)]
    for flag, value in {"--dtype": args.dtype, "--attention": args.plugins}.items():
        if value:
            command += [flag, value]
    found = run_confgen(args, log, command)
    log.line(what="ceilings", **{k: v for k, v in found.items() if k != "cells"})
    lines = []
    for cells in cells_by_shape(found):
        rows = cells + torch_rows(args, log, cells[0], device)
        for row in rows:
            log.line(what="attention", **row)
        lines += rows
    bench_tables.attention_tables(bench_tables.with_machine(lines, found))
    print("`PyTorch NAME, lengths`: its function of variable lengths in device memory, as our plugins have them; the "
          "others have one length. A cell without a figure or a number: no time left.")


def run_figures(args, log, device):
    """Writes a line for each of PyTorch's back ends on the shapes of confgen's figures."""
    for path in args.figures:
        with open(path) as f:
            found = json.load(f)
        log.line(what="ceilings", **{k: v for k, v in found.items() if k != "cells"})
        for cells in cells_by_shape(found):
            rows = torch_rows(args, log, cells[0], device)
            for row in rows:
                log.line(what="attention", **row)
            times = ", ".join(f"{r['attention'][8:]} {r['ms']:.4g} ms" for r in rows if "ms" in r)
            print(f"{log.budget - log.left():.1f} s: {cells[0]['set']}, {cells[0]['shape']}: "
                  f"{times if rows else 'no time left'}", flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--confgen", default=os.path.join(ROOT, "build", "confgen"))
    p.add_argument("--device", default="cuda", help="confgen's device (PyTorch uses the first GPU, "
                   "or the CPU for cpu)")
    p.add_argument("--budget", type=float, default=540, help="total seconds")
    p.add_argument("--reserve", type=float, default=240, help="seconds of the budget for confgen")
    p.add_argument("--out", help="write the figures as JSON lines")
    p.add_argument("--dtype", help="confgen's --dtype")
    p.add_argument("--attention", action="store_true", help="compare attention instead")
    p.add_argument("--figures", nargs="+", metavar="FILE", help="with --attention: of `confgen bench attention --json`")
    p.add_argument("--max-call", type=float, default=20, help="seconds: slower attention is left out")
    p.add_argument("--shape", default="llama380m", choices=PLANS)
    p.add_argument("--tokenizer", help="directory (default: the default model's; llama380m: the "
                   "test tokenizer, padded to the model's vocabulary)")
    p.add_argument("--batch", help="confgen's batch sizes (default: by shape)")
    p.add_argument("--constraint", default="grammar,none", help="confgen's constraints")
    p.add_argument("--kv-cache", default="static,paged", help="confgen's caches")
    p.add_argument("--plugins", help="confgen's attention plugins, NAME,...")
    p.add_argument("--step-tokens", help="confgen's --step-tokens")
    p.add_argument("--max-length", type=int, help="confgen's --max-length (default: by shape)")
    p.add_argument("--molecules", default=os.path.join(ROOT, "data", "geom_drugs_test.smi"))
    p.add_argument("--limit", type=int, help="only the first N molecules")
    p.add_argument("--gens", type=int, default=8)
    p.add_argument("--only", choices=["generate", "confgen"], help="run only one of the two")
    argv = sys.argv[1:]
    at = argv.index("--") if "--" in argv else len(argv)
    args = p.parse_args(argv[:at])
    args.more = argv[at + 1:]
    batch, max_length = SIZES[args.shape]
    args.batch = args.batch or batch
    args.max_length = args.max_length or max_length
    log = Log(args.out, args.budget, verbose=not args.figures)
    device = "cuda" if torch.cuda.is_available() and args.device != "cpu" else "cpu"
    log.line(what="machine", torch=torch.__version__, cudnn=torch.backends.cudnn.version(),
             gpu=torch.cuda.get_device_name() if device == "cuda" else "none")
    if args.attention:
        (run_figures if args.figures else run_attention)(args, log, device)
        return
    theirs, ours = [], []
    if args.only == "generate":
        theirs = run_generate(args, log, device)
    elif not args.only:
        theirs = generate_apart(args, log)
    if args.only != "generate":
        with tempfile.TemporaryDirectory() as folder:
            ours = confgen_decode(args, log, folder)
    print_decode(theirs, ours)


if __name__ == "__main__":
    main()
