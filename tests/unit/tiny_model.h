/* SPDX-License-Identifier: MIT */
/** @file tiny_model.h  Writes model directories of a few hundred weights. Test code only. */
#ifndef CG_TEST_TINY_MODEL_H
#define CG_TEST_TINY_MODEL_H

#include <xxhash.h>

#include "model/model.h"
#include "scratch.h"
#include "st_writer.h"

enum { HIDDEN = 8, INTER = 12, LAYERS = 2, HEADS = 2, KV = 1, DIM = 6, VOCAB = 10 };

/* A tensor of the tiny model; tests may corrupt its members. */
struct item {
    char name[80];
    int rows, cols; /* rows 0: a vector */
    const char *dtype;
    int shard;
    int poison;         /* element + 1 that becomes NaN */
    const char *values; /* name whose values it has; NULL: its own */
};

struct tiny {
    struct item items[64];
    int n;
};

static inline void add(struct tiny *t, int rows, int cols, const char *name)
{
    struct item *x = &t->items[t->n++];

    *x = (struct item) { .rows = rows, .cols = cols, .dtype = "BF16" };
    snprintf(x->name, sizeof x->name, "%s", name);
}

static inline struct tiny tiny_model(int arch, int tied)
{
    struct tiny t = { .n = 0 };
    char name[80];

    add(&t, VOCAB, HIDDEN, "model.embed_tokens.weight");
    for (int i = 0; i < LAYERS; i++) {
        const struct {
            int rows, cols, present;
            const char *part;
        } parts[] = {
            { 0, HIDDEN, 1, "input_layernorm.weight" },
            { HEADS * DIM, HIDDEN, 1, "self_attn.q_proj.weight" },
            { KV * DIM, HIDDEN, 1, "self_attn.k_proj.weight" },
            { KV * DIM, HIDDEN, 1, "self_attn.v_proj.weight" },
            { 0, HEADS * DIM, arch == CG_ARCH_QWEN2, "self_attn.q_proj.bias" },
            { 0, KV * DIM, arch == CG_ARCH_QWEN2, "self_attn.k_proj.bias" },
            { 0, KV * DIM, arch == CG_ARCH_QWEN2, "self_attn.v_proj.bias" },
            { 0, DIM, arch == CG_ARCH_QWEN3, "self_attn.q_norm.weight" },
            { 0, DIM, arch == CG_ARCH_QWEN3, "self_attn.k_norm.weight" },
            { HIDDEN, HEADS * DIM, 1, "self_attn.o_proj.weight" },
            { 0, HIDDEN, 1, "post_attention_layernorm.weight" },
            { INTER, HIDDEN, 1, "mlp.gate_proj.weight" },
            { INTER, HIDDEN, 1, "mlp.up_proj.weight" },
            { HIDDEN, INTER, 1, "mlp.down_proj.weight" },
        };

        for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
            snprintf(name, sizeof name, "model.layers.%d.%s", i, parts[p].part);
            if (parts[p].present)
                add(&t, parts[p].rows, parts[p].cols, name);
        }
    }
    add(&t, 0, HIDDEN, "model.norm.weight");
    if (!tied)
        add(&t, VOCAB, HIDDEN, "lm_head.weight");
    return t;
}

static inline struct item *find(struct tiny *t, const char *name)
{
    for (int i = 0; i < t->n; i++)
        if (!strcmp(t->items[i].name, name))
            return &t->items[i];
    ck_abort_msg("no tensor %s", name);
}

static inline void write_config(int arch, int tied)
{
    char text[600];

    snprintf(text, sizeof text,
             "{\"architectures\": [\"%s\"], \"hidden_size\": %d, \"intermediate_size\": %d, "
             "\"num_hidden_layers\": %d, \"num_attention_heads\": %d, \"num_key_value_heads\": %d, "
             "\"head_dim\": %d, \"vocab_size\": %d, \"max_position_embeddings\": 64, "
             "\"tie_word_embeddings\": %s}",
             cg_arch_name(arch), HIDDEN, INTER, LAYERS, HEADS, KV, DIM, VOCAB,
             tied ? "true" : "false");
    scratch_write_text("config.json", text);
}

