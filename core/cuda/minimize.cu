/* SPDX-License-Identifier: MIT */
#include "minimize.h"

typedef double vec;
typedef bool lane_mask;
typedef double real;
typedef double scalar;
#define TERM           static __device__ __forceinline__
#define vector_sqrt(x) sqrt(x)

TERM double splat(double x)
{
    return x;
}

TERM double choose(bool in, double a, double b)
{
    return in ? a : b;
}

#include "forcefield/minimizer_numbers.h"

#include "forcefield/mmff_terms.h"

#include "forcefield/stiffness_terms.h"

enum { MAX_THREADS = 256, HISTORY = CG_MINIMIZER_HISTORY, WARP = 32 };
static const unsigned all_lanes = 0xffffffffu;

/* A conformer, as the threads of its block know it. Arrays are of the block. */
struct conformer {
    const cg_minimizer_image *m;
    const char *memory;
    const double *moves; /* of the stage */
    /* The state. [3 n_atoms], as in cg_minimizer_lanes: */
    double *x, *g, *trial, *g_trial, *direction;
    double *s, *y;  /* [HISTORY][3 n_atoms] */
    double *blocks; /* [n_blocks][9] */
    char *lists;    /* those of the image, from `atoms` on */
    double *column; /* [max_rows][9] a column before its elimination */
    /* Of the terms: */
    double *parts;      /* [n_parts][3] gradients of energy or of lengths and angles */
    double *pair_parts; /* [n_pairs][3] gradients of first atoms */
    double *energies;   /* [bonds, angles, planes, torsions] */
    double *pair_energies, *row_energies; /* [n_pairs], [n_atoms] */
};

/* Numbers of a conformer, in shared memory; written by thread 0. */
struct numbers {
    double energy, energy_trial; /* as in cg_minimizer_lanes */
    double step, slope, least, gradient;
    double before;
    double rho[HISTORY];
    double sums[4]; /* energies of bonds, angles, planes and torsions */
    int32_t slot;
    int32_t item;
};

template <typename T>
static __device__ __forceinline__ const T *array(const conformer &c, size_t offset)
{
    return (const T *)(c.memory + offset);
}

/* Places the arrays of a conformer: the state into `shared`, if it fits there, or into `work`. */
static __device__ void place(conformer &c, double *shared, size_t shared_size, double *work)
{
    const cg_minimizer_image *m = c.m;
    const size_t n = (size_t)m->n_atoms * 3;
    const size_t state = cg_minimizer_state_size(m);
    double *p = state <= shared_size ? shared : work;

    c.x = p;
    c.g = p + n;
    c.trial = p + 2 * n;
    c.g_trial = p + 3 * n;
    c.direction = p + 4 * n;
    c.s = p + 5 * n;
    c.y = c.s + HISTORY * n;
    c.blocks = c.y + HISTORY * n;
    c.column = c.blocks + (size_t)m->n_blocks * 9;
    c.lists = (char *)(c.column + (size_t)m->max_rows * 9);
    c.parts = work + state;
    c.pair_parts = c.parts + (size_t)m->n_parts * 3;
    c.pair_energies = c.pair_parts + (size_t)m->n_pairs * 3;
    c.row_energies = c.pair_energies + m->n_pairs;
    c.energies = c.row_energies + m->n_atoms;
}

/* A list that is a part of the state. */
static __device__ __forceinline__ const int32_t *list_of(const conformer &c, size_t offset)
{
    return (const int32_t *)(c.lists + (offset - c.m->atoms));
}

static __device__ void copy_lists(const conformer &c)
{
    const int64_t *from = array<int64_t>(c, c.m->atoms);
    int64_t *to = (int64_t *)c.lists;

    for (size_t k = threadIdx.x; k < c.m->lists_size / sizeof *to; k += blockDim.x)
        to[k] = from[k];
}

/* ---- energy -------------------------------------------------------------------------------- */

static __device__ __forceinline__ void between(const double *x, int32_t from, int32_t to,
                                               double d[3])
{
    for (int i = 0; i < 3; i++)
        d[i] = x[to * 3 + i] - x[from * 3 + i];
}

