/* SPDX-License-Identifier: MIT */
#include "api/run_output.h"

#include <ctype.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/append_file.h"
#include "base/error.h"
#include "base/sized_struct.h"
#include "base/file.h"
#include "base/file_set.h"
#include "base/index.h"

/* ---- paths and formats -------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Length of the input's name without its extensions. */
static size_t stem_of(const char *name)
{
    static const char *const extensions[] = { ".gz",     ".zst", ".smi", ".ism", ".can",
                                              ".smiles", ".csv", ".tsv", ".txt", ".sdf",
                                              ".sd",     ".mol", ".mol2" };
    size_t len = strlen(name);

    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++)
        len = cg_path_strip_extension(name, len, extensions[i]);
    return len;
}

cg_status cg_run_output_path(const cg_run_options *run, char *ret_path, size_t cap, cg_error *err)
{
    cg_run_options o = { 0 };
    const char *format;
    int n;

    CG_TRY(CG_SIZED_READ(cg_run_options, &o, run, err));
    format = o.format ? o.format : "sdf";
    if (o.output) {
        n = snprintf(ret_path, cap, "%s", o.output);
    } else if (o.input) {
        const char *name = strcmp(o.input, "-") ? base_name(o.input) : "stdin";
        int len = (int)stem_of(name);

        n = o.shards > 1 ? snprintf(ret_path, cap, "%.*s.%d-of-%d.%s.zst", len, name, o.shard,
                                    o.shards, format)
                         : snprintf(ret_path, cap, "%.*s.%s.zst", len, name, format);
    } else {
        return cg_run_check_options(&o, err);
    }
    if (n < 0 || (size_t)n >= cap)
        return cg_fail(err, CG_ERR_USAGE, "the output's path is longer than %zu bytes", cap - 1);
    return CG_OK;
}

/* Finds the record format by the path's extension; sdf without one. */
static cg_status find_record_format(const char *path, cg_record_format *ret_format, cg_error *err)
{
    size_t len =
        cg_path_strip_extension(path, cg_path_strip_extension(path, strlen(path), ".zst"), ".gz");
    const char *dot = path + len;
    char extension[16];
    int n;

    while (dot > path && dot[-1] != '.' && dot[-1] != '/')
        dot--;
    if (dot == path || dot[-1] == '/') {
        *ret_format = CG_RECORD_SDF;
        return CG_OK;
    }
    n = snprintf(extension, sizeof extension, "%.*s", (int)(path + len - dot), dot);
    for (char *c = extension; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!strcmp(extension, "jsonl"))
        strcpy(extension, "json");
    if (n >= (int)sizeof extension || cg_record_format_parse(extension, ret_format, NULL) != CG_OK)
        return cg_fail(
            err, CG_ERR_USAGE,
            "output '%s': the extension names no format; wanted .sdf, .mol2, .pdb, .xyz, "
            ".smiles3d, .json or .jsonl (then optionally .gz or .zst), or --format",
            path);
    return CG_OK;
}

cg_status cg_run_find_formats(const cg_run_options *o, const char *path,
                              cg_run_formats *ret_formats, cg_error *err)
{
    cg_run_formats f = { .container = cg_container_format_of(path) };

    if (strcmp(path, "-") != 0 && cg_file_is_directory(path))
        return cg_fail(err, CG_ERR_IO, "output '%s': is a folder, wanted a file in it", path);
    CG_TRY(o->format ? cg_record_format_parse(o->format, &f.record, err)
                     : find_record_format(path, &f.record, err));
    f.add_hs = o->add_hs || f.record == CG_RECORD_MOL2;
    if (o->add_hs && f.record == CG_RECORD_SMILES3D)
        return cg_fail(err, CG_ERR_USAGE,
                       "--add-hs: the smiles3d format has the atoms as they are generated; presets "
                       "of --ensemble other than raw add hydrogens");
    if (o->minimize && f.record == CG_RECORD_SMILES3D)
        return cg_fail(err, CG_ERR_USAGE,
                       "--minimize: the smiles3d format has the coordinates as they are generated");
    if (o->core && f.record == CG_RECORD_SMILES3D)
        return cg_fail(err, CG_ERR_USAGE,
                       "--core: the smiles3d format has the coordinates as they are generated, in "
                       "the frame of the text");
    *ret_formats = f;
    return CG_OK;
}

static cg_status add_inputs(cg_file_set *files, const cg_engine *e, const cg_run_options *o,
                            cg_error *err)
{
    const cg_registry_entry *plugins;
    int32_t n = cg_registry_entries(e->registry, &plugins);

    if (!o->molecules)
        CG_TRY(cg_file_set_add_input(files, "the input file", o->input, err));
    if (o->core)
        CG_TRY(cg_file_set_add_input(files, "the --core file", o->core, err));
    /* A run that is resumed may have its files there: their contents are checked. */
    if (!o->resume)
        CG_TRY(cg_file_set_add_folder(files, "a file of the model", e->model.name, err));
    for (int32_t i = 0; i < n; i++)
        CG_TRY(cg_file_set_add_input(files, "a plugin", plugins[i].path, err));
    return CG_OK;
}

