/* SPDX-License-Identifier: MIT */
/** @file mmff_parameters.h  The tables of a molecule, with RDKit's atom types and parameters. */
#ifndef CG_FORCEFIELD_MMFF_PARAMETERS_H
#define CG_FORCEFIELD_MMFF_PARAMETERS_H

#include <confgen/status.h>

#include "forcefield/mmff_tables.h"

typedef enum cg_mmff_variant {
    CG_MMFF94 = 0,
    CG_MMFF94S = 1, /* planar delocalised nitrogen */
    /* Without electrostatic terms: low energies of the isolated molecule are those of conformers
     * that charges and hydrogen bonds fold, which a solvent or a protein prevents. */
    CG_MMFF94_NOESTAT = 2,
    CG_MMFF94S_NOESTAT = 3,
} cg_mmff_variant;

/**
 * Types the atoms of a molecule and collects the terms of its energy.
 *
 * @param smiles      the molecule with all hydrogens as atoms, e.g. of cg_hydrogens_molecule()
 * @param ret_tables  owned by the caller, cg_mmff_tables_destroy(); unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED if MMFF94 has no parameters for it, with the atom or bond;
 *         CG_ERR_NOMEM
 * Thread: may be called from any number of threads at once.
 */
cg_status cg_mmff_tables_create(const char *smiles, cg_mmff_variant variant,
                                cg_mmff_tables **ret_tables, cg_error *err);
void cg_mmff_tables_destroy(cg_mmff_tables *tables); /* accepts NULL */

#endif
