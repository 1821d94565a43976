/* SPDX-License-Identifier: MIT */
/* Tables and JSON of `bench attention`. */
#include <math.h>
#include <string.h>

#include "attention_bench.h"
#include "base/json.h"
#include "table.h"

static const char *layout_name(const struct attention_shape *s)
{
    return s->kv_layout == CG_KV_NHD ? "nhd" : "hnd";
}

/* "4 sequences of 512 rows, 512 cached tokens, 8 heads over 4 of 64, causal, f32" */
static void print_heading(const struct attention_bench *b)
{
    const struct attention_shape *s = b->shape;

    printf("\n%s: %d sequence%s of %d row%s, %d", s->name, s->n_seqs, s->n_seqs == 1 ? "" : "s",
           s->rows, s->rows == 1 ? "" : "s", s->kv_min);
    if (s->kv_max > s->kv_min)
        printf(" to %d", s->kv_max);
    printf(" cached tokens, %d heads over %d of %d", s->n_heads, s->n_kv_heads, s->head_dim);
    if (s->v_head_dim != s->head_dim)
        printf(", values of %d%s", s->v_head_dim, s->latent ? " in the keys" : "");
    printf(", %s", s->no_mask ? "no mask" : "causal");
    if (s->window)
        printf(", window %d", s->window);
    printf(", %s", option_dtype_name(s->dtype));
    if (s->kv_dtype != s->dtype)
        printf(" over %s", option_dtype_name(s->kv_dtype));
    printf(", %s\n", layout_name(s));
    if (!b->data.n_sets)
        return;
    printf("%.2f GFLOP, %.1f MB of keys and values per call; %d input sets in turn",
           b->data.flops * 1e-9, b->data.bytes * 1e-6, b->data.n_sets);
    if (b->memory_rate.n)
        printf("; a loop that reads them: %.1f GB/s", samples_median(&b->memory_rate) * 1e-9);
    putchar('\n');
}

/* Bytes per second to compare with: of a copy on a GPU, of a reading loop on the CPU. */
static double memory_rate(const struct attention_bench *b)
{
    return b->device.gpu ? b->device.ceilings.copy_bytes : samples_median(&b->memory_rate);
}

/* Seconds of `eager` over the same cache; 0 if it is not measured. */
static double eager_seconds(const struct attention_bench *b, const struct bench_cell *c)
{
    for (int i = 0; i < b->n_cells; i++)
        if (b->cells[i].cache == c->cache && !strcmp(b->cells[i].attention->name, "eager"))
            return samples_median(&b->cells[i].seconds);
    return 0;
}

static int n_measured(const struct attention_bench *b)
{
    int n = 0;

    for (int i = 0; i < b->n_cells; i++)
        n += b->cells[i].status == CG_OK;
    return n;
}

static void print_table(const struct attention_bench *b)
{
    static const char *headings[] = { "attention", "cache", "ms",      "",      "of matmul",
                                      "KV GB/s",   "",      "x eager", "KV MB", "workspace MB",
                                      "plan MB",   "error", "rounds" };
    struct text_table t;

    headings[3] = b->device.gpu ? "TFLOP/s" : "GFLOP/s";
    headings[6] = b->device.gpu ? "of copy" : "of memory";
    table_begin(&t, "llrrrrrrrrrrr", headings);
    for (int i = 0; i < b->n_cells; i++) {
        const struct bench_cell *c = &b->cells[i];
        double seconds = samples_median(&c->seconds), eager = eager_seconds(b, c);

        if (c->status != CG_OK)
            continue;
        table_cell(&t, "%s", c->attention->name);
        table_cell(&t, "%s", c->cache->name);
        table_cell(&t, "%.4f", 1e3 * seconds);
        table_cell(&t, "%.2f", b->data.flops / seconds * (b->device.gpu ? 1e-12 : 1e-9));
        if (b->device.gpu)
            table_cell(&t, "%.1f %%",
                       100 * b->data.flops / seconds / b->device.ceilings.matmul_flops);
        else
            table_cell(&t, "-");
        table_cell(&t, "%.1f", b->data.bytes / seconds * 1e-9);
        table_cell(&t, "%.1f %%", 100 * b->data.bytes / seconds / memory_rate(b));
        if (eager > 0)
            table_cell(&t, "%.2f", eager / seconds);
        else
            table_cell(&t, "-");
        table_cell(&t, "%.1f", (double)c->kv_bytes * 1e-6);
        table_cell(&t, "%.1f", (double)c->workspace_bytes * 1e-6);
        table_cell(&t, "%.1f", (double)c->plan_bytes * 1e-6);
        table_cell(&t, "%.1e", c->error);
        table_cell(&t, "%zu", c->seconds.n);
    }
    table_print(&t, stdout);
}

static void print_refusals(const struct attention_bench *b)
{
    for (int i = 0; i < b->n_cells; i++)
        if (b->cells[i].status != CG_OK)
            print_lines(stdout, "%s over %s: %s\n", b->cells[i].attention->name,
                        b->cells[i].cache->name, b->cells[i].refusal.msg);
}

