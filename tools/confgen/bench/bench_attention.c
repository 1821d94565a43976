/* SPDX-License-Identifier: MIT */
/* confgen bench attention: attention plugins compared with each other, memory and matrix rates. */
#include <confgen/plugins.h>
#include <stdlib.h>
#include <string.h>

#include "attention_bench.h"
#include "base/error.h"

/* The command line. */
struct attention_arguments {
    struct plugin_files files;
    int32_t threads, gpu; /* gpu -1: the CPU */
    char *attention, *caches;
    struct shape_selection shapes;
    const char *of_sizes; /* an option of sizes that was given */
    int32_t page_tokens;
    double seconds, most_seconds;
    int deterministic, list;
    const char *json;
};

/* Options whose values are kept as texts. */
enum {
    OPTION_BATCH = 256,
    OPTION_HEADS,
    OPTION_KV_HEADS,
    OPTION_HEAD_DIM,
    OPTION_V_HEAD_DIM,
    OPTION_ROWS,
    OPTION_KV_LEN,
    OPTION_WINDOW,
    OPTION_CAUSAL,
    OPTION_NO_CAUSAL,
    OPTION_LATENT,
};

static void set_size(struct attention_arguments *a, int option, const char *name)
{
    struct shape_lists *l = &a->shapes.lists;
    const char **texts[] = { &l->batch,      &l->heads, &l->kv_heads, &l->head_dim,
                             &l->v_head_dim, &l->rows,  &l->kv_len,   &l->window };

    a->of_sizes = name;
    if (option == OPTION_LATENT)
        l->latent = 1;
    else if (option == OPTION_CAUSAL || option == OPTION_NO_CAUSAL)
        l->no_mask = option == OPTION_NO_CAUSAL;
    else
        *texts[option - OPTION_BATCH] = optarg;
}

static const struct command_option options[] = {
    { "device", 'd', "cpu|cuda[:I]", "default cpu; cuda: the first GPU" },
    { "attention", 'a', "NAME,...", "default: every attention plugin" },
    { "plugin", 'p', "FILE.so", "another plugin (repeatable)" },
    { "kv-cache", 'k', "NAME,...",
      "static: contiguous slots, paged: pages in random order (default: both); on the CPU also the "
      "name of a cache plugin" },
    { "block-tokens", 'b', "N", "tokens of a page (default 16)" },
    { "set", 's', "NAME,...",
      "sets of shapes (default on the CPU cpu, on a GPU prefill, decode and generator; all); "
      "tools/bench/README.md describes them" },
    { "case", 'c', "NAME,...", "single shapes of the sets, by name" },
    { "list", 'l', NULL, "print the shapes instead" },
    { NULL, 0, NULL, "Other shapes, instead of --set and --case: all combinations of" },
    { "batch", OPTION_BATCH, "N,...", "sequences (default 1)" },
    { "heads", OPTION_HEADS, "N,...", "query heads (default 32)" },
    { "kv-heads", OPTION_KV_HEADS, "N,...", "default: as many" },
    { "head-dim", OPTION_HEAD_DIM, "N,...", "default 128" },
    { "v-head-dim", OPTION_V_HEAD_DIM, "N,...", "elements of a value (default: as --head-dim)" },
    { "rows", OPTION_ROWS, "N,...",
      "query tokens of a sequence (default 1); all: as many as cached" },
    { "kv-len", OPTION_KV_LEN, "N,...",
      "cached tokens of a sequence (default 512); A-B: of all lengths" },
    { "window", OPTION_WINDOW, "N,...", "tokens that a row attends to (default 0: all)" },
    { "causal", OPTION_CAUSAL, NULL, "rows attend to cached tokens up to their own (default)" },
    { "no-causal", OPTION_NO_CAUSAL, NULL, "rows attend to all cached tokens" },
    { "latent", OPTION_LATENT, NULL,
      "values are the first elements of the keys, as in absorbed MLA" },
    { NULL, 0, NULL, "Of all shapes" },
    { "dtype", 'T', "NAME,...",
      "f32, bf16, f16: of queries and output (default f32 on the CPU, bf16 on a GPU)" },
    { "kv-dtype", 'K', "NAME,...",
      "also fp8, int8 with a scale per token and head (default: as --dtype)" },
    { "layout", 'L', "hnd,nhd", "order of tokens and heads in a block (default hnd)" },
    { "deterministic", 'D', NULL,
      "require plans that do not depend on the batch; the CPU always does" },
    { "threads", 't', "N", "default: cores" },
    { "seconds", 'S', "S",
      "time to measure each cell (default 0.2), at least five rounds, but no more than five times "
      "S" },
    { "max-call", 'M', "S", "leave cells out of which a call takes longer (default 20)" },
    { "json", 'j', "FILE", "write the figures, after each shape" },
};

