/* SPDX-License-Identifier: MIT */
#include "check/checker.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/size.h"
#include "base/vec3.h"
#include "chem/molblock.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"
#include "check/checker_internal.h"

/* Largest distance of an atom from its plane, Å; PoseBusters' threshold of both planarity tests. */
static const double max_out_of_plane = 0.25;
/* Least distance on each side of the plane of a puckered ring, Å: PoseBusters' threshold and what
 * the digits of a record can take from it. PoseBusters tests one side, of its solver's choice. */
static const double min_puckering = 0.051;
/* C-H bond length of a placed hydrogen, Å. */
static const double hydrogen_bond = 1.09;

static const struct {
    const char *name, *description;
} tests[CG_CHECK_COUNT] = {
    [CG_CHECK_SANITIZE] = { "sanitization",
                            "RDKit reads and sanitizes the molblock and finds the requested "
                            "molecule, ignoring stereo." },
    [CG_CHECK_CONNECTED] = { "connected", "The molecule is one fragment, or each fragment of a "
                                          "salt or mixture is "
                                          "within 5 Å of another one and all are joined so." },
    [CG_CHECK_BOND_LENGTHS] = { "bond_lengths",
                                "Each bond length is within its bounds in RDKit's distance "
                                "geometry, with a margin of 25 % (PoseBusters' threshold)." },
    [CG_CHECK_BOND_ANGLES] = { "bond_angles",
                               "Each 1-3 distance is within its bounds in RDKit's distance "
                               "geometry, with a margin of 25 % (PoseBusters' threshold), and each "
                               "angle in the range of its central atom (linear: at least 160 "
                               "degrees; trigonal: planar, 100 to 145)." },
    [CG_CHECK_CLASH] = { "internal_clash",
                         "No other pair of atoms is closer than 70 % of its lower bound in RDKit's "
                         "distance geometry (PoseBusters' threshold), 0.02 Å added." },
    [CG_CHECK_AROMATIC_FLAT] = { "aromatic_flatness",
                                 "No atom of an aromatic ring of 5 or 6 atoms is more than 0.25 Å "
                                 "from the ring's plane (PoseBusters' threshold)." },
    [CG_CHECK_DOUBLE_FLAT] = { "double_bond_flatness",
                               "No atom of a C=C double bond and none of its neighbours is more "
                               "than 0.25 Å from their common plane (PoseBusters' threshold)." },
    [CG_CHECK_RING_FLAT] = { "ring_flatness",
                             "Each six-membered ring that PoseBusters wants to be puckered has an "
                             "atom 0.05 Å or more from its plane (PoseBusters' threshold); a flat "
                             "one fails where two saturated carbons are neighbours or no atom has "
                             "a multiple bond, and is unchecked elsewhere." },
    [CG_CHECK_STEREO] = { "stereo",
                          "Every stereocentre and double bond with a configuration in the SMILES "
                          "has it in 3D; unspecified ones are not tested." },
};

const char *cg_check_name(cg_check_id id)
{
    return tests[id].name;
}

const char *cg_check_description(cg_check_id id)
{
    return tests[id].description;
}

void cg_check_join_names(uint32_t tests_named, char *ret_text, size_t cap)
{
    size_t len = 0;

    if (cap)
        *ret_text = '\0';
    for (int id = 0; id < CG_CHECK_COUNT && len < cap; id++)
        if (tests_named >> id & 1)
            len +=
                (size_t)snprintf(ret_text + len, cap - len, "%s%s", len ? "," : "", tests[id].name);
}

void cg_check_outcome(uint32_t failed, uint32_t unchecked, char *ret_text, size_t cap)
{
    if (failed)
        cg_check_join_names(failed, ret_text, cap);
    else
        snprintf(ret_text, cap, "%s", unchecked ? "unchecked" : "pass");
}

/* ---- preparation -------------------------------------------------------------------------- */

/* Arbitrary coordinates, distinct and not coplanar. */
static void spread(double (*xyz)[3], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        xyz[i][0] = 1.2 * cos((double)i);
        xyz[i][1] = 1.2 * sin((double)i);
        xyz[i][2] = 0.3 * (double)i;
    }
}

/*
 * Canonical SMILES of a SMILES or molblock without stereo and without hydrogens of their own;
 * free_ptr(). A hydrogen that RDKit keeps in [H]/N=C, to define the double bond, it removes from
 * the molblock. *ret_smiles is NULL if RDKit refuses the text; fails only if memory runs out.
 */
