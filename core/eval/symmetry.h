/* SPDX-License-Identifier: MIT */
/**
 * @file symmetry.h  The automorphisms of a molecule's heavy atoms: which atom may stand for which.
 *
 * Found by get_substruct_matches() of the heavy atoms in themselves, as after RemoveAllHs():
 * elements, isotopes, charges and bond orders count; hydrogens do not, [2H] neither, nor does
 * stereo. With CG_SYMMETRY_CONJUGATED the ends of a conjugated terminal group (O and N of
 * carboxylates, nitro groups, amidines, ...) count as equal whatever their charge and bond order,
 * as in RDKit's GetBestRMS since 2022.09: an aliphatic O or N with one neighbour, bonded singly
 * where another such atom is bonded doubly, or the other way round.
 */
#ifndef CG_EVAL_SYMMETRY_H
#define CG_EVAL_SYMMETRY_H

#include "chem/molecule.h"

typedef enum cg_symmetry_rule {
    CG_SYMMETRY_PLAIN = 0,  /* graph automorphisms */
    CG_SYMMETRY_CONJUGATED, /* and conjugated terminal O and N exchanged */
} cg_symmetry_rule;

typedef struct cg_symmetry {
    size_t n_atoms;
    size_t n_maps;  /* >= 1; the first is the identity */
    uint16_t *maps; /* [n_maps][n_atoms] map[i]: the atom that stands where atom i stands */
    int limited;    /* 1 where max_maps cut the list */
} cg_symmetry;

enum { CG_SYMMETRY_MAX_MAPS = 10000 };

/**
 * All automorphisms of `mol`, at most max_maps of them, in canonical atom order, hydrogens left
 * out.
 *
 * @param max_maps      1 to INT_MAX - 1
 * @param ret_symmetry  cg_symmetry_finish(); unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED where RDKit gives none; CG_ERR_USAGE; CG_ERR_LIMIT beyond 65535
 *         heavy atoms; CG_ERR_NOMEM.
 * Thread: any number at once.
 */
cg_status cg_symmetry_find(const cg_molecule *mol, cg_symmetry_rule rule, size_t max_maps,
                           cg_symmetry *ret_symmetry, cg_error *err);
void cg_symmetry_finish(cg_symmetry *symmetry); /* accepts NULL and a zeroed struct */

#endif
