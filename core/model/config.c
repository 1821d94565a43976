/* SPDX-License-Identifier: MIT */
#include "model/config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"

static const struct {
    const char *name, *model_type; /* in config.json */
    int32_t arch;
} archs[] = {
    { "LlamaForCausalLM", "llama", CG_ARCH_LLAMA },
    { "Qwen2ForCausalLM", "qwen2", CG_ARCH_QWEN2 },
    { "Qwen3ForCausalLM", "qwen3", CG_ARCH_QWEN3 },
};

enum { N_ARCHS = sizeof archs / sizeof *archs };

const char *cg_arch_name(int32_t arch)
{
    for (int i = 0; i < N_ARCHS; i++)
        if (archs[i].arch == arch)
            return archs[i].name;
    return "unknown architecture";
}

/* ---- config.json ------------------------------------------------------------------------ */

/* Fails as cg_json_fail_wanted(), with CG_ERR_UNSUPPORTED. */
static cg_status unsupported(const cg_json *o, const char *key, const char *wanted, cg_error *err)
{
    cg_json_fail_wanted(o, key, wanted, err);
    if (err)
        err->code = CG_ERR_UNSUPPORTED;
    return CG_ERR_UNSUPPORTED;
}

static cg_status get_i32(const cg_json *o, const char *key, int required, int64_t lo, int64_t hi,
                         int32_t *ret, cg_error *err)
{
    int64_t v = *ret;

    CG_TRY(cg_json_int(o, key, required, lo, hi, &v, err));
    *ret = (int32_t)v;
    return CG_OK;
}

/* Checks that a switch is off or absent. */
static cg_status check_false(const cg_json *o, const char *key, cg_error *err)
{
    int on = 0;

    CG_TRY(cg_json_bool(o, key, CG_JSON_OPTIONAL, &on, err));
    return on ? unsupported(o, key, "false: this is not supported", err) : CG_OK;
}

/*
 * Takes the architecture from `architectures` or, where that is missing, from `model_type`.
 * Programs of transformers go by one or the other, so the two must agree.
 */
static cg_status read_arch(const cg_json *o, int32_t *ret_arch, cg_error *err)
{
    const json_t *list = cg_json_member(o, "architectures");
    const char *name = json_string_value(json_array_get(list, 0)), *type = NULL;
    int i = 0;

    CG_TRY(cg_json_string(o, "model_type", CG_JSON_OPTIONAL, &type, err));
    if ((list && !json_is_array(list)) || json_array_size(list) > 1 ||
        (!name && (json_array_size(list) || !type)))
        return cg_json_fail_wanted(o, "architectures", "a list of one name", err);
    while (i < N_ARCHS && (name ? strcmp(name, archs[i].name) : strcmp(type, archs[i].model_type)))
        i++;
    if (i == N_ARCHS)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "%s: %s: found \"%.60s\", wanted LlamaForCausalLM, Qwen2ForCausalLM or "
                       "Qwen3ForCausalLM",
                       o->file, name ? "architectures" : "model_type", name ? name : type);
    if (type && strcmp(type, archs[i].model_type))
        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: model_type: found \"%.60s\", wanted \"%s\" by architectures (%s): "
                       "transformers would run another network than confgen",
                       o->file, type, archs[i].model_type, name);
    *ret_arch = archs[i].arch;
    return CG_OK;
}

