/* SPDX-License-Identifier: MIT */
/** @file conformer.h  From the tokens of an ended sequence to a checked conformer. */
#ifndef CG_ENGINE_CONFORMER_H
#define CG_ENGINE_CONFORMER_H

#include <confgen/confgen.h>

#include "check/checker.h"
#include "template/template.h"

/** Zero first; cg_parsed_conformer_finish() releases. */
typedef struct cg_parsed_conformer {
    int32_t verdict; /* CG_CONFORMER_* */
    char *text;      /* all that the model wrote, terminated */
    size_t text_len;
    const char *body; /* within text: the enriched SMILES, body_len bytes, when OK */
    size_t body_len;
    double (*xyz)[3];                    /* [atoms], when OK */
    uint32_t checks_done, checks_failed; /* of its geometry; bits as of cg_verdict, 0 unchecked */
    uint32_t retry;                      /* how often it was drawn before; 0: at once */
    cg_repair_counts repair;             /* of the sequence it is */
    char reason[CG_ERROR_TEXT];
} cg_parsed_conformer;

/**
 * Read what a sequence says and compare it with the molecule it was to be.
 *
 * @param tokens  [n] of the completion
 * @param done    CG_SEQUENCE_*
 * @return CG_OK whatever the verdict; CG_ERR_NOMEM
 */
cg_status cg_conformer_parse(const cg_molecule_template *t, const cg_tokenizer *tokenizer,
                             const int32_t *tokens, int32_t n, int32_t done,
                             const cg_repair_counts *repair, cg_parsed_conformer *ret,
                             cg_error *err);
void cg_parsed_conformer_finish(cg_parsed_conformer *checked); /* accepts zeroed structs */

/**
 * Check the geometry of a conformer that is OK; another one has none, and is left as it is.
 * @return CG_OK whatever was found; CG_ERR_NOMEM
 */
cg_status cg_conformer_check_geometry(const cg_checker *checker, const cg_molecule *mol,
                                      cg_parsed_conformer *checked, cg_error *err);

/**
 * How bad a conformer is: 0 nothing is wrong; by the tests failed; worst without coordinates. What
 * is the molecule's own (sanitization) does not count: no other draw would mend it.
 */
int cg_parsed_conformer_badness(const cg_parsed_conformer *checked);

#endif
