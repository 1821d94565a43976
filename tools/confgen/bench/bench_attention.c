/* SPDX-License-Identifier: MIT */
/* confgen bench attention: attention plugins compared with each other and memory bandwidth. */
#include <confgen/attention.h>
#include <confgen/cache.h>
#include <confgen/plugins.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/plugin_call.h"
#include "bench.h"
#include "table.h"

enum {
    MAX_PLUGINS = 32,
    MAX_CACHES = 8,
    MAX_VARIANTS = MAX_PLUGINS * MAX_CACHES,
    MAX_LAYERS = 12,
    MIN_ROUNDS = 5,
    READ_CHUNK = 1 << 18,    /* bytes per task of the memory loop */
    CACHE_BYTES = 256 << 20, /* keys and values of all layers, at most MAX_LAYERS: exceeds the
                                processor's caches */
};

static const char help[] =
    "confgen bench attention [options]\n"
    "\n"
    "  --plugin FILE.so        another plugin (repeatable)\n"
    "  --attention NAME,...    default: every attention plugin that supports the CPU\n"
    "  --kv-cache NAME,...     default static,paged: contiguous and paged layouts\n"
    "  --case NAME,...         decode, prefill512, prefill2048, wide (default: all)\n"
    "  --threads N             default: cores\n"
    "  --seconds S             time to measure each case (default 4), at least five rounds\n"
    "  --device cpu|cuda[:I]   default cpu; cuda: the first GPU\n"
    "\n"
    "On a GPU --kv-cache names layouts (static: contiguous slots; paged: pages of 16 tokens in\n"
    "random order), --plugin and --attention are as above, and the others are:\n"
    "  --set NAME,...          prefill, decode, generator, all (default)\n"
    "  --case NAME,...         single shapes, by the names printed above the tables\n"
    "  --dtype bf16|f16|f32    of queries, keys and values (default bf16)\n"
    "  --deterministic         require plans that do not depend on the batch\n"
    "  --seconds S             time to measure each cell (default 0.2), at least five rounds,\n"
    "                          but no more than five times S\n"
    "  --json FILE             write the figures\n"
    "\n"
    "A call is one layer of one step. The keys and values of several layers are used in turn,\n"
    "as in a model, so that they are read from memory. GB/s counts every cached key and value\n"
    "once; memory is a loop that reads as many bytes, in the same rounds. On a GPU, calls over\n"
    "several input sets, many times larger than its L2 cache, are replayed as a graph. TFLOP/s\n"
    "counts the pairs that the causal mask leaves; error is the largest one of a slice against\n"
    "f64 on the host. The ceilings (a copy, a matrix product) are measured in the same run.\n";

struct attention_shape {
    const char *name, *text;
    int32_t n_seqs, n_heads, n_kv_heads, head_dim, rows, kv_min, kv_max;
};

static const struct attention_shape shapes[] = {
    { "decode", "64 sequences, a row each, 150 to 250 cached tokens, 8 heads over 4 of 64", 64, 8,
      4, 64, 1, 150, 250 },
    { "prefill512", "a prompt of 512 tokens, 8 heads over 4 of 64", 1, 8, 4, 64, 512, 512, 512 },
    { "prefill2048", "a prompt of 2048 tokens, 8 heads over 4 of 64", 1, 8, 4, 64, 2048, 2048,
      2048 },
    { "wide", "16 sequences, a row each, 512 cached tokens, 16 heads over 8 of 128", 16, 16, 8, 128,
      1, 512, 512 },
};
enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };

/* A cache that holds the keys and values of a shape. */
struct filled_cache {
    const cg_plugin *plugin;
    void *self;
};

struct attention_variant {
    const cg_plugin *attention;
    const struct filled_cache *cache;
    cg_attention_problem problem;
    void *plan, *workspace;
    int ready; /* planned; otherwise refused, with this text: */
    cg_error refusal;
    struct samples seconds;
};

struct attention_bench {
    const cg_host *host;
    const cg_plugin *attention[MAX_PLUGINS];
    int n_attention;
    const cg_plugin *caches[MAX_CACHES];
    int n_caches;
    double seconds;
    /* the shape being measured */
    const struct attention_shape *shape;
    int32_t n_layers, n_rows;
    int32_t *kv_len, *slot, *q_start;
    float *q, *out, *kv;
    double flops, bytes; /* of one call */
    struct filled_cache filled[MAX_CACHES];
    struct attention_variant variants[MAX_VARIANTS];
    int n_variants;
    char *memory; /* of the memory loop, n_layers * bytes */
    struct samples memory_rate;
};

