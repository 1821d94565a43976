# SPDX-License-Identifier: MIT
"""generate(), read(), Engine.run() and their errors."""
import gzip
import logging
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import warnings

import confgen
import pandas
from rdkit import Chem
from rdkit.Chem import AllChem


def positions(mol):
    return [conformer.GetPositions().tolist() for conformer in mol.GetConformers()]


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.engine = confgen.Engine(device="cpu", seed=1)
        cls.folder = tempfile.TemporaryDirectory()

    @classmethod
    def tearDownClass(cls):
        cls.engine.close()
        cls.folder.cleanup()

    def path(self, name):
        return os.path.join(self.folder.name, name)

    # ---- generate --------------------------------------------------------------------------

    def test_ethanol_has_conformers_hydrogens_and_energies(self):
        mols = confgen.generate("CCO", n=10, minimize="mmff94", device="cpu")
        self.assertEqual(len(mols), 1)
        mol = mols[0]
        self.assertEqual((mol.GetNumConformers(), mol.GetNumAtoms()), (10, 9))
        self.assertEqual([a.GetSymbol() for a in mol.GetAtoms()], list("CCO") + 6 * ["H"])
        self.assertTrue(all(c.Is3D() for c in mol.GetConformers()))
        # RDKit's own MMFF94 agrees with each energy, at coordinates of four decimals
        parameters = AllChem.MMFFGetMoleculeProperties(mol)
        for i, energy in enumerate(confgen.energies(mol)):
            theirs = AllChem.MMFFGetMoleculeForceField(mol, parameters, confId=i).CalcEnergy()
            self.assertAlmostEqual(energy, theirs, delta=0.01)

    def test_stereo_is_that_of_the_smiles_in_every_conformer(self):
        smiles = ["C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O", "C/C=C/C", "C/C=C\\C"]
        for text, mol in zip(smiles, self.engine.generate(smiles, 3)):
            wanted = Chem.CanonSmiles(text)
            self.assertEqual(Chem.MolToSmiles(Chem.RemoveHs(mol)), wanted)
            for conformer in mol.GetConformers():
                seen = Chem.Mol(mol)
                Chem.AssignStereochemistryFrom3D(seen, conformer.GetId())
                self.assertEqual(Chem.MolToSmiles(Chem.RemoveHs(seen)), wanted)

    def test_a_core_keeps_its_coordinates(self):
        scaffold = Chem.AddHs(Chem.MolFromSmiles("c1ccncc1C(N)=O"))
        AllChem.EmbedMolecule(scaffold, randomSeed=1)
        core = Chem.RemoveHs(scaffold)
        Chem.MolToMolFile(core, self.path("core.mol"))
        mol = self.engine.generate("c1ccncc1C(=O)NCCO", 2, core=self.path("core.mol"))[0]
        wanted = core.GetConformer().GetPositions()
        self.assertEqual(mol.GetNumConformers(), 2)
        for conformer in mol.GetConformers():
            apart = min(abs(conformer.GetPositions()[list(match)] - wanted).max()
                        for match in mol.GetSubstructMatches(core, uniquify=False))
            self.assertLess(apart, 1e-4)
        with self.assertRaises(confgen.MoleculeError):
            self.engine.generate("CCO", core=self.path("core.mol"))

    def test_molecules_names_and_order(self):
        given = ["CC", Chem.MolFromSmiles("c1ccccc1"), Chem.AddHs(Chem.MolFromSmiles("CO")),
                 "[NH4+].[Cl-]", "[2H]C", "C[C@](F)(Cl)Br |&1:1|"]
        names = ["ethane", "benzene 2", "méthanol", "salmiac", "heavy", "chiral"]
        mols = self.engine.generate(given, 2, names=names, add_hs=False)
        self.assertEqual([m.GetProp("_Name") for m in mols], names)
        self.assertEqual([m.GetNumAtoms() for m in mols], [2, 6, 2, 2, 2, 5])
        self.assertEqual([m.GetNumConformers() for m in mols], 6 * [2])
        for mol in mols:
            self.assertEqual(Chem.MolToSmiles(mol), mol.GetProp("SMILES"))

    def test_default_names(self):
        named = Chem.MolFromSmiles("CC")
        named.SetProp("_Name", "ethane")
        for given, names in ((["CC", named, named], ["mol_000000", "ethane", "mol_000002"]),
                             (["CC", "CC"], ["mol_000000", "mol_000001"])):
            mols = self.engine.generate(given)
            self.assertEqual([m.GetProp("_Name") for m in mols], names)

    def test_the_seed_decides(self):
        first, again = (self.engine.generate("CCCC", 2)[0] for _ in range(2))
        self.assertEqual(positions(first), positions(again))
        other = confgen.generate("CCCC", 2, device="cpu", seed=2)[0]
        self.assertNotEqual(positions(first), positions(other))

    def test_ensembles_leave_conformers_out(self):
        mol, = self.engine.generate("CCCCO", 8, ensemble="standard")
        energies = confgen.energies(mol)
        self.assertLess(mol.GetNumConformers(), 8)
        self.assertEqual(energies, sorted(energies))
        self.assertEqual(mol.GetNumAtoms(), 15)
        sizes = [c.GetIntProp("cluster_size") for c in mol.GetConformers()]
        self.assertEqual(sum(sizes), 8)
        best, = self.engine.generate("CCCCO", 8, ensemble="standard", max_conformers=1)
        self.assertEqual(confgen.energies(best), energies[:1])
        bare, = self.engine.generate("CCCCO", 8, ensemble="standard", add_hs=False, prune=0)
        self.assertEqual((bare.GetNumConformers(), bare.GetNumAtoms()), (8, 5))

    # ---- errors ----------------------------------------------------------------------------

    def test_texts_are_those_of_the_library(self):
        for settings, kind, text in (
                ({"n": 0}, confgen.UsageError, "--gens 0: wanted at least 1"),
                ({"prune": -1}, confgen.UsageError, "--prune -1: wanted an RMSD in Å"),
                ({"sort": "energy"}, ValueError, "conformers have no energy without --energies"),
                ({"ensemble": "best"}, confgen.Error, "wanted raw, standard or thorough"),
                ({"minimize": "uff"}, confgen.UsageError, "minimize 'uff': wanted one of none, "),
                ({"names": ["a", "b"]}, confgen.UsageError, "names: found 2, wanted 1"),
                ({"names": ["a\tb"]}, confgen.UsageError, "wanted a text without tabs"),
                ({"prune": "0.5"}, confgen.UsageError, "prune '0.5': "),
                ({"limit": 1 << 80}, confgen.UsageError, "limit 1208925819614629174706176: "),
                ({"report": "r.json"}, TypeError, "Engine.run() returns the report"),
                ({"prun": 1}, TypeError, "unknown setting 'prun'")):
            with self.subTest(settings=settings), self.assertRaises(kind) as raised:
                self.engine.generate("CCO", **settings)
            self.assertIn(text, str(raised.exception))
        for text in ("CCO ethanol", "", "# CCO", "CC\nCO"):
            with self.subTest(text=text), self.assertRaisesRegex(ValueError, "wanted a SMILES"):
                self.engine.generate(text)
        for given, text in ((None, "molecule 0: found None, as RDKit returns"),
                            (["CCO", None], "molecule 1: found None"), ([1], "molecule 0: found int")):
            with self.subTest(given=given), self.assertRaisesRegex(TypeError, text):
                self.engine.generate(given)
        self.assertEqual(self.engine.generate([]), [])
        with self.assertRaisesRegex(confgen.UsageError, "device 'tpu': wanted auto, cpu, cuda"):
            confgen.generate("CCO", device="tpu")
        with self.assertRaisesRegex(OSError, "/nowhere: No such file or directory; wanted the folder of a model"):
            confgen.Engine("/nowhere")
        with self.assertRaisesRegex(confgen.UsageError, "seed: a setting of the engine"):
            confgen.generate("CCO", engine=self.engine, seed=3)

    def test_molecules_that_fail(self):
        given = ["CCO", "C1CC", "CC"]
        with self.assertRaises(confgen.MoleculeError) as raised:
            self.engine.generate(given)
        self.assertEqual(str(raised.exception),
                         "molecules:2: mol_000001: SMILES offset 1: unclosed ring bond 1")
        self.assertEqual(list(raised.exception.failures), [1])
        self.assertEqual([m is None for m in raised.exception.mols], [False, True, False])
        copy = pickle.loads(pickle.dumps(raised.exception))  # as multiprocessing does
        self.assertEqual((str(copy), copy.failures),
                         (str(raised.exception), raised.exception.failures))
        with self.assertWarnsRegex(confgen.ConfgenWarning, "unclosed ring bond 1"):
            mols = self.engine.generate(given, on_failure="none")
        self.assertEqual([m is None for m in mols], [False, True, False])

    def test_a_closed_engine_is_refused(self):
        engine = confgen.Engine(device="cpu")
        engine.close()
        engine.close()
        with self.assertRaisesRegex(confgen.UsageError, "the engine is closed"):
            engine.generate("CCO")

    def test_a_library_that_is_not_there(self):
        for given, text in (("/nowhere/libconfgen.so.0", "/nowhere/libconfgen.so.0: no such file"),
                            (__file__, "invalid ELF header|file too short")):
            done = subprocess.run(
                [sys.executable, "-c", "import confgen; confgen.generate('CCO')"], text=True,
                env={**os.environ, "CONFGEN_LIBRARY": given}, stderr=subprocess.PIPE)
            self.assertNotEqual(done.returncode, 0)
            self.assertRegex(done.stderr, "LibraryError: libconfgen was not found: "
                                          "CONFGEN_LIBRARY names no library")
            self.assertRegex(done.stderr, text)

    # ---- interrupts, threads, logs -----------------------------------------------------------

    def test_what_progress_raises_ends_the_run(self):
        seen = []

        def progress(done, total):
            seen.append((done, total))
            raise RuntimeError("enough")

        with self.assertRaisesRegex(RuntimeError, "enough"):
            self.engine.generate("CCO", 20000, progress=progress)
        self.assertEqual((len(seen), seen[0][1]), (1, 20000))
        self.assertEqual(self.engine.generate("CCO")[0].GetNumConformers(), 1)

    def test_ctrl_c_ends_the_run(self):
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        start = time.monotonic()
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            self.engine.generate("CCO", 20000)
        timer.join()
        self.assertLess(time.monotonic() - start, 60)
        self.assertEqual(self.engine.generate("CCO")[0].GetNumConformers(), 1)

    def test_other_threads_run_meanwhile(self):
        ticks, done = [], threading.Event()

        def tick():
            while not done.wait(0.005):
                ticks.append(1)

        thread = threading.Thread(target=tick)
        thread.start()
        results = []
        workers = [threading.Thread(target=lambda: results.append(self.engine.generate("CCO", 8)))
                   for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        done.set()
        thread.join()
        self.assertGreater(len(ticks), 5)
        self.assertEqual(positions(results[0][0]), positions(results[1][0]))

    def test_a_function_that_the_run_calls_cannot_use_the_engine(self):
        with self.assertRaisesRegex(confgen.UsageError, "the engine runs: a function that it calls"):
            self.engine.generate("CCO", progress=lambda done, total: self.engine.info)
        self.assertEqual(self.engine.generate("C")[0].GetNumConformers(), 1)

    def test_the_log_goes_to_logging(self):
        with self.assertLogs("confgen", logging.WARNING) as logs:
            self.engine.generate("C[C@](F)(Cl)Br |&1:1|")
        self.assertIn("stereo groups", "".join(logs.output))

    # ---- files -----------------------------------------------------------------------------

    def test_files_are_read_with_all_conformers(self):
        with open(self.path("in.smi"), "w", encoding="utf-8") as f:
            f.write("CCO\tethanol\t2\nc1ccccc1\tbenzene\t1\nC1CC\tbad\t1\n")
        failures = []
        report = self.engine.run(self.path("in.smi"), self.path("out.sdf.zst"), "2k", add_hs=True,
                                 energies=True, on_failure=failures.append)
        self.assertEqual((report["conformers"], report["molecules_failed"]), (6, 1))
        self.assertRegex(failures[0], "in.smi:3: bad: .*unclosed ring bond 1")
        mols = list(confgen.read(self.path("out.sdf.zst")))
        self.assertEqual([(m.GetProp("_Name"), m.GetNumConformers(), m.GetNumAtoms())
                          for m in mols], [("ethanol", 4, 9), ("benzene", 2, 12)])
        self.assertEqual([c.GetIntProp("generation") for c in mols[0].GetConformers()],
                         [0, 1, 2, 3])
        self.assertEqual(len(confgen.energies(mols[0])), 4)
        with self.assertRaisesRegex(confgen.UsageError, "exists: --resume continues"):
            self.engine.run(self.path("in.smi"), self.path("out.sdf.zst"))
        with self.assertRaisesRegex(confgen.FileError, "'/nowhere.smi': cannot open"):
            self.engine.run("/nowhere.smi", self.path("other.sdf"))

    def test_an_interrupted_run_is_resumed(self):
        def progress(done, total):
            if done:
                raise KeyboardInterrupt

        with open(self.path("many.smi"), "w", encoding="utf-8") as f:
            f.write(30 * "CCO\n")
        with self.assertRaises(KeyboardInterrupt):
            self.engine.run(self.path("many.smi"), self.path("many.sdf"), 2, progress=progress)
        report = self.engine.run(self.path("many.smi"), self.path("many.sdf"), 2, resume=1)
        self.assertEqual(report["conformers"] + report["conformers_resumed"], 60)
        self.engine.run(self.path("many.smi"), self.path("whole.sdf"), 2)
        with open(self.path("many.sdf"), "rb") as f, open(self.path("whole.sdf"), "rb") as whole:
            self.assertEqual(f.read(), whole.read())

    def test_files_of_other_programs(self):
        # Records of RDKit, without names: two molecules, of two conformers and one
        path = self.path("other.sdf")
        with Chem.SDWriter(path) as writer:
            for smiles, n in (("C[C@H](O)CC", 2), ("C1CC1", 1)):
                mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
                for i in AllChem.EmbedMultipleConfs(mol, n, randomSeed=7):
                    writer.write(mol, confId=i)
        with open(path, "rb") as plain, gzip.open(path + ".gz", "wb") as packed:
            packed.write(plain.read())
        for name in (path, path + ".gz"):
            mols = list(confgen.read(name))
            self.assertEqual([m.GetNumConformers() for m in mols], [2, 1])
            self.assertEqual(Chem.MolToSmiles(Chem.RemoveHs(mols[0])), "CC[C@H](C)O")

    def test_items_have_one_type(self):
        mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
        AllChem.EmbedMolecule(mol, randomSeed=7)
        items = {"energy": "12", "generation": "7", "seed": "12345678901234567890", "code": "00123",
                 "score": "-1.5e3"}
        mol.SetProp("_Name", "M  END")  # a title may be any text
        for name, value in items.items():
            mol.SetProp(name, value)
        with Chem.SDWriter(self.path("items.sdf")) as writer:
            writer.write(mol)
        found, = confgen.read(self.path("items.sdf"))
        conformer = found.GetConformer()
        self.assertEqual(found.GetProp("_Name"), "M  END")
        self.assertEqual(confgen.energies(found), [12.0])
        self.assertEqual(conformer.GetIntProp("generation"), 7)
        self.assertEqual(conformer.GetProp("seed"), items["seed"])
        self.assertEqual(conformer.GetProp("code"), items["code"])
        self.assertEqual(conformer.GetDoubleProp("score"), -1500)

    def test_bad_files(self):
        with self.assertRaisesRegex(confgen.FileError, "'/nowhere.sdf': cannot open"):
            list(confgen.read("/nowhere.sdf"))
        with open(self.path("bad.sdf"), "w", encoding="utf-8") as f:
            f.write("title\n\n\n  nonsense\nM  END\n$$$$\n")
        with self.assertRaisesRegex(confgen.FormatError, "bad.sdf: record 1: RDKit cannot read"):
            list(confgen.read(self.path("bad.sdf")))
        with open(self.path("two.smi"), "w", encoding="utf-8") as f:
            f.write("CCO\nCCC\n")
        self.engine.run(self.path("two.smi"), self.path("cut.sdf.zst"), 4)
        with open(self.path("cut.sdf.zst"), "r+b") as f:
            f.truncate(os.path.getsize(self.path("cut.sdf.zst")) * 3 // 4)
        found = []
        with self.assertRaisesRegex(confgen.FormatError, "cut.sdf.zst"):
            for mol in confgen.read(self.path("cut.sdf.zst")):
                found.append(mol)
        self.assertEqual(len(found), 1)

    # ---- evaluate ----------------------------------------------------------------------------

    def test_evaluations_are_tables(self):
        smiles, names = ["CCCC", "CC(C)O", "C[C@H](N)C(=O)O"], ["butane", "propanol", "alanine"]
        gen = self.engine.generate(smiles[:2], 3, names=names[:2])
        ref = confgen.generate(smiles, 2, names=names, device="cpu", seed=5)
        table = confgen.evaluate(ref, gen, delta=0.5, check=True, relaxation=True)
        self.assertEqual(list(table.name), names)
        self.assertEqual(list(table.references), [2, 2, 2])
        self.assertEqual(list(table.generated), [3, 3, 0])
        failed = confgen.evaluate(ref, gen + [None])  # generate() found no conformer of one
        self.assertEqual(list(failed.generated), [3, 3, 0])
        self.assertEqual(list(table["checks.checked"]), [3, 3, 0])
        self.assertEqual(table.cov_r[2], 0)
        self.assertTrue(pandas.isna(table.mat_r[2]))
        self.assertEqual([len(d) for d in table.relaxation[:2]], [3, 3])
        # RDKit's own distances
        for i in range(2):
            r, g = Chem.RemoveHs(ref[i]), Chem.RemoveHs(gen[i])
            nearest = [min(AllChem.GetBestRMS(Chem.Mol(g), r, c.GetId(), k.GetId())
                           for c in g.GetConformers()) for k in r.GetConformers()]
            self.assertEqual(len(nearest), 2)
            for ours, theirs in zip(table.ref_min[i], nearest):
                self.assertAlmostEqual(ours, theirs, delta=2e-3)
            self.assertAlmostEqual(table.cov_r[i], sum(d < 0.5 for d in nearest) / 2)
        self.assertEqual(table.attrs["summary"]["missing"], 1)
        self.assertAlmostEqual(table.attrs["summary"]["mat_r"]["mean"], table.mat_r.mean())
        self.assertEqual(table.attrs["settings"]["delta"], 0.5)

    def test_ctrl_c_ends_an_evaluation(self):
        # A pipe without a writer: the library waits for it
        os.mkfifo(self.path("pipe"))
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            confgen.evaluate(self.path("pipe"), self.path("pipe"))
        timer.join()
        waiting = [t for t in threading.enumerate() if t.name == "confgen.evaluate"]
        self.assertEqual(len(waiting), 1)
        with open(self.path("pipe"), "wb"):
            waiting[0].join(30)
        self.assertFalse(waiting[0].is_alive())

    def test_evaluations_of_files_and_their_errors(self):
        with open(self.path("three.smi"), "w", encoding="utf-8") as f:
            f.write("CCO\nCCC\nOCC=O\n")
        self.engine.run(self.path("three.smi"), self.path("three.sdf.zst"), 2)
        self.engine.run(self.path("three.smi"), self.path("three.sdf"), 3, limit=2)
        table = confgen.evaluate(self.path("three.sdf.zst"), self.path("three.sdf"))
        self.assertEqual(list(table.generated), [3, 3, 0])
        with self.assertWarnsRegex(confgen.ConfgenWarning, "do not match: 3 no_reference"):
            confgen.evaluate(self.engine.generate("CC", names=["mol_000000"]) +
                             self.engine.generate("CO", names=["x"]),
                             self.engine.generate(["CC", "CCN"], 3, names=["mol_000000", "y"]))
        with self.assertWarnsRegex(confgen.ConfgenWarning,
                                   "no name in gen is a name in '.*three.sdf'; molecules were matched "
                                   "by canonical SMILES: 1 of 1 found"):
            table = confgen.evaluate(self.path("three.sdf"), self.engine.generate("CCO", names=["x"]))
        self.assertEqual(list(table.generated), [1, 0])
        for settings, text in (({"missing": "none"}, "--missing 'none': wanted zero or drop"),
                               ({"delta": 0}, "delta 0: wanted a distance in Å"),
                               ({"max_matches": -1}, "--max-matches -1: wanted at least 1")):
            with self.assertRaisesRegex(confgen.UsageError, text):
                confgen.evaluate(self.path("three.sdf"), self.path("three.sdf"), **settings)
        with self.assertRaisesRegex(confgen.FileError, "/nowhere.sdf.*cannot open"):
            confgen.evaluate("/nowhere.sdf", self.path("three.sdf"))


if __name__ == "__main__":
    warnings.simplefilter("error", confgen.ConfgenWarning)
    unittest.main()
