#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes the headers of an invented next minor, for tests.

    next_minor.py INCLUDE OUTPUT

Copies the headers of INCLUDE/confgen that a plugin includes to the folder OUTPUT. CG_PLUGIN_ABI_MINOR
is one more, and every struct that may grow has members next_0, next_1, .. at its end: 2 to 8 of 8
bytes, and 96 in the structs that a plugin fills for the host.
"""
import os
import re
import sys

HEADERS = ["attention", "attention_check", "cache", "constraint", "plugin", "sized", "status", "tensor", "version"]
FIXED = {"cg_error", "cg_range"}
FILLED = {"cg_kv_view", "cg_cache_stats"}


def grow(match):
    body, name = match.group(1), match.group(2)
    if name in FIXED or not re.match(r"\s*uint32_t struct_size;", body):
        return match.group(0)
    n = 96 if name in FILLED else 2 + len(name) % 7
    more = "".join("    uint64_t next_%d;\n" % i for i in range(n))
    return "typedef struct %s {%s%s} %s;" % (name, body, more, name)


def main():
    include, output = sys.argv[1:]
    for header in HEADERS:
        with open(os.path.join(include, "confgen", header + ".h"), encoding="utf-8") as f:
            text = f.read()
        text = re.sub(r"typedef struct \w+ \{(.*?\n)\} (\w+);", grow, text, flags=re.S)
        text = re.sub(r"(#define CG_PLUGIN_ABI_MINOR )(\d+)", lambda m: m.group(1) + str(int(m.group(2)) + 1), text)
        with open(os.path.join(output, header + ".h"), "w", encoding="utf-8") as f:
            f.write(text)


if __name__ == "__main__":
    main()
