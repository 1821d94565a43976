/* SPDX-License-Identifier: MIT */
#include "eval/isomorphism.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/elements.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"

enum { MAX_BACKTRACKS = 1000 };

/* ---- reading ------------------------------------------------------------------------------ */

struct bond {
    uint32_t a, b; /* atoms, from 1 */
    unsigned type;
};

/* Contents of a molblock. */
struct block {
    size_t n_atoms, n_bonds;
    int *element, *charge, *isotope; /* [n_atoms] */
    struct bond *bonds;              /* [n_bonds] */
};

static void block_finish(struct block *b)
{
    free(b->element);
    free(b->charge);
    free(b->isotope);
    free(b->bonds);
}

static cg_status unexpected(const char *line, cg_error *err)
{
    return cg_fail(err, CG_ERR_UNSUPPORTED, "unexpected line '%.*s' in RDKit's molblock",
                   (int)strcspn(line, "\n"), line);
}

static cg_status block_alloc(struct block *b, size_t n_atoms, size_t n_bonds, cg_error *err)
{
    b->n_atoms = n_atoms;
    b->n_bonds = n_bonds;
    b->element = calloc(n_atoms ? n_atoms : 1, sizeof *b->element);
    b->charge = calloc(n_atoms ? n_atoms : 1, sizeof *b->charge);
    b->isotope = calloc(n_atoms ? n_atoms : 1, sizeof *b->isotope);
    b->bonds = calloc(n_bonds ? n_bonds : 1, sizeof *b->bonds);
    if (!b->element || !b->charge || !b->isotope || !b->bonds)
        return cg_fail(err, CG_ERR_NOMEM, "molecule of %zu atoms: out of memory", n_atoms);
    return CG_OK;
}

static int element_of(const char *symbol, size_t len)
{
    int isotope = len == 1 && (*symbol == 'D' || *symbol == 'T');

    return isotope ? 1 : cg_element_find(symbol, len);
}

/* The line after the one at `at`; an empty line at the end of the text. */
static const char *next_line(const char *at)
{
    at += strcspn(at, "\n");
    return *at ? at + 1 : at;
}

/* Reads the digits of the n columns from `from`; skips all other characters. */
static unsigned number_at(const char *line, size_t from, size_t n)
{
    unsigned v = 0;

    for (size_t i = from; i < from + n; i++)
        if (line[i] >= '0' && line[i] <= '9')
            v = v * 10 + (unsigned)(line[i] - '0');
    return v;
}

/* "M  CHG  2   3   1   5  -1"; M  ISO lines have the same form. */
static cg_status read_property(const struct block *b, const char *line, int *values, cg_error *err)
{
    const char *p = line + 6;
    int n = 0, used = 0;

    if (sscanf(p, "%d%n", &n, &used) < 1)
        return unexpected(line, err);
    for (p += used; n > 0; n--, p += used) {
        int atom, value;

        if (sscanf(p, "%d %d%n", &atom, &value, &used) < 2 || atom < 1 || (size_t)atom > b->n_atoms)
            return unexpected(line, err);
        values[atom - 1] = value;
    }
    return CG_OK;
}

/* Columns of a V2000 molblock, from 0. The counts line has the numbers of atoms and bonds, a bond
 * line its two atoms and its type, all of three digits. */
enum { FIRST_NUMBER = 0, SECOND_NUMBER = 3, THIRD_NUMBER = 6, NUMBER_WIDTH = 3 };
enum { ELEMENT_SYMBOL = 31, ATOM_LINE_MIN = 34, BOND_LINE_MIN = 9 };

/* Reads a V2000 block from its counts line on. Charges come from the M  CHG lines; the charge
 * column of the atom lines is ignored. make_graph() validates the bonds. On failure the arrays of b
 * still belong to the caller: block_finish(). */
