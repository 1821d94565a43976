/* SPDX-License-Identifier: MIT */
/* The pipeline: order, failures at every stage, stopping; all molecules are freed. */
#include "engine/pipeline.h"
#include "tiny_engine.h"

static const char *const smiles[] = { "CCO", "C1CC", "c1ccccc1", "CC(=O)N",
                                      "O",   "N#N",  "[Fe]C",    "C[C@H](N)C(=O)O" };
enum {
    N_SMILES = sizeof smiles / sizeof smiles[0],
    BAD = 12 + 11, /* of 60: every fifth line; unclosed rings and bonded iron on others */
};

/* The plan of a run, and counters of its callbacks. */
static struct run {
    int64_t n, fail_next_at, fail_emit_at, stop_after;
    int32_t generations;
    int fail_finish_of;  /* index + 1 */
    int fail_prepare_of; /* index + 1 */
    int64_t made, emitted, forgotten, failed, stops;
    _Atomic int64_t finished, prepared;
} run;

static cg_status next(void *ctx, cg_pipeline_molecule *m, int *ret_more, cg_error *err)
{
    struct run *r = ctx;

    if (r->made + 1 == r->fail_next_at) {
        if (err) {
            err->code = CG_ERR_IO;
            snprintf(err->msg, sizeof err->msg, "the list is torn");
        }
        return CG_ERR_IO;
    }
    *ret_more = r->made < r->n;
    if (!*ret_more)
        return CG_OK;
    m->input.index = r->made;
    m->input.line = r->made + 1;
    m->input.name = strdup("x");
    m->input.smiles = strdup(smiles[r->made % N_SMILES]);
    m->input.n_generations = r->generations;
    if (r->made % 5 == 4) { /* fails before it is built */
        m->failure.code = CG_ERR_INPUT;
        snprintf(m->failure.msg, sizeof m->failure.msg, "a bad line");
    }
    r->made++;
    return CG_OK;
}

static void prepare(void *ctx, cg_pipeline_molecule *m)
{
    struct run *r = ctx;

    ck_assert_ptr_nonnull(m->built.template.program);
    m->user = malloc(1);
    r->prepared++;
    if (m->input.index + 1 == r->fail_prepare_of)
        m->failure.code = CG_ERR_NOMEM;
}

static void finish(void *ctx, cg_pipeline_molecule *m)
{
    struct run *r = ctx;

    ck_assert_int_eq(m->locked.n_completed, m->round.n);
    for (int32_t i = 0; i < m->input.n_generations; i++)
        ck_assert_uint_gt(m->built.generations[i].parsed.text_len, 0);
    r->finished++;
    if (m->input.index + 1 == r->fail_finish_of)
        m->failure.code = CG_ERR_NOMEM;
}

static cg_status emit(void *ctx, cg_pipeline_molecule *m, cg_error *err)
{
    struct run *r = ctx;

    ck_assert_int_eq(m->input.index, r->emitted);
    r->emitted++;
    r->failed += m->failure.code != CG_OK;
    if (r->emitted == r->fail_emit_at) {
        err->code = CG_ERR_IO;
        snprintf(err->msg, sizeof err->msg, "the disk is full");
        return CG_ERR_IO;
    }
    return CG_OK;
}

static void forget(void *ctx, cg_pipeline_molecule *m)
{
    struct run *r = ctx;

    free(m->user);
    r->forgotten += m->input.smiles != NULL; /* the end of the list is an empty molecule */
}

static int stop(void *ctx)
{
    struct run *r = ctx;

    return r->stop_after && ++r->stops > r->stop_after;
}

static const cg_pipeline_io io = { &run, next, prepare, finish,         emit, forget, stop,
                                   0,    0,    0,       { .prune = 0 }, NULL, 0 };

static cg_engine *engine;

static void setup(void)
{
    scratch_make();
    write_tiny_model();
    run = (struct run) { .n = 60, .generations = 2 };
}

static void teardown(void)
{
    cg_engine_close(engine);
    scratch_remove();
}

