/* SPDX-License-Identifier: MIT */
/* confgen SMILES ..., confgen --input FILE ...: generates conformers of molecules. */
#include <confgen/gpu.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "commands.h"
#include "paint.h"

enum { PROGRESS_AUTO, PROGRESS_NEVER, PROGRESS_JSON };

struct generate {
    cg_engine_options engine;
    cg_run_options run;
    cg_sampling sampling; /* members that were not given are negative */
    const char *ensemble; /* preset; NULL: none */
    struct {              /* over those of the preset; negative: not given */
        int32_t add_hs, minimize, sort, max_conformers;
        double prune, energy_window;
    } given;
    struct plugin_files plugins;
    cg_buf molecules; /* of the command line: lines of a .smi */
    cg_append_file report;
    json_t *messages;     /* failures that the report repeats */
    int64_t n_failures;   /* messages about them */
    json_t *warnings;     /* of the library, for the report */
    pthread_mutex_t lock; /* guards `warnings` */
    int progress;         /* PROGRESS_* */
    int quiet;
    double last_shown, started; /* on the clock of cg_now() */
};

static volatile sig_atomic_t signalled;
static volatile int stop_run;

static void on_signal(int number)
{
    signalled = number;
    stop_run = 1;
}

/* The first signal ends the run cleanly; a second signal of the same kind kills the program. */
static void catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a write error */
}

/* ---- progress ----------------------------------------------------------------------------- */

/*
 * Seconds until the last sequence ends; -1: unknown. The tokens of all sequences are those of the
 * finished ones, on average; before one is finished, the most that they can be. What a repair
 * evaluates again counts as progress.
 */
static double seconds_left(const cg_report *r, double seconds)
{
    const double to_do = (double)(r->total_conformers - r->conformers_resumed);
    const double done = (double)r->evaluated;
    const double all = r->sequences ? to_do * (double)r->tokens / (double)r->sequences
                                    : (double)r->expected_tokens;

    if (!r->total_conformers || done <= 0 || all <= 0)
        return -1;
    return done < all ? seconds * (all - done) / done : 0;
}

/* The share of the work that is done, 0 to 1. */
static double share_done(const cg_report *r, double seconds)
{
    const double left = seconds_left(r, seconds);

    return left < 0 || seconds + left <= 0 ? 0 : seconds / (seconds + left);
}

static void show_bar(const cg_report *r, int64_t done, double seconds)
{
    enum { WIDTH = 24 };
    const double left = seconds_left(r, seconds);
    const int filled = (int)(share_done(r, seconds) * WIDTH);
    const int64_t conformers = r->sequences + r->conformers_resumed;

    fputs("\r", stderr);
    if (r->total_conformers) /* unknown for a pipe */
        fprintf(stderr, "[%s%.*s%s%*s] %lld of %lld molecules, %lld of %lld conformers",
                paint(stderr, PAINT_BAR), filled, "########################",
                paint(stderr, PAINT_NONE), WIDTH - filled, "", (long long)done,
                (long long)r->total_molecules, (long long)conformers,
                (long long)r->total_conformers);
    else
        fprintf(stderr, "%lld molecules, %lld conformers", (long long)done, (long long)conformers);
    fprintf(stderr, ", %lld tokens", (long long)(r->prompt_tokens + r->evaluated));
    if (seconds > 0)
        fprintf(stderr, " (%.0f/s)", (double)(r->prompt_tokens + r->evaluated) / seconds);
    if (left >= 0)
        fprintf(stderr, r->sequences ? ", %.0f s left" : ", at most %.0f s left", left);
    fputs("\033[K", stderr);
}

static void show_json(const cg_report *r, int64_t done, double seconds)
{
    const double left = seconds_left(r, seconds);

    fprintf(stderr,
            "{\"molecules\":%lld,\"total_molecules\":%lld,\"conformers\":%lld,"
            "\"total_conformers\":%lld,\"tokens\":%lld,\"evaluated\":%lld,\"seconds\":%.3f,"
            "\"seconds_left\":",
            (long long)done, (long long)r->total_molecules,
            (long long)(r->sequences + r->conformers_resumed), (long long)r->total_conformers,
            (long long)r->tokens, (long long)(r->prompt_tokens + r->evaluated), seconds);
    fprintf(stderr, left < 0 ? "null}\n" : "%.1f}\n", left);
}

static void on_progress(void *ctx, const cg_report *r, int64_t done)
{
    struct generate *s = ctx;
    double t = cg_now();

    if (t - s->last_shown < (s->progress == PROGRESS_JSON ? 1.0 : 0.2))
        return;
    s->last_shown = t;
    (s->progress == PROGRESS_JSON ? show_json : show_bar)(r, done + r->molecules_resumed,
                                                          t - s->started);
}

static void clear_bar(const struct generate *s)
{
    if (s->run.progress && s->progress == PROGRESS_AUTO)
        fputs("\r\033[K", stderr);
}

/* Failures on standard error and in the report; --failed has all of them. */
enum { MAX_SHOWN = 100, MAX_MESSAGES = 1000 };

