/* SPDX-License-Identifier: MIT */
#include "chem/bounds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/rdkit_c.h"

enum { FAR = 255 };

/* What is known while the bounds are made. */
struct maker {
    const cg_smiles *graph;
    cg_bounds *bounds;
    uint32_t *first; /* [n + 1] neighbours of atom i: to[first[i]] to to[first[i + 1]] */
    uint32_t *to;    /* [2 * n_bonds] */
};

/* Where the pair of i and j stands, its lower bound or its upper one. */
static size_t lower(const cg_bounds *b, size_t i, size_t j)
{
    return i > j ? i * b->n_atoms + j : j * b->n_atoms + i;
}

static size_t upper(const cg_bounds *b, size_t i, size_t j)
{
    return i < j ? i * b->n_atoms + j : j * b->n_atoms + i;
}

double cg_bounds_lower(const cg_bounds *b, size_t i, size_t j)
{
    return b->distance[lower(b, i, j)];
}

double cg_bounds_upper(const cg_bounds *b, size_t i, size_t j)
{
    return b->distance[upper(b, i, j)];
}

int cg_bounds_path_length(const cg_bounds *b, size_t i, size_t j)
{
    return b->steps[i * b->n_atoms + j];
}

/*
 * Bounds as PoseBusters asks for them, but for secondary amides, which may be cis here: in
 * macrocycles they are. In strained molecules the bounds of 1-5 pairs may contradict the others,
 * and smoothing shows it: then without them, as RDKit advises, and in the end unsmoothed.
 */
static cg_status ask_rdkit(const cg_molecule *mol, double **ret_bounds, cg_error *err)
{
    static const char *const details[] = {
        "{\"forceTransAmides\":false}",
        "{\"forceTransAmides\":false,\"set15bounds\":false}",
        "{\"forceTransAmides\":false,\"doTriangleSmoothing\":false}",
    };
    char reason[256] = "RDKit cannot read its SMILES";
    size_t size, n = 0;
    char *pkl = get_mol(cg_molecule_smiles(mol, NULL), &size, "{\"removeHs\":false}");
    double *bounds = NULL;

    for (size_t i = 0; pkl && !bounds && i < 3; i++)
        bounds = cgrd_distance_bounds(pkl, size, details[i], &n, reason, sizeof reason);
    free_ptr(pkl);
    if (bounds && n != cg_molecule_n_atoms(mol)) {
        free_ptr((char *)bounds);
        bounds = NULL;
        strcpy(reason, "they are not of as many atoms as its SMILES");
    }
    if (!bounds)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "'%.60s': no distance bounds: %s",
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

/* Breadth first from every atom; `queue` is [n]. */
static void find_steps(struct maker *m, uint32_t *queue)
{
    size_t n = m->bounds->n_atoms;

    memset(m->bounds->steps, FAR, n * n);
    for (size_t from = 0; from < n; from++) {
        uint8_t *steps = m->bounds->steps + from * n;
        size_t head = 0, tail = 0;

        steps[from] = 0;
        queue[tail++] = (uint32_t)from;
        while (head < tail) {
            uint32_t at = queue[head++];

            for (uint32_t k = m->first[at]; k < m->first[at + 1] && steps[at] < FAR - 1; k++)
                if (steps[m->to[k]] == FAR) {
                    steps[m->to[k]] = (uint8_t)(steps[at] + 1);
                    queue[tail++] = m->to[k];
                }
        }
    }
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

/* Carboxylates, nitro groups, amidinium, ...: which of two ends has the double bond is a matter of
 * drawing, so both bonds get the range of both. One of the ends is charged; an acid's are not. */
static void widen_conjugated(struct maker *m)
{
    for (uint32_t c = 0; c < m->graph->n_atoms; c++)
        for (uint32_t i = m->first[c]; i < m->first[c + 1]; i++)
            for (uint32_t j = m->first[c]; j < i; j++) {
                uint32_t a = m->to[i], b = m->to[j];
                double low, high;

                if (!is_terminal(m, a) || !is_terminal(m, b) ||
                    m->graph->atoms[a].element != m->graph->atoms[b].element ||
                    m->graph->atoms[a].charge == m->graph->atoms[b].charge ||
                    is_double(m, c, a) == is_double(m, c, b))
                    continue;
                low = fmin(cg_bounds_lower(m->bounds, c, a), cg_bounds_lower(m->bounds, c, b));
                high = fmax(cg_bounds_upper(m->bounds, c, a), cg_bounds_upper(m->bounds, c, b));
                m->bounds->distance[lower(m->bounds, c, a)] = low;
                m->bounds->distance[lower(m->bounds, c, b)] = low;
                m->bounds->distance[upper(m->bounds, c, a)] = high;
                m->bounds->distance[upper(m->bounds, c, b)] = high;
            }
}

cg_status cg_bounds_compute(const cg_molecule *mol, cg_bounds *ret, cg_error *err)
{
    cg_bounds bounds = { .n_atoms = cg_molecule_n_atoms(mol) };
    struct maker m = { .graph = cg_molecule_graph(mol), .bounds = &bounds };
    size_t n = bounds.n_atoms;
    uint32_t *queue;
    cg_status status = ask_rdkit(mol, &bounds.distance, err);

    if (status != CG_OK)
        return status;
    bounds.steps = calloc(n, n);
    m.first = cg_alloc_array(n + 1, sizeof *m.first);
    m.to = cg_alloc_array(2 * m.graph->n_bonds + 1, sizeof *m.to);
    queue = cg_alloc_array(n + 1, sizeof *queue);
    if (!bounds.steps || !m.first || !m.to || !queue) {
        status = cg_fail(err, CG_ERR_NOMEM, "bounds of %zu atoms: out of memory", n);
    } else {
        find_neighbours(&m);
        find_steps(&m, queue);
        widen_conjugated(&m);
    }
    free(m.first);
    free(m.to);
    free(queue);
    if (status == CG_OK)
        *ret = bounds;
    else
        cg_bounds_finish(&bounds);
    return status;
}

void cg_bounds_finish(cg_bounds *bounds)
{
    if (!bounds)
        return;
    free_ptr((char *)bounds->distance);
    free(bounds->steps);
    *bounds = (cg_bounds) { 0 };
}
