/* SPDX-License-Identifier: MIT */
#include "template/hydrogen_placement.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/hydrogens.h"
#include "sequence/relaxation_host.h"
#include "template/geometry_tables.h"

enum { HYDROGEN_ITERATIONS = 100 }; /* while the atoms of the text are fixed */

/* Å; the core's atoms do not move here, but lie where floats are coarse. */
static const float core_tolerance = 0.05F;

struct cg_hydrogen_placement {
    int32_t n_text; /* atoms of the text: the hydrogens to place follow */
    cg_hydrogens *hydrogens;
    cg_geometry *geometry; /* of all atoms; NULL: RDKit gives no bounds */
};

cg_status cg_hydrogen_placement_create(const cg_molecule *mol, cg_hydrogen_placement **ret,
                                       cg_error *err)
{
    cg_hydrogen_placement *p = calloc(1, sizeof *p);
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    if (!p)
        return cg_fail_nomem(err, "hydrogens");
    p->n_text = (int32_t)cg_molecule_n_atoms(mol);
    CG_TRY_GOTO(st, cg_hydrogens_create(mol, &p->hydrogens, err), out);
    st = cg_geometry_compile(cg_hydrogens_molecule(p->hydrogens), &p->geometry, &why);
    if (st != CG_OK && st != CG_ERR_UNSUPPORTED) {
        cg_fail(err, st, "%s", why.msg);
        goto out;
    }
    st = CG_OK;
    *ret = p;
    p = NULL;
out:
    cg_hydrogen_placement_destroy(p);
    return st;
}

void cg_hydrogen_placement_destroy(cg_hydrogen_placement *p)
{
    if (!p)
        return;
    cg_geometry_destroy(p->geometry);
    cg_hydrogens_destroy(p->hydrogens);
    free(p);
}

cg_status cg_hydrogen_placement_keep_core(cg_hydrogen_placement *p, const cg_kept_core *kept,
                                          cg_error *err)
{
    return p->geometry ? cg_geometry_keep_core(kept, core_tolerance, &p->geometry, err) : CG_OK;
}

const cg_molecule *cg_hydrogen_placement_molecule(const cg_hydrogen_placement *p)
{
    return cg_hydrogens_molecule(p->hydrogens);
}

/* Atoms from `first` on that fail a test against an earlier atom. */
static int32_t count_faults(const cg_geometry *g, const float (*xyz)[3], int32_t first)
{
    int32_t n = 0;

    for (int32_t i = first; i < g->n_atoms; i++)
        n += cg_geometry_test_atom(g, xyz, i, 0, 1) != CG_FAULT_NONE;
    return n;
}

/*
 * Relaxes a copy of xyz in xyz + n_atoms, atoms from `first` on, and keeps it if fewer than
 * `n_faults` of these fail. @return the number that fails in xyz
 */
static int32_t improve(const cg_geometry *g, int32_t first, int32_t n_faults, float (*xyz)[3])
{
    float(*moved)[3] = xyz + g->n_atoms;
    int32_t last = g->n_atoms - 1, n;

    memcpy(moved, xyz, (size_t)g->n_atoms * sizeof *xyz);
    cg_relaxation_run(g, moved, moved + g->n_atoms, first, last,
                      first > 0 ? HYDROGEN_ITERATIONS
                                : cg_relaxation_iterations(last, CG_RELAXATION_LEVELS - 1));
    n = count_faults(g, (const float(*)[3])moved, first);
    if (n >= n_faults)
        return n_faults;
    memcpy(xyz, moved, (size_t)g->n_atoms * sizeof *xyz);
    return n;
}

/* `xyz` has room for three conformers. */
static cg_hydrogen_outcome move(const cg_geometry *g, int32_t n_text, int move_all, float (*xyz)[3])
{
    int32_t n_faults = count_faults(g, (const float(*)[3])xyz, n_text);

    if (n_faults == 0)
        return CG_HYDROGENS_IDEAL;
    n_faults = improve(g, n_text, n_faults, xyz);
    if (n_faults == 0)
        return CG_HYDROGENS_MOVED;
    if (move_all && improve(g, 0, 1, xyz) == 0) /* all atoms pass, else none moves */
        return CG_HYDROGENS_MOVED_ALL;
    return CG_HYDROGENS_FAILED;
}

cg_status cg_hydrogen_placement_run(const cg_hydrogen_placement *p, int move_all, double (*xyz)[3],
                                    cg_hydrogen_outcome *ret_outcome, cg_error *err)
{
    const cg_geometry *g = p->geometry;
    int32_t first = p->n_text;
    float(*moved)[3];

    CG_TRY(cg_hydrogens_place(p->hydrogens, xyz, err));
    *ret_outcome = CG_HYDROGENS_IDEAL;
    if (!g)
        return CG_OK;
    moved = cg_alloc_array(3 * (size_t)g->n_atoms, sizeof *moved);
    if (!moved)
        return cg_fail_nomem(err, "hydrogens");
    for (int32_t i = 0; i < g->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            moved[i][k] = (float)xyz[i][k];
    *ret_outcome = move(g, p->n_text, move_all, moved);
    if (*ret_outcome == CG_HYDROGENS_MOVED_ALL)
        first = 0;
    for (int32_t i = first; i < g->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] = (double)moved[i][k];
    free(moved);
    return CG_OK;
}