/* ---- JSON ----------------------------------------------------------------------------------- */

static json_t *row_json(const struct attention_bench *b, const struct bench_cell *c)
{
    const struct attention_shape *s = b->shape;
    double seconds = samples_median(&c->seconds);
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:i, s:b, s:s, "
        "s:s, s:i, s:f, s:f}",
        "set", s->set, "shape", s->name, "attention", c->attention->name, "kv_cache",
        c->cache->name, "layout", layout_name(s), "sequences", (int)s->n_seqs, "heads",
        (int)s->n_heads, "kv_heads", (int)s->n_kv_heads, "head_dim", (int)s->head_dim, "v_head_dim",
        (int)s->v_head_dim, "rows", (int)s->rows, "kv_min", (int)s->kv_min, "kv_max",
        (int)s->kv_max, "causal", !s->no_mask, "window", (int)s->window, "latent", (int)s->latent,
        "dtype", option_dtype_name(s->dtype), "kv_dtype", option_dtype_name(s->kv_dtype), "sets",
        (int)b->data.n_sets, "flops", shape_flops(s), "bytes", shape_kv_bytes(s));

    if (!row)
        return NULL;
    if (c->status != CG_OK) {
        json_object_set_new(row, "refused", cg_json_text(c->refusal.msg));
        return row;
    }
    json_object_update_new(
        row,
        json_pack("{s:f, s:f, s:f, s:f, s:i, s:I, s:I, s:I}", "ms", 1e3 * seconds, "tflops",
                  b->data.flops / seconds * 1e-12, "kv_bytes_per_second", b->data.bytes / seconds,
                  "relative_error", isfinite(c->error) ? c->error : 1e300, "rounds",
                  (int)c->seconds.n, "kv_bytes", (json_int_t)c->kv_bytes, "workspace_bytes",
                  (json_int_t)c->workspace_bytes, "plan_bytes", (json_int_t)c->plan_bytes));
    json_object_set_new(row, b->device.gpu ? "of_copy" : "of_memory",
                        json_real(b->data.bytes / seconds / memory_rate(b)));
    if (b->device.gpu)
        json_object_set_new(row, "of_matmul",
                            json_real(b->data.flops / seconds / b->device.ceilings.matmul_flops));
    return row;
}

void bench_attention_show(struct attention_bench *b)
{
    print_heading(b);
    if (n_measured(b))
        print_table(b);
    print_refusals(b);
    fflush(stdout);
    for (int i = 0; i < b->n_cells; i++) {
        json_t *row = row_json(b, &b->cells[i]);

        if (!row || json_array_append_new(b->rows, row))
            out_of_memory();
    }
}

cg_status bench_attention_write(const struct attention_bench *b, cg_error *err)
{
    json_t *root = json_pack("{s:s, s:s, s:b, s:O}", "bench", "attention", "device",
                             b->device.gpu ? "cuda" : "cpu", "deterministic",
                             (b->flags & CG_ATTENTION_BATCH_INVARIANT) != 0, "cells", b->rows);

    if (root && b->device.gpu)
        json_object_update_new(
            root, json_pack("{s:o, s:i, s:f, s:f}", "gpu", cg_json_text(b->device.info.name),
                            "compute_capability", (int)b->device.info.compute_capability,
                            "copy_bytes_per_second", b->device.ceilings.copy_bytes, "matmul_flops",
                            b->device.ceilings.matmul_flops));
    else if (root)
        json_object_set_new(root, "threads", json_integer(b->host->workers));
    return write_bench_json(b->json, root, err);
}

/* ---- lists ---------------------------------------------------------------------------------- */

void bench_attention_list(const struct attention_shape *shapes, int n)
{
    static const char *const headings[] = { "set",        "shape", "batch",    "rows",
                                            "kv-len",     "heads", "kv-heads", "head-dim",
                                            "v-head-dim", "mask",  "window",   "dtype",
                                            "kv-dtype",   "layout" };
    struct text_table t;

    table_begin(&t, "llrrrrrrrlrlll", headings);
    for (int i = 0; i < n; i++) {
        const struct attention_shape *s = &shapes[i];

        table_cell(&t, "%s", s->set);
        table_cell(&t, "%s", s->name);
        table_cell(&t, "%d", s->n_seqs);
        table_cell(&t, "%d", s->rows);
        if (s->kv_min == s->kv_max)
            table_cell(&t, "%d", s->kv_max);
        else
            table_cell(&t, "%d-%d", s->kv_min, s->kv_max);
        table_cell(&t, "%d", s->n_heads);
        table_cell(&t, "%d", s->n_kv_heads);
        table_cell(&t, "%d", s->head_dim);
        table_cell(&t, "%d", s->v_head_dim);
        table_cell(&t, "%s", s->no_mask ? "none" : "causal");
        table_cell(&t, "%d", s->window);
        table_cell(&t, "%s", option_dtype_name(s->dtype));
        table_cell(&t, "%s", option_dtype_name(s->kv_dtype));
        table_cell(&t, "%s", layout_name(s));
    }
    table_print(&t, stdout);
}
