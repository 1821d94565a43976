/* SPDX-License-Identifier: MIT */
#include "eval/relaxation_energy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/hydrogens.h"
#include "eval/figure.h"
#include "eval/isomorphism.h"
#include "eval/quantile.h"
#include "forcefield/mmff_minimizer.h"
#include "forcefield/mmff_parameters.h"

cg_relaxation cg_relaxation_of(double *energies, size_t n)
{
    cg_eval_figure f = cg_eval_figure_of(energies, n);

    return (cg_relaxation) {
        .n = n,
        .median = f.median,
        .mean = f.mean,
        .high = n ? cg_quantile(energies, n, 0.9) : NAN,
        .largest = n ? energies[n - 1] : NAN,
    };
}

/* A molecule with all its hydrogens, and where their coordinates come from. */
struct molecule {
    cg_hydrogens *hydrogens;
    cg_mmff_tables *tables;
    size_t n_text, n_atoms; /* atoms of the SMILES; all */
    uint16_t *bearer;       /* [n_atoms] heavy atom that bears a hydrogen; CG_NO_ATOM for others */
    uint8_t *fixed;         /* [n_atoms] 1: an atom of the SMILES */
};

static void molecule_finish(struct molecule *m)
{
    cg_hydrogens_destroy(m->hydrogens);
    cg_mmff_tables_destroy(m->tables);
    free(m->bearer);
    free(m->fixed);
}

/* Finds the heavy atom that bears each hydrogen. */
static cg_status find_bearers(const cg_smiles *graph, struct molecule *m, cg_error *err)
{
    uint16_t *heavy = cg_alloc_array(graph->n_atoms, sizeof *heavy); /* number among heavy atoms */
    uint16_t n_heavy = 0;

    m->bearer = cg_alloc_array(graph->n_atoms, sizeof *m->bearer);
    if (!heavy || !m->bearer) {
        free(heavy);
        return cg_fail_nomem(err, "hydrogens");
    }
    for (size_t i = 0; i < graph->n_atoms; i++) {
        heavy[i] = graph->atoms[i].element == 1 ? CG_NO_ATOM : n_heavy++;
        m->bearer[i] = CG_NO_ATOM;
    }
    for (size_t i = 0; i < graph->n_bonds; i++) {
        const cg_smiles_bond *b = &graph->bonds[i];

        if (heavy[b->first] == CG_NO_ATOM)
            m->bearer[b->first] = heavy[b->second];
        if (heavy[b->second] == CG_NO_ATOM)
            m->bearer[b->second] = heavy[b->first];
    }
    free(heavy);
    return CG_OK;
}

static cg_status molecule_init(const cg_molecule *mol, struct molecule *m, cg_error *err)
{
    const cg_molecule *all;

    CG_TRY(cg_hydrogens_create(mol, &m->hydrogens, err));
    all = cg_hydrogens_molecule(m->hydrogens);
    m->n_text = cg_molecule_n_atoms(mol);
    m->n_atoms = cg_molecule_n_atoms(all);
    CG_TRY(cg_mmff_tables_create(cg_molecule_smiles(all, NULL), CG_MMFF94, &m->tables, err));
    CG_TRY(find_bearers(cg_molecule_graph(all), m, err));
    m->fixed = calloc(m->n_atoms, 1);
    if (!m->fixed)
        return cg_fail_nomem(err, "hydrogens");
    memset(m->fixed, 1, m->n_text);
    return CG_OK;
}

/* Copies the hydrogens of the record of conformer c to xyz [n_atoms]; 0 if it lacks one. Which of
 * the hydrogens of an atom is which does not matter to the energy. */
static int copy_hydrogens(const struct molecule *m, const cg_relaxation_input *in, size_t c,
                          uint8_t *taken, double (*xyz)[3])
{
    const cg_bound_hydrogen *bound = in->bound + in->bound_first[c];
    const size_t n = in->bound_first[c + 1] - in->bound_first[c];
    const cg_smiles *graph = cg_molecule_graph(cg_hydrogens_molecule(m->hydrogens));

    memset(taken, 0, n);
    for (size_t i = 0; i < m->n_atoms; i++) {
        size_t k = 0;

        if (graph->atoms[i].element != 1)
            continue;
        while (k < n && (taken[k] || bound[k].heavy != m->bearer[i]))
            k++;
        if (k == n)
            return 0;
        taken[k] = 1;
        for (int j = 0; j < 3; j++)
            xyz[i][j] = (double)bound[k].xyz[j];
    }
    return 1;
}

