/* SPDX-License-Identifier: MIT */
#include "model/tensor_specs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/size.h"
#include "model/architectures.h"

enum { OTHER_SPECS = 5 };

struct spec_list {
    cg_tensor_spec *specs;
    size_t n;
};

static cg_tensor_spec *add(struct spec_list *l, const char *prefix, const char *name,
                           cg_tensor_ref *ref, int32_t n_dims, int64_t rows, int64_t cols)
{
    cg_tensor_spec *s = &l->specs[l->n++];

    snprintf(s->name, sizeof s->name, "%s%s", prefix, name);
    s->n_dims = n_dims;
    s->rows = rows;
    s->cols = cols;
    s->n_parts = 1;
    s->parts[0] = ref;
    s->part_sizes[0] = n_dims == 1 ? cols : rows;
    s->is_norm = n_dims == 1 && strstr(name, ".bias") == NULL;
    return s;
}

/* What a role means for the features of a model. */
struct role {
    int present;
    int32_t n_dims;
    int64_t rows, cols;
    cg_tensor_ref *ref; /* NULL for q, k and v in one tensor */
};

static struct role describe_role(cg_role role, const cg_model_config *c, cg_layer_weights *w)
{
    int64_t hidden = c->hidden, intermediate = c->intermediate, d = c->head_dim;
    int64_t q = c->n_heads * d, kv = c->n_kv_heads * d;
    int layer_norm = c->norm == CG_NORM_LAYER, gated = c->mlp == CG_MLP_GATED;

    switch (role) {
    case CG_ROLE_INPUT_NORM:
        return (struct role) { 1, 1, 1, hidden, &w->input_norm };
    case CG_ROLE_INPUT_NORM_BIAS:
        return (struct role) { layer_norm, 1, 1, hidden, &w->input_norm_bias };
    case CG_ROLE_Q:
        return (struct role) { 1, 2, q, hidden, &w->q };
    case CG_ROLE_K:
        return (struct role) { 1, 2, kv, hidden, &w->k };
    case CG_ROLE_V:
        return (struct role) { 1, 2, kv, hidden, &w->v };
    case CG_ROLE_QKV:
        return (struct role) { 1, 2, q + 2 * kv, hidden, NULL };
    case CG_ROLE_Q_BIAS:
        return (struct role) { c->qkv_bias, 1, 1, q, &w->q_bias };
    case CG_ROLE_K_BIAS:
        return (struct role) { c->qkv_bias, 1, 1, kv, &w->k_bias };
    case CG_ROLE_V_BIAS:
        return (struct role) { c->qkv_bias, 1, 1, kv, &w->v_bias };
    case CG_ROLE_QKV_BIAS:
        return (struct role) { c->qkv_bias, 1, 1, q + 2 * kv, NULL };
    case CG_ROLE_Q_NORM:
        return (struct role) { c->qk_norm, 1, 1, d, &w->q_norm };
    case CG_ROLE_K_NORM:
        return (struct role) { c->qk_norm, 1, 1, d, &w->k_norm };
    case CG_ROLE_O:
        return (struct role) { 1, 2, hidden, q, &w->o };
    case CG_ROLE_O_BIAS:
        return (struct role) { c->o_bias, 1, 1, hidden, &w->o_bias };
    case CG_ROLE_POST_NORM:
        return (struct role) { 1, 1, 1, hidden, &w->post_norm };
    case CG_ROLE_POST_NORM_BIAS:
        return (struct role) { layer_norm, 1, 1, hidden, &w->post_norm_bias };
    case CG_ROLE_GATE:
        return (struct role) { gated, 2, intermediate, hidden, &w->gate };
    case CG_ROLE_GATE_BIAS:
        return (struct role) { gated && c->mlp_bias, 1, 1, intermediate, &w->gate_bias };
    case CG_ROLE_UP:
        return (struct role) { 1, 2, intermediate, hidden, &w->up };
    case CG_ROLE_UP_BIAS:
        return (struct role) { c->mlp_bias, 1, 1, intermediate, &w->up_bias };
    case CG_ROLE_DOWN:
        return (struct role) { 1, 2, hidden, intermediate, &w->down };
    case CG_ROLE_DOWN_BIAS:
        return (struct role) { c->mlp_bias, 1, 1, hidden, &w->down_bias };
    }
    return (struct role) { 0 };
}

