/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cache_window.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/plugin_call.h"
#include "base/size.h"
#include "decode/cpu_model.h"
#include "decode/executor.h"
#include "decode/prompt_steps.h"
#include "decode/repair_cpu.h"
#include "decode/sampler.h"
#include "model/attention_problem.h"
#include "model/step_tokens.h"
#include "sequence/automaton.h"

enum { FREE = 0, PROMPT, SEQUENCE };

/* A KV slot: the sequence slots come first, then the prompt slots. */
struct slot {
    int32_t kind;
    cg_sequence seq;
    cg_sequence_job job;
    int32_t *tokens; /* [max_len] */
    int32_t n_prompt;
    cg_atom_mark *marks;
    size_t cap_marks;
    cg_cpu_repair repair; /* if atoms are tested */
    int32_t rolled_back;  /* in the current step */
    int32_t most_kv;      /* tokens that it had in the cache at once, at most */
    int32_t reported;     /* collected as completed, or the prompt reported as ready */
};

struct cpu {
    cg_executor base;
    cg_executor_config config;
    cg_team *team;
    void *cache_self;             /* owned KV cache, of config.cache */
    int32_t window, cache_window; /* of the model, of the cache; the cache's is 0: all is kept */
    cg_cpu_model *model;
    int32_t n_kv_slots, n_head_rows;
    int32_t prompt_tokens; /* budget of a prompt step; 0: prompts are part of the other steps */
    struct slot *slots;
    int32_t *tokens; /* [n_kv_slots, max_len] */
    int32_t first;   /* sequence slot that the next step fills first */
    cg_cpu_batch batch;
    int32_t *out_slot;           /* [n_kv_slots] slot of each row of logits */
    cg_sampler_scratch *scratch; /* [workers] */
    float **gathered;            /* [workers][n_head_rows] */
    cg_executor_stats stats;
    /* of the current step */
    const float *logits;
    int64_t logits_stride;
    _Atomic int32_t sample_status;
};

/* ---- create, destroy ---------------------------------------------------------------------- */

static void cpu_destroy(cg_executor *ex)
{
    struct cpu *c = (struct cpu *)ex;

    if (!c)
        return;
    cg_cpu_model_destroy(c->model);
    if (c->cache_self)
        c->config.cache->destroy(c->cache_self);
    for (int32_t i = 0; c->slots && i < c->n_kv_slots; i++) {
        free(c->slots[i].marks);
        cg_cpu_repair_finish(&c->slots[i].repair);
    }
    for (int w = 0; w < cg_team_size(c->team); w++) {
        if (c->scratch)
            cg_sampler_scratch_finish(&c->scratch[w]);
        if (c->gathered)
            free(c->gathered[w]);
    }
    free(c->scratch);
    free(c->gathered);
    free(c->slots);
    free(c->tokens);
    free(c->out_slot);
    free(c->batch.token);
    free(c->batch.pos);
    free(c->batch.slot);
    free(c->batch.q_start);
    free(c->batch.seq_slot);
    free(c->batch.kv_len);
    free(c->batch.out_row);
    free(c);
}

/* Packs the LM head for the first n head rows of the automaton. */
static cg_status set_head_rows(struct cpu *c, int32_t n, cg_error *err)
{
    if (n <= c->n_head_rows)
        return CG_OK;
    for (int w = 0; w < cg_team_size(c->team); w++) {
        float *p = realloc(c->gathered[w], (size_t)n * sizeof *p);

        if (!p)
            return cg_fail_nomem(err, "executor");
        c->gathered[w] = p;
    }
    CG_TRY(cg_cpu_model_set_head_rows(c->model, c->config.automaton->head_token, n, err));
    c->n_head_rows = n;
    return CG_OK;
}

static const struct cg_executor_ops cpu_ops;

