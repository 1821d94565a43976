/* SPDX-License-Identifier: MIT */
/* core/cuda/step.cu includes this file, to run it in a kernel. */
#include "geometry.h"

#ifndef __CUDACC__
#include <math.h>
#include <stdio.h>
#endif

/* ---- spelling ----------------------------------------------------------------------------- */

/* Bits of a cg_spelling: digits behind the last separator, as a number; how many of them there are
 * and how many of these behind the point. */
enum {
    SPELL_VALUE_BITS = 20,
    SPELL_MAX_DIGITS = 6, /* less than 2^20 */
    SPELL_DIGITS = 20,    /* 3 bits */
    SPELL_DECIMALS = 23,  /* 3 bits */
    SPELL_POINT = 1 << 26,
    SPELL_MINUS = 1 << 27,
    SPELL_BEGIN = 1 << 28, /* '<': what stands before it is no number */
    SPELL_NEXT = 1 << 29,  /* ',' */
    SPELL_END = 1 << 30,   /* '>' */
};

#ifndef __CUDACC__
cg_spelling cg_spell(const char *token, size_t len)
{
    int32_t value = 0, digits = 0, decimals = 0, flags = 0;

    for (size_t i = 0; i < len; i++) {
        char c = token[i];

        if (c == '>') {
            flags |= SPELL_END;
        } else if (c == '<' || c == ',') {
            flags = (flags & SPELL_END) | (c == '<' ? SPELL_BEGIN : SPELL_NEXT);
            value = digits = decimals = 0;
        } else if (c == '-') {
            flags |= SPELL_MINUS;
        } else if (c == '.') {
            flags |= SPELL_POINT;
        } else if (c >= '0' && c <= '9' && digits < SPELL_MAX_DIGITS) {
            value = 10 * value + (c - '0');
            digits++;
            decimals += (flags & SPELL_POINT) != 0;
        }
    }
    return value | digits << SPELL_DIGITS | decimals << SPELL_DECIMALS | flags;
}
#endif

CG_HOST_DEVICE int cg_geometry_read(const int32_t *tokens, int32_t n, const cg_spelling *spelling,
                                    float ret_xyz[3])
{
    const float tenth[] = { 1, 1e-1f, 1e-2f, 1e-3f, 1e-4f, 1e-5f, 1e-6f };
    const float ten[] = { 1, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f };
    float value = 0;
    int32_t k = 0, decimals = 0;
    int minus = 0, point = 0;

    for (int32_t i = 0; i < n; i++) {
        cg_spelling s = spelling[tokens[i]];
        int32_t digits = s >> SPELL_DIGITS & 7;

        if (i > 0 && s & SPELL_END)
            break;
        if (s & SPELL_BEGIN) {
            k = 0;
            value = 0;
            decimals = minus = point = 0;
        }
        if (s & SPELL_NEXT) {
            if (k == 2)
                return 0;
            ret_xyz[k++] = (minus ? -value : value) * tenth[decimals];
            value = 0;
            decimals = minus = point = 0;
        }
        minus |= (s & SPELL_MINUS) != 0;
        value = value * ten[digits] + (float)(s & ((1 << SPELL_VALUE_BITS) - 1));
        decimals += point ? digits : s >> SPELL_DECIMALS & 7;
        point |= (s & SPELL_POINT) != 0;
        if (decimals > SPELL_MAX_DIGITS)
            return 0;
    }
    ret_xyz[k] = (minus ? -value : value) * tenth[decimals];
    return k == 2;
}

/* ---- tests -------------------------------------------------------------------------------- */

static CG_HOST_DEVICE void between(const float from[3], const float to[3], float v[3])
{
    for (int i = 0; i < 3; i++)
        v[i] = to[i] - from[i];
}

static CG_HOST_DEVICE void cross(const float a[3], const float b[3], float c[3])
{
    c[0] = a[1] * b[2] - a[2] * b[1];
    c[1] = a[2] * b[0] - a[0] * b[2];
    c[2] = a[0] * b[1] - a[1] * b[0];
}

