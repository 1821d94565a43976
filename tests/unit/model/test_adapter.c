/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "base/file.h"
#include "model/safetensors.h"
#include "tiny_model.h"

#define LAYER0 "base_model.model.model.layers.0."
#define LORA(more)                                                                                 \
    "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 8, \"target_modules\": [\"q_proj\", "     \
    "\"down_proj\"]" more "}"

/* A tied or untied Llama of one dtype, and an adapter of rank 4 of two weights of its layer 0. */
static struct tiny write_base(int tied, const char *dtype)
{
    struct tiny t = tiny_model(CG_ARCH_LLAMA, tied);

    for (int i = 0; i < t.n; i++)
        t.items[i].dtype = dtype;
    write_config(CG_ARCH_LLAMA, tied);
    write_shard(&t, -1, "model.safetensors", 0);
    return t;
}

static struct tiny two_pairs(void)
{
    struct tiny a = { .n = 0 };

    add(&a, 4, HIDDEN, LAYER0 "self_attn.q_proj.lora_A.weight");
    add(&a, HEADS * DIM, 4, LAYER0 "self_attn.q_proj.lora_B.weight");
    add(&a, 4, INTER, LAYER0 "mlp.down_proj.lora_A.weight");
    add(&a, HIDDEN, 4, LAYER0 "mlp.down_proj.lora_B.weight");
    return a;
}

static void write_adapter(const struct tiny *a, const char *config)
{
    scratch_write_text("adapter_config.json", config);
    write_shard(a, -1, "adapter_model.safetensors", 0);
}

/*
 * Compares a weight [rows, cols] with W + scale B A; the inputs are multiples of 1/16, so a sum of
 * few products is exact.
 */
static void expect_merged(const cg_tensor_ref *r, const char *base, const char *a, const char *b,
                          int rank, double scale, int embedding)
{
    int rows = (int)r->rows, cols = (int)r->cols;
    float *x = malloc(sizeof *x * (size_t)(rows * cols));
    double unit = r->dtype == CG_F32 ? 1e-6 : r->dtype == CG_F16 ? 1.0 / 2048 : 1.0 / 256;

    cg_weight_to_f32(r, 0, rows, x);
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < cols; j++) {
            double sum = 0, want, error;

            for (int k = 0; k < rank; k++)
                sum += embedding ? (double)value(a, k * rows + i) * (double)value(b, j * rank + k)
                                 : (double)value(b, i * rank + k) * (double)value(a, k * cols + j);
            want = (double)value(base, i * cols + j) + scale * sum;
            /* what is added to an embedding is rounded first */
            error = (fabs(want) + (embedding ? fabs(scale * sum) : 0)) * unit + 1e-7;
            ck_assert_msg(fabs(x[i * cols + j] - want) <= error, "%s[%d, %d]: %.9g, wanted %.9g",
                          base, i, j, (double)x[i * cols + j], want);
        }
    free(x);
}

static void expect_same(const cg_tensor_ref *r, const char *name)
{
    for (int64_t i = 0; i < r->rows * r->cols; i++) {
        float x;

        cg_weight_to_f32(&(cg_tensor_ref) { r->data, r->rows * r->cols, 1, r->dtype }, i, 1, &x);
        ck_assert_msg(x == value(name, i), "%s[%d]", name, (int)i);
    }
}

