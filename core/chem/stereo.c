/* SPDX-License-Identifier: MIT */
#include "chem/stereo.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"

enum { NONE = -1, MAX_NEIGHBOURS = 4, N_RINGS = 100, SMALLEST_STEREO_RING = 8 };

/* The neighbours of an atom in the order that @ and @@ speak of. */
struct around {
    uint32_t n; /* those beyond MAX_NEIGHBOURS are only counted */
    uint32_t atom[MAX_NEIGHBOURS];
    int8_t above[MAX_NEIGHBOURS]; /* 1: / says it stands above this atom, -1 below, 0 no mark */
    uint8_t has_from;             /* the first stands before it in the text */
};

/* A ring bond that waits for its other end. */
struct ring {
    int64_t atom; /* NONE: not open */
    uint32_t slot;
    int8_t above;
};

struct walk {
    const cg_smiles *graph;
    struct around *around; /* [n_atoms] */
    struct ring rings[N_RINGS];
    int64_t *stack; /* [n_atoms] atoms that branches go back to */
    size_t depth;
    int64_t last;
    char symbol; /* bond that was read, for the atom or digit behind it */
};

static uint32_t add_neighbour(struct around *a, uint32_t atom, int8_t above)
{
    uint32_t slot = a->n++;

    if (slot < MAX_NEIGHBOURS) {
        a->atom[slot] = atom;
        a->above[slot] = above;
    }
    return slot;
}

static int8_t above_of(char symbol)
{
    return (int8_t)(symbol == '/' ? 1 : symbol == '\\' ? -1 : 0);
}

static void read_atom(struct walk *w, uint32_t i)
{
    int8_t above = above_of(w->symbol);

    if (w->last != NONE) {
        add_neighbour(&w->around[w->last], i, above);
        add_neighbour(&w->around[i], (uint32_t)w->last, (int8_t)-above);
        w->around[i].has_from = 1;
    }
    w->last = i;
    w->symbol = '\0';
}

static void read_ring(struct walk *w, struct ring *r)
{
    struct around *here = &w->around[w->last];
    int8_t above = above_of(w->symbol);

    w->symbol = '\0';
    if (r->atom == NONE) {
        r->slot = add_neighbour(here, 0, above);
        r->atom = w->last;
        r->above = above;
        return;
    }
    if (!above) /* the mark may stand at either end */
        above = (int8_t)-r->above;
    add_neighbour(here, (uint32_t)r->atom, above);
    if (r->slot < MAX_NEIGHBOURS) {
        w->around[r->atom].atom[r->slot] = (uint32_t)w->last;
        w->around[r->atom].above[r->slot] = (int8_t)-above;
    }
    r->atom = NONE;
}

/* Once more through a text that cg_smiles_scan() has accepted. */
static void walk_text(struct walk *w, const char *text, size_t len)
{
    size_t at = 0;
    uint32_t next = 0;

    for (int i = 0; i < N_RINGS; i++)
        w->rings[i].atom = NONE;
    w->last = NONE;
    while (at < len) {
        char c = text[at];

        if (next < w->graph->n_atoms && at == w->graph->atoms[next].start) {
            at += w->graph->atoms[next].len;
            read_atom(w, next++);
            continue;
        }
        at++;
        if (c == '(') {
            w->stack[w->depth++] = w->last;
        } else if (c == ')') {
            w->last = w->stack[--w->depth];
        } else if (c == '.') {
            w->last = NONE;
        } else if (c >= '0' && c <= '9') {
            read_ring(w, &w->rings[c - '0']);
        } else if (c == '%') {
            read_ring(w, &w->rings[(text[at] - '0') * 10 + text[at + 1] - '0']);
            at += 2;
        } else {
            w->symbol = c;
        }
    }
}

/*
 * A centre: hydrogens and lone pairs are left out, which turns the sense where they stand at an
 * odd place in the order. '@': seen from the first neighbour the others go anticlockwise, and both
 * volumes are negative.
 */
