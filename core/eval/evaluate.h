/* SPDX-License-Identifier: MIT */
/**
 * @file evaluate.h  Generated conformers against references.
 *
 * A generated molecule belongs to the reference of its name if it has that reference's flat
 * SMILES (identity.h); otherwise its conformers count as wrong. If it has no name, or no name of
 * the generated file is a reference's, it belongs to the first reference with its canonical SMILES
 * that has no output under its own name, or else to the first such reference with its flat SMILES.
 * A molecule without such a reference that is another protonation state or tautomer of one is
 * wrong; others are extra.
 *
 * References of one name that are different molecules are refused or, with CG_MISMATCH_DROP, one of
 * them is evaluated: the one that a data item `SMILES` states, or else that of more records, or
 * else the first. The stereo of every conformer is compared with the reference's (configuration.h);
 * conformers of another configuration are scored and listed.
 */
#ifndef CG_EVAL_EVALUATE_H
#define CG_EVAL_EVALUATE_H

#include "eval/conformers.h"
#include "eval/result.h"

/** Further findings of an evaluation: how generated molecules were assigned to references, ... */
typedef struct cg_eval_notes {
    size_t by_name;             /* generated molecules assigned by name, wrong ones included */
    size_t by_smiles;           /* generated molecules assigned by SMILES or flat SMILES */
    size_t extra;               /* generated molecules without a reference */
    int names_failed;           /* both files have names, but none in common */
    size_t unchecked;           /* molecules with output of which some checks cannot be done */
    char unchecked_reason[256]; /* of the first of these */
    char no_parameters[256];    /* the first molecule without MMFF94 parameters and the reason; ""
                                   without */
} cg_eval_notes;

enum { CG_EVAL_WARNING_TEXT = 2 * CG_ERROR_TEXT };

/**
 * A sentence on the assignment, if both files have names but none in common, or no molecule is in
 * both; "" without.
 */
void cg_eval_warn_of_matching(const cg_eval_result *result, const cg_eval_notes *notes,
                              const cg_conformer_file *gen, char ret_text[CG_EVAL_WARNING_TEXT]);

/**
 * Evaluates generated conformers against references. Threads process molecules in order of
 * decreasing cost.
 *
 * @param gen         read with CG_KEEP_HYDROGENS for settings.relaxation
 * @param settings    copied to the result
 * @param n_threads   >= 1; the result depends on it only if a time limit is reached
 * @param ret_result  cg_eval_result_finish(); run_json is NULL; unchanged on failure
 * @param ret_notes   may be NULL
 * @return CG_OK; CG_ERR_INPUT if there is no reference molecule, or, with CG_MISMATCH_ERROR, if
 *         references of one name have different flat SMILES (the message names both records);
 * CG_ERR_UNSUPPORTED; CG_ERR_NOMEM
 */
cg_status cg_evaluate(const cg_conformer_file *ref, const cg_conformer_file *gen,
                      const cg_eval_settings *settings, int n_threads, cg_eval_result *ret_result,
                      cg_eval_notes *ret_notes, cg_error *err);

/**
 * cg_evaluate() of two files, which it reads as the settings need them ("-": standard input).
 *
 * @param ret_gen     the generated conformers, cg_conformer_file_finish(); unchanged on failure
 * @param ret_result  as above; its seconds include those of reading
 * @return as cg_conformer_file_read() and cg_evaluate()
 */
cg_status cg_evaluate_files(const char *ref_path, const char *gen_path,
                            const cg_eval_settings *settings, int n_threads,
                            cg_conformer_file *ret_gen, cg_eval_result *ret_result,
                            cg_eval_notes *ret_notes, cg_error *err);

#endif
