/* SPDX-License-Identifier: MIT */
#include "constraint_case.h"

#include <stdlib.h>
#include <string.h>

#include "fenced_memory.h"

uint32_t constraint_features(const constraint_case *c)
{
    uint32_t features = cg_constraint_features(c->ops);

    return features & CG_CONSTRAINT_ALL_NUMBERS ? features | CG_CONSTRAINT_EXACT : features;
}

int constraint_is_exact(const constraint_case *c)
{
    cg_program *p = NULL;
    void *self = NULL;
    int has_coordinates = 0;

    if (constraint_features(c) & CG_CONSTRAINT_EXACT)
        return 1;
    if (c->ops->create(&c->host->host, c->vocabulary, c->format, &self, NULL) != CG_OK)
        return 0;
    if (c->ops->compile(self, &c->molecules[0], &p, NULL) == CG_OK && p)
        has_coordinates = p->fields_per_atom == 3;
    c->ops->release(self, p);
    c->ops->destroy(self);
    return has_coordinates;
}

const char *constraint_molecule(const constraint_case *c, int32_t i)
{
    static char text[32];

    if (c->names)
        return c->names[i];
    snprintf(text, sizeof text, "molecule %d", i);
    return text;
}

/* ---- form ---------------------------------------------------------------------------------- */

/* As many fields in every atom belong to the atoms. */
static int check_fields(constraint_case *c, const cg_program *p, int32_t n_atoms,
                        const char *molecule)
{
    int32_t per = n_atoms ? p->n_fields / n_atoms : 0;
    int are_of_atoms = n_atoms > 1 && p->n_fields % n_atoms == 0 && (per == 1 || per == 3);

    return expect(c->rec, p->fields_per_atom || !are_of_atoms,
                  "%s: %d fields of %d atoms, but fields_per_atom is 0, wanted %d", molecule,
                  p->n_fields, n_atoms, per);
}

int constraint_check_program(constraint_case *c, const cg_program *p, int32_t n_atoms,
                             const char *molecule)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st = cg_check_program(&c->facts, p, n_atoms, &err);

    return expect(c->rec, st == CG_OK, "%s: %s", molecule, err.msg) &&
           check_fields(c, p, n_atoms, molecule);
}

static int create(constraint_case *c)
{
    cg_error err = CG_ERROR_INIT;
    cg_status st = c->ops->create(&c->host->host, c->vocabulary, c->format, &c->self, &err);

    if (st != CG_OK) {
        c->self = NULL;
        if (c->may_refuse)
            expect_refused(c->rec, st, &err, "the format");
        else
            expect(c->rec, 0, "create() failed (%d): %s", st, err.msg);
        return 0;
    }
    if (!expect(c->rec, c->self != NULL, "create() succeeded, but *ret_self is NULL"))
        return 0;
    c->automaton = c->ops->automaton(c->self);
    c->facts = (cg_table_facts) { .automaton = c->automaton, .vocabulary = c->vocabulary };
    if (c->any_form)
        return 1;
    st = cg_check_automaton(c->automaton, &err);
    return expect(c->rec, st == CG_OK, "%s", err.msg);
}

/* Literals in read-only memory, of which no byte beyond may be read. */
static cg_literals *lend(const cg_literals *from)
{
    uint32_t n_bytes = from->literal[from->n_atoms].end;
    size_t n_ranges = ((size_t)from->n_atoms + 1) * sizeof *from->literal;
    char *text = fenced_alloc("the text of the literals", n_bytes, 1, 1);
    cg_range *literal = fenced_alloc("the ranges of the literals", n_ranges, sizeof(int32_t), 1);
    cg_literals *lent = fenced_alloc("cg_literals", sizeof *lent, _Alignof(cg_literals), 1);

    memcpy(text, from->text, n_bytes);
    memcpy(literal, from->literal, n_ranges);
    *lent = *from;
    lent->text = text;
    lent->literal = literal;
    fenced_set_read_only(text, 1);
    fenced_set_read_only(literal, 1);
    fenced_set_read_only(lent, 1);
    return lent;
}

static void take_back(cg_literals *lent)
{
    if (!lent)
        return;
    fenced_free((void *)lent->text);
    fenced_free((void *)lent->literal);
    fenced_free(lent);
}