static cg_status flat_smiles(const char *text, char **ret_smiles)
{
    size_t size;
    char *pkl = get_mol(text, &size, "{}");
    cg_status st = CG_OK;

    *ret_smiles = pkl && remove_all_hs(&pkl, &size)
                      ? get_smiles(pkl, size, "{\"doIsomericSmiles\":false}")
                      : NULL;
    if (!*ret_smiles)
        st = cg_rdkit_fail(NULL, CG_OK, "refused");
    free_ptr(pkl);
    return st;
}

/*
 * Sets sanitize_failed if RDKit reads this molecule's molblock as another molecule, or the molblock
 * cannot be written. The molblocks of its conformers differ only in coordinates, so this is a
 * property of the molecule.
 */
static cg_status test_sanitization(cg_checker *c, cg_error *err)
{
    size_t n = cg_molecule_n_atoms(c->mol), cap, len;
    cg_molblock *block = NULL;
    double(*xyz)[3] = cg_alloc_array(n, sizeof *xyz);
    char *text = NULL, *found = NULL, *wanted = NULL;
    cg_status st = CG_ERR_NOMEM;

    if (!xyz)
        goto out;
    spread(xyz, n);
    CG_TRY_GOTO(st, cg_molblock_create(c->mol, &block, NULL), out);
    cap = cg_molblock_bound(block, 0);
    text = malloc(cap);
    if (!text) {
        st = CG_ERR_NOMEM;
        goto out;
    }
    CG_TRY_GOTO(st, cg_molblock_write(block, "", 0, (const double(*)[3])xyz, text, cap, &len, NULL),
                out);
    CG_TRY_GOTO(st, flat_smiles(text, &found), out);
    st = flat_smiles(cg_molecule_smiles(c->mol, NULL), &wanted);
out:
    /* found is NULL if the molblock cannot be written or read */
    c->sanitize_failed = !found || !wanted || strcmp(found, wanted) != 0;
    free_ptr(found);
    free_ptr(wanted);
    free(text);
    free(xyz);
    cg_molblock_destroy(block);
    return st == CG_ERR_NOMEM ? cg_fail_nomem(err, "checks") : CG_OK;
}

/* Notes that the tests `bits` apply but cannot be done, for the reason in `why`. */
static void set_unchecked(cg_checker *c, uint32_t bits, const char *why)
{
    if (!c->unchecked)
        snprintf(c->reason, sizeof c->reason, "%s", why);
    c->unchecked |= bits;
}

/* Without RDKit's bounds or stereo the tests that need them are unchecked. */
static cg_status prepare(cg_checker *c, cg_error *err)
{
    const uint32_t needs_bounds =
        1u << CG_CHECK_BOND_LENGTHS | 1u << CG_CHECK_BOND_ANGLES | 1u << CG_CHECK_CLASH;
    cg_error why = CG_ERROR_INIT;
    cg_status st = cg_check_find_pairs(c, &why);

    if (st == CG_ERR_UNSUPPORTED)
        set_unchecked(c, needs_bounds, why.msg);
    else if (st != CG_OK)
        return cg_fail(err, st, "%s", why.msg);
    st = cg_stereo_find(c->mol, &c->stereo, &why);
    if (st == CG_ERR_UNSUPPORTED)
        set_unchecked(c, 1u << CG_CHECK_STEREO, why.msg);
    else if (st != CG_OK)
        return cg_fail(err, st, "%s", why.msg);
    if (c->stereo.n_untested)
        set_unchecked(c, 1u << CG_CHECK_STEREO,
                      "its SMILES states a configuration that RDKit does not hold");
    CG_TRY(cg_angles_find(c->mol, &c->bond_angles, err));
    CG_TRY(cg_contacts_find(cg_molecule_graph(c->mol), &c->contacts, err));
    CG_TRY(cg_check_find_planes(c, err));
    return test_sanitization(c, err);
}

cg_status cg_checker_create(const cg_molecule *mol, cg_checker **ret_checker, cg_error *err)
{
    cg_checker *c = calloc(1, sizeof *c);
    cg_status st;

    if (!c)
        return cg_fail_nomem(err, "checks");
    c->mol = mol;
    CG_TRY_GOTO(st, prepare(c, err), out);
    *ret_checker = c;
    c = NULL;
out:
    cg_checker_destroy(c);
    return st;
}

uint32_t cg_checker_unchecked(const cg_checker *c, const char **ret_reason)
{
    if (ret_reason)
        *ret_reason = c->reason;
    return c->unchecked;
}

void cg_checker_destroy(cg_checker *c)
{
    if (!c)
        return;
    for (int kind = 0; kind < CG_CHECK_KINDS; kind++) {
        free(c->pairs[kind].items);
        free(c->disputed[kind].items);
    }
    free(c->rings.items);
    free(c->double_bonds.items);
    free(c->puckered.items);
    cg_angles_finish(&c->bond_angles);
    cg_contacts_finish(&c->contacts);
    cg_stereo_finish(&c->stereo);
    free(c);
}