static void find_centre(const struct walk *w, uint32_t i, cg_stereo *out)
{
    const cg_smiles_atom *atom = &w->graph->atoms[i];
    const struct around *a = &w->around[i];
    cg_stereo_centre c = { .atom = i, .sign = (int8_t)(atom->chiral == 1 ? -1 : 1) };
    uint32_t missing = a->has_from; /* where an unwritten neighbour stands */

    if (atom->chiral > 2 || a->n > MAX_NEIGHBOURS || a->n + (atom->n_h > 0) > MAX_NEIGHBOURS ||
        a->n < 3 || atom->n_h > 1) {
        out->n_untested++;
        return;
    }
    for (uint32_t k = 0; k < a->n; k++) {
        if (w->graph->atoms[a->atom[k]].element == 1)
            missing = k;
        else
            c.neighbours[c.n_neighbours++] = a->atom[k];
    }
    if (c.n_neighbours < 3) {
        out->n_untested++;
        return;
    }
    if (c.n_neighbours == 3 && missing % 2)
        c.sign = (int8_t)-c.sign;
    out->centres[out->n_centres++] = c;
}

/* A marked heavy neighbour of `end` other than `other`; *ret_marked: there is a marked one. */
static int marked_neighbour(const struct walk *w, uint32_t end, uint32_t other, int *ret_marked)
{
    const struct around *a = &w->around[end];
    int slot = NONE;

    *ret_marked = 0;
    for (uint32_t k = 0; k < a->n && k < MAX_NEIGHBOURS; k++) {
        if (!a->above[k] || a->atom[k] == other)
            continue;
        *ret_marked = 1;
        if (w->graph->atoms[a->atom[k]].element != 1)
            slot = (int)k;
    }
    /* a mark on the hydrogen alone tells of the heavy neighbour too, if there is one */
    for (uint32_t k = 0; k < a->n && k < MAX_NEIGHBOURS && *ret_marked && slot == NONE; k++)
        if (a->atom[k] != other && w->graph->atoms[a->atom[k]].element != 1)
            slot = (int)k;
    return slot;
}

/* +1 above, -1 below; an unmarked neighbour stands opposite to the marked one. */
static int side_of(const struct walk *w, uint32_t end, uint32_t other, int slot)
{
    const struct around *a = &w->around[end];

    if (a->above[slot])
        return a->above[slot];
    for (uint32_t k = 0; k < a->n && k < MAX_NEIGHBOURS; k++)
        if (a->above[k] && a->atom[k] != other)
            return -a->above[k];
    return 0;
}

/* Is there a way from a to b of fewer than `steps` bonds that does not use their bond? */
static int near_otherwise(const struct walk *w, uint32_t a, uint32_t b, int steps)
{
    uint32_t path[SMALLEST_STEREO_RING], next[SMALLEST_STEREO_RING];
    int depth = 0;

    path[0] = a;
    next[0] = 0;
    while (depth >= 0) {
        const struct around *here = &w->around[path[depth]];
        uint32_t k = next[depth]++, to;

        if (k >= here->n || k >= MAX_NEIGHBOURS) {
            depth--;
            continue;
        }
        to = here->atom[k];
        if (to == b && depth > 0)
            return 1;
        if (to == b || to == a || depth + 2 >= steps)
            continue;
        path[++depth] = to;
        next[depth] = 0;
    }
    return 0;
}

static void find_bond(const struct walk *w, const cg_smiles_bond *bond, cg_stereo *out)
{
    uint32_t ends[2] = { bond->first, bond->second };
    int slots[2], marked[2];

    for (int e = 0; e < 2; e++)
        slots[e] = marked_neighbour(w, ends[e], ends[!e], &marked[e]);
    if (!marked[0] || !marked[1] || near_otherwise(w, ends[0], ends[1], SMALLEST_STEREO_RING - 1))
        return;
    if (slots[0] == NONE || slots[1] == NONE) {
        out->n_untested++;
        return;
    }
    out->bonds[out->n_bonds++] = (cg_stereo_bond) {
        .ends = { ends[0], ends[1] },
        .neighbours = { w->around[ends[0]].atom[slots[0]], w->around[ends[1]].atom[slots[1]] },
        .cis = side_of(w, ends[0], ends[1], slots[0]) == side_of(w, ends[1], ends[0], slots[1]),
    };
}