static CG_HOST_DEVICE float dot(const float a[3], const float b[3])
{
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/* 0 where three of the atoms are in line: neither cis nor trans */
static CG_HOST_DEVICE float torsion_cosine(const float a[3], const float b[3], const float c[3],
                                           const float d[3])
{
    float axis[3], first[3], second[3], n[3], m[3], size;

    between(b, c, axis);
    between(b, a, first);
    between(c, d, second);
    cross(axis, first, n);
    cross(axis, second, m);
    size = sqrtf(dot(n, n) * dot(m, m));
    return size > 0 ? dot(n, m) / size : 0;
}

static CG_HOST_DEVICE float volume(const float apex[3], const float a[3], const float b[3],
                                   const float c[3])
{
    float u[3], v[3], w[3], n[3];

    between(apex, a, u);
    between(apex, b, v);
    between(apex, c, w);
    cross(v, w, n);
    return dot(u, n);
}

/* The last of a test's atoms before `atom`. */
static CG_HOST_DEVICE int32_t last_but_one(const cg_geometry_test *t, int32_t atom)
{
    int32_t last = 0;

    for (int k = 0; k < 4; k++)
        if (t->atom[k] != atom && t->atom[k] > last)
            last = t->atom[k];
    return last;
}

CG_HOST_DEVICE int32_t cg_geometry_test_atom(const cg_geometry *g, const float (*xyz)[3],
                                             int32_t atom, int32_t thread, int32_t n_threads)
{
    int32_t first = atom * (atom - 1) / 2, least = CG_FAULT_NONE, fault;

    for (int32_t j = thread; j < atom; j += n_threads) {
        float v[3], d2;

        between(xyz[j], xyz[atom], v);
        d2 = dot(v, v);
        if (d2 >= g->low2[first + j] && d2 <= g->high2[first + j])
            continue;
        fault = g->pair_cause[first + j];
        if (fault == CG_CAUSE_CLASH && d2 > g->high2[first + j])
            fault = CG_CAUSE_REACH;
        fault = CG_FAULT(fault, j);
        least = fault < least ? fault : least;
    }
    for (int32_t i = g->test_start[atom] + thread; i < g->test_start[atom + 1]; i += n_threads) {
        const cg_geometry_test *t = &g->tests[i];
        const float *a = xyz[t->atom[0]], *b = xyz[t->atom[1]], *c = xyz[t->atom[2]],
                    *d = xyz[t->atom[3]];
        float x = t->kind == CG_TEST_VOLUME ? volume(a, b, c, d) : torsion_cosine(a, b, c, d);

        if (t->kind == CG_TEST_FLAT)
            x *= x;
        if (x >= t->low && x <= t->high)
            continue;
        fault = CG_FAULT(t->cause, last_but_one(t, atom));
        least = fault < least ? fault : least;
    }
    return least;
}

/* ---- what to do about it ------------------------------------------------------------------ */

/* Where to go back to when an atom's tries are used up. */
static CG_HOST_DEVICE int32_t further_back(const cg_repair *r, const cg_geometry *g, int32_t atom,
                                           int32_t fault)
{
    int32_t level = r->level, by;

    if (CG_FAULT_CAUSE(fault) >= CG_CAUSE_CENTRE) {
        atom = CG_FAULT_ATOM(fault);
        level--;
    }
    by = level < 1 ? 0 : level > 12 ? 1 << 12 : 1 << (level - 1);
    for (; by > 0 && atom > 0; by--)
        atom = g->parent[atom];
    return atom > 0 ? atom : 0;
}

CG_HOST_DEVICE int32_t cg_repair_judge(cg_repair *r, const cg_geometry *g, int32_t atom,
                                       int32_t fault)
{
    int32_t cause = CG_FAULT_CAUSE(fault), target = atom;

    r->count[cause]++;
    if (!cause)
        return CG_REPAIR_PASS;
    if (atom + 1 > r->front) {
        r->front = atom + 1;
        r->level = 0;
    }
    r->tries = r->at == atom + 1 ? r->tries + 1 : 1;
    r->at = atom + 1;
    if (r->tries == CG_REPAIR_TRIES) {
        r->tries = r->at = 0;
        r->level++;
        target = further_back(r, g, atom, fault);
    }
    r->spent += atom - target + 1;
    if (r->spent > cg_repair_budget(g->n_atoms))
        return CG_REPAIR_GIVE_UP;
    r->restarts += target == 0;
    return target;
}

CG_HOST_DEVICE int cg_repair_atom(cg_repair *r, int32_t mode, const cg_geometry *g, int32_t atom,
                                  int32_t fault, cg_sequence *seq, const cg_program *prog,
                                  const cg_automaton *aut, const cg_atom_mark *marks)
{
    int32_t target;

    if (mode != CG_GEOMETRY_REPAIR) {
        r->count[CG_FAULT_CAUSE(fault)]++;
        return 0;
    }
    target = cg_repair_judge(r, g, atom, fault);
    if (target == CG_REPAIR_PASS)
        return 0;
    if (target == CG_REPAIR_GIVE_UP) {
        seq->done = CG_SEQUENCE_GIVEN_UP;
        return 1;
    }
    r->wasted += seq->n_tokens - marks[target].n_tokens;
    cg_sequence_roll_back(seq, prog, aut, target, marks);
    return 1;
}

/* ---- tables ------------------------------------------------------------------------------- */

#ifndef __CUDACC__
static size_t n_pairs(int32_t n_atoms)
{
    return (size_t)n_atoms * (size_t)(n_atoms > 0 ? n_atoms - 1 : 0) / 2;
}

size_t cg_geometry_size(int32_t n_atoms, int32_t n_tests)
{
    size_t pairs = n_pairs(n_atoms);

    /* tests first: they are the most strictly aligned, all to 4 bytes */
    return (size_t)n_tests * sizeof(cg_geometry_test) + 2 * pairs * sizeof(float) +
           (2 * (size_t)n_atoms + 1) * sizeof(int32_t) + (pairs + 3) / 4 * 4;
}

void cg_geometry_place(cg_geometry *g, const void *memory)
{
    size_t pairs = n_pairs(g->n_atoms);

    g->tests = memory;
    g->low2 = (const float *)(g->tests + g->n_tests);
    g->high2 = g->low2 + pairs;
    g->test_start = (const int32_t *)(g->high2 + pairs);
    g->parent = g->test_start + g->n_atoms + 1;
    g->pair_cause = (const int8_t *)(g->parent + g->n_atoms);
}

void cg_repair_text(const cg_repair *r, char *ret_text, size_t cap)
{
    size_t len = 0;

    snprintf(ret_text, cap, "none");
    for (int i = CG_CAUSE_NONE + 1; i < CG_CAUSES && len < cap; i++)
        if (r->count[i])
            len += (size_t)snprintf(ret_text + len, cap - len, "%s%s=%d", len ? " " : "",
                                    cg_geometry_cause_name((cg_geometry_cause)i), r->count[i]);
}

const char *cg_geometry_cause_name(cg_geometry_cause cause)
{
    static const char *const names[CG_CAUSES] = { "none",  "bond",   "angle",       "clash",
                                                  "reach", "centre", "double_bond", "ring" };

    return names[cause];
}
#endif
