#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares logits of confgen with those of Hugging Face transformers, in float32 on the CPU.

    check_architectures.py BUILD [--only REGEX] [--ids N]

BUILD is a build folder (tests/tools/model_logits, plugins). Each case is a tiny model of random
weights that transformers writes, and changes to its config.json afterwards. Both programs read the
folder. Prints a line per case: the largest difference over the largest logit, for each attention
plugin, or the sentence with which confgen refuses the model. Exit status 1 if a difference exceeds
1e-4, a model is refused that should run, or one runs that should be refused.

Needs torch and transformers; CI runs tests/golden instead.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import torch
import transformers

LIMIT = 1e-4
VOCAB = 160
POSITIONS = 512
GENERATE = 24

LLAMA = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=2, vocab_size=VOCAB, max_position_embeddings=POSITIONS)
GPT2 = dict(n_embd=64, n_layer=3, n_head=4, n_positions=POSITIONS, vocab_size=VOCAB)
NEOX = dict(hidden_size=64, intermediate_size=96, num_hidden_layers=3, num_attention_heads=4,
            vocab_size=VOCAB, max_position_embeddings=POSITIONS)
YARN = dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=128)
V5 = int(transformers.__version__.split(".")[0]) >= 5


def rope(theta=10000.0, **scaling):
    """The settings in the spelling of this version of transformers."""
    if V5:
        return dict(rope_parameters=dict({"rope_type": "default", "rope_theta": theta}, **scaling))
    return dict(rope_theta=theta, rope_scaling=scaling or None)


def case(name, cls, base, config=None, edit=None, refused=None, dtype=None):
    """edit: changes of config.json after saving; a value of ... removes the key.
    refused: a part of the sentence that confgen must answer with."""
    return dict(name=name, cls=cls, config=dict(base, **(config or {})), edit=edit or {},
                refused=refused, dtype=dtype)


