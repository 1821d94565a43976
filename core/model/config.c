/* SPDX-License-Identifier: MIT */
#include "model/config.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "model/architectures.h"
#include "model/layer_flags.h"

const char *cg_arch_name(int32_t arch)
{
    return arch >= 0 && arch < CG_N_ARCHS ? cg_architecture_of(arch)->name : "unknown architecture";
}

/* ---- config.json ------------------------------------------------------------------------ */

/* Checks that a switch is off or absent. */
static cg_status check_false(const cg_json *o, const char *key, cg_error *err)
{
    int on = 0;

    CG_TRY(cg_json_bool(o, key, CG_JSON_OPTIONAL, &on, err));
    return on ? cg_json_fail_unsupported(o, key, "false: this is not supported", err) : CG_OK;
}

/*
 * Takes the architecture from `architectures` or, where that is missing, from `model_type`.
 * Programs of transformers go by one or the other, so the two must agree.
 */
static cg_status read_arch(const cg_json *o, const cg_architecture **ret_arch, cg_error *err)
{
    const json_t *list = cg_json_member(o, "architectures");
    const char *name = json_string_value(json_array_get(list, 0)), *type = NULL;
    const cg_architecture *arch;
    char known[256];

    CG_TRY(cg_json_string(o, "model_type", CG_JSON_OPTIONAL, &type, err));
    if ((list && !json_is_array(list)) || json_array_size(list) > 1 ||
        (!name && (json_array_size(list) || !type)))
        return cg_json_fail_wanted(o, "architectures", "a list of one name", err);
    arch = cg_architecture_find(name, type);
    cg_architecture_list(known, sizeof known);
    if (!arch)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "%s: %s: found \"%.60s\", wanted %s", o->file,
                       name ? "architectures" : "model_type", name ? name : type, known);
    if (type && strcmp(type, arch->model_type))
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: model_type: found \"%.60s\", wanted \"%s\" by architectures (%s): "
                       "transformers would run another network than confgen",
                       o->file, type, arch->model_type, name);
    *ret_arch = arch;
    return CG_OK;
}

/* compression_config is the name of older compressed-tensors. */
static cg_status check_not_quantised(const cg_json *o, cg_error *err)
{
    static const char *const keys[] = { "quantization_config", "compression_config" };

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *node = cg_json_member(o, keys[i]);
        const char *method = json_string_value(json_object_get(node, "quant_method"));

        if (node)
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "%s: %s%s%.40s: the checkpoint is quantised, wanted plain bf16, f16 or "
                           "f32 weights",
                           o->file, keys[i], method ? ".quant_method: found " : "",
                           method ? method : "");
    }
    return CG_OK;
}

/* Refuses settings that would change the arithmetic and are not implemented. */
static cg_status check_unsupported(const cg_json *o, const cg_architecture *arch, cg_error *err)
{
    static const char *const gpt2[] = { "scale_attn_by_inverse_layer_idx", "add_cross_attention" };
    int causal = 1, scaled = 1;

    CG_TRY(cg_json_bool(o, "is_causal", CG_JSON_OPTIONAL, &causal, err));
    if (!causal)
        return cg_json_fail_unsupported(o, "is_causal", "true: confgen's attention is causal", err);
    if (arch->arch == CG_ARCH_GPT2) {
        for (size_t i = 0; i < sizeof gpt2 / sizeof *gpt2; i++)
            CG_TRY(check_false(o, gpt2[i], err));
        CG_TRY(cg_json_bool(o, "scale_attn_weights", CG_JSON_OPTIONAL, &scaled, err));
        if (!scaled)
            return cg_json_fail_unsupported(o, "scale_attn_weights",
                                            "true: unscaled attention is not supported", err);
    }
    return check_not_quantised(o, err);
}