static cg_status read_v2000(struct block *b, const char *line, cg_error *err)
{
    CG_TRY(block_alloc(b, number_at(line, FIRST_NUMBER, NUMBER_WIDTH),
                       number_at(line, SECOND_NUMBER, NUMBER_WIDTH), err));
    for (size_t i = 0; i < b->n_atoms; i++) {
        line = next_line(line);
        if (strcspn(line, "\n") < ATOM_LINE_MIN)
            return unexpected(line, err);
        b->element[i] = element_of(line + ELEMENT_SYMBOL, strcspn(line + ELEMENT_SYMBOL, " \n"));
    }
    for (size_t i = 0; i < b->n_bonds; i++) {
        line = next_line(line);
        if (strcspn(line, "\n") < BOND_LINE_MIN)
            return unexpected(line, err);
        b->bonds[i] = (struct bond) { number_at(line, FIRST_NUMBER, NUMBER_WIDTH),
                                      number_at(line, SECOND_NUMBER, NUMBER_WIDTH),
                                      number_at(line, THIRD_NUMBER, NUMBER_WIDTH) };
    }
    while (*line && strncmp(line, "M  END", 6) != 0) {
        line = next_line(line);
        if (!strncmp(line, "M  CHG", 6))
            CG_TRY(read_property(b, line, b->charge, err));
        else if (!strncmp(line, "M  ISO", 6))
            CG_TRY(read_property(b, line, b->isotope, err));
    }
    return CG_OK;
}

/* The number behind `key` in a line; 0 without it. */
static int value_of(const char *line, const char *key)
{
    const char *at = strstr(line, key);

    return at && at < line + strcspn(line, "\n") ? atoi(at + strlen(key)) : 0;
}

/* "M  V30 3 N 1.0 2.0 3.0 0 CHG=1 MASS=15" */
static cg_status read_v3000_atom(struct block *b, size_t i, const char *line, cg_error *err)
{
    int at = 0;

    sscanf(line, "M  V30 %*u %n", &at);
    if (!at)
        return unexpected(line, err);
    b->element[i] = element_of(line + at, strcspn(line + at, " \n"));
    b->charge[i] = value_of(line, " CHG=");
    b->isotope[i] = value_of(line, " MASS=");
    return CG_OK;
}

/* Reads a V3000 block; the caller owns the arrays of b as with read_v2000(). */
static cg_status read_v3000(struct block *b, const char *line, cg_error *err)
{
    size_t n_atoms = 0, n_bonds = 0, atoms = 0, bonds = 0;
    enum { OUTSIDE, ATOMS, BONDS } part = OUTSIDE;

    while (*line && strncmp(line, "M  END", 6) != 0) {
        line = next_line(line);
        if (!strncmp(line, "M  V30 COUNTS", 13) && !b->element) {
            if (sscanf(line, "M  V30 COUNTS %zu %zu", &n_atoms, &n_bonds) < 2)
                return unexpected(line, err);
            CG_TRY(block_alloc(b, n_atoms, n_bonds, err));
        } else if (!strncmp(line, "M  V30 BEGIN ATOM", 17)) {
            part = ATOMS;
        } else if (!strncmp(line, "M  V30 BEGIN BOND", 17)) {
            part = BONDS;
        } else if (!strncmp(line, "M  V30 END", 10)) {
            part = OUTSIDE;
        } else if (part == ATOMS && atoms < b->n_atoms) {
            CG_TRY(read_v3000_atom(b, atoms++, line, err));
        } else if (part == BONDS && bonds < b->n_bonds) {
            struct bond *bond = &b->bonds[bonds++];

            if (sscanf(line, "M  V30 %*u %u %u %u", &bond->type, &bond->a, &bond->b) < 3)
                return unexpected(line, err);
        }
    }
    if (!b->element || atoms != n_atoms || bonds != n_bonds)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "RDKit's molblock lacks atoms or bonds");
    return CG_OK;
}

/* `heavy` is the index of each heavy atom from 1, and 0 for hydrogens. */
static void list_hydrogens(const struct block *b, const uint16_t *heavy, cg_heavy_graph *g)
{
    for (size_t i = 0; i < b->n_atoms && i < UINT16_MAX; i++)
        if (b->element[i] == 1)
            g->hydrogens[g->n_hydrogens++] =
                (cg_hydrogen) { (uint16_t)i, CG_NO_ATOM, b->isotope[i] };
    for (size_t i = 0; i < b->n_bonds; i++)
        for (size_t k = 0; k < g->n_hydrogens; k++) {
            size_t atom = (size_t)g->hydrogens[k].atom + 1;
            size_t other = b->bonds[i].a == atom ? b->bonds[i].b : b->bonds[i].a;

            if ((b->bonds[i].a == atom || b->bonds[i].b == atom) && heavy[other - 1])
                g->hydrogens[k].heavy = (uint16_t)(heavy[other - 1] - 1);
        }
}

