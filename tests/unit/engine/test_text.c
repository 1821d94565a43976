/* SPDX-License-Identifier: MIT */
/* Tokens around a prompt and stop tokens, from the files of a model to the engine. */
#include "engine/engine.h"
#include "tiny_engine.h"

/* Opens the tiny model with these settings; NULL: the error is in *err. */
static cg_engine *open_with(const char *confgen_json, const char *post_processor, cg_error *err)
{
    cg_engine_options options = { CG_SIZED(cg_engine_options), .threads = 1, .batch_size = 1,
                                  .constraint = "none", .geometry = "off" };
    cg_engine *engine = NULL;

    write_tiny_model();
    if (confgen_json)
        scratch_write_text("model/confgen.json", confgen_json);
    if (post_processor)
        shell(
            "sed -i 's|\"post_processor\": *null|\"post_processor\":%s|' '%s/model/tokenizer.json'",
            post_processor, scratch_dir);
    options.model = scratch_path("model");
    cg_engine_open(&options, &engine, err);
    return engine;
}

static void prompt(const cg_engine *e, const char *want)
{
    cg_molecule_template t = { 0 };
    cg_error err = CG_ERROR_INIT;
    char got[200] = "";

    ck_assert_msg(cg_molecule_template_build(&e->builder, "C", 1, &t, &err) == CG_OK, "%s",
                  err.msg);
    for (int32_t i = 0, n = 0; i < t.n_prompt; i++) {
        const char *bytes;
        size_t len;

        ck_assert_int_eq(cg_tokenizer_token_bytes(e->model.tokenizer, t.prompt[i], &bytes, &len),
                         CG_OK);
        n += snprintf(got + n, sizeof got - (size_t)n, "%s%.*s", i ? " " : "", (int)len, bytes);
    }
    ck_assert_str_eq(got, want);
    cg_molecule_template_finish(&t);
}

#define TEMPLATE                                                                                   \
    "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}},{"             \
    "\"Sequence\":{"                                                                               \
    "\"id\":\"A\"}},{\"SpecialToken\":{\"id\":\"x\"}}],\"special_tokens\":{\"x\":{\"ids\":[0]}}}"

START_TEST(prompts)
{
    static const struct {
        const char *confgen_json, *post_processor, *want;
    } cases[] = {
        { NULL, NULL, "[SMILES] C [/SMILES]" },
        { NULL, TEMPLATE, "<|endoftext|> [SMILES] C [/SMILES] <|endoftext|>" },
        { "{\"bos\": null}", TEMPLATE, "[SMILES] C [/SMILES]" },
        { "{\"bos\": \"<|endoftext|>\"}", NULL, "<|endoftext|> [SMILES] C [/SMILES]" },
        { "{\"bos\": \"[CONFORMER]\"}", TEMPLATE, "[CONFORMER] [SMILES] C [/SMILES]" },
    };
    cg_error err = CG_ERROR_INIT;
    cg_engine *e = open_with(cases[_i].confgen_json, cases[_i].post_processor, &err);

    ck_assert_msg(e != NULL, "%s", err.msg);
    prompt(e, cases[_i].want);
    cg_engine_close(e);
}
END_TEST

START_TEST(stops)
{
    static const struct {
        const char *confgen_json, *stop;
        int32_t n, first;
    } cases[] = {
        { NULL, "<|endoftext|>", 0, 0 }, /* the end token of the model is the one of the format */
        { "{\"stop\": [\"[/CONFORMER]\", \"<|endoftext|>\"]}", "", 2, 4 },
        { "{\"stop\": [\"<|endoftext|>\", \"[SMILES]\"]}", "<|endoftext|>", 1, 1 },
        { "{\"end\": \"\"}", "", 1, 0 },
    };
    cg_error err = CG_ERROR_INIT;
    cg_engine *e = open_with(cases[_i].confgen_json, NULL, &err);

    ck_assert_msg(e != NULL, "%s", err.msg);
    ck_assert_str_eq(e->constraint.format.stop, cases[_i].stop);
    ck_assert_int_eq(e->constraint.format.n_stop_tokens, cases[_i].n);
    ck_assert(!cases[_i].n || e->constraint.format.stop_tokens[0] == cases[_i].first);
    cg_engine_close(e);
}
END_TEST

