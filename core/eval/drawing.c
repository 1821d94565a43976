/* SPDX-License-Identifier: MIT */
#include "eval/drawing.h"

#include "base/utf8.h"
#include "chem/elements.h"
#include "eval/html_text.h"
#include "eval/projection.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    CELL_WIDTH = 220,
    PICTURE_HEIGHT = 190,
    LINE_HEIGHT = 16,
    MARGIN = 12, /* around a conformer in its cell */
    EDGE = 16,   /* around the grid */
    HEAD = 78,   /* above the grid */
    LEGEND = 30, /* below */
    LETTER = 7,  /* width of a letter of 12 units, on average */
};

/* Geometry of the grid. */
struct grid {
    int columns, rows, lines; /* lines of text in a cell */
    int width, height, cell_height;
    double scale;
};

void cg_drawing_turn(size_t n_atoms, size_t n, float (*xyz)[3], cg_drawing_align align)
{
    for (size_t c = 0; c < n; c++) {
        float(*at)[3] = xyz + c * n_atoms;

        if (c && align == CG_ALIGN_FIRST)
            cg_view_superpose(n_atoms, (const float(*)[3])xyz, at);
        else
            cg_view_principal(n_atoms, at);
    }
}

/* A text cut to about `width` units of letters of `size`, with an ellipsis. */
static void put_cut(cg_buf *out, const char *text, int width, int size)
{
    const unsigned char *s = (const unsigned char *)text;
    int room = width * 12 / (LETTER * size), n = 0;
    cg_buf part = { 0 };

    while (*s && n < room) {
        int len = cg_utf8_length(s);

        cg_buf_put(&part, s, (size_t)(len ? len : 1));
        s += len ? len : 1;
        n++;
    }
    if (*s)
        cg_buf_puts(&part, "…");
    cg_html_put_text(out, cg_buf_text(&part));
    out->failed |= part.failed;
    cg_buf_finish(&part);
}

/* A line of text with its whole content as hover text, for what may be cut. */
static void put_line(cg_buf *out, const char *cls, int x, int y, const char *text, int width,
                     int size)
{
    cg_buf_printf(out, "<text class=\"%s\" x=\"%d\" y=\"%d\"><title>", cls, x, y);
    cg_html_put_text(out, text);
    cg_buf_puts(out, "</title>");
    put_cut(out, text, width, size);
    cg_buf_puts(out, "</text>\n");
}

static void put_head(const cg_drawn_molecule *m, const struct grid *g, cg_buf *out)
{
    const char *title = *m->name ? m->name : m->smiles;
    char count[96];

    cg_buf_printf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                  "viewBox=\"0 0 %d %d\" role=\"img\" "
                  "font-family=\"DejaVu Sans, Arial, sans-serif\" font-size=\"12\">\n<title>",
                  g->width, g->height, g->width, g->height);
    cg_html_put_text(out, title);
    cg_buf_puts(out, "</title>\n<style>path{fill:none;stroke-linecap:round}");
    cg_sticks_put_style(out);
    cg_buf_puts(out, ".name{font-size:18px;font-weight:bold;fill:#18212b}.soft{fill:#566270}"
                     ".ink{fill:#18212b}.good{fill:#1f7a3a}.bad{fill:#b3263e}"
                     ".cell{fill:none;stroke:#dfe4ea}</style>\n"
                     "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n");
    put_line(out, "name", EDGE, 28, title, g->width - 2 * EDGE, 18);
    put_line(out, "soft", EDGE, 47, m->smiles, g->width - 2 * EDGE, 12);
    snprintf(count, sizeof count, "%s%zu conformer%s, %zu heavy atom%s",
             m->more ? "the first " : "", m->n, m->n == 1 ? "" : "s", m->sticks.n_atoms,
             m->sticks.n_atoms == 1 ? "" : "s");
    put_line(out, "soft", EDGE, 64, count, g->width - 2 * EDGE, 12);
}

/* What a conformer's record states, a line each. */
static void put_texts(const cg_drawn_conformer *c, int x, int y, cg_buf *out)
{
    char text[640];

    if (c->generation >= 0)
        snprintf(text, sizeof text, "generation %" PRId64, c->generation);
    else
        snprintf(text, sizeof text, "record %zu", c->record);
    put_line(out, "ink", x, y, text, CELL_WIDTH - 2 * MARGIN, 12);
    if (isfinite(c->energy)) {
        y += LINE_HEIGHT;
        snprintf(text, sizeof text,
                 fabs(c->energy) < 1e6 ? "%s%.2f" CG_NBSP "kcal/mol" : "%s%.3g" CG_NBSP "kcal/mol",
                 c->energy < 0 ? "−" : "", fabs(c->energy));
        put_line(out, "ink", x, y, text, CELL_WIDTH - 2 * MARGIN, 12);
    }
    if (c->checks) {
        int good = !strcmp(c->checks, "pass"), open = !strcmp(c->checks, "unchecked");

        y += LINE_HEIGHT;
        snprintf(text, sizeof text, "%s%s",
                 good   ? "passes the checks"
                 : open ? "not fully checked"
                        : "fails ",
                 good || open ? "" : c->checks);
        put_line(out,
                 good   ? "good"
                 : open ? "soft"
                        : "bad",
                 x, y, text, CELL_WIDTH - 2 * MARGIN, 12);
    }
}

