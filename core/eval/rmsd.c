/* SPDX-License-Identifier: MIT */
#include "eval/rmsd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/size.h"
#include "eval/rmsd_kernel.h"

enum {
    LANES = CG_RMSD_LANES,
    ALIGN = 64,
    CLOCK_PERIOD = 4096, /* superpositions of eight conformers between two readings of the clock */
};

/*
 * Conformers are sorted by norm: the eight of a block are then similar, and one bound often decides
 * about all of them. The last block is padded with copies of the last conformer.
 */
struct cg_rmsd_set {
    size_t n, n_atoms, n_blocks;
    size_t *index;    /* [n] in the caller's order */
    double *xyz;      /* [n_blocks][n_atoms][3][LANES] centred, scaled to norm 1 (or all 0) */
    double *norm;     /* [n_blocks][LANES] Å, ascending */
    double *singular; /* [n_blocks][3][LANES] singular values of xyz, descending */
};

static double *alloc_doubles(size_t a, size_t b)
{
    size_t n, bytes;

    if (cg_mul(a, b, &n) || cg_mul(n, sizeof(double), &bytes) || cg_add(bytes, ALIGN - 1, &bytes))
        return NULL;
    bytes = bytes / ALIGN * ALIGN;
    return aligned_alloc(ALIGN, bytes ? bytes : ALIGN);
}

/* ---- sets -------------------------------------------------------------------------------- */

struct sized {
    double norm;
    size_t index;
};

