/* SPDX-License-Identifier: MIT */
/** @file conformer.h  From the tokens of a completed sequence to a parsed and checked conformer. */
#ifndef CG_ENGINE_CONFORMER_H
#define CG_ENGINE_CONFORMER_H

#include <confgen/confgen.h>

#include "check/checker.h"
#include "model/config.h"
#include "template/hydrogen_placement.h"
#include "template/template.h"

/** A completed sequence. tokens is borrowed. */
typedef struct cg_completion {
    const int32_t *tokens; /* [n_tokens] */
    int32_t n_tokens;
    int32_t done;        /* CG_SEQUENCE_* */
    int32_t is_mirrored; /* the conformer is the mirror image of the text's, in the plane z = 0 */
    cg_repair_counts repair;
} cg_completion;

/** cg_parsed_conformer.dropped: why a good conformer is not delivered. */
enum {
    CG_DROPPED_NOT = 0,
    CG_DROPPED_RMSD,   /* near one that is preferred */
    CG_DROPPED_ENERGY, /* above the energy window */
    CG_DROPPED_NUMBER, /* after the first ones */
};

/** Zero first; cg_parsed_conformer_finish() releases. */
typedef struct cg_parsed_conformer {
    int32_t verdict; /* CG_CONFORMER_* */
    char *text;      /* [text_len] all generated text, terminated */
    size_t text_len;
    const char *body; /* [body_len] enriched SMILES, within text; OK only */
    size_t body_len;
    int32_t *codes;    /* [groups] of a format with codes, until they are decoded; OK only */
    double (*xyz)[3];  /* [atoms] Å, those of the text, then added hydrogens; OK only */
    int32_t hydrogens; /* cg_hydrogen_outcome of the added ones */
    int32_t has_energy, is_minimized;  /* what minimization.h has done */
    double energy, released, gradient; /* kcal/mol, kcal/mol, greatest component in kcal/mol/Å */
    uint32_t checks_done, checks_failed, checks_unchecked; /* bits of cg_verdict; 0: no --check */
    int32_t dropped;                                       /* CG_DROPPED_*: not delivered */
    int32_t cluster_size; /* conformers that it stands for, itself included; 0: no --prune */
    uint32_t retry;       /* retry round it was sampled in; 0: the first */
    cg_repair_counts repair;
    char reason[CG_ERROR_TEXT]; /* of a verdict other than OK, or of the first failed check */
} cg_parsed_conformer;

/**
 * Parses the text of a sequence and compares it with the molecule of its template. A format with
 * codes gives codes instead of coordinates: decoded_conformer.h. A mirrored conformer gets the text
 * of its own coordinates.
 *
 * @return CG_OK for any verdict; CG_ERR_INPUT for a token outside the vocabulary; CG_ERR_NOMEM. On
 *         failure *ret is unchanged.
 */
cg_status cg_conformer_parse(const cg_molecule_template *t, const cg_format_config *format,
                             const cg_tokenizer *tokenizer, const cg_completion *completion,
                             cg_parsed_conformer *ret, cg_error *err);
void cg_parsed_conformer_finish(cg_parsed_conformer *c); /* accepts zeroed structs */

/** Gives up a conformer whose geometry could not be repaired: c->repair says why. */
void cg_parsed_conformer_give_up(cg_parsed_conformer *c);

/**
 * Adds the hydrogens of a conformer whose verdict is OK to its coordinates; leaves others
 * unchanged.
 *
 * @param move_all  see cg_hydrogen_placement_run()
 * @return CG_OK; CG_ERR_UNSUPPORTED with RDKit's reason; CG_ERR_NOMEM
 */
cg_status cg_conformer_add_hydrogens(const cg_hydrogen_placement *placement, int move_all,
                                     cg_parsed_conformer *c, cg_error *err);

/**
 * Checks the geometry of a conformer whose verdict is OK; leaves others unchanged.
 *
 * @param mol  of the checker; its atoms are those of the conformer's coordinates
 * @return CG_OK for any result; CG_ERR_NOMEM
 */
cg_status cg_conformer_check_geometry(const cg_checker *checker, const cg_molecule *mol,
                                      cg_parsed_conformer *c, cg_error *err);

/**
 * Number of failed checks, by which retries are ranked; for a verdict other than OK, more than
 * there are checks. Sanitization does not count: it is a property of the molecule, which no retry
 * changes.
 */
int cg_parsed_conformer_n_failures(const cg_parsed_conformer *c);

#endif