static void on_failure(void *ctx, const char *text)
{
    struct generate *s = ctx;

    clear_bar(s);
    if (s->n_failures < MAX_SHOWN)
        message("%s", text);
    else if (s->n_failures == MAX_SHOWN && s->run.failed)
        message("more failures are not shown; '%s' lists them", s->run.failed);
    else if (s->n_failures == MAX_SHOWN)
        message("more failures are not shown; --failed FILE lists them");
    s->n_failures++;
    if (json_array_size(s->messages) < MAX_MESSAGES)
        json_array_append_new(s->messages, cg_json_text(text));
}

/* cg_engine_options.log: any thread. */
static void on_log(void *ctx, int32_t level, const char *text)
{
    struct generate *s = ctx;

    if (level > CG_LOG_WARNING)
        return;
    if (!s->quiet) {
        clear_bar(s);
        message("%s", text);
    }
    pthread_mutex_lock(&s->lock);
    if (json_array_size(s->warnings) < MAX_MESSAGES)
        json_array_append_new(s->warnings, cg_json_text(text));
    pthread_mutex_unlock(&s->lock);
}

/* ---- options ------------------------------------------------------------------------------ */

enum {
    O_INPUT = 256,
    O_SMILES,
    O_FORMAT,
    O_GENS,
    O_ADD_HS,
    O_MINIMIZE,
    O_ENERGIES,
    O_ENSEMBLE,
    O_PRUNE,
    O_ENERGY_WINDOW,
    O_MAX_CONFORMERS,
    O_SORT,
    O_CORE,
    O_FAILED,
    O_HEADER,
    O_LIMIT,
    O_SHARD,
    O_RESUME,
    O_OVERWRITE,
    O_MODEL,
    O_TOKENIZER,
    O_CONSTRAINT,
    O_TEMPERATURE,
    O_TOP_P,
    O_TOP_K,
    O_MIN_P,
    O_GREEDY,
    O_SAMPLING,
    O_SEED,
    O_MAX_NEW,
    O_CHECK,
    O_RETRY,
    O_GEOMETRY,
    O_DEVICE,
    O_DTYPE,
    O_KV_DTYPE,
    O_DETERMINISTIC,
    O_TUNE,
    O_MAX_LENGTH,
    O_STEP_TOKENS,
    O_PROMPT_STEP_TOKENS,
    O_ATTENTION,
    O_KV_CACHE,
    O_PLUGIN,
    O_BATCH,
    O_THREADS,
    O_PARALLEL,
    O_WORKERS,
    O_TOKEN_CACHE,
    O_REPORT,
    O_PROGRESS,
    O_QUIET,
    O_VERSION,
};

