/* SPDX-License-Identifier: MIT */
#include "elements.h"

static const char symbols[CG_N_ELEMENTS + 1][3] = {
    "*",  "H",  "He", "Li", "Be", "B",  "C",  "N",  "O",  "F",  "Ne", "Na", "Mg", "Al", "Si",
    "P",  "S",  "Cl", "Ar", "K",  "Ca", "Sc", "Ti", "V",  "Cr", "Mn", "Fe", "Co", "Ni", "Cu",
    "Zn", "Ga", "Ge", "As", "Se", "Br", "Kr", "Rb", "Sr", "Y",  "Zr", "Nb", "Mo", "Tc", "Ru",
    "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te", "I",  "Xe", "Cs", "Ba", "La", "Ce", "Pr",
    "Nd", "Pm", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Er", "Tm", "Yb", "Lu", "Hf", "Ta", "W",
    "Re", "Os", "Ir", "Pt", "Au", "Hg", "Tl", "Pb", "Bi", "Po", "At", "Rn", "Fr", "Ra", "Ac",
    "Th", "Pa", "U",  "Np", "Pu", "Am", "Cm", "Bk", "Cf", "Es", "Fm", "Md", "No", "Lr", "Rf",
    "Db", "Sg", "Bh", "Hs", "Mt", "Ds", "Rg", "Cn", "Nh", "Fl", "Mc", "Lv", "Ts", "Og",
};

const char *cg_element_symbol(int z)
{
    return symbols[z >= 1 && z <= CG_N_ELEMENTS ? z : 0];
}

int cg_element_find(const char *symbol, size_t len)
{
    char second = '\0';

    if (len < 1 || len > 2)
        return 0;
    if (len == 2)
        second = symbol[1];
    for (int z = 1; z <= CG_N_ELEMENTS; z++)
        if (symbols[z][0] == symbol[0] && symbols[z][1] == second)
            return z;
    return 0;
}

int cg_element_is_metal(int z)
{
    static const unsigned char nonmetals[] = {
        1,  2,                  /* H He */
        5,  6,  7,  8,  9,  10, /* B C N O F Ne */
        14, 15, 16, 17, 18,     /* Si P S Cl Ar */
        32, 33, 34, 35, 36,     /* Ge As Se Br Kr */
        51, 52, 53, 54,         /* Sb Te I Xe */
        85, 86,                 /* At Rn */
    };

    for (size_t i = 0; i < sizeof nonmetals; i++)
        if (nonmetals[i] == z)
            return 0;
    return z >= 1 && z <= CG_N_ELEMENTS;
}
