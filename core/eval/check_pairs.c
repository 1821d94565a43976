/* SPDX-License-Identifier: MIT */
/* The distances that a checker looks at: every pair of heavy atoms, with the range from RDKit's
 * distance geometry and PoseBusters' margins. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/rdkit_c.h"
#include "eval/check_internal.h"

/* Shares of a bound by which a distance may miss it. */
static const double margin_bond = 0.25, margin_angle = 0.25, margin_clash = 0.3;

enum { FAR = 0, BONDED = 1, ANGLE = 2 };

/* What is known of the molecule while its pairs are made; n atoms of the SMILES. */
struct maker {
    const cg_smiles *graph;
    const uint32_t *heavy; /* [n] */
    double *bounds;        /* [n][n] as of cgrd_distance_bounds() */
    uint8_t *kinds;        /* [n][n] */
    uint32_t *first;       /* [n + 1] neighbours of atom i: to[first[i]] to to[first[i + 1]] */
    uint32_t *to;          /* [2 * n_bonds] */
};

static double *low_of(const struct maker *m, uint32_t i, uint32_t j)
{
    return &m->bounds[i > j ? (size_t)i * m->graph->n_atoms + j
                            : (size_t)j * m->graph->n_atoms + i];
}

static double *high_of(const struct maker *m, uint32_t i, uint32_t j)
{
    return &m->bounds[i < j ? (size_t)i * m->graph->n_atoms + j
                            : (size_t)j * m->graph->n_atoms + i];
}

static uint8_t *kind_of(const struct maker *m, uint32_t i, uint32_t j)
{
    return &m->kinds[i < j ? (size_t)i * m->graph->n_atoms + j : (size_t)j * m->graph->n_atoms + i];
}

/*
 * Bounds as PoseBusters asks for them. In strained molecules those of 1-5 pairs may contradict the
 * others, and smoothing shows it: then without them, as RDKit advises, and in the end unsmoothed.
 */
static cg_status get_bounds(const cg_molecule *mol, double **ret_bounds, cg_error *err)
{
    static const char *const details[] = { "{}", "{\"set15bounds\":false}",
                                           "{\"doTriangleSmoothing\":false}" };
    char reason[256] = "RDKit cannot read its SMILES";
    size_t size, n = 0;
    char *pkl = get_mol(cg_molecule_smiles(mol, NULL), &size, "{\"removeHs\":false}");
    double *bounds = NULL;

    for (size_t i = 0; pkl && !bounds && i < sizeof details / sizeof *details; i++)
        bounds = cgrd_distance_bounds(pkl, size, details[i], &n, reason, sizeof reason);
    free_ptr(pkl);
    if (bounds && n != cg_molecule_n_atoms(mol)) {
        free_ptr((char *)bounds);
        bounds = NULL;
        strcpy(reason, "they are not of as many atoms as its SMILES");
    }
    if (!bounds)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "checks of '%.60s': no distance bounds: %s",
                       cg_molecule_smiles(mol, NULL), reason);
    *ret_bounds = bounds;
    return CG_OK;
}

static void find_neighbours(struct maker *m)
{
    const cg_smiles *g = m->graph;
    uint32_t at = 0;

    for (size_t i = 0; i < g->n_atoms; i++) {
        m->first[i] = at;
        at += g->atoms[i].degree;
    }
    m->first[g->n_atoms] = at;
    for (size_t b = 0; b < g->n_bonds; b++) {
        m->to[m->first[g->bonds[b].first]++] = g->bonds[b].second;
        m->to[m->first[g->bonds[b].second]++] = g->bonds[b].first;
    }
    for (size_t i = g->n_atoms; i > 0; i--) /* back to the beginnings */
        m->first[i] = m->first[i - 1];
    m->first[0] = 0;
}

static void find_kinds(struct maker *m)
{
    for (uint32_t c = 0; c < m->graph->n_atoms; c++)
        for (uint32_t i = m->first[c]; i < m->first[c + 1]; i++)
            for (uint32_t j = m->first[c]; j < i; j++)
                *kind_of(m, m->to[i], m->to[j]) = ANGLE;
    for (size_t b = 0; b < m->graph->n_bonds; b++)
        *kind_of(m, m->graph->bonds[b].first, m->graph->bonds[b].second) = BONDED;
}

/* O or N with one bond, which may be the single or the double one of a conjugated group. */
static int is_terminal(const struct maker *m, uint32_t atom)
{
    const cg_smiles_atom *a = &m->graph->atoms[atom];

    return (a->element == 7 || a->element == 8) && a->degree == 1;
}

