/* SPDX-License-Identifier: MIT */
/*
 * Models of the format molgen-fsq: a tiny one whose codes an FSQ decoder of computed weights turns
 * into coordinates. Random coordinates are rarely a molecule's: repair has much to do. Runs on the
 * CPU, or on a GPU in f32 if CONFGEN_TEST_GPU is 1.
 */
#include "engine/pipeline.h"

#include <jansson.h>

#include "fsq_made.h"
#include "gpu_mode.h"
#include "sequence/atom_tests.h"
#include "tiny_engine.h"

enum { GENERATIONS = 4 };

static const struct fsq_shape shape = { 64, 1, 64, 8, 4 };
static const char *const smiles[] = { "C[C@@H](N)C(=O)O", "CCO", "CCI", "c1ccccc1C#N" };
enum { N_SMILES = sizeof smiles / sizeof *smiles, WITHOUT_TOKEN = 2 };

static int gpu; /* run the tests on a GPU */
static cg_engine *engine;
static cg_fsq_model *fsq;
static int n_read, n_ok, n_given_up;

/* ---- the model ---------------------------------------------------------------------------- */

/* Adds the tokens "<0>" to "<15>" to the tokenizer; the embedding has as many free rows. */
static void add_codes(void)
{
    const char *path = scratch_path("model/tokenizer.json");
    json_t *root = json_load_file(path, 0, NULL), *added = json_object_get(root, "added_tokens");
    int first = (int)json_object_size(json_object_get(json_object_get(root, "model"), "vocab"));

    ck_assert_ptr_nonnull(added);
    for (int i = 0; i < 16; i++) {
        json_t *token = json_deep_copy(json_array_get(added, 0));

        json_object_set_new(token, "id", json_integer(first + i));
        json_object_set_new(token, "content", json_sprintf("<%d>", i));
        json_object_set_new(token, "special", json_false());
        json_array_append_new(added, token);
    }
    ck_assert_int_eq(json_dump_file(root, path, 0), 0);
    json_decref(root);
}

static void setup(void)
{
    scratch_make();
    write_tiny_model();
    add_codes();
    scratch_write_text("model/confgen.json",
                       "{\"format\":{\"name\":\"molgen-fsq\",\"numbers\":{\"codes\":16}}}");
    fsq = fsq_made_model(&shape);
    shell("cd '%s' && mkdir model/fsq && mv config.json model.safetensors model/fsq", scratch_dir);
    n_read = n_ok = n_given_up = 0;
    engine = NULL; /* of the test before, where tests do not fork */
}

static void teardown(void)
{
    cg_engine_close(engine);
    cg_fsq_model_close(fsq);
    scratch_remove();
}

static cg_status open_engine(const char *geometry, int32_t batch, cg_error *err)
{
    cg_engine_options options = { CG_SIZED(cg_engine_options), .batch_size = batch,  .threads = 2,
                                  .template_workers = 2,       .geometry = geometry, .seed = 3 };

    options.model = scratch_path("model");
    options.device = gpu ? "cuda" : "cpu";
    options.dtype = "f32";
    return cg_engine_open(&options, &engine, err);
}

/* ---- a run -------------------------------------------------------------------------------- */

static cg_status next(void *ctx, cg_pipeline_molecule *m, int *ret_more, cg_error *err)
{
    (void)ctx;
    (void)err;
    *ret_more = n_read < N_SMILES;
    if (!*ret_more)
        return CG_OK;
    m->input.index = n_read;
    m->input.name = strdup("x");
    m->input.smiles = strdup(smiles[n_read++]);
    m->input.n_generations = GENERATIONS;
    return CG_OK;
}

/* Decodes the codes of a conformer's text alone, on the CPU. */
static void decode_alone(const cg_molecule_template *t, const cg_parsed_conformer *c,
                         float (*xyz)[3])
{
    const cg_conformer_format *format = &engine->model.weights->format.conformer;
    int32_t start[2] = { 0, (int32_t)t->split.n_groups }, codes[128], *ids = NULL, n = 0;
    cg_fsq_decoder_config config = { .model = fsq, .max_rows = 128 };
    cg_fsq_decoder *d = NULL;
    cg_team *team = NULL;
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_enriched_read_codes(&t->split, format, c->body, c->body_len, codes, &err),
                     CG_OK);
    ck_assert_int_eq(cg_code_decoder_tokens(engine->codes, &t->split, &ids, &err), CG_OK);
    ck_assert_int_eq(cg_team_create(1, &team, &err), CG_OK);
    ck_assert_int_eq(cg_fsq_decoder_cpu_create(&config, team, &d, &err), CG_OK);
    ck_assert_int_eq(cg_fsq_decoder_run(d, &(cg_fsq_batch) { 1, start, ids, codes }, xyz, &err),
                     CG_OK);
    for (size_t i = 0; i < t->split.n_groups; i++)
        if (t->split.text[t->split.literal_at[i]] == '[')
            memmove(xyz[n++], xyz[i], sizeof *xyz);
    ck_assert_uint_eq((size_t)n, t->split.n_atoms);
    free(ids);
    cg_fsq_decoder_destroy(d);
    cg_team_destroy(team);
}

