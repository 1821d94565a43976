/* SPDX-License-Identifier: MIT */
/* confgen bench decode: whole generations, constrained and not, small batches and large. */
#include <confgen/machine.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "table.h"

enum {
    MAX_CELLS = 32,
    MIN_ROUNDS = 3,
    FREE_TOKENS = 256, /* of an unconstrained sequence of random weights, which never stops */
};

static const char help[] =
    "confgen bench decode [options]\n"
    "\n"
    "  --model DIR | --shape NAME    default, llama380m, qwen3-0.6b: random weights (default: the\n"
    "                                default model)\n"
    "  --tokenizer DIR               of a shape (default: the default model's)\n"
    "  --batch N,...                 default 1,64\n"
    "  --constraint NAME,...         default none,grammar\n"
    "  --molecules FILE              default: the sample that comes along\n"
    "  --limit N                     read the first N molecules only\n"
    "  --gens N                      generations of a molecule (default: enough for four batches)\n"
    "  --temperature T               default: the model's\n"
    "  --max-new-tokens N            bound of a sequence (random weights, none: default 256)\n"
    "  --seconds S                   of measuring for each cell (default 20); three rounds at "
    "least\n"
    "  --threads N                   default: cores\n"
    "  --attention NAME  --kv-cache NAME  --plugin FILE.so\n"
    "  --etkdg                       time RDKit's ETKDGv3 on the same molecules and threads\n"
    "\n"
    "A cell is a batch size and a constraint. All cells generate the same molecules as often at "
    "the\n"
    "same temperature, in turn, after a warm-up round. tokens/s counts the tokens of ended\n"
    "sequences by the wall time of the call. matmul, attention and sample are shares of the time "
    "in\n"
    "the decoder. ratio is tokens/s over those of `none` at the same batch size.\n";

struct cell {
    int32_t batch;
    const char *constraint;
    int32_t gens;
    cg_engine *engine;
    struct samples tokens, sampled, forced, conformers, ratio;
    cg_report sum; /* of all rounds */
};

struct bench {
    cg_engine_options options;
    cg_sampling sampling;
    struct plugin_files plugins;
    int32_t batches[MAX_CELLS], n_batches;
    const char *constraints[MAX_CELLS];
    int32_t n_constraints;
    const char *molecules;
    int64_t limit;
    int32_t gens;
    double seconds;
    int etkdg;
    char default_molecules[PATH_MAX];
    cg_requests *requests;
    const cg_request *items;
    int64_t n_items;
    struct cell cells[MAX_CELLS];
    int n_cells;
    struct samples etkdg_rates;
};

static void parse(struct bench *b, int argc, char **argv)
{
    static const struct option options[] = {
        { "model", required_argument, NULL, 'm' },
        { "shape", required_argument, NULL, 's' },
        { "tokenizer", required_argument, NULL, 'z' },
        { "batch", required_argument, NULL, 'b' },
        { "constraint", required_argument, NULL, 'c' },
        { "molecules", required_argument, NULL, 'f' },
        { "limit", required_argument, NULL, 'l' },
        { "gens", required_argument, NULL, 'g' },
        { "temperature", required_argument, NULL, 'T' },
        { "max-new-tokens", required_argument, NULL, 'n' },
        { "seconds", required_argument, NULL, 'S' },
        { "threads", required_argument, NULL, 't' },
        { "attention", required_argument, NULL, 'a' },
        { "kv-cache", required_argument, NULL, 'k' },
        { "plugin", required_argument, NULL, 'p' },
        { "etkdg", no_argument, NULL, 'e' },
        { "help", no_argument, NULL, OPTION_HELP },
        { NULL, 0, NULL, 0 },
    };
    static char default_constraints[] = "none,grammar";
    char *constraints = default_constraints;
    cg_engine_options *o = &b->options;
    int option;

    b->n_batches = parse_ints("--batch", "1,64", 1, 65536, b->batches, MAX_CELLS);
    while ((option = next_option(argc, argv, options, help)) != -1)
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
            b->n_batches = parse_ints("--batch", optarg, 1, 65536, b->batches, MAX_CELLS);
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
        case 'T':
            b->sampling.temperature = parse_real("--temperature", optarg);
            break;
        case 'n':
            o->max_new_tokens = parse_int("--max-new-tokens", optarg, 1, 1 << 24);
            break;
        case 'S':
            b->seconds = (double)parse_real("--seconds", optarg);
            break;
        case 't':
            o->threads = parse_int("--threads", optarg, 1, 4096);
            break;
        case 'a':
            o->attention = optarg;
            break;
        case 'k':
            o->kv_cache = optarg;
            break;
        case 'p':
            add_plugin_file(&b->plugins, optarg);
            break;
        default:
            b->etkdg = 1;
        }
    if (optind < argc)
        usage_error("'%s': takes no operand", argv[optind]);
    b->n_constraints = parse_words("--constraint", constraints, b->constraints, MAX_CELLS);
    if (b->n_batches * b->n_constraints > MAX_CELLS)
        usage_error("more than %d cells", MAX_CELLS);
    o->plugins = b->plugins.files;
    o->n_plugins = b->plugins.n;
    o->sampling = &b->sampling;
}

