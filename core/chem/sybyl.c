/* SPDX-License-Identifier: MIT */
#include "chem/sybyl.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/adjacency.h"
#include "chem/elements.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"

enum { C = 6, N = 7, O = 8, P = 15, S = 16, RING = 6 /* atoms of an aromatic ring */ };

/* A molecule whose atoms get their types. Bonds are those of the graph. */
struct typing {
    const cg_smiles *g;
    cg_adjacency adj;
    unsigned char *order; /* [n_bonds] 1 to 3, of the Kekulé structure */
    unsigned char *ring;  /* [n_bonds] in an aromatic ring */
    unsigned char *kept;  /* [n_bonds] scratch of find_rings() */
};

/* ---- neighbours --------------------------------------------------------------------------- */

static uint32_t degree(const struct typing *t, uint32_t atom)
{
    return t->adj.first[atom + 1] - t->adj.first[atom];
}

static int element(const struct typing *t, uint32_t atom)
{
    return t->g->atoms[atom].element;
}

/* The bonds of an atom: for (at = first; at < end; at++) with neighbour to[at], bond bond[at]. */
#define EACH_NEIGHBOUR(t, atom, at)                                                                \
    uint32_t at = (t)->adj.first[atom];                                                            \
    at < (t)->adj.first[(atom) + 1];                                                               \
    at++

static int count_bonds(const struct typing *t, uint32_t atom, int order)
{
    int n = 0;

    for (EACH_NEIGHBOUR(t, atom, at))
        n += t->order[t->adj.bond[at]] == order;
    return n;
}

/* Number of neighbours of an element; with an order other than 0, those of such bonds. */
static int count_neighbours(const struct typing *t, uint32_t atom, int z, int order)
{
    int n = 0;

    for (EACH_NEIGHBOUR(t, atom, at))
        n += element(t, t->adj.to[at]) == z && (!order || t->order[t->adj.bond[at]] == order);
    return n;
}

/* An oxygen with one neighbour and no hydrogen, charged or with a double bond. */
static int is_terminal_oxygen(const struct typing *t, uint32_t atom)
{
    return element(t, atom) == O && degree(t, atom) == 1 &&
           (t->g->atoms[atom].charge < 0 || count_bonds(t, atom, 2));
}

static int count_terminal_oxygens(const struct typing *t, uint32_t atom, int *ret_has_anion)
{
    int n = 0;

    *ret_has_anion = 0;
    for (EACH_NEIGHBOUR(t, atom, at))
        if (is_terminal_oxygen(t, t->adj.to[at])) {
            n++;
            *ret_has_anion |= t->g->atoms[t->adj.to[at]].charge < 0;
        }
    return n;
}

/* ---- aromatic rings ----------------------------------------------------------------------- */

/* Has the atom its double bond among the bonds of `t->ring`? */
static int has_ring_double_bond(const struct typing *t, uint32_t atom)
{
    for (EACH_NEIGHBOUR(t, atom, at))
        if (t->ring[t->adj.bond[at]] && t->order[t->adj.bond[at]] == 2)
            return element(t, atom) == C || element(t, atom) == N;
    return 0;
}

/* Continues a path of `n` atoms over bonds of `t->ring`, all with a double bond among these, and
 * keeps the bonds of those that close to rings. The first atom has the least index. */
static void follow_ring(const struct typing *t, uint32_t path[RING], uint32_t bonds[RING], int n)
{
    for (EACH_NEIGHBOUR(t, path[n - 1], at)) {
        const uint32_t next = t->adj.to[at];
        int is_new = next > path[0];

        bonds[n - 1] = t->adj.bond[at];
        if (!t->ring[bonds[n - 1]])
            continue;
        for (int i = 0; n == RING && next == path[0] && i < RING; i++)
            t->kept[bonds[i]] = 1;
        for (int i = 1; i < n; i++)
            is_new &= path[i] != next;
        if (n == RING || !is_new || !has_ring_double_bond(t, next))
            continue;
        path[n] = next;
        follow_ring(t, path, bonds, n + 1);
    }
}

/* Leaves in `ring` the bonds of aromatic rings. Without a ring another may lose the double bond of
 * an atom: repeats until none does. */
static void find_rings(struct typing *t)
{
    uint32_t path[RING], bonds[RING];
    unsigned char *ring;

    do {
        memset(t->kept, 0, t->g->n_bonds);
        for (uint32_t i = 0; i < t->g->n_atoms; i++) {
            path[0] = i;
            if (has_ring_double_bond(t, i))
                follow_ring(t, path, bonds, 1);
        }
        ring = t->kept;
        t->kept = t->ring;
        t->ring = ring;
    } while (memcmp(t->ring, t->kept, t->g->n_bonds) != 0);
}

