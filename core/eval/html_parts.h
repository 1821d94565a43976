/* SPDX-License-Identifier: MIT */
/** @file html_parts.h  The parts of an evaluation's page. Internal to html*.c. */
#ifndef CG_EVAL_HTML_PARTS_H
#define CG_EVAL_HTML_PARTS_H

#include "base/buf.h"
#include "eval/result.h"

#include <jansson.h>

/** <style>: the whole of the page's looks. */
void cg_html_put_style(cg_buf *out);

/* A section is a heading with cards under it. Texts are escaped already. */
void cg_html_open_section(cg_buf *out, const char *title, const char *sentence);
void cg_html_close_section(cg_buf *out);
/** A card of the section with a heading; `sentence` may be NULL. */
void cg_html_open_card(cg_buf *out, const char *title, const char *sentence);
void cg_html_close_card(cg_buf *out);

/** Member at a path of names joined by dots; NULL where there is none, or null. */
const json_t *cg_html_json_at(const json_t *node, const char *path);

/** "bond lengths" of "bond_lengths". */
void cg_html_put_check_name(cg_buf *out, const char *name);

/* Charts, each a card. CG_ERR_NOMEM from those that need room of their own. */
void cg_html_put_curve(const cg_eval_result *result, cg_buf *out);
cg_status cg_html_put_histograms(const cg_eval_result *result, cg_buf *out, cg_error *err);
void cg_html_put_scatters(const cg_eval_result *result, cg_buf *out);
cg_status cg_html_put_sizes(const cg_eval_result *result, cg_buf *out, cg_error *err);

/** Sections. @param run  report of the generating run, an object; NULL without */
void cg_html_put_failures(const cg_eval_result *result, const json_t *run, cg_buf *out);
void cg_html_put_run(const json_t *run, cg_buf *out);
cg_status cg_html_put_worst(const cg_eval_result *result, cg_buf *out, cg_error *err);

/** "MAT-R 0.812 Å, ..." of a molecule, escaped, for hover. */
void cg_html_put_molecule_tip(cg_buf *out, const cg_eval_molecule *m);

#endif