static const struct command_option options[] = {
    { NULL, 0, NULL, "input and output" },
    { "input", O_INPUT, "FILE|-",
      ".smi (SMILES, name, k), .csv, .tsv, .sdf, .mol, .mol2; also .gz, .zst; - is standard "
      "input" },
    { "smiles", O_SMILES, "SMILES", "a molecule of the command line, as SMILES...; repeatable" },
    { "output", 'o', "FILE|-",
      "default <stem>.sdf.zst, or - (standard output) for molecules of the command line; the "
      "suffix selects .zst, .gz or plain" },
    { "format", O_FORMAT, "sdf|mol2|pdb|xyz|smiles3d|json",
      "kind of the records (default: by the output's name, else sdf)" },
    { "gens", O_GENS, "N|Nk", "conformers per molecule; Nk: N for each of its k references (1)" },
    { "add-hs", O_ADD_HS, NULL,
      "write hydrogens too, in all formats but smiles3d; without it records other than mol2 hold "
      "heavy atoms only" },
    { "minimize", O_MINIMIZE, "none|hydrogens|mmff94|mmff94s|mmff94_noestat|mmff94s_noestat",
      "move hydrogens, or all atoms, to a minimum of the MMFF94 energy (none), with or without its "
      "electrostatic terms, or of UFF's where MMFF94 has no parameters; it is written to the "
      "record. Hydrogens are written with --add-hs" },
    { "energies", O_ENERGIES, NULL,
      "write the MMFF94 energy to the record, or that of UFF where MMFF94 has no parameters" },
    { "ensemble", O_ENSEMBLE, "raw|standard|thorough",
      "standard: --add-hs --minimize mmff94_noestat --prune 0.5 --sort energy; thorough: "
      "mmff94s_noestat and --prune 0.25; the options below and above override it (raw)" },
    { "prune", O_PRUNE, "RMSD",
      "write one of conformers nearer than that, in angstroms over heavy atoms and symmetries: the "
      "lowest in energy, else the first" },
    { "energy-window", O_ENERGY_WINDOW, "KCAL",
      "write conformers up to that above the molecule's lowest energy" },
    { "max-conformers", O_MAX_CONFORMERS, "N",
      "write the N lowest in energy of a molecule, else the first N" },
    { "sort", O_SORT, "energy|generation", "order of a molecule's records (generation)" },
    { "core", O_CORE, "FILE",
      "keep the coordinates of a substructure: the heavy atoms of the molecule in FILE, .sdf or "
      ".mol; conformers are in its frame" },
    { "failed", O_FAILED, "FILE",
      "list failures with their reasons and raw text; standard error shows the first 100" },
    { "header", O_HEADER, "auto|yes|no", "whether the first line of a .smi is a header (auto)" },
    { "limit", O_LIMIT, "N", "read only the first N molecules" },
    { "shard", O_SHARD, "I/N", "part I of N, counted from 0; concatenated outputs make the whole" },
    { "resume", O_RESUME, NULL, "continue an interrupted output" },
    { "overwrite", O_OVERWRITE, NULL, "replace an existing output" },
    { NULL, 0, NULL, "model and sampling" },
    { "model", O_MODEL, "DIR",
      "a Hugging Face directory (default: the model shipped with confgen)" },
    { "tokenizer", O_TOKENIZER, "DIR",
      "folder of the tokenizer, if it is not the model's; a tokenizer.json is read alone, without "
      "the settings beside it" },
    { "constraint", O_CONSTRAINT, "NAME", "grammar (default), template, none, or a plugin's" },
    { "temperature", O_TEMPERATURE, "T", "more than 0 (default: the model's)" },
    { "top-p", O_TOP_P, "P",
      "the most probable tokens that together have the probability P; 1 is off" },
    { "top-k", O_TOP_K, "K", "the K most probable tokens; 0 is off" },
    { "min-p", O_MIN_P, "M", "tokens of at least M times the highest probability; 0 is off" },
    { "greedy", O_GREEDY, NULL,
      "the most probable token; all conformers of a molecule are then the same" },
    { "sampling", O_SAMPLING, "PRESET",
      "greedy, recall, precision, qwen3, top_p_sampling1..16, min_p_sampling1..12, "
      "top_p_low_temperature and the sweeps of 3DMolGen" },
    { "seed", O_SEED, "S", "of the random numbers (0)" },
    { "max-new-tokens", O_MAX_NEW, "N", "limit of a conformer's tokens" },
    { "geometry", O_GEOMETRY, "off|count|repair",
      "test each atom as it is generated: off, count failures, or repair them (default)" },
    { "check", O_CHECK, NULL,
      "check geometry and stereo of each conformer; failures are written to its record and counted "
      "in the report" },
    { "retry", O_RETRY, "N", "sample a failed conformer up to N more times, keep the best (0)" },
    { NULL, 0, NULL, "machine" },
    { "device", O_DEVICE, "auto|cpu|cuda|cuda:I,J|cuda:all",
      "auto: the first GPU if it supports the model, else the CPU" },
    { "dtype", O_DTYPE, "auto|bf16|f16|int8|f32",
      "of weights and activations (auto: on a GPU what the model's confgen.json names, else bf16); "
      "int8: bf16 with matrix products of int8, on compute capability 9.0; f32 to compare with the "
      "CPU, which computes in f32" },
    { "kv-dtype", O_KV_DTYPE, "auto|f32|bf16|f16|fp8|int8",
      "of the KV cache (auto: as --dtype, or on a GPU what the model's confgen.json names); fp8 "
      "and int8 keep a scale per token and head" },
    { "deterministic", O_DETERMINISTIC, NULL,
      "on a GPU: the same conformers for any batch size and number of GPUs" },
    { "attention", O_ATTENTION, "auto|NAME", "attention plugin; confgen plugins list names them" },
    { "kv-cache", O_KV_CACHE, "auto|NAME", "KV cache plugin" },
    { "plugin", O_PLUGIN, "FILE.so", "another plugin (repeatable)" },
    { "batch-size", O_BATCH, "auto|N", "sequences decoded at once (on each GPU)" },
    { "tune", O_TUNE, "auto|never|always",
      "measure the settings left at auto: on a GPU once per configuration (auto), never, or in "
      "this run, also on the CPU (always)" },
    { "max-length", O_MAX_LENGTH, "N",
      "tokens of a sequence, prompt included (default: the model's context, at most 4096)" },
    { "step-tokens", O_STEP_TOKENS, "auto|N", "tokens evaluated in one step" },
    { "prompt-step-tokens", O_PROMPT_STEP_TOKENS, "auto|off|N",
      "tokens of a step over prompts alone; off: prompts are part of the other steps (default "
      "auto: on a GPU by batch size, off on the CPU)" },
    { "threads", O_THREADS, "N", "threads of the decoder (default, and at most: cores available)" },
    { "template-workers", O_WORKERS, "N",
      "threads that build templates and write records (default: SLURM_CPUS_PER_TASK, else cores; "
      "at most: cores available)" },
    { "parallel-templates", O_PARALLEL, NULL,
      "accepted for compatibility with the system that confgen replaces; no effect: templates are "
      "built in parallel unless --template-workers 1" },
    { "cache-tokenizer", O_TOKEN_CACHE, NULL,
      "cache the tokens of words that need more than one token: most with Qwen3's tokenizer, few "
      "with the default model's" },
    { NULL, 0, NULL, "messages" },
    { "report", O_REPORT, "FILE.json",
      "counts, times, selected plugins and sizes with the reasons" },
    { "progress", O_PROGRESS, "auto|never|json",
      "a bar on a terminal; json: one line per second on standard error" },
    { "quiet", O_QUIET, NULL, "print errors only" },
    { "version", O_VERSION, NULL, "print the version" },
};