static cg_status add_outputs(cg_file_set *files, const cg_run_options *o, const char *path,
                             cg_error *err)
{
    char manifest[PATH_MAX + sizeof ".manifest"];

    CG_TRY(cg_file_set_add_output(files, "output", "the output", path, err));
    if (!cg_is_stream(path)) {
        snprintf(manifest, sizeof manifest, "%s.manifest", path);
        CG_TRY(cg_file_set_add_output(files, "the output's manifest", "the output's manifest",
                                      manifest, err));
    }
    if (o->failed)
        CG_TRY(cg_file_set_add_output(files, "--failed", "the --failed file", o->failed, err));
    if (o->report)
        CG_TRY(cg_file_set_add_output(files, "--report", "the --report file", o->report, err));
    return CG_OK;
}

cg_status cg_run_check_files(const cg_engine *engine, const cg_run_options *run, cg_error *err)
{
    cg_file_set files = { 0 };
    cg_run_options o = { 0 };
    char path[PATH_MAX];
    cg_status st;

    CG_TRY(CG_SIZED_READ(cg_run_options, &o, run, err));
    CG_TRY(cg_run_check_options(&o, err));
    CG_TRY(cg_run_output_path(&o, path, sizeof path, err));
    CG_TRY_GOTO(st, add_inputs(&files, engine, &o, err), out);
    st = add_outputs(&files, &o, path, err);
out:
    cg_file_set_finish(&files);
    return st;
}

/* ---- opening ------------------------------------------------------------------------------ */

/*
 * The parts of the machine that a conformer depends on (cg_engine_info.reproducibility): a
 * batch-invariant run excludes batch and cache, any other includes everything that decides how sums
 * are split.
 */
static void describe_machine(const cg_engine *e, char *ret_device, char *ret_sums, size_t cap)
{
    const cg_engine_info *info = &e->info;

    snprintf(ret_device, cap, "%s", info->n_gpus ? e->device.gpus[0].name : "cpu");
    if (info->deterministic)
        snprintf(ret_sums, cap, "batch-invariant, attention %s", info->attention);
    else
        snprintf(ret_sums, cap,
                 "batch %d, attention %s, KV cache %s, step tokens %d, prompt step tokens %d",
                 info->batch_size, info->attention, info->kv_cache, info->step_tokens,
                 info->prompt_step_tokens);
}

/*
 * The plugins of a kind that a conformer depends on: name, version and hash of the file, wherever
 * it is. In a batch-invariant run the program's own KV caches give the same bits and are one.
 */
static void describe_plugins(const cg_engine *e, const char *kind, char *ret_text, size_t cap)
{
    int any_cache = e->info.deterministic && !strcmp(kind, "cache");
    size_t n = 0;

    *ret_text = '\0';
    for (int32_t i = 0; i < e->info.n_plugins && n < cap; i++) {
        const cg_engine_plugin *p = &e->device.plugins[i];

        if (strcmp(p->kind, kind))
            continue;
        if (p->is_own && any_cache)
            n += (size_t)snprintf(ret_text + n, cap - n, "%sconfgen's own", n ? ", " : "");
        else
            n += (size_t)snprintf(ret_text + n, cap - n, "%s%s %.40s %016" PRIx64, n ? ", " : "",
                                  p->name, p->version, p->hash);
    }
}

/*
 * Where the plugins of a kind are, and their ABI: for messages, not compared. Name, version and
 * hash of those that describe_plugins() leaves out.
 */
static void locate_plugins(const cg_engine *e, const char *kind, char *ret_text, size_t cap)
{
    int any_cache = e->info.deterministic && !strcmp(kind, "cache");
    size_t n = 0;

    *ret_text = '\0';
    for (int32_t i = 0; i < e->info.n_plugins && n < cap; i++) {
        const cg_engine_plugin *p = &e->device.plugins[i];

        if (strcmp(p->kind, kind))
            continue;
        n += (size_t)snprintf(ret_text + n, cap - n, "%s", n ? "; " : "");
        if (p->is_own && any_cache && n < cap)
            n += (size_t)snprintf(ret_text + n, cap - n, "%s %.40s %016" PRIx64 ", ", p->name,
                                  p->version, p->hash);
        if (n < cap)
            n += (size_t)snprintf(ret_text + n, cap - n, "%s, plugin ABI %d.%d", p->path,
                                  p->abi_major, p->abi_minor);
    }
}

