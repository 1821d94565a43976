/* SPDX-License-Identifier: MIT */
/* core/cuda/step.cu includes this file to compile it for the device. */
#include "sequence/relaxation.h"

#include "base/vec3.h"

#ifndef __CUDACC__
#include <math.h>
#endif

/*
 * A quantity out of its range is corrected to a target inside it and is satisfied somewhat before
 * the target is reached, so that the rounded coordinates of the text still pass.
 */
static const float bond_margin = 0.1f;      /* Å from a bound to the target, of bonds */
static const float distance_margin = 0.2f;  /* of other distances, whose ranges are wider */
static const float satisfied_margin = 0.5f; /* share of the margin that satisfies */
static const float volume_target = 2;       /* times the bound */
static const float satisfied_volume = 1.5f;
static const float planar_target = 0.5f; /* share of the bounds of a volume around 0 */
static const float satisfied_planar = 0.75f;
static const float angle_margin = 0.07f;  /* radians from a bound to the target */
static const float linear_margin = 0.19f; /* of linear atoms: 11 degrees */
static const float linear_cosine = -0.9f; /* their bounds are below */
static const float torsion_target = 0.6f; /* share of the largest permitted angle */
static const float satisfied_torsion = 0.8f;

/* Degenerate geometries: bounds on divisors. */
static const float coincident = 1e-3f;  /* Å: closer atoms have no direction between them */
static const float min_normal2 = 1e-2f; /* Å^4: bounds the gradient of nearly collinear atoms */
static const float min_axis = 1e-1f;    /* Å */
static const float min_sine = 1e-3f;    /* of an angle: straighter ones bend in any direction */
static const float min_gradient2 =
    1e-6f; /* of a quantity that hardly depends on the moving atoms */

static const float right_angle = 1.57079633f;

static const float over_relaxation = 1.5f;  /* times the mean correction */
static const float max_displacement = 0.5f; /* Å: the gradients do not hold farther */

static CG_HOST_DEVICE void add_correction(cg_correction *c, const float v[3], float scale)
{
    for (int k = 0; k < 3; k++)
        c->sum[k] += scale * v[k];
    c->n++;
}

/* Does atom i stay in place while atoms `first` to `last` are relaxed? */
static CG_HOST_DEVICE int is_fixed(const cg_geometry *g, int32_t first, int32_t last, int32_t i)
{
    return i < first || (cg_geometry_is_core(g, i) && !(i == last && i == g->core_reference[0]));
}

static CG_HOST_DEVICE void correct_pair(const cg_geometry *g, const float (*xyz)[3], int32_t first,
                                        int32_t last, int32_t i, int32_t j, cg_correction *c)
{
    int32_t at = i > j ? i * (i - 1) / 2 + j : j * (j - 1) / 2 + i;
    float low = sqrtf(g->low2[at]), high = sqrtf(g->high2[at]);
    float margin = g->pair_cause[at] == CG_CAUSE_BOND ? bond_margin : distance_margin;
    float v[3], d, miss;

    cg_vec3_between(xyz[j], xyz[i], v);
    d = sqrtf(cg_vec3_dot(v, v));
    if (is_fixed(g, first, last, i) && is_fixed(g, first, last, j)) {
        c->unsatisfied |= d < low || d > high;
        return;
    }
    if (low > 0 && d < low + margin)
        miss = low + margin - d;
    else if (d > high - margin)
        miss = high - margin - d;
    else
        return;
    if (fabsf(miss) > satisfied_margin * margin)
        c->unsatisfied = 1;
    if (d < coincident) { /* separate them along an arbitrary direction */
        v[0] = i > j ? 1 : -1;
        v[1] = v[2] = 0;
        d = 1;
    }
    /* two moving atoms share it */
    add_correction(c, v, (is_fixed(g, first, last, j) ? 1 : 0.5f) * miss / d);
}

/* Returns the volume of a test; gradient[k] is its gradient with respect to atom k of the test. */
static CG_HOST_DEVICE float volume_gradient(const float (*xyz)[3], const cg_geometry_test *t,
                                            float gradient[4][3])
{
    float u[3], v[3], w[3];

    cg_vec3_between(xyz[t->atom[0]], xyz[t->atom[1]], u);
    cg_vec3_between(xyz[t->atom[0]], xyz[t->atom[2]], v);
    cg_vec3_between(xyz[t->atom[0]], xyz[t->atom[3]], w);
    cg_vec3_cross(v, w, gradient[1]);
    cg_vec3_cross(w, u, gradient[2]);
    cg_vec3_cross(u, v, gradient[3]);
    for (int k = 0; k < 3; k++)
        gradient[0][k] = -gradient[1][k] - gradient[2][k] - gradient[3][k];
    return cg_vec3_dot(u, gradient[1]);
}

