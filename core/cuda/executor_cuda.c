/* SPDX-License-Identifier: MIT */
/*
 * The executor on a GPU. run() queues a launch - some steps, captured once - and then waits for the
 * launch before it: while the host empties and fills slots, the device runs the next steps. Repairs
 * are a branch of the captured graph, from gather to the end of the step.
 *
 * A launch of prompt steps is not captured. Its prompts are ready when it has been queued: what
 * sequences do with them follows it on the stream.
 */
#include "executor_cuda.h"

#include <stdlib.h>
#include <string.h>

#include "base/cache_window.h"
#include "base/clock.h"
#include "base/plugin_call.h"
#include "base/size.h"
#include "decode/prompt_steps.h"
#include "device_tables.h"
#include "model/attention_problem.h"
#include "model/step_tokens.h"

enum {
    LAUNCH_STEPS = 4,       /* of a full launch */
    MAX_ADMISSIONS = 4096,  /* that start at once: they are staged in pinned memory */
    DEPTH = 2,              /* launches in flight */
    N_LAUNCHES = DEPTH + 1, /* the events of the last completed launch are still read */
};

/* Host state of a KV slot. */
struct kv_slot {
    int32_t kind; /* CG_SLOT_* */
    int32_t n_prompt;
    int32_t done;      /* the sequence has completed, or the prompt is ready */
    int32_t collected; /* collect() has returned the sequence */
    const cg_program *program;
};

/* Time stamps on the stream around a launch. */
struct launch {
    cudaEvent_t begin, end;
    int32_t is_prompts; /* of prompt steps */
};

struct cuda_executor {
    cg_executor base;
    cg_executor_config config;
    cudaStream_t stream;
    /* NULL unless atoms are repaired */
    cudaStream_t repair_stream;     /* of the branch */
    cudaEvent_t gathered, repaired; /* its begin and end */
    int32_t compute_capability;
    void *cache_self;                  /* owned KV cache, of config.cache */
    int32_t cache_has_window;          /* it may give up tokens */
    int32_t cache_defers;              /* its work waits for flush() */
    uint64_t captured_view_generation; /* of the cache's views when graphs were captured */
    cg_device_tables *tables;
    cg_forward *forward;
    cg_step_state state;
    cg_step_batch prompts;      /* of prompt steps */
    cg_step_counters *counters; /* pinned: copy of the counters after the last launch */
    struct kv_slot *slots;      /* [n_kv_slots] */
    cg_admission *admissions;   /* [n_slots] sequences to start before the next launch, at most
                                   MAX_ADMISSIONS */
    int32_t n_admissions;
    int32_t next_collected;    /* no slot before it holds a sequence to collect */
    void **device_allocations; /* [n_device] everything from alloc_device() */
    void **host_allocations;   /* [n_host] everything from alloc_pinned() */
    size_t n_device, cap_device, n_host, cap_host;
    int32_t n_head_rows;
    /* of one step and of LAUNCH_STEPS steps; NULL: not captured */
    cudaGraphExec_t graph_one_step, graph_full;
    struct launch launches[N_LAUNCHES];
    int64_t n_queued, n_completed; /* launches */
    int64_t n_queued_steps;        /* of the launches queued so far */
    cudaEvent_t last_end;          /* of the last completed launch; NULL before the first */
    cg_executor_stats stats;
    int64_t device_bytes;
};

/* Returns the executor and makes its GPU current: a thread may run several executors. */
static struct cuda_executor *use(cg_executor *ex)
{
    struct cuda_executor *c = (struct cuda_executor *)ex;

    cudaSetDevice(c->config.gpu);
    return c;
}

/* ---- create, destroy ---------------------------------------------------------------------- */

static void discard_graphs(struct cuda_executor *c)
{
    if (c->graph_one_step)
        cudaGraphExecDestroy(c->graph_one_step);
    if (c->graph_full)
        cudaGraphExecDestroy(c->graph_full);
    c->graph_one_step = c->graph_full = NULL;
}

static void cuda_destroy(cg_executor *ex)
{
    struct cuda_executor *c = use(ex);

    if (c->stream)
        cudaStreamSynchronize(c->stream);
    discard_graphs(c);
    cg_forward_destroy(c->forward);
    cg_device_tables_destroy(c->tables);
    if (c->cache_self)
        c->config.cache->destroy(c->cache_self);
    for (int i = 0; i < N_LAUNCHES; i++) {
        if (c->launches[i].begin)
            cudaEventDestroy(c->launches[i].begin);
        if (c->launches[i].end)
            cudaEventDestroy(c->launches[i].end);
    }
    if (c->gathered)
        cudaEventDestroy(c->gathered);
    if (c->repaired)
        cudaEventDestroy(c->repaired);
    for (size_t i = 0; i < c->n_device; i++)
        cudaFree(c->device_allocations[i]);
    for (size_t i = 0; i < c->n_host; i++)
        cudaFreeHost(c->host_allocations[i]);
    if (c->repair_stream)
        cudaStreamDestroy(c->repair_stream);
    if (c->stream)
        cudaStreamDestroy(c->stream);
    free(c->device_allocations);
    free(c->host_allocations);
    free(c->slots);
    free(c->admissions);
    free(c);
}