static cg_status make_arrays(struct cpu *c, cg_error *err)
{
    size_t workers = (size_t)cg_team_size(c->team), n_slots = (size_t)c->n_kv_slots;
    int32_t step = c->config.step_tokens, prompt_step = c->prompt_tokens;
    size_t n_tokens = (size_t)(step > prompt_step ? step : prompt_step);
    size_t max_len = (size_t)c->config.max_len;
    cg_cpu_batch *b = &c->batch;
    const struct {
        int32_t **array;
        size_t n;
    } arrays[] = {
        { &c->tokens, n_slots * max_len },
        { &c->out_slot, n_slots },
        { &b->token, n_tokens },
        { &b->pos, n_tokens },
        { &b->slot, n_tokens },
        { &b->q_start, n_slots + 1 },
        { &b->seq_slot, n_slots },
        { &b->kv_len, n_slots },
        { &b->out_row, n_slots },
    };

    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        if (!(*arrays[i].array = cg_alloc_array(arrays[i].n, sizeof(int32_t))))
            return cg_fail_nomem(err, "executor");
    c->slots = calloc(n_slots, sizeof *c->slots);
    c->scratch = calloc(workers, sizeof *c->scratch);
    c->gathered = calloc(workers, sizeof *c->gathered);
    if (!c->slots || !c->scratch || !c->gathered)
        return cg_fail_nomem(err, "executor");
    for (size_t i = 0; i < n_slots; i++)
        c->slots[i].tokens = c->tokens + i * max_len;
    return CG_OK;
}

/* Status of a call of the cache, which has written `why`. */
static cg_status cache_status(const struct cpu *c, cg_status st, const cg_error *why, cg_error *err)
{
    int64_t step = c->model ? c->stats.steps + c->stats.prompt_steps : -1;
    cg_plugin_call call = { "cache", c->config.cache_name, -1, step };

    return cg_plugin_call_status(&call, st, why, err);
}

static cg_status make_cache(struct cpu *c, cg_error *err)
{
    const cg_attention_shape shape = {
        .device = CG_DEVICE_CPU,
        .kv_dtype = c->config.kv_dtype,
        .max_seqs = c->n_kv_slots,
        .max_kv_len = c->config.max_len,
        .kept_tokens = c->config.kept_tokens,
    };
    cg_cache_config cache_config = cg_cache_config_of_model(&c->config.model->config, &shape);
    cg_error why = CG_ERROR_INIT;

    cg_cache_config_offer_window(&cache_config, c->config.cache);
    c->window = cg_window_of_model(&c->config.model->config, c->config.max_len);
    c->cache_window = cache_config.window;
    CG_TRY(
        cache_status(c, c->config.cache->supports(c->config.host, &cache_config, &why), &why, err));
    CG_TRY(cache_status(
        c, c->config.cache->create(c->config.host, &cache_config, &c->cache_self, &why), &why,
        err));
    if (c->cache_self)
        return CG_OK;
    return cache_status(c, cg_fail(&why, CG_ERR_PLUGIN, "create() succeeded without a cache"), &why,
                        err);
}

static cg_status make_model(struct cpu *c, cg_error *err)
{
    cg_cpu_model_config config = {
        .model = c->config.model,
        .team = c->team,
        .host = c->config.host,
        .attention = c->config.attention,
        .cache = c->config.cache,
        .attention_name = c->config.attention_name,
        .cache_name = c->config.cache_name,
        .cache_self = c->cache_self,
        .max_tokens = c->config.step_tokens,
        .max_seqs = c->n_kv_slots,
        .max_prompt_tokens = c->prompt_tokens,
        .max_prompts = c->config.n_prompt_slots,
        .max_out = c->config.n_slots,
        .max_len = c->config.max_len,
        .kv_dtype = c->config.kv_dtype,
    };

    return cg_cpu_model_create(&config, &c->model, err);
}

cg_status cg_executor_cpu_create(const cg_executor_config *config, cg_team *team,
                                 cg_executor **ret_executor, cg_error *err)
{
    struct cpu *c = calloc(1, sizeof *c);
    cg_status st;

    if (!c)
        return cg_fail_nomem(err, "executor");
    c->base.ops = &cpu_ops;
    c->config = *config;
    c->config.step_tokens = cg_step_tokens(CG_DEVICE_CPU, config->n_slots, config->step_tokens, 1);
    c->team = team;
    c->n_kv_slots = config->n_slots + config->n_prompt_slots;
    c->prompt_tokens =
        cg_prompt_step_tokens(CG_DEVICE_CPU, config->n_prompt_slots, config->prompt_step_tokens);
    CG_TRY_GOTO(st, make_arrays(c, err), out);
    CG_TRY_GOTO(st, make_cache(c, err), out);
    CG_TRY_GOTO(st, make_model(c, err), out);
    *ret_executor = &c->base;
    c = NULL;
out:
    if (c)
        cpu_destroy(&c->base);
    return st;
}

