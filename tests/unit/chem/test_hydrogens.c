/* SPDX-License-Identifier: MIT */
/* The molecule with all hydrogens as atoms is the same molecule, and hydrogens are near the atoms
 * that bear them. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/hydrogens.h"
#include "chem/molblock.h"
#include "chem/rdkit_c.h"
#include "chem/stereo.h"
#include "molecule_made.h"
#include "scratch.h"

static cg_hydrogens *hydrogens(const cg_molecule *mol)
{
    cg_error err = CG_ERROR_INIT;
    cg_hydrogens *h = NULL;

    ck_assert_msg(cg_hydrogens_create(mol, &h, &err) == CG_OK, "%s", err.msg);
    return h;
}

static const struct {
    const char *smiles;
    size_t n_hydrogens; /* added */
} molecules[] = {
    { "CO", 4 },
    { "[13CH3:2][NH3+]", 6 },
    { "[BH4-]", 4 },
    { "[BH4-].[Na+]", 4 },
    { "[NH4+].[Cl-]", 4 },
    { "O", 2 },
    { "[Cl-].[Na+]", 0 },
    { "C#CC#N", 1 },
    { "[2H]C([2H])O", 2 },
    { "[2H][C@H](F)Cl", 1 },
    { "[2H][C@](C)(O)N", 6 },
    { "[H]/N=C(/C)N", 5 },
    { "[H]/N=N/C", 3 },
    { "O=C1C=C[NH]C=C1", 5 },
    { "c1cc[nH]c1", 5 },
    { "N[C@@H](C)C(=O)O", 7 },
    { "[C@H](F)(Cl)Br", 1 },
    { "[C@@H]1(F)CCO1", 5 },
    { "C[C@H]1CCO1", 8 },
    { "C1C[C@H](C)[S@+](C)C1", 13 },
    { "C[S@](=O)CC", 8 },
    { "C[P@@H](=O)CC", 9 },
    { "C[Si@H](F)CC", 9 },
    { "C[C@H]1C[N@]1C", 9 },
    { "C[N@@H+](CC)CCC", 16 },
    { "F/C=C/F", 2 },
    { "C/C=C/[C@@H](O)/C=C\\C", 12 },
    { "OC[C@H]1O[C@@H](O)[C@H](O)[C@@H](O)[C@@H]1O", 12 },
    { "O=c1cccc2n1C[C@@H]1CNC[C@@H]2C1", 14 },
    { "C[C@H]1CC[C@@H](C)CC1", 16 },
    { "S[SH](F)(F)(F)F", 2 },
    { "C=C=C", 4 },
    { "CC(C)(C)c1ccc(cc1)/C=N/O", 15 },
};

/* Atoms of the text keep their numbers; hydrogens follow in the order of the atoms that bear them.
 */
