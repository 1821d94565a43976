/* SPDX-License-Identifier: MIT */
/**
 * @file fsq_made.h  Writes FSQ decoders of computed weights; tests/golden/make_fsq.py computes the
 * same ones. Test code only.
 */
#ifndef CG_TESTS_FSQ_MADE_H
#define CG_TESTS_FSQ_MADE_H

#include <math.h>

#include "fsq/fsq_decoder.h"
#include "st_writer.h"

/** Shape of a made decoder. */
struct fsq_shape {
    int hidden, layers, intermediate, input;
    int digits; /* of a code, each of two levels */
};

enum { FSQ_MADE_TOKENS = 24 };

static const char *const fsq_made_tokens[FSQ_MADE_TOKENS] = {
    "#",   "%10",   "(",    ")",      "-",      ".",   "/",    "1",   "2",   "3",   "=",    "[Br]",
    "[C]", "[CH3]", "[Cl]", "[C@@H]", "[NH3+]", "[N]", "[O-]", "[O]", "[S]", "[c]", "[nH]", "\\\\",
};

/* Element i of tensor t, in [-1, 1). */
static inline float fsq_noise(uint32_t t, uint32_t i)
{
    uint32_t x = i * 0x9e3779b9u + t * 0x85ebca6bu + 1;

    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    x ^= x >> 16;
    return (float)(int32_t)x * 0x1p-31f;
}

/* A safetensors file under construction. */
struct fsq_file {
    char *header;
    float *data;
    size_t used, n; /* bytes of the header, floats of the data */
    uint32_t tensors;
};

/* Adds [rows, cols], or [cols] if rows is 0: base + scale * noise. */
static inline void fsq_add(struct fsq_file *f, const char *name, size_t rows, size_t cols,
                           float base, float scale)
{
    size_t n = (rows ? rows : 1) * cols;

    f->data = realloc(f->data, (f->n + n) * sizeof *f->data);
    for (size_t i = 0; i < n; i++)
        f->data[f->n + i] = base + scale * fsq_noise(f->tensors, (uint32_t)i);
    f->header = realloc(f->header, f->used + 256);
    f->used += (size_t)sprintf(f->header + f->used, "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[",
                               f->tensors ? "," : "{", name);
    if (rows)
        f->used += (size_t)sprintf(f->header + f->used, "%zu,", rows);
    f->used += (size_t)sprintf(f->header + f->used, "%zu],\"data_offsets\":[%zu,%zu]}", cols,
                               4 * f->n, 4 * (f->n + n));
    f->n += n;
    f->tensors++;
}

/* Adds a matrix that keeps the size of its input. */
static inline void fsq_add_matrix(struct fsq_file *f, const char *name, int rows, int cols)
{
    fsq_add(f, name, (size_t)rows, (size_t)cols, 0, (float)(1.7 / sqrt(cols)));
}

static inline struct st_file fsq_made_weights(const struct fsq_shape *s)
{
    struct fsq_file f = { NULL, NULL, 0, 0, 0 };
    struct st_file file;
    size_t hidden = (size_t)s->hidden;

    fsq_add_matrix(&f, "post_q.0.weight", s->input, FSQ_MADE_TOKENS + s->digits);
    fsq_add(&f, "post_q.0.bias", 0, (size_t)s->input, 0, 0.5f);
    fsq_add_matrix(&f, "post_q.2.weight", s->hidden, s->input);
    fsq_add(&f, "post_q.2.bias", 0, hidden, 0, 0.5f);
    for (int l = 0; l < s->layers; l++) {
        char name[64];
        const struct {
            const char *part;
            int rows, cols; /* rows 0: a vector */
        } parts[] = {
            { "norm1.weight", 0, s->hidden },
            { "self_attn.in_proj_weight", 3 * s->hidden, s->hidden },
            { "self_attn.out_proj.weight", s->hidden, s->hidden },
            { "norm2.weight", 0, s->hidden },
            { "linear1.weight", s->intermediate, s->hidden },
            { "linear2.weight", s->hidden, s->intermediate },
        };

        for (int p = 0; p < 6; p++) {
            sprintf(name, "dec.layers.%d.%s", l, parts[p].part);
            if (parts[p].rows)
                fsq_add_matrix(&f, name, parts[p].rows, parts[p].cols);
            else
                fsq_add(&f, name, 0, hidden, 1, 0.25f);
        }
    }
    fsq_add(&f, "out.weight", 3, hidden, 0, (float)(5 / sqrt(s->hidden)));
    fsq_add(&f, "out.bias", 0, 3, 0, 0.5f);
    strcpy(f.header + f.used, "}");
    file = st_make(f.header, 8, f.data, 4 * f.n);
    free(f.header);
    free(f.data);
    return file;
}

/* Text of config.json; free(). */
static inline char *fsq_made_config(const struct fsq_shape *s)
{
    char *text = malloc(4096);
    int n = sprintf(text,
                    "{\"model_type\":\"fsq-decoder\",\"hidden_size\":%d,\"num_hidden_layers\":%d,"
                    "\"intermediate_size\":%d,\"input_size\":%d,\"levels\":[2",
                    s->hidden, s->layers, s->intermediate, s->input);

    for (int i = 1; i < s->digits; i++)
        n += sprintf(text + n, ",2");
    n += sprintf(text + n, "],\"tokens\":[");

    for (int i = 0; i < FSQ_MADE_TOKENS; i++)
        n += sprintf(text + n, "%s\"%s\"", i ? "," : "", fsq_made_tokens[i]);
    strcpy(text + n, "]}");
    return text;
}

/* Writes both files to the scratch directory and opens them. */
static inline cg_fsq_model *fsq_made_model(const struct fsq_shape *s)
{
    struct st_file weights = fsq_made_weights(s);
    char *config = fsq_made_config(s);
    cg_fsq_model *m = NULL;
    cg_error err = CG_ERROR_INIT;

    st_save(&weights, "model.safetensors");
    scratch_write_text("config.json", config);
    ck_assert_msg(cg_fsq_model_open(scratch_dir, &m, &err) == CG_OK, "%s", err.msg);
    free(weights.bytes);
    free(config);
    return m;
}

#endif
