/* SPDX-License-Identifier: MIT */
/**
 * @file html.h  An evaluation as an HTML page: figures, charts, drawings.
 *
 * The page is one self-contained HTML file that is also well-formed XML: no font and no network
 * access, and a content security policy that forbids them. It has no script either, except for the
 * one that turns overlays, if the result has some: the policy names its hash. It supports light and
 * dark colour schemes and print. Its bytes depend only on the result.
 */
#ifndef CG_EVAL_HTML_H
#define CG_EVAL_HTML_H

#include "base/buf.h"
#include "eval/result.h"

enum {
    CG_EVAL_HTML_WORST = 20,   /* molecules drawn */
    CG_EVAL_HTML_POINTS = 3000 /* at most, in a scatter plot; of more molecules every n-th */
};

/**
 * Appends the page. Texts of the result may hold any bytes; they are escaped. A molecule that
 * cannot be drawn is listed with the reason.
 *
 * @return CG_OK; CG_ERR_INPUT if delta is not a positive finite number; CG_ERR_FORMAT if run_json
 *         is not a JSON object; CG_ERR_NOMEM
 */
cg_status cg_eval_write_html(const cg_eval_result *result, cg_buf *out, cg_error *err);

#endif
