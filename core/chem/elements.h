/* SPDX-License-Identifier: MIT */
/** @file elements.h  The periodic table, as far as SMILES need it. */
#ifndef CG_CHEM_ELEMENTS_H
#define CG_CHEM_ELEMENTS_H

#include <stddef.h>

enum { CG_N_ELEMENTS = 118 };

/** Symbol of atomic number z in [1, 118]; "*" for anything else. Static storage. */
const char *cg_element_symbol(int z);

/** Atomic number of a symbol in its usual spelling (`Cl`), 0 if there is none such. */
int cg_element_find(const char *symbol, size_t len);

/** 1 for metals, 0 for nonmetals, halogens, noble gases and the metalloids B Si Ge As Sb Te At. */
int cg_element_is_metal(int z);

#endif