static int is_double(const struct maker *m, uint32_t i, uint32_t j)
{
    uint32_t low = i < j ? i : j, high = i < j ? j : i;

    for (size_t b = 0; b < m->graph->n_bonds; b++)
        if (m->graph->bonds[b].first == low && m->graph->bonds[b].second == high)
            return m->graph->bonds[b].symbol == '=';
    return 0;
}

/* Carboxylates, nitro groups, amidines, ...: which of two ends has the double bond is a matter of
 * drawing, so both bonds get the range of both. */
static void widen_conjugated(struct maker *m)
{
    for (uint32_t c = 0; c < m->graph->n_atoms; c++)
        for (uint32_t i = m->first[c]; i < m->first[c + 1]; i++)
            for (uint32_t j = m->first[c]; j < i; j++) {
                uint32_t a = m->to[i], b = m->to[j];
                double low, high;

                if (!is_terminal(m, a) || !is_terminal(m, b) ||
                    m->graph->atoms[a].element != m->graph->atoms[b].element ||
                    is_double(m, c, a) == is_double(m, c, b))
                    continue;
                low = *low_of(m, c, a) < *low_of(m, c, b) ? *low_of(m, c, a) : *low_of(m, c, b);
                high =
                    *high_of(m, c, a) > *high_of(m, c, b) ? *high_of(m, c, a) : *high_of(m, c, b);
                *low_of(m, c, a) = *low_of(m, c, b) = low;
                *high_of(m, c, a) = *high_of(m, c, b) = high;
            }
}

static void add(cg_check_pairs *pairs, uint32_t i, uint32_t j, double low, double high)
{
    pairs->items[pairs->n++] = (cg_check_pair) {
        .first = i,
        .second = j,
        .low = (float)low,
        .high = (float)high,
        .low2 = (float)(low * low),
        .high2 = (float)(high * high),
    };
}

static void list_pairs(const struct maker *m, cg_checker *checker)
{
    for (uint32_t i = 0; i < m->graph->n_atoms; i++)
        for (uint32_t j = i + 1; j < m->graph->n_atoms; j++) {
            double low = *low_of(m, i, j), high = *high_of(m, i, j);
            uint32_t a = m->heavy[i], b = m->heavy[j];

            if (a == CG_CHECK_NOT_HEAVY || b == CG_CHECK_NOT_HEAVY)
                continue;
            if (*kind_of(m, i, j) == BONDED)
                add(&checker->bonds, a, b, low * (1 - margin_bond), high * (1 + margin_bond));
            else if (*kind_of(m, i, j) == ANGLE)
                add(&checker->angles, a, b, low * (1 - margin_angle), high * (1 + margin_angle));
            else
                add(&checker->others, a, b, low * (1 - margin_clash), INFINITY);
        }
}

static cg_status allocate(struct maker *m, cg_checker *checker, cg_error *err)
{
    size_t n = m->graph->n_atoms, n_pairs[3] = { 0 };

    m->kinds = n && n <= SIZE_MAX / n ? calloc(n * n, 1) : NULL;
    m->first = cg_alloc_array(n + 1, sizeof *m->first);
    m->to = cg_alloc_array(2 * m->graph->n_bonds + 1, sizeof *m->to);
    if (!m->kinds || !m->first || !m->to)
        return cg_fail(err, CG_ERR_NOMEM, "checks of %zu atoms: out of memory", n);
    find_neighbours(m);
    find_kinds(m);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            n_pairs[m->kinds[i * n + j]]++;
    checker->bonds.items = cg_alloc_array(n_pairs[BONDED] + 1, sizeof(cg_check_pair));
    checker->angles.items = cg_alloc_array(n_pairs[ANGLE] + 1, sizeof(cg_check_pair));
    checker->others.items = cg_alloc_array(n_pairs[FAR] + 1, sizeof(cg_check_pair));
    if (!checker->bonds.items || !checker->angles.items || !checker->others.items)
        return cg_fail(err, CG_ERR_NOMEM, "checks of %zu atoms: out of memory", n);
    return CG_OK;
}

cg_status cg_check_find_pairs(cg_checker *checker, const uint32_t *heavy, cg_error *err)
{
    struct maker m = { .graph = cg_molecule_graph(checker->mol), .heavy = heavy };
    cg_status status = get_bounds(checker->mol, &m.bounds, err);

    if (status == CG_OK)
        status = allocate(&m, checker, err);
    if (status == CG_OK) {
        widen_conjugated(&m);
        list_pairs(&m, checker);
    }
    free_ptr((char *)m.bounds);
    free(m.kinds);
    free(m.first);
    free(m.to);
    return status;
}
