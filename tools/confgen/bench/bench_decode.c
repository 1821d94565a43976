/* SPDX-License-Identifier: MIT */
/* confgen bench decode: rates of whole generations, by batch size, constraint and plugins. */
#include <confgen/build_info.h>
#include <confgen/plugins.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench_decode.h"
#include "chem/etkdg.h"

enum {
    MIN_ROUNDS = 3,
    BATCHES = 4,       /* that a cell generates */
    FREE_TOKENS = 256, /* limit of unconstrained sequences of random weights, which do not stop */
};

static const struct command_option options[] = {
    { "shape", 's', "default|llama380m|qwen3-0.6b|llama1b|llama7b|gpt2",
      "random weights of these sizes (gpt2: a Llama of GPT-2's)" },
    { "model", 'm', "DIR", "default: the default model" },
    { "tokenizer", 'z', "DIR",
      "folder of the tokenizer, or a tokenizer.json (default: the model's)" },
    { "device", 'd', "cpu|cuda[:I]", "default cpu" },
    { "dtype", 'D', "NAME", "bf16, f16, int8 or f32, of weights and activations" },
    { "kv-dtype", 'K', "NAME,...",
      "of the KV cache: auto (as in a run), f32, bf16, f16, fp8 or int8 (default auto)" },
    { "batch", 'b', "N,...", "default 1,64; on a GPU 512" },
    { "constraint", 'c', "NAME,...", "default none,grammar" },
    { "attention", 'a', "NAME,...|all",
      "default: what was measured on this GPU before, else as in a run with --tune never" },
    { "kv-cache", 'k', "NAME,...|all", "default: likewise" },
    { "plugin", 'p', "FILE.so", "another plugin (repeatable)" },
    { "deterministic", 'i', NULL, "tokens that do not depend on the batch" },
    { "molecules", 'f', "FILE", "default: the sample shipped with confgen" },
    { "limit", 'l', "N", "read only the first N molecules" },
    { "batches", 'B', "N",
      "generate about N batches, of as many molecules as they need (default 4)" },
    { "gens", 'g', "N", "instead, N generations of each molecule" },
    { "temperature", 'T', "T", "default: the model's" },
    { "max-new-tokens", 'n', "N", "limit of a sequence" },
    { "free-tokens", 'F', "N",
      "that limit for `none` with random weights, which do not stop (default 256)" },
    { "max-length", 'L', "N",
      "tokens of a sequence, prompt included (default: the model's context)" },
    { "step-tokens", 'q', "N", "rows of a step (default: by batch size)" },
    { "prompt-step-tokens", 'P', "auto|off|N", "as in confgen generate" },
    { "seconds", 'S', "S", "time to measure each cell (default 20; on a GPU 0)" },
    { "rounds", 'r', "N", "minimum number of rounds (default 3; on a GPU 1)" },
    { "apart", 'A', NULL, "one cell after the other, each with all of the memory, as on a GPU" },
    { "threads", 't', "N", "default: cores" },
    { "etkdg", 'e', NULL, "time RDKit's ETKDGv3 on the same molecules and threads" },
    { "json", 'j', "FILE", "write the figures" },
};

const struct command_page page_bench_decode = {
    .name = "bench decode",
    .summary = "tokens/s and conformers/s",
    .usage = "confgen bench decode [options]\n",
    .text = "",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes = "A cell is a combination of batch size, constraint, attention, cache and its type. "
             "All cells generate the same conformers at the same temperature after a warm-up; on "
             "the CPU in turn, on a GPU one after the other. A cell that plugins refuse or that "
             "does not fit into memory is listed with the reason. tokens/s is tokens of completed "
             "sequences per wall second. matmul, attention and sample are shares of the decoder's "
             "time. ratio is tokens/s relative to `none` in the otherwise identical cell. On a GPU "
             "a second table compares the time of a step with the time that its bytes and products "
             "need at this GPU's copy bandwidth and matrix rate, which are measured in the same "
             "run; the formulas are in tools/bench/README.md. tools/bench/bench_tables.py prints "
             "which pair is the fastest where.",
};

