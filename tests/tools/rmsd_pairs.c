/* SPDX-License-Identifier: MIT */
/*
 * All RMSDs of two sets of conformers, for tools/bench/compare_rmsd.py.
 *
 *   rmsd_pairs --maps < SMILES
 *       Prints per line: canonical SMILES, number of maps by the plain and by the conjugated rule,
 *       1 if limited.
 *   rmsd_pairs best|plain < JSON
 *       Reads per line {"smiles": canonical, "a": [[x, y, z, ...], ...], "b": ...} with the heavy
 *       atoms in the order of the SMILES. Prints {"maps", "seconds" (processor time of one matrix),
 *       "min_seconds" (of its minima), "pruned" (pairs, for the minima), "rmsd": [n_a * n_b]}.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "eval/rmsd.h"

enum { MAX_MAPS = 10000 };
static const double measured_seconds = 0.01;

/* Processor time of this thread: independent of other load. */
static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void stop(const char *what, const cg_error *err)
{
    fprintf(stderr, "rmsd_pairs: %s: %s\n", what, err->msg);
    exit(1);
}

static void print_maps(const char *smiles)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;
    cg_symmetry plain = { 0 }, conjugated = { 0 };

    if (cg_molecule_parse(smiles, strlen(smiles), &mol, &err) != CG_OK ||
        cg_symmetry_find(mol, CG_SYMMETRY_PLAIN, MAX_MAPS, &plain, &err) != CG_OK ||
        cg_symmetry_find(mol, CG_SYMMETRY_CONJUGATED, MAX_MAPS, &conjugated, &err) != CG_OK)
        stop(smiles, &err);
    printf("%s\t%zu\t%zu\t%d\n", cg_molecule_smiles(mol, NULL), plain.n_maps, conjugated.n_maps,
           plain.limited || conjugated.limited);
    cg_symmetry_finish(&plain);
    cg_symmetry_finish(&conjugated);
    cg_molecule_destroy(mol);
}

static cg_rmsd_set *read_set(const json_t *list, size_t n_atoms)
{
    cg_error err = CG_ERROR_INIT;
    size_t n = json_array_size(list);
    float *xyz = malloc(n * n_atoms * 3 * sizeof *xyz);
    cg_rmsd_set *set = NULL;

    if (!xyz)
        abort();
    for (size_t i = 0; i < n; i++) {
        const json_t *c = json_array_get(list, i);

        if (json_array_size(c) != n_atoms * 3)
            stop("found a conformer with another number of atoms", &err);
        for (size_t k = 0; k < n_atoms * 3; k++)
            xyz[i * n_atoms * 3 + k] = (float)json_number_value(json_array_get(c, k));
    }
    if (cg_rmsd_set_create((const float(*)[3])xyz, n, n_atoms, &set, &err) != CG_OK)
        stop("conformers", &err);
    free(xyz);
    return set;
}

static void compare(const char *smiles, const json_t *request, cg_symmetry_rule rule)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;
    cg_symmetry symmetry = { 0 };
    cg_rmsd_count count = { 0 };
    cg_rmsd_set *a, *b;
    size_t na = json_array_size(json_object_get(request, "a"));
    size_t nb = json_array_size(json_object_get(request, "b"));
    float *rmsd = malloc((na * nb + na + nb) * sizeof *rmsd);
    double start, seconds, min_seconds;
    int rounds = 0;

    if (!rmsd)
        abort();
    if (cg_molecule_parse(smiles, strlen(smiles), &mol, &err) != CG_OK ||
        cg_symmetry_find(mol, rule, MAX_MAPS, &symmetry, &err) != CG_OK)
        stop(smiles, &err);
    if (strcmp(cg_molecule_smiles(mol, NULL), smiles)) {
        fprintf(stderr, "rmsd_pairs: '%s' is not canonical\n", smiles);
        exit(1);
    }
    a = read_set(json_object_get(request, "a"), symmetry.n_atoms);
    b = read_set(json_object_get(request, "b"), symmetry.n_atoms);
    start = now();
    do {
        if (cg_rmsd_minima(a, b, &symmetry, NULL, rmsd, rmsd + na, &count, &err) != CG_OK)
            stop(smiles, &err);
        rounds++;
    } while ((min_seconds = now() - start) < measured_seconds);
    min_seconds /= rounds;
    start = now();
    rounds = 0;
    do {
        if (cg_rmsd_matrix(a, b, &symmetry, rmsd, &err) != CG_OK)
            stop(smiles, &err);
        rounds++;
    } while ((seconds = now() - start) < measured_seconds);
    seconds /= rounds;
    printf("{\"maps\":%zu,\"seconds\":%.9g,\"min_seconds\":%.9g,\"pruned\":%llu,\"rmsd\":[",
           symmetry.n_maps, seconds, min_seconds, (unsigned long long)count.pruned);
    for (size_t i = 0; i < na * nb; i++)
        printf("%s%.9g", i ? "," : "", (double)rmsd[i]);
    printf("]}\n");
    free(rmsd);
    cg_rmsd_set_destroy(a);
    cg_rmsd_set_destroy(b);
    cg_symmetry_finish(&symmetry);
    cg_molecule_destroy(mol);
}

int main(int argc, char **argv)
{
    const char *mode = argc == 2 ? argv[1] : "";
    char *line = NULL;
    size_t cap = 0;

    if (strcmp(mode, "--maps") && strcmp(mode, "best") && strcmp(mode, "plain")) {
        fprintf(stderr, "rmsd_pairs --maps|best|plain\n");
        return 2;
    }
    while (getline(&line, &cap, stdin) > 0) {
        json_t *request;

        line[strcspn(line, "\r\n")] = '\0';
        if (!strcmp(mode, "--maps")) {
            print_maps(line);
            continue;
        }
        request = json_loads(line, 0, NULL);
        if (!json_is_string(json_object_get(request, "smiles"))) {
            fprintf(stderr, "rmsd_pairs: found a line without \"smiles\", wanted a request\n");
            return 1;
        }
        compare(json_string_value(json_object_get(request, "smiles")), request,
                strcmp(mode, "plain") ? CG_SYMMETRY_CONJUGATED : CG_SYMMETRY_PLAIN);
        fflush(stdout);
        json_decref(request);
    }
    free(line);
    return 0;
}
