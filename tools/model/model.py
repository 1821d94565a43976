# SPDX-License-Identifier: MIT
"""Qwen3 decoder in plain PyTorch with Hugging Face parameter names (training only).

Documents stand one after another in one long row; attention is causal inside a document and positions
restart at 0, which is what a generation that starts from an empty context sees. cu holds where each
document starts, padded to a fixed length with the number of tokens (empty documents).
"""
import dataclasses
import json
import math
import os
import shutil
import subprocess
import sys

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load as from_bytes
from safetensors.torch import load_file, save_file

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # before PyTorch 2.10
    varlen_attn = None


@dataclasses.dataclass
class Config:
    """The shape, as config.json names it."""
    vocab_size: int
    hidden_size: int = 512
    num_hidden_layers: int = 10
    num_attention_heads: int = 8
    num_key_value_heads: int = 4
    head_dim: int = 64
    intermediate_size: int = 1280
    rope_theta: float = 10000.0
    rms_norm_eps: float = 1e-6
    max_position_embeddings: int = 2048


MODE, LONGEST, ROW = "dense", 768, 2048  # how attend() works (choose()); the longest document; tokens of a row of the mask
INDEX = "model.safetensors.index.json"
OTHER_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
               "confgen.json")


def attend_dense(q, k, v, cu, row):
    """A boolean mask over rows of `row` tokens; a document that crosses a row is cut there."""
    n, h, d = q.shape
    r = n // row
    doc = torch.bucketize(torch.arange(n, device=q.device, dtype=cu.dtype), cu, right=True).view(r, row)
    t = torch.arange(row, device=q.device)
    mask = ((t[:, None] >= t[None]) & (doc[:, :, None] == doc[:, None]))[:, None]
    k, v = k.repeat_interleave(h // k.shape[1], 1), v.repeat_interleave(h // v.shape[1], 1)
    q, k, v = (a.view(r, row, h, d).transpose(1, 2) for a in (q, k, v))
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).reshape(n, h, d)


def attend(q, k, v, cu):
    if MODE == "dense":
        return attend_dense(q, k, v, cu, ROW)
    if MODE == "repeat":
        g = q.shape[1] // k.shape[1]
        k, v = k.repeat_interleave(g, 1), v.repeat_interleave(g, 1)
    return varlen_attn(q, k, v, cu, cu, LONGEST, LONGEST, window_size=(-1, 0))


def choose(dev, log):
    """Compare variable-length flash attention with the mask, forward and backward; dense where it fails."""
    global MODE
    MODE = "dense"
    if dev.type != "cuda":
        return MODE
    for mode in ("gqa", "repeat"):
        try:
            torch.manual_seed(3)
            n, worst = 4096, 0.0
            cu = torch.full((65,), n, dtype=torch.int32, device=dev)
            edges = torch.tensor([0, 5, 300, 1000, 1700, 2048, 2300, 3000, 3700], dtype=torch.int32, device=dev)
            cu[:9] = edges
            qkv = [torch.randn(n, h, 64, device=dev, dtype=torch.bfloat16).requires_grad_() for h in (8, 4, 4)]
            g = torch.randn(n, 8, 64, device=dev, dtype=torch.bfloat16)
            res = []
            for m in (mode, "dense"):
                MODE = m
                y = attend(*qkv, cu)
                res.append([y] + list(torch.autograd.grad(y, qkv, g)))
            for a, b in zip(*res):
                worst = max(worst, ((a.float() - b.float()).norm() / b.float().norm()).item())
            log("attention", mode, "differs from the mask by", worst)
            if worst < 0.02:
                MODE = mode
                return MODE
        except Exception as e:
            log("attention", mode, "failed:", repr(e)[:300])
    MODE = "dense"
    return MODE


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        y = x.float()
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + self.eps)
        return (y * self.weight).to(x.dtype)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.nh, self.nk, self.hd = c.num_attention_heads, c.num_key_value_heads, c.head_dim
        self.q_proj = nn.Linear(c.hidden_size, self.nh * self.hd, bias=False)
        self.k_proj = nn.Linear(c.hidden_size, self.nk * self.hd, bias=False)
        self.v_proj = nn.Linear(c.hidden_size, self.nk * self.hd, bias=False)
        self.o_proj = nn.Linear(self.nh * self.hd, c.hidden_size, bias=False)
        self.q_norm = RMSNorm(self.hd, c.rms_norm_eps)
        self.k_norm = RMSNorm(self.hd, c.rms_norm_eps)

    def forward(self, x, cos, sin, cu):
        n = x.shape[0]
        w = torch.cat((self.q_proj.weight, self.k_proj.weight, self.v_proj.weight))
        y = F.linear(x, w).view(n, self.nh + 2 * self.nk, self.hd)
        q, k, v = y.split((self.nh, self.nk, self.nk), 1)
        q = rotate(self.q_norm(q), cos, sin).to(v.dtype)
        k = rotate(self.k_norm(k), cos, sin).to(v.dtype)
        return self.o_proj(attend(q, k, v.contiguous(), cu).reshape(n, self.nh * self.hd))


class MLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)
        self.up_proj = nn.Linear(c.hidden_size, c.intermediate_size, bias=False)
        self.down_proj = nn.Linear(c.intermediate_size, c.hidden_size, bias=False)

    def forward(self, x):
        g, u = F.linear(x, torch.cat((self.gate_proj.weight, self.up_proj.weight))).chunk(2, -1)
        return self.down_proj(F.silu(g) * u)


class Block(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = RMSNorm(c.hidden_size, c.rms_norm_eps)
        self.mlp = MLP(c)

    def forward(self, x, cos, sin, cu):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, cu)
        return x + self.mlp(self.post_attention_layernorm(x))


class Inner(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.embed_tokens = nn.Embedding(c.vocab_size, c.hidden_size)
        self.layers = nn.ModuleList([Block(c) for _ in range(c.num_hidden_layers)])
        self.norm = RMSNorm(c.hidden_size, c.rms_norm_eps)


class Head(nn.Module):
    """The loss of every token; 0 where there is no target."""

    def forward(self, x, norm, weight, targets, eps):
        y = x.float()
        y = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + eps) * norm
        logits = F.linear(y.to(torch.bfloat16 if x.is_cuda else x.dtype), weight)
        return F.cross_entropy(logits.float(), targets, ignore_index=-100, reduction="none")


class Model(nn.Module):
    """forward(ids, positions, targets, cu) -> loss of each token; all but cu are flat, [tokens]."""

    def __init__(self, c):
        super().__init__()
        self.c = c
        self.model = Inner(c)
        self.head = Head()
        inv = 1.0 / (c.rope_theta ** (torch.arange(0, c.head_dim, 2).float() / c.head_dim))
        f = torch.outer(torch.arange(c.max_position_embeddings).float(), inv)
        f = torch.cat((f, f), -1)
        self.register_buffer("cos", f.cos(), persistent=False)
        self.register_buffer("sin", f.sin(), persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                std = 0.02
                if name.endswith(("o_proj.weight", "down_proj.weight")):
                    std /= math.sqrt(2 * c.num_hidden_layers)
                nn.init.normal_(p, 0.0, std)

    def forward(self, ids, positions, targets, cu):
        cos, sin = self.cos[positions].unsqueeze(1), self.sin[positions].unsqueeze(1)
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, cos, sin, cu)
        return self.head(x, self.model.norm.weight, self.model.embed_tokens.weight, targets, self.c.rms_norm_eps)


def read_config(folder):
    """The Config of a Hugging Face folder of this architecture."""
    path = os.path.join(folder, "config.json")
    with open(path) as file:
        given = json.load(file)
    if given.get("architectures") != ["Qwen3ForCausalLM"] or not given.get("tie_word_embeddings"):
        sys.exit("%s: found %s, wanted Qwen3ForCausalLM with tied embeddings" % (path, given.get("architectures")))
    return Config(**{field.name: given[field.name] for field in dataclasses.fields(Config)})


def has_weights(folder):
    return os.path.exists(os.path.join(folder, INDEX))


def load(folder):
    """{name: float32 weight} of a Hugging Face folder; files may be compressed (.zst)."""
    with open(os.path.join(folder, INDEX)) as file:
        names = sorted(set(json.load(file)["weight_map"].values()))
    state = {}
    for name in names:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            state.update(load_file(path))
        else:
            state.update(from_bytes(subprocess.run(["zstd", "-dcq", path + ".zst"], check=True, capture_output=True).stdout))
    return {name: weight.float() for name, weight in state.items()}


def export(state, folder, like, max_file=15 << 20):
    """Writes a Hugging Face folder: bf16 weights in files of at most max_file bytes, and the other files of the folder `like`.

    state: {name: weight of any type}. Names and order of the files are those of the default model.
    """
    os.makedirs(folder, exist_ok=True)
    parts, size = [{}], 0
    for name, weight in state.items():
        weight = weight.detach().to("cpu", torch.bfloat16).contiguous()
        if size + weight.numel() * 2 > max_file and parts[-1]:
            parts.append({})
            size = 0
        parts[-1][name] = weight
        size += weight.numel() * 2
    index = {"metadata": {"total_size": sum(w.numel() * 2 for part in parts for w in part.values())}, "weight_map": {}}
    for i, part in enumerate(parts):
        file_name = "model-%05d-of-%05d.safetensors" % (i + 1, len(parts))
        save_file(part, os.path.join(folder, file_name), metadata={"format": "pt"})
        index["weight_map"].update(dict.fromkeys(part, file_name))
    with open(os.path.join(folder, INDEX), "w") as file:
        json.dump(index, file, indent=1)
    for name in OTHER_FILES:
        shutil.copyfile(os.path.join(like, name), os.path.join(folder, name))