static void *alloc(const struct attention_bench *b, size_t bytes)
{
    void *p = b->host->alloc(b->host->ctx, bytes);

    if (!p)
        out_of_memory();
    return p;
}

static void release(const struct attention_bench *b, void *p)
{
    b->host->free(b->host->ctx, p);
}

/* Fills with arbitrary values in [-1, 1). */
static void fill(float *p, size_t n, uint32_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1664525u + 1013904223u;
        p[i] = (float)(seed >> 8) * 0x1p-23f - 1.0f;
    }
}

/* ---- the data of a shape ------------------------------------------------------------------ */

static void make_data(struct attention_bench *b, const struct attention_shape *s)
{
    size_t head = (size_t)s->head_dim;
    double per_layer;

    b->shape = s;
    b->n_rows = s->n_seqs * s->rows;
    b->kv_len = alloc(b, (size_t)s->n_seqs * sizeof *b->kv_len);
    b->slot = alloc(b, (size_t)s->n_seqs * sizeof *b->slot);
    b->q_start = alloc(b, ((size_t)s->n_seqs + 1) * sizeof *b->q_start);
    b->q = alloc(b, (size_t)b->n_rows * (size_t)s->n_heads * head * sizeof *b->q);
    b->out = alloc(b, (size_t)b->n_rows * (size_t)s->n_heads * head * sizeof *b->out);
    b->kv = alloc(b, (size_t)s->kv_max * (size_t)s->n_kv_heads * head * sizeof *b->kv);
    fill(b->q, (size_t)b->n_rows * (size_t)s->n_heads * head, 1);
    fill(b->kv, (size_t)s->kv_max * (size_t)s->n_kv_heads * head, 2);
    b->flops = b->bytes = 0;
    b->q_start[0] = 0;
    for (int32_t i = 0; i < s->n_seqs; i++) {
        int32_t len = s->kv_min + i * 37 % (s->kv_max - s->kv_min + 1);

        b->kv_len[i] = len;
        b->slot[i] = i;
        b->q_start[i + 1] = b->q_start[i] + s->rows;
        b->bytes += 2.0 * len * s->n_kv_heads * s->head_dim * sizeof(float);
        /* row r attends to len - rows + r + 1 tokens, with 2 flops per element for QK and for PV */
        b->flops += 4.0 * s->n_heads * s->head_dim *
                    ((double)s->rows * (len - s->rows) + 0.5 * s->rows * (s->rows + 1.0));
    }
    per_layer = CACHE_BYTES / b->bytes;
    b->n_layers = per_layer < 1 ? 1 : per_layer < MAX_LAYERS ? (int32_t)per_layer : MAX_LAYERS;
    b->memory = alloc(b, (size_t)(b->bytes * b->n_layers));
    memset(b->memory, 1, (size_t)(b->bytes * b->n_layers));
}

static void free_data(struct attention_bench *b)
{
    release(b, b->kv_len);
    release(b, b->slot);
    release(b, b->q_start);
    release(b, b->q);
    release(b, b->out);
    release(b, b->kv);
    release(b, b->memory);
}

static cg_cache_config cache_config(const struct attention_bench *b)
{
    return (cg_cache_config) {
        CG_SIZED(cg_cache_config),
        .device = CG_DEVICE_CPU,
        .dtype = CG_F32,
        .n_layers = b->n_layers,
        .n_slots = b->shape->n_seqs,
        .n_kv_heads = b->shape->n_kv_heads,
        .head_dim = b->shape->head_dim,
        .max_len = b->shape->kv_max,
    };
}

/* Grows all sequences together, as a run does, which shuffles the pages of a paged cache. */
static cg_status cache_status(const struct filled_cache *c, int32_t layer, cg_status st,
                              const cg_error *why, cg_error *err)
{
    cg_plugin_call call = { "cache", c->plugin->name, layer, -1 };

    return cg_plugin_call_status(&call, st, why, err);
}