static __device__ __forceinline__ void put(double *part, const double g[3], double factor)
{
    for (int i = 0; i < 3; i++)
        part[i] = g[i] * factor;
}

/* Energies and parts of bonds, angles, planes and torsions. */
static __device__ void find_bonded(const conformer &c)
{
    const cg_minimizer_image *m = c.m;
    double *part = c.parts, *energy = c.energies;

    for (int32_t k = threadIdx.x; k < m->n_bonds; k += blockDim.x) {
        const cg_mmff_bond *p = array<cg_mmff_bond>(c, m->bonds) + k;
        double d[3], g[3];

        between(c.trial, p->atoms[1], p->atoms[0], d);
        energy[k] = mmff_bond(p, d, g);
        put(part + (size_t)k * 6, g, 1);
        put(part + (size_t)k * 6 + 3, g, -1);
    }
    part += (size_t)m->n_bonds * 6;
    energy += m->n_bonds;
    for (int32_t k = threadIdx.x; k < m->n_angles; k += blockDim.x) {
        const cg_mmff_angle *p = array<cg_mmff_angle>(c, m->angles) + k;
        double a[3], b[3], ga[3], gb[3], bend, stretch;

        between(c.trial, p->atoms[1], p->atoms[0], a);
        between(c.trial, p->atoms[1], p->atoms[2], b);
        bend = mmff_angle(p, a, b, ga, gb, &stretch);
        energy[k] = bend + stretch;
        put(part + (size_t)k * 9, ga, 1);
        put(part + (size_t)k * 9 + 6, gb, 1);
        for (int i = 0; i < 3; i++)
            ga[i] += gb[i];
        put(part + (size_t)k * 9 + 3, ga, -1);
    }
    part += (size_t)m->n_angles * 9;
    energy += m->n_angles;
    for (int32_t k = threadIdx.x; k < m->n_planes; k += blockDim.x) {
        const cg_mmff_plane *p = array<cg_mmff_plane>(c, m->planes) + k;
        double a[3], b[3], d[3], ga[3], gb[3], gd[3];

        between(c.trial, p->atoms[1], p->atoms[0], a);
        between(c.trial, p->atoms[1], p->atoms[2], b);
        between(c.trial, p->atoms[1], p->atoms[3], d);
        energy[k] = mmff_plane(p, a, b, d, ga, gb, gd);
        put(part + (size_t)k * 12, ga, 1);
        put(part + (size_t)k * 12 + 6, gb, 1);
        put(part + (size_t)k * 12 + 9, gd, 1);
        for (int i = 0; i < 3; i++)
            ga[i] += gb[i] + gd[i];
        put(part + (size_t)k * 12 + 3, ga, -1);
    }
    part += (size_t)m->n_planes * 12;
    energy += m->n_planes;
    for (int32_t k = threadIdx.x; k < m->n_torsions; k += blockDim.x) {
        const cg_mmff_torsion *p = array<cg_mmff_torsion>(c, m->torsions) + k;
        double a[3], b[3], d[3], g[4][3];

        between(c.trial, p->atoms[1], p->atoms[0], a);
        between(c.trial, p->atoms[1], p->atoms[2], b);
        between(c.trial, p->atoms[2], p->atoms[3], d);
        energy[k] = mmff_torsion(p, a, b, d, g);
        for (int i = 0; i < 4; i++)
            put(part + (size_t)k * 12 + 3 * i, g[i], 1);
    }
}

static __device__ void find_pairs(const conformer &c)
{
    for (int32_t k = threadIdx.x; k < c.m->n_pairs; k += blockDim.x) {
        const cg_mmff_pair *p = array<cg_mmff_pair>(c, c.m->pairs) + k;
        double d[3], g[3], well, coulomb;

        between(c.trial, p->atoms[1], p->atoms[0], d);
        well = mmff_pair(p, d, g, &coulomb);
        c.pair_energies[k] = well + coulomb;
        put(c.pair_parts + (size_t)k * 3, g, 1);
    }
}

