/* SPDX-License-Identifier: MIT */
#include "constraint/table_facts.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* ---- sizes --------------------------------------------------------------------------------- */

cg_status cg_check_automaton(const cg_automaton *a, cg_error *err)
{
    if (!a)
        return cg_fail(err, CG_ERR_PLUGIN, "automaton() returned NULL, wanted tables");
    if (a->struct_size < offsetof(cg_automaton, head_token) + sizeof a->head_token)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "cg_automaton: found struct_size %u, wanted at least %zu", a->struct_size,
                       offsetof(cg_automaton, head_token) + sizeof a->head_token);
    if (a->capacity_states < 0 || a->capacity_states == INT32_MAX || a->capacity_transitions < 0 ||
        a->capacity_head_rows < 0)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "found capacities of %d states, %d transitions and %d head rows, wanted 0 "
                       "to %d each",
                       a->capacity_states, a->capacity_transitions, a->capacity_head_rows,
                       INT32_MAX - 1);
    if (!a->row || (a->capacity_transitions && (!a->token || !a->next || !a->head_row)) ||
        (a->capacity_head_rows && !a->head_token))
        return cg_fail(err, CG_ERR_PLUGIN,
                       "found NULL for a table of the automaton, wanted row, token, next, head_row "
                       "and head_token");
    return CG_OK;
}

static cg_status check_counts(const cg_automaton *a, const cg_program *p, cg_error *err)
{
    if (p->struct_size < offsetof(cg_program, forced_token) + sizeof p->forced_token)
        return cg_fail(err, CG_ERR_PLUGIN, "cg_program: found struct_size %u, wanted at least %zu",
                       p->struct_size, offsetof(cg_program, forced_token) + sizeof p->forced_token);
    if (p->n_fields < 0 || p->n_fields > INT32_MAX - 2)
        return cg_fail(err, CG_ERR_PLUGIN, "program: found %d fields, wanted 0 to %d", p->n_fields,
                       INT32_MAX - 2);
    if (!p->forced_start || (p->n_fields && !p->entry))
        return cg_fail(err, CG_ERR_PLUGIN,
                       "program: found NULL for entry or forced_start, wanted arrays");
    if (p->n_states < 0 || p->n_states > a->capacity_states || p->n_transitions < 0 ||
        p->n_transitions > a->capacity_transitions || p->n_head_rows < 0 ||
        p->n_head_rows > a->capacity_head_rows)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "program: found %d states, %d transitions and %d head rows, wanted at most "
                       "%d, %d and %d, the capacities",
                       p->n_states, p->n_transitions, p->n_head_rows, a->capacity_states,
                       a->capacity_transitions, a->capacity_head_rows);
    return CG_OK;
}

/* ---- states -------------------------------------------------------------------------------- */

static cg_status grow(cg_table_facts *f, int32_t n, cg_error *err)
{
    int64_t cap = 2 * (int64_t)n;
    int32_t **arrays[] = { &f->needed_states, &f->needed_head_rows, &f->longest };

    if (n <= f->cap_states && f->needed_states)
        return CG_OK;
    cap = cap < INT32_MAX ? cap : INT32_MAX - 1;
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) {
        int32_t *more = realloc(*arrays[i], ((size_t)cap + 1) * sizeof *more);

        if (!more)
            return cg_fail_nomem(err, "checks of tables");
        *arrays[i] = more;
    }
    if (!f->n_states)
        f->needed_states[0] = f->needed_head_rows[0] = 0;
    f->cap_states = (int32_t)cap;
    return CG_OK;
}

/* Is `token` an id in use? `what` and `index`: where it was found. */
static cg_status check_token(const cg_vocabulary *v, int32_t token, const char *what, int32_t index,
                             cg_error *err)
{
    uint32_t len;
    int32_t special;

    if (token < 0 || token >= v->n_tokens)
        return cg_fail(err, CG_ERR_PLUGIN, "%s %d: found token %d, wanted 0 to %d", what, index,
                       token, v->n_tokens - 1);
    if (!v->token(v->ctx, token, &len, &special))
        return cg_fail(err, CG_ERR_PLUGIN,
                       "%s %d: found token %d, an unused id, wanted a token of the vocabulary",
                       what, index, token);
    return CG_OK;
}

