/* SPDX-License-Identifier: MIT */
/* Opening the folder of an FSQ decoder: what is read, and what is refused. */
#include "fsq/fsq_model.h"

#include "fsq/fsq_config_file.h"
#include "fsq_made.h"

static const struct fsq_shape shape = { 64, 2, 72, 8, 12 };

START_TEST(a_folder_opens)
{
    cg_fsq_model *m = fsq_made_model(&shape), *other;
    uint64_t fingerprint = m->fingerprint;
    struct st_file weights = fsq_made_weights(&shape);
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(m->config.hidden, 64);
    ck_assert_int_eq(m->config.n_layers, 2);
    ck_assert_int_eq(m->config.intermediate, 72);
    ck_assert_int_eq(m->config.input_hidden, 8);
    ck_assert_int_eq(m->config.n_tokens, FSQ_MADE_TOKENS);
    ck_assert_int_eq(m->config.n_codes, 4096);
    ck_assert(m->config.eps == 1e-5);
    ck_assert_int_eq(m->in.rows, 8);
    ck_assert_int_eq(m->in.cols, FSQ_MADE_TOKENS + 12);
    ck_assert_int_eq(m->layers[1].qkv.rows, 192);
    ck_assert_int_eq(m->out.rows, 3);
    ck_assert(((const float *)m->layers[1].down.data)[5] != 0);
    cg_fsq_model_close(m);
    cg_fsq_model_close(NULL);

    weights.bytes[weights.len - 1] ^= 1; /* another weight: another fingerprint */
    st_save(&weights, "model.safetensors");
    ck_assert_msg(cg_fsq_model_open(scratch_dir, &other, &err) == CG_OK, "%s", err.msg);
    ck_assert(other->fingerprint != fingerprint);
    cg_fsq_model_close(other);
    free(weights.bytes);
}
END_TEST

START_TEST(random_weights_need_no_file)
{
    char *config = fsq_made_config(&shape);
    cg_fsq_model *m = NULL, *again = NULL;
    cg_error err = CG_ERROR_INIT;

    scratch_write_text("config.json", config);
    ck_assert_msg(cg_fsq_model_random(scratch_dir, &m, &err) == CG_OK, "%s", err.msg);
    ck_assert_int_eq(cg_fsq_model_random(scratch_dir, &again, &err), CG_OK);
    ck_assert_uint_eq(m->fingerprint, again->fingerprint);
    ck_assert_int_eq(m->layers[1].up.rows, 72);
    ck_assert(((const float *)m->layers[1].norm2.data)[63] == 1);
    ck_assert(((const float *)m->out_bias.data)[2] == 0);
    ck_assert(((const float *)m->out.data)[0] != ((const float *)m->out.data)[1]);
    cg_fsq_model_close(m);
    cg_fsq_model_close(again);
    free(config);
}
END_TEST

/* ---- config.json -------------------------------------------------------------------------- */

#define HEAD    "{\"model_type\":\"fsq-decoder\",\"hidden_size\":64,\"num_hidden_layers\":1,"
#define SIZES   HEAD "\"intermediate_size\":8,\"input_size\":8,"
#define LEVELS  SIZES "\"levels\":[2,2],"
#define HUGE_99 "99999999999"

static const struct {
    const char *text;
    const char *found;
} bad_configs[] = {
    { "", "config.json:1:0" },
    { "[]", "wanted a JSON object" },
    { "{}", "model_type: found nothing" },
    { "{\"model_type\":\"llama\"}", "found \"llama\", wanted \"fsq-decoder\"" },
    { LEVELS "\"tokens\":[\"[C]\"],\"heads\":1}", "unknown key \"heads\"" },
    { "{\"model_type\":\"fsq-decoder\",\"hidden_size\":0}", "hidden_size: found 0" },
    { "{\"model_type\":\"fsq-decoder\",\"hidden_size\":96}", "a multiple of 64" },
    { "{\"model_type\":\"fsq-decoder\",\"hidden_size\":" HUGE_99 "}", "hidden_size: found" },
    { "{\"model_type\":\"fsq-decoder\",\"hidden_size\":64,\"num_hidden_layers\":65}",
      "num_hidden_layers: found 65" },
    { HEAD "\"intermediate_size\":-1}", "intermediate_size: found -1" },
    { HEAD "\"intermediate_size\":8,\"input_size\":\"8\"}", "input_size: found \"8\"" },
    { SIZES "\"layer_norm_eps\":0}", "layer_norm_eps: found 0" },
    { SIZES "\"levels\":[]}", "levels: found a list of 0" },
    { SIZES "\"levels\":[2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2,2]}", "levels: found a list of 17" },
    { SIZES "\"levels\":[2,1]}", "levels: number 2" },
    { SIZES "\"levels\":[2,\"2\"]}", "levels: number 2" },
    { SIZES "\"levels\":[256,256,2]}", "levels: number 3" },
    { SIZES "\"levels\":[9223372036854775807,9223372036854775807]}", "levels: number 1" },
    { LEVELS "\"tokens\":{}}", "tokens: found an object" },
    { LEVELS "\"tokens\":[]}", "tokens: found a list of 0" },
    { LEVELS "\"tokens\":[\"[C]\",7]}", "tokens: number 2 is not one SMILES token" },
    { LEVELS "\"tokens\":[\"[C]\",\"CC\"]}", "tokens: number 2" },
    { LEVELS "\"tokens\":[\"[C][C]\"]}", "tokens: number 1" },
    { LEVELS "\"tokens\":[\"\"]}", "tokens: number 1" },
    { LEVELS "\"tokens\":[\"[CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC]\"]}", "at most 32 bytes" },
    { LEVELS "\"tokens\":[\"(\",\"[C]\",\"(\"]}", "tokens: ( occurs twice" },
};