static cg_status read_molecules(struct bench *b, cg_error *err)
{
    cg_status status = CG_OK;

    if (!b->molecules) {
        status = cg_data_path("geom_drugs_sample.smi", b->default_molecules,
                              sizeof b->default_molecules, err);
        b->molecules = b->default_molecules;
    }
    if (status == CG_OK)
        status = cg_requests_read(b->molecules, b->limit, 1, &b->requests, err);
    if (status != CG_OK)
        return status;
    b->n_items = cg_requests_get(b->requests, &b->items, NULL);
    if (!b->n_items)
        usage_error("--molecules '%s': no molecule in it", b->molecules);
    return CG_OK;
}

static cg_status open_cells(struct bench *b, cg_error *err)
{
    for (int i = 0; i < b->n_batches; i++)
        for (int k = 0; k < b->n_constraints; k++) {
            struct cell *c = &b->cells[b->n_cells++];
            cg_engine_options o = b->options;
            cg_status status;

            *c = (struct cell) { .batch = b->batches[i], .constraint = b->constraints[k] };
            c->gens = b->gens ? b->gens : (int32_t)((4 * c->batch + b->n_items - 1) / b->n_items);
            o.batch_size = c->batch;
            o.constraint = c->constraint;
            if (o.shape && !o.max_new_tokens && !strcmp(c->constraint, "none"))
                o.max_new_tokens = FREE_TOKENS;
            status = cg_engine_open(&o, &c->engine, err);
            if (status != CG_OK)
                return status;
        }
    return CG_OK;
}

/* The molecules with `gens` conformers each. */
static cg_request *copy_requests(const struct bench *b, int32_t gens)
{
    cg_request *copy = malloc((size_t)b->n_items * sizeof *copy);

    if (!copy)
        out_of_memory();
    for (int64_t i = 0; i < b->n_items; i++) {
        copy[i] = b->items[i];
        copy[i].n_conformers = gens;
    }
    return copy;
}

static cg_status run_cell(const struct bench *b, const struct cell *c, int32_t gens,
                          cg_report *ret_report, cg_error *err)
{
    cg_request *requests = copy_requests(b, gens);
    cg_status status =
        cg_engine_generate(c->engine, requests, b->n_items, NULL, NULL, ret_report, err);

    free(requests);
    if (status == CG_OK && !ret_report->tokens)
        usage_error("--molecules '%s': none of them can be generated", b->molecules);
    return status;
}

static void add_report(cg_report *sum, const cg_report *r)
{
    sum->requested += r->requested;
    sum->conformers += r->conformers;
    sum->steps += r->steps;
    sum->decode_seconds += r->decode_seconds;
    sum->matmul_seconds += r->matmul_seconds;
    sum->attention_seconds += r->attention_seconds;
    sum->sample_seconds += r->sample_seconds;
}

/* ---- RDKit alone -------------------------------------------------------------------------- */

struct embedding {
    const struct bench *b;
    int32_t gens;
    _Atomic int64_t next, embedded;
};

static void *embed(void *arg)
{
    struct embedding *e = arg;
    int64_t task;

    /* a task is one conformer, so that the threads end together */
    while ((task = e->next++) < e->b->n_items * e->gens) {
        int32_t n = 0;

        if (cg_etkdg_embed(e->b->items[task / e->gens].smiles, 1, (int32_t)(task % e->gens), &n,
                           NULL) == CG_OK)
            e->embedded += n;
    }
    return NULL;
}

static double run_etkdg(const struct bench *b, int32_t threads, int32_t gens)
{
    pthread_t *ids = malloc((size_t)threads * sizeof *ids);
    struct embedding e = { .b = b, .gens = gens };
    double start = now();
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
    return (double)e.embedded / (now() - start);
}

/* ---- rounds ------------------------------------------------------------------------------- */

