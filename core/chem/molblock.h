/* SPDX-License-Identifier: MIT */
/**
 * @file molblock.h  MDL molblocks: one template a molecule, filled per conformer without RDKit.
 *
 * V2000; V3000 above 999 atoms or bonds. Atoms stand in the order of the canonical SMILES,
 * aromatic rings as single and double bonds, charges, isotopes, radicals and atom classes as RDKit
 * writes them. There are no stereo marks: in a 3D block the coordinates carry the stereo. The
 * header names the program and no time, so that the bytes depend on the molecule alone.
 */
#ifndef CG_CHEM_MOLBLOCK_H
#define CG_CHEM_MOLBLOCK_H

#include "chem/molecule.h"

typedef struct cg_molblock cg_molblock;

/**
 * Make the template of a molecule; it does not keep `mol`.
 *
 * @param ret_block  owned by the caller, cg_molblock_destroy(); unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED where RDKit's block has a bond that is not single, double or
 *         triple or does not hold the molecule's atoms in their order; CG_ERR_NOMEM.
 */
cg_status cg_molblock_create(const cg_molecule *mol, cg_molblock **ret_block, cg_error *err);
void cg_molblock_destroy(cg_molblock *block); /* accepts NULL */

/** 2000 or 3000. */
int cg_molblock_version(const cg_molblock *block);
size_t cg_molblock_n_atoms(const cg_molblock *block);

/** Bytes that cg_molblock_write() can need for a name of name_len bytes, the NUL included. */
size_t cg_molblock_bound(const cg_molblock *block, size_t name_len);

/**
 * Write one conformer from the name line to "M  END" and its newline. Coordinates are rounded to
 * four decimals.
 *
 * @param name  [name_len] first line: no control characters, not beginning with "$$$$"
 * @param xyz   [n_atoms][3] Å
 * @param buf   [cap], cap >= cg_molblock_bound(); terminated
 * @return CG_OK; CG_ERR_LIMIT where a coordinate is not finite or beyond 9999 Å or buf too short;
 *         CG_ERR_INPUT for a name that would break the record. On failure buf is unspecified.
 * Thread: a template may be written from any number of threads at once.
 */
cg_status cg_molblock_write(const cg_molblock *block, const char *name, size_t name_len,
                            const double (*xyz)[3], char *buf, size_t cap, size_t *ret_len,
                            cg_error *err);

/**
 * A 3D molblock, e.g. from cg_molblock_write(), with its hydrogens as atoms behind the others,
 * placed by RDKit from the geometry of their neighbours; the coordinates of the others are kept.
 * Slow beside cg_molblock_write(): RDKit reads and writes the block.
 *
 * @param ret_text  terminated, free()
 * @return CG_OK; CG_ERR_UNSUPPORTED with the reason where RDKit cannot; CG_ERR_NOMEM.
 */
cg_status cg_molblock_add_hs(const char *molblock, char **ret_text, cg_error *err);

#endif
