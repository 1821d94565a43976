/* SPDX-License-Identifier: MIT */
#include "engine/conformer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "sequence/automaton.h"
#include "sequence/coordinate.h"

static void set_verdict(cg_parsed_conformer *c, int32_t verdict, const char *reason)
{
    c->verdict = verdict;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
}

/* Finds the text between the tags; 0 if one is missing. */
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

/* Distinguishes the text of another molecule from one that cannot be parsed, for which `why` is the
 * reason. */
static cg_status set_mismatch_verdict(cg_parsed_conformer *c, const cg_molecule_template *t,
                                      const cg_format_config *format, const cg_error *why,
                                      cg_error *err)
{
    cg_enriched other = { 0 };
    cg_error parse_error = CG_ERROR_INIT;
    cg_status st =
        cg_enriched_parse(c->body, c->body_len, &format->conformer, &other, &parse_error);

    if (st == CG_ERR_NOMEM)
        return cg_fail_nomem(err, "conformer");
    if (st != CG_OK) {
        set_verdict(c, CG_CONFORMER_PARSE_FAILURE, parse_error.msg);
        return CG_OK;
    }
    if (!strcmp(other.smiles, cg_molecule_smiles(t->molecule, NULL))) {
        set_verdict(c, CG_CONFORMER_PARSE_FAILURE, why->msg);
    } else {
        c->verdict = CG_CONFORMER_WRONG_MOLECULE;
        snprintf(c->reason, sizeof c->reason, "the text is of %s", other.smiles);
    }
    cg_enriched_finish(&other);
    return CG_OK;
}

void cg_parsed_conformer_give_up(cg_parsed_conformer *c)
{
    char causes[CG_REPAIR_COUNTS_TEXT];

    c->verdict = CG_CONFORMER_INVALID_GEOMETRY;
    cg_repair_counts_text(&c->repair, causes, sizeof causes);
    snprintf(c->reason, sizeof c->reason,
             "no possible geometry was found in %d attempts (%s; last: %s at atom %d of the text)",
             c->repair.restarts + 1, causes,
             cg_fault_cause_name((cg_fault_cause)c->repair.last_cause), c->repair.last_atom + 1);
}

/* The text of a field: one number, or all three of an atom. */
static void write_field(const cg_conformer_format *f, const cg_repair_counts *r, int32_t per_atom,
                        char *ret_text, size_t cap)
{
    int32_t first = (r->unwritten_field - 1) % per_atom;
    size_t len = 0;

    *ret_text = '\0';
    for (int32_t k = first; k < first + 3 / per_atom && len < cap; k++) {
        char number[CG_NUMBER_MAX_TEXT] = "";
        cg_decimal digits;

        if (cg_coordinate_to_number(&f->number, r->unwritten_xyz[k], &digits))
            cg_number_write(&digits, number);
        len += (size_t)snprintf(ret_text + len, cap - len, "%s%s", k > first ? f->separator : "",
                                number);
    }
}

/* Gives up a conformer because the constraint cannot write a number of the format. */
static void give_up_unwritten(cg_parsed_conformer *c, const cg_molecule_template *t,
                              const cg_conformer_format *f)
{
    int32_t per_atom = t->program->fields_per_atom, field = c->repair.unwritten_field - 1;
    char text[3 * (CG_NUMBER_MAX_TEXT + CG_MAX_MARK)];

    write_field(f, &c->repair, per_atom, text, sizeof text);
    c->verdict = CG_CONFORMER_INVALID_GEOMETRY;
    snprintf(c->reason, sizeof c->reason,
             "constraint '%s' has no path for the number%s %s, field %d of atom %d of the text: "
             "wanted one for every number of the format (CG_CONSTRAINT_ALL_NUMBERS): the plugin "
             "violates its contract",
             cg_checked_constraint_name(t->builder->constraint), per_atom == 1 ? "s" : "", text,
             field % per_atom + 1, field / per_atom + 1);
}

/* Mirrors coordinates and text in the plane z = 0. */
static cg_status mirror(cg_parsed_conformer *c, const cg_molecule_template *t,
                        const cg_conformer_format *f, cg_error *err)
{
    size_t before = (size_t)(c->body - c->text), after = c->text_len - before - c->body_len;
    size_t bound = cg_enriched_bound(&t->split), len;
    char *text = malloc(before + bound + after);
    cg_status st;

    if (!text)
        return cg_fail_nomem(err, "conformer");
    for (size_t i = 0; i < t->split.n_atoms; i++)
        c->xyz[i][2] = 0 - c->xyz[i][2]; /* 0 stays 0 */
    st = cg_enriched_write(&t->split, f, (const double(*)[3])c->xyz, text + before, bound, &len,
                           err);
    if (st != CG_OK) {
        free(text);
        return st;
    }
    memcpy(text, c->text, before);
    memcpy(text + before + len, c->body + c->body_len, after + 1);
    free(c->text);
    c->text = text;
    c->text_len = before + len + after;
    c->body = text + before;
    c->body_len = len;
    return CG_OK;
}

