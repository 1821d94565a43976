/* SPDX-License-Identifier: MIT */
#include "eval/conformers.h"

#include <math.h>

#include "chem/rdkit_c.h"
#include "eval/identity.h"
#include "eval/isomorphism.h"
#include "sdf_made.h"

/* ---- matching ----------------------------------------------------------------------------- */

static cg_heavy_graph graph_of(const char *text)
{
    cg_heavy_graph g = { 0 };
    cg_error err = CG_ERROR_INIT;
    size_t size = 0;
    char *pkl = get_mol(text, &size, "{\"removeHs\":false}");

    ck_assert_msg(pkl != NULL, "%s", text);
    ck_assert_msg(cg_heavy_graph_read(pkl, size, &g, &err) == CG_OK, "%s", err.msg);
    free_ptr(pkl);
    return g;
}

/* A match preserves labels and degrees; equal texts give the identity. */
static void check_match(const char *a_text, const char *b_text, int same)
{
    cg_heavy_graph a = graph_of(a_text), b = graph_of(b_text);
    uint16_t *order = calloc(a.n + 1, sizeof *order);
    cg_error err = CG_ERROR_INIT;
    cg_status st = cg_isomorphism_find(&a, &b, order, &err);

    ck_assert_msg((st == CG_OK) == same, "%s, %s: %s", a_text, b_text, err.msg);
    for (size_t i = 0; same && i < a.n; i++) {
        size_t at = b.n;

        for (size_t k = 0; k < b.n; k++)
            if (b.atom[k] == order[i])
                at = k;
        ck_assert_uint_lt(at, b.n);
        ck_assert_uint_eq(a.label[i], b.label[at]);
        ck_assert_uint_eq(a.first[i + 1] - a.first[i], b.first[at + 1] - b.first[at]);
        if (!strcmp(a_text, b_text))
            ck_assert_uint_eq(at, i);
    }
    free(order);
    cg_heavy_graph_finish(&a);
    cg_heavy_graph_finish(&b);
}

START_TEST(matches)
{
    static const char neopentyls[] = "C(C(C)(C)C)(C(C)(C)C)(C(C)(C)C)C(C)(C)C";

    check_match("CCO", "CCO", 1);
    check_match("CCO", "OCC", 1);
    check_match("CCO", "COC", 0);
    check_match("CC=O", "CCO", 0);
    check_match("C[NH3+]", "CN", 0);
    check_match("c1ccccc1C(=O)[O-]", "[O-]C(=O)c1ccccc1", 1);
    check_match("c1ccccc1C(=O)[O-]", "O=C([O-])C1=CC=CC=C1", 1);
    check_match("[H]C([H])([H])O[2H]", "OC", 1);
    check_match("C1CC1.C1CC1", "C1CCCCC1", 0); /* equal colours, but not isomorphic */
    check_match("C1CC1.C1CCC1.[Na+]", "[Na+].C1CCC1.C1CC1", 1);
    check_match(neopentyls, neopentyls, 1);
    check_match("C1CCC2CCCCC2C1", "C1CCC(C1)C1CCCC1", 0);
}
END_TEST

/* RDKit's own search does not finish on thirty benzenes in another order. */
START_TEST(many_equal_components)
{
    cg_buf a = { 0 }, b = { 0 };

    for (int i = 0; i < 30; i++)
        cg_buf_puts(&a, "c1ccccc1.");
    cg_buf_puts(&a, "C");
    cg_buf_puts(&b, "C");
    for (int i = 0; i < 30; i++)
        cg_buf_puts(&b, ".c1ccccc1");
    check_match(cg_buf_text(&a), cg_buf_text(&b), 1);
    cg_buf_finish(&a);
    cg_buf_finish(&b);
}
END_TEST

