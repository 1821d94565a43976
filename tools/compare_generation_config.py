#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares how confgen and transformers read sampling from a model's files (development only).

usage: compare_generation_config.py [--verbose]

For about 100 generation_config.json, and config.json without one, beside a tiny model: the values that
generate() of transformers would use (greedy or not, temperature, top_k, top_p, min_p) and whether it would
do anything else (other processors, beams, other searches), against a run of confgen and its report. Each
case is one of
  equal             both use the same values
  both refuse       transformers raises an error or does what confgen does not support; confgen ends with
                    status 3 and names the setting
  confgen refuses   transformers runs; confgen ends with status 3 and names the setting
  confgen runs      transformers raises an error; confgen uses the values
  differ aloud      confgen uses other values and says so in a warning
  DIFFERENT         none of these
Needs torch and transformers of PyPI and the built program and tests. Exit status: 0 without DIFFERENT.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings

import torch
import transformers
from transformers import AutoModelForCausalLM

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
WARPERS = {"TemperatureLogitsWarper", "TopKLogitsWarper", "TopPLogitsWarper", "MinPLogitsWarper"}
HARMLESS = {"LogitNormalization", "InfNanRemoveLogitsProcessor"}  # do not change a distribution

SINGLE = [
    ("num_beams", 4), ("num_beams", 1), ("num_beams", 0), ("repetition_penalty", 1.5), ("repetition_penalty", 1),
    ("encoder_repetition_penalty", 1.3), ("no_repeat_ngram_size", 3), ("encoder_no_repeat_ngram_size", 2),
    ("typical_p", 0.9), ("typical_p", 2.0), ("epsilon_cutoff", 1e-3), ("eta_cutoff", 1e-3), ("top_h", 0.5),
    ("suppress_tokens", [4]), ("begin_suppress_tokens", [4]), ("bad_words_ids", [[4]]), ("bad_words_ids", []),
    ("penalty_alpha", 0.6), ("diversity_penalty", 0.5), ("num_beam_groups", 2), ("length_penalty", 2.0),
    ("early_stopping", True), ("forced_bos_token_id", 3), ("forced_eos_token_id", 3),
    ("sequence_bias", [[[4], 1.0]]), ("guidance_scale", 1.5), ("guidance_scale", 1.0), ("min_length", 10),
    ("min_new_tokens", 10), ("min_new_tokens", 0), ("watermarking_config", {"greenlist_ratio": 0.25, "bias": 2.0}),
    ("renormalize_logits", True), ("remove_invalid_values", True), ("exponential_decay_length_penalty", [3, 1.1]),
    ("token_healing", True), ("dola_layers", "low"), ("stop_strings", ["x"]), ("prompt_lookup_num_tokens", 3),
    ("force_words_ids", [[3]]), ("num_return_sequences", 2), ("max_new_tokens", 0), ("max_time", 1.0),
    ("cache_implementation", "static"), ("temperature", 0.5), ("temperature", 1), ("temperature", 2),
    ("temperature", 0.0), ("temperature", None), ("top_p", 0.9), ("top_p", 1.5), ("top_p", 0.0), ("top_p", None),
    ("top_k", 20), ("top_k", 0), ("top_k", -1), ("top_k", None), ("min_p", 0.05), ("min_p", 0.0), ("min_p", 1.0),
    ("eos_token_id", -1), ("eos_token_id", []), ("eos_token_id", [5, -1, 99999]), ("eos_token_id", None),
    ("max_length", 5), ("my_own_key", [1]),
]


def make_cases():
    """(name, generation_config.json or None, members added to config.json)"""
    cases = [
        ("no file", None, {}),
        ("no file, config.json samples", None, {"do_sample": True, "temperature": 0.5, "top_k": 7}),
        ("no file, config.json has beams", None, {"num_beams": 3}),
        ("no file, config.json has a penalty", None, {"repetition_penalty": 1.2}),
        ("empty", {}, {}),
        ("of save_pretrained", {"_from_model_config": True, "eos_token_id": 5, "transformers_version": "4.57.3"}, {}),
        ("of save_pretrained, config.json samples", {"_from_model_config": True, "eos_token_id": 5},
         {"do_sample": True, "top_k": 3}),
        ("config.json samples", {"eos_token_id": 5}, {"do_sample": True, "top_k": 3}),
        ("do_sample null", {"do_sample": None, "top_k": 5}, {}),
        ("do_sample 1", {"do_sample": 1}, {}),
        ("of Qwen3-0.6B", {"do_sample": True, "temperature": 0.6, "top_k": 20, "top_p": 0.95, "eos_token_id": [5, 6]},
         {}),
        ("of Qwen2.5-0.5B-Instruct", {"do_sample": True, "repetition_penalty": 1.1, "temperature": 0.7, "top_p": 0.8,
                                      "top_k": 20}, {}),
        ("of Llama-3.2-1B", {"do_sample": True, "temperature": 0.6, "top_p": 0.9, "eos_token_id": 5}, {}),
    ]
    for key, value in SINGLE:
        for sample in (False, True):
            cases.append((f"{key} {json.dumps(value)}, {'sampling' if sample else 'greedy'}",
                          {"do_sample": sample, key: value}, {}))
    return cases


