/* SPDX-License-Identifier: MIT */
/**
 * @file odd_molecules.h  Random SMILES of the kinds that break things.
 *
 * Charges, isotopes, atom classes, written hydrogens, rings numbered 7, %42 and %(421) and numbers
 * used again, fused, bridged and spiro rings, cages, macrocycles, both kinds of stereo, aromatic
 * hetero rings with [nH], two-letter elements, hypervalent sulphur and phosphorus, salts of many
 * ions, long chains, peptides, single atoms, and texts with a character changed. What comes out
 * need not be a molecule: whoever parses it decides.
 */
#ifndef CG_TESTS_ODD_MOLECULES_H
#define CG_TESTS_ODD_MOLECULES_H

#include <stddef.h>
#include <stdint.h>

/** Deterministic random numbers (splitmix64); the seed is the first state. */
typedef struct odd_random {
    uint64_t state;
} odd_random;

uint64_t odd_next(odd_random *random);
/** In [0, n), n >= 1. */
uint32_t odd_below(odd_random *random, uint32_t n);

/** Longest text of odd_molecule(), the terminating NUL included. */
enum { ODD_MAX = 2000 };

/**
 * One SMILES, terminated, shorter than ODD_MAX.
 *
 * @param buf  [ODD_MAX]
 * @return its length, at least 1
 */
size_t odd_molecule(odd_random *random, char *buf);

/** What a SMILES text holds: bits, and a name for each. */
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

uint32_t odd_features(const char *smiles);
/** Name of feature bit i < ODD_N_FEATURES. Static storage. */
const char *odd_feature_name(int i);

#endif
