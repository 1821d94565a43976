/* SPDX-License-Identifier: MIT */
/** @file bench_rmsd.h  bench rmsd: the conformers that are compared (bench_rmsd_sets.c). */
#ifndef CG_TOOLS_BENCH_RMSD_H
#define CG_TOOLS_BENCH_RMSD_H

#include "chem/molecule.h"

/**
 * Conformers made up from one that RDKit embeds: every bond that can turn is turned, by about 0,
 * 120 or 240 degrees, and every atom is moved a little.
 *
 * The first n are references; of the 2 n behind them every other one is a reference whose bonds are
 * turned by some degrees, the others are made as the references are.
 *
 * @param ret_xyz  [3 * n][heavy atoms][3] Å, free(); unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED where RDKit embeds none; CG_ERR_NOMEM
 */
cg_status bench_rmsd_conformers(const cg_molecule *mol, size_t n, uint64_t seed,
                                float (**ret_xyz)[3], cg_error *err);

#endif
