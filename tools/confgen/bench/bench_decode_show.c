/* SPDX-License-Identifier: MIT */
/* Tables and JSON of `bench decode`, with the roofline of a step. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "bench_decode.h"
#include "table.h"

static double per(double n, double by)
{
    return by > 0 ? n / by : 0;
}

/* ---- the roofline ------------------------------------------------------------------------- */

/* Bytes moved through memory and operations of the matrix units. */
struct step_work {
    double bytes, flops;
};

/* An average step of a cell, prompt steps apart. tools/bench/README.md states the formulas. */
struct step {
    double rows, used; /* rows computed; rows that hold a token */
    double context;    /* cached tokens that a sampled token attends to */
    double
        device_time; /* seconds from the start of a step to the start of the next, on the device */
    double idle;     /* share of device_time between launches */
    struct step_work layers, attention, head;
    double bytes, flops; /* sums of the three */
    double bound;        /* seconds, if all memory traffic and all products overlap */
    double sum_bound;    /* seconds, if they overlap only within each of the three */
};

static double work_time(const struct decode_bench *b, const struct step_work *w)
{
    double memory = w->bytes / b->ceilings.copy_bytes,
           product = w->flops / b->ceilings.matmul_flops;

    return memory > product ? memory : product;
}

static struct step average_step(const struct decode_bench *b, const struct decode_cell *c)
{
    const cg_report *r = &c->sum;
    double n = (double)r->steps, element = strcmp(b->dtype, "f32") ? 2 : 4;
    double prompt_rows = r->prompt_steps ? 0 : (double)r->prompt_tokens;
    double used = per((double)r->evaluated + prompt_rows, n);
    double on_device = b->on_gpu ? r->device_seconds - r->prompt_step_seconds : 0;
    double attended = per((double)r->attended, n), sampled = per((double)r->sampled, n);
    double head = (double)r->head_rows * b->info.head_width;
    struct step s = {
        .rows = per((double)r->step_rows, n),
        .used = used,
        .context = per((double)r->attended, (double)r->sampled),
        .device_time = per(on_device + r->idle_seconds, n),
        .idle = per(r->idle_seconds, on_device + r->idle_seconds),
        .layers = { element * (double)b->info.layer_parameters,
                    2 * (double)b->info.layer_parameters * used },
        /* attended tokens are read, new ones written */
        .attention = { c->kv_token_bytes * (attended + used),
                       4.0 * b->info.query_elements * attended },
        .head = { element * head, 2 * head * sampled },
    };
    struct step_work all = { s.layers.bytes + s.attention.bytes + s.head.bytes,
                             s.layers.flops + s.attention.flops + s.head.flops };

    s.bytes = all.bytes;
    s.flops = all.flops;
    if (b->on_gpu) {
        s.bound = work_time(b, &all);
        s.sum_bound = work_time(b, &s.layers) + work_time(b, &s.attention) + work_time(b, &s.head);
    }
    return s;
}

/* ---- tables ------------------------------------------------------------------------------- */

/* Which optional columns identify a cell. */
struct cell_columns {
    int attention, cache;
};

/* Starts a table of the columns that identify a cell and n_more others. */
static struct cell_columns begin_table(const struct decode_bench *b, struct text_table *t,
                                       const char *const *more, int n_more)
{
    static char align[TABLE_COLUMNS + 1];
    static const char *headings[TABLE_COLUMNS];
    struct cell_columns columns = { b->n_attentions > 1, b->n_caches > 1 || b->n_kv_types > 1 };
    int n = 0;

    headings[n] = "batch";
    align[n++] = 'r';
    headings[n] = "constraint";
    align[n++] = 'l';
    if (columns.attention) {
        headings[n] = "attention";
        align[n++] = 'l';
    }
    if (columns.cache) {
        headings[n] = "cache";
        align[n++] = 'l';
    }
    for (int i = 0; i < n_more; i++) {
        headings[n] = more[i];
        align[n++] = 'r';
    }
    align[n] = '\0';
    table_begin(t, align, headings);
    return columns;
}

