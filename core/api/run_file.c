/* SPDX-License-Identifier: MIT */
/* From file to file: cg_engine_run(). */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"
#include "chem/elements.h"
#include "chem/molblock.h"
#include "engine/pipeline.h"
#include "io/input.h"
#include "io/output.h"
#include "io/record.h"

struct batch {
    cg_engine *engine;
    const cg_run_options *options;
    cg_report *report;
    cg_input *input;
    cg_output *output;
    cg_record_format format;
    cg_container_format container;
    int64_t first, end;           /* indices of this shard */
    int64_t next_index;           /* those below are in the output already */
    cg_input_record first_record; /* read ahead; borrowed from the input until it is read on */
    int has_first_record;
    int64_t done;
};

/* What the workers make of a molecule; cg_pipeline_molecule.user. */
struct product {
    cg_molblock *block;    /* sdf */
    const char **elements; /* xyz, json: [atoms] */
    cg_buf frame, failed;
    uint64_t plain;         /* bytes of the records before compression */
    int64_t counts[5];      /* by verdict */
    char first_reason[256]; /* of a conformer that failed */
};

/* ---- names and formats -------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Length of `name` less the ending, if it has it. */
static size_t less_ending(const char *name, size_t len, const char *ending)
{
    size_t n = strlen(ending);

    return len > n && !strncasecmp(name + len - n, ending, n) ? len - n : len;
}

cg_status cg_run_output_path(const cg_run_options *b, char *ret_path, size_t cap, cg_error *err)
{
    static const char *const endings[] = { ".gz",  ".zst",    ".smi", ".ism",
                                           ".can", ".smiles", ".csv", ".txt" };
    const char *format = b->format ? b->format : "sdf", *name;
    size_t len;
    int n;

    if (b->output) {
        n = snprintf(ret_path, cap, "%s", b->output);
    } else {
        name = strcmp(b->input, "-") ? base_name(b->input) : "stdin";
        len = strlen(name);
        for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
            len = less_ending(name, len, endings[i]);
        if (b->shards > 1)
            n = snprintf(ret_path, cap, "%.*s.%d-of-%d.%s.zst", (int)len, name, b->shard, b->shards,
                         format);
        else
            n = snprintf(ret_path, cap, "%.*s.%s.zst", (int)len, name, format);
    }
    if (n < 0 || (size_t)n >= cap)
        return cg_fail(err, CG_ERR_USAGE, "the output's path is longer than %zu bytes", cap - 1);
    return CG_OK;
}

/* The format asked for, else by the output's name, else sdf. */
static cg_status choose_format(struct batch *b, const char *path, cg_error *err)
{
    size_t len = strlen(path);
    const char *dot;
    char ending[16];
    int n;

    b->container = cg_container_format_of(path);
    if (b->options->format)
        return cg_record_format_parse(b->options->format, &b->format, err);
    len = less_ending(path, less_ending(path, len, ".zst"), ".gz");
    for (dot = path + len; dot > path && dot[-1] != '.' && dot[-1] != '/'; dot--)
        ;
    b->format = CG_RECORD_SDF;
    if (dot == path || dot[-1] == '/')
        return CG_OK; /* no ending */
    n = snprintf(ending, sizeof ending, "%.*s", (int)(path + len - dot), dot);
    for (char *c = ending; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!strcmp(ending, "jsonl"))
        strcpy(ending, "json");
    if (n >= (int)sizeof ending || cg_record_format_parse(ending, &b->format, NULL) != CG_OK)
        return cg_fail(
            err, CG_ERR_USAGE,
            "output '%s': the ending names no format; wanted .sdf, .xyz, .smiles3d, .json "
            "or .jsonl (and .gz or .zst behind it), or --format",
            path);
    return CG_OK;
}

/* ---- source ------------------------------------------------------------------------------- */