/* Heavy atoms of the block and the bonds between them. */
static cg_status make_graph(const struct block *b, cg_heavy_graph *g, cg_error *err)
{
    uint16_t *heavy = calloc(b->n_atoms ? b->n_atoms : 1, sizeof *heavy); /* from 1; 0: hydrogen */
    cg_status st = CG_OK;

    g->label = cg_alloc_array(b->n_atoms, sizeof *g->label);
    g->atom = cg_alloc_array(b->n_atoms, sizeof *g->atom);
    g->first = calloc(b->n_atoms + 2, sizeof *g->first);
    g->neighbour = cg_alloc_array(2 * b->n_bonds, sizeof *g->neighbour);
    g->type = cg_alloc_array(2 * b->n_bonds, sizeof *g->type);
    g->hydrogens = cg_alloc_array(b->n_atoms, sizeof *g->hydrogens);
    if (!heavy || !g->label || !g->atom || !g->first || !g->neighbour || !g->type ||
        !g->hydrogens) {
        st = cg_fail(err, CG_ERR_NOMEM, "molecule of %zu atoms: out of memory", b->n_atoms);
        goto out;
    }
    for (size_t i = 0; i < b->n_atoms && i < UINT16_MAX; i++)
        if (b->element[i] != 1) {
            g->label[g->n] = (uint32_t)b->isotope[i] << 16 | (uint32_t)b->element[i] << 8 |
                             (uint8_t)b->charge[i];
            g->atom[g->n++] = (uint16_t)i;
            heavy[i] = (uint16_t)g->n;
        }
    /* Counting sort of bond ends by atom: pass 0 counts, pass 1 fills. */
    for (int fill = 0; fill < 2; fill++) {
        for (size_t i = 0; i < b->n_bonds; i++) {
            const struct bond *bond = &b->bonds[i];
            uint32_t ends[2];

            if (bond->a < 1 || bond->a > b->n_atoms || bond->b < 1 || bond->b > b->n_atoms) {
                st = cg_fail(err, CG_ERR_UNSUPPORTED,
                             "RDKit's molblock has a bond to a missing atom");
                goto out;
            }
            ends[0] = heavy[bond->a - 1];
            ends[1] = heavy[bond->b - 1];
            for (int k = 0; ends[0] && ends[1] && k < 2; k++) {
                uint32_t *next = &g->first[ends[k] + 1 - (unsigned)fill];

                if (fill) {
                    g->neighbour[*next] = (uint16_t)(ends[!k] - 1);
                    g->type[*next] = (uint8_t)bond->type;
                }
                (*next)++;
            }
        }
        for (size_t i = 0; !fill && i < g->n; i++)
            g->first[i + 2] += g->first[i + 1];
    }
    list_hydrogens(b, heavy, g);
out:
    free(heavy);
    return st;
}

cg_status cg_heavy_graph_read(const char *pkl, size_t size, cg_heavy_graph *ret_graph,
                              cg_error *err)
{
    /* Kekulized single and double bonds would be arbitrary, so aromatic bonds keep their type. */
    char *text = get_molblock(pkl, size, "{\"includeStereo\":false,\"kekulize\":false}");
    struct block b = { 0 };
    cg_heavy_graph g = { 0 };
    const char *line = text;
    cg_status st;

    if (!text)
        return cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "RDKit cannot write its molblock");
    for (int i = 0; i < 3; i++)
        line = next_line(line);
    if (strcspn(line, "\n") < 39)
        st = unexpected(line, err);
    else if (!strncmp(line + 34, "V3000", 5))
        st = read_v3000(&b, line, err);
    else
        st = read_v2000(&b, line, err);
    if (st != CG_OK)
        goto out;
    CG_TRY_GOTO(st, make_graph(&b, &g, err), out);
    *ret_graph = g;
    g = (cg_heavy_graph) { 0 };