static int is_known(const double (*xyz)[3], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(xyz[i][0]))
            return 0;
    return 1;
}

/* Coordinates of the conformers that can be measured. Zero first; conformers_finish(). */
struct conformers {
    size_t n, n_lacking;
    double *xyz;  /* [n][n_atoms][3], those that lack hydrogens first */
    size_t *from; /* [n] number of the conformer */
};

static void conformers_finish(struct conformers *c)
{
    free(c->xyz);
    free(c->from);
}

/* Collects the conformers that lack hydrogens or, with `complete`, the others. */
static cg_status collect(const struct molecule *m, const cg_relaxation_input *in, int complete,
                         uint8_t *taken, struct conformers *c, cg_error *err)
{
    for (size_t i = 0; i < in->n; i++) {
        double(*xyz)[3] = (double(*)[3])(c->xyz + c->n * m->n_atoms * 3);
        const float(*text)[3] = in->xyz + i * m->n_text;

        for (size_t k = 0; k < m->n_text; k++)
            for (int j = 0; j < 3; j++)
                xyz[k][j] = (double)text[k][j];
        if (copy_hydrogens(m, in, i, taken, xyz) != complete)
            continue;
        if (!complete) {
            for (size_t k = 0; k < m->n_text; k++) /* hydrogens among them */
                for (int j = 0; j < 3; j++)
                    xyz[k][j] = (double)text[k][j];
            if (!is_known((const double(*)[3])xyz, m->n_text))
                continue;
            CG_TRY(cg_hydrogens_place(m->hydrogens, xyz, err));
            c->n_lacking++;
        }
        c->from[c->n++] = i;
    }
    return CG_OK;
}

static cg_status measure(const struct molecule *m, const cg_relaxation_input *in,
                         struct conformers *c, float *ret_energies, cg_error *err)
{
    cg_minimizer_options hydrogens_only = cg_minimizer_defaults;
    cg_minimized *minimized = cg_alloc_array(in->n, sizeof *minimized);
    cg_status st;

    if (!minimized)
        return cg_fail_nomem(err, "minimisation");
    hydrogens_only.fixed = m->fixed;
    if (c->n_lacking)
        CG_TRY_GOTO(
            st, cg_mmff_minimize(m->tables, &hydrogens_only, c->n_lacking, c->xyz, minimized, err),
            out);
    CG_TRY_GOTO(
        st, cg_mmff_minimize(m->tables, &cg_minimizer_defaults, c->n, c->xyz, minimized, err), out);
    for (size_t i = 0; i < c->n; i++)
        ret_energies[c->from[i]] = (float)(minimized[i].before - minimized[i].after);
out:
    free(minimized);
    return st;
}

cg_status cg_relaxation_measure(const cg_relaxation_input *in, float *ret_energies, cg_error *err)
{
    struct molecule m = { 0 };
    struct conformers c = { 0 };
    uint8_t *taken = NULL;
    size_t size, most = 0; /* hydrogens of a record */
    cg_status st;

    CG_TRY_GOTO(st, molecule_init(in->mol, &m, err), out);
    for (size_t i = 0; i < in->n; i++) {
        size_t n = in->bound_first[i + 1] - in->bound_first[i];

        most = n > most ? n : most;
        ret_energies[i] = NAN;
    }
    taken = cg_alloc_array(most, 1);
    c.from = cg_alloc_array(in->n, sizeof *c.from);
    /* One conformer more than is kept: the next one is assembled in its place. */
    if (!cg_mul(in->n + 1, m.n_atoms * 3, &size))
        c.xyz = cg_alloc_array(size, sizeof *c.xyz);
    if (!taken || !c.from || !c.xyz) {
        st = cg_fail_nomem(err, "relaxation energies");
        goto out;
    }
    CG_TRY_GOTO(st, collect(&m, in, 0, taken, &c, err), out);
    CG_TRY_GOTO(st, collect(&m, in, 1, taken, &c, err), out);
    if (c.n)
        st = measure(&m, in, &c, ret_energies, err);
out:
    free(taken);
    conformers_finish(&c);
    molecule_finish(&m);
    return st;
}
