/* SPDX-License-Identifier: MIT */
#include "eval/rmsd_plan.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"

/* An atom, and the smallest atom that any map sends it to: equal within an orbit. */
struct ordered_atom {
    uint16_t atom, orbit;
    int moved; /* some map moves it */
};

struct sorter {
    const cg_symmetry *symmetry;
    struct ordered_atom *order; /* [n_atoms] */
};

/* Fixed atoms first, then orbit by orbit, so that atoms that move together are adjacent. */
static int compare_atoms(const void *x, const void *y)
{
    const struct ordered_atom *a = x, *b = y;

    if (a->moved != b->moved)
        return a->moved - b->moved;
    if (a->orbit != b->orbit)
        return a->orbit - b->orbit;
    return a->atom - b->atom;
}

static uint16_t image(const struct sorter *s, size_t map, size_t depth)
{
    return s->symmetry->maps[map * s->symmetry->n_atoms + s->order[depth].atom];
}

static int compare_maps(const void *x, const void *y, void *arg)
{
    const struct sorter *s = arg;
    size_t a = *(const size_t *)x, b = *(const size_t *)y;

    for (size_t d = 0; d < s->symmetry->n_atoms; d++)
        if (image(s, a, d) != image(s, b, d))
            return image(s, a, d) < image(s, b, d) ? -1 : 1;
    return 0;
}

/* Number of leading atoms with equal images in two maps. */
static size_t common_depth(const struct sorter *s, size_t a, size_t b)
{
    size_t d = 0;

    while (d < s->symmetry->n_atoms && image(s, a, d) == image(s, b, d))
        d++;
    return d;
}

/* Fills s->order: each atom's orbit is its least image, and fixed atoms come first. */
static void order_atoms(const struct sorter *s, size_t n_maps)
{
    size_t n = s->symmetry->n_atoms;

    for (size_t i = 0; i < n; i++)
        s->order[i] = (struct ordered_atom) { (uint16_t)i, (uint16_t)i, 0 };
    for (size_t m = 0; m < n_maps; m++)
        for (size_t i = 0; i < n; i++) {
            uint16_t to = s->symmetry->maps[m * n + i];

            s->order[i].moved |= to != i;
            if (to < s->order[i].orbit)
                s->order[i].orbit = to;
        }
    qsort(s->order, n, sizeof *s->order, compare_atoms);
}

struct plan_builder {
    cg_rmsd_plan *plan;
    size_t steps_cap, pairs_cap;
};

/* Appends a step that adds the atoms at depths [from_depth, to_depth) of the map. */
static int put_step(struct plan_builder *w, const struct sorter *s, size_t map, size_t from_depth,
                    size_t to_depth, size_t from, size_t to)
{
    cg_rmsd_plan *p = w->plan;
    size_t n = to_depth - from_depth;

    if (cg_grow((void **)&p->steps, &w->steps_cap, p->n_steps + 1, sizeof *p->steps) ||
        cg_grow((void **)&p->pairs, &w->pairs_cap, p->n_pairs + n, sizeof *p->pairs))
        return -1;
    p->steps[p->n_steps++] =
        (cg_rmsd_step) { (uint16_t)from, (uint16_t)to, (uint32_t)n, p->n_pairs };
    for (size_t d = from_depth; d < to_depth; d++) {
        p->pairs[p->n_pairs][0] = image(s, map, d);
        p->pairs[p->n_pairs++][1] = s->order[d].atom;
    }
    return 0;
}

/*
 * Appends the steps of one map, last first. The map starts from the sums over the first `shared`
 * depths, which it shares with the previous map and which are stored in `level`. Sums at the depths
 * of kept[] are stored on the way for later maps.
 */
static int put_map(struct plan_builder *w, const struct sorter *s, size_t map, size_t shared,
                   size_t level, const size_t *kept, size_t n_kept)
{
    size_t end = s->symmetry->n_atoms, to = CG_RMSD_NO_LEVEL;

    while (n_kept > 0 && kept[n_kept - 1] > shared) {
        n_kept--;
        if (put_step(w, s, map, kept[n_kept], end, n_kept, to))
            return -1;
        end = kept[n_kept];
        to = n_kept;
    }
    return put_step(w, s, map, shared, end, shared ? level : CG_RMSD_NO_LEVEL, to);
}

/*
 * Appends all maps, last to first, and then reverses the steps. kept[] is a stack, ascending, of
 * the depths that later maps start from; the index of a depth in it is its level.
 */
static int put_maps(struct plan_builder *w, const struct sorter *s, const size_t *maps,
                    size_t n_maps, size_t *kept)
{
    cg_rmsd_plan *p = w->plan;
    size_t n_kept = 0;

    for (size_t m = n_maps; m-- > 0;) {
        size_t shared = m ? common_depth(s, maps[m - 1], maps[m]) : 0;
        size_t level = 0;

        while (level < n_kept && kept[level] < shared)
            level++;
        if (put_map(w, s, maps[m], shared, level, kept, n_kept))
            return -1;
        n_kept = level;
        if (shared)
            kept[n_kept++] = shared;
        if (n_kept > p->n_levels)
            p->n_levels = n_kept;
    }
    for (size_t i = 0, j = p->n_steps; i + 1 < j; i++) {
        cg_rmsd_step step = p->steps[i];

        p->steps[i] = p->steps[--j];
        p->steps[j] = step;
    }
    return 0;
}

cg_status cg_rmsd_plan_init(const cg_symmetry *symmetry, size_t n_maps, cg_rmsd_plan *ret_plan,
                            cg_error *err)
{
    cg_rmsd_plan plan = { .n_atoms = symmetry->n_atoms, .n_maps = n_maps };
    struct plan_builder w = { .plan = &plan };
    struct sorter s = { symmetry, cg_alloc_array(symmetry->n_atoms, sizeof *s.order) };
    size_t *maps = cg_alloc_array(n_maps, sizeof *maps);
    size_t *kept = cg_alloc_array(symmetry->n_atoms + 1, sizeof *kept);
    int failed = !s.order || !maps || !kept;

    if (!failed) {
        for (size_t i = 0; i < n_maps; i++)
            maps[i] = i;
        order_atoms(&s, n_maps);
        qsort_r(maps, n_maps, sizeof *maps, compare_maps, &s);
        failed = put_maps(&w, &s, maps, n_maps, kept);
    }
    free(s.order);
    free(maps);
    free(kept);
    if (failed) {
        cg_rmsd_plan_finish(&plan);
        return cg_fail(err, CG_ERR_NOMEM, "RMSD over %zu maps of %zu atoms: out of memory", n_maps,
                       symmetry->n_atoms);
    }
    *ret_plan = plan;
    return CG_OK;
}

void cg_rmsd_plan_finish(cg_rmsd_plan *plan)
{
    free(plan->steps);
    free(plan->pairs);
    *plan = (cg_rmsd_plan) { 0 };
}