/* One coordinate of the gradient: parts of terms, pairs of earlier atoms, pairs of later ones. */
static __device__ double add_gradient(const conformer &c, int32_t atom, int32_t axis)
{
    const int32_t *parts = array<int32_t>(c, c.m->part_starts) + atom;
    const int32_t *seconds = array<int32_t>(c, c.m->pair_starts) + atom;
    const int32_t *row = array<int32_t>(c, c.m->row_starts) + atom;
    const int32_t *list = array<int32_t>(c, c.m->part_list);
    double sum = 0, row_sum = 0;

#pragma unroll 8
    for (int32_t k = parts[0]; k < parts[1]; k++)
        sum += c.parts[(size_t)list[k] * 3 + axis];
    list = array<int32_t>(c, c.m->pair_list);
#pragma unroll 8
    for (int32_t k = seconds[0]; k < seconds[1]; k++)
        sum -= c.pair_parts[(size_t)list[k] * 3 + axis];
#pragma unroll 8
    for (int32_t k = row[0]; k < row[1]; k++)
        row_sum += c.pair_parts[(size_t)k * 3 + axis];
    return sum + row_sum;
}

static __device__ double add_energies(const double *energies, int32_t n)
{
    double sum = 0;

#pragma unroll 8
    for (int32_t k = 0; k < n; k++)
        sum += energies[k];
    return sum;
}

/* Energy of the terms of a kind: bonds, angles, planes, torsions. */
static __device__ double energy_of_kind(const conformer &c, int kind)
{
    const cg_minimizer_image *m = c.m;
    const int32_t n[4] = { m->n_bonds, m->n_angles, m->n_planes, m->n_torsions };
    const double *energies = c.energies;

    for (int k = 0; k < kind; k++)
        energies += n[k];
    return add_energies(energies, n[kind]);
}

/* Energy and gradient at the trial position. */
static __device__ void evaluate(const conformer &c, numbers &z)
{
    const int32_t n = c.m->n_atoms, *row = array<int32_t>(c, c.m->row_starts);

    find_bonded(c);
    find_pairs(c);
    __syncthreads();
    for (int32_t k = threadIdx.x; k < 4 * n + 4; k += blockDim.x) {
        if (k < 3 * n)
            c.g_trial[k] = c.moves[k / 3] == 0 ? 0 : add_gradient(c, k / 3, k % 3);
        else if (k < 4 * n)
            c.row_energies[k - 3 * n] =
                add_energies(c.pair_energies + row[k - 3 * n], row[k - 3 * n + 1] - row[k - 3 * n]);
        else
            z.sums[k - 4 * n] = energy_of_kind(c, k - 4 * n);
    }
    __syncthreads();
    if (threadIdx.x == 0)
        z.energy_trial =
            z.sums[0] + z.sums[1] + z.sums[2] + z.sums[3] + add_energies(c.row_energies, n);
    __syncthreads();
}

/* ---- stiffness ----------------------------------------------------------------------------- */

static __device__ __forceinline__ void put_moving(const conformer &c, double *part, int32_t atom,
                                                  const double v[3])
{
    for (int i = 0; i < 3; i++)
        part[i] = v[i] * c.moves[atom];
}

/* The gradients of bond lengths, angles and torsions, as parts. */
static __device__ void find_stiff_terms(const conformer &c)
{
    const cg_minimizer_image *m = c.m;
    double *part = c.parts;

    for (int32_t k = threadIdx.x; k < m->n_bonds; k += blockDim.x) {
        const cg_mmff_bond *p = array<cg_mmff_bond>(c, m->bonds) + k;
        double d[3], v[2][3];

        between(c.x, p->atoms[1], p->atoms[0], d);
        bond_gradient(d, v);
        for (int i = 0; i < 2; i++)
            put_moving(c, part + (size_t)k * 6 + 3 * i, p->atoms[i], v[i]);
    }
    part += (size_t)m->n_bonds * 6;
    for (int32_t k = threadIdx.x; k < m->n_angles; k += blockDim.x) {
        const cg_mmff_angle *p = array<cg_mmff_angle>(c, m->angles) + k;
        double a[3], b[3], v[3][3];

        between(c.x, p->atoms[1], p->atoms[0], a);
        between(c.x, p->atoms[1], p->atoms[2], b);
        angle_gradient(a, b, v);
        for (int i = 0; i < 3; i++)
            put_moving(c, part + (size_t)k * 9 + 3 * i, p->atoms[i], v[i]);
    }
    part += (size_t)m->n_angles * 9 + (size_t)m->n_planes * 12;
    for (int32_t k = threadIdx.x; k < m->n_torsions; k += blockDim.x) {
        const cg_mmff_torsion *p = array<cg_mmff_torsion>(c, m->torsions) + k;
        double a[3], b[3], d[3], v[4][3];

        between(c.x, p->atoms[1], p->atoms[0], a);
        between(c.x, p->atoms[2], p->atoms[1], b);
        between(c.x, p->atoms[2], p->atoms[3], d);
        torsion_gradient(a, b, d, v);
        for (int i = 0; i < 4; i++)
            put_moving(c, part + (size_t)k * 12 + 3 * i, p->atoms[i], v[i]);
    }
}

