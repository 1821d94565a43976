#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs tiny checkpoints of many kinds by confgen and by Hugging Face transformers (development only).

usage: check_checkpoints.py CONFGEN [--only REGEX] [--list] [--keep DIR] [--tokens N]

CONFGEN is the built program (build/confgen). Each case of checkpoints/cases.py is a directory of
random weights. transformers generates N (200) tokens greedily in float32 after the prompt that its
tokenizer makes; confgen does the same under the constraint `none`, and the ids of prompt and text
are compared. A table says of each case:

  equal       all ids are equal
  refused     confgen refuses the directory by a sentence that names the cause
  warned      the ids differ, and confgen names the setting that it ignores
  skipped     this version of transformers cannot make or read the case
  DIFFERENT   the ids differ in silence
  WRONG TEXT  confgen refuses a case that should run, or for another cause

The exit status is 1 if a case is DIFFERENT or WRONG TEXT. Weights are drawn until the two best
logits of each token differ by 3e-5 of the largest, so rounding does not matter. Needs
torch, transformers 4.57 or 5.x, tokenizers, safetensors, and peft for the adapters.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import warnings

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["HF_HUB_OFFLINE"] = "1"

import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "checkpoints"))
from cases import CASES, SMILES, Builder  # noqa: E402

SEEDS = 24  # tried until a case is decisive
MIN_GAP = 3e-5  # between the two best logits, relative to the largest
MIN_DISTINCT = 12  # tokens of the text
EXIT_REFUSED = 3
BAD = ("DIFFERENT", "WRONG TEXT")
RESULTS = ("equal", "refused", "warned", "skipped", *BAD)


class Reference:
    """The prompt and the greedy continuation by transformers."""

    def __init__(self, case, folder, forced_ids, n_tokens):
        self.prompt = case.prompt_ids(folder)
        model = case.load(folder).eval()
        ids = torch.tensor([self.prompt + forced_ids])
        settings = {} if case.own_sampling else {"do_sample": False, "temperature": None, "top_p": None,
                                                 "top_k": None}
        settings.update(case.generate)
        out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=n_tokens,
                             return_dict_in_generate=True, output_logits=True, **settings)
        self.ids = out.sequences[0, ids.shape[1]:].tolist()
        best = torch.stack(out.logits)[:, 0].float().topk(2).values
        self.gap = float(((best[:, 0] - best[:, 1]) / best[:, 0].abs().clamp(min=1e-9)).min())

    def is_decisive(self, case):
        return self.gap >= MIN_GAP and len(set(self.ids)) >= min(MIN_DISTINCT, case.min_distinct)


class Confgen:
    """The built program and its test program, and what they say of a directory."""

    def __init__(self, program):
        self.program = pathlib.Path(program).resolve()
        self.greedy_ids = self.program.parent / "tests" / "tools" / "greedy_ids"
        plugins = self.program.parent / "plugins"
        if plugins.is_dir():
            os.environ.setdefault("CONFGEN_PLUGIN_PATH", str(plugins))
        if not self.program.exists() or not self.greedy_ids.exists():
            sys.exit(f"check_checkpoints: {self.program} or {self.greedy_ids} does not exist: build the tests")

    def version(self):
        """The program's version and, in a checkout, the commit of the sources."""
        text = subprocess.run([self.program, "--version"], capture_output=True, text=True).stdout.split("\n")[0]
        commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True,
                                cwd=pathlib.Path(__file__).parent).stdout.strip()
        return f"{text.removeprefix('confgen ')} {commit}".strip()

    def refusal(self, folder, case):
        """The sentence of a refusal by the program; None if it runs."""
        with tempfile.TemporaryDirectory() as work:
            smiles = pathlib.Path(work, "in.smi")
            smiles.write_text(f"{SMILES} x\n")
            done = subprocess.run(
                [self.program, "--model", folder, "--input", smiles, "--output", f"{work}/out.sdf", "--constraint",
                 "none", "--geometry", "off", "--device", "cpu", "--dtype", "f32", "--max-new-tokens", "4", "--quiet",
                 *([] if case.own_sampling else ["--greedy"]), *case.arguments],
                capture_output=True, text=True, timeout=120)
        if done.returncode in (0, 1):
            return None
        if done.returncode not in (2, EXIT_REFUSED):
            return f"status {done.returncode}: {done.stderr.strip()}"
        return done.stderr.strip()

    def generate(self, folder, case, n_tokens):
        """(prompt ids, ids, number of forced ids, log) of a directory that is not refused."""
        done = subprocess.run(
            [self.greedy_ids, folder, SMILES, str(n_tokens), *(["--own-sampling"] if case.own_sampling else []),
             *case.arguments], capture_output=True, text=True, timeout=300)
        if done.returncode:
            return None, done.stderr.strip()
        text = json.loads(done.stdout)
        return text, done.stderr.strip()


