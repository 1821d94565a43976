/* SPDX-License-Identifier: MIT */
/**
 * @file stiffness_tile.h  The stiffness matrix of several conformers: assembly, factors, solution.
 *
 * Included by minimizer_tile.h, after its vectors.
 */

#include "forcefield/stiffness_terms.h"

TERM double *block_at(const cg_minimizer_lanes *l, int32_t block)
{
    return l->blocks + (size_t)block * 9 * WIDTH;
}

TERM void add_product(double *block, vec k, const vec row[3], const vec column[3])
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            double *p = block + (i * 3 + j) * WIDTH;

            store(p, load(p) + k * row[i] * column[j]);
        }
}

/* Adds k v v^T; v has the gradients of n atoms, and blocks those of stiffness.h. */
TERM void add_term(const cg_minimizer_lanes *l, int n, const int32_t *atoms, const int32_t *blocks,
                   double k, vec v[][3])
{
    const int32_t *positions = l->stiffness->positions;

    for (int a = 0; a < n; a++) {
        for (int i = 0; i < 3; i++)
            v[a][i] *= l->moves[atoms[a]];
        add_product(block_at(l, positions[atoms[a]]), splat(k), v[a], v[a]);
        for (int b = 0; b < a; b++) {
            int is_row = positions[atoms[a]] > positions[atoms[b]];

            add_product(block_at(l, *blocks++), splat(k), is_row ? v[a] : v[b],
                        is_row ? v[b] : v[a]);
        }
    }
}

static void assemble_bonds(const cg_minimizer_lanes *l)
{
    const cg_mmff_tables *t = l->tables;

    for (int32_t k = 0; k < t->n_bonds; k++) {
        const cg_mmff_bond *p = &t->bonds[k];
        vec d[3], v[2][3];

        between(l->x, p->atoms[1], p->atoms[0], d);
        bond_gradient(d, v);
        add_term(l, 2, p->atoms, l->stiffness->bonds + k * CG_BOND_BLOCKS, cg_stiffness_of_bond(p),
                 v);
    }
}

static void assemble_angles(const cg_minimizer_lanes *l)
{
    const cg_mmff_tables *t = l->tables;

    for (int32_t k = 0; k < t->n_angles; k++) {
        const cg_mmff_angle *p = &t->angles[k];
        vec a[3], b[3], v[3][3];

        between(l->x, p->atoms[1], p->atoms[0], a);
        between(l->x, p->atoms[1], p->atoms[2], b);
        angle_gradient(a, b, v);
        add_term(l, 3, p->atoms, l->stiffness->angles + k * CG_ANGLE_BLOCKS,
                 cg_stiffness_of_angle(p), v);
    }
}

static void assemble_torsions(const cg_minimizer_lanes *l)
{
    const cg_mmff_tables *t = l->tables;

    for (int32_t k = 0; k < t->n_torsions; k++) {
        const cg_mmff_torsion *p = &t->torsions[k];
        vec a[3], b[3], c[3], v[4][3];

        between(l->x, p->atoms[1], p->atoms[0], a);
        between(l->x, p->atoms[2], p->atoms[1], b);
        between(l->x, p->atoms[2], p->atoms[3], c);
        torsion_gradient(a, b, c, v);
        add_term(l, 4, p->atoms, l->stiffness->torsions + k * CG_TORSION_BLOCKS,
                 CG_STIFFNESS_OF_TORSION, v);
    }
}

/* Inverts a symmetric block in place. */
TERM void invert(double *block)
{
    vec m[9], inverse[9];

    for (int i = 0; i < 9; i++)
        m[i] = load(block + i * WIDTH);
    invert_symmetric(m, inverse);
    for (int i = 0; i < 9; i++)
        store(block + i * WIDTH, inverse[i]);
}