static cg_status open_input(const cg_run_options *o, cg_input **ret_input, cg_error *err)
{
    _Static_assert((int)CG_HEADER_YES == CG_INPUT_HEADER_YES &&
                       (int)CG_HEADER_NO == CG_INPUT_HEADER_NO,
                   "one numbering");
    cg_input_options options = { .header = (cg_input_header)o->header };

    return cg_input_open(o->input, &options, ret_input, err);
}

/* Conformers that a line asks for, 0 where it has no count to multiply. */
static int64_t generations_of(const cg_run_options *o, const cg_input_record *r)
{
    if (!o->gens_per_reference)
        return o->gens;
    return r->count < 0 ? 0 : o->gens * r->count;
}

/* Can the input be read twice? Standard input, pipes and terminals cannot. */
static int is_rereadable(const cg_run_options *o)
{
    struct stat st;

    return strcmp(o->input, "-") && !stat(o->input, &st) && S_ISREG(st.st_mode);
}

/*
 * Go over lines [first, end) of the input once, ahead of the run: how many there are, and how many
 * conformers they ask for. What cannot be read twice has none: *ret_n = 0.
 */
static cg_status survey(const cg_run_options *o, int64_t first, int64_t end, int64_t *ret_n,
                        int64_t *ret_conformers, cg_error *err)
{
    cg_input *input = NULL;
    cg_input_record r;
    int more = 1;
    cg_status status;

    *ret_n = *ret_conformers = 0;
    if (!is_rereadable(o))
        return CG_OK;
    status = open_input(o, &input, err);
    while (status == CG_OK && more) {
        status = cg_input_next(input, &r, &more, err);
        if (status != CG_OK || !more || r.index < first)
            continue;
        if (r.index >= end)
            break;
        ++*ret_n;
        if (r.status == CG_OK)
            *ret_conformers += generations_of(o, &r);
    }
    cg_input_close(input);
    return status;
}

/* Shards are stretches of neighbouring lines, so that their outputs join to the whole. */
static cg_status find_range(const cg_run_options *o, int64_t *ret_first, int64_t *ret_end,
                            cg_error *err)
{
    int64_t n, conformers;
    cg_status status;

    *ret_first = 0;
    *ret_end = o->limit ? o->limit : INT64_MAX;
    if (o->shards <= 1)
        return CG_OK;
    if (!is_rereadable(o))
        return cg_fail(err, CG_ERR_USAGE,
                       "--shard reads the input twice, which '%s' does not allow: it is no "
                       "regular file",
                       o->input);
    status = survey(o, 0, *ret_end, &n, &conformers, err);
    if (status != CG_OK)
        return status;
    /* 128 bits: n * shards may pass 2^63 */
    *ret_first = (int64_t)((__int128)n * o->shard / o->shards);
    *ret_end = (int64_t)((__int128)n * (o->shard + 1) / o->shards);
    return CG_OK;
}

static cg_status choose_range(struct batch *b, cg_error *err)
{
    cg_status status = find_range(b->options, &b->first, &b->end, err);

    if (status != CG_OK || !b->options->progress)
        return status;
    return survey(b->options, b->first, b->end, &b->report->total_molecules,
                  &b->report->total_conformers, err);
}

/* Read one line, the one that was read ahead first. */
static cg_status read_record(struct batch *b, cg_input_record *r, int *ret_more, cg_error *err)
{
    if (!b->has_first_record)
        return cg_input_next(b->input, r, ret_more, err);
    *r = b->first_record;
    b->has_first_record = 0;
    *ret_more = 1;
    return CG_OK;
}

/*
 * Read up to the first line of this run: where it has no count that --gens Nk needs, none will
 * have, and that is said before anything is written.
 */
static cg_status read_ahead(struct batch *b, cg_error *err)
{
    const cg_run_options *o = b->options;
    cg_input_record *r = &b->first_record;
    int more;

    do {
        cg_status status = cg_input_next(b->input, r, &more, err);

        if (status != CG_OK || !more)
            return status;
    } while (r->index < b->first);
    b->has_first_record = 1;
    if (o->gens_per_reference && r->status == CG_OK && r->count < 0)
        return cg_fail(err, CG_ERR_USAGE,
                       "%s:%" PRId64 ": --gens %dk is %d conformers for each of the molecule's "
                       "k reference conformers, but this line has no count k (third column, or "
                       "n_conformers of a .csv); give counts, or a number such as --gens 10",
                       o->input, r->line, o->gens, o->gens);
    return CG_OK;
}

