#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tokenizer/tok_newer.h: the characters added to Unicode after 14.0, with their categories.

usage: make_unicode_table.py OUT.h     (development only; needs PyPI tokenizers, Python 3.11)

The reference tokenizer's regular expressions use Unicode 16, the PCRE2 of a distribution perhaps only
14; the table adds the difference. Python 3.11's unicodedata is 14.0.
"""
import sys
import unicodedata

from tokenizers import Regex, pre_tokenizers

CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cf".split()


def main():
    assert unicodedata.unidata_version.startswith("14."), unicodedata.unidata_version
    new = [u for u in range(0x110000) if unicodedata.category(chr(u)) == "Cn"]
    text = "".join(map(chr, new))
    rows = []
    for cat in CATEGORIES:
        split = pre_tokenizers.Split(Regex("[^\\p{%s}]" % cat), "removed")
        for piece, _ in split.pre_tokenize_str(text):
            for u in map(ord, piece):
                if rows and rows[-1][2] == cat and rows[-1][1] == u - 1:
                    rows[-1][1] = u
                else:
                    rows.append([u, u, cat])
    rows.sort()
    # consecutive characters of one category share a row
    out = ["/* SPDX-License-Identifier: MIT */",
           "/**",
           " * @file tok_newer.h  Characters that Unicode gained between 14.0 and 16.0, by category.",
           " *",
           " * Made by tools/make_unicode_table.py; do not edit. Included by tok_regex.c only.",
           " */",
           "/* clang-format off */",
           "static const struct newer_range {",
           "    uint32_t first, last;",
           "    char category[3];",
           "} newer_ranges[] = {"]
    line = "   "
    for first, last, cat in rows:
        item = ' { 0x%x, 0x%x, "%s" },' % (first, last, cat)
        if len(line) + len(item) > 100:
            out.append(line)
            line = "   "
        line += item
    out += [line, "};", "/* clang-format on */"]
    open(sys.argv[1], "w").write("\n".join(out) + "\n")
    print(len(rows), "ranges,", sum(b - a + 1 for a, b, _ in rows), "characters")


if __name__ == "__main__":
    main()