out:
    cg_heavy_graph_finish(&g);
    block_finish(&b);
    free_ptr(text);
    return st;
}

void cg_heavy_graph_finish(cg_heavy_graph *graph)
{
    if (!graph)
        return;
    free(graph->label);
    free(graph->atom);
    free(graph->first);
    free(graph->neighbour);
    free(graph->type);
    free(graph->hydrogens);
    memset(graph, 0, sizeof *graph);
}

/* ---- matching ----------------------------------------------------------------------------- */

/* Colours of both graphs at one depth of the search, and the tie broken there. */
struct level {
    uint64_t *colour[2]; /* [n] of `from` and of `to` */
    size_t atom;         /* of `from`, individualized here */
    size_t next;         /* next candidate atom of `to` */
};

struct match_search {
    const cg_heavy_graph *graph[2];
    size_t n;
    uint64_t *refined;   /* [n] scratch */
    uint64_t *sorted[2]; /* [n] scratch */
    struct level *levels;
    size_t n_levels; /* levels with memory */
    size_t *image;   /* [n] atom of `to` */
};

/* splitmix64's finaliser (Steele et al. 2014) */
static uint64_t mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Sorts the colours of a graph and counts the distinct ones. */
static size_t count_classes(struct match_search *s, int which, const uint64_t *colour)
{
    size_t count = 0;

    memcpy(s->sorted[which], colour, s->n * sizeof *colour);
    qsort(s->sorted[which], s->n, sizeof *colour, ascending);
    for (size_t i = 0; i < s->n; i++)
        count += !i || s->sorted[which][i] != s->sorted[which][i - 1];
    return count;
}

static void recolour(struct match_search *s, const cg_heavy_graph *g, uint64_t *colour)
{
    for (size_t i = 0; i < s->n; i++) {
        uint64_t sum = 0;

        for (size_t k = g->first[i]; k < g->first[i + 1]; k++)
            sum += mix(colour[g->neighbour[k]] ^ mix(g->type[k]));
        s->refined[i] = mix(colour[i] + mix(sum));
    }
    memcpy(colour, s->refined, s->n * sizeof *colour);
}

/* Refines until the number of classes is stable; returns 0 if the colours of the graphs differ. */
static int refine(struct match_search *s, const struct level *l, size_t *ret_classes)
{
    size_t before = 0;

    for (;;) {
        size_t a = count_classes(s, 0, l->colour[0]), b = count_classes(s, 1, l->colour[1]);

        if (a != b || memcmp(s->sorted[0], s->sorted[1], s->n * sizeof *s->sorted[0]) != 0)
            return 0;
        *ret_classes = a;
        if (a == before || a == s->n)
            return 1;
        before = a;
        recolour(s, s->graph[0], l->colour[0]);
        recolour(s, s->graph[1], l->colour[1]);
    }
}

static cg_status add_level(struct match_search *s, size_t depth, cg_error *err)
{
    struct level *l = &s->levels[depth];

    if (depth < s->n_levels)
        return CG_OK;
    for (int k = 0; k < 2; k++)
        if (!(l->colour[k] = cg_alloc_array(s->n, sizeof *l->colour[k])))
            return cg_fail(err, CG_ERR_NOMEM, "matching %zu atoms: out of memory", s->n);
    s->n_levels++;
    return CG_OK;
}

/* The first atom of `from` whose colour another atom has too. */
static size_t first_tie(const struct match_search *s, const uint64_t *colour)
{
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = i + 1; k < s->n; k++)
            if (colour[i] == colour[k])
                return i;
    return s->n;
}

static int bond_type(const cg_heavy_graph *g, size_t a, size_t b)
{
    for (size_t k = g->first[a]; k < g->first[a + 1]; k++)
        if (g->neighbour[k] == b)
            return g->type[k];
    return -1;
}