static cg_status count_bytes(size_t n, size_t size, size_t *ret_bytes, cg_error *err)
{
    if (cg_mul(n, size, ret_bytes))
        return cg_fail(err, CG_ERR_NOMEM, "executor: %zu x %zu bytes overflow", n, size);
    return CG_OK;
}

/*
 * Allocates device memory, freed with the executor. Sets the pointer at address `ret_ptr`; the
 * memory is zeroed on c->stream, asynchronously.
 */
static cg_status alloc_device(struct cuda_executor *c, size_t n, size_t size, void *ret_ptr,
                              cg_error *err)
{
    void *p = NULL;
    size_t bytes = 0;

    CG_TRY(count_bytes(n, size, &bytes, err));
    if (cg_grow((void **)&c->device_allocations, &c->cap_device, c->n_device + 1, sizeof p))
        return cg_fail_nomem(err, "executor");
    CG_TRY(CG_CUDA(cudaMalloc(&p, bytes ? bytes : 1), err));
    c->device_allocations[c->n_device++] = p;
    c->device_bytes += (int64_t)bytes;
    memcpy(ret_ptr, &p, sizeof p);
    return CG_CUDA(cudaMemsetAsync(p, 0, bytes, c->stream), err);
}

/*
 * Allocates zeroed pinned memory that kernels can write to, freed with the executor. Sets the
 * pointer at address `ret_ptr`.
 */
static cg_status alloc_pinned(struct cuda_executor *c, size_t n, size_t size, void *ret_ptr,
                              cg_error *err)
{
    void *p = NULL;
    size_t bytes = 0;

    CG_TRY(count_bytes(n, size, &bytes, err));
    if (cg_grow((void **)&c->host_allocations, &c->cap_host, c->n_host + 1, sizeof p))
        return cg_fail_nomem(err, "executor");
    CG_TRY(CG_CUDA(cudaHostAlloc(&p, bytes ? bytes : 1, cudaHostAllocMapped), err));
    c->host_allocations[c->n_host++] = p;
    memset(p, 0, bytes);
    memcpy(ret_ptr, &p, sizeof p);
    return CG_OK;
}

/* Allocates a table that the executor does not change and copies it from the host. */
static cg_status copy_table(struct cuda_executor *c, const void *table, size_t n, size_t size,
                            void *ret_ptr, cg_error *err)
{
    void *p = NULL;

    CG_TRY(alloc_device(c, n, size, &p, err));
    memcpy(ret_ptr, &p, sizeof p);
    return CG_CUDA(cudaMemcpyAsync(p, table, n * size, cudaMemcpyHostToDevice, c->stream), err);
}

static cg_status make_repair_stream(struct cuda_executor *c, cg_error *err)
{
    CG_TRY(CG_CUDA(cudaStreamCreateWithFlags(&c->repair_stream, cudaStreamNonBlocking), err));
    CG_TRY(CG_CUDA(cudaEventCreateWithFlags(&c->gathered, cudaEventDisableTiming), err));
    return CG_CUDA(cudaEventCreateWithFlags(&c->repaired, cudaEventDisableTiming), err);
}

/* Coordinates of the slots, the lists of tests and repairs, the tables of numbers and the stream,
 * for geometry tests and repair. */
static cg_status make_geometry(struct cuda_executor *c, cg_error *err)
{
    cg_step_state *s = &c->state;
    size_t vocab = (size_t)c->config.model->config.vocab;
    size_t slots = (size_t)s->n_slots, n_xyz = 3 * slots * (size_t)s->max_len;

    if (c->config.geometry == CG_GEOMETRY_REPAIR)
        CG_TRY(make_repair_stream(c, err));
    CG_TRY(alloc_device(c, n_xyz, sizeof *s->xyz, &s->xyz, err));
    CG_TRY(alloc_device(c, slots, sizeof *s->tests, &s->tests, err));
    CG_TRY(alloc_device(c, 1, sizeof *s->n_tests, &s->n_tests, err));
    CG_TRY(alloc_device(c, slots, sizeof *s->repairs, &s->repairs, err));
    CG_TRY(alloc_device(c, 1, sizeof *s->n_repairs, &s->n_repairs, err));
    CG_TRY(copy_table(c, c->config.token_numbers, vocab, sizeof *s->token_numbers,
                      &s->token_numbers, err));
    CG_TRY(copy_table(c, c->config.number_format, 1, sizeof *s->number_format, &s->number_format,
                      err));
    s->geometry = c->config.geometry;
    s->restart_limit = cg_restart_limit(c->config.sampling.greedy);
    return CG_OK;
}

