/* SPDX-License-Identifier: MIT */
/**
 * @file mol2.h  A record of a .mol2 before RDKit reads it: checks, and the charges that it states.
 *
 * RDKit 2022.09 to 2026.09 take memory for the atoms that a record states, index them by the
 * numbers of its bonds without a test, and end the program at a line of UNITY_ATOM_ATTR that lacks
 * a field.
 */
#ifndef CG_CHEM_MOL2_H
#define CG_CHEM_MOL2_H

#include "base/buf.h"

/** 1 for a record of a .mol2, as get_mol() of rdkit_c.h recognises it. */
int cg_mol2_is_record(const char *text);

/**
 * Checks what RDKit takes on trust: the counts, the atoms of bonds, the fields of charges.
 *
 * @param record     a text that cg_mol2_is_record() accepts, terminated
 * @param max_atoms  stated in the record
 * @return CG_OK; CG_ERR_LIMIT above max_atoms; CG_ERR_INPUT with the line of the record, from 1
 */
cg_status cg_mol2_check(const char *record, int max_atoms, cg_error *err);

/** Whether a record that cg_mol2_check() accepts has a hydrogen. */
int cg_mol2_has_hydrogens(const char *record);

/**
 * The record with its charges as RDKit reads them; a record without any is of uncharged atoms.
 * RDKit itself reads AtomExpr of UNITY_ATOM_ATTR, not the attribute `charge` that Open Babel
 * writes, and guesses charges by the types of atoms where there is no such section. Aromatic bonds
 * of an O.co2 are single at a charged one, else double, if the record states charges.
 *
 * @param record    a text that cg_mol2_check() accepts, terminated
 * @param ret_text  appended
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_mol2_state_charges(const char *record, cg_buf *ret_text, cg_error *err);

#endif
