/* SPDX-License-Identifier: MIT */
#include "eval/symmetry.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/size.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"

enum { HYDROGEN = 1, NITROGEN = 7, OXYGEN = 8 };

/* The heavy atoms of a canonical SMILES and their colours. */
struct coloured_graph {
    const cg_smiles *smiles;
    size_t n;                  /* heavy atoms */
    uint16_t *index;           /* [n_atoms] among the heavy ones; unused for hydrogens */
    uint16_t *degree;          /* [n_atoms] bonds to heavy atoms */
    unsigned char *conjugated; /* [n_atoms] 1: terminal; charge and bond order are ignored */
    uint32_t *colour;          /* [n_atoms] from 1; an atom maps only to atoms of its colour */
};

static int is_heavy(const cg_smiles *g, size_t atom)
{
    return g->atoms[atom].element != HYDROGEN;
}

static void graph_finish(struct coloured_graph *h)
{
    free(h->index);
    free(h->degree);
    free(h->conjugated);
    free(h->colour);
}

/* Whether an atom can end a conjugated group: aliphatic O or N with one heavy neighbour. */
static int is_terminal(const struct coloured_graph *h, size_t atom)
{
    const cg_smiles_atom *a = &h->smiles->atoms[atom];

    return (a->element == OXYGEN || a->element == NITROGEN) && !a->aromatic && h->degree[atom] == 1;
}

static int is_single(char symbol)
{
    return symbol == 0 || symbol == '-' || symbol == '/' || symbol == '\\';
}

/*
 * Marks conjugated terminal atoms: bonded singly to an atom that has another such end bonded
 * doubly, or vice versa. RDKit's rule, with degrees counted among heavy atoms.
 */
static void mark_conjugated(struct coloured_graph *h, unsigned char *ends)
{
    enum { SINGLE_END = 1, DOUBLE_END = 2 };
    const cg_smiles *g = h->smiles;

    /* pass 0 collects the ends of each atom, pass 1 marks them */
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < g->n_bonds; i++) {
            const cg_smiles_bond *b = &g->bonds[i];
            int kind = is_single(b->symbol) ? SINGLE_END : b->symbol == '=' ? DOUBLE_END : 0;

            for (int side = 0; side < 2; side++) {
                size_t end = side ? b->second : b->first, middle = side ? b->first : b->second;

                if (!kind || !is_heavy(g, middle) || !is_terminal(h, end))
                    continue;
                if (pass == 0)
                    ends[middle] |= (unsigned char)kind;
                else if (ends[middle] == (SINGLE_END | DOUBLE_END))
                    h->conjugated[end] = 1;
            }
        }
}

/* Numbers the heavy atoms, counts their heavy neighbours, marks conjugated terminal groups. */
static cg_status graph_init(struct coloured_graph *h, const cg_molecule *mol, cg_symmetry_rule rule,
                            cg_error *err)
{
    const cg_smiles *g = cg_molecule_graph(mol);
    unsigned char *ends = calloc(g->n_atoms, 1);
    cg_status st = CG_OK;

    h->smiles = g;
    h->index = calloc(g->n_atoms, sizeof *h->index);
    h->degree = calloc(g->n_atoms, sizeof *h->degree);
    h->conjugated = calloc(g->n_atoms, 1);
    h->colour = calloc(g->n_atoms, sizeof *h->colour);
    if (!ends || !h->index || !h->degree || !h->conjugated || !h->colour) {
        st = cg_fail(err, CG_ERR_NOMEM, "symmetry of %zu atoms: out of memory", g->n_atoms);
        goto out;
    }
    for (size_t i = 0; i < g->n_atoms; i++)
        if (is_heavy(g, i))
            h->index[i] = (uint16_t)h->n++;
    for (size_t i = 0; i < g->n_bonds; i++) {
        size_t a = g->bonds[i].first, b = g->bonds[i].second;

        h->degree[a] = (uint16_t)(h->degree[a] + is_heavy(g, b));
        h->degree[b] = (uint16_t)(h->degree[b] + is_heavy(g, a));
    }
    if (rule == CG_SYMMETRY_CONJUGATED)
        mark_conjugated(h, ends);
out:
    free(ends);
    return st;
}

