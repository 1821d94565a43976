/* SPDX-License-Identifier: MIT */
#include "forcefield/uff.h"

#include "base/error.h"
#include "chem/rdkit_c.h"
#include "chem/rdkit_fail.h"

cg_status cg_uff_check(const char *smiles, cg_error *err)
{
    char reason[256] = "";

    if (!cgrd_uff_check(smiles, reason, sizeof reason))
        return cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "no UFF energy: %s", reason);
    return CG_OK;
}

cg_status cg_uff_minimize(const char *smiles, const cg_minimizer_options *stages, int32_t n_stages,
                          size_t n_atoms, double (*xyz)[3], cg_minimized *ret, cg_error *err)
{
    char reason[256] = "";

    for (int32_t i = 0; i < n_stages; i++) {
        cgrd_uff_result r;

        if (!cgrd_uff_minimize(smiles, xyz, n_atoms, stages[i].fixed,
                               (unsigned)stages[i].max_rounds, stages[i].gradient, &r, reason,
                               sizeof reason))
            return cg_rdkit_fail(err, CG_ERR_UNSUPPORTED, "no UFF energy: %s", reason);
        *ret = (cg_minimized) {
            .before = i ? ret->before : r.before,
            .after = r.after,
            .gradient = r.gradient,
            .rounds = (int32_t)r.rounds,
            .converged = r.gradient <= stages[i].gradient,
        };
    }
    return CG_OK;
}
