/* SPDX-License-Identifier: MIT */
/* confgen bench rmsd: conformers to compare, many from one. */
#include "bench_rmsd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/rdkit_c.h"

static const double degree = 3.14159265358979323846 / 180;

/* A bond and the atoms that move with its second end. */
struct hinge {
    size_t from, to;
    unsigned char *moves; /* [n_atoms] */
};

struct maker {
    const cg_smiles *graph;
    size_t n_atoms;
    double (*xyz)[3]; /* as embedded */
    struct hinge *hinges;
    size_t n_hinges;
    uint64_t random;
};

static double uniform(struct maker *m)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(m->random >> 11) * 0x1p-53;
}

/* About normal: of mean 0, variance 1. */
static double spread(struct maker *m)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += uniform(m);
    return sum;
}

/* The first atoms of a V2000 block. 0; -1 where it is none of so many at least. */
static int read_block(const char *block, size_t n_atoms, double (*xyz)[3])
{
    char counts[4] = "";

    for (int line = 0; line < 3 && block; line++)
        block = strchr(block, '\n') ? strchr(block, '\n') + 1 : NULL;
    if (!block)
        return -1;
    memcpy(counts, block, strnlen(block, 3));
    if (atoi(counts) < (int)n_atoms)
        return -1;
    for (size_t i = 0; i < n_atoms; i++) {
        block = strchr(block, '\n');
        if (!block || sscanf(++block, "%10lf%10lf%10lf", &xyz[i][0], &xyz[i][1], &xyz[i][2]) != 3)
            return -1;
    }
    return 0;
}

/* A 3D block of the molecule, with its hydrogens behind the others or without; free_ptr(). */
static char *make_block(const char *smiles, int hydrogens)
{
    size_t size = 0;
    char *pkl = get_mol(smiles, &size, "{\"removeHs\":false}");
    char *block = NULL;

    if (pkl && (!hydrogens || add_hs(&pkl, &size) == 1) &&
        set_3d_coords(&pkl, &size, "{\"randomSeed\":7}") > 0)
        block = get_molblock(pkl, size, "{\"includeStereo\":false}");
    free_ptr(pkl);
    return block;
}

static cg_status embed(struct maker *m, const char *smiles, cg_error *err)
{
    int failed = 1;

    /* Hydrogens cost time and are not compared: asked for where nothing else helps. */
    for (int hydrogens = 0; hydrogens < 2 && failed; hydrogens++) {
        char *block = make_block(smiles, hydrogens);

        failed = !block || read_block(block, m->n_atoms, m->xyz);
        free_ptr(block);
    }
    return failed ? cg_fail(err, CG_ERR_UNSUPPORTED, "'%s': RDKit embeds no conformer", smiles)
                  : CG_OK;
}

/* Mark what hangs on `to`, without crossing the bond; 0 where `from` is among it: a ring. */
static int find_side(const cg_smiles *g, struct hinge *h)
{
    int grown = 1;

    h->moves[h->to] = 1;
    while (grown) {
        grown = 0;
        for (size_t i = 0; i < g->n_bonds; i++) {
            size_t a = g->bonds[i].first, b = g->bonds[i].second;

            if ((a == h->from && b == h->to) || (a == h->to && b == h->from) ||
                h->moves[a] == h->moves[b])
                continue;
            h->moves[a] = h->moves[b] = 1;
            grown = 1;
        }
    }
    return !h->moves[h->from];
}

static cg_status find_hinges(struct maker *m, cg_error *err)
{
    const cg_smiles *g = m->graph;

    m->hinges = cg_alloc_array(g->n_bonds, sizeof *m->hinges);
    if (!m->hinges)
        return cg_fail(err, CG_ERR_NOMEM, "conformers: out of memory");
    for (size_t i = 0; i < g->n_bonds; i++) {
        const cg_smiles_bond *b = &g->bonds[i];
        struct hinge h = { b->first, b->second, NULL };

        if (b->symbol == '=' || b->symbol == '#' || g->atoms[b->first].degree < 2 ||
            g->atoms[b->second].degree < 2)
            continue;
        h.moves = calloc(g->n_atoms, 1);
        if (!h.moves)
            return cg_fail(err, CG_ERR_NOMEM, "conformers: out of memory");
        if (find_side(g, &h))
            m->hinges[m->n_hinges++] = h;
        else
            free(h.moves);
    }
    return CG_OK;
}