/* How many conformers this line asks for. */
static void count_generations(struct batch *b, const cg_input_record *r, cg_pipeline_molecule *m)
{
    const cg_run_options *o = b->options;
    int64_t n = generations_of(o, r);

    if (o->gens_per_reference && r->count < 0)
        cg_fail(&m->failure, CG_ERR_INPUT,
                "%s:%" PRId64 ": no count k of reference conformers, which --gens %dk needs; give "
                "one, or a number such as --gens 10",
                o->input, r->line, o->gens);
    else if (n > INT32_MAX)
        cg_fail(&m->failure, CG_ERR_LIMIT,
                "%s:%" PRId64 ": %" PRId64 " conformers of one molecule, at most %d", o->input,
                r->line, n, INT32_MAX);
    else
        m->n_generations = (int32_t)n;
}

static cg_status batch_next(void *ctx, cg_pipeline_molecule *m, int *ret_more, cg_error *err)
{
    struct batch *b = ctx;
    cg_input_record r;
    char name[32];
    cg_status status;

    do {
        status = read_record(b, &r, ret_more, err);
        if (status != CG_OK || !*ret_more)
            return status;
        if (r.index >= b->end) {
            *ret_more = 0;
            return CG_OK;
        }
        b->report->molecules_resumed += r.index >= b->first && r.index < b->next_index;
    } while (r.index < b->first || r.index < b->next_index);
    m->index = r.index;
    m->line = r.line;
    snprintf(name, sizeof name, "mol_%06" PRId64, r.index);
    m->name = strdup(r.name_len ? r.name : name);
    m->smiles = strdup(r.smiles);
    if (!m->name || !m->smiles)
        return cg_fail(err, CG_ERR_NOMEM, "input: out of memory");
    if (r.status != CG_OK)
        cg_fail(&m->failure, r.status, "%s", r.reason);
    else
        count_generations(b, &r, m);
    return CG_OK;
}

/* ---- workers ------------------------------------------------------------------------------ */

static void batch_prepare(void *ctx, cg_pipeline_molecule *m)
{
    struct batch *b = ctx;
    const cg_smiles *graph = cg_molecule_graph(m->built.molecule);
    struct product *p = calloc(1, sizeof *p);

    m->user = p;
    if (!p) {
        cg_fail(&m->failure, CG_ERR_NOMEM, "out of memory");
        return;
    }
    if (b->format == CG_RECORD_SDF) {
        cg_molblock_create(m->built.molecule, &p->block, &m->failure);
        return;
    }
    p->elements = calloc(graph->n_atoms, sizeof *p->elements);
    if (!p->elements)
        cg_fail(&m->failure, CG_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < graph->n_atoms && p->elements; i++)
        p->elements[i] = cg_element_symbol(graph->atoms[i].element);
}

/* The molblock of a conformer: fresh string in *ret_text. */
static cg_status write_molblock(const struct batch *b, const struct product *p,
                                const cg_pipeline_molecule *m, const double (*xyz)[3],
                                char **ret_text, cg_error *err)
{
    size_t name_len = strlen(m->name);
    size_t cap = cg_molblock_bound(p->block, name_len), len;
    char *text = malloc(cap), *with_hs = NULL;
    cg_status status;

    if (!text)
        return cg_fail(err, CG_ERR_NOMEM, "out of memory");
    status = cg_molblock_write(p->block, m->name, name_len, xyz, text, cap, &len, err);
    if (status == CG_OK && b->options->add_hs) {
        status = cg_molblock_add_hs(text, &with_hs, err);
        if (status == CG_OK) {
            free(text);
            text = with_hs;
        }
    }
    if (status != CG_OK) {
        free(text);
        return status;
    }
    *ret_text = text;
    return CG_OK;
}

