/* SPDX-License-Identifier: MIT */
/* Section of overlays: conformers of a molecule drawn through each other, which a script turns. */
#include "eval/html_parts.h"
#include "eval/html_text.h"
#include "eval/overlay.h"
#include "eval/projection.h"

#include <math.h>

enum { WIDTH = 320, HEIGHT = 240, EDGE = 8 };

/*
 * The script redraws the sticks as cg_sticks_draw() does, from coordinates in the element's data.
 * It has no <, > and &, so the page stays well-formed XML.
 */
static const char script[] =
    "\n\"use strict\";\n"
    "document.querySelectorAll(\"svg.turn\").forEach(function (svg) {\n"
    "  const list = function (key) { return svg.dataset[key].split(\" \").map(Number); };\n"
    "  const colour = list(\"colours\"), bond = list(\"bonds\"), xyz = list(\"xyz\");\n"
    "  const [scale, width, depth] = list(\"view\"), n = colour.length, paths = [];\n"
    "  const view = svg.querySelector(\"g\");\n"
    "  const make = function (name) { return document.createElementNS(svg.namespaceURI, name); };\n"
    "  const unit = [1, 0, 0, 0, 1, 0, 0, 0, 1];\n"
    "  let m = unit, waiting = false;\n"
    "  function begin() {\n"
    "    view.replaceChildren();\n"
    "    for (let l = 0; l !== 8; l++) {\n"
    "      const layer = make(\"g\");\n"
    "      layer.setAttribute(\"class\", \"l\" + l);\n"
    "      layer.setAttribute(\"stroke-width\", (width * (0.5 + 0.5 * l / 7)).toFixed(2));\n"
    "      for (let c = 0; c !== 12; c++) {\n"
    "        paths.push(make(\"path\"));\n"
    "        paths[paths.length - 1].setAttribute(\"class\", \"e\" + c);\n"
    "        layer.append(paths[paths.length - 1]);\n"
    "      }\n"
    "      view.append(layer);\n"
    "    }\n"
    "  }\n"
    "  function draw() {\n"
    "    const p = [], d = [];\n"
    "    waiting = false;\n"
    "    if (!paths.length) begin();\n"
    "    paths.forEach(function () { d.push(\"\"); });\n"
    "    for (let i = 0; i !== xyz.length; i += 3)\n"
    "      for (let k = 0; k !== 9; k += 3)\n"
    "        p.push((m[k] * xyz[i] + m[k + 1] * xyz[i + 1] + m[k + 2] * xyz[i + 2]) / 100);\n"
    "    const at = function (x, y) {\n"
    "      return (160 + scale * x).toFixed(1) + \" \" + (120 - scale * y).toFixed(1);\n"
    "    };\n"
    "    const half = function (i, j, c) {\n"
    "      const z = (0.75 * p[i + 2] + 0.25 * p[j + 2]) / depth;\n"
    "      const l = Math.max(0, Math.min(7, Math.floor((z + 1) * 4)));\n"
    "      d[12 * l + c] += \"M\" + at(p[i], p[i + 1]) + \"L\" + "
    "at((p[i] + p[j]) / 2, (p[i + 1] + p[j + 1]) / 2);\n"
    "    };\n"
    "    for (let c = 0; c !== p.length; c += 3 * n)\n"
    "      for (let b = 0; b !== bond.length; b += 2) {\n"
    "        half(c + 3 * bond[b], c + 3 * bond[b + 1], colour[bond[b]]);\n"
    "        half(c + 3 * bond[b + 1], c + 3 * bond[b], colour[bond[b + 1]]);\n"
    "      }\n"
    "    paths.forEach(function (path, k) { path.setAttribute(\"d\", d[k]); });\n"
    "  }\n"
    "  function show() {\n"
    "    if (!waiting) requestAnimationFrame(draw);\n"
    "    waiting = true;\n"
    "  }\n"
    "  /* Turns rows i and j of the view by an angle. */\n"
    "  function turn(i, j, angle) {\n"
    "    const c = Math.cos(angle), s = Math.sin(angle), r = m.slice();\n"
    "    for (let k = 0; k !== 3; k++) {\n"
    "      r[3 * i + k] = c * m[3 * i + k] - s * m[3 * j + k];\n"
    "      r[3 * j + k] = s * m[3 * i + k] + c * m[3 * j + k];\n"
    "    }\n"
    "    m = r;\n"
    "    show();\n"
    "  }\n"
    "  const keys = {ArrowRight: [2, 0, 0.15], ArrowLeft: [2, 0, -0.15], ArrowDown: [1, 2, 0.15],\n"
    "    ArrowUp: [1, 2, -0.15], \",\": [0, 1, 0.15], \".\": [0, 1, -0.15]};\n"
    "  let x = 0, y = 0;\n"
    "  svg.setAttribute(\"tabindex\", \"0\");\n"
    "  svg.addEventListener(\"keydown\", function (event) {\n"
    "    if (event.ctrlKey || event.altKey || event.metaKey) return;\n"
    "    if (event.key === \"Home\") { m = unit; show(); }\n"
    "    else if (keys[event.key]) turn(...keys[event.key]);\n"
    "    else return;\n"
    "    event.preventDefault();\n"
    "  });\n"
    "  svg.addEventListener(\"pointerdown\", function (event) {\n"
    "    svg.setPointerCapture(event.pointerId);\n"
    "    x = event.clientX;\n"
    "    y = event.clientY;\n"
    "  });\n"
    "  svg.addEventListener(\"pointermove\", function (event) {\n"
    "    if (!svg.hasPointerCapture(event.pointerId)) return;\n"
    "    turn(2, 0, (event.clientX - x) / 100);\n"
    "    turn(1, 2, (event.clientY - y) / 100);\n"
    "    x = event.clientX;\n"
    "    y = event.clientY;\n"
    "  });\n"
    "  svg.parentElement.querySelector(\".hint\").hidden = false;\n"
    "});\n";

