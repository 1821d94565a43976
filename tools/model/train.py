#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains the conformer language model, or trains it further; on GPUs run with torchrun, one process a GPU.

    tools/model/train.py --model FOLDER --source PREFIX=SHARES... --held-out PREFIX... --out OUT --seconds T

--model    a folder of tokenizer and configuration (make_tokenizer.py); its weights are the start where it has any
--source   token files PREFIX.tok and .doc (tokenize_texts.py), which may still grow: documents used least come first. SHARES
           is the share of a step's tokens, or its course: PREFIX=0.7,0.4:0.5,0.8:0 is 0.7, from 40 % of the time 0.5, from
           80 % none. Shares are relative to their sum
--seconds  time of training, without set-up and compilation; the rate falls to zero over the last part, --decay, of it
OUT/model  the folder with the new weights; OUT/train.json the losses; OUT/checkpoint.pt, every --save-every seconds, from which
           a run with the same OUT goes on
"""
import argparse
import json
import os
import queue
import shutil
import threading
import time
import traceback

import model as M
import numpy as np
import torch
import torch.distributed as dist

GROUPS = ("all", "structure", "integer", "fraction", "deciding")


class Source:
    """One process's documents of a pair of token files."""

    def __init__(self, prefix, rank, world, seed, in_order=False):
        self.prefix, self.rank, self.world, self.in_order = prefix, rank, world, in_order
        self.rng = np.random.default_rng(seed + rank)
        self.used = np.zeros(0, np.float32)
        self.total = self.tokens = 0  # documents and tokens of all processes
        self.read()

    def read(self):
        """Reads what has been appended, and orders the documents: those used least first, equal ones at random."""
        n = os.path.getsize(self.prefix + ".doc") // 24
        records = np.fromfile(self.prefix + ".doc", np.int64, count=n * 3).reshape(-1, 3)
        self.total, self.tokens = n, int(records[:, 1].sum())
        records = records[self.rank::self.world]
        self.records = records[records[:, 1] <= M.LONGEST]
        self.used = np.concatenate([self.used, np.zeros(len(self.records) - len(self.used), np.float32)])
        if n:
            self.ids = np.memmap(self.prefix + ".tok", np.uint16, mode="r")
        if self.in_order:
            self.order = np.arange(len(self.used))
        else:
            self.order = np.argsort(self.used + 0.999 * self.rng.random(len(self.used), dtype=np.float32))
        self.at, self.time = 0, time.time()

    def take(self, budget):
        """Records of documents that together just reach `budget` tokens; fewer if the source is empty."""
        taken = []
        while budget > 0:
            if self.at >= len(self.order) or time.time() - self.time > 20:
                self.read()
            if not len(self.order):
                break
            some = self.order[self.at:self.at + 1024]
            ends = np.cumsum(self.records[some, 1])
            k = min(len(some), int(np.searchsorted(ends, budget)) + 1)
            taken.append(self.records[some[:k]])
            self.used[some[:k]] += 1
            self.at += k
            budget -= int(ends[k - 1])
        return taken


class Share:
    """A source and the course of its share."""

    def __init__(self, text, rank, world, seed):
        prefix, _, course = text.rpartition("=")
        if not prefix:
            raise SystemExit("--source: found '%s', wanted PREFIX=SHARES" % text)
        steps = [part.split(":") for part in course.split(",")]
        self.course = [(float(s[0]) if len(s) == 2 else 0.0, float(s[-1])) for s in steps]
        self.source = Source(prefix, rank, world, seed)

    def at(self, part):
        """The share after this part (0 to 1) of the time."""
        return [share for begin, share in self.course if part >= begin][-1]


