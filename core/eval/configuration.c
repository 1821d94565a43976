/* SPDX-License-Identifier: MIT */
#include "eval/configuration.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/molblock.h"
#include "chem/stereo.h"
#include "eval/identity.h"
#include "eval/symmetry.h"

enum { NOT_HEAVY = UINT32_MAX };

struct cg_configuration {
    const cg_conformers *ref;
    cg_stereo marked;     /* by the SMILES */
    cg_stereo open;       /* not marked, the same in all reference conformers */
    cg_symmetry symmetry; /* n_maps is 0 until needed */
    float (*mapped)[3];   /* [n_atoms] scratch */
};

/* ---- numbering ---------------------------------------------------------------------------- */

/* Leaves out the neighbour k of a stereocentre with four: seen from neighbour 0 or from the
 * stereocentre, the other three turn the same way. */
static void leave_out(cg_stereo_centre *c, int k)
{
    c->neighbours[k] = c->neighbours[0];
    if (k)
        c->sign = (int8_t)-c->sign;
    memmove(c->neighbours, c->neighbours + 1, 3 * sizeof *c->neighbours);
    c->n_neighbours = 3;
}

/* Renumbers a stereocentre by `number`; returns 0 if its heavy neighbours are too few. */
static int renumber_centre(cg_stereo_centre *c, const uint32_t *number)
{
    c->atom = number[c->atom];
    for (int k = 0; k < c->n_neighbours; k++)
        c->neighbours[k] = number[c->neighbours[k]];
    for (int k = 0; k < c->n_neighbours; k++)
        if (c->neighbours[k] == NOT_HEAVY) {
            if (c->n_neighbours < 4)
                return 0;
            leave_out(c, k);
            k = -1;
        }
    return c->atom != NOT_HEAVY;
}

static int renumber_bond(cg_stereo_bond *b, const uint32_t *number)
{
    int heavy = 1;

    for (int e = 0; e < 2; e++) {
        uint32_t other = b->others[e];

        b->ends[e] = number[b->ends[e]];
        b->neighbours[e] = number[b->neighbours[e]];
        b->others[e] = other == CG_STEREO_NO_ATOM || number[other] == NOT_HEAVY ? CG_STEREO_NO_ATOM
                                                                                : number[other];
        if (b->neighbours[e] == NOT_HEAVY && b->others[e] != CG_STEREO_NO_ATOM) {
            b->neighbours[e] = b->others[e];
            b->others[e] = CG_STEREO_NO_ATOM;
            b->cis = !b->cis;
        }
        heavy = heavy && b->ends[e] != NOT_HEAVY && b->neighbours[e] != NOT_HEAVY;
    }
    return heavy;
}

/* Renumbers the atoms of the SMILES by `number`; what heavy atoms do not show becomes untested. */
static void renumber(cg_stereo *s, const uint32_t *number)
{
    size_t n_centres = 0, n_bonds = 0;

    for (size_t i = 0; i < s->n_centres; i++)
        if (renumber_centre(&s->centres[i], number))
            s->centres[n_centres++] = s->centres[i];
    for (size_t i = 0; i < s->n_bonds; i++)
        if (renumber_bond(&s->bonds[i], number))
            s->bonds[n_bonds++] = s->bonds[i];
    s->n_untested += s->n_centres - n_centres + s->n_bonds - n_bonds;
    s->n_centres = n_centres;
    s->n_bonds = n_bonds;
}

/* Stereo of a molecule; heavy atom i gets the number order[i], or i if order is NULL. */
static cg_status find_stereo(const cg_molecule *mol, const uint32_t *order, cg_stereo *ret_stereo,
                             cg_error *err)
{
    const cg_smiles *graph = cg_molecule_graph(mol);
    uint32_t *number = cg_alloc_array(graph->n_atoms, sizeof *number), heavy = 0;
    cg_status st;

    if (!number)
        return cg_fail_nomem(err, "stereo");
    for (size_t i = 0; i < graph->n_atoms; i++)
        if (graph->atoms[i].element == 1)
            number[i] = NOT_HEAVY;
        else {
            number[i] = order ? order[heavy] : heavy;
            heavy++;
        }
    st = cg_stereo_find(mol, ret_stereo, err);
    if (st == CG_OK)
        renumber(ret_stereo, number);
    free(number);
    return st;
}