/* A sheet of 9 x 9 squares, 81 rings, with its atoms row by row and in reverse order. */
START_TEST(many_rings)
{
    cg_buf text = { 0 };
    cg_conformer_file f;

    for (int reversed = 0; reversed < 2; reversed++) {
        sdf_head(&text, "sheet", 100, 180);
        for (int i = 0; i < 100; i++) {
            int at = reversed ? 99 - i : i;

            sdf_atom(&text, at % 10, at / 10, 0.5, "Si");
        }
        for (int i = 0; i < 100; i++) {
            if (i % 10 < 9)
                cg_buf_printf(&text, "%3d%3d  1  0\n", i + 1, i + 2);
            if (i < 90)
                cg_buf_printf(&text, "%3d%3d  1  0\n", i + 1, i + 11);
        }
        sdf_end(&text, NULL);
    }
    f = sdf_read(&text, 1);
    ck_assert_uint_eq(f.n_broken, 0);
    ck_assert_uint_eq(f.n_molecules, 1);
    ck_assert_uint_eq(f.molecules[0].n, 2);
    ck_assert_uint_eq(f.molecules[0].n_atoms, 100);
    cg_conformer_file_finish(&f);
    cg_buf_finish(&text);
}
END_TEST

START_TEST(relations)
{
    static const struct {
        const char *a, *b;
        cg_relation relation;
    } cases[] = {
        { "CC(=O)O", "CC(=O)[O-]", CG_RELATION_PROTONATION },
        { "C[NH3+]", "CN", CG_RELATION_PROTONATION },
        { "NCC(=O)O", "[NH3+]CC(=O)[O-]", CG_RELATION_PROTONATION },
        { "c1cnc[nH]1", "c1c[nH+]c[nH]1", CG_RELATION_PROTONATION },
        { "C[N+](C)(C)C", "CN(C)C", CG_RELATION_OTHER },
        { "CC(=O)C", "CC(O)=C", CG_RELATION_TAUTOMER },
        { "O=c1cccc[nH]1", "Oc1ccccn1", CG_RELATION_TAUTOMER },
        { "CC=O", "CCO", CG_RELATION_OTHER }, /* two hydrogens, no charge */
        { "C=CC", "C1CC1", CG_RELATION_OTHER },
        { "CCO", "COC", CG_RELATION_OTHER },
        { "CCO", "CCN", CG_RELATION_OTHER },
        { "CCO", "CCCO", CG_RELATION_OTHER },
        { "CC(=O)[O-].[Na+]", "CC(=O)O.[Na+]", CG_RELATION_PROTONATION },
        { "[2H]CC(=O)O", "CC(=O)[O-]", CG_RELATION_PROTONATION },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cg_molecule *a, *b;
        cg_error err = CG_ERROR_INIT;
        cg_relation relation[2];

        ck_assert_int_eq(cg_molecule_parse(cases[i].a, strlen(cases[i].a), &a, &err), CG_OK);
        ck_assert_int_eq(cg_molecule_parse(cases[i].b, strlen(cases[i].b), &b, &err), CG_OK);
        ck_assert_int_eq(cg_identity_relation(a, b, &relation[0], &err), CG_OK);
        ck_assert_int_eq(cg_identity_relation(b, a, &relation[1], &err), CG_OK);
        ck_assert_msg(relation[0] == cases[i].relation && relation[1] == relation[0],
                      "%s, %s: %d and %d, wanted %d", cases[i].a, cases[i].b, (int)relation[0],
                      (int)relation[1], (int)cases[i].relation);
        cg_molecule_destroy(a);
        cg_molecule_destroy(b);
    }
}
END_TEST

/* ---- molecules of a file -------------------------------------------------------------------- */

