/* SPDX-License-Identifier: MIT */
#include "eval/recovery.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/size.h"

/* ---- the first K conformers --------------------------------------------------------------- */

/* The limits with what remains of their time: a nanosecond at least, as 0 is no limit. */
static cg_rmsd_limits remaining(const cg_rmsd_limits *limits, double start)
{
    cg_rmsd_limits l = *limits;

    if (l.seconds > 0) {
        l.seconds -= cg_now() - start;
        l.seconds = l.seconds > 1e-9 ? l.seconds : 1e-9;
    }
    return l;
}

/* Minima over the conformers between two points of the curves; a reference's minimum over the first
 * K is that over all such parts up to K. */
static cg_status run_part(const cg_rmsd_set *ref, size_t n_ref, const float (*gen)[3], size_t n,
                          const cg_symmetry *symmetry, const cg_rmsd_limits *limits, float *part,
                          float *ref_min, float *gen_min, cg_rmsd_count *count, cg_error *err)
{
    cg_rmsd_count c = { 0 };
    cg_rmsd_set *set = NULL;
    cg_status st;

    CG_TRY(cg_rmsd_set_create(gen, n, symmetry->n_atoms, &set, err));
    CG_TRY_GOTO(st, cg_rmsd_minima(ref, set, symmetry, limits, part, gen_min, &c, err), out);
    for (size_t i = 0; i < n_ref; i++)
        ref_min[i] = part[i] < ref_min[i] ? part[i] : ref_min[i];
    count->pairs += c.pairs;
    count->maps_tried += c.maps_tried;
    count->pruned += c.pruned;
    count->limited |= c.limited;
out:
    cg_rmsd_set_destroy(set);
    return st;
}

/* ---- clusters ----------------------------------------------------------------------------- */

/* Conformers that are still compared: those that no leader of some radius is near. */
struct clusters {
    const float (*gen)[3];
    size_t n_atoms;
    size_t n_live, n_set;   /* live conformers; members of `set` */
    size_t *member;         /* [n_set] conformers of the set */
    unsigned char *covered; /* [n_gen] bit r: a leader of radius r is near, or it is one */
    float *row;             /* [n_set] distances of the leader to the members */
    float (*xyz)[3];        /* [n_set][n_atoms] */
    cg_rmsd_set *set;
};

enum { COVERED = (1 << CG_BIOACTIVE_RADII) - 1 };

/* Makes the set of the live conformers from `first` on. */
static cg_status make_set(struct clusters *c, size_t first, size_t n_gen, cg_error *err)
{
    size_t size = c->n_atoms * sizeof *c->xyz;

    cg_rmsd_set_destroy(c->set);
    c->set = NULL;
    c->n_set = 0;
    for (size_t i = first; i < n_gen; i++)
        if (c->covered[i] != COVERED) {
            memcpy(c->xyz + c->n_set * c->n_atoms, c->gen + i * c->n_atoms, size);
            c->member[c->n_set++] = i;
        }
    c->n_live = c->n_set;
    return cg_rmsd_set_create((const float(*)[3])c->xyz, c->n_set, c->n_atoms, &c->set, err);
}

/* Conformer i becomes a leader of each radius at which it is not covered. */
static cg_status lead(struct clusters *c, size_t i, const cg_symmetry *symmetry, double *count,
                      cg_error *err)
{
    cg_rmsd_set *leader = NULL;
    unsigned char leads = (unsigned char)(COVERED & ~c->covered[i]);
    cg_status st;

    CG_TRY(cg_rmsd_set_create(c->gen + i * c->n_atoms, 1, c->n_atoms, &leader, err));
    CG_TRY_GOTO(st, cg_rmsd_matrix(leader, c->set, symmetry, c->row, err), out);
    for (int r = 0; r < CG_BIOACTIVE_RADII; r++)
        count[r] += leads >> r & 1;
    c->covered[i] = COVERED;
    c->n_live--;
    for (size_t k = 0; k < c->n_set; k++) {
        unsigned char *covered = &c->covered[c->member[k]];

        if (*covered == COVERED)
            continue;
        for (int r = 0; r < CG_BIOACTIVE_RADII; r++)
            if (leads >> r & 1 && (double)c->row[k] < cg_bioactive_radius(r))
                *covered |= (unsigned char)(1 << r);
        c->n_live -= *covered == COVERED;
    }
out:
    cg_rmsd_set_destroy(leader);
    return st;
}