/* ---- stereo without marks ----------------------------------------------------------------- */

/* The molecule of the first conformer's heavy atoms, with the stereo that they show. */
static cg_status perceive(const cg_conformers *ref, cg_molecule **ret_mol, cg_error *err)
{
    size_t n = cg_molecule_n_atoms(ref->mol), cap, len;
    double(*xyz)[3] = cg_alloc_array(n, sizeof *xyz);
    cg_molblock *block = NULL;
    char *text = NULL;
    cg_status st;

    if (!xyz || n != ref->n_atoms) { /* hydrogens in the SMILES have no coordinates */
        st = xyz ? cg_fail(err, CG_ERR_UNSUPPORTED, "hydrogens in the SMILES")
                 : cg_fail_nomem(err, "stereo");
        goto out;
    }
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] = (double)ref->xyz[i][k];
    CG_TRY_GOTO(st, cg_molblock_create(ref->mol, &block, err), out);
    cap = cg_molblock_bound(block, 0);
    text = malloc(cap);
    if (!text) {
        st = cg_fail_nomem(err, "stereo");
        goto out;
    }
    CG_TRY_GOTO(st, cg_molblock_write(block, "", 0, (const double(*)[3])xyz, text, cap, &len, err),
                out);
    st = cg_molecule_from_molblock(text, ret_mol, err);
out:
    cg_molblock_destroy(block);
    free(text);
    free(xyz);
    return st;
}

static int is_marked_centre(const cg_stereo *marked, uint32_t atom)
{
    for (size_t i = 0; i < marked->n_centres; i++)
        if (marked->centres[i].atom == atom)
            return 1;
    return 0;
}

/* Gives a stereocentre the sign that all reference conformers share; returns 0 if there is none. */
static int settle_centre(cg_stereo_centre *c, const cg_conformers *ref)
{
    const float(*xyz)[3] = (const float(*)[3])ref->xyz;

    c->sign = 1;
    if (cg_stereo_centre_volume(c, xyz) < 0)
        c->sign = -1;
    for (size_t i = 0; i < ref->n; i++)
        if (cg_stereo_centre_volume(c, xyz + i * ref->n_atoms) < CG_STEREO_FLAT)
            return 0;
    return 1;
}

static int settle_bond(cg_stereo_bond *b, const cg_conformers *ref)
{
    const float(*xyz)[3] = (const float(*)[3])ref->xyz;

    b->cis = 1;
    if (cg_stereo_bond_cosine(b, xyz) < 0)
        b->cis = 0;
    for (size_t i = 0; i < ref->n; i++)
        if (cg_stereo_bond_cosine(b, xyz + i * ref->n_atoms) <= 0)
            return 0;
    return 1;
}

/* Keeps of the perceived stereo what has no mark and is the same in all reference conformers. */
static void keep_open(cg_configuration *c)
{
    cg_stereo *s = &c->open;
    size_t n_centres = 0, n_bonds = 0;

    for (size_t i = 0; i < s->n_centres; i++)
        if (!is_marked_centre(&c->marked, s->centres[i].atom) &&
            settle_centre(&s->centres[i], c->ref))
            s->centres[n_centres++] = s->centres[i];
    for (size_t i = 0; i < s->n_bonds; i++)
        if (!cg_stereo_find_bond(&c->marked, s->bonds[i].ends) && settle_bond(&s->bonds[i], c->ref))
            s->bonds[n_bonds++] = s->bonds[i];
    s->n_centres = n_centres;
    s->n_bonds = n_bonds;
}

/* Without a perceived molecule that can be matched, nothing is open. */
static cg_status find_open(cg_configuration *c, cg_error *err)
{
    cg_molecule *mol = NULL;
    uint16_t *order = cg_alloc_array(c->ref->n_atoms, sizeof *order);
    uint32_t *number = cg_alloc_array(c->ref->n_atoms, sizeof *number);
    cg_status st = CG_ERR_NOMEM;

    if (!order || !number)
        goto out;
    CG_TRY_GOTO(st, perceive(c->ref, &mol, NULL), out);
    if (cg_molecule_n_heavy(mol) != c->ref->n_atoms)
        goto out;
    CG_TRY_GOTO(st, cg_identity_match(c->ref->mol, mol, order, NULL, NULL), out);
    for (size_t i = 0; i < c->ref->n_atoms; i++)
        number[order[i]] = (uint32_t)i;
    CG_TRY_GOTO(st, find_stereo(mol, number, &c->open, NULL), out);
    keep_open(c);
out:
    cg_molecule_destroy(mol);
    free(order);
    free(number);
    return st == CG_ERR_NOMEM ? cg_fail_nomem(err, "stereo") : CG_OK;
}