static cg_status make_state(struct cuda_executor *c, cg_error *err)
{
    const cg_executor_config *config = &c->config;
    cg_step_state *s = &c->state;
    cg_step_batch *b = &s->batch, *p = &c->prompts;
    size_t slots = (size_t)config->n_slots, prompts = (size_t)config->n_prompt_slots;
    size_t len = (size_t)config->max_len, kv_slots = slots + prompts, rows, prompt_rows;

    s->n_slots = config->n_slots;
    s->n_kv_slots = config->n_slots + config->n_prompt_slots;
    s->max_len = config->max_len;
    b->rows =
        cg_step_tokens(CG_DEVICE_CUDA, config->n_slots, config->step_tokens, config->deterministic);
    b->max_seqs = s->n_kv_slots;
    p->rows =
        cg_prompt_step_tokens(CG_DEVICE_CUDA, config->n_prompt_slots, config->prompt_step_tokens);
    p->max_seqs = config->n_prompt_slots;
    rows = (size_t)b->rows;
    prompt_rows = (size_t)p->rows;
    c->slots = calloc(kv_slots, sizeof *c->slots);
    c->admissions = calloc(slots, sizeof *c->admissions);
    if (!c->slots || !c->admissions)
        return cg_fail_nomem(err, "executor");

    const struct {
        cg_status (*alloc)(struct cuda_executor *c, size_t n, size_t size, void *ret_ptr,
                           cg_error *err);
        void *ret_ptr; /* address of the pointer */
        size_t n, size;
    } arrays[] = {
        { alloc_device, &s->slots, kv_slots, sizeof *s->slots },
        { alloc_device, &s->tokens, kv_slots * len, sizeof *s->tokens },
        { alloc_device, &s->marks, slots * len, sizeof *s->marks },
        { alloc_device, &s->first_slot, 1, sizeof *s->first_slot },
        { alloc_device, &s->counters, 1, sizeof *s->counters },
        { alloc_device, &b->token, rows, sizeof *b->token },
        { alloc_device, &b->pos, rows, sizeof *b->pos },
        { alloc_device, &b->slot, rows, sizeof *b->slot },
        { alloc_device, &b->q_start, kv_slots + 1, sizeof *b->q_start },
        { alloc_device, &b->seq_slot, kv_slots, sizeof *b->seq_slot },
        { alloc_device, &b->kv_len, kv_slots, sizeof *b->kv_len },
        { alloc_device, &p->token, prompt_rows, sizeof *p->token },
        { alloc_device, &p->pos, prompt_rows, sizeof *p->pos },
        { alloc_device, &p->slot, prompt_rows, sizeof *p->slot },
        { alloc_device, &p->q_start, prompts + 1, sizeof *p->q_start },
        { alloc_device, &p->seq_slot, prompts, sizeof *p->seq_slot },
        { alloc_device, &p->kv_len, prompts, sizeof *p->kv_len },
        { alloc_device, &s->out_row, slots, sizeof *s->out_row },
        { alloc_device, &s->out_slot, slots, sizeof *s->out_slot },
        { alloc_device, &s->n_out, 1, sizeof *s->n_out },
        { alloc_pinned, &s->events, kv_slots, sizeof *s->events },
        { alloc_pinned, &s->completions, slots * len, sizeof *s->completions },
        { alloc_pinned, &s->failure, 1, sizeof *s->failure },
        { alloc_pinned, &c->counters, 1, sizeof *c->counters },
    };

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        CG_TRY(arrays[i].alloc(c, arrays[i].n, arrays[i].size, arrays[i].ret_ptr, err));
    return config->geometry != CG_GEOMETRY_OFF ? make_geometry(c, err) : CG_OK;
}

/*
 * Memory that the cache may take: the free memory less the weights, which are not on the GPU yet,
 * the activations and 1 GiB.
 */
static cg_status max_cache_bytes(const struct cuda_executor *c, int64_t *ret_bytes, cg_error *err)
{
    const cg_model_config *mc = &c->config.model->config;
    int64_t q = (int64_t)mc->n_heads * mc->head_dim, kv = (int64_t)mc->n_kv_heads * mc->head_dim;
    int64_t size = cg_dtype_size(cg_activation_dtype(c->config.dtype)),
            step_rows = c->state.batch.rows;
    int64_t rows = step_rows > c->prompts.rows ? step_rows : c->prompts.rows;
    int64_t layer = mc->hidden * (2 * q + 2 * kv + 3 * (int64_t)mc->intermediate);
    int64_t positions = mc->learned_positions ? mc->max_positions : 0;
    /* 3: embedding, head, and at most as much for the head rows in use */
    int64_t weights =
        (mc->n_layers * layer + (3 * (int64_t)mc->vocab + positions) * mc->hidden) * size;
    int64_t work = rows * (3 * mc->hidden + 3 * (int64_t)mc->intermediate + 2 * q + 2 * kv) * 4 +
                   ((int64_t)1 << 30);
    size_t free_bytes = 0, total = 0;

    CG_TRY(CG_CUDA(cudaMemGetInfo(&free_bytes, &total), err));
    if ((int64_t)free_bytes <= weights + work)
        return cg_fail(err, CG_ERR_DEVICE_NOMEM,
                       "GPU %d has %zu bytes free, the model and a step need about %lld",
                       c->config.gpu, free_bytes, (long long)(weights + work));
    *ret_bytes = (int64_t)free_bytes - weights - work;
    return CG_OK;
}

/* Status of a call of the cache, which has written `why`. */
static cg_status cache_status(const struct cuda_executor *c, cg_status st, const cg_error *why,
                              cg_error *err)
{
    cg_plugin_call call = { "cache", c->config.cache_name, -1,
                            c->forward ? c->n_queued_steps : -1 };

    return cg_plugin_call_status(&call, st, why, err);
}