static const struct foreign_option foreign[] = {
    { "input", "i f in infile in-file file" },
    { "output", "outfile out-file" },
    { "format", "out-format output-format outfmt" },
    { "gens", "n c num number nconf nconfs n-confs num-confs confs conformers n-conformers "
              "num-conformers numconfs maxconfs max-confs" },
    { "add-hs", "hydrogens with-hydrogens add-hydrogens explicit-hydrogens hs" },
    { "minimize", "optimize optimise opt ff forcefield mmff mmff94 uff" },
    { "energy-window", "e ewindow energy-cutoff" },
    { "prune", "rmsd rms rms-threshold cluster" },
    { "core", "scaffold template constrain fixed-core coord-map" },
    { "failed", "errors failures" },
    { "overwrite", "force y" },
    { "model", "m checkpoint ckpt" },
    { "device", "gpu cpu cuda" },
    { "threads", "j t p cores cpus jobs nprocs num-threads n-threads" },
    { "quiet", "q silent" },
    { "version", "v V" },
};

const struct command_page page_generate = {
    .name = "",
    .summary = "SMILES to 3D conformers",
    .usage =
        "confgen: SMILES to 3D conformers\n"
        "\n"
        "  confgen SMILES... [options]           generate conformers, on standard output\n"
        "  confgen --input FILE|- [options]      the same for a list of molecules, to a file\n"
        "  confgen plugins list|matrix|check|new attention, KV cache and constraint plugins\n"
        "  confgen inspect FILE                  list an output's molecules, extract one\n"
        "  confgen eval --ref FILE --gen FILE    COV and MAT against reference conformers\n"
        "  confgen draw FILE                     a molecule's conformers as a picture (SVG)\n"
        "  confgen model inspect DIR             what a checkpoint is, and whether it runs\n"
        "  confgen text write|read               conformers to the text of a model's format and "
        "back\n"
        "  confgen bench decode|attention|tokenizer|templates|rmsd|minimize\n"
        "  confgen doctor                        describe this machine, plugins and default model\n"
        "  confgen docs man|completion           man page, completion of bash and zsh\n"
        "  confgen help [COMMAND|OPTION]         this text, or that of a command or option\n",
    .text = "Records hold the heavy atoms, without hydrogens. --add-hs writes hydrogens too; "
            "--ensemble standard writes them, moves all atoms to a minimum of the MMFF94 energy "
            "without electrostatic terms, and leaves out duplicates.",
    .options = options,
    .n_options = sizeof options / sizeof options[0],
    .foreign = foreign,
    .n_foreign = sizeof foreign / sizeof foreign[0],
    .letter = 'o',
    .notes =
        "Exit status: 0 all conformers written, 1 some molecules failed, 2 the command line "
        "is wrong (also a file whose name ends in a kind that is not read or written), 3 a "
        "file, its content, model, plugin, device or disk fails, 130 interrupted, resumable.\n\n"
        "README.md, installed in share/doc/confgen, describes lists and their columns, "
        "the formats of records, ensembles and limits; man confgen has the options of all "
        "commands.",
};

/* "N" or "Nk" */
static void parse_gens(cg_run_options *run, const char *text)
{
    size_t len = strlen(text);
    char number[16];

    run->gens_per_reference = len && (text[len - 1] == 'k' || text[len - 1] == 'K');
    if (len - (size_t)run->gens_per_reference >= sizeof number)
        usage_error("--gens '%s': wanted a number such as 10, or 2k", text);
    snprintf(number, sizeof number, "%.*s", (int)(len - (size_t)run->gens_per_reference), text);
    run->gens = parse_int("--gens", number, 1, 1000000000);
}

/* "I/N" */
static void parse_shard(cg_run_options *run, const char *text)
{
    int used = 0;

    if (sscanf(text, "%d/%d%n", &run->shard, &run->shards, &used) != 2 || text[used] ||
        run->shards < 1 || run->shard < 0 || run->shard >= run->shards)
        usage_error("--shard '%s': wanted I/N with I from 0 to N-1", text);
}

/* Parses a value of sampling into *member, a member of *sampling. The bounds are the engine's; a
 * negative value is refused here, because it would select the model's own. */
static void parse_sampling(cg_sampling *sampling, double *member, const char *name,
                           const char *text)
{
    cg_sampling kept = *sampling;
    cg_error err = CG_ERROR_INIT;
    double value = parse_real(name, text);

    *sampling = (cg_sampling) { sizeof *sampling, 0, 1, 0, 1, 0 };
    *member = value;
    if (cg_sampling_check(sampling, &err) != CG_OK)
        usage_error("--%s", err.msg);
    *sampling = kept;
    *member = value;
}

static int32_t parse_auto(const char *name, const char *text, int32_t hi)
{
    return strcmp(text, "auto") ? parse_int(name, text, 1, hi) : 0;
}

static double parse_nonnegative(const char *name, const char *text)
{
    double value = parse_real(name, text);

    if (!(value >= 0) || value > 1e6)
        usage_error("%s '%s': wanted 0 (off) to 1000000", name, text);
    return value;
}

