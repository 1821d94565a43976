/* SPDX-License-Identifier: MIT */
#include <sys/stat.h>
#include <xxhash.h>

#include "base/file.h"
#include "model/model.h"
#include "tiny_model.h"

static void expect_weights(const cg_tensor_ref *r, const char *name, int rows, int cols)
{
    float *x = malloc(sizeof *x * (size_t)(rows * cols));

    ck_assert_msg(r->data != NULL, "%s", name);
    ck_assert_int_eq(r->rows, rows);
    ck_assert_int_eq(r->cols, cols);
    cg_weight_to_f32(r, 0, rows, x);
    for (int i = 0; i < rows * cols; i++)
        ck_assert_msg(x[i] == value(name, i), "%s: element %d", name, i);
    free(x);
}

static void check_tiny(const cg_model *m, int arch, int tied)
{
    char name[80];

    expect_weights(&m->embed, "model.embed_tokens.weight", VOCAB, HIDDEN);
    expect_weights(&m->head, tied ? "model.embed_tokens.weight" : "lm_head.weight", VOCAB, HIDDEN);
    expect_weights(&m->final_norm, "model.norm.weight", 1, HIDDEN);
    for (int i = 0; i < LAYERS; i++) {
        const cg_layer_weights *w = &m->layers[i];

#define EXPECT(field, rows, cols, part)                                                            \
    snprintf(name, sizeof name, "model.layers.%d." part, i);                                       \
    expect_weights(&w->field, name, rows, cols)
        EXPECT(input_norm, 1, HIDDEN, "input_layernorm.weight");
        EXPECT(q, HEADS * DIM, HIDDEN, "self_attn.q_proj.weight");
        EXPECT(k, KV * DIM, HIDDEN, "self_attn.k_proj.weight");
        EXPECT(v, KV * DIM, HIDDEN, "self_attn.v_proj.weight");
        EXPECT(o, HIDDEN, HEADS * DIM, "self_attn.o_proj.weight");
        EXPECT(post_norm, 1, HIDDEN, "post_attention_layernorm.weight");
        EXPECT(gate, INTER, HIDDEN, "mlp.gate_proj.weight");
        EXPECT(up, INTER, HIDDEN, "mlp.up_proj.weight");
        EXPECT(down, HIDDEN, INTER, "mlp.down_proj.weight");
        if (arch == CG_ARCH_QWEN2) {
            EXPECT(q_bias, 1, HEADS * DIM, "self_attn.q_proj.bias");
            EXPECT(k_bias, 1, KV * DIM, "self_attn.k_proj.bias");
            EXPECT(v_bias, 1, KV * DIM, "self_attn.v_proj.bias");
        } else {
            ck_assert_ptr_null(w->q_bias.data);
        }
        if (arch == CG_ARCH_QWEN3) {
            EXPECT(q_norm, 1, DIM, "self_attn.q_norm.weight");
            EXPECT(k_norm, 1, DIM, "self_attn.k_norm.weight");
        } else {
            ck_assert_ptr_null(w->q_norm.data);
        }
#undef EXPECT
    }
}

START_TEST(every_architecture_opens)
{
    int arch = _i / 2, tied = _i % 2;
    struct tiny t = tiny_model(arch, tied);
    cg_model *m;

    write_config(arch, tied);
    write_shard(&t, -1, "model.safetensors", 0);
    m = must_open();
    check_tiny(m, arch, tied);
    ck_assert_int_eq(m->head.data == m->embed.data, tied);
    cg_model_close(m);
    cg_model_close(NULL);
}
END_TEST