/* ---- filling and emptying slots ----------------------------------------------------------- */

static cg_status cpu_begin_prompt(cg_executor *ex, int32_t prompt_slot, const int32_t *tokens,
                                  int32_t n, cg_error *err)
{
    struct cpu *c = (struct cpu *)ex;
    struct slot *s = &c->slots[c->config.n_slots + prompt_slot];

    if (n < 1 || n >= c->config.max_len)
        return cg_fail(err, CG_ERR_LIMIT, "prompt of %d tokens; 1 to %d fit", n,
                       c->config.max_len - 1);
    memcpy(s->tokens, tokens, (size_t)n * sizeof *tokens);
    s->seq = (cg_sequence) { .n_tokens = n, .limit = c->config.max_len };
    s->kind = PROMPT;
    s->reported = 0;
    return CG_OK;
}

static int cpu_prompt_ready(const cg_executor *ex, int32_t prompt_slot)
{
    const struct cpu *c = (const struct cpu *)ex;
    const struct slot *s = &c->slots[c->config.n_slots + prompt_slot];

    return s->kind == PROMPT && s->seq.n_kv == s->seq.n_tokens;
}

static void release_slot(struct cpu *c, int32_t i)
{
    if (c->slots[i].kind != FREE)
        c->config.cache->release(c->cache_self, i);
    c->slots[i].kind = FREE;
}

static void cpu_release_prompt(cg_executor *ex, int32_t prompt_slot)
{
    struct cpu *c = (struct cpu *)ex;

    release_slot(c, c->config.n_slots + prompt_slot);
}

static void cpu_release(cg_executor *ex, int32_t slot)
{
    release_slot((struct cpu *)ex, slot);
}

static cg_status cpu_admit(cg_executor *ex, int32_t slot, int32_t prompt_slot,
                           const cg_sequence_job *job, cg_error *err)
{
    struct cpu *c = (struct cpu *)ex;
    struct slot *s = &c->slots[slot];
    const struct slot *from = &c->slots[c->config.n_slots + prompt_slot];
    const cg_program *prog = job->program;
    int32_t n_prompt = from->seq.n_tokens, n_atoms;
    int64_t limit = (int64_t)n_prompt + prog->max_tokens;
    int test = job->geometry && c->config.geometry != CG_GEOMETRY_OFF;
    cg_error why = CG_ERROR_INIT;

    CG_TRY(set_head_rows(c, prog->n_head_rows, err));
    n_atoms = prog->fields_per_atom ? prog->n_fields / prog->fields_per_atom : 0;
    if (cg_grow((void **)&s->marks, &s->cap_marks, (size_t)n_atoms, sizeof *s->marks) ||
        cg_cpu_repair_begin(&s->repair, test ? n_atoms : 0))
        return cg_fail_nomem(err, "executor");
    memcpy(s->tokens, from->tokens, (size_t)n_prompt * sizeof *s->tokens);
    s->job = *job;
    if (!test)
        s->job.geometry = NULL;
    s->n_prompt = s->most_kv = n_prompt;
    s->reported = 0;
    s->seq = (cg_sequence) {
        .n_tokens = n_prompt,
        .limit = limit < c->config.max_len ? (int32_t)limit : c->config.max_len,
    };
    cg_sequence_begin(&s->seq, prog, c->config.automaton, s->tokens, s->marks);
    /* At least one token must be evaluated to give the first logits. */
    s->seq.n_kv = n_prompt < s->seq.n_tokens ? n_prompt : s->seq.n_tokens - 1;
    if (s->seq.n_kv > 0)
        CG_TRY(cache_status(c,
                            c->config.cache->share_prefix(c->cache_self, slot,
                                                          c->config.n_slots + prompt_slot,
                                                          s->seq.n_kv, &why),
                            &why, err));
    s->kind = SEQUENCE;
    return CG_OK;
}

