/* SPDX-License-Identifier: MIT */
#include "tables_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "subject.h"

enum { NEW = 0, OPEN = 1, DONE = 2 };

static int violation(tables_facts *f, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(f->text, sizeof f->text, format, ap);
    va_end(ap);
    return 0;
}

void tables_facts_finish(tables_facts *f)
{
    cg_table_facts_finish(&f->form);
    free(f->shortest);
    free(f->paths);
    free(f->color);
    memset(f, 0, sizeof *f);
}

static void *grow_array(void *memory, size_t from, size_t to, size_t size)
{
    void *more = realloc(memory, to * size);

    if (!more)
        abort();
    memset((char *)more + from * size, 0, (to - from) * size);
    return more;
}

static void grow(tables_facts *f, int32_t n)
{
    size_t from = (size_t)f->cap, to = 2 * (size_t)n;

    if (n <= f->cap)
        return;
    f->shortest = grow_array(f->shortest, from, to, sizeof *f->shortest);
    f->paths = grow_array(f->paths, from, to, sizeof *f->paths);
    f->color = grow_array(f->color, from, to, 1);
    f->cap = (int32_t)to;
}

/* Depth-first: successors before the state itself. Paths are short (tens of tokens). */
static int visit(tables_facts *f, int32_t s)
{
    const cg_automaton *a = f->automaton;

    if (f->color[s] == DONE)
        return 1;
    if (f->color[s] == OPEN)
        return violation(f, "state %d is on a cycle", s);
    f->color[s] = OPEN;
    f->shortest[s] = INT32_MAX;
    f->paths[s] = 0;
    for (int32_t i = a->row[s]; i < a->row[s + 1]; i++) {
        int32_t t = a->next[i];

        if (t != CG_EXIT && !visit(f, t))
            return 0;
        if (1 + (t == CG_EXIT ? 0 : f->shortest[t]) < f->shortest[s])
            f->shortest[s] = 1 + (t == CG_EXIT ? 0 : f->shortest[t]);
        f->paths[s] += t == CG_EXIT ? 1 : f->paths[t];
    }
    f->color[s] = DONE;
    return 1;
}

/* max_tokens may be a bound; confgen's own constraints know the length. */
static int check_longest(tables_facts *f, const cg_program *p)
{
    int64_t most = p->forced_start[p->n_fields + 1];

    for (int32_t i = 0; i < p->n_fields; i++)
        most += f->form.longest[p->entry[i]];
    return p->max_tokens == most || violation(f, "max_tokens is %d, the longest sequence has %lld",
                                              p->max_tokens, (long long)most);
}

int tables_learn(tables_facts *f, const cg_program *p, int32_t n_atoms)
{
    cg_error err = CG_ERROR_INIT;

    f->form.automaton = f->automaton;
    f->form.vocabulary = f->vocabulary;
    if (cg_check_program(&f->form, p, n_atoms, &err) != CG_OK)
        return violation(f, "%s", err.msg);
    grow(f, p->n_states);
    for (; f->n_states < p->n_states; f->n_states++)
        if (!visit(f, f->n_states))
            return 0;
    return check_longest(f, p);
}

/* ---- equal languages ------------------------------------------------------------------------ */

struct both {
    const cg_automaton *a, *b;
    int32_t *pair; /* [states of a] the corresponding state of b, or -1 */
};

static int same_state(const struct both *w, int32_t s, int32_t t)
{
    int32_t i = w->a->row[s], j = w->b->row[t];

    if (w->pair[s] >= 0)
        return w->pair[s] == t; /* both automata are minimal: states correspond one to one */
    w->pair[s] = t;
    if (w->a->row[s + 1] - i != w->b->row[t + 1] - j)
        return 0;
    for (; i < w->a->row[s + 1]; i++, j++) {
        int32_t to_a = w->a->next[i], to_b = w->b->next[j];

        if (w->a->token[i] != w->b->token[j] || (to_a == CG_EXIT) != (to_b == CG_EXIT) ||
            (to_a != CG_EXIT && !same_state(w, to_a, to_b)))
            return 0;
    }
    return 1;
}

int tables_same(const cg_automaton *a, const cg_program *p, const cg_automaton *b,
                const cg_program *q)
{
    struct both w = { a, b, NULL };
    int same = 1;

    if (p->n_fields != q->n_fields || p->max_tokens != q->max_tokens ||
        p->fields_per_atom != q->fields_per_atom ||
        memcmp(p->forced_start, q->forced_start,
               ((size_t)p->n_fields + 2) * sizeof *p->forced_start) ||
        memcmp(p->forced_token, q->forced_token,
               (size_t)p->forced_start[p->n_fields + 1] * sizeof *p->forced_token))
        return 0;
    w.pair = must_alloc((size_t)p->n_states, sizeof *w.pair);
    memset(w.pair, 0xff, (size_t)p->n_states * sizeof *w.pair);
    for (int32_t i = 0; i < p->n_fields && same; i++)
        same = same_state(&w, p->entry[i], q->entry[i]);
    free(w.pair);
    return same;
}