START_TEST(molecules_are_emitted_in_order)
{
    static const int32_t batches[] = { 1, 3, 64 };
    cg_report report = { CG_SIZED(cg_report) };
    cg_error err = CG_ERROR_INIT;

    engine = open_tiny_engine(batches[_i], 0, NULL);
    ck_assert_msg(cg_pipeline_run(engine, &io, &report, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(run.emitted, 60);
    ck_assert_int_eq(run.forgotten, 60);
    ck_assert_int_eq(run.failed, BAD);
    ck_assert_int_eq(run.finished, 60 - BAD);
    ck_assert_int_eq(run.prepared, 60 - BAD);
    ck_assert_int_eq(report.molecules, 60);
    ck_assert_int_eq(report.requested, 2 * (60 - BAD));
    ck_assert_int_eq(report.tokens, report.sampled + report.forced);
    ck_assert(report.sampled > 0 && report.steps > 0 && report.prompt_tokens > 0);
    ck_assert(report.seconds > 0 && report.decode_seconds > 0 && report.peak_bytes > 0);
}
END_TEST

/* Each stage fails once; molecules in progress are forgotten, and the engine runs again. */
static const struct failure {
    const char *text;
    cg_status status;
    int64_t next_at, emit_at, stop_after;
} failures[] = {
    { "the list is torn", CG_ERR_IO, 1, 0, 0 },
    { "the list is torn", CG_ERR_IO, 33, 0, 0 },
    { "the disk is full", CG_ERR_IO, 0, 1, 0 },
    { "the disk is full", CG_ERR_IO, 0, 40, 0 },
    { "the disk is full", CG_ERR_IO, 0, 60, 0 },
    { "stopped before all molecules were done", CG_ERR_INTERRUPTED, 0, 0, 1 },
    { "stopped before all molecules were done", CG_ERR_INTERRUPTED, 0, 0, 3 },
};

START_TEST(failure_ends_the_run)
{
    const struct failure *f = &failures[_i];
    cg_report report = { CG_SIZED(cg_report) };
    cg_error err = CG_ERROR_INIT;

    engine = open_tiny_engine(3, 0, NULL);
    run.fail_next_at = f->next_at;
    run.fail_emit_at = f->emit_at;
    run.stop_after = f->stop_after;
    ck_assert_int_eq(cg_pipeline_run(engine, &io, &report, &err), f->status);
    ck_assert_msg(strstr(err.msg, f->text) != NULL, "'%s'", err.msg);
    ck_assert_int_eq(err.code, f->status);
    ck_assert_int_eq(run.forgotten, run.made);
    if (f->emit_at)
        ck_assert_int_eq(run.emitted, f->emit_at);
    run = (struct run) { .n = 8, .generations = 1 };
    ck_assert_msg(cg_pipeline_run(engine, &io, &report, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(run.emitted, 8);
}
END_TEST

START_TEST(molecule_may_fail_late)
{
    cg_report report = { CG_SIZED(cg_report) };
    cg_error err = CG_ERROR_INIT;

    engine = open_tiny_engine(8, 0, NULL);
    run.fail_prepare_of = 3;
    run.fail_finish_of = 4;
    ck_assert_msg(cg_pipeline_run(engine, &io, &report, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(run.emitted, 60);
    ck_assert_int_eq(run.failed, BAD + 2);
    ck_assert_int_eq(run.finished, 60 - BAD - 1);
}
END_TEST

START_TEST(empty_list)
{
    cg_report report = { CG_SIZED(cg_report) };
    cg_error err = CG_ERROR_INIT;

    engine = open_tiny_engine(8, 0, NULL);
    run.n = 0;
    ck_assert_msg(cg_pipeline_run(engine, &io, &report, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(run.emitted + report.molecules + report.tokens, 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pipeline");
    TCase *tc = tcase_create("stages");
    SRunner *sr;
    int failed;

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, molecules_are_emitted_in_order, 0, 3);
    tcase_add_loop_test(tc, failure_ends_the_run, 0, (int)(sizeof failures / sizeof *failures));
    tcase_add_test(tc, molecule_may_fail_late);
    tcase_add_test(tc, empty_list);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_NORMAL);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
