/* SPDX-License-Identifier: MIT */
/* The distance tests of a checker: all pairs of atoms with the bounds of RDKit's distance
 * geometry and PoseBusters' margins. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/bounds.h"
#include "check/checker_internal.h"

/* Margins, as fractions of a bound. */
static const double margin_bond = 0.25, margin_angle = 0.25, margin_clash = 0.3;
/* Å; what a record rounds and releases of RDKit differ by: what passes here passes PoseBusters. */
static const double clash_reserve = 0.02;

/* Least distance of hydrogens that are at least four bonds apart, Å. RDKit's bounds permit less.
 * The closest known ones are at 1.56 Å: Zong et al., J. Am. Chem. Soc. 135, 13235 (2013). */
static const double min_hydrogens = 1.5;

enum { BOND, ANGLE, OTHER };

static int kind_of(const cg_bounds *b, size_t i, size_t j)
{
    int steps = cg_bounds_path_length(b, i, j);

    return steps == 1 ? BOND : steps == 2 ? ANGLE : OTHER;
}

static void add_pair(cg_check_pairs *pairs, uint32_t i, uint32_t j, double low, double high)
{
    pairs->items[pairs->n++] = (cg_check_pair) {
        .first = i,
        .second = j,
        .low = (float)low,
        .high = (float)high,
        .low2 = (float)(low * low),
        .high2 = (float)(high * high),
    };
}

static int are_distant_hydrogens(const cg_bounds *b, const cg_smiles_atom *atoms, size_t i,
                                 size_t j)
{
    return atoms[i].element == 1 && atoms[j].element == 1 && cg_bounds_path_length(b, i, j) > 3;
}

static void add_all_pairs(const cg_bounds *b, cg_checker *checker)
{
    const cg_smiles_atom *atoms = cg_molecule_graph(checker->mol)->atoms;

    for (uint32_t i = 0; i < b->n_atoms; i++)
        for (uint32_t j = i + 1; j < b->n_atoms; j++) {
            double low = cg_bounds_lower(b, i, j), high = cg_bounds_upper(b, i, j);
            int kind = kind_of(b, i, j);

            if (kind == BOND)
                add_pair(&checker->bonds, i, j, low * (1 - margin_bond), high * (1 + margin_bond));
            else if (kind == ANGLE)
                add_pair(&checker->angles, i, j, low * (1 - margin_angle),
                         high * (1 + margin_angle));
            else
                add_pair(&checker->others, i, j,
                         fmax(low * (1 - margin_clash) + clash_reserve,
                              are_distant_hydrogens(b, atoms, i, j) ? min_hydrogens : 0),
                         INFINITY);
        }
}

cg_status cg_check_find_pairs(cg_checker *checker, cg_error *err)
{
    size_t n = cg_molecule_n_atoms(checker->mol), n_pairs[3] = { 0 };
    cg_bounds bounds = { 0 };
    cg_status st = CG_OK;

    CG_TRY(cg_bounds_compute(checker->mol, &bounds, err));
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            n_pairs[kind_of(&bounds, i, j)]++;
    checker->bonds.items = cg_alloc_array(n_pairs[BOND] + 1, sizeof(cg_check_pair));
    checker->angles.items = cg_alloc_array(n_pairs[ANGLE] + 1, sizeof(cg_check_pair));
    checker->others.items = cg_alloc_array(n_pairs[OTHER] + 1, sizeof(cg_check_pair));
    if (checker->bonds.items && checker->angles.items && checker->others.items)
        add_all_pairs(&bounds, checker);
    else
        st = cg_fail_nomem(err, "checks");
    cg_bounds_finish(&bounds);
    return st;
}
