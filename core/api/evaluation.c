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
    char warning[CG_EVAL_WARNING_TEXT];
};

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
    const struct {
        const char *option, *word;
    } words[] = { { "--missing", o->missing },
                  { "--on-mismatch", o->on_mismatch },
                  { "--rmsd", o->rmsd },
                  { "--symmetry", o->symmetry } };

    CG_TRY(check_numbers(o, err));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (words[i].word)
            CG_TRY(cg_eval_set_word(&s, words[i].option, words[i].word, err));
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
    cg_eval_notes notes;
    cg_evaluation *e = NULL;
    int cores = cg_cpu_count();
    cg_status st;

    CG_TRY(CG_SIZED_READ(cg_evaluation_options, &o, options, err));
    CG_TRY(read_settings(&o, &settings, err));
    CG_TRY_GOTO(st,
                cg_evaluate_files(o.ref, o.gen, &settings,
                                  o.threads && o.threads < cores ? o.threads : cores, &gen, &result,
                                  &notes, err),
                out);
    e = calloc(1, sizeof *e);
    if (!e) {
        st = cg_fail_nomem(err, "evaluation");
        goto out;
    }
    cg_eval_warn_of_matching(&result, &notes, &gen, e->warning);
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

const char *cg_evaluation_warning(const cg_evaluation *evaluation)
{
    return evaluation->warning;
}

void cg_evaluation_free(cg_evaluation *evaluation)
{
    if (!evaluation)
        return;
    cg_buf_finish(&evaluation->json);
    free(evaluation);
}
