/* SPDX-License-Identifier: MIT */
/*
 * Checkpoints whose tensors are not stored as the model uses them: GPT-2 (transposed, also without
 * the prefix of the names and with masks) and GPT-NeoX (q, k and v by head, partly rotated).
 */
#include "model/model.h"
#include "tiny_model.h"

enum { N_HEADS = 2, D = 4 }; /* HIDDEN = N_HEADS * D */

static const char gpt2_config[] =
    "{\"architectures\": [\"GPT2LMHeadModel\"], \"n_embd\": 8, \"n_inner\": 12, \"n_layer\": 2, "
    "\"n_head\": 2, \"vocab_size\": 10, \"n_positions\": 6}";
static const char neox_config[] =
    "{\"architectures\": [\"GPTNeoXForCausalLM\"], \"hidden_size\": 8, \"intermediate_size\": 12, "
    "\"num_hidden_layers\": 2, \"num_attention_heads\": 2, \"vocab_size\": 10, "
    "\"max_position_embeddings\": 6, \"rotary_pct\": 0.5}";

/* A tensor of a layer; rows 0: a vector. */
struct part {
    int rows, cols;
    const char *name;
};

static const struct part gpt2_parts[] = {
    { 0, HIDDEN, "ln_1.weight" },
    { 0, HIDDEN, "ln_1.bias" },
    { HIDDEN, 3 * HIDDEN, "attn.c_attn.weight" },
    { 0, 3 * HIDDEN, "attn.c_attn.bias" },
    { HIDDEN, HIDDEN, "attn.c_proj.weight" },
    { 0, HIDDEN, "attn.c_proj.bias" },
    { 0, HIDDEN, "ln_2.weight" },
    { 0, HIDDEN, "ln_2.bias" },
    { HIDDEN, INTER, "mlp.c_fc.weight" },
    { 0, INTER, "mlp.c_fc.bias" },
    { INTER, HIDDEN, "mlp.c_proj.weight" },
    { 0, HIDDEN, "mlp.c_proj.bias" },
};
static const struct part neox_parts[] = {
    { 0, HIDDEN, "input_layernorm.weight" },
    { 0, HIDDEN, "input_layernorm.bias" },
    { 3 * HIDDEN, HIDDEN, "attention.query_key_value.weight" },
    { 0, 3 * HIDDEN, "attention.query_key_value.bias" },
    { HIDDEN, HIDDEN, "attention.dense.weight" },
    { 0, HIDDEN, "attention.dense.bias" },
    { 0, HIDDEN, "post_attention_layernorm.weight" },
    { 0, HIDDEN, "post_attention_layernorm.bias" },
    { INTER, HIDDEN, "mlp.dense_h_to_4h.weight" },
    { 0, INTER, "mlp.dense_h_to_4h.bias" },
    { HIDDEN, INTER, "mlp.dense_4h_to_h.weight" },
    { 0, HIDDEN, "mlp.dense_4h_to_h.bias" },
};

enum { N_PARTS = sizeof gpt2_parts / sizeof *gpt2_parts };

static void add_named(struct tiny *t, int rows, int cols, const char *prefix, const char *name)
{
    char full[80];

    snprintf(full, sizeof full, "%s%s", prefix, name);
    add(t, rows, cols, full);
}

static void add_layers(struct tiny *t, const char *prefix, const char *layer,
                       const struct part *parts)
{
    char full[80];

    for (int i = 0; i < LAYERS; i++)
        for (int p = 0; p < N_PARTS; p++) {
            snprintf(full, sizeof full, "%s%s.%d.%s", prefix, layer, i, parts[p].name);
            add(t, parts[p].rows, parts[p].cols, full);
        }
}

static struct tiny tiny_gpt2(const char *prefix)
{
    struct tiny t = { .n = 0 };

    add_named(&t, VOCAB, HIDDEN, prefix, "wte.weight");
    add_named(&t, 6, HIDDEN, prefix, "wpe.weight");
    add_layers(&t, prefix, "h", gpt2_parts);
    add_named(&t, 0, HIDDEN, prefix, "ln_f.weight");
    add_named(&t, 0, HIDDEN, prefix, "ln_f.bias");
    return t;
}