static void set_option(struct generate *s, int option, const char *arg)
{
    static const char *const headers[] = { "auto", "yes", "no" };
    static const char *const progresses[] = { "auto", "never", "json" };
    static const char *const minima[] = { "none",    "hydrogens",      "mmff94",
                                          "mmff94s", "mmff94_noestat", "mmff94s_noestat" };
    static const char *const orders[] = { "generation", "energy" };
    static const char *const tunings[] = { "auto", "never", "always" };
    cg_sampling preset = { CG_SIZED(cg_sampling) };
    cg_error err = CG_ERROR_INIT;

    switch (option) {
    case O_INPUT:
        s->run.input = arg;
        break;
    case O_SMILES:
        add_smiles(&s->molecules, "--smiles", arg);
        break;
    case 'o':
        s->run.output = arg;
        break;
    case O_FORMAT:
        s->run.format = arg;
        break;
    case O_GENS:
        parse_gens(&s->run, arg);
        break;
    case O_ADD_HS:
        s->given.add_hs = 1;
        break;
    case O_MINIMIZE:
        s->given.minimize =
            parse_keyword("--minimize", arg, minima, sizeof minima / sizeof minima[0]);
        break;
    case O_ENERGIES:
        s->run.energies = 1;
        break;
    case O_ENSEMBLE:
        s->ensemble = arg;
        break;
    case O_PRUNE:
        s->given.prune = parse_nonnegative("--prune", arg);
        break;
    case O_ENERGY_WINDOW:
        s->given.energy_window = parse_nonnegative("--energy-window", arg);
        break;
    case O_MAX_CONFORMERS:
        s->given.max_conformers = parse_int("--max-conformers", arg, 0, 1000000000);
        break;
    case O_SORT: /* `orders` has the order of CG_SORT_* */
        s->given.sort = parse_keyword("--sort", arg, orders, 2);
        break;
    case O_CORE:
        s->run.core = arg;
        break;
    case O_FAILED:
        s->run.failed = arg;
        break;
    case O_HEADER:
        s->run.header = parse_keyword("--header", arg, headers, 3);
        break;
    case O_LIMIT:
        s->run.limit = parse_int64("--limit", arg, 1, INT64_MAX / 2);
        break;
    case O_SHARD:
        parse_shard(&s->run, arg);
        break;
    case O_RESUME:
        s->run.resume = 1;
        break;
    case O_OVERWRITE:
        s->run.overwrite = 1;
        break;
    case O_TOKENIZER:
        s->engine.tokenizer = arg;
        break;
    case O_MODEL:
        s->engine.model = arg;
        break;
    case O_CONSTRAINT:
        s->engine.constraint = arg;
        break;
    case O_TEMPERATURE:
        parse_sampling(&s->sampling, &s->sampling.temperature, "--temperature", arg);
        break;
    case O_TOP_P:
        parse_sampling(&s->sampling, &s->sampling.top_p, "--top-p", arg);
        break;
    case O_TOP_K:
        s->sampling.top_k = parse_int("--top-k", arg, 0, 1 << 24);
        break;
    case O_MIN_P:
        parse_sampling(&s->sampling, &s->sampling.min_p, "--min-p", arg);
        break;
    case O_GREEDY:
        s->sampling.greedy = 1;
        break;
    case O_SAMPLING:
        if (cg_sampling_preset_get(arg, &preset, &err) != CG_OK)
            usage_error("--sampling: %s", err.msg);
        s->engine.preset = arg;
        break;
    case O_SEED:
        s->engine.seed = (uint64_t)parse_int64("--seed", arg, 0, INT64_MAX);
        break;
    case O_MAX_NEW:
        s->engine.max_new_tokens = parse_int("--max-new-tokens", arg, 1, 1 << 24);
        break;
    case O_CHECK:
        s->engine.check = 1;
        break;
    case O_RETRY:
        s->engine.retry = parse_int("--retry", arg, 0, CG_MAX_RETRIES);
        break;
    case O_GEOMETRY:
        s->engine.geometry = arg;
        break;
    case O_DEVICE:
        s->engine.device = arg;
        break;
    case O_DTYPE:
        s->engine.dtype = arg;
        break;
    case O_KV_DTYPE:
        s->engine.kv_dtype = arg;
        break;
    case O_DETERMINISTIC:
        s->engine.deterministic = 1;
        break;
    case O_TUNE: /* `tunings` has the order of CG_TUNING_* */
        s->engine.tuning = parse_keyword("--tune", arg, tunings, 3);
        break;
    case O_MAX_LENGTH:
        s->engine.max_length = parse_int("--max-length", arg, 1, 1 << 24);
        break;
    case O_STEP_TOKENS:
        s->engine.step_tokens = parse_auto("--step-tokens", arg, CG_MAX_STEP_TOKENS);
        break;
    case O_PROMPT_STEP_TOKENS:
        s->engine.prompt_step_tokens = parse_prompt_step_tokens(arg);
        break;
    case O_ATTENTION:
        s->engine.attention = arg;
        break;
    case O_KV_CACHE:
        s->engine.kv_cache = arg;
        break;
    case O_PLUGIN:
        add_plugin_file(&s->plugins, arg);
        break;
    case O_BATCH:
        s->engine.batch_size = parse_auto("--batch-size", arg, CG_MAX_BATCH);
        break;
    case O_THREADS:
        s->engine.threads = parse_int("--threads", arg, 1, CG_MAX_THREADS);
        break;
    case O_PARALLEL:
        break; /* no effect, see the help text */
    case O_WORKERS:
        s->engine.template_workers = parse_int("--template-workers", arg, 1, CG_MAX_THREADS);
        break;
    case O_TOKEN_CACHE:
        s->engine.token_cache = 1;
        break;
    case O_REPORT:
        s->run.report = arg;
        break;
    case O_PROGRESS:
        s->progress = parse_keyword("--progress", arg, progresses, 3);
        break;
    case O_QUIET:
        s->quiet = 1;
        break;
    case O_VERSION:
        printf("confgen %s\n", cg_version());
        end_program(EXIT_OK);
    }
}