START_TEST(bad_settings_are_refused)
{
    cg_fsq_model *m = NULL;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    scratch_write_text("config.json", bad_configs[_i].text);
    st = cg_fsq_model_open(scratch_dir, &m, &err);
    ck_assert_msg(st == CG_ERR_FORMAT, "%d: %d %s", _i, st, err.msg);
    ck_assert_contains(err.msg, bad_configs[_i].found);
    ck_assert_contains(err.msg, "config.json");
    ck_assert_ptr_null(m);
}
END_TEST

/* ---- model.safetensors -------------------------------------------------------------------- */

/* Replaces `from` in the header by `to`, of the same length. */
static void change_header(const struct st_file *f, const char *from, const char *to)
{
    char *at = memmem(f->bytes, f->len, from, strlen(from));

    ck_assert(at && strlen(from) == strlen(to));
    memcpy(at, to, strlen(to));
}

static const struct {
    const char *from, *to;
    const char *found;
} bad_headers[] = {
    { "\"out.bias\"", "\"out.bIas\"", "tensor out.bIas is none of the decoder" },
    { "\"dec.layers.1.norm2.weight\"", "\"dec.layers.2.norm2.weight\"",
      "dec.layers.2.norm2.weight" },
    { "[192,64]", "[64,192]", "in_proj_weight: found shape [64, 192], wanted [192, 64]" },
    { "\"shape\":[64]", "\"shape\":[ 8]", "bytes, wanted 8 elements of F32" },
    { "[8,36]", "[36,8]", "post_q.0.weight: found shape [36, 8], wanted [8, 36]" },
    { "\"post_q.0.bias\":{\"dtype\":\"F32\"", "\"post_q.0.bias\":{\"dtype\":\"I32\"",
      "tensor post_q.0.bias: wanted weights in BF16, F16 or F32" },
};

START_TEST(bad_weights_are_refused)
{
    struct st_file f = fsq_made_weights(&shape);
    char *config = fsq_made_config(&shape);
    cg_fsq_model *m = NULL;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    scratch_write_text("config.json", config);
    change_header(&f, bad_headers[_i].from, bad_headers[_i].to);
    st_save(&f, "model.safetensors");
    st = cg_fsq_model_open(scratch_dir, &m, &err);
    ck_assert_msg(st == CG_ERR_FORMAT || st == CG_ERR_UNSUPPORTED, "%d: %s", st, err.msg);
    ck_assert_contains(err.msg, bad_headers[_i].found);
    free(config);
    free(f.bytes);
}
END_TEST

START_TEST(missing_and_infinite_weights_are_refused)
{
    struct st_file f = fsq_made_weights(&shape);
    struct st_file fewer = fsq_made_weights(&(struct fsq_shape) { 64, 1, 72, 8, 12 });
    char *config = fsq_made_config(&shape);
    const float infinite = -INFINITY;
    cg_fsq_model *m = NULL;
    cg_error err = CG_ERROR_INIT;

    ck_assert_int_eq(cg_fsq_model_open(scratch_dir, &m, &err), CG_ERR_IO);
    ck_assert_contains(err.msg, "config.json");
    scratch_write_text("config.json", config);
    ck_assert_int_eq(cg_fsq_model_open(scratch_dir, &m, &err), CG_ERR_IO);
    ck_assert_contains(err.msg, "model.safetensors");
    st_save(&fewer, "model.safetensors");
    ck_assert_int_eq(cg_fsq_model_open(scratch_dir, &m, &err), CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "tensor dec.layers.1.norm1.weight is missing");
    memcpy(f.bytes + f.len - 8, &infinite, 4); /* the second number of out.bias */
    st_save(&f, "model.safetensors");
    ck_assert_int_eq(cg_fsq_model_open(scratch_dir, &m, &err), CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "tensor out.bias: element 1 of 3 is NaN or infinite");
    f.len /= 2;
    st_save(&f, "model.safetensors");
    ck_assert_int_eq(cg_fsq_model_open(scratch_dir, &m, &err), CG_ERR_FORMAT);
    ck_assert_ptr_null(m);
    free(config);
    free(f.bytes);
    free(fewer.bytes);
}
END_TEST

START_TEST(a_file_that_is_too_large_is_refused_unread)
{
    char *config = fsq_made_config(&shape);
    const char *path;
    cg_fsq_model *m = NULL;
    cg_error err = CG_ERROR_INIT;

    scratch_write_text("config.json", config);
    path = scratch_write_text("model.safetensors", "");
    ck_assert_int_eq(truncate(path, (off_t)1 << 40), 0);
    ck_assert_int_eq(cg_fsq_model_open(scratch_dir, &m, &err), CG_ERR_LIMIT);
    ck_assert_contains(err.msg, "model.safetensors");
    free(config);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("model");

    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_test(tc, a_folder_opens);
    tcase_add_test(tc, random_weights_need_no_file);
    tcase_add_loop_test(tc, bad_settings_are_refused, 0, sizeof bad_configs / sizeof *bad_configs);
    tcase_add_loop_test(tc, bad_weights_are_refused, 0, sizeof bad_headers / sizeof *bad_headers);
    tcase_add_test(tc, missing_and_infinite_weights_are_refused);
    tcase_add_test(tc, a_file_that_is_too_large_is_refused_unread);
    return run_suite("fsq_model", &tc, 1);
}
