/* SPDX-License-Identifier: MIT */
#include "template/template.h"

#include <confgen/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/size.h"
#include "template/geometry_tables.h"

/* Writes the prompt's tokens: those of its text between those that the tokenizer puts around it. */
static cg_status put_prompt(const cg_prompt_tokens *around, const cg_tokens *tokens,
                            cg_molecule_template *t, cg_error *err)
{
    size_t n = (size_t)around->n_prefix + tokens->n + (size_t)around->n_suffix;
    int32_t *at = cg_alloc_array(n, sizeof *at);

    if (!at)
        return cg_fail_nomem(err, "template");
    t->prompt = at;
    t->n_prompt = (int32_t)n; /* a text has less than INT32_MAX / 2 tokens */
    for (int32_t i = 0; i < around->n_prefix; i++)
        *at++ = around->prefix[i];
    for (size_t i = 0; i < tokens->n; i++)
        *at++ = tokens->ids[i];
    for (int32_t i = 0; i < around->n_suffix; i++)
        *at++ = around->suffix[i];
    return CG_OK;
}

/* Tokenizes prompt_open SMILES prompt_close as one text. */
static cg_status encode_prompt(const cg_template_builder *b, const char *smiles, size_t smiles_len,
                               cg_molecule_template *t, cg_error *err)
{
    const cg_vocabulary_adapter *v = b->vocabulary;
    cg_tokens tokens = CG_TOKENS_INIT;
    char *text = NULL;
    cg_status st;
    int len = asprintf(&text, "%s%.*s%s", b->prompt_open, (int)smiles_len, smiles, b->prompt_close);

    if (len < 0)
        return cg_fail_nomem(err, "template");
    st = cg_tokenizer_encode(v->tokenizer, v->cache, text, (size_t)len, 0, &tokens, err);
    if (st == CG_OK)
        st = put_prompt(&b->around_prompt, &tokens, t, err);
    cg_tokens_finish(&tokens);
    free(text);
    return st;
}

/* The SMILES of the prompt is the canonical one, one without stereo marks, or `input`[len]. */
static cg_status build_prompt(const cg_template_builder *b, const char *input, size_t len,
                              cg_molecule_template *t, cg_error *err)
{
    const char *smiles = cg_molecule_smiles(t->molecule, NULL);
    char *plain = NULL;
    cg_status st;

    if (b->format->prompt_as_given)
        return encode_prompt(b, input, len, t, err);
    if (!b->format->prompt_is_plain)
        return encode_prompt(b, smiles, strlen(smiles), t, err);
    CG_TRY(cg_molecule_plain_smiles(t->molecule, &plain, err));
    st = encode_prompt(b, plain, strlen(plain), t, err);
    free(plain);
    return st;
}

static cg_status build_program(const cg_template_builder *b, cg_molecule_template *t, cg_error *err)
{
    int32_t n_groups = (int32_t)t->split.n_groups;
    cg_range *literal = cg_alloc_array((size_t)n_groups + 1, sizeof *literal);
    cg_literals text = { CG_SIZED(cg_literals), .n_atoms = n_groups, .text = t->split.text,
                         .literal = literal };
    cg_status st;

    if (!literal)
        return cg_fail_nomem(err, "template");
    for (int32_t i = 0; i <= n_groups; i++)
        literal[i] = (cg_range) { t->split.literal_at[i], t->split.literal_at[i + 1] };
    st = cg_checked_constraint_compile(b->constraint, &text, &t->program, err);
    free(literal);
    return st;
}

/* Are fields coordinates, or all of an atom because only the next token ends a number? */
static int fields_are_coordinates(const cg_template_builder *b, const cg_program *p)
{
    const cg_number_format *f = &b->format->number;
    int has_open_end = f->kind != CG_NUMBER_DECIMAL || f->strip_zeros;

    return p->fields_per_atom == 3 ||
           (p->fields_per_atom == 1 && has_open_end && 3 * (int64_t)p->n_fields <= b->max_len);
}

/* A molecule without bounds is still supported, without geometry tests. */
static cg_status build_geometry(const cg_template_builder *b, cg_molecule_template *t,
                                cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    /* codes are tested when they are decoded: their fields are those of tokens */
    if (b->format->layout != CG_LAYOUT_TOKENS && !fields_are_coordinates(b, t->program))
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "the constraint does not mark where atoms are written");
    st = cg_geometry_compile(t->molecule, &t->geometry, &why);
    return st == CG_OK || st == CG_ERR_UNSUPPORTED ? CG_OK : cg_fail(err, st, "%s", why.msg);
}

/*
 * A program of fixed length must fit as a whole. One of any length (fields_per_atom 0) is cut at
 * the bound and only needs room for its first token.
 */
static cg_status check_length(const cg_template_builder *b, const cg_molecule_template *t,
                              cg_error *err)
{
    int is_bounded = t->program->fields_per_atom > 0;
    int64_t n_tokens = (int64_t)t->n_prompt + (is_bounded ? t->program->max_tokens : 1);

    if (n_tokens > b->max_len)
        return cg_fail(err, CG_ERR_LIMIT,
                       "a molecule of %zu atoms needs %lld tokens (%d of prompt), a sequence has "
                       "%d: --max-length N permits N, at most %d, also above the model's context",
                       t->split.n_atoms, (long long)n_tokens, t->n_prompt, b->max_len,
                       CG_MAX_CONTEXT);
    if (is_bounded && b->max_new_tokens && t->program->max_tokens > b->max_new_tokens)
        return cg_fail(err, CG_ERR_LIMIT,
                       "a molecule of %zu atoms needs %d new tokens, --max-new-tokens allows %d",
                       t->split.n_atoms, t->program->max_tokens, b->max_new_tokens);
    return CG_OK;
}

/* Builds literals, program and prompt: the work between RDKit's parsing and its bounds. */
static cg_status build_text(const cg_template_builder *b, const char *smiles, size_t len,
                            cg_molecule_template *t, cg_error *err)
{
    CG_TRY(cg_enriched_split_molecule(t->molecule, b->format, &t->split, err));
    CG_TRY(build_prompt(b, smiles, len, t, err));
    CG_TRY(build_program(b, t, err));
    return check_length(b, t, err);
}

cg_status cg_molecule_template_build(const cg_template_builder *builder, const char *smiles,
                                     size_t len, cg_molecule_template *ret_template, cg_error *err)
{
    cg_molecule_template t = { .builder = builder };
    double start = cg_now(), parsed, built;
    cg_status st;

    CG_TRY_GOTO(st, cg_molecule_parse(smiles, len, &t.molecule, err), failed);
    parsed = cg_now();
    CG_TRY_GOTO(st, build_text(builder, smiles, len, &t, err), failed);
    built = cg_now();
    if (builder->geometry != CG_GEOMETRY_OFF)
        CG_TRY_GOTO(st, build_geometry(builder, &t, err), failed);
    t.own_seconds = built - parsed;
    t.chemistry_seconds = cg_now() - start - t.own_seconds;
    *ret_template = t;
    return CG_OK;
failed:
    cg_molecule_template_finish(&t);
    return st;
}

void cg_molecule_template_finish(cg_molecule_template *t)
{
    if (t->program)
        cg_checked_constraint_release(t->builder->constraint, t->program);
    cg_geometry_destroy(t->geometry);
    free(t->prompt);
    cg_enriched_split_finish(&t->split);
    cg_molecule_destroy(t->molecule);
    *t = (cg_molecule_template) { 0 };
}
