/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/size.h"
#include "sequence/automaton.h"
#include "decode/repair_cpu.h"
#include "decode/cpu_model.h"
#include "decode/executor.h"
#include "decode/sampler.h"

enum { FREE = 0, PREFIX, SEQUENCE };

/* A slot or, behind them, a prefix. */
struct place {
    int32_t kind;
    cg_sequence seq;
    cg_sequence_job job;
    int32_t *tokens; /* [max_len] */
    int32_t n_prompt;
    cg_atom_mark *marks;
    size_t cap_marks;
    cg_cpu_repair atoms; /* while geometry is looked at */
    int32_t rolled_back; /* in the running step */
    int32_t reported;    /* ended and collected, or a prefix seen to be ready */
};

struct cpu {
    cg_executor base;
    cg_executor_config config;
    cg_team *team;
    void *cache;
    cg_cpu_model *model;
    int32_t n_kv_slots, n_head_rows;
    struct place *places;
    int32_t *tokens; /* [n_kv_slots, max_len] */
    int32_t first;   /* place that is served first in the next step */
    cg_cpu_batch batch;
    int32_t *out_place;          /* [n_kv_slots] whose logits row i is */
    cg_sampler_scratch *scratch; /* [workers] */
    float **gathered;            /* [workers][n_head_rows] */
    cg_executor_stats stats;
    /* of the running step */
    const float *logits;
    int64_t logits_stride;
    _Atomic int32_t sample_status;
};

static cg_status nomem(cg_error *err)
{
    return cg_fail(err, CG_ERR_NOMEM, "executor: out of memory");
}

/* ---- create, destroy ---------------------------------------------------------------------- */

static void cpu_destroy(cg_executor *ex)
{
    struct cpu *c = (struct cpu *)ex;

    if (!c)
        return;
    cg_cpu_model_destroy(c->model);
    if (c->cache)
        c->config.cache->destroy(c->cache);
    for (int32_t i = 0; c->places && i < c->n_kv_slots; i++) {
        free(c->places[i].marks);
        cg_cpu_repair_finish(&c->places[i].atoms);
    }
    for (int w = 0; w < cg_team_size(c->team); w++) {
        if (c->scratch)
            cg_sampler_scratch_finish(&c->scratch[w]);
        if (c->gathered)
            free(c->gathered[w]);
    }
    free(c->scratch);
    free(c->gathered);
    free(c->places);
    free(c->tokens);
    free(c->out_place);
    free(c->batch.token);
    free(c->batch.pos);
    free(c->batch.slot);
    free(c->batch.q_start);
    free(c->batch.seq_slot);
    free(c->batch.kv_len);
    free(c->batch.out_row);
    free(c);
}

/* The head for the automaton's first n columns. */
static cg_status set_head_rows(struct cpu *c, int32_t n, cg_error *err)
{
    cg_status status;

    if (n <= c->n_head_rows)
        return CG_OK;
    for (int w = 0; w < cg_team_size(c->team); w++) {
        float *p = realloc(c->gathered[w], (size_t)n * sizeof *p);

        if (!p)
            return nomem(err);
        c->gathered[w] = p;
    }
    status = cg_cpu_model_set_head_rows(c->model, c->config.automaton->head_token, n, err);
    if (status == CG_OK)
        c->n_head_rows = n;
    return status;
}

/* Room for a step: all slots' tokens with the forced ones behind them, and some of a prompt. */
static int32_t choose_step_tokens(const cg_executor_config *config)
{
    int32_t want = 2 * config->n_slots + 64;

    if (config->step_tokens)
        return config->step_tokens;
    return want < 128 ? 128 : (want + 63) / 64 * 64;
}

static const struct cg_executor_ops cpu_ops;