static int cpu_collect(cg_executor *ex, cg_sequence_result *ret_result)
{
    struct cpu *c = (struct cpu *)ex;

    for (int32_t i = 0; i < c->config.n_slots; i++) {
        struct slot *s = &c->slots[i];
        int32_t n = s->seq.n_tokens - s->n_prompt;

        if (s->kind != SEQUENCE || !s->seq.done || s->reported)
            continue;
        s->reported = 1;
        c->stats.forced += n - s->seq.n_sampled;
        *ret_result = (cg_sequence_result) {
            i,
            s->seq.done,
            n,
            s->seq.n_sampled,
            s->tokens + s->n_prompt,
            s->seq.is_mirrored,
            s->repair.counts,
        };
        return 1;
    }
    return 0;
}

/*
 * Whether the cache may have given up tokens that the next query of a sequence reads. An append
 * whose first token has position p < most_kv leaves those from p + 1 - cache_window on.
 */
static int has_lost_tokens(const struct cpu *c, const struct slot *s)
{
    return c->cache_window && s->most_kv > c->cache_window &&
           s->seq.n_kv + 1 - c->window < s->most_kv - c->cache_window;
}

/* Drops the cached tokens of a sequence that was rolled back; all, if others are lost. */
static cg_status truncate(struct cpu *c, int32_t slot, cg_error *err)
{
    struct slot *s = &c->slots[slot];
    cg_error why = CG_ERROR_INIT;

    if (has_lost_tokens(c, s)) {
        c->config.cache->release(c->cache_self, slot);
        s->seq.n_kv = s->most_kv = 0;
        return CG_OK;
    }
    return cache_status(c, c->config.cache->truncate(c->cache_self, slot, s->seq.n_kv, &why), &why,
                        err);
}

static cg_status cpu_roll_back(cg_executor *ex, int32_t slot, int32_t atom, cg_error *err)
{
    struct cpu *c = (struct cpu *)ex;
    struct slot *s = &c->slots[slot];
    int32_t per = s->kind == SEQUENCE ? s->job.program->fields_per_atom : 0;

    if (s->kind != SEQUENCE || !per)
        return cg_fail(err, CG_ERR_USAGE,
                       "roll-back: slot %d holds no sequence of atoms (internal error)", slot);
    if (atom < 0 || atom > s->seq.field / per || atom >= s->job.program->n_fields / per)
        return cg_fail(
            err, CG_ERR_USAGE,
            "roll-back to atom %d (from 0): the sequence has completed %d of %d atoms (internal "
            "error)",
            atom, s->seq.field / per, s->job.program->n_fields / per);
    cg_sequence_roll_back(&s->seq, s->job.program, c->config.automaton, atom, s->marks);
    s->reported = 0;
    return truncate(c, slot, err);
}

/* ---- the step ----------------------------------------------------------------------------- */

/* Adds up to `room` waiting tokens of a slot to the batch. */
static cg_status take_tokens(struct cpu *c, int32_t slot, int32_t room, cg_error *err)
{
    struct slot *s = &c->slots[slot];
    cg_cpu_batch *b = &c->batch;
    int32_t n = s->seq.n_tokens - s->seq.n_kv;
    cg_error why = CG_ERROR_INIT;

    n = n < room ? n : room;
    CG_TRY(cache_status(c, c->config.cache->reserve(c->cache_self, slot, s->seq.n_kv + n, &why),
                        &why, err));
    for (int32_t i = 0; i < n; i++) {
        b->token[b->n_tokens] = s->tokens[s->seq.n_kv + i];
        b->pos[b->n_tokens] = s->seq.n_kv + i;
        b->slot[b->n_tokens] = slot;
        b->n_tokens++;
    }
    s->seq.n_kv += n;
    s->most_kv = s->seq.n_kv > s->most_kv ? s->seq.n_kv : s->most_kv;
    b->seq_slot[b->n_seqs] = slot;
    b->kv_len[b->n_seqs] = s->seq.n_kv;
    b->q_start[++b->n_seqs] = b->n_tokens;
    if (s->kind == SEQUENCE && s->seq.n_kv == s->seq.n_tokens) {
        c->out_slot[b->n_out] = slot;
        b->out_row[b->n_out++] = b->n_tokens - 1;
    }
    if (s->kind == PROMPT) {
        c->stats.prompt_tokens += n;
    } else {
        c->stats.tokens += n;
        c->stats.attended += s->seq.n_kv;
    }
    return CG_OK;
}