/* out = a b, or a b^T */
TERM void multiply(const vec a[9], const double *b, int transposed, vec out[9])
{
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            vec sum = splat(0);

            for (int k = 0; k < 3; k++)
                sum += a[i * 3 + k] * load(b + (transposed ? j * 3 + k : k * 3 + j) * WIDTH);
            out[i * 3 + j] = sum;
        }
}

/* L D L^T: diagonal blocks become those of D^-1, the others those of L. */
static void factor(const cg_minimizer_lanes *l)
{
    const cg_stiffness *s = l->stiffness;
    const int32_t n = l->tables->n_atoms, *update = s->updates;

    for (int32_t c = 0; c < n; c++) {
        const int32_t first = s->columns[c], end = s->columns[c + 1];

        invert(block_at(l, c));
        for (int32_t a = first; a < end; a++) {
            double *of_a = block_at(l, n + a);
            vec m[9], scaled[9], product[9];

            for (int i = 0; i < 9; i++)
                m[i] = load(of_a + i * WIDTH);
            multiply(m, block_at(l, c), 0, scaled);
            /* Rows before a hold L already, so their product with m is m (D^-1 m_b^T). */
            for (int32_t b = first; b <= a; b++) {
                double *target = block_at(l, *update++);

                if (b < a)
                    multiply(m, block_at(l, n + b), 1, product);
                else
                    multiply(scaled, of_a, 1, product);
                for (int i = 0; i < 9; i++)
                    store(target + i * WIDTH, load(target + i * WIDTH) - product[i]);
            }
            for (int i = 0; i < 9; i++)
                store(of_a + i * WIDTH, scaled[i]);
        }
    }
}

/* The factors of the stiffness at the accepted positions. */
static void find_stiffness(cg_minimizer_lanes *l, lane_mask fresh)
{
    vec least = next_stiffness(fresh, load(l->least));

    store(l->least, least);
    memset(l->blocks, 0, (size_t)l->stiffness->n_blocks * 9 * sizeof(vec));
    for (int32_t c = 0; c < l->tables->n_atoms; c++)
        for (int i = 0; i < 9; i += 4)
            store(block_at(l, c) + i * WIDTH, least);
    assemble_bonds(l);
    assemble_angles(l);
    assemble_torsions(l);
    factor(l);
}

/* x -= block y, or block^T y */
TERM void subtract_product(double *x, const double *block, const double *y, int transposed)
{
    for (int i = 0; i < 3; i++) {
        vec sum = splat(0);

        for (int k = 0; k < 3; k++)
            sum += load(block + (transposed ? k * 3 + i : i * 3 + k) * WIDTH) * load(y + k * WIDTH);
        store(x + i * WIDTH, load(x + i * WIDTH) - sum);
    }
}

/* q = stiffness^-1 q */
static void solve(const cg_minimizer_lanes *l, double *q)
{
    const cg_stiffness *s = l->stiffness;
    const int32_t n = l->tables->n_atoms;

    for (int32_t c = 0; c < n; c++) {
        double *z = q + (size_t)s->atoms[c] * 3 * WIDTH;
        const double *inverse = block_at(l, c);
        vec y[3] = { load(z), load(z + WIDTH), load(z + 2 * WIDTH) };

        for (int32_t a = s->columns[c]; a < s->columns[c + 1]; a++)
            subtract_product(q + (size_t)s->atoms[s->rows[a]] * 3 * WIDTH, block_at(l, n + a), z,
                             0);
        for (int i = 0; i < 3; i++)
            store(z + i * WIDTH, load(inverse + i * 3 * WIDTH) * y[0] +
                                     load(inverse + (i * 3 + 1) * WIDTH) * y[1] +
                                     load(inverse + (i * 3 + 2) * WIDTH) * y[2]);
    }
    for (int32_t c = n - 1; c >= 0; c--)
        for (int32_t a = s->columns[c]; a < s->columns[c + 1]; a++)
            subtract_product(q + (size_t)s->atoms[c] * 3 * WIDTH, block_at(l, n + a),
                             q + (size_t)s->atoms[s->rows[a]] * 3 * WIDTH, 1);
}