static void put_data(const struct cg_eval_overlay *o, const cg_stick_view *view, cg_buf *out)
{
    cg_buf_printf(out, " data-view=\"%.4f %.2f %.4f\" data-colours=\"", view->scale, view->width,
                  view->depth);
    for (size_t i = 0; i < o->sticks.n_atoms; i++)
        cg_buf_printf(out, "%s%d", i ? " " : "", cg_stick_colour(o->sticks.elements[i]));
    cg_buf_puts(out, "\" data-bonds=\"");
    for (size_t i = 0; i < o->sticks.n_bonds; i++)
        cg_buf_printf(out, "%s%d %d", i ? " " : "", o->sticks.bonds[i][0], o->sticks.bonds[i][1]);
    cg_buf_puts(out, "\" data-xyz=\"");
    for (size_t i = 0; i < o->n * o->sticks.n_atoms; i++)
        cg_buf_printf(out, "%s%.0f %.0f %.0f", i ? " " : "", 100 * (double)o->xyz[i][0],
                      100 * (double)o->xyz[i][1], 100 * (double)o->xyz[i][2]);
    cg_buf_puts(out, "\"");
}

static cg_status put_overlay(const struct cg_eval_overlay *o, cg_buf *out, cg_error *err)
{
    cg_stick_view view = { .x = WIDTH / 2.0, .y = HEIGHT / 2.0, .depth = 1 };

    for (size_t i = 0; i < o->n * o->sticks.n_atoms; i++)
        view.depth = fmax(view.depth, hypot(hypot((double)o->xyz[i][0], (double)o->xyz[i][1]),
                                            (double)o->xyz[i][2]));
    view.scale = fmin((HEIGHT / 2.0 - EDGE) / view.depth, 40);
    view.width = fmin(fmax(0.15 * view.scale, 1.6), 4);
    cg_buf_printf(out,
                  "<div class=\"mol\">\n<svg class=\"drawing turn\" viewBox=\"0 0 %d %d\" "
                  "role=\"img\" aria-label=\"",
                  WIDTH, HEIGHT);
    cg_html_put_text(out, o->name);
    cg_buf_puts(out, ": conformers drawn through each other\"");
    put_data(o, &view, out);
    cg_buf_puts(out, "><g>\n");
    CG_TRY(cg_sticks_draw(&o->sticks, o->n, (const float(*)[3])o->xyz, &view, out, err));
    cg_buf_puts(out, "</g></svg>\n<h3>");
    cg_html_put_text(out, o->name);
    cg_buf_puts(out, "</h3><p class=\"about\">");
    if (o->n < o->n_generated) {
        cg_buf_puts(out, "the first ");
        cg_html_put_count(out, o->n);
        cg_buf_puts(out, " of ");
    }
    cg_html_put_count(out, o->n_generated);
    cg_buf_printf(out, " conformer%s, MAT-R ", o->n_generated == 1 ? "" : "s");
    cg_html_put_angstrom(out, o->mat_r);
    cg_buf_puts(out, "</p>\n<p class=\"about hint\" hidden=\"hidden\">Drag to turn; or arrow keys, "
                     "comma and full stop, Home.</p>\n</div>\n");
    return CG_OK;
}

cg_status cg_html_put_overlays(const cg_eval_result *r, cg_buf *out, cg_error *err)
{
    if (!r->n_overlays)
        return CG_OK;
    cg_buf_puts(out,
                "<section><h2>Conformers in space</h2>\n<p>Generated conformers of the molecules "
                "with the highest MAT-R, superposed on the first one by their heavy atoms. "
                "Near bonds are wide and dark.</p>\n"
                "<style>@media screen and (min-width:561px){.turns{"
                "grid-template-columns:repeat(auto-fill,minmax(320px,1fr))}}\n"
                ".turn{touch-action:pan-y;cursor:grab}.turn "
                "path{fill:none;stroke-linecap:round}\n");
    cg_sticks_put_style(out);
    cg_buf_puts(out, "</style>\n<div class=\"mols turns\">\n");
    for (size_t i = 0; i < r->n_overlays; i++)
        CG_TRY(put_overlay(&r->overlays[i], out, err));
    cg_buf_puts(out, "</div>\n<script>");
    cg_buf_puts(out, script);
    cg_buf_puts(out, "</script>\n</section>\n");
    return CG_OK;
}
