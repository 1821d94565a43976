/* SPDX-License-Identifier: MIT */
#include "eval/sdf.h"

#include <math.h>

#include "sdf_made.h"

static float xyz[CG_SDF_MAX_ATOMS][3];
static cg_error err;

static cg_status read_text(const char *text, cg_sdf_record *ret)
{
    err = (cg_error)CG_ERROR_INIT;
    return cg_sdf_read(text, strlen(text), xyz, CG_SDF_MAX_ATOMS, ret, &err);
}

static cg_sdf_record read_good(const char *text)
{
    cg_sdf_record r;

    ck_assert_msg(read_text(text, &r) == CG_OK, "%s", err.msg);
    return r;
}

static int is_text(const char *text, size_t len, const char *want)
{
    return len == strlen(want) && !memcmp(text, want, len);
}

static int same_key(const cg_sdf_record *a, const cg_sdf_record *b)
{
    return a->key[0] == b->key[0] && a->key[1] == b->key[1] && a->n_atoms == b->n_atoms;
}

#define COUNTS(n, m) "  " #n "  " #m "  0  0  0  0  0  0  0  0999 V2000\n"
#define HEAD         "ethanol\n     RDKit          3D\n\n"
#define ATOMS                                                                                      \
    "   -1.0000    0.5000    0.0000 C   0  0  0  0  0  0\n"                                        \
    "    0.0000    0.2500    0.2500 C   0  0  0  0  0  0\n"                                        \
    "    4.0000    2.2500   -0.2500 O   0  0  0  0  0  0\n"
#define BONDS "  1  2  1  0\n  2  3  1  0\n"
#define WHOLE HEAD COUNTS(3, 2) ATOMS BONDS "M  END\n"

START_TEST(v2000)
{
    cg_sdf_record r = read_good(WHOLE ">  <SMILES>  (1) \nCCO\n\n>  <energy>\n12\n\n");

    ck_assert(is_text(r.name, r.name_len, "ethanol"));
    ck_assert(is_text(r.smiles, r.smiles_len, "CCO"));
    ck_assert_uint_eq(r.n_atoms, 3);
    ck_assert_uint_eq(r.block_len, strlen(WHOLE));
    /* relative to the centroid, (1, 1, 0) */
    ck_assert_float_eq_tol(xyz[0][0], -2, 1e-6);
    ck_assert_float_eq_tol(xyz[0][1], -0.5, 1e-6);
    ck_assert_float_eq_tol(xyz[2][0], 3, 1e-6);
    ck_assert_float_eq_tol(xyz[2][2], -0.25, 1e-6);
}
END_TEST

/* Line ends, trailing blanks, names in the title or in an item, items in any order. */
START_TEST(text_variants)
{
    cg_sdf_record lf = read_good(WHOLE), r;
    char crlf[2 * sizeof WHOLE];
    size_t n = 0;

    for (const char *p = WHOLE; *p; p++) {
        if (*p == '\n')
            crlf[n++] = '\r';
        crlf[n++] = *p;
    }
    crlf[n] = '\0';
    r = read_good(crlf);
    ck_assert(same_key(&lf, &r));
    ck_assert(is_text(r.name, r.name_len, "ethanol"));
    r = read_good("  two words \t\n x\n\n" COUNTS(3, 2) ATOMS BONDS "M  END");
    ck_assert(same_key(&lf, &r));
    ck_assert(is_text(r.name, r.name_len, "two words"));
    ck_assert_ptr_null(r.smiles);
    r = read_good("   \n x\n\n" COUNTS(3, 2) ATOMS BONDS
                  "M  END\n> <name>\nitem\n\n> <smiles>\n OCC "
                  "\n\n> <SMILES>\nC\n\n");
    ck_assert(is_text(r.name, r.name_len, "item"));
    ck_assert(is_text(r.smiles, r.smiles_len, "OCC"));
    r = read_good(WHOLE "> <name>\nitem\n\n> <SMILES>\n\n");
    ck_assert(is_text(r.name, r.name_len, "ethanol"));
    ck_assert_ptr_null(r.smiles);
}
END_TEST