/* ---- judging ------------------------------------------------------------------------------ */

/* Whether the conformer has the configuration, with all stereocentres inverted if `hand` is -1. */
static int shows(const cg_stereo *s, int hand, const float (*xyz)[3])
{
    for (size_t i = 0; i < s->n_centres; i++)
        if (hand * cg_stereo_centre_volume(&s->centres[i], xyz) < CG_STEREO_FLAT)
            return 0;
    for (size_t i = 0; i < s->n_bonds; i++)
        if (cg_stereo_bond_cosine(&s->bonds[i], xyz) <= 0)
            return 0;
    return 1;
}

static cg_configuration_verdict judge(const cg_configuration *c, const float (*xyz)[3])
{
    if (shows(&c->marked, 1, xyz))
        return shows(&c->open, 1, xyz) ? CG_CONFIGURATION_SAME : CG_CONFIGURATION_OPEN;
    if (c->marked.n_centres && shows(&c->marked, -1, xyz))
        return CG_CONFIGURATION_ENANTIOMER;
    return CG_CONFIGURATION_OTHER;
}

cg_status cg_configuration_judge(cg_configuration *c, const float (*xyz)[3],
                                 cg_configuration_verdict *ret_verdict, cg_error *err)
{
    cg_configuration_verdict best = judge(c, xyz);
    size_t n = c->ref->n_atoms;

    if (best != CG_CONFIGURATION_SAME && !c->symmetry.n_maps)
        CG_TRY(cg_symmetry_find(c->ref->mol, CG_SYMMETRY_CONJUGATED, CG_SYMMETRY_MAX_MAPS,
                                &c->symmetry, err));
    for (size_t m = 0; m < c->symmetry.n_maps && best != CG_CONFIGURATION_SAME; m++) {
        cg_configuration_verdict verdict;

        for (size_t i = 0; i < n; i++)
            memcpy(c->mapped[i], xyz[c->symmetry.maps[m * n + i]], sizeof c->mapped[i]);
        verdict = judge(c, (const float(*)[3])c->mapped);
        best = verdict < best ? verdict : best;
    }
    if (best > CG_CONFIGURATION_OPEN && c->symmetry.limited)
        best = CG_CONFIGURATION_UNKNOWN;
    *ret_verdict = best;
    return CG_OK;
}

cg_status cg_configuration_create(const cg_conformers *ref, cg_configuration **ret_configuration,
                                  cg_error *err)
{
    cg_configuration *c = calloc(1, sizeof *c);
    cg_status st;

    if (!c)
        return cg_fail_nomem(err, "stereo");
    c->ref = ref;
    c->mapped = cg_alloc_array(ref->n_atoms, sizeof *c->mapped);
    if (!c->mapped) {
        st = cg_fail_nomem(err, "stereo");
        goto out;
    }
    st = find_stereo(ref->mol, NULL, &c->marked, err);
    if (st == CG_ERR_UNSUPPORTED) { /* RDKit does not give the stereo */
        c->marked.n_untested = 1;
        st = CG_OK;
    }
    if (st == CG_OK)
        st = find_open(c, err);
    if (st != CG_OK)
        goto out;
    *ret_configuration = c;
    c = NULL;
out:
    cg_configuration_destroy(c);
    return st;
}

void cg_configuration_destroy(cg_configuration *c)
{
    if (!c)
        return;
    cg_stereo_finish(&c->marked);
    cg_stereo_finish(&c->open);
    cg_symmetry_finish(&c->symmetry);
    free(c->mapped);
    free(c);
}

size_t cg_configuration_untested(const cg_configuration *c)
{
    return c->marked.n_untested;
}