/* Transition i of `state`, whose transitions begin at `from`. */
static cg_status check_transition(const cg_table_facts *f, const cg_program *p, int32_t state,
                                  int32_t from, int32_t i, cg_error *err)
{
    const cg_automaton *a = f->automaton;

    CG_TRY(check_token(f->vocabulary, a->token[i], "state", state, err));
    if (i > from && a->token[i] <= a->token[i - 1])
        return cg_fail(err, CG_ERR_PLUGIN,
                       "state %d: found token %d behind token %d, wanted ascending tokens", state,
                       a->token[i], a->token[i - 1]);
    if (a->next[i] != CG_EXIT && (a->next[i] < 0 || a->next[i] >= p->n_states))
        return cg_fail(err, CG_ERR_PLUGIN,
                       "state %d: found transition %d to state %d, wanted one of 0 to %d or "
                       "CG_EXIT",
                       state, i - from, a->next[i], p->n_states - 1);
    return CG_OK;
}

/* A state with one transition is forced; the others are sampled. */
static cg_status check_head_row(const cg_automaton *a, const cg_program *p, int32_t state,
                                int32_t i, int is_forced, cg_error *err)
{
    int32_t head_row = a->head_row[i];

    if (is_forced)
        return head_row == -1 ? CG_OK
                              : cg_fail(err, CG_ERR_PLUGIN,
                                        "state %d: found head row %d for its only token, wanted -1",
                                        state, head_row);
    if (head_row < 0 || head_row >= p->n_head_rows)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "state %d: found head row %d for token %d, wanted one of 0 to %d", state,
                       head_row, a->token[i], p->n_head_rows - 1);
    if (a->head_token[head_row] != a->token[i])
        return cg_fail(
            err, CG_ERR_PLUGIN,
            "state %d: found head row %d, of token %d, for token %d, wanted that token's "
            "row",
            state, head_row, a->head_token[head_row], a->token[i]);
    return CG_OK;
}

static cg_status check_state(cg_table_facts *f, const cg_program *p, int32_t state, cg_error *err)
{
    const cg_automaton *a = f->automaton;
    int32_t from = a->row[state], to = a->row[state + 1];
    int32_t states = f->needed_states[state], head_rows = f->needed_head_rows[state];

    if (from < 0 || to <= from || to > p->n_transitions || (state == 0 && from != 0))
        return cg_fail(err, CG_ERR_PLUGIN,
                       "state %d: found transitions %d to %d, wanted at least one, from the end of "
                       "the state before it, among %d",
                       state, from, to - 1, p->n_transitions);
    for (int32_t i = from; i < to; i++) {
        CG_TRY(check_transition(f, p, state, from, i, err));
        CG_TRY(check_head_row(a, p, state, i, to - from == 1, err));
        states = a->next[i] >= states ? a->next[i] + 1 : states;
        head_rows = a->head_row[i] >= head_rows ? a->head_row[i] + 1 : head_rows;
    }
    f->needed_states[state + 1] = states > state ? states : state + 1;
    f->needed_head_rows[state + 1] = head_rows;
    return CG_OK;
}

/* ---- paths --------------------------------------------------------------------------------- */

/* The new states and, for each, the new states that lead to it. One allocation. */
struct graph {
    int32_t first, n;    /* states [first, first + n) */
    int32_t *start;      /* [n + 1] offsets into source */
    int32_t *source;     /* [transitions between new states] */
    int32_t *unfinished; /* [n] transitions to new states whose `longest` is not known */
    int32_t *queue;      /* [n] */
    int32_t *is_live;    /* [n] */
};

static cg_status make_graph(const cg_automaton *a, int32_t first, int32_t n, struct graph *ret,
                            cg_error *err)
{
    int32_t from = a->row[first], to = a->row[first + n], sum = 0;
    int32_t *memory = calloc(4 * (size_t)n + 1 + (size_t)(to - from), sizeof *memory);
    struct graph g = { .first = first, .n = n };

    if (!memory)
        return cg_fail_nomem(err, "checks of tables");
    g.start = memory;
    g.unfinished = g.start + n + 1;
    g.queue = g.unfinished + n;
    g.is_live = g.queue + n;
    g.source = g.is_live + n;
    for (int32_t i = from; i < to; i++)
        if (a->next[i] >= first)
            g.start[a->next[i] - first]++;
    for (int32_t k = 0; k <= n; k++) { /* the ends; filling them backwards makes them the starts */
        sum += g.start[k];
        g.start[k] = sum;
    }
    for (int32_t state = first; state < first + n; state++)
        for (int32_t i = a->row[state]; i < a->row[state + 1]; i++)
            if (a->next[i] >= first) {
                g.source[--g.start[a->next[i] - first]] = state - first;
                g.unfinished[state - first]++;
            }
    *ret = g;
    return CG_OK;
}