/* The key includes elements, charges, isotopes, bonds and properties, but not stereo marks. */
START_TEST(keys)
{
    static const struct {
        const char *text;
        int same;
    } cases[] = {
        { "other\n   another         3D\ncomment\n" COUNTS(
              3, 2) "    1.0000    0.5000    0.0000 C   0  0  1  0  0  0\n"
                    "    0.0000    0.2500    9.2500 C   0  0  2  0  0  0  \n"
                    "    4.0000    2.2500   -0.2500 O   0  0  0  0  0  0\n"
                    "  1  2  1  6\n  2  3  1  1  0\nM  END\n",
          1 },
        { HEAD COUNTS(3, 2) "   -1.0000    0.5000    0.0000 C   0  0  0  0  0  0\n"
                            "    0.0000    0.2500    0.2500 C   0  0  0  0  0  0\n"
                            "    4.0000    2.2500   -0.2500 S   0  0  0  0  0  0\n" BONDS
                            "M  END\n",
          0 },
        { HEAD COUNTS(3, 2) "   -1.0000    0.5000    0.0000 C   1  0  0  0  0  0\n"
                            "    0.0000    0.2500    0.2500 C   0  0  0  0  0  0\n"
                            "    4.0000    2.2500   -0.2500 O   0  0  0  0  0  0\n" BONDS
                            "M  END\n",
          0 },
        { HEAD COUNTS(3, 2) "   -1.0000    0.5000    0.0000 C   0  3  0  0  0  0\n"
                            "    0.0000    0.2500    0.2500 C   0  0  0  0  0  0\n"
                            "    4.0000    2.2500   -0.2500 O   0  0  0  0  0  0\n" BONDS
                            "M  END\n",
          0 },
        { HEAD COUNTS(3, 2) ATOMS "  1  2  1  0\n  2  3  2  0\nM  END\n", 0 },
        { HEAD COUNTS(3, 2) ATOMS "  1  2  1  0\n  1  3  1  0\nM  END\n", 0 },
        { HEAD COUNTS(3, 2) ATOMS BONDS "M  CHG  1   3  -1\nM  END\n", 0 },
    };
    cg_sdf_record want = read_good(WHOLE);

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cg_sdf_record r = read_good(cases[i].text);

        ck_assert_msg(same_key(&want, &r) == cases[i].same, "case %zu", i);
    }
}
END_TEST

#define V3_HEAD                                                                                    \
    "x\n  test              3D\n\n  0  0  0     0  0            999 V3000\nM  V30 BEGIN CTAB\n"

START_TEST(v3000)
{
    static const char text[] =
        V3_HEAD "M  V30 COUNTS 2 1 0 0 0\nM  V30 BEGIN ATOM\n"
                "M  V30 1 C 1 -2.5 1e-1 0\nM  V30 2 N 3.0 4.5 -\nM  V30 0.3 0 CHG=1\n"
                "M  V30 END ATOM\nM  V30 BEGIN BOND\nM  V30 1 1 1 2\nM  V30 END BOND\n"
                "M  V30 END CTAB\nM  END\n> <SMILES>\nC[NH3+]\n\n";
    static const char marked[] =
        V3_HEAD "M  V30 COUNTS 2 1 0 0 0\nM  V30 BEGIN ATOM\n"
                "M  V30 1 C 9 8 7 0 CFG=1\nM  V30 2 N 6 5 4 0 CHG=1 CFG=2\n"
                "M  V30 END ATOM\nM  V30 BEGIN BOND\nM  V30 1 1 1 2 CFG=3\nM  V30 END BOND\n"
                "M  V30 BEGIN COLLECTION\nM  V30 MDLV30/STEABS ATOMS=(1 1)\nM  V30 END COLLECTION\n"
                "M  V30 END CTAB\nM  END\n";
    static const char neutral[] =
        V3_HEAD "M  V30 COUNTS 2 1 0 0 0\nM  V30 BEGIN ATOM\n"
                "M  V30 1 C 9 8 7 0\nM  V30 2 N 6 5 4 0\n"
                "M  V30 END ATOM\nM  V30 BEGIN BOND\nM  V30 1 1 1 2\nM  V30 END BOND\n"
                "M  V30 END CTAB\nM  END\n";
    cg_sdf_record a = read_good(text), b;

    ck_assert_uint_eq(a.n_atoms, 2);
    ck_assert(is_text(a.smiles, a.smiles_len, "C[NH3+]"));
    ck_assert_float_eq_tol(xyz[0][0], -1, 1e-6);
    ck_assert_float_eq_tol(xyz[1][1], 3.5, 1e-6);
    ck_assert_float_eq_tol(xyz[1][2], 0.1, 1e-6);
    b = read_good(marked);
    ck_assert(same_key(&a, &b));
    b = read_good(neutral);
    ck_assert(!same_key(&a, &b));
}
END_TEST