/* Sets p to a unit vector perpendicular to the unit vector u: the same one for the same u. */
static CG_HOST_DEVICE void perpendicular(const float u[3], float p[3])
{
    int least = fabsf(u[0]) < fabsf(u[1]) ? 0 : 1;
    float size;

    least = fabsf(u[2]) < fabsf(u[least]) ? 2 : least;
    size = sqrtf(1 - u[least] * u[least]);
    for (int k = 0; k < 3; k++)
        p[k] = ((k == least) - u[least] * u[k]) / size;
}

/*
 * Returns the angle of a test in radians, and its gradient as above. With u and v the unit vectors
 * from the centre, its ends move along n, perpendicular to u in the plane of the atoms, and along
 * -sin(angle) u - cos(angle) n, which stay defined for straight angles.
 */
static CG_HOST_DEVICE float angle_gradient(const float (*xyz)[3], const cg_geometry_test *t,
                                           float gradient[4][3])
{
    float u[3], v[3], n[3], first, second, cosine, sine;

    cg_vec3_between(xyz[t->atom[1]], xyz[t->atom[0]], u);
    cg_vec3_between(xyz[t->atom[1]], xyz[t->atom[2]], v);
    first = fmaxf(sqrtf(cg_vec3_dot(u, u)), min_axis);
    second = fmaxf(sqrtf(cg_vec3_dot(v, v)), min_axis);
    for (int k = 0; k < 3; k++) {
        u[k] /= first;
        v[k] /= second;
    }
    cosine = cg_vec3_dot(u, v);
    for (int k = 0; k < 3; k++)
        n[k] = cosine * u[k] - v[k];
    sine = sqrtf(cg_vec3_dot(n, n));
    if (sine < min_sine) {
        float size2 = cg_vec3_dot(u, u);

        if (size2 < 0.5f) { /* the first atom is at the centre */
            u[0] = 1;
            u[1] = u[2] = 0;
        }
        perpendicular(u, n);
    } else {
        for (int k = 0; k < 3; k++)
            n[k] /= sine;
    }
    for (int k = 0; k < 3; k++) {
        gradient[0][k] = n[k] / first;
        gradient[2][k] = (-sine * u[k] - cosine * n[k]) / second;
        gradient[1][k] = -gradient[0][k] - gradient[2][k];
        gradient[3][k] = 0;
    }
    return atan2f(sine, cosine);
}

/* Change of an angle, radians, that brings it `margin` into its range. */
static CG_HOST_DEVICE float angle_miss(const cg_geometry_test *t, float angle, float margin)
{
    float least = t->high < 1 ? acosf(t->high) + margin : 0;
    float most = t->low > -1 ? acosf(t->low) - margin : 4;

    return angle < least ? least - angle : angle > most ? most - angle : 0;
}

/*
 * Returns the torsion of a test in radians, and its gradient as above. Source: Blondel and Karplus,
 * J. Comput. Chem. 17, 1132 (1996).
 */
static CG_HOST_DEVICE float torsion_gradient(const float (*xyz)[3], const cg_geometry_test *t,
                                             float gradient[4][3])
{
    float f[3], g[3], h[3], a[3], b[3], c[3], a2, b2, axis, fg, hg;

    cg_vec3_between(xyz[t->atom[1]], xyz[t->atom[0]], f);
    cg_vec3_between(xyz[t->atom[2]], xyz[t->atom[1]], g);
    cg_vec3_between(xyz[t->atom[2]], xyz[t->atom[3]], h);
    cg_vec3_cross(f, g, a);
    cg_vec3_cross(h, g, b);
    cg_vec3_cross(b, a, c);
    a2 = fmaxf(cg_vec3_dot(a, a), min_normal2);
    b2 = fmaxf(cg_vec3_dot(b, b), min_normal2);
    axis = fmaxf(sqrtf(cg_vec3_dot(g, g)), min_axis);
    fg = cg_vec3_dot(f, g) / (a2 * axis);
    hg = cg_vec3_dot(h, g) / (b2 * axis);
    for (int k = 0; k < 3; k++) {
        gradient[0][k] = -axis / a2 * a[k];
        gradient[3][k] = axis / b2 * b[k];
        gradient[1][k] = (axis / a2 + fg) * a[k] - hg * b[k];
        gradient[2][k] = -(axis / b2 - hg) * b[k] - fg * a[k];
    }
    return atan2f(cg_vec3_dot(c, g) / axis, cg_vec3_dot(a, b));
}

