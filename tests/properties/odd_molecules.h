/* SPDX-License-Identifier: MIT */
/**
 * @file odd_molecules.h  Random SMILES of uncommon kinds, which parsers often get wrong.
 *
 * Charges, isotopes, atom classes, explicit hydrogens, ring numbers 7, %42, %(421) and reused ones,
 * fused, bridged and spiro rings, cages, macrocycles, both kinds of stereo, aromatic heterocycles
 * with [nH], two-letter elements, hypervalent sulphur and phosphorus, salts of many ions, long
 * chains, peptides, single atoms, and texts with a changed character. A text is not necessarily a
 * valid molecule.
 */
#ifndef CG_TESTS_ODD_MOLECULES_H
#define CG_TESTS_ODD_MOLECULES_H

#include <stddef.h>
#include <stdint.h>

/** Deterministic random numbers (splitmix64); the seed is the initial state. */
typedef struct odd_random {
    uint64_t state;
} odd_random;

uint64_t odd_next(odd_random *random);
/** Uniform in [0, n), n >= 1. */
uint32_t odd_below(odd_random *random, uint32_t n);

/** Bound of the texts of odd_molecule(), the NUL included. */
enum { ODD_MAX = 2000 };

/**
 * Generates one SMILES, terminated, shorter than ODD_MAX.
 *
 * @param buf  [ODD_MAX]
 * @return its length, at least 1
 */
size_t odd_molecule(odd_random *random, char *buf);

/** Features of a SMILES text. */
enum {
    ODD_CHARGE = 1 << 0,
    ODD_ISOTOPE = 1 << 1,
    ODD_RING_NN = 1 << 2,  /* %12 */
    ODD_RING_NNN = 1 << 3, /* %(123) */
    ODD_DOT = 1 << 4,
    ODD_CHIRAL = 1 << 5,
    ODD_CIS_TRANS = 1 << 6,
    ODD_AROMATIC_NH = 1 << 7,
    ODD_TWO_LETTERS = 1 << 8,
    ODD_CLASS = 1 << 9,
    ODD_HYDROGEN = 1 << 10, /* [H], [2H] */
    ODD_TRIPLE = 1 << 11,
    ODD_N_FEATURES = 12,
};

/** Returns the features of a SMILES, ODD_* bits. */
uint32_t odd_features(const char *smiles);
/** Name of feature bit i < ODD_N_FEATURES. Static storage. */
const char *odd_feature_name(int i);

#endif
