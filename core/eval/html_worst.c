/* SPDX-License-Identifier: MIT */
/* Section on the worst molecules, with drawings. */
#include "base/error.h"
#include "base/size.h"
#include "chem/molecule.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"
#include "eval/html.h"
#include "eval/html_parts.h"
#include "eval/html_text.h"

#include <stdlib.h>
#include <string.h>

/* RDKit's yellow for sulfur and turquoise for fluorine are nearly invisible on white, and on black
 * after the dark scheme inverts lightness. Replaces them by darker colours of the same length. */
static void darken(char *svg)
{
    static const char *const colours[][2] = { { "#CCCC00", "#9C7C00" }, { "#33CCCC", "#1B8A8A" } };

    for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++)
        for (char *at = svg; (at = strstr(at, colours[i][0])); at += 7)
            memcpy(at, colours[i][1], 7);
}

/* The drawing as a separate <img>, which runs no script and whose ids and styles cannot clash with
 * the page's. Without a drawing, the reason. */
static void put_drawing(const cg_eval_molecule *m, cg_buf *out)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;
    char *pickle = NULL, *svg = NULL;
    size_t size = 0;
    cg_status st;

    /* The SMILES is bounded and checked before RDKit's parser sees it. */
    st = cg_molecule_parse(m->smiles, strlen(m->smiles), &mol, &err);
    if (st == CG_OK) {
        pickle = get_mol(cg_molecule_smiles(mol, NULL), &size, NULL);
        svg = pickle ? get_svg(pickle, size, "{\"width\":320,\"height\":240}") : NULL;
        if (!svg)
            st = cg_rdkit_fail(&err, CG_ERR_UNSUPPORTED, "RDKit returned no drawing");
    }
    if (st == CG_ERR_NOMEM) {
        out->failed = 1; /* reported when the page is complete */
    } else if (svg) {
        darken(svg);
        cg_buf_puts(out, "<img class=\"drawing\" width=\"320\" height=\"240\" alt=\"");
        cg_html_put_text(out, m->smiles);
        cg_buf_puts(out, "\" title=\"");
        cg_html_put_text(out, m->smiles);
        cg_buf_puts(out, "\" src=\"data:image/svg+xml;base64,");
        cg_html_put_base64(out, svg, strlen(svg));
        cg_buf_puts(out, "\"/>\n");
    } else {
        cg_buf_puts(out, "<p class=\"undrawn\">not drawn: ");
        cg_html_put_text(out, err.msg);
        cg_buf_puts(out, "</p>\n");
    }
    free_ptr(svg);
    free_ptr(pickle);
    cg_molecule_destroy(mol);
}

static void put_molecule(const cg_eval_molecule *m, cg_buf *out)
{
    cg_buf_puts(out, "<div class=\"mol\">\n");
    put_drawing(m, out);
    cg_buf_puts(out, "<h3>");
    cg_html_put_text(out, *m->name ? m->name : m->smiles);
    cg_buf_printf(out, "</h3><p class=\"about\">%u heavy atoms, %u rotatable<br/>", m->n_heavy,
                  m->n_rotatable);
    cg_html_put_count(out, m->n_ref);
    cg_buf_puts(out, " references, ");
    cg_html_put_count(out, m->n_gen);
    cg_buf_puts(out, " generated</p>\n");
    if (cg_eval_is_missing(m)) {
        cg_buf_puts(out, "<p class=\"none\">nothing generated</p>\n</div>\n");
        return;
    }
    cg_buf_puts(out, "<table><thead><tr><th></th><th class=\"n\">COV</th><th class=\"n\">MAT</th>"
                     "</tr></thead><tbody><tr><th>recall</th><td class=\"n\">");
    cg_html_put_percent(out, m->cov_r);
    cg_buf_puts(out, "</td><td class=\"n\">");
    cg_html_put_angstrom(out, m->mat_r);
    cg_buf_puts(out, "</td></tr><tr><th>precision</th><td class=\"n\">");
    cg_html_put_percent(out, m->cov_p);
    cg_buf_puts(out, "</td><td class=\"n\">");
    cg_html_put_angstrom(out, m->mat_p);
    cg_buf_puts(out, "</td></tr></tbody></table>\n</div>\n");
}

cg_status cg_html_put_worst(const cg_eval_result *result, cg_buf *out, cg_error *err)
{
    size_t n = result->n_molecules, n_missing = 0, missing_drawn, drawn;
    const cg_eval_molecule **order = cg_alloc_array(n, sizeof(const cg_eval_molecule *));

    if (!order)
        return cg_fail_nomem(err, "report");
    for (size_t i = 0; i < n; i++) {
        order[i] = &result->molecules[i];
        n_missing += cg_eval_is_missing(order[i]);
    }
    qsort(order, n, sizeof *order, cg_eval_compare_worst);
    /* Missing molecules take at most half of the list, so that bad geometry is always shown. */
    missing_drawn = CG_EVAL_HTML_WORST / 2;
    if (n - n_missing < CG_EVAL_HTML_WORST / 2)
        missing_drawn = CG_EVAL_HTML_WORST - (n - n_missing);
    missing_drawn = n_missing < missing_drawn ? n_missing : missing_drawn;
    drawn = missing_drawn;

    cg_buf_puts(out, "<section><h2>The worst molecules</h2>\n<p>By descending MAT-R: their "
                     "references are farthest from every generated conformer.");
    if (n_missing > missing_drawn) {
        cg_buf_puts(out, " Of ");
        cg_html_put_count(out, n_missing);
        cg_buf_puts(out, " molecules without output, ");
        cg_html_put_count(out, missing_drawn);
        cg_buf_puts(out, " are shown.");
    } else if (n_missing) {
        cg_buf_puts(out, " Those without output come first.");
    }
    cg_buf_puts(out, "</p>\n<div class=\"mols\">\n");
    for (size_t i = 0; i < missing_drawn; i++)
        put_molecule(order[i], out);
    for (size_t i = n_missing; i < n && drawn < CG_EVAL_HTML_WORST; i++, drawn++)
        put_molecule(order[i], out);
    cg_buf_puts(out, "</div>\n</section>\n");
    free(order);
    return CG_OK;
}