/* The spellings of transformers; those of one activation differ in rounding at most. */
static cg_status read_activation(const cg_json *o, const cg_architecture *arch, int32_t *ret,
                                 cg_error *err)
{
    static const struct {
        const char *name;
        int32_t activation;
    } names[] = {
        { "silu", CG_ACT_SILU },
        { "swish", CG_ACT_SILU },
        { "gelu", CG_ACT_GELU },
        { "gelu_python", CG_ACT_GELU },
        { "gelu_new", CG_ACT_GELU_TANH },
        { "gelu_pytorch_tanh", CG_ACT_GELU_TANH },
        { "gelu_python_tanh", CG_ACT_GELU_TANH },
        { "gelu_fast", CG_ACT_GELU_TANH },
        { "gelu_accurate", CG_ACT_GELU_TANH },
        { "quick_gelu", CG_ACT_QUICK_GELU },
        { "relu", CG_ACT_RELU },
    };
    const char *name = arch->default_activation;

    CG_TRY(cg_json_string(o, arch->activation, CG_JSON_OPTIONAL, &name, err));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i].name)) {
            *ret = names[i].activation;
            return CG_OK;
        }
    return cg_json_fail_unsupported(
        o, arch->activation,
        "\"silu\", \"gelu\", \"gelu_new\" or another tanh form of it, \"quick_gelu\" or \"relu\"",
        err);
}

/* Reads a size by either spelling; both must agree. */
static cg_status read_size(const cg_json *o, const cg_config_key *key, int64_t max, int32_t *ret,
                           cg_error *err)
{
    const char *name = key->alias && !cg_json_member(o, key->name) && cg_json_member(o, key->alias)
                           ? key->alias
                           : key->name;
    int32_t other;

    CG_TRY(cg_json_i32(o, name, CG_JSON_REQUIRED, 1, max, ret, err));
    other = *ret;
    if (key->alias)
        CG_TRY(cg_json_i32(o, key->alias, CG_JSON_OPTIONAL, 1, max, &other, err));
    if (other != *ret)
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: %s: found %d, but %s is %d: wanted equal values or one of them",
                       o->file, key->alias, other, key->name, *ret);
    return CG_OK;
}

static cg_status read_sizes(const cg_json *o, const cg_architecture *arch, cg_model_config *c,
                            cg_error *err)
{
    static const cg_config_key vocab = { "vocab_size", NULL };
    const struct {
        const cg_config_key *key;
        int64_t max;
        int32_t *ret;
    } sizes[] = {
        { &arch->hidden, CG_MAX_HIDDEN, &c->hidden },
        { &arch->n_layers, CG_MAX_LAYERS, &c->n_layers },
        { &arch->n_heads, CG_MAX_HEADS, &c->n_heads },
        { &vocab, CG_MAX_VOCAB, &c->vocab },
        { &arch->max_positions, CG_MAX_POSITIONS, &c->max_positions },
    };
    int has_width = arch->arch == CG_ARCH_GPT2; /* four times the hidden size */

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        CG_TRY(read_size(o, sizes[i].key, sizes[i].max, sizes[i].ret, err));
    c->intermediate = 4 * c->hidden;
    return cg_json_i32(o, arch->intermediate, !has_width, 1, CG_MAX_INTERMEDIATE, &c->intermediate,
                       err);
}

/* An absent num_key_value_heads or head_dim has the class's default, a null one depends on the
 * number of heads. */
static cg_status read_heads(const cg_json *o, const cg_architecture *arch, cg_model_config *c,
                            cg_error *err)
{
    int has_head_dim = arch->has_kv_heads && cg_json_member(o, "head_dim");
    int is_null = json_is_null(json_object_get(o->node, "head_dim"));

    c->n_kv_heads = c->n_heads;
    if (arch->has_kv_heads) {
        if (arch->default_kv_heads && !json_object_get(o->node, "num_key_value_heads"))
            c->n_kv_heads = arch->default_kv_heads;
        CG_TRY(cg_json_i32(o, "num_key_value_heads", CG_JSON_OPTIONAL, 1, CG_MAX_HEADS,
                           &c->n_kv_heads, err));
    }
    if (c->n_heads % c->n_kv_heads)
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: num_key_value_heads: found %d%s, wanted a divisor of "
                       "num_attention_heads (%d)",
                       o->file, c->n_kv_heads,
                       cg_json_member(o, "num_key_value_heads") ? "" : " by default", c->n_heads);
    if (has_head_dim || (arch->default_head_dim && is_null)) {
        CG_TRY(cg_json_i32(o, "head_dim", CG_JSON_REQUIRED, 2, CG_MAX_HEAD_DIM, &c->head_dim, err));
    } else if (arch->default_head_dim) {
        c->head_dim = arch->default_head_dim;
    } else {
        if (c->hidden % c->n_heads)
            return cg_json_fail_wanted(o, arch->n_heads.name,
                                       arch->has_kv_heads
                                           ? "a divisor of hidden_size, or head_dim stated"
                                           : "a divisor of the hidden size",
                                       err);
        c->head_dim = c->hidden / c->n_heads;
    }
    if (c->head_dim % 2 || c->head_dim > CG_MAX_HEAD_DIM)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "%s: head_dim: found %d, wanted an even number up to %d", o->file,
                       c->head_dim, CG_MAX_HEAD_DIM);
    return CG_OK;
}