static cg_status make_cache(struct cuda_executor *c, cg_error *err)
{
    const cg_attention_shape shape = {
        .device = CG_DEVICE_CUDA,
        .kv_dtype = c->config.kv_dtype,
        .max_seqs = c->state.n_kv_slots,
        .max_kv_len = c->config.max_len,
        .kept_tokens =
            c->config.geometry == CG_GEOMETRY_REPAIR ? c->config.max_len : c->config.kept_tokens,
    };
    const cg_cache_ops *ops = c->config.cache;
    cg_cache_config cache_config = cg_cache_config_of_model(&c->config.model->config, &shape);
    cg_error why = CG_ERROR_INIT;

    cache_config.stream = c->stream;
    cg_cache_config_offer_window(&cache_config, ops);
    c->cache_defers = CG_HAS(ops, flush) && (ops->features & CG_CACHE_DEFER);
    if (c->cache_defers)
        cache_config.features |= CG_CACHE_DEFER;
    c->cache_has_window = cache_config.window > 0;
    CG_TRY(max_cache_bytes(c, &cache_config.max_bytes, err));
    CG_TRY(cache_status(c, ops->supports(c->config.host, &cache_config, &why), &why, err));
    CG_TRY(cache_status(c, ops->create(c->config.host, &cache_config, &c->cache_self, &why), &why,
                        err));
    if (c->cache_self)
        return CG_OK;
    return cache_status(c, cg_fail(&why, CG_ERR_PLUGIN, "create() succeeded without a cache"), &why,
                        err);
}

static cg_status make_forward(struct cuda_executor *c, cg_error *err)
{
    cg_forward_config forward_config = {
        .model = c->config.model,
        .host = c->config.host,
        .attention = c->config.attention,
        .cache = c->config.cache,
        .attention_name = c->config.attention_name,
        .cache_name = c->config.cache_name,
        .cache_self = c->cache_self,
        .cache_has_window = c->cache_has_window,
        .prompts = &c->prompts,
        .prompts_optional = c->config.prompt_step_tokens == CG_PROMPT_STEPS_AUTO,
        .max_len = c->config.max_len,
        .dtype = cg_activation_dtype(c->config.dtype),
        .has_i8_products = c->config.dtype == CG_I8,
        .kv_dtype = c->config.kv_dtype,
        .deterministic = c->config.deterministic,
        .compute_capability = c->compute_capability,
        .stream = c->stream,
    };

    CG_TRY(cg_forward_create(&forward_config, &c->state, &c->forward, err));
    if (cg_forward_has_prompt_steps(c->forward))
        c->state.batch.max_seqs = c->state.n_slots;
    return CG_OK;
}

/* Fills a zeroed executor whose config is set. On failure the caller calls cuda_destroy(). */
static cg_status init(struct cuda_executor *c, cg_error *err)
{
    int gpu = c->config.gpu, major = 0, minor = 0;

    CG_TRY(CG_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, gpu), err));
    CG_TRY(CG_CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, gpu), err));
    c->compute_capability = 10 * major + minor;
    CG_TRY(CG_CUDA(cudaStreamCreateWithFlags(&c->stream, cudaStreamNonBlocking), err));
    for (int i = 0; i < N_LAUNCHES; i++) {
        CG_TRY(CG_CUDA(cudaEventCreate(&c->launches[i].begin), err));
        CG_TRY(CG_CUDA(cudaEventCreate(&c->launches[i].end), err));
    }
    CG_TRY(make_state(c, err));
    CG_TRY(cg_device_tables_create(c->config.automaton, c->stream, &c->tables, err));
    CG_TRY(make_cache(c, err));
    CG_TRY(make_forward(c, err));
    return CG_CUDA(cudaStreamSynchronize(c->stream), err);
}

static const struct cg_executor_ops cuda_ops;

cg_status cg_cuda_executor_create(const cg_executor_config *config, cg_executor **ret_executor,
                                  cg_error *err)
{
    struct cuda_executor *c;
    cg_status st;

    CG_TRY(cg_cuda_use(config->gpu, err));
    if (config->dtype != CG_BF16 && config->dtype != CG_F16 && config->dtype != CG_F32 &&
        config->dtype != CG_I8)
        return cg_fail(
            err, CG_ERR_UNSUPPORTED,
            "element type %s: a GPU computes in bf16, f16, bf16 with products of int8, or in f32 "
            "to compare with the CPU",
            cg_dtype_name(config->dtype));
    c = calloc(1, sizeof *c);
    if (!c)
        return cg_fail_nomem(err, "executor");
    c->base.ops = &cuda_ops;
    c->config = *config;
    st = init(c, err);
    if (st != CG_OK) {
        cuda_destroy(&c->base);
        return st;
    }
    *ret_executor = &c->base;
    return CG_OK;
}

/* ---- filling and emptying slots ----------------------------------------------------------- */

/* Reserves cache memory. If the cache moved its memory, discards the graphs that point into it. */
static cg_status reserve(struct cuda_executor *c, int32_t kv_slot, int32_t len, cg_error *err)
{
    cg_kv_view view = { CG_SIZED(cg_kv_view) };
    cg_error why = CG_ERROR_INIT;
    cg_status st;

    CG_TRY(cache_status(c, c->config.cache->reserve(c->cache_self, kv_slot, len, &why), &why, err));
    CG_TRY(
        cache_status(c, cg_cache_view(c->config.cache, c->cache_self, 0, &view, &why), &why, err));
    if (view.generation == c->captured_view_generation)
        return CG_OK;
    st = CG_CUDA(cudaStreamSynchronize(c->stream), err);
    discard_graphs(c);
    c->captured_view_generation = view.generation;
    return st;
}

