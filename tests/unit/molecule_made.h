/* SPDX-License-Identifier: MIT */
/** @file molecule_made.h  Molecules of a test. Test code only. */
#ifndef CG_TEST_MOLECULE_MADE_H
#define CG_TEST_MOLECULE_MADE_H

#include <check.h>
#include <string.h>

#include "chem/molecule.h"

static inline cg_molecule *parse(const char *smiles)
{
    cg_error err = CG_ERROR_INIT;
    cg_molecule *mol = NULL;

    ck_assert_msg(cg_molecule_parse(smiles, strlen(smiles), &mol, &err) == CG_OK, "%s: %s", smiles,
                  err.msg);
    return mol;
}

#endif
