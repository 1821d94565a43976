#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes a .cu file as C++ for emulated_cuda.cuh.

translate.py FILE.cu OUTPUT

- `kernel<<<CONFIG>>>(ARGS)` becomes `kernel << emulated_config(CONFIG)(ARGS)`; a template whose
  arguments are not written becomes `emulated_deduced(kernel)`.
- `__shared__ TYPE NAME[N], ..;` is followed by a call that fills the variables.
- `extern __shared__ TYPE NAME[];` becomes a pointer to the block's dynamic shared memory.
- `(const void *)NAME_kernel<..>` becomes `emulated_kernel(NAME_kernel<..>)`, for cudaLaunchKernel().
Lines keep their numbers, for messages and debuggers.
"""
import re
import sys


def fill_shared(declaration):
    plain = re.sub(r"\[[^][]*\]|\([^()]*\)", "", declaration[1])
    names = [re.search(r"(\w+)\s*$", part)[1] for part in plain.split(",")]
    return declaration[0] + "".join(f" EMULATED_SHARED({n});" for n in names)


text = open(sys.argv[1]).read()
for name in re.findall(r"\btemplate\s*<[^;{}()]*>\s*static\s+__global__\s+void\s[^;{}]*?(\w+)\([^()]*\)\s*{", text):
    text = re.sub(rf"\b{name}\s*<<<", f"emulated_deduced({name})<<<", text)
text = re.sub(r"<<<", " << emulated_config(", text)
text = re.sub(r">>>(?=\s*\()", ")", text)
text = re.sub(r"extern\s+__shared__\s+(?:__align__\(\d+\)\s*)?([\w\s]+?)\s*\b(\w+)\[\];",
              r"\1 *const \2 = (\1 *)emulated_dynamic_shared();", text)
text = re.sub(r"\b__shared__\s([^;{}]*);", fill_shared, text)
text = re.sub(r"\(const void \*\)(\w+_kernel<[^<>]*>)", r"emulated_kernel(\1)", text)
with open(sys.argv[2], "w") as out:
    out.write(f'#line 1 "{sys.argv[1]}"\n{text}')