static cg_status write_record(const struct batch *b, const struct product *p,
                              const cg_pipeline_molecule *m, int32_t generation,
                              const cg_parsed_conformer *c, cg_buf *records, cg_error *err)
{
    char *molblock = NULL, *body = NULL;
    char checks[CG_CHECK_NAMES_MAX], retry[16], repair[CG_REPAIR_COUNTS_TEXT];
    cg_tag tags[3];
    cg_record_conformer record = {
        .name = m->name,
        .smiles = cg_molecule_smiles(m->built.molecule, NULL),
        .generation = generation,
        .seed = b->engine->info.seed,
        .n_atoms = m->built.split.n_atoms,
        .elements = p->elements,
        .xyz = (const double(*)[3])c->xyz,
        .decimals = b->engine->info.decimals,
        .tags = tags,
    };
    cg_status status = CG_OK;

    if (b->engine->builder.geometry != CG_GEOMETRY_OFF) {
        if (m->built.geometry)
            cg_repair_counts_text(&c->repair, repair, sizeof repair);
        else
            snprintf(repair, sizeof repair, "not tested");
        tags[record.n_tags++] = (cg_tag) {
            b->engine->builder.geometry == CG_GEOMETRY_REPAIR ? "repaired" : "invalid_atoms", repair
        };
    }
    if (m->checker) {
        cg_check_join_names(c->checks_failed, checks, sizeof checks);
        tags[record.n_tags++] = (cg_tag) { "checks", checks };
    }
    if (b->engine->info.retry) {
        snprintf(retry, sizeof retry, "%" PRIu32, c->retry);
        tags[record.n_tags++] = (cg_tag) { "retry", retry };
    }

    if (b->format == CG_RECORD_SDF) {
        status = write_molblock(b, p, m, record.xyz, &molblock, err);
        record.molblock = molblock;
    } else if (b->format == CG_RECORD_SMILES3D) {
        body = strndup(c->body, c->body_len);
        record.text = body;
        if (!body)
            status = cg_fail(err, CG_ERR_NOMEM, "out of memory");
    }
    if (status == CG_OK)
        status = cg_record_write(b->format, &record, records, err);
    free(molblock);
    free(body);
    return status;
}

static const char *const verdict_names[] = { "ok", "wrong molecule", "parse failure", "unfinished",
                                             "invalid geometry" };

static cg_status finish_one(const struct batch *b, cg_pipeline_molecule *m, int32_t generation,
                            cg_buf *records, cg_error *err)
{
    struct product *p = m->user;
    cg_parsed_conformer *c = &m->generations[generation].checked;
    char reason[CG_ERROR_TEXT + 32];
    cg_status status = CG_OK;

    p->counts[c->verdict]++;
    if (c->verdict == CG_CONFORMER_OK) {
        status = write_record(b, p, m, generation, c, records, err);
    } else {
        snprintf(reason, sizeof reason, "%s: %s", verdict_names[c->verdict], c->reason);
        if (!p->first_reason[0])
            snprintf(p->first_reason, sizeof p->first_reason, "%.250s", reason);
        cg_failure_write(m->line, m->name, m->smiles, generation, reason, c->text, &p->failed);
    }
    cg_parsed_conformer_finish(c); /* a molecule may wait long for its turn to be emitted */
    return status;
}

static void batch_finish(void *ctx, cg_pipeline_molecule *m)
{
    const struct batch *b = ctx;
    struct product *p = m->user;
    cg_buf records = { 0 };
    cg_status status = CG_OK;

    for (int32_t i = 0; i < m->n_generations && status == CG_OK; i++)
        status = finish_one(b, m, i, &records, &m->failure);
    if (status == CG_OK)
        status = cg_buf_check(&records, "records", &m->failure);
    if (status == CG_OK)
        status = cg_buf_check(&p->failed, "failures", &m->failure);
    if (status == CG_OK && records.len)
        cg_frame_compress(b->container, CG_CONTAINER_LEVEL, records.data, records.len, &p->frame,
                          &m->failure);
    p->plain = records.len;
    cg_buf_finish(&records);
}