const struct command_page page_bench_attention = {
    .name = "bench attention",
    .summary = "attention plugins compared",
    .usage = "confgen bench attention [options]\n",
    .text = "",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes =
        "N,... is a list; A..B in it are the numbers A, 2A, 4A, .. up to B.\n\nA call is one layer "
        "of one step. Calls use several input sets in turn, which together are larger than the "
        "caches of the processor or GPU, so that keys and values are read from memory; on a GPU "
        "they are replayed as a graph. TFLOP/s counts the pairs that mask and window leave; KV "
        "GB/s counts every key and value that is needed once, and its share is of a copy on a GPU, "
        "of a loop that only reads on the CPU, measured in the same run. KV MB are the memory of "
        "the keys and values of a call, workspace and plan that of the plugin (plan on a GPU: "
        "device memory, kernels included). error is the largest one of sampled rows against f64. A "
        "plugin's refusal, and a shape that does not fit into memory, are printed with the reason.",
};

static const char *option_name(int value)
{
    const struct command_option *o = options;

    while (o->id != value)
        o++;
    return o->name;
}

static void parse_option(struct attention_arguments *a, int option)
{
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
    case 'b':
        a->page_tokens = parse_int("--block-tokens", optarg, 1, 1 << 20);
        break;
    case 'c':
        a->shapes.cases = optarg;
        break;
    case 's':
        a->shapes.sets = optarg;
        break;
    case 'l':
        a->list = 1;
        break;
    case 't':
        a->threads = parse_int("--threads", optarg, 1, CG_MAX_THREADS);
        break;
    case 'S':
        a->seconds = parse_real("--seconds", optarg);
        break;
    case 'M':
        a->most_seconds = parse_real("--max-call", optarg);
        break;
    case 'd':
        a->gpu = parse_gpu(optarg);
        break;
    case 'T':
        a->shapes.dtypes = optarg;
        break;
    case 'K':
        a->shapes.kv_dtypes = optarg;
        break;
    case 'L':
        a->shapes.layouts = optarg;
        break;
    case 'j':
        a->json = optarg;
        break;
    case 'D':
        a->deterministic = 1;
        break;
    default:
        set_size(a, option, option_name(option));
    }
}

static void parse(struct attention_arguments *a, int argc, char **argv)
{
    static char f32[] = "f32", bf16[] = "bf16", cpu_set[] = "cpu",
                gpu_sets[] = "prefill,decode,generator";
    int option;

    while ((option = next_option(argc, argv, &page_bench_attention)) != -1)
        parse_option(a, option);
    no_operands(argc, argv, "add a file with --plugin");
    check_bench_json(a->json);
    a->shapes.is_free = a->of_sizes != NULL;
    if (a->of_sizes && (a->shapes.sets || a->shapes.cases))
        usage_error("--%s: describes a shape, wanted either it or --set and --case", a->of_sizes);
    if (!a->shapes.dtypes)
        a->shapes.dtypes = a->gpu < 0 ? f32 : bf16;
    if (!a->shapes.sets && !a->shapes.cases)
        a->shapes.sets = a->gpu < 0 ? cpu_set : gpu_sets;
}

/* ---- plugins -------------------------------------------------------------------------------- */

static cg_status find_attention(struct attention_bench *b, const cg_plugin_set *set,
                                char *attention, cg_error *err)
{
    const char *names[MAX_ATTENTION];
    cg_loaded_plugin found = { CG_SIZED(cg_loaded_plugin) };

    if (attention) {
        b->n_attention = parse_words("--attention", attention, names, MAX_ATTENTION);
        for (int i = 0; i < b->n_attention; i++)
            CG_TRY(cg_plugin_set_find(set, CG_PLUGIN_ATTENTION, names[i], &b->attention[i], err));
        return CG_OK;
    }
    for (int32_t i = 0; cg_plugin_set_loaded(set, i, &found) && b->n_attention < MAX_ATTENTION; i++)
        if (found.plugin->kind == CG_PLUGIN_ATTENTION)
            b->attention[b->n_attention++] = found.plugin;
    return CG_OK;
}

static cg_status find_caches(struct attention_bench *b, const cg_plugin_set *set, char *caches,
                             int on_gpu, cg_error *err)
{
    const char *names[MAX_CACHES];

    b->n_caches = parse_words("--kv-cache", caches, names, MAX_CACHES);
    for (int i = 0; i < b->n_caches; i++) {
        struct bench_cache *c = &b->caches[i];

        *c = (struct bench_cache) { .name = names[i], .paged = !strcmp(names[i], "paged") };
        if (c->paged || !strcmp(c->name, "static"))
            continue;
        if (on_gpu)
            usage_error("--kv-cache '%s': wanted static or paged on a GPU", c->name);
        CG_TRY(cg_plugin_set_find(set, CG_PLUGIN_CACHE, c->name, &c->plugin, err));
    }
    return CG_OK;
}