/* "default" or "llama3"; older files name the key "type" instead of "rope_type". */
static cg_status read_rope_kind(const cg_json *o, cg_rope_config *rope, cg_error *err)
{
    const char *key = cg_json_member(o, "rope_type") ? "rope_type" : "type";
    const char *kind = "default";

    CG_TRY(cg_json_string(o, key, CG_JSON_OPTIONAL, &kind, err));
    if (!strcmp(kind, "default")) {
        rope->kind = CG_ROPE_DEFAULT;
        return CG_OK;
    }
    if (strcmp(kind, "llama3"))
        return unsupported(o, key, "\"default\" or \"llama3\"", err);
    rope->kind = CG_ROPE_LLAMA3;
    CG_TRY(cg_json_real(o, "factor", CG_JSON_REQUIRED, 1, 1e6, &rope->factor, err));
    CG_TRY(cg_json_real(o, "low_freq_factor", CG_JSON_REQUIRED, 1e-6, 1e6, &rope->low_freq_factor,
                        err));
    CG_TRY(cg_json_real(o, "high_freq_factor", CG_JSON_REQUIRED, 1e-6, 1e6, &rope->high_freq_factor,
                        err));
    CG_TRY(cg_json_real(o, "original_max_position_embeddings", CG_JSON_REQUIRED, 1,
                        CG_MAX_POSITIONS, &rope->original_max_positions, err));
    if (rope->high_freq_factor <= rope->low_freq_factor)
        return cg_json_fail_wanted(o, "high_freq_factor", "more than low_freq_factor", err);
    return CG_OK;
}

static int same_rope(const cg_rope_config *a, const cg_rope_config *b)
{
    return a->kind == b->kind && a->theta == b->theta && a->factor == b->factor &&
           a->low_freq_factor == b->low_freq_factor && a->high_freq_factor == b->high_freq_factor &&
           a->original_max_positions == b->original_max_positions;
}

/* Reads the rotary settings of the object `key`, which may state rope_theta too. */
static cg_status read_rope_object(const cg_json *o, const char *key, cg_rope_config *rope,
                                  cg_error *err)
{
    const json_t *node = cg_json_member(o, key);
    cg_json sub = { o->file, key, node };

    if (!json_is_object(node))
        return cg_json_fail_wanted(o, key, "an object", err);
    if (json_is_object(json_object_get(node, "full_attention")))
        return unsupported(&sub, "full_attention", "one setting for all layers", err);
    CG_TRY(cg_json_real(&sub, "rope_theta", CG_JSON_OPTIONAL, 1, 1e12, &rope->theta, err));
    return read_rope_kind(&sub, rope, err);
}

/*
 * rope_theta and rope_scaling at the top level, or rope_parameters (transformers >= 5). What a file
 * states twice must be equal: versions of transformers differ in which of the two they take.
 */
static cg_status read_rope(const cg_json *o, cg_rope_config *rope, cg_error *err)
{
    static const char *const keys[] = { "rope_parameters", "rope_scaling" };
    cg_rope_config top = { .theta = 10000.0 };
    const char *found = NULL;

    CG_TRY(cg_json_real(o, "rope_theta", CG_JSON_OPTIONAL, 1, 1e12, &top.theta, err));
    *rope = top;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *node = cg_json_member(o, keys[i]);
        cg_rope_config r = top;

        if (!node || (json_is_object(node) && !json_object_size(node)))
            continue;
        CG_TRY(read_rope_object(o, keys[i], &r, err));
        if (cg_json_member(o, "rope_theta") && r.theta != top.theta)
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: rope_theta: found %.17g, but %s.rope_theta is %.17g: wanted equal "
                           "values or one of them",
                           o->file, top.theta, keys[i], r.theta);
        if (found && !same_rope(&r, rope))
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: %s and %s: found different settings, wanted equal ones or one of "
                           "them",
                           o->file, found, keys[i]);
        *rope = r;
        found = keys[i];
    }
    return CG_OK;
}

