/* SPDX-License-Identifier: MIT */
/** @file html_parts.h  Parts of the evaluation page. Internal to html*.c. */
#ifndef CG_EVAL_HTML_PARTS_H
#define CG_EVAL_HTML_PARTS_H

#include "base/buf.h"
#include "eval/result.h"

#include <jansson.h>

/* ---- html_style.c, html_parts.c: shared by all sections -------------------------------- */

/** <style>: the page's complete CSS. */
void cg_html_put_style(cg_buf *out);

/* A section is a heading with cards below it. Texts are passed escaped. */
void cg_html_open_section(cg_buf *out, const char *title, const char *sentence);
void cg_html_close_section(cg_buf *out);
/** A card of the section, with a heading; `sentence` may be NULL. */
void cg_html_open_card(cg_buf *out, const char *title, const char *sentence);
void cg_html_close_card(cg_buf *out);

/** Member at a path of names joined by dots; NULL if absent or null. */
const json_t *cg_html_json_at(const json_t *node, const char *path);

/** Appends the name of a check as words: "bond lengths" for "bond_lengths". */
void cg_html_put_check_name(cg_buf *out, const char *name);

/* ---- html_charts.c: charts, each a card ------------------------------------------------ */

/* CG_ERR_NOMEM from those that allocate. */
void cg_html_put_curve(const cg_eval_result *result, cg_buf *out);
cg_status cg_html_put_histograms(const cg_eval_result *result, cg_buf *out, cg_error *err);
void cg_html_put_scatters(const cg_eval_result *result, cg_buf *out);
cg_status cg_html_put_sizes(const cg_eval_result *result, cg_buf *out, cg_error *err);

/* ---- html_bioactive.c, html_failures.c, html_overlay.c, html_relaxation.c, html_run.c,
 * html_worst.c: sections ---------------------------------------------------------------------- */

/** Nothing without settings.bioactive. */
void cg_html_put_bioactive(const cg_eval_result *result, cg_buf *out);
/** Nothing without settings.relaxation. */
void cg_html_put_relaxation(const cg_eval_result *result, cg_buf *out);
/** @param run  report of the generating run, a JSON object; NULL without */
void cg_html_put_failures(const cg_eval_result *result, const json_t *run, cg_buf *out);
void cg_html_put_run(const json_t *run, cg_buf *out);
cg_status cg_html_put_worst(const cg_eval_result *result, cg_buf *out, cg_error *err);

/** Nothing without overlays; with them the page has one script, whose SHA-256 in base 64 is
 * CG_HTML_SCRIPT_HASH: no other runs. */
cg_status cg_html_put_overlays(const cg_eval_result *result, cg_buf *out, cg_error *err);
#define CG_HTML_SCRIPT_HASH "XFhh5gT//tq1JE8jP3Y2S+3IrGzHeAAA5IDKVF3bLXc="

#endif