START_TEST(the_same_molecule)
{
    cg_molecule *mol = parse(molecules[_i].smiles);
    const cg_smiles *g = cg_molecule_graph(mol), *full;
    cg_hydrogens *h = hydrogens(mol);
    const cg_molecule *with = cg_hydrogens_molecule(h);
    char reason[64] = "", *canonical;
    uint32_t bearer = 0;

    full = cg_molecule_graph(with);
    canonical = cgrd_canonical_smiles(cg_molecule_smiles(with, NULL), reason, sizeof reason);
    ck_assert_msg(canonical != NULL, "%s: %s", cg_molecule_smiles(with, NULL), reason);
    ck_assert_str_eq(canonical, cg_molecule_smiles(mol, NULL));
    ck_assert_uint_eq(full->n_atoms, g->n_atoms + molecules[_i].n_hydrogens);
    ck_assert_uint_eq(cg_molecule_n_fragments(with), cg_molecule_n_fragments(mol));
    ck_assert_uint_eq(cg_molecule_n_heavy(with), cg_molecule_n_heavy(mol));
    ck_assert_int_eq(cg_molecule_charge(with), cg_molecule_charge(mol));
    for (size_t i = 0; i < full->n_atoms; i++) {
        const cg_smiles_atom *a = &full->atoms[i];

        ck_assert_uint_eq(a->n_h, 0);
        ck_assert_uint_eq(a->element, i < g->n_atoms ? g->atoms[i].element : 1);
        ck_assert_uint_eq(a->isotope, i < g->n_atoms ? g->atoms[i].isotope : 0);
        ck_assert_int_eq(a->charge, i < g->n_atoms ? g->atoms[i].charge : 0);
    }
    for (size_t b = 0; b < full->n_bonds; b++)
        if (full->bonds[b].second >= g->n_atoms) {
            ck_assert_uint_ge(full->bonds[b].first, bearer);
            bearer = full->bonds[b].first;
        }
    free_ptr(canonical);
    cg_hydrogens_destroy(h);
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(smiles_with_hydrogens_last)
{
    cg_molecule *mol = parse("N[13C@@H]([O-])F");
    cg_hydrogens *h = hydrogens(mol);

    ck_assert_str_eq(cg_molecule_smiles(mol, NULL), "N[13C@@H]([O-])F");
    ck_assert_str_eq(cg_molecule_smiles(cg_hydrogens_molecule(h), NULL),
                     "[N]%(100)%(101)[13C@@]%(102)([O-])[F].[H]%(100).[H]%(101).[H]%(102)");
    cg_hydrogens_destroy(h);
    cg_hydrogens_destroy(NULL);
    cg_molecule_destroy(mol);
}
END_TEST

static double distance(const double a[3], const double b[3])
{
    return hypot(hypot(a[0] - b[0], a[1] - b[1]), a[2] - b[2]);
}

/* Line n of a text, from 0. */
static const char *nth_line(const char *text, int n)
{
    while (n-- > 0)
        text = strchr(text, '\n') + 1;
    return text;
}

START_TEST(hydrogens_are_placed)
{
    double xyz[6][3] = { { 0.0, 0.0, 0.0 }, { 1.43, 0.0, 0.0 } };
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = parse("CO");
    cg_hydrogens *h = hydrogens(mol);
    cg_molblock *block = NULL;
    char text[1024];
    size_t len;

    ck_assert_int_eq(cg_hydrogens_place(h, xyz, &err), CG_OK);
    ck_assert_double_eq(xyz[1][0], 1.43);
    for (int i = 2; i < 6; i++) {
        double r = distance(xyz[i], xyz[i < 5 ? 0 : 1]);

        ck_assert(r > 0.9 && r < 1.2);
        for (int j = 2; j < i; j++)
            ck_assert_double_gt(distance(xyz[i], xyz[j]), 1.5);
    }
    ck_assert_int_eq(cg_molblock_create(cg_hydrogens_molecule(h), &block, &err), CG_OK);
    ck_assert_int_eq(
        cg_molblock_write(block, "name", 4, (const double(*)[3])xyz, text, sizeof text, &len, &err),
        CG_OK);
    ck_assert_int_eq(strncmp(text, "name\n   confgen          3D\n", 28), 0);
    ck_assert_int_eq(strncmp(nth_line(text, 3), "  6  5", 6), 0);
    ck_assert_int_eq(nth_line(text, 4)[31], 'C');
    ck_assert_int_eq(nth_line(text, 5)[31], 'O');
    for (int i = 6; i < 10; i++)
        ck_assert_int_eq(nth_line(text, i)[31], 'H');
    cg_molblock_destroy(block);
    cg_hydrogens_destroy(h);
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(a_system_library_has_no_hydrogens)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = parse("CO");
    cg_hydrogens *h = NULL;

    ck_assert_int_eq(cg_hydrogens_create(mol, &h, &err), CG_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(err.msg, "cannot place hydrogens"));
    ck_assert_ptr_null(h);
    cg_molecule_destroy(mol);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("hydrogens");

    if (CG_RDKIT_ADAPTER) {
        tcase_add_loop_test(tc, the_same_molecule, 0, sizeof molecules / sizeof *molecules);
        tcase_add_test(tc, smiles_with_hydrogens_last);
        tcase_add_test(tc, hydrogens_are_placed);
    } else {
        tcase_add_test(tc, a_system_library_has_no_hydrogens);
    }
    return run_suite("chem_hydrogens", &tc, 1);
}