L, Q2, Q3, M, S, G, N = "Llama", "Qwen2", "Qwen3", "Mistral", "SmolLM3", "GPT2", "GPTNeoX"
TYPES = ["sliding_attention", "full_attention", "sliding_attention"]
CASES = [
    case("llama", L, LLAMA),
    case("llama biases", L, LLAMA, dict(attention_bias=True, mlp_bias=True)),
    case("llama attention bias, tied", L, LLAMA, dict(attention_bias=True, tie_word_embeddings=True)),
    case("llama swish", L, LLAMA, dict(hidden_act="swish")),
    *[case(f"llama {act}", L, LLAMA, dict(hidden_act=act))
      for act in ("gelu", "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "quick_gelu", "relu")],
    case("llama mish", L, LLAMA, dict(hidden_act="mish"), refused="hidden_act"),
    case("llama linear", L, LLAMA, rope(rope_type="linear", factor=2.5)),
    case("llama dynamic", L, LLAMA, rope(rope_type="dynamic", factor=2.0)),
    case("llama yarn", L, LLAMA, rope(**YARN)),
    case("llama yarn without original positions", L, LLAMA, rope(rope_type="yarn", factor=4.0)),
    case("llama yarn, all keys", L, LLAMA,
         rope(5e5, **YARN, beta_fast=16.0, beta_slow=2.0, attention_factor=1.25)),
    case("llama yarn, mscale", L, LLAMA, rope(**YARN, mscale=0.7, mscale_all_dim=1.3)),
    case("llama yarn, no truncation", L, LLAMA, rope(**YARN, truncate=False)),
    case("llama3", L, LLAMA, rope(5e5, rope_type="llama3", factor=8.0, low_freq_factor=1.0,
                                  high_freq_factor=4.0, original_max_position_embeddings=64)),
    case("llama, rope_scaling.type", L, LLAMA, {},
         dict(rope_parameters=..., rope_theta=10000.0, rope_scaling=dict(type="linear", factor=2.0))),
    case("llama, both spellings of yarn", L, LLAMA, {},
         dict(rope_parameters=dict(YARN, rope_theta=10000.0), rope_theta=10000.0, rope_scaling=dict(YARN))),
    case("llama, two kinds of rope", L, LLAMA, {},
         dict(rope_parameters=dict(YARN, rope_theta=10000.0),
              rope_scaling=dict(rope_type="linear", factor=2.0)), refused="different settings"),
    case("llama window", L, LLAMA, {}, dict(sliding_window=24), refused="sliding_window"),
    case("llama partial rotation", L, LLAMA, {}, dict(partial_rotary_factor=0.5),
         refused="partial_rotary_factor"),
    case("llama longrope", L, LLAMA, {},
         dict(rope_parameters=..., rope_scaling=dict(rope_type="longrope", factor=2.0,
              short_factor=[1.0] * 8, long_factor=[2.0] * 8, original_max_position_embeddings=64)),
         refused="longrope"),
    case("llama without head counts", L, LLAMA, dict(num_key_value_heads=4),
         dict(num_key_value_heads=..., head_dim=...)),
    case("qwen2", Q2, LLAMA),
    case("qwen2 window", Q2, LLAMA, dict(use_sliding_window=True, sliding_window=24, max_window_layers=1)),
    case("qwen2 window in all layers", Q2, LLAMA,
         dict(use_sliding_window=True, sliding_window=24, max_window_layers=0)),
    case("qwen2 window, default layers", Q2, LLAMA, dict(use_sliding_window=True, sliding_window=24),
         dict(layer_types=..., max_window_layers=...)),
    case("qwen2 window by layer_types", Q2, LLAMA,
         dict(use_sliding_window=True, sliding_window=24, layer_types=TYPES)),
    case("qwen2 window of the context", Q2, LLAMA,
         dict(use_sliding_window=True, sliding_window=POSITIONS, layer_types=TYPES)),
    case("qwen2 without head counts", Q2, LLAMA, dict(num_attention_heads=32, num_key_value_heads=32,
         hidden_size=256), dict(num_key_value_heads=...)),
    case("qwen2 window not in use", Q2, LLAMA, dict(use_sliding_window=False), dict(sliding_window=24)),
    case("qwen2 window in a layer, none set", Q2, LLAMA, {},
         dict(use_sliding_window=False, layer_types=TYPES), refused="layer_types"),
    case("qwen2 yarn", Q2, LLAMA, rope(1e6, **YARN)),
    case("qwen3", Q3, LLAMA, dict(head_dim=32)),
    case("qwen3 attention bias", Q3, LLAMA, dict(head_dim=32, attention_bias=True)),
    case("qwen3 window", Q3, LLAMA,
         dict(head_dim=32, use_sliding_window=True, sliding_window=24, max_window_layers=1)),
    case("qwen3 without head_dim", Q3, LLAMA, dict(head_dim=128), dict(head_dim=...)),
    case("mistral", M, LLAMA, dict(sliding_window=None)),
    case("mistral window", M, LLAMA, dict(sliding_window=24)),
    case("mistral, window longer than the text", M, LLAMA, dict(sliding_window=300)),
    case("mistral, window beyond the context", M, LLAMA, dict(sliding_window=POSITIONS + 1)),
    case("mistral, layer_types of another kind", M, LLAMA, dict(sliding_window=24),
         dict(layer_types=["full_attention"] * 3), refused="layer_types"),
    case("mistral yarn, gelu", M, LLAMA,
         dict(rope(**YARN), sliding_window=24, hidden_act="gelu", head_dim=16)),
    case("mistral default window", M, LLAMA, {}, dict(sliding_window=...)),
    case("mistral, 8 default key/value heads", M, LLAMA,
         dict(num_attention_heads=8, num_key_value_heads=8, sliding_window=30), dict(num_key_value_heads=...)),
    case("mistral linear", M, LLAMA, dict(rope(rope_type="linear", factor=2.0), head_dim=24)),
    case("smollm2", L, LLAMA, dict(tie_word_embeddings=True, **rope(100000.0))),
    case("smollm3", S, dict(LLAMA, num_hidden_layers=5, pad_token_id=0)),
    case("smollm3 untied, biases", S, dict(LLAMA, num_hidden_layers=5, pad_token_id=0),
         dict(tie_word_embeddings=False, attention_bias=True, mlp_bias=True)),
    case("smollm3 without rotation", S, dict(LLAMA, pad_token_id=0), dict(no_rope_layers=[0, 0, 0])),
    case("smollm3 yarn", S, dict(LLAMA, num_hidden_layers=5, pad_token_id=0), rope(2e6, **YARN)),
    case("smollm3 list", S, dict(LLAMA, pad_token_id=0), dict(no_rope_layers=[1, 0, 1])),
    case("smollm3 interval 2, window", S, dict(LLAMA, pad_token_id=0),
         dict(no_rope_layer_interval=2, use_sliding_window=True, sliding_window=24)),
    case("gpt2", G, GPT2),
    case("gpt2 untied", G, GPT2, dict(tie_word_embeddings=False)),
    case("gpt2 n_inner", G, GPT2, dict(n_inner=96)),
    *[case(f"gpt2 {act}", G, GPT2, dict(activation_function=act))
      for act in ("gelu", "relu", "silu", "gelu_pytorch_tanh", "quick_gelu")],
    case("gpt2 tanh", G, GPT2, dict(activation_function="tanh"), refused="activation_function"),
    case("gpt2 upcast", G, GPT2, dict(reorder_and_upcast_attn=True)),
    case("gpt2 inverse layer", G, GPT2, dict(scale_attn_by_inverse_layer_idx=True),
         refused="scale_attn_by_inverse_layer_idx"),
    case("gpt2 unscaled", G, GPT2, dict(scale_attn_weights=False), refused="scale_attn_weights"),
    case("gpt2 bf16", G, GPT2, dtype=torch.bfloat16),
    case("gpt2 other spellings", G, GPT2, {},
         dict(n_embd=..., hidden_size=64, n_layer=..., num_hidden_layers=3, n_head=...,
              num_attention_heads=4, n_positions=..., max_position_embeddings=POSITIONS)),
    case("neox", N, NEOX),
    case("neox sequential", N, NEOX, dict(use_parallel_residual=False)),
    case("neox without attention bias", N, NEOX, dict(attention_bias=False)),
    case("neox tied", N, NEOX, dict(tie_word_embeddings=True)),
    *[case(f"neox {act}", N, NEOX, dict(hidden_act=act)) for act in ("gelu_new", "gelu_fast", "relu")],
    *[case(f"neox rotary {pct}", N, NEOX,
           dict(rope(2e4, partial_rotary_factor=pct)) if V5 else dict(rotary_pct=pct, rotary_emb_base=20000))
      for pct in (1.0, 0.5)],
    case("neox 4.57 keys", N, NEOX, dict(rope(partial_rotary_factor=0.5)) if V5 else dict(rotary_pct=0.5),
         dict(rope_parameters=..., rope_scaling=..., rotary_pct=0.5, rotary_emb_base=10000)),
    case("neox default share", N, NEOX, {}, dict(rotary_pct=..., rope_parameters=..., rotary_emb_base=...)),
    case("neox linear", N, NEOX, dict(rope(rope_type="linear", factor=2.0, partial_rotary_factor=0.5)) if V5
         else dict(rotary_pct=0.5, rope_scaling=dict(rope_type="linear", factor=2.0))),
    case("neox yarn", N, NEOX, dict(rope(**YARN, partial_rotary_factor=0.5)) if V5
         else dict(rotary_pct=0.5, rope_scaling=YARN)),
    case("neox odd share", N, NEOX, {}, dict(rotary_pct=0.2, rope_parameters=...), refused="rotary_pct"),
    case("neox bf16", N, NEOX, dtype=torch.bfloat16),
]

CLASSES = {G: ("GPT2Config", "GPT2LMHeadModel")}


def write_case(c, folder):
    config_name, model_name = CLASSES.get(c["cls"], (c["cls"] + "Config", c["cls"] + "ForCausalLM"))
    torch.manual_seed(1)
    model = getattr(transformers, model_name)(getattr(transformers, config_name)(**c["config"]))
    for name, p in model.named_parameters():
        with torch.no_grad():
            if p.dim() == 1:
                p.normal_(1.0 if "bias" not in name else 0.0, 0.3)
            else:
                p.normal_(0.0, 0.25)
    model.to(c["dtype"] or torch.float32).save_pretrained(folder)
    path = pathlib.Path(folder) / "config.json"
    config = json.loads(path.read_text())
    config["eos_token_id"] = 0
    for key, value in c["edit"].items():
        if value is ...:
            config.pop(key, None)
        else:
            config[key] = value
    path.write_text(json.dumps(config))
    path.with_name("generation_config.json").unlink(missing_ok=True)


def confgen_logits(build, folder, attention, cache, ids):
    run = subprocess.run(
        [f"{build}/tests/tools/model_logits", folder, attention, cache],
        input=" ".join(map(str, ids)).encode(), capture_output=True,
        env=dict(os.environ, CONFGEN_PLUGIN_PATH=f"{build}/plugins"))
    if run.returncode:
        return None, run.stderr.decode().strip().replace(folder + "/", "")
    return torch.frombuffer(bytearray(run.stdout), dtype=torch.float32).reshape(len(ids), -1), None


def check_case(build, c, n_ids):
    with tempfile.TemporaryDirectory() as folder:
        write_case(c, folder)
        got, refusal = confgen_logits(build, folder, "eager", "static", list(range(3)))
        if c["refused"] or refusal:
            ok = bool(refusal and c["refused"] and c["refused"] in refusal)
            return ok, "refused: " + refusal if refusal else "runs, should be refused"
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, attn_implementation="eager").eval()
        ids = torch.randint(0, VOCAB, (1, n_ids), generator=torch.Generator().manual_seed(2))
        # as generate() runs the model: over a cache, a token at a time at the end
        ids = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=GENERATE,
                             do_sample=False, eos_token_id=None, pad_token_id=0)
        want = model(ids).logits[0]
        ids = ids[0].tolist()
        worst, parts = 0.0, []
        for attention, cache in (("eager", "static"), ("flash", "paged")):
            got, refusal = confgen_logits(build, folder, attention, cache, ids)
            if refusal:
                parts.append(f"{attention}: {refusal}")
                continue
            error = float((got - want).abs().max() / want.abs().max())
            greedy = got[n_ids - 1 : -1].argmax(1).tolist() == ids[n_ids:]
            worst = max(worst, error, 0.0 if greedy else 1.0)
            parts.append(f"{attention} {error:.1e}" + ("" if greedy else ", other greedy ids"))
        return worst <= LIMIT, "; ".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build")
    parser.add_argument("--only", default=".")
    parser.add_argument("--ids", type=int, default=150)
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    cases = [c for c in CASES if re.search(args.only, c["name"])]
    failed = 0
    for c in cases:
        ok, text = check_case(args.build, c, args.ids)
        failed += not ok
        print(f"{'ok    ' if ok else 'FAILED'} {c['name']}: {text}", flush=True)
    print(f"{len(cases)} cases, {failed} failed")
    return failed > 0


sys.exit(main())