static cg_status read_biases(const cg_json *o, const cg_architecture *arch, cg_model_config *c,
                             cg_error *err)
{
    int attention = arch->default_attention_bias, mlp = 0;

    CG_TRY(cg_json_bool(o, "attention_bias", CG_JSON_OPTIONAL, &attention, err));
    CG_TRY(cg_json_bool(o, "mlp_bias", CG_JSON_OPTIONAL, &mlp, err));
    /* other classes ignore the keys */
    c->qkv_bias = arch->qkv_bias == CG_BIAS_BY_KEY ? attention : arch->qkv_bias;
    c->o_bias = arch->o_bias == CG_BIAS_BY_KEY ? attention : arch->o_bias;
    c->mlp_bias = arch->mlp_bias == CG_BIAS_BY_KEY ? mlp : arch->mlp_bias;
    return CG_OK;
}

static cg_status read_config(const cg_json *o, cg_model_config *c, cg_error *err)
{
    const cg_architecture *arch = NULL;

    CG_TRY(read_arch(o, &arch, err));
    c->arch = arch->arch;
    c->norm = arch->norm;
    c->mlp = arch->mlp;
    c->qk_norm = arch->qk_norm;
    c->learned_positions = arch->learned_positions;
    c->norm_eps = arch->default_eps;
    c->tie_embeddings = arch->default_tied;
    c->parallel_residual = arch->arch == CG_ARCH_GPT_NEOX;
    CG_TRY(read_sizes(o, arch, c, err));
    CG_TRY(read_heads(o, arch, c, err));
    CG_TRY(read_biases(o, arch, c, err));
    CG_TRY(read_activation(o, arch, &c->activation, err));
    CG_TRY(cg_json_real(o, arch->norm_eps, CG_JSON_OPTIONAL, 1e-12, 1e-1, &c->norm_eps, err));
    CG_TRY(cg_json_bool(o, "tie_word_embeddings", CG_JSON_OPTIONAL, &c->tie_embeddings, err));
    if (arch->arch == CG_ARCH_GPT_NEOX)
        CG_TRY(
            cg_json_bool(o, "use_parallel_residual", CG_JSON_OPTIONAL, &c->parallel_residual, err));
    CG_TRY(cg_layer_flags_read(o, arch, c, err));
    if (!arch->learned_positions)
        CG_TRY(cg_rope_read(o, &arch->rope, c, err));
    return check_unsupported(o, arch, err);
}

cg_status cg_model_config_parse(const char *name, const void *bytes, size_t len,
                                cg_model_config *ret, cg_error *err)
{
    cg_model_config c = { 0 };
    json_t *root = NULL;
    cg_status st;

    CG_TRY(cg_json_parse(name, bytes, len, &root, err));
    st = read_config(&(cg_json) { name, "", root }, &c, err);
    json_decref(root);
    if (st == CG_OK)
        *ret = c;
    return st;
}

