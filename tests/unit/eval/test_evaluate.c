/* SPDX-License-Identifier: MIT */
#include "eval/evaluate.h"

#include <math.h>

#include "chem/rdkit_c.h"
#include "sdf_made.h"

static const cg_eval_settings defaults = { .delta = 0.75,
                                           .symmetry = CG_SYMMETRY_CONJUGATED,
                                           .max_maps = 1000 };

static cg_eval_result evaluate(const cg_conformer_file *ref, const cg_conformer_file *gen,
                               const cg_eval_settings *settings, int n_threads,
                               cg_eval_notes *notes)
{
    cg_eval_result r = { 0 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_evaluate(ref, gen, settings, n_threads, &r, notes, &err) == CG_OK, "%s",
                  err.msg);
    return r;
}

static cg_conformer_file read_data(const char *name)
{
    cg_conformer_file f = { 0 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_conformer_file_read(eval_data(name), CG_KEEP_TEXT_HYDROGENS, 2, &f, &err) ==
                      CG_OK,
                  "%s", err.msg);
    return f;
}

/* Figures of tools/eval_reference.py (GetBestRMS) at 0.25 Å, for own and foreign files. */
START_TEST(figures_equal_those_of_rdkit)
{
    cg_eval_settings settings = defaults;
    cg_conformer_file ref = read_data("ref.sdf");

    settings.delta = 0.25;
    for (int k = 0; k < 2; k++) {
        cg_conformer_file gen = read_data(k ? "foreign.sdf" : "gen.sdf");
        cg_eval_notes notes;
        cg_eval_result r = evaluate(&ref, &gen, &settings, 2, &notes);
        const cg_eval_summary *s = &r.summary;

        ck_assert_uint_eq(s->n_molecules, 8);
        ck_assert_uint_eq(s->n_ref, 24);
        ck_assert_uint_eq(s->n_gen, 32);
        ck_assert_uint_eq(s->pairs, 96);
        ck_assert_uint_eq(s->n_missing + s->n_wrong + s->n_broken + s->n_extra, 0);
        ck_assert_uint_eq(notes.by_name, 8);
        ck_assert_double_eq_tol(s->cov_r.mean, 0.41666666666666663, 1e-12);
        ck_assert_double_eq_tol(s->cov_r.median, 0.3333333333333333, 1e-12);
        ck_assert_double_eq_tol(s->mat_r.mean, 0.3674606709001743, 1e-6);
        ck_assert_double_eq_tol(s->mat_r.median, 0.3678461990752451, 1e-6);
        ck_assert_double_eq_tol(s->cov_p.mean, 0.40625, 1e-12);
        ck_assert_double_eq_tol(s->cov_p.median, 0.375, 1e-12);
        ck_assert_double_eq_tol(s->mat_p.mean, 0.370864530997381, 1e-6);
        ck_assert_double_eq_tol(s->mat_p.median, 0.3650550103436245, 1e-6);
        ck_assert_double_eq_tol(s->curve_r[4].mean, s->cov_r.mean, 1e-12); /* 0.25 Å */
        ck_assert_double_eq(s->curve_r[59].mean, 1);
        ck_assert_str_eq(r.molecules[3].name, "imidazole");
        ck_assert_uint_eq(r.molecules[3].n_maps, 2);
        ck_assert_uint_eq(r.molecules[1].n_maps, 4); /* nitro, ring */
        ck_assert_uint_eq(r.molecules[4].n_rotatable, 3);
        cg_eval_result_finish(&r);
        cg_conformer_file_finish(&gen);
    }
    cg_conformer_file_finish(&ref);
}
END_TEST

/* References against themselves: all distances are 0, on any number of threads, with checks. */
START_TEST(references_against_themselves)
{
    cg_eval_settings settings = defaults;
    cg_conformer_file ref = read_data("ref.sdf");

    settings.checks = 1;
    for (int threads = 1; threads <= 3; threads++) {
        cg_eval_result r = evaluate(&ref, &ref, &settings, threads, NULL);

        ck_assert_double_eq(r.summary.cov_r.mean, 1);
        ck_assert_double_eq_tol(r.summary.mat_p.mean, 0, 1e-3);
        ck_assert_uint_eq(r.summary.checked, 24);
        ck_assert_uint_eq(r.summary.check_done[CG_CHECK_BOND_LENGTHS], 24);
        ck_assert_uint_eq(r.summary.check_failed[CG_CHECK_BOND_LENGTHS], 0);
        ck_assert_uint_eq(r.summary.check_done[CG_CHECK_STEREO], 6);
        for (size_t i = 0; i < r.n_molecules; i++)
            for (size_t k = 0; k < r.molecules[i].n_ref; k++)
                ck_assert_float_eq_tol(r.molecules[i].ref_min[k], 0, 2e-3);
        cg_eval_result_finish(&r);
    }
    cg_conformer_file_finish(&ref);
}
END_TEST