cg_status cg_executor_cpu_create(const cg_executor_config *config, cg_team *team,
                                 cg_executor **ret_executor, cg_error *err)
{
    struct cpu *c = calloc(1, sizeof *c);
    const cg_model_config *mc = &config->model->config;
    size_t workers = (size_t)cg_team_size(team), n_kv_slots, n_tokens;
    cg_cache_config cache_config;
    cg_cpu_model_config model_config;
    cg_status status;

    if (!c)
        return nomem(err);
    c->base.ops = &cpu_ops;
    c->config = *config;
    c->config.step_tokens = choose_step_tokens(config);
    c->team = team;
    c->n_kv_slots = config->n_slots + config->n_prompt_slots;
    n_kv_slots = (size_t)c->n_kv_slots;
    n_tokens = (size_t)c->config.step_tokens;
    c->places = calloc(n_kv_slots, sizeof *c->places);
    c->tokens = cg_alloc_array(n_kv_slots * (size_t)config->max_len, sizeof *c->tokens);
    c->out_place = cg_alloc_array(n_kv_slots, sizeof *c->out_place);
    c->scratch = calloc(workers, sizeof *c->scratch);
    c->gathered = calloc(workers, sizeof *c->gathered);
    c->batch.token = cg_alloc_array(n_tokens, sizeof(int32_t));
    c->batch.pos = cg_alloc_array(n_tokens, sizeof(int32_t));
    c->batch.slot = cg_alloc_array(n_tokens, sizeof(int32_t));
    c->batch.q_start = cg_alloc_array(n_kv_slots + 1, sizeof(int32_t));
    c->batch.seq_slot = cg_alloc_array(n_kv_slots, sizeof(int32_t));
    c->batch.kv_len = cg_alloc_array(n_kv_slots, sizeof(int32_t));
    c->batch.out_row = cg_alloc_array(n_kv_slots, sizeof(int32_t));
    status = c->places && c->tokens && c->out_place && c->scratch && c->gathered &&
                     c->batch.token && c->batch.pos && c->batch.slot && c->batch.q_start &&
                     c->batch.seq_slot && c->batch.kv_len && c->batch.out_row
                 ? CG_OK
                 : nomem(err);
    cache_config = (cg_cache_config) {
        CG_SIZED(cg_cache_config), .device = CG_DEVICE_CPU,    .dtype = CG_F32,
        .n_layers = mc->n_layers,  .n_slots = c->n_kv_slots,   .n_kv_heads = mc->n_kv_heads,
        .head_dim = mc->head_dim,  .max_len = config->max_len,
    };
    if (status == CG_OK)
        status = config->cache->supports(config->host, &cache_config, err);
    if (status == CG_OK)
        status = config->cache->create(config->host, &cache_config, &c->cache, err);
    model_config = (cg_cpu_model_config) {
        .model = config->model,
        .team = team,
        .host = config->host,
        .attention = config->attention,
        .cache = config->cache,
        .cache_self = c->cache,
        .max_tokens = c->config.step_tokens,
        .max_seqs = c->n_kv_slots,
        .max_out = config->n_slots,
        .max_len = config->max_len,
    };
    if (status == CG_OK)
        status = cg_cpu_model_create(&model_config, &c->model, err);
    for (int32_t i = 0; i < c->n_kv_slots && status == CG_OK; i++)
        c->places[i].tokens = c->tokens + (size_t)i * (size_t)config->max_len;
    if (status != CG_OK) {
        cpu_destroy(&c->base);
        return status;
    }
    *ret_executor = &c->base;
    return CG_OK;
}

/* ---- filling and emptying places ---------------------------------------------------------- */

static cg_status cpu_begin_prefix(cg_executor *ex, int32_t prefix, const int32_t *tokens, int32_t n,
                                  cg_error *err)
{
    struct cpu *c = (struct cpu *)ex;
    struct place *p = &c->places[c->config.n_slots + prefix];

    if (n < 1 || n >= c->config.max_len)
        return cg_fail(err, CG_ERR_LIMIT, "prompt of %d tokens; 1 to %d fit", n,
                       c->config.max_len - 1);
    memcpy(p->tokens, tokens, (size_t)n * sizeof *tokens);
    p->seq = (cg_sequence) { .n_tokens = n, .limit = c->config.max_len };
    p->kind = PREFIX;
    p->reported = 0;
    return CG_OK;
}

static int cpu_prefix_ready(const cg_executor *ex, int32_t prefix)
{
    const struct cpu *c = (const struct cpu *)ex;
    const struct place *p = &c->places[c->config.n_slots + prefix];

    return p->kind == PREFIX && p->seq.n_kv == p->seq.n_tokens;
}

