/* SPDX-License-Identifier: MIT */
/* The jobs of a molecule: building its template, finishing a sampling round. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/size.h"
#include "engine/core_frame.h"
#include "engine/counters.h"
#include "engine/decoded_conformer.h"
#include "engine/pipeline_state.h"

/* ---- build -------------------------------------------------------------------------------- */

/* The molecule whose atoms are checked and written: the first ones of finished conformers. */
static const cg_molecule *finished_molecule(const cg_pipeline_molecule *m)
{
    return m->pipeline->io->add_hs ? cg_hydrogen_placement_molecule(m->built.hydrogens)
                                   : m->built.template.molecule;
}

/* Tests that cannot be done for the molecule are unchecked; its conformers are still delivered. */
static cg_status make_checker(cg_pipeline_molecule *m, cg_error *err)
{
    const cg_host *host = &m->pipeline->engine->host.host;
    char names[CG_CHECK_NAMES_MAX];
    const char *reason;
    uint32_t unchecked;

    CG_TRY(cg_checker_create(finished_molecule(m), &m->built.checker, err));
    unchecked = cg_checker_unchecked(m->built.checker, &reason);
    cg_check_join_names(unchecked, names, sizeof names);
    if (unchecked)
        cg_host_log(host, CG_LOG_WARNING, "%s: unchecked (%s): %s", m->input.name, names, reason);
    return CG_OK;
}

/* A molecule without parameters is delivered as it is generated. */
static cg_status make_minimization(cg_pipeline_molecule *m, cg_error *err)
{
    const struct cg_pipeline *p = m->pipeline;
    cg_error why = CG_ERROR_INIT;
    cg_status st = cg_minimization_create(p->io->minimize, m->built.template.molecule,
                                          cg_hydrogen_placement_molecule(m->built.hydrogens),
                                          &m->built.core, &m->built.minimization, &why);

    if (st == CG_ERR_UNSUPPORTED) {
        cg_host_log(&p->engine->host.host, CG_LOG_WARNING, "%s: %s", m->input.name, why.msg);
        return CG_OK;
    }
    if (st != CG_OK)
        *err = why;
    else if (cg_minimization_uff_reason(m->built.minimization))
        cg_host_log(&p->engine->host.host, CG_LOG_WARNING, "%s: %s: UFF is used", m->input.name,
                    cg_minimization_uff_reason(m->built.minimization));
    return st;
}

static int selects(const cg_ensemble_rules *r)
{
    return r->prune > 0 || r->energy_window > 0 || r->max_conformers || r->sort;
}

static cg_status make_ensemble(cg_pipeline_molecule *m, cg_error *err)
{
    const struct cg_pipeline *p = m->pipeline;

    CG_TRY(cg_ensemble_init(&p->io->ensemble, m->built.template.molecule, &m->built.ensemble, err));
    if (m->built.ensemble.symmetry.limited)
        cg_host_log(&p->engine->host.host, CG_LOG_WARNING,
                    "%s: more than %d symmetries: pruning compares the first %d", m->input.name,
                    CG_ENSEMBLE_MAX_MAPS, CG_ENSEMBLE_MAX_MAPS);
    return CG_OK;
}

/* Finds the core in the molecule and makes its tests keep it. */
static cg_status keep_core(cg_pipeline_molecule *m, cg_error *err)
{
    const cg_pipeline_io *io = m->pipeline->io;
    cg_molecule_template *t = &m->built.template;

    CG_TRY(cg_kept_core_find(io->core, t->molecule, t->geometry, &m->built.core, err));
    return cg_geometry_keep_core(&m->built.core, io->core_tolerance, &t->geometry, err);
}

static cg_status make_hydrogens(cg_pipeline_molecule *m, cg_error *err)
{
    const cg_pipeline_io *io = m->pipeline->io;

    CG_TRY(cg_hydrogen_placement_create(m->built.template.molecule, &m->built.hydrogens, err));
    return io->core ? cg_hydrogen_placement_keep_core(m->built.hydrogens, &m->built.core, err)
                    : CG_OK;
}

