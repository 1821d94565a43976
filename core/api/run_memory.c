/* SPDX-License-Identifier: MIT */
/* Molecules and conformers in memory: cg_engine_generate(). */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/requests.h"
#include "base/error.h"
#include "base/sized_struct.h"
#include "engine/counters.h"
#include "engine/pipeline.h"

struct memory_run {
    const cg_request *requests;
    int64_t n, next; /* input.line of a molecule is the index of its request */
    void (*on_conformer)(void *ctx, const cg_conformer *conformer);
    void *ctx;
    cg_report *report;
};

/* cg_pipeline_io.next */
static cg_status run_next(void *ctx, cg_pipeline_molecule *m, int *ret_more, cg_error *err)
{
    struct memory_run *run = ctx;
    cg_request r;

    *ret_more = run->next < run->n;
    if (!*ret_more)
        return CG_OK;
    m->input.line = run->next++;
    CG_TRY(cg_request_read(run->requests, m->input.line, &r, err));
    if (r.n_conformers < 1)
        return cg_fail(err, CG_ERR_USAGE,
                       "request %" PRId64 ": found n_conformers %d, wanted at least 1",
                       m->input.line, r.n_conformers);
    m->input.index = (int64_t)r.index;
    m->input.n_generations = r.n_conformers;
    m->input.smiles = strdup(r.smiles);
    m->input.name = strdup(r.name ? r.name : "");
    return m->input.smiles && m->input.name ? CG_OK : cg_fail_nomem(err, "generate");
}

static void hand_out(const struct memory_run *run, const cg_conformer *c)
{
    if (run->on_conformer)
        run->on_conformer(run->ctx, c);
}

static void emit_failure(struct memory_run *run, const cg_pipeline_molecule *m)
{
    cg_conformer c = {
        CG_SIZED(cg_conformer),
        .verdict = CG_CONFORMER_PARSE_FAILURE,
        .request = cg_request_at(run->requests, m->input.line),
        .generation = -1,
        .smiles = m->input.smiles,
        .text = "",
        .reason = m->failure.msg,
    };

    run->report->molecules_failed++;
    cg_report_count_failure(run->report, m->failure.code);
    hand_out(run, &c);
}

static void emit_conformers(struct memory_run *run, const cg_pipeline_molecule *m)
{
    int64_t before = run->report->conformers;
    cg_conformer c = {
        CG_SIZED(cg_conformer),
        .request = cg_request_at(run->requests, m->input.line),
        .n_atoms = (int32_t)m->built.template.split.n_atoms,
        .smiles = cg_molecule_smiles(m->built.template.molecule, NULL),
    };

    for (int32_t i = 0; i < m->input.n_generations; i++) {
        const cg_parsed_conformer *parsed = &m->built.generations[i].parsed;

        c.verdict = parsed->verdict;
        c.generation = i;
        c.text = parsed->text;
        c.reason = parsed->reason;
        c.xyz = (const double(*)[3])parsed->xyz;
        c.checks_done = parsed->checks_done;
        c.checks_failed = parsed->checks_failed;
        c.checks_unchecked = parsed->checks_unchecked;
        c.retries = (int32_t)parsed->retry;
        cg_report_count_verdict(run->report, c.verdict, 1);
        hand_out(run, &c);
    }
    run->report->molecules_failed += run->report->conformers - before < m->input.n_generations;
}

/* cg_pipeline_io.emit */
static cg_status run_emit(void *ctx, cg_pipeline_molecule *m, cg_error *err)
{
    (void)err;
    if (m->failure.code != CG_OK)
        emit_failure(ctx, m);
    else
        emit_conformers(ctx, m);
    return CG_OK;
}

/* cg_pipeline_io.stop */
static int run_stop(void *ctx)
{
    (void)ctx;
    return 0;
}

cg_status cg_engine_generate(cg_engine *engine, const cg_request *requests, int64_t n,
                             void (*on_conformer)(void *ctx, const cg_conformer *conformer),
                             void *ctx, cg_report *ret_report, cg_error *err)
{
    cg_report report = { CG_SIZED(cg_report) };
    struct memory_run run = {
        .requests = requests,
        .n = n,
        .on_conformer = on_conformer,
        .ctx = ctx,
        .report = &report,
    };
    cg_pipeline_io io = { .ctx = &run, .next = run_next, .emit = run_emit, .stop = run_stop };
    cg_status st;

    if (ret_report)
        CG_TRY(cg_sized_struct_check(ret_report, "cg_report", err));
    st = cg_pipeline_run(engine, &io, &report, err);
    if (ret_report)
        cg_fill_struct(ret_report, &report);
    return st;
}