/* Value of an element: varies by name and index, exact in bf16 and f16. */
static inline float value(const char *name, int64_t i)
{
    unsigned h = (unsigned)XXH3_64bits(name, strlen(name)) + (unsigned)i * 31u;

    return (float)((int)(h % 129) - 64) / 16.0f;
}

/* Stores an element; exact, since bf16 and f16 represent multiples of 1/16 up to 4. */
static inline size_t put(const struct item *x, int64_t i, uint8_t *dst)
{
    float f = value(x->values ? x->values : x->name, i);
    uint32_t u;
    uint16_t h;

    memcpy(&u, &f, 4);
    if (!strcmp(x->dtype, "F64")) {
        memset(dst, 0, 8);
        return 8;
    }
    if (!strcmp(x->dtype, "F32")) {
        u = x->poison == i + 1 ? 0x7fc00000u : u;
        memcpy(dst, &u, 4);
        return 4;
    }
    if (!strcmp(x->dtype, "F16"))
        h = f == 0 ? 0
                   : (uint16_t)((u >> 16 & 0x8000) | (((u >> 23 & 255) - 112) << 10) |
                                (u >> 13 & 1023));
    else
        h = (uint16_t)(u >> 16);
    if (x->poison == i + 1)
        h = 0x7fff;
    memcpy(dst, &h, 2);
    return 2;
}

static inline void write_shard(const struct tiny *t, int shard, const char *name, int compressed)
{
    char header[16000] = "{";
    uint8_t *data = malloc(1 << 16);
    size_t pos = 0, h = 1;
    struct st_file f;

    for (int i = 0; i < t->n; i++) {
        const struct item *x = &t->items[i];
        int64_t n = (int64_t)(x->rows ? x->rows : 1) * x->cols;
        size_t begin = pos;
        char shape[40];

        if (shard >= 0 && x->shard != shard)
            continue;
        for (int64_t e = 0; e < n; e++)
            pos += put(x, e, data + pos);
        snprintf(shape, sizeof shape, x->rows ? "%d,%d" : "%.0d%d", x->rows, x->cols);
        h += (size_t)snprintf(header + h, sizeof header - h,
                              "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%zu,"
                              "%zu]}",
                              h > 1 ? "," : "", x->name, x->dtype, shape, begin, pos);
    }
    ck_assert(h + 2 < sizeof header);
    strcpy(header + h, "}");
    f = st_make(header, 8, data, pos);
    if (compressed)
        st_save_zst(&f, name);
    else
        st_save(&f, name);
    free(f.bytes);
    free(data);
}

/* Writes an index with the shard numbers of the items; the file of shard s is s.safetensors. */
static inline void write_index(const struct tiny *t)
{
    char text[16000] = "{\"metadata\": {}, \"weight_map\": {";
    size_t n = strlen(text);

    for (int i = 0; i < t->n; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"%s\": \"%d.safetensors\"",
                              i ? ", " : "", t->items[i].name, t->items[i].shard);
    strcpy(text + n, "}}");
    scratch_write_text("model.safetensors.index.json", text);
}

/* Opens the model in scratch_dir. */
static inline cg_model *must_open(void)
{
    cg_model *m = NULL;
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_model_open(scratch_dir, &m, &err) == CG_OK, "%s", err.msg);
    return m;
}

/* Opening it fails with this code; the message names the folder and contains `text`. */
static inline void refused(cg_status code, const char *text)
{
    cg_model *m = NULL;
    cg_error err = CG_ERROR_INIT;

    ck_assert_msg(cg_model_open(scratch_dir, &m, &err) == code, "%d: %s", err.code, err.msg);
    ck_assert_contains(err.msg, text);
    ck_assert_contains(err.msg, scratch_dir);
    ck_assert_int_eq(err.code, code);
    ck_assert_ptr_null(m);
}

#endif
