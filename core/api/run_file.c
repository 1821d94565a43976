/* SPDX-License-Identifier: MIT */
/* A run from file to file: cg_engine_run(). */
#include "api/run_file.h"

#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/run_input.h"
#include "api/run_notes.h"
#include "api/run_output.h"
#include "api/run_records.h"
#include "base/error.h"
#include "base/sized_struct.h"
#include "engine/core_file.h"
#include "engine/core_frame.h"
#include "engine/counters.h"
#include "engine/pipeline.h"

struct run {
    cg_engine *engine;
    const cg_run_options *options;
    cg_report *report;
    cg_run_writer writer;
    cg_input *input;
    cg_output *output;
    cg_run_range range;
    cg_run_notes notes;
    cg_core *core;                /* NULL: none */
    uint64_t core_hash;           /* of its file */
    int64_t next_index;           /* smaller indices are in the output already */
    cg_input_record first_record; /* read ahead; borrowed from the input until the next read */
    int has_first_record;
    int64_t n_emitted;
    /* of the molecules that are built: conformers, and the most tokens that they can have */
    atomic_llong built_conformers, built_tokens;
};

/* ---- source ------------------------------------------------------------------------------- */

enum { GENERATED_NAME = 32 };

/* The molecule's name; one without gets a name by its index in `buf`. */
static const char *name_of(const cg_input_record *r, char buf[GENERATED_NAME])
{
    snprintf(buf, GENERATED_NAME, "mol_%06" PRId64, r->index);
    return r->name_len ? r->name : buf;
}

/* Reads one line from the input. */
static cg_status read_line(struct run *run, cg_input_record *r, int *ret_more, cg_error *err)
{
    char name[GENERATED_NAME];

    CG_TRY(cg_input_next(run->input, r, ret_more, err));
    if (!*ret_more || r->index >= run->range.end)
        return CG_OK;
    return cg_run_notes_add(&run->notes, r, name_of(r, name), r->index >= run->range.first,
                            run->report, err);
}

/* Reads one line, first the one that was read ahead. */
static cg_status read_record(struct run *run, cg_input_record *r, int *ret_more, cg_error *err)
{
    if (!run->has_first_record)
        return read_line(run, r, ret_more, err);
    *r = run->first_record;
    run->has_first_record = 0;
    *ret_more = 1;
    return CG_OK;
}

/*
 * Reads up to the first line of the range. If it lacks the count that --gens Nk needs, so will the
 * others: the run fails before anything is written.
 */
static cg_status read_ahead(struct run *run, cg_error *err)
{
    const cg_run_options *o = run->options;
    cg_input_record *r = &run->first_record;
    int more;

    do {
        CG_TRY(read_line(run, r, &more, err));
        if (!more)
            return CG_OK;
    } while (r->index < run->range.first);
    run->has_first_record = 1;
    if (o->gens_per_reference && r->status == CG_OK && r->count == -1)
        return cg_fail(err, CG_ERR_USAGE,
                       "%s:%" PRId64 ": --gens %dk is %d conformers for each of the molecule's "
                       "k reference conformers, but this line has no count k (third column of a "
                       "line separated by tabs, or column n_conformers or k of a header); give "
                       "counts, or a number such as --gens 10",
                       o->input, r->line, o->gens, o->gens);
    return CG_OK;
}

static void set_generations(const cg_run_options *o, const cg_input_record *r,
                            cg_pipeline_molecule *m)
{
    int64_t n = cg_run_generations_of(o, r);

    if (o->gens_per_reference && r->count == CG_INPUT_BAD_COUNT)
        cg_fail(&m->failure, CG_ERR_INPUT,
                "%s:%" PRId64
                ": the count k of reference conformers, which --gens %dk needs, is no "
                "whole number from 1 to %d",
                o->input, r->line, o->gens, CG_INPUT_MAX_K);
    else if (o->gens_per_reference && r->count < 0)
        cg_fail(&m->failure, CG_ERR_INPUT,
                "%s:%" PRId64 ": no count k of reference conformers, which --gens %dk needs; give "
                "one, or a number such as --gens 10",
                o->input, r->line, o->gens);
    else if (n > INT32_MAX)
        cg_fail(&m->failure, CG_ERR_LIMIT,
                "%s:%" PRId64 ": %" PRId64 " conformers of one molecule, at most %d", o->input,
                r->line, n, INT32_MAX);
    else
        m->input.n_generations = (int32_t)n;
}

