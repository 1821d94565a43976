/* SPDX-License-Identifier: MIT */
#include "forcefield/mmff_parameters.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"

static int32_t count(const cgrd_mmff_term *terms, size_t n, int kind)
{
    int32_t found = 0;

    for (size_t i = 0; i < n; i++)
        found += terms[i].kind == kind;
    return found;
}

/* Allocates the block of the counted rows. 0 if out of memory. */
static int allocate(cg_mmff_tables *t)
{
    size_t bonds = (size_t)t->n_bonds * sizeof *t->bonds;
    size_t angles = (size_t)t->n_angles * sizeof *t->angles;
    size_t planes = (size_t)t->n_planes * sizeof *t->planes;
    size_t torsions = (size_t)t->n_torsions * sizeof *t->torsions;
    size_t pairs = (size_t)t->n_pairs * sizeof *t->pairs;
    char *block;

    t->size = bonds + angles + planes + torsions + pairs;
    block = calloc(t->size ? t->size : 1, 1);
    if (!block)
        return 0;
    t->bonds = (cg_mmff_bond *)block;
    t->angles = (cg_mmff_angle *)(block + bonds);
    t->planes = (cg_mmff_plane *)(block + bonds + angles);
    t->torsions = (cg_mmff_torsion *)(block + bonds + angles + planes);
    t->pairs = (cg_mmff_pair *)(block + bonds + angles + planes + torsions);
    return 1;
}

static void copy_atoms(const cgrd_mmff_term *term, int n, int32_t *atoms)
{
    for (int i = 0; i < n; i++)
        atoms[i] = (int32_t)term->atoms[i];
}

/* The row of the angle of a stretch-bend term, which follows `row` or is it; a molecule has both in
 * one order. NULL if there is none. */
static cg_mmff_angle *find_angle(cg_mmff_angle *row, const cg_mmff_angle *end,
                                 const cgrd_mmff_term *term)
{
    int32_t atoms[3];

    copy_atoms(term, 3, atoms);
    while (row < end && memcmp(row->atoms, atoms, sizeof atoms) != 0)
        row++;
    return row < end ? row : NULL;
}

static cg_status fill(const cgrd_mmff_term *terms, size_t n, cg_mmff_tables *t, cg_error *err)
{
    cg_mmff_bond *bond = t->bonds;
    cg_mmff_angle *angle = t->angles, *stretched = t->angles;
    cg_mmff_plane *plane = t->planes;
    cg_mmff_torsion *torsion = t->torsions;
    cg_mmff_pair *pair = t->pairs;

    for (const cgrd_mmff_term *term = terms; term < terms + n; term++) {
        const double *p = term->parameters;

        switch (term->kind) {
        case CGRD_MMFF_BOND:
            copy_atoms(term, 2, bond->atoms);
            bond->force = p[0];
            bond->length = p[1];
            bond++;
            break;
        case CGRD_MMFF_ANGLE:
            copy_atoms(term, 3, angle->atoms);
            angle->force = p[0];
            angle->angle = p[1];
            angle->linear = p[2] != 0;
            angle++;
            break;
        case CGRD_MMFF_STRETCH_BEND:
            stretched = find_angle(stretched, angle, term);
            if (!stretched)
                return cg_fail(err, CG_ERR_INTERNAL,
                               "RDKit gives a stretch-bend term without an angle (atom %u)",
                               term->atoms[1]);
            memcpy(stretched->stretch, p, sizeof stretched->stretch);
            memcpy(stretched->length, p + 2, sizeof stretched->length);
            break;
        case CGRD_MMFF_PLANE:
            copy_atoms(term, 4, plane->atoms);
            plane->force = p[0];
            plane++;
            break;
        case CGRD_MMFF_TORSION:
            copy_atoms(term, 4, torsion->atoms);
            memcpy(torsion->v, p, sizeof torsion->v);
            torsion++;
            break;
        default: /* CGRD_MMFF_PAIR */
            copy_atoms(term, 2, pair->atoms);
            pair->radius = p[0];
            pair->depth = p[1];
            pair->charge = p[2];
            pair++;
            break;
        }
    }
    return CG_OK;
}

cg_status cg_mmff_tables_create(const char *smiles, cg_mmff_variant variant,
                                cg_mmff_tables **ret_tables, cg_error *err)
{
    cg_mmff_tables *t = calloc(1, sizeof *t);
    char reason[256] = "";
    size_t n = 0, n_atoms = 0;
    cgrd_mmff_term *terms = NULL;
    cg_status st;

    if (!t)
        return cg_fail_nomem(err, "force field");
    terms = cgrd_mmff_terms(
        smiles, variant == CG_MMFF94S || variant == CG_MMFF94S_NOESTAT ? "MMFF94s" : "MMFF94", &n,
        &n_atoms, reason, sizeof reason);
    if (!terms) {
        st = cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "no MMFF94 energy: %s", reason);
        goto out;
    }
    t->n_atoms = (int32_t)n_atoms;
    t->n_bonds = count(terms, n, CGRD_MMFF_BOND);
    t->n_angles = count(terms, n, CGRD_MMFF_ANGLE);
    t->n_planes = count(terms, n, CGRD_MMFF_PLANE);
    t->n_torsions = count(terms, n, CGRD_MMFF_TORSION);
    t->n_pairs = count(terms, n, CGRD_MMFF_PAIR);
    if (!allocate(t)) {
        st = cg_fail_nomem(err, "force field");
        goto out;
    }
    CG_TRY_GOTO(st, fill(terms, n, t, err), out);
    if (variant == CG_MMFF94_NOESTAT || variant == CG_MMFF94S_NOESTAT)
        for (int32_t i = 0; i < t->n_pairs; i++)
            t->pairs[i].charge = 0;
    *ret_tables = t;
    t = NULL;
out:
    free_ptr((char *)terms);
    cg_mmff_tables_destroy(t);
    return st;
}

void cg_mmff_tables_destroy(cg_mmff_tables *t)
{
    if (!t)
        return;
    free(t->bonds);
    free(t);
}
