/* SPDX-License-Identifier: MIT */
/**
 * @file template.h  The data of a molecule for decoding: prompt, literals, program, geometry.
 *
 * Built once per molecule for all of its generations, by any thread.
 */
#ifndef CG_TEMPLATE_TEMPLATE_H
#define CG_TEMPLATE_TEMPLATE_H

#include <confgen/constraint.h>
#include <confgen/tokenizer.h>

#include "chem/enriched.h"
#include "chem/molecule.h"
#include "constraint/checked_constraint.h"
#include "sequence/atom_tests.h"

/** A cg_vocabulary over a tokenizer. Must not move while the vocabulary is in use. */
typedef struct cg_vocabulary_adapter {
    cg_vocabulary vocabulary;
    const cg_tokenizer *tokenizer; /* borrowed */
    cg_token_cache *cache;         /* borrowed; NULL: none */
} cg_vocabulary_adapter;

/**
 * The vocabulary's encode() takes every text as a continuation (CG_ENCODE_CONTINUED): constraints
 * encode parts of a completion, which follows a prompt.
 */
void cg_vocabulary_init(cg_vocabulary_adapter *adapter, const cg_tokenizer *tokenizer,
                        cg_token_cache *cache);

/** Settings shared by all molecules of a run. Borrows its members. Thread: shared freely. */
typedef struct cg_template_builder {
    const cg_vocabulary_adapter *vocabulary;
    cg_checked_constraint *constraint;
    const cg_conformer_format *format;
    const char *prompt_open, *prompt_close; /* tags around the SMILES of a prompt */
    cg_prompt_tokens around_prompt;         /* tokens in front of and behind its text */
    int32_t max_len;                        /* tokens of a sequence, prompt included */
    int32_t max_new_tokens;                 /* of a completion; 0: bounded by max_len only */
    cg_geometry_mode geometry;
} cg_template_builder;

/** A molecule ready to be generated. Zero first. */
typedef struct cg_molecule_template {
    const cg_template_builder *builder; /* borrowed */
    cg_molecule *molecule;
    cg_enriched_split split;
    int32_t *prompt; /* [n_prompt] */
    int32_t n_prompt;
    cg_program *program;
    cg_geometry *geometry;    /* NULL: mode off, or RDKit gives no bounds */
    double chemistry_seconds; /* in RDKit */
    double own_seconds;       /* outside RDKit */
} cg_molecule_template;

/**
 * Builds the template of a SMILES (no blanks; need not be terminated).
 *
 * @return CG_OK; CG_ERR_INPUT, CG_ERR_UNSUPPORTED for a molecule that is not supported;
 *         CG_ERR_LIMIT if it exceeds max_len or max_new_tokens; CG_ERR_NOMEM. On failure
 *         *ret_template is unchanged.
 */
cg_status cg_molecule_template_build(const cg_template_builder *builder, const char *smiles,
                                     size_t len, cg_molecule_template *ret_template, cg_error *err);
void cg_molecule_template_finish(cg_molecule_template *t); /* accepts zeroed structs */

#endif