/* A record that RDKit writes with all hydrogens; mirrored: z becomes -z. */
static void add_rdkit_record(cg_buf *out, const char *smiles, int mirrored, int with_smiles)
{
    size_t size;
    char *pkl = get_mol(smiles, &size, "{}"), *block, *line;
    int n_atoms = 0;

    ck_assert_int_eq(add_hs(&pkl, &size), 1);
    ck_assert_msg(set_3d_coords(&pkl, &size, "{\"randomSeed\":7}") > 0, "%s", smiles);
    block = get_molblock(pkl, size, "{}");
    line = block;
    for (int i = 0; i < 3; i++)
        line = strchr(line, '\n') + 1;
    ck_assert_int_eq(sscanf(line, "%3d", &n_atoms), 1);
    for (int i = 0; i < n_atoms && mirrored; i++) { /* columns 20 to 29 */
        char z[11];

        line = strchr(line, '\n') + 1;
        snprintf(z, sizeof z, "%10.4f", -strtod(line + 20, NULL));
        memcpy(line + 20, z, 10);
    }
    cg_buf_puts(out, "x");
    *strstr(block, "M  END") = '\0';
    cg_buf_puts(out, block);
    sdf_end(out, with_smiles ? smiles : NULL);
    free_ptr(block);
    free_ptr(pkl);
}

/* The hydrogens of a SMILES are found among all hydrogens of a record. */
START_TEST(records_with_all_hydrogens_are_checked)
{
    static const struct {
        const char *smiles;
        int chiral;
    } cases[] = {
        { "[H]/N=C(\\N)c1ccccc1", 0 }, { "[H]/N=N/C", 0 },           { "[H]/N=C(C)/CC", 0 },
        { "[2H]/C=C/C", 0 },           { "[2H][C@](C)(F)Cl", 1 },    { "[2H][C@H](C)O", 1 },
        { "[2H][C@@H]([3H])CF", 1 },   { "C[C@H]1CCC[S@+]1C", 1 },   { "[13CH3][C@H](C)O", 1 },
        { "C[C@H](N)C(=O)O", 1 },      { "[2H]C([2H])([2H])CO", 0 },
    };
    cg_eval_settings settings = defaults;

    settings.checks = 1;
    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        const char *smiles = cases[i / 2].smiles;
        cg_buf ref_text = { 0 }, gen_text = { 0 };
        cg_conformer_file ref, gen;
        cg_eval_result r;

        add_rdkit_record(&ref_text, smiles, 0, 1);
        add_rdkit_record(&gen_text, smiles, 0, (int)i % 2);
        add_rdkit_record(&gen_text, smiles, 1, (int)i % 2);
        ref = sdf_read(&ref_text, 1);
        gen = sdf_read(&gen_text, 1);
        r = evaluate(&ref, &gen, &settings, 1, NULL);
        ck_assert_msg(r.summary.checked == 2 && r.summary.unchecked == 0, "%s", smiles);
        ck_assert_msg(!r.summary.check_failed[CG_CHECK_SANITIZE], "%s", smiles);
        ck_assert_msg(r.summary.check_failed[CG_CHECK_STEREO] == (uint64_t)cases[i / 2].chiral,
                      "%s: %d", smiles, (int)r.summary.check_failed[CG_CHECK_STEREO]);
        ck_assert_msg(r.summary.passed_all == 2 - (uint64_t)cases[i / 2].chiral, "%s", smiles);
        cg_eval_result_finish(&r);
        cg_conformer_file_finish(&ref);
        cg_conformer_file_finish(&gen);
        cg_buf_finish(&ref_text);
        cg_buf_finish(&gen_text);
    }
}
END_TEST

