/* SPDX-License-Identifier: MIT */
/*
 * bench_attention PLUGIN.so...: decode over f32 keys and values: 64 sequences of 150 to 250 cached
 * tokens, 8 heads over 4 key/value heads of 64 elements, contiguous and paged; beside it a loop
 * that reads the same memory. Several layers' caches are gone through in turn, so that none stays
 * in the processor's cache, as in a model.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <confgen/attention.h>

#include "base/pool.h"
#include "plugin/host.h"
#include "plugin/loader.h"

enum { SEQS = 64, HEADS = 8, KV_HEADS = 4, DIM = 64, LAYERS = 12, CAPACITY = 256, PAGE = 16 };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct data {
    const cg_host *host;
    float *memory;  /* keys and values of all layers */
    size_t plane;   /* floats of the keys of a layer */
    int32_t *table; /* pages in random order */
    int32_t kv_len[SEQS], slot[SEQS], q_start[SEQS + 1];
    float q[SEQS * HEADS * DIM], out[SEQS * HEADS * DIM];
    double bytes; /* keys and values of one layer that a call reads */
    float sums[64][16];
};

static float *plane(const struct data *d, int layer, int value)
{
    return d->memory + (size_t)(2 * layer + value) * d->plane;
}

static cg_kv_view make_view(const struct data *d, int layer, int paged)
{
    int64_t token = DIM * (int64_t)sizeof(float);
    int32_t block = paged ? PAGE : CAPACITY;

    return (cg_kv_view) {
        CG_SIZED(cg_kv_view),
        .n_slots = SEQS,
        .n_kv_heads = KV_HEADS,
        .head_dim = DIM,
        .block_tokens = block,
        .table_stride = paged ? CAPACITY / PAGE : 0,
        .page_table = paged ? d->table : NULL,
        .k = plane(d, layer, 0),
        .v = plane(d, layer, 1),
        .block_stride = token * block * KV_HEADS,
        .head_stride = token * block,
        .token_stride = token,
    };
}

struct reading {
    struct data *d;
    int layer, paged;
};

/* One sequence's keys and values of one head, as a call has to read them. */
static void read_item(void *arg, int64_t item, int32_t worker)
{
    const struct reading *r = arg;
    struct data *d = r->d;
    int32_t seq = (int32_t)item / KV_HEADS, head = (int32_t)item % KV_HEADS;
    cg_kv_view view = make_view(d, r->layer, r->paged);
    float sum[16] = { 0 };

    for (int value = 0; value < 2; value++)
        for (int32_t pos = 0; pos < d->kv_len[seq]; pos += PAGE) {
            const float *p = (const float *)((const char *)(value ? view.v : view.k) +
                                             cg_kv_offset(&view, seq, head, pos));
            int32_t n = d->kv_len[seq] - pos < PAGE ? d->kv_len[seq] - pos : PAGE;

            for (int32_t i = 0; i < n * DIM; i += 16)
                for (int j = 0; j < 16; j++)
                    sum[j] += p[i + j];
        }
    memcpy(d->sums[worker % 64], sum, sizeof sum);
}

static double time_read(struct data *d, int paged, int rounds)
{
    double begin = now();

    for (int i = 0; i < rounds; i++)
        for (int layer = 0; layer < LAYERS; layer++) {
            struct reading r = { d, layer, paged };

            d->host->parallel_for(d->host->ctx, SEQS * KV_HEADS, read_item, &r);
        }
    return (now() - begin) / rounds / LAYERS;
}

static double time_plugin(struct data *d, const cg_attention_ops *ops, void *plan, void *workspace,
                          int paged, int rounds)
{
    cg_error err = CG_ERROR_INIT;
    double begin = now();

    for (int i = 0; i < rounds; i++)
        for (int layer = 0; layer < LAYERS; layer++) {
            cg_kv_view view = make_view(d, layer, paged);
            cg_attention_args args = {
                CG_SIZED(cg_attention_args),
                .n_tokens = SEQS,
                .n_seqs = SEQS,
                .q = d->q,
                .out = d->out,
                .q_stride = HEADS * DIM * sizeof(float),
                .out_stride = HEADS * DIM * sizeof(float),
                .q_start = d->q_start,
                .slot = d->slot,
                .kv_len = d->kv_len,
                .kv = &view,
                .workspace = workspace,
            };

            if (ops->run(plan, &args, &err) != CG_OK) {
                fprintf(stderr, "%s\n", err.msg);
                exit(1);
            }
        }
    return (now() - begin) / rounds / LAYERS;
}

