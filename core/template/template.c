/* SPDX-License-Identifier: MIT */
#include "template.h"

#include <confgen/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/size.h"
#include "template/geometry_tables.h"

/* prompt_open SMILES prompt_close, tokenized as one text */
static cg_status build_prompt(const cg_template_builder *b, cg_molecule_template *t, cg_error *err)
{
    size_t smiles_len;
    const char *smiles = cg_molecule_smiles(t->molecule, &smiles_len);
    size_t room = strlen(b->format->prompt_open) + smiles_len + strlen(b->format->prompt_close) + 1;
    char *text = malloc(room);
    cg_status status = CG_OK;
    int len;

    t->prompt = cg_alloc_array(room, sizeof *t->prompt); /* a token is at least a byte */
    if (!text || !t->prompt) {
        free(text);
        return cg_fail(err, CG_ERR_NOMEM, "template: out of memory");
    }
    len = snprintf(text, room, "%s%s%s", b->format->prompt_open, smiles, b->format->prompt_close);
    status = b->vocabulary->encode(b->vocabulary->ctx, text, (uint32_t)len, t->prompt, NULL,
                                   (int32_t)room, &t->n_prompt, err);
    free(text);
    return status;
}

static cg_status build_program(const cg_template_builder *b, cg_molecule_template *t, cg_error *err)
{
    int32_t n_atoms = (int32_t)t->split.n_atoms;
    cg_range *literal = cg_alloc_array((size_t)n_atoms + 1, sizeof *literal);
    cg_literals text = { CG_SIZED(cg_literals), .n_atoms = n_atoms, .text = t->split.text,
                         .literal = literal };
    cg_status status;

    if (!literal)
        return cg_fail(err, CG_ERR_NOMEM, "template: out of memory");
    for (int32_t i = 0; i <= n_atoms; i++)
        literal[i] = (cg_range) { t->split.literal_at[i], t->split.literal_at[i + 1] };
    status = b->constraint->compile(b->constraint_self, &text, &t->program, err);
    free(literal);
    return status;
}

/* A molecule for which RDKit gives no bounds is served all the same, without geometry. */
static cg_status build_geometry(cg_molecule_template *t, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;
    cg_status status;

    if (t->program->fields_per_atom != 3)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "the constraint does not mark where atoms are written");
    status = cg_geometry_compile(t->molecule, &t->geometry, &why);
    if (status == CG_ERR_UNSUPPORTED)
        return CG_OK;
    return status == CG_OK ? CG_OK : cg_fail(err, status, "%s", why.msg);
}

/*
 * A program of the molecule's own length must fit as a whole; one of any length (fields_per_atom 0)
 * is cut at the bound, and only needs room to begin.
 */
static cg_status check_length(const cg_template_builder *b, const cg_molecule_template *t,
                              cg_error *err)
{
    int bounded = t->program->fields_per_atom > 0;
    int64_t need = (int64_t)t->n_prompt + (bounded ? t->program->max_tokens : 1);

    if (need > b->max_len)
        return cg_fail(err, CG_ERR_LIMIT,
                       "a molecule of %zu atoms needs %lld tokens (%d of prompt), a sequence has "
                       "%d: --max-length, else the model's context, at most %d",
                       t->split.n_atoms, (long long)need, t->n_prompt, b->max_len, CG_MAX_CONTEXT);
    if (bounded && b->max_new_tokens && t->program->max_tokens > b->max_new_tokens)
        return cg_fail(err, CG_ERR_LIMIT,
                       "a molecule of %zu atoms needs %d new tokens, --max-new-tokens allows %d",
                       t->split.n_atoms, t->program->max_tokens, b->max_new_tokens);
    return CG_OK;
}

cg_status cg_molecule_template_build(const cg_template_builder *builder, const char *smiles,
                                     size_t len, cg_molecule_template *ret_template, cg_error *err)
{
    cg_molecule_template t = { 0 };
    double start = cg_now(), parsed, built;
    cg_status status = cg_molecule_parse(smiles, len, &t.molecule, err);

    t.builder = builder;
    parsed = cg_now();
    if (status == CG_OK)
        status = cg_enriched_split_molecule(t.molecule, &t.split, err);
    if (status == CG_OK)
        status = build_prompt(builder, &t, err);
    if (status == CG_OK)
        status = build_program(builder, &t, err);
    if (status == CG_OK)
        status = check_length(builder, &t, err);
    built = cg_now();
    if (status == CG_OK && builder->geometry != CG_GEOMETRY_OFF)
        status = build_geometry(&t, err);
    t.chemistry_seconds = parsed - start + (cg_now() - built); /* RDKit's bounds */
    t.own_seconds = built - parsed;
    if (status != CG_OK) {
        cg_molecule_template_finish(&t);
        return status;
    }
    *ret_template = t;
    return CG_OK;
}

void cg_molecule_template_finish(cg_molecule_template *t)
{
    if (t->program)
        t->builder->constraint->release(t->builder->constraint_self, t->program);
    cg_geometry_destroy(t->geometry);
    free(t->prompt);
    cg_enriched_split_finish(&t->split);
    cg_molecule_destroy(t->molecule);
    *t = (cg_molecule_template) { 0 };
}