/* ---- sink --------------------------------------------------------------------------------- */

static void tell(const struct batch *b, const char *text)
{
    if (b->options->on_failure)
        b->options->on_failure(b->options->ctx, text);
}

/* The molecule as a whole failed. */
static void fail_molecule(struct batch *b, const cg_pipeline_molecule *m, cg_buf *failed)
{
    char text[CG_ERROR_TEXT + 256];
    const char *input = b->options->input;

    if (!strncmp(m->failure.msg, input, strlen(input))) /* it names the place itself */
        snprintf(text, sizeof text, "%s", m->failure.msg);
    else
        snprintf(text, sizeof text, "%s:%" PRId64 ": %s: %s", input, m->line, m->name,
                 m->failure.msg);
    tell(b, text);
    cg_failure_write(m->line, m->name, m->smiles, -1, m->failure.msg, NULL, failed);
}

/* Is it the molecule's fault? Memory, disk and bugs are not: they end the run, to be resumed. */
static int is_molecules_fault(cg_status status)
{
    return status == CG_ERR_INPUT || status == CG_ERR_LIMIT || status == CG_ERR_UNSUPPORTED;
}

static cg_status batch_emit(void *ctx, cg_pipeline_molecule *m, cg_error *err)
{
    struct batch *b = ctx;
    struct product none = { 0 }, *p = m->user ? m->user : &none;
    cg_report *r = b->report;
    cg_output_molecule out = { .index = m->index };
    char text[CG_ERROR_TEXT + 256];
    cg_status status;

    if (m->failure.code != CG_OK && !is_molecules_fault(m->failure.code))
        return cg_fail(err, m->failure.code, "%s:%" PRId64 ": %s: %s", b->options->input, m->line,
                       m->name, m->failure.msg);
    if (m->failure.code != CG_OK) {
        cg_buf_clear(&p->failed);
        cg_buf_clear(&p->frame);
        p->plain = 0;
        memset(p->counts, 0, sizeof p->counts);
        fail_molecule(b, m, &p->failed);
    } else if (p->counts[CG_CONFORMER_OK] < m->n_generations) {
        snprintf(text, sizeof text,
                 "%s:%" PRId64 ": %s: %" PRId64 " of %d conformers failed, e.g. %s",
                 b->options->input, m->line, m->name, m->n_generations - p->counts[CG_CONFORMER_OK],
                 m->n_generations, p->first_reason);
        tell(b, text);
    }
    out.bytes = p->frame.data;
    out.len = p->frame.len;
    out.n_records = p->counts[CG_CONFORMER_OK];
    out.n_failed = m->failure.code != CG_OK ? m->n_generations : m->n_generations - out.n_records;
    out.failed_text = cg_buf_text(&p->failed);
    out.failed_len = p->failed.len;
    status = cg_output_put_frame(b->output, &out, p->plain, err);
    cg_buf_finish(&none.failed);
    if (status != CG_OK)
        return status;
    r->conformers += p->counts[CG_CONFORMER_OK];
    r->wrong_molecules += p->counts[CG_CONFORMER_WRONG_MOLECULE];
    r->parse_failures += p->counts[CG_CONFORMER_PARSE_FAILURE];
    r->unfinished += p->counts[CG_CONFORMER_UNFINISHED];
    r->invalid_geometry += p->counts[CG_CONFORMER_INVALID_GEOMETRY];
    r->molecules_failed += m->failure.code != CG_OK || out.n_failed > 0;
    cg_report_failure(r, m->failure.code);
    r->bytes_written += (int64_t)p->frame.len;
    b->done++;
    return CG_OK;
}

static void batch_forget(void *ctx, cg_pipeline_molecule *m)
{
    struct product *p = m->user;

    (void)ctx;
    if (!p)
        return;
    cg_molblock_destroy(p->block);
    free(p->elements);
    cg_buf_finish(&p->frame);
    cg_buf_finish(&p->failed);
    free(p);
}