def first_difference(found, wanted):
    for i, (a, b) in enumerate(zip(found, wanted)):
        if a != b:
            return f"id {i}: found {a}, wanted {b}"
    return f"{len(found)} ids, wanted {len(wanted)}"


def shorten(text, folder, n=150):
    text = " ".join(text.replace(f"{folder}/", "").replace(str(folder), "DIR").split())
    text = re.sub(r"^confgen: ", "", text)
    return text if len(text) <= n else text[: n - 3] + "..."


def compare(case, folder, seed, confgen, n_tokens):
    """(result, remark, decisive) of one directory of a case."""
    case.build(Builder(folder, seed))
    refusal = confgen.refusal(folder, case)
    if refusal is not None:
        if case.cause is None:
            return "WRONG TEXT", f"should run: {shorten(refusal, folder)}", True
        named = re.search(case.cause, refusal, re.I) and "\n" not in refusal
        return ("refused" if named else "WRONG TEXT"), shorten(refusal, folder), True
    if case.must_refuse:
        return "DIFFERENT", "runs, should be refused", True
    text, log = confgen.generate(folder, case, n_tokens)
    if text is None:
        return "WRONG TEXT", f"greedy_ids: {shorten(log, folder)}", True
    forced = text["forced"]
    reference = Reference(case, folder, text["ids"][:forced], n_tokens)
    if text["prompt"] != reference.prompt:
        return "DIFFERENT", "prompt: " + first_difference(text["prompt"], reference.prompt), True
    if text["ids"][forced:] == reference.ids:
        return "equal", f"{len(reference.ids)} ids, least gap {reference.gap:.0e}", reference.is_decisive(case)
    difference = first_difference(text["ids"][forced:], reference.ids)
    if case.warning and re.search(case.warning, log, re.I):
        return "warned", shorten(log, folder), True
    return "DIFFERENT", f"{difference} (least gap {reference.gap:.0e})", reference.is_decisive(case)


def run_case(case, confgen, n_tokens, keep):
    reason = case.skip_reason()
    if reason:
        return "skipped", reason
    for seed in range(SEEDS):
        folder = pathlib.Path(tempfile.mkdtemp(prefix="confgen-checkpoint-"))
        try:
            result, remark, decisive = compare(case, folder, seed, confgen, n_tokens)
            if keep and result in BAD:
                shutil.copytree(folder, pathlib.Path(keep, re.sub(r"\W+", "_", case.name)), dirs_exist_ok=True)
        finally:
            shutil.rmtree(folder)
        if decisive:
            return result, remark
    return "DIFFERENT", f"no decisive weights in {SEEDS} seeds; the last: {result}, {remark}"


def print_summary(counts, seconds):
    found = [r for r in RESULTS if any(result == r for _, result in counts)]
    sections = list(dict.fromkeys(section for section, _ in counts))
    print("\n| | " + " | ".join(found) + " |\n|---|" + "---:|" * len(found))
    for section in sections:
        print(f"| {section} | " + " | ".join(str(counts.get((section, r), 0)) for r in found) + " |")
    totals = [sum(n for (_, result), n in counts.items() if result == r) for r in found]
    print(f"| **{sum(totals)} cases** | " + " | ".join(map(str, totals)) + f" |\n\n{seconds:.0f} s")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1][7:])
    parser.add_argument("confgen", nargs="?")
    parser.add_argument("--only", default="", help="cases whose name matches")
    parser.add_argument("--list", action="store_true", help="print the names of the cases")
    parser.add_argument("--keep", help="directory for copies of the directories that fail")
    parser.add_argument("--tokens", type=int, default=200)
    args = parser.parse_args()
    cases = [c for c in CASES if re.search(args.only, c.name)]
    if args.list or not args.confgen:
        print("\n".join(c.name for c in cases))
        return 0 if args.list else 2

    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    confgen = Confgen(args.confgen)
    print(f"confgen {confgen.version()}; transformers {transformers.__version__}, tokenizers {tokenizers.__version__}, "
          f"torch {torch.__version__}; {len(cases)} cases, {args.tokens} tokens\n")
    counts, start = {}, time.time()  # counts by section and result
    width = max(len(c.name) for c in cases)
    for case in cases:
        try:
            result, remark = run_case(case, confgen, args.tokens, args.keep)
        except Exception as e:  # of transformers or torch: a case that cannot be judged
            result, remark = "DIFFERENT", f"not judged: {type(e).__name__}: {shorten(str(e), '-', 200)}"
        counts[case.section, result] = counts.get((case.section, result), 0) + 1
        print(f"{result:10} {case.name:{width}} {remark}".rstrip(), flush=True)
    print_summary(counts, time.time() - start)
    return 1 if any(result in BAD for _, result in counts) else 0


if __name__ == "__main__":
    sys.exit(main())