/* Hash of the input, or "-" for one that cannot be read twice. */
static cg_status hash_input(const cg_run_options *o, char *ret_hash, size_t cap, cg_error *err)
{
    uint64_t hash;

    snprintf(ret_hash, cap, "-");
    if (o->molecules) {
        snprintf(ret_hash, cap, "%016" PRIx64, cg_index_hash(o->molecules));
    } else if (cg_run_is_rereadable(o)) {
        CG_TRY(cg_file_hash(o->input, &hash, err));
        snprintf(ret_hash, cap, "%016" PRIx64, hash);
    } else if (o->resume) {
        return cg_fail(err, CG_ERR_USAGE,
                       "--resume compares the input with that of the first run: '%s' is no "
                       "regular file, which cannot be read twice",
                       o->input);
    }
    return CG_OK;
}

cg_status cg_run_open_output(const cg_engine *engine, const cg_run_options *o, const char *path,
                             cg_run_formats formats, cg_run_range range, uint64_t core_hash,
                             cg_output **ret_output, cg_output_state *ret_state, cg_error *err)
{
    static const char *const headers[] = { "auto", "yes", "no" };
    static const char *const minima[] = { "none",    "hydrogens",      "mmff94",
                                          "mmff94s", "mmff94_noestat", "mmff94s_noestat" };
    const cg_engine_info *info = &engine->info;
    const cg_sampling *s = &engine->sampling;
    char hash[32], model[32], tokenizer[32], seed[32], gens[32], sampling[128], molecules[64],
        max_new[32], length[32], device[200], sums[200], retry[32], attention[512], cache[512],
        constraint[128], core[32], ensemble[128], attention_at[1024], cache_at[1024],
        constraint_at[1024];
    const cg_fingerprint_item items[] = {
        { "version", CG_VERSION_STRING, NULL },
        { "input", hash, NULL },
        { "model", model, NULL },
        { "tokenizer", tokenizer, NULL },
        { "constraint", info->constraint, NULL },
        { "seed", seed, NULL },
        { "gens", gens, NULL },
        { "sampling", sampling, NULL },
        { "molecules", molecules, NULL },
        { "max_new_tokens", max_new, NULL },
        { "max_length", length, NULL },
        { "device", device, NULL },
        { "dtype", info->dtype, NULL },
        { "kv_dtype", info->kv_dtype, NULL },
        { "arithmetic", sums, NULL },
        { "attention plugin", attention, attention_at },
        { "KV cache plugin", cache, cache_at },
        { "constraint plugin", constraint, constraint_at },
        { "record", cg_record_format_name(formats.record), NULL },
        { "add_hs", formats.add_hs ? "yes" : "no", NULL },
        { "minimize", minima[o->minimize], NULL },
        { "energies", o->energies ? "yes" : "no", NULL },
        { "ensemble", ensemble, NULL },
        { "core", core, NULL },
        { "check", info->check ? "yes" : "no", NULL },
        { "retry", retry, NULL },
        { "geometry", info->geometry, NULL },
        { "header", headers[o->header], NULL },
    };
    cg_output_options options = {
        .format = formats.container,
        .resume = o->resume,
        .overwrite = o->overwrite,
        .failed_path = o->failed,
        .fingerprint = items,
        .n_fingerprint = sizeof items / sizeof items[0],
    };

    CG_TRY(hash_input(o, hash, sizeof hash, err));
    snprintf(model, sizeof model, "%016" PRIx64, info->fingerprint);
    snprintf(tokenizer, sizeof tokenizer, "%016" PRIx64, info->tokenizer_fingerprint);
    snprintf(seed, sizeof seed, "%" PRIu64, info->seed);
    snprintf(gens, sizeof gens, "%d%s", o->gens, o->gens_per_reference ? "k" : "");
    snprintf(sampling, sizeof sampling, "greedy %d temperature %.9g top_k %d top_p %.9g min_p %.9g",
             s->greedy, s->temperature, s->top_k, s->top_p, s->min_p);
    snprintf(molecules, sizeof molecules, "%" PRId64 " to %" PRId64, range.first, range.end);
    snprintf(max_new, sizeof max_new, "%d", engine->constraint.format.max_new_tokens);
    snprintf(length, sizeof length, "%d", info->max_length);
    snprintf(retry, sizeof retry, "%d", info->retry);
    snprintf(ensemble, sizeof ensemble, "prune %.9g energy window %.9g max %d sort %s", o->prune,
             o->energy_window, o->max_conformers,
             o->sort == CG_SORT_ENERGY ? "energy" : "generation");
    snprintf(core, sizeof core, o->core ? "%016" PRIx64 : "none", core_hash);
    describe_machine(engine, device, sums, sizeof sums);
    describe_plugins(engine, "attention", attention, sizeof attention);
    describe_plugins(engine, "cache", cache, sizeof cache);
    describe_plugins(engine, "constraint", constraint, sizeof constraint);
    locate_plugins(engine, "attention", attention_at, sizeof attention_at);
    locate_plugins(engine, "cache", cache_at, sizeof cache_at);
    locate_plugins(engine, "constraint", constraint_at, sizeof constraint_at);
    return cg_output_open(path, &options, ret_output, ret_state, err);
}
