/* SPDX-License-Identifier: MIT */
/**
 * @file evaluation.h  Generated conformers against references: COV, MAT and more, as
 * `confgen eval`.
 */
#ifndef CONFGEN_EVALUATION_H
#define CONFGEN_EVALUATION_H

#include <stdint.h>

#include <confgen/sized.h>
#include <confgen/status.h>

#ifdef __cplusplus
extern "C" {
#endif

/** The result of an evaluation. */
typedef struct cg_evaluation cg_evaluation;

/**
 * Zero or NULL is the default of every member except ref and gen. Words are those of the command
 * line.
 */
typedef struct cg_evaluation_options {
    uint32_t struct_size;
    int32_t threads;         /* 0: the processors; more are lowered to them */
    const char *ref;         /* SDF of the references, plain, .gz or .zst; "-": standard input */
    const char *gen;         /* likewise of the generated conformers */
    double delta;            /* Å, threshold of COV; 0: 0.75 */
    double time_limit;       /* seconds per molecule; 0: none */
    const char *missing;     /* a molecule without output: "zero", "drop" */
    const char *on_mismatch; /* references of one name and several molecules: "error", "drop" */
    const char *rmsd;        /* "best", "plain" */
    const char *symmetry;    /* "conjugated", "plain" */
    int32_t max_matches;     /* automorphisms per molecule; 0: 10,000 */
    int32_t check;           /* nonzero: check every generated conformer by itself */
    int32_t bioactive;       /* nonzero: also the protocol for experimental references */
    int32_t relaxation;      /* nonzero: also the MMFF94 energies that conformers release */
} cg_evaluation_options;

/**
 * Evaluates generated conformers against references: those of a name, or of a canonical SMILES if
 * no name is in both files.
 *
 * @param ret_evaluation  owned by the caller, cg_evaluation_free(); unchanged on failure
 * @return CG_OK, also if records were not scored, which the result lists; CG_ERR_USAGE for an
 *         option; CG_ERR_IO, CG_ERR_FORMAT, CG_ERR_LIMIT for a file; CG_ERR_INPUT for references
 *         that are refused; CG_ERR_UNSUPPORTED; CG_ERR_NOMEM
 */
CG_EXPORT cg_status cg_evaluation_run(const cg_evaluation_options *options,
                                      cg_evaluation **ret_evaluation, cg_error *err);
/** The whole result as JSON, as `confgen eval --json` writes it. Lives with the evaluation. */
CG_EXPORT const char *cg_evaluation_json(const cg_evaluation *evaluation);
/**
 * A sentence on how molecules were assigned, if not by name alone or not at all: as no name is in
 * both files, by canonical SMILES; "" without. Lives with the evaluation.
 */
CG_EXPORT const char *cg_evaluation_warning(const cg_evaluation *evaluation);
CG_EXPORT void cg_evaluation_free(cg_evaluation *evaluation); /* accepts NULL */

#ifdef __cplusplus
}
#endif

#endif
