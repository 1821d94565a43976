/* SPDX-License-Identifier: MIT */
/* Presets of finished ensembles: cg_run_ensemble_preset(). */
#include <confgen/confgen.h>

#include <string.h>

#include "base/error.h"
#include "base/sized_struct.h"

static const struct ensemble_preset {
    const char *name;
    int32_t add_hs, minimize, sort;
    double prune;
} presets[] = {
    { "raw", 0, CG_MINIMIZE_NONE, CG_SORT_GENERATION, 0 },
    { "standard", 1, CG_MINIMIZE_MMFF94_NOESTAT, CG_SORT_ENERGY, 0.5 },
    { "thorough", 1, CG_MINIMIZE_MMFF94S_NOESTAT, CG_SORT_ENERGY, 0.25 },
};

cg_status cg_run_ensemble_preset(const char *name, cg_run_options *run, cg_error *err)
{
    CG_TRY(cg_sized_struct_check(run, "cg_run_options", err));
    if (!CG_HAS_SIZE(run, energy_window))
        return cg_fail(err, CG_ERR_USAGE,
                       "cg_run_options.struct_size is %u: wanted a struct with the member "
                       "energy_window",
                       run->struct_size);
    for (size_t i = 0; i < sizeof presets / sizeof presets[0]; i++) {
        const struct ensemble_preset *p = &presets[i];

        if (strcmp(p->name, name))
            continue;
        run->add_hs = p->add_hs;
        run->minimize = p->minimize;
        run->energies = 0;
        run->sort = p->sort;
        run->max_conformers = 0;
        run->prune = p->prune;
        run->energy_window = 0;
        return CG_OK;
    }
    return cg_fail(err, CG_ERR_USAGE, "'%s': wanted raw, standard or thorough", name);
}