/*
 * Starts the admitted sequences on the device, all at once: one after the other they would take as
 * long as a step.
 */
static cg_status start_admitted(struct cuda_executor *c, cg_error *err)
{
    size_t bytes = (size_t)c->n_admissions * sizeof *c->admissions;
    int32_t n = c->n_admissions;
    void *staged;

    if (!n)
        return CG_OK;
    CG_TRY(cg_device_tables_stage(c->tables, bytes, &staged, err));
    memcpy(staged, c->admissions, bytes);
    c->n_admissions = 0;
    return cg_step_admit(&c->state, cg_device_tables_automaton(c->tables), staged, n, c->stream,
                         err);
}

static cg_status begin_prompt(struct cuda_executor *c, int32_t kv_slot, const int32_t *tokens,
                              int32_t n, cg_error *err)
{
    size_t bytes = (size_t)n * sizeof *tokens;
    void *staged;

    CG_TRY(start_admitted(c, err)); /* they copy the tokens of the slot's last prompt */
    CG_TRY(reserve(c, kv_slot, n, err));
    CG_TRY(cg_device_tables_stage(c->tables, bytes, &staged, err));
    memcpy(staged, tokens, bytes);
    c->state.events[kv_slot] = (cg_slot_event) { 0 };
    return cg_step_begin_prompt(&c->state, kv_slot, staged, n, c->stream, err);
}

static cg_status cuda_begin_prompt(cg_executor *ex, int32_t prompt, const int32_t *tokens,
                                   int32_t n, cg_error *err)
{
    struct cuda_executor *c = use(ex);
    int32_t kv_slot = c->config.n_slots + prompt;
    cg_status st;

    if (n < 1 || n >= c->config.max_len)
        return cg_fail(err, CG_ERR_LIMIT, "prompt of %d tokens, wanted 1 to %d", n,
                       c->config.max_len - 1);
    st = begin_prompt(c, kv_slot, tokens, n, err);
    if (st != CG_OK) {
        c->config.cache->release(c->cache_self, kv_slot);
        return st;
    }
    c->slots[kv_slot] = (struct kv_slot) { .kind = CG_SLOT_PROMPT, .n_prompt = n };
    return CG_OK;
}

static int cuda_prompt_ready(const cg_executor *ex, int32_t prompt)
{
    const struct cuda_executor *c = (const struct cuda_executor *)ex;
    const struct kv_slot *p = &c->slots[c->config.n_slots + prompt];

    return p->kind == CG_SLOT_PROMPT && p->done;
}

/*
 * Frees a KV slot. Steps skip a slot that is done. A slot that is not done is stopped on the
 * device; then the steps in flight, which may still write its cg_slot_event, are waited for.
 */
static void release_slot(struct cuda_executor *c, int32_t kv_slot)
{
    struct kv_slot *p = &c->slots[kv_slot];

    if (p->kind == CG_SLOT_FREE)
        return;
    if (!p->done && start_admitted(c, NULL) == CG_OK &&
        cg_step_release(&c->state, kv_slot, c->stream, NULL) == CG_OK)
        cudaStreamSynchronize(c->stream);
    c->config.cache->release(c->cache_self, kv_slot);
    if (p->program)
        cg_device_tables_drop(c->tables, p->program);
    *p = (struct kv_slot) { 0 };
}

static void cuda_release_prompt(cg_executor *ex, int32_t prompt)
{
    struct cuda_executor *c = use(ex);

    release_slot(c, c->config.n_slots + prompt);
}

static void cuda_release(cg_executor *ex, int32_t slot)
{
    release_slot(use(ex), slot);
}

/* True if a program appends a forced token before it samples one. */
static int begins_forced(const cg_program *p, const cg_automaton *a)
{
    return p->forced_start[1] > p->forced_start[0] ||
           (p->n_fields > 0 && a->row[p->entry[0] + 1] - a->row[p->entry[0]] == 1);
}

/* Most tokens of a sequence, prompt included. */
static int32_t sequence_limit(const struct cuda_executor *c, int32_t n_prompt,
                              const cg_program *program)
{
    int64_t limit = (int64_t)n_prompt + program->max_tokens;

    return limit < c->config.max_len ? (int32_t)limit : c->config.max_len;
}

static cg_status start_sequence(struct cuda_executor *c, int32_t slot, int32_t prompt_slot,
                                const cg_program *program, cg_error *err)
{
    const cg_automaton *automaton = cg_device_tables_automaton(c->tables);
    int32_t n_prompt = c->slots[prompt_slot].n_prompt;
    int32_t n_kv = begins_forced(program, c->config.automaton) ? n_prompt : n_prompt - 1;
    cg_error why = CG_ERROR_INIT;

    if (program->n_head_rows > c->n_head_rows) {
        CG_TRY(
            cg_forward_set_head_rows(c->forward, automaton->head_token, program->n_head_rows, err));
        discard_graphs(c);
        c->n_head_rows = program->n_head_rows;
    }
    if (n_kv > 0)
        CG_TRY(cache_status(
            c, c->config.cache->share_prefix(c->cache_self, slot, prompt_slot, n_kv, &why), &why,
            err));
    return reserve(c, slot, sequence_limit(c, n_prompt, program), err);
}

