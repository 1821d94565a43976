/* SPDX-License-Identifier: MIT */
/* The planarity tests of a checker, and that of rings that must be puckered. */
#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/planes.h"
#include "chem/puckered.h"
#include "check/checker_internal.h"

static cg_status allocate(cg_check_planes *planes, size_t n, cg_error *err)
{
    planes->items = cg_alloc_array(n + 1, sizeof *planes->items);
    return planes->items ? CG_OK : cg_fail_nomem(err, "checks");
}

static void add_ring(const cg_flat_ring *ring, cg_check_planes *out)
{
    cg_check_plane plane = { .n = (int32_t)ring->n };

    for (uint32_t i = 0; i < ring->n; i++)
        plane.atoms[i] = (int32_t)ring->atoms[i];
    out->items[out->n++] = plane;
}

static void add_bond(const cg_flat_bond *bond, cg_check_planes *out)
{
    cg_check_plane plane = { 0 };

    for (int e = 0; e < 2; e++) {
        plane.atoms[plane.n++] = (int32_t)bond->ends[e];
        for (uint32_t i = 0; i < bond->n_neighbours[e]; i++)
            plane.atoms[plane.n++] = (int32_t)bond->neighbours[e][i];
        if (bond->n_neighbours[e] == 1)
            plane.atoms[plane.n++] = CG_CHECK_HYDROGEN;
    }
    out->items[out->n++] = plane;
}

static void add_puckered(const cg_puckered_ring *ring, cg_check_planes *out)
{
    cg_check_plane plane = { .n = CG_PUCKERED_ATOMS, .may_be_flat = ring->may_be_flat };

    for (int i = 0; i < CG_PUCKERED_ATOMS; i++)
        plane.atoms[i] = (int32_t)ring->atoms[i];
    out->items[out->n++] = plane;
}

cg_status cg_check_find_planes(cg_checker *checker, cg_error *err)
{
    cg_planes planes = { 0 };
    cg_puckered puckered = { 0 };
    cg_status st;

    CG_TRY_GOTO(st, cg_planes_find(checker->mol, &planes, err), out);
    CG_TRY_GOTO(st, cg_puckered_find(checker->mol, &puckered, err), out);
    CG_TRY_GOTO(st, allocate(&checker->puckered, puckered.n, err), out);
    CG_TRY_GOTO(st, allocate(&checker->rings, planes.n_rings, err), out);
    CG_TRY_GOTO(st, allocate(&checker->double_bonds, planes.n_bonds, err), out);
    for (size_t i = 0; i < planes.n_rings; i++)
        add_ring(&planes.rings[i], &checker->rings);
    for (size_t i = 0; i < planes.n_bonds; i++)
        add_bond(&planes.bonds[i], &checker->double_bonds);
    for (size_t i = 0; i < puckered.n; i++)
        add_puckered(&puckered.rings[i], &checker->puckered);
out:
    cg_puckered_finish(&puckered);
    cg_planes_finish(&planes);
    return st;
}
