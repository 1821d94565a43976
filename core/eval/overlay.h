/* SPDX-License-Identifier: MIT */
/** @file overlay.h  The conformers of a molecule, superposed, for the evaluation page. */
#ifndef CG_EVAL_OVERLAY_H
#define CG_EVAL_OVERLAY_H

#include "eval/conformers.h"
#include "eval/result.h"
#include "eval/sticks.h"

enum {
    CG_EVAL_OVERLAYS = 6,       /* molecules */
    CG_OVERLAY_CONFORMERS = 20, /* of a molecule, at most */
};

/** Generated conformers of a molecule, in view: superposed on the first by their heavy atoms. */
struct cg_eval_overlay {
    char *name; /* of the molecule; its SMILES without one */
    double mat_r;
    size_t n_generated; /* conformers of the molecule */
    size_t n;           /* of them, the first n are shown */
    cg_sticks sticks;
    float (*xyz)[3]; /* [n][sticks.n_atoms] Å */
};

/**
 * Adds overlays of the molecules with the highest MAT-R to a result that has none.
 *
 * @param gen  the generated conformers that were evaluated
 * @return CG_OK; CG_ERR_NOMEM
 */
cg_status cg_eval_add_overlays(cg_eval_result *result, const cg_conformer_file *gen, cg_error *err);

#endif
