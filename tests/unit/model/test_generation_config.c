/* SPDX-License-Identifier: MIT */
#include "model/config_files.h"
#include "scratch.h"

static cg_status parse(const char *text, cg_generation_config *g, cg_error *err)
{
    return cg_generation_config_parse("generation_config.json", text, strlen(text), 100, g, err);
}

static cg_generation_config must_parse(const char *text)
{
    cg_generation_config g;
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(parse(text, &g, &err) == CG_OK, "%s: %s", text, err.msg);
    return g;
}

START_TEST(only_what_is_stated_is_set)
{
    cg_generation_config g = must_parse("{\"_from_model_config\": true, \"temperature\": null}");

    ck_assert_uint_eq(g.sampling.stated, 0);
    ck_assert_int_eq(g.from_model_config, 1);
    ck_assert_int_eq(g.max_new_tokens, 0);
    ck_assert_int_eq(g.n_eos, 0);
    ck_assert_int_eq(g.n_unserved, 0);
    ck_assert_str_eq(g.note, "");

    g = must_parse("{\"do_sample\": true, \"temperature\": 0.7, \"top_p\": 0.8, \"top_k\": 20, "
                   "\"min_p\": 0.05, \"max_new_tokens\": 500, \"eos_token_id\": [1, 2, 3.0], "
                   "\"pad_token_id\": 0}");
    ck_assert_uint_eq(g.sampling.stated, 31);
    ck_assert_int_eq(g.sampling.do_sample, 1);
    ck_assert_double_eq(g.sampling.temperature, 0.7);
    ck_assert_double_eq(g.sampling.top_p, 0.8);
    ck_assert_double_eq(g.sampling.min_p, 0.05);
    ck_assert_int_eq(g.sampling.top_k, 20);
    ck_assert_int_eq(g.max_new_tokens, 500);
    ck_assert_int_eq(g.n_eos, 3);
    ck_assert_int_eq(g.eos[2], 3);

    /* out of range, which matters only where it is used */
    g = must_parse("{\"temperature\": -1, \"top_p\": 7, \"top_k\": -1, \"min_p\": 2}");
    ck_assert_int_eq(g.sampling.top_k, -1);
    g = must_parse("{\"max_new_tokens\": 2000000000}");
    ck_assert_int_eq(g.max_new_tokens, 1 << 24);
}
END_TEST

START_TEST(null_top_k_is_off)
{
    cg_generation_config g = must_parse("{\"top_k\": null, \"do_sample\": true}");

    ck_assert_uint_eq(g.sampling.stated, CG_STATES_DO_SAMPLE | CG_STATES_TOP_K);
    ck_assert_int_eq(g.sampling.top_k, 0);
    ck_assert_contains(g.note, "top_k null");
    g = must_parse("{\"top_k\": null}");
    ck_assert_str_eq(g.note, "");
}
END_TEST

START_TEST(end_tokens_that_never_occur_are_passed_over)
{
    static const struct {
        const char *eos;
        int n, first;
        const char *note;
    } cases[] = {
        { "7", 1, 7, "" },
        { "[99, 7]", 2, 99, "" },
        { "null", 0, 0, "" },
        { "-1", 0, 0, "0 of 1 ids" },
        { "100", 0, 0, "0 of 1 ids" },
        { "[]", 0, 0, "0 of 0 ids" },
        { "[100, 5, -1]", 1, 5, "1 of 3 ids" },
        { "[1e300, 5]", 1, 5, "1 of 2 ids" },
    };
    char text[64];
    cg_generation_config g;

    snprintf(text, sizeof text, "{\"eos_token_id\": %s}", cases[_i].eos);
    g = must_parse(text);
    ck_assert_int_eq(g.n_eos, cases[_i].n);
    if (g.n_eos)
        ck_assert_int_eq(g.eos[0], cases[_i].first);
    ck_assert_contains(g.note, cases[_i].note);
    ck_assert_int_eq(!*g.note, !*cases[_i].note);
}
END_TEST

START_TEST(wrong_types_are_refused)
{
    static const char *const texts[] = {
        "{\"temperature\": \"hot\"}", "{\"top_p\": true}",
        "{\"top_k\": 1.5}",           "{\"min_p\": \"x\"}",
        "{\"max_new_tokens\": 0}",    "{\"eos_token_id\": \"5\"}",
        "{\"eos_token_id\": [[5]]}",  "{\"eos_token_id\": 1.5}",
        "{\"do_sample\": 1}",         "{",
    };
    cg_generation_config g = { .max_new_tokens = 77 };
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(parse(texts[_i], &g, &err), CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "generation_config.json");
    ck_assert_int_eq(g.max_new_tokens, 77);
}
END_TEST

