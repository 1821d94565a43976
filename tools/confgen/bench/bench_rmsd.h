/* SPDX-License-Identifier: MIT */
/** @file bench_rmsd.h  Artificial conformers for `bench rmsd` and `bench minimize`
 * (bench_rmsd_sets.c). */
#ifndef CG_TOOLS_BENCH_RMSD_H
#define CG_TOOLS_BENCH_RMSD_H

#include "chem/molecule.h"

/**
 * Makes conformers from one that RDKit embeds: rotates every rotatable bond by about 0, 120 or 240
 * degrees and displaces every atom by some hundredths of an ångström.
 *
 * The first n are references. Of the 2 n that follow, every other one is a reference whose bonds
 * are rotated by some degrees; the rest are made like the references.
 *
 * @param ret_xyz  [3 * n][heavy atoms][3] Å, free(); unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED if RDKit embeds none; CG_ERR_NOMEM
 */
cg_status bench_rmsd_conformers(const cg_molecule *mol, size_t n, uint64_t seed,
                                float (**ret_xyz)[3], cg_error *err);

/**
 * Makes conformers of all atoms near one that RDKit embeds: rotates every rotatable bond by about
 * 10 degrees and displaces every atom by some hundredths of an ångström.
 *
 * @param all      a molecule with all hydrogens as atoms
 * @param ret_xyz  [n][atoms][3] Å, free(); unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED if RDKit embeds none; CG_ERR_NOMEM
 */
cg_status bench_near_conformers(const cg_molecule *all, size_t n, uint64_t seed, double **ret_xyz,
                                cg_error *err);

#endif
