/* SPDX-License-Identifier: MIT */
/* Each allocation fails once: reading, writing and summarizing results, and reading records that
 * need no RDKit, must then report it or succeed, and leak nothing. */
#include <jansson.h>
#include <stdlib.h>

#include "alloc_fail.h"
#include "eval/conformers.h"
#include "eval/recovery.h"
#include "eval/result_json.h"
#include "eval_made.h"

static cg_buf json;
static cg_eval_result result;

static cg_status read_result(cg_error *err)
{
    cg_eval_result r = { 0 };
    cg_status st = cg_eval_read_json("x", json.data, json.len, &r, err);

    cg_eval_result_finish(&r);
    return st;
}

static cg_status write_result(cg_error *err)
{
    cg_buf out = { 0 };
    cg_status st = cg_eval_write_json(&result, &out, err);

    if (st == CG_OK)
        st = cg_eval_write_csv(&result, &out, err);
    cg_buf_finish(&out);
    return st;
}

static cg_status summarize(cg_error *err)
{
    return cg_eval_summarize(&result, err);
}

static cg_torsions *torsions; /* of butane; NULL with a system librdkitcffi */

/* Figures for experimental references, of made conformers of a chain of four atoms. */
static cg_status recover(cg_error *err)
{
    enum { GEN = 20 };
    uint16_t map[] = { 0, 1, 2, 3 };
    cg_symmetry symmetry = { .n_atoms = 4, .n_maps = 1, .maps = map };
    cg_rmsd_limits limits = { 0 };
    float gen[GEN][4][3], ref_min[1], gen_min[GEN];
    cg_bioactive figures;
    cg_rmsd_count count;
    cg_rmsd_set *ref = NULL;
    cg_status st;

    for (int i = 0; i < GEN; i++)
        for (int k = 0; k < 4; k++) {
            gen[i][k][0] = (float)(k * k) + 0.3f * (float)i;
            gen[i][k][1] = 2.5f * (float)(i * k % 3);
            gen[i][k][2] = 1.5f * (float)(i * k % 7);
        }
    CG_TRY(cg_rmsd_set_create((const float(*)[3])gen, 1, 4, &ref, err));
    st = cg_recovery_compare(ref, 1, (const float(*)[3])gen, GEN, &symmetry, &limits, ref_min,
                             gen_min, &figures, &count, err);
    if (st == CG_OK && torsions)
        st = cg_recovery_torsions(torsions, (const float(*)[3])gen, 1, (const float(*)[3])gen, GEN,
                                  4, &figures, err);
    cg_rmsd_set_destroy(ref);
    return st;
}

/* Broken records pass through everything except RDKit. */
static cg_status read_records(cg_error *err)
{
    static const char text[] = "a\n\n\n$$$$\nb\n\n\nx\n$$$$\na\n\n\n 1  0\n$$$$\nc\n\n\n"
                               "  1  0  0\n    0.0000    0.0000    0.0000 C   0\nM  END\n$$$$\n";
    cg_conformer_file f = { 0 };
    cg_status st = cg_conformer_file_read_memory("records", text, sizeof text - 1, 1, &f, err);

    if (st == CG_OK && (f.n_broken != 4 || f.n_broken_names != 3)) /* Check's macros allocate */
        st = CG_ERR_INTERNAL;
    cg_conformer_file_finish(&f);
    return st;
}

/* Number of allocations of the JSON parser. They are not swept: jansson 2.14 has a double free when
 * it runs out of memory. */
static long parser_allocations(void)
{
    const long plenty = 1000000000;
    json_t *root;
    long n;

    atomic_store(&countdown, plenty);
    root = json_loadb(json.data, json.len, JSON_REJECT_DUPLICATES, NULL);
    n = plenty - atomic_load(&countdown);
    atomic_store(&countdown, -1);
    ck_assert_ptr_nonnull(root);
    json_decref(root);
    return n;
}

/* Fails each allocation from number `from` on, one per run. */
static void sweep(cg_status (*run)(cg_error *err), long from, long at_least)
{
    long n = from, nomem = 0;

    ck_assert_int_eq(run(NULL), CG_OK); /* one-time allocations of libraries */
    for (;; n++) {
        cg_error err = CG_ERROR_INIT;
        long before = atomic_load(&live);
        cg_status st;

        atomic_store(&alloc_failed, 0);
        atomic_store(&countdown, n);
        st = run(&err);
        atomic_store(&countdown, -1);
        ck_assert_msg(st == CG_OK || (st == CG_ERR_NOMEM && err.code == st && err.msg[0]),
                      "allocation %ld: status %d: %s", n, st, err.msg);
        nomem += st == CG_ERR_NOMEM;
        ck_assert_msg(atomic_load(&live) == before, "allocation %ld: %ld blocks leaked", n,
                      atomic_load(&live) - before);
        if (!atomic_load(&alloc_failed))
            break;
    }
    ck_assert_msg(nomem >= at_least, "only %ld of %ld failures reported", nomem, n);
}

START_TEST(every_failure_is_reported)
{
    cg_error err = CG_ERROR_INIT;

    result = made_result(3);
    result.settings.bioactive = 1;
    made_relaxation(&result);
    made_mismatch(&result, CG_FAULT_MOLECULE, 1, "m000", "CCC");
    result.run_json = strdup("{\"engine\": {}}");
    ck_assert_int_eq(cg_eval_write_json(&result, &json, &err), CG_OK);
    sweep(read_result, parser_allocations(), 20);
    sweep(write_result, 0, 5);
    sweep(summarize, 0, 6);
    ck_assert_int_eq(cg_torsions_create("CCCC", 4, &torsions, &err), CG_OK);
    sweep(recover, 0, 30);
    cg_torsions_destroy(torsions);
    sweep(read_records, 0, 15);
    cg_eval_result_finish(&result);
    cg_buf_finish(&json);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("allocation failures");

    tcase_add_test(tc, every_failure_is_reported);
    tcase_set_timeout(tc, 60);
    return run_suite("eval_alloc", &tc, 1);
}
