#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Converts a checkpoint of an FSQ autoencoder of coordinates to the folder that confgen reads.

    convert_fsq_decoder.py CHECKPOINT TOKENS FOLDER

CHECKPOINT is a .ckpt or .pt file of torch.save: a state_dict, or a dictionary with one under "state_dict" and, as
PyTorch Lightning writes them, "hyper_parameters". It is loaded with weights_only=True, so no code in it runs.
TOKENS lists the SMILES tokens, which the checkpoint does not contain, in the order of the one-hot input: a JSON list, or
the Python file of the training code that assigns it to VOCAB (the file is parsed, not run).
FOLDER (MODEL/fsq) receives config.json and model.safetensors: the decoder's tensors under the names of the checkpoint
without a common prefix such as "model."; those of the encoder are left out. Needs torch and safetensors.
"""
import ast
import json
import os
import pickle
import re
import sys

import torch
from safetensors.torch import save_file

HEAD = 64  # size of an attention head: the checkpoints have hidden / 64 heads
DECODER = re.compile(r"(post_q\.[02]\.(weight|bias)|out\.(weight|bias)|dec\.layers\.\d+\.("
                     r"self_attn\.(in_proj_weight|out_proj\.weight)|linear[12]\.weight|norm[12]\.weight))$")
OTHER = re.compile(r"(enc\.|tok_emb\.|pre_q\.|quant\.|util$|pos_emb_cache$)")  # the encoder; buffers


def read_tokens(path):
    with open(path) as f:
        text = f.read()
    if not path.endswith(".py"):
        return json.loads(text)
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and [getattr(t, "id", None) for t in node.targets] == ["VOCAB"]:
            return ast.literal_eval(node.value)
    sys.exit("%s: no list is assigned to VOCAB" % path)


def read_checkpoint(path):
    """The tensors of the decoder by name, and the hyperparameters."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as e:
        sys.exit("%s: contains more than tensors and plain values, wanted it saved without (%s)"
                 % (path, str(e).split("\n")[0]))
    state = checkpoint.get("state_dict", checkpoint)
    prefixes = [name[:-len("post_q.0.weight")] for name in state if name.endswith("post_q.0.weight")]
    if len(prefixes) != 1:
        sys.exit("%s: found %d tensors named post_q.0.weight, wanted the one of an FSQ autoencoder"
                 % (path, len(prefixes)))
    tensors = {}
    for name, value in state.items():
        if not name.startswith(prefixes[0]):
            continue
        name = name[len(prefixes[0]):]
        if DECODER.match(name):
            tensors[name] = value.contiguous()
        elif not OTHER.match(name):
            sys.exit("%s: tensor %s is none of the known decoder, which has no biases in its layers and no last norm"
                     % (path, name))
    return tensors, checkpoint.get("hyper_parameters", {})


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    checkpoint, tokens_path, folder = sys.argv[1:]
    tensors, hyper = read_checkpoint(checkpoint)
    tokens = read_tokens(tokens_path)
    hidden = tensors["out.weight"].shape[1]
    width, inputs = tensors["post_q.0.weight"].shape
    levels = list(hyper.get("levels", [2] * (inputs - len(tokens))))
    if hidden % HEAD:
        sys.exit("%s: hidden size %d, wanted a multiple of %d" % (checkpoint, hidden, HEAD))
    if inputs != len(tokens) + len(levels):
        sys.exit("%s: the decoder has %d inputs, wanted %d: %d tokens of %s and %d digits"
                 % (checkpoint, inputs, len(tokens) + len(levels), len(tokens), tokens_path, len(levels)))
    config = {
        "model_type": "fsq-decoder",
        "hidden_size": hidden,
        "num_hidden_layers": sum(name.endswith("norm1.weight") for name in tensors),
        "intermediate_size": tensors["dec.layers.0.linear1.weight"].shape[0],
        "input_size": width,
        "layer_norm_eps": 1e-5,
        "levels": levels,
        "tokens": tokens,
    }
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f, indent=1)
        f.write("\n")
    save_file(tensors, os.path.join(folder, "model.safetensors"))


main()