static int32_t longest_of(const cg_table_facts *f, int32_t state)
{
    const cg_automaton *a = f->automaton;
    int32_t longest = 0;

    for (int32_t i = a->row[state]; i < a->row[state + 1]; i++) {
        int32_t behind = a->next[i] == CG_EXIT ? 0 : f->longest[a->next[i]];

        longest = behind > longest ? behind : longest;
    }
    return longest == CG_NO_BOUND ? CG_NO_BOUND : longest + 1;
}

/* Sets `longest`: a state follows the states that it leads to. What remains leads into a cycle. */
static void find_longest(cg_table_facts *f, const struct graph *g)
{
    int32_t n = 0;

    for (int32_t k = 0; k < g->n; k++) {
        f->longest[g->first + k] = CG_NO_BOUND;
        if (!g->unfinished[k])
            g->queue[n++] = k;
    }
    for (int32_t q = 0; q < n; q++) {
        int32_t k = g->queue[q];

        f->longest[g->first + k] = longest_of(f, g->first + k);
        for (int32_t i = g->start[k]; i < g->start[k + 1]; i++)
            if (!--g->unfinished[g->source[i]])
                g->queue[n++] = g->source[i];
    }
}

/* Follows the transitions backwards from CG_EXIT and the states before `first`, which reach it. */
static cg_status check_exits(const cg_automaton *a, const struct graph *g, cg_error *err)
{
    int32_t n = 0;

    for (int32_t k = 0; k < g->n; k++)
        for (int32_t i = a->row[g->first + k]; i < a->row[g->first + k + 1]; i++)
            if (a->next[i] < g->first && !g->is_live[k]) {
                g->is_live[k] = 1;
                g->queue[n++] = k;
            }
    for (int32_t q = 0; q < n; q++)
        for (int32_t i = g->start[g->queue[q]]; i < g->start[g->queue[q] + 1]; i++)
            if (!g->is_live[g->source[i]]) {
                g->is_live[g->source[i]] = 1;
                g->queue[n++] = g->source[i];
            }
    for (int32_t k = 0; k < g->n; k++)
        if (!g->is_live[k])
            return cg_fail(err, CG_ERR_PLUGIN,
                           "state %d: found no path to CG_EXIT, wanted one from every state",
                           g->first + k);
    return CG_OK;
}

static cg_status check_paths(cg_table_facts *f, int32_t first, int32_t n, cg_error *err)
{
    struct graph g = { 0 };
    cg_status st;

    CG_TRY(make_graph(f->automaton, first, n, &g, err));
    find_longest(f, &g);
    st = check_exits(f->automaton, &g, err);
    free(g.start);
    return st;
}

/* Checks the states and head rows of a program that have not been checked. */
static cg_status check_new(cg_table_facts *f, const cg_program *p, cg_error *err)
{
    CG_TRY(grow(f, p->n_states, err));
    for (; f->n_head_rows < p->n_head_rows; f->n_head_rows++)
        CG_TRY(check_token(f->vocabulary, f->automaton->head_token[f->n_head_rows], "head row",
                           f->n_head_rows, err));
    if (p->n_states <= f->n_states)
        return CG_OK;
    for (int32_t state = f->n_states; state < p->n_states; state++)
        CG_TRY(check_state(f, p, state, err));
    CG_TRY(check_paths(f, f->n_states, p->n_states - f->n_states, err));
    f->n_states = p->n_states;
    return CG_OK;
}

/* The program's part of the tables is complete: those behind it may be of other programs. */
static cg_status check_part(const cg_table_facts *f, const cg_program *p, cg_error *err)
{
    int32_t n = p->n_states;

    if (f->needed_states[n] > n || f->needed_head_rows[n] > p->n_head_rows ||
        (n && f->automaton->row[n] > p->n_transitions))
        return cg_fail(err, CG_ERR_PLUGIN,
                       "program: found %d states, %d transitions and %d head rows, wanted at least "
                       "%d, %d and %d, which these states lead to",
                       n, p->n_transitions, p->n_head_rows, f->needed_states[n],
                       n ? f->automaton->row[n] : 0, f->needed_head_rows[n]);
    return CG_OK;
}

/* ---- program ------------------------------------------------------------------------------- */

