/* SPDX-License-Identifier: MIT */
#include "fsq/fsq_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/error.h"
#include "base/file.h"
#include "base/size.h"
#include "fsq/fsq_config_file.h"
#include "model/safetensors.h"

enum {
    MAX_CONFIG_BYTES = 1 << 20,
    MORE_BYTES = 256 << 10, /* of a file besides its tensors and the largest header */
    LAYER_TENSORS = 6,
    OTHER_TENSORS = 6,
};

/* An expected tensor. */
struct spec {
    char name[64];
    int32_t n_dims; /* 1 or 2 */
    int64_t rows, cols;
    cg_tensor_ref *ref; /* member of the model; data NULL until found */
};

/* The first is written to *s. Sizes are those of config.json. */
static void add(struct spec **s, const char *name, int32_t n_dims, int64_t rows, int64_t cols,
                cg_tensor_ref *ref)
{
    snprintf((*s)->name, sizeof(*s)->name, "%s", name);
    (*s)->n_dims = n_dims;
    (*s)->rows = rows;
    (*s)->cols = cols;
    (*s)->ref = ref;
    (*s)++;
}

static void add_layer(struct spec **s, const cg_fsq_config *c, int32_t i, cg_fsq_layer *l)
{
    int64_t hidden = c->hidden;
    const struct {
        const char *part;
        int32_t n_dims;
        int64_t rows, cols;
        cg_tensor_ref *ref;
    } parts[LAYER_TENSORS] = {
        { "norm1.weight", 1, 1, hidden, &l->norm1 },
        { "self_attn.in_proj_weight", 2, 3 * hidden, hidden, &l->qkv },
        { "self_attn.out_proj.weight", 2, hidden, hidden, &l->o },
        { "norm2.weight", 1, 1, hidden, &l->norm2 },
        { "linear1.weight", 2, c->intermediate, hidden, &l->up },
        { "linear2.weight", 2, hidden, c->intermediate, &l->down },
    };

    for (int p = 0; p < LAYER_TENSORS; p++) {
        char name[64];

        snprintf(name, sizeof name, "dec.layers.%d.%s", i, parts[p].part);
        add(s, name, parts[p].n_dims, parts[p].rows, parts[p].cols, parts[p].ref);
    }
}

/* Lists the tensors that the settings require, in the order of the network. */
static cg_status make_specs(cg_fsq_model *m, struct spec **ret_specs, size_t *ret_n, cg_error *err)
{
    const cg_fsq_config *c = &m->config;
    size_t n = (size_t)c->n_layers * LAYER_TENSORS + OTHER_TENSORS;
    struct spec *specs = calloc(n, sizeof *specs), *s = specs;

    m->layers = calloc((size_t)c->n_layers, sizeof *m->layers);
    if (!specs || !m->layers) {
        free(specs);
        return cg_fail_nomem(err, "FSQ decoder");
    }
    add(&s, "post_q.0.weight", 2, c->input_hidden, c->n_tokens + c->n_digits, &m->in);
    add(&s, "post_q.0.bias", 1, 1, c->input_hidden, &m->in_bias);
    add(&s, "post_q.2.weight", 2, c->hidden, c->input_hidden, &m->mid);
    add(&s, "post_q.2.bias", 1, 1, c->hidden, &m->mid_bias);
    for (int32_t i = 0; i < c->n_layers; i++)
        add_layer(&s, c, i, &m->layers[i]);
    add(&s, "out.weight", 2, 3, c->hidden, &m->out);
    add(&s, "out.bias", 1, 1, 3, &m->out_bias);
    *ret_specs = specs;
    *ret_n = n;
    return CG_OK;
}

/* Bound of the file: a header and all tensors in float32. Sizes are bounded by the settings. */
static size_t max_file_bytes(const struct spec *specs, size_t n)
{
    size_t sum = CG_ST_MAX_HEADER + MORE_BYTES;

    for (size_t i = 0; i < n; i++)
        sum += (size_t)(specs[i].rows * specs[i].cols) * sizeof(float);
    return sum;
}

static cg_status bind(const char *path, const cg_fsq_model *m, const cg_st_tensor *t,
                      struct spec *s, cg_error *err)
{
    if (t->dtype == CG_ST_OTHER)
        return cg_fail(err, CG_ERR_UNSUPPORTED, "%s: tensor %s: wanted weights in BF16, F16 or F32",
                       path, s->name);
    if (t->n_dims != s->n_dims || t->shape[t->n_dims - 1] != s->cols ||
        (s->n_dims == 2 && t->shape[0] != s->rows)) {
        const int64_t shape[2] = { s->rows, s->cols };
        char found[CG_ST_SHAPE_TEXT], wanted[CG_ST_SHAPE_TEXT];

        return cg_fail(err, CG_ERR_FORMAT,
                       "%s: tensor %s: found shape %s, wanted %s by config.json", path, s->name,
                       cg_st_shape_text(t->n_dims, t->shape, found),
                       cg_st_shape_text(s->n_dims, shape + 2 - s->n_dims, wanted));
    }
    s->ref->data = m->file->data + t->begin;
    s->ref->dtype = t->dtype;
    s->ref->rows = s->rows;
    s->ref->cols = s->cols;
    return CG_OK;
}

/* Binds each tensor of the file to its member of the model. Names in a header are unique. */
static cg_status bind_all(const char *path, const cg_fsq_model *m, struct spec *specs, size_t n,
                          cg_error *err)
{
    const cg_st_table *table = &m->file->table;

    for (size_t t = 0; t < table->n; t++) {
        size_t i = 0;

        while (i < n && strcmp(specs[i].name, table->tensors[t].name))
            i++;
        if (i == n)
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: tensor %.80s is none of the decoder that config.json describes: "
                           "wanted a file of tools/convert_fsq_decoder.py",
                           path, table->tensors[t].name);
        CG_TRY(bind(path, m, &table->tensors[t], &specs[i], err));
    }
    for (size_t i = 0; i < n; i++)
        if (!specs[i].ref->data)
            return cg_fail(err, CG_ERR_FORMAT, "%s: tensor %s is missing", path, specs[i].name);
    return CG_OK;
}

