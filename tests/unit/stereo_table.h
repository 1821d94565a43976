/* SPDX-License-Identifier: MIT */
/*
 * The molecules of tests/data/chem/stereo.tsv: every kind of stereocentre and double bond, with
 * coordinates that RDKit from PyPI embedded (make_stereo.py there describes the file).
 */
#ifndef CG_TESTS_STEREO_TABLE_H
#define CG_TESTS_STEREO_TABLE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/molecule.h"

enum { STEREO_ATOMS = 64 };

struct stereo_row {
    char *line;         /* owns the texts */
    const char *smiles; /* as it was embedded */
    cg_molecule *mol;   /* parsed from `smiles` */
    size_t n_centres, n_bonds;
    int mirror_is_same;         /* the mirror image is the same molecule */
    int swapped_is_same;        /* likewise that with every double bond inverted */
    float xyz[STEREO_ATOMS][3]; /* in the order of the canonical SMILES */
    int has_swapped;
    float swapped[STEREO_ATOMS][3]; /* every double bond has the other configuration */
};

static inline void stereo_row_read_xyz(const char *text, float (*xyz)[3], size_t n)
{
    char *end;

    ck_assert_uint_le(n, STEREO_ATOMS);
    for (size_t i = 0; i < 3 * n; i++, text = end) {
        xyz[i / 3][i % 3] = strtof(text, &end);
        ck_assert_ptr_ne(text, end);
    }
}

static inline FILE *stereo_table_open(void)
{
    const char *root = getenv("CONFGEN_SOURCE_ROOT");
    char path[4096];
    FILE *f;

    ck_assert_msg(root != NULL, "CONFGEN_SOURCE_ROOT is not set");
    snprintf(path, sizeof path, "%s/tests/data/chem/stereo.tsv", root);
    f = fopen(path, "r");
    ck_assert_msg(f != NULL, "cannot open %s", path);
    return f;
}

/* The next molecule; 0 at the end. The row is reused. */
static inline int stereo_row_read(FILE *f, struct stereo_row *row)
{
    char *field[8], *next;
    size_t cap = 0;
    cg_error err = CG_ERROR_INIT;

    free(row->line);
    cg_molecule_destroy(row->mol);
    *row = (struct stereo_row) { 0 };
    if (getline(&row->line, &cap, f) <= 0) {
        free(row->line);
        return 0;
    }
    row->line[strcspn(row->line, "\n")] = '\0';
    next = row->line;
    for (int i = 0; i < 8; i++) {
        ck_assert_ptr_nonnull(next);
        field[i] = strsep(&next, "\t");
    }
    row->smiles = field[0];
    ck_assert_msg(cg_molecule_parse(field[0], strlen(field[0]), &row->mol, &err) == CG_OK, "%s: %s",
                  field[0], err.msg);
    ck_assert_str_eq(cg_molecule_smiles(row->mol, NULL), field[1]);
    row->n_centres = strtoul(field[2], NULL, 10);
    row->n_bonds = strtoul(field[3], NULL, 10);
    row->mirror_is_same = *field[4] == '1';
    row->swapped_is_same = *field[5] == '1';
    stereo_row_read_xyz(field[6], row->xyz, cg_molecule_n_atoms(row->mol));
    row->has_swapped = strcmp(field[7], "-") != 0;
    if (row->has_swapped)
        stereo_row_read_xyz(field[7], row->swapped, cg_molecule_n_atoms(row->mol));
    return 1;
}

/* z to -z of all atoms. */
static inline void stereo_row_mirror(struct stereo_row *row)
{
    for (size_t i = 0; i < cg_molecule_n_atoms(row->mol); i++)
        row->xyz[i][2] = -row->xyz[i][2];
}

#endif
