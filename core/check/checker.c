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
/* C-H bond length of a placed hydrogen, Å. */
static const double hydrogen_bond = 1.09;

static const struct {
    const char *name, *description;
} tests[CG_CHECK_COUNT] = {
    [CG_CHECK_SANITIZE] = { "sanitization",
                            "RDKit reads and sanitizes the molblock and finds the requested "
                            "molecule, ignoring stereo." },
    [CG_CHECK_CONNECTED] = { "connected",
                             "The molecule is one fragment; not tested for salts and mixtures." },
    [CG_CHECK_BOND_LENGTHS] = { "bond_lengths",
                                "Each bond length is within its bounds in RDKit's distance "
                                "geometry, with a margin of 25 % (PoseBusters' threshold)." },
    [CG_CHECK_BOND_ANGLES] = { "bond_angles",
                               "Each 1-3 distance is within its bounds in RDKit's distance "
                               "geometry, with a margin of 25 % (PoseBusters' threshold)." },
    [CG_CHECK_CLASH] = { "internal_clash",
                         "No other pair of atoms is closer than 70 % of its lower bound in RDKit's "
                         "distance geometry (PoseBusters' threshold)." },
    [CG_CHECK_AROMATIC_FLAT] = { "aromatic_flatness",
                                 "No atom of an aromatic ring of 5 or 6 atoms is more than 0.25 Å "
                                 "from the ring's plane (PoseBusters' threshold)." },
    [CG_CHECK_DOUBLE_FLAT] = { "double_bond_flatness",
                               "No atom of a C=C double bond and none of its neighbours is more "
                               "than 0.25 Å from their common plane (PoseBusters' threshold)." },
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

void cg_check_join_names(uint32_t failed, char *ret_text, size_t cap)
{
    size_t len = 0;

    snprintf(ret_text, cap, "pass");
    for (int id = 0; id < CG_CHECK_COUNT && len < cap; id++)
        if (failed >> id & 1)
            len +=
                (size_t)snprintf(ret_text + len, cap - len, "%s%s", len ? "," : "", tests[id].name);
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

/* Canonical SMILES without stereo of a SMILES or molblock; free_ptr(). *ret_smiles is NULL if RDKit
 * refuses the text; fails only if memory runs out. */
static cg_status flat_smiles(const char *text, char **ret_smiles)
{
    size_t size;
    char *pkl = get_mol(text, &size, "{}");
    cg_status st = CG_OK;

    *ret_smiles = pkl ? get_smiles(pkl, size, "{\"doIsomericSmiles\":false}") : NULL;
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

/*
 * cg_stereo_find() numbers all atoms of the SMILES but names only heavy ones; renumbers them among
 * the heavy atoms.
 */
static void renumber_stereo(cg_checker *c, const uint32_t *heavy_index)
{
    for (size_t i = 0; i < c->stereo.n_centres; i++) {
        cg_stereo_centre *t = &c->stereo.centres[i];

        t->atom = heavy_index[t->atom];
        for (int k = 0; k < t->n_neighbours; k++)
            t->neighbours[k] = heavy_index[t->neighbours[k]];
    }
    for (size_t i = 0; i < c->stereo.n_bonds; i++)
        for (int e = 0; e < 2; e++) {
            c->stereo.bonds[i].ends[e] = heavy_index[c->stereo.bonds[i].ends[e]];
            c->stereo.bonds[i].neighbours[e] = heavy_index[c->stereo.bonds[i].neighbours[e]];
        }
}

/* `heavy_index` is scratch, [atoms of the SMILES]. */
static cg_status prepare(cg_checker *c, uint32_t *heavy_index, cg_error *err)
{
    const cg_smiles *graph = cg_molecule_graph(c->mol);

    for (size_t i = 0; i < graph->n_atoms; i++) {
        heavy_index[i] = CG_CHECK_NOT_HEAVY;
        if (graph->atoms[i].element == 1)
            continue;
        c->smiles_atom[c->n_atoms] = (uint32_t)i;
        heavy_index[i] = (uint32_t)c->n_atoms++;
    }
    CG_TRY(cg_check_find_pairs(c, heavy_index, err));
    CG_TRY(cg_check_find_planes(c, heavy_index, err));
    CG_TRY(cg_stereo_find(c->mol, &c->stereo, err));
    renumber_stereo(c, heavy_index);
    return test_sanitization(c, err);
}

cg_status cg_checker_create(const cg_molecule *mol, cg_checker **ret_checker, cg_error *err)
{
    size_t n = cg_molecule_n_atoms(mol);
    cg_checker *c = calloc(1, sizeof *c);
    uint32_t *heavy_index = cg_alloc_array(n, sizeof *heavy_index);
    cg_status st;

    if (c)
        c->smiles_atom = cg_alloc_array(n, sizeof *c->smiles_atom);
    if (!c || !heavy_index || !c->smiles_atom) {
        st = cg_fail_nomem(err, "checks");
        goto out;
    }
    c->mol = mol;
    CG_TRY_GOTO(st, prepare(c, heavy_index, err), out);
    *ret_checker = c;
    c = NULL;
out:
    free(heavy_index);
    cg_checker_destroy(c);
    return st;
}

void cg_checker_destroy(cg_checker *c)
{
    if (!c)
        return;
    free(c->bonds.items);
    free(c->angles.items);
    free(c->others.items);
    free(c->rings.items);
    free(c->double_bonds.items);
    free(c->smiles_atom);
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

/* The first pair outside its range, or NULL. `high` may be infinite. */
static const cg_check_pair *find_violation(const cg_check_pairs *pairs, const float (*xyz)[3])
{
    for (size_t i = 0; i < pairs->n; i++) {
        const cg_check_pair *p = &pairs->items[i];
        float d2 = distance2(xyz[p->first], xyz[p->second]);

        if (!(d2 >= p->low2 && d2 <= p->high2))
            return p;
    }
    return NULL;
}

/* `label` names a pair in the detail. */
static void test_pairs(const cg_check_pairs *pairs, cg_check_id id, const char *label,
                       const float (*xyz)[3], cg_verdict *v)
{
    const cg_check_pair *p = find_violation(pairs, xyz);
    double d;

    if (!pairs->n)
        return;
    v->done |= 1u << id;
    if (!p)
        return;
    d = sqrt((double)distance2(xyz[p->first], xyz[p->second]));
    fail_test(v, id, "%s %u-%u %.2f Å, %s %.2f", label, p->first + 1, p->second + 1, d,
              d < (double)p->low ? "at least" : "at most",
              d < (double)p->low ? (double)p->low : (double)p->high);
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

/* Largest distance of an atom from the best-fit plane, Å. */
static double out_of_plane(const cg_check_plane *plane, const float (*xyz)[3])
{
    double p[CG_CHECK_PLANE_ATOMS][3], m[3][3] = { { 0 } }, normal[3], largest = 0;

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
        double d = fabs(cg_vec3d_dot(p[k], normal));

        largest = d > largest ? d : largest;
    }
    return largest;
}

static void test_planes(const cg_check_planes *planes, cg_check_id id, const char *label,
                        const float (*xyz)[3], cg_verdict *v)
{
    if (planes->n)
        v->done |= 1u << id;
    for (size_t i = 0; i < planes->n; i++) {
        const cg_check_plane *plane = &planes->items[i];
        double d = out_of_plane(plane, xyz);
        int second = id == CG_CHECK_DOUBLE_FLAT ? 3 : 1; /* the other end of the double bond */

        if (d <= max_out_of_plane)
            continue;
        fail_test(v, id, "%s of %d-%d %.2f Å out of plane, at most %.2f", label,
                  plane->atoms[0] + 1, plane->atoms[second] + 1, d, max_out_of_plane);
        return;
    }
}

/*
 * Is the stereoisomer with the `wrong` stereocentres inverted the same molecule, as for a meso
 * compound with all stereocentres inverted? Compares RDKit's canonical SMILES after swapping @ and
 * @@ of the wrong ones. `wrong` is indexed by atom of the SMILES.
 */
static cg_status is_same_isomer(const cg_checker *c, const uint8_t *wrong, int *ret_same,
                                cg_error *err)
{
    const cg_smiles *graph = cg_molecule_graph(c->mol);
    size_t len, at = 0;
    const char *text = cg_molecule_smiles(c->mol, &len);
    char *inverted = cg_alloc_array(len + c->stereo.n_centres + 1, 1), *canonical;
    char reason[8];
    cg_status st = CG_OK;

    if (!inverted)
        return cg_fail_nomem(err, "checks");
    for (size_t i = 0, from = 0; i <= graph->n_atoms; i++) {
        size_t to = i < graph->n_atoms ? graph->atoms[i].start : len;

        memcpy(inverted + at, text + from, to - from); /* bonds, branches and ring closures */
        at += to - from;
        if (i == graph->n_atoms)
            break;
        from = to + graph->atoms[i].len;
        for (size_t k = to; k < from; k++) {
            inverted[at++] = text[k];
            if (text[k] != '@' || !wrong[i])
                continue;
            if (graph->atoms[i].chiral == 1)
                inverted[at++] = '@';
            else
                k++; /* omit the second @ */
        }
    }
    inverted[at] = '\0';
    canonical = cgrd_canonical_smiles(inverted, reason, sizeof reason);
    if (!canonical)
        st = cg_rdkit_fail(err, CG_OK, "refused");
    *ret_same = canonical && !strcmp(canonical, text);
    free_ptr(canonical);
    free(inverted);
    return st;
}

/* *ret_first is the first wrong stereocentre; NULL if all are right or the isomer is the same. */
static cg_status find_wrong_stereocentre(const cg_checker *c, const float (*xyz)[3],
                                         const cg_stereo_centre **ret_first, cg_error *err)
{
    const cg_stereo_centre *first = NULL;
    uint8_t *wrong = NULL;
    int flat = 0, same = 0;
    cg_status st = CG_OK;

    for (size_t i = 0; i < c->stereo.n_centres; i++) {
        const cg_stereo_centre *t = &c->stereo.centres[i];
        double volume = cg_stereo_centre_volume(t, xyz);

        if (volume >= CG_STEREO_FLAT)
            continue;
        flat |= volume > -CG_STEREO_FLAT;
        if (!first) {
            first = t;
            wrong = calloc(cg_molecule_n_atoms(c->mol), 1);
            if (!wrong)
                return cg_fail_nomem(err, "checks");
        }
        wrong[c->smiles_atom[t->atom]] = 1;
    }
    if (first && !flat)
        st = is_same_isomer(c, wrong, &same, err);
    free(wrong);
    *ret_first = same ? NULL : first;
    return st;
}

static cg_status test_stereo(const cg_checker *c, const float (*xyz)[3], cg_verdict *v,
                             cg_error *err)
{
    const cg_stereo_centre *wrong = NULL;

    if (!c->stereo.n_centres && !c->stereo.n_bonds)
        return CG_OK;
    v->done |= 1u << CG_CHECK_STEREO;
    for (size_t i = 0; i < c->stereo.n_bonds; i++) {
        const cg_stereo_bond *b = &c->stereo.bonds[i];

        if (cg_stereo_bond_cosine(b, xyz) > 0)
            continue;
        fail_test(v, CG_CHECK_STEREO, "double bond %u-%u is not %s", b->ends[0] + 1, b->ends[1] + 1,
                  b->cis ? "cis" : "trans");
        return CG_OK;
    }
    CG_TRY(find_wrong_stereocentre(c, xyz, &wrong, err));
    if (wrong)
        fail_test(v, CG_CHECK_STEREO, "stereocentre %u has the wrong configuration",
                  wrong->atom + 1);
    return CG_OK;
}

cg_status cg_checker_run(const cg_checker *c, const float (*xyz)[3], cg_verdict *ret_verdict,
                         cg_error *err)
{
    cg_verdict v = { .done = 1u << CG_CHECK_SANITIZE };

    if (cg_molecule_n_fragments(c->mol) == 1)
        v.done |= 1u << CG_CHECK_CONNECTED;
    if (c->sanitize_failed)
        fail_test(&v, CG_CHECK_SANITIZE, "RDKit reads its molblock as another molecule");
    test_pairs(&c->bonds, CG_CHECK_BOND_LENGTHS, "bond", xyz, &v);
    test_pairs(&c->angles, CG_CHECK_BOND_ANGLES, "angle ends", xyz, &v);
    test_pairs(&c->others, CG_CHECK_CLASH, "atoms", xyz, &v);
    test_planes(&c->rings, CG_CHECK_AROMATIC_FLAT, "aromatic ring", xyz, &v);
    test_planes(&c->double_bonds, CG_CHECK_DOUBLE_FLAT, "double bond", xyz, &v);
    CG_TRY(test_stereo(c, xyz, &v, err));
    *ret_verdict = v;
    return CG_OK;
}
