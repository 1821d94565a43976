# SPDX-License-Identifier: MIT
"""The checkpoints of ../check_checkpoints.py: tiny directories of random weights."""
import json
import pathlib
import shutil

import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEFAULT = ROOT / "data" / "confgen-default"
SMILES = "CC(=O)Oc1ccccc1C(=O)O"  # as RDKit prints it
PROMPT = f"[SMILES]{SMILES}[/SMILES]"
VOCAB = 2287  # of the default model's tokenizer
QWEN2 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
         r"|\s+(?!\S)|\s+")
MAJOR = int(transformers.__version__.split(".")[0])

SHAPE = dict(vocab_size=VOCAB, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=512, bos_token_id=None, eos_token_id=0, pad_token_id=0)
LLAMA3 = dict(factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0, original_max_position_embeddings=32)


def config(model_type, **more):
    """A tiny configuration; None removes a setting of SHAPE."""
    settings = {**SHAPE, **more}
    return transformers.AutoConfig.for_model(model_type, **settings)


class Builder:
    """Writes one checkpoint."""

    def __init__(self, folder, seed):
        self.folder, self.seed = pathlib.Path(folder), seed
        torch.manual_seed(seed)

    # ---- weights ----

    def randomise(self, model):
        for name, p in model.named_parameters():
            if p.dim() == 1 and ("norm" in name or "ln_" in name) and name.endswith("weight"):
                p.copy_(1 + 0.2 * torch.randn_like(p))
            elif p.dim() == 1:
                p.copy_(0.3 * torch.randn_like(p))
            elif name.endswith("wpe.weight"):
                p.copy_(torch.randn_like(p))  # large beside the token: less repetition
            else:
                p.copy_(1.5 * torch.randn_like(p) / p.shape[-1] ** 0.5)
        return model

    def model(self, conf, dtype=None, **save):
        model = self.randomise(AutoModelForCausalLM.from_config(conf))
        if dtype:
            model = model.to(dtype)
        model.save_pretrained(self.folder, **save)
        self.text_files(conf.model_type == "qwen2")
        return model

    def text_files(self, qwen2=False):
        """The default model's tokenizer; with the pattern that transformers 5 gives every model of type qwen2."""
        for name in ("tokenizer.json", "tokenizer_config.json", "confgen.json"):
            shutil.copy(DEFAULT / name, self.folder / name)
        if qwen2:
            text = json.loads((self.folder / "tokenizer.json").read_text())
            text["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = QWEN2
            self.write("tokenizer.json", json.dumps(text))

    def tensors(self, name="model.safetensors"):
        return load_file(self.folder / name)

    def save(self, tensors, name="model.safetensors"):
        save_file({k: v.contiguous() for k, v in tensors.items()}, self.folder / name, metadata={"format": "pt"})

    def change(self, change):
        """Replaces the tensors of a single file by change(tensors)."""
        tensors = self.tensors()
        self.save(change(tensors) or tensors)

    # ---- settings ----

    def edit(self, name="config.json", drop=(), **more):
        path = self.folder / name
        settings = json.loads(path.read_text()) if path.exists() else {}
        settings.update(more)
        for key in drop:
            settings.pop(key, None)
        path.write_text(json.dumps(settings))

    def write(self, name, text=""):
        (self.folder / name).write_text(text)

    def remove(self, name):
        (self.folder / name).unlink()

    # ---- adapters ----

    def adapter(self, model, edit=None, **lora):
        """Wraps the model in a LoRA adapter of random weights and saves it beside the base."""
        from peft import LoraConfig, get_peft_model

        lora = {"r": 4, "lora_alpha": 6, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM", **lora}
        wrapped = get_peft_model(model, LoraConfig(**lora))
        for name, p in wrapped.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                p.copy_(p + 0.5 * torch.randn_like(p) / p.shape[-1] ** 0.5)
            elif name.endswith("bias") and lora.get("bias", "none") != "none":
                p.copy_(p + 0.3 * torch.randn_like(p))
        wrapped.save_pretrained(self.folder)
        self.edit("adapter_config.json", base_model_name_or_path=str(self.folder), **(edit or {}))
        return wrapped


class Case:
    """
    cause: a pattern of the sentence by which confgen may refuse the directory; None: it must run.
    must_refuse: it may not run either (versions of transformers differ, or run another network).
    warning: a pattern of the log line that excuses other ids.
    own_sampling: the directory's generation_config.json is used, not plain greedy sampling.
    """

    def __init__(self, name, build, cause=None, must_refuse=False, warning=None, own_sampling=False, since=4, until=99,
                 needs=None, load=None, arguments=(), generate=None, min_distinct=99, prompt=None):
        self.name, self.build, self.cause, self.must_refuse, self.warning = name, build, cause, must_refuse, warning
        self.own_sampling, self.since, self.until, self.needs = own_sampling, since, until, needs
        self.arguments, self.generate, self.min_distinct = arguments, generate or {}, min_distinct
        self.load = load or load_model
        self.prompt_ids = prompt or hf_prompt

    def skip_reason(self):
        if not self.since <= MAJOR <= self.until:
            return f"transformers {self.since if MAJOR < self.since else self.until} and " + (
                "later" if MAJOR < self.since else "earlier")
        if self.needs and not hasattr(transformers, self.needs):
            return f"this transformers has no {self.needs}"
        return None


def load_model(folder):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def hf_prompt(folder):
    return AutoTokenizer.from_pretrained(folder)(PROMPT)["input_ids"]


CASES = []
SECTIONS = []


def section(name):
    SECTIONS.append(name)


def case(name, build, cause=None, **more):
    CASES.append(Case(name, build, cause, **more))
    CASES[-1].section = SECTIONS[-1]


def refused(name, build, cause, **more):
    case(name, build, cause, must_refuse=True, **more)


def known(model_type):
    return model_type in transformers.models.auto.configuration_auto.CONFIG_MAPPING_NAMES


# ---- shapes and spellings that run ------------------------------------------------------------

section("shapes and spellings")


def plain(model_type, dtype=None, save=None, edit=None, drop=(), change=None, **conf):
    """A builder of an ordinary checkpoint, with changes of config.json and of the tensors after it."""

    def build(b):
        b.model(config(model_type, **conf), dtype, **(save or {}))
        if edit or drop:
            b.edit(drop=drop, **(edit or {}))
        if change:
            b.change(change)

    return build


for arch in ("llama", "qwen2", "qwen3"):
    hd = {"head_dim": 16} if arch == "qwen3" else {}
    case(f"{arch}, untied", plain(arch, tie_word_embeddings=False, **hd))
    case(f"{arch}, tied", plain(arch, tie_word_embeddings=True, **hd))
    case(f"{arch}, bf16", plain(arch, torch.bfloat16, **hd))
    case(f"{arch}, every head its own keys", plain(arch, num_key_value_heads=4, **hd))
    case(f"{arch}, one key head", plain(arch, num_key_value_heads=1, **hd))
    case(f"{arch}, no architectures, only model_type", plain(arch, drop=["architectures"], **hd))
    case(f"{arch}, no model_type", plain(arch, drop=["model_type"], **hd), load=lambda f, a=arch: {
        "llama": transformers.LlamaForCausalLM, "qwen2": transformers.Qwen2ForCausalLM,
        "qwen3": transformers.Qwen3ForCausalLM}[a].from_pretrained(f, dtype=torch.float32))
    case(f"{arch}, no rms_norm_eps", plain(arch, drop=["rms_norm_eps"], rms_norm_eps=1e-6, **hd))
    case(f"{arch}, no tie_word_embeddings", plain(arch, drop=["tie_word_embeddings"], tie_word_embeddings=False, **hd))
    case(f"{arch}, theta 1e6", plain(arch, rope_theta=1e6, **hd))
case("llama, f16", plain("llama", torch.float16))


def mixed_dtypes(tensors):
    for i, name in enumerate(sorted(tensors)):
        tensors[name] = tensors[name].to((torch.float32, torch.bfloat16, torch.float16)[i % 3])


case("llama, mixed dtypes", plain("llama", change=mixed_dtypes))
case("llama, shards", plain("llama", save={"max_shard_size": "100KB"}))
case("llama, head_dim 6", plain("llama", head_dim=6))
case("llama, head_dim null", plain("llama", edit={"head_dim": None}))
case("llama, no num_key_value_heads", plain("llama", num_key_value_heads=4, drop=["num_key_value_heads"]))
case("llama, num_key_value_heads null", plain("llama", num_key_value_heads=4, edit={"num_key_value_heads": None}))
for size in (2, 10, 20, 34, 80, 96, 256):
    case(f"llama, head_dim {size}", plain("llama", head_dim=size))
for group in (3, 5, 7):
    case(f"llama, groups of {group}", plain("llama", hidden_size=16 * group, num_attention_heads=2 * group, head_dim=8))


def no_head_of_padding(tensors):
    """A trained model does not choose ids that the tokenizer lacks; confgen cannot."""
    tensors["lm_head.weight"][VOCAB:] = 0


case("llama, padded vocabulary", plain("llama", vocab_size=2304, change=no_head_of_padding))
case("llama, pretraining_tp 2", plain("llama", edit={"pretraining_tp": 2}))
case("llama, llama3 rope as rope_scaling", plain(
    "llama", edit={"rope_scaling": {"rope_type": "llama3", **LLAMA3}, "rope_theta": 10000.0}, drop=["rope_parameters"]))
case("llama, llama3 rope as rope_scaling.type", plain(
    "llama", edit={"rope_scaling": {"type": "llama3", **LLAMA3}, "rope_theta": 10000.0}, drop=["rope_parameters"]))
case("llama, llama3 rope as rope_parameters", plain(
    "llama", edit={"rope_parameters": {"rope_type": "llama3", "rope_theta": 10000.0, **LLAMA3}},
    drop=["rope_scaling", "rope_theta"]), since=5)
case("llama, theta in rope_parameters", plain(
    "llama", edit={"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
    drop=["rope_scaling", "rope_theta"]), since=5)
case("llama, theta at the top", plain("llama", edit={"rope_theta": 500.0}, drop=["rope_scaling", "rope_parameters"]))


def rotary_buffers(tensors):
    for i in range(2):
        tensors[f"model.layers.{i}.self_attn.rotary_emb.inv_freq"] = torch.ones(8)


case("llama, rotary buffers", plain("llama", change=rotary_buffers))


def index_beside(b):
    b.model(config("llama"))
    b.write("model.safetensors.index.json", json.dumps(
        {"metadata": {}, "weight_map": {"model.norm.weight": "model-00001-of-00001.safetensors"}}))


case("llama, an index beside model.safetensors", index_beside)
case("llama, partial_rotary_factor 0.5", plain("llama", edit={"partial_rotary_factor": 0.5}), "partial_rotary_factor")
case("llama, hidden_act swish", plain("llama", hidden_act="swish"), "hidden_act")
case("llama, hidden_act gelu", plain("llama", hidden_act="gelu"), "hidden_act.*gelu")
case("llama, attention_bias", plain("llama", attention_bias=True), "attention_bias")
case("qwen3, attention_bias", plain("qwen3", head_dim=16, attention_bias=True), "attention_bias")
case("llama, mlp_bias", plain("llama", mlp_bias=True), "mlp_bias")
case("qwen2, no num_key_value_heads", plain("qwen2", hidden_size=64, num_attention_heads=32, num_key_value_heads=32,
                                            drop=["num_key_value_heads"]), "num_key_value_heads")
case("qwen3, no num_key_value_heads", plain("qwen3", num_attention_heads=32, num_key_value_heads=32, head_dim=8,
                                            drop=["num_key_value_heads"]), "num_key_value_heads")
case("qwen3, no head_dim", plain("qwen3", head_dim=128, drop=["head_dim"]), "head_dim")
case("llama, eos_token_id -1", plain("llama", edit={"eos_token_id": -1}))
case("llama, beyond max_position_embeddings", plain("llama", max_position_embeddings=64),
     arguments=["--max-length", "400"])
for scheme in ("linear", "dynamic"):
    case(f"llama, {scheme} rope", plain("llama", edit={
        "rope_scaling": {"rope_type": scheme, "factor": 2.0}, "rope_theta": 10000.0}, drop=["rope_parameters"]),
        f"rope_scaling.*{scheme}")
case("llama, dynamic rope beyond its context", plain("llama", max_position_embeddings=64, edit={
    "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}, "rope_theta": 10000.0}, drop=["rope_parameters"]),
    "dynamic", arguments=["--max-length", "400"])
for name, more in {"": {}, ", attention_factor": {"attention_factor": 1.3}, ", betas": {"beta_fast": 16, "beta_slow": 2},
                   ", mscale": {"mscale": 0.7, "mscale_all_dim": 1.1}, ", not truncated": {"truncate": False}}.items():
    case(f"llama, yarn rope{name}", plain("llama", edit={
        "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, **more},
        "rope_theta": 10000.0}, drop=["rope_parameters"]), "yarn|rope_scaling")
case("llama, longrope", plain("llama", edit={"rope_scaling": {
    "rope_type": "longrope", "factor": 4.0, "short_factor": [1.0] * 8, "long_factor": [1.5] * 8,
    "original_max_position_embeddings": 64}, "rope_theta": 10000.0}, drop=["rope_parameters"]), "longrope|rope_scaling")


# ---- windows ----------------------------------------------------------------------------------

section("windows")


case("qwen2, window that no layer uses", plain("qwen2", use_sliding_window=True, sliding_window=16, max_window_layers=2))
case("qwen2, window wider than the context", plain("qwen2", use_sliding_window=True, sliding_window=4096,
                                                   max_window_layers=0))
case("qwen2, window of 16", plain("qwen2", use_sliding_window=True, sliding_window=16, max_window_layers=0),
     "sliding_window|layer_types")
case("qwen3, window of 16 in one layer", plain("qwen3", head_dim=16, use_sliding_window=True, sliding_window=16,
                                               max_window_layers=1), "sliding_window|layer_types")
case("qwen3, layer_types", plain("qwen3", head_dim=16, use_sliding_window=True, sliding_window=16,
                                 layer_types=["sliding_attention", "full_attention"]), "sliding_window|layer_types")
case("qwen2, window switched off", plain("qwen2", use_sliding_window=False, sliding_window=16))
case("mistral, no window", plain("mistral", sliding_window=None), "architectures.*Mistral")
case("mistral, window of 16", plain("mistral", sliding_window=16), "architectures.*Mistral|sliding_window")
case("mistral as llama", plain("mistral", sliding_window=None, edit={
    "architectures": ["LlamaForCausalLM"], "model_type": "llama"}))


# ---- other architectures that run --------------------------------------------------------------

section("other architectures")


GPT = dict(n_positions=512, n_embd=64, n_layer=2, n_head=4)


def unprefixed(prefix):
    return lambda tensors: {k.removeprefix(prefix): v for k, v in tensors.items()}


def gpt2_masks(tensors):
    for i in range(2):
        tensors[f"transformer.h.{i}.attn.bias"] = torch.ones(1, 1, 512, 512).tril()
        tensors[f"transformer.h.{i}.attn.masked_bias"] = torch.tensor(-1e4)


def neox_masks(tensors):
    for i in range(2):
        tensors[f"gpt_neox.layers.{i}.attention.bias"] = torch.ones(1, 1, 512, 512).tril()
        tensors[f"gpt_neox.layers.{i}.attention.masked_bias"] = torch.tensor(-1e4)
        tensors[f"gpt_neox.layers.{i}.attention.rotary_emb.inv_freq"] = torch.ones(2)


for name, more in {
    "": {}, ", untied": {"tie_word_embeddings": False}, ", n_inner 100": {"n_inner": 100},
    ", gelu": {"activation_function": "gelu"}, ", relu": {"activation_function": "relu"},
    ", quick_gelu": {"activation_function": "quick_gelu"}, ", layer_norm_epsilon 1e-3": {"layer_norm_epsilon": 1e-3},
    ", reorder_and_upcast_attn": {"reorder_and_upcast_attn": True},
}.items():
    case(f"gpt2{name}", plain("gpt2", **GPT, **more), 'architectures.*"GPT2')
case("gpt2, f16", plain("gpt2", torch.float16, **GPT), 'architectures.*"GPT2')
case("gpt2, no prefix", plain("gpt2", change=unprefixed("transformer."), **GPT), 'architectures.*"GPT2')
case("gpt2, masks in the file", plain("gpt2", change=gpt2_masks, **GPT), 'architectures.*"GPT2')
case("gpt2, scale_attn_weights false", plain("gpt2", scale_attn_weights=False, **GPT), "scale_attn_weights|GPT2")
case("gpt2, scale_attn_by_inverse_layer_idx", plain("gpt2", scale_attn_by_inverse_layer_idx=True, **GPT),
     "scale_attn_by_inverse_layer_idx|GPT2")
refused("gpt2, add_cross_attention", plain("gpt2", edit={"add_cross_attention": True}, **GPT),
        "add_cross_attention|GPT2")
refused("gpt2, beyond its positions", plain("gpt2", **{**GPT, "n_positions": 64, "max_position_embeddings": 64}), "positions",
        arguments=["--max-length", "400"])
for name, more in {
    "": {}, ", sequential residual": {"use_parallel_residual": False}, ", rotary_pct 1": {"rotary_pct": 1.0},
    ", rotary_pct 0.5": {"rotary_pct": 0.5}, ", no attention_bias": {"attention_bias": False},
    ", gelu_new": {"hidden_act": "gelu_new"}, ", tied": {"tie_word_embeddings": True},
    ", layer_norm_eps 1e-3": {"layer_norm_eps": 1e-3},
}.items():
    case(f"gpt_neox{name}", plain("gpt_neox", **more), 'architectures.*"GPTNeoX')
case("gpt_neox, masks in the file", plain("gpt_neox", change=neox_masks), 'architectures.*"GPTNeoX')
case("gpt_neox, rotary_emb_base 500", plain("gpt_neox", edit={"rotary_emb_base": 500}, drop=[
    "rope_parameters", "rope_scaling", "rope_theta"]), 'architectures.*"GPTNeoX|rotary_emb_base')
for name, more in {
    "": {}, ", untied": {"tie_word_embeddings": False}, ", no layer rotated": {"no_rope_layers": [0, 0]},
    ", one layer rotated": {"no_rope_layers": [0, 1]}, ", no_rope_layer_interval 2": {"no_rope_layer_interval": 2},
    ", attention_bias": {"attention_bias": True}, ", mlp_bias": {"mlp_bias": True},
    ", window": {"use_sliding_window": True, "sliding_window": 16, "no_rope_layers": [1, 0]},
}.items():
    if known("smollm3"):
        case(f"smollm3{name}", plain("smollm3", **more), 'architectures.*"SmolLM3')
case("mistral, window wider than the context", plain("mistral", sliding_window=4096), "architectures.*Mistral")
case("mistral, window of the context, beyond it", plain("mistral", sliding_window=64, max_position_embeddings=64),
     "architectures.*Mistral|window", arguments=["--max-length", "400"])
case("mistral, head_dim 32", plain("mistral", sliding_window=None, head_dim=32), "architectures.*Mistral")


# ---- contradictions ---------------------------------------------------------------------------

section("contradictions")


def head(change):
    def build(b):
        b.model(config("qwen3", head_dim=16, tie_word_embeddings=True))
        tensors = b.tensors()
        tensors["lm_head.weight"] = change(tensors["model.embed_tokens.weight"].clone())
        b.save(tensors)

    return build


def head_in_a_shard(b):
    """A head in a shard of its own, listed in the index."""
    b.model(config("qwen3", head_dim=16, tie_word_embeddings=True))
    tensors = b.tensors()
    b.remove("model.safetensors")
    b.save(tensors, "model-00001-of-00002.safetensors")
    b.save({"lm_head.weight": torch.randn_like(tensors["model.embed_tokens.weight"])}, "model-00002-of-00002.safetensors")
    weight_map = {name: "model-00001-of-00002.safetensors" for name in tensors}
    weight_map["lm_head.weight"] = "model-00002-of-00002.safetensors"
    b.write("model.safetensors.index.json", json.dumps({"metadata": {}, "weight_map": weight_map}))


case("tied, an equal head in the file", head(lambda w: w))
case("tied, an equal head in f32 beside an embedding in bf16", plain(
    "qwen3", torch.bfloat16, head_dim=16, tie_word_embeddings=True,
    change=lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"].float()})))
refused("tied, another head in a shard", head_in_a_shard, "lm_head.weight.*tie_word_embeddings")
refused("tied, another head in the file", head(torch.randn_like), "lm_head.weight.*tie_word_embeddings")
for other in ("mistral", "granite", "qwen2"):
    refused(f"llama with model_type {other}", plain("llama", edit={"model_type": other}), f"model_type.*{other}")
refused("llama, is_causal false", plain("llama", edit={"is_causal": False}), "is_causal")
refused("llama, rope_parameters and another rope_scaling", plain("llama", edit={
    "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
    "rope_scaling": {"rope_type": "llama3", **LLAMA3}}), "rope_parameters.*rope_scaling")
case("llama, rope_parameters and an equal rope_scaling", plain("llama", edit={
    "rope_parameters": {"rope_type": "llama3", "rope_theta": 10000.0, **LLAMA3}, "rope_theta": 10000.0,
    "rope_scaling": {"rope_type": "llama3", **LLAMA3}}))
refused("llama, two values of rope_theta", plain("llama", edit={
    "rope_theta": 500.0, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}, drop=["rope_scaling"]),
    "rope_theta")
refused("llama, LlamaModel", plain("llama", edit={"architectures": ["LlamaModel"]}), "architectures.*LlamaModel")


def without_prefix(tensors):
    return {k.removeprefix("model."): v for k, v in tensors.items()}


case("llama, tensors without their prefix", plain("llama", change=without_prefix), "tensors.*missing",
     since=5)


def extra(tensors):
    tensors["model.extra"] = torch.ones(3)


def lost(tensors):
    del tensors["model.norm.weight"]


refused("llama, a tensor too many", plain("llama", change=extra),
        "too many.*model.extra")
refused("llama, a tensor missing", plain("llama", change=lost),
        "missing.*model.norm.weight")
refused("llama, f64", plain("llama", torch.float64), "F64")


# ---- quantised and other weights --------------------------------------------------------------

section("quantised and other weights")


def quantised(suffixes, settings=None, files=(), weight=None):
    """Imitates a quantised directory: tensors of one projection under other names or in another dtype."""

    def build(b):
        b.model(config("llama"))
        tensors, name = b.tensors(), "model.layers.0.self_attn.q_proj."
        w = tensors.pop(name + "weight")
        for suffix, dtype in suffixes.items():
            tensors[name + suffix] = torch.ones(4, 4).to(dtype)
        if weight:
            tensors[name + "weight"] = w.to(weight)
        b.save(tensors)
        if settings:
            b.edit(**settings)
        for f in files:
            b.write(f, "{}")

    return build


GPTQ = {"qweight": torch.int32, "qzeros": torch.int32, "scales": torch.float16, "g_idx": torch.int32}
refused("gptq, quantization_config", quantised(GPTQ, {"quantization_config": {"quant_method": "gptq", "bits": 4}}),
        "quantised.*|quantization_config.*gptq.*quantised")
refused("gptq, quantize_config.json", quantised(GPTQ, files=["quantize_config.json"]), "quantize_config.json.*quantised")
refused("gptq, no marker but tensors", quantised(GPTQ), "q_proj.*quantised")
refused("awq, quant_config.json", quantised(GPTQ, files=["quant_config.json"]), "quant_config.json.*quantised")
refused("bitsandbytes, 8 bits", quantised({"SCB": torch.float32}, {"quantization_config": {
    "quant_method": "bitsandbytes", "load_in_8bit": True}}, weight=torch.int8), "bitsandbytes.*quantised")
refused("bitsandbytes, 4 bits, no marker", quantised({
    "weight.absmax": torch.float32, "weight.quant_map": torch.float32,
    "weight.quant_state.bitsandbytes__nf4": torch.uint8}, weight=torch.uint8), "quantised")
refused("compressed-tensors, compression_config", quantised(
    {"weight_packed": torch.int32, "weight_scale": torch.float16}, {"compression_config": {"format": "pack-quantized"}}),
    "compression_config.*quantised")
refused("compressed-tensors, quantization_config", quantised(
    {"weight_scale": torch.float16}, {"quantization_config": {"quant_method": "compressed-tensors"}}),
    "compressed-tensors.*quantised")
refused("modelopt, hf_quant_config.json", quantised({"weight_scale": torch.float32}, files=["hf_quant_config.json"]),
        "hf_quant_config.json.*quantised")
refused("torchao, tensors", quantised({"weight_qdata": torch.int8, "weight_scale": torch.float32}), "quantised")
refused("mlx, quantization", quantised({"scales": torch.float16, "biases": torch.float16}, {
    "quantization": {"group_size": 64, "bits": 4}}, weight=torch.uint8), "quantised")
refused("float8 weights", quantised({}, weight=torch.float8_e4m3fn), "F8_E4M3.*quantised")


def quantised_shards(b):
    quantised(GPTQ)(b)
    (b.folder / "model.safetensors").rename(b.folder / "model-00001-of-00001.safetensors")
    names = b.tensors("model-00001-of-00001.safetensors")
    b.write("model.safetensors.index.json", json.dumps({"metadata": {}, "weight_map": {
        name: "model-00001-of-00001.safetensors" for name in names}}))


refused("gptq, shards, no marker but tensors", quantised_shards, "q_proj.*quantised")


def pickled(b):
    model = b.model(config("llama"))
    b.remove("model.safetensors")
    torch.save(model.state_dict(), b.folder / "pytorch_model.bin")


refused("pickled weights", pickled, "pytorch_model.bin.*pickled")


def other_file(name):
    def build(b):
        b.model(config("llama"))
        (b.folder / "model.safetensors").rename(b.folder / name)

    return build


refused("gguf", other_file("model-q4_0.gguf"), "gguf")
refused("consolidated.safetensors", other_file("consolidated.safetensors"), "consolidated.safetensors")


# ---- adapters ---------------------------------------------------------------------------------

section("adapters")


def adapter(arch="qwen3", dtype=None, conf=None, edit=None, drop_base=False, rename=None, **lora):
    """A builder of a base model with an adapter beside it."""

    def build(b):
        model = b.model(config(arch, **{**({"head_dim": 16} if arch == "qwen3" else GPT if arch == "gpt2" else {}),
                                        "tie_word_embeddings": False, **(conf or {})}), dtype)
        b.adapter(model, edit, **lora)
        if rename:
            rename(b)
        if drop_base:
            for name in ("config.json", "model.safetensors", "generation_config.json"):
                b.remove(name)

    return build


def merged(folder):
    """The base with the adapter merged by peft in the dtype of the base, then in float32."""
    from peft import PeftModel

    with_base = AutoModelForCausalLM.from_pretrained
    hidden = folder / "adapter_config.json"
    aside = folder / "adapter_aside"
    aside.mkdir(exist_ok=True)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        shutil.copy(folder / name, aside / name)
    hidden.unlink()
    base = with_base(folder, dtype="auto")
    model = PeftModel.from_pretrained(base, str(aside)).merge_and_unload()
    shutil.copy(aside / "adapter_config.json", hidden)
    return model.float()


ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
case("adapter, LoRA", adapter())
case("adapter, LoRA of a tied model", adapter(conf={"tie_word_embeddings": True}))
case("adapter, all-linear", adapter(target_modules="all-linear"))
case("adapter, use_rslora", adapter(use_rslora=True))
case("adapter, rank_pattern and alpha_pattern", adapter(
    target_modules=ALL, rank_pattern={"q_proj": 2, "model.layers.1.mlp.up_proj": 7},
    alpha_pattern={"layers.0.self_attn.v_proj": 3, "down_proj": 11}))
case("adapter, patterns that are regular expressions", adapter(
    target_modules=ALL, rank_pattern={r"model.layers.\d+.self_attn.q_proj": 2}), "rank_pattern")
case("adapter, target_modules as a regular expression", adapter(target_modules=r".*layers\.1\..*_proj"))
case("adapter, layers_to_transform", adapter(target_modules=ALL, layers_to_transform=[1]))
case("adapter, fan_in_fan_out", adapter(fan_in_fan_out=True))
case("adapter, embedding and head", adapter(target_modules=["q_proj", "embed_tokens", "lm_head"]))
case("adapter, modules_to_save", adapter(modules_to_save=["lm_head", "embed_tokens", "norm"]))
case("adapter, modules_to_save of a tied model", adapter(
    conf={"tie_word_embeddings": True}, modules_to_save=["lm_head", "embed_tokens"]), "ties|tied")
case("adapter, qwen2 with bias all", adapter("qwen2", bias="all"), "bias")
case("adapter, qwen2 with bias lora_only", adapter("qwen2", bias="lora_only"), "bias")
case("adapter over bf16, merged by peft", adapter(dtype=torch.bfloat16, target_modules=ALL), load=merged)
case("adapter over f16, merged by peft", adapter(dtype=torch.float16, target_modules=ALL), load=merged)
case("adapter, init gaussian", adapter(init_lora_weights="gaussian"))


def bf16_adapter(b):
    b.save({k: v.bfloat16() for k, v in b.tensors("adapter_model.safetensors").items()}, "adapter_model.safetensors")


def no_prefix(b):
    """The names that transformers' own load_adapter() takes, too."""
    b.save({k.removeprefix("base_model.model."): v for k, v in b.tensors("adapter_model.safetensors").items()},
           "adapter_model.safetensors")


def pickled_adapter(b):
    torch.save(b.tensors("adapter_model.safetensors"), b.folder / "adapter_model.bin")
    b.remove("adapter_model.safetensors")


CONV1D = {"target_modules": ["c_attn", "c_proj", "c_fc"], "fan_in_fan_out": True}
case("adapter, gpt2", adapter("gpt2", **CONV1D), 'architectures.*"GPT2')
case("adapter, gpt2, fan_in_fan_out false", adapter("gpt2", **{**CONV1D, "fan_in_fan_out": False}),
     'architectures.*"GPT2')
case("adapter, gpt2, bias all", adapter("gpt2", bias="all", **CONV1D), 'architectures.*"GPT2')
case("adapter, gpt2 in bf16, merged by peft", adapter("gpt2", torch.bfloat16, **CONV1D), 'architectures.*"GPT2',
     load=merged)
case("adapter, gpt2, wte", adapter("gpt2", target_modules=["c_attn", "wte"]), 'architectures.*"GPT2')
case("adapter, gpt2, wte of a tied model", adapter("gpt2", conf={"tie_word_embeddings": True}, target_modules=["wte"]),
     'architectures.*"GPT2|ties')
case("adapter, gpt_neox", adapter("gpt_neox", target_modules=[
    "query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"]), 'architectures.*"GPTNeoX')
case("adapter, mistral", adapter("mistral", target_modules=ALL), "architectures.*Mistral")
case("adapter, mistral with a norm and layer norms saved", adapter("mistral", modules_to_save=["norm", "input_layernorm"]),
     "architectures.*Mistral")
case("adapter in bf16", adapter(rename=bf16_adapter))
case("adapter, names without prefix", adapter(rename=no_prefix))
refused("adapter, pickled", adapter(rename=pickled_adapter), "no adapter_model.safetensors")
refused("adapter, no adapter_config.json", adapter(rename=lambda b: b.remove("adapter_config.json")),
        "without adapter_config.json")
refused("adapter, DoRA", adapter(use_dora=True), "use_dora")
refused("adapter, pissa", adapter(edit={"init_lora_weights": "pissa"}), "init_lora_weights.*pissa")
refused("adapter, lora_bias", adapter("qwen2", lora_bias=True), "lora_bias")
refused("adapter, trainable_token_indices", adapter(trainable_token_indices=[1, 2]), "trainable_token_indices")
refused("adapter, embedding of a tied model", adapter(conf={"tie_word_embeddings": True},
                                                      target_modules=["q_proj", "embed_tokens"]), "ties head and embed")
refused("adapter, IA3", adapter(edit={"peft_type": "IA3"}), "peft_type.*IA3")
refused("adapter alone", adapter(drop_base=True), "only an adapter of")
refused("adapter without weights", adapter(rename=lambda b: b.remove("adapter_model.safetensors")),
        "no adapter_model.safetensors")


# ---- other families ---------------------------------------------------------------------------

section("other families")


FAMILIES = {
    "Gemma": ("gemma", {"head_dim": 16}),
    "Gemma2": ("gemma2", {"head_dim": 16}),
    "Gemma3": ("gemma3_text", {"head_dim": 16}),
    "Phi3": ("phi3", {}),
    "Olmo": ("olmo", {}),
    "Olmo2": ("olmo2", {}),
    "Olmo3": ("olmo3", {}),
    "Granite": ("granite", {}),
    "Qwen3Moe": ("qwen3_moe", {"head_dim": 16, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}),
    "StableLm": ("stablelm", {}),
    "OPT": ("opt", {"ffn_dim": 96, "word_embed_proj_dim": 64}),
    "Mamba": ("mamba", {}),
    "Llama4": ("llama4_text", {"head_dim": 16, "num_local_experts": 2}),
    "Helium": ("helium", {"head_dim": 16}),
    "Exaone4": ("exaone4", {}),
    "SeedOss": ("seed_oss", {"head_dim": 16}),
    "Ministral": ("ministral", {"head_dim": 16}),
    "Arcee": ("arcee", {}),
    "HunYuanDenseV1": ("hunyuan_v1_dense", {"head_dim": 16}),
    "Ernie4_5": ("ernie4_5", {"head_dim": 16}),
    "Falcon": ("falcon", {}),
    "Bloom": ("bloom", {"n_layer": 2, "n_head": 4}),
    "GPTJ": ("gptj", {**GPT, "rotary_dim": 8}),
    "Cohere": ("cohere", {}),
    "Starcoder2": ("starcoder2", {}),
    "Mixtral": ("mixtral", {"num_local_experts": 2}),
    "Glm4": ("glm4", {"head_dim": 16}),
}


def family(model_type, more):
    def build(b):
        b.model(config(model_type, **more))

    return build


for label, (kind, settings) in FAMILIES.items():
    if known(kind):
        case(f"family {label}", family(kind, settings), f'architectures.*"{label}')


# ---- generation_config.json -------------------------------------------------------------------

section("generation_config.json")


def generation(**settings):
    def build(b):
        b.model(config("llama"))
        b.write("generation_config.json", json.dumps({"eos_token_id": 0, **settings}))

    return build


for name, settings in {
    "eos only": {}, "do_sample false": {"do_sample": False}, "greedy with a temperature": {"temperature": 0.7},
    "top_k 5, no do_sample": {"top_k": 5}, "do_sample with top_k 1": {"do_sample": True, "top_k": 1},
    "do_sample with top_p 1e-7": {"do_sample": True, "top_p": 1e-7},
    "do_sample with min_p 0.99999": {"do_sample": True, "min_p": 0.99999},
    "do_sample with temperature 1e-7": {"do_sample": True, "temperature": 1e-7},
    "use_cache false": {"use_cache": False}, "length_penalty without beams": {"length_penalty": 2.0},
    "typical_p in greedy search": {"typical_p": 0.2}, "epsilon_cutoff in greedy search": {"epsilon_cutoff": 0.1},
    "bos and pad": {"bos_token_id": 5, "pad_token_id": 6}, "eos_token_id null": {"eos_token_id": None},
    "eos_token_id -1": {"eos_token_id": -1}, "eos_token_id beyond the vocabulary": {"eos_token_id": [0, 99999]},
    "max_new_tokens": {"max_new_tokens": 400}, "max_length": {"max_length": 1000},
    "repetition_penalty 1": {"repetition_penalty": 1.0}, "num_beams 1": {"num_beams": 1},
}.items():
    case(f"generation, {name}", generation(**settings), own_sampling=True)
case("generation, no file", lambda b: (b.model(config("llama")), b.remove("generation_config.json")), own_sampling=True)
for name, settings in {
    "repetition_penalty": {"repetition_penalty": 1.5}, "num_beams": {"num_beams": 4},
    "no_repeat_ngram_size": {"no_repeat_ngram_size": 2}, "suppress_tokens": {"suppress_tokens": list(range(40, 1000))},
    "bad_words_ids": {"bad_words_ids": [[i] for i in range(40, 1000)]}, "min_new_tokens": {"min_new_tokens": 250},
    "encoder_repetition_penalty": {"encoder_repetition_penalty": 1.5},
    "forced_eos_token_id": {"forced_eos_token_id": 7}, "begin_suppress_tokens": {"begin_suppress_tokens": list(
        range(40, 2000))},
    "sequence_bias": {"sequence_bias": [[[55], 30.0]]}, "guidance_scale": {"guidance_scale": 1.5},
    "typical_p": {"do_sample": True, "top_k": 1, "typical_p": 0.2},
    "epsilon_cutoff": {"do_sample": True, "top_k": 1, "epsilon_cutoff": 0.1},
    "eta_cutoff": {"do_sample": True, "top_k": 1, "eta_cutoff": 0.1},
    "temperature": {"do_sample": True, "temperature": 0.0}, "penalty_alpha": {"penalty_alpha": 0.6, "top_k": 4},
    "min_length": {"min_length": 300}, "num_return_sequences": {"do_sample": True, "num_return_sequences": 3, "top_k": 1},
    "forced_bos_token_id": {"forced_bos_token_id": 9}, "stop_strings": {"stop_strings": ["C"]},
    "exponential_decay_length_penalty": {"exponential_decay_length_penalty": [20, 1.3]},
}.items():
    case(f"generation, {name}", generation(**settings), name, warning=name, own_sampling=True)


def stops(b):
    """A list of end tokens, of which one is written early."""
    b.model(config("llama"))
    b.write("generation_config.json", json.dumps({"eos_token_id": [0, *range(100, 400)][:16]}))


case("generation, several end tokens", stops, own_sampling=True, min_distinct=2)


# ---- prompts and tokenizers -------------------------------------------------------------------

section("prompts and tokenizers")


END, TAGS = "<|endoftext|>", ["[SMILES]", "[/SMILES]", "[CONFORMER]", "[/CONFORMER]"]
CORPUS = [line.split()[0] for line in (ROOT / "data" / "geom_drugs_sample.smi").read_text().splitlines()][:400] + [
    f"<{i * 0.137:.4f},{-i * 0.071:.4f},{i * 1.3:.4f}>" for i in range(300)]


def prompted(post=None, tokenizer_config=None, drop=(), edit=None, added=("<s>", "</s>"), conf="llama"):
    """The default tokenizer with a post-processor and settings of its class."""

    def build(b):
        tok = Tokenizer.from_file(str(DEFAULT / "tokenizer.json"))
        tok.add_special_tokens(list(added))
        if post:
            tok.post_processor = post(tok)
        b.model(config(conf, vocab_size=tok.get_vocab_size(), **({"head_dim": 16} if conf == "qwen3" else {})))
        tok.save(str(b.folder / "tokenizer.json"))
        b.write("tokenizer_config.json", json.dumps({
            "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "bos_token": "<s>", "pad_token": END,
            "clean_up_tokenization_spaces": False, **(tokenizer_config or {})}))
        for name in drop:
            b.remove(name)
        if edit:
            edit(b)

    return build


def template(text):
    """A TemplateProcessing; `text` with $A and tokens."""
    return lambda tok: processors.TemplateProcessing(single=text, special_tokens=[
        (t, tok.token_to_id(t)) for t in text.split() if not t.startswith("$")])


def roberta(tok):
    return processors.RobertaProcessing(("</s>", tok.token_to_id("</s>")), ("<s>", tok.token_to_id("<s>")))


def byte_level_and_template(tok):
    return processors.Sequence([processors.ByteLevel(trim_offsets=False), template("<s> $A")(tok)])


def json_key(*path, value):
    """Sets a value in tokenizer.json."""

    def edit(b):
        text = json.loads((b.folder / "tokenizer.json").read_text())
        at = text
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        b.write("tokenizer.json", json.dumps(text))

    return edit


CLASS = "tokenizer|prompt|class"
case("prompt, TemplateProcessing with BOS", prompted(template("<s> $A")))
case("prompt, BOS of a Llama-3 kind", prompted(byte_level_and_template))
case("prompt, BOS, qwen3", prompted(template("<s> $A"), conf="qwen3"))
case("prompt, TemplateProcessing with BOS and EOS", prompted(template("<s> $A </s>")))
case("prompt, RobertaProcessing", prompted(roberta), "RobertaProcessing")
case("prompt, bos_token and add_bos_token, no post-processor", prompted(None, {"add_bos_token": True}), CLASS)
case("prompt, add_eos_token, no post-processor", prompted(None, {"add_eos_token": True}), CLASS)
case("prompt, LlamaTokenizerFast over ByteLevel", prompted(None, {"tokenizer_class": "LlamaTokenizerFast"}), CLASS)
case("prompt, LlamaTokenizerFast over ByteLevel with BOS", prompted(
    template("<s> $A"), {"tokenizer_class": "LlamaTokenizerFast"}), CLASS)
case("prompt, LlamaTokenizerFast, add_bos_token false", prompted(
    None, {"tokenizer_class": "LlamaTokenizerFast", "add_bos_token": False}), CLASS)
case("prompt, RobertaTokenizer", prompted(roberta, {
    "tokenizer_class": "RobertaTokenizer", "cls_token": "<s>", "sep_token": "</s>"}), CLASS)
case("prompt, GPT2Tokenizer", prompted(None, {"tokenizer_class": "GPT2Tokenizer"}), CLASS)
case("prompt, GPT2Tokenizer with add_prefix_space", prompted(None, {
    "tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}), CLASS + "|add_prefix_space")
case("prompt, add_prefix_space", prompted(None, {"add_prefix_space": True}), CLASS + "|add_prefix_space")
case("prompt, add_prefix_space in tokenizer.json", prompted(
    None, {"add_prefix_space": True}, edit=json_key("pre_tokenizer", "pretokenizers", 1, "add_prefix_space", value=True)),
    "prefix")
case("prompt, Qwen2Tokenizer over another pattern", prompted(None, {"tokenizer_class": "Qwen2Tokenizer"}), CLASS)
case("prompt, Qwen2Tokenizer, qwen2", prompted(None, {"tokenizer_class": "Qwen2Tokenizer"}, conf="qwen2"), CLASS)
case("prompt, TokenizersBackend", prompted(None, {"tokenizer_class": "TokenizersBackend"}), CLASS, since=5)
case("prompt, no tokenizer_config.json", prompted(None, drop=["tokenizer_config.json"]), CLASS)
case("tokenizer, decoder null", prompted(None, edit=json_key("decoder", value=None)))
case("tokenizer, truncation", prompted(None, edit=json_key("truncation", value={
    "direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0})))
case("tokenizer, normalizer NFC", prompted(None, edit=json_key("normalizer", value={"type": "NFC"})))
case("tokenizer, normalizer Lowercase", prompted(None, edit=json_key("normalizer", value={"type": "Lowercase"})),
     "Lowercase")
case("tokenizer, normalizer NFKC", prompted(None, edit=json_key("normalizer", value={"type": "NFKC"})), "NFKC")
case("tokenizer, normalizer Replace", prompted(None, edit=json_key("normalizer", value={
    "type": "Replace", "pattern": {"String": "Cl"}, "content": "L"})), "Replace")
case("tokenizer, dropout", prompted(None, edit=json_key("model", "dropout", value=0.5)), "dropout")
case("tokenizer, ignore_merges", prompted(None, edit=json_key("model", "ignore_merges", value=True)))


def own_tokenizer(make, **more):
    """A tokenizer made for molecules; `make` returns it without its special tokens."""

    def build(b):
        tok = make()
        tok.add_special_tokens([END, *TAGS])
        b.model(config("llama", vocab_size=tok.get_vocab_size(), eos_token_id=tok.token_to_id(END)))
        tok.save(str(b.folder / "tokenizer.json"))
        b.write("tokenizer_config.json", json.dumps({
            "tokenizer_class": "PreTrainedTokenizerFast", "eos_token": END, "clean_up_tokenization_spaces": False,
            **more}))

    return build


def byte_level(pre, size=400):
    def make():
        tok = Tokenizer(models.BPE())
        tok.pre_tokenizer = pre_tokenizers.Sequence([*pre, pre_tokenizers.ByteLevel(
            add_prefix_space=False, use_regex=not pre)]) if pre else pre_tokenizers.ByteLevel(add_prefix_space=False)
        tok.decoder = decoders.ByteLevel()
        tok.train_from_iterator(CORPUS, trainers.BpeTrainer(
            vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
        return tok

    return make


def word_level():
    atoms = Regex(r"\[[^\]]+\]|Br|Cl|%\d\d|[\s\S]")
    tok = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tok.pre_tokenizer = pre_tokenizers.Split(atoms, "isolated")
    tok.train_from_iterator(CORPUS, trainers.WordLevelTrainer(vocab_size=500, special_tokens=["<unk>"],
                                                              show_progress=False))
    return tok


def word_piece():
    tok = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tok.normalizer = normalizers.NFKC()
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    tok.decoder = decoders.WordPiece()
    tok.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=500, special_tokens=["<unk>"],
                                                              show_progress=False))
    return tok


def sentence_piece():
    """BPE as converted from SentencePiece: Llama-2, Gemma, Phi-3."""
    tok = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tok.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(),
                                     decoders.Strip(" ", 1, 0)])
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)],
        show_progress=False))
    return tok


def metaspace():
    tok = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tok.decoder = decoders.Metaspace(prepend_scheme="never")
    tok.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<unk>"] + [f"<0x{i:02X}>" for i in range(256)], show_progress=False))
    return tok


def unigram():
    tok = Tokenizer(models.Unigram())
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    tok.decoder = decoders.Metaspace()
    tok.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=300, unk_token="<unk>",
                                                            special_tokens=["<unk>"], show_progress=False))
    return tok


case("tokenizer, GPT-2 kind", own_tokenizer(byte_level([])))
for label, more in {"": {}, " of class GPT2Tokenizer": {"tokenizer_class": "GPT2Tokenizer"}}.items():
    case(f"tokenizer, add_prefix_space over ByteLevel alone{label}", own_tokenizer(
        byte_level([]), add_prefix_space=True, **more), CLASS + "|prefix")
case("tokenizer, SmolLM kind: Digits", own_tokenizer(byte_level([pre_tokenizers.Digits(individual_digits=True)])))
case("tokenizer, bytes only", own_tokenizer(byte_level([], size=256)), min_distinct=4)
case("tokenizer, Whitespace and ByteLevel", own_tokenizer(byte_level([pre_tokenizers.Whitespace()])), "Whitespace")
case("tokenizer, Punctuation and ByteLevel", own_tokenizer(byte_level([pre_tokenizers.Punctuation()])), "Punctuation")
case("tokenizer, WordLevel", own_tokenizer(word_level, unk_token="<unk>"), "WordLevel")
case("tokenizer, WordPiece", own_tokenizer(word_piece, unk_token="<unk>"), "WordPiece|NFKC|Whitespace")
case("tokenizer, SentencePiece BPE", own_tokenizer(sentence_piece, unk_token="<unk>"),
     "Prepend|Replace|byte_fallback|unk|normalizer|pre_tokenizer|byte")
case("tokenizer, Metaspace BPE with byte_fallback", own_tokenizer(metaspace, unk_token="<unk>"), "Metaspace|byte|unk")
case("tokenizer, Unigram", own_tokenizer(unigram, unk_token="<unk>"), "Unigram")


def vocab_and_merges(b):
    """The files of GPT-2's tokenizer, without tokenizer.json."""
    own_tokenizer(byte_level([]))(b)
    text = json.loads((b.folder / "tokenizer.json").read_text())
    b.remove("tokenizer.json")
    b.write("vocab.json", json.dumps(text["model"]["vocab"]))
    pairs = [m if isinstance(m, str) else " ".join(m) for m in text["model"]["merges"]]
    b.write("merges.txt", "#version: 0.2\n" + "\n".join(pairs) + "\n")
    b.edit("tokenizer_config.json", tokenizer_class="GPT2Tokenizer", added_tokens_decoder={
        str(t["id"]): {k: t[k] for k in ("content", "lstrip", "normalized", "rstrip", "single_word", "special")}
        for t in text["added_tokens"]})


case("tokenizer, vocab.json and merges.txt", vocab_and_merges, CLASS)
