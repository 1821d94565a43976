/* SPDX-License-Identifier: MIT */
/**
 * @file evaluate.h  Generated conformers against references.
 *
 * A generated molecule belongs to the reference of its name, if it has that reference's graph; if
 * not, its conformers are counted as wrong. Where it has no name, or no name of the file is a
 * reference's, it belongs to the first reference of its canonical SMILES that has no output under
 * its own name, or else to the first such of its graph. What belongs to none is extra.
 */
#ifndef CG_EVAL_EVALUATE_H
#define CG_EVAL_EVALUATE_H

#include "eval/conformers.h"
#include "eval/result.h"

/** What else is to be said of an evaluation: how generated molecules found their references, ... */
typedef struct cg_eval_notes {
    size_t by_name;   /* generated molecules, wrong ones included */
    size_t by_smiles; /* generated molecules without a name that serves */
    size_t extra;     /* that belong to no reference */
    int names_failed; /* both files have names, and none of one is a name of the other */
    size_t unchecked; /* molecules with output for which RDKit gives no bounds to check against */
    char unchecked_reason[256]; /* of the first of them */
} cg_eval_notes;

/**
 * Compare two files. Molecules are shared out among the threads, the costly ones first.
 *
 * @param settings      kept in the result
 * @param n_threads     >= 1; only with a time limit may the result depend on it
 * @param ret_result    cg_eval_result_finish(); run_json is NULL; unchanged on failure
 * @param ret_notes  may be NULL
 * @return CG_OK; CG_ERR_INPUT where the references have no molecule, or one name for two graphs
 *         (both records are named); CG_ERR_UNSUPPORTED; CG_ERR_NOMEM.
 */
cg_status cg_evaluate(const cg_conformer_file *ref, const cg_conformer_file *gen,
                      const cg_eval_settings *settings, int n_threads, cg_eval_result *ret_result,
                      cg_eval_notes *ret_notes, cg_error *err);

#endif
