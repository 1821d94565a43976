/* SPDX-License-Identifier: MIT */
/*
 * The report of a run, as `confgen eval --run` reads it into a result. The page is well-formed, and
 * the result with the report survives its JSON file.
 */
#include "base/json.h"
#include "eval/html.h"
#include "eval/result_json.h"

#include "page_check.h"

/* A result of one molecule; owns nothing but its figures' memory. */
static void check_result(char *report)
{
    float distances[2] = { 0.5F, 0.9F };
    cg_eval_molecule molecule = { .name = (char *)"m",
                                  .smiles = (char *)"?",
                                  .n_heavy = 3,
                                  .n_ref = 2,
                                  .n_gen = 2,
                                  .n_maps = 1,
                                  .ref_min = distances,
                                  .gen_min = distances };
    cg_eval_result r = { .ref_path = (char *)"ref.sdf",
                         .gen_path = (char *)"gen.sdf",
                         .n_molecules = 1,
                         .molecules = &molecule,
                         .run_json = report };
    cg_eval_result reread = { 0 };
    cg_buf page = { 0 }, page2 = { 0 }, json = { 0 }, shape = { 0 };
    cg_error err = CG_ERROR_INIT;

    r.settings = (cg_eval_settings) { .delta = 0.75, .max_maps = 1000 };
    cg_eval_molecule_figures(&molecule, r.settings.delta);
    require_ok(cg_eval_summarize(&r, &err), &err);
    require_ok(cg_eval_write_html(&r, &page, &err), &err);
    page_check(page.data, &shape);
    require_ok(cg_eval_write_json(&r, &json, &err), &err);
    require_ok(cg_eval_read_json("fuzz", json.data, json.len, &reread, &err), &err);
    require(reread.run_json);
    require_ok(cg_eval_write_html(&reread, &page2, &err), &err);
    require(page.len == page2.len && !memcmp(page.data, page2.data, page.len));
    cg_eval_result_finish(&reread);
    cg_buf_finish(&page);
    cg_buf_finish(&page2);
    cg_buf_finish(&json);
    cg_buf_finish(&shape);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    json_t *root = NULL;
    char *report;
    cg_status st = cg_json_parse("fuzz", data, size, &root, &err);

    if (st != CG_OK) {
        require_refusal(st, &err);
        return 0;
    }
    report = json_dumps(root, JSON_COMPACT);
    require(report);
    check_result(report);
    free(report);
    json_decref(root);
    return 0;
}