static cg_status fill_cache(const struct attention_bench *b, struct filled_cache *c, cg_error *err)
{
    const cg_cache_ops *ops = c->plugin->ops;
    const struct attention_shape *s = b->shape;
    cg_cache_config config = cache_config(b);
    int64_t stride = (int64_t)s->n_kv_heads * s->head_dim * (int64_t)sizeof(float);
    int32_t *slots = alloc(b, (size_t)s->kv_max * sizeof *slots);
    int32_t *pos = alloc(b, (size_t)s->kv_max * sizeof *pos);
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    st = ops->create(b->host, &config, &c->self, &why);
    CG_TRY_GOTO(st, cache_status(c, -1, st, &why, err), out);
    for (int32_t len = 8; len < s->kv_max + 8; len += 8)
        for (int32_t i = 0; i < s->n_seqs; i++) {
            st = ops->reserve(c->self, i, len < b->kv_len[i] ? len : b->kv_len[i], &why);
            CG_TRY_GOTO(st, cache_status(c, -1, st, &why, err), out);
        }
    for (int32_t i = 0; i < s->n_seqs; i++) {
        for (int32_t t = 0; t < b->kv_len[i]; t++) {
            slots[t] = i;
            pos[t] = t;
        }
        for (int32_t layer = 0; layer < b->n_layers; layer++) {
            cg_cache_append append = {
                CG_SIZED(cg_cache_append),
                .n_tokens = b->kv_len[i],
                .slot = slots,
                .pos = pos,
                .k = b->kv,
                .v = b->kv,
                .k_stride = stride,
                .v_stride = stride,
                .dtype = CG_F32,
            };

            st = ops->append(c->self, layer, &append, &why);
            CG_TRY_GOTO(st, cache_status(c, layer, st, &why, err), out);
        }
    }
out:
    release(b, slots);
    release(b, pos);
    return st;
}

/* ---- variants ----------------------------------------------------------------------------- */

static void open_variant(const struct attention_bench *b, struct attention_variant *v)
{
    const cg_attention_ops *ops = v->attention->ops;
    const cg_cache_ops *cache = v->cache->plugin->ops;
    const struct attention_shape *s = b->shape;
    cg_kv_view view = { CG_SIZED(cg_kv_view) };
    size_t bytes;

    if (cg_cache_view(cache, v->cache->self, 0, &view, &v->refusal) != CG_OK)
        return;
    v->problem = (cg_attention_problem) {
        CG_SIZED(cg_attention_problem),
        .device = CG_DEVICE_CPU,
        .dtype = CG_F32,
        .kv_dtype = CG_F32,
        .n_heads = s->n_heads,
        .n_kv_heads = s->n_kv_heads,
        .head_dim = s->head_dim,
        .paged = cache->paged != 0,
        .block_tokens = view.block_tokens,
        .max_tokens = b->n_rows,
        .max_seqs = s->n_seqs,
        .max_kv_len = s->kv_max,
        .scale = 1.0f / sqrtf((float)s->head_dim),
        .flags = CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT,
        .kv_layout = cg_kv_layout(&view),
    };
    if (ops->supports(b->host, &v->problem, &v->refusal) != CG_OK ||
        ops->plan(b->host, &v->problem, &v->plan, &v->refusal) != CG_OK)
        return;
    v->ready = 1;
    bytes = ops->workspace_size(v->plan);
    /* a workspace is aligned to 256 bytes, host memory only to 64 */
    v->workspace = aligned_alloc(256, (bytes / 256 + 1) * 256);
    if (!v->workspace)
        out_of_memory();
}

static cg_status run_variant(const struct attention_bench *b, struct attention_variant *v,
                             cg_error *err)
{
    const cg_attention_ops *ops = v->attention->ops;
    const cg_cache_ops *cache = v->cache->plugin->ops;
    int64_t stride = (int64_t)b->shape->n_heads * b->shape->head_dim * (int64_t)sizeof(float);
    double start = cg_now();

    for (int32_t layer = 0; layer < b->n_layers; layer++) {
        cg_kv_view view = { CG_SIZED(cg_kv_view) };
        cg_attention_args args = {
            CG_SIZED(cg_attention_args),
            .n_tokens = b->n_rows,
            .n_seqs = b->shape->n_seqs,
            .q = b->q,
            .out = b->out,
            .q_stride = stride,
            .out_stride = stride,
            .q_start = b->q_start,
            .slot = b->slot,
            .kv_len = b->kv_len,
            .kv = &view,
            .workspace = v->workspace,
        };
        cg_plugin_call call = { "attention", v->attention->name, layer, -1 };
        cg_error why = CG_ERROR_INIT;

        CG_TRY(cache_status(v->cache, layer,
                            cg_cache_view(cache, v->cache->self, layer, &view, &why), &why, err));
        CG_TRY(cg_plugin_call_status(&call, ops->run(v->plan, &args, &why), &why, err));
    }
    samples_add(&v->seconds, (cg_now() - start) / b->n_layers);
    return CG_OK;
}

