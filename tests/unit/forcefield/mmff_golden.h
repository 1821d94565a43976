/* SPDX-License-Identifier: MIT */
/** @file mmff_golden.h  The molecules of tests/golden/mmff.json. Test code only. */
#ifndef CG_TEST_MMFF_GOLDEN_H
#define CG_TEST_MMFF_GOLDEN_H

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "forcefield/mmff_parameters.h"

static const char *const golden_variants[] = { "MMFF94", "MMFF94s" };

typedef struct golden_molecule {
    const char *smiles; /* owned by golden_file */
    size_t n_atoms;
    double (*xyz)[3];
    double parts[2][CG_MMFF_PARTS], minimised[2]; /* by cg_mmff_variant */
} golden_molecule;

static json_t *golden_file;
static golden_molecule *golden;
static size_t n_golden;

static inline void golden_load(void)
{
    char path[512];
    json_error_t error;
    json_t *list, *entry;
    size_t k;

    snprintf(path, sizeof path, "%s/tests/golden/mmff.json", getenv("CONFGEN_SOURCE_ROOT"));
    golden_file = json_load_file(path, 0, &error);
    ck_assert_msg(golden_file != NULL, "%s: %s", path, error.text);
    list = json_object_get(golden_file, "molecules");
    n_golden = json_array_size(list);
    golden = calloc(n_golden, sizeof *golden);
    json_array_foreach(list, k, entry)
    {
        json_t *xyz = json_object_get(entry, "xyz");
        golden_molecule *m = &golden[k];

        m->smiles = json_string_value(json_object_get(entry, "smiles"));
        m->n_atoms = json_array_size(xyz);
        m->xyz = calloc(m->n_atoms, sizeof *m->xyz);
        for (size_t i = 0; i < m->n_atoms; i++)
            for (size_t axis = 0; axis < 3; axis++)
                m->xyz[i][axis] = json_number_value(json_array_get(json_array_get(xyz, i), axis));
        for (int v = 0; v < 2; v++) {
            json_t *energies = json_object_get(entry, golden_variants[v]);

            for (size_t part = 0; part < CG_MMFF_PARTS; part++)
                m->parts[v][part] =
                    json_number_value(json_array_get(json_object_get(energies, "parts"), part));
            m->minimised[v] = json_number_value(json_object_get(energies, "minimised"));
        }
    }
}

static inline void golden_free(void)
{
    for (size_t k = 0; k < n_golden; k++)
        free(golden[k].xyz);
    free(golden);
    json_decref(golden_file);
}

static inline cg_mmff_tables *golden_tables(const golden_molecule *m, int variant)
{
    cg_error err = CG_ERROR_INIT;
    cg_mmff_tables *t = NULL;

    ck_assert_msg(cg_mmff_tables_create(m->smiles, (cg_mmff_variant)variant, &t, &err) == CG_OK,
                  "%s", err.msg);
    ck_assert_int_eq(t->n_atoms, (int32_t)m->n_atoms);
    return t;
}

#endif