/* Makes q, k and v the parts of a tensor. */
static void split_qkv(cg_tensor_spec *s, const cg_model_config *c, cg_layer_weights *w)
{
    cg_tensor_ref *weights[] = { &w->q, &w->k, &w->v };
    cg_tensor_ref *biases[] = { &w->q_bias, &w->k_bias, &w->v_bias };
    int64_t q = (int64_t)c->n_heads * c->head_dim, kv = (int64_t)c->n_kv_heads * c->head_dim;

    s->n_parts = 3;
    for (int i = 0; i < 3; i++) {
        s->parts[i] = s->n_dims == 1 ? biases[i] : weights[i];
        s->part_sizes[i] = i ? kv : q;
    }
}

static void add_layer(struct spec_list *l, const cg_architecture *arch, const cg_model_config *c,
                      int32_t i, cg_layer_weights *w)
{
    char prefix[48];

    snprintf(prefix, sizeof prefix, "%s%s.%d.", arch->prefix, arch->layer, i);
    for (size_t t = 0; t < arch->n_tensors; t++) {
        const cg_tensor_name *name = &arch->tensors[t];
        struct role r = describe_role(name->role, c, w);
        cg_tensor_spec *s;

        if (!r.present)
            continue;
        s = add(l, prefix, name->name, r.ref, r.n_dims, r.rows, r.cols);
        s->stored = name->stored;
        if (s->stored == CG_STORED_TRANSPOSED) {
            s->rows = r.cols;
            s->cols = r.rows;
        }
        if (!r.ref)
            split_qkv(s, c, w);
    }
}

cg_status cg_tensor_specs_create(cg_model *m, cg_tensor_spec **ret_specs, size_t *ret_n,
                                 cg_error *err)
{
    const cg_model_config *c = &m->config;
    const cg_architecture *arch = cg_architecture_of(c->arch);
    size_t n_layers = (size_t)c->n_layers; /* <= CG_MAX_LAYERS */
    struct spec_list l = { calloc(n_layers * arch->n_tensors + OTHER_SPECS, sizeof *l.specs), 0 };

    m->layers = calloc(n_layers, sizeof *m->layers);
    if (!l.specs || !m->layers) {
        free(l.specs);
        return cg_fail_nomem(err, "model");
    }
    add(&l, arch->prefix, arch->embed, &m->embed, 2, c->vocab, c->hidden);
    if (c->learned_positions)
        add(&l, arch->prefix, arch->positions, &m->positions, 2, c->max_positions, c->hidden);
    for (int32_t i = 0; i < c->n_layers; i++)
        add_layer(&l, arch, c, i, &m->layers[i]);
    add(&l, arch->prefix, arch->final_norm, &m->final_norm, 1, 1, c->hidden);
    if (c->norm == CG_NORM_LAYER)
        add(&l, arch->prefix, arch->final_norm_bias, &m->final_norm_bias, 1, 1, c->hidden);
    if (!c->tie_embeddings)
        add(&l, "", arch->head, &m->head, 2, c->vocab, c->hidden);
    *ret_specs = l.specs;
    *ret_n = l.n;
    return CG_OK;
}

static int compare_key(const void *key, const void *spec)
{
    return strcmp(key, (*(cg_tensor_spec *const *)spec)->name);
}

size_t cg_tensor_spec_find(cg_tensor_spec *const *by_name, size_t n, const char *name)
{
    cg_tensor_spec *const *s = bsearch(name, by_name, n, sizeof *by_name, compare_key);

    return s ? (size_t)(s - by_name) : n;
}

/* Adds what confgen.json says of the prompt's first token and of stop tokens, which are
 * zero-padded. Files without these keys keep their fingerprint. */
static uint64_t hash_ends(uint64_t hash, const cg_format_config *f)
{
    if (f->has_bos)
        hash = XXH3_64bits_withSeed(f->bos, sizeof f->bos, hash);
    return f->n_stop ? XXH3_64bits_withSeed(f->stop, (size_t)f->n_stop * sizeof f->stop[0], hash)
                     : hash;
}

/* ---- one tensor ------------------------------------------------------------------------- */

/* dst [rows, cols] of src [cols, rows]; elements of `size` bytes. */
static void transpose(const char *src, int64_t rows, int64_t cols, size_t size, char *dst)
{
    for (int64_t c = 0; c < cols; c++)
        for (int64_t r = 0; r < rows; r++, src += size)
            memcpy(dst + (size_t)(r * cols + c) * size, src, size);
}

/*
 * Row (part, head, i) of dst is row (head, part, source of i) of src: parts are q, k and v, heads
 * of head_dim rows of `bytes`. As many key heads as query heads.
 */
static void group_by_part(const char *src, const cg_model_config *c, size_t bytes, char *dst)
{
    int64_t d = c->head_dim;

    for (int64_t part = 0; part < 3; part++)
        for (int64_t head = 0; head < c->n_heads; head++)
            for (int64_t i = 0; i < d; i++, dst += bytes) {
                int64_t from = part < 2 ? cg_rope_source(c, (int32_t)i) : i;

                memcpy(dst, src + (size_t)((head * 3 + part) * d + from) * bytes, bytes);
            }
}

