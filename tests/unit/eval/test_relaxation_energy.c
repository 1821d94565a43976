/* SPDX-License-Identifier: MIT */
/* Relaxation energies: equal to those of the force field, whatever a record's hydrogens. */
#include "eval/relaxation_energy.h"

#include <math.h>

#include "chem/hydrogens.h"
#include "eval/compare.h"
#include "eval/evaluate.h"
#include "eval/html.h"
#include "eval/result_json.h"
#include "forcefield/mmff_minimizer.h"
#include "forcefield/mmff_parameters.h"
#include "sdf_made.h"
#include "xml_check.h"

enum { FEW = 5 }; /* conformers of a molecule */

static const cg_eval_settings settings = {
    .delta = 0.75, .symmetry = CG_SYMMETRY_CONJUGATED, .max_maps = 1000, .relaxation = 1
};
static cg_error err = CG_ERROR_INIT;

/* A molecule with all hydrogens, and FEW conformers of it at most. */
struct subject {
    const cg_molecule *mol;
    size_t n, n_text, n_atoms;
    cg_hydrogens *hydrogens;
    cg_mmff_tables *tables;
    double *xyz;      /* [n][n_atoms][3] hydrogens as placed */
    float (*text)[3]; /* [n][n_text] */
    size_t bound_first[FEW + 1];
    cg_bound_hydrogen *bound; /* in reverse order */
};

static struct subject make_subject(const cg_conformers *c)
{
    struct subject s = { .mol = c->mol, .n = c->n < FEW ? c->n : FEW, .n_text = c->n_atoms };
    const cg_smiles *graph;
    size_t n_bound = 0;

    ck_assert_int_eq(cg_hydrogens_create(c->mol, &s.hydrogens, &err), CG_OK);
    graph = cg_molecule_graph(cg_hydrogens_molecule(s.hydrogens));
    s.n_atoms = graph->n_atoms;
    ck_assert_int_eq(
        cg_mmff_tables_create(cg_molecule_smiles(cg_hydrogens_molecule(s.hydrogens), NULL),
                              CG_MMFF94, &s.tables, &err),
        CG_OK);
    s.xyz = calloc(s.n * s.n_atoms * 3, sizeof *s.xyz);
    s.text = calloc(s.n * s.n_text, sizeof *s.text);
    s.bound = calloc(s.n * s.n_atoms, sizeof *s.bound);
    for (size_t i = 0; i < s.n; i++) {
        double(*xyz)[3] = (double(*)[3])(s.xyz + i * s.n_atoms * 3);

        for (size_t k = 0; k < s.n_text * 3; k++) {
            s.text[i * s.n_text + k / 3][k % 3] = c->xyz[i * s.n_text + k / 3][k % 3];
            xyz[k / 3][k % 3] = (double)c->xyz[i * s.n_text + k / 3][k % 3];
        }
        ck_assert_int_eq(cg_hydrogens_place(s.hydrogens, xyz, &err), CG_OK);
        s.bound_first[i] = n_bound;
        for (size_t b = graph->n_bonds; b-- > 0;) {
            uint32_t h = graph->bonds[b].second, heavy = graph->bonds[b].first;

            if (h < s.n_text)
                continue;
            s.bound[n_bound].heavy = (uint16_t)heavy;
            for (int k = 0; k < 3; k++)
                s.bound[n_bound].xyz[k] = (float)(xyz[h][k] = (double)(float)xyz[h][k]);
            n_bound++;
        }
        s.bound_first[i + 1] = n_bound;
    }
    return s;
}

static void free_subject(struct subject *s)
{
    cg_hydrogens_destroy(s->hydrogens);
    cg_mmff_tables_destroy(s->tables);
    free(s->xyz);
    free(s->text);
    free(s->bound);
}

static void measure(const struct subject *s, const size_t *bound_first, float *ret_energies)
{
    cg_relaxation_input input = { s->mol, s->n, (const float(*)[3])s->text, bound_first, s->bound };

    ck_assert_msg(cg_relaxation_measure(&input, ret_energies, &err) == CG_OK, "%s", err.msg);
}

/* The energy that a minimisation releases; with `fixed`, the hydrogens move first. */
static void wanted(const struct subject *s, const uint8_t *fixed, float *ret_energies)
{
    size_t n = s->n * s->n_atoms * 3;
    double *xyz = calloc(n, sizeof *xyz);
    cg_minimizer_options options = cg_minimizer_defaults;
    cg_minimized z[FEW];

    memcpy(xyz, s->xyz, n * sizeof *xyz);
    options.fixed = fixed;
    if (fixed)
        ck_assert_int_eq(cg_mmff_minimize(s->tables, &options, s->n, xyz, z, &err), CG_OK);
    ck_assert_int_eq(cg_mmff_minimize(s->tables, &cg_minimizer_defaults, s->n, xyz, z, &err),
                     CG_OK);
    for (size_t i = 0; i < s->n; i++)
        ret_energies[i] = (float)(z[i].before - z[i].after);
    free(xyz);
}