static void parse(struct decode_bench *b, int argc, char **argv)
{
    static char default_constraints[] = "none,grammar";
    char *constraints = default_constraints;
    cg_engine_options *o = &b->options;
    int option;

    while ((option = next_option(argc, argv, &page_bench_decode)) != -1)
        switch (option) {
        case 'm':
            o->model = optarg;
            break;
        case 's':
            o->shape = optarg;
            break;
        case 'z':
            o->tokenizer = optarg;
            break;
        case 'b':
            b->n_batches = parse_ints("--batch", optarg, 1, CG_MAX_BATCH, b->batches, DECODE_LIST);
            break;
        case 'c':
            constraints = optarg;
            break;
        case 'f':
            b->molecules = optarg;
            break;
        case 'l':
            b->limit = parse_int64("--limit", optarg, 1, INT64_MAX / 2);
            break;
        case 'g':
            b->gens = parse_int("--gens", optarg, 1, 1 << 20);
            break;
        case 'B':
            b->wanted_batches = parse_int("--batches", optarg, 1, 1000);
            break;
        case 'T':
            b->sampling.temperature = parse_real("--temperature", optarg);
            break;
        case 'n':
            o->max_new_tokens = parse_int("--max-new-tokens", optarg, 1, 1 << 24);
            break;
        case 'S':
            b->seconds = parse_real("--seconds", optarg);
            break;
        case 't':
            o->threads = parse_int("--threads", optarg, 1, CG_MAX_THREADS);
            break;
        case 'a':
            b->n_attentions = parse_words("--attention", optarg, b->attentions, DECODE_LIST);
            break;
        case 'k':
            b->n_caches = parse_words("--kv-cache", optarg, b->caches, DECODE_LIST);
            break;
        case 'p':
            add_plugin_file(&b->plugins, optarg);
            break;
        case 'd':
            o->device = optarg;
            break;
        case 'D':
            o->dtype = optarg;
            break;
        case 'K':
            b->n_kv_types = parse_words("--kv-dtype", optarg, b->kv_types, DECODE_LIST);
            break;
        case 'i':
            o->deterministic = 1;
            break;
        case 'F':
            b->free_tokens = parse_int("--free-tokens", optarg, 1, 1 << 24);
            break;
        case 'L':
            o->max_length = parse_int("--max-length", optarg, 2, 1 << 24);
            break;
        case 'q':
            o->step_tokens = parse_int("--step-tokens", optarg, 1, 1 << 24);
            break;
        case 'P':
            o->prompt_step_tokens = parse_prompt_step_tokens(optarg);
            break;
        case 'r':
            b->rounds = parse_int("--rounds", optarg, 1, 1000);
            break;
        case 'j':
            b->json = optarg;
            break;
        case 'A':
            b->apart = 1;
            break;
        default:
            b->etkdg = 1;
        }
    no_operands(argc, argv, "");
    check_bench_json(b->json);
    b->n_constraints = parse_words("--constraint", constraints, b->constraints, DECODE_LIST);
    b->on_gpu = !strncmp(o->device, "cuda", 4);
    if (!b->on_gpu && strcmp(o->device, "cpu"))
        usage_error("--device '%s': wanted cpu or cuda[:I]", o->device);
    if (!b->n_batches)
        b->n_batches = parse_ints("--batch", b->on_gpu ? "512" : "1,64", 1, CG_MAX_BATCH,
                                  b->batches, DECODE_LIST);
    b->apart |= b->on_gpu;
    if (b->seconds < 0)
        b->seconds = b->on_gpu ? 0 : 20;
    if (b->wanted_batches && b->gens)
        usage_error("--batches and --gens: wanted one of them");
    if (!b->wanted_batches)
        b->wanted_batches = BATCHES;
    if (!b->rounds)
        b->rounds = b->on_gpu ? 1 : MIN_ROUNDS;
    o->plugins = b->plugins.files;
    o->n_plugins = b->plugins.n;
    o->sampling = &b->sampling;
}