/* The tokenizer in a folder of its own, and its tokenizer.json alone. */
START_TEST(another_folder)
{
    static const char *const names[] = { "model", "tok", "tok/tokenizer.json", "nowhere" };
    uint64_t print[4] = { 0 };

    write_tiny_model();
    shell("cp -r '%s/model' '%s/tok'", scratch_dir, scratch_dir);
    for (int i = 0; i < 4; i++) {
        char path[4096];
        cg_engine_options options = { CG_SIZED(cg_engine_options), .threads = 1, .batch_size = 1,
                                      .geometry = "off", .tokenizer = i ? path : NULL };
        cg_error err = CG_ERROR_INIT;
        cg_engine *e = NULL;

        if (i == 1)
            shell("rm '%s/model/tokenizer.json' '%s/model/tokenizer_config.json'", scratch_dir,
                  scratch_dir);
        snprintf(path, sizeof path, "%s/%s", scratch_dir, names[i]);
        options.model = scratch_path("model");
        if (i == 3) {
            ck_assert_int_eq(cg_engine_open(&options, &e, &err), CG_ERR_IO);
            ck_assert_msg(strstr(err.msg, "nowhere: found neither tokenizer.json") != NULL, "%s",
                          err.msg);
            break;
        }
        ck_assert_msg(cg_engine_open(&options, &e, &err) == CG_OK, "%s", err.msg);
        prompt(e, "[SMILES] C [/SMILES]");
        print[i] = cg_engine_get_info(e)->tokenizer_fingerprint;
        cg_engine_close(e);
    }
    ck_assert_uint_eq(print[0], print[1]);
    ck_assert_uint_ne(print[0], print[2]); /* without tokenizer_config.json */
}
END_TEST

/* A constraint plugin of ABI 1.1 gets triples of full decimals only. */
START_TEST(older_plugins)
{
    static const struct {
        const char *format, *words;
    } cases[] = {
        { "molgen-v3", NULL },
        { "molgen-v1", NULL },
        { "molgen-v2",
          "constraint 'none': does not know numbers as those of format \"molgen-v2\"" },
        { "molgen-binned-13", "(plugin ABI 1.2, it has 1.1): use --constraint grammar" },
        { "molgen-fsq", "format \"molgen-fsq\"" },
    };
    cg_error err = CG_ERROR_INIT;
    cg_engine *e = open_with(NULL, NULL, &err);
    cg_constraint_ops older_ops;
    cg_plugin older;
    cg_status st;

    ck_assert_msg(e != NULL, "%s", err.msg);
    older = *e->constraint.plugin;
    older_ops = *(const cg_constraint_ops *)older.ops;
    older_ops.struct_size = offsetof(cg_constraint_ops, features);
    older.ops = &older_ops;
    older.abi_minor = 1;
    e->constraint.plugin = &older;
    ck_assert_int_eq(
        cg_conformer_format_named(cases[_i].format, &e->model.weights->format.conformer, &err),
        CG_OK);
    st = cg_engine_open_text(e, &err);
    ck_assert_int_eq(st, cases[_i].words ? CG_ERR_UNSUPPORTED : CG_OK);
    ck_assert_msg(!cases[_i].words || strstr(err.msg, cases[_i].words), "%s", err.msg);
    cg_engine_close(e);
}
END_TEST

START_TEST(refusals)
{
    static const struct {
        const char *confgen_json, *post_processor, *words;
    } cases[] = {
        { "{\"bos\": \"<b>\"}", NULL, "bos: '<b>' is not one token of the tokenizer" },
        { "{\"stop\": [\"<b>\"]}", NULL, "stop: '<b>' is not one token" },
        { "{\"prompt\": [\"<|endoftext|>[SMILES]\", \"[/SMILES]\"]}", TEMPLATE,
          "prompt begins with '<|endoftext|>', which is put in front" },
        { NULL, "{\"type\":\"BertProcessing\",\"cls\":[\"x\",99999],\"sep\":[\"x\",0]}",
          "set \"bos\" in confgen.json" },
    };
    cg_error err = CG_ERROR_INIT;
    cg_engine *e = open_with(cases[_i].confgen_json, cases[_i].post_processor, &err);

    ck_assert_ptr_null(e);
    ck_assert_msg(strstr(err.msg, cases[_i].words) != NULL, "%s", err.msg);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("text");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_loop_test(tc, prompts, 0, 5);
    tcase_add_loop_test(tc, stops, 0, 4);
    tcase_add_test(tc, another_folder);
    tcase_add_loop_test(tc, older_plugins, 0, 5);
    tcase_add_loop_test(tc, refusals, 0, 4);
    return run_suite("text", &tc, 1);
}