START_TEST(groups)
{
    cg_buf text = { 0 };
    cg_conformer_file f;

    sdf_chain(&text, "ethanol", "CCO", 0.5, "CCO");
    sdf_chain(&text, "amine", "CCN", 0.5, NULL);
    sdf_chain(&text, "ethanol", "OCC", 0.9, NULL); /* another order */
    sdf_chain(&text, "ethanol", "CCC", 0.5, NULL); /* another flat SMILES */
    sdf_chain(&text, "", "CCO", 0.1, "OCC");
    sdf_chain(&text, "", "OCC", 0.2,
              NULL); /* no SMILES: grouped by flat SMILES, apart from the previous one */
    sdf_chain(&text, "", "CCO", 0.3, "CCO");
    sdf_chain(&text, "amine", "CCN", 0.7, "CCC"); /* SMILES of another molecule: ignored */
    f = sdf_read(&text, 1);
    ck_assert_uint_eq(f.n_records, 8);
    ck_assert_uint_eq(f.n_broken, 0);
    ck_assert_ptr_null(f.first_broken_reason);
    ck_assert_uint_eq(f.n_molecules, 5);
    ck_assert_str_eq(f.molecules[0].name, "ethanol");
    ck_assert_str_eq(f.molecules[0].smiles, "CCO");
    ck_assert_uint_eq(f.molecules[0].n, 2);
    ck_assert_uint_eq(f.molecules[0].n_atoms, 3);
    ck_assert_uint_eq(f.molecules[0].first_record, 1);
    ck_assert_uint_eq(f.molecules[0].n_stated, 1);
    ck_assert_uint_eq(f.molecules[1].n_stated, 0); /* its SMILES is another molecule's */
    /* OCC is reversed: its second atom is the second of CCO, its first the last */
    ck_assert_float_eq_tol(f.molecules[0].xyz[4][1], 0.6, 1e-5);
    ck_assert_float_eq_tol(f.molecules[0].xyz[5][0], -1.4, 1e-5);
    ck_assert_str_eq(f.molecules[1].name, "amine");
    ck_assert_uint_eq(f.molecules[1].n, 2);
    ck_assert_str_eq(f.molecules[2].smiles, "CCC");
    ck_assert_uint_eq(f.molecules[2].first_record, 4);
    ck_assert_str_eq(f.molecules[3].name, "");
    ck_assert_uint_eq(f.molecules[3].n, 2);
    ck_assert_uint_eq(f.molecules[4].n, 1);
    cg_conformer_file_finish(&f);
    cg_buf_finish(&text);
}
END_TEST

START_TEST(broken_records)
{
    cg_buf text = { 0 };
    cg_conformer_file f;

    sdf_chain(&text, "a", "CCO", 0.5, NULL);
    cg_buf_puts(&text, "b\n\n\nnonsense\n$$$$\n");
    sdf_chain(&text, "five", "CCO", 0.5, NULL);
    text.data[text.len - 50] = '!'; /* in the bonds */
    sdf_chain(&text, "b", "CCO", 0.5, NULL);
    sdf_head(&text, "b", 2, 1);
    sdf_atom(&text, 0, 0, 0.5, "F");
    sdf_atom(&text, 1, 0, 0.5, "O");
    cg_buf_puts(&text, "  1  2  3  0\n"); /* fluorine with three bonds */
    sdf_end(&text, NULL);
    cg_buf_puts(&text, "\nlast, cut off\n");
    f = sdf_read(&text, 2);
    ck_assert_uint_eq(f.n_records, 6);
    ck_assert_uint_eq(f.n_broken, 4);
    ck_assert_uint_eq(f.n_broken_names, 3);
    ck_assert_str_eq(f.broken[0].name, "b");
    ck_assert_uint_eq(f.broken[0].n, 2);
    ck_assert_uint_eq(f.broken[0].first_record, 2);
    ck_assert_contains(f.broken[0].reason, "line 4: found 'nonsense'");
    ck_assert_uint_eq(f.broken[1].first_record, 3);
    ck_assert_str_eq(f.broken[1].name, "five");
    ck_assert_str_eq(f.broken[2].name, "");
    ck_assert_contains(f.first_broken_reason,
                       "'made.sdf': record 2 ('b'): line 4: found 'nonsense'");
    ck_assert_uint_eq(f.n_molecules, 2);
    cg_conformer_file_finish(&f);
    cg_buf_finish(&text);
}
END_TEST