static void add_cell_name(const struct decode_bench *b, struct text_table *t,
                          const struct cell_columns *columns, const struct decode_cell *c)
{
    table_cell(t, "%d%s", c->batch, c->sum.halvings ? "*" : "");
    table_cell(t, "%s", c->constraint);
    if (columns->attention)
        table_cell(t, "%s", c->attention_used);
    if (columns->cache) {
        int is_other = strcmp(c->kv_dtype, b->dtype) != 0;

        table_cell(t, "%s%s%s", c->cache_used, is_other ? " " : "", is_other ? c->kv_dtype : "");
    }
}

static void print_rates(const struct decode_bench *b)
{
    static const char *const headings[] = { "tokens/s",     "sampled",   "forced", "ratio",
                                            "conformers/s", "failed",    "steps",  "ms/step",
                                            "matmul",       "attention", "sample" };
    struct text_table t;
    struct cell_columns columns = begin_table(b, &t, headings, b->on_gpu ? 7 : 11);

    for (int i = 0; i < b->n_cells; i++) {
        const struct decode_cell *c = &b->cells[i];
        const cg_report *s = &c->sum;
        double decode = s->decode_seconds, steps = decode - s->prompt_step_seconds;

        if (!c->tokens.n)
            continue;
        add_cell_name(b, &t, &columns, c);
        table_cell(&t, "%.1f", samples_median(&c->tokens));
        table_cell(&t, "%.1f", samples_median(&c->sampled));
        table_cell(&t, "%.1f", samples_median(&c->forced));
        if (c->ratio.n)
            table_cell(&t, "%.2f", samples_median(&c->ratio));
        else
            table_cell(&t, "-");
        table_cell(&t, "%.2f", samples_median(&c->conformers));
        table_cell(&t, "%.1f %%",
                   100.0 * (double)(s->requested - s->conformers) / (double)s->requested);
        table_cell(&t, "%lld", (long long)s->steps / (long long)c->tokens.n);
        if (b->on_gpu)
            continue;
        table_cell(&t, "%.3f", 1e3 * steps / (double)s->steps);
        table_cell(&t, "%.1f %%", 100 * s->matmul_seconds / decode);
        table_cell(&t, "%.1f %%", 100 * s->attention_seconds / decode);
        table_cell(&t, "%.1f %%", 100 * s->sample_seconds / decode);
    }
    table_print(&t, stdout);
}

static void print_steps(const struct decode_bench *b)
{
    static const char *const headings[] = { "ms/step",      "idle",     "rows",    "used",
                                            "context",      "head",     "MB/step", "GFLOP/step",
                                            "bound ms",     "of bound", "of sum",  "GiB",
                                            "prompt steps", "ms each" };
    struct text_table t;
    struct cell_columns columns = begin_table(b, &t, headings, 14);

    for (int i = 0; i < b->n_cells; i++) {
        const struct decode_cell *c = &b->cells[i];
        struct step s = average_step(b, c);

        if (!c->tokens.n)
            continue;
        add_cell_name(b, &t, &columns, c);
        table_cell(&t, "%.4f", 1e3 * s.device_time);
        table_cell(&t, "%.1f %%", 100 * s.idle);
        table_cell(&t, "%.0f", s.rows);
        table_cell(&t, "%.1f %%", 100 * per(s.used, s.rows));
        table_cell(&t, "%.1f", s.context);
        table_cell(&t, "%lld", (long long)c->sum.head_rows);
        table_cell(&t, "%.1f", s.bytes * 1e-6);
        table_cell(&t, "%.1f", s.flops * 1e-9);
        table_cell(&t, "%.4f", 1e3 * s.bound);
        table_cell(&t, "%.1f %%", 100 * per(s.bound, s.device_time));
        table_cell(&t, "%.1f %%", 100 * per(s.sum_bound, s.device_time));
        table_cell(&t, "%.2f", (double)c->sum.device_bytes / (1 << 30));
        table_cell(&t, "%lld", (long long)c->sum.prompt_steps / (long long)c->tokens.n);
        table_cell(&t, "%.3f", 1e3 * per(c->sum.prompt_step_seconds, (double)c->sum.prompt_steps));
    }
    table_print(&t, stdout);
}

