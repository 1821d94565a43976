#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Prunes the conformers of a file by brute force with RDKit and compares the records with those of
`confgen --prune` (development only; needs PyPI's rdkit).

    tools/study/check_prune.py ALL.sdf PRUNED.sdf RADIUS

Both files are of runs that differ in --prune alone and have --sort energy, or no energies. RMSDs are
GetBestRMS without hydrogens, all pairs of leader and conformer. Exit status 1 if kept generations or
cluster sizes differ. Names a molecule of which a pair is so near to the radius that rounded coordinates
may decide.
"""
import collections
import sys

from rdkit import Chem, RDLogger
from rdkit.Chem import rdMolAlign

ROUNDED = 2e-4  # Å: effect of coordinates with four decimals


def read(path):
    """{name: [molecule]} in the order of the file."""
    molecules = collections.OrderedDict()
    for mol in Chem.SDMolSupplier(path, removeHs=False):
        molecules.setdefault(mol.GetProp("_Name"), []).append(mol)
    return molecules


def prune(mols, radius):
    """[(generation, cluster size)] of the leaders, and whether a pair is undecided."""
    leaders, sizes, undecided = [], [], False
    for mol in mols:
        flat = Chem.RemoveAllHs(mol)
        Chem.RemoveStereochemistry(flat)
        for k, leader in enumerate(leaders):
            rmsd = rdMolAlign.GetBestRMS(Chem.Mol(flat), leader[1])
            undecided |= abs(rmsd - radius) < ROUNDED
            if rmsd < radius:
                sizes[k] += 1
                break
        else:
            leaders.append((mol.GetProp("generation"), flat))
            sizes.append(1)
    return [(leader[0], str(size)) for leader, size in zip(leaders, sizes)], undecided


def main():
    RDLogger.DisableLog("rdApp.*")
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    everything, pruned, radius = read(sys.argv[1]), read(sys.argv[2]), float(sys.argv[3])
    n = kept = bad = 0
    for name, mols in everything.items():
        wanted, undecided = prune(mols, radius)
        found = [(m.GetProp("generation"), m.GetProp("cluster_size")) for m in pruned.get(name, [])]
        n += len(mols)
        kept += len(found)
        if found != wanted:
            bad += not undecided
            print("%s: %s%d conformers kept, wanted %d" % (
                name, "a pair is at the radius: " if undecided else "", len(found), len(wanted)))
    print("%d molecules, %d conformers, %d kept, %d molecules differ" % (len(everything), n, kept, bad))
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
