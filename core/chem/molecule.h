/* SPDX-License-Identifier: MIT */
/**
 * @file molecule.h  A molecule as confgen sees it: its canonical SMILES and the atoms in it.
 *
 * The canonical SMILES is RDKit's canonical isomeric SMILES of the molecule without its ordinary
 * hydrogens ([2H] and hydrogens that RDKit keeps to define a double bond are atoms like others).
 * The order of the atoms in that text is the atom order of every coordinate, record and molblock.
 */
#ifndef CG_CHEM_MOLECULE_H
#define CG_CHEM_MOLECULE_H

#include "chem/smiles.h"

typedef struct cg_molecule cg_molecule;

/**
 * Bounds of what RDKit gets to see. RDKit's time is about cubic in the length of plain chains: the
 * default bounds keep any molecule within about a fifth of a second.
 */
typedef struct cg_molecule_limits {
    size_t max_chars; /* bytes of SMILES */
    size_t max_atoms; /* atoms written in it, hydrogens too */
} cg_molecule_limits;

enum { CG_MOLECULE_MAX_CHARS = 2000, CG_MOLECULE_MAX_ATOMS = 512 };

/**
 * Read a SMILES of `len` bytes (need not be terminated; no blanks, no name behind it).
 *
 * Refused, within a second and with the reason: texts beyond CG_MOLECULE_MAX_CHARS or _MAX_ATOMS
 * (CG_ERR_LIMIT); what is no SMILES or no molecule to RDKit (CG_ERR_INPUT); molecules without a
 * heavy atom, with dummy atoms, with metals that are bonded, with dative or quadruple bonds, and
 * those whose canonical SMILES does not settle (CG_ERR_UNSUPPORTED); CG_ERR_NOMEM.
 *
 * The canonical SMILES is a fixed point: parsing it gives the same text again.
 *
 * @param ret_mol  owned by the caller, cg_molecule_destroy(); unchanged on failure
 * Thread: any number at once.
 */
cg_status cg_molecule_parse(const char *smiles, size_t len, cg_molecule **ret_mol, cg_error *err);

/** As cg_molecule_parse() with other bounds, for models of long context; see the cost above. */
cg_status cg_molecule_parse_limited(const char *smiles, size_t len,
                                    const cg_molecule_limits *limits, cg_molecule **ret_mol,
                                    cg_error *err);

/**
 * The molecule that a 3D molblock shows, its stereo perceived from the coordinates: for checking a
 * record against the molecule that it should be. Hydrogens that are atoms of the block are removed
 * as in cg_molecule_parse(), after they have helped to perceive stereo. Atom order is that of the
 * new canonical SMILES, not of the block.
 *
 * @param molblock  terminated, at most CG_MOLECULE_MAX_BLOCK bytes
 * @return as cg_molecule_parse(); CG_ERR_INPUT where RDKit cannot read the block or it is not 3D.
 */
cg_status cg_molecule_from_molblock(const char *molblock, cg_molecule **ret_mol, cg_error *err);

enum { CG_MOLECULE_MAX_BLOCK = 128 << 10 };

void cg_molecule_destroy(cg_molecule *mol); /* accepts NULL */

/** Canonical SMILES, terminated, owned by the molecule; its length in *ret_len (may be NULL). */
const char *cg_molecule_smiles(const cg_molecule *mol, size_t *ret_len);
/** Atoms and bonds of the canonical SMILES, owned by the molecule. */
const cg_smiles *cg_molecule_graph(const cg_molecule *mol);
/** Atoms in the canonical SMILES, hydrogens that are atoms there included. */
size_t cg_molecule_n_atoms(const cg_molecule *mol);
/** Atoms other than hydrogen. */
size_t cg_molecule_n_heavy(const cg_molecule *mol);
/** Sum of the formal charges. */
int cg_molecule_charge(const cg_molecule *mol);
/** Pieces that no bond joins. */
size_t cg_molecule_n_fragments(const cg_molecule *mol);

#endif
