/* SPDX-License-Identifier: MIT */
#include "eval/drawing.h"

#include "base/utf8.h"
#include "eval/projection.h"
#include "scratch.h"
#include "xml_check.h"

#include <math.h>

static cg_buf out;
static cg_drawn_molecule molecule;
static cg_error err;

static void drop(void)
{
    cg_buf_finish(&out);
    cg_drawn_molecule_finish(&molecule);
}

/* ---- projection ------------------------------------------------------------------------ */

static const float bent[5][3] = {
    { -2, 0.3f, 0 },    { -1, -0.6f, 0.1f },   { 0.2f, 0.2f, -0.2f },
    { 1, -0.3f, 0.3f }, { 2.6f, 0.4f, -0.2f },
};

/* Turns points about an axis by 1.1 radians. */
static void turn(size_t n, int axis, float (*xyz)[3])
{
    int a = (axis + 1) % 3, b = (axis + 2) % 3;
    float c = cosf(1.1f), s = sinf(1.1f);

    for (size_t i = 0; i < n; i++) {
        float x = xyz[i][a], y = xyz[i][b];

        xyz[i][a] = c * x - s * y;
        xyz[i][b] = s * x + c * y;
    }
}

static void check_equal(const float (*a)[3], const float (*b)[3])
{
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 3; k++)
            ck_assert_float_eq_tol(a[i][k], b[i][k], 1e-5f);
}

START_TEST(view_does_not_depend_on_the_orientation)
{
    float a[5][3], b[5][3];
    double extent[3];

    memcpy(a, bent, sizeof a);
    memcpy(b, bent, sizeof b);
    for (int k = 0; k < 6; k++)
        turn(5, k % 3, b);
    for (int i = 0; i < 5; i++)
        b[i][1] += 7;
    cg_view_centre(5, a);
    cg_view_centre(5, b);
    cg_view_principal(5, a);
    cg_view_principal(5, b);
    check_equal((const float(*)[3])a, (const float(*)[3])b);
    cg_view_extent(5, (const float(*)[3])a, extent);
    ck_assert_double_gt(extent[0], extent[1]);
    ck_assert_double_ge(extent[1], extent[2]);
}
END_TEST

START_TEST(superposition_restores_a_turned_conformer)
{
    float a[5][3], b[5][3];

    memcpy(a, bent, sizeof a);
    cg_view_centre(5, a);
    memcpy(b, a, sizeof b);
    for (int k = 0; k < 5; k++)
        turn(5, k % 3, b);
    cg_view_superpose(5, (const float(*)[3])a, b);
    check_equal((const float(*)[3])a, (const float(*)[3])b);
}
END_TEST

START_TEST(superposition_keeps_the_hand)
{
    float a[5][3], b[5][3];
    double rest = 0;

    memcpy(a, bent, sizeof a);
    cg_view_centre(5, a);
    memcpy(b, a, sizeof b);
    for (int i = 0; i < 5; i++)
        b[i][2] = -b[i][2];
    cg_view_superpose(5, (const float(*)[3])a, b);
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 3; k++)
            rest += fabs((double)(a[i][k] - b[i][k]));
    ck_assert_double_gt(rest, 0.05);
}
END_TEST

START_TEST(degenerate_conformers_stay_finite)
{
    float one[1][3] = { { 3, 4, 5 } }, line[3][3] = { { 0, 0, 0 }, { 0, 1, 0 }, { 0, 2, 0 } };
    double extent[3];

    cg_view_centre(1, one);
    cg_view_principal(1, one);
    cg_view_superpose(1, (const float(*)[3])one, one);
    cg_view_extent(1, (const float(*)[3])one, extent);
    for (int k = 0; k < 3; k++)
        ck_assert_double_eq(extent[k], 0.5);
    cg_view_centre(3, line);
    cg_view_principal(3, line);
    ck_assert_float_eq_tol(fabsf(line[0][0]), 1, 1e-5f);
    for (int k = 0; k < 3; k++)
        ck_assert(isfinite(line[2][k]));
}
END_TEST

/* ---- sticks ---------------------------------------------------------------------------- */

START_TEST(elements_have_colours)
{
    ck_assert_int_eq(cg_stick_colour(26), 0);
    ck_assert_int_eq(cg_stick_colour(1), 0);
    ck_assert_int_ne(cg_stick_colour(7), cg_stick_colour(8));
    /* Nitrogen is blue, oxygen red; a far one is lighter. */
    ck_assert_uint_gt(cg_stick_rgb(cg_stick_colour(7), 7) & 255, 0x80);
    ck_assert_uint_gt(cg_stick_rgb(cg_stick_colour(8), 7) >> 16, 0x80);
    for (int i = 0; i < CG_STICK_COLOURS; i++) {
        ck_assert_uint_gt(cg_stick_rgb(i, 0), cg_stick_rgb(i, CG_STICK_LAYERS - 1));
        ck_assert_uint_le(cg_stick_rgb(i, 0), 0xffffff);
    }
    ck_assert_double_lt(cg_stick_width(0), cg_stick_width(CG_STICK_LAYERS - 1));
}
END_TEST

