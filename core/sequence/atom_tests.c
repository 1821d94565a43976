/* SPDX-License-Identifier: MIT */
/* core/cuda/step.cu includes this file to compile it for the device. */
#include "sequence/atom_tests.h"

#include "base/vec3.h"
#include "sequence/coordinate.h"

#ifndef __CUDACC__
#include <math.h>
#include <stdio.h>
#endif

/* ---- coordinates from tokens --------------------------------------------------------------- */

/* The numbers of an atom, read symbol by symbol. */
struct atom_reader {
    const cg_number_format *format;
    float *xyz;
    cg_decimal number; /* the current one so far */
    int32_t point;
    int32_t k; /* of it */
};

/* Digits and decimals that the numbers of a text have at most. */
enum { MAX_DIGITS = CG_NUMBER_MAX_DIGITS, MAX_DECIMALS = CG_NUMBER_MAX_DECIMALS };

static CG_HOST_DEVICE void begin_number(struct atom_reader *r, int32_t k)
{
    const cg_decimal nothing = { 0, 0, 0, 0 };

    r->number = nothing;
    r->point = 0;
    r->k = k;
}

/* Stores the current number and begins the next one. Returns 1 after the third one. */
static CG_HOST_DEVICE int end_number(struct atom_reader *r)
{
    const cg_decimal *n = &r->number;

    if (n->n_digits > MAX_DIGITS || n->n_decimals > MAX_DECIMALS) {
        begin_number(r, 0); /* no number: the atom is incomplete */
        return 1;
    }
    r->xyz[r->k] = cg_coordinate_of(r->format, n);
    begin_number(r, r->k + 1);
    return r->k == 3;
}

/* Would another digit be the first one of the next number? */
static CG_HOST_DEVICE int is_full(const struct atom_reader *r)
{
    const cg_number_format *f = r->format;

    if (f->kind == CG_NUMBER_DECIMAL)
        return !f->strip_zeros && r->number.n_decimals == f->decimals;
    return cg_number_has_fixed_width(f) && r->number.n_digits == f->width;
}

/* Returns 1 if the atom ends before or with this symbol. */
static CG_HOST_DEVICE int read_symbol(struct atom_reader *r, int32_t symbol)
{
    cg_decimal *n = &r->number;

    if (symbol <= CG_SYMBOL_NINE) {
        if (is_full(r) && end_number(r))
            return 1;
        if (n->n_digits < MAX_DIGITS)
            n->digits = 10 * n->digits + symbol - CG_SYMBOL_ZERO;
        n->n_digits++;
        n->n_decimals += r->point;
        return 0;
    }
    if (symbol == CG_SYMBOL_POINT && !r->point) {
        r->point = 1;
        return 0;
    }
    if (symbol == CG_SYMBOL_MINUS && !n->n_digits) {
        n->minus = 1;
        return 0;
    }
    if (n->n_digits && (symbol == CG_SYMBOL_NEXT || r->k == 2))
        return end_number(r);
    if (symbol == CG_SYMBOL_BEGIN)
        begin_number(r, 0);
    return 0;
}

CG_HOST_DEVICE int cg_geometry_read_xyz(const int32_t *tokens, int32_t n,
                                        const cg_token_number *token_numbers,
                                        const cg_number_format *format, int is_text,
                                        float ret_xyz[3])
{
    struct atom_reader r = { format, ret_xyz, { 0, 0, 0, 0 }, 0, 0 };
    int ended = 0;

    ret_xyz[0] = ret_xyz[1] = ret_xyz[2] = 0;
    for (int32_t i = 0; i < n && !ended; i++)
        for (cg_token_number s = token_numbers[tokens[i]]; s && !ended; s >>= CG_SYMBOL_BITS) {
            int32_t symbol = (int32_t)(s & CG_SYMBOL_MASK);

            is_text = is_text && symbol != CG_SYMBOL_BEGIN;
            ended = !is_text && read_symbol(&r, symbol);
        }
    if (!ended && r.number.n_digits)
        end_number(&r);
    return r.k == 3;
}

CG_HOST_DEVICE int cg_geometry_read_atom(const cg_sequence_text *text, int32_t atom,
                                         float ret_xyz[3])
{
    int32_t begin = text->marks[atom].n_tokens;
    int is_text = 0, is_whole;

    if (text->number_format->width) { /* digits that all numbers have in common are not sampled */
        begin = cg_sequence_field_start(text->program, text->automaton,
                                        atom * text->program->fields_per_atom, begin);
        is_text = !cg_token_number_ends_before(text->token_numbers[text->tokens[begin - 1]]);
    }
    is_whole = cg_geometry_read_xyz(text->tokens + begin, text->seq->n_tokens - begin,
                                    text->token_numbers, text->number_format, is_text, ret_xyz);
    ret_xyz[2] = cg_sequence_mirror(text->seq, ret_xyz[2], 2);
    return is_whole;
}