static struct tiny tiny_neox(void)
{
    struct tiny t = { .n = 0 };

    add(&t, VOCAB, HIDDEN, "gpt_neox.embed_in.weight");
    add_layers(&t, "gpt_neox.", "layers", neox_parts);
    add(&t, 0, HIDDEN, "gpt_neox.final_layer_norm.weight");
    add(&t, 0, HIDDEN, "gpt_neox.final_layer_norm.bias");
    add(&t, VOCAB, HIDDEN, "embed_out.weight");
    return t;
}

/* Element (row, col) of a matrix of the model. */
static float element(const cg_tensor_ref *r, int64_t row, int64_t col)
{
    float x[3 * HIDDEN];

    cg_weight_to_f32(r, row, 1, x);
    return x[col];
}

/* A matrix [outputs, inputs] from columns `first` on of a tensor [inputs, width]. */
static void expect_transposed(const cg_tensor_ref *r, const char *name, int outputs, int inputs,
                              int first, int width)
{
    ck_assert_int_eq(r->rows, outputs);
    ck_assert_int_eq(r->cols, inputs);
    for (int i = 0; i < outputs; i++)
        for (int j = 0; j < inputs; j++)
            ck_assert_msg(element(r, i, j) == value(name, (int64_t)j * width + first + i),
                          "%s: output %d, input %d", name, i, j);
}

static void expect_vector(const cg_tensor_ref *r, const char *name, int n, int first)
{
    ck_assert_int_eq(r->rows, 1);
    ck_assert_int_eq(r->cols, n);
    for (int i = 0; i < n; i++)
        ck_assert_msg(element(r, 0, i) == value(name, first + i), "%s: element %d", name, i);
}

static void check_gpt2(const cg_model *m, const char *prefix)
{
    char name[80];

    ck_assert(m->head.data == m->embed.data);
    snprintf(name, sizeof name, "%swpe.weight", prefix);
    ck_assert_int_eq(m->positions.rows, 6);
    ck_assert(element(&m->positions, 5, 7) == value(name, 47));
    for (int i = 0; i < LAYERS; i++) {
        const cg_layer_weights *w = &m->layers[i];

#define NAME(part) (snprintf(name, sizeof name, "%sh.%d." part, prefix, i), name)
        expect_transposed(&w->q, NAME("attn.c_attn.weight"), HIDDEN, HIDDEN, 0, 3 * HIDDEN);
        expect_transposed(&w->k, NAME("attn.c_attn.weight"), HIDDEN, HIDDEN, HIDDEN, 3 * HIDDEN);
        expect_transposed(&w->v, NAME("attn.c_attn.weight"), HIDDEN, HIDDEN, 2 * HIDDEN,
                          3 * HIDDEN);
        expect_vector(&w->q_bias, NAME("attn.c_attn.bias"), HIDDEN, 0);
        expect_vector(&w->v_bias, NAME("attn.c_attn.bias"), HIDDEN, 2 * HIDDEN);
        expect_transposed(&w->o, NAME("attn.c_proj.weight"), HIDDEN, HIDDEN, 0, HIDDEN);
        expect_transposed(&w->up, NAME("mlp.c_fc.weight"), INTER, HIDDEN, 0, INTER);
        expect_transposed(&w->down, NAME("mlp.c_proj.weight"), HIDDEN, INTER, 0, HIDDEN);
        expect_vector(&w->post_norm_bias, NAME("ln_2.bias"), HIDDEN, 0);
#undef NAME
        ck_assert(!w->gate.data && !w->q_norm.data);
    }
}

static const char *const prefixes[] = { "transformer.", "" };

START_TEST(gpt2_with_and_without_prefix_and_masks)
{
    const char *prefix = prefixes[_i % 2];
    struct tiny t = tiny_gpt2(prefix);
    cg_model *m;

    scratch_write_text("config.json", gpt2_config);
    if (_i / 2) { /* [1, 1, 6, 6] in old files; the number of elements counts */
        add_named(&t, 6, 6, prefix, "h.0.attn.bias");
        add_named(&t, 0, 1, prefix, "h.0.attn.masked_bias");
        t.items[t.n - 2].dtype = "F32";
    }
    write_shard(&t, -1, "model.safetensors", 0);
    m = must_open();
    check_gpt2(m, prefix);
    cg_model_close(m);
}
END_TEST

