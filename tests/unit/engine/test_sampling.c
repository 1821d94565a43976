/* SPDX-License-Identifier: MIT */
/* The sampling that an engine selects from flags, presets and the model's files, and its sources.
 */
#include "tiny_engine.h"

static char log_text[2048];

static void append_log(void *ctx, int32_t level, const char *text)
{
    size_t n = strlen(log_text);

    (void)ctx;
    if (level <= CG_LOG_WARNING)
        snprintf(log_text + n, sizeof log_text - n, "%s\n", text);
}

/* Values of an option: below 0 is not given. */
#define GIVEN(greedy, t, k, p, m)                                                                  \
    {                                                                                              \
        CG_SIZED(cg_sampling), greedy, t, k, p, m                                                  \
    }
#define NOTHING GIVEN(-1, -1, -1, -1, -1)

struct sampling_case {
    const char *generation; /* the file; NULL: there is none */
    const char *own;        /* confgen.json's "sampling"; NULL: none */
    const char *preset;
    cg_sampling given;
    cg_status status;
    const char *text; /* of cg_sampling_describe(), or of the refusal */
    const char *log;
};

static const struct sampling_case cases[] = {
    /* as transformers reads the file */
    { NULL, NULL, NULL, NOTHING, CG_OK, "greedy (default)", "" },
    { "{}", NULL, NULL, NOTHING, CG_OK, "greedy (default)", "" },
    { "{\"do_sample\": false, \"temperature\": 0, \"top_k\": -1}", NULL, NULL, NOTHING, CG_OK,
      "greedy (generation_config.json)", "" },
    { "{\"do_sample\": true}", NULL, NULL, NOTHING, CG_OK,
      "temperature 1 (default), top-k 50 (default), top-p 1 (default), min-p 0 (default)", "" },
    { "{\"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.95, \"top_k\": 20}", NULL, NULL,
      NOTHING, CG_OK,
      "temperature 0.6 (generation_config.json), top-k 20 (generation_config.json), top-p 0.95 "
      "(generation_config.json), min-p 0 (default)",
      "" },
    { "{\"do_sample\": true, \"top_k\": null}", NULL, NULL, NOTHING, CG_OK,
      "temperature 1 (default), top-k 0 (generation_config.json), top-p 1 (default), min-p 0 "
      "(default)",
      "top_k null means no limit" },
    { "{\"do_sample\": true, \"temperature\": 0.0}", NULL, NULL, NOTHING, CG_ERR_FORMAT,
      "generation_config.json: temperature 0: wanted more than 0", "" },
    { "{\"do_sample\": true, \"top_k\": -1}", NULL, NULL, NOTHING, CG_ERR_FORMAT,
      "generation_config.json: top-k -1: wanted", "" },
    { "{\"do_sample\": true, \"temperature\": 0.0}", NULL, NULL, GIVEN(0, 0.5, -1, -1, -1), CG_OK,
      "temperature 0.5 (flag), top-k 50 (default), top-p 1 (default), min-p 0 (default)", "" },
    { "{\"eos_token_id\": [-1, 0]}", NULL, NULL, NOTHING, CG_OK, "greedy (default)",
      "eos_token_id: 1 of 2 ids" },
    /* flags and presets over it */
    { "{}", NULL, NULL, GIVEN(0, 0.5, -1, -1, -1), CG_OK,
      "temperature 0.5 (flag), top-k 50 (default), top-p 1 (default), min-p 0 (default)", "" },
    { "{\"do_sample\": true, \"top_k\": 20}", NULL, NULL, GIVEN(0, -1, -1, 0.5, -1), CG_OK,
      "temperature 1 (default), top-k 20 (generation_config.json), top-p 0.5 (flag), min-p 0 "
      "(default)",
      "" },
    { "{\"do_sample\": true, \"top_k\": 20}", NULL, "min_p_sampling2", GIVEN(-1, -1, 0, -1, -1),
      CG_OK, "temperature 1.4 (preset), top-k 0 (flag), top-p 1 (preset), min-p 0.075 (preset)",
      "" },
    { "{\"do_sample\": true}", NULL, "greedy", NOTHING, CG_OK, "greedy (preset)", "" },
    { "{\"do_sample\": true}", NULL, NULL, GIVEN(1, -1, -1, -1, -1), CG_OK, "greedy (flag)", "" },
    { "{}", NULL, NULL, GIVEN(0, 0, -1, -1, -1), CG_ERR_USAGE, "temperature 0: wanted", "" },
    { "{}", NULL, "beam_search", NOTHING, CG_ERR_USAGE, "preset 'beam_search' searches with", "" },
    /* confgen.json between the two */
    { "{\"do_sample\": true, \"temperature\": 0.6}", "\"recall\"", NULL, NOTHING, CG_OK,
      "temperature 1.3 (confgen.json), top-k 70 (confgen.json), top-p 1 (confgen.json), min-p 0 "
      "(confgen.json)",
      "" },
    { "{\"top_k\": 7}", "{\"temperature\": 1.3}", NULL, GIVEN(-1, -1, -1, 0.9, -1), CG_OK,
      "temperature 1.3 (confgen.json), top-k 7 (generation_config.json), top-p 0.9 (flag), min-p 0 "
      "(default)",
      "" },
    { "{\"do_sample\": true}", "{\"do_sample\": false}", NULL, NOTHING, CG_OK,
      "greedy (confgen.json)", "" },
    { "{}", "{\"top_p\": 0}", NULL, NOTHING, CG_ERR_FORMAT, "confgen.json: top-p 0: wanted", "" },
    { "{}", "\"beam_search\"", NULL, NOTHING, CG_ERR_FORMAT,
      "confgen.json: sampling: preset 'beam_search'", "" },
    /* what is not served: refused, or, if somebody chose the sampling, ignored aloud */
    { "{\"num_beams\": 4, \"repetition_penalty\": 1.5}", NULL, NULL, NOTHING, CG_ERR_UNSUPPORTED,
      "generation_config.json: num_beams 4, repetition_penalty 1.5: not supported", "" },
    { "{\"num_beams\": 4, \"repetition_penalty\": 1.5}", NULL, "recall", NOTHING, CG_OK,
      "temperature 1.3 (preset), top-k 70 (preset), top-p 1 (preset), min-p 0 (preset)",
      "generation_config.json: num_beams 4, repetition_penalty 1.5: not supported and ignored" },
    { "{\"num_beams\": 4}", "{\"do_sample\": false}", NULL, NOTHING, CG_OK, "greedy (confgen.json)",
      "num_beams 4: not supported and ignored" },
    { "{\"typical_p\": 0.9}", NULL, NULL, NOTHING, CG_OK, "greedy (default)", "" },
    { "{\"do_sample\": true, \"typical_p\": 0.9}", NULL, NULL, NOTHING, CG_ERR_UNSUPPORTED,
      "typical_p 0.9: not supported", "" },
    { "{\"typical_p\": 0.9}", NULL, NULL, GIVEN(0, 1, -1, -1, -1), CG_OK,
      "temperature 1 (flag), top-k 50 (default), top-p 1 (default), min-p 0 (default)",
      "typical_p 0.9: not supported and ignored" },
    { "{\"penalty_alpha\": 0.6}", NULL, NULL, NOTHING, CG_ERR_UNSUPPORTED,
      "penalty_alpha 0.6: not supported", "" },
    { "{\"do_sample\": true, \"penalty_alpha\": 0.6}", NULL, NULL, NOTHING, CG_OK,
      "temperature 1 (default), top-k 50 (default), top-p 1 (default), min-p 0 (default)", "" },
};

