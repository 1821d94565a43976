/* SPDX-License-Identifier: MIT */
#include "engine/ensemble.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"
#include "eval/rmsd.h"

enum { HYDROGEN = 1 };

cg_status cg_ensemble_init(const cg_ensemble_rules *rules, const cg_molecule *mol, cg_ensemble *ret,
                           cg_error *err)
{
    const cg_smiles *graph = cg_molecule_graph(mol);
    const size_t n_heavy = cg_molecule_n_heavy(mol);
    cg_ensemble e = { .rules = *rules };
    size_t n = 0;

    if (rules->prune > 0 && n_heavy) { /* hydrogen has one conformer: n_atoms is 0 */
        CG_TRY(
            cg_symmetry_find(mol, CG_SYMMETRY_CONJUGATED, CG_ENSEMBLE_MAX_MAPS, &e.symmetry, err));
        e.heavy = cg_alloc_array(n_heavy, sizeof *e.heavy);
        if (!e.heavy) {
            cg_ensemble_finish(&e);
            return cg_fail_nomem(err, "ensemble");
        }
        for (size_t i = 0; i < graph->n_atoms; i++)
            if (graph->atoms[i].element != HYDROGEN)
                e.heavy[n++] = i;
    }
    *ret = e;
    return CG_OK;
}

void cg_ensemble_finish(cg_ensemble *ensemble)
{
    cg_symmetry_finish(&ensemble->symmetry);
    free(ensemble->heavy);
    *ensemble = (cg_ensemble) { 0 };
}

/* ---- order -------------------------------------------------------------------------------- */

struct ranked {
    cg_parsed_conformer *c;
    int32_t generation;
};

static int compare_generations(const void *x, const void *y)
{
    const struct ranked *a = x, *b = y;

    return a->generation < b->generation ? -1 : a->generation > b->generation;
}

static int has_energy(const cg_parsed_conformer *c)
{
    return c->verdict == CG_CONFORMER_OK && c->has_energy;
}

static int compare_energies(const void *x, const void *y)
{
    const struct ranked *a = x, *b = y;

    if (has_energy(a->c) != has_energy(b->c))
        return has_energy(a->c) ? -1 : 1;
    if (has_energy(a->c) && a->c->energy != b->c->energy)
        return a->c->energy < b->c->energy ? -1 : 1;
    return compare_generations(x, y);
}

/* ---- rules, over the entries in the order of preference ------------------------------------ */

static int is_candidate(const cg_parsed_conformer *c)
{
    return c->verdict == CG_CONFORMER_OK && !c->dropped;
}

static void drop_outside_window(const cg_ensemble *e, const struct ranked *list, int32_t n)
{
    for (int32_t i = 0; i < n && has_energy(list[i].c); i++)
        if (list[i].c->energy - list[0].c->energy > e->rules.energy_window)
            list[i].c->dropped = CG_DROPPED_ENERGY;
}

/* The heavy atoms of the candidates, and their entries. */
static size_t copy_heavy(const cg_ensemble *e, const struct ranked *list, int32_t n,
                         float (*ret_xyz)[3], int32_t *ret_entry)
{
    size_t at = 0, n_candidates = 0;

    for (int32_t i = 0; i < n; i++) {
        if (!is_candidate(list[i].c))
            continue;
        ret_entry[n_candidates++] = i;
        for (size_t a = 0; a < e->symmetry.n_atoms; a++, at++)
            for (int k = 0; k < 3; k++)
                ret_xyz[at][k] = (float)list[i].c->xyz[e->heavy[a]][k];
    }
    return n_candidates;
}

static cg_status drop_near(const cg_ensemble *e, const struct ranked *list, int32_t n,
                           cg_error *err)
{
    size_t n_values = 0, n_candidates, *leader = cg_alloc_array((size_t)n, sizeof *leader);
    int32_t *entry = cg_alloc_array((size_t)n, sizeof *entry);
    float(*xyz)[3] = NULL;
    cg_status st = CG_OK;

    if (!cg_mul((size_t)n, e->symmetry.n_atoms, &n_values))
        xyz = cg_alloc_array(n_values, sizeof *xyz);
    if (!leader || !entry || !xyz) {
        st = cg_fail_nomem(err, "ensemble");
        goto out;
    }
    n_candidates = copy_heavy(e, list, n, xyz, entry);
    for (size_t i = 0; i < n_candidates; i++)
        leader[i] = 0;
    if (e->symmetry.n_atoms)
        CG_TRY_GOTO(st,
                    cg_rmsd_leaders((const float(*)[3])xyz, n_candidates, &e->symmetry,
                                    e->rules.prune, leader, err),
                    out);
    for (size_t i = 0; i < n_candidates; i++) {
        list[entry[leader[i]]].c->cluster_size++;
        if (leader[i] != i)
            list[entry[i]].c->dropped = CG_DROPPED_RMSD;
    }
out:
    free(leader);
    free(entry);
    free(xyz);
    return st;
}

static void drop_after_first(const cg_ensemble *e, const struct ranked *list, int32_t n)
{
    int32_t n_kept = 0;

    for (int32_t i = 0; i < n; i++)
        if (is_candidate(list[i].c) && ++n_kept > e->rules.max_conformers)
            list[i].c->dropped = CG_DROPPED_NUMBER;
}

cg_status cg_ensemble_select(const cg_ensemble *e, cg_parsed_conformer *const *c, int32_t n,
                             int32_t *ret_order, cg_error *err)
{
    struct ranked *list = cg_alloc_array((size_t)n, sizeof *list);
    cg_status st = CG_OK;

    if (!list)
        return cg_fail_nomem(err, "ensemble");
    for (int32_t i = 0; i < n; i++)
        list[i] = (struct ranked) { c[i], i };
    qsort(list, (size_t)n, sizeof *list, compare_energies);
    if (e->rules.energy_window > 0)
        drop_outside_window(e, list, n);
    if (e->rules.prune > 0)
        CG_TRY_GOTO(st, drop_near(e, list, n, err), out);
    if (e->rules.max_conformers)
        drop_after_first(e, list, n);
    if (e->rules.sort == CG_SORT_GENERATION)
        qsort(list, (size_t)n, sizeof *list, compare_generations);
    for (int32_t i = 0; i < n; i++)
        ret_order[i] = list[i].generation;
out:
    free(list);
    return st;
}