/* Stereoisomers of one name are one molecule: that of the first, in its atom order. */
START_TEST(stereo_is_ignored)
{
    static const double corner[4][3] = { { 1, 1, 1 }, { -1, -1, 1 }, { -1, 1, -1 }, { 1, -1, -1 } };
    static const char *const smiles[] = { "F[C@](Cl)(Br)I", "F[C@@](Cl)(Br)I", NULL };
    static const char *const elements[] = { "F", "Cl", "Br", "I" };
    cg_buf text = { 0 };
    cg_conformer_file f;

    for (int k = 0; k < 6; k++) {
        sdf_head(&text, "methane", 5, 4);
        sdf_atom(&text, 0, 0, 0, "C");
        for (int i = 0; i < 4; i++)
            sdf_atom(&text, corner[i][0], corner[i][1], k % 2 ? corner[i][2] : -corner[i][2],
                     elements[i]);
        for (int i = 0; i < 4; i++)
            cg_buf_printf(&text, "  1%3d  1  0\n", i + 2);
        sdf_end(&text, smiles[k % 3]);
    }
    f = sdf_read(&text, 1);
    ck_assert_uint_eq(f.n_molecules, 1);
    ck_assert_uint_eq(f.molecules[0].n, 6);
    ck_assert_str_eq(f.molecules[0].flat_smiles, "FC(Cl)(Br)I");
    for (size_t k = 0; k < 6; k++) {
        const float(*xyz)[3] = (const float(*)[3])(f.molecules[0].xyz + 5 * k);
        const cg_smiles *g = cg_molecule_graph(f.molecules[0].mol);

        for (size_t i = 0; i < 5; i++) {
            int z = g->atoms[i].element, at = z == 9 ? 0 : z == 17 ? 1 : z == 35 ? 2 : 3;

            ck_assert_float_eq_tol(xyz[i][0], z == 6 ? 0 : corner[at][0], 1e-6);
            ck_assert_float_eq_tol(xyz[i][1], z == 6 ? 0 : corner[at][1], 1e-6);
        }
    }
    cg_conformer_file_finish(&f);
    cg_buf_finish(&text);
}
END_TEST