cg_status cg_stereo_find(const cg_molecule *mol, cg_stereo *ret, cg_error *err)
{
    struct walk w = { .graph = cg_molecule_graph(mol) };
    cg_stereo out = { 0 };
    size_t len, n_chiral = 0, n_double = 0;
    const char *text = cg_molecule_smiles(mol, &len);

    for (size_t i = 0; i < w.graph->n_atoms; i++)
        n_chiral += w.graph->atoms[i].chiral != 0;
    for (size_t i = 0; i < w.graph->n_bonds; i++)
        n_double += w.graph->bonds[i].symbol == '=';
    w.around = calloc(w.graph->n_atoms + 1, sizeof *w.around);
    w.stack = calloc(len + 1, sizeof *w.stack);
    out.centres = calloc(n_chiral + 1, sizeof *out.centres);
    out.bonds = calloc(n_double + 1, sizeof *out.bonds);
    if (!w.around || !w.stack || !out.centres || !out.bonds) {
        cg_stereo_finish(&out);
        free(w.around);
        free(w.stack);
        return cg_fail(err, CG_ERR_NOMEM, "stereo of %zu atoms: out of memory", w.graph->n_atoms);
    }
    walk_text(&w, text, len);
    for (size_t i = 0; i < w.graph->n_atoms; i++)
        if (w.graph->atoms[i].chiral)
            find_centre(&w, (uint32_t)i, &out);
    for (size_t i = 0; i < w.graph->n_bonds; i++)
        if (w.graph->bonds[i].symbol == '=')
            find_bond(&w, &w.graph->bonds[i], &out);
    free(w.around);
    free(w.stack);
    *ret = out;
    return CG_OK;
}

void cg_stereo_finish(cg_stereo *stereo)
{
    if (!stereo)
        return;
    free(stereo->centres);
    free(stereo->bonds);
    *stereo = (cg_stereo) { 0 };
}

/* ---- tests -------------------------------------------------------------------------------- */

static void between(const float from[3], const float to[3], double v[3])
{
    for (int i = 0; i < 3; i++)
        v[i] = (double)to[i] - (double)from[i];
}

static void cross(const double a[3], const double b[3], double c[3])
{
    c[0] = a[1] * b[2] - a[2] * b[1];
    c[1] = a[2] * b[0] - a[0] * b[2];
    c[2] = a[0] * b[1] - a[1] * b[0];
}

static double dot(const double a[3], const double b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

double cg_stereo_centre_volume(const cg_stereo_centre *c, const float (*xyz)[3])
{
    const uint32_t *n = c->neighbours + (c->n_neighbours - 3);
    const float *apex = xyz[c->n_neighbours == 3 ? c->atom : c->neighbours[0]];
    double v[3][3], axis[3];

    for (int i = 0; i < 3; i++)
        between(apex, xyz[n[i]], v[i]);
    cross(v[1], v[2], axis);
    return dot(v[0], axis) * c->sign;
}

double cg_stereo_bond_cosine(const cg_stereo_bond *b, const float (*xyz)[3])
{
    double axis[3], arms[2][3], normals[2][3], size;

    between(xyz[b->ends[0]], xyz[b->ends[1]], axis);
    for (int e = 0; e < 2; e++) {
        between(xyz[b->ends[e]], xyz[b->neighbours[e]], arms[e]);
        cross(axis, arms[e], normals[e]);
    }
    size = sqrt(dot(normals[0], normals[0]) * dot(normals[1], normals[1]));
    if (size == 0)
        return 0;
    return dot(normals[0], normals[1]) / size * (b->cis ? 1 : -1);
}