static cg_status count_clusters(const float (*gen)[3], size_t n_gen, const cg_symmetry *symmetry,
                                const cg_rmsd_limits *limits, double start, double *ret_clusters,
                                int *limited, cg_error *err)
{
    struct clusters c = { .gen = gen, .n_atoms = symmetry->n_atoms };
    cg_symmetry maps = *symmetry; /* borrows the list */
    double count[CG_BIOACTIVE_RADII] = { 0 };
    size_t n = 0;
    cg_status st;

    c.covered = calloc(n_gen, 1);
    c.member = cg_alloc_array(n_gen, sizeof *c.member);
    c.row = cg_alloc_array(n_gen, sizeof *c.row);
    if (!cg_mul(n_gen, c.n_atoms, &n))
        c.xyz = cg_alloc_array(n, sizeof *c.xyz);
    if (!c.covered || !c.member || !c.row || !c.xyz) {
        st = cg_fail_nomem(err, "clusters");
        goto out;
    }
    CG_TRY_GOTO(st, make_set(&c, 0, n_gen, err), out);
    for (size_t i = 0; i < n_gen; i++) {
        if (c.covered[i] == COVERED)
            continue;
        if (c.n_live <= c.n_set / 2)
            CG_TRY_GOTO(st, make_set(&c, i, n_gen, err), out);
        if (limits->seconds > 0 && limits->few_maps < maps.n_maps &&
            cg_now() - start > limits->seconds) {
            maps.n_maps = limits->few_maps;
            *limited = 1;
        }
        CG_TRY_GOTO(st, lead(&c, i, &maps, count, err), out);
    }
    memcpy(ret_clusters, count, sizeof count);
    st = CG_OK;
out:
    cg_rmsd_set_destroy(c.set);
    free(c.covered);
    free(c.member);
    free(c.row);
    free(c.xyz);
    return st;
}

cg_status cg_recovery_compare(const cg_rmsd_set *ref, size_t n_ref, const float (*gen)[3],
                              size_t n_gen, const cg_symmetry *symmetry,
                              const cg_rmsd_limits *limits, float *ret_ref_min, float *ret_gen_min,
                              cg_bioactive *ret_figures, cg_rmsd_count *ret_count, cg_error *err)
{
    float *part = cg_alloc_array(n_ref, sizeof *part);
    cg_bioactive figures = cg_bioactive_missing();
    cg_rmsd_count count = { 0 };
    double start = cg_now();
    size_t done = 0;
    cg_status st = CG_OK;

    if (!part)
        return cg_fail_nomem(err, "RMSD");
    for (size_t i = 0; i < n_ref; i++)
        ret_ref_min[i] = INFINITY;
    for (int k = 0; k < CG_BIOACTIVE_COUNTS; k++) {
        uint64_t wanted = cg_bioactive_count(k);
        size_t until = wanted < n_gen ? (size_t)wanted : n_gen;
        cg_rmsd_limits limit = remaining(limits, start);

        if (until > done)
            CG_TRY_GOTO(st,
                        run_part(ref, n_ref, gen + done * symmetry->n_atoms, until - done, symmetry,
                                 &limit, part, ret_ref_min, ret_gen_min + done, &count, err),
                        out);
        done = until;
        cg_bioactive_set(&figures, k, ret_ref_min, n_ref);
    }
    CG_TRY_GOTO(
        st,
        count_clusters(gen, n_gen, symmetry, limits, start, figures.clusters, &count.limited, err),
        out);
    *ret_figures = figures;
    *ret_count = count;
out:
    free(part);
    return st;
}

/* ---- torsions ----------------------------------------------------------------------------- */

cg_status cg_recovery_torsions(const cg_torsions *torsions, const float (*ref)[3], size_t n_ref,
                               const float (*gen)[3], size_t n_gen, size_t n_atoms,
                               cg_bioactive *figures, cg_error *err)
{
    size_t n = cg_torsions_count(torsions), n_angles, done = 0;
    double *angles = NULL, *least = cg_alloc_array(n_ref, sizeof *least);
    double *of_gen = cg_alloc_array(n, sizeof *of_gen);
    cg_status st = CG_OK;

    if (!cg_mul(n_ref, n, &n_angles))
        angles = cg_alloc_array(n_angles, sizeof *angles);
    if (!angles || !least || !of_gen) {
        st = cg_fail_nomem(err, "torsions");
        goto out;
    }
    for (size_t i = 0; i < n_ref; i++) {
        cg_torsions_angles(torsions, ref + i * n_atoms, angles + i * n);
        least[i] = INFINITY;
    }
    for (int k = 0; k < CG_BIOACTIVE_COUNTS; k++) {
        double sum = 0;

        for (; done < n_gen && done < cg_bioactive_count(k); done++) {
            cg_torsions_angles(torsions, gen + done * n_atoms, of_gen);
            for (size_t i = 0; i < n_ref; i++)
                least[i] = fmin(least[i], cg_torsions_deviation(torsions, angles + i * n, of_gen));
        }
        for (size_t i = 0; i < n_ref; i++)
            sum += least[i];
        figures->tfd[k] = sum / (double)n_ref;
    }
out:
    free(angles);
    free(least);
    free(of_gen);
    return st;
}
