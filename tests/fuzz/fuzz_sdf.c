/* SPDX-License-Identifier: MIT */
/* Conformer sets: the input is refused or read as an SDF, with consistent counts. */
#include <math.h>

#include "eval/conformers.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cg_conformer_file f = { 0 };
    cg_error err = CG_ERROR_INIT;
    size_t kept = 0, broken = 0;

    if (cg_conformer_file_read_memory("fuzz", data, size, 1, &f, &err) != CG_OK) {
        require_refusal(err.code, &err);
        require(!f.path);
        return 0;
    }
    for (size_t i = 0; i < f.n_molecules; i++) {
        const cg_conformers *m = &f.molecules[i];

        require(m->n > 0 && m->n_atoms > 0 && m->first_record > 0);
        require(m->n_atoms == cg_molecule_n_heavy(m->mol) && *m->smiles && *m->flat_smiles);
        for (size_t k = 0; k < m->n * m->n_atoms * 3; k++)
            require(isfinite((&m->xyz[0][0])[k]));
        kept += m->n;
    }
    for (size_t i = 0; i < f.n_broken_names; i++)
        broken += f.broken[i].n;
    require(kept + f.n_broken == f.n_records && broken == f.n_broken);
    require(!f.n_broken == !f.first_broken_reason);
    cg_conformer_file_finish(&f);
    return 0;
}
