/* SPDX-License-Identifier: MIT */
/** @file molecule_set.h  Distinct molecules, real ones and odd ones, that confgen serves. */
#ifndef CG_TESTS_MOLECULE_SET_H
#define CG_TESTS_MOLECULE_SET_H

#include <stdint.h>

#include "odd_molecules.h"

typedef struct molecule {
    char *input;     /* as it was written */
    char *canonical; /* as confgen writes it */
    int odd;         /* generated; otherwise from a list */
} molecule;

typedef struct molecule_set {
    molecule *items; /* [n] no two with the same canonical SMILES */
    int32_t n;
    int32_t n_listed;                /* of them from lists */
    int32_t tried_odd, tried_listed; /* texts that were looked at */
    int32_t refused_input;           /* no SMILES or no molecule */
    int32_t refused_unsupported;     /* bonded metals, dummies, unsettled */
    int32_t refused_limit;           /* too long */
    int32_t refused_ambiguous;       /* an atom in brackets that reads like a wrapped one */
    int32_t duplicates;              /* a canonical SMILES that was there */
    int32_t feature[ODD_N_FEATURES]; /* canonical SMILES that hold it */
    int32_t spelled[ODD_N_FEATURES]; /* inputs that hold it */
    int32_t atoms_least, atoms_most;
    int64_t atoms;
} molecule_set;

/**
 * n molecules: a fifth from the two lists of test molecules in the tree, a fifth from the training
 * list if the folder `shared` (may be NULL) has it, the rest odd ones. The same for the same seed.
 */
void molecule_set_init(molecule_set *set, int32_t n, uint64_t seed, const char *shared);
void molecule_set_finish(molecule_set *set);
void molecule_set_print(const molecule_set *set);

#endif
