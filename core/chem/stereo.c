/* SPDX-License-Identifier: MIT */
#include "chem/stereo.h"

#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"
#include "base/vec3.h"

enum { NONE = -1, MAX_NEIGHBOURS = 4, N_RINGS = 100, MIN_STEREO_RING = 8 };

/* The neighbours of an atom in the order to which @ and @@ refer. */
struct neighbours {
    uint32_t n; /* neighbours beyond MAX_NEIGHBOURS are counted but not stored */
    uint32_t atom[MAX_NEIGHBOURS];
    int8_t above[MAX_NEIGHBOURS]; /* by / and \: 1 above this atom, -1 below, 0 unmarked */
    uint8_t has_previous;         /* the first neighbour precedes the atom in the text */
};

/* A ring bond without its second end. */
struct open_ring_bond {
    int64_t atom;   /* NONE: not open */
    uint32_t index; /* in the atom's neighbours */
    int8_t above;
};

/* State of a pass over the SMILES text. */
struct walk {
    const cg_smiles *graph;
    struct neighbours *neighbours; /* [n_atoms] */
    struct open_ring_bond rings[N_RINGS];
    int64_t *stack; /* [depth] atoms to return to at `)` */
    size_t depth;
    int64_t last;
    char symbol; /* pending bond symbol, 0 if none */
};

/* Returns the index of the new neighbour. */
static uint32_t add_neighbour(struct neighbours *a, uint32_t atom, int8_t above)
{
    uint32_t index = a->n++;

    if (index < MAX_NEIGHBOURS) {
        a->atom[index] = atom;
        a->above[index] = above;
    }
    return index;
}

static int8_t direction_of(char symbol)
{
    return (int8_t)(symbol == '/' ? 1 : symbol == '\\' ? -1 : 0);
}

static void visit_atom(struct walk *w, uint32_t i)
{
    int8_t above = direction_of(w->symbol);

    if (w->last != NONE) {
        add_neighbour(&w->neighbours[w->last], i, above);
        add_neighbour(&w->neighbours[i], (uint32_t)w->last, (int8_t)-above);
        w->neighbours[i].has_previous = 1;
    }
    w->last = i;
    w->symbol = '\0';
}

/* Opens ring bond r at the last atom, or closes it: the two atoms become neighbours, in the order
 * of the digits in the text. */
static void visit_ring_closure(struct walk *w, struct open_ring_bond *r)
{
    struct neighbours *here = &w->neighbours[w->last];
    int8_t above = direction_of(w->symbol);

    w->symbol = '\0';
    if (r->atom == NONE) {
        r->index = add_neighbour(here, 0, above);
        r->atom = w->last;
        r->above = above;
        return;
    }
    if (!above) /* the mark may be at either end */
        above = (int8_t)-r->above;
    add_neighbour(here, (uint32_t)r->atom, above);
    if (r->index < MAX_NEIGHBOURS) {
        w->neighbours[r->atom].atom[r->index] = (uint32_t)w->last;
        w->neighbours[r->atom].above[r->index] = (int8_t)-above;
    }
    r->atom = NONE;
}

/* Collects the neighbours of all atoms from a text that cg_smiles_scan() has accepted. */
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
            visit_atom(w, next++);
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
            visit_ring_closure(w, &w->rings[c - '0']);
        } else if (c == '%') {
            visit_ring_closure(w, &w->rings[(text[at] - '0') * 10 + text[at + 1] - '0']);
            at += 2;
        } else {
            w->symbol = c;
        }
    }
}

/*
 * Adds the stereocentre at atom i. Hydrogens and lone pairs are left out, which inverts the sign if
 * their index among the neighbours is odd. '@': seen from the first neighbour the others are
 * anticlockwise, and both volumes are negative.
 */
