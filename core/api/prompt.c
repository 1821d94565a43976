/* SPDX-License-Identifier: MIT */
/* The prompt of one molecule: cg_engine_prompt(). */
#include <confgen/confgen.h>
#include <string.h>

#include "base/error.h"
#include "engine/engine.h"

cg_status cg_engine_prompt(const cg_engine *e, const char *smiles, int32_t *ret_ids, int32_t cap,
                           int32_t *ret_n, int32_t *ret_max_new, cg_error *err)
{
    cg_molecule_template t = { 0 };
    cg_status st = CG_OK;

    CG_TRY(cg_molecule_template_build(&e->builder, smiles, strlen(smiles), &t, err));
    *ret_n = t.n_prompt;
    *ret_max_new = t.program->fields_per_atom ? t.program->max_tokens : 0;
    if (t.n_prompt > cap)
        st = cg_fail(err, CG_ERR_LIMIT, "prompt: found %d tokens, wanted at most %d", t.n_prompt,
                     cap);
    else
        memcpy(ret_ids, t.prompt, (size_t)t.n_prompt * sizeof *ret_ids);
    cg_molecule_template_finish(&t);
    return st;
}
