/* SPDX-License-Identifier: MIT */
/*
 * Records of a .mol2 through RDKit: refused with a reason, or a SMILES of one line of printable
 * ASCII.
 */
#include "chem/molecule.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_error err = CG_ERROR_INIT;
    char *record = malloc(size + 1), *smiles = NULL;
    cg_status st;

    require(record);
    if (size)
        memcpy(record, data, size);
    record[size] = '\0';
    st = cg_smiles_of_block(record, &smiles, &err);
    if (st != CG_OK)
        require_refusal(st, &err);
    for (const char *c = smiles; c && *c; c++)
        require(*c > ' ' && *c < 0x7f);
    free(smiles);
    free(record);
    return 0;
}