/* Compiles molecule i. Returns 0 if that fails a case. */
static int compile(constraint_case *c, int32_t i)
{
    const cg_literals *text = &c->molecules[i];
    cg_literals *lent = lend(text); /* at another place than those before, which are then freed */
    cg_error err = CG_ERROR_INIT;
    char fault[256] = "";
    cg_status st;

    take_back(c->lent);
    c->lent = lent;
    st = c->ops->compile(c->self, lent, &c->program[i], &err);
    expect(c->rec, !fenced_violation(fault, sizeof fault), "%s: compile() %s",
           constraint_molecule(c, i), fault);
    if (st != CG_OK) {
        c->program[i] = NULL;
        return c->may_refuse
                   ? expect_refused(c->rec, st, &err, constraint_molecule(c, i))
                   : expect(c->rec, 0, "compile() of a molecule of %d atoms failed (%d): %s",
                            text->n_atoms, st, err.msg);
    }
    return expect(c->rec, c->program[i] != NULL,
                  "%s: compile() succeeded, but *ret_program is NULL", constraint_molecule(c, i)) &&
           (c->any_form ||
            constraint_check_program(c, c->program[i], text->n_atoms, constraint_molecule(c, i)));
}

int constraint_open(constraint_case *c)
{
    c->self = NULL;
    c->automaton = NULL;
    c->program = calloc((size_t)c->n_molecules + 1, sizeof *c->program);
    if (!c->program)
        abort();
    if (!create(c))
        return 0;
    for (int32_t i = 0; i < c->n_molecules; i++)
        if (!compile(c, i))
            return 0;
    return 1;
}

void constraint_close(constraint_case *c)
{
    take_back(c->lent);
    c->lent = NULL;
    for (int32_t i = 0; c->self && i < c->n_molecules; i++)
        c->ops->release(c->self, c->program[i]);
    if (c->self)
        c->ops->destroy(c->self);
    expect_all_freed(c->rec, c->host, "destroy()");
    free(c->program);
    cg_table_facts_finish(&c->facts);
    c->self = NULL;
    c->program = NULL;
}

/* ---- bound --------------------------------------------------------------------------------- */

static int64_t bytes_of(const constraint_case *c, int32_t token)
{
    uint32_t len = 0;
    int32_t special;

    c->vocabulary->token(c->vocabulary->ctx, token, &len, &special);
    return len;
}

/* Bytes of the longest text from a state to CG_EXIT, no cycle between them. known: 0: not yet. */
static int64_t longest_text(const constraint_case *c, int64_t *known, int32_t state)
{
    const cg_automaton *a = c->automaton;

    for (int32_t i = a->row[state]; i < a->row[state + 1] && !known[state]; i++)
        if (a->next[i] != CG_EXIT)
            longest_text(c, known, a->next[i]);
    for (int32_t i = a->row[state]; i < a->row[state + 1]; i++) {
        int64_t n = bytes_of(c, a->token[i]) + (a->next[i] == CG_EXIT ? 0 : known[a->next[i]]);

        known[state] = n > known[state] ? n : known[state];
    }
    return known[state];
}

void constraint_check_bound(constraint_case *c, const cg_program *p, const char *molecule)
{
    int64_t *known = calloc((size_t)p->n_states + 1, sizeof *known), bytes = 0;
    int has_bound = p->fields_per_atom != 0;

    if (!known)
        abort();
    for (int32_t i = 0; i < p->forced_start[p->n_fields + 1]; i++)
        bytes += bytes_of(c, p->forced_token[i]);
    for (int32_t f = 0; f < p->n_fields && has_bound; f++) {
        has_bound = c->facts.longest[p->entry[f]] != CG_NO_BOUND;
        if (has_bound)
            bytes += known[p->entry[f]] ? known[p->entry[f]] : longest_text(c, known, p->entry[f]);
    }
    free(known);
    if (has_bound)
        expect(c->rec, p->max_tokens <= bytes,
               "%s: max_tokens %d, wanted at most %lld, the bytes of the longest sequence",
               molecule, p->max_tokens, (long long)bytes);
}

/* ---- growth -------------------------------------------------------------------------------- */

/* Copies of the entries that the first program uses. */
struct table_part {
    cg_automaton at; /* where the tables were */
    int32_t *row, *token, *next, *head_row, *head_token;
};

static int32_t *copy_of(const int32_t *from, int32_t n)
{
    int32_t *copy = malloc(((size_t)n + 1) * sizeof *copy);

    if (!copy)
        abort();
    if (n)
        memcpy(copy, from, (size_t)n * sizeof *copy);
    return copy;
}

static struct table_part take_part(const cg_automaton *a, const cg_program *p)
{
    return (struct table_part) { *a,
                                 copy_of(a->row, p->n_states + 1),
                                 copy_of(a->token, p->n_transitions),
                                 copy_of(a->next, p->n_transitions),
                                 copy_of(a->head_row, p->n_transitions),
                                 copy_of(a->head_token, p->n_head_rows) };
}

static int is_same(const int32_t *now, const int32_t *then, int32_t n)
{
    return n == 0 || memcmp(now, then, (size_t)n * sizeof *now) == 0;
}

