/* SPDX-License-Identifier: MIT */
/**
 * @file refusal.h  Why a SMILES is not served, in terms of its own text.
 *
 * RDKit's canonical SMILES has another order of atoms, which the reader of a message does not see:
 * atoms are counted from 1 in the order of the text that was given, with its explicit hydrogens.
 */
#ifndef CG_CHEM_REFUSAL_H
#define CG_CHEM_REFUSAL_H

#include "chem/smiles.h"

/** Room for cg_describe_radical(). */
enum { CG_RADICAL_TEXT = 96 };

/**
 * Refuses bonded metals, wildcards and quadruple bonds. CG_OK also for a text that is not plain
 * SMILES: RDKit may still read it.
 *
 * @return CG_OK; CG_ERR_UNSUPPORTED naming the atom; CG_ERR_NOMEM
 */
cg_status cg_refuse_unsupported(const char *smiles, size_t len, cg_error *err);

/**
 * Explains a SMILES that RDKit does not read: an R group, a query, an unknown element, an
 * impossible valence, else RDKit's own `reason`. Returns CG_ERR_INPUT, CG_ERR_UNSUPPORTED or
 * CG_ERR_NOMEM; call it directly after the failed call, as cg_rdkit_fail().
 */
cg_status cg_refuse_unread(const char *smiles, size_t len, const char *reason, cg_error *err);

/**
 * Describes the first atom with unpaired electrons and without hydrogens: "radical [O] (atom 6)".
 * "" if there is none or RDKit cannot say. CG_ERR_NOMEM.
 */
cg_status cg_describe_radical(const char *smiles, size_t len, char ret_text[CG_RADICAL_TEXT],
                              cg_error *err);

/** cg_fail() with the SMILES, cut to 60 bytes, before the text. */
cg_status cg_refuse_smiles(cg_error *err, cg_status code, const char *smiles, size_t len,
                           const char *fmt, ...) CG_PRINTF(5, 6);

#endif