/* Reads the coordinates, or the codes, of the body; sets verdict and reason. */
static cg_status read_body(cg_parsed_conformer *c, const cg_molecule_template *t,
                           const cg_format_config *format, cg_error *err)
{
    const cg_conformer_format *f = &format->conformer;
    int coded = f->layout == CG_LAYOUT_TOKENS;
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    if (coded)
        c->codes = cg_alloc_array(t->split.n_groups, sizeof *c->codes);
    else
        c->xyz = cg_alloc_array(t->split.n_atoms, sizeof *c->xyz);
    if (!c->codes && !c->xyz)
        return cg_fail_nomem(err, "conformer");
    st = coded ? cg_enriched_read_codes(&t->split, f, c->body, c->body_len, c->codes, &why)
               : cg_enriched_read(&t->split, f, c->body, c->body_len, c->xyz, &why);
    if (st == CG_OK)
        return CG_OK;
    free(c->xyz);
    free(c->codes);
    c->xyz = NULL;
    c->codes = NULL;
    return st == CG_ERR_INPUT ? set_mismatch_verdict(c, t, format, &why, err)
                              : cg_fail(err, st, "%s", why.msg);
}

cg_status cg_conformer_parse(const cg_molecule_template *t, const cg_format_config *format,
                             const cg_tokenizer *tokenizer, const cg_completion *completion,
                             cg_parsed_conformer *ret, cg_error *err)
{
    cg_parsed_conformer c = { .repair = completion->repair };
    cg_status st = CG_OK;

    CG_TRY(cg_tokenizer_decode(tokenizer, completion->tokens, (size_t)completion->n_tokens, 0,
                               &c.text, &c.text_len, err));
    if (completion->done == CG_SEQUENCE_GIVEN_UP && completion->repair.unwritten_field)
        give_up_unwritten(&c, t, &format->conformer);
    else if (completion->done == CG_SEQUENCE_GIVEN_UP)
        cg_parsed_conformer_give_up(&c);
    else if (completion->done != CG_SEQUENCE_COMPLETE)
        set_verdict(&c, CG_CONFORMER_UNFINISHED, "the limit of tokens was reached before the end");
    else if (!find_body(&c, format))
        set_verdict(&c, CG_CONFORMER_PARSE_FAILURE, "the completion's tags are missing");
    else
        st = read_body(&c, t, format, err);
    if (st == CG_OK && c.xyz && completion->is_mirrored)
        st = mirror(&c, t, &format->conformer, err);
    if (st != CG_OK) {
        cg_parsed_conformer_finish(&c);
        return st;
    }
    *ret = c;
    return CG_OK;
}

void cg_parsed_conformer_finish(cg_parsed_conformer *c)
{
    free(c->text);
    free(c->codes);
    free(c->xyz);
    *c = (cg_parsed_conformer) { 0 };
}

cg_status cg_conformer_add_hydrogens(const cg_hydrogen_placement *placement, int move_all,
                                     cg_parsed_conformer *c, cg_error *err)
{
    size_t n = cg_molecule_n_atoms(cg_hydrogen_placement_molecule(placement));
    cg_hydrogen_outcome outcome;
    double(*xyz)[3];

    if (c->verdict != CG_CONFORMER_OK)
        return CG_OK;
    xyz = reallocarray(c->xyz, n, sizeof *xyz);
    if (!xyz)
        return cg_fail_nomem(err, "hydrogens");
    c->xyz = xyz;
    CG_TRY(cg_hydrogen_placement_run(placement, move_all, xyz, &outcome, err));
    c->hydrogens = outcome;
    return CG_OK;
}

/* The coordinates in f32; NULL when out of memory; free(). */
static float (*to_f32(const double (*xyz)[3], size_t n))[3]
{
    float(*out)[3] = cg_alloc_array(n, sizeof *out);

    for (size_t i = 0; out && i < n; i++)
        for (int k = 0; k < 3; k++)
            out[i][k] = (float)xyz[i][k];
    return out;
}

cg_status cg_conformer_check_geometry(const cg_checker *checker, const cg_molecule *mol,
                                      cg_parsed_conformer *c, cg_error *err)
{
    float(*xyz)[3];
    cg_verdict v;
    cg_status st;

    if (c->verdict != CG_CONFORMER_OK)
        return CG_OK;
    xyz = to_f32((const double(*)[3])c->xyz, cg_molecule_n_atoms(mol));
    if (!xyz)
        return cg_fail_nomem(err, "conformer");
    st = cg_checker_run(checker, (const float(*)[3])xyz, &v, err);
    free(xyz);
    if (st != CG_OK)
        return st;
    c->checks_done = v.done;
    c->checks_failed = v.failed;
    c->checks_unchecked = v.unchecked;
    if (v.failed)
        snprintf(c->reason, sizeof c->reason, "%s", v.detail);
    return CG_OK;
}

int cg_parsed_conformer_n_failures(const cg_parsed_conformer *c)
{
    int n = 0;

    if (c->verdict != CG_CONFORMER_OK)
        return CG_CHECK_COUNT + 1;
    for (int id = 0; id < CG_CHECK_COUNT; id++)
        n += id != CG_CHECK_SANITIZE && (c->checks_failed >> id & 1);
    return n;
}