static cg_status put_cell(const cg_drawn_molecule *m, size_t i, const struct grid *g, double depth,
                          cg_buf *out, cg_error *err)
{
    int x = EDGE + CELL_WIDTH * (int)(i % (size_t)g->columns);
    int y = HEAD + g->cell_height * (int)(i / (size_t)g->columns);
    cg_stick_view view = {
        .x = x + CELL_WIDTH / 2.0,
        .y = y + PICTURE_HEIGHT / 2.0,
        .scale = g->scale,
        .depth = depth,
        .width = fmin(fmax(0.2 * g->scale, 2.2), 5),
    };

    cg_buf_printf(out, "<rect class=\"cell\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\"/>\n", x,
                  y, CELL_WIDTH, g->cell_height);
    CG_TRY(cg_sticks_draw(&m->sticks, 1, (const float(*)[3])m->xyz + i * m->sticks.n_atoms, &view,
                          out, err));
    put_texts(&m->conformers[i], x + MARGIN, y + PICTURE_HEIGHT + LINE_HEIGHT - 4, out);
    return CG_OK;
}

/* The colours of the elements that the molecule has. */
static void put_legend(const cg_drawn_molecule *m, const struct grid *g, cg_buf *out)
{
    int drawn[CG_N_ELEMENTS + 1] = { 0 }, x = EDGE, y = g->height - LEGEND / 2 + 2;

    for (size_t i = 0; i < m->sticks.n_atoms; i++)
        drawn[m->sticks.elements[i]] = 1;
    for (int z = 1; z <= CG_N_ELEMENTS && x < g->width - 2 * EDGE; z++) {
        if (!drawn[z])
            continue;
        cg_buf_printf(out,
                      "<g class=\"l7\"><path class=\"e%d\" stroke-width=\"4\" d=\"M%d %dh12\"/></g>"
                      "<text class=\"soft\" x=\"%d\" y=\"%d\">%s</text>\n",
                      cg_stick_colour(z), x, y - 4, x + 18, y, cg_element_symbol(z));
        x += 46;
    }
}

/* Lines of text in the cells, and the scale that fits all conformers. */
static struct grid make_grid(const cg_drawn_molecule *m, int columns, double ret_extent[3])
{
    struct grid g = { .columns = m->n < (size_t)columns ? (int)m->n : columns, .lines = 1 };
    int energy = 0, checks = 0;

    cg_view_extent(m->n * m->sticks.n_atoms, (const float(*)[3])m->xyz, ret_extent);
    for (size_t i = 0; i < m->n; i++) {
        energy |= isfinite(m->conformers[i].energy) != 0;
        checks |= m->conformers[i].checks != NULL;
    }
    g.lines += energy + checks;
    g.rows = (int)((m->n + (size_t)g.columns - 1) / (size_t)g.columns);
    g.cell_height = PICTURE_HEIGHT + LINE_HEIGHT * g.lines + MARGIN / 2;
    g.width = 2 * EDGE + CELL_WIDTH * (g.columns > 1 ? g.columns : 2);
    g.height = HEAD + g.rows * g.cell_height + LEGEND;
    g.scale = fmin((CELL_WIDTH / 2.0 - MARGIN) / ret_extent[0],
                   (PICTURE_HEIGHT / 2.0 - MARGIN) / ret_extent[1]);
    g.scale = fmin(g.scale, 40);
    return g;
}

cg_status cg_drawing_write(cg_drawn_molecule *m, int columns, cg_drawing_align align, cg_buf *out,
                           cg_error *err)
{
    struct grid g;
    double extent[3];

    cg_drawing_turn(m->sticks.n_atoms, m->n, m->xyz, align);
    g = make_grid(m, columns, extent);
    put_head(m, &g, out);
    for (size_t i = 0; i < m->n; i++)
        CG_TRY(put_cell(m, i, &g, extent[2], out, err));
    put_legend(m, &g, out);
    cg_buf_puts(out, "</svg>\n");
    return cg_buf_check(out, "drawing", err);
}