void decode_print_name(FILE *out, const struct decode_cell *c)
{
    const char *attention = c->attention_used[0] ? c->attention_used : c->attention;
    const char *cache = c->cache_used[0] ? c->cache_used : c->kv_cache;

    fprintf(out, "batch %d, %s", c->batch, c->constraint);
    if (attention)
        fprintf(out, ", %s", attention);
    if (cache)
        fprintf(out, ", %s", cache);
    if (c->kv_type)
        fprintf(out, ", %s", c->kv_type);
}

/* The first cell that was measured, the first of all if none was. */
static const struct decode_cell *first_measured(const struct decode_bench *b)
{
    for (int i = 0; i < b->n_cells; i++)
        if (b->cells[i].tokens.n)
            return &b->cells[i];
    return &b->cells[0];
}

static int any_halved(const struct decode_bench *b)
{
    for (int i = 0; i < b->n_cells; i++)
        if (b->cells[i].sum.halvings > 0)
            return 1;
    return 0;
}

void decode_print(struct decode_bench *b)
{
    const struct decode_cell *first = first_measured(b);

    printf("%s, %.1f M parameters, %s", b->model, (double)b->info.parameters * 1e-6, b->device);
    if (b->on_gpu)
        printf(" (%s), %s%s", b->gpu.name, b->dtype,
               b->options.deterministic ? ", deterministic" : "");
    else
        printf(", %d threads", b->info.threads);
    if (b->n_attentions == 1)
        printf(", attention %s", first->attention_used);
    if (b->n_caches == 1 && b->n_kv_types == 1)
        printf(", KV cache %s of %s", first->cache_used, first->kv_dtype);
    printf(", temperature %g\n%lld molecules of %s; medians of %zu rounds\n\n", b->temperature,
           (long long)b->n_items, b->molecules, first->tokens.n);
    print_rates(b);
    if (b->on_gpu) {
        printf("\ncopy %.3f TB/s (read and written), bf16 matrix product %.1f TFLOP/s\n\n",
               b->ceilings.copy_bytes * 1e-12, b->ceilings.matmul_flops * 1e-12);
        print_steps(b);
    }
    if (any_halved(b))
        puts("\n* out of memory: this cell ran at half its batch size or less");
    for (int i = 0; i < b->n_cells; i++)
        if (b->cells[i].failure.code != CG_OK) {
            puts("");
            decode_print_name(stdout, &b->cells[i]);
            print_lines(stdout, ": %s\n", b->cells[i].failure.msg);
        }
    if (b->etkdg)
        printf("\nRDKit ETKDGv3, hydrogens added, no force field, %d threads: %.2f conformers/s\n",
               b->info.threads, samples_median(&b->etkdg_rates));
    fflush(stdout);
}

/* ---- JSON --------------------------------------------------------------------------------- */

static json_t *work_json(const struct step_work *w)
{
    return json_pack("{s:f, s:f}", "bytes", w->bytes, "flops", w->flops);
}

static json_t *step_json(const struct step *s)
{
    return json_pack("{s:f, s:f, s:f, s:f, s:f, s:o, s:o, s:o, s:f, s:f, s:f, s:f}", "seconds",
                     s->device_time, "idle_share", s->idle, "rows", s->rows, "used_rows", s->used,
                     "context", s->context, "layers", work_json(&s->layers), "attention",
                     work_json(&s->attention), "head", work_json(&s->head), "bytes", s->bytes,
                     "flops", s->flops, "bound_seconds", s->bound, "sum_bound_seconds",
                     s->sum_bound);
}