/* A record that lacks a hydrogen of its SMILES. */
START_TEST(missing_hydrogens_leave_checks_undone)
{
    cg_eval_settings settings = defaults;
    cg_buf text = { 0 };
    cg_conformer_file f;
    cg_eval_result r;

    settings.checks = 1;
    sdf_chain(&text, "x", "CCF", 0.9, "[2H][C@H](C)F");
    f = sdf_read(&text, 1);
    r = evaluate(&f, &f, &settings, 1, NULL);
    ck_assert_uint_eq(r.summary.check_unchecked[CG_CHECK_STEREO], 1);
    ck_assert_uint_eq(r.summary.check_done[CG_CHECK_STEREO], 0);
    ck_assert_uint_eq(r.summary.passed_all, 0);
    cg_eval_result_finish(&r);
    cg_conformer_file_finish(&f);
    cg_buf_finish(&text);
}
END_TEST

static const cg_eval_molecule *find(const cg_eval_result *r, const char *name)
{
    for (size_t i = 0; i < r->n_molecules; i++)
        if (!strcmp(r->molecules[i].name, name))
            return &r->molecules[i];
    ck_abort_msg("no molecule %s", name);
    return NULL;
}

START_TEST(names)
{
    cg_buf ref_text = { 0 }, gen_text = { 0 };
    cg_conformer_file ref, gen;
    cg_eval_settings settings = defaults;
    cg_eval_notes notes;
    cg_eval_result r;

    sdf_chain(&ref_text, "full", "CCO", 0.5, NULL);
    sdf_chain(&ref_text, "full", "CCO", 1.5, NULL);
    sdf_chain(&ref_text, "wrong", "CCN", 0.5, NULL);
    sdf_chain(&ref_text, "none", "CCS", 0.5, NULL);
    sdf_chain(&ref_text, "broken", "CCF", 0.5, NULL);
    sdf_chain(&ref_text, "unnamed", "CCCO", 0.5, NULL);
    sdf_chain(&gen_text, "full", "OCC", 0.5, NULL);
    sdf_chain(&gen_text, "wrong", "CCO", 0.5, NULL);
    sdf_chain(&gen_text, "wrong", "CCO", 0.6, NULL);
    sdf_chain(&gen_text, "extra", "CCS", 0.6,
              NULL); /* names match, so it is not assigned to "none" by SMILES */
    cg_buf_puts(&gen_text, "broken\n\n\n$$$$\n");
    sdf_chain(&gen_text, "full", "CCC", 0.5, NULL);
    sdf_chain(&gen_text, "", "CCCO", 0.5, NULL);
    ref = sdf_read(&ref_text, 1);
    gen = sdf_read(&gen_text, 1);
    r = evaluate(&ref, &gen, &settings, 1, &notes);
    ck_assert_uint_eq(r.summary.n_molecules, 5);
    ck_assert_uint_eq(r.summary.n_missing, 3);
    ck_assert_uint_eq(r.summary.n_extra, 1);
    ck_assert_uint_eq(r.summary.n_wrong, 3);
    ck_assert_uint_eq(r.summary.n_broken, 1);
    ck_assert_uint_eq(r.summary.pairs, 3);
    ck_assert_uint_eq(find(&r, "full")->n_gen, 1);
    ck_assert_uint_eq(find(&r, "full")->n_wrong, 1);
    ck_assert_uint_eq(find(&r, "wrong")->n_wrong, 2);
    ck_assert_uint_eq(find(&r, "wrong")->n_gen, 0);
    ck_assert_uint_eq(find(&r, "broken")->n_broken, 1);
    ck_assert_uint_eq(find(&r, "unnamed")->n_gen, 1);
    ck_assert_uint_eq(notes.by_name, 3);
    ck_assert_uint_eq(notes.by_smiles, 1);
    ck_assert_int_eq(notes.names_failed, 0);
    ck_assert_float_eq_tol(find(&r, "full")->ref_min[0], 0, 1e-3);
    ck_assert_double_eq(find(&r, "none")->cov_r, 0);
    ck_assert(isnan(find(&r, "none")->mat_r));
    /* five molecules, two of them fully covered: 2/5; without the missing ones: 1 */
    ck_assert_double_eq_tol(r.summary.cov_r.mean, 0.4, 1e-12);
    ck_assert_double_eq_tol(r.summary.cov_r.median, 0, 1e-12);
    cg_eval_result_finish(&r);
    settings.missing = CG_MISSING_DROP;
    r = evaluate(&ref, &gen, &settings, 1, NULL);
    ck_assert_double_eq_tol(r.summary.cov_r.mean, 1, 1e-12);
    ck_assert_uint_eq(r.summary.n_missing, 3);
    cg_eval_result_finish(&r);
    cg_conformer_file_finish(&ref);
    cg_conformer_file_finish(&gen);
    cg_buf_finish(&ref_text);
    cg_buf_finish(&gen_text);
}
END_TEST