/* Sliding windows are a Qwen setting; a file may specify one without using it. */
static cg_status check_windows(const cg_json *o, const cg_model_config *c, cg_error *err)
{
    const json_t *types = cg_json_member(o, "layer_types");
    int use = 0;
    int64_t window = 0, first = 0;

    if (types && !json_is_array(types))
        return cg_json_fail_wanted(o, "layer_types", "a list", err);
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *t = json_string_value(json_array_get(types, i));

        if (!t || strcmp(t, "full_attention"))
            return cg_fail(err, CG_ERR_UNSUPPORTED,
                           "%s: layer_types: found \"%.40s\" for layer %zu, wanted "
                           "\"full_attention\" for all",
                           o->file, t ? t : "?", i);
    }
    CG_TRY(cg_json_bool(o, "use_sliding_window", CG_JSON_OPTIONAL, &use, err));
    CG_TRY(cg_json_int(o, "sliding_window", CG_JSON_OPTIONAL, 0, INT32_MAX, &window, err));
    CG_TRY(cg_json_int(o, "max_window_layers", CG_JSON_OPTIONAL, 0, INT32_MAX, &first, err));
    /* Only layers from max_window_layers on have the window; one as wide as the context is
     * inactive. */
    if (use && window && window < c->max_positions && first < c->n_layers)
        return unsupported(o, "sliding_window", "no sliding window: it is not supported", err);
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
static cg_status check_unsupported(const cg_json *o, const cg_model_config *c, cg_error *err)
{
    const char *act = "silu";
    double partial = 1.0;
    int causal = 1;

    CG_TRY(cg_json_bool(o, "is_causal", CG_JSON_OPTIONAL, &causal, err));
    if (!causal)
        return unsupported(o, "is_causal", "true: confgen's attention is causal", err);
    CG_TRY(cg_json_string(o, "hidden_act", CG_JSON_OPTIONAL, &act, err));
    if (strcmp(act, "silu"))
        return unsupported(o, "hidden_act", "\"silu\"", err);
    CG_TRY(check_not_quantised(o, err));
    CG_TRY(cg_json_real(o, "partial_rotary_factor", CG_JSON_OPTIONAL, 0, 1, &partial, err));
    if (partial != 1.0)
        return unsupported(o, "partial_rotary_factor", "1", err);
    /* Qwen2 always has q, k and v biases and never an output bias, whatever the file specifies. */
    if (c->arch != CG_ARCH_QWEN2)
        CG_TRY(check_false(o, "attention_bias", err));
    CG_TRY(check_false(o, "mlp_bias", err));
    return check_windows(o, c, err);
}

static cg_status read_config(const cg_json *o, cg_model_config *c, cg_error *err)
{
    const struct {
        const char *key;
        int64_t max;
        int32_t *ret;
    } required[] = {
        { "hidden_size", CG_MAX_HIDDEN, &c->hidden },
        { "intermediate_size", CG_MAX_INTERMEDIATE, &c->intermediate },
        { "num_hidden_layers", CG_MAX_LAYERS, &c->n_layers },
        { "num_attention_heads", CG_MAX_HEADS, &c->n_heads },
        { "vocab_size", CG_MAX_VOCAB, &c->vocab },
        { "max_position_embeddings", CG_MAX_POSITIONS, &c->max_positions },
    };

    CG_TRY(read_arch(o, &c->arch, err));
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        CG_TRY(get_i32(o, required[i].key, CG_JSON_REQUIRED, 1, required[i].max, required[i].ret,
                       err));

    /* The Qwen classes of transformers default to 32 key/value heads and, Qwen3, to heads of 128.
     * No file is known to rely on these defaults, but some have lost a key: the keys are required.
     */
    c->n_kv_heads = c->n_heads;
    CG_TRY(get_i32(o, "num_key_value_heads", c->arch != CG_ARCH_LLAMA, 1, CG_MAX_HEADS,
                   &c->n_kv_heads, err));
    if (c->n_heads % c->n_kv_heads)
        return cg_json_fail_wanted(o, "num_key_value_heads", "a divisor of num_attention_heads",
                                   err);
    if (!cg_json_member(o, "head_dim") && c->arch != CG_ARCH_QWEN3) {
        if (c->hidden % c->n_heads)
            return cg_json_fail_wanted(o, "num_attention_heads",
                                       "a divisor of hidden_size, or head_dim stated", err);
        c->head_dim = c->hidden / c->n_heads;
    }
    CG_TRY(get_i32(o, "head_dim", c->arch == CG_ARCH_QWEN3, 2, CG_MAX_HEAD_DIM, &c->head_dim, err));
    if (c->head_dim % 2 || c->head_dim > CG_MAX_HEAD_DIM)
        return cg_fail(err, CG_ERR_UNSUPPORTED,
                       "%s: head_dim: found %d, wanted an even number up to %d", o->file,
                       c->head_dim, CG_MAX_HEAD_DIM);

    c->rms_eps = 1e-6;
    c->qkv_bias = c->arch == CG_ARCH_QWEN2;
    c->qk_norm = c->arch == CG_ARCH_QWEN3;
    CG_TRY(cg_json_real(o, "rms_norm_eps", CG_JSON_OPTIONAL, 1e-12, 1e-1, &c->rms_eps, err));
    CG_TRY(cg_json_bool(o, "tie_word_embeddings", CG_JSON_OPTIONAL, &c->tie_embeddings, err));
    CG_TRY(read_rope(o, &c->rope, err));
    return check_unsupported(o, c, err);
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
            .rms_eps = 1e-6,
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
            .rms_eps = 1e-5,
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
            .rms_eps = 1e-6,
            .rope = { .theta = 1e6 } } },
    };

    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (!strcmp(shape, shapes[i].name)) {
            *ret = shapes[i].config;
            return CG_OK;
        }
    }
    return cg_fail(err, CG_ERR_USAGE,
                   "model shape '%s' is unknown, wanted default, llama380m or qwen3-0.6b", shape);
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

