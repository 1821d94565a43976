#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Compares our tokenizer with PyPI's `tokenizers`, ids and offsets, and times both (development only).

usage: check_tokenizer.py [--texts N] [--seed S] [--variants] [--points] [--bench] [--shared DIR]

Texts are random: SMILES, enriched SMILES (3 and 4 decimals), prompts, ASCII, Unicode (combining
marks, emoji, many scripts and their digits, unassigned code points), tags cut short, and mixtures.
  --variants  also compare about 30 tokenizers that use every supported option
  --kinds     only compare the other kinds of models, normalizers and pre-tokenizers (--only NAME: some)
  --points    also compare every code point of Unicode in several contexts
  --bench     only measure tokens/s of one thread, both implementations in turn
Needs the built tests (build/tests/tools/encode_lines). DIR has tokenizers/qwen3_molgen and data/; without
it the Qwen3 comparison is skipped with a message.
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QWEN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)"
        r"|\s+")
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]"
          r"|\s+(?!\S)|\s+")
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def qwen3(directory):
    """The tokenizer of a vocab.json directory, built like the fast Qwen2 tokenizer."""
    with open(directory + "/vocab.json") as f:
        vocab = json.load(f)
    with open(directory + "/merges.txt") as f:
        merges = [tuple(line.rstrip("\n").split(" ")) for line in f if not line.startswith("#version")]
    with open(directory + "/tokenizer_config.json") as f:
        added = json.load(f)["added_tokens_decoder"]
    tok = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    for i in sorted(added, key=int):
        a = added[i]
        assert tok.add_tokens([AddedToken(a["content"], single_word=a["single_word"], lstrip=a["lstrip"],
                                          rstrip=a["rstrip"], normalized=a["normalized"],
                                          special=a["special"])]) == 1
        assert tok.token_to_id(a["content"]) == int(i)
    return tok


# ---- texts ------------------------------------------------------------------------------------

SCRIPTS = [(0x20, 0x7e), (0xa0, 0xff), (0x100, 0x24f), (0x2b0, 0x2ff), (0x300, 0x36f), (0x370, 0x3ff), (0x400, 0x52f),
           (0x590, 0x5ff), (0x600, 0x6ff), (0x900, 0x97f), (0x980, 0x9ff), (0xb80, 0xbff), (0xe00, 0xe7f),
           (0xf00, 0xfff), (0x1100, 0x11ff), (0x1e00, 0x1eff), (0x1f00, 0x1fff), (0x2000, 0x206f), (0x2070, 0x209f),
           (0x20d0, 0x20f0), (0x2100, 0x218f), (0x2190, 0x23ff), (0x2460, 0x24ff), (0x2600, 0x27bf), (0x3000, 0x30ff),
           (0x3130, 0x318f), (0x4e00, 0x9fff), (0xac00, 0xd7a3), (0xf900, 0xfaff), (0xfb00, 0xfb4f), (0xfe00, 0xfe0f),
           (0xff00, 0xffef), (0x10000, 0x103ff), (0x11000, 0x11fff), (0x1d100, 0x1d1ff), (0x1d400, 0x1d7ff),
           (0x1e900, 0x1e95f), (0x1f300, 0x1faff), (0x20000, 0x2a6df), (0x30000, 0x323af)]
SPACES = "\t\n\x0b\x0c\r \x1c\x1d\x85\xa0\u1680\u180e\u2000\u2003\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u3000\ufeff"
DIGITS = "0123456789\u0660\u0667\u06f3\u0966\u096f\u0be7\u0e53\u2460\u00b2\u00bd\u2167\u3007\u4e09\uff11\U0001d7d8\U000104a3"
MARKS = "\u0300\u0301\u0302\u0308\u030a\u0323\u0327\u0328\u0331\u0345\u035c\u05b0\u064b\u093c\u09be\u0dcf\u1161\u11a8\u3099"
BASES = "aeiouAEIOUcCnNsSyYwWzZ\u03b1\u03c9\u0415\u0438\u0928\u09c7\u1100\u1112\uac00\u304b\u30cf\u212b\u2126\u1e9b"
EMOJI = "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f \U0001f44d\U0001f3fd 1\ufe0f\u20e3"
TAGS = ["[SMILES]", "[/SMILES]", "[CONFORMER]", "[/CONFORMER]", "<|endoftext|>", "<|im_start|>", "<think>",
        "<|begin_of_text|>", "<|end_of_text|>"]