static void bench(struct data *d, const cg_plugin *plugin)
{
    const cg_attention_ops *ops = plugin->ops;

    for (int paged = 0; paged < 2; paged++) {
        cg_attention_problem problem = {
            CG_SIZED(cg_attention_problem),
            .dtype = CG_F32,
            .kv_dtype = CG_F32,
            .n_heads = HEADS,
            .n_kv_heads = KV_HEADS,
            .head_dim = DIM,
            .paged = paged,
            .block_tokens = paged ? PAGE : CAPACITY,
            .max_tokens = SEQS,
            .max_seqs = SEQS,
            .max_kv_len = CAPACITY,
            .scale = 0.125f,
        };
        cg_error err = CG_ERROR_INIT;
        double best = 1e9, read = 1e9;
        void *plan = NULL, *workspace;

        if (ops->plan(d->host, &problem, &plan, &err) != CG_OK) {
            printf("%-8s %-10s %s\n", plugin->name, paged ? "paged" : "contiguous", err.msg);
            continue;
        }
        workspace = aligned_alloc(256, (ops->workspace_size(plan) + 511) / 256 * 256);
        for (int i = 0; i < 7; i++) { /* in turn: the machine is shared */
            double t = time_read(d, paged, 3);

            read = t < read ? t : read;
            t = time_plugin(d, ops, plan, workspace, paged, 3);
            best = t < best ? t : best;
        }
        printf(
            "%-8s %-10s %8.1f us a layer, %6.1f GB/s of keys and values; plain reading %8.1f us, "
            "%6.1f GB/s; %.2f of it\n",
            plugin->name, paged ? "paged" : "contiguous", best * 1e6, d->bytes / best * 1e-9,
            read * 1e6, d->bytes / read * 1e-9, read / best);
        free(workspace);
        ops->destroy(plan);
    }
}

int main(int argc, char **argv)
{
    struct data *d = calloc(1, sizeof *d);
    cg_error err = CG_ERROR_INIT;
    cg_plugin_host host;
    cg_team *team = NULL;
    int32_t n_pages = SEQS * CAPACITY / PAGE;

    if (!d || cg_team_create(cg_cpu_count(), &team, &err) != CG_OK)
        return 3;
    cg_plugin_host_init(&host, team, NULL, NULL, 0);
    d->host = &host.host;
    d->plane = (size_t)SEQS * KV_HEADS * CAPACITY * DIM;
    d->memory = host.host.alloc(host.host.ctx, 2 * LAYERS * d->plane * sizeof *d->memory);
    d->table = malloc((size_t)n_pages * sizeof *d->table);
    if (!d->memory || !d->table)
        return 3;
    srand(1);
    for (size_t i = 0; i < 2 * LAYERS * d->plane; i++)
        d->memory[i] = (float)(i * 2654435761u >> 8 & 0xffff) * 0x1p-15f - 1.0f;
    for (size_t i = 0; i < SEQS * HEADS * DIM; i++)
        d->q[i] = (float)(i * 40503u >> 4 & 0xff) * 0x1p-7f - 1.0f;
    for (int32_t i = 0; i < n_pages; i++)
        d->table[i] = i;
    for (int32_t i = n_pages - 1; i > 0; i--) {
        int32_t j = rand() % (i + 1), t = d->table[i];

        d->table[i] = d->table[j];
        d->table[j] = t;
    }
    for (int32_t i = 0; i < SEQS; i++) {
        d->kv_len[i] = 150 + rand() % 101;
        d->slot[i] = i;
        d->q_start[i + 1] = i + 1;
        d->bytes += 2.0 * d->kv_len[i] * KV_HEADS * DIM * sizeof(float);
    }
    printf("%d threads, %.1f MB of keys and values a layer, %d layers\n", cg_cpu_count(),
           d->bytes * 1e-6, LAYERS);
    for (int i = 1; i < argc; i++) {
        const cg_plugin *plugin = NULL;

        if (cg_plugin_load(argv[i], &host.host, &plugin, &err) != CG_OK) {
            fprintf(stderr, "%s\n", err.msg);
            return 3;
        }
        bench(d, plugin);
    }
    free(d->table);
    host.host.free(host.host.ctx, d->memory);
    free(d);
    cg_team_destroy(team);
    return 0;
}