static cg_status check_forced(const cg_table_facts *f, const cg_program *p, cg_error *err)
{
    int32_t n;

    if (p->forced_start[0] != 0)
        return cg_fail(err, CG_ERR_PLUGIN, "program: found forced_start[0] %d, wanted 0",
                       p->forced_start[0]);
    for (int32_t i = 0; i <= p->n_fields; i++)
        if (p->forced_start[i + 1] < p->forced_start[i])
            return cg_fail(err, CG_ERR_PLUGIN,
                           "program: found forced tokens %d from %d to %d, wanted an end that is "
                           "not before the start",
                           i, p->forced_start[i], p->forced_start[i + 1]);
    n = p->forced_start[p->n_fields + 1];
    if (n && !p->forced_token)
        return cg_fail(err, CG_ERR_PLUGIN, "program: found NULL for forced_token, wanted %d tokens",
                       n);
    for (int32_t i = 0; i < n; i++)
        CG_TRY(check_token(f->vocabulary, p->forced_token[i], "forced token", i, err));
    return CG_OK;
}

/* The first state from `entry` on that has a choice, CG_EXIT if all is forced. A cycle has one: it
 * leads to CG_EXIT. */
static int32_t first_choice(const cg_automaton *a, int32_t entry)
{
    while (entry != CG_EXIT && a->row[entry + 1] - a->row[entry] == 1)
        entry = a->next[a->row[entry]];
    return entry;
}

/* Checks the entry states; *ret_longest: tokens of the longest sequence, INT64_MAX: no bound. */
static cg_status check_entries(const cg_table_facts *f, const cg_program *p, int64_t *ret_longest,
                               cg_error *err)
{
    int64_t longest = p->forced_start[p->n_fields + 1];
    int has_bound = 1;

    for (int32_t i = 0; i < p->n_fields; i++) {
        if (p->entry[i] < 0 || p->entry[i] >= p->n_states)
            return cg_fail(err, CG_ERR_PLUGIN,
                           "field %d: found entry state %d, wanted one of 0 to %d", i, p->entry[i],
                           p->n_states - 1);
        if (p->fields_per_atom && i % p->fields_per_atom == 0 &&
            first_choice(f->automaton, p->entry[i]) == CG_EXIT)
            return cg_fail(err, CG_ERR_PLUGIN,
                           "field %d: found an only path from state %d to CG_EXIT, wanted a choice "
                           "in an atom's first field",
                           i, p->entry[i]);
        has_bound &= f->longest[p->entry[i]] != CG_NO_BOUND;
        longest += f->longest[p->entry[i]];
    }
    *ret_longest = has_bound ? longest : INT64_MAX;
    return CG_OK;
}

/* Fields that belong to atoms: roll-backs and the tests of atoms count on their number. */
static cg_status check_fields(const cg_program *p, int32_t n_atoms, int64_t longest, cg_error *err)
{
    int32_t per = p->fields_per_atom;

    if (per != 0 && per != 1 && per != 3)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "program: found %d fields per atom (fields_per_atom), wanted 3, 1 or 0",
                       per);
    if (per && p->n_fields != (int64_t)per * n_atoms)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "program: found %d fields, %d per atom (fields_per_atom), of %d atoms: "
                       "wanted %lld",
                       p->n_fields, per, n_atoms, (long long)per * n_atoms);
    if (per && longest == INT64_MAX)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "program: found fields of atoms (fields_per_atom %d) with paths of any "
                       "length, wanted no cycle of states",
                       per);
    if (!per) /* a field of any length is cut at max_tokens */
        longest = (int64_t)p->forced_start[p->n_fields + 1] + p->n_fields;
    if (p->max_tokens < longest)
        return cg_fail(err, CG_ERR_PLUGIN,
                       "program: found max_tokens %d, wanted at least %lld, the %s sequence",
                       p->max_tokens, (long long)longest, per ? "longest" : "shortest");
    return CG_OK;
}

cg_status cg_check_program(cg_table_facts *facts, const cg_program *program, int32_t n_atoms,
                           cg_error *err)
{
    int64_t longest = 0;

    CG_TRY(check_counts(facts->automaton, program, err));
    CG_TRY(check_new(facts, program, err));
    CG_TRY(check_part(facts, program, err));
    CG_TRY(check_forced(facts, program, err));
    CG_TRY(check_entries(facts, program, &longest, err));
    return check_fields(program, n_atoms, longest, err);
}

void cg_table_facts_finish(cg_table_facts *f)
{
    free(f->needed_states);
    free(f->needed_head_rows);
    free(f->longest);
    *f = (cg_table_facts) { 0 };
}