static void release_place(struct cpu *c, int32_t i)
{
    if (c->places[i].kind != FREE)
        c->config.cache->release(c->cache, i);
    c->places[i].kind = FREE;
}

static void cpu_release_prefix(cg_executor *ex, int32_t prefix)
{
    struct cpu *c = (struct cpu *)ex;

    release_place(c, c->config.n_slots + prefix);
}

static void cpu_release(cg_executor *ex, int32_t slot)
{
    release_place((struct cpu *)ex, slot);
}

static cg_status cpu_admit(cg_executor *ex, int32_t slot, int32_t prefix,
                           const cg_sequence_job *job, cg_error *err)
{
    struct cpu *c = (struct cpu *)ex;
    struct place *p = &c->places[slot];
    const struct place *from = &c->places[c->config.n_slots + prefix];
    const cg_program *prog = job->program;
    int32_t n_prompt = from->seq.n_tokens, n_atoms;
    int64_t limit = (int64_t)n_prompt + prog->max_tokens;
    int look = job->geometry && c->config.geometry != CG_GEOMETRY_OFF;
    cg_status status = set_head_rows(c, prog->n_head_rows, err);

    if (status != CG_OK)
        return status;
    n_atoms = prog->fields_per_atom ? prog->n_fields / prog->fields_per_atom : 0;
    if (cg_grow((void **)&p->marks, &p->cap_marks, (size_t)n_atoms, sizeof *p->marks) ||
        cg_cpu_repair_begin(&p->atoms, look ? n_atoms : 0))
        return nomem(err);
    memcpy(p->tokens, from->tokens, (size_t)n_prompt * sizeof *p->tokens);
    p->job = *job;
    if (!look)
        p->job.geometry = NULL;
    p->n_prompt = n_prompt;
    p->reported = 0;
    p->seq = (cg_sequence) {
        .n_tokens = n_prompt,
        .limit = limit < c->config.max_len ? (int32_t)limit : c->config.max_len,
    };
    cg_sequence_begin(&p->seq, prog, c->config.automaton, p->tokens, p->marks);
    /* At least one token must be evaluated to give the first logits. */
    p->seq.n_kv = n_prompt < p->seq.n_tokens ? n_prompt : p->seq.n_tokens - 1;
    if (p->seq.n_kv > 0)
        status = c->config.cache->share_prefix(c->cache, slot, c->config.n_slots + prefix,
                                               p->seq.n_kv, err);
    if (status == CG_OK)
        p->kind = SEQUENCE;
    return status;
}

static int cpu_collect(cg_executor *ex, cg_sequence_result *ret_result)
{
    struct cpu *c = (struct cpu *)ex;

    for (int32_t i = 0; i < c->config.n_slots; i++) {
        struct place *p = &c->places[i];
        int32_t n = p->seq.n_tokens - p->n_prompt;

        if (p->kind != SEQUENCE || !p->seq.done || p->reported)
            continue;
        p->reported = 1;
        c->stats.forced += n - p->seq.n_sampled;
        *ret_result = (cg_sequence_result) {
            i, p->seq.done, n, p->seq.n_sampled, p->tokens + p->n_prompt, p->atoms.repair,
        };
        return 1;
    }
    return 0;
}

static cg_status cpu_roll_back(cg_executor *ex, int32_t slot, int32_t atom, cg_error *err)
{
    struct cpu *c = (struct cpu *)ex;
    struct place *p = &c->places[slot];
    int32_t per = p->kind == SEQUENCE ? p->job.program->fields_per_atom : 0;

    if (p->kind != SEQUENCE || !per || atom < 0 || atom > p->seq.field / per ||
        atom >= p->job.program->n_fields / per)
        return cg_fail(err, CG_ERR_USAGE, "roll-back to atom %d: the sequence has not reached it",
                       atom);
    cg_sequence_roll_back(&p->seq, p->job.program, c->config.automaton, atom, p->marks);
    p->reported = 0;
    return c->config.cache->truncate(c->cache, slot, p->seq.n_kv, err);
}

