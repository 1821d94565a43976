/* SPDX-License-Identifier: MIT */
/* Ranges of bond angles by the central atom and rings. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "chem/angles.h"
#include "molecule_made.h"
#include "scratch.h"

static cg_angles find(const cg_molecule *mol)
{
    cg_error err = CG_ERROR_INIT;
    cg_angles angles = { 0 };

    ck_assert_msg(cg_angles_find(mol, &angles, &err) == CG_OK, "%s", err.msg);
    return angles;
}

/* Canonical SMILES; the atoms of one angle, and its range. -1, -1: the angle has none. */
static const struct {
    const char *smiles;
    uint32_t first, centre, second;
    int low, high;
} cases[] = {
    { "CC#N", 0, 1, 2, 160, 180 },
    { "C#CC", 0, 1, 2, 160, 180 },
    { "O=C=O", 0, 1, 2, 160, 180 },
    { "C=C=C", 0, 1, 2, 160, 180 },
    { "CN=[N+]=[N-]", 1, 2, 3, 160, 180 },
    { "CN=[N+]=[N-]", 0, 1, 2, 100, 145 },
    { "C=[N+]=[N-]", 0, 1, 2, 160, 180 },
    { "CN=C=S", 1, 2, 3, 160, 180 },
    { "CN=C=S", 0, 1, 2, 95, 180 },
    { "CN=C=O", 1, 2, 3, 160, 180 },
    { "C=C=O", 0, 1, 2, 160, 180 },
    { "[C-]#[N+]C", 0, 1, 2, 160, 180 },
    { "C1#CCCCCCC1", 0, 1, 2, 140, 180 },
    { "C1#CCCCCCCC1", 0, 1, 2, 150, 180 },
    { "C1#CCCCCCCCCC1", 0, 1, 2, 160, 180 },
    { "O=S=O", 0, 1, 2, 76, 145 }, /* bent */
    { "C=CC", 0, 1, 2, 100, 145 },
    { "CC(C)=O", 0, 1, 2, 100, 145 },
    { "CN=NC", 0, 1, 2, 100, 145 },
    { "C[N+](=O)[O-]", 0, 1, 2, 100, 145 },
    { "CB(O)O", 0, 1, 2, 100, 145 },
    { "c1ccccc1", 0, 1, 2, 100, 145 },
    { "c1cc[nH]c1", 0, 1, 2, 90, 130 },
    { "CCC", 0, 1, 2, 88, 135 },
    { "COC", 0, 1, 2, 88, 145 },
    { "CNC", 0, 1, 2, 88, 145 },
    { "CSC", 0, 1, 2, 76, 145 },
    { "C1CC1", 0, 1, 2, 40, 85 },
    { "C1CCC1", 0, 1, 2, 65, 116 },
    { "C1CCCC1", 0, 1, 2, 78, 130 },
    { "CC1CC1", 0, 1, 2, 88, 155 },
    { "C=C1CC1", 0, 1, 2, 100, 170 },
    { "C=C1CCC1", 0, 1, 2, 100, 165 },
    { "[SiH3]O[SiH3]", 0, 1, 2, 95, 180 },
    { "CN=P(C)(C)C", 0, 1, 2, 95, 180 },
    { "FS(F)(F)(F)(F)F", 0, 1, 2, 158, 180 },
    { "FS(F)(F)(F)(F)F", 0, 1, 3, 72, 108 },
    { "F[P-](F)(F)(F)(F)F", 3, 1, 4, 158, 180 },
    { "FP(F)(F)(F)F", 0, 1, 2, 158, 180 },
    { "FP(F)(F)(F)F", 0, 1, 3, 72, 108 },
    { "FP(F)(F)(F)F", 3, 1, 4, 102, 138 },
    { "CP(C)(C)(F)F", 4, 1, 5, 158, 180 }, /* the axis is electronegative */
    { "CP(C)(C)(F)F", 0, 1, 4, 72, 108 },
    { "FS(F)(F)F", 0, 1, 2, 158, 180 },
    { "FS(F)(F)F", 3, 1, 4, 85, 138 },
    { "FI(F)c1ccccc1", 0, 1, 2, 158, 180 },
    { "FI(F)c1ccccc1", 0, 1, 3, 72, 108 },
    { "O=C1OI(O)c2ccccc21", 2, 3, 4, 158, 180 },
    { "c1ccc2c(c1)O[P-]13(O2)(Oc2ccccc2O1)Oc1ccccc1O3", 17, 7, 24, 72,
      108 }, /* no axis in a ring */
    { "O=C1OI(O)c2ccccc21", 2, 3, 5, 72, 108 },
    { "CS(C)(=O)=O", 0, 1, 2, 76, 145 },
    { "CP(C)(C)=O", 0, 1, 2, 76, 145 },
    { "[O-][Cl+3]([O-])([O-])[O-]", 0, 1, 2, 76, 145 },
};

START_TEST(ranges)
{
    cg_molecule *mol = parse(cases[_i].smiles);
    cg_angles angles = find(mol);
    int found = 0;

    ck_assert_str_eq(cg_molecule_smiles(mol, NULL), cases[_i].smiles);
    for (size_t i = 0; i < angles.n_angles; i++) {
        const cg_angle *a = &angles.angles[i];

        ck_assert(a->first < a->second && a->centre != a->first && a->centre != a->second);
        if (a->first != cases[_i].first || a->centre != cases[_i].centre ||
            a->second != cases[_i].second)
            continue;
        found++;
        ck_assert_msg((int)a->low == cases[_i].low && (int)a->high == cases[_i].high, "%s: %g, %g",
                      cases[_i].smiles, (double)a->low, (double)a->high);
    }
    ck_assert_msg(found == (cases[_i].low >= 0), "%s: %d", cases[_i].smiles, found);
    cg_angles_finish(&angles);
    cg_molecule_destroy(mol);
}
END_TEST

/* Number of angles and of planar trigonal carbons. */
START_TEST(counts)
{
    static const struct {
        const char *smiles;
        size_t angles, trigonal;
    } molecules[] = {
        { "C", 0, 0 },
        { "CC", 0, 0 },
        { "CCC", 1, 0 },
        { "CC(C)(C)C", 6, 0 },
        { "CC(C)=O", 3, 1 },
        { "C[N+](=O)[O-]", 3, 0 },
        { "c1ccccc1", 6, 0 },
        { "Cc1ccccc1", 8, 1 },
        { "c1ccc2ccccc2c1", 14, 0 }, /* 8 of one, 2 of three angles, all in rings */
        { "[Na+].[Cl-]", 0, 0 },
        { "CC(=O)[O-].[Na+]", 3, 1 },
    };

    for (size_t i = 0; i < sizeof molecules / sizeof molecules[0]; i++) {
        cg_molecule *mol = parse(molecules[i].smiles);
        cg_angles angles = find(mol);

        ck_assert_msg(angles.n_angles == molecules[i].angles &&
                          angles.n_trigonal == molecules[i].trigonal,
                      "%s: %zu angles, %zu trigonal", molecules[i].smiles, angles.n_angles,
                      angles.n_trigonal);
        cg_angles_finish(&angles);
        cg_molecule_destroy(mol);
    }
    cg_angles_finish(NULL);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("angles");

    tcase_add_loop_test(tc, ranges, 0, (int)(sizeof cases / sizeof cases[0]));
    tcase_add_test(tc, counts);
    return run_suite("angles", &tc, 1);
}