/* Every notation that fits the columns is read to the last bit like strtod(). */
START_TEST(numbers)
{
    static const char *const texts[] = { "0.0000",  "-0.0000", "1",       ".5",       "-.5",
                                         "5.",      "+3.25",   "123.456", "-9999.99", "1e3",
                                         "-2.5E-3", "0.1",     "12345e-3" };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[512];
        double want = strtod(texts[i], NULL);

        snprintf(text, sizeof text,
                 "x\n  test              3D\n\n" COUNTS(
                     2, 0) "%10s    0.0000    0.0000 C   0\n"
                           "    0.0000    1.0000    0.0000 C   0\nM  END\n",
                 texts[i]);
        read_good(text);
        ck_assert_msg(xyz[0][0] == (float)(want - want / 2), "%s: %.9g, wanted %.9g", texts[i],
                      (double)xyz[0][0], want / 2);
    }
}
END_TEST

START_TEST(refusals)
{
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        { "", "ends after line 0, wanted a header" },
        { "name\n\n", "ends after line 2, wanted a header" },
        { "name\n\n\nnonsense\n", "line 4: found 'nonsense', wanted a counts line" },
        { "name\n\n\n -1  0  0\n", "wanted a counts line" },
        { HEAD COUNTS(3, 2), "ends after line 4, wanted an atom line" },
        { HEAD COUNTS(1, 0) "   -1.0000    0.5000    0.0000\nM  END\n", "line 5: found" },
        { HEAD COUNTS(1, 0) "1         2         3                     \nM  END\n",
          "then the element" },
        { HEAD COUNTS(1, 0) "   -1.0000    0.5000    0.2500 R#  0\nM  END\n",
          "wanted the symbol of an element: wildcards, R groups and queries" },
        { HEAD COUNTS(1, 0) "   -1.0000    0.5000    0.2500 *   0\nM  END\n", "wildcards" },
        { HEAD COUNTS(1, 0) "   -1.0000       nan    0.0000 C   0\nM  END\n",
          "wanted an atom line: three coordinates" },
        { HEAD COUNTS(1, 0) "   -1.0000       inf    0.0000 C   0\nM  END\n", "three coordinates" },
        { HEAD COUNTS(1, 0) "   -1.0000     1 2 3    0.0000 C   0\nM  END\n", "three coordinates" },
        { HEAD COUNTS(1, 0) "   -1.0000  99999.00    0.0000 C   0\nM  END\n", "within 10000" },
        { HEAD COUNTS(3, 2) ATOMS "  1  2  1  0\nM  END\n",
          "line 9: found 'M  END', wanted a bond" },
        { HEAD COUNTS(3, 2) ATOMS BONDS, "ends after line 9, wanted a line 'M  END'" },
        { HEAD COUNTS(0, 0) "M  END\n", "found no atoms" },
        { "x\n  test              2D\n\n" COUNTS(
              1, 0) "    1.0000    1.0000    0.0000 C   0\nM  END\n",
          "found a 2D drawing" },
        { "x\n\n\n" COUNTS(1, 0) "    1.0000    1.0000    0.0000 C   0\nM  END\n",
          "found a 2D drawing" },
        { "x\n\n\n" COUNTS(2, 0) "    1.0000    1.0000    2.0000 C   0\n"
                                 "    2.0000    1.0000    2.0000 C   0\nM  END\n",
          "found a 2D drawing" },
        { HEAD COUNTS(2, 0) "    0.0000    0.0000    0.0000 C   0\n"
                            "    0.0000    0.0000    0.0000 C   0\nM  END\n",
          "found atoms 1 and 2 at one point" },
        { HEAD COUNTS(3, 0) "    1.0000    2.0000    0.0000 C   0\n"
                            "    2.5000    2.0000    0.0000 C   0\n"
                            "    1.0050    2.0050    0.0050 H   0\nM  END\n",
          "found atoms 1 and 3 at one point" },
        { V3_HEAD "M  V30 COUNTS 2 0\nM  V30 BEGIN ATOM\nM  V30 1 C 1 2 3 0\n"
                  "M  V30 2 C 1 2 3 0\nM  V30 END ATOM\nM  END\n",
          "found atoms 1 and 2 at one point" },
        { V3_HEAD "M  V30 COUNTS 1 0\nM  V30 BEGIN ATOM\nM  V30 1 C 1 nan 3 0\n", "an atom line" },
        { V3_HEAD "M  V30 COUNTS 1 0\nM  V30 BEGIN ATOM\nM  V30 1 C 1 -inf 3 0\n", "an atom line" },
        { V3_HEAD "M  V30 COUNTS 1 0\nM  V30 BEGIN ATOM\nM  V30 1 [C,N] 1 2 3 0\n", "queries" },
        { V3_HEAD "M  V30 COUNTS x\n", "wanted the numbers of atoms and bonds" },
        { V3_HEAD "M  V30 COUNTS 3000 0\n", "found 3000 atoms, wanted at most 2048" },
        { V3_HEAD "M  V30 COUNTS 1 0\nM  V30 BEGIN ATOM\nM  V30 END ATOM\n",
          "wanted an atom line" },
        { V3_HEAD "M  V30 COUNTS 1 0\nnonsense\n", "wanted a line 'M  V30 ...'" },
        { V3_HEAD "M  V30 COUNTS 1 0\nM  V30 BEGIN ATOM\nM  V30 1 C 1 2 x 0\n", "an atom line" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cg_sdf_record r;

        ck_assert_msg(read_text(cases[i].text, &r) != CG_OK, "case %zu is accepted", i);
        ck_assert_msg(strstr(err.msg, cases[i].wanted) != NULL, "case %zu: \"%s\" lacks \"%s\"", i,
                      err.msg, cases[i].wanted);
    }
}
END_TEST