static void compare_part(constraint_case *c, const struct table_part *then, const cg_program *p)
{
    const cg_automaton *a = c->automaton;

    expect(c->rec, c->ops->automaton(c->self) == a, "automaton() returns another address");
    expect(c->rec,
           a->row == then->at.row && a->token == then->at.token && a->next == then->at.next &&
               a->head_row == then->at.head_row && a->head_token == then->at.head_token,
           "the tables moved while other molecules were compiled");
    expect(c->rec,
           is_same(a->row, then->row, p->n_states + 1) &&
               is_same(a->token, then->token, p->n_transitions) &&
               is_same(a->next, then->next, p->n_transitions) &&
               is_same(a->head_row, then->head_row, p->n_transitions) &&
               is_same(a->head_token, then->head_token, p->n_head_rows),
           "entries of a compiled program changed while other molecules were compiled");
}

void constraint_check_growth(constraint_case *c)
{
    cg_program *first = NULL;
    struct table_part then;
    int32_t n = c->n_molecules;

    c->n_molecules = 0;
    if (constraint_open(c) && c->ops->compile(c->self, &c->molecules[0], &first, NULL) == CG_OK &&
        first &&
        constraint_check_program(c, first, c->molecules[0].n_atoms, constraint_molecule(c, 0))) {
        then = take_part(c->automaton, first);
        for (int32_t i = 0; i < n; i++) {
            cg_program *p = NULL;

            if (c->ops->compile(c->self, &c->molecules[i], &p, NULL) == CG_OK)
                c->ops->release(c->self, p);
        }
        compare_part(c, &then, first);
        constraint_check_program(c, first, c->molecules[0].n_atoms, constraint_molecule(c, 0));
        free(then.row);
        free(then.token);
        free(then.next);
        free(then.head_row);
        free(then.head_token);
    }
    if (first)
        c->ops->release(c->self, first);
    constraint_close(c);
    c->n_molecules = n;
}

/* ---- sequences ----------------------------------------------------------------------------- */

static void append(constraint_case *c, constraint_sequence *s, int32_t token)
{
    uint32_t len = 0;
    int32_t special;
    const char *bytes = c->vocabulary->token(c->vocabulary->ctx, token, &len, &special);
    char *text = realloc(s->text, (size_t)s->len + len + 1);

    if (s->n_tokens == s->cap) {
        s->cap = 2 * s->cap + 64;
        s->token = realloc(s->token, (size_t)s->cap * sizeof *s->token);
        s->end = realloc(s->end, (size_t)s->cap * sizeof *s->end);
    }
    if (!text || !s->token || !s->end)
        abort();
    s->text = text;
    if (len)
        memcpy(s->text + s->len, bytes, len);
    s->len += len;
    s->text[s->len] = '\0';
    s->token[s->n_tokens] = token;
    s->end[s->n_tokens++] = s->len;
}

static int32_t select_transition(constraint_case *c, int32_t state,
                                 enum constraint_selection selection)
{
    const cg_automaton *a = c->automaton;
    int32_t from = a->row[state], to = a->row[state + 1], best = from, most = -1;

    if (selection == SELECT_ANY)
        return random_in(c->rec, from, to - 1);
    if (selection != SELECT_LONGEST)
        return selection == SELECT_FIRST ? from : to - 1;
    for (int32_t i = from; i < to; i++) {
        int32_t longest = a->next[i] == CG_EXIT ? 0 : c->facts.longest[a->next[i]];

        if (longest > most) {
            most = longest;
            best = i;
        }
    }
    return best;
}

void constraint_generate(constraint_case *c, const cg_program *p,
                         enum constraint_selection selection, constraint_sequence *s)
{
    *s = (constraint_sequence) { .field = calloc((size_t)p->n_fields + 1, sizeof *s->field) };
    if (!s->field)
        abort();
    for (int32_t f = 0; f <= p->n_fields; f++) {
        for (int32_t i = p->forced_start[f]; i < p->forced_start[f + 1]; i++)
            append(c, s, p->forced_token[i]);
        if (f == p->n_fields)
            break;
        s->field[f].begin = (uint32_t)s->n_tokens;
        for (int32_t state = p->entry[f]; state != CG_EXIT;) {
            int32_t i = select_transition(c, state, selection);

            if (s->n_tokens >= p->max_tokens)
                return;
            append(c, s, c->automaton->token[i]);
            state = c->automaton->next[i];
        }
        s->field[f].end = (uint32_t)s->n_tokens;
    }
    s->is_complete = 1;
}

void constraint_sequence_finish(constraint_sequence *s)
{
    free(s->token);
    free(s->end);
    free(s->field);
    free(s->text);
    *s = (constraint_sequence) { 0 };
}
