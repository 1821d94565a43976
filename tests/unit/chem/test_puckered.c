/* SPDX-License-Identifier: MIT */
/* Rings that must be puckered: those of PoseBusters' patterns as RDKit finds them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chem/puckered.h"
#include "chem/rdkit_c.h"

enum { MAX_RINGS = 64, N_PATTERNS = 5 };

/* posebusters 0.6.5, config/mol.yml */
static const char *const patterns[N_PATTERNS] = {
    "[C,O,S,N;R1]~1[C,O,S,N;R1][C,O,S,N;R1][C,O,S,N;R1][C,O,S,N;R1][C,O,S,N;R1]1",
    "[C;R1]~1[C;R1][C,O,S,N;R1]~[C,O,S,N;R1][C;R1][C;R1]1",
    "[C;R1]~1[C;R1][C;R1]~[C;R1][C,O,S,N;R1][C;R1]1",
    "[C;R1]~1[C;R1][C;R1][C,O,S,N;R1]~[C,O,S,N;R1][C;R1]1",
    "[C;R1]~1[C;R1][C,O,S,N;R1][C;R1]~[C;R1][C;R1]1",
};

struct rings {
    uint32_t atoms[MAX_RINGS][CG_PUCKERED_ATOMS]; /* sorted */
    size_t n;
};

static int compare_atoms(const void *a, const void *b)
{
    return (*(const uint32_t *)a > *(const uint32_t *)b) -
           (*(const uint32_t *)a < *(const uint32_t *)b);
}

static void add(struct rings *r, const uint32_t *atoms)
{
    uint32_t sorted[CG_PUCKERED_ATOMS];

    memcpy(sorted, atoms, sizeof sorted);
    qsort(sorted, CG_PUCKERED_ATOMS, sizeof *sorted, compare_atoms);
    for (size_t i = 0; i < r->n; i++)
        if (!memcmp(r->atoms[i], sorted, sizeof sorted))
            return;
    ck_assert_uint_lt(r->n, MAX_RINGS);
    memcpy(r->atoms[r->n++], sorted, sizeof sorted);
}

static void find_by_patterns(const char *smiles, struct rings *ret)
{
    size_t size, query_size;
    char *pkl = get_mol(smiles, &size, "{\"removeHs\":false}");

    ret->n = 0;
    ck_assert_ptr_nonnull(pkl);
    for (int k = 0; k < N_PATTERNS; k++) {
        char *query = get_qmol(patterns[k], &query_size, "");
        char *json = get_substruct_matches(pkl, size, query, query_size, "");

        ck_assert_ptr_nonnull(json);
        for (char *at = json; (at = strstr(at, "\"atoms\":[")) != NULL;) {
            uint32_t atoms[CG_PUCKERED_ATOMS];

            at += strlen("\"atoms\":[");
            for (int i = 0; i < CG_PUCKERED_ATOMS; i++, at++)
                atoms[i] = (uint32_t)strtoul(at, &at, 10);
            add(ret, atoms);
        }
        free_ptr(json);
        free_ptr(query);
    }
    free_ptr(pkl);
}

static cg_molecule *parse(const char *smiles)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;

    ck_assert_msg(cg_molecule_parse(smiles, strlen(smiles), &mol, &err) == CG_OK, "%s: %s", smiles,
                  err.msg);
    return mol;
}

/* @return the number of rings */
static size_t compare(const char *smiles)
{
    static struct rings wanted, found;
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = parse(smiles);
    cg_puckered p = { 0 };

    ck_assert_int_eq(cg_puckered_find(mol, &p, &err), CG_OK);
    found.n = 0;
    for (size_t i = 0; i < p.n; i++)
        add(&found, p.rings[i].atoms);
    ck_assert_uint_eq(found.n, p.n);
    find_by_patterns(cg_molecule_smiles(mol, NULL), &wanted);
    ck_assert_msg(found.n == wanted.n, "%s: %zu rings, RDKit has %zu", smiles, found.n, wanted.n);
    for (size_t i = 0; i < wanted.n; i++)
        add(&found, wanted.atoms[i]);
    ck_assert_msg(found.n == wanted.n, "%s: other rings than RDKit's", smiles);
    cg_puckered_finish(&p);
    cg_molecule_destroy(mol);
    return wanted.n;
}

