/* SPDX-License-Identifier: MIT */
/**
 * @file molblock.h  MDL molblocks: a template per molecule, filled in per conformer without RDKit.
 *
 * V2000; V3000 above 999 atoms or bonds. Atoms are in the order of the canonical SMILES; aromatic
 * rings are kekulized; charges, isotopes, radicals and atom classes are written as by RDKit. There
 * are no stereo flags: the coordinates of a 3D block carry the stereo. The header names the program
 * but no time, which keeps the bytes a function of the molecule.
 */
#ifndef CG_CHEM_MOLBLOCK_H
#define CG_CHEM_MOLBLOCK_H

#include "chem/molecule.h"

typedef struct cg_molblock cg_molblock;

/**
 * Builds the template of a molecule; `mol` is not retained.
 *
 * @param ret_block  owned by the caller, cg_molblock_destroy(); unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED if RDKit's block has a bond that is not single, double or
 *         triple, or does not list the molecule's atoms in order; CG_ERR_NOMEM.
 */
cg_status cg_molblock_create(const cg_molecule *mol, cg_molblock **ret_block, cg_error *err);
void cg_molblock_destroy(cg_molblock *block); /* accepts NULL */

/** 2000 or 3000. */
int cg_molblock_version(const cg_molblock *block);
size_t cg_molblock_n_atoms(const cg_molblock *block);

/** Upper bound of the bytes that cg_molblock_write() writes for a name of name_len bytes, the NUL
 * included. */
size_t cg_molblock_bound(const cg_molblock *block, size_t name_len);

/**
 * Writes one conformer from the name line to "M  END" and its newline. Coordinates are rounded to
 * four decimals.
 *
 * @param name  [name_len] first line: no control characters, no leading "$$$$"
 * @param xyz   [n_atoms][3] Å
 * @param buf   [cap], cap >= cg_molblock_bound(); terminated
 * @return CG_OK; CG_ERR_LIMIT if a coordinate is not finite or beyond 9999 Å, or buf is too short;
 *         CG_ERR_INPUT for a name that would break the record. On failure buf is unspecified.
 * Thread: any number of threads may use one template at once.
 */
cg_status cg_molblock_write(const cg_molblock *block, const char *name, size_t name_len,
                            const double (*xyz)[3], char *buf, size_t cap, size_t *ret_len,
                            cg_error *err);

#endif