/* ---- the step ----------------------------------------------------------------------------- */

/* Take up to `room` waiting tokens of a place into the batch. */
static cg_status take_tokens(struct cpu *c, int32_t place, int32_t room, cg_error *err)
{
    struct place *p = &c->places[place];
    cg_cpu_batch *b = &c->batch;
    int32_t n = p->seq.n_tokens - p->seq.n_kv;
    cg_status status;

    n = n < room ? n : room;
    status = c->config.cache->reserve(c->cache, place, p->seq.n_kv + n, err);
    if (status != CG_OK)
        return status;
    for (int32_t i = 0; i < n; i++) {
        b->token[b->n_tokens] = p->tokens[p->seq.n_kv + i];
        b->pos[b->n_tokens] = p->seq.n_kv + i;
        b->slot[b->n_tokens] = place;
        b->n_tokens++;
    }
    p->seq.n_kv += n;
    b->seq_slot[b->n_seqs] = place;
    b->kv_len[b->n_seqs] = p->seq.n_kv;
    b->q_start[++b->n_seqs] = b->n_tokens;
    if (p->kind == SEQUENCE && p->seq.n_kv == p->seq.n_tokens) {
        c->out_place[b->n_out] = place;
        b->out_row[b->n_out++] = b->n_tokens - 1;
    }
    if (p->kind == PREFIX) {
        c->stats.prompt_tokens += n;
    } else {
        c->stats.tokens += n;
        c->stats.attended += p->seq.n_kv;
    }
    return CG_OK;
}

static int wants_tokens(const struct place *p)
{
    return p->kind != FREE && !p->seq.done && p->seq.n_kv < p->seq.n_tokens;
}

/* Fill the batch: sequences first, in turn, then prompts with what room is left. */
static cg_status gather_batch(struct cpu *c, cg_error *err)
{
    int32_t n_slots = c->config.n_slots;
    cg_cpu_batch *b = &c->batch;

    b->n_tokens = b->n_seqs = b->n_out = 0;
    b->q_start[0] = 0;
    for (int32_t k = 0; k < c->n_kv_slots; k++) {
        int32_t i = k < n_slots ? (c->first + k) % n_slots : k;
        int32_t room = c->config.step_tokens - b->n_tokens;
        cg_status status;

        if (!wants_tokens(&c->places[i]))
            continue;
        if (!room) {
            if (i < n_slots)
                c->first = i;
            break;
        }
        status = take_tokens(c, i, room, err);
        if (status != CG_OK)
            return status;
    }
    return CG_OK;
}

/* Look at the atoms that are complete since the sequence was in field `before`. */
static void look_at_atoms(struct cpu *c, struct place *p, int32_t before)
{
    cg_repair_target at = {
        .token_numbers = c->config.token_numbers,
        .decimals = c->config.decimals,
        .restarts = cg_restart_limit(c->config.sampling.greedy),
        .automaton = c->config.automaton,
        .program = p->job.program,
        .geometry = p->job.geometry,
        .seq = &p->seq,
        .tokens = p->tokens,
        .marks = p->marks,
    };
    int32_t per = p->job.program->fields_per_atom, end = p->seq.field / per;

    for (int32_t atom = before / per; atom < end && !p->rolled_back; atom++)
        p->rolled_back =
            cg_cpu_repair_atom(&p->atoms, &at, c->config.geometry == CG_GEOMETRY_REPAIR, atom);
}

/* Sample one token of a sequence and append what it forces. */
static void sample_row(void *arg, int64_t row, int worker)
{
    struct cpu *c = arg;
    const cg_automaton *aut = c->config.automaton;
    struct place *p = &c->places[c->out_place[row]];
    const float *logits = c->logits + row * c->logits_stride;
    int32_t begin = aut->row[p->seq.state], n = aut->row[p->seq.state + 1] - begin, choice = 0;
    float *allowed = c->gathered[worker];
    float u = cg_rng_uniform(&p->job.key, (uint32_t)(p->seq.n_tokens - p->n_prompt),
                             (uint32_t)p->seq.attempt);
    int32_t field = p->seq.field;
    cg_status status = CG_OK;

    for (int32_t i = 0; i < n; i++) {
        allowed[i] = logits[aut->head_row[begin + i]];
        if (!isfinite(allowed[i]))
            status = CG_ERR_FORMAT;
    }
    if (status == CG_OK)
        status = cg_sample(&c->config.sampling, allowed, n, u, &c->scratch[worker], &choice);
    if (status != CG_OK) {
        c->sample_status = status;
        return;
    }
    cg_sequence_advance(&p->seq, p->job.program, aut, begin + choice, p->tokens, p->marks);
    if (p->job.geometry)
        look_at_atoms(c, p, field);
}