def assemble(parts, tokens, most):
    """Puts documents one after another into one row.

    parts: [(Source, records)]; most: how many documents a row may hold. Returns input ids, positions and targets (-100: none;
    prompts have none), all int64 [tokens]; deciding, bool [tokens]; and starts, int32 [most + 1], padded with `tokens`. What
    documents do not fill is filled without targets; the last one is cut.
    """
    ids = np.zeros(tokens, np.uint16)
    lengths = np.concatenate([r[:, 1] for _, r in parts])
    prompts = np.concatenate([r[:, 2] for _, r in parts])
    at = 0
    for source, records in parts:
        n = int(records[:, 1].sum())
        first = np.cumsum(records[:, 1]) - records[:, 1]
        index = np.repeat(records[:, 0] - first, records[:, 1]) + np.arange(n)
        n = min(n, tokens - at)
        ids[at:at + n] = source.ids[index[:n]]
        at += n
    if at < tokens:
        fill = [min(M.LONGEST, tokens - at - k) for k in range(0, tokens - at, M.LONGEST)]
        lengths, prompts = np.concatenate([lengths, fill]), np.concatenate([prompts, fill])
    first = np.cumsum(lengths) - lengths
    if len(first) > most:
        raise RuntimeError("found %d documents in a row, wanted at most %d" % (len(first), most))
    starts = np.full(most + 1, tokens, np.int32)
    starts[:len(first)] = first
    positions = (np.arange(int(lengths.sum())) - np.repeat(first, lengths))[:tokens]
    left = np.repeat(lengths, lengths)[:tokens] - positions
    wanted = (left > 1) & (positions >= np.repeat(prompts, lengths)[:tokens] - 1)
    wanted[-1] = False
    if M.MODE == "dense":
        wanted &= positions <= np.arange(tokens) % M.ROW  # the mask cuts documents at rows
    following = np.concatenate([ids[1:], ids[:1]])
    targets = np.where(wanted, (following & 0x7fff).astype(np.int64), -100)
    return (ids & 0x7fff).astype(np.int64), positions.astype(np.int64), targets, wanted & (following >= 0x8000), starts


