/* SPDX-License-Identifier: MIT */
#include "eval/overlay.h"

#include "base/error.h"
#include "base/size.h"
#include "eval/drawing.h"

#include <stdlib.h>
#include <string.h>

/* The generated molecule with the name of m, or else with its SMILES; NULL without. */
static const cg_conformers *find_generated(const cg_conformer_file *gen, const cg_eval_molecule *m)
{
    for (size_t i = 0; i < gen->n_molecules; i++)
        if (*m->name && !strcmp(gen->molecules[i].name, m->name))
            return &gen->molecules[i];
    for (size_t i = 0; i < gen->n_molecules; i++)
        if (!strcmp(gen->molecules[i].smiles, m->smiles))
            return &gen->molecules[i];
    return NULL;
}

static cg_status fill_overlay(struct cg_eval_overlay *o, const cg_eval_molecule *m,
                              const cg_conformers *from, cg_error *err)
{
    size_t size;

    o->mat_r = m->mat_r;
    o->n_generated = from->n;
    o->n = from->n < CG_OVERLAY_CONFORMERS ? from->n : CG_OVERLAY_CONFORMERS;
    o->name = strdup(*m->name ? m->name : m->smiles);
    CG_TRY(cg_sticks_init(from->mol, &o->sticks, err));
    if (cg_mul(o->n * from->n_atoms, sizeof *o->xyz, &size) || !o->name || !(o->xyz = malloc(size)))
        return cg_fail_nomem(err, "overlay");
    memcpy(o->xyz, from->xyz, size);
    cg_drawing_turn(from->n_atoms, o->n, o->xyz, CG_ALIGN_FIRST);
    return CG_OK;
}

cg_status cg_eval_add_overlays(cg_eval_result *r, const cg_conformer_file *gen, cg_error *err)
{
    const cg_eval_molecule **order = cg_alloc_array(r->n_molecules, sizeof *order);
    cg_status st = CG_OK;

    r->overlays = calloc(CG_EVAL_OVERLAYS, sizeof *r->overlays);
    if (!order || !r->overlays) {
        st = cg_fail_nomem(err, "overlay");
        goto out;
    }
    for (size_t i = 0; i < r->n_molecules; i++)
        order[i] = &r->molecules[i];
    qsort(order, r->n_molecules, sizeof *order, cg_eval_compare_worst);
    for (size_t i = 0; i < r->n_molecules && r->n_overlays < CG_EVAL_OVERLAYS; i++) {
        const cg_conformers *from =
            cg_eval_is_missing(order[i]) ? NULL : find_generated(gen, order[i]);

        if (from)
            CG_TRY_GOTO(st, fill_overlay(&r->overlays[r->n_overlays++], order[i], from, err), out);
    }
out:
    free(order);
    return st;
}