WORDS = ["it's", "WE'LL", "don'T", "'ve", "\u2019s", "'\u017f", "'\u212a", "\ufb06", "hello", " world", "  two", "\n\n",
         " \n ", "x=1;\n", "//", "\r\n", "3D", "C#N", "\x00", "\x7f", "\u0130", "stra\u00dfe"]


class Texts:
    def __init__(self, shared, seed):
        self.rng = random.Random(seed)
        self.smiles, self.enriched = [], []
        path = os.path.join(ROOT, "tests/golden/tokenizer.jsonl")
        for line in open(path):
            t = json.loads(line)["text"]
            (self.enriched if "]<" in t else self.smiles).append(t)
        val = os.path.join(shared, "data/training/val_enriched.txt.zst")
        if os.path.exists(val):
            for line in subprocess.run(["zstd", "-dc", val], check=True, stdout=subprocess.PIPE).stdout.decode().splitlines():
                a, b = line.split("\t")
                self.smiles.append(a)
                self.enriched.append(b)

    def cut(self, t, most=240):
        if len(t) > most:
            at = self.rng.randrange(len(t) - most)
            t = t[at:at + most]
        return t

    def number(self):
        r = self.rng
        return "%s%d.%0*d" % (r.choice(["", "", "-"]), r.choice([0, 1, 2, 9, r.randrange(100), r.randrange(1000)]),
                              r.choice([3, 4, 4, 1, 6]), r.randrange(1000))

    def atoms(self):
        r = self.rng
        return "".join("[%s]<%s,%s,%s>%s" % (r.choice(["C", "N", "O", "c", "n", "nH", "C@@H", "Cl", "Br", "NH2+", "13CH3", "Xx"]),
                                             self.number(), self.number(), self.number(),
                                             r.choice(["", "", "", "1", "2", "(", ")", "=", "#", "/", "\\", "-", ".", "%12", ")("]))
                       for _ in range(r.randrange(1, 9)))

    def ascii(self):
        r = self.rng
        some = r.choice(["".join(map(chr, range(128))), "[]<>,.-0123456789", "[]<>()=#CNOcnoH+-@/\\%123 ", " \n\r\ta1'!", "'sStTrRvVeEmMlLdD "])
        return "".join(r.choice(some) for _ in range(r.randrange(0, 60)))

    def unicode(self):
        r = self.rng
        kind = r.randrange(6)
        n = r.randrange(1, 40)
        if kind == 0:
            a, b = r.choice(SCRIPTS)
            return "".join(chr(r.randint(a, b)) for _ in range(n))
        if kind == 1:
            return "".join(chr(r.randint(*r.choice(SCRIPTS))) for _ in range(n))
        if kind == 2:
            return "".join(r.choice(BASES) + "".join(r.choice(MARKS) for _ in range(r.choice([0, 1, 1, 2, 3]))) for _ in range(n))
        if kind == 3:
            return "".join(r.choice(DIGITS + SPACES) for _ in range(n))
        if kind == 4:
            return "".join(r.choice(EMOJI) for _ in range(n))
        return "".join(chr(r.choice([r.randrange(0xd800), r.randrange(0xe000, 0x110000)])) for _ in range(n))

    def tag(self):
        t = self.rng.choice(TAGS)
        if self.rng.random() < 0.4:
            a, b = sorted((self.rng.randrange(len(t) + 1), self.rng.randrange(len(t) + 1)))
            t = t[a:b]
        return t

    def one(self):
        r = self.rng
        kind = r.randrange(10)
        if kind == 0:
            return r.choice(self.smiles)
        if kind == 1:
            return self.cut(r.choice(self.enriched))
        if kind == 2:
            return "[SMILES]" + r.choice(self.smiles) + "[/SMILES][CONFORMER]" + self.cut(r.choice(self.enriched), 80)
        if kind == 3:
            return self.atoms()
        if kind == 4:
            return self.ascii()
        if kind in (5, 6):
            return self.unicode()
        parts = [self.tag, self.ascii, self.unicode, self.atoms, lambda: r.choice(WORDS), lambda: r.choice(SPACES) * r.randrange(1, 4),
                 lambda: self.cut(r.choice(self.smiles), 20), self.tag]
        t = "".join(r.choice(parts)() for _ in range(r.randrange(1, 8)))
        if kind == 9 and t:  # damage it
            at = r.randrange(len(t))
            t = t[:at] + r.choice(["", "\u0301", "'", " ", "\n", "[", "1"]) + t[at + r.randrange(2):]
        return t