/* A value of sampling asks for sampling, unless --greedy is given. */
static void select_sampling(struct generate *s)
{
    cg_sampling *v = &s->sampling;

    if (v->greedy < 0 && (v->temperature >= 0 || v->top_p >= 0 || v->top_k >= 0 || v->min_p >= 0))
        v->greedy = 0;
    s->engine.sampling = v;
}

/* The options that were given, over those of the preset. */
static void set_ensemble(struct generate *s)
{
    cg_error err = CG_ERROR_INIT;
    cg_run_options *run = &s->run;
    const int32_t energies = run->energies;

    if (cg_run_ensemble_preset(s->ensemble ? s->ensemble : "raw", run, &err) != CG_OK)
        usage_error("--ensemble %s", err.msg);
    run->energies = energies;
    run->add_hs |= s->given.add_hs;
    if (s->given.minimize >= 0)
        run->minimize = s->given.minimize;
    if (s->given.sort >= 0)
        run->sort = s->given.sort;
    if (s->given.max_conformers >= 0)
        run->max_conformers = s->given.max_conformers;
    if (s->given.prune >= 0)
        run->prune = s->given.prune;
    if (s->given.energy_window >= 0)
        run->energy_window = s->given.energy_window;
}

/* The molecules of the command line, where there are any, are the input. */
static void set_input(struct generate *s, int n_operands, char **operands)
{
    for (int i = 0; i < n_operands; i++)
        add_operand(&s->molecules, operands[i]);
    if (s->molecules.len && s->run.input)
        usage_error("--input %s and a SMILES: wanted one of them", s->run.input);
    if (!s->molecules.len && !s->run.input)
        usage_error(
            "no input: give a SMILES, such as confgen CCO, or --input FILE, or --input - for "
            "standard input");
    if (!s->molecules.len)
        return;
    s->run.molecules = cg_buf_text(&s->molecules);
    s->run.input = "command line";
    s->run.header = CG_HEADER_NO;
    if (!s->run.output)
        s->run.output = "-";
}

/* A bar would stand between records that a terminal shows. */
static int records_are_shown(const struct generate *s)
{
    return s->run.output && !strcmp(s->run.output, "-") && isatty(STDOUT_FILENO);
}

static void parse_command_line(struct generate *s, int argc, char **argv)
{
    int option;

    *s = (struct generate) {
        .engine = { CG_SIZED(cg_engine_options), .log = on_log, .log_ctx = s },
        .run = { CG_SIZED(cg_run_options), .gens = 1, .on_failure = on_failure, .ctx = s,
                 .stop = &stop_run },
        .sampling = { sizeof(cg_sampling), -1, -1, -1, -1, -1 },
        .given = { .minimize = -1,
                   .sort = -1,
                   .max_conformers = -1,
                   .prune = -1,
                   .energy_window = -1 },
        .lock = PTHREAD_MUTEX_INITIALIZER,
    };
    while ((option = next_option(argc, argv, &page_generate)) != -1)
        set_option(s, option, optarg);
    set_input(s, argc - optind, argv + optind);
    s->engine.plugins = s->plugins.files;
    s->engine.n_plugins = s->plugins.n;
    select_sampling(s);
    set_ensemble(s);
    if (s->progress == PROGRESS_JSON || (s->progress == PROGRESS_AUTO && !s->quiet &&
                                         isatty(STDERR_FILENO) && !records_are_shown(s)))
        s->run.progress = on_progress;
}

/* ---- summary ------------------------------------------------------------------------------ */

/* Conformers that failed, by reason; counts of zero are left out. */
static void print_failures(const cg_report *r)
{
    const struct {
        int64_t count;
        const char *reason;
    } failures[] = {
        { r->wrong_molecules, "of a wrong molecule" },
        { r->parse_failures, "unreadable" },
        { r->unfinished, "unfinished" },
        { r->invalid_geometry, "with invalid geometry" },
    };
    int printed = 0;

    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++)
        if (failures[i].count)
            fprintf(stderr, "%s%lld %s",
                    printed++ ? ", " : "failed conformers: ", (long long)failures[i].count,
                    failures[i].reason);
    if (printed)
        fputc('\n', stderr);
}

/* Molecules with no conformer because of their input are failed, others with too few incomplete. */
static void print_totals(const cg_report *r, const char *path)
{
    int64_t whole = r->failed_input + r->failed_limit + r->failed_unsupported;
    int64_t n = r->molecules - whole, incomplete = r->molecules_failed - whole;

    print_lines(stderr, "%s: %lld conformer%s of %lld molecule%s", path, (long long)r->conformers,
                r->conformers == 1 ? "" : "s", (long long)n, n == 1 ? "" : "s");
    if (incomplete && r->molecules_resumed)
        fprintf(stderr, " (%lld failed or incomplete, earlier runs included)",
                (long long)r->molecules_failed);
    else if (whole && incomplete)
        fprintf(stderr, " (%lld failed, %lld incomplete)", (long long)whole, (long long)incomplete);
    else if (whole || incomplete)
        fprintf(stderr, " (%lld %s)", (long long)r->molecules_failed,
                whole ? "failed" : "incomplete");
    fprintf(stderr, " in %.1f s", r->seconds);
    if (r->seconds > 0 && r->tokens)
        fprintf(stderr, " (%.1f conformers/s, %.0f tokens/s)", (double)r->conformers / r->seconds,
                (double)r->tokens / r->seconds);
    if (r->molecules_resumed)
        fprintf(stderr, "; an earlier run processed %lld molecule%s and wrote %lld conformer%s",
                (long long)r->molecules_resumed, r->molecules_resumed == 1 ? "" : "s",
                (long long)r->conformers_resumed, r->conformers_resumed == 1 ? "" : "s");
    fputc('\n', stderr);
}

