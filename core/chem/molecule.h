/* SPDX-License-Identifier: MIT */
/**
 * @file molecule.h  A molecule: its canonical SMILES and the atoms and bonds in it.
 *
 * The canonical SMILES is RDKit's canonical isomeric SMILES of the molecule without ordinary
 * hydrogens; [2H] and hydrogens that RDKit keeps to define a double bond remain atoms. The order of
 * atoms in this text is the atom order of all coordinates, records and molblocks.
 */
#ifndef CG_CHEM_MOLECULE_H
#define CG_CHEM_MOLECULE_H

#include "chem/smiles.h"

typedef struct cg_molecule cg_molecule;

/**
 * Limits of the texts passed to RDKit, whose time is about cubic in the length of plain chains: the
 * default limits keep any molecule within about 0.2 s.
 */
typedef struct cg_molecule_limits {
    size_t max_chars; /* bytes of SMILES */
    size_t max_atoms; /* atoms in the text, hydrogens included */
} cg_molecule_limits;

enum { CG_MOLECULE_MAX_CHARS = 2000, CG_MOLECULE_MAX_ATOMS = 512 };

/**
 * Parses a SMILES of `len` bytes (need not be terminated; no blanks, no name after it). The
 * canonical SMILES is a fixed point: parsing it gives the same text. Refusals take less than a
 * second.
 *
 * @param ret_mol  owned by the caller, cg_molecule_destroy(); unchanged on failure
 * @return CG_OK; CG_ERR_LIMIT above CG_MOLECULE_MAX_CHARS or _MAX_ATOMS; CG_ERR_INPUT for a text
 *         that is no SMILES or that RDKit refuses; CG_ERR_UNSUPPORTED for a molecule without heavy
 *         atoms, with dummy atoms, bonded metals, dative or quadruple bonds, or whose canonical
 *         SMILES does not converge; CG_ERR_NOMEM.
 * Thread: may be called from any number of threads at once.
 */
cg_status cg_molecule_parse(const char *smiles, size_t len, cg_molecule **ret_mol, cg_error *err);

/** As cg_molecule_parse() with other limits, for models of long context; see the cost above. */
cg_status cg_molecule_parse_limited(const char *smiles, size_t len,
                                    const cg_molecule_limits *limits, cg_molecule **ret_mol,
                                    cg_error *err);

/**
 * Parses a 3D molblock and perceives its stereo from the coordinates, to check a record against the
 * molecule it should represent. Explicit hydrogens contribute to stereo perception and are then
 * removed as in cg_molecule_parse(). Atom order is that of the new canonical SMILES, not of the
 * block.
 *
 * @param molblock  terminated, at most CG_MOLECULE_MAX_BLOCK bytes
 * @return as cg_molecule_parse(); CG_ERR_INPUT if RDKit cannot read the block or it is not 3D.
 */
cg_status cg_molecule_from_molblock(const char *molblock, cg_molecule **ret_mol, cg_error *err);

enum { CG_MOLECULE_MAX_BLOCK = 128 << 10 };

/**
 * The SMILES of a molblock, or of a record of a .mol2. Hydrogens become implicit. Stereo is that of
 * 3D coordinates, or of the wedge bonds of a drawing.
 *
 * @param block       terminated, at most CG_MOLECULE_MAX_BLOCK bytes
 * @param ret_smiles  terminated, owned by the caller, free()
 * @return CG_OK; CG_ERR_LIMIT; CG_ERR_INPUT if RDKit cannot read the block, a .mol2 always with a
 *         system librdkitcffi; CG_ERR_NOMEM
 */
cg_status cg_smiles_of_block(const char *block, char **ret_smiles, cg_error *err);

/**
 * The same molecule with hydrogens as atoms: their SMILES is not canonical. Its stereo marks are
 * those of `mol`.
 *
 * @param smiles  of the whole molecule, with any hydrogens as atoms
 * @return CG_OK; CG_ERR_UNSUPPORTED for a text that is no SMILES; CG_ERR_NOMEM
 */
cg_status cg_molecule_with_hydrogens(const cg_molecule *mol, const char *smiles,
                                     cg_molecule **ret_mol, cg_error *err);

void cg_molecule_destroy(cg_molecule *mol); /* accepts NULL */

/** Canonical SMILES, terminated, owned by the molecule; its length in *ret_len (may be NULL). */
const char *cg_molecule_smiles(const cg_molecule *mol, size_t *ret_len);
/** Canonical SMILES, also of a molecule with hydrogens as atoms. Owned by the molecule. */
const char *cg_molecule_canonical_smiles(const cg_molecule *mol);
/**
 * Canonical SMILES without stereo marks and isotopes; its atoms may be in another order.
 *
 * @param ret_smiles  terminated, owned by the caller, free()
 * @return CG_OK; CG_ERR_UNSUPPORTED with RDKit's reason; CG_ERR_NOMEM
 */
cg_status cg_molecule_plain_smiles(const cg_molecule *mol, char **ret_smiles, cg_error *err);
/** The radical that enriched SMILES cannot write, in terms of the text that was parsed: "radical
 * [O] (atom 6)"; "" without one. */
const char *cg_molecule_radical(const cg_molecule *mol);
/** Atoms and bonds of the canonical SMILES, owned by the molecule. */
const cg_smiles *cg_molecule_graph(const cg_molecule *mol);
/** Atoms of the canonical SMILES, explicit hydrogens included. */
size_t cg_molecule_n_atoms(const cg_molecule *mol);
/** Atoms other than hydrogen. */
size_t cg_molecule_n_heavy(const cg_molecule *mol);
/** Sum of the formal charges. */
int cg_molecule_charge(const cg_molecule *mol);
/** Stereo elements that the parsed SMILES states and its canonical SMILES cannot: see
 * cgrd_count_lost_stereo() in rdkit_c.h. */
size_t cg_molecule_n_lost_stereo(const cg_molecule *mol);
/** Connected components. */
size_t cg_molecule_n_fragments(const cg_molecule *mol);

#endif