/* n conformers of a molecule: atom i of conformer c is at (i, c, i * c / 10). */
static void make(const char *smiles, const char *name, size_t n)
{
    cg_molecule *mol;
    size_t atoms;

    ck_assert_int_eq(cg_molecule_parse(smiles, strlen(smiles), &mol, &err), CG_OK);
    ck_assert_int_eq(cg_sticks_init(mol, &molecule.sticks, &err), CG_OK);
    atoms = molecule.sticks.n_atoms;
    molecule.smiles = strdup(cg_molecule_smiles(mol, NULL));
    molecule.name = strdup(name);
    molecule.conformers = calloc(n, sizeof *molecule.conformers);
    molecule.xyz = calloc(n * atoms, sizeof *molecule.xyz);
    molecule.n = n;
    for (size_t c = 0; c < n; c++) {
        molecule.conformers[c] = (cg_drawn_conformer) { c + 1, -1, NAN, NULL };
        for (size_t i = 0; i < atoms; i++) {
            molecule.xyz[c * atoms + i][0] = (float)i;
            molecule.xyz[c * atoms + i][1] = (float)((i + c) % 3);
            molecule.xyz[c * atoms + i][2] = (float)(i * c) / 10;
        }
        cg_view_centre(atoms, molecule.xyz + c * atoms);
    }
    cg_molecule_destroy(mol);
}

/* The drawing must be well-formed, without NaN, scripts and links. */
static const char *draw(int columns, cg_drawing_align align)
{
    ck_assert_int_eq(cg_drawing_write(&molecule, columns, align, &out, &err), CG_OK);
    xml_check(cg_buf_text(&out));
    ck_assert_ptr_null(strstr(cg_buf_text(&out), "nan"));
    ck_assert_ptr_null(strstr(cg_buf_text(&out), "<script"));
    ck_assert_ptr_null(strstr(cg_buf_text(&out), "href"));
    return cg_buf_text(&out);
}

START_TEST(one_cell_a_conformer)
{
    static const size_t sizes[] = { 1, 2, 4, 5, 33 };

    make("CC(N)C(=O)O", "alanine", sizes[_i]);
    draw(4, _i % 2 ? CG_ALIGN_NONE : CG_ALIGN_FIRST);
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "class=\"cell\""), (int)sizes[_i]);
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "<title>record "), (int)sizes[_i]);
    /* five bonds, two halves each; the legend has three more paths */
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "L"), 10 * (int)sizes[_i]);
    ck_assert_int_eq(xml_count(cg_buf_text(&out), "h12"), 3);
}
END_TEST

START_TEST(atoms_without_bonds_are_dots)
{
    make("[Na+].[Cl-]", "", 1);
    ck_assert_uint_eq(molecule.sticks.n_bonds, 2);
    ck_assert_contains(draw(1, CG_ALIGN_FIRST), "<title>[Cl-].[Na+]</title>");
}
END_TEST

START_TEST(hydrogens_are_left_out)
{
    make("[2H]C([2H])Cl", "", 1);
    ck_assert_uint_eq(molecule.sticks.n_atoms, 2);
    ck_assert_uint_eq(molecule.sticks.n_bonds, 1);
}
END_TEST

START_TEST(records_are_described)
{
    const char *text;

    make("CCO", "x", 4);
    molecule.more = 1;
    molecule.conformers[0] = (cg_drawn_conformer) { 1, 17, -3.456, strdup("pass") };
    molecule.conformers[1].checks = strdup("unchecked");
    molecule.conformers[2].checks = strdup("bond_lengths,<clash>");
    text = draw(9, CG_ALIGN_FIRST);
    ck_assert_contains(text, ">generation 17<");
    ck_assert_contains(text, "−3.46\xc2\xa0kcal/mol<");
    ck_assert_contains(text, "<text class=\"good\"");
    ck_assert_contains(text, ">not fully checked<");
    ck_assert_contains(text, ">fails bond_lengths,&lt;clash&gt;<");
    ck_assert_contains(text, ">the first 4 conformers, 3 heavy atoms<");
}
END_TEST

START_TEST(names_are_escaped_and_cut)
{
    char name[4000] = "</title><script>alert(1)</script>\"'&\x01\xff";
    const char *text;

    for (size_t n = strlen(name); n + 4 < sizeof name; n += 2)
        memcpy(name + n, "\xc3\x85", 3);
    make("CCO", name, 1);
    text = draw(1, CG_ALIGN_FIRST);
    ck_assert_contains(text, "<title>&lt;/title&gt;&lt;script&gt;alert(1)");
    ck_assert_contains(text, "Å…</text>");
    for (const unsigned char *s = (const unsigned char *)text; *s; s += cg_utf8_length(s))
        ck_assert_int_gt(cg_utf8_length(s), 0);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("drawing");

    tcase_add_checked_fixture(tc, NULL, drop);
    tcase_add_test(tc, view_does_not_depend_on_the_orientation);
    tcase_add_test(tc, superposition_restores_a_turned_conformer);
    tcase_add_test(tc, superposition_keeps_the_hand);
    tcase_add_test(tc, degenerate_conformers_stay_finite);
    tcase_add_test(tc, elements_have_colours);
    tcase_add_loop_test(tc, one_cell_a_conformer, 0, 5);
    tcase_add_test(tc, atoms_without_bonds_are_dots);
    tcase_add_test(tc, hydrogens_are_left_out);
    tcase_add_test(tc, records_are_described);
    tcase_add_test(tc, names_are_escaped_and_cut);
    return run_suite("eval_drawing", &tc, 1);
}