static int is_all(const char *name)
{
    return name && !strcmp(name, "all");
}

/* Replaces "all" by the names of all plugins of a kind. */
static void name_all(const cg_plugin_set *set, cg_plugin_kind kind, const char **names, int32_t *n)
{
    cg_loaded_plugin found = { CG_SIZED(cg_loaded_plugin) };

    if (!is_all(names[0]))
        return;
    *n = 0;
    for (int32_t i = 0; cg_plugin_set_loaded(set, i, &found) && *n < DECODE_LIST; i++)
        if (found.plugin->kind == kind)
            names[(*n)++] = found.plugin->name;
}

/* Names plugins for "all"; their names live as long as the process. */
static cg_status name_plugins(struct decode_bench *b, cg_error *err)
{
    cg_plugin_set_options open = { CG_SIZED(cg_plugin_set_options), .threads = 1,
                                   .files = b->plugins.files, .n_files = b->plugins.n };
    cg_plugin_set *set = NULL;

    if (!is_all(b->attentions[0]) && !is_all(b->caches[0]))
        return CG_OK;
    CG_TRY(cg_plugin_set_open(&open, &set, err));
    name_all(set, CG_PLUGIN_ATTENTION, b->attentions, &b->n_attentions);
    name_all(set, CG_PLUGIN_CACHE, b->caches, &b->n_caches);
    cg_plugin_set_close(set);
    return CG_OK;
}

static cg_status read_molecules(struct decode_bench *b, cg_error *err)
{
    if (!b->molecules) {
        CG_TRY(cg_data_path("geom_drugs_sample.smi", b->default_molecules,
                            sizeof b->default_molecules, err));
        b->molecules = b->default_molecules;
    }
    CG_TRY(cg_requests_read(b->molecules, b->limit, 1, &b->requests, err));
    b->n_items = cg_requests_count(b->requests);
    if (!b->n_items)
        usage_error("--molecules '%s': contains no molecule", b->molecules);
    return CG_OK;
}

/* The batch varies slower than the constraint, and faster than the plugins. */
static void make_cells(struct decode_bench *b)
{
    int64_t n =
        (int64_t)b->n_kv_types * b->n_caches * b->n_attentions * b->n_batches * b->n_constraints;

    if (n > DECODE_CELLS)
        usage_error("%lld cells, wanted at most %d", (long long)n, DECODE_CELLS);
    for (int64_t i = 0; i < n; i++) {
        int64_t k = i / b->n_constraints, batch = b->batches[k % b->n_batches];
        int64_t pair = k / b->n_batches, cache = pair / b->n_attentions,
                wanted = b->wanted_batches * batch;
        int64_t n_molecules = b->gens || b->n_items < wanted ? b->n_items : wanted;

        b->cells[b->n_cells++] = (struct decode_cell) {
            .failure = CG_ERROR_INIT,
            .sum = { CG_SIZED(cg_report) },
            .batch = (int32_t)batch,
            .constraint = b->constraints[i % b->n_constraints],
            .attention = b->attentions[pair % b->n_attentions],
            .kv_cache = b->caches[cache % b->n_caches],
            .kv_type = b->kv_types[cache / b->n_caches],
            .n_molecules = n_molecules,
            .gens = b->gens ? b->gens : (int32_t)((wanted + n_molecules - 1) / n_molecules),
        };
    }
}