START_TEST(the_fingerprint_ignores_shards_and_compression)
{
    static const char *const dtypes[] = { "BF16", "F16", "F32" };
    struct tiny t = tiny_model(CG_ARCH_QWEN3, 1);
    uint64_t prints[3] = { 0 };
    cg_model *m;

    write_config(CG_ARCH_QWEN3, 1);
    for (int i = 0; i < t.n; i++) {
        t.items[i].dtype = dtypes[(i + _i) % 3];
        t.items[i].shard = i % 3;
    }
    /* 4-byte tensors first: the format requires aligned offsets, and other sizes are odd */
    for (int i = 0; i < t.n; i++)
        for (int j = i + 1; j < t.n; j++)
            if (!strcmp(t.items[j].dtype, "F32") && strcmp(t.items[i].dtype, "F32")) {
                struct item x = t.items[i];

                t.items[i] = t.items[j];
                t.items[j] = x;
            }
    for (int form = 0; form < 3; form++) {
        if (form == 0) {
            write_shard(&t, -1, "model.safetensors", 0);
        } else if (form == 1) {
            unlink(scratch_path("model.safetensors"));
            write_shard(&t, -1, "model.safetensors.zst", 1);
        } else {
            unlink(scratch_path("model.safetensors.zst"));
            write_index(&t);
            write_shard(&t, 0, "0.safetensors", 0);
            write_shard(&t, 1, "1.safetensors.zst", 1);
            write_shard(&t, 2, "2.safetensors", 0);
        }
        m = must_open();
        check_tiny(m, CG_ARCH_QWEN3, 1);
        prints[form] = cg_model_fingerprint(m);
        cg_model_close(m);
    }
    ck_assert_uint_eq(prints[0], prints[1]);
    ck_assert_uint_eq(prints[0], prints[2]);
}
END_TEST

START_TEST(the_fingerprint_covers_weights_settings_and_format)
{
    struct tiny t = tiny_model(CG_ARCH_LLAMA, 1);
    uint64_t prints[5];
    cg_model *m;

    for (int i = 0; i < 5; i++) {
        write_config(CG_ARCH_LLAMA, i != 1);
        if (i == 1) { /* equal to the embedding, as a tied model requires */
            add(&t, VOCAB, HIDDEN, "lm_head.weight");
            find(&t, "lm_head.weight")->values = "model.embed_tokens.weight";
        }
        if (i == 2)
            find(&t, "model.norm.weight")->dtype = "F16";
        if (i == 3)
            scratch_write_text("confgen.json", "{\"decimals\": 3}");
        if (i == 4) /* sampling settings do not count */
            scratch_write_text("generation_config.json", "{\"temperature\": 0.5}");
        write_shard(&t, -1, "model.safetensors", 0);
        m = must_open();
        prints[i] = cg_model_fingerprint(m);
        for (int j = 0; j < i; j++)
            ck_assert_msg((prints[i] == prints[j]) == (i == 4 && j == 3), "%d and %d", i, j);
        ck_assert_int_eq(m->format.conformer.number.decimals, i >= 3 ? 3 : 4);
        ck_assert_double_eq(m->generation.sampling.temperature, i == 4 ? 0.5 : 0);
        cg_model_close(m);
    }
}
END_TEST

START_TEST(ignored_tensors_are_accepted)
{
    struct tiny t = tiny_model(CG_ARCH_LLAMA, 1);
    cg_model *m;

    write_config(CG_ARCH_LLAMA, 1);
    add(&t, VOCAB, HIDDEN, "lm_head.weight");
    find(&t, "lm_head.weight")->values = "model.embed_tokens.weight";
    find(&t, "lm_head.weight")->dtype = "F16"; /* equal in value, not in bytes */
    add(&t, 0, DIM / 2, "model.layers.0.self_attn.rotary_emb.inv_freq");
    add(&t, 0, DIM / 2, "model.rotary_emb.inv_freq");
    write_shard(&t, -1, "model.safetensors", 0);
    m = must_open();
    check_tiny(m, CG_ARCH_LLAMA, 1);
    cg_model_close(m);
}
END_TEST

