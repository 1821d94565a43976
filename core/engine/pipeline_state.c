/* SPDX-License-Identifier: MIT */
#include "engine/pipeline_state.h"

#include <stdlib.h>

cg_pipeline_molecule *cg_pipeline_at_locked(const struct cg_pipeline *p, int64_t i)
{
    return p->locked.window[i % p->locked.capacity];
}

int32_t cg_pipeline_max_retries(const struct cg_pipeline *p)
{
    const int32_t restarts = cg_restart_limit(p->engine->sampling.greedy);

    return p->io->minimize && p->engine->max_retries < restarts ? restarts : p->engine->max_retries;
}

void cg_pipeline_fail_locked(struct cg_pipeline *p, cg_status status, const cg_error *why)
{
    if (p->locked.status == CG_OK) {
        p->locked.status = status;
        p->locked.failure = *why;
    }
    p->stopping = 1;
    pthread_cond_broadcast(&p->changed);
}

void cg_pipeline_free_molecule(cg_pipeline_molecule *m)
{
    const cg_pipeline_io *io;

    if (!m)
        return;
    io = m->pipeline->io;
    if (io->forget)
        io->forget(io->ctx, m);
    for (int32_t i = 0; m->built.generations && i < m->input.n_generations; i++) {
        free(m->built.generations[i].tokens);
        cg_parsed_conformer_finish(&m->built.generations[i].parsed);
    }
    free(m->built.generations);
    free(m->built.tokens);
    free(m->round.generations);
    free(m->finished.order);
    cg_ensemble_finish(&m->built.ensemble);
    cg_checker_destroy(m->built.checker);
    cg_minimization_destroy(m->built.minimization);
    cg_hydrogen_placement_destroy(m->built.hydrogens);
    if (m->built.template.builder)
        cg_molecule_template_finish(&m->built.template);
    cg_kept_core_finish(&m->built.core);
    free(m->input.name);
    free(m->input.smiles);
    free(m);
}