START_TEST(smiles_are_used_if_names_do_not_match)
{
    cg_buf ref_text = { 0 }, gen_text = { 0 };
    cg_conformer_file ref, gen;
    cg_eval_notes notes;
    cg_eval_result r;

    sdf_chain(&ref_text, "a", "CCO", 0.5, NULL);
    sdf_chain(&ref_text, "b", "CCN", 0.5, NULL);
    sdf_chain(&ref_text, "same as b", "CCN", 0.5, NULL);
    sdf_chain(&gen_text, "x_1", "OCC", 0.5, NULL);
    sdf_chain(&gen_text, "x_2", "NCC", 0.5, NULL);
    sdf_chain(&gen_text, "x_3", "CCO", 0.9, NULL);
    sdf_chain(&gen_text, "x_4", "CCS", 0.9, NULL);
    ref = sdf_read(&ref_text, 1);
    gen = sdf_read(&gen_text, 1);
    r = evaluate(&ref, &gen, &defaults, 1, &notes);
    ck_assert_int_eq(notes.names_failed, 1);
    ck_assert_uint_eq(notes.by_name, 0);
    ck_assert_uint_eq(notes.by_smiles, 3);
    ck_assert_uint_eq(notes.extra, 1);
    ck_assert_uint_eq(find(&r, "a")->n_gen, 2);
    ck_assert_uint_eq(find(&r, "b")->n_gen, 1);
    ck_assert_uint_eq(find(&r, "same as b")->n_gen, 0);
    ck_assert_float_eq_tol(find(&r, "a")->gen_min[0], 0, 1e-3);
    ck_assert_float_gt(find(&r, "a")->gen_min[1], 0.05f);
    cg_eval_result_finish(&r);
    cg_conformer_file_finish(&ref);
    cg_conformer_file_finish(&gen);
    cg_buf_finish(&ref_text);
    cg_buf_finish(&gen_text);
}
END_TEST

START_TEST(refused_references)
{
    cg_buf text = { 0 };
    cg_conformer_file ref;
    cg_eval_result r = { 0 };
    cg_error err = CG_ERROR_INIT;

    sdf_chain(&text, "a", "CCO", 0.5, NULL);
    sdf_chain(&text, "b", "CCO", 0.5, NULL);
    sdf_chain(&text, "a", "CCN", 0.5, NULL);
    ref = sdf_read(&text, 1);
    ck_assert_int_eq(cg_evaluate(&ref, &ref, &defaults, 1, &r, NULL, &err), CG_ERR_INPUT);
    ck_assert_contains(err.msg, "'made.sdf': records 1 and 3 have the name 'a' and are different "
                                "molecules, 'CCO' and 'CCN'; --on-mismatch drop");
    cg_conformer_file_finish(&ref);
    cg_buf_clear(&text);
    cg_buf_puts(&text, "a\n\n\n$$$$\n");
    ref = sdf_read(&text, 1);
    ck_assert_int_eq(cg_evaluate(&ref, &ref, &defaults, 1, &r, NULL, &err), CG_ERR_INPUT);
    ck_assert_contains(err.msg, "no reference conformer that can be read; first broken record: ");
    cg_conformer_file_finish(&ref);
    cg_buf_finish(&text);
}
END_TEST

static const cg_eval_mismatch *find_fault(const cg_eval_result *r, int is_reference,
                                          const char *name)
{
    for (size_t i = 0; i < r->n_mismatches; i++)
        if (r->mismatches[i].is_reference == is_reference && !strcmp(r->mismatches[i].name, name))
            return &r->mismatches[i];
    ck_abort_msg("no mismatch of %s", name);
    return NULL;
}