static cg_status read_format(const cg_json *o, cg_format_config *f, cg_error *err)
{
    static const char *const known[] = { "format",  "decimals", "max_integer_digits",
                                         "prompt",  "bos",      "completion",
                                         "end",     "stop",     "frame",
                                         "sampling" };
    const char *key;
    json_t *value;

    /* The format is our own: an unknown key is a misspelling. */
    json_object_foreach((json_t *)(uintptr_t)o->node, key, value)
    {
        size_t i = 0;

        while (i < sizeof known / sizeof *known && strcmp(key, known[i]))
            i++;
        if (i == sizeof known / sizeof *known)
            return cg_fail(
                err, CG_ERR_FORMAT,
                "%s: unknown key \"%.40s\", wanted format, decimals, "
                "max_integer_digits, prompt, bos, completion, end, stop, frame or sampling",
                o->file, key);
    }
    CG_TRY(cg_conformer_format_read(o, &f->conformer, err));
    CG_TRY(read_tags(o, "prompt", f->prompt_open, f->prompt_close, err));
    CG_TRY(read_tags(o, "completion", f->completion_open, f->completion_close, err));
    if (cg_json_member(o, "end") && copy_tag(cg_json_member(o, "end"), 0, f->end))
        return cg_json_fail_wanted(o, "end", "a string of at most 63 bytes", err);
    CG_TRY(read_bos(o, f, err));
    CG_TRY(read_stop(o, f, err));
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

/* ---- rotary frequencies ----------------------------------------------------------------- */

void cg_rope_inv_freq(const cg_model_config *c, float *ret_inv_freq)
{
    const cg_rope_config *r = &c->rope;
    const double two_pi = 6.283185307179586;

    for (int32_t i = 0; i < c->head_dim / 2; i++) {
        float exponent = (float)(2 * i) / (float)c->head_dim;
        float freq = 1.0f / (float)pow(r->theta, exponent);

        if (r->kind == CG_ROPE_LLAMA3) {
            /* Frequencies with few wavelengths in the original context are divided by `factor`,
             * those with many are kept, those in between are interpolated. */
            double wavelength = two_pi / freq;
            double waves = r->original_max_positions / wavelength;

            if (waves < r->low_freq_factor) {
                freq = freq / (float)r->factor;
            } else if (waves <= r->high_freq_factor) {
                float keep = (float)((waves - r->low_freq_factor) /
                                     (r->high_freq_factor - r->low_freq_factor));

                freq = (1.0f - keep) * freq / (float)r->factor + keep * freq;
            }
        }
        ret_inv_freq[i] = freq;
    }
}