static void add_stereocentre(const struct walk *w, uint32_t i, cg_stereo *out)
{
    const cg_smiles_atom *atom = &w->graph->atoms[i];
    const struct neighbours *a = &w->neighbours[i];
    cg_stereo_centre c = { .atom = i, .sign = (int8_t)(atom->chiral == 1 ? -1 : 1) };
    uint32_t missing = a->has_previous; /* index of an implicit neighbour */

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

/*
 * Index of a heavy neighbour of `end` other than `other`, a marked one if possible; NONE if there
 * is none. *ret_marked: any neighbour, heavy or not, is marked.
 */
static int reference_neighbour(const struct walk *w, uint32_t end, uint32_t other, int *ret_marked)
{
    const struct neighbours *a = &w->neighbours[end];
    int index = NONE;

    *ret_marked = 0;
    for (uint32_t k = 0; k < a->n && k < MAX_NEIGHBOURS; k++) {
        if (!a->above[k] || a->atom[k] == other)
            continue;
        *ret_marked = 1;
        if (w->graph->atoms[a->atom[k]].element != 1)
            index = (int)k;
    }
    /* A mark on the hydrogen determines the side of an unmarked heavy neighbour too. */
    for (uint32_t k = 0; k < a->n && k < MAX_NEIGHBOURS && *ret_marked && index == NONE; k++)
        if (a->atom[k] != other && w->graph->atoms[a->atom[k]].element != 1)
            index = (int)k;
    return index;
}

/* +1 above, -1 below; an unmarked neighbour is opposite to the marked one. */
static int side_of(const struct walk *w, uint32_t end, uint32_t other, int index)
{
    const struct neighbours *a = &w->neighbours[end];

    if (a->above[index])
        return a->above[index];
    for (uint32_t k = 0; k < a->n && k < MAX_NEIGHBOURS; k++)
        if (a->above[k] && a->atom[k] != other)
            return -a->above[k];
    return 0;
}

/* Are neighbours a and b in a ring of at most max_ring atoms? Depth-first search for a path from a
 * to b that does not use their bond. */
static int in_small_ring(const struct walk *w, uint32_t a, uint32_t b, int max_ring)
{
    uint32_t path[MIN_STEREO_RING], next[MIN_STEREO_RING];
    int depth = 0;

    path[0] = a;
    next[0] = 0;
    while (depth >= 0) {
        const struct neighbours *here = &w->neighbours[path[depth]];
        uint32_t k = next[depth]++, to;

        if (k >= here->n || k >= MAX_NEIGHBOURS) {
            depth--;
            continue;
        }
        to = here->atom[k];
        if (to == b && depth > 0)
            return 1;
        if (to == b || to == a || depth + 2 >= max_ring)
            continue;
        path[++depth] = to;
        next[depth] = 0;
    }
    return 0;
}

/* Adds the configuration of a double bond with direction marks at both ends, unless it is in a
 * small ring. Counts it as untested if an end has no other
 * heavy neighbour. */
static void add_double_bond(const struct walk *w, const cg_smiles_bond *bond, cg_stereo *out)
{
    uint32_t ends[2] = { bond->first, bond->second };
    int index[2], marked[2];

    for (int e = 0; e < 2; e++)
        index[e] = reference_neighbour(w, ends[e], ends[!e], &marked[e]);
    if (!marked[0] || !marked[1] || in_small_ring(w, ends[0], ends[1], MIN_STEREO_RING - 1))
        return;
    if (index[0] == NONE || index[1] == NONE) {
        out->n_untested++;
        return;
    }
    out->bonds[out->n_bonds++] = (cg_stereo_bond) {
        .ends = { ends[0], ends[1] },
        .neighbours = { w->neighbours[ends[0]].atom[index[0]],
                        w->neighbours[ends[1]].atom[index[1]] },
        .cis = side_of(w, ends[0], ends[1], index[0]) == side_of(w, ends[1], ends[0], index[1]),
    };
}

cg_status cg_stereo_find(const cg_molecule *mol, cg_stereo *ret_stereo, cg_error *err)
{
    struct walk w = { .graph = cg_molecule_graph(mol) };
    cg_stereo out = { 0 };
    size_t len, n_chiral = 0, n_double = 0;
    const char *text = cg_molecule_smiles(mol, &len);
    cg_status st = CG_OK;

    for (size_t i = 0; i < w.graph->n_atoms; i++)
        n_chiral += w.graph->atoms[i].chiral != 0;
    for (size_t i = 0; i < w.graph->n_bonds; i++)
        n_double += w.graph->bonds[i].symbol == '=';
    w.neighbours = calloc(w.graph->n_atoms + 1, sizeof *w.neighbours);
    w.stack = calloc(len + 1, sizeof *w.stack);
    out.centres = calloc(n_chiral + 1, sizeof *out.centres);
    out.bonds = calloc(n_double + 1, sizeof *out.bonds);
    if (!w.neighbours || !w.stack || !out.centres || !out.bonds) {
        st = cg_fail_nomem(err, "stereo");
        goto out;
    }
    walk_text(&w, text, len);
    for (size_t i = 0; i < w.graph->n_atoms; i++)
        if (w.graph->atoms[i].chiral)
            add_stereocentre(&w, (uint32_t)i, &out);
    for (size_t i = 0; i < w.graph->n_bonds; i++)
        if (w.graph->bonds[i].symbol == '=')
            add_double_bond(&w, &w.graph->bonds[i], &out);
    *ret_stereo = out;
    out = (cg_stereo) { 0 };
out:
    free(w.neighbours);
    free(w.stack);
    cg_stereo_finish(&out);
    return st;
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

double cg_stereo_centre_volume(const cg_stereo_centre *c, const float (*xyz)[3])
{
    const uint32_t *n = c->neighbours + (c->n_neighbours - 3);
    const float *apex = xyz[c->n_neighbours == 3 ? c->atom : c->neighbours[0]];
    double v[3][3], axis[3];

    for (int i = 0; i < 3; i++)
        cg_vec3d_between_floats(apex, xyz[n[i]], v[i]);
    cg_vec3d_cross(v[1], v[2], axis);
    return cg_vec3d_dot(v[0], axis) * c->sign;
}

double cg_stereo_bond_cosine(const cg_stereo_bond *b, const float (*xyz)[3])
{
    double axis[3], arms[2][3], normals[2][3], size;

    cg_vec3d_between_floats(xyz[b->ends[0]], xyz[b->ends[1]], axis);
    for (int e = 0; e < 2; e++) {
        cg_vec3d_between_floats(xyz[b->ends[e]], xyz[b->neighbours[e]], arms[e]);
        cg_vec3d_cross(axis, arms[e], normals[e]);
    }
    size = sqrt(cg_vec3d_dot(normals[0], normals[0]) * cg_vec3d_dot(normals[1], normals[1]));
    if (size == 0)
        return 0;
    return cg_vec3d_dot(normals[0], normals[1]) / size * (b->cis ? 1 : -1);
}
