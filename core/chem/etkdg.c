/* SPDX-License-Identifier: MIT */
#include "chem/etkdg.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "chem/molecule.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"

cg_status cg_etkdg_embed(const char *smiles, int32_t n, int32_t seed, int32_t *ret_embedded,
                         cg_error *err)
{
    cg_molecule *molecule = NULL;
    size_t size = 0;
    char *pkl = NULL, params[64];
    int32_t embedded = 0;
    cg_status st = CG_OK;

    /* Bounds the text before RDKit parses it. */
    CG_TRY(cg_molecule_parse(smiles, strlen(smiles), &molecule, err));
    pkl = get_mol(cg_molecule_smiles(molecule, NULL), &size, NULL);
    cg_molecule_destroy(molecule);
    if (!pkl || !add_hs(&pkl, &size)) {
        st = cg_rdkit_fail(err, CG_ERR_INPUT, "'%s': RDKit cannot add its hydrogens", smiles);
        goto out;
    }
    for (int32_t i = 0; i < n; i++) {
        short id;

        snprintf(params, sizeof params, "{\"randomSeed\":%d}", (seed & 0xffffff) + i);
        id = set_3d_coords(&pkl, &size, params);
        if (id == 0) {
            st = cg_rdkit_fail(err, CG_ERR_INPUT, "'%s': RDKit cannot embed it", smiles);
            goto out;
        }
        embedded += id > 0;
    }
    *ret_embedded = embedded;
out:
    free_ptr(pkl);
    return st;
}
