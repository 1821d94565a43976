/* SPDX-License-Identifier: MIT */
/*
 * mmff_conformers VARIANT THREADS parts|minimize [ROUNDS GRADIENT] <INPUT >OUTPUT
 *
 * Energies or minima of given conformers, for tools/study/compare_mmff.py. INPUT has for each
 * molecule a line "SMILES ATOMS CONFORMERS", all hydrogens in the SMILES, and then the coordinates,
 * raw doubles, Å. OUTPUT has raw doubles for each molecule:
 *
 *   parts     the parts of the energy of each conformer
 *   minimize  energy before and after, gradient, rounds and convergence of each conformer, and
 *             their coordinates
 *
 * and nothing for a molecule without parameters, which is named on stderr. The last line of stderr
 * is the time from SMILES to results and the processor time in it, in seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/pool.h"
#include "forcefield/mmff_energy.h"
#include "forcefield/mmff_minimizer.h"
#include "forcefield/mmff_parameters.h"

enum { MAX_MOLECULES = 100000 };

struct molecule {
    char smiles[4000];
    size_t n_atoms, n;
    double *xyz, *parts;
    cg_minimized *minimized;
    cg_error err;
};

static cg_mmff_variant variant;
static int minimize;
static cg_minimizer_options options;

static void process(void *ctx, int64_t i, int worker)
{
    struct molecule *m = ((struct molecule **)ctx)[i];
    cg_mmff_tables *t = NULL;

    (void)worker;
    if (cg_mmff_tables_create(m->smiles, variant, &t, &m->err) != CG_OK)
        return;
    if (t->n_atoms != (int32_t)m->n_atoms)
        abort();
    for (size_t k = 0; k < m->n && !minimize; k++)
        cg_mmff_energy(t, (const double(*)[3])(m->xyz + k * 3 * m->n_atoms),
                       m->parts + k * CG_MMFF_PARTS, NULL);
    if (minimize && cg_mmff_minimize(t, &options, m->n, m->xyz, m->minimized, &m->err) != CG_OK)
        abort();
    cg_mmff_tables_destroy(t);
}

static struct molecule *read_molecule(void)
{
    struct molecule *m = calloc(1, sizeof *m);

    if (!m || scanf("%3999s %zu %zu", m->smiles, &m->n_atoms, &m->n) != 3 || getchar() != '\n') {
        free(m);
        return NULL;
    }
    m->xyz = malloc(m->n * m->n_atoms * 3 * sizeof *m->xyz);
    m->parts = calloc(m->n * CG_MMFF_PARTS, sizeof *m->parts);
    m->minimized = calloc(m->n, sizeof *m->minimized);
    if (!m->xyz || !m->parts || !m->minimized ||
        fread(m->xyz, sizeof *m->xyz, m->n * m->n_atoms * 3, stdin) != m->n * m->n_atoms * 3)
        abort();
    return m;
}

static void write_molecule(const struct molecule *m)
{
    if (m->err.code != CG_OK) {
        fprintf(stderr, "%s\n", m->err.msg);
        return;
    }
    if (!minimize) {
        fwrite(m->parts, sizeof *m->parts, m->n * CG_MMFF_PARTS, stdout);
        return;
    }
    for (size_t k = 0; k < m->n; k++) {
        const cg_minimized *z = &m->minimized[k];
        double row[] = { z->before, z->after, z->gradient, z->rounds, z->converged };

        fwrite(row, sizeof row, 1, stdout);
    }
    fwrite(m->xyz, sizeof *m->xyz, m->n * m->n_atoms * 3, stdout);
}

static double seconds(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    static struct molecule *molecules[MAX_MOLECULES];
    int64_t n = 0;
    cg_team *team;
    double start, cpu;

    if (argc < 4)
        return 2;
    variant = strcmp(argv[1], "MMFF94s") == 0 ? CG_MMFF94S : CG_MMFF94;
    minimize = strcmp(argv[3], "minimize") == 0;
    options = cg_minimizer_defaults;
    if (argc > 4)
        options.max_rounds = atoi(argv[4]);
    if (argc > 5)
        options.gradient = atof(argv[5]);
    while (n < MAX_MOLECULES && (molecules[n] = read_molecule()) != NULL)
        n++;
    if (cg_team_create(atoi(argv[2]), &team, NULL) != CG_OK)
        return 3;
    start = seconds(CLOCK_MONOTONIC);
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
    cg_team_loop(team, n, process, molecules);
    start = seconds(CLOCK_MONOTONIC) - start;
    cpu = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    cg_team_destroy(team);
    for (int64_t i = 0; i < n; i++) {
        write_molecule(molecules[i]);
        free(molecules[i]->xyz);
        free(molecules[i]->parts);
        free(molecules[i]->minimized);
        free(molecules[i]);
    }
    fprintf(stderr, "%.3f %.3f\n", start, cpu);
    return 0;
}