def all_points():
    out = []
    points = [u for u in range(0x110000) if not 0xd800 <= u < 0xe000]
    for i in range(0, len(points), 32):
        c = list(map(chr, points[i:i + 32]))
        out += ["".join(c), "a".join(c), " ".join(c), "1".join(c), "\u0345".join(c), "e" + "e\u0301".join(c),
                "'".join(c), "\n".join(c)]
    return out


# ---- comparison -------------------------------------------------------------------------------

def helper(binary, directory, texts, *options):
    data = b"".join(b"%d\n%s\n" % (len(t), t) for t in (t.encode() for t in texts))
    run = subprocess.run([binary, directory, *options], input=data, stdout=subprocess.PIPE, check=True)
    return run.stdout.decode().split("\n")[:-1]


def compare(name, binary, directory, reference, texts):
    # offsets of an added leading space differ: the reference gives it those of the next character; those of
    # what Replace writes are shifted
    d = json.loads(reference.to_str())
    steps = json.dumps([d["pre_tokenizer"], d["normalizer"]], ensure_ascii=False)
    blank = '"add_prefix_space": true' in steps or SPACE in steps or '"Replace"' in steps
    ours = helper(binary, directory, texts, "--spans")
    cached = helper(binary, directory, texts, "--cache", "1000")
    assert len(ours) == len(cached) == len(texts), (len(ours), len(cached), len(texts))
    bad = shown = offsets = 0
    for i in range(0, len(texts), 5000):
        part = texts[i:i + 5000]
        for t, a, c, enc in zip(part, ours[i:i + 5000], cached[i:i + 5000],
                                reference.encode_batch(part, add_special_tokens=False)):
            try:
                items = [tuple(map(int, x.split(":"))) for x in a.split()]
            except ValueError:
                items = [(a,)]
            ids = [x[0] for x in items]
            wrong = ids != enc.ids or " ".join(map(str, enc.ids)) != c
            if not wrong and t.isascii() and not blank:
                offsets += 1
                wrong = [x[1:] for x in items] != enc.offsets
            if wrong:
                bad += 1
                if shown < 5:
                    shown += 1
                    print("  differs: %r\n    theirs %s\n    ours   %s\n    cached %s" % (
                        t, " ".join("%d:%d:%d" % (x, *y) for x, y in zip(enc.ids, enc.offsets)), a, c))
    print("%-28s %8d texts, ids differ in %d (offsets compared too in %d ASCII texts)" % (name, len(texts), bad, offsets))
    sys.stdout.flush()
    return bad