cg_status cg_model_config_named(const char *shape, cg_model_config *ret, cg_error *err)
{
    static const struct {
        const char *name;
        cg_model_config config;
    } shapes[] = {
        { "default",
          { .arch = CG_ARCH_QWEN3,
            .hidden = 512,
            .n_layers = 10,
            .n_heads = 8,
            .n_kv_heads = 4,
            .head_dim = 64,
            .intermediate = 1280,
            .vocab = 2304,
            .max_positions = 2048,
            .tie_embeddings = 1,
            .qk_norm = 1,
            .norm_eps = 1e-6,
            .rope = { .theta = 1e4 } } },
        { "llama380m",
          { .arch = CG_ARCH_LLAMA,
            .hidden = 1024,
            .n_layers = 16,
            .n_heads = 16,
            .n_kv_heads = 8,
            .head_dim = 64,
            .intermediate = 4096,
            .vocab = 128256,
            .max_positions = 8192,
            .tie_embeddings = 1,
            .norm_eps = 1e-5,
            .rope = { .theta = 5e5 } } },
        { "qwen3-0.6b",
          { .arch = CG_ARCH_QWEN3,
            .hidden = 1024,
            .n_layers = 28,
            .n_heads = 16,
            .n_kv_heads = 8,
            .head_dim = 128,
            .intermediate = 3072,
            .vocab = 151936,
            .max_positions = 40960,
            .tie_embeddings = 1,
            .qk_norm = 1,
            .norm_eps = 1e-6,
            .rope = { .theta = 1e6 } } },
        { "llama1b", /* Llama 3.2 1B */
          { .arch = CG_ARCH_LLAMA,
            .hidden = 2048,
            .n_layers = 16,
            .n_heads = 32,
            .n_kv_heads = 8,
            .head_dim = 64,
            .intermediate = 8192,
            .vocab = 128256,
            .max_positions = 8192,
            .tie_embeddings = 1,
            .norm_eps = 1e-5,
            .rope = { .theta = 5e5 } } },
        { "llama7b", /* Llama 2 7B */
          { .arch = CG_ARCH_LLAMA,
            .hidden = 4096,
            .n_layers = 32,
            .n_heads = 32,
            .n_kv_heads = 32,
            .head_dim = 128,
            .intermediate = 11008,
            .vocab = 32000,
            .max_positions = 4096,
            .norm_eps = 1e-5,
            .rope = { .theta = 1e4 } } },
        { "gpt2", /* sizes of GPT-2 in a Llama: its two matrices of 3072 are three of 2048 */
          { .arch = CG_ARCH_LLAMA,
            .hidden = 768,
            .n_layers = 12,
            .n_heads = 12,
            .n_kv_heads = 12,
            .head_dim = 64,
            .intermediate = 2048,
            .vocab = 50257,
            .max_positions = 1024,
            .tie_embeddings = 1,
            .norm_eps = 1e-5,
            .rope = { .theta = 1e4 } } },
    };

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (!strcmp(shape, shapes[i].name)) {
            *ret = shapes[i].config;
            return CG_OK;
        }
    }
    return cg_fail(err, CG_ERR_USAGE,
                   "model shape '%s' is unknown, wanted default, llama380m, qwen3-0.6b, llama1b, "
                   "llama7b or gpt2",
                   shape);
}

/* ---- confgen.json ----------------------------------------------------------------------- */

/* Copies a tag of lo to CG_MAX_TAG - 1 bytes; parsed JSON strings contain no NUL. */
static int copy_tag(const json_t *v, size_t lo, char dst[CG_MAX_TAG])
{
    size_t n = json_string_length(v);

    if (!json_is_string(v) || n < lo || n >= CG_MAX_TAG)
        return -1;
    memcpy(dst, json_string_value(v), n + 1);
    return 0;
}

static cg_status read_tags(const cg_json *o, const char *key, char open[CG_MAX_TAG],
                           char close[CG_MAX_TAG], cg_error *err)
{
    const json_t *v = cg_json_member(o, key);

    if (!v)
        return CG_OK;
    if (!json_is_array(v) || json_array_size(v) != 2 || copy_tag(json_array_get(v, 0), 1, open) ||
        copy_tag(json_array_get(v, 1), 1, close))
        return cg_json_fail_wanted(o, key, "a list of two tags of 1 to 63 bytes", err);
    return CG_OK;
}

/* "bos": a token or null, which means none. */
static cg_status read_bos(const cg_json *o, cg_format_config *f, cg_error *err)
{
    const json_t *v = json_object_get(o->node, "bos");

    f->has_bos = v != NULL;
    if (v && !json_is_null(v) && copy_tag(v, 1, f->bos))
        return cg_json_fail_wanted(o, "bos", "a token of 1 to 63 bytes, or null for none", err);
    return CG_OK;
}

/* "stop": a token or a list of them. Without "end", they settle what follows the completion. */
static cg_status read_stop(const cg_json *o, cg_format_config *f, cg_error *err)
{
    const json_t *v = cg_json_member(o, "stop");
    size_t n = json_is_array(v) ? json_array_size(v) : v != NULL;
    char wanted[96];

    snprintf(wanted, sizeof wanted, "a token of 1 to 63 bytes, or a list of 1 to %d of them",
             CG_MAX_STOP);
    if (v && (!n || n > CG_MAX_STOP))
        return cg_json_fail_wanted(o, "stop", wanted, err);
    for (size_t i = 0; i < n; i++)
        if (copy_tag(json_is_array(v) ? json_array_get(v, i) : v, 1, f->stop[i]))
            return cg_json_fail_wanted(o, "stop", wanted, err);
    f->n_stop = (int32_t)n;
    f->has_end = n > 0 || cg_json_member(o, "end");
    if (!n || cg_json_member(o, "end"))
        return CG_OK;
    memcpy(f->end, f->stop[0], sizeof f->end);
    for (size_t i = 0; i < n; i++)
        if (!strcmp(f->stop[i], f->completion_close))
            f->end[0] = '\0';
    return CG_OK;
}

