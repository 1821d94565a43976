# SPDX-License-Identifier: MIT
"""The wheel is built and installed by one command each without a network, and finds the library in each place."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.path.join(os.environ["CONFGEN_SOURCE_ROOT"], "tools", "python")
LIBRARY = os.environ["CONFGEN_LIBRARY"]
PROGRAM = """
import confgen
mol, = confgen.generate("CCO", 2, device="cpu")
print(mol.GetNumConformers(), confgen.__version__ == confgen.version(), confgen.__file__)
"""


class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        source = os.path.join(cls.folder.name, "source")
        shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("build", "dist", "*.egg-info",
                                                                      "__pycache__"))
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", source],
                       check=True, stdout=subprocess.DEVNULL, env=environment)
        cls.wheels = os.listdir(os.path.join(source, "dist"))
        # RDKit and cffi are those of this Python
        venv = os.path.join(cls.folder.name, "venv")
        cls.python = os.path.join(venv, "bin", "python")
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", venv], check=True)
        subprocess.run([cls.python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--ignore-installed",
                        os.path.join(source, "dist", cls.wheels[0])], check=True, env=environment)
        place = "import sysconfig; print(sysconfig.get_path('purelib'))"
        cls.site = subprocess.run([cls.python, "-c", place], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def run_program(self, **changes):
        """PROGRAM with the wheel alone; variables set to None are removed."""
        environment = {**os.environ, "PYTHONPATH": None, **changes}
        environment = {k: v for k, v in environment.items() if v is not None}
        return subprocess.run([self.python, "-c", PROGRAM], cwd=self.folder.name, text=True,
                              env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def check_runs(self, done):
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.split()[:2], ["2", "True"])
        self.assertTrue(done.stdout.split()[2].startswith(self.site), done.stdout)

    def test_files(self):
        self.assertEqual(len(self.wheels), 1)
        self.assertRegex(self.wheels[0], r"^confgen-\d+\.\d+\.\d+-py3-none-any\.whl$")
        modules = [n for n in os.listdir(os.path.join(SOURCE, "confgen")) if n != "__pycache__"]
        self.assertIn("py.typed", modules)
        installed = [n for n in os.listdir(os.path.join(self.site, "confgen")) if n != "__pycache__"]
        self.assertEqual(sorted(installed), sorted(modules))
        names = [n for n in os.listdir(self.site) if n.startswith("confgen")]
        self.assertEqual(sorted(names), ["confgen", self.wheels[0].split("-py3")[0] + ".dist-info"])

    def test_library_of_the_variable(self):
        self.check_runs(self.run_program())

    def test_library_of_the_loader(self):
        self.check_runs(self.run_program(CONFGEN_LIBRARY=None,
                                         LD_LIBRARY_PATH=os.path.dirname(LIBRARY)))

    def test_library_next_to_the_package(self):
        link = os.path.join(self.site, "confgen", "libconfgen.so.0")
        os.symlink(LIBRARY, link)
        try:
            self.check_runs(self.run_program(CONFGEN_LIBRARY=None, LD_LIBRARY_PATH=None))
        finally:
            os.unlink(link)


if __name__ == "__main__":
    unittest.main()
