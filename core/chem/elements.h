/* SPDX-License-Identifier: MIT */
/** @file elements.h  Element symbols and atomic numbers. */
#ifndef CG_CHEM_ELEMENTS_H
#define CG_CHEM_ELEMENTS_H

#include <stddef.h>

enum { CG_N_ELEMENTS = 118 };

/** Symbol of atomic number z in [1, 118]; "*" for anything else. Static storage. */
const char *cg_element_symbol(int z);

/** Atomic number of a symbol in its usual case (`Cl`); 0 if unknown. */
int cg_element_find(const char *symbol, size_t len);

/** 1 for metals, 0 for nonmetals, halogens, noble gases and the metalloids B Si Ge As Sb Te At. */
int cg_element_is_metal(int z);

#endif