/* Settings that transformers 4.57 and 5.24 act on, and values of them that change nothing. */
START_TEST(settings_that_are_not_served_are_listed)
{
    static const struct {
        const char *text;
        const char *listed; /* NULL: neutral */
    } cases[] = {
        { "\"num_beams\": 4", "num_beams 4" },
        { "\"num_beams\": 1, \"diversity_penalty\": 0.5, \"num_beam_groups\": 2", NULL },
        { "\"num_beams\": 4, \"diversity_penalty\": 0.5", "num_beams 4 diversity_penalty 0.5" },
        { "\"repetition_penalty\": 1.5", "repetition_penalty 1.5" },
        { "\"repetition_penalty\": 1", NULL },
        { "\"repetition_penalty\": null", NULL },
        { "\"repetition_penalty\": \"x\"", "repetition_penalty \"x\"" },
        { "\"encoder_repetition_penalty\": 1.3", "encoder_repetition_penalty 1.3" },
        { "\"no_repeat_ngram_size\": 3", "no_repeat_ngram_size 3" },
        { "\"no_repeat_ngram_size\": 0", NULL },
        { "\"encoder_no_repeat_ngram_size\": 3", "encoder_no_repeat_ngram_size 3" },
        { "\"typical_p\": 0.9", "typical_p 0.9" },
        { "\"typical_p\": 1.0", NULL },
        { "\"typical_p\": 2.0", NULL },
        { "\"epsilon_cutoff\": 0.001", "epsilon_cutoff 0.001" },
        { "\"epsilon_cutoff\": 0.0, \"eta_cutoff\": 0.0", NULL },
        { "\"eta_cutoff\": 0.001", "eta_cutoff 0.001" },
        { "\"top_h\": 0.5", "top_h 0.5" },
        { "\"suppress_tokens\": [4]", "suppress_tokens" },
        { "\"suppress_tokens\": [], \"bad_words_ids\": []", NULL },
        { "\"begin_suppress_tokens\": [4]", "begin_suppress_tokens" },
        { "\"bad_words_ids\": [[4]]", "bad_words_ids" },
        { "\"force_words_ids\": [[4]]", "force_words_ids" },
        { "\"constraints\": [4]", "constraints" },
        { "\"forced_bos_token_id\": 3", "forced_bos_token_id 3" },
        { "\"forced_eos_token_id\": [3]", "forced_eos_token_id" },
        { "\"sequence_bias\": [[[4], 1.0]]", "sequence_bias" },
        { "\"guidance_scale\": 1.5", "guidance_scale 1.5" },
        { "\"guidance_scale\": 1", NULL },
        { "\"min_length\": 10", "min_length 10" },
        { "\"min_length\": 0", NULL },
        { "\"min_new_tokens\": 10", "min_new_tokens 10" },
        { "\"exponential_decay_length_penalty\": [3, 1.1]", "exponential_decay_length_penalty" },
        { "\"watermarking_config\": {\"bias\": 2.0}", "watermarking_config" },
        { "\"stop_strings\": \"x\"", "stop_strings \"x\"" },
        { "\"token_healing\": true", "token_healing true" },
        { "\"token_healing\": false", NULL },
        { "\"dola_layers\": \"low\"", "dola_layers \"low\"" },
        { "\"penalty_alpha\": 0.6", "penalty_alpha 0.6" },
        /* no effect on the tokens, or only with beams */
        { "\"renormalize_logits\": true, \"remove_invalid_values\": true, \"use_cache\": false",
          NULL },
        { "\"early_stopping\": true, \"length_penalty\": 2.0, \"max_length\": 20", NULL },
        { "\"num_return_sequences\": 2, \"prompt_lookup_num_tokens\": 3, \"own\": [1]", NULL },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[256], got[512] = "";
        cg_generation_config g;

        snprintf(text, sizeof text, "{%s}", cases[i].text);
        g = must_parse(text);
        for (int32_t k = 0, n = 0; k < g.n_unserved; k++)
            n += snprintf(got + n, sizeof got - (size_t)n, "%s%s%s%s", k ? " " : "",
                          g.unserved[k].key, *g.unserved[k].value ? " " : "", g.unserved[k].value);
        ck_assert_msg(!strcmp(got, cases[i].listed ? cases[i].listed : ""), "%s: listed '%s'",
                      cases[i].text, got);
    }
}
END_TEST