/* Property of a bond that automorphisms preserve, as its SMILES and SMARTS symbol. */
static char bond_symbol(const struct coloured_graph *h, const cg_smiles_bond *b)
{
    const cg_smiles_atom *atoms = h->smiles->atoms;

    if (h->conjugated[b->first] || h->conjugated[b->second])
        return '-'; /* single and double alike: the colour of its end marks it */
    if (b->symbol == '=' || b->symbol == '#' || b->symbol == ':' || b->symbol == '-')
        return b->symbol;
    /* No symbol, or a direction. Between aromatic atoms RDKit writes '-' for a single bond; a
     * direction next to a double bond that leaves an aromatic ring is on an aromatic bond. */
    return atoms[b->first].aromatic && atoms[b->second].aromatic ? ':' : '-';
}

/* ---- colours ----------------------------------------------------------------------------- */

enum { MAX_KEY = 16 };

/* An atom and the values that determine its colour. */
struct colour_key {
    size_t atom;
    size_t n;
    uint32_t value[MAX_KEY];
};

static int compare_keys(const void *x, const void *y)
{
    const struct colour_key *a = x, *b = y;

    if (a->n != b->n)
        return a->n < b->n ? -1 : 1;
    for (size_t i = 0; i < a->n; i++)
        if (a->value[i] != b->value[i])
            return a->value[i] < b->value[i] ? -1 : 1;
    return 0;
}

/* Assigns one colour to all atoms with equal keys; returns the number of colours. */
static uint32_t rank(struct coloured_graph *h, struct colour_key *keys)
{
    uint32_t colour = 0;

    qsort(keys, h->n, sizeof *keys, compare_keys);
    for (size_t i = 0; i < h->n; i++) {
        colour += i == 0 || compare_keys(&keys[i - 1], &keys[i]) != 0;
        h->colour[keys[i].atom] = colour;
    }
    return colour;
}

/* Sum of bond orders and bracket hydrogens. */
static int valence(const cg_smiles *g, size_t atom)
{
    int v = g->atoms[atom].n_h;

    for (size_t i = 0; i < g->n_bonds; i++)
        if (g->bonds[i].first == atom || g->bonds[i].second == atom)
            v += g->bonds[i].symbol == '=' ? 2 : g->bonds[i].symbol == '#' ? 3 : 1;
    return v;
}

/*
 * The initial key: element, isotope and charge, without hydrogens. An atom in brackets for no other
 * reason may be a radical; its valence separates it from saturated atoms.
 */
static struct colour_key first_key(const struct coloured_graph *h, size_t atom)
{
    const cg_smiles_atom *a = &h->smiles->atoms[atom];
    int radical = a->bracket && !a->charge && !a->aromatic && !a->chiral;
    int charge = h->conjugated[atom] ? 0 : a->charge;
    struct colour_key k = { .atom = atom, .n = 5 };

    k.value[0] = a->element;
    k.value[1] = a->isotope;
    k.value[2] = (uint32_t)charge;
    k.value[3] = h->conjugated[atom];
    k.value[4] = radical ? 1 + (uint32_t)valence(h->smiles, atom) : 0;
    return k;
}

/* Adds a neighbour to the key, sorted. If there are more than fit, which no molecule has, all
 * neighbours are dropped: that is correct, since colours only prune the search. */
static void add_neighbour(struct colour_key *k, uint32_t bond, uint32_t colour)
{
    uint32_t value = bond << 24 ^ colour;
    size_t at = k->n;

    if (k->n == MAX_KEY) {
        memset(k->value + 1, 0, sizeof k->value - sizeof k->value[0]);
        return;
    }
    for (; at > 1 && k->value[at - 1] > value; at--)
        k->value[at] = k->value[at - 1];
    k->value[at] = value;
    k->n++;
}

/*
 * Colour refinement: starts from the properties of each atom and refines by the colours of its
 * neighbours until the number of colours is stable. Without colours the search would take years for
 * a lattice of some hundred atoms.
 */