/* The cache forgets what was taken back; one place after the other, since pages are shared. */
static cg_status forget_tokens(struct cpu *c, cg_error *err)
{
    cg_status status = CG_OK;

    for (int32_t i = 0; i < c->batch.n_out && status == CG_OK; i++) {
        struct place *p = &c->places[c->out_place[i]];

        if (p->rolled_back && !p->seq.done)
            status = c->config.cache->truncate(c->cache, c->out_place[i], p->seq.n_kv, err);
        p->rolled_back = 0;
    }
    return status;
}

static cg_status step(struct cpu *c, cg_error *err)
{
    cg_status status =
        cg_cpu_model_forward(c->model, &c->batch, &c->logits, &c->logits_stride, err);
    double t = cg_now();

    if (status != CG_OK)
        return status;
    c->sample_status = CG_OK;
    cg_team_loop(c->team, c->batch.n_out, sample_row, c);
    c->stats.sample_seconds += cg_now() - t;
    c->stats.sampled += c->batch.n_out;
    c->stats.steps++;
    c->stats.step_rows += c->batch.n_tokens;
    if (c->sample_status == CG_ERR_FORMAT)
        return cg_fail(err, CG_ERR_FORMAT,
                       "the model's logits are not finite: its weights are damaged or overflow");
    return c->sample_status == CG_OK ? forget_tokens(c, err) : nomem(err);
}

/* Has a sequence ended or a prefix become ready that was not told yet? */
static int has_news(struct cpu *c)
{
    for (int32_t i = 0; i < c->n_kv_slots; i++) {
        struct place *p = &c->places[i];

        if (p->reported)
            continue;
        if (p->kind == SEQUENCE && p->seq.done)
            return 1;
        if (p->kind == PREFIX && p->seq.n_kv == p->seq.n_tokens) {
            p->reported = 1;
            return 1;
        }
    }
    return 0;
}

static cg_status cpu_run(cg_executor *ex, int32_t max_steps, cg_error *err)
{
    struct cpu *c = (struct cpu *)ex;
    double t = cg_now();
    cg_status status = CG_OK;

    for (int32_t s = 0; s < max_steps && !has_news(c) && status == CG_OK; s++) {
        status = gather_batch(c, err);
        if (status != CG_OK || !c->batch.n_tokens)
            break;
        status = step(c, err);
    }
    c->stats.seconds += cg_now() - t;
    return status;
}

static void cpu_stats(const cg_executor *ex, cg_executor_stats *ret_stats)
{
    const struct cpu *c = (const struct cpu *)ex;

    *ret_stats = c->stats;
    ret_stats->head_rows = c->n_head_rows;
    cg_cpu_model_seconds(c->model, &ret_stats->matmul_seconds, &ret_stats->attention_seconds);
}

static void cpu_cache_stats(const cg_executor *ex, cg_cache_stats *ret_stats)
{
    const struct cpu *c = (const struct cpu *)ex;

    c->config.cache->stats(c->cache, ret_stats);
}

static const struct cg_executor_ops cpu_ops = {
    .name = "cpu",
    .destroy = cpu_destroy,
    .begin_prompt = cpu_begin_prefix,
    .prompt_ready = cpu_prefix_ready,
    .release_prompt = cpu_release_prefix,
    .admit = cpu_admit,
    .run = cpu_run,
    .collect = cpu_collect,
    .release = cpu_release,
    .roll_back = cpu_roll_back,
    .stats = cpu_stats,
    .cache_stats = cpu_cache_stats,
};
