#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Makes a tiny FSQ decoder of random weights: make_fsq_decoder.py FOLDER TOKEN... (SMILES tokens)."""
import array
import json
import math
import os
import random
import struct
import sys

HIDDEN, LAYERS, INPUT, DIGITS = 64, 1, 32, 12

folder, *tokens = sys.argv[1:]
random.seed(1)
shapes = {"post_q.0.weight": (INPUT, len(tokens) + DIGITS), "post_q.0.bias": (INPUT,), "post_q.2.weight": (HIDDEN, INPUT),
          "post_q.2.bias": (HIDDEN,), "out.weight": (3, HIDDEN), "out.bias": (3,)}
for i in range(LAYERS):
    layer = "dec.layers.%d." % i
    shapes.update({layer + "self_attn.in_proj_weight": (3 * HIDDEN, HIDDEN), layer + "self_attn.out_proj.weight":
                   (HIDDEN, HIDDEN), layer + "linear1.weight": (4 * HIDDEN, HIDDEN), layer + "linear2.weight":
                   (HIDDEN, 4 * HIDDEN), layer + "norm1.weight": (HIDDEN,), layer + "norm2.weight": (HIDDEN,)})
header, data = {}, array.array("f")
for name, shape in shapes.items():
    begin = 4 * len(data)
    data.extend(random.gauss(0, 0.3) for _ in range(math.prod(shape)))
    header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, 4 * len(data)]}
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
os.makedirs(folder, exist_ok=True)
with open(folder + "/model.safetensors", "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data.tobytes())
json.dump({"model_type": "fsq-decoder", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "intermediate_size":
           4 * HIDDEN, "input_size": INPUT, "layer_norm_eps": 1e-5, "levels": [2] * DIGITS, "tokens": tokens},
          open(folder + "/config.json", "w"))