static __device__ void assemble(const conformer &c, double least)
{
    const int32_t *starts = array<int32_t>(c, c.m->product_starts);
    const cg_stiffness_product *products = array<cg_stiffness_product>(c, c.m->products);

    for (int32_t k = threadIdx.x; k < c.m->n_blocks * 9; k += blockDim.x) {
        const int32_t block = k / 9, i = k % 9 / 3, j = k % 3;
        double sum = block < c.m->n_atoms && i == j ? least : 0;

        for (int32_t p = starts[block]; p < starts[block + 1]; p++)
            sum += products[p].factor * c.parts[(size_t)products[p].row * 3 + i] *
                   c.parts[(size_t)products[p].column * 3 + j];
        c.blocks[k] = sum;
    }
}

/* An element of a b, or of a b^T. */
static __device__ __forceinline__ double element(const double *a, const double *b, int transposed,
                                                 int i, int j)
{
    double sum = 0;

    for (int k = 0; k < 3; k++)
        sum += a[i * 3 + k] * b[transposed ? j * 3 + k : k * 3 + j];
    return sum;
}

/* The row and column of the p-th element of a lower triangle. */
static __device__ __forceinline__ void find_place(int32_t p, int32_t *ret_row, int32_t *ret_column)
{
    int32_t row = (int32_t)((sqrtf(8.0f * (float)p + 1) - 1) / 2);

    while (row * (row + 1) / 2 > p)
        row--;
    while ((row + 1) * (row + 2) / 2 <= p)
        row++;
    *ret_row = row;
    *ret_column = p - row * (row + 1) / 2;
}

/* L D L^T, as factor() of stiffness_tile.h. */
static __device__ void factor(const conformer &c)
{
    const int32_t n = c.m->n_atoms, *columns = list_of(c, c.m->columns);
    const int32_t *update_starts = list_of(c, c.m->update_starts);
    const int32_t *updates = array<int32_t>(c, c.m->updates);

    for (int32_t at = 0; at < n; at++) {
        const int32_t n_rows = columns[at + 1] - columns[at];
        double *below = c.blocks + (size_t)(n + columns[at]) * 9, *diagonal = c.blocks + at * 9;

        for (int32_t k = threadIdx.x; k < n_rows * 9; k += blockDim.x)
            c.column[k] = below[k];
        if (threadIdx.x == 0) {
            double inverse[9];

            invert_symmetric(diagonal, inverse);
            for (int i = 0; i < 9; i++)
                diagonal[i] = inverse[i];
        }
        __syncthreads();
        for (int32_t k = threadIdx.x; k < n_rows * 9; k += blockDim.x)
            below[k] = element(c.column + k / 9 * 9, diagonal, 0, k % 9 / 3, k % 3);
        __syncthreads();
        for (int32_t k = threadIdx.x; k < n_rows * (n_rows + 1) / 2 * 9; k += blockDim.x) {
            int32_t a, b;

            find_place(k / 9, &a, &b);
            c.blocks[(size_t)updates[update_starts[at] + k / 9] * 9 + k % 9] -=
                b < a ? element(c.column + a * 9, below + b * 9, 1, k % 9 / 3, k % 3)
                      : element(below + a * 9, c.column + a * 9, 1, k % 9 / 3, k % 3);
        }
        __syncthreads();
    }
}