static void read_chunk(void *arg, int64_t i, int32_t worker)
{
    const struct attention_bench *b = arg;
    int64_t bytes = (int64_t)(b->bytes * b->n_layers), from = i * READ_CHUNK;
    int64_t n = bytes - from < READ_CHUNK ? bytes - from : READ_CHUNK;
    const uint64_t *p = (const uint64_t *)(const void *)(b->memory + from);
    volatile uint64_t sink;
    uint64_t sum = 0;

    (void)worker;
    for (int64_t k = 0; k < n / 8; k++)
        sum += p[k];
    sink = sum;
    (void)sink;
}

static void run_memory(struct attention_bench *b)
{
    double bytes = b->bytes * b->n_layers, start = cg_now();

    b->host->parallel_for(b->host->ctx, ((int64_t)bytes + READ_CHUNK - 1) / READ_CHUNK, read_chunk,
                          b);
    samples_add(&b->memory_rate, bytes / (cg_now() - start));
}

static cg_status open_shape(struct attention_bench *b, const struct attention_shape *s,
                            cg_error *err)
{
    make_data(b, s);
    for (int i = 0; i < b->n_caches; i++) {
        b->filled[i].plugin = b->caches[i];
        CG_TRY(fill_cache(b, &b->filled[i], err));
    }
    for (int k = 0; k < b->n_caches; k++)
        for (int i = 0; i < b->n_attention; i++) {
            struct attention_variant *v = &b->variants[b->n_variants++];

            *v = (struct attention_variant) { .attention = b->attention[i],
                                              .cache = &b->filled[k],
                                              .refusal = CG_ERROR_INIT };
            open_variant(b, v);
        }
    return CG_OK;
}

static void close_shape(struct attention_bench *b)
{
    for (int i = 0; i < b->n_variants; i++) {
        struct attention_variant *v = &b->variants[i];

        ((const cg_attention_ops *)v->attention->ops)->destroy(v->plan);
        free(v->workspace);
        samples_finish(&v->seconds);
    }
    for (int i = 0; i < b->n_caches; i++) {
        if (b->filled[i].plugin)
            ((const cg_cache_ops *)b->filled[i].plugin->ops)->destroy(b->filled[i].self);
        b->filled[i] = (struct filled_cache) { 0 };
    }
    b->n_variants = 0;
    samples_finish(&b->memory_rate);
    free_data(b);
}

/* Seconds of `eager` over the same cache; 0 if it is not measured. */
static double eager_seconds(const struct attention_bench *b, const struct attention_variant *v)
{
    for (int i = 0; i < b->n_variants; i++)
        if (b->variants[i].cache == v->cache && !strcmp(b->variants[i].attention->name, "eager"))
            return samples_median(&b->variants[i].seconds);
    return 0;
}

static void print_shape(const struct attention_bench *b)
{
    static const char *const headings[] = { "attention", "cache",     "ms",     "GFLOP/s",
                                            "GB/s",      "of memory", "x eager" };
    double memory = samples_median(&b->memory_rate);
    struct text_table t;

    printf("%s: %s\n%d layers of %.1f MB; memory %.1f GB/s; medians of %zu rounds\n",
           b->shape->name, b->shape->text, b->n_layers, b->bytes * 1e-6, memory * 1e-9,
           b->memory_rate.n);
    table_begin(&t, "llrrrrr", headings);
    for (int i = 0; i < b->n_variants; i++) {
        const struct attention_variant *v = &b->variants[i];
        double s, eager;

        if (!v->ready)
            continue; /* printed below the table */
        s = samples_median(&v->seconds);
        eager = eager_seconds(b, v);
        table_cell(&t, "%s", v->attention->name);
        table_cell(&t, "%s", v->cache->plugin->name);
        table_cell(&t, "%.4f", 1e3 * s);
        table_cell(&t, "%.2f", b->flops / s * 1e-9);
        table_cell(&t, "%.2f", b->bytes / s * 1e-9);
        table_cell(&t, "%.2f", b->bytes / s / memory);
        if (eager > 0)
            table_cell(&t, "%.2f", eager / s);
        else
            table_cell(&t, "-");
    }
    table_print(&t, stdout);
    for (int i = 0; i < b->n_variants; i++)
        if (!b->variants[i].ready)
            printf("%s over %s: %s\n", b->variants[i].attention->name,
                   b->variants[i].cache->plugin->name, b->variants[i].refusal.msg);
    fflush(stdout);
}

