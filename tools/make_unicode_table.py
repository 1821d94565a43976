#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes tables of characters for the tokenizer.

usage: make_unicode_table.py NEWER.h CLASSES.h     (development only; needs PyPI tokenizers, Python 3.11)

NEWER.h, tokenizer/tok_newer.h: the characters added to Unicode after 14.0, with their categories. The reference
tokenizer's regular expressions use Unicode 16, the PCRE2 of a distribution perhaps only 14; the table adds the
difference. Python 3.11's unicodedata is 14.0.
CLASSES.h, tokenizer/tok_char_tables.h: the characters that the steps of the reference treat alike, asked from it
one by one. Each step has tables of its own Unicode version, from 8 to 17.
"""
import sys
import unicodedata

from tokenizers import Regex, normalizers, pre_tokenizers

CATEGORIES = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cf".split()


def write_newer(path):
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
    open(path, "w").write("\n".join(out) + "\n")
    print(len(rows), "ranges,", sum(b - a + 1 for a, b, _ in rows), "characters")



# ---- classes of characters ----------------------------------------------------------------------

POINTS = [u for u in range(0x110000) if not 0xd800 <= u < 0xe000]


def ranges(points):
    out = []
    for u in points:
        if out and out[-1][1] == u - 1:
            out[-1][1] = u
        else:
            out.append([u, u])
    return out


def pieces(step, u):
    return [p for p, _ in step.pre_tokenize_str("a" + chr(u) + "a")]


def classes():
    bert = lambda **on: normalizers.BertNormalizer(**{**dict(clean_text=False, handle_chinese_chars=False, strip_accents=False,
                                                              lowercase=False), **on})
    clean, bare = bert(clean_text=True), bert(strip_accents=True)
    word, punctuation, digits = pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits()
    strip = normalizers.StripAccents()
    yield "word_ranges", "\\w of Whitespace", [u for u in POINTS if len(pieces(word, u)) == 1]
    yield "punctuation_ranges", "Punctuation, BertPreTokenizer", [u for u in POINTS if len(pieces(punctuation, u)) == 3]
    yield "digit_ranges", "Digits", [u for u in POINTS if len(pieces(digits, u)) == 3]
    yield "mark_ranges", "removed by StripAccents", [u for u in POINTS if strip.normalize_str("a" + chr(u)) == "a"]
    yield "accent_ranges", "removed by BertNormalizer's strip_accents", [u for u in POINTS if bare.normalize_str("a" + chr(u)) == "a"]
    yield "control_ranges", "removed by BertNormalizer's clean_text", [u for u in POINTS if not clean.normalize_str(chr(u))]


def lower_rows():
    """[first, last, difference, step]; one character each, which U+0130 is not."""
    lower = normalizers.Lowercase()
    rows = []
    for u in POINTS:
        text = lower.normalize_str(chr(u))
        if text == chr(u) or len(text) > 1:
            assert len(text) == 1 or (u == 0x130 and text == "i\u0307"), (u, text)
            continue
        delta = ord(text) - u
        if rows and rows[-1][2] == delta:
            first, last, _, step = rows[-1]
            if u - last == step or (first == last and u - last <= 2):
                rows[-1][1], rows[-1][3] = u, u - last
                continue
        rows.append([u, u, delta, 1])
    return rows


def put(out, items):
    line = "   "
    for item in items:
        if len(line) + len(item) + 2 > 100:
            out.append(line)
            line = "   "
        line += " " + item + ","
    out += [line, "};"]


def write_classes(path):
    out = ["/* SPDX-License-Identifier: MIT */",
           "/**",
           " * @file tok_char_tables.h  Characters that the reference tokenizer's steps treat alike.",
           " *",
           " * Made by tools/make_unicode_table.py; do not edit. Included by tok_chars.c only.",
           " */",
           "/* clang-format off */",
           "struct char_range {",
           "    uint32_t first, last;",
           "};"]
    for name, comment, points in classes():
        out += ["/* %s */" % comment, "static const struct char_range %s[] = {" % name]
        put(out, ["{ 0x%x, 0x%x }" % tuple(r) for r in ranges(points)])
    out += ["/* Lowercase: every `step`-th character of a range */",
            "static const struct case_range {",
            "    uint32_t first, last;",
            "    int32_t difference;",
            "    uint32_t step;",
            "} lower_ranges[] = {"]
    put(out, ["{ 0x%x, 0x%x, %d, %d }" % tuple(r) for r in lower_rows()])
    out.append("/* clang-format on */")
    open(path, "w").write("\n".join(out) + "\n")


if __name__ == "__main__":
    write_newer(sys.argv[1])
    write_classes(sys.argv[2])