def newton_schulz(g, steps=5):
    """The nearest orthogonal matrix, roughly; g: [..., rows, columns]."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.transpose(-1, -2)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        s = x @ x.transpose(-1, -2)
        x = a * x + (b * s + c * s @ s) @ x
    return x.transpose(-1, -2) if tall else x


class Muon:
    """Momentum orthogonalised by Newton-Schulz for the hidden matrices; the update's RMS is AdamW's (Jordan 2024)."""

    def __init__(self, params, decay, momentum=0.95):
        self.groups = {}
        for p in params:
            self.groups.setdefault(tuple(p.shape), []).append(p)
        self.momenta = {s: torch.zeros(len(ps), *s, device=ps[0].device) for s, ps in self.groups.items()}
        self.decay, self.momentum = decay, momentum

    @torch.no_grad()
    def step(self, rate):
        for shape, params in self.groups.items():
            g = torch.stack([p.grad for p in params])
            self.momenta[shape].lerp_(g, 1 - self.momentum)
            u = newton_schulz(g.lerp_(self.momenta[shape], self.momentum)).float() * (0.2 * max(shape) ** 0.5)
            torch._foreach_mul_(params, 1 - rate * self.decay)
            torch._foreach_add_(params, list(u.unbind(0)), alpha=-rate)


def token_kinds(folder, size):
    """Of each token: 0 structure, 1 integer part of a coordinate, 2 fraction."""
    with open(os.path.join(folder, "tokenizer.json")) as file:
        vocab = json.load(file)["model"]["vocab"]
    kinds = np.zeros(size, np.int64)
    for text, i in vocab.items():
        if text.endswith(".") and text.strip(",-.").isdigit():
            kinds[i] = 1
        elif len(text) == 3 and text.isdigit():
            kinds[i] = 2
    return torch.from_numpy(kinds)


class Training:
    """The state of a run on one process."""

    def __init__(self, a):
        self.a = a
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        self.cuda = torch.cuda.is_available()
        self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if self.cuda else torch.device("cpu")
        if self.cuda:
            torch.cuda.set_device(self.device)
        if self.world > 1:
            dist.init_process_group("nccl" if self.cuda else "gloo")
        self.log("attention:", M.choose(self.device, self.log))
        self.most = max(16, a.tokens // 64)
        torch.manual_seed(a.seed)
        config = M.read_config(a.model)
        self.kinds = token_kinds(a.model, config.vocab_size).to(self.device)
        self.net = M.Model(config).to(self.device)
        if M.has_weights(a.model):
            self.net.load_state_dict(M.load(a.model))
        params = dict(self.net.named_parameters())
        count = sum(p.numel() for p in params.values())
        self.log("%d parameters, %d processes, %s" % (count, self.world,
                                                      "weights of " + a.model if M.has_weights(a.model) else "fresh"))
        self.gradient = torch.zeros(count, device=self.device)  # of all parameters, each of which has a view of it
        at = 0
        for p in params.values():
            p.grad = self.gradient[at:at + p.numel()].view_as(p)
            at += p.numel()
        hidden = {name for name, p in params.items() if p.dim() == 2 and "embed" not in name}
        self.muon = Muon([params[name] for name in params if name in hidden], a.weight_decay)
        self.adam = torch.optim.AdamW([params[name] for name in params if name not in hidden], lr=a.rate, weight_decay=0.0,
                                      betas=(0.9, 0.95), eps=1e-10, **({"fused": True} if self.cuda else {}))
        self.step = self.trained = 0
        self.used, self.history = 0.0, []  # seconds of training of earlier processes; losses
        self.checkpoint = os.path.join(a.out, "checkpoint.pt")
        os.makedirs(a.out, exist_ok=True)
        if os.path.exists(self.checkpoint):
            self.resume()
        if a.compile:
            torch._dynamo.config.cache_size_limit = 64
            for layer in self.net.model.layers:  # one graph serves all of them
                layer.compile(dynamic=False)
            self.net.head.compile(dynamic=False)
        self.shares = [Share(text, self.rank, self.world, 1000 * i + a.seed + self.step) for i, text in enumerate(a.source)]
        self.held_out = {prefix: self.fixed_batches(prefix) for prefix in a.held_out}
        self.queue = queue.Queue(maxsize=6)
        self.begin = time.time()

    def log(self, *words):
        if self.rank == 0:
            print(*words, flush=True)

    def part(self):
        """How much of the time is over."""
        return (self.used + time.time() - self.begin) / self.a.seconds

    def resume(self):
        s = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        self.net.load_state_dict(s["model"])
        self.adam.load_state_dict(s["adam"])
        for shape, momentum in zip(self.muon.momenta, s["muon"]):
            self.muon.momenta[shape].copy_(momentum)
        self.step, self.trained, self.used, self.history = s["step"], s["tokens"], s["seconds"], s["history"]
        self.log("resumed at step", self.step)

    def save(self, whole):
        """Writes OUT/model and, if `whole`, the checkpoint."""
        if self.rank:
            return
        folder = os.path.join(self.a.out, "model")
        shutil.rmtree(folder + ".new", ignore_errors=True)
        M.export(self.net.state_dict(), folder + ".new", self.a.model)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(folder + ".new", folder)
        if whole:
            torch.save({"model": self.net.state_dict(), "adam": self.adam.state_dict(),
                        "muon": list(self.muon.momenta.values()), "step": self.step, "tokens": self.trained, "seconds": self.used + time.time() - self.begin,
                        "history": self.history}, self.checkpoint + ".new")
            os.replace(self.checkpoint + ".new", self.checkpoint)

    def to_device(self, batch):
        tensors = [torch.from_numpy(x) for x in batch]
        return [t.pin_memory().to(self.device, non_blocking=True) for t in tensors] if self.cuda else tensors

    def batch(self):
        part = min(1.0, self.part())
        shares = [s.at(part) if s.source.total or not s.source.read() and s.source.total else 0.0 for s in self.shares]
        parts, left = [], self.a.tokens
        order = np.argsort(shares, kind="stable")
        for i in order:  # the last, which has the largest share, fills what the others leave
            last = i == order[-1]
            budget = left if last else int(self.a.tokens * shares[i] / max(1e-9, sum(shares)))
            for records in self.shares[i].source.take(budget):
                parts.append((self.shares[i].source, records))
                left -= int(records[:, 1].sum())
        if not parts:
            raise RuntimeError("found no document in any source, wanted some before training begins")
        return assemble(parts, self.a.tokens, self.most)

    def produce(self):
        try:
            while True:
                self.queue.put(self.batch())
        except Exception:
            traceback.print_exc()
            os._exit(3)

    def fixed_batches(self, prefix):
        source = Source(prefix, self.rank, self.world, 0, in_order=True)
        batches = []
        while source.at < len(source.order):
            ends = np.cumsum(source.records[source.order[source.at:], 1])
            k = max(1, int(np.searchsorted(ends, self.a.tokens, side="right")))
            records = source.records[source.order[source.at:source.at + k]]
            batches.append(assemble([(source, records)], self.a.tokens, self.most))
            source.at += k
        return batches

    def losses(self, batch):
        """Loss of each token, targets, deciding; all [tokens]."""
        ids, positions, targets, deciding, starts = self.to_device(batch)
        with torch.autocast("cuda" if self.cuda else "cpu", dtype=torch.bfloat16, enabled=self.cuda):
            return self.net(ids, positions, targets, starts), targets, deciding

    def evaluate(self):
        """{held-out prefix: {group of tokens: mean loss}}."""
        result = {}
        for prefix, batches in self.held_out.items():
            sums = torch.zeros(len(GROUPS), 2, device=self.device, dtype=torch.float64)
            for batch in batches:
                loss, targets, deciding = self.losses(batch)  # with gradients on, so that the compiled graph serves
                loss = loss.detach().double()
                kind = torch.where(targets >= 0, self.kinds[targets.clamp(min=0)], -1)
                for i, chosen in enumerate((targets >= 0, kind == 0, kind == 1, kind == 2, deciding & (kind == 1))):
                    sums[i, 0] += loss[chosen].sum()
                    sums[i, 1] += chosen.sum()
            if self.world > 1:
                dist.all_reduce(sums)
            means = (sums[:, 0] / sums[:, 1].clamp(min=1)).tolist()
            result[os.path.basename(prefix)] = dict(zip(GROUPS, means))
        return result

    def report(self, word):
        losses = self.evaluate()
        self.history.append({"step": self.step, "tokens": self.trained, "seconds": self.used + time.time() - self.begin,
                             "held_out": losses})
        for name, means in losses.items():
            self.log("%s step %d, %.1f M tokens, %.0f s: held-out %s %s" % (
                word, self.step, self.trained / 1e6, self.history[-1]["seconds"], name,
                " ".join("%s %.4f" % item for item in means.items())))

    def update(self, rate):
        """One step; returns sum and number of the losses of all and of deciding tokens, float64 [4], and the gradient's norm."""
        loss, targets, deciding = self.losses(self.queue.get())
        weight = (targets >= 0) + (self.a.mark - 1) * deciding
        self.gradient.zero_()
        ((loss * weight).sum() / weight.sum().clamp(min=1)).backward()
        if self.world > 1:
            dist.all_reduce(self.gradient)
            self.gradient.div_(self.world)
        norm = self.gradient.norm()
        self.gradient.mul_((1.0 / (norm + 1e-6)).clamp(max=1.0))
        for group in self.adam.param_groups:
            group["lr"] = rate
        self.adam.step()
        self.muon.step(rate)
        self.step += 1
        self.trained += self.a.tokens * self.world
        loss = loss.detach().double()
        return torch.stack([loss.sum(), (targets >= 0).sum().double(), (loss * deciding).sum(), deciding.sum().double()]), norm

    def run(self):
        a = self.a
        began = time.time()
        threading.Thread(target=self.produce, daemon=True).start()
        loss, targets, _ = self.losses(self.queue.get())  # compiles
        loss.sum().backward()
        self.log("set up, first step in %.0f s" % (time.time() - began))
        self.begin = time.time()
        self.report("BEGIN")
        self.begin = last_evaluation = last_save = last_log = time.time()
        control = torch.zeros(4, device=self.device, dtype=torch.float64)
        falling = None
        sums, tokens = torch.zeros(4, device=self.device, dtype=torch.float64), 0
        while self.step < a.steps:
            if self.step % 5 == 0 or falling is None:  # the first process's clock rules
                now, part = time.time(), self.part()
                control.copy_(torch.tensor([max(0.0, min(1.0, (1 - part) / a.decay)), now - last_evaluation > a.evaluate_every,
                                            now - last_save > a.save_every, part >= 1]))
                if self.world > 1:
                    dist.broadcast(control, 0)
                falling, evaluate, save, over = control.tolist()
                if over:
                    break
                if evaluate:
                    self.report("EVAL")
                    last_evaluation = time.time()
                if save:
                    self.save(True)
                    last_save = time.time()
            rate = a.rate * falling * min(1.0, (self.step + 1) / a.warmup)
            more, norm = self.update(rate)
            sums += more
            tokens += a.tokens * self.world
            if self.rank == 0 and (self.step <= 3 or self.step % a.log_every == 0):
                s, seconds = sums.tolist(), time.time() - last_log
                self.log("step %d loss %.4f deciding %.4f gradient %.2f rate %.6f %.3f M tokens/s, %.0f s" % (
                    self.step, s[0] / max(1, s[1]), s[2] / max(1, s[3]), norm.item(), rate, tokens / max(1e-9, seconds) / 1e6,
                    self.used + time.time() - self.begin))
                sums.zero_()
                last_log, tokens = time.time(), 0
        self.report("END")
        self.save(False)
        if self.rank == 0:
            sources = {s.source.prefix: {"documents": s.source.total, "tokens": s.source.tokens,
                                         "used": float(s.source.used.sum()) * self.world} for s in self.shares}
            with open(os.path.join(a.out, "train.json"), "w") as file:
                json.dump({"history": self.history, "sources": sources, "steps": self.step, "tokens": self.trained,
                           "processes": self.world, "attention": M.MODE, "arguments": vars(a)}, file, indent=1)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", required=True)
    p.add_argument("--source", action="append", required=True)
    p.add_argument("--held-out", action="append", default=[])
    p.add_argument("--out", required=True)
    p.add_argument("--seconds", type=float, required=True)
    p.add_argument("--steps", type=int, default=10 ** 9, help="at most")
    p.add_argument("--tokens", type=int, default=65536, help="of a step and process; a multiple of %d" % M.ROW)
    p.add_argument("--rate", type=float, default=2.5e-3, help="highest learning rate")
    p.add_argument("--warmup", type=int, default=300, help="steps")
    p.add_argument("--decay", type=float, default=0.4)
    p.add_argument("--weight-decay", type=float, default=0.1)
    p.add_argument("--mark", type=float, default=5.0, help="weight of the tokens that decide a centre's handedness")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--evaluate-every", type=float, default=60, help="seconds")
    p.add_argument("--save-every", type=float, default=120, help="seconds")
    p.add_argument("--log-every", type=int, default=100, help="steps")
    p.add_argument("--no-compile", dest="compile", action="store_false")
    Training(p.parse_args()).run()
    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()
    os._exit(0)  # the thread that makes batches may wait for room in the queue


if __name__ == "__main__":
    main()