/* Drops the samples of the warm-up. */
static void drop_samples(struct attention_bench *b)
{
    for (int i = 0; i < b->n_variants; i++)
        samples_finish(&b->variants[i].seconds);
    samples_finish(&b->memory_rate);
}

static cg_status bench_shape(struct attention_bench *b, const struct attention_shape *s,
                             cg_error *err)
{
    double start = 0;
    cg_status st;

    CG_TRY_GOTO(st, open_shape(b, s, err), out);
    for (int round = -1; round < MIN_ROUNDS || cg_now() - start < b->seconds; round++) {
        if (round == 0) { /* round -1 is the warm-up */
            drop_samples(b);
            start = cg_now();
        }
        run_memory(b);
        for (int i = 0; i < b->n_variants; i++)
            if (b->variants[i].ready)
                CG_TRY_GOTO(st, run_variant(b, &b->variants[i], err), out);
    }
    print_shape(b);
out:
    close_shape(b);
    return st;
}

/* ---- the command -------------------------------------------------------------------------- */

static cg_status find_attention(struct attention_bench *b, const cg_plugin_set *set,
                                char *attention, cg_error *err)
{
    const char *names[MAX_PLUGINS];
    cg_loaded_plugin found = { CG_SIZED(cg_loaded_plugin) };

    if (attention) {
        b->n_attention = parse_words("--attention", attention, names, MAX_PLUGINS);
        for (int i = 0; i < b->n_attention; i++)
            CG_TRY(cg_plugin_set_find(set, CG_PLUGIN_ATTENTION, names[i], &b->attention[i], err));
        return CG_OK;
    }
    for (int32_t i = 0; cg_plugin_set_loaded(set, i, &found) && b->n_attention < MAX_PLUGINS; i++)
        if (found.plugin->kind == CG_PLUGIN_ATTENTION)
            b->attention[b->n_attention++] = found.plugin;
    return CG_OK;
}

static cg_status find_caches(struct attention_bench *b, const cg_plugin_set *set, char *caches,
                             cg_error *err)
{
    const char *names[MAX_CACHES];

    b->n_caches = parse_words("--kv-cache", caches, names, MAX_CACHES);
    for (int i = 0; i < b->n_caches; i++)
        CG_TRY(cg_plugin_set_find(set, CG_PLUGIN_CACHE, names[i], &b->caches[i], err));
    return CG_OK;
}

static const struct attention_shape *find_shape(const char *name)
{
    for (int i = 0; i < N_SHAPES; i++)
        if (!strcmp(shapes[i].name, name))
            return &shapes[i];
    usage_error("--case '%s': wanted decode, prefill512, prefill2048 or wide", name);
}

/* The command line. */
struct attention_arguments {
    struct plugin_files files;
    int32_t threads, gpu; /* gpu -1: the CPU */
    char *attention, *caches, *cases;
    double seconds;       /* negative: by device */
    const char *gpu_only; /* an option that requires a GPU and was given */
    cg_dtype dtype;
    int deterministic;
    const char *json;
};