static cg_status open_cell(struct decode_bench *b, struct decode_cell *c, cg_error *err)
{
    cg_engine_options o = b->options;
    const cg_engine_info *info;

    o.batch_size = c->batch;
    o.constraint = c->constraint;
    o.attention = c->attention;
    o.kv_cache = c->kv_cache;
    o.kv_dtype = c->kv_type;
    o.tuning = CG_TUNING_NEVER; /* a cell is not measured by the engine */
    if (o.shape && !strcmp(c->constraint, "none") && (b->free_tokens || !o.max_new_tokens))
        o.max_new_tokens = b->free_tokens ? b->free_tokens : FREE_TOKENS;
    CG_TRY(cg_engine_open(&o, &c->engine, err));
    info = cg_engine_get_info(c->engine);
    b->info = *info;
    b->temperature = info->sampling->temperature;
    snprintf(b->model, sizeof b->model, "%s", info->model);
    snprintf(b->device, sizeof b->device, "%s", info->device);
    snprintf(b->dtype, sizeof b->dtype, "%s", info->dtype);
    snprintf(c->attention_used, sizeof c->attention_used, "%s", info->attention);
    snprintf(c->cache_used, sizeof c->cache_used, "%s", info->kv_cache);
    snprintf(c->kv_dtype, sizeof c->kv_dtype, "%s", info->kv_dtype);
    c->kv_token_bytes = info->kv_token_bytes;
    return CG_OK;
}

static void close_cell(struct decode_cell *c)
{
    cg_engine_close(c->engine);
    c->engine = NULL;
}

static cg_status run_cell(const struct decode_bench *b, const struct decode_cell *c, int64_t n,
                          int32_t gens, cg_report *ret_report, cg_error *err)
{
    cg_request *requests = copy_requests(b->requests, n, gens);
    cg_status st = cg_engine_generate(c->engine, requests, n, NULL, NULL, ret_report, err);

    free(requests);
    if (st == CG_OK && !ret_report->tokens)
        usage_error("--molecules '%s': contains no molecule that can be generated", b->molecules);
    return st;
}

/* A short run; on a GPU of a batch, enough to allocate and capture what is made lazily. */
static cg_status warm_up(const struct decode_bench *b, const struct decode_cell *c, cg_error *err)
{
    int64_t wanted = c->batch, n = c->n_molecules;
    cg_report r = { CG_SIZED(cg_report) };

    if (b->on_gpu && wanted < n)
        n = wanted;
    return run_cell(b, c, n, b->on_gpu ? (int32_t)((wanted + n - 1) / n) : 1, &r, err);
}

/* ---- RDKit -------------------------------------------------------------------------------- */

struct embedding {
    const struct decode_bench *b;
    int32_t gens;
    _Atomic int64_t next, embedded;
};

static void *embed(void *arg)
{
    struct embedding *e = arg;
    int64_t task;

    /* a task is a single conformer, to balance the threads */
    while ((task = e->next++) < e->b->n_items * e->gens) {
        cg_request request = { CG_SIZED(cg_request) };
        int32_t n = 0;

        cg_requests_get(e->b->requests, task / e->gens, &request);
        if (cg_etkdg_embed(request.smiles, 1, (int32_t)(task % e->gens), &n, NULL) == CG_OK)
            e->embedded += n;
    }
    return NULL;
}

static double run_etkdg(const struct decode_bench *b, int32_t threads, int32_t gens)
{
    pthread_t *ids = malloc((size_t)threads * sizeof *ids);
    struct embedding e = { .b = b, .gens = gens };
    double start = cg_now();
    int32_t n = 0;

    if (!ids)
        out_of_memory();
    while (n < threads && pthread_create(&ids[n], NULL, embed, &e) == 0)
        n++;
    if (!n)
        out_of_memory();
    for (int32_t i = 0; i < n; i++)
        pthread_join(ids[i], NULL);
    free(ids);
    return (double)e.embedded / (cg_now() - start);
}

/* ---- rounds ------------------------------------------------------------------------------- */

