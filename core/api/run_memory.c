/* SPDX-License-Identifier: MIT */
/* Molecules in memory: cg_engine_generate(). */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "engine/pipeline.h"

struct memory {
    cg_engine *engine;
    const cg_request *requests;
    int64_t n, next;
    void (*on_conformer)(void *ctx, const cg_conformer *conformer);
    void *ctx;
    cg_report *report;
};

static cg_status memory_next(void *ctx, cg_pipeline_molecule *m, int *ret_more, cg_error *err)
{
    struct memory *s = ctx;
    const cg_request *r;

    *ret_more = s->next < s->n;
    if (!*ret_more)
        return CG_OK;
    r = &s->requests[s->next++];
    if (!r->smiles || r->n_conformers < 1)
        return cg_fail(err, CG_ERR_USAGE, "request %lld: %s", (long long)s->next - 1,
                       r->smiles ? "no conformers are asked for" : "no SMILES");
    m->index = (int64_t)r->index;
    m->n_generations = r->n_conformers;
    m->smiles = strdup(r->smiles);
    m->name = strdup(r->name ? r->name : "");
    m->line = s->next - 1;
    return m->smiles && m->name ? CG_OK : cg_fail(err, CG_ERR_NOMEM, "generate: out of memory");
}

static void count_verdict(cg_report *r, int32_t verdict)
{
    r->conformers += verdict == CG_CONFORMER_OK;
    r->wrong_molecules += verdict == CG_CONFORMER_WRONG_MOLECULE;
    r->parse_failures += verdict == CG_CONFORMER_PARSE_FAILURE;
    r->unfinished += verdict == CG_CONFORMER_UNFINISHED;
    r->invalid_geometry += verdict == CG_CONFORMER_INVALID_GEOMETRY;
}

static cg_status memory_emit(void *ctx, cg_pipeline_molecule *m, cg_error *err)
{
    struct memory *s = ctx;
    int64_t before = s->report->conformers;
    cg_conformer g = { CG_SIZED(cg_conformer), .request = &s->requests[m->line] };

    (void)err;
    if (m->failure.code != CG_OK) {
        g.verdict = CG_CONFORMER_PARSE_FAILURE;
        g.generation = -1;
        g.smiles = m->smiles;
        g.text = "";
        g.reason = m->failure.msg;
        s->report->molecules_failed++;
        cg_report_failure(s->report, m->failure.code);
        if (s->on_conformer)
            s->on_conformer(s->ctx, &g);
        return CG_OK;
    }
    g.n_atoms = (int32_t)m->built.split.n_atoms;
    g.smiles = cg_molecule_smiles(m->built.molecule, NULL);
    for (int32_t i = 0; i < m->n_generations; i++) {
        const cg_parsed_conformer *c = &m->generations[i].checked;

        g.verdict = c->verdict;
        g.generation = i;
        g.text = c->text;
        g.reason = c->reason;
        g.xyz = (const double(*)[3])c->xyz;
        g.checks_done = c->checks_done;
        g.checks_failed = c->checks_failed;
        g.retries = (int32_t)c->retry;
        count_verdict(s->report, g.verdict);
        if (s->on_conformer)
            s->on_conformer(s->ctx, &g);
    }
    s->report->molecules_failed += s->report->conformers - before < m->n_generations;
    return CG_OK;
}

static int memory_stop(void *ctx)
{
    (void)ctx;
    return 0;
}

cg_status cg_engine_generate(cg_engine *engine, const cg_request *requests, int64_t n,
                             void (*on_conformer)(void *ctx, const cg_conformer *conformer),
                             void *ctx, cg_report *ret_report, cg_error *err)
{
    cg_report report = { CG_SIZED(cg_report) };
    struct memory s = { engine, requests, n, 0, on_conformer, ctx, &report };
    /* the conformers are handed out as they were read */
    cg_pipeline_io io = { &s, memory_next, NULL, NULL, memory_emit, NULL, memory_stop };
    cg_status status = cg_pipeline_run(engine, &io, &report, err);

    if (ret_report)
        *ret_report = report;
    return status;
}