START_TEST(wrong_tensors_are_refused)
{
    struct tiny t = tiny_model(CG_ARCH_LLAMA, 0);
    struct item *x;

    write_config(CG_ARCH_LLAMA, 0);
    switch (_i) {
    case 0:
        find(&t, "lm_head.weight")->rows--;
        write_shard(&t, -1, "model.safetensors", 0);
        refused(CG_ERR_FORMAT, "tensor lm_head.weight: found shape [9, 8], wanted [10, 8]");
        break;
    case 1:
        x = find(&t, "model.norm.weight");
        x->rows = 1;
        write_shard(&t, -1, "model.safetensors", 0);
        refused(CG_ERR_FORMAT, "tensor model.norm.weight: found shape [1, 8], wanted [8] by");
        break;
    case 2:
        find(&t, "model.norm.weight")->dtype = "F64";
        write_shard(&t, -1, "model.safetensors", 0);
        refused(CG_ERR_UNSUPPORTED, "tensor model.norm.weight: found F64, wanted weights in BF16");
        break;
    case 3:
        t.n--;
        write_shard(&t, -1, "model.safetensors", 0);
        refused(CG_ERR_FORMAT, "1 tensors of LlamaForCausalLM missing (lm_head.weight), 0 tensors "
                               "too many");
        break;
    case 4:
        for (int i = 0; i < 5; i++) {
            char name[40];

            snprintf(name, sizeof name, "model.extra.%d", i);
            add(&t, 0, 2, name);
        }
        strcpy(find(&t, "model.norm.weight")->name, "norm.weight");
        write_shard(&t, -1, "model.safetensors", 0);
        refused(CG_ERR_FORMAT, "1 tensors of LlamaForCausalLM missing (model.norm.weight), 6 "
                               "tensors too many (norm.weight, model.extra.0, model.extra.1, ...)");
        break;
    case 5:
        find(&t, "model.layers.1.mlp.up_proj.weight")->poison = 5;
        write_shard(&t, -1, "model.safetensors", 0);
        refused(CG_ERR_FORMAT, "model.safetensors: tensor model.layers.1.mlp.up_proj.weight: "
                               "element 4 of 96 is NaN or infinite");
        break;
    case 6: /* a tied config with an untied model of another architecture */
        write_config(CG_ARCH_QWEN3, 1);
        write_shard(&t, -1, "model.safetensors", 0);
        refused(CG_ERR_FORMAT, "4 tensors of Qwen3ForCausalLM missing "
                               "(model.layers.0.self_attn.q_norm.weight, ");
        break;
    }
}
END_TEST

START_TEST(a_tied_model_with_another_head_is_refused)
{
    struct tiny t = tiny_model(CG_ARCH_QWEN3, 1);

    write_config(CG_ARCH_QWEN3, 1);
    add(&t, VOCAB, HIDDEN, "lm_head.weight");
    write_shard(&t, -1, "model.safetensors", 0);
    refused(CG_ERR_FORMAT, "model.safetensors: tensor lm_head.weight differs from "
                           "model.embed_tokens.weight in row 0, but tie_word_embeddings");
    find(&t, "lm_head.weight")->rows--;
    write_shard(&t, -1, "model.safetensors", 0);
    refused(CG_ERR_FORMAT, "tensor lm_head.weight: found shape [9, 8], wanted [10, 8]");
}
END_TEST

static const char *const quantised_names[] = {
    "qweight",
    "qzeros",
    "scales",
    "g_idx",
    "weight.absmax",
    "weight_scale",
    "weight_packed",
    "weight_scale_inv",
    "SCB",
    "W_q",
    "weight.quant_state.bitsandbytes__nf4",
    "weight._data",
    "input_scale",
};

/* Of GPTQ, AWQ, bitsandbytes, compressed-tensors and others. */
START_TEST(quantised_tensors_are_refused)
{
    struct tiny t = tiny_model(CG_ARCH_LLAMA, 0);
    char name[80];

    snprintf(name, sizeof name, "model.layers.1.mlp.up_proj.%s", quantised_names[_i]);
    write_config(CG_ARCH_LLAMA, 0);
    add(&t, 0, 4, name);
    write_shard(&t, -1, "model.safetensors", 0);
    refused(CG_ERR_UNSUPPORTED, name);
    refused(CG_ERR_UNSUPPORTED, " (BF16): the checkpoint is quantised, wanted plain bf16, f16 or");
    unlink(scratch_path("model.safetensors"));
    write_index(&t);
    refused(CG_ERR_UNSUPPORTED, "model.safetensors.index.json: tensor model.layers.1.mlp.up_proj.");
    refused(CG_ERR_UNSUPPORTED, "the checkpoint is quantised");
}
END_TEST