/* ---- tests -------------------------------------------------------------------------------- */

/* 0 (neither cis nor trans) if three of the atoms are collinear */
static CG_HOST_DEVICE float torsion_cosine(const float a[3], const float b[3], const float c[3],
                                           const float d[3])
{
    float axis[3], first[3], second[3], n[3], m[3], size;

    cg_vec3_between(b, c, axis);
    cg_vec3_between(b, a, first);
    cg_vec3_between(c, d, second);
    cg_vec3_cross(axis, first, n);
    cg_vec3_cross(axis, second, m);
    size = sqrtf(cg_vec3_dot(n, n) * cg_vec3_dot(m, m));
    return size > 0 ? cg_vec3_dot(n, m) / size : 0;
}

static CG_HOST_DEVICE float volume(const float apex[3], const float a[3], const float b[3],
                                   const float c[3])
{
    float u[3], v[3], w[3], n[3];

    cg_vec3_between(apex, a, u);
    cg_vec3_between(apex, b, v);
    cg_vec3_between(apex, c, w);
    cg_vec3_cross(v, w, n);
    return cg_vec3_dot(u, n);
}

/* 1 (an angle of 0) if two of the atoms coincide */
static CG_HOST_DEVICE float angle_cosine(const float a[3], const float b[3], const float c[3])
{
    float first[3], second[3], size;

    cg_vec3_between(b, a, first);
    cg_vec3_between(b, c, second);
    size = sqrtf(cg_vec3_dot(first, first) * cg_vec3_dot(second, second));
    return size > 0 ? cg_vec3_dot(first, second) / size : 1;
}

/* The quantity that a test bounds. */
static CG_HOST_DEVICE float measure(const cg_geometry_test *t, const float (*xyz)[3])
{
    const float *a = xyz[t->atom[0]], *b = xyz[t->atom[1]], *c = xyz[t->atom[2]];
    float x;

    if (t->kind == CG_TEST_ANGLE)
        return angle_cosine(a, b, c);
    if (t->kind == CG_TEST_VOLUME)
        return volume(a, b, c, xyz[t->atom[3]]);
    x = torsion_cosine(a, b, c, xyz[t->atom[3]]);
    return t->kind == CG_TEST_FLAT ? x * x : x;
}

CG_HOST_DEVICE int cg_geometry_test_passes(const cg_geometry_test *t, const float (*xyz)[3])
{
    float x = measure(t, xyz);

    return x >= t->low && x <= t->high;
}

/* The highest-numbered atom of the test, leaving out `atom`. */
static CG_HOST_DEVICE int32_t last_other_atom(const cg_geometry_test *t, int32_t atom)
{
    int32_t last = 0;

    for (int k = 0; k < 4; k++)
        if (t->atom[k] != atom && t->atom[k] > last)
            last = t->atom[k];
    return last;
}

/* Sets the unit vector along v, or one along the axis `fallback` if v has no direction. */
static CG_HOST_DEVICE void unit_vector(const float v[3], int fallback, float ret[3])
{
    const float least = 1e-4f; /* Å */
    float size = sqrtf(cg_vec3_dot(v, v));

    for (int k = 0; k < 3; k++)
        ret[k] = size > least ? v[k] / size : (float)(k == fallback);
}

/* Removes from v its part along the unit vector u. */
static CG_HOST_DEVICE void remove_part(const float u[3], float v[3])
{
    float part = cg_vec3_dot(u, v);

    for (int k = 0; k < 3; k++)
        v[k] -= part * u[k];
}

CG_HOST_DEVICE void cg_core_find_place(const cg_geometry *g, const float (*xyz)[3], int32_t atom,
                                       int mirrored, float ret_place[3])
{
    const int32_t *reference = g->core_reference;
    const float *origin = xyz[reference[0]], *at = g->core[atom].at;
    float x[3], y[3], z[3], v[3];
    int least;

    cg_vec3_between(origin, xyz[reference[1] < atom ? reference[1] : atom], v);
    unit_vector(v, 0, x);
    /* an axis across x, for atoms on one line */
    least = fabsf(x[0]) < fabsf(x[1]) ? 0 : 1;
    least = fabsf(x[2]) < fabsf(x[least]) ? 2 : least;
    cg_vec3_between(origin, xyz[reference[2] < atom ? reference[2] : atom], v);
    remove_part(x, v);
    unit_vector(v, least, y);
    remove_part(x, y);
    unit_vector(y, least, y);
    cg_vec3_cross(x, y, z);
    for (int k = 0; k < 3; k++)
        ret_place[k] = origin[k] + at[0] * x[k] + at[1] * y[k] + (mirrored ? -at[2] : at[2]) * z[k];
}