static json_t *cell_json(const struct decode_bench *b, const struct decode_cell *c)
{
    const cg_report *r = &c->sum;
    struct step step = average_step(b, c);
    json_t *cell = json_pack("{s:i, s:s, s:s, s:s, s:I, s:i, s:i}", "batch", (int)c->batch,
                             "constraint", c->constraint, "attention",
                             c->attention_used[0] ? c->attention_used
                             : c->attention       ? c->attention
                                                  : "",
                             "kv_cache",
                             c->cache_used[0] ? c->cache_used
                             : c->kv_cache    ? c->kv_cache
                                              : "",
                             "molecules", (json_int_t)c->n_molecules, "gens", (int)c->gens,
                             "rounds", (int)c->tokens.n);

    json_object_set_new(cell, "kv_dtype",
                        json_string(c->kv_dtype[0] ? c->kv_dtype
                                    : c->kv_type   ? c->kv_type
                                                   : "auto"));
    if (c->failure.code != CG_OK)
        json_object_set_new(cell, "failure", cg_json_text(c->failure.msg));
    if (!c->tokens.n)
        return cell;
    json_object_update_new(
        cell,
        json_pack("{s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}",
                  "tokens_per_second", samples_median(&c->tokens), "sampled_per_second",
                  samples_median(&c->sampled), "forced_per_second", samples_median(&c->forced),
                  "conformers_per_second", samples_median(&c->conformers), "tokens",
                  (json_int_t)r->tokens, "requested", (json_int_t)r->requested, "conformers",
                  (json_int_t)r->conformers, "steps", (json_int_t)r->steps, "kv_bytes",
                  (json_int_t)r->kv_bytes, "device_bytes", (json_int_t)r->device_bytes, "seconds",
                  r->seconds, "decode_seconds", r->decode_seconds));
    if (c->ratio.n)
        json_object_set_new(cell, "ratio", json_real(samples_median(&c->ratio)));
    if (!b->on_gpu)
        json_object_update_new(cell,
                               json_pack("{s:f, s:f, s:f}", "matmul_seconds", r->matmul_seconds,
                                         "attention_seconds", r->attention_seconds,
                                         "sample_seconds", r->sample_seconds));
    json_object_update_new(cell, json_pack("{s:I, s:I, s:I, s:f}", "prompt_tokens",
                                           (json_int_t)r->prompt_tokens, "prompt_steps",
                                           (json_int_t)r->prompt_steps, "prompt_step_rows",
                                           (json_int_t)r->prompt_step_rows, "prompt_step_seconds",
                                           r->prompt_step_seconds));
    json_object_set_new(cell, "halvings", json_integer(r->halvings));
    json_object_set_new(cell, "head_rows", json_integer((json_int_t)r->head_rows));
    json_object_set_new(cell, "step", step_json(&step));
    return cell;
}

cg_status decode_write_json(struct decode_bench *b, cg_error *err)
{
    json_t *cells = json_array();
    json_t *root;

    for (int i = 0; i < b->n_cells; i++)
        if (b->cells[i].tokens.n || b->cells[i].failure.code != CG_OK)
            json_array_append_new(cells, cell_json(b, &b->cells[i]));
    root =
        json_pack("{s:s, s:o, s:I, s:s, s:s, s:b, s:i, s:f, s:o, s:I, s:o}", "bench", "decode",
                  "model", cg_json_text(b->model), "parameters", (json_int_t)b->info.parameters,
                  "device", b->device, "dtype", b->dtype, "deterministic", b->options.deterministic,
                  "threads", (int)b->info.threads, "temperature", b->temperature, "molecules_file",
                  cg_json_text(b->molecules), "molecules", (json_int_t)b->n_items, "cells", cells);
    if (root && b->on_gpu) {
        json_object_set_new(root, "gpu", cg_json_text(b->gpu.name));
        json_object_set_new(root, "copy_bytes_per_second", json_real(b->ceilings.copy_bytes));
        json_object_set_new(root, "matmul_flops", json_real(b->ceilings.matmul_flops));
    }
    return write_bench_json(b->json, root, err);
}
