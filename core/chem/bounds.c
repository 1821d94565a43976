/* SPDX-License-Identifier: MIT */
#include "chem/bounds.h"

#include <math.h>
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

int cg_bounds_path_length(const cg_bounds *b, size_t i, size_t j)
{
    return b->path[i * b->n_atoms + j];
}

/*
 * PoseBusters' parameters, except that torsions of rings of 9 and more atoms are free: RDKit
 * 2026.09 leaves most of them free, and the ranges of RDKit 2022.09 exclude its own conformers. In
 * strained molecules the bounds of 1-5 pairs may contradict the others, and triangle smoothing
 * fails; the second attempt omits them, as RDKit advises, and the third omits smoothing.
 */
static cg_status rdkit_bounds(const cg_molecule *mol, const cgrd_angle *angles, size_t n_angles,
                              double **ret_bounds, cg_error *err)
{
    static const char *const details[] = {
        "{\"flexibleMacrocycles\":true}",
        "{\"flexibleMacrocycles\":true,\"set15bounds\":false}",
        "{\"flexibleMacrocycles\":true,\"doTriangleSmoothing\":false}",
    };
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
        bounds = cgrd_distance_bounds(pkl, size, details[i], angles, n_angles, &n, reason,
                                      sizeof reason);
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
static void widen_conjugated(const cg_smiles *g, const cg_adjacency *adj, cg_bounds *bounds)
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
                low = fmin(cg_bounds_lower(bounds, c, a), cg_bounds_lower(bounds, c, b));
                high = fmax(cg_bounds_upper(bounds, c, a), cg_bounds_upper(bounds, c, b));
                bounds->distance[lower_index(bounds, c, a)] = low;
                bounds->distance[lower_index(bounds, c, b)] = low;
                bounds->distance[upper_index(bounds, c, a)] = high;
                bounds->distance[upper_index(bounds, c, b)] = high;
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
    bounds.path = calloc(n, n);
    queue = cg_alloc_array(n + 1, sizeof *queue);
    if (!bounds.path || !queue) {
        st = cg_fail_nomem(err, "distance bounds");
        goto out;
    }
    CG_TRY_GOTO(st, cg_adjacency_build(graph, &adj, err), out);
    find_path_lengths(&adj, n, queue, bounds.path);
    widen_conjugated(graph, &adj, &bounds);
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
    free(bounds->path);
    *bounds = (cg_bounds) { 0 };
}
