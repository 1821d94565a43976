/* SPDX-License-Identifier: MIT */
#include "minimizer_image.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { ALIGNMENT = 8 };

/* ---- layout --------------------------------------------------------------------------------- */

/* Places n elements at *end and moves it behind them. The sizes are a few times those of tables in
 * memory: they do not overflow. */
static size_t take(size_t *end, size_t n, size_t size)
{
    size_t at = *end;

    *end += (n * size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return at;
}

/* Sets the level of each column, one above those of its rows. Returns the number of levels. */
static int32_t find_levels(const cg_stiffness *s, int32_t n_atoms, int32_t *levels)
{
    int32_t n = 0;

    for (int32_t c = n_atoms - 1; c >= 0; c--) {
        levels[c] = 0;
        for (int32_t k = s->columns[c]; k < s->columns[c + 1]; k++)
            if (levels[s->rows[k]] >= levels[c])
                levels[c] = levels[s->rows[k]] + 1;
        if (levels[c] >= n)
            n = levels[c] + 1;
    }
    return n;
}

static void set_counts(const cg_minimizer_job *job, const cg_stiffness *s, cg_minimizer_image *m)
{
    const cg_mmff_tables *t = job->tables;

    m->n_atoms = t->n_atoms;
    m->n_bonds = t->n_bonds;
    m->n_angles = t->n_angles;
    m->n_planes = t->n_planes;
    m->n_torsions = t->n_torsions;
    m->n_pairs = t->n_pairs;
    m->n_parts = 2 * t->n_bonds + 3 * t->n_angles + 4 * t->n_planes + 4 * t->n_torsions;
    m->n_blocks = s->n_blocks;
    for (int32_t c = 0; c < t->n_atoms; c++)
        if (s->columns[c + 1] - s->columns[c] > m->max_rows)
            m->max_rows = s->columns[c + 1] - s->columns[c];
    m->n_stages = job->n_stages;
}

static size_t count_updates(const cg_stiffness *s, int32_t n_atoms)
{
    size_t n = 0;

    for (int32_t c = 0; c < n_atoms; c++) {
        size_t rows = (size_t)(s->columns[c + 1] - s->columns[c]);

        n += rows * (rows + 1) / 2;
    }
    return n;
}

/* A term of n atoms has a product for each of its n diagonal blocks and for each pair of atoms. */
static size_t count_products(const cg_mmff_tables *t)
{
    return (size_t)t->n_bonds * (2 + CG_BOND_BLOCKS) + (size_t)t->n_angles * (3 + CG_ANGLE_BLOCKS) +
           (size_t)t->n_torsions * (4 + CG_TORSION_BLOCKS);
}

cg_status cg_image_plan_init(const cg_minimizer_job *job, size_t offset, cg_image_plan *ret_plan,
                             size_t *ret_end, cg_error *err)
{
    const cg_mmff_tables *t = job->tables;
    const size_t n = (size_t)t->n_atoms;
    cg_image_plan plan = { 0 };
    cg_minimizer_image *m = &plan.image;
    size_t tables = take(&offset, t->size, 1);
    const char *first = (const char *)t->bonds;

    CG_TRY(cg_stiffness_init(t, &plan.stiffness, err));
    plan.levels = cg_alloc_array(n, sizeof *plan.levels);
    if (!plan.levels) {
        cg_image_plan_finish(&plan);
        return cg_fail_nomem(err, "minimisation");
    }
    set_counts(job, &plan.stiffness, m);
    m->n_levels = find_levels(&plan.stiffness, t->n_atoms, plan.levels);
    m->bonds = tables;
    m->angles = tables + (size_t)((const char *)t->angles - first);
    m->planes = tables + (size_t)((const char *)t->planes - first);
    m->torsions = tables + (size_t)((const char *)t->torsions - first);
    m->pairs = tables + (size_t)((const char *)t->pairs - first);
    for (int32_t i = 0; i < job->n_stages; i++)
        m->stages[i] = (cg_image_stage) { .moves = take(&offset, n, sizeof(double)),
                                          .limit = job->stages[i].gradient,
                                          .max_rounds = job->stages[i].max_rounds };
    m->part_starts = take(&offset, n + 1, sizeof(int32_t));
    m->part_list = take(&offset, (size_t)m->n_parts, sizeof(int32_t));
    m->row_starts = take(&offset, n + 1, sizeof(int32_t));
    m->pair_starts = take(&offset, n + 1, sizeof(int32_t));
    m->pair_list = take(&offset, (size_t)m->n_pairs, sizeof(int32_t));
    m->product_starts = take(&offset, (size_t)m->n_blocks + 1, sizeof(int32_t));
    m->products = take(&offset, count_products(t), sizeof(cg_stiffness_product));
    m->updates = take(&offset, count_updates(&plan.stiffness, t->n_atoms), sizeof(int32_t));
    m->atoms = take(&offset, n, sizeof(int32_t));
    m->columns = take(&offset, n + 1, sizeof(int32_t));
    m->row_atoms = take(&offset, (size_t)m->n_blocks - n, sizeof(int32_t));
    m->update_starts = take(&offset, n + 1, sizeof(int32_t));
    m->level_starts = take(&offset, (size_t)m->n_levels + 1, sizeof(int32_t));
    m->level_columns = take(&offset, n, sizeof(int32_t));
    m->lists_size = offset - m->atoms;
    *ret_plan = plan;
    *ret_end = offset;
    return CG_OK;
}

void cg_image_plan_finish(cg_image_plan *plan)
{
    cg_stiffness_finish(&plan->stiffness);
    free(plan->levels);
}

/* ---- contents ------------------------------------------------------------------------------- */

/*
 * Lists of items by key, in the order of items: starts [n_keys + 1] and, by put(), the items. While
 * items are put, starts[key] is the place of the next one of the key before.
 */
static void begin_lists(int32_t *starts, int32_t n_keys)
{
    memset(starts, 0, ((size_t)n_keys + 1) * sizeof *starts);
}

static void count_item(int32_t *starts, int32_t n_keys, int32_t key)
{
    if (key + 2 <= n_keys)
        starts[key + 2]++;
}

static void end_count(int32_t *starts, int32_t n_keys)
{
    for (int32_t k = 1; k <= n_keys; k++)
        starts[k] += starts[k - 1];
}

static int32_t next_place(int32_t *starts, int32_t key)
{
    return starts[key + 1]++;
}

/* Bonds, angles, planes and torsions, in this order: calls visit() with the atoms of each, its
 * first part, the second derivative of its term and its blocks, which planes do not have. */
typedef void visit_fn(void *ctx, int32_t n, const int32_t *atoms, int32_t part, double factor,
                      const int32_t *blocks);

static void for_each_bonded(const cg_mmff_tables *t, const cg_stiffness *s, visit_fn *visit,
                            void *ctx)
{
    int32_t part = 0;

    for (int32_t k = 0; k < t->n_bonds; k++, part += 2)
        visit(ctx, 2, t->bonds[k].atoms, part, cg_stiffness_of_bond(&t->bonds[k]),
              s->bonds + (size_t)k * CG_BOND_BLOCKS);
    for (int32_t k = 0; k < t->n_angles; k++, part += 3)
        visit(ctx, 3, t->angles[k].atoms, part, cg_stiffness_of_angle(&t->angles[k]),
              s->angles + (size_t)k * CG_ANGLE_BLOCKS);
    for (int32_t k = 0; k < t->n_planes; k++, part += 4)
        visit(ctx, 4, t->planes[k].atoms, part, 0, NULL);
    for (int32_t k = 0; k < t->n_torsions; k++, part += 4)
        visit(ctx, 4, t->torsions[k].atoms, part, CG_STIFFNESS_OF_TORSION,
              s->torsions + (size_t)k * CG_TORSION_BLOCKS);
}

/* The parts of each atom. */
struct part_lists {
    int32_t n_atoms, *starts, *list;
};

static void count_parts(void *ctx, int32_t n, const int32_t *atoms, int32_t part, double factor,
                        const int32_t *blocks)
{
    struct part_lists *l = ctx;

    (void)part;
    (void)factor;
    (void)blocks;
    for (int32_t i = 0; i < n; i++)
        count_item(l->starts, l->n_atoms, atoms[i]);
}

static void put_parts(void *ctx, int32_t n, const int32_t *atoms, int32_t part, double factor,
                      const int32_t *blocks)
{
    struct part_lists *l = ctx;

    (void)factor;
    (void)blocks;
    for (int32_t i = 0; i < n; i++)
        l->list[next_place(l->starts, atoms[i])] = part + i;
}

/* The products of each block. */
struct product_lists {
    const int32_t *positions; /* as in cg_stiffness */
    int32_t n_blocks, *starts;
    cg_stiffness_product *products;
};

static void count_term_products(void *ctx, int32_t n, const int32_t *atoms, int32_t part,
                                double factor, const int32_t *blocks)
{
    struct product_lists *l = ctx;

    (void)part;
    (void)factor;
    for (int32_t a = 0; blocks && a < n; a++) {
        count_item(l->starts, l->n_blocks, l->positions[atoms[a]]);
        for (int32_t b = 0; b < a; b++)
            count_item(l->starts, l->n_blocks, *blocks++);
    }
}

static void put_products(void *ctx, int32_t n, const int32_t *atoms, int32_t part, double factor,
                         const int32_t *blocks)
{
    struct product_lists *l = ctx;

    for (int32_t a = 0; blocks && a < n; a++) {
        const int32_t at = l->positions[atoms[a]];

        l->products[next_place(l->starts, at)] =
            (cg_stiffness_product) { factor, part + a, part + a };
        for (int32_t b = 0; b < a; b++) {
            int is_row = at > l->positions[atoms[b]];

            l->products[next_place(l->starts, *blocks++)] =
                (cg_stiffness_product) { factor, part + (is_row ? a : b), part + (is_row ? b : a) };
        }
    }
}

static void fill_parts(const cg_image_plan *plan, const cg_mmff_tables *t, char *memory)
{
    const cg_minimizer_image *m = &plan->image;
    struct part_lists parts = { m->n_atoms, (int32_t *)(memory + m->part_starts),
                                (int32_t *)(memory + m->part_list) };
    struct product_lists products = { plan->stiffness.positions, m->n_blocks,
                                      (int32_t *)(memory + m->product_starts),
                                      (cg_stiffness_product *)(memory + m->products) };

    begin_lists(parts.starts, m->n_atoms);
    for_each_bonded(t, &plan->stiffness, count_parts, &parts);
    end_count(parts.starts, m->n_atoms);
    for_each_bonded(t, &plan->stiffness, put_parts, &parts);
    begin_lists(products.starts, m->n_blocks);
    for_each_bonded(t, &plan->stiffness, count_term_products, &products);
    end_count(products.starts, m->n_blocks);
    for_each_bonded(t, &plan->stiffness, put_products, &products);
}

static void fill_pairs(const cg_minimizer_image *m, const cg_mmff_tables *t, char *memory)
{
    int32_t *rows = (int32_t *)(memory + m->row_starts);
    int32_t *starts = (int32_t *)(memory + m->pair_starts);
    int32_t *list = (int32_t *)(memory + m->pair_list), row = 0;

    begin_lists(starts, m->n_atoms);
    for (int32_t k = 0; k < t->n_pairs; k++) {
        count_item(starts, m->n_atoms, t->pairs[k].atoms[1]);
        while (row <= t->pairs[k].atoms[0])
            rows[row++] = k;
    }
    while (row <= m->n_atoms)
        rows[row++] = t->n_pairs;
    end_count(starts, m->n_atoms);
    for (int32_t k = 0; k < t->n_pairs; k++)
        list[next_place(starts, t->pairs[k].atoms[1])] = k;
}

static void fill_stiffness(const cg_image_plan *plan, char *memory)
{
    const cg_minimizer_image *m = &plan->image;
    const cg_stiffness *s = &plan->stiffness;
    const size_t n = (size_t)m->n_atoms, n_rows = (size_t)m->n_blocks - n;
    int32_t *row_atoms = (int32_t *)(memory + m->row_atoms);
    int32_t *update_starts = (int32_t *)(memory + m->update_starts);
    int32_t *level_starts = (int32_t *)(memory + m->level_starts);
    int32_t *level_columns = (int32_t *)(memory + m->level_columns);

    memcpy(memory + m->atoms, s->atoms, n * sizeof *s->atoms);
    memcpy(memory + m->columns, s->columns, (n + 1) * sizeof *s->columns);
    for (size_t k = 0; k < n_rows; k++)
        row_atoms[k] = s->atoms[s->rows[k]];
    update_starts[0] = 0;
    for (size_t c = 0; c < n; c++) {
        int32_t rows = s->columns[c + 1] - s->columns[c];

        update_starts[c + 1] = update_starts[c] + rows * (rows + 1) / 2;
    }
    memcpy(memory + m->updates, s->updates, (size_t)update_starts[n] * sizeof *s->updates);
    begin_lists(level_starts, m->n_levels);
    for (size_t c = 0; c < n; c++)
        count_item(level_starts, m->n_levels, plan->levels[c]);
    end_count(level_starts, m->n_levels);
    for (size_t c = 0; c < n; c++)
        level_columns[next_place(level_starts, plan->levels[c])] = (int32_t)c;
}

void cg_image_plan_fill(const cg_image_plan *plan, const cg_minimizer_job *job, char *memory)
{
    const cg_minimizer_image *m = &plan->image;
    const cg_mmff_tables *t = job->tables;

    memcpy(memory + m->bonds, t->bonds, t->size);
    for (int32_t stage = 0; stage < m->n_stages; stage++) {
        const uint8_t *fixed = job->stages[stage].fixed;
        double *moves = (double *)(memory + m->stages[stage].moves);

        for (int32_t i = 0; i < m->n_atoms; i++)
            moves[i] = !fixed || !fixed[i];
    }
    fill_parts(plan, t, memory);
    fill_pairs(m, t, memory);
    fill_stiffness(plan, memory);
}