/* ---- running -------------------------------------------------------------------------------- */

static cg_status measure_shape(struct attention_bench *b, cg_error *err)
{
    const char *fault = shape_fault(b->shape);

    if (fault)
        return cg_fail(err, CG_ERR_LIMIT, "%s", fault);
    CG_TRY(bench_data_make(b, err));
    for (int i = 0; i < b->n_caches; i++)
        bench_cache_open(b, &b->caches[i]);
    CG_TRY(bench_cells_open(b, err));
    return bench_cells_measure(b, err);
}

/* A shape that is not a valid one or does not fit into memory becomes rows with that reason. */
static cg_status bench_shape(struct attention_bench *b, const struct attention_shape *s,
                             cg_error *err)
{
    cg_status st;

    b->shape = s;
    st = measure_shape(b, err);
    if (st == CG_ERR_LIMIT || st == CG_ERR_NOMEM || st == CG_ERR_DEVICE_NOMEM) {
        bench_cells_refuse(b, st, err->msg);
        *err = (cg_error)CG_ERROR_INIT;
        st = CG_OK;
    }
    if (st == CG_OK)
        bench_attention_show(b);
    if (st == CG_OK && b->json)
        st = bench_attention_write(b, err);
    bench_cells_close(b);
    for (int i = 0; i < b->n_caches; i++)
        bench_cache_close(&b->caches[i]);
    bench_data_free(b);
    samples_finish(&b->memory_rate);
    return st;
}

static cg_status run(struct attention_bench *b, const cg_plugin_set *set,
                     const struct attention_arguments *a, const struct attention_shape *shapes,
                     int n, cg_error *err)
{
    CG_TRY(find_attention(b, set, a->attention, err));
    CG_TRY(find_caches(b, set, a->caches, a->gpu >= 0, err));
    CG_TRY(bench_device_open(a->gpu, &b->device, err));
    b->page_tokens = a->page_tokens;
    b->seconds = a->seconds;
    b->most_seconds = a->most_seconds;
    b->json = a->json;
    b->flags = a->gpu >= 0 ? CG_ATTENTION_GRAPH_SAFE : 0;
    if (a->gpu < 0 || a->deterministic)
        b->flags |= CG_ATTENTION_DETERMINISTIC | CG_ATTENTION_BATCH_INVARIANT;
    if (b->device.gpu)
        printf("%s%s; copy %.3f TB/s (read and written), bf16 matrix product %.1f TFLOP/s\n",
               b->device.info.name, a->deterministic ? ", batch-invariant" : "",
               b->device.ceilings.copy_bytes * 1e-12, b->device.ceilings.matmul_flops * 1e-12);
    else
        printf("%d threads\n", b->host->workers);
    for (int i = 0; i < n; i++)
        CG_TRY(bench_shape(b, &shapes[i], err));
    return CG_OK;
}

int bench_attention(int argc, char **argv)
{
    static char default_caches[] = "static,paged", default_layouts[] = "hnd";
    static struct attention_bench b;
    static struct attention_shape shapes[MAX_SHAPES];
    struct attention_arguments a = {
        .gpu = -1,
        .caches = default_caches,
        .shapes = { .layouts = default_layouts,
                    .lists = { .set = "",
                               .batch = "1",
                               .heads = "32",
                               .head_dim = "128",
                               .kv_len = "512" } },
        .page_tokens = 16,
        .seconds = 0.2,
        .most_seconds = 20,
    };
    cg_plugin_set_options open = { CG_SIZED(cg_plugin_set_options) };
    cg_plugin_set *set = NULL;
    cg_error err = CG_ERROR_INIT;
    cg_status st;
    int n;

    command_name = "bench attention";
    parse(&a, argc, argv);
    n = select_shapes(&a.shapes, shapes);
    if (a.list) {
        bench_attention_list(shapes, n);
        return EXIT_OK;
    }
    open.files = a.files.files;
    open.n_files = a.files.n;
    open.threads = a.threads;
    b.rows = json_array();
    CG_TRY_GOTO(st, cg_plugin_set_open(&open, &set, &err), out);
    b.host = cg_plugin_set_host(set);
    st = run(&b, set, &a, shapes, n, &err);
out:
    bench_device_close(&b.device);
    json_decref(b.rows);
    cg_plugin_set_close(set);
    return st == CG_OK ? EXIT_OK : report_error(&err);
}