START_TEST(config_json_is_read_where_there_is_no_other_file)
{
    cg_generation_config g;
    cg_error err = CG_ERROR_INIT;

    scratch_write_text("config.json",
                       "{\"do_sample\": true, \"top_k\": 7, \"eos_token_id\": 5, \"vocab\": 3}");
    ck_assert_int_eq(cg_generation_config_read(scratch_dir, 100, &g, &err), CG_OK);
    ck_assert_int_eq(g.from_config, 1);
    ck_assert_uint_eq(g.sampling.stated, CG_STATES_DO_SAMPLE | CG_STATES_TOP_K);
    ck_assert_int_eq(g.eos[0], 5);

    scratch_write_text("generation_config.json", "{\"temperature\": 0.5}");
    ck_assert_int_eq(cg_generation_config_read(scratch_dir, 100, &g, &err), CG_OK);
    ck_assert_int_eq(g.from_config, 0);
    ck_assert_uint_eq(g.sampling.stated, CG_STATES_TEMPERATURE);
    ck_assert_int_eq(g.n_eos, 0);
    ck_assert_str_eq(g.note, "");

    scratch_write_text("generation_config.json", "{\"_from_model_config\": true}");
    ck_assert_int_eq(cg_generation_config_read(scratch_dir, 100, &g, &err), CG_OK);
    ck_assert_uint_eq(g.sampling.stated, 0);
    ck_assert_contains(g.note, "config.json states sampling, too");
}
END_TEST

/* ---- confgen.json ------------------------------------------------------------------------- */

START_TEST(sampling_of_confgen_json)
{
    cg_format_config f;
    cg_error err = CG_ERROR_INIT;
    const char *text = "{\"sampling\": \"recall\"}";

    ck_assert_int_eq(cg_format_config_parse("confgen.json", text, strlen(text), &f, &err), CG_OK);
    ck_assert_str_eq(f.sampling.preset, "recall");
    ck_assert_uint_eq(f.sampling.values.stated, 0);
    text = "{\"sampling\": {\"temperature\": 1.3, \"top_k\": 70}}";
    ck_assert_int_eq(cg_format_config_parse("confgen.json", text, strlen(text), &f, &err), CG_OK);
    ck_assert_str_eq(f.sampling.preset, "");
    ck_assert_uint_eq(f.sampling.values.stated,
                      CG_STATES_DO_SAMPLE | CG_STATES_TEMPERATURE | CG_STATES_TOP_K);
    ck_assert_int_eq(f.sampling.values.do_sample, 1);
    ck_assert_int_eq(f.sampling.values.top_k, 70);
}
END_TEST

START_TEST(bad_sampling_of_confgen_json)
{
    static const char *const texts[][2] = {
        { "{\"sampling\": 5}", "sampling: found 5, wanted the name of a preset" },
        { "{\"sampling\": {\"temp\": 1}}", "sampling: unknown key \"temp\"" },
        { "{\"sampling\": {\"top_p\": \"x\"}}", "sampling.top_p: found \"x\", wanted a number" },
    };
    cg_format_config f;
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(
        cg_format_config_parse("confgen.json", texts[_i][0], strlen(texts[_i][0]), &f, &err),
        CG_ERR_FORMAT);
    ck_assert_contains(err.msg, texts[_i][1]);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("generation_config.json");
    TCase *own = tcase_create("confgen.json");

    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_test(tc, only_what_is_stated_is_set);
    tcase_add_test(tc, null_top_k_is_off);
    tcase_add_loop_test(tc, end_tokens_that_never_occur_are_passed_over, 0, 8);
    tcase_add_loop_test(tc, wrong_types_are_refused, 0, 10);
    tcase_add_test(tc, settings_that_are_not_served_are_listed);
    tcase_add_test(tc, config_json_is_read_where_there_is_no_other_file);
    tcase_add_test(own, sampling_of_confgen_json);
    tcase_add_loop_test(own, bad_sampling_of_confgen_json, 0, 3);
    return run_suite("generation config", (TCase *[]) { tc, own }, 2);
}