/* cg_pipeline_io.next */
static cg_status run_next(void *ctx, cg_pipeline_molecule *m, int *ret_more, cg_error *err)
{
    struct run *run = ctx;
    cg_input_record r;
    char name[GENERATED_NAME];

    do {
        CG_TRY(read_record(run, &r, ret_more, err));
        if (!*ret_more)
            return CG_OK;
        if (r.index >= run->range.end) {
            *ret_more = 0;
            return CG_OK;
        }
        run->report->molecules_resumed += r.index >= run->range.first && r.index < run->next_index;
    } while (r.index < run->range.first || r.index < run->next_index);
    m->input.index = r.index;
    m->input.line = r.line;
    m->input.name = strdup(name_of(&r, name));
    m->input.smiles = strdup(r.smiles);
    if (!m->input.name || !m->input.smiles)
        return cg_fail_nomem(err, "input");
    if (r.status != CG_OK)
        cg_fail(&m->failure, r.status, "%s", r.reason);
    else if (cg_record_check_name(run->writer.formats.record, m->input.name, &m->failure) == CG_OK)
        set_generations(run->options, &r, m);
    return CG_OK;
}

/* ---- jobs --------------------------------------------------------------------------------- */

/* cg_pipeline_io.prepare */
static void run_prepare(void *ctx, cg_pipeline_molecule *m)
{
    struct run *run = ctx;

    cg_run_records_prepare(&run->writer, m);
    atomic_fetch_add(&run->built_conformers, m->input.n_generations);
    atomic_fetch_add(&run->built_tokens,
                     (long long)m->input.n_generations * m->built.template.program->max_tokens);
}

/* Molecules that are not built yet count as the average one of those that are. */
static int64_t expect_tokens(struct run *run)
{
    const cg_report *r = run->report;
    const long long conformers = atomic_load(&run->built_conformers);
    const double tokens = (double)atomic_load(&run->built_tokens);

    return conformers ? (int64_t)(tokens / (double)conformers *
                                  (double)(r->total_conformers - r->conformers_resumed))
                      : 0;
}

/* cg_pipeline_io.finish */
static void run_finish(void *ctx, cg_pipeline_molecule *m)
{
    cg_run_records_write(&((const struct run *)ctx)->writer, m);
}

/* cg_pipeline_io.forget */
static void run_forget(void *ctx, cg_pipeline_molecule *m)
{
    (void)ctx;
    cg_run_records_free(m->user);
}

/* ---- sink --------------------------------------------------------------------------------- */

static void report_failure(const struct run *run, const char *text)
{
    if (run->options->on_failure)
        run->options->on_failure(run->options->ctx, text);
}

/* Whether a molecule failed by itself. Memory, disk and bugs end the run, to be resumed. */
static int is_molecule_failure(cg_status status)
{
    return status == CG_ERR_INPUT || status == CG_ERR_LIMIT || status == CG_ERR_UNSUPPORTED;
}

/* The input's name in messages, as the reader gives it. */
static const char *input_name(const struct run *run)
{
    return strcmp(run->options->input, "-") ? run->options->input : "standard input";
}

static void report_molecule_failure(const struct run *run, const cg_pipeline_molecule *m,
                                    cg_buf *failed)
{
    const char *file = input_name(run);
    size_t len = strlen(file);
    char text[CG_ERROR_TEXT + 256];

    /* the reader's text names file and line itself */
    if (!strncmp(m->failure.msg, file, len) && m->failure.msg[len] == ':')
        snprintf(text, sizeof text, "%s", m->failure.msg);
    else
        snprintf(text, sizeof text, "%s:%" PRId64 ": %s: %s", file, m->input.line, m->input.name,
                 m->failure.msg);
    report_failure(run, text);
    cg_failure_write(m->input.line, m->input.name, m->input.smiles, -1, m->failure.msg, NULL,
                     failed);
}

static int64_t n_failed(const cg_pipeline_molecule *m, const cg_run_records *r)
{
    return m->input.n_generations - r->counts[CG_CONFORMER_OK] - r->n_dropped;
}

