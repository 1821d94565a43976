/* SPDX-License-Identifier: MIT */
/**
 * @file drawn_molecule.h  Reads a molecule's conformers from an output, to draw them.
 *
 * Only the frames of the molecule are decompressed (io/reader.h), and reading stops at the limit.
 * Records are checked as by cg_conformer_file_read().
 */
#ifndef CG_EVAL_DRAWN_MOLECULE_H
#define CG_EVAL_DRAWN_MOLECULE_H

#include "eval/sticks.h"

/** The data items of a conformer's record. */
typedef struct cg_drawn_conformer {
    size_t record;      /* of the molecule, from 1 */
    int64_t generation; /* -1 without */
    double energy;      /* kcal/mol; NaN without */
    char *checks;       /* "pass", "unchecked" or the failed checks; NULL without */
} cg_drawn_conformer;

/** Zero first; cg_drawn_molecule_finish() releases. */
typedef struct cg_drawn_molecule {
    char *name;   /* title line; "" without */
    char *smiles; /* canonical */
    cg_sticks sticks;
    size_t n, cap;
    cg_drawn_conformer *conformers; /* [n] in the order of the file */
    float (*xyz)[3];                /* [n][sticks.n_atoms] Å, as in the file but centred */
    size_t xyz_cap;                 /* conformers */
    int more;                       /* further records follow beyond the limit */
    size_t n_broken, n_other;       /* records that cannot be read, or are of another molecule */
    char *reason;                   /* of the first of these; NULL without */
} cg_drawn_molecule;

/**
 * @param name   title of the molecule; NULL: that of the first record
 * @param limit  conformers, >= 1
 * @param ret    unchanged on failure
 * @return CG_OK; CG_ERR_INPUT if no molecule has that name; CG_ERR_FORMAT for a file that is no
 *         output, holds no SDF or no record that can be drawn; CG_ERR_IO; CG_ERR_LIMIT;
 *         CG_ERR_NOMEM
 */
cg_status cg_drawn_molecule_read(const char *path, const char *name, size_t limit,
                                 cg_drawn_molecule *ret, cg_error *err);
void cg_drawn_molecule_finish(cg_drawn_molecule *molecule); /* accepts NULL and a zeroed struct */

#endif
