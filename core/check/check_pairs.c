/* SPDX-License-Identifier: MIT */
/* The distance tests of a checker: all pairs of atoms with the bounds of RDKit's distance
 * geometry and PoseBusters' margins. */
#include <math.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/size.h"
#include "chem/bounds.h"
#include "check/checker_internal.h"

/* Least distance of hydrogens that are at least four bonds apart, Å. RDKit's bounds permit less.
 * The closest known ones are at 1.56 Å: Zong et al., J. Am. Chem. Soc. 135, 13235 (2013). */
static const double min_hydrogens = 1.5;

/* Least distance of a hydrogen of N or O from N, O or F at least four bonds away, Å: hydrogen bonds
 * but the strongest are not shorter (Steiner, Angew. Chem. Int. Ed. 41, 48 (2002), table 1), and
 * RDKit's bounds exclude the shorter half of them. */
static const double min_hydrogen_bond = 1.5;

static int kind_of(const cg_bounds *b, size_t i, size_t j)
{
    int steps = cg_bounds_path_length(b, i, j);

    return steps == 1 ? CG_CHECK_BOND : steps == 2 ? CG_CHECK_ANGLE : CG_CHECK_OTHER;
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

static int is_polar(int element)
{
    return element == 7 || element == 8;
}

/* [n_atoms] 1: a hydrogen of N or O; NULL when out of memory; free(). */
static uint8_t *find_donors(const cg_smiles *g)
{
    uint8_t *donors = calloc(g->n_atoms + 1, 1);

    for (size_t k = 0; donors && k < g->n_bonds; k++) {
        const uint32_t a = g->bonds[k].first, b = g->bonds[k].second;

        donors[a] |= g->atoms[a].element == 1 && is_polar(g->atoms[b].element);
        donors[b] |= g->atoms[b].element == 1 && is_polar(g->atoms[a].element);
    }
    return donors;
}

static int may_be_hydrogen_bond(const cg_bounds *b, const cg_smiles_atom *atoms,
                                const uint8_t *donors, size_t i, size_t j)
{
    const int other = donors[i] ? atoms[j].element : atoms[i].element;

    return donors[i] != donors[j] && (is_polar(other) || other == 9) &&
           cg_bounds_path_length(b, i, j) > 3;
}

/* PoseBusters leaves such pairs out. */
static int with_hydrogen(const cg_smiles_atom *atoms, size_t i, size_t j)
{
    return atoms[i].element == 1 || atoms[j].element == 1;
}

static void add_all_pairs(const cg_bounds *b, const uint8_t *donors, cg_checker *checker)
{
    const cg_smiles_atom *atoms = cg_molecule_graph(checker->mol)->atoms;

    for (uint32_t i = 0; i < b->n_atoms; i++)
        for (uint32_t j = i + 1; j < b->n_atoms; j++) {
            int kind = kind_of(b, i, j);
            double low, high, rdkit_low, rdkit_high;

            cg_bounds_permitted(b, i, j, 0, &low, &high);
            cg_bounds_permitted(b, i, j, !with_hydrogen(atoms, i, j), &rdkit_low, &rdkit_high);
            if (kind == CG_CHECK_OTHER && cg_bounds_may_satisfy(b, i, j))
                low = fmax(low, rdkit_low);
            if (low < rdkit_low || high > rdkit_high)
                add_pair(&checker->disputed[kind], i, j, rdkit_low, rdkit_high);
            if (are_distant_hydrogens(b, atoms, i, j))
                low = fmax(low, min_hydrogens);
            if (may_be_hydrogen_bond(b, atoms, donors, i, j))
                low = fmin(low, min_hydrogen_bond);
            add_pair(&checker->pairs[kind], i, j, low, high);
        }
}

cg_status cg_check_find_pairs(cg_checker *checker, cg_error *err)
{
    size_t n = cg_molecule_n_atoms(checker->mol), n_pairs[CG_CHECK_KINDS] = { 0 };
    cg_bounds bounds = { 0 };
    uint8_t *donors = NULL;
    cg_status st = CG_OK;

    CG_TRY(cg_bounds_compute(checker->mol, &bounds, err));
    donors = find_donors(cg_molecule_graph(checker->mol));
    if (!donors)
        st = cg_fail_nomem(err, "checks");
    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++)
            n_pairs[kind_of(&bounds, i, j)]++;
    for (int kind = 0; kind < CG_CHECK_KINDS && st == CG_OK; kind++) {
        size_t n_disputed = bounds.rdkit ? n_pairs[kind] : 0;

        checker->pairs[kind].items = cg_alloc_array(n_pairs[kind] + 1, sizeof(cg_check_pair));
        checker->disputed[kind].items = cg_alloc_array(n_disputed + 1, sizeof(cg_check_pair));
        if (!checker->pairs[kind].items || !checker->disputed[kind].items)
            st = cg_fail_nomem(err, "checks");
    }
    if (st == CG_OK)
        add_all_pairs(&bounds, donors, checker);
    free(donors);
    cg_bounds_finish(&bounds);
    return st;
}
