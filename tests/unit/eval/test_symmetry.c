/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/symmetry.h"
#include "molecule_made.h"

static cg_symmetry find(const cg_molecule *mol, cg_symmetry_rule rule, size_t max_maps)
{
    cg_error err = CG_ERROR_INIT;
    cg_symmetry s = { 0 };

    ck_assert_msg(cg_symmetry_find(mol, rule, max_maps, &s, &err) == CG_OK, "%s", err.msg);
    return s;
}

/* The numbers are those of RDKit 2026.09 (tools/bench/compare_rmsd.py --maps). */
static const struct {
    const char *smiles;
    size_t plain, conjugated;
} known[] = {
    { "C", 1, 1 },
    { "CC", 2, 2 },
    { "CC(C)(C)C", 24, 24 },
    { "c1ccccc1", 12, 12 },
    { "Cc1ccccc1", 2, 2 },
    { "c1ccc(-c2ccccc2)cc1", 8, 8 },
    { "CC(=O)O", 1, 2 },
    { "CC(=O)[O-]", 1, 2 },
    { "COC(C)=O", 1, 1 }, /* one end only */
    { "C[N+](=O)[O-]", 1, 2 },
    { "CNC(=N)N", 1, 2 },
    { "CNC(N)=[NH2+]", 1, 2 },
    { "NC(N)=[NH2+]", 2, 6 },
    { "NC(N)=O", 2, 2 }, /* O and N are not exchanged, its two N always are */
    { "NC(N)=S", 2, 2 },
    { "CS(=O)(=O)O", 2, 6 },
    { "CS(=O)(=O)c1ccccc1", 4, 4 },
    { "O=P([O-])([O-])[O-]", 6, 24 },
    { "O=P(O)(O)OP(=O)(O)O", 8, 72 },
    { "FC(F)(F)c1ccccc1", 12, 12 },
    { "CC(C)(C)c1cc(C(C)(C)C)cc(C(C)(C)C)c1", 1296, 1296 },
    { "c1c[nH]cn1", 2, 2 }, /* hydrogens are ignored */
    { "C1=CCC=CC1", 4, 4 },
    { "C[NH3+]", 1, 1 },
    { "[13CH3]C", 1, 1 },
    { "[13CH3][13CH3]", 2, 2 },
    { "[CH2]CC", 1, 1 },
    { "CCC", 2, 2 },
    { "[O]C=O", 1, 1 },
    { "[Cl-].[Cl-].[Ca+2]", 2, 2 },
    { "C.C.C", 6, 6 },
    { "F[C@H](Cl)Br", 1, 1 },
    { "C[C@H](F)C[C@@H](C)F", 2, 2 }, /* stereo is ignored */
    { "F/C=C/F", 2, 2 },
    { "C=CCn1/c(=N/C(=O)C2CCCCC2)sc2cc(NC(C)=O)ccc21", 2, 2 }, /* a direction in a ring */
    { "[O-][n+]1ccccc1", 2, 2 },
    { "CN=[N+]=[N-]", 1, 1 },
    /* hydrogens that are atoms of the SMILES are left out too */
    { "[2H]C([2H])([2H])C", 2, 2 },
    { "[H]/N=C(/C)N", 1, 2 },
    { "[H]/N=C(\\N)c1ccccc1", 2, 4 },
};

static char bond_kind(const cg_smiles *g, size_t a, size_t b)
{
    for (size_t i = 0; i < g->n_bonds; i++)
        if ((g->bonds[i].first == a && g->bonds[i].second == b) ||
            (g->bonds[i].first == b && g->bonds[i].second == a)) {
            char c = g->bonds[i].symbol;

            return c == '=' || c == '#' ? c : '-'; /* aromatic or single: determined by the atoms */
        }
    return 0;
}

/* Index of a heavy atom among all atoms of the SMILES. */
static size_t text_atom(const cg_smiles *g, size_t heavy)
{
    for (size_t i = 0;; i++)
        if (g->atoms[i].element != 1 && heavy-- == 0)
            return i;
}