/* Conformers that were generated and are not written. */
static void print_dropped(const cg_report *r)
{
    const struct {
        int64_t count;
        const char *reason;
    } dropped[] = {
        { r->dropped_energy, "above the energy window" },
        { r->dropped_rmsd, "near another one" },
        { r->dropped_number, "above --max-conformers" },
    };
    int printed = 0;

    for (size_t i = 0; i < sizeof dropped / sizeof dropped[0]; i++)
        if (dropped[i].count)
            fprintf(stderr, "%s%lld %s",
                    printed++ ? ", " : "conformers left out: ", (long long)dropped[i].count,
                    dropped[i].reason);
    if (printed)
        fputc('\n', stderr);
}

/* Records of a mol2 have hydrogens without --add-hs. */
static int is_mol2(const struct generate *s, const char *path)
{
    size_t len = strlen(path);

    if (s->run.format)
        return !strcmp(s->run.format, "mol2");
    len = cg_path_strip_extension(path, cg_path_strip_extension(path, len, ".zst"), ".gz");
    return cg_path_strip_extension(path, len, ".mol2") < len;
}

/* What a new user may miss: on a terminal only. */
static void print_hints(const struct generate *s, const cg_report *r, const char *path)
{
    if (r->geometry_moved)
        fputs("no record holds a heavy atom that failed: it was moved, or the conformer generated "
              "again\n",
              stderr);
    if (s->run.gens == 1 && !s->run.gens_per_reference)
        fputs("one conformer of each molecule: --gens N generates N\n", stderr);
    if (!s->run.add_hs && !is_mol2(s, path))
        fputs("the records hold heavy atoms only: --add-hs writes hydrogens, --ensemble standard "
              "minimises, too\n",
              stderr);
    if (cg_path_has_extension(path, ".zst"))
        print_lines(stderr, "%s is compressed: zstd -d unpacks it; --output NAME.sdf is not\n",
                    path);
}

static void print_summary(const struct generate *s, const cg_report *r, const char *path)
{
    int64_t atoms = 0;

    if (s->quiet)
        return;
    clear_bar(s);
    print_totals(r, strcmp(path, "-") ? path : "standard output");
    for (int32_t i = 1; cg_fault_describe(i); i++)
        atoms += r->geometry_count[i];
    if (atoms)
        fprintf(stderr, "%lld atom%s failed a geometry test", (long long)atoms,
                atoms == 1 ? "" : "s");
    if (atoms && r->geometry_moved)
        fprintf(stderr, "; repair moved %lld", (long long)r->geometry_moved);
    if (atoms)
        fputc('\n', stderr);
    if (r->conformers && isatty(STDERR_FILENO))
        print_hints(s, r, path);
    if (r->hydrogens_failed)
        fprintf(stderr,
                "%lld conformer%s: a hydrogen is too close to other atoms or has a wrong angle, "
                "and no better place was found\n",
                (long long)r->hydrogens_failed, r->hydrogens_failed == 1 ? "" : "s");
    if (r->checked)
        fprintf(stderr, "%lld of %lld conformers passed every check", (long long)r->passed,
                (long long)r->checked);
    if (r->unchecked)
        fprintf(stderr, "; %lld unchecked: a check could not be done", (long long)r->unchecked);
    if (r->checked)
        fputc('\n', stderr);
    if (r->retried)
        fprintf(stderr, "%lld retries fixed %lld conformers\n", (long long)r->retried,
                (long long)r->fixed_by_retry);
    print_dropped(r);
    print_failures(r);
}

static void print_sampling(const struct generate *s, const cg_engine_info *info)
{
    char text[256];

    if (s->quiet)
        return;
    cg_sampling_describe(info->sampling, info->sampling_from, text, sizeof text);
    fprintf(stderr, "sampling: %s\n", text);
}

/* Printed on a terminal, and after measuring a GPU, which takes some seconds. */
static void print_selection(const struct generate *s, const cg_engine *engine)
{
    const cg_engine_info *info = cg_engine_get_info(engine);
    cg_engine_gpu gpu = { CG_SIZED(cg_engine_gpu) };

    if (s->quiet || (!isatty(STDERR_FILENO) && !info->n_attempts))
        return;
    fprintf(stderr, "%s, %.1f M parameters in %s, on %s", info->architecture,
            (double)info->parameters * 1e-6, info->dtype, info->device);
    if (cg_engine_get_gpu(engine, 0, &gpu))
        fprintf(stderr, " (%s)", gpu.name);
    else
        fprintf(stderr, " with %d threads", info->threads);
    fprintf(stderr,
            "; attention %s (%s), KV cache %s of %s (%s), constraint %s, batch %d (%s); %s%s%s\n",
            info->attention, info->attention_reason, info->kv_cache, info->kv_dtype,
            info->kv_cache_reason, info->constraint, info->batch_size, info->batch_reason,
            info->reproducibility, *info->tuning ? "; " : "", info->tuning);
}