/* Checks that all weights are finite and computes the fingerprint. */
static cg_status check_values(const char *path, cg_fsq_model *m, const struct spec *specs, size_t n,
                              cg_error *err)
{
    const cg_fsq_config *c = &m->config;
    uint64_t hash = XXH3_64bits(c->levels, (size_t)c->n_digits * sizeof c->levels[0]);

    hash ^= XXH3_64bits(&c->eps, sizeof c->eps);
    for (int32_t i = 0; i < c->n_tokens; i++)
        hash = XXH3_64bits_withSeed(m->tokens[i], strlen(m->tokens[i]), hash);
    for (size_t i = 0; i < n; i++) {
        const cg_tensor_ref *ref = specs[i].ref;
        int64_t bad = cg_weight_find_nonfinite(ref);

        if (bad >= 0)
            return cg_fail(err, CG_ERR_FORMAT,
                           "%s: tensor %s: element %jd of %jd is NaN or infinite, wanted finite "
                           "weights",
                           path, specs[i].name, (intmax_t)bad, (intmax_t)(ref->rows * ref->cols));
        hash = XXH3_64bits_withSeed(ref->data, (size_t)cg_weight_bytes(ref), hash + ref->dtype);
    }
    m->fingerprint = hash;
    return CG_OK;
}

/* Element i of tensor t, uniform in [-1, 1): murmur3's finaliser. */
static float noise(uint32_t t, uint32_t i)
{
    uint32_t x = i * 0x9e3779b9u + t * 0x85ebca6bu + 1;

    x = (x ^ x >> 16) * 0x85ebca6bu;
    x = (x ^ x >> 13) * 0xc2b2ae35u;
    return (float)(int32_t)(x ^ x >> 16) * 0x1p-31f;
}

/* Fills norms with ones, matrices so that they keep the size of their input, biases with zeros. */
static cg_status fill_random(cg_fsq_model *m, const struct spec *specs, size_t n, cg_error *err)
{
    size_t at = 0, total = 0;

    for (size_t i = 0; i < n; i++)
        total += (size_t)(specs[i].rows * specs[i].cols);
    m->heap = cg_alloc_array(total, sizeof *m->heap);
    if (!m->heap)
        return cg_fail_nomem(err, "FSQ decoder");
    for (size_t i = 0; i < n; i++) {
        size_t elements = (size_t)(specs[i].rows * specs[i].cols);
        float scale = specs[i].n_dims == 2 ? sqrtf(3.0f / (float)specs[i].cols) : 0;
        float base = strstr(specs[i].name, "norm") ? 1 : 0;

        for (size_t j = 0; j < elements; j++)
            m->heap[at + j] = base + scale * noise((uint32_t)i, (uint32_t)j);
        *specs[i].ref = (cg_tensor_ref) { m->heap + at, specs[i].rows, specs[i].cols, CG_F32 };
        at += elements;
    }
    return CG_OK;
}

/* path NULL: random weights */
static cg_status load_weights(const char *path, cg_fsq_model *m, cg_error *err)
{
    struct spec *specs = NULL;
    size_t n = 0;
    cg_status st;

    CG_TRY(make_specs(m, &specs, &n, err));
    if (path) {
        CG_TRY_GOTO(st, cg_safetensors_open(path, max_file_bytes(specs, n), &m->file, err), out);
        CG_TRY_GOTO(st, bind_all(path, m, specs, n, err), out);
    } else {
        CG_TRY_GOTO(st, fill_random(m, specs, n, err), out);
    }
    st = check_values(path, m, specs, n, err);
out:
    free(specs);
    return st;
}

static cg_status open_dir(const char *dir, int is_random, cg_fsq_model **ret_model, cg_error *err)
{
    cg_fsq_model *m = calloc(1, sizeof *m);
    char *config = cg_path_join(dir, "config.json");
    char *weights = cg_path_join(dir, "model.safetensors");
    cg_bytes bytes = { 0 };
    cg_status st;

    if (!m || !config || !weights) {
        st = cg_fail_nomem(err, dir);
        goto out;
    }
    CG_TRY_GOTO(st, cg_file_read(config, MAX_CONFIG_BYTES, &bytes, err), out);
    CG_TRY_GOTO(st, cg_fsq_config_parse(config, bytes.data, bytes.len, m, err), out);
    CG_TRY_GOTO(st, load_weights(is_random ? NULL : weights, m, err), out);
    *ret_model = m;
    m = NULL;
out:
    cg_bytes_release(&bytes);
    free(config);
    free(weights);
    cg_fsq_model_close(m);
    return st;
}

cg_status cg_fsq_model_open(const char *dir, cg_fsq_model **ret_model, cg_error *err)
{
    return open_dir(dir, 0, ret_model, err);
}

cg_status cg_fsq_model_random(const char *dir, cg_fsq_model **ret_model, cg_error *err)
{
    return open_dir(dir, 1, ret_model, err);
}

void cg_fsq_model_close(cg_fsq_model *m)
{
    if (!m)
        return;
    for (int32_t i = 0; i < m->config.n_tokens; i++)
        free(m->tokens[i]);
    free(m->tokens);
    cg_index_finish(&m->index);
    free(m->layers);
    cg_safetensors_close(m->file);
    free(m->heap);
    free(m);
}