/* ---- tests -------------------------------------------------------------------------------- */

/* Marks a test as failed; the text of the first failure becomes the detail. */
static void CG_PRINTF(3, 4) fail_test(cg_verdict *v, cg_check_id id, const char *fmt, ...)
{
    va_list args;

    if (!v->failed) {
        va_start(args, fmt);
        vsnprintf(v->detail, sizeof v->detail, fmt, args);
        va_end(args);
    }
    v->failed |= 1u << id;
}

/* Squared distance. */
static float distance2(const float a[3], const float b[3])
{
    float v[3];

    cg_vec3_between(b, a, v);
    return cg_vec3_dot(v, v);
}

/* A test that could not be done in full; it fails nevertheless if a part of it fails. */
static void skip_test(cg_verdict *v, cg_check_id id)
{
    v->unchecked |= 1u << id;
}

/* The first pair outside its range, or NULL. `high` may be infinite. *ret_n_unknown: pairs skipped
 * for want of a position. */
static const cg_check_pair *find_violation(const cg_check_pairs *pairs, const float (*xyz)[3],
                                           size_t *ret_n_unknown)
{
    *ret_n_unknown = 0;
    for (size_t i = 0; i < pairs->n; i++) {
        const cg_check_pair *p = &pairs->items[i];
        float d2 = distance2(xyz[p->first], xyz[p->second]);

        if (isnan(d2))
            ++*ret_n_unknown;
        else if (!(d2 >= p->low2 && d2 <= p->high2))
            return p;
    }
    return NULL;
}

/* `label` names a pair in the detail. A pair that only RDKit's own bounds refuse is no fault, nor
 * does PoseBusters pass it. */
static void test_pairs(const cg_checker *c, int kind, cg_check_id id, const char *label,
                       const float (*xyz)[3], cg_verdict *v)
{
    const cg_check_pairs *pairs = &c->pairs[kind];
    size_t n_unknown, n_unknown_disputed;
    const cg_check_pair *p = find_violation(pairs, xyz, &n_unknown);
    double d;

    if (!pairs->n)
        return;
    v->done |= 1u << id;
    if (n_unknown || find_violation(&c->disputed[kind], xyz, &n_unknown_disputed))
        skip_test(v, id);
    if (!p)
        return;
    d = sqrt((double)distance2(xyz[p->first], xyz[p->second]));
    fail_test(v, id, "%s %u-%u %.2f Å, %s %.2f", label, p->first + 1, p->second + 1, d,
              d < (double)p->low ? "at least" : "at most",
              d < (double)p->low ? (double)p->low : (double)p->high);
}

static void test_angles(const cg_checker *c, const float (*xyz)[3], cg_verdict *v)
{
    char detail[sizeof v->detail];

    if (!c->bond_angles.n_angles)
        return;
    v->done |= 1u << CG_CHECK_BOND_ANGLES;
    if (cg_check_find_bent_angle(c, xyz, detail, sizeof detail))
        fail_test(v, CG_CHECK_BOND_ANGLES, "%s", detail);
}

/* Position of the hydrogen of a trigonal atom: opposite to its two other neighbours. */
static void place_hydrogen(const double end[3], const double one[3], const double two[3],
                           double ret[3])
{
    double a[3], b[3], la, lb, l;

    cg_vec3d_between(one, end, a);
    cg_vec3d_between(two, end, b);
    la = cg_vec3d_dot(a, a);
    lb = cg_vec3d_dot(b, b);
    for (int i = 0; i < 3; i++)
        ret[i] = (la > 0 ? a[i] / sqrt(la) : 0) + (lb > 0 ? b[i] / sqrt(lb) : 0);
    l = cg_vec3d_dot(ret, ret);
    for (int i = 0; i < 3; i++)
        ret[i] = end[i] + (l > 0 ? ret[i] / sqrt(l) * hydrogen_bond : 0);
}

/* Coordinates of a plane's atoms. A hydrogen is the last of its end's three: index 2 or 5. */
static void gather(const cg_check_plane *plane, const float (*xyz)[3],
                   double points[CG_CHECK_PLANE_ATOMS][3])
{
    for (int k = 0; k < plane->n; k++)
        for (int i = 0; i < 3 && plane->atoms[k] != CG_CHECK_HYDROGEN; i++)
            points[k][i] = (double)xyz[plane->atoms[k]][i];
    for (int k = 0; k < plane->n; k++)
        if (plane->atoms[k] == CG_CHECK_HYDROGEN)
            place_hydrogen(points[k - 2], points[k - 1], points[k == 2 ? 3 : 0], points[k]);
}