START_TEST(weights_in_integers_are_refused)
{
    struct tiny t = tiny_model(CG_ARCH_LLAMA, 0);

    write_config(CG_ARCH_LLAMA, 0);
    find(&t, "model.layers.0.mlp.up_proj.weight")->dtype = "I16";
    write_shard(&t, -1, "model.safetensors", 0);
    refused(CG_ERR_UNSUPPORTED,
            "tensor model.layers.0.mlp.up_proj.weight (I16): the checkpoint is quantised");
}
END_TEST

START_TEST(quantised_directories_are_refused)
{
    static const char *const names[] = { "quantize_config.json", "quant_config.json",
                                         "hf_quant_config.json", "quanto_qmap.json" };

    write_config(CG_ARCH_LLAMA, 1);
    scratch_write_text(names[_i], "{}");
    refused(CG_ERR_UNSUPPORTED, names[_i]);
    refused(CG_ERR_UNSUPPORTED, "the checkpoint is quantised");
}
END_TEST

START_TEST(weights_of_other_formats_are_named)
{
    static const struct {
        const char *file, *found;
    } cases[] = {
        { "pytorch_model.bin", "pytorch_model.bin holds pickled weights: load and save" },
        { "pytorch_model-00001-of-00002.bin", "-00001-of-00002.bin holds pickled weights" },
        { "consolidated.00.pth", "consolidated.00.pth holds pickled weights" },
        { "model-q4.gguf", "model-q4.gguf holds weights in GGUF" },
        { "consolidated.safetensors", "consolidated.safetensors is no name that transformers" },
    };

    write_config(CG_ARCH_LLAMA, 1);
    scratch_write_text("training_args.bin", "x");
    refused(CG_ERR_IO, "no weights: neither model.safetensors[.zst] nor "
                       "model.safetensors.index.json");
    scratch_write_text(cases[_i].file, "x");
    refused(CG_ERR_IO, cases[_i].found);
    unlink(scratch_path("config.json"));
    refused(CG_ERR_IO, _i == 3 ? "no config.json; model-q4.gguf holds weights in GGUF"
                               : "config.json: cannot open");
}
END_TEST

START_TEST(wrong_directories_are_refused)
{
    struct tiny t = tiny_model(CG_ARCH_LLAMA, 1);
    char saved[256];

    switch (_i) {
    case 0:
        refused(CG_ERR_IO, "config.json: cannot open: No such file");
        break;
    case 1:
        write_config(CG_ARCH_LLAMA, 1);
        refused(CG_ERR_IO, "no weights: neither model.safetensors[.zst] nor "
                           "model.safetensors.index.json");
        break;
    case 2:
        write_config(CG_ARCH_LLAMA, 1);
        ck_assert_int_eq(mkdir(scratch_path("model.safetensors"), 0700), 0);
        refused(CG_ERR_IO, "model.safetensors: is a directory");
        break;
    case 3:
        write_config(CG_ARCH_LLAMA, 1);
        write_shard(&t, -1, "model.safetensors", 0);
        ck_assert_int_eq(mkdir(scratch_path("confgen.json"), 0700), 0);
        refused(CG_ERR_IO, "confgen.json: is a directory");
        break;
    case 4:
        write_config(CG_ARCH_LLAMA, 1);
        write_shard(&t, -1, "model.safetensors", 0);
        scratch_write_text("generation_config.json", "{\"top_k\": 1.5}");
        refused(CG_ERR_FORMAT, "generation_config.json: top_k: found 1.5");
        break;
    case 5:
        write_config(CG_ARCH_LLAMA, 1);
        ck_assert_int_eq(symlink("model.safetensors", scratch_path("model.safetensors")), 0);
        refused(CG_ERR_IO, "no weights"); /* a link to itself does not exist */
        break;
    case 6: /* a file instead of a directory */
        write_config(CG_ARCH_LLAMA, 1);
        strcpy(saved, scratch_dir);
        strcat(scratch_dir, "/config.json");
        refused(CG_ERR_IO, "config.json: not a folder; wanted the folder of a model");
        strcat(scratch_dir, "s");
        refused(CG_ERR_IO, "config.jsons: No such file or directory; wanted the folder");
        strcpy(scratch_dir, saved);
        break;
    case 7: /* a compressed file larger than the model can be */
        write_config(CG_ARCH_LLAMA, 1);
        {
            size_t n = (size_t)32 << 20;
            struct st_file f = { calloc(n, 1), n };

            st_save_zst(&f, "model.safetensors.zst");
            free(f.bytes);
        }
        refused(CG_ERR_LIMIT, "declares 33554432 bytes, wanted at most");
        break;
    }
}
END_TEST