/* Change of a torsion, radians, that brings it within `share` of the largest permitted angle. */
static CG_HOST_DEVICE float torsion_miss(const cg_geometry_test *t, float angle, float share)
{
    const float pi = 3.14159265f;
    float from_cis = fabsf(angle), from_trans, most;

    if (t->kind == CG_TEST_FLAT)
        most = acosf(sqrtf(t->low));
    else
        most = acosf(t->high < 1 ? -t->high : t->low);
    most *= share;
    from_trans = pi - from_cis;
    if (t->kind == CG_TEST_FLAT ? from_cis < from_trans : t->high >= 1) {
        if (from_cis <= most)
            return 0;
        return angle > 0 ? most - from_cis : from_cis - most;
    }
    if (from_trans <= most)
        return 0;
    return angle > 0 ? from_trans - most : most - from_trans;
}

/* The correction that a test contributes to its atom number `which`. */
static CG_HOST_DEVICE void correct_test(const cg_geometry *g, const cg_geometry_test *t,
                                        const float (*xyz)[3], int32_t first, int32_t last,
                                        int which, cg_correction *c)
{
    float gradient[4][3], miss, size = 0;
    int can_move = 0;

    for (int k = 0; k < 4; k++)
        can_move |= t->atom[k] != CG_NO_ATOM && !is_fixed(g, first, last, t->atom[k]);
    if (!can_move) {
        c->unsatisfied |= !cg_geometry_test_passes(t, xyz);
        return;
    }
    if (t->kind == CG_TEST_VOLUME) {
        float x = volume_gradient(xyz, t, gradient);
        int planar = t->low == -t->high; /* else of one sign */
        float target = planar ? planar_target : volume_target;
        float satisfied = planar ? satisfied_planar : satisfied_volume;
        float low = target * t->low, high = target * t->high;

        miss = x < low ? low - x : x > high ? high - x : 0;
        if (x < satisfied * t->low || x > satisfied * t->high)
            c->unsatisfied = 1;
    } else if (t->kind == CG_TEST_ANGLE) {
        float x = angle_gradient(xyz, t, gradient);

        float margin = t->high < linear_cosine ? linear_margin : angle_margin;

        miss = angle_miss(t, x, margin);
        if (fabsf(miss) > satisfied_margin * margin)
            c->unsatisfied = 1;
    } else {
        float x = torsion_gradient(xyz, t, gradient);

        miss = torsion_miss(t, x, torsion_target);
        if (torsion_miss(t, x, satisfied_torsion) != 0)
            c->unsatisfied = 1;
    }
    if (miss == 0)
        return;
    for (int k = 0; k < 4; k++)
        if (t->atom[k] != CG_NO_ATOM && !is_fixed(g, first, last, t->atom[k]))
            size += cg_vec3_dot(gradient[k], gradient[k]);
    if (size > min_gradient2)
        add_correction(c, gradient[which], miss / size);
}

/* ---- start -------------------------------------------------------------------------------- */

CG_HOST_DEVICE int cg_relaxation_configuration(const cg_geometry_test *t, const float (*xyz)[3])
{
    float gradient[4][3];
    int same;

    if (t->kind == CG_TEST_VOLUME && t->cause == CG_CAUSE_CENTRE)
        same = (volume_gradient(xyz, t, gradient) >= 0) == (t->low > 0);
    else if (t->kind == CG_TEST_TORSION && t->cause == CG_CAUSE_DOUBLE)
        same = (fabsf(torsion_gradient(xyz, t, gradient)) < right_angle) == (t->low > 0);
    else
        return 0;
    return same ? 1 : -1;
}

/* Sets *start if the test of an inverted configuration suggests another position of `atom`. Returns
 * 1 for a stereocentre with the right sign. */