static int is_in_ring(const struct typing *t, uint32_t atom)
{
    for (EACH_NEIGHBOUR(t, atom, at))
        if (t->ring[t->adj.bond[at]])
            return 1;
    return 0;
}

/* ---- types of atoms ----------------------------------------------------------------------- */

static int is_guanidinium(const struct typing *t, uint32_t atom)
{
    if (t->g->atoms[atom].aromatic || count_neighbours(t, atom, N, 0) != 3)
        return 0;
    for (EACH_NEIGHBOUR(t, atom, at))
        if (t->order[t->adj.bond[at]] == 2)
            return t->g->atoms[t->adj.to[at]].charge > 0;
    return 0;
}

static const char *carbon_type(const struct typing *t, uint32_t atom)
{
    if (is_in_ring(t, atom))
        return "C.ar";
    if (is_guanidinium(t, atom))
        return "C.cat";
    if (count_bonds(t, atom, 3) || count_bonds(t, atom, 2) > 1)
        return "C.1";
    if (count_bonds(t, atom, 2) || t->g->atoms[atom].charge > 0 || t->g->atoms[atom].aromatic)
        return "C.2";
    return "C.3";
}

/* The carbon of an amide or thioamide. */
static int is_acyl(const struct typing *t, uint32_t atom)
{
    return element(t, atom) == C &&
           (count_neighbours(t, atom, O, 2) || count_neighbours(t, atom, S, 2));
}

static int is_amide(const struct typing *t, uint32_t nitrogen)
{
    for (EACH_NEIGHBOUR(t, nitrogen, at))
        if (is_acyl(t, t->adj.to[at]))
            return 1;
    return 0;
}

/* Is a neighbour, C or N, part of a double bond, so that a lone pair is conjugated? */
static int is_conjugated(const struct typing *t, uint32_t nitrogen)
{
    for (EACH_NEIGHBOUR(t, nitrogen, at)) {
        const uint32_t to = t->adj.to[at];

        if ((element(t, to) == C || element(t, to) == N) && count_bonds(t, to, 2) == 1)
            return 1;
    }
    return 0;
}

static const char *nitrogen_type(const struct typing *t, uint32_t atom)
{
    if (is_in_ring(t, atom))
        return "N.ar";
    if (count_bonds(t, atom, 3) || count_bonds(t, atom, 2) > 1)
        return "N.1";
    if (count_bonds(t, atom, 2))
        return degree(t, atom) < 3 ? "N.2" : "N.pl3";
    if (degree(t, atom) == 4)
        return "N.4";
    if (is_amide(t, atom))
        return "N.am";
    if (t->g->atoms[atom].aromatic || (degree(t, atom) == 3 && is_conjugated(t, atom)))
        return "N.pl3";
    return "N.3";
}

static const char *oxygen_type(const struct typing *t, uint32_t atom)
{
    uint32_t to;
    int n, has_anion;

    if (!is_terminal_oxygen(t, atom))
        return count_bonds(t, atom, 1) == (int)degree(t, atom) ? "O.3" : "O.2";
    to = t->adj.to[t->adj.first[atom]];
    n = count_terminal_oxygens(t, to, &has_anion);
    if ((element(t, to) == C && n == 2 && has_anion) || (element(t, to) == P && has_anion))
        return "O.co2";
    return count_bonds(t, atom, 2) || (element(t, to) == N && n == 2) ? "O.2" : "O.3";
}

static const char *sulfur_type(const struct typing *t, uint32_t atom)
{
    int has_anion;
    const int n = count_terminal_oxygens(t, atom, &has_anion);

    if (degree(t, atom) == 4 && n >= 2)
        return "S.O2";
    if (degree(t, atom) == 3 && n >= 1)
        return "S.O";
    return count_bonds(t, atom, 2) && degree(t, atom) < 3 ? "S.2" : "S.3";
}

static const char *atom_type(const struct typing *t, uint32_t atom)
{
    switch (element(t, atom)) {
    case C:
        return carbon_type(t, atom);
    case N:
        return nitrogen_type(t, atom);
    case O:
        return oxygen_type(t, atom);
    case S:
        return sulfur_type(t, atom);
    case P:
        return "P.3";
    default:
        return cg_element_symbol(element(t, atom));
    }
}