static cg_status find_colours(struct coloured_graph *h, cg_error *err)
{
    const cg_smiles *g = h->smiles;
    struct colour_key *keys = cg_alloc_array(g->n_atoms, sizeof *keys);
    uint32_t before = 0, now;

    if (!keys)
        return cg_fail(err, CG_ERR_NOMEM, "symmetry of %zu atoms: out of memory", g->n_atoms);
    for (size_t i = 0; i < g->n_atoms; i++)
        if (is_heavy(g, i))
            keys[h->index[i]] = first_key(h, i);
    now = rank(h, keys);
    while (now > before) {
        for (size_t i = 0; i < g->n_atoms; i++)
            if (is_heavy(g, i))
                keys[h->index[i]] = (struct colour_key) { i, 1, { h->colour[i] } };
        for (size_t i = 0; i < g->n_bonds; i++) {
            size_t a = g->bonds[i].first, b = g->bonds[i].second;
            uint32_t bond = (unsigned char)bond_symbol(h, &g->bonds[i]);

            if (!is_heavy(g, a) || !is_heavy(g, b))
                continue;
            add_neighbour(&keys[h->index[a]], bond, h->colour[b]);
            add_neighbour(&keys[h->index[b]], bond, h->colour[a]);
        }
        before = now;
        now = rank(h, keys);
    }
    free(keys);
    return CG_OK;
}

/* ---- search ------------------------------------------------------------------------------ */

/*
 * Writes the heavy atoms as SMILES (element "C") or as SMARTS that match it ("*"). Colours become
 * isotopes; atoms are listed in their order as separate components, and every bond is a ring
 * closure with a number of its own.
 */
static cg_status write_graph(const struct coloured_graph *h, const char *element, cg_buf *out,
                             cg_error *err)
{
    const cg_smiles *g = h->smiles;

    for (size_t i = 0; i < g->n_atoms; i++) {
        if (!is_heavy(g, i))
            continue;
        cg_buf_printf(out, "%s[%u%s]", h->index[i] ? "." : "", (unsigned)h->colour[i], element);
        for (size_t k = 0; k < g->n_bonds; k++) {
            const cg_smiles_bond *b = &g->bonds[k];

            if ((b->first == i || b->second == i) && is_heavy(g, b->first) &&
                is_heavy(g, b->second))
                cg_buf_printf(out, "%c%%(%zu)", bond_symbol(h, b), k + 1);
        }
    }
    return cg_buf_check(out, "symmetry", err);
}

/* Reads "[1,2,3]" with exactly n heavy atoms; returns its end, NULL if malformed. */
static const char *read_map(const char *p, const struct coloured_graph *h, uint16_t *map)
{
    for (size_t i = 0; i < h->n; i++) {
        unsigned long atom;
        char *end;

        if (*p++ != (i ? ',' : '['))
            return NULL;
        atom = strtoul(p, &end, 10);
        if (end == p || atom >= h->n)
            return NULL;
        map[i] = (uint16_t)atom;
        p = end;
    }
    return *p == ']' ? p : NULL;
}

static int is_identity(const uint16_t *map, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (map[i] != i)
            return 0;
    return 1;
}

/* Swaps the identity with the first map; if truncation removed it, it replaces the first map. */
static void put_identity_first(cg_symmetry *s)
{
    size_t at = 0;

    while (at < s->n_maps && !is_identity(s->maps + at * s->n_atoms, s->n_atoms))
        at++;
    if (at < s->n_maps)
        memcpy(s->maps + at * s->n_atoms, s->maps, s->n_atoms * sizeof *s->maps);
    for (size_t i = 0; i < s->n_atoms; i++)
        s->maps[i] = (uint16_t)i;
}