static void check_conformer(const cg_molecule_template *t, const cg_parsed_conformer *c)
{
    float xyz[128][3], decoded[128][3];
    int n_faults = 0;

    if (c->verdict == CG_CONFORMER_INVALID_GEOMETRY) {
        ck_assert_contains(c->reason, "no possible geometry was found in 9 attempts");
        ck_assert_ptr_null(c->xyz);
        n_given_up++;
        return;
    }
    ck_assert_msg(c->verdict == CG_CONFORMER_OK, "%d: %s", c->verdict, c->reason);
    ck_assert_ptr_null(c->codes);
    decode_alone(t, c, decoded);
    for (size_t i = 0; i < t->split.n_atoms; i++)
        for (int k = 0; k < 3; k++) {
            xyz[i][k] = (float)c->xyz[i][k];
            if (engine->builder.geometry != CG_GEOMETRY_REPAIR)
                ck_assert_msg(fabsf(xyz[i][k] - decoded[i][k]) <= (gpu ? 1e-4f : 0),
                              "atom %zu: %g, wanted %g", i, (double)xyz[i][k],
                              (double)decoded[i][k]);
        }
    for (int32_t i = 0; t->geometry && i < t->geometry->n_atoms; i++)
        n_faults +=
            cg_geometry_test_atom(t->geometry, (const float(*)[3])xyz, i, 0, 1) != CG_FAULT_NONE;
    if (engine->builder.geometry == CG_GEOMETRY_REPAIR)
        ck_assert_int_eq(n_faults, 0);
    else if (engine->builder.geometry == CG_GEOMETRY_COUNT)
        ck_assert_int_eq(c->repair.count[CG_CAUSE_NONE], t->geometry->n_atoms - n_faults);
    n_ok++;
}

static cg_status emit(void *ctx, cg_pipeline_molecule *m, cg_error *err)
{
    (void)ctx;
    (void)err;
    if (m->input.index == WITHOUT_TOKEN) {
        ck_assert_int_eq(m->failure.code, CG_ERR_UNSUPPORTED);
        ck_assert_contains(m->failure.msg, "was not trained on the SMILES token '[I]'");
        return CG_OK;
    }
    ck_assert_msg(m->failure.code == CG_OK, "%s", m->failure.msg);
    for (int32_t i = 0; i < m->input.n_generations; i++)
        check_conformer(&m->built.template, &m->built.generations[i].parsed);
    return CG_OK;
}

static int stop(void *ctx)
{
    (void)ctx;
    return 0;
}

static const cg_pipeline_io io = { .next = next, .emit = emit, .stop = stop };

static const char *const modes[] = { "off", "count", "repair" };

START_TEST(codes_become_coordinates)
{
    cg_report report = { CG_SIZED(cg_report) };
    cg_error err = CG_ERROR_INIT;
    int n = (N_SMILES - 1) * GENERATIONS;

    ck_assert_msg(open_engine(modes[_i], 4, &err) == CG_OK, "%s", err.msg);
    ck_assert_msg(cg_pipeline_run(engine, &io, &report, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(n_ok + n_given_up, n);
    ck_assert(_i == 2 ? n_ok > 0 : n_given_up == 0);
    ck_assert(_i == 2 || report.retried == 0);
    printf("%s: %d of %d conformers\n", modes[_i], n_ok, n);
}
END_TEST

START_TEST(a_model_without_its_network_is_refused)
{
    cg_error err = CG_ERROR_INIT;

    shell("cd '%s/model/fsq' && mv config.json x.json", scratch_dir);
    ck_assert_int_eq(open_engine("off", 4, &err), CG_ERR_IO);
    ck_assert_contains(err.msg, "format molgen-fsq needs the network that decodes its codes");
    shell("cd '%s/model/fsq' && sed 's/,2\\]/,4]/' x.json >config.json", scratch_dir);
    ck_assert(open_engine("off", 4, &err) != CG_OK);
    ck_assert_contains(err.msg, "fsq");
}
END_TEST

int main(void)
{
    TCase *tc;
    int mode = gpu_mode();

    if (mode == GPU_MISSING)
        return EXIT_SKIPPED;
    tc = tcase_create("coded");
    gpu = mode == GPU_REQUESTED;
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, codes_become_coordinates, 0, 3);
    tcase_add_test(tc, a_model_without_its_network_is_refused);
    return run_suite("coded", &tc, 1);
}