static int has_waiting_tokens(const struct slot *s)
{
    return s->kind != FREE && !s->seq.done && s->seq.n_kv < s->seq.n_tokens;
}

static void clear_batch(struct cpu *c, int32_t is_prompts)
{
    cg_cpu_batch *b = &c->batch;

    b->n_tokens = b->n_seqs = b->n_out = 0;
    b->is_prompts = is_prompts;
    b->step = c->stats.steps + c->stats.prompt_steps;
    b->q_start[0] = 0;
}

/*
 * Fills the batch: sequences first, in turn, then, if there are no prompt steps, prompts with the
 * remaining room.
 */
static cg_status gather_batch(struct cpu *c, cg_error *err)
{
    int32_t n_slots = c->config.n_slots, end = c->prompt_tokens ? n_slots : c->n_kv_slots;
    cg_cpu_batch *b = &c->batch;

    clear_batch(c, 0);
    for (int32_t k = 0; k < end; k++) {
        int32_t i = k < n_slots ? (c->first + k) % n_slots : k;
        int32_t room = c->config.step_tokens - b->n_tokens;

        if (!has_waiting_tokens(&c->slots[i]))
            continue;
        if (!room) {
            if (i < n_slots)
                c->first = i;
            break;
        }
        CG_TRY(take_tokens(c, i, room, err));
    }
    return CG_OK;
}

/* Fills the batch of a prompt step: prompts in the order of their slots. */
static cg_status gather_prompts(struct cpu *c, cg_error *err)
{
    clear_batch(c, 1);
    for (int32_t i = c->config.n_slots; i < c->n_kv_slots; i++) {
        int32_t room = c->prompt_tokens - c->batch.n_tokens;

        if (room && has_waiting_tokens(&c->slots[i]))
            CG_TRY(take_tokens(c, i, room, err));
    }
    return CG_OK;
}

static int prompt_step_is_due(const struct cpu *c)
{
    cg_prompt_counts counts = { .n_slots = c->config.n_prompt_slots };

    for (int32_t i = 0; i < c->n_kv_slots; i++) {
        const struct slot *s = &c->slots[i];

        counts.n_running += s->kind == SEQUENCE && !s->seq.done;
        counts.n_waiting += s->kind == PROMPT && has_waiting_tokens(s);
        counts.n_ready += s->kind == PROMPT && !has_waiting_tokens(s);
    }
    return c->prompt_tokens && cg_prompt_step_is_due(&counts);
}

/* Tests (and repairs) the atoms completed since the sequence was in field `since_field`. */
static void test_atoms(struct cpu *c, struct slot *s, int32_t since_field)
{
    cg_repair_target target = {
        .text = { .automaton = c->config.automaton,
                  .token_numbers = c->config.token_numbers,
                  .number_format = c->config.number_format,
                  .program = s->job.program,
                  .seq = &s->seq,
                  .tokens = s->tokens,
                  .marks = s->marks },
        .geometry = s->job.geometry,
        .restart_limit = cg_restart_limit(c->config.sampling.greedy),
    };
    int32_t per = s->job.program->fields_per_atom, end = s->seq.field / per;

    for (int32_t atom = since_field / per; atom < end && !s->rolled_back; atom++)
        s->rolled_back =
            cg_cpu_repair_atom(&s->repair, &target, c->config.geometry == CG_GEOMETRY_REPAIR, atom);
}

/* Samples one token of a sequence and appends it with the forced tokens after it. */
static void sample_row(void *arg, int64_t row, int worker)
{
    struct cpu *c = arg;
    const cg_automaton *aut = c->config.automaton;
    struct slot *s = &c->slots[c->out_slot[row]];
    const float *logits = c->logits + row * c->logits_stride;
    int32_t begin = aut->row[s->seq.state], n = aut->row[s->seq.state + 1] - begin, index = 0;
    float *allowed = c->gathered[worker];
    float u = cg_rng_uniform(&s->job.key, (uint32_t)(s->seq.n_tokens - s->n_prompt),
                             (uint32_t)s->seq.attempt);
    int32_t field = s->seq.field;
    cg_status st = CG_OK;

    for (int32_t i = 0; i < n; i++) {
        allowed[i] = logits[aut->head_row[begin + i]];
        if (!isfinite(allowed[i]))
            st = CG_ERR_FORMAT;
    }
    if (st == CG_OK)
        st = cg_sample(&c->config.sampling, allowed, n, u, &c->scratch[worker], &index);
    if (st != CG_OK) {
        c->sample_status = st;
        return;
    }
    cg_sequence_advance(&s->seq, s->job.program, aut, begin + index, s->tokens, s->marks);
    if (s->job.geometry)
        test_atoms(c, s, field);
}