/* The unconstrained cell of the same batch size, NULL without one. */
static struct cell *free_cell(struct bench *b, const struct cell *c)
{
    for (int i = 0; i < b->n_cells; i++)
        if (b->cells[i].batch == c->batch && !strcmp(b->cells[i].constraint, "none"))
            return &b->cells[i];
    return NULL;
}

static cg_status run_round(struct bench *b, cg_error *err)
{
    for (int i = 0; i < b->n_cells; i++) {
        struct cell *c = &b->cells[i];
        cg_report r;
        cg_status status = run_cell(b, c, c->gens, &r, err);

        if (status != CG_OK)
            return status;
        samples_add(&c->tokens, (double)r.tokens / r.seconds);
        samples_add(&c->sampled, (double)r.sampled / r.seconds);
        samples_add(&c->forced, (double)r.forced / r.seconds);
        samples_add(&c->conformers, (double)r.conformers / r.seconds);
        add_report(&c->sum, &r);
    }
    for (int i = 0; i < b->n_cells; i++) {
        struct cell *c = &b->cells[i], *without = free_cell(b, c);

        if (without)
            samples_add(&c->ratio, c->tokens.values[c->tokens.n - 1] /
                                       without->tokens.values[without->tokens.n - 1]);
    }
    if (b->etkdg)
        samples_add(&b->etkdg_rates,
                    run_etkdg(b, cg_engine_get_info(b->cells[0].engine)->threads, 4));
    return CG_OK;
}

static cg_status measure(struct bench *b, cg_error *err)
{
    cg_status status = CG_OK;
    cg_report r;
    double start;

    for (int i = 0; i < b->n_cells && status == CG_OK; i++)
        status = run_cell(b, &b->cells[i], 1, &r, err);
    if (b->etkdg && status == CG_OK)
        run_etkdg(b, 1, 1);
    start = now();
    for (int n = 0;
         status == CG_OK && (n < MIN_ROUNDS || now() - start < b->seconds * (double)b->n_cells);
         n++)
        status = run_round(b, err);
    return status;
}

static void print(struct bench *b)
{
    static const char *const heads[] = { "batch",  "constraint",   "tokens/s", "sampled", "forced",
                                         "ratio",  "conformers/s", "failed",   "steps",   "ms/step",
                                         "matmul", "attention",    "sample" };
    const cg_engine_info *info = cg_engine_get_info(b->cells[0].engine);
    struct table t;

    printf("%s, %.1f M parameters, %s, %d threads, attention %s, KV cache %s, temperature %g\n"
           "%lld molecules of %s; medians of %zu rounds\n\n",
           info->model, (double)info->parameters * 1e-6, info->device, info->threads,
           info->attention, info->kv_cache, (double)info->sampling.temperature,
           (long long)b->n_items, b->molecules, b->cells[0].tokens.n);
    table_begin(&t, "rlrrrrrrrrrrr", heads);
    for (int i = 0; i < b->n_cells; i++) {
        struct cell *c = &b->cells[i];
        const cg_report *s = &c->sum;
        double decode = s->decode_seconds;

        table_cell(&t, "%d", c->batch);
        table_cell(&t, "%s", c->constraint);
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
        table_cell(&t, "%.3f", 1e3 * decode / (double)s->steps);
        table_cell(&t, "%.1f %%", 100 * s->matmul_seconds / decode);
        table_cell(&t, "%.1f %%", 100 * s->attention_seconds / decode);
        table_cell(&t, "%.1f %%", 100 * s->sample_seconds / decode);
    }
    table_print(&t, stdout);
    if (b->etkdg)
        printf("\nRDKit ETKDGv3, hydrogens added, no force field, %d threads: %.2f conformers/s\n",
               info->threads, samples_median(&b->etkdg_rates));
}

static void finish(struct bench *b)
{
    for (int i = 0; i < b->n_cells; i++) {
        struct cell *c = &b->cells[i];

        cg_engine_close(c->engine);
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
    static struct bench b = {
        .options = { CG_SIZED(cg_engine_options) },
        .sampling = { sizeof(cg_sampling), -1, -1, -1, -1, -1 },
        .seconds = 20,
    };
    cg_error err = CG_ERROR_INIT;
    cg_status status;

    command_name = "bench decode";
    parse(&b, argc, argv);
    status = read_molecules(&b, &err);
    if (status == CG_OK)
        status = open_cells(&b, &err);
    if (status == CG_OK)
        status = measure(&b, &err);
    if (status == CG_OK)
        print(&b);
    finish(&b);
    return status == CG_OK ? EXIT_OK : report_error(&err);
}