static cg_status cuda_admit(cg_executor *ex, int32_t slot, int32_t prompt,
                            const cg_sequence_job *job, cg_error *err)
{
    struct cuda_executor *c = use(ex);
    int32_t prompt_slot = c->config.n_slots + prompt;
    cg_admission *a;
    cg_status st;

    if (c->n_admissions == MAX_ADMISSIONS)
        CG_TRY(start_admitted(c, err));
    a = &c->admissions[c->n_admissions];
    *a = (cg_admission) { .slot = slot, .prompt_slot = prompt_slot, .key = job->key };
    CG_TRY(cg_device_tables_use(c->tables, job->program, job->geometry, &a->program, &a->geometry,
                                err));
    st = start_sequence(c, slot, prompt_slot, job->program, err);
    if (st != CG_OK) {
        c->config.cache->release(c->cache_self, slot);
        cg_device_tables_drop(c->tables, job->program);
        return st;
    }
    c->n_admissions++;
    c->state.events[slot] = (cg_slot_event) { 0 };
    c->slots[slot] = (struct kv_slot) { .kind = CG_SLOT_SEQUENCE,
                                        .n_prompt = c->slots[prompt_slot].n_prompt,
                                        .program = job->program };
    return CG_OK;
}

static int cuda_collect(cg_executor *ex, cg_sequence_result *ret_result)
{
    struct cuda_executor *c = use(ex);

    for (int32_t i; (i = c->next_collected) < c->config.n_slots; c->next_collected++) {
        struct kv_slot *p = &c->slots[i];
        const cg_slot_event *event = &c->state.events[i];

        if (p->kind != CG_SLOT_SEQUENCE || !p->done || p->collected)
            continue;
        p->collected = 1;
        c->stats.forced += event->n_tokens - event->n_sampled;
        *ret_result = (cg_sequence_result) {
            i,
            event->done,
            event->n_tokens,
            event->n_sampled,
            c->state.completions + (int64_t)i * c->config.max_len,
            event->is_mirrored,
            event->repair,
        };
        return 1;
    }
    return 0;
}

/* ---- launches ----------------------------------------------------------------------------- */

/* Queues the work that the cache has deferred: before a launch that uses its memory. */
static cg_status flush_cache(struct cuda_executor *c, cg_error *err)
{
    cg_error why = CG_ERROR_INIT;

    return c->cache_defers ? cache_status(c, c->config.cache->flush(c->cache_self, &why), &why, err)
                           : CG_OK;
}

/* Queues the repairs of a step, after its gather, beside what follows on the stream. */
static cg_status queue_repair(struct cuda_executor *c, cg_error *err)
{
    CG_TRY(CG_CUDA(cudaEventRecord(c->gathered, c->stream), err));
    CG_TRY(CG_CUDA(cudaStreamWaitEvent(c->repair_stream, c->gathered, 0), err));
    CG_TRY(cg_step_repair(&c->state, cg_device_tables_automaton(c->tables), c->repair_stream, err));
    return CG_CUDA(cudaEventRecord(c->repaired, c->repair_stream), err);
}

static cg_status queue_sample(struct cuda_executor *c, cg_error *err)
{
    int64_t stride;
    int32_t n_head_rows;
    const float *logits = cg_forward_logits(c->forward, &stride, &n_head_rows);

    return cg_step_sample(&c->state, logits, stride, cg_device_tables_automaton(c->tables),
                          &c->config.sampling, n_head_rows, c->stream, err);
}

/* Queues a step in a capture. step: its number, for error texts */
static cg_status queue_step(struct cuda_executor *c, int64_t step, cg_error *err)
{
    CG_TRY(cg_step_gather(&c->state, c->stream, err));
    if (c->repair_stream)
        CG_TRY(queue_repair(c, err));
    CG_TRY(cg_forward_run(c->forward, step, err));
    if (c->n_head_rows) /* else no program yet, only prompts */
        CG_TRY(queue_sample(c, err));
    return c->repair_stream ? CG_CUDA(cudaStreamWaitEvent(c->stream, c->repaired, 0), err) : CG_OK;
}

static cg_status copy_counters(struct cuda_executor *c, cg_error *err)
{
    return CG_CUDA(cudaMemcpyAsync(c->counters, c->state.counters, sizeof *c->counters,
                                   cudaMemcpyDeviceToHost, c->stream),
                   err);
}

static cg_status queue_steps(struct cuda_executor *c, int32_t steps, cg_error *err)
{
    for (int32_t i = 0; i < steps; i++)
        CG_TRY(queue_step(c, c->n_queued_steps + i, err));
    return copy_counters(c, err);
}

static cg_status capture(struct cuda_executor *c, int32_t steps, cudaGraphExec_t *ret_exec,
                         cg_error *err)
{
    cudaGraph_t graph = NULL;
    cg_status st, st_end;

    CG_TRY(CG_CUDA(cudaStreamBeginCapture(c->stream, cudaStreamCaptureModeThreadLocal), err));
    st = queue_steps(c, steps, err);
    st_end = CG_CUDA(cudaStreamEndCapture(c->stream, &graph), st == CG_OK ? err : NULL);
    if (st == CG_OK)
        st = st_end;
    if (st != CG_OK)
        goto out;
    st = CG_CUDA(cudaGraphInstantiate(ret_exec, graph, 0), err);
out:
    if (graph)
        cudaGraphDestroy(graph);
    return st;
}