START_TEST(pairs_are_added_to_the_weights)
{
    static const char *const dtypes[] = { "F32", "BF16", "F16" };
    static const cg_dtype wanted[] = { CG_F32, CG_BF16, CG_F16 };
    struct tiny a = two_pairs();
    cg_model *m;
    uint64_t base;

    write_base(0, dtypes[_i]);
    m = must_open();
    base = cg_model_fingerprint(m);
    ck_assert_int_eq(m->n_adapted, 0);
    cg_model_close(m);

    write_adapter(&a, LORA(""));
    m = must_open();
    ck_assert_int_eq(m->n_adapted, 2);
    ck_assert_int_eq(m->layers[0].q.dtype, wanted[_i]);
    expect_merged(&m->layers[0].q, "model.layers.0.self_attn.q_proj.weight",
                  LAYER0 "self_attn.q_proj.lora_A.weight", LAYER0 "self_attn.q_proj.lora_B.weight",
                  4, 2, 0);
    expect_merged(&m->layers[0].down, "model.layers.0.mlp.down_proj.weight",
                  LAYER0 "mlp.down_proj.lora_A.weight", LAYER0 "mlp.down_proj.lora_B.weight", 4, 2,
                  0);
    expect_same(&m->layers[1].q, "model.layers.1.self_attn.q_proj.weight");
    expect_same(&m->layers[0].k, "model.layers.0.self_attn.k_proj.weight");
    ck_assert_uint_ne(cg_model_fingerprint(m), base);
    cg_model_close(m);
}
END_TEST

START_TEST(the_scale_follows_the_settings)
{
    static const struct {
        const char *config;
        double q, down; /* scales */
    } cases[] = {
        { LORA(", \"use_rslora\": true"), 4, 4 },
        { LORA(", \"alpha_pattern\": {\"q_proj\": 2}"), 0.5, 2 },
        { LORA(", \"alpha_pattern\": {\"^model.layers.0.mlp.down_proj\": 2, \"proj\": 3}"), 2,
          0.5 },
        { LORA(", \"alpha_pattern\": {\"layers.0.mlp.down_proj\": 2, \"down_proj\": 3}"), 2, 0.5 },
        { LORA(", \"rank_pattern\": {\"proj\": 77}, \"fan_in_fan_out\": true, \"bias\": \"none\", "
               "\"init_lora_weights\": \"gaussian\", \"use_dora\": false, \"loftq_config\": {}, "
               "\"layers_to_transform\": null, \"lora_dropout\": 0.1, \"velora_config\": null"),
          2, 2 },
    };
    struct tiny a = two_pairs();
    cg_model *m;

    write_base(1, "F32");
    write_adapter(&a, cases[_i].config);
    m = must_open();
    expect_merged(&m->layers[0].q, "model.layers.0.self_attn.q_proj.weight",
                  LAYER0 "self_attn.q_proj.lora_A.weight", LAYER0 "self_attn.q_proj.lora_B.weight",
                  4, cases[_i].q, 0);
    expect_merged(&m->layers[0].down, "model.layers.0.mlp.down_proj.weight",
                  LAYER0 "mlp.down_proj.lora_A.weight", LAYER0 "mlp.down_proj.lora_B.weight", 4,
                  cases[_i].down, 0);
    cg_model_close(m);
}
END_TEST

START_TEST(ranks_may_differ_by_module)
{
    struct tiny a = two_pairs();
    cg_model *m;

    write_base(1, "F32");
    find(&a, LAYER0 "self_attn.q_proj.lora_A.weight")->rows = 2;
    find(&a, LAYER0 "self_attn.q_proj.lora_B.weight")->cols = 2;
    write_adapter(&a, LORA(", \"rank_pattern\": {\"q_proj\": 2}"));
    m = must_open();
    expect_merged(&m->layers[0].q, "model.layers.0.self_attn.q_proj.weight",
                  LAYER0 "self_attn.q_proj.lora_A.weight", LAYER0 "self_attn.q_proj.lora_B.weight",
                  2, 4, 0);
    cg_model_close(m);
    write_adapter(&a, LORA(""));
    refused(CG_ERR_FORMAT, "q_proj.lora_A.weight: found rank 2, wanted 4 by adapter_config.json");
}
END_TEST