def variants(base):
    """Yields (name, tokenizer) for every supported option, with the Llama-3 test vocabulary."""
    S, B, R = pre_tokenizers.Split, pre_tokenizers.ByteLevel, Regex
    last = B(add_prefix_space=False, use_regex=False)
    steps = {"bytelevel": [B(add_prefix_space=False)], "bytelevel-prefix": [B(add_prefix_space=True)],
             "split-prefix": [S(R(QWEN), "isolated"), B(add_prefix_space=True, use_regex=False)],
             "split-bytelevel": [S(R(r"\p{N}"), "isolated"), B(add_prefix_space=True, use_regex=True)],
             "digits-one": [pre_tokenizers.Digits(True), last], "digits": [pre_tokenizers.Digits(False), last],
             "cl100k": [S(R(CL100K), "isolated"), last], "o200k": [S(R(O200K), "isolated"), last],
             "string": [S("<", "isolated"), S("->", "removed"), last],
             "three": [S(R(r"\s+"), "removed"), S(R(r"[^A-Za-z]"), "contiguous"), S(R(r"\d{1,2}"), "isolated"), last],
             "empty-matches": [S(R(r"\d*"), "isolated"), last], "empty-merged": [S(R(r"\d*"), "merged_with_previous"), last],
             "empty-next": [S(R(r"x?"), "merged_with_next"), last],
             "classes": [S(R(r"[\S\n&&]".replace("&&", "")), "isolated"), S(R(r"\h+|\H"), "isolated"), S(R(r"\D|[\H]"), "isolated"), last],
             "anchors": [S(R(r"^.|.$|\A\s|.\z"), "isolated"), last],
             "lazy": [S(R(r"\[.*?\]|(?>\d+)(?!\.)|(?<=,)-|a{,2}|{|\x41|\u0042|\p{^L}"), "isolated"), last]}
    for how in ("isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"):
        steps["split-" + how] = [S(R(r"[0-9]|\s|\p{L}{2}"), how), last]
        steps["invert-" + how] = [S(R(r"\p{L}+|\d"), how, invert=True), last]
    text = base.to_str()
    for name, pre in steps.items():
        tok = Tokenizer.from_str(text)
        tok.pre_tokenizer = pre_tokenizers.Sequence(pre) if len(pre) > 1 else pre[0]
        yield name, tok
    for name, nfc, kw in (("added-lstrip", 0, {"lstrip": True}), ("added-rstrip", 0, {"rstrip": True}),
                          ("added-strip-nfc", 1, {"lstrip": True, "rstrip": True}), ("added-word", 0, {"single_word": True}),
                          ("added-normalized", 1, {"normalized": True}), ("added-raw", 1, {"normalized": False}),
                          ("added-word-normalized", 1, {"normalized": True, "single_word": True, "lstrip": True})):
        d = json.loads(text)
        del d["added_tokens"]
        tok = Tokenizer.from_str(json.dumps({**d, "added_tokens": []}))
        if nfc:
            tok.normalizer = normalizers.Sequence([normalizers.NFC()])
        tok.add_tokens([AddedToken(s, **{"normalized": False, **kw}) for s in
                        TAGS + ["SM", "[S", "hello", "1\u0301", "e\u0301", "\u1e9b", "\u212b", "an", "and", "[/SMILES][CONFORMER]"]])
        yield name, tok


ATOMS = r"\[[^\]]+\]|Br|Cl|%\d\d|[A-Za-z0-9]|."
SPACE = "\u2581"


