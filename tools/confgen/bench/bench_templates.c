/* SPDX-License-Identifier: MIT */
/* confgen bench templates: molecules/s of the work before decoding. */
#include <stdlib.h>

#include "bench.h"
#include "table.h"

enum { MAX_CELLS = 16, MIN_ROUNDS = 3 };

static const struct command_option options[] = {
    { "workers", 'w', "N,...", "default 1,2" },
    { "model", 'm', "DIR", "model of the tokenizer and text format (default: the default model)" },
    { "tokenizer", 'z', "DIR",
      "folder of the tokenizer, or a tokenizer.json (default: the model's)" },
    { "constraint", 'c', "NAME", "default grammar" },
    { "cache-tokenizer", 'k', NULL, "cache the tokens of words that need more than one token" },
    { "limit", 'l', "N", "read only the first N molecules" },
    { "seconds", 'S', "S",
      "time to measure each number of workers (default 5), at least three rounds" },
};

const struct command_page page_bench_templates = {
    .name = "bench templates",
    .summary = "molecules/s of the work before decoding",
    .usage = "confgen bench templates FILE [options]\n",
    .text = "",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .notes =
        "FILE is a list of molecules, as for --input. RDKit is the time to parse, to write the "
        "canonical SMILES and to compute distance bounds; own is the rest (splitting, prompt, "
        "tokenizer, constraint, geometry tables). Both are per molecule on one worker.",
};

struct templates_cell {
    int32_t workers;
    struct samples rate, chemistry, own, speedup;
};

static cg_status run_round(cg_engine *engine, const cg_request *items, int64_t n,
                           struct templates_cell *cells, int n_cells, cg_report *r, cg_error *err)
{
    for (int i = 0; i < n_cells; i++) {
        struct templates_cell *c = &cells[i];

        CG_TRY(cg_engine_build_templates(engine, items, n, c->workers, r, err));
        samples_add(&c->rate, (double)r->molecules / r->seconds);
        samples_add(&c->chemistry, 1e6 * r->chemistry_seconds / (double)r->molecules);
        samples_add(&c->own, 1e6 * r->template_seconds / (double)r->molecules);
        samples_add(&c->speedup,
                    c->rate.values[c->rate.n - 1] / cells[0].rate.values[cells[0].rate.n - 1]);
    }
    return CG_OK;
}

static void print(struct templates_cell *cells, int n_cells, const cg_report *last)
{
    static const char *const headings[] = { "workers",         "molecules/s", "RDKit us/molecule",
                                            "own us/molecule", "own/RDKit",   "speed-up" };
    struct text_table t;

    printf("%lld molecules, %lld of them refused; medians of %zu rounds\n\n",
           (long long)last->molecules, (long long)last->molecules_failed, cells[0].rate.n);
    table_begin(&t, "rrrrrr", headings);
    for (int i = 0; i < n_cells; i++) {
        double chemistry = samples_median(&cells[i].chemistry);
        double own = samples_median(&cells[i].own);

        table_cell(&t, "%d", cells[i].workers);
        table_cell(&t, "%.0f", samples_median(&cells[i].rate));
        table_cell(&t, "%.1f", chemistry);
        table_cell(&t, "%.1f", own);
        table_cell(&t, "%.3f", own / chemistry);
        table_cell(&t, "%.2f", samples_median(&cells[i].speedup));
    }
    table_print(&t, stdout);
    if (last->token_cache_hits + last->token_cache_misses)
        printf("\ntoken cache: %lld hits, %lld misses\n", (long long)last->token_cache_hits,
               (long long)last->token_cache_misses);
}

int bench_templates(int argc, char **argv)
{
    cg_engine_options engine_options = { CG_SIZED(cg_engine_options), .batch_size = 1 };
    struct templates_cell cells[MAX_CELLS] = { 0 };
    int32_t workers[MAX_CELLS];
    int option, n_cells = parse_ints("--workers", "1,2", 1, CG_MAX_THREADS, workers, MAX_CELLS);
    int64_t limit = 0, n = 0;
    double seconds = 5, start;
    const char *path;
    cg_requests *requests = NULL;
    cg_request *items = NULL;
    cg_engine *engine = NULL;
    cg_report last = { CG_SIZED(cg_report) };
    cg_error err = CG_ERROR_INIT;
    cg_status st;

    command_name = "bench templates";
    while ((option = next_option(argc, argv, &page_bench_templates)) != -1)
        switch (option) {
        case 'w':
            n_cells = parse_ints("--workers", optarg, 1, CG_MAX_THREADS, workers, MAX_CELLS);
            break;
        case 'm':
            engine_options.model = optarg;
            break;
        case 'z':
            engine_options.tokenizer = optarg;
            break;
        case 'c':
            engine_options.constraint = optarg;
            break;
        case 'k':
            engine_options.token_cache = 1;
            break;
        case 'l':
            limit = parse_int64("--limit", optarg, 1, INT64_MAX / 2);
            break;
        default:
            seconds = parse_real("--seconds", optarg);
        }
    path = single_operand(argc, argv, "FILE");
    for (int i = 0; i < n_cells; i++)
        cells[i].workers = workers[i];
    CG_TRY_GOTO(st, cg_requests_read(path, limit, 1, &requests, &err), out);
    n = cg_requests_count(requests);
    if (!n)
        usage_error("'%s': contains no molecule", path);
    items = copy_requests(requests, n, 1);
    CG_TRY_GOTO(st, cg_engine_open(&engine_options, &engine, &err), out);
    CG_TRY_GOTO(st, cg_engine_build_templates(engine, items, n, 0, &last, &err), out); /* warm-up */
    start = cg_now();
    for (int i = 0; i < MIN_ROUNDS || cg_now() - start < seconds * n_cells; i++)
        CG_TRY_GOTO(st, run_round(engine, items, n, cells, n_cells, &last, &err), out);
    print(cells, n_cells, &last);
out:
    for (int i = 0; i < n_cells; i++) {
        samples_finish(&cells[i].rate);
        samples_finish(&cells[i].chemistry);
        samples_finish(&cells[i].own);
        samples_finish(&cells[i].speedup);
    }
    cg_engine_close(engine);
    free(items);
    cg_requests_free(requests);
    return st == CG_OK ? EXIT_OK : report_error(&err);
}
