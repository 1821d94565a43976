/* SPDX-License-Identifier: MIT */
#include "engine/decoded_conformer.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "sequence/relaxation_host.h"

/* The memory of a batch. */
struct batch {
    cg_fsq_batch codes;
    int32_t *start, *token, *code; /* of `codes` */
    float (*xyz)[3];               /* [tokens] */
    float (*atoms)[3];             /* [3 * atoms] of one conformer; scratch memory of its repair */
};

static void batch_finish(struct batch *b)
{
    free(b->start);
    free(b->token);
    free(b->code);
    free(b->xyz);
    free(b->atoms);
}

/* Room for n conformers. */
static cg_status batch_alloc(struct batch *b, const cg_enriched_split *split, size_t n,
                             cg_error *err)
{
    size_t rows;

    if (cg_mul(n, split->n_groups, &rows) || rows > INT32_MAX)
        return cg_fail(err, CG_ERR_LIMIT, "%zu conformers of %zu codes are too many", n,
                       split->n_groups);
    b->start = cg_alloc_array(n + 1, sizeof *b->start);
    b->token = cg_alloc_array(rows, sizeof *b->token);
    b->code = cg_alloc_array(rows, sizeof *b->code);
    b->xyz = cg_alloc_array(rows, sizeof *b->xyz);
    b->atoms = cg_alloc_array(3 * split->n_atoms, sizeof *b->atoms);
    return b->start && b->token && b->code && b->xyz && b->atoms ? CG_OK
                                                                 : cg_fail_nomem(err, "conformer");
}

/* Copies the atoms' rows of xyz [n_groups] to b->atoms. Atoms are the tokens in brackets. */
static void gather_atoms(struct batch *b, const cg_enriched_split *split, const float (*xyz)[3])
{
    size_t n = 0;

    for (size_t i = 0; i < split->n_groups; i++)
        if (split->text[split->literal_at[i]] == '[')
            memcpy(b->atoms[n++], xyz[i], sizeof *xyz);
}

/* Tests and repairs a conformer's atoms in b->atoms, and makes them its coordinates. */
static cg_status set_coordinates(const cg_coded_molecule *m, struct batch *b, int32_t attempts,
                                 cg_parsed_conformer *c, cg_error *err)
{
    const cg_geometry *g = m->template->geometry;
    size_t n = m->template->split.n_atoms;
    int repair = m->geometry == CG_GEOMETRY_REPAIR;

    c->repair = (cg_repair_counts) { .restarts = attempts };
    if (g && !cg_repair_finished(g, repair, b->atoms, b->atoms + n, &c->repair) && repair) {
        cg_parsed_conformer_give_up(c);
        return CG_OK;
    }
    c->xyz = cg_alloc_array(n, sizeof *c->xyz);
    if (!c->xyz)
        return cg_fail_nomem(err, "conformer");
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            c->xyz[i][k] = (double)b->atoms[i][k];
    return CG_OK;
}

static cg_status decode(const cg_coded_molecule *m, struct batch *b, int32_t attempts,
                        cg_parsed_conformer *c, int32_t n, cg_error *err)
{
    const cg_enriched_split *split = &m->template->split;
    size_t n_groups = split->n_groups, bytes = n_groups * sizeof(int32_t), row = 0;
    int32_t n_coded = 0;

    for (int32_t i = 0; i < n; i++) {
        if (!c[i].codes)
            continue;
        memcpy(b->token + row, m->tokens, bytes);
        memcpy(b->code + row, c[i].codes, bytes);
        b->start[n_coded++] = (int32_t)row;
        row += n_groups;
    }
    b->start[n_coded] = (int32_t)row;
    b->codes = (cg_fsq_batch) { n_coded, b->start, b->token, b->code };
    CG_TRY(cg_code_decoder_run(m->decoder, &b->codes, b->xyz, err));
    row = 0;
    for (int32_t i = 0; i < n; i++) {
        if (!c[i].codes)
            continue;
        gather_atoms(b, split, (const float(*)[3])b->xyz + row);
        CG_TRY(set_coordinates(m, b, attempts, &c[i], err));
        free(c[i].codes);
        c[i].codes = NULL;
        row += n_groups;
    }
    return CG_OK;
}

cg_status cg_conformers_decode(const cg_coded_molecule *molecule, int32_t attempts,
                               cg_parsed_conformer *c, int32_t n, cg_error *err)
{
    struct batch b = { 0 };
    cg_status st = batch_alloc(&b, &molecule->template->split, (size_t)n, err);

    if (st == CG_OK)
        st = decode(molecule, &b, attempts, c, n, err);
    batch_finish(&b);
    return st;
}
