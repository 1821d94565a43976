/* SPDX-License-Identifier: MIT */
#include "eval/rmsd_program.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"

/* An atom and the smallest atom that any map puts in its place: alike within an orbit. */
struct place {
    uint16_t atom, orbit;
    int moved;
};

struct sorter {
    const cg_symmetry *symmetry;
    struct place *order; /* [n_atoms] */
};

/* Atoms that no map moves first, then orbit by orbit: what moves together stands together. */
static int compare_places(const void *x, const void *y)
{
    const struct place *a = x, *b = y;

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

static size_t common_depth(const struct sorter *s, size_t a, size_t b)
{
    size_t d = 0;

    while (d < s->symmetry->n_atoms && image(s, a, d) == image(s, b, d))
        d++;
    return d;
}

static void order_atoms(const struct sorter *s, size_t n_maps)
{
    size_t n = s->symmetry->n_atoms;

    for (size_t i = 0; i < n; i++)
        s->order[i] = (struct place) { (uint16_t)i, (uint16_t)i, 0 };
    for (size_t m = 0; m < n_maps; m++)
        for (size_t i = 0; i < n; i++) {
            uint16_t to = s->symmetry->maps[m * n + i];

            s->order[i].moved |= to != i;
            if (to < s->order[i].orbit)
                s->order[i].orbit = to;
        }
    qsort(s->order, n, sizeof *s->order, compare_places);
}

struct writer {
    cg_rmsd_program *program;
    size_t steps_cap, pairs_cap;
};

/* A step that adds the atoms at depths [from, to) of the map. */
static int put_step(struct writer *w, const struct sorter *s, size_t map, size_t from_depth,
                    size_t to_depth, size_t from, size_t to)
{
    cg_rmsd_program *p = w->program;
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
 * Steps of one map, last first. Its sums begin with those that the map before shares with it, `own`
 * atoms of them, kept in `level`; on the way the depths of keep[] are kept for maps behind.
 */
static int put_map(struct writer *w, const struct sorter *s, size_t map, size_t own, size_t level,
                   const size_t *keep, size_t n_keep)
{
    size_t end = s->symmetry->n_atoms, to = CG_RMSD_NO_LEVEL;

    while (n_keep > 0 && keep[n_keep - 1] > own) {
        n_keep--;
        if (put_step(w, s, map, keep[n_keep], end, n_keep, to))
            return -1;
        end = keep[n_keep];
        to = n_keep;
    }
    return put_step(w, s, map, own, end, own ? level : CG_RMSD_NO_LEVEL, to);
}

/*
 * From the last map to the first. keep[] is a stack of the depths that maps behind go on from,
 * ascending; a depth's place in it is its level.
 */
static int put_maps(struct writer *w, const struct sorter *s, const size_t *maps, size_t n_maps,
                    size_t *keep)
{
    cg_rmsd_program *p = w->program;
    size_t n_keep = 0;

    for (size_t m = n_maps; m-- > 0;) {
        size_t own = m ? common_depth(s, maps[m - 1], maps[m]) : 0;
        size_t level = 0;

        while (level < n_keep && keep[level] < own)
            level++;
        if (put_map(w, s, maps[m], own, level, keep, n_keep))
            return -1;
        n_keep = level;
        if (own)
            keep[n_keep++] = own;
        if (n_keep > p->n_levels)
            p->n_levels = n_keep;
    }
    for (size_t i = 0, j = p->n_steps; i + 1 < j; i++) {
        cg_rmsd_step step = p->steps[i];

        p->steps[i] = p->steps[--j];
        p->steps[j] = step;
    }
    return 0;
}

cg_status cg_rmsd_program_init(const cg_symmetry *symmetry, size_t n_maps,
                               cg_rmsd_program *ret_program, cg_error *err)
{
    cg_rmsd_program program = { .n_atoms = symmetry->n_atoms, .n_maps = n_maps };
    struct writer w = { .program = &program };
    struct sorter s = { symmetry, cg_alloc_array(symmetry->n_atoms, sizeof *s.order) };
    size_t *maps = cg_alloc_array(n_maps, sizeof *maps);
    size_t *keep = cg_alloc_array(symmetry->n_atoms + 1, sizeof *keep);
    int failed = !s.order || !maps || !keep;

    if (!failed) {
        for (size_t i = 0; i < n_maps; i++)
            maps[i] = i;
        order_atoms(&s, n_maps);
        qsort_r(maps, n_maps, sizeof *maps, compare_maps, &s);
        failed = put_maps(&w, &s, maps, n_maps, keep);
    }
    free(s.order);
    free(maps);
    free(keep);
    if (failed) {
        cg_rmsd_program_finish(&program);
        return cg_fail(err, CG_ERR_NOMEM, "RMSD over %zu maps of %zu atoms: out of memory", n_maps,
                       symmetry->n_atoms);
    }
    *ret_program = program;
    return CG_OK;
}

void cg_rmsd_program_finish(cg_rmsd_program *program)
{
    free(program->steps);
    free(program->pairs);
    *program = (cg_rmsd_program) { 0 };
}