/* With CG_MISMATCH_DROP, one molecule of each name is evaluated; the others are listed. */
START_TEST(foreign_references_are_dropped)
{
    cg_buf text = { 0 };
    cg_conformer_file ref;
    cg_eval_settings settings = defaults;
    cg_eval_result r;
    const cg_eval_mismatch *m;

    settings.on_mismatch = CG_MISMATCH_DROP;
    sdf_chain(&text, "most", "CCN", 0.5, NULL);
    sdf_chain(&text, "most", "CCO", 0.5, NULL);
    sdf_chain(&text, "most", "CCO", 0.7, NULL);
    sdf_chain(&text, "stated", "CCC", 0.5, NULL);
    sdf_chain(&text, "stated", "CCC", 0.6, "CCS"); /* the SMILES states what the block is not */
    sdf_chain(&text, "stated", "CCS", 0.5, "CCS");
    sdf_chain(&text, "first", "CCF", 0.5, NULL);
    sdf_chain(&text, "first", "CCCC", 0.5, NULL);
    sdf_chain(&text, "alone", "CCCO", 0.5, NULL);
    cg_buf_puts(&text, "alone\n\n\n$$$$\ngone\n\n\n$$$$\n");
    ref = sdf_read(&text, 1);
    r = evaluate(&ref, &ref, &settings, 2, NULL);
    ck_assert_uint_eq(r.n_molecules, 4);
    ck_assert_str_eq(find(&r, "most")->smiles, "CCO");
    ck_assert_str_eq(find(&r, "stated")->smiles, "CCS");
    ck_assert_str_eq(find(&r, "first")->smiles, "CCF");
    ck_assert_uint_eq(find(&r, "most")->n_ref, 2);
    ck_assert_uint_eq(find(&r, "most")->n_ref_dropped, 1);
    ck_assert_uint_eq(find(&r, "stated")->n_ref_dropped, 2);
    ck_assert_uint_eq(find(&r, "alone")->n_ref_broken, 1);
    ck_assert_uint_eq(r.summary.n_ref, 5);
    ck_assert_uint_eq(r.summary.n_ref_dropped, 4);
    ck_assert_uint_eq(r.summary.n_ref_broken, 2);
    ck_assert_uint_eq(r.summary.n_wrong, 4);
    ck_assert_double_eq(r.summary.cov_r.mean, 1);
    ck_assert_uint_eq(r.n_mismatches, 10); /* each file has 3 foreign and 2 broken names */
    m = find_fault(&r, 1, "stated");
    ck_assert_int_eq(m->fault, CG_FAULT_MOLECULE);
    ck_assert_uint_eq(m->n, 2);
    ck_assert_uint_eq(m->first_record, 4);
    ck_assert_str_eq(m->found, "CCC");
    ck_assert_str_eq(m->wanted, "CCS");
    m = find_fault(&r, 1, "gone");
    ck_assert_int_eq(m->fault, CG_FAULT_BROKEN);
    ck_assert_uint_eq(m->first_record, 11);
    ck_assert_str_eq(m->wanted, "");
    cg_eval_result_finish(&r);
    cg_conformer_file_finish(&ref);
    cg_buf_finish(&text);
}
END_TEST

/* A tetrahedral centre or a double bond: a block of five or four heavy atoms, mirrored if asked. */
static void put_centre(cg_buf *out, const char *name, int mirrored, const char *smiles)
{
    static const double corner[4][3] = { { 1, 1, 1 }, { -1, -1, 1 }, { -1, 1, -1 }, { 1, -1, -1 } };
    static const char *const elements[] = { "F", "Cl", "Br", "I" };

    sdf_head(out, name, 5, 4);
    sdf_atom(out, 0, 0, 0, "C");
    for (int i = 0; i < 4; i++)
        sdf_atom(out, corner[i][0], corner[i][1], mirrored ? -corner[i][2] : corner[i][2],
                 elements[i]);
    for (int i = 0; i < 4; i++)
        cg_buf_printf(out, "  1%3d  1  0\n", i + 2);
    sdf_end(out, smiles);
}

/* FC=CCl, cis or trans. */
static void put_bond(cg_buf *out, const char *name, int trans, const char *smiles)
{
    sdf_head(out, name, 4, 3);
    sdf_atom(out, -0.7, 1.2, 0.1, "F");
    sdf_atom(out, 0, 0, 0, "C");
    sdf_atom(out, 1.3, 0, 0, "C");
    sdf_atom(out, 2.2, trans ? -1.4 : 1.4, 0.1, "Cl");
    cg_buf_puts(out, "  1  2  1  0\n  2  3  2  0\n  3  4  1  0\n");
    sdf_end(out, smiles);
}