START_TEST(embeddings_and_saved_modules)
{
    struct tiny a = { .n = 0 };
    cg_model *m;

    write_base(0, "BF16");
    add(&a, 4, VOCAB, "base_model.model.model.embed_tokens.lora_embedding_A");
    add(&a, HIDDEN, 4, "base_model.model.model.embed_tokens.lora_embedding_B");
    add(&a, VOCAB, HIDDEN, "base_model.model.lm_head.weight");
    add(&a, 0, HIDDEN, "base_model.model.model.norm.modules_to_save.weight");
    write_adapter(&a, "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 2, "
                      "\"target_modules\": \"all-linear\", \"modules_to_save\": [\"norm\"]}");
    m = must_open();
    expect_merged(&m->embed, "model.embed_tokens.weight",
                  "base_model.model.model.embed_tokens.lora_embedding_A",
                  "base_model.model.model.embed_tokens.lora_embedding_B", 4, 0.5, 1);
    expect_same(&m->head, "base_model.model.lm_head.weight");
    expect_same(&m->final_norm, "base_model.model.model.norm.modules_to_save.weight");
    ck_assert_int_eq(m->n_adapted, 3);
    cg_model_close(m);
}
END_TEST

START_TEST(a_saved_head_unties_the_model)
{
    struct tiny a = { .n = 0 };
    cg_model *m;

    write_base(1, "BF16");
    add(&a, VOCAB, HIDDEN, "base_model.model.lm_head.weight");
    write_adapter(&a, LORA(", \"modules_to_save\": [\"lm_head\"]"));
    m = must_open();
    expect_same(&m->head, "base_model.model.lm_head.weight");
    expect_same(&m->embed, "model.embed_tokens.weight");
    ck_assert_int_eq(m->config.tie_embeddings, 0);
    cg_model_close(m);
}
END_TEST

static const struct {
    const char *config;
    cg_status code;
    const char *found;
} bad_configs[] = {
    { "{\"r\": 4}", CG_ERR_FORMAT, "peft_type: found nothing" },
    { "{\"peft_type\": \"IA3\"}", CG_ERR_UNSUPPORTED,
      "peft_type: found \"IA3\", wanted \"LORA\": other adapters are not supported" },
    { LORA(", \"use_dora\": true"), CG_ERR_UNSUPPORTED, "use_dora: found true" },
    { LORA(", \"lora_bias\": true"), CG_ERR_UNSUPPORTED, "lora_bias: found true" },
    { LORA(", \"layer_replication\": [[0, 1]]"), CG_ERR_UNSUPPORTED, "layer_replication" },
    { LORA(", \"trainable_token_indices\": [3]"), CG_ERR_UNSUPPORTED, "trainable_token_indices" },
    { LORA(", \"target_parameters\": [\"x\"]"), CG_ERR_UNSUPPORTED, "target_parameters" },
    { LORA(", \"alora_invocation_tokens\": [1]"), CG_ERR_UNSUPPORTED, "alora_invocation_tokens" },
    { LORA(", \"use_qalora\": true"), CG_ERR_UNSUPPORTED, "use_qalora" },
    { LORA(", \"init_lora_weights\": \"pissa\""), CG_ERR_UNSUPPORTED,
      "init_lora_weights: found \"pissa\", wanted true, false" },
    { LORA(", \"rank_pattern\": {\"layers.[0-9]+.q_proj\": 3}"), CG_ERR_UNSUPPORTED,
      "rank_pattern: found the regular expression \"layers.[0-9]+.q_proj\"" },
    { LORA(", \"alpha_pattern\": {\"q_proj\": \"x\"}"), CG_ERR_FORMAT, "alpha_pattern.q_proj" },
    { "{\"peft_type\": \"LORA\", \"lora_alpha\": 8}", CG_ERR_FORMAT, "r: found nothing" },
    { "{\"peft_type\": \"LORA\", \"r\": 4}", CG_ERR_FORMAT, "lora_alpha: found nothing" },
    { LORA(", \"modules_to_save\": 3.5"), CG_ERR_FORMAT, "modules_to_save: found 3.5" },
    { "{\"peft_type\": \"LORA\", \"r\": 4, \"lora_alpha\": 8, \"target_modules\": [\"q_proj\"]}",
      CG_ERR_FORMAT, "down_proj.lora_A.weight: wanted its module in target_modules" },
};

START_TEST(wrong_settings_are_refused)
{
    struct tiny a = two_pairs();

    write_base(1, "BF16");
    write_adapter(&a, bad_configs[_i].config);
    refused(bad_configs[_i].code, bad_configs[_i].found);
}
END_TEST

