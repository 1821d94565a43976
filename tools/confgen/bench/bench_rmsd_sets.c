/* SPDX-License-Identifier: MIT */
/* confgen bench rmsd and minimize: makes many conformers from an embedded one. */
#include "bench_rmsd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/rdkit_c.h"

static const double degree = 3.14159265358979323846 / 180;

/* A rotatable bond and the atoms on the side of its second end. */
struct rotor {
    size_t from, to;
    unsigned char *moves; /* [n_atoms] flags */
};

struct conformer_maker {
    const cg_smiles *graph;
    size_t n_atoms;
    double (*xyz)[3]; /* as embedded */
    struct rotor *rotors;
    size_t n_rotors;
    uint64_t random;
};

static double uniform(struct conformer_maker *m)
{
    m->random = m->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(m->random >> 11) * 0x1p-53;
}

/* Approximately normal, mean 0, variance 1. */
static double normal(struct conformer_maker *m)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += uniform(m);
    return sum;
}

/* Reads the first atoms of a V2000 block. 0; -1 if it is not one, or has fewer atoms. */
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

/* Embeds the molecule, optionally with hydrogens, which then follow the other atoms. A mol block
 * for free_ptr(); NULL on failure. */
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

static cg_status embed(struct conformer_maker *m, const char *smiles, cg_error *err)
{
    int failed = 1;

    /* Hydrogens cost time and are not compared: added only if embedding fails without them. */
    for (int hydrogens = 0; hydrogens < 2 && failed; hydrogens++) {
        char *block = make_block(smiles, hydrogens);

        failed = !block || read_block(block, m->n_atoms, m->xyz);
        free_ptr(block);
    }
    return failed ? cg_fail(err, CG_ERR_UNSUPPORTED, "'%s': RDKit embeds no conformer", smiles)
                  : CG_OK;
}

/* Marks the atoms connected to `to` without crossing the bond; 0 if `from` is one, in a ring. */
static int find_side(const cg_smiles *g, struct rotor *r)
{
    int grown = 1;

    r->moves[r->to] = 1;
    while (grown) {
        grown = 0;
        for (size_t i = 0; i < g->n_bonds; i++) {
            size_t a = g->bonds[i].first, b = g->bonds[i].second;

            if ((a == r->from && b == r->to) || (a == r->to && b == r->from) ||
                r->moves[a] == r->moves[b])
                continue;
            r->moves[a] = r->moves[b] = 1;
            grown = 1;
        }
    }
    return !r->moves[r->from];
}

static cg_status find_rotors(struct conformer_maker *m, cg_error *err)
{
    const cg_smiles *g = m->graph;

    m->rotors = cg_alloc_array(g->n_bonds, sizeof *m->rotors);
    if (!m->rotors)
        return cg_fail_nomem(err, "conformers");
    for (size_t i = 0; i < g->n_bonds; i++) {
        const cg_smiles_bond *b = &g->bonds[i];
        struct rotor r = { b->first, b->second, NULL };

        if (b->symbol == '=' || b->symbol == '#' || g->atoms[b->first].degree < 2 ||
            g->atoms[b->second].degree < 2)
            continue;
        r.moves = calloc(g->n_atoms, 1);
        if (!r.moves)
            return cg_fail_nomem(err, "conformers");
        if (find_side(g, &r))
            m->rotors[m->n_rotors++] = r;
        else
            free(r.moves);
    }
    return CG_OK;
}

static void rotate(const struct rotor *r, size_t n, double angle, double (*xyz)[3])
{
    double u[3], norm = 0, c = cos(angle), s = sin(angle);

    for (int k = 0; k < 3; k++) {
        u[k] = xyz[r->to][k] - xyz[r->from][k];
        norm += u[k] * u[k];
    }
    for (int k = 0; k < 3; k++)
        u[k] /= norm > 0 ? sqrt(norm) : 1;
    for (size_t i = 0; i < n; i++) {
        double p[3], along = 0;

        if (!r->moves[i])
            continue;
        for (int k = 0; k < 3; k++) {
            p[k] = xyz[i][k] - xyz[r->to][k];
            along += p[k] * u[k];
        }
        for (int k = 0; k < 3; k++) {
            int k1 = (k + 1) % 3, k2 = (k + 2) % 3;

            xyz[i][k] = xyz[r->to][k] + c * p[k] + s * (u[k1] * p[k2] - u[k2] * p[k1]) +
                        (1 - c) * along * u[k];
        }
    }
}