static void report_failed_conformers(const struct run *run, const cg_pipeline_molecule *m,
                                     const cg_run_records *r)
{
    char text[CG_ERROR_TEXT + 256];

    snprintf(text, sizeof text, "%s:%" PRId64 ": %s: %" PRId64 " of %d conformers failed, e.g. %s",
             input_name(run), m->input.line, m->input.name, n_failed(m, r), m->input.n_generations,
             r->first_reason);
    report_failure(run, text);
}

/* Writes one molecule: its records, or the failure of the whole. */
static cg_status write_molecule(struct run *run, const cg_pipeline_molecule *m,
                                const cg_run_records *r, cg_error *err)
{
    cg_report *report = run->report;
    int has_failed = m->failure.code != CG_OK;
    cg_output_molecule out = {
        .index = m->input.index,
        .bytes = r->frame.data,
        .len = r->frame.len,
        .n_records = r->counts[CG_CONFORMER_OK],
        .n_failed = n_failed(m, r),
        .failed_text = cg_buf_text(&r->failed),
        .failed_len = r->failed.len,
    };

    CG_TRY(cg_output_put_frame(run->output, &out, r->plain, err));
    for (int32_t v = 0; v < CG_VERDICTS; v++)
        cg_report_count_verdict(report, v, r->counts[v]);
    report->molecules_failed += has_failed || out.n_failed > 0;
    cg_report_count_failure(report, m->failure.code);
    report->bytes_written += (int64_t)(r->n_before + out.len);
    run->n_emitted++;
    return CG_OK;
}

/*
 * Writes all frames of a molecule but the last, which it leaves in its records. Each is made when
 * the one before is written, so that memory does not grow with the records. Without frames if the
 * molecule fails.
 */
static cg_status write_parts(struct run *run, cg_pipeline_molecule *m, cg_error *err)
{
    cg_run_records *r = m->user;

    while (r->next < m->input.n_generations) {
        CG_TRY(cg_output_put_part(run->output, r->frame.data, r->frame.len, r->plain, err));
        r->n_before += r->frame.len;
        cg_run_records_write(&run->writer, m);
        if (m->failure.code != CG_OK)
            return cg_output_drop_parts(run->output, err);
    }
    return CG_OK;
}

/* cg_pipeline_io.emit */
static cg_status run_emit(void *ctx, cg_pipeline_molecule *m, cg_error *err)
{
    struct run *run = ctx;
    const cg_run_records *r = m->user;
    cg_run_records none = { .plain = 0 };
    cg_status st;

    if (m->failure.code == CG_OK)
        CG_TRY(write_parts(run, m, err));
    if (m->failure.code == CG_OK) {
        cg_run_notes_add_molecule(&run->notes, m->input.line, r->n_lost_stereo, run->report);
        if (n_failed(m, r))
            report_failed_conformers(run, m, r);
        return write_molecule(run, m, r, err);
    }
    if (!is_molecule_failure(m->failure.code))
        return cg_fail(err, m->failure.code, "%s:%" PRId64 ": %s: %s", run->options->input,
                       m->input.line, m->input.name, m->failure.msg);
    report_molecule_failure(run, m, &none.failed);
    st = cg_buf_check(&none.failed, "failures", err);
    if (st == CG_OK)
        st = write_molecule(run, m, &none, err);
    cg_buf_finish(&none.failed);
    return st;
}

/* cg_pipeline_io.stop */
static int run_stop(void *ctx)
{
    struct run *run = ctx;
    const cg_run_options *o = run->options;

    if (o->progress) {
        run->report->expected_tokens = expect_tokens(run);
        o->progress(o->ctx, run->report, run->n_emitted);
    }
    return o->stop && *o->stop;
}

/* ---- run ---------------------------------------------------------------------------------- */

static cg_status open_output(struct run *run, const char *path, cg_error *err)
{
    cg_output_state state;

    CG_TRY(cg_run_open_output(run->engine, run->options, path, run->writer.formats, run->range,
                              run->core_hash, &run->output, &state, err));
    run->next_index = state.kind == CG_OUTPUT_COMPLETE ? INT64_MAX : state.next_index;
    run->report->conformers_resumed += state.n_records;
    run->report->molecules_failed += state.n_molecules_failed;
    if (*state.note)
        report_failure(run, state.note);
    return CG_OK;
}

