/* SPDX-License-Identifier: MIT */
/*
 * Runs confgen's conformer checks, for tools/compare_posebusters.py. Prints one line per line of
 * standard input:
 *
 *     SMILES                       its canonical SMILES
 *     SMILES <TAB> x y z x y z...  tests done (names with commas); "pass", "unchecked" or the
 *                                  tests failed; the first failure with its values; tab-separated
 *
 * Coordinates are of the atoms of the canonical SMILES in ångström, in its order. On failure the
 * line is "error", a tab and the reason. With --time each conformer is checked 1000 times, and the
 * microseconds per check are appended.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "check/checker.h"

enum { REPEATS = 1000 };

static int read_coordinates(char *text, float (*xyz)[3], size_t n)
{
    char *end = text;

    for (size_t i = 0; i < 3 * n; i++) {
        xyz[i / 3][i % 3] = strtof(text, &end);
        if (end == text)
            return 0;
        text = end;
    }
    return strspn(end, " \n") == strlen(end);
}

static cg_status check(const cg_molecule *mol, char *coordinates, int timed, cg_error *err)
{
    float(*xyz)[3] = malloc((cg_molecule_n_atoms(mol) + 1) * sizeof *xyz);
    char failed[CG_CHECK_NAMES_MAX], done[CG_CHECK_NAMES_MAX];
    cg_checker *checker = NULL;
    cg_verdict v;
    double t;
    cg_status st;

    CG_TRY_GOTO(st, cg_checker_create(mol, &checker, err), out);
    if (!xyz || !read_coordinates(coordinates, xyz, cg_molecule_n_atoms(mol))) {
        st = CG_ERR_INPUT;
        goto out;
    }
    t = cg_now();
    for (int i = 0; i < (timed ? REPEATS : 1); i++)
        CG_TRY_GOTO(st, cg_checker_run(checker, (const float(*)[3])xyz, &v, err), out);
    t = cg_now() - t;
    cg_check_join_names(v.done, done, sizeof done);
    cg_check_outcome(v.failed, v.unchecked, failed, sizeof failed);
    printf("%s\t%s\t%s", done, failed, v.detail);
    if (timed)
        printf("\t%.3f", t / REPEATS * 1e6);
    putchar('\n');
out:
    cg_checker_destroy(checker);
    free(xyz);
    return st;
}

int main(int argc, char **argv)
{
    int timed = argc > 1 && !strcmp(argv[1], "--time");
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    while ((len = getline(&line, &cap, stdin)) > 0) {
        char *tab = strchr(line, '\t');
        cg_error err = CG_ERROR_INIT;
        cg_molecule *mol = NULL;
        cg_status st;

        st = cg_molecule_parse(line, tab ? (size_t)(tab - line) : strcspn(line, "\n"), &mol, &err);
        if (st == CG_OK && tab)
            st = check(mol, tab + 1, timed, &err);
        else if (st == CG_OK)
            puts(cg_molecule_smiles(mol, NULL));
        if (st != CG_OK)
            printf("error\t%s\n", *err.msg ? err.msg : "wanted three coordinates per atom");
        cg_molecule_destroy(mol);
        fflush(stdout);
    }
    free(line);
    return 0;
}