/* Warns of a request for several conformers of which each is the same. */
static void warn_of_copies(struct generate *s, const cg_engine_info *info)
{
    char text[256];

    if (!info->sampling->greedy || (s->run.gens == 1 && !s->run.gens_per_reference))
        return;
    snprintf(text, sizeof text,
             "greedy sampling (%s): all conformers of a molecule are the same, --gens %d%s writes "
             "copies of one; --sampling or --temperature makes them differ",
             cg_sampling_source_name(info->sampling_from->greedy), s->run.gens,
             s->run.gens_per_reference ? "k" : "");
    on_log(s, CG_LOG_WARNING, text);
}

/* The first line of --progress json. */
static void show_device(const cg_engine_info *info)
{
    json_t *line = json_pack("{s:s, s:s, s:b, s:s, s:o, s:o}", "device", info->device, "dtype",
                             info->dtype, "deterministic", info->deterministic, "reproducibility",
                             info->reproducibility, "sampling", sampling_json(info->sampling),
                             "sampling_sources", sampling_sources_json(info->sampling_from));
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(9));

    if (text)
        fprintf(stderr, "%s\n", text);
    free(text);
    json_decref(line);
}

/* A GPU's batch size depends on the number of conformers. Errors of the input are reported by the
 * run. */
static void find_workload(struct generate *s)
{
    int32_t n_gpus = 0;

    if (!s->engine.device || strcmp(s->engine.device, "cpu"))
        if (cg_gpu_count(&n_gpus, NULL) == CG_OK && n_gpus > 0 &&
            cg_run_workload(&s->run, &s->engine.workload, NULL) != CG_OK)
            s->engine.workload = 0;
}

/* Opens the engine and the report; *ret_path is the output's path. */
static cg_status open_engine(struct generate *s, char *ret_path, size_t cap, cg_engine **ret_engine,
                             cg_error *err)
{
    CG_TRY(cg_run_output_path(&s->run, ret_path, cap, err));
    find_workload(s);
    CG_TRY(cg_engine_open(&s->engine, ret_engine, err));
    CG_TRY(cg_run_check_files(*ret_engine, &s->run, err));
    return report_open(&s->run, &s->report, err);
}

/* Reports how the run ended; returns the exit status. */
static int print_outcome(const struct generate *s, cg_status st, const cg_report *report,
                         const char *path, const cg_error *err)
{
    struct stat sb;

    if (st == CG_OK)
        return report->molecules_failed ? EXIT_SOME_FAILED : EXIT_OK;
    if (st != CG_ERR_INTERRUPTED) {
        report_error(err);
        return exit_status_of(st);
    }
    fprintf(stderr, "confgen: interrupted by signal %d", (int)signalled);
    if ((s->run.molecules || (!stat(s->run.input, &sb) && S_ISREG(sb.st_mode))) &&
        !cg_is_stream(path))
        print_lines(stderr, "; --resume continues '%s'", path);
    fputc('\n', stderr);
    return EXIT_INTERRUPTED;
}

int cmd_generate(int argc, char **argv)
{
    struct generate s;
    cg_error err = CG_ERROR_INIT, report_err = CG_ERROR_INIT;
    cg_engine *engine = NULL;
    cg_report report = { CG_SIZED(cg_report) };
    const cg_engine_info *info;
    char path[4096];
    cg_status st;
    int exit_status;

    parse_command_line(&s, argc, argv);
    catch_signals();
    s.messages = json_array();
    s.warnings = json_array();
    if (open_engine(&s, path, sizeof path, &engine, &err) != CG_OK) {
        json_decref(s.messages);
        json_decref(s.warnings);
        cg_buf_finish(&s.molecules);
        cg_engine_close(engine);
        return report_error(&err);
    }
    info = cg_engine_get_info(engine);
    if (s.progress == PROGRESS_JSON)
        show_device(info);
    else
        print_sampling(&s, info);
    print_selection(&s, engine);
    warn_of_copies(&s, info);
    s.started = cg_now();
    st = cg_engine_run(engine, &s.run, &report, &err);
    clear_bar(&s);
    if (s.progress == PROGRESS_JSON)
        show_json(&report, report.molecules + report.molecules_resumed, cg_now() - s.started);
    if (st == CG_OK || st == CG_ERR_INTERRUPTED)
        print_summary(&s, &report, path);
    exit_status = print_outcome(&s, st, &report, path, &err);
    if (st == CG_ERR_USAGE) /* there was no run */
        cg_append_file_discard(&s.report);
    if (s.report.name && report_write(&s.report, engine, &report, st, s.messages, s.warnings,
                                      &report_err) != CG_OK) {
        int report_status = report_error(&report_err);

        if (exit_status != EXIT_INTERRUPTED)
            exit_status = report_status;
    }
    cg_append_file_close(&s.report);
    json_decref(s.messages);
    json_decref(s.warnings);
    cg_buf_finish(&s.molecules);
    cg_engine_close(engine);
    return exit_status;
}