static __device__ void find_stiffness(const conformer &c, numbers &z, bool fresh)
{
    const double least = next_stiffness(fresh, z.least);

    find_stiff_terms(c);
    __syncthreads();
    if (threadIdx.x == 0)
        z.least = least;
    assemble(c, least);
    __syncthreads();
    factor(c);
}

/* An element of block y, or of block^T y. */
static __device__ __forceinline__ double row_product(const double *block, const double *y,
                                                     int transposed, int i)
{
    double sum = 0;

    for (int k = 0; k < 3; k++)
        sum += block[transposed ? k * 3 + i : i * 3 + k] * y[k];
    return sum;
}

/* q = stiffness^-1 q, by one warp; z [3 n_atoms] is scratch. */
static __device__ void solve(const conformer &c, double *q, double *z)
{
    const cg_minimizer_image *m = c.m;
    const int32_t n = m->n_atoms, lane = threadIdx.x;
    const int32_t *atoms = list_of(c, m->atoms), *columns = list_of(c, m->columns);
    const int32_t *row_atoms = list_of(c, m->row_atoms);
    const int32_t *level_starts = list_of(c, m->level_starts);
    const int32_t *level_columns = list_of(c, m->level_columns);

    for (int32_t at = 0; at < n; at++) {
        for (int32_t k = columns[at] * 3 + lane; k < columns[at + 1] * 3; k += WARP)
            q[row_atoms[k / 3] * 3 + k % 3] -=
                row_product(c.blocks + (size_t)(n + k / 3) * 9, q + atoms[at] * 3, 0, k % 3);
        __syncwarp();
    }
    for (int32_t k = lane; k < 3 * n; k += WARP) {
        const double *inverse = c.blocks + (size_t)(k / 3) * 9 + k % 3 * 3;
        const double *y = q + atoms[k / 3] * 3;

        z[atoms[k / 3] * 3 + k % 3] = inverse[0] * y[0] + inverse[1] * y[1] + inverse[2] * y[2];
    }
    __syncwarp();
    for (int32_t level = 0; level < m->n_levels; level++) {
        for (int32_t k = level_starts[level] * 3 + lane; k < level_starts[level + 1] * 3;
             k += WARP) {
            const int32_t at = level_columns[k / 3];
            double sum = z[atoms[at] * 3 + k % 3];

            for (int32_t a = columns[at]; a < columns[at + 1]; a++)
                sum -= row_product(c.blocks + (size_t)(n + a) * 9, z + row_atoms[a] * 3, 1, k % 3);
            z[atoms[at] * 3 + k % 3] = sum;
        }
        __syncwarp();
    }
    for (int32_t k = lane; k < 3 * n; k += WARP)
        q[k] = z[k];
    __syncwarp();
}

/* ---- step ---------------------------------------------------------------------------------- */

/* a b and d e, in all lanes of the warp: the sums of minimizer_tile.h's dot(). */
static __device__ void two_dots(const double *a, const double *b, const double *d, const double *e,
                                int32_t n, double *ret_ab, double *ret_de)
{
    const int lane = threadIdx.x % WARP;
    const double *left = lane < PARTIAL_SUMS ? a : d, *right = lane < PARTIAL_SUMS ? b : e;
    double sum = 0;

    for (int32_t i = lane % PARTIAL_SUMS; i < n; i += PARTIAL_SUMS)
        sum += left[i] * right[i];
    for (int half = PARTIAL_SUMS / 2; half > 0; half /= 2)
        sum += __shfl_xor_sync(all_lanes, sum, half);
    *ret_ab = __shfl_sync(all_lanes, sum, 0);
    *ret_de = __shfl_sync(all_lanes, sum, PARTIAL_SUMS);
}

static __device__ double dot(const double *a, const double *b, int32_t n)
{
    double sum, same;

    two_dots(a, b, a, b, n, &sum, &same);
    return sum;
}

/* The greatest of all lanes; not a number where it is in no lane. */
static __device__ double greatest(double x)
{
    for (int step = WARP / 2; step > 0; step /= 2)
        x = larger(__shfl_xor_sync(all_lanes, x, step), x);
    return x;
}