/* The same conformers with hydrogens, shuffled, V2000 and V3000, with and without SMILES. */
START_TEST(foreign_files)
{
    cg_conformer_file ours = { 0 }, theirs = { 0 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(
        cg_conformer_file_read(eval_data("gen.sdf"), CG_KEEP_TEXT_HYDROGENS, 2, &ours, &err),
        CG_OK);
    ck_assert_int_eq(
        cg_conformer_file_read(eval_data("foreign.sdf"), CG_KEEP_TEXT_HYDROGENS, 2, &theirs, &err),
        CG_OK);
    ck_assert_uint_eq(ours.n_molecules, 8);
    ck_assert_uint_eq(theirs.n_molecules, 8);
    ck_assert_uint_eq(theirs.n_records, ours.n_records);
    for (size_t i = 0; i < 8; i++) {
        const cg_conformers *a = &ours.molecules[i], *b = NULL;

        for (size_t k = 0; k < 8; k++)
            if (!strcmp(theirs.molecules[k].name, a->name))
                b = &theirs.molecules[k];
        ck_assert_ptr_nonnull(b);
        ck_assert_str_eq(a->flat_smiles, b->flat_smiles);
        ck_assert_uint_eq(a->n, b->n);
        ck_assert_uint_eq(a->n_atoms, b->n_atoms);
    }
    cg_conformer_file_finish(&ours);
    cg_conformer_file_finish(&theirs);
}
END_TEST

static void assert_same(const cg_conformer_file *a, const cg_conformer_file *b)
{
    ck_assert_uint_eq(a->n_molecules, b->n_molecules);
    for (size_t i = 0; i < a->n_molecules; i++) {
        ck_assert_str_eq(a->molecules[i].name, b->molecules[i].name);
        ck_assert_str_eq(a->molecules[i].smiles, b->molecules[i].smiles);
        ck_assert_uint_eq(a->molecules[i].n, b->molecules[i].n);
        ck_assert_int_eq(memcmp(a->molecules[i].xyz, b->molecules[i].xyz,
                                a->molecules[i].n * a->molecules[i].n_atoms * 3 * sizeof(float)),
                         0);
    }
}

/* Several chunks of text, records across their borders, any number of threads. */
START_TEST(chunks)
{
    cg_buf text = { 0 };
    cg_conformer_file one, three;
    size_t n = 0;

    while (text.len < (9u << 20)) {
        char name[32];

        snprintf(name, sizeof name, "m%zu", n % 50);
        sdf_chain(&text, name, n % 3 ? "CCNCO" : "OCNCC", 0.001 * (double)(n % 997), NULL);
        n++;
    }
    one = sdf_read(&text, 1);
    three = sdf_read(&text, 3);
    ck_assert_uint_eq(one.n_records, n);
    ck_assert_uint_eq(one.n_molecules, 50);
    assert_same(&one, &three);
    /* record 57, OCNCC, is the second of m7: its second atom is the fourth of CCNCO */
    ck_assert_str_eq(one.molecules[7].smiles, "CCNCO");
    ck_assert_float_eq_tol(one.molecules[7].xyz[8][1] - one.molecules[7].xyz[7][1], 0.057, 1e-5);
    cg_conformer_file_finish(&one);
    cg_conformer_file_finish(&three);
    cg_buf_finish(&text);
}
END_TEST

START_TEST(whole_files)
{
    static const struct {
        const char *text, *wanted;
        cg_status status;
    } cases[] = {
        { "{\"name\": \"x\"}\n", "holds records of format json, wanted an SDF", CG_ERR_FORMAT },
        { "3\nProperties=species:S:1:pos:R:3 name=\"x\"\n", "format xyz", CG_ERR_FORMAT },
        { "\x28\xb5\x2f\xfd nonsense", "damaged zstd data", CG_ERR_FORMAT },
    };
    cg_conformer_file f = { 0 };
    cg_error err = CG_ERROR_INIT;
    cg_buf text = { 0 };
    const char *path;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        path = scratch_write_text("bad.sdf", cases[i].text);
        ck_assert_int_eq(cg_conformer_file_read(path, CG_KEEP_TEXT_HYDROGENS, 1, &f, &err),
                         cases[i].status);
        ck_assert_contains(err.msg, cases[i].wanted);
    }
    path = scratch_write("nul.sdf", "a\0b\n", 4);
    ck_assert_int_eq(cg_conformer_file_read(path, CG_KEEP_TEXT_HYDROGENS, 1, &f, &err),
                     CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "neither zstd nor gzip nor text");
    ck_assert_int_eq(cg_conformer_file_read("/no/such/file", CG_KEEP_TEXT_HYDROGENS, 1, &f, &err),
                     CG_ERR_IO);
    ck_assert_int_eq(cg_conformer_file_read(scratch_write_text("empty.sdf", ""),
                                            CG_KEEP_TEXT_HYDROGENS, 1, &f, &err),
                     CG_OK);
    ck_assert_uint_eq(f.n_records, 0);
    cg_conformer_file_finish(&f);
    /* byte order mark, blank lines at the end */
    cg_buf_puts(&text, "\xef\xbb\xbf");
    sdf_chain(&text, "bom", "CCO", 0.5, NULL);
    cg_buf_puts(&text, "\n \r\n");
    f = sdf_read(&text, 1);
    ck_assert_uint_eq(f.n_records, 1);
    ck_assert_str_eq(f.molecules[0].name, "bom");
    cg_conformer_file_finish(&f);
    cg_conformer_file_finish(NULL);
    cg_buf_finish(&text);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("conformers");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_test(tc, matches);
    tcase_add_test(tc, many_equal_components);
    tcase_add_test(tc, many_rings);
    tcase_add_test(tc, relations);
    tcase_add_test(tc, groups);
    tcase_add_test(tc, broken_records);
    tcase_add_test(tc, stereo_is_ignored);
    tcase_add_test(tc, foreign_files);
    tcase_add_test(tc, chunks);
    tcase_add_test(tc, whole_files);
    return run_suite("eval_conformers", &tc, 1);
}
