/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "base/text.h"
#include "eval/result_json.h"

/* Quotes a field if it contains a separator, a quote or a line end. A formula gets a leading '. */
static void put_field(cg_buf *out, const char *text)
{
    int formula = cg_text_is_formula(text);

    if (!strpbrk(text, "\",\r\n")) {
        cg_buf_puts(out, formula ? "'" : "");
        cg_buf_puts(out, text);
        return;
    }
    cg_buf_puts(out, formula ? "\"'" : "\"");
    for (; *text; text++) {
        if (*text == '"')
            cg_buf_putc(out, '"');
        cg_buf_putc(out, *text);
    }
    cg_buf_putc(out, '"');
}

/* An undefined number is an empty field. */
static void put_real(cg_buf *out, double v)
{
    cg_buf_putc(out, ',');
    if (isfinite(v))
        cg_buf_printf(out, "%.9g", v);
}

static void put_count(cg_buf *out, uint64_t v)
{
    cg_buf_printf(out, ",%llu", (unsigned long long)v);
}

static void put_row(const cg_eval_molecule *m, const cg_eval_settings *settings, cg_buf *out)
{
    put_field(out, m->name);
    cg_buf_putc(out, ',');
    put_field(out, m->smiles);
    put_count(out, m->n_heavy);
    put_count(out, m->n_rotatable);
    put_count(out, m->n_ref);
    put_count(out, m->n_gen);
    put_count(out, m->n_wrong);
    put_count(out, m->n_state);
    put_count(out, m->n_broken);
    put_count(out, m->n_stereo);
    put_count(out, m->n_ref_dropped);
    put_count(out, m->n_ref_broken);
    put_count(out, m->n_ref_stereo);
    put_count(out, m->stereo_untested != 0);
    put_count(out, m->n_maps);
    put_count(out, m->maps_limited != 0);
    put_count(out, m->time_limited != 0);
    put_real(out, m->seconds);
    put_real(out, m->cov_r);
    put_real(out, m->mat_r);
    put_real(out, m->cov_p);
    put_real(out, m->mat_p);
    if (settings->relaxation) {
        put_count(out, m->relaxation.n);
        put_real(out, m->relaxation.median);
        put_real(out, m->relaxation.mean);
        put_real(out, m->relaxation.high);
        put_real(out, m->relaxation.largest);
    }
    if (settings->checks) {
        put_count(out, m->checked);
        put_count(out, m->passed_all);
        put_count(out, m->unchecked);
        for (int k = 0; k < CG_CHECK_COUNT; k++) {
            put_count(out, m->check_done[k]);
            put_count(out, m->check_failed[k]);
            put_count(out, m->check_unchecked[k]);
        }
    }
    cg_buf_puts(out, "\n");
}

cg_status cg_eval_write_csv(const cg_eval_result *result, cg_buf *out, cg_error *err)
{
    cg_buf_puts(out,
                "name,smiles,heavy_atoms,rotatable_bonds,references,generated,wrong,state,"
                "broken,stereo,references_dropped,references_broken,references_stereo,"
                "stereo_untested,maps,maps_limited,time_limited,seconds,cov_r,mat_r,cov_p,mat_p");
    if (result->settings.relaxation)
        cg_buf_puts(out, ",relaxed,relaxation_median,relaxation_mean,relaxation_p90,"
                         "relaxation_largest");
    if (result->settings.checks) {
        cg_buf_puts(out, ",checked,passed_all,unchecked");
        for (int k = 0; k < CG_CHECK_COUNT; k++)
            cg_buf_printf(out, ",%s_done,%s_failed,%s_unchecked", cg_check_name((cg_check_id)k),
                          cg_check_name((cg_check_id)k), cg_check_name((cg_check_id)k));
    }
    cg_buf_puts(out, "\n");
    for (size_t i = 0; i < result->n_molecules; i++)
        put_row(&result->molecules[i], &result->settings, out);
    return cg_buf_check(out, "evaluation", err);
}
