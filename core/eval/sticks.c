/* SPDX-License-Identifier: MIT */
#include "eval/sticks.h"

#include "base/error.h"
#include "base/size.h"

#include <math.h>
#include <stdlib.h>

/* The usual colours, dark enough for lines on white. */
static const struct colour {
    int element;
    uint32_t rgb;
} colours[CG_STICK_COLOURS] = {
    { 0, 0x7a5c9e },  { 6, 0x3a434d },  { 7, 0x2450d0 }, { 8, 0xd6261f },
    { 16, 0xa07c00 }, { 15, 0xd9720a }, { 9, 0x159a8c }, { 17, 0x1f8f37 },
    { 35, 0x8f2a1d }, { 53, 0x6b2a9b }, { 5, 0xc77770 }, { 14, 0x8f7a4d },
};

cg_status cg_sticks_init(const cg_molecule *mol, cg_sticks *ret_sticks, cg_error *err)
{
    const cg_smiles *graph = cg_molecule_graph(mol);
    uint16_t *heavy = cg_alloc_array(graph->n_atoms, sizeof *heavy);
    cg_sticks s = { .elements = cg_alloc_array(graph->n_atoms, sizeof *s.elements),
                    .bonds = cg_alloc_array(graph->n_bonds + graph->n_atoms, sizeof *s.bonds) };
    uint8_t *bound = calloc(graph->n_atoms + 1, 1);
    cg_status st = CG_OK;

    if (!heavy || !s.elements || !s.bonds || !bound) {
        st = cg_fail_nomem(err, "drawing");
        goto out;
    }
    for (size_t i = 0; i < graph->n_atoms; i++) {
        if (graph->atoms[i].element == 1)
            continue;
        heavy[i] = (uint16_t)s.n_atoms;
        s.elements[s.n_atoms++] = graph->atoms[i].element;
    }
    for (size_t b = 0; b < graph->n_bonds; b++) {
        size_t i = graph->bonds[b].first, j = graph->bonds[b].second;

        if (graph->atoms[i].element == 1 || graph->atoms[j].element == 1)
            continue;
        s.bonds[s.n_bonds][0] = heavy[i];
        s.bonds[s.n_bonds++][1] = heavy[j];
        bound[heavy[i]] = bound[heavy[j]] = 1;
    }
    for (size_t i = 0; i < s.n_atoms; i++)
        if (!bound[i]) {
            s.bonds[s.n_bonds][0] = (uint16_t)i;
            s.bonds[s.n_bonds++][1] = (uint16_t)i;
        }
    *ret_sticks = s;
    s = (cg_sticks) { 0 };
out:
    free(heavy);
    free(bound);
    cg_sticks_finish(&s);
    return st;
}

void cg_sticks_finish(cg_sticks *sticks)
{
    if (!sticks)
        return;
    free(sticks->elements);
    free(sticks->bonds);
    *sticks = (cg_sticks) { 0 };
}

int cg_stick_colour(int element)
{
    for (int i = 1; i < CG_STICK_COLOURS; i++)
        if (colours[i].element == element)
            return i;
    return 0;
}

uint32_t cg_stick_rgb(int colour, int layer)
{
    double fade = 0.6 * (CG_STICK_LAYERS - 1 - layer) / (CG_STICK_LAYERS - 1);
    uint32_t rgb = 0;

    for (int shift = 0; shift < 24; shift += 8) {
        double part = colours[colour].rgb >> shift & 255;

        rgb |= (uint32_t)(part + (255 - part) * fade) << shift;
    }
    return rgb;
}

double cg_stick_width(int layer)
{
    return 0.5 + 0.5 * layer / (CG_STICK_LAYERS - 1);
}

/* Half of a bond, in units of the drawing. */
struct half {
    int group; /* layer * CG_STICK_COLOURS + colour */
    size_t order;
    double x0, y0, x1, y1;
};

static int compare_halves(const void *a, const void *b)
{
    const struct half *x = a, *y = b;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

/* From atom a half of the way to atom b. */
static struct half make_half(const float a[3], const float b[3], int colour, size_t order,
                             const cg_stick_view *view)
{
    double z = (0.75 * (double)a[2] + 0.25 * (double)b[2]) / view->depth;
    int layer = (int)floor((z + 1) / 2 * CG_STICK_LAYERS);

    layer = layer < 0 ? 0 : layer >= CG_STICK_LAYERS ? CG_STICK_LAYERS - 1 : layer;
    return (struct half) {
        .group = layer * CG_STICK_COLOURS + colour,
        .order = order,
        .x0 = view->x + view->scale * (double)a[0],
        .y0 = view->y - view->scale * (double)a[1],
        .x1 = view->x + view->scale * ((double)a[0] + (double)b[0]) / 2,
        .y1 = view->y - view->scale * ((double)a[1] + (double)b[1]) / 2,
    };
}

/* Writes the sorted halves: a group for each layer, a path for each of its colours. */
static void put_halves(const struct half *halves, size_t n, const cg_stick_view *view, cg_buf *out)
{
    int layer = -1;

    for (size_t i = 0; i < n;) {
        const struct half *h = &halves[i];

        if (h->group / CG_STICK_COLOURS != layer) {
            if (layer >= 0)
                cg_buf_puts(out, "</g>\n");
            layer = h->group / CG_STICK_COLOURS;
            cg_buf_printf(out, "<g class=\"l%d\" stroke-width=\"%.2f\">", layer,
                          view->width * cg_stick_width(layer));
        }
        cg_buf_printf(out, "<path class=\"e%d\" d=\"", h->group % CG_STICK_COLOURS);
        for (; i < n && halves[i].group == h->group; i++)
            cg_buf_printf(out, "M%.1f %.1fL%.1f %.1f", halves[i].x0, halves[i].y0, halves[i].x1,
                          halves[i].y1);
        cg_buf_puts(out, "\"/>");
    }
    if (layer >= 0)
        cg_buf_puts(out, "</g>\n");
}

cg_status cg_sticks_draw(const cg_sticks *s, size_t n, const float (*xyz)[3],
                         const cg_stick_view *view, cg_buf *out, cg_error *err)
{
    size_t n_halves = 0, at = 0;
    struct half *halves;

    if (cg_mul(n, 2 * s->n_bonds, &n_halves) ||
        !(halves = cg_alloc_array(n_halves, sizeof *halves)))
        return cg_fail_nomem(err, "drawing");
    for (size_t c = 0; c < n; c++)
        for (size_t b = 0; b < s->n_bonds; b++) {
            size_t i = s->bonds[b][0], j = s->bonds[b][1];
            const float *p = xyz[c * s->n_atoms + i], *q = xyz[c * s->n_atoms + j];

            halves[at] = make_half(p, q, cg_stick_colour(s->elements[i]), at, view);
            at++;
            halves[at] = make_half(q, p, cg_stick_colour(s->elements[j]), at, view);
            at++;
        }
    qsort(halves, n_halves, sizeof *halves, compare_halves);
    put_halves(halves, n_halves, view, out);
    free(halves);
    return cg_buf_check(out, "drawing", err);
}

void cg_sticks_put_style(cg_buf *out)
{
    for (int layer = 0; layer < CG_STICK_LAYERS; layer++)
        for (int i = 0; i < CG_STICK_COLOURS; i++)
            cg_buf_printf(out, ".l%d .e%d{stroke:#%06x}", layer, i, cg_stick_rgb(i, layer));
}