static const struct {
    const char *smiles;
    int n, may_be_flat; /* rings; of the first one */
} cases[] = {
    { "C1CCCCC1", 1, 0 },
    { "C1CCOCC1", 1, 0 },
    { "C1OCOCO1", 1, 0 },
    { "CC(=O)N1CCN(C(C)=O)CC1", 1, 0 },
    { "C1=CCCCC1", 1, 0 },
    { "C1=CC=CCC1", 1, 0 },
    { "O=C1CCCCC1", 1, 0 },
    { "O=C1CCNC(=O)N1", 1, 0 },
    { "C1=CCC=CC1", 1, 1 },
    { "C1=CNC=CC1", 1, 1 },
    { "COC(=O)C1=CN(Cc2cccs2)C=C(C(=O)OC)C1c1cccc(O)c1", 1, 1 },
    { "C1=COC=CC1", 1, 1 },
    { "O=C1CNC(=O)CN1", 1, 1 },
    { "O=C1CC(=O)NC(=O)N1", 1, 1 },
    { "O=C1C=CC(=O)C=C1", 1, 1 },
    { "C1=NN=CCC1", 0, 0 }, /* heteroatoms in both double bonds */
    { "C1=NC=CCC1", 1, 0 },
    { "C1=COC=CO1", 0, 0 },
    { "C1=CCN=CC1", 1, 1 },
    { "C1=COCC=N1", 0, 0 },
    { "O=C1C=CC(=O)C(=C)C1=C", 1, 1 },
    { "C1CCPCC1", 0, 0 },
    { "C1CC[SiH2]CC1", 0, 0 },
    { "c1ccccc1", 0, 0 },
    { "C1CCCCCC1", 0, 0 },
    { "C1CCC2CCCCC2C1", 0, 0 }, /* fused, bridged and spiro */
    { "C1CC2CCC1CC2", 0, 0 },
    { "C1CCC2(CC1)CC2", 0, 0 },
    { "C1CC2CCC1C2", 0, 0 },
    { "C1CCC(C2CCCCC2)CC1", 2, 0 },
    { "[2H]C1([2H])CCCCC1", 1, 0 },
    { "C[NH+]1CC[N-]CC1", 1, 0 },
};

START_TEST(rings)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = parse(cases[_i].smiles);
    cg_puckered p = { 0 };

    ck_assert_msg(compare(cases[_i].smiles) == (size_t)cases[_i].n, "%s", cases[_i].smiles);
    ck_assert_int_eq(cg_puckered_find(mol, &p, &err), CG_OK);
    for (size_t i = 0; i < p.n; i++)
        ck_assert_msg(p.rings[i].may_be_flat == cases[_i].may_be_flat, "%s", cases[_i].smiles);
    cg_puckered_finish(&p);
    cg_molecule_destroy(mol);
}
END_TEST

START_TEST(rings_of_a_list)
{
    char path[4096], line[4096];
    const char *root = getenv("CONFGEN_SOURCE_ROOT");
    size_t n = 0;
    FILE *f;

    ck_assert_msg(root != NULL, "CONFGEN_SOURCE_ROOT is not set");
    snprintf(path, sizeof path, "%s/data/geom_drugs_test.smi", root);
    f = fopen(path, "r");
    ck_assert_msg(f != NULL, "cannot open %s", path);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\t\n")] = '\0';
        n += compare(line);
    }
    fclose(f);
    ck_assert_uint_gt(n, 200);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("chem_puckered");
    TCase *tc = tcase_create("rings");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, rings, 0, (int)(sizeof cases / sizeof cases[0]));
    tcase_add_test(tc, rings_of_a_list);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