/* Conformers of another configuration are scored and listed, without any check. */
START_TEST(other_configurations)
{
    static const char *const hands[] = { "F[C@](Cl)(Br)I", "F[C@@](Cl)(Br)I" };
    cg_buf ref_text = { 0 }, gen_text = { 0 };
    cg_conformer_file ref, gen;
    cg_eval_result r;
    int hand;

    put_centre(&ref_text, "hand", 0, NULL); /* which hand is it? */
    ref = sdf_read(&ref_text, 1);
    hand = strcmp(ref.molecules[0].smiles, hands[0]) != 0;
    cg_conformer_file_finish(&ref);
    cg_buf_clear(&ref_text);

    put_centre(&ref_text, "same", 0, hands[hand]);
    put_centre(&ref_text, "perceived", 0, NULL);
    put_centre(&ref_text, "open", 0, "FC(Cl)(Br)I");
    put_centre(&ref_text, "racemic", 0, "FC(Cl)(Br)I");
    put_centre(&ref_text, "racemic", 1, "FC(Cl)(Br)I");
    put_centre(&ref_text, "reference", 0, hands[hand]);
    put_centre(&ref_text, "reference", 1, hands[hand]);
    put_bond(&ref_text, "bond", 1, "F/C=C/Cl");
    put_bond(&ref_text, "open bond", 1, "FC=CCl");
    put_centre(&gen_text, "same", 0, hands[hand]);
    put_centre(&gen_text, "same", 1, hands[hand]);
    put_centre(&gen_text, "same", 1, hands[!hand]);
    put_centre(&gen_text, "perceived", 1, NULL);
    put_centre(&gen_text, "open", 1, "FC(Cl)(Br)I");
    put_centre(&gen_text, "racemic", 1, "FC(Cl)(Br)I");
    put_centre(&gen_text, "reference", 0, hands[hand]);
    put_bond(&gen_text, "bond", 0, "F/C=C/Cl");
    put_bond(&gen_text, "bond", 1, "F/C=C/Cl");
    put_bond(&gen_text, "open bond", 0, "FC=CCl");
    ref = sdf_read(&ref_text, 1);
    gen = sdf_read(&gen_text, 1);
    r = evaluate(&ref, &gen, &defaults, 2, NULL);
    ck_assert_uint_eq(r.summary.n_gen, 10);
    ck_assert_uint_eq(r.summary.n_stereo, 4);
    ck_assert_uint_eq(r.summary.n_ref_stereo, 1);
    ck_assert_uint_eq(r.summary.n_stereo_untested, 0);
    ck_assert_uint_eq(find(&r, "same")->n_stereo, 2);
    ck_assert_uint_eq(find(&r, "racemic")->n_stereo, 0);
    ck_assert_uint_eq(r.n_mismatches, 6);
    ck_assert_int_eq(find_fault(&r, 1, "reference")->fault, CG_FAULT_ENANTIOMER);
    ck_assert_int_eq(find_fault(&r, 0, "same")->fault, CG_FAULT_ENANTIOMER);
    ck_assert_uint_eq(find_fault(&r, 0, "same")->n, 2);
    ck_assert_int_eq(find_fault(&r, 0, "perceived")->fault, CG_FAULT_ENANTIOMER);
    ck_assert_int_eq(find_fault(&r, 0, "open")->fault, CG_FAULT_OPEN_STEREO);
    ck_assert_int_eq(find_fault(&r, 0, "bond")->fault, CG_FAULT_STEREOISOMER);
    ck_assert_int_eq(find_fault(&r, 0, "open bond")->fault, CG_FAULT_OPEN_STEREO);
    cg_eval_result_finish(&r);
    cg_conformer_file_finish(&ref);
    cg_conformer_file_finish(&gen);
    cg_buf_finish(&ref_text);
    cg_buf_finish(&gen_text);
}
END_TEST

/* The atoms of a meso compound may be exchanged; its mirror image is itself. A diastereomer is
 * another molecule, and so is what exchanges E and Z where atoms are equivalent without stereo. */