static cg_status read_gpu_types(const cg_json *o, cg_format_config *f, cg_error *err)
{
    const json_t *run = cg_json_member(o, "gpu_dtype"), *kv = cg_json_member(o, "gpu_kv_dtype");

    if (run && (!json_is_string(run) ||
                cg_dtype_parse(json_string_value(run), &f->gpu_dtype, err) != CG_OK))
        return cg_json_fail_wanted(o, "gpu_dtype", "auto, bf16, f16, int8 or f32", err);
    if (kv && (!json_is_string(kv) ||
               cg_kv_dtype_parse(json_string_value(kv), &f->gpu_kv_dtype, err) != CG_OK))
        return cg_json_fail_wanted(o, "gpu_kv_dtype", "auto, f32, bf16, f16, fp8 or int8", err);
    return CG_OK;
}

static cg_status read_format(const cg_json *o, cg_format_config *f, cg_error *err)
{
    static const char *const known[] = { "format",   "decimals",  "max_integer_digits",
                                         "prompt",   "bos",       "completion",
                                         "end",      "stop",      "frame",
                                         "sampling", "gpu_dtype", "gpu_kv_dtype" };
    const char *key;
    json_t *value;

    /* The format is our own: an unknown key is a misspelling. */
    json_object_foreach((json_t *)(uintptr_t)o->node, key, value)
    {
        size_t i = 0;

        while (i < sizeof known / sizeof *known && strcmp(key, known[i]))
            i++;
        if (i == sizeof known / sizeof *known)
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: unknown key \"%.40s\", wanted format, decimals, "
                           "max_integer_digits, prompt, bos, completion, end, stop, frame, "
                           "sampling, gpu_dtype or gpu_kv_dtype",
                           o->file, key);
    }
    CG_TRY(cg_conformer_format_read(o, &f->conformer, err));
    f->has_format = cg_json_member(o, "format") || cg_json_member(o, "decimals") ||
                    cg_json_member(o, "max_integer_digits") || cg_json_member(o, "frame");
    CG_TRY(read_tags(o, "prompt", f->prompt_open, f->prompt_close, err));
    CG_TRY(read_tags(o, "completion", f->completion_open, f->completion_close, err));
    if (cg_json_member(o, "end") && copy_tag(cg_json_member(o, "end"), 0, f->end))
        return cg_json_fail_wanted(o, "end", "a string of at most 63 bytes", err);
    if (strstr(f->conformer.open, f->completion_close) ||
        strstr(f->conformer.separator, f->completion_close) ||
        strstr(f->conformer.close, f->completion_close))
        return cg_json_fail_wanted(o, "completion", "a tag that no mark of the format holds", err);
    CG_TRY(read_bos(o, f, err));
    CG_TRY(read_stop(o, f, err));
    CG_TRY(read_gpu_types(o, f, err));
    return cg_confgen_sampling_read(o, &f->sampling, err);
}

cg_status cg_format_config_parse(const char *name, const void *bytes, size_t len,
                                 cg_format_config *ret, cg_error *err)
{
    cg_format_config f = {
        .prompt_open = "[SMILES]",
        .prompt_close = "[/SMILES]",
        .completion_open = "[CONFORMER]",
        .completion_close = "[/CONFORMER]",
        .end = "<|endoftext|>",
        .gpu_dtype = CG_DTYPE_AUTO,
        .gpu_kv_dtype = CG_DTYPE_AUTO,
    };
    json_t *root = NULL;
    cg_status st = cg_conformer_format_named("molgen-v3", &f.conformer, err);

    if (st == CG_OK && bytes) {
        CG_TRY(cg_json_parse(name, bytes, len, &root, err));
        st = read_format(&(cg_json) { name, "", root }, &f, err);
        json_decref(root);
    }
    if (st == CG_OK)
        *ret = f;
    return st;
}