static CG_HOST_DEVICE int update_start(const cg_geometry_test *t, const float (*xyz)[3],
                                       int32_t atom, cg_relaxation_start *start)
{
    int configuration = cg_relaxation_configuration(t, xyz), n = 0;

    if (configuration >= 0)
        return configuration > 0 && t->kind == CG_TEST_VOLUME;
    if (t->kind == CG_TEST_VOLUME && start->origin != CG_ORIGIN_REFLECTED) {
        start->origin = CG_ORIGIN_REFLECTED;
        for (int k = 0; k < 4; k++)
            if (t->atom[k] != atom)
                start->atom[n++] = t->atom[k];
    } else if (t->kind == CG_TEST_TORSION && start->origin == CG_ORIGIN_SAMPLED &&
               (t->atom[0] == atom || t->atom[3] == atom)) {
        start->origin = CG_ORIGIN_ROTATED;
        start->atom[0] = t->atom[1];
        start->atom[1] = t->atom[2];
    }
    return 0;
}

/* The start of a core atom behind the first one. */
static CG_HOST_DEVICE cg_relaxation_start place_start(const cg_geometry *g, const float (*xyz)[3],
                                                      int32_t atom)
{
    cg_relaxation_start start = { 0, CG_ORIGIN_SAMPLED, CG_ORIGIN_SAMPLED, { 0, 0, 0 },
                                  1, { 0, 0, 0 } };
    float image[3], to_place[3], to_image[3];

    cg_core_find_place(g, xyz, atom, 0, start.place);
    if (atom != g->core_off_plane || atom > g->first_centre)
        return start;
    cg_core_find_place(g, xyz, atom, 1, image);
    cg_vec3_between(xyz[atom], start.place, to_place);
    cg_vec3_between(xyz[atom], image, to_image);
    if (cg_vec3_dot(to_place, to_place) <= cg_vec3_dot(to_image, to_image))
        return start;
    start.origin = start.image = CG_ORIGIN_MIRRORED;
    for (int k = 0; k < 3; k++)
        start.place[k] = k == 2 ? -image[k] : image[k];
    return start;
}

CG_HOST_DEVICE cg_relaxation_start cg_relaxation_find_start(const cg_geometry *g,
                                                            const float (*xyz)[3], int32_t atom)
{
    cg_relaxation_start start = { 0, CG_ORIGIN_SAMPLED, CG_ORIGIN_SAMPLED, { 0, 0, 0 },
                                  0, { 0, 0, 0 } };
    int n_right = 0;

    if (cg_geometry_is_core(g, atom) && atom != g->core_reference[0])
        return place_start(g, xyz, atom);

    for (int32_t i = g->test_start[atom]; i < g->test_start[atom + 1]; i++)
        n_right += update_start(&g->tests[i], xyz, atom, &start);
    if (start.origin == CG_ORIGIN_REFLECTED && atom == g->first_centre && n_right == 0 &&
        (g->n_core == 0 || atom < g->core_off_plane))
        start.origin = CG_ORIGIN_MIRRORED;
    start.image = start.origin;
    return start;
}

CG_HOST_DEVICE int cg_relaxation_next_start(cg_relaxation_start *start, int32_t atom)
{
    if (start->level == 0 && start->origin > CG_ORIGIN_MIRRORED) {
        start->origin = CG_ORIGIN_SAMPLED;
        return 1;
    }
    if (start->level == CG_RELAXATION_LEVELS - 1 ||
        (start->level < 2 && cg_relaxation_first_atom(atom, start->level) == 0))
        return 0;
    if (start->level == 2 && cg_relaxation_first_atom(atom, 2) == 0 &&
        start->image <= CG_ORIGIN_MIRRORED)
        start->level++; /* all atoms have moved from there */
    start->level++;
    if (start->level >= CG_RELAXATION_ALL)
        start->origin = start->image;
    return 1;
}

/* Number `k` of atom i's displacements at the start of a level: uniform, the same in each run. */
static CG_HOST_DEVICE float start_displacement(int32_t level, int32_t i, int k)
{
    const float most[CG_RELAXATION_LEVELS] = { 0, 0, 0, 0, 0.5f, 1 }; /* Å */
    uint32_t x = ((uint32_t)level << 16 | (uint32_t)(3 * i + k)) * 0x9E3779B9u;

    x = (x ^ x >> 16) * 0x85EBCA6Bu;
    x = (x ^ x >> 13) * 0xC2B2AE35u;
    return most[level] * ((float)(x >> 8) / (float)(1 << 23) - 1);
}