static cg_conformer_file read_sample(void)
{
    cg_conformer_file f = { 0 };

    ck_assert_msg(cg_conformer_file_read(eval_data("bioactive_gen.sdf.zst"), CG_KEEP_HYDROGENS, 2,
                                         &f, &err) == CG_OK,
                  "%s", err.msg);
    return f;
}

/* Hydrogens of the records in another order, none, and one too few. */
START_TEST(energies_are_those_of_the_force_field)
{
    cg_conformer_file f = read_sample();

    for (size_t m = 0; m < f.n_molecules; m++) {
        struct subject s = make_subject(&f.molecules[m]);
        uint8_t *fixed = calloc(s.n_atoms, 1);
        size_t none[FEW + 1] = { 0 }, fewer[FEW + 1];
        float complete[FEW], lacking[FEW], found[FEW];

        memset(fixed, 1, s.n_text);
        wanted(&s, NULL, complete);
        wanted(&s, fixed, lacking);
        measure(&s, s.bound_first, found);
        for (size_t i = 0; i < s.n; i++) {
            ck_assert_float_gt(found[i], 1);
            ck_assert_float_eq_tol(found[i], complete[i], 1e-3f + 1e-6f * complete[i]);
            ck_assert_float_gt(complete[i], lacking[i] - 0.5f); /* another minimum is possible */
        }
        measure(&s, none, found);
        for (size_t i = 0; i < s.n; i++)
            ck_assert_float_eq_tol(found[i], lacking[i], 1e-3f);
        /* the second conformer lacks the last hydrogen of its record */
        memcpy(fewer, s.bound_first, sizeof fewer);
        for (size_t i = 2; i <= s.n; i++)
            fewer[i]--;
        memmove(s.bound + fewer[2], s.bound + s.bound_first[2],
                (s.bound_first[s.n] - s.bound_first[2]) * sizeof *s.bound);
        measure(&s, fewer, found);
        for (size_t i = 0; i < s.n; i++)
            ck_assert_float_eq_tol(found[i], i == 1 ? lacking[i] : complete[i],
                                   1e-3f + 1e-6f * complete[i]);
        free(fixed);
        free_subject(&s);
    }
    cg_conformer_file_finish(&f);
}
END_TEST

/* Writes conformer i: hydrogens first, then the other atoms from the last one. */
static void put_record(cg_buf *out, const struct subject *s, size_t i, const char *name)
{
    const cg_smiles *g = cg_molecule_graph(cg_hydrogens_molecule(s->hydrogens));
    static const char *const symbols[] = { [1] = "H", [6] = "C", [7] = "N", [8] = "O" };
    const double(*xyz)[3] = (const double(*)[3])(s->xyz + i * s->n_atoms * 3);
    size_t n = s->n_atoms;

    sdf_head(out, name, (int)n, (int)g->n_bonds);
    for (size_t k = n; k-- > 0;)
        sdf_atom(out, xyz[k][0], xyz[k][1], xyz[k][2], symbols[g->atoms[k].element]);
    for (size_t b = 0; b < g->n_bonds; b++)
        cg_buf_printf(out, "%3d%3d  1  0\n", (int)(n - g->bonds[b].first),
                      (int)(n - g->bonds[b].second));
    sdf_end(out, NULL);
}

static cg_conformer_file read_text(const cg_buf *text)
{
    cg_conformer_file f = { 0 };

    ck_assert_msg(cg_conformer_file_read(scratch_write_text("gen.sdf", text->data),
                                         CG_KEEP_HYDROGENS, 1, &f, &err) == CG_OK,
                  "%s", err.msg);
    return f;
}

static cg_eval_result evaluate(const cg_conformer_file *ref, const cg_conformer_file *gen,
                               cg_eval_notes *notes)
{
    cg_eval_result r = { 0 };

    ck_assert_msg(cg_evaluate(ref, gen, &settings, 2, &r, notes, &err) == CG_OK, "%s", err.msg);
    return r;
}