/* Reads up to max_maps matches from RDKit's JSON; the identity becomes the first one. */
static cg_status read_maps(const char *json, const struct coloured_graph *h, size_t max_maps,
                           const char *smiles, cg_symmetry *s, cg_error *err)
{
    static const char key[] = "\"atoms\":";
    size_t found = 0;

    for (const char *p = strstr(json, key); p; p = strstr(p, key)) {
        found++;
        p += sizeof key - 1;
    }
    s->n_atoms = h->n;
    s->limited = found > max_maps;
    s->n_maps = found < max_maps ? found : max_maps;
    if (s->n_maps == 0)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "symmetry of '%s': RDKit does not match the molecule to itself", smiles);
    s->maps = cg_alloc_array(s->n_maps, h->n * sizeof *s->maps);
    if (!s->maps)
        return cg_fail(err, CG_ERR_NOMEM, "symmetry of %zu maps of %zu atoms: out of memory",
                       s->n_maps, h->n);
    for (size_t i = 0; i < s->n_maps; i++) {
        json = strstr(json, key) + sizeof key - 1;
        json = read_map(json, h, s->maps + i * h->n);
        if (!json)
            return cg_fail(
                err, CG_ERR_UNSUPPORTED,
                "symmetry of '%s': map %zu from RDKit is not a list of its %zu heavy atoms", smiles,
                i, h->n);
    }
    put_identity_first(s);
    return CG_OK;
}

/* JSON with the matches of the graph in itself; release *ret_json with free_ptr(). */
static cg_status match_to_itself(const struct coloured_graph *h, const char *smiles,
                                 size_t max_maps, char **ret_json, cg_error *err)
{
    size_t mol_size = 0, query_size = 0;
    char *mol_pkl = NULL, *query_pkl = NULL;
    cg_buf mol = { 0 }, query = { 0 };
    char options[64];
    cg_status st;

    CG_TRY_GOTO(st, write_graph(h, "C", &mol, err), out);
    CG_TRY_GOTO(st, write_graph(h, "*", &query, err), out);
    snprintf(options, sizeof options, "{\"uniquify\":false,\"maxMatches\":%zu}", max_maps + 1);
    mol_pkl = get_mol(cg_buf_text(&mol), &mol_size, "{\"sanitize\":false,\"removeHs\":false}");
    if (mol_pkl)
        query_pkl = get_qmol(cg_buf_text(&query), &query_size, NULL);
    if (query_pkl)
        *ret_json = get_substruct_matches(mol_pkl, mol_size, query_pkl, query_size, options);
    if (!*ret_json)
        st = cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "symmetry of '%s': RDKit failed to match it",
                           smiles);
out:
    free_ptr(mol_pkl);
    free_ptr(query_pkl);
    cg_buf_finish(&mol);
    cg_buf_finish(&query);
    return st;
}

cg_status cg_symmetry_find(const cg_molecule *mol, cg_symmetry_rule rule, size_t max_maps,
                           cg_symmetry *ret_symmetry, cg_error *err)
{
    const char *smiles = cg_molecule_smiles(mol, NULL);
    struct coloured_graph h = { 0 };
    cg_symmetry s = { 0 };
    char *json = NULL;
    cg_status st;

    if (max_maps < 1 || max_maps >= INT_MAX)
        return cg_fail(err, CG_ERR_USAGE, "symmetry: found a limit of %zu maps, wanted 1 to %d",
                       max_maps, INT_MAX - 1);
    if (cg_molecule_n_heavy(mol) > UINT16_MAX)
        return cg_fail(err, CG_ERR_LIMIT, "symmetry: found %zu heavy atoms, wanted at most %d",
                       cg_molecule_n_heavy(mol), UINT16_MAX);
    CG_TRY_GOTO(st, graph_init(&h, mol, rule, err), out);
    CG_TRY_GOTO(st, find_colours(&h, err), out);
    CG_TRY_GOTO(st, match_to_itself(&h, smiles, max_maps, &json, err), out);
    CG_TRY_GOTO(st, read_maps(json, &h, max_maps, smiles, &s, err), out);
    *ret_symmetry = s;
    s = (cg_symmetry) { 0 };
out:
    free_ptr(json);
    cg_symmetry_finish(&s);
    graph_finish(&h);
    return st;
}

void cg_symmetry_finish(cg_symmetry *symmetry)
{
    if (!symmetry)
        return;
    free(symmetry->maps);
    *symmetry = (cg_symmetry) { 0 };
}
