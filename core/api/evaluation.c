/* SPDX-License-Identifier: MIT */
/* Evaluations, for applications: confgen/evaluation.h. */
#include <confgen/evaluation.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/sized_struct.h"
#include "eval/evaluate.h"
#include "eval/result_json.h"

struct cg_evaluation {
    cg_buf json;
};

/* Sets *ret to the number of a word: 0 or 1; NULL keeps it. */
static cg_status read_word(const char *option, const char *word, const char *zero, const char *one,
                           int *ret, cg_error *err)
{
    if (!word)
        return CG_OK;
    if (strcmp(word, zero) && strcmp(word, one))
        return cg_fail(err, CG_ERR_USAGE, "%s '%s': wanted %s or %s", option, word, zero, one);
    *ret = !strcmp(word, one);
    return CG_OK;
}

static cg_status check_numbers(const cg_evaluation_options *o, cg_error *err)
{
    if (!o->ref || !o->gen)
        return cg_fail(err, CG_ERR_USAGE, "%s is missing", o->ref ? "--gen FILE" : "--ref FILE");
    if (!strcmp(o->ref, "-") && !strcmp(o->gen, "-"))
        return cg_fail(err, CG_ERR_USAGE,
                       "--ref and --gen: only one of them can be standard input");
    if (!isfinite(o->delta) || o->delta < 0)
        return cg_fail(err, CG_ERR_USAGE, "--delta %g: wanted a distance in Å, or 0 for 0.75",
                       o->delta);
    if (!isfinite(o->time_limit) || o->time_limit < 0)
        return cg_fail(err, CG_ERR_USAGE, "--time-limit %g: wanted seconds, or 0 for no limit",
                       o->time_limit);
    if (o->max_matches < 0)
        return cg_fail(err, CG_ERR_USAGE, "--max-matches %d: wanted at least 1, or 0 for %d",
                       o->max_matches, CG_SYMMETRY_MAX_MAPS);
    if (o->threads < 0)
        return cg_fail(err, CG_ERR_USAGE, "--threads %d: wanted at least 1, or 0 for all",
                       o->threads);
    return CG_OK;
}

static cg_status read_settings(const cg_evaluation_options *o, cg_eval_settings *ret_settings,
                               cg_error *err)
{
    cg_eval_settings s = cg_eval_default_settings();
    int missing = 0, on_mismatch = 0, rmsd = 0, symmetry = 0;

    CG_TRY(check_numbers(o, err));
    CG_TRY(read_word("--missing", o->missing, "zero", "drop", &missing, err));
    CG_TRY(read_word("--on-mismatch", o->on_mismatch, "error", "drop", &on_mismatch, err));
    CG_TRY(read_word("--rmsd", o->rmsd, "best", "plain", &rmsd, err));
    CG_TRY(read_word("--symmetry", o->symmetry, "conjugated", "plain", &symmetry, err));
    s.missing = missing ? CG_MISSING_DROP : CG_MISSING_ZERO;
    s.on_mismatch = on_mismatch ? CG_MISMATCH_DROP : CG_MISMATCH_ERROR;
    s.rmsd = rmsd ? CG_RMSD_PLAIN : CG_RMSD_BEST;
    s.symmetry = symmetry ? CG_SYMMETRY_PLAIN : CG_SYMMETRY_CONJUGATED;
    s.delta = o->delta > 0 ? o->delta : s.delta;
    s.max_maps = o->max_matches ? (size_t)o->max_matches : s.max_maps;
    s.seconds = o->time_limit;
    s.checks = o->check != 0;
    s.bioactive = o->bioactive != 0;
    s.relaxation = o->relaxation != 0;
    *ret_settings = s;
    return CG_OK;
}

cg_status cg_evaluation_run(const cg_evaluation_options *options, cg_evaluation **ret_evaluation,
                            cg_error *err)
{
    cg_evaluation_options o = { 0 };
    cg_conformer_file gen = { 0 };
    cg_eval_result result = { 0 };
    cg_eval_settings settings;
    cg_evaluation *e = NULL;
    int cores = cg_cpu_count();
    cg_status st;

    CG_TRY(CG_SIZED_READ(cg_evaluation_options, &o, options, err));
    CG_TRY(read_settings(&o, &settings, err));
    CG_TRY_GOTO(st,
                cg_evaluate_files(o.ref, o.gen, &settings,
                                  o.threads && o.threads < cores ? o.threads : cores, &gen, &result,
                                  NULL, err),
                out);
    e = calloc(1, sizeof *e);
    if (!e) {
        st = cg_fail_nomem(err, "evaluation");
        goto out;
    }
    CG_TRY_GOTO(st, cg_eval_write_json(&result, &e->json, err), out);
    *ret_evaluation = e;
    e = NULL;
out:
    cg_evaluation_free(e);
    cg_conformer_file_finish(&gen);
    cg_eval_result_finish(&result);
    return st;
}

const char *cg_evaluation_json(const cg_evaluation *evaluation)
{
    return cg_buf_text(&evaluation->json);
}

void cg_evaluation_free(cg_evaluation *evaluation)
{
    if (!evaluation)
        return;
    cg_buf_finish(&evaluation->json);
    free(evaluation);
}