static cg_status queue_launch(struct cuda_executor *c, int32_t max_steps, cg_error *err)
{
    struct launch *l = &c->launches[c->n_queued % N_LAUNCHES];
    int is_full = max_steps >= LAUNCH_STEPS;
    int32_t steps = is_full ? LAUNCH_STEPS : 1;
    cudaGraphExec_t *exec = is_full ? &c->graph_full : &c->graph_one_step;

    if (!*exec)
        CG_TRY(capture(c, steps, exec, err));
    CG_TRY(CG_CUDA(cudaEventRecord(l->begin, c->stream), err));
    CG_TRY(CG_CUDA(cudaGraphLaunch(*exec, c->stream), err));
    CG_TRY(CG_CUDA(cudaEventRecord(l->end, c->stream), err));
    l->is_prompts = 0;
    c->n_queued++;
    c->n_queued_steps += steps;
    return CG_OK;
}

static int is_waiting_prompt(const struct kv_slot *p)
{
    return p->kind == CG_SLOT_PROMPT && !p->done;
}

/* Tokens of the prompts that no prompt step has been queued for. */
static int64_t waiting_prompt_tokens(const struct cuda_executor *c)
{
    int64_t n = 0;

    for (int32_t i = c->config.n_slots; i < c->state.n_kv_slots; i++)
        n += is_waiting_prompt(&c->slots[i]) ? c->slots[i].n_prompt : 0;
    return n;
}

static int prompt_step_is_due(const struct cuda_executor *c)
{
    cg_prompt_counts counts = { .n_slots = c->config.n_prompt_slots };

    for (int32_t i = 0; i < c->state.n_kv_slots; i++) {
        const struct kv_slot *p = &c->slots[i];

        counts.n_running += p->kind == CG_SLOT_SEQUENCE && !p->done;
        counts.n_waiting += is_waiting_prompt(p);
        counts.n_ready += p->kind == CG_SLOT_PROMPT && p->done;
    }
    return cg_forward_has_prompt_steps(c->forward) && cg_prompt_step_is_due(&counts);
}

/* Queues as many prompt steps as the waiting prompts need; then they are ready. */
static cg_status queue_prompts(struct cuda_executor *c, cg_error *err)
{
    struct launch *l = &c->launches[c->n_queued % N_LAUNCHES];
    int64_t steps = (waiting_prompt_tokens(c) + c->prompts.rows - 1) / c->prompts.rows;

    CG_TRY(CG_CUDA(cudaEventRecord(l->begin, c->stream), err));
    for (int64_t i = 0; i < steps; i++) {
        CG_TRY(cg_step_gather_prompts(&c->state, &c->prompts, c->stream, err));
        CG_TRY(cg_forward_run_prompts(c->forward, c->n_queued_steps, err));
    }
    CG_TRY(copy_counters(c, err));
    CG_TRY(CG_CUDA(cudaEventRecord(l->end, c->stream), err));
    l->is_prompts = 1;
    c->n_queued++;
    c->stats.prompt_steps += steps;
    for (int32_t i = c->config.n_slots; i < c->state.n_kv_slots; i++)
        if (is_waiting_prompt(&c->slots[i]))
            c->slots[i].done = 1;
    return CG_OK;
}

/* Waits for the oldest launch in flight and reads the slot events it has written. */
static cg_status complete_launch(struct cuda_executor *c, cg_error *err)
{
    struct launch *l = &c->launches[c->n_completed % N_LAUNCHES];
    float ms = 0;

    CG_TRY(CG_CUDA(cudaEventSynchronize(l->end), err));
    CG_TRY(CG_CUDA(cudaEventElapsedTime(&ms, l->begin, l->end), err));
    c->stats.device_seconds += (double)ms * 1e-3;
    if (l->is_prompts)
        c->stats.prompt_step_seconds += (double)ms * 1e-3;
    if (c->last_end && cudaEventElapsedTime(&ms, c->last_end, l->begin) == cudaSuccess && ms > 0)
        c->stats.idle_seconds += (double)ms * 1e-3;
    c->last_end = l->end;
    c->n_completed++;
    c->next_collected = 0;
    if (*c->state.failure)
        return cg_fail(err, CG_ERR_FORMAT,
                       "the model's logits are not finite: its weights are damaged or overflow");
    for (int32_t i = 0; i < c->state.n_kv_slots; i++)
        if (c->slots[i].kind != CG_SLOT_FREE && c->state.events[i].done)
            c->slots[i].done = 1;
    return CG_OK;
}

/* True if a completed sequence has not been collected yet. */
static int has_uncollected(const struct cuda_executor *c)
{
    for (int32_t i = 0; i < c->config.n_slots; i++)
        if (c->slots[i].done && !c->slots[i].collected)
            return 1;
    return 0;
}