/* Moves to the trial position, or stays, and enters the step in the history. */
static __device__ bool accept_trial(const conformer &c, numbers &z, bool fresh)
{
    const int32_t n = 3 * c.m->n_atoms;
    const bool accept = fresh || z.energy_trial <= z.energy + SUFFICIENT * z.step * z.slope;
    const bool is_step = accept && !fresh;
    double *s = c.s + (size_t)z.slot * n, *y = c.y + (size_t)z.slot * n;
    double sy, yy, most = 0;

    for (int32_t k = threadIdx.x; k < n; k += blockDim.x) {
        s[k] = is_step ? c.trial[k] - c.x[k] : 0;
        y[k] = is_step ? c.g_trial[k] - c.g[k] : 0;
        if (accept) {
            c.x[k] = c.trial[k];
            c.g[k] = c.g_trial[k];
        }
    }
    __syncthreads();
    if (threadIdx.x < WARP) {
        two_dots(s, y, y, y, n, &sy, &yy);
        for (int32_t k = threadIdx.x; k < n; k += WARP)
            most = larger(magnitude(c.g[k]), most);
        most = greatest(most);
        for (int k = threadIdx.x; fresh && k < HISTORY; k += WARP)
            z.rho[k] = 0;
        __syncwarp();
        if (threadIdx.x == 0) {
            z.rho[z.slot] = is_step && sy > 1e-10 * yy ? 1.0 / sy : 0;
            z.gradient = most;
            z.slot = (z.slot + 1) % HISTORY;
        }
    }
    return accept;
}

/* q = (approximate inverse Hessian) g, by the two loops of L-BFGS; one warp. A step whose rho is 0
 * changes nothing. */
static __device__ void find_direction(const conformer &c, const numbers &z, double *q)
{
    const int32_t n = 3 * c.m->n_atoms, lane = threadIdx.x;
    double alpha[HISTORY];

    for (int32_t i = lane; i < n; i += WARP)
        q[i] = c.g[i];
    __syncwarp();
#pragma unroll
    for (int k = 0; k < HISTORY; k++) { /* from the last step to the first */
        const int slot = (z.slot - 1 - k + HISTORY) % HISTORY;
        const double *s = c.s + (size_t)slot * n, *y = c.y + (size_t)slot * n;

        if (z.rho[slot] == 0)
            continue;
        alpha[k] = dot(s, q, n) * z.rho[slot];
        __syncwarp();
        for (int32_t i = lane; i < n; i += WARP)
            q[i] -= alpha[k] * y[i];
        __syncwarp();
    }
    solve(c, q, c.g_trial);
#pragma unroll
    for (int k = HISTORY - 1; k >= 0; k--) {
        const int slot = (z.slot - 1 - k + HISTORY) % HISTORY;
        const double *s = c.s + (size_t)slot * n, *y = c.y + (size_t)slot * n;
        double part;

        if (z.rho[slot] == 0)
            continue;
        part = alpha[k] - dot(y, q, n) * z.rho[slot];
        __syncwarp();
        for (int32_t i = lane; i < n; i += WARP)
            q[i] += part * s[i];
        __syncwarp();
    }
}

/* Sets the direction and its slope; one warp. */
static __device__ void turn(const conformer &c, numbers &z)
{
    const int32_t n = 3 * c.m->n_atoms, lane = threadIdx.x;
    double *q = c.direction, slope, steepest, farthest = 0, part;
    bool down;

    find_direction(c, z, q);
    two_dots(q, c.g, c.g, c.g, n, &slope, &steepest);
    slope = -slope;
    steepest = -steepest;
    down = slope < 0.0; /* rounding may turn it upwards */
    slope = down ? slope : steepest * STEEPEST_SCALE;
    for (int32_t atom = lane; atom < c.m->n_atoms; atom += WARP) {
        double far2 = 0;

        for (int32_t k = 3 * atom; k < 3 * atom + 3; k++) {
            q[k] = down ? -q[k] : c.g[k] * -STEEPEST_SCALE;
            far2 += q[k] * q[k];
        }
        farthest = larger(far2, farthest);
    }
    part = MAX_MOVE / larger(sqrt(greatest(farthest)), MAX_MOVE);
    __syncwarp();
    for (int32_t k = lane; k < n; k += WARP)
        q[k] *= part;
    if (lane == 0)
        z.slope = slope * part;
    __syncwarp();
}