static void turn(const struct hinge *h, size_t n, double angle, double (*xyz)[3])
{
    double u[3], norm = 0, c = cos(angle), s = sin(angle);

    for (int k = 0; k < 3; k++) {
        u[k] = xyz[h->to][k] - xyz[h->from][k];
        norm += u[k] * u[k];
    }
    for (int k = 0; k < 3; k++)
        u[k] /= norm > 0 ? sqrt(norm) : 1;
    for (size_t i = 0; i < n; i++) {
        double p[3], along = 0;

        if (!h->moves[i])
            continue;
        for (int k = 0; k < 3; k++) {
            p[k] = xyz[i][k] - xyz[h->to][k];
            along += p[k] * u[k];
        }
        for (int k = 0; k < 3; k++) {
            int k1 = (k + 1) % 3, k2 = (k + 2) % 3;

            xyz[i][k] = xyz[h->to][k] + c * p[k] + s * (u[k1] * p[k2] - u[k2] * p[k1]) +
                        (1 - c) * along * u[k];
        }
    }
}

/* Every bond turned by `thirds` times some third of a circle and `width` degrees or so. */
static void shake(struct maker *m, int thirds, double width, double (*xyz)[3])
{
    for (size_t i = 0; i < m->n_hinges; i++)
        turn(&m->hinges[i], m->n_atoms,
             (120 * thirds * (int)(3 * uniform(m)) + width * spread(m)) * degree, xyz);
    for (size_t i = 0; i < m->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] += 0.05 * spread(m);
}

static void make_all(struct maker *m, size_t n, size_t n_heavy, double (*xyz)[3], float (*ret)[3])
{
    double(*references)[3] = xyz + m->n_atoms;

    for (size_t i = 0; i < 3 * n; i++) {
        double(*now)[3] = i < n ? references + i * m->n_atoms : xyz;
        int near = i >= n && i % 2;

        memcpy(now, near ? references + (i / 2 % n) * m->n_atoms : m->xyz,
               m->n_atoms * sizeof *now);
        shake(m, !near, near ? 15 : 10, now);
        for (size_t k = 0, at = i * n_heavy; k < m->n_atoms; k++)
            if (m->graph->atoms[k].element != 1) {
                for (int d = 0; d < 3; d++)
                    ret[at][d] = (float)now[k][d];
                at++;
            }
    }
}

cg_status bench_rmsd_conformers(const cg_molecule *mol, size_t n, uint64_t seed,
                                float (**ret_xyz)[3], cg_error *err)
{
    struct maker m = { .graph = cg_molecule_graph(mol), .random = seed * 2 + 1 };
    size_t n_heavy = cg_molecule_n_heavy(mol), kept, made;
    double(*work)[3] = NULL;
    float(*xyz)[3] = NULL;
    cg_status st;

    m.n_atoms = m.graph->n_atoms;
    m.xyz = cg_alloc_array(m.n_atoms, sizeof *m.xyz);
    if (!cg_mul(n + 1, m.n_atoms, &kept))
        work = cg_alloc_array(kept, sizeof *work);
    if (!cg_mul(3 * n, n_heavy, &made))
        xyz = cg_alloc_array(made, sizeof *xyz);
    if (!m.xyz || !work || !xyz) {
        st = cg_fail(err, CG_ERR_NOMEM, "conformers: out of memory");
        goto out;
    }
    if ((st = embed(&m, cg_molecule_smiles(mol, NULL), err)) != CG_OK ||
        (st = find_hinges(&m, err)) != CG_OK)
        goto out;
    make_all(&m, n, n_heavy, work, xyz);
    *ret_xyz = xyz;
    xyz = NULL;
out:
    for (size_t i = 0; i < m.n_hinges; i++)
        free(m.hinges[i].moves);
    free(m.hinges);
    free(m.xyz);
    free(work);
    free(xyz);
    return st;
}