/* Name and SMILES of a record with a broken block are known. */
START_TEST(broken_record_keeps_its_name)
{
    cg_sdf_record r;

    ck_assert_int_ne(read_text(HEAD COUNTS(9, 2) "M  END\n> <SMILES>\nCCO\n\n", &r), CG_OK);
    ck_assert(is_text(r.name, r.name_len, "ethanol"));
    ck_assert(is_text(r.smiles, r.smiles_len, "CCO"));
}
END_TEST

/* A NUL byte would truncate names in comparisons. */
START_TEST(nul_bytes)
{
    static const char text[] =
        "eth\0nol\n     RDKit          3D\n\n" COUNTS(3, 2) ATOMS BONDS "M  END\n";
    cg_sdf_record r;

    err = (cg_error)CG_ERROR_INIT;
    ck_assert_int_eq(cg_sdf_read(text, sizeof text - 1, xyz, CG_SDF_MAX_ATOMS, &r, &err),
                     CG_ERR_INPUT);
    ck_assert_contains(err.msg, "found a NUL byte");
    ck_assert(is_text(r.name, r.name_len, "eth"));
}
END_TEST

START_TEST(limits)
{
    cg_buf text = { 0 };
    cg_sdf_record r;

    sdf_head(&text, "many", 513, 0);
    for (int i = 0; i < 513; i++)
        sdf_atom(&text, i, 0, 1, "C");
    cg_buf_puts(&text, "M  END\n");
    ck_assert_int_eq(read_text(text.data, &r), CG_ERR_LIMIT);
    ck_assert_contains(err.msg, "513 heavy atoms, wanted at most 512");
    cg_buf_clear(&text);
    sdf_head(&text, "hydrogens", 999, 0);
    for (int i = 0; i < 999; i++)
        sdf_atom(&text, i, 0, 1, i ? "H" : "C");
    cg_buf_puts(&text, "M  END\n");
    ck_assert_int_eq(read_text(text.data, &r), CG_OK);
    ck_assert_int_eq(cg_sdf_read(text.data, text.len, xyz, 998, &r, &err), CG_ERR_LIMIT);
    cg_buf_finish(&text);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("sdf");

    tcase_add_test(tc, v2000);
    tcase_add_test(tc, text_variants);
    tcase_add_test(tc, keys);
    tcase_add_test(tc, v3000);
    tcase_add_test(tc, numbers);
    tcase_add_test(tc, refusals);
    tcase_add_test(tc, broken_record_keeps_its_name);
    tcase_add_test(tc, nul_bytes);
    tcase_add_test(tc, limits);
    return run_suite("eval_sdf", &tc, 1);
}
