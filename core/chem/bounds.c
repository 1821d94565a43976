/* SPDX-License-Identifier: MIT */
#include "chem/bounds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/adjacency.h"
#include "chem/angles.h"
#include "chem/contacts.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"

enum { MAX_PATH = 255 };

/* PoseBusters' margins, as fractions of a bound. */
static const double margin_bonded = 0.25, margin_clash = 0.3;
/* Å; what a record rounds and releases of RDKit differ by: what passes here passes PoseBusters. */
static const double clash_reserve = 0.02;
/* Å; RDKit's bounds of a bond without parameters are wider than this. */
static const double widest_bond = 0.5;
/* What PoseBusters requires of a pair is within reach up to this share of its upper bound. */
static const double max_reach = 0.75;

/* Index of a pair's lower bound in distance[]: below the diagonal. */
static size_t lower_index(const cg_bounds *b, size_t i, size_t j)
{
    return i > j ? i * b->n_atoms + j : j * b->n_atoms + i;
}

/* Index of a pair's upper bound in distance[]: above the diagonal. */
static size_t upper_index(const cg_bounds *b, size_t i, size_t j)
{
    return i < j ? i * b->n_atoms + j : j * b->n_atoms + i;
}

double cg_bounds_lower(const cg_bounds *b, size_t i, size_t j)
{
    return b->distance[lower_index(b, i, j)];
}

double cg_bounds_upper(const cg_bounds *b, size_t i, size_t j)
{
    return b->distance[upper_index(b, i, j)];
}

void cg_bounds_permitted(const cg_bounds *b, size_t i, size_t j, int rdkit, double *ret_low,
                         double *ret_high)
{
    const double *bounds = rdkit && b->rdkit ? b->rdkit : b->distance;
    double low = bounds[lower_index(b, i, j)], high = bounds[upper_index(b, i, j)];
    int bonded = cg_bounds_path_length(b, i, j) < 3;

    *ret_low = bonded ? low * (1 - margin_bonded) : low * (1 - margin_clash) + clash_reserve;
    *ret_high = bonded ? high * (1 + margin_bonded) : INFINITY;
}

int cg_bounds_may_satisfy(const cg_bounds *b, size_t i, size_t j)
{
    double low, high;

    cg_bounds_permitted(b, i, j, 1, &low, &high);
    if (cg_bounds_path_length(b, i, j) > 2)
        return low <= max_reach * cg_bounds_upper(b, i, j);
    return low <= cg_bounds_upper(b, i, j) && high >= cg_bounds_lower(b, i, j);
}

int cg_bounds_path_length(const cg_bounds *b, size_t i, size_t j)
{
    return b->path[i * b->n_atoms + j];
}

/*
 * PoseBusters' parameters, except that torsions of rings of 9 and more atoms are free: RDKit
 * 2026.09 leaves most of them free, and the ranges of RDKit 2022.09 exclude its own conformers. In
 * strained molecules the bounds of 1-5 pairs may contradict the others, and triangle smoothing
 * fails; the second attempt omits them, as RDKit advises, and the third omits smoothing. Without
 * `angles` bonds are RDKit's too.
 */
static cg_status rdkit_bounds(const cg_molecule *mol, const cgrd_angle *angles, size_t n_angles,
                              double **ret_bounds, cg_error *err)
{
    static const char *const omitted[] = { "", ",\"set15bounds\":false",
                                           ",\"doTriangleSmoothing\":false" };
    const char *smiles = cg_molecule_smiles(mol, NULL);
    char reason[256] = "RDKit cannot read its SMILES";
    size_t size, n = 0;
    char *pkl = get_mol(smiles, &size, "{\"removeHs\":false}");
    double *bounds = NULL;
    cg_status st = CG_OK;

    if (!pkl)
        st = cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "'%.60s': no distance bounds: %s", smiles,
                           reason);
    for (size_t i = 0; pkl && !bounds && st != CG_ERR_NOMEM && i < 3; i++) {
        char details[128];

        snprintf(details, sizeof details, "{\"flexibleMacrocycles\":true,\"bondRadii\":%s%s}",
                 angles ? "true" : "false", omitted[i]);
        bounds =
            cgrd_distance_bounds(pkl, size, details, angles, n_angles, &n, reason, sizeof reason);
        st = bounds ? CG_OK
                    : cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "'%.60s': no distance bounds: %s",
                                    smiles, reason);
    }
    free_ptr(pkl);
    if (st != CG_OK)
        return st;
    if (n != cg_molecule_n_atoms(mol)) {
        free_ptr((char *)bounds);
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "'%.60s': no distance bounds: RDKit counts a different number of atoms than "
                       "its SMILES",
                       smiles);
    }
    *ret_bounds = bounds;
    return CG_OK;
}

