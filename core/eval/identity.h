/* SPDX-License-Identifier: MIT */
/**
 * @file identity.h  Identifies the molecule of a molblock and maps its heavy atoms to the block's.
 *
 * The flat SMILES of a molecule is its canonical SMILES without stereo and isotopes. The heavy
 * atoms of two molecules with equal flat SMILES are matched by cg_isomorphism_find(), ignoring
 * stereo, and isotopes if they differ. Since RMSDs are taken over all automorphisms, any match is
 * as good; the first one is used, which maps atom i to atom i if the orders already agree.
 */
#ifndef CG_EVAL_IDENTITY_H
#define CG_EVAL_IDENTITY_H

#include "chem/molecule.h"
#include "eval/isomorphism.h"

/** The molecule of a molblock. Zero first; cg_identity_finish() releases. */
typedef struct cg_identity {
    cg_molecule *mol; /* of the accompanying SMILES if its flat SMILES is the block's; otherwise of
                         the block, with stereo perceived from its coordinates */
    int from_smiles;  /* 1: mol is that of the accompanying SMILES */
    char *flat_smiles;
    size_t n_heavy;
    uint16_t *order;     /* [n_heavy] atom of the block for heavy atom i of mol */
    size_t n_hydrogens;  /* hydrogens that are atoms of mol */
    uint16_t *hydrogens; /* [n_hydrogens] atom of the block, or CG_NO_ATOM if it has none */
    size_t n_bound;      /* hydrogens of the block that are bound to a heavy atom */
    cg_hydrogen *bound;  /* [n_bound] atom of the block; heavy atom of mol */
} cg_identity;

/**
 * Identifies the molecule of a block of n_atoms atoms, with RDKit.
 *
 * @param block         terminated, ends with "M  END" and a line end
 * @param smiles        [smiles_len] accompanying SMILES, or NULL
 * @param ret_identity  cg_identity_finish(); unchanged on failure
 * @return CG_OK; CG_ERR_INPUT if RDKit cannot read the block; CG_ERR_UNSUPPORTED, CG_ERR_LIMIT as
 *         cg_molecule_parse(); CG_ERR_NOMEM
 * Thread: any number at once.
 */
cg_status cg_identity_find(const char *block, size_t n_atoms, const char *smiles, size_t smiles_len,
                           cg_identity *ret_identity, cg_error *err);
void cg_identity_finish(cg_identity *identity); /* accepts NULL and a zeroed struct */

/** How two molecules with different flat SMILES are related. */
typedef enum cg_relation {
    CG_RELATION_OTHER = 0,   /* another molecule */
    CG_RELATION_PROTONATION, /* the same heavy atoms in the same graph; hydrogen ions or charges
                                more, less or elsewhere */
    CG_RELATION_TAUTOMER,    /* the same atoms and charges; hydrogens or double bonds elsewhere */
} cg_relation;

/**
 * Finds the relation of two molecules with different flat SMILES.
 *
 * @return CG_OK; CG_ERR_NOMEM. Molecules that RDKit or cg_isomorphism_find() cannot compare are
 *         CG_RELATION_OTHER.
 */
cg_status cg_identity_relation(const cg_molecule *a, const cg_molecule *b,
                               cg_relation *ret_relation, cg_error *err);

/**
 * Matches the heavy atoms of two molecules with equal flat SMILES.
 *
 * @param ret_order      [heavy atoms] heavy atom of `to` for heavy atom i of `from`
 * @param ret_hydrogens  [hydrogens of `from`] that of `to` for hydrogen i of `from`: of the same
 *                       isotope, bound to the matched atom; CG_NO_ATOM without. May be NULL
 * @return CG_OK; CG_ERR_UNSUPPORTED if there is no match; CG_ERR_LIMIT as cg_isomorphism_find();
 *         CG_ERR_NOMEM
 */
cg_status cg_identity_match(const cg_molecule *from, const cg_molecule *to, uint16_t *ret_order,
                            uint16_t *ret_hydrogens, cg_error *err);

#endif