static const struct {
    int rows, cols;
    const char *name;
    cg_status code;
    const char *found;
} bad_tensors[] = {
    { 0, HEADS *DIM, LAYER0 "self_attn.q_proj.lora_magnitude_vector", CG_ERR_UNSUPPORTED,
      "as bias and magnitude (DoRA), are not supported" },
    { 0, HEADS *DIM, LAYER0 "self_attn.q_proj.lora_B.bias", CG_ERR_UNSUPPORTED,
      "as bias and magnitude (DoRA), are not supported" },
    { 4, HIDDEN, "base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight", CG_ERR_FORMAT,
      "the model of config.json has no such weight" },
    { 4, HIDDEN, LAYER0 "self_attn.k_proj.lora_A.weight", CG_ERR_FORMAT, "target_modules" },
    { 4, HIDDEN, "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight", CG_ERR_FORMAT,
      "wanted lora_B beside it" },
    { 0, HIDDEN, "base_model.model.model.norm.weight", CG_ERR_FORMAT, "modules_to_save" },
    { VOCAB, HIDDEN, "base_model.model.model.embed_tokens.weight", CG_ERR_UNSUPPORTED,
      "config.json ties head and embedding" },
    { 4, HIDDEN, "base_model.model.lm_head.lora_A.weight", CG_ERR_UNSUPPORTED,
      "config.json ties head and embedding" },
    { 4, HIDDEN, "model.layers.0.self_attn.q_proj.lora_A.weight", CG_ERR_FORMAT,
      "the file has this weight twice" },
};

START_TEST(wrong_tensors_are_refused)
{
    struct tiny a = two_pairs();

    write_base(1, "BF16");
    add(&a, bad_tensors[_i].rows, bad_tensors[_i].cols, bad_tensors[_i].name);
    write_adapter(&a, LORA(""));
    refused(bad_tensors[_i].code, bad_tensors[_i].found);
    refused(bad_tensors[_i].code, "adapter_model.safetensors");
}
END_TEST

START_TEST(wrong_shapes_are_refused)
{
    struct tiny a = two_pairs();

    write_base(1, "BF16");
    find(&a, LAYER0 "self_attn.q_proj.lora_A.weight")->cols++;
    write_adapter(&a, LORA(""));
    refused(CG_ERR_FORMAT, "q_proj.lora_A.weight: A and B have other shapes than the weight");
    a = two_pairs();
    add(&a, 0, HIDDEN + 1, "base_model.model.model.norm.weight");
    write_adapter(&a, LORA(", \"modules_to_save\": [\"norm\"]"));
    refused(CG_ERR_FORMAT, "norm.weight: found another shape than config.json describes");
    a = two_pairs();
    a.items[0].poison = 1;
    write_adapter(&a, LORA(""));
    refused(CG_ERR_FORMAT,
            "adapter_model.safetensors: tensor model.layers.0.self_attn.q_proj.weight"
            ": element 0 of 96 is NaN or infinite");
}
END_TEST

START_TEST(incomplete_directories_are_refused)
{
    struct tiny a = two_pairs();

    write_adapter(&a, LORA(", \"base_model_name_or_path\": \"Qwen/Qwen3-0.6B\""));
    refused(CG_ERR_IO, "found only an adapter of Qwen/Qwen3-0.6B: put its files beside");
    write_config(CG_ARCH_LLAMA, 1);
    refused(CG_ERR_IO, "found only an adapter of Qwen/Qwen3-0.6B");
    write_base(1, "BF16");
    unlink(scratch_path("adapter_model.safetensors"));
    refused(CG_ERR_IO, "adapter_config.json: the adapter has no adapter_model.safetensors");
    write_adapter(&a, LORA(""));
    unlink(scratch_path("adapter_config.json"));
    refused(CG_ERR_IO, "adapter_model.safetensors: an adapter without adapter_config.json");
}
END_TEST

/* ---- the oracle of peft: tests/golden/adapter ----------------------------------------------- */

