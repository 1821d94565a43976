/* SPDX-License-Identifier: MIT */
/* The contacts that hold fragments together. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "chem/contacts.h"
#include "chem/molecule.h"
#include "scratch.h"

/* Canonical SMILES and the contact of each fragment but the first. */
static const struct {
    const char *smiles;
    size_t n;
    uint32_t pairs[3][2];
} cases[] = {
    { "CCO", 0, { { 0 } } },
    { "[Cl-].[Na+]", 1, { { 0, 1 } } },
    { "CC(=O)[O-].[Na+]", 1, { { 3, 4 } } },
    { "[BH4-].[Na+]", 1, { { 0, 1 } } },
    { "CCN.Cl", 1, { { 2, 3 } } },
    { "Cl.NCc1ccccc1", 1, { { 0, 1 } } },
    { "O=S(=O)([O-])[O-].[Na+].[Na+]", 2, { { 3, 5 }, { 4, 6 } } }, /* each its own O */
    { "CC(N)=O.O.O", 2, { { 2, 4 }, { 3, 5 } } },
};

START_TEST(contacts)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;
    cg_contacts c = { 0 };
    const char *smiles = cases[_i].smiles;

    ck_assert_int_eq(cg_molecule_parse(smiles, strlen(smiles), &mol, &err), CG_OK);
    ck_assert_str_eq(cg_molecule_smiles(mol, NULL), smiles);
    ck_assert_int_eq(cg_contacts_find(cg_molecule_graph(mol), &c, &err), CG_OK);
    ck_assert_uint_eq(c.n, cases[_i].n);
    ck_assert_uint_eq(c.n + 1, cg_molecule_n_fragments(mol));
    for (size_t k = 0; k < c.n; k++) {
        const cg_contact *t = &c.contacts[k];

        ck_assert_msg(t->first == cases[_i].pairs[k][0] && t->second == cases[_i].pairs[k][1],
                      "%s: %u-%u", smiles, t->first, t->second);
        ck_assert_uint_eq(c.fragment[t->second], k + 1);
        ck_assert(c.fragment[t->first] < k + 1);
        ck_assert(t->distance > 3 && t->distance < 6);
    }
    cg_contacts_finish(&c);
    cg_molecule_destroy(mol);
}
END_TEST

/* Ends that are surrounded by four atoms cannot come as near as others. */
START_TEST(surrounded_atoms_are_farther)
{
    static const char *const smiles[] = { "C[NH3+].[Cl-]", "C[N+](C)(C)C.[Cl-]",
                                          "C[N+](C)(C)C.F[B-](F)(F)F" };

    for (int i = 0; i < 3; i++) {
        cg_error err = CG_ERROR_INIT;
        cg_molecule *mol = NULL;
        cg_contacts c = { 0 };

        ck_assert_int_eq(cg_molecule_parse(smiles[i], strlen(smiles[i]), &mol, &err), CG_OK);
        ck_assert_int_eq(cg_contacts_find(cg_molecule_graph(mol), &c, &err), CG_OK);
        ck_assert_uint_eq(c.n, 1);
        ck_assert_double_eq_tol(c.contacts[0].distance, 3.3 + i, 1e-9);
        cg_contacts_finish(&c);
        cg_molecule_destroy(mol);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("contacts");

    tcase_add_loop_test(tc, contacts, 0, (int)(sizeof cases / sizeof cases[0]));
    tcase_add_test(tc, surrounded_atoms_are_farther);
    return run_suite("contacts", &tc, 1);
}