static cg_status build(cg_pipeline_molecule *m, cg_error *err)
{
    const cg_engine *e = m->pipeline->engine;
    const cg_pipeline_io *io = m->pipeline->io;

    CG_TRY(cg_molecule_template_build(&e->builder, m->input.smiles, strlen(m->input.smiles),
                                      &m->built.template, err));
    if (io->core)
        CG_TRY(keep_core(m, err));
    if (e->codes)
        CG_TRY(cg_code_decoder_tokens(e->codes, &m->built.template.split, &m->built.tokens, err));
    if (io->add_hs || io->minimize || io->energies)
        CG_TRY(make_hydrogens(m, err));
    if (io->minimize || io->energies)
        CG_TRY(make_minimization(m, err));
    if (selects(&io->ensemble))
        CG_TRY(make_ensemble(m, err));
    if (e->info.check)
        CG_TRY(make_checker(m, err));
    m->built.generations = calloc((size_t)m->input.n_generations, sizeof *m->built.generations);
    if (!m->built.generations)
        return cg_fail(err, CG_ERR_NOMEM, "%d conformers: out of memory", m->input.n_generations);
    return CG_OK;
}

void cg_pipeline_build_job(void *arg, int worker)
{
    cg_pipeline_molecule *m = arg;
    struct cg_pipeline *p = m->pipeline;
    cg_error why = CG_ERROR_INIT;

    (void)worker;
    m->round.n = m->input.n_generations;
    if (build(m, &why) != CG_OK)
        m->failure = why;
    else if (p->io->prepare)
        p->io->prepare(p->io->ctx, m);
    pthread_mutex_lock(&p->lock);
    m->locked.state = m->failure.code == CG_OK ? CG_READY : CG_DONE;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* ---- finish ------------------------------------------------------------------------------- */

static uint32_t generation_of(const cg_pipeline_molecule *m, int32_t i)
{
    return m->round.generations ? m->round.generations[i] : (uint32_t)i;
}

/* Parses the sequences of the round, in its order, and decodes their codes. */
static cg_status parse_sequences(const cg_pipeline_molecule *m, cg_parsed_conformer *c,
                                 cg_error *err)
{
    const cg_engine *e = m->pipeline->engine;
    const cg_molecule_template *t = &m->built.template;
    const cg_coded_molecule coded = { e->codes, t, m->built.tokens, e->builder.geometry };

    for (int32_t i = 0; i < m->round.n; i++) {
        cg_generation *g = &m->built.generations[generation_of(m, i)];
        cg_completion completion = { g->tokens, g->n_tokens, g->done, g->is_mirrored, g->repair };

        CG_TRY(cg_conformer_parse(t, &e->model.weights->format, e->model.tokenizer, &completion,
                                  &c[i], err));
        c[i].retry = m->round.retry;
        free(g->tokens);
        g->tokens = NULL;
    }
    return e->codes ? cg_conformers_decode(&coded, (int32_t)m->round.retry, c, m->round.n, err)
                    : CG_OK;
}

/* A conformer of codes that is given up again: the last one counts the attempts. */
static int is_given_up_again(const cg_pipeline_molecule *m, const cg_parsed_conformer *former,
                             const cg_parsed_conformer *c)
{
    return m->built.tokens && former->verdict == CG_CONFORMER_INVALID_GEOMETRY &&
           c->verdict == CG_CONFORMER_INVALID_GEOMETRY;
}

static int has_core(const cg_pipeline_molecule *m, const cg_parsed_conformer *c)
{
    return m->built.core.core && c->verdict == CG_CONFORMER_OK && c->xyz;
}

/* Adds hydrogens to the conformers of the round, and minimises them. */
static cg_status add_and_minimize(cg_pipeline_molecule *m, cg_parsed_conformer *c, cg_error *err)
{
    const int move_all = m->pipeline->engine->builder.geometry == CG_GEOMETRY_REPAIR;
    double start;

    for (int32_t i = 0; m->built.hydrogens && i < m->round.n; i++)
        CG_TRY(cg_conformer_add_hydrogens(m->built.hydrogens, move_all, &c[i], err));
    if (!m->built.minimization)
        return CG_OK;
    start = cg_now();
    CG_TRY(cg_minimization_run(m->built.minimization, m->pipeline->minimizers, c, m->round.n, err));
    m->finished.counts.minimize_seconds += cg_now() - start;
    return CG_OK;
}

/* Moves the conformers of the round into the frame of the core, and completes them there. */
static cg_status complete_conformers(cg_pipeline_molecule *m, cg_parsed_conformer *c, cg_error *err)
{
    const size_t n = cg_molecule_n_atoms(m->built.template.molecule);

    for (int32_t i = 0; i < m->round.n; i++)
        if (has_core(m, &c[i]))
            cg_core_superpose(&m->built.core, n, c[i].xyz);
    CG_TRY(add_and_minimize(m, c, err));
    for (int32_t i = 0; i < m->round.n; i++)
        if (has_core(m, &c[i])) /* relaxations work with rounded coordinates */
            cg_core_restore(&m->built.core, c[i].xyz);
    return CG_OK;
}

/*
 * Checks a conformer of a generation; keeps the best attempt, of equal ones the first. The
 * conformer is moved to the generation, or *c is the worse one.
 */
static cg_status keep_better(const cg_pipeline_molecule *m, cg_generation *g,
                             cg_parsed_conformer *c, cg_error *err)
{
    if (m->built.checker)
        CG_TRY(cg_conformer_check_geometry(m->built.checker, finished_molecule(m), c, err));
    if (!g->is_parsed || is_given_up_again(m, &g->parsed, c) ||
        cg_parsed_conformer_n_failures(c) < cg_parsed_conformer_n_failures(&g->parsed)) {
        cg_parsed_conformer better = *c;

        *c = g->parsed;
        g->parsed = better;
        g->is_parsed = 1;
    }
    return CG_OK;
}

/* Whether a generation takes part in the next round: after a failed check, after a configuration
 * was lost in minimisation or, with codes, after a failed repair, which without codes restarts the
 * sequence. */
static int is_retried(const cg_pipeline_molecule *m, const cg_parsed_conformer *c)
{
    const cg_engine *e = m->pipeline->engine;

    if (!cg_parsed_conformer_n_failures(c))
        return 0;
    return m->round.retry < (uint32_t)e->info.retry ||
           (m->round.retry < (uint32_t)cg_pipeline_max_retries(m->pipeline) &&
            c->verdict == CG_CONFORMER_INVALID_GEOMETRY && (e->codes || c->is_minimized));
}

/*
 * Parses the round's sequences and replaces m->round.generations with the *ret_n generations to
 * retry.
 */
static cg_status parse_round(cg_pipeline_molecule *m, int32_t *ret_n, cg_error *err)
{
    uint32_t *bad = cg_alloc_array((size_t)m->round.n, sizeof *bad);
    cg_parsed_conformer *c = calloc((size_t)m->round.n, sizeof *c);
    int32_t n = 0;
    cg_status st = CG_OK;

    if (!bad || !c) {
        st = cg_fail_nomem(err, "pipeline");
        goto out;
    }
    CG_TRY_GOTO(st, parse_sequences(m, c, err), out);
    CG_TRY_GOTO(st, complete_conformers(m, c, err), out);
    for (int32_t i = 0; i < m->round.n; i++) {
        cg_generation *g = &m->built.generations[generation_of(m, i)];

        CG_TRY_GOTO(st, keep_better(m, g, &c[i], err), out);
        if (is_retried(m, &g->parsed))
            bad[n++] = generation_of(m, i);
    }
    *ret_n = n;
out:
    for (int32_t i = 0; c && i < m->round.n; i++)
        cg_parsed_conformer_finish(&c[i]);
    free(c);
    if (st == CG_OK) {
        free(m->round.generations);
        m->round.generations = bad;
        bad = NULL;
    }
    free(bad);
    return st;
}

static void start_retry_round(cg_pipeline_molecule *m, int32_t n)
{
    struct cg_pipeline *p = m->pipeline;

    m->round.retry++;
    m->round.n = n;
    pthread_mutex_lock(&p->lock);
    m->locked.state = CG_RUNNING;
    m->locked.n_started = m->locked.n_completed = 0;
    m->locked.next_retry = NULL;
    *(p->locked.retry_queue ? p->locked.retry_tail : &p->locked.retry_queue) = m;
    p->locked.retry_tail = &m->locked.next_retry;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

/* Selects the conformers that are delivered. */
static cg_status select_conformers(cg_pipeline_molecule *m, cg_error *err)
{
    const int32_t n = m->input.n_generations;
    cg_report *r = &m->finished.counts;
    cg_parsed_conformer **c;
    double start = cg_now();
    cg_status st = CG_OK;

    if (!selects(&m->pipeline->io->ensemble))
        return CG_OK;
    c = cg_alloc_array((size_t)n, sizeof(cg_parsed_conformer *));
    m->finished.order = cg_alloc_array((size_t)n, sizeof *m->finished.order);
    if (!c || !m->finished.order) {
        st = cg_fail_nomem(err, "ensemble");
        goto out;
    }
    for (int32_t i = 0; i < n; i++)
        c[i] = &m->built.generations[i].parsed;
    CG_TRY_GOTO(st, cg_ensemble_select(&m->built.ensemble, c, n, m->finished.order, err), out);
    for (int32_t i = 0; i < n; i++) {
        r->dropped_rmsd += c[i]->dropped == CG_DROPPED_RMSD;
        r->dropped_energy += c[i]->dropped == CG_DROPPED_ENERGY;
        r->dropped_number += c[i]->dropped == CG_DROPPED_NUMBER;
    }
    r->prune_seconds += cg_now() - start;
out:
    free(c);
    return st;
}

static void count_results(cg_pipeline_molecule *m)
{
    const cg_pipeline_io *io = m->pipeline->io;
    cg_report *r = &m->finished.counts;

    r->energy_refused += (io->minimize || io->energies) && !m->built.minimization;
    r->energy_uff +=
        m->built.minimization && cg_minimization_uff_reason(m->built.minimization) != NULL;
    for (int32_t i = 0; i < m->input.n_generations; i++) {
        const cg_parsed_conformer *c = &m->built.generations[i].parsed;

        if (m->pipeline->engine->codes)
            cg_report_count_repair(r, &c->repair);
        r->hydrogens_moved +=
            c->hydrogens == CG_HYDROGENS_MOVED || c->hydrogens == CG_HYDROGENS_MOVED_ALL;
        r->hydrogens_failed += c->hydrogens == CG_HYDROGENS_FAILED;
        r->minimized += c->is_minimized && c->verdict == CG_CONFORMER_OK;
        r->minimized_rejected += c->is_minimized && c->verdict != CG_CONFORMER_OK;
        r->fixed_by_retry += c->retry && !cg_parsed_conformer_n_failures(c);
        if (!c->checks_done || c->dropped)
            continue;
        r->checked++;
        r->passed += !c->checks_failed && !c->checks_unchecked;
        r->unchecked += !c->checks_failed && c->checks_unchecked;
        for (int id = 0; id < CG_CHECK_COUNT; id++) {
            r->check_done[id] += c->checks_done >> id & 1;
            r->check_failed[id] += c->checks_failed >> id & 1;
            r->check_unchecked[id] += c->checks_unchecked >> id & 1;
        }
    }
}

static void release_dropped(cg_pipeline_molecule *m)
{
    for (int32_t i = 0; i < m->input.n_generations; i++) {
        cg_parsed_conformer *c = &m->built.generations[i].parsed;
        const int32_t dropped = c->dropped;

        if (!dropped)
            continue;
        cg_parsed_conformer_finish(c);
        c->dropped = dropped;
    }
}

void cg_pipeline_finish_job(void *arg, int worker)
{
    cg_pipeline_molecule *m = arg;
    struct cg_pipeline *p = m->pipeline;
    double start = cg_now();
    int32_t n_bad = 0;
    cg_status st = parse_round(m, &n_bad, &m->failure);

    (void)worker;
    if (st == CG_OK && n_bad) {
        m->finished.seconds += cg_now() - start;
        start_retry_round(m, n_bad);
        return;
    }
    if (st == CG_OK)
        st = select_conformers(m, &m->failure);
    if (st == CG_OK) {
        count_results(m);
        release_dropped(m);
        if (p->io->finish)
            p->io->finish(p->io->ctx, m);
    }
    m->finished.seconds += cg_now() - start;
    pthread_mutex_lock(&p->lock);
    m->locked.state = CG_DONE;
    p->locked.n_running--;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}