START_TEST(gpt2_in_shards)
{
    const char *prefix = prefixes[_i];
    struct tiny t = tiny_gpt2(prefix);
    cg_model *m;

    scratch_write_text("config.json", gpt2_config);
    for (int i = 0; i < t.n; i++)
        t.items[i].shard = i % 2;
    write_index(&t);
    write_shard(&t, 0, "0.safetensors", 0);
    write_shard(&t, 1, "1.safetensors", 0);
    m = must_open();
    check_gpt2(m, prefix);
    cg_model_close(m);
}
END_TEST

START_TEST(a_mixture_of_prefixes_is_refused)
{
    struct tiny t = tiny_gpt2("transformer.");
    cg_model *m = NULL;
    cg_error err = CG_ERROR_INIT;

    scratch_write_text("config.json", gpt2_config);
    strcpy(find(&t, "transformer.wpe.weight")->name, "wpe.weight");
    write_shard(&t, -1, "model.safetensors", 0);
    ck_assert_int_eq(cg_model_open(scratch_dir, &m, &err), CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "1 tensors of GPT2LMHeadModel missing (transformer.wpe.weight)");
}
END_TEST

START_TEST(shapes_are_those_of_the_file)
{
    struct tiny t = tiny_gpt2("transformer.");
    struct item *x = find(&t, "transformer.h.1.mlp.c_fc.weight");
    cg_model *m = NULL;
    cg_error err = CG_ERROR_INIT;

    scratch_write_text("config.json", gpt2_config);
    x->rows = INTER;
    x->cols = HIDDEN;
    write_shard(&t, -1, "model.safetensors", 0);
    ck_assert_int_eq(cg_model_open(scratch_dir, &m, &err), CG_ERR_FORMAT);
    ck_assert_contains(err.msg, "found shape [12, 8], wanted [8, 12] by config.json");
}
END_TEST

START_TEST(heads_of_gpt_neox)
{
    /* of the four elements of a head the file rotates 0 with 1; the model pairs 0 with 2 */
    static const int source[D] = { 0, 2, 1, 3 };
    struct tiny t = tiny_neox();
    cg_model *m;

    scratch_write_text("config.json", neox_config);
    write_shard(&t, -1, "model.safetensors", 0);
    m = must_open();
    ck_assert_int_eq(m->config.rotary_dim, 2);
    for (int h = 0; h < N_HEADS; h++)
        for (int i = 0; i < D; i++) {
            const cg_layer_weights *w = &m->layers[1];
            const cg_tensor_ref *weights[] = { &w->q, &w->k, &w->v };
            const cg_tensor_ref *biases[] = { &w->q_bias, &w->k_bias, &w->v_bias };

            for (int part = 0; part < 3; part++) {
                int row = (h * 3 + part) * D + (part < 2 ? source[i] : i);

                for (int j = 0; j < HIDDEN; j++)
                    ck_assert(element(weights[part], h * D + i, j) ==
                              value("gpt_neox.layers.1.attention.query_key_value.weight",
                                    row * HIDDEN + j));
                ck_assert(element(biases[part], 0, h * D + i) ==
                          value("gpt_neox.layers.1.attention.query_key_value.bias", row));
            }
        }
    cg_model_close(m);
}
END_TEST

int main(void)
{
    TCase *tc = tcase_create("orders");

    tcase_add_checked_fixture(tc, scratch_make, scratch_remove);
    tcase_add_loop_test(tc, gpt2_with_and_without_prefix_and_masks, 0, 4);
    tcase_add_loop_test(tc, gpt2_in_shards, 0, 2);
    tcase_add_test(tc, a_mixture_of_prefixes_is_refused);
    tcase_add_test(tc, shapes_are_those_of_the_file);
    tcase_add_test(tc, heads_of_gpt_neox);
    return run_suite("GPT checkpoints", &tc, 1);
}