static void two_shards(struct tiny *t)
{
    *t = tiny_model(CG_ARCH_LLAMA, 1);
    write_config(CG_ARCH_LLAMA, 1);
    for (int i = 0; i < t->n; i++)
        t->items[i].shard = i % 2;
    write_index(t);
    write_shard(t, 0, "0.safetensors", 0);
    write_shard(t, 1, "1.safetensors", 0);
}

START_TEST(wrong_indexes_are_refused)
{
    static const struct {
        const char *text, *found;
    } bad[] = {
        { "{}", "weight_map: found nothing, wanted an object" },
        { "{\"weight_map\": {}}", "weight_map: found an object" },
        { "{\"weight_map\": {\"a\": 3}}", "weight_map.a: found 3, wanted" },
        { "{\"weight_map\": {\"a\": \"../x.safetensors\"}}", "found \"../x.safetensors\", wanted" },
        { "{\"weight_map\": {\"a\": \".safetensors\"}}", "wanted the name of a .safetensors file" },
        { "{\"weight_map\": {\"a\": \"/dev/zero\"}}", "weight_map.a" },
        { "{\"weight_map\": {\"a\": \"model.bin\"}}", "weight_map.a" },
        { "{\"weight_map\"", "model.safetensors.index.json:1:" },
    };
    struct tiny t;

    two_shards(&t);
    cg_model_close(must_open());
    scratch_write_text("model.safetensors.index.json", bad[_i].text);
    refused(CG_ERR_FORMAT, bad[_i].found);
}
END_TEST

START_TEST(shards_must_agree_with_the_index)
{
    struct tiny t;

    two_shards(&t);
    unlink(scratch_path("1.safetensors"));
    refused(CG_ERR_IO, "1.safetensors: no such file, plain or .zst");

    for (int i = 0; i < t.n; i++)
        t.items[i].shard = 1 - i % 2; /* now the index is inverted */
    write_shard(&t, 0, "0.safetensors", 0);
    write_shard(&t, 1, "1.safetensors", 0);
    refused(CG_ERR_FORMAT, "is in 0.safetensors, the index says 1.safetensors");

    two_shards(&t);
    write_shard(&t, -1, "1.safetensors", 0); /* contains all tensors */
    refused(CG_ERR_FORMAT, "tensor model.embed_tokens.weight is in 0.safetensors and in "
                           "1.safetensors");

    two_shards(&t);
    t.n -= 1; /* the index lacks the last tensor */
    write_index(&t);
    refused(CG_ERR_FORMAT, "the index does not list it");

    two_shards(&t);
    scratch_write("1.safetensors", "xx", 2);
    refused(CG_ERR_FORMAT, "1.safetensors: 2 bytes, wanted a safetensors file");
}
END_TEST

START_TEST(an_index_of_other_tensors_is_refused_unopened)
{
    struct tiny t;

    write_config(CG_ARCH_LLAMA, 1);
    two_shards(&t);
    unlink(scratch_path("1.safetensors")); /* would be reported if shards were opened first */
    add(&t, 0, 2, "model.extra");
    write_index(&t);
    refused(CG_ERR_FORMAT,
            "0 tensors of LlamaForCausalLM missing, 1 tensors too many (model.extra)");
}
END_TEST