/* Reads the core, which only a text of numbers with repair can keep. */
static cg_status open_core(struct run *run, cg_pipeline_io *io, cg_error *err)
{
    const cg_engine *e = run->engine;

    if (!run->options->core)
        return CG_OK;
    if (e->builder.geometry != CG_GEOMETRY_REPAIR)
        return cg_fail(
            err, CG_ERR_USAGE,
            "--core: repair writes the core's coordinates into the text: found --geometry "
            "%s, wanted repair",
            e->info.geometry);
    if (!cg_core_tolerance(&e->builder.format->number, &io->core_tolerance))
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "--core: the model's format has no coordinates finer than 0.01 Å, which the "
                       "core's shape needs (%s)",
                       e->info.text_format);
    CG_TRY(cg_core_file_read(run->options->core, &run->core, &run->core_hash, err));
    io->core = run->core;
    return CG_OK;
}

static cg_status run_to_output(struct run *run, cg_error *err)
{
    cg_pipeline_io io = {
        .ctx = run,
        .minimize = run->options->minimize,
        .energies = run->options->energies || run->options->minimize,
        .ensemble = { .prune = run->options->prune,
                      .energy_window = run->options->energy_window,
                      .max_conformers = run->options->max_conformers,
                      .sort = run->options->sort },
        .next = run_next,
        .prepare = run_prepare,
        .finish = run_finish,
        .emit = run_emit,
        .forget = run_forget,
        .stop = run_stop,
    };
    const cg_run_options *o = run->options;
    char path[PATH_MAX];

    CG_TRY(cg_run_check_options(o, err));
    CG_TRY(cg_run_output_path(o, path, sizeof path, err));
    CG_TRY(cg_run_check_files(run->engine, o, err));
    CG_TRY(cg_run_find_formats(o, path, &run->writer.formats, err));
    io.add_hs = run->writer.formats.add_hs;
    CG_TRY(cg_run_find_range(o, &run->range, err));
    CG_TRY(open_core(run, &io, err));
    if (o->progress)
        CG_TRY(cg_run_survey(o, run->range, &run->report->total_molecules,
                             &run->report->total_conformers, err));
    CG_TRY(cg_run_open_input(o, &run->input, err));
    if (*cg_input_columns_note(run->input))
        cg_host_log(&run->engine->host.host, CG_LOG_WARNING, "%s: %s", o->input,
                    cg_input_columns_note(run->input));
    CG_TRY(read_ahead(run, err));
    CG_TRY(open_output(run, path, err));
    CG_TRY(cg_pipeline_run(run->engine, &io, run->report, err));
    return run->next_index == INT64_MAX ? CG_OK : cg_output_finish(run->output, err);
}

cg_status cg_engine_run_in_frames(cg_engine *engine, const cg_run_options *options,
                                  size_t frame_bytes, cg_report *ret_report, cg_error *err)
{
    cg_run_options o = { 0 };
    cg_report report = { CG_SIZED(cg_report) };
    struct run run = {
        .engine = engine,
        .options = &o,
        .report = &report,
        .writer = { .engine = engine, .frame_bytes = frame_bytes },
    };
    cg_status st;

    CG_TRY(CG_SIZED_READ(cg_run_options, &o, options, err));
    run.writer.minimize = o.minimize;
    if (ret_report)
        CG_TRY(cg_sized_struct_check(ret_report, "cg_report", err));
    st = run_to_output(&run, err);
    if (st == CG_OK || st == CG_ERR_INTERRUPTED)
        cg_run_notes_log(&run.notes, &report, o.input, &engine->host.host);
    cg_run_notes_finish(&run.notes);
    cg_output_close(run.output);
    cg_input_close(run.input);
    cg_core_destroy(run.core);
    if (ret_report)
        cg_fill_struct(ret_report, &report);
    return st;
}

cg_status cg_engine_run(cg_engine *engine, const cg_run_options *options, cg_report *ret_report,
                        cg_error *err)
{
    return cg_engine_run_in_frames(engine, options, CG_FRAME_FULL_CONTENT, ret_report, err);
}