static int same(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* The unconstrained cell that otherwise equals c; NULL without one. */
static struct decode_cell *unconstrained_cell(struct decode_bench *b, const struct decode_cell *c)
{
    for (int i = 0; i < b->n_cells; i++) {
        struct decode_cell *f = &b->cells[i];

        if (f->batch == c->batch && same(f->attention, c->attention) &&
            same(f->kv_cache, c->kv_cache) && same(f->kv_type, c->kv_type) &&
            !strcmp(f->constraint, "none"))
            return f;
    }
    return NULL;
}

static cg_status run_once(const struct decode_bench *b, struct decode_cell *c, cg_error *err)
{
    cg_report r = { CG_SIZED(cg_report) };

    CG_TRY(run_cell(b, c, c->n_molecules, c->gens, &r, err));
    samples_add(&c->tokens, (double)r.tokens / r.seconds);
    samples_add(&c->sampled, (double)r.sampled / r.seconds);
    samples_add(&c->forced, (double)r.forced / r.seconds);
    samples_add(&c->conformers, (double)r.conformers / r.seconds);
    cg_report_add(&c->sum, &r);
    return CG_OK;
}

/* Ratios over the rounds that both cells have completed. */
static void add_ratios(struct decode_bench *b)
{
    for (int i = 0; i < b->n_cells; i++) {
        struct decode_cell *c = &b->cells[i], *without = unconstrained_cell(b, c);

        for (size_t k = 0; without && k < c->tokens.n && k < without->tokens.n; k++)
            samples_add(&c->ratio, c->tokens.values[k] / without->tokens.values[k]);
    }
}

/* A cell that fails for such a reason is listed with it, and the others continue. */
static int is_refusal(cg_status st)
{
    return st == CG_ERR_UNSUPPORTED || st == CG_ERR_MISMATCH || st == CG_ERR_NOMEM ||
           st == CG_ERR_DEVICE_NOMEM;
}

/* Opens a cell and warms it up; one that is refused keeps the reason and no engine. */
static cg_status start_cell(struct decode_bench *b, struct decode_cell *c, cg_error *err)
{
    cg_status st = open_cell(b, c, &c->failure);

    if (st == CG_OK)
        st = warm_up(b, c, &c->failure);
    if (st == CG_OK)
        return CG_OK;
    close_cell(c);
    if (is_refusal(st))
        return CG_OK;
    *err = c->failure;
    return st;
}

/* Runs all cells in turn, so that other load on the machine affects all alike. */
static cg_status measure_together(struct decode_bench *b, cg_error *err)
{
    double start;
    int n_open = 0;

    for (int i = 0; i < b->n_cells; i++) {
        CG_TRY(start_cell(b, &b->cells[i], err));
        n_open += b->cells[i].engine != NULL;
    }
    if (b->etkdg)
        run_etkdg(b, 1, 1);
    start = cg_now();
    for (int n = 0; n_open && (n < b->rounds || cg_now() - start < b->seconds * n_open); n++) {
        for (int i = 0; i < b->n_cells; i++)
            if (b->cells[i].engine)
                CG_TRY(run_once(b, &b->cells[i], err));
        if (b->etkdg)
            samples_add(&b->etkdg_rates, run_etkdg(b, b->info.threads, 4));
    }
    return CG_OK;
}

static cg_status measure_cell(struct decode_bench *b, struct decode_cell *c, cg_error *err)
{
    double start;
    cg_status st;

    CG_TRY_GOTO(st, open_cell(b, c, err), out);
    CG_TRY_GOTO(st, warm_up(b, c, err), out);
    start = cg_now();
    for (int n = 0; n < b->rounds || cg_now() - start < b->seconds; n++)
        CG_TRY_GOTO(st, run_once(b, c, err), out);
out:
    close_cell(c);
    return st;
}

/*
 * Runs one cell after the other, each with all of the memory. A cell that is unsupported or
 * does not fit is reported and the others continue; figures are printed and written cell by cell.
 */
static cg_status measure_apart(struct decode_bench *b, cg_error *err)
{
    /* Reuse the last engine's pages for the next one's weights: mapping gigabytes of fresh pages
     * takes seconds. (glibc; elsewhere only time is lost.) */
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, -1);
    for (int i = 0; i < b->n_cells; i++) {
        struct decode_cell *c = &b->cells[i];
        cg_status st = measure_cell(b, c, &c->failure);

        fprintf(stderr, "[%d/%d] ", i + 1, b->n_cells);
        decode_print_name(stderr, c);
        if (st == CG_OK)
            fprintf(stderr, ": %.0f tokens/s\n", samples_median(&c->tokens));
        else
            print_lines(stderr, ": %s\n", c->failure.msg);
        if (b->json)
            CG_TRY(decode_write_json(b, err));
        if (st != CG_OK && !is_refusal(st)) {
            *err = c->failure;
            return st;
        }
    }
    for (int n = 0; b->etkdg && n < b->rounds; n++)
        samples_add(&b->etkdg_rates, run_etkdg(b, b->info.threads, 4));
    return CG_OK;
}

