/* SPDX-License-Identifier: MIT */
/* SYBYL types of the heavy atoms of small molecules, and of their bonds. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "chem/hydrogens.h"
#include "chem/sybyl.h"
#include "molecule_made.h"

/* The SMILES is canonical: types are in its order, those of bonds in the order of the text. */
static const struct {
    const char *smiles, *atoms, *bonds;
} molecules[] = {
    { "C=CC", "C.2 C.2 C.3", "2 1" },
    { "C=C=C", "C.2 C.1 C.2", "2 2" },
    { "CC#N", "C.3 C.1 N.1", "1 3" },
    { "[C-]#[N+]C", "C.1 N.1 C.3", "3 1" },
    { "C[NH3+]", "C.3 N.4", "1" },
    { "NN", "N.3 N.3", "1" },
    { "CC(N)=O", "C.3 C.2 N.am O.2", "1 am 2" },
    { "CC(N)=S", "C.3 C.2 N.am S.2", "1 am 2" },
    { "CC(=O)[O-]", "C.3 C.2 O.co2 O.co2", "1 2 1" },
    { "CC(=O)O", "C.3 C.2 O.2 O.3", "1 2 1" },
    { "CNC(N)=[NH2+]", "C.3 N.pl3 C.cat N.pl3 N.pl3", "1 1 1 2" },
    { "CC(N)=[NH2+]", "C.3 C.2 N.pl3 N.pl3", "1 1 2" },
    { "CN=C(N)N", "C.3 N.2 C.2 N.pl3 N.pl3", "1 2 1 1" },
    { "CN=[N+]=[N-]", "C.3 N.2 N.1 N.2", "1 2 2" },
    { "C[N+](=O)[O-]", "C.3 N.pl3 O.2 O.2", "1 2 1" },
    { "C[N+](C)(C)[O-]", "C.3 N.4 C.3 C.3 O.3", "1 1 1 1" },
    { "CS(C)=O", "C.3 S.O C.3 O.2", "1 1 2" },
    { "C[S+](C)[O-]", "C.3 S.O C.3 O.3", "1 1 1" },
    { "CS(N)(=O)=O", "C.3 S.O2 N.3 O.2 O.2", "1 1 2 2" },
    { "CS(=O)(=O)[O-]", "C.3 S.O2 O.2 O.2 O.3", "1 2 2 1" },
    { "CS(=N)N", "C.3 S.3 N.2 N.3", "1 2 1" },
    { "CSC", "C.3 S.3 C.3", "1 1" },
    { "O=P([O-])([O-])O", "O.co2 P.3 O.co2 O.co2 O.3", "2 1 1 1" },
    { "O=P(O)(O)O", "O.2 P.3 O.3 O.3 O.3", "2 1 1 1" },
    { "C[Si](C)(C)Cl", "C.3 Si C.3 C.3 Cl", "1 1 1 1" },
    { "[Cl-].[Na+]", "Cl Na", "" },
    { "Nc1ccccc1", "N.pl3 C.ar C.ar C.ar C.ar C.ar C.ar", "1 ar ar ar ar ar ar" },
    { "C[n+]1ccccc1", "C.3 N.ar C.ar C.ar C.ar C.ar C.ar", "1 ar ar ar ar ar ar" },
    /* no aromatic ring of SYBYL: Kekulé structures */
    { "c1cc[nH]c1", "C.2 C.2 C.2 N.pl3 C.2", NULL },
    { "c1ccoc1", "C.2 C.2 C.2 O.3 C.2", NULL },
    { "c1cc[o+]cc1", "C.2 C.2 C.2 O.2 C.2 C.2", NULL },
    { "O=c1cccc[nH]1", "O.2 C.2 C.2 C.2 C.2 C.2 N.am", NULL },
    { "c1ccc2c[nH]cc2c1", "C.2 C.2 C.2 C.2 C.2 N.pl3 C.2 C.2 C.2", NULL },
    /* indole: the ring of six is aromatic, a double bond of the other is its own */
    { "c1ccc2[nH]ccc2c1", "C.ar C.ar C.ar C.ar N.pl3 C.2 C.2 C.ar C.ar",
      "ar ar ar 1 1 2 1 ar ar ar" },
    { "c1ccc2ccccc2c1", "C.ar C.ar C.ar C.ar C.ar C.ar C.ar C.ar C.ar C.ar",
      "ar ar ar ar ar ar ar ar ar ar ar" },
};

/* The types of the first n, separated by blanks. */
static char *join(const char *const *types, size_t n)
{
    static char text[512];

    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        strcat(text, i ? " " : "");
        strcat(text, types[i]);
    }
    return text;
}

START_TEST(atoms_and_bonds_have_types)
{
    cg_molecule *mol = parse(molecules[_i].smiles);
    const size_t n = cg_molecule_n_atoms(mol), n_bonds = cg_molecule_graph(mol)->n_bonds;
    cg_error err = CG_ERROR_INIT;
    cg_hydrogens *h = NULL;
    cg_sybyl s = { 0 };
    int charge = 0;

    ck_assert_str_eq(cg_molecule_smiles(mol, NULL), molecules[_i].smiles);
    ck_assert_msg(cg_hydrogens_create(mol, &h, &err) == CG_OK, "%s", err.msg);
    ck_assert_msg(cg_sybyl_assign(cg_hydrogens_molecule(h), &s, &err) == CG_OK, "%s", err.msg);
    ck_assert_uint_eq(s.n_atoms, cg_molecule_n_atoms(cg_hydrogens_molecule(h)));
    ck_assert_str_eq(join(s.atom_types, n), molecules[_i].atoms);
    for (size_t i = 0; i < s.n_atoms; i++) {
        ck_assert(i < n || !strcmp(s.atom_types[i], "H"));
        charge += s.charges[i];
    }
    ck_assert_int_eq(charge, cg_molecule_charge(mol));
    if (molecules[_i].bonds)
        ck_assert_str_eq(join(s.bond_types, n_bonds), molecules[_i].bonds);
    for (size_t i = n_bonds; i < s.n_bonds; i++)
        ck_assert_str_eq(s.bond_types[i], "1");
    cg_sybyl_finish(&s);
    cg_hydrogens_destroy(h);
    cg_molecule_destroy(mol);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chem_sybyl");
    TCase *tc = tcase_create("sybyl");
    SRunner *sr;
    int failed;

    if (CG_RDKIT_ADAPTER)
        tcase_add_loop_test(tc, atoms_and_bonds_have_types, 0,
                            sizeof molecules / sizeof *molecules);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