static cg_status cuda_run(cg_executor *ex, int32_t max_steps, cg_error *err)
{
    struct cuda_executor *c = use(ex);
    double begin = cg_now();
    cg_status st = CG_OK;

    if (max_steps > 0 && !has_uncollected(c)) {
        st = start_admitted(c, err);
        if (st == CG_OK)
            st = flush_cache(c, err);
        if (st == CG_OK)
            st = prompt_step_is_due(c) ? queue_prompts(c, err) : queue_launch(c, max_steps, err);
        if (st == CG_OK && c->n_queued - c->n_completed == DEPTH)
            st = complete_launch(c, err);
    }
    c->stats.seconds += cg_now() - begin;
    return st;
}

/* Waits for all queued launches. */
static cg_status complete_all(struct cuda_executor *c, cg_error *err)
{
    while (c->n_completed < c->n_queued)
        CG_TRY(complete_launch(c, err));
    return CG_CUDA(cudaStreamSynchronize(c->stream), err);
}

/* Makes a sequence start from its first token again, whose keys and values may be gone. */
static cg_status evaluate_again(struct cuda_executor *c, int32_t slot, cg_error *err)
{
    const struct kv_slot *p = &c->slots[slot];

    c->config.cache->release(c->cache_self, slot);
    CG_TRY(reserve(c, slot, sequence_limit(c, p->n_prompt, p->program), err));
    return CG_CUDA(cudaMemsetAsync(&c->state.slots[slot].seq.n_kv, 0,
                                   sizeof c->state.slots[slot].seq.n_kv, c->stream),
                   err);
}

/* The cache keeps the memory that was reserved for the whole sequence, unless it has a window. */
static cg_status cuda_roll_back(cg_executor *ex, int32_t slot, int32_t atom, cg_error *err)
{
    struct cuda_executor *c = use(ex);
    struct kv_slot *p = &c->slots[slot];
    cg_slot_state now;
    int32_t per = p->program ? p->program->fields_per_atom : 0;

    CG_TRY(start_admitted(c, err));
    CG_TRY(complete_all(c, err));
    CG_TRY(
        CG_CUDA(cudaMemcpy(&now, &c->state.slots[slot], sizeof now, cudaMemcpyDeviceToHost), err));
    if (p->kind != CG_SLOT_SEQUENCE || !per)
        return cg_fail(err, CG_ERR_USAGE,
                       "roll-back: slot %d holds no sequence of atoms (internal error)", slot);
    if (atom < 0 || atom > now.seq.field / per || atom >= p->program->n_fields / per)
        return cg_fail(
            err, CG_ERR_USAGE,
            "roll-back to atom %d (from 0): the sequence has completed %d of %d atoms (internal "
            "error)",
            atom, now.seq.field / per, p->program->n_fields / per);
    c->state.events[slot] = (cg_slot_event) { 0 };
    p->done = p->collected = 0;
    CG_TRY(cg_step_roll_back(&c->state, cg_device_tables_automaton(c->tables), slot, atom,
                             c->stream, err));
    return c->cache_has_window ? evaluate_again(c, slot, err) : CG_OK;
}

/* The host's sums, the kernels' counters as of the last completed launch or a later one, and
 * present memory. */
static void cuda_stats(const cg_executor *ex, cg_executor_stats *ret_stats)
{
    const struct cuda_executor *c = (const struct cuda_executor *)ex;
    const cg_step_counters *counters = c->counters;
    cg_cache_stats cache = { CG_SIZED(cg_cache_stats) };

    cg_cache_get_stats(c->config.cache, c->cache_self, &cache);
    *ret_stats = c->stats;
    ret_stats->steps = counters->steps;
    ret_stats->prompt_tokens = counters->prompt_tokens;
    ret_stats->tokens = counters->tokens;
    ret_stats->sampled = counters->sampled;
    ret_stats->attended = counters->attended;
    ret_stats->step_rows = counters->steps * c->state.batch.rows;
    ret_stats->prompt_step_rows = c->stats.prompt_steps * c->prompts.rows;
    ret_stats->head_rows = c->n_head_rows;
    ret_stats->device_bytes =
        c->device_bytes + cg_forward_bytes(c->forward) + cache.bytes_allocated;
}

static void cuda_cache_stats(const cg_executor *ex, cg_cache_stats *ret_stats)
{
    const struct cuda_executor *c = (const struct cuda_executor *)ex;

    cg_cache_get_stats(c->config.cache, c->cache_self, ret_stats);
}

static const struct cg_executor_ops cuda_ops = {
    .name = "cuda",
    .destroy = cuda_destroy,
    .begin_prompt = cuda_begin_prompt,
    .prompt_ready = cuda_prompt_ready,
    .release_prompt = cuda_release_prompt,
    .admit = cuda_admit,
    .run = cuda_run,
    .collect = cuda_collect,
    .release = cuda_release,
    .roll_back = cuda_roll_back,
    .stats = cuda_stats,
    .cache_stats = cuda_cache_stats,
};

/* ---- for logits.c ------------------------------------------------------------------------- */

cg_cuda_executor_parts cg_cuda_executor_get_parts(cg_executor *ex)
{
    struct cuda_executor *c = use(ex);

    return (cg_cuda_executor_parts) { &c->state, c->forward, c->stream };
}

cg_status cg_cuda_executor_reserve(cg_executor *ex, int32_t kv_slot, int32_t len, cg_error *err)
{
    struct cuda_executor *c = use(ex);

    CG_TRY(reserve(c, kv_slot, len, err));
    return flush_cache(c, err);
}
