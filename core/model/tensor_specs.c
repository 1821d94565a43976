/* SPDX-License-Identifier: MIT */
#include "model/tensor_specs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/size.h"

enum { MAX_LAYER_SPECS = 14, OTHER_SPECS = 3 };

struct spec_list {
    cg_tensor_spec *specs;
    size_t n;
};

static void add(struct spec_list *l, cg_tensor_ref *ref, int32_t n_dims, int64_t rows, int64_t cols,
                const char *name)
{
    cg_tensor_spec *s = &l->specs[l->n++];

    snprintf(s->name, sizeof s->name, "%s", name);
    s->ref = ref;
    s->n_dims = n_dims;
    s->rows = rows;
    s->cols = cols;
    s->is_norm = strstr(name, "norm.weight") != NULL;
}

static void add_layer(struct spec_list *l, const cg_model_config *c, int32_t i, cg_layer_weights *w)
{
    int64_t hidden = c->hidden, intermediate = c->intermediate, d = c->head_dim;
    int64_t q = c->n_heads * d, kv = c->n_kv_heads * d;
    const struct {
        cg_tensor_ref *ref;
        const char *part;
        int32_t present, n_dims;
        int64_t rows, cols;
    } parts[MAX_LAYER_SPECS] = {
        { &w->input_norm, "input_layernorm.weight", 1, 1, 1, hidden },
        { &w->q, "self_attn.q_proj.weight", 1, 2, q, hidden },
        { &w->k, "self_attn.k_proj.weight", 1, 2, kv, hidden },
        { &w->v, "self_attn.v_proj.weight", 1, 2, kv, hidden },
        { &w->q_bias, "self_attn.q_proj.bias", c->qkv_bias, 1, 1, q },
        { &w->k_bias, "self_attn.k_proj.bias", c->qkv_bias, 1, 1, kv },
        { &w->v_bias, "self_attn.v_proj.bias", c->qkv_bias, 1, 1, kv },
        { &w->q_norm, "self_attn.q_norm.weight", c->qk_norm, 1, 1, d },
        { &w->k_norm, "self_attn.k_norm.weight", c->qk_norm, 1, 1, d },
        { &w->o, "self_attn.o_proj.weight", 1, 2, hidden, q },
        { &w->post_norm, "post_attention_layernorm.weight", 1, 1, 1, hidden },
        { &w->gate, "mlp.gate_proj.weight", 1, 2, intermediate, hidden },
        { &w->up, "mlp.up_proj.weight", 1, 2, intermediate, hidden },
        { &w->down, "mlp.down_proj.weight", 1, 2, hidden, intermediate },
    };

    for (int p = 0; p < MAX_LAYER_SPECS; p++) {
        char name[64];

        if (!parts[p].present)
            continue;
        snprintf(name, sizeof name, "model.layers.%d.%s", i, parts[p].part);
        add(l, parts[p].ref, parts[p].n_dims, parts[p].rows, parts[p].cols, name);
    }
}

cg_status cg_tensor_specs_create(cg_model *m, cg_tensor_spec **ret_specs, size_t *ret_n,
                                 cg_error *err)
{
    const cg_model_config *c = &m->config;
    size_t n_layers = (size_t)c->n_layers; /* <= CG_MAX_LAYERS */
    struct spec_list l = { calloc(n_layers * MAX_LAYER_SPECS + OTHER_SPECS, sizeof *l.specs), 0 };

    m->layers = calloc(n_layers, sizeof *m->layers);
    if (!l.specs || !m->layers) {
        free(l.specs);
        return cg_fail_nomem(err, "model");
    }
    add(&l, &m->embed, 2, c->vocab, c->hidden, "model.embed_tokens.weight");
    for (int32_t i = 0; i < c->n_layers; i++)
        add_layer(&l, c, i, &m->layers[i]);
    add(&l, &m->final_norm, 1, 1, c->hidden, "model.norm.weight");
    if (!c->tie_embeddings)
        add(&l, &m->head, 2, c->vocab, c->hidden, "lm_head.weight");
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

void cg_model_complete(cg_model *m, const cg_tensor_spec *specs, size_t n)
{
    const cg_model_config *c = &m->config;
    const cg_format_config *f = &m->format;
    char text[2048], conformer[512];
    uint64_t hash;

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
             c->qk_norm, c->rms_eps, c->rope.kind, c->rope.theta, c->rope.factor,
             c->rope.low_freq_factor, c->rope.high_freq_factor, c->rope.original_max_positions,
             conformer, f->prompt_open, f->prompt_close, f->completion_open, f->completion_close,
             f->end);
    hash = hash_ends(XXH3_64bits(text, strlen(text)), f);
    for (size_t i = 0; i < n; i++) {
        uint64_t mix[3] = { hash, (uint64_t)specs[i].ref->dtype, specs[i].hash };

        hash = XXH3_64bits(mix, sizeof mix);
    }
    m->fingerprint = hash;
}