/* Truncates the cache of slots that were rolled back; serially, since pages are shared. */
static cg_status truncate_rolled_back(struct cpu *c, cg_error *err)
{
    for (int32_t i = 0; i < c->batch.n_out; i++) {
        struct slot *s = &c->slots[c->out_slot[i]];
        int32_t rolled_back = s->rolled_back;

        s->rolled_back = 0;
        if (rolled_back && !s->seq.done)
            CG_TRY(truncate(c, c->out_slot[i], err));
    }
    return CG_OK;
}

/* Computes all waiting prompts, in as many prompt steps as they need. */
static cg_status compute_prompts(struct cpu *c, cg_error *err)
{
    double t = cg_now();

    CG_TRY(gather_prompts(c, err));
    while (c->batch.n_tokens) {
        CG_TRY(cg_cpu_model_forward(c->model, &c->batch, &c->logits, &c->logits_stride, err));
        c->stats.prompt_steps++;
        c->stats.prompt_step_rows += c->batch.n_tokens;
        CG_TRY(gather_prompts(c, err));
    }
    c->stats.prompt_step_seconds += cg_now() - t;
    return CG_OK;
}

static cg_status step(struct cpu *c, cg_error *err)
{
    double t;

    CG_TRY(cg_cpu_model_forward(c->model, &c->batch, &c->logits, &c->logits_stride, err));
    t = cg_now();
    c->sample_status = CG_OK;
    cg_team_loop(c->team, c->batch.n_out, sample_row, c);
    c->stats.sample_seconds += cg_now() - t;
    c->stats.sampled += c->batch.n_out;
    c->stats.steps++;
    c->stats.step_rows += c->batch.n_tokens;
    if (c->sample_status == CG_ERR_FORMAT)
        return cg_fail(err, CG_ERR_FORMAT,
                       "the model's logits are not finite: its weights are damaged or overflow");
    return c->sample_status == CG_OK ? truncate_rolled_back(c, err)
                                     : cg_fail_nomem(err, "executor");
}

/* Returns whether a sequence has completed, or prompts are ready that were not reported yet. */
static int has_event(struct cpu *c)
{
    int found = 0;

    for (int32_t i = 0; i < c->n_kv_slots; i++) {
        struct slot *s = &c->slots[i];

        if (s->reported)
            continue;
        found |= s->kind == SEQUENCE && s->seq.done;
        if (s->kind == PROMPT && s->seq.n_kv == s->seq.n_tokens)
            s->reported = found = 1;
    }
    return found;
}

static cg_status cpu_run(cg_executor *ex, int32_t max_steps, cg_error *err)
{
    struct cpu *c = (struct cpu *)ex;
    double t = cg_now();
    cg_status st = CG_OK;

    for (int32_t i = 0; i < max_steps && !has_event(c); i++) {
        if (prompt_step_is_due(c)) {
            CG_TRY_GOTO(st, compute_prompts(c, err), out);
            continue;
        }
        CG_TRY_GOTO(st, gather_batch(c, err), out);
        if (!c->batch.n_tokens)
            break;
        CG_TRY_GOTO(st, step(c, err), out);
    }
out:
    c->stats.seconds += cg_now() - t;
    return st;
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

    cg_cache_get_stats(c->config.cache, c->cache_self, ret_stats);
}

static const struct cg_executor_ops cpu_ops = {
    .name = "cpu",
    .destroy = cpu_destroy,
    .begin_prompt = cpu_begin_prompt,
    .prompt_ready = cpu_prompt_ready,
    .release_prompt = cpu_release_prompt,
    .admit = cpu_admit,
    .run = cpu_run,
    .collect = cpu_collect,
    .release = cpu_release,
    .roll_back = cpu_roll_back,
    .stats = cpu_stats,
    .cache_stats = cpu_cache_stats,
};
