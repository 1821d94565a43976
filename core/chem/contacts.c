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

/* Fragments are contiguous in the text: a bond joins an atom to the fragment of its first end. */
static size_t number_fragments(const cg_smiles *g, uint32_t *fragment, uint32_t *start)
{
    size_t n = 0;

    for (size_t i = 0; i < g->n_atoms; i++)
        fragment[i] = 1; /* starts a fragment, until a bond to an earlier atom is found */
    for (size_t b = 0; b < g->n_bonds; b++)
        fragment[g->bonds[b].second] = 0;
    for (size_t i = 0; i < g->n_atoms; i++) {
        if (fragment[i])
            start[n++] = (uint32_t)i;
        fragment[i] = (uint32_t)n - 1;
    }
    start[n] = (uint32_t)g->n_atoms;
    return n;
}

/* N, O, S and halogens. */
static int is_polar(const cg_smiles_atom *a)
{
    return (a->element >= 7 && a->element <= 9) || a->element == 16 || a->element == 17 ||
           a->element == 35 || a->element == 53;
}

/* Higher is better. `n_used`: contacts of these atoms so far. */
static int score(const cg_smiles_atom *a, const cg_smiles_atom *b, uint32_t n_used)
{
    int opposite = -a->charge * b->charge;

    return 100 * ((opposite > 0) - (opposite < 0)) + 10 * (is_polar(a) + is_polar(b)) -
           2 * (a->degree + b->degree) - 20 * (int)n_used;
}

/* The best contact of fragment f, of the atoms start[f] to start[f + 1], with an earlier one. */
static cg_contact best_contact(const cg_smiles *g, const uint32_t *start, const uint32_t *fragment,
                               size_t f, const uint32_t *n_used)
{
    cg_contact best = { .first = 0, .second = start[f] };
    int best_score = INT_MIN, small = start[f + 1] - start[f] <= SMALL;

    for (uint32_t j = start[f]; j < start[f + 1]; j++)
        for (uint32_t i = 0; i < start[f]; i++) {
            const uint32_t *other = &start[fragment[i]];
            int s;

            /* the first atom of a large fragment decides where it lies */
            if (j > start[f] && !small && other[1] - other[0] > SMALL)
                continue;
            s = score(&g->atoms[i], &g->atoms[j], n_used[i] + n_used[j]);
            if (s <= best_score)
                continue;
            best_score = s;
            best.first = i;
            best.second = j;
        }
    best.distance = contact + behind_neighbours * ((g->atoms[best.first].degree >= SURROUNDED) +
                                                   (g->atoms[best.second].degree >= SURROUNDED));
    return best;
}

cg_status cg_contacts_find(const cg_smiles *graph, cg_contacts *ret_contacts, cg_error *err)
{
    cg_contacts c = { .fragment = cg_alloc_array(graph->n_atoms + 1, sizeof *c.fragment) };
    uint32_t *start = cg_alloc_array(graph->n_atoms + 1, sizeof *start);
    uint32_t *n_used = calloc(graph->n_atoms + 1, sizeof *n_used);
    cg_status st = CG_OK;

    c.contacts = cg_alloc_array(graph->n_components + 1, sizeof *c.contacts);
    if (!c.fragment || !start || !n_used || !c.contacts) {
        st = cg_fail_nomem(err, "fragments");
        goto out;
    }
    for (size_t f = 1, n = number_fragments(graph, c.fragment, start); f < n; f++) {
        cg_contact best = best_contact(graph, start, c.fragment, f, n_used);

        n_used[best.first]++;
        n_used[best.second]++;
        c.contacts[c.n++] = best;
    }
    *ret_contacts = c;
    c = (cg_contacts) { 0 };
out:
    free(start);
    free(n_used);
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