def of_transformers(folder):
    """Values, or a text that says why they are not all."""
    ids = torch.tensor([[1, 2, 3]])
    try:
        model = AutoModelForCausalLM.from_pretrained(folder)
        g = model._prepare_generation_config(None)[0]
        model._prepare_special_tokens(g, True, device="cpu")
        processors = model._get_logits_processor(g, input_ids_seq_length=3, encoder_input_ids=ids, device="cpu",
                                                 model_kwargs={})
        model.generate(ids, max_new_tokens=2, attention_mask=torch.ones_like(ids))
    except Exception as e:  # whatever transformers raises
        return "error: " + str(e).split("\n")[0][:90]
    more = [type(p).__name__ for p in processors if type(p).__name__ not in WARPERS | HARMLESS]
    if g.num_beams not in (None, 1):
        more.append(f"{g.num_beams} beams")
    if more:
        return "more: " + ", ".join(more)
    if not g.do_sample:
        return "greedy"
    return tuple(float(x) if x is not None else default
                 for x, default in ((g.temperature, 1.0), (g.top_k, 0.0), (g.top_p, 1.0), (g.min_p, 0.0)))


def of_confgen(folder):
    """Values or the refusal, and standard error."""
    report = os.path.join(os.path.dirname(folder), "report.json")
    run = subprocess.run([os.path.join(ROOT, "build/confgen"), "--model", folder, "--input", "-", "--output", "-",
                          "--report", report, "--overwrite", "--device", "cpu", "--geometry", "off"],
                         input="CCO\n", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if run.returncode == 3:
        return "refused: " + run.stderr.strip().split("\n")[-1].split(": ", 3)[-1], run.stderr
    if run.returncode not in (0, 1):
        sys.exit(f"confgen ends with status {run.returncode}: {run.stderr}")
    with open(report) as f:
        s = json.load(f)["engine"]["sampling"]
    if s["greedy"]:
        return "greedy", run.stderr
    return (s["temperature"], float(s["top_k"]), s["top_p"], s["min_p"]), run.stderr


def verdict(want, got, log):
    refused = isinstance(got, str) and got.startswith("refused")
    failed = isinstance(want, str) and want.startswith(("error", "more"))
    if refused:
        return "both refuse" if failed else "confgen refuses"
    if failed:
        return "confgen runs" if want.startswith("error") else "DIFFERENT"
    if want == got:
        return "equal"
    return "differ aloud" if "transformers" in log else "DIFFERENT"


def main():
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity(transformers.logging.CRITICAL)
    torch.set_num_threads(1)
    counts = {}
    with tempfile.TemporaryDirectory() as top:
        base = os.path.join(top, "base")
        os.mkdir(base)
        subprocess.run([os.path.join(ROOT, "build/tests/tools/write_model"), base], check=True)
        for name in ("tokenizer.json", "tokenizer_config.json", "confgen.json"):
            shutil.copy(os.path.join(ROOT, "data/confgen-default", name), base)
        with open(os.path.join(base, "config.json")) as f:
            config = json.load(f)
        cases = make_cases()
        print(f"transformers {transformers.__version__}, {len(cases)} cases")
        for name, generation, more in cases:
            path = os.path.join(base, "generation_config.json")
            with open(os.path.join(base, "config.json"), "w") as f:
                json.dump({**config, **more}, f)
            if generation is not None:
                with open(path, "w") as f:
                    json.dump(generation, f)
            elif os.path.exists(path):
                os.remove(path)
            want = of_transformers(base)
            got, log = of_confgen(base)
            result = verdict(want, got, log)
            counts[result] = counts.get(result, 0) + 1
            if result != "equal" or "--verbose" in sys.argv:
                print(f"{result:16} {name}\n    transformers {want}\n    confgen      {got}")
    print(", ".join(f"{n} {result}" for result, n in sorted(counts.items())))
    return "DIFFERENT" in counts


sys.exit(main())