/* Eigenvector of the smallest eigenvalue of a symmetric matrix, by Jacobi rotations; destroys m. */
static void smallest_eigenvector(double m[3][3], double ret[3])
{
    double v[3][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 } };
    int least = 0;

    for (int sweep = 0; sweep < 12; sweep++) {
        double off_diagonal = fabs(m[0][1]) + fabs(m[0][2]) + fabs(m[1][2]);

        if (off_diagonal <= 1e-14 * (fabs(m[0][0]) + fabs(m[1][1]) + fabs(m[2][2])))
            break;
        for (int p = 0; p < 2; p++)
            for (int q = p + 1; q < 3; q++) {
                double theta, t, c, s;

                if (m[p][q] == 0)
                    continue;
                theta = (m[q][q] - m[p][p]) / (2 * m[p][q]);
                t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
                c = 1 / sqrt(t * t + 1);
                s = t * c;
                for (int k = 0; k < 3; k++) { /* columns, then rows */
                    double a = m[k][p], b = m[k][q];

                    m[k][p] = c * a - s * b;
                    m[k][q] = s * a + c * b;
                    a = v[k][p];
                    b = v[k][q];
                    v[k][p] = c * a - s * b;
                    v[k][q] = s * a + c * b;
                }
                for (int k = 0; k < 3; k++) {
                    double a = m[p][k], b = m[q][k];

                    m[p][k] = c * a - s * b;
                    m[q][k] = s * a + c * b;
                }
            }
    }
    for (int i = 1; i < 3; i++)
        if (m[i][i] < m[least][least])
            least = i;
    for (int i = 0; i < 3; i++)
        ret[i] = v[i][least];
}

/* Largest distances of an atom from the best-fit plane, Å, on its two sides. */
static void out_of_plane(const cg_check_plane *plane, const float (*xyz)[3], double ret_sides[2])
{
    double p[CG_CHECK_PLANE_ATOMS][3], m[3][3] = { { 0 } }, normal[3];

    ret_sides[0] = ret_sides[1] = 0;
    gather(plane, xyz, p);
    for (int i = 0; i < 3; i++) {
        double mean = 0;

        for (int k = 0; k < plane->n; k++)
            mean += p[k][i] / plane->n;
        for (int k = 0; k < plane->n; k++)
            p[k][i] -= mean;
    }
    for (int k = 0; k < plane->n; k++)
        for (int i = 0; i < 3; i++)
            for (int j = 0; j < 3; j++)
                m[i][j] += p[k][i] * p[k][j];
    smallest_eigenvector(m, normal);
    for (int k = 0; k < plane->n; k++) {
        double d = cg_vec3d_dot(p[k], normal);

        ret_sides[0] = fmax(ret_sides[0], d);
        ret_sides[1] = fmax(ret_sides[1], -d);
    }
}

static void test_planes(const cg_check_planes *planes, cg_check_id id, const char *label,
                        const float (*xyz)[3], cg_verdict *v)
{
    if (planes->n)
        v->done |= 1u << id;
    for (size_t i = 0; i < planes->n; i++) {
        const cg_check_plane *plane = &planes->items[i];
        int second = id == CG_CHECK_DOUBLE_FLAT ? 3 : 1; /* the other end of the double bond */
        double sides[2], d;

        out_of_plane(plane, xyz, sides);
        d = fmax(sides[0], sides[1]);
        if (d <= max_out_of_plane)
            continue;
        fail_test(v, id, "%s of %d-%d %.2f Å out of plane, at most %.2f", label,
                  plane->atoms[0] + 1, plane->atoms[second] + 1, d, max_out_of_plane);
        return;
    }
}

static void test_puckered(const cg_checker *c, const float (*xyz)[3], cg_verdict *v)
{
    const cg_check_planes *rings = &c->puckered;

    if (rings->n)
        v->done |= 1u << CG_CHECK_RING_FLAT;
    for (size_t i = 0; i < rings->n; i++) {
        const cg_check_plane *ring = &rings->items[i];
        double sides[2], d;

        out_of_plane(ring, xyz, sides);
        d = fmin(sides[0], sides[1]);
        if (d >= min_puckering)
            continue;
        if (ring->may_be_flat)
            skip_test(v, CG_CHECK_RING_FLAT);
        else
            fail_test(v, CG_CHECK_RING_FLAT, "ring of %d-%d is flat: %.3f Å out of plane",
                      ring->atoms[0] + 1, ring->atoms[1] + 1, d);
    }
}