/* Accepts or rejects the trial position, and sets the next one. */
static __device__ void advance(const conformer &c, numbers &z, int32_t round, double limit)
{
    const bool fresh = round == 0;
    const bool accept = accept_trial(c, z, fresh);

    __syncthreads();
    if (z.gradient < limit) { /* no step is needed */
        if (threadIdx.x == 0 && accept)
            z.energy = z.energy_trial;
        __syncthreads();
        return;
    }
    if (round % CG_MINIMIZER_PERIOD == 0)
        find_stiffness(c, z, fresh);
    if (threadIdx.x < WARP && accept)
        turn(c, z);
    if (threadIdx.x == 0) {
        z.step = accept ? 1 : shorter(z.step, z.slope, z.energy, z.energy_trial);
        z.energy = accept ? z.energy_trial : z.energy;
    }
    __syncthreads();
    for (int32_t k = threadIdx.x; k < 3 * c.m->n_atoms; k += blockDim.x)
        c.trial[k] = c.x[k] + z.step * c.direction[k];
    __syncthreads();
}

/* Minimises from the trial position. */
static __device__ void run_stage(conformer &c, numbers &z, int32_t stage, cg_minimized *ret)
{
    const cg_image_stage *options = &c.m->stages[stage];
    int32_t round = 0, converged = 0, stalled = 0;
    double before = 0;

    c.moves = array<double>(c, options->moves);
    if (threadIdx.x == 0)
        z.slot = 0;
    __syncthreads();
    while (!converged && !stalled && (round == 0 || round < options->max_rounds)) {
        evaluate(c, z);
        if (round == 0)
            before = z.energy_trial;
        advance(c, z, round++, options->limit);
        converged = z.gradient < options->limit;
        stalled = !converged && !(z.step > MIN_STEP);
    }
    if (threadIdx.x == 0) {
        if (stage == 0)
            ret->before = before;
        ret->after = z.energy;
        ret->gradient = z.gradient;
        ret->rounds = round;
        ret->converged = converged;
    }
    __syncthreads();
}

static __global__ __launch_bounds__(MAX_THREADS) void minimize_kernel(cg_minimize_launch l)
{
    extern __shared__ double dynamic[];
    __shared__ struct numbers z;

    for (;;) {
        conformer c = {};
        double *xyz;

        if (threadIdx.x == 0)
            z.item = atomicAdd(l.next, 1);
        __syncthreads();
        const int32_t item = z.item;

        if (item >= l.n_items)
            return;
        c.m = l.images + l.items[item].molecule;
        c.memory = l.memory;
        place(c, dynamic, l.shared_size, l.work + blockIdx.x * l.work_size);
        xyz = l.xyz + l.items[item].xyz;
        for (int32_t k = threadIdx.x; k < 3 * c.m->n_atoms; k += blockDim.x)
            c.trial[k] = xyz[k];
        copy_lists(c);
        for (int32_t stage = 0; stage < c.m->n_stages; stage++) {
            run_stage(c, z, stage, &l.minimized[item]);
            for (int32_t k = threadIdx.x; k < 3 * c.m->n_atoms; k += blockDim.x)
                c.trial[k] = c.x[k];
            __syncthreads();
        }
        for (int32_t k = threadIdx.x; k < 3 * c.m->n_atoms; k += blockDim.x)
            xyz[k] = c.x[k];
        __syncthreads();
    }
}

extern "C" cg_status cg_cuda_minimize_init(cg_error *err)
{
    return CG_CUDA(cudaFuncSetAttribute(minimize_kernel,
                                        cudaFuncAttributeMaxDynamicSharedMemorySize,
                                        CG_MINIMIZE_MAX_SHARED),
                   err);
}

extern "C" cg_status cg_cuda_minimize(const cg_minimize_launch *launch, int32_t blocks,
                                      int32_t threads, cudaStream_t stream, cg_error *err)
{
    minimize_kernel<<<blocks, threads, launch->shared_size * sizeof(double), stream>>>(*launch);
    return CG_CUDA(cudaGetLastError(), err);
}