/* Records with and without hydrogens, a molecule without parameters, one without output. */
START_TEST(evaluation_reads_hydrogens)
{
    cg_conformer_file all = read_sample(), ref, gen;
    const cg_conformers *propanol = NULL;
    cg_buf text = { 0 }, refs = { 0 }, json = { 0 }, again = { 0 };
    cg_eval_result r, back = { 0 };
    cg_eval_notes notes;
    float energies[FEW];
    struct subject s;

    for (size_t m = 0; m < all.n_molecules; m++)
        if (!strcmp(all.molecules[m].smiles, "CCCO"))
            propanol = &all.molecules[m];
    ck_assert_ptr_nonnull(propanol);
    s = make_subject(propanol);
    ck_assert_uint_ge(s.n, 2);
    measure(&s, s.bound_first, energies);
    for (size_t i = 0; i < 2; i++)
        put_record(&text, &s, i, "propanol");
    sdf_chain(&text, "borane", "CBC", 0.5, NULL);
    put_record(&refs, &s, 0, "propanol");
    sdf_chain(&refs, "borane", "CBC", 0.4, NULL);
    sdf_chain(&refs, "missing", "CCNCC", 0.4, NULL);
    ref = read_text(&refs);
    gen = read_text(&text);
    r = evaluate(&ref, &gen, &notes);
    ck_assert_uint_eq(r.summary.n_relaxed, 1);
    ck_assert_uint_eq(r.summary.n_no_parameters, 1);
    ck_assert_uint_eq(r.summary.relaxation.n, 2);
    ck_assert_contains(notes.no_parameters, "'borane': ");
    for (int i = 0; i < 2; i++) /* four decimals in the file */
        ck_assert_float_eq_tol(r.molecules[0].relaxation_energy[i], energies[i], 0.02f);
    ck_assert_ptr_null(r.molecules[1].relaxation_energy);
    ck_assert_double_eq_tol(r.summary.relaxation.median, (double)(energies[0] + energies[1]) / 2,
                            0.02);
    ck_assert_double_ge(r.summary.relaxation.largest, r.summary.relaxation.high);
    ck_assert_int_eq(cg_eval_write_json(&r, &json, &err), CG_OK);
    ck_assert_contains(json.data, "\"no_parameters\": 1, ");
    ck_assert_msg(cg_eval_read_json("x", json.data, json.len, &back, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(cg_eval_write_json(&back, &again, &err), CG_OK);
    ck_assert_str_eq(json.data, again.data);
    ck_assert_double_eq(back.molecules[0].relaxation.high, r.molecules[0].relaxation.high);
    cg_eval_result_finish(&back);
    cg_eval_result_finish(&r);
    cg_conformer_file_finish(&gen);
    /* a file that was read without its hydrogens */
    gen = sdf_read(&text, 1);
    ck_assert_int_eq(cg_evaluate(&ref, &gen, &settings, 1, &r, NULL, &err), CG_ERR_INPUT);
    ck_assert_contains(err.msg, "without its hydrogens");
    cg_conformer_file_finish(&gen);
    cg_conformer_file_finish(&ref);
    cg_conformer_file_finish(&all);
    free_subject(&s);
    cg_buf_finish(&text);
    cg_buf_finish(&refs);
    cg_buf_finish(&json);
    cg_buf_finish(&again);
}
END_TEST

START_TEST(distribution)
{
    double v[] = { 5, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11 };
    cg_relaxation r = cg_relaxation_of(v, 11);

    ck_assert_uint_eq(r.n, 11);
    ck_assert_double_eq(r.median, 6);
    ck_assert_double_eq(r.mean, 6);
    ck_assert_double_eq_tol(r.high, 10, 1e-12);
    ck_assert_double_eq(r.largest, 11);
    r = cg_relaxation_of(v, 0);
    ck_assert(r.n == 0 && isnan(r.median) && isnan(r.mean) && isnan(r.high) && isnan(r.largest));
}
END_TEST

START_TEST(page_is_xml)
{
    cg_conformer_file ref = read_sample(), gen = read_sample();
    cg_eval_result r = evaluate(&ref, &gen, NULL);
    cg_buf page = { 0 };

    ck_assert_uint_eq(r.summary.relaxation.n, r.summary.n_gen);
    ck_assert_int_eq(cg_eval_write_html(&r, &page, &err), CG_OK);
    xml_check(cg_buf_text(&page));
    ck_assert_contains(cg_buf_text(&page), "<h3>Conformers by relaxation energy</h3>");
    ck_assert_contains(cg_buf_text(&page), "<tr><th>molecules</th><td class=\"n\">5</td>");
    cg_buf_finish(&page);
    cg_eval_result_finish(&r);
    cg_conformer_file_finish(&ref);
    cg_conformer_file_finish(&gen);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("relaxation_energy");
    cg_mmff_tables *tables = NULL;
    int supported =
        cg_mmff_tables_create("[C]([H])([H])([H])[H]", CG_MMFF94, &tables, &err) == CG_OK;

    cg_mmff_tables_destroy(tables);
    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_test(tc, distribution);
    if (supported) { /* not with a system librdkitcffi */
        tcase_add_test(tc, energies_are_those_of_the_force_field);
        tcase_add_test(tc, evaluation_reads_hydrogens);
        tcase_add_test(tc, page_is_xml);
    }
    return run_suite("eval_relaxation_energy", &tc, 1);
}