static int compare_sized(const void *x, const void *y)
{
    const struct sized *a = x, *b = y;

    if (a->norm != b->norm)
        return a->norm < b->norm ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static void find_centroid(const float (*xyz)[3], size_t n_atoms, double centroid[3])
{
    centroid[0] = centroid[1] = centroid[2] = 0;
    for (size_t i = 0; i < n_atoms; i++)
        for (int k = 0; k < 3; k++)
            centroid[k] += (double)xyz[i][k];
    for (int k = 0; k < 3; k++)
        centroid[k] /= (double)n_atoms;
}

/* Root of the sum of squares about the centroid; not finite if a coordinate is not. */
static double find_norm(const float (*xyz)[3], size_t n_atoms)
{
    double centroid[3], sum = 0;

    find_centroid(xyz, n_atoms, centroid);
    for (size_t i = 0; i < n_atoms; i++)
        for (int k = 0; k < 3; k++) {
            double d = (double)xyz[i][k] - centroid[k];

            sum += d * d;
        }
    return sqrt(sum);
}

/* Stores a conformer at sorted position `at`. */
static void store_conformer(cg_rmsd_set *set, const float (*xyz)[3], double norm, size_t at)
{
    size_t lane = at % LANES;
    double *to = set->xyz + at / LANES * set->n_atoms * 3 * LANES + lane;
    double *singular = set->singular + at / LANES * 3 * LANES + lane;
    double centroid[3], values[3], gram[4][4] = { { 0 } };

    find_centroid(xyz, set->n_atoms, centroid);
    for (size_t i = 0; i < set->n_atoms; i++) {
        double p[3];

        for (int k = 0; k < 3; k++) {
            p[k] = norm > 0 ? ((double)xyz[i][k] - centroid[k]) / norm : 0;
            to[(i * 3 + (size_t)k) * LANES] = p[k];
        }
        for (int k = 0; k < 3; k++)
            for (int l = 0; l < 3; l++)
                gram[k][l] += p[k] * p[l];
    }
    cg_rmsd_eigenvalues(3, gram, values);
    for (int k = 0; k < 3; k++)
        singular[k * LANES] = sqrt(values[k] > 0 ? values[k] : 0);
    set->norm[at] = norm;
}

cg_status cg_rmsd_set_create(const float (*xyz)[3], size_t n_conformers, size_t n_atoms,
                             cg_rmsd_set **ret_set, cg_error *err)
{
    cg_rmsd_set *set = calloc(1, sizeof *set);
    struct sized *order = cg_alloc_array(n_conformers, sizeof *order);
    size_t values;
    cg_status st = CG_OK;

    if (n_atoms == 0) {
        st =
            cg_fail(err, CG_ERR_USAGE, "RMSD: found conformers without atoms, wanted at least one");
        goto out;
    }
    if (set) {
        set->n = n_conformers;
        set->n_atoms = n_atoms;
        set->n_blocks = n_conformers / LANES + (n_conformers % LANES != 0);
        set->index = cg_alloc_array(n_conformers, sizeof *set->index);
        set->xyz =
            cg_mul(n_atoms, 3 * LANES, &values) ? NULL : alloc_doubles(set->n_blocks, values);
        set->norm = alloc_doubles(set->n_blocks, LANES);
        set->singular = alloc_doubles(set->n_blocks, 3 * LANES);
    }
    if (!set || !order || !set->index || !set->xyz || !set->norm || !set->singular) {
        st = cg_fail(err, CG_ERR_NOMEM, "RMSD of %zu conformers of %zu atoms: out of memory",
                     n_conformers, n_atoms);
        goto out;
    }
    for (size_t i = 0; i < n_conformers; i++) {
        order[i] = (struct sized) { find_norm(xyz + i * n_atoms, n_atoms), i };
        if (!isfinite(order[i].norm)) {
            st = cg_fail(err, CG_ERR_INPUT,
                         "RMSD: conformer %zu: found a coordinate that is not finite", i + 1);
            goto out;
        }
    }
    qsort(order, n_conformers, sizeof *order, compare_sized);
    for (size_t at = 0; at < set->n_blocks * LANES; at++) {
        const struct sized *s = &order[at < n_conformers ? at : n_conformers - 1];

        if (at < n_conformers)
            set->index[at] = s->index;
        store_conformer(set, xyz + s->index * n_atoms, s->norm, at);
    }
    *ret_set = set;
    set = NULL;
out:
    free(order);
    cg_rmsd_set_destroy(set);
    return st;
}

void cg_rmsd_set_destroy(cg_rmsd_set *set)
{
    if (!set)
        return;
    free(set->index);
    free(set->xyz);
    free(set->norm);
    free(set->singular);
    free(set);
}

/* ---- kernels ----------------------------------------------------------------------------- */

/* Best first. */
static const struct kernel_variant {
    uint32_t required; /* CG_CPU_* */
    const cg_rmsd_kernel *kernel;
} variants[] = {
#ifdef CG_RMSD_X86
    { CG_CPU_AVX512F | CG_CPU_AVX512VL | CG_CPU_AVX512DQ, &cg_rmsd_avx512 },
    { CG_CPU_AVX2, &cg_rmsd_avx2 },
#endif
    { 0, &cg_rmsd_generic },
};

const cg_rmsd_kernel *cg_rmsd_kernel_get(int i)
{
    uint32_t flags = cg_cpu_flags();

    for (size_t k = 0; k < sizeof variants / sizeof variants[0]; k++)
        if ((variants[k].required & ~flags) == 0 && i-- == 0)
            return variants[k].kernel;
    return NULL;
}

/* ---- comparison -------------------------------------------------------------------------- */

/* Working state of comparing set a with set b. */
struct comparison {
    const cg_rmsd_set *a, *b;
    const cg_rmsd_kernel *kernel;
    cg_rmsd_plan plan;
    double *level;            /* [n_levels][CG_RMSD_PRODUCTS][LANES] partial inner products */
    double *coords_a;         /* [n_atoms][3] of the current conformer of a */
    double *buf;              /* owns the two below */
    double *threshold, *best; /* [LANES] */
};

static void comparison_finish(struct comparison *c)
{
    cg_rmsd_plan_finish(&c->plan);
    free(c->level);
    free(c->coords_a);
    free(c->buf);
}

static cg_status comparison_init(struct comparison *c, const cg_rmsd_set *a, const cg_rmsd_set *b,
                                 const cg_symmetry *symmetry, cg_error *err)
{
    c->a = a;
    c->b = b;
    c->kernel = cg_rmsd_kernel_get(0);
    if (a->n_atoms != b->n_atoms || a->n_atoms != symmetry->n_atoms || symmetry->n_maps < 1)
        return cg_fail(err, CG_ERR_MISMATCH,
                       "RMSD: the conformer sets have %zu and %zu atoms and the symmetry maps %zu "
                       "(%zu maps); all three must describe the same molecule",
                       a->n_atoms, b->n_atoms, symmetry->n_atoms, symmetry->n_maps);
    CG_TRY(cg_rmsd_plan_init(symmetry, symmetry->n_maps, &c->plan, err));
    c->level = alloc_doubles(c->plan.n_levels, CG_RMSD_PRODUCTS * LANES);
    c->coords_a = alloc_doubles(a->n_atoms, 3);
    c->buf = alloc_doubles(2, LANES);
    if (!c->level || !c->coords_a || !c->buf)
        return cg_fail_nomem(err, "RMSD");
    c->threshold = c->buf;
    c->best = c->buf + LANES;
    return CG_OK;
}

/* Copies the coordinates of a's conformer at position i contiguously to c->coords_a. */
static void load_conformer(struct comparison *c, size_t i)
{
    size_t n = c->a->n_atoms * 3;
    const double *from = c->a->xyz + i / LANES * n * LANES + i % LANES;

    for (size_t k = 0; k < n; k++)
        c->coords_a[k] = from[k * LANES];
}

/* Largest lambdas between the conformer of a and the eight conformers of a block, to c->best. */
static void run_block(struct comparison *c, const cg_rmsd_plan *plan, size_t block)
{
    cg_rmsd_block t = { plan,         c->coords_a, c->b->xyz + block * c->b->n_atoms * 3 * LANES,
                        c->threshold, c->level,    c->best };

    c->kernel->run(&t);
}

/* Mean square deviation times the number of atoms, from the norms and lambda. */
static double squared_deviation(double norm_a, double norm_b, double lambda)
{
    double rest = lambda < 1 ? 1 - lambda : 0;

    return (norm_a - norm_b) * (norm_a - norm_b) + 2 * norm_a * norm_b * rest;
}

static float to_rmsd(double squares, size_t n_atoms)
{
    return (float)sqrt(squares / (double)n_atoms);
}

cg_status cg_rmsd_matrix(const cg_rmsd_set *a, const cg_rmsd_set *b, const cg_symmetry *symmetry,
                         float *ret_rmsd, cg_error *err)
{
    struct comparison c = { 0 };
    cg_status st;

    CG_TRY_GOTO(st, comparison_init(&c, a, b, symmetry, err), out);
    for (int l = 0; l < LANES; l++)
        c.threshold[l] = CG_RMSD_NO_LAMBDA; /* no pruning: compute every pair */
    for (size_t i = 0; i < a->n; i++) {
        float *ret_row = ret_rmsd + a->index[i] * b->n;

        load_conformer(&c, i);
        for (size_t at = 0; at < b->n; at++) {
            if (at % LANES == 0)
                run_block(&c, &c.plan, at / LANES);
            ret_row[b->index[at]] =
                to_rmsd(squared_deviation(a->norm[i], b->norm[at], c.best[at % LANES]), a->n_atoms);
        }
    }
out:
    comparison_finish(&c);
    return st;
}

/* ---- minima ------------------------------------------------------------------------------ */

struct minima {
    struct comparison c;
    cg_rmsd_plan few;         /* over the first maps only, used after the time limit */
    const cg_rmsd_plan *plan; /* in use: c.plan or few */
    double *min_a;            /* [n_a] least squared deviation so far, by sorted position */
    double *min_b;            /* [n_blocks][LANES] */
    double deadline;          /* 0: none */
    size_t until_clock;       /* superpositions before the next reading of the clock */
    cg_rmsd_count count;
};

static void check_deadline(struct minima *m)
{
    if (m->deadline == 0 || m->count.limited)
        return;
    if (m->until_clock > m->plan->n_maps) {
        m->until_clock -= m->plan->n_maps;
        return;
    }
    m->until_clock = CLOCK_PERIOD;
    if (cg_now() > m->deadline) {
        m->plan = &m->few;
        m->count.limited = 1;
    }
}

/* Compares the conformer of a at sorted position i with all of b. */
static void run_row(struct minima *m, size_t i)
{
    const cg_rmsd_set *a = m->c.a, *b = m->c.b;
    const double *singular = a->singular + i / LANES * 3 * LANES + i % LANES;
    cg_rmsd_bound bound = { .norm_a = a->norm[i],
                            .singular_a = { singular[0], singular[LANES], singular[2 * LANES] },
                            .threshold = m->c.threshold };

    load_conformer(&m->c, i);
    for (size_t block = 0; block < b->n_blocks; block++) {
        size_t valid = b->n - block * LANES < LANES ? b->n - block * LANES : LANES;
        double *min_b = m->min_b + block * LANES;

        bound.msd_a = m->min_a[i];
        bound.norm_b = b->norm + block * LANES;
        bound.singular_b = b->singular + block * 3 * LANES;
        bound.msd_b = min_b;
        if (!m->c.kernel->bound(&bound)) {
            m->count.pruned += valid;
            continue;
        }
        check_deadline(m);
        run_block(&m->c, m->plan, block);
        m->count.maps_tried += valid * m->plan->n_maps;
        for (int l = 0; l < LANES; l++) {
            double d = squared_deviation(bound.norm_a, bound.norm_b[l], m->c.best[l]);

            min_b[l] = d < min_b[l] ? d : min_b[l];
            m->min_a[i] = d < m->min_a[i] ? d : m->min_a[i];
        }
    }
}

/* A step, coprime to n, that visits all n positions in an order that covers the range evenly early
 * on: about n / 1.618. */
static size_t stride(size_t n)
{
    size_t s = (size_t)((double)n * 0.6180339887498949), a, b;

    for (s = s ? s : 1;; s++) {
        for (a = n, b = s; b;) {
            size_t rest = a % b;

            a = b;
            b = rest;
        }
        if (a == 1)
            return s;
    }
}

static cg_status minima_init(struct minima *m, const cg_rmsd_set *a, const cg_rmsd_set *b,
                             const cg_symmetry *symmetry, const cg_rmsd_limits *limits,
                             cg_error *err)
{
    CG_TRY(comparison_init(&m->c, a, b, symmetry, err));
    m->min_a = alloc_doubles(a->n, 1);
    m->min_b = alloc_doubles(b->n_blocks, LANES);
    if (!m->min_a || !m->min_b)
        return cg_fail_nomem(err, "RMSD");
    for (size_t i = 0; i < a->n; i++)
        m->min_a[i] = INFINITY;
    for (size_t i = 0; i < b->n_blocks * LANES; i++)
        m->min_b[i] = INFINITY;
    m->plan = &m->c.plan;
    m->count.pairs = (uint64_t)a->n * b->n;
    if (!limits || limits->seconds <= 0 || limits->few_maps >= symmetry->n_maps)
        return CG_OK;
    if (limits->few_maps < 1)
        return cg_fail(err, CG_ERR_USAGE,
                       "RMSD: found 0 maps for the time after the limit, wanted "
                       "at least one");
    m->deadline = cg_now() + limits->seconds;
    return cg_rmsd_plan_init(symmetry, limits->few_maps, &m->few, err);
}

cg_status cg_rmsd_minima(const cg_rmsd_set *a, const cg_rmsd_set *b, const cg_symmetry *symmetry,
                         const cg_rmsd_limits *limits, float *ret_min_a, float *ret_min_b,
                         cg_rmsd_count *ret_count, cg_error *err)
{
    struct minima m = { .until_clock = CLOCK_PERIOD };
    cg_status st;

    CG_TRY_GOTO(st, minima_init(&m, a, b, symmetry, limits, err), out);
    for (size_t i = 0, at = 0, by = a->n ? stride(a->n) : 0; i < a->n; i++) {
        run_row(&m, at);
        at = (at + by) % a->n;
    }
    for (size_t i = 0; i < a->n; i++)
        ret_min_a[a->index[i]] = to_rmsd(m.min_a[i], a->n_atoms);
    for (size_t i = 0; i < b->n; i++)
        ret_min_b[b->index[i]] = to_rmsd(m.min_b[i], b->n_atoms);
    if (ret_count)
        *ret_count = m.count;
out:
    comparison_finish(&m.c);
    cg_rmsd_plan_finish(&m.few);
    free(m.min_a);
    free(m.min_b);
    return st;
}

/* ---- leaders ----------------------------------------------------------------------------- */

/* The conformers without a leader are the live ones of the set. */
struct leaders {
    struct comparison c;
    cg_rmsd_set *set;
    size_t *position; /* [n] of the caller's conformers in the set; valid for live ones */
    size_t n_live;
    unsigned char *live;     /* [n_blocks][LANES] */
    unsigned char *in_block; /* [n_blocks] number of live conformers */
    double *limit;           /* [LANES] squared deviations of interest */
    double radius;
    size_t *leader; /* [n] the caller's */
};

/* Moves a conformer of the set to another position, and overwrites the conformer there. */
static void move_conformer(cg_rmsd_set *set, size_t from, size_t to)
{
    const size_t n = set->n_atoms * 3;
    double *xyz = set->xyz + to / LANES * n * LANES + to % LANES;
    double *singular = set->singular + to / LANES * 3 * LANES + to % LANES;
    const double *old = set->xyz + from / LANES * n * LANES + from % LANES;
    const double *values = set->singular + from / LANES * 3 * LANES + from % LANES;

    for (size_t k = 0; k < n; k++)
        xyz[k * LANES] = old[k * LANES];
    for (size_t k = 0; k < 3; k++)
        singular[k * LANES] = values[k * LANES];
    set->norm[to] = set->norm[from];
    set->index[to] = set->index[from];
}

/* Removes the others from the set, which stays sorted. */
static void keep_live(struct leaders *l)
{
    cg_rmsd_set *set = l->set;
    size_t n = 0;

    for (size_t at = 0; at < set->n; at++) {
        if (!l->live[at])
            continue;
        if (at != n)
            move_conformer(set, at, n);
        l->position[set->index[n]] = n;
        n++;
    }
    set->n = n;
    set->n_blocks = n / LANES + (n % LANES != 0);
    memset(l->live, 0, set->n_blocks * LANES);
    memset(l->live, 1, n);
    for (size_t block = 0; block < set->n_blocks; block++)
        l->in_block[block] = (unsigned char)(n - block * LANES < LANES ? n - block * LANES : LANES);
}

static void set_leader(struct leaders *l, size_t at, size_t leader)
{
    l->leader[l->set->index[at]] = leader;
    l->live[at] = 0;
    l->in_block[at / LANES]--;
    l->n_live--;
}

/* Compares the conformer at sorted position `at`, a new leader, with the live ones. */
static void lead(struct leaders *l, size_t at)
{
    const cg_rmsd_set *set = l->set;
    const double *singular = set->singular + at / LANES * 3 * LANES + at % LANES;
    cg_rmsd_bound bound = { .norm_a = set->norm[at],
                            .singular_a = { singular[0], singular[LANES], singular[2 * LANES] },
                            .msd_b = l->limit,
                            .threshold = l->c.threshold };
    size_t leader = set->index[at];

    load_conformer(&l->c, at);
    set_leader(l, at, leader);
    for (size_t block = 0; block < set->n_blocks; block++) {
        bound.norm_b = set->norm + block * LANES;
        bound.singular_b = set->singular + block * 3 * LANES;
        if (!l->in_block[block] || !l->c.kernel->bound(&bound))
            continue;
        run_block(&l->c, &l->c.plan, block);
        for (size_t k = 0; k < LANES; k++) {
            size_t to = block * LANES + k;
            double d;

            if (!l->live[to])
                continue;
            d = squared_deviation(bound.norm_a, bound.norm_b[k], l->c.best[k]);
            if ((double)to_rmsd(d, set->n_atoms) < l->radius)
                set_leader(l, to, leader);
        }
    }
}

static cg_status leaders_init(struct leaders *l, const float (*xyz)[3], size_t n,
                              const cg_symmetry *symmetry, cg_error *err)
{
    CG_TRY(cg_rmsd_set_create(xyz, n, symmetry->n_atoms, &l->set, err));
    CG_TRY(comparison_init(&l->c, l->set, l->set, symmetry, err));
    l->position = cg_alloc_array(n, sizeof *l->position);
    l->live = cg_alloc_array(l->set->n_blocks, LANES);
    l->in_block = cg_alloc_array(l->set->n_blocks, 1);
    l->limit = alloc_doubles(LANES, 1);
    if (!l->position || !l->live || !l->in_block || !l->limit)
        return cg_fail_nomem(err, "RMSD");
    /* the bound is rounded less than a float is */
    for (int k = 0; k < LANES; k++)
        l->limit[k] = l->radius * l->radius * (double)symmetry->n_atoms * (1 + 1e-6);
    memset(l->live, 1, n);
    l->n_live = n;
    keep_live(l);
    return CG_OK;
}

cg_status cg_rmsd_leaders(const float (*xyz)[3], size_t n, const cg_symmetry *symmetry,
                          double radius, size_t *ret_leader, cg_error *err)
{
    struct leaders l = { .radius = radius, .leader = ret_leader };
    cg_status st;

    CG_TRY_GOTO(st, leaders_init(&l, xyz, n, symmetry, err), out);
    for (size_t i = 0; i < n; i++)
        ret_leader[i] = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        if (ret_leader[i] != SIZE_MAX)
            continue;
        if (l.n_live <= l.set->n / 2)
            keep_live(&l);
        lead(&l, l.position[i]);
    }
out:
    comparison_finish(&l.c);
    cg_rmsd_set_destroy(l.set);
    free(l.position);
    free(l.live);
    free(l.in_block);
    free(l.limit);
    return st;
}
