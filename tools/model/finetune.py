#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Trains a model further on experimental poses, within a time, and chooses among variants on poses held out.

    tools/model/finetune.py --model FOLDER --poses POSES.tsv --held-out HELD_OUT.tsv --smiles LIST.smi --retained TEXTS
        --input REF.smi --ref REF.sdf.zst --generator PROGRAM --confgen PROGRAM --out OUT --seconds T

1. Texts of the poses, as observed and relaxed by MMFF94 within restraints; beside all the rest, ETKDGv3 + MMFF94 conformers of
   LIST.smi and of the poses' molecules, so that the model keeps what it learned before.
2. Each variant of --variants (JSON; see VARIANTS): train.py from FOLDER. Held-out losses: HELD_OUT.tsv, and TEXTS, a file of
   conformer texts as those that FOLDER was trained on.
3. Of FOLDER, each variant and the mean of the two: confgen makes --gens conformers of each molecule of REF.smi. The
   smallest mean of best RMSD against REF.sdf.zst is chosen; REF holds no molecule of training and none of a test.
4. --test NAME=INPUT.smi,REF.sdf.zst,K,ENSEMBLE: FOLDER and the chosen model, compared in pairs.

OUT/model holds the chosen model, OUT/summary.json all figures, OUT/NAME.* the evaluations, OUT/*.log what programs
printed. What no longer fits into --seconds is left out, as is a variant on the poses of the best one if there is none yet;
summary.json gives the reasons.
"""
import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import model as M

HERE = os.path.dirname(os.path.abspath(__file__))
# share: of the poses in all tokens. poses: raw (as observed), relaxed, or best, those of the better variant so far
VARIANTS = [{"name": "raw", "poses": "raw", "share": 0.9, "rate": 2.5e-4, "seconds": 60},
            {"name": "relaxed", "poses": "relaxed", "share": 0.9, "rate": 2.5e-4, "seconds": 60},
            {"name": "steep", "poses": "best", "share": 0.6, "rate": 7.5e-4, "seconds": 80}]
SET_UP = 25  # seconds of a variant before its training, after the first
JUDGE = 10  # seconds of making and evaluating conformers of one model


class Run:
    def __init__(self, a):
        self.a, self.begin = a, time.time()
        self.work = os.path.join(a.out, "work")
        self.cores = len(os.sched_getaffinity(0))
        self.background, self.summary = [], {"variants": {}, "held_out": {}, "tests": {}, "left_out": {},
                                                                  "failed": {}}
        os.makedirs(self.work, exist_ok=True)

    def say(self, text):
        print("%5.0f s  %s" % (time.time() - self.begin, text), flush=True)

    def left(self):
        return self.a.seconds - (time.time() - self.begin)

    def path(self, *names):
        return os.path.join(self.work, *names)

    def log(self, name):
        return open(os.path.join(self.a.out, name + ".log"), "a")

    def start(self, command, log, nice=0, **variables):
        """Starts a program of the background."""
        process = subprocess.Popen(["nice", "-n", str(nice)] + command, stdout=self.log(log), stderr=subprocess.STDOUT,
                                   start_new_session=True, env=dict(os.environ, **variables))
        self.background.append(process)
        return process

    def call(self, command, log, allowed=(0,)):
        with self.log(log) as file:
            status = subprocess.call(command, stdout=file, stderr=subprocess.STDOUT)
        if status not in allowed:
            with open(file.name) as text:
                tail = text.read()[-2000:]
            raise RuntimeError("found status %d of %s\n%s" % (status, " ".join(command), tail))

    def stop(self):
        for process in self.background:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)

    def leave_out(self, name, reason):
        self.summary["left_out"][name] = reason
        self.say("%s: left out, %s" % (name, reason))

    # 1. texts

    def generators(self, name, arguments, workers, nice):
        """Starts generators that write work/NAME/*.txt and, in randomised orders, work/NAME_random/*.txt."""
        folders = [self.path(name), self.path(name + "_random")]
        for folder in folders:
            os.makedirs(folder, exist_ok=True)
        files = [[os.path.join(folder, "%d.txt" % i) for folder in folders] for i in range(workers)]
        return [self.start([self.a.generator, "--out", files[i][0], "--random", files[i][1], "--autos", "1", "--orders", "2",
                            "--worker", str(i), "--workers", str(workers)] + arguments, "texts", nice) for i in range(workers)]

    def tokenize(self, texts, prefix, *options):
        """Starts the tokenizer of a file or folder of texts."""
        return self.start([sys.executable, os.path.join(HERE, "tokenize_texts.py"), texts, self.path(prefix), self.a.model,
                           *options], "texts", 0, RAYON_NUM_THREADS=str(max(1, self.cores // 4)))

    def documents(self, name):
        """The number of documents that the tokenizer of work/NAME has written."""
        path = self.path(name + ".doc")
        return os.path.getsize(path) // 24 if os.path.exists(path) else 0

    def wait_for(self, growing):
        """Waits until each source has --documents documents, or some if its generators are done. growing: {source: generators}"""
        while True:
            for process in self.background:
                if process.poll():
                    raise RuntimeError("found status %d of %s, see texts.log" % (process.returncode, " ".join(process.args)))
            done = {n for n in growing if all(process.poll() is not None for process in growing[n])}
            if all(self.documents(n) >= (1 if n in done else max(1, self.a.documents)) for n in growing):
                return
            if self.left() < 0:
                raise RuntimeError("found %s documents after %g s, wanted %d of each source: give more --seconds or fewer "
                                   "--documents" % (", ".join("%s %d" % (n, self.documents(n)) for n in growing),
                                                    self.a.seconds, self.a.documents))
            time.sleep(0.2)

    def texts(self):
        workers = max(1, self.cores - 4)
        poses = ["--poses", self.a.poses, "--assign3d", "1"]
        for process in self.generators("raw", poses + ["--iters", "0"], workers, 0):
            if process.wait():
                raise RuntimeError("found status %d of a generator, see texts.log" % process.returncode)
        self.call([self.a.generator, "--poses", self.a.held_out, "--assign3d", "1", "--iters", "0", "--mirror", "0", "--out",
                   self.path("held_out.txt")], "texts")
        relaxed = self.generators("relaxed", poses + ["--iters", "200", "--restrain", "0.1"], workers, 12)
        with open(self.a.poses) as file:
            smiles = [line.split("\t")[0] for line in file]
        with open(self.a.smiles) as file:
            smiles += file.read().split()
        random.Random(self.a.seed).shuffle(smiles)
        with open(self.path("smiles.smi"), "w") as file:
            file.writelines(s + "\n" for s in smiles)
        etkdg = self.generators("etkdg", ["--smi", self.path("smiles.smi"), "--confs", "1", "--iters", "200", "--tol", "0.0135",
                                          "--assign3d", "0.8", "--passes", "1000", "--seed", str(self.a.seed)], workers, 15)
        whole = [self.tokenize(*names) for names in ((self.path("raw"), "raw"), (self.path("raw_random"), "raw_random"),
                                                     (self.path("held_out.txt"), "poses"), (self.a.retained, "retained"))]
        growing = {"relaxed": relaxed, "relaxed_random": relaxed, "etkdg": etkdg, "etkdg_random": etkdg}
        for name in growing:
            self.tokenize(self.path(name), name, "--follow")
        for process in whole:
            if process.wait():
                raise RuntimeError("found status %d of a tokenizer, see texts.log" % process.returncode)
        self.wait_for(growing)
        self.say("texts: " + ", ".join("%s %d" % (n, self.documents(n)) for n in (
            "raw", "raw_random", *growing, "poses", "retained")))

    # 2. training

    def train(self, variant):
        poses, share = variant["poses"], variant["share"]
        if poses == "best":
            poses = min(self.summary["variants"], key=lambda n: self.summary["held_out"][n]["best_rmsd"])
            poses = self.summary["variants"][poses]["poses"]
        out = self.path("variants", variant["name"])
        command = [sys.executable, os.path.join(HERE, "train.py"), "--model", self.a.model, "--out", out, "--seconds",
                   str(variant["seconds"]), "--rate", str(variant["rate"]), "--decay", "1", "--warmup", "50", "--mark", "1",
                   "--evaluate-every", "30", "--save-every", "1e9", "--held-out", self.path("poses"), "--held-out",
                   self.path("retained"), "--tokens", str(self.a.tokens), "--seed", str(self.a.seed)]
        for name, part in ((poses, share), ("etkdg", 1 - share)):  # randomised orders until 70 % of the time
            command += ["--source", "%s=%g,0.7:%g" % (self.path(name), 0.7 * part, part),
                        "--source", "%s=%g,0.7:0" % (self.path(name + "_random"), 0.3 * part)]
        self.call(command + self.a.train, variant["name"])
        with open(os.path.join(out, "train.json")) as file:
            result = json.load(file)
        self.summary["variants"][variant["name"]] = dict(variant, poses=poses, steps=result["steps"], tokens=result["tokens"],
                                                         sources=result["sources"], history=result["history"])
        ends = [result["history"][i]["held_out"] for i in (0, -1)]
        self.say("%s: %d steps, %.1f M tokens; held-out loss %s" % (
            variant["name"], result["steps"], result["tokens"] / 1e6,
            ", ".join("%s %.4f to %.4f" % (n, ends[0][n]["all"], ends[1][n]["all"]) for n in ends[0])))
        return os.path.join(out, "model")

    def mean(self, folder, name):
        """The model halfway between the first one and the folder's."""
        first, second = M.load(self.a.model), M.load(folder)
        out = self.path("variants", name)
        M.export({key: (first[key] + second[key]) / 2 for key in first}, out, self.a.model)
        return out

    # 3. and 4. conformers

    def judge(self, name, model, source, ref, gens, ensemble, seed):
        """Makes and evaluates conformers; returns the path of the evaluation and its summary."""
        base = os.path.join(self.a.out, name)
        gen = self.path(name + ".sdf.zst")
        self.call([self.a.confgen, "--input", source, "--gens", str(gens), "--ensemble", ensemble, "--model", model, "--seed",
                   str(seed), "--output", gen, "--overwrite", "--report", base + ".run.json", "--progress", "never"]
                  + self.a.arguments, name, (0, 1))
        self.call([self.a.confgen, "eval", "--ref", ref, "--gen", gen, "--bioactive", "--check", "--json", base + ".eval.json",
                   "--overwrite", "--run", base + ".run.json"], name, (0, 1))
        with open(base + ".eval.json") as file:
            summary = json.load(file)["summary"]
        best = summary["bioactive"]["curve"][-1]
        figures = {"best_rmsd": best["best"]["mean"], "median": best["best"]["median"], "hit": best["hit"],
                   "molecules": summary["molecules"], "conformers": summary["generated"]}
        self.say("%s: best RMSD %.4f A mean, %.4f median; hit rates %s; %d conformers of %d molecules" % (
            name, figures["best_rmsd"], figures["median"],
            " ".join("%s %.1f" % (t, 100 * v) for t, v in figures["hit"].items()), figures["conformers"], figures["molecules"]))
        return base + ".eval.json", figures

    def hold(self, name, model):
        _, figures = self.judge("held_out_" + name, model, self.a.input, self.a.ref, self.a.gens, "raw", self.a.seed)
        self.summary["held_out"][name] = dict(figures, model=model)

    def test(self, text, chosen):
        name, _, fields = text.partition("=")
        source, ref, gens, ensemble = fields.split(",")
        results = {}
        for row, model in (("before", self.a.model), ("after", chosen)):
            label = "%s_%s" % (name, row)
            results[row], figures = self.judge(label, model, source, ref, gens, ensemble, self.a.seed + 1)
            self.summary["tests"][label] = figures
        self.call([self.a.confgen, "eval", "--compare", results["before"], results["after"], "--json",
                   os.path.join(self.a.out, name + "_compare.json"), "--overwrite"], name + "_compare", (0, 1))

    def all(self):
        self.texts()
        self.hold("before", self.a.model)
        reserve = self.a.reserve
        for i, variant in enumerate(self.a.variants):
            need = variant["seconds"] + (SET_UP if i else 2 * SET_UP) + 2 * JUDGE + reserve
            if self.left() < need:
                self.leave_out(variant["name"], "%.0f s are left and %.0f needed" % (self.left(), need))
                continue
            if variant["poses"] == "best" and not self.summary["variants"]:
                self.leave_out(variant["name"], "no variant before it was trained, so that there are no best poses")
                continue
            try:
                folder = self.train(variant)
            except RuntimeError as error:
                self.summary["failed"][variant["name"]] = str(error)
                self.a.train.append("--no-compile")
                self.say("%s failed, further variants are not compiled: %s" % (variant["name"], error))
                continue
            self.hold(variant["name"], folder)
            self.hold(variant["name"] + "_half", self.mean(folder, variant["name"] + "_half"))
        self.stop()
        chosen = min(self.summary["held_out"], key=lambda n: self.summary["held_out"][n]["best_rmsd"])
        self.summary["chosen"] = chosen
        self.say("chosen: " + chosen)
        folder = self.summary["held_out"][chosen]["model"]
        shutil.rmtree(os.path.join(self.a.out, "model"), ignore_errors=True)
        M.export(M.load(folder), os.path.join(self.a.out, "model"), self.a.model)
        for text in self.a.test:
            if self.left() < 2 * JUDGE:
                self.leave_out(text, "%.0f s are left" % self.left())
                continue
            self.test(text, folder)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("model", "poses", "held-out", "smiles", "retained", "input", "ref", "generator", "confgen", "out"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--seconds", type=float, required=True)
    p.add_argument("--reserve", type=float, default=70, help="seconds kept for the tests")
    p.add_argument("--variants", help="a JSON file in place of VARIANTS")
    p.add_argument("--gens", default="25")
    p.add_argument("--test", action="append", default=[])
    p.add_argument("--tokens", type=int, default=65536, help="of a step")
    p.add_argument("--documents", type=int, default=4000, help="of each growing source before training begins")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--train", type=str.split, default=[], help="further arguments of train.py, in one word")
    p.add_argument("arguments", nargs="*", help="after --: for confgen, as --device cuda")
    a = p.parse_args()
    if a.variants:
        with open(a.variants) as file:
            a.variants = json.load(file)
    else:
        a.variants = VARIANTS
    run = Run(a)
    try:
        run.all()
    finally:
        run.stop()
        with open(os.path.join(a.out, "summary.json"), "w") as file:
            json.dump(run.summary, file, indent=1)
    run.say("done")


if __name__ == "__main__":
    main()