/*
 * The stereo elements of a conformer that are wrong. Those whose atoms have no known position count
 * as right, and in n_unknown.
 */
struct wrong_stereo {
    unsigned char *centres, *bonds; /* [elements] 1: wrong */
    size_t n, n_unknown;
    int flat;                       /* a wrong element has neither configuration */
    const cg_stereo_centre *centre; /* the first wrong one; NULL without */
    const cg_stereo_bond *bond;
};

static void find_wrong_stereo(const cg_stereo *stereo, const float (*xyz)[3],
                              struct wrong_stereo *w)
{
    for (size_t i = 0; i < stereo->n_bonds; i++) {
        double cosine = cg_stereo_bond_cosine(&stereo->bonds[i], xyz);

        w->n_unknown += isnan(cosine);
        if (isnan(cosine) || cosine > 0)
            continue;
        w->bonds[i] = 1;
        w->n++;
        w->flat |= cosine == 0;
        w->bond = w->bond ? w->bond : &stereo->bonds[i];
    }
    for (size_t i = 0; i < stereo->n_centres; i++) {
        double volume = cg_stereo_centre_volume(&stereo->centres[i], xyz);

        w->n_unknown += isnan(volume);
        if (isnan(volume) || volume >= CG_STEREO_FLAT)
            continue;
        w->centres[i] = 1;
        w->n++;
        w->flat |= volume > -CG_STEREO_FLAT;
        w->centre = w->centre ? w->centre : &stereo->centres[i];
    }
}

static cg_status test_stereo(const cg_checker *c, const float (*xyz)[3], cg_verdict *v,
                             cg_error *err)
{
    const cg_stereo *s = &c->stereo;
    struct wrong_stereo w = { 0 };
    int same = 0;
    cg_status st = CG_OK;

    if (!s->n_centres && !s->n_bonds)
        return CG_OK;
    v->done |= 1u << CG_CHECK_STEREO;
    w.centres = calloc(s->n_centres + s->n_bonds, 1);
    if (!w.centres)
        return cg_fail_nomem(err, "checks");
    w.bonds = w.centres + s->n_centres;
    find_wrong_stereo(s, xyz, &w);
    if (w.n_unknown)
        skip_test(v, CG_CHECK_STEREO);
    /* Meso compounds and the like: all that is wrong may be right after an exchange of equivalent
     * atoms. */
    if (w.n && !w.flat)
        CG_TRY_GOTO(st, cg_stereo_is_same_isomer(c->mol, s, w.centres, w.bonds, &same, err), out);
    if (!w.n || same)
        goto out;
    if (w.bond)
        fail_test(v, CG_CHECK_STEREO, "double bond %u-%u is not %s", w.bond->ends[0] + 1,
                  w.bond->ends[1] + 1, w.bond->cis ? "cis" : "trans");
    else
        fail_test(v, CG_CHECK_STEREO, "stereocentre %u has the wrong configuration",
                  w.centre->atom + 1);
out:
    free(w.centres);
    return st;
}

cg_status cg_checker_run(const cg_checker *c, const float (*xyz)[3], cg_verdict *ret_verdict,
                         cg_error *err)
{
    cg_verdict v = { .done = 1u << CG_CHECK_SANITIZE | 1u << CG_CHECK_CONNECTED,
                     .unchecked = c->unchecked };
    char detail[sizeof v.detail];

    if (c->sanitize_failed)
        fail_test(&v, CG_CHECK_SANITIZE, "RDKit reads its molblock as another molecule");
    CG_TRY(cg_check_find_loose_fragment(c, xyz, detail, sizeof detail, err));
    if (detail[0])
        fail_test(&v, CG_CHECK_CONNECTED, "%s", detail);
    test_pairs(c, CG_CHECK_BOND, CG_CHECK_BOND_LENGTHS, "bond", xyz, &v);
    test_pairs(c, CG_CHECK_ANGLE, CG_CHECK_BOND_ANGLES, "angle ends", xyz, &v);
    test_angles(c, xyz, &v);
    test_pairs(c, CG_CHECK_OTHER, CG_CHECK_CLASH, "atoms", xyz, &v);
    test_planes(&c->rings, CG_CHECK_AROMATIC_FLAT, "aromatic ring", xyz, &v);
    test_planes(&c->double_bonds, CG_CHECK_DOUBLE_FLAT, "double bond", xyz, &v);
    test_puckered(c, xyz, &v);
    CG_TRY(test_stereo(c, xyz, &v, err));
    v.unchecked &= ~v.failed;
    v.done &= ~v.unchecked;
    *ret_verdict = v;
    return CG_OK;
}