static const char *bond_type(const struct typing *t, size_t bond, const cg_sybyl *sybyl)
{
    static const char *const orders[] = { "1", "2", "3" };
    const cg_smiles_bond *b = &t->g->bonds[bond];

    if (t->ring[bond])
        return "ar";
    if (t->order[bond] == 1 &&
        ((is_acyl(t, b->first) && !strcmp(sybyl->atom_types[b->second], "N.am")) ||
         (is_acyl(t, b->second) && !strcmp(sybyl->atom_types[b->first], "N.am"))))
        return "am";
    return orders[t->order[bond] - 1];
}

/* ---- a molecule --------------------------------------------------------------------------- */

/* Takes the bonds of RDKit's molecule over to those of the graph. */
static cg_status set_orders(struct typing *t, const cgrd_bond *bonds, size_t n, cg_error *err)
{
    size_t n_found = 0;

    for (size_t i = 0; i < n; i++)
        for (EACH_NEIGHBOUR(t, bonds[i].atoms[0], at))
            if (t->adj.to[at] == bonds[i].atoms[1] && bonds[i].order >= 1 && bonds[i].order <= 3) {
                t->order[t->adj.bond[at]] = (unsigned char)bonds[i].order;
                t->ring[t->adj.bond[at]] = bonds[i].is_aromatic != 0;
                n_found++;
            }
    if (n_found != t->g->n_bonds)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "SYBYL types: found %zu single, double and triple bonds, wanted the %zu of "
                       "the SMILES",
                       n_found, t->g->n_bonds);
    return CG_OK;
}

static cg_status read_bonds(struct typing *t, const char *smiles, cg_error *err)
{
    char reason[256] = "";
    size_t n = 0, n_atoms = 0;
    cgrd_bond *bonds = cgrd_find_bonds(smiles, &n, &n_atoms, reason, sizeof reason);
    cg_status st;

    if (!bonds)
        return cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "SYBYL types of '%.60s': %s", smiles, reason);
    if (n_atoms != t->g->n_atoms)
        st = cg_fail(err, CG_ERR_UNSUPPORTED, "SYBYL types: found %zu atoms, wanted %zu", n_atoms,
                     t->g->n_atoms);
    else
        st = set_orders(t, bonds, n, err);
    free_ptr((char *)bonds);
    return st;
}

static cg_status assign(struct typing *t, const char *smiles, cg_sybyl *s, cg_error *err)
{
    const size_t n_atoms = t->g->n_atoms, n_bonds = t->g->n_bonds;

    CG_TRY(cg_adjacency_build(t->g, &t->adj, err));
    t->order = calloc(n_bonds + 1, 1);
    t->ring = calloc(n_bonds + 1, 1);
    t->kept = calloc(n_bonds + 1, 1);
    s->atom_types = cg_alloc_array(n_atoms, sizeof *s->atom_types);
    s->charges = cg_alloc_array(n_atoms, sizeof *s->charges);
    s->bond_atoms = cg_alloc_array(n_bonds + 1, sizeof *s->bond_atoms);
    s->bond_types = cg_alloc_array(n_bonds + 1, sizeof *s->bond_types);
    if (!t->order || !t->ring || !t->kept || !s->atom_types || !s->charges || !s->bond_atoms ||
        !s->bond_types)
        return cg_fail_nomem(err, "SYBYL types");
    CG_TRY(read_bonds(t, smiles, err));
    find_rings(t);
    s->n_atoms = n_atoms;
    s->n_bonds = n_bonds;
    for (uint32_t i = 0; i < n_atoms; i++) {
        s->atom_types[i] = atom_type(t, i);
        s->charges[i] = t->g->atoms[i].charge;
    }
    for (size_t i = 0; i < n_bonds; i++) {
        s->bond_atoms[i][0] = t->g->bonds[i].first;
        s->bond_atoms[i][1] = t->g->bonds[i].second;
        s->bond_types[i] = bond_type(t, i, s);
    }
    return CG_OK;
}

cg_status cg_sybyl_assign(const cg_molecule *mol, cg_sybyl *ret_sybyl, cg_error *err)
{
    struct typing t = { .g = cg_molecule_graph(mol) };
    cg_sybyl s = { 0 };
    const cg_status st = assign(&t, cg_molecule_smiles(mol, NULL), &s, err);

    cg_adjacency_finish(&t.adj);
    free(t.order);
    free(t.ring);
    free(t.kept);
    if (st != CG_OK)
        cg_sybyl_finish(&s);
    else
        *ret_sybyl = s;
    return st;
}

void cg_sybyl_finish(cg_sybyl *sybyl)
{
    if (!sybyl)
        return;
    free(sybyl->atom_types);
    free(sybyl->charges);
    free(sybyl->bond_atoms);
    free(sybyl->bond_types);
    *sybyl = (cg_sybyl) { 0 };
}
