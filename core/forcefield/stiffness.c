/* SPDX-License-Identifier: MIT */
#include "forcefield/stiffness.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"

/* Which atoms share a block, as sets of atoms: those of atom i are bits[i * words]. */
struct shared_blocks {
    size_t n, words;
    uint64_t *bits;
    uint64_t *left; /* atoms that are not eliminated */
    uint64_t *next; /* [words] scratch */
};

static int has(const uint64_t *set, size_t i)
{
    return (int)(set[i / 64] >> i % 64 & 1);
}

static void join(struct shared_blocks *g, const int32_t *atoms, int n)
{
    for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++)
            if (a != b)
                g->bits[(size_t)atoms[a] * g->words + (size_t)atoms[b] / 64] |= UINT64_C(1)
                                                                                << atoms[b] % 64;
}

static cg_status graph_init(struct shared_blocks *g, const cg_mmff_tables *t, cg_error *err)
{
    g->n = (size_t)t->n_atoms;
    g->words = (g->n + 63) / 64;
    g->bits = calloc((g->n + 2) * g->words, sizeof *g->bits);
    if (!g->bits)
        return cg_fail_nomem(err, "stiffness");
    g->left = g->bits + g->n * g->words;
    g->next = g->left + g->words;
    for (size_t i = 0; i < g->n; i++)
        g->left[i / 64] |= UINT64_C(1) << i % 64;
    for (int32_t i = 0; i < t->n_bonds; i++)
        join(g, t->bonds[i].atoms, 2);
    for (int32_t i = 0; i < t->n_angles; i++)
        join(g, t->angles[i].atoms, 3);
    for (int32_t i = 0; i < t->n_torsions; i++)
        join(g, t->torsions[i].atoms, 4);
    return CG_OK;
}

static int degree(const struct shared_blocks *g, size_t i)
{
    int n = 0;

    for (size_t w = 0; w < g->words; w++)
        n += __builtin_popcountll(g->bits[i * g->words + w] & g->left[w]);
    return n;
}

/* Eliminates the atom of least degree, of equal ones the first. Its neighbours that are left, its
 * rows, become neighbours of one another; they stay in bits[atom]. */
static size_t eliminate(struct shared_blocks *g, int32_t *ret_degree)
{
    size_t atom = 0;
    int least = INT32_MAX;

    for (size_t i = 0; i < g->n; i++) {
        int d = has(g->left, i) ? degree(g, i) : INT32_MAX;

        if (d < least) {
            least = d;
            atom = i;
        }
    }
    g->left[atom / 64] &= ~(UINT64_C(1) << atom % 64);
    for (size_t w = 0; w < g->words; w++)
        g->next[w] = g->bits[atom * g->words + w] &= g->left[w];
    for (size_t i = 0; i < g->n; i++) {
        if (!has(g->next, i))
            continue;
        for (size_t w = 0; w < g->words; w++)
            g->bits[i * g->words + w] |= g->next[w];
        g->bits[i * g->words + i / 64] &= ~(UINT64_C(1) << i % 64);
    }
    *ret_degree = least;
    return atom;
}

/* The block of two positions, which is among the rows of the earlier one. */
static int32_t block_of(const cg_stiffness *s, int32_t n_atoms, int32_t a, int32_t b)
{
    int32_t early = a < b ? a : b, late = a < b ? b : a, k = s->columns[early];

    if (a == b)
        return a;
    while (s->rows[k] != late)
        k++;
    return n_atoms + k;
}

/* The off-diagonal blocks of a term; returns the place after them. */
static int32_t *put_blocks(const cg_stiffness *s, int32_t n_atoms, const int32_t *atoms, int n,
                           int32_t *out)
{
    for (int a = 1; a < n; a++)
        for (int b = 0; b < a; b++)
            *out++ = block_of(s, n_atoms, s->positions[atoms[a]], s->positions[atoms[b]]);
    return out;
}

/* Fills in the arrays of rows and blocks, after the order and the columns are known. */
static void fill(const struct shared_blocks *g, const cg_mmff_tables *t, cg_stiffness *s)
{
    const int32_t n = t->n_atoms;
    int32_t *row = s->rows, *update = s->updates, *out;

    for (int32_t c = 0; c < n; c++)
        for (int32_t later = c + 1; later < n; later++)
            if (has(g->bits + (size_t)s->atoms[c] * g->words, (size_t)s->atoms[later]))
                *row++ = later;
    for (int32_t c = 0; c < n; c++)
        for (int32_t a = s->columns[c]; a < s->columns[c + 1]; a++)
            for (int32_t b = s->columns[c]; b <= a; b++)
                *update++ = block_of(s, n, s->rows[a], s->rows[b]);
    out = s->bonds;
    for (int32_t i = 0; i < t->n_bonds; i++)
        out = put_blocks(s, n, t->bonds[i].atoms, 2, out);
    out = s->angles;
    for (int32_t i = 0; i < t->n_angles; i++)
        out = put_blocks(s, n, t->angles[i].atoms, 3, out);
    out = s->torsions;
    for (int32_t i = 0; i < t->n_torsions; i++)
        out = put_blocks(s, n, t->torsions[i].atoms, 4, out);
}

cg_status cg_stiffness_init(const cg_mmff_tables *t, cg_stiffness *ret_stiffness, cg_error *err)
{
    const size_t n = (size_t)t->n_atoms;
    const size_t n_bonds = (size_t)t->n_bonds * CG_BOND_BLOCKS;
    const size_t n_angles = (size_t)t->n_angles * CG_ANGLE_BLOCKS;
    const size_t n_torsions = (size_t)t->n_torsions * CG_TORSION_BLOCKS;
    int32_t *degrees = cg_alloc_array(n, 2 * sizeof *degrees), *order;
    size_t n_rows = 0, n_updates = 0;
    struct shared_blocks g = { 0 };
    cg_stiffness s = { 0 };
    cg_status st;

    if (!degrees)
        return cg_fail_nomem(err, "stiffness");
    order = degrees + n;
    CG_TRY_GOTO(st, graph_init(&g, t, err), out);
    for (size_t c = 0; c < n; c++) {
        order[c] = (int32_t)eliminate(&g, &degrees[c]);
        n_rows += (size_t)degrees[c];
        n_updates += (size_t)degrees[c] * ((size_t)degrees[c] + 1) / 2;
    }
    s.storage = cg_alloc_array(3 * n + 1 + n_rows + n_updates + n_bonds + n_angles + n_torsions,
                               sizeof *s.storage);
    if (!s.storage) {
        st = cg_fail_nomem(err, "stiffness");
        goto out;
    }
    s.n_blocks = (int32_t)(n + n_rows);
    s.atoms = s.storage;
    s.positions = s.atoms + n;
    s.columns = s.positions + n;
    s.rows = s.columns + n + 1;
    s.updates = s.rows + n_rows;
    s.bonds = s.updates + n_updates;
    s.angles = s.bonds + n_bonds;
    s.torsions = s.angles + n_angles;
    s.columns[0] = 0;
    for (size_t c = 0; c < n; c++) {
        s.atoms[c] = order[c];
        s.positions[order[c]] = (int32_t)c;
        s.columns[c + 1] = s.columns[c] + degrees[c];
    }
    fill(&g, t, &s);
    *ret_stiffness = s;
out:
    free(degrees);
    free(g.bits);
    return st;
}

void cg_stiffness_finish(cg_stiffness *s)
{
    free(s->storage);
}