/* The angles whose ranges replace RDKit's bounds; *ret_angles is the caller's. */
static cg_status find_own_angles(const cg_molecule *mol, cgrd_angle **ret_angles, size_t *ret_n,
                                 cg_error *err)
{
    cg_angles list = { 0 };
    cgrd_angle *angles;
    size_t n = 0;

    CG_TRY(cg_angles_find(mol, &list, err));
    angles = cg_alloc_array(list.n_angles + 1, sizeof *angles);
    for (size_t i = 0; i < list.n_angles && angles; i++) {
        const cg_angle *a = &list.angles[i];

        if (a->own_distance)
            angles[n++] = (cgrd_angle) { { a->first, a->centre, a->second },
                                         (double)a->low,
                                         (double)a->high };
    }
    cg_angles_finish(&list);
    if (!angles)
        return cg_fail_nomem(err, "distance bounds");
    *ret_angles = angles;
    *ret_n = n;
    return CG_OK;
}

/* Breadth-first search from every atom; `queue` is [n], `path` [n][n]. */
static void find_path_lengths(const cg_adjacency *adj, size_t n, uint32_t *queue, uint8_t *path)
{

    memset(path, MAX_PATH, n * n);
    for (size_t from = 0; from < n; from++) {
        uint8_t *length = path + from * n;
        size_t head = 0, tail = 0;

        length[from] = 0;
        queue[tail++] = (uint32_t)from;
        while (head < tail) {
            uint32_t at = queue[head++];

            for (uint32_t k = adj->first[at]; k < adj->first[at + 1] && length[at] < MAX_PATH - 1;
                 k++)
                if (length[adj->to[k]] == MAX_PATH) {
                    length[adj->to[k]] = (uint8_t)(length[at] + 1);
                    queue[tail++] = adj->to[k];
                }
        }
    }
}

/* O or N with one bond: may carry the single or the double bond of a conjugated group. */
static int is_terminal(const cg_smiles *g, uint32_t atom)
{
    const cg_smiles_atom *a = &g->atoms[atom];

    return (a->element == 7 || a->element == 8) && a->degree == 1;
}

static int is_double(const cg_smiles *g, uint32_t i, uint32_t j)
{
    uint32_t low = i < j ? i : j, high = i < j ? j : i;

    for (size_t b = 0; b < g->n_bonds; b++)
        if (g->bonds[b].first == low && g->bonds[b].second == high)
            return g->bonds[b].symbol == '=';
    return 0;
}

/*
 * Two terminal atoms of one element, one charged, one with the double bond (carboxylates, nitro
 * groups, amidinium, ...): which end has the double bond is a choice of resonance form, so both
 * bonds get the union of both ranges. An acid's ends are both neutral and are not widened.
 */
static void widen_conjugated(const cg_smiles *g, const cg_adjacency *adj, const cg_bounds *bounds,
                             double *distance)
{
    for (uint32_t c = 0; c < g->n_atoms; c++)
        for (uint32_t i = adj->first[c]; i < adj->first[c + 1]; i++)
            for (uint32_t j = adj->first[c]; j < i; j++) {
                uint32_t a = adj->to[i], b = adj->to[j];
                double low, high;

                if (!is_terminal(g, a) || !is_terminal(g, b) ||
                    g->atoms[a].element != g->atoms[b].element ||
                    g->atoms[a].charge == g->atoms[b].charge ||
                    is_double(g, c, a) == is_double(g, c, b))
                    continue;
                low =
                    fmin(distance[lower_index(bounds, c, a)], distance[lower_index(bounds, c, b)]);
                high =
                    fmax(distance[upper_index(bounds, c, a)], distance[upper_index(bounds, c, b)]);
                distance[lower_index(bounds, c, a)] = low;
                distance[lower_index(bounds, c, b)] = low;
                distance[upper_index(bounds, c, a)] = high;
                distance[upper_index(bounds, c, b)] = high;
            }
}

/*
 * RDKit's bounds of the ends of our angles. From a record RDKit perceives the shape of a
 * hypervalent atom, from a SMILES it does not: it then bounds angles of 90 degrees as such, and
 * those in rings as 120. Bounds without parameters of the bonds differ in each of its releases and
 * are left out.
 */
