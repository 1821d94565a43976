/* SPDX-License-Identifier: MIT */
#include "eval/result.h"

#include <stdlib.h>
#include <string.h>

void cg_eval_result_finish(cg_eval_result *result)
{
    if (!result)
        return;
    for (size_t i = 0; i < result->n_molecules; i++) {
        cg_eval_molecule *m = &result->molecules[i];
        free(m->name);
        free(m->smiles);
        free(m->ref_min);
        free(m->gen_min);
    }
    free(result->molecules);
    free(result->ref_path);
    free(result->gen_path);
    free(result->run_json);
    memset(result, 0, sizeof *result);
}