static int n_measured(const struct decode_bench *b)
{
    int n = 0;

    for (int i = 0; i < b->n_cells; i++)
        n += b->cells[i].tokens.n > 0;
    return n;
}

/* Measures the GPU's ceilings; its memory is free again before the first engine opens. */
static cg_status measure_gpu(struct decode_bench *b, cg_error *err)
{
    const char *colon = strchr(b->options.device, ':');
    int32_t index = colon && colon[1] >= '0' && colon[1] <= '9' ? atoi(colon + 1) : 0;
    cg_gpu *gpu = NULL;
    cg_status st;

    CG_TRY_GOTO(st, cg_gpu_open(index, &gpu, err), out);
    b->gpu.struct_size = sizeof b->gpu;
    b->ceilings.struct_size = sizeof b->ceilings;
    cg_gpu_get_info(gpu, &b->gpu);
    CG_TRY_GOTO(st, cg_gpu_measure(gpu, &b->ceilings, err), out);
out:
    cg_gpu_close(gpu);
    return st;
}

static void finish(struct decode_bench *b)
{
    for (int i = 0; i < b->n_cells; i++) {
        struct decode_cell *c = &b->cells[i];

        close_cell(c);
        samples_finish(&c->tokens);
        samples_finish(&c->sampled);
        samples_finish(&c->forced);
        samples_finish(&c->conformers);
        samples_finish(&c->ratio);
    }
    samples_finish(&b->etkdg_rates);
    cg_requests_free(b->requests);
}

int bench_decode(int argc, char **argv)
{
    static struct decode_bench b = {
        .options = { CG_SIZED(cg_engine_options), .device = "cpu", .geometry = "off" },
        .sampling = { sizeof(cg_sampling), -1, -1, -1, -1, -1 },
        .n_attentions = 1, /* one NULL: selected by the engine */
        .n_caches = 1,
        .n_kv_types = 1,
        .seconds = -1,
    };
    cg_error err = CG_ERROR_INIT, json_err = CG_ERROR_INIT;
    cg_status st;

    command_name = "bench decode";
    parse(&b, argc, argv);
    CG_TRY_GOTO(st, name_plugins(&b, &err), out);
    CG_TRY_GOTO(st, read_molecules(&b, &err), out);
    make_cells(&b);
    if (b.on_gpu)
        CG_TRY_GOTO(st, measure_gpu(&b, &err), out);
    st = b.apart ? measure_apart(&b, &err) : measure_together(&b, &err);
    if (n_measured(&b)) { /* print them also if a later cell failed */
        add_ratios(&b);
        decode_print(&b);
        if (b.json && decode_write_json(&b, &json_err) != CG_OK && st == CG_OK) {
            err = json_err;
            st = err.code;
        }
    } else if (st == CG_OK) {
        err = b.cells[0].failure;
        st = err.code;
    }
out:
    finish(&b);
    return st == CG_OK ? EXIT_OK : report_error(&err);
}