/* Rotates every bond by a random angle of about `width` degrees, plus 0, 120 or 240 degrees if
 * `thirds`; then displaces every atom. */
static void perturb(struct conformer_maker *m, int thirds, double width, double (*xyz)[3])
{
    for (size_t i = 0; i < m->n_rotors; i++)
        rotate(&m->rotors[i], m->n_atoms,
               (120 * thirds * (int)(3 * uniform(m)) + width * normal(m)) * degree, xyz);
    for (size_t i = 0; i < m->n_atoms; i++)
        for (int k = 0; k < 3; k++)
            xyz[i][k] += 0.05 * normal(m);
}

static void make_all(struct conformer_maker *m, size_t n, size_t n_heavy, double (*xyz)[3],
                     float (*ret)[3])
{
    double(*references)[3] = xyz + m->n_atoms;

    for (size_t i = 0; i < 3 * n; i++) {
        double(*made)[3] = i < n ? references + i * m->n_atoms : xyz;
        int near = i >= n && i % 2;

        memcpy(made, near ? references + (i / 2 % n) * m->n_atoms : m->xyz,
               m->n_atoms * sizeof *made);
        perturb(m, !near, near ? 15 : 10, made);
        for (size_t k = 0, at = i * n_heavy; k < m->n_atoms; k++)
            if (m->graph->atoms[k].element != 1) {
                for (int d = 0; d < 3; d++)
                    ret[at][d] = (float)made[k][d];
                at++;
            }
    }
}

static void finish_maker(struct conformer_maker *m)
{
    for (size_t i = 0; i < m->n_rotors; i++)
        free(m->rotors[i].moves);
    free(m->rotors);
    free(m->xyz);
}

cg_status bench_rmsd_conformers(const cg_molecule *mol, size_t n, uint64_t seed,
                                float (**ret_xyz)[3], cg_error *err)
{
    struct conformer_maker m = { .graph = cg_molecule_graph(mol), .random = seed * 2 + 1 };
    size_t n_heavy = cg_molecule_n_heavy(mol), n_work, n_made;
    double(*work)[3] = NULL;
    float(*xyz)[3] = NULL;
    cg_status st;

    m.n_atoms = m.graph->n_atoms;
    m.xyz = cg_alloc_array(m.n_atoms, sizeof *m.xyz);
    if (!cg_mul(n + 1, m.n_atoms, &n_work))
        work = cg_alloc_array(n_work, sizeof *work);
    if (!cg_mul(3 * n, n_heavy, &n_made))
        xyz = cg_alloc_array(n_made, sizeof *xyz);
    if (!m.xyz || !work || !xyz) {
        st = cg_fail_nomem(err, "conformers");
        goto out;
    }
    CG_TRY_GOTO(st, embed(&m, cg_molecule_smiles(mol, NULL), err), out);
    CG_TRY_GOTO(st, find_rotors(&m, err), out);
    make_all(&m, n, n_heavy, work, xyz);
    *ret_xyz = xyz;
    xyz = NULL;
out:
    finish_maker(&m);
    free(work);
    free(xyz);
    return st;
}

cg_status bench_near_conformers(const cg_molecule *all, size_t n, uint64_t seed, double **ret_xyz,
                                cg_error *err)
{
    struct conformer_maker m = { .graph = cg_molecule_graph(all), .random = seed * 2 + 1 };
    double(*xyz)[3] = NULL;
    size_t n_made;
    cg_status st;

    m.n_atoms = m.graph->n_atoms;
    m.xyz = cg_alloc_array(m.n_atoms, sizeof *m.xyz);
    if (!cg_mul(n, m.n_atoms, &n_made))
        xyz = cg_alloc_array(n_made, sizeof *xyz);
    if (!m.xyz || !xyz) {
        st = cg_fail_nomem(err, "conformers");
        goto out;
    }
    CG_TRY_GOTO(st, embed(&m, cg_molecule_smiles(all, NULL), err), out);
    CG_TRY_GOTO(st, find_rotors(&m, err), out);
    for (size_t i = 0; i < n; i++) {
        memcpy(xyz + i * m.n_atoms, m.xyz, m.n_atoms * sizeof *xyz);
        perturb(&m, 0, 10, xyz + i * m.n_atoms);
    }
    *ret_xyz = (double *)xyz;
    xyz = NULL;
out:
    finish_maker(&m);
    free(xyz);
    return st;
}
