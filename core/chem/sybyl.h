/* SPDX-License-Identifier: MIT */
/**
 * @file sybyl.h  SYBYL types of atoms and bonds, for a .mol2.
 *
 * The types are those of the format's description ("Tripos Mol2 File Format", SYBYL 7.1, 2005),
 * where it decides:
 *
 *   C.3 C.2 C.1  by double and triple bonds; C.ar in an aromatic ring, C.cat in guanidinium
 *   N.3 N.2 N.1  as carbon; N.4 with four neighbours, N.ar in an aromatic ring, N.am beside C=O or
 *                C=S, N.pl3 with three neighbours and a double bond, or beside a double bond, or in
 *                an aromatic ring of five atoms
 *   O.3 O.2      O.2 with a double bond and in nitro groups; O.co2 in carboxylate and phosphate
 *   S.3 S.2      S.2 with a double bond and at most two neighbours; S.O in sulfoxides and
 *                sulfinates, S.O2 in sulfones, sulfonamides and sulfates
 *   P.3 H        other elements by their symbol
 *
 * Bonds are "am" between C=O or C=S and N.am, and "ar" in aromatic rings. An aromatic ring, here,
 * has six atoms, C or N, which alternating double bonds of such rings join. Other rings that RDKit
 * finds aromatic have their Kekulé structure, and so have carboxylates, phosphates and guanidinium,
 * whose charges are on the atoms of that structure: every reader then finds the same molecule.
 */
#ifndef CG_CHEM_SYBYL_H
#define CG_CHEM_SYBYL_H

#include "chem/molecule.h"

/** Types of a molecule. Zero first; cg_sybyl_finish() releases. */
typedef struct cg_sybyl {
    size_t n_atoms;
    const char **atom_types; /* [n_atoms] static texts */
    int *charges;            /* [n_atoms] formal charges */
    size_t n_bonds;
    uint32_t (*bond_atoms)[2]; /* [n_bonds] from 0 */
    const char **bond_types;   /* [n_bonds] "1", "2", "3", "ar", "am": static texts */
} cg_sybyl;

/**
 * @param mol  with all hydrogens as atoms, such as cg_hydrogens_molecule(); not retained
 * @return CG_OK; CG_ERR_UNSUPPORTED with RDKit's reason, always with a system librdkitcffi;
 *         CG_ERR_NOMEM. On failure *ret_sybyl is unchanged.
 */
cg_status cg_sybyl_assign(const cg_molecule *mol, cg_sybyl *ret_sybyl, cg_error *err);
void cg_sybyl_finish(cg_sybyl *sybyl); /* accepts NULL and a zeroed struct */

#endif