static void judge_angles(const cgrd_angle *angles, size_t n_angles, const cg_bounds *bounds)
{
    const double right_angle = 110, in_ring = 120, tolerance = 0.04;

    for (size_t k = 0; k < n_angles; k++) {
        const unsigned *a = angles[k].atoms;
        size_t low = lower_index(bounds, a[0], a[2]), high = upper_index(bounds, a[0], a[2]);
        double bond[2];
        int known = 1;

        for (int end = 0; end < 2; end++) {
            bond[end] = bounds->rdkit[lower_index(bounds, a[1], a[2 * end])];
            known &= bounds->rdkit[upper_index(bounds, a[1], a[2 * end])] - bond[end] < widest_bond;
        }
        if (!known) {
            bounds->rdkit[low] = bounds->distance[low];
            bounds->rdkit[high] = bounds->distance[high];
        } else if (angles[k].high < right_angle) {
            bounds->rdkit[low] =
                fmax(bounds->rdkit[low], sqrt(bond[0] * bond[0] + bond[1] * bond[1] -
                                              2 * bond[0] * bond[1] * cos(in_ring * M_PI / 180)) -
                                             tolerance);
        }
    }
}

/*
 * RDKit does not bound distances between fragments from above. A contact bounds all pairs of atoms
 * of its two fragments. Ions are nearer than the sum of their van der Waals radii, RDKit's lower
 * bound, so an upper bound may be below that, but not below what clash tests permit.
 */
static void hold_fragments(const cg_contacts *contacts, cg_bounds *bounds)
{
    for (size_t k = 0; k < contacts->n; k++) {
        const cg_contact *c = &contacts->contacts[k];

        for (size_t i = 0; i < bounds->n_atoms; i++)
            for (size_t j = 0; j < bounds->n_atoms; j++) {
                double most = c->distance, *upper = &bounds->distance[upper_index(bounds, i, j)];

                if (contacts->fragment[i] != contacts->fragment[c->first] ||
                    contacts->fragment[j] != contacts->fragment[c->second])
                    continue;
                if (i != c->first)
                    most += cg_bounds_upper(bounds, i, c->first);
                if (j != c->second)
                    most += cg_bounds_upper(bounds, j, c->second);
                *upper = fmax(fmin(*upper, most), 0.75 * cg_bounds_lower(bounds, i, j) + 0.3);
            }
    }
}

cg_status cg_bounds_compute(const cg_molecule *mol, cg_bounds *ret_bounds, cg_error *err)
{
    cg_bounds bounds = { .n_atoms = cg_molecule_n_atoms(mol) };
    const cg_smiles *graph = cg_molecule_graph(mol);
    cg_adjacency adj = { 0 };
    cg_contacts contacts = { 0 };
    size_t n = bounds.n_atoms;
    cgrd_angle *angles = NULL;
    size_t n_angles = 0;
    uint32_t *queue = NULL;
    cg_status st = CG_OK;

    CG_TRY(find_own_angles(mol, &angles, &n_angles, err));
    CG_TRY_GOTO(st, rdkit_bounds(mol, angles, n_angles, &bounds.distance, err), out);
    if (n_angles)
        CG_TRY_GOTO(st, rdkit_bounds(mol, NULL, 0, &bounds.rdkit, err), out);
    bounds.path = calloc(n, n);
    queue = cg_alloc_array(n + 1, sizeof *queue);
    if (!bounds.path || !queue) {
        st = cg_fail_nomem(err, "distance bounds");
        goto out;
    }
    CG_TRY_GOTO(st, cg_adjacency_build(graph, &adj, err), out);
    find_path_lengths(&adj, n, queue, bounds.path);
    widen_conjugated(graph, &adj, &bounds, bounds.distance);
    if (bounds.rdkit)
        widen_conjugated(graph, &adj, &bounds, bounds.rdkit);
    if (bounds.rdkit)
        judge_angles(angles, n_angles, &bounds);
    CG_TRY_GOTO(st, cg_contacts_find(graph, &contacts, err), out);
    hold_fragments(&contacts, &bounds);
    *ret_bounds = bounds;
    bounds = (cg_bounds) { 0 };
out:
    cg_adjacency_finish(&adj);
    cg_contacts_finish(&contacts);
    free(angles);
    free(queue);
    cg_bounds_finish(&bounds);
    return st;
}

void cg_bounds_finish(cg_bounds *bounds)
{
    if (!bounds)
        return;
    free_ptr((char *)bounds->distance);
    free_ptr((char *)bounds->rdkit);
    free(bounds->path);
    *bounds = (cg_bounds) { 0 };
}