START_TEST(too_many_shards_are_refused)
{
    char *text = malloc(1 << 17);
    size_t n = (size_t)sprintf(text, "{\"weight_map\": {");

    for (int i = 0; i <= 1024; i++)
        n += (size_t)sprintf(text + n, "%s\"t%d\": \"s%d.safetensors\"", i ? ", " : "", i, i);
    strcpy(text + n, "}}");
    write_config(CG_ARCH_LLAMA, 1);
    scratch_write_text("model.safetensors.index.json", text);
    refused(CG_ERR_LIMIT, "more than 1024 shards");
    free(text);
}
END_TEST

/* ---- default model ---------------------------------------------------------------------- */

static uint64_t hash(const cg_tensor_ref *r)
{
    return XXH3_64bits(r->data, (size_t)cg_weight_bytes(r));
}

START_TEST(default_model_is_the_trained_one)
{
    const char *root = getenv("CONFGEN_SOURCE_ROOT");
    char *dir;
    cg_model *m = NULL;
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(root != NULL, "CONFGEN_SOURCE_ROOT is not set");
    dir = cg_path_join(root, "data/confgen-default");
    ck_assert_msg(cg_model_open(dir, &m, &err) == CG_OK, "%s", err.msg);
    free(dir);
    ck_assert_int_eq(m->config.arch, CG_ARCH_QWEN3);
    ck_assert_int_eq(m->config.n_layers, 10);
    ck_assert_int_eq(m->format.conformer.number.decimals, 3);
    ck_assert_double_eq(m->generation.sampling.temperature, 0.8);
    ck_assert_double_eq(m->generation.sampling.top_p, 0.95);
    ck_assert_int_eq(m->generation.sampling.top_k, 0);
    ck_assert_int_eq(m->generation.max_new_tokens, 1536);
    ck_assert_int_eq(m->generation.n_eos, 1);
    ck_assert_int_eq(m->generation.eos[0], 0);
    /* XXH3 of the tensor bytes in the uncompressed files that training wrote */
    ck_assert_uint_eq(hash(&m->embed), 0xba17054db960a45b);
    ck_assert_uint_eq(hash(&m->layers[0].q), 0xacddb3d03cced453);
    ck_assert_uint_eq(hash(&m->layers[9].down), 0xcfac9794b3e9cb47);
    ck_assert_uint_eq(hash(&m->final_norm), 0x3b9f64c66f4109df);
    ck_assert_uint_eq(cg_model_fingerprint(m), 0xba955169086f804f);
    cg_model_close(m);
}
END_TEST

int main(void)
{
    TCase *tiny = tcase_create("tiny models"), *shipped = tcase_create("default model");

    tcase_add_checked_fixture(tiny, scratch_make, scratch_remove);
    tcase_add_loop_test(tiny, every_architecture_opens, 0, 6);
    tcase_add_loop_test(tiny, the_fingerprint_ignores_shards_and_compression, 0, 3);
    tcase_add_test(tiny, the_fingerprint_covers_weights_settings_and_format);
    tcase_add_test(tiny, ignored_tensors_are_accepted);
    tcase_add_loop_test(tiny, wrong_tensors_are_refused, 0, 7);
    tcase_add_test(tiny, a_tied_model_with_another_head_is_refused);
    tcase_add_loop_test(tiny, quantised_tensors_are_refused, 0,
                        sizeof quantised_names / sizeof *quantised_names);
    tcase_add_test(tiny, weights_in_integers_are_refused);
    tcase_add_loop_test(tiny, quantised_directories_are_refused, 0, 4);
    tcase_add_loop_test(tiny, weights_of_other_formats_are_named, 0, 5);
    tcase_add_loop_test(tiny, wrong_directories_are_refused, 0, 8);
    tcase_add_loop_test(tiny, wrong_indexes_are_refused, 0, 8);
    tcase_add_test(tiny, shards_must_agree_with_the_index);
    tcase_add_test(tiny, an_index_of_other_tensors_is_refused_unopened);
    tcase_add_test(tiny, too_many_shards_are_refused);
    tcase_add_test(shipped, default_model_is_the_trained_one);
    return run_suite("model", (TCase *[]) { tiny, shipped }, 2);
}