static void parse(struct attention_arguments *a, int argc, char **argv)
{
    static const struct option options[] = {
        { "plugin", required_argument, NULL, 'p' },
        { "attention", required_argument, NULL, 'a' },
        { "kv-cache", required_argument, NULL, 'k' },
        { "case", required_argument, NULL, 'c' },
        { "set", required_argument, NULL, 's' },
        { "threads", required_argument, NULL, 't' },
        { "seconds", required_argument, NULL, 'S' },
        { "device", required_argument, NULL, 'd' },
        { "dtype", required_argument, NULL, 'T' },
        { "json", required_argument, NULL, 'j' },
        { "deterministic", no_argument, NULL, 'D' },
        { "help", no_argument, NULL, OPTION_HELP },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = next_option(argc, argv, options, help)) != -1)
        switch (option) {
        case 'p':
            add_plugin_file(&a->files, optarg);
            break;
        case 'a':
            a->attention = optarg;
            break;
        case 'k':
            a->caches = optarg;
            break;
        case 's':
            a->gpu_only = "--set";
            a->cases = optarg;
            break;
        case 'c':
            a->cases = optarg;
            break;
        case 't':
            a->threads = parse_int("--threads", optarg, 1, CG_MAX_THREADS);
            break;
        case 'S':
            a->seconds = parse_real("--seconds", optarg);
            break;
        case 'd':
            a->gpu = parse_gpu(optarg);
            break;
        case 'T':
            a->gpu_only = "--dtype";
            a->dtype = parse_dtype(optarg);
            break;
        case 'j':
            a->gpu_only = "--json";
            a->json = optarg;
            break;
        default:
            a->gpu_only = "--deterministic";
            a->deterministic = 1;
        }
    no_operands(argc, argv, "add a file with --plugin");
    check_bench_json(a->json);
    if (a->gpu < 0 && a->gpu_only)
        usage_error("%s: only with --device cuda", a->gpu_only);
}

static cg_status bench_cpu(struct attention_bench *b, const cg_plugin_set *set,
                           const struct attention_arguments *a, cg_error *err)
{
    static char all[] = "decode,prefill512,prefill2048,wide";
    const struct attention_shape *selected[N_SHAPES];
    const char *names[N_SHAPES];
    int n = parse_words("--case", a->cases ? a->cases : all, names, N_SHAPES);

    for (int i = 0; i < n; i++)
        selected[i] = find_shape(names[i]);
    CG_TRY(find_caches(b, set, a->caches, err));
    b->seconds = a->seconds >= 0 ? a->seconds : 4;
    printf("%d threads\n", b->host->workers);
    for (int i = 0; i < n; i++) {
        putchar('\n');
        CG_TRY(bench_shape(b, selected[i], err));
    }
    return CG_OK;
}

static cg_status bench_gpu(const struct attention_bench *b, const struct attention_arguments *a,
                           cg_error *err)
{
    const char *names[32], *layouts[2];
    struct attention_gpu_options o = {
        .host = b->host,
        .attention = b->attention,
        .n_attention = b->n_attention,
        .gpu = a->gpu,
        .dtype = a->dtype,
        .flags = a->deterministic ? CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT : 0,
        .seconds = a->seconds >= 0 ? a->seconds : 0.2,
        .json = a->json,
        .names = names,
    };
    int n = parse_words("--kv-cache", a->caches, layouts, 2);

    for (int i = 0; i < n; i++) {
        int paged = !strcmp(layouts[i], "paged");

        if (!paged && strcmp(layouts[i], "static"))
            usage_error("--kv-cache '%s': wanted a layout on a GPU, static or paged", layouts[i]);
        o.layouts |= 1 << paged;
    }
    if (a->cases && strcmp(a->cases, "all"))
        o.n_names = parse_words("--set", a->cases, names, 32);
    return bench_attention_gpu(&o, err);
}

int bench_attention(int argc, char **argv)
{
    static char default_caches[] = "static,paged";
    static struct attention_bench b;
    struct attention_arguments a = {
        .gpu = -1, .dtype = CG_BF16, .seconds = -1, .caches = default_caches
    };
    cg_plugin_set_options open = { CG_SIZED(cg_plugin_set_options) };
    cg_plugin_set *set = NULL;
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    command_name = "bench attention";
    parse(&a, argc, argv);
    open.files = a.files.files;
    open.n_files = a.files.n;
    open.threads = a.threads;
    CG_TRY_GOTO(st, cg_plugin_set_open(&open, &set, &err), out);
    b.host = cg_plugin_set_host(set);
    CG_TRY_GOTO(st, find_attention(&b, set, a.attention, &err), out);
    st = a.gpu < 0 ? bench_cpu(&b, set, &a, &err) : bench_gpu(&b, &a, &err);
out:
    cg_plugin_set_close(set);
    return st == CG_OK ? EXIT_OK : report_error(&err);
}