CG_HOST_DEVICE void cg_relaxation_start_position(const cg_geometry *g,
                                                 const cg_relaxation_start *start,
                                                 const float (*xyz)[3], int32_t atom, int32_t i,
                                                 float ret[3])
{
    float v[3], u[3], axis[3], scale = 0;

    for (int k = 0; k < 3; k++)
        ret[k] = start->is_placed && i == atom ? start->place[k] : xyz[i][k];
    if (start->is_placed && i == atom)
        return;
    /* the mirror image of the text with the core itself */
    if (start->origin == CG_ORIGIN_MIRRORED && is_fixed(g, 0, atom, i) && i != g->core_reference[0])
        cg_core_find_place(g, xyz, i, 1, ret);
    if (start->origin == CG_ORIGIN_MIRRORED)
        ret[2] = -ret[2];
    for (int k = 0; k < 3 && start->level > CG_RELAXATION_ALL && !is_fixed(g, 0, atom, i); k++)
        ret[k] += start_displacement(start->level, i, k);
    if (i != atom || start->origin < CG_ORIGIN_REFLECTED)
        return;
    cg_vec3_between(xyz[start->atom[0]], xyz[i], v);
    cg_vec3_between(xyz[start->atom[0]], xyz[start->atom[1]], axis);
    if (start->origin == CG_ORIGIN_REFLECTED) { /* the axis is the normal of the plane */
        float in_plane[3];

        cg_vec3_between(xyz[start->atom[0]], xyz[start->atom[2]], u);
        for (int k = 0; k < 3; k++)
            in_plane[k] = axis[k];
        cg_vec3_cross(in_plane, u, axis);
    }
    scale = 2 * cg_vec3_dot(v, axis) / fmaxf(cg_vec3_dot(axis, axis), min_normal2);
    for (int k = 0; k < 3; k++)
        ret[k] +=
            start->origin == CG_ORIGIN_REFLECTED ? -scale * axis[k] : scale * axis[k] - 2 * v[k];
}

static CG_HOST_DEVICE int is_same(const float a[3], const float b[3])
{
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

CG_HOST_DEVICE int32_t cg_relaxation_first_moved(const float (*before)[3], const float (*after)[3],
                                                 int32_t first, int32_t last)
{
    while (first < last && is_same(before[first], after[first]))
        first++;
    return first;
}

CG_HOST_DEVICE int32_t cg_relaxation_accept(const cg_relaxation_start *start,
                                            const cg_number_format *format, int32_t last,
                                            float (*before)[3], const float (*after)[3],
                                            cg_sequence *seq, cg_repair_counts *counts)
{
    int32_t first = cg_relaxation_first_moved((const float(*)[3])before, after,
                                              cg_relaxation_first_placed(start, last), last);

    counts->moved += last - first + 1;
    if (start->origin != CG_ORIGIN_MIRRORED || !cg_number_is_signed(format))
        return first;
    seq->is_mirrored = !seq->is_mirrored;
    for (int32_t i = 0; i <= last; i++)
        before[i][2] = -before[i][2];
    first = cg_relaxation_first_moved((const float(*)[3])before, after, 0, last);
    return is_same(before[first], after[first]) ? last + 1 : first;
}

CG_HOST_DEVICE void cg_relaxation_correct(const cg_geometry *g, const float (*xyz)[3],
                                          int32_t first, int32_t last, int32_t i, int32_t thread,
                                          int32_t n_threads, cg_correction *correction)
{
    for (int32_t j = thread; j <= last; j += n_threads)
        if (j != i)
            correct_pair(g, xyz, first, last, i, j, correction);
    for (int32_t n = g->test_start[first] + thread; n < g->test_start[last + 1]; n += n_threads)
        for (int k = 0; k < 4; k++)
            if (g->tests[n].atom[k] == i)
                correct_test(g, &g->tests[n], xyz, first, last, k, correction);
    if (is_fixed(g, first, last, i)) {
        for (int k = 0; k < 3; k++)
            correction->sum[k] = 0;
        correction->n = 0;
    }
}

CG_HOST_DEVICE void cg_correction_displacement(const cg_correction *correction,
                                               float ret_displacement[3])
{
    float scale = correction->n ? over_relaxation / (float)correction->n : 0;
    float size = scale * sqrtf(cg_vec3_dot(correction->sum, correction->sum));

    if (size > max_displacement)
        scale *= max_displacement / size;
    for (int k = 0; k < 3; k++)
        ret_displacement[k] = scale * correction->sum[k];
}
