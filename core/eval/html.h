/* SPDX-License-Identifier: MIT */
/**
 * @file html.h  An evaluation as a page: figures, charts, drawings.
 *
 * The page is one HTML file that is well-formed XML as well. It holds all that it shows: no script,
 * no font, nothing from a network, and a policy in its head that forbids them. It reads in light,
 * in dark and on paper. Its bytes depend on the result alone.
 */
#ifndef CG_EVAL_HTML_H
#define CG_EVAL_HTML_H

#include "base/buf.h"
#include "eval/result.h"

enum {
    CG_EVAL_HTML_WORST = 20,   /* molecules drawn */
    CG_EVAL_HTML_POINTS = 3000 /* molecules in a scatter plot; of more, evenly spaced ones */
};

/**
 * Append the page. Texts of the result may hold anything; they are escaped. A molecule that cannot
 * be drawn stands there with the reason.
 *
 * @return CG_OK; CG_ERR_FORMAT where run_json is no JSON object; CG_ERR_NOMEM.
 */
cg_status cg_eval_write_html(const cg_eval_result *result, cg_buf *out, cg_error *err);

#endif
