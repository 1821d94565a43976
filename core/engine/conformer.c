/* SPDX-License-Identifier: MIT */
#include "conformer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "sequence/automaton.h"

static void judge(cg_parsed_conformer *c, int32_t verdict, const char *reason)
{
    c->verdict = verdict;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
}

/* The text between the tags; 0 if one is missing. */
static int find_body(cg_parsed_conformer *c, const cg_format_config *format)
{
    size_t open = strlen(format->completion_open);
    const char *end;

    if (strncmp(c->text, format->completion_open, open))
        return 0;
    c->body = c->text + open;
    end = strstr(c->body, format->completion_close);
    if (!end)
        return 0;
    c->body_len = (size_t)(end - c->body);
    return 1;
}

/* The molecule is not the one asked for, or the text is none: which? */
static cg_status judge_misfit(cg_parsed_conformer *c, const cg_molecule_template *t,
                              const cg_error *why)
{
    const cg_format_config *format = t->builder->format;
    cg_enriched other = { 0 };
    cg_error err = CG_ERROR_INIT;
    cg_status status = cg_enriched_parse(c->body, c->body_len, format->decimals,
                                         format->max_integer_digits, &other, &err);

    if (status == CG_ERR_NOMEM)
        return status;
    if (status != CG_OK) {
        judge(c, CG_CONFORMER_PARSE_FAILURE, err.msg);
        return CG_OK;
    }
    if (!strcmp(other.smiles, cg_molecule_smiles(t->molecule, NULL))) {
        judge(c, CG_CONFORMER_PARSE_FAILURE, why->msg);
    } else {
        c->verdict = CG_CONFORMER_WRONG_MOLECULE;
        snprintf(c->reason, sizeof c->reason, "the text is of %s", other.smiles);
    }
    cg_enriched_finish(&other);
    return CG_OK;
}

static void judge_given_up(cg_parsed_conformer *c)
{
    char causes[CG_REPAIR_COUNTS_TEXT];

    c->verdict = CG_CONFORMER_INVALID_GEOMETRY;
    cg_repair_counts_text(&c->repair, causes, sizeof causes);
    snprintf(c->reason, sizeof c->reason, "no possible geometry was found in %d attempts (%s)",
             c->repair.restarts + 1, causes);
}

cg_status cg_conformer_parse(const cg_molecule_template *t, const cg_tokenizer *tokenizer,
                             const int32_t *tokens, int32_t n, int32_t done,
                             const cg_repair_counts *repair, cg_parsed_conformer *ret,
                             cg_error *err)
{
    const cg_format_config *format = t->builder->format;
    cg_parsed_conformer c = { .repair = *repair };
    cg_error why = CG_ERROR_INIT;
    cg_status status =
        cg_tokenizer_decode(tokenizer, tokens, (size_t)n, 0, &c.text, &c.text_len, err);

    if (status != CG_OK)
        return status;
    if (done == CG_SEQUENCE_GIVEN_UP) {
        judge_given_up(&c);
        goto out;
    }
    if (done != CG_SEQUENCE_COMPLETE) {
        judge(&c, CG_CONFORMER_UNFINISHED, "the limit of tokens was reached before the end");
        goto out;
    }
    if (!find_body(&c, format)) {
        judge(&c, CG_CONFORMER_PARSE_FAILURE, "the completion's tags are missing");
        goto out;
    }
    c.xyz = cg_alloc_array(t->split.n_atoms, sizeof *c.xyz);
    if (!c.xyz) {
        status = cg_fail(err, CG_ERR_NOMEM, "conformer: out of memory");
        goto out;
    }
    status = cg_enriched_read(&t->split, c.body, c.body_len, format->decimals,
                              format->max_integer_digits, c.xyz, &why);
    if (status == CG_ERR_INPUT)
        status = judge_misfit(&c, t, &why);
    if (c.verdict != CG_CONFORMER_OK) {
        free(c.xyz);
        c.xyz = NULL;
    }
out:
    if (status == CG_OK) {
        *ret = c;
    } else {
        if (err && status != err->code)
            cg_fail(err, status, "%s", why.msg);
        cg_parsed_conformer_finish(&c);
    }
    return status;
}

void cg_parsed_conformer_finish(cg_parsed_conformer *c)
{
    free(c->text);
    free(c->xyz);
    *c = (cg_parsed_conformer) { 0 };
}

cg_status cg_conformer_check_geometry(const cg_checker *checker, const cg_molecule *mol,
                                      cg_parsed_conformer *c, cg_error *err)
{
    const cg_smiles *graph = cg_molecule_graph(mol);
    float(*heavy)[3];
    cg_verdict v;
    size_t n = 0;
    cg_status status;

    if (c->verdict != CG_CONFORMER_OK)
        return CG_OK;
    heavy = cg_alloc_array(cg_molecule_n_heavy(mol), sizeof *heavy);
    if (!heavy)
        return cg_fail(err, CG_ERR_NOMEM, "conformer: out of memory");
    for (size_t i = 0; i < graph->n_atoms; i++) {
        if (graph->atoms[i].element == 1)
            continue;
        for (int k = 0; k < 3; k++)
            heavy[n][k] = (float)c->xyz[i][k];
        n++;
    }
    status = cg_checker_run(checker, (const float(*)[3])heavy, &v, err);
    free(heavy);
    if (status != CG_OK)
        return status;
    c->checks_done = v.done;
    c->checks_failed = v.failed;
    if (v.failed)
        snprintf(c->reason, sizeof c->reason, "%s", v.detail);
    return CG_OK;
}

int cg_parsed_conformer_badness(const cg_parsed_conformer *c)
{
    int n = 0;

    if (c->verdict != CG_CONFORMER_OK)
        return CG_CHECK_COUNT + 1;
    for (int id = 0; id < CG_CHECK_COUNT; id++)
        n += id != CG_CHECK_SANITIZE && (c->checks_failed >> id & 1);
    return n;
}