/* Fault of a core atom that is not at its place. */
static CG_HOST_DEVICE int32_t test_place(const cg_geometry *g, const float (*xyz)[3], int32_t atom)
{
    float place[3], v[3];

    if (!cg_geometry_is_core(g, atom) || atom == g->core_reference[0])
        return CG_FAULT_NONE;
    cg_core_find_place(g, xyz, atom, 0, place);
    cg_vec3_between(place, xyz[atom], v);
    return cg_vec3_dot(v, v) <= g->core_tolerance * g->core_tolerance
               ? CG_FAULT_NONE
               : CG_FAULT(CG_CAUSE_CORE, g->core_reference[0]);
}

CG_HOST_DEVICE int32_t cg_geometry_test_atom(const cg_geometry *g, const float (*xyz)[3],
                                             int32_t atom, int32_t thread, int32_t n_threads)
{
    int32_t row = atom * (atom - 1) / 2, first_fault = CG_FAULT_NONE, fault;

    for (int32_t j = thread; j < atom; j += n_threads) {
        float v[3], d2;

        cg_vec3_between(xyz[j], xyz[atom], v);
        d2 = cg_vec3_dot(v, v);
        if (d2 >= g->low2[row + j] && d2 <= g->high2[row + j])
            continue;
        fault = g->pair_cause[row + j];
        if (fault == CG_CAUSE_CLASH && d2 > g->high2[row + j])
            fault = CG_CAUSE_STRETCHED;
        fault = CG_FAULT(fault, j);
        first_fault = fault < first_fault ? fault : first_fault;
    }
    for (int32_t i = g->test_start[atom] + thread; i < g->test_start[atom + 1]; i += n_threads) {
        const cg_geometry_test *t = &g->tests[i];

        if (cg_geometry_test_passes(t, xyz))
            continue;
        fault = CG_FAULT(t->cause, last_other_atom(t, atom));
        first_fault = fault < first_fault ? fault : first_fault;
    }
    fault = thread == 0 ? test_place(g, xyz, atom) : CG_FAULT_NONE;
    return fault < first_fault ? fault : first_fault;
}

/* ---- restart ------------------------------------------------------------------------------ */

CG_HOST_DEVICE void cg_sequence_restart(cg_repair_counts *r, int32_t limit, cg_sequence *seq,
                                        const cg_program *prog, const cg_automaton *aut,
                                        const cg_atom_mark *marks)
{
    if (seq->done == CG_SEQUENCE_UNFINISHED)
        return;
    if (r->restarts == limit || r->unwritten_field) {
        seq->done = CG_SEQUENCE_GIVEN_UP;
        return;
    }
    r->restarts++;
    r->wasted += seq->n_tokens - marks[0].n_tokens;
    cg_sequence_roll_back(seq, prog, aut, 0, marks);
}

/* ---- tables ------------------------------------------------------------------------------- */

#ifndef __CUDACC__
static size_t n_pairs(int32_t n_atoms)
{
    return (size_t)n_atoms * (size_t)(n_atoms > 0 ? n_atoms - 1 : 0) / 2;
}

size_t cg_geometry_size(int32_t n_atoms, int32_t n_tests, int has_core)
{
    size_t pairs = n_pairs(n_atoms);
    size_t core = has_core ? (size_t)n_atoms * sizeof(cg_core_place) : 0;

    /* all members are aligned to 4 bytes; pair_cause, of single bytes, comes last */
    return (size_t)n_tests * sizeof(cg_geometry_test) + 2 * pairs * sizeof(float) +
           ((size_t)n_atoms + 1) * sizeof(int32_t) + core + (pairs + 3) / 4 * 4;
}

void cg_geometry_bind(cg_geometry *g, const void *memory)
{
    size_t pairs = n_pairs(g->n_atoms);

    g->tests = memory;
    g->low2 = (const float *)(g->tests + g->n_tests);
    g->high2 = g->low2 + pairs;
    g->test_start = (const int32_t *)(g->high2 + pairs);
    g->core = (const cg_core_place *)(g->test_start + g->n_atoms + 1);
    g->pair_cause = (const int8_t *)(g->core + (g->n_core ? g->n_atoms : 0));
}

void cg_repair_counts_text(const cg_repair_counts *r, char *ret_text, size_t cap)
{
    size_t len = 0;

    snprintf(ret_text, cap, "none");
    for (int i = CG_CAUSE_NONE + 1; i < CG_CAUSES && len < cap; i++)
        if (r->count[i])
            len += (size_t)snprintf(ret_text + len, cap - len, "%s%s=%d", len ? " " : "",
                                    cg_fault_cause_name((cg_fault_cause)i), r->count[i]);
}

const char *cg_fault_cause_name(cg_fault_cause cause)
{
    static const char *const names[CG_CAUSES] = { "none",        "bond",      "angle",
                                                  "clash",       "stretched", "centre",
                                                  "double_bond", "ring",      "core" };

    return names[cause];
}
#endif
