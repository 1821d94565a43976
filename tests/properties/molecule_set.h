/* SPDX-License-Identifier: MIT */
/** @file molecule_set.h  Distinct molecules that confgen supports, real and generated ones. */
#ifndef CG_TESTS_MOLECULE_SET_H
#define CG_TESTS_MOLECULE_SET_H

#include <stdint.h>

#include "odd_molecules.h"

typedef struct molecule {
    char *input;     /* SMILES as given */
    char *canonical; /* SMILES of confgen */
    int odd;         /* generated; otherwise from a list */
} molecule;

typedef struct molecule_set {
    molecule *items; /* [n] with distinct canonical SMILES */
    int32_t n;
    int32_t n_listed;                /* molecules from lists */
    int32_t tried_odd, tried_listed; /* texts that were tried */
    int32_t refused_input;           /* not a valid SMILES or molecule */
    int32_t refused_unsupported;     /* bonded metals, dummy atoms, undefined stereo */
    int32_t refused_limit;           /* too long */
    int32_t refused_ambiguous;       /* a bracket atom that is ambiguous with a wrapped one */
    int32_t duplicates;              /* a canonical SMILES already in the set */
    int32_t canonical_with[ODD_N_FEATURES]; /* canonical SMILES with a feature */
    int32_t input_with[ODD_N_FEATURES];     /* inputs with a feature */
    int32_t min_atoms, max_atoms;
    int64_t atoms;
} molecule_set;

/**
 * Collects n molecules: a fifth from the two lists of test molecules in the tree, a fifth from the
 * training list if it is in the folder `shared` (may be NULL), the others generated. Deterministic
 * for a seed.
 */
void molecule_set_init(molecule_set *set, int32_t n, uint64_t seed, const char *shared);
void molecule_set_finish(molecule_set *set);
void molecule_set_print(const molecule_set *set);

#endif