START_TEST(maps_are_automorphisms)
{
    cg_molecule *mol = parse(known[_i].smiles);
    const cg_smiles *g = cg_molecule_graph(mol);

    for (int rule = CG_SYMMETRY_PLAIN; rule <= CG_SYMMETRY_CONJUGATED; rule++) {
        cg_symmetry s = find(mol, (cg_symmetry_rule)rule, CG_SYMMETRY_MAX_MAPS);
        size_t n = s.n_atoms;

        ck_assert_uint_eq(n, cg_molecule_n_heavy(mol));
        ck_assert_msg(s.n_maps == (rule ? known[_i].conjugated : known[_i].plain),
                      "'%s', rule %d: %zu maps", known[_i].smiles, rule, s.n_maps);
        ck_assert_int_eq(s.limited, 0);
        for (size_t m = 0; m < s.n_maps; m++) {
            const uint16_t *map = s.maps + m * n;
            unsigned char seen[64] = { 0 };
            int good = 1; /* ck_assert in the innermost loops is slow */

            for (size_t i = 0; i < n; i++) {
                size_t a = text_atom(g, i), b = text_atom(g, map[i]);

                ck_assert(m > 0 || map[i] == i);
                ck_assert(map[i] < n && !seen[map[i]]++);
                ck_assert_uint_eq(g->atoms[a].element, g->atoms[b].element);
                for (size_t j = 0; j < i; j++) {
                    char from = bond_kind(g, a, text_atom(g, j));
                    char to = bond_kind(g, b, text_atom(g, map[j]));

                    good &= (from != 0) == (to != 0);
                    good &= rule == CG_SYMMETRY_CONJUGATED || from == to;
                }
            }
            for (size_t k = 0; k < m; k++)
                good &= memcmp(map, s.maps + k * n, n * sizeof *map) != 0;
            ck_assert_msg(good, "'%s', rule %d, map %zu", known[_i].smiles, rule, m);
        }
        cg_symmetry_finish(&s);
    }
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(list_of_maps_is_truncated)
{
    cg_molecule *mol = parse("CC(C)(C)c1cc(C(C)(C)C)cc(C(C)(C)C)c1");

    for (size_t max = 1; max <= 1297; max += max < 4 ? 1 : 323) {
        cg_symmetry s = find(mol, CG_SYMMETRY_CONJUGATED, max);

        ck_assert_uint_eq(s.n_maps, max < 1296 ? max : 1296);
        ck_assert_int_eq(s.limited, max < 1296);
        for (size_t i = 0; i < s.n_atoms; i++)
            ck_assert_uint_eq(s.maps[i], i);
        for (size_t m = 1; m < s.n_maps; m++)
            ck_assert(memcmp(s.maps, s.maps + m * s.n_atoms, s.n_atoms * sizeof *s.maps) != 0);
        cg_symmetry_finish(&s);
    }
    cg_molecule_destroy(mol);
}
END_TEST

/* A search that only compares elements and bonds does not finish on a lattice. */
START_TEST(lattices_are_searched)
{
    enum { SIDE = 9 };
    char smiles[SIDE * SIDE * 32] = "";
    size_t len = 0;
    cg_molecule *mol;
    cg_symmetry s;

    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            int right = y * SIDE + x + 1, down = 200 + y * SIDE + x + 1;

            len += (size_t)sprintf(smiles + len, "%sC", len ? "." : "");
            if (x > 0)
                len += (size_t)sprintf(smiles + len, "%%(%d)", right - 1);
            if (x < SIDE - 1)
                len += (size_t)sprintf(smiles + len, "%%(%d)", right);
            if (y > 0)
                len += (size_t)sprintf(smiles + len, "%%(%d)", down - SIDE);
            if (y < SIDE - 1)
                len += (size_t)sprintf(smiles + len, "%%(%d)", down);
        }
    mol = parse(smiles);
    s = find(mol, CG_SYMMETRY_CONJUGATED, CG_SYMMETRY_MAX_MAPS);
    ck_assert_uint_eq(s.n_maps, 8);
    cg_symmetry_finish(&s);
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(limit_is_checked)
{
    cg_molecule *mol = parse("CC");
    cg_symmetry s = { 0 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_symmetry_find(mol, CG_SYMMETRY_PLAIN, 0, &s, &err), CG_ERR_USAGE);
    ck_assert_str_eq(err.msg, "symmetry: found a limit of 0 maps, wanted 1 to 2147483646");
    ck_assert_int_eq(cg_symmetry_find(mol, CG_SYMMETRY_PLAIN, SIZE_MAX, &s, &err), CG_ERR_USAGE);
    ck_assert_ptr_null(s.maps);
    cg_symmetry_finish(&s);
    cg_symmetry_finish(NULL);
    cg_molecule_destroy(mol);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("symmetry");
    TCase *tc = tcase_create("symmetry");
    SRunner *sr;
    int failed;

    tcase_add_loop_test(tc, maps_are_automorphisms, 0, (int)(sizeof known / sizeof known[0]));
    tcase_add_test(tc, list_of_maps_is_truncated);
    tcase_add_test(tc, lattices_are_searched);
    tcase_add_test(tc, limit_is_checked);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
