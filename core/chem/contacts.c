/* SPDX-License-Identifier: MIT */
#include "chem/contacts.h"

#include <limits.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"

/* Å between the two atoms of a contact, and more for each atom that is surrounded by four others.
 */
static const double contact = 3.3, behind_neighbours = 1;

enum {
    SMALL = 7, /* atoms of a fragment that can be moved as a whole towards a later atom */
    SURROUNDED = 4,
};

#define NO_ATOM UINT32_MAX

static int is_ordinary_hydrogen(const cg_smiles_atom *a)
{
    return a->element == 1 && a->isotope == 0;
}

/*
 * Fragments are contiguous in the text, except for hydrogens at its end (hydrogens.h): a bond joins
 * an atom to the fragment of its first end. Fragment f is of the atoms start[f] to start[f + 1],
 * the last one without such hydrogens.
 */
static size_t number_fragments(const cg_smiles *g, uint32_t *fragment, uint32_t *start)
{
    size_t n = 0, end = g->n_atoms;

    for (size_t i = 0; i < g->n_atoms; i++)
        fragment[i] = NO_ATOM; /* an earlier neighbour, if there is one */
    for (size_t b = 0; b < g->n_bonds; b++)
        fragment[g->bonds[b].second] = g->bonds[b].first;
    for (size_t i = 0; i < g->n_atoms; i++) {
        if (fragment[i] == NO_ATOM) {
            start[n] = (uint32_t)i;
            fragment[i] = (uint32_t)n++;
        } else {
            fragment[i] = fragment[fragment[i]];
        }
    }
    while (end > start[n - 1] + 1 && is_ordinary_hydrogen(&g->atoms[end - 1]))
        end--;
    start[n] = (uint32_t)end;
    return n;
}

/* Neighbours that are no hydrogens. */
static void count_neighbours(const cg_smiles *g, uint8_t *n_neighbours)
{
    for (size_t b = 0; b < g->n_bonds; b++) {
        uint32_t i = g->bonds[b].first, j = g->bonds[b].second;

        n_neighbours[i] += !is_ordinary_hydrogen(&g->atoms[j]) && n_neighbours[i] < UINT8_MAX;
        n_neighbours[j] += !is_ordinary_hydrogen(&g->atoms[i]) && n_neighbours[j] < UINT8_MAX;
    }
}

/* N, O, S and halogens. */
static int is_polar(const cg_smiles_atom *a)
{
    return (a->element >= 7 && a->element <= 9) || a->element == 16 || a->element == 17 ||
           a->element == 35 || a->element == 53;
}

struct contact_search {
    const cg_smiles *graph;
    uint32_t *start;       /* of each fragment, see number_fragments() */
    uint32_t *n_used;      /* [n_atoms] contacts so far */
    uint8_t *n_neighbours; /* [n_atoms] see count_neighbours() */
};

/* Higher is better. */
static int score(const struct contact_search *s, uint32_t i, uint32_t j)
{
    const cg_smiles_atom *a = &s->graph->atoms[i], *b = &s->graph->atoms[j];
    int opposite = -a->charge * b->charge;

    return 100 * ((opposite > 0) - (opposite < 0)) + 10 * (is_polar(a) + is_polar(b)) -
           2 * (s->n_neighbours[i] + s->n_neighbours[j]) - 20 * (int)(s->n_used[i] + s->n_used[j]);
}

/* The best contact of fragment f, of the atoms start[f] to start[f + 1], with an earlier one. */
static cg_contact best_contact(const struct contact_search *s, const uint32_t *fragment, size_t f)
{
    const uint32_t *start = s->start;
    cg_contact best = { .first = 0, .second = start[f] };
    int best_score = INT_MIN, small = start[f + 1] - start[f] <= SMALL;

    for (uint32_t j = start[f]; j < start[f + 1]; j++)
        for (uint32_t i = 0; i < start[f]; i++) {
            const uint32_t *other = &start[fragment[i]];
            int found;

            /* the first atom of a large fragment decides where it lies */
            if (j > start[f] && !small && other[1] - other[0] > SMALL)
                continue;
            found = score(s, i, j);
            if (found <= best_score)
                continue;
            best_score = found;
            best.first = i;
            best.second = j;
        }
    best.distance = contact + behind_neighbours * ((s->n_neighbours[best.first] >= SURROUNDED) +
                                                   (s->n_neighbours[best.second] >= SURROUNDED));
    return best;
}

cg_status cg_contacts_find(const cg_smiles *graph, cg_contacts *ret_contacts, cg_error *err)
{
    cg_contacts c = { .fragment = cg_alloc_array(graph->n_atoms + 1, sizeof *c.fragment) };
    struct contact_search s = {
        .graph = graph,
        .start = cg_alloc_array(graph->n_atoms + 1, sizeof *s.start),
        .n_used = calloc(graph->n_atoms + 1, sizeof *s.n_used),
        .n_neighbours = calloc(graph->n_atoms + 1, sizeof *s.n_neighbours),
    };
    cg_status st = CG_OK;

    c.contacts = cg_alloc_array(graph->n_components + 1, sizeof *c.contacts);
    if (!c.fragment || !s.start || !s.n_used || !s.n_neighbours || !c.contacts) {
        st = cg_fail_nomem(err, "fragments");
        goto out;
    }
    count_neighbours(graph, s.n_neighbours);
    for (size_t f = 1, n = number_fragments(graph, c.fragment, s.start); f < n; f++) {
        cg_contact best = best_contact(&s, c.fragment, f);

        s.n_used[best.first]++;
        s.n_used[best.second]++;
        c.contacts[c.n++] = best;
    }
    *ret_contacts = c;
    c = (cg_contacts) { 0 };
out:
    free(s.start);
    free(s.n_used);
    free(s.n_neighbours);
    cg_contacts_finish(&c);
    return st;
}

void cg_contacts_finish(cg_contacts *contacts)
{
    if (!contacts)
        return;
    free(contacts->fragment);
    free(contacts->contacts);
    *contacts = (cg_contacts) { 0 };
}