/* Derives the mapping from distinct colours; verifies labels and bonds, as colours are hashes. */
static int derive_mapping(struct match_search *s, const struct level *l)
{
    const cg_heavy_graph *a = s->graph[0], *b = s->graph[1];

    for (size_t i = 0; i < s->n; i++) {
        s->image[i] = s->n;
        for (size_t k = 0; k < s->n; k++)
            if (l->colour[0][i] == l->colour[1][k])
                s->image[i] = k;
        if (s->image[i] == s->n || a->label[i] != b->label[s->image[i]])
            return 0;
    }
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = a->first[i]; k < a->first[i + 1]; k++)
            if (bond_type(b, s->image[i], s->image[a->neighbour[k]]) != a->type[k])
                return 0;
    return 1;
}

/* Gives the level's atom and its next candidate a new common colour, one level deeper. Returns 0 if
 * no candidate is left. */
static int individualize(struct match_search *s, size_t depth)
{
    struct level *l = &s->levels[depth], *deeper = &s->levels[depth + 1];
    size_t k = l->next;

    while (k < s->n && l->colour[1][k] != l->colour[0][l->atom])
        k++;
    if (k == s->n)
        return 0;
    l->next = k + 1;
    for (int g = 0; g < 2; g++)
        memcpy(deeper->colour[g], l->colour[g], s->n * sizeof *l->colour[g]);
    deeper->colour[0][l->atom] = deeper->colour[1][k] = mix(~l->colour[0][l->atom]);
    return 1;
}

static cg_status run_search(struct match_search *s, cg_error *err)
{
    size_t depth = 0, backtracks = 0;
    int descended = 1; /* the level's colours are not refined yet */

    for (;;) {
        struct level *l = &s->levels[depth];

        if (descended) {
            size_t count = 0;
            int equal = refine(s, l, &count);

            if (equal && count == s->n && derive_mapping(s, l))
                return CG_OK;
            l->next = s->n; /* no candidate */
            if (equal && count < s->n) {
                l->atom = first_tie(s, l->colour[0]);
                l->next = 0;
            }
        }
        if (l->next < s->n) {
            CG_TRY(add_level(s, depth + 1, err));
            if (individualize(s, depth)) {
                depth++;
                descended = 1;
                continue;
            }
        }
        if (!depth)
            return cg_fail(err, CG_ERR_UNSUPPORTED, "their atoms and bonds cannot be matched");
        if (++backtracks > MAX_BACKTRACKS)
            return cg_fail(err, CG_ERR_LIMIT, "matching atoms: gave up after %d backtracks",
                           MAX_BACKTRACKS);
        depth--;
        descended = 0;
    }
}

cg_status cg_isomorphism_find(const cg_heavy_graph *from, const cg_heavy_graph *to,
                              uint16_t *ret_order, cg_error *err)
{
    struct match_search s = { .graph = { from, to }, .n = from->n };
    cg_status st;

    if (from->n != to->n)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "found %zu heavy atoms, wanted %zu", to->n,
                       from->n);
    s.refined = cg_alloc_array(s.n, sizeof *s.refined);
    s.sorted[0] = cg_alloc_array(s.n, sizeof *s.sorted[0]);
    s.sorted[1] = cg_alloc_array(s.n, sizeof *s.sorted[1]);
    s.levels = calloc(s.n + 2, sizeof *s.levels); /* each level separates at least one atom */
    s.image = cg_alloc_array(s.n, sizeof *s.image);
    if (!s.refined || !s.sorted[0] || !s.sorted[1] || !s.levels || !s.image) {
        st = cg_fail(err, CG_ERR_NOMEM, "matching %zu atoms: out of memory", s.n);
        goto out;
    }
    CG_TRY_GOTO(st, add_level(&s, 0, err), out);
    for (int g = 0; g < 2; g++)
        for (size_t i = 0; i < s.n; i++)
            s.levels[0].colour[g][i] = mix(s.graph[g]->label[i]);
    CG_TRY_GOTO(st, run_search(&s, err), out);
    for (size_t i = 0; i < s.n; i++)
        ret_order[i] = to->atom[s.image[i]];
out:
    for (size_t i = 0; s.levels && i < s.n + 2; i++)
        for (int g = 0; g < 2; g++)
            free(s.levels[i].colour[g]);
    free(s.refined);
    free(s.sorted[0]);
    free(s.sorted[1]);
    free(s.levels);
    free(s.image);
    return st;
}
