/* SPDX-License-Identifier: MIT */
/**
 * @file symmetry.h  Automorphisms of a molecule's heavy atoms.
 *
 * Found by get_substruct_matches() of the heavy-atom graph in itself, as after RemoveAllHs().
 * Automorphisms preserve elements, isotopes, charges and bond orders; hydrogens ([2H] included) and
 * stereo are ignored. With CG_SYMMETRY_CONJUGATED the ends of a conjugated terminal group (O and N
 * of carboxylates, nitro groups, amidines, ...) are equivalent regardless of charge and bond order,
 * as in RDKit's GetBestRMS since 2022.09: an aliphatic O or N with one neighbour, bonded singly to
 * an atom that has another such end bonded doubly, or vice versa.
 */
#ifndef CG_EVAL_SYMMETRY_H
#define CG_EVAL_SYMMETRY_H

#include "chem/molecule.h"

typedef enum cg_symmetry_rule {
    CG_SYMMETRY_PLAIN = 0,  /* graph automorphisms */
    CG_SYMMETRY_CONJUGATED, /* and exchanges of conjugated terminal O, or of N */
} cg_symmetry_rule;

typedef struct cg_symmetry {
    size_t n_atoms;
    size_t n_maps;  /* >= 1; the first is the identity */
    uint16_t *maps; /* [n_maps][n_atoms] map[i]: image of atom i */
    int limited;    /* 1 if max_maps truncated the list */
} cg_symmetry;

enum { CG_SYMMETRY_MAX_MAPS = 10000 };

/**
 * Finds all automorphisms of `mol`, at most max_maps. Atoms are numbered in canonical order without
 * hydrogens.
 *
 * @param max_maps      1 to INT_MAX - 1
 * @param ret_symmetry  cg_symmetry_finish(); unchanged on failure
 * @return CG_OK; CG_ERR_UNSUPPORTED if RDKit fails; CG_ERR_USAGE (max_maps); CG_ERR_LIMIT for more
 *         than 65535 heavy atoms; CG_ERR_NOMEM
 * Thread: any number at once.
 */
cg_status cg_symmetry_find(const cg_molecule *mol, cg_symmetry_rule rule, size_t max_maps,
                           cg_symmetry *ret_symmetry, cg_error *err);
void cg_symmetry_finish(cg_symmetry *symmetry); /* accepts NULL and a zeroed struct */

#endif