def kinds(made, most=10000):
    """Yields (name, tokenizer) for models, normalizers and pre-tokenizers beside byte-level BPE, trained on SMILES, of at
    most `most` tokens (more where each byte has one)."""
    N, P, M = normalizers, pre_tokenizers, models
    corpus = made.smiles[:2000] + [made.cut(t) for t in made.enriched[:500]] + ["hello world it's 12.5 e\u0301 \u00c5 na\u00efve \u4e2d\u6587"] * 20

    def train(model, normalizer, pre, size=600, trainer=None, special=("[UNK]",), **kw):
        tok = Tokenizer(model)
        if normalizer:
            tok.normalizer = normalizer
        if pre:
            tok.pre_tokenizer = pre
        make = trainer or {M.WordLevel: trainers.WordLevelTrainer, M.WordPiece: trainers.WordPieceTrainer, M.BPE: trainers.BpeTrainer}[type(model)]
        tok.train_from_iterator(corpus, make(vocab_size=min(size, most), special_tokens=list(special), show_progress=False, **kw))
        return tok

    def edit(tok, **model):
        """Changes the model's settings; byte_fallback adds the tokens of the bytes."""
        d = json.loads(tok.to_str())
        if model.get("byte_fallback"):
            drop = model.pop("drop", 0)
            for b in range(256 - drop):
                d["model"]["vocab"].setdefault("<0x%02X>" % b, len(d["model"]["vocab"]))
        d["model"].update(model)
        return Tokenizer.from_str(json.dumps(d))

    def tags(tok, **kw):
        tok.add_tokens([AddedToken(s, **{"normalized": False, **kw}) for s in TAGS])
        return tok

    level = lambda: M.WordLevel(unk_token="[UNK]")
    piece = lambda **k: M.WordPiece(unk_token="[UNK]", **k)
    bpe = lambda **k: M.BPE(unk_token="[UNK]", **k)
    yield "wordlevel-atoms", tags(train(level(), None, P.Split(Regex(ATOMS), "isolated")))
    yield "wordlevel-chars", tags(train(level(), None, P.Split(Regex("."), "isolated")))
    yield "wordlevel-whitespace", tags(train(level(), N.NFKC(), P.Whitespace(), 5000))
    yield "wordlevel-punctuation", tags(train(level(), N.Sequence([N.NFD(), N.StripAccents(), N.Lowercase()]),
                                              P.Sequence([P.WhitespaceSplit(), P.Punctuation(), P.Digits(True)])), normalized=True)
    yield "wordlevel-fixed", train(level(), N.Strip(), P.Sequence([P.CharDelimiterSplit("."), P.FixedLength(3)]), 5000)
    yield "wordpiece-bert", tags(train(piece(), N.BertNormalizer(), P.BertPreTokenizer()))
    yield "wordpiece-cased", tags(train(piece(), N.BertNormalizer(lowercase=False, strip_accents=True), P.BertPreTokenizer()), normalized=True)
    yield "wordpiece-short", edit(train(piece(), N.Sequence([N.NFKC(), N.Lowercase()]), P.Whitespace(), continuing_subword_prefix="@"),
                                  continuing_subword_prefix="@", max_input_chars_per_word=7)
    yield "bpe-metaspace", tags(train(bpe(fuse_unk=True), None, P.Metaspace()))
    yield "bpe-metaspace-first", tags(edit(train(bpe(), None, P.Metaspace(prepend_scheme="first", split=False), special=["<unk>"]),
                                           unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    yield "bpe-metaspace-never", tags(train(bpe(), N.NFKD(), P.Sequence([P.Metaspace(prepend_scheme="never"), P.Digits(True)])))
    yield "bpe-llama2", tags(edit(train(bpe(), N.Sequence([N.Prepend(SPACE), N.Replace(" ", SPACE)]), None, 500, max_token_length=8),
                                  fuse_unk=True, byte_fallback=True))
    yield "bpe-gemma", tags(edit(train(bpe(), N.Replace(" ", SPACE), P.Split(" ", "merged_with_previous"), max_token_length=8),
                                 fuse_unk=True, byte_fallback=True), normalized=True)
    yield "bpe-few-bytes", edit(train(bpe(), None, P.WhitespaceSplit()), byte_fallback=True, drop=40)
    yield "bpe-few-bytes-fuse", edit(train(bpe(), None, P.WhitespaceSplit()), byte_fallback=True, drop=40, fuse_unk=True)
    yield "bpe-no-unk", edit(train(bpe(), None, P.Whitespace()), unk_token=None)
    yield "bpe-ignore-merges", edit(train(bpe(), None, P.Whitespace()), ignore_merges=True)
    for how in ("isolated", "removed", "merged_with_previous", "merged_with_next", "contiguous"):
        yield "bpe-punctuation-" + how, train(bpe(), N.Replace(Regex(r"[0-9]{2}"), "##"), P.Punctuation(how))
    yield "bpe-suffix", tags(train(bpe(end_of_word_suffix="</w>"), N.Lowercase(), P.WhitespaceSplit(), end_of_word_suffix="</w>"))
    yield "bpe-prefix", tags(train(bpe(continuing_subword_prefix="##"), None, P.Whitespace(), continuing_subword_prefix="##"))
    yield "bytes-normalizer", tags(train(M.BPE(), N.Sequence([N.NFC(), N.ByteLevel()]), P.Split(Regex(r"\w+|\W"), "isolated"),
                                         special=[], initial_alphabet=P.ByteLevel.alphabet()))
    full = lambda norm, pre: tags(train(M.BPE(), norm, pre, special=[], initial_alphabet=P.ByteLevel.alphabet()), normalized=True)
    yield "bytes-whitespace", full(None, P.Sequence([P.Whitespace(), P.ByteLevel(False, use_regex=False)]))
    yield "bytes-prefix", full(None, P.Sequence([P.WhitespaceSplit(), P.Punctuation(), P.ByteLevel(True)]))
    yield "bytes-lowercase", full(N.Sequence([N.NFKC(), N.Lowercase(), N.Strip(left=True, right=False)]), P.ByteLevel(False))
    yield "bytes-then-split", full(None, P.Sequence([P.ByteLevel(False), P.Split("\u0120", "isolated")]))
    yield "bytes-unk", train(bpe(), None, P.ByteLevel(False))
    yield "bytes-words", full(None, P.Sequence([P.Split(Regex(r"\b|\w\B|[\w.]{2}"), "isolated"), P.ByteLevel(False, use_regex=False)]))


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--texts", type=int, default=100000)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--variants", action="store_true")
    p.add_argument("--kinds", action="store_true")
    p.add_argument("--only", default="")
    p.add_argument("--points", action="store_true")
    p.add_argument("--bench", action="store_true")
    p.add_argument("--seconds", type=float, default=3)
    p.add_argument("--shared", default=os.path.join(ROOT, "../shared"))
    p.add_argument("--helper", default=os.path.join(ROOT, "build/tests/tools/encode_lines"))
    args = p.parse_args()
    if not os.path.exists(args.helper):
        sys.exit("%s is not built: ninja -C build" % args.helper)
    made = Texts(args.shared, args.seed)
    llama = os.path.join(ROOT, "tests/data/tokenizers/llama3_test")
    main_ones = [("default", os.path.join(ROOT, "data/confgen-default"), None), ("llama3_test", llama, None)]
    qwen = os.path.join(args.shared, "tokenizers/qwen3_molgen")
    if os.path.exists(qwen):
        main_ones.append(("qwen3_molgen", qwen, qwen3(qwen)))
    else:
        print("no %s: skipping Qwen3" % qwen)
    main_ones = [(n, d, t or Tokenizer.from_file(d + "/tokenizer.json")) for n, d, t in main_ones]
    if args.bench:
        sys.exit(bench(args, made, main_ones))
    texts = [made.one() for _ in range(args.texts)]
    points = all_points() if args.points else []
    bad = 0
    if args.kinds:
        for name, reference in kinds(made):
            if args.only in name:
                with tempfile.TemporaryDirectory() as d:
                    reference.save(d + "/tokenizer.json")
                    bad += compare(name, args.helper, d, reference, texts)
                    if points:
                        bad += compare(name + ", code points", args.helper, d, reference, points)
        sys.exit(bad != 0)
    for name, directory, reference in main_ones:
        bad += compare(name, args.helper, directory, reference, texts)
        if points:
            bad += compare(name + ", code points", args.helper, directory, reference, points)
    if args.variants:
        base = Tokenizer.from_file(llama + "/tokenizer.json")
        for name, reference in variants(base):
            with tempfile.TemporaryDirectory() as d:
                reference.save(d + "/tokenizer.json")
                bad += compare(name, args.helper, d, reference, texts[:max(1000, args.texts // 10)])
    sys.exit(bad != 0)


# ---- speed ------------------------------------------------------------------------------------

def theirs(reference, texts, seconds, batch):
    n = size = 0
    spent = 0.0
    start = time.perf_counter()
    while spent < seconds:
        if batch:
            n += sum(len(e.ids) for e in reference.encode_batch(texts, add_special_tokens=False))
        else:
            for t in texts:
                n += len(reference.encode(t, add_special_tokens=False).ids)
        size += sum(map(len, texts))
        spent = time.perf_counter() - start
    return n / spent, size / spent


def bench(args, made, main_ones):
    texts = [t for t in made.enriched if t.isascii()]
    data = b"".join(b"%d\n%s\n" % (len(t), t) for t in (t.encode() for t in texts))
    print("%d enriched texts, %d bytes; one thread; million tokens/s (MB/s)" % (len(texts), sum(map(len, texts))))
    worst = 1e9
    for name, directory, reference in main_ones:
        row = {}
        for label, options in (("ours", []), ("ours, cache", ["--cache", "65536"])):
            run = subprocess.run([args.helper, directory, "--bench", str(args.seconds), *options], input=data,
                                 stdout=subprocess.PIPE, check=True)
            w = run.stdout.split()
            row[label] = (int(w[1]) / float(w[5]), int(w[3]) / float(w[5]), int(w[7]), int(w[9]))
        for label, batch in (("encode", 0), ("encode_batch", 1)):
            row[label] = theirs(reference, texts, args.seconds, batch)
        best_theirs = max(row["encode"][0], row["encode_batch"][0])
        ratios = [row[k][0] / best_theirs for k in ("ours", "ours, cache")]
        worst = min(worst, *ratios)
        print("%-13s" % name + "  ".join("%s %.2f (%.1f)" % (k, v[0] / 1e6, v[1] / 1e6) for k, v in row.items())
              + "  ratio %.1f, with cache %.1f (hits %d, misses %d)" % (*ratios, *row["ours, cache"][2:]))
    print("smallest ratio %.1f" % worst)
    return worst < 5


if __name__ == "__main__":
    main()