START_TEST(equivalent_atoms_and_stereo)
{
    static const struct {
        const char *ref, *gen;
        int same;
    } cases[] = {
        { "meso", "meso mirrored", 1 },
        { "meso", "meso reversed", 1 },
        { "meso", "chiral", 0 },
        { "chiral", "chiral reversed", 1 },
        { "chiral", "chiral mirrored", 0 },
        { "isotope", "isotope reversed", 1 },
        { "isotope", "isotope mirrored", 0 },
        { "E and Z", "E and Z reversed", 1 },
        { "E and Z", "E and Z mirrored", 1 },
    };
    const char *path = eval_data("stereo.sdf");
    cg_conformer_file all = { 0 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_conformer_file_read(path, CG_KEEP_TEXT_HYDROGENS, 1, &all, &err) == CG_OK,
                  "%s", err.msg);
    ck_assert_uint_eq(all.n_broken, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        cg_conformer_file ref = all, gen = all;
        cg_conformers a = { 0 }, b = { 0 };
        cg_eval_result r;

        for (size_t k = 0; k < all.n_molecules; k++) {
            a = !strcmp(all.molecules[k].name, cases[i].ref) ? all.molecules[k] : a;
            b = !strcmp(all.molecules[k].name, cases[i].gen) ? all.molecules[k] : b;
        }
        ck_assert(a.n == 1 && b.n == 1);
        b.name = a.name;
        ref.molecules = &a;
        gen.molecules = &b;
        ref.n_molecules = gen.n_molecules = 1;
        r = evaluate(&ref, &gen, &defaults, 1, NULL);
        ck_assert_uint_eq(r.n_molecules, 1);
        ck_assert_uint_eq(r.summary.n_gen, 1);
        ck_assert_msg((int)r.summary.n_stereo == !cases[i].same, "%s, %s", cases[i].ref,
                      cases[i].gen);
        cg_eval_result_finish(&r);
    }
    cg_conformer_file_finish(&all);
}
END_TEST

/* Plain RMSD ignores symmetry: a reversed propane differs, while its best RMSD is 0. */
START_TEST(plain_rmsd)
{
    cg_buf a = { 0 }, b = { 0 };
    cg_conformer_file ref, gen;
    cg_eval_settings settings = defaults;
    cg_eval_result r;

    sdf_head(&a, "p", 3, 2);
    sdf_atom(&a, -1.5, 0, 0.5, "C");
    sdf_atom(&a, 0, 0, 0.5, "C");
    sdf_atom(&a, 0, 2.5, 0.5, "C");
    cg_buf_puts(&a, "  1  2  1  0\n  2  3  1  0\n");
    sdf_end(&a, NULL);
    sdf_head(&b, "p", 3, 2);
    sdf_atom(&b, 0, 2.5, 0.5, "C");
    sdf_atom(&b, 0, 0, 0.5, "C");
    sdf_atom(&b, -1.5, 0, 0.5, "C");
    cg_buf_puts(&b, "  1  2  1  0\n  2  3  1  0\n");
    sdf_end(&b, NULL);
    ref = sdf_read(&a, 1);
    gen = sdf_read(&b, 1);
    r = evaluate(&ref, &gen, &settings, 1, NULL);
    ck_assert_double_eq_tol(r.summary.mat_r.mean, 0, 1e-3);
    ck_assert_uint_eq(r.molecules[0].n_maps, 2);
    cg_eval_result_finish(&r);
    settings.rmsd = CG_RMSD_PLAIN;
    r = evaluate(&ref, &gen, &settings, 1, NULL);
    ck_assert_double_gt(r.summary.mat_r.mean, 0.4);
    ck_assert_uint_eq(r.molecules[0].n_maps, 1);
    cg_eval_result_finish(&r);
    cg_conformer_file_finish(&ref);
    cg_conformer_file_finish(&gen);
    cg_buf_finish(&a);
    cg_buf_finish(&b);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("evaluate");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, figures_equal_those_of_rdkit);
    tcase_add_test(tc, records_with_all_hydrogens_are_checked);
    tcase_add_test(tc, missing_hydrogens_leave_checks_undone);
    tcase_add_test(tc, references_against_themselves);
    tcase_add_test(tc, names);
    tcase_add_test(tc, smiles_are_used_if_names_do_not_match);
    tcase_add_test(tc, refused_references);
    tcase_add_test(tc, foreign_references_are_dropped);
    tcase_add_test(tc, other_configurations);
    tcase_add_test(tc, equivalent_atoms_and_stereo);
    tcase_add_test(tc, plain_rmsd);
    return run_suite("eval_evaluate", &tc, 1);
}