cg_status cg_tensor_spec_reorder(cg_tensor_spec *s, const cg_model_config *c, cg_error *err)
{
    cg_tensor_ref *t = &s->whole;
    size_t size = cg_dtype_size(t->dtype), bytes = (size_t)cg_weight_bytes(t);
    char *data = (char *)(uintptr_t)t->data, *copy; /* the memory is the model's own */

    if (s->stored == CG_STORED_PLAIN)
        return CG_OK;
    copy = malloc(bytes);
    if (!copy)
        return cg_fail_nomem(err, s->name);
    memcpy(copy, data, bytes);
    if (s->stored == CG_STORED_TRANSPOSED) {
        *t = (cg_tensor_ref) { data, s->cols, s->rows, t->dtype };
        transpose(copy, t->rows, t->cols, size, data);
    } else {
        group_by_part(copy, c, s->n_dims == 1 ? size : (size_t)s->cols * size, data);
    }
    free(copy);
    return CG_OK;
}

/* ---- completion ------------------------------------------------------------------------- */

/* Points the members of the model to their parts of a tensor. */
static void set_members(const cg_tensor_spec *s)
{
    const char *at = s->whole.data;

    for (int32_t i = 0; i < s->n_parts; i++) {
        int is_vector = s->n_dims == 1;
        int64_t size = s->part_sizes[i];

        *s->parts[i] = (cg_tensor_ref) { at, is_vector ? 1 : size, is_vector ? size : s->whole.cols,
                                         s->whole.dtype };
        at += cg_weight_bytes(s->parts[i]);
    }
}

/* Hashes the features that models of other architectures than Llama, Qwen2 and Qwen3 can have. A
 * model without them keeps the fingerprint that earlier releases gave it. */
static uint64_t hash_features(const cg_model_config *c, uint64_t hash)
{
    const cg_rope_config *r = &c->rope;
    int32_t rotary_dim = c->rotary_dim ? c->rotary_dim : c->head_dim;
    char text[512];

    snprintf(text, sizeof text,
             "%d %d %d %d %d %d %d rotary %d window %d rope %.17g %.17g %.17g %d", c->o_bias,
             c->mlp_bias, c->norm, c->mlp, c->activation, c->parallel_residual,
             c->learned_positions, rotary_dim - c->head_dim, c->window, r->beta_fast, r->beta_slow,
             r->attention_factor, r->no_truncate);
    if (!strcmp(text, "0 0 0 0 0 0 0 rotary 0 window 0 rope 0 0 0 0") &&
        !memchr(c->layer_flags, CG_LAYER_NO_ROPE, (size_t)c->n_layers))
        return hash;
    hash ^= XXH3_64bits(text, strlen(text));
    return hash ^ XXH3_64bits_withSeed(c->layer_flags, (size_t)c->n_layers, 1);
}

void cg_model_complete(cg_model *m, const cg_tensor_spec *specs, size_t n)
{
    const cg_model_config *c = &m->config;
    const cg_format_config *f = &m->format;
    char text[2048], conformer[512];
    uint64_t hash;

    for (size_t i = 0; i < n; i++)
        set_members(&specs[i]);
    if (c->tie_embeddings)
        m->head = m->embed;
    cg_conformer_format_text(&f->conformer, conformer, sizeof conformer);
    /* Field by field: padding bytes of the structs are undefined. */
    snprintf(text, sizeof text,
             "%s %d %d %d %d %d %d %d %d tied %d bias %d norm %d %.17g "
             "rope %d %.17g %.17g %.17g %.17g %.17g "
             "format %s '%s' '%s' '%s' '%s' '%s'",
             cg_arch_name(c->arch), c->hidden, c->n_layers, c->n_heads, c->n_kv_heads, c->head_dim,
             c->intermediate, c->vocab, c->max_positions, c->tie_embeddings, c->qkv_bias,
             c->qk_norm, c->norm_eps, c->rope.kind, c->rope.theta, c->rope.factor,
             c->rope.low_freq_factor, c->rope.high_freq_factor, c->rope.original_max_positions,
             conformer, f->prompt_open, f->prompt_close, f->completion_open, f->completion_close,
             f->end);
    hash = hash_features(c, hash_ends(XXH3_64bits(text, strlen(text)), f));
    for (size_t i = 0; i < n; i++) {
        uint64_t mix[3] = { hash, (uint64_t)specs[i].whole.dtype, specs[i].hash };

        hash = XXH3_64bits(mix, sizeof mix);
    }
    m->fingerprint = hash;
}