static void expect_bits(const cg_safetensors *merged, const char *name, const cg_tensor_ref *r)
{
    const cg_st_table *t = &merged->table;
    size_t i = 0;

    while (i < t->n && strcmp(t->tensors[i].name, name) != 0)
        i++;
    ck_assert_msg(i < t->n, "%s", name);
    ck_assert_int_eq(r->dtype, CG_BF16);
    ck_assert_int_eq((int)t->tensors[i].dtype, CG_ST_BF16);
    ck_assert_int_eq(cg_weight_bytes(r), (int64_t)(t->tensors[i].end - t->tensors[i].begin));
    for (int64_t k = 0; k < r->rows * r->cols; k++) {
        uint16_t found = ((const uint16_t *)r->data)[k], wanted;

        memcpy(&wanted, merged->data + t->tensors[i].begin + 2 * k, 2);
        ck_assert_msg(found == wanted, "%s[%d]: %04x, wanted %04x", name, (int)k, found, wanted);
    }
}

START_TEST(the_merge_equals_that_of_peft)
{
    const char *root = getenv("CONFGEN_SOURCE_ROOT");
    cg_safetensors *merged = NULL;
    cg_error err = CG_ERROR_INIT;
    cg_model *m;
    const cg_layer_weights *w;
    char *path;

    ck_assert_msg(root != NULL, "CONFGEN_SOURCE_ROOT is not set");
    snprintf(scratch_dir, sizeof scratch_dir, "%s/tests/golden/adapter", root);
    path = cg_path_join(scratch_dir, "merged.safetensors");
    ck_assert_int_eq(cg_safetensors_open(path, 1 << 20, &merged, &err), CG_OK);
    free(path);
    m = must_open();
    w = &m->layers[0];
    ck_assert_int_eq(m->n_adapted, 13);
    expect_bits(merged, "model.embed_tokens.weight", &m->embed);
    expect_bits(merged, "model.norm.weight", &m->final_norm);
    expect_bits(merged, "lm_head.weight", &m->head);
    expect_bits(merged, "model.layers.0.input_layernorm.weight", &w->input_norm);
    expect_bits(merged, "model.layers.0.self_attn.q_proj.weight", &w->q);
    expect_bits(merged, "model.layers.0.self_attn.q_proj.bias", &w->q_bias);
    expect_bits(merged, "model.layers.0.self_attn.k_proj.weight", &w->k);
    expect_bits(merged, "model.layers.0.self_attn.k_proj.bias", &w->k_bias);
    expect_bits(merged, "model.layers.0.self_attn.v_proj.weight", &w->v);
    expect_bits(merged, "model.layers.0.self_attn.v_proj.bias", &w->v_bias);
    expect_bits(merged, "model.layers.0.self_attn.o_proj.weight", &w->o);
    expect_bits(merged, "model.layers.0.mlp.gate_proj.weight", &w->gate);
    expect_bits(merged, "model.layers.0.mlp.up_proj.weight", &w->up);
    expect_bits(merged, "model.layers.0.mlp.down_proj.weight", &w->down);
    cg_model_close(m);
    cg_safetensors_close(merged);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("adapter"), *oracle = tcase_create("oracle");

    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_loop_test(tc, pairs_are_added_to_the_weights, 0, 3);
    tcase_add_loop_test(tc, the_scale_follows_the_settings, 0, 5);
    tcase_add_test(tc, ranks_may_differ_by_module);
    tcase_add_test(tc, embeddings_and_saved_modules);
    tcase_add_test(tc, a_saved_head_unties_the_model);
    tcase_add_loop_test(tc, wrong_settings_are_refused, 0,
                        sizeof bad_configs / sizeof *bad_configs);
    tcase_add_loop_test(tc, wrong_tensors_are_refused, 0, sizeof bad_tensors / sizeof *bad_tensors);
    tcase_add_test(tc, wrong_shapes_are_refused);
    tcase_add_test(tc, incomplete_directories_are_refused);
    tcase_add_test(oracle, the_merge_equals_that_of_peft);
    return run_suite("adapter", (TCase *[]) { tc, oracle }, 2);
}