static void write_files(const struct sampling_case *c)
{
    char text[256];

    if (c->generation)
        scratch_write_text("model/generation_config.json", c->generation);
    else
        shell("rm '%s/model/generation_config.json'", scratch_dir);
    snprintf(text, sizeof text, "{\"decimals\": 3%s%s}", c->own ? ", \"sampling\": " : "",
             c->own ? c->own : "");
    scratch_write_text("model/confgen.json", text);
}

START_TEST(sampling_is_selected)
{
    cg_error err = CG_ERROR_INIT;
    char model[512], text[256];

    write_tiny_model();
    snprintf(model, sizeof model, "%s/model", scratch_dir);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct sampling_case *c = &cases[i];
        cg_engine_options o = {
            CG_SIZED(cg_engine_options), .model = model,    .device = "cpu",   .threads = 1,
            .template_workers = 1,       .geometry = "off", .log = append_log, .preset = c->preset,
            .sampling = &c->given
        };
        cg_engine *engine = NULL;
        cg_status st;

        write_files(c);
        *log_text = '\0';
        st = cg_engine_open(&o, &engine, &err);
        ck_assert_msg(st == c->status, "case %zu: %s", i, err.msg);
        if (st == CG_OK) {
            const cg_engine_info *info = cg_engine_get_info(engine);

            cg_sampling_describe(info->sampling, info->sampling_from, text, sizeof text);
            ck_assert_msg(!strcmp(text, c->text), "case %zu: %s", i, text);
        } else {
            ck_assert_msg(strstr(err.msg, c->text) != NULL, "case %zu: %s", i, err.msg);
        }
        ck_assert_msg(*c->log ? strstr(log_text, c->log) != NULL : !*log_text, "case %zu: %s", i,
                      log_text);
        cg_engine_close(engine);
    }
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("sampling");

    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_test(tc, sampling_is_selected);
    return run_suite("sampling", &tc, 1);
}