static int batch_stop(void *ctx)
{
    struct batch *b = ctx;

    if (b->options->progress)
        b->options->progress(b->options->ctx, b->report, b->done);
    return b->options->stop && *b->options->stop;
}

/* ---- run ---------------------------------------------------------------------------------- */

static cg_status check_batch(const cg_run_options *o, cg_error *err)
{
    if (!o->input)
        return cg_fail(err, CG_ERR_USAGE, "no input: give --input FILE, or - for standard input");
    if (o->gens < 1)
        return cg_fail(err, CG_ERR_USAGE, "--gens %d: wanted at least 1", o->gens);
    if (o->shards > 1 && (o->shard < 0 || o->shard >= o->shards))
        return cg_fail(err, CG_ERR_USAGE, "--shard %d/%d: the first is 0, the last %d", o->shard,
                       o->shards, o->shards - 1);
    if (o->limit < 0)
        return cg_fail(err, CG_ERR_USAGE, "--limit %" PRId64 ": wanted at least 1", o->limit);
    if (o->header < CG_HEADER_AUTO || o->header > CG_HEADER_NO)
        return cg_fail(err, CG_ERR_USAGE, "header: found %d, wanted one of CG_HEADER_*", o->header);
    return CG_OK;
}

cg_status cg_run_workload(const cg_run_options *o, int64_t *ret_conformers, cg_error *err)
{
    int64_t first, end, n;
    cg_status status = check_batch(o, err);

    if (status == CG_OK)
        status = find_range(o, &first, &end, err);
    return status == CG_OK ? survey(o, first, end, &n, ret_conformers, err) : status;
}

/* Two paths of one existing file? Standard input and output are none. */
static int same_file(const char *a, const char *b)
{
    struct stat sa, sb;

    return strcmp(a, "-") && strcmp(b, "-") && !stat(a, &sa) && !stat(b, &sb) &&
           S_ISREG(sa.st_mode) && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

static cg_status check_paths(const cg_run_options *o, const char *path, cg_error *err)
{
    if (same_file(o->input, path))
        return cg_fail(err, CG_ERR_USAGE, "'%s' is input and output", path);
    if (o->failed && same_file(o->input, o->failed))
        return cg_fail(err, CG_ERR_USAGE, "'%s' is input and file of failures", o->failed);
    return CG_OK;
}

/*
 * What of the machine a conformer depends on (cg_engine_info.promise): in a batch-invariant run
 * neither batch nor cache, in another all that decides how sums are cut.
 */
static void describe_machine(const cg_engine *e, char *ret_device, char *ret_sums, size_t cap)
{
    const cg_engine_info *info = &e->info;

    snprintf(ret_device, cap, "%s", info->n_gpus ? info->gpus[0].name : "cpu");
    if (info->deterministic)
        snprintf(ret_sums, cap, "batch-invariant, attention %s", info->attention);
    else
        snprintf(ret_sums, cap, "batch %d, attention %s, KV cache %s, step tokens %d",
                 info->batch_size, info->attention, info->kv_cache, info->step_tokens);
}

/* What a resumed run must have in common with the first. */
static cg_status open_output(struct batch *b, const char *path, cg_error *err)
{
    const cg_engine_info *info = &b->engine->info;
    const cg_run_options *o = b->options;
    const cg_sampling *s = &info->sampling;
    char hash[32] = "-", model[32], tokenizer[32], seed[32], gens[32], sampling[128], range[64],
         bound[32], length[32], device[160], sums[160], retry[32];
    uint64_t input_hash;
    cg_output_state state;
    cg_status status;
    cg_fingerprint_item items[] = {
        { "version", CG_VERSION_STRING },
        { "input", hash },
        { "model", model },
        { "tokenizer", tokenizer },
        { "constraint", info->constraint },
        { "seed", seed },
        { "gens", gens },
        { "sampling", sampling },
        { "molecules", range },
        { "max_new_tokens", bound },
        { "max_length", length },
        { "device", device },
        { "dtype", info->dtype },
        { "arithmetic", sums },
        { "record", cg_record_format_name(b->format) },
        { "add_hs", o->add_hs ? "yes" : "no" },
        { "check", info->check ? "yes" : "no" },
        { "retry", retry },
        { "geometry", info->geometry },
        { "header", o->header == CG_HEADER_AUTO  ? "auto"
                    : o->header == CG_HEADER_YES ? "yes"
                                                 : "no" },
    };
    cg_output_options options = {
        .format = b->container,
        .resume = o->resume,
        .overwrite = o->overwrite,
        .failed_path = o->failed,
        .fingerprint = items,
        .n_fingerprint = sizeof items / sizeof items[0],
    };

    if (is_rereadable(o)) {
        status = cg_input_hash(o->input, &input_hash, err);
        if (status != CG_OK)
            return status;
        snprintf(hash, sizeof hash, "%016" PRIx64, input_hash);
    } else if (o->resume) {
        return cg_fail(
            err, CG_ERR_USAGE,
            "--resume needs the same input again, which '%s' cannot be checked for: it is "
            "no regular file",
            o->input);
    }
    snprintf(model, sizeof model, "%016" PRIx64, info->fingerprint);
    snprintf(tokenizer, sizeof tokenizer, "%016" PRIx64, info->tokenizer_fingerprint);
    snprintf(seed, sizeof seed, "%" PRIu64, info->seed);
    snprintf(gens, sizeof gens, "%d%s", o->gens, o->gens_per_reference ? "k" : "");
    snprintf(sampling, sizeof sampling, "greedy %d temperature %.9g top_k %d top_p %.9g min_p %.9g",
             s->greedy, (double)s->temperature, s->top_k, (double)s->top_p, (double)s->min_p);
    snprintf(range, sizeof range, "%" PRId64 " to %" PRId64, b->first, b->end);
    snprintf(bound, sizeof bound, "%d", b->engine->constraint.format.max_new_tokens);
    snprintf(length, sizeof length, "%d", info->max_length);
    snprintf(retry, sizeof retry, "%d", info->retry);
    describe_machine(b->engine, device, sums, sizeof sums);
    status = cg_output_open(path, &options, &b->output, &state, err);
    if (status != CG_OK)
        return status;
    b->next_index = state.kind == CG_OUTPUT_COMPLETE ? INT64_MAX : state.next_index;
    b->report->conformers_resumed += state.n_records;
    b->report->molecules_failed += state.n_molecules_failed;
    if (*state.note)
        tell(b, state.note);
    return CG_OK;
}

cg_status cg_engine_run(cg_engine *engine, const cg_run_options *options, cg_report *ret_report,
                        cg_error *err)
{
    cg_report report = { CG_SIZED(cg_report) };
    struct batch b = { .engine = engine, .options = options, .report = &report };
    cg_pipeline_io io = { &b,         batch_next,   batch_prepare, batch_finish,
                          batch_emit, batch_forget, batch_stop };
    char path[4096];
    cg_status status = check_batch(options, err);

    if (status == CG_OK)
        status = cg_run_output_path(options, path, sizeof path, err);
    if (status == CG_OK)
        status = check_paths(options, path, err);
    if (status == CG_OK)
        status = choose_format(&b, path, err);
    if (status == CG_OK && options->add_hs && b.format != CG_RECORD_SDF)
        status = cg_fail(err, CG_ERR_USAGE, "--add-hs: only the sdf format has hydrogens");
    if (status == CG_OK)
        status = choose_range(&b, err);
    if (status == CG_OK)
        status = open_input(options, &b.input, err);
    if (status == CG_OK)
        status = read_ahead(&b, err);
    if (status == CG_OK)
        status = open_output(&b, path, err);
    if (status == CG_OK)
        status = cg_pipeline_run(engine, &io, &report, err);
    if (status == CG_OK && b.next_index != INT64_MAX)
        status = cg_output_finish(b.output, err);
    cg_output_close(b.output);
    cg_input_close(b.input);
    if (ret_report)
        *ret_report = report;
    return status;
}
